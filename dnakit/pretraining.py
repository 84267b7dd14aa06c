"""Thesis sections 4.2.1 and 5.1: masked-language-model pretraining on reference genomes.

One row of Table 5.1 is one run: an architecture, a tokenization, a task. This module names the runs of a chapter's
parameters, trains one, and lays out their histories and results beside the thesis's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter
from pydantic import Field
from transformers import PreTrainedModel

from dnakit import metrics, models, report, sources, store, training
from dnakit.corpora import Corpora, Corpus, CorpusParameters, MlmSamples, corpus_key, prepare
from dnakit.project import checked
from dnakit.tokenization import DnaTokenizer

RECIPE = "pretraining 1"  # goes into every run key; raise it when the same parameters come to mean another training
NOTEBOOK = "02_pretraining"
ARCHITECTURE = "longformer"
EXAMPLES = 3  # validation samples whose predictions are kept,
EXAMPLE_TOKENS = slice(100, 130)  # and which of their tokens


class PretrainingParameters(Corpora):
    """The parameters of chapter 2: one Longformer for each corpus, all trained alike."""

    mlm_loss: Literal["all", "masked"]
    masking: Literal["static", "dynamic"]
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    precision: Literal["auto", "fp32", "bf16"]


def run_names(parameters: dict[str, Any]) -> list[str]:
    """Names of the chapter's runs, without touching data."""
    return [_name(corpus) for corpus in checked(PretrainingParameters, parameters, NOTEBOOK).corpora(NOTEBOOK)]


def runs(parameters: dict[str, Any]) -> dict[str, "PretrainingRun"]:
    """The chapter's runs by name."""
    chapter = checked(PretrainingParameters, parameters, NOTEBOOK)
    return {_name(corpus): PretrainingRun(chapter, corpus) for corpus in chapter.corpora(NOTEBOOK)}


