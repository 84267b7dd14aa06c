"""Attention in blocks is Longformer's attention: the same numbers, the same gradients, at linear cost."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import LongformerConfig
from transformers.models.longformer.modeling_longformer import LongformerSelfAttention

from dnakit.models.attention import WindowedSelfAttention
from dnakit.project import DnakitError

torch.set_num_threads(1)
WIDTH, HEADS = 32, 4


def pair(window: int, dropout: float = 0.0) -> tuple[LongformerSelfAttention, WindowedSelfAttention]:
    """Stock attention and ours with the same random weights."""
    config = LongformerConfig(
        hidden_size=WIDTH,
        num_attention_heads=HEADS,
        num_hidden_layers=1,
        attention_window=[window],
        attention_probs_dropout_prob=dropout,
    )
    stock, ours = LongformerSelfAttention(config, 0), WindowedSelfAttention(config, 0)
    ours.load_state_dict(stock.state_dict())
    return stock, ours


def stock_forward(stock: LongformerSelfAttention, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Stock attention, padded to a multiple of the window as stock Longformer does it."""
    length, window = hidden.shape[1], 2 * stock.one_sided_attn_window_size
    hidden, mask = F.pad(hidden, (0, 0, 0, -length % window)), F.pad(mask, (0, -length % window), value=-1.0)
    return stock(hidden, mask, mask < 0, mask > 0, bool((mask > 0).any()))[0][:, :length]


def random_mask(length: int, padded: list[int], global_tokens: list[int]) -> torch.Tensor:
    """One row for each count of padding: -1 padding, 0 local, 1 global, the last at random positions."""
    mask = torch.zeros(len(padded), length)
    for row, padding, many in zip(mask, padded, global_tokens, strict=True):
        row[torch.randperm(length - padding)[:many]] = 1
        row[length - padding :] = -1
    return mask


