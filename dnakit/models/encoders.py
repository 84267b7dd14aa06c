"""The thesis's three encoders: Longformer, Longalbert and ELMo (section 4.1 and Appendix B.1).

Each maps ``(batch, length)`` token ids to ``(batch, length, width)`` hidden states. The first two are stock models of
transformers with their attention swapped for `attention`, and keep the names of their parameters. Where a head
reads few positions (the masked ones, or ``<cls>``), ``needed`` names them, and what follows the last attention is
computed for these alone. Where these are the global ones, so is the last attention.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import AlbertConfig, LongformerConfig, PreTrainedConfig, PreTrainedModel
from transformers.models.albert.modeling_albert import AlbertModel
from transformers.models.longformer.modeling_longformer import LongformerModel

from dnakit.models.attention import WindowedSelfAttention
from dnakit.models.dropout import use_cheap_dropout
from dnakit.project import DnakitError


class LongalbertConfig(AlbertConfig):
    """`AlbertConfig` and ``attention_window``, the width in tokens (even) of what a token sees."""

    model_type = "longalbert"
    attention_window: int = 16


class ElmoConfig(PreTrainedConfig):
    """Size of the LSTM: ``hidden_size`` is the width of the embedding and of each direction of each layer."""

    model_type = "elmo"
    vocab_size: int = 30000
    hidden_size: int = 256
    num_hidden_layers: int = 2
    max_position_embeddings: int = 256
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02
    pad_token_id: int | None = 1
    tie_word_embeddings: bool = True


class Longformer(LongformerModel):
    """Stock Longformer with attention in blocks, which takes inputs of any length and holds no square mask."""

    def __init__(self, config: LongformerConfig) -> None:
        super().__init__(config, add_pooling_layer=False)
        layers: list[Any] = list(self.encoder.layer)
        for index, layer in enumerate(layers):
            layer.attention.self = WindowedSelfAttention(config, index)
        use_cheap_dropout(self)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        global_attention_mask: Tensor | None = None,
        needed: Tensor | None = None,
        added: Tensor | None = None,
        log_weights: Tensor | None = None,
    ) -> Tensor:
        """Hidden states ``(batch, length, hidden_size)``, or of the ``needed`` positions (see `rows`) alone.

        Both masks are ``(batch, length)`` of 0 and 1. What is ``added`` to the embedded tokens has the shape of hidden
        states. The ``log_weights`` ``(batch, length)`` say how much each token counts where others attend to it.
        """
        refuse_longer(input_ids, max_tokens(self.config))
        mask = signed_mask(input_ids, attention_mask, global_attention_mask)
        has_global = global_attention_mask is not None and bool((mask > 0).any())
        hidden = self.embeddings(input_ids)
        hidden = hidden if added is None else hidden + added
        attend_to = mask, mask < 0, mask > 0, has_global
        layers: list[Any] = list(self.encoder.layer)
        last = layers.pop()
        for layer in layers:
            mixed = layer.attention.self(hidden, *attend_to, log_weights=log_weights)[0]
            hidden = layer.ff_chunk(layer.attention.output(mixed, hidden))
        if only_global(needed, mask):
            mixed = last.attention.self.of_global_tokens(hidden, mask, log_weights)
        else:
            mixed = rows(last.attention.self(hidden, *attend_to, log_weights=log_weights)[0], needed)
        return last.ff_chunk(last.attention.output(mixed, rows(hidden, needed)))


class LongalbertAttention(WindowedSelfAttention):
    """Albert's attention sublayer around windowed attention: projection, dropout, residual, norm, by Albert's names."""

    def __init__(self, config: LongalbertConfig) -> None:
        super().__init__(config)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)
        self.output_dropout = nn.Dropout(config.hidden_dropout_prob)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(  # type: ignore[override]
        self, hidden_states: Tensor, attention_mask: Tensor, has_global: bool, needed: Tensor | None = None
    ) -> tuple[Tensor, None]:
        """As `WindowedSelfAttention`, then add and normalize; the second result stands for stock's probabilities."""
        if only_global(needed, attention_mask):
            mixed = self.of_global_tokens(hidden_states, attention_mask)
        else:
            mixed = rows(super().forward(hidden_states, attention_mask, is_global_attn=has_global)[0], needed)
        return self.LayerNorm(rows(hidden_states, needed) + self.output_dropout(self.dense(mixed))), None


