"""The claims ledger: what the thesis says, what was found here, on what, and whether the claim stands.

``data/thesis/claims.csv`` holds the claims. ``data/verdicts.csv`` holds what was found of some of them: a verdict, the
recorded number that decides it (a run's folder under ``data/recorded`` and the place in its ``metrics.json``), and in
a few words what that number is. A verdict without a number says what is missing.
"""

from typing import Any

import pandas as pd

from dnakit.project import DnakitError, root
from dnakit.report.finished import recorded
from dnakit.report.thesis import thesis_table

VERDICTS = (
    "stands",
    "stands, but means something else",
    "does not stand",
    "not decided at this size",
    "no data here",
)


def verdicts() -> pd.DataFrame:
    """What was found of the claims: ``id``, ``verdict``, ``run``, ``measure``, ``what``; empty text where none."""
    return pd.read_csv(root() / "data" / "verdicts.csv", dtype=str, keep_default_na=False)


def deciding(run: str, measure: str) -> float | None:
    """The recorded number a verdict names; None where it names none, or the run is not recorded.

    Parameters
    ----------
    run : str
        Notebook and name of a recorded run, such as ``03_tss/on-yeast-ensembl``.
    measure : str
        Where in its metrics, such as ``thesis.rule.accuracy``.

    Raises
    ------
    DnakitError
        If the run is recorded but holds no such number.
    """
    notebook, _, name = run.partition("/")
    found = recorded(notebook).get(name) if run else None
    if found is None:
        return None
    value = found.value(f"metrics.{measure}")
    if not isinstance(value, int | float):
        raise DnakitError(f"data/verdicts.csv: {run} has no number {measure}")
    return float(value)


def ledger(chapter: str) -> pd.DataFrame:
    """The claims of a chapter with a verdict: claim, the thesis's value, ours, what ours is, verdict."""
    claims = thesis_table("claims").query("chapter == @chapter").merge(verdicts(), on="id")
    rows: list[dict[str, Any]] = [
        {
            "claim": claim["claim"],
            "thesis": claim["value"],
            "this book": _whole(deciding(claim["run"], claim["measure"])),
            "measure": claim["what"],
            "verdict": claim["verdict"],
        }
        for claim in claims.to_dict("records")
    ]
    columns = ["claim", "thesis", "this book", "measure", "verdict"]
    return pd.DataFrame(rows, columns=columns).set_index("claim")


def _whole(value: float | None) -> float | int | None:
    """A whole number without decimals."""
    return int(value) if value is not None and value.is_integer() else value
