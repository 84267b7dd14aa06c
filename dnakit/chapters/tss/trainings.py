"""The trainings of chapter 3, and what each of them differs in.

Nine are the thesis's (Figures 5.5 to 5.7: three initializations, three dropouts), four are controls (promoters or
random positions, halves with a remainder or without), four are in the fair task. The others separate what two of these
mix: random positions at the promoters' number, promoters without neighbours of test promoters, and other seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from dnakit.chapters.pretraining.runs import PretrainingRun
from dnakit.chapters.pretraining.starts import INITIALIZATIONS, LONGFORMER, start_of
from dnakit.chapters.tss.organisms import Organism, organism
from dnakit.chapters.tss.parameters import RANDOM_POSITIONS, TABLE_5_2, TABLE_DROPOUT, Parameters
from dnakit.run import Outcome, Run

RECIPE = "localization 1"
USUAL = {"few": False, "apart": False, "repeat": 0, "architecture": LONGFORMER}


@dataclass(frozen=True)
class Experiment:
    """What one training differs in.

    Attributes
    ----------
    seamless
        Whether the first half is a multiple of nine bases long, so that no short word ends it.
    deciding
        Whether it is trained as long as the controls are.
    few
        Whether there are only as many random positions as promoters.
    apart
        Whether promoters near a test promoter are left out of training (see `dnakit.chapters.tss.neighbours`).
    repeat
        0, 1, 2…: added to the seed of the training; the windows and their split stay the same.
    architecture
        One of `dnakit.models.build.ARCHITECTURES`.
    """

    task: Literal["thesis", "fair"]
    trained_on: str  # organism, other_organism, or random positions
    initialization: str
    dropout: float
    seamless: bool = False
    deciding: bool = False
    few: bool = False
    apart: bool = False
    repeat: int = 0
    architecture: str = LONGFORMER


def experiments(parameters: Parameters) -> dict[str, Experiment]:
    """The chapter's trainings by name."""
    table = ("nuclear", TABLE_DROPOUT)
    found = {
        f"thesis-{start}-dropout-{dropout:g}": Experiment("thesis", "organism", start, dropout)
        for start in INITIALIZATIONS
        for dropout in parameters.dropouts
    }
    for suffix, seamless in (("", False), ("-seamless", True)):
        found[f"promoters{suffix}"] = Experiment("thesis", "organism", *table, seamless, deciding=True)
        found[f"random-positions{suffix}"] = Experiment("thesis", "random positions", *table, seamless, deciding=True)
    for start in ("nuclear", "none"):
        found[f"fair-{start}"] = Experiment("fair", "organism", start, TABLE_DROPOUT, deciding=True)
    for start in ("nuclear", "none"):
        found[f"fair-other-{start}"] = Experiment("fair", "other_organism", start, TABLE_DROPOUT, deciding=True)
    return found


def separating(parameters: Parameters) -> dict[str, Experiment]:
    """The trainings that separate what two of `experiments` mix, and other seeds of what they are compared with."""
    promoters = Experiment("thesis", "organism", "nuclear", TABLE_DROPOUT, deciding=True)
    alike = {
        TABLE_5_2: promoters,
        f"{TABLE_5_2}-apart": replace(promoters, apart=True),
        "random-positions-few": replace(promoters, trained_on=RANDOM_POSITIONS, few=True),
    }
    found = {
        f"{name}-repeat-{repeat + 1}" if repeat else name: replace(each, repeat=repeat)
        for repeat in range(parameters.repeats)
        for name, each in alike.items()
    }
    del found[TABLE_5_2]  # one of `experiments`
    return found


@dataclass(frozen=True)
class Training(Run):
    """One training of a model that scores tokens.

    Attributes
    ----------
    experiment
        What it differs in.
    start
        The run of chapter 2 that it begins from, or takes its tokenizer from.
    """

    recipe = RECIPE

    parameters: Parameters
    experiment: Experiment
    start: PretrainingRun

    @property
    def organism(self) -> Organism:
        """Whose promoters it is trained on; or, with random positions, whose genome they are drawn from."""
        other = self.experiment.trained_on == "other_organism"
        return organism(self.parameters.other_organism if other else self.parameters.organism)

    @property
    def upstream(self) -> int:
        """Bases before the TSS."""
        return self.parameters.seamless_upstream if self.experiment.seamless else self.parameters.upstream

    @property
    def epoch_samples(self) -> int:
        """Samples an epoch, 0 for each training window once."""
        deciding = self.experiment.deciding
        return self.parameters.deciding_epoch_samples if deciding else self.parameters.epoch_samples

    @property
    def split(self) -> Literal["random", "chromosome"]:
        """How its windows are split."""
        return self.parameters.fair_split if self.experiment.task == "fair" else self.parameters.split

    @property
    def title(self) -> str:
        """What is trained, in words."""
        each, random = self.experiment, self.experiment.trained_on == RANDOM_POSITIONS
        what = RANDOM_POSITIONS if random else f"promoters of {self.organism.species}"
        begin = f"{each.architecture.capitalize()}, {each.task} task, {what}"
        return f"{begin}, {each.initialization} start, dropout {each.dropout:g}"

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What, besides data and pretraining, decides the result."""
        shown = self.parameters.training()
        shown |= self.parameters.model_dump(include={"redraw", "downstream", "evaluation_samples"})
        if self.experiment.trained_on == RANDOM_POSITIONS and not self.experiment.few:
            shown["random_positions"] = self.parameters.random_positions
        differing = asdict(self.experiment)
        del differing["deciding"]  # it says no more than how many samples
        for name, usual in USUAL.items():  # keys of runs from before there was a choice stay
            if differing[name] == usual:
                del differing[name]
        return shown | differing | {"upstream": self.upstream, "split": self.split, "epoch_samples": self.epoch_samples}

    def inputs(self) -> Mapping[str, Any]:
        """Settings, the key of the run it begins from, digests of the data."""
        return self.settings | {"pretrained": self.start.key, "data": self.organism.digests()}

    def needs(self) -> Sequence[Run]:
        """The run of chapter 2."""
        return [self.start]

    def trained_on_promoters_of(self, evaluated: Organism) -> bool:
        """Whether promoters of this organism are among what it was trained, validated and tested on."""
        if self.experiment.trained_on == RANDOM_POSITIONS:
            return False
        return self.organism.digests() == evaluated.digests()

    def compute(self, folder: Path) -> Outcome:
        """Train it: see `dnakit.chapters.tss.fine_tuning`."""
        from dnakit.chapters.tss.fine_tuning import fine_tune

        return fine_tune(self, folder)


def trainings(parameters: Parameters, chosen: Mapping[str, Experiment]) -> dict[str, Training]:
    """The trainings of some experiments by name."""
    starts = {initialization: start_of(parameters.pretrained, initialization) for initialization in INITIALIZATIONS}
    return {
        name: Training(parameters, name, experiment, starts[experiment.initialization])
        for name, experiment in chosen.items()
    }
