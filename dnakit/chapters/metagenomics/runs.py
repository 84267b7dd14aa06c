"""The runs of chapter 4: measurements without training, trainings, and measurements of what was trained."""

from dnakit.chapters.metagenomics import full_size_start, global_attention
from dnakit.chapters.metagenomics.measurements import measurements
from dnakit.chapters.metagenomics.model_measurements import model_measurements
from dnakit.chapters.metagenomics.parameters import Parameters
from dnakit.chapters.metagenomics.trainings import Training, trainings
from dnakit.run import Run

__all__ = ["Parameters", "Training", "check", "runs"]


def runs(parameters: Parameters) -> list[Run]:
    """All runs of the chapter."""
    short = [*global_attention.trainings(parameters), *full_size_start.trainings(parameters)]
    trained = [*trainings(parameters), *short]
    return [*measurements(parameters), *trained, *model_measurements(parameters)]


def check(parameters: Parameters) -> None:
    """Refuse records that hold no task."""
    from dnakit.chapters.metagenomics.copies import genes_of

    genes_of(parameters)
