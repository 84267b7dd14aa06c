"""Floating-point operations of a training step, as torch counts them: those of matrix products."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode


def operations(model: Any, inputs: Mapping[str, Tensor]) -> int:
    """Operations of a forward and a backward pass on inputs with labels; no gradients are left.

    An LSTM is computed by torch's own code here: the counter cannot look into oneDNN's.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about GPUs of Intel, at every change of the flags
        with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
            model(**inputs).loss.backward()
    model.zero_grad()
    return counter.get_total_flops()
