"""Resident memory of a training at step 50 and at its end: ``python -m benchmarks.memory [--head mlm] [--steps 1000]``.

It trains the thesis's Longformer on random tokens by `dnakit.training.train`, each head and batch in a process of its
own, in the precision that ``auto`` means here. Batches differ in how many tokens are selected and how long the inputs
are, as in real trainings.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from benchmarks.timing import tell
from dnakit.models.build import build
from dnakit.models.device import resident_memory
from dnakit.tokens.samples import CLS, IGNORED, MASK, PAD, SEP, mask_tokens
from dnakit.training import TrainingParameters, train

HEADS = ("mlm", "mlm+sop", "tss", "sequence", "sequence-deep", "multilabel")
BATCHES = (8, 32)
FROM_STEP, STEPS = 50, 1_000
AROUND = 10  # steps before and after, of which the largest is taken
CLASSES, VOCABULARY = 100, 30_000
SMALL = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64, "max_tokens": 64}


class Samples(Dataset):
    """Random inputs with the labels of a head; notes the resident memory at each step's first input."""

    epoch = 0

    def __init__(self, head: str, steps: int, batch: int, length: int) -> None:
        self.head, self.many, self.batch, self.length = head, steps * batch, batch, length
        self.resident: list[float] = []  # MB, by step

    def __len__(self) -> int:
        return self.many

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        if number % self.batch == 0:
            self.resident.append(resident_memory())
        rng = np.random.default_rng(number)
        true = rng.integers(5, VOCABULARY, self.length)
        tokens = int(rng.integers(self.length // 4, self.length - 1))
        true[0], true[tokens], true[tokens + 1 :] = CLS, SEP, PAD
        arrays = {"input_ids": true, "attention_mask": (true != PAD).astype(np.int64)} | self._labels(true, tokens, rng)
        return {name: torch.as_tensor(array) for name, array in arrays.items()}

    def _labels(self, true: np.ndarray, tokens: int, rng: np.random.Generator) -> dict[str, Any]:
        """What the head learns; a language model's loss is that of the selected tokens."""
        if self.head == "tss":
            return {"labels": int(rng.integers(tokens))}
        if self.head == "multilabel":
            return {"labels": rng.integers(0, 2, CLASSES)}
        if not self.head.startswith("mlm"):
            return {"labels": int(rng.integers(CLASSES))}
        seen, selected = mask_tokens(true, VOCABULARY, rng)
        labels = {"input_ids": seen, "labels": np.where(selected, true, IGNORED), "masked": seen == MASK}
        return labels | ({"sentence_order_label": int(rng.integers(2))} if self.head == "mlm+sop" else {})


def measure(head: str, batch: int, steps: int, quick: bool) -> dict[str, Any]:
    """Resident megabytes after so many steps of one training, and how they grew from step 50."""
    length = SMALL["max_tokens"] if quick else 256
    samples = Samples(head, steps, batch, length)
    sizes = (SMALL if quick else {}) | ({} if head in ("mlm", "mlm+sop", "tss") else {"num_labels": CLASSES})
    parameters = TrainingParameters(epochs=1, batch_size=batch, learning_rate=1e-4, precision="auto", seed=1)
    with tempfile.TemporaryDirectory() as folder:
        train(
            lambda: build("longformer", head, VOCABULARY, **sizes),
            {"train": samples},
            parameters,
            lambda counts: {"loss": float(counts[0] / counts[1])},
            Path(folder),
        )
    near = min(FROM_STEP, steps // 2)  # where memory was just given back, a single step would say too little
    early, late = max(samples.resident[near - AROUND : near + AROUND]), max(samples.resident[-2 * AROUND :])
    return {"head": head, "batch": batch, "steps": steps, "MB at 50": round(early), "MB at the end": round(late)} | {
        "ratio": round(late / early, 2)
    }


def main() -> None:
    """Print a line for each head and batch as soon as it is measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description="Whether memory stays flat.")
    parser.add_argument("--head", choices=HEADS, action="append", help="default: all")
    parser.add_argument("--batch", type=int, action="append", help=f"default: {BATCHES}")
    parser.add_argument("--steps", type=int, default=STEPS, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="small models")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    heads, batches = chosen.head or HEADS, chosen.batch or BATCHES
    if chosen.one:
        print(json.dumps(measure(heads[0], batches[0], chosen.steps, chosen.quick)))
        return
    print("| head | batch | steps | MB at step 50 | MB at the end | ratio |\n|---|---|---|---|---|---|")
    for head, batch in ((head, batch) for head in heads for batch in batches):
        command = [sys.executable, "-m", "benchmarks.memory", "--head", head, "--batch", str(batch), "--one"]
        command += ["--steps", str(chosen.steps), *(["--quick"] if chosen.quick else [])]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            tell(f"{head}, batch {batch}: exit status {done.returncode}")
        else:
            print("|", " | ".join(map(str, json.loads(done.stdout.splitlines()[-1]).values())), "|", flush=True)


if __name__ == "__main__":
    main()
