"""Confidence: for each rank the probability that a name is right, and measures of how well it is calibrated.

Every rank has a logistic regression on the evidence of `dnakit.chapters.metagenomics.naming`, fitted to reads of
records that the reference does not hold. A rank of which the reference knows one name only (all fishes are Chordata)
cannot be calibrated by itself: it takes the confidence of the next rank that has several, or else a bird would surely
be of the phylum and so be named. The confidence never rises from a rank to one below that has a name, too.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

BINS = 15  # of a reliability diagram and of the expected calibration error
POINTS = 50  # of a curve of risk and coverage


@dataclass(frozen=True)
class Calibration:
    """Weights of the logistic regressions.

    Attributes
    ----------
    weights : np.ndarray, shape (ranks, features)
    offsets : np.ndarray, shape (ranks,)
    single : np.ndarray of bool, shape (ranks,)
        Ranks of which the reference knows one name only.
    """

    weights: np.ndarray
    offsets: np.ndarray
    single: np.ndarray

    @classmethod
    def fit(cls, evidence: np.ndarray, right: np.ndarray, weight: np.ndarray, single: np.ndarray) -> "Calibration":
        """Fit to reads whose names are known.

        Parameters
        ----------
        evidence : np.ndarray, shape (reads, ranks, features)
        right : np.ndarray of bool, shape (reads, ranks)
            Whether the name given at a rank is right.
        weight : np.ndarray, shape (reads,)
            How often such a read is met.
        single : np.ndarray of bool, shape (ranks,)
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        ranks, features = evidence.shape[1:]
        weights, offsets = np.zeros((ranks, features)), np.zeros(ranks)
        for rank in np.flatnonzero(~single):
            if len(np.unique(right[:, rank])) < 2:
                offsets[rank] = 5.0 if right[:, rank].all() else -5.0
                continue
            scaler = StandardScaler().fit(evidence[:, rank])
            model = LogisticRegression(C=10.0, max_iter=2000)
            model.fit(
                scaler.transform(evidence[:, rank]), right[:, rank], sample_weight=weight * len(weight) / weight.sum()
            )
            weights[rank] = model.coef_[0] / scaler.scale_
            offsets[rank] = model.intercept_[0] - (weights[rank] * scaler.mean_).sum()
        return cls(weights, offsets, single)

    def confidence(self, codes: np.ndarray, evidence: np.ndarray) -> np.ndarray:
        """Probability that each name is right, ``(reads, ranks)``; 0 where there is no name."""
        scores = np.einsum("brf,rf->br", evidence, self.weights) + self.offsets
        found = 1 / (1 + np.exp(-np.clip(scores, -30, 30)))
        for rank in range(len(self.single) - 2, -1, -1):
            if self.single[rank]:
                found[:, rank] = found[:, rank + 1]
        return np.minimum.accumulate(found, axis=1) * (codes > 0)


# ---- measures


def reliability(confidence: np.ndarray, right: np.ndarray, weight: np.ndarray) -> pd.DataFrame:
    """By bin of equal width: mean confidence, share that is right, and weight."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    frame = pd.DataFrame({"bin": bins, "weight": weight, "confidence": confidence * weight, "right": right * weight})
    sums = frame.groupby("bin").sum()
    sums = sums[sums["weight"] > 0]
    return sums.assign(
        confidence=sums["confidence"] / sums["weight"], right=sums["right"] / sums["weight"]
    ).reset_index()


def calibration_error(confidence: np.ndarray, right: np.ndarray, weight: np.ndarray) -> float:
    """Expected calibration error (Naeini et al. 2015): mean gap between confidence and share right, over the bins."""
    table = reliability(confidence, right, weight)
    gaps = (table["confidence"] - table["right"]).abs()
    return float((gaps * table["weight"]).sum() / table["weight"].sum())


def risk_coverage(confidence: np.ndarray, right: np.ndarray, weight: np.ndarray) -> pd.DataFrame:
    """Share of reads that are named when the least certain are not, and the share of wrong names among these."""
    order = np.argsort(-confidence, kind="stable")
    covered = np.cumsum(weight[order])
    wrong = np.cumsum((weight * ~right)[order])
    chosen = np.unique(np.linspace(len(order) // POINTS, len(order) - 1, POINTS).astype(int))
    shares = {"coverage": covered[chosen] / covered[-1], "risk": wrong[chosen] / np.maximum(covered[chosen], 1e-12)}
    return pd.DataFrame(shares | {"confidence": confidence[order][chosen]})
