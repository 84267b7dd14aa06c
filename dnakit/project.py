"""Where the project's folders are, and the one kind of error a user is meant to read."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)


class DnakitError(Exception):
    """A mistake that its reader can mend; the message is one line that says what to do.

    The command line prints it without a traceback and exits with 2.
    """


def checked(model: type[Model], values: Mapping[str, Any], where: str) -> Model:
    """The values as a validated model; DnakitError with one line for the first that is wrong, `where` in front."""
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = f"'{'.'.join(map(str, first['loc']))}': " if first["loc"] else ""
        raise DnakitError(f"{where}: {name}{first['msg'].removeprefix('Value error, ')}") from error


def root() -> Path:
    """The checkout: ``DNAKIT_ROOT``, else where this package lies (beside ``pyproject.toml``), else where we are."""
    if "DNAKIT_ROOT" in os.environ:
        return Path(os.environ["DNAKIT_ROOT"]).resolve()
    checkout = Path(__file__).resolve().parents[1]
    return checkout if (checkout / "pyproject.toml").exists() else Path.cwd()


def data_folder(*parts: str) -> Path:
    """A path under ``DNAKIT_DATA``, else under the checkout's ``data`` (where git ignores what is made)."""
    base = Path(os.environ["DNAKIT_DATA"]).resolve() if "DNAKIT_DATA" in os.environ else root() / "data"
    return base.joinpath(*parts)


def relative(path: Path) -> str:
    """The path as a reader sees it: inside the checkout, else its name alone, so that no page names private folders."""
    path = Path(path).resolve()
    return str(path.relative_to(root())) if path.is_relative_to(root()) else path.name
