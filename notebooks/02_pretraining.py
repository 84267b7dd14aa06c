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
# # 2 Pretraining
#
# *Thesis sections 4.2.1 and 5.1.* The small Longformer (two blocks, eight heads, 256 wide, a window of 16 tokens; [Beltagy et
# al. 2020](https://arxiv.org/abs/2004.05150)) is trained on mitochondrial genomes by **masked language modeling** (MLM)
# ([Devlin et al. 2019](https://doi.org/10.18653/v1/N19-1423)). Of the tokens of a sample, 15% are selected. Of these, 80% are
# shown to the model as `<mask>`: they are the **masked tokens**. Another 10% are shown as a random token, and 10% as they
# are. The model has to name the true token at every place. Some models also learn **sentence-order prediction** (SOP):
# whether two parts of a sample stand in their order or are swapped.
#
# **The question of this chapter:** which tokenization does the model learn best, and what do the accuracies near 0.88
# and the perplexities near 1.8 of Table 5.1 say about what it learned?
#
# The short answer: a model that copies its input has an accuracy of 0.865. What a model learned shows only in what it
# adds to that. On the masked tokens alone, small models on small budgets stay far behind methods that look twelve bases
# up in the training genomes. The distance becomes smaller with longer training. More genomes alone do not make it smaller.
# After as many genomes and epochs as the thesis's a model names more of the masked tokens of new families than the lookup
# does. In bits per base it is not told apart there from *counts* that know what it sees. Of genomes with relatives in training
# it is behind both.

# %% tags=["remove-cell"]
from pathlib import Path

from dnakit.chapters.chapter import open_chapter
from dnakit.chapters.pretraining import budgets as budget_results
from dnakit.chapters.pretraining import figures, gains, grid_results, recipe_results, results
from dnakit.chapters.pretraining import vocabularies as by_vocabulary
from dnakit.metrics import copy_baseline
from dnakit.report.display import prose, show

# %% [markdown]
# ## Parameters
#
# The values below are the *smoke* profile: simulated genomes and small models. It runs every cell in minutes, and is too
# small to learn a language. `dnakit execute --profile laptop 02_pretraining` runs the same cells on real genomes.

# %% tags=["parameters", "hide-input"]
profile = "smoke"  # a name for captions
source = "simulated-mitochondria"  # in data/sources.yaml, or a FASTA file
taxonomy = "simulated-mitochondria-genbank"  # lineages of its genomes: a table or GenBank, for the set far
tokenizations = ["6-mer", "9-mer", "12-mer", "BB"]  # BB: BigBird-style
genomes = [12, 12, 12, 10]  # for each tokenization, all splits together
vocab_sizes = [5000, 2000, 2000, 2000]  # targets (thesis: 5,000, then 30,000)
longest_genome = 25_000  # bases; longer records are left out
resamplings = 2  # passes over each genome for BB (thesis: 10)
held_out_genomes = 4  # in each held-out set: near (any genomes) and far (whole families); 0: none
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
budgets = ["informed-weights", "more-genomes"]  # 9-mer MLM again with other budgets: names of these trainings,
budget_models = ["longformer-9-mer-mlm", "longformer-9-mer-mlm"]  # which model each trains,
budget_genomes = [12, 24]  # on how many genomes,
budget_epochs = [2, 1]  # for how many epochs,
budget_initial_weights = ["informed", "informed"]  # and with which initial weights
recipes = ["laptop", "muon"]  # ways to train that are compared, see "A recipe for a small budget"
recipe_seeds = [1]  # each of them with each of these seeds
recipe_genomes = 12  # on so many genomes
full_size_recipe = "laptop"  # the recipe of the row at the thesis's size; none when empty
full_size_epochs = 2  # of that row, on the genomes of the recipes (thesis: 50)
grid_recipe = ""  # the recipe of the grid, see "The grid at equal samples"; none when empty
grid_seeds = [1]  # all models with each of these seeds,
grid_repeated = []  # and these models
grid_repeated_seeds = []  # with each of these too
grid_local_seeds = []  # seeds of the 9-mer row without global attention
grid_vocabularies = []  # sizes of vocabularies that the 9-mer row is trained with too
grid_samples = 200  # that each of them sees
grid_epochs = 2  # in so many epochs,
grid_nuclear_epochs = 2  # and of the nuclear genome in so many
overfit_models = []  # that are trained on
overfit_genomes = 12  # few genomes
overfit_epochs = 3  # for many epochs
overfit_seeds = []  # with each of these seeds
leak_seeds = []  # seeds of the trainings that show what a split after resampling gives away
global_cls = False  # whether the 9-mer row is trained with a global <cls> too, for chapter 4
vocabularies = [300, 1000]  # sizes of 9-mer vocabularies, see "How much the vocabulary decides"
nuclear_sources = ["simulated-nuclear-a"]  # chromosomes, cut into pieces
nuclear_piece = 7_200  # bases of a piece: whole words of 6, 9 and 12; thesis: 16,668, a mitochondrial genome
nuclear_pieces = 12  # how many of them, all splits together; 0: all there are
nuclear_far = ["simA6"]  # the chromosomes of the set far
nuclear_epochs = 2  # thesis: 20
initial_weights = "random"  # (thesis), or "informed" of bases and neighbours, see below
mlm_loss = "all"  # loss over all tokens (thesis), or the "masked": selected ones (BERT)
masking = "static"  # one draw of masks, or "dynamic": anew each epoch (B.2)
hidden_size = 64  # of each token; 0: the thesis's 256
intermediate_size = 128  # of the feed-forward layers; 0: the thesis's 3,072, and 16,384 for Longalbert
epochs = 2  # thesis: 50
batch_size = 8  # samples of 256 tokens
learning_rate = 1.0e-3  # of Adam; thesis: 1.0e-4
precision = "fp32"  # fp32, bf16, or auto: bf16 where the processor has it
seed = 1  # draws genomes, splits, masks and initial weights

