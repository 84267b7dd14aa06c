"""From the records that a read is like to a name at each rank, and what says whether that name is right.

The name is that of the nearest record. Where several are equally near, the ranks are decided from the domain down: the
name that most of them share. So equal species of one genus leave the genus certain and the species open.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from dnakit.chapters.metagenomics.search import FAR, SLACK, Hits
from dnakit.data.barcodes import RANKS

CLOSE = 6  # edits of a margin that are told apart
NEAR = 2.0  # edits over which a record's weight falls to 1/e


class Names(NamedTuple):
    """Names of reads by rank, and the evidence for each.

    Attributes
    ----------
    codes : np.ndarray of int32, shape (reads, ranks)
        Numbers of the names (see `Taxa`); 0 where there is none.
    evidence : np.ndarray of float, shape (reads, ranks, 14)
        Those of `_evidence`, and the two of `Taxa.known`.
    """

    codes: np.ndarray
    evidence: np.ndarray


class Taxa:
    """The names of a reference as numbers.

    Attributes
    ----------
    names : list of np.ndarray of str
        For each rank its names; the first one is empty.
    codes : np.ndarray of int32, shape (records, ranks)
    """

    def __init__(self, table: pd.DataFrame) -> None:
        found = [np.unique(["", *table[rank]], return_inverse=True) for rank in RANKS]
        self.names = [names for names, _ in found]
        self.codes = np.stack([codes[1:] for _, codes in found], axis=1).astype(np.int32)
        self.records = [np.log1p(np.bincount(codes[1:], minlength=len(names))) for names, codes in found]
        self.siblings = [self._siblings(rank) for rank in range(len(RANKS))]

    def _siblings(self, rank: int) -> np.ndarray:
        """Logarithm of the number of names that share the parent of each name of a rank."""
        parents = self.codes[:, max(rank - 1, 0)]
        pairs = np.unique(np.stack([parents, self.codes[:, rank]]), axis=1)
        sizes = np.bincount(pairs[0])
        counts = np.zeros(len(self.names[rank]))
        np.maximum.at(counts, pairs[1], sizes[pairs[0]])
        return np.log1p(counts)

    def known(self, codes: np.ndarray) -> np.ndarray:
        """What the reference holds of names, ``(reads, ranks, 2)``: records of the name, names beside it."""
        columns = [
            (self.records[rank][codes[:, rank]], self.siblings[rank][codes[:, rank]]) for rank in range(len(RANKS))
        ]
        return np.stack([np.stack(pair, axis=1) for pair in columns], axis=1)

    def spelled(self, codes: np.ndarray) -> np.ndarray:
        """Names of ``(reads, ranks)`` numbers, as an array of objects."""
        return np.stack([names[codes[:, rank]].astype(object) for rank, names in enumerate(self.names)], axis=1)


def name(hits: Hits, taxa: Taxa) -> Names:
    """Name reads by their hits."""
    known = hits.records >= 0
    codes = np.where(known[..., None], taxa.codes[hits.records], 0)  # (reads, candidates, ranks)
    best = np.where(known[:, 0], hits.distances[:, 0], hits.lengths)
    near = np.where(known, hits.distances - hits.distances[:, :1], FAR)
    chosen = _chosen(codes, near == 0)
    same = (codes == chosen[:, None]) & known[..., None]
    of_hits = _evidence(best, near, same, known, hits.lengths)
    return Names(chosen, np.concatenate([of_hits, taxa.known(chosen)], axis=2))


def _chosen(codes: np.ndarray, alive: np.ndarray) -> np.ndarray:
    """Of the records that are `alive` the names that most share, rank by rank from the domain down."""
    chosen = np.zeros((len(codes), codes.shape[2]), np.int32)
    rows = np.arange(len(codes))
    for rank in range(codes.shape[2]):
        column = codes[:, :, rank]
        equal = (column[:, :, None] == column[:, None, :]) & alive[:, None, :]
        counts = np.where(alive & (column > 0), equal.sum(2), 0)
        first = counts.argmax(1)
        chosen[:, rank] = np.where(counts[rows, first] > 0, column[rows, first], 0)
        agrees = alive & (column == chosen[:, rank][:, None])
        alive = np.where(agrees.any(1)[:, None], agrees, alive)
    return chosen


def _evidence(
    best: np.ndarray, near: np.ndarray, same: np.ndarray, known: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Twelve numbers that say how sure a name is, ``(reads, ranks, 12)``.

    They hold how far the nearest record is, how much farther one of another name, whether near records agree, and how
    long the read is.
    """
    length = np.maximum(lengths, 1).astype(float)
    rival = np.where(known[..., None] & ~same, near[..., None], SLACK + 1).min(1)  # (reads, ranks)
    weights = np.exp(-np.minimum(near, 50) / NEAR) * known
    agreement = (weights[..., None] * same).sum(1) / np.maximum(weights.sum(1), 1e-9)[:, None]
    distance = np.broadcast_to((best / length)[:, None], rival.shape)
    margin = np.minimum(rival, SLACK + 1) / length[:, None]
    logarithm = np.broadcast_to(np.log(length / 170)[:, None], rival.shape)
    relative = rival / (rival + best[:, None] + 1)
    equal = np.broadcast_to((best == 0)[:, None], rival.shape).astype(float)
    close = np.minimum(rival, CLOSE)
    features = (
        distance, np.sqrt(distance), margin, np.sqrt(margin), relative, agreement, logarithm, distance * logarithm,
        equal, (rival == 0).astype(float), close, equal * close,
    )  # fmt: skip
    return np.stack(features, axis=2)
