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
# # 4 Metagenomics
#
# *Thesis sections 4.2.3 and 5.3.* The **12S gene** of the mitochondrion has about 1,000 bases. Fishes, like all animals, are
# told apart by it: a lab filters water, multiplies a part of the gene, reads it, and asks which species swam there. The
# thesis lets the small Longformer ([Beltagy et al. 2020](https://arxiv.org/abs/2004.05150)), pretrained in chapter 2, name
# the species of a gene with sequencing errors. It reports that pretraining on mitochondria helps very much.
#
# **The questions of this chapter:** does pretraining help, and by how much? Is the wrong language worse than none? Do
# wrong names stay within the order? And, what the thesis leaves open: does the task ask what a lab needs, and how good are
# the methods that people use?

# %% tags=["remove-cell"]
from dnakit.chapters.chapter import open_chapter
from dnakit.chapters.metagenomics import model_results as models
from dnakit.chapters.metagenomics import results as fish
from dnakit.chapters.metagenomics import start_results as starts
from dnakit.report import finished
from dnakit.report.display import prose, show, table
from dnakit.report.thesis import thesis_table

# %% [markdown]
# ## Parameters
#
# The defaults are the *smoke* profile: 54 simulated species, and about a minute on two cores. `dnakit execute --profile laptop
# 04_metagenomics` runs the same cells on the real records of mitohelper.

# %% tags=["parameters", "hide-input"]
profile = "smoke"  # a name for captions
pretrained = "smoke"  # the profile of chapter 2 whose models are the starting points
reference = "simulated"  # records with taxonomy: a name, or a FASTA file with SINTAX headers
accessions = ""  # a list of the records that the thesis's task may use; all when empty
species = 12  # of the thesis's task; 0: all
copies = 12  # samples of each species, the record itself among them (thesis: 32)
lowest_rate = 0.005  # substitutions per base of a copy, at least (thesis: 0.5%)
highest_rate = 0.05  # at most (thesis: 5%)
words = "gene"  # where 9-mer words are counted from: gene, genome, whole, or small vocabulary
trained_share = 1.0  # of the species, for the three trainings
repeated = []  # initializations that are trained on a tenth of the species too
repeat_seeds = []  # with these seeds
global_attention_seeds = []  # seeds of the trainings that compare projections of <cls>
full_size_seeds = []  # seeds of the trainings from the encoder in models/full-size, and of the same ones not pretrained
programs = []  # of vsearch, mmseqs2 and blastn: those that are compared where they are installed
program_samples = 20  # of the thesis's test samples that a program is asked about
asked = 30  # records of each fair task
genomes = "simulated-mitochondria"  # whose other genes are reads of no 12S gene
lineages = ""  # a table of the genomes' lineages, to find birds and mammals; none when empty
mock = ["simulated-barcodes-mock-counts", "simulated-barcodes-mock-composition"]  # communities of known species
reads = ["simulated-barcodes-reads-1", "simulated-barcodes-reads-2"]  # mates of amplicon reads
pictured = 1  # wrong predictions shown of each model (Figures 5.11 to 5.13)
epochs = 2  # the thesis states none; ten in the other profiles
batch_size = 16  # samples of up to 256 tokens
learning_rate = 1.0e-3  # of Adam; the thesis states none
precision = "fp32"  # fp32, bf16, or auto: bf16 where the processor has it
seed = 1  # draws species held out, copies, split and head

# %% tags=["remove-cell"]
chapter = open_chapter("04_metagenomics", globals())
recorded, here = chapter.recorded(), chapter.here()

