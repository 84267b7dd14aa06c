"""The runs of chapter 5: simple methods under each split, tokens of an input, and trainings."""

from dnakit.chapters.chromatin.measurements import Mutagenesis, SimpleMethods, TokenCounts
from dnakit.chapters.chromatin.parameters import Parameters
from dnakit.chapters.chromatin.trainings import trainings
from dnakit.run import Run

__all__ = ["Parameters", "runs"]

SPLITS = ("random", "apart", "chromosomes")


def runs(parameters: Parameters) -> list[Run]:
    """All runs of the chapter."""
    simple = [
        SimpleMethods(parameters, f"simple-{split}{ending}", organism, split)
        for ending, organism in parameters.sets().items()
        for split in SPLITS
    ]
    trained = trainings(parameters)
    network = next(each for each in trained if each.name == "danq-chromosomes")
    return [*simple, TokenCounts(parameters, "tokens"), *trained, Mutagenesis(parameters, "mutagenesis", network)]
