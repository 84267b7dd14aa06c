"""The tables and figures of chapter 6 (thesis Appendix B), read from finished runs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from dnakit.chapters.appendix_b import alignment
from dnakit.chapters.tss import parameters as tss
from dnakit.report.finished import Finished, FinishedRun, recorded
from dnakit.report.intervals import Estimate, Interval, difference, wilson
from dnakit.report.tables import indexed, scientific
from dnakit.report.thesis import thesis_table

NAMES = {  # of the models, as the thesis has them, and of two rows that it lacks
    "longformer": "Longformer (baseline)",
    "longformer-longer": "Longformer, trained as long as the large one",
    "elmo": "ELMo",
    "large-longformer": "Large Longformer",
    "large-longformer-deep": "Large Longformer (deep head)",
}
TASKS = {
    "mlm": "masked tokens",
    "tss": "start sites",
    "12s": "12S species",
    "chromatin": "chromatin",
}
KINDS = ("DNase", "TF", "histone")  # of chromatin features
QUALITY = {  # of the validation samples by epoch: columns of ``history.csv``, of which the mean is taken
    "mlm": ["validation_masked_accuracy"],
    "tss": ["validation_accuracy"],
    "12s": ["validation_top1"],
    "chromatin": [f"validation_auroc_{kind}" for kind in KINDS],
}
MEASURES = {
    "mlm": "share of tokens right",
    "tss": "share of sites exact",
    "12s": "share of copies right",
    "chromatin": "mean AUROC, 3 kinds",
}
EARLIER = {  # of each baseline: the run of an earlier chapter with its recipe and size, and what both are measured by
    "mlm": ("02_pretraining", "longformer-9-mer-mlm", "masked_accuracy"),
    "tss": ("03_tss", "thesis-mitochondria-dropout-0.1", "accuracy"),
    "12s": ("04_metagenomics", "mitochondria-tenth-seed-1", "top1"),
    "chromatin": ("05_chromatin", "mitochondria-256", "kinds.DNase.auroc_mean"),
}
COLORS = dict(zip(NAMES.values(), ("#0072B2", "#56B4E9", "#009E73", "#D55E00", "#AA4499"), strict=True))
THESIS_SAMPLES = {  # that the large Longformer saw in the thesis, which prints neither
    "mlm": 5_570_800,  # if its 2,430 genomes have as many tokens as with our tokenizer
    "tss": tss.THESIS_SAMPLES,
}
METHODS = {
    "mlm-large-longformer": NAMES["large-longformer"],
    "mlm-longformer-longer": NAMES["longformer-longer"],
    "mlm-longformer": NAMES["longformer"],
    "boundaries": "visible boundaries alone",
}


def parts(name: str) -> tuple[str, str]:
    """Task and model of a training's name: ``12s`` and ``elmo`` of ``12s-elmo``; the task is empty for other runs."""
    task, _, model = name.partition("-")
    return (task, model) if task in TASKS and model in NAMES else ("", name)


def trainings(done: Finished) -> Finished:
    """The trainings."""
    return done.only(lambda run: bool(parts(run.name)[0]))


def of_task(done: Finished, task: str) -> dict[str, FinishedRun]:
    """The trainings of a task by the thesis's name of their model, in the order of `NAMES`."""
    found = {parts(run.name)[1]: run for run in done.values() if parts(run.name)[0] == task}
    return {NAMES[model]: found[model] for model in NAMES if model in found}


def only(done: Finished, task: str) -> Finished:
    """The same as finished runs, for the line below a table."""
    return done.only(lambda run: parts(run.name)[0] == task)


def asked(done: Finished, task: str, of: str) -> str:
    """How many test samples stand behind a table, such as ``300 test samples of 55 promoters, one seed each``.

    Parameters
    ----------
    done : Finished
    task : str
    of : str
        What they are of, with its place in a record where it is counted: ``promoters record.windows.test``.
    """
    run = next(iter(of_task(done, task).values()), None)
    if run is None:
        return "one seed each"
    name, _, place = of.partition(" ")
    samples = run.value("record.rows.test") or run.value("record.samples.test")
    counted = f" of {_shown(run, place):,} {name}" if place else ""
    return f"{samples:,} test {'samples' if place else name}{counted}, one seed each"


