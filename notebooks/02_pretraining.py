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
# adds to that. On the masked tokens alone, small models on small budgets stay far behind a *lookup*: a method that takes the
# token that stood most often between the same twelve bases on either side in the training genomes. The distance becomes smaller
# with longer training. More genomes alone do not make it smaller. After as many genomes and epochs as the thesis's, a model names
# more of the masked tokens of new families than the lookup does. In bits per base the difference to *counts as seen* is open there.
# These say how often each base stood in training between the same bases that the model sees. Of genomes with relatives in
# training it is behind both.

# %% tags=["remove-cell"]
from pathlib import Path

from dnakit.chapters.chapter import open_chapter
from dnakit.chapters.pretraining import budgets as budget_results
from dnakit.chapters.pretraining import figures, gains, grid_results, recipe_results, results
from dnakit.chapters.pretraining import vocabularies as by_vocabulary
from dnakit.metrics import copy_baseline
from dnakit.report import finished
from dnakit.report.display import prose, show
from dnakit.report.thesis import thesis_table

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
nuclear_piece = 7_200  # bases of a piece: whole words of 6, 9 and 12; thesis profile: 16,668, a mitochondrial genome
nuclear_pieces = 12  # how many of them, all splits together; 0: all there are
nuclear_far = ["simA6"]  # the chromosomes of the set far
nuclear_epochs = 2  # the thesis states 20 for Longalbert; taken for both
initial_weights = "random"  # (thesis), or "informed" of bases and neighbours, see below
mlm_loss = "all"  # loss over all tokens (as we read the thesis), or the "masked": selected ones (BERT)
masking = "static"  # one draw of masks, or "dynamic": anew each epoch (B.2)
hidden_size = 64  # of each token; 0: the thesis's 256
intermediate_size = 128  # of the feed-forward layers; 0: the library's 3,072, and the thesis's 16,384 for Longalbert
epochs = 2  # thesis: 50
batch_size = 8  # samples of 256 tokens (thesis profile: 32; the thesis states none)
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
# ## Words of this page
#
# * Two sets of genomes were held out before any training. **Near** was drawn at random, so its genomes can have close
#   relatives in training. **Far** contains whole families (of the nuclear genome: chromosomes) of which training saw nothing.
# * **Skill** is what a model adds to copying its input: (accuracy − 0.865) / 0.135. It is 1 where all tokens are named right.
# * A **global** token attends to all tokens, and all tokens attend to it. Other tokens attend to their window.
# * The **grid** trains all rows of Table 5.1 alike, on equally many samples.
# * The **full-size row** is a 9-mer Longformer that was trained on as many genomes and for as many epochs as the thesis's.
# * A **nat** is the unit of a loss with the natural logarithm: 1.44 bits.
# * **Fp32** and **bf16** are numbers of 32 and of 16 bits, in which a model computes.
#
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
# token is ln(perplexity) / 0.12. This is the most that it can be: the visible tokens cost something too. The accuracy on masked
# tokens is about the skill.

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
    caption="MLM accuracies by epoch, masked tokens. Diamonds: the skill of the thesis's final "
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
# All recorded numbers are over all tokens of the validation genomes, as the thesis's are. But the recorded models were trained
# on the selected tokens alone, which takes 2.8 times fewer operations. They never learned to name a token that they are shown. So their
# accuracy is **below** that of copying the input (column *copying*, on the same masks). What they learned of the masked tokens
# stands below, in *What the numbers mean*.
#
# *Copying + segmentation* is a predictor that copies the visible tokens. Of the masked tokens it knows only where the visible
# tokens begin and end (see *Bits per base of held-out genomes*). It is measured on the set near. One visible token in 59 is a
# random one, and copying names it wrong. So the predictor gives each visible token a probability of 98.3%. In brackets is its
# perplexity if it knew which visible tokens are random, and predicted these as if they were masked. A random token often does not
# fit into its word, so a model can find some of them.
#
# The rows with sentence order also have a global `<cls>`, and the others have no global token. So they differ in two things. The
# grid below has pairs that differ in the task alone.

