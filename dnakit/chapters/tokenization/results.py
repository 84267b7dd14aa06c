"""Tables and figures of chapter 1, from finished runs."""

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from dnakit.report.finished import Finished
from dnakit.report.style import color

LONGEST_SHOWN = 20  # bases of a token, in the figure
THESIS_INPUT_BASES = 1_000  # thesis 4.2.3: the 12S gene of about 1,000 bases makes 250 to 260 tokens of 9-mers


def splits(done: Finished) -> pd.DataFrame:
    """Genomes in each split, one row a tokenization."""
    parts = ("train", "validation", "test")
    table = done.table({part: f"record.genomes.{part}" for part in parts})
    return table.rename_axis("tokenizer").reset_index()


def vocabularies(done: Finished) -> pd.DataFrame:
    """What each tokenizer learned, and how the training genomes look in its tokens."""
    columns = {
        "training genomes": "record.genomes.train",
        "vocabulary": "metrics.vocabulary",
        "tokens in use": "metrics.used",
        "words of one token": "metrics.whole_words",
        "tokens per word": "metrics.tokens_per_word",
        "bases per token": "metrics.bases_per_token",
        "bits per base": "metrics.unigram_bits_per_base",
    }
    return done.table(columns).rename_axis("tokenization")


def inputs(done: Finished) -> pd.DataFrame:
    """Bases that a full input of 254 tokens spans: median, 5th and 95th percentile."""
    columns = {"median": "input_bases", "5th percentile": "input_bases_low", "95th percentile": "input_bases_high"}
    table = done.table({name: f"metrics.{path}" for name, path in columns.items()})
    return table.rename_axis("tokenization")


def sample_counts(done: Finished) -> str:
    """Training samples by tokenization, for a caption."""
    return ", ".join(f"{run.metrics['samples']:,} ({run.name})" for run in done.values())


def shifts(done: Finished) -> pd.DataFrame:
    """Share of a genome's tokens that are still there when its first base is missing."""
    return done.table({"tokens that remain": "metrics.kept_after_shift"}).rename_axis("tokenization")


def passes(done: Finished) -> pd.DataFrame:
    """What resampling costs: training samples and disk space per genome, and how many times the first row's samples."""
    table = done.table({name: f"metrics.{name}" for name in ("samples", "megabytes")})
    table.insert(0, "training genomes", [run.value("record.genomes.train") for run in done.values()])
    table["passes"] = [_passes(run.record["corpus"]) for run in done.values()]
    table["samples per genome"] = table["samples"] / table["training genomes"]
    table["kilobytes per genome"] = (
        1000 * table["megabytes"] / [sum(run.record["genomes"].values()) for run in done.values()]
    )
    table["samples, times the first row"] = table["samples per genome"] / table["samples per genome"].iloc[0]
    return table.rename_axis("tokenization")


def _passes(corpus: dict) -> int:
    return corpus["resamplings"] if corpus["tokenization"] == "BB" else 1


def token_lengths(done: Finished) -> sns.FacetGrid:
    """Token lengths in bases: of the tokens in the genomes (bars) and of the vocabulary's entries (outline)."""
    frames = [run.frame("token_lengths.csv").assign(tokenization=run.name) for run in done.values()]
    lengths = pd.concat(frames, ignore_index=True)
    whole = lengths.groupby("tokenization")["vocabulary"].transform("sum")
    lengths = lengths.assign(entries=lengths["vocabulary"] / whole).query("bases <= @LONGEST_SHOWN")
    grid = sns.FacetGrid(lengths, col="tokenization", col_wrap=2, height=2.3, aspect=1.6, sharex=False)
    for name, axes in grid.axes_dict.items():
        data = lengths[lengths["tokenization"] == name]
        shared = {"data": data, "x": "bases", "bins": max(data["bases"]), "discrete": True, "ax": axes}
        sns.histplot(**shared, weights="used", color=color(name), alpha=0.75)
        sns.histplot(**shared, weights="entries", element="step", fill=False, color="#222222", lw=1.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    grid.set_titles("{col_name}").set_axis_labels("token length (bases)", "share of tokens")
    entries = [Patch(color="#888888"), Line2D([], [], color="#222222")]
    names = ["tokens in the genomes", "entries of the vocabulary"]
    grid.figure.legend(entries, names, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2)
    return grid


def input_lengths(done: Finished) -> Figure:
    """Bases that 254 tokens span: the median, and a bar from the 5th to the 95th percentile."""
    spans = inputs(done).melt(ignore_index=False, value_name="bases").reset_index()
    palette = {name: color(name) for name in done}
    grid = sns.catplot(
        spans,
        kind="point",
        x="bases",
        y="tokenization",
        hue="tokenization",
        palette=palette,
        estimator="median",  # of three numbers, the median itself; the bar goes from the lowest to the highest
        errorbar=("pi", 100),
        linestyle="none",
        height=2.8,
        aspect=2.4,
    )
    grid.refline(x=THESIS_INPUT_BASES, color="#222222", label="thesis, 9-mers (about 1,000 bases)")
    grid.set_axis_labels("bases in 254 tokens", "tokenization")
    grid.ax.legend(*grid.ax.get_legend_handles_labels(), loc="upper center", bbox_to_anchor=(0.5, -0.22))
    return grid.figure
