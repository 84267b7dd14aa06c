"""Something measured on the held-out genomes of a language: what every measurement of chapter 2 shares."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnakit.chapters.pretraining.parameters import NINE_MER, Parameters
from dnakit.chapters.pretraining.trainings import LANGUAGES
from dnakit.run import Outcome, Run
from dnakit.tokens.parameters import CorpusParameters, corpus_key

if TYPE_CHECKING:
    import pandas as pd

    from dnakit.tokens.corpus import Corpus

RECIPE = "yardsticks 2"  # begins the recipe of every measurement


@dataclass(frozen=True)
class Measurement(Run):
    """Something measured on both held-out sets of a language."""

    parameters: Parameters
    language: str

    @cached_property
    def corpus(self) -> CorpusParameters:
        """The 9-mer corpus of the language; its held-out sets are those of all corpora of the language."""
        return self.parameters.corpus_of(NINE_MER + LANGUAGES[self.language])

    def inputs(self) -> Mapping[str, Any]:
        """The key of the corpus."""
        return {"corpus": corpus_key(self.corpus)}

    def compute(self, folder: Path) -> Outcome:
        """Write the tables of `measure`; metrics are by held-out set."""
        from dnakit.tokens.corpus import prepare

        corpus = prepare(self.corpus)
        return Outcome(self.measure(corpus, folder), self.record(corpus))

    @abstractmethod
    def measure(self, corpus: "Corpus", folder: Path) -> dict[str, Any]:
        """Write tables to the folder, and return the metrics."""

    def record(self, corpus: "Corpus") -> dict[str, Any]:
        """What the record says besides what every record says."""
        from dnakit.data import sources
        from dnakit.models import device

        return {
            "language": self.language,
            "parameters": {"seed": self.parameters.seed},
            "corpus": self.corpus.named() | {"key": corpus.folder.name},
            **sources.about(self.corpus.sources),
            "genomes": {part: len(names) for part, names in corpus.genomes.items()},
            "device": device.in_words(),
        }

    def genomes(self, corpus: "Corpus", *parts: str) -> dict[str, dict[str, bytes]]:
        """Letters by name of splits and held-out sets, from one reading of the sources."""
        return letters(self.corpus, corpus, *parts)


def letters(parameters: CorpusParameters, corpus: "Corpus", *parts: str) -> dict[str, dict[str, bytes]]:
    """Letters by name of splits and held-out sets of a corpus, from one reading of its sources."""
    from dnakit.tokens.corpus import documents

    found: dict[str, dict[str, bytes]] = {part: {} for part in parts}
    part_of = {name: part for part in found for name in corpus.genomes[part]}
    for record in documents(parameters):
        if record.name in part_of:
            found[part_of[record.name]][record.name] = record.sequence
    return found


def of_parts(tables: "Mapping[str, pd.DataFrame]") -> "pd.DataFrame":
    """One table of the tables of held-out sets, each indexed by genome; the column ``ruler`` names the set."""
    import pandas as pd

    return pd.concat([each.reset_index().assign(ruler=part) for part, each in tables.items()])


def write(frame: "pd.DataFrame", path: Path, **options: Any) -> None:
    """A table of a measurement, without the numbers of its rows."""
    frame.to_csv(path, index=False, **options)
