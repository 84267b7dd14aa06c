"""The trainings of chapter 4: a Longformer that names the species of a mutated 12S gene (thesis 4.2.3, Table 5.3).

Three initializations, and more seeds of some of them on a tenth of the species, for an error bar.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnakit.chapters.metagenomics.measurements import accession_digests
from dnakit.chapters.metagenomics.parameters import TENTH, Parameters
from dnakit.chapters.metagenomics.references import Reference, reference
from dnakit.chapters.pretraining.runs import PretrainingRun
from dnakit.chapters.pretraining.starts import INITIALIZATIONS, LONGFORMER, model_of, start_of
from dnakit.run import Outcome, Run

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SHALLOW = "sequence"  # the head of all of them: one dense layer
_SETTINGS = {"accessions", "species", "copies", "lowest_rate", "highest_rate", "words"}


@dataclass(frozen=True)
class Training(Run):
    """One training.

    Attributes
    ----------
    initialization
        One of `INITIALIZATIONS`.
    share
        Of the species.
    seed
        Draws copies, split, order and head.
    architecture
        One of `dnakit.models.build.ARCHITECTURES`.
    head
        ``sequence``, or ``sequence-deep``.
    """

    recipe = "12S transformer 1"

    parameters: Parameters
    initialization: str
    share: float
    seed: int
    architecture: str = LONGFORMER
    head: str = SHALLOW

    @cached_property
    def start(self) -> PretrainingRun:
        """The run of chapter 2 that it begins from, or takes its tokenizer from."""
        return start_of(self.parameters.pretrained, self.initialization)

    @property
    def pretrained(self) -> dict[str, str]:
        """What the record says of it."""
        return {"profile": self.parameters.pretrained, "name": self.start.name, "key": self.start.key}

    @property
    def reference(self) -> Reference:
        """The records."""
        return reference(self.parameters.reference)

    @property
    def title(self) -> str:
        """What is trained, in words."""
        part = "all species" if self.share == 1 else f"{self.share:.0%} of the species, seed {self.seed}"
        return f"{self.architecture.capitalize()} on mutated 12S genes, {self.initialization} start, {part}"

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What, besides data and pretraining, decides the result."""
        chosen = self.parameters.training() | self.parameters.model_dump(include=_SETTINGS)
        chosen |= {"seed": self.seed, "share": self.share, "initialization": self.initialization}
        # The chapter's own architecture and head stand in no key: there was no choice once.
        other = {"architecture": (self.architecture, LONGFORMER), "head": (self.head, SHALLOW)}
        return chosen | {name: value for name, (value, usual) in other.items() if value != usual}

    def inputs(self) -> Mapping[str, Any]:
        """Settings, the key of the run it begins from, digests of the data."""
        data = self.reference.digests() + accession_digests(self.parameters)
        return self.settings | {"pretrained": self.start.key, "data": data}

    def needs(self) -> Sequence[Run]:
        """The run that it begins from."""
        return [self.start]

    def compute(self, folder: Path) -> Outcome:
        """Train it: see `dnakit.chapters.metagenomics.fine_tuning`."""
        from dnakit.chapters.metagenomics.fine_tuning import fine_tune

        return fine_tune(self, folder)

    def initial_model(self, species: int) -> "PreTrainedModel":
        """The model that the training begins with."""
        return model_of(self.initialization, self.start, self.head, self.architecture, num_labels=species)


def trainings(parameters: Parameters) -> list[Run]:
    """The chapter's trainings."""
    repeats = [(start, seed) for seed in parameters.repeat_seeds for start in parameters.repeated]
    return [
        *(Training(parameters, start, start, parameters.trained_share, parameters.seed) for start in INITIALIZATIONS),
        *(Training(parameters, f"{start}-tenth-seed-{seed}", start, TENTH, seed) for start, seed in repeats),
    ]
