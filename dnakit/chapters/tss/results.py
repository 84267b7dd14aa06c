"""Thesis section 5.2: finding transcription start sites, in the thesis's protocol and in a fair one.

What chapter 3 keeps: trainings (`runs`), fitted baselines, and evaluations of all of them on each set of
windows (`measurements`). Here are their names, and the tables and figures that lay them out beside the thesis;
these read the folders of finished runs, those of this machine and the recorded ones alike.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dnakit import store
from dnakit.chapters.tss import attribution
from dnakit.chapters.tss.measurements import BASELINES, PICTURES, BaselineRun, Evaluation, Picture
from dnakit.chapters.tss.runs import (
    INITIALIZATIONS,
    NOTEBOOK,
    PRETRAINING,
    PROMOTERS,
    TOKENIZER,
    LocalizationParameters,
    LocalizationRun,
    experiments,
)
from dnakit.project import checked
from dnakit.report import display as report

TABLE_5_2 = "promoters"  # the run of the thesis's Table 5.2
DECIDING = {  # who answers in the control, by name in an evaluation
    "rule": "the rule",
    "rule-5000": "the rule, 5,000 bases before the TSS",
    TABLE_5_2: "trained on promoters",
    "random-positions": "trained on random positions",
    "rule-seamless": "no seam: the rule",
    "promoters-seamless": "no seam: trained on promoters",
    "random-positions-seamless": "no seam: trained on random positions",
}
FAIR = {  # who answers in the fair task, by name, with the promoters learned from
    "baselines-position": "position alone",
    "baselines-motifs": "motifs",
    "baselines-k-mers": "k-mers, logistic regression",
    "fair-none": "Longformer, no pretraining",
    "fair-nuclear": "Longformer, pretrained",
}
KINDS = (PROMOTERS, "shuffled promoters", "random DNA")
ERRORS = {  # columns of `errors`, by who answers in the fair task
    "baselines-position": "constant",
    "baselines-k-mers": "k-mers",
    "baselines-other-k-mers": "k-mers, other",
    "fair-nuclear": "Longformer",
    "fair-other-nuclear": "Longformer, other",
}
COLORS = {"nuclear": report.PALETTE["6-mer"], "mitochondria": report.PALETTE["9-mer"], "none": report.PALETTE["12-mer"]}
DASHES: tuple[Any, ...] = ("solid", (0, (4, 1.5)), (0, (1, 1.2)))  # dropouts in ascending order
TITLES = {
    "train_loss": "training loss",
    "validation_loss": "validation loss",
    "train_accuracy": "training accuracy",
    "validation_accuracy": "validation accuracy",
}


# ---- what there is


def run_names(values: dict[str, Any]) -> list[str]:
    """Names of all that the chapter keeps, without touching data."""
    chapter = checked(LocalizationParameters, values, NOTEBOOK)
    return [*experiments(chapter), *BASELINES, *PICTURES, *chapter.sets()]


def runs(values: dict[str, Any]) -> dict[str, store.Kept]:
    """All that the chapter keeps, by name: trainings, fitted baselines, pictures, evaluations."""
    chapter = checked(LocalizationParameters, values, NOTEBOOK)
    trained = {name: LocalizationRun(chapter, name) for name in experiments(chapter)}
    fitted = {name: BaselineRun(chapter, name) for name in BASELINES}
    drawn = {name: Picture(chapter, name) for name in PICTURES}
    return trained | fitted | drawn | {name: Evaluation(chapter, name) for name in chapter.sets()}


def upstream(values: dict[str, Any]) -> dict[str, list[tuple[str, str, str]]]:
    """What each of `run_names` starts from, as (profile, notebook, run), without touching data."""
    chapter = checked(LocalizationParameters, values, NOTEBOOK)
    tokenizer = (chapter.pretrained, PRETRAINING, TOKENIZER)
    starts = {
        name: [(chapter.pretrained, PRETRAINING, INITIALIZATIONS[each.initialization] or TOKENIZER)]
        for name, each in experiments(chapter).items()
    }
    needed = starts | {name: [tokenizer] for name in BASELINES}
    asked = [(chapter.profile, NOTEBOOK, name) for name in needed]
    drawn = {name: [(chapter.profile, NOTEBOOK, run)] for name, run in PICTURES.items()}
    return needed | drawn | dict.fromkeys(chapter.sets(), asked)


# ---- trainings


def trainings(folders: Mapping[str, Path]) -> pd.DataFrame:
    """What each training learned from, for how long, and its accuracy on its own test windows."""
    rows = []
    for name, about in _abouts(folders):
        if "trained_on" in about.get("parameters", {}):
            chosen, test = about["parameters"], store.read_json(folders[name] / "metrics.json")["test"]
            what = chosen["trained_on"]
            what = what if "positions" in what else about["species"]
            rows.append(
                {
                    "task": chosen["task"],
                    "learned from": what,
                    "windows": about["windows"]["train"],
                    "bases before": chosen["upstream"],
                    "start": chosen["initialization"],
                    "dropout": chosen["dropout"],
                    "samples": about["samples"]["train"] * chosen["epochs"],
                    "test accuracy": test["accuracy"],
                }
            )
    return _indexed(rows, "task", "learned from")


def draw_histories(groups: Mapping[str, Mapping[str, Path]], measures: list[str]) -> Figure:
    """The nine trainings of the thesis by epoch: a row of panels for each group of runs, a column for each measure.

    Colour is the initialization, the line's style the dropout.

    Parameters
    ----------
    groups : mapping
        Folders of runs by what they are ("recorded", "this run"); a group without such runs is left out.
    measures : list of str
        Columns of the histories.
    """
    shown = {title: list(_nine(folders)) for title, folders in groups.items() if list(_nine(folders))}
    height = 0.9 + 2.7 * len(shown)
    figure, axes = plt.subplots(len(shown), len(measures), figsize=(8.0, height), squeeze=False, sharey="row")
    for row, (title, nine) in zip(axes, shown.items(), strict=True):
        for axis, measure in zip(row, measures, strict=True):
            _draw_curves(axis, nine, measure)
            axis.set(title=title, ylabel=TITLES[measure], xlabel="epoch")
    dropouts = sorted({chosen["dropout"] for nine in shown.values() for chosen, _ in nine})
    lines = [Line2D([], [], color=color) for color in COLORS.values()]
    lines += [Line2D([], [], color="#222222", linestyle=dash) for dash, _ in zip(DASHES, dropouts, strict=False)]
    names = list(COLORS) + [f"dropout {dropout:g}" for dropout in dropouts]
    figure.legend(lines, names, loc="outside lower center", ncols=6, handlelength=1.7, columnspacing=1.2)
    return figure


def _nine(folders: Mapping[str, Path]) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Parameters and history of the trainings that the thesis has too."""
    for name, about in _abouts(folders):
        if name.startswith("thesis-"):
            yield about["parameters"], pd.read_csv(folders[name] / "history.csv")


