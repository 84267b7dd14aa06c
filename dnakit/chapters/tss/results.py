"""The tables and figures of chapter 3 (thesis section 5.2). They read finished runs, recorded ones and others alike."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import logomaker
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from dnakit.chapters.tss.differences import minus
from dnakit.chapters.tss.parameters import KINDS, PROMOTERS, TABLE_5_2
from dnakit.project import DnakitError
from dnakit.report.figures import curves
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Interval, wilson
from dnakit.report.style import GREY, PALETTE
from dnakit.report.tables import MISSING, indexed
from dnakit.report.thesis import thesis_table

CONTROLS = {  # methods of the control by name in an evaluation
    "rule": "the rule",
    "rule-5000": "the rule, 5,000 bases before the TSS",
    TABLE_5_2: "trained on promoters",
    "random-positions": "trained on random positions",
    "rule-seamless": "no seam: the rule",
    "promoters-seamless": "no seam: trained on promoters",
    "random-positions-seamless": "no seam: trained on random positions",
}
CONSTANT, PRETRAINED = "constant prediction", "Longformer, pretrained"
FAIR_METHODS = {  # of the fair task: simple methods, then Longformer by initialization
    "position": CONSTANT,
    "motifs": "motifs",
    "k-mers": "k-mers, logistic regression",
    "none": "Longformer, not pretrained",
    "nuclear": PRETRAINED,
}
ERRORS = {  # columns of `errors` by name in an evaluation
    "baselines-position": CONSTANT,
    "baselines-k-mers": "k-mers",
    "baselines-other-k-mers": "k-mers, other",
    "fair-nuclear": "Longformer",
    "fair-other-nuclear": "Longformer, other",
}
INTERVAL, OVER_PRETRAINED = "95% interval", "minus pretrained Longformer"
TRAINED_ON = ("organism", "other_organism", "random positions")  # in records
INITIALIZATIONS = {"nuclear": PALETTE["6-mer"], "mitochondria": PALETTE["9-mer"], "none": PALETTE["12-mer"]}
LETTERS = {"A": "#009E73", "C": "#0072B2", "G": "#E69F00", "T": "#D55E00"}  # Okabe and Ito


# ---- which runs


def the_nine(done: Finished) -> Finished:
    """The thesis's nine trainings, by initialization and dropout."""
    nine = done.only(lambda run: _is_training(run) and run.name.startswith("thesis-"))
    names = sorted(nine, key=lambda name: _place_among_the_nine(nine[name]))
    return replace(nine, folders={name: nine.folders[name] for name in names})


def _place_among_the_nine(run: FinishedRun) -> tuple[int, float]:
    chosen = run.record["parameters"]
    return list(INITIALIZATIONS).index(chosen["initialization"]), chosen["dropout"]


def of_the_fair_task(done: Finished) -> Finished:
    """Models and simple methods of the fair task."""
    return done.only(lambda run: run.value("record.parameters.task") == "fair")


def _is_training(run: FinishedRun) -> bool:
    return run.value("record.parameters.initialization") is not None


def separates(run: FinishedRun) -> bool:
    """Whether a training is one of `dnakit.chapters.tss.trainings.separating`."""
    return any(run.value(f"record.parameters.{name}") for name in ("few", "apart", "repeat"))


def _is_evaluation(run: FinishedRun) -> bool:
    return "kind" in run.record


# ---- trainings


def trainings(done: Finished) -> pd.DataFrame:
    """What each training was trained on, for how long, and its accuracy on test windows of the same kind."""
    rows = []
    for run in done.only(lambda run: _is_training(run) and not separates(run)).values():
        chosen, windows = run.record["parameters"], run.record["windows"]
        what = chosen["trained_on"]
        rows.append(
            {
                "task": chosen["task"],
                "trained on": what if what == TRAINED_ON[-1] else run.record["species"],
                "training windows": windows["train"],
                "test windows": promoters_tested(run),
                "bases before": chosen["upstream"],
                "initialization": chosen["initialization"],
                "dropout": chosen["dropout"],
                "samples": run.samples_seen,
                "test accuracy": run.metrics["test"]["accuracy"],
                INTERVAL: str(interval_of_test(run)),
            }
        )
    return indexed(rows, "task", "trained on")


