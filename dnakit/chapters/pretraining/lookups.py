"""Guessing a masked token by looking up its surroundings in the training genomes, without a neural network.

A masked language model is worth its training when it beats these lookups. Each ranks candidates for a masked token by
how often they were seen in training; among equals the lower token id wins. `TokenLookups.predict` states them.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dnakit.data.bases import UNKNOWN, codes, kmer_numbers
from dnakit.project import DnakitError
from dnakit.tokens.tokenizer import DnaTokenizer
from dnakit.tokens.vocabulary import MASK, PAD, SPECIAL_TOKENS
from dnakit.tokens.word_frames import word_frames

BEST = 5  # candidates kept, for the top-5 accuracy
REACH = 12  # the widest window
LONGEST_EXACT = 27  # letters of five kinds that fit a number of 64 bits

Ids = NDArray[np.integer]


class Window(NamedTuple):
    """How many bases to the left and to the right of a gap are looked up."""

    left: int
    right: int

    def offsets(self, length: int) -> list[int]:
        """Places of its bases, from the first base of a gap of so many bases."""
        return [*range(-self.left, 0), *range(length, length + self.right)]


# Looked up in this order. The last window of each group has 12 bases, and the others of the group contain these 12.
WINDOWS = ((Window(12, 12), Window(8, 8), Window(6, 6)), (Window(12, 0),), (Window(0, 12),))


class TokenLookups:
    """Lookups of masked tokens, learned from the token ids of training genomes."""

    def __init__(self, tokenizer: DnaTokenizer) -> None:
        self.words = np.array([letters or b"N" for letters in tokenizer.token_letters()], object)
        self.lengths = np.array([len(word) for word in self.words])
        self.word_length = tokenizer.word_length

    def fit(self, documents: Sequence[Ids]) -> Self:
        """Count the tokens of the training genomes and keep their bases.

        Parameters
        ----------
        documents : sequence of np.ndarray
            Token ids of one genome each. Of BigBird-style words one pass over each genome is enough.

        Raises
        ------
        DnakitError
            If no token stands for bases.
        """
        ids = _joined(documents)
        at = np.flatnonzero(ids >= len(SPECIAL_TOKENS))
        if not len(at):
            raise DnakitError("the training documents hold no tokens of known bases: give token ids of genomes")
        self.commonest = _Ranking(np.zeros(len(at), np.uint64), ids[at])
        if self.word_length is not None:
            self.by_frame = _Ranking(self._frames(ids)[at], ids[at])
        left, right = _neighbours(ids, at)
        lefts, pairs = left > 0, (left > 0) & (right > 0)
        self.by_left = _Ranking(left[lefts], ids[at][lefts])
        self.by_pair = _Ranking(_pair(left, right)[pairs], ids[at][pairs])
        self.letters = self._letters(ids)
        self.sixmers = kmer_numbers(sliding_window_view(self.letters, 6))
        return self

    def predict(
        self, samples: Sequence[Ids], masked: Sequence[NDArray[np.bool_]], seen: Sequence[Ids] | None = None
    ) -> dict[str, NDArray[np.int64]]:
        """The best candidates for each masked token, by lookup.

        ``commonest``: the most frequent token of the training genomes.

        ``frame and length``: the most frequent token of the same length at the same offset in its k-mer word; both are
        given (in a word with a single mask, its neighbours reveal them). Absent for BigBird-style words. Offsets come
        from the token lengths: in each stretch between special tokens, the frame in which the fewest tokens cross the
        border of a word, of equal ones the first.

        ``neighbours``: the most frequent token between the same left and right token; where that pair is new, after
        the same left token; where that is new, the commonest.

        ``12 bp``: the most frequent token of the true length among the fillings found anywhere in the training genomes
        (whatever their words) between the same 12 bases to the left and 12 to the right; where there is none, between
        8 and 8, 6 and 6, after the same 12, before the same 12 (`WINDOWS`), then as ``neighbours``. The true length
        is given.

        Every list of candidates that is shorter than 5 goes on with those of the next step.

        Parameters
        ----------
        samples : sequence of np.ndarray
            True token ids of each sample, special tokens included.
        masked : sequence of np.ndarray of bool
            Which tokens are to be predicted, of the same shapes; special tokens never are.
        seen : sequence of np.ndarray, optional
            What a model is shown. With it, tokens shown as ``<mask>`` are unknown neighbours and hide their bases, and
            random tokens are taken for true. Without it, the neighbours are the true ones *even where they are masked
            too*: more than a model sees.

        Returns
        -------
        dict of np.ndarray, shape (masked tokens, 5)
            Token ids, best first, -1 where there are no more; the masked tokens of all samples in order.
        """
        true = _joined(samples)
        shown = true if seen is None else _joined(seen)
        at = np.flatnonzero(_joined(masked, False) & (true >= len(SPECIAL_TOKENS)))
        commonest = self.commonest.best(np.zeros(len(at), np.uint64))
        left, right = _neighbours(shown, at)
        neighbours = _followed(self.by_left.best(left), commonest)
        neighbours = _followed(self.by_pair.best(_pair(left, right)), neighbours)
        found = {"commonest": commonest}
        if self.word_length is not None:
            found["frame and length"] = _followed(self.by_frame.best(self._frames(true)[at]), commonest)
        return found | {"neighbours": neighbours, "12 bp": self._between(true, shown, at, neighbours)}

    def _frames(self, ids: Ids) -> NDArray[np.uint64]:
        """Offset in its word and length of each token, as one number."""
        assert self.word_length is not None
        offsets, _ = word_frames(ids, self.lengths, self.word_length)
        lengths = np.where(ids < len(SPECIAL_TOKENS), 0, self.lengths[ids])
        return (offsets * (1 + self.word_length) + lengths).astype(np.uint64)

    def _letters(self, ids: Ids) -> NDArray[np.uint8]:
        """Base codes of token ids, a special token being one unknown letter, with unknown letters on both sides."""
        return codes(b"".join([b"N" * REACH, *self.words[ids].tolist(), b"N" * REACH]))

    def _between(self, true: Ids, shown: Ids, at: NDArray[np.int64], then: NDArray[np.int64]) -> NDArray[np.int64]:
        """Candidates by the bases on both sides, then those of `then`."""
        hidden = shown == MASK
        visible = np.where(hidden, true, shown)
        letters, lengths = self._letters(visible), self.lengths[visible]
        letters[REACH : len(letters) - REACH][np.repeat(hidden, lengths)] = UNKNOWN
        starts = REACH + np.cumsum(lengths) - lengths
        found = then.copy()
        for length in np.unique(lengths[at]).tolist():
            rows = np.flatnonzero(lengths[at] == length)
            for windows in WINDOWS[::-1]:
                places, fillings = self._fillings(letters, starts[at[rows]], length, windows[-1])
                for window in windows[::-1]:
                    there = _flanks(self.letters, places, length, window)
                    known = there >= 0
                    ranking = _Ranking(there[known].astype(np.uint64), fillings[known])
                    here = _flanks(letters, starts[at[rows]], length, window)
                    best = np.where((here >= 0)[:, None], ranking.best(here.astype(np.uint64)), -1)
                    found[rows] = _followed(best, found[rows])
        return found

    def _fillings(
        self, letters: NDArray[np.uint8], starts: NDArray[np.int64], length: int, window: Window
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of the training genomes with the same 12 bases in `window` as some start, and the token that is there.

        Places where the letters are no token of the vocabulary are left out.
        """
        first, second = window.offsets(length)[::6]  # where the two six-mers of its 12 bases begin
        wanted = np.zeros(4**12, bool)
        looked_for = _flanks(letters, starts, length, window)
        wanted[looked_for[looked_for >= 0]] = True
        count = len(self.letters) - 2 * REACH - length + 1
        left, right = (self.sixmers[REACH + offset :][:count].astype(np.int32) for offset in (first, second))
        found = (left >= 0) & (right >= 0)
        found[found] = wanted[left[found] * 4**6 + right[found]]
        places = REACH + np.flatnonzero(found)
        hashes, tokens = self._tokens_by_hash(length)
        filling = _hash(self.letters, places, length)
        which = np.searchsorted(hashes, filling).clip(max=len(hashes) - 1)
        is_token = hashes[which] == filling
        return places[is_token], tokens[which[is_token]]

    def _tokens_by_hash(self, length: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Sorted hashes of the bases of the tokens of one length, and the tokens."""
        tokens = len(SPECIAL_TOKENS) + np.flatnonzero(self.lengths[len(SPECIAL_TOKENS) :] == length)
        letters = codes(b"".join(self.words[tokens].tolist()))
        hashes = _hash(letters, length * np.arange(len(tokens)), length)
        order = np.argsort(hashes)
        return hashes[order], tokens[order]


class _Ranking:
    """The most frequent values (below 2^16) of each key (below 2^48), of equal ones the lowest first."""

    def __init__(self, keys: NDArray[np.uint64], values: Ids) -> None:
        pairs, counts = np.unique(keys << np.uint64(16) | values.astype(np.uint64), return_counts=True)
        keys, values = pairs >> np.uint64(16), (pairs & np.uint64(0xFFFF)).astype(np.int64)
        order = np.lexsort((values, -counts, keys))  # keys stay where they are: they were sorted
        first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])
        rank = np.arange(len(keys)) - np.repeat(first, np.diff(first, append=len(keys)))
        kept = rank < BEST
        self.keys, self.values = keys[first], np.full((len(first), BEST), -1)
        self.values[np.searchsorted(self.keys, keys[kept]), rank[kept]] = values[order][kept]

    def best(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Up to 5 values of each key, shape (keys, 5); -1 where there are no more."""
        if not len(self.keys):
            return np.full((len(keys), BEST), -1)
        place = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return np.where((self.keys[place] == keys)[:, None], self.values[place], -1)


def _joined(arrays: Sequence[NDArray], between: int | bool = PAD) -> NDArray:
    """One array of all, set apart so that neighbours do not reach from one into the next."""
    gap = np.array([between])
    parts = [part for array in arrays for part in (np.asarray(array), gap)]
    return np.concatenate([gap, *parts]).astype(np.bool_ if isinstance(between, bool) else np.int64)


def _neighbours(ids: Ids, at: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The tokens to the left and to the right; 0 where that is a special one."""
    known = np.where(ids < len(SPECIAL_TOKENS), 0, ids).astype(np.uint64)
    return known[at - 1], known[at + 1]


def _pair(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Both neighbours as one number; 0 where one of them is unknown."""
    return np.where((left > 0) & (right > 0), left << np.uint64(16) | right, np.uint64(0))


def _followed(best: NDArray[np.int64], then: NDArray[np.int64]) -> NDArray[np.int64]:
    """Lists of candidates, and after them those of other lists that they do not hold yet; shape (lists, 5)."""
    new = np.where((then[:, :, None] == best[:, None, :]).any(2), -1, then)
    both = np.concatenate([best, new], axis=1)
    order = np.argsort(both < 0, axis=1, kind="stable")[:, :BEST]
    return np.take_along_axis(both, order, axis=1)


def _flanks(
    letters: NDArray[np.uint8], starts: NDArray[np.int64], length: int, window: Window
) -> NDArray[np.signedinteger]:
    """The bases of a window around gaps as one number each, -1 where not all of them are known."""
    return kmer_numbers(_words(letters, starts, window.offsets(length)))


def _hash(letters: NDArray[np.uint8], starts: NDArray[np.int64], length: int) -> NDArray[np.uint64]:
    """A number for the letters from each start on: exact up to 27, beyond that different ones may agree by chance."""
    numbers = np.zeros(len(starts), np.uint64)
    for first in range(0, length, LONGEST_EXACT):
        part = range(first, min(first + LONGEST_EXACT, length))
        numbers *= np.uint64(5 ** len(part))
        numbers += kmer_numbers(_words(letters, starts, part), digits=5).astype(np.uint64)
    return numbers


def _words(letters: NDArray[np.uint8], starts: NDArray[np.int64], offsets: Sequence[int]) -> NDArray[np.uint8]:
    """The letters at so many offsets from each start, shape (starts, offsets)."""
    return np.stack([letters[starts + offset] for offset in offsets]).T
