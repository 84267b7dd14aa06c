"""Files: plain or compressed text, archives of text, and writing that leaves a whole file or none."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import IO, Any, TextIO

from dnakit.project import DnakitError

_BLOCK = 1 << 20
_TAR_MAGIC = slice(257, 262)  # "ustar" stands there


@contextmanager
def refusing(path: Path, kind: str) -> Iterator[None]:
    """Turn what a broken file does to its readers into one line that names it."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise DnakitError(f"{path}: not a {kind} file (bytes that are no text)") from error
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, tarfile.TarError) as error:
        raise DnakitError(f"{path}: the compressed file is truncated or damaged; get it again") from error
    except OSError as error:
        reason = error.strerror or "the compressed file is damaged; get it again"
        raise DnakitError(f"{path}: cannot be read: {reason}") from error


def open_bytes(path: Path) -> io.BufferedReader:
    """Open a plain, gzip, xz or bzip2 file; the first bytes decide, not the name."""
    with open(path, "rb") as handle:
        magic = handle.read(6)
    openers: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"\xfd7zXZ\x00": lzma.open, b"BZh": bz2.open}
    opener = next((opener for start, opener in openers.items() if magic.startswith(start)), open)
    return io.BufferedReader(opener(path, "rb"), _BLOCK)


def open_text(path: Path) -> TextIO:
    """Open plain or compressed text, with or without a byte order mark."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig")


def texts(path: Path) -> Iterator[tuple[str, TextIO]]:
    """The text of a file, or those of a tar archive's regular files one after the other, compressed or not.

    Nothing is unpacked: the archive is read once, from its beginning to its end.

    Yields
    ------
    tuple of (str, TextIO)
        What to call it in a message, and the open text, to be read before the next one.
    """
    with open_bytes(path) as stream:
        if stream.peek(512)[_TAR_MAGIC] != b"ustar":
            yield str(path), io.TextIOWrapper(stream, encoding="utf-8-sig")
            return
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isreg() else None
                if content is not None:
                    yield (
                        f"{path}: {member.name}",
                        io.TextIOWrapper(io.BufferedReader(_Forward(content), _BLOCK), encoding="utf-8-sig"),
                    )
        while stream.read(_BLOCK):  # tarfile stops at its end mark; what is cut off or damaged behind it counts too
            pass


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


@contextmanager
def part_file(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write to; it becomes ``path`` if the block succeeds, and disappears if it does not."""
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise DnakitError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        if part.exists():
            part.unlink()


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