def nine(done: Finished) -> pd.DataFrame:
    """The thesis's nine trainings at their end, by initialization and dropout."""
    rows = []
    for run in the_nine(done).values():
        chosen, last = run.record["parameters"], run.frame("history.csv").iloc[-1]
        rows.append(
            {
                "initialization": chosen["initialization"],
                "dropout": f"{chosen['dropout']:g}",
                "samples": run.samples_seen,
                "training accuracy": last.train_accuracy,
                "validation accuracy": last.validation_accuracy,
                "test promoters": promoters_tested(run),
                "test accuracy": run.metrics["test"]["accuracy"],
                INTERVAL: str(interval_of_test(run)),
            }
        )
    return indexed(rows, "initialization", "dropout")


def promoters_tested(run: FinishedRun, scores: Mapping[str, float] | None = None) -> int:
    """How many different windows a model of the chapter, or a method with these scores, was tested on."""
    return min(run.record["windows"]["test"], int((scores or run.metrics["test"])["samples"]))


def tested(run: FinishedRun) -> tuple[float, int]:
    """A training's test accuracy, and the number of test promoters."""
    return run.metrics["test"]["accuracy"], promoters_tested(run)


def interval_of_test(run: FinishedRun) -> Interval:
    """The 95% interval of a training's test accuracy; n is the number of test promoters."""
    return wilson(*tested(run))


def histories(done: Finished) -> pd.DataFrame:
    """The nine trainings by epoch: one row for each training and epoch."""
    frames = [
        run.frame("history.csv").assign(
            initialization=run.record["parameters"]["initialization"],
            dropout=f"{run.record['parameters']['dropout']:g}",
        )
        for run in the_nine(done).values()
    ]
    return pd.concat(frames, ignore_index=True)


def draw_losses(done: Finished) -> sns.FacetGrid:
    """Figure 5.5: training and validation losses by epoch."""
    names = {"train_loss": "training", "validation_loss": "validation"}
    each = ["epoch", "initialization", "dropout"]
    losses = histories(done).rename(columns=names).melt(each, list(names.values()), "samples", "loss")
    return _curves(losses, "loss", "loss (nats per sample)", col="samples")


def draw_training_accuracy(done: Finished) -> sns.FacetGrid:
    """Figure 5.6: training accuracies by epoch."""
    return _curves(histories(done), "train_accuracy", "training accuracy", col="initialization")


def draw_validation_accuracy(done: Finished) -> sns.FacetGrid:
    """Figure 5.7: validation accuracies by epoch, with the two final accuracies that the thesis prints."""
    grid = _curves(histories(done), "validation_accuracy", "validation accuracy", col="initialization")
    printed = (published().accuracy.iloc[0], "all", "bottom"), (thesis_table("B.2").accuracy.iloc[0], "test set", "top")
    for value, what, side in printed:
        grid.refline(y=value, color=GREY, linewidth=1, linestyle=":")
        text, place = f"thesis, {what}: {value:.4f}", (0.03, value)
        grid.axes.flat[-1].annotate(text, place, xycoords=("axes fraction", "data"), va=side, size=9)
    return grid.set(ylim=(0, 1.1))


def _curves(data: pd.DataFrame, y: str, label: str, col: str) -> sns.FacetGrid:
    return curves(data, y, label, hue="initialization", style="dropout", col=col, palette=INITIALIZATIONS)


# ---- the control


def control(done: Finished) -> pd.DataFrame:
    """Exact accuracy in the thesis's protocol of the rule and of trained models: on promoters, shuffled, random DNA.

    Of promoters, on those that a model was not trained on. Of the rule, the expectation over all possible boundaries.
    """
    columns = {}
    for run in done.only(_is_evaluation).values():
        if run.record["main"]:
            found = scores(run)["thesis"]
            columns[run.record["kind"]] = {
                title: exact(done, run, method)[0] for method, title in CONTROLS.items() if method in found
            }
    return pd.DataFrame(columns, columns=list(KINDS)).rename_axis("method")


