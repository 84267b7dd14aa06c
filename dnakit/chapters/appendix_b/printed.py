"""The tokens that the thesis prints in its Figures B.1 and B.2."""

import pandas as pd

from dnakit.chapters.appendix_b.alignment import RIGHT, SAME_LENGTH, mark
from dnakit.report.thesis import thesis_table

WORDS = {RIGHT: "right", SAME_LENGTH: "wrong, same length"}  # of marks; else the length is another
MASKED = "<mask>"


def tokens() -> pd.DataFrame:
    """Both figures: a row for each place, with ``kind`` (visible, masked or random) and ``mark``."""
    found = thesis_table("wrong_tokens")
    kind = found["query"].where(found["query"] == MASKED, "random").replace(MASKED, "masked")
    found = found.assign(kind=kind.mask(found["query"] == found["true"], "visible"))
    return found.assign(mark=[mark(row) for _, row in found.iterrows()])


def changed_tokens() -> pd.DataFrame:
    """The masked and the random tokens, and what the thesis's large model predicts at their places."""
    changed = tokens().query("kind != 'visible'")
    said = changed["mark"].map(lambda sign: WORDS.get(sign, "wrong, other length"))
    return changed.set_index("figure")[["query", "true", "predicted"]].assign(prediction=said.to_numpy())


def counts() -> dict[str, int | float]:
    """What a reader can count: changed tokens by kind, right ones, lengths of wrong ones, bases of a true token."""
    found = tokens()
    right, masked, random = found["mark"] == RIGHT, found["kind"] == "masked", found["kind"] == "random"
    return {
        "masked": int(masked.sum()),
        "right": int((masked & right).sum()),
        "random": int(random.sum()),
        "behind_random": int((random & right).sum()),
        "wrong": int(((masked | random) & ~right).sum()),
        "alike": int((found["mark"] == SAME_LENGTH).sum()),
        "tokens": len(found),
        "bases": float(found["true"].str.len().mean()),
    }