# %% tags=["remove-cell"]
chapter = open_chapter("02_pretraining", globals())
recorded, here = chapter.recorded(), chapter.here()
real = here.only(lambda run: not run.record["simulated"])

# %% tags=["remove-input"]
prose(
    "This page was made with the **{profile}** profile: `{source}`, {genomes} genomes for {words}, {epochs} epochs, "
    "batches of {batch_size} samples, Adam with a learning rate of {learning_rate}, seed {seed}.{sizes}",
    profile=profile,
    source=Path(source).name,
    genomes=", ".join(f"{count:,}" for count in genomes),
    words=", ".join(tokenizations),
    epochs=epochs,
    batch_size=batch_size,
    learning_rate=learning_rate,
    seed=seed,
    sizes=f" Its models are smaller than the thesis's: {hidden_size} wide." if hidden_size else "",
)

# %% [markdown]
# ## Data and models
#
# Chapter 1 shows the tokenizers. The tokens of each genome are cut into samples of 254 between `<cls>` and `<sep>`. The
# genomes, not the samples, are split into training (81%), validation (9%) and test (10%). Each row of Table 5.1 is one
# training. It is done once and kept in the store under a key of everything that decides it.
#
# **Initial weights.** Before a model can learn anything of genomes, it has to find out which bases its tokens stand for, and
# where its neighbours are. From *random* initial weights, as in the thesis, that takes longer than a small budget lasts.
# *Informed* initial weights contain both: tokens with bases in common have similar vectors, positions are sinusoids ([Vaswani
# et al. 2017](https://arxiv.org/abs/1706.03762)), and each head of attention looks at one neighbour
# (`dnakit/models/initial_weights.py`). Architecture and number of weights are the thesis's, and all weights are trained. The
# laptop profile begins with informed weights, the two other profiles with random ones.

# %% tags=["remove-input"]
show(
    results.sizes,
    results.rows(recorded),
    results.rows(real),
    caption="What each model was trained on: training genomes (of the nuclear genome: pieces of it), samples per epoch, "
    "and minutes with validation, measured beside other work on the same processor.",
    formats={"minutes": ".1f"},
)

# %% [markdown]
# ## Training
#
# All curves are over masked tokens. The thesis draws its figures over all tokens, where every accuracy climbs at once to
# that of copying the input (see *What the numbers mean*). Solid lines are the validation genomes, dashed lines the
# training genomes. The latter are averages over an epoch in which the weights move, with dropout, so early on they are
# worse than validation.
#
# Of a run on simulated genomes the page draws no figures, because such numbers mean nothing. Table 5.1 and the table of
# recipes of such a run are folded below the recorded ones.
#
# Diamonds are the thesis's final values of Table 5.1, computed for masked tokens, not measured on them. The thesis's loss is
# the logarithm of its perplexity. If all of that loss comes from the masked tokens, 12% of all, then the loss per masked
# token is ln(perplexity) / 0.12. This is the most that it can be: the visible tokens cost something too. The accuracy on masked tokens is about (accuracy − 0.865) / 0.135, the share that the
# model closes of the gap between copying and 1.

# %% tags=["remove-input"]
show(
    figures.figure_5_1,
    results.rows(recorded),
    results.rows(real),
    caption="Losses by epoch, masked tokens. Diamonds: ln(perplexity) / 0.12 of the thesis's final perplexities, computed.",
    number="5.1",
)

# %% tags=["remove-input"]
show(
    figures.figure_5_2,
    results.rows(recorded),
    results.rows(real),
    caption="MLM accuracies by epoch, masked tokens. Diamonds: (accuracy − 0.865) / 0.135 of the thesis's final "
    "accuracies, computed; the 12-mer Longalbert's is below zero.",
    number="5.2",
)

# %% tags=["remove-input"]
show(
    figures.figure_5_3,
    results.rows(recorded),
    results.rows(real),
    caption="Perplexities by epoch, e to the loss per masked token in nats. A model that guesses has the size of its "
    "vocabulary as perplexity. Diamonds: e to the losses of Figure 5.1, computed.",
    number="5.3",
)

# %% tags=["remove-input"]
show(
    figures.figure_5_4,
    results.rows(recorded),
    results.rows(real),
    caption="Sentence-order accuracies by epoch. Guessing gives 0.5 (dotted). In the thesis the training accuracy rises, "
    "and the validation accuracy stays where guessing is. Diamonds: the thesis's final values on its validation genomes.",
    number="5.4",
)

