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
# # 3 Transcription start sites
#
# *Thesis sections 4.2.2 and 5.2.* A promoter is the stretch of DNA where the transcription of a gene begins. The first base
# that is transcribed is the **transcription start site** (TSS). The thesis trains the small Longformer ([Beltagy et al.
# 2020](https://arxiv.org/abs/2004.05150)), pretrained in chapter 2, to find the token where the TSS lies. It reports that 96%
# of the predictions are exact: on human promoters and, without further training, on eight other organisms down to
# *Plasmodium*. It concludes that promoters are shared among eukaryotes.
#
# **The question of this chapter:** does the model recognise the promoter, or the way in which the sample was cut?

# %% tags=["remove-cell"]
from pathlib import Path

from dnakit.chapters.chapter import open_chapter
from dnakit.chapters.tss import control_results as controls
from dnakit.chapters.tss import results as tss
from dnakit.chapters.tss.parameters import THESIS_SAMPLES
from dnakit.report.display import prose, show

# %% [markdown]
# ## Parameters
#
# The values below are the *smoke* profile: simulated promoters and a few seconds for each model. That is enough to run
# every cell, and not enough to learn anything. `dnakit execute --profile laptop 03_tss` runs the same cells on real
# promoters.

# %% tags=["parameters", "hide-input"]
profile = "smoke"  # a name, shown with what these values give
pretrained = "smoke"  # the profile of chapter 2 whose models are the starting points
organism = "simulated-a"  # the models are trained on its promoters
other_organism = "simulated-b"  # two more models, in the fair task, are trained on its promoters
organisms = ["simulated-a", "simulated-b", "simulated-c"]  # all models are evaluated on these; or mine.fa@4999
random_positions = 60  # that are no promoters, to train on (thesis profile: 29,598, as many as EPD's human promoters)
upstream = 4999  # bases before the TSS
downstream = 5001  # bases from the TSS on
seamless_upstream = 4995  # the same in the control without a seam: a multiple of nine
dropouts = [0.0, 0.1, 0.2]  # between Longformer and its head
redraw = True  # whether a promoter gives a new sample in each epoch, or always the same
split = "random"  # of promoters in the thesis's protocol: random, or by chromosome
fair_split = "chromosome"  # in the fair task
epochs = 2  # thesis: 10
epoch_samples = 16  # samples in an epoch, promoters in turn; 0: each promoter once (thesis)
deciding_epoch_samples = 24  # the same for the model of Table 5.2, the controls and the fair task
batch_size = 8  # samples of 256 tokens
learning_rate = 1.0e-3  # of Adam; the thesis states none for this task (thesis profile: 1e-4)
precision = "fp32"  # fp32, bf16, or auto: bf16 where the processor has it
evaluation_samples = 8  # samples that models are evaluated on, windows in turn; 0: each window once
repeats = 1  # trainings with different seeds, of promoters, of promoters apart and of few random positions
rule_samples = 60  # the same for the rule, which costs little
pictured = 4  # promoters in the figure of attributions
seed = 1  # draws splits, positions, samples and initial weights

# %% tags=["remove-input"]
prose(
    "This page was made with the **{profile}** profile: promoters of `{organism}`, {epochs} epochs in batches of "
    "{batch_size}, Adam with a learning rate of {learning_rate}, seed {seed}. The pretrained models are those of "
    "chapter 2's {pretrained} profile.",
    profile=profile,
    organism=Path(organism).name,
    epochs=epochs,
    batch_size=batch_size,
    learning_rate=learning_rate,
    seed=seed,
    pretrained=pretrained,
)

