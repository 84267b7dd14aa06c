"""How a claim is decided: what it predicts of a recorded number, and whether the number agrees.

``data/verdicts.csv`` holds a test a line; a claim may have several, and stands where all of them hold. No verdict is
typed: it follows from the numbers. A control lacks what the claim is about, such as training, context or biology. Where
it gives what the claim predicts, and the claim's own number, of a training that is large enough, does not contradict
that, the claim ``stands, but means something else``. Else these rules decide, in this order.

1. A claim that no number decides, or that needs data which are not here, says so.
2. A number whose run is not recorded: ``not run yet``, with the names of the runs.
3. A training, or the pretraining before it, that saw less than half of the samples of the thesis's decides nothing
   about the end of such a training: ``not decided at this size``.
4. The 95% interval of the number agrees with the prediction (``stands``), contradicts it (``does not stand``), or
   covers both (``not decided at this size``). Without an interval the number itself decides; it equals a value from
   which it differs by less than 1% of that value (`CLOSE`). The thesis prints no intervals: its own numbers are taken
   to be as uncertain as their last digit.

A line may also hold a number that ``decides nothing``: of other conditions than the thesis's, or another measure. It
stands beside the verdict of its claim.
"""

import math
import operator
import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from dnakit.project import DnakitError, did_you_mean, root
from dnakit.report.intervals import Interval, wilson
from dnakit.report.lines import Line, read_lines
from dnakit.report.measured import INTERVALS, Measured, RunNames, by_species, check, measured, paired, run_name, runs_of
from dnakit.report.thesis import thesis_table

STANDS = "stands"
OTHERWISE = "stands, but means something else"
REFUTED = "does not stand"
TOO_SMALL = "not decided at this size"
NOT_RUN = "not run yet"
NO_DATA = "no data here"
NO_NUMBER = "no number decides it"
BESIDE = "decides nothing"  # a number that stands beside a verdict; no verdict itself
VERDICTS = (STANDS, OTHERWISE, REFUTED, TOO_SMALL, NOT_RUN, NO_DATA, NO_NUMBER)

ENOUGH = 0.5  # of the samples that the thesis's training saw
CLOSE = 0.01  # share of a value by which a number without an interval may differ from it, and is the same
PRINTED = "claim:"  # before the name of a claim: the number that the thesis prints
PREDICTION = re.compile(r"(?P<sign>[<>=]|within) (?P<factor>[\d.]+(?= thesis))? ?(?P<target>thesis|-?[\d.]+|claim:\S+)")


class Rule(Line):
    """One test of a claim: a line of ``data/verdicts.csv``.

    Attributes
    ----------
    id
        Of the claim.
    predicts
        ``= X``, ``> X``, ``< X``, or ``within X`` of zero. X is a number, ``thesis`` (the claim's printed value, or a
        part of it: ``0.95 thesis``), or ``claim:ID`` (the printed value of another claim).
    measure, minus
        Addresses of recorded numbers (see `dnakit.report.measured`), or ``claim:ID``; the second is subtracted.
    interval
        How far they can be trusted. ``species``: of a difference of two runs that named the same copies of genes.
    size
        Samples that the thesis's training saw; empty where the number needs no such training. Where the number comes
        from a measurement of a trained model, the training stands before it: ``03_tss/promoters of 239740``.
    pretraining
        The pretraining that the model began with, and the samples that the thesis's saw, such as
        ``02_pretraining/longformer-9-mer-mlm of 1392700``.
    control, control_minus, control_predicts, control_interval
        The address of a number that lacks what the claim is about, that of a number which is subtracted from it, what
        it has to be to explain the claim, and how far it can be trusted.
    open
        Why there is no number: ``no data here``, ``no number decides it``, ``not run yet``; or that the number
        ``decides nothing``.
    cell
        The chapter and the heading under which the number stands, such as ``03_tss#a-fair-task``.
    what
        What the number is, or what is missing.
    """

    id: str
    predicts: str = ""
    measure: str = ""
    minus: str = ""
    interval: str = Field("", pattern=rf"{INTERVALS}|^species$")
    size: str = Field("", pattern=r"^(|(\S+ of )?\d+)$")
    pretraining: str = Field("", pattern=r"^(|\S+ of \d+)$")
    control: str = ""
    control_minus: str = ""
    control_predicts: str = ""
    control_interval: str = Field("", pattern=INTERVALS)
    open: Literal["", "no data here", "no number decides it", "not run yet", "decides nothing"] = ""
    cell: str = ""
    what: str = Field(min_length=1)

    @field_validator("predicts", "control_predicts")
    @classmethod
    def _known_prediction(cls, value: str) -> str:
        if value and not PREDICTION.fullmatch(value):
            raise ValueError(f"{value!r} is no prediction: write '> 0', '= thesis', '> 0.95 thesis' or 'within 0.05'")
        return value

    @property
    def addresses(self) -> list[str]:
        """The recorded numbers that it needs."""
        return [each for each in (self.measure, self.minus) if each and not each.startswith(PRINTED)]

    @property
    def trainings(self) -> list[str]:
        """The runs whose training samples count, beside those of the numbers themselves."""
        return [name for name, _ in map(_training, (self.size, self.pretraining)) if name]

    def check(self, claims: Set[str], known: RunNames) -> None:
        """Refuse names that nothing has: of a claim, a run, or a claim whose number the thesis prints."""
        if self.id not in claims:
            raise DnakitError(f"there is no claim {self.id!r}{did_you_mean(self.id, claims)}")
        for address in filter(None, [*self.addresses, self.control, self.control_minus]):
            check(address, known)
        for name in self.trainings:
            check(f"{name}:record.samples", known)
        for text in (self.measure, self.minus):
            if text.startswith(PRINTED):
                _named(text, self.id)
        for predicts in filter(None, [self.predicts, self.control_predicts]):
            predicted(predicts, self.id)
        if not self.open and not (self.predicts and self.measure):
            raise DnakitError("give 'predicts' and 'measure', or in 'open' why there is no number")
        if self.interval == "species" and not self.minus:
            raise DnakitError("the interval 'species' is that of a difference: give 'minus'")
        if self.open == BESIDE and (not self.measure or self.predicts or self.control):
            raise DnakitError(f"a number that {BESIDE} needs 'measure', and neither 'predicts' nor 'control'")


