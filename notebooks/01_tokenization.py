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
# # Words for a language without blanks
#
# *Thesis section 4.2.1.* A transformer reads tokens, and DNA has no words to make them from. The thesis
# {cite}`lorello2021` cuts a genome into **words** of a fixed length (6, 9 or 12 bases) or, as BigBird does
# {cite}`zaheer2020bigbird`, of random length, and lets **byte-pair encoding** {cite}`gage1994bpe,sennrich2016bpe`
# split each word into tokens of a vocabulary learned from all of them.
#
# **The question of this chapter:** what do these four choices make of the same genomes? How large are the vocabularies
# really, how many bases does a token hold, how much genome fits into the model's 256 tokens, and what does BigBird's
# resampling cost?

# %% tags=["remove-cell"]
from pathlib import Path

from dnakit import store
from dnakit.chapters.tokenization import runs as vocabularies
from dnakit.report.display import beside, figure, figure_style, prose, table, thesis_table

figure_style()

# %% [markdown]
# ## Parameters
#
# The defaults are the *smoke* profile: simulated genomes, a minute on two cores. `dnakit execute --profile laptop
# 01_tokenization` runs the same cells on real ones, with the values in `params/laptop/`. Only genomes of animal size are
# drawn: the thesis speaks of chromosomes of about 15 kb, while RefSeq also holds plant mitochondria of several Mb.

# %% tags=["parameters"]
profile = "smoke"  # a name for captions
source = "simulated-mitochondria"  # in data/sources.yaml, or a FASTA file
tokenizations = ["6-mer", "9-mer", "12-mer", "BB"]  # BB: BigBird-style words
genomes = [40, 40, 40, 40]  # for each tokenization, all splits together
vocab_sizes = [5000, 2000, 2000, 2000]  # targets (thesis: 5,000, then 30,000)
longest_genome = 25_000  # bases; longer records are left out
resamplings = 2  # passes over each genome for BB (thesis: 10)
seed = 1  # draws genomes, splits and random words

# %% tags=["remove-input"]
prose(
    "This page was made with the **{profile}** profile: `{source}`, {genomes} genomes for {words}, seed {seed}.",
    profile=profile,
    source=Path(source).name,
    genomes=", ".join(f"{count:,}" for count in genomes),
    words=", ".join(tokenizations),
    seed=seed,
)

# %% [markdown]
# ## Data
#
# Each tokenization draws its genomes at random, sets a tenth of them aside for testing and a tenth of the rest for
# validation. The tokenizer learns from the training genomes only (the thesis does not say; learning it from all would
# leak a little of the test genomes into the vocabulary).

# %%
choices = {
    "profile": profile,
    "source": source,
    "tokenizations": tokenizations,
    "genomes": genomes,
    "vocab_sizes": vocab_sizes,
    "longest_genome": longest_genome,
    "resamplings": resamplings,
    "seed": seed,
}
measurements = vocabularies.runs(choices)
here = {name: measurement.train() for name, measurement in measurements.items()}

# %% tags=["remove-input"]
splits = vocabularies.splits(here)
table(
    beside(thesis_table("dataset_sizes")[["tokenizer", "train", "validation", "test"]], None, splits, on=["tokenizer"]),
    "Genomes in each split. The thesis counts BigBird-style resamplings as genomes (2,000 genomes, ten times each).",
    provenance=vocabularies.provenance(here, profile),
)

# %% [markdown]
# ## From bases to words to tokens
#
# The first 45 bases of a genome, cut and encoded by each tokenizer. A bar `|` ends a word, a blank ends a token. The
# k-mer frames start at the first base; a BigBird-style word is 50 to 500 bases long and starts anywhere, so the stretch
# lies inside one word.

# %% tags=["remove-input"]
table(
    vocabularies.example(measurements, bases=45),
    "One stretch of a validation genome in each tokenization.",
    provenance=vocabularies.provenance(here, profile),
)

# %% [markdown]
# Letters other than A, C, G and T have a stated policy: lower case is upper case, U is T, and anything else (N, the
# IUPAC codes) is an unknown base. A run of unknown bases inside a word becomes one `<unk>`; the known letters around it
# stay in frame.

# %%
tokenizer = next(iter(measurements.values())).corpus.tokenizer
ids = tokenizer.encode_sequence("acgtacNNNNNNNNRTTAcgu")
print(*tokenizer.convert_ids_to_tokens(ids.tolist()))

# %% [markdown]
# **Algorithm 1, repaired.** As printed, BigBird's word splitting never advances its start and reads a variable before
# it is set. Here sentences of 1 to 10,000 bases follow each other from a random start in the first 500, and each is
# cut into words of 50 to 500 bases; each pass over the genome draws anew. BPE learns from one pass; the samples use
# all.
#
# ## What the vocabularies are
#
# The thesis asks for 5,000 tokens from 6-mers and 30,000 from the others, and argues that for 6-mers BPE does nothing:
# there are only 4,096 of them, so each becomes a token.

