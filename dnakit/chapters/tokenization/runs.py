"""Thesis section 4.2.1, chapter 1: what the four tokenizations make of the same genomes.

A *measurement* is the corpus of one tokenization, counted: its vocabulary, the length of its tokens in bases, how many
a word takes, what 256 of them span. It is kept in the store like a run, so that real ones can be recorded.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from dnakit import store
from dnakit.data import sources
from dnakit.project import checked
from dnakit.report import display as report
from dnakit.tokens.corpus import Corpora, Corpus, CorpusParameters, corpus_key, prepare
from dnakit.tokens.samples import UNK, sample_bounds
from dnakit.tokens.tokenizer import SPECIAL_TOKENS, DnaTokenizer

NOTEBOOK = "01_tokenization"
RECIPE = "vocabularies 1"  # goes into every key; raise it when the same parameters come to mean other numbers
SHIFTED_GENOMES = 10  # over which the effect of one missing base is measured


@dataclass(frozen=True)
class Measurement(store.Kept):
    """One tokenization of the chapter's genomes."""

    corpus_parameters: CorpusParameters

    @property
    def name(self) -> str:
        """``6-mer``, ``9-mer``, ``12-mer`` or ``BB`` (BigBird-style)."""
        return self.corpus_parameters.tokenization

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"{self.name} words, {self.corpus_parameters.genomes:,} genomes of {self.corpus_parameters.sources[0]}"

    @cached_property
    def key(self) -> str:
        """Key in the store."""
        return store.key(RECIPE, {"corpus": corpus_key(self.corpus_parameters)})

    @property
    def corpus(self) -> Corpus:
        """The corpus itself."""
        return prepare(self.corpus_parameters)

    def token_lengths(self) -> pd.DataFrame:
        """By length in bases: how many tokens the vocabulary has, and what share of the training tokens they are."""
        return pd.read_csv(self.train() / "token_lengths.csv")

    def tokens_per_word(self) -> pd.DataFrame:
        """Share of the k-mer words that take 1, 2, 3… tokens (empty for BigBird-style words)."""
        return pd.read_csv(self.train() / "tokens_per_word.csv")

    def fill(self, folder: Path) -> None:
        """Count its corpus."""
        corpus = self.corpus
        token_lengths(corpus).to_csv(folder / "token_lengths.csv", index=False, float_format="%.6g")
        tokens_per_word(corpus).to_csv(folder / "tokens_per_word.csv", index=False, float_format="%.6g")
        store.write_json(folder / "metrics.json", measure(corpus))
        about = {
            "name": self.name,
            "key": self.key,
            "recipe": RECIPE,
            "corpus": self.corpus_parameters.named() | {"key": corpus.folder.name},
            **sources.about(self.corpus_parameters.sources),
            "genomes": {part: len(names) for part, names in corpus.genomes.items()},
            "environment": store.environment(),
        }
        store.write_json(folder / "run.json", about)


def run_names(parameters: dict[str, Any]) -> list[str]:
    """Names of the chapter's measurements, without touching data."""
    return [chosen.tokenization for chosen in checked(Corpora, parameters, NOTEBOOK).corpora(NOTEBOOK)]


def runs(parameters: dict[str, Any]) -> dict[str, Measurement]:
    """The chapter's measurements by name."""
    chosen = checked(Corpora, parameters, NOTEBOOK).corpora(NOTEBOOK)
    return {corpus.tokenization: Measurement(corpus) for corpus in chosen}


def measure(corpus: Corpus) -> dict[str, float | None]:
    """Count a corpus.

    Returns
    -------
    dict
        ``vocabulary`` (tokens learned, specials included), ``used`` (share of it that the training genomes use),
        ``tokens_per_word``, ``whole_words`` (share of the words that are one token), ``bases_per_token``,
        ``input_bases``, ``input_bases_low``, ``input_bases_high`` (median, 5th and 95th percentile of what a full
        sample of 254 tokens spans), ``unigram_bits_per_base`` (entropy of the token frequencies over the bases they
        cover), ``kept_after_shift`` (see `kept_after_shift`), ``tokens``, ``samples``, ``megabytes`` (token ids of all
        splits on disk).
    """
    lengths, ids, ends = corpus.tokenizer.token_lengths(), corpus.ids("train"), corpus.ends("train")
    counts = np.bincount(ids, minlength=len(lengths))
    words, bases = corpus.sizes["words"]["train"], int((counts * lengths).sum())
    bounds = sample_bounds(ends)
    full = bounds[bounds[:, 1] - bounds[:, 0] == np.diff(bounds).max()]
    spans = np.concatenate([[0], np.cumsum(lengths[ids])])
    low, median, high = np.percentile(spans[full[:, 1]] - spans[full[:, 0]], [5, 50, 95])
    frequencies = counts[counts > 0] / counts.sum()
    return {
        "vocabulary": len(lengths),
        "used": float((counts[len(SPECIAL_TOKENS) :] > 0).mean()),
        "tokens_per_word": len(ids) / words,
        "whole_words": _whole_words(corpus),
        "bases_per_token": bases / int(counts[lengths > 0].sum()),
        "input_bases_low": float(low),
        "input_bases": float(median),
        "input_bases_high": float(high),
        "unigram_bits_per_base": float(-(frequencies * np.log2(frequencies)).sum() * counts.sum() / bases),
        "kept_after_shift": kept_after_shift(corpus),
        "tokens": len(ids),
        "samples": len(bounds),
        "megabytes": sum(corpus.ids(part).nbytes for part in ("train", "validation", "test")) / 1e6,
    }


