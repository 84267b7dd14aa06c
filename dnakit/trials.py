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
from matplotlib.ticker import MaxNLocator, NullFormatter, NullLocator

from dnakit import report, store
from dnakit.pretraining import READING, SIMPLE
from dnakit.recipes import PREFIX

ROW = "longformer-9-mer-mlm"  # what is tried again
AS_ROW = "the row of Table 5.1"
PART = "far"
MASKED, BITS = "masked tokens", "bits per base"  # columns of `table`
LOOKUPS = ("commonest", "neighbours, as seen", "12 bp, as seen")
CONTEXTS = ("order 2", "mixed orders", "two-sided")
SHADES = ("#b0b0b0", "#7a7a7a", "#222222")  # of the simple methods, worst to best
COLOR = report.color("9-mer")
FACES = {"random": "none", "informed": COLOR}  # of a trial's mark, by its fresh weights
BESIDE: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 9, "annotation_clip": False}


def trials(folders: Mapping[str, Path]) -> dict[str, tuple[dict[str, Any], pd.DataFrame]]:
    """Record and history of the row and of its trials, among finished runs, by name; who saw fewest samples first."""
    found = {}
    for name, folder in folders.items():
        about = store.read_json(folder / "run.json")
        parameters, corpus = about["parameters"], about.get("corpus", {})
        tried = (parameters.get("architecture"), parameters.get("head"), corpus.get("tokenization"))
        if tried == ("longformer", "mlm", "9-mer") and not corpus["piece"] and not name.startswith(PREFIX):
            found[AS_ROW if name == ROW else name] = (about, pd.read_csv(folder / "history.csv"))
    return dict(sorted(found.items(), key=lambda each: samples_seen(*each[1])))


def samples_seen(about: Mapping[str, Any], history: pd.DataFrame) -> int:
    """Samples that a training saw, over all its epochs."""
    return about["samples"]["train"] * len(history)


def reached(found: Mapping[str, tuple[dict[str, Any], pd.DataFrame]], weights: str) -> str:
    """Budget and final masked loss on the far ruler of the shortest training from such fresh weights, in words."""
    about, history = next(each for each in found.values() if fresh_weights(each[0]) == weights)
    return f"{history[f'{PART}_masked_loss'].iloc[-1]:.2f} nats after {samples_seen(about, history):,} samples"


def fresh_weights(about: Mapping[str, Any]) -> str:
    """Which fresh weights a training began with, from its record."""
    return about["parameters"].get("fresh_weights", "random")


def simple_methods(folders: Mapping[str, Path]) -> pd.DataFrame:
    """What methods without a training loop reach on the far ruler: a row for each number of mitochondria learned from.

    Columns are the shares of masked tokens that `LOOKUPS` name right, and the bits per base of `CONTEXTS`.
    """
    rows = {}
    for name, folder in folders.items():
        if name.startswith(f"{SIMPLE}mitochondria"):
            count = store.read_json(folder / "run.json")["genomes"]["train"]
            scores = store.read_json(folder / "metrics.json")[PART]
            rows[count] = {method: scores["masked"][method]["top1"] for method in LOOKUPS}
            rows[count] |= {method: scores["bits_per_base"][method] for method in CONTEXTS}
    return pd.DataFrame.from_dict(rows, orient="index").sort_index()


