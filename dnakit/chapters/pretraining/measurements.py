"""What the pretrained models are held against: simple methods, and one ruler for all of them (thesis section 5.1).

Both rulers of a corpus, ``near`` and ``far``, are measured with every model of a language, and with methods that need
no neural network, learned from the genomes that the 9-mer model, or a trial of it, is trained on.
"""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from dnakit import store, training
from dnakit.chapters.pretraining import bits_per_base as ruler
from dnakit.chapters.pretraining import genome_map as language_map
from dnakit.chapters.pretraining import lookups, markov
from dnakit.chapters.pretraining import shared_words as relatives
from dnakit.chapters.pretraining.lookups import TokenLookups
from dnakit.chapters.pretraining.runs import READING, SIMPLE, PretrainingParameters, PretrainingRun, parts_of, runs_of
from dnakit.data import sources, taxonomy
from dnakit.models import build as models
from dnakit.tokens.corpus import RULERS, Corpus, CorpusParameters, corpus_key, documents, prepare
from dnakit.tokens.samples import PAD, MlmSamples
from dnakit.tokens.tokenizer import load_tokenizer

RECIPE = "yardsticks 2"  # goes into every key; raise it when the same parameters come to mean other numbers
LANGUAGES = {"mitochondria": "", "nuclear": "-nuclear"}  # and how the names of its models end
TOKENIZATION = "9-mer"  # of the lookups; the other methods read bases
MAPPED = "longformer-9-mer-mlm"  # the model whose hidden states are drawn as a map
ORDERS = (2, 8, 12)  # of the Markov models shown beside the best


def runs(chapter: PretrainingParameters) -> dict[str, "Yardstick"]:
    """What is held against each language that has models, by name; nothing without rulers."""
    if not chapter.ruler_genomes:
        return {}
    trained = runs_of(chapter)
    spoken = {name: language_of(run) for name, run in trained.items()}
    readings = [Reading(chapter, f"{READING}{name}", spoken[name], run) for name, run in trained.items()]
    found: dict[str, Yardstick] = {each.name: each for each in (*_simple_methods(chapter, spoken), *readings)}
    return found | ({"map": Map(chapter, "map", spoken[MAPPED], trained[MAPPED])} if MAPPED in trained else {})


def _simple_methods(chapter: PretrainingParameters, spoken: dict[str, str]) -> Iterator["SimpleMethods"]:
    """One for each language, and one for each other number of genomes that its trials learn from."""
    for language in LANGUAGES:
        if language not in spoken.values():
            continue
        rows = SimpleMethods(chapter, f"{SIMPLE}{language}", language)
        yield rows
        counts = {rows.corpus_parameters.genomes}
        for number, trial in enumerate(chapter.trials):
            genomes = chapter.trial_genomes[number]
            if spoken[trial] == language and genomes not in counts:
                counts.add(genomes)
                yield SimpleMethods(chapter.trial(number), f"{rows.name}-{genomes}", language)


def upstream(chapter: PretrainingParameters) -> dict[str, list[str]]:
    """The trainings that each of `runs` asks."""
    return {name: [run.trained.name] if isinstance(run, Reading) else [] for name, run in runs(chapter).items()}


def language_of(run: PretrainingRun) -> str:
    """The language that a training learned, one of `LANGUAGES`."""
    ending = parts_of(run.model)["nuclear"] or ""
    return next(language for language, end in LANGUAGES.items() if end == ending)


