"""Arrays of numbers in Matlab's files of version 5, with every size in a file checked before it is believed.

SciPy reads these files too, but a damaged one can end its process, and a small one can fill all memory. Only arrays of
numbers are read here. After the header follow elements: a tag (kind and length), then the content. A compressed element
holds an array, and an array holds elements of its own: flags, dimensions, name, numbers (column by column).
Source: MathWorks, MAT-File Format, Level 5.
"""

import math
import struct
import zlib
from collections.abc import Container
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from dnakit.data.files import most_bytes

_HEADER = 128  # bytes; the last four say version and order of bytes
_ORDERS = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
_ARRAY, _COMPRESSED = 14, 15
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES, _COMPLEX = range(6, 16), 0x0800  # of arrays of numbers; a flag
_SMALL = 4096  # bytes, more than flags, dimensions or a name have
_PIECE = 1 << 20


class _Stream(Protocol):
    def read(self, length: int, /) -> bytes: ...


def read_arrays(path: Path, names: Container[str]) -> dict[str, np.ndarray]:
    """The arrays of these names that the file holds.

    Raises
    ------
    ValueError, zlib.error
        The file is damaged or of another version; an array is none of real numbers, or larger than a file of this size
        can hold.
    OSError
        The file cannot be read.
    """
    size = path.stat().st_size
    found = {}
    with open(path, "rb") as file:
        order = _ORDERS.get(file.read(_HEADER)[-4:])
        if order is None:
            raise ValueError("not of Matlab's version 5")
        while file.tell() < size:
            kind, length = struct.unpack(f"{order}II", _exactly(file, 8))
            end = file.tell() + length
            if end > size:
                raise ValueError("it is cut off")
            content: _Stream = _Inflated(file, length) if kind == _COMPRESSED else file
            if kind == _COMPRESSED:
                kind, _ = struct.unpack(f"{order}II", _exactly(content, 8))
            name, shape = _head(content, order) if kind == _ARRAY else ("", ())
            if name in names:
                found[name] = _numbers(content, order, shape, most_bytes(size))
            file.seek(end)
    return found


def _head(content: _Stream, order: str) -> tuple[str, tuple[int, ...]]:
    """Name and shape of an array; the name is empty where it is none of real numbers."""
    flags, dimensions, name = (_element(content, order, _SMALL)[1] for _ in range(3))
    (flag,) = struct.unpack(f"{order}I", flags[:4].ljust(4))
    is_real = flag & 0xFF in _CLASSES and not flag & _COMPLEX
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions[: len(dimensions) // 4 * 4])
    return name.decode("latin-1") if is_real else "", shape


def _numbers(content: _Stream, order: str, shape: tuple[int, ...], most: int) -> np.ndarray:
    kind, data = _element(content, order, most)
    if kind not in _NUMBERS or min(shape, default=-1) < 0:
        raise ValueError("an array holds no numbers")
    values = np.frombuffer(data, np.dtype(order + _NUMBERS[kind]), count=math.prod(shape))
    if values.nbytes != len(data):
        raise ValueError("an array has another size than it says")
    if isinstance(content, _Inflated):
        content.finish()
    return values.reshape(shape, order="F")


def _element(content: _Stream, order: str, most: int) -> tuple[int, bytes]:
    """Kind and content of the next element, without what fills it up to a multiple of eight bytes."""
    tag = _exactly(content, 8)
    kind, length = struct.unpack(f"{order}II", tag)
    if kind >> 16:  # short: length and content lie in the tag
        kind, length = kind & 0xFFFF, kind >> 16
        return kind, tag[4 : 4 + length]
    if length > most:
        raise ValueError(f"an element says that it has {length:,} bytes")
    data = _exactly(content, length)
    content.read(-length % 8)
    return kind, data


def _exactly(content: _Stream, length: int) -> bytes:
    data = content.read(length)
    if len(data) != length:
        raise ValueError("it is cut off")
    return data


class _Inflated:
    """What a compressed element unpacks to, no further than it is read."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self._file, self._left, self._packed, self._unpacker = file, length, b"", zlib.decompressobj()

    def read(self, length: int, /) -> bytes:
        """So many bytes, or what there is."""
        found = bytearray()
        while len(found) < length and not self._unpacker.eof:
            if not self._packed:
                self._packed = self._file.read(min(self._left, _PIECE))
                self._left -= len(self._packed)
                if not self._packed:
                    break
            found += self._unpacker.decompress(self._packed, min(length - len(found), _PIECE))
            self._packed = self._unpacker.unconsumed_tail
        return bytes(found)

    def finish(self) -> None:
        """Refuse content whose end or checksum is missing."""
        if self.read(1) or not self._unpacker.eof:
            raise ValueError("it is cut off, or holds more than an array")
