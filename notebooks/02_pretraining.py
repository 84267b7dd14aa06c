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

# %% tags=["remove-cell"]
from pathlib import Path

from dnakit import pretraining, store
from dnakit.metrics import copy_baseline, skill
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
tokenizations = ["6-mer", "9-mer", "12-mer", "BB"]  # one model each; BB: BigBird-style
genomes = [20, 20, 20, 10]  # for each tokenization, all splits together
vocab_sizes = [5000, 2000, 2000, 2000]  # targets (thesis: 5,000, then 30,000)
longest_genome = 25_000  # bases; longer records are left out
resamplings = 2  # passes over each genome for BB (thesis: 10)
mlm_loss = "all"  # loss over all tokens (thesis), or the "masked": selected ones (BERT)
masking = "static"  # one draw of masks, or "dynamic": anew each epoch (B.2)
epochs = 3  # thesis: 50
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
# not samples, are split 81/9/10. Each tokenization is one run, trained once and kept in the store under a key of
# everything that went into it; asking again costs nothing.

# %%
choices = {
    "profile": profile,
    "source": source,
    "tokenizations": tokenizations,
    "genomes": genomes,
    "vocab_sizes": vocab_sizes,
    "longest_genome": longest_genome,
    "resamplings": resamplings,
    "mlm_loss": mlm_loss,
    "masking": masking,
    "epochs": epochs,
    "batch_size": batch_size,
    "learning_rate": learning_rate,
    "precision": precision,
    "seed": seed,
}
runs = pretraining.runs(choices)
here = {name: run.train() for name, run in runs.items()}

# %% tags=["remove-input"]
recorded = store.recorded("02_pretraining")
here_line = pretraining.provenance(here, profile)
recorded_line = pretraining.provenance(recorded, "recorded")
size_digits = {"minutes": ".1f", "tokens a second": ","}

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    pretraining.sizes(recorded),
    "The recorded runs, on real genomes; minutes with validation, beside another run on the same processor.",
    provenance=recorded_line,
    formats=size_digits,
)

# %% tags=["remove-input", "nbval-ignore-output"]
table(pretraining.sizes(here), "The runs of this page.", provenance=here_line, formats=size_digits)

# %% [markdown]
# ## Training
#
# Solid lines are the validation genomes, dashed lines the training genomes (averaged over the epoch while the weights
# move, and with dropout, so early on they lie above the validation loss). Diamonds are the thesis's final values. Over
# all tokens, the level every accuracy climbs to at once is that of copying the input.

# %% tags=["remove-cell"]
groups = {
    "recorded, real genomes": pretraining.histories(recorded),
    f"this run, {profile}": pretraining.histories(here),
}
thesis = pretraining.published()
ends = thesis[thesis.model.str.startswith("Longformer")].set_index("tokenizer")
both_lines = f"{recorded_line} | {here_line}"
scope, over = ("", "all tokens, as in the thesis") if mlm_loss == "all" else ("masked_", "the tokens shown as <mask>")
accuracies, perplexities = (ends[name].to_dict() if mlm_loss == "all" else {} for name in ("accuracy", "perplexity"))
remark = "" if mlm_loss == "all" else " This run's loss was over the selected tokens alone: it was never asked to copy."

# %% tags=["remove-input", "nbval-ignore-output"]
figure(
    pretraining.draw_histories(groups, f"{scope}loss", "loss (nats a token)", {}),
    f"Losses by epoch for the tokenizations trained so far (Longformer, MLM), over {over}. The thesis prints no final "
    "losses; its figure falls fastest for BigBird-style words.",
    number="5.1",
    provenance=both_lines,
)

# %% tags=["remove-input", "nbval-ignore-output"]
figure(
    pretraining.draw_histories(groups, f"{scope}accuracy", "accuracy", accuracies),
    f"MLM accuracies by epoch, over {over}.",
    number="5.2",
    provenance=both_lines,
)

# %% tags=["remove-input", "nbval-ignore-output"]
figure(
    pretraining.draw_histories(groups, f"{scope}perplexity", "perplexity", perplexities, log=True),
    f"Perplexities by epoch, e to the loss in nats, over {over}.",
    number="5.3",
    provenance=both_lines,
)

# %% [markdown]
# ## Beside the thesis

# %% tags=["remove-input", "nbval-ignore-output"]
shown = ["model", "accuracy", "perplexity"]
table(
    beside(thesis[shown], pretraining.results(recorded)[shown], pretraining.results(here)[shown], on=["model"]),
    "Pretraining performance on the validation genomes (MLM), the rows that exist so far. Recorded and this run are the "
    "final epoch; the thesis trained 50 epochs on 2,000 to 4,000 genomes. Of its reference rows, BigBird's perplexity is "
    f"2 to the power of its bits per base, not per token, and 0.85 should be 0.865, see below.{remark}",
    number="5.1",
    provenance=both_lines,
    formats={"accuracy": ".4f", "perplexity": ".4f"},
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
    pretraining.meanings(pretraining.results(recorded)),
    "Recorded runs, validation genomes: accuracy over all tokens, skill above copying, and the masked tokens alone.",
    provenance=recorded_line,
    formats=digits,
)

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    pretraining.meanings(pretraining.results(here)),
    "This run: the same columns.",
    provenance=here_line,
    formats=digits,
)

# %% tags=["remove-input", "nbval-ignore-output"]
table(
    pretraining.predictions(recorded["longformer-9-mer-mlm"]),
    "Predictions of the recorded 9-mer model on validation genomes, in the manner of the thesis's Figures B.1 and B.2. "
    "Tokens the model did not see are in square brackets.",
    provenance=recorded_line,
)

# %% [markdown]
# ## What to take away

# %% tags=["remove-input", "nbval-ignore-output"]
numbers = pretraining.results(recorded).set_index("tokenizer")
prose(
    "* On real genomes the recorded 9-mer model reaches an accuracy of **{accuracy:.4f}** over all tokens (thesis: "
    "{thesis:.4f}), but names only **{masked:.1%}** of the masked tokens right: its skill above copying is {skill:.3f} (of the thesis's {thesis_skill:.3f}).\n"
    "* An accuracy over all tokens cannot be read without its copy baseline, and a perplexity over all tokens is mostly "
    "that of copying: {perplexity:.2f} over all, {masked_perplexity:,.0f} over the masked ones.\n"
    "* The recorded runs are far smaller than the thesis's ({epochs} epochs instead of 50), so they say how the curves "
    "begin, not where they end: the recorded tokenizations copy after an epoch, and none names more than "
    "{most:.1%} of the masked tokens yet. Which of them learns best cannot be told at this size.",
    accuracy=numbers.accuracy["9-mer"],
    thesis=ends.accuracy["9-mer"],
    masked=numbers.masked_accuracy["9-mer"],
    skill=pretraining.meanings(pretraining.results(recorded)).skill["9-mer"],
    thesis_skill=skill(ends.accuracy["9-mer"]),
    perplexity=numbers.perplexity["9-mer"],
    masked_perplexity=numbers.masked_perplexity["9-mer"],
    epochs=numbers.epochs["9-mer"],
    most=numbers.masked_accuracy.max(),
)
