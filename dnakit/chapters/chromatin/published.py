"""Published scores of the features that are DeepSEA's too: the same target in the same cell.

Quang and Xie (2016) print the areas of DeepSEA and DanQ for each of the 919 features, on chr8 and chr9, of networks
that learned from 4.4 million rows. Of an organism with a table of its features those are paired that name the same cell
and target; of DeepSEA's archive all of them, in the order of its columns.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from dnakit.chapters.chromatin.parameters import WINDOW
from dnakit.chapters.chromatin.profiles import prepare
from dnakit.data import sources
from dnakit.data.files import open_text, refusing
from dnakit.project import DnakitError
from dnakit.run import Outcome

if TYPE_CHECKING:
    from dnakit.chapters.chromatin.measurements import PublishedScores

COLUMNS = ["Cell Type", "TF/DNase/HistoneMark", "Treatment"]
SCORES = {
    "DeepSEA": ("DeepSEA ROC AUC", "DeepSEA PR AUC"),
    "DanQ": ("DanQ ROC AUC", "DanQ PR AUC"),
}
UNTREATED = "None"
# Other names of cells and targets, in lower case without other letters than a-z and 0-9
SAME = {"hela": "helas3", "h1": "h1hesc", "ep300": "p300", "gabpa": "gabp", "myc": "cmyc", "spi1": "pu1"}
SAME |= {"rest": "nrsf", "polr2a": "pol2"}


class Experiment(NamedTuple):
    """A cell and what was looked for in it, under comparable names."""

    cell: str
    target: str


def published_scores(run: "PublishedScores", folder: Path) -> Outcome:
    """Write ``published.csv``: a row for each feature and network, areas with three decimals."""
    organism = run.organism
    features = [feature.name for feature in prepare(organism, WINDOW, run.parameters.rows).features]
    table = read_scores(sources.fetch(run.parameters.published))
    if organism.genomes:
        found = of_experiments(table, features, experiments(organism.paths()[2]))
    else:
        found = table.iloc[[int(name) - 1 for name in features]].assign(feature=features)
    rows = [
        found[["feature"]].assign(network=name, auroc=found[auroc], auprc=found[auprc])
        for name, (auroc, auprc) in SCORES.items()
    ]
    pd.concat(rows).to_csv(folder / "published.csv", index=False, float_format="%.3f")
    return Outcome({"features": len(features), "paired": len(found)}, organism.record(run.parameters.published))


def read_scores(path: Path) -> pd.DataFrame:
    """The published table, a row for each of the 919 columns.

    Raises
    ------
    DnakitError
        If it is another table.
    """
    with refusing(path), open_text(path) as handle:
        table = pd.read_csv(handle, sep="\t", keep_default_na=False)
    wanted = [*COLUMNS, *(name for pair in SCORES.values() for name in pair)]
    if missing := [name for name in wanted if name not in table]:
        raise DnakitError(
            f"{path}: lacks the column '{missing[0]}': give the table of published scores of DeepSEA and DanQ"
        )
    areas = table[wanted[len(COLUMNS) :]].apply(pd.to_numeric, errors="coerce")
    return table[COLUMNS].join(areas)


def experiments(path: Path | None) -> dict[str, Experiment]:
    """Cell and target of each feature, from a table of features with these columns; none without."""
    if path is None:
        return {}
    with refusing(path), open_text(path) as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    return {
        row["feature"]: comparable(row["cell"], row["target"]) for row in rows if row.get("cell") and row.get("target")
    }


def comparable(cell: str, target: str) -> Experiment:
    """The experiment under the names that are compared."""
    found = ("".join(filter(str.isalnum, name.lower())) for name in (cell, target))
    return Experiment(*(SAME.get(name, name) for name in found))


def of_experiments(table: pd.DataFrame, features: Sequence[str], known: dict[str, Experiment]) -> pd.DataFrame:
    """For each feature that was published too its mean scores, over several experiments on untreated cells."""
    untreated = table[table["Treatment"] == UNTREATED]
    keys = [comparable(str(cell), str(target)) for cell, target in untreated[COLUMNS[:2]].itertuples(index=False)]
    areas = untreated.drop(columns=COLUMNS).groupby(pd.Series(keys, index=untreated.index)).mean()
    rows: list[dict[str, Any]] = [
        {"feature": name, **areas.loc[[known[name]]].iloc[0]}
        for name in features
        if name in known and known[name] in areas.index
    ]
    return pd.DataFrame(rows, columns=["feature", *areas.columns])
