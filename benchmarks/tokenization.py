"""`DnaTokenizer.encode_sequence` against the ``tokenizers`` library on the same 9-mer words, one thread each."""

import os
from typing import Any

import numpy as np

from benchmarks.timing import beside, interleaved, seconds
from dnakit.tokens.tokenizer import train_tokenizer

K = 9
PIECE = 1000 * K  # bases in a text the library gets: whole words, so that its ids are those of the whole sequence
HUMAN_GENOME = 3.1e9  # bases


def measure(quick: bool) -> dict[str, Any]:
    """Milliseconds for a million bases of both, their ratio, and seconds for a human genome.

    The sequence is random, which is the hardest: all words occur equally often, and no cache of frequent ones helps.

    Raises
    ------
    AssertionError
        If the ids differ.
    """
    bases, vocab_size, rounds = (20 * PIECE, 1_000, 2) if quick else (1000 * PIECE, 30_000, 5)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    rng = np.random.default_rng(0)
    sequence = np.frombuffer(b"ACGT", np.uint8)[rng.integers(0, 4, bases)].tobytes()
    text = sequence.decode()
    pieces = [text[start : start + PIECE] for start in range(0, bases, PIECE)]
    tokenizer = train_tokenizer(pieces[: min(len(pieces), 200)], vocab_size, K)
    table_seconds = seconds(lambda: tokenizer.encode_sequence(b"ACGTACGTA"))

    def by_library() -> list[int]:
        encoded = tokenizer.backend_tokenizer.encode_batch_fast(pieces, add_special_tokens=False)
        return [token for each in encoded for token in each.ids]

    ids = tokenizer.encode_sequence(sequence)
    assert ids.tolist() == by_library(), "encode_sequence and the library disagree"
    times = interleaved({"ours": lambda: tokenizer.encode_sequence(sequence), "library": by_library}, rounds)
    per_million = beside(*(times[name] * 1e6 / bases for name in ("ours", "library")))
    return per_million | {
        "bases": bases,
        "tokens": len(ids),
        "identical": True,
        "table_seconds": table_seconds,
        "human_genome_seconds": table_seconds + per_million["ours_ms"] / 1e3 * HUMAN_GENOME / 1e6,
    }
