"""What is measured without a model: methods that learn from the training genomes, and what masks give away.

Simple methods, lookups, counts of what a model sees and a compressor learn from the genomes that the 9-mer model, or a
budget of it, is trained on. Segmentation alone is measured for each tokenization, on the masks that models are scored
on.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnakit.chapters.pretraining.measurement import RECIPE, Measurement, of_parts, write
from dnakit.tokens.parameters import HELD_OUT, CorpusParameters

if TYPE_CHECKING:
    from dnakit.tokens.corpus import Corpus


@dataclass(frozen=True)
class SimpleMethods(Measurement):
    """Markov models and a two-sided context model."""

    recipe = f"{RECIPE}, simple methods"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"Markov models from {self.corpus.amount} on the held-out genomes of {self.language}"

    def measure(self, corpus: "Corpus", folder: Path) -> dict[str, Any]:
        """Write ``bits.csv``: bits per base of each held-out genome by method."""
        from dnakit.chapters.pretraining import simple_methods

        bits, results = simple_methods.measure(self.genomes(corpus, "train", "validation", *HELD_OUT))
        write(bits, folder / "bits.csv", float_format="%.5g")
        return results


@dataclass(frozen=True)
class Lookups(Measurement):
    """Lookups of the masked tokens that models are scored on."""

    recipe = f"{RECIPE}, lookups"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"lookups of masked tokens in {self.corpus.amount}, held-out genomes of {self.language}"

    def measure(self, corpus: "Corpus", folder: Path) -> dict[str, Any]:
        """Write ``lookups.csv`` by genome; the metrics are shares of the masked tokens by lookup."""
        from dnakit.chapters.pretraining import simple_methods

        counts, results = simple_methods.look_up(corpus, self.genomes(corpus, *HELD_OUT), self.parameters.seed)
        write(counts, folder / "lookups.csv")
        return results


@dataclass(frozen=True)
class AsSeen(Measurement):
    """Counts of bases on both sides and of tokens, on the masks of models: they see what a model sees."""

    recipe = f"{RECIPE}, as seen"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"counts as seen, {self.corpus.amount}, held-out genomes of {self.language}"

    def measure(self, corpus: "Corpus", folder: Path) -> dict[str, Any]:
        """Write ``bits.csv`` by genome; the metrics are bits per base."""
        from dnakit import metrics
        from dnakit.chapters.pretraining import as_seen

        genomes = self.genomes(corpus, "train", "validation", *HELD_OUT)
        sums = as_seen.measure(corpus, genomes, HELD_OUT, self.parameters.seed)
        write(of_parts(sums).round({"nats": 3}), folder / "bits.csv")
        return {
            part: {"bits_per_base": metrics.bits_per_base(-float(each.nats.sum()), int(each.bases.sum()))}
            for part, each in sums.items()
        }


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
        from dnakit.chapters.pretraining.compressor import AFTER, ALONE, xz_bits

        genomes = self.genomes(corpus, "train", *HELD_OUT)
        bits = {part: xz_bits([*genomes["train"].values()], genomes[part]) for part in HELD_OUT}
        write(of_parts(bits), folder / "bits.csv")
        return {
            part: {name: float(each[name].sum() / each.bases.sum()) for name in (ALONE, AFTER)}
            for part, each in bits.items()
        }


@dataclass(frozen=True)
class SegmentationAlone(Measurement):
    """What the visible token boundaries alone say about the masked tokens that models are scored on."""

    recipe = f"{RECIPE}, segmentation 2"

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
        from dnakit.chapters.pretraining import segmentation

        genomes, sums, results = self.genomes(corpus, *HELD_OUT), {}, {}
        known = segmentation.Segmentation(corpus.tokenizer)
        known.fit(corpus.ids_by_document("train"))
        for part in HELD_OUT:
            sums[part], results[part] = segmentation.measure(
                known, corpus.tokenizer, genomes[part], self.parameters.seed
            )
        write(of_parts(sums).round({"nats": 3}), folder / "bits.csv")
        return results


@dataclass(frozen=True)
class Vocabulary(SegmentationAlone):
    """The same for a 9-mer vocabulary of another size: how much a vocabulary itself decides."""

    recipe = f"{RECIPE}, vocabulary 2"


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
        write(table, folder / "genomes.csv")
        return {part: int((table.ruler == part).sum()) for part in HELD_OUT}