# %% [markdown]
# **What would it take to know the order?** Both sentences are cut from one stretch of tokens. In their true order the second
# sentence goes on in the word in which the first one ends. Swapped, it rarely fits. So the frame of the words, without any
# base, decides many pairs. BigBird-style words have no frame.

# %% tags=["remove-input"]
show(
    results.sentence_order,
    results.of_sentence_order(recorded),
    results.of_sentence_order(real),
    caption="Sentence order on both held-out sets: the share of pairs of which one order alone fits the frame of words, the "
    "accuracy of that (a guess elsewhere counts one half), and the accuracy of the model. Brackets: 95% intervals by pairs.",
    formats={"decided by the frame": ".1%"},
)

# %% [markdown]
# ## Beside the thesis
#
# All numbers of the recorded column are measured over all tokens of the validation genomes, as the thesis's are. But the
# recorded models were trained on the selected tokens alone, which is 2.8 times cheaper. Nothing ever asked them to name a
# token that they are shown, so most of them do not: their accuracy is **below** that of copying the input. *Copying* is
# counted on the same masks. *Copying + segmentation* is a predictor that copies what it is shown, and knows of the masked
# tokens only the visible token boundaries (see *Bits per base of held-out genomes*); it is measured on the set near. One
# visible token in 59 is a random one, and copying names it wrong. So in its perplexity the predictor believes a visible token
# with 98.3%. In brackets (*told*) is its perplexity if it knew which ones are random, and predicted these as if they were
# masked: nobody who sees no base needs less. A random token often does not fit into its word, so a model can find some of them.
# What the models learned of the masked tokens themselves stands below, in *What the numbers mean*. Of these rows those with sentence order have a global
# `<cls>`, and the others have no global token: they differ in two things. The grid below has pairs that differ in the task alone.

# %% tags=["remove-input"]
show(
    results.table_5_1,
    results.beside_copying(recorded),
    results.beside_copying(here),
    caption="Pretraining performance on the validation genomes, after the final epoch; copying + segmentation and its "
    "two perplexities are of the set near, other genomes and masks, so that it may lie a little below copying. The thesis trained on 2,000 to 4,000 genomes, its baseline for 50 epochs. Of its reference rows, BigBird's perplexity is 2 to the power of its bits "
    "per base, not per token, and the accuracy 0.85 of a random model should be 0.865, see below.",
    number="5.1",
    thesis=results.published(),
    on=results.ROW,
    formats={"accuracy": ".4f", "SOP_accuracy": ".4f", "perplexity": ",.3f"}
    | {"copying": ".4f", "copying + segmentation": ".4f"},
)

# %% [markdown]
# ## What the numbers mean
#
# A model that copies its input to its output is right for the 85% of the tokens that were not selected, and for the tenth
# of the selected ones that were left as they are. That makes **0.865** without knowing anything. The thesis gives 0.85. What
# a model adds to copying is its **skill**: (accuracy − 0.865) / 0.135. For our runs the accuracy of copying is counted on the
# very masks that they were scored on, because a few thousand masks scatter around 0.865. The table also has the accuracy
# and the perplexity of masked tokens alone. The thesis's perplexity has two readings: it is 2 to the power of a
# crossentropy, but the thesis does not say which logarithm that crossentropy has.

# %% tags=["remove-input"]
prose("Copying alone has an accuracy of **{copy:.3f}**.", copy=copy_baseline())

# %% tags=["remove-input"]
show(
    results.meanings,
    results.rows(recorded),
    results.rows(real),
    caption="Validation genomes: skill above copying (accuracies stand in Table 5.1), and the masked tokens alone. A model "
    "whose loss was over the selected tokens alone never learned to copy, and its skill is negative.",
    formats=dict.fromkeys(("masked accuracy", "loss (nats)"), ".4f")
    | {"skill": ".2f", "masked perplexity": ",.0f", "e^loss": ",.2f", "2^loss": ",.2f"},
)

# %% [markdown]
# ### How much the vocabulary decides
#
# The fewer tokens a vocabulary has, the shorter they are, and the easier is each of them to name. How far does this go
# without any context? *Segmentation alone* knows where the visible tokens begin and end, and no base (see *Bits per base
# of held-out genomes*). The table scores it as Table 5.1 does: it also copies the tokens that it is shown.

# %% tags=["remove-input"]
show(
    gains.vocabularies,
    gains.of_vocabularies(recorded),
    gains.of_vocabularies(real),
    caption="Segmentation alone with 9-mer vocabularies of several sizes, both held-out sets: masked tokens alone, and "
    "over all tokens, as in Table 5.1, accuracy, perplexity, and the perplexity of one that is told which tokens are random.",
    formats={
        "bases per token": ".2f",
        "masked tokens right": ".1%",
        "accuracy": ".4f",
        "perplexity": ".4f",
        "perplexity, told": ".4f",
    },
)

