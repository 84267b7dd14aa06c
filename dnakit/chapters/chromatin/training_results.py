"""Table 5.4, Figures 5.14 and 5.15, and what the controls show, read from finished trainings."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from dnakit.chapters.chromatin.results import KINDS, SPLITS, methods_of
from dnakit.report.figures import curves
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.thesis import thesis_table

STARTS = {"nuclear": "Hg38", "mitochondria": "Mitochondria", "none": "Untrained"}  # as Table 5.4 calls them
ROWS = [("nuclear", 256), ("mitochondria", 256), ("none", 256), ("none", 512), ("none", 1024)]
NETWORKS = {"longformer": "Longformer", "cnn": "DeepSEA's network", "danq": "DanQ"}
TABLE_KEYS = ["pretraining", "input tokens"]
CURVES = ["Hg38, 256", "Mitochondria, 256", "Untrained, 256", "Untrained, 512", "Untrained, 1024"]
PALETTE = dict(zip(CURVES, ("#0072B2", "#009E73", "#D55E00", "#E69F00", "#AA4499"), strict=True))


def published() -> pd.DataFrame:
    """The thesis's Table 5.4 under the names of `table_5_4`."""
    found = thesis_table("5.4").drop(columns="bold").rename(columns=lambda name: name.replace("_", " "))
    return found.assign(**{"input tokens": found["input tokens"].astype("string").fillna("")})


def _trained(done: Finished, **settings: Any) -> Finished:
    """The trainings whose settings have these values."""
    wanted = {"split": "random", "window": 1_000, "positive_weight": 8.0} | settings
    return done.only(
        lambda run: (
            "test" in run.metrics
            and all(run.record["parameters"][name] == value for name, value in wanted.items() if value is not None)
        )
    )


def _parameter(run: FinishedRun, name: str) -> Any:
    return run.record["parameters"][name]


# ---- Table 5.4


def table_5_4(done: Finished) -> pd.DataFrame:
    """A row for each row of the thesis: means over the repeats; a row that is not trained yet has no values."""
    trained = _trained(done, network="longformer")
    rows = []
    for start, tokens in ROWS:
        values = _mean([_row(run) for run in trained.only(_is_row(start, tokens)).values()])
        rows.append({"pretraining": STARTS[start], "input tokens": str(tokens)} | values)
    return pd.DataFrame(rows).set_index(TABLE_KEYS)


def _is_row(start: str, tokens: int) -> Any:
    return lambda run: (_parameter(run, "initialization"), _parameter(run, "tokens")) == (start, tokens)


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
    """The repeats of each row of Table 5.4: mean AUROC by kind, and how far the seeds lie apart."""
    trained = _trained(done, network="longformer")
    rows = []
    for start, tokens in ROWS:
        repeats = [_row(run) for run in trained.only(_is_row(start, tokens)).values()]
        if repeats:
            frame = pd.DataFrame(repeats).astype(float)
            row: dict[str, Any] = {"pretraining": STARTS[start], "input tokens": tokens, "trainings": len(repeats)}
            for kind in KINDS:
                values = frame[f"AUC {kind}"]
                row |= {kind: values.mean(), f"{kind}, lowest": values.min(), f"{kind}, highest": values.max()}
            rows.append(row)
    return pd.DataFrame(rows).set_index(TABLE_KEYS) if rows else pd.DataFrame()


# ---- Figures 5.14 and 5.15


