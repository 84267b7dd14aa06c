"""Simple methods that name the species of a read, each with and without its qualities: what the models are held to."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from dnakit.chapters.future_work.reads import Reads, Task, error_probability
from dnakit.data.bases import kmer_numbers
from dnakit.data.reads import PHRED, trimmed_length

K = 8
Scores = NDArray[np.float64]  # (reads, species): the highest one names the species


def mismatches(task: Task, reads: Reads) -> Scores:
    """Equal bases at equal places."""
    return _compared(task, reads, np.ones(reads.codes.shape), np.zeros(reads.codes.shape))


def likelihood(task: Task, reads: Reads) -> Scores:
    """Log-likelihood of the read under the errors that its qualities state: no method can be better on these reads."""
    error = error_probability(reads.phred)
    return _compared(task, reads, np.log1p(-error), np.log(np.maximum(error, 1e-12) / 3))


def kmers(task: Task, reads: Reads) -> Scores:
    """K-mers of the read that the species has."""
    return _shared_kmers(task, reads, np.ones((len(reads), reads.codes.shape[1] - K + 1)))


def kmers_trimmed(task: Task, reads: Reads) -> Scores:
    """The same after the usual trimming of low-quality ends."""
    kept = np.array([trimmed_length("".join(map(chr, phred + PHRED))) for phred in reads.phred])
    ends = np.arange(K, reads.codes.shape[1] + 1)
    return _shared_kmers(task, reads, (ends <= kept[:, None]).astype(float))


def kmers_weighted(task: Task, reads: Reads) -> Scores:
    """The same, each k-mer with the probability that all of its bases are right."""
    right = np.log1p(-error_probability(reads.phred))
    return _shared_kmers(task, reads, np.exp(sliding_window_view(right, K, axis=1).sum(-1)))


# Each method, and the one that it is compared with: the same without qualities.
METHODS: Mapping[str, tuple[Callable[[Task, Reads], Scores], str | None]] = {
    "mismatches": (mismatches, None),
    "likelihood": (likelihood, "mismatches"),
    "k-mers": (kmers, None),
    "k-mers, trimmed": (kmers_trimmed, "k-mers"),
    "k-mers, weighted": (kmers_weighted, "k-mers"),
}


def right(scores: Scores, reads: Reads, seed: int) -> str:
    """Whether each read is named right, as a string of 0 and 1; a tie is decided by chance."""
    chance = np.random.default_rng(seed).random(scores.shape)
    best = np.where(np.isclose(scores, scores.max(1, keepdims=True)), chance, -1.0).argmax(1)
    return as_string(best == reads.species)


def as_string(values: NDArray[Any]) -> str:
    """0 and 1 as one string: short in a record."""
    return "".join("1" if each else "0" for each in values)


def _compared(task: Task, reads: Reads, equal: Scores, different: Scores) -> Scores:
    """What equal and different bases add at each place of each read."""
    hot = [(reads.codes == base) for base in range(4)]
    of_species = [(task.references == base).astype(float) for base in range(4)]
    gain = equal - different
    matched = sum((gain * own) @ theirs.T for own, theirs in zip(hot, of_species, strict=True))
    return matched + different.sum(1, keepdims=True)


def _shared_kmers(task: Task, reads: Reads, weights: Scores) -> Scores:
    """The added weights of the k-mers of each read that each species has anywhere."""
    known = (_kmers(task.references) > 0).astype(float)
    return np.asarray((_kmers(reads.codes, weights) @ known.T).todense())


def _kmers(sequences: NDArray[np.uint8], weights: Scores | None = None) -> csr_matrix:
    """K-mers of each sequence with their weights, shape (sequences, 4^k)."""
    numbers = kmer_numbers(sliding_window_view(sequences, K, axis=1)).astype(np.int64)
    values = np.ones(numbers.shape) if weights is None else weights
    rows = np.repeat(np.arange(len(numbers)), numbers.shape[1])
    return csr_matrix((values.ravel(), (rows, numbers.ravel())), shape=(len(numbers), 4**K))
