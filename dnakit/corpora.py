"""From genomes to samples: which genomes, which split, which tokens, and which of them are masked.

Thesis section 4.2.1. A *corpus* is a tokenizer, learned from the training genomes, and the token ids of every split,
kept in flat files that are mapped rather than loaded. A *sample* is ``<cls>``, up to 254 consecutive tokens of one
genome, ``<sep>``, and padding to 256.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch.utils.data import Dataset

from dnakit import sources, store
from dnakit.project import DnakitError, checked
from dnakit.sequences import Record, read_fasta
from dnakit.tokenization import (
    SPECIAL_TOKENS,
    DnaTokenizer,
    bigbird_words,
    known_words,
    load_tokenizer,
    train_tokenizer,
)

RECIPE = "corpora 1"  # goes into every corpus key; raise it when the same parameters come to mean other tokens
SPLITS = ("train", "validation", "test")
SAMPLE_LENGTH = 256  # thesis 4.1.3, <cls> and <sep> included
CLS, PAD, SEP, UNK, MASK = range(len(SPECIAL_TOKENS))
IGNORED = -100  # the label PyTorch's losses skip
MASK_PROBABILITY = 0.15  # BERT's defaults, thesis 4.2.1: of the selected tokens 80% become <mask>,
MASKED_SHARE, RANDOM_SHARE = 0.8, 0.1  # 10% a random token, 10% stay
BPE_BASES = 100_000_000  # BPE learns from at most so much sequence, taken evenly, so that hg38 needs no more memory
BPE_PIECE = 1_008_000  # taken or left as a whole; a multiple of 6, 9 and 12


class CorpusParameters(BaseModel):
    """What decides a corpus.

    `genomes` are drawn at random among those of at most `longest_genome` bases (the thesis speaks of single
    chromosomes of about 15 kb; RefSeq also holds plant mitochondria of several Mb).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    source: str
    genomes: int = Field(ge=10)
    longest_genome: int = Field(ge=1)
    tokenization: str = Field(pattern=r"^([1-9]|1[0-2])-mer$|^BB$")
    vocab_size: int = Field(ge=len(SPECIAL_TOKENS) + 4, lt=2**16)
    resamplings: int = Field(ge=1)
    seed: int = Field(ge=0)

    @property
    def word_length(self) -> int | None:
        """Bases of a k-mer word (k), None for BigBird-style words."""
        return None if self.tokenization == "BB" else int(self.tokenization.split("-")[0])

    @property
    def passes(self) -> int:
        """How often each genome is cut into words: `resamplings` for BigBird-style words, once for k-mers."""
        return self.resamplings if self.word_length is None else 1


class Corpora(BaseModel):
    """The corpora of a chapter, as flat notebook parameters: the three lists run in parallel, one entry a corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    profile: str
    source: str
    tokenizations: list[str] = Field(min_length=1)
    genomes: list[int]
    vocab_sizes: list[int]
    longest_genome: int
    resamplings: int
    seed: int

    @model_validator(mode="after")
    def _lists_run_in_parallel(self) -> "Corpora":
        if not len(self.tokenizations) == len(self.genomes) == len(self.vocab_sizes):
            raise ValueError("'tokenizations', 'genomes' and 'vocab_sizes' must have as many entries each")
        if len(set(self.tokenizations)) < len(self.tokenizations):
            raise ValueError("'tokenizations' names one twice")
        return self

    def corpora(self, where: str) -> list[CorpusParameters]:
        """The parameters of each corpus; `where` names the notebook in an error."""
        shared = self.model_dump(include={"source", "longest_genome", "resamplings", "seed"})
        return [
            checked(
                CorpusParameters, {"tokenization": tokenization, "genomes": genomes, "vocab_size": size} | shared, where
            )
            for tokenization, genomes, size in zip(self.tokenizations, self.genomes, self.vocab_sizes, strict=True)
        ]


def split(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw the thesis's splits of `count` genomes: 10% test, and 10% of the rest validation (81/9/10)."""
    order = rng.permutation(count)
    test = round(0.1 * count)
    validation = round(0.1 * (count - test))
    parts = np.split(order, [test, test + validation])
    return {"test": np.sort(parts[0]), "validation": np.sort(parts[1]), "train": np.sort(parts[2])}


