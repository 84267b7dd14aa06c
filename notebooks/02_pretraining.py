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
# # Pretraining on mitochondrial genomes
#
# *Thesis sections 4.2.1 and 5.1.* The small Longformer {cite}`beltagy2020longformer` (two blocks, eight heads, 256 wide,
# a window of 16 tokens) learns the language of mitochondrial genomes by **masked language modeling**
# {cite}`devlin2019bert`: of the tokens of a sample 15% are selected; 80% of these are shown as `<mask>`, 10% as a random
# token, 10% as they are, and the model is asked for all tokens of the sample.
#
# **The question of this chapter:** which tokenization does the model learn best, and what do the accuracies near 0.88
# and perplexities near 1.8 of Table 5.1 say about what it learned?
#
# The short answer: an accuracy of 0.865 is what copying the input scores, so all that was learned hides in the third
# digit. Asked for the masked tokens alone, small models on small budgets stay far behind methods that look twelve bases
# up in the training genomes. The distance shrinks as they train on; more genomes by themselves do not shrink it.

# %% tags=["remove-cell"]
from pathlib import Path

from dnakit import pretraining_results as outcome
from dnakit import relatives, store
from dnakit import trials as tried
from dnakit.metrics import copy_baseline
from dnakit.report import beside, figure, figure_style, prose, table

figure_style()

# %% [markdown]
# ## Parameters
#
# The defaults are the *smoke* profile: simulated genomes and a few minutes on two cores, enough to run every cell, not to
# learn a language. `dnakit execute --profile laptop 02_pretraining` runs the same cells on real genomes.

# %% tags=["parameters"]
profile = "smoke"  # a name for captions
source = "simulated-mitochondria"  # in data/sources.yaml, or a FASTA file
taxonomy = "simulated-mitochondria-genbank"  # lineages of its genomes: a table or GenBank, for the far ruler
tokenizations = ["6-mer", "9-mer", "12-mer", "BB"]  # BB: BigBird-style
genomes = [12, 12, 12, 10]  # for each tokenization, all splits together
vocab_sizes = [5000, 2000, 2000, 2000]  # targets (thesis: 5,000, then 30,000)
longest_genome = 25_000  # bases; longer records are left out
resamplings = 2  # passes over each genome for BB (thesis: 10)
ruler_genomes = 4  # set aside for each ruler: near (any genomes) and far (whole families); 0: no rulers
models = [  # rows of Table 5.1: architecture, tokenization, task, and -nuclear where the nuclear genome is meant
    "longalbert-6-mer-mlm",
    "longalbert-9-mer-mlm",
    "longalbert-12-mer-mlm",
    "longformer-6-mer-mlm",
    "longformer-9-mer-mlm",
    "longformer-12-mer-mlm",
    "longformer-BB-mlm",
    "longformer-6-mer-mlm+sop",
    "longformer-9-mer-mlm+sop",
    "longformer-12-mer-mlm+sop",
    "longformer-BB-mlm+sop",
    "longalbert-12-mer-mlm+sop-nuclear",
    "longformer-9-mer-mlm-nuclear",
]
trials = ["informed-weights", "more-genomes"]  # 9-mer MLM again, with another budget or start: names of the trials,
trial_models = ["longformer-9-mer-mlm", "longformer-9-mer-mlm"]  # what each trains,
trial_genomes = [12, 24]  # on how many genomes,
trial_epochs = [2, 1]  # for how many epochs,
trial_weights = ["informed", "informed"]  # and from which fresh weights
recipes = ["laptop", "muon"]  # ways to train the 9-mer row, from dnakit/recipes.py,
recipe_seeds = [1]  # each from each of these seeds,
recipe_genomes = 12  # on so many genomes, once
nuclear_sources = ["simulated-nuclear-a"]  # chromosomes, cut into pieces
nuclear_piece = 16_668  # bases of a piece: about a mitochondrial genome, and whole words of 6, 9 and 12
nuclear_pieces = 12  # how many of them, all splits together; 0: all there are
nuclear_far = ["simA6"]  # the chromosomes of the far ruler
nuclear_epochs = 2  # thesis: 20
fresh_weights = "random"  # (thesis), or "informed" of bases and neighbours, see below
mlm_loss = "all"  # loss over all tokens (thesis), or the "masked": selected ones (BERT)
masking = "static"  # one draw of masks, or "dynamic": anew each epoch (B.2)
epochs = 2  # thesis: 50
batch_size = 8  # samples of 256 tokens
learning_rate = 1.0e-3  # of Adam; thesis: 1.0e-4
precision = "fp32"  # fp32, bf16, or auto: bf16 where the processor has it
seed = 1  # draws genomes, splits, masks and initial weights

