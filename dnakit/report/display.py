"""How every chapter shows a figure or a table, so that they look alike and each says where its numbers come from.

`show` is what a notebook calls: the recorded result first, this run's below it. The styles of the classes used here are
in ``book/_static/report.css``; without them (JupyterLab) the same HTML reads as a plain table.

Under nbval the text of a recorded result is compared; what stands between the two markers is not (see
``notebooks/nbval.cfg``), and neither are the pixels of a figure.
"""

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown, display
from matplotlib.figure import Figure

from dnakit.project import DnakitError
from dnakit.report import tables
from dnakit.report.finished import Finished
from dnakit.report.style import png, theme
from dnakit.report.tables import MISSING
from dnakit.report.thesis import beside

THIS_RUN, END_OF_THIS_RUN = "<!-- this run -->", "<!-- end of this run -->"  # notebooks/nbval.cfg names them too

Make = Callable[[Finished], Any]  # returns a DataFrame, a Figure, or one of seaborn's grids


@dataclass(frozen=True)
class Table:
    """A table as HTML, for the book and JupyterLab, and as Markdown for anything else. Made by `table`."""

    html: str
    text: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.text}


@dataclass(frozen=True)
class Picture:
    """A figure as one PNG output and its caption as one HTML output below it. Made by `figure`."""

    png: bytes
    width: int  # in pixels of the page; the PNG has more, for sharp screens
    alternative: str  # for who cannot see it
    html: str
    text: str

    def _ipython_display_(self) -> None:
        image = {"image/png": _base64(self.png), "text/plain": self.alternative}
        display(image, raw=True, metadata={"image/png": {"alt": self.alternative, "width": self.width}})
        display({"text/html": self.html, "text/plain": self.text}, raw=True)


def show(
    make: Make,
    recorded: Finished,
    here: Finished,
    caption: str,
    number: str | None = None,
    thesis: pd.DataFrame | None = None,
    on: Sequence[str] = (),
    formats: Mapping[str, str] | None = None,
) -> None:
    """Show a table or a figure of the recorded runs, and below it, folded, the same of this run.

    Parameters
    ----------
    make : function
        Takes finished runs and returns a DataFrame, a Figure or a grid of seaborn. An empty DataFrame or None says
        that these runs do not hold it.
    recorded, here : Finished
        The recorded runs and those of this notebook. Where nothing is recorded, this run stands alone. This run is
        folded where its data are simulated, and open where they are real.
    caption : str
        What to see; plain text.
    number : str, optional
        The number in the thesis, such as "5.1".
    thesis : DataFrame, optional
        For a table: the values that the thesis prints, shown beside ours.
    on : sequence of str
        With `thesis`: what says which rows belong together.
    formats : mapping of str to str, optional
        See `table`; a column that only the recorded or only this run's table has may be named.

    Raises
    ------
    DnakitError
        If neither holds it.
    """
    first, second = _made(make, recorded), _made(make, here)
    if first is None and second is None:
        raise DnakitError(f"no finished run holds what this caption describes: {caption}")
    if first is None:
        frame = beside(thesis, None, second, on) if thesis is not None else second
        alone = _output(frame, caption, number, here, formats)
        display(replace(alone, html=_marked(alone.html), text=_marked(alone.text)))
        return
    frame = beside(thesis, first, None, on) if thesis is not None else first
    shown = _output(frame, caption, number, recorded, formats)
    if second is not None:
        fold, text = _fold(second, here, caption, formats)
        shown = replace(shown, html=shown.html + _marked(fold), text=f"{shown.text}\n\n{_marked(text)}")
    display(shown)


def _made(make: Make, done: Finished) -> Any:
    """What these runs have to show, drawn in the book's style; None where they hold nothing of it."""
    if not done:
        return None
    with theme():
        result = make(done)
    return None if isinstance(result, pd.DataFrame) and result.empty else result


def _output(
    result: Any, caption: str, number: str | None, provenance: Finished, formats: Mapping[str, str] | None
) -> Table | Picture:
    if isinstance(result, pd.DataFrame):
        return table(result, caption, number, provenance, _known(formats, result))
    return figure(result.figure, caption, number, provenance)


