"""Intervals of shares and of means: against scipy, against published numbers, and by how often they hold the truth."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp

from dnakit.report.intervals import difference, of_seeds, wilson


def difference_of_shares(one, other):
    (right, count), (others, other_count) = one, other
    first, second = right / count, others / other_count
    return difference(first, wilson(first, count), second, wilson(second, other_count))


@pytest.mark.parametrize(("right", "promoters"), [(0, 55), (1, 7), (44, 55), (300, 300), (19, 300)])
def test_wilson_is_that_of_scipy(right, promoters):
    expected = binomtest(right, promoters).proportion_ci(method="wilson")
    assert wilson(right / promoters, promoters) == pytest.approx((expected.low, expected.high), abs=1e-6)


@pytest.mark.parametrize(
    ("one", "other", "interval"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),  # Newcombe 1998, table II, method 10
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
    ],
)
def test_the_difference_is_newcombes(one, other, interval):
    found = difference_of_shares(one, other)
    assert found == pytest.approx(interval, abs=1e-3)


def test_nineteen_of_twenty_intervals_hold_the_difference():
    rng = np.random.default_rng(1)
    drawn = rng.binomial(55, [0.85, 0.9], size=(2_000, 2)) / 55
    found = [difference(one, wilson(one, 55), other, wilson(other, 55)) for one, other in drawn]
    held = np.mean([each.low <= -0.05 <= each.high for each in found])
    assert 0.93 < held < 0.98


def test_more_promoters_give_a_narrower_interval():
    widths = [high - low for low, high in (wilson(0.8, count) for count in (10, 55, 300, 2_000))]
    assert widths == sorted(widths, reverse=True)


def test_the_interval_of_a_mean_is_students():
    values = [0.61, 0.64, 0.66]
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert of_seeds(values) == pytest.approx((expected.low, expected.high))


def test_one_seed_says_nothing_of_others():
    assert of_seeds([0.5]) == (-math.inf, math.inf)
