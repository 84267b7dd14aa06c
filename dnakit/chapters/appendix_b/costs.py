"""What one training step costs: parameters, floating-point operations and time.

Operations are those of matrix products, forward and backward (`dnakit.models.operations`): they do not depend on the
machine. Time is that of this machine, in the precision that is fastest there. On a CPU it is processor time, the sum
over all threads. On a GPU it is elapsed time, of the fastest of several steps. So other work on the machine hardly
changes either. What the weights are changes none of these numbers.
"""

import time
from collections.abc import Callable
from typing import Any

import torch

from dnakit import store
from dnakit.models import device
from dnakit.models.build import load
from dnakit.models.operations import operations
from dnakit.run import Run
from dnakit.tokens.samples import MASK_PROBABILITY
from dnakit.tokens.vocabulary import CLS, IGNORED, SAMPLE_LENGTH, SPECIAL_TOKENS

STEPS = 2  # timed on a CPU, after one that is not
GPU_STEPS = 20  # timed on a GPU, after as many that are not
COUNTED = 2  # samples in the step whose operations are counted


def measure(run: Run) -> dict[str, Any]:
    """The costs of a training: ``parameters``, ``gflop`` and ``ms`` a sample.

    Its trained model takes steps on random tokens of the length that its inputs have; the optimizer's part is in the
    time.
    """
    folder = run.folder()
    record = store.read_json(folder / "run.json")
    settings = record["parameters"]
    model = load(folder / "model").train()
    length = input_length(record)
    every = settings.get("mlm_loss") == "all"
    parameters = sum(parameter.numel() for parameter in model.parameters())
    gflop = operations(model, batch(model, COUNTED, length, every)) / COUNTED / 1e9
    ms = milliseconds(model, batch(model, settings["batch_size"], length, every), device.resolved("auto"))
    return {"run": run.name, "parameters": parameters, "gflop": gflop, "ms": ms, "tokens": length}


def input_length(record: dict[str, Any]) -> int:
    """Tokens of an input: of a gene the mean, of a window the length that all are padded to, else 256."""
    gene = round(record["tokens"]["mean"]) + 2 if "tokens" in record else 0
    return min(SAMPLE_LENGTH, gene or record.get("input_length") or SAMPLE_LENGTH)


def batch(model: Any, samples: int, length: int, every: bool) -> dict[str, torch.Tensor]:
    """Random inputs with labels for a model's head; of a language model `every` token has one, or 15% of them."""
    draw = torch.Generator().manual_seed(1)
    config = model.config
    ids = torch.randint(len(SPECIAL_TOKENS), config.vocab_size, (samples, length), generator=draw)
    ids[:, 0] = CLS
    head = config.head
    if head == "mlm":
        selected = torch.rand(ids.shape, generator=draw) < (1.0 if every else MASK_PROBABILITY)
        labels = torch.where(selected, ids, IGNORED)
    elif head == "multilabel":
        labels = torch.randint(2, (samples, config.num_labels), generator=draw)
    else:
        labels = torch.randint(length if head == "tss" else config.num_labels, (samples,), generator=draw)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": labels}


def milliseconds(model: Any, inputs: dict[str, torch.Tensor], precision: str) -> float:
    """Time of a training step for each sample, on the GPU if there is one."""
    where = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(where)
    inputs = {name: each.to(where) for name, each in inputs.items()}
    adam = torch.optim.Adam(model.parameters(), lr=1e-9, fused=True)

    def step() -> None:
        with device.autocast(where, precision):
            loss = model(**inputs).loss
        loss.backward()
        adam.step()
        adam.zero_grad()

    seconds = _processor_seconds(step) if where.type == "cpu" else _gpu_seconds(step)
    return seconds / len(inputs["input_ids"]) * 1e3


def _processor_seconds(step: Callable[[], None]) -> float:
    """Mean processor time of a step."""
    step()
    began = time.process_time()
    for _ in range(STEPS):
        step()
    return (time.process_time() - began) / STEPS


def _gpu_seconds(step: Callable[[], None]) -> float:
    """Elapsed time of the fastest step: other work on the GPU makes a step slower, never faster."""
    seconds = []
    for _ in range(2 * GPU_STEPS):
        torch.cuda.synchronize()
        began = time.perf_counter()
        step()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return min(seconds[GPU_STEPS:])
