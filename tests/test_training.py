"""A training that is killed and started again ends where an undisturbed one ends, and its memory does not grow."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny_training
import torch
from safetensors.torch import load_file, save_file

from benchmarks import memory
from dnakit import trainer, training
from dnakit.chapters.chapter import TrainingChapterParameters
from dnakit.models import device
from dnakit.project import DnakitError, root
from dnakit.run import ATTEMPTS, Outcome, Run, about_attempts

pytestmark = pytest.mark.slow

torch.set_num_threads(1)

VALUES: dict[str, Any] = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "precision": "fp32", "seed": 1}
TINY = Path(__file__).with_name("tiny_training.py")


def start(folder: Path, *parts: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(TINY), str(folder), *(parts or ("train", "validation", "test"))]
    return subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True)


def results(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate()
    assert process.returncode == 0
    return json.loads(out)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("undisturbed")
    return folder, results(start(folder))


def wait_for_checkpoint(folder: Path, process: subprocess.Popen[str], beyond: int) -> int:
    """Steps of the newest checkpoint once it lies beyond so many steps (or the process has ended)."""
    while process.poll() is None:
        found = [int(path.name.split("-")[1]) for path in folder.glob("checkpoints/checkpoint-*")]
        if max(found, default=0) > beyond:
            return max(found)
        time.sleep(0.02)
    return beyond


def test_kill_9_and_again_gives_the_same_weights_history_and_metrics(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    rng, steps = random.Random(0), 0
    for _ in range(2):
        process = start(tmp_path)
        steps = wait_for_checkpoint(tmp_path, process, steps)
        time.sleep(0.3 * rng.random())  # anywhere: in a step, in an evaluation, in the writing of a checkpoint
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert steps > 0
    folder, expected = undisturbed
    got = results(start(tmp_path))
    one, other = (load_file(each / "model" / "model.safetensors") for each in (folder, tmp_path))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (folder / "history.csv").read_text() == (tmp_path / "history.csv").read_text()
    assert {name: each for name, each in got.items() if name != "seconds"} == {
        name: each for name, each in expected.items() if name != "seconds"
    }
    assert sorted(each.name for each in tmp_path.iterdir()) == ["attempts.json", "history.csv", "model"]


def test_a_longer_training_goes_on_where_a_shorter_one_ended(tmp_path: Path) -> None:
    samples = {"train": tiny_training.Samples(0, 100), "validation": tiny_training.Samples(1, 40)}

    def train(name: str, epochs: int) -> Path:
        values = tiny_training.parameters(16, epochs)
        training.train(tiny_training.model, samples, values, tiny_training.summarise, tmp_path / name, keep_last=True)
        return tmp_path / name

    shorter, longer, straight = train("shorter", 1), tmp_path / "longer", train("straight", 3)
    (shorter / "run.json").write_text(json.dumps(about_attempts(training.attempts_of(shorter))))
    longer.mkdir()
    training.go_on(longer, shorter)
    train("longer", 3)
    assert [each["step"] for each in training.attempts_of(longer)] == [0, 7]
    one, other = (load_file(each / "model" / "model.safetensors") for each in (longer, straight))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (longer / "history.csv").read_text() == (straight / "history.csv").read_text()
    assert sorted(each.name for each in longer.iterdir()) == ["attempts.json", "history.csv", "last", "model"]


def test_a_training_does_not_go_on_from_a_damaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path))
    shorter, longer = tmp_path / "runs" / "shorter", tmp_path / "runs" / ".longer.part"
    write_checkpoint(shorter, 7).rename(shorter / "last")
    (shorter / "run.json").write_text("{}")
    weights = shorter / "last" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    longer.mkdir()
    with pytest.raises(
        DnakitError, match=rf"^{shorter} is damaged \(model.safetensors: .*\): delete this folder, and run"
    ):
        training.go_on(longer, shorter)
    assert list(longer.iterdir()) == []


def test_processes_that_make_samples_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = {"train": tiny_training.Samples(0, 100), "validation": tiny_training.Samples(1, 40)}
    for many in (0, 2):
        monkeypatch.setattr(training, "workers", lambda many=many: many)
        training.train(
            tiny_training.model, samples, tiny_training.parameters(16), tiny_training.summarise, tmp_path / str(many)
        )
    one, other = (load_file(tmp_path / many / "model" / "model.safetensors") for many in ("0", "2"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (tmp_path / "0" / "history.csv").read_text() == (tmp_path / "2" / "history.csv").read_text()


def test_the_history_has_an_epoch_a_row_and_ends_in_the_metrics(undisturbed: tuple[Path, dict[str, Any]]) -> None:
    folder, final = undisturbed
    history = pd.read_csv(folder / "history.csv")
    assert history.columns.tolist() == [
        "epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
    ]  # fmt: skip
    assert history.epoch.tolist() == [1, 2]
    for name, value in final["validation"].items():
        assert history[f"validation_{name}"].iloc[-1] == pytest.approx(value, rel=1e-5)
    assert history.train_loss.iloc[1] < history.train_loss.iloc[0]
    assert final.keys() == {"validation", "test", "seconds"}
    assert final["seconds"] > 0


def test_a_training_needs_no_other_data_than_its_own(tmp_path: Path) -> None:
    assert results(start(tmp_path, "train")).keys() == {"seconds"}
    assert pd.read_csv(tmp_path / "history.csv").columns.tolist() == ["epoch", "train_loss", "train_accuracy"]


def write_checkpoint(folder: Path, step: int, random_states: tuple[str, ...] = ("rng_state",)) -> Path:
    checkpoint = folder / "checkpoints" / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    save_file({"a": torch.zeros(9)}, checkpoint / "model.safetensors")
    for name in ("optimizer.pt", "scheduler.pt", *(f"{state}.pth" for state in random_states)):
        torch.save({"a": torch.zeros(9)}, checkpoint / name)
    (checkpoint / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    return checkpoint


@pytest.mark.parametrize(
    "name", ["trainer_state.json", "model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"]
)
def test_a_checkpoint_cut_off_while_written_or_later_is_passed_over(tmp_path: Path, name: str) -> None:
    whole, half, without = (write_checkpoint(tmp_path, step) for step in (5, 12, 20))
    (half / name).write_bytes((half / name).read_bytes()[:-20])
    (without / name).unlink()
    assert training.last_checkpoint(tmp_path) == str(whole)
    assert list(whole.parent.iterdir()) == [whole]
    assert training.last_checkpoint(tmp_path / "elsewhere") is None


def test_totals_over_batches_are_the_totals_over_all_and_start_anew() -> None:
    counts = np.random.default_rng(0).random((12, 3))
    totals = trainer.Totals(lambda total: {"a": total[0], "b": total[2]})

    class Prediction:
        def __init__(self, rows: Any) -> None:
            self.predictions = rows

    for _ in range(2):
        assert totals(Prediction(counts[:5])) == {}
        assert totals(Prediction(torch.tensor(counts[5:9]))) == {}
        result = totals(Prediction(counts[9:]), compute_result=True)
        assert result == pytest.approx({"count_a": counts[:, 0].sum(), "count_b": counts[:, 2].sum()})


@pytest.mark.parametrize(
    ("instructions", "faster"),
    [
        ((), False),  # AVX2 alone: bf16 is emulated
        (("avx512_bf16",), True),  # AMD
        (("avx512_bf16", "avx512_fp16"), False),  # Intel, whose AMX a virtual machine hides
        (("avx512_bf16", "avx512_fp16", "amx_bf16"), True),
    ],
)
def test_precision_is_what_was_asked_for_and_auto_the_faster_one(
    instructions: tuple[str, ...], faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(instructions, True), raising=False)
    assert device.bf16("auto") is faster
    assert device.resolved("auto") == ("bf16" if faster else "fp32")
    assert not device.bf16("fp32")
    assert device.resolved("bf16") == "bf16"
    if instructions:
        assert device.bf16("bf16")
    else:
        with pytest.raises(DnakitError, match="no bf16 instructions"):
            device.bf16("bf16")


def test_emulated_bf16_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Training(Run):
        recipe, title = "training 1", "a training"

        def inputs(self) -> dict[str, str]:
            return self.parameters.training()

        def compute(self, folder: Path) -> Outcome:
            raise AssertionError("nothing is computed")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True}, raising=False)
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "data"))
    parameters = TrainingChapterParameters(profile="smoke", **(VALUES | {"precision": "bf16"}))
    with pytest.raises(DnakitError, match="give fp32 or auto"):
        Training(parameters, "one").folder()
    assert not (tmp_path / "data").exists()


def test_the_record_says_where_a_resumed_training_ran(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    training.note_attempt(tmp_path, None)
    assert about_attempts(training.attempts_of(tmp_path)).keys() == {"attempts"}
    first = training.attempts_of(tmp_path)[0] | {"torch": "2.0.0", "commit": "another"}
    (tmp_path / ATTEMPTS).write_text(json.dumps([first]))
    for _ in range(2):  # what the second attempt did was lost, and the third begins at the same step
        training.note_attempt(tmp_path, str(tmp_path / "checkpoints" / "checkpoint-40"))
    attempts = training.attempts_of(tmp_path)
    assert [(each["step"], each["torch"]) for each in attempts] == [(0, "2.0.0"), (40, torch.__version__)]
    note = about_attempts(attempts)["note"]
    assert note == "attempts differ in torch: the result is not bit for bit that of one machine"
    assert capsys.readouterr().err.splitlines() == [f"dnakit: goes on after step 40; {note}"] * 2


def test_a_checkpoint_lacking_the_state_of_a_process_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ATTEMPTS).write_text(json.dumps([{"step": 0, "processes": 2}, {"step": 12, "processes": 1}]))
    whole = write_checkpoint(tmp_path, 5, ("rng_state_0", "rng_state_1"))
    write_checkpoint(tmp_path, 12, ("rng_state_0",))
    assert training.last_checkpoint(tmp_path) == str(whole)


@pytest.mark.parametrize("head", memory.HEADS)
def test_the_memory_of_a_training_stays_flat(head: str) -> None:
    """Of a small model with a large vocabulary, whose buffers grow and shrink with the number of selected tokens."""
    measured = f"print(*(measure({head!r}, batch, 120, True)['ratio'] for batch in (8, 32)))"
    command = [sys.executable, "-c", f"from benchmarks.memory import measure\n{measured}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=root(), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(float(ratio) <= 1.2 for ratio in done.stdout.split())


def test_memory_is_given_back_when_it_has_grown_by_a_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter([100, 109, 111, 90, 98, 100, 80])  # megabytes after each batch
    given_back = []
    monkeypatch.setattr(trainer, "resident_memory", lambda: next(sizes))
    monkeypatch.setattr(trainer, "give_back_memory", lambda: given_back.append(batch))
    progress = trainer.Progress(lambda counts: {})
    for batch in range(7):  # noqa: B007  (the lambda above reads it)
        progress.count_batch()
    assert given_back == [2, 5]


def test_a_training_is_plain_adam_at_a_constant_rate(tmp_path: Path) -> None:
    """No weight decay, no clipping, the thesis's betas: with a batch of all samples, so that their order is nothing."""
    values = tiny_training.parameters(24, 6).model_copy(update={"learning_rate": 0.03})

    def model() -> Any:
        return tiny_training.build("longformer", "mlm", 50, **tiny_training.SIZES | tiny_training.NO_DROPOUT)

    samples = tiny_training.Samples(0, values.batch_size)
    training.train(model, {"train": samples}, values, tiny_training.summarise, tmp_path)
    torch.manual_seed(values.seed)
    expected, norms = model().train(), []
    adam = torch.optim.Adam(expected.parameters(), values.learning_rate, (0.9, 0.999))
    for samples.epoch in range(values.epochs):
        batch = torch.utils.data.default_collate([samples[number] for number in range(len(samples))])
        adam.zero_grad()
        expected(**batch).loss.backward()
        norms.append(torch.cat([each.grad.flatten() for each in expected.parameters() if each.grad is not None]).norm())
        adam.step()
    assert max(norms) > 1  # where the Trainer would clip
    trained = load_file(tmp_path / "model" / "model.safetensors")
    for name, weights in expected.state_dict().items():
        if name in trained:
            torch.testing.assert_close(trained[name], weights, rtol=0, atol=1e-3, msg=name)
    assert len(trained) > 20


