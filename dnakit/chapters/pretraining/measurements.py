"""What the pretrained models are compared by: bits per base and masked tokens of genomes that no training saw.

Two sets of genomes are held out of every corpus of a language. The set ``near`` is drawn at random, so that relatives
of its genomes are in training. The set ``far`` holds whole families, or chromosomes, of which training sees nothing.
Each model of a language is measured on both sets, and so are simple methods without a neural network, which learn from
the genomes that the 9-mer model, or a budget of it, is trained on. What the visible segmentation alone says about a
masked token is measured for each tokenization.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnakit.chapters.pretraining.parameters import NINE_MER, Parameters, parts_of
from dnakit.chapters.pretraining.recipes import RecipeRun
from dnakit.chapters.pretraining.trainings import LANGUAGES, PretrainingRun
from dnakit.project import checked
from dnakit.run import Outcome, Run
from dnakit.tokens.parameters import HELD_OUT, CorpusParameters, corpus_key

if TYPE_CHECKING:
    import pandas as pd

    from dnakit.tokens.corpus import Corpus

MODEL_MEASURED, SIMPLE = "ruler-", "simple-methods-"  # names begin so: recorded runs have them
SEGMENTATION, VOCABULARY, HELD_OUT_GENOMES = "segmentation-", "vocabulary-", "held-out-"
SENTENCE_ORDER, COMPRESSOR = "sentence-order-", "compressor-"
MAP = "map"
RECIPE = "yardsticks 2"  # begins the recipe of every measurement


def of(parameters: Parameters, trained: Sequence[PretrainingRun]) -> list["Measurement"]:
    """The measurements of these trainings; none where no genomes are held out."""
    if not parameters.held_out_genomes:
        return []
    simple = _simple_methods(parameters, trained)
    measured = [ModelMeasurement(parameters, f"{MODEL_MEASURED}{run.name}", run.language, run) for run in trained]
    maps = [GenomeMap(parameters, MAP, run.language, run) for run in trained if run.name == NINE_MER]
    alone = [*_segmentations(parameters, trained), *_sentence_orders(parameters, trained)]
    languages = [language for language in LANGUAGES if any(run.language == language for run in trained)]
    held_out = [HeldOutGenomes(parameters, f"{HELD_OUT_GENOMES}{language}", language) for language in languages]
    compressed = [Compressor(parameters, f"{COMPRESSOR}{language}", language) for language in languages]
    return [*simple, *measured, *maps, *alone, *held_out, *compressed]


def of_full_size(parameters: Parameters, trained: Sequence[RecipeRun]) -> list["Measurement"]:
    """The same of trainings at the thesis's size: their simple methods are those of the budget with as many genomes."""
    language = "mitochondria"
    measured = [ModelMeasurement(parameters, f"{MODEL_MEASURED}{run.name}", language, run) for run in trained]
    return [*measured, *(GenomeMap(parameters, f"{MAP}-{run.name}", language, run) for run in trained[:1])]


def _simple_methods(parameters: Parameters, trained: Sequence[PretrainingRun]) -> Iterator["SimpleMethods"]:
    """One for each language that has models, and one for each other number of genomes that its budgets learn from."""
    for language in LANGUAGES:
        found: dict[int, SimpleMethods] = {}
        for run in (each for each in trained if each.language == language):
            name = f"{SIMPLE}{language}" + (f"-{run.corpus.genomes}" if run.name in parameters.budgets else "")
            each = SimpleMethods(run.parameters, name, language)
            found.setdefault(each.corpus.genomes, each)
        yield from found.values()


def _segmentations(parameters: Parameters, trained: Sequence[PretrainingRun]) -> Iterator["SegmentationAlone"]:
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


def _sentence_orders(parameters: Parameters, trained: Sequence[PretrainingRun]) -> Iterator["SentenceOrder"]:
    """One for each tokenization of mitochondria that a row with sentence order has."""
    for run in trained:
        parts = parts_of(run.model)
        if run.name in parameters.models and parts["head"] == "mlm+sop" and not parts["nuclear"]:
            yield SentenceOrder(parameters, f"{SENTENCE_ORDER}{parts['tokenization']}", run.language, run.corpus)


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


@dataclass(frozen=True)
class SimpleMethods(Measurement):
    """Markov models, a two-sided context model, and lookups of masked tokens."""

    recipe = f"{RECIPE}, simple methods"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        genomes = self.corpus.genomes
        learned = f"{genomes:,}" if genomes else "all"
        return f"Markov models and lookups from {learned} genomes on the held-out genomes of {self.language}"

    def measure(self, corpus: "Corpus", folder: Path) -> dict[str, Any]:
        """Write ``bits.csv``: bits per base of each held-out genome by method."""
        from dnakit.chapters.pretraining import simple_methods

        genomes = self.genomes(corpus, "train", "validation", *HELD_OUT)
        bits, results = simple_methods.measure(corpus, genomes, self.parameters.seed)
        _write(bits, folder / "bits.csv", float_format="%.5g")
        return results


