"""The tables and figures of chapter 4 (thesis section 5.3). They read finished runs, recorded ones and others alike."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from dnakit.chapters.metagenomics.tasks import SHARED, WITHIN_ORDER
from dnakit.chapters.pretraining.parameters import NOTEBOOK
from dnakit.chapters.pretraining.starts import INITIALIZATIONS
from dnakit.report.finished import Finished, FinishedRun, recorded
from dnakit.report.intervals import Estimate, of_seeds
from dnakit.report.style import PALETTE
from dnakit.report.tables import indexed
from dnakit.report.thesis import thesis_table

MODELS = {
    "mitochondria": "Mitochondria",
    "none": "Untrained",
    "nuclear": "Hg38",
}  # initializations, as Table 5.3 has them
METHODS = {
    "ceiling": "ceiling: no method can do better",
    "consensus": "nearest consensus, 8-mer cosine",
    "cosine": "nearest record, 8-mer cosine",
    "naive-bayes": "naive Bayes, 8-mers",
    "logistic-regression": "logistic regression, 6-mers",
    "search": "k-mer search and alignment",
    "vsearch": "vsearch",
    "mmseqs2": "MMseqs2",
    "blastn": "BLAST",
}
TENTH = "-tenth-seed-"  # in the names of the trainings on a tenth of the species
LEVELS = {"known": "known species", "species": "new species", "genus": "new genus"}  # what is new about a record
FORMS = {"gene": "whole gene", "fragment": "150-300 bases", "amplicon": "MiFish amplicon"}
FASTEST = 1e6  # reads per CPU second that can be
FEWEST = 0.005  # of the reads in a point of the reliability diagram
CALIBRATED = ("class", "order", "family", "genus", "species")
CURVES = {"loss": "loss (nats per sample)", "top1": "top-1 accuracy", "top5": "top-5 accuracy"}
COLORS = {"Mitochondria": PALETTE["9-mer"], "Untrained": PALETTE["12-mer"], "Hg38": PALETTE["6-mer"]}


# ---- the trainings


def named(names: str | Iterable[str], *runs: Finished) -> list[Finished]:
    """Of each the runs whose names begin with one of these: what a table rests on, for the line that says so."""
    begin = (names,) if isinstance(names, str) else tuple(names)
    return [done.only(lambda run: run.name.startswith(begin)) for done in runs]


def of_all_species(done: Finished) -> Finished:
    """The three trainings of Table 5.3, in its order."""
    found = {name: done[name].folder for name in MODELS if name in done}
    return replace(done, folders=found)


def published() -> pd.DataFrame:
    """The thesis's Table 5.3."""
    return thesis_table("5.3")


def table_5_3(done: Finished) -> pd.DataFrame:
    """Table 5.3: loss, top-1 and top-5 accuracy on the test samples."""
    columns = {"loss": "metrics.test.loss", "top1_accuracy": "metrics.test.top1", "top5_accuracy": "metrics.test.top5"}
    table = of_all_species(done).table(columns).rename_axis("pretraining").reset_index()
    return table.assign(pretraining=table["pretraining"].map(MODELS))


def trainings(done: Finished) -> pd.DataFrame:
    """How large each training is: species, samples, tokens of a gene, time."""
    runs = of_all_species(done)
    columns = {
        "species": "record.classes",
        "training samples": "record.samples.train",
        "validation samples": "record.samples.validation",
        "test samples": "record.samples.test",
        "epochs": "record.parameters.epochs",
        "tokens": "record.tokens.mean",
        "hours": "record.seconds",
        "computed in": "record.computed_in",
    }
    table = runs.table(columns).rename(index=MODELS).rename_axis("pretraining")
    return table.assign(hours=table["hours"] / 3600)


def encoders(done: Finished) -> pd.DataFrame:
    """What the trainings begin from, and where they were computed: a row for each encoder and device."""
    columns = {"encoder": "name", "key": "key"}
    paths = {column: f"record.pretrained.{name}" for column, name in columns.items()}
    rest = {"fine-tuned on": "record.device", "computed in": "record.computed_in"}
    runs = done.only(lambda run: bool(run.value("record.pretrained.key"))).table(paths | rest)
    groups = runs.reset_index().groupby(["key", *rest], sort=False)
    table = groups.agg(encoder=("encoder", "first"), trainings=("run", ", ".join)).reset_index()
    return table.set_index(["encoder", "key"])[["trainings", *rest]]


def of_chapter_2() -> dict[str, str]:
    """The keys under which chapter 2 records the encoders."""
    done = recorded(NOTEBOOK)
    return {name: done[name].record["key"] for name in dict.fromkeys(INITIALIZATIONS.values()) if name in done}


