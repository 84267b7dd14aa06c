"""Bits per base of a general compressor, xz, beside which a model of DNA has to show what it is worth."""

import lzma
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dnakit.data.bases import ALPHABET, UNKNOWN, codes

ALONE, AFTER = "xz, alone", "xz, after training"
# What xz -9e does, without its container: that has some 60 bytes, much beside the 4,000 of a packed mitochondrion.
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]


def xz_bits(train: Sequence[bytes], held_out: Mapping[str, bytes]) -> pd.DataFrame:
    """Bits of each held-out genome by ``xz -9e``.

    Upper-case letters one a byte (packed, repeats are found in one phase of four only), unknown letters left out. The
    training genomes stand one after the other without a mark. Each held-out genome is compressed by itself, so that
    relatives among them do not help. Repeats are found up to 64 MiB back, and copying goes on after a substitution.
    Takes 4 seconds a genome for 5 Mb of training genomes.

    Returns
    -------
    DataFrame
        Indexed by genome: ``xz, alone`` and ``xz, after training`` (bits by which the genome lengthens the compressed
        training genomes), and ``bases`` (known ones).
    """
    before = _known_letters(b"".join(train))
    trained, rows = _bits(before), {}
    for name, genome in held_out.items():
        letters = _known_letters(genome)
        rows[name] = {ALONE: _bits(letters), AFTER: _bits(before + letters) - trained, "bases": len(letters)}
    return pd.DataFrame.from_dict(rows, orient="index", dtype=int).rename_axis("genome")


def _known_letters(sequence: bytes) -> bytes:
    found = codes(sequence)
    return np.frombuffer(ALPHABET, np.uint8)[found[found < UNKNOWN]].tobytes()


def _bits(data: bytes) -> int:
    return 8 * len(lzma.compress(data, format=lzma.FORMAT_RAW, filters=FILTERS))
