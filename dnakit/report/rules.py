"""How a claim is decided: what it predicts of a recorded number, and whether the number agrees.

``data/verdicts.csv`` holds a test a line; a claim may have several, and stands where all of them hold. No verdict is
typed: it follows from the numbers by these rules, in this order.

1. A claim that no number decides, or that needs data which are not here, says so.
2. A number whose run is not recorded: ``not run yet``, with the names of the runs.
3. A training that saw less than half of the samples of the thesis's decides nothing about the end of such a training:
   ``not decided at this size``.
4. The 95% interval of the number agrees with the prediction (``stands``), contradicts it (``does not stand``), or
   covers both (``not decided at this size``). Without an interval the number itself decides. The thesis prints no
   intervals: its own numbers are taken to be as uncertain as their last digit.
5. A control lacks what the claim is about, such as training, context or biology. Where it gives what the claim predicts
   and the number does not contradict it, the claim ``stands, but means something else``.
"""

import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from dnakit.project import DnakitError, did_you_mean, root
from dnakit.report.lines import read_lines
from dnakit.report.measured import Measured, around, measured, paired, run_name, runs_of
from dnakit.report.thesis import thesis_table

STANDS = "stands"
OTHERWISE = "stands, but means something else"
REFUTED = "does not stand"
TOO_SMALL = "not decided at this size"
NOT_RUN = "not run yet"
NO_DATA = "no data here"
NO_NUMBER = "no number decides it"
VERDICTS = (STANDS, OTHERWISE, REFUTED, TOO_SMALL, NOT_RUN, NO_DATA, NO_NUMBER)
DECIDED = VERDICTS[:3]

ENOUGH = 0.5  # of the samples that the thesis's training saw
CLOSE = 0.02  # share of the thesis's value by which a number without an interval may differ
PREDICTION = re.compile(r"(?P<sign>[<>=]|within) (?P<factor>[\d.]+(?= thesis))? ?(?P<target>thesis|-?[\d.]+|claim:\S+)")


class Rule(BaseModel):
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
        How far they can be trusted.
    size
        Samples that the thesis's training saw; 0 where the number needs no such training.
    control, control_predicts
        The address of a number that lacks what the claim is about, and what it has to be to explain the claim.
    open
        Why there is no number: ``no data here``, ``no number decides it``, ``not run yet``.
    cell
        The chapter and the heading under which the number stands, such as ``03_tss#a-fair-task``.
    what
        What the number is, or what is missing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    predicts: str = ""
    measure: str = ""
    minus: str = ""
    interval: str = Field("", pattern=r"^(|± [\d.]+|recorded|seeds|of \S+)$")
    size: int = Field(0, ge=0)
    control: str = ""
    control_predicts: str = ""
    open: Literal["", "no data here", "no number decides it", "not run yet"] = ""
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
        return [each for each in (self.measure, self.minus) if each and not each.startswith("claim:")]


@dataclass(frozen=True)
class Outcome:
    """What a test gave.

    Attributes
    ----------
    rule : Rule
    verdict : str
        One of `VERDICTS`.
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


def rules(path: Path | None = None) -> list[Rule]:
    """All tests, in the order of the file.

    Raises
    ------
    DnakitError
        Names the line that is wrong.
    """
    found, known = [], set(thesis_table("claims")["id"])
    for where, rule in read_lines(Rule, path or root() / "data" / "verdicts.csv"):
        if rule.id not in known:
            raise DnakitError(f"{where}: there is no claim {rule.id!r}{did_you_mean(rule.id, known)}")
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
        raise DnakitError(f"verdicts.csv: the thesis prints no number for the claim {claim!r}") from None


# ---- one test


def outcome(rule: Rule) -> Outcome:
    """What a test gives now."""
    if rule.open:
        return _controlled(rule, Outcome(rule, rule.open))
    missing = tuple("/".join(run_name(each)) for each in rule.addresses if not runs_of(each))
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
    if rule.interval == "seeds" and rule.minus:
        return paired(rule.measure, rule.minus)
    first = _number(rule.measure, rule.interval)
    other = _number(rule.minus, rule.interval) if rule.minus else None
    return first.minus(other) if first and other else first


def _number(address: str, interval: str) -> Measured | None:
    return (
        _printed(address.removeprefix("claim:"), interval)
        if address.startswith("claim:")
        else measured(address, interval)
    )


def _printed(claim: str, interval: str) -> Measured:
    """A number that the thesis prints, as uncertain as its last digit where no interval is given."""
    value, decimals = printed_number(claim), len(printed()[claim].partition(".")[2])
    limits, count = around(value, interval or f"± {0.5 * 10**-decimals}")
    return Measured(value, limits, (), count)


def too_small(rule: Rule, found: Measured) -> bool:
    """Whether a training behind the number saw less than half of what the thesis's saw."""
    return bool(rule.size) and found.samples_seen < ENOUGH * rule.size


def holds(predicts: str, claim: str, found: Measured) -> bool | None:
    """Whether a number agrees with a prediction; None where its interval covers both answers."""
    parts = PREDICTION.fullmatch(predicts)
    if parts is None:
        raise DnakitError(f"verdicts.csv ({claim}): a number needs a prediction")
    target, (low, high) = _target(parts, claim), found.interval
    if parts["sign"] == "within":
        return _between(-target < low and high < target, high < -target or low > target)
    if parts["sign"] == "=":
        around = CLOSE * abs(target) if found.certain else 0.0
        return low - around <= target <= high + around
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
    return printed_number(text.removeprefix("claim:")) if text.startswith("claim:") else float(text)


def _controlled(rule: Rule, found: Outcome) -> Outcome:
    """The outcome, or that the claim means something else where a control gives what it predicts."""
    control = measured(rule.control) if rule.control else None
    if control is None or not holds(rule.control_predicts or rule.predicts, rule.id, control):
        return found
    return Outcome(rule, OTHERWISE, control)


# ---- one claim


def verdict(outcomes: Sequence[Outcome]) -> str:
    """The verdict of a claim from all of its tests: the first of these that one of them has."""
    order = (REFUTED, NO_DATA, NO_NUMBER, NOT_RUN, TOO_SMALL, OTHERWISE, STANDS)
    found = {each.verdict for each in outcomes}
    return next(each for each in order if each in found)
