"""The workflow makes anew what a changed file decides: every module that a chapter's code imports is an input of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from test_structure import CHAPTERS, PACKAGE, ROOT, imported

from dnakit.chapters.chapter import chapter_of
from dnakit.notebooks.parameters import names

NOTEBOOKS = dict(zip(CHAPTERS, names(), strict=True))
WITH_RUNS = [name for name in CHAPTERS if chapter_of(NOTEBOOKS[name], "smoke").runs]


def package(name):
    return set((PACKAGE / "chapters" / name).glob("*.py"))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """The files that each job of the smoke report reads, by the output of the job."""
    project = tmp_path_factory.mktemp("project")
    for name in ("Snakefile", "benchmarks", "book", "data", "dnakit", "models", "notebooks", "requirements.lock"):
        (project / name).symlink_to(ROOT / name)
    surroundings = os.environ | {
        "DNAKIT_DATA": str(project / "store"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    plan = ["snakemake", "--cores", "1", "--nolock", "--dry-run", "--forceall", "--config", "profile=smoke"]
    done = subprocess.run(plan, cwd=project, env=surroundings, capture_output=True, text=True, check=True)
    jobs = re.findall(r"^ +input: (.*)\n +output: (.*)$", done.stdout + done.stderr, re.MULTILINE)
    return {Path(output).name: {ROOT / name for name in read.split(", ")} for read, output in jobs}


@pytest.mark.parametrize("name", WITH_RUNS)
def test_runs_are_looked_up_anew_where_any_module_changed_that_they_are_made_by(inputs, name):
    assert imported({PACKAGE / "chapters" / name / "runs.py"}) <= inputs[f"{NOTEBOOKS[name]}.keys"]


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_page_is_made_anew_where_any_module_changed_that_it_shows(inputs, name):
    notebook = ROOT / "notebooks" / f"{NOTEBOOKS[name]}.py"
    assert imported({notebook} | package(name)) <= inputs[f"{NOTEBOOKS[name]}.ipynb"]


@pytest.mark.parametrize("name", WITH_RUNS)
def test_a_chapter_is_not_made_anew_where_only_chapters_changed_that_it_does_not_use(inputs, name):
    used = imported({ROOT / "notebooks" / f"{NOTEBOOKS[name]}.py"} | package(name))
    later = [other for other in WITH_RUNS if CHAPTERS.index(other) > CHAPTERS.index(name)]
    for other in later:
        assert not package(other) & used
        for output in (f"{NOTEBOOKS[name]}.keys", f"{NOTEBOOKS[name]}.ipynb"):
            assert not package(other) & inputs[output]


def test_the_model_of_the_repository_is_what_chapters_begin_from(inputs):
    weights = ROOT / "models" / "full-size" / "model.safetensors"
    assert weights in inputs[f"{NOTEBOOKS['metagenomics']}.keys"]
