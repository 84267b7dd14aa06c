"""One training on ``transformers.Trainer``: seeds, precision, checkpoints that resume exactly, a history by epoch."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dnakit import processes, store
from dnakit.models.device import bf16, in_words, keep_memory
from dnakit.project import DnakitError, published_folder
from dnakit.run import ATTEMPTS, about_attempts, environment

if TYPE_CHECKING:
    from torch.utils.data import Dataset
    from transformers import PreTrainedModel, TrainingArguments

    from dnakit.trainer import Summary


LAST = "last"  # in the folder of a finished training: the checkpoint that a longer one goes on from
NEEDED = ("model.safetensors", "optimizer.pt", "scheduler.pt", "trainer_state.json")  # of a checkpoint
WARM_UP, DECAY = 0.03, 0.2  # shares of all steps in which a rate rises from zero, and in which it falls to zero


class TrainingParameters(BaseModel):
    """How a model is trained: by default with Adam at the thesis's betas 0.9 and 0.999 (4.2.1) and a constant rate.

    There is no weight decay. `precision` ``auto`` is bf16 where that is faster than fp32 (see
    `dnakit.models.device.bf16`). With the `schedule` ``warmup-decay`` each rate rises in a line, stays, and falls in a
    line to zero: see `WARM_UP` and `DECAY`. The `optimizer` ``muon`` trains the matrices of the blocks with Muon at
    `muon_learning_rate`, and the rest with Adam (`dnakit.optimizers`).
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
    def _muon_has_a_rate(self) -> TrainingParameters:
        if (self.optimizer == "muon") != (self.muon_learning_rate is not None):
            raise ValueError("'muon_learning_rate' belongs to the optimizer muon, which needs it")
        return self


def train(
    build: Callable[[], PreTrainedModel],
    samples: Mapping[str, Dataset],
    parameters: TrainingParameters,
    summarise: Summary,
    folder: Path,
    keep_last: bool = False,
) -> dict[str, Any]:
    """Train a model, or go on with the training whose checkpoints lie in `folder`.

    The weights at the end are the same whether or not the process was killed on the way (bit for bit on one CPU with
    one number of threads). A training goes on wherever it is resumed. ``attempts.json`` in `folder` says where each
    attempt ran, and `dnakit.run.Run` moves that into the record.

    Processes that torchrun started share each batch, and the first one writes checkpoints.

    Parameters
    ----------
    build : callable
        Makes the untrained model; called after the seed is set. The model's output has ``loss`` and ``counts``, a
        tensor of sums of shape (1, n) over the batch.
    samples : mapping
        Datasets by name: ``train``; ``test``, if there is one, which is evaluated at the end; and any others, which are
        evaluated after each epoch too.
    summarise : callable
        Turns ``counts``, summed over a data set, into metrics by name.
    folder : Path
        Gets ``history.csv`` (one row an epoch: train, and all but test) and ``model/`` (safetensors).
    keep_last : bool
        Whether the last checkpoint stays in `folder`, for `go_on`. It is twice as large as the model.

    Returns
    -------
    dict
        Metrics of the final model on every data set but ``train``, and ``seconds`` of training, evaluation after each
        epoch included and all attempts together.
    """
    from transformers import set_seed

    from dnakit import trainer

    processes.share(parameters.batch_size)
    keep_memory()
    set_seed(parameters.seed)
    model = build()
    watched = {part: data for part, data in samples.items() if part not in ("train", "test")}
    steps = parameters.epochs * math.ceil(len(samples["train"]) / parameters.batch_size)  # type: ignore[arg-type]
    settings = arguments(processes.agreed(folder / "checkpoints"), parameters, steps)
    counting = trainer.prepare(model, samples["train"], watched, settings, _optimizer(settings, parameters), summarise)
    resumed = processes.agreed(None if processes.number() else last_checkpoint(folder))
    note_attempt(folder, resumed)
    counting.train(resume_from_checkpoint=resumed, ignore_keys_for_eval=trainer.NOT_COUNTS)
    evaluated = [part for part in (*watched, "test") if part in samples]
    results: dict[str, Any] = {part: trainer.evaluate(counting, samples[part]) for part in evaluated}
    counting.progress.history().to_csv(folder / "history.csv", index=False, float_format="%.6g")
    _save(model, folder, keep_last)
    return results | {"seconds": round(counting.progress.seconds, 1)}


def _save(model: PreTrainedModel, folder: Path, keep_last: bool) -> None:
    """Write the trained model, and keep none of the checkpoints or the last one."""
    if processes.number():  # transformers lets the first process alone save a model
        shutil.copytree(processes.agreed(Path()), folder / "model")
        return
    model.save_pretrained(folder / "model")
    processes.agreed(folder / "model")
    if keep_last:
        _keep_last(folder)
    shutil.rmtree(folder / "checkpoints")


