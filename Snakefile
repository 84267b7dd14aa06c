"""The experiments of one profile as a graph: trainings -> notebooks -> book.

    snakemake --cores 2 --config profile=smoke                                     what make report does
    snakemake --workflow-profile params/cluster/slurm --config profile=thesis      each training a job of its own
"""

import os
from pathlib import Path

from filelock import FileLock, Timeout
from snakemake.exceptions import WorkflowError

from dnakit.notebooks import execute as notebooks
from dnakit.notebooks import parameters
from dnakit.project import DnakitError, data_folder

PROFILE = config.get("profile", "smoke")
JOBS = Path(os.path.relpath(data_folder("cache", "jobs")))
NOTEBOOKS = parameters.names()


def files(*patterns):
    return sorted(str(path) for pattern in patterns for path in Path().glob(pattern) if path.is_file())


def keys(notebook):
    return [JOBS / PROFILE / notebook / f"{run}.key" for run in RUNS[notebook]]


def upstream(wildcards):
    """The keys of the trainings a training starts from, where this profile makes them."""
    needed = UPSTREAM[wildcards.notebook].get(wildcards.run, [])
    return [JOBS / PROFILE / notebook / f"{run}.key" for profile, notebook, run in needed if profile == PROFILE]


def share(jobs):
    """The threads of each of so many equal jobs when they run side by side."""
    return max(1, (workflow.cores or 1) // max(1, jobs))


try:
    SETTINGS = {notebook: parameters.settings(notebook, PROFILE) for notebook in NOTEBOOKS}
    RUNS = {notebook: notebooks.run_names(notebook, SETTINGS[notebook]) for notebook in NOTEBOOKS}
    UPSTREAM = {notebook: notebooks.upstream(notebook, SETTINGS[notebook]) for notebook in NOTEBOOKS}
except DnakitError as error:
    raise WorkflowError(str(error)) from None

# One report at a time. Snakemake's own lock would outlive a kill -9; this one ends with the process that holds it.
if workflow.is_main_process:
    JOBS.mkdir(parents=True, exist_ok=True)
    LOCK = FileLock(JOBS / ".lock")
    try:
        LOCK.acquire(timeout=0)
    except Timeout:
        raise WorkflowError("another make report or make test is at work in this folder: wait for it") from None


localrules:
    all,
    trained,
    book,


rule all:
    input:
        "book/_build/html/index.html",


rule trained:
    input:
        [keys(notebook) for notebook in NOTEBOOKS],


# The store decides what a change of the code means for a run: one that it holds already costs seconds here.
rule train:
    input:
        upstream,
        files("dnakit/**/*.py", "data/sources.yaml", "requirements.lock"),
    output:
        JOBS / PROFILE / "{notebook}" / "{run}.key",
    params:
        settings=lambda wildcards: SETTINGS[wildcards.notebook],
    threads: lambda wildcards: share(len(RUNS[wildcards.notebook]))
    resources:
        mem_mb=8000,
        runtime=24 * 60,
    shell:
        "OMP_NUM_THREADS={threads} dnakit train {wildcards.notebook} {wildcards.run} --profile {PROFILE} --key-file {output:q}"


rule execute:
    input:
        lambda wildcards: keys(wildcards.notebook),
        "notebooks/{notebook}.py",
        files(
            "dnakit/**/*.py",
            "data/sources.yaml",
            "data/thesis/*",
            "data/recorded/**/*",
            "benchmarks/results.json",
            "requirements.lock",
        ),
    output:
        "book/chapters/{notebook}.ipynb",
    params:
        settings=lambda wildcards: SETTINGS[wildcards.notebook],
        profile=PROFILE,
    threads: share(len(NOTEBOOKS))
    resources:
        mem_mb=8000,
        runtime=4 * 60,
    shell:
        "OMP_NUM_THREADS={threads} dnakit execute {wildcards.notebook} --profile {params.profile}"


rule book:
    input:
        expand("book/chapters/{notebook}.ipynb", notebook=NOTEBOOKS),
        files("book/*.yml", "book/*.md", "book/*.bib", "book/*.py", "book/_static/*"),
    output:
        "book/_build/html/index.html",
    shell:
        "jupyter-book build --all -W -n --keep-going --quiet book && python book/check.py"
