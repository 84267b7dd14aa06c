"""Bits per base of a masked language model: the bits of the masked tokens, divided by the bases that they cover.

A perplexity is per token, and tokens of different vocabularies cover different numbers of bases. Bits are the negative
log-likelihoods (base 2) of the true tokens, added up over the positions that show ``<mask>``. Every model sees the same
genomes, in samples like those of training. The probability is the plain softmax over the whole vocabulary, so that a
model pays for what it gives to special tokens. Tokens of unknown bases are never masked.

Vocabularies still do not compare fairly. The visible tokens of a k-mer word tell a model where a masked token begins
and how long it is, and in a large vocabulary that alone says much about its bases. `segmentation` measures how much.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from dnakit import metrics
from dnakit.models import device
from dnakit.tokens.rows import sample_bounds
from dnakit.tokens.samples import framed_each, mask_tokens
from dnakit.tokens.tokenizer import DnaTokenizer
from dnakit.tokens.vocabulary import MASK, PAD

BATCH = 16  # samples; their masked positions, about 500, times the vocabulary are the logits held at a time
TOP = 5
SUMS = ["nats", "bases", "masked", "right", "right_top5"]


def measure(
    model: PreTrainedModel,
    tokenizer: DnaTokenizer,
    genomes: Mapping[str, bytes],
    seed: int,
    passes: int = 1,
    precision: str = "auto",
) -> pd.DataFrame:
    """Score the masked tokens of genomes with a model, genome by genome.

    A genome is cut into tokens from its first base on (where words are of random length, as one word) and these into
    samples of 254. The masks of a sample depend on nothing but the seed, the genome's name, the pass and its number.

    Parameters
    ----------
    model : PreTrainedModel
        A masked language model; it is moved to the GPU if there is one.
    tokenizer : DnaTokenizer
        The one it was trained with.
    genomes : mapping of str to bytes
        Letters by name.
    passes : int
        How often masks are drawn: each masks 12% of the tokens, and their mean has less noise.
    precision : {"auto", "fp32", "bf16"}
        Of the encoder, as in training; the output layer and the sums are in float32 and float64.

    Returns
    -------
    DataFrame
        Indexed by genome: ``nats`` (sum of -ln p of the masked tokens), ``bases`` (what these cover), ``masked``
        (their number), ``right`` and ``right_top5`` (how many were predicted, first or among the first five).
    """
    lengths = tokenizer.token_lengths()
    sums = np.zeros((len(genomes), len(SUMS)))
    samples = masked_samples(tokenizer, genomes, seed, passes)
    while batch := list(islice(samples, BATCH)):
        numbers, seen, true = (np.stack(each) for each in zip(*batch, strict=True))
        masked = seen == MASK
        nats, rank = score(model, torch.from_numpy(seen), torch.from_numpy(true), precision)
        columns = [nats, lengths[true[masked]], np.ones(len(nats)), rank == 0, rank < TOP]
        np.add.at(sums, np.repeat(numbers, masked.sum(1)), np.stack(columns, axis=1))
    frame = pd.DataFrame(sums, pd.Index(genomes, name="genome"), SUMS)
    return frame.astype(dict.fromkeys(SUMS[1:], int))


def summarise(sums: pd.DataFrame) -> dict[str, float]:
    """Bits per base, and loss (nats), accuracy and top-5 accuracy over masked tokens, of all genomes of `measure`."""
    total = sums.sum()
    return {
        "bits_per_base": metrics.bits_per_base(-total.nats, total.bases),
        "masked_loss": float(total.nats / total.masked) if total.masked else float("nan"),
        "masked_accuracy": float(total.right / total.masked) if total.masked else float("nan"),
        "masked_top5": float(total.right_top5 / total.masked) if total.masked else float("nan"),
    }


def score(model: Any, seen: Tensor, true: Tensor, precision: str) -> tuple[np.ndarray, np.ndarray]:
    """-ln p of the true token at each ``<mask>`` of a batch, and how many tokens the model ranks before it.

    Parameters
    ----------
    seen, true : Tensor of int, shape (samples, length)
        Token ids with and without masks.

    Returns
    -------
    nats : np.ndarray of float64, shape (masked,)
    rank : np.ndarray of int, shape (masked,)
        0 where the true token is the likeliest; of equally likely tokens the one with the lower id comes first.
    """
    where = device.ready(model)
    needed = (seen == MASK).flatten().nonzero().squeeze(1)
    truth = true.flatten()[needed].to(where)
    seen = seen.to(where)
    with torch.inference_mode():
        with device.autocast(where, precision):
            hidden = model.encode(seen, (seen != PAD).long(), None, needed.to(where))
        logits = model.lm_head(hidden.float())
        nats = F.cross_entropy(logits, truth, reduction="none")
        own = logits.gather(1, truth[:, None])
        before = torch.arange(logits.shape[1], device=where) < truth[:, None]
        rank = ((logits > own) | ((logits == own) & before)).sum(1, dtype=torch.int32)
    return nats.double().cpu().numpy(), rank.cpu().numpy()


def frames(ids: np.ndarray) -> np.ndarray:
    """All samples of one genome's token ids: ``<cls>``, up to 254 tokens, ``<sep>``, padding; int64, (samples, 256)."""
    return framed_each([ids[start:end] for start, end in sample_bounds(np.array([len(ids)]))])


def masked_samples(
    tokenizer: DnaTokenizer, genomes: Mapping[str, bytes], seed: int, passes: int = 1
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Number of the genome, what a model sees and what is true, sample by sample: the draw that `measure` scores."""
    for number, (name, sequence) in enumerate(genomes.items()):
        samples = frames(tokenizer.encode_sequence(sequence))
        for turn in range(passes):
            for place, true in enumerate(samples):
                rng = np.random.default_rng([seed, crc32(name.encode()), turn, place])
                yield number, mask_tokens(true, len(tokenizer), rng)[0], true
