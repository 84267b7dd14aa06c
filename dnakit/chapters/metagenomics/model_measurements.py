"""Measurements of chapter 4's trained models: what pretraining changes, how they err, other records of a species.

Each needs the three trainings of Table 5.3, but for the speed of such a model: it needs no training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dnakit import store
from dnakit.chapters.metagenomics.measurements import Measurement
from dnakit.chapters.metagenomics.parameters import Parameters
from dnakit.chapters.metagenomics.trainings import Training, trainings
from dnakit.chapters.pretraining.starts import INITIALIZATIONS
from dnakit.run import Outcome, Run


@dataclass(frozen=True)
class OfTrainings(Measurement):
    """A measurement of the three trainings."""

    @cached_property
    def trainings(self) -> list[Training]:
        """Of Table 5.3."""
        every = trainings(self.parameters)
        return [run for run in every if isinstance(run, Training) and run.name in INITIALIZATIONS]

    @property
    def share(self) -> float:
        """Of the species that they name."""
        return self.parameters.trained_share

    def inputs(self) -> Mapping[str, Any]:
        """The keys of the trainings, which say data, species and copies."""
        return {run.name: run.key for run in self.trainings} | {"seed": self.parameters.seed}

    def needs(self) -> Sequence[Run]:
        """The trainings."""
        return self.trainings

    def _record(self) -> dict[str, Any]:
        """How much the models were trained decides the result, so the record says it as a training's does."""
        about = [store.read_json(run.folder() / "run.json") for run in self.trainings]
        sizes = {name: about[0][name] for name in ("classes", "samples")}
        settings = {"epochs": self.parameters.epochs, "share": self.share}
        simulated = any(each["simulated"] for each in about)
        return self.record(settings) | sizes | {"simulated": simulated}


@dataclass(frozen=True)
class PretrainingEffect(OfTrainings):
    """What pretraining changes in the accuracy on the test copies, and at which rank the models err."""

    recipe = "12S pretraining effect 2"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "what pretraining changes on mutated 12S genes, and at which rank the models err"

    def compute(self, folder: Path) -> Outcome:
        """Write ``accuracies.csv``, ``differences.csv`` and ``errors_by_rank.csv``, with intervals over species."""
        from dnakit.chapters.metagenomics.model_measuring import pretraining_effect

        return Outcome(pretraining_effect(self, folder), self._record())


@dataclass(frozen=True)
class OtherRecords(OfTrainings):
    """Whether the models name another real record of a species that they were trained on."""

    recipe = "12S other records 1"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "other records of the species that the models were trained on"

    def compute(self, folder: Path) -> Outcome:
        """Write ``accuracies.csv``: the share of right species by method and form of the reads."""
        from dnakit.chapters.metagenomics.model_measuring import other_records

        return Outcome(other_records(self, folder), self._record())


@dataclass(frozen=True)
class Speed(Measurement):
    """How many genes a model of Table 5.3 names in one CPU second; what it has learned does not matter for that."""

    recipe = "12S speed 1"

    @cached_property
    def training(self) -> Training:
        """The training whose model is built."""
        return Training(self.parameters, self.name, "none", 1.0, self.parameters.seed)

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "how fast a transformer names genes"

    def inputs(self) -> Mapping[str, Any]:
        """Those of the training, and how many genes are named."""
        return {**self.training.inputs(), "program_samples": self.parameters.program_samples}

    def needs(self) -> Sequence[Run]:
        """The run of chapter 2 that lends its tokenizer."""
        return [self.training.start]

    def compute(self, folder: Path) -> Outcome:
        """Name the genes that the programs are asked about."""
        from dnakit.chapters.metagenomics.model_measuring import speed
        from dnakit.models import device

        about = {"device": device.in_words(), "computed_in": device.resolved(self.parameters.precision)}
        return Outcome(speed(self), self.record({}) | about)


def model_measurements(parameters: Parameters) -> list[Run]:
    """All of them."""
    return [
        PretrainingEffect(parameters, "pretraining-effect"),
        OtherRecords(parameters, "other-records"),
        Speed(parameters, "speed"),
    ]
