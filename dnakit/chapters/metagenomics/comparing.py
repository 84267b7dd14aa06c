"""Comparing methods on the same samples: on the thesis's task, and on records that the reference does not hold."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dnakit.chapters.metagenomics import classifier, copies, methods, programs, search, tasks
from dnakit.chapters.metagenomics.naming import Taxa
from dnakit.chapters.metagenomics.parameters import NOT_INSTALLED, PROGRAMS
from dnakit.data.barcodes import RANKS

if TYPE_CHECKING:
    from dnakit.chapters.metagenomics.measurements import FairCeiling, FairDifferences, OfCopies, OfFairTasks

TOP = 5
SCORED = ("species", "genus", "family")
DRAWN = {"known": "species", "species": "species", "genus": "genus"}  # by level: what was held out is drawn anew
ASKED_LEVELS = tuple(DRAWN)


def cpu_seconds() -> float:
    """CPU seconds of this process and of those that it waited for."""
    return sum(os.times()[:4])


def skipped(program: str) -> dict[str, Any]:
    """What is kept of a program that is not installed; it is said aloud."""
    print(f"{program} is not installed: skipped (README says how to install it)", file=sys.stderr)
    return {"skipped": f"{program} is not installed"}


# ---- the thesis's task


def on_copies(run: OfCopies, folder: Path) -> dict[str, Any]:
    """Top-1 and top-5 accuracy on the test copies, and reads per CPU second."""
    parameters, method = run.parameters, run.method
    samples = copies.copies(parameters, parameters.seed, run.share)
    if method in PROGRAMS and programs.version(method) == NOT_INSTALLED:
        return skipped(method)
    train, labels = samples.part("train")
    reads, truth = samples.part("test")
    reads, truth = reads[: run.first], truth[: run.first]
    ranked, seconds = best_labels(method, train, labels, reads, folder)
    test = {
        "samples": len(reads),
        "top1": float((ranked[:, 0] == truth).mean()),
        "top5": float((ranked == truth[:, None]).any(1).mean()),
        "reads_per_second": len(reads) / max(seconds, 1e-9),
    }
    return {"test": test, "species": len(samples.genes)}


def best_labels(
    method: str, train: Sequence[bytes], labels: np.ndarray, reads: Sequence[bytes], folder: Path
) -> tuple[np.ndarray, float]:
    """The five most likely labels of each read, and the CPU seconds that naming them took (programs index too)."""
    if method in PROGRAMS:
        before = cpu_seconds()
        hits = programs.best_hits(method, train, reads, folder / "work")
        return programs.ranked(hits, labels, len(reads), TOP), cpu_seconds() - before
    if method in ("consensus", "search"):
        train, labels = methods.consensus(train, labels)
    made = methods.METHODS["cosine" if method == "consensus" else method](train, labels)
    before = cpu_seconds()
    return made.rank(reads, TOP), cpu_seconds() - before


# ---- fair tasks


def reference_and_asked(run: OfFairTasks | FairCeiling | FairDifferences) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The records that a method searches, and those whose reads it is asked about."""
    parts = tasks.split(tasks.plain(run.reference.table()), run.parameters.seed)
    chosen = parts.test[parts.test["level"].isin(ASKED_LEVELS)]
    return parts.reference, chosen.groupby("level").head(run.parameters.asked)


def on_fair_tasks(run: OfFairTasks, folder: Path) -> dict[str, Any]:
    """Write ``accuracy.csv``; the metrics say how large the task is and how fast the method."""
    parameters, method = run.parameters, run.method
    if method in PROGRAMS and programs.version(method) == NOT_INSTALLED:
        return skipped(method)
    reference, asked = reference_and_asked(run)
    rows, speeds = [], {}
    for form in tasks.FORMS:
        reads = tasks.shown(asked, form, parameters.seed)
        named, seconds = best_names(method, reference, reads["sequence"].tolist(), folder)
        speeds[form] = len(reads) / max(seconds, 1e-9)
        rows += scored(reads, classifier.right_names(named, reads), form, parameters.seed)
    pd.DataFrame(rows).to_csv(folder / "accuracy.csv", index=False, float_format="%.5g")
    return {"reference": len(reference), "asked": len(asked), "reads_per_second": speeds}


def best_names(method: str, reference: pd.DataFrame, reads: Sequence[bytes], folder: Path) -> tuple[np.ndarray, float]:
    """The best name of each read by rank, ``(reads, ranks)``, and the CPU seconds (programs index too)."""
    sequences, species = reference["sequence"].tolist(), reference["species"]
    if method == "search":
        searcher, taxa = search.Searcher(search.build(sequences, species.tolist())), Taxa(reference)
        before = cpu_seconds()
        return taxa.spelled(classifier.named(searcher, taxa, reads).codes), cpu_seconds() - before
    rows = np.arange(len(reference))
    labels = (
        species.map(dict(zip(species[::-1], rows[::-1], strict=True))).to_numpy() if method == "naive-bayes" else rows
    )
    if method in PROGRAMS:
        before = cpu_seconds()
        best = programs.ranked(programs.best_hits(method, sequences, reads, folder / "work"), labels, len(reads), 1)
    else:
        made = methods.METHODS[method](sequences, labels)
        before = cpu_seconds()
        best = made.rank(reads, 1)
    names = reference[list(RANKS)].to_numpy(object)[best[:, 0]]
    return np.where(best >= 0, names, ""), cpu_seconds() - before


def fair_differences(run: FairDifferences, folder: Path) -> dict[str, Any]:
    """Write ``differences.csv``: how much more often the search is right than each other method, read by read."""
    seed, (reference, asked) = run.parameters.seed, reference_and_asked(run)
    rows: list[dict[str, Any]] = []
    for form in tasks.FORMS:
        reads = tasks.shown(asked, form, seed)
        right = {}
        for method in run.versions:
            named, _ = best_names(method, reference, reads["sequence"].tolist(), folder)
            right[method] = classifier.right_names(named, reads).astype(float)
        for method in list(right)[1:]:
            apart = scored(reads, right["search"] - right[method], form, seed)
            rows += [{"method": method} | row for row in apart]
    pd.DataFrame(rows).to_csv(folder / "differences.csv", index=False, float_format="%.5g")
    return {"asked": len(asked), "methods": len(run.versions)}


def scored(reads: pd.DataFrame, right: np.ndarray, form: str, seed: int) -> list[dict[str, Any]]:
    """Means of `right` (names, or differences of two) by level and rank; asked about where the reference has the name.

    The values are ``(reads, ranks)``. Intervals are 95% bootstraps over species, of held-out genera over genera.
    """
    rows = []
    for level in ASKED_LEVELS:
        chosen = (reads["level"] == level).to_numpy()
        first = SCORED.index(tasks.DECIDES[level])
        for rank in SCORED[first:] if chosen.any() else ():
            values = right[chosen, RANKS.index(rank)]
            low, high = tasks.interval(values, reads[DRAWN[level]].to_numpy()[chosen], seed)
            row = {"level": level, "form": form, "rank": rank, "reads": len(values)}
            rows.append(row | {"share": float(values.mean()), "low": low, "high": high})
    return rows