# %% [markdown]
# ## The thesis's protocol
#
# The promoters are those of EPDnew ([Dreos et al. 2017](https://doi.org/10.1093/nar/gkw1069)), with 4,999 bases before the
# TSS and 5,001 from it on. Each promoter is cut in two **at the TSS**. Each half is tokenized by itself, in words of nine
# bases that are counted from the half's own first base. A sample has 254 tokens, a random number of 0 to 200 of them from
# before the TSS. The model gives each token a score, and a softmax over the tokens makes the scores a distribution. A
# prediction is right if it is exactly the token that begins with the TSS. Human promoters are split 81/9/10; the thesis does
# not say how it split, and here it is at random. The other organisms are used for evaluation alone.
#
# Since 4,999 = 555 × 9 + 4, the first half ends in a word of **four** bases, just before the TSS. We call this short word
# the **seam**. Nowhere else in a sample does a word of four bases stand. A method that knows which nine-base words give
# which tokens can find the seam in any DNA. The thesis names the risk itself: cutting "guarantees that the TSS will always
# be placed at the beginning of a token and makes dataset preparation easier, but can be a source of discrepancies between
# training and inference" (section 4.2.2).
#
# Three initializations (pretraining on the nuclear genome, on mitochondria, none) times three dropouts are the thesis's
# nine trainings. We add controls, and models of a *fair* task, which is explained below. Models without pretraining have
# chapter 2's initial weights (*informed* ones in the laptop profile). The head gives every token one score, with the same
# weights for each token; the thesis's "classification head of 256 neurons" can be read in another way. No token has global
# attention. The encoder keeps its own dropout of 0.1 in all trainings.

# %% tags=["remove-cell"]
chapter = open_chapter("03_tss", globals())
recorded, here = chapter.recorded(), chapter.here()
best = recorded or here  # the paragraphs below describe the recorded results, where there are any

# %% tags=["remove-input"]
show(
    tss.trainings,
    recorded,
    here,
    "The trainings: the task, what they are trained on, how many different windows and samples that is, on how many "
    "different windows of the same kind they are tested, the bases before the TSS, and the test accuracy with its 95% "
    "interval.",
    formats={"dropout": "g", "bases before": ",d"},
)

# %% [markdown]
# All 95% intervals of this chapter count **promoters** (or random positions, or random sequences), not samples. A test
# promoter is shown in several samples, which are repeated draws of one promoter. The intervals of accuracies are Wilson's,
# for a share of so many promoters. Those of differences are Newcombe's, and take the two accuracies as independent. Two
# models that are tested on the same promoters are not: a promoter that is hard for one is likely hard for the other, so
# that these intervals are likely too wide. What a model answers for each promoter was not kept, except where a table says
# *paired*. No interval includes the differences between seeds. Each training has one seed, except those under *Kind or
# amount*, whose table says how many they have.

# %% tags=["remove-input"]
near = controls.neighbours(best)
prose(
    "In a random split, test promoters often lie close to training promoters: {near} of the {tested} test promoters of "
    "{species} ({share:.0%}, 95% interval {interval.percent}) have a training promoter's TSS within 1,000 bases on the same "
    "strand, so that the two windows share most of their sequence, and {nearby} within 5,000 bases. A test accuracy on "
    "promoters may therefore be higher than that on new promoters: here, and in the thesis if it split at random, too. The "
    "fair task below is split by chromosome, which leaves {fair} within 5,000 bases.",
    species=best["neighbours"].record["species"],
    **near,
)

# %% tags=["remove-input"]
seen = controls.pretrained(best)
prose(
    "The **nuclear pretraining** has seen test promoters, too, without labels. Its pieces are drawn from chromosomes that hold "
    "{tested[drawn_from]} of the {tested[promoters]} test promoters of the random split and {trained[drawn_from]} of the "
    "{trained[promoters]} training promoters. The windows of {tested[read]} and of {trained[read]} of them share bases with a "
    "piece that it was trained on. So *nuclear minus none* can hold that the model has seen these very sequences before. "
    "*Mitochondria minus none* is free of that. Of the {fair[promoters]} test promoters of the fair task it has seen {fair[read]}.",
    **seen,
)

# %% [markdown]
# ## The nine trainings

# %% tags=["remove-input"]
show(
    tss.draw_losses,
    tss.the_nine(recorded),
    tss.the_nine(here),
    "Losses on promoter localization by epoch. A guess among 201 positions costs 5.30 nats per sample.",
    number="5.5",
)

# %% tags=["remove-input"]
show(
    tss.draw_training_accuracy,
    tss.the_nine(recorded),
    tss.the_nine(here),
    "Training accuracies on promoter localization by epoch. They are averages over an epoch, in which the weights change, "
    "and with dropout.",
    number="5.6",
)

# %% tags=["remove-input"]
show(
    tss.draw_validation_accuracy,
    tss.the_nine(recorded),
    tss.the_nine(here),
    "Validation accuracies on promoter localization by epoch. Dotted lines: the two accuracies that the thesis prints, on all "
    "human promoters (Table 5.2; those of the training are among them) and on the test set (Table B.2).",
    number="5.7",
)

