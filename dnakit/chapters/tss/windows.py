"""Promoter windows: the sequence around each transcription start site (TSS), in the promoter's own direction.

Thesis section 4.2.2: EPDnew's promoters of nine organisms, from -4999 to +5000 with the TSS at 0. The controls of the
chapter are windows too: random genomic positions that are no promoters, shuffled promoters, random DNA.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dnakit.data import sources
from dnakit.data.formats import BedRow, Record, read_bed, read_fasta, reverse_complement
from dnakit.project import DnakitError

UPSTREAM, DOWNSTREAM = 4999, 5001  # bases before the TSS, and from the TSS on: -4999 to +5000
FAR = 5_000  # a position is no promoter if every listed TSS is farther away, in bp
EPD_WINDOW = 60  # a row of EPDnew's own BED files covers -49 to +10
_EPD_TITLE = re.compile(r"^(\S+)\s+:[+-]")  # EPDnew's FASTA: ">FP003191 FMP25_1   :+U  EU:NC; range -200 to 200."
_BASES = np.frombuffer(b"ACGT", dtype=np.uint8)
_IS_BASE = np.isin(np.arange(256), _BASES)
_POSITION, _SHUFFLE, _RANDOM = range(3)  # streams of random numbers


@dataclass(frozen=True)
class Windows:
    """Sequences that all have their TSS at the same index, read 5' to 3' on the promoter's strand.

    Attributes
    ----------
    sequences : list of bytes
        All of one length.
    tss : int
        Index of the TSS base: so many bases lie before it.
    names, chromosomes, strands : list of str
        One for each sequence; chromosome and strand are empty where the source does not tell.
    cut_off : int
        Promoters left out because the window runs off the end of their sequence.
    elsewhere : int
        Promoters left out because the genome given does not hold their sequence.
    """

    sequences: list[bytes]
    tss: int
    names: list[str]
    chromosomes: list[str]
    strands: list[str]
    cut_off: int = 0
    elsewhere: int = 0

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def ambiguous(self) -> int:
        """How many windows hold letters other than ACGT."""
        return sum(bool(sequence.translate(None, b"ACGT")) for sequence in self.sequences)

    def take(self, indices: Sequence[int] | np.ndarray) -> "Windows":
        """These windows, in this order."""
        names, chromosomes, strands = (
            [column[i] for i in indices] for column in (self.names, self.chromosomes, self.strands)
        )
        return Windows([self.sequences[i] for i in indices], self.tss, names, chromosomes, strands)

    def narrowed(self, upstream: int, downstream: int) -> "Windows":
        """At most so many bases before the TSS, and from the TSS on."""
        start, end = max(0, self.tss - upstream), self.tss + downstream
        return replace(self, sequences=[sequence[start:end] for sequence in self.sequences], tss=self.tss - start)


# ---- which organisms


class Organism(NamedTuple):
    """Where an organism's promoters come from.

    Attributes
    ----------
    species : str
        As in the thesis's Table 5.2, or an invented name.
    genomes : tuple of str
        Sources of its sequence; none where `promoters` are sequences.
    promoters : str
        Source of the positions (BED), or of the windows themselves (FASTA).
    tss : int or None
        Index of the TSS in such windows.
    """

    species: str
    genomes: tuple[str, ...]
    promoters: str
    tss: int | None = None

    def paths(self) -> tuple[list[Path], Path]:
        """Local copies of the genomes and of the promoters, fetched where need be."""
        return [sources.fetch(name) for name in self.genomes], sources.fetch(self.promoters)


# The nine of Table 5.2 from the official sources, in its order
TABLE_5_2: dict[str, Organism] = {
    "human": Organism("H. sapiens", ("hg38",), "epdnew-human"),
    "mouse": Organism("M. musculus", ("mm10",), "epdnew-mouse"),
    "chicken": Organism("G. gallus", ("galGal5",), "epdnew-chicken"),
    "zebrafish": Organism("D. rerio", ("danRer7",), "epdnew-zebrafish"),
    "fly": Organism("D. melanogaster", ("dm6",), "epdnew-fly"),
    "worm": Organism("C. elegans", ("ce6",), "epdnew-worm"),
    "maize": Organism("Z. mays", ("zm3",), "epdnew-maize"),
    "yeast": Organism("S. cerevisiae", ("sacCer3",), "epdnew-yeast"),
    "plasmodium": Organism("P. falciparum", ("pfa2",), "epdnew-plasmodium"),
}
ORGANISMS: dict[str, Organism] = TABLE_5_2 | {
    "human-slices": Organism(
        "H. sapiens", ("hg38-chr1-start", "hg38-chr17-start", "hg38-chr18-start"), "epdnew-human-tss"
    ),
    "yeast-ensembl": Organism("S. cerevisiae", ("yeast-ensembl",), "epdnew-yeast-tss"),
    "worm-401bp": Organism("C. elegans", (), "epdnew-worm-401bp", 200),
    "yeast-401bp": Organism("S. cerevisiae", (), "epdnew-yeast-401bp", 200),
    "plasmodium-401bp": Organism("P. falciparum", (), "epdnew-plasmodium-401bp", 200),
    "simulated-a": Organism("Simulated A", ("simulated-nuclear-a",), "simulated-nuclear-a-promoters"),
    "simulated-b": Organism("Simulated B", ("simulated-nuclear-b",), "simulated-nuclear-b-promoters"),
    "simulated-c": Organism("Simulated C", ("simulated-nuclear-c",), "simulated-nuclear-c-promoters"),
}


def organism(name: str) -> Organism:
    """The organism of this name, or the user's own windows as ``FILE.fa@TSS`` (TSS: index of its base, from 0).

    Raises
    ------
    DnakitError
        Neither; the message lists the names.
    """
    if name in ORGANISMS:
        return ORGANISMS[name]
    path, mark, index = name.rpartition("@")
    if not mark or not index.isdecimal():
        raise DnakitError(
            f"'{name}' is no organism with promoters: {', '.join(ORGANISMS)}, "
            "or a FASTA file of equal windows and the index of their TSS, such as mine.fa@4999"
        )
    return Organism(Path(path).name, (), path, int(index))


def load(name: str, upstream: int = UPSTREAM, downstream: int = DOWNSTREAM) -> Windows:
    """The promoter windows of an organism of `ORGANISMS`, or of the user's own file (``mine.fa@4999``).

    At most `upstream` bases before the TSS and `downstream` from it on: sources of short windows give all they have.

    Raises
    ------
    DnakitError
        Unknown name, a source that cannot be had or read, or no promoter with a full window.
    """
    known = organism(name)
    genomes, promoters = known.paths()
    if known.tss is not None:
        return read_windows(promoters, known.tss).narrowed(upstream, downstream)
    return cut(genomes, promoters, upstream, downstream)


# ---- windows from files


def read_windows(path: str | Path, tss: int) -> Windows:
    """Windows from a FASTA file of sequences of one length whose TSS has index `tss` (EPDnew's ±200 bp: 200).

    Raises
    ------
    DnakitError
        Sequences of different lengths, or an index that leaves nothing on one side.
    """
    records = list(read_fasta(path))
    length = len(records[0].sequence)
    odd = next((record for record in records if len(record.sequence) != length), None)
    if odd:
        raise DnakitError(
            f"{path}: record '{odd.name}' has {len(odd.sequence)} bases and '{records[0].name}' has {length}; "
            "windows around a TSS must be of one length"
        )
    if not 0 < tss < length:
        raise DnakitError(f"{path}: a TSS at index {tss} does not lie inside windows of {length} bases")
    unknown = [""] * len(records)
    return Windows([record.sequence for record in records], tss, [_title(r) for r in records], unknown, unknown)


def _title(record: Record) -> str:
    """The promoter's name: EPDnew puts it behind its own accession."""
    match = _EPD_TITLE.match(record.description)
    return match[1] if match else record.name


class Site(NamedTuple):
    """One TSS of a BED file: 0-based position, strand, and the promoter's name."""

    chromosome: str
    position: int
    strand: str
    name: str


def read_sites(bed: str | Path) -> list[Site]:
    """The transcription start sites of a BED file in one of two forms, which its rows decide.

    EPDnew's own rows of 60 bp hold the TSS in thickStart (+) or thickEnd - 1 (-); rows of one base are the TSS itself.

    Raises
    ------
    DnakitError
        Rows of both forms or of another one, or a row without a strand.
    """
    rows = list(read_bed(bed))
    single = [row.end - row.start == 1 for row in rows]
    if any(single) and not all(single):
        row = rows[single.index(not single[0])]
        raise DnakitError(
            f"{bed}: rows of one base (the TSS) and longer ones (EPDnew's windows) are mixed, "
            f"first at {_place(row)}; give one form"
        )
    return [_site(bed, row) for row in rows]


def _site(bed: str | Path, row: BedRow) -> Site:
    if row.strand == ".":
        raise DnakitError(f"{bed}: {_place(row)} has no strand, which a promoter needs")
    position = row.start
    if row.end - row.start != 1:
        if row.thick_start is None or row.thick_end is None or not row.start < row.end <= row.start + EPD_WINDOW:
            raise DnakitError(
                f"{bed}: {_place(row)} is neither one base (the TSS) nor a row of EPDnew "
                f"({EPD_WINDOW} bases, with thickStart and thickEnd)"
            )
        position = row.thick_start if row.strand == "+" else row.thick_end - 1
    return Site(row.chrom, position, row.strand, row.name or f"{row.chrom}:{position}:{row.strand}")


def _place(row: BedRow) -> str:
    return f"{row.chrom}:{row.start}-{row.end}" + (f" ({row.name})" if row.name else "")


def cut(
    genomes: str | Path | Sequence[str | Path], bed: str | Path, upstream: int = UPSTREAM, downstream: int = DOWNSTREAM
) -> Windows:
    """Cut the window of every promoter of a BED file from a genome, one chromosome in memory at a time.

    Parameters
    ----------
    genomes : path, or sequence of paths
        FASTA files that together hold the chromosomes (slices must start at base 1).
    bed : str or Path
        As for `read_sites`.
    upstream, downstream : int
        Bases before the TSS, and from the TSS on.

    Returns
    -------
    Windows
        In the order of the BED file; only full windows.

    Raises
    ------
    DnakitError
        Unreadable files, no chromosome with the same name in both, or no full window.
    """
    sites = read_sites(bed)
    rows: dict[str, list[int]] = {}
    for row, site in enumerate(sites):
        rows.setdefault(site.chromosome, []).append(row)
    windows: dict[int, bytes] = {}
    for record in _chromosomes(genomes, bed, sites):
        windows |= {row: _window(record.sequence, sites[row], upstream, downstream) for row in rows[record.name]}
    full = sorted(row for row, window in windows.items() if window)
    if not full:
        raise DnakitError(f"{bed}: no promoter has {upstream} bases before its TSS and {downstream} from it on")
    cut_windows = _windows([sites[row] for row in full], [windows[row] for row in full], upstream)
    return replace(cut_windows, cut_off=len(windows) - len(full), elsewhere=len(sites) - len(windows))


def _chromosomes(genomes: str | Path | Sequence[str | Path], bed: str | Path, sites: list[Site]) -> Iterator[Record]:
    """The sequences of the genomes that the BED file names; at least one of them must be there."""
    paths = [genomes] if isinstance(genomes, (str, Path)) else list(genomes)
    wanted = {site.chromosome for site in sites}
    found = False
    for path in paths:
        for record in read_fasta(path, wanted):
            found = True
            yield record
    if not found:
        raise DnakitError(
            f"{bed} speaks of '{sites[0].chromosome}' and {paths[0]} of '{next(read_fasta(paths[0])).name}': no "
            "sequence has the same name in both; take the promoters' own assembly, with the same names"
        )


def _window(chromosome: bytes, site: Site, upstream: int, downstream: int) -> bytes:
    """Bases -upstream to downstream - 1 on the site's strand, or nothing where they run off the chromosome."""
    before, after = (upstream, downstream) if site.strand == "+" else (downstream - 1, upstream + 1)
    start, end = site.position - before, site.position + after
    if start < 0 or end > len(chromosome):
        return b""
    return chromosome[start:end] if site.strand == "+" else reverse_complement(chromosome[start:end])


def _windows(sites: list[Site], windows: list[bytes], upstream: int) -> Windows:
    chromosomes, strands = [site.chromosome for site in sites], [site.strand for site in sites]
    return Windows(windows, upstream, [site.name for site in sites], chromosomes, strands)


# ---- what is no promoter


def random_positions(
    genomes: str | Path | Sequence[str | Path],
    bed: str | Path,
    count: int,
    seed: int,
    upstream: int = UPSTREAM,
    downstream: int = DOWNSTREAM,
) -> Windows:
    """Windows at random positions of a genome that are no promoters, on random strands.

    Each is drawn independently and uniformly from all positions of the sequences that the BED file names that lie more
    than 5,000 bp from every listed TSS and whose windows on both strands are complete and all ACGT. In a small genome
    they overlap, as promoters do: split them by chromosome. Parameters and errors are those of `cut`; it is also an
    error if there is no such position.
    """
    sites = read_sites(bed)
    drawn: list[tuple[Site, bytes]] = [(sites[0], b"")] * count
    seen = 0
    for number, record in enumerate(_chromosomes(genomes, bed, sites)):
        rng = np.random.default_rng([seed, _POSITION, number])
        near = [site.position for site in sites if site.chromosome == record.name]
        starts, ends = _free(record.sequence, np.array(near), max(upstream, downstream - 1))
        here = int((ends - starts).sum())
        seen += here
        slots = np.flatnonzero(rng.random(count) * seen < here)  # each slot stays uniform over all positions seen
        for slot, site in zip(slots, _sites_in(record.name, starts, ends, len(slots), rng), strict=True):
            drawn[slot] = site, _window(record.sequence, site, upstream, downstream)
    if not seen:
        raise DnakitError(f"{bed}: the genome has no position far from these promoters with a full window of ACGT")
    return _windows([site for site, _ in drawn], [window for _, window in drawn], upstream)


def _free(chromosome: bytes, sites: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of the stretches of positions with `side` known bases on either side and no TSS within `FAR`."""
    known = np.zeros(len(chromosome) + 2, dtype=bool)
    known[1:-1] = _IS_BASE[np.frombuffer(chromosome, dtype=np.uint8)]
    changes = np.flatnonzero(known[1:] != known[:-1])  # known bases from each even entry to the odd one after it
    starts = np.concatenate([[0], changes[1::2] - side, np.minimum(sites - FAR, len(chromosome))])
    ends = np.concatenate([changes[::2] + side, [len(chromosome)], sites + FAR + 1])
    order = np.argsort(starts)
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    free = ends[:-1] < starts[1:]
    return ends[:-1][free], starts[1:][free]


def _sites_in(
    chromosome: str, starts: np.ndarray, ends: np.ndarray, count: int, rng: np.random.Generator
) -> Iterator[Site]:
    """So many uniform positions of these stretches, each on a random strand."""
    if not count:
        return
    last = np.cumsum(ends - starts)
    ranks = rng.integers(last[-1], size=count)
    stretch = np.searchsorted(last, ranks, side="right")
    positions = ends[stretch] - (last[stretch] - ranks)
    for position, minus in zip(positions.tolist(), rng.integers(2, size=count), strict=True):
        strand = "-" if minus else "+"
        yield Site(chromosome, position, strand, f"{chromosome}:{position}:{strand}")


def shuffled(windows: Windows, seed: int) -> Windows:
    """The windows with the letters before the TSS, and those from the TSS on, each permuted among themselves."""
    sequences = []
    for number, sequence in enumerate(windows.sequences):
        rng = np.random.default_rng([seed, _SHUFFLE, number])
        letters = np.frombuffer(sequence, dtype=np.uint8).copy()
        sequences.append(b"".join(rng.permutation(half).tobytes() for half in np.split(letters, [windows.tss])))
    return replace(windows, sequences=sequences)


def random_dna(
    count: int, length: int, tss: int, seed: int, composition: Sequence[float] = (0.25, 0.25, 0.25, 0.25)
) -> Windows:
    """Sequences of independent bases, drawn with the probabilities of A, C, G and T in `composition`."""
    limits = np.cumsum(composition)[:-1] / np.sum(composition)
    sequences = [
        _BASES[np.searchsorted(limits, np.random.default_rng([seed, _RANDOM, number]).random(length), side="right")]
        for number in range(count)
    ]
    unknown = [""] * count
    names = [f"random-{number + 1}" for number in range(count)]
    return Windows([sequence.tobytes() for sequence in sequences], tss, names, unknown, unknown)
