"""The chapter's inputs, made once and kept: a ``datasets.Dataset`` with a row for each bin.

==========  ===========  =============================================================================================
column      type
==========  ===========  =============================================================================================
chromosome  string       of DeepSEA's archive: the part, and in ``train`` a number that rises where neighbours end
start       int64        first base of the bin; of DeepSEA's archive, which lacks it, neighbours alone are placed right
sequence    string       the window around the bin, letters ACGTN
labels      int8s        one for each feature: 1, 0, or -1 where it is unlabelled
==========  ===========  =============================================================================================
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from dnakit import store
from dnakit.chapters.chromatin.organisms import Organism
from dnakit.data import bases, deepsea, peaks
from dnakit.data.peaks import BIN, UNLABELLED, Feature
from dnakit.project import DnakitError

if TYPE_CHECKING:
    import pyarrow
    from datasets import Dataset

RECIPE = "chromatin profiles 1"  # raise it when the same parameters come to mean other rows
SHELF = "profiles"  # of the store
BATCH = 1_000  # rows written at once
APART = 200_000  # bp from one neighbourhood of DeepSEA's held-out parts to the next: no block holds rows of two
NOTES = "notes.json"  # there where something was changed or left out


class Batch(NamedTuple):
    """Rows to be written."""

    chromosomes: list[str]
    starts: np.ndarray
    sequences: list[bytes]
    labels: np.ndarray


@dataclass(frozen=True)
class Profiles:
    """The rows of an organism.

    Parameters
    ----------
    folder
        In the store.
    fewest
        Features with fewer positive bins are left out.
    """

    folder: Path
    fewest: int = 0

    @cached_property
    def rows(self) -> "Dataset":
        """The dataset, mapped from disk."""
        import datasets

        return datasets.load_from_disk(str(self.folder / "rows"))

    @cached_property
    def features(self) -> list[Feature]:
        """The features, in the order of the labels."""
        kept = self._table[self._kept]
        return [Feature(str(name), str(kind)) for name, kind in zip(kept["feature"], kept["kind"], strict=True)]

    @cached_property
    def labels(self) -> np.ndarray:
        """int8, shape (rows, features)."""
        return self.labels_of(np.arange(len(self)))

    @cached_property
    def chromosomes(self) -> np.ndarray:
        """str, shape (rows,); rows share the objects of their names."""
        column = self._column("chromosome").combine_chunks().dictionary_encode()
        return column.dictionary.to_numpy(zero_copy_only=False)[column.indices.to_numpy()]

    @cached_property
    def starts(self) -> np.ndarray:
        """int64, shape (rows,)."""
        return self._column("start").to_numpy()

    def labels_of(self, rows: np.ndarray) -> np.ndarray:
        """The labels of these rows, int8, shape (rows, features)."""
        found = np.empty((len(rows), len(self.features)), np.int8)
        for number, row in enumerate(rows.tolist()):
            found[number] = self._labels[row].values.to_numpy()[self._kept]
        return found

    def window(self, row: int) -> bytes:
        """The window of a row."""
        return self._sequences[int(row)].as_buffer().to_pybytes()

    def sequences(self, rows: np.ndarray) -> list[bytes]:
        """The windows of these rows."""
        return list(map(self.window, rows))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def notes(self) -> dict[str, str]:
        """What was changed to make peaks and genome fit, and what is left out: for the record of a run."""
        path = self.folder / NOTES
        return store.read_json(path) if path.exists() else {}

    def _column(self, name: str) -> "pyarrow.ChunkedArray":
        return self.rows.data.column(name)

    @cached_property
    def _sequences(self) -> "pyarrow.ChunkedArray":
        return self._column("sequence")

    @cached_property
    def _labels(self) -> "pyarrow.ChunkedArray":
        return self._column("labels")

    @cached_property
    def _table(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "features.csv", keep_default_na=False)

    @cached_property
    def _kept(self) -> np.ndarray:
        return (self._table["bins"] >= self.fewest).to_numpy()


def profiles_key(organism: Organism, window: int, rows: int) -> str:
    """The key of an organism's rows."""
    inputs = {"data": organism.digests(), "kind": organism.kind, "window": window, "rows": rows}
    held_out = {} if organism.genomes else {"held_out": "each row at a place of its own"}
    return store.key(RECIPE, inputs | held_out)


def prepare(organism: Organism, window: int, rows: int = 0) -> Profiles:
    """The rows of an organism, from the store or made now.

    Parameters
    ----------
    organism : Organism
    window : int
        Bases of a window, the bin in its middle.
    rows : int
        Of DeepSEA's training part the first so many rows; 0 for all.

    Raises
    ------
    DnakitError
        If the peaks do not fit the genome, or no bin has a peak.
    """
    if window < BIN or (window - BIN) % 2:
        raise DnakitError(f"a window has {BIN} bases at least and is even, not {window}")
    key = profiles_key(organism, window, rows)
    folder = store.get_or_make(SHELF, key, lambda part: _make(part, organism, window, rows))
    return Profiles(folder, organism.fewest)


