"""Thesis sections 4.2.1 and 5.1: masked-language-model pretraining on reference genomes.

One row of Table 5.1 is one run: an architecture, a tokenization, a task, a genome. This module names the runs of a
chapter's parameters and trains one; `dnakit.pretraining_results` lays them out beside the thesis.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field, field_validator, model_validator
from transformers import PreTrainedModel

from dnakit import fresh, metrics, models, sources, store, training
from dnakit.corpora import Corpora, Corpus, CorpusParameters, corpus_key, prepare
from dnakit.project import DnakitError, checked
from dnakit.samples import MlmSamples, SentenceOrderSamples
from dnakit.tokenization import DnaTokenizer

RECIPE = "pretraining 2"  # goes into every run key; raise it when the same parameters come to mean another training
NOTEBOOK = "02_pretraining"
READING, SIMPLE = "ruler-", "simple-methods-"  # begin the names of what models and simple methods reach on the rulers
MODEL = re.compile(
    r"(?P<architecture>longformer|longalbert|large-longformer|elmo)-(?P<tokenization>\d+-mer|BB)-"
    r"(?P<head>mlm|mlm\+sop)(?P<nuclear>-nuclear)?"
)
FEWEST_RULER_GENOMES = 3  # of each ruler: a map needs six
EXAMPLES = 3  # validation samples whose predictions are kept,
EXAMPLE_TOKENS = slice(100, 130)  # and which of their tokens


class PretrainingParameters(Corpora):
    """The parameters of chapter 2: corpora, and the models trained on them, all alike.

    `models` are named ``architecture-tokenization-task``, with ``-nuclear`` at the end where the nuclear genome is
    meant and not mitochondria: ``longformer-9-mer-mlm``, ``longalbert-12-mer-mlm+sop-nuclear``.

    `trials` are names of further trainings, which ask what a row would have become with another budget or start: each
    of `trial_models` on so many genomes (`trial_genomes`), for so many epochs, from such fresh weights. The four lists
    run in parallel to `trials`.

    `recipes` are names from `dnakit.recipes`: ways to train one model, each from each of `recipe_seeds`, on
    `recipe_genomes`.
    """

    models: list[str] = Field(min_length=1)
    trials: list[str]
    trial_models: list[str]
    trial_genomes: list[int]
    trial_epochs: list[int]
    trial_weights: list[fresh.Weights]
    recipes: list[str]
    recipe_seeds: list[int]
    recipe_genomes: int
    taxonomy: str
    ruler_genomes: int = Field(ge=0)
    nuclear_sources: list[str]
    nuclear_piece: int = Field(ge=1000)
    nuclear_pieces: int
    nuclear_far: list[str]
    nuclear_epochs: int = Field(ge=1)
    fresh_weights: fresh.Weights
    mlm_loss: Literal["all", "masked"]
    masking: Literal["static", "dynamic"]
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    precision: Literal["auto", "fp32", "bf16"]

    @model_validator(mode="after")
    def _models_are_of_the_corpora(self) -> "PretrainingParameters":
        for field in ("models", "trial_models"):
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
        return self

    @field_validator("ruler_genomes")
    @classmethod
    def _enough_for_a_map(cls, value: int) -> int:
        if 0 < value < FEWEST_RULER_GENOMES:
            raise ValueError(f"at least {FEWEST_RULER_GENOMES}, or 0 for no rulers")
        return value

    @model_validator(mode="after")
    def _trials_run_in_parallel(self) -> "PretrainingParameters":
        for name in ("trial_models", "trial_genomes", "trial_epochs", "trial_weights"):
            if len(getattr(self, name)) != len(self.trials):
                raise ValueError(f"{name!r} must have as many entries as 'trials', {len(self.trials)}")
        if len({*self.trials, *self.models}) < len(self.trials) + len(self.models):
            raise ValueError("'trials' names one twice, or like a model")
        return self

    def trial(self, number: int) -> "PretrainingParameters":
        """The chapter with a trial's genomes, epochs and fresh weights in place of its own."""
        genomes, epochs = self.trial_genomes[number], self.trial_epochs[number]
        changes = {"genomes": [genomes] * len(self.tokenizations), "nuclear_pieces": genomes, "epochs": epochs}
        return self.model_copy(update=changes | {"nuclear_epochs": epochs, "fresh_weights": self.trial_weights[number]})

    def corpus_of(self, name: str) -> CorpusParameters:
        """The corpus a model is trained on."""
        found = parts_of(name)
        corpora = {corpus.tokenization: corpus for corpus in self.corpora(NOTEBOOK)}
        values = corpora[found["tokenization"]].model_dump() | {"ruler_genomes": self.ruler_genomes}
        if found["nuclear"]:
            values |= {
                "sources": self.nuclear_sources,
                "genomes": self.nuclear_pieces,
                "piece": self.nuclear_piece,
                "far_chromosomes": self.nuclear_far,
            }
        else:
            values |= {"taxonomy": self.taxonomy}
        return checked(CorpusParameters, values, NOTEBOOK)


