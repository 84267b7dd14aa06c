"""Classifying inputs of 256 tokens from their ``<cls>``, against stock transformers."""

import copy
from typing import Any

import torch
from transformers import LongformerForSequenceClassification, PreTrainedModel

from benchmarks.timing import Case, beside, device, interleaved
from benchmarks.training_step import precisions
from dnakit.models.build import build
from dnakit.models.classes import cls_positions

CLASSES = 100
SAME_STATES = 1e-4  # absolute, of states that layer normalization brings to about 1


def measure(quick: bool) -> dict[str, Any]:
    """Milliseconds a sequence of both in each precision.

    Raises
    ------
    AssertionError
        If the two see different ``<cls>`` states.
    """
    batch, length, vocab_size, rounds = (2, 64, 500, 2) if quick else (32, 256, 30_000, 5)
    torch.manual_seed(0)
    ours = build("longformer", "sequence", vocab_size, num_labels=CLASSES).to(device()).eval()
    stock = LongformerForSequenceClassification(copy.deepcopy(ours.config)).to(device()).eval()
    stock.longformer.load_state_dict(ours.longformer.state_dict())
    ids = torch.randint(5, vocab_size, (batch, length), device=device())
    ids[:, 0] = 0
    assert_same(stock, ours, ids)
    cases: dict[str, Case] = {}
    for precision in precisions():
        cases[f"stock {precision}"] = classify(stock, ids, precision)
        cases[f"ours {precision}"] = classify(ours, ids, precision)
    times = interleaved(cases, rounds)
    lines = [
        {"precision": each} | beside(times[f"ours {each}"] / batch, times[f"stock {each}"] / batch)
        for each in precisions()
    ]
    return {"batch": [batch, length], "vocab_size": vocab_size, "classes": CLASSES, "lines": lines}


def classify(model: PreTrainedModel, ids: torch.Tensor, precision: str) -> Case:
    """Class scores of a batch."""

    def run() -> None:
        with torch.no_grad(), torch.autocast(device(), torch.bfloat16, enabled=precision == "bf16"):
            model(ids).logits.cpu()

    return run


def assert_same(stock: PreTrainedModel, ours: PreTrainedModel, ids: torch.Tensor) -> None:
    """Both encoders give the same state for ``<cls>``."""
    with torch.no_grad():
        is_global = torch.zeros_like(ids)
        is_global[:, 0] = 1
        expected = stock.longformer(ids, global_attention_mask=is_global).last_hidden_state[:, 0]
        got = ours.encode(ids, None, None, cls_positions(ids))
    torch.testing.assert_close(got, expected, rtol=0, atol=SAME_STATES)
