"""What the models gained over the visible segmentation alone, and which comparisons of them are decided.

All numbers come from the tables by genome of finished runs, with intervals of `intervals`.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnakit.chapters.pretraining import intervals, results
from dnakit.chapters.pretraining.intervals import Interval, interval
from dnakit.chapters.pretraining.measurements import (
    COMPRESSOR,
    HELD_OUT_GENOMES,
    MODEL_MEASURED,
    SEGMENTATION,
    SIMPLE,
    VOCABULARY,
)
from dnakit.chapters.pretraining.parameters import MODEL, parts_of
from dnakit.report.finished import Finished, FinishedRun
from dnakit.tokens.parameters import HELD_OUT

BITS, ALONE, GAINED, BETTER = "bits per base", "segmentation alone", "gained", "better"
BY_GENOME = ("mixed orders", "two-sided")  # simple methods whose bits per base are kept for each genome
PAIRS = {  # what the text compares: its name, and the two models
    "9-mer, 6-mer": ("longformer-9-mer-mlm", "longformer-6-mer-mlm"),
    "9-mer, 12-mer": ("longformer-9-mer-mlm", "longformer-12-mer-mlm"),
    "BB, 9-mer": ("longformer-BB-mlm", "longformer-9-mer-mlm"),
    "Longformer, Longalbert": ("longformer-9-mer-mlm", "longalbert-9-mer-mlm"),
    "9-mer: with SOP, without": ("longformer-9-mer-mlm+sop", "longformer-9-mer-mlm"),
    "810 genomes, 292": ("1000-genomes", "360-genomes"),
    "2,430 genomes, 810": ("all-genomes", "1000-genomes"),
    "6 epochs, 1": ("all-genomes-6-epochs", "all-genomes"),
}


class Resampled(NamedTuple):
    """A number of all genomes of a set, and of each resample of them."""

    value: float
    draws: NDArray[np.float64]

    def minus(self, other: "Resampled") -> "Resampled":
        """The difference, resample by resample."""
        return Resampled(self.value - other.value, self.draws - other.draws)

    @property
    def interval(self) -> Interval:
        """The number with its 95% interval."""
        return interval(self.value, self.draws)


def compared(done: Finished, language: str) -> Finished:
    """What `results.measured` chooses, and segmentation alone and the held-out genomes of the language."""
    wanted = set(results.measured(done, language))
    return done.only(lambda run: run.name in wanted or _beside_models(run, language))


def _beside_models(run: FinishedRun, language: str) -> bool:
    return run.name.startswith((SEGMENTATION, HELD_OUT_GENOMES)) and run.record["language"] == language


def of_comparisons(done: Finished) -> Finished:
    """What `comparisons` reads of finished runs."""
    models = {f"{MODEL_MEASURED}{name}" for pair in PAIRS.values() for name in pair}
    return done.only(lambda run: run.name in models or _beside_models(run, "mitochondria"))


def of_vocabularies(done: Finished) -> Finished:
    """Segmentation alone with vocabularies of several sizes."""
    return done.only(lambda run: run.name.startswith(VOCABULARY))


def table(done: Finished) -> pd.DataFrame:
    """Bits per base of what `compared` chose; of the models also segmentation alone, and what they gained over it."""
    plain = results.bits(results.measured(done, _language(done)))
    models, found = gained(done), {}
    for part in HELD_OUT:
        around = {name: each.interval for name, each in _simple(done, part).items()} | dict(models[part][BITS])
        texts = [_shown(plain.loc[name, part], around.get(name)) for name in plain.index]
        found[part, BITS] = pd.Series(texts, plain.index)
        found[part, ALONE] = models[part][ALONE].map("{:.3f}".format)
        found[part, GAINED] = models[part][GAINED].map("{:+.3f}".format)
    return pd.DataFrame(found, index=plain.index)


def _shown(value: float, around: Interval | None) -> str:
    """The number of the metrics, with its interval where there is one."""
    return f"{value:.3f}" if around is None else f"{around._replace(value=value):.3f}"


def gained(done: Finished) -> dict[str, pd.DataFrame]:
    """By held-out set, a row for each model of a language: bits per base, segmentation alone, and the difference.

    ``bits per base`` and ``gained`` are of type `Interval`. The difference is positive where the model needs less.
    """
    found: dict[str, pd.DataFrame] = {}
    for part in HELD_OUT:
        rows = {}
        for run in _models(done):
            model, alone = resampled(done, run, part), _alone(done, run, part)
            if alone is not None:
                both = {BITS: model.interval, ALONE: alone.value, GAINED: alone.minus(model).interval}
                rows[results.model_in_words(run)] = both
        found[part] = pd.DataFrame.from_dict(rows, orient="index", columns=[BITS, ALONE, GAINED])
    return found


def verdicts(done: Finished, part: str) -> dict[str, list[str]]:
    """Names of the models that need fewer bits than segmentation alone, more, or for which that is open."""
    found: dict[str, list[str]] = {"fewer": [], "more": [], "open": []}
    for name, each in gained(done)[part][GAINED].items():
        found["open" if each.open else "fewer" if each.value > 0 else "more"].append(str(name))
    return found


def comparisons(done: Finished) -> pd.DataFrame:
    """The first of two models minus the second: bits per base, what they gained, and what that decides.

    Models of different words compare in what they gained. Of the budgets segmentation alone was not measured; their
    words are the same, and their bits per base decide. A difference whose interval covers zero is open.
    """
    measured = {run.name.removeprefix(MODEL_MEASURED): run for run in done.values()}
    rows: dict[str, dict[tuple[str, str], str]] = {}
    for name, (first, second) in PAIRS.items():
        if first in measured and second in measured:
            cells = {part: _compared(done, measured[first], measured[second], part) for part in HELD_OUT}
            rows[name] = {(part, column): cell for part in HELD_OUT for column, cell in cells[part].items()}
    columns = pd.MultiIndex.from_product([HELD_OUT, (BITS, GAINED, BETTER)])
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("first, second")


def _compared(done: Finished, first: FinishedRun, second: FinishedRun, part: str) -> dict[str, str]:
    bits = resampled(done, first, part).minus(resampled(done, second, part))
    cells, better = {BITS: format(bits.interval, "+.3f")}, Resampled(-bits.value, -bits.draws)
    alone = [_alone(done, run, part) for run in (first, second)]
    if alone[0] is not None and alone[1] is not None:
        better = alone[0].minus(alone[1]).minus(bits)
        cells[GAINED] = format(better.interval, "+.3f")
    found = better.interval
    return cells | {BETTER: "open" if found.open else "first" if found.value > 0 else "second"}


def vocabularies(done: Finished) -> pd.DataFrame:
    """Segmentation alone with 9-mer vocabularies of several sizes, as scores over all tokens."""
    names = {"bases_per_token": "bases per token", "masked_accuracy": "masked tokens right"}
    names |= {"accuracy": "accuracy, if it copied", "perplexity": "perplexity, if it copied"}
    rows = {
        run.record["vocab_size"]: {
            (part, name): run.metrics[part][key] for part in HELD_OUT for key, name in names.items()
        }
        for run in of_vocabularies(done).values()
    }
    return pd.DataFrame.from_dict(rows, orient="index").sort_index().rename_axis("vocabulary")


# ---- tables by genome


def _models(done: Finished) -> list[FinishedRun]:
    """What was measured of the rows of Table 5.1."""
    return [
        run
        for run in done.values()
        if run.name.startswith(MODEL_MEASURED) and MODEL.fullmatch(run.name.removeprefix(MODEL_MEASURED))
    ]


def _language(done: Finished) -> str:
    return next(iter(done.values())).record["language"]


def resampled(done: Finished, run: FinishedRun, part: str) -> Resampled:
    """Bits per base of a run with a table ``bits.csv`` of sums by genome."""
    sums = sums_of(run, "bits.csv", part)
    return Resampled(*intervals.bits_per_base(sums, drawn_together(done, run.record["language"], part)))


def _alone(done: Finished, run: FinishedRun, part: str) -> Resampled | None:
    """Segmentation alone on the masks of a model; None for a budget, of which it is not known."""
    if not MODEL.fullmatch(run.record["model"]):
        return None
    parts = parts_of(run.record["model"])
    return resampled(done, done[f"{SEGMENTATION}{parts['tokenization']}{parts['nuclear'] or ''}"], part)


def _simple(done: Finished, part: str) -> dict[str, Resampled]:
    """Simple methods whose bits per base are kept for each genome."""
    run = done[f"{SIMPLE}{_language(done)}"]
    bits = sums_of(run, "bits.csv", part)
    bases = _genomes(done, run.record["language"], part).bases
    groups = drawn_together(done, run.record["language"], part)
    found = {}
    for method in BY_GENOME:
        sums = pd.DataFrame({"nats": bits[method] * bases * np.log(2), "bases": bases})
        found[method] = Resampled(*intervals.bits_per_base(sums, groups))
    return found | _compressed(done, part)


def _compressed(done: Finished, part: str) -> dict[str, Resampled]:
    """The compressor; nothing where it was not run."""
    name = f"{COMPRESSOR}{_language(done)}"
    if name not in done:
        return {}
    bits = sums_of(done[name], "bits.csv", part)
    groups = drawn_together(done, _language(done), part)
    found = {}
    for method in results.XZ:
        sums = pd.DataFrame({"nats": bits[method] * np.log(2), "bases": bits.bases})
        found[method] = Resampled(*intervals.bits_per_base(sums, groups))
    return found


def drawn_together(done: Finished, language: str, part: str) -> pd.Series:
    """What is drawn together: the families of the set far where there are families, else single genomes."""
    genomes = _genomes(done, language, part)
    alone = part != "far" or genomes.family.isna().any()
    return genomes.index.to_series() if alone else genomes.family


def _genomes(done: Finished, language: str, part: str) -> pd.DataFrame:
    return sums_of(done[f"{HELD_OUT_GENOMES}{language}"], "genomes.csv", part)


def sums_of(run: FinishedRun, file: str, part: str) -> pd.DataFrame:
    """The rows of one held-out set, by genome."""
    frame = run.frame(file)
    return frame[frame.ruler == part].set_index("genome")
