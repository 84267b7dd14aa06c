"""Logistic regression on gapped k-mers: words of seven bases of which five are read, wherever they lie in a window.

Gapped k-mers are what the SVMs read that came before networks on this task (gkm-SVM, Ghandi et al. 2014). All features
are fitted at once, as one linear layer under the loss of the known labels, until it changes no more (L-BFGS).

The logit is a sum over the words of a window, so that it says exactly what each base is worth (`GappedModel`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.nn import functional as F

from dnakit.chapters.chromatin.parameters import BEST
from dnakit.chapters.chromatin.profiles import Profiles
from dnakit.chapters.chromatin.scores import mean_auroc
from dnakit.data import bases
from dnakit.project import DnakitError

LENGTH, READ = 7, 5  # bases of a word, and how many of them are read
PENALTIES = (10.0, 3.0, 1.0, 0.3)  # of the squared weights; validation chooses
STEPS = 15  # at most, of L-BFGS under one penalty
WEIGHTS = "weights.npz"  # in the folder of a run


def counts(sequences: Sequence[bytes]) -> np.ndarray:
    """How often each gapped word or its reverse complement occurs in sequences of one length; float32.

    Shape (sequences, 10,752). A word with an unknown base counts nowhere.
    """
    codes = bases.codes(b"".join(sequences)).reshape(len(sequences), -1)
    numbers = bases.kmer_numbers(sliding_window_view(codes, LENGTH, axis=1)).astype(np.int64)
    ones = (numbers >= 0).astype(np.float32)
    pointers = np.arange(0, numbers.size + 1, numbers.shape[1])
    words = csr_matrix((ones.ravel(), numbers.clip(0).ravel(), pointers), shape=(len(codes), 4**LENGTH))
    return (words @ _gapped()).toarray()


@cache
def _gapped() -> csr_matrix:
    """Which gapped words each word of seven bases holds: 0 and 1, shape (4^7, 10,752).

    A pattern of places that are read has a mirror image, which reads the reverse complement of a word as the pattern
    reads the word. So both share their columns: 1,024, or 512 where the pattern is its own mirror image.
    """
    words, read = bases.kmer_codes(np.arange(4**LENGTH), LENGTH), np.arange(4**READ)
    opposite = bases.kmer_numbers(3 - bases.kmer_codes(read, READ)[:, ::-1]).astype(np.int64)
    either = np.unique(np.minimum(read, opposite), return_inverse=True)[1]
    columns, width = [], 0
    for places in combinations(range(LENGTH), READ):
        mirror = tuple(LENGTH - 1 - place for place in reversed(places))
        if places <= mirror:
            found = bases.kmer_numbers(words[:, places]).astype(np.int64)
            columns.append(width + (either[found] if places == mirror else found))
            if places != mirror:
                columns.append(width + opposite[bases.kmer_numbers(words[:, mirror]).astype(np.int64)])
            width += len(set(either)) if places == mirror else len(read)
    rows = np.tile(np.arange(len(words)), len(columns))
    return csr_matrix((np.ones(len(rows), np.float32), (rows, np.concatenate(columns))), shape=(len(words), width))


class GappedModel(NamedTuple):
    """A fitted regression, for counts as they are.

    Attributes
    ----------
    weights : np.ndarray of float32, shape (10,752, features)
    constants : np.ndarray of float32, shape (features,)
    """

    weights: np.ndarray
    constants: np.ndarray

    @classmethod
    def of_standardized(cls, weights: Tensor, mean: np.ndarray, scale: np.ndarray) -> "GappedModel":
        """From the weights of standardized counts, whose last row is the constant."""
        plain = weights[:-1].numpy() / scale[:, None]
        return cls(plain, weights[-1].numpy() - mean @ plain)

    def logits(self, sequences: Sequence[bytes]) -> np.ndarray:
        """Float32, shape (sequences, features)."""
        return counts(sequences) @ self.weights + self.constants

    def word_logits(self, column: int) -> np.ndarray:
        """What each word of seven bases adds to a feature's logit; float32, shape (4^7,)."""
        return _gapped() @ self.weights[:, column]

    def importance(self, windows: Sequence[bytes], column: int) -> np.ndarray:
        """How far a feature's logit falls, on average over the three other bases at each place.

        It is exact: a base is part of seven words at most, and the logit is a sum over words.

        Parameters
        ----------
        windows : sequence of bytes
            Of one length.
        column : int
            Of the feature.

        Returns
        -------
        np.ndarray
            Float64, shape (windows, bases); a word with an unknown base is worth nothing.
        """
        worth = self.word_logits(column).astype(float)
        codes = bases.codes(b"".join(windows)).reshape(len(windows), -1).astype(np.int64)
        numbers = bases.kmer_numbers(sliding_window_view(codes.astype(np.uint8), LENGTH, axis=1)).astype(np.int64)
        known, numbers = numbers >= 0, numbers.clip(0)
        found = np.zeros(codes.shape)
        for place in range(LENGTH):  # of the base in a word
            at = slice(place, place + numbers.shape[1])
            base, digit = codes[:, at] % 4, 4 ** (LENGTH - 1 - place)
            others = [worth[numbers + ((base + turn) % 4 - base) * digit] for turn in (1, 2, 3)]
            found[:, at] += known * (worth[numbers] - np.mean(others, axis=0))
        return found

    def save(self, folder: Path) -> None:
        """Write the weights."""
        np.savez(folder / WEIGHTS, weights=self.weights, constants=self.constants)

    @classmethod
    def load(cls, folder: Path) -> "GappedModel":
        """What `save` wrote.

        Raises
        ------
        DnakitError
            If the run was made before weights were kept.
        """
        if not (folder / WEIGHTS).exists():
            raise DnakitError(
                f"the run {folder.name} has no {WEIGHTS}: delete its folder in the store and make it anew"
            )
        with np.load(folder / WEIGHTS) as kept:
            return cls(kept["weights"], kept["constants"])


