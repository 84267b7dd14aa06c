"""What chapter 10 found: tables, a figure and sentences, from finished runs; a run that is not there is "not run"."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dnakit.chapters.future_work import context_runs, read_runs
from dnakit.chapters.future_work.parameters import CONTEXTS, SAMPLINGS
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Interval
from dnakit.report.style import GREY, PALETTE

NOT_RUN = "not run"
DRAWS = 2000
# Simple methods and what each is compared with: `read_methods.METHODS`, which imports more than a page needs.
COMPARED = {"likelihood": "mismatches", "k-mers, trimmed": "k-mers", "k-mers, weighted": "k-mers"}
SIMPLE = ("mismatches", "likelihood", "k-mers", "k-mers, trimmed", "k-mers, weighted")
WAYS = {"natural": "masked, natural", "balanced": "masked, balanced", "replaced-tokens": "replaced, natural"}
Values = NDArray[np.float64]


# ---- intervals


def mean_and_interval(values: Values, groups: NDArray[Any]) -> tuple[float, Interval]:
    """A mean, and its 95% interval by bootstrap over groups."""
    _, number = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(number, values), np.bincount(number)
    drawn = np.random.default_rng(0).integers(0, len(sums), (DRAWS, len(sums)))
    low, high = np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])
    return float(values.mean()), Interval(float(low), float(high))


def verdict(interval: Interval, better: str, worse: str, same: str) -> str:
    """One of three words: the interval lies above zero, below, or holds it."""
    return better if interval.low > 0 else worse if interval.high < 0 else same


def _digits(text: str) -> Values:
    return np.array(list(text), float)


def _written(value: float, interval: Interval, kind: str = ".1%") -> str:
    return f"{value:{kind}} ({interval.low:{kind}} to {interval.high:{kind}})"


def _points(value: float, interval: Interval) -> str:
    return f"{100 * value:+.2f} ({100 * interval.low:+.2f} to {100 * interval.high:+.2f})"


# ---- 1 reads


def of_reads(done: Finished) -> Finished:
    """The runs of the first experiment."""
    return done.only(lambda run: run.name.startswith("reads-"))


def _lowered(done: Finished) -> list[str]:
    """The Phred that were taken from the qualities, as the runs name them."""
    if read_runs.METHODS_RUN in done:
        return list(done[read_runs.METHODS_RUN].metrics["errors"])
    return list(next(iter(reads.values())).metrics["right"]) if (reads := of_reads(done)) else []


def _right(done: Finished, method: str, lowered: str) -> Values | None:
    """Of each test read the share of seeds that name it right; None where nothing is run."""
    if method in SIMPLE:
        run = done.get(read_runs.METHODS_RUN)
        return None if run is None else _digits(run.metrics["methods"][method]["right"][lowered])
    seeds = [_digits(run.metrics["right"][lowered]) for run in _of_use(done, method)]
    return np.mean(seeds, axis=0) if seeds else None


def _of_use(done: Finished, use: str) -> list[FinishedRun]:
    return [run for run in done.values() if run.name.startswith(f"{read_runs.TRAINED}-{use}-seed-")]


def _gain(done: Finished, method: str, lowered: str) -> tuple[float, Interval] | None:
    """How much more is named right than by the same method without qualities."""
    without = COMPARED.get(method) if method in SIMPLE else "ignored" if method != "ignored" else None
    one, other = (_right(done, each, lowered) if each else None for each in (method, without))
    if one is None or other is None:
        return None
    if method not in SIMPLE:  # the seeds that both have
        one, other = _same_seeds(done, method, lowered)
    return mean_and_interval(one - other, _species(done, one)) if len(one) else None


def _same_seeds(done: Finished, use: str, lowered: str) -> tuple[Values, Values]:
    """Of a use and of none, the reads named right by those seeds that both are run with."""
    found = [
        {run.record["parameters"]["seed"]: _digits(run.metrics["right"][lowered]) for run in _of_use(done, each)}
        for each in (use, "ignored")
    ]
    both = found[0].keys() & found[1].keys()
    means = [np.mean([each[seed] for seed in both], axis=0) if both else np.empty(0) for each in found]
    return means[0], means[1]


def _species(done: Finished, reads: Values) -> NDArray[Any]:
    """Groups of the bootstrap: the reads of a species lie together."""
    return np.arange(len(reads)) // int(next(iter(of_reads(done).values())).record["test_reads"])


def reads_table(done: Finished) -> pd.DataFrame:
    """Each method: reads named right and the gain by qualities, for each error rate."""
    rows = {}
    for method in (*SIMPLE, *read_runs.USES) if done else ():
        row: dict[str, str] = {}
        for less in _lowered(done):
            right, gain = _right(done, method, less), _gain(done, method, less)
            shown = NOT_RUN if right is None else _written(*mean_and_interval(right, _species(done, right)))
            row |= {
                f"right, {_named(done, less)}": shown,
                f"gain, {_named(done, less)}": _points(*gain) if gain else "",
            }
        rows[method if method in SIMPLE else f"Longformer, {method}"] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def _named(done: Finished, lowered: str) -> str:
    """An error rate in words."""
    run = done.get(read_runs.METHODS_RUN)
    errors = f"{run.metrics['errors'][lowered]:.1%} errors" if run else f"{lowered} Phred lower"
    return errors


def draw_reads(done: Finished) -> Figure | None:
    """The gains as points with intervals."""
    methods = [*COMPARED, *(use for use in read_runs.USES if use != "ignored")]
    found = {method: [_gain(done, method, less) for less in _lowered(done)] for method in methods}
    found = {method: gains for method, gains in found.items() if any(gains)}
    if not found:
        return None
    figure, axes = plt.subplots(figsize=(7, 0.9 + 0.5 * len(found)))
    axes.axvline(0, color=GREY, linewidth=1)
    for number, less in enumerate(_lowered(done)):
        for place, gains in enumerate(found.values()):
            if gain := gains[number]:
                value, interval = gain
                at, mark = place + 0.15 * number, "os^D"[number % 4]
                axes.plot([100 * interval.low, 100 * interval.high], [at, at], color=list(PALETTE.values())[number % 4])
                label = _named(done, less) if place == 0 else None
                axes.plot(100 * value, at, mark, color=list(PALETTE.values())[number % 4], label=label)
    axes.set_yticks(range(len(found)), [each if each in SIMPLE else f"Longformer, {each}" for each in found])
    axes.margins(y=0.12)
    axes.invert_yaxis()
    axes.set_xlabel("more reads named right than without qualities (points)")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


# ---- 2 and 3 contexts


def of_contexts(done: Finished) -> Finished:
    """The runs of the second and third experiment."""
    return done.only(lambda run: run.name.startswith(("contexts-", f"{context_runs.PRETRAINED}-")))


def _of_way(done: Finished, way: str) -> list[FinishedRun]:
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


def _costs(done: Finished, kind: str, sampling: str) -> list[pd.DataFrame]:
    """Nats and bases of the masked tokens of each window, a table for each seed."""
    if kind == "token frequencies":
        run = done.get(context_runs.METHODS_RUN)
        return [] if run is None else [run.frame(f"costs-{sampling}.csv")]
    return [run.frame("costs.csv") for run in _of_way(done, sampling)]


def _bits(table: pd.DataFrame, rows: NDArray[np.int64]) -> float:
    return float(table["nats"].to_numpy()[rows].sum() / (table["bases"].to_numpy()[rows].sum() * np.log(2)))


def _compared_bits(one: Sequence[pd.DataFrame], other: Sequence[pd.DataFrame], context: str) -> tuple[float, Interval]:
    """Bits of the first less those of the second: the same windows, drawn together, and means over the seeds."""
    rng = np.random.default_rng(0)
    names = CONTEXTS if context == "mean" else (context,)
    rows = [np.flatnonzero(one[0]["context"].to_numpy() == name) for name in names]

    def difference(chosen: Sequence[NDArray[np.int64]]) -> float:
        means = [np.mean([[_bits(table, each) for each in chosen] for table in tables]) for tables in (one, other)]
        return float(means[0] - means[1])

    drawn = [difference([rng.choice(each, len(each)) for each in rows]) for _ in range(DRAWS // 4)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return difference(rows), Interval(float(low), float(high))


def bits_table(done: Finished) -> pd.DataFrame:
    """Bits a base of both samplings, of the Longformer and of token frequencies, and their difference."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for kind in ("token frequencies", "Longformer") if done else ():
        tables = {sampling: _costs(done, kind, sampling) for sampling in SAMPLINGS}
        for sampling, found in tables.items():
            rows[kind, sampling] = dict.fromkeys((*CONTEXTS, "mean"), NOT_RUN)
            if found:
                values = {name: np.mean([_bits(each, _rows(each, name)) for each in found]) for name in CONTEXTS}
                values["mean"] = np.mean(list(values.values()))
                rows[kind, sampling] = {name: f"{value:.4f}" for name, value in values.items()}
        if all(tables.values()):
            rows[kind, "balanced less natural"] = {
                name: _written(*_compared_bits(tables["balanced"], tables["natural"], name), "+.4f")
                for name in (*CONTEXTS, "mean")
            }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(["model", "sampling"]) if rows else table


