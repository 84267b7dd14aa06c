"""A chapter of the book: its parameters, and the runs behind its tables and figures.

A chapter is a notebook ``notebooks/NN_name.py`` and the package ``dnakit/chapters/name``. The package's module ``runs``
holds a class `Parameters` and a function ``runs(parameters)``. Nothing else lists the chapters: the command line, the
workflow and the book find them here.
"""

import importlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from types import ModuleType
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from dnakit import processes
from dnakit.data.sources import names_by_digest
from dnakit.models.device import refuse_emulation, resolved
from dnakit.notebooks.parameters import PROFILES, injected, names, refuse_unknown, settings
from dnakit.project import DnakitError, checked
from dnakit.report.finished import Finished, recorded
from dnakit.run import Run

Epochs = Annotated[int, Field(ge=1, le=100_000)]  # more is a slip of a key, and would run for ever
Width = Annotated[int, Field(ge=0, le=65_536)]  # of a layer of a model; 0 where it is the thesis's
HiddenWidth = Annotated[Width, Field(multiple_of=8)]  # which 8 attention heads share


class ChapterParameters(BaseModel):
    """What every chapter has; a chapter adds its own fields, one for each line of its notebook's parameters cell."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    profile: str


class TrainingChapterParameters(ChapterParameters):
    """The same with how models are trained: the fields of `dnakit.training.TrainingParameters`."""

    epochs: Epochs
    batch_size: int = Field(ge=1, lt=2**31)
    learning_rate: float = Field(gt=0)
    precision: Literal["auto", "fp32", "bf16"]
    seed: int = Field(ge=0, lt=2**32)

    def training(self) -> dict[str, Any]:
        """These fields alone; a precision of ``auto`` is what it means on this machine."""
        fields = self.model_dump(include={"epochs", "batch_size", "learning_rate", "seed"})
        return fields | {"precision": resolved(self.precision)}

    def check_machine(self) -> None:
        """Refuse what this machine, or this number of processes, cannot train (see `dnakit.run.Run.check`)."""
        refuse_emulation(self.precision)
        processes.share(self.batch_size)


class Edge(NamedTuple):
    """A run that another one needs."""

    profile: str
    notebook: str
    run: str


@dataclass(frozen=True)
class Chapter:
    """A chapter with values for its parameters."""

    notebook: str
    parameters: ChapterParameters

    @cached_property
    def runs(self) -> dict[str, Run]:
        """The runs of the chapter by name, each after the runs of the chapter that it needs.

        Raises
        ------
        DnakitError
            If two have one name, because a list of the parameters names something twice.
        """
        module = _module(self.notebook)
        runs = module.runs(self.parameters) if module else []
        names = [run.name for run in runs]
        for name in names:
            if names.count(name) > 1:
                raise DnakitError(f"{self.notebook} would make {name!r} twice: one of its lists names a thing twice")
        return dict(zip(names, runs, strict=True))

    def recorded(self) -> Finished:
        """The results that are recorded in ``data/recorded``."""
        return recorded(self.notebook)

    def here(self) -> Finished:
        """The results of these parameters; a run that the store lacks is made now."""
        self.check()
        folders = {name: run.folder() for name, run in _announced(self.runs)}
        called = names_by_digest(self.parameters.model_dump().values())
        return Finished("this run", self.parameters.profile, folders, called)

    def check(self) -> None:
        """Refuse what a training would: values that this machine cannot train, data that do not hold what is asked for.

        For the second, the module ``runs`` of a chapter may hold a function ``check(parameters)``. Where the store
        holds all runs, nothing is trained and nothing refused.

        Raises
        ------
        DnakitError
            The same as when a run is made.
        """
        if all(run.done for run in self.runs.values()):
            return
        if isinstance(self.parameters, TrainingChapterParameters):
            self.parameters.check_machine()
        check = getattr(_module(self.notebook), "check", None)
        if check:
            check(self.parameters)

    def edges(self) -> dict[str, list[Edge]]:
        """The runs that each run needs; no data are read."""
        return {
            name: [Edge(needed.parameters.profile, notebook_of(needed), needed.name) for needed in run.needs()]  # type: ignore[attr-defined]
            for name, run in self.runs.items()
        }


def open_chapter(notebook: str, values: Mapping[str, Any]) -> Chapter:
    """The chapter of a notebook, with the values of its parameters.

    Parameters
    ----------
    notebook
        Its name, such as ``02_pretraining``.
    values
        Holds a value for each parameter; more is ignored, so that a notebook passes ``globals()``. IPython keeps the
        cells that were run there, as ``In``.

    Raises
    ------
    DnakitError
        If a value does not fit, or papermill, which ignores it, was given a name that is no parameter.
    """
    module = _module(notebook)
    kind = module.Parameters if module else ChapterParameters
    refuse_unknown(injected(values.get("In", ())), notebook, kind.model_fields)
    given = {name: values[name] for name in kind.model_fields if name in values}
    return Chapter(notebook, checked(kind, given, notebook))


def chapter_of(notebook: str, profile: str, overrides: Mapping[str, Any] | None = None) -> Chapter:
    """The chapter of a notebook with the values of a profile, and others in place of some.

    Raises
    ------
    DnakitError
        If there is no such notebook, profile or parameter, or a value does not fit.
    """
    return open_chapter(notebook, settings(notebook, profile, overrides))


def _announced(runs: Mapping[str, Run]) -> Iterator[tuple[str, Run]]:
    """The runs, each to be made before the next; JupyterLab (``make lab``) shows which one is at work, then no word."""
    from IPython.display import clear_output

    missing = [name for name, run in runs.items() if not run.done]
    shown = bool(missing) and os.environ.get("DNAKIT_PROGRESS") == "1"
    for name, run in runs.items():
        if shown and name in missing:
            clear_output(wait=True)
            print(f"run {missing.index(name) + 1} of {len(missing)} that are not made yet: {run.title}", flush=True)
        yield name, run
    if shown:
        clear_output()


def run_names() -> dict[str, set[str]]:
    """Of each notebook the names of its runs in any profile, finished or not; no data are read."""
    return {name: {run for profile in PROFILES for run in chapter_of(name, profile).runs} for name in names()}


def notebook_of(run: Run) -> str:
    """The notebook of the chapter that a run belongs to."""
    package = type(run).__module__.split(".")[2]
    return next(name for name in names() if _package_of(name) == package)


def _package_of(notebook: str) -> str:
    return notebook.split("_", 1)[1]


def _module(notebook: str) -> ModuleType | None:
    """The module ``runs`` of a chapter; None for a page without runs, which needs no package."""
    package = f"dnakit.chapters.{_package_of(notebook)}"
    return importlib.import_module(f"{package}.runs") if find_spec(package) else None
