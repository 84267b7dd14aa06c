"""Whether a model looks at a motif: the most important ten bases of a window where a factor is bound.

The importance of a base is how far the factor's logit would fall on average if the base were one of the three others.
Of gapped k-mers it is exact (`dnakit.chapters.chromatin.gapped.GappedModel`). Of a network it is estimated for all
bases of a window at once, from the gradient of the logit, as if the network were linear: the first order of in-silico
mutagenesis (`dnakit.chapters.chromatin.mutagenesis`). Controls are the same windows with their bases in a random order,
and ten bases at a random place.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from dnakit.chapters.chromatin.fine_tuning import load_model
from dnakit.chapters.chromatin.gapped import GappedModel
from dnakit.chapters.chromatin.mutagenesis import features_of, pattern, tested
from dnakit.chapters.chromatin.networks import Convolutional
from dnakit.chapters.chromatin.trainings import Training
from dnakit.data import bases
from dnakit.data.bases import reverse_complement
from dnakit.models import device
from dnakit.run import Outcome

if TYPE_CHECKING:
    from dnakit.chapters.chromatin.measurements import GappedKmers, MotifShares

WORD = 10  # bases
SHARED = 7  # bases of a word that lie in a motif which it is said to hold: the shortest motif has as many
MOST = 500  # windows of a factor
BATCH = 32


def motif_shares(run: "MotifShares") -> Outcome:
    """By motif: windows, how many hold it, how many have it in their most important word, and the controls."""
    profiles, rows = tested(run.model)
    importance_in = importances_in(run.model)
    rng = np.random.default_rng([run.parameters.seed, 0])
    metrics: dict[str, Any] = {}
    for motif, column in features_of(profiles):
        bound = rows[profiles.labels[rows, column] == 1][:MOST]
        if len(bound):
            windows = profiles.sequences(bound)
            found = {"feature": profiles.features[column].name, "windows": len(windows)}
            mixed = [rng.permutation(np.frombuffer(each, np.uint8)).tobytes() for each in windows]
            look = partial(importance_in, column=column)
            metrics[motif] = found | shares(look, windows, motif) | {"shuffled": shares(look, mixed, motif)}
    return Outcome({"motifs": metrics}, run.model.organism.record() | {"model": run.model.name})


def importances_in(model: "Training | GappedKmers") -> Callable[..., np.ndarray]:
    """A function that gives the importance of all bases of ``windows`` for a feature's ``column``."""
    if not isinstance(model, Training):
        return GappedModel.load(model.folder()).importance
    network = load_model(model, model.folder()).network
    assert isinstance(network, Convolutional)
    return partial(attributions, network)


def shares(importance_in: Callable[[list[bytes]], np.ndarray], windows: list[bytes], motif: str) -> dict[str, Any]:
    """Of the windows: how many hold the motif, how many in their most important word, and in a word at random.

    ``interval`` is the 95% interval (Wilson) of ``top``.
    """
    from scipy.stats import binomtest

    held = np.array([words_with(motif, window) for window in windows])
    parts = [windows[start : start + BATCH] for start in range(0, len(windows), BATCH)]
    found = np.concatenate([importance_in(part) for part in parts])
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


def attributions(network: Convolutional, windows: list[bytes], column: int) -> np.ndarray:
    """How far a feature's logit would fall if a base were another one; float, shape (windows, bases), 0 where unknown.

    Parameters
    ----------
    network : Convolutional
        In evaluation mode.
    windows : list of bytes
        Of one length.
    column : int
        Of the feature.
    """
    codes = torch.from_numpy(bases.codes(b"".join(windows)).reshape(len(windows), -1))
    where = device.ready(network)  # type: ignore[arg-type]
    channels = network.channels(codes.to(where)).requires_grad_()
    with torch.backends.cudnn.flags(enabled=False):  # its LSTM has no gradient in evaluation mode
        (gradient,) = torch.autograd.grad(network.logits(channels)[:, column].sum(), channels)
    known = channels.detach()
    here = (gradient * known).sum(1)
    others = (gradient.sum(1) - here) / 3
    return ((here - others) * known.sum(1)).cpu().numpy()