# %% tags=["remove-input"]
prose(
    "This page was made with the **{profile}** profile: `{source}`, {genomes} genomes for {words}, {epochs} epochs of "
    "batches of {batch_size}, Adam with a learning rate of {learning_rate}, seed {seed}.",
    profile=profile,
    source=Path(source).name,
    genomes=", ".join(f"{count:,}" for count in genomes),
    words=", ".join(tokenizations),
    epochs=epochs,
    batch_size=batch_size,
    learning_rate=learning_rate,
    seed=seed,
)

# %% [markdown]
# ## Data and models
#
# Chapter 1 shows the tokenizers. Each genome's tokens are cut into samples of 254 between `<cls>` and `<sep>`; genomes,
# not samples, are split 81/9/10. Each row of Table 5.1 is one run, trained once and kept in the store under a key of
# everything that went into it; asking again costs nothing.
#
# A model has to find out which bases its tokens stand for and where its neighbours are before it can learn anything of
# genomes, and from *random* fresh weights, as in the thesis, that takes longer than a small budget lasts. *Informed* fresh
# weights know both from the start: tokens with bases in common have similar vectors, positions are sinusoids
# {cite}`vaswani2017attention`, and each head of attention looks at one neighbour (`dnakit/fresh.py`). Architecture and
# number of weights are the thesis's, and all of them are trained. The laptop profile begins informed, the two others at
# random, with an informed trial beside.

# %%
choices = {
    "profile": profile,
    "source": source,
    "taxonomy": taxonomy,
    "tokenizations": tokenizations,
    "genomes": genomes,
    "vocab_sizes": vocab_sizes,
    "longest_genome": longest_genome,
    "resamplings": resamplings,
    "ruler_genomes": ruler_genomes,
    "models": models,
    "trials": trials,
    "trial_models": trial_models,
    "trial_genomes": trial_genomes,
    "trial_epochs": trial_epochs,
    "trial_weights": trial_weights,
    "recipes": recipes,
    "recipe_seeds": recipe_seeds,
    "recipe_genomes": recipe_genomes,
    "nuclear_sources": nuclear_sources,
    "nuclear_piece": nuclear_piece,
    "nuclear_pieces": nuclear_pieces,
    "nuclear_far": nuclear_far,
    "nuclear_epochs": nuclear_epochs,
    "fresh_weights": fresh_weights,
    "mlm_loss": mlm_loss,
    "masking": masking,
    "epochs": epochs,
    "batch_size": batch_size,
    "learning_rate": learning_rate,
    "precision": precision,
    "seed": seed,
}
runs = outcome.runs(choices)
here = {name: run.train() for name, run in runs.items()}

# %% tags=["remove-input"]
recorded = store.recorded("02_pretraining")
here_line = outcome.provenance(here, profile)
recorded_line = outcome.provenance(recorded, "recorded")
size_digits = {"minutes": ".1f"}

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    outcome.sizes(recorded),
    "The recorded runs, on real genomes (of the nuclear genome: pieces of it): training genomes, samples an epoch, and "
    "minutes with validation, beside other work on the same processor.",
    provenance=recorded_line,
    formats=size_digits,
)

# %% tags=["remove-input", "nbval-ignore-output"]
table(outcome.sizes(here), "The runs of this page.", provenance=here_line, formats=size_digits)

# %% [markdown]
# ## Training
#
# All curves are over the tokens shown as `<mask>`. The thesis draws its figures over all tokens, where the level that
# every accuracy climbs to at once is that of copying the input (see *What the numbers mean*); diamonds are its final
# accuracies' share above that level, which is about what a masked accuracy is. Solid lines are the validation genomes,
# dashed lines the training genomes (averaged over the epoch while the weights move, and with dropout, so early on they
# lie above the validation loss).

