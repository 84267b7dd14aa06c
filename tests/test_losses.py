"""The chunked loss is the plain loss: same value, same gradients, a fraction of the memory."""

import pytest
import torch
from test_attention import Largest
from torch.nn import functional as F

from dnakit.models.losses import BLOCK, CHUNK, likeliest, linear_cross_entropy

torch.set_num_threads(1)
POSITIONS, WIDTH, VOCABULARY = 3 * CHUNK["cpu"] // 2 + 7, 24, 101


def inputs() -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    leaves = [
        torch.randn(size, generator=generator) for size in ((POSITIONS, WIDTH), (VOCABULARY, WIDTH), (VOCABULARY,))
    ]
    targets = torch.randint(VOCABULARY, (POSITIONS,), generator=generator)
    return *(each.requires_grad_() for each in leaves), targets


@pytest.mark.parametrize("factor", [1.0, 0.25])
def test_equals_plain_cross_entropy(factor: float) -> None:
    hidden, weight, bias, targets = inputs()
    plain = F.cross_entropy(F.linear(hidden, weight, bias), targets)
    expected = torch.autograd.grad(plain * factor, (hidden, weight, bias))
    scores = linear_cross_entropy(hidden, weight, bias, targets)
    torch.testing.assert_close(scores.loss, plain, rtol=1e-5, atol=0)
    for mine, theirs in zip(torch.autograd.grad(scores.loss * factor, (hidden, weight, bias)), expected, strict=True):
        assert (mine - theirs).norm() <= 1e-5 * theirs.norm()


def test_every_position_is_judged() -> None:
    hidden, weight, bias, targets = inputs()
    logits = F.linear(hidden, weight, bias)
    scores = linear_cross_entropy(hidden, weight, bias, targets)
    torch.testing.assert_close(scores.nll, F.cross_entropy(logits, targets, reduction="none"), rtol=1e-5, atol=1e-5)
    assert torch.equal(scores.right, logits.argmax(-1) == targets)
    assert not scores.nll.requires_grad


def test_an_improbable_target_costs_what_it_costs() -> None:
    weight = torch.tensor([[1.0], [0.0]])
    scores = linear_cross_entropy(torch.tensor([[300.0]]), weight, torch.zeros(2), torch.tensor([1]))
    assert scores.loss == 300


def test_without_gradients_the_values_are_the_same() -> None:
    trained = linear_cross_entropy(*inputs())
    with torch.no_grad():
        judged = linear_cross_entropy(*inputs())
    assert torch.equal(trained.loss, judged.loss)
    assert torch.equal(trained.nll, judged.nll)


def test_no_position_is_no_loss_and_no_gradient() -> None:
    hidden, weight, bias, targets = inputs()
    loss = linear_cross_entropy(hidden[:0], weight, bias, targets[:0]).loss
    assert loss == 0
    assert not torch.autograd.grad(loss, weight)[0].any()


def test_autocast_keeps_the_loss_in_float32_and_near() -> None:
    hidden, weight, bias, targets = inputs()
    exact = linear_cross_entropy(hidden, weight, bias, targets).loss
    with torch.autocast("cpu", torch.bfloat16):
        low = linear_cross_entropy(hidden, weight, bias, targets).loss
    expected, got = (torch.autograd.grad(loss, (hidden, weight, bias)) for loss in (exact, low))
    assert low.dtype == torch.float32
    assert abs(low - exact) < 0.01 * exact
    for theirs, mine in zip(expected, got, strict=True):
        assert mine.dtype == theirs.dtype
        assert (mine - theirs).norm() < 0.02 * theirs.norm()


def test_logits_of_all_positions_are_never_held_at_once() -> None:
    hidden, weight, bias, targets = inputs()
    with Largest() as sizes:
        linear_cross_entropy(hidden, weight, bias, targets).loss.backward()
    assert hidden.numel() <= sizes.largest <= CHUNK["cpu"] * VOCABULARY < POSITIONS * VOCABULARY


@pytest.mark.parametrize("vocabulary", [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_likeliest_is_the_first_of_the_largest(vocabulary: int, dtype: torch.dtype) -> None:
    logits = torch.randn(500, vocabulary, generator=torch.Generator().manual_seed(0)).to(dtype)
    logits[:200] = logits[:200].round()  # so that many are equal
    assert torch.equal(likeliest(logits).squeeze(1), logits.float().argmax(1))


def test_gradients_are_given_away_once() -> None:
    """They are scaled in place: a second pass backward over the same graph is an error and no wrong number."""
    loss = linear_cross_entropy(*inputs()).loss * 2
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="inplace"):
        loss.backward()
