"""The claims of the thesis with their verdicts, as tables and as a picture.

``data/thesis/claims.csv`` holds the claims, ``data/verdicts.csv`` how each is decided (see `dnakit.report.rules`).
"""

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from dnakit.report import rules
from dnakit.report.finished import provenance_names
from dnakit.report.measured import Measured, RunNames
from dnakit.report.rules import BESIDE, CLOSE, VERDICTS, Outcome
from dnakit.report.thesis import thesis_table

COLOURS = dict(  # readable in black and white: from dark to light, hatched where a number exists and decides nothing
    zip(VERDICTS, ("#0072B2", "#56B4E9", "#D55E00", "#c9c9c9", "#e3e3e3", "#f1e3c4", "#ffffff"), strict=True)
)
NO_TRAINING = re.compile(r":record\.|copy_accuracy|consensus")  # in addresses of numbers that need no training
NARROW = 1e-3  # an interval that is narrower, relative to the number, is not shown
PARTS = {  # of the thesis, by the beginning of a claim's section
    "1": "Summary (1.1, 1.3)",
    "4": "Methods (4)",
    "5.1": "Pretraining (5.1)",
    "5.2": "Start sites (5.2)",
    "5.3": "Metagenomics (5.3)",
    "5.4": "Chromatin (5.4)",
    "6": "Conclusions (6.1)",
    "B": "Appendix B",
}


MAIN = {  # claims of the front page, and in a few words the number that decides each
    "mlm-not-learned": "share of masked tokens named right by a training of the thesis's recipe, minus a lookup",
    "pretraining-helps": "share of right answers, with pretraining minus without (start sites; 12S copies)",
    "right-language": "the thesis's own AUC of DNase profiles, right language minus none",
    "tss-universal": "share of right answers of a small training: yeast minus human, most of these trained on",
    "tss-sota": "share of right answers on human promoters without the seam",
    "12s-sota": "share of right answers of the nearest consensus on 2,043 other species (thesis: at most 0.917)",
    "longer-context": "mean AUROC, windows of 4,000 bases minus 1,000, small trainings (DNase; TF; histone marks)",
    "large-chromatin-sota": "mean AUROC of histone marks by gapped 7-mers: random split minus chromosomes held out",
}


@dataclass(frozen=True)
class Claim:
    """A claim, and what its tests give.

    Attributes
    ----------
    id, section, source, kind, text, value, chapter
        As in ``data/thesis/claims.csv``; `value` is what the thesis prints, empty where it prints no number.
    outcomes : tuple of Outcome
    """

    id: str
    section: str
    source: str
    kind: str
    text: str
    value: str
    chapter: str
    outcomes: tuple[Outcome, ...]

    @cached_property
    def verdict(self) -> str:
        """One of `VERDICTS`."""
        return rules.verdict(self.outcomes)

    @property
    def part(self) -> str:
        """The part of the thesis that its section belongs to."""
        return next(name for start, name in PARTS.items() if self.section.startswith(start))

    @property
    def shown(self) -> tuple[Outcome, ...]:
        """The tests that gave the verdict."""
        return tuple(each for each in self.outcomes if each.verdict == self.verdict)

    @property
    def others(self) -> tuple[Outcome, ...]:
        """The tests that gave a verdict which comes after the claim's own."""
        return tuple(each for each in self.outcomes if each.found and each.verdict not in (self.verdict, BESIDE))

    @property
    def beside(self) -> tuple[Outcome, ...]:
        """Numbers that decide nothing: those that are recorded."""
        return tuple(each for each in self.outcomes if each.verdict == BESIDE and each.found)

    @property
    def cell(self) -> str:
        """Where in the book the number stands: chapter and heading; empty where nowhere yet."""
        return next((each.rule.cell for each in self.shown if each.rule.cell), "")


def claims(known: RunNames) -> list[Claim]:
    """All claims, in the order of the thesis's chapters; `known` are the runs that chapters have (`rules.rules`)."""
    tests: dict[str, list[Outcome]] = {}
    for rule in rules.rules(known):
        tests.setdefault(rule.id, []).append(rules.outcome(rule))
    return [_claim(row, tuple(tests.get(row["id"], ()))) for row in thesis_table("claims").to_dict("records")]  # type: ignore[arg-type]


def _claim(row: dict[str, Any], outcomes: tuple[Outcome, ...]) -> Claim:
    value = "" if pd.isna(row["value"]) else str(row["value"])
    named = {name: str(row[name]) for name in ("id", "section", "source", "kind", "chapter")}
    return Claim(text=row["claim"], value=value, outcomes=outcomes, **named)


# ---- what a row says


def number(found: Measured | None) -> str:
    """A number with its interval, as text; empty where there is none."""
    if found is None:
        return ""
    if not found.runs and not found.count:  # printed in the thesis
        return f"{found.value:.4f} (printed)"
    if math.isinf(found.interval.high):
        return f"{digits(found.value)} (one seed)"
    low, high = found.interval
    if digits(low) == digits(high) or math.isclose(low, high, rel_tol=NARROW):
        return digits(found.value)
    return f"{digits(found.value)} [{digits(low)}, {digits(high)}]"


