"""The tables of section 5.1: the rows of Table 5.1, what their numbers mean, and bits per base of held-out genomes.

Every function reads the folders of finished runs, recorded ones and those of this machine alike.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dnakit import metrics
from dnakit.chapters.pretraining.compressor import AFTER, ALONE
from dnakit.chapters.pretraining.full_size import FULL_SIZE
from dnakit.chapters.pretraining.measurements import (
    AS_SEEN,
    COMPRESSOR,
    LOOKUPS,
    MAP,
    MODEL_MEASURED,
    SEGMENTATION,
    SENTENCE_ORDER,
    SIMPLE,
)
from dnakit.chapters.pretraining.parameters import MODEL, NINE_MER, parts_of
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Estimate, wilson
from dnakit.report.tables import MISSING
from dnakit.report.thesis import thesis_table
from dnakit.tokens.parameters import HELD_OUT

ROW = ["language", "model", "tokenizer", "tasks"]  # what names a row of Table 5.1
TASKS = {"mlm": "MLM", "mlm+sop": "MLM + SOP"}
MASKED = 0.15 * 0.8  # of all tokens: 15% are selected, and 80% of these are shown as <mask>
SCORES = {
    name: f"metrics.validation.{path}"
    for name, path in {
        "accuracy": "accuracy",
        "SOP_accuracy": "sop_accuracy",
        "perplexity": "perplexity",
        "loss": "loss",
        "copying": "copy_accuracy",
        "masked accuracy": "masked_accuracy",
        "masked perplexity": "masked_perplexity",
        "masked loss": "masked_loss",
    }.items()
}
LOSSES = ("loss (nats)", "e^loss", "2^loss")
COPYING, PERPLEXITIES = "copying + segmentation", "its perplexity (random tokens known)"
SIZES = {
    "vocabulary": "record.vocab_size",
    "genomes": "record.genomes.train",
    "samples": "record.samples.train",
    "epochs": "record.parameters.epochs",
    "minutes": "record.seconds",
}
MAPS = {MAP: "trained", f"{MAP}-{FULL_SIZE}": "full size"}  # what the trained model of each is called
COUNTED = "counts as seen"  # what a run of AS_SEEN is called
CONTEXT = ("order 2", "order 8", "order 12", "best order", "mixed orders", "two-sided")
XZ = (ALONE, AFTER)


# ---- choosing finished runs


def rows(done: Finished) -> Finished:
    """The rows of Table 5.1."""
    return done.only(lambda run: MODEL.fullmatch(run.name) is not None)


def beside_copying(done: Finished) -> Finished:
    """The rows of Table 5.1, and segmentation alone of their tokenizations."""
    return done.only(lambda run: MODEL.fullmatch(run.name) is not None or run.name.startswith(SEGMENTATION))


def measured(done: Finished, language: str) -> Finished:
    """What measures a language: simple methods that learned from the genomes of the rows, and the rows' models."""
    simple = tuple(f"{start}{language}" for start in (SIMPLE, LOOKUPS, AS_SEEN, COMPRESSOR))
    return done.only(lambda run: run.name in simple or _measures_row(run, language))


def examples(done: Finished) -> Finished:
    """The run whose predictions are shown."""
    return done.only(lambda run: run.name == NINE_MER)


def mapped(done: Finished) -> Finished:
    """The runs behind the map of genomes: of the row, and of the full-size one where it is there."""
    return done.only(lambda run: run.name in MAPS)


def of_map(done: Finished, file: str) -> pd.DataFrame:
    """A table of the map of genomes, and what that of the full-size row adds to it: its trained model."""
    frames: list[pd.DataFrame] = []
    for name in (each for each in MAPS if each in done):
        frame = done[name].frame(file)
        frame["which"] = frame["which"].replace("trained", MAPS[name])
        frames.append(frame[frame["which"] == MAPS[name]] if frames else frame)
    return pd.concat(frames, ignore_index=True)


def _measures_row(run: FinishedRun, language: str) -> bool:
    row = MODEL.fullmatch(run.name.removeprefix(MODEL_MEASURED))
    return run.name.startswith(MODEL_MEASURED) and row is not None and run.record["language"] == language


# ---- Table 5.1


def published() -> pd.DataFrame:
    """The thesis's Table 5.1 with its reference rows; its hg38 is the row of whatever nuclear genome is used."""
    table = thesis_table("5.1").replace({"language": {"hg38": "nuclear"}})
    table["skill"] = [metrics.skill(value) for value in table.accuracy]
    return table[[*ROW, "accuracy", "SOP_accuracy", "perplexity", "skill"]]


def row_of(run: FinishedRun) -> tuple[str, ...]:
    """Which row of Table 5.1 a run is, from its record: language, model, tokenizer, tasks."""
    parameters, corpus = run.record["parameters"], run.record["corpus"]
    language = "nuclear" if corpus.get("piece") else "mitochondrial"
    return language, parameters["architecture"].capitalize(), corpus["tokenization"], TASKS[parameters["head"]]


