"""Files of text: plain or compressed, alone or in a tar archive. What is inside decides, not the name.

Text is UTF-8; bytes that are not UTF-8 are read as Latin-1, so that an umlaut in a header stops nobody. The readers of
`dnakit.data.formats` are strict about the letters of sequences themselves.
"""

import bz2
import codecs
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, TextIO

from dnakit.project import DnakitError

_BLOCK = 1 << 20
_MOST_BYTES, _MOST_TIMES = 100_000_000, 100  # beyond both, what a compressed file unpacks to is no sequence data
_TAR_MAGIC = slice(257, 262)  # "ustar" stands there
_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\x00": lzma.open, b"BZh": bz2.open}
_NO_TEXT = {
    b"PK\x03\x04": "is a zip archive: unpack it and give the file inside",
    codecs.BOM_UTF16_LE: "is UTF-16 text: save it as UTF-8",
    codecs.BOM_UTF16_BE: "is UTF-16 text: save it as UTF-8",
}


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error("dnakit.latin1", _as_latin1)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn what a broken file does to its readers into one line that names it."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, tarfile.TarError) as error:
        raise DnakitError(f"{path}: the compressed file is truncated or damaged; get it again") from error
    except OSError as error:
        reason = error.strerror or "the compressed file is damaged; get it again"
        raise DnakitError(f"{path}: cannot be read: {reason}") from error


def open_text(path: Path) -> TextIO:
    """Open plain, gzip, xz or bzip2 text, with or without a byte order mark.

    Raises
    ------
    DnakitError
        The file is a zip archive or UTF-16 text.
    """
    return _text(_open_bytes(path), str(path))


def texts(path: Path) -> Iterator[tuple[str, TextIO]]:
    """The text of a file, or those of a tar archive's regular files one after the other, compressed or not.

    Nothing is unpacked: the archive is read once, from its beginning to its end. What macOS adds to an archive
    (``._NAME``, ``.DS_Store``) is passed over.

    Yields
    ------
    tuple of (str, TextIO)
        What to call it in a message, and the open text, to be read before the next one.
    """
    with _open_bytes(path) as stream:
        if stream.peek(512)[_TAR_MAGIC] != b"ustar":
            yield str(path), _text(stream, str(path))
            return
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() and not _of_macos(member.name) else None
                if content is not None:
                    where = f"{path}: {member.name}"
                    plain = _decompressed(io.BufferedReader(_Forward(content), _BLOCK), member.size, where)
                    yield where, _text(plain, where)
        while stream.read(_BLOCK):  # tarfile stops at its end mark; what is cut off or damaged behind it counts too
            pass


def _of_macos(member: str) -> bool:
    name = PurePosixPath(member).name
    return name.startswith("._") or name == ".DS_Store"


def _open_bytes(path: Path) -> io.BufferedReader:
    with open(path, "rb") as handle:
        opener = _opener(handle.read(6))
    if opener is open:
        return open(path, "rb", _BLOCK)
    return io.BufferedReader(_Bounded(opener(path, "rb"), path.stat().st_size, str(path)), _BLOCK)


def _decompressed(stream: io.BufferedReader, size: int, where: str) -> io.BufferedReader:
    opener = _opener(stream.peek(6))
    return stream if opener is open else io.BufferedReader(_Bounded(opener(stream, "rb"), size, where), _BLOCK)


def _opener(magic: bytes) -> Any:
    return next((opener for start, opener in _OPENERS.items() if magic.startswith(start)), open)


def _text(stream: io.BufferedReader, where: str) -> TextIO:
    start = stream.peek(4)
    for magic, what in _NO_TEXT.items():
        if start.startswith(magic):
            raise DnakitError(f"{where}: {what}")
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="dnakit.latin1")


class _Forward(io.RawIOBase):
    """Bytes that can only be read on; tarfile's members fail when a text layer asks whether they can be sought in."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._content.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


class _Bounded(_Forward):
    """What a compressed file unpacks to, up to a bound: a few kilobytes can be made to unpack to terabytes."""

    def __init__(self, content: IO[bytes], size: int, where: str) -> None:
        super().__init__(content)
        self._most, self._where = max(_MOST_BYTES, _MOST_TIMES * size), where

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        self._most -= count
        if self._most < 0:
            raise DnakitError(
                f"{self._where}: unpacks to more than {_MOST_TIMES} times its size, as no sequence data do; "
                "unpack it, look at it, and give what is inside"
            )
        return count

    def close(self) -> None:
        self._content.close()
        super().close()


@contextmanager
def open_writing(path: Path, suffix: str) -> Iterator[TextIO]:
    """Text, compressed as ``suffix`` asks (.gz, .xz, .bz2); equal text gives equal bytes, whatever the time or name."""
    compressors: dict[str, Callable[[IO[bytes]], Any]] = {
        ".gz": partial(gzip.GzipFile, "", "wb", 9, mtime=0),
        ".xz": partial(lzma.LZMAFile, mode="wb"),
        ".bz2": partial(bz2.BZ2File, mode="wb"),
    }
    with (
        open(path, "wb") as raw,
        compressors.get(suffix, nullcontext)(raw) as stream,
        io.TextIOWrapper(stream, encoding="utf-8", newline="\n") as text,
    ):
        yield text
