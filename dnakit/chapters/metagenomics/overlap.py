"""Species of the task whose genome the pretraining on mitochondria has seen: the 12S gene is a part of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dnakit.chapters.metagenomics import ceiling, copies
from dnakit.data import sources
from dnakit.data.files import first_line, read_table
from dnakit.tokens import corpus

if TYPE_CHECKING:
    from dnakit.chapters.metagenomics.measurements import PretrainedSpecies


def pretrained_species(run: PretrainedSpecies, folder: Path) -> dict[str, Any]:
    """Write ``species.csv``: those whose gene, or whose name, is among the genomes that the pretraining trained on."""
    samples = copies.copies(run.parameters, run.parameters.seed, run.parameters.trained_share)
    genes = samples.genes[["species"]].assign(
        test_samples=np.bincount(samples.part("test")[1], minlength=len(samples.genes))
    )
    trained = set(corpus.prepare(run.corpus).genomes["train"])
    genomes = [record.sequence for record in corpus.documents(run.corpus) if record.name in trained]
    genes["gene"] = [len(rows) > 0 for rows in ceiling.holding(samples.genes["sequence"].tolist(), genomes)]
    genes["name"] = genes["species"].isin(species_of(trained, run.parameters.lineages))
    found = genes[genes["gene"] | genes["name"]]
    found.to_csv(folder / "species.csv", index=False)
    return {
        "genomes": len(genomes),
        "species": len(genes),
        "test_samples": int(genes["test_samples"].sum()),
        "pretrained": {
            "species": len(found),
            "with_this_gene": int(found["gene"].sum()),
            "test_samples": int(found["test_samples"].sum()),
        },
    }


def species_of(genomes: Iterable[str], table: str) -> set[str]:
    """The species of genomes by a table of lineages; none where there is no table, or it names no species."""
    if not table or "species" not in first_line(sources.fetch(table)).split("\t"):
        return set()
    rows = read_table(sources.fetch(table), ("accession", "species"))
    return {rows[name]["species"] for name in genomes if name in rows} - {""}