def runs(parameters: dict[str, Any]) -> dict[str, "PretrainingRun"]:
    """The chapter's runs by name."""
    return runs_of(checked(PretrainingParameters, parameters, NOTEBOOK))


def runs_of(chapter: PretrainingParameters) -> dict[str, "PretrainingRun"]:
    """The same from checked parameters: the rows of Table 5.1, then the trials."""
    rows = {name: PretrainingRun(chapter, name, name) for name in chapter.models}
    trials = {
        name: PretrainingRun(chapter.trial(number), name, chapter.trial_models[number])
        for number, name in enumerate(chapter.trials)
    }
    return rows | trials


@dataclass(frozen=True)
class PretrainingRun(store.Kept):
    """One row of Table 5.1, or a trial beside it, which has a name of its own."""

    chapter: PretrainingParameters
    name: str
    model: str

    @cached_property
    def corpus_parameters(self) -> CorpusParameters:
        """The corpus it trains on."""
        return self.chapter.corpus_of(self.model)

    @property
    def title(self) -> str:
        """What the run trains, in words."""
        corpus, row = self.corpus_parameters, self.parameters
        where = ", ".join(Path(source).name for source in corpus.sources)
        unit = f"pieces of {corpus.piece:,} bases" if corpus.piece else "genomes"
        return f"{row['architecture']}, {corpus.tokenization}, {row['head']}, {corpus.genomes:,} {unit} of {where}"

    @property
    def parameters(self) -> dict[str, Any]:
        """What, besides the corpus, decides the run."""
        found = parts_of(self.model)
        chosen = {"mlm_loss", "masking", "batch_size", "learning_rate", "precision", "seed"}
        if self.chapter.fresh_weights != "random":  # runs from before there was a choice keep their keys
            chosen.add("fresh_weights")
        return self.chapter.model_dump(include=chosen) | {
            "architecture": found["architecture"],
            "head": found["head"],
            "epochs": self.chapter.nuclear_epochs if found["nuclear"] else self.chapter.epochs,
        }

    @cached_property
    def key(self) -> str:
        """Key of the run in the store."""
        return store.key(RECIPE, self.parameters | {"corpus": corpus_key(self.corpus_parameters)})

    def history(self) -> pd.DataFrame:
        """One row an epoch: train, validation and ruler losses, accuracies, perplexities."""
        return pd.read_csv(self.train() / "history.csv")

    def fill(self, folder: Path) -> None:
        """Train it."""
        environment = store.environment()  # of the code that trains, not of a commit made meanwhile
        corpus, row = prepare(self.corpus_parameters), self.parameters
        samples = self._samples(corpus)
        chosen = {"epochs", "batch_size", "learning_rate", "precision", "seed"}
        settings = training.TrainingParameters(**{name: row[name] for name in chosen})
        results = training.train(
            lambda: fresh.build(row["architecture"], row["head"], corpus.tokenizer, self.chapter.fresh_weights),
            samples,
            settings,
            summarise,
            folder,
        )
        seconds = results.pop("seconds")
        for part in results:
            results[part]["copy_accuracy"] = copy_accuracy(samples[part])
        corpus.tokenizer.save_pretrained(folder / "model")
        model = models.load(folder / "model")
        _predictions(model, samples["validation"], corpus.tokenizer).to_csv(folder / "examples.csv", index=False)
        store.write_json(folder / "metrics.json", results)
        store.write_json(folder / "run.json", self._about(corpus, samples, seconds, environment))

    def _samples(self, corpus: Corpus) -> dict[str, MlmSamples]:
        kind = SentenceOrderSamples if self.parameters["head"] == "mlm+sop" else MlmSamples
        chapter = self.chapter
        labelled: Literal["all", "selected"] = "selected" if chapter.mlm_loss == "masked" else "all"
        train = kind(corpus, "train", chapter.masking, labelled, chapter.seed)
        watched = [part for part in corpus.genomes if part != "train"]
        return {"train": train} | {part: kind(corpus, part, "static", "all", chapter.seed) for part in watched}

    def _about(
        self, corpus: Corpus, samples: dict[str, MlmSamples], seconds: float, environment: dict[str, str]
    ) -> dict[str, Any]:
        tokens = len(corpus.ids("train")) * self.parameters["epochs"]
        return {
            "name": self.name,
            "key": self.key,
            "recipe": RECIPE,
            "parameters": self.parameters,
            "corpus": self.corpus_parameters.named() | {"key": corpus.folder.name},
            **sources.about(self.corpus_parameters.sources),
            "genomes": {part: len(names) for part, names in corpus.genomes.items()},
            "samples": {part: len(dataset) for part, dataset in samples.items()},
            "bases": corpus.sizes["bases"],
            "vocab_size": len(corpus.tokenizer),
            "seconds": seconds,
            "train_tokens_per_second": round(tokens / seconds),
            "device": training.device(),
            "computed_in": "bf16" if training.bf16(self.chapter.precision) else "fp32",
            "environment": environment,
        }


