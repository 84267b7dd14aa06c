"""From the records that a read is like to a name at each rank, and what says whether that name is right.

The name is that of the nearest record. Where several are equally near, the ranks are decided from the domain down: the
name that most of them share. So equal species of one genus leave the genus certain and the species open.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from dnakit.chapters.metagenomics.search import FAR, SLACK, Hits
from dnakit.data.barcodes import RANKS

FEATURES = (
    "distance",
    "root of it",
    "margin",
    "root of it",
    "relative margin",
    "agreement",
    "length",
    "distance x length",
)
NEAR = 2.0  # edits over which a record's weight falls to 1/e


class Names(NamedTuple):
    """Names of reads by rank, and the evidence for each.

    Attributes
    ----------
    codes : np.ndarray of int32, shape (reads, ranks)
        Numbers of the names (see `Taxa`); 0 where there is none.
    evidence : np.ndarray of float, shape (reads, ranks, len(FEATURES))
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
    return Names(chosen, _evidence(best, near, same, known, hits.lengths))


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
    """`FEATURES` of each name: how far the nearest record is, how much farther the nearest one of another name."""
    length = np.maximum(lengths, 1).astype(float)
    rival = np.where(known[..., None] & ~same, near[..., None], SLACK + 1).min(1)  # (reads, ranks)
    weights = np.exp(-np.minimum(near, 50) / NEAR) * known
    agreement = (weights[..., None] * same).sum(1) / np.maximum(weights.sum(1), 1e-9)[:, None]
    distance = np.broadcast_to((best / length)[:, None], rival.shape)
    margin = np.minimum(rival, SLACK + 1) / length[:, None]
    logarithm = np.broadcast_to(np.log(length / 170)[:, None], rival.shape)
    relative = rival / (rival + best[:, None] + 1)
    features = (
        distance, np.sqrt(distance), margin, np.sqrt(margin), relative, agreement, logarithm, distance * logarithm,
    )  # fmt: skip
    return np.stack(features, axis=2)