# %% [markdown]
# ## The records
#
# The laptop profile reads the 12S records of mitohelper (Lim and Thompson 2021, 10.1002/edn3.187): 38,350 records of the
# release of November 2025. The same readers take annotated GenBank files, tables of positions in genomes, and a user's own
# FASTA file with a taxonomy.
#
# **Names.** A species is a plain binomial. A subspecies counts as its species. What is named `sp.`, `cf.` or by a code has
# no species here and keeps its genus. A hybrid has neither.
#
# ## The thesis's protocol
#
# Of each species one record is taken, and 31 copies are made of it. Each copy gets a substitution rate of its own, from
# 0.5% to 5%; all substitutions are equally likely. The 32 samples of all species are shuffled and split 81/9/10. The gene is
# cut into 9-mer words from its first base, encoded, and framed by `<cls>` and `<sep>`. A dense layer on `<cls>` scores the
# species. `<cls>` sees all tokens (*global attention*); after pretraining without it, the projections of `<cls>` begin as
# copies of the local ones.
#
# Note what this asks. A test sample is a copy of a sequence whose other copies were trained on. The task is to recognise a
# **known sequence** through random errors. It does not ask for another fish of the species, and never for a species that is
# not in the reference: with 32 copies, the chance that a species has none in training is 0.19 to the power of 32.

# %% tags=["remove-input"]
pretrained = finished.recorded("02_pretraining")
prose(
    "The pretrainings are rows of chapter 2, small ones in the laptop profile: {mitochondria:,} samples of mitochondria and "
    "{hg38:,} of hg38 (the thesis: about 1.4 and 40 million, if it trained 50 and 20 epochs of our tokens). So what a pretraining "
    "brings here does not say what the thesis's brought.\n\n"
    "The trainings have {species:,} species of mitohelper's release of April 2021, with a whole gene and a plain name each. The "
    "thesis took its genes from MitoFish, with more than 3,000 species. It states neither the release, nor the epochs, nor the "
    "learning rate. Ten epochs are our assumption.",
    species=fish.trainings(recorded)["species"].max(),
    mitochondria=pretrained["longformer-9-mer-mlm"].samples_seen,
    hg38=pretrained["longformer-9-mer-mlm-nuclear"].samples_seen,
)

# %% tags=["remove-input"]
show(
    fish.trainings,
    fish.of_all_species(recorded),
    fish.of_all_species(here),
    "The three trainings. Untrained is the thesis's name for a model that is fine-tuned without pretraining; the text of this book "
    "says not pretrained. Here it begins with chapter 2's initial weights (informed ones in the laptop profile), where the "
    "thesis's begins with random ones. Tokens: mean over the test samples.",
    formats={"tokens": ".1f", "hours": ".2f"},
)

# %% tags=["remove-input"]
show(
    fish.encoders,
    *fish.named((*fish.MODELS, starts.PROJECTIONS.prefix, starts.ENCODERS.prefix), recorded, here),
    "What the trainings of this chapter begin from, and where they were computed. A model that is not pretrained has only the "
    "tokenizer of the encoder. In the names of trainings, none and untrained are not pretrained, and nuclear is hg38.",
)

# %% tags=["remove-input"]
prose(
    "The encoders of two rows of chapter 2 are not the ones in its tables, which have the keys {mitochondria} and {hg38}. They are "
    "the same recipes on the same genomes with the same seed, trained again on the machines that this table names. "
    "`committed-full-size` is the encoder that lies in `models/full-size`.",
    mitochondria=fish.of_chapter_2()["longformer-9-mer-mlm"],
    hg38=fish.of_chapter_2()["longformer-9-mer-mlm-nuclear"],
)

# %% tags=["remove-input"]
show(
    fish.table_5_3,
    fish.of_all_species(recorded),
    fish.of_all_species(here),
    "Mutated 12S genes, Longformer, 9-mers: loss in nats, and accuracy on the test samples, by pretraining.",
    number="5.3",
    thesis=fish.published(),
    on=["pretraining"],
    formats={"loss": ".4f", "top1_accuracy": ".4f", "top5_accuracy": ".4f"},
)

# %% tags=["remove-input"]
show(
    fish.draw_curves,
    fish.of_all_species(recorded),
    fish.of_all_species(here),
    "Loss, top-1 and top-5 accuracy on mutated 12S genes by epoch. Training values are means over an epoch, with dropout.",
    number="Figures 5.8 to 5.10",
)