# %% tags=["remove-input"]
alone = gains.vocabularies(recorded or here)
prose(
    "The true tokens that the thesis prints in its Figures B.1 and B.2 have 3.28 bases on average; its count of tokens in a 12S "
    "gene means 3.9. With tokens about as short a predictor that sees no base has a perplexity of {first[perplexity]:.4f} on the "
    "set near (a vocabulary of {sizes[0]:,}, {first[bases per token]:.2f} bases) or of {second[perplexity]:.4f} ({sizes[1]:,}, "
    "{second[bases per token]:.2f} bases), and one that is told which tokens are random {first[perplexity, told]:.4f} or "
    "{second[perplexity, told]:.4f}. The thesis's model with 9-mers has 1.7257, a little less than the least of them. So if its "
    "vocabulary, masks and genomes were like these, it learned something of bases. How much depends on a vocabulary that is not "
    "known. Its accuracy, 0.8875, is above that of segmentation alone with each of them: {first[accuracy]:.4f} and "
    "{second[accuracy]:.4f}.",
    first=alone["near"].iloc[0],
    second=alone["near"].iloc[1],
    sizes=alone.index[:2].tolist(),
)

# %% [markdown]
# What is then left of Table 5.1 for a model to explain? The 9-mer row of the grid (see *The grid at equal samples*) can be
# trained with these vocabularies too, on 30,000 samples each; the table has those that are recorded, and the full-size row. These
# models are trained on the selected tokens and do not copy, so they are compared on the masked tokens alone.

# %% tags=["remove-input"]
show(
    by_vocabulary.table,
    by_vocabulary.of_vocabularies(recorded),
    by_vocabulary.of_vocabularies(real),
    caption="9-mers with vocabularies of several sizes, set near (gained: both sets): segmentation alone and the model on the same "
    "masks, after as many samples as the second column says. Gained: segmentation alone minus the model, bits per base. Brackets: "
    "95% intervals.",
)

# %% tags=["remove-input"]
of_words = by_vocabulary.of_vocabularies(recorded or here)
prose(
    "With a vocabulary of {size:,} a model has to learn much before it has the thesis's numbers. Segmentation alone has a perplexity of "
    "{largest[perplexity]:.4f} there, and of {largest[perplexity, told]:.4f} where it is told. The full-size row, measured over all tokens of the validation genomes after an epoch with the loss over "
    "all tokens, has an accuracy of {whole.accuracy:.4f} and a perplexity of {whole.perplexity:.3f} (see *How far behind*): more tokens right "
    "than the thesis's model (0.8875), and a higher perplexity (1.7257). Whether that model learned much or had short tokens, its "
    "numbers do not say. No model was trained yet with a vocabulary of: {missing}.",
    size=alone.index[-1],
    largest=alone["near"].iloc[-1],
    whole=budget_results.over_all_tokens(budget_results.of_full_size(recorded or here)).iloc[-1],
    missing=by_vocabulary.not_run(of_words, alone.index),
)

# %% [markdown]
# ## Examples
#
# Parts of samples of the validation genomes: as the model was shown them, as they are, and what it named.

# %% tags=["remove-input"]
show(
    results.predictions,
    results.examples(recorded),
    results.examples(real),
    caption="Predictions of the 9-mer Longformer on validation genomes, in the manner of the thesis's Figures B.1 and B.2. "
    "Tokens that the model was not shown as they are stand in square brackets.",
)

# %% [markdown]
# ## Bits per base of held-out genomes
#
# A perplexity is per token, and a token of one vocabulary covers more bases than one of another. So all models are also
# measured in **bits per base**: the bits that the masked tokens cost, divided by the bases that they cover, on the same
# genomes. Guessing costs 2. Two sets of genomes were held out for that before any training. The set **near** was
# drawn at random, so most of its genomes have close relatives in training. The set **far** contains whole families (of the
# nuclear genome: chromosomes) of which training saw nothing.
#
# Bits per base do not rank the tokenizations: the visible tokens of a k-mer word tell a model where a masked token
# begins and how long it is, and in a large vocabulary that alone says much about its bases. Of the simple methods
# below, *counts, as seen* are told this, and the others are not. So what is compared is how many bits a model **gained**: what it needs less than **segmentation
# alone**. Segmentation alone is a predictor that knows the visible token boundaries and no base. It learned from the
# training genomes of the row how often each token stands at a place in its word, among tokens of its length. Where two
# tokens of a word are masked, and in BigBird-style words, it knows only how frequent tokens are. It is scored on the very
# masks that the model was scored on.
#
# Brackets are 95% intervals: genomes are drawn anew 2,000 times with replacement, on the set far whole families (of the
# nuclear genome: pieces). They say what other genomes would change, not what another seed of a training would.
#
# The simple methods need no neural network. They learned from the genomes that the 9-mer model is trained on: Markov
# models of fixed and of mixed order, and a general compressor (xz; *after training* means what a held-out genome adds to
# the compressed training genomes; each genome is compressed by itself, because those of the set far are relatives of each
# other). These read a genome in one direction, and a masked language model sees both sides. A *two-sided* model counts bases
# by those on both sides. But it predicts each base from **all** others, also from those of the very token that a
# masked language model has to name as a whole. So a masked language model is not expected to reach it.
#
# The method to compare a model with is **counts, as seen**: it is scored on the masks of the model, and knows what the model
# sees. It predicts a masked token base by base, from how often each base stood in training between the same visible bases
# on both sides and the bases of the token that are predicted already, and from how often each token of this length stands at
# this place of a word. It is told how long the token is. It has limits too: it counts no further than the next other masked
# token on either side, and sees 16 bases before a base and 12 behind the token.

