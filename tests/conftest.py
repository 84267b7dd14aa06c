"""What tests of several modules share: a project with a toy chapter."""

import importlib
import sys
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("busy", deadline=None)  # how fast the machine is, is no property of the code
settings.load_profile("busy")

HEADER = """\
# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     formats: ipynb,py:percent
# ---

"""
TOY = "98_toy"
TOY_PARAMETERS = """\
# %% tags=["parameters"]
profile = "smoke"
epochs = 4
label = "a"
organisms = ["x"]
"""
TOY_CELLS = """
# %%
from dnakit.chapters.chapter import open_chapter

chapter = open_chapter("98_toy", globals())
print(epochs, label, [run.metrics for run in chapter.here().values()])
"""
TOY_RUNS = '''\
"""A chapter with two runs, of which one needs the other."""

from dataclasses import dataclass

from pydantic import Field

from dnakit.chapters.chapter import ChapterParameters
from dnakit.project import DnakitError
from dnakit.run import Outcome, Run


class Parameters(ChapterParameters):
    epochs: int = Field(ge=1)
    label: str
    organisms: list[str]


@dataclass(frozen=True)
class Toy(Run):
    recipe = "toy 1"
    parameters: Parameters

    @property
    def title(self):
        return f"the {self.name} model"

    def needs(self):
        return [Toy(self.parameters, "first")] if self.name == "second" else []

    def inputs(self):
        return {"epochs": self.parameters.epochs, "name": self.name}

    def compute(self, folder):
        if self.parameters.label == "full":
            raise OSError(28, "No space left on device", "runs/second")
        if self.parameters.label == "wrong":
            raise DnakitError("the label is wrong: give another")
        before = sum(run.metrics()["epochs"] for run in self.needs())
        return Outcome({"epochs": before + self.parameters.epochs}, {"simulated": True})

    def metrics(self):
        from dnakit.store import read_json

        return read_json(self.folder() / "metrics.json")


def runs(parameters):
    return [Toy(parameters, name) for name in ("first", "second")]
'''


def said(notebook):
    """The cells of a notebook without their outputs."""
    return [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in notebook.cells]


def write(path: Path, text: str) -> None:
    """Write a file, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_toy_chapter(root: Path) -> None:
    """Notebook, profile and package of a chapter: all that a chapter is."""
    write(root / "notebooks" / f"{TOY}.py", HEADER + TOY_PARAMETERS + TOY_CELLS)
    write(root / "params" / "laptop" / f"{TOY}.yaml", "profile: laptop\nepochs: 7\n")
    write(root / "dnakit" / "chapters" / "toy" / "__init__.py", "")
    write(root / "dnakit" / "chapters" / "toy" / "runs.py", TOY_RUNS)


def pytest_make_parametrize_id(val, argname):
    """Name bytes after their argument: a compressed file holds the time, and processes must agree on a test's name."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A project whose only chapter is the toy one, with a store of its own; the working folder."""
    import dnakit.chapters

    write_toy_chapter(tmp_path)
    monkeypatch.setenv("DNAKIT_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dnakit.chapters, "__path__", [str(tmp_path / "dnakit" / "chapters"), *dnakit.chapters.__path__])
    importlib.invalidate_caches()
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("dnakit.chapters.toy")]:
        del sys.modules[name]
    vars(dnakit.chapters).pop("toy", None)