# %% [markdown]
# Do the models differ by more than chance? All models see the same test samples, so their answers can be compared sample by
# sample. Copies of one species are right or wrong together. The intervals therefore come from a bootstrap that draws whole
# species, the same ones for both models. *Nearest consensus* is a method without training, explained under
# *Simple methods on the same samples*.

# %% tags=["remove-input"]
show(
    models.effects,
    *fish.named("pretraining-effect", recorded, here),
    "How much more often the first names the species of a test sample than the second, with 95% intervals (paired bootstrap "
    "over species; all test samples of the three trainings). One seed: the intervals do not say what another training would give.",
    formats={"top-1, first minus second": "+.4f", "from": "+.4f", "to": "+.4f"},
)

# %% [markdown]
# Another training of the same model, with other random numbers, gives another accuracy. So each start is trained with up to
# three seeds on a tenth of the species, too; the table has how many. A seed draws the copies, the split, the order of the
# samples and the head. Two starts with one seed have the same samples. They need not have the same machine and precision: the
# table of encoders says where each was trained.

# %% tags=["remove-input"]
show(
    fish.by_size,
    *fish.named(fish.MODELS, recorded, here),
    "By number of species: mean top-1 accuracy over the seeds, and differences seed by seed, with the 95% interval of the mean "
    "(Student's t).",
    formats={"top-1": ".4f", "from": ".4f", "to": ".4f"},
)

# %% tags=["remove-input"]
trained, tokens = fish.table_5_3(recorded).set_index("pretraining"), fish.trainings(recorded)["tokens"]
tenths = recorded.only(lambda run: fish.TENTH in run.name)
few = fish.by_size(tenths).index.get_level_values("species").min()
small = fish.by_size(tenths).loc[few, "Mitochondria minus Untrained"]
prose(
    "**Does pretraining help?** With {species:,} species and one seed, yes, with either language: mitochondria minus not pretrained "
    "{mitochondria}, hg38 minus not pretrained {hg38}. These intervals draw species. No second training of this size says how much "
    "the seed changes. With {few} species and {seeds:.0f} seeds mitochondria minus not pretrained is {over_seeds}: open. There every "
    "training names {least:.1%} of the test copies or more.\n\n"
    "**Is the wrong language worse than none?** Not in these trainings. In the thesis the model that was pretrained on "
    "hg38 has a lower top-1 accuracy than the one that is not pretrained ({theirs.top1_accuracy:.4f} and "
    "{without.top1_accuracy:.4f}), and a higher top-5 accuracy ({theirs.top5_accuracy:.4f} and {without.top5_accuracy:.4f}). "
    "Mitochondria minus hg38 is {apart} here: which language is "
    "better is open. One thing differs besides the language. A pretrained model has the vocabulary of its language, and the model "
    "that is not pretrained has that of hg38: a gene has {own:.0f} tokens with the words of mitochondria, and {other:.0f} with "
    "those of hg38. So hg38 minus not pretrained is the effect of pretraining alone.\n\n"
    "{seen}",
    species=fish.trainings(recorded)["species"].max(),
    seeds=small["seeds"],
    over_seeds=models.in_points(*small[["top-1", "from", "to"]]),
    seen=models.said_of_pretrained_species(recorded),
    mitochondria=models.points(recorded, "Mitochondria", "Untrained"),
    hg38=models.points(recorded, "Hg38", "Untrained"),
    apart=models.points(recorded, "Mitochondria", "Hg38"),
    theirs=fish.published().set_index("pretraining").loc["Hg38"],
    without=fish.published().set_index("pretraining").loc["Untrained"],
    few=few,
    least=min(run.value("metrics.test.top1") for run in tenths.values()),
    own=tokens["Mitochondria"],
    other=tokens["Hg38"],
)

