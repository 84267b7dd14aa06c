"""The command line: what it prints, and that every mistake is one line and exit code 2."""

import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from dnakit import cli
from dnakit.notebooks import execute as notebooks
from dnakit.project import DnakitError

TOYS = ("97_other", "98_toy")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Two notebooks in the smoke profile; ``98_toy`` has two runs, of which the store holds ``old``."""
    for notebook, line in zip(TOYS, ("epochs = 3", 'epochs = 3\nlabel = "a"'), strict=True):
        for path, text in (
            (f"notebooks/{notebook}.py", f'# %% tags=["parameters"]\n{line}\n\n# %%\nprint(epochs)\n'),
            (f"params/smoke/{notebook}.yaml", "epochs: 4\n"),
        ):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
    module = types.ModuleType("dnakit.chapters.toy")
    module.runs = lambda parameters: {name: ToyRun(name, parameters, tmp_path) for name in ("old", "new")}
    monkeypatch.setitem(sys.modules, "dnakit.chapters.toy", module)
    monkeypatch.setitem(notebooks.TASKS, TOYS[1], "toy")
    monkeypatch.setenv("DNAKIT_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


class ToyRun:
    def __init__(self, name: str, parameters: dict, root: Path) -> None:
        self.name, self.root = name, root
        self.key = f"{name}-{parameters['epochs']}"
        self.title = f"the {name} model"
        self.done = name == "old"

    def train(self) -> Path:
        if self.name == "new":
            raise OSError(28, "No space left on device", "runs/new")
        return self.root / self.name


@pytest.fixture
def dnakit(monkeypatch, capsys):
    """Run ``dnakit`` in this process: (exit code, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["dnakit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return (ended.value.code or 0, *capsys.readouterr())

    return run


def test_runs_lists_what_is_in_the_store_and_what_is_not(project, dnakit):
    code, out, _ = dnakit("runs", "98_toy", "--profile", "smoke", "-p", "epochs=9")
    assert code == 0
    assert out.splitlines() == [
        "run  key    state     what it trains",
        "old  old-9  in store  the old model",
        "new  new-9  to train  the new model",
    ]


def test_a_notebook_without_trainings_says_so(project, dnakit):
    assert dnakit("runs", "97_other", "--profile", "smoke")[:2] == (0, "97_other has no runs\n")


def test_train_prints_the_folder_and_writes_the_key(project, dnakit):
    key_file = project / "jobs" / "old.key"
    code, out, _ = dnakit("train", "98_toy", "old", "--profile", "smoke", "--key-file", key_file)
    assert (code, out, key_file.read_text()) == (0, f"{project / 'old'}\n", "old-4\n")


def test_execute_passes_a_value_to_the_notebooks_that_have_it(project, dnakit):
    code, out, errors = dnakit("execute", "--profile", "smoke", "-p", "label=b", "--output", project / "pages")
    assert (code, errors) == (0, "")
    assert out.splitlines() == ["pages/97_other.ipynb", "pages/98_toy.ipynb"]
    assert 'label = \\"b\\"' in (project / "pages" / "98_toy.ipynb").read_text()


def test_the_path_of_a_users_file_is_the_users(project, dnakit, monkeypatch):
    (project / "here").mkdir()
    (project / "here" / "my.fa").write_text(">a\nACGT\n")
    monkeypatch.chdir(project / "here")
    dnakit("execute", "98_toy", "--profile", "smoke", "-p", "label=my.fa", "--output", project)
    assert str(project / "here" / "my.fa") in (project / "98_toy.ipynb").read_text()


SMOKE = ("--profile", "smoke")
OTHER_NAME = "there is no notebook '99_toy'; did you mean '98_toy'?; known: 97_other, 98_toy"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("execute 98_toy -p epohcs=3", "'epohcs' is not a parameter of 98_toy; did you mean 'epochs'?"),
        ("execute -p epohcs=3", "'epohcs' is not a parameter of 97_other, 98_toy; did you mean 'epochs'?"),
        ("execute -p epochs=ten", "'epochs' of 97_other must be a whole number (int), not 'ten' (str)"),
        ("execute -p epochs", "-p takes KEY=VALUE, not 'epochs'"),
        ("execute -p epochs=[1", "-p epochs=[1: '[1' is not YAML; quote it"),
        ("execute 99_toy", OTHER_NAME),
        ("runs 99_toy", OTHER_NAME),
        (
            "train 98_toy odl",
            "98_toy has no run 'odl'; did you mean 'old'?; dnakit runs 98_toy --profile smoke lists them",
        ),
        ("train 97_other old", "97_other has no run 'old'; dnakit runs 97_other --profile smoke lists them"),
        ("train 98_toy new", "No space left on device: runs/new"),
        ("record 98_toy new", "new is not trained: dnakit train 98_toy new --profile smoke"),
        ("record 98_toy", "new is not trained: dnakit train 98_toy new --profile smoke"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(project, dnakit, arguments, message):
    before = sorted(project.rglob("*"))
    assert dnakit(*arguments.split(), *SMOKE) == (2, "", f"dnakit: {message}\n")
    assert sorted(project.rglob("*")) == before


def test_an_unknown_profile_is_refused(project, dnakit):
    known = "known: smoke, laptop, thesis"
    refused = f"dnakit: there is no profile 'smoek'; did you mean 'smoke'?; {known}\n"
    assert dnakit("execute", "--profile", "smoek") == (2, "", refused)


def test_a_message_of_several_lines_becomes_one(dnakit, monkeypatch):
    monkeypatch.setattr(cli, "app", lambda: (_ for _ in ()).throw(DnakitError("first\n  second")))
    assert dnakit() == (2, "", "dnakit: first second\n")


@pytest.mark.parametrize(
    "arguments", [["exceute"], ["execute"], ["train", "98_toy"], ["runs", "98_toy", "--profil", "x"]]
)
def test_wrong_usage_is_exit_code_2(project, dnakit, arguments):
    code, out, errors = dnakit(*arguments)
    assert (code, out) == (2, "")
    assert "Error" in errors
    assert "Traceback" not in errors


def test_help_is_there_at_once_and_names_the_commands():
    start = time.perf_counter()
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from dnakit.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
    )
    assert time.perf_counter() - start < 5  # well below on an idle machine; what matters follows
    assert not {"torch", "transformers", "papermill", "pandas"} & {
        line.split("|")[-1].strip() for line in shown.stderr.splitlines()
    }
    for command in ("fetch", "runs", "train", "execute", "pair", "record"):
        assert command in shown.stdout
