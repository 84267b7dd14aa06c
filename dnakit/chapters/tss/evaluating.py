"""Evaluating all models, the rule and the simple methods of chapter 3 on one set of windows."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from dnakit import store
from dnakit.chapters.tss import baselines
from dnakit.chapters.tss import windows as promoters
from dnakit.chapters.tss.fine_tuning import SAMPLES, predict_with, tokenizer_of
from dnakit.chapters.tss.parameters import PROMOTERS, RANDOM_DNA, TABLE_5_2
from dnakit.chapters.tss.rule import rule
from dnakit.chapters.tss.samples import Sample, word_length
from dnakit.chapters.tss.scoring import scores
from dnakit.data import windows as genome_windows
from dnakit.data.windows import Windows
from dnakit.models import build
from dnakit.run import Outcome
from dnakit.tokens.tokenizer import DnaTokenizer

if TYPE_CHECKING:
    from dnakit.chapters.tss.controls import RuleTies
    from dnakit.chapters.tss.measurements import Evaluation
    from dnakit.chapters.tss.parameters import Parameters

BOTH_TASKS = (TABLE_5_2, "random-positions")  # trained in the thesis's protocol, evaluated in the fair task as well
OTHER_UPSTREAM = 5_000  # the other reading of "ranging from -4999 to +5000", for the rule
SET = 3  # stream of random numbers


class Score(NamedTuple):
    """The scores of a method in a task (``thesis`` or ``fair``)."""

    task: str
    method: str
    scores: dict[str, float]


def evaluate(run: "Evaluation") -> Outcome:
    """Evaluate all methods.

    The metrics are scores by task and method. A method that was trained on some of these very promoters is scored on
    all of them under ``thesis`` and ``fair``, and on its own test promoters under ``test_only``.
    """
    evaluator = Evaluator(run)
    found = by_task([*evaluator.models(), *evaluator.rule(), *evaluator.baselines()])
    record = {"kind": run.kind, "main": run.organism == run.trainings[TABLE_5_2].organism}
    record |= {"windows": len(evaluator.windows), "left_out": evaluator.windows.left_out}
    return Outcome(found | {"test_only": by_task(test_only(run))}, run.organism.record() | record)


def by_task(found: Iterable[Score]) -> dict[str, dict[str, Any]]:
    """Scores as nested dictionaries."""
    nested: dict[str, dict[str, Any]] = {"thesis": {}, "fair": {}}
    for each in found:
        nested[each.task][each.method] = each.scores
    return nested


def test_only(run: "Evaluation") -> Iterator[Score]:
    """The test scores of the methods that were trained on promoters of this set."""
    if run.kind != PROMOTERS:
        return
    for name, training in run.trainings.items():
        if training.trained_on_promoters_of(run.organism):
            yield Score(training.experiment.task, name, _metrics(training)["test"])
    for name, simple in run.baselines.items():
        if simple.training.trained_on_promoters_of(run.organism):
            for method, test in _metrics(simple)["test"].items():
                yield Score("fair", f"{name}-{method}", test)


def rule_lengths(parameters: "Parameters") -> dict[str, int]:
    """The lengths of first halves that the rule is evaluated with, by the name of the method."""
    return {
        "rule": parameters.upstream,
        "rule-5000": OTHER_UPSTREAM,
        "rule-seamless": parameters.seamless_upstream,
    }


def windows_of(run: "Evaluation | RuleTies") -> Windows:
    """The set of windows."""
    chapter = run.parameters
    if run.kind == RANDOM_DNA:
        length = chapter.upstream + chapter.downstream
        return genome_windows.random_dna(chapter.rule_samples, length, chapter.upstream, chapter.seed)
    windows = promoters.load(run.organism, chapter.upstream, chapter.downstream)
    return windows if run.kind == PROMOTERS else genome_windows.shuffled(windows, chapter.seed)


class Evaluator:
    """The methods of an evaluation on its windows; each of `models`, `rule` and `baselines` gives their scores."""

    def __init__(self, run: "Evaluation") -> None:
        self.run, self.parameters, self.windows = run, run.parameters, windows_of(run)
        self.tokenizer = tokenizer_of(run.trainings[TABLE_5_2])  # of the rule and of the simple methods

    def models(self) -> Iterator[Score]:
        """The trained models, each in the task of its training, and two of the thesis's protocol in both."""
        for name, training in self.run.trainings.items():
            model = build.load(training.folder() / "model")
            for task in ("thesis", "fair") if name in BOTH_TASKS else (training.experiment.task,):
                samples = self.samples(task, training.upstream, tokenizer_of(training))
                yield Score(task, name, scores(samples, predict_with(training, model, samples)))

    def rule(self) -> Iterator[Score]:
        """The rule, with first halves of several lengths."""
        tokenizer = self.tokenizer
        for name, upstream in rule_lengths(self.parameters).items():
            samples = self.samples("thesis", upstream, tokenizer, self.parameters.rule_samples)
            remainder = upstream % word_length(tokenizer)
            yield Score("thesis", name, scores(samples, rule([each.tokens for each in samples], tokenizer, remainder)))

    def baselines(self) -> Iterator[Score]:
        """The simple methods of the fair task."""
        samples = self.samples("fair", self.parameters.upstream, self.tokenizer)
        for name, run in self.run.baselines.items():
            for method, fitted in baselines.load(run.folder()).items():
                yield Score("fair", f"{name}-{method}", baselines.scores(fitted, samples, self.tokenizer))

    def samples(self, task: str, upstream: int, tokenizer: DnaTokenizer, count: int | None = None) -> list[Sample]:
        """Samples of the windows in turn, by default as many as the chapter evaluates models on."""
        thesis = task == "thesis"
        windows = promoters.same_frame(self.windows, upstream, word_length(tokenizer)) if thesis else self.windows
        count = self.parameters.evaluation_samples if count is None else count
        return list(SAMPLES[task](windows, tokenizer, self.parameters.seed, SET, count=count))


def _metrics(run: Any) -> dict[str, Any]:
    return store.read_json(run.folder() / "metrics.json")