# %% tags=["remove-input"]
show(
    tss.nine,
    tss.the_nine(recorded),
    tss.the_nine(here),
    "The nine trainings after their last epoch. Test accuracies are of several samples for each test promoter; their 95% "
    "intervals count each promoter once.",
)

# %% tags=["remove-input"]
show(
    controls.differences,
    tss.the_nine(recorded),
    tss.the_nine(here),
    "Two of the nine trainings that differ in one thing: their test accuracies, the first minus the second in percentage "
    "points with its 95% interval, and whether that makes the first higher or lower. Where the interval holds zero, the comparison is open. The intervals "
    "take the two accuracies as independent and count each test promoter once: the nine share their test promoters, but "
    "their answers by promoter were not kept.",
)

# %% tags=["remove-input"]
nine = tss.nine(best)
pretrained_models, others = nine.drop("none", level="initialization"), nine.loc["none"]
decides, times = controls.differences(tss.the_nine(best)), THESIS_SAMPLES / nine["samples"].iloc[0]
prose(
    "Each of the nine trainings saw {samples:,} samples. The thesis prints no number of promoters. If they were the 29,598 "
    "human ones of EPD, as we assume, each of its trainings saw {of_thesis:,}. With a pretrained encoder, "
    "{pretrained_lowest:.0%} to {pretrained_highest:.0%} of the predictions for test promoters are exact, whatever the "
    "language and the dropout; without pretraining {lowest:.0%} to {highest:.0%}. All nine reach {memorized:.0%} or more on "
    "their training samples. With dropout 0.1, nuclear pretraining minus none is {start[difference]}, **{start[verdict]}**; "
    "mitochondrial minus none {other_start[difference]}, **{other_start[verdict]}**. After so many samples the pretrained "
    "models find the seam in more test promoters (one seed each). Whether that remains after the thesis's {times:.0f} times as many "
    "samples is not known.\n\n"
    "Nuclear genome minus mitochondria: {language[difference]}, **{language[verdict]}**. Dropout 0 minus 0.2, with the nuclear "
    "start: {dropout[difference]}, **{dropout[verdict]}**; with the mitochondrial start: {dropout_other[difference]}, "
    "**{dropout_other[verdict]}**. One seed each and {promoters} test promoters decide nothing about differences of several "
    "points.",
    start=decides.loc["nuclear or none, dropout 0.1"],
    other_start=decides.loc["mitochondria or none, dropout 0.1"],
    language=decides.loc["nuclear or mitochondria, dropout 0.1"],
    dropout=decides.loc["nuclear, dropout 0 or 0.2"],
    dropout_other=decides.loc["mitochondria, dropout 0 or 0.2"],
    samples=nine["samples"].iloc[0],
    of_thesis=THESIS_SAMPLES,
    times=times,
    pretrained_lowest=pretrained_models["test accuracy"].min(),
    pretrained_highest=pretrained_models["test accuracy"].max(),
    lowest=others["test accuracy"].min(),
    highest=others["test accuracy"].max(),
    memorized=nine["training accuracy"].min(),
    promoters=nine["test promoters"].iloc[0],
)

# %% [markdown]
# ## The control that decides
#
# If the seam gives the TSS away, nothing about a promoter is needed to find it. Four things follow. Each is tested with
# the same code and the same training budget:
#
# 1. A **rule** without any training finds the TSS. It tests every token boundary, and keeps those where all nine-base words
#    before and after the boundary give just the tokens that are there. Where several boundaries pass, its accuracy is that of
#    taking one of them at random; the table of ties below shows what another choice gives.
# 2. Accuracies on **shuffled** promoters and on **random DNA** are of the same size as on promoters: those of the rule, and
#    those of a trained model as far as it learned nothing but the seam.
# 3. A model trained on **random positions** of the genome, far from any promoter, finds the TSS of real promoters.
# 4. With a first half of **4,995 = 555 × 9** bases there is no short word, and all methods fail.

