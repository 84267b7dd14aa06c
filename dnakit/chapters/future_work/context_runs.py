"""The runs of the second and third experiment: pretraining with balanced contexts, and replaced-token detection."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dnakit.chapters.future_work.parameters import Parameters
from dnakit.chapters.future_work.source_run import SourceRun
from dnakit.run import Outcome, Run

METHODS_RUN, PRETRAINED = "contexts-methods", "pretraining"
WAYS = {"natural": ("natural", "mlm"), "balanced": ("balanced", "mlm"), "replaced-tokens": ("natural", "replaced")}


@dataclass(frozen=True)
class ContextRun(SourceRun):
    """What all runs on the genome share."""

    in_key: ClassVar[set[str]] = {
        "held_out",
        "shortest_frame",
        "window",
        "evaluated",
        "probed",
        "vocab_size",
        "samples",
        "seed",
    }

    @property
    def names(self) -> list[str]:
        """The genome and its promoters."""
        return [self.parameters.genome, self.parameters.promoters]


@dataclass(frozen=True)
class Methods(ContextRun):
    """What needs no training of a network: frequencies of tokens and of 4-mers."""

    recipe = "contexts, methods 1"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "frequencies of tokens and of 4-mers in coding, promoter and other windows"

    def inputs(self) -> Mapping[str, Any]:
        """What decides the windows."""
        return self.data

    def compute(self, folder: Path) -> Outcome:
        """Measure: see `dnakit.chapters.future_work.context_measures`."""
        from dnakit.chapters.future_work.context_measures import measure_methods

        return measure_methods(self, folder)


@dataclass(frozen=True)
class Pretraining(ContextRun):
    """One pretraining."""

    recipe = "contexts, pretraining 1"

    way: str
    training_seed: int

    @property
    def title(self) -> str:
        """What is trained, in words."""
        return f"Longformer on windows of a genome, {self.way}, seed {self.training_seed}"

    @property
    def settings(self) -> dict[str, Any]:
        """What, besides the windows, decides the result; each drawn sample is seen once."""
        sampling, objective = WAYS[self.way]
        chosen = self.parameters.training() | {"seed": self.training_seed, "epochs": 1}
        return chosen | {"sampling": sampling, "objective": objective, **self.parameters.sizes}

    def inputs(self) -> Mapping[str, Any]:
        """Settings, and what decides the windows."""
        return {"settings": self.settings, "windows": self.data}

    def compute(self, folder: Path) -> Outcome:
        """Train and evaluate it: see `dnakit.chapters.future_work.context_training`."""
        from dnakit.chapters.future_work.context_training import pretrain

        return pretrain(self, folder)


def context_runs(parameters: Parameters) -> list[Run]:
    """The runs of the second and third experiment."""
    repeats = [(way, seed) for seed in parameters.seeds for way in WAYS]
    return [
        Methods(parameters, METHODS_RUN),
        *(Pretraining(parameters, f"{PRETRAINED}-{way}-seed-{seed}", way, seed) for way, seed in repeats),
    ]
