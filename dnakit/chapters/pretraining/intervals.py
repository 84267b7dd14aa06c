"""95% intervals of bits per base, by a bootstrap over held-out genomes or their families.

Relatives are not independent: a method that does well on one does well on the other. So the set ``far``, whole families
of mitochondria, is resampled by family, and the set ``near`` by genome. Every interval comes from the same seed and so
from the same draws: differences of methods on the same genomes are paired. The intervals say how much other genomes
would change a number. They do not say what another seed of the training would.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnakit.report.intervals import Estimate

RESAMPLES, SEED = 2000, 1
PERCENT = (2.5, 97.5)


def bits_per_base(sums: pd.DataFrame, groups: pd.Series) -> tuple[float, NDArray[np.float64]]:
    """Bits per base of all genomes, and of each resample: `ratio` of the columns ``nats`` and ``bases``."""
    value, resampled = ratio(sums, groups, "nats", "bases")
    return value / np.log(2), resampled / np.log(2)


def ratio(sums: pd.DataFrame, groups: pd.Series, of: str, per: str) -> tuple[float, NDArray[np.float64]]:
    """A sum over all genomes as a share of another one, and the same of each resample of groups of genomes.

    Parameters
    ----------
    sums : DataFrame
        Indexed by genome, with both columns.
    groups : Series
        Which genomes are drawn together, indexed alike.
    of, per : str
        The columns, such as ``right`` and ``masked``.

    Returns
    -------
    value : float
    resampled : np.ndarray, shape (2000,)
    """
    by_group = sums[[of, per]].groupby(groups.loc[sums.index].to_numpy()).sum().to_numpy()
    count = len(by_group)
    drawn = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    above, below = (drawn @ by_group).T
    return float(np.divide(*by_group.sum(0))), above / below


def interval(value: float, resampled: NDArray[np.float64]) -> Estimate:
    """The value with the 2.5th and the 97.5th percentile of its resamples."""
    low, high = np.percentile(resampled, PERCENT)
    return Estimate(value, float(low), float(high))
