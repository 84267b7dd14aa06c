"""What chapter 10 found: tables, a figure and sentences, from finished runs; a run that is not there is "not run"."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dnakit import metrics
from dnakit.chapters.future_work import context_runs, read_runs
from dnakit.chapters.future_work.parameters import CONTEXTS, SAMPLINGS
from dnakit.chapters.future_work.read_methods import METHODS
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Estimate, of_seeds
from dnakit.report.style import GREY, PALETTE

NOT_RUN = "not run"
DRAWS = 2000
WAYS = {"natural": "masked, natural", "balanced": "masked, balanced", "replaced-tokens": "replaced, natural"}
FREQUENCIES, LONGFORMER = "token frequencies", "Longformer"
Values = NDArray[np.float64]
Pair = tuple[pd.DataFrame, pd.DataFrame]


# ---- intervals


def mean_and_interval(values: Values, groups: NDArray[Any]) -> Estimate:
    """A mean, and its 95% interval by bootstrap over groups."""
    _, number = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(number, values), np.bincount(number)
    drawn = np.random.default_rng(0).integers(0, len(sums), (DRAWS, len(sums)))
    low, high = np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])
    return Estimate(float(values.mean()), float(low), float(high))


def with_seeds(found: Estimate, values: Sequence[float] | Values) -> Estimate:
    """The same with an interval that also holds, of several seeds, that of the mean of their values (Student's t)."""
    if len(values) < 2:
        return found
    seeds = of_seeds(list(map(float, values)))
    return Estimate(found.value, min(found.low, seeds.low), max(found.high, seeds.high))


def digits(text: str) -> Values:
    """What a run keeps of each read or window, as numbers: 1 where it is named right."""
    return np.array(list(text), float)


def points(share: Estimate) -> Estimate:
    """A difference of shares in percentage points."""
    return Estimate(*(100 * each for each in share))


# ---- 1 reads


def of_reads(done: Finished) -> Finished:
    """The runs of the first experiment; its genes and qualities may be real, its reads are not."""
    found = done.only(lambda run: run.name.startswith("reads-"))
    return Finished(found.label, f"{found.profile} · simulated reads", found.folders, found.sources)


def all_lowered(done: Finished) -> list[str]:
    """The Phred that were taken from the qualities, as the runs name them."""
    if read_runs.METHODS_RUN in done:
        return list(done[read_runs.METHODS_RUN].metrics["errors"])
    return list(next(iter(reads.values())).metrics["right"]) if (reads := of_reads(done)) else []


def _right(done: Finished, method: str, lowered: str) -> Values | None:
    """Of each test read the share of seeds that name it right; None where nothing is run."""
    if method in METHODS:
        run = done.get(read_runs.METHODS_RUN)
        return None if run is None else digits(run.metrics["methods"][method]["right"][lowered])
    seeds = [digits(run.metrics["right"][lowered]) for run in of_use(done, method)]
    return np.mean(seeds, axis=0) if seeds else None


def of_use(done: Finished, use: str) -> list[FinishedRun]:
    """The Longformers that use the quality in one way, a run for each seed."""
    return [run for run in done.values() if run.name.startswith(f"{read_runs.TRAINED}-{use}-seed-")]


def gain_of(done: Finished, method: str, lowered: str) -> Estimate | None:
    """How much more is named right than by the same method without qualities, mean over seeds; None without them."""
    if method in METHODS:
        one, other = (_right(done, each, lowered) if each else None for each in (method, METHODS[method][1]))
        change = [one - other] if one is not None and other is not None else []
    else:
        change = _change_by_seed(done, method, lowered)
    if not change:
        return None
    found = mean_and_interval(np.mean(change, axis=0), _species(done, change[0]))
    return with_seeds(found, [each.mean() for each in change])


def _change_by_seed(done: Finished, use: str, lowered: str) -> list[Values]:
    """Of each test read whether a use names it right, minus whether none does: of the seeds that both are run with."""
    if use == "ignored":
        return []
    found = [
        {run.record["parameters"]["seed"]: digits(run.metrics["right"][lowered]) for run in of_use(done, each)}
        for each in (use, "ignored")
    ]
    return [found[0][seed] - found[1][seed] for seed in sorted(found[0].keys() & found[1].keys())]


def _species(done: Finished, reads: Values) -> NDArray[Any]:
    """Groups of the bootstrap: the reads of a species lie together."""
    return np.arange(len(reads)) // int(next(iter(of_reads(done).values())).record["test_reads"])


def reads_table(done: Finished) -> pd.DataFrame:
    """Each method: reads named right and the gain by qualities, for each error rate."""
    rows = {}
    for method in (*METHODS, *read_runs.USES) if done else ():
        row: dict[str, str] = {}
        for less in all_lowered(done):
            right, gain = _right(done, method, less), gain_of(done, method, less)
            shown = NOT_RUN if right is None else f"{mean_and_interval(right, _species(done, right)):.1%}"
            row |= {
                f"right, {errors_of(done, less)}": shown,
                f"gain, {errors_of(done, less)}": f"{points(gain):+.2f}" if gain else "",
            }
        rows[_called(method)] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def _called(method: str) -> str:
    return method if method in METHODS else f"Longformer, {method}"


def with_quality() -> list[str]:
    """The simple methods that use qualities."""
    return [method for method, (_, without) in METHODS.items() if without]


def errors_of(done: Finished, lowered: str) -> str:
    """An error rate in words."""
    run = done.get(read_runs.METHODS_RUN)
    errors = f"{run.metrics['errors'][lowered]:.1%} errors" if run else f"{lowered} Phred lower"
    return errors


def about_reads(done: Finished) -> str:
    """How many reads, species and seeds there are, and which errors each column has."""
    if not done:
        return ""
    lowered = all_lowered(done)
    run = next(iter(of_reads(done).values()))
    right = run.metrics["right"] if "right" in run.metrics else run.metrics["methods"]["k-mers"]["right"]
    count, each, seeds = len(right[lowered[0]]), int(run.record["test_reads"]), len(of_use(done, "ignored"))
    columns = [f"{errors_of(done, less)}: {f'{less} Phred lower' if int(less) else 'as they are'}" for less in lowered]
    return (
        f"{count:,} test reads of {count // each:,} species; seeds of each Longformer: {seeds}. "
        f"Qualities: {'; '.join(columns)}."
    )


def draw_reads(done: Finished) -> Figure | None:
    """The gains as points with intervals."""
    methods = [*with_quality(), *(use for use in read_runs.USES if use != "ignored")]
    found = {method: [gain_of(done, method, less) for less in all_lowered(done)] for method in methods}
    found = {method: gains for method, gains in found.items() if any(gains)}
    if not found:
        return None
    figure, axes = plt.subplots(figsize=(7, 0.9 + 0.5 * len(found)))
    axes.axvline(0, color=GREY, linewidth=1)
    for number, less in enumerate(all_lowered(done)):
        for place, gains in enumerate(found.values()):
            if gain := gains[number]:
                value, low, high = points(gain)
                at, mark = place + 0.15 * number, "os^D"[number % 4]
                axes.plot([low, high], [at, at], color=list(PALETTE.values())[number % 4])
                label = errors_of(done, less) if place == 0 else None
                axes.plot(value, at, mark, color=list(PALETTE.values())[number % 4], label=label)
    axes.set_yticks(range(len(found)), list(map(_called, found)))
    axes.margins(y=0.12)
    axes.invert_yaxis()
    axes.set_xlabel("more reads named right than without qualities (points)")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


# ---- 2 and 3 contexts


def of_contexts(done: Finished) -> Finished:
    """The runs of the second and third experiment."""
    return done.only(lambda run: run.name.startswith(("contexts-", f"{context_runs.PRETRAINED}-")))


def of_way(done: Finished, way: str) -> list[FinishedRun]:
    """The pretrainings of one way, a run for each seed."""
    return [run for run in done.values() if run.name.startswith(f"{context_runs.PRETRAINED}-{way}-seed-")]


def contexts_table(done: Finished) -> pd.DataFrame:
    """Windows of each context of the training chromosomes, and those that are evaluated."""
    if context_runs.METHODS_RUN not in done:
        return pd.DataFrame()
    counts = done[context_runs.METHODS_RUN].metrics["windows"]
    table = pd.DataFrame(counts).reindex(CONTEXTS).rename_axis("context")
    shares = table["train"] / table["train"].sum()
    columns = {"train": "training windows", "test": "evaluated windows"}
    return table.rename(columns=columns).assign(**{"share of training": shares.map("{:.1%}".format)})


def _costs(done: Finished, kind: str, sampling: str) -> dict[int, pd.DataFrame]:
    """Nats and bases of the masked tokens of each window, a table for each seed."""
    if kind == FREQUENCIES:
        run = done.get(context_runs.METHODS_RUN)
        return {} if run is None else {run.record["parameters"]["seed"]: run.frame(f"costs-{sampling}.csv")}
    return {run.record["parameters"]["seed"]: run.frame("costs.csv") for run in of_way(done, sampling)}


def pairs_of(done: Finished, kind: str) -> list[Pair]:
    """The tables of balanced and natural sampling, of the seeds that both have."""
    balanced, natural = (_costs(done, kind, sampling) for sampling in ("balanced", "natural"))
    return [(balanced[seed], natural[seed]) for seed in sorted(balanced.keys() & natural.keys())]


def _bits(table: pd.DataFrame, rows: NDArray[np.int64]) -> float:
    return metrics.bits_per_base(-table["nats"].to_numpy()[rows], table["bases"].to_numpy()[rows])


def compared_bits(pairs: Sequence[Pair], context: str, beyond: Sequence[Pair] = ()) -> tuple[Values, Estimate]:
    """Bits of the first minus those of the second: a value for each pair, and their mean with its interval.

    The same windows are drawn for all tables. With several pairs (seeds) the interval holds that of the seeds, too.

    Parameters
    ----------
    pairs
        Of tables with a row for each window, the same windows in all.
    context
        One of `CONTEXTS`, or their mean.
    beyond
        Pairs whose difference is taken off.
    """
    rng = np.random.default_rng(0)
    names = CONTEXTS if context == "mean" else (context,)
    rows = [_rows(pairs[0][0], name) for name in names]

    def differences(chosen: Sequence[NDArray[np.int64]], of: Sequence[Pair]) -> Values:
        return np.array([np.mean([_bits(one, each) - _bits(other, each) for each in chosen]) for one, other in of])

    def values(chosen: Sequence[NDArray[np.int64]]) -> Values:
        return differences(chosen, pairs) - (differences(chosen, beyond).mean() if beyond else 0.0)

    drawn = [values([rng.choice(each, len(each)) for each in rows]).mean() for _ in range(DRAWS // 4)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    found = values(rows)
    return found, with_seeds(Estimate(float(found.mean()), float(low), float(high)), found)


def bits_table(done: Finished) -> pd.DataFrame:
    """Bits per base of both samplings, of the Longformer and of token frequencies, and their difference."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    names = (*CONTEXTS, "mean")
    for kind in (FREQUENCIES, LONGFORMER) if done else ():
        for sampling in SAMPLINGS:
            found = _costs(done, kind, sampling).values()
            rows[kind, sampling] = dict.fromkeys(names, NOT_RUN)
            if found:
                values = {name: np.mean([_bits(each, _rows(each, name)) for each in found]) for name in CONTEXTS}
                values["mean"] = np.mean(list(values.values()))
                rows[kind, sampling] = {name: f"{value:.4f}" for name, value in values.items()}
        if pairs := pairs_of(done, kind):
            rows[kind, "balanced minus natural"] = {name: change_of(pairs, name) for name in names}
    pairs, beyond = pairs_of(done, LONGFORMER), pairs_of(done, FREQUENCIES)
    if pairs and beyond:
        rows[LONGFORMER, "the same minus that of frequencies"] = {
            name: change_of(pairs, name, beyond) for name in names
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(["model", "sampling"]) if rows else table


def change_of(pairs: Sequence[Pair], context: str, beyond: Sequence[Pair] = ()) -> str:
    """The mean of `compared_bits` with its interval."""
    return f"{compared_bits(pairs, context, beyond)[1]:+.4f}"


def _rows(table: pd.DataFrame, context: str) -> NDArray[np.int64]:
    return np.flatnonzero(table["context"].to_numpy() == context)


def _probed(done: Finished, way: str, when: str = "right") -> Values | None:
    """Of each held-out window the share of seeds whose probe names it right."""
    seeds = [digits(run.metrics["probe"][when]) for run in of_way(done, way)]
    return np.mean(seeds, axis=0) if seeds else None


def probe_table(done: Finished) -> pd.DataFrame:
    """What the probe names right, and what each pretraining costs."""
    if not done:
        return pd.DataFrame()
    simple = done.get(context_runs.METHODS_RUN)
    found = {
        "4-mers": None if simple is None else digits(simple.metrics["probe"]["right"]),
        "before training": _probed(done, "natural", "before"),
        **{words: _probed(done, way) for way, words in WAYS.items()},
    }
    ways = {words: way for way, words in WAYS.items()}
    rows = {}
    for words, right in found.items():
        windows = np.arange(len(right)) if right is not None else np.empty(0)
        shown = NOT_RUN if right is None else f"{mean_and_interval(right, windows):.1%}"
        rows[words] = {"context named right": shown} | _cost(of_way(done, ways.get(words, "")))
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("features")


def _cost(runs: Sequence[FinishedRun]) -> dict[str, Any]:
    """Samples, operations and time of a pretraining; nothing where there is none."""
    if not runs:
        return {"samples": None, "operations (10^12)": None, "minutes": None}
    record = runs[0].record
    minutes = np.mean([run.record["seconds"] for run in runs]) / 60
    operations = record["operations"]["all"] / 1e12
    return {"samples": record["samples"]["train"], "operations (10^12)": operations, "minutes": minutes}