# %% tags=["remove-cell"]
groups = {"recorded": recorded, f"this run ({profile})": here}
both_lines = f"{recorded_line} | {here_line}"

# %% tags=["remove-input", "nbval-ignore-output"]
figure(
    outcome.draw_histories(groups, "masked_loss", "loss (nats a masked token)"),
    "Losses by epoch, masked tokens. The thesis prints no final losses; its figure falls fastest for BigBird-style words.",
    number="5.1",
    provenance=both_lines,
)

# %% tags=["remove-input", "nbval-ignore-output"]
figure(
    outcome.draw_histories(groups, "masked_accuracy", "masked accuracy", thesis="skill", log=True),
    "MLM accuracies by epoch, masked tokens; diamonds are the thesis's (accuracy − 0.865) / 0.135.",
    number="5.2",
    provenance=both_lines,
)

# %% tags=["remove-input", "nbval-ignore-output"]
figure(
    outcome.draw_histories(groups, "masked_perplexity", "perplexity", log=True),
    "Perplexities by epoch, e to the loss in nats, masked tokens. Knowing nothing costs the size of the vocabulary.",
    number="5.3",
    provenance=both_lines,
)

# %% tags=["remove-input", "nbval-ignore-output"]
pairs = {"Longformer, MLM + SOP": outcome.COLUMNS["Longformer, MLM + SOP"]}
figure(
    outcome.draw_histories(groups, "sop_accuracy", "SOP accuracy", columns=pairs, thesis="SOP_accuracy"),
    "Sentence-order accuracy by epoch, training and validation. Guessing gives 0.5. In the thesis training accuracy "
    "rises and validation accuracy stays where guessing is.",
    number="5.4",
    provenance=both_lines,
)

# %% [markdown]
# ## Beside the thesis

# %% tags=["remove-input", "nbval-ignore-output"]
shown = [*outcome.ROW, "accuracy", "SOP_accuracy", "perplexity"]
thesis = outcome.published()
table(
    beside(thesis, outcome.results(recorded)[shown], outcome.results(here)[shown], on=outcome.ROW),
    "Pretraining performance on the validation genomes. Recorded and this run are the final epoch; the thesis trained 50 "
    "epochs on 2,000 to 4,000 genomes. The recorded models were trained on the selected tokens alone (2.8 times cheaper) and "
    "never asked to copy: theirs is what they would score over all tokens if they copied as well, 0.865 + 0.12 × masked "
    "accuracy and at least e^(0.12 × masked loss). Of the thesis's reference rows, BigBird's perplexity is 2 to the power of "
    "its bits per base, not per token, and 0.85 should be 0.865, see below.",
    number="5.1",
    provenance=both_lines,
    formats=dict.fromkeys(("accuracy", "SOP_accuracy", "perplexity"), ".4f"),
)

# %% [markdown]
# ## What the numbers mean
#
# A model that copies its input to its output is right for the 85% of the tokens that were not selected and for the tenth
# of the selected ones that were left as they are: **0.865** without knowing anything. The thesis gives 0.85. What a model
# adds to copying is its *skill*, the share it closes of the gap between copying and 1; of the thesis's final accuracies
# that is (accuracy − 0.865) / 0.135. For our runs the accuracy of copying is counted on the very masks they were scored
# on, because a few thousand masks scatter around 0.865. Beside it stand the accuracy and perplexity on the tokens shown
# as `<mask>` alone, and both readings of the thesis's perplexity, 2 to the power of a crossentropy whose logarithm it does
# not name.

# %% tags=["remove-input"]
prose("Copying alone scores **{copy:.3f}**.", copy=copy_baseline())

# %% tags=["remove-input", "nbval-ignore-output"]
digits = dict.fromkeys(("accuracy", "masked accuracy", "e^loss", "2^loss", "loss (nats)"), ".4f")
digits |= {"copying": ".4f", "skill": ".4f", "masked perplexity": ",.0f"}
table(
    outcome.meanings(outcome.results(recorded)),
    "Recorded runs, validation genomes: accuracy over all tokens, skill above copying, and the masked tokens alone.",
    provenance=recorded_line,
    formats=digits,
)

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    outcome.meanings(outcome.results(here)),
    "This run: the same columns.",
    provenance=here_line,
    formats=digits,
)