def histories(done: Finished) -> pd.DataFrame:
    """The three trainings by epoch, training and validation one below the other."""
    frames = []
    for run in of_all_species(done).values():
        history = run.frame("history.csv")
        for part in ("train", "validation"):
            names = {f"{part}_{measure}": measure for measure in ("loss", "top1", "top5")}
            frame = history[["epoch", *names]].rename(columns=names)
            frames.append(frame.assign(pretraining=MODELS[run.name], samples=part.replace("train", "training")))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def draw_curves(done: Finished) -> sns.FacetGrid | None:
    """Figures 5.8 to 5.10: loss, top-1 and top-5 accuracy by epoch, training and validation."""
    data = histories(done)
    if data.empty:
        return None
    longer = data.melt(["epoch", "pretraining", "samples"], list(CURVES), "measure").replace({"measure": CURVES})
    colors = {name: color for name, color in COLORS.items() if name in set(data["pretraining"])}
    grid = sns.relplot(
        longer, kind="line", x="epoch", y="value", hue="pretraining", style="samples", col="measure", palette=colors,
        errorbar=None, height=2.5, aspect=0.85, linewidth=1.5, facet_kws={"sharey": False},
    )  # fmt: skip
    return grid.set_titles("{col_name}").set_axis_labels("epoch", "").set(xticks=longer["epoch"].unique()[1::2])


def examples(done: Finished, count: int = 1) -> pd.DataFrame:
    """Figures 5.11 to 5.13: wrong predictions of each model."""
    frames = [
        run.frame("errors.csv", keep_default_na=False).head(count).assign(pretraining=MODELS[run.name])
        for run in of_all_species(done).values()
    ]
    if not frames:
        return pd.DataFrame()
    table = pd.concat(frames).rename(columns={"shared": "lowest shared rank"})
    return table.set_index("pretraining")[["query", "true", "predicted", "lowest shared rank"]]


def shared_ranks(done: Finished) -> pd.DataFrame:
    """Of all wrong predictions of each model, the share by the lowest rank that the two species have in common."""
    rows = {}
    for run in of_all_species(done).values():
        errors = run.frame("errors.csv", keep_default_na=False)
        shares = errors["shared"].value_counts(normalize=True).reindex(SHARED, fill_value=0.0)
        within = {"within the order": float(shares[list(WITHIN_ORDER)].sum())}
        rows[MODELS[run.name]] = {"wrong": len(errors)} | shares.to_dict() | within
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("pretraining")


def by_size(done: Finished) -> pd.DataFrame:
    """The trainings by number of species: mean top-1 over the seeds with its 95% interval, then the differences.

    Two starts are compared seed by seed: with one seed they have the same samples.
    """
    columns = {"start": "record.parameters.initialization", "seed": "record.parameters.seed"}
    columns |= {"species": "record.classes", "top1": "metrics.test.top1"}
    runs = done.only(lambda run: run.name in MODELS or TENTH in run.name).table(columns)
    rows: list[dict[str, Any]] = []
    for species, group in runs.groupby("species"):
        by_seed = group.pivot(index="seed", columns="start", values="top1").rename(columns=MODELS)
        starts = [name for name in MODELS.values() if name in by_seed]
        values = {name: by_seed[name] for name in starts}
        values |= {f"{one} minus {other}": by_seed[one] - by_seed[other] for one, other in combinations(starts, 2)}
        rows += [{"species": species, "training": name} | _over_seeds(each, name) for name, each in values.items()]
    return indexed(rows, "species", "training")


def _over_seeds(values: pd.Series, name: str) -> dict[str, Any]:
    """Mean over the seeds and its interval, which a single seed does not have; an accuracy ends at 1."""
    found = values.dropna().tolist()
    if not found:
        return {"seeds": 0}
    mean: dict[str, Any] = {"seeds": len(found), "top-1": sum(found) / len(found)}
    if len(found) == 1:
        return mean
    low, high = of_seeds(found)
    return mean | {"from": low, "to": min(high, 1.0) if name in MODELS.values() else high}


# ---- methods


def of_copies(done: Finished) -> pd.DataFrame:
    """The thesis's task with the species of the trainings and with all: simple methods, programs, transformers."""
    rows: list[dict[str, Any]] = []
    simple = [run for run in done.values() if run.name.startswith("trained-species-")]
    seeds = sorted({run.record["parameters"]["seed"] for run in simple})  # models with these had the same test copies
    for start, title in MODELS.items():
        for run in (done.get(start), *(done.get(f"{start}{TENTH}{seed}") for seed in seeds)):
            if run is not None:
                named = {"species": run.record["classes"], "method": f"Longformer, {title}"}
                rows.append(named | _copies_row(run, done.get("speed")))
    for species in ("trained-species", "copies"):
        for method, title in METHODS.items():
            measured = done.get(f"{species}-{method}")
            if measured is not None and "test" in measured.metrics:
                rows.append({"species": measured.metrics["species"], "method": title} | _copies_row(measured))
    found = indexed(rows, "species", "method")
    return found.sort_index(level="species", sort_remaining=False, kind="stable") if rows else found


