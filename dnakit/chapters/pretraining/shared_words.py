"""How much of a genome stands in the training genomes already, and what that does to every score (section 5.1).

Two genomes that share a long word share an ancestor, since a word of 31 bases hardly comes twice by chance. The share
of a ruler genome's 31-mers that training genomes hold tells how close its relatives there are.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dnakit import store
from dnakit.chapters.pretraining.runs import READING, SIMPLE
from dnakit.report import display as report
from dnakit.tokens.tokenizer import CODES, UNKNOWN

WORD = 31  # bases: the longest that two bits a base leave in 64
DRAWN = {"mixed orders": "#7a7a7a", "two-sided": "#222222"}  # simple methods and their colours
MODEL = "longformer-9-mer-mlm"


def shared_words(training: Sequence[bytes], genomes: Sequence[bytes]) -> np.ndarray:
    """The share of each genome's 31-mers that occur in a training genome, on the strand as given; shape (genomes,).

    Words with an unknown base do not count; NaN for a genome without words.
    """
    known = np.unique(np.concatenate([np.empty(0, np.uint64), *map(_words, training)]))
    shares = []
    for words in map(_words, genomes):
        at = np.searchsorted(known, words)
        found = known[np.minimum(at, len(known) - 1)] == words if len(known) else np.zeros(len(words), bool)
        shares.append(found.mean() if len(words) else np.nan)
    return np.array(shares)


def _words(genome: bytes) -> np.ndarray:
    """All 31-mers of known bases as numbers, two bits a base; each once."""
    codes = CODES[np.frombuffer(genome, np.uint8)]
    count = max(0, len(codes) - WORD + 1)
    words, known = np.zeros(count, np.uint64), np.ones(count, bool)
    for place in range(WORD):
        base = codes[place : place + count]
        words = words << np.uint64(2) | base.astype(np.uint64) & np.uint64(3)
        known &= base != UNKNOWN
    return np.unique(words[known])


def bits_by_genome(folders: Mapping[str, Path]) -> pd.DataFrame:
    """Bits per base of each mitochondrial ruler genome by simple methods and the 9-mer Longformer, with its share."""
    simple = pd.read_csv(folders[f"{SIMPLE}mitochondria"] / "bits.csv").set_index(["ruler", "genome"])
    model = pd.read_csv(folders[f"{READING}{MODEL}"] / "bits.csv").set_index(["ruler", "genome"])
    return simple.assign(model=model.nats / np.log(2) / model.bases)


def draw(folders: Mapping[str, Path]) -> Figure:
    """Bits per base against the share of 31-mers in training, a point for each ruler genome and method."""
    table, about = bits_by_genome(folders), store.read_json(folders[f"{SIMPLE}mitochondria"] / "run.json")
    colors = DRAWN | {"model": report.color("9-mer")}
    marks = {"near": "o", "far": "D"}
    figure, axis = plt.subplots(figsize=(6.4, 3.4))
    for (part, mark), (method, color) in ((each, other) for each in marks.items() for other in colors.items()):
        rows = table.loc[part]
        face = color if part == "near" else "none"
        axis.scatter(rows.shared_31mers, rows[method], 22, marker=mark, facecolors=face, edgecolors=color, linewidths=1)
    axis.axhline(2, color="#bbbbbb", linewidth=1, zorder=0)
    axis.set_xlabel(f"share of a genome's {WORD}-mers that stand in the {about['genomes']['train']:,} training genomes")
    axis.set_ylabel("bits per base")
    axis.set_ylim(bottom=0)
    names = {**{name: name for name in DRAWN}, "model": "9-mer Longformer"}
    entries = [Line2D([], [], color=colors[name], marker="s", linestyle="", label=names[name]) for name in colors]
    entries += [
        Line2D(
            [],
            [],
            color="#222222",
            marker=mark,
            linestyle="",
            label=part,
            fillstyle="full" if part == "near" else "none",
        )
        for part, mark in marks.items()
    ]
    figure.legend(handles=entries, loc="outside lower center", ncols=5, handletextpad=0.1, columnspacing=1.2)
    return figure