def _draw_curves(axis: Axes, nine: list[tuple[dict[str, Any], pd.DataFrame]], measure: str) -> None:
    dropouts = sorted({chosen["dropout"] for chosen, _ in nine})
    for chosen, history in nine:
        dash = DASHES[dropouts.index(chosen["dropout"]) % len(DASHES)]
        color = COLORS[chosen["initialization"]]
        axis.plot(history.epoch, history[measure], color=color, linestyle=dash, linewidth=1.5)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))


# ---- the control


def control(folders: Mapping[str, Path]) -> pd.DataFrame:
    """Exact accuracy in the thesis's protocol of the rule and of trained models: on promoters, shuffled, random DNA.

    Of promoters, on those that a model did not learn from.
    """
    columns = {}
    for name, about in _evaluations(folders):
        if about["main"]:
            scores = _unseen(folders, name)["thesis"]
            asked = {who: title for who, title in DECIDING.items() if who in scores}
            columns[about["kind"]] = {title: scores[who]["accuracy"] for who, title in asked.items()}
    return pd.DataFrame(columns, columns=list(KINDS)).rename_axis("who answers")


# ---- the fair task


def fair(folders: Mapping[str, Path]) -> pd.DataFrame:
    """The fair task on each organism's own test windows: simple methods and the transformer."""
    rows = []
    for organism in ("", "-other"):
        for who, title in FAIR.items():
            name, _, method = who.partition("-") if who.startswith("baselines") else (who, "", "")
            name = name.replace("fair", f"fair{organism}") if name.startswith("fair") else f"{name}{organism}"
            if name in folders:
                about = store.read_json(folders[name] / "run.json")
                test = store.read_json(folders[name] / "metrics.json")["test"]
                scores = test[method] if method else test
                rows.append({"promoters": about["species"], "who answers": title, **_measures(scores)})
    return _indexed(rows, "promoters", "who answers")


