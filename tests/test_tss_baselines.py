"""The simple methods find what is there to be found, and nothing where there is nothing."""

import os
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import binom

from dnakit.chapters.tss import kmer_regression as kmers
from dnakit.chapters.tss import motifs as matrices
from dnakit.chapters.tss import windows as promoters
from dnakit.chapters.tss.baseline import CANDIDATES, window_codes
from dnakit.chapters.tss.baselines import PositionOnly, load, locate, save
from dnakit.chapters.tss.kmer_regression import KmerRegression
from dnakit.chapters.tss.motifs import CORE, TATA, Motifs
from dnakit.chapters.tss.organisms import organism
from dnakit.chapters.tss.samples import FairSamples
from dnakit.data.bases import codes as codes_of
from dnakit.data.windows import Windows
from dnakit.project import DnakitError
from dnakit.tokens.tokenizer import train_tokenizer

TSS, LENGTH = 2_100, 4_200
MOTIF, PLACE = b"GATTACAGC", -20
BASES = np.frombuffer(b"ACGT", np.uint8)


def random_windows(count: int, seed: int, motif: bytes = MOTIF, place: int = PLACE) -> list[bytes]:
    """Random DNA with a motif at its place from the site."""
    rng = np.random.default_rng([seed, 1])
    letters = BASES[rng.integers(0, 4, (count, LENGTH))]
    letters[:, TSS + place : TSS + place + len(motif)] = np.frombuffer(motif, np.uint8)
    return [row.tobytes() for row in letters]


def stretches(windows: list[bytes], seed: int) -> list[tuple[bytes, np.ndarray, int, int]]:
    """Cut into words of 5: stretch, where its tokens start, the site's token, and its base."""
    rng = np.random.default_rng([seed, 2])
    cut = []
    for window in windows:
        token, inside = int(rng.integers(CANDIDATES)), int(rng.integers(5))
        base = 5 * token + inside
        cut.append((window[TSS - base : TSS - base + 254 * 5], 5 * np.arange(254), token, base))
    return cut


def simulated(count: int, seed: int) -> Windows:
    """The same as windows."""
    nothing = [""] * count
    return Windows(random_windows(count, seed), TSS, nothing, nothing, nothing)


@pytest.fixture(scope="module")
def regression() -> KmerRegression:
    return KmerRegression.fit(random_windows(120, 0), TSS, random_windows(40, 1), seed=1)


def test_the_regression_finds_a_planted_motif(regression: KmerRegression) -> None:
    found = [
        regression.predict(stretch, starts).base == base
        for stretch, starts, token, base in stretches(random_windows(100, 2), 0)
        if token > 5
    ]
    # 262144 / 1000: the motif occurs by chance in one stretch of about 260.
    assert np.mean(found) > 0.9


def test_the_regression_finds_nothing_in_random_dna(regression: KmerRegression) -> None:
    right = [
        regression.predict(stretch, starts).token == token
        for stretch, starts, token, _ in stretches(random_windows(200, 3, b""), 1)
    ]
    assert sum(right) <= binom.ppf(0.9999, len(right), 1 / CANDIDATES)


def test_the_fast_score_is_the_sum_of_the_weights(regression: KmerRegression) -> None:
    """Base by base and k-mer by k-mer, with an unknown base and both ends of the stretch in reach."""
    stretch = bytearray(random_windows(1, 4)[0][:700])
    stretch[350] = ord("N")
    codes = codes_of(bytes(stretch)).astype(int)
    scores = regression.score_positions(bytes(stretch))
    edges = kmers.FAR_EDGES
    for position in (0, 3, 349, 351, 699):
        expected = 0.0
        for start in range(700):
            place = start - position
            if edges[0] <= place < edges[-1] and start + 4 <= 700:
                word = int(np.ravel_multi_index(codes[start : start + 4], (5,) * 4))
                expected += regression.far[np.searchsorted(edges, place, side="right") - 1, word]
            if -50 <= place < 50:
                word = int(np.ravel_multi_index([*codes[start : start + 3], 4, 4][:3], (5,) * 3))  # 4: beyond the end
                expected += regression.near[place + 50, word]
        assert scores[position] == pytest.approx(expected, abs=1e-5)


