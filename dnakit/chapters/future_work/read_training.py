"""Training a Longformer to name the species of a read, with the quality of its tokens beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset, Subset

from dnakit import training
from dnakit.chapters.future_work.parameters import WORD
from dnakit.chapters.future_work.read_methods import as_string
from dnakit.chapters.future_work.reads import Reads, Task, task, token_quality
from dnakit.data.bases import letters
from dnakit.metrics import loss_and_accuracy
from dnakit.models import device, read_classifier
from dnakit.models.read_classifier import HIGHEST
from dnakit.run import Outcome
from dnakit.tokens.samples import framed_each
from dnakit.tokens.tokenizer import DnaTokenizer, known_words, train_tokenizer
from dnakit.tokens.vocabulary import PAD

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from dnakit.chapters.future_work.read_runs import Training

VALIDATION = 4  # reads of each species that are evaluated after each epoch, from strings of the training part
PREDICTED = 128  # reads at a time


class ReadSamples(Dataset):
    """Reads as tokens: ``input_ids``, ``attention_mask``, ``quality`` (Phred of each token), ``labels`` (species)."""

    def __init__(self, reads: Reads, tokenizer: DnaTokenizer, score: str) -> None:
        encoded = tokenizer.encode_sequences([letters(each) for each in reads.codes])
        lengths = tokenizer.token_lengths()
        self.labels = torch.from_numpy(reads.species)
        self.ids = framed_each(encoded, max(map(len, encoded)) + 2)
        self.quality = np.full(self.ids.shape, HIGHEST, np.float32)
        for row, tokens, phred in zip(self.quality, encoded, reads.phred, strict=True):
            row[1 : len(tokens) + 1] = token_quality(phred, lengths[tokens])[score]
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        return self.batch(slice(number, number + 1), squeezed=True) | {"labels": self.labels[number]}

    def batch(self, rows: slice, squeezed: bool = False) -> dict[str, torch.Tensor]:
        """Inputs of some reads."""
        ids, quality = torch.from_numpy(self.ids[rows]), torch.from_numpy(self.quality[rows])
        found = {"input_ids": ids, "attention_mask": (ids != PAD).long(), "quality": quality}
        return {name: each[0] for name, each in found.items()} if squeezed else found


def train_and_name(run: Training, folder: Path) -> Outcome:
    """Train in `folder`: ``model/`` and ``history.csv``; then name the test reads."""
    chosen, chapter = task(run.parameters), run.parameters
    use, score = run.given
    tokenizer = tokenizer_of(chosen, chapter.vocab_size)
    lowered = np.array(chapter.lowered)
    reads = chosen.draw("train", chapter.reads + VALIDATION, lowered, run.training_seed)
    samples = _divided(ReadSamples(reads, tokenizer, score), chapter.reads + VALIDATION)
    fields = chapter.training() | {"seed": run.training_seed}
    results = training.train(
        lambda: read_classifier.build(tokenizer, len(chosen.names), use, **chapter.sizes),
        samples,
        training.TrainingParameters(**fields),
        loss_and_accuracy,
        folder,
    )
    seconds = results.pop("seconds")
    tokenizer.save_pretrained(folder / "model")
    model = read_classifier.ReadClassifier.from_pretrained(folder / "model")
    right = {
        str(less): named_right(model, ReadSamples(test, tokenizer, score), fields["precision"])
        for less in chapter.lowered
        for test in [chosen.draw("test", chapter.test_reads, less, chapter.seed)]
    }
    return Outcome(results | {"right": right}, run.about() | _record(run, samples, tokenizer, seconds))


def tokenizer_of(chosen: Task, vocab_size: int) -> DnaTokenizer:
    """Learned from the true sequences."""
    return train_tokenizer([known_words(letters(each), WORD) for each in chosen.references], vocab_size, WORD)


def _divided(samples: ReadSamples, of_species: int) -> dict[str, Dataset]:
    """The first reads of each species for validation, the others for training."""
    number = np.arange(len(samples)) % of_species
    train, validation = np.flatnonzero(number >= VALIDATION), np.flatnonzero(number < VALIDATION)
    return {part: Subset(samples, rows.tolist()) for part, rows in (("train", train), ("validation", validation))}


def named_right(model: PreTrainedModel, samples: ReadSamples, precision: str) -> str:
    """Whether each read is named right, as a string of 0 and 1."""
    where, found = device.ready(model), []
    with torch.no_grad(), device.autocast(where, precision):
        for start in range(0, len(samples), PREDICTED):
            batch = samples.batch(slice(start, start + PREDICTED))
            logits = model(**{name: each.to(where) for name, each in batch.items()}).logits
            found.append(logits.argmax(-1).cpu().numpy())
    return as_string(np.concatenate(found) == samples.labels.numpy())


def _record(run: Training, samples: dict[str, Any], tokenizer: DnaTokenizer, seconds: float) -> dict[str, Any]:
    return {
        "parameters": run.settings,
        "samples": {part: len(each) for part, each in samples.items()},
        "vocab_size": len(tokenizer),
        "seconds": seconds,
        "device": device.in_words(),
        "computed_in": run.settings["precision"],
    }
