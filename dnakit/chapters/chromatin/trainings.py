"""The trainings of chapter 5, and what each of them differs in.

Five are the rows of the thesis's Table 5.4, repeated with other seeds. The others are controls: no neighbours of test
bins in training, whole chromosomes held out, windows with more real context, positives without weight, and two
convolutional networks on the same rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dnakit.chapters.chromatin.organisms import Organism
from dnakit.chapters.chromatin.parameters import WINDOW, Parameters
from dnakit.chapters.pretraining.runs import PretrainingRun
from dnakit.chapters.pretraining.starts import LONGFORMER, start_of
from dnakit.run import Outcome, Run

CNN, DANQ = "cnn", "danq"
WEIGHT = 8.0  # of positives in the loss (thesis 4.2.4)
TABLE_5_4 = [("nuclear", 256), ("mitochondria", 256), ("none", 256), ("none", 512), ("none", 1024)]
LONGEST = 1024  # tokens of an input


@dataclass(frozen=True)
class Experiment:
    """What one training differs in.

    Attributes
    ----------
    network
        ``cnn`` (DeepSEA's), ``danq``, or one of `dnakit.models.build.ARCHITECTURES`.
    initialization
        Of a model that reads tokens, as in `dnakit.chapters.pretraining.starts`; empty for the others.
    tokens
        Of its input; 0 for the others, which read bases.
    split
        One of `dnakit.chapters.chromatin.parameters.SPLITS`.
    window
        Bases of its input.
    positive_weight
        In the loss.
    repeat
        0, 1, 2…: added to the seed of the training.
    """

    network: str
    initialization: str
    tokens: int
    split: str
    window: int = WINDOW
    positive_weight: float = WEIGHT
    repeat: int = 0


def experiments(parameters: Parameters) -> dict[str, Experiment]:
    """The chapter's trainings by name."""
    found = {
        f"{start}-{tokens}" + (f"-repeat-{repeat + 1}" if repeat else ""): Experiment(
            LONGFORMER, start, tokens, "random", repeat=repeat
        )
        for repeat in range(parameters.repeats)
        for start, tokens in TABLE_5_4
    }
    found["none-256-apart"] = Experiment(LONGFORMER, "none", 256, "apart")
    for start in ("none", "nuclear"):
        found[f"{start}-256-chromosomes"] = Experiment(LONGFORMER, start, 256, "chromosomes")
    found["none-256-weight-1"] = Experiment(LONGFORMER, "none", 256, "random", positive_weight=1.0)
    for window in parameters.wide_windows:
        found[wide_name(window)] = Experiment(LONGFORMER, "none", LONGEST, "chromosomes", window)
    for network in (CNN, DANQ):
        for split in ("random", "chromosomes"):
            found[f"{network}-{split}"] = Experiment(network, "", 0, split)
    return found


def wide_name(window: int) -> str:
    """The training on windows of so many bases."""
    return f"none-{LONGEST}-{window}bp-chromosomes"


@dataclass(frozen=True)
class Training(Run):
    """One training of a network that predicts profiles.

    Attributes
    ----------
    experiment
        What it differs in.
    start
        The run of chapter 2 that a model of tokens begins from, or takes its tokenizer from; None for the others.
    organism
        Whose profiles.
    """

    recipe = "chromatin 1"

    parameters: Parameters
    experiment: Experiment
    start: PretrainingRun | None
    organism: Organism

    @property
    def title(self) -> str:
        """What is trained, in words."""
        each = self.experiment
        network = each.network
        if self.start:
            network = f"{network.capitalize()}, {each.initialization} start, {each.tokens} tokens"
        return f"{network}, {each.window:,} bp, profiles of {self.organism.species}, split {each.split}"

    @property
    def split(self) -> str:
        """How its rows are split."""
        return self.experiment.split

    @property
    def window(self) -> int:
        """Bases of its input."""
        return self.experiment.window

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What, besides data and pretraining, decides the result."""
        chapter = self.parameters
        shown = chapter.training() | chapter.model_dump(include={"epoch_samples", "evaluation_samples"})
        scale = {} if self.start else {"network_scale": chapter.network_scale}
        return shown | asdict(self.experiment) | scale

    def inputs(self) -> Mapping[str, Any]:
        """Settings, rows, held-out chromosomes, and the key of the run it begins from."""
        from dnakit.chapters.chromatin.profiles import profiles_key

        data = self.organism
        rows = profiles_key(data, self.experiment.window, self.parameters.rows)
        held = {"validation": list(data.validation), "test": list(data.test), "fewest": data.fewest}
        return self.settings | held | {"profiles": rows, "pretrained": self.start.key if self.start else ""}

    def needs(self) -> Sequence[Run]:
        """The run of chapter 2."""
        return [self.start] if self.start else []

    def compute(self, folder: Path) -> Outcome:
        """Train it: see `dnakit.chapters.chromatin.fine_tuning`."""
        from dnakit.chapters.chromatin.fine_tuning import fine_tune

        return fine_tune(self, folder)


def trainings(parameters: Parameters) -> list[Training]:
    """The chapter's trainings; of another organism DeepSEA's network alone, with chromosomes held out."""
    chosen = experiments(parameters)
    wanted = {each.initialization for each in chosen.values()} - {""}
    starts = {name: start_of(parameters.pretrained, name) for name in sorted(wanted)}
    organisms = parameters.sets()
    first = [
        Training(parameters, name, each, starts.get(each.initialization), organisms[""])
        for name, each in chosen.items()
    ]
    held_out = f"{CNN}-chromosomes"
    others = [
        Training(parameters, held_out + ending, chosen[held_out], None, organism)
        for ending, organism in organisms.items()
        if ending
    ]
    return [*first, *others]