def test_scores_are_those_scikit_learn_would_give() -> None:
    """In a window without ends the tables differ from the regression on the features by one constant."""
    rng = np.random.default_rng(5)
    codes = window_codes(random_windows(3, 5), TSS, 2_000)
    positions = TSS + rng.integers(-900, 900, (3, 40))
    features = kmers._features(codes, positions)
    weights = rng.normal(size=features.shape[1])
    model = KmerRegression(*kmers._tables(weights, kmers._frequencies(codes)), 1.0)
    scores = np.concatenate([model._score(row)[at] for row, at in zip(codes, positions, strict=True)])
    assert np.std(features @ weights - scores) < 1e-3
    assert np.std(scores) > 10


def test_beyond_the_ends_is_average(regression: KmerRegression) -> None:
    """On random DNA, where the context is cut off the mean score is that of a base with all of it."""
    scores = np.stack([regression.score_positions(window[:1_400]) for window in random_windows(60, 6, b"")])
    ends, middle = scores[:, :50].mean(1), scores[:, 600:800].mean(1)
    difference = ends - middle
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(len(difference))


def test_equal_seeds_give_equal_models(regression: KmerRegression) -> None:
    again = KmerRegression.fit(random_windows(120, 0), TSS, random_windows(40, 1), seed=1)
    assert np.array_equal(again.near, regression.near)
    assert np.array_equal(again.far, regression.far)


def test_validation_chooses_the_penalty(regression: KmerRegression) -> None:
    """Where validation windows have no motif, the surer a model is, the less likely their sites are."""
    doubtful = KmerRegression.fit(random_windows(120, 0), TSS, random_windows(40, 1, b""), seed=1)
    assert doubtful.strength == kmers.STRENGTHS[0] < regression.strength


def test_the_consensus_scores_highest() -> None:
    motifs = Motifs.fit(random_windows(300, 7), TSS)
    consensus = BASES[motifs.core[:, :4].argmax(1)].tobytes()
    first = PLACE - CORE[0]
    assert consensus[first : first + len(MOTIF)] == MOTIF
    stretch = random_windows(1, 8, consensus, CORE[0])[0][TSS - 500 : TSS + 500]
    scores = motifs.score_positions(stretch)
    assert scores.argmax() == 500
    assert scores[500] == pytest.approx(motifs.core[:, :4].max(1).sum(), abs=0.5)


def test_a_tata_box_counts_wherever_it_may_lie() -> None:
    """Each of the places where the box may start gains, others do not; half of the promoters have one."""
    box = b"GTATAAAAGGCGGGG"
    rng = np.random.default_rng(9)
    places = rng.integers(*matrices.TATA_STARTS, 200)
    windows = [random_windows(1, 100 + i, box if i % 2 else b"", int(place))[0] for i, place in enumerate(places)]
    motifs = Motifs.fit(windows, TSS)
    assert motifs.share == pytest.approx(0.5, abs=0.1)
    codes = np.full(400, 4, np.uint8)
    codes[200 : 200 + len(box)] = codes_of(box)
    gain = np.flatnonzero(matrices._placed(codes, motifs.tata) > 1)
    assert gain.min() == 200 - matrices.TATA_STARTS[1] + 1
    assert gain.max() == 200 - matrices.TATA_STARTS[0]


def test_buchers_matrix_is_of_389_boxes() -> None:
    assert (TATA.sum(1) == 389).all()
    assert BASES[TATA.argmax(1)].tobytes().startswith(b"GTATAAAAGG")


