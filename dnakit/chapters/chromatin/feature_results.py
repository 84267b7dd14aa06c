"""What models look at, and their scores of single features beside published ones, read from finished runs."""

import math
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from dnakit.chapters.chromatin.control_results import NETWORKS, network
from dnakit.chapters.chromatin.parameters import BEST, MOTIFS
from dnakit.chapters.chromatin.results import KINDS
from dnakit.chapters.chromatin.scores import FEWEST_POSITIVES
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Estimate, Z
from dnakit.report.style import GREY
from dnakit.report.tables import indexed

PERFECT = 1 - 1e-9  # the highest correlation with an interval of finite width
AROUND = 5  # bases that are drawn on either side of a motif
ACROSS = 4  # logos side by side
OF_NETWORKS = ("CTCF", "JUND", "Reb1", "Cbf1")  # logos of networks, which show little: the best model reads these well
LOOKED = NETWORKS | {"gapped": BEST}  # what is looked into, by the name of its run
KIND_COLOURS = dict(zip(KINDS, ("#0072B2", "#D55E00", "#009E73"), strict=True))
OURS = ["nuclear-256-chromosomes", "cnn-chromosomes", "danq-chromosomes"]  # beside the published scores
LINEAR = ("gapped-chromosomes", BEST)  # a run and one of its methods, likewise
BESIDE = ("published", LINEAR[0], *OURS)  # the runs behind the comparison


# ---- published scores


def published_scores(done: Finished) -> pd.DataFrame:
    """A row for each feature that was published too and each method here: ``auroc``, and ``published`` (DeepSEA's)."""
    run = done.get("published")
    if run is None:
        return pd.DataFrame()
    table = run.frame("published.csv", dtype={"feature": str})
    published = table[table.network == "DeepSEA"].set_index("feature")["auroc"].rename("published")
    frames = [each.frame("features.csv", dtype={"feature": str}).assign(method=network(each)) for each in _ours(done)]
    if linear := done.get(LINEAR[0]):
        frames.append(linear.frame("features.csv", dtype={"feature": str}).query("method == @LINEAR[1]"))
    if not frames:
        return pd.DataFrame()
    found = pd.concat(frames).join(published, on="feature", how="inner").dropna(subset=["auroc", "published"])
    return found[found["positives"] >= FEWEST_POSITIVES]


def of_target(scores: pd.DataFrame, target: str, method: str) -> dict[str, float]:
    """From `published_scores` the mean areas of the features of a target: ``here`` by a method, and ``published``."""
    named = scores["feature"].map(lambda name: target in name.split("."))
    chosen = scores[named & (scores["method"] == method)]
    return {"here": chosen["auroc"].mean(), "published": chosen["published"].mean()}


def of_target_by(done: Finished, run: str, method: str, target: str) -> dict[str, float]:
    """Mean ``area`` of a simple method on the features of a target with enough positives, and their ``count``."""
    if run not in done:
        return {"area": float("nan"), "count": 0}
    table = done[run].frame("features.csv", dtype={"feature": str})
    named = table["feature"].map(lambda name: target in name.split("."))
    areas = table[named & (table["method"] == method) & (table["positives"] >= FEWEST_POSITIVES)]["auroc"]
    return {"area": areas.mean(), "count": len(areas)}


def _ours(done: Finished) -> list[FinishedRun]:
    return [done[name] for name in OURS if name in done]


def ranks(scores: pd.DataFrame) -> dict[str, Estimate]:
    """From `published_scores`, by method: the rank correlation with the published areas."""
    return {
        str(method): _rank_correlation(each["auroc"], each["published"])
        for method, each in scores.groupby("method", sort=False)
    }


def _rank_correlation(one: pd.Series, other: pd.Series) -> Estimate:
    """Spearman's, with the interval of Bonett and Wright (2000), which needs four values; NaN where there is none."""
    value = float(one.corr(other, method="spearman"))
    if len(one) <= 3:
        return Estimate(value, math.nan, math.nan)
    half = Z * math.sqrt((1 + value**2 / 2) / (len(one) - 3))
    middle = math.atanh(max(-PERFECT, min(PERFECT, value)))
    return Estimate(value, math.tanh(middle - half), math.tanh(middle + half))