def _rows(table: pd.DataFrame, context: str) -> NDArray[np.int64]:
    return np.flatnonzero(table["context"].to_numpy() == context)


def _probed(done: Finished, way: str, when: str = "right") -> Values | None:
    """Of each held-out window the share of seeds whose probe names it right."""
    seeds = [_digits(run.metrics["probe"][when]) for run in _of_way(done, way)]
    return np.mean(seeds, axis=0) if seeds else None


def probe_table(done: Finished) -> pd.DataFrame:
    """What the probe names right, and what each pretraining costs."""
    if not done:
        return pd.DataFrame()
    simple = done.get(context_runs.METHODS_RUN)
    found = {
        "4-mers": None if simple is None else _digits(simple.metrics["probe"]["right"]),
        "before training": _probed(done, "natural", "before"),
        **{words: _probed(done, way) for way, words in WAYS.items()},
    }
    ways = {words: way for way, words in WAYS.items()}
    rows = {}
    for words, right in found.items():
        windows = np.arange(len(right)) if right is not None else np.empty(0)
        shown = NOT_RUN if right is None else _written(*mean_and_interval(right, windows))
        rows[words] = {"context named right": shown} | _cost(_of_way(done, ways.get(words, "")))
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("features")


def _cost(runs: Sequence[FinishedRun]) -> dict[str, Any]:
    """Samples, operations and time of a pretraining; nothing where there is none."""
    if not runs:
        return {"samples": None, "operations (10^12)": None, "minutes": None}
    record = runs[0].record
    minutes = np.mean([run.record["seconds"] for run in runs]) / 60
    operations = record["operations"]["all"] / 1e12
    return {"samples": record["samples"]["train"], "operations (10^12)": operations, "minutes": minutes}


