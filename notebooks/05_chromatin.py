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
# *Thesis sections 4.2.4 and 5.4.* DNA is packed into **chromatin**. Where it is open, which proteins bind it and which marks
# its histones carry differs from place to place, and the sequence decides part of it. DeepSEA ([Zhou and Troyanskaya
# 2015](https://doi.org/10.1038/nmeth.3547)) made this a benchmark: 1,000 bp of DNA in, 919 yes-or-no profiles out. The thesis
# fine-tunes its Longformer on it.
#
# **The question of this chapter:** do scores such as the thesis's stand when no neighbour of a test bin is in training? Do
# longer inputs help, and pretraining? How far is a small transformer from simple methods and from convolutional networks?

# %% tags=["remove-cell"]
from dnakit.chapters.chapter import open_chapter
from dnakit.chapters.chromatin import control_results, feature_results, results, takeaways, training_results
from dnakit.report import finished
from dnakit.report.display import prose, show
from dnakit.report.thesis import thesis_table

# %% [markdown]
# ## Parameters
#
# The defaults are the *smoke* profile: a simulated genome. `dnakit execute --profile laptop 05_chromatin` runs the same
# cells on real profiles. For your own data give FASTA files in `genome`, a BED file or a folder of peak files in `peaks`,
# and the chromosomes to hold out. A table in `features` may name the kind of each feature (DNase, TF, histone) and the
# chromosomes where it is unlabelled. A piece of a chromosome is named as `samtools faidx` does: `chr10:87000001-91000000`.

# %% tags=["parameters", "hide-input"]
profile = "smoke"  # a name for captions
pretrained = "smoke"  # profile of chapter 2 whose tokenizers and encoders are taken
organism = "simulated"  # whose profiles: simulated, human-slices, yeast, deepsea
other_organism = ""  # a second one for the methods without a network; empty: none
genome = []  # your own: FASTA files,
peaks = ""  # a BED file that names features in column 4, or a folder with one peak file per feature,
features = ""  # and a table with the columns feature, kind and unlabelled (chromosomes); empty: none
validation_chromosomes = []  # held out in the split by chromosome; empty: the organism's own
test_chromosomes = []
rows = 0  # of DeepSEA's training file the first so many (thesis: 200,000); 0: all
wide_windows = [2000]  # bases of windows with more real context, beside the 1,000 of DeepSEA
deepsea_rows = ""  # a table of DeepSEA's rows whose tokens are counted as well; empty: none
published = ""  # a table of published scores of DeepSEA's features; empty: none
repeats = 1  # seeds of each row of Table 5.4: trainings that differ in nothing else
epoch_samples = 48  # training bins per epoch, drawn anew each epoch; 0: each bin once
evaluation_samples = 0  # validation bins that are scored after each epoch; 0: all
network_scale = 0.05  # width of the convolutional networks; 1: as published
pictured = 6  # binding sites whose bases are changed one by one
epochs = 2  # thesis: 10
batch_size = 8  # windows
learning_rate = 5.0e-3  # of Adam (thesis: not stated for this task)
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

# %% tags=["hide-input"]
chapter = open_chapter("05_chromatin", globals())
recorded, here = chapter.recorded(), chapter.here()
real = here.only(lambda run: not run.record["simulated"])  # numbers of a simulated genome say nothing of biology
drawn = real if "none-256" in recorded else here  # so tables and figures show recorded runs, as soon as there are some

# The recorded runs behind a table, so that the line below it names those alone
simple = recorded.only(lambda run: "methods" in run.metrics)
trained = recorded.only(lambda run: "test" in run.metrics)
rows_of_table = training_results.trained_as(recorded, network="longformer")
first_seed = rows_of_table.only(lambda run: run.value("record.parameters.repeat") == 0)
looked_into = recorded.only(lambda run: "motifs" in run.metrics)