def _make(folder: Path, organism: Organism, window: int, rows: int) -> None:
    notes: dict[str, str] = {}
    if organism.genomes:
        features, batches, notes = _of_genome(organism, (window - BIN) // 2)
    else:
        features, batches = _of_deepsea(organism, window, rows)
    bins = _write(folder, len(features), batches)
    if not bins.any():
        raise DnakitError(f"{organism.species}: no bin of the genome has a peak that covers more than half of it")
    table = pd.DataFrame({"feature": [each.name for each in features], "kind": [each.kind for each in features]})
    table.assign(bins=bins).to_csv(folder / "features.csv", index=False)
    if notes:
        store.write_json(folder / NOTES, notes)


def _of_genome(organism: Organism, margin: int) -> tuple[list[Feature], Iterator[Batch], dict[str, str]]:
    """The features, the rows of one piece after the other, and notes on what was changed and left out."""
    genomes, path, table = organism.paths()
    named = peaks.chromosomes(genomes)
    found, renamed = peaks.fitted(peaks.read_peaks(path), named)
    features = peaks.read_features(table, found) if table else peaks.plain_features(found, organism.kind)
    features = peaks.fitted_features(features, named)

    def batches() -> Iterator[Batch]:
        for piece in peaks.read_pieces(genomes):
            peaks.check_end(found, piece)
            bins = peaks.label(piece, features, found, margin)
            windows = peaks.windows(piece, bins.starts, margin)
            yield Batch([piece.chromosome] * len(windows), bins.starts, windows, bins.labels)

    notes = {"chromosomes": renamed, "left_out": peaks.absent(found, named)}
    return features, batches(), {about: note for about, note in notes.items() if note}


def _of_deepsea(organism: Organism, window: int, rows: int) -> tuple[list[Feature], Iterator[Batch]]:
    if window != deepsea.LENGTH:
        raise DnakitError(f"DeepSEA's inputs have {deepsea.LENGTH:,} bases, not {window:,}: give peaks and a genome")
    names = {number: kind for kind, columns in deepsea.KINDS.items() for number in range(columns.start, columns.stop)}
    features = [Feature(f"{number + 1}", kind) for number, kind in sorted(names.items())]

    def batches() -> Iterator[Batch]:
        folder = deepsea.unpacked(organism.paths()[1])
        for part in deepsea.PARTS:
            last: np.ndarray | None = None
            block = start = 0
            for found in deepsea.read_rows(folder, part, rows if part == "train" else 0):
                before = found.codes[:1] if last is None else last
                shifts = deepsea.shifts(np.concatenate([before, found.codes]))
                blocks = block + np.cumsum(shifts == 0)
                starts = _within(shifts, start) if part == "train" else _one_after_another(shifts, start)
                named = [f"train-{number}" for number in blocks] if part == "train" else [part] * len(blocks)
                yield Batch(named, starts, [bases.letters(each) for each in found.codes], found.labels)
                last, block, start = found.codes[-1:], int(blocks[-1]), int(starts[-1])

    return features, batches()


def _within(shifts: np.ndarray, start: int) -> np.ndarray:
    """Positions from distances, counted anew where a distance is 0."""
    run = start + np.cumsum(shifts)
    begins = np.flatnonzero(shifts == 0)
    offset = np.zeros(len(shifts), np.int64)
    offset[begins] = np.diff(run[begins], prepend=0)
    return run - np.cumsum(offset)


def _one_after_another(shifts: np.ndarray, start: int) -> np.ndarray:
    """Positions from distances, `APART` where a distance is 0: each row has a place of its own."""
    return start + np.cumsum(np.where(shifts == 0, APART, shifts))


def _write(folder: Path, features: int, batches: Iterator[Batch]) -> np.ndarray:
    """Write the rows as they come; returns the positive bins of each feature."""
    import datasets
    import pyarrow

    datasets.disable_progress_bars()
    kinds = {"chromosome": datasets.Value("string"), "start": datasets.Value("int64")}
    kinds |= {"sequence": datasets.Value("string"), "labels": datasets.List(datasets.Value("int8"), length=features)}
    schema = datasets.Features(kinds).arrow_schema
    bins = np.zeros(features, np.int64)
    stream = folder / "rows.stream"
    with pyarrow.ipc.new_stream(str(stream), schema) as writer:
        for batch in batches:
            bins += (batch.labels == 1).sum(0)
            for at in range(0, len(batch.starts), BATCH):
                part = slice(at, at + BATCH)
                labels = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(batch.labels[part].ravel()), features)
                sequences = [sequence.decode() for sequence in batch.sequences[part]]
                columns = [batch.chromosomes[part], batch.starts[part], sequences, labels]
                writer.write_batch(pyarrow.record_batch(columns, schema=schema))
    datasets.Dataset.from_file(str(stream)).save_to_disk(str(folder / "rows"))
    stream.unlink()
    return bins


def labelled(labels: np.ndarray) -> np.ndarray:
    """Where a label is known, bool."""
    return labels != UNLABELLED