@dataclass(frozen=True)
class Compressor(Measurement):
    """A general compressor on each held-out genome, alone and after the training genomes."""

    recipe = f"{RECIPE}, compressor"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"xz on each held-out genome of {self.language}"

    def measure(self, corpus: "Corpus", folder: Path) -> dict[str, Any]:
        """Write ``bits.csv``: bits of each genome, and its known bases; the metrics are bits per base of all."""
        import pandas as pd

        from dnakit.chapters.pretraining.compressor import AFTER, ALONE, xz_bits

        genomes = self.genomes(corpus, "train", *HELD_OUT)
        bits = {part: xz_bits([*genomes["train"].values()], genomes[part]) for part in HELD_OUT}
        _write(pd.concat([each.reset_index().assign(ruler=part) for part, each in bits.items()]), folder / "bits.csv")
        return {
            part: {name: float(each[name].sum() / each.bases.sum()) for name in (ALONE, AFTER)}
            for part, each in bits.items()
        }


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
    import pandas as pd

    from dnakit.chapters.pretraining import bits_per_base
    from dnakit.models.build import load
    from dnakit.tokens.tokenizer import load_tokenizer

    model, tokenizer = load(path), load_tokenizer(path)
    sums = {
        part: bits_per_base.measure(model, tokenizer, genomes[part], seed, precision=precision) for part in HELD_OUT
    }
    frame = pd.concat([each.reset_index().assign(ruler=part) for part, each in sums.items()])
    _write(frame.round({"nats": 3}), folder / "bits.csv")
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
        path, weights = self.trained.folder() / "model", self.trained.parameters.initial_weights
        points, scores = genome_map.measure(path, genomes, lineages, self.parameters.seed, weights)
        _write(points, folder / "map.csv", float_format="%.4g")
        _write(scores, folder / "neighbours.csv", float_format="%.4g")
        return {"genomes": len(genomes)}


@dataclass(frozen=True)
class SegmentationAlone(Measurement):
    """What the visible token boundaries alone say about the masked tokens that models are scored on."""

    recipe = f"{RECIPE}, segmentation"

    trained_on: CorpusParameters

    @property
    def title(self) -> str:
        """What is measured, in words."""
        vocabulary = f"{self.corpus.tokenization} of {self.corpus.vocab_size:,} tokens"
        return f"segmentation alone, {vocabulary}, on the held-out genomes of {self.language}"

    @cached_property
    def corpus(self) -> CorpusParameters:
        """The corpus of the row."""
        return self.trained_on

    def record(self, corpus: "Corpus") -> dict[str, Any]:
        """The same, and the size of the vocabulary."""
        return super().record(corpus) | {"vocab_size": len(corpus.tokenizer)}

    def measure(self, corpus: "Corpus", folder: Path) -> dict[str, Any]:
        """Write ``bits.csv`` by genome, with the columns of a model's."""
        import numpy as np
        import pandas as pd

        from dnakit.chapters.pretraining import segmentation

        genomes, frames, results = self.genomes(corpus, *HELD_OUT), [], {}
        known = segmentation.Segmentation(corpus.tokenizer)
        known.fit(np.split(corpus.ids("train"), corpus.ends("train")[:-1]))
        for part in HELD_OUT:
            sums, results[part] = segmentation.measure(known, corpus.tokenizer, genomes[part], self.parameters.seed)
            frames.append(sums.reset_index().assign(ruler=part))
        _write(pd.concat(frames).round({"nats": 3}), folder / "bits.csv")
        return results


@dataclass(frozen=True)
class Vocabulary(SegmentationAlone):
    """The same for a 9-mer vocabulary of another size: how much a vocabulary itself decides."""

    recipe = f"{RECIPE}, vocabulary"


@dataclass(frozen=True)
class SentenceOrder(SegmentationAlone):
    """What the frame of words alone says about the order of two sentences, on both held-out sets."""

    recipe = f"{RECIPE}, sentence order"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"sentence order by the frame of words alone, {self.corpus.tokenization}, {self.language}"

    def measure(self, corpus: "Corpus", folder: Path) -> dict[str, Any]:
        """Accuracy of the frame alone on the pairs of sentences that models are scored on, without masks."""
        from dnakit.chapters.pretraining.sentence_order import frame_alone
        from dnakit.tokens.samples import SentenceOrderSamples

        lengths, k = corpus.tokenizer.token_lengths(), corpus.tokenizer.word_length
        samples = {part: SentenceOrderSamples(corpus, part, "static", "all", self.parameters.seed) for part in HELD_OUT}
        return {part: frame_alone(each, lengths, k) for part, each in samples.items()}


@dataclass(frozen=True)
class HeldOutGenomes(Measurement):
    """Which genomes are held out, and what an interval needs to know of them: their families and their bases."""

    recipe = f"{RECIPE}, held-out genomes"

    @property
    def title(self) -> str:
        """What is listed, in words."""
        return f"the held-out genomes of {self.language} and their families"

    def measure(self, corpus: "Corpus", folder: Path) -> dict[str, Any]:
        """Write ``genomes.csv``: ``ruler``, ``genome``, ``family`` (mitochondria) and ``bases`` (the known ones)."""
        import pandas as pd

        from dnakit.data import sources, taxonomy

        lineages = taxonomy.lineages(sources.fetch(self.corpus.taxonomy)) if self.corpus.taxonomy else {}
        rows = [
            {
                "ruler": part,
                "genome": name,
                "family": taxonomy.rank(lineages.get(name, ()), "family"),
                "bases": sum(map(letters.upper().count, b"ACGT")),
            }
            for part, genomes in self.genomes(corpus, *HELD_OUT).items()
            for name, letters in genomes.items()
        ]
        table = pd.DataFrame(rows)
        _write(table, folder / "genomes.csv")
        return {part: int((table.ruler == part).sum()) for part in HELD_OUT}


def _write(frame: "pd.DataFrame", path: Path, **options: Any) -> None:
    frame.to_csv(path, index=False, **options)
