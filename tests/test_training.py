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
import torch
from safetensors.torch import load_file

from dnakit import trainer, training
from dnakit.models import device

pytestmark = pytest.mark.slow

torch.set_num_threads(1)

SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np, torch
from torch.utils.data import Dataset
torch.set_num_threads(1)
from dnakit import trainer, training
from dnakit.models.build import build
from dnakit.tokens.samples import mask_tokens

class Samples(Dataset):
    epoch = 0
    def __init__(self, stream, many):
        self.stream, self.many = stream, many
    def __len__(self):
        return self.many
    def __getitem__(self, number):
        rng = np.random.default_rng([self.stream, self.epoch, number])
        true = np.tile(rng.integers(5, 50, 8), 8)
        seen, selected = mask_tokens(true, 50, rng)
        labels = np.where(selected, true, -100)
        arrays = {"input_ids": seen, "labels": labels, "masked": seen == 4}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

def model():
    return build("longformer", "mlm", 50, hidden_size=32, num_attention_heads=4, intermediate_size=64, max_tokens=64)

def summarise(counts):
    return {"loss": counts[0] / counts[1], "accuracy": counts[2] / counts[1]}

trainer.CHECKPOINT_SECONDS = 0.2
folder, parts = Path(sys.argv[1]), sys.argv[2:]
samples = {part: Samples(number, 800 if part == "train" else 40) for number, part in enumerate(parts)}
values = dict(epochs=2, batch_size=16, learning_rate=1e-3, precision="fp32", seed=1)
print(json.dumps(training.train(model, samples, training.TrainingParameters(**values), summarise, folder)))
"""


def start(folder: Path, *parts: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(folder), *(parts or ("train", "validation", "test"))]
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
    assert sorted(each.name for each in tmp_path.iterdir()) == ["history.csv", "model"]


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


def test_a_checkpoint_cut_off_while_written_is_passed_over(tmp_path: Path) -> None:
    for step, state in ((5, '{"global_step": 5}'), (12, '{"global'), (20, None)):
        checkpoint = tmp_path / "checkpoints" / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        if state:
            (checkpoint / "trainer_state.json").write_text(state)
    assert training.last_checkpoint(tmp_path) == str(tmp_path / "checkpoints" / "checkpoint-5")
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
    assert device.bf16("bf16")
    assert not device.bf16("fp32")


def test_memory_stays_where_buffers_differ_from_batch_to_batch() -> None:
    """Buffers of ever other sizes, as where batches differ in how many tokens are selected."""
    script = """
import ctypes, os
import numpy as np
from dnakit.models.device import give_back_memory, keep_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
keep_memory()
rng, kept, sizes = np.random.default_rng(0), [], []
for step in range(200):
    large = [np.ones(int(rng.integers(1_000_000, 1_500_000))) for _ in range(4)]
    kept = [*kept[-20:], np.ones(int(rng.integers(1, 100_000)))]
    del large
    if step % 16 == 15:
        give_back_memory()
        sizes.append(resident())
print(max(sizes[3:]) / sizes[2])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.2


VALUES: dict[str, Any] = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "precision": "fp32", "seed": 1}


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
