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
# # 5 Chromatin profiles
#
# *Thesis sections 4.2.4 and 5.4.* DNA is packed into **chromatin**. Where it is open, which proteins bind it and which
# marks its histones carry differs from place to place, and the sequence decides part of it. DeepSEA {cite}`zhou2015deepsea`
# made this a benchmark: 1,000 bp of DNA in, 919 yes-or-no profiles out. The thesis fine-tunes its Longformer on it.
#
# **The question of this chapter:** do the thesis's scores stand when no neighbour of a test bin is in training? Do longer
# inputs help, and pretraining? How far is a small transformer from simple methods and from convolutional networks?

# %% tags=["remove-cell"]
from dnakit.chapters.chapter import open_chapter
from dnakit.chapters.chromatin import results
from dnakit.report.display import show, table
from dnakit.report.ledger import ledger

# %% [markdown]
# ## Parameters
#
# The defaults are the *smoke* profile: a simulated genome. `dnakit execute --profile laptop 05_chromatin` runs the same
# cells on real profiles. For your own data give a FASTA file in `genome`, a BED file or a folder of peak files in `peaks`,
# and the chromosomes to hold out. A file `features.tsv` in the folder may name the kind of each feature.

# %% tags=["parameters"]
profile = "smoke"  # a name for captions
pretrained = "smoke"  # profile of chapter 2 whose tokenizers and encoders are taken
organism = "simulated"  # whose profiles: simulated, human-slices, yeast, deepsea
other_organism = ""  # a second one for the methods without a network; empty: none
genome = []  # your own: FASTA files,
peaks = ""  # and a BED file that names features in column 4, or a folder with one peak file per feature
validation_chromosomes = []  # held out in the split by chromosome; empty: the organism's own
test_chromosomes = []
rows = 0  # of DeepSEA's training file the first so many (thesis: 200,000); 0: all
wide_windows = [2000]  # bases of windows with more real context, beside the 1,000 of DeepSEA
deepsea_rows = ""  # a table of DeepSEA's rows whose tokens are counted as well; empty: none
repeats = 1  # trainings of each row of Table 5.4, with different seeds
epoch_samples = 48  # training bins per epoch, drawn anew each epoch; 0: each bin once
evaluation_samples = 64  # validation bins that are scored after each epoch; 0: all
network_scale = 0.05  # width of the convolutional networks; 1: as published
epochs = 2  # thesis: 10
batch_size = 8  # windows
learning_rate = 1.0e-3  # of Adam
precision = "fp32"  # fp32, bf16, or auto: bf16 where the processor has it
seed = 1  # draws splits, samples and initial weights

# %% [markdown]
# ## The data
#
# A genome is cut into *bins* of 200 bp. A *feature* is one factor or mark in one kind of cell: openness of the chromatin
# (DNase), a bound transcription factor (TF), or a mark on histones. It is positive in a bin of which its peaks cover more
# than half. Yeast's peaks are points (ChIP-exo): there the bin that holds the point is positive. The input is the bin with
# 400 bp on either side, 1,000 bp in all, as DeepSEA's. Bins without any positive feature are left out. A feature may be
# *unlabelled* on a chromosome, where nobody published its peaks; such a label counts nowhere.
#
# The laptop profile has 178 features on 30.7 Mb of the human genome, and 250 factors on the whole yeast genome. The thesis
# takes the first 200,000 rows of DeepSEA's training file (919 features), which is the thesis profile here.

# %%
chapter = open_chapter("05_chromatin", globals())
recorded, here = chapter.recorded(), chapter.here()

# %% [markdown]
# ## Neighbours
#
# The inputs of two adjacent bins share 800 of their 1,000 bases, and their labels are alike. The thesis splits rows at
# random. So nearly every test row has a neighbour in training. Three splits show what that does: **random** as the thesis;
# **random, 1 kb apart**, with the same test rows, and no training row within 1 kb of one; and **by chromosome**, where whole
# chromosomes are held out.

# %% tags=["remove-input"]
show(
    results.splits,
    recorded,
    here,
    "Rows in each part, and the share of the test rows that have a training row within 1 kb.",
    formats={"neighbour in training": ".1%"},
)

# %% [markdown]
# ## Methods without a network
#
# Three simple methods set the scale. **Nearest bins** copies the labels of the nearest training bins. It sees no sequence
# at all, so that its score is what position alone is worth. **GC content** is a ridge regression on the share of G and C.
# **6-mers** is a ridge regression on the counts of all 6-mers (a 6-mer and its reverse complement are one).
#
# AUROC is the chance that a positive bin scores above a negative one: 0.5 by guessing. AUPRC is the area under the
# precision-recall curve: by guessing the share of positives. Both are means over the features of a kind that have at least
# ten positives in the test rows. The intervals come from drawing blocks of 100 kb of the test rows anew.

# %% tags=["remove-input"]
show(
    results.draw_simple_methods,
    recorded,
    here,
    "Mean AUROC by kind of feature. With a random split, labels copied from the nearest bins do as well as the sequence. "
    "Without neighbours in training they fall to chance or near it, and what 6-mers read from the sequence falls too.",
)

# %% tags=["remove-input"]
show(
    results.simple_methods,
    recorded,
    here,
    "Mean AUROC, median AUROC and mean AUPRC, with 95% intervals of the means.",
    formats=dict.fromkeys(["AUROC", "median AUROC", "AUPRC"], ".3f"),
)

# %% [markdown]
# ## What is "AUC all"?
#
# Table 5.4 of the thesis has AUCs of .84 to .93 for the three kinds and an "AUC all" of .61 to .72. No mean of the former
# is so low. Its precision and recall give a hint: where every label of every feature is one list, and predictions are cut
# at 0.5, the area under the curve is (recall + specificity) / 2. With the thesis's recall of .27, precision of .18 and 2%
# positives that is about .62. So "AUC all" measures the threshold and not the ranking. The table shows three readings side by side.

# %% tags=["remove-input"]
show(
    results.flattened,
    recorded,
    here,
    "Three readings of one set of predictions: the area of the answers at 0.5, the area of all probabilities as one list, "
    "and the mean over features.",
    formats=dict.fromkeys(["precision", "recall", "AUC, thresholded", "AUC, flattened", "mean AUROC"], ".3f"),
)

# %% [markdown]
# ## How many tokens has an input?
#
# The thesis compares inputs of 256, 512 and 1,024 tokens and finds that longer inputs help DNase and histone features. But
# the input has 1,000 bp. How many tokens are these? They are counted with the words of nine bases that the tokenizer
# was trained on, and as one word, where byte-pair encoding may join across the borders of 9-mers.

# %% tags=["remove-input"]
show(
    results.tokens,
    recorded,
    here,
    "Tokens of windows around bins, and the share of the windows that fit into inputs of 256, 512 and 1,024 tokens.",
    formats=dict.fromkeys(["fit 256", "fit 512", "fit 1024"], ".1%") | {"median": ",.0f"},
)

# %% [markdown]
# ## The claims of this chapter

# %% tags=["remove-input"]
table(
    ledger("05_chromatin"),
    "What the thesis says about chromatin profiles, and what was measured here.",
    provenance=recorded,
)