@dataclass(frozen=True)
class Corpus:
    """A finished corpus in the store; see `prepare`."""

    folder: Path

    @cached_property
    def tokenizer(self) -> DnaTokenizer:
        """The tokenizer learned from the training genomes."""
        return load_tokenizer(self.folder / "tokenizer")

    @cached_property
    def genomes(self) -> dict[str, list[str]]:
        """Names of the genomes of each split."""
        return store.read_json(self.folder / "genomes.json")

    @cached_property
    def sizes(self) -> dict[str, dict[str, int]]:
        """Bases read and words cut, over all passes: ``sizes["words"]["train"]``."""
        return store.read_json(self.folder / "sizes.json")

    def ids(self, part: str) -> np.ndarray:
        """All token ids of a split, one document after the other; uint16, mapped from disk."""
        return np.memmap(self.folder / f"{part}.ids", np.uint16, mode="r")

    def ends(self, part: str) -> np.ndarray:
        """Where each document (one pass over one genome) ends in `ids`."""
        return np.load(self.folder / f"{part}.ends.npy")


def prepare(parameters: CorpusParameters) -> Corpus:
    """The corpus of these parameters, from the store or made now.

    Raises
    ------
    DnakitError
        If the source cannot be had, or holds fewer genomes than asked for.
    """
    path = sources.fetch(parameters.source)
    made_key = corpus_key(parameters, sources.digest(path))
    return Corpus(store.made("corpora", made_key, lambda folder: _fill(folder, path, parameters)))


def corpus_key(parameters: CorpusParameters, source_digest: str) -> str:
    """The key of a corpus: parameters that matter to it, and the source's content rather than its name."""
    values = parameters.model_dump(exclude={"source", "resamplings"}) | {"passes": parameters.passes}
    return store.key(RECIPE, values | {"source": source_digest})


def _fill(folder: Path, path: Path, parameters: CorpusParameters) -> None:
    """Write a corpus: choose and split the genomes, learn the tokenizer from the training split, encode all splits."""
    parts = _choose(path, parameters)
    train_bases = sum(length for length in parts["train"].values())
    texts = _texts(path, set(parts["train"]), train_bases, parameters)
    tokenizer = train_tokenizer(texts, parameters.vocab_size, parameters.word_length)
    tokenizer.save_pretrained(folder / "tokenizer")
    membership = {name: part for part, names in parts.items() for name in names}
    store.write_json(folder / "sizes.json", _encode(folder, path, membership, tokenizer, parameters))
    store.write_json(folder / "genomes.json", {part: list(names) for part, names in parts.items()})


def _choose(path: Path, parameters: CorpusParameters) -> dict[str, dict[str, int]]:
    """Names and lengths of the genomes of each split."""
    lengths = {r.name: len(r.sequence) for r in read_fasta(path) if len(r.sequence) <= parameters.longest_genome}
    if len(lengths) < parameters.genomes:
        raise DnakitError(
            f"{path.name} holds {len(lengths):,} genomes of at most {parameters.longest_genome:,} bases, "
            f"but {parameters.genomes:,} are asked for; lower 'genomes' or raise 'longest_genome'"
        )
    rng = np.random.default_rng(parameters.seed)
    names = np.array(list(lengths))[np.sort(rng.permutation(len(lengths))[: parameters.genomes])]
    return {part: {str(n): lengths[n] for n in names[rows]} for part, rows in split(len(names), rng).items()}


