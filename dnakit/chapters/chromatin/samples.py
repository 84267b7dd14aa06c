"""Inputs of the networks: tokens for Longformer, codes of bases for the convolutional ones; and the samples of a part.

All inputs of a data set are padded to one length. That is the length of the model's input, or less where no window
needs as much: a padded position is seen by nobody, so that more padding changes no logit.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dnakit.data import bases
from dnakit.tokens.tokenizer import DnaTokenizer
from dnakit.tokens.vocabulary import CLS, PAD, SEP

STEP = 32  # inputs are as long as a multiple of it


class TokenInputs:
    """``<cls>``, the tokens of a window, ``<sep>``, and padding; a window with too many tokens loses the last ones.

    Parameters
    ----------
    sequences : sequence of bytes
    tokenizer : DnaTokenizer
    tokens : int
        Of the model's input, such as 256.
    """

    def __init__(self, sequences: Sequence[bytes], tokenizer: DnaTokenizer, tokens: int) -> None:
        encoded = [ids[: tokens - 2] for ids in tokenizer.encode_sequences(sequences)]
        longest = max(len(ids) for ids in encoded) + 2
        self.ids = np.full((len(encoded), min(tokens, -(-longest // STEP) * STEP)), PAD, np.uint16)
        for row, ids in zip(self.ids, encoded, strict=True):
            row[: len(ids) + 2] = [CLS, *ids, SEP]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: int | np.ndarray) -> dict[str, Tensor]:
        """``input_ids`` and ``attention_mask`` of one input or of several."""
        ids = torch.from_numpy(self.ids[rows].astype(np.int64))
        return {"input_ids": ids, "attention_mask": (ids != PAD).long()}


class BaseInputs:
    """Codes of the bases of windows of one length."""

    def __init__(self, sequences: Sequence[bytes]) -> None:
        self.codes = bases.codes(b"".join(sequences)).reshape(len(sequences), -1)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: int | np.ndarray) -> dict[str, Tensor]:
        """``codes`` of one input or of several."""
        return {"codes": torch.from_numpy(self.codes[rows].copy())}


Inputs = TokenInputs | BaseInputs


class Samples(Dataset):
    """Inputs with their labels; `count` of them, drawn anew in each epoch, or all where `count` is 0 or more than all.

    Parameters
    ----------
    inputs : TokenInputs or BaseInputs
    labels : np.ndarray of int8, shape (inputs, features)
    count : int
    seed : int
    redraw : bool
        Whether each epoch draws others; without, the same are drawn each time.
    """

    def __init__(self, inputs: Inputs, labels: np.ndarray, count: int, seed: int, redraw: bool) -> None:
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