# %% tags=["remove-input"]
show(
    results.table_5_1,
    results.beside_copying(recorded),
    results.beside_copying(here),
    caption="Performance on the validation genomes after the final epoch. Copying + segmentation and its two perplexities "
    "are of the set near, other genomes and masks, so that it may lie a little below copying. The thesis has 2,000 to 4,000 "
    "genomes, trained on 81% of them, its baseline for 50 epochs. BigBird's perplexity is 2 to the power of its bits per "
    "base, not per token. The accuracy 0.85 of a random model should be 0.865, see below.",
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
# of the selected ones that were left as they are. That makes **0.865** without knowing anything. The thesis gives 0.85. For the
# skill of our runs the accuracy of copying is counted on the very masks that they were scored on, because a few thousand masks
# scatter around 0.865. The table also has the accuracy and the perplexity of masked tokens alone.
#
# The thesis's Appendix A.1 measures a crossentropy in bits, and its perplexity (A.4) is 2 to the power of that. This is the same
# as e to the power of the loss in nats (*e^loss*). Programs compute a loss in nats. If the thesis's program put nats into A.4, its
# tables show *2^loss* instead.

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
    "over all tokens, as in Table 5.1, accuracy, perplexity, and its perplexity if it knew which visible tokens are random.",
    formats={
        "bases per token": ".2f",
        "masked tokens right": ".1%",
        "accuracy": ".4f",
        "perplexity": ".4f",
        gains.RANDOM_KNOWN: ".4f",
    },
)

