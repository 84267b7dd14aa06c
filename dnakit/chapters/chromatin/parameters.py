"""The parameters of chapter 5: whose profiles, which windows, and how networks are trained on them."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from dnakit.chapters.chapter import TrainingChapterParameters
from dnakit.chapters.chromatin.organisms import ORGANISMS, Organism, organism, own
from dnakit.data.peaks import BIN

WINDOW = 1_000  # bp, DeepSEA's
RANDOM, APART, CHROMOSOMES = SPLITS = "random", "apart", "chromosomes"  # see `dnakit.chapters.chromatin.splits`
GC = "GC content"  # of the simple methods that read the sequence the least
BEST = "gapped 7-mers"  # the one with the highest means
# IUPAC consensus of the core of known motifs, by the name of the factor: first of man, then of yeast
MOTIFS = {"CTCF": "CCASYAGRKGGC", "CEBPB": "TTGCRYAA", "JUND": "TGASTCA", "FOXA2": "TRTTTAC", "MAX": "CCACGTG"}
MOTIFS |= {"Reb1": "TTACCCG", "Abf1": "TCAYNNNNNACG", "Cbf1": "TCACGTG"}


class Parameters(TrainingChapterParameters):
    """The values of the notebook's parameters cell, which says what each of them means."""

    pretrained: str
    organism: str
    other_organism: str
    genome: list[str]
    peaks: str
    features: str
    validation_chromosomes: list[str]
    test_chromosomes: list[str]
    rows: int = Field(ge=0)
    wide_windows: list[Annotated[int, Field(ge=BIN, multiple_of=2)]]
    deepsea_rows: str
    published: str
    repeats: int = Field(ge=1)
    epoch_samples: int = Field(ge=0)
    evaluation_samples: int = Field(ge=0)
    network_scale: float = Field(gt=0, le=1)
    pictured: int = Field(ge=1)

    @model_validator(mode="after")
    def _data_are_named(self) -> "Parameters":
        if bool(self.genome) != bool(self.peaks):
            raise ValueError("'genome' and 'peaks' belong together: give both for your own data, or neither")
        if self.features and not self.genome:
            raise ValueError("'features' describes your own peaks: give 'genome' and 'peaks' with it, or leave it out")
        if self.genome and not self.test_chromosomes:
            raise ValueError("'test_chromosomes': name at least one chromosome of your genome to test on")
        if self.genome and not self.validation_chromosomes:
            raise ValueError("'validation_chromosomes': name at least one chromosome of your genome to validate on")
        for name in filter(None, [self.organism, self.other_organism]):
            organism(name)
        if not ORGANISMS[self.organism].genomes and not self.genome and self.wide_windows:
            raise ValueError("'wide_windows': DeepSEA's archive has windows of 1,000 bp alone; give an empty list")
        return self

    def data(self) -> Organism:
        """Whose profiles they are: the user's own where they are given."""
        if self.genome:
            return own(self.genome, self.peaks, self.features, self.validation_chromosomes, self.test_chromosomes)
        return self._held_out(organism(self.organism))

    def sets(self) -> dict[str, Organism]:
        """The profiles that simple methods are measured on, by the end of a run's name."""
        other = {f"-{self.other_organism}": organism(self.other_organism)} if self.other_organism else {}
        return {"": self.data()} | other

    def _held_out(self, chosen: Organism) -> Organism:
        validation, test = tuple(self.validation_chromosomes), tuple(self.test_chromosomes)
        return chosen._replace(validation=validation or chosen.validation, test=test or chosen.test)

    def named(self) -> str:
        """What the profiles are called."""
        return Path(self.peaks).name if self.peaks else self.organism
