"""The difference of two models that named the species of the same test copies of genes, with its 95% interval.

Every wrong test copy is recorded with its species, and all models are asked about the same copies. Copies of a species
are right or wrong together: species are drawn anew, the same for both models. One training each says nothing of other
seeds.
"""

from collections.abc import Collection

import numpy as np

from dnakit.report.finished import FinishedRun
from dnakit.report.intervals import Estimate

DRAWS = 2000  # of species


def minus(one: FinishedRun, other: FinishedRun, without: Collection[str] = (), copies_without: int = 0) -> Estimate:
    """How much more often the one is right than the other; without some species and their number of test copies.

    Of a species without a wrong copy only its number of copies is not recorded. Each drawn species counts with the mean
    number, which is exact for the value, and nearly so for the interval.
    """
    names = (each.frame("errors.csv", keep_default_na=False)["true"] for each in (one, other))
    wrong = [each[~each.isin(list(without))].value_counts() for each in names]
    apart = wrong[1].sub(wrong[0], fill_value=0).to_numpy(float)
    species = int(one.value("record.classes")) - len(without)
    copies = int(one.value("record.samples.test")) - copies_without
    sums = np.concatenate([apart, np.zeros(species - len(apart))]) / copies
    rng = np.random.default_rng(int(one.value("record.parameters.seed")))
    low, high = np.percentile(rng.choice(sums, (DRAWS, species)).sum(1), [2.5, 97.5])
    return Estimate(float(sums.sum()), float(low), float(high))