# %% tags=["remove-input"]
alone, printed = gains.vocabularies(recorded or here), thesis_table("wrong_tokens")["true"].str.len()
prose(
    "The {printed.size} true tokens that the thesis prints in its Figures B.1 and B.2 have {bases:.2f} bases on average; its count of tokens in a 12S "
    "gene means 3.9. How does segmentation alone do with tokens about as short, on the set near? Its perplexity is "
    "{first[perplexity]:.4f} with a vocabulary of {sizes[0]:,} ({first[bases per token]:.2f} bases per token), and "
    "{second[perplexity]:.4f} with one of {sizes[1]:,} ({second[bases per token]:.2f} bases). If it knows which visible tokens are "
    "random, it is {first[perplexity (random tokens known)]:.4f} and {second[perplexity (random tokens known)]:.4f}.\n\n"
    "The thesis's 9-mer model has 1.7257, a little less than the lowest of these. That does not show that it learned something "
    "of bases: the boundaries tell more than this predictor uses (see *Bits per base*), most with short tokens. Its accuracy, "
    "0.8875, is above that of segmentation alone with both vocabularies: {first[accuracy]:.4f} and {second[accuracy]:.4f}. How "
    "much it learned, nobody can say without its vocabulary.",
    first=alone["near"].iloc[0],
    second=alone["near"].iloc[1],
    sizes=alone.index[:2].tolist(),
    printed=printed,
    bases=printed.mean(),
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
equal = recorded["grid-longformer-9-mer-mlm-seed-1"].samples_seen
prose(
    "With a vocabulary of {size:,} a model has to learn much before it has the thesis's numbers. Segmentation alone has a perplexity "
    "of {largest[perplexity]:.4f} there, and of {largest[perplexity (random tokens known)]:.4f} if it knows which visible tokens are "
    "random. The thesis's two numbers do not say whether its model learned much or had short tokens.\n\n"
    "Of what copying leaves open, the thesis's model names {thesis:.1%} right. After {samples:,} samples, models here name so many "
    "of the masked tokens, by vocabulary: {named}. {missing}",
    thesis=results.published().set_index(results.ROW).loc["mitochondrial", "Longformer", "9-mer", "MLM"].skill,
    samples=equal,
    named=by_vocabulary.named_by_size(of_words, equal),
    size=alone.index[-1],
    largest=alone["near"].iloc[-1],
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
# measured in **bits per base**: the bits that the masked tokens cost, divided by the bases that they cover, on the sets near and
# far. Guessing costs 2.
#
# Bits per base do not rank the tokenizations. Around a masked token the visible tokens of its word show where it begins, and
# how long it is. In a large vocabulary that alone says much about its bases. So the page also shows what a model **gained**: the
# bits of **segmentation alone** minus the bits of the model.
#
# Segmentation alone is a predictor that knows where the visible tokens begin and end, and no base. From the training genomes of
# the row it learned how often each token stands at a place of its word, among tokens of its length. Where two tokens of a word
# are masked, and in BigBird-style words, it knows only how frequent tokens are. The lengths of the other tokens of such a word
# tell a little more, most in small vocabularies. So what 9-mers and 12-mers gained is an upper limit of what came from
# bases. Segmentation alone is scored on the masks of the model.
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
# The method to compare a model with is **counts as seen**. It is scored on the masks of the model, and knows what the model
# sees. It predicts a masked token base by base, from how often each base stood in training between the same visible bases
# on both sides and the bases of the token that are predicted already, and from how often each token of this length stands at
# this place of a word. The length of the token is given to it. It has limits too: it counts no further than the next other masked
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
    caption="The same of the nuclear genome.",
)

# %% tags=["remove-input"]
best = recorded or here
gained = gains.verdicts(gains.compared(best, "mitochondria"), "far")
nuclear = gains.verdicts(gains.compared(best, "nuclear"), "far")
prose(
    "The set near has {size_near} genomes, the set far {size_far} of {families} families. On families that no training saw, {few} of {all} mitochondrial rows need fewer bits than segmentation alone: {names}. "
    "{more} rows need more: they have not yet reached a predictor that sees no base. "
    "Of the {nuclear_all} nuclear rows {nuclear_few} need fewer and {nuclear_more} need more. For {open} mitochondrial and "
    "{nuclear_open} nuclear rows the interval holds zero, so that this is open.",
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
# place it looks for 8 bases on either side, then 6, then for 12 on one side, and then for the neighbours. The length of the masked
# token is given to it; a model often, but not always, knows it from the visible tokens. *12 bp as seen* is what this book calls
# **the lookup**.

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
    caption="The same of the nuclear genome.",
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
    caption="Each training on the set far. Masked tokens named right, beside a lookup of twelve bases on either side in the same "
    "genomes; bits per base, beside counts of the same genomes. Both methods know what the model sees (as seen), on the same "
    "masks. Brackets: 95% intervals of the differences, over families. One training each.",
    formats=dict.fromkeys((budget_results.MASKED, budget_results.LOOKUP), ".1%"),
)

# %% tags=["remove-input"]
prose(
    "With about equally many samples and more genomes, the distance between the model and *counts as seen* (bits per base) changes "
    "by {changes} (95% intervals, over families).",
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
    caption="Simple methods that learned from most genomes, on both held-out sets: masked tokens named right by a lookup of twelve "
    "bases on either side, and bits per base. Two-sided sees all bases but the one that it predicts, orders all bases before "
    "it; as seen: on the masks of the models. Brackets: 95% intervals.",
)

# %% tags=["remove-input"]
prose(
    "The longest training names {near[masked tokens right]} of the masked tokens of the set near. The model minus the lookup is "
    "{near[minus lookup]}. The model needs {near[bits per base]} bits per base there. The model minus "
    "*counts as seen* is {near[minus counts]}.\n\n"
    "On the set far the model minus mixed orders is {far[mixed orders]} bits per base, and the model minus two-sided is "
    "{far[two-sided]}. These two predict every base, and not the masked tokens alone.",
    near=budget_results.longest_near(budget_results.of_budgets(best)),
    far=budget_results.longest_far(budget_results.of_budgets(best)),
)

# %% [markdown]
# Do more genomes help by themselves, more epochs, and informed weights? Where the interval of a difference holds zero, that is
# *open*.

# %% tags=["remove-input"]
show(
    gains.comparisons,
    gains.of_comparisons(recorded),
    gains.of_comparisons(real),
    caption="The first budget minus the second: bits per base with 95% intervals. Fewer are better. One training each.",
)

# %% [markdown]
# The full-size row is trained by the recipe `batch-64-no-dropout` of the next section. Its weights are in the repository (`models/full-size`). The thesis prints accuracy
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
#   sample has the same ones in each epoch), dropout 0.1. It differs from the others in several parts. The thesis states Adam and
#   its rate. That the loss is over all tokens and the masks are static is how we read it (chapter 8 says why). It states no batch
#   and no dropout, and not that the rate is constant: these we assumed.
# * `laptop`: this book's laptop profile. Adam at a constant 3e-4, batches of 8, informed initial weights, loss over the
#   selected tokens.
# * `decay`: the same, but the rate rises over the first 3% of the steps and falls to zero over the last 20%.
# * `muon`: `decay`, but the matrices inside the blocks are trained by Muon ([Jordan et al.
#   2024](https://kellerjordan.github.io/posts/muon/)), which makes all directions of a step equally large.
# * The others change the rate, the batch, the dropout or the initial weights. With batches of 64, for the full-size row on a
#   GPU, Adam's rate is higher, as the square root of the batch. A GPU computes a large batch in little more time than a small
#   one, so that the full size could be paid for. After equally many samples it has made an eighth of the steps, and is worse
#   (below). What batches of 8 give at the full size is not known.
#
# All recipes see the same samples once, in fp32, and are scored on the set far. The loss and the share of masked tokens are on
# the masks of the training. Bits per base are on the masks that all models share, with 95% intervals over families. A
# difference is that of two recipes on the same masks. Where its interval holds zero, it is open. It says what other families
# would change; with one seed it does not say what another seed would. The grid and the full-size row are scored on the
# same families. No model was trained on them, but the recipe was chosen with their scores in sight.

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
    caption="What each part brings: two recipes that differ in one part, bits per base of the first minus the second. Seeds are "
    "those that both were measured with.",
)

