"""Tables and figures of chapter 5, read from finished runs."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from dnakit.chapters.chromatin.parameters import APART, BEST, CHROMOSOMES, GC, RANDOM
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Estimate
from dnakit.report.style import GREY
from dnakit.report.tables import MISSING, indexed

KINDS = ["DNase", "TF", "histone"]  # in the thesis's order
SPLITS = {RANDOM: "random", APART: "random, 1 kb apart", CHROMOSOMES: "by chromosome"}  # in words
COLOURS = {"nearest bins": GREY, GC: "#56B4E9", "6-mers": "#0072B2", BEST: "#D55E00"}
METHODS = list(COLOURS)
TICKS = ["random", "1 kb apart", "chromosome"]  # the splits on an axis


def _simple(done: Finished) -> Finished:
    """The runs of methods without a network."""
    return done.only(lambda run: "methods" in run.metrics)


def methods_of(run: FinishedRun) -> list[tuple[str, dict[str, Any]]]:
    """The methods of a run with their metrics, in the order of `METHODS`."""
    return [(name, run.metrics["methods"][name]) for name in METHODS if name in run.metrics["methods"]]


def _kinds(found: dict[str, Any]) -> list[str]:
    """The kinds of features, the thesis's first."""
    return sorted(found, key=lambda kind: (KINDS.index(kind) if kind in KINDS else len(KINDS), kind))


# ---- data and splits


def splits(done: Finished) -> pd.DataFrame:
    """Rows in each part, and the share of the test rows that have a training row within 1 kb."""
    rows = [
        {
            "organism": run.record["species"],
            "split": SPLITS[run.record["split"]],
            **run.record["samples"],
            "neighbour in training": run.metrics["neighbours"],
        }
        for run in in_order(_simple(done))
    ]
    return pd.DataFrame(rows).drop_duplicates().set_index(["organism", "split"]) if rows else pd.DataFrame()


def in_order(done: Finished) -> list[FinishedRun]:
    """Human before other organisms, splits from the easiest to the hardest, and methods from the simplest on."""
    names = list(SPLITS)

    def place(run: FinishedRun) -> tuple[int, str, int, int]:
        first = METHODS.index(methods_of(run)[0][0])
        return run.name.count("-"), run.record["species"], names.index(run.record["split"]), first

    return sorted(done.values(), key=place)


# ---- methods without a network


def _scores(done: Finished) -> Iterator[dict[str, Any]]:
    for run in in_order(_simple(done)):
        for method, found in methods_of(run):
            for kind in _kinds(found["kinds"]):
                row = {"organism": run.record["species"], "split": SPLITS[run.record["split"]], "method": method}
                yield row | {"kind": kind} | found["kinds"][kind]


def simple_methods(done: Finished) -> pd.DataFrame:
    """Mean AUROC and AUPRC by organism, split, method and kind of feature, with 95% intervals."""
    found = pd.DataFrame(_scores(done))
    if found.empty:
        return found
    for name in ("auroc", "auprc"):
        limits = found[f"{name}_interval"]
        found[f"{name} 95%"] = [f"{low:.3f} to {high:.3f}" for low, high in limits]
    shown = found.rename(columns={"auroc_mean": "AUROC", "auprc_mean": "AUPRC", "auroc_median": "median AUROC"})
    index = ["organism", "split", "method", "kind"]
    return shown.set_index(index)[["features", "AUROC", "auroc 95%", "median AUROC", "AUPRC", "auprc 95%"]].rename(
        columns={"auroc 95%": "AUROC 95%", "auprc 95%": "AUPRC 95%"}
    )


def with_interval(found: dict[str, Any], measure: str) -> str:
    """The mean of a measure over the features of a kind, and its 95% interval."""
    return f"{Estimate(found[f'{measure}_mean'], *found[f'{measure}_interval']):.3f}"


def simple_table(done: Finished) -> pd.DataFrame:
    """A row for each organism, split and method: by kind mean AUROC and AUPRC with 95% intervals, and median AUROC."""
    rows = []
    for run in in_order(_simple(done)):
        for method, found in methods_of(run):
            row: dict[str, Any] = {"organism": run.record["species"], "split": SPLITS[run.record["split"]]}
            row["method"] = method
            for kind in _kinds(found["kinds"]):
                each = found["kinds"][kind]
                row |= {f"AUROC {kind}": with_interval(each, "auroc"), f"median {kind}": each["auroc_median"]}
                row[f"AUPRC {kind}"] = with_interval(each, "auprc")
            rows.append(row)
    frame = indexed(rows, "organism", "split", "method")
    return frame.fillna({name: MISSING for name in frame if not str(name).startswith("median")})


