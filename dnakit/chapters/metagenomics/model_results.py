"""The tables and figures of what chapter 4's trained models are worth. They read finished runs, recorded or not."""

import numpy as np
import pandas as pd
import seaborn as sns

from dnakit.chapters.metagenomics import tasks
from dnakit.chapters.metagenomics.results import COLORS, FORMS, METHODS, MODELS, SHARED
from dnakit.chapters.metagenomics.tasks import WITHIN_ORDER
from dnakit.report import by_species
from dnakit.report.finished import Finished
from dnakit.report.intervals import Estimate
from dnakit.report.thesis import thesis_table

EFFECT, OTHERS, PRETRAINED = "pretraining-effect", "other-records", "pretrained-species"  # names of the runs
NAMES = {"consensus": "nearest consensus"} | MODELS


def effects(done: Finished) -> pd.DataFrame:
    """How much more often one start, or the consensus, names the species than another, with 95% intervals."""
    if EFFECT not in done:
        return pd.DataFrame()
    data = done[EFFECT].frame("differences.csv")
    pairs = data["difference"].str.split("_minus_", expand=True)
    named = pd.DataFrame({"first": pairs[0].map(NAMES), "second": pairs[1].map(NAMES)})
    rest = data[["share", "low", "high"]].set_axis(["top-1, first minus second", "from", "to"], axis=1)
    return pd.concat([named, rest], axis=1).set_index(["first", "second"])


def points(done: Finished, one: str, other: str) -> str:
    """How much more often one names the species than another: percentage points, with the 95% interval."""
    table = effects(done)
    values = dict(zip(table.index, table.to_numpy(float), strict=True))
    return in_points(*(values[one, other] if (one, other) in values else -values[other, one][[0, 2, 1]]))


def in_points(apart: float, low: float, high: float) -> str:
    """A difference of two shares in percentage points, with its 95% interval."""
    return f"{100 * apart:+.2f} points [{100 * low:+.2f}, {100 * high:+.2f}]"


def percent(row: pd.Series) -> str:
    """A share with its 95% interval, such as ``92.9% [92.0, 93.8]``."""
    return f"{row['share']:.1%} [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"


def named_right(done: Finished) -> dict[str, str]:
    """Of the test copies the share that each model, and the consensus, names right."""
    rows = done[EFFECT].frame("accuracies.csv").set_index("method")
    return {NAMES[str(name)]: percent(row) for name, row in rows.iterrows()}


def published_errors() -> pd.DataFrame:
    """Figures 5.11 to 5.13 as the thesis prints them; `dnakit.chapters.metagenomics.results.examples` are ours."""
    table = thesis_table("wrong_names")
    shared = table["rank"] + " (" + table["group"] + ")"
    named = table.assign(**{"lowest shared rank": shared}).set_index("pretraining")
    return named[["figure", "query", "true", "predicted", "lowest shared rank"]]


def within_order(done: Finished) -> dict[str, str]:
    """Of each model's wrong predictions the share that keeps the order."""
    data = done[EFFECT].frame("errors_by_rank.csv", keep_default_na=False, na_values=[""])
    rows = data[data["rank"] == "within the order"].set_index("pretraining")
    return {MODELS[str(name)]: percent(row) for name, row in rows.iterrows()}


def within_order_apart(done: Finished, one: str, other: str) -> str:
    """Of wrong predictions the share that keeps the order, one training minus another: points, with the 95% interval.

    Both are evaluated on the same samples, so the bootstrap draws the same species for both.
    """
    errors = {name: done[name].frame("errors.csv", keep_default_na=False) for name in (one, other)}
    wrong = sorted({species for table in errors.values() for species in table["true"]})
    groups = np.arange(done[one].record["classes"])  # those without errors come last
    shares = {}
    for name, table in errors.items():
        counts = [
            np.bincount(np.searchsorted(wrong, each["true"]), minlength=len(groups)).astype(float)
            for each in (table[table["shared"].isin(WITHIN_ORDER)], table)
        ]
        kept, every = ([each.sum(), *tasks.drawn_sums(each, groups, 1)] for each in counts)
        shares[name] = np.array(kept) / np.array(every)
    apart = shares[one] - shares[other]
    return Estimate(apart[0], *tasks.percentiles(apart[1:])).points


