"""Markov models of DNA and their two-sided peer, which give bits per base without a neural network.

All score held-out genomes in bits per base, ``sum(-log2 p) / bases``, where p is what a model fitted on the training
genomes gives to the base that is there. Every known base (A, C, G, T) is scored, from the first of a genome to its
last. Letters that are no base (N and the IUPAC codes) are not scored, and no context reaches across them or across the
end of a genome. Genomes are read on the strand they are stored on, as lines rather than circles.

A *context* is the bases at a list of offsets from the base predicted, nearest first. The context of order k is the
first k of them: the k bases before (`one_sided`), or those around (`two_sided`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from itertools import islice
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dnakit.data.bases import CODES, UNKNOWN
from dnakit.project import DnakitError

LONGEST_CONTEXT = 26  # as digits of base 5 beside one base, what an unsigned integer of 64 bits holds
BLOCK_BASES = 1 << 21  # held-out bases scored at a time, so that memory does not grow with the genomes
TUNING_BASES = 1 << 18  # tuning looks at every n-th known base, n the genomes' letters over this, rounded up
PSEUDO_COUNTS = 2.0 ** np.arange(-8, 5)  # what a fixed order may add to each count
WEIGHTS = 2.0 ** np.arange(-2, 17)  # what a mixed order may weigh the order below, in counts
EXPONENTS = np.arange(31) / 20  # of the factors of a product of models
SWEEPS = 10  # of the coordinate search, at most
NO_GAIN = 1e-4  # bits per base; a sweep that gains less is the last

Floats = NDArray[np.float64]


def one_sided(order: int = 16) -> tuple[int, ...]:
    """Offsets of the `order` bases before: -1, -2, … (a Markov model)."""
    return tuple(range(-1, -order - 1, -1))


def two_sided(reach: int = 12, gap: int = 0) -> tuple[int, ...]:
    """Offsets of `reach` bases on each side, nearest first: -1, 1, -2, 2, …; behind, a gap of so many is left out."""
    return tuple(offset for distance in range(1, reach + 1) for offset in (-distance, gap + distance))


class ContextCounts:
    """How often each base stood in each context of the training genomes, for the contexts of every order at once.

    Contexts are numbers of base 5 (0 unknown, 1 to 4 a base), the nearest base first, sorted: the occurrences of a
    shorter context lie side by side, and running totals give their counts in two look-ups.
    """

    def __init__(self, genomes: Sequence[bytes], offsets: Sequence[int]) -> None:
        if not 1 <= len(offsets) <= LONGEST_CONTEXT:
            raise DnakitError(f"a context has {len(offsets)} bases: choose 1 to {LONGEST_CONTEXT}")
        self.offsets = tuple(offsets)
        contexts, bases, _ = contexts_of(genomes, self.offsets)
        if not len(bases):
            raise DnakitError("the training genomes hold no known bases: give sequences of A, C, G and T")
        contexts *= np.uint64(4)
        contexts += bases
        contexts.sort()
        last = np.flatnonzero(np.append(contexts[1:] != contexts[:-1], True))
        counts, contexts = np.diff(last, prepend=-1), contexts[last]
        bases = (contexts & np.uint64(3)).astype(np.uint8)
        contexts >>= np.uint64(2)
        new = np.append(True, contexts[1:] != contexts[:-1])
        self.totals = np.zeros((1 + int(new.sum()), 4), np.uint32)
        self.totals[np.cumsum(new), bases] = counts
        np.cumsum(self.totals, axis=0, out=self.totals)
        self.contexts = contexts[new]

    def levels(
        self, contexts: NDArray[np.uint64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], Floats]]:
        """Training counts in the contexts of order 0, 1, … that sorted full contexts (`contexts_of`) begin with.

        Yields
        ------
        rows : np.ndarray of int
            Numbers of the contexts that were seen at this order; all others count 0 here and at every higher order.
        first, size : np.ndarray of int, shape (groups,)
            Rows that are the same at this order follow each other: the number of the first, and how many.
        counts : np.ndarray of float, shape (groups, 4)
            Occurrences with A, C, G and T.
        """
        rows = np.arange(len(contexts))
        for order in range(len(self.offsets) + 1):
            unit = np.uint64(5 ** (len(self.offsets) - order))
            prefix = contexts[rows] // unit
            first = np.flatnonzero(np.append(True, prefix[1:] != prefix[:-1])[: len(rows)])
            size, start = np.diff(first, append=len(rows)), prefix[first] * unit
            begin, end = np.searchsorted(self.contexts, start), np.searchsorted(self.contexts, start + unit)
            seen = (end > begin) & ((order == 0) | (prefix[first] % np.uint64(5) > 0))
            rows, first, size = rows[np.repeat(seen, size)], rows[first[seen]], size[seen]
            yield rows, first, size, (self.totals[end[seen]] - self.totals[begin[seen]]).astype(np.float64)


def contexts_of(
    genomes: Sequence[bytes], offsets: Sequence[int]
) -> tuple[NDArray[np.uint64], NDArray[np.uint8], NDArray[np.int64]]:
    """Full context (see `ContextCounts`), base (0 to 3) and genome number of every known base, in order."""
    reach = max(abs(offset) for offset in offsets)
    pieces = [np.zeros(reach, np.uint8)]
    for genome in genomes:
        codes = CODES[np.frombuffer(genome, np.uint8)]
        pieces += [np.where(codes == UNKNOWN, 0, codes + 1).astype(np.uint8), np.zeros(1, np.uint8)]
    digits = np.concatenate([*pieces, np.zeros(reach, np.uint8)])
    at = reach + np.flatnonzero(digits[reach : len(digits) - reach])
    contexts = as_numbers((digits[at + offset] for offset in offsets), len(at))
    ends = reach + np.cumsum([len(genome) + 1 for genome in genomes])
    return contexts, digits[at] - np.uint8(1), np.searchsorted(ends, at, side="right")


def as_numbers(digits: Iterable[NDArray[np.uint8]], count: int) -> NDArray[np.uint64]:
    """So many contexts as numbers, from the digits of all at one offset after the other, the nearest first."""
    contexts = np.zeros(count, np.uint64)
    for each in digits:
        contexts *= np.uint64(5)
        contexts += each
    return contexts


class _Model:
    """What all models share: scoring genomes with the probabilities of the four bases at each known base."""

    def bits_by_genome(self, held_out: Sequence[bytes]) -> Floats:
        """Bits per base of each genome, shape (genomes,); NaN for one without known bases."""
        bits, bases = self._scores(held_out)
        return np.divide(bits, bases, out=np.full(len(bits), np.nan), where=bases > 0)

    def bits_per_base(self, held_out: Sequence[bytes]) -> float:
        """Bits of all known bases of all genomes over their number; NaN if there are none."""
        bits, bases = self._scores(held_out)
        return float(bits.sum() / bases.sum()) if bases.any() else float("nan")

    def probabilities(self, genomes: Sequence[bytes], every: int = 1) -> Floats:
        """Probabilities of A, C, G, T at every n-th known base of the genomes, in order, shape (bases, 4)."""
        raise NotImplementedError

    def _scores(self, genomes: Sequence[bytes]) -> tuple[Floats, NDArray[np.int64]]:
        """Bits and known bases of each genome."""
        bits, bases = np.zeros(len(genomes)), np.zeros(len(genomes), np.int64)
        for numbers in _blocks(genomes):
            block = [genomes[number] for number in numbers]
            _, true, genome = contexts_of(block, (-1,))
            cost = -np.log2(self.probabilities(block)[np.arange(len(true)), true])
            bits[numbers] = np.bincount(genome, cost, len(numbers))
            bases[numbers] = np.bincount(genome, minlength=len(numbers))
        return bits, bases


class _ContextModel(_Model):
    """A model whose probabilities depend on one context."""

    counts: ContextCounts

    def __init__(self, offsets: Sequence[int]) -> None:
        self.offsets = tuple(offsets)

    def fit(self, train: Sequence[bytes]) -> Self:
        """Count the contexts of the training genomes; models of the same offsets may share the `counts`."""
        self.counts = ContextCounts(train, self.offsets)
        return self

    def probabilities(self, genomes: Sequence[bytes], every: int = 1) -> Floats:
        """Probabilities of A, C, G, T at every n-th known base of the genomes, in order, shape (bases, 4)."""
        return self.of_contexts(contexts_of(genomes, self.offsets)[0][::every])

    def of_contexts(self, contexts: NDArray[np.uint64]) -> Floats:
        """Probabilities of A, C, G, T in full contexts (see `ContextCounts`), shape (contexts, 4)."""
        order = np.argsort(contexts)
        probabilities = np.empty((len(contexts), 4))
        probabilities[order] = self._distributions(contexts[order])
        return probabilities

    def _distributions(self, contexts: NDArray[np.uint64]) -> Floats:
        """Probabilities for sorted full contexts, shape (contexts, 4)."""
        raise NotImplementedError


class FixedMarkov(_ContextModel):
    """One order, additive smoothing: ``p = (c + a) / (n + 4 a)``.

    c counts the base and n all bases in the context; where the context is unseen, cut short by an unknown letter or by
    the end of the genome, that is 1/4. `tune` chooses order and a, from `orders` and `PSEUDO_COUNTS`.
    """

    order: int
    pseudo_count: float

    def __init__(self, orders: Sequence[int] = range(17)) -> None:
        super().__init__(one_sided(max(1, *orders)))
        self.orders = tuple(orders)

    def tune(self, validation: Sequence[bytes]) -> Self:
        """Choose order and pseudo-count of fewest bits; `validation_bits` keeps each order's bits and pseudo-count."""
        sample = _TuningSample(self.counts, validation)
        right, seen = sample.right, sample.seen
        self.validation_bits = {
            order: min((_mean_bits((right[order] + a) / (seen[order] + 4 * a)), float(a)) for a in PSEUDO_COUNTS)
            for order in self.orders
        }
        self.order = min(self.orders, key=lambda order: self.validation_bits[order])
        self.pseudo_count = self.validation_bits[self.order][1]
        return self

    def of_order(self, order: int) -> "FixedMarkov":
        """The same counts at another of the tuned orders, with its own pseudo-count."""
        other = copy(self)
        other.order, other.pseudo_count = order, self.validation_bits[order][1]
        return other

    def _distributions(self, contexts: NDArray[np.uint64]) -> Floats:
        rows, _, size, counts = next(islice(self.counts.levels(contexts), self.order, None))
        smoothed = (counts + self.pseudo_count) / (counts.sum(1, keepdims=True) + 4 * self.pseudo_count)
        probabilities = np.full((len(contexts), 4), 0.25)
        probabilities[rows] = np.repeat(smoothed, size, axis=0)
        return probabilities