# %% [markdown]
# **What does the global attention of `<cls>` owe to pretraining?** The head reads the input through queries, keys and values
# that only `<cls>` has. Masked language modelling without global tokens never trains them. With a global `<cls>` it trains
# those of the first layer alone: nothing is predicted at `<cls>`, so the last layer gets no gradient there. Sentence-order
# prediction trains both. So this book copies the local projections, as Beltagy et al. did, and does not pretrain with a global
# `<cls>` alone. That this would be worse is an argument; the table says whether it was run. It compares beginnings on 2% of
# the species for five epochs, all from an encoder pretrained on mitochondria.

# %% tags=["remove-input"]
show(
    lambda done: starts.table(starts.PROJECTIONS, done),
    starts.of(starts.PROJECTIONS, recorded) or recorded,
    starts.of(starts.PROJECTIONS, here),
    "Validation samples by how the global projections of <cls> begin: share of right species after the first epoch, the second and "
    "the last, and the loss in nats after the last. Samples: of each seed. Differences are paired by seed, with the 95% interval of "
    "their mean (Student's t).",
)

# %% tags=["remove-input"]
begun, copied = starts.table(starts.PROJECTIONS, recorded), starts.PROJECTIONS.kinds["copied"]
prose(
    "With global projections that are copied from the local ones, the model names {copied:.0%} of the validation samples after "
    "the first epoch. With random projections it names {random:.0%} then, and {second:.0%} after the second. So copying saves about "
    "one epoch. After five epochs random minus copied is {end} in the share of right species, and {loss} nats in the loss.",
    copied=begun.loc[copied, "top-1, first epoch"],
    random=begun.loc["random", "top-1, first epoch"],
    second=begun.loc["random", "top-1, second epoch"],
    end=begun.loc["random", f"top-1, end, minus {copied}"],
    loss=begun.loc["random", f"loss, end, minus {copied}"],
)

# %% [markdown]
# **Does an encoder at the thesis's size bring more?** The pretrainings above are small. The encoder in `models/full-size` saw
# 2,430 genomes for 50 epochs (chapter 2). Here the same short training begins from it, and from initial weights. Both have its
# tokenizer and no dropout, and differ in the weights of the encoder alone.

# %% tags=["remove-input"]
show(
    lambda done: starts.table(starts.ENCODERS, done),
    starts.of(starts.ENCODERS, recorded) or recorded,
    starts.of(starts.ENCODERS, here),
    "Validation samples by what the encoder is at the beginning, on 2% of the species for five epochs. Not pretrained: informed "
    "initial weights. Columns as above.",
)

# %% tags=["remove-input"]
encoders = starts.table(starts.ENCODERS, recorded)
initial, full_size = (encoders.loc[kind] for kind in starts.ENCODERS.kinds.values())
prose(
    "From the encoder at full size a model names {trained:.0%} of the validation samples after the first epoch, and from initial "
    "weights {without:.0%}. After the second epoch full size minus initial weights is {second} in the share of right species: open. "
    "After the fifth both name {end:.0%}. Then the loss is higher from the pretrained encoder, by {loss} nats. So this pretraining "
    "saves about one epoch, as copying the projections does. Without it two epochs solve the task, so it has nothing more to gain.",
    trained=full_size["top-1, first epoch"],
    without=initial["top-1, first epoch"],
    second=full_size[f"top-1, second epoch, minus {initial.name}"],
    end=min(full_size["top-1, end"], initial["top-1, end"]),
    loss=full_size[f"loss, end, minus {initial.name}"],
)

# %% [markdown]
# ## Wrong names
#
# Figures 5.11 to 5.13 of the thesis show one wrong prediction of each model: a fish, and the fish that it was named as. The
# pair of the model that was pretrained on mitochondria shares its order, the pairs of the other two share only their class.
# The thesis concludes that pretraining on mitochondria errs at a lower rank, and adds that not all errors were analysed.
# Here its three pairs come first, then the first errors of our models, then all of them.

# %% tags=["remove-input"]
table(
    models.published_errors(),
    "The wrong predictions that the thesis prints: the first tokens of the query, the two species, and the rank that they share "
    "by its captions.",
    number="Figures 5.11 to 5.13",
    provenance="the thesis",
    formats={"figure": ".2f"},
)

