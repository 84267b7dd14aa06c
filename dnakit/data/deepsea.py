"""DeepSEA's published data (Zhou and Troyanskaya 2015): DNA of 1,000 bp and 919 chromatin profiles (thesis 4.2.4).

The archive holds three files of Matlab. ``train.mat`` is HDF5 with its axes turned round, ``trainxdata`` of shape
(1000, 4, rows) and ``traindata`` (919, rows); it is read in slices, never whole. ``valid.mat`` and ``test.mat`` are of
Matlab's older format, ``validxdata`` (rows, 4, 1000) and ``validdata`` (rows, 919), and likewise ``testxdata``.
A channel is a base, in the order A, G, C, T; an unknown base is zero in all four.
"""

import io
import math
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from dnakit.data import bases
from dnakit.data.bases import UNKNOWN
from dnakit.data.files import members, most_bytes, open_bytes, open_text, refusing
from dnakit.data.matlab import read_arrays
from dnakit.data.peaks import BIN
from dnakit.data.reads import nucleotides
from dnakit.data.sources import digest
from dnakit.project import DnakitError, data_folder, printable, published_folder

CHANNELS = b"AGCT"
LENGTH, FEATURES = 1_000, 919
KINDS = {"DNase": slice(0, 125), "TF": slice(125, 815), "histone": slice(815, 919)}  # columns of each kind of profile
PARTS = ("train", "valid", "test")
SLICE = 4_096  # rows in memory at once
_CODE_OF_CHANNEL = np.append(bases.codes(CHANNELS), UNKNOWN).astype(np.uint8)


class Rows(NamedTuple):
    """Some rows of the data.

    Attributes
    ----------
    codes : np.ndarray of uint8, shape (rows, bases)
        See `dnakit.data.bases`.
    labels : np.ndarray of int8, shape (rows, 919)
        1 where the profile has a peak in the middle 200 bases, else 0.
    """

    codes: np.ndarray
    labels: np.ndarray


def decoded(channels: np.ndarray) -> np.ndarray:
    """Codes of one-hot bases, ``(rows, 4, bases)`` to ``(rows, bases)``, uint8; no channel at all is an unknown base.

    Raises
    ------
    DnakitError
        If a base has two channels, or a value is neither 0 nor 1.
    """
    plain = np.isin(channels, (0, 1)).all()
    known = channels.sum(1, dtype=np.int64) if plain else np.array([2])
    if known.max(initial=0) > 1:
        raise DnakitError("the sequences are not one-hot (one channel of A, G, C, T a base): get the file again")
    return _CODE_OF_CHANNEL[np.where(known == 1, channels.argmax(1), len(CHANNELS))]


def encoded(codes: np.ndarray) -> np.ndarray:
    """The inverse of `decoded`: uint8, ``(rows, 4, bases)``."""
    return (codes[:, None, :] == bases.codes(CHANNELS)[:, None]).astype(np.uint8)


# ---- the three files


def unpacked(archive: Path) -> Path:
    """The folder with ``train.mat``, ``valid.mat`` and ``test.mat`` of the archive, taken out once and kept.

    Raises
    ------
    DnakitError
        If the archive is damaged or lacks one of them.
    """
    folder = data_folder("cache", "deepsea", digest(archive)[:16])
    if not folder.is_dir():
        with published_folder(folder) as part, refusing(archive), open_bytes(archive) as stream:
            _take_out(stream, part)
            if missing := [name for name in PARTS if not (part / f"{name}.mat").exists()]:
                raise DnakitError(f"{archive}: holds no {missing[0]}.mat; get DeepSEA's training bundle again")
    return folder


def _take_out(stream: io.BufferedReader, folder: Path) -> None:
    """The files of Matlab alone, under their own names: no path of the archive is followed, and no link."""
    for member, content in members(stream):
        name = PurePosixPath(member.name).name
        if name in {f"{part}.mat" for part in PARTS}:
            with open(folder / name, "wb") as handle:
                shutil.copyfileobj(content, handle, io.DEFAULT_BUFFER_SIZE * 128)


def read_rows(folder: Path, part: str, rows: int = 0) -> Iterator[Rows]:
    """The first rows of a part in slices.

    Parameters
    ----------
    folder : Path
        What `unpacked` gave, or any folder with these files.
    part : {"train", "valid", "test"}
    rows : int
        How many from the first on; 0 for all. The thesis takes the first 200,000 of ``train``.

    Raises
    ------
    DnakitError
        If the file is absent or is no such file.
    """
    path = folder / f"{part}.mat"
    if not path.is_file():
        raise DnakitError(f"{path}: is absent; it is part of DeepSEA's training bundle")
    return _hdf5_rows(path, rows) if part == "train" else _matlab_rows(path, part, rows)


