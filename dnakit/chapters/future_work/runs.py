"""The runs of chapter 10."""

from dnakit.chapters.future_work.context_runs import context_runs
from dnakit.chapters.future_work.parameters import Parameters
from dnakit.chapters.future_work.read_runs import read_runs
from dnakit.run import Run

__all__ = ["Parameters", "runs"]


def check(parameters: Parameters) -> None:
    """Refuse a genome and promoters that do not give windows."""
    from dnakit.chapters.future_work import contexts

    contexts.windows(parameters)


def runs(parameters: Parameters) -> list[Run]:
    """All runs of the chapter."""
    return [*read_runs(parameters), *context_runs(parameters)]