# %% tags=["remove-input"]
show(
    lambda done: fish.examples(done, pictured),
    fish.of_all_species(recorded),
    fish.of_all_species(here),
    "Wrong predictions of our models on test samples: the first tokens of the query, the two species, and the lowest rank they share.",
    number="Figures 5.11 to 5.13",
)

# %% tags=["remove-input"]
show(
    fish.shared_ranks,
    fish.of_all_species(recorded),
    fish.of_all_species(here),
    "All wrong predictions: their number, and the share of them by the lowest rank that the true and the predicted species "
    "have in common. Within the order: genus, family and order together.",
    formats=dict.fromkeys([*fish.SHARED, "within the order"], ".1%"),
)

# %% tags=["remove-input"]
show(
    models.draw_errors,
    *fish.named("pretraining-effect", recorded, here),
    "All wrong predictions by the lowest rank in common, with 95% intervals (bootstrap over species; their numbers are in the table "
    "above).",
)

# %% tags=["remove-input"]
kept = models.within_order(recorded)
both, same = models.within_order_of_shared(recorded, "mitochondria", "none")
both_hg38, same_hg38 = models.within_order_of_shared(recorded, "mitochondria", "nuclear")
prose(
    "Of the wrong names, these shares keep the order: mitochondria {kept[Mitochondria]}, hg38 {kept[Hg38]}, not pretrained "
    "{kept[Untrained]}. Mitochondria minus not pretrained is {gain}; mitochondria minus hg38 is {apart}: open (one seed each). "
    "But each share is of the model's own errors, and a model that errs less often errs on other copies. Of the {both} copies that "
    "both name wrong, mitochondria minus not pretrained is {same.points}; of {both_hg38} that mitochondria and hg38 both name wrong, "
    "it is {same_hg38.points}. Either pretraining keeps most errors within the order. So the thesis's example of mitochondria is usual, and its "
    "example of hg38 is not.",
    kept=kept,
    both=both,
    same=same,
    both_hg38=both_hg38,
    same_hg38=same_hg38,
    gain=models.within_order_apart(recorded, "mitochondria", "none"),
    apart=models.within_order_apart(recorded, "mitochondria", "nuclear"),
)

# %% [markdown]
# ## Simple methods on the same samples
#
# A model is worth its training when it beats what needs none. The **consensus** of a species is the commonest base at each
# place of its training copies. The nearest consensus is the one whose 8-mers are most like those of the sample (cosine).
# **Naive Bayes** on 8-mers is the idea of the RDP classifier (Wang et al. 2007, 10.1128/AEM.00062-07). The **search** is this
# project's `dnakit classify`. vsearch, MMseqs2 and BLAST search all training copies. The *ceiling* is what a perfect method
# reaches: some species share a sequence.
#
# The table has two parts. The first has a tenth of the species; its models are the trainings above with seed 1. The second
# has all species, and the three trainings of Table 5.3; there the programs are asked about the first of the test samples
# only, and their shares are of these. Within a part all methods have the same training copies, and all others the same test
# copies.

# %% tags=["remove-input"]
show(
    fish.of_copies,
    *fish.named((*fish.MODELS, "copies-", "trained-species-", "speed"), recorded, here),
    "The species of a mutated copy, by number of species: accuracy of simple methods, programs and transformers. Speed "
    "includes a program's indexing; a CPU second is one of a core, and other work shared the machine.",
    formats={"test samples": ",.0f", "top-1": ".4f", "top-5": ".4f", "reads per CPU second": ",.0f"},
)

# %% tags=["remove-input"]
prose(
    "The thesis says that a species without a training copy “should be unlikely”. Here {known:.1%} of the test copies of all "
    "species are of a species that has training copies. So the task does not ask for a species that the training lacks.",
    known=recorded["copies-ceiling"].value("metrics.test.in_training"),
)

