"""Samples on disk: a ``datasets.DatasetDict`` of Arrow files, which are mapped into memory and not loaded.

One row is one sample, without its frame and mask:

==========  ========  ==================================================================================================
column      type
==========  ========  ==================================================================================================
genome      string    name of the genome, or of the piece of a chromosome (``chr1:300000``)
pass        uint16    which pass over the genome, from 0 (k-mers: one pass; BigBird-style words: each pass cuts anew)
start       uint32    tokens of that pass before the sample; 0 begins a new pass
token_ids   uint16s   up to 254 consecutive tokens
==========  ========  ==================================================================================================

Rows lie in the order of the genomes and of their passes. A pass without tokens has no row.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from dnakit import store
from dnakit.tokens.vocabulary import SAMPLE_LENGTH

if TYPE_CHECKING:
    from datasets import DatasetDict
    from pyarrow import ChunkedArray, RecordBatch, Schema

SAMPLE_TOKENS = SAMPLE_LENGTH - 2  # without <cls> and <sep>


def sample_bounds(ends: np.ndarray) -> np.ndarray:
    """Start and end of each sample, shape (samples, 2): up to 254 tokens of one of the documents that end there."""
    starts = np.concatenate([[0], ends[:-1]])
    return np.concatenate(
        [
            np.stack([at := np.arange(start, end, SAMPLE_TOKENS), np.minimum(at + SAMPLE_TOKENS, end)], axis=1)
            for start, end in zip(starts, ends, strict=True)
        ]
    )


def load(folder: Path) -> "DatasetDict":
    """The samples that `RowWriter` saved, mapped from disk."""
    with store.reading(folder):
        return _datasets().load_from_disk(str(folder))


def lengths(column: "ChunkedArray") -> np.ndarray:
    """Tokens of each row of a ``token_ids`` column, shape (rows,)."""
    return np.concatenate([np.diff(chunk.offsets) for chunk in column.chunks])


def joined(column: "ChunkedArray") -> np.ndarray:
    """All token ids of a ``token_ids`` column, one row after the other: mapped where one chunk holds them all."""
    chunks = [chunk.flatten().to_numpy() for chunk in column.chunks]
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)


class RowWriter:
    """Writes rows of several splits as they come, one batch a document, and then saves them as a ``DatasetDict``.

    ``datasets`` writes one split after the other, but genomes of all splits stream by together. So the rows go to one
    Arrow file a split first; `save` turns these into the folder that ``datasets`` reads, a thousand rows at a time.
    """

    def __init__(self, folder: Path, splits: Iterable[str]) -> None:
        import pyarrow

        self.folder, self.parts = folder, folder / ".rows"
        shutil.rmtree(self.parts, ignore_errors=True)  # of a process that was killed
        self.parts.mkdir()
        self.schema = _schema()
        self.writers = {split: pyarrow.ipc.new_stream(str(self.parts / split), self.schema) for split in splits}

    def write(self, split: str, genome: str, number: int, ids: np.ndarray) -> None:
        """Add the samples of one pass over a genome."""
        if len(ids):
            self.writers[split].write_batch(self._batch(genome, number, ids))

    def save(self) -> None:
        """Save the rows under `folder`."""
        for writer in self.writers.values():
            writer.close()
        datasets = _datasets()
        rows = {split: datasets.Dataset.from_file(str(self.parts / split)) for split in self.writers}
        datasets.DatasetDict(rows).save_to_disk(str(self.folder))
        shutil.rmtree(self.parts)

    def _batch(self, genome: str, number: int, ids: np.ndarray) -> "RecordBatch":
        import pyarrow

        starts = np.arange(0, len(ids), SAMPLE_TOKENS)
        offsets = pyarrow.array(np.append(starts, len(ids)), pyarrow.int32())
        tokens = pyarrow.ListArray.from_arrays(offsets, pyarrow.array(ids.astype(np.uint16)))
        columns = [[genome] * len(starts), np.full(len(starts), number, np.uint16), starts.astype(np.uint32), tokens]
        return pyarrow.record_batch(columns, schema=self.schema)


def _schema() -> "Schema":
    datasets = _datasets()
    kinds = {"genome": "string", "pass": "uint16", "start": "uint32"}
    columns = {name: datasets.Value(kind) for name, kind in kinds.items()}
    return datasets.Features(columns | {"token_ids": datasets.List(datasets.Value("uint16"))}).arrow_schema


def _datasets() -> ModuleType:
    """The library without its progress bars; imported late, because it takes a second and few jobs read samples."""
    import datasets

    datasets.disable_progress_bars()
    return datasets