@dataclass(frozen=True)
class Outcome:
    """What a test gave.

    Attributes
    ----------
    rule : Rule
    verdict : str
        One of `VERDICTS`, or `BESIDE`.
    found : Measured or None
        The number; of a claim that means something else, the control's. None where there is none.
    missing : tuple of str
        The runs that are not recorded.
    """

    rule: Rule
    verdict: str
    found: Measured | None = None
    missing: tuple[str, ...] = ()

    @property
    def is_control(self) -> bool:
        """Whether the number is that of the control."""
        return self.verdict == OTHERWISE


def rules(known: RunNames, path: Path | None = None) -> list[Rule]:
    """All tests, in the order of the file.

    Parameters
    ----------
    known
        The runs that chapters have. One that is not recorded leaves a claim open; one that no chapter has is an error.
    path : Path, optional

    Raises
    ------
    DnakitError
        Names the line that is wrong.
    """
    found, claims = [], set(thesis_table("claims")["id"])
    for rule in read_lines(Rule, path or root() / "data" / "verdicts.csv"):
        with rule.named():
            rule.check(claims, known)
        found.append(rule)
    return found


@cache
def printed() -> dict[str, str]:
    """What the thesis prints, by claim."""
    found = thesis_table("claims").set_index("id")["value"].dropna()
    return {str(name): str(value) for name, value in found.items()}


def printed_number(claim: str) -> float:
    """The number that the thesis prints for a claim.

    Raises
    ------
    DnakitError
        If it prints none.
    """
    try:
        return float(printed()[claim])
    except (KeyError, ValueError):
        near = did_you_mean(claim, printed())
        raise DnakitError(f"the thesis prints no number for a claim {claim!r}{near}") from None


# ---- one test


def outcome(rule: Rule) -> Outcome:
    """What a test gives now.

    Raises
    ------
    DnakitError
        If a recorded run lacks the number; it names the line.
    """
    with rule.named():
        return _outcome(rule)


def _outcome(rule: Rule) -> Outcome:
    if rule.open and rule.open != BESIDE:
        return _controlled(rule, Outcome(rule, rule.open))
    needed = [*rule.addresses, *rule.trainings]
    missing = tuple("/".join(run_name(each)) for each in needed if not runs_of(each))
    if rule.open:
        return Outcome(rule, BESIDE, None if missing else _found(rule), missing)
    if missing:
        return _controlled(rule, Outcome(rule, NOT_RUN, None, missing))
    found = _found(rule)
    if found is None:  # no seed is common to both
        return Outcome(rule, NOT_RUN, None, tuple("/".join(run_name(each)) for each in rule.addresses))
    if too_small(rule, found):
        return _controlled(rule, Outcome(rule, TOO_SMALL, found))
    agrees = holds(rule.predicts, rule.id, found)
    if agrees is None:
        return _controlled(rule, Outcome(rule, TOO_SMALL, found))
    return _controlled(rule, Outcome(rule, STANDS, found)) if agrees else Outcome(rule, REFUTED, found)


def _found(rule: Rule) -> Measured | None:
    pairings = {"seeds": paired, "species": by_species}
    if rule.interval in pairings and rule.minus:
        return pairings[rule.interval](rule.measure, rule.minus)
    return _minus(rule.measure, rule.minus, rule.interval)


