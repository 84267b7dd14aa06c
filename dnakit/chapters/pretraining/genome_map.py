"""A map of the learned language: where genomes lie in a model's hidden states, and whether relatives lie together.

The thesis has no such figure. A genome is the mean of its tokens' final hidden states. Whether the model knows which
genomes are related is a number, the share of genomes whose nearest neighbour is of the same group; beside it stand the
chance of that with a random neighbour, the same architecture untrained, and plain frequencies of 4-mers. The map in two
dimensions (t-SNE) is for the eye alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from transformers import PreTrainedModel

from dnakit.chapters.pretraining import bits_per_base as ruler
from dnakit.data.taxonomy import RANKS, rank
from dnakit.models import build as models
from dnakit.models import initial_weights as fresh
from dnakit.project import DnakitError
from dnakit.report.tables import MISSING
from dnakit.tokens.samples import PAD
from dnakit.tokens.tokenizer import CODES, SPECIAL_TOKENS, UNKNOWN, DnaTokenizer, load_tokenizer

BATCH = 16  # samples
KMER = 4
PRINCIPAL = 50  # components that t-SNE starts from
PERPLEXITY = 30  # t-SNE's own, for as many genomes and more
FEWEST = 6  # genomes that make a map
PANELS = ("untrained", "trained")
KMERS = f"{KMER}-mers"
SHOWN = ("class", "order")
NAMED = 8  # largest groups that get a colour
# Tol's muted scheme: told apart with any colour vision, and none of the tokenizations' colours but one.
COLORS = ("#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE", "#882255", "#44AA99", "#999933")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
OTHER = "#c4c4c4"


def measure(
    folder: Path,
    genomes: Mapping[str, bytes],
    lineages: Mapping[str, Sequence[str]],
    seed: int,
    weights: fresh.Weights = "random",
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
        Of the fresh weights and of t-SNE. With a run's seed, the weights are those its training began with.
    weights : {"random", "informed"}
        Which fresh weights it began with.

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
    tokenizer, trained = load_tokenizer(folder), models.load(folder)
    vectors = {
        "untrained": embed(untrained(trained, tokenizer, seed, weights), tokenizer, genomes),
        "trained": embed(trained, tokenizer, genomes),
        KMERS: kmer_frequencies(genomes),
    }
    named = {level: [rank(lineages.get(name, ()), level) for name in genomes] for level in RANKS}
    groups = pd.DataFrame({"genome": list(genomes)} | named)
    places = [
        groups.assign(which=which, **dict(zip("xy", flatten(vectors[which], seed).T, strict=True))) for which in PANELS
    ]
    scores = [
        {"rank": level, "which": which} | neighbour_score(vectors[which], named[level])
        for level in RANKS
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
    device = ruler.run_device(model)
    total = torch.zeros(1, dtype=torch.double, device=device)
    for batch in torch.from_numpy(ruler.frames(ids)).to(device).split(BATCH):
        with torch.inference_mode():
            needed = (batch.flatten() >= len(SPECIAL_TOKENS)).nonzero().squeeze(1)
            total = total + model.encode(batch, (batch != PAD).long(), None, needed).double().sum(0)
    return (total / known).cpu().numpy()


def untrained(
    model: PreTrainedModel, tokenizer: DnaTokenizer, seed: int, weights: fresh.Weights = "random"
) -> PreTrainedModel:
    """The same architecture with fresh weights; the state of the random numbers is left as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        peer = models.model_class(model.config.model_type, model.config.head)(model.config)
        if weights == "informed":
            fresh.inform(peer, tokenizer)
        return peer


def kmer_frequencies(genomes: Mapping[str, bytes]) -> np.ndarray:
    """Shares of the 256 overlapping 4-mers among those without unknown bases, shape (genomes, 256)."""
    rows = []
    for sequence in genomes.values():
        words = np.lib.stride_tricks.sliding_window_view(CODES[np.frombuffer(sequence, np.uint8)], KMER)
        words = words[(words < UNKNOWN).all(1)].astype(np.int64)
        rows.append(np.bincount(words @ 4 ** np.arange(KMER)[::-1], minlength=4**KMER) / max(1, len(words)))
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


def draw_map(points: pd.DataFrame, scores: pd.DataFrame) -> Figure:
    """Genomes on the map of the untrained and of the trained model, coloured by class above and by order below.

    Parameters
    ----------
    points, scores : DataFrame
        As `measure` gives them, or as read back from CSV. The largest groups are named, the others grey; a title says
        how often the nearest neighbour, in the vectors' space, is of the same group.
    """
    figure, axes = plt.subplots(len(SHOWN), len(PANELS), figsize=(8.0, 6.6))
    score = scores.set_index(["rank", "which"]).score
    for level, row in zip(SHOWN, axes, strict=True):
        sizes = points[points.which == PANELS[0]][level].value_counts()
        named = list(sizes.index[:NAMED])
        for which, axis in zip(PANELS, row, strict=True):
            _draw_panel(axis, points[points.which == which], level, named)
            share = score[level, which]
            axis.set_title(f"{which}: same {level} " + (MISSING if pd.isna(share) else f"{share:.0%}"))
        row[-1].legend(
            title=level,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            handletextpad=0.2,
            alignment="left",
            markerscale=1.3,
        )
    return figure


def _draw_panel(axis: Axes, points: pd.DataFrame, level: str, named: list[str]) -> None:
    """One map; the groups without a name lie below, and stand last in the legend."""
    other = points[~points[level].isin(named)]
    style: dict[str, Any] = {"s": 20, "linewidths": 0}
    for name, color, marker in zip(named, COLORS, MARKERS, strict=False):
        group = points[points[level] == name]
        axis.scatter(group.x, group.y, c=color, marker=marker, label=name, zorder=3, **style)
    if len(other):
        axis.scatter(other.x, other.y, c=OTHER, label="other or unknown", zorder=2, **style)
    axis.set(xticks=[], yticks=[])
    axis.set_box_aspect(1)
