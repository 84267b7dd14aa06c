"""Fair tasks: reads of records that the reference does not hold, split by digest, so that a new release splits alike.

An order, a family, a genus, a species or a record is held out where the digest of its name falls below a share. So the
test asks for what a lab meets: another individual of a known species, a species that nobody has sequenced, a genus that
nobody has. Each record is shown whole, as a fragment of 150 to 300 bases, and as the MiFish amplicon; the last two on
either strand.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dnakit.data.barcodes import RANKS
from dnakit.data.bases import mutate, reverse_complement
from dnakit.data.reads import between_primers

FULL_LENGTH = (900, 1000)  # bases of a whole gene (thesis 4.2.3: about 1,000)
FRAGMENT = (150, 300)
AMPLICON = (100, 260)  # bases between the primers; about 170 in fishes
# Share of the groups of a rank that are held out, and the task that their records make
HELD_OUT = {"order": 0.04, "family": 0.04, "genus": 0.05, "species": 0.10}
WITH_CLASSES = {"class": 0.3} | HELD_OUT  # for a calibration: what is of no class in the reference
LARGEST = 0.1  # share of all records that a group may have and still be held out
KNOWN = 0.25  # of species with several records, those that lend one to the test
FORMS = ("gene", "fragment", "amplicon")
SHARED = (*RANKS[-2::-1], "none")  # the lowest rank that two species can share, from the genus up
WITHIN_ORDER = ("genus", "family", "order")  # of these
DECIDES = {
    "known": "species",
    "species": "genus",
    "genus": "family",
    "family": "order",
    "order": "class",
    "class": "phylum",
}


@dataclass(frozen=True)
class Split:
    """Records to search, and records to ask about.

    Attributes
    ----------
    reference, test : DataFrame
        Records; `test` has the column ``level``: the rank whose name the reference lacks, ``known`` where it has all.
    """

    reference: pd.DataFrame
    test: pd.DataFrame


def share(*names: object) -> float:
    """A number from 0 to 1 that the names decide (their SHA-256)."""
    return int(hashlib.sha256("\n".join(map(str, names)).encode()).hexdigest()[:13], 16) / 16**13


def plain(table: pd.DataFrame) -> pd.DataFrame:
    """Records of whole genes of a plain binomial species; equal sequences of a species once."""
    kept = table[(table["species"] != "") & (table["genus"] != "")]
    kept = kept[kept["sequence"].str.len().between(*FULL_LENGTH)]
    return kept.drop_duplicates(["species", "sequence"]).reset_index(drop=True)


def split(table: pd.DataFrame, seed: int, held_out: Mapping[str, float] = HELD_OUT) -> Split:
    """Divide records: groups that are held out whole, and one record of each of some known species.

    One record of each held-out species is asked about, the one of the smallest digest, and only where the next rank up
    is one that the reference holds: a genus can be right only if it is there.
    """
    level = pd.Series("", index=table.index)
    for rank, part in held_out.items():
        sizes = table[rank].value_counts()
        names = sizes.index[sizes <= LARGEST * len(table)]
        held = [name for name in names if name and share(seed, rank, name) < part]
        level[(level == "") & table[rank].isin(held)] = rank
    order = table["name"].map(lambda name: share(seed, "record", name))
    rest = table[level == ""]
    several = (rest.groupby("species")["name"].transform("size") > 1) & (rest["species"] != "")
    lending = rest[several & rest["species"].map(lambda name: share(seed, "known", name) < KNOWN)]
    level[order[lending.index].groupby(lending["species"]).idxmin()] = "known"
    reference = table[level == ""].reset_index(drop=True)
    asked = table.assign(level=level)[(level != "") & (table["species"] != "") & (table["order"] != "")]
    asked = asked.loc[order[asked.index].groupby([asked["level"], asked["species"]]).idxmin().sort_values()]
    above = {new: set(reference[rank]) - {""} for new, rank in DECIDES.items()}
    answerable = [row[DECIDES[row["level"]]] in above[row["level"]] for _, row in asked.iterrows()]
    return Split(reference, asked[answerable].reset_index(drop=True))


def shown(
    records: pd.DataFrame, form: str, seed: int, lengths: tuple[int, int] = FRAGMENT, rate: float = 0.0
) -> pd.DataFrame:
    """The records as reads of a form: their ``sequence`` replaced; records without it left out.

    A gene stays as it is stored, a fragment or an amplicon is on either strand.

    Parameters
    ----------
    records : DataFrame
    form : {"gene", "fragment", "amplicon"}
    seed : int
    lengths : tuple of int
        Of fragments, both included.
    rate : float
        Substitutions of the sequencer.
    """
    rng = np.random.default_rng([seed, FORMS.index(form)])
    sequences = [_cut(sequence, form, lengths, rng) for sequence in records["sequence"]]
    kept = records.assign(sequence=[mutate(s, rate, rng) if s and rate else s for s in sequences])
    return kept[[bool(sequence) for sequence in sequences]].reset_index(drop=True)


def _cut(sequence: bytes, form: str, lengths: tuple[int, int], rng: np.random.Generator) -> bytes:
    if form == "gene":
        return sequence
    if form == "amplicon":
        inner = between_primers(sequence) or b""
        piece = inner if AMPLICON[0] <= len(inner) <= AMPLICON[1] else b""
    else:
        size = min(int(rng.integers(lengths[0], lengths[1] + 1)), len(sequence))
        start = int(rng.integers(0, len(sequence) - size + 1))
        piece = sequence[start : start + size]
    return piece if rng.random() < 0.5 else reverse_complement(piece)


DRAWS = 1000  # of a bootstrap


def interval(right: np.ndarray, groups: np.ndarray, seed: int, draws: int = DRAWS) -> tuple[float, float]:
    """95% interval of a share that is right: bootstrap over groups (such as species): relatives are drawn together."""
    counts, ones = right.astype(float), np.ones(len(right))
    return percentiles(drawn_sums(counts, groups, seed, draws) / drawn_sums(ones, groups, seed, draws))


def drawn_sums(values: np.ndarray, groups: np.ndarray, seed: int, draws: int = DRAWS) -> np.ndarray:
    """Sums of values over groups that are drawn with replacement, as many as there are; ``(draws,)``.

    The same seed draws the same groups: two sums of it belong together, and their difference is a paired one.
    """
    sums = pd.Series(values).groupby(groups).sum().to_numpy()
    return sums[np.random.default_rng(seed).integers(0, len(sums), (draws, len(sums)))].sum(1)


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """The two ends of a 95% interval, of drawn values that may lack some (NaN)."""
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