# %% tags=["remove-input"]
show(
    gains.table,
    gains.compared(recorded, "mitochondria"),
    gains.compared(real, "mitochondria"),
    caption="Bits per base of both held-out sets, mitochondria. Fewer is better; guessing costs 2. Segmentation alone: on "
    "the masks of the model, without any base. Gained: segmentation alone minus the model, so that more is better.",
)

# %% tags=["remove-input"]
show(
    gains.table,
    gains.compared(recorded, "nuclear"),
    gains.compared(real, "nuclear"),
    caption="Bits per base of both held-out sets, nuclear genome. Fewer is better; guessing costs 2. Segmentation alone: on "
    "the masks of the model, without any base. Gained: segmentation alone minus the model, so that more is better.",
)

# %% tags=["remove-input"]
best = recorded or here
gained = gains.verdicts(gains.compared(best, "mitochondria"), "far")
nuclear = gains.verdicts(gains.compared(best, "nuclear"), "far")
prose(
    "The set near has {size_near} genomes, the set far {size_far} of {families} families. On families that no training saw, {few} of {all} mitochondrial rows need fewer bits than segmentation alone: {names}. "
    "{more} rows need more: they have not yet reached a predictor that sees no base. "
    "Of the {nuclear_all} nuclear rows {nuclear_few} need fewer and {nuclear_more} need more. For {open} mitochondrial and "
    "{nuclear_open} nuclear rows the interval covers zero, so that this is open.",
    **gains.held_out(best, "mitochondria"),
    few=len(gained["fewer"]),
    all=sum(map(len, gained.values())),
    names="; ".join(gained["fewer"]) or "none",
    more=len(gained["more"]),
    open=len(gained["open"]),
    nuclear_all=sum(map(len, nuclear.values())),
    nuclear_few=len(nuclear["fewer"]),
    nuclear_more=len(nuclear["more"]),
    nuclear_open=len(nuclear["open"]),
)

# %% [markdown]
# These rows saw unequal numbers of samples. *The grid at equal samples*, below, compares models after
# equally many.
#
# **The masked tokens of the same genomes.** A lookup guesses a 9-mer token from what stands around it in the training
# genomes. Lookups *as seen* do not know the bases that the masks hide from a model; the others know all neighbours. They are
# scored on the very masks that the 9-mer models are scored on.
#
# *Neighbours* is the token that stood most often between the same two tokens. *12 bp* looks for the same 12 bases on either
# side, wherever they stand in the training genomes, and takes the token that stood there most often. Where there is no such
# place it looks for 8 bases on either side, then 6, then for 12 on one side, and then for the neighbours. It is told how long
# the masked token is, which a model often, but not always, knows from the visible tokens.

# %% tags=["remove-input"]
show(
    gains.masked,
    gains.compared(recorded, "mitochondria"),
    gains.compared(real, "mitochondria"),
    caption="Share of masked tokens named right, at the first guess (with its 95% interval) and within five, mitochondria.",
    formats={"within five": ".1%"},
)

# %% tags=["remove-input"]
show(
    gains.masked,
    gains.compared(recorded, "nuclear"),
    gains.compared(real, "nuclear"),
    caption="Share of masked tokens named right, at the first guess (with its 95% interval) and within five, nuclear genome.",
    formats={"within five": ".1%"},
)

# %% [markdown]
# ## How much of the score is relatives
#
# A random split leaves relatives of a genome in training. How close they are can be counted: the share of a genome's
# 31-mers that a training genome contains. Each held-out genome is a point. Where no relatives are in training, at the left
# edge, a method shows what it learned of genomes in general. What it remembers of relatives lowers its points to the right.

# %% tags=["remove-input"]
show(
    figures.relatives,
    results.measured(recorded, "mitochondria"),
    results.measured(real, "mitochondria"),
    caption="Bits per base of each held-out genome, by the share of its 31-mers that the training genomes contain.",
)

# %% [markdown]
# ## How far behind, and what a larger budget brings
#
# A **budget** trains the 9-mer row again with other initial weights, for other epochs, or on other genomes. All budgets are
# measured on the set far, beside methods without a training loop. A name such as *360-genomes* counts the genomes of the
# corpus; fewer are trained on, because some are held out, and some are for validation and test. First by how long a model was
# trained:

# %% tags=["remove-input"]
show(
    budget_results.by_samples,
    budget_results.of_budgets(recorded),
    budget_results.of_budgets(real),
    caption="The small Longformer on the set far by samples seen in training, one point per epoch. Dotted: simple methods "
    "that learned from the genomes of the training that has most; as seen: they know what the model sees; commonest: "
    "the most frequent token.",
)

# %% [markdown]
# Then in numbers, with how many genomes there are to learn from. More genomes help the simple methods too: what counts is
# whether the distance becomes smaller.

# %% tags=["remove-input"]
show(
    budget_results.table,
    budget_results.of_budgets(recorded),
    budget_results.of_budgets(real),
    caption="Each training on the set far: masked tokens named right, beside looking twelve bases on either side up in the same "
    "genomes, and bits per base, beside counts of the same genomes. Both know what the model sees (as seen), on the same "
    "masks. Brackets: 95% intervals of the differences, over families. One training each.",
    formats=dict.fromkeys((budget_results.MASKED, budget_results.LOOKUP), ".1%"),
)

