"""Figures that several chapters share."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

THESIS_MARK: dict[str, Any] = {"marker": "D", "linestyle": "", "markersize": 6, "clip_on": False}


def curves(
    data: pd.DataFrame,
    y: str,
    label: str,
    hue: str,
    style: str | None = None,
    col: str | None = None,
    palette: Mapping[str, str] | None = None,
    thesis: pd.DataFrame | None = None,
    log: bool = False,
) -> sns.FacetGrid:
    """Curves by epoch, a panel for each value of `col`, and the thesis's final values as diamonds at the right edge.

    Parameters
    ----------
    data : DataFrame
        Tidy: one row for each epoch and curve, with the columns ``epoch``, `y`, `hue`, `style` and `col`.
    y, label : str
        The column that is drawn, and what the vertical axis says: name and unit.
    hue, style, col : str
        The columns that give the colour, the dashes and the panel of a curve.
    palette : mapping
        Colour by value of `hue`.
    thesis : DataFrame
        The thesis's final values: columns `y`, `hue` and `col`.
    log : bool
        Whether the vertical axis is logarithmic. Values that are not above zero leave a gap there.

    Where there is no value at all, the panels say so.
    """
    drawn = data.assign(**{y: data[y].where(data[y] > 0)}) if log else data
    if drawn[y].isna().all():
        return _nothing(drawn, label, None if drawn.empty else col)
    columns = drawn[col].nunique() if col else 1
    grid = sns.relplot(
        drawn,
        kind="line",
        x="epoch",
        y=y,
        hue=hue,
        style=style,
        col=col,
        palette=dict(palette) if palette else None,
        errorbar=None,
        height=2.9,
        aspect=0.75 if columns > 2 else 1.15,
    )
    grid.set_axis_labels("epoch", label).set_titles("{col_name}")
    if log:
        grid.set(yscale="log")
    for axes in grid.axes.flat:
        _finish(axes, log)
    if thesis is not None:
        right = drawn["epoch"].max() + 0.12 * np.ptp(drawn["epoch"]) + 0.05
        for value, axes in (grid.axes_dict or {"": grid.axes.flat[0]}).items():
            _mark(axes, right, thesis[thesis[col] == value] if col else thesis, y, hue, palette or {})
    if thesis is not None and grid.legend:
        _add_to_legend(grid, Line2D([], [], color="#222222", **THESIS_MARK), "thesis, final value")
    return grid


def _nothing(data: pd.DataFrame, label: str, col: str | None) -> sns.FacetGrid:
    """The panels of curves without a value, as of a run too small to get one right."""
    grid = sns.FacetGrid(data, col=col, height=2.9, aspect=1.15).set_axis_labels("epoch", label)
    grid.set_titles("{col_name}")
    for axes in grid.axes.flat:
        axes.text(0.5, 0.5, "no value", ha="center", transform=axes.transAxes)
    return grid


def _add_to_legend(grid: sns.FacetGrid, handle: Line2D, label: str) -> None:
    handles = [*grid.legend.legend_handles, handle]
    labels = [*(text.get_text() for text in grid.legend.texts), label]
    grid.legend.remove()
    right = grid.axes.flat[-1].transAxes
    grid.figure.legend(handles, labels, loc="center left", bbox_to_anchor=(1.08, 0.5), bbox_transform=right)


def _finish(axes: Axes, log: bool) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if log:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.yaxis.set_minor_formatter(NullFormatter())


def _mark(axes: Axes, right: float, thesis: pd.DataFrame, y: str, hue: str, palette: Mapping[str, str]) -> None:
    for value, name in zip(thesis[y], thesis[hue], strict=True):
        if pd.notna(value):
            axes.plot([right], [value], color=palette.get(name, "#222222"), **THESIS_MARK)
