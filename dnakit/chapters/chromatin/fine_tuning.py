"""Training a network on profiles (thesis section 4.2.4), and scoring it on the test rows, on either strand."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import default_collate

from dnakit import store, training
from dnakit.chapters.chromatin import networks, scores
from dnakit.chapters.chromatin.measuring import evaluated, keep_predictions, parts_of
from dnakit.chapters.chromatin.networks import ProfileModel
from dnakit.chapters.chromatin.profiles import Profiles, labelled, prepare
from dnakit.chapters.chromatin.samples import BaseInputs, Inputs, Labels, Samples, TokenInputs, Windows
from dnakit.chapters.chromatin.summary import Summary
from dnakit.chapters.pretraining import starts
from dnakit.data.bases import reverse_complement
from dnakit.models import build, device
from dnakit.run import Outcome
from dnakit.tokens.tokenizer import shared_tokenizer

if TYPE_CHECKING:
    from dnakit.chapters.chromatin.trainings import Training

_TRAIN, _VALIDATION = range(2)  # streams of random numbers


def fine_tune(run: "Training", folder: Path) -> Outcome:
    """Train a run's network in `folder`, and score it.

    Written are ``model/``, ``history.csv`` (a row for each epoch), ``features.csv`` (a row for each feature),
    ``thresholds.csv`` and ``predictions.npz``.
    """
    chapter, each = run.parameters, run.experiment
    profiles = prepare(run.organism, each.window, chapter.rows)
    parts = parts_of(profiles, run.organism, each.split, chapter.seed)
    samples = samples_of(run, profiles, parts)
    values = chapter.training() | {"seed": chapter.seed + each.repeat}
    results: dict[str, Any] = training.train(
        lambda: model_of(run, len(profiles.features)),  # type: ignore[arg-type, return-value]
        samples,
        training.TrainingParameters(**values),
        Summary(profiles.features),
        folder,
    )
    seconds = results.pop("seconds")
    found = _test(run, folder, profiles, parts["test"])
    metrics = {"validation": _json(results["validation"]), **found}
    return Outcome(metrics, _record(run, parts, samples, seconds) | profiles.notes)


def model_of(run: "Training", features: int) -> ProfileModel:
    """The untrained model of a run."""
    each = run.experiment
    network: nn.Module
    if run.start is None:
        network = networks.Convolutional(each.network, features, each.window, run.parameters.network_scale)
    else:
        longer = {"max_tokens": each.tokens} if each.initialization == "none" else {}
        options = {"num_labels": features, "positive_weight": each.positive_weight, **longer}
        network = starts.model_of(each.initialization, run.start, "multilabel", each.network, **options)
    return ProfileModel(network, each.positive_weight)


def load_model(run: "Training", folder: Path) -> ProfileModel:
    """The trained model in a run's folder."""
    network: nn.Module = build.load(folder / "model") if run.start else networks.load(folder / "model")
    return ProfileModel(network, run.experiment.positive_weight)


def inputs_of(run: "Training", windows: Sequence[bytes]) -> Inputs:
    """The inputs of a run's network."""
    if run.start is None:
        return BaseInputs(windows)
    return TokenInputs(windows, shared_tokenizer(starts.model_folder(run.start)), run.experiment.tokens)


def samples_of(run: "Training", profiles: Profiles, parts: dict[str, np.ndarray]) -> dict[str, Samples]:
    """Training and validation samples; only the former differ between epochs."""
    chapter, found = run.parameters, {}
    for part, count in (("train", chapter.epoch_samples), ("validation", chapter.evaluation_samples)):
        rows = parts[part]
        seed = 2 * (chapter.seed + run.experiment.repeat) + (_TRAIN if part == "train" else _VALIDATION)
        inputs = inputs_of(run, Windows(profiles, rows))
        found[part] = Samples(inputs, Labels(profiles, rows), count, seed, redraw=part == "train")
    return found


def predict(model: ProfileModel, inputs: Inputs, batch_size: int, precision: str) -> np.ndarray:
    """Probabilities of all inputs, float32, shape (inputs, features)."""
    found, at = [], device.ready(model)  # type: ignore[arg-type]
    with torch.no_grad(), device.autocast(at, precision):
        for start in range(0, len(inputs), batch_size):
            batch = default_collate([inputs[n] for n in range(start, min(start + batch_size, len(inputs)))])
            logits = model(**{name: each.to(at) for name, each in batch.items()}).logits
            found.append(torch.sigmoid(logits).float().cpu().numpy())
    return np.concatenate(found)


def _test(run: "Training", folder: Path, profiles: Profiles, rows: np.ndarray) -> dict[str, Any]:
    """Score the test rows: as they are, on the other strand, and both averaged."""
    chapter, model = run.parameters, load_model(run, folder)
    strands = Windows(profiles, rows), Windows(profiles, rows, reverse_complement)
    one, other = (predict(model, inputs_of(run, each), chapter.batch_size, chapter.precision) for each in strands)
    labels = profiles.labels_of(rows)
    table, found = evaluated(profiles, rows, one, chapter.seed)
    table.to_csv(folder / "features.csv", index=False, float_format="%.6g")
    scores.thresholds(labels, one).to_csv(folder / "thresholds.csv", index=False, float_format="%.6g")
    keep_predictions(folder, profiles, rows, {"probabilities": one})
    _, both = evaluated(profiles, rows, (one + other) / 2, chapter.seed)
    strand = {"mean_difference": float(np.abs(one - other).mean()), "both": both}
    loss = weighted_loss(labels, one, run.experiment.positive_weight)
    return {"test": {**found, "loss": loss}, "strands": strand}


def weighted_loss(labels: np.ndarray, probabilities: np.ndarray, positive_weight: float) -> float:
    """The mean loss of the known labels in nats, positives weighted, as training has it."""
    known = labelled(labels)
    truth, predicted = labels[known] == 1, probabilities[known].astype(float).clip(1e-7, 1 - 1e-7)
    return float(-np.where(truth, positive_weight * np.log(predicted), np.log1p(-predicted)).mean())


def _json(values: dict[str, float]) -> dict[str, float | None]:
    """NaN as None."""
    return {name: None if math.isnan(value) else value for name, value in values.items()}


def _record(
    run: "Training", parts: dict[str, np.ndarray], samples: dict[str, Samples], seconds: float
) -> dict[str, Any]:
    data, each = run.organism.record(), run.experiment
    record: dict[str, Any] = {
        **data,
        "parameters": run.settings,
        "rows": {part: len(rows) for part, rows in parts.items()},
        "samples": {part: len(found) for part, found in samples.items()},
        "seconds": seconds,
        "device": device.in_words(),
        "computed_in": device.resolved(run.parameters.precision),
    }
    if run.start:
        start = store.read_json(run.start.folder() / "run.json")
        record["simulated"] = data["simulated"] or start["simulated"]
        record["pretrained"] = {"profile": run.parameters.pretrained, "name": run.start.name, "key": run.start.key}
        record["input_length"] = samples["train"].inputs[0]["input_ids"].shape[0]
    return record | {"split": each.split}
