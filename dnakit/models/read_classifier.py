"""A Longformer that names the species of a sequencing read and knows how certain the sequencer was of its bases.

Thesis section 6.2 proposes "to modify the attention mechanism in order to weight the query based on the quality of each
token". Here the quality of a token enters in one of two ways: added to its vector, or as the weight that it has where
other tokens attend to it. In both, how much it matters is learned.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.models.longformer.modeling_longformer import LongformerPreTrainedModel

from dnakit.models import heads, initial_weights
from dnakit.models.classes import LongformerClassifier, cls_positions
from dnakit.models.encoders import Longformer
from dnakit.tokens.tokenizer import DnaTokenizer

Use = Literal["ignored", "added", "weight"]
HIGHEST = 40.0  # Phred; the usual scale of what is added
LEAST_RIGHT = 1e-3  # a token's probability to be right, at least: its logarithm is finite


class ReadClassifier(LongformerClassifier):
    """`LongformerClassifier` with the head ``sequence``, which takes a Phred score for each token.

    Parameters
    ----------
    config
        Of a Longformer with the head ``sequence``. ``config.quality`` says how the scores are used: ``ignored``;
        ``added``, as a learned combination of score and error probability, to the vectors of the tokens; or
        ``weight``: attention to a token counts as often as its probability to be right says, to a power that is
        learned and begins as 1.
    """

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        if config.quality == "added":
            self.of_quality = nn.Linear(2, config.hidden_size, bias=False)
            nn.init.zeros_(self.of_quality.weight)
        if config.quality == "weight":
            self.power = nn.Parameter(torch.ones(()))

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        quality: Tensor | None = None,
    ) -> heads.ClassificationOutput:
        """Logits ``(batch, classes)``, and with labels the loss and its counts.

        Parameters
        ----------
        input_ids, attention_mask
            ``(batch, length)``.
        labels
            int, ``(batch,)``.
        quality
            Phred score of each token, ``(batch, length)``; the highest one for all without it.
        """
        phred = torch.full(input_ids.shape, HIGHEST, device=input_ids.device) if quality is None else quality
        cls = torch.zeros_like(input_ids)
        cls[:, 0] = 1
        encoder: Longformer = self.longformer  # type: ignore[assignment]
        hidden = encoder(input_ids, attention_mask, cls, cls_positions(input_ids), **self._quality(phred.float()))
        logits = self.classifier(self.dropout(hidden))
        if labels is None:
            return heads.ClassificationOutput(logits=logits)
        loss, counts = heads.classification_score(logits, labels, self.config)
        return heads.ClassificationOutput(loss=loss, counts=counts[None], logits=logits)

    def _quality(self, phred: Tensor) -> dict[str, Tensor]:
        """What the encoder is given of the scores."""
        error = 10 ** (-phred / 10)
        if self.config.quality == "added":
            return {"added": self.of_quality(torch.stack([phred / HIGHEST, error], -1))}
        if self.config.quality == "weight":
            return {"log_weights": self.power * (1 - error).clamp(min=LEAST_RIGHT).log()}
        return {}


def build(tokenizer: DnaTokenizer, classes: int, use: Use, **sizes: int) -> ReadClassifier:
    """A new classifier with informed weights; the same seed gives the same encoder and head, however quality is used.

    Parameters
    ----------
    tokenizer, classes
        Its vocabulary, and the number of species.
    use
        How quality is used: see `ReadClassifier`.
    **sizes
        In place of the thesis's, as in `dnakit.models.build.build`.
    """
    plain: LongformerPreTrainedModel = initial_weights.build(  # type: ignore[assignment]
        "longformer", "sequence", tokenizer, "informed", num_labels=classes, **sizes
    )
    plain.config.quality = use
    with torch.random.fork_rng(devices=[]):
        model = ReadClassifier(plain.config)
    model.load_state_dict(plain.state_dict(), strict=False)
    return model
