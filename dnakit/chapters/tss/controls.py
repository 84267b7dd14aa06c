"""The runs of chapter 3 that need no model: ties of the rule, and how much of the test promoters was seen before."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dnakit.chapters.pretraining.runs import PretrainingRun
from dnakit.chapters.pretraining.starts import start_of
from dnakit.chapters.tss.organisms import Organism, organism
from dnakit.chapters.tss.parameters import PROMOTERS, Parameters
from dnakit.chapters.tss.trainings import RECIPE
from dnakit.run import Outcome, Run
from dnakit.tokens.parameters import corpus_key


@dataclass(frozen=True)
class RuleTies(Run):
    """The rule on one set of windows: its last and its first possible boundary, and the expectation over all of them.

    It needs a tokenizer and no training, and so the corpus of chapter 2 and none of its runs.

    Attributes
    ----------
    windows
        Name of the set, one of `Parameters.sets`.
    """

    recipe = f"{RECIPE}, rule ties"

    parameters: Parameters
    windows: str

    @property
    def organism(self) -> Organism:
        """Whose promoters these are, or were before they were shuffled or replaced."""
        return organism(self.parameters.sets()[self.windows][0])

    @property
    def kind(self) -> str:
        """``promoters``, ``shuffled promoters`` or ``random DNA``."""
        return self.parameters.sets()[self.windows][1]

    @cached_property
    def start(self) -> PretrainingRun:
        """The run of chapter 2 whose corpus gives the tokenizer: that of Table 5.2's model."""
        return start_of(self.parameters.pretrained, "nuclear")

    @property
    def title(self) -> str:
        """What is evaluated, in words."""
        what = f"promoters of {self.organism.species}" if self.kind == PROMOTERS else self.kind
        return f"the rule, ties resolved by expectation, on {what}"

    def inputs(self) -> Mapping[str, Any]:
        """Which samples of what, and the key of the corpus that the tokenizer was learned from."""
        chosen = {"seed", "upstream", "downstream", "seamless_upstream", "rule_samples"}
        data = {"kind": self.kind, "data": self.organism.digests(), "corpus": corpus_key(self.start.corpus)}
        return self.parameters.model_dump(include=chosen) | data

    def compute(self, folder: Path) -> Outcome:
        """Apply the rule: see `dnakit.chapters.tss.ties`."""
        from dnakit.chapters.tss.ties import evaluate

        return evaluate(self)


@dataclass(frozen=True)
class Neighbours(Run):
    """How many test promoters lie near a training promoter, in the thesis's protocol and in the fair task."""

    recipe = f"{RECIPE}, neighbours"

    parameters: Parameters

    @property
    def title(self) -> str:
        """What is counted, in words."""
        return f"test promoters of {self.parameters.organism} with a training promoter near them"

    def inputs(self) -> Mapping[str, Any]:
        """What decides the two splits."""
        return self.parameters.splits() | {"data": organism(self.parameters.organism).digests()}

    def compute(self, folder: Path) -> Outcome:
        """Count them: see `dnakit.chapters.tss.neighbours`."""
        from dnakit.chapters.tss import neighbours

        return neighbours.count(self.parameters)


@dataclass(frozen=True)
class PretrainedPromoters(Run):
    """How many promoters the pretraining on the nuclear genome has seen, which has no labels.

    It needs the corpus of chapter 2 and none of its runs.
    """

    recipe = f"{RECIPE}, pretrained promoters"

    parameters: Parameters

    @property
    def title(self) -> str:
        """What is counted, in words."""
        return f"promoters of {self.parameters.organism} that the pretraining on the nuclear genome has seen"

    @property
    def organism(self) -> Organism:
        """Whose promoters."""
        return organism(self.parameters.organism)

    @cached_property
    def start(self) -> PretrainingRun:
        """The run of chapter 2 whose corpus was read."""
        return start_of(self.parameters.pretrained, "nuclear")

    def inputs(self) -> Mapping[str, Any]:
        """What decides the two splits, and the corpus."""
        data = {"data": self.organism.digests(), "corpus": corpus_key(self.start.corpus)}
        return self.parameters.splits() | data

    def compute(self, folder: Path) -> Outcome:
        """Count them: see `dnakit.chapters.tss.overlap`."""
        from dnakit.chapters.tss import overlap

        return overlap.count(self)
