"""Inputs of the networks: tokens for Longformer, codes of bases for the convolutional ones; and the samples of a part.

A window and its labels are read from the mapped table when a sample is drawn, so that memory does not grow with the
rows, but for their numbers. All inputs of a data set are padded to one length. That is the length of the model's input,
or less where no window needs as much: a padded position is seen by nobody, so that more padding changes no logit.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dnakit.chapters.chromatin.profiles import Profiles
from dnakit.data import bases
from dnakit.tokens.samples import framed
from dnakit.tokens.tokenizer import DnaTokenizer
from dnakit.tokens.vocabulary import PAD

STEP = 32  # inputs are as long as a multiple of it
PIECE = 1_000  # windows that are tokenized together


class Windows(Sequence[bytes]):
    """The windows of some rows.

    Parameters
    ----------
    profiles : Profiles
    rows : np.ndarray of int
    strand : callable, optional
        Applied to each, such as `dnakit.data.bases.reverse_complement`.
    """

    def __init__(self, profiles: Profiles, rows: np.ndarray, strand: Callable[[bytes], bytes] = bytes) -> None:
        self.profiles, self.rows, self.strand = profiles, rows, strand

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> bytes:  # type: ignore[override]
        return self.strand(self.profiles.window(self.rows[number]))


class Labels(Sequence[np.ndarray]):
    """The labels of some rows, int8, shape (features,) each."""

    def __init__(self, profiles: Profiles, rows: np.ndarray) -> None:
        self.profiles, self.rows = profiles, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> np.ndarray:  # type: ignore[override]
        return self.profiles.labels_of(self.rows[number : number + 1])[0]


class TokenInputs:
    """``<cls>``, the tokens of a window, ``<sep>``, and padding; a window with too many tokens loses the last ones.

    Parameters
    ----------
    windows : sequence of bytes
        Each is tokenized once here, for the length, and when it is asked for.
    tokenizer : DnaTokenizer
    tokens : int
        Of the model's input, such as 256.
    """

    def __init__(self, windows: Sequence[bytes], tokenizer: DnaTokenizer, tokens: int) -> None:
        self.windows, self.tokenizer = windows, tokenizer
        longest = max(self._longest(start) for start in range(0, len(windows), PIECE)) + 2
        self.length = min(tokens, -(-longest // STEP) * STEP)

    def _longest(self, start: int) -> int:
        """The most tokens of a window among those from `start` on."""
        piece = (self.windows[number] for number in range(start, min(start + PIECE, len(self))))
        return max(map(len, self.tokenizer.encode_sequences(piece)))

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """``input_ids`` and ``attention_mask`` of an input."""
        found = self.tokenizer.encode_sequence(self.windows[number])[: self.length - 2]
        ids = torch.from_numpy(framed([found], self.length))
        return {"input_ids": ids, "attention_mask": (ids != PAD).long()}


class BaseInputs:
    """Codes of the bases of windows of one length."""

    def __init__(self, windows: Sequence[bytes]) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """``codes`` of an input."""
        return {"codes": torch.from_numpy(bases.codes(self.windows[number]))}


Inputs = TokenInputs | BaseInputs


class Samples(Dataset):
    """Inputs with their labels; `count` of them, drawn anew in each epoch, or all where `count` is 0 or more than all.

    Parameters
    ----------
    inputs : TokenInputs or BaseInputs
    labels : sequence of np.ndarray of int8, shape (features,)
    count : int
    seed : int
    redraw : bool
        Whether each epoch draws others; without, the same are drawn each time.
    """

    def __init__(
        self, inputs: Inputs, labels: Sequence[np.ndarray] | np.ndarray, count: int, seed: int, redraw: bool
    ) -> None:
        self.inputs, self.labels, self.seed, self.redraw = inputs, labels, seed, redraw
        self.count = min(count or len(inputs), len(inputs))
        self.epoch = 0

    @property
    def epoch(self) -> int:
        """The running epoch; setting it draws the epoch's samples."""
        return self._epoch

    @epoch.setter
    def epoch(self, number: int) -> None:
        self._epoch = number
        rng = np.random.default_rng([self.seed, number if self.redraw else 0])
        self._rows = rng.permutation(len(self.inputs))[: self.count]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        row = int(self._rows[number])
        return self.inputs[row] | {"labels": torch.from_numpy(self.labels[row])}
