"""Genome windows: stretches of DNA cut around sites of a genome, and their controls (other places, shuffled, random).

A site is one position on one strand; its windows read 5' to 3' on that strand. Chapter 3 cuts windows around
transcription start sites.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dnakit.data.bases import UNKNOWN, codes, letters, reverse_complement
from dnakit.data.formats import Record, read_fasta
from dnakit.project import DnakitError

FAR = 5_000  # `random_positions` lie farther than this from every given site, in bp
_POSITION, _SHUFFLE, _RANDOM = range(3)  # streams of random numbers


class Site(NamedTuple):
    """A position of a genome, from 0, with its strand (``+`` or ``-``) and its name."""

    chromosome: str
    position: int
    strand: str
    name: str


@dataclass(frozen=True)
class Windows:
    """Sequences of one length around one site each, read 5' to 3' on the site's strand.

    Attributes
    ----------
    sequences : list of bytes
        All of one length.
    site : int
        Index of the site's base: so many bases lie before it.
    names, chromosomes, strands : list of str
        One for each sequence; chromosome and strand are empty where the source does not tell.
    cut_off : int
        Sites left out because the window runs off the end of their sequence.
    elsewhere : int
        Sites left out because the genome given does not hold their sequence.
    """

    sequences: list[bytes]
    site: int
    names: list[str]
    chromosomes: list[str]
    strands: list[str]
    cut_off: int = 0
    elsewhere: int = 0

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def left_out(self) -> str:
        """How many sites have no window here, and why, in words; empty where each has one."""
        reasons = {
            "sites whose window runs off the end of the sequence": self.cut_off,
            "sites whose sequence the genome does not hold": self.elsewhere,
        }
        return ", ".join(f"{reason}: {count:,}" for reason, count in reasons.items() if count)

    def take(self, indices: Sequence[int] | np.ndarray) -> "Windows":
        """These windows, in this order."""
        names, chromosomes, strands = (
            [column[i] for i in indices] for column in (self.names, self.chromosomes, self.strands)
        )
        sequences = [self.sequences[i] for i in indices]
        return replace(self, sequences=sequences, names=names, chromosomes=chromosomes, strands=strands)

    def narrowed(self, upstream: int, downstream: int) -> "Windows":
        """At most so many bases before the site, and from the site on."""
        start, end = max(0, self.site - upstream), self.site + downstream
        return replace(self, sequences=[sequence[start:end] for sequence in self.sequences], site=self.site - start)


# ---- windows of a genome


def cut(genomes: Iterable[str | Path], sites: Sequence[Site], upstream: int, downstream: int) -> Windows:
    """Cut the window of every site from a genome, one chromosome in memory at a time.

    Parameters
    ----------
    genomes : iterable of paths
        FASTA files that together hold the chromosomes (a file of slices must hold their beginnings).
    sites : sequence of Site
    upstream, downstream : int
        Bases before the site, and from the site on.

    Returns
    -------
    Windows
        In the order of the sites; only full windows, so there may be none.

    Raises
    ------
    DnakitError
        Unreadable files, or no chromosome of the sites in them.
    """
    rows: dict[str, list[int]] = {}
    for row, site in enumerate(sites):
        rows.setdefault(site.chromosome, []).append(row)
    windows: dict[int, bytes] = {}
    for record in _chromosomes(genomes, sites):
        windows |= {row: _window(record.sequence, sites[row], upstream, downstream) for row in rows[record.name]}
    full = sorted(row for row, window in windows.items() if window)
    found = _windows([sites[row] for row in full], [windows[row] for row in full], upstream)
    return replace(found, cut_off=len(windows) - len(full), elsewhere=len(sites) - len(windows))


def _chromosomes(genomes: Iterable[str | Path], sites: Sequence[Site]) -> Iterator[Record]:
    """The sequences of the genomes that the sites lie on; at least one of them must be there."""
    paths = list(genomes)
    wanted = {site.chromosome for site in sites}
    found = False
    for path in paths:
        for record in read_fasta(path, wanted):
            found = True
            yield record
    if not found:
        raise DnakitError(
            f"the sites lie on '{sites[0].chromosome}', {paths[0]} holds '{next(read_fasta(paths[0])).name}': no "
            "sequence has the same name in both; take the assembly that the sites belong to, with the same names"
        )


def _window(chromosome: bytes, site: Site, upstream: int, downstream: int) -> bytes:
    """Bases -upstream to downstream - 1 on the site's strand, or nothing where they run off the chromosome."""
    before, after = (upstream, downstream) if site.strand == "+" else (downstream - 1, upstream + 1)
    start, end = site.position - before, site.position + after
    if start < 0 or end > len(chromosome):
        return b""
    return chromosome[start:end] if site.strand == "+" else reverse_complement(chromosome[start:end])


