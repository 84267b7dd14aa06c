"""What a file was when it came, in a record beside it: digest, size, time, address, date; and digests of a folder."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from dnakit.project import DnakitError, published, sha256

DIGESTS = "digests.json"


def path_of(path: Path) -> Path:
    """Where the record of a file lies."""
    return path.with_name(path.name + ".record.json")


def read(path: Path) -> dict[str, Any]:
    """The record of a file; empty where there is none.

    Raises
    ------
    DnakitError
        It is damaged.
    """
    record = path_of(path)
    if not record.is_file():
        return {}
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError) as error:
        raise DnakitError(f"{record}: unreadable; delete it, and {path.name} is verified anew") from error


def write(path: Path, digest: str, url: str | None, downloaded: str | None = None) -> None:
    """Write the record of a file; the day is today, unless it was got on another."""
    stat = path.stat()
    content = {
        "sha256": digest,
        "bytes": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "url": url,
        "date": downloaded or date.today().isoformat(),
    }
    with published(path_of(path)) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def write_digests(folder: Path) -> None:
    """Write down what the files of a folder are, inside it."""
    found = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    (folder / DIGESTS).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def digests(folder: Path) -> dict[str, str]:
    """What the files of a folder were; empty where nobody wrote it down, or that is damaged itself."""
    try:
        found = json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
