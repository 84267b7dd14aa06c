"""What the projections of a global ``<cls>`` bring: the same fine-tuning from four kinds of them.

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
from dnakit.chapters.pretraining.starts import grid_start_of
from dnakit.run import Run

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREFIX = "global-attention-"
SHARE = 0.05  # of the species
RANDOM = "random"
PRETRAINED = {  # by kind of projections: how the encoder was pretrained
    "copied": "local",  # from the local ones, as `dnakit.models.build.load` does
    RANDOM: "local",
    "mlm": "global",
    "mlm+sop": "global, with sentence order",
}


def trainings(parameters: Parameters) -> list[Run]:
    """Each kind with each of the chapter's seeds for it."""
    return [
        GlobalAttention(parameters, f"{PREFIX}{kind}-seed-{seed}", "mitochondria", SHARE, seed, projections=kind)
        for seed in parameters.global_attention_seeds
        for kind in PRETRAINED
    ]


@dataclass(frozen=True)
class GlobalAttention(Training):
    """One kind of projections. The seed is that of the pretraining too.

    Attributes
    ----------
    projections
        One of `PRETRAINED`.
    """

    recipe = "12S transformer, global attention 1"

    projections: str = RANDOM

    @cached_property
    def start(self) -> Run:  # type: ignore[override]
        """The training of chapter 2's grid that it begins from."""
        return grid_start_of(self.parameters.pretrained, PRETRAINED[self.projections], self.seed)

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
