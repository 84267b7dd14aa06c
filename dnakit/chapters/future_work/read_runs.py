"""The runs of the first experiment: simple methods, and one training for each use of quality and each seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from dnakit.chapters.future_work.parameters import Parameters
from dnakit.chapters.future_work.source_run import SourceRun
from dnakit.run import Outcome, Run

if TYPE_CHECKING:
    from dnakit.models.read_classifier import Use

METHODS_RUN, TRAINED = "reads-methods", "reads"
# Each use of quality: how the model takes it, and which score of a token (see `reads.token_quality`).
USES: dict[str, tuple[Use, str]] = {
    "ignored": ("ignored", "mean"),
    "mean": ("added", "mean"),
    "min": ("added", "min"),
    "attention": ("weight", "expected"),
}


@dataclass(frozen=True)
class ReadRun(SourceRun):
    """What all runs on the reads share."""

    in_key: ClassVar[set[str]] = {"species", "test_reads", "lowered", "seed"}

    @property
    def names(self) -> list[str]:
        """The genes, their taxonomy, and the reads whose qualities are used."""
        return [self.parameters.records, self.parameters.taxa, *self.parameters.qualities]

    def about(self) -> dict[str, Any]:
        """What every record says of the data."""
        of_data = {"species": "12S genes and qualities of reads", "test_reads": self.parameters.test_reads}
        return of_data | super().about()


@dataclass(frozen=True)
class Methods(ReadRun):
    """Names by simple methods."""

    recipe = "reads, methods 1"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"simple methods on reads of {self.parameters.species} species, with and without qualities"

    def inputs(self) -> Mapping[str, Any]:
        """What decides the reads."""
        return self.data

    def compute(self, folder: Path) -> Outcome:
        """Name the test reads by each method."""
        from dnakit.chapters.future_work.read_methods import METHODS, right
        from dnakit.chapters.future_work.reads import task

        chosen, about = task(self.parameters), self.parameters
        found: dict[str, Any] = {name: {"right": {}} for name in METHODS}
        errors = {}
        for lowered in about.lowered:
            reads = chosen.draw("test", about.test_reads, lowered, about.seed)
            errors[str(lowered)] = reads.errors
            for name, (method, _) in METHODS.items():
                found[name]["right"][str(lowered)] = right(method(chosen, reads), reads, about.seed)
        record = {
            "parameters": {"seed": about.seed, "test_reads": about.test_reads, "bases": chosen.references.shape[1]}
        }
        return Outcome({"methods": found, "errors": errors}, self.about() | record)


@dataclass(frozen=True)
class Training(ReadRun):
    """A Longformer that learns the species from reads, from informed weights."""

    recipe = "reads, training 1"

    use: str
    training_seed: int

    @property
    def title(self) -> str:
        """What is trained, in words."""
        return (
            f"Longformer on reads of {self.parameters.species} species, quality {self.use}, seed {self.training_seed}"
        )

    @property
    def given(self) -> tuple[Use, str]:
        """How the model takes quality, and which score of a token."""
        return USES[self.use]

    @property
    def settings(self) -> dict[str, Any]:
        """What, besides the test reads, decides the result."""
        chapter = self.parameters
        chosen = chapter.training() | {"seed": self.training_seed, "quality": self.use, "reads": chapter.reads}
        return chosen | {"vocab_size": chapter.vocab_size, **chapter.sizes}

    def inputs(self) -> Mapping[str, Any]:
        """Settings, and what decides the test reads."""
        return {"settings": self.settings, "test": self.data}

    def compute(self, folder: Path) -> Outcome:
        """Train it and name the test reads: see `dnakit.chapters.future_work.read_training`."""
        from dnakit.chapters.future_work.read_training import train_and_name

        return train_and_name(self, folder)


def read_runs(parameters: Parameters) -> list[Run]:
    """The runs of the first experiment."""
    repeats = [(use, seed) for seed in parameters.seeds for use in USES]
    return [
        Methods(parameters, METHODS_RUN),
        *(Training(parameters, f"{TRAINED}-{use}-seed-{seed}", use, seed) for use, seed in repeats),
    ]
