"""The encodings of all words of k letters, to be looked up by word number: what makes `DnaTokenizer` fast.

BPE works inside words, so the tokens of a word never depend on its neighbours, and a sequence is encoded by looking up
its words. A word's number has the base 4 and the digits A = 0, C = 1, G = 2, T = 3.
"""

import itertools
import struct
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer, pre_tokenizers

from dnakit.data import bases
from dnakit.data.bases import ALPHABET, CODES, UNKNOWN

if TYPE_CHECKING:
    from dnakit.tokens.tokenizer import DnaTokenizer

FULL_TABLE = 9  # up to this k all 4^k words are encoded at once when a share of them has appeared
FULL_FROM = 1 / 8  # the share
LONGEST_TABLE = 12  # 4^12 words take 67 MB of index; longer words go through the library each time
PIECE_WORDS = 1 << 12  # words handled at a time: what is computed of them fits the processor's cache
SHORT = 1_000  # letters of a sequence that is faster encoded with others than alone
TOGETHER = 256  # sequences encoded together
MOST_OTHERS = 100_000  # encodings kept of words with unknown letters, and of words shorter than k
ALONE = 400  # letters of a sequence whose words are found one by one: a call of numpy costs as much as 20 words
MOST_WRITTEN = 1 << 19  # words kept as they are written, at most about 90 MB

_CODE_OF_LETTER = CODES.tobytes()
_LETTER_OF_CODE = bytes.maketrans(bytes(range(5)), ALPHABET + b"N")


