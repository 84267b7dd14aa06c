"""The runs of chapter 3: trainings, simple methods, attributions, evaluations of all of them, runs without a model."""

from dnakit.chapters.tss.controls import Neighbours, PretrainedPromoters, RuleTies
from dnakit.chapters.tss.measurements import Answers, Attribution, Baselines, Evaluation
from dnakit.chapters.tss.organisms import organism
from dnakit.chapters.tss.parameters import TABLE_5_2, Parameters
from dnakit.chapters.tss.trainings import Experiment, Training, experiments, separating, trainings
from dnakit.run import Run

__all__ = ["Experiment", "Parameters", "Training", "runs"]


def check(parameters: Parameters) -> None:
    """Refuse promoters that cannot be read."""
    from dnakit.chapters.tss import windows

    for name in dict.fromkeys([parameters.organism, parameters.other_organism, *parameters.organisms]):
        windows.check(organism(name))


def runs(parameters: Parameters) -> list[Run]:
    """All runs of the chapter, each after those it needs."""
    trained = trainings(parameters, experiments(parameters))
    separated = trainings(parameters, separating(parameters))
    own, other = trained["fair-nuclear"], trained["fair-other-nuclear"]
    simple = {
        "baselines": Baselines(parameters, "baselines", own),
        "baselines-other": Baselines(parameters, "baselines-other", other),
    }
    attribution = Attribution(parameters, "attribution", other)
    evaluations = [Evaluation(parameters, name, trained, simple) for name in parameters.sets()]
    ties = [RuleTies(parameters, f"rule-ties-{name.removeprefix('on-')}", name) for name in parameters.sets()]
    near = [Neighbours(parameters, "neighbours"), PretrainedPromoters(parameters, "pretrained-promoters")]
    measured = [attribution, *evaluations, *ties, *near]
    promoters = trained[TABLE_5_2]
    answers = [Answers(parameters, f"answers-{run.name}", run, promoters) for run in (promoters, *separated.values())]
    return [*trained.values(), *simple.values(), *measured, *separated.values(), *answers]
