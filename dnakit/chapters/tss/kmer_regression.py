"""A logistic regression on k-mers: a simple method for the fair task of section 5.2."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.sparse import csr_matrix, vstack
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from dnakit.chapters.tss.baseline import ScoringBaseline, window_codes
from dnakit.data import bases
from dnakit.data.bases import UNKNOWN, kmer_numbers

NEAR = np.arange(-50, 50)  # where a k-mer at a place of its own starts, from the site
NEAR_LENGTHS = (1, 2, 3)
FAR_LENGTH = 4
FAR_EDGES = np.array([-500, -400, -300, -200, -100, -50, 0, 50, 100, 200, 300, 400, 500])  # bins of k-mer counts
REACH = 1_400  # examples of "elsewhere" lie so near to the site: about a stretch
ELSEWHERE = 10  # of them for each window
MOST_WINDOWS = 6_000  # train on; about 0.5 GB of features
STRENGTHS = (0.001, 0.003, 0.01, 0.03)  # C, the inverse of the penalty
_STREAM = 52  # of random numbers


@dataclass(frozen=True)
class KmerRegression(ScoringBaseline):
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
        return self._score(bases.codes(stretch))

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
    numbers = kmer_numbers(sliding_window_view(codes, k, axis=-1)).astype(np.int64)
    windows = np.arange(len(codes))[:, None, None]
    return numbers[windows, positions[..., None] + places].reshape(-1, len(places))


def _tables(weights: np.ndarray, frequencies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The regression's weights as `KmerRegression.near` and ``far``.

    In `near` a 3-mer has its own weight and those of the 2-mer and the base it begins with.
    """
    places = len(NEAR)
    ones, twos, threes, fours = np.split(weights, np.cumsum([places * 4**k for k in NEAR_LENGTHS]))
    near = np.zeros((places, 5, 5, 5), np.float32)
    near[:, :4] += _centred(ones.reshape(places, 4), frequencies)[:, :, None, None]
    near[:, :4, :4] += _centred(twos.reshape(places, 4, 4), frequencies)[..., None]
    near[:, :4, :4, :4] += _centred(threes.reshape(places, 4, 4, 4), frequencies)
    far = np.zeros((len(FAR_EDGES) - 1, 5, 5, 5, 5), np.float32)
    far[:, :4, :4, :4, :4] = _centred(fours.reshape(-1, 4, 4, 4, 4), frequencies)
    return near.reshape(places, -1), far.reshape(len(far), -1)


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
    """The number in base 5 of the k-mer that starts at each base, along the last axis; unknown is the fifth base."""
    return kmer_numbers(sliding_window_view(codes, k, axis=-1), 5)
