"""What the visible segmentation alone says about a masked token: a predictor without any base of context.

A masked token of k-mer words stands in a word whose other tokens are visible. They tell where the masked token begins
in the word, and how long it is. In a large vocabulary that alone says much about its bases. So bits per base of a
model are compared with those of this predictor, which knows the visible token boundaries and nothing else. What a model
needs less is what it *gained* from bases.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnakit import metrics
from dnakit.chapters.pretraining import bits_per_base
from dnakit.chapters.pretraining.bits_per_base import SUMS, TOP
from dnakit.tokens.samples import MASK_PROBABILITY, MASKED_SHARE, RANDOM_SHARE
from dnakit.tokens.tokenizer import DnaTokenizer
from dnakit.tokens.vocabulary import MASK, SPECIAL_TOKENS
from dnakit.tokens.word_frames import counts_by_offset, given_away

Ids = NDArray[np.integer]
#: The share of the visible tokens that are random ones.
RANDOM = MASK_PROBABILITY * RANDOM_SHARE / (1 - MASK_PROBABILITY * MASKED_SHARE)


class Segmentation:
    """Probabilities of a masked token from the token boundaries around it, learned from training genomes.

    Where the masked token is the only one in its word that is not visible, its offset in the word and its length are
    known: it is predicted from the tokens of that length at that offset. Elsewhere (a second mask in the word, a word
    cut by the end of the sample, BigBird-style words) it is predicted from all tokens. A random token that stands in
    place of another counts with the length of the true one.

    Both distributions are smoothed as Witten and Bell do: ``p = (c + d q) / (n + d)`` with the count c of the token,
    the n tokens and d different tokens of the context, and q the share in a wider context: of an offset and length that
    of all tokens of the length, of all tokens the uniform one.
    """

    def __init__(self, tokenizer: DnaTokenizer) -> None:
        self.lengths, self.word_length = tokenizer.token_lengths(), tokenizer.word_length

    def fit(self, documents: Sequence[Ids]) -> Self:
        """Count the tokens of the training genomes, one document of token ids each."""
        ids, size = np.concatenate(documents).astype(np.int64), len(self.lengths)
        counts = np.bincount(ids[ids >= len(SPECIAL_TOKENS)], minlength=size)
        is_token = (np.arange(size) >= len(SPECIAL_TOKENS)).astype(int)
        rows = [_witten_bell(counts, is_token, _shares(np.ones(size), is_token))]
        if self.word_length is not None:
            found = counts_by_offset(documents, self.lengths, self.word_length)
            wider = _shares(rows[0].probabilities, self.lengths)
            rows = [_witten_bell(each, self.lengths, wider) for each in found] + rows
        self.nats = -np.log(np.stack([row.probabilities for row in rows]))  # the last row: nothing is known
        self.ranks = np.stack([row.ranks for row in rows])
        return self

    def all_tokens(self, shown: Ids, true: Ids) -> tuple[float, float]:
        """Nats of all tokens of samples: of one that is not told which visible tokens are random, and of one that is.

        A visible token is random with the probability that masking makes it so. Not told, the predictor gives that
        share to all tokens as they are distributed, and the rest to the token that it sees. Told, it predicts a random
        token as if it were masked, and the others cost nothing. In between lies one that finds random tokens by their
        lengths, which often do not fit into a word.
        """
        tokens = true >= len(SPECIAL_TOKENS)
        seen, found = true[tokens & (shown == true)], true[tokens & (shown != true) & (shown != MASK)]
        share = np.exp(-self.nats[-1])
        visible = -np.log1p(-RANDOM * (1 - share[seen])).sum() - np.log(RANDOM * share[found]).sum()
        masked = self.predict(shown, true)[0].sum()
        told = self.predict(np.where(shown == true, shown, MASK), true)[0].sum()
        return float(masked + visible), float(told)

    def rows(self, shown: Ids, true: Ids) -> NDArray[np.int64]:
        """The row of `nats` by which each masked token is predicted; the values at other tokens mean nothing."""
        row = np.full(len(true), len(self.nats) - 1)
        if self.word_length is None:
            return row
        known, offsets = given_away(shown, true, self.lengths, self.word_length)
        return np.where(known, offsets, row)

    def predict(self, shown: Ids, true: Ids) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """-ln p of the true token at each ``<mask>``, and how many tokens are ranked before it.

        Parameters
        ----------
        shown, true : np.ndarray of int, shape (tokens,)
            Token ids of samples with their special tokens, one after the other.
        """
        row, masked = self.rows(shown, true), shown == MASK
        return self.nats[row[masked], true[masked]], self.ranks[row[masked], true[masked]]


class _Row(NamedTuple):
    probabilities: NDArray[np.float64]  # by token id, of its class
    ranks: NDArray[np.int64]  # how many tokens of the class are likelier, or as likely with a lower id


def _witten_bell(counts: NDArray, classes: NDArray, wider: NDArray[np.float64]) -> _Row:
    """Probabilities within each class of tokens, smoothed with their shares in a wider context."""
    seen, kinds = np.bincount(classes, counts)[classes], np.bincount(classes, counts > 0)[classes]
    weight = np.maximum(kinds, 1)
    probabilities = (counts + weight * wider) / (seen + weight)
    order = np.lexsort((np.arange(len(counts)), -probabilities, classes))
    first = np.searchsorted(classes[order], classes)
    place = np.empty(len(counts), np.int64)
    place[order] = np.arange(len(counts))
    return _Row(probabilities, place - first)


def _shares(weights: NDArray, classes: NDArray) -> NDArray[np.float64]:
    """Each token's share in the sum of its class."""
    return weights / np.bincount(classes, weights)[classes]


def measure(
    known: Segmentation, tokenizer: DnaTokenizer, genomes: Mapping[str, bytes], seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Score the masks that `bits_per_base.measure` scores a model on, genome by genome.

    Returns
    -------
    sums : DataFrame
        As of `bits_per_base.measure`.
    results : dict
        As of `bits_per_base.summarise`; over all tokens ``accuracy`` where every visible token is copied,
        ``perplexity`` and ``perplexity_told`` (see `Segmentation.all_tokens`); ``bases_per_token``.
    """
    samples = list(bits_per_base.masked_samples(tokenizer, genomes, seed))
    numbers, shown, true = (np.stack(each) for each in zip(*samples, strict=True))
    masked, tokens = shown == MASK, true >= len(SPECIAL_TOKENS)
    nats, ranks = known.predict(shown.ravel(), true.ravel())
    columns = [nats, known.lengths[true[masked]], np.ones(len(nats)), ranks == 0, ranks < TOP]
    sums = np.zeros((len(genomes), len(SUMS)))
    np.add.at(sums, np.repeat(numbers, masked.sum(1)), np.stack(columns, axis=1))
    copied = (shown == true)[tokens].sum()
    not_told, told = known.all_tokens(shown.ravel(), true.ravel())
    frame = pd.DataFrame(sums, pd.Index(genomes, name="genome"), SUMS).astype(dict.fromkeys(SUMS[1:], int))
    return frame, bits_per_base.summarise(frame) | {
        "accuracy": float((copied + frame.right.sum()) / tokens.sum()),
        "perplexity": metrics.perplexity(not_told / tokens.sum()),
        "perplexity_told": metrics.perplexity(told / tokens.sum()),
        "bases_per_token": float(known.lengths[true[tokens]].mean()),
    }
