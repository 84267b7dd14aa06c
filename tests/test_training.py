"""A training that is killed and started again ends where an undisturbed one ends."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from dnakit import pretraining, store, training

torch.set_num_threads(1)

PARAMETERS = {
    "profile": "test",
    "source": "simulated-mitochondria",
    "tokenizations": ["9-mer"],
    "genomes": [10],
    "vocab_sizes": [200],
    "longest_genome": 25_000,
    "resamplings": 1,
    "models": ["longformer-9-mer-mlm+sop"],
    "trials": [],
    "trial_models": [],
    "trial_genomes": [],
    "trial_epochs": [],
    "trial_weights": [],
    "recipes": [],
    "recipe_seeds": [],
    "recipe_genomes": 10,
    "fresh_weights": "informed",
    "taxonomy": "simulated-mitochondria-genbank",
    "ruler_genomes": 3,
    "nuclear_sources": [],
    "nuclear_piece": 16_668,
    "nuclear_pieces": 0,
    "nuclear_far": [],
    "nuclear_epochs": 1,
    "mlm_loss": "all",
    "masking": "dynamic",
    "epochs": 2,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "precision": "fp32",
    "seed": 1,
}

SCRIPT = """
import os, sys, torch
torch.set_num_threads(1)
from dnakit import pretraining, training
training.CHECKPOINT_SECONDS = 0.5
print(list(pretraining.runs({parameters!r}).values())[0].train())
"""


def start(folder: Path) -> subprocess.Popen:
    environment = os.environ | {"DNAKIT_DATA": str(folder), "OMP_NUM_THREADS": "1"}
    script = SCRIPT.format(parameters=PARAMETERS)
    return subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    process = start(tmp_path_factory.mktemp("undisturbed"))
    out, _ = process.communicate()
    assert process.returncode == 0
    return Path(out.strip())


def wait_for_checkpoint(folder: Path, process: subprocess.Popen, beyond: int) -> int:
    """Steps of the newest checkpoint once it lies beyond so many steps (or the process has ended)."""
    while process.poll() is None:
        found = [int(path.name.split("-")[1]) for path in folder.glob("runs/.*.part/checkpoints/checkpoint-*")]
        if max(found, default=0) > beyond:
            return max(found)
        time.sleep(0.05)
    return beyond


def test_kill_9_and_again_gives_the_same_weights_history_and_metrics(undisturbed, tmp_path):
    rng, steps = random.Random(0), 0
    for _ in range(3):
        process = start(tmp_path)
        steps = wait_for_checkpoint(tmp_path, process, steps)
        time.sleep(rng.random())  # anywhere: in a step, in an evaluation, in the writing of a checkpoint
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert steps > 0
    process = start(tmp_path)
    out, _ = process.communicate()
    assert process.returncode == 0
    resumed = Path(out.strip())
    assert resumed.name == undisturbed.name
    one, other = (load_file(folder / "model" / "model.safetensors") for folder in (undisturbed, resumed))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    for file in ("history.csv", "metrics.json", "examples.csv"):
        assert (undisturbed / file).read_text() == (resumed / file).read_text()
    assert not list(tmp_path.glob("runs/.*.part"))


def test_the_finished_run_says_what_it_was(undisturbed):
    about = store.read_json(undisturbed / "run.json")
    assert about["simulated"] is True
    assert about["genomes"] == {"train": 8, "validation": 1, "test": 1, "near": 3, "far": 3}
    assert about["seconds"] > 0
    assert about["environment"]["torch"] == torch.__version__
    assert sorted(path.name for path in undisturbed.iterdir()) == [
        "examples.csv", "history.csv", "metrics.json", "model", "run.json",
    ]  # fmt: skip


def test_the_history_has_an_epoch_a_row_and_ends_in_the_metrics(undisturbed):
    history = pd.read_csv(undisturbed / "history.csv")
    assert history.epoch.tolist() == [1, 2]
    final = store.read_json(undisturbed / "metrics.json")["validation"]
    assert 0.8 < final.pop("copy_accuracy") < 0.9
    for name, value in final.items():
        assert history[f"validation_{name}"].iloc[-1] == pytest.approx(value, rel=1e-5)
    assert history.train_loss.iloc[1] < history.train_loss.iloc[0]
    assert np.allclose(np.exp(history.validation_loss), history.validation_perplexity, rtol=1e-4)


def test_a_checkpoint_cut_off_while_written_is_passed_over(tmp_path):
    for step, state in ((5, '{"global_step": 5}'), (12, '{"global'), (20, None)):
        checkpoint = tmp_path / "checkpoints" / f"checkpoint-{step}"
        checkpoint.mkdir(parents=True)
        if state:
            (checkpoint / "trainer_state.json").write_text(state)
    assert training.last_checkpoint(tmp_path) == str(tmp_path / "checkpoints" / "checkpoint-5")
    assert training.last_checkpoint(tmp_path / "elsewhere") is None


def test_totals_over_batches_are_the_totals_over_all_and_start_anew():
    counts = np.random.default_rng(0).random((12, 3))
    totals = training.Totals(lambda total: {"a": total[0], "b": total[2]})

    class Prediction:
        def __init__(self, rows):
            self.predictions = rows

    for _ in range(2):
        assert totals(Prediction(counts[:5])) == {}
        assert totals(Prediction(torch.tensor(counts[5:9]))) == {}
        result = totals(Prediction(counts[9:]), compute_result=True)
        assert result == pytest.approx({"count_a": counts[:, 0].sum(), "count_b": counts[:, 2].sum()})


@pytest.mark.parametrize(("asked", "expected"), [("fp32", False), ("bf16", True)])
def test_precision_as_asked(asked, expected):
    assert training.bf16(asked) is expected


def test_the_loss_of_masked_tokens_alone_in_bf16(tmp_path, monkeypatch):
    """BERT's loss: nothing is known of the other tokens in training, everything is measured in validation."""
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path))
    changes = {"mlm_loss": "masked", "precision": "bf16", "epochs": 1}
    run = pretraining.runs(PARAMETERS | changes)["longformer-9-mer-mlm+sop"]
    history = run.history().iloc[0]
    assert history[["train_loss", "train_accuracy", "train_perplexity"]].isna().all()
    assert history.drop(["train_loss", "train_accuracy", "train_perplexity"]).notna().all()
    assert history.train_masked_loss < 1.05 * np.log(200)
    assert run.about()["computed_in"] == "bf16"
