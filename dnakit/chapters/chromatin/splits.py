"""Which rows are for training, validation and testing: three ways, which differ in how near the test rows lie.

The inputs of adjacent bins share 800 of 1,000 bases. With a random split a neighbour of nearly every test row is in
training. The thesis (4.2.4) does not say how it split; we read: at random.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from dnakit.chapters.chromatin.parameters import APART, CHROMOSOMES
from dnakit.project import DnakitError

TEST, VALIDATION = 0.1, 0.09  # shares of the rows, thesis 4.2.4
FAR = 1 << 40  # bp between two chromosomes in `positions`
NEAR = 1_000  # bp; `APART` leaves out training bins whose start lies so near to that of a test bin


def split(
    how: str,
    chromosomes: np.ndarray,
    starts: np.ndarray,
    validation: Sequence[str],
    test: Sequence[str],
    seed: int,
    reserved: bool = False,
) -> dict[str, np.ndarray]:
    """Indices of the rows for ``train``, ``validation`` and ``test``, in the order of the rows.

    Parameters
    ----------
    how : {"random", "apart", "chromosomes"}
        At random; the same test rows without the rows within 1 kb of one in training or validation; or by chromosome.
    chromosomes, starts : np.ndarray, shape (rows,)
        Where each row lies.
    validation, test : sequence of str
        The chromosomes held out with ``chromosomes``.
    seed : int
    reserved : bool
        Whether the held-out chromosomes take no part in the random splits: DeepSEA publishes them as files of their
        own.

    Raises
    ------
    DnakitError
        If a part would have no rows.
    """
    held = {"validation": np.isin(chromosomes, validation), "test": np.isin(chromosomes, test)}
    if how == CHROMOSOMES:
        parts = held | {"train": ~(held["validation"] | held["test"])}
    else:
        pool = ~(held["validation"] | held["test"]) if reserved else np.ones(len(starts), bool)
        parts = _random(pool, seed)
        if how == APART:
            far = ~near(chromosomes, starts, parts["test"])
            parts = {name: rows if name == "test" else rows & far for name, rows in parts.items()}
    for name, rows in parts.items():
        if not rows.any():
            raise DnakitError(
                f"the split '{how}' leaves no rows for {name}: name chromosomes that have peaks in "
                "'validation_chromosomes' and 'test_chromosomes', or give more data"
            )
    return {name: np.flatnonzero(parts[name]) for name in ("train", "validation", "test")}


def _random(pool: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    order = np.random.default_rng([seed, 0]).permutation(np.flatnonzero(pool))
    test, validation = round(TEST * len(order)), round((TEST + VALIDATION) * len(order))
    chosen = {"test": order[:test], "validation": order[test:validation], "train": order[validation:]}
    return {name: np.isin(np.arange(len(pool)), rows) for name, rows in chosen.items()}


def choosing(how: str, chromosomes: np.ndarray, starts: np.ndarray, parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """The training rows that a method is fitted to while validation chooses its penalty; indices.

    All of them. Where the test rows have no neighbours in training, those that lie apart from the validation rows too:
    else validation would choose a penalty that is good at copying neighbours. All again where none lies apart.
    """
    if how != APART:
        return parts["train"]
    beside = near(chromosomes, starts, np.isin(np.arange(len(starts)), parts["validation"]))
    apart = parts["train"][~beside[parts["train"]]]
    return apart if len(apart) else parts["train"]


def near(chromosomes: np.ndarray, starts: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Whether a row lies within 1 kb of one of the chosen rows; bool, shape (rows,)."""
    places = positions(chromosomes, starts)
    bounded = np.concatenate([[-FAR], np.sort(places[chosen]), [np.iinfo(np.int64).max]])
    after = np.searchsorted(bounded, places, side="right")
    return np.minimum(places - bounded[after - 1], bounded[after] - places) <= NEAR


def positions(chromosomes: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """One number for each place of the genome, int64: chromosomes follow each other, `FAR` apart."""
    return pd.factorize(chromosomes)[0].astype(np.int64) * FAR + starts
