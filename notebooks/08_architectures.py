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
# # The architectures, exact and fast
#
# *Thesis section 4.1 and Appendix B.1.* The thesis trains a small Longformer {cite}`beltagy2020longformer`, a
# "Longalbert" (Albert {cite}`lan2020albert` with Longformer's attention), a larger Longformer, and ELMo
# {cite}`peters2018elmo`. This book computes the same models, weight for weight, with less work.
#
# **The question of this chapter:** what are these models, are ours the same as the published ones, and what do they cost?

# %% tags=["remove-cell"]
import tempfile

import torch
from transformers import LongformerForMaskedLM

from dnakit.chapters.architectures import results as speed
from dnakit.models import build as models
from dnakit.report.display import figure, figure_style, table

torch.manual_seed(1)
figure_style()

# %% [markdown]
# ## Parameters

# %% tags=["parameters"]
profile = "smoke"  # a name only: all profiles show the same
vocab_size = 30_000  # tokens (thesis: 30,000 for all but 6-mers)

# %% [markdown]
# ## What they are
#
# What the thesis leaves open is the default of the `transformers` library {cite}`wolf2020transformers`: a feed-forward
# layer of 3,072 for the Longformer, of 16,384 for Albert (the thesis's "16384-dimensional intermediate input embedding"
# is read as this one). The Longalbert thereby has *more* parameters than the Longformer, and "excessive reduction of
# parameters" cannot explain its overfitting.

# %% tags=["remove-input"]
table(
    models.describe(vocab_size),
    f"The thesis's architectures as language models with a vocabulary of {vocab_size:,}. ELMo has two bidirectional LSTM "
    "layers and no attention.",
)

# %% [markdown]
# ## Are they the same models?
#
# A Longformer token attends to the 8 tokens on either side of it and to the global ones. The library computes this in
# overlapping chunks; `dnakit.models.attention` gathers, for each block of 16 queries, the keys that can be seen from it, and computes
# ordinary attention. That is not an approximation: saved here and opened in the plain library, a model gives the
# same logits. (The tests compare outputs and the gradients of every parameter, for windows of 2 to 512, odd lengths,
# padding and any number of global tokens.)

# %%
ours = models.build("longformer", "mlm", vocab_size).eval()
tokens = torch.randint(5, vocab_size, (2, 256))
with tempfile.TemporaryDirectory() as folder, torch.no_grad():
    ours.save_pretrained(folder)
    stock = LongformerForMaskedLM.from_pretrained(folder).eval()
    difference = (ours(input_ids=tokens).logits - stock(input_ids=tokens).logits).abs().max()
print("largest difference of a logit below 1e-5:", bool(difference < 1e-5))

# %% [markdown]
# ## What they cost
#
# What makes a training step faster: attention in blocks; logits only where a token is scored, in pieces that are forgotten
# at once, so that batch × length × vocabulary numbers are never held; what follows the last attention computed for the
# scored tokens alone; dropout that draws four elements' fates at once; and bf16 products where the processor has them.
# Each line is measured beside its peer in the same process, in turns; the ratio is the peer's time over ours. Stock
# transformers runs with the same weights, batch, dropout, precision and fused Adam.

# %% tags=["remove-input", "nbval-ignore-output"]
measured = speed.results()
line = speed.provenance(measured)
table(
    speed.table(measured),
    "Tokenization against the tokenizers library (milliseconds for a million bases), training steps of 16 × 256 tokens and "
    "inference of one sequence against stock transformers in the same precision. All tokens is the thesis's loss, selected "
    "tokens BERT's. Matmul share is the part of our step that its matrix products would take at this machine's rate for "
    "one large product. ELMo's peer is our Longformer. Kept: malloc told to keep its memory, which spares stock transformers "
    "most of its page faults.",
    provenance=line,
    formats={"ours_ms": ",.1f", "peer_ms": ",.1f", "ratio": ".1f", "matmul_share": ".0%"},
)

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    speed.against_fp32(measured),
    "The same training steps against stock transformers in fp32, what a user without bf16 starts from, and this machine's "
    "rate for one large matrix product in thousand million operations a second, which the share is taken of.",
    provenance=line,
    formats={"ratio": ".1f", "matmul_share": ".0%", "gflops": ",.0f"},
)

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    speed.goals(measured),
    "The goals this project set itself, and what was measured; a step is one with the loss of the selected tokens. Under "
    "the default malloc, stock's time depends on how dear a page fault is at the moment, and so does the ratio. On a GPU "
    "nothing was measured yet.",
    provenance=line,
    formats={"goal": ".1f", "default malloc": ".2f", "kept malloc": ".2f"},
)

# %% [markdown]
# What remains? The profiler sorts a step's operations by kind. Matrix products are the layers' and the decoder's; loss is
# the softmax over the vocabulary around them; attention the products and the softmax within windows.

# %% tags=["remove-input", "nbval-ignore-output"]
figure(
    speed.draw_by_kind(measured),
    "What a training step's time is spent on, stock transformers and ours: the shorter the bar beside the matrix products, the "
    "less is left to gain.",
    provenance=line,
)

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    speed.by_kind(measured).T.rename_axis("training step"),
    "The same in milliseconds a step.",
    provenance=line,
    formats=dict.fromkeys(speed.by_kind(measured).index, ",.0f"),
)

# %% tags=["remove-input", "nbval-ignore-output"]
figure(
    speed.draw(measured),
    "Time and peak memory for 1,000 tokens, forward and backward, of the thesis's encoder with four kinds of attention. A "
    "flat line is a cost that grows in proportion to the input.",
    provenance=line,
)

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    speed.growth(measured),
    "Cost of a token in short and long inputs; growth is the ratio of the times.",
    provenance=line,
    formats={"growth": ".2f"} | dict.fromkeys(speed.growth(measured).columns[:-1], ",.0f"),
)

# %% [markdown]
# ## What to take away
#
# * The models of this book are the published ones: a checkpoint of either opens in the other.
# * With page faults out of the way on both sides (kept), matrix products are most of what remains of our step in fp32, so
#   that no other code for the rest could make it much faster; in bf16 they are little more than half of it.
# * `make bench` measures your machine and writes `benchmarks/results.json`, which this page shows.