# %% [markdown]
# ## Neighbours
#
# The inputs of two adjacent bins share 800 of their 1,000 bases, and their labels are alike. When rows are split at random,
# nearly every test row has a neighbour in training. Three splits show what that does: **random**; **random, 1 kb apart**, with
# the same test rows, and no training row within 1 kb of one; and **by chromosome**, where whole chromosomes are held out.
#
# The thesis does not say how it split these rows, only that 81% of them are for training, 9% for validation and 10% for the
# test. We read: at random, as it says of its genomes (4.2.1) and of its fishes (4.2.3). If it took three contiguous blocks of
# rows, only the rows at the edges of the blocks had neighbours in another part, and what this section finds says little of its
# scores.

# %% tags=["remove-input"]
show(
    results.splits,
    simple,
    real,
    "Rows in each part, and the share of the test rows that have a training row within 1 kb.",
    formats={"neighbour in training": ".1%"},
)

# %% [markdown]
# ## Methods without a network
#
# Four simple methods set the scale. **Nearest bins** copies the labels of the nearest training bins. It sees no sequence at
# all, so that its score is what position alone is worth. **GC content** is a ridge regression on the share of G and C.
# **6-mers** is a ridge regression on the counts of all 6-mers (a 6-mer and its reverse complement are one). **Gapped 7-mers**
# is a logistic regression on the counts of words of seven bases of which five are read, the two others being anything. Such
# words were the state of the art before networks ([Ghandi et al. 2014](https://doi.org/10.1371/journal.pcbi.1003711)).
# The penalty on large weights is the one with the best score of the validation rows. With *random, 1 kb apart* the training rows
# near those are left out for that choice, because the test rows have no neighbours either.
#
# AUROC is the chance that a positive bin scores above a negative one: 0.5 by guessing. AUPRC is the area under the
# precision-recall curve: by guessing the share of positives. Both are means over the features of a kind that have at least
# ten positives in the test rows.
#
# The 95% intervals come from 200 *resamples*: blocks of 100 kb of the test rows are drawn with replacement. Because there are
# only 200, each end of an interval has a standard error of about a tenth of its distance from the middle. A resample has a
# higher AUPRC than the test rows, on average. So the intervals of AUPRC, here and below, are shifted upwards: most values stand
# below the middle of their interval, some near its lower end.

# %% tags=["remove-input"]
show(
    results.draw_simple_methods,
    simple,
    real,
    "Mean AUROC by kind of feature. Where labels copied from the nearest bins score high, the test measures position. On "
    "another chromosome they are at chance. 1 kb apart they are near it for DNase and transcription factors, and not for "
    "histone marks.",
)

# %% tags=["remove-input"]
show(
    results.simple_table,
    simple,
    real,
    "Mean AUROC and mean AUPRC with 95% intervals (200 resamples), and median AUROC, by kind of feature.",
    formats={f"median {kind}": ".3f" for kind in results.KINDS},
)

# %% tags=["remove-input"]
scores = results.simple_methods(recorded or here)
prose(
    "With the random split, labels of the nearest bins alone reach a mean AUROC of **{dnase:.3f}** for DNase, **{tf:.3f}** for "
    "transcription factors and **{histone:.3f}** for histone marks, without a look at the sequence. 6-mers reach "
    "{dnase_6:.3f}, {tf_6:.3f} and {histone_6:.3f}; with whole chromosomes held out {dnase_far:.3f}, {tf_far:.3f} and "
    "{histone_far:.3f}, where gapped 7-mers reach {dnase_gap:.3f}, {tf_gap:.3f} and {histone_gap:.3f}, and GC content alone has "
    "{dnase_gc:.3f}, {tf_gc:.3f} and {histone_gc:.3f}. Table 5.4 of the thesis has one split, which we read as "
    "random.",
    **results.by_kind(scores, "random", "nearest bins"),
    **results.by_kind(scores, "random", "6-mers", "_6"),
    **results.by_kind(scores, "by chromosome", "6-mers", "_far"),
    **results.by_kind(scores, "by chromosome", "gapped 7-mers", "_gap"),
    **results.by_kind(scores, "by chromosome", "GC content", "_gc"),
)

