"""From bases to tokens: words, byte-pair encoding inside words, and a table of the encodings of all words.

Thesis section 4.2.1. A sequence is first cut into *words*, because DNA has no blanks: fixed k-mers, or pieces of random
length in the manner of BigBird (Algorithm 1). Byte-pair encoding (BPE) then splits each word into the tokens of a
vocabulary learned from the words of the training genomes.

Letters: lower case is upper case and U is T. Every other letter that is not A, C, G or T (N and the IUPAC ambiguity
codes) stands for an unknown base: it never joins a token, and a run of them inside one word is one ``<unk>``, so the
known letters around it stay in frame.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from dnakit.project import DnakitError

SPECIAL_TOKENS = ("<cls>", "<pad>", "<sep>", "<unk>", "<mask>")
ALPHABET = b"ACGT"
UNKNOWN = 4  # the code of a letter that is no base
LONGEST_TABLE = 12  # 4^12 words take 84 MB of index; longer words go through the library each time
PIECE_WORDS = 1 << 20  # words handled at a time, so that memory does not grow with the sequence

CODES = np.full(256, UNKNOWN, np.uint8)
for _code, _group in enumerate((b"Aa", b"Cc", b"Gg", b"TtUu")):
    CODES[list(_group)] = _code


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
    codes = CODES[np.frombuffer(sequence, np.uint8)]
    whole = len(codes) // k * k
    words = codes[:whole].reshape(-1, k)
    tail = codes[whole:]
    kept = np.concatenate([words[(words < UNKNOWN).all(1)].ravel(), tail if (tail < UNKNOWN).all() else tail[:0]])
    return np.frombuffer(ALPHABET, np.uint8)[kept].tobytes().decode()


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
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<cls> $A <sep>",
        pair="<cls> $A <sep> $B <sep>",
        special_tokens=[("<cls>", 0), ("<sep>", 2)],
    )
    names = {f"{token[1:-1]}_token": token for token in SPECIAL_TOKENS}
    return DnaTokenizer(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **names)


class DnaTokenizer(PreTrainedTokenizerFast):
    """A BPE tokenizer of DNA that ``transformers.AutoTokenizer`` loads without this package.

    The call ``tokenizer(text)`` is the library's; `encode_sequence` gives the same ids (without ``<cls>`` and
    ``<sep>``) an order of magnitude faster.
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
        raw = sequence.encode("ascii", "replace") if isinstance(sequence, str) else bytes(sequence)
        if not raw:
            return np.empty(0, np.int32)
        k = self.word_length
        if k is None or k > LONGEST_TABLE:
            return np.array(self._library_ids([raw.decode("ascii", "replace")])[0], np.int32)
        if self._table is None:
            self._table = EncodingTable(self, k)
        codes = np.frombuffer(raw, np.uint8)
        step = PIECE_WORDS * k
        return np.concatenate([self._table.encode(CODES[codes[i : i + step]]) for i in range(0, len(codes), step)])

    def encode_words(self, words: list[bytes]) -> np.ndarray:
        """Token ids of words cut beforehand (BigBird-style), one after the other; int32."""
        encoded = self._library_ids([word.decode("ascii") for word in words])
        return np.fromiter((token for ids in encoded for token in ids), np.int32)

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

    def _library_ids(self, words: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self.backend_tokenizer.encode_batch_fast(words, add_special_tokens=False)]


class EncodingTable:
    """The encodings of k-mer words, by word number: all 4^k at once for k up to 9, as they appear for longer words.

    BPE works inside words, so a k-mer's tokens never depend on its neighbours, and encoding a sequence is gathering.
    """

    def __init__(self, tokenizer: DnaTokenizer, k: int) -> None:
        self.tokenizer, self.k = tokenizer, k
        self.start = np.zeros(4**k, np.int32)  # where a word's ids start in `ids`
        self.length = np.zeros(4**k, np.uint8)  # how many tokens it has; 0 while unknown
        self.ids = np.empty(1 << 16, np.int32)
        self.filled = 0
        if k <= 9:
            self._learn(np.arange(4**k))

    def encode(self, codes: np.ndarray) -> np.ndarray:
        """Token ids of a stretch of base codes (0..3, 4 for an unknown letter) that starts a word."""
        whole = len(codes) // self.k * self.k
        words = codes[:whole].reshape(-1, self.k)
        number = np.zeros(len(words), np.int32)
        for column in words.T:
            number = number * 4 + column
        odd = (words == UNKNOWN).any(1) if (codes == UNKNOWN).any() else np.zeros(len(words), bool)
        plain = np.where(odd, 0, number)
        self._learn(np.unique(plain[self.length[plain] == 0]))

        # Words with unknown letters and the last, shorter word get numbers of their own behind the table's.
        distinct, which = np.unique(words[odd], axis=0, return_inverse=True)
        extra = [*distinct, codes[whole:]] if whole < len(codes) else [*distinct]
        starts, lengths, ids = self.start, self.length, self.ids[: self.filled]
        if extra:
            encoded = self.tokenizer._library_ids([_letters(word) for word in extra])
            sizes = np.array([len(word) for word in encoded])
            starts = np.concatenate([starts, len(ids) + np.cumsum(sizes) - sizes])
            lengths = np.concatenate([lengths, sizes])
            ids = np.concatenate([ids, np.concatenate(encoded)]).astype(np.int32)
            plain[odd] = len(self.start) + which
            plain = np.append(plain, [len(starts) - 1] if whole < len(codes) else []).astype(np.int64)
        return _gather(ids, starts[plain], lengths[plain])

    def _learn(self, numbers: np.ndarray) -> None:
        """Ask the library for the encodings of these words, and keep them."""
        if not len(numbers):
            return
        shifts = 2 * np.arange(self.k - 1, -1, -1)
        letters = np.frombuffer(ALPHABET, np.uint8)[(numbers[:, None] >> shifts) & 3]
        encoded = self.tokenizer._library_ids([word.tobytes().decode() for word in letters])
        sizes = np.array([len(word) for word in encoded])
        self.start[numbers] = self.filled + np.cumsum(sizes) - sizes
        self.length[numbers] = sizes
        end = self.filled + int(sizes.sum())
        if end > len(self.ids):
            self.ids = np.resize(self.ids, max(end, 2 * len(self.ids)))
        self.ids[self.filled : end] = np.concatenate(encoded)
        self.filled = end


def _letters(codes: np.ndarray) -> str:
    return np.frombuffer(b"ACGTN", np.uint8)[codes].tobytes().decode()


def _gather(ids: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The slices ``ids[start : start + length]``, concatenated."""
    lengths = lengths.astype(np.int64)
    ends = np.cumsum(lengths)
    shift = np.repeat(starts - (ends - lengths), lengths)
    return ids[shift + np.arange(len(shift))]


def load_tokenizer(folder: Path) -> DnaTokenizer:
    """Load a saved tokenizer; the error for a folder that holds none is one line."""
    if not (folder / "tokenizer.json").exists():
        raise DnakitError(f"{folder} holds no tokenizer (no tokenizer.json in it)")
    return DnaTokenizer.from_pretrained(folder)
