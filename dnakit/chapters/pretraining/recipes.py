"""How the small Longformer is trained best on a small budget, its architecture untouched.

A *recipe* is everything about a training but the model's shape and the data: optimizer, learning rates and their
schedule, batch, dropout, initial weights, and the tokens that the loss is over. Two recipes are given: the thesis's and
that of the laptop profile. Each other one differs from one of the table in one part. All see the same samples once, and
are compared on the same masked tokens of genomes of families that no training saw (``far``).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dnakit.chapters.pretraining.parameters import NINE_MER, Parameters, Weights, parts_of
from dnakit.project import DnakitError, did_you_mean
from dnakit.run import Outcome, Run
from dnakit.tokens.parameters import HELD_OUT, CorpusParameters, corpus_key

if TYPE_CHECKING:
    from torch.utils.data import Dataset
    from transformers import PreTrainedModel

    from dnakit.tokens.corpus import Corpus
    from dnakit.tokens.samples import MlmSamples

PREFIX = "recipe-"  # begins the names of these runs
PRECISION = "fp32"  # whatever the processor has: no recipe's numbers or key depend on the machine
VALIDATION = 400  # samples of the validation genomes that are evaluated, beside all of the held-out genomes


@dataclass(frozen=True)
class Recipe:
    """One way to train."""

    optimizer: Literal["adam", "muon"]
    learning_rate: float  # of Adam
    muon_learning_rate: float | None
    batch_size: int
    schedule: Literal["constant", "warmup-decay"]
    dropout: float
    fresh_weights: Weights  # the initial weights, under the name that keys of runs have
    mlm_loss: Literal["all", "masked"]  # over all tokens, or over the selected ones
    masking: Literal["static", "dynamic"]


THESIS = Recipe("adam", 1e-4, None, 32, "constant", 0.1, "random", "all", "static")
LAPTOP = Recipe("adam", 3e-4, None, 8, "constant", 0.1, "informed", "masked", "dynamic")
DECAY = replace(LAPTOP, schedule="warmup-decay")
MUON = replace(DECAY, optimizer="muon", muon_learning_rate=3e-3)
RECIPES = {
    "thesis": THESIS,
    "laptop": LAPTOP,
    "decay": DECAY,
    "decay-rate-6e-4": replace(DECAY, learning_rate=6e-4),
    "decay-batch-4": replace(DECAY, batch_size=4),
    "decay-no-dropout": replace(DECAY, dropout=0.0),
    "decay-random-weights": replace(DECAY, fresh_weights="random"),
    "muon": MUON,
    "muon-no-dropout": replace(MUON, dropout=0.0),
    "muon-random-weights": replace(MUON, fresh_weights="random"),
    # Of the full-size row, on a GPU: the rate grows with the square root of the batch.
    "batch-64-no-dropout": replace(DECAY, batch_size=64, learning_rate=8e-4, dropout=0.0),
}


def differing(one: Recipe, other: Recipe) -> list[str]:
    """The parts in which two recipes differ. Muon's rate is part of its optimizer, and a rate that of its batch."""
    found = [part for part, value in asdict(one).items() if value != getattr(other, part)]
    within = {"optimizer": "muon_learning_rate", "batch_size": "learning_rate"}
    return [part for part in found if part not in {within.get(other_part) for other_part in found}]


def of(parameters: Parameters) -> list["RecipeRun"]:
    """The chapter's recipes, each with each of its seeds; none where no genomes are held out to score them on.

    Raises
    ------
    DnakitError
        For a recipe that is not one of `RECIPES`.
    """
    recipes = [known(recipe) for recipe in parameters.recipes]
    if not parameters.held_out_genomes:
        return []
    return [
        RecipeRun(parameters, f"{PREFIX}{recipe}-seed-{seed}", recipe, seed)
        for seed in parameters.recipe_seeds
        for recipe in recipes
    ]


def known(recipe: str) -> str:
    """The recipe, or one clear error where it is not one of `RECIPES`."""
    if recipe not in RECIPES:
        raise DnakitError(f"{recipe!r} is not a recipe{did_you_mean(recipe, RECIPES)}; known: {', '.join(RECIPES)}")
    return recipe


