"""Cross-entropy of a language model's output layer without ever holding the logits of all positions.

The output layer and the loss are one operation. It walks over chunks of positions; within a chunk it makes the logits,
takes the loss and the prediction from them, turns them into their own gradient and multiplies that back on to the
hidden states and the weights. A chunk's logits are then forgotten, so that memory is ``chunk x vocabulary`` for any
batch, and nothing is computed twice. The idea is that of Liger Kernel's fused linear cross-entropy (Hsu et al. 2024).
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

# Positions in a chunk. On a CPU 256 rows of 30,000 logits were fastest (fewer, and the gradient of the weights is added
# to too often; more, and they fit no cache); a GPU wants larger products.
CHUNK = {"cpu": 256, "cuda": 2048}


class Scores(NamedTuple):
    """What `linear_cross_entropy` returns."""

    loss: Tensor  # scalar, in nats, to be differentiated
    nll: Tensor  # (positions,) negative log-likelihood of each target, in nats, detached
    right: Tensor  # (positions,) bool: the likeliest token is the target


def linear_cross_entropy(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Scores:
    """Mean cross-entropy of ``hidden @ weight.T + bias`` over the positions.

    Products are in the type autocast asks for; softmax, loss and sums are in float32.

    Parameters
    ----------
    hidden
        ``(positions, width)``.
    weight, bias
        ``(vocabulary, width)`` and ``(vocabulary,)`` of the output layer.
    targets
        int, ``(positions,)``: the true token.

    Returns
    -------
    Scores
        The loss, zero where there is no position, and for each position its negative log-likelihood and whether the
        likeliest token is the true one.
    """
    return Scores(*_LinearCrossEntropy.apply(hidden, weight, bias, targets, torch.is_grad_enabled()))


class _LinearCrossEntropy(torch.autograd.Function):
    """The gradients are made on the way forward, while the logits are at hand; backward only scales them."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, train: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        device, share = hidden.device.type, 1 / max(1, len(targets))
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
        with torch.autocast(device, enabled=False):
            layer = weight.to(dtype), bias.to(dtype)
            gradients = [torch.zeros_like(each, dtype=torch.float32) for each in (weight, bias)] if train else []
            chunks = zip(*(each.split(CHUNK.get(device, 2048)) for each in (hidden, targets)), strict=True)
            results = [_chunk(*layer, gradients, states, truths, share) for states, truths in chunks]
        nll, right, hidden_gradient = (torch.cat(each) for each in zip(*results, strict=True))
        ctx.save_for_backward(*([hidden_gradient.to(hidden.dtype), *gradients] if train else []))
        ctx.mark_non_differentiable(nll, right)
        return nll.sum() * share, nll, right

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        return *(upstream[0] * gradient for gradient in ctx.saved_tensors), None, None


def _chunk(
    weight: Tensor, bias: Tensor, gradients: list[Tensor], hidden: Tensor, targets: Tensor, share: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Negative log-likelihood, rightness and gradient of one chunk's hidden states; adds to the layer's gradients."""
    hidden, truth = hidden.to(weight.dtype), targets[:, None]
    logits = F.linear(hidden, weight, bias)
    highest, likeliest = logits.max(-1, keepdim=True)
    probability = torch.softmax(logits, -1, dtype=torch.float32)
    # log(sum(exp(logits))) from its largest term, whose probability cannot vanish.
    log_sum = highest.float() - probability.gather(1, likeliest).log()
    nll = (log_sum - logits.gather(1, truth).float()).squeeze(1)
    right = (likeliest == truth).squeeze(1)
    if not gradients:
        return nll, right, hidden
    error = probability.scatter_add_(1, truth, torch.full_like(log_sum, -1.0))
    gradients[1].add_(error.sum(0), alpha=share)
    error = error.to(weight.dtype)
    gradients[0].add_(error.T @ hidden, alpha=share)
    return nll, right, (error @ weight).float() * share
