"""Methods without a neural network on held-out genomes: context models, lookups of masked tokens."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from dnakit.chapters.pretraining import lookups, markov
from dnakit.chapters.pretraining.lookups import TokenLookups
from dnakit.chapters.pretraining.shared_words import shared_words
from dnakit.tokens.corpus import Corpus
from dnakit.tokens.parameters import HELD_OUT
from dnakit.tokens.samples import MlmSamples
from dnakit.tokens.vocabulary import PAD

ORDERS = (2, 8, 12)  # of the Markov models shown beside the best
AS_SEEN = ("neighbours", "12 bp")  # lookups that are also scored without the bases that masks hide


def measure(
    corpus: Corpus, genomes: Mapping[str, Mapping[str, bytes]], seed: int
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """What simple methods reach on both held-out sets of a corpus.

    Parameters
    ----------
    corpus : Corpus
        The 9-mer corpus; lookups learn from its training tokens.
    genomes : mapping
        Letters by name of ``train``, ``validation``, ``near`` and ``far``.
    seed : int
        Draws the masks.

    Returns
    -------
    bits : DataFrame
        One row a held-out genome: ``ruler`` (near or far), ``genome``, ``shared_31mers``, and bits per base by method.
    results : dict
        ``best_order``, ``orders`` (validation bits per base by order), and by held-out set ``bits_per_base`` and
        ``masked`` (``top1`` and ``top5`` by lookup).
    """
    train, validation = ([*genomes[part].values()] for part in ("train", "validation"))
    two_sided = markov.TwoSided().fit(train).tune(validation)
    fixed = markov.FixedMarkov()
    fixed.counts = two_sided.before.counts
    fixed.tune(validation)
    known = TokenLookups(corpus.tokenizer).fit(np.split(corpus.ids("train"), corpus.ends("train")[:-1]))
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
        results[part] = {"bits_per_base": bits, "masked": _looked_up(known, corpus, part, seed)}
    return pd.concat(frames), results


def _of_all(by_genome: np.ndarray, genomes: list[bytes]) -> float:
    """Bits per base of all genomes together, from those of each and its known bases."""
    bases = np.array([sum(map(genome.count, b"ACGT")) for genome in genomes])
    return float(np.nansum(by_genome * bases) / bases.sum())


def _looked_up(known: TokenLookups, corpus: Corpus, part: str, seed: int) -> dict[str, dict[str, float]]:
    """Top-1 and top-5 accuracy of each lookup on the masked tokens of a held-out set."""
    seen, true, masked = zip(*_samples(MlmSamples(corpus, part, "static", "all", seed)), strict=True)
    answer = np.concatenate([ids[hidden] for ids, hidden in zip(true, masked, strict=True)])
    best, as_seen = known.predict(true, masked), known.predict(true, masked, seen)
    best |= {f"{name}, as seen": as_seen[name] for name in as_seen if name in AS_SEEN}
    return {
        name: {"top1": lookups.top_accuracy(answer, found, 1), "top5": lookups.top_accuracy(answer, found, 5)}
        for name, found in best.items()
    }


def _samples(samples: MlmSamples) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Seen ids, true ids and masked positions of each sample, without padding."""
    for number in range(len(samples)):
        item = {name: tensor.numpy() for name, tensor in samples[number].items()}
        real = item["input_ids"] != PAD
        true = np.where(item["labels"] >= 0, item["labels"], item["input_ids"])
        yield item["input_ids"][real], true[real], item["masked"][real]
