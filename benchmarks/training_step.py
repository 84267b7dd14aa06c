"""One training step (forward, backward, Adam) of the thesis's Longformer, against stock transformers.

Stock computes the logits of all tokens whatever the labels are, so that one time of it stands beside both losses.
"""

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from transformers import LongformerForMaskedLM, PreTrainedModel

from benchmarks.timing import Case, beside, device, interleaved, matmul_gflops
from dnakit.corpora import CLS, IGNORED, MASK, SEP, mask_tokens
from dnakit.models import build
from dnakit.training import bf16

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
SAME_LOSS = 1e-5  # relative, in float32 and without dropout


def measure(quick: bool) -> dict[str, Any]:
    """Each loss and precision beside stock, ELMo beside the Longformer, and the share the matrix products would take.

    Raises
    ------
    AssertionError
        If the two models' first losses differ.
    """
    batch, length, vocab_size, rounds = (2, 64, 500, 2) if quick else (16, 256, 30_000, 5)
    stock, ours = pair(vocab_size)
    elmo = build("elmo", "mlm", vocab_size).to(device())
    inputs = {loss: samples(batch, length, vocab_size, loss) for loss in ("all", "selected")}
    losses = {loss: equal_losses(stock, ours, inputs[loss]) for loss in inputs}
    steps: dict[str, Case] = {}
    for precision in precisions():
        steps[f"stock {precision}"] = step(stock, without_counts(inputs["all"]), precision)
        for loss in inputs:
            steps[f"{loss} {precision}"] = step(ours, inputs[loss], precision)
    steps["elmo"] = step(elmo, inputs["all"], "fp32")
    work = {loss: flops(steps[f"{loss} fp32"]) for loss in inputs}
    times = interleaved(steps, rounds)
    rates = {precision: matmul_gflops(PRECISIONS[precision], 256 if quick else 2048, 5) for precision in precisions()}
    lines = [
        {"loss": loss, "precision": precision}
        | beside(times[f"{loss} {precision}"], times[f"stock {precision}"])
        | {"matmul_share": work[loss] / rates[precision] / 1e9 / float(np.median(times[f"{loss} {precision}"]))}
        for precision in precisions()
        for loss in inputs
    ]
    return {
        "batch": [batch, length],
        "vocab_size": vocab_size,
        "first_loss": losses,
        "gflop": {loss: each / 1e9 for loss, each in work.items()},
        "matmul_gflops": rates,
        "lines": lines,
        "elmo": {
            "ms": 1e3 * float(np.median(times["elmo"])),
            "longformers": float(np.median(times["elmo"] / times["all fp32"])),
        },
    }


def precisions() -> list[str]:
    """What training would be in, besides fp32."""
    return ["fp32", "bf16"] if bf16("auto") else ["fp32"]


def pair(vocab_size: int) -> tuple[PreTrainedModel, PreTrainedModel]:
    """Stock Longformer and ours with the same weights and the thesis's sizes, on the device, training."""
    torch.manual_seed(0)
    ours = build("longformer", "mlm", vocab_size)
    stock = LongformerForMaskedLM(copy.deepcopy(ours.config))
    stock.load_state_dict(ours.state_dict())
    return stock.to(device()).train(), ours.to(device()).train()


def samples(batch: int, length: int, vocab_size: int, loss: str) -> dict[str, Tensor]:
    """A batch of random tokens, masked as for training, with labels for ``all`` or for the ``selected`` tokens."""
    rng = np.random.default_rng(0)
    true = rng.integers(5, vocab_size, (batch, length))
    true[:, 0], true[:, -1] = CLS, SEP
    seen, selected = mask_tokens(true, vocab_size, rng)
    scored = selected if loss == "selected" else true >= 5
    arrays = {
        "input_ids": seen,
        "attention_mask": np.ones_like(seen),
        "labels": np.where(scored, true, IGNORED),
        "masked": seen == MASK,
    }
    return {name: torch.from_numpy(array).to(device()) for name, array in arrays.items()}


def without_counts(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """What stock takes."""
    return {name: each for name, each in inputs.items() if name != "masked"}


def equal_losses(stock: PreTrainedModel, ours: PreTrainedModel, inputs: dict[str, Tensor]) -> float:
    """The loss of both, without dropout."""
    with torch.no_grad():
        expected, got = (
            model.eval()(**each).loss.item() for model, each in ((stock, without_counts(inputs)), (ours, inputs))
        )
    for model in (stock, ours):
        model.train()
    assert abs(got - expected) <= SAME_LOSS * expected, f"first losses differ: stock {expected}, ours {got}"
    return expected


def step(model: PreTrainedModel, inputs: dict[str, Tensor], precision: str) -> Case:
    """One training step, to be called again and again."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

    def run() -> None:
        with torch.autocast(device(), torch.bfloat16, enabled=precision == "bf16"):
            loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return run


def flops(case: Case) -> int:
    """Floating-point operations of the matrix products."""
    with FlopCounterMode(display=False) as counter:
        case()
    return counter.get_total_flops()
