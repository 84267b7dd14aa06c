"""Bits per base of a general compressor, xz, beside which a model of DNA has to show what it is worth."""

import lzma
from collections.abc import Sequence

import numpy as np

from dnakit.data.bases import ALPHABET, UNKNOWN, codes


def xz_bits_per_base(train: Sequence[bytes], held_out: Sequence[bytes]) -> dict[str, float]:
    """Bits per base of ``xz -9e``.

    Upper-case letters one a byte (packed, repeats are found in one phase of four only), genomes one after the other
    without a mark, unknown letters left out. Repeats are found up to 64 MiB back. Unlike a Markov model it goes on
    copying after a substitution, and may copy a held-out genome from held-out ones *before* it: relatives among these
    help, most with families held out. Takes minutes for 40 Mb.

    Returns
    -------
    dict
        ``after training``: bits by which the held-out genomes lengthen the compressed training genomes, for each of
        their known bases. ``alone``: bits of the held-out genomes compressed by themselves.
    """
    before, after = (_known_letters(genomes) for genomes in (train, held_out))
    if not after:
        return {"after training": float("nan"), "alone": float("nan")}
    added = _xz_bits(before + after) - _xz_bits(before)
    return {"after training": added / len(after), "alone": _xz_bits(after) / len(after)}


def _known_letters(genomes: Sequence[bytes]) -> bytes:
    found = codes(b"".join(genomes))
    return np.frombuffer(ALPHABET, np.uint8)[found[found < UNKNOWN]].tobytes()


def _xz_bits(data: bytes) -> int:
    return 8 * len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
