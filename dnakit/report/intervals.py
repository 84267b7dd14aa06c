"""How far a number can be trusted: 95% intervals of shares, of their differences, and of means over a few seeds."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from scipy.stats import t

Z = 1.959964  # of a 95% interval
COVERED = 0.95


class Interval(NamedTuple):
    """The two ends of a 95% interval."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.3f} to {self.high:.3f}"

    @property
    def percent(self) -> str:
        """In per cent, such as ``67% to 88%``."""
        return f"{self.low:.0%} to {self.high:.0%}"


class Estimate(NamedTuple):
    """A number with the two ends of its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def open(self) -> bool:
        """Whether the interval covers zero: the data do not decide a difference."""
        return self.low <= 0 <= self.high

    @property
    def verdict(self) -> str:
        """Of a difference, whether the first is ``higher`` or ``lower``, or that it is ``open``."""
        return "higher" if self.low > 0 else "lower" if self.high < 0 else "open"

    @property
    def points(self) -> str:
        """A difference of two shares in percentage points, such as ``+2.7 points [+1.1, +4.3]``."""
        value, low, high = (f"{100 * each:+.1f}" for each in self)
        return f"{value} points [{low}, {high}]"

    def __format__(self, specification: str) -> str:
        value, low, high = (format(each, specification) for each in self)
        return f"{value} [{low}, {high}]"


def wilson(share: float, count: int) -> Interval:
    """The score interval of Wilson (1927) for a share of so many independent things.

    Parameters
    ----------
    share
        Share of samples that are right, as if each thing counted once.
    count
        How many different ones, such as promoters, of which a test shows several samples each.
    """
    scale = Z**2 / count
    middle = (share + scale / 2) / (1 + scale)
    half = math.sqrt(share * (1 - share) * scale + scale**2 / 4) / (1 + scale)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def difference(one: float, around: Interval, other: float, around_other: Interval) -> Interval:
    """The interval of ``one - other``, two independent numbers with an interval each (Newcombe 1998, method 10)."""
    apart = one - other
    below = math.hypot(one - around.low, around_other.high - other)
    return Interval(apart - below, apart + math.hypot(around.high - one, other - around_other.low))


def of_seeds(values: Sequence[float]) -> Interval:
    """The interval of the mean of a few values, by Student's distribution; without bounds for a single one."""
    count = len(values)
    if count == 1:
        return Interval(-math.inf, math.inf)
    mean = sum(values) / count
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    half = float(t.ppf((1 + COVERED) / 2, count - 1)) * spread / math.sqrt(count)
    return Interval(mean - half, mean + half)
