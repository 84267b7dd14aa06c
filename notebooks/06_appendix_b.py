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
# # 6 Larger models
#
# *Thesis Appendix B.* The thesis ends with two larger models on the tasks of chapters 2 to 5. The **large Longformer**
# ([Beltagy et al. 2020](https://arxiv.org/abs/2004.05150)) has four blocks in place of two, 32 heads in place of eight, and a
# window of 64 tokens in place of 16. It is pretrained on mitochondria for 200 epochs in place of 50. **ELMo** ([Peters et al.
# 2018](https://doi.org/10.18653/v1/N18-1202)) has two bidirectional LSTM layers of 256 neurons, and no pretraining. The
# thesis reports that both improve on the small Longformer in metagenomics and chromatin profiles, and that the large one
# begins to name masked tokens.
#
# **The questions of this chapter:** do larger models win on the same data? What does the gain cost? Is it the size of the
# model, or the longer training? And do wrong tokens of the right length show that a model has learned something?

# %% tags=["remove-cell"]
from dnakit.chapters.appendix_b import paired, printed, results
from dnakit.chapters.chapter import open_chapter
from dnakit.report.display import prose, show, table

# %% [markdown]
# ## Parameters
#
# The values below are the *smoke* profile: simulated data and models of 64 neurons. It runs every cell in a minute, and is
# too small to compare models. `dnakit execute --profile laptop 06_appendix_b` trains the models at their real size on the
# real data of the earlier chapters; all of it takes about ten core-hours in fp32, or minutes of a GPU. Lists of epochs and
# rates are in the order small Longformer, ELMo, large Longformer; those of pretraining lack ELMo. *Taken* is what the thesis
# profile has where the thesis states nothing.

# %% tags=["parameters", "hide-input"]
profile = "smoke"  # a name for captions
chapters = "smoke"  # the profile of chapters 2 to 5 whose data, samples and splits are taken
genomes = 12  # mitochondrial genomes, all splits together (thesis: 3,000)
pretraining_epochs = [2, 3]  # thesis: 50, 200
pretraining_rates = [1.0e-3, 1.0e-3]  # learning rates of Adam; thesis: 1e-4, 1e-4
tss_samples = 16  # samples in an epoch, promoters in turn; 0: each promoter once (thesis)
tss_epochs = [2, 2, 2]  # thesis: 10, 10, 10
tss_rates = [1.0e-3, 1.0e-3, 1.0e-3]  # thesis: not stated (1e-4 taken), 1e-3, 1e-5
species_share = 1.0  # of the species of chapter 4
species_epochs = [2, 1, 1]  # thesis: not stated (10 taken), 5, 30
species_rates = [1.0e-3, 1.0e-3, 1.0e-3]  # thesis: not stated (1e-4 taken), 1e-3, 1e-5
chromatin_samples = 48  # training bins in an epoch, drawn anew; 0: each bin once
chromatin_epochs = [2, 1, 1]  # thesis: 10, 10, 20
chromatin_rates = [5.0e-3, 5.0e-3, 5.0e-3]  # thesis: not stated (1e-4 taken), 1e-3, 1e-4
example_tokens = 24  # of the pieces in Figures B.1 and B.2
precision = "fp32"  # fp32, bf16, or auto: bf16 where the processor has it
seed = 1  # draws what the earlier chapters draw from their seed

# %% tags=["remove-cell"]
chapter = open_chapter("06_appendix_b", globals())
recorded, here = chapter.recorded(), chapter.here()

# %% tags=["remove-input"]
prose(
    "The paragraphs with numbers describe the recorded runs, on real data."
    if results.trainings(recorded)
    else "**No training of this chapter is recorded yet.** The tables of models show this run ({profile}); where its data are "
    "simulated, they show that the chapter works, and say nothing about the thesis.",
    profile=profile,
)

