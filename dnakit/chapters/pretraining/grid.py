"""The grid of Table 5.1 at equal samples: every row by one recipe, so that what differs is what the row says.

Each model sees equally many samples, a random part of those that its corpus gives. The models with and without sentence
order see parts of the same stretches, and ``<cls>`` is global in all of them, so that they differ in the task alone.

Two claims of the thesis need trainings of their own. That Longalbert *overfits* is tested on few genomes that are seen
many times, with static masks, and with one dropout in both architectures. That a *split after resampling* leaks is
tested on passes of BigBird-style words over few genomes: some passes over genomes whose other passes are trained on are
set apart, as such a split would do.

The 9-mer row is also trained with smaller vocabularies, because the tokens that the thesis prints are shorter than
those of a vocabulary of 30,000.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dnakit import store
from dnakit.chapters.pretraining import measurement, measurements
from dnakit.chapters.pretraining.measurements import SEGMENTATION
from dnakit.chapters.pretraining.parameters import NINE_MER, Parameters, parts_of
from dnakit.chapters.pretraining.recipes import RecipeRun, known
from dnakit.chapters.pretraining.trainings import LANGUAGES
from dnakit.chapters.pretraining.without_models import SegmentationAlone
from dnakit.project import DnakitError, checked
from dnakit.run import Outcome, Run
from dnakit.tokens.parameters import HELD_OUT, CorpusParameters

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from dnakit.tokens.corpus import Corpus
    from dnakit.tokens.samples import MlmSamples

PREFIX = "grid-"  # begins the names of these runs
OVERFIT, LEAK, LOCAL, WORDS = (f"{PREFIX}{kind}-" for kind in ("overfit", "leak", "local", "vocabulary"))
DROPOUT = 0.1  # of both architectures where overfitting is tested
TRAINING, EVALUATED = "training", 400  # the training samples once more, without dropout: so many of them
LEAK_MODEL, RESAMPLED = "longformer-BB-mlm", "resampled"
PASSES, PASSES_APART, LEAK_EPOCHS = 10, 0.1, 4  # over each genome (the thesis's), and the share that a split takes


def of(parameters: Parameters) -> list[Run]:
    """The runs of the grid; none where the chapter names no recipe for it or holds no genomes out.

    Raises
    ------
    DnakitError
        For a recipe that does not exist.
    """
    if not parameters.grid_recipe or not parameters.held_out_genomes:
        return []
    recipe = known(parameters.grid_recipe)
    rows = [(model, seed) for seed in parameters.grid_seeds for model in parameters.models]
    rows += [(model, seed) for seed in parameters.grid_repeated_seeds for model in parameters.grid_repeated]
    pairs = [(model, seed) for seed in parameters.overfit_seeds for model in parameters.overfit_models]
    trained = [GridRun(parameters, f"{PREFIX}{model}-seed-{seed}", recipe, seed, model) for model, seed in rows]
    overfit = [Overfit(parameters, f"{OVERFIT}{model}-seed-{seed}", recipe, seed, model) for model, seed in pairs]
    local = [Local(parameters, f"{LOCAL}seed-{seed}", recipe, seed, NINE_MER) for seed in parameters.grid_local_seeds]
    leaks = [Leak(parameters, f"{LEAK}seed-{seed}", recipe, seed, LEAK_MODEL) for seed in parameters.leak_seeds]
    words = [
        OtherVocabulary(parameters, f"{WORDS}{size}-seed-{seed}", recipe, seed, NINE_MER, size)
        for seed in parameters.grid_seeds
        for size in parameters.grid_vocabularies
    ]
    alone = {run.alone.name: run.alone for run in [*trained, *words]}
    return [*alone.values(), *trained, *words, *local, *overfit, *leaks]


@dataclass(frozen=True)
class GridRun(RecipeRun):
    """One row of the grid. The seed draws masks, order and weights; the samples stay the same."""

    recipe = "grid 1"
    global_attention: ClassVar[Literal["none", "cls"]] = "cls"

    model: str

    @property
    def title(self) -> str:
        """What is trained, in words."""
        return f"{self.model} by recipe {self.chosen!r}, seed {self.seed}, {self.parameters.grid_samples:,} samples"

    @property
    def language(self) -> str:
        """The language it learns, one of `LANGUAGES`."""
        return "nuclear" if parts_of(self.model)["nuclear"] else "mitochondria"

    @cached_property
    def corpus(self) -> CorpusParameters:
        """The corpus of the row, from as many genomes as the recipes train on; all pieces of the nuclear genome."""
        return self._corpus_from(self.parameters.recipe_genomes)

    def _corpus_from(self, genomes: int) -> CorpusParameters:
        changes = {"genomes": [genomes] * len(self.parameters.tokenizations), "nuclear_pieces": 0}
        return self.parameters.model_copy(update=changes).corpus_of(self.model)

    @cached_property
    def alone(self) -> SegmentationAlone:
        """Segmentation alone of its corpus."""
        name = f"{PREFIX}{SEGMENTATION}{self.corpus.tokenization}{LANGUAGES[self.language]}"
        return SegmentationAlone(self.parameters, name, self.language, self.corpus)

    def needs(self) -> Sequence[Run]:
        """Segmentation alone, over which the model gains."""
        return [self.alone]

    @property
    def epochs(self) -> int:
        """How often it sees its samples."""
        chapter = self.parameters
        return chapter.grid_nuclear_epochs if self.language == "nuclear" else chapter.grid_epochs

    @property
    def precision(self) -> str:
        """The chapter's."""
        return str(self.parameters.training()["precision"])

    @property
    def settings(self) -> dict[str, Any]:
        """What, besides the corpus, decides the result."""
        parts = parts_of(self.model)
        return super().settings | {
            "architecture": parts["architecture"],
            "head": parts["head"],
            "global_attention": self.global_attention,
            "samples": self.parameters.grid_samples // self.epochs,
        }

    def compute(self, folder: Path) -> Outcome:
        """Train it, and measure it on the held-out genomes: ``bits.csv`` by genome, and what it gained."""
        metrics, record = self._measured(folder)
        alone = store.read_json(self.alone.folder() / "metrics.json")
        for part, scores in metrics["measured"].items():
            scores["gained"] = alone[part]["bits_per_base"] - scores["bits_per_base"]
        return Outcome(metrics, record)

    def _measured(self, folder: Path) -> Outcome:
        """What the training found, and under ``measured`` what `measurements.measure_model` did."""
        from dnakit.tokens.corpus import prepare

        metrics, record = super().compute(folder)
        corpus = prepare(self.corpus)
        genomes = measurement.letters(self.corpus, corpus, *HELD_OUT)
        measured = measurements.measure_model(folder / "model", genomes, self.parameters.seed, self.precision, folder)
        return Outcome({**metrics, "measured": measured}, record)

    @property
    def options(self) -> dict[str, Any]:
        """The same, and whether ``<cls>`` is global, whatever the task."""
        return super().options | {"global_attention": self.global_attention}

    def all_samples(self, corpus: "Corpus") -> dict[str, "MlmSamples"]:
        """Samples by part: an equal number of training samples, and all of the validation and held-out genomes."""
        scored = {part: self._samples(corpus, part) for part in ("validation", *HELD_OUT)}
        return {"train": drawn(self._training(corpus), self.settings["samples"], self.parameters.seed)} | scored

    def _training(self, corpus: "Corpus") -> "MlmSamples":
        """All training samples, with the masks and labels of the recipe."""
        labelled: Literal["all", "selected"] = "selected" if self.settings["mlm_loss"] == "masked" else "all"
        return self._kind(corpus, "train", self.settings["masking"], labelled, self.seed)

    def _samples(self, corpus: "Corpus", part: str) -> "MlmSamples":
        """All samples of a part, with the same masks for every seed and epoch."""
        return self._kind(corpus, part, "static", "all", self.parameters.seed)

    @property
    def _kind(self) -> type["MlmSamples"]:
        from dnakit.tokens.samples import MlmSamples, SentenceOrderSamples

        return SentenceOrderSamples if self.settings["head"] == "mlm+sop" else MlmSamples

    def _record(self, corpus: "Corpus", samples: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        found = super()._record(corpus, samples, seconds)
        return found | {"model": self.model, "language": self.language}


@dataclass(frozen=True)
class Local(GridRun):
    """The 9-mer row without global attention, beside which that of ``<cls>`` is measured."""

    global_attention = "none"

    @property
    def title(self) -> str:
        """What is trained, in words."""
        return f"{super().title}, no token is global"


@dataclass(frozen=True)
class OtherVocabulary(GridRun):
    """The 9-mer row with another vocabulary: how much of a score the length of its tokens decides."""

    vocabulary: int

    @property
    def title(self) -> str:
        """What is trained, in words."""
        return f"{super().title}, a vocabulary of {self.vocabulary:,}"

    @cached_property
    def corpus(self) -> CorpusParameters:
        """The row's corpus with this vocabulary."""
        values = self._corpus_from(self.parameters.recipe_genomes).model_dump() | {"vocab_size": self.vocabulary}
        return checked(CorpusParameters, values, "'grid_vocabularies'")

    @cached_property
    def alone(self) -> SegmentationAlone:
        """Segmentation alone of its corpus."""
        name = f"{PREFIX}{SEGMENTATION}{self.corpus.tokenization}-{self.vocabulary}"
        return SegmentationAlone(self.parameters, name, self.language, self.corpus)


@dataclass(frozen=True)
class Overfit(GridRun):
    """Few genomes seen many times, with static masks and the same dropout in every architecture."""

    recipe = "grid, overfitting 1"

    @property
    def title(self) -> str:
        """What is trained, in words."""
        return f"{self.model}, static masks, {self.epochs} epochs of {self.corpus.amount}, seed {self.seed}"

    @cached_property
    def corpus(self) -> CorpusParameters:
        """The row's corpus, from few genomes."""
        return self._corpus_from(self.parameters.overfit_genomes)

    @property
    def epochs(self) -> int:
        """Many."""
        return self.parameters.overfit_epochs

    @property
    def settings(self) -> dict[str, Any]:
        """The same with static masks and dropout; all samples of the training genomes are seen."""
        found = super().settings | {"masking": "static", "dropout": DROPOUT}
        return {name: value for name, value in found.items() if name != "samples"}

    def needs(self) -> Sequence[Run]:
        """None."""
        return []

    def samples(self, corpus: "Corpus") -> Mapping[str, "Dataset"]:
        """Training samples, some of them once more to be scored without dropout, and genomes that were not seen.

        Only masked tokens are labelled: they are what the curves are of.
        """
        from torch.utils.data import Subset

        train = self._training(corpus)
        scored = {part: self._kind(corpus, part, "static", "selected", self.seed) for part in ("validation", "near")}
        again = Subset(self._training(corpus), range(min(EVALUATED, len(train))))
        return {"train": train, TRAINING: again, **scored}

    def compute(self, folder: Path) -> Outcome:
        """Scores of masked tokens, and the gap: the loss on genomes that were not seen minus that on seen ones."""
        metrics, record = self._measured(folder)
        kept = {part: _of_masked(scores) for part, scores in metrics.items()}
        return Outcome({**kept, "gap": kept["near"]["masked_loss"] - kept[TRAINING]["masked_loss"]}, record)


def _of_masked(scores: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in scores.items() if name.startswith(("masked", "bits", *HELD_OUT))}


@dataclass(frozen=True)
class Leak(GridRun):
    """BigBird-style words of few genomes in many passes, of which some are set apart after the genomes were split."""

    recipe = "grid, leak 1"

    @property
    def title(self) -> str:
        """What is trained, in words."""
        return f"{self.model}, {PASSES} passes over {self.corpus.amount}, some set apart, seed {self.seed}"

    @cached_property
    def corpus(self) -> CorpusParameters:
        """The row's corpus, from few genomes and with the thesis's number of passes."""
        return self._corpus_from(self.parameters.overfit_genomes).model_copy(update={"resamplings": PASSES})

    @property
    def epochs(self) -> int:
        """As many as the samples of few genomes need."""
        return LEAK_EPOCHS

    def needs(self) -> Sequence[Run]:
        """None."""
        return []

    def samples(self, corpus: "Corpus") -> Mapping[str, "MlmSamples"]:
        """Training samples, passes set apart over the same genomes, and genomes that were split off before."""
        apart = passes_apart(corpus, self.parameters.seed)
        train, resampled = only(self._training(corpus), ~apart), only(self._samples(corpus, "train"), apart)
        seen = drawn(train, self.settings["samples"], self.parameters.seed)
        return {"train": seen, RESAMPLED: resampled, "validation": self._samples(corpus, "validation")}

    def compute(self, folder: Path) -> Outcome:
        """The same, and ``leak.csv``: both kinds of a split by genome, beside the frequencies of tokens."""
        from dnakit.chapters.pretraining import leak
        from dnakit.tokens.corpus import prepare

        metrics, record = self._measured(folder)
        corpus = prepare(self.corpus)
        samples = {**self.samples(corpus)}
        train = samples.pop("train")
        table = leak.by_genome(folder / "model", corpus, train, samples, self.precision)
        table.to_csv(folder / "leak.csv", index=False)
        return Outcome({**metrics, "leak": leak.summarise(table, RESAMPLED, "validation")}, record)


def drawn(samples: "MlmSamples", count: int, seed: int) -> "MlmSamples":
    """The same data set with so many of its samples, drawn among those that have room for two sentences.

    Raises
    ------
    DnakitError
        If there are fewer.
    """
    import numpy as np

    from dnakit.tokens.samples import SentenceOrderSamples

    possible = np.flatnonzero(samples.lengths >= SentenceOrderSamples.shortest)
    if len(possible) < count:
        raise DnakitError(
            f"the training genomes give {len(possible):,} samples, but {count:,} are to be seen in each epoch: lower "
            "'grid_samples', or raise 'recipe_genomes' or the number of epochs"
        )
    chosen = np.random.default_rng([seed, 4]).permutation(possible)[:count]
    return _keep(samples, np.sort(chosen))


def only(samples: "MlmSamples", rows: Any) -> "MlmSamples":
    """The same data set without the samples whose rows of the corpus are False."""
    return _keep(samples, rows[samples.rows].nonzero()[0])


def _keep(samples: "MlmSamples", numbers: Any) -> "MlmSamples":
    found = copy(samples)
    found.rows, found.lengths = samples.rows[numbers], samples.lengths[numbers]
    return found


def passes_apart(corpus: "Corpus", seed: int) -> Any:
    """Which rows of the training genomes belong to passes that are set apart, bool, shape (rows,)."""
    import numpy as np

    rows = corpus.dataset["train"].data
    begins = rows.column("start").to_numpy() == 0
    number = np.cumsum(begins) - 1  # of the pass over a genome that each row belongs to
    count = int(begins.sum())
    apart = np.random.default_rng([seed, 5]).permutation(count)[: max(1, round(PASSES_APART * count))]
    return np.isin(number, apart)
