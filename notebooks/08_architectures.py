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
# # 8 Architectures
#
# *Thesis section 4.1 and Appendix B.1.* The thesis trains four models: a small Longformer ([Beltagy et al.
# 2020](https://arxiv.org/abs/2004.05150)); a "Longalbert", which is an Albert ([Lan et al.
# 2020](https://arxiv.org/abs/1909.11942)) with the attention of Longformer; a larger Longformer; and ELMo ([Peters et al.
# 2018](https://doi.org/10.18653/v1/N18-1202)). This book computes the same models with less work.
#
# **The question of this chapter:** what are these models, are ours the same as the published ones, and what do they cost?

# %% tags=["remove-cell"]
import tempfile

import torch
from transformers import LongformerForMaskedLM

from dnakit.chapters.architectures import results
from dnakit.chapters.chapter import open_chapter
from dnakit.models.build import build, describe
from dnakit.report.display import figure, prose, table
from dnakit.report.thesis import thesis_table

# %% [markdown]
# ## Parameters

# %% tags=["parameters", "hide-input"]
profile = "smoke"  # a name only: all profiles show the same
vocab_size = 30_000  # tokens (thesis: 30,000 for all but 6-mers)

# %% tags=["remove-cell"]
chapter = open_chapter("08_architectures", globals())
measured = results.results()
machine = results.provenance(measured)

# %% [markdown]
# ## The models
#
# Where the thesis leaves a size open, the default of the `transformers` library ([Wolf et al.
# 2020](https://doi.org/10.18653/v1/2020.emnlp-demos.6)) stands: a feed-forward layer of 3,072 for the Longformer, and of
# 16,384 for Albert. The thesis writes of a "16384-dimensional intermediate input embedding"; we read this as the feed-forward
# layer. Under this reading the Longalbert has *more* parameters than the Longformer, and the thesis's "excessive reduction of
# parameters" does not explain why it overfits. Another reading would give other numbers.

# %% tags=["remove-input"]
table(
    describe(vocab_size),
    f"The architectures of the thesis as language models with a vocabulary of {vocab_size:,} tokens. Width and feed-forward "
    "are numbers of neurons, the window is in tokens. ELMo has two bidirectional LSTM layers and no attention.",
)

# %% [markdown]
# ## Are they the same models?
#
# In the Longformer a token attends to the 8 tokens on either side of it, and to the global tokens. The library computes
# this in chunks that overlap. `dnakit.models.attention` works in blocks of 16 tokens: for each block it gathers all tokens
# that the block attends to, and computes ordinary attention. This is no approximation. A model that is saved here and
# opened in the plain library gives the same logits (the scores of the tokens). The tests compare the outputs and the
# gradients of every parameter, for windows of 2 to 512 tokens, odd lengths, padding, and any number of global tokens.

# %%
torch.manual_seed(1)
ours = build("longformer", "mlm", vocab_size).eval()
tokens = torch.randint(5, vocab_size, (2, 256))
with tempfile.TemporaryDirectory() as folder, torch.no_grad():
    ours.save_pretrained(folder)
    stock = LongformerForMaskedLM.from_pretrained(folder).eval()
    difference = (ours(input_ids=tokens).logits - stock(input_ids=tokens).logits).abs().max()
print("largest difference of a logit below 1e-5:", bool(difference < 1e-5))

# %% [markdown]
# ## Time and memory
#
# Five things make a training step faster here:
#
# * attention is computed in blocks;
# * logits are computed only for the tokens that the loss needs, and a few at a time, so that batch × length × vocabulary
#   numbers are never held in memory;
# * the layers after the last attention are computed for these tokens only;
# * dropout draws one random number for four elements;
# * products of matrices are in bf16 (16-bit numbers) where the processor has it.
#
# Each measurement is made beside a peer, the code it is compared with, in the same process and in turns. The ratio is the
# time of the peer divided by our time: the median over the turns, which can differ from the ratio of the two medians in the
# table. The peer of a training step is the plain (*stock*) transformers library with the
# same weights, batch, dropout, precision and fused Adam.
#
# *Products at full rate* is the part of our step that its matrix products would take at the rate at which this machine
# computes one large product. No other code for the rest of the step could save more than what is left.

# %% tags=["remove-input"]
table(
    results.table(measured),
    "Time in milliseconds: tokenization (9-mer words, one thread) per million bases against the tokenizers library, with "
    "reads of 170 bases and genomes of 16,600; a training step of 16 × 256 tokens and the inference of one sequence against "
    "stock transformers in the same precision. All tokens: the loss of the thesis. Selected tokens: the loss of BERT. The peer "
    "of ELMo is our Longformer. Allocator: how the program gets memory; default: it gives memory back and asks the system again, "
    "which costs time (page faults); kept: it keeps what it has.",
    provenance=machine,
    formats={"ours_ms": ",.1f", "peer_ms": ",.1f", "ratio": ".1f", results.FULL_RATE: ".0%"},
)

# %% tags=["remove-input"]
prose(
    "A read of 170 bases that is encoded alone takes {read:.1f} µs, {alone:.0f} times less than with the library. The goal of "
    "{goal:.0f} times is {wanted:.1f} µs; a call that encodes nothing takes {empty:.1f} µs. Encoded together, reads take "
    "{together:.0f} times less than with the library. The first call of a process compiles the loop and fills the table. It takes "
    "{first:.1f} s longer, in which the library encodes {first_bases:.0f} million bases.",
    **results.of_reads(measured),
)

