"""The runs of chapter 3: trainings, simple methods, attributions, and evaluations of all of them."""

from dnakit.chapters.tss.measurements import ATTRIBUTIONS, BASELINES, Attribution, Baselines, Evaluation
from dnakit.chapters.tss.parameters import Parameters
from dnakit.chapters.tss.trainings import Training, experiments
from dnakit.run import Run

__all__ = ["Parameters", "runs"]


def runs(parameters: Parameters) -> list[Run]:
    """All runs of the chapter, each after those it needs."""
    return [
        *(Training(parameters, name) for name in experiments(parameters)),
        *(Baselines(parameters, name) for name in BASELINES),
        *(Attribution(parameters, name) for name in ATTRIBUTIONS),
        *(Evaluation(parameters, name) for name in parameters.sets()),
    ]
