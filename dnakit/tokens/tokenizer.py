"""From bases to tokens: words, byte-pair encoding inside words, and a table of the encodings of all words.

Thesis section 4.2.1. A sequence is first cut into *words*, because DNA has no blanks: fixed k-mers, or pieces of random
length in the manner of BigBird (Algorithm 1). Byte-pair encoding (BPE) then splits each word into the tokens of a
vocabulary learned from the words of the training genomes.

Letters: lower case is upper case and U is T. Every other letter that is not A, C, G or T (N and the IUPAC ambiguity
codes) stands for an unknown base: it never joins a token, and a run of them inside one word is one ``<unk>``, so the
words that follow begin where they would begin without it.
"""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from dnakit.data import bases
from dnakit.data.bases import ALPHABET, CODES, UNKNOWN
from dnakit.project import DnakitError
from dnakit.tokens.vocabulary import CLS, SAMPLE_LENGTH, SEP, SPECIAL_TOKENS

FULL_TABLE = 9  # up to this k all 4^k words are encoded at once when a share of them has appeared
FULL_FROM = 1 / 8  # the share
LONGEST_TABLE = 12  # 4^12 words take 67 MB of index; longer words go through the library each time
PIECE_WORDS = 1 << 12  # words handled at a time: what is computed of them fits the processor's cache
MOST_OTHERS = 100_000  # encodings kept of words with unknown letters, and of words shorter than k

_CODE_OF_LETTER = CODES.tobytes()
_LETTER_OF_CODE = bytes.maketrans(bytes(range(5)), ALPHABET + b"N")


def bigbird_words(sequence: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """Words of one pass of BigBird-style splitting (Algorithm 1, repaired).

    Sentences of 1 to 10,000 bases follow each other from a random start in 0..500 to the end; each is cut into words
    of 50 to 500 bases (the last of a sentence may be shorter). As printed, the algorithm never advances ``start`` and
    reads ``i`` before it is set; here the next sentence starts where the last one ended.
    """
    start = int(rng.integers(0, 501))
    while start < len(sequence):
        end = min(len(sequence), start + int(rng.integers(1, 10_001)))
        while start < end:
            stop = min(end, start + int(rng.integers(50, 501)))
            yield sequence[start:stop]
            start = stop


def known_words(sequence: bytes, k: int) -> str:
    """The k-mer words without unknown letters, joined, a final shorter one at the end: what BPE may learn from."""
    codes = bases.codes(sequence)
    whole = len(codes) // k * k
    words, tail = codes[:whole].reshape(-1, k), codes[whole:]
    known = words[(words < UNKNOWN).all(1)].ravel()
    return bases.letters(np.concatenate([known, tail if (tail < UNKNOWN).all() else tail[:0]])).decode()


def train_tokenizer(texts: Iterable[str], vocab_size: int, word_length: int | None) -> "DnaTokenizer":
    """Learn a BPE vocabulary.

    Parameters
    ----------
    texts : iterable of str
        Upper-case ACGT. With `word_length`, each is a stretch of whole words (see `known_words`) and is cut here;
        without, each is one word. Memory grows with the distinct words, not with the length of the stream.
    vocab_size : int
        Target size, special tokens included (thesis: 5,000 for 6-mers, 30,000 otherwise). Fewer are learned when the
        words run out of pairs.
    word_length : int or None
        k of the k-mer words, kept in the tokenizer: it cuts at inference too. None for BigBird-style words.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    if word_length is not None:
        tokenizer.pre_tokenizer = pre_tokenizers.FixedLength(length=word_length)
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=[chr(letter) for letter in ALPHABET],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace("a", "A"),
            normalizers.Replace("c", "C"),
            normalizers.Replace("g", "G"),
            normalizers.Replace(Regex("[tuU]"), "T"),
            normalizers.Replace(Regex("[^ACGT]"), "N"),
        ]
    )
    tokenizer.decoder = decoders.Fuse()  # tokens are joined without blanks
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<cls> $A <sep>",
        pair="<cls> $A <sep> $B <sep>",
        special_tokens=[("<cls>", CLS), ("<sep>", SEP)],
    )
    names = {f"{token[1:-1]}_token": token for token in SPECIAL_TOKENS}
    return DnaTokenizer(
        tokenizer_object=tokenizer,
        clean_up_tokenization_spaces=False,
        model_max_length=SAMPLE_LENGTH,
        **names,
    )


class DnaTokenizer(PreTrainedTokenizerFast):
    """A BPE tokenizer of DNA that ``transformers.AutoTokenizer`` loads without this package.

    The call ``tokenizer(text)`` is the library's. `encode_sequence` and `encode_sequences` give the same ids (without
    ``<cls>`` and ``<sep>``) in a small part of the time (``make bench`` measures it).
    """

    # No __init__ of our own: with one, from_pretrained rebuilds the tokenizer without its normalizer and word cutting.
    _table: "EncodingTable | None" = None

    @property
    def word_length(self) -> int | None:
        """Bases of a k-mer word (k), or None where words are cut before (BigBird-style) or not at all."""
        pre_tokenizer = self.backend_tokenizer.pre_tokenizer
        return None if pre_tokenizer is None else int(json.loads(pre_tokenizer.__getstate__())["length"])

    def encode_sequence(self, sequence: str | bytes) -> np.ndarray:
        """Token ids of a whole sequence, special tokens not added.

        Parameters
        ----------
        sequence : str or bytes
            DNA of any length and case; letters that are no base follow the policy stated in the module.

        Returns
        -------
        np.ndarray
            int32, equal to ``tokenizer(sequence, add_special_tokens=False).input_ids`` (which, unlike this, would read
            ``<mask>`` and its like as special tokens).
        """
        table = self._table or self._new_table()
        if table is None:
            return self.encode_words([_letters(sequence)])
        letters = _letters(sequence)
        step = PIECE_WORDS * table.k
        if len(letters) <= step:
            return table.encode(letters)
        return np.concatenate([table.encode(letters[start : start + step]) for start in range(0, len(letters), step)])

    def encode_sequences(self, sequences: Iterable[str | bytes]) -> list[np.ndarray]:
        """`encode_sequence` of each; many short ones, like sequencing reads, are encoded together and faster."""
        table = self._table or self._new_table()
        if table is None:
            return [self.encode_sequence(sequence) for sequence in sequences]
        encoded: list[np.ndarray] = []
        for group in _groups(map(_letters, sequences), PIECE_WORDS * table.k):
            encoded += [self.encode_sequence(group[0])] if len(group) == 1 else table.encode_together(group)
        return encoded

    def encode_words(self, words: Sequence[bytes]) -> np.ndarray:
        """Token ids of words cut beforehand (BigBird-style), one after the other; int32."""
        texts = [word.decode("ascii", "replace") for word in words]
        encodings = self.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return np.fromiter((token for encoding in encodings for token in encoding.ids), np.int32)

    def token_letters(self) -> list[bytes]:
        """The bases each token stands for, by id; none for the special tokens."""
        tokens = self.convert_ids_to_tokens(list(range(len(self))))
        return [b"" if token in SPECIAL_TOKENS else token.encode() for token in tokens]

    def token_lengths(self) -> np.ndarray:
        """How many bases each token stands for, by id, shape (vocab_size,); 0 for the special tokens."""
        return np.array([len(letters) for letters in self.token_letters()])

    def save_pretrained(self, save_directory: str | Path, **settings: Any) -> tuple[str, ...]:  # type: ignore[override]
        """Save with the library's own class named in the configuration, so that AutoTokenizer needs nothing of ours."""
        saved = super().save_pretrained(save_directory, **settings)
        config = Path(save_directory) / "tokenizer_config.json"
        values = json.loads(config.read_text())
        values["tokenizer_class"] = "PreTrainedTokenizerFast"
        config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
        return saved

    def _new_table(self) -> "EncodingTable | None":
        """The table of the tokenizer's words, or None where it has none."""
        k = self.word_length
        if k is None or k > LONGEST_TABLE:
            return None
        self._table = EncodingTable(self, k)
        return self._table


