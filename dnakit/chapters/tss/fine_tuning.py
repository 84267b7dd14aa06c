"""Training a model to score tokens (thesis section 4.2.2): its windows, its samples, and what is kept of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dnakit import store, training
from dnakit.chapters.pretraining import starts
from dnakit.chapters.tss import windows as promoters
from dnakit.chapters.tss.neighbours import without_neighbours
from dnakit.chapters.tss.parameters import RANDOM_POSITIONS
from dnakit.chapters.tss.samples import FairSamples, Sample, ThesisSamples, TssSamples
from dnakit.chapters.tss.scoring import predict, scores
from dnakit.chapters.tss.starts import read_sites
from dnakit.data import windows as genome_windows
from dnakit.data.windows import Windows
from dnakit.metrics import loss_and_accuracy
from dnakit.models import build, device
from dnakit.run import Outcome
from dnakit.tokens.tokenizer import DnaTokenizer, shared_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from dnakit.chapters.tss.trainings import Training

SAMPLES: dict[str, type[TssSamples]] = {"thesis": ThesisSamples, "fair": FairSamples}  # of each task
EXAMPLES = 8  # test samples whose predictions are kept
_TRAIN, _VALIDATION, _TEST = range(3)  # streams of random numbers


def fine_tune(run: "Training", folder: Path) -> Outcome:
    """Train a run's model in `folder`: ``model/``, ``history.csv`` (one row an epoch) and ``examples.csv``."""
    chapter, tokenizer = run.parameters, tokenizer_of(run)
    samples = samples_of(run)
    each, dropout = run.experiment, {"classifier_dropout": run.experiment.dropout}
    results = training.train(
        lambda: starts.model_of(each.initialization, run.start, "tss", each.architecture, **dropout),
        samples,
        training.TrainingParameters(**chapter.training() | {"seed": chapter.seed + run.experiment.repeat}),
        loss_and_accuracy,
        folder,
    )
    seconds = results.pop("seconds")
    tokenizer.save_pretrained(folder / "model")
    shown = list(samples["test"])
    predicted = predict_with(run, build.load(folder / "model"), shown)
    results["test"] |= scores(shown, predicted)
    if run.experiment.few:
        results["promoters"] = _on_promoters(run, build.load(folder / "model"))
    _examples(shown[:EXAMPLES], predicted, tokenizer).to_csv(folder / "examples.csv", index=False)
    return Outcome(results, _record(run, samples, seconds))


def tokenizer_of(run: "Training") -> DnaTokenizer:
    """The tokenizer of a training."""
    return shared_tokenizer(starts.model_folder(run.start))


def windows_of(run: "Training") -> Windows:
    """All windows it is trained, validated and tested on."""
    chapter = run.parameters
    if run.experiment.trained_on != RANDOM_POSITIONS:
        return _promoters(run)
    genomes, bed = run.organism.paths()
    count = len(_promoters(run)) if run.experiment.few else chapter.random_positions
    return genome_windows.random_positions(
        genomes, read_sites(bed), count, chapter.seed, run.upstream, chapter.downstream
    )


def _promoters(run: "Training") -> Windows:
    """The promoters of the organism."""
    return promoters.load(run.organism, run.upstream, run.parameters.downstream)


def _on_promoters(run: "Training", model: "PreTrainedModel") -> dict[str, float]:
    """Scores on all promoters, of which the model has seen none."""
    windows, chapter = _promoters(run), run.parameters
    shown = list(SAMPLES[run.experiment.task](windows, tokenizer_of(run), chapter.seed, _TEST))
    return scores(shown, predict_with(run, model, shown)) | {"samples": len(shown)}


def samples_of(run: "Training") -> dict[str, TssSamples]:
    """Samples of the training, validation and test windows; only those of training windows differ between epochs."""
    chapter, tokenizer, windows = run.parameters, tokenizer_of(run), windows_of(run)
    rows = promoters.split(windows, run.split, chapter.seed)
    if run.experiment.apart:
        rows = without_neighbours(windows, run.organism.paths()[1], rows)
    parts = {part: windows.take(each) for part, each in rows.items()}
    make, seed, count = SAMPLES[run.experiment.task], chapter.seed, chapter.evaluation_samples
    return {
        "train": make(parts["train"], tokenizer, seed, _TRAIN, chapter.redraw, run.epoch_samples),
        "validation": make(parts["validation"], tokenizer, seed, _VALIDATION, count=count),
        "test": make(parts["test"], tokenizer, seed, _TEST, count=count),
    }


def predict_with(run: "Training", model: "PreTrainedModel", samples: Sequence[Sample]) -> np.ndarray:
    """The tokens that a trained model predicts, in the batches and the precision of its training."""
    return predict(model, samples, run.parameters.batch_size, run.parameters.precision)


def _record(run: "Training", samples: dict[str, TssSamples], seconds: float) -> dict[str, Any]:
    data, start = run.organism.record(), store.read_json(run.start.folder() / "run.json")
    return data | {
        "simulated": data["simulated"] or start["simulated"],
        "parameters": run.settings,
        "pretrained": {"profile": run.parameters.pretrained, "name": run.start.name, "key": run.start.key},
        "windows": {part: len(each.windows) for part, each in samples.items()},
        "samples": {part: len(each) for part, each in samples.items()},
        "seconds": seconds,
        "device": device.in_words(),
        "computed_in": device.resolved(run.parameters.precision),
    }


def _examples(shown: Sequence[Sample], predicted: np.ndarray, tokenizer: DnaTokenizer) -> pd.DataFrame:
    """Tokens around the TSS and around the prediction."""
    rows = []
    for number, (sample, found) in enumerate(zip(shown, predicted, strict=False)):
        letters = tokenizer.convert_ids_to_tokens(sample.tokens.tolist())
        around = {
            f"{name}_{where}": " ".join(part)
            for name, at in (("true", sample.label), ("predicted", int(found)))
            for where, part in (("before", letters[max(0, at - 4) : at]), ("from", letters[at : at + 4]))
        }
        rows.append({"sample": number, "true": sample.label, "predicted": int(found)} | around)
    return pd.DataFrame(rows)
