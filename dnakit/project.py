"""Where the project's folders are, the one kind of error for users, and how a file appears whole or not at all."""

import difflib
import errno
import glob
import hashlib
import os
import platform
import re
import shutil
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

from filelock import FileLock
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)
REFUSALS = {  # of a disk
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "EIO", "EEXIST", "ENOTDIR", "EFBIG")
}
_STREAMS = re.compile(r"/(proc(/.*)?|dev(/fd)?)")  # folders of devices, and of links to what a process has open
_HOST = f"{zlib.crc32(platform.node().encode()):08x}"  # numbers of processes mean nothing on another machine


class DnakitError(Exception):
    """A mistake that its reader can mend; the message is one line that says what to do.

    The command line prints it without a traceback and exits with 2; a notebook shows the line alone too.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]  # what IPython shows, and papermill


class NotInMirror(DnakitError):
    """A source that nobody publishes is absent from the mirror, or there is no mirror."""


def checked(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """The values as a validated model; DnakitError with one line for the first that is wrong, `where` in front."""
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = f"'{'.'.join(map(str, first['loc']))}': " if first["loc"] else ""
        raise DnakitError(f"{where}: {name}{_in_words(first)}") from error


_WORDS = {  # pydantic's kinds of error, in words of a user
    "greater_than": "has to be more than {gt}, and is {input!r}",
    "greater_than_equal": "has to be {ge} or more, and is {input!r}",
    "less_than": "has to be less than {lt}, and is {input!r}",
    "less_than_equal": "has to be {le} or less, and is {input!r}",
    "literal_error": "has to be {expected}, and is {input!r}",
    "multiple_of": "has to be a multiple of {multiple_of}, and is {input!r}",
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "too_short": "needs {min_length} or more, and has {actual_length}",
    "string_too_short": "is empty",
    "string_pattern_mismatch": "is {input!r}, which is not of the form {pattern}",
}
_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "string": "text", "list": "a list"}


def _in_words(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors without its words; what we raise ourselves in a check stays as it is."""
    kind, given = error["type"], error["input"]
    if kind in _WORDS:
        return _WORDS[kind].format(**error.get("ctx", {}), input=given)
    expected = _KINDS.get(kind.partition("_")[0])
    if expected is None or not kind.endswith(("_type", "_parsing", "_from_float")):
        return error["msg"].removeprefix("Value error, ")
    hint = " (papermill takes a list with -y or -f)" if kind == "list_type" and isinstance(given, str) else ""
    return f"has to be {expected}, not {given!r}{hint}"


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The end of an error message about an unknown name: ``; did you mean 'x'?``, or nothing where no name is near."""
    near = difflib.get_close_matches(str(name)[:100], list(known), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]!r}?" if near else ""


def root() -> Path:
    """The checkout: ``DNAKIT_ROOT``, else where this package lies (beside ``pyproject.toml``), else where we are.

    Raises
    ------
    DnakitError
        If the package was installed without its checkout, and we are not in one.
    """
    if chosen := environment_path("DNAKIT_ROOT"):
        return chosen
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").exists():
        return checkout
    if not (Path.cwd() / "data" / "sources.yaml").exists():
        raise DnakitError(
            "the notebooks, parameters and list of data lie in the project's checkout, and dnakit was installed "
            "without it: work in the folder of the checkout, or set DNAKIT_ROOT to it"
        )
    return Path.cwd()


def absolute(path: str | Path) -> Path:
    """The absolute path, ``~`` expanded and links followed.

    Raises
    ------
    DnakitError
        There is no such user, or the links lead back to themselves.
    """
    try:
        return Path(path).expanduser().resolve()
    except (RuntimeError, ValueError, OSError) as error:  # the second: a null byte
        raise DnakitError(f"{path}: no such path: {' '.join(str(error).split())}") from error


def environment_path(name: str) -> Path | None:
    """The absolute path in an environment variable, ``~`` expanded; None where it is not set, or set to nothing."""
    value = os.environ.get(name)
    return absolute(value) if value else None


def users_folder() -> Path:
    """The folder that the user works in: relative names count from it. A kernel works elsewhere, and is told it."""
    return environment_path("DNAKIT_FROM") or Path.cwd()


def users_path(name: str) -> Path | None:
    """The user's file of this name, ``~`` expanded; None where there is none."""
    try:
        path = users_folder() / Path(name).expanduser()
        return path.resolve() if path.is_file() else None
    except (OSError, ValueError, RuntimeError):  # too long, a null byte, no such user
        return None


def data_folder(*parts: str) -> Path:
    """A path under ``DNAKIT_DATA``, else under the checkout's ``data`` (where git ignores what is made)."""
    return (environment_path("DNAKIT_DATA") or root() / "data").joinpath(*parts)


def relative(path: Path) -> str:
    """The path as a reader sees it: inside the checkout, else its name alone, so that no page names private folders."""
    path = Path(path).resolve()
    return str(path.relative_to(root())) if path.is_relative_to(root()) else path.name


def sha256(path: str | Path) -> str:
    """The SHA-256 of a file in hex, read in a stream."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def printable(text: str) -> str:
    """The text with U+FFFD for the bytes of a file's name that are no text (Python holds them as lone surrogates)."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, made with its folder: of two processes one makes a thing, and the other waits for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


