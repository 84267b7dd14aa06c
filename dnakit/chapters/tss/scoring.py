"""Predictions of a model that scores tokens, and how far predictions are off."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from dnakit.chapters.tss.samples import Sample, inputs
from dnakit.models.device import autocast, ready
from dnakit.tokens.samples import SEP

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def predict(model: "PreTrainedModel", samples: Sequence[Sample], batch_size: int, precision: str) -> np.ndarray:
    """The token of the highest score in each sample, as an index into its tokens; shape (samples,)."""
    found, where = [], ready(model)
    with torch.no_grad(), autocast(where, precision):
        for start in range(0, len(samples), batch_size):
            rows = [inputs(sample.tokens) for sample in samples[start : start + batch_size]]
            batch = {name: torch.stack([row[name] for row in rows]).to(where) for name in rows[0]}
            scores = model(**batch).logits.float()
            scores[batch["input_ids"] <= SEP] = -torch.inf  # neither <cls> nor <sep> is a prediction
            found.append(scores.argmax(-1).cpu().numpy() - 1)
    return np.concatenate(found)


def base_errors(samples: Sequence[Sample], predicted: np.ndarray) -> np.ndarray:
    """Bases between the TSS and the nearest base of each predicted token, 0 where the token holds it; (samples,)."""
    errors = []
    for sample, token in zip(samples, predicted, strict=True):
        first = sample.begins[token]
        last = first + sample.sizes[token] - 1
        errors.append(max(first - sample.tss, sample.tss - last, 0))
    return np.array(errors)


def scores(samples: Sequence[Sample], predicted: np.ndarray) -> dict[str, float]:
    """Exact accuracy, accuracy within two tokens and within 50 bp, and the median error in base pairs."""
    off = np.abs(predicted - np.array([sample.label for sample in samples]))
    errors = base_errors(samples, predicted)
    return {
        "samples": len(samples),
        "accuracy": float(np.mean(off == 0)),
        "within_two_tokens": float(np.mean(off <= 2)),
        "within_50_bp": float(np.mean(errors <= 50)),
        "median_error_bp": float(np.median(errors)),
    }
