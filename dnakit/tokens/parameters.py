"""What decides a corpus, and its key; nothing here needs torch or transformers, so the workflow starts at once."""

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dnakit import store
from dnakit.data import sources
from dnakit.project import checked
from dnakit.tokens.vocabulary import SPECIAL_TOKENS

RECIPE = "corpora 2"  # goes into every corpus key; raise it when the same parameters come to mean other tokens
SPLITS = ("train", "validation", "test")
HELD_OUT = ("near", "far")
FEWEST_GENOMES = 10


class CorpusParameters(BaseModel):
    """What decides a corpus.

    `genomes` are drawn at random among those of at most `longest_genome` bases (the thesis speaks of single
    chromosomes of about 15 kb; RefSeq also holds plant mitochondria of several Mb). With a `piece` (bases) the records
    of the sources are chromosomes, cut into pieces, and `genomes` counts these (0: all there are).

    `ruler_genomes` are held out for each of ``near`` and ``far``. ``far`` takes whole families by the lineages in
    `taxonomy` (a source of such), or of a nuclear genome the chromosomes `far_chromosomes`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    sources: list[str] = Field(min_length=1)
    genomes: int = Field(ge=0)
    longest_genome: int = Field(ge=1)
    tokenization: str
    vocab_size: int = Field(ge=len(SPECIAL_TOKENS) + 4, lt=2**16)
    resamplings: int = Field(ge=1, le=1_000)
    seed: int = Field(ge=0, lt=2**32)
    piece: int = Field(default=0, ge=0)
    ruler_genomes: int = Field(default=0, ge=0)
    taxonomy: str = ""
    far_chromosomes: list[str] = []

    @field_validator("tokenization")
    @classmethod
    def _of_a_known_form(cls, value: str) -> str:
        if not re.fullmatch(r"([1-9]|1[0-2])-mer|BB", value):
            raise ValueError(f"{value!r} is no tokenization: give 1-mer to 12-mer, such as 9-mer, or BB")
        return value

    @field_validator("genomes")
    @classmethod
    def _enough_to_split(cls, value: int) -> int:
        if 0 < value < FEWEST_GENOMES:
            raise ValueError(f"at least {FEWEST_GENOMES}, or 0 for all, so that each split has one")
        return value

    @property
    def word_length(self) -> int | None:
        """Bases of a k-mer word (k), None for BigBird-style words."""
        return None if self.tokenization == "BB" else int(self.tokenization.split("-")[0])

    @property
    def passes(self) -> int:
        """How often each genome is cut into words: `resamplings` for BigBird-style words, once for k-mers."""
        return self.resamplings if self.word_length is None else 1

    @property
    def amount(self) -> str:
        """How many genomes or pieces of chromosomes, in words."""
        unit = f"pieces of {self.piece:,} bases" if self.piece else "genomes"
        return f"{self.genomes:,} {unit}" if self.genomes else f"all {unit}"

    def named(self) -> dict[str, Any]:
        """The parameters as a record shows them: a user's own files by their names, not their folders."""
        return self.model_dump() | {"sources": [Path(source).name for source in self.sources]}

    def inputs(self) -> list[str]:
        """Digests of the files that the corpus is made from, which are fetched now."""
        used = [*self.sources, self.taxonomy] if self.taxonomy and self.ruler_genomes else self.sources
        return [sources.digest(sources.fetch(source)) for source in used]


class Corpora(BaseModel):
    """The corpora of a chapter, as flat notebook parameters: the three lists run in parallel, one entry a corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    profile: str
    source: str
    tokenizations: list[str] = Field(min_length=1)
    genomes: list[int]
    vocab_sizes: list[int]
    longest_genome: int
    resamplings: int
    seed: int

    @model_validator(mode="after")
    def _lists_run_in_parallel(self) -> "Corpora":
        if not len(self.tokenizations) == len(self.genomes) == len(self.vocab_sizes):
            raise ValueError("'tokenizations', 'genomes' and 'vocab_sizes' must have as many entries each")
        if len(set(self.tokenizations)) < len(self.tokenizations):
            raise ValueError("'tokenizations' names one twice")
        return self

    def corpora(self, where: str) -> list[CorpusParameters]:
        """The parameters of each corpus; `where` names the notebook in an error."""
        shared = self.model_dump(include={"longest_genome", "resamplings", "seed"}) | {"sources": [self.source]}
        return [
            checked(
                CorpusParameters, {"tokenization": tokenization, "genomes": genomes, "vocab_size": size} | shared, where
            )
            for tokenization, genomes, size in zip(self.tokenizations, self.genomes, self.vocab_sizes, strict=True)
        ]


def corpus_key(parameters: CorpusParameters) -> str:
    """The key of a corpus: parameters that matter to it, and the content of its sources rather than their names."""
    values = parameters.model_dump(exclude={"sources", "taxonomy", "resamplings"}) | {"passes": parameters.passes}
    return store.key(RECIPE, values | {"inputs": parameters.inputs()})
