"""Which data exist, where they come from, and a local copy of each.

``data/sources.yaml`` is the list. `fetch` looks in ``data/raw``, then in the mirror (``DNAKIT_MIRROR``, or
``data/mirror``), then downloads; simulated sources are made on first demand. A file with a published checksum is held
to it. A download without one is pinned by the checksum that it had first, in a small record beside it. A mirror's file
without one is taken as it is.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dnakit.data import records
from dnakit.project import (
    DnakitError,
    NotInMirror,
    absolute,
    checked,
    data_folder,
    did_you_mean,
    environment_path,
    locked,
    published_folder,
    root,
    sha256,
    users_folder,
    users_path,
)


class Source(BaseModel):
    """One entry of ``data/sources.yaml``.

    Attributes
    ----------
    name, title : str
        The key, and what a reader calls it.
    file : str
        The file's name in ``data/raw``.
    url, instead : str or None
        Where it is published; where only the mirror has it, the official source that serves the same purpose.
    mirror : str or None
        Its path inside the mirror, a folder of files that were got before.
    sha256 : str or None
        Published, or pinned here.
    bytes : int or None
    licence, assembly, citation, note : str or None
    world : str or None
        For simulated sources: the module of `dnakit.data.simulate` that makes it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    title: str
    file: str = Field(pattern=r"^[^/\\]+$")
    url: str | None = Field(default=None, pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])")
    instead: str | None = None
    mirror: str | None = None
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    bytes: int | None = Field(default=None, gt=0)
    licence: str | None = None
    assembly: str | None = None
    citation: str | None = None
    note: str | None = None
    world: str | None = Field(default=None, pattern=r"^[a-z_]+$")

    @model_validator(mode="after")
    def _has_an_origin(self) -> "Source":
        if not (self.url or self.mirror or self.world):
            raise ValueError("needs one of url, mirror, world")
        if self.world and not find_spec(f"dnakit.data.simulate.{self.world}"):
            raise ValueError(f"no simulated world is called '{self.world}'")
        return self

    @property
    def simulated(self) -> bool:
        """Whether a module of `dnakit.data.simulate` makes the data."""
        return self.world is not None


# ---- the list