def sizes(done: Finished) -> pd.DataFrame:
    """What each row was trained on and how long that took."""
    table = _by_row(done, SIZES)
    return table.assign(minutes=table.minutes / 60)


def table_5_1(done: Finished) -> pd.DataFrame:
    """Accuracy, sentence-order accuracy and perplexity of each row, as measured over all tokens.

    Beside them the accuracy of copying the input, on the same masks, and accuracy and perplexities of a predictor that
    copies and knows of the masked tokens what `segmentation` knows, as it is and if it knew which tokens are random.
    The latter are measured on the set near.
    """
    table = _by_row(done, SCORES)
    alone = pd.DataFrame(
        [_copying_and_segmentation(done, run) for run in rows(done).values()], columns=[COPYING, PERPLEXITIES]
    )
    alone.index = pd.MultiIndex.from_tuples([row_of(run) for run in rows(done).values()], names=ROW)
    kept = ["accuracy", "SOP_accuracy", "perplexity", "copying"]
    return table[kept].join(alone) if len(table) else table[kept]


def _copying_and_segmentation(done: Finished, run: FinishedRun) -> dict[str, Any]:
    parts = parts_of(run.name)
    name = f"{SEGMENTATION}{parts['tokenization']}{parts['nuclear'] or ''}"
    if name not in done:
        return {}
    alone = done[name].metrics["near"]
    return {
        COPYING: alone["accuracy"],
        PERPLEXITIES: f"{alone['perplexity']:.2f} ({alone['perplexity_told']:.2f})",
    }


def meanings(done: Finished) -> pd.DataFrame:
    """What the numbers of Table 5.1 mean: skill above copying, masked tokens, and both readings of perplexity."""
    table = _by_row(done, SCORES | {"loss over": "record.parameters.mlm_loss"})
    table["skill"] = [metrics.skill(*pair) for pair in zip(table.accuracy, table.copying, strict=True)]
    table["2^loss"] = [metrics.perplexity_base2(value) for value in table.loss]
    table["loss over"] = table["loss over"].map({"all": "all tokens", "masked": "selected tokens"})
    table = table.rename(columns={"loss": "loss (nats)"}).assign(**{"e^loss": table.perplexity})
    return table[["loss over", "skill", "masked accuracy", "masked perplexity", *LOSSES]]


def _by_row(done: Finished, columns: Mapping[str, str]) -> pd.DataFrame:
    """A table of the rows of Table 5.1, indexed and ordered as there."""
    found = rows(done)
    if not found:
        return pd.DataFrame(columns=list(columns))
    index = pd.MultiIndex.from_tuples([row_of(run) for run in found.values()], names=ROW)
    table = found.table(columns).set_index(index)
    order = [row for row in published()[ROW].itertuples(index=False, name=None) if row in index]
    return table.loc[order]


# ---- sentence order


def of_sentence_order(done: Finished) -> Finished:
    """What the frame of words says about sentence order, and the mitochondrial rows that were trained on it."""
    return done.only(lambda run: run.name.startswith(SENTENCE_ORDER) or _predicts_order(run))


def _predicts_order(run: FinishedRun) -> bool:
    row = MODEL.fullmatch(run.name)
    return row is not None and row["head"] == "mlm+sop" and row["nuclear"] is None


def sentence_order(done: Finished) -> pd.DataFrame:
    """By tokenization: accuracy of the frame alone and of the model on both held-out sets, and how often it decides.

    Intervals are Wilson's; n is the number of pairs of sentences.
    """
    found = {}
    for run in done.values():
        if run.name.startswith(SENTENCE_ORDER):
            tokenization = run.name.removeprefix(SENTENCE_ORDER)
            model = next((each for each in done.values() if f"-{tokenization}-mlm+sop" in each.name), None)
            found[tokenization] = {
                (part, name): value for part in HELD_OUT for name, value in _orders(run, model, part).items()
            }
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("tokenizer")


def _orders(run: FinishedRun, model: FinishedRun | None, part: str) -> dict[str, float | str]:
    alone = run.metrics[part]
    predicted = model.metrics[part].get("sop_accuracy") if model and part in model.metrics else None
    return {
        "decided by the frame": alone["decided"],
        "frame alone": _with_interval(alone["accuracy"], alone["pairs"]),
        "Longformer": "" if predicted is None else _with_interval(predicted, alone["pairs"]),
    }


def _with_interval(share: float, count: int) -> str:
    return f"{Estimate(share, *wilson(share, count)):.3f}"


# ---- examples


