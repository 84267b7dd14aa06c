"""The parameters of chapter 10: reads of known species with real qualities, and a genome in three contexts."""

from pydantic import Field, field_validator, model_validator

from dnakit.chapters.chapter import HiddenWidth, TrainingChapterParameters, Width
from dnakit.tokens.vocabulary import SPECIAL_TOKENS

WORD = 9  # bases of a word, in both experiments
CONTEXTS = ("coding", "promoter", "other")  # of a window of a genome
SAMPLINGS = ("natural", "balanced")  # draw each window alike, or each context alike


class Parameters(TrainingChapterParameters):
    """The values of the notebook's parameters cell, which says what each of them means."""

    records: str
    taxa: str
    qualities: list[str] = Field(min_length=1)
    species: int = Field(ge=2)
    reads: int = Field(ge=1)
    test_reads: int = Field(ge=1)
    lowered: list[int] = Field(min_length=1)
    genome: str
    promoters: str
    held_out: list[str] = Field(min_length=1)
    shortest_frame: int = Field(ge=30)
    window: int = Field(ge=2 * WORD)
    samples: int = Field(ge=10)
    evaluated: int = Field(ge=10)
    probed: int = Field(ge=10)
    vocab_size: int = Field(ge=len(SPECIAL_TOKENS) + 4, lt=2**16)
    hidden_size: HiddenWidth = Field(ge=64)
    intermediate_size: Width = Field(ge=8)
    seeds: list[int] = Field(min_length=1)

    @field_validator("lowered")
    @classmethod
    def _no_phred_is_raised(cls, values: list[int]) -> list[int]:
        if values != sorted(set(values)) or values[0] < 0:
            raise ValueError("counts of Phred, each once, from small to large, none below 0")
        return values

    @model_validator(mode="after")
    def _windows_are_whole_words(self) -> "Parameters":
        if self.window % WORD:
            raise ValueError(f"'window' is no multiple of {WORD}, the bases of a word")
        return self

    @property
    def sizes(self) -> dict[str, int]:
        """Of every model of the chapter, by the names of `dnakit.models.build.build`."""
        return {"hidden_size": self.hidden_size, "intermediate_size": self.intermediate_size}
