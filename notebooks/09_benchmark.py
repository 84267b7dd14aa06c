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
# bioinformatics". Chapters 2 to 5 found what made its own tasks too simple: relatives in training and test; at the start site
# a word that is cut short, which gives the place away (the *seam*, chapter 3); copies of one sequence on both sides; and, if the
# thesis split its chromatin rows at random, bins that overlap. This page collects the tasks without these leaks.
#
# **The question of this chapter:** how well do simple methods, programs of the field and models do on tasks that cannot be
# solved by a leak?

# %% tags=["remove-cell"]
from IPython.display import display

from dnakit.chapters.chapter import open_chapter, run_names
from dnakit.chapters.pretraining import gains
from dnakit.report import benchmark
from dnakit.report.display import prose, table
from dnakit.report.finished import recorded
from dnakit.report.intervals import Interval

# %% [markdown]
# ## Parameters

# %% tags=["parameters", "hide-input"]
profile = "smoke"  # a name only: all profiles show the recorded results

# %% tags=["remove-cell"]
chapter = open_chapter("09_benchmark", globals())
tasks, results = benchmark.tasks(), benchmark.results(run_names())

# Bits per base of each resample of families of genomes, as in chapter 2, where they are kept by genome
bits, drawn = recorded("02_pretraining"), {}
for result in results:
    name, _, method = result.measure.removeprefix("02_pretraining/").partition(":far.bits_per_base")
    if name in bits and not method:
        drawn[result] = gains.resampled(bits, bits[name], "far")
    elif name in bits and method[1:] in gains.BY_GENOME:
        drawn[result] = gains.of_method(bits, bits[name], method[1:], "far")
around = {result.measure: Interval(*each.interval[1:]) for result, each in drawn.items()}

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
#
# Bits per base of masked tokens have a fault: the visible tokens around a masked token tell its length, so that different words
# do not compare (chapter 2). So the task of masked bases has 9-mers alone. Even there a tokenizer is learned from the training
# genomes: rows of equally many genomes have the same masks, others have not. A model compares with *segmentation alone* of as
# many genomes, which knows where the visible tokens begin and end, and nothing else. The Markov models have no masks: they predict
# every base from those before it.

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
# models are trained at the size of the `laptop` profile, which is a small part of the thesis's, except those of masked bases
# that name 2,430 genomes. Each model is one training (one seed). First the highest value of each kind (the lowest of bits per
# base), then all results of each task. That a value is the highest does not decide that its method is better: the intervals
# are those of single results. Differences on the same test samples stand in the chapters.

# %% tags=["remove-input"]
table(
    benchmark.overview(tasks, results, around),
    "The recorded result of each kind of method with the best value, by task, with its 95% interval where one is known, beside "
    "the ceiling.",
    provenance="recorded results, or a line of data/benchmark.csv",
)

# %% tags=["remove-input"]
lowest = {}
for result in sorted(drawn, key=lambda each: drawn[each].value):
    lowest.setdefault(result.kind, result)
prose(
    "Masked bases of 9-mers, the best model against the best simple method, on the same genomes. Model: *{model}*. Simple method: "
    "*{simple}*. Model minus simple: **{apart:+.3f}** bits per base (95% interval; fewer is better).",
    model=lowest["model"].method,
    simple=lowest["simple"].method,
    apart=drawn[lowest["model"]].minus(drawn[lowest["simple"]]).interval,
) if lowest else prose("Nothing of masked bases is recorded yet.")

# %% [markdown]
# The best value stands first. An interval counts families of test genomes, promoters, species, or blocks of 100 kb of bins. It
# knows nothing of other seeds. It is empty where answers are not kept one by one. In masked bases a row says how many genomes
# its method learned from, and for how many epochs. All have the same test genomes; the same masks have only rows of equally many
# genomes.

# %% tags=["remove-input"]
for task in tasks:
    display(
        table(
            benchmark.result_table(task, results, around),
            f"{task.title}: {task.question} {task.metric[0].upper()}{task.metric[1:]}, {task.better} is better. Tested on {task.tested_on}. "
            f"Split {task.split_name}.",
            provenance="recorded results, or a line of data/benchmark.csv",
        )
    )

# %% [markdown]
# ## What to take away
#
# On each task, the best recorded value is that of:

# %% tags=["remove-input"]
prose(benchmark.best_in_words(tasks, results))

# %% [markdown]
# That a value is the best does not decide that its method is better: the intervals say how far apart two methods are. The models
# were trained on little, and more training can change the order.
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
#
# For another program, this writes the records and the reads of a 12S task as FASTA, with their names in tables beside them
# (`.venv/bin/python`; the data as for the laptop profile). A letter that stands for several bases is N there, as it is for all
# methods of this page:
#
# ```python
# from dnakit.chapters.chapter import chapter_of
# from dnakit.chapters.metagenomics import comparing, tasks
# from dnakit.data.formats import Record, write_fasta
#
# chapter = chapter_of("04_metagenomics", "laptop")
# records, asked = comparing.reference_and_asked(chapter.runs["fair-search"])
# reads = tasks.shown(asked, "gene", chapter.parameters.seed)  # or "amplicon", or "fragment"
# for name, rows in {"records": records, "reads": reads}.items():
#     write_fasta(f"{name}.fa", [Record(row.name, "", row.sequence) for row in rows.itertuples(index=False)])
#     rows.drop(columns="sequence").to_csv(f"{name}.csv", index=False)
# ```
#
# The column `level` of `reads.csv` names the rank that was held out, or `known`. `12s-known` counts right species of the whole
# genes that are `known`, `12s-amplicon` of their amplicons. `12s-new-species` counts right genera of the fragments whose level is
# `species`.
