"""Simple methods: the nearest k-mer profile, naive Bayes on k-mers, and the search behind ``dnakit classify``.

Each is made from sequences and a label for each, and ranks the labels for a read: the most likely first.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from scipy import sparse

from dnakit.chapters.metagenomics import search
from dnakit.data import bases
from dnakit.data.bases import reverse_complement

K = 8  # of the profiles and of naive Bayes, as in the RDP classifier (Wang et al. 2007, 10.1128/AEM.00062-07)
SMOOTHING = 0.01  # k-mers of each kind that a label has in advance
REGRESSION_K, COMPONENTS, ITERATIONS = 6, 128, 40  # of the logistic regression
BATCH = 200  # reads at a time


class Ranking(Protocol):
    """What every method can do."""

    def rank(self, reads: Sequence[bytes], count: int) -> np.ndarray:
        """The `count` most likely labels of each read, ``(reads, count)``; -1 where there are no more."""


def profiles(sequences: Sequence[bytes], k: int = K) -> sparse.csr_matrix:
    """Which k-mers each sequence has, 0 or 1, ``(sequences, 4^k)``."""
    numbers, rows, _ = search.kmers_of(sequences, k)
    ones = np.ones(len(numbers), np.float32)
    found = sparse.csr_matrix((ones, (rows, numbers.astype(np.int32))), shape=(len(sequences), 4**k))
    found.data[:] = 1
    return found


def consensus(sequences: Sequence[bytes], labels: np.ndarray) -> tuple[list[bytes], np.ndarray]:
    """The commonest base at each place of the sequences of a label, which are of one length (copies of one record)."""
    found, kept = [], np.unique(labels)
    for label in kept:
        codes = np.stack([bases.codes(sequences[row]) for row in np.flatnonzero(labels == label).tolist()])
        counts = np.stack([(codes == base).sum(0) for base in range(5)])
        found.append(bases.letters(counts.argmax(0)))
    return found, kept


class Linear:
    """Scores that are sums over the k-mers of a read, on the strand that scores higher.

    Labels of equal score keep their order.
    """

    def __init__(self, weights: sparse.csr_matrix, each: np.ndarray, labels: np.ndarray, normal: bool) -> None:
        self.weights, self.each, self.labels, self.normal = weights, each, labels, normal

    def rank(self, reads: Sequence[bytes], count: int) -> np.ndarray:
        """See `Ranking`."""
        found = [self._rank(reads[start : start + BATCH], count) for start in range(0, len(reads), BATCH)]
        return np.concatenate(found)

    def _rank(self, reads: Sequence[bytes], count: int) -> np.ndarray:
        scores = np.maximum(self._scores(reads), self._scores([reverse_complement(read) for read in reads]))
        rows, found = np.arange(len(scores)), []
        for _ in range(min(count, scores.shape[1])):
            found.append(scores.argmax(1))
            scores[rows, found[-1]] = -np.inf
        return self.labels[np.stack(found, axis=1)]

    def _scores(self, reads: Sequence[bytes]) -> np.ndarray:
        """Scores ``(reads, labels)``."""
        shown = profiles(reads)
        sizes = np.asarray(shown.sum(1)).ravel()
        scores = (shown @ self.weights).toarray() - sizes[:, None] * self.each
        return scores / np.sqrt(np.maximum(sizes, 1))[:, None] if self.normal else scores


def cosine(sequences: Sequence[bytes], labels: np.ndarray) -> Linear:
    """The nearest profile by cosine."""
    found = profiles(sequences)
    sizes = np.sqrt(np.maximum(np.asarray(found.sum(1)).ravel(), 1))
    return Linear(sparse.diags(1 / sizes).dot(found).T.tocsr(), np.zeros(len(sequences)), labels, normal=True)


def naive_bayes(sequences: Sequence[bytes], labels: np.ndarray) -> Linear:
    """Multinomial naive Bayes: ``log((m + s) / (M + s 4^k))``, m of the label's M k-mers, smoothed by s."""
    found, kept = profiles(sequences), np.unique(labels)
    places = np.searchsorted(kept, labels)
    member = sparse.csr_matrix((np.ones(len(labels), np.float32), (places, np.arange(len(labels)))))
    counts = (member @ found).tocsr()
    totals = np.asarray(counts.sum(1)).ravel()
    counts.data = np.log(counts.data / SMOOTHING + 1).astype(np.float32)
    return Linear(counts.T.tocsr(), np.log(totals / SMOOTHING + 4**K), kept, normal=False)


class Search:
    """The search of ``dnakit classify``, with labels for species."""

    def __init__(self, sequences: Sequence[bytes], labels: np.ndarray) -> None:
        self.labels = labels
        self.searcher = search.Searcher(search.build(sequences, [str(label) for label in labels]))

    def rank(self, reads: Sequence[bytes], count: int) -> np.ndarray:
        """See `Ranking`."""
        ranked = np.full((len(reads), count), -1)
        for start in range(0, len(reads), BATCH):
            for row, records in enumerate(self.searcher.search(reads[start : start + BATCH]).records, start=start):
                once = list(dict.fromkeys(self.labels[records[records >= 0]].tolist()))[:count]
                ranked[row, : len(once)] = once
        return ranked


class Logistic:
    """Multinomial logistic regression on 6-mers, reduced to their first components (singular vectors)."""

    def __init__(self, sequences: Sequence[bytes], labels: np.ndarray) -> None:
        from sklearn.decomposition import TruncatedSVD
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        found = profiles(sequences, REGRESSION_K)
        self.usual = np.asarray(found.mean(0)).ravel()  # by which the strand of a read is known
        components = min(COMPONENTS, min(found.shape) - 1)
        reduced = TruncatedSVD(components, random_state=0), StandardScaler()
        self.model = make_pipeline(*reduced, LogisticRegression(C=10.0, max_iter=ITERATIONS))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it stops at ITERATIONS, by intent
            self.model.fit(found.astype(np.float32), labels)

    def rank(self, reads: Sequence[bytes], count: int) -> np.ndarray:
        """See `Ranking`."""
        turned = [reverse_complement(read) for read in reads]
        strands = [profiles(each, REGRESSION_K) for each in (reads, turned)]
        forward = (strands[0] @ self.usual >= strands[1] @ self.usual)[:, None]
        scores = np.where(forward, *(self.model.predict_proba(shown) for shown in strands))
        return self.model.classes_[np.argsort(-scores, axis=1, kind="stable")[:, :count]]


METHODS: dict[str, Callable[[Sequence[bytes], np.ndarray], Ranking]] = {
    "search": Search,
    "cosine": cosine,
    "naive-bayes": naive_bayes,
    "logistic-regression": Logistic,
}
