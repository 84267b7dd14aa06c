"""What stands on an encoder: the language model's output layer, and the thesis's four classification heads."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import ModelOutput

from dnakit.models.encoders import max_tokens
from dnakit.models.losses import linear_cross_entropy

DEEP_WIDTH = 2048


@dataclass
class LanguageModelOutput(ModelOutput):
    """Output of a language model.

    Attributes
    ----------
    loss
        Scalar, in nats; only with labels.
    counts
        float32, ``(1, 6)``, only with labels: over the labelled positions the sum of negative log-likelihoods (nats),
        their number and how many were predicted right, and the same three over those of them that were shown as
        ``<mask>``. With sentence order ``(1, 9)``: the same three over the pairs of sentences.
    logits
        ``(batch, length, vocabulary)``, only without labels.
    sentence_order_logits
        ``(batch, 2)``, only without labels and with sentence order.
    """

    loss: Tensor | None = None
    counts: Tensor | None = None
    logits: Tensor | None = None
    sentence_order_logits: Tensor | None = None


@dataclass
class ClassificationOutput(SequenceClassifierOutput):
    """Stock's output of a classifier, and what a data set's metrics are summed from.

    Attributes
    ----------
    counts
        float32, ``(1, 3)``, only with labels: the sum of negative log-likelihoods (nats), the number of labels and how
        many were predicted right; for ``multilabel`` over all classes, unweighted, right on their side of 0.5.
    """

    counts: Tensor | None = None


class LanguageModelHead(nn.Module):
    """Longformer's (RoBERTa's) output layer: dense, GELU, norm, and a decoder that shares the embeddings' weights."""

    def __init__(self, width: int, embedding_width: int, config: PreTrainedConfig) -> None:
        super().__init__()
        self.dense = nn.Linear(width, embedding_width)
        self.layer_norm = nn.LayerNorm(embedding_width, eps=config.layer_norm_eps)
        self.decoder = nn.Linear(embedding_width, config.vocab_size)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def transform(self, hidden: Tensor) -> Tensor:
        """What the decoder is applied to."""
        return self.layer_norm(F.gelu(self.dense(hidden)))

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits of every position."""
        return self.decoder(self.transform(hidden))

    def score(self, hidden: Tensor, labels: Tensor, masked: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss (nats) of the labelled positions, and the six counts of `LanguageModelOutput`.

        Parameters
        ----------
        hidden, labels, masked
            ``(m, width)``, ``(m,)`` and bool ``(m,)`` of the labelled positions.
        """
        loss, nll, right = linear_cross_entropy(self.transform(hidden), self.decoder.weight, self.decoder.bias, labels)
        return loss, torch.cat([tally(nll, right), tally(nll[masked], right[masked])])


class SentenceOrderHead(nn.Module):
    """Albert's second pretraining task: whether two sentences stand in their order, from the pooled ``<cls>``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pooler = nn.Linear(width, width)
        self.classifier = nn.Linear(width, 2)

    def forward(self, cls: Tensor) -> Tensor:
        """Logits ``(batch, 2)`` from ``(batch, width)``."""
        return self.classifier(torch.tanh(self.pooler(cls)))


def tally(nll: Tensor, right: Tensor) -> Tensor:
    """Sum of negative log-likelihoods, number, and number right, as float32."""
    return torch.stack([nll.sum(), nll.new_tensor(nll.numel()), right.sum().to(nll.dtype)]).float().detach()


def sentence_order_score(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Loss (nats) of the order of sentences, and its three counts."""
    nll = F.cross_entropy(logits.float(), labels, reduction="none")
    return nll.mean(), tally(nll, logits.argmax(-1) == labels)


class TokenScorer(nn.Module):
    """One score per token (section 4.2.2); a softmax over positions makes them a distribution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scorer = nn.Linear(width, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Scores ``(batch, length)``."""
        return self.scorer(hidden).squeeze(-1)


class ClsClassifier(nn.Module):
    """One dense layer on ``<cls>`` (sections 4.2.3 and 4.2.4)."""

    def __init__(self, width: int, config: PreTrainedConfig) -> None:
        super().__init__()
        self.out_proj = nn.Linear(width, int(config.num_labels or 0))

    def forward(self, cls: Tensor) -> Tensor:
        """Logits ``(batch, classes)`` from ``(batch, width)``."""
        return self.out_proj(cls)


class FlatClassifier(nn.Module):
    """One dense layer on the hidden states of all tokens, flattened: ELMo's head in B.3 to B.5."""

    def __init__(self, width: int, config: PreTrainedConfig) -> None:
        super().__init__()
        self.tokens = max_tokens(config)
        outputs = self.tokens if config.head == "tss" else int(config.num_labels or 0)
        self.out_proj = nn.Linear(width * self.tokens, outputs)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits ``(batch, classes)``, or ``(batch, tokens)`` for TSS."""
        return self.out_proj(flatten(hidden, self.tokens))


class DeepClassifier(nn.Module):
    """B.4: all tokens, flattened, a hidden layer of 2,048 hyperbolic tangents, and one neuron for each class."""

    def __init__(self, width: int, config: PreTrainedConfig) -> None:
        super().__init__()
        self.tokens = max_tokens(config)
        self.dense = nn.Linear(width * self.tokens, DEEP_WIDTH)
        self.out_proj = nn.Linear(DEEP_WIDTH, int(config.num_labels or 0))

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits ``(batch, classes)``."""
        return self.out_proj(torch.tanh(self.dense(flatten(hidden, self.tokens))))


def flatten(hidden: Tensor, tokens: int) -> Tensor:
    """``(batch, tokens x width)``, with zeros for the tokens that a shorter input lacks."""
    return F.pad(hidden, (0, 0, 0, tokens - hidden.shape[1])).flatten(1)


def classification_head(width: int, config: PreTrainedConfig) -> nn.Module:
    """The module for ``config.head``; ELMo, which has no ``<cls>`` that sees everything, reads all tokens."""
    if config.head == "sequence-deep":
        return DeepClassifier(width, config)
    if config.model_type == "elmo":
        return FlatClassifier(width, config)
    return TokenScorer(width) if config.head == "tss" else ClsClassifier(width, config)


def classification_score(logits: Tensor, labels: Tensor, config: PreTrainedConfig) -> tuple[Tensor, Tensor]:
    """Loss and the counts of `ClassificationOutput`.

    The loss is the cross-entropy over classes or positions (nats), for ``multilabel`` the binary one with positives
    weighted (section 4.2.4).
    """
    logits = logits.float()
    if config.head == "multilabel":
        weight = logits.new_tensor(config.positive_weight)
        loss = F.binary_cross_entropy_with_logits(logits, labels.float(), pos_weight=weight)
        nll = F.binary_cross_entropy_with_logits(logits, labels.float(), reduction="none")
        return loss, tally(nll, (logits > 0) == labels.bool())
    nll = F.cross_entropy(logits, labels, reduction="none")
    return nll.mean(), tally(nll, logits.argmax(-1) == labels)


def only_real_tokens(scores: Tensor, attention_mask: Tensor | None, length: int) -> Tensor:
    """TSS scores of the input's own positions, with none left to padding."""
    scores = scores[:, :length]
    return scores if attention_mask is None else scores.masked_fill(attention_mask == 0, torch.finfo(scores.dtype).min)
