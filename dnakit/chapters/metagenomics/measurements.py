"""What chapter 4 measures without training: simple methods and programs on the thesis's task and on fair ones.

And of the classifier behind ``dnakit classify``: its confidence, reads of no fish, mock communities, real reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnakit.chapters.metagenomics.parameters import NOT_INSTALLED, PROGRAMS, Parameters
from dnakit.chapters.metagenomics.references import Reference, reference
from dnakit.chapters.pretraining.starts import start_of
from dnakit.run import Outcome, Run
from dnakit.tokens.parameters import CorpusParameters, corpus_key

OF_COPIES = ("consensus", "naive-bayes", "logistic-regression", "search")  # on the thesis's task, besides programs
FAIR = ("search", "cosine", "naive-bayes")  # on the fair tasks
KMERS = 2  # version of `dnakit.chapters.metagenomics.methods.Linear`: raised when it ranks otherwise
SEARCH = 2  # version of `dnakit.chapters.metagenomics.search`: raised when it finds other records
_COPIED = {"accessions", "species", "copies", "lowest_rate", "highest_rate", "seed"}  # parameters of the samples


@dataclass(frozen=True)
class Measurement(Run):
    """A measurement on the records of the chapter's reference."""

    parameters: Parameters

    @property
    def reference(self) -> Reference:
        """The records."""
        return reference(self.parameters.reference)

    def record(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What the record says of data and settings."""
        return self.reference.record() | {"parameters": {"seed": self.parameters.seed} | dict(settings)}


@dataclass(frozen=True)
class OfCopies(Measurement):
    """One method on the thesis's task: the species of a mutated copy (4.2.3).

    Attributes
    ----------
    method
        What is measured.
    share
        Of the species: all, or those that the trainings have. A program is asked about all test samples of the
        latter, and about the first of them where it has all species to search.
    """

    recipe = "12S copies 1"

    method: str
    share: float = 1.0

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"{self.method} on the thesis's task, {in_words(self.share)}"

    @property
    def first(self) -> int | None:
        """How many of the test samples are asked about, the first ones; None for all."""
        return self.parameters.program_samples if self.method in PROGRAMS and self.share == 1 else None

    def inputs(self) -> Mapping[str, Any]:
        """How the samples are made, digests of the data, and the version of a program."""
        digests = self.reference.digests() + accession_digests(self.parameters)
        settings = self.parameters.model_dump(include=_COPIED) | {"method": self.method, "data": digests}
        if self.share < 1:
            settings["share"] = self.share
        if self.first is not None:
            settings["program_samples"] = self.first
        return settings | version_of(self.method)

    def compute(self, folder: Path) -> Outcome:
        """See `measured`."""
        settings = {"method": self.method, "task": "thesis", "share": self.share}
        return Outcome(self.measured(folder), self.record(settings))

    def measured(self, folder: Path) -> dict[str, Any]:
        """Rank the species for the test samples: see `dnakit.chapters.metagenomics.comparing`."""
        from dnakit.chapters.metagenomics.comparing import on_copies

        return on_copies(self, folder)


@dataclass(frozen=True)
class CopiesCeiling(OfCopies):
    """What no method can pass on the thesis's task, and whether the task asks for species that are not in training."""

    recipe = "12S copies, ceiling 1"

    method: str = "ceiling"

    def measured(self, folder: Path) -> dict[str, Any]:
        """See `dnakit.chapters.metagenomics.copies.ceiling`."""
        from dnakit.chapters.metagenomics.copies import ceiling, copies

        samples = copies(self.parameters, self.parameters.seed, self.share)
        return {"test": ceiling(samples), "species": len(samples.genes)}


@dataclass(frozen=True)
class PretrainedSpecies(Measurement):
    """Which species of the trainings the pretraining on mitochondria has seen: their 12S gene is in their genome."""

    recipe = "12S pretrained species 1"

    @property
    def corpus(self) -> CorpusParameters:
        """What the encoder was trained on."""
        return start_of(self.parameters.pretrained, "mitochondria").corpus

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "species of the thesis's task whose genome the pretraining has seen"

    def inputs(self) -> Mapping[str, Any]:
        """How the samples are made, the corpus, digests of the data."""
        from dnakit.data import sources

        lineages = [self.parameters.lineages] if self.parameters.lineages else []
        digests = self.reference.digests() + accession_digests(self.parameters)
        settings = self.parameters.model_dump(include={*_COPIED, "trained_share"}) | {"corpus": corpus_key(self.corpus)}
        return settings | {"data": digests + [sources.digest(sources.fetch(name)) for name in lineages]}

    def compute(self, folder: Path) -> Outcome:
        """Write ``species.csv``: see `dnakit.chapters.metagenomics.overlap`."""
        from dnakit.chapters.metagenomics.overlap import pretrained_species

        about = self.record({"share": self.parameters.trained_share}) | {"corpus": self.corpus.named()}
        return Outcome(pretrained_species(self, folder), about)


@dataclass(frozen=True)
class OfFairTasks(Measurement):
    """One method on reads of records that the reference does not hold."""

    recipe = "12S fair tasks 2"

    @property
    def method(self) -> str:
        """What is measured."""
        return self.name.removeprefix("fair-")

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return f"{self.method} on records that the reference does not hold"

    def inputs(self) -> Mapping[str, Any]:
        """The draw, digests of the data, and the version of a program."""
        settings = self.parameters.model_dump(include={"seed", "asked"})
        data = {"method": self.method, "data": self.reference.digests()}
        return settings | data | program_inputs(self.method, self.parameters)

    def compute(self, folder: Path) -> Outcome:
        """Write ``accuracy.csv``: share of right names by level, form and rank, with 95% intervals."""
        from dnakit.chapters.metagenomics.comparing import on_fair_tasks

        return Outcome(on_fair_tasks(self, folder), self.record({"method": self.method, "task": "fair"}))


@dataclass(frozen=True)
class FairDifferences(Measurement):
    """How much more often the search is right than each other method, read by read."""

    recipe = "12S fair differences 2"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "the search beside each other method on records that the reference does not hold"

    @property
    def versions(self) -> dict[str, dict[str, Any]]:
        """Of the methods that are here, the search first."""
        found = {method: version_of(method) for method in (*FAIR, *self.parameters.programs)}
        return {method: about for method, about in found.items() if about.get("program") != NOT_INSTALLED}

    def inputs(self) -> Mapping[str, Any]:
        """The draw, digests of the data, and the versions of the methods."""
        settings = self.parameters.model_dump(include={"seed", "asked"})
        return settings | {"methods": self.versions, "data": self.reference.digests()}

    def compute(self, folder: Path) -> Outcome:
        """Write ``differences.csv``: by method, level, form and rank, with 95% intervals."""
        from dnakit.chapters.metagenomics.comparing import fair_differences

        return Outcome(fair_differences(self, folder), self.record({"task": "fair"}))


@dataclass(frozen=True)
class FairCeiling(Measurement):
    """What no method can pass on the fair tasks."""

    recipe = "12S fair ceiling 2"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "reads of the fair tasks that lie in records of several names"

    def inputs(self) -> Mapping[str, Any]:
        """The draw and digests of the data."""
        return self.parameters.model_dump(include={"seed", "asked"}) | {"data": self.reference.digests()}

    def compute(self, folder: Path) -> Outcome:
        """See `dnakit.chapters.metagenomics.ceiling`; it writes what `OfFairTasks` writes."""
        from dnakit.chapters.metagenomics.ceiling import on_fair_tasks

        return Outcome(on_fair_tasks(self, folder), self.record({"task": "fair"}))


@dataclass(frozen=True)
class Confidence(Measurement):
    """Calibration of the classifier's confidence on records that neither its index nor its calibration saw."""

    recipe = "12S confidence 3"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "calibration of the classifier's confidence"

    def inputs(self) -> Mapping[str, Any]:
        """The draw and digests of the data."""
        return self.parameters.model_dump(include={"seed"}) | {"data": self.reference.digests()}

    def compute(self, folder: Path) -> Outcome:
        """Write ``reliability.csv`` and ``risk.csv``."""
        from dnakit.chapters.metagenomics.measuring import confidence

        return Outcome(confidence(self, folder), self.record({}))


@dataclass(frozen=True)
class Strangers(Measurement):
    """Reads that are of no fish's 12S gene, and what the classifier says of them."""

    recipe = "12S strangers 3"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "reads that are of no fish's 12S gene"

    def inputs(self) -> Mapping[str, Any]:
        """Digests of the reference and of the genomes."""
        from dnakit.data import sources

        names = [name for name in (self.parameters.genomes, self.parameters.lineages) if name]
        digests = self.reference.digests() + [sources.digest(sources.fetch(name)) for name in names]
        return self.parameters.model_dump(include={"seed", "asked"}) | {"data": digests}

    def compute(self, folder: Path) -> Outcome:
        """Write ``strangers.csv``: by kind, how many reads, and the share that is left unassigned."""
        from dnakit.chapters.metagenomics.measuring import strangers

        return Outcome(strangers(self, folder), self.record({}))


@dataclass(frozen=True)
class Mock(Measurement):
    """Communities of known species: which are found, missed, invented, and in what share where the ratio is known."""

    recipe = "12S mock communities 5"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "mock communities of known species"

    def inputs(self) -> Mapping[str, Any]:
        """Digests of the data, and versions of the programs."""
        from dnakit.data import sources

        digests = [sources.digest(sources.fetch(name)) for name in self.parameters.mock]
        vsearch = program_inputs("vsearch", self.parameters) if "vsearch" in self.parameters.programs else {}
        return {"data": self.reference.digests() + digests} | vsearch

    def compute(self, folder: Path) -> Outcome:
        """Write ``members.csv``, ``draws.csv`` and ``shares.csv``."""
        from dnakit.chapters.metagenomics.mock import communities

        return Outcome(communities(self, folder), self.record({}))


@dataclass(frozen=True)
class Reads(Measurement):
    """Real MiFish reads of unknown composition: what is named, and whether two mates of a pair get the same name."""

    recipe = "12S reads 4"

    @property
    def title(self) -> str:
        """What is measured, in words."""
        return "real amplicon reads"

    def inputs(self) -> Mapping[str, Any]:
        """Digests of the data."""
        from dnakit.data import sources

        digests = [sources.digest(sources.fetch(name)) for name in self.parameters.reads]
        return {"data": self.reference.digests() + digests}

    def compute(self, folder: Path) -> Outcome:
        """Write ``families.csv`` and ``agreement.csv``."""
        from dnakit.chapters.metagenomics.measuring import reads

        return Outcome(reads(self, folder), self.record({}))


def accession_digests(parameters: Parameters) -> list[str]:
    """Digest of the list of accessions, where there is one."""
    from dnakit.data import sources

    return [sources.digest(sources.fetch(parameters.accessions))] if parameters.accessions else []


def version_of(method: str) -> dict[str, Any]:
    """The version of a method of ours, or of a program, so that one that is installed later is measured then."""
    if method == "search":
        return {"search": SEARCH}
    if method in ("consensus", "cosine", "naive-bayes"):
        return {"k-mers": KMERS}
    if method not in PROGRAMS:
        return {}
    from dnakit.chapters.metagenomics.programs import version

    return {"program": version(method)}


def program_inputs(method: str, parameters: Parameters) -> dict[str, Any]:
    """The version of a method, and the parameter of programs."""
    return version_of(method) | (parameters.model_dump(include={"program_samples"}) if method in PROGRAMS else {})


def in_words(share: float) -> str:
    """A share of the species."""
    return "all species" if share == 1 else f"{share:.0%} of the species"


def measurements(parameters: Parameters) -> list[Run]:
    """All of them."""
    programs, share = tuple(parameters.programs), parameters.part
    parts = {"copies": 1.0} | ({"trained-species": share} if share < 1 else {})
    of_copies: list[Run] = []
    for name, part in parts.items():
        of_copies.append(CopiesCeiling(parameters, f"{name}-ceiling", share=part))
        of_copies += [OfCopies(parameters, f"{name}-{method}", method, part) for method in OF_COPIES + programs]
    return [
        *of_copies,
        PretrainedSpecies(parameters, "pretrained-species"),
        *(OfFairTasks(parameters, f"fair-{method}") for method in FAIR + programs),
        FairCeiling(parameters, "ceiling-fair"),
        FairDifferences(parameters, "fair-differences"),
        Confidence(parameters, "confidence"),
        Strangers(parameters, "strangers"),
        *([Mock(parameters, "mock")] if parameters.mock else []),
        *([Reads(parameters, "reads")] if parameters.reads else []),
    ]
