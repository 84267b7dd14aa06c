"""How often a wrong token has the right length, beside chance and beside what the visible boundaries give away.

The thesis sees in Figure B.1 that replaced tokens mostly have the length of the true ones. We read this as a sign of
learning. Two things make a length easy. Few lengths are common: a *shuffled* prediction, the same wrong tokens at other
places, has the right length by chance. And where a masked token is the only one of its nine-base word that is masked,
the visible tokens of the word leave no other length.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnakit.chapters.appendix_b.predictions import MaskedTokens

ALL, KNOWN, UNKNOWN = GROUPS = "all", "length given away", "length not given away"


def table(tokens: MaskedTokens, predicted: NDArray[np.integer]) -> pd.DataFrame:
    """A row for each of `GROUPS`: masked tokens, right and wrong ones, wrong ones of the right length, and chance.

    Parameters
    ----------
    tokens : MaskedTokens
    predicted : np.ndarray of int, of the shape of ``tokens.shown``
    """
    masked, known = tokens.masked, tokens.known_lengths
    chosen = {ALL: masked, KNOWN: masked & known, UNKNOWN: masked & ~known}
    rows = [{"group": group} | counts(tokens.true[at], predicted[at], tokens.lengths) for group, at in chosen.items()]
    return pd.DataFrame(rows)


def counts(true: NDArray[np.integer], predicted: NDArray[np.integer], lengths: NDArray[np.integer]) -> dict[str, Any]:
    """Of some tokens: how many are predicted right, and how many of the wrong ones have the right length.

    Parameters
    ----------
    true, predicted : np.ndarray of int, shape (tokens,)
        Ids.
    lengths : np.ndarray of int, shape (vocabulary,)
        Bases by id.

    Returns
    -------
    dict
        ``masked``, ``right``, ``wrong``, ``right length`` (of the wrong ones), and ``chance``: how many of the wrong
        ones would have the right length in expectation if they were shuffled among their places.
    """
    wrong = true != predicted
    truth, guess = lengths[true[wrong]], lengths[predicted[wrong]]
    size = int(lengths.max()) + 1
    alike = np.bincount(truth, minlength=size) @ np.bincount(guess, minlength=size)
    return {
        "masked": len(true),
        "right": int((~wrong).sum()),
        "wrong": int(wrong.sum()),
        "right length": int((truth == guess).sum()),
        "chance": float(alike / max(1, wrong.sum())),
    }


def summary(tables: Sequence[pd.DataFrame]) -> dict[str, dict[str, float | None]]:
    """By method: shares of masked tokens that are right, and of wrong ones that have the right length, and chance."""
    found = {}
    for each in tables:
        row = each[each["group"] == ALL].iloc[0]
        shares = {
            "masked_accuracy": (row["right"], row["masked"]),
            "right_length": (row["right length"], row["wrong"]),
            "chance": (row["chance"], row["wrong"]),
        }
        found[row["method"]] = {name: float(part / of) if of else None for name, (part, of) in shares.items()}
    return found
