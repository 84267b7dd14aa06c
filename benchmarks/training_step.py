"""One training step (forward, backward, Adam) of the thesis's Longformer, against stock transformers.

Both have the same weights, batch, dropout (0.1 on hidden states and on attention) and fused Adam, and compute in the
same precision. Stock computes the logits of all tokens whatever the labels are, so that one time of it stands beside
both losses.
"""

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from transformers import LongformerForMaskedLM, PreTrainedModel

from benchmarks.profile import of_cases
from benchmarks.timing import Case, beside, device, interleaved, matmul_gflops
from dnakit.models.build import build
from dnakit.models.device import bf16
from dnakit.tokens.samples import CLS, IGNORED, MASK, SEP, mask_tokens

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
LOSSES = ("all", "selected")  # over all tokens, as in the thesis, or over those that masking selected, as in BERT
SAME_LOSS = 1e-5  # relative, in float32 and without dropout


def measure(quick: bool) -> dict[str, Any]:
    """Each loss and precision beside stock, ELMo beside our Longformer, and the share the matrix products would take.

    Raises
    ------
    AssertionError
        If the two models' first losses differ.
    """
    batch, length, vocab_size, rounds = sizes(quick)
    stock, ours = pair(vocab_size)
    elmo = build("elmo", "mlm", vocab_size).to(device())
    inputs = {loss: samples(batch, length, vocab_size, loss) for loss in LOSSES}
    losses = {loss: equal_losses(stock, ours, inputs[loss]) for loss in LOSSES}
    steps = cases(stock, ours, inputs) | {"elmo": step(elmo, adam(elmo), inputs["all"], "fp32")}
    gflop = {loss: gflops(steps[f"{loss} fp32"]) for loss in LOSSES}
    times = interleaved(steps, rounds)
    rates = {each: matmul_gflops(PRECISIONS[each], 256 if quick else 2048, 5) for each in precisions()}
    return {
        "batch": [batch, length],
        "vocab_size": vocab_size,
        "first_loss": losses,
        "gflop": gflop,
        "matmul_gflops": rates,
        "lines": [line(loss, each, times, gflop[loss] / rates[each]) for each in precisions() for loss in LOSSES],
        "elmo": beside(times["elmo"], times["all fp32"]),
    }


def profile(quick: bool) -> dict[str, dict[str, float]]:
    """Milliseconds of each of these steps by kind of operation."""
    batch, length, vocab_size, _ = sizes(quick)
    inputs = {loss: samples(batch, length, vocab_size, loss) for loss in LOSSES}
    return of_cases(cases(*pair(vocab_size), inputs))


def sizes(quick: bool) -> tuple[int, int, int, int]:
    """Inputs in a batch, tokens in an input, vocabulary and rounds."""
    return (2, 64, 500, 2) if quick else (16, 256, 30_000, 4)


def line(loss: str, precision: str, times: dict[str, np.ndarray], matmul_seconds: float) -> dict[str, Any]:
    """Ours beside stock, and the share of our step that its matrix products would take."""
    ours = times[f"{loss} {precision}"]
    share = {"matmul_share": matmul_seconds / float(np.median(ours))}
    return {"loss": loss, "precision": precision} | beside(ours, times[f"stock {precision}"]) | share


def cases(stock: PreTrainedModel, ours: PreTrainedModel, inputs: dict[str, dict[str, Tensor]]) -> dict[str, Case]:
    """Steps of stock and, with each loss, of ours, in each precision."""
    steps: dict[str, Case] = {}
    stock_adam, our_adam = adam(stock), adam(ours)
    for precision in precisions():
        steps[f"stock {precision}"] = step(stock, stock_adam, without_counts(inputs["all"]), precision)
        for loss in LOSSES:
            steps[f"{loss} {precision}"] = step(ours, our_adam, inputs[loss], precision)
    return steps


def precisions() -> list[str]:
    """Fp32, and bf16 where training would choose it."""
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


def adam(model: PreTrainedModel) -> torch.optim.Optimizer:
    """The thesis's optimizer, in one kernel."""
    return torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)


def step(model: PreTrainedModel, optimizer: torch.optim.Optimizer, inputs: dict[str, Tensor], precision: str) -> Case:
    """One training step, to be called again and again."""

    def run() -> None:
        with torch.autocast(device(), torch.bfloat16, enabled=precision == "bf16"):
            loss = model(**inputs).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return run


def gflops(case: Case) -> float:
    """Thousand million floating-point operations of a case's matrix products."""
    with FlopCounterMode(display=False) as counter:
        case()
    return counter.get_total_flops() / 1e9
