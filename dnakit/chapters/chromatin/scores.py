"""How good predictions of profiles are: by feature, by kind of feature, with intervals, and flattened as one list.

Where a label is unknown (-1), it counts nowhere.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from dnakit import metrics
from dnakit.chapters.chromatin.profiles import labelled
from dnakit.data.peaks import Feature

FEWEST_POSITIVES = 10  # in the test rows, for a feature to count in the mean of its kind
RESAMPLES, FEWEST_RESAMPLES = 200, 100  # of the test rows of one model
DRAWN = 20_000_000  # rows in all resamples together: a large test set gets fewer of them
BLOCK = 100_000  # bp; neighbouring bins are alike, so blocks are drawn and not bins
THRESHOLD = 0.5
MEASURES = ("auroc", "auprc")
CALIBRATION_BINS = 20


def by_feature(labels: np.ndarray, scores: np.ndarray, features: Sequence[Feature]) -> pd.DataFrame:
    """A row for each feature: its kind, known and positive labels, AUROC and AUPRC (NaN where undefined).

    Parameters
    ----------
    labels : np.ndarray of int8, shape (rows, features)
    scores : np.ndarray of float, the same shape
    features : sequence of Feature
    """
    rows = []
    for number, feature in enumerate(features):
        known = labelled(labels[:, number])
        truth, predicted = labels[known, number] == 1, scores[known, number]
        row = {"feature": feature.name, "kind": feature.kind, "labels": len(truth), "positives": int(truth.sum())}
        rows.append(row | {"auroc": metrics.auroc(truth, predicted), "auprc": metrics.auprc(truth, predicted)})
    return pd.DataFrame(rows)


def mean_auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """The mean over the features that have positives and negatives; 0 where none has. Validation chooses by it."""
    areas = [metrics.auroc(labels[known, n] == 1, scores[known, n]) for n, known in enumerate(labelled(labels).T)]
    defined = [area for area in areas if not np.isnan(area)]
    return float(np.mean(defined)) if defined else 0.0


def by_kind(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Mean and median of each measure over the features of a kind that have 10 positives or more."""
    enough = table[(table.positives >= FEWEST_POSITIVES) & table.auroc.notna()]
    return {
        str(kind): {"features": len(group)}
        | {f"{name}_{how}": float(group[name].agg(how)) for name in MEASURES for how in ("mean", "median")}
        for kind, group in enough.groupby("kind")
    }


def flattened(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float | None]:
    """All labels of all features as one list: precision and recall at 0.5, and two readings of "AUC all".

    ``auc_thresholded`` is the area under the curve of the answers yes and no at 0.5, (recall + specificity) / 2;
    ``auc_flattened`` that of the probabilities.
    """
    known = labelled(labels)
    truth, predicted = labels[known] == 1, probabilities[known]
    answers = predicted > THRESHOLD
    found = {
        "precision": metrics.precision(truth, answers),
        "recall": metrics.recall(truth, answers),
        "auc_thresholded": metrics.auroc(truth, answers.astype(float)),
        "auc_flattened": metrics.auroc(truth, predicted),
        "positive_rate": float(truth.mean()),
    }
    return {name: None if np.isnan(value) else value for name, value in found.items()}