def _shown(run: FinishedRun, count: str) -> int:
    """How many different things, counted at this place of the record, are among the test samples at most."""
    return int(min(run.value(count), run.value("record.samples.test")))


def baselines(done: Finished) -> str:
    """Which small Longformers are recorded runs of earlier chapters, and how far the others differ from these."""
    same, again = [], []
    for task, (notebook, name, measure) in EARLIER.items():
        here, there = of_task(done, task).get(NAMES["longformer"]), recorded(notebook).get(name)
        if here is None or there is None:
            continue
        values = [run.value(f"metrics.test.{measure}") for run in (here, there)]
        if here.record["key"] == there.record["key"]:
            same.append(TASKS[task])
        else:
            again.append("{} {:.4f} here and {:.4f} there".format(TASKS[task], *values))
    found = [f"The small Longformer of {', '.join(same)} is the run that is recorded in its chapter."] if same else []
    if again:
        found.append(
            "Others have the recipe of the earlier chapter, and were trained again, so that their test scores differ "
            f"({'; '.join(again)})."
        )
    return " ".join(found)


def rate(run: FinishedRun) -> str:
    """The learning rate of a training, such as ``3e-4``."""
    return scientific(run.value("record.parameters.learning_rate"))


def schedules(done: Finished, task: str) -> str:
    """Learning rate and epochs of each model of a task, in words."""
    return "; ".join(
        f"{model} {rate(run)}, {run.value('record.parameters.epochs')} epochs"
        for model, run in of_task(done, task).items()
    )


# ---- Tables B.1 to B.4


def published(number: str) -> pd.DataFrame:
    """One of the thesis's Tables B.1 to B.4."""
    found = thesis_table(number).drop(columns=["bold", "epochs"], errors="ignore")
    return found.rename(columns=lambda name: name.replace("_", " "))


def table_b_1(done: Finished) -> pd.DataFrame:
    """Accuracy and perplexity over all tokens, validation and test."""
    rows = []
    for model, run in of_task(done, "mlm").items():
        for split in ("validation", "test"):
            row: dict[str, Any] = {"model": model, "split": split}
            for name in ("accuracy", "perplexity"):
                row[name] = run.value(f"metrics.{split}.{name}")
            rows.append(row)
    return indexed(rows, "model", "split")


def masked_tokens(done: Finished) -> pd.DataFrame:
    """The masked tokens alone: accuracy and perplexity, validation and test, and how long each model was trained."""
    rows = []
    for model, run in of_task(done, "mlm").items():
        row = {"model": model, "epochs": run.value("record.parameters.epochs")}
        row |= {"genomes": run.value("record.genomes.train"), "samples seen": run.samples_seen}
        for split in ("validation", "test"):
            for name in ("accuracy", "perplexity"):
                row[f"{name}, {split}"] = run.value(f"metrics.{split}.masked_{name}")
        rows.append(row)
    return indexed(rows, "model")


def table_b_2(done: Finished) -> pd.DataFrame:
    """Exact accuracy on test promoters."""
    return _table(done, "tss", {"accuracy": "metrics.test.accuracy"})


def table_b_3(done: Finished) -> pd.DataFrame:
    """Loss, top-1 and top-5 accuracy on test copies."""
    names = {"loss": "loss", "top1 accuracy": "top1", "top5 accuracy": "top5"}
    return _table(done, "12s", {name: f"metrics.test.{measure}" for name, measure in names.items()})


def table_b_4(done: Finished) -> pd.DataFrame:
    """Loss, precision, recall and areas on test rows."""
    columns = {name: f"metrics.test.{name}" for name in ("loss", "precision", "recall")}
    columns["AUC all"] = "metrics.test.auc_thresholded"
    columns |= {f"AUC {kind}": f"metrics.test.kinds.{kind}.auroc_mean" for kind in KINDS}
    return _table(done, "chromatin", columns)