# %% tags=["remove-input"]
prose(takeaways.apart(recorded or here))

# %% tags=["remove-input"]
prose(takeaways.best_simple(recorded))

# %% [markdown]
# ## What is "AUC all"?
#
# Table 5.4 of the thesis has AUCs of .84 to .93 for the three kinds and an "AUC all" of .61 to .72. The thesis does not define
# it. Its Appendix A.3 speaks of "averaging the AUC for each of the variables" in multi-label tasks. By that, AUC all would be
# the mean of the AUCs of all profiles. It cannot be: a mean over all profiles lies between the means of the three kinds, not
# below all of them. One other reading: every label of every feature is one list, and predictions are cut at 0.5. Then the area
# under the curve is (recall + specificity) / 2. It measures the threshold and not the ranking.

# %% tags=["remove-input"]
prose(takeaways.auc_all())

# %% tags=["remove-input"]
show(
    results.flattened,
    simple.only(lambda run: run.record["split"] == "random"),
    real,
    "Three readings of one set of predictions, with the random split: the area of the answers at 0.5, that of all "
    "probabilities as one list, and the mean over features.",
    formats=dict.fromkeys(["precision", "recall", "AUC, thresholded", "AUC, flattened", "mean AUROC"], ".3f"),
)

# %% [markdown]
# ## How many tokens has an input?
#
# The thesis compares inputs of 256, 512 and 1,024 tokens and finds that longer inputs help DNase and histone features. But
# the input has 1,000 bp. How many tokens are these? They are counted with this book's tokenizers, in the words of nine bases
# that they were trained on, and as one word, where byte-pair encoding may join across the borders of 9-mers.

# %% tags=["remove-input"]
show(
    results.tokens,
    recorded.only(lambda run: run.name == "tokens"),
    real,
    "Tokens of windows around bins, and the share of the windows that fit into inputs of 256, 512 and 1,024 tokens: up to "
    "1,000 bins of the organism, taken evenly (human-slices: the slices of hg38), and the first 100 rows of DeepSEA's "
    "training file (deepsea-100). The tokenizers are those that chapter 2 trained on nuclear and on mitochondrial DNA.",
    formats=dict.fromkeys(["fit 256", "fit 512", "fit 1024"], ".1%") | {"median": ",.0f"},
)

# %% tags=["remove-input"]
best = recorded or here
counted = results.of_words(results.tokens(best), bases=1_000)
printed = thesis_table("wrong_tokens")["true"].str.len()
prose(
    "With this book's tokenizers the 1,000 bp of an input are **{fewest:,.0f} to {most:,.0f} tokens** of {data}: {fits:.1%} "
    "of the windows fit into 256 tokens. What an input of 512 or 1,024 tokens adds is padding. This book's models mask "
    "padding, so that more of it changes no prediction (a test holds that). The thesis's tokens are shorter: 250 to 260 in a "
    "12S gene are some 3.9 bases each (chapter 1). The {printed} true tokens that it prints in Figures B.1 and B.2 have {letters} "
    "bases, {each:.2f} each, which makes about {tokens:.0f} tokens of an input. So 256 tokens may cut its windows, and 512 and "
    "1,024 are the same input. Where Table 5.4 gains from 512 to 1,024 tokens, for DNase .8833 to .8918, it is no effect of "
    "context; a gain from 256 to 512 may be one.",
    fewest=counted["fewest"].min(),
    most=counted["most"].max(),
    fits=counted["fit 256"].mean(),
    data=" and ".join(counted.index.unique("sequences")),
    printed=len(printed),
    letters=printed.sum(),
    each=printed.mean(),
    tokens=1_000 / printed.mean(),
)

# %% [markdown]
# ## Table 5.4: the thesis's five trainings
#
# Three initializations at 256 tokens, and weights that are not pretrained (the thesis: *untrained*) at 256, 512 and 1,024
# tokens, here with a random split. Those weights are chapter 2's initial weights (*informed* ones in the laptop profile),
# where the thesis's are random. `<cls>` attends globally; where the encoder was pretrained without global attention,
# its global projections start as copies of the local ones. Positives weigh 8 in the loss. Each training sees the same number
# of samples, which is far less than the thesis's on a laptop. A dash stands where a row is not trained yet.

