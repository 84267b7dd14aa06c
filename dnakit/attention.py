"""Windowed self-attention with global tokens, computed in blocks: exact, and linear in the length of the input.

The sequence is cut into blocks of queries. A block sees the keys of its own positions and of ``reach`` positions on
either side, a band mask keeps each query to its own window, and the keys of the global tokens are appended to every
block (and left out of the windows, so that each counts once). Time and memory are therefore
``length x (block + 2 reach + global tokens)``.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig

from dnakit.project import DnakitError

# Queries in a block where the window allows it: measured fastest, forward and backward, for windows of 16 to 64 tokens.
BLOCK = 32


def in_blocks(states: Tensor, block: int) -> Tensor:
    """Cut ``(batch, length, width)`` into ``(batch, blocks, block, width)``, filling the last block with zeros."""
    batch, length, width = states.shape
    return F.pad(states, (0, 0, 0, -length % block)).view(batch, -1, block, width)


def with_neighbours(blocks: Tensor, reach: int) -> Tensor:
    """Widen each block by ``reach`` positions of the block before it and of the one after it (zeros at the ends)."""
    before = F.pad(blocks[:, :-1, -reach:], (0, 0, 0, 0, 1, 0))
    after = F.pad(blocks[:, 1:, :reach], (0, 0, 0, 0, 0, 1))
    return torch.cat([before, blocks, after], dim=2)


def window_mask(local_keys: Tensor, block: int, reach: int) -> Tensor:
    """Which keys of the widened block a query may attend to: those in its window that are ``local_keys``.

    Parameters
    ----------
    local_keys
        bool, ``(batch, length)``: true where a key is neither padding nor global.

    Returns
    -------
    Tensor
        bool, ``(batch, blocks, block, block + 2 reach)``.
    """
    keys = with_neighbours(in_blocks(local_keys[..., None].float(), block), reach) > 0
    offset = torch.arange(block + 2 * reach, device=keys.device) - torch.arange(block, device=keys.device)[:, None]
    return keys.transpose(2, 3) & (offset >= 0) & (offset <= 2 * reach)


def attend(query: Tensor, key: Tensor, value: Tensor, allowed: Tensor, heads: int, dropout: float) -> Tensor:
    """Multi-head attention of ``(n, queries, width)`` to ``(n, keys, width)`` where ``(n, queries, keys)`` allows."""

    def split(states: Tensor) -> Tensor:
        return states.unflatten(-1, (heads, -1)).transpose(1, 2)

    # The lowest finite number, not -inf: a row of padding then yields a mean to be discarded and no NaN.
    bias = torch.zeros_like(allowed, dtype=query.dtype).masked_fill_(~allowed, torch.finfo(query.dtype).min)
    mixed = F.scaled_dot_product_attention(
        split(query), split(key), split(value), attn_mask=bias.unsqueeze(1), dropout_p=dropout
    )
    return mixed.transpose(1, 2).flatten(2)


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
        mixed = self._attend_locally(hidden_states, padding, is_global if is_global_attn else None)
        if is_global_attn:
            mixed = self._attend_globally(hidden_states, mixed, padding, is_global)
        return (mixed,)

    def _attend_locally(self, hidden: Tensor, padding: Tensor, is_global: Tensor | None) -> Tensor:
        """Every token to its window and to the global tokens; zero where there is padding."""
        batch, length, width = hidden.shape
        block = max(BLOCK, self.reach)
        query, key, value = self.query(hidden), self.key(hidden), self.value(hidden)
        local = ~padding if is_global is None else ~(padding | is_global)
        allowed = window_mask(local, block, self.reach)
        keys, values = (with_neighbours(in_blocks(states, block), self.reach) for states in (key, value))
        if is_global is not None:
            index, real = global_positions(is_global)
            keys, values = append(keys, at(key, index)), append(values, at(value, index))
            allowed = torch.cat([allowed, real[:, None, None].expand(*allowed.shape[:3], -1)], dim=-1)
        queries, keys, values, allowed = (x.flatten(0, 1) for x in (in_blocks(query, block), keys, values, allowed))
        mixed = attend(queries, keys, values, allowed, self.heads, self.dropout if self.training else 0.0)
        return mixed.view(batch, -1, width)[:, :length].masked_fill(padding[..., None], 0.0)

    def _attend_globally(self, hidden: Tensor, mixed: Tensor, padding: Tensor, is_global: Tensor) -> Tensor:
        """Put into the global tokens' rows what they see of the whole sequence, through projections of their own."""
        index, real = global_positions(is_global)
        query = self.query_global(at(hidden, index))
        key, value = self.key_global(hidden), self.value_global(hidden)
        allowed = ~padding[:, None].expand(-1, index.shape[1], -1)
        rows = attend(query, key, value, allowed, self.heads, self.dropout if self.training else 0.0)
        rows = torch.where(real[..., None], rows, at(mixed, index))
        return mixed.scatter(1, index[..., None].expand_as(rows), rows)


def global_positions(is_global: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the global tokens, ``(batch, most)``, and which of these are real in rows that have fewer."""
    most = int(is_global.sum(1).max())
    order = is_global.long().argsort(dim=1, descending=True, stable=True)[:, :most]
    return order, is_global.gather(1, order)


def append(blocks: Tensor, states: Tensor) -> Tensor:
    """Put ``(batch, m, width)`` at the end of every one of ``(batch, blocks, keys, width)``."""
    return torch.cat([blocks, states[:, None].expand(-1, blocks.shape[1], -1, -1)], dim=2)


def at(states: Tensor, index: Tensor) -> Tensor:
    """Rows ``index`` ``(batch, m)`` of ``(batch, length, width)``."""
    return states.gather(1, index[..., None].expand(-1, -1, states.shape[-1]))
