"""Where in the book the figures and tables of the thesis stand: read from the stored outputs of the notebooks."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from dnakit.project import root
from dnakit.report.thesis import thesis_table

CAPTION = re.compile(r"(Figure|Table)s? ([\dB]+\.\d+)(?: to ([\dB]+\.\d+))? \(thesis\)")


class Place(NamedTuple):
    """A figure or table of the thesis in the book."""

    kind: str
    number: str
    notebook: str
    heading: str


def places() -> list[Place]:
    """All of them, in the order of the book."""
    return [place for path in sorted((root() / "notebooks").glob("[0-9]*.ipynb")) for place in _in_notebook(path)]


def _in_notebook(path: Path) -> Iterator[Place]:
    heading = ""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = (re.findall(r"^#+ (.*)$", source, re.MULTILINE) or [heading])[-1]
        for output in cell.get("outputs", []):
            for kind, first, last in CAPTION.findall("".join(output.get("data", {}).get("text/plain", ""))):
                for number in _numbers(first, last or first):
                    yield Place(kind, number, path.stem, heading)


def _numbers(first: str, last: str) -> Iterator[str]:
    """5.11, 5.12, 5.13 from the two ends."""
    chapter, _, start = first.partition(".")
    return (f"{chapter}.{number}" for number in range(int(start), int(last.partition(".")[2]) + 1))


def anchor(heading: str) -> str:
    """The heading's name in a link, as docutils makes it: a number in front is no part of it."""
    return re.sub("[^a-z0-9]+", "-", heading.lower()).lstrip("-0123456789").rstrip("-")


def table_of_places() -> pd.DataFrame:
    """Every figure and table of the thesis, with the chapter and the heading where it stands; empty where nowhere."""
    found = pd.DataFrame(list(places()), columns=list(Place._fields)).drop_duplicates(["kind", "number"])
    return thesis_table("figures").astype(str).merge(found, on=["kind", "number"], how="left").fillna("")


def links() -> str:
    """The same as a list in Markdown, with a link each."""
    lines = [_line(**row) for row in table_of_places().to_dict("records")]  # type: ignore[arg-type]
    return "\n".join(["| | in the thesis | in this book |", "|---|---|---|", *lines])


def _line(kind: str, number: str, title: str, notebook: str, heading: str) -> str:
    link = f"[{notebook}: {heading}]({notebook}.html#{anchor(heading)})" if notebook else "no place yet"
    return f"| {kind} {number} | {title} | {link} |"