# %% tags=["remove-input"]
prose(training_results.encoders(trained or here, finished.recorded("02_pretraining")))

# %% tags=["remove-input"]
show(
    training_results.table_5_4,
    rows_of_table,
    drawn,
    "Scores on the test rows, means over seeds. Our AUC all is the area of the answers at 0.5, the thesis's is not defined; "
    "the other AUCs are means over the features of a kind.",
    number="5.4",
    thesis=training_results.published(),
    on=training_results.TABLE_KEYS,
    formats=dict.fromkeys(["loss", "precision", "recall", "AUC all", "AUC DNase", "AUC TF", "AUC histone"], ".4f"),
)

# %% tags=["remove-input"]
show(
    training_results.figure_5_14,
    first_seed,
    drawn,
    "Loss by epoch on training and validation rows, first seed.",
    number="5.14",
)

# %% tags=["remove-input"]
show(
    training_results.figure_5_15,
    first_seed,
    drawn,
    "Mean AUROC of the validation rows by epoch, first seed. An area is computed from a histogram of the logits. Diamonds, at "
    "the right edge, are the thesis's values of Table 5.4: of its test rows, not of validation rows.",
    number="5.15",
)

# %% [markdown]
# Differences of .005 decide the thesis's sentences on initialization and length. Trainings that differ in nothing but the
# seed show how much a difference has to be. With three seeds the interval of a mean (Student's t) is more than twice as
# wide as the three values lie apart.

# %% tags=["remove-input"]
show(
    training_results.spread,
    rows_of_table,
    drawn,
    "Mean AUROC by kind over the seeds of each row, with the 95% interval of the mean where there are several.",
    formats=dict.fromkeys(["DNase", "TF", "histone"], ".3f"),
)

# %% [markdown]
# The next table has the differences themselves. Two trainings are compared on the same test rows. There are two
# sources of chance: other test rows (blocks of 100 kb are drawn anew, the same for both trainings) and, where there are
# several seeds, other seeds. Each gives an interval, and at each end the wider of the two is shown. (Both sources together would
# make it up to two fifths wider.) Where it holds zero, the difference is open. With one seed each it says nothing of others.
# These intervals come from more resamples than those of single methods, because it matters whether they hold zero. The standard
# error of an end is about 3% of its distance from the middle. Where an end lies nearer to zero than that, the difference is open,
# too.

# %% tags=["remove-input"]
if "comparisons" in recorded or real:
    show(
        control_results.differences,
        control_results.of_differences(recorded),
        control_results.of_differences(real),
        "Differences of mean AUROC and AUPRC between two trainings on the same test rows, with 95% intervals "
        f"({control_results.resamples(recorded or real, 'comparisons')} resamples). Features: over which the means are "
        "(DNase / TF / histone).",
    )

# %% [markdown]
# ## Without neighbours
#
# The same Longformer, DeepSEA's convolutional network and DanQ ([Quang and Xie 2016](https://doi.org/10.1093/nar/gkw226)) in
# their published shapes, and gapped 7-mers, all on the same rows. What a network keeps when whole chromosomes are
# held out is what it reads from the sequence. On the human genome these are one stretch of 8.8 Mb of chr18 for the test and 4 Mb of chr10
# for validation: the intervals are of other blocks of such a stretch, not of other chromosomes. The recorded networks were trained with
# the laptop profile's rate of 3e-4 and batches of 16, all alike: no rate was chosen for a network. *Samples seen* are training bins times epochs; gapped 7-mers see each training
# bin once. *Minutes* are of one core, training with validation, beside whatever else the machine did.

# %% tags=["remove-input"]
show(
    control_results.networks,
    control_results.of_networks(recorded),
    drawn,
    "Mean AUROC with 95% intervals of other test rows (200 resamples), and mean AUPRC, by split; the first seed of each "
    "network.",
    formats={f"AUPRC {kind}": ".3f" for kind in results.KINDS} | {"minutes": ".1f"},
)