def parts_of(name: str) -> dict[str, str]:
    """Architecture, tokenization, head and ``-nuclear`` (or None) of a model's name."""
    found = MODEL.fullmatch(name)
    if not found:
        raise DnakitError(f"{name!r} is no model of {NOTEBOOK}")
    return found.groupdict()


def copy_accuracy(samples: MlmSamples) -> float:
    """Accuracy over all tokens of copying the input: 0.865 in expectation, this number for these masks."""
    same = labelled = 0
    for sample in (samples[number] for number in range(len(samples))):
        scored = sample["labels"] >= 0
        labelled += int(scored.sum())
        same += int((sample["input_ids"] == sample["labels"])[scored].sum())
    return same / labelled


def summarise(counts: np.ndarray) -> dict[str, float]:
    """Metrics from a model's sums: nats, tokens and hits over all labelled tokens, then over those shown as <mask>.

    Where only the selected tokens were labelled (``mlm_loss: masked``, in training), nothing is known of the others and
    the metrics over all tokens are NaN. Of the selected tokens 80% are masked, of all tokens 12%. With sentence order
    there are three sums more: nats, pairs and hits.
    """
    nats, tokens, right, masked_nats, masked_tokens, masked_right, *order = counts
    known = masked_tokens < tokens / 2
    loss, masked_loss = nats / tokens, masked_nats / masked_tokens
    sums = {
        "loss": float(loss) if known else float("nan"),
        "accuracy": float(right / tokens) if known else float("nan"),
        "perplexity": metrics.perplexity(loss) if known else float("nan"),
        "masked_loss": float(masked_loss),
        "masked_accuracy": float(masked_right / masked_tokens),
        "masked_perplexity": metrics.perplexity(masked_loss),
    }
    if order:
        order_nats, pairs, order_right = order
        sums |= {"sop_loss": float(order_nats / pairs), "sop_accuracy": float(order_right / pairs)}
    return sums


def _predictions(model: PreTrainedModel, samples: MlmSamples, tokenizer: DnaTokenizer) -> pd.DataFrame:
    """Seen, true and predicted token at some places of some samples."""
    rows = []
    long = np.flatnonzero(np.diff(samples.bounds, axis=1)[:, 0] >= EXAMPLE_TOKENS.stop)
    for number in long[np.linspace(0, len(long) - 1, min(EXAMPLES, len(long))).astype(int)]:
        sample = samples[int(number)]
        with torch.no_grad():
            logits = model.eval()(
                input_ids=sample["input_ids"][None], attention_mask=sample["attention_mask"][None]
            ).logits
        columns = {
            "seen": sample["input_ids"],
            "true": torch.where(sample["labels"] >= 0, sample["labels"], sample["input_ids"]),
            "predicted": logits[0].argmax(-1),
        }
        tokens = {name: tokenizer.convert_ids_to_tokens(ids[EXAMPLE_TOKENS].tolist()) for name, ids in columns.items()}
        rows.append(pd.DataFrame({"sample": int(number), **tokens}))
    return pd.concat(rows, ignore_index=True)
