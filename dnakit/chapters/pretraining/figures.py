"""The figures of section 5.1: curves by epoch, bits per base by relatives in training, and the map of genomes."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import LogLocator

from dnakit.chapters.pretraining.measurements import AS_SEEN, MODEL_MEASURED, SIMPLE
from dnakit.chapters.pretraining.parameters import NINE_MER
from dnakit.chapters.pretraining.results import COUNTED, MASKED, of_map, published, row_of, rows
from dnakit.report.figures import curves
from dnakit.report.finished import Finished
from dnakit.report.style import GREY, PALETTE, color
from dnakit.report.tables import MISSING

PANELS = ["Longalbert,\nMLM", "Longformer,\nMLM", "Longformer,\nMLM + SOP"]  # of Figures 5.1 to 5.3
MEASURES = ("masked_loss", "masked_accuracy", "masked_perplexity", "sop_accuracy")
PARTS = {"validation": "validation", "train": "training"}
NAMED_GROUPS = 8  # largest groups that get a colour
# Tol's muted scheme: told apart with any colour vision, and none of the tokenizations' colours but one.
GROUP_COLORS = ("#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE", "#882255", "#44AA99", "#999933")
OTHER, OTHER_COLOR = "other or unknown", "#c4c4c4"


# ---- curves by epoch


def histories(done: Finished) -> pd.DataFrame:
    """One row for each epoch, run and part: ``panel``, ``tokenizer``, ``genomes`` (training or not), `MEASURES`."""
    frames = []
    for run in rows(done).values():
        language, model, tokenizer, tasks = row_of(run)
        panel = f"{model},\n{tasks}"
        if language == "mitochondrial" and panel in PANELS:
            history = run.frame("history.csv")
            for part, genomes in PARTS.items():
                values = {name: history.get(f"{part}_{name}", np.nan) for name in MEASURES}
                named = {"panel": panel, "tokenizer": tokenizer, "genomes": genomes}
                frames.append(pd.DataFrame({"epoch": history.epoch} | named | values))
    found = pd.concat(frames, ignore_index=True)
    order = found.panel.map(PANELS.index) * len(PALETTE) + found.tokenizer.map([*PALETTE].index)
    return found.loc[order.argsort(kind="stable")]


def thesis_values() -> pd.DataFrame:
    """The thesis's final values as values of masked tokens: ``panel``, ``tokenizer``, `MEASURES`.

    The thesis prints accuracy and perplexity over all tokens. The masked accuracy is about its skill, the share of
    accuracy above copying. Its loss per masked token is ln(perplexity) / 0.12 if all the loss comes from masked tokens.
    """
    table = published()
    table = table[table.language == "mitochondrial"]
    loss = np.log(table.perplexity) / MASKED
    return pd.DataFrame(
        {
            "panel": table.model + ",\n" + table.tasks,
            "tokenizer": table.tokenizer,
            "masked_loss": loss,
            "masked_accuracy": table.skill.where(table.skill > 0),
            "masked_perplexity": np.exp(loss),
            "sop_accuracy": table.SOP_accuracy,
        }
    )


def figure_5_1(done: Finished) -> sns.FacetGrid:
    """Losses by epoch."""
    return _curves(done, "masked_loss", "loss\n(nats per masked token)")


def figure_5_2(done: Finished) -> sns.FacetGrid:
    """Accuracies by epoch."""
    return _curves(done, "masked_accuracy", "masked accuracy", log=True)


def figure_5_3(done: Finished) -> sns.FacetGrid:
    """Perplexities by epoch."""
    grid = _curves(done, "masked_perplexity", "perplexity\nof masked tokens", log=True)
    axis = grid.axes.flat[0].yaxis  # which all panels share
    axis.set_major_locator(LogLocator())
    axis.set_major_formatter("{x:,.0f}")
    return grid


def figure_5_4(done: Finished) -> sns.FacetGrid:
    """Sentence-order accuracies by epoch, with a line where guessing is."""
    grid = _curves(done, "sop_accuracy", "sentence-order accuracy", panels=PANELS[2:])
    grid.refline(y=0.5, color=GREY, linestyle=":")
    return grid


def _curves(done: Finished, measure: str, label: str, panels: list[str] = PANELS, log: bool = False) -> sns.FacetGrid:
    data, thesis = (frame[frame.panel.isin(panels)] for frame in (histories(done), thesis_values()))
    thesis = thesis[thesis.tokenizer.isin(data.tokenizer)]
    return curves(data, measure, label, "tokenizer", "genomes", "panel", PALETTE, thesis, log)


# ---- relatives


def bits_by_genome(done: Finished) -> pd.DataFrame:
    """Bits per base of mitochondrial held-out genomes: ``ruler``, ``shared_31mers``, ``method``, ``bits per base``."""
    simple = done[f"{SIMPLE}mitochondria"].frame("bits.csv").set_index(["ruler", "genome"])
    summed = {COUNTED: f"{AS_SEEN}mitochondria", "9-mer Longformer": f"{MODEL_MEASURED}{NINE_MER}"}
    sums = {name: done[run].frame("bits.csv").set_index(["ruler", "genome"]) for name, run in summed.items()}
    bits = {name: each.nats / np.log(2) / each.bases for name, each in sums.items()}
    table = simple.drop(columns="two-sided").assign(**bits).reset_index()
    return table.melt(["ruler", "genome", "shared_31mers"], var_name="method", value_name="bits per base")


def relatives(done: Finished) -> sns.FacetGrid:
    """Bits per base of each held-out genome by the share of its 31-mers that training genomes contain."""
    count = done[f"{SIMPLE}mitochondria"].record["genomes"]["train"]
    grid = sns.relplot(
        bits_by_genome(done).rename(columns={"ruler": "held-out set"}),
        kind="scatter",
        x="shared_31mers",
        y="bits per base",
        hue="method",
        palette={"mixed orders": "#7a7a7a", COUNTED: "#222222", "9-mer Longformer": color("9-mer")},
        style="held-out set",
        markers={"near": "o", "far": "X"},
        s=32,
        linewidth=0,
        height=2.6,
        aspect=1.7,
    )
    grid.set_axis_labels(f"share of a genome's 31-mers found in the {count:,} training genomes", "bits per base")
    grid.set(ylim=(0, None)).refline(y=2, color=GREY)
    return grid


# ---- the map


def map_by_order(done: Finished) -> sns.FacetGrid:
    """Held-out genomes in the hidden states of the untrained model and of the one trained most, coloured by order."""
    points, scores = (of_map(done, file) for file in ("map.csv", "neighbours.csv"))
    points = points[points.which.isin(["untrained", points.which.iloc[-1]])]
    share = scores[scores["rank"] == "order"].set_index("which").score
    named = list(points[points.which == "untrained"].order.value_counts().index[:NAMED_GROUPS])
    points["order"] = points["order"].where(points["order"].isin(named), OTHER)
    groups = [group for group in (*named, OTHER) if group in set(points["order"])]
    grid = sns.relplot(
        points,
        kind="scatter",
        x="x",
        y="y",
        hue="order",
        hue_order=groups,
        palette=dict(zip(named, GROUP_COLORS, strict=False)) | {OTHER: OTHER_COLOR},
        style="order",
        style_order=groups,
        col="which",
        col_order=points.which.drop_duplicates(),
        s=28,
        linewidth=0,
        height=2.7,
        facet_kws={"sharex": False, "sharey": False},
    )
    for which, axes in grid.axes_dict.items():
        near = MISSING if pd.isna(share[which]) else f"{share[which]:.0%}"
        axes.set_title(f"{which}: {near} beside one\nof the same order")
    grid.set(xticks=[], yticks=[]).set_axis_labels("", "").despine(left=True, bottom=True)
    return grid
