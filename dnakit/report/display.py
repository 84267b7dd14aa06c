"""How every chapter shows a figure or a table, so that they look alike and each says where its numbers come from.

Tables and figures are display objects: the last line of a notebook cell. The text under nbval is the same whenever the
numbers are; a figure's pixels are not compared. The book's styles for the classes used here are in
``book/_static/report.css``; without them (JupyterLab) the same HTML reads as a plain table.
"""

import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import PIL.Image
from IPython.display import HTML, Image, Markdown, display
from matplotlib.figure import Figure

from dnakit.project import DnakitError, root
from dnakit.report import tables
from dnakit.report.tables import MISSING

SHOWN_KEYS = 4  # in a line under a figure
COLOURS = 28  # of a PNG: all a chart needs

# Okabe and Ito's first three, and Tol's purple: told apart with any colour vision, the same in the whole book.
PALETTE = {"6-mer": "#0072B2", "9-mer": "#D55E00", "12-mer": "#009E73", "BB": "#AA4499"}
SPARE = ("#56B4E9", "#E69F00", "#222222")

STYLE: dict[str, Any] = {
    "figure.figsize": (7.0, 3.9),
    "figure.dpi": 110,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    "savefig.dpi": 110,
    "font.family": "DejaVu Sans",  # ships with matplotlib, so a figure does not depend on the machine's fonts
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#8a8a8a",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": plt.cycler(color=[*PALETTE.values(), *SPARE]),
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 2.0,
    "legend.frameon": False,
    "legend.fontsize": 10,
}


def color(name: str) -> str:
    """The colour of a tokenization in the whole book; others than the thesis's get a spare one."""
    return PALETTE.get(name, SPARE[sum(name.encode()) % len(SPARE)])


def figure_style() -> None:
    """Give every figure made from here on the book's style; call it once, at the top of a notebook."""
    plt.style.use(STYLE)


@dataclass(frozen=True)
class Table:
    """A table as HTML, for the book and JupyterLab, and as Markdown for anything else. Made by `table`."""

    html: str
    markdown: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.markdown}


@dataclass(frozen=True)
class Picture:
    """A figure as one PNG output and its caption as one HTML output below it. Made by `figure`."""

    png: bytes
    width: int  # in pixels of the page; the PNG has more, for sharp screens
    html: str
    text: str

    def _ipython_display_(self) -> None:
        display(Image(self.png, format="png", width=self.width, alt=self.text))
        display(HTML(self.html))


def table(
    frame: pd.DataFrame,
    caption: str,
    number: str | None = None,
    provenance: str = "",
    formats: Mapping[str, str] | None = None,
) -> Table:
    """Show a frame as a table of the book.

    Parameters
    ----------
    frame : DataFrame
        Columns of one level, or of two as `beside` makes them (source, then measure). A named index becomes row
        headers; an unnamed one is not shown. Underscores in names are shown as spaces.
    caption : str
        What to see in the table; plain text.
    number : str, optional
        The table's number in the thesis, such as "5.1".
    provenance : str
        Where the numbers come from: `provenance`.
    formats : mapping of str to str, optional
        Format specification by column name (the last level), such as ``{"accuracy": ".4f"}``. Without one, whole
        numbers are written ``12,345`` and others with three decimals.

    Returns
    -------
    Table

    Raises
    ------
    DnakitError
        If `formats` names a column the frame does not have.
    """
    if frame.empty:  # nothing is recorded yet
        frame, formats = pd.DataFrame({MISSING: ["nothing is recorded yet"]}), {}
    as_html, as_markdown = tables.render(frame, formats or {})
    scroll = f'<div class="dnakit-scroll">\n{as_html}</div>\n'
    lines = [_title("Table", number) + caption, "", as_markdown, *(["", provenance] if provenance else [])]
    return Table(
        f'<div class="dnakit-output">\n{_caption("Table", number, caption)}{scroll}{_provenance(provenance)}</div>',
        "\n".join(lines),
    )


def figure(fig: Figure, caption: str, number: str | None = None, provenance: str = "") -> Picture:
    """Show a matplotlib figure of the book, with its caption and provenance below, and close it.

    The parameters are those of `table`. The PNG carries no version or date: the same drawing gives the same bytes.
    """
    text = f"{_caption('Figure', number, caption)}{_provenance(provenance)}"
    picture = Picture(
        png=_png(fig),
        width=round(100 * fig.get_figwidth()),
        html=f'<div class="dnakit-output">\n{text}</div>',
        text=_title("Figure", number) + caption,
    )
    plt.close(fig)
    return picture


def _png(fig: Figure) -> bytes:
    """A palette is a quarter of the bytes, and notebooks are committed with their figures.

    Its colours are chosen to cover what is there, however few its pixels: a single orange mark stays orange.
    """
    drawing, small = io.BytesIO(), io.BytesIO()
    fig.savefig(drawing, format="png")
    with PIL.Image.open(drawing) as image:
        few = image.convert("RGB").quantize(COLOURS, PIL.Image.Quantize.MAXCOVERAGE, 1, dither=PIL.Image.Dither.NONE)
    few.save(small, "PNG", optimize=True)
    return small.getvalue()


