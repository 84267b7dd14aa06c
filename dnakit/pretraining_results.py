"""The runs of section 5.1 beside the thesis: rows of Table 5.1, Figures 5.1 to 5.4, and what their numbers mean.

Everything here reads the folders of finished runs, those of this machine and the recorded ones alike.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter

from dnakit import language_map, metrics, pretraining, recipes, report, store, trials, yardsticks
from dnakit.corpora import RULERS
from dnakit.pretraining import NOTEBOOK, READING, SIMPLE, PretrainingParameters
from dnakit.project import checked
from dnakit.samples import MASK_PROBABILITY, MASKED_SHARE, PAD
from dnakit.taxonomy import RANKS
from dnakit.tokenization import SPECIAL_TOKENS

ROW = ["language", "model", "tokenizer", "tasks"]  # what names a row of Table 5.1
TASKS = {"mlm": "MLM", "mlm+sop": "MLM + SOP"}
COLUMNS = {  # the panels of Figures 5.1 to 5.3
    f"{model}, {tasks}": {"language": "mitochondrial", "model": model, "tasks": tasks}
    for model, tasks in (("Longalbert", "MLM"), ("Longformer", "MLM"), ("Longformer", "MLM + SOP"))
}
BITS = ("order 2", "order 8", "order 12", "best order", "mixed orders", "xz, alone", "xz, after training", "two-sided")


def run_names(values: dict[str, Any]) -> list[str]:
    """Names of all that the chapter keeps, trainings and yardsticks, without touching data."""
    return [*runs(values)]


def runs(values: dict[str, Any]) -> dict[str, store.Kept]:
    """All that the chapter keeps, by name."""
    chapter = checked(PretrainingParameters, values, NOTEBOOK)
    return {**pretraining.runs(values), **yardsticks.runs(chapter), **recipes.runs(chapter)}


def upstream(values: dict[str, Any]) -> dict[str, list[tuple[str, str, str]]]:
    """The trainings that each of `run_names` asks, as (profile, notebook, run), without touching data."""
    chapter = checked(PretrainingParameters, values, NOTEBOOK)
    asked = yardsticks.upstream(chapter)
    return {name: [(chapter.profile, NOTEBOOK, run) for run in asked.get(name, [])] for name in run_names(values)}


def row_of(about: dict[str, Any]) -> dict[str, str]:
    """Which row of Table 5.1 a run is, from its record."""
    return {
        "language": "nuclear" if about["corpus"].get("piece") else "mitochondrial",
        "model": about["parameters"]["architecture"].capitalize(),
        "tokenizer": about["corpus"]["tokenization"],
        "tasks": TASKS[about["parameters"]["head"]],
    }


def _trained(folders: Mapping[str, Path]) -> Iterator[tuple[dict[str, Any], Path]]:
    """Records and folders of the rows of Table 5.1 among finished runs."""
    for name, folder in folders.items():
        if pretraining.MODEL.fullmatch(name):
            yield store.read_json(folder / "run.json"), folder


def results(folders: Mapping[str, Path], part: str = "validation") -> pd.DataFrame:
    """Final metrics of finished runs on one split or ruler, one row a run, named as in Table 5.1, with its size."""
    rows = []
    for about, folder in _trained(folders):
        scores = store.read_json(folder / "metrics.json")
        size = {"genomes": about["corpus"]["genomes"], "epochs": about["parameters"]["epochs"]}
        if part in scores:
            found = {"sop_accuracy": float("nan")} | scores[part]
            if about["parameters"]["mlm_loss"] == "masked":
                found |= as_if_copying(found)
            rows.append(row_of(about) | size | found)
    return _in_order(pd.DataFrame(rows)).rename(columns={"sop_accuracy": "SOP_accuracy"})


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order of Table 5.1."""
    if rows.empty:
        return rows
    order = {row: place for place, row in enumerate(published()[ROW].itertuples(index=False, name=None))}
    places = [order[row] for row in rows[ROW].itertuples(index=False, name=None)]
    return rows.iloc[np.argsort(places)].reset_index(drop=True)


