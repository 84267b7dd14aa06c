"""Bases as letters, as codes and as numbers of k-mers, and the few operations on a strand of DNA.

The *code* of a base is 0 for A, 1 for C, 2 for G and 3 for T, so that 3 - code is the code of its complement. Every
other letter (N and the IUPAC ambiguity letters) has the code 4, *unknown*. Lower case is upper case, and U is T.
"""

import numpy as np
from numpy.typing import NDArray

from dnakit.project import DnakitError

ALPHABET = b"ACGT"
UNKNOWN = 4
CODES = np.full(256, UNKNOWN, np.uint8)  # of each letter, by its byte
CODES[np.frombuffer(b"ACGTUacgtu", np.uint8)] = [0, 1, 2, 3, 3] * 2
_LETTERS = np.frombuffer(ALPHABET + b"N", np.uint8)
_COMPLEMENT = bytes.maketrans(b"ACGTURYSWKMBDHVNacgturyswkmbdhvn", b"TGCAAYRSWMKVHDBNtgcaayrswmkvhdbn")
_HOLDS = ((np.int16, 15), (np.int32, 31), (np.int64, 63))  # a type, and the bits of the largest number it holds


# ---- codes


def codes(sequence: bytes) -> NDArray[np.uint8]:
    """The code of each letter of a sequence, uint8, shape (bases,)."""
    return CODES[np.frombuffer(sequence, np.uint8)]


def letters(codes: NDArray[np.integer]) -> bytes:
    """The sequence of these codes in upper case, N where the base is unknown."""
    return _LETTERS[codes].tobytes()


# ---- k-mers


def kmers(sequence: bytes, k: int) -> list[bytes]:
    """Consecutive, non-overlapping words of ``k`` letters, the last one possibly shorter (thesis 4.1)."""
    if k < 1:
        raise DnakitError(f"k must be at least 1, not {k}")
    return [sequence[i : i + k] for i in range(0, len(sequence), k)]


def kmer_numbers(words: NDArray[np.uint8], digits: int = 4) -> NDArray[np.signedinteger]:
    """K-mers as numbers: their codes are the digits, the first letter is the highest digit.

    Parameters
    ----------
    words : np.ndarray of uint8, shape (..., k)
        Codes of one k-mer along the last axis. All overlapping k-mers of a sequence are
        ``sliding_window_view(codes, k)``, consecutive ones ``codes.reshape(-1, k)``, those that start at given places
        ``codes[places[:, None] + np.arange(k)]``.
    digits : {4, 5}
        With 4, the number of a k-mer with an unknown base is -1. With 5, the unknown base is a fifth letter.

    Returns
    -------
    np.ndarray, shape (...)
        Of the smallest signed type that holds the numbers: widen it before you calculate with them.

    Raises
    ------
    DnakitError
        If 64 bits cannot hold the numbers: k is at most 31 with 4 digits and 27 with 5.
    """
    k = words.shape[-1]
    kind = next((kind for kind, bits in _HOLDS if digits**k <= 2**bits), None)
    if kind is None:
        raise DnakitError(f"k-mers of {k} bases are too long to be numbers of {digits} digits in 64 bits")
    numbers = np.zeros(words.shape[:-1], kind)
    unknown = np.zeros(words.shape[:-1], np.uint8)
    for place in range(k):
        column = words[..., place]
        numbers *= kind(digits)
        numbers += column
        unknown |= column
    if digits == 4:
        numbers[unknown >= UNKNOWN] = -1
    return numbers


def kmer_codes(numbers: NDArray[np.integer], k: int) -> NDArray[np.uint8]:
    """The k-mers of these numbers of 4 digits as codes, shape (..., k); the inverse of `kmer_numbers`."""
    return (numbers[..., None] >> (2 * np.arange(k - 1, -1, -1)) & 3).astype(np.uint8)


# ---- a strand


def reverse_complement(sequence: bytes) -> bytes:
    """The opposite strand, read in its own direction; IUPAC letters become the letters of the complementary sets."""
    return sequence.translate(_COMPLEMENT)[::-1]


def mutate(sequence: bytes, rate: float, rng: np.random.Generator) -> bytes:
    """Substitute each base with probability ``rate`` by one of the three others, all equally likely.

    This is the thesis's model of sequencing errors (4.2.3).
    Letters other than ACGT stay as they are, and so does the length.
    """
    if not 0 <= rate <= 1:
        raise DnakitError(f"a substitution rate lies between 0 and 1, not {rate}")
    bases = np.frombuffer(sequence, np.uint8).copy()
    known = CODES[bases]
    hit = np.flatnonzero((rng.random(len(bases)) < rate) & (known < UNKNOWN))
    bases[hit] = _LETTERS[(known[hit] + rng.integers(1, 4, len(hit))) % 4]
    return bases.tobytes()
