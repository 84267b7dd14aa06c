"""Made once, published whole, and recorded only when real."""

import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import save_file

from dnakit import project, store
from dnakit.project import DnakitError
from dnakit.report.finished import recorded
from dnakit.tokens import rows


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DNAKIT_ROOT", str(tmp_path))


def test_the_key_is_the_content_and_not_the_order():
    assert store.key("r 1", {"a": 1, "b": 2}) == store.key("r 1", {"b": 2, "a": 1})
    keys = {
        store.key("r 1", {"a": 1}),
        store.key("r 2", {"a": 1}),
        store.key("r 1", {"a": 1.5}),
        store.key("r 1", {"b": 1}),
    }
    assert len(keys) == 4


def test_made_once():
    calls = []

    def make(folder: Path) -> None:
        calls.append(folder)
        (folder / "x").write_text("1")

    first, second = (store.get_or_make("runs", "k", make) for _ in range(2))
    assert first == second == store.path_of("runs", "k")
    assert (first / "x").read_text() == "1"
    assert len(calls) == 1


def test_what_failed_is_not_published_and_is_there_for_the_next_try():
    def fail(folder: Path) -> None:
        (folder / "checkpoint").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.get_or_make("runs", "k", fail)
    assert not store.path_of("runs", "k").exists()
    seen = []
    store.get_or_make("runs", "k", lambda folder: seen.append((folder / "checkpoint").read_text()))
    assert seen == ["half"]


def test_what_is_written_is_json_whatever_the_numbers(tmp_path):
    store.write_json(tmp_path / "x.json", {"a": [float("nan"), 1.5], "b": float("inf"), "c": -float("inf"), "d": "NaN"})

    def refuse(word):
        raise AssertionError(word)

    read = json.loads((tmp_path / "x.json").read_text(), parse_constant=refuse)
    assert read == {"a": [None, 1.5], "b": None, "c": None, "d": "NaN"}


# ---- damage


ENDING = r"\): delete this folder, and run the same again$"


def whole_run() -> Path:
    def make(folder: Path) -> None:
        (folder / "model").mkdir()
        for name in ("run.json", "metrics.json", "model/config.json", "model/tokenizer.json"):
            (folder / name).write_text('{"simulated": false}')
        (folder / "model" / "tokenizer_config.json").write_text("{}")
        (folder / "history.csv").write_text("epoch\n1\n")
        np.savez(folder / "predictions.npz", a=np.zeros(99))
        save_file({"a": np.zeros(99)}, folder / "model" / "model.safetensors")

    return store.get_or_make("runs", "k", make)


def cut(path: Path, share: float = 0.6) -> None:
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


FILES = sorted(
    ["run.json", "metrics.json", "history.csv", "predictions.npz"]
    + [f"model/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json")]
)


@pytest.mark.parametrize("share", [0, 0.6, None])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_run_is_one_line_that_says_what_to_do(name, share):
    folder = whole_run()
    store.refuse_damaged(folder)
    if share is None:
        (folder / name).unlink()
    else:
        cut(folder / name, share)
    if share is None and name in ("history.csv", "predictions.npz"):
        store.refuse_damaged(folder)  # not every run has tables
        return
    with pytest.raises(DnakitError, match=rf"^{folder} is damaged \({Path(name).name}: [^\n]+{ENDING}"):
        store.refuse_damaged(folder)


def test_a_table_of_another_run_that_is_gone_is_one_line():
    other = whole_run()
    with pytest.raises(DnakitError, match=rf"^{other} is damaged \(errors.csv: No such file or directory{ENDING}"):
        store.get_or_make("runs", "next", lambda folder: (other / "errors.csv").read_text())
    with pytest.raises(FileNotFoundError):
        store.get_or_make("runs", "next", lambda folder: Path("elsewhere.csv").read_text())


def test_an_emptied_run_is_damaged():
    store.path_of("runs", "k").mkdir(parents=True)
    with pytest.raises(DnakitError, match=rf"run.json: No such file or directory{ENDING}"):
        store.refuse_damaged(store.path_of("runs", "k"))


def test_a_disk_that_does_not_let_read_is_no_damage(tmp_path):
    with pytest.raises(PermissionError), store.reading(tmp_path):
        raise PermissionError(13, "Permission denied", "x")


def test_what_is_recorded_comes_back_from_the_repository(tmp_path):
    path = tmp_path / "data" / "recorded" / "02" / "laptop" / "r" / "metrics.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(
        DnakitError, match=rf"^{path} is damaged \(.*\): bring it back with git checkout {path.parent}$"
    ):
        _ = recorded("02")["r"].metrics
    with pytest.raises(DnakitError, match="bring it back with git checkout"):
        recorded("02")["r"].frame("history.csv")


