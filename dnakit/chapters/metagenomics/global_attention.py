"""What the projections of a global ``<cls>`` bring: the same fine-tuning from three kinds of them.

A head on ``<cls>`` reads the input through queries, keys and values of its own, which only global tokens have. Masked
language modelling without global tokens never trains them. With a global ``<cls>`` it trains those of all layers but
the last: nothing is predicted at ``<cls>``, so what the last layer writes there has no gradient. Sentence order, which
is predicted at ``<cls>``, trains all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dnakit.chapters.metagenomics.parameters import Parameters
from dnakit.chapters.metagenomics.trainings import Training
from dnakit.chapters.pretraining.runs import PretrainingRun
from dnakit.chapters.pretraining.starts import start_of, start_with_global_cls
from dnakit.run import Run

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREFIX = "global-attention-"
SHARE, EPOCHS = 0.02, 5  # of the species; few epochs, because all kinds end with hardly an error
MITOCHONDRIA = "mitochondria"
COPIED, RANDOM, PRETRAINED = "copied", "random", "pretrained"
KINDS = {
    COPIED: "copied from the local ones",  # as `dnakit.models.build.load` does
    RANDOM: "random",
    PRETRAINED: "of MLM with a global <cls>",
}


def trainings(parameters: Parameters) -> list[Run]:
    """Each kind with each of the chapter's seeds for it."""
    short = parameters.model_copy(update={"epochs": EPOCHS})
    return [
        GlobalAttention(short, f"{PREFIX}{kind}-seed-{seed}", MITOCHONDRIA, SHARE, seed, projections=kind)
        for seed in parameters.global_attention_seeds
        for kind in KINDS
    ]


@dataclass(frozen=True)
class GlobalAttention(Training):
    """One kind of projections.

    Attributes
    ----------
    projections
        One of `KINDS`.
    """

    recipe = "12S transformer, global attention 1"

    projections: str = RANDOM

    @cached_property
    def start(self) -> PretrainingRun:
        """The run of chapter 2 that it begins from."""
        profile = self.parameters.pretrained
        return start_with_global_cls(profile) if self.projections == PRETRAINED else start_of(profile, MITOCHONDRIA)

    @property
    def title(self) -> str:
        """What is trained, in words."""
        return f"Longformer on mutated 12S genes, projections of <cls>: {self.projections}, seed {self.seed}"

    def inputs(self) -> Mapping[str, Any]:
        """The same, and the kind."""
        return {**super().inputs(), "projections": self.projections}

    def initial_model(self, species: int) -> "PreTrainedModel":
        """The pretrained encoder under the head, its global projections of the kind."""
        model = super().initial_model(species)
        if self.projections == RANDOM:
            draw_global_projections(model)
        return model


def draw_global_projections(model: "PreTrainedModel") -> None:
    """Give the queries, keys and values of global tokens new random weights, from torch's generator."""
    for name, module in model.named_modules():
        if name.endswith("_global"):
            module.weight.data.normal_(0, model.config.initializer_range)
            module.bias.data.zero_()