# %% tags=["remove-input"]
show(
    tss.control_with_intervals,
    recorded,
    here,
    "Exact accuracy in the thesis's protocol, by method and kind of DNA. Models trained on promoters are evaluated on their "
    "test promoters. The rule needs no training and has never seen a promoter. A guess is right in 0.005. Beside each "
    "accuracy: n, the number of different promoters or random sequences, and the 95% interval by that number. Where a row "
    "has equal accuracies on shuffled promoters and on random DNA, these are two measurements with the same number of right "
    "answers.",
    formats=dict.fromkeys(tss.KINDS, ".4f"),
)

# %% tags=["remove-input"]
decided, model = tss.control(best), best["promoters"].record
over, longer = controls.over_random_dna(best), controls.longer(best)
elsewhere = controls.in_other_organisms(best)
prose(
    "The rule finds the TSS exactly in **{rule[promoters]:.2%}** of the promoters of {species}, in "
    "{rule[shuffled promoters]:.2%} of the same promoters shuffled, and in {rule[random DNA]:.2%} of random DNA (thesis: "
    "{thesis:.2%} on human promoters). With a first half of {seamless:,} bases, a multiple of nine, this falls to "
    "{no_seam[promoters]:.2%}.\n\n"
    "After {samples:,} samples, the model trained on **random positions** that are no promoters is right in "
    "{random[promoters]:.1%} of real promoters and {random[random DNA]:.1%} of random DNA; the model trained on promoters "
    "in {promoters[promoters]:.1%} and {promoters[random DNA]:.1%}. Without the seam these are "
    "{random_no_seam[promoters]:.1%} and {promoters_no_seam[promoters]:.1%} of real promoters. The random positions are "
    "many more different windows ({random_windows:,} against {windows:,}), so that the two models differ in more than what "
    "they were trained on.\n\n"
    "Accuracy on promoters minus accuracy on random DNA (different sequences, so that the two are independent): the rule "
    "{rule_over.points}, **{rule_over.verdict}**; the model trained on random positions {random_over.points}, "
    "**{random_over.verdict}**; the model trained on promoters {promoters_over.points}, **{promoters_over.verdict}**. "
    "The same for the model trained on promoters in organisms that it was not trained on: {elsewhere}. (Windows of 401 bases have fewer "
    "boundaries to choose from.) *Higher* says that the sequence counts beside the seam. It does not say that a promoter is "
    "recognised.\n\n"
    "The model trained on promoters is one of the nine (nuclear start, dropout {dropout:g}), trained for {samples:,} samples in "
    "place of {fewer:,}. Its test accuracy changes by {longer.points}: **{longer.verdict}**, one seed each.",
    rule_over=over[controls.CONTROLS["rule"]],
    random_over=over[controls.CONTROLS["random-positions"]],
    promoters_over=over[controls.CONTROLS["promoters"]],
    elsewhere=elsewhere,
    dropout=model["parameters"]["dropout"],
    fewer=nine["samples"].iloc[0],
    longer=longer,
    species=model["species"],
    thesis=tss.published().accuracy.iloc[0],
    seamless=best["promoters-seamless"].record["parameters"]["upstream"],
    samples=model["samples"]["train"] * model["parameters"]["epochs"],
    windows=model["windows"]["train"],
    random_windows=best["random-positions"].record["windows"]["train"],
    rule=decided.loc["the rule"],
    no_seam=decided.loc["no seam: the rule"],
    random=decided.loc["trained on random positions"],
    promoters=decided.loc["trained on promoters"],
    random_no_seam=decided.loc["no seam: trained on random positions"],
    promoters_no_seam=decided.loc["no seam: trained on promoters"],
)

# %% [markdown]
# **Kind or amount, promoters or neighbours.** Two of these trainings differ in more than one thing. The random positions are
# many more windows than the promoters. And many test promoters have a neighbour in training. So the model is also trained
# on as many random positions as there are promoters, and on promoters none of which lies within 5,000 bases of a test
# promoter. The table has the accuracy of each seed that was run.

# %% tags=["remove-input"]
show(
    controls.separated,
    controls.of_separated(recorded),
    controls.of_separated(here),
    "Exact accuracy in the thesis's protocol on promoters that the model has not seen: the mean of its seeds, its 95% "
    "interval by the number of promoters, and the difference to the training on promoters in percentage points, the two taken as "
    "independent. Also the precision that the training was computed in.",
    formats={"accuracy": ".3f"},
)