def test_unknown_bases_say_nothing(regression: KmerRegression) -> None:
    for model in (regression, Motifs.fit(random_windows(50, 10), TSS)):
        scores = model.score_positions(b"N" * 300)
        assert np.ptp(scores) == pytest.approx(0)


def test_position_alone_is_right_one_time_in_201() -> None:
    train = stretches(random_windows(1_000, 11, b""), 3)
    constant = PositionOnly.fit([token for *_, token, _ in train], [base for *_, base in train])
    test = stretches(random_windows(2_000, 12), 4)
    right = sum(constant.predict(stretch, starts).token == token for stretch, starts, token, _ in test)
    low, high = binom.ppf([0.0005, 0.9995], len(test), 1 / CANDIDATES)
    assert low <= right <= high
    errors = [abs(constant.predict(stretch, starts).base - base) for stretch, starts, _, base in test]
    assert np.median(errors) == pytest.approx(CANDIDATES * 5 / 4, rel=0.15)  # a quarter of what is uniform


def test_the_answer_lies_where_the_site_may_be(regression: KmerRegression) -> None:
    """A perfect motif after the last candidate token is not named."""
    window = random_windows(1, 13)[0]
    stretch = window[TSS - 5 * 220 : TSS + 100]
    answer = regression.predict(stretch, 5 * np.arange(244))
    assert answer.token < CANDIDATES
    assert answer.token == answer.base // 5


def test_locate_reads_the_samples_of_the_transformer(regression: KmerRegression) -> None:
    """What is spelled from tokens is the window again: the base named is the site."""
    windows = simulated(60, 14)
    tokenizer = train_tokenizer([window.decode() for window in windows.sequences], 400, 9)
    samples = [sample for sample in FairSamples(windows, tokenizer, seed=0, stream=0) if sample.label > 20]
    tokens, bases = locate(regression, samples, tokenizer)
    assert np.mean(bases == [each.tss for each in samples]) > 0.9
    assert np.mean(tokens == [each.label for each in samples]) > 0.9


def test_what_was_saved_predicts_the_same(regression: KmerRegression, tmp_path) -> None:
    fitted = {"position": PositionOnly(3, 14), "motifs": Motifs.fit(random_windows(20, 15), TSS), "k-mers": regression}
    save(fitted, tmp_path)
    for method, baseline in load(tmp_path).items():
        for stretch, starts, *_ in stretches(random_windows(5, 16), 5):
            assert baseline.predict(stretch, starts) == fitted[method].predict(stretch, starts)


@pytest.mark.parametrize(
    ("windows", "words"),
    [([], "different lengths"), ([b"ACGT" * 20, b"ACGT"], "different lengths"), ([b"ACGT" * 10], "either side")],
)
def test_windows_that_cannot_serve_are_refused(windows: Sequence[bytes], words: str) -> None:
    with pytest.raises(DnakitError, match=words):
        Motifs.fit(windows, 20)
    with pytest.raises(DnakitError, match="both"):
        PositionOnly.fit([1], [])


@pytest.mark.skipif("DNAKIT_MIRROR" not in os.environ, reason="DNAKIT_MIRROR names no folder of real data")
def test_real_yeast_has_more_than_its_position() -> None:
    """Sites of held-out chromosomes, within 50 bp: by position about a tenth, by k-mers about half."""
    windows = promoters.load(organism("yeast-ensembl"), 3_000, 3_000)
    chromosomes = np.array(windows.chromosomes)
    train, validation, test = (
        windows.take(np.flatnonzero(chromosomes == name)[:count]).sequences
        for name, count in (("II", 300), ("V", 80), ("VIII", 150))
    )
    model = KmerRegression.fit(train, windows.site, validation, seed=1)
    scores = [model.score_positions(window[windows.site - 700 : windows.site + 700]) for window in test]
    errors = np.abs(np.array([each[230:1_170].argmax() for each in scores]) + 230 - 700)
    assert np.mean(errors <= 50) > 0.35
