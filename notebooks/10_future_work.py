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
# # 10 Future work
#
# *Thesis section 6.2.* The thesis ends with what it did not try. Chapter 9 has the benchmark that it asks for. This chapter
# makes one small experiment of each of its three other proposals:
#
# 1. **Quality of reads.** A sequencer gives each base a *Phred score* Q: it states an error probability of 10 to the
#    power of -Q/10. Can a transformer use it?
# 2. **Balanced contexts.** A genome has far more coding sequence than promoters, or the other way round. Is a language model
#    better when it sees coding, promoter and other sequence equally often?
# 3. **Replaced tokens.** ELECTRA ([Clark et al. 2020](https://arxiv.org/abs/2003.10555)) learns to tell which tokens a small
#    model has replaced. Is this better than masked tokens at the same cost?
#
# **Read this first.** The models are small, and they learn from little, where the thesis had days of a GPU. An effect that
# needs much training cannot appear here. What is not run yet is shown as *not run*.

# %% tags=["remove-cell"]
from dnakit.chapters.chapter import open_chapter
from dnakit.chapters.future_work import results as future
from dnakit.chapters.future_work import sentences
from dnakit.report.display import prose, show

# %% [markdown]
# ## Parameters
#
# The defaults are the *smoke* profile: simulated fishes and a simulated genome. `dnakit execute --profile laptop
# 10_future_work` runs the same cells on real records, real qualities and the yeast genome. The reads are simulated in either.

# %% tags=["parameters", "hide-input"]
profile = "smoke"  # a name for captions
records = "simulated-barcodes-sequences"  # 12S genes
taxa = "simulated-barcodes-taxonomy"  # their taxonomy
qualities = ["simulated-barcodes-reads-1", "simulated-barcodes-reads-2"]  # FASTQ files: only their qualities are used
species = 12  # whose reads are named
reads = 8  # of each species, to learn from
test_reads = 10  # of each species
lowered = [0, 10]  # Phred that is taken from every quality before the errors are drawn
genome = "simulated-nuclear-a"  # FASTA, one record a chromosome
promoters = "simulated-nuclear-a-promoters"  # BED of start sites
held_out = ["simA6"]  # chromosomes for the test
shortest_frame = 150  # bases of an open reading frame that counts as coding
window = 306  # bases, whole 9-mers
samples = 96  # windows that a masked language model learns from; the same cost for the others
evaluated = 20  # held-out windows of each context
probed = 30  # windows of each context that the probe learns from
vocab_size = 300  # tokens, in both experiments
hidden_size = 64  # of all models; thesis: 256
intermediate_size = 64  # of the feed-forward layers; the thesis does not state it, the library's is 3,072
seeds = [1]  # of the trainings
epochs = 1  # over the reads; a window is seen once
batch_size = 16
learning_rate = 1.0e-3  # of Adam
precision = "fp32"  # fp32, bf16, or auto: bf16 where the processor has it
seed = 1  # draws strings of quality, test reads and test windows

# %% tags=["remove-cell"]
chapter = open_chapter("10_future_work", globals())
recorded, here = chapter.recorded(), chapter.here()

# %% [markdown]
# ## 1 Quality of reads
#
# *The thesis:* "One possible solution with a transformer is to modify the attention mechanism in order to weight the query
# based on the quality of each token". It asks how a token, which has several bases, gets one quality.
#
# **The reads.** For a fair answer the truth must be known. So each read is the beginning of a real MiFish amplicon of a known
# species, and gets the quality string of a real read of the same primers. At each base an error is drawn with the probability
# that its quality states. The pattern of the qualities along a read is thus real, and the species is known. Two things are
# not real: errors are substitutions only, and the qualities are right on average. The mock communities of chapter 4 have no
# qualities, and the real reads of that chapter have no known species; neither can decide this question. The species are
# those that are hardest to tell apart: the nearest other one often differs in a single base.
#
# **The methods.** Each stands beside the same method without qualities:
#
# * *mismatches* counts bases that differ from the species' sequence. *likelihood* weighs them by quality. It knows how the
#   errors were drawn, so no method can be better on these reads.
# * *k-mers* counts 8-mers of the read that the species has. *trimmed* first cuts off ends of low quality, as is usual.
#   *weighted* counts each 8-mer with the probability that all of its bases are right.
# * The small Longformer learns from such reads, and `<cls>` names the species. Quality is *ignored*; or the *mean* or the
#   *minimum* of a token's Phred scores is added to the token's vector; or *attention* to a token is multiplied by the
#   probability that all of its bases are right, to a power that is learned. The four begin with the same weights and see the
#   same reads in the same order.
#
# Much cannot be expected. Where two species differ in one base, and just this base is read wrong, its quality says that it is
# doubtful. It does not say what the base was.

