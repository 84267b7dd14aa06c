"""Promoter windows: the sequence around each transcription start site (TSS), in the promoter's own direction.

Thesis section 4.2.2: EPDnew's promoters of nine organisms, from -4999 to +5000 with the TSS at 0, split 81/9/10.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np

from dnakit.chapters.tss.organisms import Organism
from dnakit.chapters.tss.starts import read_sites
from dnakit.data import sources
from dnakit.data import windows as genome_windows
from dnakit.data.formats import Record, read_fasta
from dnakit.data.windows import Site, Windows
from dnakit.project import DnakitError
from dnakit.tokens import corpus as corpora

SHORTEST_SIDE = 20  # bases before the TSS, and from it on: two words of nine bases
_EPD_TITLE = re.compile(r"^(\S+)\s+:[+-]")  # EPDnew's FASTA: ">FP003191 FMP25_1   :+U  EU:NC; range -200 to 200."


def load(known: Organism, upstream: int, downstream: int) -> Windows:
    """The promoter windows of an organism.

    At most `upstream` bases before the TSS and `downstream` from it on: sources of short windows give all they have.

    Raises
    ------
    DnakitError
        A source that cannot be had or read, or no promoter with a full window.
    """
    genomes, promoters = known.paths()
    if known.tss is not None:
        return read_windows(promoters, known.tss).narrowed(upstream, downstream)
    return cut(genomes, promoters, upstream, downstream)


def check(known: Organism) -> None:
    """Refuse promoters that cannot be read; no genome is."""
    promoters = sources.fetch(known.promoters)
    if known.tss is None:
        read_sites(promoters)
    else:
        read_windows(promoters, known.tss)


def cut(genomes: Iterable[Path], bed: Path, upstream: int, downstream: int) -> Windows:
    """The window of every promoter of a BED file (`read_sites`), cut from a genome (`dnakit.data.windows.cut`).

    Raises
    ------
    DnakitError
        As there, and if no promoter has a full window.
    """
    windows = genome_windows.cut(genomes, read_sites(bed), upstream, downstream)
    if not len(windows):
        raise DnakitError(f"{bed}: no promoter has {upstream} bases before its TSS and {downstream} from it on")
    return windows


def sites_of(windows: Windows, bed: Path) -> list[Site]:
    """The start site of each window that was cut at a row of this file."""
    place = {site.name: site for site in read_sites(bed)}
    return [place[name] for name in windows.names]


# ---- files of promoters


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
    if min(tss, length - tss) < SHORTEST_SIDE:
        raise DnakitError(
            f"{path}: windows of {length} bases with the TSS at index {tss} leave fewer than {SHORTEST_SIDE} bases "
            "on one side; give longer windows, or another index"
        )
    unknown = [""] * len(records)
    return Windows([record.sequence for record in records], tss, [_title(r) for r in records], unknown, unknown)


def _title(record: Record) -> str:
    """The promoter's name: EPDnew puts it behind its own accession."""
    match = _EPD_TITLE.match(record.description)
    return match[1] if match else record.name


# ---- which windows


def same_frame(windows: Windows, upstream: int, k: int) -> Windows:
    """Short windows, cut so that their first half leaves the same remainder modulo k as one of `upstream` bases.

    A model that was trained on halves of 4,999 bases can then be evaluated on one of 193, where a window has 200.
    """
    if windows.site >= upstream:
        return windows.narrowed(upstream, len(windows.sequences[0]))
    return windows.narrowed(windows.site - (windows.site - upstream) % k, len(windows.sequences[0]))


def split(windows: Windows, how: Literal["random", "chromosome"], seed: int) -> dict[str, np.ndarray]:
    """Rows of the train, validation and test windows: 81/9/10.

    Drawn at random, or by chromosome: test is the one whose share is nearest to 10%, validation that of the others
    nearest to 9%. Thesis 4.2.2 gives these shares, and does not say how it split. By chromosome no test window overlaps
    a training window; at random many do, for promoters often lie within a few hundred bases of each other.

    Raises
    ------
    DnakitError
        If there are too few windows, or fewer than three chromosomes.
    """
    rng = np.random.default_rng(seed)
    parts = corpora.split(len(windows), rng) if how == "random" else _by_chromosome(windows)
    for part, rows in parts.items():
        if not len(rows):
            raise DnakitError(f"{len(windows)} promoters leave none for {part}; give more")
    return parts


def _by_chromosome(windows: Windows) -> dict[str, np.ndarray]:
    chromosomes = np.array(windows.chromosomes)
    names, counts = np.unique(chromosomes, return_counts=True)
    if not any(names):
        raise DnakitError(
            "these windows do not say which chromosome they are of and cannot be split by it; set fair_split: random"
        )
    if len(names) < 3:
        raise DnakitError(
            f"a split by chromosome needs promoters of at least three, not of {', '.join(names)}; split at random"
        )
    test = int(np.argmin(np.abs(counts - 0.1 * len(windows))))
    distance = np.abs(counts - 0.09 * len(windows)).astype(float)
    distance[test] = np.inf
    validation = int(np.argmin(distance))
    return {
        "train": np.flatnonzero(~np.isin(chromosomes, names[[validation, test]])),
        "validation": np.flatnonzero(chromosomes == names[validation]),
        "test": np.flatnonzero(chromosomes == names[test]),
    }