# ---- sentences


def said_of_methods(done: Finished) -> str:
    """What qualities gain without a network, at each error rate."""
    if read_runs.METHODS_RUN not in done:
        return "The simple methods are not run."
    return f"Without a network: {_said_of_gains(done, COMPARED)}"


def said_of_models(done: Finished) -> str:
    """Whether a Longformer gains by quality, at each error rate."""
    uses = [use for use in read_runs.USES if use != "ignored" and _of_use(done, use) and _of_use(done, "ignored")]
    if not uses:
        return "The Longformers are not run."
    seeds = min(len(_of_use(done, use)) for use in (*uses, "ignored"))
    trained = "one seed, whose chance no interval knows" if seeds == 1 else f"{seeds} seeds"
    return f"In the Longformer ({trained}): {_said_of_gains(done, uses)}"


def _said_of_gains(done: Finished, methods: Iterable[str]) -> str:
    """What qualities gain over ignoring them, beyond chance; and how often there is no difference beyond it."""
    compared = [(method, less) for less in _lowered(done) for method in methods]
    gains = {each: gain for each in compared if (gain := _gain(done, *each))}
    seen = [
        f"{word} at {_named(done, less)}: {method}, {_points(*gain)} points"
        for (method, less), gain in gains.items()
        if (word := verdict(gain[1], "better", "worse", ""))
    ]
    text = f"qualities make it {'; '.join(seen)}; " if seen else ""
    return f"{text}no difference is seen in {len(gains) - len(seen)} of {len(gains)} comparisons."


def said_of_balance(done: Finished) -> str:
    """What balancing does to each context."""
    tables = {sampling: _costs(done, "Longformer", sampling) for sampling in SAMPLINGS}
    if not all(tables.values()):
        return "The pretrainings are not run."
    found = {name: _compared_bits(tables["balanced"], tables["natural"], name) for name in (*CONTEXTS, "mean")}
    words = ("balancing is worse", "balancing is better", "no difference seen")
    text = "; ".join(f"{name} {_written(*each, '+.4f')}, {verdict(each[1], *words)}" for name, each in found.items())
    return f"Bits a base, balanced less natural: {text}."


def said_of_replaced(done: Finished) -> str:
    """Whether the probe prefers replaced tokens to masked ones."""
    one, other = _probed(done, "replaced-tokens"), _probed(done, "natural")
    before = _probed(done, "natural", "before")
    if one is None or other is None or before is None:
        return "The pretrainings are not run."
    windows = np.arange(len(one))
    difference = mean_and_interval(one - other, windows)
    gained = [_points(*mean_and_interval(each - before, windows)) for each in (other, one)]
    words = ("replaced tokens are better", "masked tokens are better", "no difference seen")
    word = verdict(difference[1], *words)
    return (
        f"The probe, replaced less masked at the same cost: {_points(*difference)} points; {word}. Less the model "
        f"before any training: masked {gained[0]} points, replaced {gained[1]} points."
    )