# %% [markdown]
# ## What is compared
#
# Every model of a table draws from the same samples: those that chapter 2, 3, 4 or 5 makes, with the same split, in the same
# order. Their epochs differ, as in the thesis: the tables say how many samples each saw. So a row of the small Longformer
# stands in each table, trained at this chapter's size. In the tables *Longformer (baseline)* is the small Longformer. It
# begins from a pretraining on mitochondria. So do the thesis's baselines of Tables B.3 and B.4: they are the mitochondria rows
# of Tables 5.3 and 5.4. How its baseline of Table B.2 began, the thesis does not state. All models read 9-mer words with one
# tokenizer.
#
# | | start | head: start site | head: 12S | head: chromatin |
# |---|---|---|---|---|
# | small Longformer | mitochondria | one score per token | dense layer on `<cls>` | dense layer on `<cls>` |
# | ELMo | none | dense layer on all tokens | dense layer on all tokens | dense layer on all tokens |
# | large Longformer | mitochondria | one score per token | dense layer on `<cls>`; or *deep* | dense layer on `<cls>` |
#
# ELMo's head is **flattened**: the hidden states of all 256 tokens stand side by side, 131,072 numbers, and one dense layer
# reads them. The **deep** head of the large Longformer does the same with 65,536 numbers and has a layer of 2,048 neurons
# (hyperbolic tangent) in between. These heads have more parameters than the encoders under them. So the large rows differ from
# the baseline in the model, the pretraining, the head and the epochs at once. Two rows that the thesis lacks in its tables
# separate some of it: the small Longformer, pretrained on as many samples as the large one, and the large one with the shallow
# head.
#
# The large Longformer is pretrained with **dynamic masking**: other tokens are masked in each epoch. In the smoke and the
# thesis profile the small one sees the same masks in all epochs, in the laptop profile other ones.
#
# The models differ in their **learning rates**, too. The thesis has 1e-3 for ELMo. The large Longformer has 1e-4 in pretraining
# and for chromatin, and 1e-5 for the two other tasks. Of the small one it states 1e-4 in pretraining, and no rate of the tasks.
# The laptop profile keeps ELMo's rate. A Longformer learns little in so few steps with rates as low as these, and gets higher
# ones. Only the large one on chromatin keeps its rate.

# %% tags=["remove-input"]
prose(
    "Learning rates and epochs of the recorded trainings. Masked tokens: {mlm}. Start sites: {tss}. 12S species: {genes}. "
    "Chromatin: {chromatin}. So a difference between two rows is one between two trainings, not between two models alone."
    if results.trainings(recorded)
    else "Rates and epochs of this run stand in the cell of parameters.",
    mlm=results.schedules(recorded, "mlm"),
    tss=results.schedules(recorded, "tss"),
    genes=results.schedules(recorded, "12s"),
    chromatin=results.schedules(recorded, "chromatin"),
)

# %% tags=["remove-input"]
prose(
    results.baselines(recorded)
    or "Where its size is that of an earlier chapter, the small Longformer is that chapter's run."
)

# %% [markdown]
# ## Pretraining
#
# Table B.1 counts all tokens, of which a model has to copy 86.5% (12% are masked, and 1.5% are random tokens). A model that is trained on the selected
# tokens alone (the laptop profile) does not learn to copy: its accuracies here are low and its perplexities high, and they say nothing of the masked tokens.
# The table after it counts the masked tokens alone.

# %% tags=["remove-input"]
show(
    results.table_b_1,
    results.only(recorded, "mlm"),
    here,
    "Mitochondrial pretraining: accuracy and perplexity over all tokens. The thesis gives the test set of the large "
    "Longformer in its text.",
    number="B.1",
    thesis=results.published("B.1"),
    on=["model", "split"],
    formats={"accuracy": ".4f", "perplexity": ".4f"},
)

# %% tags=["remove-input"]
show(
    results.masked_tokens,
    results.only(recorded, "mlm"),
    here,
    "The masked tokens alone, one seed each.",
    formats={
        "samples seen": ",.0f",
        "accuracy, validation": ".2%",
        "accuracy, test": ".2%",
        "perplexity, validation": ",.0f",
        "perplexity, test": ",.0f",
    },
)