def compared(done: Finished, task: str, measure: str, count: str) -> pd.DataFrame:
    """A share of right answers by model, with its 95% interval over so many things as `count` names.

    Returns
    -------
    DataFrame
        Indexed by model: ``value``, ``interval`` (text), ``count``, and ``samples seen`` in training.
    """
    rows = []
    for model, run in of_task(done, task).items():
        value, things = run.value(f"metrics.test.{measure}"), _shown(run, count)
        interval = wilson(value, things)
        shown = f"[{interval.low:.1%}, {interval.high:.1%}]"
        row = {"model": model, "value": value, "interval": shown, "count": things, "samples seen": run.samples_seen}
        rows.append(row)
    return indexed(rows, "model")


def large_minus_small(done: Finished) -> dict[str, str]:
    """By kind of chromatin feature: mean AUROC of the large Longformer minus the small one, and its 95% interval.

    The interval takes the two as independent: on the same test rows it is wider than a paired one, which needs the
    predictions of both.
    """
    runs = of_task(done, "chromatin")
    if not {NAMES["large-longformer"], NAMES["longformer"]} <= runs.keys():
        return {}
    found = {}
    for kind in KINDS:
        values = [runs[NAMES[name]].value(f"metrics.test.kinds.{kind}") for name in ("large-longformer", "longformer")]
        (one, around), (other, around_other) = (
            (each["auroc_mean"], Interval(*each["auroc_interval"])) for each in values
        )
        found[kind] = f"{Estimate(one - other, *difference(one, around, other, around_other)):+.3f}"
    return found


def _table(done: Finished, task: str, columns: Mapping[str, str]) -> pd.DataFrame:
    rows = [
        {"model": model} | {name: run.value(path) for name, path in columns.items()}
        for model, run in of_task(done, task).items()
    ]
    found = indexed(rows, "model")
    return found if found.empty else found.astype(float)


# ---- costs


def of_costs(done: Finished) -> Finished:
    """What `costs` and `by_cost` read: the measurement, and the trainings."""
    return done.only(lambda run: run.name == "costs" or bool(parts(run.name)[0]))


def costs(done: Finished) -> pd.DataFrame:
    """By task and model: parameters, operations and time a sample, rate, samples seen, minutes of training, quality."""
    if "costs" not in done:
        return pd.DataFrame()
    measured = done["costs"].frame("costs.csv").set_index("run").to_dict("index")
    rows = []
    for task, title in TASKS.items():
        for model, run in of_task(done, task).items():
            if run.name in measured:
                rows.append({"task": title, "model": model} | _cost(measured[run.name], run, task))
    return indexed(rows, "task", "model")


def _cost(measured: Mapping[Any, float], run: FinishedRun, task: str) -> dict[str, Any]:
    samples = run.samples_seen
    return {
        "million parameters": measured["parameters"] / 1e6,
        "GFLOP per sample": measured["gflop"],
        "ms per sample": measured["ms"],
        "learning rate": rate(run),
        "samples seen": samples,
        "TFLOP": measured["gflop"] * samples / 1e3,
        "minutes": measured["ms"] * samples / 6e4,
        "quality": float(quality(run, task).iloc[-1]),
        "measure": MEASURES[task],
    }


def quality(run: FinishedRun, task: str) -> pd.Series:
    """What a training reached on the validation samples after each epoch."""
    history = run.frame("history.csv")
    return history[[name for name in QUALITY[task] if name in history]].mean(axis=1)


def by_cost(done: Finished) -> pd.DataFrame:
    """Quality after each epoch by what was spent until then: ``task``, ``model``, ``TFLOP``, ``quality``.

    What a pretrained model begins from counts with its whole pretraining.
    """
    table = costs(done)
    if table.empty:
        return table
    frames = []
    for task, title in TASKS.items():
        for model, run in of_task(done, task).items():
            if (title, model) in table.index:
                per_epoch = table.loc[(title, model), "TFLOP"] / run.value("record.parameters.epochs")
                reached = quality(run, task)
                spent = _pretraining(table, model, task) + per_epoch * np.arange(1, len(reached) + 1)
                frames.append(pd.DataFrame({"task": title, "model": model, "TFLOP": spent, "quality": reached}))
    return pd.concat(frames, ignore_index=True)