def _copies_row(run: FinishedRun, timed: FinishedRun | None = None) -> dict[str, Any]:
    """A row of `of_copies`; the speed of a transformer was `timed` apart."""
    test = run.metrics["test"]
    speed = _measurable((timed.metrics if timed else test).get("reads_per_second"))
    found = {"top-1": test["top1"], "top-5": test["top5"], "reads per CPU second": speed}
    return {"test samples": test.get("samples", run.value("record.samples.test"))} | found


def of_all_copies(done: Finished) -> pd.DataFrame:
    """The part of it with all species."""
    table = of_copies(done)
    return table.loc[max(table.index.get_level_values("species"))] if len(table) else table


def fair(done: Finished) -> pd.DataFrame:
    """Fair tasks, tidy: level, form, rank, method, reads, share and its 95% interval."""
    frames = []
    for method, title in METHODS.items():
        run = done.get(f"fair-{method}")
        if run is not None and "skipped" not in run.metrics:
            frames.append(run.frame("accuracy.csv").assign(method=title))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def fair_table(done: Finished, form: str) -> pd.DataFrame:
    """The fair tasks in one form of reads: a row a method, a column for each level and rank."""
    data = fair(done)
    if data.empty:
        return data
    chosen = data[data["form"] == form]
    named = chosen.assign(task=chosen["level"].map(LEVELS) + ": " + chosen["rank"])
    order = list(dict.fromkeys(named["task"]))
    table = named.pivot_table(index="method", columns="task", values="share", sort=False)[order]
    table.columns.name = None
    table["reads per CPU second"] = [_speed(done, title, form) for title in table.index]
    return table.loc[[title for title in METHODS.values() if title in table.index]]


def fair_tables(done: Finished) -> pd.DataFrame:
    """The same for all forms, one below the other."""
    tables = {title: fair_table(done, form) for form, title in FORMS.items()}
    found = {title: table for title, table in tables.items() if len(table)}
    return pd.concat(found, names=["reads", "method"]) if found else pd.DataFrame()


def _speed(done: Finished, title: str, form: str) -> float | None:
    method = next(name for name, each in METHODS.items() if each == title)
    return _measurable(done[f"fair-{method}"].metrics["reads_per_second"].get(form))


def _measurable(speed: float | None) -> float | None:
    """Reads per CPU second; None where the reads were so few that the clock did not tick."""
    return speed if speed is not None and speed < FASTEST else None


def draw_fair(done: Finished) -> sns.FacetGrid | None:
    """The fair tasks with 95% intervals: the highest rank that can be right, by level and form."""
    data = fair(done)
    if data.empty:
        return None
    first = data.groupby(["level", "form", "method"], sort=False).head(1)
    shown = first.assign(
        task=first["level"].map(LEVELS) + ":\n" + first["rank"], form=first["form"].map(FORMS), what="share"
    )
    longer = shown.melt(["method", "task", "form"], ["low", "share", "high"], value_name="right names")
    grid = sns.catplot(
        longer, kind="point", x="right names", y="method", hue="form", col="task", errorbar=("pi", 100),
        estimator="median", linestyle="none", dodge=0.5, height=2.4, aspect=1.15, palette=list(PALETTE.values())[:3],
        markersize=4, err_kws={"linewidth": 1.5},
    )  # fmt: skip
    return grid.set_titles("{col_name}").set_axis_labels("share right", "")


def comparisons(done: Finished) -> pd.DataFrame:
    """The search minus each other method on each fair task, read by read, with 95% intervals."""
    if "fair-differences" not in done:
        return pd.DataFrame()
    data = done["fair-differences"].frame("differences.csv")
    named = data.assign(
        form=data["form"].map(FORMS),
        task=data["level"].map(LEVELS) + ": " + data["rank"],
        method=data["method"].map(METHODS),
    ).rename(columns={"method": "other method", "share": "search minus it", "low": "from", "high": "to"})
    return named.set_index(["form", "task", "other method"])[["reads", "search minus it", "from", "to"]]


def beyond_zero(done: Finished) -> pd.DataFrame:
    """Those whose interval does not hold zero: of many comparisons some do so by chance."""
    table = comparisons(done)
    return table[(table["from"] > 0) | (table["to"] < 0)] if len(table) else table


