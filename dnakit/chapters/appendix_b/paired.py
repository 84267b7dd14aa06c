"""Differences of models on the same test copies of 12S genes, with 95% intervals, from what is recorded of them.

For start sites and profiles no answers to single samples are recorded, so that nothing is paired there.
"""

from collections.abc import Mapping

from dnakit.chapters.appendix_b.results import NAMES, of_task
from dnakit.report.by_species import minus
from dnakit.report.finished import Finished
from dnakit.report.intervals import Estimate

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


def in_words(found: Mapping[str, Estimate]) -> str:
    """The differences in percentage points, with their intervals."""
    return "; ".join(f"{pair} {each.points}" for pair, each in found.items())


def behind(found: Mapping[str, Estimate]) -> str:
    """The pairs whose interval lies below zero; empty without any."""
    return in_words({pair: each for pair, each in found.items() if each.verdict == "lower"})
