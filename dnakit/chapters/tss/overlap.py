"""Promoters that the pretraining on the nuclear genome has seen: its pieces of chromosomes hold them, unlabelled."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dnakit.chapters.tss import windows as promoters
from dnakit.data import sources
from dnakit.data.formats import read_fasta
from dnakit.data.windows import Site
from dnakit.run import Outcome
from dnakit.tokens import corpus

if TYPE_CHECKING:
    from dnakit.chapters.tss.controls import PretrainedPromoters


def count(run: "PretrainedPromoters") -> Outcome:
    """Count the promoters of each part that pretraining could read, and those whose windows it did read.

    The metrics are by task (``thesis`` and ``fair``) and part: ``promoters``; ``drawn_from``, those on chromosomes that
    pieces for training were drawn from; ``read``, those whose window shares bases with such a piece.
    """
    chapter, known = run.parameters, run.organism
    windows = promoters.load(known, chapter.upstream, chapter.downstream)
    sites = promoters.sites_of(windows, known.paths()[1])
    shared = shared_chromosomes(run)
    pieces = [(name, start) for name, start in pieces_of(run) if name in shared]
    chromosomes = {name for name, _ in pieces}
    drawn_from = np.array([site.chromosome in chromosomes for site in sites])
    read = touched(sites, pieces, run.start.corpus.piece, chapter.upstream, chapter.downstream)
    metrics = {
        task: {
            part: {"promoters": len(rows), "drawn_from": int(drawn_from[rows].sum()), "read": int(read[rows].sum())}
            for part, rows in promoters.split(windows, how, chapter.seed).items()
        }
        for task, how in (("thesis", chapter.split), ("fair", chapter.fair_split))
    }
    pretraining = {"pieces": len(pieces), "bases_of_a_piece": run.start.corpus.piece, "corpus": run.inputs()["corpus"]}
    return Outcome(metrics, known.record() | {"parameters": chapter.splits(), "pretraining": pretraining})


def pieces_of(run: "PretrainedPromoters") -> list[tuple[str, int]]:
    """Chromosome and first base of each piece that the pretraining was trained on."""
    names = corpus.prepare(run.start.corpus).genomes["train"]
    return [(name.rpartition(":")[0], int(name.rpartition(":")[2])) for name in names]


def shared_chromosomes(run: "PretrainedPromoters") -> set[str]:
    """The chromosomes that both read from one source; elsewhere one name may mean two sequences."""
    both = set(run.start.corpus.sources) & set(run.organism.genomes)
    return {record.name for source in both for record in read_fasta(sources.fetch(source))}


def touched(
    sites: Sequence[Site], pieces: Iterable[tuple[str, int]], length: int, upstream: int, downstream: int
) -> np.ndarray:
    """Whether the window of each site shares bases with a piece; bool, shape (sites,).

    Parameters
    ----------
    sites
        With their strands: `upstream` bases lie before them and `downstream` from them on.
    pieces
        Chromosome and first base of each.
    length
        Bases of a piece.
    """
    starts: dict[str, list[int]] = {}
    for chromosome, start in pieces:
        starts.setdefault(chromosome, []).append(start)
    found = []
    for site in sites:
        before, after = (upstream, downstream) if site.strand == "+" else (downstream - 1, upstream + 1)
        first, end = site.position - before, site.position + after
        found.append(any(start < end and first < start + length for start in starts.get(site.chromosome, [])))
    return np.array(found, bool)