def predictions(done: Finished) -> pd.DataFrame:
    """The kept predictions of the 9-mer model: what it was shown, the truth, and what it named.

    Tokens that were changed before the model saw them stand in square brackets in all three lines.
    """
    kept = done[NINE_MER].frame("examples.csv")
    lines = []
    for number, tokens in kept[kept.true != "<pad>"].groupby("sample"):
        changed = (tokens.seen != tokens.true).to_numpy()
        for name in ("seen", "true", "predicted"):
            text = " ".join(f"[{token}]" if mark else token for token, mark in zip(tokens[name], changed, strict=True))
            lines.append({"sample": number, "line": "shown" if name == "seen" else name, "tokens": text})
    return pd.DataFrame(lines, columns=["sample", "line", "tokens"]).set_index(["sample", "line"])


# ---- held-out genomes


def bits(done: Finished) -> pd.DataFrame:
    """Bits per base of both held-out sets, of what `measured` chose: simple methods, then the models."""
    found: dict[str, dict[str, float]] = {}
    for run in _simple_first(done):
        if run.name.startswith(SIMPLE):
            found |= {name: {part: run.metrics[part]["bits_per_base"][name] for part in HELD_OUT} for name in CONTEXT}
        elif run.name.startswith(AS_SEEN):
            found[COUNTED] = {part: run.metrics[part]["bits_per_base"] for part in HELD_OUT}
        elif run.name.startswith(COMPRESSOR):
            found |= {name: {part: run.metrics[part][name] for part in HELD_OUT} for name in XZ}
        elif run.name.startswith(MODEL_MEASURED):
            found[model_in_words(run)] = {part: run.metrics[part]["bits_per_base"] for part in HELD_OUT}
    return pd.DataFrame.from_dict(found, orient="index", columns=list(HELD_OUT)).rename_axis("method")


def masked(done: Finished) -> pd.DataFrame:
    """Share of masked tokens named right at the first guess and within five: lookups of 9-mers, then the models."""
    found: dict[str, dict[str, float]] = {}
    for run in _simple_first(done):
        if run.name.startswith(LOOKUPS):
            for name in run.metrics["near"]:
                scores = {part: run.metrics[part][name] for part in HELD_OUT}
                found[lookup_in_words(name)] = _first_and_five(scores, "top1", "top5")
        elif run.name.startswith(MODEL_MEASURED):
            found[model_in_words(run)] = _first_and_five(run.metrics, "masked_accuracy", "masked_top5")
    columns = [column for part in HELD_OUT for column in (part, f"{part}, top 5")]
    return pd.DataFrame.from_dict(found, orient="index", columns=columns).rename_axis("method")


def lookup_in_words(name: str) -> str:
    """A lookup's name in tables, such as ``lookup: 12 bp as seen``."""
    return f"lookup: {without_comma(name)}"


def without_comma(name: str) -> str:
    """A method's name in words, such as ``12 bp as seen``; in its run it has a comma."""
    return name.replace(", as seen", " as seen")


def _first_and_five(scores: Mapping[str, Mapping[str, float]], first: str, five: str) -> dict[str, float]:
    shares = {}
    for part in HELD_OUT:
        shares[part] = scores[part][first]
        shares[f"{part}, top 5"] = scores[part][five]
    return shares


def _simple_first(done: Finished) -> list[FinishedRun]:
    simple = (SIMPLE, AS_SEEN)  # in this order

    def rank(run: FinishedRun) -> tuple[bool, ...]:
        return (*(not run.name.startswith(each) for each in simple), run.name.startswith(MODEL_MEASURED))

    return sorted(done.values(), key=rank)


def model_in_words(run: FinishedRun) -> str:
    """The row of Table 5.1 that was measured, such as ``Longformer, 9-mer, MLM``; its language is said elsewhere."""
    parts = parts_of(run.record["model"])
    return f"{parts['architecture'].capitalize()}, {parts['tokenization']}, {TASKS[parts['head']]}"


def neighbours(done: Finished) -> pd.DataFrame:
    """How often the nearest neighbour is a relative, by rank and by what describes a genome, beside chance.

    Intervals are Wilson's; n is the number of genomes.
    """
    scores = of_map(done, "neighbours.csv")
    ranks, described = scores["rank"].drop_duplicates(), ["untrained", *MAPS.values(), "4-mers"]
    table = scores.pivot(index="rank", columns="which", values="score").loc[ranks]
    first = scores.drop_duplicates("rank").set_index("rank")
    counts = first["genomes"].astype(int)
    shown = table[[which for which in described if which in table]].apply(
        lambda shares: [_share(share, counts[rank]) for rank, share in shares.items()]
    )
    return shown.assign(chance=first["chance"].map("{:.0%}".format, na_action="ignore"), genomes=counts)


def _share(share: float, count: int) -> str:
    """A share with its interval; of no genome, where none has a relative, there is none."""
    return MISSING if np.isnan(share) else f"{Estimate(share, *wilson(share, count)):.0%}"