def last_checkpoint(folder: Path) -> str | None:
    """The newest complete checkpoint under `folder`; one that is damaged, or was cut off while written, is removed.

    The first process writes ``trainer_state.json`` last, so a checkpoint without a readable one is incomplete. Other
    processes write their random states beside it, when they come to it.
    """
    attempts = attempts_of(folder)
    checkpoints = sorted((folder / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    for checkpoint in reversed(checkpoints):
        try:
            step = _step(checkpoint)
        except DnakitError:
            shutil.rmtree(checkpoint)
            continue
        processes_then = [each["processes"] for each in attempts if each["step"] < step] or [1]
        if len(list(checkpoint.glob("rng_state*.pth"))) >= processes_then[-1]:
            return str(checkpoint)
        shutil.rmtree(checkpoint)
    return None


def _step(checkpoint: Path) -> int:
    """After how many steps a checkpoint was written; DnakitError if a file of it is cut off or gone.

    Without its optimizer a training would go on with another one, and say nothing.
    """
    for file in (*(checkpoint / name for name in NEEDED), *checkpoint.glob("rng_state*.pth")):
        with store.reading(file):
            store.read_in_part(file)
    state = checkpoint / "trainer_state.json"
    with store.reading(state):
        return store.read_json(state)["global_step"]


def _keep_last(folder: Path) -> None:
    """Keep the last checkpoint beside the model, with whose weights it shares the disk."""
    checkpoint, last = Path(str(last_checkpoint(folder))), folder / LAST
    shutil.rmtree(last, ignore_errors=True)  # of an attempt that was killed here
    os.link(folder / "model" / "model.safetensors", checkpoint / "same")
    os.replace(checkpoint / "same", checkpoint / "model.safetensors")
    checkpoint.rename(last)


def go_on(folder: Path, shorter: Path) -> None:
    """Let the training in `folder` begin where a finished one ended that is the same but for fewer epochs.

    With a constant rate the result is that of an undisturbed training, bit for bit. A training that has begun already
    stays as it is.

    Parameters
    ----------
    folder, shorter : Path
        Of the two trainings; that of the finished one holds its last checkpoint.
    """
    if (folder / "checkpoints").exists() or processes.number():
        return
    step = _step(shorter / LAST)
    store.write_json(folder / ATTEMPTS, store.read_json(shorter / "run.json").get("attempts", []))
    with published_folder(folder / "checkpoints") as part:
        shutil.copytree(shorter / LAST, part / f"checkpoint-{step}")


def attempts_of(folder: Path) -> list[dict[str, Any]]:
    """The attempts at the training in `folder` so far: where each ran, and after which step it began."""
    return store.read_json(folder / ATTEMPTS) if (folder / ATTEMPTS).exists() else []


def note_attempt(folder: Path, checkpoint: str | None) -> None:
    """Write down where this attempt runs, for the record; an earlier one whose work was lost is dropped.

    Where it goes on elsewhere than before, a line on stderr says what that means.
    """
    step = int(checkpoint.rsplit("-", 1)[1]) if checkpoint else 0
    here = {"step": step, "device": in_words(), "processes": processes.count(), **environment()}
    attempts = [each for each in attempts_of(folder) if each["step"] < step] + [here]
    store.write_json(folder / ATTEMPTS, attempts)
    note = about_attempts(attempts).get("note")
    if note and not processes.number():
        print(f"dnakit: goes on after step {step:,}; {note}", file=sys.stderr)


def _optimizer(settings: TrainingArguments, parameters: TrainingParameters) -> tuple[Any, dict[str, Any]] | None:
    """Kind and options of an optimizer that the Trainer does not know by itself."""
    from transformers import Trainer

    from dnakit.optimizers import MuonFactory

    if parameters.optimizer == "adam":
        return None
    adam, options = Trainer.get_optimizer_cls_and_kwargs(settings)
    return MuonFactory, {"muon_rate": parameters.muon_learning_rate, "adam": adam, "adam_options": options}


def _schedule(parameters: TrainingParameters, steps: int) -> dict[str, Any]:
    """The Trainer's settings for a schedule over so many steps."""
    if parameters.schedule == "constant":
        return {"lr_scheduler_type": "constant"}
    return {
        "lr_scheduler_type": "warmup_stable_decay",
        "warmup_steps": max(1, round(WARM_UP * steps)),
        "lr_scheduler_kwargs": {"num_decay_steps": max(1, round(DECAY * steps)), "decay_type": "linear"},
    }


def workers() -> int:
    """Processes that make samples: beside a GPU two, since the training's own process is busy with giving it work."""
    import torch

    return 2 if torch.cuda.is_available() else 0


def arguments(checkpoints: Path, parameters: TrainingParameters, steps: int) -> TrainingArguments:
    """The Trainer's settings for our parameters and so many steps, and nothing that is not needed."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    settings = transformers.TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=parameters.epochs,
        per_device_train_batch_size=processes.share(parameters.batch_size),
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
        logging_nan_inf_filter=False,  # it waits for the GPU at every step
        report_to="none",
        disable_tqdm=True,
        batch_eval_metrics=True,
        label_names=["labels"],
        remove_unused_columns=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        dataloader_num_workers=workers(),
    )
    settings._n_gpu = min(1, settings.n_gpu)  # more would multiply the batch of the same run
    return settings
