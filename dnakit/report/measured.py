"""A recorded number by its address, and how far it can be trusted: what a claim is decided by.

An address names a recorded run and a place in its metrics, such as ``03_tss/on-yeast-ensembl:thesis.rule.accuracy``, or
a file of it and an expression of that file's columns, such as ``02_pretraining/x:history.csv|train_loss.min()``, of
the rows that a query chooses: ``04_metagenomics/fair-search:accuracy.csv|share|form == "gene" and level == "known"``. A
star in the name of the run stands for seeds or repeats, and round brackets for a part that a name may lack, such as
``05_chromatin/none-256(-repeat-*)``: the number is then the mean over all such runs.
"""

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from dnakit.project import DnakitError, did_you_mean
from dnakit.report.by_species import minus
from dnakit.report.finished import FinishedRun, recorded
from dnakit.report.intervals import Interval, difference, of_seeds, wilson

RunNames = Mapping[str, Set[str]]  # of each notebook the names of its runs, recorded or not
INTERVALS = r"^(|recorded|seeds|rows|of \S+)$"  # see `measured`
TOP1 = "test.top1"  # of the runs that `by_species` pairs


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
    pattern, runs = _pattern(name), recorded(notebook)
    found = {each: pattern.fullmatch(each) for each in runs}
    return {(match[1] or "") if pattern.groups else "": runs[each] for each, match in found.items() if match}


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(r"\*", "(.*)").replace(r"\(", "(?:").replace(r"\)", ")?"))


def check(address: str, known: RunNames) -> None:
    """Refuse an address of a run that no chapter has: it could never be recorded.

    Raises
    ------
    DnakitError
        Says what it lacks, and a name that is near.
    """
    notebook, name = run_name(address)
    if notebook not in known:
        raise DnakitError(f"there is no notebook {notebook!r}{did_you_mean(notebook, known)}")
    if not any(_pattern(name).fullmatch(each) for each in known[notebook]):
        plain = re.sub(r"\(.*\)|\*", "", name)
        raise DnakitError(f"no profile of {notebook} has a run {name!r}{did_you_mean(plain, known[notebook])}")
    if not address.partition(":")[2]:
        raise DnakitError(f"{address!r} names no number of the run: write {address}:test.accuracy, for example")


def measured(address: str, interval: str = "") -> Measured | None:
    """The number at an address; None where its run is not recorded. Of a difference, see `paired` and `by_species`.

    Parameters
    ----------
    address : str
    interval : str
        How far the number can be trusted. Empty: not known. ``recorded``: the two ends stand beside it,
        ``auroc_interval`` beside ``auroc_mean``, in a file the columns ``low`` and ``high``. ``of 55``, or ``of
        record.windows.test``: it is a share of so many independent things. ``rows``: it is a mean over the rows of a
        file. ``seeds``: of the mean over the runs that the star stands for.

    Raises
    ------
    DnakitError
        If the run holds no such number, or several runs have intervals of their own or shares of other counts.
    """
    runs, place = tuple(runs_of(address).values()), address.partition(":")[2]
    if not runs:
        return None
    values = [number(run, place) for run in runs]
    mean = sum(values) / len(values)
    if interval == "seeds":
        return Measured(mean, of_seeds(values), runs)
    if interval in ("recorded", "rows"):
        if len(runs) > 1:
            raise DnakitError(f"{address} stands for {len(runs)} runs: write 'seeds', the interval of their mean")
        around = _recorded(runs[0], place) if interval == "recorded" else of_seeds(_column(runs[0], place))
        return Measured(mean, around, runs)
    counts = {_count(interval.removeprefix("of "), run, place) if interval else 0 for run in runs}
    if len(counts) > 1:
        raise DnakitError(f"the runs of {address} are shares of other counts each: write 'seeds'")
    count = counts.pop()
    return Measured(mean, wilson(mean, count) if count else Interval(mean, mean), runs, count)


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


def by_species(address: str, other: str) -> Measured | None:
    """The difference of the top-1 accuracies of two recorded runs on the same test copies; None without one of them.

    Raises
    ------
    DnakitError
        If an address is not the top-1 accuracy of one run, or the runs were not tested on as many copies.
    """
    for each in (address, other):
        if "*" in each or each.partition(":")[2] != TOP1:
            raise DnakitError(f"species are paired for {TOP1} of one run each, not for {each!r}")
    one, another = (next(iter(runs_of(each).values()), None) for each in (address, other))
    if not (one and another):
        return None
    if one.value("record.samples.test") != another.value("record.samples.test"):
        raise DnakitError(
            f"{one.name} and {another.name} were tested on other copies: they cannot be paired by species"
        )
    value, low, high = minus(one, another)
    return Measured(value, Interval(low, high), (one, another), int(one.value("record.classes")))


def number(run: FinishedRun, place: str) -> float:
    """The number at a place of a run.

    Raises
    ------
    DnakitError
        If there is none.
    """
    value = _in_file(run, *place.split("|")) if "|" in place else run.value(_path(place))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DnakitError(f"the recorded run {run.name} has no number {place}{_near(run, place)}")
    return float(value)


def _path(place: str) -> str:
    """As `FinishedRun.value` takes it."""
    return place if place.startswith(("record.", "metrics.")) else f"metrics.{place}"


def _near(run: FinishedRun, place: str) -> str:
    """The end of an error: a place of the run with a name that is near, or the columns of the file."""
    file, bar, _ = place.partition("|")
    if not bar:
        facts = {"": run.metrics, "metrics.": run.metrics, "record.": run.record}
        return did_you_mean(place, [f"{start}{path}" for start, found in facts.items() for path in _paths(found)])
    files = {path.name for path in run.folder.glob("*.csv")}
    if file not in files:
        return did_you_mean(file, files)
    return f": {file} has the columns {', '.join(run.frame(file).columns)}"


def _paths(found: Any) -> Iterator[str]:
    """The paths of all numbers in nested mappings."""
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield from (f"{name}.{path}" for path in _paths(value))
        elif isinstance(value, int | float):
            yield name


def _recorded(run: FinishedRun, place: str) -> Interval:
    """The interval that stands beside a number."""
    if "|" in place:
        file, _, query = place.split("|")
        low, high = (number(run, f"{file}|{end}|{query}") for end in Interval._fields)
        return Interval(low, high)
    found = run.value(f"{_path(place).removesuffix('_mean')}_interval")
    if found is None:
        raise DnakitError(f"the recorded run {run.name} has no interval beside {place}")
    return Interval(*found)


def _in_file(run: FinishedRun, file: str, expression: str, query: str = "") -> float | None:
    """The mean of an expression of the columns of a file, of some of its rows."""
    try:
        value = _evaluated(run, file, expression, query)
        return float(value.mean() if hasattr(value, "mean") else value)
    except (DnakitError, OSError, NameError, KeyError, ValueError, TypeError):
        return None


def _column(run: FinishedRun, place: str) -> list[float]:
    """The values behind a mean over the rows of a file."""
    if "|" not in place:
        raise DnakitError(f"{place} is in no file: the interval 'rows' is that of a mean over the rows of one")
    return [float(value) for value in _evaluated(run, *place.split("|"))]


def _evaluated(run: FinishedRun, file: str, expression: str, query: str = "") -> Any:
    frame = run.frame(file)
    return (frame.query(query, engine="python") if query else frame).eval(expression, engine="python")


def _count(text: str, run: FinishedRun, place: str) -> int:
    """The count that ``of`` names: itself, the rows of the file, or a place of the run."""
    if text.isdigit():
        return int(text)
    return len(run.frame(place.partition("|")[0])) if text == "rows" else int(number(run, text))
