"""Training a Longformer to name species from `<cls>` (thesis section 4.2.3): tokens, top-5 accuracy, its errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from dnakit import store, training
from dnakit.chapters.metagenomics import copies, tasks
from dnakit.chapters.metagenomics.copies import PARTS, Copies
from dnakit.chapters.pretraining import starts
from dnakit.data.barcodes import RANKS
from dnakit.models import build, device
from dnakit.run import Outcome
from dnakit.tokens.samples import framed
from dnakit.tokens.tokenizer import DnaTokenizer
from dnakit.tokens.vocabulary import PAD, SAMPLE_LENGTH
from dnakit.tokens.without_words import without_words

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from dnakit.chapters.metagenomics.trainings import Training

SMALL_VOCABULARY = 1_000  # tokens, of which the 12S gene has some 260, as the thesis counts (4.2.3)
WIDTHS = 16  # inputs are as wide as the longest sample, rounded up to a multiple of this
TOP = 5
PREDICTED = 32  # samples at a time; as the trainings evaluate them, so that in bf16 the same answers are counted
QUERIES = 20  # errors of which the first tokens are kept, as examples


class GeneSamples(Dataset):
    """Genes as tokens, padded to one width: ``input_ids``, ``attention_mask`` and ``labels`` (the species)."""

    def __init__(self, tokens: Sequence[np.ndarray], labels: np.ndarray, width: int) -> None:
        self.labels = torch.from_numpy(labels.astype(np.int64))
        self.ids = np.empty((len(tokens), width), np.int32)
        for row, ids in zip(self.ids, tokens, strict=True):
            row[:] = framed([ids[: width - 2]], width)
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        ids = torch.from_numpy(self.ids[number].astype(np.int64))
        return {"input_ids": ids, "attention_mask": (ids != PAD).long(), "labels": self.labels[number]}


def fine_tune(run: Training, folder: Path) -> Outcome:
    """Train in `folder`: ``model/``, ``history.csv`` (one row an epoch), ``errors.csv`` (every wrong test sample)."""
    tokenizer = starts.tokenizer_of(run.start)
    samples = copies.copies(run.parameters, run.seed, run.share)
    data = datasets(samples, tokenizer, run.parameters.words)
    settings = training.TrainingParameters(**run.parameters.training() | {"seed": run.seed})
    results = training.train(
        lambda: counting_top5(run.initial_model(len(samples.genes))),
        data,
        settings,
        summarise,
        folder,
    )
    seconds = results.pop("seconds")
    tokenizer.save_pretrained(folder / "model")
    samples.genes[["name", *RANKS]].to_csv(folder / "classes.csv", index=False)
    model = build.load(folder / "model")
    predicted = predict(model, data["test"], run.parameters.precision)
    errors(samples, data["test"], predicted, tokenizer).to_csv(folder / "errors.csv", index=False)
    return Outcome(results, _record(run, samples, data, seconds))


# ---- tokens


def datasets(samples: Copies, tokenizer: DnaTokenizer, words: str) -> dict[str, GeneSamples]:
    """The samples of each part as tokens."""
    encoded = encode(samples, tokenizer, words)
    longest = max(len(tokens) for tokens in encoded) + 2
    width = min(SAMPLE_LENGTH, -(-longest // WIDTHS) * WIDTHS)
    return {
        part: GeneSamples([encoded[row] for row in samples.rows[part]], samples.labels[samples.rows[part]], width)
        for part in PARTS
    }


def encode(samples: Copies, tokenizer: DnaTokenizer, words: str) -> list[np.ndarray]:
    """Token ids of the genes, cut into words in one of the ways that the thesis leaves open.

    ``gene``: words are counted from the gene's first base. ``genome``: from the genome's, so that a gene begins inside
    a word; where that is, its species decides. ``whole``: the gene is one word. ``small vocabulary``: as ``gene``, with
    the first merges only.
    """
    if words == "genome":
        k = tokenizer.word_length or 1
        phases = [int(tasks.share("phase", name) * k) for name in samples.genes["species"]]
        return [
            np.concatenate([tokenizer.encode_sequence(gene[:phase]), tokenizer.encode_sequence(gene[phase:])])
            for gene, phase in zip(samples.sequences, (phases[label] for label in samples.labels), strict=True)
        ]
    if words == "whole":
        return DnaTokenizer(tokenizer_object=without_words(tokenizer)).encode_sequences(samples.sequences)
    if words == "small vocabulary":
        return first_merges(tokenizer, SMALL_VOCABULARY).encode_sequences(samples.sequences)
    return tokenizer.encode_sequences(samples.sequences)


def first_merges(tokenizer: DnaTokenizer, size: int) -> DnaTokenizer:
    """The tokenizer as it was when it had learned `size` tokens: merges are learned one after the other."""
    import json

    from tokenizers import Tokenizer

    whole = json.loads(tokenizer.backend_tokenizer.to_str())
    model = whole["model"]
    model["vocab"] = {token: number for token, number in model["vocab"].items() if number < size}
    model["merges"] = [pair for pair in model["merges"] if "".join(pair) in model["vocab"]]
    return DnaTokenizer(tokenizer_object=Tokenizer.from_str(json.dumps(whole)))


# ---- metrics


def counting_top5(model: PreTrainedModel) -> PreTrainedModel:
    """The model with a fourth sum in its counts: labels among its five highest scores."""

    def add(_module: Any, _args: Any, given: dict[str, Any], output: Any) -> Any:
        if output.counts is not None:
            top = output.logits.topk(min(TOP, output.logits.shape[-1]), dim=-1).indices
            right = (top == given["labels"][:, None]).any(1).sum().to(output.counts.dtype)
            output.counts = torch.cat([output.counts, right.reshape(1, 1)], dim=1)
        return output

    model.register_forward_hook(add, with_kwargs=True)
    return model


def summarise(counts: np.ndarray) -> dict[str, float]:
    """Metrics from a model's four sums: nats, samples, hits, hits among five."""
    nats, samples, right, among = counts
    return {"loss": float(nats / samples), "top1": float(right / samples), "top5": float(among / samples)}


