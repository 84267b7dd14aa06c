"""Simple methods for the fair task of section 5.2: which token of a stretch of DNA holds the transcription start site.

Three of them, each learned from training promoters: the position alone, the core promoter's motifs as weight matrices,
and a logistic regression on the organism's own k-mers. Those that read the sequence score every base by a
log-likelihood ratio, "transcription starts here" against "elsewhere", and answer with the highest among the bases that
may be the site. They see the stretch and nothing beyond its ends, as the transformer does.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.sparse import csr_matrix, vstack
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from dnakit.project import DnakitError
from dnakit.tokens.tokenizer import CODES, UNKNOWN, DnaTokenizer

CANDIDATES = 201  # tokens 0..200 of a stretch may hold the site (section 4.2.2)

CORE = (-40, 11)  # bases around the site in the weight matrix; -5..+6 is the initiator
PSEUDOCOUNT = 1.0  # of the background's composition, added to each column
TATA_STARTS = (-36, -23)  # where the TATA box's matrix may start, half-open; its first T is one base further
# Counts of A, C, G, T in 389 TATA boxes: Bucher, J. Mol. Biol. 212:563 (1990), in JASPAR as MA0108.1.
TATA = np.array(
    [
        [61, 16, 352, 3, 354, 268, 360, 222, 155, 56, 83, 82, 82, 68, 77],
        [145, 46, 0, 10, 0, 0, 3, 2, 44, 135, 147, 127, 118, 107, 101],
        [152, 18, 2, 2, 5, 0, 20, 44, 157, 150, 128, 128, 128, 139, 140],
        [31, 309, 35, 374, 30, 121, 6, 121, 33, 48, 31, 52, 61, 75, 71],
    ]
).T

NEAR = np.arange(-50, 50)  # where a k-mer at a place of its own starts, from the site
NEAR_LENGTHS = (1, 2, 3)
FAR_LENGTH = 4
FAR_EDGES = np.array([-500, -400, -300, -200, -100, -50, 0, 50, 100, 200, 300, 400, 500])  # bins of k-mer counts
REACH = 1_400  # examples of "elsewhere" lie so near to the site: about a stretch
ELSEWHERE = 10  # of them for each window
MOST_WINDOWS = 6_000  # train on; about 0.5 GB of features
STRENGTHS = (0.001, 0.003, 0.01, 0.03)  # C, the inverse of the penalty
_STREAM = 52  # of random numbers


class Prediction(NamedTuple):
    """The token said to hold the site and the base said to be it, each counted from the first of the stretch."""

    token: int
    base: int


class Baseline(Protocol):
    """What every method here can do."""

    def predict(self, stretch: bytes, starts: np.ndarray) -> Prediction:
        """The site in a stretch whose tokens begin at the bases `starts` (int, ascending from 0)."""


def locate(baseline: Baseline, tokens: Sequence[np.ndarray], tokenizer: DnaTokenizer) -> tuple[np.ndarray, np.ndarray]:
    """The token and the base that a baseline names in each input, two arrays of shape ``(inputs,)``.

    Parameters
    ----------
    baseline : Baseline
    tokens : sequence of np.ndarray
        Token ids of each input, ``<cls>`` and ``<sep>`` not among them: all that the baseline sees.
    tokenizer : DnaTokenizer
    """
    letters = [each or b"N" for each in tokenizer.token_letters()]
    lengths = np.array([len(each) for each in letters])
    answers = [
        baseline.predict(b"".join(letters[token] for token in ids), lengths[ids].cumsum() - lengths[ids])
        for ids in tokens
    ]
    named, bases = np.array(answers, dtype=int).reshape(-1, 2).T
    return named, bases


class _Scoring(ABC):
    """Predicting from scores of bases."""

    @abstractmethod
    def score_positions(self, stretch: bytes) -> np.ndarray:
        """Log-likelihood ratio (nats, up to a constant) of each base of the stretch, ``(bases,)``."""

    def predict(self, stretch: bytes, starts: np.ndarray) -> Prediction:
        """The base of the highest score in the tokens that may hold the site, and the token that covers it."""
        end = int(starts[CANDIDATES]) if len(starts) > CANDIDATES else len(stretch)
        base = int(self.score_positions(stretch)[:end].argmax())
        return Prediction(int(np.searchsorted(starts, base, side="right")) - 1, base)


# ---- position


@dataclass(frozen=True)
class PositionOnly:
    """The same answer for every stretch: the commonest label and the median position of the training stretches.

    Attributes
    ----------
    token, base : int
        The first maximizes exact accuracy on the training stretches, the second minimizes their mean error in bp; each
        is the answer for its own measure.
    """

    token: int
    base: int

    @classmethod
    def fit(cls, tokens: Sequence[int] | np.ndarray, bases: Sequence[int] | np.ndarray) -> "PositionOnly":
        """Learn from the labels of training stretches: the site's token in each, and its base."""
        if not len(tokens) or len(tokens) != len(bases):
            raise DnakitError(f"{len(tokens)} tokens and {len(bases)} bases: give both for each training stretch")
        return cls(int(np.bincount(tokens).argmax()), int(np.median(bases)))

    def predict(self, stretch: bytes, starts: np.ndarray) -> Prediction:
        """The constant, or the end of a stretch that is too short for it."""
        return Prediction(min(self.token, len(starts) - 1), min(self.base, len(stretch) - 1))