@dataclass(frozen=True)
class PretrainingRun:
    """One row of Table 5.1: the small Longformer on one corpus."""

    chapter: PretrainingParameters
    corpus_parameters: CorpusParameters

    @property
    def tokenization(self) -> str:
        """``6-mer``, ``9-mer``, ``12-mer`` or ``BB`` (BigBird-style)."""
        return self.corpus_parameters.tokenization

    @property
    def name(self) -> str:
        """Name within the chapter."""
        return _name(self.corpus_parameters)

    @property
    def title(self) -> str:
        """What the run trains, in words."""
        genomes, source = self.corpus_parameters.genomes, self.corpus_parameters.source
        return f"Longformer, {self.tokenization}, MLM, {genomes:,} genomes of {source}"

    @cached_property
    def corpus_key(self) -> str:
        """Key of the corpus the run trains on."""
        path = sources.fetch(self.chapter.source)
        return corpus_key(self.corpus_parameters, sources.digest(path))

    @property
    def parameters(self) -> dict[str, Any]:
        """What, besides the corpus, decides the run."""
        chosen = {"mlm_loss", "masking", "epochs", "batch_size", "learning_rate", "precision", "seed"}
        return self.chapter.model_dump(include=chosen) | {"architecture": ARCHITECTURE, "head": "mlm"}

    @cached_property
    def key(self) -> str:
        """Key of the run in the store."""
        return store.key(RECIPE, self.parameters | {"corpus": self.corpus_key})

    @property
    def folder(self) -> Path:
        """Where the finished run lies."""
        return store.place("runs", self.key)

    @property
    def done(self) -> bool:
        """Whether the run is in the store."""
        return self.folder.exists()

    def train(self) -> Path:
        """The run's folder, trained now if it is not in the store."""
        return store.made("runs", self.key, self._fill)

    def history(self) -> pd.DataFrame:
        """One row an epoch: train and validation loss, accuracies, perplexities."""
        return pd.read_csv(self.train() / "history.csv")

    def metrics(self) -> dict[str, dict[str, float]]:
        """Metrics of the final model on the validation and the test split."""
        return store.read_json(self.train() / "metrics.json")

    def about(self) -> dict[str, Any]:
        """The run's record: parameters, data, versions, device, times."""
        return store.read_json(self.train() / "run.json")

    def _fill(self, folder: Path) -> None:
        environment = store.environment()  # of the code that trains, not of a commit made meanwhile
        chapter, corpus = self.chapter, prepare(self.corpus_parameters)
        labelled: Literal["all", "selected"] = "selected" if chapter.mlm_loss == "masked" else "all"
        samples = {
            "train": MlmSamples(corpus, "train", chapter.masking, labelled, chapter.seed),
            "validation": MlmSamples(corpus, "validation", "static", "all", chapter.seed),
            "test": MlmSamples(corpus, "test", "static", "all", chapter.seed),
        }
        settings = training.TrainingParameters(
            **chapter.model_dump(include={"epochs", "batch_size", "learning_rate", "precision", "seed"})
        )
        results = training.train(
            lambda: models.build(ARCHITECTURE, "mlm", len(corpus.tokenizer)),
            samples,
            settings,
            summarise,
            folder,
        )
        seconds = results.pop("seconds")
        for part in ("validation", "test"):
            results[part]["copy_accuracy"] = copy_accuracy(samples[part])
        corpus.tokenizer.save_pretrained(folder / "model")
        model = models.load(folder / "model")
        _predictions(model, samples["validation"], corpus.tokenizer).to_csv(folder / "examples.csv", index=False)
        store.write_json(folder / "metrics.json", results)
        store.write_json(folder / "run.json", self._about(corpus, samples, seconds, environment))

    def _about(
        self, corpus: Corpus, samples: dict[str, MlmSamples], seconds: float, environment: dict[str, str]
    ) -> dict[str, Any]:
        source = sources.describe(self.chapter.source)
        tokens = len(corpus.ids("train")) * self.chapter.epochs
        return {
            "name": self.name,
            "key": self.key,
            "recipe": RECIPE,
            "parameters": self.parameters,
            "corpus": self.corpus_parameters.model_dump() | {"source": Path(source.name).name, "key": self.corpus_key},
            "source": source.title,
            "source_sha256": sources.digest(sources.fetch(self.chapter.source)),
            "simulated": source.simulated,
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


def copy_accuracy(samples: MlmSamples) -> float:
    """Accuracy over all tokens of copying the input: 0.865 in expectation, this number for these masks."""
    same = labelled = 0
    for sample in (samples[number] for number in range(len(samples))):
        scored = sample["labels"] >= 0
        labelled += int(scored.sum())
        same += int((sample["input_ids"] == sample["labels"])[scored].sum())
    return same / labelled


def summarise(counts: np.ndarray) -> dict[str, float]:
    """Metrics from a model's six sums: nats, tokens and hits over all labelled tokens, then over those shown as <mask>.

    Where only the selected tokens were labelled (``mlm_loss: masked``, in training), nothing is known of the others and
    the metrics over all tokens are NaN. Of the selected tokens 80% are masked, of all tokens 12%.
    """
    nats, tokens, right, masked_nats, masked_tokens, masked_right = counts
    known = masked_tokens < tokens / 2
    loss, masked_loss = nats / tokens, masked_nats / masked_tokens
    return {
        "loss": float(loss) if known else float("nan"),
        "accuracy": float(right / tokens) if known else float("nan"),
        "perplexity": metrics.perplexity(loss) if known else float("nan"),
        "masked_loss": float(masked_loss),
        "masked_accuracy": float(masked_right / masked_tokens),
        "masked_perplexity": metrics.perplexity(masked_loss),
    }


def _name(corpus: CorpusParameters) -> str:
    return f"{ARCHITECTURE}-{corpus.tokenization}-mlm"


def _predictions(model: PreTrainedModel, samples: MlmSamples, tokenizer: DnaTokenizer) -> pd.DataFrame:
    """Seen, true and predicted token at some places of some samples."""
    rows = []
    for number in np.linspace(0, len(samples) - 1, EXAMPLES).astype(int):
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


# ---- beside the thesis --------------------------------------------------------------------------------------------


def results(folders: Mapping[str, Path]) -> pd.DataFrame:
    """Final validation metrics of finished runs, one row a run, with its name in Table 5.1 and its size."""
    rows = []
    for folder in folders.values():
        about, scores = store.read_json(folder / "run.json"), store.read_json(folder / "metrics.json")["validation"]
        tokenizer = about["corpus"]["tokenization"]
        keys = {"model": f"Longformer, {tokenizer}", "tokenizer": tokenizer}
        size = {"genomes": about["corpus"]["genomes"], "epochs": about["parameters"]["epochs"]}
        rows.append(keys | size | scores)
    return pd.DataFrame(rows)


def sizes(folders: Mapping[str, Path]) -> pd.DataFrame:
    """What each run trained on and how long it took."""
    rows = []
    for about in (store.read_json(folder / "run.json") for folder in folders.values()):
        rows.append(
            {
                "tokenizer": about["corpus"]["tokenization"],
                "vocabulary": about["vocab_size"],
                "train": about["genomes"]["train"],
                "validation": about["genomes"]["validation"],
                "samples": about["samples"]["train"],
                "epochs": about["parameters"]["epochs"],
                "minutes": about["seconds"] / 60,
                "tokens a second": about["train_tokens_per_second"],
            }
        )
    return pd.DataFrame(rows).set_index("tokenizer")


def predictions(folder: Path) -> pd.DataFrame:
    """The kept predictions of a run, one row a sample: what the model saw, the truth, what it said.

    Tokens that were changed before the model saw them stand in square brackets in all three.
    """
    rows = []
    for number, tokens in pd.read_csv(folder / "examples.csv").groupby("sample"):
        changed = (tokens.seen != tokens.true).to_numpy()
        texts = {
            name: " ".join(f"[{token}]" if mark else token for token, mark in zip(tokens[name], changed, strict=True))
            for name in ("seen", "true", "predicted")
        }
        rows += [{"sample": number, "line": name, "tokens": text} for name, text in texts.items()]
    return pd.DataFrame(rows).set_index(["sample", "line"])


def published() -> pd.DataFrame:
    """The thesis's Longformer rows of Table 5.1 for MLM on mitochondria, named as in `results`, and its references."""
    table = report.thesis_table("5.1")
    rows = table.query("language == 'mitochondrial' and model == 'Longformer' and tasks == 'MLM'")
    rows = rows.assign(model="Longformer, " + rows.tokenizer)
    return pd.concat([rows, table.query("language == 'reference'")])[["model", "tokenizer", "accuracy", "perplexity"]]


def meanings(results: pd.DataFrame) -> pd.DataFrame:
    """What the numbers of `results` mean: skill above copying, the masked tokens alone, both readings of perplexity."""
    table = results[["tokenizer", "accuracy"]].assign(copying=results.copy_accuracy)
    table["skill"] = [metrics.skill(*pair) for pair in zip(results.accuracy, results.copy_accuracy, strict=True)]
    table["masked accuracy"] = results.masked_accuracy
    table["masked perplexity"] = results.masked_perplexity
    table["loss (nats)"] = results.loss
    table["e^loss"] = results.perplexity
    table["2^loss"] = [metrics.perplexity_base2(value) for value in results.loss]
    return table.set_index("tokenizer")


def histories(folders: Mapping[str, Path]) -> dict[str, pd.DataFrame]:
    """Histories of finished runs by tokenizer."""
    return {
        store.read_json(folder / "run.json")["corpus"]["tokenization"]: pd.read_csv(folder / "history.csv")
        for folder in folders.values()
    }


def provenance(folders: Mapping[str, Path], profile: str) -> str:
    """One line for a figure or table: profile, data, run keys, seed, device."""
    abouts = [store.read_json(folder / "run.json") for folder in folders.values()]
    first = abouts[0]
    return report.provenance(
        profile,
        first["source"],
        first["simulated"],
        [about["key"] for about in abouts],
        first["parameters"]["seed"],
        f"{first['device']}, {first['computed_in']}",
    )


def draw_histories(
    panels: Mapping[str, dict[str, pd.DataFrame]],
    measure: str,
    label: str,
    thesis: Mapping[str, float],
    log: bool = False,
) -> Figure:
    """Training (dashed) and validation (solid) curves by tokenizer, one panel for each group of runs.

    Parameters
    ----------
    panels : mapping
        `histories` by panel title; an empty one is left out.
    measure : str
        A column of the histories without its ``train_`` or ``validation_``.
    label : str
        Of the vertical axis.
    thesis : mapping
        The thesis's final validation value by tokenizer, marked at the right edge; empty where it prints none.
    log : bool
        Whether the vertical axis is logarithmic.
    """
    shown = {title: curves for title, curves in panels.items() if curves}
    figure, axes = plt.subplots(1, len(shown), figsize=(8.0, 3.9), squeeze=False, sharey=True)
    for axis, (title, curves) in zip(axes[0], shown.items(), strict=True):
        for tokenizer, history in curves.items():
            color = report.color(tokenizer)
            axis.plot(history.epoch, history[f"validation_{measure}"], color=color, label=tokenizer)
            axis.plot(history.epoch, history[f"train_{measure}"], color=color, linestyle=(0, (2, 1.5)), linewidth=1.3)
            if tokenizer in thesis:
                last = max(len(history) for history in curves.values())
                axis.plot([1.04 * last + 0.2], [thesis[tokenizer]], "D", color=color, clip_on=False)
        axis.set(title=title, xlabel="epoch", yscale="log" if log else "linear")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if log:
            axis.yaxis.set_major_formatter("{x:,g}")
            axis.yaxis.set_minor_formatter(NullFormatter())
    axes[0, 0].set_ylabel(label)
    named = {
        name: line for axis in reversed(axes[0]) for line, name in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    styles = [Line2D([], [], color="#222222"), Line2D([], [], color="#222222", linestyle=(0, (2, 1.5)))]
    marks = [Line2D([], [], color="#222222", marker="D", linestyle="")] if thesis else []
    texts = ["validation", "training", *(["thesis"] if thesis else [])]
    entries = [*named.values(), *styles, *marks]
    figure.legend(entries, [*named, *texts], loc="outside lower center", ncols=7, handlelength=1.4, columnspacing=1.3)
    return figure