# %% [markdown]
# With whole chromosomes held out GC content is the least that a network should reach, and gapped 7-mers have the highest means
# of the simple methods. The next table has the differences on the same test rows. The 95% interval is that of other test rows.
# Where it holds zero, the difference is open.

# %% tags=["remove-input"]
if control_results.OVER_SIMPLE in recorded or real:
    show(
        control_results.over_simple_methods,
        control_results.of_over_simple_methods(recorded),
        real,
        "Mean AUROC and AUPRC of a method minus those of a simple one, whole chromosomes held out, with 95% intervals "
        f"({control_results.resamples(recorded or real, control_results.OVER_SIMPLE)} resamples); one seed of each network. "
        "Features: over which the means are (DNase / TF / histone).",
    )

# %% [markdown]
# ## Feature by feature
#
# A mean over features hides that some are easy and others hard. DeepSEA's and DanQ's areas were published for each feature of
# DeepSEA ([Quang and Xie 2016](https://doi.org/10.1093/nar/gkw226)), from training on 4.4 million rows and testing on chr8
# and chr9. Features here are paired with those of the same target in the same cell. The rows and the budget are others, so
# that points need not lie on the diagonal. What compares is the order. A high rank correlation says that the same
# features are hard.

# %% tags=["remove-input"]
show(
    feature_results.draw_published,
    recorded.only(lambda run: run.name in feature_results.BESIDE),
    real,
    "AUROC of each feature with whole chromosomes held out, beside the published AUROC of DeepSEA. Dotted: equal. Line at "
    "0.5: by guessing.",
)

# %% tags=["remove-input"]
by_feature = feature_results.published_scores(best)
prose(
    "The rank correlations are {ranks} (95% intervals, as if features were independent). Where one holds zero, it is open whether "
    "the same features are hard for both.\n\n"
    "For CTCF, whose motif is long and its own, DeepSEA's published area is **{published:.3f}** on average; gapped 7-mers here "
    "reach **{here:.3f}**. For TAF1, which binds at promoters, it is {taf1_published:.3f} and {taf1_here:.3f}. There GC content "
    "alone has {area:.3f} (mean of {count} features). How well a method does on profiles such as CTCF tells whether it has "
    "learned motifs.",
    ranks=feature_results.ranks_in_words(by_feature),
    **feature_results.of_target(by_feature, "CTCF", "gapped 7-mers"),
    **{f"taf1_{name}": value for name, value in feature_results.of_target(by_feature, "TAF1", "gapped 7-mers").items()},
    **feature_results.of_target_by(best, "simple-chromosomes", "GC content", "TAF1"),
)

# %% [markdown]
# ## Longer inputs: padding, and real context
#
# Does a longer input help? With 1,000 bp there is nothing to make it longer with. This book cuts padding that no input
# needs (*longest input* in the table: the tokens of the longest window, rounded up to a multiple of 32). Real context
# needs more bases. With windows of 2,000 bp and more the model sees it. There, whole chromosomes are held out: the wider
# the windows, the more bases do neighbours share.

# %% tags=["remove-input"]
prose(takeaways.padding(best))

# %% tags=["remove-input"]
show(
    control_results.lengths,
    control_results.of_lengths(trained),
    drawn,
    "Mean AUROC and AUPRC by length of the input, with the 95% interval of the mean over seeds where there are several.",
)

# %% tags=["remove-input"]
prose(takeaways.context(best))

# %% [markdown]
# ## The weight of positives
#
# The thesis weighs positives by 8 and concludes from its precision and recall that this "did not adequately solve the class
# imbalance problem". The weight moves all probabilities up. So it decides what lies above 0.5.

