"""What an encoder pretrained at the thesis's size brings to a classifier: fine-tuning from it, and without pretraining.

Both have one tokenizer, one shape and the same samples, and differ in the encoder's weights alone.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dnakit import store
from dnakit.chapters.metagenomics.global_attention import EPOCHS, SHARE
from dnakit.chapters.metagenomics.parameters import Parameters
from dnakit.chapters.metagenomics.trainings import Training
from dnakit.chapters.pretraining.starts import LONGFORMER, full_size_start, model_folder, tokenizer_of
from dnakit.run import Run

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PREFIX = "encoder-"
UNTRAINED, FULL_SIZE = "untrained", "full-size"
KINDS = {UNTRAINED: "not pretrained", FULL_SIZE: "pretrained at full size"}


def trainings(parameters: Parameters) -> list[Run]:
    """Each kind with each of the chapter's seeds for it."""
    short = parameters.model_copy(update={"epochs": EPOCHS})
    return [
        FromFullSize(short, f"{PREFIX}{kind}-seed-{seed}", kind, SHARE, seed)
        for seed in parameters.full_size_seeds
        for kind in KINDS
    ]


@dataclass(frozen=True)
class FromFullSize(Training):
    """One kind; ``initialization`` is one of `KINDS`."""

    recipe = "12S transformer, full-size encoder 1"

    @cached_property
    def start(self) -> Run:  # type: ignore[override]  # `initial_model` alone reads more of it, and is replaced too
        """The encoder of the repository, which lends the one that is not pretrained its tokenizer and dropout."""
        return full_size_start(self.parameters)

    @property
    def pretrained(self) -> dict[str, str]:
        """The encoder of the repository, which is of no profile."""
        return {"name": self.start.name, "key": self.start.key}

    def initial_model(self, species: int) -> "PreTrainedModel":
        """The encoder under the head; or the same with informed initial weights."""
        from dnakit.models import build, initial_weights

        if self.initialization == FULL_SIZE:
            return build.load(model_folder(self.start), head=self.head, num_labels=species)
        saved = store.read_json(model_folder(self.start) / "config.json")
        options = {name: saved[name] for name in ("hidden_dropout_prob", "attention_probs_dropout_prob")}
        options["num_labels"] = species
        return initial_weights.build(LONGFORMER, self.head, tokenizer_of(self.start), "informed", **options)