def _histories(done: Finished) -> pd.DataFrame:
    """The first training of each row of Table 5.4: a line for each epoch."""
    first = _trained(done, network="longformer", repeat=0)
    frames = [
        run.frame("history.csv").assign(row=f"{STARTS[_parameter(run, 'initialization')]}, {_parameter(run, 'tokens')}")
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
    """Mean AUROC of the validation rows by epoch, a panel for each kind, with the thesis's final values."""
    found = _histories(done)
    if found.empty:
        return None
    columns = {f"validation_auroc_{kind}": kind for kind in KINDS if f"validation_auroc_{kind}" in found}
    long = found.rename(columns=columns).melt(["epoch", "row"], list(columns.values()), "kind", "AUROC")
    thesis = published().query("pretraining in @STARTS.values()")
    thesis = thesis.assign(row=thesis["pretraining"] + ", " + thesis["input tokens"].astype(str))
    thesis = thesis.rename(columns={f"AUC {kind}": kind for kind in KINDS}).melt(["row"], KINDS, "kind", "AUROC")
    return curves(long, "AUROC", "mean AUROC (validation)", "row", col="kind", palette=PALETTE, thesis=thesis)


# ---- controls


def networks(done: Finished) -> pd.DataFrame:
    """Networks and simple methods on the same rows: mean AUROC and AUPRC by split and kind of feature."""
    rows = []
    for run in done.values():
        if "test" in run.metrics and _compared(run):
            name = NETWORKS[_parameter(run, "network")]
            start = STARTS.get(_parameter(run, "initialization"), "")
            label = f"{name}, {start}" if start else name
            rows.append(
                _compare(label, run, run.metrics["test"], run.record["samples"]["train"] * _parameter(run, "epochs"))
            )
        if "methods" in run.metrics and run.name.count("-") == 1:  # of the organism that networks are trained on
            rows += [_compare(method, run, found, None) for method, found in methods_of(run)]
    frame = pd.DataFrame(rows)
    if frame.empty:
        return frame
    order = {name: number for number, name in enumerate(SPLITS.values())}
    frame = frame.sort_values("split", key=lambda names: names.map(order), kind="stable")
    return frame.set_index(["split", "method"]).astype({"samples seen": "Int64"})


def _compared(run: FinishedRun) -> bool:
    usual = (_parameter(run, "window"), _parameter(run, "positive_weight"), _parameter(run, "repeat")) == (
        1_000,
        8.0,
        0,
    )
    return usual and _parameter(run, "tokens") in (0, 256)


def _compare(method: str, run: FinishedRun, found: dict[str, Any], samples: int | None) -> dict[str, Any]:
    row: dict[str, Any] = {"split": SPLITS[run.record["split"]], "method": method, "samples seen": samples}
    for kind in KINDS:
        each = found["kinds"].get(kind, {})
        row |= {f"AUROC {kind}": each.get("auroc_mean"), f"AUPRC {kind}": each.get("auprc_mean")}
    return row


def lengths(done: Finished) -> pd.DataFrame:
    """Longer inputs: padding alone, with a random split, and real context, with chromosomes held out."""
    rows = []
    for run in done.values():
        if "test" in run.metrics and _parameter(run, "initialization") == "none" and _parameter(run, "repeat") == 0:
            split, window, tokens = (_parameter(run, name) for name in ("split", "window", "tokens"))
            if _parameter(run, "positive_weight") == 8.0 and split != "apart":
                row = {"split": SPLITS[split], "bases": window, "input tokens": tokens}
                row["longest input"] = run.record["input_length"]
                rows.append(row | {kind: run.value(f"metrics.test.kinds.{kind}.auroc_mean") for kind in KINDS})
    keys = ["split", "bases", "input tokens"]
    return pd.DataFrame(rows).set_index(keys).sort_index(ascending=[False, True, True]) if rows else pd.DataFrame()


def weights(done: Finished) -> pd.DataFrame:
    """Positives weighted by 8 and not at all: precision and recall at 0.5, mean probability, AUROC."""
    rows = []
    for run in done.only(lambda run: run.name in ("none-256", "none-256-weight-1")).values():
        test, table = run.metrics["test"], run.frame("thresholds.csv").dropna()
        row: dict[str, Any] = {"weight of positives": f"{_parameter(run, 'positive_weight'):g}"}
        row |= {"precision at 0.5": test["precision"], "recall at 0.5": test["recall"]}
        row |= {"mean probability": np.average(table["mean probability"], weights=table["labels"])}
        row |= {"share positive": test["positive_rate"], "AUC, thresholded": test["auc_thresholded"]}
        rows.append(row | {"AUC, flattened": test["auc_flattened"]})
    return pd.DataFrame(rows).set_index("weight of positives").astype(float) if rows else pd.DataFrame()


def strands(done: Finished) -> pd.DataFrame:
    """The same test rows on the other strand: how far probabilities differ, and AUROC of the mean of both."""
    rows = []
    for run in _trained(done, split=None, repeat=0).values():
        kinds, both = run.metrics["test"]["kinds"], run.metrics["strands"]["both"]["kinds"]
        row: dict[str, Any] = {"training": run.name, "mean difference": run.metrics["strands"]["mean_difference"]}
        for kind in KINDS:
            one, mean = (each.get(kind, {}).get("auroc_mean") for each in (kinds, both))
            row |= {kind: one, f"{kind}, both": mean}
        rows.append(row)
    return pd.DataFrame(rows).set_index("training") if rows else pd.DataFrame()


def draw_mutagenesis(done: Finished) -> Figure | None:
    """Importance of the bases around each known motif as a logo, above the bases at the same sites."""
    import logomaker

    run = done.get("mutagenesis")
    found = run.frame("importance.csv") if run else pd.DataFrame()
    if run is None or found.empty:
        return None
    motifs = list(found.motif.unique())
    figure, axes = plt.subplots(2, len(motifs), figsize=(4.5 * len(motifs), 3.6), squeeze=False, layout="tight")
    for column, motif in enumerate(motifs):
        rows = found[found.motif == motif]
        for axis, value in zip(axes[:, column], ("importance", "share"), strict=True):
            logomaker.Logo(rows.pivot(index="place", columns="base", values=value), ax=axis, color_scheme="classic")
            axis.set_ylabel(value)
            axis.grid(False)
        sites = run.value(f"metrics.motifs.{motif}.sites")
        axes[0, column].set_title(f"{motif}: {rows.feature.iloc[0]}, {sites} sites")
        axes[1, column].set_xlabel("base from the start of the motif")
    return figure


def costs(done: Finished) -> pd.DataFrame:
    """What each training cost: samples, minutes, milliseconds per sample."""
    rows = []
    for run in done.values():
        if "test" in run.metrics:
            samples = run.record["samples"]["train"] * _parameter(run, "epochs")
            row = {"training": run.name, "samples seen": samples, "minutes": run.record["seconds"] / 60}
            rows.append(
                row | {"ms per sample": 1_000 * run.record["seconds"] / samples, "device": run.record["device"]}
            )
    return pd.DataFrame(rows).set_index("training") if rows else pd.DataFrame()
