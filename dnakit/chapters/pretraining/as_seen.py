"""Masked tokens predicted from what a masked language model sees, by counting: no neural network.

`markov.TwoSided` predicts each base from all others. A masked language model sees neither the other bases of the token
that it has to name, nor those of other masked tokens, and it chooses among tokens. Here a masked token is predicted
base by base from left to right, each base from

* the bases before it: visible ones, and those of its own token, which were predicted already;
* the bases behind the *gap*, the hidden bases that follow it;
* the tokens of its length that go on like this, each as often as it stands at that place of a word (`segmentation`).

The bits of its bases add up to the bits of the token. The length of the token is given, as it is to lookups; a model
often reads it from the visible tokens. A context ends where another masked token or the sample does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnakit.chapters.pretraining import bits_per_base
from dnakit.chapters.pretraining.markov import (
    Floats,
    MixedMarkov,
    as_numbers,
    one_sided,
    product,
    tuned_exponents,
    two_sided,
)
from dnakit.chapters.pretraining.segmentation import Segmentation
from dnakit.data.bases import UNKNOWN, codes, kmer_numbers
from dnakit.tokens.corpus import Corpus
from dnakit.tokens.tokenizer import DnaTokenizer
from dnakit.tokens.vocabulary import MASK, SPECIAL_TOKENS

ORDER, REACH = 16, 12  # bases before; bases on each side of the gap
WIDEST_GAP = 8  # hidden bases behind the one predicted: all of a token of nine bases but itself
NOTHING_BEHIND = -1  # instead of a gap that is wider, or that the end of the sample follows
LONG = 8  # known bases before without a break; exponents are tuned apart where there are fewer
LEAST = 1e-12  # share of tokens instead of none, so that its logarithm is a number


@dataclass(frozen=True)
class HiddenBases:
    """The bases of masked tokens, and what is known around them; the last five have one value for each hidden base."""

    shown: NDArray[np.uint8]  # letters of all samples as digits: 0 hidden or no base, 1 to 4 a base
    true: NDArray[np.uint8]  # the same with the hidden bases
    at: NDArray[np.int64]  # where each hidden base is
    start: NDArray[np.int64]  # where its token begins
    gap: NDArray[np.int64]  # hidden bases between it and the next visible one, or NOTHING_BEHIND
    before: NDArray[np.int64]  # known bases before it without a break, those of its own token among them
    genome: NDArray[np.int64]  # number of its genome

    @property
    def bases(self) -> NDArray[np.uint8]:
        """The hidden bases, 0 to 3."""
        return self.true[self.at] - np.uint8(1)

    def contexts(self, offsets: Sequence[int], chosen: NDArray[np.int64]) -> NDArray[np.uint64]:
        """The full contexts (see `markov.ContextCounts`) of chosen hidden bases."""
        return as_numbers((self._digits(chosen, offset) for offset in offsets), len(chosen))

    def _digits(self, chosen: NDArray[np.int64], offset: int) -> NDArray[np.uint8]:
        """What is known at one offset: the bases of its own token that were predicted already, and what is visible."""
        at, place = self.at[chosen], self.at[chosen] + offset
        own = (place >= self.start[chosen]) & (place < at)
        return np.where(own, self.true[place], self.shown[place])


class Samples(NamedTuple):
    """Masked samples, one after the other: numbers of their genomes, and token ids with and without masks."""

    genomes: NDArray[np.int64]  # one for each token
    shown: NDArray[np.integer]
    true: NDArray[np.integer]


def joined(samples: Iterable[tuple[int, NDArray[np.integer], NDArray[np.integer]]]) -> Samples:
    """The samples of `bits_per_base.masked_samples` in one row."""
    numbers, shown, true = (np.stack(each) for each in zip(*samples, strict=True))
    return Samples(np.repeat(numbers, shown.shape[1]), shown.ravel(), true.ravel())


def hidden_bases(tokenizer: DnaTokenizer, samples: Samples) -> HiddenBases:
    """The hidden bases of masked samples.

    A random token that stands in place of another is taken for true, as a model has to take it.
    """
    ids = np.where(samples.shown == MASK, samples.true, samples.shown)
    words = np.array([letters or b"N" for letters in tokenizer.token_letters()], object)
    lengths = np.array([len(word) for word in words])[ids]
    edge = np.full(ORDER + WIDEST_GAP, UNKNOWN, np.uint8)
    letters = np.concatenate([edge, codes(b"".join(words[ids].tolist())), edge])
    inside = slice(len(edge), len(letters) - len(edge))
    masked, start, genome = np.zeros(len(letters), bool), *np.zeros((2, len(letters)), np.int64)
    masked[inside] = np.repeat(samples.shown == MASK, lengths)
    start[inside] = np.repeat(len(edge) + np.cumsum(lengths) - lengths, lengths)
    genome[inside] = np.repeat(samples.genomes, lengths)
    digits = np.where(letters == UNKNOWN, 0, letters + 1).astype(np.uint8)
    at, places = np.flatnonzero(masked), np.arange(len(letters))
    behind = np.minimum.accumulate(np.where(masked, len(letters), places)[::-1])[::-1][at]  # a base, or a sample's end
    unknown = np.maximum.accumulate(np.where(masked | (digits == 0), places, -1))[start[at] - 1]
    gap = behind - at - 1
    return HiddenBases(
        np.where(masked, 0, digits).astype(np.uint8),
        digits,
        at,
        start[at],
        np.where((digits[behind] > 0) & (gap <= WIDEST_GAP), gap, NOTHING_BEHIND),
        at - unknown - 1,
        genome[at],
    )


def of_tokens(known: Segmentation, tokenizer: DnaTokenizer, samples: Samples) -> Floats:
    """Shares of A, C, G, T at each hidden base among the tokens that go on like this; shape (hidden bases, 4).

    They are the tokens of the length of the masked token that begin with its bases before this one, weighed as
    `segmentation` weighs them: by how often they stand at the offset in the word, where the visible tokens tell it.
    """
    masked = np.flatnonzero(samples.shown == MASK)
    true, rows = samples.true[masked], known.rows(samples.shown, samples.true)[masked]
    lengths, words = known.lengths, tokenizer.token_letters()
    ends = np.cumsum(lengths[true])
    found = np.zeros((int(ends[-1]) if len(ends) else 0, 4))
    for length in np.unique(lengths[true]).tolist():
        tokens = np.flatnonzero((lengths == length) & (np.arange(len(lengths)) >= len(SPECIAL_TOKENS)))
        letters = codes(b"".join(words[token] or b"" for token in tokens)).reshape(-1, length)
        numbers = kmer_numbers(letters).astype(np.int64)
        order = np.argsort(numbers)
        below = np.zeros((len(known.nats), len(tokens) + 1))
        np.cumsum(np.exp(-known.nats[:, tokens[order]]), axis=1, out=below[:, 1:])
        chosen = np.flatnonzero(lengths[true] == length)
        own, row = numbers[np.searchsorted(tokens, true[chosen])], rows[chosen][:, None]
        for place in range(length):
            unit = 4 ** (length - place - 1)
            first = own // (4 * unit) * (4 * unit)
            edges = np.searchsorted(numbers[order], first[:, None] + unit * np.arange(5))
            weights = np.diff(below[row, edges], axis=1)
            found[ends[chosen] - length + place] = weights / weights.sum(1, keepdims=True)
    return found


def bits_of_bases(
    train: Sequence[bytes],
    validation: Sequence[bytes],
    hidden: Mapping[str, HiddenBases],
    tokens: Mapping[str, Floats],
) -> dict[str, Floats]:
    """-log2 p of each hidden base, by set of samples.

    Models are multiplied as in `markov.TwoSided`: of the bases before (`markov.MixedMarkov`), of those behind the gap
    and of both in turn where there are any, and of the tokens. Their weights are tuned on bases of the validation
    genomes (see `markov.TUNING_BASES`), the exponents on the hidden ones of the set ``validation``: for each gap, and
    apart where few bases before are known.

    Parameters
    ----------
    train, validation : sequence of bytes
        Letters of genomes.
    hidden, tokens : mapping
        Hidden bases and what `of_tokens` says of them, of the set ``validation`` and of those to be scored.
    """
    found = {part: np.zeros(len(each.at)) for part, each in hidden.items()}
    before = MixedMarkov(one_sided(ORDER)).fit(train).tune(validation)
    for gap in sorted(set(np.concatenate([each.gap for each in hidden.values()]).tolist())):
        models = [before]
        if gap != NOTHING_BEHIND:
            models += [MixedMarkov(offsets).fit(train).tune(validation) for offsets in _across(gap)]
        for long in (False, True):
            alike = {
                part: np.flatnonzero((each.gap == gap) & ((each.before >= LONG) == long))
                for part, each in hidden.items()
            }
            logs = {part: _logs(models, hidden[part], tokens[part], rows) for part, rows in alike.items()}
            true = {part: hidden[part].bases[rows] for part, rows in alike.items()}
            exponents = tuned_exponents(logs["validation"], true["validation"])
            for part, rows in alike.items():
                found[part][rows] = -np.log2(product(logs[part], exponents)[np.arange(len(rows)), true[part]])
    return found


def _across(gap: int) -> list[tuple[int, ...]]:
    """Offsets of the bases behind a gap, and of those on both sides of it in turn, nearest first."""
    return [tuple(range(gap + 1, gap + REACH + 1)), two_sided(REACH, gap)]


def _logs(models: Sequence[MixedMarkov], hidden: HiddenBases, tokens: Floats, rows: NDArray[np.int64]) -> list[Floats]:
    """log2 of what each model, and then the tokens, give to the four bases at some hidden bases."""
    shares = [model.of_contexts(hidden.contexts(model.offsets, rows)) for model in models]
    return [np.log2(np.maximum(share, LEAST)) for share in [*shares, tokens[rows]]]


def measure(
    corpus: Corpus, genomes: Mapping[str, Mapping[str, bytes]], parts: Sequence[str], seed: int
) -> dict[str, pd.DataFrame]:
    """Score the masks that `bits_per_base.measure` scores a model on, genome by genome.

    Parameters
    ----------
    corpus : Corpus
        The 9-mer corpus; `segmentation` learns from its training tokens.
    genomes : mapping
        Letters by name of ``train``, ``validation`` and the `parts` that are scored.

    Returns
    -------
    dict of DataFrame
        By part, indexed by genome: ``nats`` and ``bases`` of the masked tokens.
    """
    tokenizer, all_parts = corpus.tokenizer, ("validation", *parts)
    known = Segmentation(tokenizer).fit(corpus.ids_by_document("train"))
    samples = {part: joined(bits_per_base.masked_samples(tokenizer, genomes[part], seed)) for part in all_parts}
    hidden = {part: hidden_bases(tokenizer, each) for part, each in samples.items()}
    tokens = {part: of_tokens(known, tokenizer, each) for part, each in samples.items()}
    train, validation = ([*genomes[part].values()] for part in ("train", "validation"))
    bits = bits_of_bases(train, validation, hidden, tokens)
    return {
        part: pd.DataFrame(
            {
                "nats": np.bincount(hidden[part].genome, bits[part] * np.log(2), len(genomes[part])),
                "bases": np.bincount(hidden[part].genome, minlength=len(genomes[part])),
            },
            pd.Index(genomes[part], name="genome"),
        )
        for part in parts
    }
