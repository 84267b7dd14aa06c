"""Differences of two accuracies with 95% intervals."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from dnakit.report.intervals import Estimate, difference, wilson

SEED = 1  # of the bootstrap
Share = tuple[float, int]  # an accuracy, and of how many different promoters


def minus(one: Share, other: Share) -> Estimate:
    """The difference of two accuracies that are taken as independent (Newcombe).

    Of two models that are tested on the same promoters the interval is likely too wide: a promoter that is hard for one
    of them is likely hard for the other.
    """
    return Estimate(one[0] - other[0], *difference(one[0], wilson(*one), other[0], wilson(*other)))


def paired(one: Sequence[pd.DataFrame], other: Sequence[pd.DataFrame]) -> Estimate:
    """The difference of the accuracies of two models on the same samples, by a bootstrap over promoters.

    Without bounds for a single promoter.

    Parameters
    ----------
    one, other
        Answers by promoter (`dnakit.chapters.tss.answers`), a frame for each seed.
    """
    first, second = (pd.concat(each).groupby("promoter").sum() for each in (one, other))
    gained, shown = first.right - second.right, first.samples
    value = float(gained.sum() / shown.sum())
    if len(shown) == 1:
        return Estimate(value, -math.inf, math.inf)
    found = stats.bootstrap(
        (gained, shown), _share, paired=True, vectorized=True, method="percentile", rng=np.random.default_rng(SEED)
    )
    return Estimate(value, *map(float, found.confidence_interval))


def _share(gained: NDArray[np.int64], shown: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
    return gained.sum(axis) / shown.sum(axis)