# %% tags=["remove-input"]
prose(
    "With about equally many samples and more genomes, the bits that the model needs more than counts, as seen, change by "
    "{changes} (95% intervals, over families).",
    changes=budget_results.by_genomes(budget_results.of_budgets(best)),
)

# %% [markdown]
# These are families that no training saw. On the set near, whose genomes have relatives in training, the simple methods find
# the relatives:

# %% tags=["remove-input"]
show(
    budget_results.methods,
    budget_results.of_most_genomes(recorded),
    budget_results.of_most_genomes(real),
    caption="Simple methods that learned from most genomes, on both held-out sets: masked tokens named right by looking twelve "
    "bases on either side up, and bits per base. Two-sided sees all bases but the one that it predicts, orders all bases before "
    "it; as seen: on the masks of the models. Brackets: 95% intervals.",
)

# %% tags=["remove-input"]
prose(
    "The longest training names {near[masked tokens right]} of the masked tokens of the set near. That minus the lookup is "
    "{near[minus looked up]}. It needs {near[bits per base]} bits per base there. That minus counts, as seen, is "
    "{near[minus counts]}.",
    near=budget_results.longest_near(budget_results.of_budgets(best)),
)

# %% [markdown]
# Do more genomes help by themselves, more epochs, and informed weights? Where the interval of a difference covers zero, that is
# *open*.

# %% tags=["remove-input"]
show(
    gains.comparisons,
    gains.of_comparisons(recorded),
    gains.of_comparisons(real),
    caption="The first budget minus the second: bits per base with 95% intervals. Fewer are better. One training each.",
)

# %% [markdown]
# The **full-size** row trains on the thesis's number of genomes for the thesis's number of epochs, by the recipe
# `batch-64-no-dropout` of the next section. Its weights are in the repository (`models/full-size`). The thesis prints accuracy
# and perplexity over all tokens: 0.8875 and 1.7257. So the row is also measured over all tokens, as it is and after one more
# epoch with the loss over all tokens.

# %% tags=["remove-input"]
show(
    budget_results.over_all_tokens,
    budget_results.of_full_size(recorded),
    budget_results.of_full_size(real),
    caption="The full-size row, by recipe and by the tokens that its loss was over: accuracy and perplexity over all tokens "
    "of the validation genomes, beside copying the input on the same masks; masked tokens named right there and on the set "
    "far; bits per base there. These masks are those of the training; the table above has the masks that all methods share.",
    formats={
        "accuracy": ".4f",
        "copying": ".4f",
        "perplexity": ",.3f",
        budget_results.MASKED: ".1%",
        f"{budget_results.MASKED}, far": ".1%",
        f"{budget_results.BITS}, far": ".3f",
    },
)

# %% [markdown]
# ## A recipe for a small budget
#
# How should a small Longformer be trained when only a few passes over the genomes can be paid for? A *recipe* is everything
# about a training but the model's shape and the data. Each recipe below differs from another one in one part (an
# optimizer or a batch counts with its rate as one):
#
# * `thesis`: Adam at a constant rate of 1e-4, batches of 32, random initial weights, loss over all tokens, *static* masks (a
#   sample has the same ones in each epoch). It differs from the others in several parts.
# * `laptop`: this book's laptop profile. Adam at a constant 3e-4, batches of 8, informed initial weights, loss over the
#   selected tokens.
# * `decay`: the same, but the rate rises over the first 3% of the steps and falls to zero over the last 20%.
# * `muon`: `decay`, but the matrices inside the blocks are trained by Muon ([Jordan et al.
#   2024](https://kellerjordan.github.io/posts/muon/)), which makes all directions of a step equally large.
# * The others change the rate, the batch, the dropout or the initial weights. With batches of 64, for the full-size row on a
#   GPU, Adam's rate is higher, as the square root of the batch. A GPU computes a large batch in little more time than a small
#   one. After equally many samples it has made an eighth of the steps. What batches of 8 give at the full size is not known.
#
# All recipes see the same samples once, in fp32, and are scored on the set far. The loss and the share of masked tokens are on
# the masks of the training. Bits per base are on the masks that all models share, with 95% intervals over families. A
# difference is that of two recipes on the same masks. Where its interval covers zero, it is open. It says what other families
# would change; with one seed it does not say what another seed would.

# %% tags=["remove-input"]
show(
    recipe_results.table,
    recipe_results.of_recipes(recorded),
    recipe_results.of_recipes(here),
    caption="What each recipe reached on families that no training saw, mean over its seeds. Fewer bits are better. Core-minutes "
    "were measured beside other work.",
    formats={"masked loss (nats)": ".3f", "masked tokens right": ".1%", "core-minutes": ".0f"},
)

# %% tags=["remove-input"]
show(
    recipe_results.parts,
    recipe_results.of_recipes(recorded),
    recipe_results.of_recipes(here),
    caption="What each part brings: two recipes that differ in one part, bits per base of the first minus the second.",
)