def _texts(path: Path, names: set[str], bases: int, parameters: CorpusParameters) -> Iterator[str]:
    """What BPE learns from: whole words of the training genomes, every n-th piece of them where there is too much."""
    every = -(-bases // BPE_BASES)
    rng = np.random.default_rng([parameters.seed, 1])
    pieces = (
        record.sequence[start : start + BPE_PIECE]
        for record in read_fasta(path)
        if record.name in names
        for start in range(0, len(record.sequence), BPE_PIECE)
    )
    for number, piece in enumerate(pieces):
        if number % every:
            continue
        if parameters.word_length is None:
            yield from (word.decode() for word in bigbird_words(piece, rng) if not word.strip(b"ACGT"))
        else:
            yield known_words(piece, parameters.word_length)


def _encode(
    folder: Path, path: Path, membership: dict[str, str], tokenizer: DnaTokenizer, parameters: CorpusParameters
) -> dict[str, dict[str, int]]:
    """Write `<split>.ids` and `<split>.ends.npy`, one genome in memory at a time; return bases and words by split."""
    files = {part: (folder / f"{part}.ids").open("wb") for part in SPLITS}
    ends: dict[str, list[int]] = {part: [0] for part in SPLITS}
    sizes = {"bases": dict.fromkeys(SPLITS, 0), "words": dict.fromkeys(SPLITS, 0)}
    known = set()
    rng = np.random.default_rng([parameters.seed, 2])
    for record in read_fasta(path):
        if record.name not in membership:
            continue
        part = membership[record.name]
        for ids, words in _documents(record, tokenizer, parameters, rng):
            files[part].write(ids.astype(np.uint16).tobytes())
            ends[part].append(ends[part][-1] + len(ids))
            sizes["bases"][part] += len(record.sequence)
            sizes["words"][part] += words
            if (ids >= len(SPECIAL_TOKENS)).any():
                known.add(part)
    for part in SPLITS:
        files[part].close()
        np.save(folder / f"{part}.ends.npy", np.array(ends[part][1:]))
        if part not in known:
            raise DnakitError(
                f"{path.name}: the {part} genomes give no tokens: they hold no known bases, or are too short for "
                f"{parameters.tokenization} words"
            )
    return sizes


def _documents(
    record: Record, tokenizer: DnaTokenizer, parameters: CorpusParameters, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, int]]:
    """Token ids of each pass over a genome, and the number of its words."""
    if parameters.word_length is not None:
        yield tokenizer.encode_sequence(record.sequence), -(-len(record.sequence) // parameters.word_length)
        return
    for _ in range(parameters.passes):
        words = list(bigbird_words(record.sequence, rng))
        yield tokenizer.encode_words(words), len(words)


class MlmSamples(Dataset):
    """Masked-language-model samples of one split (thesis 4.2.1).

    Of the tokens that stand for known bases, 15% are selected at random; 80% of these become ``<mask>``, 10% a random
    token, 10% stay. The draw depends on nothing but the seed, the sample and, if `masking` is ``dynamic`` (RoBERTa;
    thesis B.2), the epoch: a resumed training sees what an undisturbed one sees.

    Parameters
    ----------
    labelled : {"all", "selected"}
        Which tokens carry a label: every token that stands for bases, or the selected ones only.

    Each item holds ``input_ids``, ``attention_mask``, ``labels`` (true ids, -100 where not labelled) and ``masked``
    (bool: shown as ``<mask>``, what accuracies on masked tokens count), all of shape (256,).
    """

    def __init__(
        self,
        corpus: Corpus,
        part: str,
        masking: Literal["static", "dynamic"],
        labelled: Literal["all", "selected"],
        seed: int,
    ) -> None:
        self.ids, self.labelled, self.seed = corpus.ids(part), labelled, seed
        self.dynamic = masking == "dynamic"
        self.stream = SPLITS.index(part)
        self.vocab_size = len(corpus.tokenizer)
        self.bounds = sample_bounds(corpus.ends(part))
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.bounds)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        start, end = self.bounds[number]
        true = np.full(SAMPLE_LENGTH, PAD, np.int64)
        inner = slice(1, 1 + end - start)
        true[0], true[inner], true[1 + end - start] = CLS, self.ids[start:end], SEP
        rng = np.random.default_rng([self.seed, self.stream, self.epoch if self.dynamic else 0, number])
        seen, selected = mask_tokens(true, self.vocab_size, rng)
        scored = selected if self.labelled == "selected" else true >= len(SPECIAL_TOKENS)
        return {
            "input_ids": torch.from_numpy(seen),
            "attention_mask": torch.from_numpy((true != PAD).astype(np.int64)),
            "labels": torch.from_numpy(np.where(scored, true, IGNORED)),
            "masked": torch.from_numpy(seen == MASK),
        }


def sample_bounds(ends: np.ndarray) -> np.ndarray:
    """Start and end of each sample in a split's ids, shape (samples, 2): up to 254 tokens of one document."""
    step = SAMPLE_LENGTH - 2
    starts = np.concatenate([[0], ends[:-1]])
    return np.concatenate(
        [
            np.stack([at := np.arange(start, end, step), np.minimum(at + step, end)], axis=1)
            for start, end in zip(starts, ends, strict=True)
        ]
    )


def mask_tokens(true: np.ndarray, vocab_size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """BERT's masking of token ids of any shape: what the model sees, and which positions were selected.

    Special tokens (``<unk>`` among them: nothing could be learned from it) are never selected, and a random token is
    never a special one.
    """
    selected = (rng.random(true.shape) < MASK_PROBABILITY) & (true >= len(SPECIAL_TOKENS))
    fate = rng.random(true.shape)
    random = rng.integers(len(SPECIAL_TOKENS), vocab_size, true.shape)
    seen = np.where(selected & (fate < MASKED_SHARE), MASK, true)
    return np.where(selected & (fate >= 1 - RANDOM_SHARE), random, seen), selected