@pytest.mark.parametrize("name", ["train/data-00000-of-00001.arrow", "dataset_dict.json", "train/state.json"])
def test_damaged_samples_are_one_line(name):
    def make(folder: Path) -> None:
        datasets.DatasetDict({"train": datasets.Dataset.from_dict({"a": list(range(9_999))})}).save_to_disk(folder)

    folder = store.get_or_make("datasets", "k", make)
    assert rows.load(folder)["train"].num_rows == 9_999
    cut(folder / name)
    with pytest.raises(DnakitError, match=rf"^{folder} is damaged \([^\n]+{ENDING}"):
        rows.load(folder)


SLOW = """
import sys, time
from pathlib import Path
from dnakit import project, store

def make(folder):
    with Path(sys.argv[1]).open("a") as handle:
        handle.write("made\\n")
    time.sleep(0.5)

store.get_or_make("runs", "k", make)
"""


def test_what_was_refused_leaves_an_empty_folder_nowhere(tmp_path):
    def refuse(folder):
        raise DnakitError("no such file")

    for _ in range(2):
        with pytest.raises(DnakitError, match="no such file"):
            store.get_or_make("runs", "k", refuse)
        assert not list(store.path_of("runs", "k").parent.glob(".k.part"))

    def begin(folder):
        (folder / "checkpoint").write_text("half")
        raise DnakitError("then refused")

    with pytest.raises(DnakitError, match="then refused"):
        store.get_or_make("runs", "k", begin)
    assert (store.path_of("runs", "k").parent / ".k.part" / "checkpoint").exists()


def test_processes_that_ask_at_once_make_it_once(tmp_path):
    command = [sys.executable, "-c", SLOW, str(tmp_path / "log")]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    assert (tmp_path / "log").read_text() == "made\n"


def test_a_store_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(DnakitError, match=r"^cannot write to data/runs: .*DNAKIT_DATA[^\n]*$"):
        store.get_or_make("runs", "k", lambda folder: None)


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("PytorchStreamWriter failed writing file data/1: file write failed"),
    ],
)
def test_a_full_disk_is_one_clear_error(error):
    def full(folder: Path) -> None:
        raise error

    with pytest.raises(DnakitError, match=r"^cannot write to data/runs: .*(No space left|write failed)[^\n]*$"):
        store.get_or_make("runs", "k", full)
    assert not store.path_of("runs", "k").exists()


def test_a_full_disk_is_told_once_however_deep_it_was_met():
    def corpus(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(DnakitError) as refused:
        store.get_or_make("runs", "k", lambda folder: store.get_or_make("corpora", "c", corpus))
    assert str(refused.value).count("cannot write") == 1


def finished_run(simulated: bool) -> Path:
    def make(folder: Path) -> None:
        (folder / "run.json").write_text(json.dumps({"simulated": simulated}))
        (folder / "history.csv").write_text("epoch\n1\n")
        (folder / "model").mkdir()
        (folder / "model" / "model.safetensors").write_text("weights")

    return store.get_or_make("runs", f"simulated {simulated}", make)


def test_recording_takes_the_small_files_and_replaces_the_old(tmp_path):
    old = tmp_path / "data" / "recorded" / "02" / "laptop" / "r"
    old.mkdir(parents=True)
    (old / "stale.csv").write_text("")
    folder = store.record(finished_run(False), "r", "laptop", "02")
    assert folder == old
    assert sorted(path.name for path in folder.iterdir()) == ["history.csv", "run.json"]
    assert [path.name for path in folder.parent.iterdir()] == ["r"]


def test_simulated_runs_are_not_recorded():
    with pytest.raises(DnakitError, match="only runs on real data are recorded"):
        store.record(finished_run(True), "r", "laptop", "02")


def test_a_thesis_run_stands_before_a_laptop_run(tmp_path):
    for profile, name in (("laptop", "a"), ("laptop", "b"), ("thesis", "a")):
        store.record(finished_run(False), name, profile, "02")
    found = recorded("02")
    assert {name: run.folder.parent.name for name, run in found.items()} == {"a": "thesis", "b": "laptop"}
    assert len(recorded("01")) == 0


def test_what_a_killed_process_was_writing_is_removed_and_nothing_else(tmp_path):
    """Files and folders of dead processes of this machine; not those of the living, of other machines, or of a user."""
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    part = project._part(tmp_path / "out").name
    left = part.replace(f"-{os.getpid()}-", f"-{dead.stdout.strip()}-")
    kept = [
        part.replace(f"-{os.getpid()}-", "-1-"),
        left.replace(project._HOST, "0000000g"),
        ".out.notes.part",
        "out.x",
    ]
    for name in kept:
        (tmp_path / name).write_text("mine")
    (tmp_path / left).mkdir()
    with project.published(tmp_path / "out") as writing:
        writing.write_text("x")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["out", *kept])
    (tmp_path / left).write_text("half")
    (tmp_path / "out").unlink()
    with project.published_folder(tmp_path / "out"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["out", *kept])
