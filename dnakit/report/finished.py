"""Finished runs as a chapter's tables and figures read them, recorded ones and those of this machine alike."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from dnakit import store
from dnakit.project import root

RECORDED_PROFILES = ("laptop", "thesis")  # where both hold a run, the later one stands


@dataclass(frozen=True)
class FinishedRun:
    """The folder of one finished run."""

    name: str
    folder: Path

    @cached_property
    def record(self) -> dict[str, Any]:
        """``run.json``: parameters, data, versions, device, seed, times."""
        return store.read_json(self.folder / "run.json")

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """``metrics.json``."""
        return store.read_json(self.folder / "metrics.json")

    def frame(self, file: str, **options: Any) -> pd.DataFrame:
        """One of its tables, such as ``history.csv``; options are those of `pandas.read_csv`."""
        return pd.read_csv(self.folder / file, **options)

    def value(self, path: str) -> Any:
        """A number or text by its path, such as ``metrics.test.loss`` or ``record.parameters.seed``; None if absent."""
        first, *rest = path.split(".")
        found: Any = {"metrics": self.metrics, "record": self.record}[first]
        for part in rest:
            found = found.get(part) if isinstance(found, Mapping) else None
        return found


@dataclass(frozen=True)
class Finished(Mapping[str, FinishedRun]):
    """Finished runs by name.

    Parameters
    ----------
    label
        ``recorded`` or ``this run``: the header of their columns.
    profile
        The profile they were made with.
    folders
        By name.
    """

    label: str
    profile: str
    folders: Mapping[str, Path]

    def __getitem__(self, name: str) -> FinishedRun:
        return FinishedRun(name, self.folders[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.folders)

    def __len__(self) -> int:
        return len(self.folders)

    def only(self, chosen: Callable[[FinishedRun], bool]) -> "Finished":
        """Those that a function chooses."""
        return Finished(self.label, self.profile, {run.name: run.folder for run in self.values() if chosen(run)})

    def table(self, columns: Mapping[str, str]) -> pd.DataFrame:
        """One row a run, indexed by its name, with a column for each path (see `FinishedRun.value`)."""
        rows = {run.name: {column: run.value(path) for column, path in columns.items()} for run in self.values()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(columns)).rename_axis("run")

    @property
    def simulated(self) -> bool:
        """Whether any of them used simulated data."""
        return any(run.record.get("simulated", False) for run in self.values())


def recorded(notebook: str) -> Finished:
    """The recorded runs of a notebook; a run of the thesis profile stands before one of laptop."""
    shelf = root() / "data" / "recorded" / notebook
    found = {folder.name: folder for profile in RECORDED_PROFILES for folder in shelf.glob(f"{profile}/[!.]*/")}
    profiles = sorted({folder.parent.name for folder in found.values()})
    return Finished("recorded", ", ".join(profiles), {name: found[name] for name in sorted(found, key=_numbers)})


def _numbers(name: str) -> list[str]:
    """For sorting: 6-mer before 12-mer."""
    return [part.zfill(6) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
