"""Methods without a neural network on held-out genomes: context models, lookups of masked tokens."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dnakit.chapters.pretraining import bits_per_base, lookups, markov
from dnakit.chapters.pretraining.measurement import of_parts
from dnakit.chapters.pretraining.shared_words import shared_words
from dnakit.tokens.corpus import Corpus
from dnakit.tokens.parameters import HELD_OUT
from dnakit.tokens.vocabulary import MASK, PAD

ORDERS = (2, 8, 12)  # of the Markov models shown beside the best
AS_SEEN = ("neighbours", "12 bp")  # lookups that are also scored without the bases that masks hide
WITHIN_FIVE = ", top 5"  # ends the column of what a lookup names within five guesses


def measure(genomes: Mapping[str, Mapping[str, bytes]]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """What context models reach on both held-out sets of a corpus.

    Parameters
    ----------
    genomes : mapping
        Letters by name of ``train``, ``validation``, ``near`` and ``far``.

    Returns
    -------
    bits : DataFrame
        One row a held-out genome: ``ruler`` (near or far), ``genome``, ``shared_31mers``, and bits per base by method.
    results : dict
        ``best_order``, ``orders`` (validation bits per base by order), and by held-out set ``bits_per_base``.
    """
    train, validation = ([*genomes[part].values()] for part in ("train", "validation"))
    two_sided = markov.TwoSided().fit(train).tune(validation)
    fixed = markov.FixedMarkov()
    fixed.counts = two_sided.before.counts
    fixed.tune(validation)
    orders = {str(order): bits for order, (bits, _) in fixed.validation_bits.items()}
    results: dict[str, Any] = {"best_order": fixed.order, "orders": orders}
    frames = []
    for part in HELD_OUT:
        held_out = [*genomes[part].values()]
        by_genome = {
            "mixed orders": two_sided.before.bits_by_genome(held_out),
            "two-sided": two_sided.bits_by_genome(held_out),
        }
        shared = {"shared_31mers": shared_words(train, held_out)}
        frames.append(pd.DataFrame({"ruler": part, "genome": list(genomes[part])} | shared | by_genome))
        bits = {f"order {order}": fixed.of_order(order).bits_per_base(held_out) for order in ORDERS}
        bits |= {"best order": fixed.bits_per_base(held_out)}
        bits |= {method: _of_all(each, held_out) for method, each in by_genome.items()}
        results[part] = {"bits_per_base": bits}
    return pd.concat(frames), results


def _of_all(by_genome: np.ndarray, genomes: list[bytes]) -> float:
    """Bits per base of all genomes together, from those of each and its known bases."""
    bases = np.array([sum(map(genome.count, b"ACGT")) for genome in genomes])
    return float(np.nansum(by_genome * bases) / bases.sum())


def look_up(
    corpus: Corpus, genomes: Mapping[str, Mapping[str, bytes]], seed: int
) -> tuple[pd.DataFrame, dict[str, dict[str, dict[str, float]]]]:
    """How many masked tokens of both held-out sets each lookup names, on the masks that models are scored on.

    Parameters
    ----------
    corpus : Corpus
        The 9-mer corpus; lookups learn from its training tokens.
    genomes : mapping
        Letters by name of ``near`` and ``far``.
    seed : int
        Draws the masks (see `bits_per_base.masked_samples`).

    Returns
    -------
    counts : DataFrame
        One row a held-out genome: ``ruler``, ``genome``, ``masked`` tokens, and by lookup those that it names right at
        the first guess (``12 bp``) and within five (``12 bp, top 5``).
    results : dict
        By held-out set and lookup ``top1`` and ``top5``, shares of the masked tokens.
    """
    known = lookups.TokenLookups(corpus.tokenizer).fit(corpus.ids_by_document("train"))
    found = {part: _looked_up(known, corpus, genomes[part], seed) for part in HELD_OUT}
    results = {}
    for part, counts in found.items():
        share = counts.sum() / counts.masked.sum()
        results[part] = {
            name: {"top1": float(share[name]), "top5": float(share[f"{name}{WITHIN_FIVE}"])}
            for name in counts.columns.drop("masked")
            if not name.endswith(WITHIN_FIVE)
        }
    return of_parts(found), results


def _looked_up(known: lookups.TokenLookups, corpus: Corpus, genomes: Mapping[str, bytes], seed: int) -> pd.DataFrame:
    """The counts of `look_up` of one held-out set, by genome."""
    samples = [
        (number, shown[true != PAD], true[true != PAD])
        for number, shown, true in bits_per_base.masked_samples(corpus.tokenizer, genomes, seed)
    ]
    numbers, shown, true = zip(*samples, strict=True)
    masked = [each == MASK for each in shown]
    best, as_seen = known.predict(true, masked), known.predict(true, masked, shown)
    best |= {f"{name}, as seen": as_seen[name] for name in as_seen if name in AS_SEEN}
    answer = np.concatenate([ids[hidden] for ids, hidden in zip(true, masked, strict=True)])[:, None]
    counted = {"masked": np.ones(len(answer), int)}
    for name, found in best.items():
        counted |= {name: found[:, 0] == answer[:, 0], f"{name}{WITHIN_FIVE}": (found == answer).any(1)}
    genome = np.repeat([*genomes], np.bincount(numbers, [each.sum() for each in masked]).astype(int))
    return pd.DataFrame(counted).groupby(pd.Index(genome, name="genome"), sort=False).sum()