# %% tags=["remove-input"]
prose(
    "{by_the_thesis}{missing}",
    by_the_thesis=recipe_results.by_the_thesis(best),
    missing=recipe_results.not_run(best),
)

# %% [markdown]
# ## The grid at equal samples
#
# The rows of Table 5.1 above saw as many samples as their genomes gave, and each was trained once. The **grid** trains all
# rows by one recipe, `decay-no-dropout` (`muon-no-dropout`, a little better, was recorded later), and each sees 30,000
# samples: a random part of the samples of 2,430 genomes, twice. The nuclear rows see a part of the pieces of both chromosomes
# four times. `<cls>` is global in all of them, so that a row with sentence order differs from one without it in the task
# alone. (Each sentence pair is a little shorter than its sample.) How many seeds of a row are recorded stands beside it.
#
# What counts is again what a model **gained** over segmentation alone. Brackets are 95% intervals: families (of the set near:
# genomes) are drawn anew, and seeds with them. A row with one seed does not say what another seed would change.

# %% tags=["remove-input"]
show(
    grid_results.table,
    grid_results.of_table(recorded) or recorded,
    grid_results.of_table(real),
    caption="Every model of Table 5.1 after equally many samples. Gained: segmentation alone minus the model, bits per base, so "
    "that more is better. Sentence order: pairs put in order, of all genomes that were not trained on, one half by guessing.",
)

