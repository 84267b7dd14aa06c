"""The classifier behind ``dnakit classify``: an indexed reference, its names, and a calibrated confidence.

Both are made once for a reference and kept in the store. The calibration rests on reads of records that are held out
of the reference while it is fitted (`dnakit.chapters.metagenomics.tasks.split`, with a seed of its own), and on reads
that are of no fish: the index that classifies afterwards holds every record.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from dnakit import store
from dnakit.chapters.metagenomics import naming, search, tasks
from dnakit.chapters.metagenomics.confidence import Calibration
from dnakit.chapters.metagenomics.naming import Taxa
from dnakit.chapters.metagenomics.references import Reference
from dnakit.data.barcodes import RANKS
from dnakit.project import DnakitError

RECIPE = "12S classifier 4"
METHODS = ("search", "k-mers")  # with the exact alignment, and without
Method = Literal["search", "k-mers"]
SHORTEST_RECORD = 100  # bases of a record of a reference
# How often each kind of read is met in the mixture that confidence is calibrated for; a stated assumption
MIXTURE = {
    "known": 0.50,
    "species": 0.20,
    "genus": 0.10,
    "family": 0.05,
    "order": 0.05,
    "class": 0.05,
    "stranger": 0.05,
}
LENGTHS = (60, 300)  # of fragments
RATE = 0.005  # substitutions of the sequencer
STRANGERS = 300
ENOUGH = 40  # records with an order and a species: of so few, some can be held out in all of 60 random references
ASKED = 500  # records of each level in a calibration, at most
BATCH = 256  # reads at a time


class Answer(NamedTuple):
    """Names of reads by rank, as objects, and the confidence in each, both ``(reads, ranks)``."""

    names: np.ndarray
    confidence: np.ndarray


@dataclass(frozen=True)
class Classifier:
    """Names reads."""

    searcher: search.Searcher
    taxa: Taxa
    calibration: Calibration

    def classify(self, reads: Sequence[bytes]) -> Answer:
        """Names and confidences; a read of another gene, or a short one, gets low ones, or none."""
        codes, evidence = named(self.searcher, self.taxa, reads)
        return Answer(self.taxa.spelled(codes), self.calibration.confidence(codes, evidence))


def named(searcher: search.Searcher, taxa: Taxa, reads: Sequence[bytes]) -> naming.Names:
    """Names and evidence of any number of reads; equal reads are searched once."""
    places = {read: place for place, read in enumerate(dict.fromkeys(reads))}
    once = list(places)
    found = [
        naming.name(searcher.search(once[start : start + BATCH]), taxa) for start in range(0, max(1, len(once)), BATCH)
    ]
    each = np.array([places[read] for read in reads], int)
    return naming.Names(*(np.concatenate(parts)[each] for parts in zip(*found, strict=True)))


def records_of(table: pd.DataFrame) -> pd.DataFrame:
    """The records that make a reference: named down to a family at least, long enough, each sequence once a name.

    ``attrs["left_out"]`` says how many are not long enough or not named, and names one of each.
    """
    short = table["sequence"].str.len() < SHORTEST_RECORD
    unnamed = ~short & (table["genus"] == "") & (table["family"] == "")
    reasons = {f"shorter than {SHORTEST_RECORD} bases": short, "without a genus or family": unnamed}
    why = "; ".join(
        f"{chosen.sum():,} {reason}, such as '{table['name'][chosen].iloc[0][:60]}'"
        for reason, chosen in reasons.items()
        if chosen.any()
    )
    kept = table[~(short | unnamed)].drop_duplicates(["sequence", *RANKS]).reset_index(drop=True)
    if not len(kept):
        raise DnakitError(f"no record can serve as a reference, of {len(table):,}: {why}")
    many = f"{(short | unnamed).sum():,} of {len(table):,} records of the reference are left out"
    kept.attrs["left_out"] = f"{many}: {why}" if why else ""
    return kept


def fit(table: pd.DataFrame, method: Method = "search", seed: int = 0) -> Classifier:
    """A classifier of these records; its calibration holds some of them out, its index has all."""
    searcher = _searcher(table, method)
    return Classifier(searcher, Taxa(table), calibrate(table, method, seed))


def _searcher(table: pd.DataFrame, method: Method) -> search.Searcher:
    index = search.build(table["sequence"].tolist(), table["species"].tolist())
    return search.Searcher(index, align=method == "search")


# ---- calibration


def mixture(test: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Reads of held-out records in all forms, and strangers: ``sequence``, ranks, ``level`` and ``weight`` (sum 1)."""
    forms = [tasks.shown(test, form, seed, LENGTHS, RATE).assign(form=form) for form in tasks.FORMS]
    reads = pd.concat([*forms, strangers(test, seed)], ignore_index=True)
    sizes = reads.groupby("level")["level"].transform("size")
    weight = reads["level"].map(MIXTURE) / sizes
    return reads.assign(weight=weight / weight.sum())