def ranks_in_words(scores: pd.DataFrame) -> str:
    """These rank correlations with their 95% intervals."""
    return "; ".join(
        f"{method} {each.value:+.2f} (too few features for an interval)"
        if math.isnan(each.low)
        else f"{method} {each:+.2f}"
        for method, each in ranks(scores).items()
    )


def draw_published(done: Finished) -> sns.FacetGrid | None:
    """AUROC of each feature beside DeepSEA's published one, a panel for each method, with the rank correlation."""
    found = published_scores(done)
    if found.empty:
        return None
    kinds = [kind for kind in KINDS if kind in set(found["kind"])]
    grid = sns.relplot(
        found,
        x="published",
        y="auroc",
        hue="kind",
        col="method",
        hue_order=kinds,
        palette=KIND_COLOURS,
        height=2.2,
        aspect=1.05,
        s=14,
    )
    grid.set_axis_labels("published AUROC", "AUROC here")
    correlations = ranks(found)
    for method, axes in grid.axes_dict.items():
        count, rank = (found["method"] == method).sum(), correlations[method].value
        axes.set_title(f"{method}\n{count} features\nrank correlation {rank:.2f}", fontsize=8)
        axes.axline((0.9, 0.9), slope=1, color=GREY, linestyle=":")
        axes.axhline(0.5, color=GREY, linewidth=1)
    return grid


# ---- what models look at


def _looked(done: Finished, kind: str) -> list[FinishedRun]:
    """The measurements of a kind, of gapped k-mers first."""
    chosen = [run for run in done.values() if run.name.startswith(kind)]
    return sorted(chosen, key=lambda run: not run.record["model"].startswith("gapped"))


def _model(run: FinishedRun) -> str:
    return LOOKED[run.record["model"].split("-")[0]]


def motifs(done: Finished) -> pd.DataFrame:
    """Windows of bound factors whose most important ten bases hold the motif, beside shuffled windows and chance."""
    rows: list[dict[str, Any]] = []
    for run in _looked(done, "motifs"):
        for motif, found in run.metrics["motifs"].items():
            low, high = found["interval"]
            row = {"motif": motif, "method": _model(run), "windows": found["windows"]}
            row |= {"with motif": found["with_motif"], "top ten bases": found["top"]}
            row |= {"95%": f"{low:.1%} to {high:.1%}", "ten bases at random": found["random"]}
            rows.append(row | {"top ten bases, shuffled": found["shuffled"]["top"]})
    rows.sort(key=lambda row: list(MOTIFS).index(row["motif"]))
    return indexed(rows, "motif", "method")


def draw_mutagenesis(done: Finished) -> Figure | None:
    """Importance of the bases around each known motif as a logo, above the letters of the motif."""
    import logomaker

    panels = _panels(done)
    if not panels:
        return None
    rows = -(-len(panels) // ACROSS)
    figure, axes = plt.subplots(rows, ACROSS, figsize=(2.3 * ACROSS, 1.55 * rows), squeeze=False, layout="tight")
    for axis in axes.flat[len(panels) :]:
        axis.remove()
    for axis, (title, motif, table) in zip(axes.flat, panels, strict=False):
        letters = MOTIFS[motif]
        shown = table[table["place"].between(-AROUND, len(letters) - 1 + AROUND)]
        logomaker.Logo(shown.pivot(index="place", columns="base", values="importance"), ax=axis, color_scheme="classic")
        axis.set_xticks(range(len(letters)), list(letters), fontsize=8)
        axis.tick_params(axis="y", labelsize=8)
        axis.grid(False)
        axis.set_title(title, fontsize=9)
    return figure


def _panels(done: Finished) -> list[tuple[str, str, pd.DataFrame]]:
    """The title of each panel, its motif, and the importance of the bases around the motif."""
    found = []
    for run in _looked(done, "mutagenesis"):
        table, best = run.frame("importance.csv"), _model(run) == BEST
        for motif in table.motif.unique():
            if not best and motif not in OF_NETWORKS:
                continue
            sites = run.value(f"metrics.motifs.{motif}.sites")
            found.append((f"{motif}, {_model(run)}\n{sites} sites", motif, table[table.motif == motif]))
    return found
