"""Tables of chapter 3 that say how far its numbers can be trusted: ties of the rule, neighbours, differences."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from dnakit.chapters.tss.parameters import PROMOTERS, TABLE_5_2, TABLE_DROPOUT
from dnakit.chapters.tss.results import INTERVAL, interval_of_test, promoters_tested, separates
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Interval, difference, wilson
from dnakit.report.tables import MISSING, indexed

OTHERS = {  # columns of `ties` by method: the expectation of a rule with other halves, or without words
    "rule-5000": "5,000 bases before",
    "rule-seamless": "no seam",
    "no-words": "no words",
}
OPEN, OVER = "open", "minus promoters"


def ties(done: Finished) -> pd.DataFrame:
    """The rule's exact accuracy by set: its last and first possible boundary, and the expectation over all of them."""
    rows: dict[str, dict[str, int | float | str]] = {}
    for run in done.only(lambda run: run.name.startswith("rule-ties-")).values():
        found, promoters = run.metrics["rule"], run.metrics["promoters"]
        row = {"promoters": promoters, "last": found["last"], "first": found["first"], "expected": found["expected"]}
        row |= {INTERVAL: str(wilson(found["expected"], promoters))}
        called = run.record["species"] if run.record["windows_of"] == PROMOTERS else run.record["windows_of"]
        called = f"{called} ({run.name.removeprefix('rule-ties-')})" if called in rows else called
        rows[called] = row | {title: run.metrics[method]["expected"] for method, title in OTHERS.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("windows")


def expected(done: Finished) -> dict[str, float]:
    """The expectation of the rule on the chapter's organism by kind of windows, in the order of `KINDS`."""
    runs = [run for run in done.values() if run.name.startswith("rule-ties-") and run.record["main"]]
    return {run.record["windows_of"]: run.metrics["rule"]["expected"] for run in runs}


# ---- what separates kind from amount, and promoters from their neighbours


def of_separated(done: Finished) -> Finished:
    """The trainings on promoters, on promoters without neighbours of test promoters, and on few random positions."""
    return done.only(lambda run: run.name == TABLE_5_2 or separates(run))


def separated(done: Finished) -> pd.DataFrame:
    """By what a model was trained on: exact accuracy on promoters that it has not seen, mean over its seeds.

    The interval is Wilson's of the mean accuracy; n is the number of those promoters. Beside it the difference to the
    training on promoters; its interval takes the two as independent.
    """
    if not done.only(separates):  # the training on promoters alone separates nothing
        return pd.DataFrame()
    rows: dict[str, list[FinishedRun]] = {}
    for run in of_separated(done).values():
        rows.setdefault(_trained_on(run), []).append(run)
    table = {name: _over_seeds(each) for name, each in rows.items()}
    for name, row in table.items():
        row[OVER] = MISSING if name == "promoters" else _apart(row, table["promoters"])
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("trained on")


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The accuracy of one row minus that of the other, with its interval."""
    shares, counts = ([row[column] for row in (one, other)] for column in ("accuracy", "promoters"))
    around = [wilson(share, count) for share, count in zip(shares, counts, strict=True)]
    low, high = difference(shares[0], around[0], shares[1], around[1])
    return f"{shares[0] - shares[1]:+.3f} [{low:+.3f}, {high:+.3f}]"


def _over_seeds(seeds: list[FinishedRun]) -> dict[str, Any]:
    accuracies = [run.metrics.get("promoters", run.metrics["test"])["accuracy"] for run in seeds]
    windows, mean = seeds[0].record["windows"], sum(accuracies) / len(accuracies)
    promoters = sum(windows.values()) if "promoters" in seeds[0].metrics else promoters_tested(seeds[0])
    return {
        "training windows": windows["train"],
        "promoters": promoters,
        "accuracy": mean,
        INTERVAL: str(wilson(mean, promoters)),
        "accuracy of each seed": ", ".join(f"{each:.3f}" for each in accuracies),
    }


def _trained_on(run: FinishedRun) -> str:
    chosen = run.record["parameters"]
    if chosen.get("few"):
        return "random positions, as many as promoters"
    return "promoters, none within 5 kb of a test promoter" if chosen.get("apart") else "promoters"


# ---- neighbours


def neighbours(done: Finished) -> dict[str, int | float | Interval]:
    """Test promoters of the thesis's split, and how many of them have a training promoter within 1 and 5 kb."""
    found = done["neighbours"].metrics["thesis"]
    tested, near = found["test_promoters"], found["within_1000"]
    return {
        "tested": tested,
        "near": near,
        "nearby": found["within_5000"],
        "share": near / tested,
        "interval": wilson(near / tested, tested),
        "fair": done["neighbours"].metrics["fair"]["within_5000"],
    }


# ---- differences


def differences(done: Finished) -> pd.DataFrame:
    """Differences of test accuracies between two of the nine trainings, with what they decide.

    The intervals take the two accuracies as independent and count each test promoter once.
    """
    rows = []
    for title, one, other in _pairs(done):
        accuracies = [run.metrics["test"]["accuracy"] for run in (one, other)]
        interval = difference(accuracies[0], interval_of_test(one), accuracies[1], interval_of_test(other))
        rows.append(
            {
                "comparison": title,
                "first": accuracies[0],
                "second": accuracies[1],
                "difference": accuracies[0] - accuracies[1],
                INTERVAL: str(interval),
                "verdict": verdict(interval),
            }
        )
    return indexed(rows, "comparison")


def verdict(interval: Interval) -> str:
    """``open`` where the interval of a difference holds zero."""
    if interval.low <= 0 <= interval.high:
        return OPEN
    return "the first is higher" if interval.low > 0 else "the second is higher"


def _pairs(done: Finished) -> Iterator[tuple[str, FinishedRun, FinishedRun]]:
    """Pairs of the nine trainings that differ in one thing."""

    def name(start: str, dropout: float) -> str:
        return f"thesis-{start}-dropout-{dropout:g}"

    compared = [
        (f"{one} or {other}, dropout {TABLE_DROPOUT:g}", name(one, TABLE_DROPOUT), name(other, TABLE_DROPOUT))
        for one, other in (("nuclear", "mitochondria"), ("nuclear", "none"), ("mitochondria", "none"))
    ]
    compared += [
        (f"{start}, dropout 0 or 0.2", name(start, 0), name(start, 0.2))
        for start in ("nuclear", "mitochondria", "none")
    ]
    return ((title, done[one], done[other]) for title, one, other in compared if one in done and other in done)