def as_if_copying(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores over all tokens of a model that was trained on the selected ones alone, had it learned to copy as well.

    It would be right where copying is right and where it names a masked token, and pay for the masked tokens (12% of
    all) alone: the loss is the least it could be, since a tenth of the selected tokens look like any other.
    """
    share = MASK_PROBABILITY * MASKED_SHARE
    loss = share * scores["masked_loss"]
    return {
        "accuracy": scores["copy_accuracy"] + share * scores["masked_accuracy"],
        "loss": loss,
        "perplexity": metrics.perplexity(loss),
    }


def sizes(folders: Mapping[str, Path]) -> pd.DataFrame:
    """What each run trained on and how long it took."""
    rows = []
    for about, _ in _trained(folders):
        rows.append(
            row_of(about)
            | {
                "vocabulary": about["vocab_size"],
                "genomes": about["genomes"]["train"],
                "samples": about["samples"]["train"],
                "epochs": about["parameters"]["epochs"],
                "minutes": about["seconds"] / 60,
            }
        )
    return _in_order(pd.DataFrame(rows)).set_index(ROW)


def predictions(folder: Path) -> pd.DataFrame:
    """The kept predictions of a run, one row a sample: what the model saw, the truth, what it said.

    Tokens that were changed before the model saw them stand in square brackets in all three.
    """
    rows = []
    kept = pd.read_csv(folder / "examples.csv")
    for number, tokens in kept[kept.true != SPECIAL_TOKENS[PAD]].groupby("sample"):
        changed = (tokens.seen != tokens.true).to_numpy()
        texts = {
            name: " ".join(f"[{token}]" if mark else token for token, mark in zip(tokens[name], changed, strict=True))
            for name in ("seen", "true", "predicted")
        }
        rows += [{"sample": number, "line": name, "tokens": text} for name, text in texts.items()]
    return pd.DataFrame(rows).set_index(["sample", "line"])


def published() -> pd.DataFrame:
    """The thesis's Table 5.1, its reference rows included; its hg38 is the row of whatever nuclear genome is used."""
    table = report.thesis_table("5.1").replace({"language": {"hg38": "nuclear"}})
    table["skill"] = [metrics.skill(value) for value in table.accuracy]
    return table[[*ROW, "accuracy", "SOP_accuracy", "perplexity", "skill"]]


def meanings(results: pd.DataFrame) -> pd.DataFrame:
    """What the numbers of `results` mean: skill above copying, the masked tokens alone, both readings of perplexity."""
    table = results[[*ROW, "accuracy"]].assign(copying=results.copy_accuracy)
    table["skill"] = [metrics.skill(*pair) for pair in zip(results.accuracy, results.copy_accuracy, strict=True)]
    table["masked accuracy"] = results.masked_accuracy
    table["masked perplexity"] = results.masked_perplexity
    table["loss (nats)"] = results.loss
    table["e^loss"] = results.perplexity
    table["2^loss"] = [metrics.perplexity_base2(value) for value in results.loss]
    return table.set_index(ROW)


def bits(folders: Mapping[str, Path], language: str) -> pd.DataFrame:
    """Bits per base of both rulers of a language: simple methods, then the models; 2 is knowing nothing."""
    rows: dict[str, dict[str, float]] = {}
    if f"{SIMPLE}{language}" in folders:
        found = store.read_json(folders[f"{SIMPLE}{language}"] / "metrics.json")
        rows |= {name: {part: found[part]["bits_per_base"][name] for part in RULERS} for name in BITS}
    for name, read in _readings(folders, language).items():
        rows[name] = {part: read[part]["bits_per_base"] for part in RULERS}
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(RULERS)).rename_axis("who predicts")


def masked(folders: Mapping[str, Path], language: str) -> pd.DataFrame:
    """Accuracy on masked tokens of both rulers: 9-mer lookups, then the models; first answer, and first five."""
    rows: dict[str, dict[str, float]] = {}
    if f"{SIMPLE}{language}" in folders:
        found = store.read_json(folders[f"{SIMPLE}{language}"] / "metrics.json")
        for name in found["near"]["masked"]:
            rows[f"lookup: {name}"] = _tops({part: found[part]["masked"][name] for part in RULERS}, "top1", "top5")
    for name, read in _readings(folders, language).items():
        rows[name] = _tops(read, "masked_accuracy", "masked_top5")
    columns = [column for part in RULERS for column in (part, f"{part}, top 5")]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("who predicts")


