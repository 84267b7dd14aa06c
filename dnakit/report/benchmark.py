"""The tasks without leaks, and how well methods do on them: two files that anyone can add a line to.

``data/benchmark_tasks.csv`` holds the tasks, ``data/benchmark.csv`` the results. A result is the address of a recorded
number (see `dnakit.report.measured`), or a value that somebody measured elsewhere, with where it is described.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import Field, model_validator

from dnakit.project import DnakitError, did_you_mean, root, sha256
from dnakit.report.finished import FinishedRun, provenance_names
from dnakit.report.intervals import Interval
from dnakit.report.ledger import digits
from dnakit.report.lines import Line, read_lines
from dnakit.report.measured import INTERVALS, Measured, RunNames, check, measured, runs_of
from dnakit.report.tables import MISSING

Around = Mapping[str, Interval]  # by the address of a number
NONE: Around = {}
NOT_RECORDED = "not recorded yet"
KINDS = ("ceiling", "simple", "program", "model")  # in the order of a table where nothing is measured
METHODS = {"simple": "a simple method", "program": "a program", "model": "a model"}
DIGEST = 12  # hexadecimal digits of a split's name


class Task(Line):
    """A task: a line of ``data/benchmark_tasks.csv``.

    Attributes
    ----------
    id, title, question
        What is asked.
    chapter, heading
        Where the book describes it.
    metric, better
        What is measured, and which direction is good: ``higher`` or ``lower``.
    split
        In words, what is held out.
    split_run, split_facts
        A recorded run on this split, and the facts of its record (or a file of it) that decide the split, with blanks
        between: their digest is the name of the split.
    tested
        What is tested, and the address of its number (see `dnakit.report.measured`), with a blank between.
    """

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    title: str
    question: str
    chapter: str
    heading: str
    metric: str
    better: Literal["higher", "lower"]
    split: str
    split_run: str
    split_facts: str
    tested: str

    @property
    def tested_on(self) -> str:
        """How many things are tested, such as ``55 promoters``."""
        name, _, address = self.tested.partition(" ")
        with self.named():
            found = measured(address)
        return f"{found.value:,.0f} {name}" if found else name

    @property
    def run(self) -> FinishedRun:
        """The recorded run on the split.

        Raises
        ------
        DnakitError
            If it is not recorded.
        """
        found = list(runs_of(self.split_run).values())
        if not found:
            raise DnakitError(f"{self.where}: the run {self.split_run} is not recorded")
        return found[0]

    @property
    def split_name(self) -> str:
        """The task and the digest of what decides the split, such as ``12s-known@0123456789ab``."""
        facts = {name: _fact(self.run, name) for name in self.split_facts.split()}
        text = json.dumps(facts, sort_keys=True)
        return f"{self.id}@{hashlib.sha256(text.encode()).hexdigest()[:DIGEST]}"

    @property
    def data(self) -> str:
        """The names of the data."""
        return provenance_names([self.run])


class Result(Line):
    """How well a method does on a task: a line of ``data/benchmark.csv``.

    Attributes
    ----------
    task
        Of `Task`.
    method
        What a table calls it.
    kind
        ``ceiling`` (what no method can pass), ``simple``, ``program`` or ``model``.
    measure, interval
        Address of a recorded number, and how far it can be trusted (see `dnakit.report.measured`).
    value, low, high
        Or: the number, and its 95% interval where it is known.
    source
        Where the method is described; needed with `value`.
    """

    task: str
    method: str = Field(min_length=1)
    kind: Literal["ceiling", "simple", "program", "model"]
    measure: str = ""
    interval: str = Field("", pattern=INTERVALS)
    value: float | None = Field(None, allow_inf_nan=False)
    low: float | None = Field(None, allow_inf_nan=False)
    high: float | None = Field(None, allow_inf_nan=False)
    source: str = ""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> "Result":
        if bool(self.measure) == (self.value is not None):
            raise ValueError("give either a measure, the address of a recorded number, or a value")
        if self.value is not None and not self.source:
            raise ValueError("a value needs a source: where the method and its number are described")
        if (self.low is None) != (self.high is None):
            raise ValueError("give both low and high, or neither")
        if self.low is not None and self.high is not None and not self.low <= (self.value or 0) <= self.high:
            raise ValueError("the value has to lie between low and high")
        return self

    @property
    def found(self) -> Measured | None:
        """Its number; None where it is not recorded yet."""
        if self.value is None:
            with self.named():
                return measured(self.measure, self.interval)
        low, high = (self.value if end is None else end for end in (self.low, self.high))
        return Measured(self.value, Interval(low, high))


def tasks() -> list[Task]:
    """All tasks, in the order of the file."""
    return list(read_lines(Task, root() / "data" / "benchmark_tasks.csv"))


def results(runs: RunNames, path: Path | None = None) -> list[Result]:
    """All results, in the order of the file.

    Parameters
    ----------
    runs
        The runs that chapters have. A result of one that is not recorded is open; of one that no chapter has, an error.
    path : Path, optional

    Raises
    ------
    DnakitError
        Names the line that is wrong.
    """
    path = path or root() / "data" / "benchmark.csv"
    found: list[Result] = []
    known = {task.id: task for task in tasks()}
    for result in read_lines(Result, path):
        with result.named():
            if result.task not in known:
                near = did_you_mean(result.task, known)
                raise DnakitError(f"there is no task {result.task!r}{near}; known: {', '.join(known)}")
            if any((each.task, each.method) == (result.task, result.method) for each in found):
                raise DnakitError(f"the task {result.task!r} has a line for {result.method!r} already")
            _refuse_impossible(result, known[result.task])
            if result.measure:
                check(result.measure, runs)
        found.append(result)
    return found


def _refuse_impossible(result: Result, task: Task) -> None:
    """A share or an area lies between 0 and 1, and what is better when it is lower (bits) is not negative.

    Raises
    ------
    DnakitError
        A value, or an end of its interval, is outside: percent, or a loss with the other sign.
    """
    most = 1.0 if task.better == "higher" else float("inf")
    for name in ("value", "low", "high"):
        given = getattr(result, name)
        if given is not None and not 0 <= given <= most:
            between = "between 0 and 1 (not percent)" if task.better == "higher" else "0 or more"
            raise DnakitError(f"the {name} {given:g} is impossible: {task.metric} is {between}")


def _fact(run: FinishedRun, name: str) -> object:
    """A fact of a run's record; of a file, its digest."""
    if (run.folder / name).is_file():
        return sha256(run.folder / name)
    return run.value(f"record.{name}")