# %% tags=["remove-input"]
show(
    future.reads_table,
    future.of_reads(recorded),
    future.of_reads(here),
    "Simulated reads of real genes with real quality strings: share whose species is named right, and the gain over the same method "
    "without qualities, in points. In brackets: 95% intervals (bootstrap over species; the gain of a Longformer has the wider one of "
    f"this and of Student's t over the seeds). {future.about_reads(recorded)} 10 Phred lower: ten times the errors.",
)

# %% tags=["remove-input"]
show(
    future.draw_reads,
    future.of_reads(recorded),
    future.of_reads(here),
    "The gains of the table above with their 95% intervals. Left of the line: qualities harm.",
)

# %% [markdown]
# ## 2 Balanced contexts
#
# *The thesis:* "Splitting the training corpus into coherent 'contexts' […] and balancing them, this should produce a
# 'multilingual' contextual embedding".
#
# The laptop profile takes the yeast genome, because it shows its contexts without an annotation of genes: its promoters are
# in EPDnew, and most of its long open reading frames are genes. A base is of a promoter from 250 bases before to 50 after a
# start site; else it is coding where an open reading frame covers it; else it is other. The genome is cut into windows, and a
# window has the context of most of its bases. Two chromosomes are held out.
#
# Both pretrainings draw the same number of windows. *Natural* draws each window alike, *balanced* each context alike. The
# loss is that of the selected tokens, as in the best recipes of chapter 2. The frequencies of tokens are a control: a model
# that knows only these gains by balancing where its frequencies then fit better.

# %% tags=["remove-input"]
show(
    future.contexts_table,
    future.of_contexts(recorded),
    future.of_contexts(here),
    "Windows of each context: how many the chromosomes have.",
)

# %% tags=["remove-input"]
show(
    future.bits_table,
    future.of_contexts(recorded),
    future.of_contexts(here),
    "Bits that a masked base of held-out chromosomes costs, by context; mean: of the three contexts, each alike. More than 2 "
    "are possible: the length of the masked token has to be guessed too. Balanced minus natural: below 0 balancing helps; 95% "
    "intervals (of the Longformer the wider one of a bootstrap over windows and of Student's t over the seeds; of frequencies the "
    "bootstrap). The last row takes off what token frequencies gain. Windows: the evaluated ones of the table above.",
)

# %% [markdown]
# ## 3 Replaced tokens
#
# *The thesis:* "Using an Electra-style adversarial masking to increase learning performance."
#
# A small masked language model, the *generator*, fills the masked tokens with what it finds likely. The model that is wanted
# tells for every token whether it was replaced. It learns from all tokens, but a sample costs more: the generator, and a last
# block for all tokens instead of the selected ones. So it gets fewer samples: as many as cost the same number of
# floating-point operations.
#
# The two objectives have no loss in common. So a **probe** compares them: the model stays as it is, and a logistic regression
# on the mean hidden state of a window names its context, coding, promoter or other, on held-out chromosomes. The controls are
# the same model before any training, and the frequencies of 4-mers.

# %% tags=["remove-input"]
show(
    future.probe_table,
    future.of_contexts(recorded),
    future.of_contexts(here),
    "Share of held-out windows (the evaluated ones above) whose context the probe names right (a third by chance), with 95% "
    "intervals (bootstrap over windows, seeds together: they do not count how seeds differ), and what each pretraining costs. "
    "Minutes depend on the machine and what else it does.",
    formats={"samples": ",.0f", "minutes": ".1f"},
)

# %% [markdown]
# ## What to take away

# %% tags=["remove-input"]
prose(
    "* **Quality.** {simple} {model} The comparisons are not corrected for their number.\n"
    "* **Balance.** {balance}\n"
    "* **Replaced tokens.** {replaced}\n"
    "* All trainings here are small. A difference that is not seen here may exist at the thesis's size.",
    simple=sentences.said_of_methods(recorded),
    model=sentences.said_of_models(recorded),
    balance=sentences.said_of_balance(recorded),
    replaced=sentences.said_of_replaced(recorded),
)