@pytest.mark.parametrize("values", [{"optimizer": "muon"}, {"muon_learning_rate": 1e-3}])
def test_muon_and_its_rate_come_together(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="muon_learning_rate"):
        training.TrainingParameters(**VALUES, **values)


@pytest.mark.parametrize("steps", [3, 20, 3482])
def test_a_decaying_rate_rises_stays_and_ends_at_zero(tmp_path: Path, steps: int) -> None:
    import transformers

    settings = training.arguments(tmp_path, training.TrainingParameters(**VALUES, schedule="warmup-decay"), steps)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    options = (settings.get_warmup_steps(steps), steps, settings.lr_scheduler_kwargs)
    scheduler = transformers.get_scheduler(settings.lr_scheduler_type, optimizer, *options)
    rates = []
    for _ in range(steps + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[0] == rates[-1] == 0
    assert max(rates) == 1
    assert pd.Series(rates[: rates.index(1) + 1]).is_monotonic_increasing
    assert pd.Series(rates[rates.index(1) :]).is_monotonic_decreasing
    assert rates.count(1) == pytest.approx(0.77 * steps, abs=2)


@pytest.mark.filterwarnings("error:overflow")
@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("rate", [1e10, 1e38])
def test_a_training_that_diverges_stops_in_one_line_and_leaves_no_model(
    tmp_path: Path, rate: float, epochs: int
) -> None:
    values = training.TrainingParameters(**VALUES | {"learning_rate": rate, "epochs": epochs})
    samples = {"train": tiny_training.Samples(0, 40), "validation": tiny_training.Samples(1, 8)}
    with pytest.raises(DnakitError, match=r"diverged: .* no finite number.*lower the learning rate") as caught:
        training.train(tiny_training.model, samples, values, tiny_training.summarise, tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "model").exists()
    assert not list(tmp_path.rglob("*.safetensors"))


def test_no_checkpoint_is_written_of_weights_or_losses_that_are_no_numbers() -> None:
    model = torch.nn.Linear(2, 2)
    progress = trainer.Progress(tiny_training.summarise)
    progress.refuse_diverged(model, 3)
    progress.add(torch.tensor([[1.0, float("inf"), 1.0]]))
    with pytest.raises(DnakitError, match="the loss is no finite number after 3 steps"):
        progress.refuse_diverged(model, 3)
    with torch.no_grad():
        model.bias[1] = float("nan")
    with pytest.raises(DnakitError, match="a weight of the model is no finite number after 1 step;"):
        progress.refuse_diverged(model, 1)