def marked(outcome: Outcome) -> str:
    """The number of a test, with a word where it is that of a control."""
    return f"{number(outcome.found)}{' (control)' if outcome.is_control else ''}"


def digits(value: float) -> str:
    """A number with as many digits as a table has: whole from 1,000 on, else three decimals."""
    return f"{value:,.0f}" if abs(value) >= 1000 or float(value).is_integer() else f"{value:.3f}"


def predicted(outcome: Outcome) -> str:
    """What the claim predicts of the number, such as ``> 0``; of a control, what would explain the claim.

    Behind ``=`` stands how far a number without an interval may be away, such as ``= 0.85 ± 1%``.
    """
    rule = outcome.rule
    predicts = rule.control_predicts or rule.predicts if outcome.is_control else rule.predicts
    allowed = f" ± {CLOSE:.0%}" if predicts.startswith("=") and outcome.found and outcome.found.certain else ""
    return rules.predicted(predicts, rule.id) + allowed


def data(outcome: Outcome) -> str:
    """The data behind a number."""
    return provenance_names(outcome.found.runs) if outcome.found else ""


def size(outcome: Outcome) -> str:
    """How much is behind the number: samples seen in training, beside the thesis's; what a share counts.

    A control needs no training as long as the thesis's.
    """
    found, rule = outcome.found, outcome.rule
    if found is None:
        return ""
    budgets = {} if outcome.is_control else rules.budgets(rule, found)
    texts = [f"{kind} on {seen:,} of {of:,} samples" for kind, (seen, of) in budgets.items()]
    if found.samples_seen and not rule.size and not NO_TRAINING.search(rule.measure):
        texts.append(f"trained on {found.samples_seen:,} samples")
    return ", ".join([*texts, *([f"n = {found.count:,}"] if found.count else [])])


def explained(outcome: Outcome) -> str:
    """What the number is, or which runs are missing."""
    if outcome.missing:
        return f"{outcome.rule.what} (not recorded: {', '.join(dict.fromkeys(outcome.missing))})"
    return outcome.rule.what


def others(claim: Claim) -> str:
    """The tests that alone would give another verdict, each with what it is."""
    texts = [f"{each.rule.what}: {marked(each)}, {each.verdict}" for each in claim.others]
    return f"Other tests: {'; '.join(texts)}" if texts else ""


def beside(claim: Claim) -> str:
    """The numbers that stand beside the verdict and decide nothing, each with what it is."""
    texts = [f"{each.rule.what}: {number(each.found)}" for each in claim.beside]
    return f"Decides nothing: {'; '.join(texts)}" if texts else ""


# ---- tables and the picture


def main_claims(chosen: list[Claim]) -> list[tuple[Claim, str]]:
    """The claims of the front page, each with the number that decides it in words."""
    by_id = {claim.id: claim for claim in chosen}
    return [(by_id[name], f"{short}: {_numbers(by_id[name])}") for name, short in MAIN.items()]


def _numbers(claim: Claim) -> str:
    return "; ".join(filter(None, (number(each.found) for each in claim.shown))) or "not recorded yet"


def counts(chosen: list[Claim]) -> pd.DataFrame:
    """How many claims have which verdict: a row for each part of the thesis, a column for each verdict."""
    frame = pd.DataFrame([{"part": claim.part, "verdict": claim.verdict} for claim in chosen])
    table = pd.crosstab(frame["part"], frame["verdict"]).reindex(index=list(PARTS.values()), columns=list(VERDICTS))
    return table.fillna(0).astype(int)


def totals(chosen: list[Claim]) -> pd.DataFrame:
    """The same for the whole thesis: a row for each verdict, a column for numbers and one for sentences."""
    frame = pd.DataFrame([{"kind": claim.kind, "verdict": claim.verdict} for claim in chosen])
    table = pd.crosstab(frame["verdict"], frame["kind"]).reindex(index=list(VERDICTS), columns=["finding", "number"])
    table = table.fillna(0).astype(int).rename(columns={"finding": "sentences", "number": "numbers"})
    return table.assign(all=table.sum(axis=1)).rename_axis(columns=None)


def draw_counts(table: pd.DataFrame) -> Figure:
    """Bars of `counts`: a bar for each part, a colour and the number of claims for each verdict."""
    figure, axes = plt.subplots(figsize=(4.2, 0.34 * len(table) + 0.4))
    left = pd.Series(0, index=table.index)
    for verdict in table.columns:
        drawn = axes.barh(
            table.index,
            table[verdict],
            left=left,
            color=COLOURS[verdict],
            edgecolor="#555555",
            linewidth=0.6,
            label=verdict,
        )
        texts = [str(count) if count > 1 else "" for count in table[verdict]]
        axes.bar_label(drawn, texts, label_type="center", fontsize=8, color=_ink(verdict))
        left = left + table[verdict]
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("claims")
    axes.legend(loc="upper center", bbox_to_anchor=(0.25, -0.2), ncols=1, fontsize=10)
    return figure


def _ink(verdict: str) -> str:
    return "white" if verdict in (VERDICTS[0], VERDICTS[2]) else "#222222"