def _measures(scores: dict[str, float]) -> dict[str, float]:
    return {
        "accuracy": scores["accuracy"],
        "within two tokens": scores["within_two_tokens"],
        "within 50 bp": scores["within_50_bp"],
        "median error (bp)": scores["median_error_bp"],
    }


# ---- across species


def across(folders: Mapping[str, Path]) -> pd.DataFrame:
    """Accuracy of the same models on every organism, in the thesis's protocol and in the fair task."""
    rows = []
    for species, asked in _organisms(folders):
        thesis, fair_task = asked["thesis"], asked["fair"]
        rows.append(
            {
                "species": species,
                "accuracy": thesis[TABLE_5_2]["accuracy"],
                "random positions": thesis["random-positions"]["accuracy"],
                "same model, fair": fair_task[TABLE_5_2]["accuracy"],
                "fair": fair_task["fair-nuclear"]["accuracy"],
                "fair, other": fair_task["fair-other-nuclear"]["accuracy"],
            }
        )
    return pd.DataFrame(rows)


def errors(folders: Mapping[str, Path]) -> pd.DataFrame:
    """Median errors in bp of the fair task on every organism."""
    rows = [
        {"species": species} | {title: asked["fair"][who]["median_error_bp"] for who, title in ERRORS.items()}
        for species, asked in _organisms(folders)
    ]
    return _indexed(rows, "species")


