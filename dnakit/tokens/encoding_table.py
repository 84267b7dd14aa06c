"""The encodings of all words of up to k letters, to be looked up by word number: what makes `DnaTokenizer` fast.

BPE works inside words, so the tokens of a word never depend on its neighbours, and a sequence is encoded by looking up
its words, in one compiled loop. A word's *number* has the base 4 and the digits A = 1, C = 2, G = 3, T = 4: without a
digit 0, words of all lengths have numbers of their own, from 1 on and without gaps.
"""

import itertools
import os
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from dnakit.data import bases
from dnakit.data.bases import CODES, UNKNOWN

if TYPE_CHECKING:
    from dnakit.tokens.tokenizer import DnaTokenizer

LONGEST_TABLE = 12  # words of up to 12 letters have 22 million numbers; longer words go through the library each time
FULL_TABLE = 9  # up to this k a table has a row for each number, and is filled when a share of all words has appeared
FULL_FROM = 1 / 8  # the share
PIECE = 1 << 16  # letters encoded at a time: what is computed of them fits the processor's cache
TOGETHER = 128  # short sequences encoded together

_DIGITS = CODES.astype(np.int64) + 1
_DIGITS[CODES == UNKNOWN] = 4 ** (LONGEST_TABLE + 1)  # the number of no word is as large
_NORMAL = bases.letters(CODES)  # A, C, G, T or N, of each letter
_NUMERALS = bytes.maketrans(b"ACGT", b"0123")
_ONE = np.empty(0, np.int64)  # the ends of one sequence
_LEARNING = threading.Lock()  # one thread at a time writes into tables
# A process that is forked while another thread holds the lock would wait for ever: its copy has nobody to release it.
os.register_at_fork(before=_LEARNING.acquire, after_in_parent=_LEARNING.release, after_in_child=_LEARNING.release)


class _Scratch(threading.local):
    """Room for the token ids of a piece, in each thread: a new array at each call takes a tenth of a read's time."""

    def __init__(self) -> None:
        self.ids = np.empty(PIECE + LONGEST_TABLE, np.int32)


_SCRATCH = _Scratch()


class EncodingTable:
    """A table of words that fills as they appear, so that a small job does not pay for all of them.

    The library encodes a word when it first appears. A thread may read while another one writes: the loop holds
    Python's lock, and a row is whole before it is referred to.
    """

    def __init__(self, tokenizer: "DnaTokenizer", k: int) -> None:
        self.k, self.piece = k, PIECE // k * k
        self.numbers = _number_of_first(k + 1)
        by_number = k <= FULL_TABLE
        # A row is the number of a word's tokens, 0 while it is unknown, and then the tokens. Row 0 is of no word.
        kind = np.uint16 if len(tokenizer) <= 1 << 16 else np.int32
        self.rows = np.zeros((self.numbers if by_number else 1, 2), kind)
        self.index = np.zeros(0 if by_number else self.numbers, np.int32)  # row of each number; empty: the number
        self.known = 0  # words
        self.model = tokenizer.backend_tokenizer.model
        self._write = _compiled(k, self.rows.dtype)

    def encode(self, letters: bytes) -> np.ndarray:
        """Token ids of letters of either case, the first of which begins a word; int32."""
        if len(letters) > self.piece:
            return np.concatenate([self.encode(piece) for piece in bases.kmers(letters, self.piece)])
        ids = _SCRATCH.ids
        end = self._write(letters, _ONE, self.index, self.rows, ids)
        return ids[:end].copy() if end >= 0 else self._completed(letters, ids[:~end])

    def encode_together(self, sequences: list[bytes]) -> list[np.ndarray]:
        """`encode` of each; all in one call of the loop, unless they are long or it leaves marks."""
        ends = np.fromiter(map(len, sequences), np.int64).cumsum()
        if ends[-1] > self.piece:
            return [self.encode(each) for each in sequences]
        end = self._write(b"".join(sequences), ends, self.index, self.rows, _SCRATCH.ids)
        if end < 0:
            return [self.encode(each) for each in sequences]
        ids = _SCRATCH.ids[:end].copy()
        return [ids[start:end] for start, end in itertools.pairwise([0, *ends.tolist()])]

    def lookup(self, numbers: np.ndarray, length: int) -> np.ndarray:
        """Token ids of words of one length, at most k, filled up with zeros.

        Parameters
        ----------
        numbers : np.ndarray of int
            Of the words, as `bases.kmer_numbers` gives them.
        length : int
            Letters of a word.

        Returns
        -------
        np.ndarray
            Shape (*numbers.shape, most tokens of a word).
        """
        own = numbers + _number_of_first(length)
        missing = np.unique(numbers[self._rows_of(own)[..., 0] == 0])
        for start in range(0, len(missing), 1000):
            codes = bases.kmer_codes(missing[start : start + 1000], length)
            self._learn(bases.kmers(bases.letters(codes), length))
        return self._rows_of(own)[..., 1:]

    def _rows_of(self, numbers: np.ndarray) -> np.ndarray:
        rows = self.index[numbers] if len(self.index) else numbers
        return self.rows[rows]

    def _completed(self, letters: bytes, ids: np.ndarray) -> np.ndarray:
        """The same ids with tokens where the loop left marks, for want of a row; see `_compiled`."""
        marks = np.flatnonzero(ids < 0)
        normal = letters.translate(_NORMAL)
        words = [normal[start : start + self.k] for start in (~ids[marks]).tolist()]
        found = self._learn(set(words))
        if self.k <= FULL_TABLE and FULL_FROM * self.numbers < self.known < self.numbers - 1:
            for length in range(1, self.k + 1):
                self.lookup(np.arange(4**length), length)  # which learns all
        sizes = np.ones(len(ids), np.int64)
        sizes[marks] = [len(found[word]) for word in words]
        completed = np.repeat(ids, sizes)
        completed[completed < 0] = [token for word in words for token in found[word]]
        return completed

    def _learn(self, words: Iterable[bytes]) -> dict[bytes, list[int]]:
        """Have the library encode words; the table keeps those without unknown letters."""
        found = {word: [token.id for token in self.model.tokenize(word.decode())] for word in words}
        known = {word: tokens for word, tokens in found.items() if b"N" not in word}
        if known:
            with _LEARNING:
                self._keep(np.array([_number(word) for word in known]), list(known.values()))
        return found

    def _keep(self, numbers: np.ndarray, tokens: list[list[int]]) -> None:
        filled = np.array([*itertools.zip_longest(*tokens, fillvalue=0)]).T
        rows = self.known + 1 + np.arange(len(numbers)) if len(self.index) else numbers
        self._make_room(int(rows.max()) + 1, 1 + filled.shape[1])
        self.rows[rows, 1 : 1 + filled.shape[1]] = filled
        self.rows[rows, 0] = np.count_nonzero(filled, axis=1)
        if len(self.index):
            self.index[numbers] = rows
        self.known += len(numbers)

    def _make_room(self, rows: int, width: int) -> None:
        """Enlarge `rows` to so many or twice as many as before, and to so many columns."""
        have, wide = self.rows.shape
        if rows > have or width > wide:
            larger = np.zeros((have if rows <= have else max(rows, 2 * have), max(width, wide)), self.rows.dtype)
            larger[:have, :wide] = self.rows
            self.rows = larger


