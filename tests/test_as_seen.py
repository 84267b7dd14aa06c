"""Masked tokens from visible bases alone: nothing hidden is read, and the bits are those of worlds that are known."""

import math

import numpy as np
import pytest

from dnakit.chapters.pretraining import as_seen, bits_per_base, markov
from dnakit.chapters.pretraining.as_seen import NOTHING_BEHIND, Samples, hidden_bases, joined, of_tokens
from dnakit.chapters.pretraining.markov import one_sided, two_sided
from dnakit.chapters.pretraining.segmentation import Segmentation
from dnakit.report.finished import recorded
from dnakit.tokens.tokenizer import train_tokenizer
from dnakit.tokens.vocabulary import CLS, MASK, PAD, SEP

LETTERS = np.frombuffer(b"ACGT", np.uint8)


def random_genome(length: int, seed: int) -> bytes:
    return LETTERS[np.random.default_rng(seed).integers(0, 4, length)].tobytes()


@pytest.fixture(scope="module")
def genome():
    return random_genome(6000, 1)


@pytest.fixture(scope="module")
def tokenizer(genome):
    return train_tokenizer([genome.decode()], 80, 9)


@pytest.fixture(scope="module")
def sample(tokenizer, genome):
    """One sample with masks, alone and side by side, at both ends and elsewhere."""
    ids = tokenizer.encode_sequence(genome)[:120].astype(np.int64)
    hidden = np.random.default_rng(3).random(120) < 0.3
    hidden[[0, 1, -1]] = True
    return np.concatenate([[CLS], ids, [SEP, PAD]]), np.concatenate([[False], hidden, [False, False]])


def in_letters(tokenizer, true, masked):
    """The sample letter by letter: its letters, ``N`` at special tokens, and the number of the token of each."""
    words = [tokenizer.token_letters()[number] or b"N" for number in true]
    return b"".join(words).decode(), np.repeat(np.arange(len(true)), [len(word) for word in words])


def context_by_hand(letters, token, masked, place, offsets):
    """The digits of a context, read off the letters: 0 where a model sees nothing."""
    digits = []
    for offset in offsets:
        at = place + offset
        inside = 0 <= at < len(letters) and letters[at] in "ACGT"
        known = inside and (not masked[token[at]] or (token[at] == token[place] and at < place))
        digits.append(1 + "ACGT".index(letters[at]) if known else 0)
    return sum(digit * 5**power for power, digit in enumerate(reversed(digits)))


def test_contexts_gaps_and_reach_are_what_reading_the_sample_gives(tokenizer, sample):
    true, masked = sample
    shown = np.where(masked, MASK, true)
    found = hidden_bases(tokenizer, joined([(0, shown, true)]))
    letters, token = in_letters(tokenizer, true, masked)
    places = np.flatnonzero(masked[token])
    assert (found.bases == ["ACGT".index(letters[place]) for place in places]).all()
    for offsets in (one_sided(16), two_sided(12), as_seen._across(3)[0]):
        expected = [context_by_hand(letters, token, masked, place, offsets) for place in places]
        assert found.contexts(offsets, np.arange(len(places))).tolist() == expected
    for number, place in enumerate(places):
        behind = place + 1
        while masked[token[behind]]:
            behind += 1
        gap = behind - place - 1
        visible = letters[behind] != "N" and gap <= as_seen.WIDEST_GAP
        assert found.gap[number] == (gap if visible else NOTHING_BEHIND)
        before = place
        while letters[before - 1] != "N" and (not masked[token[before - 1]] or token[before - 1] == token[place]):
            before -= 1
        assert found.before[number] == place - before


def test_no_hidden_base_of_another_token_matters(tokenizer, sample):
    """Other masked tokens of the same lengths leave every context of a token as it is."""
    true, masked = sample
    lengths = tokenizer.token_lengths()
    rng = np.random.default_rng(0)
    chosen = np.flatnonzero(masked)[5]
    others = true.copy()
    for place in np.flatnonzero(masked & (np.arange(len(true)) != chosen)):
        others[place] = rng.choice(np.flatnonzero(lengths == lengths[true[place]]))
    shown = np.where(masked, MASK, true)
    one, other = (hidden_bases(tokenizer, joined([(0, shown, each)])) for each in (true, others))
    own = np.flatnonzero(np.repeat(np.flatnonzero(masked), lengths[true[masked]]) == chosen)
    assert (one.true != other.true).any()
    for gap in range(as_seen.WIDEST_GAP + 1):
        for offsets in as_seen._across(gap):
            assert (one.contexts(offsets, own) == other.contexts(offsets, own)).all()


@pytest.fixture(scope="module", params=[9, None], ids=["9-mer", "BB"])
def any_tokenizer(request, genome):
    texts = [genome.decode()] if request.param else [genome[i : i + 50].decode() for i in range(0, 6000, 50)]
    return train_tokenizer(texts, 80, request.param)


