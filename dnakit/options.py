"""How the command line reads the values of its options, and what it says of wrong ones."""

import os
import re
from pathlib import Path

import typer

from dnakit.project import DnakitError, absolute


def processes(text: str) -> int:
    """As many as asked for, and no more than there are cores: a machine dies of hundreds."""
    if not re.fullmatch("0*[1-9][0-9]{0,9}", str(text)):
        raise typer.BadParameter(f"it has to be a whole number from 1 on, and is {str(text)[:40]!r}")
    return min(int(text), os.cpu_count() or 1)


def number(text: str) -> float:
    """A number."""
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"it has to be a number, such as 0.8, and is {text[:40]!r}") from None


def users_path(name: str) -> Path:
    """The path as it is given, ``~`` apart: a shell leaves it as it is in --output=~/x."""
    if not name:
        raise DnakitError("the name of a file or folder is empty: give a name")
    return absolute(name) if name.startswith("~") else Path(name)


def new_path(name: str) -> Path:
    """The path of what a command makes; the folder that it will lie in has to be there, so that no typo makes one."""
    path = users_path(name)
    if not path.parent.is_dir():
        raise DnakitError(f"{path}: there is no folder {path.parent}: make it, or correct the name")
    return path


def new_folder(name: str) -> Path:
    """The same of a folder, which may be there."""
    path = new_path(name)
    if path.exists() and not path.is_dir():
        raise DnakitError(f"{path} is a file: give the name of a folder")
    return path
