"""What the classifier's answers are worth: its confidence, reads of no fish, and real reads of unknown composition."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dnakit.chapters.metagenomics import classifier, tasks
from dnakit.chapters.metagenomics import confidence as measures
from dnakit.data import sources, taxonomy
from dnakit.data.barcodes import RANKS
from dnakit.data.formats import read_fasta
from dnakit.data.reads import between_primers, read_reads, without_primers

if TYPE_CHECKING:
    from dnakit.chapters.metagenomics.measurements import Confidence, Reads, Strangers

CALIBRATED = RANKS[2:]  # class to species; all fishes share domain and phylum
LEAST = 0.8  # confidence from which on a name counts, as `dnakit classify` has it
PIECE = 170  # bases of a read of another gene
OTHER_GENES = 5_000  # first base of a genome from which on there is no 12S gene


def confidence(run: Confidence, folder: Path) -> dict[str, Any]:
    """Fit a classifier without the test records, name them, and compare confidence with truth."""
    seed = run.parameters.seed
    parts = tasks.split(classifier.records_of(run.reference.table()), seed + 1000, tasks.WITH_CLASSES)
    made = classifier.fit(parts.reference)
    reads = classifier.mixture(parts.test, seed)
    answer = made.classify(reads["sequence"].tolist())
    right, weight = classifier.right_names(answer.names, reads), reads["weight"].to_numpy()
    reliability, risk, errors = [], [], {}
    for rank in CALIBRATED:
        at = RANKS.index(rank)
        sure, true = answer.confidence[:, at], right[:, at]
        reliability.append(measures.reliability(sure, true, weight).assign(rank=rank))
        risk.append(measures.risk_coverage(sure, true, weight).assign(rank=rank))
        errors[rank] = measures.calibration_error(sure, true, weight)
    pd.concat(reliability).to_csv(folder / "reliability.csv", index=False, float_format="%.5g")
    pd.concat(risk).to_csv(folder / "risk.csv", index=False, float_format="%.5g")
    new = _auroc(reads, 1 - answer.confidence[:, -1], weight)
    return {"reads": len(reads), "records": len(parts.reference), "calibration_error": errors, "new_species_auroc": new}


def _auroc(reads: pd.DataFrame, score: np.ndarray, weight: np.ndarray) -> float | None:
    """How well a low confidence at the species tells reads of species that the reference lacks (strangers left out)."""
    from sklearn.metrics import roc_auc_score

    fish = (reads["level"] != "stranger").to_numpy()
    new = (reads["level"] != "known").to_numpy()[fish]
    return float(roc_auc_score(new, score[fish], sample_weight=weight[fish])) if new.any() and not new.all() else None


# ---- reads of no fish


def strangers(run: Strangers, folder: Path) -> dict[str, Any]:
    """By kind of stranger, how many reads are left unassigned at the default confidence."""
    made = classifier.prepared(run.reference)
    rows = []
    for kind, reads in _kinds(run):
        sure = made.classify(reads).confidence
        shares = {rank: float((sure[:, RANKS.index(rank)] >= LEAST).mean()) for rank in ("class", "family", "species")}
        rows.append({"kind": kind, "reads": len(reads), "unassigned": float((sure[:, 0] < LEAST).mean())} | shares)
    pd.DataFrame(rows).to_csv(folder / "strangers.csv", index=False, float_format="%.5g")
    return {"unassigned": {row["kind"]: row["unassigned"] for row in rows}}


def _kinds(run: Strangers) -> Iterator[tuple[str, list[bytes]]]:
    rng, count = np.random.default_rng([run.parameters.seed, 11]), run.parameters.asked
    letters = np.frombuffer(b"ACGT", np.uint8)
    yield "random DNA, 170 bases", [rng.choice(letters, PIECE).tobytes() for _ in range(count)]
    yield "random DNA, 12 bases", [rng.choice(letters, 12).tobytes() for _ in range(count)]
    genomes = [record.sequence for record in read_fasta(sources.fetch(run.parameters.genomes))]
    chosen = [genomes[row] for row in rng.permutation(len(genomes)) if len(genomes[row]) > OTHER_GENES + PIECE]
    starts = [int(rng.integers(OTHER_GENES, len(genome) - PIECE)) for genome in chosen[:count]]
    yield "other mitochondrial genes", [g[s : s + PIECE] for g, s in zip(chosen, starts, strict=False)]
    if run.parameters.lineages:
        for kind, group in (("birds, amplicon", "Aves"), ("mammals, amplicon", "Mammalia")):
            if found := _amplicons(run, group)[:count]:
                yield kind, found


def _amplicons(run: Strangers, group: str) -> list[bytes]:
    """The MiFish amplicons of the genomes of a class."""
    lineages = taxonomy.lineages(sources.fetch(run.parameters.lineages))
    names = {name for name, lineage in lineages.items() if group in lineage}
    genomes = read_fasta(sources.fetch(run.parameters.genomes), names=names)
    inner = (between_primers(record.sequence) for record in genomes)
    return [piece for piece in inner if piece and tasks.AMPLICON[0] <= len(piece) <= tasks.AMPLICON[1]]


# ---- real reads


def reads(run: Reads, folder: Path) -> dict[str, Any]:
    """Name both mates of each pair, primers cut off where they are found, and compare the two."""
    made = classifier.prepared(run.reference)
    mates = [[read.sequence for read in read_reads(sources.fetch(name))] for name in run.parameters.reads]
    trimmed = [[without_primers(read) for read in side] for side in mates]
    answers = [made.classify(side) for side in trimmed]
    families = pd.Series(_certain(answers[0], "family")).replace("", "no family").value_counts()
    families.rename_axis("family").rename("reads").to_csv(folder / "families.csv")
    rows = [_agreement(answers, rank) for rank in CALIBRATED]
    pd.DataFrame(rows).to_csv(folder / "agreement.csv", index=False, float_format="%.5g")
    with_primer = sum(cut != read for cut, read in zip(trimmed[0], mates[0], strict=True))
    assigned = float((answers[0].confidence[:, 0] >= LEAST).mean())
    return {"pairs": len(mates[0]), "with_primer": with_primer, "assigned": assigned}


def _certain(answer: classifier.Answer, rank: str) -> np.ndarray:
    """Names at a rank, empty where they are not certain."""
    at = RANKS.index(rank)
    return np.where(answer.confidence[:, at] >= LEAST, answer.names[:, at], "")


def _agreement(answers: list[classifier.Answer], rank: str) -> dict[str, Any]:
    first, second = (_certain(answer, rank) for answer in answers)
    both = (first != "") & (second != "")
    same = float((first == second)[both].mean()) if both.any() else None
    return {"rank": rank, "named": float((first != "").mean()), "both_named": int(both.sum()), "same": same}