# %% tags=["remove-input"]
small, longer, large = (results.NAMES[name] for name in ("longformer", "longformer-longer", "large-longformer"))
found = results.masked_tokens(recorded)
if large in found.index and longer in found.index:
    text = prose(
        "After {samples:,} samples each, the large Longformer names {large:.2%} of the masked test tokens, and the small one "
        "{longer:.2%}; their perplexities are {of_large:,.0f} and {of_longer:,.0f}. At equal samples the larger model is behind, "
        "with one seed each. Answers by genome are not kept, so that the difference has no interval. Equal samples are not equal "
        "cost: see below. The loss of the large one still fell in the last epoch, and the thesis's large model saw {times:.0f} "
        "times as many samples. What a large model reaches in the end is left open.",
        samples=found["samples seen"][large],
        large=found["accuracy, test"][large],
        longer=found["accuracy, test"][longer],
        of_large=found["perplexity, test"][large],
        of_longer=found["perplexity, test"][longer],
        times=results.THESIS_SAMPLES["mlm"] / found["samples seen"][large],
    )
else:
    text = prose("What a larger model names after equally many samples is not recorded yet.")
text

# %% [markdown]
# ## What the large model names
#
# The thesis shows two pieces of a test genome. The table has their tokens that are masked, or random in place of the true
# ones.

# %% tags=["remove-input"]
table(
    printed.changed_tokens(),
    "The changed tokens of the thesis's Figures B.1 and B.2. In the query, a base sequence is a random token.",
    provenance="thesis, Figures B.1 and B.2",
)

# %% tags=["remove-input"]
prose(
    "The thesis's large model names {right} of the {masked} masked tokens right, and {behind_random} of the {random} that a random "
    "token replaces. Of its {wrong} wrong tokens {alike} have the right length. The two pieces have {tokens} true tokens, of "
    "{bases:.2f} bases on average.",
    **printed.counts(),
)

# %% [markdown]
# Our pieces are chosen by a rule. Test samples are cut into pieces of equal length.
# Figure B.1 is the piece with the smallest share of right tokens among those with at least four that a model has to name.
# Figure B.2 is the one whose share is nearest to that of all pieces. A grey box in the query is a masked token, a dashed box
# a random token in place of the true one. Below a predicted token stands ✓ where it is right, "✗ =" where it is wrong and has
# the length of the true one, and ✗ where it has another length.

# %% tags=["remove-input"]
show(
    lambda done: results.example(done, "B.1"),
    recorded.only(lambda run: run.name == "masked-tokens"),
    here,
    "A wrong prediction of the large Longformer: query, true and predicted tokens of a test genome.",
    number="B.1",
)

# %% tags=["remove-input"]
show(
    lambda done: results.example(done, "B.2"),
    recorded.only(lambda run: run.name == "masked-tokens"),
    here,
    "An average prediction of the large Longformer.",
    number="B.2",
)

# %% [markdown]
# ## Wrong tokens of the right length
#
# "Almost all of the replaced tokens have the same length as the true tokens", says the thesis under Figure B.1. We read this
# as a sign of learning; the thesis does not say so. Two things make a length easy.
#
# * **Chance.** Few lengths are common. We shuffle a model's wrong tokens among their places and count how many have the right
#   length then (in expectation).
# * **The boundaries.** A word has nine bases. Where one of its tokens alone is masked, the visible ones leave a single length
#   for it. *Visible boundaries alone* is a method that reads no base: it names the commonest training token with that length
#   at that place of a word, and elsewhere the commonest token of all. Where the length is given away it is always right about
#   the length.

# %% tags=["remove-input"]
show(
    results.lengths,
    recorded.only(lambda run: run.name in ("masked-tokens", "boundaries")),
    here,
    "Masked tokens of the test genomes: share that is named right, and of the wrong ones the share that has the right length, "
    "beside the same by chance. Predicted anew, in bf16 and other batches, so that a few tokens come out otherwise than in the "
    "table of masked tokens.",
    formats={"right": ".2%", "wrong, right length": ".1%", "the same by chance": ".1%"},
)