class MixedMarkov(_ContextModel):
    """All orders mixed, each weighed against the one below: ``p_k = (c_k + a p_(k-1)) / (n_k + a)``, ``p_(-1) = 1/4``.

    c_k counts the base and n_k all bases in the context of order k; where that is unseen, cut short by an unknown
    letter or by the end of the genome, p_k is p_(k-1). The weight a belongs to the order and to how many of the four
    bases were seen in the context (as in Witten and Bell's smoothing: a context that was always followed by the same
    base is trusted sooner). `tune` chooses the weights among `WEIGHTS`, by coordinate search from 16. With offsets that
    are `one_sided` this is a Markov model.
    """

    def __init__(self, offsets: Sequence[int]) -> None:
        super().__init__(offsets)
        self.weights = np.full((len(self.offsets) + 1, 4), 16.0)

    def tune(self, validation: Sequence[bytes]) -> Self:
        """Choose the weights of fewest bits per base, one after the other, until a sweep gains next to nothing."""
        sample = _TuningSample(self.counts, validation)
        _descend(lambda: self._sweep(sample))
        return self

    def _distributions(self, contexts: NDArray[np.uint64]) -> Floats:
        mixed = np.full((len(contexts), 4), 0.25)
        for weights, (rows, first, size, counts) in zip(self.weights, self.counts.levels(contexts), strict=True):
            weight = weights[_kinds(counts)][:, None]
            here = (counts + weight * mixed[first]) / (counts.sum(1, keepdims=True) + weight)
            mixed[rows] = np.repeat(here, size, axis=0)
        return mixed

    def _sweep(self, sample: "_TuningSample") -> float:
        """Choose each weight once, from order 0 up; the bits per base at the end.

        The probability at the top is linear in that of order k: ``offset + slope p_k``, both of orders above k.
        """
        size = len(sample.right[0])
        slopes, offsets = [np.ones(size)], [np.zeros(size)]
        for order in range(len(self.offsets), 0, -1):
            right, seen, weight = sample.right[order], sample.seen[order], self._weight(sample, order)
            offsets.append(offsets[-1] + slopes[-1] * right / (seen + weight))
            slopes.append(slopes[-1] * weight / (seen + weight))
        below = np.full(size, 0.25)
        for order in range(len(self.offsets) + 1):
            slope, offset = slopes.pop(), offsets.pop()
            right, seen = sample.right[order], sample.seen[order]
            for kind in range(4):
                chosen = np.flatnonzero((sample.kinds[order] == kind) & (seen > 0))
                if len(chosen):
                    parts = [values[chosen] for values in (right, seen, below, slope, offset)]
                    self.weights[order, kind] = _best_weight(*parts)
            weight = self._weight(sample, order)
            below = (right + weight * below) / (seen + weight)
        return _mean_bits(below)

    def _weight(self, sample: "_TuningSample", order: int) -> Floats:
        return self.weights[order][sample.kinds[order]]


