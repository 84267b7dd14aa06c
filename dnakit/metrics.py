"""The metrics of the thesis's Appendix A, and two that it lacks: skill above copying, and bits per base.

A metric that is not defined for its input (no samples, no positives) is NaN, never a number that looks like a result.
Where scikit-learn has a metric, it computes it; importing it takes a second, so each function does that when called.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dnakit.project import DnakitError

SELECTED, UNCHANGED = 0.15, 0.1  # shares of the thesis's masking: of all tokens, and of the selected ones


def perplexity(nats: float) -> float:
    """Perplexity of a crossentropy in nats: ``e**nats``, which is 2 to the same crossentropy in bits (A.4).

    Parameters
    ----------
    nats : float
        Mean crossentropy for one token, natural logarithm.

    Returns
    -------
    float
        From 1 (a perfect model) up to the vocabulary size (guessing), and beyond that for a model that is worse than
        guessing; infinite where it is too large for a float (above 709 nats).
    """
    with np.errstate(over="ignore"):
        return float(np.exp(nats))


def perplexity_base2(nats: float) -> float:
    """``2**nats``: what equation A.4 gives for a crossentropy in nats, which is no perplexity.

    The text of A.1 speaks of bits, so that its perplexity is `perplexity`. Frameworks compute nats: if the thesis's
    program put these into A.4, its tables show this number.
    """
    with np.errstate(over="ignore"):
        return float(np.exp2(nats))


def loss_and_accuracy(counts: NDArray[np.floating]) -> dict[str, float]:
    """Mean loss and accuracy from a classifier's sums over a data set.

    Parameters
    ----------
    counts : np.ndarray, shape (3,)
        Sum of negative log-likelihoods (nats), samples, and how many were predicted right.
    """
    nats, samples, right = counts
    return {"loss": float(nats / samples), "accuracy": float(right / samples)}


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
    from sklearn.metrics import precision_score

    labels, predictions = _same_shape(labels, predictions, bool)
    return float(precision_score(labels, predictions, zero_division=np.nan)) if predictions.any() else math.nan


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
    from sklearn.metrics import recall_score

    labels, predictions = _same_shape(labels, predictions, bool)
    return float(recall_score(labels, predictions, zero_division=np.nan)) if labels.any() else math.nan


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve (A.9): the chance that a positive scores above a negative; a tie counts one half.

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
    from sklearn.metrics import roc_auc_score

    positive, scores = _ranked(labels, scores)
    return float(roc_auc_score(positive, scores)) if positive.any() and not positive.all() else math.nan


def auprc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the precision-recall curve as average precision: by guessing, the share of positives.

    Parameters
    ----------
    labels : array_like of bool, shape (samples,)
    scores : array_like of float, shape (samples,)

    Returns
    -------
    float
        NaN if nothing is positive.

    Raises
    ------
    DnakitError
        If the shapes differ or a score is NaN.
    """
    from sklearn.metrics import average_precision_score

    positive, scores = _ranked(labels, scores)
    return float(average_precision_score(positive, scores)) if positive.any() else math.nan


def copy_baseline() -> float:
    """MLM accuracy over *all* tokens of a model that only copies its input: 0.865 with the thesis's masking (4.2.1).

    Unselected tokens are right, and so are the selected ones that stay as they are. The thesis's baseline of 0.85
    (Table 5.1) forgets the latter.
    """
    return 1 - SELECTED * (1 - UNCHANGED)


def skill(accuracy: float, copying: float | None = None) -> float:
    """How far an accuracy over all tokens lies from copying (0) to perfection (1); negative is worse than copying.

    `copying` is the accuracy of copying on the same masks where it was counted, `copy_baseline` where it was not.
    """
    baseline = copy_baseline() if copying is None else copying
    return (accuracy - baseline) / (1 - baseline)


def bits_per_base(log_probabilities: ArrayLike, bases: ArrayLike) -> float:
    """Bits a model needs for one base, ``sum(-log2 p) / bases``: comparable between vocabularies.

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
    covered = np.sum(bases)
    return float(-np.sum(log_probabilities) / np.log(2) / covered) if covered else math.nan


def _ranked(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray]:
    """Labels as bool, and scores that have an order."""
    labels, scores = _same_shape(labels, scores)
    if np.isnan(scores).any():
        raise DnakitError("a score is NaN, so the samples have no order: look for a loss that overflowed")
    return labels.astype(bool), scores


def _same_shape(one: ArrayLike, other: ArrayLike, dtype: type | None = None) -> tuple[NDArray, NDArray]:
    first, second = np.asarray(one, dtype), np.asarray(other, dtype)
    if first.shape != second.shape:
        raise DnakitError(f"a metric needs one prediction for each label, not {second.shape} for {first.shape}")
    return first, second
