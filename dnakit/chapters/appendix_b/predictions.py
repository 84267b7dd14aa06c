"""Predictions of masked tokens: of the models of this chapter, and of the visible token boundaries alone."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dnakit.chapters.pretraining.runs import PretrainingRun
from dnakit.models import device
from dnakit.models.build import load
from dnakit.tokens.corpus import Corpus, prepare
from dnakit.tokens.samples import MlmSamples
from dnakit.tokens.vocabulary import MASK, PAD, SPECIAL_TOKENS
from dnakit.tokens.word_frames import counts_by_offset, given_away

BATCH = 16  # samples at a time


@dataclass(frozen=True)
class MaskedTokens:
    """Samples with masks.

    Attributes
    ----------
    corpus : Corpus
        Its tokenizer and its training genomes.
    shown, true : np.ndarray of int64, shape (samples, 256)
        Token ids with and without masks.
    """

    corpus: Corpus
    shown: NDArray[np.int64]
    true: NDArray[np.int64]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Bases of each token of the vocabulary; 0 of special ones."""
        return self.corpus.tokenizer.token_lengths()

    @property
    def changed(self) -> NDArray[np.bool_]:
        """Where another token is shown than the true one: a mask, or a random token."""
        return self.shown != self.true

    @property
    def masked(self) -> NDArray[np.bool_]:
        """Where ``<mask>`` is shown."""
        return self.shown == MASK

    @cached_property
    def word_length(self) -> int:
        """Bases of a word of the tokenizer."""
        return int(self.corpus.tokenizer.word_length or 0)

    @cached_property
    def known_lengths(self) -> NDArray[np.bool_]:
        """Where the visible tokens give a masked token's length away, of the shape of `shown`."""
        known, _ = given_away(self.shown.ravel(), self.true.ravel(), self.lengths, self.word_length)
        return known.reshape(self.shown.shape) & self.masked


def masked_test_tokens(run: PretrainingRun, seed: int) -> MaskedTokens:
    """The test samples of a pretraining, with the masks that its test scores are of."""
    corpus = prepare(run.corpus)
    samples = MlmSamples(corpus, "test", "static", "all", seed)
    items: list[dict[str, Any]] = [samples[number] for number in range(len(samples))]
    shown = np.stack([item["input_ids"].numpy() for item in items])
    labels = np.stack([item["labels"].numpy() for item in items])
    return MaskedTokens(corpus, shown, np.where(labels >= 0, labels, shown))


def predict(run: PretrainingRun, tokens: MaskedTokens) -> NDArray[np.int64]:
    """The likeliest token at each changed place, elsewhere the one that is shown; of the shape of ``tokens.shown``."""
    model: Any = load(run.folder() / "model")
    where, found = device.ready(model), tokens.shown.copy()
    for start in range(0, len(found), BATCH):
        rows = slice(start, start + BATCH)
        needed = torch.from_numpy(np.flatnonzero(tokens.changed[rows])).to(where)
        shown = torch.from_numpy(tokens.shown[rows]).to(where)
        with torch.inference_mode():
            with device.autocast(where, run.parameters.precision):
                hidden = model.encode(shown, (shown != PAD).long(), None, needed)
            likeliest = model.lm_head(hidden.float())[:, len(SPECIAL_TOKENS) :].argmax(-1) + len(SPECIAL_TOKENS)
        found[rows][tokens.changed[rows]] = likeliest.cpu().numpy()
    return found


def by_boundaries(tokens: MaskedTokens) -> NDArray[np.int64]:
    """What the visible token boundaries alone say: no base of the sample is read.

    Where they give a masked token's length and its place in the word away, it is the commonest token of the training
    genomes with that length at that place. Elsewhere it is the commonest token of all.
    """
    counts = counts_by_offset(tokens.corpus.ids_by_document("train"), tokens.lengths, tokens.word_length)
    known, at = given_away(tokens.shown.ravel(), tokens.true.ravel(), tokens.lengths, tokens.word_length)
    found = np.where(tokens.changed.ravel(), counts.sum(0).argmax(), tokens.shown.ravel())
    for place in np.flatnonzero(known & tokens.masked.ravel()):
        alike = tokens.lengths == tokens.lengths[tokens.true.flat[place]]
        found[place] = np.where(alike, counts[at[place]], -1).argmax()
    return found.reshape(tokens.shown.shape)