# %% tags=["remove-input"]
show(
    controls.paired_by_promoter,
    controls.of_answers(recorded),
    controls.of_answers(here),
    "Paired: two of these trainings on the same samples of the same test promoters, over the seeds that both have. The 95% "
    "interval of the difference, in percentage points, is a bootstrap over promoters.",
)

# %% tags=["remove-input"]
apart, amount = controls.separated(controls.of_separated(best)), controls.amount(best)
prose(
    "**Amount.** A model saw as many random positions as there are training promoters, and no promoter. Its accuracy minus "
    "that of the training on promoters is {few[minus promoters]}, **{few[verdict]}** ({few[promoters]:,} promoters against "
    "{own[promoters]:,}).\n\n"
    "**Neighbours.** Another model saw no promoter within 5,000 bases of a test promoter. Its accuracy minus that of the "
    "training on promoters is {alone[minus promoters]}, **{alone[verdict]}**.\n\n"
    "On the same samples: {paired}.\n\n"
    "Seeds: {own[seeds]} on promoters, {alone[seeds]} without neighbours, {few[seeds]} on few random positions. Where the "
    "column *computed in* differs, so do the precision and the pretraining that a training starts from. A difference that is "
    "open does not tell whether promoters teach anything that random positions do not.\n\n"
    "**More windows.** The model of {windows:,} random positions is right in {many:.1%} of the promoters, that of "
    "{few[training windows]:,} in {few[accuracy]:.1%}. The difference is {amount.points}, **{amount.verdict}**. It is of one "
    "training of the first kind and {few[seeds]} of the second, on different samples of promoters.",
    paired=controls.paired_in_words(best),
    amount=amount,
    own=apart.loc["promoters"],
    few=apart.loc["random positions, as many as promoters"],
    alone=apart.loc["promoters, none within 5 kb of a test promoter"],
    many=decided.loc["trained on random positions", "promoters"],
    windows=best["random-positions"].record["windows"]["train"],
)

# %% [markdown]
# **Ties.** In some samples more than one boundary passes the rule's test. To take the last or the first is an arbitrary
# choice, and on promoters the choice matters. A rule that takes one of the possible boundaries at random is right with the
# probability 1/n if the true one is among n. The mean of these probabilities is the rule's **expected** accuracy. It is the
# rule's number in all other tables of this chapter.
#
# The last column asks whether the seam is a matter of nine-base words. There, each half is encoded in one piece, with the
# same vocabulary and without words. The rule for this case encodes the bases before a boundary and the bases after it
# again. The boundary is possible if both give the tokens that are there.

# %% tags=["remove-input"]
show(
    controls.ties,
    recorded,
    here,
    "Exact accuracy of the rule where it takes the last of the possible boundaries, the first, or any of them (expected). "
    "The 95% interval is of the expectation and counts different promoters, or random sequences. Expectations with other "
    "halves: 5,000 bases before the TSS; no seam; the usual halves encoded without words.",
    formats=dict.fromkeys(["last", "first", "expected", *controls.OTHERS.values()], ".4f"),
)

# %% tags=["remove-input"]
tied = controls.ties(best)
own = tied.loc[model["species"]]
prose(
    "On the promoters of {species} the rule's expected accuracy is **{own[expected]:.2%}** (95% interval "
    "{own[95% interval]}, {own[promoters]:,} promoters): between the {own[last]:.2%} of the last and the {own[first]:.2%} of "
    "the first boundary. On the same promoters shuffled it is {shuffled[expected]:.2%} ({shuffled[95% interval]}), on random "
    "DNA {random[expected]:.2%} ({random[95% interval]}). Without the seam {own[no seam]:.2%} are left. Without words, the "
    "place where the halves meet is still found in {own[no words]:.2%} of the promoters and in {random[no words]:.2%} of "
    "random DNA. So the seam is not a matter of nine-base words: tokenizing the halves apart is enough.",
    species=model["species"],
    own=own,
    shuffled=tied.loc["shuffled promoters"],
    random=tied.loc["random DNA"],
)

# %% [markdown]
# ## A fair task
#
# The same task without the seam: the promoter is tokenized **across** the TSS, and the TSS lies anywhere inside its
# nine-base word, at random. The label is the token that holds the TSS. Since a token is a few bases long, the distance in
# base pairs is given too. Training and test promoters lie on different chromosomes. The models are compared with methods
# that need no transformer and are fitted to the same training promoters: the constant prediction that is best; the weight matrices
# of the core promoter (TATA box and initiator); a logistic regression on the k-mers around each base.

