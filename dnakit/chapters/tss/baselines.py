"""Simple methods for the fair task of section 5.2: which token of a stretch of DNA holds the transcription start site.

Three of them, each fitted to training promoters: a constant prediction, the core promoter's motifs as weight matrices
(`dnakit.chapters.tss.motifs`), and a logistic regression on k-mers (`dnakit.chapters.tss.kmer_regression`). They see
the sample and nothing beyond its ends, as the transformer does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dnakit.chapters.tss import scoring
from dnakit.chapters.tss.baseline import Baseline, Prediction
from dnakit.chapters.tss.kmer_regression import KmerRegression
from dnakit.chapters.tss.motifs import Motifs
from dnakit.chapters.tss.samples import Sample, TssSamples
from dnakit.project import DnakitError
from dnakit.tokens.tokenizer import DnaTokenizer


@dataclass(frozen=True)
class PositionOnly:
    """The same prediction for every stretch: the commonest label and the median position of the training stretches.

    Attributes
    ----------
    token, base : int
        The first maximizes exact accuracy on the training stretches, the second minimizes their mean error in bp; each
        is the prediction for its own measure.
    """

    token: int
    base: int

    @classmethod
    def fit(cls, tokens: Sequence[int] | np.ndarray, bases: Sequence[int] | np.ndarray) -> "PositionOnly":
        """Learn from the labels of training stretches: the site's token in each, and its base."""
        if not len(tokens) or len(tokens) != len(bases):
            raise DnakitError(f"{len(tokens)} tokens and {len(bases)} bases: give both for each training stretch")
        return cls(int(np.bincount(tokens).argmax()), int(np.median(bases)))

    def predict(self, stretch: bytes, starts: np.ndarray) -> Prediction:
        """The constant, or the end of a stretch that is too short for it."""
        return Prediction(min(self.token, len(starts) - 1), min(self.base, len(stretch) - 1))


METHODS: dict[str, type] = {"position": PositionOnly, "motifs": Motifs, "k-mers": KmerRegression}


# ---- fitting


def fit(samples: Mapping[str, TssSamples], seed: int) -> dict[str, Baseline]:
    """Fit each of `METHODS` to the training windows."""
    train, validation = samples["train"].windows, samples["validation"].windows
    shown = list(samples["train"])
    return {
        "position": PositionOnly.fit([sample.label for sample in shown], [sample.tss for sample in shown]),
        "motifs": Motifs.fit(train.sequences, train.site),
        "k-mers": KmerRegression.fit(train.sequences, train.site, validation.sequences, seed),
    }


def save(fitted: Mapping[str, Any], folder: Path) -> None:
    """Write each method as ``<method>.npz``."""
    for method, baseline in fitted.items():
        np.savez(folder / f"{method}.npz", **asdict(baseline))


def load(folder: Path) -> dict[str, Baseline]:
    """The methods that `save` wrote."""
    return {method: _loaded(kind, folder / f"{method}.npz") for method, kind in METHODS.items()}


def _loaded(kind: type, path: Path) -> Baseline:
    with np.load(path) as arrays:
        return kind(**{name: array if array.ndim else array.item() for name, array in arrays.items()})


# ---- predicting


def locate(baseline: Baseline, samples: Sequence[Sample], tokenizer: DnaTokenizer) -> tuple[np.ndarray, np.ndarray]:
    """The token and the base that a method predicts in each sample, two arrays of shape ``(samples,)``.

    Parameters
    ----------
    baseline : Baseline
    samples : sequence of Sample
        Of which the method sees the letters of the tokens and where each token begins; letters that are no base are N.
    tokenizer : DnaTokenizer
        Of the samples.
    """
    letters = tokenizer.token_letters()
    predictions = [
        baseline.predict(
            b"".join(letters[token] or b"N" * size for token, size in zip(*sample[:2], strict=True)), sample.begins
        )
        for sample in samples
    ]
    tokens, bases = np.array(predictions, dtype=int).reshape(-1, 2).T
    return tokens, bases


def scores(baseline: Baseline, samples: Sequence[Sample], tokenizer: DnaTokenizer) -> dict[str, float]:
    """The scores of a simple method, with the error of the very base it predicts."""
    tokens, bases = locate(baseline, samples, tokenizer)
    errors = np.abs(bases - np.array([sample.tss for sample in samples]))
    return scoring.scores(samples, tokens) | {"median_error_of_base_bp": float(np.median(errors))}
