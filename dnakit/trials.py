"""How far the small Longformer stays behind methods that need no training loop, as its data and epochs grow.

Chapter 2's trials train the 9-mer row of Table 5.1 again on another budget or from other fresh weights. All of them are
measured on the far ruler, whole families that no training saw, beside the lookups and the context models.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from dnakit import report, store
from dnakit.corpora import RULERS

ROW = "longformer-9-mer-mlm"  # what is tried again
AS_ROW = "the row of Table 5.1"
PART = "far"
LOOKUPS = ("commonest", "neighbours, as seen", "12 bp, as seen")
CONTEXTS = ("order 2", "mixed orders", "two-sided")


def trials(folders: Mapping[str, Path]) -> dict[str, tuple[dict[str, Any], pd.DataFrame]]:
    """Record and history of the row and of its trials, among finished runs, by name."""
    found = {}
    for name, folder in folders.items():
        about = store.read_json(folder / "run.json")
        parameters, corpus = about["parameters"], about.get("corpus", {})
        tried = (parameters.get("architecture"), parameters.get("head"), corpus.get("tokenization"))
        if tried == ("longformer", "mlm", "9-mer") and not corpus["piece"]:
            found[AS_ROW if name == ROW else name] = (about, pd.read_csv(folder / "history.csv"))
    return found


def reached(found: Mapping[str, tuple[dict[str, Any], pd.DataFrame]], weights: str) -> str:
    """Budget and final masked loss on the far ruler of the first training from such fresh weights, in words."""
    about, history = next(each for each in found.values() if fresh_weights(each[0]) == weights)
    samples = about["samples"]["train"] * len(history)
    return f"{history[f'{PART}_masked_loss'].iloc[-1]:.2f} nats after {samples:,} samples"


def fresh_weights(about: Mapping[str, Any]) -> str:
    """Which fresh weights a training began with, from its record."""
    return about["parameters"].get("fresh_weights", "random")


def table(folders: Mapping[str, Path]) -> pd.DataFrame:
    """What each trial learned from, and what it reached on both rulers."""
    rows = {}
    for name, (about, history) in trials(folders).items():
        scores = store.read_json(_reading(folders, name) / "metrics.json")
        rows[name] = {
            "fresh weights": fresh_weights(about),
            "genomes": about["genomes"]["train"],
            "samples seen": about["samples"]["train"] * len(history),
        }
        for measure, column in (("masked_accuracy", "masked tokens"), ("bits_per_base", "bits per base")):
            rows[name] |= {f"{column}, {part}": scores[part][measure] for part in RULERS}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("trial")


def draw(folders: Mapping[str, Path]) -> Figure:
    """Masked accuracy and bits per base on the far ruler by samples seen, with the simple methods as lines."""
    simple = store.read_json(folders["simple-methods-mitochondria"] / "metrics.json")[PART]
    figure, (accuracy, bits) = plt.subplots(1, 2, figsize=(8.2, 3.6), sharex=True)
    for name, (about, history) in trials(folders).items():
        sums = pd.read_csv(_reading(folders, name) / "bits.csv").query("ruler == @PART")
        seen = history.epoch * about["samples"]["train"]
        accuracy.plot(seen, history[f"{PART}_masked_accuracy"], marker="o", markersize=4, label=name)
        nats_a_base = history[f"{PART}_masked_loss"] * sums.masked.sum() / sums.bases.sum()
        bits.plot(seen, nats_a_base / np.log(2), marker="o", markersize=4)
    _lines(accuracy, {name: simple["masked"][name]["top1"] for name in LOOKUPS})
    _lines(bits, {name: simple["bits_per_base"][name] for name in CONTEXTS})
    accuracy.set_yscale("log")
    accuracy.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    accuracy.yaxis.set_minor_formatter(NullFormatter())
    accuracy.set_title("masked tokens right")
    bits.set_title("bits per base")
    for axis in (accuracy, bits):
        axis.set_xlabel("samples seen in training")
        axis.set_xlim(left=0)
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.xaxis.set_major_formatter("{x:,.0f}")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def _reading(folders: Mapping[str, Path], name: str) -> Path:
    """Where a trial was measured on the rulers."""
    return folders[f"ruler-{ROW if name == AS_ROW else name}"]


def _lines(axis: Axes, levels: Mapping[str, float]) -> None:
    """A dotted line across for each method, named at its left end."""
    for name, level in levels.items():
        axis.axhline(level, color="#8a8a8a", linewidth=1, linestyle=(0, (1, 1.5)))
        axis.annotate(
            name,
            (0.02, level),
            xycoords=("axes fraction", "data"),
            fontsize=9,
            color=report.STYLE["axes.edgecolor"],
            va="bottom",
        )
