"""Transcription start sites as a question to a token model: its samples, and the answer that needs no model.

Thesis section 4.2.2. A promoter is cut in two at its TSS, the halves are tokenized separately, and 254 tokens are
shown, a random number of 0 to 200 of them from before the TSS; the model names the token that begins at the TSS.
Cutting first leaves a trace: words are counted from each half's own first base, so that a first half of 4,999 bases
ends in a word of 4. `rule` finds the TSS by that trace alone. `FairSamples` ask the same question without it: the
sequence is tokenized across the TSS, in a random phase.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import PreTrainedModel

from dnakit.chapters.tss.windows import Windows
from dnakit.project import DnakitError
from dnakit.tokens import corpus as corpora
from dnakit.tokens.samples import PAD, SAMPLE_LENGTH, SEP, framed
from dnakit.tokens.tokenizer import CODES, DnaTokenizer, EncodingTable

SHOWN = SAMPLE_LENGTH - 2  # tokens, besides <cls> and <sep>
MOST_BEFORE = 200  # tokens before the TSS, at most


class Sample(NamedTuple):
    """What is shown of one window.

    Attributes
    ----------
    tokens : np.ndarray
        Ids, ``<cls>`` and ``<sep>`` not among them; at most 254.
    label : int
        Index in `tokens` of the one that holds the TSS.
    offset : int
        Bases of that token before the TSS; 0 where it begins there.
    """

    tokens: np.ndarray
    label: int
    offset: int


class TssSamples(Dataset):
    """Samples of windows; how they are cut is for a subclass to say.

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
        turn = self.epoch * len(self) + number
        window = int(self.order[turn % len(self.windows)])
        draws = (self.epoch, number) if self.redraw else (window,)
        return self.cut(self.windows.sequences[window], np.random.default_rng([self.seed, self.stream, *draws]))

    def cut(self, sequence: bytes, rng: np.random.Generator) -> Sample:
        """Tokens and label of one window."""
        raise NotImplementedError