def predictors(folder: Path, profiles: Profiles) -> dict[str, Callable[[Mapping[str, np.ndarray]], np.ndarray]]:
    """`predict` by the name of the method; the weights are kept in `folder`."""
    return {BEST: partial(predict, profiles, folder)}


def predict(profiles: Profiles, folder: Path, parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Probabilities of the test rows, float32, shape (rows, features)."""
    rows = ("train", "validation", "test")
    found = {part: counts(profiles.sequences(parts[part])) for part in rows}
    mean, scale = found["train"].mean(0), found["train"].std(0) + 1e-3
    inputs = {part: torch.from_numpy((each - mean) / scale) for part, each in found.items()}
    labels = profiles.labels[parts["train"]]
    chosen = np.isin(parts["train"], parts["choosing"])
    whole = bool(chosen.all())  # then a copy would only take memory
    fits = path(inputs["train"] if whole else inputs["train"][chosen], labels[chosen], PENALTIES)
    truth = profiles.labels[parts["validation"]]
    best = int(np.argmax([mean_auroc(truth, _logits(inputs["validation"], fit).numpy()) for fit in fits]))
    if not whole:
        fits = path(inputs["train"], labels, PENALTIES[: best + 1])
    GappedModel.of_standardized(fits[best], mean, scale).save(folder)
    return torch.sigmoid(_logits(inputs["test"], fits[best])).numpy()


def path(inputs: Tensor, labels: np.ndarray, penalties: Sequence[float]) -> list[Tensor]:
    """The weights under each penalty, each fit from those under the one before; parameters as of `fitted`."""
    weights = torch.zeros(inputs.shape[1] + 1, labels.shape[1])
    weights[-1] = torch.from_numpy(_base_logits(labels))
    found = []
    for penalty in penalties:
        weights = fitted(inputs, torch.from_numpy(labels), weights, penalty)
        found.append(weights)
    return found


def fitted(inputs: Tensor, labels: Tensor, start: Tensor, penalty: float) -> Tensor:
    """Weights of the logistic regression, from those of a stronger penalty on.

    Parameters
    ----------
    inputs : Tensor of float, shape (rows, inputs)
        Standardized.
    labels : Tensor of int8, shape (rows, features)
        1, 0, or -1 where unknown.
    start : Tensor of float, shape (inputs + 1, features)
        The last row is the constant, which is not penalized.
    penalty : float
        Of half the squared weights, beside the mean loss of a feature's known labels.
    """
    weights = start.clone().requires_grad_()
    known, truth = labels >= 0, (labels == 1).float()
    share = known / known.sum(0).clamp(min=1)
    optimizer = torch.optim.LBFGS([weights], max_iter=STEPS, history_size=5, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        each = F.binary_cross_entropy_with_logits(_logits(inputs, weights), truth, reduction="none")
        value = (each * share).sum() + penalty / 2 * weights[:-1].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach()


def _logits(inputs: Tensor, weights: Tensor) -> Tensor:
    return torch.addmm(weights[-1], inputs, weights[:-1])


def _base_logits(labels: np.ndarray) -> np.ndarray:
    """Of the share of positives of each feature, one positive and one negative more than there are; float32."""
    positive, negative = (labels == 1).sum(0) + 1, (labels == 0).sum(0) + 1
    return np.log(positive / negative).astype(np.float32)