def test_shares_of_tokens_multiply_to_the_share_of_the_token_among_those_of_its_length(any_tokenizer, genome):
    """Token by token the four shares at each of its bases, as `segmentation` weighs the tokens of its length."""
    samples = joined(bits_per_base.masked_samples(any_tokenizer, {"one": genome}, 1))
    known = Segmentation(any_tokenizer).fit([any_tokenizer.encode_sequence(genome)])
    shares, lengths = of_tokens(known, any_tokenizer, samples), any_tokenizer.token_lengths()
    np.testing.assert_allclose(shares.sum(1), 1)
    hidden = np.flatnonzero(samples.shown == MASK)
    true, rows = samples.true[hidden], known.rows(samples.shown, samples.true)[hidden]
    bases = hidden_bases(any_tokenizer, samples).bases
    along = shares[np.arange(len(bases)), bases]
    found = np.multiply.reduceat(along, np.cumsum(lengths[true]) - lengths[true])
    weights = np.exp(-known.nats[rows])
    of_length = np.where(lengths == lengths[true][:, None], weights, 0).sum(1)
    np.testing.assert_allclose(found, weights[np.arange(len(true)), true] / of_length)


class Genomes:
    """What `measure` reads of a corpus: a tokenizer, and the token ids of the training genome."""

    def __init__(self, tokenizer, train):
        self.tokenizer, self._ids = tokenizer, tokenizer.encode_sequence(train)

    def ids_by_document(self, part):
        assert part == "train"
        return [self._ids]


def scores(tokenizer, genomes):
    corpus = Genomes(tokenizer, *genomes["train"].values())
    found = as_seen.measure(corpus, genomes, ["near"], 1)["near"]
    return found.nats.sum() / math.log(2) / found.bases.sum()


def test_a_known_genome_costs_next_to_nothing_and_random_bases_what_their_tokens_cost(tokenizer, genome):
    others = {name: {name: random_genome(6000, seed)} for seed, name in enumerate(("validation", "near"), 2)}
    known = Segmentation(tokenizer).fit([tokenizer.encode_sequence(genome)])
    samples = joined(bits_per_base.masked_samples(tokenizer, others["near"], 1))
    bases = hidden_bases(tokenizer, samples).bases
    alone = -np.log2(of_tokens(known, tokenizer, samples)[np.arange(len(bases)), bases]).mean()
    assert scores(tokenizer, {"train": {"train": genome}} | others) == pytest.approx(alone, abs=0.1)
    same = {"train": {"train": genome}, "validation": {"v": genome[:3000]}, "near": {"n": genome[3000:]}}
    assert scores(tokenizer, same) < 0.5  # some stand beside other hidden bases, where little is seen


def test_both_sides_of_a_gap_and_the_tokens_tell_more_than_one_side(tokenizer):
    """Of a source whose bases depend on those before, the bases behind the gap tell something too."""
    rng = np.random.default_rng(5)
    table = rng.dirichlet(np.full(4, 0.4), 16)
    genomes = {}
    for part, length in (("train", 150_000), ("validation", 30_000), ("near", 30_000)):
        bases, draws = [0, 1], rng.random(length)
        for draw in draws:
            cumulative = table[4 * bases[-2] + bases[-1]].cumsum()
            bases.append(min(int(np.searchsorted(cumulative, draw, side="right")), 3))
        genomes[part] = {part: LETTERS[bases].tobytes()}
    before = markov.MixedMarkov(one_sided(16)).fit([*genomes["train"].values()])
    before.tune([*genomes["validation"].values()])
    whole = before.bits_per_base([*genomes["near"].values()])
    assert scores(tokenizer, genomes) < whole - 0.05


def test_what_is_scored_are_the_bases_that_models_are_scored_on(tokenizer, genome):
    samples = list(bits_per_base.masked_samples(tokenizer, {"one": genome, "two": genome[:2000]}, 1))
    found = hidden_bases(tokenizer, joined(samples))
    lengths = tokenizer.token_lengths()
    expected = np.zeros(2, int)
    for number, shown, true in samples:
        expected[number] += lengths[true[shown == MASK]].sum()
    assert (np.bincount(found.genome) == expected).all()


def test_samples_without_masks_have_no_hidden_bases(tokenizer, genome):
    true = np.concatenate([[CLS], tokenizer.encode_sequence(genome)[:50], [SEP]])
    samples = Samples(np.zeros(len(true), int), true, true)
    known = Segmentation(tokenizer).fit([tokenizer.encode_sequence(genome)])
    assert len(hidden_bases(tokenizer, samples).at) == len(of_tokens(known, tokenizer, samples)) == 0


def test_the_recorded_masks_are_those_of_the_models():
    done = recorded("02_pretraining")
    columns = ["genome", "ruler", "bases"]
    measured = [run for run in done.values() if run.name.startswith("as-seen-")]
    assert measured
    for one in measured:
        for run in (run for run in done.values() if run.name.startswith("ruler-")):
            if done[run.name.removeprefix("ruler-")].record["corpus"]["key"] == one.record["corpus"]["key"]:
                tables = (each.frame("bits.csv")[columns].sort_values(columns) for each in (one, run))
                assert np.array_equal(*(table.to_numpy() for table in tables)), (one.name, run.name)
