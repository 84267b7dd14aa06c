"""How many more masked tokens a model names than a lookup that learned from the same genomes, with an interval."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnakit.chapters.pretraining.measurement import RECIPE, Measurement
from dnakit.chapters.pretraining.measurements import ModelMeasurement
from dnakit.chapters.pretraining.without_models import HeldOutGenomes, Lookups
from dnakit.run import Run
from dnakit.tokens.parameters import HELD_OUT, CorpusParameters

if TYPE_CHECKING:
    from dnakit.tokens.corpus import Corpus

OVER_LOOKUP = "over-lookup-"  # begins the names of these runs


@dataclass(frozen=True)
class OverLookup(Measurement):
    """The share of masked tokens that a model names right minus that of the lookup, on the same masks."""

    recipe = f"{RECIPE}, over lookup 2"

    model: ModelMeasurement
    lookups: Lookups
    held_out: HeldOutGenomes

    @cached_property
    def corpus(self) -> CorpusParameters:
        """The corpus that the model and the lookup learned from."""
        return self.model.trained.corpus

    @property
    def title(self) -> str:
        """What is compared, in words."""
        return f"{self.model.trained.name} and a lookup on the held-out genomes of {self.language}"

    def needs(self) -> Sequence[Run]:
        """What was measured of the model and of the lookup, and the held-out genomes."""
        return [self.model, self.lookups, self.held_out]

    def inputs(self) -> Mapping[str, Any]:
        """The keys of these."""
        return {run.name: run.key for run in self.needs()}

    def measure(self, corpus: "Corpus", folder: Path) -> dict[str, Any]:
        """By held-out set ``difference`` and ``difference_interval``; families, or else genomes, are drawn anew."""
        from dnakit.chapters.pretraining.budgets import LOOKED_UP
        from dnakit.chapters.pretraining.gains import looked_up, named_right
        from dnakit.chapters.pretraining.results import lookup_in_words
        from dnakit.report.finished import Finished

        done = Finished("this run", "", {run.name: run.folder() for run in self.needs()})
        found = {}
        for part in HELD_OUT:
            named = named_right(done, done[self.model.name], part)
            lookup = looked_up(done, done[self.lookups.name], part)[lookup_in_words(LOOKED_UP)]
            value, *ends = named.minus(lookup).interval
            found[part] = {"difference": value, "difference_interval": ends}
        return found


def of(runs: Sequence[Run], models: Sequence[ModelMeasurement]) -> Iterator[OverLookup]:
    """One for each of these models that a lookup learned from the same genomes as, among all runs of the chapter."""
    lookups = [run for run in runs if isinstance(run, Lookups)]
    held_out = {run.language: run for run in runs if isinstance(run, HeldOutGenomes)}
    for model in models:
        for each in (run for run in lookups if run.corpus == model.trained.corpus):
            name = f"{OVER_LOOKUP}{model.trained.name}"
            yield OverLookup(model.parameters, name, model.language, model, each, held_out[model.language])
