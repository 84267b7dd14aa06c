"""The networks of the chapter as one kind of model, with one loss: known labels alone, positives weighted.

Beside the thesis's Longformer stand DeepSEA's convolutional network (Zhou and Troyanskaya 2015) and DanQ (Quang and Xie
2016), a convolution with an LSTM behind it, in their published shapes.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from dnakit.chapters.chromatin.summary import BINS, REACH
from dnakit.models.heads import ClassificationOutput

BASES = 4


class ProfileModel(nn.Module):
    """A network that gives a logit for each feature, with the loss of section 4.2.4.

    Parameters
    ----------
    network : nn.Module
        Called with the inputs of its samples; its output has ``logits``, ``(batch, features)``.
    positive_weight : float
        Of a positive label in the loss; the thesis takes 8, as BigBird.
    """

    def __init__(self, network: nn.Module, positive_weight: float) -> None:
        super().__init__()
        self.network, self.positive_weight = network, positive_weight

    def forward(self, labels: Tensor | None = None, **inputs: Tensor) -> ClassificationOutput:
        """Logits, and with labels (1, 0, -1 where unknown) the loss and the counts of `score`."""
        logits = self.network(**inputs).logits.float()
        if labels is None:
            return ClassificationOutput(logits=logits)
        loss, counts = score(logits, labels, self.positive_weight)
        return ClassificationOutput(loss=loss, counts=counts[None], logits=logits)

    def save_pretrained(self, folder: str | Path) -> None:
        """Save the network alone, which is all that predictions need."""
        self.network.save_pretrained(folder)  # type: ignore[operator]


def score(logits: Tensor, labels: Tensor, positive_weight: float) -> tuple[Tensor, Tensor]:
    """The mean loss of the known labels, and the counts that `dnakit.chapters.chromatin.summary` reads.

    The counts are the summed loss, the summed loss without weights, the known labels, and a histogram of the logits by
    feature and label, as float32 of shape ``(3 + features x 2 x bins,)``.
    """
    known = labels >= 0
    truth = labels.clamp(min=0).to(logits.dtype)
    plain = F.binary_cross_entropy_with_logits(logits, truth, reduction="none") * known
    weighted = plain * torch.where(labels == 1, positive_weight, 1.0)
    number = known.sum()
    counts = torch.stack([weighted.sum(), plain.sum(), number.to(plain.dtype)]).detach()
    return weighted.sum() / number.clamp(min=1), torch.cat([counts, _histogram(logits.detach(), labels)]).float()


def _histogram(logits: Tensor, labels: Tensor) -> Tensor:
    features = logits.shape[1]
    bins = ((logits + REACH) * (BINS / (2 * REACH))).long().clamp(0, BINS - 1)
    feature = torch.arange(features, device=logits.device)
    cells = (feature * 2 + labels.clamp(min=0).long()) * BINS + bins
    return torch.bincount(cells[labels >= 0], minlength=features * 2 * BINS).float()


# ---- convolutional networks


class Convolutional(nn.Module):
    """What DeepSEA's network and DanQ share: bases in, the layers, two dense layers.

    Parameters
    ----------
    kind : {"cnn", "danq"}
    features : int
    length : int
        Bases of an input.
    scale : float
        Of the widths of all layers; 1 as published.
    """

    def __init__(self, kind: str, features: int, length: int, scale: float) -> None:
        super().__init__()
        self.shape = {"kind": kind, "features": features, "length": length, "scale": scale}
        self.body, flat = (_deepsea if kind == "cnn" else _danq)(length, scale)
        hidden = _wide(925, scale)
        self.dense, self.out = nn.Linear(flat, hidden), nn.Linear(hidden, features)

    def forward(self, codes: Tensor) -> ClassificationOutput:
        """Logits from the codes of bases, uint8 ``(batch, bases)``."""
        return ClassificationOutput(logits=self.logits(self.channels(codes)))

    def channels(self, codes: Tensor) -> Tensor:
        """One channel a base, ``(batch, 4, bases)``; an unknown base is zero in all of them."""
        one_hot = F.one_hot(codes.long(), BASES + 1)[..., :BASES].transpose(1, 2)
        return one_hot.to(self.out.weight.dtype)

    def logits(self, channels: Tensor) -> Tensor:
        """``(batch, features)``."""
        hidden = self.body(channels).flatten(1)
        return self.out(F.relu(self.dense(hidden)))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``network.json`` and ``model.safetensors``."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "network.json").write_text(json.dumps(self.shape))
        save_file({name: value.contiguous() for name, value in self.state_dict().items()}, _weights(folder))


def load(folder: str | Path) -> Convolutional:
    """What `Convolutional.save_pretrained` wrote."""
    network = Convolutional(**json.loads((Path(folder) / "network.json").read_text()))
    network.load_state_dict(load_file(_weights(folder)))
    return network.eval()


def _weights(folder: str | Path) -> Path:
    return Path(folder) / "model.safetensors"


def _wide(published: int, scale: float) -> int:
    return max(4, round(published * scale))


def _deepsea(length: int, scale: float) -> tuple[nn.Module, int]:
    """Three convolutions over 8 positions, pooled by 4 after the first two."""
    first, second, third = (_wide(width, scale) for width in (320, 480, 960))
    body = nn.Sequential(
        *(nn.Conv1d(BASES, first, 8), nn.ReLU(), nn.MaxPool1d(4), nn.Dropout(0.2)),
        *(nn.Conv1d(first, second, 8), nn.ReLU(), nn.MaxPool1d(4), nn.Dropout(0.2)),
        *(nn.Conv1d(second, third, 8), nn.ReLU(), nn.Dropout(0.5)),
    )
    return body, third * (((length - 7) // 4 - 7) // 4 - 7)


def _danq(length: int, scale: float) -> tuple[nn.Module, int]:
    """A convolution over 26 positions, pooled by 13, and an LSTM in both directions."""
    width = _wide(320, scale)
    front = nn.Sequential(nn.Conv1d(BASES, width, 26), nn.ReLU(), nn.MaxPool1d(13), nn.Dropout(0.2))
    return nn.Sequential(front, _Lstm(width)), 2 * width * ((length - 25) // 13)


class _Lstm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm, self.dropout = nn.LSTM(width, width, batch_first=True, bidirectional=True), nn.Dropout(0.5)

    def forward(self, channels: Tensor) -> Tensor:
        states: tuple[Tensor, Any] = self.lstm(channels.transpose(1, 2))
        return self.dropout(states[0])
