"""Simulated nuclear genomes with promoters, so that chapters 2 and 3 run at once and offline.

A chromosome is a Markov chain of order 3 that avoids CpG. It holds copies of repeat families (diverged, on both
strands, in lower case as in UCSC's files), tandem repeats, runs of N at the ends, in the middle and elsewhere, and
promoters on both strands. Around a transcription start site (TSS) the composition changes, and motifs lie where biology
puts them: the initiator at the TSS, the TATA box about 30 bp before it, GC and CAAT boxes farther up. Of the three
species B is near A, and C is far from it: in the chain, in the repeats, and in how often each motif occurs. Nothing
here is measured.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dnakit.data.bases import kmer_codes, kmer_numbers
from dnakit.data.files import open_writing
from dnakit.data.formats import BedRow, Record, write_fasta
from dnakit.project import published

ORDER = 3  # of the background's Markov chain
CPG = 0.2  # how often C is followed by G, compared with chance
REPEATS = (300, 300, 300, 150, 150, 1200)  # bases of the families
LONG = 500  # copies of a family longer than this lack their start, more or less of it
COVERAGE = 0.3  # share of the genome that is copies
DIVERGENCE = (0.03, 0.2)  # substitutions in a copy, from and to
TANDEM_EVERY = 5_000  # bp
END_GAP, MIDDLE_GAP, GAPS = 1_000, 1_500, 1  # runs of N: bases at either end and in the middle; how many short ones
REACH = 300  # a promoter's composition ends so far from its TSS; repeats and gaps keep away
SPACING, MARGIN = 2_000, 3_000  # between promoters, and to the ends
NOISE = 0.05  # share of a motif's letters that are something else
_CHAIN = 1_000  # bases drawn one after the other; chains side by side are drawn at once
_LETTERS = np.frombuffer(b"ACGTacgt", dtype=np.uint8)
_IUPAC = {"A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "W": "AT", "N": "ACGT"}
_FAMILIES, _CHAINS, _CHROMOSOME = range(3)  # streams of random numbers


class Motif(NamedTuple):
    """A sequence motif: IUPAC consensus, and the first and last position of its first base relative to the TSS (0)."""

    consensus: str
    first: int
    last: int


MOTIFS = {
    "Inr": Motif("YYANWYY", -2, -2),
    "TATA": Motif("TATAWAWR", -32, -28),
    "GC": Motif("RGGCGGGRY", -110, -45),
    "CAAT": Motif("GGCCAATCT", -95, -75),
}


@dataclass(frozen=True)
class Species:
    """How an invented species differs from the others.

    Attributes
    ----------
    letter : str
        Its name.
    lengths : tuple of int
        Bases of its chromosomes.
    promoters : int
    distance : float
        From species A: scale of the changes in the chain, and share of substitutions in the repeat families.
    composition, upstream, downstream : tuple of float
        A, C, G, T of the background, and on either side of a TSS.
    shares : dict
        How many promoters have each motif.
    """

    letter: str
    lengths: tuple[int, ...]
    promoters: int
    distance: float
    composition: tuple[float, float, float, float]
    upstream: tuple[float, float, float, float]
    downstream: tuple[float, float, float, float]
    shares: dict[str, float]


SPECIES = (
    Species(
        "A", (140_000, 130_000, 125_000, 120_000, 115_000, 110_000), 90, 0.0,
        (0.29, 0.21, 0.21, 0.29), (0.20, 0.32, 0.28, 0.20), (0.20, 0.22, 0.38, 0.20),
        {"Inr": 0.8, "TATA": 0.25, "GC": 0.6, "CAAT": 0.2},
    ),
    Species(
        "B", (110_000, 100_000, 95_000, 85_000), 60, 0.1,
        (0.29, 0.21, 0.21, 0.29), (0.21, 0.31, 0.27, 0.21), (0.21, 0.23, 0.35, 0.21),
        {"Inr": 0.8, "TATA": 0.25, "GC": 0.5, "CAAT": 0.2},
    ),
    Species(
        "C", (105_000, 95_000, 90_000, 80_000), 60, 0.3,
        (0.33, 0.17, 0.17, 0.33), (0.26, 0.18, 0.16, 0.40), (0.40, 0.16, 0.18, 0.26),
        {"Inr": 0.7, "TATA": 0.25, "GC": 0.1, "CAAT": 0.05},
    ),
)  # fmt: skip


def simulate(species: Species, seed: int = 0) -> tuple[list[Record], list[BedRow]]:
    """Make the chromosomes of a species and the positions of its promoters.

    Parameters
    ----------
    species : Species
        One of `SPECIES`.
    seed : int
        The same seed gives the same genome.

    Returns
    -------
    tuple
        Chromosomes with their repeats in lower case, and promoters as EPDnew lists them: 60 bp, from 49 before the TSS
        to 10 behind it, thickStart (+) or thickEnd - 1 (-) at the TSS.
    """
    families = _families(species, seed)
    chain = _chain(species, seed)
    per_chromosome = np.diff(np.round(np.cumsum([0, *species.lengths]) / sum(species.lengths) * species.promoters))
    records: list[Record] = []
    rows: list[BedRow] = []
    for number, (length, promoters) in enumerate(zip(species.lengths, per_chromosome.astype(int), strict=True)):
        rng = _rng(seed, _CHROMOSOME, species, number)
        sites = np.sort(rng.integers(length - 2 * MARGIN - promoters * SPACING, size=promoters))
        sites += MARGIN + SPACING * np.arange(promoters)
        strands = rng.choice([1, -1], promoters)
        letters = _chromosome(species, chain, families, length, sites, strands, rng)
        records.append(Record(f"sim{species.letter}{number + 1}", "simulated", letters))
        rows += [
            _row(species, len(rows) + i, records[-1].name, int(site), int(strand))
            for i, (site, strand) in enumerate(zip(sites, strands, strict=True))
        ]
    return records, rows


def _rng(seed: int, stream: int, species: Species, number: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, stream, ord(species.letter), number])


def _row(species: Species, number: int, chromosome: str, site: int, strand: int) -> BedRow:
    name = f"SIM{species.letter}{number + 1:04d}_1"
    if strand == 1:
        return BedRow(chromosome, site - 49, site + 11, name, 900.0, "+", site, site + 11)
    return BedRow(chromosome, site - 10, site + 50, name, 900.0, "-", site - 10, site + 1)


# ---- one chromosome


def _chromosome(
    species: Species,
    chain: np.ndarray,
    families: list[np.ndarray],
    length: int,
    sites: np.ndarray,
    strands: np.ndarray,
    rng: np.random.Generator,
) -> bytes:
    """Background, then repeats, promoters and gaps over it."""
    codes = _background(chain, length, rng)
    near = np.zeros(length, dtype=bool)
    for site in sites:
        near[site - REACH : site + REACH + 1] = True
    masked = _with_repeats(codes, near, families, rng)
    for site, strand in zip(sites, strands, strict=True):
        region = codes[site - REACH : site + REACH + 1]
        if strand == 1:
            region[:] = _promoter(species, region, rng)
        else:
            region[:] = 3 - _promoter(species, 3 - region[::-1], rng)[::-1]
    letters = _LETTERS[codes + 4 * masked]
    for start, size in _gaps(near, rng):
        letters[start : start + size] = ord("N")
    return letters.tobytes()


def _background(chain: np.ndarray, length: int, rng: np.random.Generator) -> np.ndarray:
    """Draw a Markov chain: many short chains side by side, as good as a long one and a thousand times faster."""
    chains = -(-length // _CHAIN)
    limits = np.cumsum(chain, axis=1)[:, :-1]
    codes = np.empty((chains, _CHAIN), dtype=np.uint8)
    state = rng.integers(len(chain), size=chains)
    for step in range(_CHAIN):
        codes[:, step] = (rng.random(chains)[:, None] >= limits[state]).sum(axis=1)
        state = (4 * state + codes[:, step]) % len(chain)
    return codes.ravel()[:length]


def _with_repeats(
    codes: np.ndarray, near: np.ndarray, families: list[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Paint copies of the repeat families and tandem repeats, away from promoters; returns where they are."""
    masked = np.zeros(len(codes), dtype=bool)
    covered = 0
    while covered < COVERAGE * len(codes):
        family = families[rng.integers(len(families))]
        copy = _substituted(family, rng.uniform(*DIVERGENCE), rng)
        copy = copy[rng.integers(len(copy) - 100) if len(copy) > LONG else 0 :]
        covered += _paint(codes, near, masked, 3 - copy[::-1] if rng.random() < 0.5 else copy, rng)
    for _ in range(len(codes) // TANDEM_EVERY):
        unit = rng.integers(4, size=rng.integers(1, 7))
        _paint(codes, near, masked, _substituted(np.resize(unit, rng.integers(20, 81)), NOISE, rng), rng)
    return masked


def _paint(codes: np.ndarray, near: np.ndarray, masked: np.ndarray, copy: np.ndarray, rng: np.random.Generator) -> int:
    """Put a repeat at a random place, unless a promoter is there; how many more bases are now repeats."""
    start = rng.integers(len(codes) - len(copy))
    place = slice(start, start + len(copy))
    if near[place].any():
        return 0
    new = len(copy) - int(masked[place].sum())
    codes[place], masked[place] = copy, True
    return new


def _substituted(codes: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    hit = rng.random(len(codes)) < share
    return np.where(hit, (codes + rng.integers(1, 4, len(codes))) % 4, codes)


def _promoter(species: Species, region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The region around a TSS: composition that fades into the background on both sides, then the motifs."""
    offsets = np.arange(-REACH, REACH + 1)
    sides = [rng.choice(4, len(offsets), p=side) for side in (species.upstream, species.downstream)]
    own = rng.random(len(offsets)) < 1 - (offsets / REACH) ** 2
    region = np.where(own, np.where(offsets < 0, *sides), region)
    for name, motif in MOTIFS.items():
        start = REACH + rng.integers(motif.first, motif.last + 1)
        letters = ["ACGT".index(str(rng.choice(list(_IUPAC[letter])))) for letter in motif.consensus]
        if rng.random() < species.shares[name]:
            region[start : start + len(letters)] = _substituted(np.array(letters), NOISE, rng)
    return region


def _gaps(near: np.ndarray, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Start and length of the runs of N."""
    gaps = [(0, END_GAP), (len(near) - END_GAP, END_GAP)]
    before = np.concatenate([[0], np.cumsum(near)])
    for size, wish in [(MIDDLE_GAP, len(near) // 2), *rng.integers((50, 0), (500, len(near)), (GAPS, 2)).tolist()]:
        starts = np.flatnonzero(before[size:] == before[:-size])
        gaps.append((int(starts[np.abs(starts - wish).argmin()]), size))
    return gaps


# ---- what a species's chromosomes have in common


def _chain(species: Species, seed: int) -> np.ndarray:
    """Probabilities of the next base after each context, (4 ** ORDER, 4).

    Words weigh as much as their reverse complements. Contexts are weighted by all that can follow (the leading right
    eigenvector, as in a Gibbs measure), and not by the next base alone, so that the two strands of the chain are alike.
    """
    words = np.arange(4 ** (ORDER + 1))
    digits = kmer_codes(words, ORDER + 1)
    opposite = kmer_numbers(3 - digits[:, ::-1])
    shared = np.random.default_rng([seed, _CHAINS]).normal(0, 0.3, len(words))
    weights = shared + species.distance * _rng(seed, _CHAINS, species).normal(0, 1, len(words))
    chances = np.exp((weights + weights[opposite]) / 2) * np.array(species.composition)[digits[:, -1]]
    chances[(digits[:, -2] == 1) & (digits[:, -1] == 2)] *= CPG
    table = chances.reshape(-1, 4)
    following = np.arange(len(words)).reshape(-1, 4) % len(table)
    future = np.ones(len(table))
    for _ in range(100):
        future = (table * future[following]).sum(axis=1)
        future /= future.sum()
    table = table * future[following]
    return table / table.sum(axis=1, keepdims=True)


def _families(species: Species, seed: int) -> list[np.ndarray]:
    """Consensus of each repeat family, which the species inherit from one ancestor; a tail of A ends it."""
    ancestor, own = np.random.default_rng([seed, _FAMILIES]), _rng(seed, _FAMILIES, species)
    families = [ancestor.choice(4, size, p=(0.26, 0.24, 0.28, 0.22)) for size in REPEATS]
    for family in families:
        family[-15:] = 0
    return [_substituted(family, species.distance, own) for family in families]


# ---- files


def write(folder: Path, seed: int = 0) -> None:
    """Write every species as ``nuclear-a.fa`` and ``nuclear-a-promoters.bed``, and so on; same seed, same bytes.

    Not compressed, as `dnakit.data.simulate.mitochondria.write`.
    """
    for species in SPECIES:
        records, rows = simulate(species, seed)
        name = f"nuclear-{species.letter.lower()}"
        write_fasta(folder / f"{name}.fa", records, 50)
        with published(folder / f"{name}-promoters.bed") as part, open_writing(part, "") as handle:
            handle.writelines(
                f"{row.chrom} {row.start} {row.end} {row.name} 900 {row.strand} {row.thick_start} {row.thick_end}\n"
                for row in rows
            )