def _best_weight(right: Floats, seen: Floats, below: Floats, slope: Floats, offset: Floats) -> float:
    """The weight of one order that gives these bases the highest likelihood at the top, the others as they are."""
    gains = [np.log2(offset + slope * (right + weight * below) / (seen + weight)).sum() for weight in WEIGHTS]
    return float(WEIGHTS[int(np.argmax(gains))])


class _TuningSample:
    """Training counts around some known bases of the validation genomes, at each order.

    ``right[k]`` counts the base that is there, ``seen[k]`` all bases, ``kinds[k]`` is one less than the bases seen.
    """

    def __init__(self, counts: ContextCounts, genomes: Sequence[bytes]) -> None:
        contexts, bases, _ = contexts_of(genomes, counts.offsets)
        every = _every(genomes)
        order = np.argsort(contexts[::every])
        contexts, bases = contexts[::every][order], bases[::every][order]
        if not len(bases):
            raise DnakitError("the validation genomes hold no known bases: give sequences of A, C, G and T")
        self.right, self.seen = np.zeros((2, len(counts.offsets) + 1, len(bases)))
        self.kinds = np.zeros(self.seen.shape, np.uint8)
        for level, (rows, _, size, found) in enumerate(counts.levels(contexts)):
            self.right[level, rows] = found[np.repeat(np.arange(len(found)), size), bases[rows]]
            self.seen[level, rows] = np.repeat(found.sum(1), size)
            self.kinds[level, rows] = np.repeat(_kinds(found), size)


