"""Whether a network looks at a motif: the most important ten bases of a window where a factor is bound.

The importance of a base is estimated for all bases of a window at once, from the gradient of the factor's logit: how
far the logit would fall on average if the base were one of the three others and the network were linear (the first
order of in-silico mutagenesis, `dnakit.chapters.chromatin.mutagenesis`). Controls are the same windows with their bases
in a random order, and ten bases at a random place.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from dnakit.chapters.chromatin.fine_tuning import load_model
from dnakit.chapters.chromatin.measuring import parts_of
from dnakit.chapters.chromatin.mutagenesis import features_of, pattern
from dnakit.chapters.chromatin.networks import Convolutional
from dnakit.chapters.chromatin.profiles import prepare
from dnakit.data import bases
from dnakit.data.bases import reverse_complement
from dnakit.models import device
from dnakit.run import Outcome

if TYPE_CHECKING:
    from dnakit.chapters.chromatin.measurements import MotifShares

WORD = 10  # bases
SHARED = 7  # bases of a word that lie in a motif which it is said to hold: the shortest motif has as many
MOST = 500  # windows of a factor
BATCH = 32


def motif_shares(run: "MotifShares") -> Outcome:
    """By motif: windows, how many hold it, how many have it in their most important word, and the controls."""
    training, chapter = run.training, run.parameters
    profiles = prepare(training.organism, training.experiment.window, chapter.rows)
    rows = parts_of(profiles, training.organism, training.experiment.split, chapter.seed)["test"]
    network = load_model(training, training.folder()).network
    assert isinstance(network, Convolutional)
    rng = np.random.default_rng([chapter.seed, 0])
    metrics: dict[str, Any] = {}
    for motif, column in features_of(profiles):
        bound = rows[profiles.labels[rows, column] == 1][:MOST]
        if len(bound):
            windows = profiles.sequences(bound)
            found = {"feature": profiles.features[column].name, "windows": len(windows)}
            mixed = [rng.permutation(np.frombuffer(each, np.uint8)).tobytes() for each in windows]
            metrics[motif] = found | shares(network, windows, motif, column)
            metrics[motif]["shuffled"] = shares(network, mixed, motif, column)
    return Outcome({"motifs": metrics}, training.organism.record() | {"network": training.name})


def shares(network: Convolutional, windows: list[bytes], motif: str, column: int) -> dict[str, Any]:
    """Of the windows: how many hold the motif, how many in their most important word, and in a word at random.

    ``interval`` is the 95% interval (Wilson) of ``top``.
    """
    from scipy.stats import binomtest

    held = np.array([words_with(motif, window) for window in windows])
    codes = torch.from_numpy(bases.codes(b"".join(windows)).reshape(len(windows), -1))
    found = np.concatenate([attributions(network, part, column) for part in codes.split(BATCH)])
    best = sliding_window_view(found, WORD, axis=1).sum(-1).argmax(1)
    top = held[np.arange(len(held)), best]
    low, high = binomtest(int(top.sum()), len(top)).proportion_ci(method="wilson")
    return {
        "with_motif": float(held.any(1).mean()),
        "top": float(top.mean()),
        "interval": [float(low), float(high)],
        "random": float(held.mean()),
    }


def words_with(motif: str, window: bytes) -> np.ndarray:
    """Which words of a window, by their first base, share 7 bases or more with a match on either strand; bool."""
    inside = np.zeros((2, len(window)), bool)
    for strand, sequence in enumerate((window, reverse_complement(window))):
        for match in pattern(motif).finditer(sequence):
            inside[strand, slice(*match.span())] = True
    inside = inside[0] | inside[1, ::-1]
    return sliding_window_view(inside, WORD).sum(1) >= SHARED


def attributions(network: Convolutional, codes: torch.Tensor, column: int) -> np.ndarray:
    """How far a feature's logit would fall if a base were another one; float, shape (windows, bases), 0 where unknown.

    Parameters
    ----------
    network : Convolutional
        In evaluation mode.
    codes : Tensor of uint8, shape (windows, bases)
    column : int
        Of the feature.
    """
    where = device.ready(network)  # type: ignore[arg-type]
    channels = network.channels(codes.to(where)).requires_grad_()
    with torch.backends.cudnn.flags(enabled=False):  # its LSTM has no gradient in evaluation mode
        network.logits(channels)[:, column].sum().backward()
    gradient = channels.grad
    assert gradient is not None
    known = channels.detach()
    here = (gradient * known).sum(1)
    others = (gradient.sum(1) - here) / 3
    return ((here - others) * known.sum(1)).cpu().numpy()
