"""Metrics of a data set from sums over its batches, so that memory does not grow with it.

For the areas under the curve a model keeps a histogram of its logits, by feature and label. It has 256 bins from -8 to
8; logits in one bin are ties. The final scores of the test rows are exact (`dnakit.chapters.chromatin.scores`).
"""

from collections.abc import Sequence

import numpy as np

from dnakit.chapters.chromatin.scores import FEWEST_POSITIVES
from dnakit.data.peaks import Feature

BINS, REACH = 256, 8.0  # of the histogram, and the logit where it ends
SUMS = 3  # before the histogram


class Summary:
    """Turns a model's summed counts (`dnakit.chapters.chromatin.networks.score`) into metrics.

    Parameters
    ----------
    features : sequence of Feature
        Of the labels.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.kinds = np.array([feature.kind for feature in features])

    def __call__(self, counts: np.ndarray) -> dict[str, float]:
        """Loss as trained, loss without weights, precision and recall at 0.5, and mean AUROC by kind."""
        weighted, plain, labels = counts[:SUMS]
        histogram = counts[SUMS:].reshape(len(self.kinds), 2, BINS)
        wrong, right = histogram[:, :, BINS // 2 :].sum((0, 2))
        areas = areas_of(histogram)
        enough = (histogram[:, 1].sum(1) >= FEWEST_POSITIVES) & ~np.isnan(areas)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = {
                "loss": float(weighted / labels),
                "plain_loss": float(plain / labels),
                "precision": float(right / (right + wrong)),
                "recall": float(right / histogram[:, 1].sum()),
            }
        for kind in np.unique(self.kinds):
            chosen = areas[enough & (self.kinds == kind)]
            found[f"auroc_{kind}"] = float(chosen.mean()) if len(chosen) else float("nan")
        return dict(sorted(found.items()))  # as a checkpoint keeps them: a resumed history has the same columns


def areas_of(histogram: np.ndarray) -> np.ndarray:
    """AUROC of each feature from how many negatives and positives lie in each bin; float, shape (features,).

    Parameters
    ----------
    histogram : np.ndarray, shape (features, 2, bins)
        NaN where a feature lacks positives or negatives.
    """
    negative, positive = histogram[:, 0], histogram[:, 1]
    above = positive.sum(1, keepdims=True) - np.cumsum(positive, 1)  # positives in higher bins
    with np.errstate(invalid="ignore", divide="ignore"):
        return (negative * (above + positive / 2)).sum(1) / (negative.sum(1) * positive.sum(1))
