"""A recorded number by its address, and how far it can be trusted: what a claim is decided by.

An address names a recorded run and a place in its metrics, such as ``03_tss/on-yeast-ensembl:thesis.rule.accuracy``, or
a file of it and an expression of that file's columns, such as ``02_pretraining/x:history.csv|train_loss.min()``, of
the rows that a query chooses: ``04_metagenomics/fair-search:accuracy.csv|share|form == "gene" and level == "known"``. A
star in the name of the run stands for seeds or repeats, and round brackets for a part that a name may lack, such as
``05_chromatin/none-256(-repeat-*)``: the number is then the mean over all such runs.
"""

import re
from dataclasses import dataclass

from dnakit.project import DnakitError
from dnakit.report.finished import FinishedRun, recorded
from dnakit.report.intervals import Interval, difference, of_seeds, wilson


@dataclass(frozen=True)
class Measured:
    """A number that decides a claim.

    Attributes
    ----------
    value : float
    interval : Interval
        At 95%; as narrow as the number where none is known.
    runs : tuple of FinishedRun
        Where it comes from; none for a number that the thesis prints.
    count : int
        Of the independent things that it is a share of; 0 where it is no such share.
    """

    value: float
    interval: Interval
    runs: tuple[FinishedRun, ...] = ()
    count: int = 0

    @property
    def samples_seen(self) -> int:
        """The fewest training samples that one of the models behind it saw; 0 where nothing was trained."""
        return min((run.samples_seen for run in self.runs if run.samples_seen), default=0)

    def minus(self, other: "Measured") -> "Measured":
        """The difference of two independent numbers."""
        around = difference(self.value, self.interval, other.value, other.interval)
        return Measured(self.value - other.value, around, (*self.runs, *other.runs), self.count)

    @property
    def certain(self) -> bool:
        """Whether it has no interval."""
        return self.interval.low == self.interval.high


def run_name(address: str) -> tuple[str, str]:
    """The notebook and the name of the run, a star in it or not, that an address names."""
    notebook, _, name = address.partition(":")[0].partition("/")
    return notebook, name


def runs_of(address: str) -> dict[str, FinishedRun]:
    """The recorded runs that an address names, by what its star stands for; none where nothing is recorded."""
    notebook, name = run_name(address)
    pattern = re.compile(re.escape(name).replace(r"\*", "(.*)").replace(r"\(", "(?:").replace(r"\)", ")?"))
    runs = recorded(notebook)
    found = {each: pattern.fullmatch(each) for each in runs}
    return {(match[1] or "") if pattern.groups else "": runs[each] for each, match in found.items() if match}


def measured(address: str, interval: str = "") -> Measured | None:
    """The number at an address; None where its run is not recorded.

    Parameters
    ----------
    address : str
    interval : str
        How far the number can be trusted. Empty: not known. ``± 0.01``: so far. ``recorded``: the two ends stand
        beside it, ``auroc_interval`` beside ``auroc_mean``, in a file the columns ``low`` and ``high``. ``of 55``, or
        ``of record.windows.test``: it is a share of so many independent things. ``seeds``: of the mean over the runs
        that the star stands for.

    Raises
    ------
    DnakitError
        If the run holds no such number.
    """
    runs, place = tuple(runs_of(address).values()), address.partition(":")[2]
    if not runs:
        return None
    values = [number(run, place) for run in runs]
    mean, kind, rest = sum(values) / len(values), *interval.partition(" ")[::2]
    if kind == "recorded":
        return Measured(mean, _recorded(runs[0], place), runs)
    if kind == "seeds":
        return Measured(mean, of_seeds(values), runs)
    if kind == "of" and not rest.isdigit():
        rest = str(_count(rest, runs[0], place))
    limits, count = around(mean, f"{kind} {rest}")
    return Measured(mean, limits, runs, count)


def around(value: float, interval: str) -> tuple[Interval, int]:
    """The interval of a number by ``± X`` or ``of COUNT``, and the count; the number alone for anything else."""
    kind, _, rest = interval.partition(" ")
    if kind == "of":
        return wilson(value, int(rest)), int(rest)
    width = float(rest) if kind == "±" else 0.0
    return Interval(value - width, value + width), 0


def paired(address: str, other: str) -> Measured | None:
    """The mean difference of two addresses, of runs for which their stars stand for the same; None without any."""
    first, second = runs_of(address), runs_of(other)
    both = sorted(set(first) & set(second))
    if not both:
        return None
    place, place_of_other = (each.partition(":")[2] for each in (address, other))
    values = [number(first[each], place) - number(second[each], place_of_other) for each in both]
    runs = tuple(runs[each] for runs in (first, second) for each in both)
    return Measured(sum(values) / len(values), of_seeds(values), runs)


def number(run: FinishedRun, place: str) -> float:
    """The number at a place of a run.

    Raises
    ------
    DnakitError
        If there is none.
    """
    if "|" in place:
        value = _in_file(run, *place.split("|"))
    else:
        value = run.value(place if place.startswith("record.") else f"metrics.{place}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DnakitError(f"the recorded run {run.name} has no number {place}")
    return float(value)


def _recorded(run: FinishedRun, place: str) -> Interval:
    """The interval that stands beside a number."""
    if "|" in place:
        file, _, query = place.split("|")
        low, high = (number(run, f"{file}|{end}|{query}") for end in Interval._fields)
        return Interval(low, high)
    return Interval(*run.value(f"metrics.{place.removesuffix('_mean')}_interval"))


def _in_file(run: FinishedRun, file: str, expression: str, query: str = "") -> float | None:
    """The mean of an expression of the columns of a file, of some of its rows."""
    try:
        frame = run.frame(file)
        chosen = frame.query(query, engine="python") if query else frame
        value = chosen.eval(expression, engine="python")
        return float(value.mean() if hasattr(value, "mean") else value)  # type: ignore[arg-type]
    except (OSError, NameError, KeyError, ValueError, TypeError):
        return None


def _count(text: str, run: FinishedRun, place: str) -> int:
    """The count that ``of`` names: the rows of the file, or a place of the run."""
    return len(run.frame(place.partition("|")[0])) if text == "rows" else run.value(text)