def _fold(result: Any, here: Finished, caption: str, formats: Mapping[str, str] | None) -> tuple[str, str]:
    """The table or figure of this run behind a line to click, as HTML and as text."""
    data = "simulated" if here.simulated else "real"
    title = f"This run ({here.profile}, {data} data)"
    if isinstance(result, pd.DataFrame):
        content, text = tables.render(result, _known(formats, result))
        content = f'<div class="dnakit-scroll">\n{content}</div>\n'
    else:
        image, width = _drawn(result.figure)
        alternative = html.escape(f"{title}: {caption}", quote=True)
        content = f'<img alt="{alternative}" width="{width}" src="data:image/png;base64,{_base64(image)}">\n'
        text = "a figure"
    opened = "" if here.simulated else " open"
    fold = (
        f'<details class="dnakit-this-run"{opened}>\n<summary>{html.escape(title)}</summary>\n'
        f'<div class="dnakit-output">\n{content}{_provenance(here)}</div>\n</details>'
    )
    return fold, f"{title}\n\n{text}\n\n{_line(here)}"


def _known(formats: Mapping[str, str] | None, frame: pd.DataFrame) -> dict[str, str]:
    columns = {label[-1] if isinstance(label, tuple) else label for label in frame.columns}
    return {name: each for name, each in (formats or {}).items() if name in columns}


def _marked(text: str) -> str:
    """What nbval does not compare."""
    return f"{THIS_RUN}\n{text}\n{END_OF_THIS_RUN}"


def table(
    frame: pd.DataFrame,
    caption: str,
    number: str | None = None,
    provenance: Finished | str = "",
    formats: Mapping[str, str] | None = None,
) -> Table:
    """Show a frame as a table of the book.

    Parameters
    ----------
    frame : DataFrame
        Columns of one level, or of two as `dnakit.report.thesis.beside` makes them (source, then measure). A named
        index becomes row headers; an unnamed one is not shown. Underscores in names are shown as spaces.
    caption : str
        What to see in the table; plain text.
    number : str, optional
        The table's number in the thesis, such as "5.1".
    provenance : Finished or str
        The runs behind the numbers, or in words where they come from.
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
    lines = [_title("Table", number) + caption, "", as_markdown, *(["", _line(provenance)] if provenance else [])]
    return Table(
        f'<div class="dnakit-output">\n{_caption("Table", number, caption)}{scroll}{_provenance(provenance)}</div>\n',
        "\n".join(lines),
    )


def figure(fig: Figure, caption: str, number: str | None = None, provenance: Finished | str = "") -> Picture:
    """Show a matplotlib figure of the book, with its caption and provenance below, and close it.

    The parameters are those of `table`. The PNG carries no version or date: the same drawing gives the same bytes.
    """
    image, width = _drawn(fig)
    below = f"{_caption('Figure', number, caption)}{_provenance(provenance)}"
    text = _title("Figure", number) + caption
    return Picture(image, width, text, f'<div class="dnakit-output">\n{below}</div>\n', text)


def _drawn(fig: Figure) -> tuple[bytes, int]:
    drawn = png(fig)
    plt.close(fig)
    return drawn


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


def _title(kind: str, number: str | None) -> str:
    return f"{kind} {number} (thesis). " if number else ""


def _caption(kind: str, number: str | None, caption: str) -> str:
    title = f"<strong>{html.escape(_title(kind, number).strip())}</strong> " if number else ""
    return f'<p class="dnakit-caption">{title}{html.escape(caption)}</p>\n'


def _line(provenance: Finished | str) -> str:
    return provenance.provenance if isinstance(provenance, Finished) else provenance


def _provenance(provenance: Finished | str) -> str:
    """One short line; of runs, with the rest behind a fold."""
    line = html.escape(_line(provenance))
    if not isinstance(provenance, Finished):
        return f'<p class="dnakit-provenance">{line}</p>\n' if line else ""
    facts = "".join(f"<dt>{name}</dt><dd>{html.escape(value)}</dd>\n" for name, value in provenance.facts().items())
    return f'<details class="dnakit-provenance">\n<summary>{line}</summary>\n<dl>\n{facts}</dl>\n</details>\n'


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# ---- for the chapters that are not converted yet

from dnakit.report.style import PALETTE, STYLE, color  # noqa: E402, F401
from dnakit.report.thesis import thesis_table  # noqa: E402, F401


def figure_style() -> None:  # noqa: D103
    plt.style.use(STYLE)


def provenance(profile, source, simulated, runs=(), seed=None, device=None) -> str:  # type: ignore[no-untyped-def]  # noqa: D103
    return " · ".join(str(part) for part in (profile, source) if part)
