"""The trainings of the TSS chapter: what they differ in, their windows and samples, and their scores.

Nine are the thesis's (Figures 5.5 to 5.7: three initializations, three dropouts), four decide what these mean
(promoters or random positions, halves with a remainder or without), four are in the fair task.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator
from transformers import PreTrainedModel

from dnakit import store, training
from dnakit.chapters.pretraining import runs as pretraining
from dnakit.chapters.tss import samples as tss
from dnakit.chapters.tss import windows as promoters
from dnakit.chapters.tss.samples import FairSamples, Sample, ThesisSamples, TssSamples
from dnakit.chapters.tss.windows import Windows
from dnakit.data import sources
from dnakit.models import build as models
from dnakit.models import initial_weights as fresh
from dnakit.notebooks.parameters import settings
from dnakit.tokens.tokenizer import DnaTokenizer, load_tokenizer

RECIPE = "localization 1"  # goes into every key; raise it when the same parameters come to mean another training
NOTEBOOK = "03_tss"
PRETRAINING = "02_pretraining"
INITIALIZATIONS = {"nuclear": "longformer-9-mer-mlm-nuclear", "mitochondria": "longformer-9-mer-mlm", "none": None}
TOKENIZER = "longformer-9-mer-mlm-nuclear"  # of models without pretraining, the rule and the baselines
TABLE_DROPOUT = 0.1  # Table 5.2's model, and every control's
PROMOTERS = "promoters"
CONTROLS = {"on-shuffled": "shuffled promoters", "on-random-dna": "random DNA"}
EXAMPLES = 8  # test samples whose predictions are kept
_TRAIN, _VALIDATION, _TEST = range(3)  # streams of random numbers


class LocalizationParameters(BaseModel):
    """The parameters of chapter 3."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    profile: str
    pretrained: str
    organism: str
    other_organism: str
    organisms: list[str]
    random_positions: int = Field(ge=30)
    upstream: int = Field(ge=200)
    downstream: int = Field(ge=200)
    seamless_upstream: int = Field(ge=200)
    dropouts: list[float]
    redraw: bool
    split: Literal["random", "chromosome"]
    fair_split: Literal["random", "chromosome"]
    epochs: int = Field(ge=1)
    epoch_samples: int = Field(ge=0)
    deciding_epoch_samples: int = Field(ge=0)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    precision: Literal["auto", "fp32", "bf16"]
    evaluation_samples: int = Field(ge=0)
    rule_samples: int = Field(ge=1)
    pictured: int = Field(ge=2)
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> "LocalizationParameters":
        if TABLE_DROPOUT not in self.dropouts:
            raise ValueError(f"'dropouts' lacks {TABLE_DROPOUT}, the one of Table 5.2 and of the controls")
        if not promoters.organism(self.organism).genomes:
            raise ValueError(
                f"'organism': {self.organism} is windows alone, and random positions are drawn from a genome; "
                "put it into 'organisms' to ask about it, or into 'other_organism' to learn the fair task from it"
            )
        if len(self.sets()) < len(self.organisms) + len(CONTROLS):
            raise ValueError("'organisms' names one twice")
        return self

    def sets(self) -> dict[str, tuple[str, str]]:
        """The sets of windows that all models are asked about: the organism behind each, and what it is."""
        asked = {f"on-{Path(name).name}": (name, PROMOTERS) for name in self.organisms}
        return asked | {name: (self.organism, what) for name, what in CONTROLS.items()}


class Experiment(NamedTuple):
    """What one training differs in."""

    task: Literal["thesis", "fair"]
    trained_on: Literal["organism", "other_organism", "random positions"]
    initialization: str
    dropout: float
    seamless: bool = False
    deciding: bool = False


def experiments(chapter: LocalizationParameters) -> dict[str, Experiment]:
    """The chapter's trainings by name."""
    table = ("nuclear", TABLE_DROPOUT)
    found = {
        f"thesis-{start}-dropout-{dropout:g}": Experiment("thesis", "organism", start, dropout)
        for start in INITIALIZATIONS
        for dropout in chapter.dropouts
    }
    for suffix, seamless in (("", False), ("-seamless", True)):
        found[f"promoters{suffix}"] = Experiment("thesis", "organism", *table, seamless, deciding=True)
        found[f"random-positions{suffix}"] = Experiment("thesis", "random positions", *table, seamless, deciding=True)
    for name, organism in (("fair", "organism"), ("fair-other", "other_organism")):
        for start in ("nuclear", "none"):
            found[f"{name}-{start}"] = Experiment("fair", organism, start, TABLE_DROPOUT, deciding=True)  # type: ignore[arg-type]
    return found