def control_with_intervals(done: Finished) -> pd.DataFrame:
    """The same with a 95% interval beside each accuracy, and n, of how many different promoters or random sequences."""
    shown = control(done)
    for run in done.only(_is_evaluation).values():
        if run.record["main"]:
            kind = run.record["kind"]
            found = [exact(done, run, method) for method, title in CONTROLS.items() if title in shown.index]
            place = list(shown.columns).index(kind) + 1
            shown.insert(place, f"{kind}, {INTERVAL}", [str(wilson(*each)) for each in found])
            shown.insert(place, f"{kind}, n", [count for _, count in found])
    return shown


# ---- the fair task


def fair(done: Finished) -> pd.DataFrame:
    """The fair task on each organism's own test promoters: simple methods and the transformer.

    Beside each accuracy that of the method minus that of the pretrained Longformer, the two taken as independent.
    """
    rows = []
    for run in of_the_fair_task(done).values():
        for method, measured in _by_method(run).items():
            order = TRAINED_ON.index(run.record["parameters"]["trained_on"]), list(FAIR_METHODS).index(method)
            names = {"promoters": run.record["species"], "method": FAIR_METHODS[method]}
            share = measured["accuracy"], promoters_tested(run, measured)
            found = {"test promoters": share[1], "accuracy": share[0], INTERVAL: str(wilson(*share))}
            rows.append((order, names | found | _measures(measured)))
    table = indexed([row for _, row in sorted(rows, key=lambda each: each[0])], "promoters", "method")
    return table if table.empty else _over_pretrained(table)


