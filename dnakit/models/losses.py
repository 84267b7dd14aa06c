"""Cross-entropy of a language model's output layer without ever holding the logits of all positions.

The output layer and the loss are one operation. It walks over chunks of positions; within a chunk it makes the logits,
takes the loss and the prediction from them, turns them into their own gradient and multiplies that back on to the
hidden states and the weights. The next chunk's logits take the place of the last one's, so that memory is ``chunk x
vocabulary`` for any batch, and nothing is computed twice. The idea is that of Liger Kernel's fused linear cross-entropy
(Hsu et al. 2024).
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

# Positions in a chunk of float32, whose products are made at once (twice as many in bf16), and of these the rows whose
# softmax is taken at once. On a CPU 256 rows of 30,000 logits were fastest (with fewer, the gradient of the weights is
# added to too often); 128 rows stay in the cache from one pass to the next, and fewer make many small operations, for
# each of which threads on a busy machine wait for one another. A GPU wants larger pieces.
CHUNK = {"cpu": 256, "cuda": 2048}
ROWS = {"cpu": 128, "cuda": 2048}
BLOCK = 256  # logits whose largest is found at once


class Scores(NamedTuple):
    """What `linear_cross_entropy` returns."""

    loss: Tensor  # scalar, in nats, to be differentiated
    nll: Tensor  # (positions,) negative log-likelihood of each target, in nats, detached
    right: Tensor  # (positions,) bool: the likeliest token is the target


def linear_cross_entropy(hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Scores:
    """Mean cross-entropy of ``hidden @ weight.T + bias`` over the positions.

    Products are in the type autocast asks for; bias, softmax, loss and sums are in float32.

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
    """The gradients are made on the way forward, while the logits are at hand; backward only scales them, in place."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor, targets: Tensor, train: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        device, positions = hidden.device.type, len(targets)
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
        chunks = max(1, math.ceil(positions * dtype.itemsize / (4 * CHUNK.get(device, 2048))))
        logits = hidden.new_empty(math.ceil(positions / chunks), len(weight), dtype=dtype)
        gradients = [torch.zeros_like(each, dtype=torch.float32) for each in (weight, bias)] if train else []
        with torch.autocast(device, enabled=False):
            layer = weight.to(dtype), bias
            pairs = zip(hidden.to(dtype).chunk(chunks), targets.chunk(chunks), strict=True)
            results = [_chunk(*layer, gradients, logits, *each) for each in pairs]
        nll, right, hidden_gradient = (torch.cat(each) for each in zip(*results, strict=True))
        ctx.share = 1 / max(1, positions)
        ctx.save_for_backward(*([hidden_gradient.to(hidden.dtype), *gradients] if train else []))
        ctx.mark_non_differentiable(nll, right)
        return nll.sum() * ctx.share, nll, right

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        return *(gradient.mul_(upstream[0] * ctx.share) for gradient in ctx.saved_tensors), None, None


def _chunk(
    weight: Tensor, bias: Tensor, gradients: list[Tensor], logits: Tensor, hidden: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Negative log-likelihood, rightness and gradient of one chunk's hidden states; adds to the layer's gradients.

    ``logits`` is the memory for them; in the end it holds their gradient.
    """
    logits = torch.mm(hidden, weight.T, out=logits[: len(hidden)])
    size = ROWS.get(hidden.device.type, 2048)
    pieces = zip(logits.split(size), targets[:, None].split(size), strict=True)
    results = [_rows(*each, bias, gradients) for each in pieces]
    nll, right = (torch.cat(each).squeeze(1) for each in zip(*results, strict=True))
    if not gradients:
        return nll, right, hidden
    if weight.dtype == torch.float32:
        gradients[0].addmm_(logits.T, hidden)
    else:
        gradients[0].add_(logits.T @ hidden)
    return nll, right, logits @ weight


def _rows(products: Tensor, truth: Tensor, bias: Tensor, gradients: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood and rightness, ``(rows, 1)``; to train, their gradient takes the products' place."""
    logits = products + bias.float()
    top = likeliest(logits)
    highest, reached = logits.gather(1, top), logits.gather(1, truth)
    error = torch.softmax(logits, -1)
    # log(sum(exp(logits))) from its largest term, whose probability cannot vanish.
    nll = highest - error.gather(1, top).log() - reached
    if gradients:
        error.scatter_add_(1, truth, torch.full_like(nll, -1.0))
        gradients[1].add_(error.sum(0))
        products.copy_(error)
    return nll, top == truth


def likeliest(logits: Tensor) -> Tensor:
    """The first of the largest of each row, ``(rows, 1)``: `torch.argmax`, which on a CPU is 4 to 20 times slower."""
    width, vocabulary = min(BLOCK, logits.shape[1]), logits.shape[1]
    # The last block, where the vocabulary is no multiple of its size, overlaps the one before.
    largest = torch.cat([logits.unfold(1, width, width).amax(2), logits[:, -width:].amax(1, keepdim=True)], dim=1)
    start = (largest.argmax(1, keepdim=True) * width).clamp(max=vocabulary - width)
    within = logits.gather(1, start + torch.arange(width, device=logits.device))
    return start + within.argmax(1, keepdim=True)
