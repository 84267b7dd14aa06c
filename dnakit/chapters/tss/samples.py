"""Samples for finding a transcription start site (TSS) among tokens: the thesis's, and fair ones.

Thesis section 4.2.2. A promoter is cut in two at its TSS, the halves are tokenized separately, and a sample is 254
tokens, a random number of 0 to 200 of them from before the TSS; the label is the token that begins at the TSS.
Cutting first leaves a trace: words are counted from each half's own first base, so that a first half of 4,999 bases
ends in a word of 4. `dnakit.chapters.tss.rule` finds the TSS by that trace alone. `FairSamples` are without it: the
sequence is tokenized across the TSS, in a random phase.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from dnakit.data import bases
from dnakit.data.windows import Windows
from dnakit.project import DnakitError
from dnakit.tokens.samples import PAD, SAMPLE_LENGTH, framed
from dnakit.tokens.tokenizer import DnaTokenizer

SHOWN = SAMPLE_LENGTH - 2  # tokens, besides <cls> and <sep>
MOST_BEFORE = 200  # tokens before the TSS, at most


class Sample(NamedTuple):
    """What a model sees of one window, and the label.

    Attributes
    ----------
    tokens : np.ndarray
        Ids, ``<cls>`` and ``<sep>`` not among them; at most 254.
    sizes : np.ndarray
        Letters that each token stands for; of ``<unk>``, as many as there are in the window.
    label : int
        Index in `tokens` of the one that holds the TSS.
    offset : int
        Bases of that token before the TSS; 0 where it begins there.
    """

    tokens: np.ndarray
    sizes: np.ndarray
    label: int
    offset: int

    @property
    def begins(self) -> np.ndarray:
        """Where each token begins, in bases from the first of the sample."""
        return np.cumsum(self.sizes) - self.sizes

    @property
    def tss(self) -> int:
        """The base of the TSS, counted from the first of the sample."""
        return int(self.sizes[: self.label].sum()) + self.offset


class TssSamples(Dataset):
    """Samples of windows; a subclass says how they are cut.

    The draws of a sample depend on nothing but the seed, the stream and, with `redraw`, the epoch and the sample's
    number, without it the window: a resumed training sees what an undisturbed one sees.

    Parameters
    ----------
    windows : Windows
    tokenizer : DnaTokenizer
        Of k-mer words.
    seed, stream : int
        Data sets of one run differ in the stream.
    redraw : bool
        Whether a window is shown differently each time, or always alike (the thesis says neither).
    count : int
        Samples an epoch; windows follow each other in a random order from epoch to epoch, all of them before one comes
        again. 0: each window once.

    Each item holds ``input_ids`` and ``attention_mask``, both (256,), and ``labels``, the position of the TSS token
    with ``<cls>`` at 0.
    """

    def __init__(
        self, windows: Windows, tokenizer: DnaTokenizer, seed: int, stream: int, redraw: bool = True, count: int = 0
    ) -> None:
        self.windows, self.tokenizer, self.redraw = windows, tokenizer, redraw
        self.seed, self.stream, self.count = seed, stream, count or len(windows)
        self.word_length, self.token_lengths = word_length(tokenizer), tokenizer.token_lengths()
        self.order = np.random.default_rng([seed, stream]).permutation(len(windows))
        self.epoch = 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        sample = self.draw(number)
        return inputs(sample.tokens) | {"labels": torch.tensor(1 + sample.label)}

    def __iter__(self) -> Iterator[Sample]:
        return (self.draw(number) for number in range(len(self)))

    def draw(self, number: int) -> Sample:
        """The sample of this number in this epoch."""
        window = self.window(number)
        draws = (self.epoch, number) if self.redraw else (window,)
        return self.cut(self.windows.sequences[window], np.random.default_rng([self.seed, self.stream, *draws]))

    def window(self, number: int) -> int:
        """The row of the window that the sample of this number shows in this epoch."""
        return int(self.order[(self.epoch * len(self) + number) % len(self.windows)])

    def cut(self, sequence: bytes, rng: np.random.Generator) -> Sample:
        """Tokens and label of one window."""
        raise NotImplementedError

    def encode(self, sequence: bytes) -> tuple[np.ndarray, np.ndarray]:
        """Tokens of a stretch that starts a word, and how many letters each of them stands for."""
        tokens = self.tokenizer.encode_sequence(sequence)
        sizes = self.token_lengths[tokens]
        unknown = tokens == self.tokenizer.unk_token_id
        if unknown.any():
            sizes[unknown] = _unknown_runs(sequence, self.word_length)
        return tokens, sizes


def _unknown_runs(sequence: bytes, k: int) -> np.ndarray:
    """Lengths of the runs of letters that are no base; a run ends where its word ends, as ``<unk>`` does."""
    unknown = bases.codes(sequence) == bases.UNKNOWN
    begins = unknown & (~np.roll(unknown, 1) | (np.arange(len(unknown)) % k == 0))
    return np.bincount(np.cumsum(begins)[unknown])[1:]


class ThesisSamples(TssSamples):
    """The thesis's protocol: the halves are tokenized apart, each from its own first base.

    Where a window has fewer than 200 tokens before the TSS, as many as it has are the most; where it ends early, so
    does the sample.
    """

    def cut(self, sequence: bytes, rng: np.random.Generator) -> Sample:
        """0 to 200 tokens of the first half's end, and of the second half's beginning what fills the sample."""
        tss, k = self.windows.site, self.word_length
        start = max(0, tss // k - MOST_BEFORE) * k  # words that no sample shows need not be encoded
        halves = self.encode(sequence[start:tss]), self.encode(sequence[tss : tss + SHOWN * k])
        label = len(halves[0][0])
        shown = int(rng.integers(min(MOST_BEFORE, label) + 1))
        tokens, sizes = (np.concatenate(both)[label - shown :][:SHOWN] for both in zip(*halves, strict=True))
        return Sample(tokens, sizes, shown, 0)


class FairSamples(TssSamples):
    """The same task without the trace: words run across the TSS, which lies anywhere in its word.

    The word that holds the TSS begins 0 to k - 1 bases before it, at random; the label is the token that holds it. A
    window's ends tell nothing: incomplete words there are left out, and where a sample is shorter than 254 tokens, it
    ends at a random token from the label on.
    """

    def cut(self, sequence: bytes, rng: np.random.Generator) -> Sample:
        """0 to 200 tokens before the one that holds the TSS, and from it on what fills the sample."""
        tss, k = self.windows.site, self.word_length
        word = tss - int(rng.integers(min(k, tss + 1)))
        start = word - min(MOST_BEFORE, word // k) * k
        end = word + max(1, min(SHOWN, (len(sequence) - word) // k)) * k
        tokens, sizes = self.encode(sequence[start:end])
        ends = start + np.cumsum(sizes)
        label = int(np.searchsorted(ends, tss, side="right"))
        shown = int(rng.integers(min(MOST_BEFORE, label) + 1))
        chosen = slice(label - shown, label - shown + SHOWN)
        if len(tokens[chosen]) < SHOWN:
            chosen = slice(chosen.start, label - shown + int(rng.integers(shown + 1, len(tokens[chosen]) + 1)))
        return Sample(tokens[chosen], sizes[chosen], shown, tss - int(ends[label] - sizes[label]))


def word_length(tokenizer: DnaTokenizer) -> int:
    """The k of a tokenizer of k-mer words.

    Raises
    ------
    DnakitError
        If it is of another kind: without a frame there is no trace of it.
    """
    if tokenizer.word_length is None:
        raise DnakitError("the TSS chapter needs a tokenizer of k-mer words, such as 9-mer")
    return tokenizer.word_length


def inputs(tokens: np.ndarray) -> dict[str, torch.Tensor]:
    """``<cls>`` tokens ``<sep>``, padded, and its mask, both of shape (256,)."""
    ids = framed([tokens])
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy((ids != PAD).astype(np.int64))}
