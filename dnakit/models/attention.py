"""Windowed self-attention with global tokens, computed in blocks: exact, and linear in the length of the input.

The sequence is cut into blocks of queries. A block sees the keys of its own positions and of ``reach`` positions on
either side, a band mask keeps each query to its own window, and the keys of the global tokens are appended to every
block (and left out of the windows, so that each counts once). Time and memory are therefore
``length x (block + 2 reach + global tokens)``.

States in blocks are ``(batch, blocks, heads, positions, width of a head)``. Attention is written out, in four products
and a softmax, because `torch.nn.functional.scaled_dot_product_attention` is slower on a CPU: with dropout it makes more
passes over the scores, and without it its backward pass in bf16 takes three times as long.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig

from dnakit.models.dropout import dropout
from dnakit.project import DnakitError

# Queries in a block where the window allows it: measured fastest, forward and backward, for windows of 16 tokens.
BLOCK = 16


def in_blocks(states: Tensor, block: int, heads: int = 1) -> Tensor:
    """Cut ``(batch, length, heads x width)`` into ``(batch, blocks, heads, block, width)``; zeros fill the last one."""
    padded = F.pad(states, (0, 0, 0, -states.shape[1] % block))
    return padded.unflatten(2, (heads, -1)).unflatten(1, (-1, block)).transpose(2, 3)


def whole(states: Tensor, heads: int) -> Tensor:
    """One block of everything."""
    return in_blocks(states, states.shape[1], heads)


def from_blocks(blocks: Tensor) -> Tensor:
    """Lay blocks end to end, and the heads side by side: ``(batch, length, heads x width)``."""
    return blocks.transpose(2, 3).flatten(3).flatten(1, 2)


def with_neighbours(blocks: Tensor, reach: int) -> Tensor:
    """Widen each block by ``reach`` positions of the block before it and of the one after it (zeros at the ends)."""
    before = F.pad(blocks[:, :-1, :, -reach:], (0, 0, 0, 0, 0, 0, 1, 0))
    after = F.pad(blocks[:, 1:, :, :reach], (0, 0, 0, 0, 0, 0, 0, 1))
    return torch.cat([before, blocks, after], dim=3)


def window_mask(local_keys: Tensor, block: int, reach: int) -> Tensor:
    """Which keys of the widened block a query may attend to: those in its window that are ``local_keys``.

    Parameters
    ----------
    local_keys
        bool, ``(batch, length)``: true where a key is neither padding nor global.

    Returns
    -------
    Tensor
        bool, ``(batch, blocks, 1, block, block + 2 reach)``.
    """
    keys = with_neighbours(in_blocks(local_keys[..., None].float(), block), reach) > 0
    offset = torch.arange(block + 2 * reach, device=keys.device) - torch.arange(block, device=keys.device)[:, None]
    return keys.transpose(3, 4) & (offset >= 0) & (offset <= 2 * reach)


def key_weights(log_weights: Tensor, block: int, reach: int) -> Tensor:
    """The ``(batch, length)`` weights of the keys of each widened block: ``(batch, blocks, 1, 1, block + 2 reach)``."""
    return with_neighbours(in_blocks(log_weights[..., None], block), reach).transpose(3, 4)


def probabilities(query: Tensor, key: Tensor, allowed: Tensor, p: float, log_weights: Tensor | None = None) -> Tensor:
    """Softmax of the products of ``(..., queries, width)`` and ``(..., keys, width)``, where a query may see a key.

    `allowed` is ``(..., queries, keys)``, the queries are scaled already. A share `p` of the probabilities is dropped.
    Each key counts as often as the exponential of its `log_weights` ``(..., 1, keys)`` says; once without them.
    """
    # The lowest finite number, not -inf: a row of padding then yields a mean to be discarded and no NaN.
    lowest = torch.finfo(query.dtype).min
    if log_weights is None:
        bias = torch.zeros_like(allowed, dtype=query.dtype).masked_fill_(~allowed, lowest)
    else:
        bias = torch.where(allowed, log_weights.to(query.dtype), lowest)
    scores = query @ key.transpose(-1, -2)
    return dropout(torch.softmax(scores.add_(bias), -1), p)


class WindowedSelfAttention(nn.Module):
    """Longformer's self-attention: each token attends to a window around it and to the global tokens, these to all.

    The parameters and the signature are those of ``transformers.LongformerSelfAttention``, whose outputs and gradients
    this equals, for any length: no padding to a multiple of the window is needed.

    Parameters
    ----------
    config
        A Longformer-like configuration: ``hidden_size``, ``num_attention_heads``, ``attention_probs_dropout_prob`` and
        ``attention_window`` (tokens, even; one number or one for each layer).
    layer_id
        The layer this is in.

    Notes
    -----
    Thesis section 4.1.1; Beltagy et al. 2020, *Longformer: The Long-Document Transformer*.
    """

    def __init__(self, config: PreTrainedConfig, layer_id: int = 0) -> None:
        super().__init__()
        window = config.attention_window
        self.reach = (window if isinstance(window, int) else window[layer_id]) // 2
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        width = config.hidden_size
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.query_global, self.key_global, self.value_global = (nn.Linear(width, width) for _ in range(3))

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        is_index_masked: Tensor | None = None,
        is_index_global_attn: Tensor | None = None,
        is_global_attn: bool | None = None,
        output_attentions: bool = False,
        log_weights: Tensor | None = None,
    ) -> tuple[Tensor]:
        """Attend.

        Parameters
        ----------
        hidden_states
            ``(batch, length, hidden_size)``.
        attention_mask
            ``(batch, length)``: negative for padding, zero for a local token, positive for a global one.
        is_index_masked, is_index_global_attn, is_global_attn
            What stock code has derived from ``attention_mask`` already: padding, global tokens, whether there are any.
        output_attentions
            Must be false: probabilities are never held for the whole sequence.
        log_weights
            ``(batch, length)``: logarithm of how often each token counts where others attend to it; once without.

        Returns
        -------
        tuple of Tensor
            ``(batch, length, hidden_size)``, zero where there is padding.
        """
        if output_attentions:
            raise DnakitError("output_attentions: attention in blocks keeps no probabilities; use stock Longformer")
        if attention_mask is None:
            attention_mask = hidden_states.new_zeros(hidden_states.shape[:2])
        padding = attention_mask < 0 if is_index_masked is None else is_index_masked
        is_global = attention_mask > 0 if is_index_global_attn is None else is_index_global_attn
        if is_global_attn is None:
            is_global_attn = bool(is_global.any())
        mixed = self._attend_locally(hidden_states, padding, is_global if is_global_attn else None, log_weights)
        if is_global_attn:
            index, real = global_positions(is_global)
            rows = self._attend_globally(hidden_states, padding, index, log_weights).to(mixed.dtype)
            rows = torch.where(real[..., None], rows, at(mixed, index))
            mixed = mixed.scatter(1, index[..., None].expand_as(rows), rows)
        return (mixed,)

    def of_global_tokens(
        self, hidden_states: Tensor, attention_mask: Tensor, log_weights: Tensor | None = None
    ) -> Tensor:
        """The rows of the global tokens alone, ``(global tokens of the batch, hidden_size)``: no other row is computed.

        The arguments are as in `forward`.
        """
        index, real = global_positions(attention_mask > 0)
        return self._attend_globally(hidden_states, attention_mask < 0, index, log_weights)[real]

    def _attend_locally(
        self, hidden: Tensor, padding: Tensor, is_global: Tensor | None, log_weights: Tensor | None
    ) -> Tensor:
        """Every token to its window and to the global tokens; zero where there is padding."""
        block = max(BLOCK, self.reach)
        query, key, value = self.query(hidden), self.key(hidden), self.value(hidden)
        local = ~padding if is_global is None else ~(padding | is_global)
        allowed = window_mask(local, block, self.reach)
        queries, keys, values = (in_blocks(states, block, self.heads) for states in (query, key, value))
        keys, values = with_neighbours(keys, self.reach), with_neighbours(values, self.reach)
        weights = None if log_weights is None else key_weights(log_weights, block, self.reach)
        if is_global is not None:
            index, real = global_positions(is_global)
            keys, values = self._append(keys, at(key, index)), self._append(values, at(value, index))
            allowed = torch.cat([allowed, real[:, None, None, None].expand(*allowed.shape[:4], -1)], dim=4)
            if weights is not None and log_weights is not None:
                of_global = log_weights.gather(1, index)[:, None, None, None]
                weights = torch.cat([weights, of_global.expand(*weights.shape[:4], -1)], dim=4)
        mixed = from_blocks(self._probabilities(queries, keys, allowed, log_weights=weights) @ values)
        return mixed[:, : hidden.shape[1]] * (~padding[..., None]).to(mixed.dtype)

    def _append(self, blocks: Tensor, states: Tensor) -> Tensor:
        """Put ``(batch, m, hidden_size)`` at the end of every block."""
        return torch.cat([blocks, whole(states, self.heads).expand(-1, blocks.shape[1], -1, -1, -1)], dim=3)

    def _attend_globally(self, hidden: Tensor, padding: Tensor, index: Tensor, log_weights: Tensor | None) -> Tensor:
        """What the tokens at ``index`` ``(batch, m)`` see of the whole sequence, through the global projections.

        Few tokens are global, so keys and values of the whole sequence are never made. A query goes through the weights
        of the keys and meets the hidden states as they are; the mean hidden state goes through the weights of the
        values. These are the same products in another order. (The bias of the keys shifts all scores of a query alike,
        and the softmax takes it out.)
        """
        key, value = (each.weight.unflatten(0, (self.heads, -1)) for each in (self.key_global, self.value_global))
        query = whole(self.query_global(at(hidden, index)), self.heads)[:, 0] @ key
        weights = None if log_weights is None else log_weights[:, None, None]
        shares = self._probabilities(query, hidden[:, None], ~padding[:, None, None], key.shape[1], weights)
        bias = shares.sum(-1, keepdim=True) * self.value_global.bias.unflatten(0, (self.heads, 1, -1))
        return from_blocks((shares @ hidden[:, None] @ value.transpose(1, 2) + bias)[:, None])

    def _probabilities(
        self,
        query: Tensor,
        key: Tensor,
        allowed: Tensor,
        width: int | None = None,
        log_weights: Tensor | None = None,
    ) -> Tensor:
        """Attention of scaled queries; ``width`` of a head where it is not the queries'."""
        p = self.dropout if self.training else 0.0
        return probabilities(query * (width or query.shape[-1]) ** -0.5, key, allowed, p, log_weights)


def global_positions(is_global: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the global tokens, ``(batch, most)``, and which of these are real in rows that have fewer."""
    most = int(is_global.sum(1).max())
    order = is_global.long().argsort(dim=1, descending=True, stable=True)[:, :most]
    return order, is_global.gather(1, order)


def at(states: Tensor, index: Tensor) -> Tensor:
    """Rows ``index`` ``(batch, m)`` of ``(batch, length, width)``."""
    return states.gather(1, index[..., None].expand(-1, -1, states.shape[-1]))