class EncodingTable:
    """The encodings of all words of k letters, to be looked up by word number.

    BPE works inside words, so the tokens of a word never depend on its neighbours, and a sequence is encoded by looking
    up its words. A word's number has the base 4 and the digits A = 0, C = 1, G = 2, T = 3. The library encodes words
    with unknown letters when they appear.

    Words are encoded when they first appear, so that a small job does not pay for all of them. Of k up to 9, all are
    encoded as soon as an eighth of them has appeared: word by word the library is slow.
    """

    def __init__(self, tokenizer: DnaTokenizer, k: int) -> None:
        self.tokenizer, self.k = tokenizer, k
        # The same BPE without the normalizer, which takes most of the library's time: letters are normal here.
        self.library = Tokenizer(tokenizer.backend_tokenizer.model)
        self.library.pre_tokenizer = pre_tokenizers.FixedLength(length=k)
        self.token_lengths = tokenizer.token_lengths()
        self.powers = 4 ** np.arange(k - 1, -1, -1, dtype=np.int32)
        self.row = np.zeros(4**k, np.int32)  # of each word in `tokens`; 0 while it is unknown
        self.tokens = np.zeros((1, 1), np.int32)  # one row a word, filled up with 0: <cls> encodes no bases
        self.known = 1  # rows of `tokens` in use, the first of them by no word
        self.others: dict[bytes, np.ndarray] = {}  # words with unknown letters, and words shorter than k
        self.shorter: dict[int, EncodingTable] = {}  # tables of words shorter than k

    def lookup(self, numbers: np.ndarray) -> np.ndarray:
        """Token ids of words by number, filled up with zeros, shape (*numbers.shape, most tokens of a word)."""
        rows = self.row.take(numbers, mode="clip")
        if np.count_nonzero(rows) < rows.size:
            self._learn(np.unique(numbers[rows == 0]))
            rows = self.row.take(numbers, mode="clip")
        return self.tokens.take(rows, 0)

    def encode(self, letters: bytes) -> np.ndarray:
        """Token ids of letters of either case, the first of which begins a word; int32."""
        return self._encode(letters.translate(_CODE_OF_LETTER))

    def encode_together(self, sequences: list[bytes]) -> list[np.ndarray]:
        """`encode` of each: all without unknown letters at once, the others one by one."""
        codes = [letters.translate(_CODE_OF_LETTER) for letters in sequences]
        encoded = iter(self._encode_known([each for each in codes if UNKNOWN not in each]))
        return [self._encode(each) if UNKNOWN in each else next(encoded) for each in codes]

    def _encode(self, codes: bytes) -> np.ndarray:
        """Token ids of the letters of these codes."""
        whole = len(codes) // self.k
        tail = codes[whole * self.k :]
        words = np.frombuffer(codes, np.uint8, whole * self.k).reshape(whole, self.k)
        tokens = self.lookup(words.dot(self.powers)) if UNKNOWN not in codes else self._lookup_known(words)
        flat = tokens.ravel()
        ids = flat.compress(flat)
        return np.concatenate([ids, self._encode_other(tail)]) if tail else ids

    def _lookup_known(self, words: np.ndarray) -> np.ndarray:
        """`lookup` of words of which some hold unknown letters; the library encodes each distinct one of these once."""
        known = words.max(1, initial=0) < UNKNOWN
        tokens = np.zeros((len(words), self.k), np.int32)  # no word has more tokens than letters
        found = self.lookup(words[known].dot(self.powers))
        tokens[known, : found.shape[1]] = found
        others = words[~known]
        _, first, which = np.unique(bases.kmer_numbers(others, 5), return_index=True, return_inverse=True)
        encoded = [self._encode_other(word.tobytes()) for word in others[first]]
        tokens[~known] = _filled(encoded, self.k)[which]
        return tokens

    def _encode_known(self, codes: list[bytes]) -> list[np.ndarray]:
        """Token ids of sequences without unknown letters, all at once; last words are filled up with A at first."""
        sizes = np.array([len(each) for each in codes], np.int64)
        filling = [bytes(missing) for missing in range(self.k)]
        joined = b"".join([part for each in codes for part in (each, filling[-len(each) % self.k])])
        words = np.frombuffer(joined, np.uint8).reshape(-1, self.k)
        ends = np.cumsum(-(-sizes // self.k))
        tokens = self.lookup(words.dot(self.powers))
        for length in set((sizes % self.k).tolist()) - {0}:
            rows = ends[sizes % self.k == length] - 1
            tokens = self._replace(tokens, rows, words[rows, :length])
        places = np.flatnonzero(tokens)
        ids = tokens.ravel()[places]
        bounds = [0, *np.searchsorted(places, ends * tokens.shape[1]).tolist()]
        return [ids[start:end] for start, end in itertools.pairwise(bounds)]

    def _replace(self, tokens: np.ndarray, rows: np.ndarray, words: np.ndarray) -> np.ndarray:
        """The tokens with those of shorter words in these rows, wider if they are more."""
        length = words.shape[1]
        if length not in self.shorter:
            self.shorter[length] = EncodingTable(self.tokenizer, length)
        found = self.shorter[length].lookup(words.dot(self.shorter[length].powers))
        missing = found.shape[1] - tokens.shape[1]
        if missing > 0:
            tokens = np.pad(tokens, ((0, 0), (0, missing)))
        tokens[rows] = 0
        tokens[rows, : found.shape[1]] = found
        return tokens

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
        if self.k <= FULL_TABLE and self.known + len(numbers) > FULL_FROM * len(self.row):
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

    def _make_room(self, rows: int, width: int) -> None:
        """Enlarge `tokens` to so many rows or twice as many as before, and to so many tokens a word."""
        have, wide = self.tokens.shape
        if rows > have or width > wide:
            larger = np.zeros((have if rows <= have else max(rows, 2 * have), max(width, wide)), np.int32)
            larger[:have, :wide] = self.tokens
            self.tokens = larger


def _filled(encoded: list[np.ndarray], width: int) -> np.ndarray:
    """Token ids of several words as rows, filled up with 0."""
    rows = np.zeros((len(encoded), width), np.int32)
    for row, ids in zip(rows, encoded, strict=True):
        row[: len(ids)] = ids
    return rows


def _letters(sequence: str | bytes) -> bytes:
    return sequence.encode("ascii", "replace") if isinstance(sequence, str) else sequence


def _groups(sequences: Iterable[bytes], most: int) -> Iterator[list[bytes]]:
    """Neighbours whose letters are `most` together; a longer sequence alone."""
    group: list[bytes] = []
    letters = 0
    for sequence in sequences:
        if group and letters + len(sequence) > most:
            yield group
            group, letters = [], 0
        group.append(sequence)
        letters += len(sequence)
    if group:
        yield group


def load_tokenizer(folder: Path) -> DnaTokenizer:
    """Load a saved tokenizer; the error for a folder that holds none is one line."""
    if not (folder / "tokenizer.json").exists():
        raise DnakitError(f"{folder} holds no tokenizer (no tokenizer.json in it)")
    return DnaTokenizer.from_pretrained(folder)
