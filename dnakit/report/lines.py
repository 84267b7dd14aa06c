"""The lines of a CSV file that people write by hand, each checked: a wrong one is an error that names it."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from dnakit.project import DnakitError, checked


class Line(BaseModel):
    """A line of a file.

    Attributes
    ----------
    where
        Names it in an error, such as ``verdicts.csv, line 3``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    where: str

    @contextmanager
    def named(self) -> Iterator[None]:
        """Put the name of the line in front of an error that its values cause."""
        try:
            yield
        except DnakitError as error:
            raise DnakitError(f"{self.where}: {error}") from None


AnyLine = TypeVar("AnyLine", bound=Line)


def read_lines(model: type[AnyLine], path: Path) -> Iterator[AnyLine]:
    """Each line as a model; an empty value is the model's default.

    Raises
    ------
    DnakitError
        If a line has too few or too many values, or one that does not fit.
    """
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(file)
        for line in lines:
            where = f"{path.name}, line {lines.line_num}"
            if None in line or None in line.values():
                raise DnakitError(f"{where}: a line needs one value for each of {', '.join(lines.fieldnames or ())}")
            yield checked(model, {name: value for name, value in line.items() if value} | {"where": where}, where)
