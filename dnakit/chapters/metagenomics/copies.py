"""The thesis's samples (4.2.3): one record a species and its mutated copies, shuffled and split 81/9/10.

The copies are what the thesis calls simulated sequencing errors: each has a substitution rate of its own, drawn from
0.5% to 5%, all substitutions equally likely. Copies of one record lie on both sides of the split: the task is to
recognise a known sequence through noise.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dnakit.chapters.metagenomics import tasks
from dnakit.chapters.metagenomics.parameters import Parameters
from dnakit.chapters.metagenomics.references import reference
from dnakit.data import sources
from dnakit.data.bases import mutate
from dnakit.data.files import open_text, refusing
from dnakit.project import DnakitError
from dnakit.tokens import corpus

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Copies:
    """The samples.

    Attributes
    ----------
    genes : DataFrame
        One record a species, the class of each sample by row.
    sequences : list of bytes
    labels : np.ndarray of int
    rows : dict of str to np.ndarray
        Of the samples, by part of the split.
    """

    genes: pd.DataFrame
    sequences: list[bytes]
    labels: np.ndarray
    rows: dict[str, np.ndarray]

    def part(self, name: str) -> tuple[list[bytes], np.ndarray]:
        """Sequences and labels of a part."""
        return [self.sequences[row] for row in self.rows[name]], self.labels[self.rows[name]]


def copies(parameters: Parameters, seed: int, share: float = 1.0) -> Copies:
    """The samples of a chapter; of a `share` of the species."""
    genes = genes_of(parameters, share)
    rng = np.random.default_rng([seed, 4])
    sequences, labels = [], []
    for row, gene in enumerate(genes["sequence"]):
        rates = rng.uniform(parameters.lowest_rate, parameters.highest_rate, parameters.copies - 1)
        sequences += [gene, *(mutate(gene, rate, rng) for rate in rates)]
        labels += [row] * parameters.copies
    return Copies(genes, sequences, np.array(labels), corpus.split(len(labels), rng))


def genes_of(parameters: Parameters, share: float = 1.0) -> pd.DataFrame:
    """One whole gene of each plain binomial species: of its records the one whose name comes first."""
    table = tasks.plain(reference(parameters.reference).table())
    if parameters.accessions:
        known = accessions(parameters.accessions)
        table = table[table["name"].str.split(".").str[0].isin(known)]
    genes = table.sort_values("name").drop_duplicates("species").sort_values("species")
    digests = genes["species"].map(lambda name: tasks.share("thesis", name))
    count = int((parameters.species or len(genes)) * share)
    kept = genes[digests.rank(method="first") <= max(count, 2)].reset_index(drop=True)
    if len(kept) < 2:
        raise DnakitError(f"{parameters.reference} has {len(kept)} species of whole 12S genes; the task needs two")
    return kept


def accessions(name: str) -> set[str]:
    """Accessions without versions, one a line."""
    path = sources.fetch(name)
    with refusing(path), open_text(path) as handle:
        return {line.split()[0].split(".")[0] for line in handle if line.strip()}


def ceiling(samples: Copies) -> dict[str, float]:
    """What a perfect method reaches: species that share a sequence cannot be told apart.

    And the share of the test samples whose species has a training sample.
    """
    genes, asked = samples.genes["sequence"], samples.part("test")[1]
    sharing = genes.map(genes.value_counts()).to_numpy()[asked]
    return {
        "top1": float((1 / sharing).mean()),
        "top5": float(np.minimum(1, 5 / sharing).mean()),
        "in_training": float(np.isin(asked, samples.part("train")[1]).mean()),
    }