# %% tags=["remove-input"]
show(
    control_results.weights,
    trained.only(lambda run: run.name in ("none-256", "none-256-weight-1")),
    drawn,
    "The same training with positives weighted by 8 and by 1. A calibrated model's mean probability is the share of "
    "positive labels.",
    formats=dict.fromkeys(
        [
            "precision at 0.5",
            "recall at 0.5",
            "mean probability",
            "share positive",
            "AUC, thresholded",
            "AUC, flattened",
        ],
        ".3f",
    ),
)

# %% tags=["remove-input"]
show(
    control_results.draw_weights,
    trained.only(lambda run: run.name in ("none-256", "none-256-weight-1")),
    drawn,
    "Left: precision and recall over thresholds, with a ring at 0.5. Right: of the labels that got a probability, the share that "
    "is positive. With a weight of 8 the ring lies at a higher recall, on nearly the same curve, and probabilities are too "
    "high.",
)

# %% tags=["remove-input"]
prose(takeaways.weight(best))

# %% [markdown]
# ## The other strand
#
# A profile belongs to both strands, but a model that reads tokens sees another text on the other one.

# %% tags=["remove-input"]
show(
    control_results.strands,
    control_results.of_strands(trained),
    drawn,
    "How far the probabilities of the two strands differ on average, and mean AUROC of one strand and of both averaged; first "
    "seed of each, no interval.",
    formats={"mean difference": ".4f"}
    | {f"{kind}{end}": ".3f" for kind in ("DNase", "TF", "histone") for end in ("", ", both")},
)

# %% [markdown]
# ## What a model looks at
#
# Does a model find the motifs that are known? They are looked for in the test bins where their factor is bound, with whole
# chromosomes held out. Each base in and around a motif is replaced by the three others. How far the predicted logit falls
# is the importance of the base. A model that has learned a motif shows its letters; one that has not shows noise. First
# stand gapped 7-mers. Their logit is a sum over the words of a window, and a base is part of seven of them,
# so that its importance is known without a prediction. The networks are DanQ on the human profiles and DeepSEA's on
# yeast, each with two of the motifs. Mind the scales of the panels.

# %% tags=["remove-input"]
show(
    feature_results.draw_mutagenesis,
    looked_into.only(lambda run: run.name.startswith("mutagenesis")),
    real if looked_into else here,
    "Mean importance of each base around a motif: how far the logit falls when it changes. Below each panel stands the known "
    "motif. N is any base, Y is C or T, R is A or G, S is C or G, K is G or T.",
)

# %% [markdown]
# That looks only where a motif is. The next table asks the other way round: where does a model look? In all test windows
# where a factor is bound, the ten neighbouring bases of the highest importance are taken, wherever in the 1,000 bp they
# lie. They *hold the motif* if they share seven bases or more with a match of it on either strand. For gapped 7-mers
# importance is exact; for networks it is estimated for all bases at once from the gradient of the logit. Two controls:
# ten bases at a random place of the same windows, and the same windows with their bases in a random order. No model can
# find a motif in more windows than have it, so *with motif* is the most that *top ten bases* can reach. A match has every base
# of the consensus: a site with one other base counts as none.

# %% tags=["remove-input"]
show(
    feature_results.motifs,
    looked_into.only(lambda run: run.name.startswith("motifs")),
    real if looked_into else here,
    "Shares of windows: those with the motif anywhere, and those whose most important ten bases hold it, with the 95% "
    "interval (Wilson). It counts windows as independent; neighbouring ones share bases, so that it is too narrow.",
    formats=dict.fromkeys(["with motif", "top ten bases", "ten bases at random", "top ten bases, shuffled"], ".1%"),
)

# %% [markdown]
# ## What it costs

# %% tags=["remove-input"]
show(
    control_results.costs,
    trained,
    drawn,
    "Samples that each training saw, minutes of training with validation (of all seeds together), and milliseconds per "
    "sample.",
    formats={"minutes": ".1f", "ms per sample": ".0f"},
)

# %% [markdown]
# ## What to take away

# %% tags=["remove-input"]
prose(takeaways.takeaways(best))

# %% [markdown]
# What the thesis says of chromatin profiles stands claim by claim, beside the number that decides it here, on the page
# [of all claims](07_claims.ipynb).
