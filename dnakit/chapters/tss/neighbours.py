"""How near the test promoters of a split lie to its training promoters.

Promoters lie close together in a genome. In a random split, windows of test and training promoters then overlap, and a
test accuracy is not that on new promoters.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dnakit.chapters.tss import windows as promoters
from dnakit.chapters.tss.organisms import organism
from dnakit.chapters.tss.parameters import Parameters
from dnakit.data.windows import Site, Windows
from dnakit.project import DnakitError
from dnakit.run import Outcome

NEAR = (1_000, 5_000)  # bp


def count(parameters: Parameters) -> Outcome:
    """Count the test promoters with a training TSS within 1 and 5 kb on the same strand.

    The metrics are by task: ``thesis`` (the split of the thesis's protocol) and ``fair``.
    """
    known = organism(parameters.organism)
    windows = promoters.load(known, parameters.upstream, parameters.downstream)
    sites = promoters.sites_of(windows, known.paths()[1])
    metrics = {}
    for task, how in (("thesis", parameters.split), ("fair", parameters.fair_split)):
        apart = distances(sites, promoters.split(windows, how, parameters.seed))
        within = {f"within_{near}": int(np.sum(apart <= near)) for near in NEAR}
        metrics[task] = {"test_promoters": len(apart), **within}
    return Outcome(metrics, known.record() | {"parameters": parameters.splits(), "promoters": len(windows)})


def without_neighbours(windows: Windows, bed: Path, parts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The split without the training and validation windows whose TSS lies within 5 kb of a test TSS, on any strand.

    Parameters
    ----------
    windows : Windows
        Promoters of one organism.
    bed : Path
        The file of their sites.
    parts : mapping of str to np.ndarray of int
        Rows of the windows by part.

    Raises
    ------
    DnakitError
        If that leaves none to train or to validate on.
    """
    sites = promoters.sites_of(windows, bed)
    chromosomes, positions = (np.array(each) for each in zip(*(site[:2] for site in sites), strict=True))
    tested = parts["test"]
    near = np.zeros(len(windows), bool)
    for chromosome in np.unique(chromosomes):
        here = chromosomes == chromosome
        around = np.sort(positions[tested][here[tested]])
        first = np.searchsorted(around, positions[here] - NEAR[-1], "left")
        near[here] = first < np.searchsorted(around, positions[here] + NEAR[-1], "right")
    kept = {part: rows if part == "test" else rows[~near[rows]] for part, rows in parts.items()}
    for part, rows in kept.items():
        if not len(rows):
            raise DnakitError(
                f"every promoter for {part} lies within 5,000 bases of a test promoter; give more promoters"
            )
    return kept


def distances(sites: Sequence[Site], parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """From each test site to the nearest training site on its chromosome and strand, in bp; infinite without one."""
    places: dict[tuple[str, str], list[int]] = {}
    for row in parts["train"]:
        places.setdefault((sites[row].chromosome, sites[row].strand), []).append(sites[row].position)
    tested = [sites[row] for row in parts["test"]]
    return np.array(
        [min((abs(site.position - at) for at in places.get(site[:3:2], [])), default=np.inf) for site in tested]
    )