# %% tags=["remove-input"]
show(
    tss.fair,
    tss.of_the_fair_task(recorded),
    tss.of_the_fair_task(here),
    "The fair task on test chromosomes: the promoters that a method is trained on and tested on, how many test promoters it "
    "is shown, and the accuracy with its 95% interval. Beside it the accuracy minus that of the pretrained Longformer in "
    "percentage points, with one seed. The two are taken as independent: answers by promoter were not kept.",
    formats={"accuracy": ".3f", "median error (bp)": ",.0f"},
)

# %% tags=["remove-input"]
fair = tss.fair(best)
own, other = fair.index.get_level_values("promoters").unique()
prose(
    "Trained in the fair task, Longformer finds the token in {longformer[accuracy]:.1%} of the test promoters of {own} and "
    "{longformer_other[accuracy]:.1%} of those of {other}, with a median error of {longformer[median error (bp)]:,.0f} and "
    "{longformer_other[median error (bp)]:,.0f} bp. The constant prediction is right in {constant[accuracy]:.1%} and "
    "{constant_other[accuracy]:.1%} ({constant[median error (bp)]:,.0f} and {constant_other[median error (bp)]:,.0f} bp), "
    "k-mers in {kmers[accuracy]:.1%} and {kmers_other[accuracy]:.1%} ({kmers[median error (bp)]:,.0f} and "
    "{kmers_other[median error (bp)]:,.0f} bp). K-mers minus Longformer: {kmers[minus pretrained Longformer]} for {own}, "
    "**{kmers[verdict]}**; {kmers_other[minus pretrained Longformer]} for {other}, **{kmers_other[verdict]}**.",
    own=own,
    other=other,
    longformer=fair.loc[own, "Longformer, pretrained"],
    longformer_other=fair.loc[other, "Longformer, pretrained"],
    constant=fair.loc[own, "constant prediction"],
    constant_other=fair.loc[other, "constant prediction"],
    kmers=fair.loc[own, "k-mers, logistic regression"],
    kmers_other=fair.loc[other, "k-mers, logistic regression"],
)

# %% [markdown]
# ## Across species, in both tasks
#
# The thesis's Table 5.2 evaluates one model, trained on human promoters alone, on nine organisms. Of the human promoters it
# takes all, so that "training and validation sequences were also considered, giving an overestimate of accuracy" (section
# 5.2). Here the accuracy of a model on the promoters of its training is that on its test promoters. The table adds the
# model trained on random positions, the rule, the *same* model in the fair task (on all promoters), and the two models
# trained in the fair task. Organisms whose genomes a profile does not have are missing. A FASTA file of windows of your
# own, written `mine.fa@4999` (the index of the TSS) in `organisms`, becomes a row. Windows of 401 bases are cut so that
# their first half leaves the same remainder as one of 4,999. Fewer boundaries lie in them than in one of 10,000 bases, so that
# an exact answer is easier.

# %% tags=["remove-input"]
show(
    tss.table_5_2,
    recorded,
    here,
    "Accuracy by organism; n counts different promoters, and brackets are 95% intervals by them. In the thesis's protocol: "
    "the model trained on promoters, the model trained on random positions, and the rule by expectation. In the fair task: the "
    "first of these models again, and two models that were trained in it. "
    f"Other: trained on {other}, not on {own}.",
    number="5.2",
    thesis=tss.published(),
    on=["species"],
    formats={"accuracy": ".4f"},
)

# %% tags=["remove-input"]
across, thesis = tss.table_5_2(best), tss.published().accuracy
organisms_tied = tied[tied.index.isin(across.index)]
prose(
    "Without a seam the accuracy of Table 5.2's model on promoters of {species}, those of its training among them, is "
    "{same_fair}. With the seam it is {own}, on its test promoters alone.\n\n"
    "The thesis's nine accuracies lie within {thesis_range:.1f} points of each other. The seam explains accuracies of this "
    "size. It is not shown that it explains why they are so even. The rule's accuracies lie within {rule_range:.1f} points of each "
    "other in the {organisms} organisms here. If they were one accuracy, differences of this size or larger would come by chance "
    "with a probability of {equal:.3f} (chi-squared test); where it takes the last boundary, {equal_last:.3f}.",
    species=across.index[0],
    same_fair=across["same model, fair"].iloc[0],
    own=across["accuracy"].iloc[0],
    thesis_range=100 * (thesis.max() - thesis.min()),
    rule_range=100 * (organisms_tied.expected.max() - organisms_tied.expected.min()),
    organisms=len(organisms_tied),
    equal=controls.equal_in_all(organisms_tied, "expected"),
    equal_last=controls.equal_in_all(organisms_tied, "last"),
)

