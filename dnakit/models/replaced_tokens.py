"""Replaced-token detection, as ELECTRA is pretrained (Clark et al. 2020): a model says which tokens are not true ones.

A small masked language model, the *generator*, fills the masked tokens of a sample with tokens that it draws. The model
that is wanted, the *detector*, says of every token whether it was drawn. Both learn together. The detector learns from
all tokens and not from the 15% that are masked; it needs more computation for a sample.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.models.longformer.modeling_longformer import LongformerPreTrainedModel
from transformers.utils import ModelOutput

from dnakit.models import heads, initial_weights
from dnakit.models.classes import LongformerLanguageModel
from dnakit.models.encoders import Longformer
from dnakit.tokens.tokenizer import DnaTokenizer
from dnakit.tokens.vocabulary import IGNORED

DETECTION_WEIGHT = 50.0  # of the detector's loss beside the generator's (Clark et al. 2020)
GENERATOR_SHARE = 4  # the generator is so many times narrower (as there)
GENERATOR_WIDTH = 64  # at least: informed weights keep 32 dimensions for positions


@dataclass
class DetectionOutput(ModelOutput):
    """Output of a detector.

    Attributes
    ----------
    loss
        Scalar: the generator's loss (nats) and the weighted one of the detector.
    counts
        float32, ``(1, 6)``: nats, tokens and tokens judged right of the detector, then nats, masked tokens and tokens
        filled right (at its likeliest) of the generator.
    logits
        ``(batch, length)``: of "replaced"; only without labels, of the input as it is.
    """

    loss: Tensor | None = None
    counts: Tensor | None = None
    logits: Tensor | None = None


class ReplacedTokenHead(nn.Module):
    """One score for each token: dense layer, GELU, norm, one neuron (Clark et al. 2020)."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.layer_norm = nn.LayerNorm(width, eps=eps)
        self.out_proj = nn.Linear(width, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Logits ``(...,)`` of hidden states ``(..., width)``."""
        return self.out_proj(self.layer_norm(F.gelu(self.dense(hidden)))).squeeze(-1)


class ReplacedTokenDetector(LongformerPreTrainedModel):
    """Detector and generator. The detector's encoder has the names of a Longformer's, so `models.build.load` opens it.

    Parameters
    ----------
    wanted
        A new language model, whose encoder becomes the detector's.
    generator
        A smaller one of the same vocabulary.
    """

    _tied_weights_keys = {  # noqa: RUF012 - the name and the kind are transformers'
        "generator.lm_head.decoder.weight": "generator.longformer.embeddings.word_embeddings.weight",
        "generator.lm_head.decoder.bias": "generator.lm_head.bias",
    }

    def __init__(self, wanted: LongformerLanguageModel, generator: LongformerLanguageModel) -> None:
        super().__init__(wanted.config)
        self.longformer: Longformer = wanted.longformer  # type: ignore[assignment]
        self.head = ReplacedTokenHead(wanted.config.hidden_size, wanted.config.layer_norm_eps)
        self.generator = generator
        self.all_tied_weights_keys = dict(self._tied_weights_keys)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        masked: Tensor | None = None,
    ) -> DetectionOutput:
        """Logits, or with labels the loss and its counts.

        Parameters
        ----------
        input_ids, attention_mask
            ``(batch, length)``.
        labels
            int, ``(batch, length)``: the true token where one was selected for masking, -100 elsewhere.
        masked
            bool, ``(batch, length)``: shown as ``<mask>``; these are filled by the generator. Selected tokens that are
            shown otherwise are shown to the detector as they are, and count as replaced where they are not the true
            ones.
        """
        if labels is None or masked is None:
            return DetectionOutput(logits=self.head(self.longformer(input_ids, attention_mask)))
        hidden = self.generator.encode(input_ids, attention_mask, None, masked.flatten().nonzero().squeeze(1))
        drawn, loss, generated = self._generate(hidden, labels[masked])
        shown = input_ids.masked_scatter(masked, drawn)
        replaced = (labels != IGNORED) & (shown != labels)
        real = torch.ones_like(masked) if attention_mask is None else attention_mask.bool()
        logits = self.head(self.longformer(shown, attention_mask))[real].float()
        nll = F.binary_cross_entropy_with_logits(logits, replaced[real].float(), reduction="none")
        counts = torch.cat([heads.tally(nll, (logits > 0) == replaced[real]), generated])
        return DetectionOutput(loss=loss + DETECTION_WEIGHT * nll.mean(), counts=counts[None])

    def _generate(self, hidden: Tensor, true: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens drawn for the masked places, the generator's loss, and its three counts."""
        logits = self.generator.lm_head(hidden).float()
        nll = F.cross_entropy(logits, true, reduction="none")
        drawn = torch.multinomial(logits.detach().softmax(-1), 1).squeeze(1)
        return drawn, nll.sum() / max(len(true), 1), heads.tally(nll, logits.argmax(-1) == true)


def build(tokenizer: DnaTokenizer, **sizes: int) -> ReplacedTokenDetector:
    """A new detector of the thesis's small Longformer, and its generator: one block, narrower, informed weights both.

    Parameters
    ----------
    tokenizer
        Its vocabulary.
    **sizes
        Of the detector, in place of the thesis's, as in `dnakit.models.build.build`.
    """
    wanted = _language_model(tokenizer, sizes)
    width = max(GENERATOR_WIDTH, wanted.config.hidden_size // GENERATOR_SHARE)
    narrow = max(GENERATOR_WIDTH, wanted.config.intermediate_size // GENERATOR_SHARE)
    small = sizes | {"hidden_size": width, "intermediate_size": narrow, "num_hidden_layers": 1}
    return ReplacedTokenDetector(wanted, _language_model(tokenizer, small | {"num_attention_heads": width // 16}))


def _language_model(tokenizer: DnaTokenizer, sizes: dict[str, int]) -> LongformerLanguageModel:
    model: PreTrainedModel = initial_weights.build("longformer", "mlm", tokenizer, "informed", **sizes)
    assert isinstance(model, LongformerLanguageModel)
    return model
