"""Measuring simple methods on a split, and counting the tokens of windows."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dnakit.chapters.chromatin import scores
from dnakit.chapters.chromatin.organisms import Organism
from dnakit.chapters.chromatin.parameters import WINDOW
from dnakit.chapters.chromatin.profiles import Profiles, prepare
from dnakit.chapters.chromatin.splits import choosing, near, split
from dnakit.data import bases, deepsea, sources
from dnakit.run import Outcome
from dnakit.tokens import corpus
from dnakit.tokens.tokenizer import DnaTokenizer
from dnakit.tokens.without_words import without_words

if TYPE_CHECKING:
    from dnakit.chapters.chromatin.measurements import SimpleMethods, TokenCounts

COUNTED = 1_000  # windows of an organism, taken evenly
INPUTS = (256, 512, 1024)  # tokens of the thesis's inputs, <cls> and <sep> among them
Parts = Mapping[str, np.ndarray]  # rows by part
Predictors = Callable[[Profiles], Mapping[str, Callable[[Parts], np.ndarray]]]  # by name: from parts to test scores
WORDS, NO_WORDS = "9-mer words", "no words"


# ---- simple methods


def simple_methods(run: "SimpleMethods", folder: Path, predictors: Predictors) -> Outcome:
    """Fit and score each method of `predictors`; the scores of the test rows are kept in ``predictions.npz``."""
    profiles = prepare(run.organism, WINDOW, run.parameters.rows)
    parts = parts_of(profiles, run.organism, run.split, run.parameters.seed)
    test = parts["test"]
    metrics: dict[str, Any] = {}
    tables: list[pd.DataFrame] = []
    predictions: dict[str, Any] = {}
    fitting = parts | {"choosing": choosing(run.split, profiles.chromosomes, profiles.starts, parts)}
    for name, predict in predictors(profiles).items():
        started = time.monotonic()
        predictions[name] = predict(fitting)
        seconds = round(time.monotonic() - started, 1)
        table, found = evaluated(profiles, test, predictions[name], run.parameters.seed)
        tables.append(table.assign(method=name))
        metrics[name] = {**found, "seconds": seconds}
    pd.concat(tables).to_csv(folder / "features.csv", index=False, float_format="%.6g")
    keep_predictions(folder, profiles, test, predictions)
    record = run.organism.record() | profiles.notes
    record |= {"split": run.split, "samples": {part: len(rows) for part, rows in parts.items()}}
    return Outcome({"methods": metrics, "neighbours": neighbours(profiles, parts)}, record)


def keep_predictions(folder: Path, profiles: Profiles, rows: np.ndarray, predictions: dict[str, Any]) -> None:
    """Write ``predictions.npz``: where the rows lie, their labels, the features, and the predictions by method."""
    arrays: dict[str, Any] = {
        "chromosome": profiles.chromosomes[rows].astype(str),
        "start": profiles.starts[rows],
        "labels": profiles.labels_of(rows),
        "features": np.array([feature.name for feature in profiles.features]),
    }
    np.savez_compressed(folder / "predictions.npz", **arrays, **predictions)


def parts_of(profiles: Profiles, organism: Organism, how: str, seed: int) -> dict[str, np.ndarray]:
    """The rows of each part; DeepSEA's own validation and test parts take no part in random splits."""
    places = profiles.chromosomes, profiles.starts
    return split(how, *places, organism.validation, organism.test, seed, reserved=not organism.genomes)


def evaluated(profiles: Profiles, rows: np.ndarray, predicted: np.ndarray, seed: int) -> tuple[pd.DataFrame, Any]:
    """`scores.evaluate` of predictions for these rows."""
    blocks = scores.blocks_of(profiles.chromosomes[rows], profiles.starts[rows])
    return scores.evaluate(profiles.labels_of(rows), predicted, profiles.features, blocks, seed)


def neighbours(profiles: Profiles, parts: dict[str, np.ndarray]) -> float:
    """The share of the test rows with a training row within 1 kb."""
    chosen = np.isin(np.arange(len(profiles)), parts["train"])
    return float(near(profiles.chromosomes, profiles.starts, chosen)[parts["test"]].mean())


# ---- tokens


def token_counts(run: "TokenCounts", folder: Path) -> Outcome:
    """Count the tokens of windows in each tokenizer, with the words of 9 bases and without."""
    tokenizers = {name: corpus.prepare(parameters).tokenizer for name, parameters in run.corpora.items()}
    rows = [
        {"sequences": source, "bases": window, "tokenizer": name, "reading": reading, **counted}
        for source, window, sequences in _windows(run)
        for name, tokenizer in tokenizers.items()
        for reading, counted in (
            (WORDS, _summary([len(ids) for ids in tokenizer.encode_sequences(sequences)])),
            (NO_WORDS, _summary(_without_words(tokenizer, sequences))),
        )
    ]
    table = pd.DataFrame(rows)
    table.to_csv(folder / "tokens.csv", index=False, float_format="%.6g")
    of_input = table[(table.bases == WINDOW) & (table.reading == WORDS)]
    found = {"fewest": int(of_input.fewest.min()), "most": int(of_input.most.max())}
    return Outcome(found, run.parameters.data().record(run.parameters.deepsea_rows))


def _windows(run: "TokenCounts") -> Iterator[tuple[str, int, list[bytes]]]:
    """What the windows are of, their length, and their sequences."""
    chapter, widest = run.parameters, max(run.windows)
    profiles = prepare(chapter.data(), widest, chapter.rows)
    at = np.unique(np.linspace(0, len(profiles) - 1, COUNTED).astype(int))
    for window in run.windows:
        cut = (widest - window) // 2
        yield chapter.named(), window, [each[cut : cut + window] for each in profiles.sequences(at)]
        if chapter.deepsea_rows:
            codes = deepsea.read_table(sources.fetch(chapter.deepsea_rows), window).codes
            yield chapter.deepsea_rows, window, [bases.letters(each) for each in codes]


def _without_words(tokenizer: DnaTokenizer, sequences: Sequence[bytes]) -> list[int]:
    """Tokens of each sequence as one word: byte-pair encoding joins across the borders of 9-mers."""
    texts = [sequence.decode() for sequence in sequences]
    return [len(each.ids) for each in without_words(tokenizer).encode_batch_fast(texts, add_special_tokens=False)]


def _summary(counts: Sequence[int]) -> dict[str, float]:
    low, median, high = np.percentile(counts, [5, 50, 95])
    fits = {f"fit {tokens}": float(np.mean(np.array(counts) <= tokens - 2)) for tokens in INPUTS}
    return {"fewest": min(counts), "low": low, "median": median, "high": high, "most": max(counts), **fits}
