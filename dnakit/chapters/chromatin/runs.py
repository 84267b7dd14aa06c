"""The runs of chapter 5: simple methods under each split, tokens of an input, trainings, and what these look at."""

from collections.abc import Iterator, Sequence

from dnakit.chapters.chromatin.measurements import (
    Comparisons,
    GappedKmers,
    MotifShares,
    Mutagenesis,
    PublishedScores,
    SimpleMethods,
    TokenCounts,
)
from dnakit.chapters.chromatin.parameters import Parameters
from dnakit.chapters.chromatin.trainings import CNN, DANQ, Experiment, Training, trainings
from dnakit.run import Run

__all__ = ["Experiment", "Parameters", "Training", "runs"]

SPLITS = ("random", "apart", "chromosomes")


def runs(parameters: Parameters) -> list[Run]:
    """All runs of the chapter."""
    simple = [
        kind(parameters, f"{name}-{split}{ending}", organism, split)
        for name, kind in (("simple", SimpleMethods), ("gapped", GappedKmers))
        for ending, organism in parameters.sets().items()
        for split in SPLITS
    ]
    trained = trainings(parameters)
    of_one = tuple(each for each in trained if each.organism == parameters.data())
    published = [PublishedScores(parameters, "published")] if parameters.published else []
    tokens = TokenCounts(parameters, "tokens")
    return [
        *simple,
        tokens,
        *trained,
        Comparisons(parameters, "comparisons", of_one),
        *published,
        *_looked_into(parameters, trained),
    ]


def _looked_into(parameters: Parameters, trained: Sequence[Training]) -> Iterator[Run]:
    """What convolutional networks look at that were trained with chromosomes held out."""
    named = {each.name: each for each in trained}
    yield Mutagenesis(parameters, "mutagenesis", named[f"{DANQ}-chromosomes"])
    for ending in filter(None, parameters.sets()):
        yield Mutagenesis(parameters, f"mutagenesis{ending}", named[f"{CNN}-chromosomes{ending}"])
    for name, training in named.items():
        if name.startswith((f"{CNN}-chromosomes", f"{DANQ}-chromosomes")):
            yield MotifShares(parameters, f"motifs-{name}", training)