def _minus(address: str, other: str, interval: str) -> Measured | None:
    """A number minus another one, where one is named; None where one of them is not recorded."""
    both_printed = address.startswith(PRINTED) and other.startswith(PRINTED)
    first, second = (_number(each, interval, both_printed) if each else None for each in (address, other))
    return first.minus(second) if first and second else None if other else first


def _number(address: str, interval: str, rounded: bool) -> Measured | None:
    if address.startswith(PRINTED):
        return _printed(address.removeprefix(PRINTED), interval, rounded)
    return measured(address, interval)


def _printed(claim: str, interval: str, rounded: bool) -> Measured:
    """A number that the thesis prints; where both are printed, each is as uncertain as its last digit."""
    value, count = printed_number(claim), interval.removeprefix("of ")
    if count.isdigit():
        return Measured(value, wilson(value, int(count)), (), int(count))
    if not rounded:
        return Measured(value, Interval(value, value))
    half = 0.5 * 10.0 ** -len(printed()[claim].partition(".")[2])
    return Measured(value, Interval(value - half, value + half))


def too_small(rule: Rule, found: Measured) -> bool:
    """Whether a training behind the number, or the pretraining, saw less than half of what the thesis's saw."""
    return any(seen < ENOUGH * of_thesis for seen, of_thesis in budgets(rule, found).values())


def budgets(rule: Rule, found: Measured) -> dict[str, tuple[int, int]]:
    """Samples seen, and those that the thesis's training saw: of the training and of its pretraining, if they count."""
    sizes = {}
    for kind, text in {"trained": rule.size, "pretrained": rule.pretraining}.items():
        if text:
            name, of_thesis = _training(text)
            measured_runs = runs_of(name or rule.measure).values()
            seen = min((run.samples_seen for run in measured_runs), default=0) or found.samples_seen
            if not seen:
                raise DnakitError(f"the number comes from no training: write 'size' as RUN of {of_thesis}")
            sizes[kind] = (seen, of_thesis)
    return sizes


def _training(text: str) -> tuple[str, int]:
    """The run and the samples of the thesis of ``RUN of 1392700``; no run where the number alone stands there."""
    name, _, of_thesis = text.rpartition(" of ")
    return name, int(of_thesis or 0)


def holds(predicts: str, claim: str, found: Measured) -> bool | None:
    """Whether a number agrees with a prediction; None where its interval covers both answers."""
    parts = PREDICTION.fullmatch(predicts)
    if parts is None:
        raise DnakitError("a number needs a prediction")
    target, (low, high) = _target(parts, claim), found.interval
    if parts["sign"] == "within":
        return _between(-target < low and high < target, high < -target or low > target)
    if parts["sign"] == "=":
        if math.isinf(low):  # one seed: every value agrees
            return None
        allowed = CLOSE * abs(target) if found.certain else 0.0
        return low - allowed <= target <= high + allowed
    beyond = {">": operator.gt, "<": operator.lt}[parts["sign"]]
    return _between(beyond(low, target) and beyond(high, target), not (beyond(low, target) or beyond(high, target)))


def _between(yes: bool, no: bool) -> bool | None:
    return True if yes else False if no else None


def _target(parts: re.Match[str], claim: str) -> float:
    return _named(parts["target"], claim) * float(parts["factor"] or 1)


def predicted(predicts: str, claim: str) -> str:
    """A prediction with its number in place of a name, such as ``= 0.8875``."""
    parts = PREDICTION.fullmatch(predicts)
    if not parts:
        return ""
    target = _target(parts, claim)
    return f"{parts['sign']} {target:,.0f}" if target >= 1000 else f"{parts['sign']} {target:.4g}"


def _named(text: str, claim: str) -> float:
    if text == "thesis":
        return printed_number(claim)
    return printed_number(text.removeprefix(PRINTED)) if text.startswith(PRINTED) else float(text)


def _controlled(rule: Rule, found: Outcome) -> Outcome:
    """The outcome, or that the claim means something else where a control gives what it predicts."""
    control = _minus(rule.control, rule.control_minus, rule.control_interval)
    if control is None or not holds(rule.control_predicts or rule.predicts, rule.id, control):
        return found
    return Outcome(rule, OTHERWISE, control)


# ---- one claim


def verdict(outcomes: Sequence[Outcome]) -> str:
    """The verdict of a claim from all of its tests: the first of these that one of them has.

    Raises
    ------
    DnakitError
        If no line of the claim decides anything.
    """
    order = (REFUTED, NO_DATA, NO_NUMBER, NOT_RUN, TOO_SMALL, OTHERWISE, STANDS)
    found = {each.verdict for each in outcomes}
    try:
        return next(each for each in order if each in found)
    except StopIteration:
        raise DnakitError(f"{outcomes[0].rule.where}: the claim has no line but one that {BESIDE}") from None
