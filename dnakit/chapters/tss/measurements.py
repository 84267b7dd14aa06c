"""What the TSS chapter asks its models: every set of windows, in the thesis's protocol and in the fair one.

A set is an organism's promoters, the same shuffled, or random DNA. Beside the trained models stand the rule that needs
no training, and the simple methods of the fair task.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dnakit import store
from dnakit.chapters.tss import attribution
from dnakit.chapters.tss import samples as tss
from dnakit.chapters.tss import windows as promoters
from dnakit.chapters.tss.baselines import Baseline, KmerRegression, Motifs, PositionOnly, locate
from dnakit.chapters.tss.runs import (
    PROMOTERS,
    RECIPE,
    LocalizationParameters,
    LocalizationRun,
    about_of,
    digests,
    experiments,
    kind_of,
    predict,
    scores,
    species,
    tokenizer_of,
)
from dnakit.chapters.tss.samples import Sample
from dnakit.chapters.tss.windows import Windows
from dnakit.models import build as models
from dnakit.tokens.tokenizer import DnaTokenizer

OTHER_UPSTREAM = 5_000  # the other reading of "ranging from -4999 to +5000", for the rule
CROSSED = ("promoters", "random-positions")  # learned in the thesis's protocol, asked in the fair one
BASELINES = {"baselines": "fair-nuclear", "baselines-other": "fair-other-nuclear"}  # and the run with the same windows
METHODS: dict[str, type] = {"position": PositionOnly, "motifs": Motifs, "k-mers": KmerRegression}
PICTURES = {"attribution": "fair-other-nuclear"}  # and the run that is looked into
_SET = 3  # stream of random numbers


@dataclass(frozen=True)
class BaselineRun(store.Kept):
    """The simple methods, fitted to the windows that a fair model learns from."""

    chapter: LocalizationParameters
    name: str

    @property
    def beside(self) -> LocalizationRun:
        """The training whose windows and test samples these are."""
        return LocalizationRun(self.chapter, BASELINES[self.name])

    @property
    def title(self) -> str:
        """What is fitted, in words."""
        return f"position, motifs and k-mers, fair task, promoters of {species(self.beside.organism)}"

    @cached_property
    def key(self) -> str:
        """Key in the store."""
        return store.key(f"{RECIPE}, baselines", {"beside": self.beside.key})

    def fill(self, folder: Path) -> None:
        """Fit them, keep them as ``<method>.npz``, and score them on the test samples."""
        environment, seed = store.environment(), self.chapter.seed
        tokenizer = tokenizer_of(self.chapter, "nuclear")
        samples = self.beside.samples(tokenizer)
        train, validation = samples["train"].windows, samples["validation"].windows
        labels, bases = _places(list(samples["train"]), tokenizer)
        fitted: dict[str, Any] = {
            "position": PositionOnly.fit(labels, bases),
            "motifs": Motifs.fit(train.sequences, train.tss),
            "k-mers": KmerRegression.fit(train.sequences, train.tss, validation.sequences, seed),
        }
        shown = list(samples["test"])
        for method, baseline in fitted.items():
            np.savez(folder / f"{method}.npz", **asdict(baseline))
        results = {"test": {method: baseline_scores(each, shown, tokenizer) for method, each in fitted.items()}}
        store.write_json(folder / "metrics.json", results)
        counts = {part: len(data.windows) for part, data in samples.items()}
        about = about_of(self.name, self.key, self.beside.organism, environment) | {"windows": counts}
        store.write_json(folder / "run.json", about)

    def methods(self) -> dict[str, Baseline]:
        """The fitted methods."""
        folder = self.train()
        return {
            method: kind(**{name: each if each.ndim else each.item() for name, each in np.load(path).items()})
            for method, kind in METHODS.items()
            for path in [folder / f"{method}.npz"]
        }


def baseline_scores(baseline: Baseline, shown: list[Sample], tokenizer: DnaTokenizer) -> dict[str, float]:
    """`scores` of a simple method, with the error of the very base it names."""
    answers, bases = locate(baseline, [sample.tokens for sample in shown], tokenizer)
    errors = np.abs(bases - _places(shown, tokenizer)[1])
    return scores(shown, answers, tokenizer) | {"median_error_of_base_bp": float(np.median(errors))}


def _places(shown: list[Sample], tokenizer: DnaTokenizer) -> tuple[np.ndarray, np.ndarray]:
    """Token and base of the TSS in each sample, counted from its first."""
    lengths = tokenizer.token_lengths()
    bases = [int(lengths[sample.tokens[: sample.label]].sum()) + sample.offset for sample in shown]
    return np.array([sample.label for sample in shown]), np.array(bases)


# ---- evaluations


@dataclass(frozen=True)
class Evaluation(store.Kept):
    """All models, the rule and the baselines, asked about one set of windows."""

    chapter: LocalizationParameters
    name: str

    @property
    def organism(self) -> str:
        """Whose promoters these are, or were before they were shuffled or replaced."""
        return self.chapter.sets()[self.name][0]

    @property
    def kind(self) -> str:
        """``promoters``, ``shuffled promoters`` or ``random DNA``."""
        return self.chapter.sets()[self.name][1]

    @property
    def title(self) -> str:
        """What is asked, in words."""
        what = f"promoters of {species(self.organism)}" if self.kind == PROMOTERS else self.kind
        return f"all models of the chapter on {what}"

    @property
    def trained(self) -> dict[str, LocalizationRun]:
        """The models that are asked."""
        return {name: LocalizationRun(self.chapter, name) for name in experiments(self.chapter)}

    @property
    def fitted(self) -> dict[str, BaselineRun]:
        """The baselines that are asked."""
        return {name: BaselineRun(self.chapter, name) for name in BASELINES}

    @cached_property
    def key(self) -> str:
        """Key in the store."""
        chosen = self.chapter.model_dump(include={"seed", "downstream", "evaluation_samples", "rule_samples"})
        asked = [each.key for each in (*self.trained.values(), *self.fitted.values())]
        values = chosen | {"kind": self.kind, "data": digests(self.organism), "asked": asked}
        return store.key(f"{RECIPE}, evaluation", values)

    def windows(self) -> Windows:
        """The set."""
        chapter = self.chapter
        if self.kind == "random DNA":
            length = chapter.upstream + chapter.downstream
            return promoters.random_dna(chapter.rule_samples, length, chapter.upstream, chapter.seed)
        windows = promoters.load(self.organism, chapter.upstream, chapter.downstream)
        return windows if self.kind == PROMOTERS else promoters.shuffled(windows, chapter.seed)

    def fill(self, folder: Path) -> None:
        """Ask them all."""
        environment, windows = store.environment(), self.windows()
        results: dict[str, dict[str, Any]] = {"thesis": {}, "fair": {}}
        tokenizers = {start: tokenizer_of(self.chapter, start) for start in ("nuclear", "mitochondria")}
        tokenizers["none"] = tokenizers["nuclear"]
        for name, run in self.trained.items():
            model, tokenizer = models.load(run.train() / "model"), tokenizers[run.experiment.initialization]
            for task in {run.experiment.task, "fair"} if name in CROSSED else {run.experiment.task}:
                shown = self.shown(task, windows, run.upstream, tokenizer)
                results[task][name] = scores(shown, predict(run, model, shown), tokenizer)
        tokenizer = tokenizers["nuclear"]
        rules = {"": self.chapter.upstream, "-5000": OTHER_UPSTREAM, "-seamless": self.chapter.seamless_upstream}
        for suffix, before in rules.items():
            shown = self.shown("thesis", windows, before, tokenizer, self.chapter.rule_samples)
            answers = tss.rule([sample.tokens for sample in shown], tokenizer, before % tss.word_length(tokenizer))
            results["thesis"][f"rule{suffix}"] = scores(shown, answers, tokenizer)
        shown = self.shown("fair", windows, self.chapter.upstream, tokenizer)
        for name, simple in self.fitted.items():
            for method, baseline in simple.methods().items():
                results["fair"][f"{name}-{method}"] = baseline_scores(baseline, shown, tokenizer)
        store.write_json(folder / "metrics.json", results)
        about = about_of(self.name, self.key, self.organism, environment)
        about |= {"kind": self.kind, "main": self.organism == self.chapter.organism, "windows": len(windows)}
        store.write_json(folder / "run.json", about)

    def shown(
        self, task: str, windows: Windows, before: int, tokenizer: DnaTokenizer, count: int | None = None
    ) -> list[Sample]:
        """What is asked: samples of the windows in turn, by default as many as the chapter says."""
        framed = tss.same_frame(windows, before, tss.word_length(tokenizer)) if task == "thesis" else windows
        count = self.chapter.evaluation_samples if count is None else count
        return list(kind_of(task)(framed, tokenizer, self.chapter.seed, _SET, count=count))


# ---- what the fair model looks at


@dataclass(frozen=True)
class Picture(store.Kept):
    """Integrated gradients of a fair model around the TSS of its test promoters, and the promoters' sequence logo."""

    chapter: LocalizationParameters
    name: str

    @property
    def of(self) -> LocalizationRun:
        """The training that is looked into."""
        return LocalizationRun(self.chapter, PICTURES[self.name])

    @property
    def title(self) -> str:
        """What is drawn, in words."""
        return f"attributions of {self.of.title}"

    @cached_property
    def key(self) -> str:
        """Key in the store."""
        return store.key(f"{RECIPE}, picture", {"of": self.of.key, "pictured": self.chapter.pictured})

    def fill(self, folder: Path) -> None:
        """Write ``attribution.csv`` (mean and 95% interval by place) and ``logo.csv`` (bits by place and letter)."""
        environment = store.environment()
        tokenizer = tokenizer_of(self.chapter, "nuclear")
        test = self.of.samples(tokenizer)["test"]
        shown = list(test)[: min(self.chapter.pictured, len(test.windows))]
        aligned = attribution.attribute(models.load(self.of.train() / "model"), shown, tokenizer)
        profile = attribution.profile(aligned)
        profile.to_csv(folder / "attribution.csv", index=False, float_format="%.5g")
        windows = self.of.windows()
        bits = attribution.information(windows.sequences, windows.tss)
        bits.rename_axis("place").to_csv(folder / "logo.csv", float_format="%.4f")
        store.write_json(folder / "metrics.json", {"promoters": len(shown), "logo": len(windows)})
        about = about_of(self.name, self.key, self.of.organism, environment)
        store.write_json(folder / "run.json", about | {"pictured": self.of.key})