# %% [markdown]
# ## What it says when asked
#
# Some samples of the validation genomes, as the model saw them, as they are, and what it named.

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    outcome.predictions(recorded["longformer-9-mer-mlm"]),
    "Predictions of the recorded 9-mer model on validation genomes, in the manner of the thesis's Figures B.1 and B.2. "
    "Tokens the model did not see are in square brackets.",
    provenance=recorded_line,
)

# %% [markdown]
# ## One ruler for all
#
# A perplexity counts tokens, and a token of one vocabulary covers more bases than one of another. So all models are
# held to **bits per base**: the bits that the masked tokens cost, divided by the bases these cover, on the same genomes.
# Two sets of genomes were set aside for that before anything was trained. The **near** ruler was drawn at random, so most
# of its genomes have close relatives in training; the **far** ruler is of whole families (of the nuclear genome:
# chromosomes) that training never saw. What a score loses from near to far came from relatives.
#
# Beside the models stand methods that need no neural network, learned from the genomes the 9-mer model is trained on:
# Markov models of fixed and of mixed order, and a general compressor (xz; "after training": what the ruler adds to
# the compressed training genomes). They read a genome in one direction. A masked language model sees both sides, so its
# peer is the two-sided context model.

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    beside(
        None,
        *(outcome.bits(folders, "mitochondria").reset_index() for folders in (recorded, here)),
        on=["who predicts"],
    ),
    "Bits per base on both rulers, mitochondria. Fewer is better; 2 is what knowing nothing costs.",
    provenance=both_lines,
    formats=dict.fromkeys(("near", "far"), ".3f"),
)

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    beside(
        None, *(outcome.bits(folders, "nuclear").reset_index() for folders in (recorded, here)), on=["who predicts"]
    ),
    "Bits per base on both rulers, nuclear genome.",
    provenance=both_lines,
    formats=dict.fromkeys(("near", "far"), ".3f"),
)

# %% [markdown]
# Masked tokens, on the same rulers. The lookups guess a 9-mer token from what stands around it in the training genomes;
# *as seen* hides from them what the masks hide from a model, otherwise they know all neighbours.

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    beside(
        None,
        *(outcome.masked(folders, "mitochondria").reset_index() for folders in (recorded, here)),
        on=["who predicts"],
    ),
    "Share of masked tokens named right, at the first guess and within five, mitochondria.",
    provenance=both_lines,
    formats=dict.fromkeys(("near", "near, top 5", "far", "far, top 5"), ".1%"),
)

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    beside(
        None, *(outcome.masked(folders, "nuclear").reset_index() for folders in (recorded, here)), on=["who predicts"]
    ),
    "Share of masked tokens named right, at the first guess and within five, nuclear genome.",
    provenance=both_lines,
    formats=dict.fromkeys(("near", "near, top 5", "far", "far, top 5"), ".1%"),
)

# %% [markdown]
# ## How much of the score is relatives
#
# Random splits leave a genome's relatives in training. How close they are can be counted: the share of a genome's 31-mers
# that stand in a training genome. Each ruler genome is a point; what a method learned *of genomes* should show at the left
# edge, what it remembers *of relatives* makes its points fall to the right.

# %% tags=["remove-cell"]
told, told_line = (recorded, recorded_line) if "ruler-longformer-9-mer-mlm" in recorded else (here, here_line)

# %% tags=["remove-input", "nbval-ignore-output"]
figure(
    relatives.draw(told),
    "Bits per base of each ruler genome, by how much of it stands in the training genomes.",
    provenance=told_line,
)

# %% [markdown]
# ## How far behind, and what more would bring
#
# The 9-mer row again, with other fresh weights, for longer and on more genomes, beside the methods that need no training
# loop. The left panels count masked tokens named right, the right ones bits per base, both on families that no training
# saw. First by how long a model was trained:

