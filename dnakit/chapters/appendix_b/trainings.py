"""The trainings of chapter 6: those of chapters 2 to 5 with other models, on the same samples.

A baseline whose size and settings are those of the earlier chapter has the key of that chapter's run, and is that run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dnakit.chapters.appendix_b.parameters import ELMO, LARGE, LONGFORMER, MODELS, Parameters
from dnakit.chapters.chromatin import runs as chromatin
from dnakit.chapters.metagenomics import runs as metagenomics
from dnakit.chapters.pretraining.parameters import NINE_MER
from dnakit.chapters.pretraining.runs import PretrainingRun
from dnakit.chapters.tss import runs as tss
from dnakit.chapters.tss.parameters import TABLE_DROPOUT
from dnakit.run import Run

LARGE_NINE_MER = f"large-{NINE_MER}"
TOKENS = 256  # of an input
DEEP = "sequence-deep"


class Pretraining(PretrainingRun):
    """A training of chapter 2, made for this one."""


class OnPromoters(tss.Training):
    """A training of chapter 3."""


@dataclass(frozen=True, kw_only=True)
class OnGenes(metagenomics.Training):
    """A training of chapter 4 that begins from a run of this chapter."""

    begins_from: PretrainingRun

    @cached_property
    def start(self) -> PretrainingRun:
        """The pretraining."""
        return self.begins_from


class OnProfiles(chromatin.Training):
    """A training of chapter 5."""


@dataclass(frozen=True)
class Start:
    """What a model begins from: its initialization, and the pretraining whose weights, or tokenizer alone, it takes."""

    initialization: str
    run: PretrainingRun


def trainings(parameters: Parameters) -> list[Run]:
    """The rows of Tables B.1 to B.4, and two that the thesis has in its text or lacks."""
    pretrained = {run.name: run for run in pretrainings(parameters)}
    small, large = (pretrained[f"mlm-{model}"] for model in (LONGFORMER, LARGE))
    starts = {
        LONGFORMER: Start("mitochondria", small),
        ELMO: Start("none", small),
        LARGE: Start("mitochondria", large),
    }
    found: list[Run] = [*pretrained.values()]
    for model in MODELS:
        found.append(_on_promoters(parameters, model, starts[model]))
    found += _on_genes(parameters, starts)
    for model in MODELS:
        found.append(_on_profiles(parameters, model, starts[model]))
    return found


def pretrainings(parameters: Parameters) -> list[Pretraining]:
    """The small Longformer, the same for as long as the large one, and the large one (Table B.1)."""
    epochs, rate = parameters.pretraining(LARGE)
    small_epochs, small_rate = parameters.pretraining(LONGFORMER)
    return [
        _pretraining(parameters, f"mlm-{LONGFORMER}", NINE_MER, epochs=small_epochs, learning_rate=small_rate),
        _pretraining(
            parameters,
            f"mlm-{LONGFORMER}-longer",
            NINE_MER,
            epochs=epochs,
            learning_rate=small_rate,
            masking="dynamic",
        ),
        _pretraining(parameters, f"mlm-{LARGE}", LARGE_NINE_MER, epochs=epochs, learning_rate=rate, masking="dynamic"),
    ]


def _pretraining(parameters: Parameters, name: str, model: str, **changes: object) -> Pretraining:
    of_chapter = parameters.earlier("02_pretraining")
    genomes = [parameters.genomes] * len(of_chapter.tokenizations)
    return Pretraining(of_chapter.model_copy(update={"genomes": genomes, **changes}), name, model)


def _on_promoters(parameters: Parameters, model: str, start: Start) -> OnPromoters:
    of_chapter = parameters.earlier("03_tss", epoch_samples=parameters.tss_samples, **parameters.task("tss", model))
    chosen = tss.Experiment("thesis", "organism", start.initialization, TABLE_DROPOUT, architecture=model)
    return OnPromoters(of_chapter, f"tss-{model}", chosen, start.run)


def _on_genes(parameters: Parameters, starts: dict[str, Start]) -> Iterator[OnGenes]:
    """One for each model with one dense layer as head, and the large one with the deep head."""
    share = parameters.species_share
    for model, start in starts.items():
        of_chapter = parameters.earlier("04_metagenomics", **parameters.task("species", model))
        heads = {"": "sequence"} | ({"-deep": DEEP} if model == LARGE else {})
        for ending, head in heads.items():
            yield OnGenes(
                of_chapter,
                f"12s-{model}{ending}",
                start.initialization,
                share,
                parameters.seed,
                architecture=model,
                head=head,
                begins_from=start.run,
            )


def _on_profiles(parameters: Parameters, model: str, start: Start) -> OnProfiles:
    of_chapter = parameters.earlier(
        "05_chromatin", epoch_samples=parameters.chromatin_samples, **parameters.task("chromatin", model)
    )
    chosen = chromatin.Experiment(model, start.initialization, TOKENS, "random")
    return OnProfiles(of_chapter, f"chromatin-{model}", chosen, start.run, of_chapter.data())