def token_lengths(corpus: Corpus) -> pd.DataFrame:
    """By length in bases: tokens in the vocabulary, and their share of the training tokens."""
    lengths = corpus.tokenizer.token_lengths()
    counts = np.bincount(corpus.ids("train"), minlength=len(lengths))
    vocabulary = np.bincount(lengths)
    used = np.bincount(lengths, weights=counts) / counts.sum()
    table = pd.DataFrame({"bases": np.arange(len(vocabulary)), "vocabulary": vocabulary, "used": used})
    return table[(table.bases > 0) & (table.vocabulary > 0)]


def tokens_per_word(corpus: Corpus) -> pd.DataFrame:
    """Share of the validation genomes' k-mer words that take 1, 2, 3… tokens; empty for BigBird-style words.

    Words are found by counting bases, so genomes are followed to their first unknown letter.
    """
    k, starts = corpus.tokenizer.word_length, _known_starts(corpus)
    if k is None or not starts:
        return pd.DataFrame({"tokens": [], "share": []})
    sizes = [np.bincount((np.cumsum(corpus.tokenizer.token_lengths()[ids]) - 1) // k) for ids in starts]
    shares = np.bincount(np.concatenate(sizes)) / sum(len(size) for size in sizes)
    return pd.DataFrame({"tokens": np.arange(1, len(shares)), "share": shares[1:]})


def kept_after_shift(corpus: Corpus) -> float | None:
    """Share of a genome's tokens that are still there, at the same bases, when its first base is missing.

    Thesis 4.2.1 names the misaligned frame as the drawback of k-mers; without words there is no frame to lose. Each
    genome is encoded as one sequence, as at inference. None where every genome starts with an unknown letter.
    """
    tokenizer = corpus.tokenizer
    kept = total = 0
    for ids in _known_starts(corpus)[:SHIFTED_GENOMES]:
        sequence = "".join(tokenizer.convert_ids_to_tokens(ids.tolist()))
        whole, shifted = _spans(tokenizer, sequence, 0), _spans(tokenizer, sequence[1:], 1)
        kept, total = kept + len(whole & shifted), total + len(whole)
    return kept / total if total else None


def _spans(tokenizer: DnaTokenizer, sequence: str, offset: int) -> set[tuple[int, int]]:
    """First and last base of each token."""
    bounds = [offset, *(offset + np.cumsum(tokenizer.token_lengths()[tokenizer.encode_sequence(sequence)])).tolist()]
    return set(itertools.pairwise(bounds))


def _known_starts(corpus: Corpus) -> list[np.ndarray]:
    """Token ids of each validation document up to its first unknown letter, where there are any."""
    documents = np.split(np.asarray(corpus.ids("validation")), corpus.ends("validation")[:-1])
    starts = (ids[: np.argmax(ids == UNK)] if (ids == UNK).any() else ids for ids in documents)
    return [ids for ids in starts if len(ids)]


def _whole_words(corpus: Corpus) -> float | None:
    """Share of the training words that are one token; None for BigBird-style words, which are no units of their own."""
    k = corpus.tokenizer.word_length
    if k is None:
        return None
    whole = corpus.tokenizer.token_lengths()[corpus.ids("train")] == k
    return float(whole.sum() / corpus.sizes["words"]["train"])


# ---- tables and figures -------------------------------------------------------------------------------------------


def overview(folders: Mapping[str, Path]) -> pd.DataFrame:
    """The numbers of `measure`, one row a measurement, with the training genomes behind it."""
    rows = []
    for folder in folders.values():
        about = store.read_json(folder / "run.json")
        rows.append({"words": about["name"], "genomes": about["genomes"]["train"]} | _metrics(folder))
    return pd.DataFrame(rows).set_index("words")


def splits(folders: Mapping[str, Path]) -> pd.DataFrame:
    """Genomes in each split, one row a measurement."""
    counts = [store.read_json(folder / "run.json")["genomes"] for folder in folders.values()]
    return pd.DataFrame(counts)[["train", "validation", "test"]].assign(tokenizer=list(folders))


def example(measurements: Mapping[str, Measurement], bases: int) -> pd.DataFrame:
    """The first bases of a validation genome in each tokenizer's tokens: a blank ends a token, a bar a k-mer word."""
    first = next(iter(measurements.values())).corpus
    start = max(_known_starts(first), key=len, default=np.empty(0, int))[:bases]
    sequence = "".join(first.tokenizer.convert_ids_to_tokens(start.tolist()))[:bases]
    rows = {}
    for name, measurement in measurements.items():
        tokenizer = measurement.corpus.tokenizer
        k = tokenizer.word_length or bases
        words = [sequence[start : start + k] for start in range(0, bases, k)]
        encoded = (tokenizer.convert_ids_to_tokens(tokenizer.encode_sequence(word).tolist()) for word in words)
        rows[name] = " | ".join(" ".join(tokens) for tokens in encoded)
    return pd.Series(rows, name="tokens").rename_axis("words").to_frame()


def shifts(recorded: Mapping[str, Path], here: Mapping[str, Path]) -> pd.DataFrame:
    """`kept_after_shift` of recorded and of this run's measurements, side by side."""
    groups = {"recorded": recorded, "this run": here}
    columns = {title: overview(folders).kept_after_shift for title, folders in groups.items() if folders}
    return pd.DataFrame(columns).rename_axis("words")


def passes(folders: Mapping[str, Path]) -> pd.DataFrame:
    """What resampling costs: training samples and disk space a genome, and how many times the first row's samples."""
    table = overview(folders)[["genomes", "tokens", "samples", "megabytes"]].copy()
    table["passes"] = [_passes(folder) for folder in folders.values()]
    table["samples a genome"] = table.samples / table.genomes
    everything = [sum(store.read_json(folder / "run.json")["genomes"].values()) for folder in folders.values()]
    table["kilobytes a genome"] = 1000 * table.megabytes / everything
    table["times the first"] = table["samples a genome"] / table["samples a genome"].iloc[0]
    return table.drop(columns=["tokens"])


def provenance(folders: Mapping[str, Path], profile: str) -> str:
    """One line for a figure or table: profile, data, keys, seed."""
    abouts = [store.read_json(folder / "run.json") for folder in folders.values()]
    first = abouts[0]
    keys = [about["key"] for about in abouts]
    return report.provenance(profile, first["source"], first["simulated"], keys, first["corpus"]["seed"])


def draw_token_lengths(folders: Mapping[str, Path]) -> Figure:
    """Token lengths in bases: of the vocabulary's tokens (outline) and of the tokens in the genomes (filled)."""
    rows = -(-len(folders) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(8.0, 0.6 + 2.2 * rows), squeeze=False)
    for axis in axes.flat[len(folders) :]:
        axis.set_visible(False)
    for axis, (name, folder) in zip(axes.flat, folders.items(), strict=False):
        table = pd.read_csv(folder / "token_lengths.csv")
        axis.bar(table.bases, table.used, color=report.color(name), alpha=0.75, width=0.9, label="in the genomes")
        edges = np.append(table.bases - 0.5, table.bases.iloc[-1] + 0.5)
        axis.stairs(table.vocabulary / table.vocabulary.sum(), edges, color="#222222", label="in the vocabulary")
        axis.set(title=name, xlabel="bases", ylabel="share of tokens", xlim=(0.4, min(table.bases.max(), 20) + 0.6))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    handles = [Patch(color="#888888"), handles[labels.index("in the vocabulary")]]
    figure.legend(handles, ["tokens in the genomes", "entries of the vocabulary"], loc="outside lower center", ncols=2)
    return figure


def draw_inputs(groups: Mapping[str, Mapping[str, Path]]) -> Figure:
    """How many bases a full input of 254 tokens spans: median, with a bar from the 5th to the 95th percentile."""
    shown = {title: folders for title, folders in groups.items() if folders}
    figure, axes = plt.subplots(1, len(shown), figsize=(8.0, 2.9), squeeze=False, sharex=True, sharey=True)
    for axis, (title, folders) in zip(axes[0], shown.items(), strict=True):
        for row, (name, folder) in enumerate(folders.items()):
            numbers, color = _metrics(folder), report.color(name)
            axis.plot(
                [numbers["input_bases_low"], numbers["input_bases_high"]],
                [row, row],
                color=color,
                linewidth=5,
                alpha=0.4,
            )
            axis.plot(numbers["input_bases"], row, "o", color=color, markersize=8)
            axis.annotate(
                f"{numbers['input_bases']:,.0f}",
                (numbers["input_bases"], row),
                (0, 9),
                textcoords="offset points",
                ha="center",
            )
        axis.set(title=title, xlabel="bases in 254 tokens", yticks=range(len(folders)), yticklabels=list(folders))
        axis.set_ylim(len(folders) - 0.5, -0.7)
    return figure


def _metrics(folder: Path) -> dict[str, float | None]:
    return store.read_json(folder / "metrics.json")


def _passes(folder: Path) -> int:
    corpus = store.read_json(folder / "run.json")["corpus"]
    return corpus["resamplings"] if corpus["tokenization"] == "BB" else 1