def pretrained(chapter: LocalizationParameters, initialization: str) -> pretraining.PretrainingRun:
    """The run of chapter 2 that a model starts from, or takes its tokenizer from."""
    chosen = settings(PRETRAINING, chapter.pretrained)
    return pretraining.runs(chosen)[INITIALIZATIONS[initialization] or TOKENIZER]


def tokenizer_of(chapter: LocalizationParameters, initialization: str) -> DnaTokenizer:
    """The tokenizer that goes with an initialization."""
    return load_tokenizer(pretrained(chapter, initialization).train() / "model")


# ---- trainings


@dataclass(frozen=True)
class LocalizationRun(store.Kept):
    """One training of a Longformer that scores tokens."""

    chapter: LocalizationParameters
    name: str

    @cached_property
    def experiment(self) -> Experiment:
        """What it differs in."""
        return experiments(self.chapter)[self.name]

    @property
    def organism(self) -> str:
        """Whose promoters it learns from, or stays away from."""
        return getattr(self.chapter, "other_organism" if self.experiment.trained_on == "other_organism" else "organism")

    @property
    def title(self) -> str:
        """What the run trains, in words."""
        each = self.experiment
        what = "random positions" if each.trained_on == "random positions" else f"promoters of {species(self.organism)}"
        return f"Longformer, {each.task} task, {what}, {each.initialization} start, dropout {each.dropout:g}"

    @property
    def upstream(self) -> int:
        """Bases before the TSS."""
        return self.chapter.seamless_upstream if self.experiment.seamless else self.chapter.upstream

    @property
    def epoch_samples(self) -> int:
        """Samples an epoch, 0 for each training window once."""
        return self.chapter.deciding_epoch_samples if self.experiment.deciding else self.chapter.epoch_samples

    @property
    def split(self) -> Literal["random", "chromosome"]:
        """How its windows are split."""
        return self.chapter.fair_split if self.experiment.task == "fair" else self.chapter.split

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """What, besides data and pretraining, decides the run."""
        chosen = {"redraw", "epochs", "batch_size", "learning_rate", "precision", "seed"}
        shown = self.chapter.model_dump(include=chosen | {"downstream", "evaluation_samples"})
        if self.experiment.trained_on == "random positions":
            shown["random_positions"] = self.chapter.random_positions
        differing = self.experiment._asdict()
        del differing["deciding"]  # it says no more than how many samples
        shown |= {"upstream": self.upstream, "split": self.split, "epoch_samples": self.epoch_samples}
        return shown | differing

    @cached_property
    def key(self) -> str:
        """Key of the run in the store."""
        start = pretrained(self.chapter, self.experiment.initialization).key
        return store.key(RECIPE, self.parameters | {"pretrained": start, "data": digests(self.organism)})

    def windows(self) -> Windows:
        """All windows it is trained, validated and tested on."""
        chapter = self.chapter
        if self.experiment.trained_on != "random positions":
            return promoters.load(self.organism, self.upstream, chapter.downstream)
        genomes, bed = promoters.organism(self.organism).paths()
        return promoters.random_positions(
            genomes, bed, chapter.random_positions, chapter.seed, self.upstream, chapter.downstream
        )

    def samples(self, tokenizer: DnaTokenizer) -> dict[str, TssSamples]:
        """Its data sets; only training samples are drawn anew."""
        chapter, windows = self.chapter, self.windows()
        make = partial(kind_of(self.experiment.task), tokenizer=tokenizer, seed=chapter.seed)
        parts = {part: windows.take(rows) for part, rows in tss.split(windows, self.split, chapter.seed).items()}
        fixed = {"redraw": True, "count": chapter.evaluation_samples}
        return {
            "train": make(parts["train"], stream=_TRAIN, redraw=chapter.redraw, count=self.epoch_samples),
            "validation": make(parts["validation"], stream=_VALIDATION, **fixed),
            "test": make(parts["test"], stream=_TEST, **fixed),
        }

    def build(self, start: Path, tokenizer: DnaTokenizer) -> PreTrainedModel:
        """The untrained model: fresh, or with a pretrained encoder."""
        dropout = {"classifier_dropout": self.experiment.dropout}
        if INITIALIZATIONS[self.experiment.initialization] is None:
            weights = pretrained(self.chapter, "none").chapter.fresh_weights
            return fresh.build("longformer", "tss", tokenizer, weights, **dropout)
        return models.load(start, head="tss", **dropout)

    def fill(self, folder: Path) -> None:
        """Train it, and say how far its answers on the test windows are off."""
        environment = store.environment()
        start = pretrained(self.chapter, self.experiment.initialization).train() / "model"
        tokenizer = load_tokenizer(start)
        samples = self.samples(tokenizer)
        chosen = {"epochs", "batch_size", "learning_rate", "precision", "seed"}
        settings = training.TrainingParameters(**self.chapter.model_dump(include=chosen))
        results = training.train(lambda: self.build(start, tokenizer), samples, settings, summarise, folder)
        seconds = results.pop("seconds")
        tokenizer.save_pretrained(folder / "model")
        shown = list(samples["test"])
        answers = predict(self, models.load(folder / "model"), shown)
        results["test"] |= scores(shown, answers, tokenizer)
        _examples(shown[:EXAMPLES], answers, tokenizer).to_csv(folder / "examples.csv", index=False)
        store.write_json(folder / "metrics.json", results)
        store.write_json(folder / "run.json", self._about(samples, seconds, environment))

    def _about(self, samples: dict[str, TssSamples], seconds: float, environment: dict[str, str]) -> dict[str, Any]:
        start = pretrained(self.chapter, self.experiment.initialization)
        about = about_of(self.name, self.key, self.organism, environment)
        about["simulated"] |= start.about()["simulated"]
        return about | {
            "parameters": self.parameters,
            "pretrained": {"profile": self.chapter.pretrained, "name": start.name, "key": start.key},
            "windows": {part: len(data.windows) for part, data in samples.items()},
            "samples": {part: len(data) for part, data in samples.items()},
            "seconds": seconds,
            "device": training.device(),
            "computed_in": "bf16" if training.bf16(self.chapter.precision) else "fp32",
        }


