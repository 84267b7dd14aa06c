"""How every chapter shows a figure or a table, so that they look alike and each says where its numbers come from.

`show` is what a notebook calls: the recorded result first, this run's below it. The styles of the classes used here are
in ``book/_static/report.css``; without them (JupyterLab) the same HTML reads as a plain table.

Under nbval a recorded result is compared; what stands between the two markers and the pixels of a figure are not (see
``tests/nbval.cfg``).
"""

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Markdown, display
from markdown_it import MarkdownIt
from matplotlib.figure import Figure

from dnakit.project import DnakitError, printable
from dnakit.report import tables
from dnakit.report.finished import Finished
from dnakit.report.style import png, theme
from dnakit.report.tables import MISSING
from dnakit.report.thesis import beside

THIS_RUN, END_OF_THIS_RUN = "<!-- this run -->", "<!-- end of this run -->"  # tests/nbval.cfg names them too

Make = Callable[[Finished], Any]  # returns a DataFrame, a Figure, or one of seaborn's grids


@dataclass(frozen=True)
class Shown:
    """A table or figure as HTML, for the book and JupyterLab, and as text for anything else.

    A figure is an ``<img>`` with an alternative text: as an output of its own a book would show it without one.
    """

    html: str
    text: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": printable(self.html), "text/plain": printable(self.text)}


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
        The number in the thesis, such as "5.1"; "Figure 5.11" for a figure of the thesis that is a table here.
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
        alone = _output(_beside(thesis, None, second, on), caption, number, here, formats)
        display(Shown(_marked(alone.html), _marked(alone.text)))
        return
    shown = _output(_beside(thesis, first, None, on), caption, number, recorded, formats)
    if second is not None:
        fold = _fold(second, here, caption, formats)
        shown = Shown(shown.html + _marked(fold.html), f"{shown.text}\n\n{_marked(fold.text)}")
    display(shown)


def _beside(thesis: pd.DataFrame | None, recorded: Any, this_run: Any, on: Sequence[str]) -> Any:
    """The thesis's values beside one of the two, where there are any."""
    if thesis is None:
        return this_run if recorded is None else recorded
    return beside(thesis, recorded, this_run, on)


def _made(make: Make, done: Finished) -> Any:
    """What these runs have to show, drawn in the book's style; None where they hold nothing of it."""
    if not done:
        return None
    with theme():
        result = make(done)
    return None if isinstance(result, pd.DataFrame) and result.empty else result


def _output(result: Any, caption: str, number: str | None, done: Finished, formats: Mapping[str, str] | None) -> Shown:
    if isinstance(result, pd.DataFrame):
        return table(result, caption, number, done, _known(formats, result))
    return figure(result.figure, caption, number, done)


def _fold(result: Any, here: Finished, caption: str, formats: Mapping[str, str] | None) -> Shown:
    """The table or figure of this run behind a line to click; `dnakit runs` lists its keys."""
    title = f"This run ({here.profile}, {'simulated' if here.simulated else 'real'} data)"
    if isinstance(result, pd.DataFrame):
        content, text = tables.render(result, _known(formats, result))
        content = f'<div class="dnakit-scroll">\n{content}</div>\n'
    else:
        content, text = _image(result.figure, f"{title}: {_first_sentence(caption)}"), "a figure"
    opened = "" if here.simulated else " open"
    fold = (
        f'<details class="dnakit-this-run"{opened}>\n<summary>{html.escape(title)}</summary>\n'
        f'<div class="dnakit-output">\n{content}{_provenance(here.provenance)}</div>\n</details>'
    )
    return Shown(fold, f"{title}\n\n{text}\n\n{here.provenance}")


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
) -> Shown:
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
    Shown

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
    return Shown(
        f'<div class="dnakit-output">\n{_caption("Table", number, caption)}{scroll}{_provenance(provenance)}</div>\n',
        "\n".join(lines),
    )


def figure(fig: Figure, caption: str, number: str | None = None, provenance: Finished | str = "") -> Shown:
    """Show a matplotlib figure of the book, with its caption and provenance below, and close it.

    The parameters are those of `table`. The same drawing gives the same text: see `dnakit.report.style.png`.
    """
    title = _title("Figure", number)
    below = f"{_caption('Figure', number, caption)}{_provenance(provenance)}"
    lines = [title + caption, *(["", _line(provenance)] if provenance else [])]
    image = _image(fig, title + _first_sentence(caption))  # the rest stands below it, and would be read aloud twice
    return Shown(f'<div class="dnakit-output">\n{image}{below}</div>\n', "\n".join(lines))


def _first_sentence(caption: str) -> str:
    return caption.partition(". ")[0].removesuffix(".") + "."


def _image(fig: Figure, alternative: str) -> str:
    data, width = png(fig)
    plt.close(fig)
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    return f'<div class="dnakit-scroll"><img alt="{html.escape(alternative)}" width="{width}" src="{source}"></div>\n'


def glue(name: str, shown: Shown | Markdown) -> None:
    """Keep a table, a figure or a paragraph for another page of the book, which calls it by this name.

    It is an output that a page and JupyterLab do not show (the format of `myst_nb`, which need not be installed).
    """
    content = MarkdownIt().render(shown.data) if isinstance(shown, Markdown) else shown.html
    prefix = "application/papermill.record/"
    display(
        {f"{prefix}text/html": content},
        raw=True,
        metadata={"scrapbook": {"name": name, "mime_prefix": prefix}},
    )


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
        return Markdown(printable(template.format(**values)))
    except (KeyError, IndexError) as error:
        raise DnakitError(f"the paragraph '{template[:40]}…' has a field {error} with no value") from None


def _title(kind: str, number: str | None) -> str:
    """The thesis's number; ``Figure 5.11`` names its kind itself, where the book shows it as a table."""
    if not number:
        return ""
    return f"{number} (thesis). " if number.startswith(("Figure", "Table")) else f"{kind} {number} (thesis). "


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
