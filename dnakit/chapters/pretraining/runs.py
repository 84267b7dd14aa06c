"""The runs of chapter 2: rows of Table 5.1, the same with other budgets and at equal samples, and what measures it."""

from dnakit.chapters.pretraining import full_size, grid, measurements, over_lookup, recipes
from dnakit.chapters.pretraining.parameters import NINE_MER, Parameters
from dnakit.chapters.pretraining.trainings import GLOBAL_CLS, GlobalCls, PretrainingRun
from dnakit.run import Run

__all__ = ["Parameters", "PretrainingRun", "check", "runs", "trainings"]


def runs(parameters: Parameters) -> list[Run]:
    """All runs of the chapter."""
    trained, by_recipe, largest = trainings(parameters), recipes.of(parameters), full_size.of(parameters)
    measured = measurements.of(parameters, trained) + measurements.of_full_size(parameters, largest)
    of_recipes = measurements.of_recipes(parameters, by_recipe)
    by_the_thesis = [run for run in by_recipe if run.chosen == "thesis"]
    over_lookups = over_lookup.of(measured, [run for run in of_recipes if run.trained in by_the_thesis])
    measured += [*of_recipes, *over_lookups]
    return [*trained, *measured, *by_recipe, *largest, *grid.of(parameters), *_global_cls(parameters)]


def _global_cls(parameters: Parameters) -> list[Run]:
    """The 9-mer row with a global <cls>, where the chapter asks for it."""
    return [GlobalCls(parameters, GLOBAL_CLS, NINE_MER)] if parameters.global_cls else []


def check(parameters: Parameters) -> None:
    """Refuse sources that do not hold what is asked for."""
    from dnakit.tokens import corpus

    corpus.check(run.corpus for run in trainings(parameters))


def trainings(parameters: Parameters) -> list[PretrainingRun]:
    """The rows of Table 5.1, then the budgets."""
    rows = [PretrainingRun(parameters, name, name) for name in parameters.models]
    budgets = [
        PretrainingRun(parameters.with_budget(number), name, parameters.budget_models[number])
        for number, name in enumerate(parameters.budgets)
    ]
    return rows + budgets