# %% tags=["remove-input"]
found = results.lengths(recorded)
if found.empty:
    text = prose("How much of the length the boundaries give away in real genomes is not recorded yet.")
else:
    alone = found.loc[results.METHODS["boundaries"]]
    text = prose(
        "In real genomes the boundaries give the length of {known:.1%} of the masked tokens away. A method that reads no base "
        "names {right:.1%} of the masked tokens, and of its wrong tokens {alone:.1%} have the right length, {chance:.1%} by "
        "chance. So almost all wrong tokens can have the right length, as in the thesis's figure, without reading a base. The thesis's "
        "tokens are shorter than these (3.3 bases in its figures), and a word has more of them: there the boundaries give fewer lengths "
        "away, and the share would be lower.",
        known=alone["masked"]["length given away"] / alone["masked"]["all"],
        right=alone["right"]["all"],
        alone=alone["wrong, right length"]["all"],
        chance=alone["the same by chance"]["all"],
    )
text

# %% tags=["remove-input"]
if results.METHODS["mlm-large-longformer"] in found.index.get_level_values(0):
    shares = found.loc[results.METHODS["mlm-large-longformer"]]
    text = prose(
        "Of the large Longformer's wrong tokens {right:.1%} have the right length, {chance:.1%} by chance. Where the length is "
        "given away {known:.1%} have it, elsewhere {unknown:.1%} ({chance_unknown:.1%} by chance).",
        right=shares["wrong, right length"]["all"],
        chance=shares["the same by chance"]["all"],
        known=shares["wrong, right length"]["length given away"],
        unknown=shares["wrong, right length"]["length not given away"],
        chance_unknown=shares["the same by chance"]["length not given away"],
    )
else:
    text = prose("What a large Longformer does there is not recorded yet.")
text

# %% [markdown]
# ## Start sites
#
# The task is chapter 3's, in the thesis's protocol. Bases before and after the start site are cut into words of nine apart, so
# that the last word before it is shorter. This is the **seam**, which a model can read without knowing a promoter.

# %% tags=["remove-input"]
show(
    results.table_b_2,
    results.only(recorded, "tss"),
    here,
    f"Transcription start sites: share that is exact ({results.asked(recorded, 'tss', 'promoters record.windows.test')}).",
    number="B.2",
    thesis=results.published("B.2"),
    on=["model"],
    formats={"accuracy": ".4f"},
)

# %% tags=["remove-input"]
found = results.compared(recorded, "tss", "accuracy", "record.windows.test")
if found.empty:
    text = prose("No training on start sites is recorded yet.")
else:
    text = prose(
        "After {samples:,} samples each, the small Longformer is exact in {small:.1%} {of_small}, the large one in {large:.1%} "
        "{of_large}, ELMo in {elmo:.1%} {of_elmo}. Brackets are 95% intervals that count the {promoters} test promoters. They are "
        "the same promoters for all, but answers to single samples are not kept. So the two Longformers are not compared "
        "pairwise, and with one seed each it is not decided which is better. What the Longformers find is the seam. ELMo's dense "
        "layer has weights of its own for each of the 256 places, and must learn the seam at each of them. After so few samples "
        "it finds few of the start sites; in the thesis, with {times:.0f} times as many, it is as good as the Longformers.",
        times=results.THESIS_SAMPLES["tss"] / found["samples seen"][large],
        samples=found["samples seen"][large],
        small=found["value"][small],
        of_small=found["interval"][small],
        large=found["value"][large],
        of_large=found["interval"][large],
        elmo=found["value"][results.NAMES["elmo"]],
        of_elmo=found["interval"][results.NAMES["elmo"]],
        promoters=found["count"][large],
    )
text