# %% tags=["remove-input"]
prose(
    "{by_the_thesis}Not run yet for this comparison: {missing}.",
    by_the_thesis=recipe_results.by_the_thesis(best),
    missing=recipe_results.not_run(best),
)

# %% [markdown]
# ## The grid at equal samples
#
# The rows of Table 5.1 above saw as many samples as their genomes gave, and each was trained once. The **grid** trains all
# rows by one recipe, `decay-no-dropout`, and each sees 30,000 samples: a random part of the samples of 2,430 genomes, twice.
# The nuclear rows see a part of the pieces of both chromosomes four times. `<cls>` is global in all of them, so that a row
# with sentence order differs from one without it in the task alone. (Each sentence pair is a little shorter than its sample.)
# How many seeds of a row are recorded stands beside it.
#
# What counts is again what a model **gained** over segmentation alone. Brackets are 95% intervals: families (of the set near:
# genomes) are drawn anew, and seeds with them. A row with one seed does not say what another seed would change.

# %% tags=["remove-input"]
show(
    grid_results.table,
    grid_results.of_grid(recorded) or recorded,
    grid_results.of_grid(real),
    caption="Every model of Table 5.1 after equally many samples. Gained: segmentation alone minus the model, bits per base, so "
    "that more is better. Sentence order: pairs put in order, of all genomes that were not trained on, one half by guessing.",
)

# %% [markdown]
# Claims of section 5.1 compare these models. Each is read as a prediction about a difference, and the interval of the
# difference decides, on the set far where there are two sets. Where it covers zero the claim is *open*. Models of different
# words are compared in two measures, because neither is fair alone. Plain bits per base contain what the segmentation gives
# away, most in large vocabularies. What is gained over segmentation leaves most to gain where the segmentation gives least
# away, in small ones. Where the two do not give the same verdict, the claim *depends on the measure*.
#
# Two claims and one choice of ours need trainings of their own:
#
# * That Longalbert **overfits**. By the defaults of the library the thesis's Longalbert has no dropout and its Longformer has
#   one. Here both have a dropout of 0.1, static masks, and 25 epochs of 97 genomes. The *gap* is the loss on genomes of the
#   set near minus that on genomes that were trained on, both without dropout. Does Longalbert have the larger one?
# * That **BigBird-style words** are better. The thesis resamples each genome ten times, and does not say whether the genomes
#   were split before or after that. After it, nearly every test genome has other passes in training. So one model is trained
#   on nine tenths of the passes over 97 genomes. It is scored on the tenth that was set apart, as a split after resampling
#   does, and on genomes that were split off before. Both are compared with token frequencies, which remember no genome.
# * That `<cls>` is **global** in all rows. The thesis does not say which tokens are global in pretraining. So the 9-mer row is
#   trained once more without global attention.

# %% tags=["remove-input"]
show(
    grid_results.verdicts,
    grid_results.of_grid(recorded) or recorded,
    grid_results.of_grid(real),
    caption="What the grid decides at this size. Near and far: what the first model gained minus what the second gained, or the "
    "number that the row names. Bits: plain bits per base of the set far, the first minus the second. Fp32 against bf16: the two "
    "were computed in these precisions, on other machines, and differ in that too.",
)

# %% tags=["remove-input"]
prose(
    "If the thesis trained each row for 50 epochs, it trained for 30 (6-mers) to 270 times (BigBird-style words) as many of our samples. What a longer training would decide is another question. At this "
    "size:\n\n{verdicts}\n\n{leak}",
    verdicts=grid_results.by_verdict(recorded),
    leak=grid_results.leak_in_words(recorded),
)

# %% tags=["remove-input"]
if grid_results.of_overfitting(recorded):
    show(
        grid_results.overfitting_by_epoch,
        grid_results.of_overfitting(recorded),
        grid_results.of_overfitting(real),
        caption="Losses by epoch with static masks and one dropout, 12-mers: on genomes that are trained on, scored without "
        "dropout, and on genomes of the set near. A line for each seed.",
    )
    show(
        grid_results.overfitting,
        grid_results.of_overfitting(recorded),
        grid_results.of_overfitting(real),
        caption="The same after the last epoch, nats per masked token, and when the loss on unseen genomes was lowest.",
    )

# %% [markdown]
# ## Where genomes lie in the model
#
# A genome's vector is the mean of its tokens' last hidden states. The figure shows these vectors in two dimensions
# (t-SNE), for the eye. The measure is how often a genome's nearest neighbour, by cosine, is of the same group. It is compared
# with the same architecture untrained, and with plain frequencies of 4-mers. In the table *trained* is the row of Table 5.1,
# *full size* the full-size row.

# %% tags=["remove-input"]
show(
    figures.map_by_order,
    results.mapped(recorded),
    results.mapped(real),
    caption="Held-out genomes in the hidden states of the 9-mer Longformer, untrained and trained longest, coloured by order. The "
    "share is that of genomes whose nearest neighbour is of the same order.",
)

# %% tags=["remove-input"]
show(
    results.neighbours,
    results.mapped(recorded),
    results.mapped(real),
    caption="Share of genomes whose nearest neighbour is of the same group, by what describes them, with 95% intervals over the "
    "genomes; chance is that of a neighbour drawn at random.",
)