def _pretraining(table: pd.DataFrame, model: str, task: str) -> float:
    """Operations of the pretraining that a model of a task begins from; 0 where it has none."""
    source = (TASKS["mlm"], model.removesuffix(" (deep head)"))
    return 0.0 if task == "mlm" else table["TFLOP"].to_dict().get(source, 0.0)


def draw_by_cost(done: Finished) -> Figure | None:
    """Quality by training cost, a panel for each task, a mark for each epoch."""
    data = by_cost(done)
    if data.empty:
        return None
    grid = sns.relplot(
        data,
        kind="line",
        x="TFLOP",
        y="quality",
        hue="model",
        style="model",
        hue_order=[name for name in COLORS if name in set(data["model"])],
        palette=COLORS,
        markers=True,
        dashes=False,
        col="task",
        col_wrap=2,
        errorbar=None,
        height=2.7,
        aspect=1.25,
        facet_kws={"sharex": False, "sharey": False},
    )
    grid.set(xscale="log").set_titles("{col_name}").set_xlabels("10¹² operations of training")
    measures = {TASKS[task]: measure for task, measure in MEASURES.items()}
    for task, axes in grid.axes_dict.items():
        axes.set_ylabel(measures[task])
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if np.ptp(np.log10(axes.get_xlim())) < 2 else (1,)))
        axes.xaxis.set_major_formatter("{x:,g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    sns.move_legend(grid, "upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, title=None)
    return grid.tight_layout().figure


def times(done: Finished) -> dict[str, float]:
    """How many times ELMo's time the large Longformer with the deep head takes on genes, at the thesis's epochs.

    ``measured`` is by steps that ran alone, ``trained`` by the trainings, which may have run beside others.
    """
    table, runs = costs(done), of_task(done, "12s")
    if table.empty:
        return {}
    steps = table["ms per sample"].get(TASKS["12s"], pd.Series(dtype=float))
    large, elmo = (NAMES[model] for model in ("large-longformer-deep", "elmo"))
    seconds = {name: run.value("record.seconds") / run.samples_seen for name, run in runs.items()}
    return {"measured": 30 * steps[large] / (5 * steps[elmo]), "trained": 30 * seconds[large] / (5 * seconds[elmo])}


# ---- lengths, and Figures B.1 and B.2


def lengths(done: Finished) -> pd.DataFrame:
    """Masked tokens by method and by whether boundaries give the length away: right ones, lengths of wrong ones."""
    measured = done.get("masked-tokens") or done.get("boundaries")  # the former holds both
    if measured is None:
        return pd.DataFrame()
    found = measured.frame("lengths.csv")
    found["method"] = found["method"].map(METHODS)
    table = found.set_index(["method", "group"])
    wrong = table["wrong"].where(table["wrong"] > 0)
    return pd.DataFrame(
        {
            "masked": table["masked"],
            "right": table["right"] / table["masked"].where(table["masked"] > 0),
            "wrong tokens": table["wrong"],
            "wrong, right length": table["right length"] / wrong,
            "the same by chance": table["chance"] / wrong,
        }
    )


def example(done: Finished, number: str) -> Figure | None:
    """Figure B.1 or B.2."""
    piece = piece_of(done, number)
    return None if piece.empty else alignment.draw(piece)


def piece_of(done: Finished, number: str) -> pd.DataFrame:
    """The tokens of Figure B.1 or B.2."""
    if "masked-tokens" not in done:
        return pd.DataFrame()
    found = done["masked-tokens"].frame("examples.csv", keep_default_na=False)
    return found[found["figure"].astype(str) == number].reset_index(drop=True)
