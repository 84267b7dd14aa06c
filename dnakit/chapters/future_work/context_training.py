"""Pretraining on windows of a genome: drawn as they are or evenly from contexts, masked or with replaced tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from dnakit import training
from dnakit.chapters.future_work.context_measures import (
    MASKS,
    SAMPLE,
    Evaluated,
    bits,
    costs,
    evaluated,
    probe,
    save_costs,
)
from dnakit.models import build, device, initial_weights, replaced_tokens
from dnakit.models.operations import operations
from dnakit.run import Outcome
from dnakit.tokens.samples import masked_item
from dnakit.tokens.vocabulary import MASK, PAD

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from dnakit.chapters.future_work.context_runs import Pretraining

AT_ONCE = 64  # windows


class MaskedWindows(Dataset):
    """Framed windows with BERT's masks, drawn anew for each sample: labels at the selected tokens alone."""

    def __init__(self, ids: NDArray[np.int64], vocab_size: int, seed: list[int]) -> None:
        self.ids, self.vocab_size, self.seed, self.epoch = ids, vocab_size, seed, 0

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng([*self.seed, number])
        return masked_item(self.ids[number], self.vocab_size, "selected", rng)


def pretrain(run: Pretraining, folder: Path) -> Outcome:
    """Train in `folder`: ``model/``, ``history.csv`` and, of a language model, ``costs.csv``; and measure it."""
    about, settings = evaluated(run.parameters), run.settings
    cost = {objective: sample_operations(run, about, objective) for objective in ("mlm", settings["objective"])}
    count = round(run.parameters.samples * cost["mlm"] / cost[settings["objective"]])
    rng = np.random.default_rng([run.training_seed, SAMPLE])
    drawn = about.train.take(about.train.draw(settings["sampling"], count, rng))
    vocabulary = len(about.tokenizer)
    samples = {
        "train": MaskedWindows(about.framed(drawn), vocabulary, [run.training_seed, SAMPLE]),
        "validation": MaskedWindows(about.framed(about.test), vocabulary, [run.parameters.seed, MASKS]),
    }
    fields = {name: settings[name] for name in training.TrainingParameters.model_fields if name in settings}
    results = training.train(
        lambda: new_model(run, about, settings["objective"]),
        samples,
        training.TrainingParameters(**fields),
        summarise,
        folder,
    )
    seconds = results.pop("seconds")
    about.tokenizer.save_pretrained(folder / "model")
    model = build.load(folder / "model")
    if settings["objective"] == "mlm":
        table = masked_costs(model, about, run.parameters.seed, settings["precision"])
        save_costs(table, folder / "costs.csv")
        results["bits"] = bits(table)
    models = {"right": model, "before": _untrained(run, about)}
    results["probe"] = {name: probed(each, about, settings["precision"]) for name, each in models.items()}
    record = {
        "parameters": settings,
        "samples": {part: len(each) for part, each in samples.items()},
        "operations": {"sample": cost[settings["objective"]], "all": cost[settings["objective"]] * count},
        "vocab_size": vocabulary,
        "seconds": seconds,
        "device": device.in_words(),
        "computed_in": settings["precision"],
    }
    return Outcome(results, run.about() | record)


def new_model(run: Pretraining, about: Evaluated, objective: str) -> PreTrainedModel:
    """The model of an objective, with informed weights."""
    if objective == "replaced":
        return replaced_tokens.build(about.tokenizer, **run.parameters.sizes)
    return initial_weights.build("longformer", "mlm", about.tokenizer, "informed", **run.parameters.sizes)


def _untrained(run: Pretraining, about: Evaluated) -> PreTrainedModel:
    torch.manual_seed(run.training_seed)
    return new_model(run, about, "mlm")


def summarise(counts: np.ndarray) -> dict[str, float]:
    """Metrics from a model's six sums: of all labelled tokens, then of those shown as ``<mask>``.

    Of a detector the first three are of its judgement of all tokens, the others of its generator.
    """
    nats, tokens, right, masked_nats, masked_tokens, masked_right = counts
    return {
        "loss": float(nats / tokens),
        "accuracy": float(right / tokens),
        "masked_loss": float(masked_nats / masked_tokens),
        "masked_accuracy": float(masked_right / masked_tokens),
    }


def sample_operations(run: Pretraining, about: Evaluated, objective: str) -> float:
    """Floating-point operations of one training sample, forward and backward, as torch counts them."""
    torch.manual_seed(run.training_seed)
    model = new_model(run, about, objective).train()
    rows = np.arange(min(run.parameters.batch_size, len(about.test)))
    batch = MaskedWindows(about.framed(about.test.take(rows)), len(about.tokenizer), [run.parameters.seed, MASKS])
    inputs = torch.utils.data.default_collate([batch[number] for number in range(len(batch))])
    return operations(model, inputs) / len(batch)


def masked_costs(model: PreTrainedModel, about: Evaluated, seed: int, precision: str) -> Any:
    """Costs of the masked tokens of the held-out windows: see `context_measures.costs`."""
    true = about.framed(about.test)
    seen, _ = about.masked(true, [seed, MASKS])
    where, nats = device.ready(model), []
    with torch.no_grad(), device.autocast(where, precision):
        for start in range(0, len(true), AT_ONCE):
            ids = torch.from_numpy(seen[start : start + AT_ONCE]).to(where)
            logits = model(ids, attention_mask=(ids != PAD).long()).logits.float()
            labels = torch.from_numpy(true[start : start + AT_ONCE]).to(where)
            nats.append(
                torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels, reduction="none").cpu().numpy()
            )
    return costs(np.concatenate(nats), true, seen == MASK, about)


def probed(model: PreTrainedModel, about: Evaluated, precision: str) -> str:
    """Whether the probe on the model's hidden states names each held-out window right."""
    learned = about.train.take(about.probe)
    states = [mean_states(model, about.framed(each), precision) for each in (learned, about.test)]
    return probe(states[0], learned.context, states[1], about.test.context)


def mean_states(model: PreTrainedModel, ids: NDArray[np.int64], precision: str) -> NDArray[np.float32]:
    """Mean hidden state of the tokens of each window, ``(windows, hidden_size)``."""
    where, found = device.ready(model), []
    with torch.no_grad(), device.autocast(where, precision):
        for start in range(0, len(ids), AT_ONCE):
            some = torch.from_numpy(ids[start : start + AT_ONCE]).to(where)
            real = (some != PAD).long()
            hidden = model.encode(some, real, None).float()  # type: ignore[operator]
            found.append(((hidden * real[..., None]).sum(1) / real.sum(1, keepdim=True)).cpu().numpy())
    return np.concatenate(found)