def thresholds(labels: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Precision and recall over thresholds, and calibration: of the labels whose probability lies in a bin, how many
    are positive, beside the mean probability.
    """
    known = labelled(labels)
    truth, predicted = labels[known] == 1, probabilities[known].clip(0, 1)
    bins = np.minimum((predicted * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    counts, positives, sums = (
        np.bincount(bins, weights=weights, minlength=CALIBRATION_BINS) for weights in (None, truth, predicted)
    )
    above, right = (np.cumsum(each[::-1])[::-1] for each in (counts, positives))
    with np.errstate(invalid="ignore"):
        return pd.DataFrame(
            {
                "threshold": np.arange(CALIBRATION_BINS) / CALIBRATION_BINS,
                "precision": right / above,
                "recall": right / max(1.0, float(positives.sum())),
                "labels": counts.astype(int),
                "mean probability": sums / counts,
                "share positive": positives / counts,
            }
        )


# ---- intervals


def intervals(
    labels: np.ndarray, scores: np.ndarray, table: pd.DataFrame, blocks: np.ndarray, seed: int
) -> dict[str, dict[str, list[float]]]:
    """95% intervals of the means of `by_kind`, from test rows drawn anew in blocks of the genome.

    Parameters
    ----------
    labels, scores : np.ndarray, shape (rows, features)
    table : DataFrame
        What `by_feature` gave.
    blocks : np.ndarray of int, shape (rows,)
        The block of each row, see `blocks_of`.
    seed : int
    """
    times = drawn(blocks, seed, RESAMPLES)
    found: dict[str, dict[str, list[float]]] = {}
    enough = table[(table.positives >= FEWEST_POSITIVES) & table.auroc.notna()]
    for kind, group in enough.groupby("kind"):
        every = np.array([areas(labels[:, n], scores[:, n], blocks, times) for n in group.index])
        with warnings.catch_warnings():  # of few rows a resample may hold no positive of any feature
            warnings.simplefilter("ignore", RuntimeWarning)
            means = np.nanmean(every, axis=0)  # (measures, resamples)
            limits = np.nanpercentile(means, [2.5, 97.5], axis=1)
        found[str(kind)] = {name: limits[:, number].tolist() for number, name in enumerate(MEASURES)}
    return found


def blocks_of(chromosomes: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The number of each row's block of 100 kb, from 0."""
    named = pd.Series(chromosomes.astype(str)) + ":" + pd.Series(starts // BLOCK).astype(str)
    return pd.factorize(named)[0]


def drawn(blocks: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """How often each block counts in each of so many resamples, fewer of a large test set; (resamples, blocks).

    The array lies in memory as the products of `resampled_areas` read it.
    """
    count = int(blocks.max()) + 1
    resamples = int(np.clip(DRAWN // len(blocks), FEWEST_RESAMPLES, resamples))
    times = np.random.default_rng([seed, 1]).multinomial(count, np.full(count, 1 / count), resamples)
    return np.asfortranarray(times, dtype=float)


def areas(labels: np.ndarray, scores: np.ndarray, blocks: np.ndarray, times: np.ndarray) -> np.ndarray:
    """`resampled_areas` of the known labels of a feature."""
    known = labelled(labels)
    return resampled_areas(labels[known] == 1, scores[known], blocks[known], times)


def resampled_areas(truth: np.ndarray, scores: np.ndarray, blocks: np.ndarray, times: np.ndarray) -> np.ndarray:
    """AUROC and AUPRC (average precision) of the samples with their blocks drawn anew; float, shape (2, resamples).

    Parameters
    ----------
    truth : np.ndarray of bool, shape (samples,)
    scores : np.ndarray of float, shape (samples,)
    blocks : np.ndarray of int, shape (samples,)
    times : np.ndarray, shape (resamples, blocks)
        How often each block counts. NaN where a resample has no positive or no negative.
    """
    groups, number = _ranked(truth, scores)
    shape = number, times.shape[1]
    positive, negative = (
        (csr_matrix((np.ones(chosen.sum()), (groups[chosen], blocks[chosen])), shape=shape) @ times.T)
        for chosen in (truth, ~truth)
    )  # (groups, resamples)
    right, wrong = np.cumsum(positive, axis=0), np.cumsum(negative, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        auroc = (negative * (right - positive / 2)).sum(0) / (right[-1] * wrong[-1])
        precision = np.where(right + wrong > 0, right / (right + wrong), 0)
        auprc = (positive * precision).sum(0) / right[-1]
    return np.stack([auroc, np.where(np.isnan(auroc), np.nan, auprc)])


def _ranked(truth: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, int]:
    """The group of each sample, from the highest score on, and their number: samples of one score count together.

    So do negatives with no positive between them, which changes no area.
    """
    values, group = np.unique(-scores, return_inverse=True)
    has_positive = np.bincount(group, truth, len(values)) > 0
    begins = has_positive | np.insert(has_positive[:-1], 0, True)
    merged = np.cumsum(begins) - 1
    return merged[group], int(merged[-1]) + 1


# ---- all of it


def evaluate(
    labels: np.ndarray, probabilities: np.ndarray, features: Sequence[Feature], blocks: np.ndarray, seed: int
) -> tuple[pd.DataFrame, Mapping[str, Any]]:
    """The table by feature, and metrics: ``kinds`` (means, medians, intervals by kind) and `flattened`."""
    table = by_feature(labels, probabilities, features)
    kinds: dict[str, dict[str, Any]] = {kind: dict(each) for kind, each in by_kind(table).items()}
    for kind, found in intervals(labels, probabilities, table, blocks, seed).items():
        kinds[kind] |= {f"{name}_interval": limits for name, limits in found.items()}
    return table, {"kinds": kinds, **flattened(labels, probabilities)}
