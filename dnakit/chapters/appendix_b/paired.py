"""Differences of models on the same test copies of 12S genes, with 95% intervals, from what is recorded of them.

Every wrong test copy is recorded with its species, and all models are asked about the same copies. Copies of a species
are right or wrong together: species are drawn anew, the same for both models. One training each says nothing of other
seeds. For start sites and profiles no answers to single samples are recorded, so that nothing is paired there.
"""

from collections.abc import Mapping

import numpy as np

from dnakit.chapters.appendix_b.results import NAMES, of_task
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Estimate

DRAWS = 2000  # of species

PAIRS = (  # the first minus the second
    ("large-longformer-deep", "longformer"),
    ("large-longformer-deep", "elmo"),
    ("large-longformer-deep", "large-longformer"),
    ("large-longformer", "longformer"),
    ("elmo", "longformer"),
)


def differences(done: Finished) -> dict[str, Estimate]:
    """Share of test copies named right, by pair in words, such as ``ELMo minus Longformer (baseline)``."""
    runs = of_task(done, "12s")
    pairs = ((NAMES[one], NAMES[other]) for one, other in PAIRS)
    return {
        f"{one} minus {other}": minus(runs[one], runs[other]) for one, other in pairs if {one, other} <= runs.keys()
    }


def minus(one: FinishedRun, other: FinishedRun) -> Estimate:
    """How much more often the one is right than the other.

    Of a species without a wrong copy only its number of copies is not recorded. Each drawn species counts with the mean
    number, which is exact for the value, and nearly so for the interval.
    """
    wrong = [each.frame("errors.csv", keep_default_na=False)["true"].value_counts() for each in (one, other)]
    apart = wrong[1].sub(wrong[0], fill_value=0).to_numpy(float)
    species, copies = int(one.value("record.classes")), int(one.value("record.samples.test"))
    sums = np.concatenate([apart, np.zeros(species - len(apart))]) / copies
    rng = np.random.default_rng(int(one.value("record.parameters.seed")))
    low, high = np.percentile(rng.choice(sums, (DRAWS, species)).sum(1), [2.5, 97.5])
    return Estimate(float(sums.sum()), float(low), float(high))


def in_words(found: Mapping[str, Estimate]) -> str:
    """The differences in percentage points, with their intervals."""
    return "; ".join(f"{pair} {each.points}" for pair, each in found.items())


def behind(found: Mapping[str, Estimate]) -> str:
    """The pairs whose interval lies below zero; empty without any."""
    return in_words({pair: each for pair, each in found.items() if each.verdict == "lower"})
