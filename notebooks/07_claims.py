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
# # 7 The claims
#
# Every number of a result that the thesis (Lorello 2021) prints in its tables and its text, and every sentence of it that states a
# finding, is a claim here. Beside each claim stands what the thesis says, what this book measured, on what data and at what
# size, and a verdict.
#
# **The question of this chapter:** which of the thesis's claims stand, which do not, and how sure is that?

# %% tags=["remove-cell"]
from IPython.display import Markdown, display

from dnakit.chapters.chapter import open_chapter, run_names
from dnakit.report import front_page, ledger, places
from dnakit.report.claims_table import claims_table
from dnakit.report.display import figure, glue, prose, table
from dnakit.report.style import theme

# %% [markdown]
# ## Parameters

# %% tags=["parameters", "hide-input"]
profile = "smoke"  # a name only: all profiles show the recorded numbers

# %% tags=["remove-cell"]
chapter = open_chapter("07_claims", globals())
claims = ledger.claims(run_names())
totals, counts = ledger.totals(claims), ledger.counts(claims)

# %% [markdown]
# ## The verdicts

# %% tags=["remove-input"]
table(
    totals,
    "Claims by verdict: sentences that state a finding, and printed numbers.",
)

# %% tags=["remove-input"]
with theme():
    picture = figure(
        front_page.draw(counts),
        "Claims by part of the thesis.",
    )
glue("picture", picture)
picture

# %% tags=["remove-input"]
main = front_page.main_table(
    ledger.main_claims(claims),
    "The main claims. Brackets are 95% intervals; n counts promoters, random sequences or species (chromatin profiles: blocks of 100 kb).",
)
glue("main", main)
main

# %% [markdown]
# ## How a verdict is made
#
# Nobody types a verdict. For each claim, the file `data/verdicts.csv` holds what the claim predicts of a number, and where
# that number is recorded. Which number tests a sentence, and how far "about" goes, is our choice; that file and the table below show it.
#
# The control comes first. A *control* is a number of a method that lacks what the claim is about: training, context, or
# biology. Where the control gives what the claim predicts, the claim **stands, but means something else**. That holds however
# small our own training was, unless the number of a training that is large enough contradicts the claim. Else the first of
# these rules that fits decides:
#
# | verdict | when |
# |---|---|
# | **no number decides it** | The claim is an explanation or a judgement, a value that the thesis quotes, or a number that it does not define. |
# | **no data here** | The data or the machine that it needs are not here. |
# | **not run yet** | The run that decides it is written, and not recorded on real data; or the experiment is not written yet. The row names it. |
# | **not decided at this size** | The training, or the pretraining before it, saw less than half of the samples that the thesis's saw; or the 95% interval of the number covers both answers. |
# | **does not stand** | The interval contradicts the prediction. |
# | **stands** | The interval agrees with the prediction. |
#
# A claim with several tests has the first of these verdicts that one of them gives: does not stand, no data here, no number
# decides it, not run yet, not decided at this size, stands but means something else, stands. Tests that gave another verdict
# stand in small print. Where a number has no
# interval, the number itself decides. It equals a printed number that is less than 1% away: "= 0.8875 ± 1%". That is a
# tolerance and no interval; an interval stands in square brackets. Where a sentence says "about", "similar" or "slightly", the
# row says how far that goes: "predicted: within 0.05". Some claims are sentences about the thesis's own
# tables. They are tested by the printed numbers, which are as certain as their last digit: the thesis prints no intervals. Such
# a test says whether the sentence agrees with the table, and not whether the difference is more than chance. Where this book measured
# the same, that is a second test.
#
# A control explains a printed number where it reaches most of it, and the row says how much: 95% of the exact answers on start
# sites, where a control that reads no biology then leaves at most a twentieth of them to explain; 99.8% of an accuracy that a
# model reaches by copying.
#
# A number that *decides nothing* stands in small print at the end of its row. It was measured under other conditions than the
# thesis's, for example from other initial weights, or it is another measure of the same thing.
#
# How many samples the thesis's training saw is its number of genomes or records, in our tokens, times its epochs. It does not
# state all of them. It states 50 epochs for its baseline; the other pretrainings on mitochondria are taken to have as many,
# those on hg38 the 20 that it states for Longalbert. It states ten epochs for start sites and chromatin profiles, and none for
# 12S genes, which are taken to have ten. It prints neither its number of promoters, taken as the 29,598 human ones of the
# database, nor its number of fishes ("more than 3000"), taken as 3,100.
#
# What an interval counts stands beside it: `n` is the number of promoters, species or samples. Intervals over repeats are
# Student's. No interval knows more seeds than were run.

# %% [markdown]
# ## All claims
#
# Type words, choose a verdict, or click on the head of a column to sort. Small print under a claim says what the number is,
# and from which data; small print under the number says what the claim predicts of it. The link *cell* leads to the place in
# the book where the number stands.

# %% tags=["remove-input"]
claims_table(
    claims,
    "All claims. Small print says what the number is, or what is missing. A control is marked: it lacks what the claim is about.",
)

# %% [markdown]
# ## Where the thesis's figures and tables stand

# %% tags=["remove-input"]
display(Markdown(places.links()))

# %% [markdown]
# ## What to take away

# %% tags=["remove-input"]
numbers = {
    "claims": len(claims),
    "stand": totals.loc["stands", "all"],
    "otherwise": totals.loc["stands, but means something else", "all"],
    "fall": totals.loc["does not stand", "all"],
    "small": totals.loc["not decided at this size", "all"],
    "missing": totals.loc["not run yet", "all"] + totals.loc["no data here", "all"],
    "judged": totals.loc["no number decides it", "all"],
}
verdicts = (
    "Of **{claims}** claims, **{stand}** stand, **{otherwise}** stand but mean something else, and **{fall}** do not stand. "
    "**{small}** are not decided: the trainings here are too small, or the interval covers both answers. **{missing}** wait for runs or data. {judged} are "
    "explanations, judgements, quoted values, or numbers that the thesis does not define."
)
glue("summary", prose(f"**What stands, what does not.** {verdicts}", **numbers))
prose(verdicts, **numbers)