# %% tags=["remove-input"]
table(
    results.against_fp32(measured),
    "The same training steps against stock transformers in fp32 (32-bit numbers), which a user without bf16 has. Gflops: the "
    "rate of one large matrix product on this machine, in thousand million operations per second.",
    provenance=machine,
    formats={"ratio": ".1f", results.FULL_RATE: ".0%", "gflops": ",.0f"},
)

# %% tags=["remove-input"]
table(
    results.goals(measured),
    "The goals of this project, and what was measured: ratios to the peer, and in the last row the cost of a token in inputs of 4,096 "
    "over that in inputs of 256. A step is one with the loss of the selected tokens. With the default allocator the time of stock "
    "transformers depends on the cost of a page fault at the moment, and so does the ratio. Nothing was measured on a GPU yet.",
    provenance=machine,
    formats={"goal": ".1f", "default allocator": ".2f", "kept allocator": ".2f"},
)

# %% [markdown]
# Where does the time of a step go? The profiler sorts its operations by kind. *Matrix products* are those of the layers and
# of the decoder. *Loss* is the softmax over the vocabulary. *Attention* is the products and the softmax within windows. The
# profile is made in a process of its own, with the default allocator. What a page fault costs differs from one process to the
# next, so its sums are not the times of the table above.

# %% tags=["remove-input"]
figure(
    results.draw_by_kind(measured),
    "Time of a training step by kind of operation with the default allocator, mean of two steps, stock transformers and ours. The "
    "shorter a bar is beside its matrix products, the less is left to gain. Kinds below 3% of the longest bar are drawn as other.",
    provenance=machine,
)

# %% tags=["remove-input"]
table(
    results.profiled(measured),
    "The same in milliseconds per step, with the sum, and the share of the sum that the matrix products took.",
    provenance=machine,
    formats=dict.fromkeys([*results.by_kind(measured).index, "sum"], ",.0f") | {"products_measured": ".0%"},
)

# %% tags=["remove-input"]
products = results.of_products(measured)
prose(
    "This share counts the products as they ran: {measured_fp32} of our steps in fp32, {measured_bf16} in bf16. The one in the tables "
    "above has them at full rate.",
    **products,
)

# %% tags=["remove-input"]
figure(
    results.draw(measured),
    "Time and peak memory per 1,000 tokens, forward and backward, of the thesis's encoder with four kinds of attention. Where "
    "a line is flat, the cost grows in proportion to the input.",
    provenance=machine,
)

# %% tags=["remove-input"]
table(
    results.growth(measured),
    "Milliseconds and peak megabytes (MB) per 1,000 tokens in short and long inputs. Growth is the median ratio of the times.",
    provenance=machine,
    formats={"growth": ".2f"} | dict.fromkeys(results.growth(measured).columns[:-1], ",.0f"),
)

# %% [markdown]
# ## What the thesis states of its trainings
#
# The thesis profiles of this book take what stands in the table below. The thesis does not state:
#
# * the batch sizes, and whether a rate changes in training;
# * the feed-forward layer of the Longformer, and the dropout of the encoders: here they are the library's defaults;
# * the learning rates of sections 4.2.2 to 4.2.4, and the epochs of section 4.2.3;
# * the epochs of each pretraining: Appendix B.2 gives 50 for the baseline, and Table 5.1 gives 20 for the Longalbert on hg38;
# * which tokens have global attention;
# * over which tokens the loss of pretraining is: we read "all", because section 5.1 says that for 85% of the tokens the task is
#   to copy them;
# * whether the masks of the small models are drawn once: we read "once", because Appendix B.2 says that the large Longformer,
#   other than the baseline, has new ones in each epoch.

# %% tags=["remove-input"]
table(
    thesis_table("hyperparameters").set_index(["section", "subject"]),
    "What the thesis states, by its sections. Where it gives no value, there is no row.",
    provenance="the thesis, typed",
)

# %% [markdown]
# ## What to take away

# %% tags=["remove-input"]
cost = results.goals(measured)
prose(
    "* The models of this book are the published ones: a checkpoint of one opens in the other.\n"
    "* With the loss over the selected tokens, a training step in fp32 is {step[default allocator]:.1f} times as fast as that of "
    "stock transformers, which computes all tokens, and {step[kept allocator]:.1f} times where both keep their memory.\n"
    "* Whole genomes are tokenized {genomes[default allocator]:.0f} times as fast as by the library, and single reads "
    "{reads[default allocator]:.0f} times.\n"
    "* In inputs of 4,096 tokens a token costs {length[default allocator]:.2f} times as much as in inputs of 256.\n"
    "* Where the program keeps its memory, the matrix products at full rate would take {full_rate_fp32} of our step in fp32 and "
    "{full_rate_bf16} in bf16. Only the rest can still become faster.\n"
    "* `make bench` measures your machine and writes `benchmarks/results.json`. This page shows what stands there.",
    step=cost.loc["step, fp32"],
    genomes=cost.loc["tokenization, genomes, one by one"],
    reads=cost.loc["tokenization, reads, one by one"],
    length=cost.loc["cost per token, 4,096 over 256"],
    **products,
)
