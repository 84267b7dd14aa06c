"""How much of a genome is found in the training genomes (section 5.1).

Two genomes that share a long k-mer share an ancestor, because a k-mer of 31 bases hardly comes twice by chance. The
share of a held-out genome's 31-mers that training genomes contain says how close its relatives there are.
"""

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dnakit.data.bases import codes, kmer_numbers

K = 31  # bases: the longest k-mer that fits a number of 64 bits


def shared_words(training: Sequence[bytes], genomes: Sequence[bytes]) -> NDArray[np.float64]:
    """The share of each genome's distinct 31-mers that occur in a training genome.

    Genomes are read on the strand as given. K-mers with an unknown base do not count.

    Returns
    -------
    np.ndarray, shape (genomes,)
        NaN for a genome without a 31-mer of known bases.
    """
    below_all = np.array([-1])
    known = np.unique(np.concatenate([below_all, *map(_distinct_kmers, training)]))
    shares = []
    for words in map(_distinct_kmers, genomes):
        found = known[np.searchsorted(known, words, "right") - 1] == words
        shares.append(found.mean() if len(words) else np.nan)
    return np.array(shares)


def _distinct_kmers(genome: bytes) -> NDArray[np.int64]:
    """All 31-mers of known bases as numbers, each once."""
    if len(genome) < K:
        return np.empty(0, np.int64)
    numbers = kmer_numbers(sliding_window_view(codes(genome), K)).astype(np.int64)
    return np.unique(numbers[numbers >= 0])