def _over_pretrained(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each method minus the pretrained Longformer, and what that decides."""
    shares = dict(zip(table.index, zip(table["accuracy"], table["test promoters"], strict=True), strict=True))
    over = [minus(share, shares[species, PRETRAINED]) for (species, _), share in shares.items()]
    of_others = table.index.get_level_values("method") != PRETRAINED
    place = list(table.columns).index(INTERVAL) + 1
    cells = {OVER_PRETRAINED: [each.points for each in over], "verdict": [each.verdict for each in over]}
    for column, name in enumerate(cells):
        table.insert(place + column, name, np.where(of_others, cells[name], MISSING))
    return table


def _by_method(run: FinishedRun) -> dict[str, dict[str, float]]:
    """Test scores of a run of the fair task by method: one model, or several simple methods."""
    initialization = run.record["parameters"].get("initialization")
    return {initialization: run.metrics["test"]} if initialization else run.metrics["test"]


def _measures(scores: Mapping[str, float]) -> dict[str, float]:
    return {
        "within two tokens": scores["within_two_tokens"],
        "within 50 bp": scores["within_50_bp"],
        "median error (bp)": scores["median_error_bp"],
    }


# ---- across species


def table_5_2(done: Finished) -> pd.DataFrame:
    """Table 5.2: accuracy of the same methods on every organism, in the thesis's protocol and in the fair task.

    Each with the number of different promoters, and the 95% interval by them.
    """
    rows = []
    for species, run in organisms(done):
        rows.append(
            {
                "species": species,
                "accuracy": with_interval(*exact(done, run, TABLE_5_2)),
                "random positions": with_interval(*exact(done, run, "random-positions")),
                "rule": with_interval(*exact(done, run, "rule")),
                "same model, fair": with_interval(*exact(done, run, TABLE_5_2, "fair")),
                "fair": with_interval(*exact(done, run, "fair-nuclear", "fair")),
                "fair, other": with_interval(*exact(done, run, "fair-other-nuclear", "fair")),
            }
        )
    return indexed(rows, "species")


def with_interval(share: float, count: int) -> str:
    """A share of so many different windows with its 95% interval, such as ``0.793 [0.67, 0.88], n = 55``."""
    low, high = wilson(share, count)
    return f"{share:.3f} [{low:.2f}, {high:.2f}], n = {count:,}"


def exact(done: Finished, run: FinishedRun, method: str, task: str = "thesis") -> tuple[float, int]:
    """Exact accuracy of a method in an evaluation, and on how many different windows.

    Of the rule, the expectation over all possible boundaries, which the run ``rule-ties`` of the same windows has.
    """
    if method.startswith("rule"):
        ties = done[f"rule-ties-{run.name.removeprefix('on-')}"].metrics
        return ties[method]["expected"], ties["promoters"]
    own = method in run.metrics["test_only"][task]
    windows = done[method].record["windows"]["test"] if own else run.record["windows"]
    found = scores(run)[task][method]
    return found["accuracy"], min(windows, found["samples"])


def errors(done: Finished) -> pd.DataFrame:
    """Median errors in bp of the fair task on every organism."""
    rows = [
        {"species": species}
        | {title: scores(run)["fair"][method]["median_error_bp"] for method, title in ERRORS.items()}
        for species, run in organisms(done)
    ]
    return indexed(rows, "species")


def published() -> pd.DataFrame:
    """The thesis's Table 5.2."""
    return thesis_table("5.2")[["species", "accuracy"]]


def organisms(done: Finished) -> Iterator[tuple[str, FinishedRun]]:
    """Each organism's name, told apart where two sets of windows are of one, and the evaluation on it."""
    named: set[str] = set()
    for run in done.only(_is_evaluation).values():
        if run.record["kind"] == PROMOTERS:
            species = run.record["species"]
            species = species if species not in named else f"{species} ({run.name.removeprefix('on-')})"
            named.add(species)
            yield species, run


# ---- attribution


def draw_attribution(done: Finished) -> Figure | None:
    """What a model of the fair task looks at: attribution around the TSS, above the promoters' sequence logo."""
    if "attribution" not in done:
        return None
    run = done["attribution"]
    model = next(each for each in done.values() if each.record["key"] == run.record["pictured"])
    profile, bits = run.frame("attribution.csv"), run.frame("logo.csv", index_col="place")
    figure, (above, below) = plt.subplots(2, 1, figsize=(7.0, 4.9), height_ratios=(3, 2), layout="constrained")
    _draw_profile(above, profile, bits)
    above.set_title(f"{run.record['species']}, a model with accuracy {model.metrics['test']['accuracy']:.1%}")
    logomaker.Logo(bits, ax=below, color_scheme=LETTERS, font_name="DejaVu Sans", font_weight="bold")
    below.set(
        xlim=(bits.index[0] - 0.5, bits.index[-1] + 0.5), ylabel="information (bits)", xlabel="bases from the TSS"
    )
    below.grid(False)
    for axes in (above, below):
        axes.axvline(0, color="#222222", linewidth=0.8, linestyle=":", zorder=0)
    return figure


def _draw_profile(axes: plt.Axes, profile: pd.DataFrame, bits: pd.DataFrame) -> None:
    """Mean attribution with its 95% interval; the stretch of the logo is shaded."""
    color = PALETTE["6-mer"]
    axes.axvspan(bits.index[0] - 0.5, bits.index[-1] + 0.5, color="#f1f1f1", linewidth=0)
    axes.axhline(0, color=GREY, linewidth=0.8)
    low, high = profile["mean"] - profile["half"], profile["mean"] + profile["half"]
    axes.fill_between(profile["place"], low, high, color=color, alpha=0.25, linewidth=0)
    sns.lineplot(profile, x="place", y="mean", color=color, linewidth=1.4, ax=axes)
    axes.set(xlim=(profile["place"].min(), profile["place"].max()), ylabel="attribution per base", xlabel="")


# ---- scores


def scores(evaluation: FinishedRun) -> dict[str, dict[str, Any]]:
    """Scores by task and method; of a method that was trained on these very promoters, those on its test promoters.

    Raises
    ------
    DnakitError
        If the evaluation was made before evaluations said which methods these are.
    """
    metrics = evaluation.metrics
    if "test_only" not in metrics:
        raise DnakitError(f"{evaluation.folder} was made by an older version: delete this folder and run again")
    return {task: metrics[task] | metrics["test_only"][task] for task in ("thesis", "fair")}