def _every(genomes: Sequence[bytes]) -> int:
    return max(1, -(-sum(map(len, genomes)) // TUNING_BASES))


class TwoSided(_Model):
    """A base from all other bases, on both its sides.

    Three `MixedMarkov` models, of the `order` bases `before`, of the `order` bases after and of the `reach` bases on
    both sides (growing in turn: -1, 1, -2, 2, …), are multiplied: ``p ~ before**u * after**v * around**w``, scaled to
    sum to 1 over the four bases. `tune` chooses the exponents among `EXPONENTS`, by coordinate search from 1/2.

    Its bits are a pseudo-likelihood, each base being predicted from all others: no code length, and no bound on one.
    It sees every neighbour, where a masked language model has 15% of them hidden and must predict whole tokens:
    `as_seen` is what such a model is compared with.
    """

    def __init__(self, order: int = 16, reach: int = 12) -> None:
        self.before = MixedMarkov(one_sided(order))
        self.after = MixedMarkov(tuple(-offset for offset in one_sided(order)))
        self.around = MixedMarkov(two_sided(reach))
        self._models = (self.before, self.after, self.around)
        self.exponents = np.full(len(self._models), 0.5)

    def fit(self, train: Sequence[bytes]) -> Self:
        """Count the contexts of the training genomes."""
        for model in self._models:
            model.fit(train)
        return self

    def tune(self, validation: Sequence[bytes]) -> Self:
        """Tune the three models, then their exponents, for the fewest bits per base."""
        for model in self._models:
            model.tune(validation)
        every = _every(validation)
        logs = [np.log2(model.probabilities(validation, every)) for model in self._models]
        true = contexts_of(validation, (-1,))[1][::every]
        self.exponents = tuned_exponents(logs, true)
        return self

    def probabilities(self, genomes: Sequence[bytes], every: int = 1) -> Floats:
        """Probabilities of A, C, G, T at every n-th known base of the genomes, in order, shape (bases, 4)."""
        return product([np.log2(model.probabilities(genomes, every)) for model in self._models], self.exponents)


def tuned_exponents(logs: Sequence[Floats], true: NDArray[np.uint8]) -> Floats:
    """The exponents of a `product` that give these bases the fewest bits, by coordinate search from 1/2.

    Parameters
    ----------
    logs : sequence of np.ndarray, shape (bases, 4)
        log2 of the probabilities of each model.
    true : np.ndarray of int, shape (bases,)
        The bases that are there, 0 to 3.
    """
    exponents = np.full(len(logs), 0.5)

    def choose(number: int) -> float:
        costs = []
        for exponent in EXPONENTS:
            exponents[number] = exponent
            costs.append(_mean_bits(product(logs, exponents)[np.arange(len(true)), true]))
        exponents[number] = EXPONENTS[int(np.argmin(costs))]
        return min(costs)

    if len(true):
        _descend(lambda: min(choose(number) for number in range(len(logs))))
    return exponents


def _descend(sweep: Callable[[], float]) -> None:
    """Repeat a sweep of a coordinate search until it gains next to nothing."""
    best = np.inf
    for _ in range(SWEEPS):
        before, best = best, sweep()
        if before - best < NO_GAIN:
            break


def product(logs: Sequence[Floats], exponents: Floats) -> Floats:
    """The product of models, each to its exponent, scaled to sum to 1 over the four bases; shape (bases, 4)."""
    found = np.exp2(sum(exponent * log for exponent, log in zip(exponents, logs, strict=True)))
    return found / found.sum(1, keepdims=True)


def _mean_bits(probabilities: Floats) -> float:
    return float(-np.log2(probabilities).mean())


def _kinds(counts: Floats) -> NDArray[np.uint8]:
    return np.maximum(np.count_nonzero(counts, axis=1) - 1, 0).astype(np.uint8)


def _blocks(genomes: Sequence[bytes]) -> Iterator[list[int]]:
    """Numbers of successive genomes, about `BLOCK_BASES` together."""
    block = np.cumsum([0] + [len(genome) for genome in genomes])[:-1] // BLOCK_BASES
    for number in np.unique(block):
        yield np.flatnonzero(block == number).tolist()
