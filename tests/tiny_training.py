"""A tiny training for tests, in a process of its own: ``tiny_training.py FOLDER [PART ...]``, or ``in-store …``.

A language model learns to fill in what repeats every eight tokens.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel
from torch.utils.data import Dataset
from transformers import PreTrainedModel

from dnakit import trainer, training
from dnakit.models.build import build, load
from dnakit.run import Outcome, Run
from dnakit.tokens.samples import mask_tokens

SIZES = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "max_tokens": 64}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


class Samples(Dataset):
    epoch = 0

    def __init__(self, stream: int, many: int, labelled: str = "selected") -> None:
        self.stream, self.many, self.labelled = stream, many, labelled

    def __len__(self) -> int:
        return self.many

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng([self.stream, self.epoch, number])
        true = np.tile(rng.integers(5, 50, 8), 8)
        seen, selected = mask_tokens(true, 50, rng)
        labels = np.where(selected, true, -100) if self.labelled == "selected" else true
        arrays = {"input_ids": seen, "labels": labels, "masked": seen == 4}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def parameters(batch_size: int, epochs: int = 2) -> training.TrainingParameters:
    return training.TrainingParameters(
        epochs=epochs, batch_size=batch_size, learning_rate=1e-3, precision="fp32", seed=1
    )


class Values(BaseModel):
    samples: int
    batch_size: int
    dropout: bool


@dataclass(frozen=True)
class Tiny(Run):
    """The training as a run; without dropout all tokens are labelled, so that each sample weighs the same."""

    recipe = "tiny 1"
    parameters: Values

    @property
    def title(self) -> str:
        return "a tiny training"

    def inputs(self) -> dict[str, int]:
        return self.parameters.model_dump()

    def compute(self, folder: Path) -> Outcome:
        values = self.parameters
        labelled, sizes = ("selected", SIZES) if values.dropout else ("all", SIZES | NO_DROPOUT)
        samples = {"train": Samples(0, values.samples, labelled), "validation": Samples(1, 41, labelled)}
        results = training.train(
            lambda: build("longformer", "mlm", 50, **sizes),
            samples,
            parameters(values.batch_size),
            lambda counts: {"loss": counts[0] / counts[1], "labels": counts[1]},
            folder,
        )
        load(folder / "model")  # as chapters do after a training
        return Outcome(results, {"simulated": True})


def summarise(counts: np.ndarray) -> dict[str, float]:
    return {"loss": counts[0] / counts[1], "accuracy": counts[2] / counts[1]}


def model() -> PreTrainedModel:
    return build("longformer", "mlm", 50, **SIZES)


def main() -> None:
    torch.set_num_threads(1)
    trainer.CHECKPOINT_SECONDS = 0.2
    first, *others = sys.argv[1:]
    if first == "in-store":
        many, batch_size, dropout = map(int, others)
        folder = Tiny(Values(samples=many, batch_size=batch_size, dropout=bool(dropout)), "tiny").folder()
        sys.stdout.write(f"{folder}\n")  # at once, so that lines of two processes stay apart
        return
    samples = {part: Samples(number, 800 if part == "train" else 40) for number, part in enumerate(others)}
    print(json.dumps(training.train(model, samples, parameters(16), summarise, Path(first))))


if __name__ == "__main__":
    main()