# %% tags=["remove-input", "nbval-ignore-output"]
figure(
    tried.draw_samples(told),
    "The small Longformer on the far ruler by samples seen in training, one point an epoch; dotted: simple methods that "
    "learned from the genomes of the row.",
    provenance=told_line,
)

# %% [markdown]
# Then by how many genomes there are to learn from. More genomes help the simple methods too, so each number of genomes has
# its own: what counts is whether the distance shrinks.

# %% tags=["remove-input", "nbval-ignore-output"]
figure(
    tried.draw_genomes(told),
    "Circles: the small Longformer on the far ruler by genomes learned from, and beside each how many thousand samples it "
    "saw; grey lines: simple methods that learned from the same genomes.",
    provenance=told_line,
)

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    tried.table(told),
    "The same in numbers, on the far ruler: masked tokens named right, beside looking up twelve bases on either side in the "
    "same genomes, and bits per base, beside the two-sided context model of the same genomes.",
    provenance=told_line,
    formats={"genomes": ",d", "samples seen": ",d"}
    | dict.fromkeys((tried.MASKED, "12 bp looked up"), ".1%")
    | dict.fromkeys((tried.BITS, "two-sided"), ".3f"),
)

# %% [markdown]
# ## A map of the learned language
#
# A genome's place in a model is the mean of its tokens' last hidden states. The map flattens these to two dimensions
# (t-SNE), for the eye; what counts is how often a genome's nearest neighbour is its relative, beside the same
# architecture untrained and beside plain frequencies of 4-mers.

# %% tags=["remove-input", "nbval-ignore-output"]
figure(
    outcome.draw_map(told),
    "Genomes of both rulers in the 9-mer Longformer, untrained and trained, coloured by class and by order. The share in "
    "a title is that of genomes whose nearest neighbour (by cosine) is of the same group.",
    provenance=told_line,
)

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    outcome.neighbours(told),
    "Share of genomes whose nearest neighbour is of the same group, by what they are described by.",
    provenance=told_line,
    formats=dict.fromkeys(("untrained", "trained", "4-mers", "chance"), ".0%"),
)

# %% [markdown]
# ## What to take away

# %% tags=["remove-input", "nbval-ignore-output"]
thesis_skill = thesis.set_index(outcome.ROW).skill
prose(
    "* An accuracy over all tokens cannot be read without its copy baseline, {copy:.3f}: of the thesis's 0.8875 for 9-mers "
    "{skill:.0%} of what copying leaves open is learned, and of its best row, BigBird-style words, {skill_BB:.0%}.\n"
    "* After {epochs} epochs on {genomes:,} genomes the 9-mer Longformer names {masked_near:.1%} of the masked tokens of "
    "genomes drawn at random and {masked_far:.1%} of those of families it never saw. Looking twelve bases on either side up "
    "in the same training genomes names **{lookup_near:.1%}** and **{lookup_far:.1%}**.\n"
    "* In bits per base, where vocabularies compare, it needs {bits_near:.3f} and {bits_far:.3f}; two bases of context "
    "need {order_2_near:.3f} and {order_2_far:.3f}, mixed orders {mixed_near:.3f} and {mixed_far:.3f}, context on both "
    "sides {two_sided_near:.3f} and {two_sided_far:.3f}. Of the mitochondrial rows `{best}` is best ({best_bits:.3f} on "
    "unseen families) and `{worst}` last ({worst_bits:.3f}).\n"
    "* Where training starts matters more than the tokenization: from random fresh weights the loss on masked tokens of "
    "unseen families is {random}, from informed ones {informed}.\n"
    "* Its longest trial, {most_samples:,} samples of {most_genomes:,} genomes, reaches {most_masked:.1%} and {most_bits:.3f} "
    "bits a base on unseen families. From the same genomes the lookup reaches {most_lookup:.1%} and the two-sided context "
    "model {most_two_sided:.3f}.\n"
    "* These runs are far smaller than the thesis's (50 epochs on 2,000 to 4,000 genomes), so they say how the curves begin, "
    "not where they end.",
    copy=copy_baseline(),
    skill=thesis_skill["mitochondrial", "Longformer", "9-mer", "MLM"],
    skill_BB=thesis_skill["mitochondrial", "Longformer", "BB", "MLM"],
    **outcome.numbers(told),
)
