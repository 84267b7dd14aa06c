"""Where genomes lie in a model's hidden states, and whether relatives lie together.

The thesis has no such figure. A genome's vector is the mean of its tokens' final hidden states. The score is the share
of genomes whose nearest neighbour is of the same group. It is compared with the chance of a random neighbour, with the
same architecture untrained, and with plain frequencies of 4-mers. The map in two dimensions (t-SNE) is for the eye.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from transformers import PreTrainedModel

from dnakit.chapters.pretraining.bits_per_base import frames
from dnakit.chapters.pretraining.parameters import Weights
from dnakit.data.bases import codes, kmer_numbers
from dnakit.data.taxonomy import HIGHER_RANKS, rank
from dnakit.models import build, device, initial_weights
from dnakit.project import DnakitError
from dnakit.tokens.tokenizer import DnaTokenizer, load_tokenizer
from dnakit.tokens.vocabulary import PAD, SPECIAL_TOKENS

BATCH = 16  # samples
KMER = 4
PRINCIPAL = 50  # components that t-SNE starts from
PERPLEXITY = 30  # t-SNE's own, for as many genomes and more
FEWEST = 6  # genomes that make a map
PANELS = ("untrained", "trained")
KMERS = f"{KMER}-mers"


def measure(
    folder: Path,
    genomes: Mapping[str, bytes],
    lineages: Mapping[str, Sequence[str]],
    seed: int,
    weights: Weights = "random",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Places of genomes on the map of a trained model and of its untrained peer, and how well relatives are found.

    Parameters
    ----------
    folder : Path
        Holds a language model and its tokenizer, as ``model/`` of a training run does.
    genomes : mapping of str to bytes
        Letters by name; genomes that the model was not trained on.
    lineages : mapping
        Lineage by name, as `dnakit.data.taxonomy.lineages` gives; may lack some.
    seed : int
        Of the initial weights and of t-SNE. With a run's seed, the weights are those its training began with.
    weights : {"random", "informed"}
        The initial weights of the training.

    Returns
    -------
    points : DataFrame
        One row a genome and model: ``genome``, ``class``, ``order``, ``family``, ``which`` ("untrained" or "trained"),
        ``x``, ``y`` (without unit).
    scores : DataFrame
        One row a rank and representation: ``rank``, ``which`` ("untrained", "trained" or "4-mers"), and what
        `neighbour_score` gives.

    Raises
    ------
    DnakitError
        If there are fewer than 6 genomes, one without known bases, or no model.
    """
    if len(genomes) < FEWEST:
        raise DnakitError(f"a map of {len(genomes)} genomes says nothing: give at least {FEWEST}")
    tokenizer, trained = load_tokenizer(folder), build.load(folder)
    vectors = {
        "untrained": embed(untrained(trained, tokenizer, seed, weights), tokenizer, genomes),
        "trained": embed(trained, tokenizer, genomes),
        KMERS: kmer_frequencies(genomes),
    }
    named = {level: [rank(lineages.get(name, ()), level) for name in genomes] for level in HIGHER_RANKS}
    groups = pd.DataFrame({"genome": list(genomes)} | named)
    places = [
        groups.assign(which=which, **dict(zip("xy", flatten(vectors[which], seed).T, strict=True))) for which in PANELS
    ]
    scores = [
        {"rank": level, "which": which} | neighbour_score(vectors[which], named[level])
        for level in HIGHER_RANKS
        for which in vectors
    ]
    return pd.concat(places, ignore_index=True), pd.DataFrame(scores)


def embed(model: PreTrainedModel, tokenizer: DnaTokenizer, genomes: Mapping[str, bytes]) -> np.ndarray:
    """Mean of the final hidden states of all tokens of a genome that stand for known bases.

    Genomes are cut into samples of 254 tokens, unmasked, as in `bits_per_base`; computed in float32.

    Returns
    -------
    np.ndarray of float64, shape (genomes, width)

    Raises
    ------
    DnakitError
        If a genome has no known bases.
    """
    return np.stack([_pooled(model, name, tokenizer.encode_sequence(genomes[name])) for name in genomes])


def _pooled(model: Any, name: str, ids: np.ndarray) -> np.ndarray:
    known = int((ids >= len(SPECIAL_TOKENS)).sum())
    if not known:
        raise DnakitError(f"genome '{name}' has no known bases to place on a map: leave it out")
    where = device.ready(model)
    total = torch.zeros(1, dtype=torch.double, device=where)
    for batch in torch.from_numpy(frames(ids)).to(where).split(BATCH):
        with torch.inference_mode():
            needed = (batch.flatten() >= len(SPECIAL_TOKENS)).nonzero().squeeze(1)
            total = total + model.encode(batch, (batch != PAD).long(), None, needed).double().sum(0)
    return (total / known).cpu().numpy()


def untrained(
    model: PreTrainedModel, tokenizer: DnaTokenizer, seed: int, weights: Weights = "random"
) -> PreTrainedModel:
    """The same architecture with initial weights; the state of the random numbers is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        peer = build.model_class(model.config.model_type, model.config.head)(model.config)
        if weights == "informed":
            initial_weights.inform(peer, tokenizer)
        return peer


def kmer_frequencies(genomes: Mapping[str, bytes]) -> np.ndarray:
    """Shares of the 256 overlapping 4-mers among those without unknown bases, shape (genomes, 256)."""
    rows = []
    for sequence in genomes.values():
        numbers = kmer_numbers(sliding_window_view(codes(sequence), KMER))
        known = numbers[numbers >= 0]
        rows.append(np.bincount(known, minlength=4**KMER) / max(1, len(known)))
    return np.stack(rows)


def flatten(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Two dimensions for the eye: principal components, then t-SNE; float, shape (genomes, 2).

    Neighbours on the map are neighbours in the vectors' space; distances between clusters and their sizes mean nothing.
    """
    components = min(PRINCIPAL, *vectors.shape)
    principal = PCA(components, random_state=seed).fit_transform(vectors)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    return TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(principal).astype(float)


def neighbour_score(vectors: np.ndarray, groups: Sequence[str | None]) -> dict[str, float]:
    """How often the nearest other vector, by cosine, is of the same group.

    Parameters
    ----------
    vectors : np.ndarray, shape (genomes, width)
    groups : sequence of str or None
        Genomes of unknown group are left out, as neighbours too.

    Returns
    -------
    dict
        ``genomes`` (how many are scored: those whose group has another member), ``score`` (share of these whose nearest
        neighbour is of their group) and ``chance`` (the same for a neighbour drawn at random); both NaN without any.
    """
    known = np.flatnonzero(pd.notna(np.array(groups, dtype=object)))
    names, group = np.unique(np.array([groups[number] for number in known.tolist()], str), return_inverse=True)
    others = np.bincount(group, minlength=len(names))[group] - 1
    scored = others > 0
    if not scored.any():
        return {"genomes": 0, "score": float("nan"), "chance": float("nan")}
    unit = vectors[known] / np.linalg.norm(vectors[known], axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    hits = group[cosine.argmax(1)] == group
    chance = others[scored].mean() / (len(known) - 1)
    return {"genomes": int(scored.sum()), "score": float(hits[scored].mean()), "chance": float(chance)}
