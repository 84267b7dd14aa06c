"""Weight matrices of the core promoter: a simple method for the fair task of section 5.2."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import logsumexp

from dnakit.chapters.tss.baseline import ScoringBaseline, window_codes
from dnakit.data import bases
from dnakit.data.bases import UNKNOWN

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


@dataclass(frozen=True)
class Motifs(ScoringBaseline):
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
        codes = bases.codes(stretch)
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
