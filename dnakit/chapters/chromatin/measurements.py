"""What the networks of chapter 5 are measured by: simple methods under each split, and the tokens of an input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from dnakit.chapters.chromatin.organisms import Organism
from dnakit.chapters.chromatin.parameters import APART, BEST, MOTIFS, WINDOW, Parameters
from dnakit.chapters.chromatin.trainings import Training, wide_name
from dnakit.chapters.pretraining.starts import start_of
from dnakit.run import Outcome, Run
from dnakit.tokens.parameters import CorpusParameters, corpus_key

TOKENIZERS = ("nuclear", "mitochondria")


@dataclass(frozen=True)
class SimpleMethods(Run):
    """Methods without a network on one split of an organism's bins.

    Attributes
    ----------
    organism
        Whose profiles.
    split
        One of `dnakit.chapters.chromatin.parameters.SPLITS`.
    """

    recipe = "chromatin simple methods 1"
    window: ClassVar[int] = WINDOW

    parameters: Parameters
    organism: Organism
    split: str

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"simple methods, profiles of {self.organism.species}, split {self.split}"

    def inputs(self) -> Mapping[str, Any]:
        """Data, window and split."""
        from dnakit.chapters.chromatin.profiles import profiles_key

        data = self.organism
        rows = {"profiles": profiles_key(data, WINDOW, self.parameters.rows), "fewest": data.fewest}
        held = {"validation": list(data.validation), "test": list(data.test)}
        chosen = {"penalty": "chosen apart from validation"} if self.split == APART else {}
        return rows | held | chosen | {"split": self.split, "seed": self.parameters.seed}

    def compute(self, folder: Path) -> Outcome:
        """Fit and score them: ``features.csv`` has a row for each method and feature."""
        from dnakit.chapters.chromatin.measuring import simple_methods
        from dnakit.chapters.chromatin.simple_methods import predictors

        return simple_methods(self, folder, predictors)


@dataclass(frozen=True)
class GappedKmers(SimpleMethods):
    """Logistic regression on gapped k-mers on one split of an organism's bins."""

    recipe = "chromatin gapped k-mers 1"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"gapped k-mers, profiles of {self.organism.species}, split {self.split}"

    def compute(self, folder: Path) -> Outcome:
        """See `dnakit.chapters.chromatin.gapped`; it writes what `SimpleMethods` writes, and ``weights.npz``."""
        from dnakit.chapters.chromatin.gapped import predictors
        from dnakit.chapters.chromatin.measuring import simple_methods

        return simple_methods(self, folder, partial(predictors, folder))


@dataclass(frozen=True)
class TokenCounts(Run):
    """How many tokens an input has, by tokenizer and window."""

    recipe = "chromatin token counts 1"

    parameters: Parameters

    @property
    def title(self) -> str:
        """What is counted, in words."""
        return f"tokens of windows around bins of {self.parameters.named()}"

    @property
    def corpora(self) -> dict[str, CorpusParameters]:
        """The corpus behind each tokenizer of chapter 2."""
        return {name: start_of(self.parameters.pretrained, name).corpus for name in TOKENIZERS}

    @property
    def windows(self) -> list[int]:
        """The windows that are counted, in bases."""
        return [WINDOW, *self.parameters.wide_windows]

    def inputs(self) -> Mapping[str, Any]:
        """Keys of the corpora and of the rows of the widest window."""
        from dnakit.chapters.chromatin.profiles import profiles_key
        from dnakit.data import sources

        chapter, table = self.parameters, self.parameters.deepsea_rows
        return {
            "corpora": {name: corpus_key(each) for name, each in self.corpora.items()},
            "profiles": profiles_key(chapter.data(), max(self.windows), chapter.rows),
            "windows": self.windows,
            "deepsea_rows": sources.digest(sources.fetch(table)) if table else "",
        }

    def compute(self, folder: Path) -> Outcome:
        """Count them: ``tokens.csv``."""
        from dnakit.chapters.chromatin.measuring import token_counts

        return token_counts(self, folder)


@dataclass(frozen=True)
class OfModel(Run):
    """A measurement of one trained network, or of one regression on gapped k-mers.

    Attributes
    ----------
    model
        The run that made it.
    """

    parameters: Parameters
    model: Training | GappedKmers

    def needs(self) -> Sequence[Run]:
        """The run that made the model."""
        return [self.model]


@dataclass(frozen=True)
class Mutagenesis(OfModel):
    """What a model loses when single bases of known motifs change."""

    recipe = "chromatin mutagenesis 2"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"in-silico mutagenesis of {self.model.title}"

    def inputs(self) -> Mapping[str, Any]:
        """The model, the motifs, and how many sites."""
        return {"training": self.model.key, "sites": self.parameters.pictured, "motifs": MOTIFS}

    def compute(self, folder: Path) -> Outcome:
        """See `dnakit.chapters.chromatin.mutagenesis`."""
        from dnakit.chapters.chromatin.mutagenesis import mutagenesis

        return mutagenesis(self, folder)