def predict(model: PreTrainedModel, samples: GeneSamples, precision: str) -> np.ndarray:
    """The species of the highest score of each sample, shape (samples,)."""
    return scores(model, samples, precision).argmax(1)


def scores(model: PreTrainedModel, samples: GeneSamples, precision: str) -> np.ndarray:
    """The score of each species (a logarithm of its probability, but for a constant), shape (samples, species)."""
    where, found = device.ready(model), []
    with torch.no_grad(), device.autocast(where, precision):
        for start in range(0, len(samples), PREDICTED):
            ids = torch.from_numpy(samples.ids[start : start + PREDICTED].astype(np.int64)).to(where)
            found.append(model(ids, attention_mask=(ids != PAD).long()).logits.float().cpu().numpy())
    return np.concatenate(found)


def errors(samples: Copies, test: GeneSamples, predicted: np.ndarray, tokenizer: DnaTokenizer) -> pd.DataFrame:
    """Every wrong test sample: true and predicted species, the lowest rank they share; of the first ones the query."""
    rows: list[dict[str, Any]] = []
    for row in np.flatnonzero(predicted != test.labels.numpy()).tolist():
        true, found = (samples.genes.iloc[int(label)] for label in (test.labels[row], predicted[row]))
        shown = test.ids[row, 1:9].tolist() if len(rows) < QUERIES else []
        query = " ".join(["<cls>", *tokenizer.convert_ids_to_tokens(shown)]) if shown else ""
        named = {"query": query, "true": true["species"], "predicted": found["species"]}
        rows.append({"sample": row} | named | {"shared": lowest_shared(true, found)})
    return pd.DataFrame(rows, columns=["sample", "query", "true", "predicted", "shared"])


def lowest_shared(one: pd.Series, other: pd.Series) -> str:
    """The lowest rank whose name two records share; ``none`` where they share none."""
    return next((rank for rank in RANKS[::-1] if one[rank] and one[rank] == other[rank]), "none")


def _record(run: Training, samples: Copies, data: dict[str, GeneSamples], seconds: float) -> dict[str, Any]:
    about, start = run.reference.record(), store.read_json(run.start.folder() / "run.json")
    tokens = (data["test"].ids != PAD).sum(1) - 2
    return about | {
        "simulated": about["simulated"] or start["simulated"],
        "parameters": run.settings,
        "pretrained": run.pretrained,
        "classes": len(samples.genes),
        "samples": {part: len(each) for part, each in data.items()},
        "tokens": _extent(tokens),
        "bases": _extent(samples.genes["sequence"].map(len).to_numpy()),
        "seconds": seconds,
        "device": device.in_words(),
        "computed_in": device.resolved(run.parameters.precision),
    }


def _extent(sizes: np.ndarray) -> dict[str, float]:
    return {"mean": float(sizes.mean()), "least": int(sizes.min()), "most": int(sizes.max())}