def provenance(
    profile: str,
    source: str,
    simulated: bool,
    runs: Sequence[str] = (),
    seed: int | None = None,
    device: str | None = None,
) -> str:
    """Say in one line what a figure or a table rests on.

    Parameters
    ----------
    profile : str
        smoke, laptop or thesis.
    source : str
        The data, such as "mitochondria (120 genomes)".
    simulated : bool
        Whether the data are the embedded simulation: said in words before the source.
    runs, seed, device : optional
        Keys of the training runs, of which the first four are shown by eight characters, and how they were made.

    Examples
    --------
    >>> provenance("smoke", "mitochondria (120 genomes)", True, ["3f2a9c1b77"], seed=1, device="cpu")
    'smoke · simulated mitochondria (120 genomes) · run 3f2a9c1b · seed 1 · cpu'
    """
    keys = ", ".join(key[:8] for key in runs[:SHOWN_KEYS])
    if len(runs) > SHOWN_KEYS:
        keys += f" and {len(runs) - SHOWN_KEYS} more"
    parts = [
        profile,
        f"{'simulated' if simulated else 'real'} {source}",
        f"run{'s' if len(runs) > 1 else ''} {keys}" if runs else "",
        f"seed {seed}" if seed is not None else "",
        device or "",
    ]
    return " · ".join(part for part in parts if part)


def prose(template: str, **values: object) -> Markdown:
    """A paragraph whose numbers come from the run: ``prose("Accuracy is {a:.3f}.", a=0.8875)``.

    Parameters
    ----------
    template : str
        Markdown with the fields of `str.format`; a literal brace is doubled.
    **values : object
        One for each field.

    Raises
    ------
    DnakitError
        If a field has no value.
    """
    try:
        return Markdown(template.format(**values))
    except (KeyError, IndexError) as error:
        raise DnakitError(f"the paragraph '{template[:40]}…' has a field {error} with no value") from None


def thesis_table(number: str) -> pd.DataFrame:
    """The values the thesis prints, one row as there; ``bold`` lists the columns it sets in bold.

    Parameters
    ----------
    number : str
        "5.1" to "5.4", "B.1" to "B.4"; or the name of another file of ``data/thesis``: "dataset_sizes",
        "hyperparameters", "claims".

    Raises
    ------
    DnakitError
        If there is no such table.
    """
    folder = root() / "data" / "thesis"
    for name in (number, f"table_{number.replace('.', '_')}"):
        if (folder / f"{name}.csv").is_file():
            frame = pd.read_csv(folder / f"{name}.csv", comment="#", dtype_backend="numpy_nullable")
            return frame.astype(dict.fromkeys(frame.select_dtypes("Float64"), float))
    known = ", ".join(sorted(path.stem for path in folder.glob("*.csv")))
    raise DnakitError(f"the thesis has no table '{number}' in data/thesis; there are {known}")


def beside(
    thesis: pd.DataFrame | None, recorded: pd.DataFrame | None, this_run: pd.DataFrame | None, on: Sequence[str]
) -> pd.DataFrame:
    """Put the thesis's values, those of a recorded run and those of this run side by side.

    Parameters
    ----------
    thesis, recorded, this_run : DataFrame
        Each with the columns `on` and any measures. None leaves its group out; an empty frame keeps it, as missing.
    on : sequence of str
        The columns that say which rows belong together, such as model and tokenizer.

    Returns
    -------
    DataFrame
        Index `on`; columns of two levels, source and measure. Rows in the thesis's order, then those it does not have.

    Raises
    ------
    DnakitError
        If a frame lacks a key, or has two rows for one key.
    """
    frames = {"thesis": thesis, "recorded": recorded, "this run": this_run}
    keyed = {name: _keyed(frame, name, list(on)) for name, frame in frames.items() if frame is not None}
    rows = list(dict.fromkeys(row for frame in keyed.values() for row in frame.index))
    return pd.concat({name: frame.reindex(_index(rows, on)) for name, frame in keyed.items()}, axis=1)


def _keyed(frame: pd.DataFrame, name: str, on: list[str]) -> pd.DataFrame:
    if absent := [key for key in on if key not in frame.columns]:
        raise DnakitError(f"the {name} values have no column '{absent[0]}'; they have {', '.join(frame.columns)}")
    whole = dict.fromkeys(frame.select_dtypes("integer"), "Int64")  # stay whole where a row is missing
    keyed = frame.astype(whole).set_index(on)
    if keyed.index.has_duplicates:
        raise DnakitError(f"the {name} values have two rows for {keyed.index[keyed.index.duplicated()][0]}: add a key")
    return keyed


def _index(rows: list, on: Sequence[str]) -> pd.Index:
    return pd.Index(rows, name=on[0]) if len(on) == 1 else pd.MultiIndex.from_tuples(rows, names=list(on))


def _title(kind: str, number: str | None) -> str:
    return f"{kind} {number} (thesis). " if number else ""


def _caption(kind: str, number: str | None, caption: str) -> str:
    title = f"<strong>{html.escape(_title(kind, number).strip())}</strong> " if number else ""
    return f'<p class="dnakit-caption">{title}{html.escape(caption)}</p>\n'


def _provenance(line: str) -> str:
    return f'<p class="dnakit-provenance"><small>{html.escape(line)}</small></p>\n' if line else ""