# ---- motifs


@dataclass(frozen=True)
class Motifs(_Scoring):
    """Weight matrices of the core promoter: one of -40..+10, and the TATA box wherever upstream it may lie.

    Attributes
    ----------
    core : np.ndarray
        Log-odds in nats, ``(51, 5)``: A, C, G, T and an unknown base, which scores 0.
    tata : np.ndarray
        The same of Bucher's matrix, ``(15, 5)``.
    share : float
        Of the training promoters that have a TATA box.
    """

    core: np.ndarray
    tata: np.ndarray
    share: float

    @classmethod
    def fit(cls, windows: Sequence[bytes], tss: int) -> "Motifs":
        """Learn the core promoter, the background composition and the share of TATA boxes.

        Parameters
        ----------
        windows : sequence of bytes
            Promoters of one length, read in the direction of transcription.
        tss : int
            The index of the site in each.

        Raises
        ------
        DnakitError
            No windows, windows of several lengths, or too short ones.
        """
        codes = window_codes(windows, tss, reach=60)
        background = np.bincount(codes.ravel(), minlength=5)[:4] + 1.0
        background /= background.sum()
        around = codes[:, tss + CORE[0] : tss + CORE[1]]
        core = _log_odds(np.stack([(around == base).sum(0) for base in range(4)], axis=1), background)
        tata = _log_odds(TATA, background)
        return cls(core, tata, _share(np.array([_placed(row[tss - 60 : tss + 1], tata)[60] for row in codes])))

    def score_positions(self, stretch: bytes) -> np.ndarray:
        """Nats for each base; what the matrices would read beyond the ends of the stretch scores 0."""
        codes = _codes(stretch)
        padded = np.pad(codes, (-CORE[0], CORE[1]), constant_values=UNKNOWN)
        box = np.log1p(self.share * np.expm1(_placed(codes, self.tata)))
        return _matrix_scores(padded, self.core)[: len(codes)] + box