# %% [markdown]
# ## Metagenomics
#
# The task is chapter 4's: the species of a mutated copy of a known 12S gene. Note there what a consensus reaches without any
# training.

# %% tags=["remove-input"]
show(
    results.table_b_3,
    results.only(recorded, "12s"),
    here,
    f"12S genes: loss in nats, top-1 and top-5 accuracy ({results.asked(recorded, '12s', 'species record.classes')}). The "
    "large Longformer without the deep head stands in the thesis's text: better than the small one, worse than ELMo.",
    number="B.3",
    thesis=results.published("B.3"),
    on=["model"],
    formats={"loss": ".4f", "top1 accuracy": ".4f", "top5 accuracy": ".4f"},
)

# %% tags=["remove-input"]
found = results.compared(recorded, "12s", "top1", "record.classes")
if found.empty:
    text = prose("No training on 12S genes is recorded yet.")
else:
    last = found["value"].idxmin()
    text = prose(
        "The laptop profile has {species} species, a tenth of them. There the task is easy: each model names {least:.1%} or more "
        "of the copies right, where the thesis has .86 to .92 on all species. On the same test copies, in percentage points with "
        "95% intervals over species, one seed each: {apart}. The least accurate is the {last}: it names {trained:.1%} of the training "
        "copies right and {tested:.1%} of the test copies.",
        last=last,
        apart=paired.in_words(paired.differences(recorded)),
        trained=results.of_task(recorded, "12s")[last].frame("history.csv")["train_top1"].iloc[-1],
        tested=found["value"][last],
        species=found["count"].iloc[0],
        least=found["value"].min(),
    )
text

# %% [markdown]
# ## Chromatin profiles
#
# The rows are chapter 5's with a random split, where nearly every test bin has a neighbour in training. The thesis does not say
# how it split. DeepSEA's and BigBird's numbers are those that the thesis cites; they come from another split, with chromosomes
# held out.
#
# The thesis does not define its *AUC all*. In section A.3 it speaks of "averaging the AUC for each of the variables" of a task
# with several labels. But such a mean lies between the least and the greatest mean of the three kinds, and each *AUC all* that
# the thesis prints lies below all three. Ours is the area of the answers at 0.5 (chapter 5).

# %% tags=["remove-input"]
show(
    results.table_b_4,
    results.only(recorded, "chromatin"),
    here,
    f"Chromatin profiles ({results.asked(recorded, 'chromatin', 'rows')}): loss with positives weighted by 8, precision and "
    'recall at 0.5, "AUC all" (see above), and mean AUROC by kind of feature.',
    number="B.4",
    thesis=results.published("B.4"),
    on=["model"],
    formats=dict.fromkeys(["loss", "precision", "recall", "AUC all", "AUC DNase", "AUC TF", "AUC histone"], ".4f"),
)

# %% tags=["remove-input"]
found = results.large_minus_small(recorded)
text = prose("No training on chromatin profiles is recorded yet.")
if found:
    text = prose(
        "Mean AUROC, large Longformer minus small: {DNase} for DNase, {TF} for transcription factors, {histone} for histone marks. "
        "The intervals take the two as independent. On the same test rows paired ones would be narrower, but the predictions are "
        "not kept. With one seed each none of the three is decided. The large one saw twice as many samples.",
        **found,
    )
text

# %% [markdown]
# ## What it costs
#
# The thesis never says what the larger models cost. **Operations** are the floating-point operations of the matrix products of
# one training step, forward and backward, divided by the samples of the step. They are the same on every machine. **Time** is
# that of such a step, the optimizer included. On a CPU it is processor time, added up over all threads. On a GPU it is elapsed
# time, of the fastest of twenty steps. The small print says on which the recorded numbers were measured,
# on untrained models of the same shapes: what a model has learned costs nothing. Its own pretraining is
# not in a row of a later task. *Quality* is what the last column says, of the validation samples after the last epoch: another
# measure for each task.

