"""How the small Longformer is best trained on a small budget, its architecture untouched.

A *recipe* is everything about a training but the model and the data: optimizer, rates and their schedule, batch,
dropout, the weights it begins with, and which tokens the loss is over. Two are given, the thesis's and that of the
laptop profile; each other one differs from one of the table in one part. All of them see the same samples once, and are
held against each other on genomes of families that no training saw (``far``), asked for the same masked tokens.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from torch.utils.data import Dataset, Subset

from dnakit import fresh, models, report, sources, store, training
from dnakit.corpora import RULERS, Corpus, CorpusParameters, corpus_key, prepare
from dnakit.pretraining import PretrainingParameters, parts_of, summarise
from dnakit.project import DnakitError
from dnakit.samples import MlmSamples

VERSION = "recipes 1"  # goes into every run key; raise it when the same parameters come to mean another training
PREFIX = "recipe-"  # begins the names of these runs
MODEL = "longformer-9-mer-mlm"
PRECISION = "fp32"  # whatever the processor has: no recipe's numbers or key depend on the machine
VALIDATION = 400  # samples of the validation genomes that are evaluated, beside all of the rulers
PART = "far"
LOSS, RIGHT, BITS, MINUTES = "masked loss", "masked right", "bits per base", "core-minutes"  # columns of `table`


@dataclass(frozen=True)
class Recipe:
    """One way to train."""

    optimizer: Literal["adam", "muon"]
    learning_rate: float  # of Adam
    muon_learning_rate: float | None
    batch_size: int
    schedule: Literal["constant", "warmup-decay"]
    dropout: float
    fresh_weights: fresh.Weights
    mlm_loss: Literal["all", "masked"]  # over all tokens, or over the selected ones
    masking: Literal["static", "dynamic"]


THESIS = Recipe("adam", 1e-4, None, 32, "constant", 0.1, "random", "all", "static")
LAPTOP = Recipe("adam", 3e-4, None, 8, "constant", 0.1, "informed", "masked", "dynamic")
DECAY = replace(LAPTOP, schedule="warmup-decay")
MUON = replace(DECAY, optimizer="muon", muon_learning_rate=3e-3)  # of 1e-3 and 3e-3 the better after 3,000 samples
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
}


def runs(chapter: PretrainingParameters) -> dict[str, "RecipeRun"]:
    """The chapter's recipes, each with each of its seeds, by name.

    Raises
    ------
    DnakitError
        For a recipe that is not one of `RECIPES`, or a chapter without the words that they read.
    """
    for recipe in chapter.recipes:
        models.known(recipe, RECIPES, "recipe")
    words = parts_of(MODEL)["tokenization"]
    if chapter.recipes and words not in chapter.tokenizations:
        raise DnakitError(f"'recipes' want {words}, which 'tokenizations' lacks; give no recipes, or add it")
    found = [RecipeRun(chapter, recipe, seed) for seed in chapter.recipe_seeds for recipe in chapter.recipes]
    return {run.name: run for run in found}


@dataclass(frozen=True)
class RecipeRun(store.Kept):
    """One epoch of one recipe from one seed, which draws masks, order and weights; corpus and scored masks stay."""

    chapter: PretrainingParameters
    recipe: str
    seed: int

    @property
    def name(self) -> str:
        """What the run is called."""
        return f"{PREFIX}{self.recipe}-seed-{self.seed}"

    @property
    def title(self) -> str:
        """What the run trains, in words."""
        return f"{MODEL} by recipe {self.recipe!r}, seed {self.seed}, {self.chapter.recipe_genomes:,} genomes"

    @cached_property
    def corpus_parameters(self) -> CorpusParameters:
        """The corpus that all recipes train on."""
        genomes = [self.chapter.recipe_genomes] * len(self.chapter.tokenizations)
        return self.chapter.model_copy(update={"genomes": genomes}).corpus_of(MODEL)

    @property
    def parameters(self) -> dict[str, Any]:
        """What, besides the corpus, decides the run."""
        found = parts_of(MODEL)
        return asdict(RECIPES[self.recipe]) | {
            "architecture": found["architecture"],
            "head": found["head"],
            "epochs": 1,
            "precision": PRECISION,
            "seed": self.seed,
        }

    @cached_property
    def key(self) -> str:
        """Key of the run in the store."""
        return store.key(VERSION, self.parameters | {"corpus": corpus_key(self.corpus_parameters)})

    def fill(self, folder: Path) -> None:
        """Train it."""
        environment = store.environment()  # of the code that trains, not of a commit made meanwhile
        corpus = prepare(self.corpus_parameters)
        samples = self._samples(corpus)
        results = training.train(lambda: self._model(corpus), samples, self._settings(), summarise, folder)
        seconds = results.pop("seconds")
        for part, scores in results.items():
            scores["bits_per_base"] = bits_per_base(scores["masked_loss"], samples[part], corpus)
        corpus.tokenizer.save_pretrained(folder / "model")
        store.write_json(folder / "metrics.json", results)
        store.write_json(folder / "run.json", self._about(corpus, samples, seconds, environment))

    def _model(self, corpus: Corpus) -> Any:
        row = self.parameters
        dropouts = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), row["dropout"])
        return fresh.build(row["architecture"], row["head"], corpus.tokenizer, row["fresh_weights"], **dropouts)

    def _settings(self) -> training.TrainingParameters:
        fields = training.TrainingParameters.model_fields
        return training.TrainingParameters(**{name: self.parameters[name] for name in fields})

    def _samples(self, corpus: Corpus) -> dict[str, Dataset]:
        row = self.parameters
        labelled: Literal["all", "selected"] = "selected" if row["mlm_loss"] == "masked" else "all"
        train = MlmSamples(corpus, "train", row["masking"], labelled, self.seed)
        scored = {
            part: MlmSamples(corpus, part, "static", "all", self.chapter.seed) for part in ("validation", *RULERS)
        }
        first = Subset(scored["validation"], range(min(VALIDATION, len(scored["validation"]))))
        return {"train": train} | scored | {"validation": first}

    def _about(
        self, corpus: Corpus, samples: Mapping[str, Any], seconds: float, environment: dict[str, str]
    ) -> dict[str, Any]:
        return {
            "name": self.name,
            "key": self.key,
            "recipe": VERSION,
            "parameters": self.parameters,
            "corpus": self.corpus_parameters.named() | {"key": corpus.folder.name},
            **sources.about(self.corpus_parameters.sources),
            "genomes": {part: len(names) for part, names in corpus.genomes.items()},
            "samples": {part: len(dataset) for part, dataset in samples.items()},
            "vocab_size": len(corpus.tokenizer),
            "seconds": seconds,
            "device": training.device(),
            "computed_in": self.parameters["precision"],
            "environment": environment,
        }


def bits_per_base(masked_loss: float, samples: Any, corpus: Corpus) -> float:
    """Bits that a base of the masked tokens costs, from the mean nats that such a token costs."""
    lengths = corpus.tokenizer.token_lengths()
    masked = [sample["labels"][sample["masked"]].numpy() for sample in (samples[at] for at in range(len(samples)))]
    tokens = np.concatenate(masked)
    return float(masked_loss * len(tokens) / (lengths[tokens].sum() * np.log(2)))


def table(folders: Mapping[str, Path]) -> pd.DataFrame:
    """What each recipe is and reached on the far ruler, in the order of `RECIPES`: means over its seeds, and each seed.

    Minutes are of one core, those of training and of an evaluation after it.
    """
    rows = {}
    for recipe, each in _by_recipe(folders).groupby("recipe", sort=False):
        value = each.iloc[0]
        rows[recipe] = {
            "optimizer": value.optimizer,
            "rate": value.learning_rate,
            "Muon's rate": value.muon_learning_rate,
            "batch": value.batch_size,
            "schedule": value.schedule,
            "dropout": value.dropout,
            "fresh weights": value.fresh_weights,
            "loss over": value.mlm_loss,
            "samples": value.samples,
            LOSS: each[LOSS].mean(),
            "each seed": ", ".join(f"{loss:.3f}" for loss in each[LOSS]),
            RIGHT: each[RIGHT].mean(),
            BITS: each[BITS].mean(),
            MINUTES: each[MINUTES].mean(),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("recipe")


def draw(folders: Mapping[str, Path]) -> Figure:
    """Masked loss on the far ruler, a dot for each seed of each recipe; the best recipe stands at the top."""
    found = _by_recipe(folders)
    order = found.groupby("recipe")[LOSS].mean().sort_values(ascending=False).index
    figure, axis = plt.subplots(figsize=(6.4, 0.6 + 0.3 * len(order)))
    axis.scatter(found[LOSS], order.get_indexer(pd.Index(found.recipe)), 24, color=report.color("9-mer"))
    axis.set_yticks(range(len(order)), order)
    axis.set_xlabel("loss of masked tokens on unseen families (nats)")
    return figure


def _by_recipe(folders: Mapping[str, Path]) -> pd.DataFrame:
    """One row a run of a recipe among finished runs: recipe, seed, its values, and what it reached."""
    rows = []
    for name, folder in folders.items():
        recipe, mark, _ = name.removeprefix(PREFIX).rpartition("-seed-")
        if not (name.startswith(PREFIX) and mark):
            continue
        about, scores = (store.read_json(folder / file) for file in ("run.json", "metrics.json"))
        reached = {LOSS: scores[PART]["masked_loss"], RIGHT: scores[PART]["masked_accuracy"]}
        reached |= {BITS: scores[PART]["bits_per_base"], MINUTES: about["seconds"] / 60}
        rows.append({"recipe": recipe, "samples": about["samples"]["train"]} | about["parameters"] | reached)
    place = {recipe: number for number, recipe in enumerate(RECIPES)}
    return pd.DataFrame(rows).sort_values(["recipe", "seed"], key=lambda each: each.map(place).fillna(each))