# ---- tables


def task_table() -> pd.DataFrame:
    """The tasks: what is asked, what is measured, what is held out, on which data, and the name of the split."""
    rows = [
        {
            "task": task.title,
            "question": task.question,
            "metric": f"{task.metric} ({task.better} is better)",
            "held out": task.split,
            "data": task.data,
            "split": task.split_name,
        }
        for task in tasks()
    ]
    return pd.DataFrame(rows).set_index("task")


def overview(chosen: Sequence[Task], among: Sequence[Result], around: Around = NONE) -> pd.DataFrame:
    """A row for each task: of each kind the recorded result with the best value, and its 95% interval.

    Parameters
    ----------
    chosen : sequence of Task
    among : sequence of Result
    around : mapping of str to Interval, optional
        By the address of a result's measure: the interval of one that has none of its own.
    """
    rows = []
    for task in chosen:
        best: dict[str, str] = {}
        for result, found in reversed(_ordered(task, among)):
            if found:
                interval = _interval(result, found, around)
                best[result.kind] = digits(found.value) + (f" ({interval})" if interval else "")
        row = {"task": task.title, "tested on": task.tested_on, "metric": f"{task.metric} ({task.better} is better)"}
        rows.append(row | {kind: best.get(kind, MISSING) for kind in KINDS})
    return pd.DataFrame(rows).set_index("task")


def best_in_words(chosen: Sequence[Task], among: Sequence[Result]) -> str:
    """Which kind of method has the best recorded value of each task; a ceiling is no method."""
    titles: dict[str, list[str]] = {}
    for task in chosen:
        kinds = [result.kind for result, found in _ordered(task, among) if found and result.kind in METHODS]
        titles.setdefault(kinds[0] if kinds else NOT_RECORDED, []).append(task.title)
    words = METHODS | {NOT_RECORDED: NOT_RECORDED}
    return "\n".join(f"* **{words[kind]}**: {'; '.join(titles[kind])}." for kind in words if kind in titles)


def _ordered(task: Task, among: Sequence[Result]) -> list[tuple[Result, Measured | None]]:
    """The results of a task with their numbers, the best first; those that are not recorded yet at the end."""
    mine = [(result, result.found) for result in among if result.task == task.id]
    sign = -1 if task.better == "higher" else 1
    return sorted(
        mine, key=lambda each: (each[1] is None, sign * each[1].value if each[1] else KINDS.index(each[0].kind))
    )


def result_table(task: Task, among: Sequence[Result], around: Around = NONE) -> pd.DataFrame:
    """The results of a task, the best value first; those that are not recorded yet at the end; `around` as above."""
    rows = []
    for result, found in _ordered(task, among):
        value, interval = (digits(found.value), _interval(result, found, around)) if found else (NOT_RECORDED, "")
        rows.append({"method": result.method, "kind": result.kind, task.metric: value, "95% interval": interval})
    return pd.DataFrame(rows).set_index("method")


def _interval(result: Result, found: Measured, around: Around) -> str:
    ends = around.get(result.measure) if found.certain else found.interval
    return f"{digits(ends.low)} to {digits(ends.high)}" if ends else ""
