"""Where made things live: each under a key of everything that went into it, made once, published by one rename.

A *run* is one training. Tokenized corpora are kept the same way. A name alone never selects one: the key is a digest
of the parameters, of the digests of the inputs, and of an explicit recipe version, raised when the code's meaning
changes.
"""

import errno
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock

from dnakit.project import DnakitError, data_folder, relative, root

REFUSALS = {
    getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS", "EIO", "EEXIST", "ENOTDIR")
}


def key(recipe: str, parameters: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that change with the recipe version or with any parameter or input digest."""
    text = json.dumps([recipe, dict(parameters)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def path_of(kind: str, made_key: str) -> Path:
    """Where the finished folder of a kind (``runs``, ``corpora``) lies, whether it exists or not."""
    shelf = data_folder("runs") if kind == "runs" else data_folder("cache", kind)
    return shelf / made_key


def get_or_make(kind: str, made_key: str, make: Callable[[Path], None]) -> Path:
    """The finished folder for a key: the one in the store, else the one that ``make`` fills now.

    ``make(part)`` works in a part folder that appears under its final name by one rename, after ``make`` returned. A
    second process that asks for the same key waits and finds it done. The part folder of a killed process is handed to
    the next one as it was left, so that ``make`` may resume from what it holds.

    Raises
    ------
    DnakitError
        If the store cannot be written to.
    """
    final = path_of(kind, made_key)
    if final.exists():
        return final
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(final.parent / f".{made_key}.lock"):
            if not final.exists():
                part = final.parent / f".{made_key}.part"
                part.mkdir(exist_ok=True)
                make(part)
                os.replace(part, final)
    except Exception as error:
        if not _is_of_the_disk(error):
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
        raise DnakitError(
            f"cannot write to {relative(final.parent)}: {reason}; "
            "make room or make it writable, or set DNAKIT_DATA to another folder"
        ) from error
    return final


def _is_of_the_disk(error: Exception) -> bool:
    """Whether a disk refused: the writers of tokenizers, safetensors and torch have exceptions of their own for it."""
    if isinstance(error, OSError) and error.errno in REFUSALS:
        return True
    return any(sign in str(error) for sign in ("(os error ", "PytorchStreamWriter failed"))


place, made = path_of, get_or_make  # until the chapters are converted


class Kept(ABC):
    """Something made once and kept in the store as a run is: a training, or a measurement that took its time."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What is made, in words."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Digest of everything that goes into it."""

    @abstractmethod
    def fill(self, folder: Path) -> None:
        """Make it in `folder`, with ``run.json`` and ``metrics.json`` among its files."""

    @property
    def done(self) -> bool:
        """Whether the store holds it."""
        return path_of("runs", self.key).exists()

    def train(self) -> Path:
        """Its folder, made now if the store does not hold it."""
        return get_or_make("runs", self.key, self.fill)

    def metrics(self) -> dict[str, Any]:
        """Its numbers."""
        return read_json(self.train() / "metrics.json")

    def about(self) -> dict[str, Any]:
        """Its record: parameters, data, versions, device, times."""
        return read_json(self.train() / "run.json")


def write_json(path: Path, value: Any) -> None:
    """Write JSON under a temporary name and rename it, so that a reader never sees half a file."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
    os.replace(part, path)


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(path.read_text())


def environment() -> dict[str, str]:
    """What a number depends on besides its parameters: code commit, versions, processor."""
    packages = ("dnakit", "torch", "transformers", "tokenizers", "accelerate", "numpy")
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "processor": _processor(),
        **{package: version(package) for package in packages},
    }


def record(folder: Path, name: str, profile: str, notebook: str) -> Path:
    """Copy the small files (JSON, CSV) of a finished run on real data to ``data/recorded/<notebook>/<profile>/<name>``.

    Raises
    ------
    DnakitError
        If the run used simulated data: a recorded number stands for a real one.
    """
    if read_json(folder / "run.json")["simulated"]:
        raise DnakitError(f"{name} ran on simulated data; only runs on real data are recorded")
    target = root() / "data" / "recorded" / notebook / profile / name
    part = target.with_name(f".{name}.{os.getpid()}")
    part.mkdir(parents=True)
    for file in [*folder.glob("*.json"), *folder.glob("*.csv")]:
        shutil.copyfile(file, part / file.name)
    shutil.rmtree(target, ignore_errors=True)
    os.replace(part, target)
    return target


def recorded(notebook: str) -> dict[str, Path]:
    """Folders of the recorded runs of a notebook by name; a run of the thesis profile stands before one of laptop."""
    shelf = root() / "data" / "recorded" / notebook
    found = {folder.name: folder for profile in ("laptop", "thesis") for folder in shelf.glob(f"{profile}/[!.]*/")}
    return {name: found[name] for name in sorted(found, key=_numbers_as_numbers)}


def _numbers_as_numbers(name: str) -> list[str]:
    """For sorting: 6-mer before 12-mer."""
    return [part.zfill(6) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def _commit() -> str:
    """The commit of the checkout, with ``+changes`` where tracked files differ from it; ``unknown`` outside git."""
    git = ["git", "-C", str(root())]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True
        ).stdout
        status = [*git, "status", "--porcelain", "--untracked-files=no", "--", "dnakit"]
        changed = subprocess.run(status, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.strip() + ("+changes" if changed.strip() else "")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = (
        [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        if cpuinfo.exists()
        else []
    )
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"
