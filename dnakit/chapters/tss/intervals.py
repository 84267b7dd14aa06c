"""How far a share of promoters can be trusted: 95% intervals that count promoters, never samples.

A test promoter is shown in several samples, which differ in where they begin. They are repeated draws of one promoter,
so that the number of promoters decides how uncertain a share is.
"""

import math
from typing import NamedTuple

Z = 1.959964  # of a 95% interval


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


def wilson(share: float, promoters: int) -> Interval:
    """The score interval of Wilson (1927) for a share of so many promoters.

    Parameters
    ----------
    share
        Share of samples that are right, as if each promoter counted once.
    promoters
        How many different ones.
    """
    scale = Z**2 / promoters
    middle = (share + scale / 2) / (1 + scale)
    half = math.sqrt(share * (1 - share) * scale + scale**2 / 4) / (1 + scale)
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def difference(one: float, promoters: int, other: float, others: int) -> Interval:
    """The interval of ``one - other``, two independent shares (Newcombe 1998, method 10)."""
    first, second = wilson(one, promoters), wilson(other, others)
    apart = one - other
    below = math.hypot(one - first.low, second.high - other)
    return Interval(apart - below, apart + math.hypot(first.high - one, other - second.low))