@dataclass(frozen=True)
class RecipeRun(Run):
    """One epoch of one recipe. The seed draws masks, order and weights; corpus and scored masks stay the same."""

    recipe = "recipes 1"

    parameters: Parameters
    chosen: str
    seed: int

    @property
    def title(self) -> str:
        """What is trained, in words."""
        genomes = f"a corpus of {self.corpus.amount}"
        return f"{NINE_MER} by recipe {self.chosen!r}, seed {self.seed}, {genomes}"

    @cached_property
    def corpus(self) -> CorpusParameters:
        """The corpus that all recipes train on."""
        genomes = [self.parameters.recipe_genomes] * len(self.parameters.tokenizations)
        return self.parameters.model_copy(update={"genomes": genomes}).corpus_of(NINE_MER)

    @property
    def epochs(self) -> int:
        """How often it sees the genomes."""
        return 1

    @property
    def precision(self) -> str:
        """In what it is computed."""
        return PRECISION

    @property
    def settings(self) -> dict[str, Any]:
        """What, besides the corpus, decides the result."""
        parts = parts_of(NINE_MER)
        return asdict(RECIPES[self.chosen]) | {
            "architecture": parts["architecture"],
            "head": parts["head"],
            "epochs": self.epochs,
            "precision": self.precision,
            "seed": self.seed,
            **self.sizes,
        }

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the model that are not the thesis's."""
        return self.parameters.sizes_of(parts_of(NINE_MER)["architecture"])

    def inputs(self) -> Mapping[str, Any]:
        """Settings, and the key of the corpus."""
        return self.settings | {"corpus": corpus_key(self.corpus)}

    def compute(self, folder: Path) -> Outcome:
        """Train it, and score it on the held-out genomes."""
        from dnakit.chapters.pretraining.pretrain import bits_per_base, copy_accuracy, summarise
        from dnakit.tokens.corpus import prepare
        from dnakit.training import TrainingParameters, train

        corpus, settings = prepare(self.corpus), self.settings
        samples = self.samples(corpus)
        results = train(
            lambda: self.initial_model(corpus),
            samples,
            TrainingParameters(**{name: settings[name] for name in TrainingParameters.model_fields}),
            summarise,
            folder,
        )
        seconds = results.pop("seconds")
        for part, scores in results.items():
            scores["bits_per_base"] = bits_per_base(scores["masked_loss"], samples[part], corpus)
            scores["copy_accuracy"] = copy_accuracy(samples[part])
        corpus.tokenizer.save_pretrained(folder / "model")
        return Outcome(results, self._record(corpus, samples, seconds))

    @property
    def dropouts(self) -> dict[str, float]:
        """The recipe's dropout, by transformers' names."""
        return dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), self.settings["dropout"])

    @property
    def options(self) -> dict[str, Any]:
        """What of the model is not the thesis's: dropouts and sizes."""
        return {**self.dropouts, **self.sizes}

    def initial_model(self, corpus: "Corpus") -> "PreTrainedModel":
        """The model that the training begins with."""
        from dnakit.models import initial_weights

        chosen = self.settings
        return initial_weights.build(
            chosen["architecture"],
            chosen["head"],
            corpus.tokenizer,
            chosen["fresh_weights"],
            **self.options,
        )

    def samples(self, corpus: "Corpus") -> Mapping[str, "Dataset"]:
        """Training samples, the first ones of the validation genomes, and all of both held-out sets."""
        from torch.utils.data import Subset

        found = self.all_samples(corpus)
        first = range(min(VALIDATION, len(found["validation"])))
        return found | {"validation": Subset(found["validation"], first)}

    def all_samples(self, corpus: "Corpus") -> dict[str, "MlmSamples"]:
        """Samples by part: the recipe's masks in training, the same masks in every epoch elsewhere."""
        from dnakit.tokens.samples import MlmSamples

        labelled: Literal["all", "selected"] = "selected" if self.settings["mlm_loss"] == "masked" else "all"
        train = MlmSamples(corpus, "train", self.settings["masking"], labelled, self.seed)
        scored = {
            part: MlmSamples(corpus, part, "static", "all", self.parameters.seed) for part in ("validation", *HELD_OUT)
        }
        return {"train": train} | scored

    def _record(self, corpus: "Corpus", samples: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        from dnakit.data import sources
        from dnakit.models import device

        return {
            "parameters": self.settings,
            "corpus": self.corpus.named() | {"key": corpus.folder.name},
            **sources.about(self.corpus.sources),
            "genomes": {part: len(names) for part, names in corpus.genomes.items()},
            "samples": {part: len(dataset) for part, dataset in samples.items()},
            "vocab_size": len(corpus.tokenizer),
            "seconds": seconds,
            "device": device.in_words(),
            "computed_in": self.precision,
        }
