"""The values that the thesis prints, and how they stand beside ours."""

from collections.abc import Sequence

import pandas as pd

from dnakit.project import DnakitError, root


def thesis_table(number: str) -> pd.DataFrame:
    """The values the thesis prints, one row as there; ``bold`` lists the columns it sets in bold.

    Parameters
    ----------
    number : str
        "5.1" to "5.4", "B.1" to "B.4"; or the name of another file of ``data/thesis``, such as "claims".

    Raises
    ------
    DnakitError
        If there is no such table.
    """
    folder = root() / "data" / "thesis"
    for name in (number, f"table_{number.replace('.', '_')}"):
        if (folder / f"{name}.csv").is_file():
            frame = pd.read_csv(folder / f"{name}.csv", comment="#", dtype_backend="numpy_nullable")
            return frame.astype(dict.fromkeys(frame.select_dtypes("Float64"), float))
    known = ", ".join(sorted(path.stem for path in folder.glob("*.csv")))
    raise DnakitError(f"the thesis has no table '{number}' in data/thesis; there are {known}")


def beside(
    thesis: pd.DataFrame | None, recorded: pd.DataFrame | None, this_run: pd.DataFrame | None, on: Sequence[str]
) -> pd.DataFrame:
    """Put the thesis's values, those of recorded runs and those of this run side by side.

    Parameters
    ----------
    thesis, recorded, this_run : DataFrame
        Each with `on` among its columns or as its index, and any measures. None leaves its group out; an empty frame
        keeps it, as missing.
    on : sequence of str
        What says which rows belong together, such as model and tokenizer.

    Returns
    -------
    DataFrame
        Index `on`; columns of two levels, source and measure. Rows in the thesis's order, then those it does not have.

    Raises
    ------
    DnakitError
        If a frame lacks a key, or has two rows for one key.
    """
    frames = {"thesis": thesis, "recorded": recorded, "this run": this_run}
    keyed = {name: _keyed(frame, name, list(on)) for name, frame in frames.items() if frame is not None}
    rows = list(dict.fromkeys(row for frame in keyed.values() for row in frame.index))
    return pd.concat({name: frame.reindex(_index(rows, on)) for name, frame in keyed.items()}, axis=1)


def _keyed(frame: pd.DataFrame, name: str, on: list[str]) -> pd.DataFrame:
    if set(on) & set(frame.index.names):
        frame = frame.reset_index()
    if absent := [key for key in on if key not in frame.columns]:
        raise DnakitError(f"the {name} values have no column '{absent[0]}'; they have {', '.join(frame.columns)}")
    whole = dict.fromkeys(frame.select_dtypes("integer"), "Int64")  # stay whole where a row is missing
    keyed = frame.astype(whole).set_index(on)
    if keyed.index.has_duplicates:
        raise DnakitError(f"the {name} values have two rows for {keyed.index[keyed.index.duplicated()][0]}: add a key")
    return keyed


def _index(rows: list, on: Sequence[str]) -> pd.Index:
    return pd.Index(rows, name=on[0]) if len(on) == 1 else pd.MultiIndex.from_tuples(rows, names=list(on))
