"""Two processes that train together do what one does, write once, and go on after one of them was killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from dnakit import processes, store
from dnakit.project import DnakitError

TINY = Path(__file__).with_name("tiny_training.py")
LEFT_OVER = 2  # samples in the last batch of an epoch
SAMPLES, BATCH = 16 * 16 + LEFT_OVER, 16


def start(data: Path, dropout: int, count: int) -> subprocess.Popen[str]:
    """The tiny training in a store of its own, by so many processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)] if count > 1 else []
    command = [sys.executable, *launcher, str(TINY), "in-store", str(SAMPLES), str(BATCH), str(dropout)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "DNAKIT_DATA": str(data)}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def made(process: subprocess.Popen[str]) -> Path:
    out, err = process.communicate()
    assert process.returncode == 0, err
    folders = set(out.split())
    assert len(folders) == 1
    return Path(folders.pop())


@pytest.mark.slow
def test_two_processes_see_the_samples_of_one_and_reach_its_loss(tmp_path: Path) -> None:
    """Without dropout and with as many labels in each sample, the numbers differ by rounding alone."""
    one, two = (made(start(tmp_path / str(count), 0, count)) for count in (1, 2))
    assert one.name == two.name  # the key: how many processes compute decides no more than the last digits
    expected, got = (pd.read_csv(folder / "history.csv") for folder in (one, two))
    assert (expected.train_labels == 64 * SAMPLES).all()
    pd.testing.assert_frame_equal(got, expected, rtol=1e-3)
    record = store.read_json(two / "run.json")
    assert [each["processes"] for each in record["attempts"]] == [2]
    assert sorted(each.name for each in (tmp_path / "2" / "runs").iterdir() if each.suffix != ".lock") == [two.name]


def rank_one(launcher: int) -> int:
    """The process that torchrun started as the second one."""
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        if b"\0RANK=1\0" in Path(f"/proc/{child}/environ").read_bytes():
            return int(child)
    raise AssertionError("torchrun has started no second process")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_after_a_kill_of_one_process_the_others_end_and_the_next_start_ends_as_undisturbed(tmp_path: Path) -> None:
    undisturbed = made(start(tmp_path / "undisturbed", 1, 2))
    process = start(tmp_path / "killed", 1, 2)
    checkpoints = f"runs/.{undisturbed.name}.part/checkpoints/checkpoint-*/trainer_state.json"
    while process.poll() is None and not list((tmp_path / "killed").glob(checkpoints)):
        time.sleep(0.02)
    os.kill(rank_one(process.pid), signal.SIGKILL)
    process.communicate()
    assert process.returncode != 0
    assert not (tmp_path / "killed" / "runs" / undisturbed.name).exists()
    resumed = made(start(tmp_path / "killed", 1, 2))
    one, other = (load_file(folder / "model" / "model.safetensors") for folder in (undisturbed, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (undisturbed / "history.csv").read_text() == (resumed / "history.csv").read_text()
    attempts = store.read_json(resumed / "run.json")["attempts"]
    assert attempts[0]["step"] == 0
    assert len(attempts) == 2
    assert "note" not in store.read_json(resumed / "run.json")


def test_a_batch_that_cannot_be_shared_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(DnakitError, match="a batch of 16 cannot be shared among 3 processes"):
        processes.share(16)
    assert processes.share(15) == 5


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    assert (processes.count(), processes.number(), processes.agreed("mine")) == (1, 0, "mine")
