"""What is measured of a pretraining: bits that a masked base costs in each context, and a probe of its hidden states.

The *probe* is a logistic regression on the mean hidden state of a window, without any change of the model. It names the
context of windows of held-out chromosomes. A pretraining that learned more about DNA should make this easier.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dnakit.chapters.future_work.contexts import Windows, tokenizer_of, windows
from dnakit.chapters.future_work.parameters import CONTEXTS, SAMPLINGS, Parameters
from dnakit.chapters.future_work.read_methods import as_string
from dnakit.data.bases import kmer_numbers
from dnakit.run import Outcome
from dnakit.tokens.samples import framed_each, mask_tokens
from dnakit.tokens.tokenizer import DnaTokenizer
from dnakit.tokens.vocabulary import MASK

if TYPE_CHECKING:
    from dnakit.chapters.future_work.context_runs import Methods

K = 4  # of the k-mers whose frequencies are probed: 256 features, as many as the thesis's model has dimensions
MASKS, TEST, PROBE, SAMPLE = range(4)  # streams of random numbers


class Evaluated(NamedTuple):
    """What all runs of a chapter are measured on.

    Attributes
    ----------
    train, test : Windows
        Of the training chromosomes, and so many of each context of those held out.
    probe : np.ndarray
        Rows of `train` that the probe learns from, of each context alike.
    tokenizer : DnaTokenizer
    width : int
        Tokens of the longest window, with its frame.
    """

    train: Windows
    test: Windows
    probe: NDArray[np.int64]
    tokenizer: DnaTokenizer
    width: int

    def framed(self, rows: Windows) -> NDArray[np.int64]:
        """Tokens of windows, framed and padded to one width."""
        return framed_each(self.tokenizer.encode_sequences(rows.sequences), self.width)

    def masked(self, ids: NDArray[np.int64], seed: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The ids as a model sees them, and which of them were selected."""
        return mask_tokens(ids, len(self.tokenizer), np.random.default_rng(seed))


def evaluated(parameters: Parameters) -> Evaluated:
    """The windows of the chapter, and its tokenizer."""
    parts = windows(parameters)
    test = parts["test"].take(parts["test"].each(parameters.evaluated, np.random.default_rng([parameters.seed, TEST])))
    probe = parts["train"].each(parameters.probed, np.random.default_rng([parameters.seed, PROBE]))
    tokenizer = tokenizer_of(parts["train"], parameters.vocab_size)
    most = max(map(len, tokenizer.encode_sequences(parts["train"].sequences + test.sequences)))
    return Evaluated(parts["train"], test, probe, tokenizer, most + 2)


# ---- bits


def costs(
    nats: NDArray[np.float64], true: NDArray[np.int64], masked: NDArray[np.bool_], about: Evaluated
) -> pd.DataFrame:
    """Nats and bases of the masked tokens of each window, with its context.

    Parameters
    ----------
    nats
        Of the true token at each place, ``(windows, width)``.
    true, masked
        The true tokens, and where the model saw ``<mask>``.
    about
        The windows and the tokenizer.
    """
    bases = about.tokenizer.token_lengths()[true]
    rows = {"context": np.array(CONTEXTS)[about.test.context]}
    return pd.DataFrame(rows | {"nats": (nats * masked).sum(1), "bases": (bases * masked).sum(1)})


def bits(table: pd.DataFrame) -> dict[str, float]:
    """Bits that a masked base costs, by context, and their mean."""
    sums = table.groupby("context")[["nats", "bases"]].sum()
    found = {name: float(sums["nats"][name] / (sums["bases"][name] * np.log(2))) for name in CONTEXTS}
    return found | {"mean": float(np.mean(list(found.values())))}


def save_costs(table: pd.DataFrame, path: Path) -> None:
    """Write the costs of each window, so that two runs can be compared window by window."""
    table.to_csv(path, index=False, float_format="%.5g")


# ---- the probe


def probe(
    train: NDArray[np.floating], labels: NDArray[np.int64], test: NDArray[np.floating], true: NDArray[np.int64]
) -> str:
    """Whether each test window is named right, as a string of 0 and 1.

    Parameters
    ----------
    train, test
        Features, ``(windows, features)``.
    labels, true
        Contexts.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    return as_string(model.fit(train, labels).predict(test) == true)


def kmer_counts(some: Windows) -> NDArray[np.float64]:
    """How often each 4-mer occurs in each window."""
    numbers = kmer_numbers(sliding_window_view(some.codes, K, axis=1)).astype(np.int64)
    return np.stack([np.bincount(each, minlength=4**K) for each in numbers]).astype(float)


# ---- without a network


def measure_methods(run: Methods, folder: Path) -> Outcome:
    """Token frequencies under both samplings as a language model, and 4-mers in the probe."""
    about, chapter = evaluated(run.parameters), run.parameters
    true = about.framed(about.test)
    seen, _ = about.masked(true, [chapter.seed, MASKS])
    found: dict[str, Any] = {"bits": {}}
    for sampling in SAMPLINGS:
        rows = about.train.draw(sampling, chapter.samples, np.random.default_rng([chapter.seed, SAMPLE]))
        counts = np.ones(len(about.tokenizer)) + np.bincount(
            np.concatenate(about.tokenizer.encode_sequences(about.train.take(rows).sequences)),
            minlength=len(about.tokenizer),
        )
        table = costs(-np.log(counts / counts.sum())[true], true, seen == MASK, about)
        save_costs(table, folder / f"costs-{sampling}.csv")
        found["bits"][sampling] = bits(table)
    learned = about.train.take(about.probe)
    right = probe(kmer_counts(learned), learned.context, kmer_counts(about.test), about.test.context)
    found |= {"probe": {"right": right}, "windows": {"train": about.train.counts(), "test": about.test.counts()}}
    record = {"parameters": {"seed": chapter.seed}, "vocab_size": len(about.tokenizer), "tokens": about.width - 2}
    return Outcome(found, run.about() | record)
