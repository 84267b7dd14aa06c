"""A frame as a table of the book: HTML with headers that span what they head, and the same as Markdown.

The classes of the HTML are styled in ``book/_static/report.css``; without it, it reads as a plain table.
"""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from numbers import Integral, Number

import pandas as pd

from dnakit.project import DnakitError

MISSING = "–"
LONG = 40  # characters of a cell that wraps


def indexed(rows: Sequence[Mapping[str, object]], *names: str) -> pd.DataFrame:
    """Rows as a frame whose index is these columns; without rows an empty frame, which `show` takes as nothing."""
    return pd.DataFrame(rows).set_index(list(names)) if rows else pd.DataFrame()


def scientific(value: float) -> str:
    """A small number such as a learning rate, as ``3e-4``."""
    return f"{value:.0e}".replace("e-0", "e-")


def render(frame: pd.DataFrame, formats: Mapping[str, str]) -> tuple[str, str]:
    """HTML and Markdown of a frame; parameters and errors are those of `dnakit.report.display.table`."""
    keys, columns = _keys(frame), _columns(frame, formats)
    body = _head(keys, columns) + _body(keys, columns, len(frame))
    return f'<table class="dnakit-table">\n{body}</table>\n', _markdown(keys, columns)


@dataclass(frozen=True)
class _Column:
    source: str | None  # the upper header: thesis, recorded, this run
    measure: str
    numeric: bool
    first: bool  # of its source
    cells: list[str]

    @property
    def css(self) -> str:
        names = ["number"] * self.numeric + ["group"] * self.first
        return f' class="{" ".join(names)}"' if names else ""


@dataclass(frozen=True)
class _Key:
    name: str  # of an index level
    cells: list[str]


def _columns(frame: pd.DataFrame, formats: Mapping[str, str]) -> list[_Column]:
    columns: list[_Column] = []
    for label in frame.columns:
        source, measure = (str(label[0]), str(label[-1])) if isinstance(label, tuple) else (None, str(label))
        first = source is not None and (not columns or columns[-1].source != source)
        cells = [_cell(value, formats.get(measure, "")) for value in frame[label]]
        columns.append(_Column(source, measure, _is_numeric(frame[label]), first, cells))
    if unknown := set(formats) - {column.measure for column in columns}:
        raise DnakitError(f"formats names '{min(unknown)}', which is not a column of this table")
    return columns


def _keys(frame: pd.DataFrame) -> list[_Key]:
    named = [(i, str(name)) for i, name in enumerate(frame.index.names) if name is not None]
    return [_Key(name, [_cell(value, "") for value in frame.index.get_level_values(i)]) for i, name in named]


def _cell(value: object, specification: str) -> str:
    if pd.isna(value):  # type: ignore[call-overload]
        return MISSING
    if not _is_number(value):
        return str(value)
    return format(value, specification or (",d" if isinstance(value, Integral) else ".3f"))


def _is_number(value: object) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool)


def _is_numeric(values: pd.Series) -> bool:
    present = values.dropna()
    return all(_is_number(value) for value in present) if len(present) else pd.api.types.is_numeric_dtype(values)


def _stretches(values: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Start and length of each stretch of equal neighbours."""
    start = 0
    for _, stretch in groupby(values):
        length = len(list(stretch))
        yield start, length
        start += length


def _shown(name: str) -> str:
    return html.escape(name.replace("_", " "))


def _head(keys: list[_Key], columns: list[_Column]) -> str:
    sources = [column.source for column in columns]
    grouped = any(sources)
    high = ' rowspan="2"' if grouped else ""
    corner = "".join(f'<th scope="col"{high}>{_shown(key.name)}</th>' for key in keys)
    measures = "".join(f'<th scope="col"{column.css}>{_shown(column.measure)}</th>' for column in columns)
    if not grouped:
        return f"<thead>\n<tr>{corner}{measures}</tr>\n</thead>\n"
    upper = "".join(
        f'<th scope="colgroup" colspan="{width}" class="group">{_shown(str(sources[start]))}</th>'
        for start, width in _stretches(sources)
    )
    return f"<thead>\n<tr>{corner}{upper}</tr>\n<tr>{measures}</tr>\n</thead>\n"


def _body(keys: list[_Key], columns: list[_Column], rows: int) -> str:
    lines = _row_heads(keys, rows)
    for column in columns:
        for i, cell in enumerate(column.cells):
            lines[i] += f"<td{column.css or _long(cell)}>{html.escape(cell)}</td>"
    return "<tbody>\n" + "".join(f"<tr>{line}</tr>\n" for line in lines) + "</tbody>\n"


def _row_heads(keys: list[_Key], rows: int) -> list[str]:
    """One header a row and level; outer levels span the rows that share them, and those of the levels before."""
    lines = [""] * rows
    for level, key in enumerate(keys):
        outer = list(zip(*(k.cells for k in keys[: level + 1]), strict=True))
        innermost = level == len(keys) - 1
        for start, height in zip(range(rows), [1] * rows, strict=True) if innermost else _stretches(outer):
            high = f' rowspan="{height}"' if height > 1 else ""
            lines[start] += f'<th scope="row"{high}{_long(key.cells[start])}>{html.escape(key.cells[start])}</th>'
    return lines


def _long(cell: str) -> str:
    """A class for sentences, which may be broken where names and numbers may not."""
    return ' class="long"' if len(cell) > LONG else ""


def _markdown(keys: list[_Key], columns: list[_Column]) -> str:
    names = [key.name for key in keys] + [f"{c.source}: {c.measure}" if c.source else c.measure for c in columns]
    rules = ["---"] * len(keys) + ["---:" if column.numeric else "---" for column in columns]
    cells = zip(*(key.cells for key in keys), *(column.cells for column in columns), strict=True)
    rows = [[name.replace("_", " ") for name in names], rules, *cells]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows)
