"""What needs no network: the labels of the nearest training bins, the share of G and C, and counts of k-mers.

The first sees no sequence at all: how good it is says how much of a test is position.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.linear_model import Ridge

from dnakit.chapters.chromatin.parameters import GC
from dnakit.chapters.chromatin.profiles import Profiles, labelled
from dnakit.chapters.chromatin.scores import mean_auroc
from dnakit.chapters.chromatin.splits import FAR, positions
from dnakit.data import bases

NEIGHBOURS = 8  # training bins on either side of a bin
K = 6
PENALTIES = (1e3, 1e4, 1e5)  # of the ridge regression; validation chooses
PIECE = 2_000  # windows whose k-mers are counted at once
NEAREST, KMERS = "nearest bins", "6-mers"


class Task(NamedTuple):
    """Some features, the training and validation rows where they are labelled, and the rows to predict.

    Attributes
    ----------
    columns : np.ndarray of int
        Of the labels.
    choosing : np.ndarray of int
        Indices of the training rows that are fitted while validation chooses: see `dnakit.chapters.chromatin.splits`.
    train, validation, rows : np.ndarray of int
        Indices of rows.
    """

    columns: np.ndarray
    choosing: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    rows: np.ndarray


Method = Callable[[Profiles, Task], np.ndarray]  # scores, (rows, columns), between 0 and 1 or nearly so


def predict(method: Method, profiles: Profiles, parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """A method's scores of the test rows, float32, shape (rows, features).

    Features that are unlabelled in different rows are fitted apart, each to the rows where it is labelled.
    """
    scores = np.zeros((len(parts["test"]), len(profiles.features)), np.float32)
    for task in tasks(profiles.labels, parts):
        scores[:, task.columns] = method(profiles, task)
    return scores


def tasks(labels: np.ndarray, parts: Mapping[str, np.ndarray]) -> Iterator[Task]:
    """One task for each set of features that are labelled in the same rows."""
    known = labelled(labels)
    patterns, which = np.unique(known, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):
        at = patterns[:, number]
        rows = {name: part[at[part]] for name, part in parts.items() if name != "test"}
        if len(rows["train"]):  # nothing is learned of a feature that no training row labels
            columns = np.flatnonzero(which.ravel() == number)
            choosing = rows["choosing"] if len(rows["choosing"]) else rows["train"]
            yield Task(columns, choosing, rows["train"], rows["validation"], parts["test"])


# ---- position


def nearest_bins(profiles: Profiles, task: Task) -> np.ndarray:
    """Labels of the nearest training bins, up to eight on either side, weighted by one over their distance.

    On a chromosome without training bins: the share of positives in training.
    """
    truth = (profiles.labels[task.train][:, task.columns] == 1).astype(np.float32)
    places = positions(profiles.chromosomes, profiles.starts)
    order = np.argsort(places[task.train])
    trained, rows = places[task.train][order], places[task.rows]
    pieces = np.split(rows, range(PIECE, len(rows), PIECE))
    return np.concatenate([_of_neighbours(each, trained, truth[order]) for each in pieces])


def _of_neighbours(rows: np.ndarray, trained: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The weighted mean of the labels around each row; `trained` are the ordered places of the labels `truth`."""
    neighbours = np.searchsorted(trained, rows, side="right")[:, None] + np.arange(-NEIGHBOURS, NEIGHBOURS)
    inside = (neighbours >= 0) & (neighbours < len(trained))
    neighbours = neighbours.clip(0, len(trained) - 1)
    distances = np.abs(trained[neighbours] - rows[:, None])
    weights = (inside & (distances < FAR // 2)) / np.maximum(1, distances)
    total = weights.sum(1, keepdims=True)
    found = np.einsum("rn,rnf->rf", weights / np.where(total, total, 1), truth[neighbours])
    return np.where(total > 0, found, truth.mean(0))


# ---- sequence


class Fit(NamedTuple):
    """A ridge regression on standardized inputs, and by what they are standardized."""

    ridge: Ridge
    mean: np.ndarray
    scale: np.ndarray


class Linear:
    """Ridge regression of the labels on some inputs of every row: linear, and all features at once.

    Parameters
    ----------
    inputs : np.ndarray, shape (rows, inputs)
        Of all rows of the profiles.
    """

    def __init__(self, inputs: np.ndarray) -> None:
        self.inputs = inputs

    def __call__(self, profiles: Profiles, task: Task) -> np.ndarray:
        """Scores with the penalty whose mean AUROC on the validation rows is highest."""
        labels = profiles.labels[task.validation][:, task.columns]
        truth = (profiles.labels[:, task.columns] == 1).astype(np.float32)
        fits = self._fits(truth, task.choosing, PENALTIES)
        best = int(np.argmax([mean_auroc(labels, self._predicted(fit, task.validation)) for fit in fits]))
        again = not np.array_equal(task.choosing, task.train)
        fit = self._fits(truth, task.train, [PENALTIES[best]])[0] if again else fits[best]
        return self._predicted(fit, task.rows)

    def _fits(self, truth: np.ndarray, train: np.ndarray, penalties: Sequence[float]) -> list[Fit]:
        """One for each penalty, to the training rows."""
        inputs = self.inputs[train].astype(np.float32)
        mean, scale = inputs.mean(0), inputs.std(0) + 1e-6
        standard = (inputs - mean) / scale
        return [Fit(Ridge(alpha=penalty).fit(standard, truth[train]), mean, scale) for penalty in penalties]

    def _predicted(self, fit: Fit, rows: np.ndarray) -> np.ndarray:
        pieces = np.split(rows, range(PIECE, len(rows), PIECE))
        found = [fit.ridge.predict((self.inputs[each].astype(np.float32) - fit.mean) / fit.scale) for each in pieces]
        return np.concatenate(found).reshape(len(rows), -1)


def gc_content(sequences: list[bytes]) -> np.ndarray:
    """The share of G and C among the known bases of each sequence, and its square; float32, shape (sequences, 2)."""
    counts = np.array([[each.count(letter) for letter in (b"G", b"C", b"A", b"T")] for each in sequences], float)
    share = counts[:, :2].sum(1) / np.maximum(1, counts.sum(1))
    return np.stack([share, share**2], axis=1).astype(np.float32)


def kmer_counts(sequences: list[bytes]) -> np.ndarray:
    """How often each 6-mer or its reverse complement occurs in sequences of one length; uint16.

    Shape (sequences, 2,080).
    """
    kinds = _strand_kinds()
    return np.concatenate([_counted(sequences[at : at + PIECE], kinds) for at in range(0, len(sequences), PIECE)])


def _strand_kinds() -> np.ndarray:
    """For each 6-mer by number, which kind it is: it and its reverse complement are one kind; int64, shape (4,096,)."""
    numbers = np.arange(4**K)
    opposite = bases.kmer_numbers(3 - bases.kmer_codes(numbers, K)[:, ::-1])
    return np.unique(np.minimum(numbers, opposite), return_inverse=True)[1]


def _counted(sequences: list[bytes], kinds: np.ndarray) -> np.ndarray:
    codes = bases.codes(b"".join(sequences)).reshape(len(sequences), -1)
    numbers = bases.kmer_numbers(sliding_window_view(codes, K, axis=1)).astype(np.int64)
    of_row, width = np.arange(len(sequences))[:, None], int(kinds.max()) + 1
    known = numbers >= 0
    cells = (of_row * width + kinds[numbers])[known]
    return np.bincount(cells, minlength=len(sequences) * width).reshape(-1, width).astype(np.uint16)


def methods(profiles: Profiles) -> dict[str, Method]:
    """The methods by name."""
    sequences = profiles.sequences(np.arange(len(profiles)))
    return {NEAREST: nearest_bins, GC: Linear(gc_content(sequences)), KMERS: Linear(kmer_counts(sequences))}


def predictors(profiles: Profiles) -> dict[str, Callable[[Mapping[str, np.ndarray]], np.ndarray]]:
    """`predict` with each method, by name."""
    return {name: partial(predict, method, profiles) for name, method in methods(profiles).items()}
