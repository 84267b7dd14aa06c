"""Masked tokens predicted from the bases that a masked language model sees, by counting contexts on both sides.

`markov.TwoSided` predicts each base from all others. A masked language model sees neither the other bases of the token
that it has to name, nor those of other masked tokens. Here a masked token is predicted as it is shown to a model: base
by base from left to right, each from the bases before it and from those behind the *gap*, the hidden bases that follow
it. Of the bases before it, those of its own token are known, because they were predicted already; those of other masked
tokens are not. The bits of its bases add up to the bits of the token. No context leaves the sample. The length of the
token is given, as it is to lookups; a model often reads it from the visible tokens.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnakit.chapters.pretraining import bits_per_base
from dnakit.chapters.pretraining.markov import Floats, MixedMarkov, one_sided, product, tuned_exponents
from dnakit.data.bases import UNKNOWN, codes
from dnakit.tokens.tokenizer import DnaTokenizer
from dnakit.tokens.vocabulary import MASK

ORDER, REACH = 16, 12  # bases before; bases on each side of the gap
WIDEST_GAP = 8  # hidden bases behind the one predicted: all of a token of nine bases but itself
NOTHING_BEHIND = -1  # instead of a gap that is wider, or that the end of the sample follows
LONG = 8  # visible bases before; exponents are tuned apart where there are fewer


@dataclass(frozen=True)
class HiddenBases:
    """The bases of masked tokens, and what is visible around them; arrays of one value a hidden base."""

    shown: NDArray[np.uint8]  # letters of all samples as digits: 0 hidden or no base, 1 to 4 a base
    true: NDArray[np.uint8]  # the same with the hidden bases
    at: NDArray[np.int64]  # where each hidden base is
    start: NDArray[np.int64]  # where its token begins
    gap: NDArray[np.int64]  # hidden bases between it and the next visible one, or NOTHING_BEHIND
    before: NDArray[np.int64]  # known bases before it without a break
    genome: NDArray[np.int64]  # number of its genome

    @property
    def bases(self) -> NDArray[np.uint8]:
        """The hidden bases, 0 to 3."""
        return self.true[self.at] - np.uint8(1)

    def contexts(self, offsets: Sequence[int], chosen: NDArray[np.int64]) -> NDArray[np.uint64]:
        """The full contexts (see `markov.ContextCounts`) of chosen hidden bases."""
        at, start = self.at[chosen], self.start[chosen]
        found = np.zeros(len(at), np.uint64)
        for offset in offsets:
            place = at + offset
            own = (place >= start) & (place < at)
            found *= np.uint64(5)
            found += np.where(own, self.true[place], self.shown[place])
        return found


def hidden_bases(
    tokenizer: DnaTokenizer, samples: Iterable[tuple[int, NDArray[np.integer], NDArray[np.integer]]]
) -> HiddenBases:
    """The hidden bases of masked samples (see `bits_per_base.masked_samples`).

    A random token that stands in place of another is taken for true, as a model has to take it.
    """
    numbers, shown, true = (np.stack(each) for each in zip(*samples, strict=True))
    seen, ids = shown.ravel(), np.where(shown == MASK, true, shown).ravel()
    words = np.array([letters or b"N" for letters in tokenizer.token_letters()], object)
    lengths = np.array([len(word) for word in words])[ids]
    edge = np.full(ORDER + WIDEST_GAP, UNKNOWN, np.uint8)
    letters = np.concatenate([edge, codes(b"".join(words[ids].tolist())), edge])
    digits = np.where(letters == UNKNOWN, 0, letters + 1).astype(np.uint8)
    starts = len(edge) + np.cumsum(lengths) - lengths
    masked = np.zeros(len(digits), bool)
    masked[len(edge) : len(digits) - len(edge)] = np.repeat(seen == MASK, lengths)
    start = np.zeros(len(digits), np.int64)
    start[len(edge) : len(digits) - len(edge)] = np.repeat(starts, lengths)
    at = np.flatnonzero(masked & (digits > 0))
    places, visible = np.arange(len(digits)), ~masked
    behind = np.minimum.accumulate(np.where(visible, places, len(digits))[::-1])[::-1][at + 1]  # base, or end of sample
    unknown = np.maximum.accumulate(np.where(masked | (digits == 0), places, -1))[start[at] - 1]
    gap = behind - at - 1
    in_row = np.repeat(np.asarray(numbers), shown.shape[1])
    row = np.zeros(len(digits), np.int64)
    row[len(edge) : len(digits) - len(edge)] = np.repeat(in_row, lengths)
    return HiddenBases(
        np.where(masked, 0, digits).astype(np.uint8),
        digits,
        at,
        start[at],
        np.where((digits[behind] > 0) & (gap <= WIDEST_GAP), gap, NOTHING_BEHIND),
        at - unknown - 1,
        row[at],
    )


def bits_of_bases(
    train: Sequence[bytes], validation: Sequence[bytes], hidden: Mapping[str, HiddenBases]
) -> dict[str, Floats]:
    """-log2 p of each hidden base, by set of samples.

    For each gap, three models (`markov.MixedMarkov`) are multiplied as in `markov.TwoSided`: of the bases before, of
    those behind the gap, and of both in turn. Their weights are tuned on all bases of the validation genomes, their
    exponents on the hidden ones of the set ``validation``, apart where few bases before are known.

    Parameters
    ----------
    train, validation : sequence of bytes
        Letters of genomes.
    hidden : mapping
        Hidden bases of the set ``validation``, and of those to be scored.
    """
    found = {part: np.zeros(len(each.at)) for part, each in hidden.items()}
    before = MixedMarkov(one_sided(ORDER)).fit(train).tune(validation)
    for gap in sorted(set(np.concatenate([each.gap for each in hidden.values()]).tolist())):
        models = [before]
        if gap != NOTHING_BEHIND:
            models += [MixedMarkov(offsets).fit(train).tune(validation) for offsets in _across(gap)]
        for long in (False, True):
            logs, chosen = {}, {}
            for part, each in hidden.items():
                chosen[part] = np.flatnonzero((each.gap == gap) & ((each.before >= LONG) == long))
                logs[part] = [
                    np.log2(model.of_contexts(each.contexts(model.offsets, chosen[part]))) for model in models
                ]
            exponents = tuned_exponents(logs["validation"], hidden["validation"].bases[chosen["validation"]])
            for part, rows in chosen.items():
                true = hidden[part].bases[rows]
                found[part][rows] = -np.log2(product(logs[part], exponents)[np.arange(len(true)), true])
    return found


def _across(gap: int) -> list[tuple[int, ...]]:
    """Offsets of the bases behind a gap, and of those on both sides of it in turn, nearest first."""
    behind = tuple(gap + distance for distance in range(1, REACH + 1))
    return [behind, tuple(each for pair in zip(range(-1, -REACH - 1, -1), behind, strict=True) for each in pair)]


def measure(
    tokenizer: DnaTokenizer, genomes: Mapping[str, Mapping[str, bytes]], parts: Sequence[str], seed: int
) -> dict[str, pd.DataFrame]:
    """Score the masks that `bits_per_base.measure` scores a model on, genome by genome.

    Parameters
    ----------
    genomes : mapping
        Letters by name of ``train``, ``validation`` and the `parts` that are scored.

    Returns
    -------
    dict of DataFrame
        By part, indexed by genome: ``nats`` and ``bases`` of the masked tokens.
    """
    hidden = {
        part: hidden_bases(tokenizer, bits_per_base.masked_samples(tokenizer, genomes[part], seed))
        for part in ("validation", *parts)
    }
    train, validation = ([*genomes[part].values()] for part in ("train", "validation"))
    bits = bits_of_bases(train, validation, hidden)
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
