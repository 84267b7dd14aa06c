"""From bases to tokens: words, and byte-pair encoding inside words.

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
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from dnakit import store
from dnakit.data import bases
from dnakit.data.bases import ALPHABET, UNKNOWN
from dnakit.tokens.encoding_table import LONGEST_TABLE, TOGETHER, EncodingTable
from dnakit.tokens.vocabulary import CLS, SAMPLE_LENGTH, SEP, SPECIAL_TOKENS


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
    _table: EncodingTable | None = None

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
        letters = _letters(sequence)
        table = self._table or self._new_table()
        return self.encode_words([letters]) if table is None else table.encode(letters)

    def encode_sequences(self, sequences: Iterable[str | bytes]) -> list[np.ndarray]:
        """`encode_sequence` of each; short ones, like sequencing reads, are encoded faster than one by one."""
        table = self._table or self._new_table()
        if table is None:
            return [self.encode_sequence(sequence) for sequence in sequences]
        letters = map(_letters, sequences)
        groups = iter(lambda: list(itertools.islice(letters, TOGETHER)), [])
        return [ids for group in groups for ids in table.encode_together(group)]

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

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_table"}  # which holds compiled code

    def save_pretrained(self, save_directory: str | Path, **settings: Any) -> tuple[str, ...]:  # type: ignore[override]
        """Save with the library's own class named in the configuration, so that AutoTokenizer needs nothing of ours."""
        saved = super().save_pretrained(save_directory, **settings)
        config = Path(save_directory) / "tokenizer_config.json"
        values = json.loads(config.read_text())
        values["tokenizer_class"] = "PreTrainedTokenizerFast"
        config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n")
        return saved

    def _new_table(self) -> EncodingTable | None:
        """The table of the tokenizer's words, or None where it has none."""
        k = self.word_length
        if k is None or k > LONGEST_TABLE:
            return None
        self._table = EncodingTable(self, k)
        return self._table


def _letters(sequence: str | bytes) -> bytes:
    return sequence.encode("ascii", "replace") if isinstance(sequence, str) else sequence


def load_tokenizer(folder: Path) -> DnaTokenizer:
    """Load a saved tokenizer; the error for a folder that holds none, or a damaged one, is one line."""
    with store.reading(folder / "tokenizer.json"):
        store.read_in_part(folder / "tokenizer.json")  # transformers would look for another one
        return DnaTokenizer.from_pretrained(folder)


@lru_cache(maxsize=4)
def shared_tokenizer(folder: Path) -> DnaTokenizer:
    """The same, loaded once: it makes a table of the encodings of all words, which the runs of a process share."""
    return load_tokenizer(folder)