@dataclass(frozen=True)
class Yardstick(store.Kept):
    """Something measured on both rulers of a language; a kind of them says what `measure` writes and returns."""

    chapter: PretrainingParameters
    name: str
    language: str

    @cached_property
    def corpus_parameters(self) -> CorpusParameters:
        """The 9-mer corpus of the language, whose rulers are those of all its corpora."""
        return self.chapter.corpus_of(f"longformer-{TOKENIZATION}-mlm{LANGUAGES[self.language]}")

    @abstractmethod
    def measure(self, corpus: Corpus, folder: Path) -> dict[str, Any]:
        """Write tables to the folder, and return the metrics."""

    def fill(self, folder: Path) -> None:
        """Write ``metrics.json``, ``run.json`` and the tables of `measure`."""
        environment, corpus = store.environment(), prepare(self.corpus_parameters)
        store.write_json(folder / "metrics.json", self.measure(corpus, folder))
        store.write_json(folder / "run.json", self.record(corpus, environment))

    def genomes(self, corpus: Corpus, *parts: str) -> dict[str, dict[str, bytes]]:
        """Letters by name of splits and rulers, from one reading of the sources."""
        found: dict[str, dict[str, bytes]] = {part: {} for part in parts}
        part_of = {name: part for part in found for name in corpus.genomes[part]}
        for record in documents(self.corpus_parameters):
            if record.name in part_of:
                found[part_of[record.name]][record.name] = record.sequence
        return found

    def record(self, corpus: Corpus, environment: dict[str, str]) -> dict[str, Any]:
        """What every record of a yardstick says."""
        return {
            "name": self.name,
            "key": self.key,
            "recipe": RECIPE,
            "language": self.language,
            "parameters": {"seed": self.chapter.seed},
            "corpus": self.corpus_parameters.named() | {"key": corpus.folder.name},
            **sources.about(self.corpus_parameters.sources),
            "genomes": {part: len(names) for part, names in corpus.genomes.items()},
            "device": training.device(),
            "environment": environment,
        }


@dataclass(frozen=True)
class SimpleMethods(Yardstick):
    """Markov models, a two-sided context model, a general compressor, and lookups of masked tokens."""

    @property
    def title(self) -> str:
        """What is measured, in words."""
        genomes = self.corpus_parameters.genomes
        learned = f"{genomes:,}" if genomes else "all"
        return f"Markov models, xz and lookups from {learned} genomes on the rulers of {self.language}"

    @cached_property
    def key(self) -> str:
        """Key in the store."""
        return store.key(f"{RECIPE}, simple methods", {"corpus": corpus_key(self.corpus_parameters)})

    def measure(self, corpus: Corpus, folder: Path) -> dict[str, Any]:
        """Write ``bits.csv``: bits per base of each ruler genome by method; the metrics are by ruler."""
        genomes = self.genomes(corpus, "train", "validation", *RULERS)
        train, validation = ([*genomes[part].values()] for part in ("train", "validation"))
        two_sided = markov.TwoSided().fit(train).tune(validation)
        fixed = markov.FixedMarkov()
        fixed.counts = two_sided.before.counts
        fixed.tune(validation)
        results: dict[str, Any] = {"best_order": fixed.order, "orders": _orders(fixed)}
        rows = []
        known = TokenLookups(corpus.tokenizer).fit(_documents(corpus, "train"))
        for part in RULERS:
            held_out = [*genomes[part].values()]
            by_genome = {
                "mixed orders": two_sided.before.bits_by_genome(held_out),
                "two-sided": two_sided.bits_by_genome(held_out),
            }
            shared = {"shared_31mers": relatives.shared_words(train, held_out)}
            rows.append(pd.DataFrame({"ruler": part, "genome": list(genomes[part])} | shared | by_genome))
            bits = _fixed_bits(fixed, held_out)
            bits |= {method: _of_all(each, held_out) for method, each in by_genome.items()}
            bits |= {f"xz, {what}": each for what, each in markov.xz_bits_per_base(train, held_out).items()}
            looked_up = _looked_up(known, corpus, part, self.chapter.seed)
            results[part] = {"bits_per_base": bits, "masked": looked_up}
        pd.concat(rows).to_csv(folder / "bits.csv", index=False, float_format="%.5g")
        return results


def _orders(fixed: markov.FixedMarkov) -> dict[str, float]:
    """Validation bits per base of every order, for a figure or a doubt."""
    return {str(order): bits for order, (bits, _) in fixed.validation_bits.items()}


def _fixed_bits(fixed: markov.FixedMarkov, held_out: list[bytes]) -> dict[str, float]:
    """Bits per base of `ORDERS` and of the best order."""
    best, pseudo_count = fixed.order, fixed.pseudo_count
    bits = {}
    for order in ORDERS:
        fixed.order, fixed.pseudo_count = order, fixed.validation_bits[order][1]
        bits[f"order {order}"] = fixed.bits_per_base(held_out)
    fixed.order, fixed.pseudo_count = best, pseudo_count
    return bits | {"best order": fixed.bits_per_base(held_out)}


