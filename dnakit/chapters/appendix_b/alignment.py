"""A piece of a genome with a model's predictions (Figures B.1 and B.2), token below token.

Everything that a colour says, a sign says too: the figures are read in black and white.
"""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dnakit.report.style import GREY

WRONG, AVERAGE = "B.1", "B.2"  # figures
COLUMNS = 66  # letters in a line of the figure
LINES = ("query", "true", "predicted", "")
RIGHT, SAME_LENGTH, OTHER_LENGTH = "✓", "✗ =", "✗"  # below a predicted token
FILL = {RIGHT: "white", SAME_LENGTH: "#D55E00", OTHER_LENGTH: "#6b2a00"}
FONT: dict[str, Any] = {"family": "DejaVu Sans Mono", "fontsize": 8.5, "va": "center", "ha": "left"}


def mark(row: pd.Series) -> str:
    """What stands below a predicted token: right, wrong with the right length, wrong; nothing below a visible token."""
    if row["kind"] == "visible":
        return ""
    if row["predicted"] == row["true"]:
        return RIGHT
    return SAME_LENGTH if len(row["predicted"]) == len(row["true"]) else OTHER_LENGTH


def lines(piece: pd.DataFrame) -> list[pd.DataFrame]:
    """The tokens of a piece by line of the figure, with ``mark`` and ``at``, the column where each begins.

    The tokens of one place begin in one column, so that their bases stand below each other.
    """
    marked = piece.assign(mark=[mark(row) for _, row in piece.iterrows()])
    widths = marked[["shown", "true", "predicted", "mark"]].map(len).max(axis=1) + 1
    at = np.zeros(len(marked), int)
    line = np.zeros(len(marked), int)
    for number in range(1, len(marked)):
        at[number], line[number] = at[number - 1] + widths.iloc[number - 1], line[number - 1]
        if at[number] + widths.iloc[number] > COLUMNS + 1:
            at[number], line[number] = 0, line[number] + 1
    return [each for _, each in marked.assign(at=at).groupby(line)]


def draw(piece: pd.DataFrame) -> Figure:
    """A piece with its predictions: the query, the true tokens, the predicted ones, and a row of marks."""
    blocks = lines(piece)
    figure, axes = plt.subplots(figsize=(7.4, 1.15 * len(blocks)))
    axes.set(xlim=(-10.5, COLUMNS + 1), ylim=(-5 * len(blocks) + 0.6, 0.8))
    axes.axis("off")
    for number, block in enumerate(blocks):
        top = -5 * number
        for row, name in enumerate(LINES):
            axes.text(-10.5, top - row, name, color="#555555", **FONT)
        for _, token in block.iterrows():
            _draw_token(axes, token, top)
    return figure


def _draw_token(axes: Axes, token: pd.Series, top: int) -> None:
    visible = token["kind"] == "visible"
    color = GREY if visible else "black"
    query = None
    if not visible:
        style = {"facecolor": "#d8d8d8", "linestyle": "-"} if token["kind"] == "masked" else {"facecolor": "white"}
        query = {"boxstyle": "square,pad=0.12", "edgecolor": "black", "linewidth": 0.8, "linestyle": "--"} | style
    axes.text(token["at"], top, token["shown"], color=color, bbox=query, **FONT)
    axes.text(token["at"], top - 1, token["true"], color=color, **FONT)
    if visible:
        axes.text(token["at"], top - 2, token["predicted"], color=color, **FONT)
        return
    right = token["mark"] == RIGHT
    box = {"boxstyle": "square,pad=0.12", "edgecolor": "#0072B2" if right else "none", "linewidth": 1.2}
    axes.text(
        token["at"],
        top - 2,
        token["predicted"],
        color="#0072B2" if right else "white",
        fontweight="bold",
        bbox=box | {"facecolor": FILL[token["mark"]]},
        **FONT,
    )
    axes.text(token["at"], top - 3, token["mark"], color="black", **FONT)
