"""The parameters of chapter 2: which genomes, which models, and how they are trained."""

import re
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from dnakit.chapters.chapter import Epochs, HiddenWidth, TrainingChapterParameters, Width
from dnakit.models.build import Weights
from dnakit.project import DnakitError, checked
from dnakit.tokens.parameters import FEWEST_GENOMES, Corpora, CorpusParameters

NOTEBOOK = "02_pretraining"
NINE_MER = "longformer-9-mer-mlm"  # the row of Table 5.1 that budgets, the map of genomes and chapter 3 go on with
MODEL = re.compile(
    r"(?P<architecture>longformer|longalbert|large-longformer|elmo)-(?P<tokenization>\d+-mer|BB)-"
    r"(?P<head>mlm|mlm\+sop)(?P<nuclear>-nuclear)?"
)
FEWEST_HELD_OUT = 3  # genomes of each held-out set: a map needs six


class Parameters(TrainingChapterParameters, Corpora):
    """The corpora of the chapter, and the models trained on them, all alike.

    `models` are named ``architecture-tokenization-task``, with ``-nuclear`` at the end where the nuclear genome is
    meant and not mitochondria: ``longformer-9-mer-mlm``, ``longalbert-12-mer-mlm+sop-nuclear``.

    `budgets` are names of further trainings, which show what a row becomes with other genomes, epochs or initial
    weights. The lists `budget_models`, `budget_genomes`, `budget_epochs` and `budget_initial_weights` run in parallel
    to `budgets`.

    `hidden_size` and `intermediate_size` are sizes of the models; 0 stands for the thesis's.
    """

    models: list[str] = Field(min_length=1)
    budgets: list[str]
    budget_models: list[str]
    budget_genomes: list[int]
    budget_epochs: list[Epochs]
    budget_initial_weights: list[Weights]
    recipes: list[str]
    recipe_seeds: list[int]
    recipe_genomes: int
    full_size_recipe: str
    full_size_epochs: Epochs
    grid_recipe: str
    grid_seeds: list[int]
    grid_repeated: list[str]
    grid_repeated_seeds: list[int]
    grid_local_seeds: list[int]
    grid_vocabularies: list[int]
    grid_samples: int = Field(ge=1)
    grid_epochs: Epochs
    grid_nuclear_epochs: Epochs
    overfit_models: list[str]
    overfit_seeds: list[int]
    overfit_genomes: int = Field(ge=FEWEST_GENOMES)
    overfit_epochs: Epochs
    leak_seeds: list[int]
    global_cls: bool
    vocabularies: list[int]
    taxonomy: str
    held_out_genomes: int = Field(ge=0)
    nuclear_sources: list[str]
    nuclear_piece: int = Field(ge=1000)
    nuclear_pieces: int
    nuclear_far: list[str]
    nuclear_epochs: Epochs
    initial_weights: Weights
    mlm_loss: Literal["all", "masked"]
    masking: Literal["static", "dynamic"]
    hidden_size: HiddenWidth
    intermediate_size: Width

    @model_validator(mode="after")
    def _models_are_of_the_corpora(self) -> "Parameters":
        for field in ("models", "budget_models", "grid_repeated", "overfit_models"):
            for name in getattr(self, field):
                found = MODEL.fullmatch(name)
                if not found:
                    raise ValueError(
                        f"{field!r}: {name!r} is not like longformer-9-mer-mlm or longalbert-12-mer-mlm+sop-nuclear"
                    )
                if found["tokenization"] not in self.tokenizations:
                    raise ValueError(f"{field!r}: {name!r} wants {found['tokenization']}, which 'tokenizations' lacks")
        if len(set(self.models)) < len(self.models):
            raise ValueError("'models' names one twice")
        if self.leak_seeds and "BB" not in self.tokenizations:
            raise ValueError("'leak_seeds': these trainings are of BB, which 'tokenizations' lacks")
        if self.held_out_genomes and "9-mer" not in self.tokenizations:
            raise ValueError("'held_out_genomes': they are measured with 9-mers, which 'tokenizations' lacks")
        return self

    @field_validator("held_out_genomes")
    @classmethod
    def _enough_for_a_map(cls, value: int) -> int:
        if 0 < value < FEWEST_HELD_OUT:
            raise ValueError(f"at least {FEWEST_HELD_OUT}, or 0 for none")
        return value

    @model_validator(mode="after")
    def _budgets_run_in_parallel(self) -> "Parameters":
        for name in ("budget_models", "budget_genomes", "budget_epochs", "budget_initial_weights"):
            if len(getattr(self, name)) != len(self.budgets):
                raise ValueError(f"{name!r} must have as many entries as 'budgets', {len(self.budgets)}")
        if len({*self.budgets, *self.models}) < len(self.budgets) + len(self.models):
            raise ValueError("'budgets' names one twice, or like a model")
        return self

    def with_budget(self, number: int) -> "Parameters":
        """The same with the genomes, epochs and initial weights of a budget in place of the chapter's own."""
        genomes, epochs = self.budget_genomes[number], self.budget_epochs[number]
        changes = {"genomes": [genomes] * len(self.tokenizations), "nuclear_pieces": genomes, "epochs": epochs}
        changes |= {"nuclear_epochs": epochs, "initial_weights": self.budget_initial_weights[number]}
        return self.model_copy(update=changes)

    def sizes_of(self, architecture: str) -> dict[str, int]:
        """The sizes of a model that are not the thesis's; an ELMo has no feed-forward layers."""
        sizes = {"hidden_size": self.hidden_size}
        if architecture != "elmo":
            sizes["intermediate_size"] = self.intermediate_size
        return {name: size for name, size in sizes.items() if size}

    def corpus_of(self, model: str) -> CorpusParameters:
        """The corpus that a model is trained on."""
        parts = parts_of(model)
        corpora = {corpus.tokenization: corpus for corpus in self.corpora(NOTEBOOK)}
        values = corpora[parts["tokenization"]].model_dump() | {"ruler_genomes": self.held_out_genomes}
        if parts["nuclear"]:
            values |= {
                "sources": self.nuclear_sources,
                "genomes": self.nuclear_pieces,
                "piece": self.nuclear_piece,
                "far_chromosomes": self.nuclear_far,
            }
        else:
            values |= {"taxonomy": self.taxonomy}
        return checked(CorpusParameters, values, NOTEBOOK)


def parts_of(model: str) -> dict[str, Any]:
    """Architecture, tokenization, head and ``-nuclear`` (or None) of a model's name.

    Raises
    ------
    DnakitError
        If it is no name of a model.
    """
    found = MODEL.fullmatch(model)
    if not found:
        raise DnakitError(f"{model!r} is no model of {NOTEBOOK}")
    return found.groupdict()