def behind(done: Finished) -> str:
    """Where the interval is below zero, so that another method is ahead of the search, in words."""
    rows = comparisons(done).query("to < 0").reset_index().to_dict("records")
    return "; ".join(
        f"{row['other method']} ({row['form']}, {row['task']}: "
        f"{Estimate(row['search minus it'], row['from'], row['to']).points})"
        for row in rows
    )


def asked(done: Finished) -> str:
    """How many reads of known species, new species and new genera each method was asked about, by form."""
    counts = fair(done).groupby(["form", "level"], sort=False)["reads"].first().unstack(sort=False)
    each = (f"{FORMS[str(form)]} {', '.join(f'{count:,}' for count in row)}" for form, row in counts.iterrows())
    return f"Reads of known species, new species and new genera: {'; '.join(each)}."


# ---- the classifier


def calibration(done: Finished) -> pd.DataFrame:
    """Expected calibration error by rank."""
    if "confidence" not in done:
        return pd.DataFrame()
    metrics = done["confidence"].metrics
    table = pd.DataFrame({"expected calibration error": metrics["calibration_error"]}).reindex(CALIBRATED)
    return table.assign(reads=metrics["reads"]).rename_axis("rank")


def draw_confidence(done: Finished) -> Figure | None:
    """Reliability (a perfect calibration is the diagonal), and the share of wrong names when only some are named."""
    if "confidence" not in done:
        return None
    points = done["confidence"].frame("reliability.csv").query("weight >= @FEWEST")
    figure, (left, right) = plt.subplots(1, 2, figsize=(6.2, 2.3), layout="constrained")
    shared: dict[str, Any] = {"hue": "rank", "hue_order": CALIBRATED, "errorbar": None}
    sns.lineplot(points, x="confidence", y="right", marker=".", markeredgewidth=0, linewidth=1.2, ax=left, **shared)
    left.axline((0, 0), slope=1, color="#888888", linewidth=0.8, linestyle=":")
    sns.lineplot(
        done["confidence"].frame("risk.csv"), x="coverage", y="risk", linewidth=1.2, ax=right, legend=False, **shared
    )
    left.set(ylabel="share right")
    left.legend(loc="lower right", fontsize=9, handlelength=1, borderpad=0, labelspacing=0.1)
    right.set(xlabel="share of reads that are named", ylabel="share of wrong names")
    return figure


def strangers(done: Finished) -> pd.DataFrame:
    """Reads of no fish: the share that is left unassigned, and that gets a name at three ranks."""
    if "strangers" not in done:
        return pd.DataFrame()
    table = done["strangers"].frame("strangers.csv").set_index("kind")
    return table.rename(columns={rank: f"a {rank}" for rank in ("class", "family", "species")})


def communities(done: Finished) -> pd.DataFrame:
    """Members of the mock communities that are named, missed, and names that are no member's, communities added up."""
    if "mock" not in done:
        return pd.DataFrame()
    data = done["mock"].frame("members.csv")
    sums = data.groupby(["rank", "method"], sort=False)[["members", "found", "missed", "invented"]].sum()
    return sums.rename(columns={"invented": "false names"}).rename(index=METHODS, level="method")


def draw_shares(done: Finished) -> Figure | None:
    """Shares of reads and of DNA, a dot for each genus of a community, and their correlation over the dots."""
    if "mock" not in done:
        return None
    data, correlation = done["mock"].frame("shares.csv"), done["mock"].metrics["correlation"]
    grid = sns.relplot(data, x="dna_share", y="read_share", hue="community", height=2.4, aspect=1.8, s=16)
    grid.ax.axline((0, 0), slope=1, color="#888888", linewidth=0.8, linestyle=":")
    found = Estimate(*(correlation[each] for each in ("pearson", "low", "high")))
    grid.ax.set_title(f"Pearson's correlation {found:.2f}")
    return grid.set_axis_labels("share of the DNA", "share of the reads").figure


def families(done: Finished, most: int = 12) -> pd.DataFrame:
    """The commonest families of the reads of unknown composition."""
    return done["reads"].frame("families.csv").head(most).set_index("family") if "reads" in done else pd.DataFrame()


def agreement(done: Finished) -> pd.DataFrame:
    """How often the two mates of a pair get the same name, where both get one."""
    if "reads" not in done:
        return pd.DataFrame()
    names = {"named": "first mate named", "both_named": "pairs with both named", "same": "same name"}
    table = done["reads"].frame("agreement.csv").set_index("rank").rename(columns=names)
    table.insert(0, "pairs", done["reads"].metrics["pairs"])
    return table
