"""What no method can pass on the fair tasks: some reads lie in records of several names."""

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dnakit.chapters.metagenomics import comparing, tasks
from dnakit.data.barcodes import RANKS
from dnakit.data.bases import reverse_complement

if TYPE_CHECKING:
    from dnakit.chapters.metagenomics.measurements import FairCeiling


def on_fair_tasks(run: "FairCeiling", folder: Path) -> dict[str, Any]:
    """Write ``accuracy.csv``, with the columns that it has for a method."""
    records, rows = tasks.plain(run.reference.table()), []
    _, asked = comparing.reference_and_asked(run)
    for form in tasks.FORMS:
        reads = tasks.shown(asked, form, run.parameters.seed)
        rows += comparing.scored(reads, chances(reads, records), form, run.parameters.seed)
    pd.DataFrame(rows).to_csv(folder / "accuracy.csv", index=False, float_format="%.5g")
    return {"records": len(records), "asked": len(asked)}


def chances(reads: pd.DataFrame, records: pd.DataFrame) -> np.ndarray:
    """The chance of the right name for one who knows all records, and names the commonest that holds the read.

    Parameters
    ----------
    reads : DataFrame
        With ``sequence`` and the true names by rank.
    records : DataFrame
        All of them, those that the reads are cut from among them.

    Returns
    -------
    ndarray
        ``(reads, ranks)``; where several names are equally common, each is as likely.
    """
    found = list(holding(reads["sequence"].tolist(), records["sequence"].tolist()))
    columns = [
        [_chance(names[rows], truth) for rows, truth in zip(found, reads[rank], strict=True)]
        for rank, names in ((rank, records[rank].to_numpy(object)) for rank in RANKS)
    ]
    return np.array(columns).T


def _chance(names: np.ndarray, truth: str) -> float:
    if not truth:  # an unknown name is never right (`classifier.right_names`)
        return 0.0
    counts = Counter(names[names != ""])
    most = max(counts.values())
    return float(counts[truth] == most) / sum(count == most for count in counts.values())


def holding(reads: Sequence[bytes], records: Sequence[bytes]) -> Iterator[np.ndarray]:
    """The rows of the records that hold each read, on either strand."""
    strands = [{read, reverse_complement(read)} for read in reads]
    length = min((len(read) for read in reads), default=0)
    places = _places({strand[:length] for both in strands for strand in both}, records, length)
    for both in strands:
        rows = {
            row
            for strand in both
            for row, start in places[strand[:length]]
            if records[row][start : start + len(strand)] == strand
        }
        yield np.array(sorted(rows))


def _places(wanted: Set[bytes], records: Sequence[bytes], length: int) -> dict[bytes, list[tuple[int, int]]]:
    """Record and start of every piece of one length that is wanted: one walk over the records for all reads."""
    found: dict[bytes, list[tuple[int, int]]] = {piece: [] for piece in wanted}
    for row, record in enumerate(records):
        for start in range(len(record) - length + 1):
            piece = record[start : start + length]
            if piece in found:
                found[piece].append((row, start))
    return found
