"""Files of text: plain or compressed, alone or in a tar archive. What is inside decides, not the name.

Text is UTF-8; bytes that are not UTF-8 are read as Latin-1, so that an umlaut in a header stops nobody. The readers of
`dnakit.data.formats` are strict about the letters of sequences themselves.
"""

import bz2
import codecs
import errno
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, TextIO

from dnakit.project import DnakitError

AS_LATIN1 = "dnakit.latin1"  # how bytes that are not UTF-8 are decoded
_BLOCK = 1 << 20
_LONGEST_HEADER = 10_000  # letters of a line that names columns
_MOST_BYTES, _MOST_TIMES = 100_000_000, 100  # beyond both, what a compressed file unpacks to is no sequence data
_TAR_MAGIC = slice(257, 262)  # "ustar" stands there
_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\x00": lzma.open, b"BZh": bz2.open}
_NO_TEXT = {
    b"PK\x03\x04": "is a zip archive: unpack it and give the file inside (of an Excel workbook, tab-separated text)",
    b"\xd0\xcf\x11\xe0": "is an Excel workbook: save it as tab-separated text",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd: unpack it, or compress it by gzip, xz or bzip2",
    b"7z\xbc\xaf\x27\x1c": "is a 7-Zip archive: unpack it and give the file inside",
    b"BAM\x01": "is a BAM file: write its reads as FASTQ (samtools fastq)",
    b"CRAM": "is a CRAM file: write its reads as FASTQ (samtools fastq)",
    b"\x43\x27\x41\x1a": "is a 2bit file: write it as FASTA (twoBitToFa)",
    codecs.BOM_UTF16_LE: "is UTF-16 text: save it as UTF-8",
    codecs.BOM_UTF16_BE: "is UTF-16 text: save it as UTF-8",
}


def _as_latin1(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("latin-1"), error.end


codecs.register_error(AS_LATIN1, _as_latin1)


@contextmanager
def refusing(where: str | Path) -> Iterator[None]:
    """Turn what a broken file does to its readers into one line that begins with its name."""
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, tarfile.TarError) as error:
        raise DnakitError(f"{where}: the compressed file is truncated or damaged; get it again") from error
    except OSError as error:
        if error.errno == errno.ENOSPC:  # of another file, which is written with what is read
            raise
        reason = error.strerror or "the compressed file is damaged; get it again"
        raise DnakitError(f"{where}: cannot be read: {reason}") from error


def open_text(path: Path) -> TextIO:
    """Open plain, gzip, xz or bzip2 text, with or without a byte order mark.

    Raises
    ------
    DnakitError
        The file is an archive or UTF-16 text.
    """
    return as_text(open_bytes(path), str(path))


def texts(path: Path) -> Iterator[tuple[str, TextIO]]:
    """The text of a file, or those of a tar archive's regular files one after the other, compressed or not.

    Nothing is unpacked: the archive is read once, from its beginning to its end. What macOS adds to an archive
    (``._NAME``, ``.DS_Store``) is passed over.

    Yields
    ------
    tuple of (str, TextIO)
        What to call it in a message, and the open text, to be read before the next one.
    """
    with open_bytes(path) as stream:
        if stream.peek(512)[_TAR_MAGIC] != b"ustar":
            yield str(path), as_text(stream, str(path))
            return
        for member, content in members(stream):
            if not _of_macos(member.name):
                where = f"{path}: {member.name}"
                plain = decompressed(io.BufferedReader(Forward(content), _BLOCK), member.size, where)
                yield where, as_text(plain, where)


def members(stream: io.BufferedReader) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """The regular files of a tar archive, each to be read before the next one; links and devices are passed over.

    A sparse file is passed over too: its holes are nowhere in the archive, and may be as large as its writer likes.
    """
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() and not member.issparse() else None
            if content is not None:
                yield member, content
    while stream.read(_BLOCK):  # tarfile stops at its end mark; what is cut off or damaged behind it counts too
        pass


def _of_macos(member: str) -> bool:
    name = PurePosixPath(member).name
    return name.startswith("._") or name == ".DS_Store"