def of_first(scores: pd.DataFrame, split: str, method: str) -> pd.DataFrame:
    """From `simple_methods` the rows of the first organism, by kind."""
    index = scores.index.to_frame()
    chosen = (index["organism"] == index["organism"].iloc[0]) & (index["split"] == split) & (index["method"] == method)
    return scores[chosen].droplevel(["organism", "split", "method"])


def by_kind(scores: pd.DataFrame, split: str, method: str, ending: str = "") -> dict[str, float]:
    """From `simple_methods` the mean AUROC of each kind for the first organism, by the kind's name and an ending."""
    found = of_first(scores, split, method)["AUROC"]
    return {f"{kind.lower()}{ending}": float(found.get(kind, float("nan"))) for kind in KINDS}


def draw_simple_methods(done: Finished) -> Figure | None:
    """Mean AUROC by kind of feature under each split, a panel for each organism, with 95% intervals."""
    found = pd.DataFrame(_scores(done))
    if found.empty:
        return None
    found["group"] = found["organism"] + ": " + found["kind"]
    ends = found["auroc_interval"].tolist()
    found = found.assign(low=[low for low, _ in ends], high=[high for _, high in ends])
    grid = sns.FacetGrid(found, col="group", hue="method", palette=COLOURS, height=2.4, aspect=0.85)
    grid.map_dataframe(_with_intervals)
    grid.refline(y=0.5, color=GREY)
    grid.set_titles("{col_name}").set_axis_labels("", "mean AUROC").add_legend(title="")
    for axes in grid.axes.flat:
        axes.set_xticks(range(len(TICKS)), TICKS, rotation=35, ha="right")
    return grid.figure


def _with_intervals(data: pd.DataFrame, color: str, label: str, **_: Any) -> None:
    axes = sns.mpl.pyplot.gca()
    places = [list(SPLITS.values()).index(split) for split in data["split"]]
    axes.errorbar(
        places,
        data["auroc_mean"],
        yerr=[data["auroc_mean"] - data["low"], data["high"] - data["auroc_mean"]],
        color=color,
        label=label,
        marker="o",
        capsize=2,
    )


def flattened(done: Finished) -> pd.DataFrame:
    """Readings of the thesis's "AUC all": the area of thresholded answers, of flattened probabilities, and the mean.

    With the random split.
    """
    rows = []
    for run in in_order(_simple(done).only(lambda run: run.record["split"] == "random")):
        for method, found in methods_of(run):
            features = sum(each["features"] for each in found["kinds"].values())
            mean = sum(each["features"] * each["auroc_mean"] for each in found["kinds"].values()) / max(1, features)
            rows.append(
                {
                    "organism": run.record["species"],
                    "method": method,
                    "precision": found["precision"],
                    "recall": found["recall"],
                    "AUC, thresholded": found["auc_thresholded"],
                    "AUC, flattened": found["auc_flattened"],
                    "mean AUROC": mean,
                }
            )
    frame = pd.DataFrame(rows)
    return frame if frame.empty else frame.set_index(["organism", "method"]).astype(float)


# ---- tokens


def tokens(done: Finished) -> pd.DataFrame:
    """Tokens of windows: median, range, and the share of the windows that fit the thesis's three input lengths."""
    run = done.get("tokens")
    if run is None:
        return pd.DataFrame()
    found = run.frame("tokens.csv")
    index = ["sequences", "bases", "tokenizer", "reading"]
    columns = ["fewest", "median", "most", "fit 256", "fit 512", "fit 1024"]
    return found.set_index(index)[columns].astype({"median": float})


def of_words(counted: pd.DataFrame, bases: int) -> pd.DataFrame:
    """Of `tokens` the rows of these windows in the words that the tokenizers were trained on."""
    index = counted.index.to_frame()
    return counted[(index["bases"] == bases) & (index["reading"] == "9-mer words")]
