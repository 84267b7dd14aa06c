"""`DnaTokenizer.encode_sequence` against the ``tokenizers`` library on the same 9-mer words, one thread each."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.timing import beside, interleaved, seconds
from dnakit.tokens.tokenizer import DnaTokenizer, train_tokenizer

K = 9
PIECE = 1000 * K  # bases in a text the library gets: whole words, so that its ids are those of the whole sequence
HUMAN_GENOME = 3.1e9  # bases
GENOME = 16_600  # about a mitochondrion; like most lengths no multiple of nine
READ = 170  # about a 12S amplicon
CALLS = 10_000  # of an empty read


def measure(quick: bool) -> dict[str, Any]:
    """Milliseconds for a million bases of both, their ratio, and seconds for a human genome.

    The sequence is random, which is the hardest: all words occur equally often, and no cache of frequent ones helps. At
    the top of the result stands one long sequence; ``shapes`` are other shapes of input, see `shapes`.
    ``table_seconds`` is the first time, when the table is compiled and filled. ``empty_us`` are the microseconds of a
    call that encodes nothing.

    Raises
    ------
    AssertionError
        If the ids differ.
    """
    bases, vocab_size, rounds = (20 * PIECE, 1_000, 2) if quick else (1000 * PIECE, 30_000, 5)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    sequence = np.frombuffer(b"ACGT", np.uint8)[np.random.default_rng(0).integers(0, 4, bases)].tobytes().decode()
    pieces = cut(sequence, PIECE)
    tokenizer = train_tokenizer(pieces[:200], vocab_size, K)
    table_seconds = seconds(lambda: tokenizer.encode_sequence(sequence))
    empty = interleaved({"ours": lambda: [tokenizer.encode_sequence("") for _ in range(CALLS)]}, rounds)["ours"]
    per_million = compared(lambda: [tokenizer.encode_sequence(sequence)], library(tokenizer, pieces), bases, rounds)
    return per_million | {
        "bases": bases,
        "tokens": len(tokenizer.encode_sequence(sequence)),
        "identical": True,
        "table_seconds": table_seconds,
        "human_genome_seconds": table_seconds + per_million["ours_ms"] / 1e3 * HUMAN_GENOME / 1e6,
        "empty_us": 1e6 * float(np.median(empty)) / CALLS,
        "shapes": shapes(tokenizer, sequence[: bases // 4], rounds),
    }


def shapes(tokenizer: DnaTokenizer, sequence: str, rounds: int) -> dict[str, dict[str, float]]:
    """The same measurement of genomes one by one, reads one by one, and reads as a batch; by what was measured."""
    genomes, reads = cut(sequence, GENOME), cut(sequence, READ)

    def encoded(texts: list[str]) -> Callable[[], list[np.ndarray]]:
        return lambda: [tokenizer.encode_sequence(text) for text in texts]

    cases = {
        "genomes, one by one": (encoded(genomes), one_by_one(tokenizer, genomes)),
        "reads, one by one": (encoded(reads), one_by_one(tokenizer, reads)),
        "reads, together": (lambda: tokenizer.encode_sequences(reads), library(tokenizer, reads)),
    }
    return {name: compared(ours, peer, len(sequence), rounds) for name, (ours, peer) in cases.items()}


def cut(sequence: str, length: int) -> list[str]:
    """Consecutive texts of this length, the last one possibly shorter."""
    return [sequence[start : start + length] for start in range(0, len(sequence), length)]


def library(tokenizer: DnaTokenizer, texts: list[str]) -> Callable[[], list[list[int]]]:
    """The library's fastest way for many texts."""
    encode = tokenizer.backend_tokenizer.encode_batch_fast
    return lambda: [encoding.ids for encoding in encode(texts, add_special_tokens=False)]


def one_by_one(tokenizer: DnaTokenizer, texts: list[str]) -> Callable[[], list[list[int]]]:
    """The library's fastest way for one text at a time."""
    encode = tokenizer.backend_tokenizer.encode_batch_fast
    return lambda: [encode([text], add_special_tokens=False)[0].ids for text in texts]


def compared(
    ours: Callable[[], list[np.ndarray]], peer: Callable[[], list[list[int]]], bases: int, rounds: int
) -> dict[str, float]:
    """Both in turns, per million bases.

    Raises
    ------
    AssertionError
        If the ids differ.
    """
    same = np.array_equal(np.concatenate(ours()), np.concatenate(peer()))
    assert same, "encode_sequence and the library disagree"
    times = interleaved({"ours": ours, "peer": peer}, rounds)
    return beside(*(times[name] * 1e6 / bases for name in ("ours", "peer")))
