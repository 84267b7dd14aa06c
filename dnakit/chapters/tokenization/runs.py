"""The runs of chapter 1: the corpus of each tokenization, counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnakit.chapters.chapter import ChapterParameters
from dnakit.run import Outcome, Run
from dnakit.tokens.parameters import Corpora, CorpusParameters, corpus_key

if TYPE_CHECKING:
    from dnakit.tokens.corpus import Corpus

NOTEBOOK = "01_tokenization"


class Parameters(ChapterParameters, Corpora):
    """The corpora of the chapter: one for each tokenization."""


@dataclass(frozen=True)
class Measurement(Run):
    """One tokenization of the chapter's genomes: its vocabulary, its tokens, and what 254 of them span."""

    recipe = "vocabularies 1"

    corpus_parameters: CorpusParameters

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"{self.name} words, {self.corpus_parameters.amount} of {self.corpus_parameters.sources[0]}"

    def inputs(self) -> Mapping[str, Any]:
        """The key of its corpus, which holds all that decides the numbers."""
        return {"corpus": corpus_key(self.corpus_parameters)}

    @property
    def corpus(self) -> "Corpus":
        """The corpus itself, from the store or made now."""
        from dnakit.tokens.corpus import prepare

        return prepare(self.corpus_parameters)

    def compute(self, folder: Path) -> Outcome:
        """Count the corpus."""
        from dnakit.chapters.tokenization import counts
        from dnakit.data import sources

        corpus = self.corpus
        counts.token_lengths(corpus).to_csv(folder / "token_lengths.csv", index=False, float_format="%.6g")
        counts.tokens_per_word(corpus).to_csv(folder / "tokens_per_word.csv", index=False, float_format="%.6g")
        record = {
            "corpus": self.corpus_parameters.named() | {"key": corpus.folder.name},
            "genomes": {part: len(names) for part, names in corpus.genomes.items()},
            **sources.about(self.corpus_parameters.sources),
        }
        return Outcome(counts.measure(corpus), record)


def runs(parameters: Parameters) -> list[Run]:
    """One measurement for each tokenization, named by it."""
    corpora = parameters.corpora(NOTEBOOK)
    return [Measurement(parameters, corpus.tokenization, corpus) for corpus in corpora]


def check(parameters: Parameters) -> None:
    """Refuse sources that do not hold what is asked for."""
    from dnakit.tokens import corpus

    corpus.check(parameters.corpora(NOTEBOOK))
