"""The 9-mer row at the thesis's size: all its genomes, many epochs, and one of the `recipes`.

It is trained on the selected tokens, as its recipe says. One more epoch with the loss over all tokens then gives the
numbers that the thesis prints, measured: accuracy and perplexity over all tokens of the validation genomes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dnakit.chapters.pretraining.parameters import NINE_MER, Parameters
from dnakit.chapters.pretraining.recipes import RecipeRun, known
from dnakit.run import Run

if TYPE_CHECKING:
    from torch.utils.data import Dataset
    from transformers import PreTrainedModel

    from dnakit.tokens.corpus import Corpus

FULL_SIZE, ALL_TOKENS = "full-size", "full-size-all-tokens"


@dataclass(frozen=True)
class FullSize(RecipeRun):
    """All epochs of the row."""

    recipe = "full size 2"

    @property
    def title(self) -> str:
        """What is trained, in words."""
        genomes = f"a corpus of {self.corpus.amount}"
        return f"{NINE_MER} by recipe {self.chosen!r}, {genomes}, {self.epochs} epochs"

    @property
    def epochs(self) -> int:
        """How often it sees the genomes."""
        return self.parameters.full_size_epochs

    @property
    def precision(self) -> str:
        """The chapter's: bf16 where that is faster, since so long a training cannot do without."""
        return str(self.parameters.training()["precision"])

    def samples(self, corpus: "Corpus") -> Mapping[str, "Dataset"]:
        """Training samples, and all samples of the validation genomes and of both held-out sets."""
        return self.all_samples(corpus)


@dataclass(frozen=True)
class AllTokens(FullSize):
    """One more epoch of the row, with the loss over all tokens."""

    begun: FullSize

    @property
    def title(self) -> str:
        """What is trained, in words."""
        return f"{self.begun.title}, and one more with the loss over all tokens"

    @property
    def epochs(self) -> int:
        """One."""
        return 1

    @property
    def settings(self) -> dict[str, Any]:
        """What, besides the corpus and the model that it begins with, decides the result."""
        return super().settings | {"mlm_loss": "all"}

    def inputs(self) -> Mapping[str, Any]:
        """The same, and the key of the model."""
        return {**super().inputs(), "begun": self.begun.key}

    def needs(self) -> Sequence[Run]:
        """The row."""
        return [self.begun]

    def initial_model(self, corpus: "Corpus") -> "PreTrainedModel":
        """The row's model."""
        from dnakit.models import build

        return build.load(self.begun.folder() / "model")


def of(parameters: Parameters) -> list[FullSize]:
    """The row and its last epoch; none where the chapter names no recipe for it or holds no genomes out.

    Raises
    ------
    DnakitError
        For a recipe that does not exist.
    """
    if not parameters.full_size_recipe or not parameters.held_out_genomes:
        return []
    recipe, seed = known(parameters.full_size_recipe), parameters.seed
    row = FullSize(parameters, FULL_SIZE, recipe, seed)
    return [row, AllTokens(parameters, ALL_TOKENS, recipe, seed, row)]
