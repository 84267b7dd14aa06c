"""Where made things live: each under a key of everything that went into it, made once, published by one rename.

Runs and tokenized corpora are kept here. A name alone never selects one: the key is a digest of the parameters, of the
digests of the inputs, and of an explicit recipe version, which is raised when the code's meaning changes.
"""

import errno
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dnakit import processes
from dnakit.project import (
    REFUSALS,
    DnakitError,
    data_folder,
    locked,
    printable,
    published,
    published_folder,
    root,
)

RECORDS = ("run.json", "metrics.json")  # every run has them


def key(recipe: str, inputs: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that change with the recipe version or with any input."""
    text = json.dumps([recipe, dict(inputs)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def path_of(kind: str, made_key: str) -> Path:
    """Where the finished folder of a kind (``runs``, ``datasets``) lies, whether it exists or not."""
    shelf = data_folder("runs") if kind == "runs" else data_folder("cache", kind)
    return shelf / made_key


def get_or_make(kind: str, made_key: str, make: Callable[[Path], None]) -> Path:
    """The finished folder for a key: the one in the store, else the one that ``make`` fills now.

    ``make(part)`` works in a part folder that appears under its final name by one rename, after ``make`` returned. A
    second process that asks for the same key waits and finds it done. Of processes that train together the first makes
    it. The part folder of a killed process is handed to the next one as it was left, so that ``make`` may resume from
    what it holds.

    Raises
    ------
    DnakitError
        If the store cannot be written to, or lacks a file that `make` reads.
    """
    final = path_of(kind, made_key)
    if final.exists():
        return final
    if processes.number():
        return processes.wait_for(final)
    try:
        with locked(final.parent / f".{made_key}.lock"):
            if not final.exists():
                part = final.parent / f".{made_key}.part"
                part.mkdir(exist_ok=True)
                with _removed_if_refused(part):
                    make(part)
                os.replace(part, final)
    except Exception as error:
        if isinstance(error, FileNotFoundError) and _folder_of(Path(str(error.filename))):  # a table of another run
            raise DnakitError(_damaged(Path(str(error.filename)), error)) from error
        if not _is_of_the_disk(error):
            raise
        shelf = final.parent.resolve()
        shown = shelf.relative_to(root()) if shelf.is_relative_to(root()) else shelf
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        raise DnakitError(
            f"cannot write to {shown}: {reason}; make room or make it writable, or set DNAKIT_DATA to another folder"
        ) from error
    return final


@contextmanager
def _removed_if_refused(part: Path) -> Iterator[None]:
    """An error of the user's leaves no empty part folder; what a training wrote before one stays for the next try."""
    try:
        yield
    except DnakitError:
        with suppress(OSError):  # it is not empty
            part.rmdir()
        raise


def _is_of_the_disk(error: Exception) -> bool:
    """Whether a disk refused: the writers of tokenizers, safetensors and torch have exceptions of their own for it."""
    if isinstance(error, DnakitError):  # one clear line already
        return False
    if isinstance(error, OSError) and error.errno in REFUSALS:
        return True
    return any(sign in str(error) for sign in ("(os error ", "PytorchStreamWriter failed"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader never sees half a file.

    JSON has no word for a number that is not finite: it becomes null. Bytes of a file's name that are no text become
    U+FFFD.
    """
    clean = json.loads(printable(json.dumps(value, ensure_ascii=False)), parse_constant=lambda _: None)
    with published(path) as part:
        part.write_text(json.dumps(clean, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; one that is cut off or gone is one line (see `reading`)."""
    with reading(path):
        return json.loads(path.read_text())


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around the reading of a finished file or folder, and nothing else: what is cut off or gone is one line.

    Each library has errors of its own for it, and some raise a bare `Exception`.

    Raises
    ------
    DnakitError
        Says what to do; a disk that refuses goes on as it is.
    """
    try:
        yield
    except (DnakitError, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
            raise
        raise DnakitError(_damaged(path, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
    told = f"{path.name}: {reason[:100]}" if path.suffix else reason[:100]  # of a folder the name stands before it
    if path.is_relative_to(root() / "data" / "recorded"):
        return f"{path} is damaged ({told}): bring it back with git checkout {path.parent}"
    if folder := _folder_of(path):
        return f"{folder} is damaged ({told}): delete this folder, and run the same again"
    return f"{path} is damaged, or is not what it should be ({told})"


def _folder_of(path: Path) -> Path | None:
    """The folder of the store, with the key as its name, in which a file lies; None for a file elsewhere."""
    for shelf, depth in ((data_folder("runs"), 1), (data_folder("cache"), 2)):
        if path.is_relative_to(shelf):
            return shelf.joinpath(*path.relative_to(shelf).parts[:depth])
    return None


def refuse_damaged(folder: Path) -> None:
    """Refuse a finished run that is not whole: a file that it needs is gone, or one is cut off.

    Names, ends and headers are looked at, and no weights.

    Raises
    ------
    DnakitError
        Says what to do.
    """
    needed = [folder / name for name in RECORDS]
    if (folder / "model").exists():
        needed += [folder / "model" / name for name in _needed_by_a_model(folder / "model")]
    for path in [*needed, *folder.glob("*.*"), *folder.glob("model/*.*")]:
        with reading(path):
            read_in_part(path)


def _needed_by_a_model(model: Path) -> list[str]:
    """A model has weights and a description, in ``network.json`` where it is none of transformers."""
    described = "network.json" if (model / "network.json").exists() else "config.json"
    tokenizer = ["tokenizer.json"] if (model / "tokenizer_config.json").exists() else []
    return ["model.safetensors", described, *tokenizer]


def read_in_part(path: Path) -> None:
    """Read so much of a file that an error shows if it is cut off; each library has errors of its own for it."""
    if path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix in (".npz", ".pt", ".pth"):
        zipfile.ZipFile(path).close()
    elif path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, "numpy"):
            pass
    elif path.suffix == ".csv":
        with path.open("rb") as handle:
            handle.seek(max(0, path.stat().st_size - 1))
            if handle.read() != b"\n":
                raise ValueError("it is empty, or its last line has no end")


def recorded_folder(name: str, profile: str, notebook: str) -> Path:
    """Where the record of a run lies, whether it exists or not."""
    return root() / "data" / "recorded" / notebook / profile / name


def record(folder: Path, name: str, profile: str, notebook: str) -> Path:
    """Copy the small files (JSON, CSV) of a finished run on real data to ``data/recorded/<notebook>/<profile>/<name>``.

    Raises
    ------
    DnakitError
        If the run used simulated data: a recorded number stands for a real one.
    """
    if read_json(folder / "run.json")["simulated"]:
        raise DnakitError(f"{name} ran on simulated data; only runs on real data are recorded")
    target = recorded_folder(name, profile, notebook)
    with published_folder(target) as part:
        for file in [*folder.glob("*.json"), *folder.glob("*.csv")]:
            shutil.copyfile(file, part / file.name)
    return target
