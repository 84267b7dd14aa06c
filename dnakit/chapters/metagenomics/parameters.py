"""The parameters of chapter 4: which records, how the thesis's samples are made of them, what methods are compared."""

from typing import Literal

from pydantic import Field, model_validator

from dnakit.chapters.chapter import TrainingChapterParameters

PROGRAMS = ("vsearch", "mmseqs2", "blastn")  # that others use; each is used where it is installed
NOT_INSTALLED = "not installed"  # in place of a program's version
TENTH = 0.1  # share of the species in repeated trainings


class Parameters(TrainingChapterParameters):
    """The values of the notebook's parameters cell, which says what each of them means."""

    pretrained: str
    reference: str
    accessions: str
    species: int = Field(ge=0)
    copies: int = Field(ge=5)
    lowest_rate: float = Field(ge=0, le=1)
    highest_rate: float = Field(ge=0, le=1)
    words: Literal["gene", "genome", "whole", "small vocabulary"]
    trained_share: float = Field(gt=0, le=1)
    repeated: list[str]
    repeat_seeds: list[int]
    global_attention_seeds: list[int]
    full_size_seeds: list[int]
    programs: list[str]
    program_samples: int = Field(ge=10)
    asked: int = Field(ge=10)
    genomes: str
    lineages: str
    mock: list[str]
    reads: list[str]
    pictured: int = Field(ge=1)

    @property
    def part(self) -> float:
        """Share of the species in the trainings that have a part of them; 1 where none has."""
        repeats = bool(self.repeated and self.repeat_seeds)
        return TENTH if repeats and self.trained_share == 1 else self.trained_share

    @model_validator(mode="after")
    def _fits_together(self) -> "Parameters":
        if self.lowest_rate > self.highest_rate:
            raise ValueError("'lowest_rate' is above 'highest_rate'")
        if unknown := [name for name in self.programs if name not in PROGRAMS]:
            raise ValueError(f"'programs': {unknown[0]} is none of {', '.join(PROGRAMS)}")
        if len(self.mock) not in (0, 2) or len(self.reads) not in (0, 2):
            raise ValueError("'mock' names read counts and composition, 'reads' two files of mates; or nothing")
        return self
