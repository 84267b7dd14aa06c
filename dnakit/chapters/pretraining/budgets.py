"""How far the small Longformer stays behind methods without a training loop, as its genomes and epochs grow.

The budgets of chapter 2 train the 9-mer row of Table 5.1 again, on other genomes, for other epochs, or from other
initial weights. All are measured on the held-out set ``far``, families that no training saw, beside lookups and context
models that learned from the same genomes.
"""

import itertools
from dataclasses import asdict

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from dnakit.chapters.pretraining import gains
from dnakit.chapters.pretraining.full_size import ALL_TOKENS, FULL_SIZE
from dnakit.chapters.pretraining.grid import PREFIX as GRID
from dnakit.chapters.pretraining.measurements import AS_SEEN, HELD_OUT_GENOMES, LOOKUPS, MODEL_MEASURED, SIMPLE
from dnakit.chapters.pretraining.parameters import NINE_MER
from dnakit.chapters.pretraining.recipes import PREFIX, RECIPES
from dnakit.chapters.pretraining.results import COUNTED, lookup_in_words, without_comma
from dnakit.chapters.pretraining.trainings import GLOBAL_CLS
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.tables import MISSING
from dnakit.tokens.parameters import HELD_OUT

AS_ROW = "the row of Table 5.1"
PART, NEAR = "far", "near"
MASKED, BITS = "masked tokens right", "bits per base"  # columns of `table`, panels of the figures
LOOKUP, LOOKED_UP = "lookup", "12 bp, as seen"  # a column, and the name in runs of `LOOKUPS`
OVER_LOOKUP, OVER_COUNTED = "minus lookup", "minus counts"
MORE_GENOMES = ("120-genomes", "360-genomes", "1000-genomes", "all-genomes")  # of about equally many samples
METHODS = {  # simple methods in each panel, worst to best
    MASKED: ["commonest", "neighbours, as seen", LOOKED_UP],
    BITS: ["order 2", "mixed orders", COUNTED],
}
METHOD_RUNS = tuple(f"{start}mitochondria" for start in (SIMPLE, LOOKUPS, AS_SEEN))  # begin the names of their runs
SHADES = ("#b0b0b0", "#7a7a7a", "#222222")


def of_budgets(done: Finished) -> Finished:
    """The row and its budgets, what was measured of them, and the simple methods of mitochondria.

    None of them where nothing was measured, because no genomes were held out.
    """
    if not simple_methods(done).size:
        return done.only(lambda _: False)
    names = {NINE_MER if name == AS_ROW else name for name in trained(done)}
    wanted = names | {f"{MODEL_MEASURED}{name}" for name in names} | {f"{HELD_OUT_GENOMES}mitochondria"}
    return done.only(lambda run: run.name in wanted or run.name.startswith(METHOD_RUNS))


def trained(done: Finished) -> dict[str, FinishedRun]:
    """The row and its budgets by name, those that saw fewest samples first."""
    found = {AS_ROW if run.name == NINE_MER else run.name: run for run in done.values() if _is_nine_mer(run)}
    return dict(sorted(found.items(), key=lambda each: each[1].samples_seen))


def _is_nine_mer(run: FinishedRun) -> bool:
    """Whether it is the row with another budget, and not the same model trained in another way."""
    if run.name.startswith((PREFIX, GRID)) or run.name in (ALL_TOKENS, GLOBAL_CLS):
        return False
    paths = ("parameters.architecture", "parameters.head", "corpus.tokenization", "corpus.piece")
    return tuple(run.value(f"record.{path}") for path in paths) == ("longformer", "mlm", "9-mer", 0)


def initial_weights(run: FinishedRun) -> str:
    """The kind of weights that a training began with, from its record."""
    return run.record["parameters"].get("fresh_weights", "random")


def simple_methods(done: Finished) -> pd.DataFrame:
    """What methods without a training loop reach on the set far, a row for each number of mitochondria learned from."""
    found: dict[int, dict[str, float]] = {}
    for run in (each for each in done.values() if each.name.startswith(METHOD_RUNS)):
        scores = run.metrics[PART]
        if run.name.startswith(LOOKUPS):
            reached = {method: scores[method]["top1"] for method in METHODS[MASKED]}
        elif run.name.startswith(AS_SEEN):
            reached = {COUNTED: scores["bits_per_base"]}
        else:
            reached = {method: scores["bits_per_base"][method] for method in METHODS[BITS] if method != COUNTED}
        found.setdefault(run.record["genomes"]["train"], {}).update(reached)
    return pd.DataFrame.from_dict(found, orient="index").sort_index()