# %% [markdown]
# ## Fair tasks
#
# What a lab meets is another fish of a known species, a species that nobody has sequenced, or a genus that nobody has. So
# records are held out, by the digest of their names: one record of each of some species; whole species; whole genera. Each
# is shown as the whole gene, as a fragment of 150 to 300 bases on either strand, and as the amplicon between the primers
# MiFish-U. For a new species the genus can be right, for a new genus the family.

# %% tags=["remove-input"]
show(
    fish.fair_tables,
    *fish.named("fair-", recorded, here),
    "Share of right names: known species, new species (genus and family), new genus (family). Fragments and amplicons are "
    f"shown on either strand; an amplicon has about 170 bases. {fish.asked(recorded)}",
    formats={"reads per CPU second": ",.0f"},
)

# %% tags=["remove-input"]
show(
    fish.draw_fair,
    *fish.named("fair-", recorded, here),
    "Share of reads whose highest rank that can be right is right, with 95% intervals (bootstrap over species, of new genera over genera; as many reads as in "
    "the table above).",
)

# %% [markdown]
# Is the search, the default of `dnakit classify`, behind another method anywhere? All methods name the same reads, so they are
# compared read by read: that is surer than two intervals side by side. The search is compared with each method on each form and
# rank. Of so many intervals one in twenty does not hold zero by chance where there is no difference at all.

# %% tags=["remove-input"]
show(
    fish.beyond_zero,
    *fish.named("fair-differences", recorded, here),
    "All comparisons of the search with another method whose interval does not hold zero: how much more often the search is right, "
    "with 95% intervals (paired bootstrap over species, of new genera over genera; not corrected for the number of comparisons). Below zero: the other "
    "method is ahead.",
    formats=dict.fromkeys(["search minus it", "from", "to"], "+.4f"),
)

# %% tags=["remove-input"]
compared, clear = fish.comparisons(recorded), fish.beyond_zero(recorded)
prose(
    "Of {all} comparisons {above} are above zero, and {below} below it: {which}. The interval of the other {rest} holds zero.",
    all=len(compared),
    above=(clear["from"] > 0).sum(),
    below=(clear["to"] < 0).sum(),
    which=fish.behind(recorded),
    rest=len(compared) - len(clear),
)

# %% [markdown]
# **And the transformers?** A trained classifier can name only the species that it was trained on. So the models are asked
# about another real record of these species, where there is one. The simple methods know the same one record of each
# species. A read is shown to a model on both strands, and the surer answer counts; fragments are shorter than anything that
# the models were trained on.

# %% tags=["remove-input"]
show(
    models.other_records,
    *fish.named("other-records", recorded, here),
    "Another record of a species that the models were trained on: share of right species, with 95% intervals (bootstrap over "
    "species). Reads: in the order of the columns. One seed of each model. The simple methods ran before the first of equally near "
    "records was taken, and before a rank such as “NA” counted as unknown: asked again, their shares change by 3 of 929 reads at most.",
)

# %% [markdown]
# All models are far below the search. The order of the models is not that of the test copies. Their answers to single reads
# are not recorded, so no paired difference can be computed, and the table does not say which of them is best.

# %% [markdown]
# ## Confidence
#
# `dnakit classify` gives each name a probability that it is right. It rests on how far the nearest record is, how much
# farther the nearest record of another name is, and how many near records agree. It is fitted to reads of records that are
# held out of the reference, and to reads of no fish. The mixture is an assumption: half of the reads are of known species,
# a fifth of new species, a tenth of new genera, the rest of new families, orders and classes, and of no fish. Below, neither
# the index nor the fit has seen the records that are asked about.

# %% tags=["remove-input"]
show(
    fish.calibration,
    *fish.named("confidence", recorded, here),
    "Expected calibration error: the mean gap between the confidence of a name and the share that is right. Reads: weighted to the "
    "mixture. No interval was computed.",
)

# %% tags=["remove-input"]
show(
    fish.draw_confidence,
    *fish.named("confidence", recorded, here),
    "Left: of the names with a confidence, the share that is right. Dotted: what a perfect calibration gives. A point has at "
    "least 0.5% of the reads. Right: the share of wrong names when only the most certain reads are named.",
)