# %% [markdown]
# Claims of section 5.1 compare these models. Each is read as a prediction about a difference, and the interval of the
# difference decides, on the set far where there are two sets. Where it holds zero the claim is *open*. Models of different
# words are compared in two measures, because neither is fair alone. Plain bits per base contain what the segmentation gives
# away, most in large vocabularies. What is gained over segmentation leaves most to gain where the segmentation gives least
# away, in small ones. Where the two measures contradict each other, the claim *depends on the measure*; where one of them is
# open, the verdict names the other.
#
# Two claims and one choice of ours need trainings of their own:
#
# * That Longalbert **overfits** more than Longformer. By the defaults of the library the thesis's Longalbert has no dropout and its Longformer has
#   one. Here both have a dropout of 0.1, static masks, and 25 epochs of 97 genomes. The *gap* is the loss on genomes of the
#   set near minus that on genomes that were trained on, both without dropout. Does Longalbert have the larger one?
# * That **BigBird-style words** are better. The thesis cuts each genome ten times (*passes*). It does not say whether it split the
#   genomes before or after that. If after, nearly every test genome has other passes in training. So one model is trained on nine
#   tenths of the passes over 97 genomes. It is scored on the last tenth, and on genomes that were split off before. Both scores are
#   compared with token frequencies, which remember no genome.
# * That `<cls>` is **global** in all rows. The thesis does not say which tokens are global in pretraining. So the 9-mer row is
#   trained once more without global attention.
#
# The thesis says that sentence order leads to a lower *plateau*, the accuracy at which a curve stops rising. The grid trains too
# short for that. So the table asks whether less is gained with sentence order, after equally many samples.
#
# A verdict in this table is of one measurement at this size: *holds*, *does not hold*, *open*, or *depends on the measure*. The
# page [of all claims](07_claims.ipynb) also asks how many samples the thesis's training saw. So its verdict on the same claim can
# be another one.

# %% tags=["remove-input"]
show(
    grid_results.verdicts,
    grid_results.of_grid(recorded) or recorded,
    grid_results.of_grid(real),
    caption="What the grid decides at this size. Near and far: what the first model gained minus what the second gained, or the "
    "number that the row names. Bits: plain bits per base, the first minus the second. Fp32 against bf16: the two "
    "were computed in these precisions, on other machines, and differ in that too.",
)

