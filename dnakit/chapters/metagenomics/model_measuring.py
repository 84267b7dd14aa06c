"""What the trained models are worth: paired differences, ranks of errors, other records of the trained species.

All intervals are 95% and come from a bootstrap over species: copies of a species are right or wrong together. The same
species are drawn for all methods, so a difference of two is a paired one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dnakit.chapters.metagenomics import comparing, copies, fine_tuning, tasks
from dnakit.chapters.metagenomics.tasks import SHARED, WITHIN_ORDER
from dnakit.chapters.pretraining import starts
from dnakit.data.barcodes import RANKS
from dnakit.data.bases import reverse_complement
from dnakit.models import build
from dnakit.tokens.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from dnakit.chapters.metagenomics.copies import Copies
    from dnakit.chapters.metagenomics.model_measurements import OtherRecords, PretrainingEffect, Speed
    from dnakit.chapters.metagenomics.trainings import Training
    from dnakit.tokens.tokenizer import DnaTokenizer

PEER = "consensus"  # the simple method that the models are compared with on the test copies
SIMPLE = ("search", "cosine")  # those on other records


# ---- the thesis's test copies


def pretraining_effect(run: PretrainingEffect, folder: Path) -> dict[str, Any]:
    """Accuracies, their differences, and the ranks of the errors, each with an interval over species."""
    seed = run.parameters.seed
    samples = copies.copies(run.parameters, seed, run.share)
    errors = {each.name: _errors(each) for each in run.trainings}
    _, species = samples.part("test")
    right = {name: ~np.isin(np.arange(len(species)), table["sample"]) for name, table in errors.items()}
    right[PEER] = _right_by_consensus(samples, folder)
    found = {name: _share(values, np.ones(len(values)), species, seed) for name, values in right.items()}
    _table(found, "method").to_csv(folder / "accuracies.csv", index=False, float_format="%.5g")
    apart = dict(_differences(right, species, seed))
    _table(apart, "difference").to_csv(folder / "differences.csv", index=False, float_format="%.5g")
    ranks = {name: _by_rank(table, species, seed) for name, table in errors.items()}
    by_rank = [_table(each, "rank").assign(pretraining=name) for name, each in ranks.items()]
    pd.concat(by_rank).to_csv(folder / "errors_by_rank.csv", index=False, float_format="%.5g")
    within = {name: _flat("share", each["within the order"]) for name, each in ranks.items()}
    return {
        "accuracy": {name: _flat("top1", value) for name, value in found.items()},
        "difference": {name: _flat("top1", value) for name, value in apart.items()},
        "within_order": {name: {"wrong": len(errors[name])} | value for name, value in within.items()},
    }


def _errors(run: Training) -> pd.DataFrame:
    return pd.read_csv(run.folder() / "errors.csv", keep_default_na=False)


def _right_by_consensus(samples: Copies, folder: Path) -> np.ndarray:
    """Whether the nearest consensus of the training copies names each test sample."""
    train, labels = samples.part("train")
    reads, truth = samples.part("test")
    ranked, _ = comparing.best_labels(PEER, train, labels, reads, folder)
    return ranked[:, 0] == truth


def _differences(right: dict[str, np.ndarray], species: np.ndarray, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of all pairs of methods, how much more often the first is right."""
    for one, other in combinations(right, 2):
        change = right[one].astype(float) - right[other]
        yield f"{one}_minus_{other}", _share(change, np.ones(len(change)), species, seed)


def _by_rank(errors: pd.DataFrame, species: np.ndarray, seed: int) -> dict[str, dict[str, Any]]:
    """Of the wrong samples the share by the lowest rank that true and predicted species share."""
    shared = np.full(len(species), "", object)
    shared[errors["sample"]] = errors["shared"]
    wrong = (shared != "").astype(float)
    groups = {rank: (rank,) for rank in SHARED} | {"within the order": WITHIN_ORDER}
    return {name: _share(np.isin(shared, ranks), wrong, species, seed) for name, ranks in groups.items()}


def _share(values: np.ndarray, among: np.ndarray, species: np.ndarray, seed: int) -> dict[str, Any]:
    """Sum of the values over the number of samples that count, and its interval; None where no sample counts."""
    if not among.sum():
        return dict.fromkeys(("share", "low", "high"))
    numbers = values.astype(float)
    with np.errstate(invalid="ignore"):  # draws may hold no sample that counts
        drawn = tasks.drawn_sums(numbers, species, seed) / tasks.drawn_sums(among, species, seed)
    low, high = tasks.percentiles(drawn)
    return {"share": float(numbers.sum() / among.sum()), "low": low, "high": high}