# %% [markdown]
# What of reads that are of no fish? They should stay unassigned. Birds and mammals have a 12S gene too, and the primers of
# MiFish multiply it.

# %% tags=["remove-input"]
show(
    fish.strangers,
    *fish.named("strangers", recorded, here),
    "Reads of no fish: the share that stays unassigned, and the share that gets a class, a family, a species, at a "
    "confidence of 0.8.",
    formats=dict.fromkeys(["unassigned", "a class", "a family", "a species"], ".1%"),
)

# %% [markdown]
# ## Communities of known species
#
# Mock communities are mixed from known species, multiplied and sequenced like water. A name counts as found where at least
# 0.1% of the reads support it. The search names down to the rank that has a confidence of 0.8, or of 0.5. `vsearch` names
# what all of its best hits (97% or more) share. Many species of the mixtures share their amplicon with relatives: an honest
# answer is then the genus.

# %% tags=["remove-input"]
show(
    fish.communities,
    *fish.named("mock", recorded, here),
    "Mock communities, added up: members that are named, members that are missed, names that belong to no member. A species counts "
    "in each community that it is in.",
)

# %% tags=["remove-input"]
prose("{text}", text=models.said_of_calibration(recorded))

# %% tags=["remove-input"]
show(
    fish.draw_shares,
    *fish.named("mock", recorded, here),
    "Share of the reads that the search names at a confidence of 0.8 against share of the DNA, a dot for each genus of a community "
    "whose ratio of DNA is known. The interval of the correlation draws the dots anew.",
)

# %% [markdown]
# ## Real reads
#
# Pairs of MiFish reads of a sample of unknown composition. Primers are cut off where they are found. Both mates are named
# by themselves: they are of the same fish.

# %% tags=["remove-input"]
show(
    fish.agreement,
    *fish.named("reads", recorded, here),
    "Pairs of reads: share of first mates that are named with a confidence of 0.8, and how often both mates of a pair get the same "
    "name where both are.",
    formats={"first mate named": ".1%", "same name": ".2%"},
)

# %% tags=["remove-input"]
show(
    fish.families, *fish.named("reads", recorded, here), "The commonest families (first mates, at a confidence of 0.8)."
)

# %% [markdown]
# ## What to take away