def _hdf5_rows(path: Path, rows: int) -> Iterator[Rows]:
    import h5py

    with _reading(path), h5py.File(path, "r") as file:
        channels, labels = (_dataset(path, file, name) for name in ("trainxdata", "traindata"))
        total = _checked(path, channels.shape[::-1], labels.shape[::-1], [channels.dtype, labels.dtype])
        for start, stop in _slices(min(rows, total) if rows else total):
            turned = np.ascontiguousarray(channels[:, :, start:stop].transpose(2, 1, 0))
            yield _rows(path, turned, labels[:, start:stop].T)


def _dataset(path: Path, file: Any, name: str) -> Any:
    """A dataset that lies in the file itself: HDF5 can also point to any file of the reader's, in three ways."""
    import h5py

    found = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external:
        raise DnakitError(f"{path}: holds no data '{name}' of its own; get it again")
    if math.prod(found.chunks or ()) > most_bytes(0):
        raise DnakitError(f"{path}: '{name}' is kept in pieces of {found.chunks}, which are too large; get it again")
    return found


def _matlab_rows(path: Path, part: str, rows: int) -> Iterator[Rows]:
    names = f"{part}xdata", f"{part}data"
    with _reading(path):
        arrays = read_arrays(path, names)
        channels, labels = (arrays[name] for name in names)
        total = _checked(path, channels.shape, labels.shape, [channels.dtype, labels.dtype])
    for start, stop in _slices(min(rows, total) if rows else total):
        yield _rows(path, channels[start:stop], labels[start:stop])


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """One line for whatever a broken file does to its readers."""
    try:
        yield
    except (
        OSError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        RuntimeError,
        OverflowError,
        zlib.error,
    ) as error:
        reason = " ".join(printable(str(error)).split())[:80]
        raise DnakitError(f"{path}: is damaged or no file of DeepSEA ({reason}); get it again") from error


def _checked(path: Path, inputs: tuple[int, ...], labels: tuple[int, ...], types: Sequence[np.dtype]) -> int:
    """The number of rows, if the shapes are DeepSEA's, the file can hold them, and all are numbers."""
    if inputs[1:] != (len(CHANNELS), LENGTH) or labels != (inputs[0], FEATURES):
        raise DnakitError(f"{path}: inputs {inputs} and labels {labels} are not DeepSEA's; get the file again")
    if inputs[0] * (len(CHANNELS) * LENGTH + FEATURES) > most_bytes(path.stat().st_size):
        raise DnakitError(f"{path}: says that it holds {inputs[0]:,} rows, too many for its size; get it again")
    if any(each.kind not in "buif" for each in types):
        raise DnakitError(f"{path}: holds values that are no numbers; get it again")
    return inputs[0]


def _rows(path: Path, channels: np.ndarray, labels: np.ndarray) -> Rows:
    if not np.isin(labels, (0, 1)).all():
        raise DnakitError(f"{path}: holds labels other than 0 and 1; get it again")
    return Rows(decoded(channels), labels.astype(np.int8))


def _slices(rows: int) -> Iterator[tuple[int, int]]:
    return ((start, min(rows, start + SLICE)) for start in range(0, rows, SLICE))


def shifts(codes: np.ndarray) -> np.ndarray:
    """How many bases each row begins after the one before it, 0 where they share no stretch; int64, (rows - 1,).

    The files name no positions. Rows are neighbouring bins in order, so that one repeats the end of the last.
    """
    found = np.zeros(max(0, len(codes) - 1), np.int64)
    for shift in range(LENGTH - BIN, 0, -BIN):
        found[(codes[:-1, shift:] == codes[1:, : LENGTH - shift]).all(1)] = shift
    return found


# ---- a hundred rows with more context


def read_table(path: Path, length: int = LENGTH) -> Rows:
    """Rows of a table without header: a sequence, then 919 labels; the middle `length` bases of the sequence.

    Raises
    ------
    DnakitError
        If a line has other columns, or a sequence is too short.
    """
    codes, labels = [], []
    with refusing(path), open_text(path) as handle:
        for number, line in enumerate(handle, start=1):
            sequence, *values = line.strip().split(",")
            letters = nucleotides(sequence, f"{path}: line {number}")
            if len(values) != FEATURES or not set(values) <= {"0", "1"} or len(letters) < length:
                raise DnakitError(f"{path}: line {number} is no sequence of {length:,} bases and {FEATURES} labels")
            before = (len(letters) - length) // 2
            codes.append(bases.codes(letters[before : before + length]))
            labels.append(np.array(values, np.int8))
    if not codes:
        raise DnakitError(f"{path}: holds no rows")
    return Rows(np.array(codes), np.array(labels))
