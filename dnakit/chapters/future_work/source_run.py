"""What all runs of chapter 10 share: the sources that they read, and which parameters decide what is measured."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from dnakit.chapters.future_work.parameters import Parameters
from dnakit.data import sources
from dnakit.run import Run


@dataclass(frozen=True)
class SourceRun(Run):
    """A run on some sources."""

    in_key: ClassVar[set[str]]  # parameters that decide what is measured

    parameters: Parameters

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """The sources."""

    @property
    def data(self) -> dict[str, Any]:
        """What decides the data that is measured."""
        digests = [sources.digest(sources.fetch(name)) for name in self.names]
        return self.parameters.model_dump(include=self.in_key) | {"data": digests}

    def about(self) -> dict[str, Any]:
        """What every record says of the data."""
        return sources.about(self.names)