# %% tags=["remove-input"]
copied, short = fish.of_all_copies(recorded), fish.fair_table(recorded, "amplicon")
titles, errors, others = fish.METHODS, fish.calibration(recorded), fish.strangers(recorded)
curve = recorded["confidence"].frame("risk.csv").query("rank == 'class'")
surest = curve[curve["confidence"] == curve["confidence"].max()].iloc[-1]
mixed, again = fish.communities(recorded).loc["species"], models.other_records(recorded)["whole gene"]
right, of_thesis = models.named_right(recorded), thesis_table("B.3").set_index("model")["top1_accuracy"]
searched = recorded["fair-search"].frame("accuracy.csv").set_index(["level", "form", "rank"])
prose(
    "* The thesis's task needs no transformer. The nearest consensus of the training copies names {consensus} of the test "
    "copies; the ceiling is {ceiling:.1%}. Our best model names {best}. Of its own test copies the thesis's small Longformer "
    "names {small:.1%}, and its largest model {large:.1%}. The task is to recognise a known sequence through noise. A consensus "
    "removes the noise by counting.\n"
    "* In one training of each kind (one seed), pretraining helps in this task: mitochondria minus not pretrained {gain}, hg38 "
    "minus not pretrained {wrong}, with the same fine-tuning. So the wrong language is not worse than none here. Mitochondria "
    "minus hg38 is {apart}: open.\n"
    "* Wrong names mostly stay within the order: {kept[Mitochondria]} of them after pretraining on mitochondria, {kept[Hg38]} on "
    "hg38, {kept[Untrained]} without pretraining. Mitochondria minus hg38 is {kept_apart}: open.\n"
    "* The models learn the records better than the species: of another record of the same species, as a whole gene, they name "
    "{again[Longformer, Mitochondria]} (pretrained on mitochondria), {again[Longformer, Hg38]} (on hg38) and "
    "{again[Longformer, Untrained]} (not pretrained), where the search names {found_by_search}. Of fragments and amplicons they "
    "name next to none; they never saw any.\n"
    "* A lab needs another task: another record of a known species, or the genus of a new one. It is harder: the search names the "
    "species of {known} of the whole genes and of {amplicon} of the amplicons. Of new species it names the genus of {genus} of "
    "the whole genes, of new genera the family of {family}.\n"
    "* The search is the default of `dnakit classify`. In {above} of {columns} comparisons with other methods on the fair tasks "
    "it is ahead by more than the interval of the difference, in {below} it is behind (listed above; not corrected for the "
    "number of comparisons). The search names {times:.0f} times as many amplicons per CPU second as vsearch. No transformer enters it.\n"
    "* The confidence is off by {least:.1f} to {most:.1f} points on average, by rank (expected calibration error on {calibrated:,} reads, for the "
    "stated mixture; no interval). At the rank of class the error rate is not lowest where the confidence is highest: of the {coverage:.0%} of reads "
    "that have the highest confidence, {risk:.1%} get a wrong one. Of {of_birds:,} amplicons of birds {birds:.1%} stay unassigned, of {of_mammals:,} of "
    "mammals {mammals:.1%}.\n"
    "* In mock communities a species often shares its amplicon with a relative. At a confidence of 0.5 the search names "
    "{found} of {members} members to the species and gives {false} false names; vsearch names {by_vsearch} and gives "
    "{false_by_vsearch}. At 0.8 the search names {careful}, and most others down to the genus. {by_draw}",
    by_draw=models.said_of_calibration(recorded),
    consensus=right["nearest consensus"],
    ceiling=copied["top-1"][titles["ceiling"]],
    best=right[trained["top1_accuracy"].idxmax()],
    small=of_thesis["Longformer (baseline)"],
    large=of_thesis["Large Longformer (deep head)"],
    gain=models.points(recorded, "Mitochondria", "Untrained"),
    wrong=models.points(recorded, "Hg38", "Untrained"),
    apart=models.points(recorded, "Mitochondria", "Hg38"),
    kept=kept,
    kept_apart=models.within_order_apart(recorded, "mitochondria", "nuclear"),
    again=again,
    found_by_search=again[titles["search"]],
    known=models.percent(searched.loc["known", "gene", "species"]),
    amplicon=models.percent(searched.loc["known", "amplicon", "species"]),
    genus=models.percent(searched.loc["species", "gene", "genus"]),
    family=models.percent(searched.loc["genus", "gene", "family"]),
    above=(clear["from"] > 0).sum(),
    columns=len(compared),
    below=(clear["to"] < 0).sum(),
    times=short["reads per CPU second"][titles["search"]] / short["reads per CPU second"][titles["vsearch"]],
    least=100 * errors["expected calibration error"].min(),
    most=100 * errors["expected calibration error"].max(),
    calibrated=errors["reads"].max(),
    coverage=surest["coverage"],
    risk=surest["risk"],
    of_birds=others["reads"]["birds, amplicon"],
    birds=others["unassigned"]["birds, amplicon"],
    of_mammals=others["reads"]["mammals, amplicon"],
    mammals=others["unassigned"]["mammals, amplicon"],
    found=mixed["found"]["search at 0.5"],
    members=mixed["members"]["search at 0.5"],
    false=mixed["false names"]["search at 0.5"],
    by_vsearch=mixed["found"]["vsearch"],
    false_by_vsearch=mixed["false names"]["vsearch"],
    careful=mixed["found"]["search at 0.8"],
)

# %% [markdown]
# What the thesis says of naming fishes stands claim by claim, beside the number that decides it here, on the page
# [of all claims](07_claims.ipynb).
