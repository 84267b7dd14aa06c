"""What the trainings of chapter 3 are measured by: simple methods, sets of windows, attributions.

A set of windows is an organism's promoters, the same shuffled, or random DNA. Each is evaluated in the thesis's
protocol and in the fair task: all models, the rule that needs no training, and the simple methods of the fair task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dnakit.chapters.tss.organisms import Organism, organism
from dnakit.chapters.tss.parameters import PROMOTERS, Parameters
from dnakit.chapters.tss.trainings import RECIPE, Training, experiments
from dnakit.run import Outcome, Run

BASELINES = {"baselines": "fair-nuclear", "baselines-other": "fair-other-nuclear"}  # and the training they compare with
ATTRIBUTIONS = {"attribution": "fair-other-nuclear"}  # and the training whose model is looked into


@dataclass(frozen=True)
class Baselines(Run):
    """The simple methods of the fair task, fitted to the windows that a model of the fair task is trained on."""

    recipe = f"{RECIPE}, baselines"

    parameters: Parameters

    @cached_property
    def training(self) -> Training:
        """The training that has the same windows and test samples."""
        return Training(self.parameters, BASELINES[self.name])

    @property
    def title(self) -> str:
        """What is fitted, in words."""
        return f"position, motifs and k-mers, fair task, promoters of {self.training.organism.species}"

    def inputs(self) -> Mapping[str, Any]:
        """The key of that training."""
        return {"beside": self.training.key}

    def needs(self) -> Sequence[Run]:
        """The run of chapter 2 whose tokenizer cuts the samples."""
        return [self.training.start]

    def compute(self, folder: Path) -> Outcome:
        """Fit them, keep each as ``<method>.npz``, and score them on the test samples."""
        from dnakit.chapters.tss import baselines

        samples = baselines.samples_of(self.training)
        fitted = baselines.fit(samples, self.parameters.seed)
        baselines.save(fitted, folder)
        test = list(samples["test"])
        scores = {method: baselines.scores(each, test, samples["test"].tokenizer) for method, each in fitted.items()}
        settings = {"task": "fair", "trained_on": self.training.experiment.trained_on}
        record = {"parameters": settings, "windows": {part: len(each.windows) for part, each in samples.items()}}
        return Outcome({"test": scores}, self.training.organism.record() | record)


@dataclass(frozen=True)
class Evaluation(Run):
    """All models, the rule and the simple methods on one set of windows; `name` is one of `Parameters.sets`."""

    recipe = f"{RECIPE}, evaluation"

    parameters: Parameters

    @property
    def organism(self) -> Organism:
        """Whose promoters these are, or were before they were shuffled or replaced."""
        return organism(self.parameters.sets()[self.name][0])

    @property
    def kind(self) -> str:
        """``promoters``, ``shuffled promoters`` or ``random DNA``."""
        return self.parameters.sets()[self.name][1]

    @property
    def title(self) -> str:
        """What is evaluated, in words."""
        what = f"promoters of {self.organism.species}" if self.kind == PROMOTERS else self.kind
        return f"all models of the chapter on {what}"

    @cached_property
    def trainings(self) -> dict[str, Training]:
        """The models that are evaluated."""
        return {name: Training(self.parameters, name) for name in experiments(self.parameters)}

    @cached_property
    def baselines(self) -> dict[str, Baselines]:
        """The simple methods that are evaluated."""
        return {name: Baselines(self.parameters, name) for name in BASELINES}

    def inputs(self) -> Mapping[str, Any]:
        """How many samples of what, and the keys of all that is evaluated."""
        chosen = {"seed", "downstream", "evaluation_samples", "rule_samples"}
        evaluated = [run.key for run in (*self.trainings.values(), *self.baselines.values())]
        data = {"kind": self.kind, "data": self.organism.digests(), "asked": evaluated}
        return self.parameters.model_dump(include=chosen) | data

    def needs(self) -> Sequence[Run]:
        """All that is evaluated."""
        return [*self.trainings.values(), *self.baselines.values()]

    def compute(self, folder: Path) -> Outcome:
        """Evaluate them: see `dnakit.chapters.tss.evaluating`."""
        from dnakit.chapters.tss.evaluating import evaluate

        return evaluate(self)


@dataclass(frozen=True)
class Attribution(Run):
    """Integrated gradients of a fair model around the TSS of its test promoters, and the promoters' sequence logo."""

    recipe = f"{RECIPE}, picture"

    parameters: Parameters

    @cached_property
    def training(self) -> Training:
        """The training whose model is looked into."""
        return Training(self.parameters, ATTRIBUTIONS[self.name])

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"attributions of {self.training.title}"

    def inputs(self) -> Mapping[str, Any]:
        """The key of the training, and the number of promoters."""
        return {"of": self.training.key, "pictured": self.parameters.pictured}

    def needs(self) -> Sequence[Run]:
        """The training."""
        return [self.training]

    def compute(self, folder: Path) -> Outcome:
        """Write ``attribution.csv`` (mean and 95% interval by place) and ``logo.csv`` (bits by place and letter)."""
        from dnakit.chapters.tss import attribution

        promoters, windows = attribution.write(self.training, self.parameters.pictured, folder)
        record = self.training.organism.record() | {"pictured": self.training.key}
        return Outcome({"promoters": promoters, "logo": windows}, record)