def _windows(sites: Sequence[Site], windows: list[bytes], upstream: int) -> Windows:
    chromosomes, strands = [site.chromosome for site in sites], [site.strand for site in sites]
    return Windows(windows, upstream, [site.name for site in sites], chromosomes, strands)


# ---- windows elsewhere


def random_positions(
    genomes: Iterable[str | Path], sites: Sequence[Site], count: int, seed: int, upstream: int, downstream: int
) -> Windows:
    """Windows at random positions of a genome that are far from all given sites, on random strands.

    Each is drawn independently and uniformly from all positions of the sequences that the sites lie on, more than
    5,000 bp from every site, whose windows on both strands are complete and all ACGT. In a small genome they overlap.

    Parameters
    ----------
    genomes, sites, upstream, downstream
        As for `cut`.
    count, seed : int
        How many, and which.

    Raises
    ------
    DnakitError
        As for `cut`, and if there is no such position.
    """
    drawn: list[tuple[Site, bytes]] = [(sites[0], b"")] * count
    seen = 0
    for number, record in enumerate(_chromosomes(genomes, sites)):
        rng = np.random.default_rng([seed, _POSITION, number])
        near = [site.position for site in sites if site.chromosome == record.name]
        starts, ends = _free(record.sequence, np.array(near), max(upstream, downstream - 1))
        free = int((ends - starts).sum())
        seen += free
        slots = np.flatnonzero(rng.random(count) * seen < free)  # each slot stays uniform over all positions seen
        for slot, site in zip(slots, _sites_in(record.name, starts, ends, len(slots), rng), strict=True):
            drawn[slot] = site, _window(record.sequence, site, upstream, downstream)
    if not seen:
        raise DnakitError(
            f"{', '.join(str(path) for path in genomes)}: no position is far from the given sites and has a full "
            "window of ACGT; give a larger genome or smaller windows"
        )
    return _windows([site for site, _ in drawn], [window for _, window in drawn], upstream)


def _free(chromosome: bytes, sites: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of the stretches of positions with `side` known bases on either side and no site within `FAR`."""
    known = np.zeros(len(chromosome) + 2, dtype=bool)
    known[1:-1] = codes(chromosome) < UNKNOWN
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


# ---- windows of no genome


def shuffled(windows: Windows, seed: int) -> Windows:
    """The windows with the letters before the site, and those from the site on, each permuted among themselves."""
    sequences = []
    for number, sequence in enumerate(windows.sequences):
        rng = np.random.default_rng([seed, _SHUFFLE, number])
        halves = np.split(np.frombuffer(sequence, dtype=np.uint8), [windows.site])
        sequences.append(b"".join(rng.permutation(half).tobytes() for half in halves))
    return replace(windows, sequences=sequences)


def random_dna(
    count: int, length: int, site: int, seed: int, composition: Sequence[float] = (0.25, 0.25, 0.25, 0.25)
) -> Windows:
    """Sequences of independent bases, drawn with the probabilities of A, C, G and T in `composition`."""
    limits = np.cumsum(composition)[:-1] / np.sum(composition)
    sequences = [
        letters(np.searchsorted(limits, np.random.default_rng([seed, _RANDOM, number]).random(length), side="right"))
        for number in range(count)
    ]
    unknown = [""] * count
    names = [f"random-{number + 1}" for number in range(count)]
    return Windows(sequences, site, names, unknown, unknown)