def dense_reference(ours: WindowedSelfAttention, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Attention from its definition, with every score written out."""
    length = hidden.shape[1]

    def project(layer: torch.nn.Linear) -> torch.Tensor:
        return layer(hidden).unflatten(-1, (HEADS, -1)).transpose(1, 2)

    def mix(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        scores = query @ key.transpose(-1, -2) / (WIDTH / HEADS) ** 0.5
        shares = scores.masked_fill(~allowed[:, None], float("-inf")).softmax(-1).nan_to_num()
        return (shares @ value).transpose(1, 2).flatten(2)

    distance = (torch.arange(length)[:, None] - torch.arange(length)).abs()
    real, is_global = mask >= 0, mask > 0
    near = (distance <= ours.reach) | is_global[:, None]
    local = mix(project(ours.query), project(ours.key), project(ours.value), near & real[:, None])
    wide = mix(project(ours.query_global), project(ours.key_global), project(ours.value_global), real[:, None] | False)
    return torch.where(is_global[..., None], wide, local) * real[..., None]


def assert_same(reference: torch.Tensor, ours: torch.Tensor, scale: float | None = None) -> None:
    """Equal to a relative error of 1e-5, against the tensor's norm or the given scale."""
    assert (reference - ours).norm() <= 1e-5 * (reference.norm().item() if scale is None else scale) + 1e-12


def gradients(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in module.named_parameters()}


@pytest.mark.parametrize("window", [4, 6, 16, 64, 512])
@pytest.mark.parametrize("length", [1, 7, 33, 64, 131, 300])
@pytest.mark.parametrize("global_tokens", [[0, 0, 0], [1, 1, 1], [0, 4, 1]])
def test_equals_stock_in_outputs_and_gradients(window: int, length: int, global_tokens: list[int]) -> None:
    torch.manual_seed(window + length)
    stock, ours = pair(window)
    mask = random_mask(length, [0, length // 3, min(length - 1, 5)], [min(many, length // 3) for many in global_tokens])
    hidden = torch.randn(3, length, WIDTH, requires_grad=True)
    twin = hidden.detach().clone().requires_grad_()
    theirs, mine = stock_forward(stock, hidden, mask), ours(twin, mask)[0]
    assert_same(theirs, mine)

    weights = torch.randn_like(mine)
    (theirs * weights).sum().backward()
    (mine * weights).sum().backward()
    assert_same(hidden.grad, twin.grad)
    expected, got = gradients(stock), gradients(ours)
    # A key's bias shifts all scores of a query alike, so its true gradient is zero: the scale is the largest one's.
    scale = max(each.norm().item() for each in expected.values())
    for name in expected:
        assert_same(expected[name], got[name], scale)


@pytest.mark.parametrize("window", [2, 16])
def test_equals_the_definition_in_outputs_and_gradients(window: int) -> None:
    """Also for a window of 2, which stock attention cannot compute."""
    torch.manual_seed(0)
    _, ours = pair(window)
    mask = random_mask(75, [0, 20, 3], [0, 2, 5])
    hidden, weights = torch.randn(3, 75, WIDTH), torch.randn(3, 75, WIDTH)
    reference, mine = dense_reference(ours, hidden, mask), ours(hidden, mask)[0]
    assert_same(reference, mine)
    parameters = dict(ours.named_parameters())
    expected, got = (
        torch.autograd.grad((each * weights).sum(), list(parameters.values()), materialize_grads=True)
        for each in (reference, mine)
    )
    scale = max(each.norm().item() for each in expected)
    for theirs, own in zip(expected, got, strict=True):
        assert_same(theirs, own, scale)


def test_a_token_sees_its_window_and_no_further() -> None:
    torch.manual_seed(0)
    _, ours = pair(16)
    hidden = torch.randn(1, 200, WIDTH, requires_grad=True)
    ours(hidden)[0][0, 100].sum().backward()
    seen = hidden.grad[0].abs().sum(-1).nonzero().squeeze(1).tolist()
    assert seen == list(range(92, 109))


def test_the_rows_of_global_tokens_alone_are_those_of_all_rows() -> None:
    torch.manual_seed(0)
    _, ours = pair(16)
    hidden, mask = torch.randn(3, 50, WIDTH), random_mask(50, [0, 4, 9], [1, 3, 0])
    assert_same(ours(hidden, mask)[0][mask > 0], ours.of_global_tokens(hidden, mask))


def test_padding_gets_zeros_and_changes_nothing() -> None:
    torch.manual_seed(0)
    _, ours = pair(16)
    hidden, mask = torch.randn(2, 50, WIDTH), random_mask(50, [0, 0], [1, 3])
    longer = F.pad(hidden, (0, 0, 0, 41), value=3.0)
    padded = ours(longer, F.pad(mask, (0, 41), value=-1.0))[0]
    assert_same(ours(hidden, mask)[0], padded[:, :50])
    assert not padded[:, 50:].any()


def test_dropout_has_stocks_mean_and_variance() -> None:
    torch.manual_seed(0)
    stock, ours = pair(16, dropout=0.3)
    hidden, mask, draws = torch.randn(1, 40, WIDTH), random_mask(40, [4], [2]), 600
    with torch.no_grad():
        batch, masks = hidden.expand(draws, -1, -1), mask.expand(draws, -1)
        theirs, mine = stock_forward(stock.train(), batch, masks), ours.train()(batch, masks)[0]
        expected = ours.eval()(hidden, mask)[0][0]
    error = (mine.var(0) / draws).sqrt()[:36]
    z = (mine.mean(0) - expected)[:36] / error
    # z is normal: the mean of its square over 1,152 (correlated) values is 1, with a standard deviation below 0.15.
    assert z.square().mean() < 1.6
    ratio = mine.var(0)[:36].mean() / theirs.var(0)[:36].mean()
    assert abs(ratio - 1) < 0.05


def test_autocast_agrees_with_float32_to_bfloat16_precision() -> None:
    torch.manual_seed(0)
    _, ours = pair(16)
    hidden, mask = torch.randn(2, 90, WIDTH), random_mask(90, [0, 30], [1, 0])
    with torch.autocast("cpu", torch.bfloat16):
        low = ours(hidden, mask)[0]
    exact = ours(hidden, mask)[0]
    assert low.isfinite().all()
    assert (low - exact).norm() < 0.02 * exact.norm()
    weights, parameters = torch.randn_like(exact), list(ours.parameters())
    expected, got = (
        torch.autograd.grad((each * weights).sum(), parameters, materialize_grads=True) for each in (exact, low)
    )
    scale = max(each.norm().item() for each in expected)
    for theirs, own in zip(expected, got, strict=True):
        assert (theirs - own).norm() < 0.02 * scale


@pytest.mark.parametrize("global_tokens", [[0, 0], [1, 2]])
@pytest.mark.slow
def test_the_compiler_can_trace_it(global_tokens: list[int]) -> None:
    torch.manual_seed(0)
    _, ours = pair(16)
    hidden, mask = torch.randn(2, 70, WIDTH), random_mask(70, [0, 9], global_tokens)
    compiled = torch.compile(ours, backend="aot_eager")
    assert_same(ours(hidden, mask)[0], compiled(hidden, mask)[0])
    dropping = torch.compile(pair(16, dropout=0.1)[1], backend="aot_eager")
    assert dropping(hidden, mask)[0].isfinite().all()


class Largest(TorchDispatchMode):
    """Sum and largest of the numbers of elements that operations return."""

    def __init__(self) -> None:
        super().__init__()
        self.total = self.largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.total += result.numel()
            self.largest = max(self.largest, result.numel())
        return result


def test_work_and_memory_grow_with_length_not_its_square() -> None:
    _, ours = pair(16)
    counts = {}
    for length in (512, 4096):
        hidden, mask = torch.randn(1, length, WIDTH, requires_grad=True), torch.zeros(1, length)
        mask[0, 0] = 1
        with Largest() as counts[length]:
            ours(hidden, mask)[0].sum().backward()
    assert counts[4096].total <= 8.2 * counts[512].total
    assert counts[4096].largest <= 8.2 * counts[512].largest


def test_probabilities_cannot_be_asked_for() -> None:
    with pytest.raises(DnakitError, match="output_attentions"):
        pair(16)[1](torch.zeros(1, 8, WIDTH), output_attentions=True)
