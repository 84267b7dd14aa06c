# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 9 A benchmark
#
# *Thesis section 6.2.* The thesis ends with a wish: "the preparation of solid and meaningful benchmark tasks for
# bioinformatics". Chapters 2 to 5 found what made its own tasks too simple: relatives in training and test, a seam at the
# start site, copies of one sequence on both sides, bins that overlap. This page collects the tasks without these leaks.
#
# **The question of this chapter:** how well do simple methods, programs of the field and models do on tasks that cannot be
# solved by a leak?

# %% tags=["remove-cell"]
from IPython.display import display

from dnakit.chapters.chapter import open_chapter, run_names
from dnakit.report import benchmark
from dnakit.report.display import table

# %% [markdown]
# ## Parameters

# %% tags=["parameters", "hide-input"]
profile = "smoke"  # a name only: all profiles show the recorded results

# %% tags=["remove-cell"]
chapter = open_chapter("09_benchmark", globals())
tasks, results = benchmark.tasks(), benchmark.results(run_names())

# %% [markdown]
# ## The tasks
#
# The name of a split ends in a digest: the SHA-256 of what decides the split, that is, of the data and of what is drawn
# from them. Two results compare only under one name.
#
# A *ceiling* is what no method can pass, except by luck. A read can lie in records of several species: then nobody can tell
# which of them it is from. The ceiling of the 12S tasks knows all records, those that are held out too, and gives such a read
# the commonest name. For the other tasks no ceiling is known. Nobody knows how much of a base, of a start site or of a
# chromatin profile the sequence decides, so that the best score may be out of reach.

# %% tags=["remove-input"]
table(
    benchmark.task_table(),
    "The tasks, what is measured, what is held out, and the name of the split.",
    provenance="data/benchmark_tasks.csv",
)

# %% [markdown]
# ## The results
#
# Kinds of methods: *simple* ones learn little or nothing, *programs* are those of the field, *models* are networks. The
# models are trained at the size of the `laptop` profile, which is a small part of the thesis's. First the best of each kind,
# then all results of each task.

# %% tags=["remove-input"]
table(
    benchmark.overview(tasks, results),
    "The best recorded result of each kind of method, by task, beside the ceiling where one is known.",
    provenance="recorded results, or a line of data/benchmark.csv",
)

# %% [markdown]
# The best stands first. An interval counts test genomes, promoters, species or bins. It knows nothing of other seeds.

# %% tags=["remove-input"]
for task in tasks:
    display(
        table(
            benchmark.result_table(task, results),
            f"{task.title}: {task.question} {task.metric}, {task.better} is better. Split {task.split_name}.",
            provenance="recorded results, or a line of data/benchmark.csv",
        )
    )

# %% [markdown]
# Bits per base of masked tokens have a fault: the visible tokens around a masked token tell its length. So a model compares
# with *segmentation alone* of its own tokens, which knows nothing else (chapter 2).
#
# ## Add a line
#
# Score your method on the same split. Then add one line to `data/benchmark.csv`:
#
# | column | what to write |
# |---|---|
# | `task` | the task, as in the first column of `data/benchmark_tasks.csv`, such as `12s-known` |
# | `method` | what the table shall call your method |
# | `kind` | `ceiling`, `simple`, `program` or `model` |
# | `measure`, `interval` | empty, or the address of a number under `data/recorded` and its interval |
# | `value`, `low`, `high` | your score, and its 95% interval where you know it |
# | `source` | where the method and its score are described |
#
# For example: `12s-known,my method,model,,,0.78,0.74,0.82,https://doi.org/…`. `make report` then shows it. A line that is
# wrong stops with an error that names the line and says what to do.
#
# `dnakit execute` and the functions of chapters 2 to 5 make the splits from the data: held-out families
# (`dnakit.tokens.corpus`), windows by chromosome (`dnakit.chapters.tss.windows`, `dnakit.chapters.chromatin.splits`), and
# records by the digest of their names (`dnakit.chapters.metagenomics.tasks`).
