"""Where in its k-mer word a token begins, read from the lengths of the tokens around it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dnakit.tokens.vocabulary import MASK, PAD, SPECIAL_TOKENS


def word_frames(
    ids: NDArray[np.integer], lengths: NDArray[np.integer], word_length: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offset of each token in its word, and the number of that word.

    Offsets come from the token lengths: in each stretch between special tokens, the frame in which the fewest tokens
    cross the border of a word, of equal ones the first.

    Parameters
    ----------
    ids : np.ndarray of int, shape (tokens,)
        Token ids with special tokens between samples or genomes.
    lengths : np.ndarray of int, shape (vocab_size,)
        Bases of each token, by id; of special tokens 0.
    word_length : int
        Bases of a word.

    Returns
    -------
    offsets, words : np.ndarray of int64, shape (tokens,)
        Bases from the beginning of the word (below `word_length`), and a number that the tokens of a word share, with a
        part of it where a special token or the end of a sample cuts it. The values at special tokens mean nothing.
    """
    special = ids < len(SPECIAL_TOKENS)
    bases = np.where(special, 0, lengths[ids])
    stretch = np.cumsum(special)
    start = np.cumsum(bases) - bases
    crossing = [
        np.bincount(stretch, (start + frame) % word_length + bases > word_length) for frame in range(word_length)
    ]
    place = start + np.argmin(crossing, axis=0)[stretch]
    begins = special | (np.diff(place // word_length, prepend=-1) != 0)
    return place % word_length, np.cumsum(begins)


def counts_by_offset(
    documents: Sequence[NDArray[np.integer]], lengths: NDArray[np.integer], word_length: int
) -> NDArray[np.int64]:
    """How often each token begins at each offset of a word, shape (word_length, vocab_size); special tokens never.

    Parameters
    ----------
    documents : sequence of np.ndarray of int
        Token ids of each.
    lengths, word_length
        As of `word_frames`.
    """
    ids = np.concatenate([part for document in documents for part in ([PAD], document)]).astype(np.int64)
    offsets, _ = word_frames(ids, lengths, word_length)
    known, size = ids >= len(SPECIAL_TOKENS), len(lengths)
    found = np.bincount(offsets[known] * size + ids[known], minlength=word_length * size)
    return found.reshape(word_length, size)


def given_away(
    shown: NDArray[np.integer], true: NDArray[np.integer], lengths: NDArray[np.integer], word_length: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Where the visible tokens of its word tell how long a masked token is, and its offset in the word.

    They do where the word is whole and one token alone of it is masked. A random token that stands in place of another
    counts with the length of the true one.

    Parameters
    ----------
    shown, true : np.ndarray of int, shape (tokens,)
        Token ids of samples with their special tokens, one after the other, with and without masks.

    Returns
    -------
    known : np.ndarray of bool, shape (tokens,)
        The values at tokens that are not masked mean nothing.
    offsets : np.ndarray of int64, shape (tokens,)
    """
    offsets, words = word_frames(true, lengths, word_length)
    bases = np.bincount(words, lengths[true])[words]
    hidden = np.bincount(words, shown == MASK)[words]
    return (bases == word_length) & (hidden == 1), offsets