# %% tags=["remove-input"]
columns = [
    "genomes",
    "vocabulary",
    "used",
    "whole_words",
    "tokens_per_word",
    "bases_per_token",
    "unigram_bits_per_base",
]
digits = {"used": ".1%", "whole_words": ".1%", "tokens_per_word": ".2f", "bases_per_token": ".2f"}
digits |= {"unigram_bits_per_base": ".3f"}
table(
    vocabularies.overview(here)[columns],
    "This run: tokens learned, the share of them the training genomes use, the share of words that stay whole, tokens a "
    "word, bases a token, and the entropy of the token frequencies over the bases they cover (2 would be random DNA).",
    provenance=vocabularies.provenance(here, profile),
    formats=digits,
)

# %% tags=["remove-input"]
recorded = store.recorded("01_tokenization")
recorded_line = vocabularies.provenance(recorded, "recorded")
table(
    vocabularies.overview(recorded)[columns],
    "Recorded on real genomes: the same columns.",
    provenance=recorded_line,
    formats=digits,
)

# %% tags=["remove-input"]
figure(
    vocabularies.draw_token_lengths(recorded or here),
    "Token lengths, of the tokens in the genomes (filled) and of the entries of the vocabulary (outline).",
    provenance=recorded_line,
)

# %% [markdown]
# ## How much genome fits into 256 tokens
#
# A sample is `<cls>`, 254 tokens and `<sep>`. The thesis finds 250 to 260 tokens in the 12S gene of about 1,000 bases
# with 9-mers, or some 3.9 bases a token, and notes that inputs of 6-mers hold a shorter sequence than those of 9- or
# 12-mers, *even after BPE*.

# %% tags=["remove-input"]
figure(
    vocabularies.draw_inputs({"recorded, real genomes": recorded, f"this run, {profile}": here}),
    "Bases that 254 tokens span: median, and a bar from the 5th to the 95th percentile of the samples.",
    provenance=f"{recorded_line} | {vocabularies.provenance(here, profile)}",
)

# %% tags=["remove-input"]
reach = vocabularies.overview(recorded)
shorter = reach.input_bases["6-mer"] < min(reach.input_bases["9-mer"], reach.input_bases["12-mer"])
prose(
    "On real genomes the median full input spans **{six:,.0f}** bases in 6-mers, **{nine:,.0f}** in 9-mers, "
    "**{twelve:,.0f}** in 12-mers and **{bb:,.0f}** in BigBird-style words. That 6-mers hold the shortest input "
    "**{verdict}**: nearly every 6-mer is one token of six bases, while a 9-mer falls into {tokens:.2f} tokens of "
    "{bases:.2f} bases.",
    six=reach.input_bases["6-mer"],
    nine=reach.input_bases["9-mer"],
    twelve=reach.input_bases["12-mer"],
    bb=reach.input_bases["BB"],
    verdict="stands" if shorter else "does not stand",
    tokens=reach.tokens_per_word["9-mer"],
    bases=reach.bases_per_token["9-mer"],
)

# %% [markdown]
# ## What one missing base does
#
# The thesis names the drawback of k-mers: every input is cut in one frame. Take a genome, drop its first base, and
# encode it again: how many tokens are still there, at the same bases? Without words (the BigBird-style tokenizer
# encodes a sequence as one word at inference) there is no frame to lose.

# %% tags=["remove-input"]
table(
    vocabularies.shifts(recorded, here),
    "Share of tokens that survive the loss of a genome's first base.",
    provenance=f"{recorded_line} | {vocabularies.provenance(here, profile)}",
    formats={"recorded": ".1%", "this run": ".1%"},
)

# %% [markdown]
# ## What ten resamplings cost
#
# BigBird-style words are drawn ten times from each genome, and the thesis calls them expensive in memory. The cost is
# samples: every epoch is that many times longer. Token ids are kept as 16-bit numbers in files that are mapped, not
# loaded, so memory is no longer the limit.

# %% tags=["remove-input"]
cost_digits = {"samples a genome": ".1f", "kilobytes a genome": ".1f", "times the first": ".1f", "megabytes": ".1f"}
table(
    vocabularies.passes(recorded),
    "Recorded on real genomes: training samples, and token ids of all splits on disk.",
    provenance=recorded_line,
    formats=cost_digits,
)

# %% tags=["remove-input"]
table(
    vocabularies.passes(here),
    "This run: the same.",
    provenance=vocabularies.provenance(here, profile),
    formats=cost_digits,
)

# %% [markdown]
# ## What to take away

# %% tags=["remove-input"]
prose(
    "* On real genomes nearly every 6-mer is one token ({six:.4f} tokens a word): BPE does nothing there, as the thesis says. Of "
    "the 9-mers {nine:.0%} stay whole, of the 12-mers {twelve:.0%}; the rest are cut into pieces whose length depends on "
    "the vocabulary and on the genomes it was learned from, not on k alone.\n"
    "* Perplexities of different tokenizations are not comparable: a long token is harder to guess than a short one. The "
    "next chapter therefore shows, beside the thesis's perplexity, the accuracy on masked tokens alone.\n"
    "* The frame is the k-mers' weak point: after one missing base {kept:.1%} of the 9-mer tokens are where they were, "
    "without words {free:.1%}.",
    six=reach.tokens_per_word["6-mer"],
    nine=reach.whole_words["9-mer"],
    twelve=reach.whole_words["12-mer"],
    kept=reach.kept_after_shift["9-mer"],
    free=reach.kept_after_shift["BB"],
)
