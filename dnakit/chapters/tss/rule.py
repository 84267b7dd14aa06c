"""The rule: it finds the transcription start site in the thesis's samples without any training.

The halves of such a sample were tokenized apart (thesis section 4.2.2), so that the first half may end in a short word.
The rule looks for nothing but words that encode as seen, which any DNA has.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from dnakit.chapters.tss.samples import MOST_BEFORE, word_length
from dnakit.data import bases
from dnakit.tokens.encoding_table import EncodingTable
from dnakit.tokens.samples import PAD
from dnakit.tokens.tokenizer import DnaTokenizer


def rule(tokens: Sequence[np.ndarray], tokenizer: DnaTokenizer, remainder: int) -> np.ndarray:
    """Find the *seam*: the short word that ends the first of two halves that were tokenized apart.

    Where several boundaries pass (`possible_boundaries`), the last of them is the result; another choice among them
    gives another accuracy (`dnakit.chapters.tss.ties`).

    Parameters
    ----------
    tokens, tokenizer, remainder
        As for `possible_boundaries`.

    Returns
    -------
    np.ndarray
        Index of the first token of the second half, shape (inputs,); -1 where no split is possible.
    """
    possible = possible_boundaries(tokens, tokenizer, remainder)
    last = possible.shape[1] - 1 - possible[:, ::-1].argmax(1)
    return np.where(possible.any(1), last, -1)


def possible_boundaries(tokens: Sequence[np.ndarray], tokenizer: DnaTokenizer, remainder: int) -> np.ndarray:
    """Where two halves that were tokenized apart may meet.

    Every token boundary is tested: the tokens after it, read in words of k bases, and the tokens before it, read
    backwards in one word of `remainder` bases and then in words of k bases, must be what the tokenizer makes of these
    words. Words cut off by the ends of the input are not tested.

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
        Whether a boundary is possible, bool, shape (inputs, tokens of the longest input + 1): column t is the boundary
        before token t.
    """
    k = word_length(tokenizer)
    inputs = _Inputs(tokens, tokenizer)
    whole = inputs.words(tokenizer, k)
    short = inputs.words(tokenizer, remainder) if remainder else None
    possible = inputs.fits_after(whole, k) & inputs.fits_before(whole, k, short, remainder)
    possible[:, MOST_BEFORE + 1 :] = False  # the thesis shows at most 200 tokens before the TSS
    return possible


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
        self.codes = np.zeros((len(tokens), int(self.bases.max()) + 2 * spelling.shape[1]), np.uint8)
        for place in range(spelling.shape[1]):
            row, column = np.nonzero(lengths[self.ids] > place)
            self.codes[row, self.begins[row, column] + place] = spelling[self.ids[row, column], place]

    def words(self, tokenizer: DnaTokenizer, k: int) -> np.ndarray:
        """Token after the word of k bases that begins at each token, or 0 where its encoding is not what is seen."""
        number = bases.kmer_numbers(self.codes[self.rows[:, None, None], self.begins[..., None] + np.arange(k)])
        expected = _table(tokenizer).lookup(number, k)
        size = np.count_nonzero(expected, axis=-1)
        complete = self.begins + k <= self.bases[:, None]
        at = np.arange(self.ids.shape[1])
        same = complete & (at < self.counts[:, None])
        for place in range(expected.shape[-1]):
            seen = self.ids[:, np.minimum(at + place, len(at) - 1)]
            same &= (place >= size) | (seen == expected[..., place])
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


@lru_cache(maxsize=2)
def _table(tokenizer: DnaTokenizer) -> EncodingTable:
    return EncodingTable(tokenizer, word_length(tokenizer))


def _spelling(tokenizer: DnaTokenizer, longest: int) -> np.ndarray:
    """Base codes of each token, shape (vocab_size, longest)."""
    codes = np.zeros((len(tokenizer), longest), np.uint8)
    for row, letters in zip(codes, tokenizer.token_letters(), strict=True):
        row[: len(letters)] = bases.codes(letters)
    return codes
