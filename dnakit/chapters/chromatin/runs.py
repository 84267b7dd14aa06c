"""The runs of chapter 5: simple methods under each split, tokens of an input, trainings, and what these look at."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from dnakit.chapters.chromatin.measurements import (
    Comparisons,
    GappedKmers,
    MotifShares,
    Mutagenesis,
    OverSimpleMethods,
    PublishedScores,
    SimpleMethods,
    TokenCounts,
)
from dnakit.chapters.chromatin.parameters import CHROMOSOMES, SPLITS, WINDOW, Parameters
from dnakit.chapters.chromatin.trainings import CNN, DANQ, Experiment, Training, trainings
from dnakit.run import Run

__all__ = ["Experiment", "Parameters", "Training", "runs"]

Method = TypeVar("Method", bound=SimpleMethods)


def runs(parameters: Parameters) -> list[Run]:
    """All runs of the chapter."""
    simple, gapped = _on_splits(SimpleMethods, "simple", parameters), _on_splits(GappedKmers, "gapped", parameters)
    trained = trainings(parameters)
    of_one = tuple(each for each in trained if each.organism == parameters.data())
    published = [PublishedScores(parameters, "published")] if parameters.published else []
    tokens = TokenCounts(parameters, "tokens")
    return [
        *simple,
        *gapped,
        tokens,
        *trained,
        Comparisons(parameters, "comparisons", of_one),
        _over_simple_methods(parameters, of_one, simple, gapped),
        *published,
        *_looked_into(parameters, [*gapped, *trained]),
    ]


def _on_splits(kind: type[Method], name: str, parameters: Parameters) -> list[Method]:
    """A measurement under each split of each organism."""
    return [
        kind(parameters, f"{name}-{split}{ending}", organism, split)
        for ending, organism in parameters.sets().items()
        for split in SPLITS
    ]


def _over_simple_methods(
    parameters: Parameters,
    trained: Sequence[Training],
    simple: Sequence[SimpleMethods],
    gapped: Sequence[GappedKmers],
) -> OverSimpleMethods:
    """All that reads the sequence minus simple methods, where whole chromosomes of the first organism are held out."""
    networks = tuple(each for each in trained if each.split == CHROMOSOMES and each.window == WINDOW)
    at = SPLITS.index(CHROMOSOMES)
    return OverSimpleMethods(parameters, "over-simple-methods", networks, simple[at], gapped[at])


def _looked_into(parameters: Parameters, made: Sequence[Training | GappedKmers]) -> Iterator[Run]:
    """What gapped k-mers and convolutional networks look at that have not seen the test chromosomes."""
    models = {each.name: each for each in made}
    for ending in parameters.sets():
        gapped, network = models[f"gapped-chromosomes{ending}"], CNN if ending else DANQ
        yield Mutagenesis(parameters, f"mutagenesis-gapped{ending}", gapped)
        yield MotifShares(parameters, f"motifs-gapped{ending}", gapped)
        yield Mutagenesis(parameters, f"mutagenesis{ending}", models[f"{network}-chromosomes{ending}"])
    for name, model in models.items():
        if name.startswith((f"{CNN}-chromosomes", f"{DANQ}-chromosomes")):
            yield MotifShares(parameters, f"motifs-{name}", model)
