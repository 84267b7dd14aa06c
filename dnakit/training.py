"""One training on ``transformers.Trainer``: seeds, precision, checkpoints that resume exactly, a history by epoch.

Nothing here loops over batches. What is added to the Trainer is what the thesis's figures need and it does not keep:
the training metrics of each epoch, as sums that survive a killed process.
"""

import contextlib
import ctypes
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
import transformers
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch.utils.data import Dataset
from tqdm import tqdm
from transformers import PreTrainedModel, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import ExportableState

from dnakit import store
from dnakit.optimizers import MuonFactory

WARM_UP, DECAY = 0.03, 0.2  # shares of all steps in which a rate rises from zero, and in which it falls to zero
CHECKPOINT_SECONDS = 60  # a killed run loses at most so much work, besides a checkpoint at each epoch's end
NOT_COUNTS = ["logits"]  # of a classifier's output; metrics need its counts alone
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's mallopt
Summary = Callable[[np.ndarray], dict[str, float]]


class TrainingParameters(BaseModel):
    """How a model is trained: by default with Adam at the thesis's betas 0.9 and 0.999 (4.2.1) and a constant rate.

    There is no weight decay. `precision` ``auto`` is bf16 where the processor computes in it, else fp32. The `schedule`
    ``warmup-decay`` lets each rate rise in a line, stay, and fall in a line to zero (`WARM_UP`, `DECAY`). The
    `optimizer` ``muon`` trains the matrices of the blocks with Muon at `muon_learning_rate`, the rest with Adam.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    precision: Literal["auto", "fp32", "bf16"]
    seed: int = Field(ge=0)
    schedule: Literal["constant", "warmup-decay"] = "constant"
    optimizer: Literal["adam", "muon"] = "adam"
    muon_learning_rate: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _muon_has_a_rate(self) -> "TrainingParameters":
        if (self.optimizer == "muon") != (self.muon_learning_rate is not None):
            raise ValueError("'muon_learning_rate' belongs to the optimizer muon, which needs it")
        return self


def bf16(precision: str) -> bool:
    """Whether to compute matrix products in bf16: asked for, or `auto` on a GPU or CPU with instructions for it."""
    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Absent before torch 2.11: fp32 then.
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def device() -> str:
    """The device a training would use now, in words."""
    threads = torch.get_num_threads()
    cpu = f"cpu, {threads} thread" + ("s" if threads > 1 else "")
    return torch.cuda.get_device_name() if torch.cuda.is_available() else cpu


def train(
    build: Callable[[], PreTrainedModel],
    samples: Mapping[str, Dataset],
    parameters: TrainingParameters,
    summarise: Summary,
    folder: Path,
) -> dict[str, Any]:
    """Train a model, or go on with the training whose checkpoints lie in `folder`.

    The weights at the end are the same whether or not the process was killed on the way (bit for bit on one CPU with
    one number of threads).

    Parameters
    ----------
    build : callable
        Makes the untrained model; called after the seed is set. The model's output has ``loss`` and ``counts``, a
        tensor of sums of shape (1, n) over the batch.
    samples : mapping
        Datasets ``train`` and those that are evaluated after each epoch, and where there is one ``test``, which is
        evaluated in the end alone.
    summarise : callable
        Turns ``counts``, summed over a data set, into metrics by name.
    folder : Path
        Gets ``history.csv`` (one row an epoch: train, and all but test) and ``model/`` (safetensors).

    Returns
    -------
    dict
        Metrics of the final model on every data set but ``train``, and ``seconds`` of training, evaluation after each
        epoch included and all attempts together.
    """
    keep_memory()
    transformers.set_seed(parameters.seed)
    model = build()
    watched = {part: data for part, data in samples.items() if part not in ("train", "test")}
    progress = Progress(summarise)
    steps = parameters.epochs * math.ceil(len(samples["train"]) / parameters.batch_size)  # type: ignore[arg-type]
    arguments = _arguments(folder, parameters, steps)
    trainer = CountingTrainer(
        model=model,
        args=arguments,
        train_dataset=samples["train"],
        eval_dataset=watched,
        compute_metrics=Totals(summarise),
        callbacks=[progress],
        optimizer_cls_and_kwargs=_optimizer(arguments, parameters),
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.progress = progress
    trainer.train(resume_from_checkpoint=last_checkpoint(folder), ignore_keys_for_eval=NOT_COUNTS)
    results: dict[str, Any] = {
        part: _evaluate(trainer, samples[part]) for part in (*watched, *samples.keys() & {"test"})
    }
    pd.DataFrame(progress.rows).to_csv(folder / "history.csv", index=False, float_format="%.6g")
    model.save_pretrained(folder / "model")
    shutil.rmtree(folder / "checkpoints")
    return results | {"seconds": round(progress.seconds, 1)}


def keep_memory() -> None:
    """Tell glibc's malloc to keep freed memory for the next step.

    By default it hands large blocks back to the system and gets them anew, page fault by page fault, at every step: a
    fifth to a third of the thesis Longformer's step on a CPU (``make bench`` measures both). Elsewhere than on glibc
    nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def last_checkpoint(folder: Path) -> str | None:
    """The newest complete checkpoint under `folder`; one that was cut off while being written is passed over.

    The Trainer writes ``trainer_state.json`` last, so a checkpoint without a readable one is incomplete.
    """
    checkpoints = sorted((folder / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    for checkpoint in reversed(checkpoints):
        try:
            store.read_json(checkpoint / "trainer_state.json")
            return str(checkpoint)
        except (OSError, json.JSONDecodeError):
            shutil.rmtree(checkpoint)
    return None


class Progress(TrainerCallback, ExportableState):
    """Sums of the running epoch, history of the finished ones, and the clock: saved with every checkpoint."""

    def __init__(self, summarise: Summary) -> None:
        self.summarise = summarise
        self.counts = torch.zeros(1, dtype=torch.double)  # on the model's device, so that adding does not wait for it
        self.rows: list[dict[str, float]] = []
        self.seconds = 0.0
        self.training = False  # what is evaluated afterwards belongs to no epoch
        self.started = self.saved = time.monotonic()

    def state(self) -> dict[str, dict[str, Any]]:
        """What a checkpoint keeps."""
        attributes = {"counts": self.counts.tolist(), "rows": self.rows, "seconds": self.elapsed()}
        return {"args": {}, "attributes": attributes}

    def elapsed(self) -> float:
        """Seconds of training, those of killed attempts up to their last checkpoint included."""
        return self.seconds + time.monotonic() - self.started

    def add(self, counts: torch.Tensor) -> None:
        """Add a batch's sums."""
        self.counts = self.counts.to(counts.device) + counts.double().sum(0)

    def on_train_begin(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        kept = state.stateful_callbacks.get(type(self).__name__, {}).get("attributes")
        if kept:
            self.counts = torch.tensor(kept["counts"], dtype=torch.double)
            self.rows, self.seconds = kept["rows"], kept["seconds"]
        self.started = self.saved = time.monotonic()
        self.training = True
        self.bar = tqdm(
            total=state.max_steps, initial=state.global_step, unit="step", leave=False, disable=not show_progress()
        )

    def on_epoch_begin(self, args, state, control, train_dataloader=None, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        train_dataloader.dataset.epoch = int(state.epoch + 1e-6)

    def on_step_end(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        self.bar.update(1)
        # Not at the end of an epoch, where the Trainer saves by itself, after validation: a checkpoint from before it
        # would lose the epoch's row.
        ends_epoch = state.global_step % (state.max_steps // state.num_train_epochs) == 0
        if time.monotonic() - self.saved > CHECKPOINT_SECONDS and not ends_epoch:
            control.should_save = True

    def on_save(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        self.saved = time.monotonic()

    def on_epoch_end(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        train = self.summarise(self.counts.cpu().numpy())
        self.rows.append({"epoch": round(state.epoch), **{f"train_{name}": value for name, value in train.items()}})
        self.counts = torch.zeros(1, dtype=torch.double)

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        if self.training:
            marked = [(*name.removeprefix("eval_").partition("_count_"), value) for name, value in metrics.items()]
            self.rows[-1] |= {f"{part}_{name}": value for part, mark, name, value in marked if mark}

    def on_train_end(self, args, state, control, **kwargs):  # type: ignore[no-untyped-def]  # noqa: D102
        self.bar.close()
        self.training = False
        self.seconds, self.started = self.elapsed(), time.monotonic()


class CountingTrainer(Trainer):
    """A Trainer that hands the sums of every training batch to `progress`."""

    progress: Progress

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):  # type: ignore[no-untyped-def]  # noqa: D102
        outputs = model(**inputs)
        if model.training:
            self.progress.add(outputs.counts)
        return (outputs.loss, outputs) if return_outputs else outputs.loss


class Totals:
    """Sums the counts of an evaluation batch by batch, so that its memory does not grow with the data set."""

    def __init__(self, summarise: Summary) -> None:
        self.summarise = summarise
        self.total: np.ndarray | float = 0.0

    def __call__(self, prediction: transformers.EvalPrediction, compute_result: bool = False) -> dict[str, float]:
        """Add a batch; with the last one, give the metrics and start anew."""
        counts = prediction.predictions
        counts = counts.double().cpu().numpy() if isinstance(counts, torch.Tensor) else np.asarray(counts, float)
        self.total = self.total + counts.reshape(-1, counts.shape[-1]).sum(0)
        if not compute_result:
            return {}
        total, self.total = np.asarray(self.total), 0.0
        return {f"count_{name}": value for name, value in self.summarise(total).items()}


def show_progress() -> bool:
    """Progress bars are for terminals and JupyterLab (``make lab`` sets DNAKIT_PROGRESS), not for stored outputs."""
    return sys.stderr.isatty() or os.environ.get("DNAKIT_PROGRESS") == "1"


def _evaluate(trainer: CountingTrainer, samples: Dataset) -> dict[str, float]:
    metrics = trainer.evaluate(samples, ignore_keys=NOT_COUNTS)
    return {name.removeprefix("eval_count_"): value for name, value in metrics.items() if "_count_" in name}


def _optimizer(arguments: TrainingArguments, parameters: TrainingParameters) -> tuple[Any, dict[str, Any]] | None:
    """Kind and options of an optimizer that the Trainer does not know by itself."""
    if parameters.optimizer == "adam":
        return None
    adam, options = Trainer.get_optimizer_cls_and_kwargs(arguments)
    return MuonFactory, {"muon_rate": parameters.muon_learning_rate, "adam": adam, "adam_options": options}


def _schedule(parameters: TrainingParameters, steps: int) -> dict[str, Any]:
    """The Trainer's arguments for a schedule over so many steps."""
    if parameters.schedule == "constant":
        return {"lr_scheduler_type": "constant"}
    return {
        "lr_scheduler_type": "warmup_stable_decay",
        "warmup_steps": max(1, round(WARM_UP * steps)),
        "lr_scheduler_kwargs": {"num_decay_steps": max(1, round(DECAY * steps)), "decay_type": "linear"},
    }


def _arguments(folder: Path, parameters: TrainingParameters, steps: int) -> TrainingArguments:
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    arguments = TrainingArguments(
        output_dir=str(folder / "checkpoints"),
        num_train_epochs=parameters.epochs,
        per_device_train_batch_size=parameters.batch_size,
        per_device_eval_batch_size=parameters.batch_size,
        learning_rate=parameters.learning_rate,
        adam_beta1=0.9,
        adam_beta2=0.999,
        weight_decay=0.0,
        max_grad_norm=0.0,
        **_schedule(parameters, steps),
        use_cpu=not torch.cuda.is_available(),  # CPU or CUDA, nothing else is tested
        bf16=bf16(parameters.precision),
        seed=parameters.seed,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=2,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        batch_eval_metrics=True,
        label_names=["labels"],
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    arguments._n_gpu = min(1, arguments.n_gpu)  # more would multiply the batch of the same run
    return arguments
