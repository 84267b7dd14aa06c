"""The parameters of chapter 4: which records, how the thesis's samples are made of them, what methods are compared."""

from typing import Literal

from pydantic import Field, model_validator

from dnakit.chapters.chapter import TrainingChapterParameters

PROGRAMS = ("vsearch", "mmseqs2", "blastn")  # that others use; each is used where it is installed


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
    programs: list[str]
    program_samples: int = Field(ge=10)
    asked: int = Field(ge=10)
    genomes: str
    lineages: str
    mock: list[str]
    reads: list[str]
    pictured: int = Field(ge=1)

    @model_validator(mode="after")
    def _fits_together(self) -> "Parameters":
        if self.lowest_rate > self.highest_rate:
            raise ValueError("'lowest_rate' is above 'highest_rate'")
        if unknown := [name for name in self.programs if name not in PROGRAMS]:
            raise ValueError(f"'programs': {unknown[0]} is none of {', '.join(PROGRAMS)}")
        if len(self.mock) not in (0, 2) or len(self.reads) not in (0, 2):
            raise ValueError("'mock' names read counts and composition, 'reads' two files of mates; or nothing")
        return self