def _flat(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """As the ledger reads numbers with an interval."""
    return {name: found["share"], f"{name}_interval": [found["low"], found["high"]]}


def _table(found: dict[str, dict[str, Any]], key: str) -> pd.DataFrame:
    return pd.DataFrame.from_dict(found, orient="index").rename_axis(key).reset_index()


# ---- other records of the same species


def other_records(run: OtherRecords, folder: Path) -> dict[str, Any]:
    """Ask models and simple methods, which know one record of a species, about another one."""
    seed, genes = run.parameters.seed, copies.genes_of(run.parameters, run.share)
    records = _others(run, genes)
    rows = []
    for form in tasks.FORMS:
        reads = tasks.shown(records, form, seed)
        for method, named in _named(run, genes, reads["sequence"].tolist()):
            right = named == reads["species"].to_numpy(object)
            found = _share(right, np.ones(len(right)), reads["species"].to_numpy(), seed)
            rows.append({"method": method, "form": form, "reads": len(reads)} | found)
    table = pd.DataFrame(rows)
    table.to_csv(folder / "accuracies.csv", index=False, float_format="%.5g")
    return {
        str(form): {row["method"]: _flat("top1", dict(row)) for _, row in part.iterrows()}
        for form, part in table.groupby("form", sort=False)
    }


def _others(run: OtherRecords, genes: pd.DataFrame) -> pd.DataFrame:
    """One more record of each species that has one, of another sequence: the one whose digest is smallest."""
    table = tasks.plain(run.reference.table())
    known = set(genes["sequence"])
    others = table[table["species"].isin(genes["species"]) & ~table["sequence"].isin(known)]
    order = others["name"].map(lambda name: tasks.share(run.parameters.seed, "record", name))
    return others.loc[order.groupby(others["species"]).idxmin().sort_values()].reset_index(drop=True)


def _named(run: OtherRecords, genes: pd.DataFrame, reads: list[bytes]) -> Iterator[tuple[str, np.ndarray]]:
    """The species that each method names for each read."""
    for each in run.trainings:
        yield each.name, _by_model(each, reads)
    for method in SIMPLE:
        named, _ = comparing.best_names(method, genes, reads, Path())
        yield method, named[:, RANKS.index("species")]


def _by_model(run: Training, reads: list[bytes]) -> np.ndarray:
    """What a model names, on the strand of the read for which it is surer (it was trained on one strand)."""
    folder = run.folder()
    tokenizer, model = load_tokenizer(folder / "model"), build.load(folder / "model")
    classes = pd.read_csv(folder / "classes.csv", dtype=str)["species"].to_numpy(object)
    strands = [reads, [reverse_complement(read) for read in reads]]
    scores = [fine_tuning.scores(model, _tokens(run, tokenizer, each), run.parameters.precision) for each in strands]
    sure = [np.exp(each.max(1) - np.logaddexp.reduce(each, axis=1)) for each in scores]
    named = [classes[each.argmax(1)] for each in scores]
    return np.where(sure[0] >= sure[1], *named)


def _tokens(run: Training, tokenizer: DnaTokenizer, reads: list[bytes]) -> fine_tuning.GeneSamples:
    """Reads as a training's samples; each is a class of its own, so that its words begin at its first base."""
    rows = np.arange(len(reads))
    own = copies.Copies(
        pd.DataFrame({"species": [str(row) for row in rows]}), reads, rows, dict.fromkeys(copies.PARTS, rows)
    )
    return fine_tuning.datasets(own, tokenizer, run.parameters.words)["test"]


# ---- speed


def speed(run: Speed) -> dict[str, Any]:
    """Reads per CPU second, tokens included; the model is warm, and opened before."""
    training, parameters = run.training, run.parameters
    samples = copies.copies(parameters, parameters.seed)
    reads = samples.part("test")[0][: parameters.program_samples]
    model = training.initial_model(len(samples.genes))
    tokenizer = starts.tokenizer_of(training.start)
    fine_tuning.scores(model, _tokens(training, tokenizer, reads[: fine_tuning.PREDICTED]), parameters.precision)
    before = comparing.cpu_seconds()
    fine_tuning.scores(model, _tokens(training, tokenizer, reads), parameters.precision)
    return {"reads": len(reads), "reads_per_second": len(reads) / max(comparing.cpu_seconds() - before, 1e-9)}