@dataclass(frozen=True)
class MotifShares(OfModel):
    """In how many windows of bound factors a model looks at the factor's motif."""

    recipe = "chromatin motif shares 2"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"windows whose most important ten bases hold a motif, {self.model.title}"

    def inputs(self) -> Mapping[str, Any]:
        """The model, the motifs, and the seed that shuffles."""
        return {"training": self.model.key, "seed": self.parameters.seed, "motifs": MOTIFS}

    def compute(self, folder: Path) -> Outcome:
        """See `dnakit.chapters.chromatin.motifs`."""
        from dnakit.chapters.chromatin.motifs import motif_shares

        return motif_shares(self)


# Of each pair: the training that is subtracted, and the one it is subtracted from.
COMPARED = {
    "pretraining-nuclear": ("none-256", "nuclear-256"),
    "pretraining-mitochondria": ("none-256", "mitochondria-256"),
    "tokens-512": ("none-256", "none-512"),
    "tokens-1024": ("none-256", "none-1024"),
    "without-neighbours": ("none-256", "none-256-apart"),
    "weight-1": ("none-256", "none-256-weight-1"),
    "cnn-random": ("nuclear-256", "cnn-random"),
    "danq-random": ("nuclear-256", "danq-random"),
    "pretraining-nuclear-chromosomes": ("none-256-chromosomes", "nuclear-256-chromosomes"),
    "cnn-chromosomes": ("nuclear-256-chromosomes", "cnn-chromosomes"),
    "danq-chromosomes": ("nuclear-256-chromosomes", "danq-chromosomes"),
}


@dataclass(frozen=True)
class Comparisons(Run):
    """Differences between trainings on the same test rows, with intervals.

    Attributes
    ----------
    trainings
        All of the chapter on one organism.
    """

    recipe = "chromatin comparisons 2"

    parameters: Parameters
    trainings: tuple[Training, ...]

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "differences between trainings on the same test rows"

    @property
    def organism(self) -> Organism:
        """Whose profiles."""
        return self.parameters.data()

    def pairs(self) -> dict[str, list[tuple[Training, Training]]]:
        """The pairs by name, one for each repeat that both trainings have."""
        wide = {
            f"bases-{window}": ("none-256-chromosomes", wide_name(window)) for window in self.parameters.wide_windows
        }
        return {name: list(zip(*map(self._repeats, pair), strict=False)) for name, pair in (COMPARED | wide).items()}

    def _repeats(self, name: str) -> list[Training]:
        """A training and its repeats with other seeds."""
        return [each for each in self.trainings if each.name == name or each.name.startswith(f"{name}-repeat-")]

    def inputs(self) -> Mapping[str, Any]:
        """The keys of both trainings of each pair, and the seed of the resamples."""
        pairs = {name: [[each.key for each in pair] for pair in pairs] for name, pairs in self.pairs().items()}
        return {"pairs": pairs, "seed": self.parameters.seed}

    def needs(self) -> Sequence[Run]:
        """The trainings."""
        found = {each.name: each for pairs in self.pairs().values() for pair in pairs for each in pair}
        return list(found.values())

    def compute(self, folder: Path) -> Outcome:
        """See `dnakit.chapters.chromatin.comparisons`."""
        from dnakit.chapters.chromatin.comparisons import compare

        return compare(self)


@dataclass(frozen=True)
class OverSimpleMethods(Run):
    """What networks and gapped k-mers are worth over simple methods on the same test rows, with intervals.

    Attributes
    ----------
    networks, simple, gapped
        On one split of one organism.
    """

    recipe = "chromatin over simple methods 2"

    parameters: Parameters
    networks: tuple[Training, ...]
    simple: SimpleMethods
    gapped: GappedKmers

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"networks and {BEST} minus simple methods on the same test rows"

    def inputs(self) -> Mapping[str, Any]:
        """The keys of all, and the seed of the resamples."""
        return {"keys": [run.key for run in self.needs()], "seed": self.parameters.seed}

    def needs(self) -> Sequence[Run]:
        """The simple methods, gapped k-mers, and the networks."""
        return [self.simple, self.gapped, *self.networks]

    def compute(self, folder: Path) -> Outcome:
        """See `dnakit.chapters.chromatin.comparisons`."""
        from dnakit.chapters.chromatin.comparisons import over_simple_methods

        return over_simple_methods(self)


@dataclass(frozen=True)
class PublishedScores(Run):
    """The published scores of the features that are DeepSEA's too."""

    recipe = "chromatin published scores 1"

    parameters: Parameters

    @property
    def title(self) -> str:
        """What is read, in words."""
        return f"published scores of features of {self.parameters.named()}"

    @property
    def organism(self) -> Organism:
        """Whose profiles."""
        return self.parameters.data()

    def inputs(self) -> Mapping[str, Any]:
        """Digests of the published table and of the features."""
        from dnakit.chapters.chromatin.profiles import profiles_key
        from dnakit.data import sources

        return {
            "published": sources.digest(sources.fetch(self.parameters.published)),
            "profiles": profiles_key(self.organism, WINDOW, self.parameters.rows),
            "fewest": self.organism.fewest,
        }

    def compute(self, folder: Path) -> Outcome:
        """See `dnakit.chapters.chromatin.published`."""
        from dnakit.chapters.chromatin.published import published_scores

        return published_scores(self, folder)
