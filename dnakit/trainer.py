"""What a training adds to ``transformers.Trainer``: metrics of each epoch, as sums that survive a killed process.

Nothing here loops over batches. `dnakit.training` imports this module when it trains: transformers' models and Trainer
take four seconds to import.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import torch
import transformers
from accelerate.data_loader import DataLoaderShard
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler
from tqdm import tqdm
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import ExportableState

from dnakit import processes
from dnakit.models.device import give_back_memory, resident_memory
from dnakit.project import DnakitError

Summary = Callable[[np.ndarray], dict[str, float]]
CHECKPOINT_SECONDS = 60  # a killed run loses at most so much work, besides a checkpoint at each epoch's end
GROWTH = 1.1  # of resident memory, at which what is not used is given back
NOT_COUNTS = ["logits"]  # of a classifier's output; metrics need its counts alone
COUNTED = re.compile(r"eval_(?:(?P<part>.+?)_)?count_(?P<metric>.+)")  # how the Trainer names what `Totals` returns


def prepare(
    model: PreTrainedModel,
    train: Dataset,
    watched: dict[str, Dataset],
    arguments: TrainingArguments,
    optimizer: tuple[Any, dict[str, Any]] | None,
    summarise: Summary,
) -> CountingTrainer:
    """A Trainer for `dnakit.training.train`; it evaluates the `watched` data sets after each epoch.

    The `optimizer` is the kind and the options of one that the Trainer does not know by itself, or None.
    """
    progress = Progress(summarise)
    trainer = CountingTrainer(
        model=model,
        args=arguments,
        train_dataset=train,
        eval_dataset=watched,
        compute_metrics=Totals(summarise),
        callbacks=[progress],
        optimizer_cls_and_kwargs=optimizer,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.progress = progress
    return trainer


class Progress(TrainerCallback, ExportableState):
    """Sums of the running epoch, history of the finished ones, and the clock: saved with every checkpoint."""

    def __init__(self, summarise: Summary) -> None:
        self.summarise = summarise
        self.counts = torch.zeros(1, dtype=torch.double)  # on the model's device, so that adding does not wait for it
        self.rows: list[dict[str, float]] = []
        self.seconds = 0.0
        self.training = False  # what is evaluated afterwards belongs to no epoch
        self.settled = 0.0  # resident megabytes after the first batch since memory was given back; 0 before it
        self.started = self.saved = time.monotonic()
        self.bar = tqdm(disable=True)

    def state(self) -> dict[str, dict[str, Any]]:
        """What a checkpoint keeps."""
        rows = [list(row.items()) for row in self.rows]  # the Trainer sorts the keys of what it writes
        attributes = {"counts": self.counts.tolist(), "rows": rows, "seconds": self.elapsed()}
        return {"args": {}, "attributes": attributes}

    def elapsed(self) -> float:
        """Seconds of training, those of killed attempts up to their last checkpoint included."""
        return self.seconds + time.monotonic() - self.started

    def history(self) -> pd.DataFrame:
        """One row for each finished epoch."""
        return pd.DataFrame(self.rows)

    def add(self, counts: torch.Tensor) -> None:
        """Add a batch's sums."""
        self.counts = self.counts.to(counts.device) + counts.double().sum(0)

    def count_batch(self) -> None:
        """Give memory back when it has grown by a tenth since the first batch after the last time."""
        now = resident_memory()
        self.settled = self.settled or now
        if now > GROWTH * self.settled:
            give_back_memory()
            self.settled = 0.0

    def on_train_begin(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        kept = state.stateful_callbacks.get(type(self).__name__, {}).get("attributes")
        if kept:
            self.counts = torch.tensor(kept["counts"], dtype=torch.double)
            self.rows, self.seconds = [dict(row) for row in kept["rows"]], kept["seconds"]
        self.started = self.saved = time.monotonic()
        self.training = True
        self.bar = tqdm(
            total=state.max_steps, initial=state.global_step, unit="step", leave=False, disable=not show_progress()
        )

    def on_epoch_begin(self, args, state, control, train_dataloader=None, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        train_dataloader.dataset.epoch = int(state.epoch + 1e-6)

    def on_step_end(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        self.bar.update(1)
        self.count_batch()
        # Not at the end of an epoch, where the Trainer saves by itself, after validation: a checkpoint from before it
        # would lose the epoch's row.
        ends_epoch = state.global_step % (state.max_steps // state.num_train_epochs) == 0
        if not ends_epoch and processes.agreed(time.monotonic() - self.saved > CHECKPOINT_SECONDS):
            control.should_save = True

    def on_prediction_step(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        self.count_batch()

    def on_save(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        self.saved = time.monotonic()

    def refuse_diverged(self, model: torch.nn.Module, step: int) -> None:
        """Stop where the losses so far, or the weights, are no numbers. It waits for the GPU, so it is not for a step.

        Raises
        ------
        DnakitError
            They are not, and never will be again.
        """
        weights = [torch.isfinite(weight.detach()).all() for weight in model.parameters()]
        if not torch.stack(weights).all():
            _refuse("a weight of the model", step)
        if not torch.isfinite(self.counts).all():
            _refuse("the loss", step)

    def on_epoch_end(self, args, state, control, model=None, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        self.refuse_diverged(model, state.global_step)
        train = self.summarise(self.counts.cpu().numpy())
        self.rows.append({"epoch": round(state.epoch), **{f"train_{name}": value for name, value in train.items()}})
        self.counts = torch.zeros(1, dtype=torch.double)

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        for name, value in metrics.items() if self.training else ():
            if counted := COUNTED.fullmatch(name):
                self.rows[-1][f"{counted['part']}_{counted['metric']}"] = value

    def on_train_end(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        self.training = False
        self.seconds, self.started = self.elapsed(), time.monotonic()


class CountingTrainer(Trainer):
    """A Trainer that hands the sums of every training batch to `progress`."""

    progress: Progress

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):  # type: ignore[no-untyped-def]  # noqa: D102
        outputs = model(**inputs)
        if model.training:
            self.progress.add(self.accelerator.reduce(outputs.counts))
        return (outputs.loss, outputs) if return_outputs else outputs.loss

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.progress.refuse_diverged(model, self.state.global_step)
        super()._save_checkpoint(model, trial)

    def train(self, *args: Any, **options: Any) -> Any:
        """Train; the bar is gone from the terminal before an error is told there."""
        try:
            return super().train(*args, **options)
        finally:
            self.progress.bar.close()

    def floating_point_ops(self, inputs: Any) -> int:
        """None: the Trainer would walk over all modules at every step, for a number that nobody reads."""
        return 0

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """None: nothing is clipped, and nobody reads the norm that the Trainer would compute at every step."""
        return None

    def get_train_dataloader(self) -> DataLoader:
        """The batches of one process; of several processes, each takes its share of each of these batches."""
        loader = super().get_train_dataloader()
        if processes.count() == 1:
            return loader
        prepared: Any = loader.batch_sampler
        order = prepared.batch_sampler.sampler  # as a single process draws it
        batches = Share(BatchSampler(order, self.args.train_batch_size * processes.count(), drop_last=False))
        where, collate = self.accelerator.device, loader.collate_fn
        return DataLoaderShard(loader.dataset, where, batch_sampler=batches, collate_fn=collate)

    def get_eval_dataloader(self, eval_dataset: Dataset | str | None = None) -> DataLoader:
        """All batches: each of several processes evaluates everything, so that nothing is counted twice or left out."""
        if processes.count() == 1:
            return super().get_eval_dataloader(eval_dataset)
        watched: Any = self.eval_dataset
        data = watched[eval_dataset] if isinstance(eval_dataset, str) else eval_dataset
        where, size = self.accelerator.device, self.args.eval_batch_size
        # accelerate would cut the sums of the last batch where it knows how many samples that has.
        return DataLoaderShard(data, where, batch_size=size, collate_fn=self.data_collator, _drop_last=True)


class Share(Sampler[list[int]]):
    """A process's share of each batch: every n-th sample from its own number on.

    The last batch of an epoch may have fewer samples than there are processes. A process without one takes the first
    again: with one sample left, the mean of the gradients is that of a single process. The loss and the accuracy of
    training count that sample each time.
    """

    def __init__(self, batches: BatchSampler) -> None:
        self.batches, self.sampler, self.batch_size = batches, batches.sampler, batches.batch_size

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.batches:
            yield batch[processes.number() :: processes.count()] or batch[:1]


class Totals:
    """Sums the counts of an evaluation batch by batch, so that its memory does not grow with the data set."""

    def __init__(self, summarise: Summary) -> None:
        self.summarise = summarise
        self.total: np.ndarray | float = 0.0

    def __call__(self, prediction: transformers.EvalPrediction, compute_result: bool = False) -> dict[str, float]:
        """Add a batch; with the last one, give the metrics and start anew."""
        counts = prediction.predictions
        counts = counts.double().cpu().numpy() if isinstance(counts, torch.Tensor) else np.asarray(counts, float)
        sums = counts.reshape(-1, counts.shape[-1]).sum(0)
        self.total = self.total + sums / processes.count()  # each of several processes has evaluated the batch
        if not compute_result:
            return {}
        total, self.total = np.asarray(self.total), 0.0
        if not np.isfinite(total).all():
            _refuse("the loss of an evaluation")
        return {f"count_{name}": value for name, value in self.summarise(total).items()}


def evaluate(trainer: CountingTrainer, samples: Dataset) -> dict[str, float]:
    """Metrics of a data set, by name."""
    metrics = trainer.evaluate(samples, ignore_keys=NOT_COUNTS)
    return {counted["metric"]: metrics[name] for name in metrics if (counted := COUNTED.fullmatch(name))}


def _refuse(what: str, step: int | None = None) -> NoReturn:
    """One line for a training that has diverged."""
    when = "" if step is None else f" after {step:,} step{'s' if step > 1 else ''}"
    raise DnakitError(f"the training has diverged: {what} is no finite number{when}; lower the learning rate")


def show_progress() -> bool:
    """Progress bars are for terminals and JupyterLab (``make lab`` sets DNAKIT_PROGRESS), not for stored outputs."""
    return sys.stderr.isatty() or os.environ.get("DNAKIT_PROGRESS") == "1"
