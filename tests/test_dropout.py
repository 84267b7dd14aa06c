"""Cheap dropout is dropout: the share, the mean, the independence, and the same draws again from the same state."""

import pytest
import torch
from torch import nn

from dnakit.models.dropout import LEVELS, Dropout, dropout, use_cheap_dropout

torch.set_num_threads(1)
N = 1 << 20


@pytest.mark.parametrize("p", [0.0001, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_share_and_the_mean_are_dropouts(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    result = dropout(torch.ones(N, dtype=dtype), p)
    dropped = (result == 0).double().mean()
    assert abs(dropped - p) < 4 * (p * (1 - p) / N) ** 0.5 + 1 / LEVELS
    kept = result[result != 0].float()
    torch.testing.assert_close(
        kept, torch.full_like(kept, 1 / (1 - p)), rtol=2**-8 if dtype is torch.bfloat16 else 1e-4, atol=0
    )


def test_elements_are_dropped_independently() -> None:
    """Also those that one draw decides on: every pattern of four neighbours is as frequent as its probability says."""
    torch.manual_seed(0)
    p = 0.3
    dropped = (dropout(torch.ones(N), p) == 0).view(-1, 4).long()
    frequency = torch.bincount((dropped * torch.tensor([8, 4, 2, 1])).sum(1), minlength=16) / len(dropped)
    for pattern in range(16):
        many = pattern.bit_count()
        expected = p**many * (1 - p) ** (4 - many)
        assert abs(frequency[pattern] - expected) < 4 * (expected / len(dropped)) ** 0.5
    ahead = (dropped.flatten()[:-4] * dropped.flatten()[4:]).double().mean()
    assert abs(ahead - p * p) < 4 * p / N**0.5


def test_the_same_state_draws_the_same_and_the_next_draw_is_another() -> None:
    states = torch.randn(3, 7, 5)
    torch.manual_seed(1)
    first, second = dropout(states, 0.5), dropout(states, 0.5)
    torch.manual_seed(1)
    assert torch.equal(dropout(states, 0.5), first)
    assert not torch.equal(first, second)


def test_the_gradient_is_dropped_where_the_value_is() -> None:
    states = torch.rand(1001, requires_grad=True)
    result = dropout(states, 0.4)
    result.sum().backward()
    torch.testing.assert_close(states.grad * states.detach(), result.detach())


def test_every_dropout_of_a_model_is_exchanged_and_none_works_in_evaluation() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.Dropout(0.5)), nn.Dropout(0.2))
    use_cheap_dropout(model)
    kinds = [(type(each), each.p) for each in model.modules() if isinstance(each, nn.Dropout)]
    assert kinds == [(Dropout, 0.5), (Dropout, 0.2)]
    states = torch.randn(4, 8)
    assert not torch.equal(model(states), model(states))
    model.eval()
    assert torch.equal(model(states), model(states))
