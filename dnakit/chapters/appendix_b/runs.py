"""The runs of chapter 6: trainings of larger models, what they predict and what they cost."""

from dnakit.chapters.appendix_b.measurements import Boundaries, Costs, Predictions
from dnakit.chapters.appendix_b.parameters import Parameters
from dnakit.chapters.appendix_b.trainings import Pretraining, trainings
from dnakit.run import Run

__all__ = ["Parameters", "runs"]


def runs(parameters: Parameters) -> list[Run]:
    """All runs of the chapter, each after those it needs."""
    trained = trainings(parameters)
    pretrained = [run for run in trained if isinstance(run, Pretraining)]
    return [
        *trained,
        Boundaries(parameters, "boundaries", pretrained[0]),
        Predictions(parameters, "masked-tokens", pretrained),
        Costs(parameters, "costs", trained),
    ]
