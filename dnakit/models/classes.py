"""Each architecture with a language model's head or a classifier's, as classes of transformers.

`build` chooses among them. Importing this module makes Longalbert and ELMo known to transformers' Auto classes.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    LongformerConfig,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.models.albert.modeling_albert import AlbertPreTrainedModel
from transformers.models.longformer.modeling_longformer import LongformerPreTrainedModel

from dnakit.models import heads
from dnakit.models.encoders import Elmo, ElmoConfig, ElmoPreTrainedModel, Longalbert, LongalbertConfig, Longformer
from dnakit.tokens.vocabulary import IGNORED


class _WithEncoder(PreTrainedModel):
    """An encoder under the name its checkpoints give it, and which tokens see everything."""

    encoder_class: type[PreTrainedModel]

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        setattr(self, self.base_model_prefix, self.encoder_class(config))

    def encode(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        global_attention_mask: Tensor | None,
        needed: Tensor | None = None,
    ) -> Tensor:
        """Hidden states, with ``<cls>`` global where the configuration wants that and no mask says otherwise."""
        if global_attention_mask is None and getattr(self.config, "global_attention", "none") == "cls":
            global_attention_mask = input_ids.new_zeros(input_ids.shape)
            global_attention_mask[:, 0] = 1
        return getattr(self, self.base_model_prefix)(input_ids, attention_mask, global_attention_mask, needed)


class _LanguageModel(_WithEncoder):
    """Masked language modelling, and with it sentence order where ``config.head`` says so (section 4.2.1)."""

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        width = encoder_width(config)
        self.lm_head = heads.LanguageModelHead(width, getattr(config, "embedding_size", config.hidden_size), config)
        self.sop_head = heads.SentenceOrderHead(width) if getattr(config, "head", "mlm") == "mlm+sop" else None
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        """The decoder, whose weights are the token embeddings."""
        return self.lm_head.decoder

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        masked: Tensor | None = None,
        global_attention_mask: Tensor | None = None,
        sentence_order_label: Tensor | None = None,
    ) -> heads.LanguageModelOutput:
        """Logits, or with labels the loss and the counts of `dnakit.models.heads.LanguageModelOutput`.

        Parameters
        ----------
        input_ids, attention_mask, global_attention_mask
            ``(batch, length)``.
        labels
            int, ``(batch, length)``: the true token where one is to be scored, -100 elsewhere. The loss is the mean
            over these positions: labels at the selected tokens alone give BERT's, labels everywhere the thesis's.
        masked
            bool, ``(batch, length)``: the positions shown as ``<mask>``, counted apart; all by default.
        sentence_order_label
            int, ``(batch,)``, 0 or 1, for the head ``mlm+sop``.
        """
        masks = attention_mask, global_attention_mask
        if labels is None:
            hidden = self.encode(input_ids, *masks)
            order = None if self.sop_head is None else self.sop_head(hidden[:, 0])
            return heads.LanguageModelOutput(logits=self.lm_head(hidden), sentence_order_logits=order)
        labelled = (labels.flatten() != IGNORED).nonzero().squeeze(1)
        hidden = self.encode(input_ids, *masks, needed=torch.cat([labelled, cls_positions(input_ids)]))
        tokens, cls = hidden.split([len(labelled), len(input_ids)])
        shown = (torch.ones_like(labels) if masked is None else masked).flatten().bool()[labelled]
        loss, counts = self.lm_head.score(tokens, labels.flatten()[labelled], shown)
        if self.sop_head is not None and sentence_order_label is not None:
            order_loss, order_counts = heads.sentence_order_score(self.sop_head(cls), sentence_order_label)
            loss, counts = loss + order_loss, torch.cat([counts, order_counts])
        return heads.LanguageModelOutput(loss=loss, counts=counts[None])


class _Classifier(_WithEncoder):
    """The heads ``tss``, ``sequence``, ``sequence-deep`` and ``multilabel`` (sections 4.2.2 to 4.2.4, Appendix B)."""

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = heads.classification_head(encoder_width(config), config)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        global_attention_mask: Tensor | None = None,
    ) -> heads.ClassificationOutput:
        """Logits ``(batch, classes)`` (``tss``: ``(batch, length)``), and with labels the loss and its counts.

        Parameters
        ----------
        input_ids, attention_mask, global_attention_mask
            ``(batch, length)``.
        labels
            int ``(batch,)``, a class or for ``tss`` a position; for ``multilabel`` 0 and 1, ``(batch, classes)``.
        """
        needed = cls_positions(input_ids) if isinstance(self.classifier, heads.ClsClassifier) else None
        hidden = self.encode(input_ids, attention_mask, global_attention_mask, needed)
        if needed is None and attention_mask is not None:
            hidden = hidden.masked_fill(attention_mask[..., None] == 0, 0.0)
        logits = self.classifier(self.dropout(hidden))
        if self.config.head == "tss":
            logits = heads.only_real_tokens(logits, attention_mask, input_ids.shape[1])
        if labels is None:
            return heads.ClassificationOutput(logits=logits)
        loss, counts = heads.classification_score(logits, labels, self.config)
        return heads.ClassificationOutput(loss=loss, counts=counts[None], logits=logits)


def _tied(prefix: str, table: str) -> dict[str, str]:
    return {"lm_head.decoder.weight": f"{prefix}.{table}.weight", "lm_head.decoder.bias": "lm_head.bias"}


class LongformerLanguageModel(_LanguageModel, LongformerPreTrainedModel):
    """Longformer for ``mlm`` and ``mlm+sop``."""

    encoder_class = Longformer
    _tied_weights_keys = _tied("longformer", "embeddings.word_embeddings")


class LongformerClassifier(_Classifier, LongformerPreTrainedModel):
    """Longformer for ``tss``, ``sequence``, ``sequence-deep`` and ``multilabel``."""

    encoder_class = Longformer


class LongalbertLanguageModel(_LanguageModel, AlbertPreTrainedModel):
    """Longalbert for ``mlm`` and ``mlm+sop``."""

    config_class = LongalbertConfig
    encoder_class = Longalbert
    _tied_weights_keys = _tied("albert", "embeddings.word_embeddings")


class LongalbertClassifier(_Classifier, AlbertPreTrainedModel):
    """Longalbert for ``tss``, ``sequence``, ``sequence-deep`` and ``multilabel``."""

    config_class = LongalbertConfig
    encoder_class = Longalbert


class ElmoLanguageModel(_LanguageModel, ElmoPreTrainedModel):
    """ELMo for ``mlm`` and ``mlm+sop``, which the thesis does not use."""

    encoder_class = Elmo
    _tied_weights_keys = _tied("elmo", "word_embeddings")


class ElmoClassifier(_Classifier, ElmoPreTrainedModel):
    """ELMo for ``tss``, ``sequence``, ``sequence-deep`` and ``multilabel``, each on all hidden states (B.3 to B.5)."""

    encoder_class = Elmo


def cls_positions(input_ids: Tensor) -> Tensor:
    """Where each input begins when a batch is laid end to end."""
    return torch.arange(0, input_ids.numel(), input_ids.shape[1], device=input_ids.device)


def encoder_width(config: PreTrainedConfig) -> int:
    """Width of a hidden state: ELMo's has two directions."""
    return config.hidden_size * (2 if config.model_type == "elmo" else 1)


CONFIGS: dict[str, Any] = {each.model_type: each for each in (LongformerConfig, LongalbertConfig, ElmoConfig)}
LANGUAGE_MODELS: dict[str, type[PreTrainedModel]] = {
    "longformer": LongformerLanguageModel,
    "longalbert": LongalbertLanguageModel,
    "elmo": ElmoLanguageModel,
}
CLASSIFIERS: dict[str, type[PreTrainedModel]] = {
    "longformer": LongformerClassifier,
    "longalbert": LongalbertClassifier,
    "elmo": ElmoClassifier,
}
for _kind in ("longalbert", "elmo"):  # transformers knows Longformer
    AutoConfig.register(_kind, CONFIGS[_kind])
    AutoModelForMaskedLM.register(CONFIGS[_kind], LANGUAGE_MODELS[_kind])
    AutoModelForSequenceClassification.register(CONFIGS[_kind], CLASSIFIERS[_kind])
