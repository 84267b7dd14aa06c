"""A run: something made once from parameters and inputs and kept in the store, such as a training or a measurement.

A chapter describes its runs as subclasses of `Run`. The key, the place in the store, the record and the edges of the
workflow follow from what such a class says about itself.
"""

import os
import platform
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, NamedTuple

from pydantic import BaseModel

from dnakit import processes, store
from dnakit.project import root

ATTEMPTS = "attempts.json"  # in the folder of a training under way


class Outcome(NamedTuple):
    """What a run found, and what its record says besides name, key, recipe and environment."""

    metrics: Mapping[str, Any]
    record: Mapping[str, Any]


@dataclass(frozen=True)
class Run(ABC):
    """Something made once and kept in the store.

    Parameters
    ----------
    parameters
        The checked parameters of the chapter.
    name
        Unique within the chapter; part of commands, of ``data/recorded`` and of the workflow.
    """

    recipe: ClassVar[str]  # part of the key: raise it when the same inputs come to mean other numbers

    parameters: BaseModel
    name: str

    @property
    @abstractmethod
    def title(self) -> str:
        """What is made, in words."""

    @abstractmethod
    def inputs(self) -> Mapping[str, Any]:
        """Everything that decides the result, as JSON: values, digests of files, keys of other runs."""

    @abstractmethod
    def compute(self, folder: Path) -> Outcome:
        """Make it; tables and models are written into `folder`, which holds what an interrupted attempt left."""

    def needs(self) -> Sequence["Run"]:
        """The runs whose folders `compute` reads: the edges of the workflow."""
        return ()

    @cached_property
    def key(self) -> str:
        """Digest of the recipe and the inputs."""
        return store.key(self.recipe, self.inputs())

    @property
    def done(self) -> bool:
        """Whether the store holds it, with its records."""
        folder = store.path_of("runs", self.key)
        return all((folder / name).exists() for name in store.RECORDS)

    def check(self) -> None:
        """Refuse what this machine cannot make, before anything is written.

        Raises
        ------
        DnakitError
            With one line that says what to do.
        """
        check = getattr(self.parameters, "check_machine", None)  # of trainings
        if check:
            check()

    def folder(self) -> Path:
        """Its folder in the store; made now if it is not there, and refused if it is damaged."""
        folder = store.path_of("runs", self.key)
        if folder.exists():
            store.refuse_damaged(folder)
        else:
            self.check()
        if processes.count() > 1:
            return self._folder_of_all()
        return store.get_or_make("runs", self.key, self._fill)

    def _folder_of_all(self) -> Path:
        """Its folder; processes that train together make it together, and the first one writes."""
        if processes.number():
            if processes.agreed(False):
                with TemporaryDirectory() as scratch:
                    self._fill(Path(scratch))
            return processes.agreed(Path())
        begun = []

        def make(part: Path) -> None:
            begun.append(processes.agreed(True))
            self._fill(part)

        folder = store.get_or_make("runs", self.key, make)
        if not begun:  # it was there: tell the others so
            processes.agreed(False)
        return processes.agreed(folder)

    def _fill(self, folder: Path) -> None:
        about: dict[str, Any] = {
            "name": self.name,
            "key": self.key,
            "recipe": self.recipe,
            "environment": environment(),
        }
        started = time.monotonic()
        metrics, record = self.compute(folder)
        about["wall_seconds"] = round(time.monotonic() - started, 1)  # of the last attempt
        if (folder / ATTEMPTS).exists():
            about |= about_attempts(store.read_json(folder / ATTEMPTS))
            (folder / ATTEMPTS).unlink()
        store.write_json(folder / "metrics.json", metrics)
        store.write_json(folder / "run.json", about | dict(record))

    def wall_seconds(self) -> float | None:
        """Seconds it took to make, the last attempt where it was interrupted; None where the store does not say."""
        record = store.path_of("runs", self.key) / "run.json"
        return store.read_json(record).get("wall_seconds") if record.exists() else None


def about_attempts(attempts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the record says of a training that was resumed: its attempts, and whether one machine made all of it.

    A training goes on wherever it is resumed: what decides more than the last digits of a number is in its key.
    """
    surroundings = [{name: each[name] for name in each if name not in ("step", "commit")} for each in attempts]
    differ = sorted({name for each in surroundings for name in each if each[name] != surroundings[0].get(name)})
    note = f"attempts differ in {', '.join(differ)}: the result is not bit for bit that of one machine"
    return {"attempts": list(attempts)} | ({"note": note} if differ else {})


def environment() -> dict[str, str]:
    """What a number depends on besides its inputs: commit of the code, versions, processor."""
    packages = ("dnakit", "torch", "transformers", "tokenizers", "accelerate", "numpy")
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "processor": _processor(),
        **{package: version(package) for package in packages},
    }


def _commit() -> str:
    """The commit of the checkout, with ``+changes`` where its code differs; ``unknown`` outside a repository."""
    git = ["git", "-C", str(root())]
    try:
        found = subprocess.run(
            [*git, "rev-parse", "--show-toplevel", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        )
        status = [*git, "status", "--porcelain", "--untracked-files=no", "--", "dnakit"]
        changed = subprocess.run(status, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    top, head = found.stdout.splitlines()
    if Path(top).resolve() != root():  # an unpacked archive inside another repository
        return "unknown"
    return head + ("+changes" if changed.strip() else "")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"
