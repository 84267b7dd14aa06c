"""The metrics of the thesis's Appendix A, and the two rulers it lacks: skill above copying, and bits per base.

A metric that is not defined for its input (no samples, no positives) is NaN, never a number that looks like a result.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dnakit.project import DnakitError


def perplexity(nats: float) -> float:
    """Perplexity of a crossentropy in nats, ``e**nats`` (A.4, with the logarithm that frameworks use).

    Parameters
    ----------
    nats : float
        Mean crossentropy for one token, natural logarithm.

    Returns
    -------
    float
        From 1 (a perfect model) up to the vocabulary size (guessing).
    """
    return float(np.exp(nats))


def perplexity_base2(nats: float) -> float:
    """``2**nats``: what equation A.4 gives, as printed, if the crossentropy put into it was in nats.

    The thesis does not say which logarithm it used. If it was the natural one, this is the number its tables show.
    """
    return float(np.exp2(nats))


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Share of predictions that equal their label (A.5).

    Parameters
    ----------
    labels, predictions : array_like of int
        The same shape; predictions are already the index of the highest score.

    Raises
    ------
    DnakitError
        If the shapes differ.
    """
    labels, predictions = _same_shape(labels, predictions)
    return _share(np.sum(labels == predictions), labels.size)


def top_k_accuracy(labels: ArrayLike, scores: ArrayLike, k: int = 5) -> float:
    """Share of samples whose label is among the `k` highest scores (A.6); equal scores go to the lower index.

    Parameters
    ----------
    labels : array_like of int, shape (samples,)
    scores : array_like of float, shape (samples, classes)
    k : int
        From 1 to the number of classes.

    Raises
    ------
    DnakitError
        If the shapes do not fit or `k` is out of range.
    """
    labels, scores = np.asarray(labels), np.asarray(scores)
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise DnakitError(
            f"top-k accuracy needs one row of scores a label: labels {labels.shape}, scores {scores.shape}"
        )
    if not 1 <= k <= scores.shape[1]:
        raise DnakitError(f"k = {k} is out of range: choose 1 to {scores.shape[1]}, the number of classes")
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return _share(np.sum(best == labels[:, None]), len(labels))


def precision(labels: ArrayLike, predictions: ArrayLike) -> float:
    """True positives over everything predicted positive (the formula of A.7; the sentence before it describes recall).

    Parameters
    ----------
    labels, predictions : array_like of bool
        The same shape.

    Returns
    -------
    float
        NaN if nothing was predicted positive.
    """
    labels, predictions = _same_shape(labels, predictions, bool)
    return _share(np.sum(labels & predictions), np.sum(predictions))


def recall(labels: ArrayLike, predictions: ArrayLike) -> float:
    """True positives over everything that is positive (the formula of A.8; the sentence before it describes precision).

    Parameters
    ----------
    labels, predictions : array_like of bool
        The same shape.

    Returns
    -------
    float
        NaN if nothing is positive.
    """
    labels, predictions = _same_shape(labels, predictions, bool)
    return _share(np.sum(labels & predictions), np.sum(labels))


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve (A.9), as the chance that a positive scores above a negative; a tie counts one half.

    Computed from ranks (Mann-Whitney U), so it takes a sort, not every pair of samples.

    Parameters
    ----------
    labels : array_like of bool, shape (samples,)
    scores : array_like of float, shape (samples,)

    Returns
    -------
    float
        NaN unless both classes occur: one of DeepSEA's 919 columns has no positive in the test set.

    Raises
    ------
    DnakitError
        If the shapes differ or a score is NaN.
    """
    labels, scores = _same_shape(labels, scores)
    if np.isnan(scores).any():
        raise DnakitError("a score is NaN, so the samples have no order: look for a loss that overflowed")
    positive = labels.astype(bool)
    positives = int(positive.sum())
    wins = mean_ranks(scores)[positive].sum() - positives * (positives + 1) / 2
    return _share(wins, positives * (positive.size - positives))


def mean_ranks(values: NDArray) -> NDArray[np.float64]:
    """Ranks from 1 upwards; equal values share the mean of the ranks they fill."""
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return ((2 * last - count + 1) / 2)[group]


def copy_baseline(mlm_probability: float = 0.15, kept: float = 0.1) -> float:
    """MLM accuracy over *all* tokens of a model that only copies its input: 0.865 with the thesis's masking (4.2.1).

    Unselected tokens are right, and so are the selected ones that stay as they are. The thesis's baseline of 0.85
    (Table 5.1) forgets the latter.

    Parameters
    ----------
    mlm_probability : float
        Share of the tokens selected for prediction.
    kept : float
        Share of the selected tokens left unchanged.
    """
    return 1 - mlm_probability * (1 - kept)


def skill(accuracy: float, copying: float | None = None) -> float:
    """How far an accuracy over all tokens lies from copying (0) to perfection (1); negative is worse than copying.

    `copying` is the accuracy of copying on the same masks where it was counted, `copy_baseline` where it was not.
    """
    baseline = copy_baseline() if copying is None else copying
    return (accuracy - baseline) / (1 - baseline)


def bits_per_base(log_probabilities: ArrayLike, bases: ArrayLike) -> float:
    """Bits a model needs for one base, ``sum(-log2 p) / bases``: the ruler on which different vocabularies compare.

    A perplexity counts *tokens*, and a token of one vocabulary covers more bases than one of another. A fair coin of
    four sides is 2.0; BigBird's published 2.17 is 2**1.12, that is 1.12 of these.

    Parameters
    ----------
    log_probabilities : array_like of float
        Natural logarithm of the probability given to each true token, at positions that show ``<mask>``.
    bases : array_like of int
        Bases each of those tokens covers, the same shape; sums of both serve as well. Leave out tokens with N.

    Raises
    ------
    DnakitError
        If the shapes differ.
    """
    log_probabilities, bases = _same_shape(log_probabilities, bases)
    return _share(-np.sum(log_probabilities) / np.log(2), np.sum(bases))


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def _same_shape(one: ArrayLike, other: ArrayLike, dtype: type | None = None) -> tuple[NDArray, NDArray]:
    first, second = np.asarray(one, dtype), np.asarray(other, dtype)
    if first.shape != second.shape:
        raise DnakitError(f"a metric needs one prediction a label, but the shapes are {first.shape} and {second.shape}")
    return first, second