class EncodingTable:
    """A table of words that fills as they appear.

    The library encodes a word when it first appears, so that a small job does not pay for all of them. Of k up to 9,
    all are encoded as soon as an eighth of them has appeared: word by word the library is slow.
    """

    def __init__(self, tokenizer: "DnaTokenizer", k: int) -> None:
        self.tokenizer, self.k = tokenizer, k
        # The same BPE without the normalizer, which takes most of the library's time: letters are normal here.
        self.library = Tokenizer(tokenizer.backend_tokenizer.model)
        self.library.pre_tokenizer = pre_tokenizers.FixedLength(length=k)
        self.token_lengths = tokenizer.token_lengths()
        # float32 multiplies matrices three times as fast as int32, and is exact below 2^24 = 4^12.
        self.powers = 4 ** np.arange(k - 1, -1, -1, dtype=np.float32)
        self.row = np.zeros(4**k, np.int32)  # of each word in `tokens`; 0 while it is unknown
        self.tokens = np.zeros((1, 1), np.int32)  # one row a word, filled up with 0: <cls> encodes no bases
        self.known = 1  # rows of `tokens` in use, the first of them by no word
        self.full = False  # then a word's row in `tokens` is its number, and `row` is empty
        self.others: dict[bytes, np.ndarray] = {}  # words with unknown letters, and words shorter than k
        self.shorter: dict[int, EncodingTable] = {}  # tables of words shorter than k
        self.written: dict[bytes, bytes] = {}  # token ids of words of short sequences, both as they lie in memory
        self.formats: dict[int, str] = {}  # of `struct`, which cuts a sequence into words, by its length

    def lookup(self, numbers: np.ndarray) -> np.ndarray:
        """Token ids of words by number, filled up with zeros, shape (*numbers.shape, most tokens of a word)."""
        if not self.full:
            rows = self.row.take(numbers)
            if np.count_nonzero(rows) == rows.size:
                return self.tokens.take(rows, 0)
            self._learn(np.unique(numbers[rows == 0]))
        return self.tokens.take(numbers if self.full else self.row.take(numbers), 0)

    def encode(self, letters: bytes) -> np.ndarray:
        """Token ids of letters of either case, the first of which begins a word; int32."""
        length = len(letters)
        if length <= ALONE:
            words = struct.unpack(self.formats.get(length) or self._format(length), letters)
            try:
                return np.frombuffer(bytearray().join(map(self.written.__getitem__, words)), np.int32)
            except KeyError:
                self._write(words)
                return self.encode(letters)
        step = PIECE_WORDS * self.k
        if length <= step:
            return self._encode(letters.translate(_CODE_OF_LETTER))
        return np.concatenate([self.encode(letters[start : start + step]) for start in range(0, len(letters), step)])

    def encode_together(self, sequences: list[bytes]) -> list[np.ndarray]:
        """`encode` of each; all at once, unless one of them is long."""
        sizes = np.array([len(each) for each in sequences], np.int64)
        if sizes.max() > SHORT:
            return [self.encode(each) for each in sequences]
        filling = [b"A" * missing for missing in range(self.k)]  # of last words, which are replaced below
        letters = b"".join([each + filling[-len(each) % self.k] for each in sequences])
        words = np.frombuffer(letters.translate(_CODE_OF_LETTER), np.uint8).reshape(-1, self.k)
        ends = np.cumsum(-(-sizes // self.k))
        tokens = self._lookup_words(words)
        for length in set((sizes % self.k).tolist()) - {0}:
            rows = ends[sizes % self.k == length] - 1
            tokens = _replaced(tokens, rows, self._shorter(length)._lookup_words(words[rows, :length]))
        flat = tokens.ravel()
        places = _places(flat)
        ids = flat[places]
        bounds = [0, *np.searchsorted(places, ends * tokens.shape[1]).tolist()]
        return [ids[start:end] for start, end in itertools.pairwise(bounds)]

    def _format(self, length: int) -> str:
        """How `struct` cuts a sequence of so many letters into words, of which the last may be shorter."""
        whole, tail = divmod(length, self.k)
        self.formats[length] = f"={f'{self.k}s' * whole}{f'{tail}s' if tail else ''}"
        return self.formats[length]

    def _write(self, words: tuple[bytes, ...]) -> None:
        """Keep the token ids of these words as they are written."""
        if len(self.written) + len(words) > MOST_WRITTEN:
            self.written.clear()
        unknown = list(set(words) - self.written.keys())
        self.written |= zip(unknown, map(np.ndarray.tobytes, self.encode_together(unknown)), strict=True)

    def _encode(self, codes: bytes) -> np.ndarray:
        """Token ids of the letters of these codes."""
        whole = len(codes) // self.k * self.k
        words, tail = np.frombuffer(codes, np.uint8, whole).reshape(-1, self.k), codes[whole:]
        flat = self._lookup_words(words).ravel()
        ids = flat[_places(flat)]
        return np.concatenate([ids, self._encode_other(tail)]) if tail else ids

    def _numbers(self, words: np.ndarray) -> np.ndarray:
        """Numbers of words of known letters."""
        return words.astype(np.float32).dot(self.powers).astype(np.int32)

    def _lookup_words(self, words: np.ndarray) -> np.ndarray:
        """`lookup` of words given as codes, shape (words, k); the library encodes those with unknown letters."""
        if UNKNOWN not in words.tobytes():
            return self.lookup(self._numbers(words))
        known = words.max(1, initial=0) < UNKNOWN
        tokens = np.zeros((len(words), self.k), np.int32)  # no word has more tokens than letters
        found = self.lookup(self._numbers(words[known]))
        tokens[known, : found.shape[1]] = found
        others = words[~known]
        _, first, which = np.unique(bases.kmer_numbers(others, 5), return_index=True, return_inverse=True)
        encoded = [self._encode_other(word.tobytes()) for word in others[first]]
        tokens[~known] = _filled(encoded, self.k)[which]
        return tokens

    def _shorter(self, length: int) -> "EncodingTable":
        """The table of words of so many letters."""
        if length not in self.shorter:
            self.shorter[length] = EncodingTable(self.tokenizer, length)
        return self.shorter[length]

    def _encode_other(self, codes: bytes) -> np.ndarray:
        """Token ids of one word with unknown letters, or shorter than k."""
        ids = self.others.get(codes)
        if ids is None:
            if len(self.others) >= MOST_OTHERS:
                self.others.clear()
            word = codes.translate(_LETTER_OF_CODE).decode()
            ids = self.others[codes] = np.array(self.library.encode(word, add_special_tokens=False).ids, np.int32)
        return ids

    def _learn(self, numbers: np.ndarray) -> None:
        """Have the library encode the words of these numbers, a thousand in a text, and keep what it gives."""
        whole = self.k <= FULL_TABLE and self.known + len(numbers) > FULL_FROM * len(self.row)
        if whole:
            numbers = np.flatnonzero(self.row == 0)
        words = bases.kmer_codes(numbers, self.k)
        texts = [bases.letters(words[start : start + 1000]).decode() for start in range(0, len(words), 1000)]
        encodings = self.library.encode_batch_fast(texts, add_special_tokens=False)
        ids = np.concatenate([np.array(encoding.ids, np.int32) for encoding in encodings])
        word = (np.cumsum(self.token_lengths[ids]) - 1) // self.k  # of each token, counted in bases
        place = np.arange(len(ids)) - np.searchsorted(word, word)  # among the tokens of its word
        self._make_room(self.known + len(numbers), int(place.max()) + 1)
        self.tokens[self.known + word, place] = ids
        self.row[numbers] = self.known + np.arange(len(numbers))
        self.known += len(numbers)
        if whole:
            self.tokens, self.row, self.full = self.tokens[self.row], np.zeros(0, np.int32), True

    def _make_room(self, rows: int, width: int) -> None:
        """Enlarge `tokens` to so many rows or twice as many as before, and to so many tokens a word."""
        have, wide = self.tokens.shape
        if rows > have or width > wide:
            larger = np.zeros((have if rows <= have else max(rows, 2 * have), max(width, wide)), np.int32)
            larger[:have, :wide] = self.tokens
            self.tokens = larger


def _places(flat: np.ndarray) -> np.ndarray:
    """Where token ids are not 0; of truth values numpy finds them four times as fast as of numbers."""
    return flat.astype(bool).nonzero()[0]


def _filled(encoded: list[np.ndarray], width: int) -> np.ndarray:
    """Token ids of several words as rows, filled up with 0."""
    rows = np.zeros((len(encoded), width), np.int32)
    for row, ids in zip(rows, encoded, strict=True):
        row[: len(ids)] = ids
    return rows


def _replaced(tokens: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Tokens of words with others in these rows; wider if the others are."""
    missing = others.shape[1] - tokens.shape[1]
    if missing > 0:
        tokens = np.pad(tokens, ((0, 0), (0, missing)))
    tokens[rows] = 0
    tokens[rows, : others.shape[1]] = others
    return tokens