def _tops(scores: Mapping[str, Mapping[str, float]], first: str, five: str) -> dict[str, float]:
    pairs = ({part: scores[part][first], f"{part}, top 5": scores[part][five]} for part in RULERS)
    return {name: value for pair in pairs for name, value in pair.items()}


def _readings(folders: Mapping[str, Path], language: str) -> dict[str, dict[str, dict[str, float]]]:
    """What the rows of Table 5.1 reach on the rulers of a language; trials beside them are `dnakit.trials`'s."""
    found = {}
    for name, folder in folders.items():
        if name.startswith(READING):
            about = store.read_json(folder / "run.json")
            if about["language"] == language and pretraining.MODEL.fullmatch(about["model"]):
                found[about["model"].removesuffix("-nuclear")] = store.read_json(folder / "metrics.json")
    return found


def numbers(folders: Mapping[str, Path]) -> dict[str, Any]:
    """The numbers of the chapter's last paragraph, from the folders of finished runs."""
    spent, guessed = bits(folders, "mitochondria"), masked(folders, "mitochondria")
    far, trial, tried = spent["far"].drop(list(BITS)), trials.trials(folders), trials.table(folders)
    most = tried.sort_values("samples seen").iloc[-1]
    found: dict[str, Any] = {
        "genomes": trial[trials.AS_ROW][0]["genomes"]["train"],
        "epochs": trial[trials.AS_ROW][0]["parameters"]["epochs"],
        "best": far.idxmin(),
        "best_bits": far.min(),
        "worst": far.idxmax(),
        "worst_bits": far.max(),
        "random": trials.reached(trial, "random"),
        "informed": trials.reached(trial, "informed"),
        "most_genomes": most.genomes,
        "most_samples": most["samples seen"],
        "most_masked": most[trials.MASKED],
        "most_lookup": most["12 bp looked up"],
        "most_bits": most[trials.BITS],
        "most_two_sided": most["two-sided"],
    }
    nine = trials.ROW
    for part in RULERS:
        found |= {f"bits_{part}": spent[part][nine], f"masked_{part}": guessed[part][nine]}
        found |= {f"two_sided_{part}": spent[part]["two-sided"], f"mixed_{part}": spent[part]["mixed orders"]}
        found |= {f"lookup_{part}": guessed[part]["lookup: 12 bp, as seen"], f"order_2_{part}": spent[part]["order 2"]}
    return found


def draw_map(folders: Mapping[str, Path]) -> Figure:
    """The map of the mitochondrial rulers in a model's hidden states, trained and untrained."""
    folder = folders["map"]
    points, scores = (pd.read_csv(folder / file) for file in ("map.csv", "neighbours.csv"))
    return language_map.draw_map(points, scores)


def neighbours(folders: Mapping[str, Path]) -> pd.DataFrame:
    """How often the nearest neighbour is a relative, by rank and representation, beside chance."""
    scores = pd.read_csv(folders["map"] / "neighbours.csv")
    table = scores.pivot(index="rank", columns="which", values="score").loc[list(RANKS)]
    first = scores.drop_duplicates("rank").set_index("rank")
    return table[["untrained", "trained", language_map.KMERS]].assign(
        chance=first["chance"], genomes=first["genomes"].astype(int)
    )


def histories(folders: Mapping[str, Path], **chosen: str) -> dict[str, pd.DataFrame]:
    """Histories of the finished runs of some rows (``model="Longformer", tasks="MLM"``), by tokenizer."""
    rows = {folder: row_of(about) for about, folder in _trained(folders)}
    return {
        row["tokenizer"]: pd.read_csv(folder / "history.csv")
        for folder, row in rows.items()
        if all(row[name] == value for name, value in chosen.items())
    }


def provenance(folders: Mapping[str, Path], profile: str) -> str:
    """One line for a figure or table: profile, data, run keys, seed, device."""
    abouts = [about for about, _ in _trained(folders)]
    first = abouts[0]
    return report.provenance(
        profile,
        ", ".join(dict.fromkeys(about["source"] for about in abouts)),
        first["simulated"],
        [about["key"] for about in abouts],
        first["parameters"]["seed"],
        f"{first['device']}, {first['computed_in']}",
    )


