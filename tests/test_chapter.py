"""A chapter is a notebook and a package: everything else about it follows."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from conftest import TOY, write_toy_chapter

from dnakit.chapters.chapter import Edge, chapter_of, notebook_of, open_chapter
from dnakit.chapters.pool import make_all
from dnakit.project import DnakitError

ROOT = Path(__file__).resolve().parents[1]


def test_runs_their_needs_and_their_notebook_are_found(toy):
    chapter = chapter_of(TOY, "smoke")
    assert list(chapter.runs) == ["first", "second"]
    assert chapter.edges() == {"first": [], "second": [Edge("smoke", TOY, "first")]}
    assert {notebook_of(run) for run in chapter.runs.values()} == {TOY}


def test_a_name_that_papermill_set_and_no_parameter_has_is_refused(toy):
    values = chapter_of(TOY, "smoke").parameters.model_dump()
    cells = ["", "epochs = 4", "# Parameters\nepochs = 5\n", "other = 3"]
    assert open_chapter(TOY, values | {"In": cells}).parameters == chapter_of(TOY, "smoke").parameters
    with pytest.raises(DnakitError, match=f"^'epoch' is not a parameter of {TOY}; did you mean 'epochs'"):
        open_chapter(TOY, values | {"In": [*cells, "# Parameters\nepoch = 5\n"]})


def test_a_profile_and_overrides_change_the_keys_of_what_they_decide(toy):
    smoke, laptop = chapter_of(TOY, "smoke"), chapter_of(TOY, "laptop")
    assert (smoke.parameters.epochs, laptop.parameters.epochs) == (4, 7)
    assert smoke.runs["first"].key != laptop.runs["first"].key
    assert chapter_of(TOY, "smoke", {"label": "b"}).runs["first"].key == smoke.runs["first"].key


def test_jupyterlab_is_told_which_run_is_made_and_keeps_no_word_of_it(toy, monkeypatch, capsys):
    called = []
    monkeypatch.setattr("IPython.display.clear_output", lambda wait=False: called.append(wait))
    chapter = chapter_of(TOY, "smoke")
    chapter.runs["first"].folder()
    chapter_of(TOY, "smoke", {"epochs": 9}).here()
    assert (capsys.readouterr().out, called) == ("", [])  # elsewhere nothing is said
    monkeypatch.setenv("DNAKIT_PROGRESS", "1")
    chapter.here()
    assert capsys.readouterr().out == "run 1 of 1 that are not made yet: the second model\n"
    assert called == [True, False]
    chapter.here()
    assert (capsys.readouterr().out, called) == ("", [True, False])


def test_a_notebook_passes_everything_it_knows(toy):
    values = {"profile": "smoke", "epochs": 4, "label": "a", "organisms": ["x"], "pd": pytest, "_": 1}
    assert open_chapter(TOY, values).parameters == chapter_of(TOY, "smoke").parameters


@pytest.mark.parametrize(
    ("change", "message"),
    [({"epochs": 0}, "98_toy: 'epochs': has to be 1 or more, and is 0"), ({"organisms": "x"}, "'organisms': .*list")],
)
def test_a_value_that_does_not_fit_is_refused_in_one_line(toy, change, message):
    values = {"profile": "smoke", "epochs": 4, "label": "a", "organisms": ["x"]} | change
    with pytest.raises(DnakitError, match=message) as refused:
        open_chapter(TOY, values)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("twice", [{"recipe_seeds": [1, 1]}, {"vocabularies": [300, 300]}])
def test_a_list_that_would_make_a_run_twice_is_refused(twice):
    with pytest.raises(DnakitError, match=r"would make '.*' twice"):
        _ = chapter_of("02_pretraining", "smoke", twice).runs


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_runs_are_made_once_each_after_what_it_needs(toy, jobs, monkeypatch):
    monkeypatch.syspath_prepend(_package_with(toy))
    chapter = chapter_of(TOY, "smoke")
    made = dict(make_all(chapter, list(chapter.runs), jobs))
    assert list(made) == ["first", "second"]
    assert {name: run.metrics["epochs"] for name, run in chapter.here().items()} == {"first": 4, "second": 8}
    assert all(run.done for run in chapter.runs.values())
    assert dict(make_all(chapter, ["second"], jobs)) == {"second": made["second"]}


def test_an_error_of_a_run_reaches_the_user_from_another_process(toy, monkeypatch):
    monkeypatch.syspath_prepend(_package_with(toy))
    chapter = chapter_of(TOY, "smoke", {"label": "wrong"})
    with pytest.raises(DnakitError, match="the label is wrong"):
        list(make_all(chapter, list(chapter.runs), 2))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_command_that_is_ended_ends_the_processes_that_it_started(toy, monkeypatch, number, code):
    _package_with(toy)
    runs = toy / "dnakit" / "chapters" / "toy" / "runs.py"
    long = "import os, time\n        open('worker', 'w').write(str(os.getpid()))\n        time.sleep(90)\n"
    runs.write_text(
        runs.read_text().replace("def compute(self, folder):\n", f"def compute(self, folder):\n        {long}")
    )
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\nfrom dnakit.cli import main; main()"
    )
    command = [sys.executable, "-c", script, "train", TOY, "--profile", "smoke", "--jobs", "2"]
    surroundings = os.environ | {"PYTHONPATH": str(toy)}
    process = subprocess.Popen(command, env=surroundings, stderr=subprocess.PIPE, text=True)
    worker, deadline = toy / "worker", time.monotonic() + 300
    while not (worker.exists() and worker.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=150)
    assert process.returncode == code
    assert "Traceback" not in errors
    deadline, ended = time.monotonic() + 100, False
    while not ended and time.monotonic() < deadline:
        try:
            ended = psutil.Process(int(worker.read_text())).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            ended = True
        time.sleep(0.05)
    assert ended


def _package_with(project: Path) -> str:
    """A folder to import from, with this package and the project's own chapters in it."""
    for path in (ROOT / "dnakit").glob("*"):
        if path.name != "chapters":
            (project / "dnakit" / path.name).symlink_to(path)
    for path in (ROOT / "dnakit" / "chapters").glob("*"):
        (project / "dnakit" / "chapters" / path.name).symlink_to(path)
    return str(project)


