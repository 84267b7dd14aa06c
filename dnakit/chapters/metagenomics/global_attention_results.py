"""What each kind of projections of a global ``<cls>`` reached, from finished runs."""

from typing import Any

import pandas as pd

from dnakit.chapters.metagenomics.global_attention import COPIED, KINDS, PREFIX
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Estimate, of_seeds

NOT_RUN = "not run yet"
MEASURES = ("top-1, first epoch", "top-1, second epoch", "top-1, end", "loss, end")  # of the validation samples


def of_projections(done: Finished) -> Finished:
    """The trainings."""
    return done.only(lambda run: run.name.startswith(PREFIX))


def table(done: Finished) -> pd.DataFrame:
    """A row for each kind: means over its seeds, and the differences to copied projections, with their intervals.

    Kinds are compared seed by seed: with one seed they have the same samples. Intervals are Student's, of the mean.
    """
    runs = of_projections(done)
    by_kind = {kind: {seed: _measured(run) for seed, run in _by_seed(runs, kind).items()} for kind in KINDS}
    rows = []
    for kind, own in by_kind.items():
        cells: dict[str, Any] = {"seeds": str(len(own)) if own else NOT_RUN, "samples": _samples(runs, kind)}
        for name in MEASURES:
            cells[name] = sum(each[name] for each in own.values()) / len(own) if own else None
        for name in MEASURES:
            common = sorted(set(own) & set(by_kind[COPIED])) if kind != COPIED else []
            apart = [own[seed][name] - by_kind[COPIED][seed][name] for seed in common]
            cells[f"{name}, minus copied"] = _interval(apart) if apart else None
        rows.append({"projections of <cls>": KINDS[kind]} | cells)
    return pd.DataFrame(rows).set_index("projections of <cls>")


def _by_seed(runs: Finished, kind: str) -> dict[int, FinishedRun]:
    """Of one kind, by the seed in the name."""
    start = f"{PREFIX}{kind}-seed-"
    return {int(name.removeprefix(start)): run for name, run in runs.items() if name.startswith(start)}


def _samples(done: Finished, kind: str) -> str | None:
    """How many validation samples each seed has."""
    return next((f"{run.value('record.samples.validation'):,}" for run in _by_seed(done, kind).values()), None)


def _measured(run: FinishedRun) -> dict[str, float]:
    history = run.frame("history.csv")
    top1, loss = history["validation_top1"], history["validation_loss"]
    return dict(zip(MEASURES, (top1.iloc[0], top1.iloc[1], top1.iloc[-1], loss.iloc[-1]), strict=True))


def _interval(values: list[float]) -> str:
    mean = sum(values) / len(values)
    if len(values) == 1:
        return f"{mean:+.3f}"
    return f"{Estimate(mean, *of_seeds(values)):+.3f}"
