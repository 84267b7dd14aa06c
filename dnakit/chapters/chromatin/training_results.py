"""Table 5.4, Figures 5.14 and 5.15, read from finished trainings."""

from typing import Any

import pandas as pd
import seaborn as sns

from dnakit.chapters.chromatin.results import KINDS
from dnakit.chapters.chromatin.trainings import TABLE_5_4
from dnakit.report.figures import curves
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import of_seeds
from dnakit.report.tables import MISSING, indexed
from dnakit.report.thesis import thesis_table

STARTS = {"nuclear": "Hg38", "mitochondria": "Mitochondria", "none": "Untrained"}  # as Table 5.4 calls them
TABLE_KEYS = ["pretraining", "input tokens"]
POSITIVES = 0.02  # share of DeepSEA's labels, roughly
CURVES = ["Hg38, 256", "Mitochondria, 256", "Untrained, 256", "Untrained, 512", "Untrained, 1024"]
PALETTE = dict(zip(CURVES, ("#0072B2", "#009E73", "#D55E00", "#E69F00", "#AA4499"), strict=True))


def published() -> pd.DataFrame:
    """The thesis's Table 5.4 under the names of `table_5_4`."""
    found = thesis_table("5.4").drop(columns="bold").rename(columns=lambda name: name.replace("_", " "))
    return found.assign(**{"input tokens": found["input tokens"].astype("string").fillna("")})


def thresholded_reach() -> pd.DataFrame:
    """By row of the thesis's Table 5.4: "AUC all" as printed, and what the area of answers at 0.5 can be.

    That area is (recall + specificity) / 2. ``most`` is without any false positive, ``expected`` with the printed
    precision where `POSITIVES` of the labels are positive.
    """
    rows = published().dropna(subset=["AUC all"])
    wrong = rows["recall"] * (1 / rows["precision"] - 1) * POSITIVES / (1 - POSITIVES)
    found = {"printed": rows["AUC all"], "most": (rows["recall"] + 1) / 2, "expected": (rows["recall"] + 1 - wrong) / 2}
    return pd.DataFrame(found).set_axis(rows["pretraining"] + ", " + rows["input tokens"].astype(str))


def encoders(done: Finished, chapter_2: Finished) -> str:
    """The pretrainings that the trainings begin from, by key, beside the recorded ones of chapter 2; in words."""
    pretrained = {
        str(run.value("record.pretrained.name")): str(run.value("record.pretrained.key"))
        for run in done.values()
        if run.value("record.pretrained.key")
    }
    other = {
        name: f"`{name}` is the run {key}, there {chapter_2[name].value('record.key')}"
        for name, key in sorted(pretrained.items())
        if name in chapter_2 and chapter_2[name].value("record.key") != key
    }
    if not other:
        return "The Longformers begin from the runs of chapter 2."
    return (
        "The Longformers begin from pretrainings with chapter 2's recipe that were trained again, and are not the "
        f"recorded runs of chapter 2: {'; '.join(other.values())}."
    )


def trained_as(done: Finished, **settings: Any) -> Finished:
    """The trainings whose settings have these values."""
    wanted = {"split": "random", "window": 1_000, "positive_weight": 8.0} | settings
    return done.only(
        lambda run: (
            "test" in run.metrics
            and all(run.record["parameters"][name] == value for name, value in wanted.items() if value is not None)
        )
    )


def parameter(run: FinishedRun, name: str) -> Any:
    """A setting of a training."""
    return run.record["parameters"][name]


# ---- Table 5.4


def table_5_4(done: Finished) -> pd.DataFrame:
    """A row for each row of the thesis: means over the repeats; a row that is not trained yet has no values."""
    trained = trained_as(done, network="longformer")
    rows = []
    for start, tokens in TABLE_5_4:
        values = _mean([_row(run) for run in trained.only(_is_row(start, tokens)).values()])
        rows.append({"pretraining": STARTS[start], "input tokens": str(tokens)} | values)
    return pd.DataFrame(rows).set_index(TABLE_KEYS)


def _is_row(start: str, tokens: int) -> Any:
    return lambda run: (parameter(run, "initialization"), parameter(run, "tokens")) == (start, tokens)


def _row(run: FinishedRun) -> dict[str, float]:
    test = run.metrics["test"]
    row = {
        "loss": test["loss"],
        "precision": test["precision"],
        "recall": test["recall"],
        "AUC all": test["auc_thresholded"],
    }
    return row | {f"AUC {kind}": test["kinds"].get(kind, {}).get("auroc_mean") for kind in KINDS}


def _mean(rows: list[dict[str, Any]]) -> dict[str, float]:
    names = ("loss", "precision", "recall", "AUC all", *(f"AUC {kind}" for kind in KINDS))
    frame = pd.DataFrame(rows, columns=names).astype(float)
    return {str(name): float(value) for name, value in frame.mean().items()}


def spread(done: Finished) -> pd.DataFrame:
    """The repeats of each row of Table 5.4: mean AUROC by kind, and the 95% interval of the mean over seeds."""
    trained = trained_as(done, network="longformer")
    rows = []
    for start, tokens in TABLE_5_4:
        repeats = [_row(run) for run in trained.only(_is_row(start, tokens)).values()]
        if repeats:
            row: dict[str, Any] = {"pretraining": STARTS[start], "input tokens": tokens, "seeds": len(repeats)}
            for kind in KINDS:
                values = pd.DataFrame(repeats)[f"AUC {kind}"].dropna().astype(float).tolist()
                row[kind] = sum(values) / len(values) if values else None
                row[f"{kind} 95%"] = str(of_seeds(values)) if len(values) > 1 else MISSING
            rows.append(row)
    return indexed(rows, *TABLE_KEYS)


# ---- Figures 5.14 and 5.15


def _histories(done: Finished) -> pd.DataFrame:
    """The first training of each row of Table 5.4: a line for each epoch."""
    first = trained_as(done, network="longformer", repeat=0)
    frames = [
        run.frame("history.csv").assign(row=f"{STARTS[parameter(run, 'initialization')]}, {parameter(run, 'tokens')}")
        for run in first.values()
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def figure_5_14(done: Finished) -> sns.FacetGrid | None:
    """Losses by epoch, training and validation."""
    found = _histories(done)
    if found.empty:
        return None
    long = found.melt(["epoch", "row"], ["train_loss", "validation_loss"], "part", "loss")
    long["part"] = long["part"].str.removesuffix("_loss")
    return curves(long, "loss", "loss (nats per label)", "row", col="part", palette=PALETTE)


def figure_5_15(done: Finished) -> sns.FacetGrid | None:
    """Mean AUROC of the validation rows by epoch, a panel for each kind, with the thesis's test values."""
    found = _histories(done)
    if found.empty:
        return None
    columns = {f"validation_auroc_{kind}": kind for kind in KINDS if f"validation_auroc_{kind}" in found}
    long = found.rename(columns=columns).melt(["epoch", "row"], list(columns.values()), "kind", "AUROC")
    thesis = published().query("pretraining in @STARTS.values()")
    thesis = thesis.assign(row=thesis["pretraining"] + ", " + thesis["input tokens"].astype(str))
    thesis = thesis.rename(columns={f"AUC {kind}": kind for kind in KINDS}).melt(["row"], KINDS, "kind", "AUROC")
    return curves(long, "AUROC", "mean AUROC (validation)", "row", col="kind", palette=PALETTE, thesis=thesis)
