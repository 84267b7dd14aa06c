"""What the frame of words alone says about the order of two sentences: a control for sentence-order prediction.

Both sentences are cut from one stretch of tokens. In their true order the second one begins in the word where the first
one ends. Swapped, it does so by chance only. So whoever knows where tokens end, and that no token crosses the end of a
word, often knows the order without any base.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dnakit.tokens.samples import SentenceOrderSamples
from dnakit.tokens.vocabulary import SEP

UNDECIDED = 0.5  # the chance of a guess where both orders fit, or nothing is known


def frame_alone(
    samples: SentenceOrderSamples, lengths: NDArray[np.integer], word_length: int | None
) -> dict[str, float]:
    """Accuracy of the frame alone on samples without masks.

    Parameters
    ----------
    samples : SentenceOrderSamples
    lengths : np.ndarray of int, shape (vocabulary,)
        Bases of each token.
    word_length : int or None
        Bases of a word; None where words have no fixed length, and nothing can be known.

    Returns
    -------
    dict
        ``accuracy`` (a guess counts one half), ``decided`` (share of the pairs where one order alone fits), ``pairs``.
    """
    right, decided = 0.0, 0
    for item in (samples[number] for number in range(len(samples))):
        first, second = _sentences(item["input_ids"].numpy(), item["labels"].numpy())
        as_shown = _fits(lengths[first], lengths[second], word_length)
        swapped = _fits(lengths[second], lengths[first], word_length)
        truth = bool(item["sentence_order_label"])
        right += UNDECIDED if as_shown == swapped else float(swapped == truth)
        decided += as_shown != swapped
    return {"accuracy": right / len(samples), "decided": decided / len(samples), "pairs": len(samples)}


def _sentences(seen: NDArray, labels: NDArray) -> Sequence[NDArray]:
    """True ids of both sentences of a sample."""
    true = np.where(labels >= 0, labels, seen)
    ends = np.flatnonzero(true == SEP)
    return true[1 : ends[0]], true[ends[0] + 1 : ends[1]]


def _fits(one: NDArray, other: NDArray, word_length: int | None) -> bool:
    """Whether the second sentence can go on in the word in which the first one ends."""
    if word_length is None:
        return True
    ends = {(start + int(one.sum())) % word_length for start in _starts(one, word_length)}
    return bool(ends & _starts(other, word_length))


def _starts(lengths: NDArray, word_length: int) -> set[int]:
    """Where in a word a sentence may begin, so that none of its tokens crosses the end of a word."""
    begins = np.cumsum(lengths) - lengths
    within = (np.arange(word_length)[:, None] + begins) % word_length + lengths <= word_length
    return set(np.flatnonzero(within.all(1)).tolist())