def table(folders: Mapping[str, Path]) -> pd.DataFrame:
    """What each trial learned from and reached on the far ruler, beside simple methods that learned from the same."""
    simple, rows = simple_methods(folders), {}
    for name, (about, history) in trials(folders).items():
        scores, genomes = store.read_json(_reading(folders, name) / "metrics.json")[PART], about["genomes"]["train"]
        rows[name] = {
            "fresh weights": fresh_weights(about),
            "genomes": genomes,
            "samples seen": samples_seen(about, history),
            MASKED: scores["masked_accuracy"],
            "12 bp looked up": simple.loc[genomes, "12 bp, as seen"],
            BITS: scores["bits_per_base"],
            "two-sided": simple.loc[genomes, "two-sided"],
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("trial")


def draw_samples(folders: Mapping[str, Path]) -> Figure:
    """Masked accuracy and bits per base on the far ruler by samples seen; lines for methods of the row's genomes."""
    found = trials(folders)
    simple = simple_methods(folders).loc[found[AS_ROW][0]["genomes"]["train"]]
    figure, (accuracy, bits) = _panels()
    for rank, (name, (about, history)) in enumerate(found.items()):  # shorter ones over longer ones that begin alike
        style: dict[str, Any] = {"marker": "o", "markersize": 4, "zorder": 3 - rank / len(found)}
        sums = pd.read_csv(_reading(folders, name) / "bits.csv").query("ruler == @PART")
        seen = history.epoch * about["samples"]["train"]
        accuracy.plot(seen, history[f"{PART}_masked_accuracy"], **style, label=name)
        nats_a_base = history[f"{PART}_masked_loss"] * sums.masked.sum() / sums.bases.sum()
        bits.plot(seen, nats_a_base / np.log(2), **style)
    _lines(accuracy, simple[list(LOOKUPS)])
    _lines(bits, simple[list(CONTEXTS)])
    for axis in (accuracy, bits):
        axis.set_xlabel("samples seen in training")
        axis.set_xlim(left=0)
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        axis.xaxis.set_major_formatter("{x:,.0f}")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def draw_genomes(folders: Mapping[str, Path]) -> Figure:
    """Masked accuracy and bits per base on the far ruler by training genomes: trials, and simple methods of the same.

    Beside a trial stands how many thousand samples it saw.
    """
    simple, reached = simple_methods(folders), table(folders)
    figure, axes = _panels()
    for axis, methods, measure in zip(axes, (LOOKUPS, CONTEXTS), (MASKED, BITS), strict=True):
        for method, shade in zip(methods, SHADES, strict=True):
            axis.plot(simple.index, simple[method], color=shade, marker=".", linewidth=1.2)
            axis.annotate(method, (simple.index[-1], simple[method].iloc[-1]), (6, 0), **BESIDE, color=shade)
        for weights, face in FACES.items():
            rows = reached[reached["fresh weights"] == weights]
            axis.scatter(
                rows.genomes,
                rows[measure],
                28,
                facecolor=face,
                edgecolor=COLOR,
                zorder=3,
                label=f"{weights} fresh weights",
            )
            for _, row in rows.iterrows():
                seen = f"{row['samples seen'] / 1000:.3g}"
                axis.annotate(seen, (row.genomes, row[measure]), (6, 0), **BESIDE, color=COLOR)
        axis.set_xscale("log")
        axis.set_xticks(simple.index, [f"{count:,}" for count in simple.index], fontsize=8)
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set_xlabel("genomes learned from")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _panels() -> tuple[Figure, tuple[Axes, Axes]]:
    """Two panels side by side: shares on a logarithmic axis, and bits per base."""
    figure, (accuracy, bits) = plt.subplots(1, 2, figsize=(8.2, 3.8), sharex=True)
    accuracy.set_yscale("log")
    accuracy.yaxis.set_major_formatter(lambda value, _: f"{value:.1%}")
    accuracy.yaxis.set_minor_formatter(NullFormatter())
    accuracy.set_title("masked tokens right")
    bits.set_title("bits per base")
    return figure, (accuracy, bits)


def _reading(folders: Mapping[str, Path], name: str) -> Path:
    """Where a trial was measured on the rulers."""
    return folders[f"{READING}{ROW if name == AS_ROW else name}"]


def _lines(axis: Axes, levels: pd.Series) -> None:
    """A dotted line across for each method, named at its right end."""
    grey = report.STYLE["axes.edgecolor"]
    for name, level in levels.items():
        axis.axhline(level, color=grey, linewidth=1, linestyle=(0, (1, 1.5)))
        axis.annotate(str(name), (1, level), (4, 0), xycoords=("axes fraction", "data"), **BESIDE, color=grey)
