"""What all simple methods of the fair task share: scores of bases, and the token and base that they predict."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from dnakit.data import bases
from dnakit.project import DnakitError

CANDIDATES = 201  # tokens 0..200 of a stretch may hold the site (section 4.2.2)


class Prediction(NamedTuple):
    """The token predicted to hold the site and the base predicted to be it, each counted from the first one."""

    token: int
    base: int


class Baseline(Protocol):
    """What every simple method can do."""

    def predict(self, stretch: bytes, starts: np.ndarray) -> Prediction:
        """The site in a stretch whose tokens begin at the bases `starts` (int, ascending from 0)."""


class ScoringBaseline(ABC):
    """A method that scores every base by a log-likelihood ratio: "transcription starts here" against "elsewhere"."""

    @abstractmethod
    def score_positions(self, stretch: bytes) -> np.ndarray:
        """Log-likelihood ratio (nats, up to a constant) of each base of the stretch, ``(bases,)``."""

    def predict(self, stretch: bytes, starts: np.ndarray) -> Prediction:
        """The base of the highest score in the tokens that may hold the site, and the token that covers it."""
        end = int(starts[CANDIDATES]) if len(starts) > CANDIDATES else len(stretch)
        base = int(self.score_positions(stretch)[:end].argmax())
        return Prediction(int(np.searchsorted(starts, base, side="right")) - 1, base)


def window_codes(windows: Sequence[bytes], tss: int, reach: int) -> np.ndarray:
    """Codes (`dnakit.data.bases`) of windows of one length with `reach` bases on either side of the site.

    Raises
    ------
    DnakitError
        If they are not such windows.
    """
    lengths = {len(window) for window in windows}
    if len(lengths) != 1:
        raise DnakitError(f"windows of {len(lengths)} different lengths: give promoter windows of one length")
    if not reach <= tss < max(lengths) - reach:
        raise DnakitError(f"windows of {max(lengths)} bases with the TSS at {tss}: {reach} are needed on either side")
    return bases.codes(b"".join(windows)).reshape(len(windows), -1)