# %% tags=["remove-input"]
show(
    tss.errors,
    recorded,
    here,
    "The fair task in base pairs: the median distance between the TSS and the token that each method predicts. Where windows "
    "are short, samples are short and distances small: compare a column with that of the constant prediction. The medians "
    "have no intervals: a small difference of two says nothing. "
    f"Other: trained on {other}, not on {own}.",
    formats=dict.fromkeys(tss.ERRORS.values(), ",.0f"),
)

# %% [markdown]
# ## What a model of the fair task looks at
#
# Integrated gradients ([Sundararajan et al. 2017](https://arxiv.org/abs/1703.01365)) say how much each token contributes to
# the score of the right token. The figure shows their average over promoters aligned at the TSS, above the sequence logo of
# the same promoters. A model that knows the core promoter would show it between -40 and +10.

# %% tags=["remove-input"]
show(
    tss.draw_attribution,
    recorded,
    here,
    "Above: mean attribution per base around the TSS, with its 95% interval; the title says whose promoters these are, and how "
    "often the model is right. Below: the sequence logo of the grey stretch.",
)

# %% [markdown]
# ## What to take away

# %% tags=["remove-input"]
prose(
    "* **The cut is enough to explain the scores.** A rule that knows only how words are tokenized finds the TSS in "
    "{rule[promoters]:.2%} of promoters and {rule[random DNA]:.2%} of random DNA (thesis: {thesis:.2%} of promoters); without "
    "the seam in {no_seam[promoters]:.2%}. Whether promoters teach a model more than the seam is another question. Trained on as "
    "many random positions, and on no promoter, minus trained on promoters: {few[minus promoters]}, **{few[verdict]}**.\n"
    "* **Section 5.2 does not show that promoters are shared among eukaryotes.** The rule's accuracies are of the same size on "
    "shuffled promoters and on random DNA. The model of Table 5.2 on promoters of other organisms minus the same model on random "
    "DNA: {elsewhere}. Whether it recognises promoters there is not known.\n"
    "* A model that was trained on random positions, and never on a promoter, finds the TSS of promoters, as long as there "
    "is a seam.\n"
    "* Without the seam the model of Table 5.2 fails: its accuracy on promoters of {own}, those of its training among them, is "
    "{same_fair}. A logistic regression on k-mers minus the pretrained Longformer, both trained without a seam: for {other} "
    "{kmers_other[minus pretrained Longformer]}, **{kmers_other[verdict]}**; for {own} {kmers[minus pretrained Longformer]}, "
    "**{kmers[verdict]}**.\n"
    "* After {samples:,} samples the pretrained models find the seam in more test promoters than those without pretraining (one "
    "seed each). Whether that remains after the thesis's {times:.0f} times as many samples is not known.\n"
    "* Nuclear genome minus mitochondria as a start: **{language[verdict]}**. Dropout 0 minus 0.2: **{dropout[verdict]}**.",
    times=times,
    samples=nine["samples"].iloc[0],
    rule=decided.loc["the rule"],
    no_seam=decided.loc["no seam: the rule"],
    thesis=thesis.iloc[0],
    few=apart.loc["random positions, as many as promoters"],
    elsewhere=elsewhere,
    same_fair=across["same model, fair"].iloc[0],
    own=own,
    other=other,
    kmers=fair.loc[own, "k-mers, logistic regression"],
    kmers_other=fair.loc[other, "k-mers, logistic regression"],
    language=decides.loc["nuclear or mitochondria, dropout 0.1"],
    dropout=decides.loc["nuclear, dropout 0 or 0.2"],
)

# %% [markdown]
# What the thesis says of transcription start sites stands claim by claim, beside the number that decides it here, on the page
# [of all claims](07_claims.ipynb).