# %% tags=["remove-input"]
of_one_epoch = finished.recorded("01_tokenization").table({"samples": "metrics.samples"})["samples"]
seen = 50 * of_one_epoch / recorded["grid-longformer-9-mer-mlm-seed-1"].samples_seen
bases = {
    words: recorded[f"grid-segmentation-{words}"].value("metrics.near.bases_per_token") for words in ("9-mer", "BB")
}
prose(
    "If each row of the thesis saw 50 epochs, it saw {seen[6-mer]:.0f} times (6-mers) to {seen[BB]:.0f} times (BigBird-style words) "
    "as many samples as a row of the grid. The grid does not decide what a longer training would show. Equal samples are not equal "
    "bases: on the set near a token of BigBird-style words has {bases[BB]:.2f} bases, and one of 9-mers {bases[9-mer]:.2f}. These words "
    "were cut in {passes} passes over each genome; the thesis makes ten. At this size:\n\n{verdicts}\n\n{leak}",
    bases=bases,
    passes=recorded["grid-longformer-BB-mlm-seed-1"].value("record.corpus.resamplings"),
    seen=seen,
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
alone, verdicts = gains.vocabularies(best)["near"], grid_results.verdicts(best)
prose(
    "* **Which tokenization is learned best depends on the measure.** After equally many samples by one recipe, the bits gained over "
    "segmentation alone on the set far are {grid[Longformer, BB, MLM]:+.3f} for BigBird-style words, "
    "{grid[Longformer, 6-mer, MLM]:+.3f} for 6-mers, {grid[Longformer, 9-mer, MLM]:+.3f} for 9-mers and "
    "{grid[Longformer, 12-mer, MLM]:+.3f} for 12-mers. By plain bits per base, of which fewer are better, 9-mers are the "
    "first of the k-mers. 9-mers minus 6-mers are {far[9-mers are better than 6-mers]}, 9-mers minus 12-mers {far[9-mers are better than 12-mers]}. "
    "BigBird-style words minus 9-mers are {far[BigBird-style words are better than 9-mers]} on the set far and "
    "{near[BigBird-style words are better than 9-mers]} on the set near; a difference is open where its interval holds zero.\n"
    "* **Accuracies near 0.88 are mostly copying, and perplexities near 1.8 can come from short tokens.** Copying alone has an accuracy of "
    "{copy:.3f}. Of what copying leaves open, the thesis's 9-mer row (0.8875) names {nine.skill:.0%} right, and its best row, "
    "BigBird-style words, {bigbird.skill:.0%}. On the set near the perplexity of segmentation alone is {small[perplexity]:.4f} with "
    "{vocabularies[0]:,} tokens ({small[perplexity (random tokens known)]:.4f} if it knows which visible tokens are random), and "
    "{large[perplexity]:.4f} with {vocabularies[1]:,}. The thesis's 9-mer row has 1.7257.",
    copy=copy_baseline(),
    nine=thesis.loc["mitochondrial", "Longformer", "9-mer", "MLM"],
    bigbird=thesis.loc["mitochondrial", "Longformer", "BB", "MLM"],
    small=alone.iloc[0],
    large=alone.iloc[-1],
    vocabularies=[alone.index[0], alone.index[-1]],
    grid=grid_results.gains_far(best),
    **{part: verdicts[column] for part, column in grid_results.PLAIN.items()},
)

# %% tags=["remove-input"]
compared = gains.compared(best, "mitochondria")
bits, named = gains.table(compared), gains.masked(compared).xs("first guess", axis=1, level=1)
longest = budget_results.table(budget_results.of_budgets(best)).iloc[-1]
prose(
    "* After {size[epochs]:.0f} epochs on {size[genomes]:,.0f} genomes the 9-mer Longformer names "
    "{named[near][Longformer, 9-mer, MLM]} of the masked tokens of the set near and {named[far][Longformer, 9-mer, MLM]} of those of "
    "the set far. The lookup in the same training genomes names {named[near][lookup: 12 bp as seen]} and "
    "{named[far][lookup: 12 bp as seen]}.\n"
    "* The same model needs {near[bits per base][Longformer, 9-mer, MLM]} and {far[bits per base][Longformer, 9-mer, MLM]} bits per "
    "base. *Counts as seen* need {near[bits per base][counts as seen]} and {far[bits per base][counts as seen]}. What the model gained over "
    "segmentation alone is {near[gained][Longformer, 9-mer, MLM]} and {far[gained][Longformer, 9-mer, MLM]}. A model below "
    "zero has not yet reached a predictor that sees no base.\n"
    "* The initial weights matter at this size. On the set far, a model that began with random weights needs {random} bits per "
    "base more after {later:,} samples of {random_genomes:,} genomes than one that began with informed weights after {earlier:,} "
    "samples of {informed_genomes:,}.\n"
    "* The longest training, {longest[samples seen]:,} samples of {longest.genomes:,} genomes, names "
    "{longest[masked tokens right]:.1%} of the masked tokens of the set far. The lookup names {longest[lookup]:.1%} (difference "
    "{longest[minus lookup]}). The model needs {longest[bits per base]:.3f} bits per base. *Counts as seen* need "
    "{longest[counts as seen]:.3f} (difference {longest[minus counts]}). After one more epoch with the loss over all tokens its "
    "accuracy is {whole.accuracy:.4f} and its perplexity {whole.perplexity:.3f} over all tokens; the thesis has 0.8875 and 1.7257. It "
    "began with informed weights, and its tokens are longer: it is not the thesis's row.\n"
    "* All trainings but the full-size row are far smaller than the thesis's. They say how the curves begin, not where they end.",
    size=sizes.loc["mitochondrial", "Longformer", "9-mer", "MLM"],
    named=named,
    near=bits["near"],
    far=bits["far"],
    random=gains.comparisons(gains.of_comparisons(best)).loc["random weights, informed"]["far", gains.BITS],
    later=best["random-weights"].samples_seen,
    random_genomes=best["random-weights"].record["genomes"]["train"],
    earlier=best["360-genomes"].samples_seen,
    informed_genomes=best["360-genomes"].record["genomes"]["train"],
    longest=longest,
    whole=budget_results.over_all_tokens(budget_results.of_full_size(best)).iloc[-1],
)