def _number_of_first(length: int) -> int:
    """Number of the first word of so many letters: A, AA, AAA and so on."""
    return (4**length - 1) // 3


def _number(word: bytes) -> int:
    return _number_of_first(len(word)) + int(word.translate(_NUMERALS), 4)


@lru_cache
def _compiled(k: int, kind: np.dtype) -> Callable[..., int]:
    """The loop, compiled for words of k letters and rows of this type: some tenths of a second, once in a process.

    Nothing is kept on disk: numba's cache fails where neither this folder nor the user's can be written to, and of two
    processes that fill it at the same time, one may get the other's code.
    """
    import numba  # here: importing it takes half a second, and most commands encode nothing

    numbers = _number_of_first(k + 1)

    def write(letters: Any, ends: Any, index: Any, rows: Any, ids: Any) -> int:
        """Write the token ids of sequences, one after the other; returns how many they are.

        `ends` says where in the letters each sequence ends, and then, where its token ids end; empty: there is one.
        Instead of a word without a row, ids get a mark: ~(the place where the word begins), which is negative. If there
        is one, the result is ~(how many are written).
        """
        written, first, complete = 0, 0, True
        for sequence in range(max(1, len(ends))):
            last = ends[sequence] if len(ends) else len(letters)
            for start in range(first, last, k):
                number = 0
                if start + k <= last:
                    for place in range(k):  # a fixed number of times: the compiler writes them out
                        number = 4 * number + _DIGITS[letters[start + place]]
                else:
                    for place in range(start, last):
                        number = 4 * number + _DIGITS[letters[place]]
                if number >= numbers:
                    number = 0
                row = index[number] if len(index) else number
                count = rows[row, 0]
                if count > 0:
                    for place in range(1, rows.shape[1]):  # all of a row: faster than to ask how many they are
                        ids[written + place - 1] = rows[row, place]
                    written += count
                else:
                    ids[written] = ~start
                    written += 1
                    complete = False
            first = last
            if len(ends):
                ends[sequence] = written
        return written if complete else ~written

    letters, int32 = numba.types.Bytes(numba.uint8, 1, "C"), numba.int32[::1]
    signature = numba.int64(letters, numba.int64[::1], int32, numba.from_dtype(kind)[:, ::1], int32)
    # The function itself first looks at the types of its arguments, at each call: a tenth of the time of a read. There
    # is one signature, so its entry point does the same.
    compiled: Any = numba.njit(signature)(write).overloads[signature.args]
    return compiled.entry_point
