"""What the pretrained models are compared by: bits per base and masked tokens of genomes that no training saw.

Two sets of genomes are held out of every corpus of a language. The set ``near`` is drawn at random, so that relatives
of its genomes are in training. The set ``far`` holds whole families, or chromosomes, of which training sees nothing.
Each model of a language is measured on both sets, and so are simple methods without a neural network, which learn from
the genomes that the 9-mer model, or a budget of it, is trained on. What the visible segmentation alone says about a
masked token is measured for each tokenization.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnakit.chapters.pretraining.measurement import RECIPE, Measurement, of_parts, write
from dnakit.chapters.pretraining.parameters import NINE_MER, Parameters, parts_of
from dnakit.chapters.pretraining.recipes import RecipeRun
from dnakit.chapters.pretraining.trainings import LANGUAGES, PretrainingRun
from dnakit.chapters.pretraining.without_models import (
    AsSeen,
    Compressor,
    HeldOutGenomes,
    Lookups,
    SegmentationAlone,
    SentenceOrder,
    SimpleMethods,
    Vocabulary,
)
from dnakit.project import checked
from dnakit.run import Run
from dnakit.tokens.parameters import HELD_OUT, CorpusParameters

if TYPE_CHECKING:
    from dnakit.tokens.corpus import Corpus

MODEL_MEASURED, SIMPLE, LOOKUPS = "ruler-", "simple-methods-", "lookups-"  # names begin so: recorded runs have them
AS_SEEN = "as-seen-"
SEGMENTATION, VOCABULARY, HELD_OUT_GENOMES = "segmentation-", "vocabulary-", "held-out-"
SENTENCE_ORDER, COMPRESSOR = "sentence-order-", "compressor-"
MAP = "map"


def of(parameters: Parameters, trained: Sequence[PretrainingRun]) -> list[Measurement]:
    """The measurements of these trainings; none where no genomes are held out."""
    if not parameters.held_out_genomes:
        return []
    simple = [*_simple_methods(parameters, trained)]
    from_the_same = [
        kind(run.parameters, start + run.name.removeprefix(SIMPLE), run.language)
        for start, kind in ((LOOKUPS, Lookups), (AS_SEEN, AsSeen))
        for run in simple
    ]
    measured = [ModelMeasurement(parameters, f"{MODEL_MEASURED}{run.name}", run.language, run) for run in trained]
    maps = [GenomeMap(parameters, MAP, run.language, run) for run in trained if run.name == NINE_MER]
    alone = [*_segmentations(parameters, trained), *_sentence_orders(parameters, trained)]
    languages = [language for language in LANGUAGES if any(run.language == language for run in trained)]
    held_out = [HeldOutGenomes(parameters, f"{HELD_OUT_GENOMES}{language}", language) for language in languages]
    compressed = [Compressor(parameters, f"{COMPRESSOR}{language}", language) for language in languages]
    return [*simple, *from_the_same, *measured, *maps, *alone, *held_out, *compressed]


def of_recipes(parameters: Parameters, trained: Sequence[RecipeRun]) -> list["ModelMeasurement"]:
    """What is measured of each model that a recipe trained on mitochondria."""
    return [ModelMeasurement(parameters, f"{MODEL_MEASURED}{run.name}", "mitochondria", run) for run in trained]


def of_full_size(parameters: Parameters, trained: Sequence[RecipeRun]) -> list[Measurement]:
    """The same of trainings at the thesis's size, and the map of genomes of the first.

    Their simple methods are those of the budget with as many genomes.
    """
    maps = [GenomeMap(parameters, f"{MAP}-{run.name}", "mitochondria", run) for run in trained[:1]]
    return [*of_recipes(parameters, trained), *maps]


def _simple_methods(parameters: Parameters, trained: Sequence[PretrainingRun]) -> Iterator[SimpleMethods]:
    """One for each language that has models, and one for each other number of genomes that its budgets learn from."""
    for language in LANGUAGES:
        found: dict[int, SimpleMethods] = {}
        for run in (each for each in trained if each.language == language):
            name = f"{SIMPLE}{language}" + (f"-{run.corpus.genomes}" if run.name in parameters.budgets else "")
            each = SimpleMethods(run.parameters, name, language)
            found.setdefault(each.corpus.genomes, each)
        yield from found.values()


def _segmentations(parameters: Parameters, trained: Sequence[PretrainingRun]) -> Iterator[SegmentationAlone]:
    """One for each tokenization of each language that the rows have, then one for each vocabulary of 9-mers."""
    found: dict[str, SegmentationAlone] = {}
    for run in trained:
        if run.name in parameters.models:
            name = f"{SEGMENTATION}{run.corpus.tokenization}{LANGUAGES[run.language]}"
            found.setdefault(name, SegmentationAlone(parameters, name, run.language, run.corpus))
    yield from found.values()
    nine_mer = parameters.corpus_of(NINE_MER)
    for size in parameters.vocabularies:
        corpus = checked(CorpusParameters, nine_mer.model_dump() | {"vocab_size": size}, "'vocabularies'")
        yield Vocabulary(parameters, f"{VOCABULARY}{size}", "mitochondria", corpus)


def _sentence_orders(parameters: Parameters, trained: Sequence[PretrainingRun]) -> Iterator[SentenceOrder]:
    """One for each tokenization of mitochondria that a row with sentence order has."""
    for run in trained:
        parts = parts_of(run.model)
        if run.name in parameters.models and parts["head"] == "mlm+sop" and not parts["nuclear"]:
            yield SentenceOrder(parameters, f"{SENTENCE_ORDER}{parts['tokenization']}", run.language, run.corpus)


@dataclass(frozen=True)
class ModelMeasurement(Measurement):
    """One model on both held-out sets of its language: bits per base and masked tokens."""

    recipe = f"{RECIPE}, ruler"

    trained: PretrainingRun | RecipeRun

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"{self.trained.name} on the held-out genomes of {self.language}"

    def needs(self) -> Sequence[Run]:
        """The training of the model."""
        return [self.trained]

    def inputs(self) -> Mapping[str, Any]:
        """The keys of the model and of the corpus."""
        return {"model": self.trained.key, **super().inputs()}

    def record(self, corpus: "Corpus") -> dict[str, Any]:
        """The same, and which model it is."""
        return super().record(corpus) | {"model": self.trained.name}

    def measure(self, corpus: "Corpus", folder: Path) -> dict[str, Any]:
        """Write ``bits.csv`` by genome."""
        genomes, path = self.genomes(corpus, *HELD_OUT), self.trained.folder() / "model"
        precision = self.trained.settings["precision"]  # that of its training, so that its key decides these numbers
        return measure_model(path, genomes, self.parameters.seed, precision, folder)


def measure_model(
    path: Path, genomes: Mapping[str, Mapping[str, bytes]], seed: int, precision: str, folder: Path
) -> dict[str, Any]:
    """Write ``bits.csv`` of a saved model, by genome of both held-out sets; return its scores by set."""
    from dnakit.chapters.pretraining import bits_per_base
    from dnakit.models.build import load
    from dnakit.tokens.tokenizer import load_tokenizer

    model, tokenizer = load(path), load_tokenizer(path)
    sums = {
        part: bits_per_base.measure(model, tokenizer, genomes[part], seed, precision=precision) for part in HELD_OUT
    }
    write(of_parts(sums).round({"nats": 3}), folder / "bits.csv")
    return {part: bits_per_base.summarise(each) for part, each in sums.items()}


@dataclass(frozen=True)
class GenomeMap(ModelMeasurement):
    """The held-out genomes in a model's hidden states."""

    recipe = f"{RECIPE}, map"

    @property
    def title(self) -> str:
        """What is drawn, in words."""
        return f"the held-out genomes of {self.language} in the hidden states of {self.trained.name}"

    def measure(self, corpus: "Corpus", folder: Path) -> dict[str, Any]:
        """Write ``map.csv`` and ``neighbours.csv``; the metrics say how many genomes there are."""
        from dnakit.chapters.pretraining import genome_map
        from dnakit.data import sources, taxonomy

        found = self.genomes(corpus, *HELD_OUT)
        genomes = {name: letters for part in HELD_OUT for name, letters in found[part].items()}
        lineages = taxonomy.lineages(sources.fetch(self.parameters.taxonomy))
        path, weights = self.trained.folder() / "model", self.trained.settings.get("fresh_weights", "random")
        points, scores = genome_map.measure(path, genomes, lineages, self.parameters.seed, weights)
        write(points, folder / "map.csv", float_format="%.4g")
        write(scores, folder / "neighbours.csv", float_format="%.4g")
        return {"genomes": len(genomes)}
