"""What the models gained over the visible segmentation alone, and which comparisons of them are decided.

All numbers come from the tables by genome of finished runs, with intervals of `intervals`.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnakit.chapters.pretraining import intervals, results
from dnakit.chapters.pretraining.intervals import interval
from dnakit.chapters.pretraining.measurements import (
    AS_SEEN,
    COMPRESSOR,
    HELD_OUT_GENOMES,
    LOOKUPS,
    MODEL_MEASURED,
    SEGMENTATION,
    SIMPLE,
    VOCABULARY,
)
from dnakit.chapters.pretraining.parameters import MODEL, parts_of
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Estimate
from dnakit.tokens.parameters import HELD_OUT

RANDOM_KNOWN = "perplexity (random tokens known)"
BITS, ALONE, GAINED, BETTER = "bits per base", "segmentation alone", "gained", "better"
BY_GENOME = ("mixed orders", "two-sided")  # simple methods whose bits per base are kept for each genome
PAIRS = {  # budgets that are compared: in words, and by name
    "810 genomes, 292": ("1000-genomes", "360-genomes"),
    "2,430 genomes, 810": ("all-genomes", "1000-genomes"),
    "6 epochs, 1": ("all-genomes-6-epochs", "all-genomes"),
    "random weights, informed": ("random-weights", "360-genomes"),  # 405 genomes and 292, eight epochs each
}


class Resampled(NamedTuple):
    """A number of all genomes of a set, and of each resample of them."""

    value: float
    draws: NDArray[np.float64]

    def minus(self, other: "Resampled") -> "Resampled":
        """The difference, resample by resample."""
        return Resampled(self.value - other.value, self.draws - other.draws)

    @property
    def interval(self) -> Estimate:
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


def held_out(done: Finished, language: str) -> dict[str, int]:
    """How many genomes each held-out set of a language has, and the set far how many families."""
    genomes = done[f"{HELD_OUT_GENOMES}{language}"].frame("genomes.csv")
    families = genomes.query("ruler == 'far'").family.nunique()
    return {f"size_{part}": int((genomes.ruler == part).sum()) for part in HELD_OUT} | {"families": families}


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


def _shown(value: float, around: Estimate | None) -> str:
    """The number of the metrics, with its interval where there is one."""
    return f"{value:.3f}" if around is None else f"{around._replace(value=value):.3f}"


def gained(done: Finished) -> dict[str, pd.DataFrame]:
    """By held-out set, a row for each model of a language: bits per base, segmentation alone, and the difference.

    ``bits per base`` and ``gained`` are of type `Estimate`. The difference is positive where the model needs less.
    """
    found: dict[str, pd.DataFrame] = {}
    for part in HELD_OUT:
        rows = {}
        for run in _models(done):
            model, alone = resampled(done, run, part), _alone(done, run, part)
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


def masked(done: Finished) -> pd.DataFrame:
    """Share of masked tokens named right, of what `compared` chose: lookups of 9-mers, then the models."""
    plain, columns = results.masked(results.measured(done, _language(done))), {}
    for part in HELD_OUT:
        found = looked_up(done, done[f"{LOOKUPS}{_language(done)}"], part)
        found |= {results.model_in_words(run): named_right(done, run, part) for run in _models(done)}
        columns[part, "first guess"] = pd.Series({name: f"{each.interval:.1%}" for name, each in found.items()})
        columns[part, "within five"] = plain[f"{part}, top 5"]
    return pd.DataFrame(columns, index=plain.index)


def comparisons(done: Finished) -> pd.DataFrame:
    """The first of two budgets minus the second, in bits per base: fewer are better, and an interval over zero is open.

    Held-out genomes are the same. A vocabulary comes from the budget's own genomes, and so masks differ where those do.
    """
    measured = {run.name.removeprefix(MODEL_MEASURED): run for run in done.values()}
    rows: dict[str, dict[tuple[str, str], str]] = {}
    for name, (first, second) in PAIRS.items():
        if first in measured and second in measured:
            cells = {part: _compared(done, measured[first], measured[second], part) for part in HELD_OUT}
            rows[name] = {(part, column): cell for part in HELD_OUT for column, cell in cells[part].items()}
    columns = pd.MultiIndex.from_product([HELD_OUT, (BITS, BETTER)])
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("first, second")


def _compared(done: Finished, first: FinishedRun, second: FinishedRun, part: str) -> dict[str, str]:
    found = resampled(done, first, part).minus(resampled(done, second, part)).interval
    return {BITS: f"{found:+.3f}", BETTER: needs_fewer(found)}


def needs_fewer(difference: Estimate) -> str:
    """Which of two needs fewer bits, ``first`` or ``second``, by the first minus the second; or ``open``."""
    return "open" if difference.open else "first" if difference.value < 0 else "second"


def vocabularies(done: Finished) -> pd.DataFrame:
    """Segmentation alone with 9-mer vocabularies of several sizes, as scores over all tokens."""
    names = {"bases_per_token": "bases per token", "masked_accuracy": "masked tokens right"}
    names |= {"accuracy": "accuracy", "perplexity": "perplexity", "perplexity_told": RANDOM_KNOWN}
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


def named_right(done: Finished, run: FinishedRun, part: str) -> Resampled:
    """Share of the masked tokens that a model with a table ``bits.csv`` names right."""
    groups = drawn_together(done, run.record["language"], part)
    return Resampled(*intervals.ratio(sums_of(run, "bits.csv", part), groups, "right", "masked"))


def looked_up(done: Finished, run: FinishedRun, part: str) -> dict[str, Resampled]:
    """The same of each lookup of a run of `LOOKUPS`, on the same masks."""
    counts, groups = sums_of(run, "lookups.csv", part), drawn_together(done, run.record["language"], part)
    shares = {name: intervals.ratio(counts, groups, name, "masked") for name in run.metrics[part]}
    return {results.lookup_in_words(name): Resampled(*share) for name, share in shares.items()}


def _alone(done: Finished, run: FinishedRun, part: str) -> Resampled:
    """Segmentation alone on the masks of a row of Table 5.1."""
    parts = parts_of(run.record["model"])
    return resampled(done, done[f"{SEGMENTATION}{parts['tokenization']}{parts['nuclear'] or ''}"], part)


def _simple(done: Finished, part: str) -> dict[str, Resampled]:
    """Simple methods whose bits per base are kept for each genome."""
    run = done[f"{SIMPLE}{_language(done)}"]
    found = {method: of_method(done, run, method, part) for method in BY_GENOME}
    as_seen = f"{AS_SEEN}{_language(done)}"
    found |= {results.COUNTED: resampled(done, done[as_seen], part)} if as_seen in done else {}
    return found | _compressed(done, part)


def of_method(done: Finished, run: FinishedRun, method: str, part: str) -> Resampled:
    """Bits per base of a simple method, one of `BY_GENOME`, from a run of `SIMPLE`."""
    bits, bases = sums_of(run, "bits.csv", part), _genomes(done, run.record["language"], part).bases
    sums = pd.DataFrame({"nats": bits[method] * bases * np.log(2), "bases": bases})
    return Resampled(*intervals.bits_per_base(sums, drawn_together(done, run.record["language"], part)))


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