class Longalbert(AlbertModel):
    """Stock Albert (one group of shared layers, factorized embeddings) with Longformer's attention (section 4.1.2)."""

    config_class = LongalbertConfig

    def __init__(self, config: LongalbertConfig) -> None:
        super().__init__(config, add_pooling_layer=False)
        for layer in dict.fromkeys(self.layers_in_order()):
            layer.attention = LongalbertAttention(config)
        use_cheap_dropout(self)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        global_attention_mask: Tensor | None = None,
        needed: Tensor | None = None,
    ) -> Tensor:
        """Hidden states ``(batch, length, hidden_size)``, or of the ``needed`` positions (see `rows`) alone.

        Both masks are ``(batch, length)`` of 0 and 1.
        """
        refuse_longer(input_ids, max_tokens(self.config))
        mask = signed_mask(input_ids, attention_mask, global_attention_mask)
        has_global = global_attention_mask is not None and bool((mask > 0).any())
        hidden = self.encoder.embedding_hidden_mapping_in(self.embeddings(input_ids))
        *layers, last = self.layers_in_order()
        for layer in layers:
            hidden = layer(hidden, mask, has_global=has_global)
        return last(hidden, mask, has_global=has_global, needed=needed)

    def layers_in_order(self) -> list[nn.Module]:
        """The layers as an input meets them: those of a group are met again and again."""
        groups: list[Any] = list(self.encoder.albert_layer_groups)
        depth = self.config.num_hidden_layers
        return [layer for index in range(depth) for layer in groups[index * len(groups) // depth].albert_layers]


class ElmoPreTrainedModel(PreTrainedModel):
    """What every ELMo model shares: its configuration and the name of its encoder."""

    config_class = ElmoConfig
    base_model_prefix = "elmo"


class Elmo(ElmoPreTrainedModel):
    """Two bidirectional LSTM layers over learned token embeddings (Appendix B.1; Peters et al. 2018).

    A hidden state is the last layer's two directions side by side, ``2 hidden_size`` wide, and zero at padding.
    """

    def __init__(self, config: ElmoConfig) -> None:
        super().__init__(config)
        width = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, width, padding_idx=config.pad_token_id)
        self.lstm = nn.LSTM(width, width, config.num_hidden_layers, batch_first=True, bidirectional=True)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The token embeddings, which a language model's output layer shares."""
        return self.word_embeddings

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        global_attention_mask: Tensor | None = None,
        needed: Tensor | None = None,
    ) -> Tensor:
        """Hidden states ``(batch, length, 2 hidden_size)``, or of the ``needed`` positions (see `rows`) alone.

        Padding stands on the right, and nothing is global.
        """
        refuse_longer(input_ids, max_tokens(self.config))
        embedded, length = self.word_embeddings(input_ids), input_ids.shape[1]
        # On a GPU autocast to bf16 would compute an LSTM in fp16, whose small gradients vanish: there it stays in fp32.
        with torch.autocast("cuda", enabled=False):
            if attention_mask is None or bool(attention_mask.all()):
                return rows(self.lstm(embedded)[0], needed)
            lengths = attention_mask.sum(1).clamp(min=1).cpu()
            packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
            return rows(pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=length)[0], needed)


def rows(hidden: Tensor, needed: Tensor | None) -> Tensor:
    """Hidden states ``(m, width)`` at ``needed``, positions in the batch laid end to end; everything if it is None."""
    return hidden if needed is None else hidden.flatten(0, 1).index_select(0, needed)


def only_global(needed: Tensor | None, mask: Tensor) -> bool:
    """Whether the ``needed`` positions are the global ones, as for a head on ``<cls>``: no window is needed then."""
    return needed is not None and torch.equal(needed, (mask > 0).flatten().nonzero().squeeze(1))


def max_tokens(config: PreTrainedConfig) -> int:
    """Longest input a model takes. Longformer counts positions from the padding id on, and has that many more rows."""
    spare = (config.pad_token_id or 0) + 1 if isinstance(config, LongformerConfig) else 0
    return config.max_position_embeddings - spare


def refuse_longer(input_ids: Tensor, limit: int) -> None:
    """Say so where an input is longer than the model's table of positions."""
    if input_ids.shape[1] > limit:
        raise DnakitError(
            f"input of {input_ids.shape[1]} tokens, model of at most {limit}: truncate it, or build with max_tokens"
        )


def signed_mask(input_ids: Tensor, attention_mask: Tensor | None, global_attention_mask: Tensor | None) -> Tensor:
    """One mask ``(batch, length)`` from the two: -1 padding, 0 local, 1 global."""
    mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask.long()
    return mask - 1 if global_attention_mask is None else mask * (global_attention_mask.long() + 1) - 1