def draw_histories(
    groups: Mapping[str, Mapping[str, Path]],
    measure: str,
    label: str,
    columns: Mapping[str, Mapping[str, str]] = COLUMNS,
    thesis: str = "",
    log: bool = False,
) -> Figure:
    """Training (dashed) and validation (solid) curves by tokenizer: a row of panels for each group of finished runs.

    Parameters
    ----------
    groups : mapping
        Folders of runs by what they are ("recorded", "this run"); a group without such runs is left out.
    measure : str
        A column of the histories without its ``train_`` or ``validation_``.
    label : str
        Of the vertical axes.
    columns : mapping
        Which rows of Table 5.1 a column of panels shows, by its title.
    thesis : str
        The column of Table 5.1 whose values are marked at the right edge; none by default.
    log : bool
        Whether the vertical axes are logarithmic.
    """
    curves = {
        group: {title: histories(folders, **chosen) for title, chosen in columns.items()}
        for group, folders in groups.items()
    }
    shown = {group: panels for group, panels in curves.items() if any(panels.values())}
    size = (8.2 if len(columns) > 1 else 5.0, 0.7 + 2.2 * len(shown))
    figure, axes = plt.subplots(len(shown), len(columns), figsize=size, squeeze=False, sharey=True)
    for axis, title in zip(axes[0], columns, strict=True):
        axis.set_title(title)
    for row, (group, panels) in zip(axes, shown.items(), strict=True):
        for axis, (title, panel) in zip(row, panels.items(), strict=True):
            values = _published(thesis, columns[title]) if thesis and panel else {}
            axis.set_yscale("log" if log else "linear")
            _draw_panel(axis, panel, measure, values, least=1e-9 if log else -np.inf)
            if log:
                axis.yaxis.set_major_formatter("{x:,g}")
                axis.yaxis.set_minor_formatter(NullFormatter())
        row[0].set_ylabel(f"{group}\n{label}" if len(shown) > 1 else label)
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
    _add_legend(figure, axes, bool(thesis))
    return figure


def _published(measure: str, chosen: Mapping[str, str]) -> dict[str, float]:
    table = published()
    for name, value in chosen.items():
        table = table[table[name] == value]
    return dict(zip(table.tokenizer, table[measure], strict=True))


def _draw_panel(
    axis: Axes, curves: Mapping[str, pd.DataFrame], measure: str, thesis: Mapping[str, float], least: float
) -> None:
    """Values below `least`, which a logarithmic axis has no place for, leave a gap."""
    last = max((len(history) for history in curves.values()), default=1)
    for tokenizer, history in curves.items():
        color = report.color(tokenizer)
        validation, train = (
            each.where(each >= least) for each in (history[f"validation_{measure}"], history[f"train_{measure}"])
        )
        axis.plot(history.epoch, validation, color=color, label=tokenizer)
        axis.plot(history.epoch, train, color=color, linestyle=(0, (2, 1.5)), linewidth=1.3)
        if tokenizer in thesis and thesis[tokenizer] >= least:
            axis.plot([1.06 * last + 0.2], [thesis[tokenizer]], "D", color=color, clip_on=False, markersize=5)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    if not curves:
        axis.text(0.5, 0.5, "not trained", ha="center", va="center", transform=axis.transAxes, color="#8a8a8a")


def _add_legend(figure: Figure, axes: np.ndarray, with_thesis: bool) -> None:
    named = {name: line for axis in axes.flat for line, name in zip(*axis.get_legend_handles_labels(), strict=True)}
    black = partial(Line2D, [], [], color="#222222")
    styles = {"validation": black(), "training": black(linestyle=(0, (2, 1.5)))}
    marks = {"thesis": black(marker="D", linestyle="")} if with_thesis else {}
    entries = named | styles | marks
    figure.legend(
        [*entries.values()],
        [*entries],
        loc="outside lower center",
        ncols=7 if axes.shape[1] > 1 else 4,
        handlelength=1.4,
        columnspacing=1.3,
    )
