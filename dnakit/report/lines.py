"""The lines of a CSV file that people write by hand, each checked: a wrong one is an error that names it."""

import csv
from collections.abc import Iterator
from pathlib import Path

from dnakit.project import DnakitError, Model, checked


def read_lines(model: type[Model], path: Path) -> Iterator[tuple[str, Model]]:
    """Each line as a model, with the words that name it in an error, such as ``verdicts.csv, line 3``.

    An empty value is the model's default.

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
            yield where, checked(model, {name: value for name, value in line.items() if value}, where)