def kind_of(task: str) -> Callable[..., TssSamples]:
    """The samples of a task."""
    return ThesisSamples if task == "thesis" else FairSamples


def predict(run: LocalizationRun, model: PreTrainedModel, shown: list[Sample]) -> np.ndarray:
    """A trained model's answers."""
    tokens = [sample.tokens for sample in shown]
    return tss.predict(model, tokens, run.chapter.batch_size, training.bf16(run.chapter.precision))


def summarise(counts: np.ndarray) -> dict[str, float]:
    """Metrics from a model's three sums: nats, samples and hits."""
    nats, samples, right = counts
    return {"loss": float(nats / samples), "accuracy": float(right / samples)}


def scores(shown: list[Sample], answers: np.ndarray, tokenizer: DnaTokenizer) -> dict[str, float]:
    """Exact accuracy, accuracy within two tokens, and the error in base pairs."""
    off = np.abs(answers - np.array([sample.label for sample in shown]))
    errors = tss.base_errors(shown, answers, tokenizer.token_lengths())
    return {
        "samples": len(shown),
        "accuracy": float(np.mean(off == 0)),
        "within_two_tokens": float(np.mean(off <= 2)),
        "within_50_bp": float(np.mean(errors <= 50)),
        "median_error_bp": float(np.median(errors)),
    }


def digests(organism: str) -> list[str]:
    """Digests of an organism's genomes and promoters."""
    known = promoters.organism(organism)
    return [sources.digest(sources.fetch(name)) for name in (*known.genomes, known.promoters)] + [str(known.tss)]


def species(organism: str) -> str:
    """The organism's name in Table 5.2."""
    return promoters.organism(organism).species


def about_of(name: str, key: str, organism: str, environment: dict[str, str]) -> dict[str, Any]:
    """What every record of the chapter says: name, key, data, versions."""
    known = promoters.organism(organism)
    return {
        "name": name,
        "key": key,
        "recipe": RECIPE,
        "species": known.species,
        "environment": environment,
        **sources.about((*known.genomes, known.promoters)),
    }


def _examples(shown: list[Sample], answers: np.ndarray, tokenizer: DnaTokenizer) -> pd.DataFrame:
    """Tokens around the TSS and around the answer."""
    rows = []
    for number, (sample, answer) in enumerate(zip(shown, answers, strict=False)):
        letters = tokenizer.convert_ids_to_tokens(sample.tokens.tolist())
        around = {
            f"{name}_{where}": " ".join(part)
            for name, at in (("true", sample.label), ("predicted", int(answer)))
            for where, part in (("before", letters[max(0, at - 4) : at]), ("from", letters[at : at + 4]))
        }
        rows.append({"sample": number, "true": sample.label, "predicted": int(answer)} | around)
    return pd.DataFrame(rows)
