"""What networks look at, and their scores of single features beside published ones, read from finished runs."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from dnakit.chapters.chromatin.control_results import NETWORKS, network
from dnakit.chapters.chromatin.parameters import MOTIFS
from dnakit.chapters.chromatin.results import KINDS
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.style import GREY
from dnakit.report.tables import indexed

AROUND = 5  # bases that are drawn on either side of a motif
FEWEST_POSITIVES = 10  # in the test rows, for an area to be worth showing
KIND_COLOURS = dict(zip(KINDS, ("#0072B2", "#D55E00", "#009E73"), strict=True))
OURS = ["nuclear-256-chromosomes", "cnn-chromosomes", "danq-chromosomes"]  # beside the published scores
LINEAR = ("simple-chromosomes", "6-mers")  # a run and one of its methods, likewise


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


def _ours(done: Finished) -> list[FinishedRun]:
    return [done[name] for name in OURS if name in done]


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
        height=2.9,
        aspect=1.1,
        s=22,
    )
    grid.set_axis_labels("published AUROC (DeepSEA)", "AUROC here")
    for method, axes in grid.axes_dict.items():
        each = found[found["method"] == method]
        rank = each["auroc"].corr(each["published"], method="spearman")
        axes.set_title(f"{method}\n{len(each)} features, rank correlation {rank:.2f}", fontsize=9)
        axes.axline((0.9, 0.9), slope=1, color=GREY, linestyle=":")
        axes.axhline(0.5, color=GREY, linewidth=1)
    return grid


# ---- what networks look at


def motifs(done: Finished) -> pd.DataFrame:
    """Windows of bound factors whose most important ten bases hold the motif, beside shuffled windows and chance."""
    rows: list[dict[str, Any]] = []
    for run in done.values():
        if run.name.startswith("motifs"):
            kind = NETWORKS[run.record["network"].split("-")[0]]
            for motif, found in run.metrics["motifs"].items():
                low, high = found["interval"]
                row = {"network": f"{kind}, {run.record['species']}", "motif": motif, "windows": found["windows"]}
                row |= {"with motif": found["with_motif"], "top ten bases": found["top"]}
                row |= {"95%": f"{low:.1%} to {high:.1%}", "ten bases at random": found["random"]}
                rows.append(row | {"top ten bases, shuffled": found["shuffled"]["top"]})
    return indexed(rows, "network", "motif")


def draw_mutagenesis(done: Finished) -> Figure | None:
    """Importance of the bases around each known motif as a logo, above the letters of the motif."""
    import logomaker

    sites = _sites(done)
    if not sites:
        return None
    figure, axes = plt.subplots(1, len(sites), figsize=(3.2 * len(sites), 2.3), squeeze=False, layout="tight")
    for axis, (motif, count, rows) in zip(axes[0], sites, strict=True):
        letters = MOTIFS[motif]
        shown = rows[rows["place"].between(-AROUND, len(letters) - 1 + AROUND)]
        logomaker.Logo(shown.pivot(index="place", columns="base", values="importance"), ax=axis, color_scheme="classic")
        axis.set_xticks(range(len(letters)), list(letters))
        axis.grid(False)
        axis.set_title(f"{rows.feature.iloc[0]}, {count} sites", fontsize=10)
    axes[0, 0].set_ylabel("importance")
    return figure


def _sites(done: Finished) -> list[tuple[str, int, pd.DataFrame]]:
    """Each motif, how many sites there are, and the importance of the bases around it."""
    found = []
    for run in done.values():
        if run.name.startswith("mutagenesis"):
            table = run.frame("importance.csv")
            for motif in table.motif.unique():
                found.append((motif, run.value(f"metrics.motifs.{motif}.sites"), table[table.motif == motif]))
    return found
