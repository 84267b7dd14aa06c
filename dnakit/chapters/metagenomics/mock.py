"""Mock communities: samples mixed from known species, so that what is found, missed and invented can be counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dnakit.chapters.metagenomics import classifier, programs
from dnakit.chapters.metagenomics.measuring import LEAST
from dnakit.chapters.metagenomics.parameters import NOT_INSTALLED
from dnakit.data import sources
from dnakit.data.barcodes import RANKS
from dnakit.data.files import open_text, refusing
from dnakit.project import DnakitError

if TYPE_CHECKING:
    from dnakit.chapters.metagenomics.measurements import Mock

SUPPORT = 0.001  # share of a community's reads below which a name is no finding
BOLD = 0.5  # a lower confidence, beside the default one
DRAWS = 5  # of held-out records, beside the default one, that confidence is calibrated on
IDENTITY = 97.0  # percent, of the program's hits, as is usual
COUNTED = ("species", "genus")
COLUMNS = (("sequence",), ("community", "species", "dna_ratio"))  # of the table of reads, and of the composition


def communities(run: Mock, folder: Path) -> dict[str, Any]:
    """Count found, missed and invented names, also by other calibrations; correlate shares of reads and of DNA."""
    counts, composition = (_table(name, needed) for name, needed in zip(run.parameters.mock, COLUMNS, strict=True))
    table = classifier.records_of(run.reference.table())
    members = _members(composition, table)
    reads = [sequence.encode() for sequence in counts["sequence"]]
    made = classifier.prepared(run.reference)
    codes, evidence = classifier.named(made.searcher, made.taxa, reads)
    names, confidence = made.taxa.spelled(codes), made.calibration.confidence(codes, evidence)
    named = {f"search at {least}": np.where(confidence >= least, names, "") for least in (LEAST, BOLD)}
    if "vsearch" in run.parameters.programs and programs.version("vsearch") != NOT_INSTALLED:
        named["vsearch"] = _by_program(table, reads, folder)
    rows = [row for method, names in named.items() for row in _findings(method, names, counts, members)]
    pd.DataFrame(rows).to_csv(folder / "members.csv", index=False, float_format="%.5g")
    other = {draw: classifier.calibrate(table, seed=draw).confidence(codes, evidence) for draw in range(1, DRAWS + 1)}
    _by_draw(names, other, counts, members).to_csv(folder / "draws.csv", index=False)
    shares = _shares(named[f"search at {LEAST}"], counts, members)
    shares.to_csv(folder / "shares.csv", index=False, float_format="%.5g")
    assigned = {method: _assigned(names, counts) for method, names in named.items()}
    return {"assigned": assigned, "correlation": _correlation(shares, 1000)}


def _table(name: str, columns: Sequence[str]) -> pd.DataFrame:
    path = sources.fetch(name)
    try:
        with refusing(path), open_text(path) as handle:
            table = pd.read_csv(handle, sep="\t")
    except ValueError as error:  # pandas' own errors are of this kind
        told = " ".join(str(error).split())[:160]
        raise DnakitError(f"{path}: no table of tab-separated columns ({told}); mend it") from error
    if missing := [column for column in columns if column not in table]:
        raise DnakitError(f"{path}: has no column '{missing[0]}': the mock needs {', '.join(columns)}")
    return table


def _members(composition: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Ranks of the members of each community, by the reference where it knows the species.

    Of a community in which a ratio is missing, no member has a share of the DNA: their sum is not known.
    """
    known = table[table["species"] != ""].drop_duplicates("species").set_index("species")
    ranks = known.reindex(composition["species"])[list(RANKS[:-1])].fillna("").reset_index(drop=True)
    ranks["genus"] = ranks["genus"].where(ranks["genus"] != "", composition["species"].str.split().str[0])
    total = composition.groupby("community")["dna_ratio"].transform(lambda ratios: ratios.sum(skipna=False))
    own = composition[["community", "species"]].assign(dna_share=composition["dna_ratio"] / total)
    return pd.concat([own.reset_index(drop=True), ranks], axis=1)


