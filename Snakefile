"""The experiments of one profile as a graph: runs -> notebooks -> book.

    snakemake --cores 2 --config profile=smoke                                     what make report does
    snakemake --workflow-profile params/cluster/slurm --config profile=thesis      each run a job of its own

On one machine the runs of a chapter are one job, whose processes make one run after the other, so that libraries are
imported once. On a cluster each run is a job with its own resources.
"""

import os
import re
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from dnakit.chapters.chapter import chapter_of
from dnakit.notebooks.parameters import names
from dnakit.project import DnakitError, data_folder

PROFILE = config.get("profile", "smoke")
RUN_IS_A_JOB = workflow.remote_exec or bool(workflow.resource_settings.nodes)  # on a cluster
JOBS = Path(os.path.relpath(data_folder("cache", "jobs"))) / PROFILE
NOTEBOOKS = names()


def files(*patterns):
    return sorted(str(path) for pattern in patterns for path in Path().glob(pattern) if path.is_file())


def used(notebook):
    """A chapter and the earlier ones that its code names; of a page without runs, such as the claims, all."""
    if not CHAPTERS[notebook].runs:
        return set(NOTEBOOKS)
    own = files(f"notebooks/{notebook}.py", f"dnakit/chapters/{package(notebook)}/*.py")
    text = "".join(Path(file).read_text(encoding="utf-8") for file in own)
    earlier = NOTEBOOKS[: NOTEBOOKS.index(notebook)]
    named = [each for each in earlier if re.search(rf"{each}|dnakit\.chapters\.{package(each)}\b", text)]
    return {notebook}.union(*map(used, named))


def code(notebook):
    """What decides the runs of a chapter besides data: all modules but those of chapters that it does not use."""
    rooms = [folder for folder in Path("dnakit").iterdir() if folder.is_dir() and folder.name != "chapters"]
    packages = [f"dnakit/chapters/{package(each)}" for each in used(notebook)]
    modules = [f"{folder}/**/*.py" for folder in (*rooms, *packages)]
    return files("dnakit/*.py", "dnakit/chapters/*.py", *modules, "models/**/*")


def records(notebook):
    """The recorded results that a page may show."""
    return files(*(f"data/recorded/{each}/**/*" for each in used(notebook)))


def package(notebook):
    return notebook.split("_", 1)[1]


def made(notebook, run=None):
    """The file that stands for a run, or for all runs of a chapter."""
    if RUN_IS_A_JOB:
        return [JOBS / notebook / f"{name}.key" for name in ([run] if run else CHAPTERS[notebook].runs)]
    return [JOBS / f"{notebook}.keys"] if CHAPTERS[notebook].runs else []


def needed(notebook, *runs):
    """The files of the runs that some runs of a chapter need, as far as this profile makes them."""
    edges = [edge for run in runs for edge in EDGES[notebook][run] if edge.profile == PROFILE]
    others = {(edge.notebook, edge.run) for edge in edges if RUN_IS_A_JOB or edge.notebook != notebook}
    return sorted({str(file) for other, run in others for file in made(other, run)})


try:
    CHAPTERS = {notebook: chapter_of(notebook, PROFILE) for notebook in NOTEBOOKS}
    EDGES = {notebook: chapter.edges() for notebook, chapter in CHAPTERS.items()}
except DnakitError as error:
    sys.exit(f"dnakit: {error}")

# One report at a time. Snakemake's own lock would outlive a kill -9; this one ends with the process that holds it.
if workflow.is_main_process:
    JOBS.mkdir(parents=True, exist_ok=True)
    LOCK = FileLock(JOBS.parent / ".lock")
    try:
        LOCK.acquire(timeout=0)
    except Timeout:
        sys.exit("dnakit: another make report or make test is at work in this folder: wait for it")


localrules:
    all,
    trained,
    book,


rule all:
    input:
        "book/_build/html/index.html",


rule trained:
    input:
        [made(notebook) for notebook in NOTEBOOKS],


# The store decides what a change of the code means for a run: one that it holds already costs nothing here.
rule train_chapter:
    input:
        lambda wildcards: needed(wildcards.notebook, *CHAPTERS[wildcards.notebook].runs),
        lambda wildcards: code(wildcards.notebook),
        "data/sources.yaml",
        "requirements.lock",
    output:
        JOBS / "{notebook}.keys",
    params:
        parameters=lambda wildcards: CHAPTERS[wildcards.notebook].parameters.model_dump(),
    threads: 1 if RUN_IS_A_JOB else workflow.cores
    shell:
        "nice dnakit train {wildcards.notebook} --profile {PROFILE} --jobs {threads} --key-file {output:q}"


rule train_run:
    input:
        lambda wildcards: needed(wildcards.notebook, wildcards.run),
        lambda wildcards: code(wildcards.notebook),
        "data/sources.yaml",
        "requirements.lock",
    output:
        JOBS / "{notebook}" / "{run}.key",
    params:
        parameters=lambda wildcards: CHAPTERS[wildcards.notebook].parameters.model_dump(),
    resources:
        mem_mb=8000,
        runtime=24 * 60,
    shell:
        "OMP_NUM_THREADS={threads} nice dnakit train {wildcards.notebook} {wildcards.run} --profile {PROFILE} --key-file {output:q}"


rule execute:
    input:
        lambda wildcards: made(wildcards.notebook),
        lambda wildcards: code(wildcards.notebook),
        lambda wildcards: records(wildcards.notebook),
        "notebooks/{notebook}.py",
        files("data/thesis/*", "data/*.csv", "benchmarks/results.json"),
        "data/sources.yaml",
        "requirements.lock",
    output:
        "book/chapters/{notebook}.ipynb",
    params:
        parameters=lambda wildcards: CHAPTERS[wildcards.notebook].parameters.model_dump(),
        profile=PROFILE,
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
