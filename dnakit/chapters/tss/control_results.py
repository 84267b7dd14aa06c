"""Tables of chapter 3 that say how far its numbers can be trusted: ties of the rule, neighbours, differences."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import pandas as pd
from scipy import stats

from dnakit.chapters.tss.differences import minus, paired
from dnakit.chapters.tss.parameters import ANSWERS, PROMOTERS, RANDOM_DNA, TABLE_5_2, TABLE_DROPOUT
from dnakit.chapters.tss.results import (
    CONTROLS,
    INTERVAL,
    control_with_intervals,
    exact,
    organisms,
    promoters_tested,
    separates,
    tested,
)
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Estimate, Interval, wilson
from dnakit.report.tables import MISSING, indexed

OTHERS = {  # columns of `ties` by method: the expectation of a rule with other halves, or without words
    "rule-5000": "5,000 bases before",
    "rule-seamless": "no seam",
    "no-words": "no words",
}
OVER = "minus promoters"
ALONE, FEW = "promoters, none within 5 kb of a test promoter", "random positions, as many as promoters"


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
        rows.setdefault(_trained_on(run.record["parameters"]), []).append(run)
    table = {name: _over_seeds(each) for name, each in rows.items()}
    for name, row in table.items():
        over = minus(_share(row), _share(table["promoters"]))
        own = name == "promoters"
        row |= {OVER: MISSING if own else over.points, "verdict": MISSING if own else over.verdict}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("trained on")


def _share(row: "Mapping[str, Any] | pd.Series") -> tuple[float, int]:
    return row["accuracy"], row["promoters"]


def _over_seeds(seeds: list[FinishedRun]) -> dict[str, Any]:
    accuracies = [run.metrics.get("promoters", run.metrics["test"])["accuracy"] for run in seeds]
    windows, mean = seeds[0].record["windows"], sum(accuracies) / len(accuracies)
    promoters = sum(windows.values()) if "promoters" in seeds[0].metrics else promoters_tested(seeds[0])
    return {
        "training windows": windows["train"],
        "computed in": ", ".join(dict.fromkeys(run.record["computed_in"] for run in seeds)),
        "promoters": promoters,
        "accuracy": mean,
        INTERVAL: str(wilson(mean, promoters)),
        "seeds": len(seeds),
        "accuracy of each seed": ", ".join(f"{each:.3f}" for each in accuracies),
    }


def _trained_on(chosen: Mapping[str, Any]) -> str:
    if chosen.get("few"):
        return FEW
    return ALONE if chosen.get("apart") else "promoters"


def amount(done: Finished) -> Estimate:
    """Exact accuracy on promoters of the training on all random positions minus that on as many as promoters."""
    many = control_with_intervals(done).T[CONTROLS["random-positions"]]
    return minus(_of_kind(many, PROMOTERS), _share(separated(of_separated(done)).T[FEW]))


# ---- answers to the same samples


def of_answers(done: Finished) -> Finished:
    """What models answered for each test promoter."""
    return done.only(lambda run: "answers_of" in run.record)


def paired_by_promoter(done: Finished) -> pd.DataFrame:
    """Two trainings on the same samples of the same test promoters: their difference, over the seeds that both have."""
    answers: dict[str, dict[int, pd.DataFrame]] = {"promoters": {}, ALONE: {}, FEW: {}}
    for run in of_answers(done).values():
        asked = run.record["answers_of"]
        answers[_trained_on(asked)][asked["repeat"]] = run.frame(ANSWERS, index_col="promoter")
    rows = []
    for one, other in combinations(answers, 2):
        both = sorted(set(answers[one]) & set(answers[other]))
        if both:
            each = [[answers[name][seed] for seed in both] for name in (one, other)]
            rows.append({"first": one, "second": other, "seeds": len(both)} | _compared(*each))
    return indexed(rows, "first", "second")


def _compared(one: list[pd.DataFrame], other: list[pd.DataFrame]) -> dict[str, Any]:
    found, (first, second) = paired(one, other), (pd.concat(each).sum() for each in (one, other))
    return {
        "promoters": len(one[0]),
        "accuracy of the first": first.right / first.samples,
        "of the second": second.right / second.samples,
        "first minus second": found.points,
        "verdict": found.verdict,
    }


def paired_in_words(done: Finished) -> str:
    """What `paired_by_promoter` decides, or that nothing is there to be paired."""
    found = [
        f"*{row['first']}* minus *{row.second}* {row['first minus second']}, **{row.verdict}**"
        for _, row in paired_by_promoter(done).reset_index().iterrows()
    ]
    return "; ".join(found) or "of no two of these trainings answers by promoter are kept"


# ---- neighbours


def neighbours(done: Finished) -> dict[str, int | float | Interval]:
    """Test promoters of the thesis's protocol, and how many of them have a training promoter within 1 and 5 kb."""
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


def pretrained(done: Finished) -> dict[str, dict[str, int]]:
    """How many promoters the pretraining on the nuclear genome has seen: of the training and test part, by task.

    The numbers are ``promoters``, ``drawn_from`` and ``read`` (see `dnakit.chapters.tss.overlap`).
    """
    found = done["pretrained-promoters"].metrics
    return {"tested": found["thesis"]["test"], "trained": found["thesis"]["train"], "fair": found["fair"]["test"]}


# ---- differences


def differences(done: Finished) -> pd.DataFrame:
    """Differences of test accuracies between two of the nine trainings, with what they decide.

    The intervals take the two accuracies as independent and count each test promoter once.
    """
    rows = []
    for title, one, other in _pairs(done):
        found = minus(tested(one), tested(other))
        rows.append(
            {
                "comparison": title,
                "first": tested(one)[0],
                "second": tested(other)[0],
                "difference": found.points,
                "verdict": found.verdict,
            }
        )
    return indexed(rows, "comparison")


def longer(done: Finished) -> Estimate:
    """Test accuracy of the training on promoters minus that of the one of the nine with fewer samples, else alike."""
    return minus(tested(done[TABLE_5_2]), tested(done[f"thesis-nuclear-dropout-{TABLE_DROPOUT:g}"]))


def over_random_dna(done: Finished) -> dict[str, Estimate]:
    """Exact accuracy on promoters minus that on random DNA, by method of the control."""
    shown = control_with_intervals(done)
    return {str(method): minus(_of_kind(row, PROMOTERS), _of_kind(row, RANDOM_DNA)) for method, row in shown.iterrows()}


def in_other_organisms(done: Finished) -> str:
    """Exact accuracy of Table 5.2's model in each organism that it was not trained on, minus that on random DNA."""
    on_random_dna = _of_kind(control_with_intervals(done).T[CONTROLS[TABLE_5_2]], RANDOM_DNA)
    found = {
        species: minus(exact(done, run, TABLE_5_2), on_random_dna)
        for species, run in organisms(done)
        if TABLE_5_2 not in run.metrics["test_only"]["thesis"]
    }
    return ", ".join(f"{species} {each.points} ({each.verdict})" for species, each in found.items())


def equal_in_all(table: pd.DataFrame, column: str) -> float:
    """P of a chi-squared test that a column of `ties` is one accuracy in all organisms."""
    right = table[column] * table.promoters
    return float(stats.chi2_contingency([right, table.promoters - right], correction=False).pvalue)


def _of_kind(row: pd.Series, kind: str) -> tuple[float, int]:
    """An accuracy of a row of the control, and of how many different promoters or random sequences."""
    return row[kind], int(row[f"{kind}, n"])


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