def _of_all(by_genome: np.ndarray, genomes: list[bytes]) -> float:
    """Bits per base of all genomes together, from those of each and its known bases."""
    bases = np.array([sum(map(genome.count, b"ACGT")) for genome in genomes])
    return float(np.nansum(by_genome * bases) / bases.sum())


def _looked_up(known: TokenLookups, corpus: Corpus, part: str, seed: int) -> dict[str, dict[str, float]]:
    """Top-1 and top-5 accuracy of each lookup on a ruler's masked tokens, all neighbours told and as the model sees."""
    samples = list(_items(MlmSamples(corpus, part, "static", "all", seed)))
    seen, true, masked = ([item[at] for item in samples] for at in range(3))
    answer = np.concatenate([ids[shown] for ids, shown in zip(true, masked, strict=True)])
    told, honest = known.predict(true, masked), known.predict(true, masked, seen)
    best = told | {f"{name}, as seen": honest[name] for name in honest if name in ("neighbours", "12 bp")}
    return {
        name: {"top1": lookups.top_accuracy(answer, found, 1), "top5": lookups.top_accuracy(answer, found, 5)}
        for name, found in best.items()
    }


def _items(samples: MlmSamples) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Seen ids, true ids and masked positions of each sample, without padding."""
    for number in range(len(samples)):
        item = {name: tensor.numpy() for name, tensor in samples[number].items()}
        real = item["input_ids"] != PAD
        true = np.where(item["labels"] >= 0, item["labels"], item["input_ids"])
        yield item["input_ids"][real], true[real], item["masked"][real]


def _documents(corpus: Corpus, part: str) -> list[np.ndarray]:
    return np.split(corpus.ids(part), corpus.ends(part)[:-1])


@dataclass(frozen=True)
class Reading(Yardstick):
    """One model on both rulers of its language: bits per base and masked tokens."""

    trained: PretrainingRun
    kind: ClassVar[str] = "ruler"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"{self.trained.name} on the rulers of {self.language}"

    @cached_property
    def key(self) -> str:
        """Key in the store."""
        asked = {"model": self.trained.key, "corpus": corpus_key(self.corpus_parameters)}
        return store.key(f"{RECIPE}, {self.kind}", asked)

    def record(self, corpus: Corpus, environment: dict[str, str]) -> dict[str, Any]:
        """The same, and which model it is."""
        return super().record(corpus, environment) | {"model": self.trained.name}

    def measure(self, corpus: Corpus, folder: Path) -> dict[str, Any]:
        """Write ``bits.csv`` by genome; the metrics are by ruler."""
        genomes, path = self.genomes(corpus, *RULERS), self.trained.train() / "model"
        model, tokenizer = models.load(path), load_tokenizer(path)
        sums = {part: ruler.measure(model, tokenizer, genomes[part], self.chapter.seed) for part in RULERS}
        frame = pd.concat([each.reset_index().assign(ruler=part) for part, each in sums.items()])
        frame.round({"nats": 3}).to_csv(folder / "bits.csv", index=False)
        return {part: ruler.summarise(each) for part, each in sums.items()}


@dataclass(frozen=True)
class Map(Reading):
    """The ruler genomes in a model's hidden states."""

    kind: ClassVar[str] = "map"

    @property
    def title(self) -> str:
        """What is drawn, in words."""
        return f"the rulers of {self.language} in the hidden states of {self.trained.name}"

    def measure(self, corpus: Corpus, folder: Path) -> dict[str, Any]:
        """Write ``map.csv`` and ``neighbours.csv``; the metrics say how many genomes there are."""
        found = self.genomes(corpus, *RULERS)
        genomes = found["near"] | found["far"]
        lineages = taxonomy.lineages(sources.fetch(self.chapter.taxonomy))
        path, weights = self.trained.train() / "model", self.trained.chapter.fresh_weights
        points, scores = language_map.measure(path, genomes, lineages, self.chapter.seed, weights)
        points.to_csv(folder / "map.csv", index=False, float_format="%.4g")
        scores.to_csv(folder / "neighbours.csv", index=False, float_format="%.4g")
        return {"genomes": len(genomes)}