def test_a_new_chapter_needs_no_other_edit(tmp_path, monkeypatch):
    """The command line, the workflow and the book find a folder that was just put there."""
    write_toy_chapter(tmp_path)
    _package_with(tmp_path)
    for name in ("Snakefile", "book", "requirements.lock", "benchmarks", "data"):
        (tmp_path / name).symlink_to(ROOT / name)
    surroundings = os.environ | {
        "DNAKIT_ROOT": str(tmp_path),
        "DNAKIT_DATA": str(tmp_path / "store"),
        "PYTHONPATH": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }

    def shell(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert "the second model" in shell("dnakit", "runs", TOY, "--profile", "smoke")
    planned = shell("snakemake", "--cores", "2", "--nolock", "-n", "--config", "profile=smoke")
    assert f"dnakit train {TOY}" in planned or f"{TOY}.keys" in planned
    assert f"book/chapters/{TOY}.ipynb" in planned


def test_the_table_of_contents_takes_every_chapter_there_is():
    contents = yaml.safe_load((ROOT / "book" / "_toc.yml").read_text())
    assert {"glob": "chapters/*"} in contents["chapters"]


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.py")), ids=lambda path: path.stem)
def test_no_page_shows_the_cell_that_opens_its_chapter(path):
    cells = re.split("^# %%", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    opening = [cell.partition("\n")[0] for cell in cells if f'open_chapter("{path.stem}"' in cell]
    assert len(opening) == 1
    assert re.search("remove-cell|remove-input|hide-input", opening[0])