class ThesisSamples(TssSamples):
    """The thesis's protocol: the halves are tokenized apart, each from its own first base.

    Where a window has fewer than 200 tokens before the TSS, as many as it has are the most; where it ends early, so
    does the sample.
    """

    def cut(self, sequence: bytes, rng: np.random.Generator) -> Sample:
        """0 to 200 tokens of the first half's end, and of the second half's beginning what fills the sample."""
        tss, k = self.windows.tss, self.word_length
        start = max(0, tss // k - MOST_BEFORE) * k  # words that no sample shows need not be encoded
        before = self.tokenizer.encode_sequence(sequence[start:tss])
        after = self.tokenizer.encode_sequence(sequence[tss : tss + SHOWN * k])
        shown = int(rng.integers(min(MOST_BEFORE, len(before)) + 1))
        return Sample(np.concatenate([before[len(before) - shown :], after[: SHOWN - shown]]), shown, 0)


class FairSamples(TssSamples):
    """The same question without the trace: words run across the TSS, which lies anywhere in its word.

    The word that holds the TSS begins 0 to k - 1 bases before it, at random; the label is the token that holds it. A
    window's ends tell nothing: incomplete words there are left out, and where a sample is shorter than 254 tokens, it
    ends at a random token from the label on.
    """

    def cut(self, sequence: bytes, rng: np.random.Generator) -> Sample:
        """0 to 200 tokens before the one that holds the TSS, and from it on what fills the sample."""
        tss, k = self.windows.tss, self.word_length
        word = tss - int(rng.integers(min(k, tss + 1)))
        start = word - min(MOST_BEFORE, word // k) * k
        end = word + min(SHOWN, (len(sequence) - word) // k) * k
        before, here, after = (
            self.tokenizer.encode_sequence(sequence[a:b]) for a, b in ((start, word), (word, word + k), (word + k, end))
        )
        sizes = self.token_lengths[here]
        begins = np.cumsum(sizes) - sizes
        inside = int(np.searchsorted(begins, tss - word, side="right")) - 1
        tokens = np.concatenate([before, here, after])
        label = len(before) + inside
        shown = int(rng.integers(min(MOST_BEFORE, label) + 1))
        tokens = tokens[label - shown :][:SHOWN]
        if len(tokens) < SHOWN:
            tokens = tokens[: int(rng.integers(shown + 1, len(tokens) + 1))]
        return Sample(tokens, shown, tss - word - int(begins[inside]))


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


# ---- which windows


def same_frame(windows: Windows, upstream: int, k: int) -> Windows:
    """Short windows, cut so that their first half leaves the same remainder as one of `upstream` bases.

    What a model learned of a half of 4,999 bases is then asked of one of 193, where a window has 200.
    """
    if windows.tss >= upstream:
        return windows.narrowed(upstream, len(windows.sequences[0]))
    return windows.narrowed(windows.tss - (windows.tss - upstream) % k, len(windows.sequences[0]))


def split(windows: Windows, how: Literal["random", "chromosome"], seed: int) -> dict[str, np.ndarray]:
    """Rows of the train, validation and test windows: 81/9/10.

    Drawn at random (thesis 4.2.2), or by chromosome: test is the one whose share is nearest to 10%, validation that of
    the others nearest to 9%, so that no test window overlaps another one.

    Raises
    ------
    DnakitError
        If there are too few windows, or fewer than three chromosomes.
    """
    rng = np.random.default_rng(seed)
    parts = corpora.split(len(windows), rng) if how == "random" else _by_chromosome(windows)
    for part, rows in parts.items():
        if not len(rows):
            raise DnakitError(f"{len(windows)} promoters leave none for {part}; give more")
    return parts


def _by_chromosome(windows: Windows) -> dict[str, np.ndarray]:
    chromosomes = np.array(windows.chromosomes)
    names, counts = np.unique(chromosomes, return_counts=True)
    if not any(names):
        raise DnakitError(
            "these windows do not say which chromosome they are of and cannot be split by it; set fair_split: random"
        )
    if len(names) < 3:
        raise DnakitError(
            f"a split by chromosome needs promoters of at least three, not of {', '.join(names)}; split at random"
        )
    test = int(np.argmin(np.abs(counts - 0.1 * len(windows))))
    distance = np.abs(counts - 0.09 * len(windows)).astype(float)
    distance[test] = np.inf
    validation = int(np.argmin(distance))
    return {
        "train": np.flatnonzero(~np.isin(chromosomes, names[[validation, test]])),
        "validation": np.flatnonzero(chromosomes == names[validation]),
        "test": np.flatnonzero(chromosomes == names[test]),
    }


# ---- answers, and how far they are off


def predict(model: PreTrainedModel, tokens: Sequence[np.ndarray], batch_size: int, bf16: bool) -> np.ndarray:
    """The token of the highest score in each input, as an index into its tokens; shape (inputs,)."""
    device = model.device
    answers = []
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for start in range(0, len(tokens), batch_size):
            rows = [inputs(each) for each in tokens[start : start + batch_size]]
            batch = {name: torch.stack([row[name] for row in rows]).to(device) for name in rows[0]}
            scores = model.eval()(**batch).logits.float()
            scores[batch["input_ids"] <= SEP] = -torch.inf  # neither <cls> nor <sep> is an answer
            answers.append(scores.argmax(-1).cpu().numpy() - 1)
    return np.concatenate(answers)


def base_errors(samples: Sequence[Sample], predicted: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Bases between the TSS and the nearest base of each predicted token, 0 where the token holds it; (samples,).

    `lengths` are the tokenizer's `token_lengths`; an ``<unk>`` counts as no base.
    """
    errors = []
    for sample, answer in zip(samples, predicted, strict=True):
        ends = np.cumsum(lengths[sample.tokens])
        tss = ends[sample.label] - lengths[sample.tokens[sample.label]] + sample.offset
        first, last = ends[answer] - lengths[sample.tokens[answer]], ends[answer] - 1
        errors.append(max(first - tss, tss - last, 0))
    return np.array(errors)


# ---- the rule


def rule(tokens: Sequence[np.ndarray], tokenizer: DnaTokenizer, remainder: int) -> np.ndarray:
    """Find the seam between halves tokenized apart by looking for nothing but words that encode as seen.

    Every split is tried: the tokens from it on, read in words of k bases, and those before it, read in words of k
    bases backwards after one word of `remainder`, must be what the tokenizer makes of these words. Words cut off by the
    ends of the input contradict nothing. Of several possible splits, which on random DNA are all equally probable,
    the last is taken.

    Parameters
    ----------
    tokens : sequence of np.ndarray
        Token ids of each input, ``<cls>`` and ``<sep>`` not among them.
    tokenizer : DnaTokenizer
        Of k-mer words, k up to 9.
    remainder : int
        Length of the first half modulo k; 0 leaves no trace, and about one word boundary in a hundred is right.

    Returns
    -------
    np.ndarray
        Index of the first token of the second half, shape (inputs,); -1 where no split is possible.
    """
    k = word_length(tokenizer)
    inputs = _Inputs(tokens, tokenizer)
    whole = inputs.words(tokenizer, k)
    short = inputs.words(tokenizer, remainder) if remainder else None
    possible = inputs.fits_after(whole, k) & inputs.fits_before(whole, k, short, remainder)
    possible[:, MOST_BEFORE + 1 :] = False
    last = possible.shape[1] - 1 - possible[:, ::-1].argmax(1)
    return np.where(possible.any(1), last, -1)


class _Inputs:
    """Inputs as one table of tokens, with the bases they stand for; column t is the boundary before token t."""

    def __init__(self, tokens: Sequence[np.ndarray], tokenizer: DnaTokenizer) -> None:
        self.rows = np.arange(len(tokens))
        self.counts = np.array([len(each) for each in tokens])
        self.ids = np.full((len(tokens), int(self.counts.max()) + 1), PAD)
        for row, each in zip(self.ids, tokens, strict=True):
            row[: len(each)] = each
        lengths = tokenizer.token_lengths()
        ends = np.cumsum(lengths[self.ids], axis=1)
        self.begins, self.bases = ends - lengths[self.ids], ends[:, -1]  # where each token begins; bases of an input
        spelling = _spelling(tokenizer, int(lengths.max()))
        self.codes = np.zeros((len(tokens), int(self.bases.max()) + 2 * spelling.shape[1]), np.int64)
        for place in range(spelling.shape[1]):
            row, column = np.nonzero(lengths[self.ids] > place)
            self.codes[row, self.begins[row, column] + place] = spelling[self.ids[row, column], place]

    def words(self, tokenizer: DnaTokenizer, k: int) -> np.ndarray:
        """Token after the word of k bases that begins at each token, or 0 where its encoding is not what is seen."""
        table = _table(tokenizer, k)
        number = np.zeros(self.ids.shape, np.int64)
        for place in range(k):
            number = number * 4 + self.codes[self.rows[:, None], self.begins + place]
        size = table.length[number].astype(int)
        complete = self.begins + k <= self.bases[:, None]
        at = np.arange(self.ids.shape[1])
        same = complete & (at < self.counts[:, None])
        for place in range(k):
            seen = self.ids[:, np.minimum(at + place, len(at) - 1)]
            expected = table.ids[np.minimum(table.start[number] + place, table.filled - 1)]
            same &= (place >= size) | (seen == expected)
        return np.where(same, at + size, 0)

    def fits_after(self, whole: np.ndarray, k: int) -> np.ndarray:
        """Whether all that follows a boundary is words of k bases, but for one that the end cuts off."""
        fits = self.begins + k > self.bases[:, None]
        for token in range(fits.shape[1] - 1, -1, -1):
            follows = whole[:, token]
            fits[:, token] |= (follows > 0) & fits[self.rows, follows]
        return fits & (np.arange(fits.shape[1]) <= self.counts[:, None])

    def fits_before(self, whole: np.ndarray, k: int, short: np.ndarray | None, remainder: int) -> np.ndarray:
        """Whether all before a boundary is words of k bases, the first of them cut off or not, and a short one last."""
        fits = self.begins < k
        for token in range(fits.shape[1]):
            reached = fits[:, token] & (whole[:, token] > 0)
            fits[self.rows[reached], whole[reached, token]] = True
        if short is None:
            return fits
        ended = self.begins < remainder
        for token in range(fits.shape[1]):
            reached = fits[:, token] & (short[:, token] > 0)
            ended[self.rows[reached], short[reached, token]] = True
        return ended


@lru_cache(maxsize=4)
def _table(tokenizer: DnaTokenizer, k: int) -> EncodingTable:
    return EncodingTable(tokenizer, k)


def _spelling(tokenizer: DnaTokenizer, longest: int) -> np.ndarray:
    """Base codes of each token, shape (vocab_size, longest)."""
    codes = np.zeros((len(tokenizer), longest), np.int64)
    for row, letters in zip(codes, tokenizer.token_letters(), strict=True):
        row[: len(letters)] = CODES[np.frombuffer(letters, np.uint8)]
    return codes
