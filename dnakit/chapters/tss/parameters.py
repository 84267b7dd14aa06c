"""The parameters of chapter 3: whose promoters, which trainings, and what they are evaluated on."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from dnakit.chapters.chapter import TrainingChapterParameters
from dnakit.chapters.tss.organisms import organism

TABLE_5_2 = "promoters"  # the name of the training behind the thesis's Table 5.2
RANDOM_POSITIONS = "random positions"
ANSWERS = "answers.csv"  # what a model answers for each test promoter
THESIS_SAMPLES = 239_740  # that a training of the thesis saw, if its promoters are the 29,598 human ones of EPD
TABLE_DROPOUT = 0.1  # of Table 5.2's model, and of every control
PROMOTERS, SHUFFLED, RANDOM_DNA = KINDS = "promoters", "shuffled promoters", "random DNA"  # kinds of windows


class Parameters(TrainingChapterParameters):
    """The values of the notebook's parameters cell, which says what each of them means."""

    pretrained: str
    organism: str
    other_organism: str
    organisms: list[str]
    random_positions: int = Field(ge=30)
    upstream: int = Field(ge=200)
    downstream: int = Field(ge=200)
    seamless_upstream: int = Field(ge=200)
    dropouts: list[float]
    redraw: bool
    split: Literal["random", "chromosome"]
    fair_split: Literal["random", "chromosome"]
    epoch_samples: int = Field(ge=0)
    deciding_epoch_samples: int = Field(ge=0)
    evaluation_samples: int = Field(ge=0)
    repeats: int = Field(ge=1)
    rule_samples: int = Field(ge=1)
    pictured: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self) -> "Parameters":
        if TABLE_DROPOUT not in self.dropouts:
            raise ValueError(f"'dropouts' lacks {TABLE_DROPOUT}, the one of Table 5.2 and of the controls")
        if not organism(self.organism).genomes:
            raise ValueError(
                f"'organism': {self.organism} is windows alone, and random positions are drawn from a genome; "
                "name it in 'organisms' to evaluate on it, or as 'other_organism' to train on it in the fair task"
            )
        return self

    @model_validator(mode="after")
    def _no_organism_twice(self) -> "Parameters":
        named: dict[str, str] = {}
        for each in self.organisms:
            name = Path(each).name
            if named.get(name) == each:
                raise ValueError(f"'organisms' names {each} twice")
            if name in named:
                raise ValueError(
                    f"'organisms': {named[name]} and {each} would both be called {name}; rename one of the files"
                )
            named[name] = each
        return self

    def splits(self) -> dict[str, Any]:
        """What decides the windows of promoters and their two splits, the thesis's and that of the fair task."""
        return self.model_dump(include={"seed", "upstream", "downstream", "split", "fair_split"})

    def sets(self) -> dict[str, tuple[str, str]]:
        """The sets of windows that all models are evaluated on: the organism of each, and its kind (`KINDS`)."""
        promoters = {f"on-{Path(name).name}": (name, PROMOTERS) for name in self.organisms}
        return promoters | {"on-shuffled": (self.organism, SHUFFLED), "on-random-dna": (self.organism, RANDOM_DNA)}
