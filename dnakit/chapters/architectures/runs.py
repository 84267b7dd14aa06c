"""Chapter 8 trains nothing: it builds the models, and shows what ``make bench`` measured."""

from pydantic import Field

from dnakit.chapters.chapter import ChapterParameters
from dnakit.run import Run


class Parameters(ChapterParameters):
    """The vocabulary that the models are built with."""

    vocab_size: int = Field(ge=10)


def runs(parameters: Parameters) -> list[Run]:
    """None."""
    return []