def table(done: Finished) -> pd.DataFrame:
    """What each budget learned from and reached on the set far, beside simple methods that learned from the same."""
    simple, found = simple_methods(done), {}
    for name, run in trained(done).items():
        measured, genomes = _measured(done, name), run.record["genomes"]["train"]
        scores, (right, bits) = measured.metrics[PART], _over_methods(done, measured, genomes)
        found[name] = {
            "initial weights": initial_weights(run),
            "genomes": genomes,
            "epochs": run.record["parameters"]["epochs"],
            "samples seen": run.samples_seen,
            MASKED: scores["masked_accuracy"],
            LOOKUP: simple.loc[genomes, LOOKED_UP],
            OVER_LOOKUP: right.interval.points,
            BITS: scores["bits_per_base"],
            COUNTED: simple.loc[genomes, COUNTED],
            OVER_COUNTED: f"{bits.interval:+.3f}",
        }
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("budget")


def _over_methods(
    done: Finished, measured: FinishedRun, genomes: int, part: str = PART
) -> tuple[gains.Resampled, gains.Resampled]:
    """Masked tokens right minus those of the lookup, and bits per base minus those of `as_seen`."""
    lookups, as_seen = (_learned_from(done, start, genomes) for start in METHOD_RUNS[1:])
    looked_up = gains.looked_up(done, lookups, part)[lookup_in_words(LOOKED_UP)]
    right = gains.named_right(done, measured, part).minus(looked_up)
    return right, gains.resampled(done, measured, part).minus(gains.resampled(done, as_seen, part))


def longest_near(done: Finished) -> dict[str, str]:
    """Of the longest training on the set near, where relatives are in training: both numbers, and both differences."""
    name, run = list(trained(done).items())[-1]
    measured = _measured(done, name)
    right, bits = _over_methods(done, measured, run.record["genomes"]["train"], NEAR)
    return {
        MASKED: f"{gains.named_right(done, measured, NEAR).interval:.1%}",
        OVER_LOOKUP: right.interval.points,
        BITS: f"{gains.resampled(done, measured, NEAR).interval:.3f}",
        OVER_COUNTED: f"{bits.interval:+.3f}",
    }


def longest_far(done: Finished) -> dict[str, str]:
    """Of the longest training on the set far: bits per base minus those of simple methods that predict every base."""
    name, run = list(trained(done).items())[-1]
    simple = _learned_from(done, SIMPLE, run.record["genomes"]["train"])
    bits = gains.resampled(done, _measured(done, name), PART)
    apart = {method: bits.minus(gains.of_method(done, simple, method, PART)) for method in gains.BY_GENOME}
    return {method: f"{difference.interval:+.3f}" for method, difference in apart.items()}


def of_most_genomes(done: Finished) -> Finished:
    """The simple methods that learned from most genomes, and the held-out genomes that intervals need."""
    found = done.only(lambda run: run.name.startswith(METHOD_RUNS))
    most = max((run.record["genomes"]["train"] for run in found.values()), default=0)
    wanted = {name for name, run in found.items() if run.record["genomes"]["train"] == most}
    return done.only(lambda run: run.name in wanted or run.name == f"{HELD_OUT_GENOMES}mitochondria")


def methods(done: Finished) -> pd.DataFrame:
    """What the simple methods of `of_most_genomes` reach on both held-out sets, with intervals where they are known."""
    simple, lookups, as_seen = (
        next(run for run in done.values() if run.name.startswith(start)) for start in METHOD_RUNS
    )
    rows: dict[str, dict[tuple[str, str], str]] = {}
    for part in HELD_OUT:
        name = lookup_in_words(LOOKED_UP)
        rows.setdefault(name, {})[part, MASKED] = f"{gains.looked_up(done, lookups, part)[name].interval:.1%}"
        order_2 = simple.metrics[part]["bits_per_base"]["order 2"]
        rows.setdefault("order 2", {})[part, BITS] = f"{order_2:.3f}"
        counted = {method: gains.of_method(done, simple, method, part) for method in gains.BY_GENOME}
        for method, bits in (counted | {COUNTED: gains.resampled(done, as_seen, part)}).items():
            rows.setdefault(method, {})[part, BITS] = f"{bits.interval:.3f}"
    columns = pd.MultiIndex.from_product([HELD_OUT, (MASKED, BITS)])
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).fillna(MISSING).rename_axis("method")


def by_genomes(done: Finished) -> str:
    """How the distance to `as_seen` changes with more genomes at about equally many samples, in words."""
    found = []
    for fewer, more in itertools.pairwise(each for each in MORE_GENOMES if each in done):
        genomes = [done[each].record["genomes"]["train"] for each in (fewer, more)]
        before, after = (
            _over_methods(done, _measured(done, name), count)[1]
            for name, count in zip((fewer, more), genomes, strict=True)
        )
        change = after.minus(before).interval
        found.append(
            f"{change:+.3f} from {genomes[0]:,} to {genomes[1]:,} genomes" + (" (open)" if change.open else "")
        )
    return "; ".join(found) or "no pair of such trainings is recorded"