def open_bytes(path: Path) -> io.BufferedReader:
    """Open a file, decompressed where its first bytes say that it is compressed, up to `most_bytes`."""
    return decompressed(io.BufferedReader(io.FileIO(path), _BLOCK), path.stat().st_size, str(path))


def decompressed(stream: io.BufferedReader, size: int | Callable[[], int], where: str) -> io.BufferedReader:
    """The stream itself, or what it unpacks to, up to `most_bytes`.

    Parameters
    ----------
    stream : io.BufferedReader
    size : int or callable
        Bytes of the compressed data; a function tells how many were read so far, where nobody knows their number.
    where : str
        What to call it in a message.
    """
    start = stream.peek(6)
    opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
    return stream if opener is None else io.BufferedReader(_Bounded(opener(stream, "rb"), size, where), _BLOCK)


def most_bytes(size: int) -> int:
    """To how many bytes a file of this size may unpack: a few kilobytes can be made to unpack to terabytes."""
    return max(_MOST_BYTES, _MOST_TIMES * size)


def as_text(stream: io.BufferedReader, where: str) -> TextIO:
    """The text in a stream of bytes, with or without a byte order mark.

    Raises
    ------
    DnakitError
        The bytes are an archive or UTF-16 text.
    """
    refuse_no_text(stream, where)
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors=AS_LATIN1)


def refuse_no_text(stream: io.BufferedReader, where: str) -> None:
    """Refuse what begins as a zip archive, a tar archive or UTF-16 text does."""
    start = stream.peek(512)
    if start[_TAR_MAGIC] == b"ustar":
        raise DnakitError(f"{where}: is a tar archive: unpack it and give the file inside")
    for magic, what in _NO_TEXT.items():
        if start.startswith(magic):
            raise DnakitError(f"{where}: {what}")


# ---- tables


def first_line(path: Path) -> str:
    """The first line of a text, as far as one that names columns may reach."""
    with refusing(path), open_text(path) as handle:
        return handle.readline(_LONGEST_HEADER).rstrip("\r\n")


def read_table(path: Path, columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """The rows of a tab-separated table whose first line names its columns, by their value in the first of `columns`.

    Raises
    ------
    DnakitError
        If the table lacks one of `columns`; if a row has more or fewer columns than the first line, or says something
        else than an earlier row of the same name.
    """
    found: dict[str, dict[str, str]] = {}
    with refusing(path), open_text(path) as handle:
        header = handle.readline(_LONGEST_HEADER).rstrip("\r\n").split("\t")
        if missing := [name for name in columns if header.count(name) != 1]:
            raise DnakitError(
                f"{path}: has no column '{missing[0]}', or two of it; "
                "separate columns by tabs and name them in the first line"
            )
        for number, line in enumerate(handle, start=2):
            row = line.rstrip("\r\n").split("\t")
            if line.strip() and len(row) != len(header):
                raise DnakitError(
                    f"{path}: row {number} has {len(row)} columns and the first row {len(header)}; mend it"
                )
            named = dict(zip(header, row, strict=False))
            if line.strip() and found.setdefault(named[columns[0]], named) != named:
                raise DnakitError(
                    f"{path}: row {number} says something else of {named[columns[0]][:40]!r} than a row before it"
                )
    return found


# ---- streams


class Forward(io.RawIOBase):
    """Bytes that can only be read on; tarfile's members fail when a text layer asks whether they can be sought in."""

    def __init__(self, content: IO[bytes]) -> None:
        self._content = content

    def readable(self) -> bool:
        """It is; what `io.RawIOBase` wants to know."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read on, into the buffer; the number of bytes."""
        piece = self._content.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


class _Bounded(Forward):
    """What a compressed file unpacks to, up to a bound."""

    def __init__(self, content: IO[bytes], size: int | Callable[[], int], where: str) -> None:
        super().__init__(content)
        self._count, self._size, self._where = 0, size, where

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        self._count += count
        if self._count > most_bytes(self._size() if callable(self._size) else self._size):
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