def _organisms(folders: Mapping[str, Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each organism's name, told apart where two sets of windows are of one, and the scores of all on it."""
    named: set[str] = set()
    for name, about in _evaluations(folders):
        if about["kind"] == PROMOTERS:
            species = about["species"] if about["species"] not in named else f"{about['species']} ({name[3:]})"
            named.add(species)
            yield species, _unseen(folders, name)


def _unseen(folders: Mapping[str, Path], evaluation: str) -> dict[str, Any]:
    """Scores of an evaluation; of those who learned from its very promoters, the scores on their test windows."""
    asked = store.read_json(folders[evaluation] / "run.json")
    scores = store.read_json(folders[evaluation] / "metrics.json")
    if asked["kind"] != PROMOTERS:
        return scores
    for name, about in _abouts(folders):
        trained_on = about.get("parameters", {}).get("trained_on")
        learned = name in BASELINES or trained_on in ("organism", "other_organism")
        if learned and about["source_sha256"] == asked["source_sha256"]:
            test = store.read_json(folders[name] / "metrics.json")["test"]
            if name in BASELINES:
                scores["fair"] |= {f"{name}-{method}": each for method, each in test.items()}
            else:
                scores[about["parameters"]["task"]][name] = test
    return scores


def published() -> pd.DataFrame:
    """The thesis's Table 5.2."""
    return report.thesis_table("5.2")[["species", "description", "accuracy"]]


def table_5_2(recorded: Mapping[str, Path], here: Mapping[str, Path]) -> pd.DataFrame:
    """Table 5.2 beside both: the thesis's protocol, and the fair task."""
    ours, this = (across(folders) if folders else None for folders in (recorded, here))
    return report.beside(published()[["species", "accuracy"]], ours, this, on=["species"])


def draw_attribution(folder: Path) -> Figure:
    """What a fair model looks at around the TSS, above the sequence logo of the promoters."""
    profile = pd.read_csv(folder / "attribution.csv")
    return attribution.draw_attribution(profile, pd.read_csv(folder / "logo.csv", index_col="place"))


# ---- of all


def _indexed(rows: list[dict[str, Any]], *names: str) -> pd.DataFrame:
    return pd.DataFrame(rows).set_index(list(names)) if rows else pd.DataFrame()


def _abouts(folders: Mapping[str, Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, folder in folders.items():
        yield name, store.read_json(folder / "run.json")


def _evaluations(folders: Mapping[str, Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, about) for name, about in _abouts(folders) if "kind" in about)


def provenance(folders: Mapping[str, Path], profile: str) -> str:
    """One line for a figure or table: profile, data, run keys, seed, device."""
    trained = [about for _, about in _abouts(folders) if "trained_on" in about.get("parameters", {})]
    if not trained:
        return ""
    first = trained[0]
    return report.provenance(
        profile,
        first["source"],
        first["simulated"],
        [about["key"] for about in trained[:3]],
        first["parameters"]["seed"],
        f"{first['device']}, {first['computed_in']}",
    )


# ---- the verdict


def numbers(folders: Mapping[str, Path]) -> dict[str, Any]:
    """The numbers of the chapter's last paragraph, from the folders of finished runs."""
    abouts = dict(_abouts(folders))
    decided = control(folders)
    asked = next(each for _, each in _organisms({n: f for n, f in folders.items() if abouts[n].get("main")}))
    tests = {name: store.read_json(folders[name] / "metrics.json")["test"] for name in _FAIR_TESTS}
    table = abouts[TABLE_5_2]
    nine = {name: about for name, about in abouts.items() if name.startswith("thesis-")}
    reached = {name: store.read_json(folders[name] / "metrics.json")["test"]["accuracy"] for name in nine}
    fresh = [accuracy for name, accuracy in reached.items() if name.startswith("thesis-none")]
    pretrained = [accuracy for name, accuracy in reached.items() if not name.startswith("thesis-none")]
    first = next(iter(nine.values()))
    found: dict[str, Any] = {
        "species": table["species"],
        "other_species": abouts["fair-other-nuclear"]["species"],
        "thesis": float(published().accuracy.iloc[0]),
        "samples": table["samples"]["train"] * table["parameters"]["epochs"],
        "figure_samples": first["samples"]["train"] * first["parameters"]["epochs"],
        "pretrained_lowest": min(pretrained),
        "pretrained_highest": max(pretrained),
        "fresh_lowest": min(fresh),
        "fresh_highest": max(fresh),
        "memorized": min(pd.read_csv(folders[name] / "history.csv").train_accuracy.iloc[-1] for name in nine),
        "seamless_upstream": abouts["promoters-seamless"]["parameters"]["upstream"],
        "same_fair": asked["fair"][TABLE_5_2]["accuracy"],
    }
    for name, who in _DECIDED.items():
        row = decided.loc[DECIDING[who]]
        found |= {name: row[PROMOTERS], f"{name}_shuffled": row[KINDS[1]], f"{name}_random": row[KINDS[2]]}
    for suffix, name in (("", ""), ("_other", "-other")):
        simple = tests[f"baselines{name}"]
        scored = {"fair": tests[f"fair{name}-nuclear"], "constant": simple["position"], "kmers": simple["k-mers"]}
        for who, each in scored.items():
            found |= {f"{who}{suffix}": each["accuracy"], f"{who}{suffix}_error": each["median_error_bp"]}
    return found


_FAIR_TESTS = ("fair-nuclear", "fair-other-nuclear", "baselines", "baselines-other")
_DECIDED = {
    "rule": "rule",
    "rule_seamless": "rule-seamless",
    "promoters": TABLE_5_2,
    "random_positions": "random-positions",
    "promoters_seamless": "promoters-seamless",
    "random_positions_seamless": "random-positions-seamless",
}
