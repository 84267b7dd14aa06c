"""Training a masked language model on a corpus (thesis section 4.2.1), and what is kept of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel

from dnakit import metrics, training
from dnakit.data import sources
from dnakit.models import build, device, initial_weights
from dnakit.run import Outcome
from dnakit.tokens.corpus import Corpus, prepare
from dnakit.tokens.samples import MlmSamples, SentenceOrderSamples
from dnakit.tokens.tokenizer import DnaTokenizer

if TYPE_CHECKING:
    from dnakit.chapters.pretraining.trainings import PretrainingRun

EXAMPLES = 3  # validation samples whose predictions are kept,
EXAMPLE_TOKENS = slice(100, 130)  # and which of their tokens


def pretrain(run: "PretrainingRun", folder: Path) -> Outcome:
    """Train a run's model in `folder`: ``model/``, ``history.csv`` (one row an epoch) and ``examples.csv``.

    It begins where a shorter one in the store ended that is the same otherwise: with a constant rate nothing depends on
    how many epochs follow.
    """
    chapter, corpus = run.parameters, prepare(run.corpus)
    samples, settings = samples_of(run, corpus), run.settings
    chosen = {name: settings[name] for name in training.TrainingParameters.model_fields if name in settings}
    shorter = run.shorter()
    if shorter:
        training.go_on(folder, shorter)
    results = training.train(
        lambda: initial_weights.build(
            settings["architecture"],
            settings["head"],
            corpus.tokenizer,
            chapter.initial_weights,
            **run.sizes,
            **run.options,
        ),
        samples,
        training.TrainingParameters(**chosen),
        summarise,
        folder,
        keep_last=True,
    )
    seconds = results.pop("seconds")
    for part in results:
        results[part]["copy_accuracy"] = copy_accuracy(samples[part])
    corpus.tokenizer.save_pretrained(folder / "model")
    model = build.load(folder / "model")
    predictions(model, samples["validation"], corpus.tokenizer).to_csv(folder / "examples.csv", index=False)
    return Outcome(results, _record(run, corpus, samples, seconds))


def samples_of(run: "PretrainingRun", corpus: Corpus) -> dict[str, MlmSamples]:
    """Training samples, and samples of each other split and held-out set with the same masks in every epoch."""
    chapter = run.parameters
    kind = SentenceOrderSamples if run.settings["head"] == "mlm+sop" else MlmSamples
    labelled: Literal["all", "selected"] = "selected" if chapter.mlm_loss == "masked" else "all"
    train = kind(corpus, "train", chapter.masking, labelled, chapter.seed)
    others = [part for part in corpus.genomes if part != "train"]
    return {"train": train} | {part: kind(corpus, part, "static", "all", chapter.seed) for part in others}


def _record(run: "PretrainingRun", corpus: Corpus, samples: dict[str, MlmSamples], seconds: float) -> dict[str, Any]:
    tokens = corpus.sizes["tokens"]["train"] * run.settings["epochs"]
    return {
        "parameters": run.settings,
        "corpus": run.corpus.named() | {"key": corpus.folder.name},
        **sources.about(run.corpus.sources),
        "genomes": {part: len(names) for part, names in corpus.genomes.items()},
        "samples": {part: len(dataset) for part, dataset in samples.items()},
        "bases": corpus.sizes["bases"],
        "vocab_size": len(corpus.tokenizer),
        "seconds": seconds,
        "train_tokens_per_second": round(tokens / seconds),
        "device": device.in_words(),
        "computed_in": device.resolved(run.parameters.precision),
    }


def copy_accuracy(samples: Any) -> float:
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


def bits_per_base(masked_loss: float, samples: Any, corpus: Corpus) -> float:
    """Bits that a base of the masked tokens costs, from the mean nats that such a token costs."""
    lengths = corpus.tokenizer.token_lengths()
    masked = [sample["labels"][sample["masked"]].numpy() for sample in (samples[at] for at in range(len(samples)))]
    tokens = np.concatenate(masked)
    return float(masked_loss * len(tokens) / (lengths[tokens].sum() * np.log(2)))


def predictions(model: PreTrainedModel, samples: MlmSamples, tokenizer: DnaTokenizer) -> pd.DataFrame:
    """Seen, true and predicted token at some places of some samples: ``sample``, ``seen``, ``true``, ``predicted``."""
    rows = []
    long = np.flatnonzero(samples.lengths >= EXAMPLE_TOKENS.stop)
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
    none = pd.DataFrame(columns=["sample", "seen", "true", "predicted"])  # where every sample is short
    return pd.concat(rows, ignore_index=True) if rows else none