def _log_odds(counts: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Nats by column and base, with a fifth base that scores nothing."""
    smooth = counts + PSEUDOCOUNT * background
    odds = np.log(smooth / smooth.sum(1, keepdims=True) / background)
    return np.column_stack([odds, np.zeros(len(odds))])


def _matrix_scores(codes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The matrix's score where its first column lies on each base."""
    return matrix[np.arange(len(matrix)), sliding_window_view(codes, len(matrix))].sum(1)


def _placed(codes: np.ndarray, tata: np.ndarray) -> np.ndarray:
    """Log-likelihood ratio at each base of a TATA box upstream of it, all its places being equally likely."""
    first, end = TATA_STARTS
    padded = np.pad(codes, (-first, len(tata)), constant_values=UNKNOWN)
    places = sliding_window_view(_matrix_scores(padded, tata), end - first)[: len(codes)]
    return logsumexp(places, axis=1) - np.log(end - first)


def _share(ratios: np.ndarray) -> float:
    """The share of promoters with a box, from their log-likelihood ratios, by expectation maximization."""
    share = 0.1
    for _ in range(100):
        share = float(np.mean(share * np.exp(ratios) / (1 + share * np.expm1(ratios))))
    return share


# ---- k-mers


@dataclass(frozen=True)
class KmerRegression(_Scoring):
    """A logistic regression that tells the site from other positions of the same windows by the k-mers around it.

    Features are the 1-, 2- and 3-mers at each place of -50..+51 and the number of each 4-mer in bins over -500..+503.
    The weights are kept as tables, so that scoring is looking up and adding. They are centred on the training windows'
    composition: what lies beyond the ends of a stretch counts as average, not as absent.

    Attributes
    ----------
    near : np.ndarray
        Nats, ``(100, 125)``: of the 3-mer that starts at each place, with the 2-mer and the base it starts with.
    far : np.ndarray
        Nats, ``(12, 625)``: of a 4-mer in each bin. K-mers are numbered in base 5; those with unknown bases weigh 0.
    strength : float
        The C chosen.
    """

    near: np.ndarray
    far: np.ndarray
    strength: float

    @classmethod
    def fit(cls, windows: Sequence[bytes], tss: int, validation: Sequence[bytes], seed: int) -> "KmerRegression":
        """Learn from windows around known sites; from a random `MOST_WINDOWS` of them if there are more.

        Parameters
        ----------
        windows, tss
            As for `Motifs.fit`, with at least 2,000 bases on either side of the site.
        validation : sequence of bytes
            Other such windows: the C of `STRENGTHS` is taken under which their sites are likeliest.
        seed : int
            Of the positions elsewhere.
        """
        rng = np.random.default_rng([seed, _STREAM])
        codes = window_codes(windows, tss, reach=2_000)
        judged = window_codes(validation, tss, reach=2_000)
        if len(codes) > MOST_WINDOWS:
            codes = codes[np.sort(rng.choice(len(codes), MOST_WINDOWS, replace=False))]
        features, labels = _examples(codes, tss, rng)
        frequencies = _frequencies(codes)
        model = LogisticRegression(max_iter=60, tol=1e-3, warm_start=True)
        fitted = []
        for strength in STRENGTHS:
            weights = model.set_params(C=strength).fit(features, labels).coef_[0]
            fitted.append(cls(*_tables(weights, frequencies), strength))
        return max(fitted, key=lambda each: each._likelihood(judged[:, tss - 2_000 : tss + 2_001]))

    def score_positions(self, stretch: bytes) -> np.ndarray:
        """Nats for each base."""
        return self._score(_codes(stretch))

    def _score(self, codes: np.ndarray) -> np.ndarray:
        margin = 1 - FAR_EDGES[0]
        padded = np.pad(codes, (margin, margin + FAR_LENGTH), constant_values=UNKNOWN)
        base = margin + np.arange(len(codes))
        places = sliding_window_view(_words(padded, NEAR_LENGTHS[-1]), len(NEAR))[base + NEAR[0]]
        scores = self.near[np.arange(len(NEAR)), places].sum(1, dtype=float)
        sums = self.far[:, _words(padded, FAR_LENGTH)].cumsum(axis=1, dtype=float)
        for row, (first, end) in zip(sums, pairwise(FAR_EDGES), strict=True):
            scores += row[base + end - 1] - row[base + first - 1]
        return scores

    def _likelihood(self, pieces: np.ndarray) -> float:
        """Mean log-probability of the middle of each piece among the positions within `REACH`."""
        middle = pieces.shape[1] // 2
        scores = np.stack([self._score(piece)[middle - REACH : middle + REACH + 1] for piece in pieces])
        return float(np.mean(scores[:, REACH] - logsumexp(scores, axis=1)))


def _examples(codes: np.ndarray, tss: int, rng: np.random.Generator) -> tuple[csr_matrix, np.ndarray]:
    """Features of each window's site and of positions elsewhere in it, and whether they are the site."""
    away = rng.integers(1, REACH + 1, (len(codes), ELSEWHERE)) * rng.choice([-1, 1], (len(codes), ELSEWHERE))
    positions = tss + np.column_stack([np.zeros(len(codes), int), away])
    few = range(0, len(codes), 250)  # memory: what is made on the way is ten times what stays
    features = vstack([_features(codes[i : i + 250], positions[i : i + 250]) for i in few], format="csr")
    return features, (positions == tss).ravel()


def _features(codes: np.ndarray, positions: np.ndarray) -> csr_matrix:
    """The k-mers around positions ``(windows, n)``, one row a position, in the order that `_tables` reads."""
    blocks, size = [], 0
    for k in NEAR_LENGTHS:
        numbers = _around(codes, positions, k, NEAR)
        blocks.append(np.where(numbers < 0, -1, numbers + size + 4**k * np.arange(len(NEAR))))
        size += len(NEAR) * 4**k
    places = np.arange(FAR_EDGES[0], FAR_EDGES[-1])
    numbers, bins = _around(codes, positions, FAR_LENGTH, places), np.searchsorted(FAR_EDGES, places, side="right") - 1
    blocks.append(np.where(numbers < 0, -1, numbers + size + 4**FAR_LENGTH * bins))
    size += (len(FAR_EDGES) - 1) * 4**FAR_LENGTH
    columns = np.concatenate(blocks, axis=1, dtype=np.int32)
    ones = (columns >= 0).astype(np.float32)  # a k-mer with an unknown base is counted zero times
    pointers = np.arange(0, columns.size + 1, columns.shape[1])
    rows = csr_matrix((ones.ravel(), columns.clip(0).ravel(), pointers), shape=(len(columns), size))
    rows.sum_duplicates()
    return rows


def _around(codes: np.ndarray, positions: np.ndarray, k: int, places: np.ndarray) -> np.ndarray:
    """Numbers in base 4 of the k-mers that start at places around positions, ``(positions, places)``; -1: unknown."""
    digits = np.indices((5,) * k).reshape(k, -1)
    base4 = np.where((digits == UNKNOWN).any(0), -1, 4 ** np.arange(k)[::-1] @ digits)
    windows = np.arange(len(codes))[:, None, None]
    return base4[_words(codes, k)[windows, positions[..., None] + places]].reshape(-1, len(places))


def _tables(weights: np.ndarray, frequencies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The regression's weights as `KmerRegression.near` and ``far``."""
    near = np.zeros((len(NEAR), 5, 5, 5), np.float32)
    start = 0
    for k in NEAR_LENGTHS:
        part = weights[start : start + len(NEAR) * 4**k].reshape(len(NEAR), *(4,) * k)
        near[(slice(None), *(slice(4),) * k)] += _centred(part, frequencies)[(..., *(None,) * (NEAR_LENGTHS[-1] - k))]
        start += part.size
    far = np.zeros((len(FAR_EDGES) - 1, *(5,) * FAR_LENGTH), np.float32)
    far[:, :4, :4, :4, :4] = _centred(weights[start:].reshape(-1, *(4,) * FAR_LENGTH), frequencies)
    return near.reshape(len(near), -1), far.reshape(len(far), -1)


def _centred(weights: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Weights ``(places, 4, ...)`` less the mean of each place over k-mers as frequent as in the windows."""
    k = weights.ndim - 1
    shares = frequencies.sum(axis=tuple(range(k, FAR_LENGTH)))
    return weights - (weights * shares).sum(axis=tuple(range(1, k + 1)), keepdims=True)


def _frequencies(codes: np.ndarray) -> np.ndarray:
    """Of 4-mers without unknown bases, ``(4, 4, 4, 4)``, summing to 1."""
    counts = sum(np.bincount(_words(row, FAR_LENGTH), minlength=5**FAR_LENGTH) for row in codes)
    known = np.reshape(counts, (5,) * FAR_LENGTH)[:4, :4, :4, :4]
    return known / known.sum()


def _words(codes: np.ndarray, k: int) -> np.ndarray:
    """The number in base 5 of the k-mer that starts at each base, along the last axis."""
    length = codes.shape[-1] - k + 1
    numbers = np.zeros((*codes.shape[:-1], length), np.int16)
    for offset in range(k):
        numbers = numbers * 5 + codes[..., offset : offset + length]
    return numbers


# ---- sequences as numbers


def window_codes(windows: Sequence[bytes], tss: int, reach: int) -> np.ndarray:
    """Codes (0..3, 4 for an unknown base) of windows of one length with `reach` bases on either side of the site.

    Raises
    ------
    DnakitError
        If they are not such windows.
    """
    lengths = {len(window) for window in windows}
    if len(lengths) != 1:
        raise DnakitError(f"windows of {len(lengths)} different lengths: give promoter windows of one length")
    if not reach <= tss < max(lengths) - reach:
        raise DnakitError(f"windows of {max(lengths)} bases with the TSS at {tss}: {reach} are needed on either side")
    return _codes(b"".join(windows)).reshape(len(windows), -1)


def _codes(sequence: bytes) -> np.ndarray:
    return CODES[np.frombuffer(sequence, np.uint8)]
