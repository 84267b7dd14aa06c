"""How every figure of the book looks: one seaborn theme, one palette, small PNG files that are the same each time."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import PIL.Image
import seaborn as sns
from matplotlib.figure import Figure

# Okabe and Ito's first three, and Tol's purple: told apart with any colour vision, the same in the whole book.
PALETTE = {"6-mer": "#0072B2", "9-mer": "#D55E00", "12-mer": "#009E73", "BB": "#AA4499"}
SPARE = ("#56B4E9", "#E69F00", "#222222")
GREY = "#8a8a8a"

STYLE: dict[str, Any] = {
    "figure.figsize": (7.0, 3.9),
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "savefig.bbox": "tight",  # a legend outside the axes is part of the figure
    "savefig.pad_inches": 0.06,
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "axes.titleweight": "bold",
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "lines.linewidth": 2.0,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "legend.title_fontsize": 10,
}
COLOURS = 28  # of a PNG: all a chart needs
PIXELS_PER_INCH = 100  # on the page; the PNG has more, for sharp screens


def color(name: str) -> str:
    """The colour of a tokenization in the whole book; others than the thesis's get a spare one."""
    return PALETTE.get(name, SPARE[sum(name.encode()) % len(SPARE)])


@contextmanager
def theme() -> Iterator[None]:
    """Figures made inside have the book's style, whatever a ``matplotlibrc`` of the user says.

    `dnakit.report.display.show` draws inside it. For another figure: ``with theme(): ...``, or ``@theme()`` above the
    function that draws it.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        # DejaVu Sans comes with matplotlib, so a figure does not depend on the fonts of the machine.
        sns.set_theme(style="whitegrid", palette=[*PALETTE.values(), *SPARE], font="DejaVu Sans", rc=STYLE)
        yield


def png(figure: Figure) -> tuple[bytes, int]:
    """A figure as PNG, and its width on the page in pixels.

    The PNG carries no version and no date: the same drawing gives the same bytes. It has a palette of few colours,
    which is a quarter of the bytes. They are chosen to cover what is there: a single orange mark stays orange.
    """
    drawing, small = io.BytesIO(), io.BytesIO()
    with theme():
        figure.savefig(drawing, format="png", facecolor="white")
    with PIL.Image.open(drawing) as image:
        few = image.convert("RGB").quantize(COLOURS, PIL.Image.Quantize.MAXCOVERAGE, 1, dither=PIL.Image.Dither.NONE)
    few.save(small, "PNG", optimize=True)
    return small.getvalue(), round(few.width * PIXELS_PER_INCH / STYLE["savefig.dpi"])
