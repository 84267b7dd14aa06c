"""What a split after resampling gives away: a model on new passes over training genomes, and on genomes split before.

The frequencies of tokens, learned from the training genomes, are scored on the same masks. They have no memory of a
genome, so what they lose from one part to the other is not the leak.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import default_collate

from dnakit.chapters.pretraining import bits_per_base, intervals
from dnakit.chapters.pretraining.segmentation import Segmentation
from dnakit.models.build import load
from dnakit.tokens.corpus import Corpus
from dnakit.tokens.rows import joined
from dnakit.tokens.samples import IGNORED, MlmSamples

SUMS = ["nats", "nats_by_frequency", "bases", "masked", "right"]


def by_genome(
    folder: Path, corpus: Corpus, train: MlmSamples, samples: Mapping[str, MlmSamples], precision: str
) -> pd.DataFrame:
    """Score the masked tokens of samples with a saved model and with frequencies alone, genome by genome.

    Parameters
    ----------
    folder
        Of the model.
    train
        What frequencies are counted in.
    samples
        By part, of the corpus's training genomes or another of its parts.

    Returns
    -------
    DataFrame
        ``part``, ``genome``, and by genome sums over masked tokens: ``nats`` and ``nats_by_frequency`` (-ln p),
        ``bases`` (what they cover), ``masked`` (their number) and ``right``.
    """
    model, lengths = load(folder), corpus.tokenizer.token_lengths()
    known = Segmentation(corpus.tokenizer).fit([joined(train.token_ids.take(train.rows))])
    frames = []
    for part, each in samples.items():
        split = part if part in corpus.genomes else "train"
        genomes = np.asarray(corpus.dataset[split].data.column("genome").to_numpy())[each.rows]
        sums = []
        for batch in _batches(each):
            seen, labels, masked = (batch[name] for name in ("input_ids", "labels", "masked"))
            true = torch.where(labels == IGNORED, seen, labels)
            nats, rank = bits_per_base.score(model, seen, true, precision)
            truth = true[masked].numpy()
            alone = known.predict(seen.numpy().ravel(), true.numpy().ravel())[0]
            columns = [nats, alone, lengths[truth], np.ones(len(nats)), rank == 0]
            of_sample = np.zeros((len(seen), len(SUMS)))
            np.add.at(of_sample, np.repeat(np.arange(len(seen)), masked.sum(1).numpy()), np.stack(columns, axis=1))
            sums.append(of_sample)
        table = pd.DataFrame(np.concatenate(sums), columns=SUMS).groupby(genomes).sum()
        frames.append(table.rename_axis("genome").reset_index().assign(part=part))
    found = pd.concat(frames)[["part", "genome", *SUMS]]
    return found.astype(dict.fromkeys(SUMS[2:], int)).round(3)


def summarise(table: pd.DataFrame, seen: str, unseen: str) -> dict[str, Any]:
    """What the model gained over frequencies, in nats per masked token, on two parts, and how they differ.

    Parameters
    ----------
    table
        As of `by_genome`.
    seen, unseen
        The parts: other passes over genomes that were trained on, and genomes that were not.

    Returns
    -------
    dict
        ``gained`` by part, ``nats`` (the first minus the second) and ``nats_interval``, for which the genomes of either
        part are drawn anew with replacement.
    """
    gains = {part: _gains(table[table.part == part]) for part in (seen, unseen)}
    apart = gains[seen] - gains[unseen]
    around = intervals.interval(float(apart[0]), apart[1:])
    return {
        "gained": {part: float(each[0]) for part, each in gains.items()},
        "nats": around.value,
        "nats_interval": [around.low, around.high],
    }


def _gains(rows: pd.DataFrame) -> np.ndarray:
    """What the model gained on all genomes of a part, then on each resample of them."""
    sums = np.stack([rows.nats_by_frequency - rows.nats, rows.masked], axis=1)
    rng = np.random.default_rng([intervals.SEED, len(rows)])
    drawn = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), intervals.RESAMPLES)
    nats, masked = np.vstack([np.ones(len(rows), int), drawn]).dot(sums).T
    return nats / masked


def _batches(samples: MlmSamples) -> Iterator[dict[str, Any]]:
    for start in range(0, len(samples), bits_per_base.BATCH):
        numbers = range(start, min(start + bits_per_base.BATCH, len(samples)))
        yield default_collate([samples[number] for number in numbers])
