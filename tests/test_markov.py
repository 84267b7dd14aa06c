import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnakit.chapters.pretraining import markov
from dnakit.project import DnakitError

pytestmark = pytest.mark.slow

ORDER = 2
TABLE = np.random.default_rng(7).dirichlet(np.full(4, 0.6), 4**ORDER)  # P(base | the two before)
LETTERS = np.frombuffer(b"ACGT", np.uint8)
genomes_with_gaps = st.lists(st.text("ACGTN", max_size=40).map(str.encode), min_size=1, max_size=4)


def source(length: int, seed: int) -> tuple[bytes, float]:
    """A sequence of the order-2 source, and the bits per base that its own probabilities give it."""
    draws = np.random.default_rng(seed).random(length)
    cumulative = TABLE.cumsum(1)
    state, bases, bits = 0, np.zeros(length, np.uint8), 0.0
    for place, draw in enumerate(draws):
        base = min(int(np.searchsorted(cumulative[state], draw, side="right")), 3)
        bases[place], bits = base, bits - math.log2(TABLE[state, base])
        state = (4 * state + base) % 4**ORDER
    return LETTERS[bases].tobytes(), bits / length


def entropy_and_deviation() -> tuple[float, float]:
    """Entropy rate of the source in bits, and the standard deviation of one base's information around it."""
    moves = np.zeros((16, 16))
    for state in range(16):
        for base in range(4):
            moves[state, (4 * state + base) % 16] += TABLE[state, base]
    stationary = np.linalg.matrix_power(moves, 200)[0]
    information = -np.log2(TABLE)
    mean = (stationary[:, None] * TABLE * information).sum()
    return float(mean), float(np.sqrt((stationary[:, None] * TABLE * (information - mean) ** 2).sum()))


def random_genome(length: int, seed: int) -> bytes:
    return LETTERS[np.random.default_rng(seed).integers(0, 4, length)].tobytes()


@pytest.fixture(scope="module")
def sequences():
    return {
        part: source(length, seed)
        for seed, (part, length) in enumerate({"train": 200_000, "validation": 30_000, "test": 60_000}.items())
    }


@pytest.fixture(scope="module")
def two_sided(sequences):
    train, validation = [sequences["train"][0]], [sequences["validation"][0]]
    return markov.TwoSided(order=8, reach=4).fit(train).tune(validation)


def test_a_fixed_order_finds_the_order_of_its_source_and_is_scored_at_its_entropy(sequences):
    test, own_bits = sequences["test"]
    model = markov.FixedMarkov(range(7)).fit([sequences["train"][0]]).tune([sequences["validation"][0]])
    assert model.order == ORDER
    bits = model.bits_per_base([test])
    # A table of m free probabilities learned from n bases costs m / (2 n ln 2) bits more; four times that is generous.
    learning = 4 * 3 * 4**ORDER / (2 * 200_000 * math.log(2))
    assert own_bits - 0.002 < bits < own_bits + learning + 0.002
    entropy, deviation = entropy_and_deviation()
    # The information of successive bases is correlated, which widens the mean's deviation: 8 of the uncorrelated one.
    assert bits == pytest.approx(entropy, abs=8 * deviation / math.sqrt(len(test)) + learning)


def test_mixed_orders_come_close_to_the_entropy_without_being_told_the_order(sequences, two_sided):
    test, own_bits = sequences["test"]
    bits = two_sided.before.bits_per_base([test])
    # Higher orders are noise here: what they cost is bounded by a table of order 3 learned from the same bases.
    assert own_bits - 0.002 < bits < own_bits + 3 * 4**3 / (200_000 * math.log(2)) * 4
    assert two_sided.after.bits_per_base([test]) == pytest.approx(bits, abs=0.02)  # entropy has no direction


def test_both_sides_tell_more_than_one(sequences, two_sided):
    test = [sequences["test"][0]]
    assert two_sided.bits_per_base(test) < two_sided.before.bits_per_base(test) - 0.05
    # The exponents may leave any of the three models alone, so the product loses to none of them beyond their grid.
    assert two_sided.bits_per_base(test) < two_sided.around.bits_per_base(test) + 0.005


