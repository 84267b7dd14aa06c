"""What each kind of projections of a global ``<cls>`` reached, from finished runs."""

from typing import Any

import pandas as pd

from dnakit.chapters.metagenomics.global_attention import COPIED, KINDS, PREFIX
from dnakit.report.finished import Finished
from dnakit.report.intervals import of_seeds

NOT_RUN = "not run yet"
NUMBERS = {"loss": "metrics.test.loss", "top-1": "metrics.test.top1"}


def of_projections(done: Finished) -> Finished:
    """The trainings."""
    return done.only(lambda run: run.name.startswith(PREFIX))


def table(done: Finished) -> pd.DataFrame:
    """A row for each kind: means over its seeds, and the difference to copied projections, with its interval.

    Kinds are compared seed by seed: with one seed they have the same samples. Intervals are Student's, of the mean.
    """
    runs = of_projections(done).table(NUMBERS | {"seed": "record.parameters.seed"})
    runs["kind"] = [name.removeprefix(PREFIX).partition("-seed-")[0] for name in runs.index]
    copied = runs[runs.kind == COPIED].set_index("seed")
    rows = []
    for kind in KINDS:
        own = runs[runs.kind == kind].set_index("seed")
        rows.append({"projections of <cls>": KINDS[kind]} | _cells(own, copied if kind != COPIED else None))
    return pd.DataFrame(rows).set_index("projections of <cls>")


def _cells(own: pd.DataFrame, copied: pd.DataFrame | None) -> dict[str, Any]:
    cells: dict[str, Any] = {"seeds": str(len(own)) if len(own) else NOT_RUN}
    for name in NUMBERS:
        cells[name] = own[name].mean() if len(own) else None
    for name in NUMBERS:
        apart = [] if copied is None else (own[name] - copied[name]).dropna().tolist()
        cells[f"{name}, minus copied"] = _interval(apart) if apart else None
    return cells


def _interval(values: list[float]) -> str:
    mean = sum(values) / len(values)
    if len(values) == 1:
        return f"{mean:+.3f}"
    low, high = of_seeds(values)
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
