"""What short fine-tunings reached that differ in what they begin with, from finished runs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from dnakit.chapters.metagenomics import full_size_start, global_attention
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Estimate, of_seeds

NOT_RUN = "not run yet"
MEASURES = ("top-1, first epoch", "top-1, second epoch", "top-1, end", "loss, end")  # of the validation samples


class Starts(NamedTuple):
    """What is compared: what differs, in words; how the names of the runs begin; each kind, the reference first."""

    what: str
    prefix: str
    kinds: Mapping[str, str]


PROJECTIONS = Starts("projections of <cls>", global_attention.PREFIX, global_attention.KINDS)
ENCODERS = Starts("encoder", full_size_start.PREFIX, full_size_start.KINDS)


def of(starts: Starts, done: Finished) -> Finished:
    """The trainings."""
    return done.only(lambda run: run.name.startswith(starts.prefix))


def table(starts: Starts, done: Finished) -> pd.DataFrame:
    """A row for each kind: means over its seeds, and the differences to the reference, with their intervals.

    Kinds are compared seed by seed: with one seed they have the same samples. Intervals are Student's, of the mean.
    """
    runs = of(starts, done)
    by_kind = {kind: _by_seed(runs, f"{starts.prefix}{kind}-seed-") for kind in starts.kinds}
    measured = {kind: {seed: _measured(run) for seed, run in own.items()} for kind, own in by_kind.items()}
    reference = next(iter(starts.kinds))
    rows = []
    for kind, own in measured.items():
        cells: dict[str, Any] = {"seeds": str(len(own)) if own else NOT_RUN, "samples": _samples(by_kind[kind])}
        for name in MEASURES:
            cells[name] = sum(each[name] for each in own.values()) / len(own) if own else None
        for name in MEASURES:
            common = sorted(set(own) & set(measured[reference])) if kind != reference else []
            apart = [own[seed][name] - measured[reference][seed][name] for seed in common]
            cells[f"{name}, minus {starts.kinds[reference]}"] = _interval(apart) if apart else None
        rows.append({starts.what: starts.kinds[kind]} | cells)
    return pd.DataFrame(rows).set_index(starts.what)


def _by_seed(done: Finished, start: str) -> dict[int, FinishedRun]:
    """Those whose names begin so, by the seed that ends the name."""
    return {int(name.removeprefix(start)): run for name, run in done.items() if name.startswith(start)}


def _samples(runs: Mapping[int, FinishedRun]) -> str | None:
    """How many validation samples each seed has."""
    return next((f"{run.value('record.samples.validation'):,}" for run in runs.values()), None)


def _measured(run: FinishedRun) -> dict[str, float]:
    history = run.frame("history.csv")
    top1, loss = history["validation_top1"], history["validation_loss"]
    return dict(zip(MEASURES, (top1.iloc[0], top1.iloc[1], top1.iloc[-1], loss.iloc[-1]), strict=True))


def _interval(values: list[float]) -> str:
    mean = sum(values) / len(values)
    if len(values) == 1:
        return f"{mean:+.3f}"
    return f"{Estimate(mean, *of_seeds(values)):+.3f}"