@settings(max_examples=25)
@given(genomes_with_gaps)
def test_probabilities_are_probabilities_at_every_known_base(two_sided, genomes):
    fixed = markov.FixedMarkov(range(9))
    fixed.counts, fixed.order, fixed.pseudo_count = two_sided.before.counts, 3, 0.5
    for model in (two_sided, two_sided.before, two_sided.around, fixed):
        probabilities = model.probabilities(genomes)
        assert len(probabilities) == sum(len(genome) - genome.count(b"N") for genome in genomes)
        assert (probabilities > 0).all()
        np.testing.assert_allclose(probabilities.sum(1), 1)


@settings(max_examples=25)
@given(genomes_with_gaps)
def test_an_unknown_letter_ends_a_genome_as_far_as_contexts_go(two_sided, genomes):
    pieces = [piece for genome in genomes for piece in genome.split(b"N")]
    for model in (two_sided, two_sided.before):
        np.testing.assert_array_equal(model.probabilities(genomes), model.probabilities(pieces))


@settings(max_examples=50)
@given(genomes_with_gaps, st.sampled_from([(-1, -2, -3), (-1, 1, -2, 2)]))
def test_counts_are_what_counting_gives(genomes, offsets):
    expected = Counter()
    places = [
        (genome, place) for genome in genomes for place in range(len(genome)) if genome[place : place + 1] != b"N"
    ]

    def context(genome, place, order):
        around = [place + offset for offset in offsets[:order]]
        inside = all(0 <= at < len(genome) and genome[at] != ord("N") for at in around)
        return bytes(genome[at] for at in around) if inside else None

    for genome, place in places:
        for order in range(len(offsets) + 1):
            expected[order, context(genome, place, order), genome[place]] += 1
    if not places:
        with pytest.raises(DnakitError, match="no known bases"):
            markov.ContextCounts(genomes, offsets)
        return
    counts = markov.ContextCounts(genomes, offsets)
    contexts = markov.contexts_of(genomes, offsets)[0]
    sorting = np.argsort(contexts)
    for order, (rows, _, size, found) in enumerate(counts.levels(contexts[sorting])):
        got = np.zeros((len(places), 4))
        got[sorting[rows]] = np.repeat(found, size, axis=0)
        for (genome, place), row in zip(places, got, strict=True):
            key = context(genome, place, order)
            assert row.tolist() == [expected[order, key, base] if key is not None else 0 for base in b"ACGT"]


def test_a_genome_seen_in_training_costs_next_to_nothing_and_a_new_one_two_bits():
    train = [random_genome(4_000, seed) for seed in range(8)]
    new = random_genome(4_000, 99)
    relatives = markov.TwoSided(order=16, reach=8).fit(train).tune(train[:2])
    known = relatives.bits_by_genome([train[5], new])
    assert known[0] < 0.05
    assert known[1] > 2
    # Tuned on a stranger, the same counts learn to trust nothing: a coin of four sides, but for the noise of tuning.
    strangers = markov.MixedMarkov(markov.one_sided(16)).fit(train).tune([random_genome(4_000, 98)])
    assert strangers.bits_per_base([new]) == pytest.approx(2, abs=0.02)


def test_scores_by_genome_do_not_depend_on_company_case_or_blocks(two_sided, sequences, monkeypatch):
    test = sequences["test"][0]
    genomes = [test[:3_000], b"NNN", test[3_000:3_500].lower(), test[9_000:20_000], b""]
    together = two_sided.bits_by_genome(genomes)
    assert np.isnan(together[[1, 4]]).all()
    monkeypatch.setattr(markov, "BLOCK_BASES", 1_000)
    np.testing.assert_allclose(two_sided.bits_by_genome(genomes), together)
    np.testing.assert_allclose([two_sided.bits_per_base([genome]) for genome in genomes], together)
    weights = [len(genome) for genome in genomes]
    assert two_sided.bits_per_base(genomes) == pytest.approx(np.nansum(together * weights) / (sum(weights) - 3))


def test_mistakes_are_told_in_one_line():
    with pytest.raises(DnakitError, match="27 bases: choose 1 to 26"):
        markov.ContextCounts([b"ACGT"], markov.one_sided(27))
    with pytest.raises(DnakitError, match="validation genomes hold no known bases"):
        markov.MixedMarkov(markov.one_sided(2)).fit([b"ACGT"]).tune([b"NN"])
