"""Dropout whose random numbers are cheap on a CPU.

Stock dropout draws a number of 32 bits or more for each element, one after the other: on a CPU that takes longer than
anything else in a small transformer but its matrix products. One draw of 64 bits decides on four elements here.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 1 << 16


def dropout(states: Tensor, p: float, training: bool = True) -> Tensor:
    """Set each element to zero with probability `p` and scale the others, so that the mean stays.

    Draws from torch's default generator, and a CPU draws the same for any number of threads. `p` is rounded to a
    multiple of 2^-16 there.
    """
    if states.device.type != "cpu" or not training or p == 0:
        return F.dropout(states, p, training)
    dropped = round(p * LEVELS)
    draws = torch.empty(-(-states.numel() // 4), dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
    keep = draws.view(torch.int16)[: states.numel()] >= dropped - LEVELS // 2
    return states * keep.view(states.shape).to(states.dtype).mul_(LEVELS / (LEVELS - dropped))


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` by way of `dropout`."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop elements of a tensor of any shape."""
        return dropout(input, self.p, self.training)


def use_cheap_dropout(model: nn.Module) -> None:
    """Exchange every stock dropout within a model."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p))
