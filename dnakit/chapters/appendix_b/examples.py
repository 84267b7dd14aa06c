"""The pieces of test genomes that Figures B.1 and B.2 show, chosen by a rule."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnakit.chapters.appendix_b.alignment import AVERAGE, WRONG
from dnakit.chapters.appendix_b.predictions import MaskedTokens
from dnakit.tokens.vocabulary import SPECIAL_TOKENS

FEWEST_CHANGED = 4  # tokens of a piece that are masked or random


def choose(tokens: MaskedTokens, predicted: NDArray[np.integer], count: int) -> pd.DataFrame:
    """A wrong piece and an average piece, of `count` tokens each.

    Samples are cut into pieces. Those with at least four changed tokens that a model has to name are compared: the
    wrong piece has the smallest share of right ones, of equal ones the most wrong ones; the average piece has the share
    that lies nearest to that of all pieces.

    Returns
    -------
    DataFrame
        A row for each token: ``figure``, ``shown``, ``true``, ``predicted``, and ``kind`` (visible, masked or random).
    """
    pieces = _pieces(tokens, count)
    changed = np.array([tokens.changed[sample, places].sum() for sample, places in pieces])
    right = np.array([_right(tokens, predicted, sample, places) for sample, places in pieces])
    enough = np.flatnonzero(changed >= min(FEWEST_CHANGED, changed.max()))
    share, usual = right[enough] / np.maximum(1, changed[enough]), right.sum() / max(1, changed.sum())
    wrong = enough[np.lexsort((-changed[enough], share))[0]]
    nearest = enough[np.lexsort((-changed[enough], np.abs(share - usual)))]
    average = next((piece for piece in nearest if piece != wrong), wrong)
    frames = [
        _frame(tokens, predicted, *pieces[piece]).assign(figure=figure)
        for figure, piece in ((WRONG, wrong), (AVERAGE, average))
    ]
    return pd.concat(frames, ignore_index=True)


def _pieces(tokens: MaskedTokens, count: int) -> list[tuple[int, slice]]:
    """Sample and places of all whole pieces of tokens that stand for bases; the samples where all are shorter."""
    ends = (tokens.true >= len(SPECIAL_TOKENS)).sum(1) + 1  # <cls> stands first
    found = [
        (sample, slice(start, start + count))
        for sample, end in enumerate(ends)
        for start in range(1, int(end) - count + 1, count)
    ]
    return found or [(sample, slice(1, int(end))) for sample, end in enumerate(ends)]


def _right(tokens: MaskedTokens, predicted: NDArray[np.integer], sample: int, places: slice) -> int:
    changed = tokens.changed[sample, places]
    return int((changed & (predicted == tokens.true)[sample, places]).sum())


def _frame(tokens: MaskedTokens, predicted: NDArray[np.integer], sample: int, places: slice) -> pd.DataFrame:
    masked, changed = tokens.masked[sample, places], tokens.changed[sample, places]
    ids = {"shown": tokens.shown, "true": tokens.true, "predicted": predicted}
    letters = {
        name: tokens.corpus.tokenizer.convert_ids_to_tokens(each[sample, places].tolist()) for name, each in ids.items()
    }
    return pd.DataFrame(letters | {"kind": np.where(masked, "masked", np.where(changed, "random", "visible"))})