@contextmanager
def published(path: Path) -> Iterator[Path]:
    """A name beside ``path`` to write a file to; a reader sees the whole file at ``path``, or what was there before.

    The file gets its name by one rename when the block ends; if the block fails, it is removed, and so is a folder that
    was made for it. The name to write to keeps the suffix of ``path``, and is different in each process and thread. A
    link stays, and what it leads to is replaced.

    Raises
    ------
    DnakitError
        If the disk refuses, or the name is that of a device or a pipe: the file would take its place.
    """
    path = _followed(path)
    part = _part(path)
    _remove_leftovers(path)
    with _writing(path, part):
        yield part
        os.replace(part, path)


@contextmanager
def published_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside ``path`` to fill; it replaces ``path`` when the block ends; if that fails, it is removed.

    A link stays, and the folder that it leads to is replaced.

    Raises
    ------
    DnakitError
        If the disk refuses, or the name is that of a device or a pipe.
    """
    path = _followed(path)
    part, before = _part(path), _part(path, 0)
    _remove_leftovers(path)
    try:
        with _writing(path, part):
            part.mkdir()
            yield part
            if path.is_dir():
                os.replace(path, before)  # a folder cannot be replaced in one step, and half of one must not be seen
            os.replace(part, path)
    finally:
        _remove(before)


def check_place(path: Path, otherwise: str = "") -> None:
    """Refuse a name that `published` could not write to, before the work begins whose result it is for.

    Parameters
    ----------
    path : Path
    otherwise : str
        What else can be done where it is no file, such as " or leave --output out".

    Raises
    ------
    DnakitError
        It is a folder, a device or a pipe, or the disk refuses.
    """
    path = _followed(path, otherwise)
    if path.is_dir():
        raise DnakitError(f"{path} is a folder: give the name of a file in it")
    there = next((folder for folder in path.absolute().parents if folder.exists()), path.parent)
    with _translated(path, there), TemporaryFile(dir=there):  # of no name, so that nothing is left of it
        pass


def _followed(path: Path, otherwise: str = "") -> Path:
    """The path itself, or what it leads to if it is a link: a rename would put a file in the place of the link.

    What is no file is refused, and so are the names of this process's own streams (``/dev/stdout``), which are links.
    """
    found = path
    for _ in range(40):  # links in a row are all that Linux follows
        folder = os.path.realpath(found.parent)
        is_other = os.path.exists(found) and not (os.path.isfile(found) or os.path.isdir(found))
        if is_other or _STREAMS.fullmatch(folder):
            raise DnakitError(f"{path} is a device or a pipe, and no file: give the name of a file{otherwise}")
        if not os.path.islink(found):
            return found
        found = Path(folder, os.readlink(found))
    raise DnakitError(f"{path} is a link that leads to no file: remove it, or give another name")


def _part(path: Path, writer: int | None = None) -> Path:
    """A hidden name beside ``path`` that no other process and thread has, nor another writer of this thread."""
    writer = threading.get_ident() if writer is None else writer
    return path.with_name(f".{path.stem}.{_HOST}-{os.getpid()}-{writer}.part{path.suffix}")


def _remove_leftovers(path: Path) -> None:
    """What processes of this machine were writing for ``path`` when they were killed, and could not remove."""
    mine = re.compile(rf"\.{re.escape(path.stem)}\.{re.escape(_HOST)}-(\d{{1,9}})-\d+\.part{re.escape(path.suffix)}")
    for part in path.parent.glob(f".{glob.escape(path.stem)}.*.part{glob.escape(path.suffix)}"):
        found = mine.fullmatch(part.name)
        if found and not _is_alive(int(found[1])):
            _remove(part)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's
    return True


@contextmanager
def _writing(path: Path, part: Path) -> Iterator[None]:
    """Make the folder that ``path`` lies in, and remove in the end what is left of ``part`` and a folder left empty."""
    new = [folder for folder in path.parents if not folder.exists()]
    try:
        with _translated(path, part):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield
    finally:
        _remove(part)
        for folder in new:
            with suppress(OSError):  # something lies in it, which is the rule
                folder.rmdir()


def _remove(part: Path) -> None:
    """Remove a file or a folder, if it is there."""
    shutil.rmtree(part, ignore_errors=True)  # nothing where it is a file
    with suppress(OSError):
        part.unlink()


@contextmanager
def _translated(path: Path, part: Path) -> Iterator[None]:
    """One line if the disk refuses ``path``, or what the block writes to ``part``.

    An error about another file, which the block reads, goes on as it is.
    """
    try:
        yield
    except OSError as error:
        if not _refuses(error, path, part):
            raise
        raise DnakitError(f"{path}: cannot be written: {error.strerror or error}") from error


def _refuses(error: OSError, path: Path, part: Path) -> bool:
    """Whether an error is a refusal of the disk that ``path`` lies on; writes to an open file name no file."""
    named = [Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    if not named:
        return error.errno in REFUSALS or isinstance(error, shutil.Error)  # the second: of a tree that is copied
    if any(name in (path, *path.parents) for name in named):
        return True
    in_part = any(part in (name, *name.parents) for name in named)
    return in_part and not isinstance(error, FileNotFoundError)  # one that is read there, and was not written