def _learned_from(done: Finished, start: str, genomes: int) -> FinishedRun:
    """The run whose name begins so and that learned from so many genomes."""
    runs = (run for run in done.values() if run.name.startswith(start))
    return next(run for run in runs if run.record["genomes"]["train"] == genomes)


def of_full_size(done: Finished) -> Finished:
    """The row at the thesis's size, and its last epoch."""
    return done.only(lambda run: run.name in (FULL_SIZE, ALL_TOKENS))


def over_all_tokens(done: Finished) -> pd.DataFrame:
    """What the thesis prints of its 9-mer row, measured on the validation genomes, and what it reached on the set far.

    One row for the training at the thesis's size, and one for its last epoch.
    """
    rows, seen = [], 0
    for name, run in sorted(of_full_size(done).items()):
        scores, far = run.metrics["validation"], run.metrics[PART]
        seen += run.samples_seen
        rows.append(
            {
                "recipe": "the same, one epoch more" if name == ALL_TOKENS else _recipe(run),
                "loss over": "all tokens" if run.record["parameters"]["mlm_loss"] == "all" else "selected tokens",
                "samples seen": seen,
                "accuracy": scores["accuracy"],
                "copying": scores["copy_accuracy"],
                "perplexity": scores["perplexity"],
                MASKED: scores["masked_accuracy"],
                f"{MASKED}, far": far["masked_accuracy"],
                f"{BITS}, far": far["bits_per_base"],
            }
        )
    return pd.DataFrame(rows).set_index("recipe") if rows else pd.DataFrame()


def _recipe(run: FinishedRun) -> str:
    """The name of the recipe that a training followed, from its record."""
    parts = run.record["parameters"]
    return next(name for name, recipe in RECIPES.items() if asdict(recipe).items() <= parts.items())


def curves(done: Finished) -> pd.DataFrame:
    """What each training reached on the set far by epoch: ``budget``, ``samples seen``, ``panel``, ``value``."""
    frames = []
    for name, run in trained(done).items():
        history = run.frame("history.csv")
        masked = _measured(done, name).frame("bits.csv").query("ruler == @PART")[["masked", "bases"]].sum()
        nats_per_base = history[f"{PART}_masked_loss"] * masked["masked"] / masked["bases"]
        reached = {
            "budget": name,
            "samples seen": history.epoch * run.record["samples"]["train"],
            MASKED: history[f"{PART}_masked_accuracy"],
            BITS: nats_per_base / np.log(2),
        }
        frames.append(pd.DataFrame(reached).melt(["budget", "samples seen"], var_name="panel"))
    return pd.concat(frames, ignore_index=True)


def by_samples(done: Finished) -> sns.FacetGrid:
    """Masked tokens and bits per base by samples seen, a line for each budget.

    Dotted: simple methods that learned from as many genomes as the budget that has most.
    """
    levels = simple_methods(done).iloc[-1]
    grid = sns.relplot(
        curves(done),
        kind="line",
        x="samples seen",
        y="value",
        hue="budget",
        palette="colorblind",
        marker="o",
        markersize=4,
        markeredgewidth=0,
        row="panel",
        row_order=list(METHODS),
        height=2.2,
        aspect=2.4,
        facet_kws={"sharey": False},
    )
    for panel, axes in _finished(grid, "samples seen in training").items():
        for rank, line in enumerate(axes.lines):  # shorter ones over longer ones that begin alike
            line.set_zorder(3 - rank / len(axes.lines))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        for method, shade in zip(METHODS[panel], SHADES, strict=True):
            axes.axhline(levels[method], color=shade, linewidth=1, linestyle=(0, (1, 1.5)))
            _note(axes, without_comma(method), (axes.get_xlim()[1], levels[method]), shade)
    sns.move_legend(grid, "upper center", bbox_to_anchor=(0.45, 0.02), ncol=3)
    return grid


def _measured(done: Finished, name: str) -> FinishedRun:
    """What was measured of a training."""
    return done[f"{MODEL_MEASURED}{NINE_MER if name == AS_ROW else name}"]


def _finished(grid: sns.FacetGrid, x_label: str) -> dict[str, Axes]:
    """Titles and axes: shares on a logarithmic axis, and bits per base."""
    grid.set_titles("{row_name}").set_axis_labels(x_label, "")
    shares = grid.axes_dict[MASKED]
    shares.set_yscale("log")
    shares.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    shares.yaxis.set_minor_formatter(NullFormatter())
    return grid.axes_dict


def _note(axes: Axes, text: str, at: tuple[float, float], shade: str) -> None:
    """A word to the right of a place."""
    axes.annotate(
        text, at, (5, 0), textcoords="offset points", va="center", fontsize=9, color=shade, annotation_clip=False
    )