def strangers(records: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Reads of no record: random DNA, and pieces of genes whose letters are shuffled."""
    rng = np.random.default_rng([seed, 9])
    rows = []
    for number in range(min(STRANGERS, 4 * len(records))):
        size = int(rng.integers(*LENGTHS))
        gene = records["sequence"].iloc[int(rng.integers(len(records)))]
        letters = np.frombuffer(gene[:size] if number % 2 else b"ACGT", np.uint8)
        sequence = (rng.permutation(letters) if number % 2 else rng.choice(letters, size)).tobytes()
        row = {"name": f"stranger-{number}", "sequence": sequence, "level": "stranger", "form": "fragment"}
        rows.append(row | dict.fromkeys(RANKS, ""))
    return pd.DataFrame(rows)


def right_names(answers: np.ndarray, reads: pd.DataFrame) -> np.ndarray:
    """Whether each name is the read's own, ``(reads, ranks)``; an unknown name is never right."""
    truth = reads[list(RANKS)].to_numpy(object)
    return (answers == truth) & (truth != "")


def calibrate(table: pd.DataFrame, method: Method = "search", seed: int = 0) -> Calibration:
    """Fit the confidence to reads of records that are held out of a reference of all the others."""
    parts = tasks.split(table, seed, tasks.WITH_CLASSES)
    if len(parts.reference) < 10 or not len(parts.test):
        raise DnakitError(f"no confidence can be calibrated on this reference: {_what_lacks(table)}")
    asked = parts.test.groupby("level").head(ASKED)
    reads, taxa = mixture(asked, seed), Taxa(parts.reference)
    found = named(_searcher(parts.reference, method), taxa, reads["sequence"].tolist())
    right = right_names(taxa.spelled(found.codes), reads)
    single = np.array([table[rank].replace("", np.nan).nunique() < 2 for rank in RANKS])
    single[-1] = False
    return Calibration.fit(found.evidence, right, reads["weight"].to_numpy(), single)


def _what_lacks(table: pd.DataFrame) -> str:
    """Why a reference gives no calibration: only a record with an order and a species can be asked about."""
    named = (table["species"] != "") & (table["order"] != "")
    count = f"{named.sum():,} of {len(table):,} records have both"
    if named.sum() >= ENOUGH:
        return f"its {named.sum():,} records with an order and a species are of too few species; add other species"
    lacking = table[~named]
    example = ""
    if len(lacking):
        first = lacking.iloc[0]
        what = "order" if first["species"] else "plain binomial (two words of letters, such as Salmo salar)"
        example = f"; record '{first['name'][:60]}' has no {what}"
    return f"it takes about {ENOUGH} records with an order and a plain binomial as species, and {count}{example}"


# ---- in the store


def prepared(reference: Reference, method: Method = "search") -> Classifier:
    """The classifier of a reference, from the store or made now (some seconds, once)."""
    folder = _folder(reference, method)
    with store.reading(folder):
        index = search.Index.load(folder / "index.npz")
        with np.load(folder / "calibration.npz", allow_pickle=False) as arrays:
            calibration = Calibration(**{name: arrays[name] for name in arrays.files})
        table = pd.read_csv(folder / "ranks.csv", dtype=str, keep_default_na=False)
        if len(table) != len(index.sequences):
            raise ValueError(f"{len(index.sequences)} records, and ranks of {len(table)}")
    return Classifier(search.Searcher(index, align=method == "search"), Taxa(table), calibration)


def left_out(reference: Reference, method: Method = "search") -> str:
    """How many records of the reference cannot be used, and why; empty where all can."""
    return store.read_json(_folder(reference, method) / "left_out.json")


def _folder(reference: Reference, method: Method) -> Path:
    inputs = {"data": reference.digests(), "method": method}
    return store.get_or_make("references", store.key(RECIPE, inputs), lambda part: _write(reference, method, part))


def _write(reference: Reference, method: Method, folder: Path) -> None:
    whole = reference.table()
    table = records_of(whole)
    made = fit(table, method)
    made.searcher.index.save(folder / "index.npz")
    np.savez(folder / "calibration.npz", **vars(made.calibration))
    table[list(RANKS)].to_csv(folder / "ranks.csv", index=False)
    left_out = [each.attrs.get("left_out", "") for each in (whole, table)]
    store.write_json(folder / "left_out.json", "; ".join(filter(None, left_out)))