def registry() -> dict[str, Source]:
    """All sources by name, from ``data/sources.yaml`` or from the file that ``DNAKIT_SOURCES`` names.

    Raises
    ------
    DnakitError
        The file is absent or an entry is malformed.
    """
    path = _list()
    try:
        return _parsed(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise DnakitError(f"{path}: the list of sources cannot be read: {error.strerror}") from error


def _list() -> Path:
    return environment_path("DNAKIT_SOURCES") or root() / "data" / "sources.yaml"


@cache
def _parsed(path: Path, _modified: int) -> dict[str, Source]:
    where = f"{path}: not a list of sources"
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise DnakitError(f"{where}: save it as UTF-8") from error
    except (yaml.YAMLError, ValueError) as error:
        line = f": mend line {mark.line + 1}" if (mark := getattr(error, "problem_mark", None)) else ""
        raise DnakitError(f"{where}: not YAML{line}") from error
    if not (isinstance(entries, dict) and all(isinstance(entry, dict) for entry in entries.values())):
        raise DnakitError(
            f"{where}: it has to hold names, each with lines like title: and file: (see data/sources.yaml)"
        )
    return {
        str(name): checked(Source, {"name": str(name)} | entry, f"{path}: source '{name}'")
        for name, entry in entries.items()
    }


def describe(name: str | Path) -> Source:
    """The entry of a source, or a plain one for the user's own file.

    Raises
    ------
    DnakitError
        Neither a known name nor an existing file; the message proposes the nearest name.
    """
    if source := _listed(name):
        return source
    path = _own_file(name)
    size = path.stat().st_size or None  # unchecked below: a file of the user's may have any name
    return Source.model_construct(name=path.name, title=f"sequences of {path.name}", file=path.name, bytes=size)


def about(names: Sequence[str]) -> dict[str, Any]:
    """What a run's record says of its sources: ``source`` (titles), ``source_sha256`` and ``simulated``.

    ``source_sha256`` is one digest, or one for each of several sources, with a space between.
    """
    described = [describe(name) for name in names]
    return {
        "source": ", ".join(source.title for source in described),
        "source_sha256": " ".join(digest(fetch(name)) for name in names),
        "simulated": any(source.simulated for source in described),
    }


def _listed(name: str | Path) -> Source | None:
    """The entry of this name, if there is one; a file of the user's with the same name is told apart, not guessed."""
    source = None if isinstance(name, Path) else registry().get(name)
    if source and users_path(str(name)):
        raise DnakitError(
            f"'{name}' is a source of data/sources.yaml and a file here: write ./{name} for the file, "
            "or rename it for the source"
        )
    return source


def names_by_digest(values: Iterable[Any]) -> dict[str, dict[str, Any]]:
    """Name, title and kind of the sources among these values, by digest of their content.

    The store keeps a run under the content of its data, so its record may hold the name that another file of the same
    content had. Nothing is downloaded or made here.
    """
    found = {}
    known = registry() if _list().exists() else {}
    for name in _texts(values):
        source = known.get(name)
        path = _present(source) if source else users_path(name) or users_path(name.rpartition("@")[0])
        if path:
            source = source or describe(path)
            found[digest(path)] = {"name": source.name, "title": source.title, "simulated": source.simulated}
    return found


def _texts(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        yield from [value] if isinstance(value, str) else _texts(value) if isinstance(value, list) else ()


def _present(source: Source) -> Path | None:
    """Where a source lies already, if it does."""
    if not source.simulated:
        return _from_raw(source) or _from_mirror(source)
    path = _world_folder(source) / source.file
    return path if path.is_file() else None


def _own_file(name: str | Path) -> Path:
    named = str(name)
    found = users_path(named) or users_path(str(root() / named))
    if found:
        return found
    if not named.strip():
        raise DnakitError(
            "the name of a source is empty: give the path of a FASTA file, or a name of data/sources.yaml"
        )
    if Path(named).is_dir():
        raise DnakitError(f"{name}: is a folder; give the path to a file, or one of the names in data/sources.yaml")
    raise DnakitError(
        f"'{name}' is neither a source of data/sources.yaml nor a file (its path counts from "
        f"{users_folder()})" + did_you_mean(str(name), registry())
    )


def digest(path: str | Path) -> str:
    """The sha256 of a file in hex, read in a stream; remembered while size and modification time stay the same."""
    try:
        stat = os.stat(path)
        return _digest(str(path), stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise DnakitError(f"{path}: cannot be read: {error.strerror}") from error


@cache
def _digest(path: str, _size: int, _modified: int) -> str:
    return sha256(path)


# ---- a local copy


def fetch(name: str | Path) -> Path:
    """A local path of a source, or of the user's own file.

    A source is verified by its published checksum, a download without one by that of its first download. A mirror's
    file without a published checksum is taken as it is.

    Parameters
    ----------
    name : str or Path
        A name from ``data/sources.yaml``, or the path to an existing file, which is returned as it is.

    Returns
    -------
    Path
        In ``data/raw``, in the mirror (used in place), or under ``data/cache/simulated``.

    Raises
    ------
    DnakitError
        Unknown name, damaged file, no network and no mirror, a full or read-only disk; one line that says what to do.
    """
    source = _listed(name)
    if source is None:
        return _own_file(name)
    if source.simulated:
        return _simulated(source)
    return _from_raw(source) or _from_mirror(source) or _from_url(source)


def _from_raw(source: Source) -> Path | None:
    """The file in ``data/raw``; hashed once, and again only if its size or time has changed."""
    path = data_folder("raw", source.file)
    if not path.is_file():
        return None
    stat, record = path.stat(), records.read(path)
    expected = source.sha256 or record.get("sha256")
    unchanged = (record.get("bytes"), record.get("mtime_ns")) == (stat.st_size, stat.st_mtime_ns)
    if unchanged and record.get("sha256") == expected:
        return path
    _refuse_another(path, expected, f"delete it and fetch '{source.name}' again")
    _write_record(path, source, record.get("date"))
    return path


def _from_mirror(source: Source) -> Path | None:
    folder = _mirror()
    if folder is None:
        return None
    path = next((folder / file for file in (source.mirror, source.file) if file and (folder / file).is_file()), None)
    if path:
        _refuse_another(path, source.sha256, "copy it to the mirror again, or unset DNAKIT_MIRROR to do without")
    return path


def _mirror() -> Path | None:
    """The mirror's folder; a relative one counts from the working folder, or the checkout (kernels start elsewhere)."""
    if not os.environ.get("DNAKIT_MIRROR"):
        folder = data_folder("mirror")
        return folder if folder.is_dir() else None
    absolute(os.environ["DNAKIT_MIRROR"])  # refuses what cannot be a path
    named = Path(os.environ["DNAKIT_MIRROR"]).expanduser()
    for folder in (named, root() / named):
        if folder.is_dir():
            return folder.resolve()
    raise DnakitError(f"DNAKIT_MIRROR names {named}, which is no folder: correct it, or unset it")


def _simulated(source: Source) -> Path:
    """A simulated file, made now where its world is not there, or no longer as it was made."""
    folder = _world_folder(source)
    path = folder / source.file
    if not _is_as_made(path):
        with _locked(folder.parent / f".{source.world}.lock"):
            if not _is_as_made(path):
                with published_folder(folder) as part:
                    import_module(f"dnakit.data.simulate.{source.world}").write(part)
                    records.write_digests(part)
    return path


def _is_as_made(path: Path) -> bool:
    """Whether a simulated file is there and is what was made: a damaged one is made again, as its folder is."""
    return path.is_file() and records.digests(path.parent).get(path.name) == digest(path)


def _world_folder(source: Source) -> Path:
    """Its name changes with the code that worlds are made by, so that no old world is taken for today's."""
    return data_folder("cache", "simulated", f"{source.world}-{_code()[:12]}")


@cache
def _code() -> str:
    """A digest of all modules of `dnakit.data`, as they were when this process first asked: a world is made of many."""
    digests = [digest(path) for path in sorted(Path(__file__).parent.rglob("*.py"))]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock (see `locked`); a disk that refuses is one line."""
    try:
        with locked(path):
            yield
    except OSError as error:
        raise DnakitError(
            f"{path.parent}: cannot be written: {error.strerror or error} (DNAKIT_DATA names another folder)"
        ) from error


def _write_record(path: Path, source: Source, downloaded: str | None = None) -> None:
    records.write(path, digest(path), source.url, downloaded)


def _refuse_another(path: Path, expected: str | None, what_to_do: str) -> None:
    """Refuse a file that is not the expected one."""
    if expected and digest(path) != expected:
        difference = f"sha256 {digest(path)[:12]}…, expected {expected[:12]}…"
        raise DnakitError(f"{path}: damaged or another version ({difference}): {what_to_do}")


# ---- download


def _from_url(source: Source) -> Path:
    from dnakit.data.download import explained

    if source.url is None:
        instead = f"fetch '{source.instead}' instead" if source.instead else "give a file of your own"
        raise NotInMirror(
            f"'{source.name}' exists in the mirror only: set DNAKIT_MIRROR to the folder that holds {source.mirror}, "
            f"{instead}, or use simulated data (--profile smoke)"
        )
    path = data_folder("raw", source.file)
    with _locked(path.with_name(f".{path.name}.lock")), explained(source.name, source.url, path):
        if present := _from_raw(source):
            return present
        _retrieve(source, path)
        _write_record(path, source)
    return path


def _retrieve(source: Source, path: Path) -> None:
    """Download; a file gets its name when its checksum is the expected one."""
    from dnakit.data.download import download

    record = records.read(path)
    expected = source.sha256 or record.get("sha256")
    try:
        download(str(source.url), path, expected)
    except ValueError as error:
        reason = "what came is not the published file: try again later, or get it elsewhere"
        if not source.sha256:
            got = record.get("date")
            reason = f"the file has changed since {got}: delete {records.path_of(path)} to accept the new release"
        raise DnakitError(f"{source.url}: {reason} (expected sha256 {str(expected)[:12]}…)") from error