def _by_program(table: pd.DataFrame, reads: list[bytes], folder: Path) -> np.ndarray:
    """Names that all equally good hits of vsearch share, from the domain down."""
    hits = programs.best_hits("vsearch", table["sequence"].tolist(), reads, folder / "work")
    best = hits[(hits["score"] == hits.groupby("read")["score"].transform("max")) & (hits["score"] >= IDENTITY)]
    ranks = table[list(RANKS)].to_numpy(object)
    names = np.full((len(reads), len(RANKS)), "", object)
    for read, found in best.groupby("read")["record"]:
        for at in range(len(RANKS)):
            shared = set(ranks[found, at])
            if len(shared) != 1 or "" in shared:
                break
            names[int(str(read)), at] = shared.pop()
    return names


def _samples(counts: pd.DataFrame, community: str) -> pd.Series:
    """Reads of each sequence in a community, replicates together."""
    columns = [name for name in counts.columns if name.rsplit("-", 1)[0] == community]
    return counts[columns].sum(axis=1)


def _findings(method: str, names: np.ndarray, counts: pd.DataFrame, members: pd.DataFrame) -> list[dict[str, Any]]:
    """Of each community and rank, how many members are named, missed, and how many names are invented."""
    rows = []
    for community, group in members.groupby("community"):
        reads = _samples(counts, str(community))
        for rank in COUNTED:
            weight = reads.groupby(names[:, RANKS.index(rank)]).sum()
            found = set(weight[weight >= SUPPORT * reads.sum()].index) - {""}
            true = set(group[rank])
            row = {"method": method, "community": community, "rank": rank, "members": len(true)}
            rows.append(row | {"found": len(found & true), "missed": len(true - found), "invented": len(found - true)})
    return rows


def _by_draw(
    names: np.ndarray, confidence: Mapping[int, np.ndarray], counts: pd.DataFrame, members: pd.DataFrame
) -> pd.DataFrame:
    """Species that are found and invented, communities added up, by the draw that confidence was calibrated on."""
    rows = []
    for draw, sure in confidence.items():
        for least in (LEAST, BOLD):
            found = pd.DataFrame(_findings("search", np.where(sure >= least, names, ""), counts, members))
            sums = found[found["rank"] == "species"][["found", "invented"]].sum()
            rows.append({"draw": draw, "confidence": least} | sums.to_dict())
    return pd.DataFrame(rows)


def _assigned(names: np.ndarray, counts: pd.DataFrame) -> float:
    """Share of the reads that have a family at least."""
    reads = counts.select_dtypes("number").sum(axis=1)
    return float(reads[names[:, RANKS.index("family")] != ""].sum() / reads.sum())


def _shares(names: np.ndarray, counts: pd.DataFrame, members: pd.DataFrame) -> pd.DataFrame:
    """Shares of reads and of DNA of the genera of each community whose ratio of DNA is known.

    Of genera, because a species may be named only down to its genus.

    Raises
    ------
    DnakitError
        If that is none.
    """
    known = members.dropna(subset="dna_share")
    if known.empty:
        raise DnakitError("no mock community has a dna_ratio for each of its species: fill them in for one at least")
    frames = []
    for community, group in known.groupby("community"):
        reads = _samples(counts, str(community))
        by_genus = reads.groupby(names[:, RANKS.index("genus")]).sum() / reads.sum()
        dna = group.groupby("genus")["dna_share"].sum()
        found = pd.DataFrame({"dna_share": dna, "read_share": by_genus.reindex(dna.index).fillna(0.0)})
        frames.append(found.rename_axis("genus").reset_index().assign(community=community))
    return pd.concat(frames, ignore_index=True)


def _correlation(shares: pd.DataFrame, draws: int) -> dict[str, float]:
    """Pearson's correlation of the two shares, with a 95% interval from a bootstrap over genera of communities."""
    values = shares[["dna_share", "read_share"]].to_numpy()
    rng = np.random.default_rng(0)
    drawn = [np.corrcoef(values[rng.integers(0, len(values), len(values))].T)[0, 1] for _ in range(draws)]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return {"pearson": float(np.corrcoef(values.T)[0, 1]), "low": float(low), "high": float(high)}
