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

from dnakit.chapters.pretraining import bits_per_base
from dnakit.chapters.pretraining.segmentation import Segmentation
from dnakit.models.build import load
from dnakit.tokens.corpus import Corpus
from dnakit.tokens.samples import IGNORED, MlmSamples

SUMS = ["nats", "nats_by_frequency", "bases", "masked", "right"]


def by_genome(folder: Path, corpus: Corpus, samples: Mapping[str, MlmSamples], precision: str) -> pd.DataFrame:
    """Score the masked tokens of samples with a saved model and with frequencies alone, genome by genome.

    Parameters
    ----------
    folder
        Of the model.
    samples
        By part, of the corpus's training genomes or another of its parts.

    Returns
    -------
    DataFrame
        ``part``, ``genome``, and by genome sums over masked tokens: ``nats`` and ``nats_by_frequency`` (-ln p),
        ``bases`` (what they cover), ``masked`` (their number) and ``right``.
    """
    model, lengths = load(folder), corpus.tokenizer.token_lengths()
    known = Segmentation(corpus.tokenizer).fit([corpus.ids("train")])
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


def _batches(samples: MlmSamples) -> Iterator[dict[str, Any]]:
    for start in range(0, len(samples), bits_per_base.BATCH):
        numbers = range(start, min(start + bits_per_base.BATCH, len(samples)))
        yield default_collate([samples[number] for number in numbers])
