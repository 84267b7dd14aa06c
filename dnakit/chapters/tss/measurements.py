"""What the trainings of chapter 3 are measured by: simple methods, sets of windows, answers by promoter, attributions.

A set of windows is an organism's promoters, the same shuffled, or random DNA. Each is evaluated in the thesis's
protocol and in the fair task: all models, the rule that needs no training, and the simple methods of the fair task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnakit.chapters.tss.organisms import Organism, organism
from dnakit.chapters.tss.parameters import PROMOTERS, Parameters
from dnakit.chapters.tss.trainings import RECIPE, Training
from dnakit.run import Outcome, Run


@dataclass(frozen=True)
class Baselines(Run):
    """The simple methods of the fair task, fitted to the windows that a model of the fair task is trained on.

    Attributes
    ----------
    training
        The training of that model: it has the same windows and test samples.
    """

    recipe = f"{RECIPE}, baselines"

    parameters: Parameters
    training: Training

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
        from dnakit.chapters.tss.fine_tuning import samples_of

        samples = samples_of(self.training)
        fitted = baselines.fit(samples, self.parameters.seed)
        baselines.save(fitted, folder)
        test = list(samples["test"])
        scores = {method: baselines.scores(each, test, samples["test"].tokenizer) for method, each in fitted.items()}
        settings = {"task": "fair", "trained_on": self.training.experiment.trained_on}
        record = {"parameters": settings, "windows": {part: len(each.windows) for part, each in samples.items()}}
        return Outcome({"test": scores}, self.training.organism.record() | record)


@dataclass(frozen=True)
class Evaluation(Run):
    """All models, the rule and the simple methods on one set of windows; `name` is one of `Parameters.sets`.

    Attributes
    ----------
    trainings, baselines
        The models and the simple methods by name.
    """

    recipe = f"{RECIPE}, evaluation"

    parameters: Parameters
    trainings: Mapping[str, Training]
    baselines: Mapping[str, Baselines]

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

    def inputs(self) -> Mapping[str, Any]:
        """How many samples of what, and the keys of all that is evaluated."""
        chosen = {"seed", "downstream", "evaluation_samples", "rule_samples"}
        evaluated = [run.key for run in (*self.trainings.values(), *self.baselines.values())]
        data = {"kind": self.kind, "data": self.organism.digests(), "asked": evaluated}
        return self.parameters.model_dump(include=chosen) | data

    def needs(self) -> Sequence[Run]:
        """All that is evaluated, and the runs of chapter 2 whose tokenizers cut the samples."""
        starts = {run.start.name: run.start for run in self.trainings.values()}
        return [*starts.values(), *self.trainings.values(), *self.baselines.values()]

    def compute(self, folder: Path) -> Outcome:
        """Evaluate them: see `dnakit.chapters.tss.evaluating`."""
        from dnakit.chapters.tss.evaluating import evaluate

        return evaluate(self)


@dataclass(frozen=True)
class Answers(Run):
    """What a model answers for each test promoter of the training on promoters: models with it are paired by promoter.

    Attributes
    ----------
    training
        The training of the model.
    promoters
        The training on promoters; only its test samples are used, and no model.
    """

    recipe = f"{RECIPE}, answers"

    parameters: Parameters
    training: Training
    promoters: Training

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"answers by test promoter of {self.training.title}"

    def inputs(self) -> Mapping[str, Any]:
        """The key of the training, and what decides the test samples."""
        chosen = {"seed", "upstream", "downstream", "split", "evaluation_samples"}
        return self.parameters.model_dump(include=chosen) | {
            "of": self.training.key,
            "data": self.promoters.organism.digests(),
        }

    def needs(self) -> Sequence[Run]:
        """The training, and the run of chapter 2 whose tokenizer cuts the samples."""
        return [self.promoters.start, self.training]

    def compute(self, folder: Path) -> Outcome:
        """Write ``answers.csv``: see `dnakit.chapters.tss.answers`."""
        from dnakit.chapters.tss import answers

        found, experiment = answers.write(self.training, self.promoters, folder), self.training.experiment
        right, samples = int(found.right.sum()), int(found.samples.sum())
        asked: dict[str, Any] = {"name": self.training.name, "key": self.training.key}
        asked |= {"few": experiment.few, "apart": experiment.apart, "repeat": experiment.repeat}
        record = {"answers_of": asked, "parameters": {"seed": self.parameters.seed}}
        metrics = {"promoters": len(found), "samples": samples, "accuracy": right / samples}
        return Outcome(metrics, self.promoters.organism.record() | record)


@dataclass(frozen=True)
class Attribution(Run):
    """Integrated gradients of a fair model around the TSS of its test promoters, and the promoters' sequence logo.

    Attributes
    ----------
    training
        The training of that model.
    """

    recipe = f"{RECIPE}, picture"

    parameters: Parameters
    training: Training

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