# %% tags=["remove-input"]
alike = results.neighbours(results.mapped(best)).loc["order"]
prose(
    "Nearest neighbours of the same order: {alike[untrained]} by the untrained model, {most} by the model that was trained most, and "
    "{alike[4-mers]} by frequencies of 4-mers. So few genomes do not decide whether training brings relatives together.",
    alike=alike,
    most=alike[[which for which in results.MAPS.values() if which in alike]].iloc[-1],
)

# %% [markdown]
# ## What to take away

# %% tags=["remove-input"]
sizes, thesis = results.sizes(best), results.published().set_index(results.ROW)
bits, masked = (make(results.measured(best, "mitochondria")) for make in (results.bits, results.masked))
of_budgets = budget_results.of_budgets(best)
over_alone = gains.gained(gains.compared(best, "mitochondria"))
row = ("mitochondrial", "Longformer", "9-mer", "MLM")
prose(
    "* An accuracy over all tokens says nothing without that of copying, {copy:.3f}. Of the thesis's 0.8875 for 9-mers, "
    "{nine.skill:.0%} of what copying leaves open is named right, and of its best row, BigBird-style words, {bigbird.skill:.0%}.\n"
    "* After {size[epochs]:.0f} epochs on {size[genomes]:,.0f} genomes the 9-mer Longformer names "
    "{masked[near][Longformer, 9-mer, MLM]:.1%} of the masked tokens of the set near and "
    "{masked[far][Longformer, 9-mer, MLM]:.1%} of those of the set far. Looking twelve bases on either side up in the same "
    "training genomes names **{masked[near][lookup: 12 bp, as seen]:.1%}** and "
    "**{masked[far][lookup: 12 bp, as seen]:.1%}**.\n"
    "* It needs {bits[near][Longformer, 9-mer, MLM]:.3f} and {bits[far][Longformer, 9-mer, MLM]:.3f} bits per base. Two bases of "
    "context need {bits[near][order 2]:.3f} and {bits[far][order 2]:.3f}, mixed orders {bits[near][mixed orders]:.3f} and "
    "{bits[far][mixed orders]:.3f}, counts, as seen, {bits[near][counts, as seen]:.3f} and {bits[far][counts, as seen]:.3f}. The "
    "model is told more than methods of an order: where their masked tokens begin, and often how long they are. That alone, "
    "without any base, needs {near[segmentation alone]:.3f} and {far[segmentation alone]:.3f}. The model gained "
    "{near[gained]:+.3f} and {far[gained]:+.3f} bits.\n"
    "* The initial weights matter at this size. On the set far, a model that began with random weights needs {random} bits per "
    "base more after {later:,} samples of {random_genomes:,} genomes than one that began with informed weights after {earlier:,} "
    "samples of {informed_genomes:,}.\n"
    "* The longest training, {longest[samples seen]:,} samples of {longest.genomes:,} genomes, names "
    "{longest[masked tokens right]:.1%} of the masked tokens of the set far and needs {longest[bits per base]:.3f} bits per "
    "base. From the same genomes the lookup names {longest[12 bp looked up]:.1%} (difference {longest[minus looked up]}), and "
    "counts, as seen, need {longest[counts, as seen]:.3f} (difference {longest[minus counts]}). After one more epoch with the loss over all tokens it has an accuracy of {whole.accuracy:.4f} and a "
    "perplexity of {whole.perplexity:.3f} over all tokens, where the thesis has 0.8875 and 1.7257. It began with informed weights, "
    "and its tokens are longer: it is not the thesis's row.\n"
    "* After equally many samples by one recipe, the bits gained over segmentation alone on the set far are "
    "{grid[Longformer, 9-mer, MLM]:+.3f} for 9-mers, {grid[Longformer, 6-mer, MLM]:+.3f} for 6-mers, "
    "{grid[Longformer, 12-mer, MLM]:+.3f} for 12-mers, {grid[Longformer, BB, MLM]:+.3f} for BigBird-style words, and "
    "{grid[Longformer, 9-mer, MLM + SOP]:+.3f} for 9-mers with sentence order. By plain bits per base the order of "
    "the k-mers is another one: it depends on the measure.\n"
    "* All trainings but the full-size row are far smaller than the thesis's. They say how the curves begin, not where they end.",
    grid=grid_results.gains_far(best),
    copy=copy_baseline(),
    nine=thesis.loc[row],
    bigbird=thesis.loc["mitochondrial", "Longformer", "BB", "MLM"],
    size=sizes.loc[row],
    masked=masked,
    bits=bits,
    near=over_alone["near"].loc["Longformer, 9-mer, MLM"],
    far=over_alone["far"].loc["Longformer, 9-mer, MLM"],
    random=gains.comparisons(gains.of_comparisons(best)).loc["random weights, informed"]["far", gains.BITS],
    later=best["random-weights"].samples_seen,
    random_genomes=best["random-weights"].record["genomes"]["train"],
    earlier=best["360-genomes"].samples_seen,
    informed_genomes=best["360-genomes"].record["genomes"]["train"],
    longest=budget_results.table(of_budgets).iloc[-1],
    whole=budget_results.over_all_tokens(budget_results.of_full_size(best)).iloc[-1],
)