# %% tags=["remove-input"]
show(
    results.costs,
    results.of_costs(recorded),
    here,
    "Size, cost of a training sample, cost of the whole training, and what it reached on the validation samples. Test rows may "
    "rank models otherwise: of chromatin see the section above.",
    formats={
        "million parameters": ".1f",
        "GFLOP per sample": ".2f",
        "ms per sample": ".2f",
        "samples seen": ",.0f",
        "TFLOP": ",.1f",
        "minutes": ".1f",
        "quality": ".4f",
    },
)

# %% [markdown]
# **Is it size or budget?** With a constant learning rate each epoch is where a shorter training would have ended. So one
# training gives a whole curve of quality by cost. A larger model is worth its size where its curve lies above that of the
# small one at the *same* cost. The cost of a pretrained model begins with its pretraining.

# %% tags=["remove-input"]
show(
    results.draw_by_cost,
    results.of_costs(recorded),
    here,
    "Quality on the validation samples by the operations that were spent until then, pretraining included: a mark for each "
    "epoch. Note the logarithmic axis.",
)

# %% [markdown]
# ## What to take away

# %% tags=["remove-input"]
costs, spent, names = results.costs(recorded), results.times(recorded), results.NAMES
found = results.masked_tokens(recorded)
if not results.trainings(recorded):
    reached = "What the models reach on real data is not recorded yet."
else:
    behind = paired.behind(paired.differences(recorded))
    reached = (
        "Start sites and profiles are not compared pairwise, so that no lead of the large Longformer is decided there. On 12S "
        f"genes, on the same copies, in each of these pairs the first model is behind: {behind or 'none'}. Learning rates "
        f"and epochs there: {results.schedules(recorded, '12s')} (thesis: the large one with the deep head 1e-5, 30 epochs). So a pair "
        "compares two trainings, not two models alone."
    )
if large in found.index and longer in found.index:
    size = prose(
        "Here, at equal samples, the large Longformer names {big:.2%} of the masked test tokens, the small one {little:.2%} (one "
        "seed each, no interval).",
        big=found["accuracy, test"][large],
        little=found["accuracy, test"][longer],
    ).data
else:
    size = "What a larger model names after equally many samples is not recorded yet."
if costs.empty:
    price = "What the models cost on real data is not recorded yet."
else:
    of_small, of_large = (costs.loc[(results.TASKS["mlm"], names[name])] for name in ("longformer", "large-longformer"))
    price = prose(
        "A sample of pretraining takes the large Longformer {operations:.1f} times the operations of the small one and "
        "{times:.1f} times the time ({device}). On 12S genes with the thesis's epochs (30 and 5) the large one with the deep head "
        "takes {ratio:.0f} times ELMo's time on a processor ({device}), and {trained:.1f} times on the GPU of our trainings "
        "({gpu}, beside other work). The thesis says that it took less.",
        operations=of_large["GFLOP per sample"] / of_small["GFLOP per sample"],
        times=of_large["ms per sample"] / of_small["ms per sample"],
        device=recorded["costs"].record["device"],
        ratio=spent["measured"],
        trained=spent["trained"],
        gpu=recorded["12s-elmo"].record["device"],
    ).data
prose(
    "* **Do larger models win?** {reached}\n"
    "* **Is it the size or the longer training?** The thesis's Tables B.1, B.3 and B.4 cannot say: they change model, pretraining, "
    "head and epochs at once. {size} ELMo's head and the deep head have more parameters than the encoders. On 12S genes, where "
    "a sample is a noisy copy of a known sequence, a head that reads every token can compare it with them place by place.\n"
    "* **What does it cost?** {price}\n"
    "* **Do lengths show that a model learned to read bases?** No. They can show that it learned where visible tokens begin and "
    "end. Where these boundaries give the length away, a method that reads no base is always right about it.",
    reached=reached,
    size=size,
    price=price,
)

# %% [markdown]
# What the thesis says of larger models stands claim by claim, beside the number that decides it here, on the page
# [of all claims](07_claims.ipynb).