def within_order_of_shared(done: Finished, one: str, other: str) -> tuple[int, Estimate]:
    """The copies that two trainings both name wrong, and `within_order_apart` of these alone.

    Each model errs on other copies. The more accurate one errs on the harder ones, or on those of close relatives.
    """
    errors = [done[name].frame("errors.csv", keep_default_na=False) for name in (one, other)]
    both = errors[0].merge(errors[1], on=["sample", "true"])
    kept = [both[f"shared{end}"].isin(WITHIN_ORDER).to_numpy(float) for end in ("_x", "_y")]
    apart: np.ndarray = kept[0] - kept[1]
    return len(both), Estimate(float(apart.mean()), *tasks.interval(apart, both["true"].to_numpy(), 1))


def draw_errors(done: Finished) -> sns.FacetGrid | None:
    """All errors by the lowest rank that the true and the predicted species share, with 95% intervals."""
    if EFFECT not in done:
        return None
    data = done[EFFECT].frame("errors_by_rank.csv", keep_default_na=False, na_values=[""])
    shown = data[data["rank"].isin(SHARED)].dropna(subset=["share"])
    if shown.empty:
        return None
    shown = shown.assign(pretraining=shown["pretraining"].map(MODELS))
    longer = shown.melt(["rank", "pretraining"], ["low", "share", "high"], value_name="errors")
    grid = sns.catplot(
        longer, kind="point", x="errors", y="rank", hue="pretraining", hue_order=list(MODELS.values()),
        errorbar=("pi", 100), estimator="median",
        linestyle="none", dodge=0.4, height=2.2, aspect=2.2, palette=COLORS, order=list(SHARED), markersize=4,
        err_kws={"linewidth": 1.5},
    )  # fmt: skip
    return grid.set_axis_labels("share of the wrong predictions", "lowest rank in common")


def other_records(done: Finished) -> pd.DataFrame:
    """Another record of a trained species: share of right species by form of the reads, with 95% intervals."""
    if OTHERS not in done:
        return pd.DataFrame()
    data = done[OTHERS].frame("accuracies.csv")
    titles = METHODS | {name: f"Longformer, {title}" for name, title in MODELS.items()}
    text = [percent(row) for _, row in data.iterrows()]
    named = data.assign(method=data["method"].map(titles), form=data["form"].map(FORMS), text=text)
    table = named.pivot(index="method", columns="form", values="text")
    table = table.loc[list(dict.fromkeys(named["method"])), list(dict.fromkeys(named["form"]))]
    table.columns.name = None
    reads = data.groupby("method", sort=False)["reads"].agg(lambda counts: ", ".join(map(str, counts)))
    return table.assign(reads=reads.rename(index=titles))


def said_of_calibration(done: Finished) -> str:
    """How far the species found in mock communities depend on the records that confidence is calibrated on."""
    if "mock" not in done:
        return ""
    data = done["mock"].frame("draws.csv")
    texts = [
        f"{rows['found'].min()} to {rows['found'].max()} members at a confidence of {least:g} "
        f"(false names: {rows['invented'].max()} at most)"
        for least, rows in data.groupby("confidence")
    ]
    return (
        "Confidence is calibrated on records that are held out at random, and the counts depend on which ones: with "
        f"{data['draw'].nunique()} other draws the search names {' and '.join(texts)}."
    )


def said_of_pretrained_species(done: Finished) -> str:
    """How many of the species the pretraining on mitochondria has seen, and what it gains without them."""
    names = ("mitochondria", "none")
    if PRETRAINED not in done or not all(name in done for name in names):
        return ""
    metrics = done[PRETRAINED].metrics
    found, species = metrics["pretrained"], done[PRETRAINED].frame("species.csv")["species"]
    gain = by_species.minus(done["mitochondria"], done["none"], set(species), found["test_samples"])
    return (
        f"The pretraining on mitochondria has seen the genomes of {found['species']} of the {metrics['species']:,} "
        f"species, in {found['with_this_gene']} of them the very gene of this task. Without these species mitochondria "
        f"minus not pretrained is {gain.points}."
    )
