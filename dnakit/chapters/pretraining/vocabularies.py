"""How much the vocabulary decides: the 9-mer row of the grid with vocabularies of several sizes, from finished runs.

A model of the grid was trained on the selected tokens alone and does not copy what it is shown. So it is compared with
segmentation alone on the masked tokens, and not over all tokens.
"""

from collections.abc import Sequence

import pandas as pd

from dnakit.chapters.pretraining.full_size import FULL_SIZE
from dnakit.chapters.pretraining.gains import ALONE, GAINED, named_right, resampled
from dnakit.chapters.pretraining.grid import PREFIX, WORDS
from dnakit.chapters.pretraining.grid_results import alone_of, over_seeds, seeds_of
from dnakit.chapters.pretraining.measurements import HELD_OUT_GENOMES, MODEL_MEASURED, SEGMENTATION
from dnakit.chapters.pretraining.parameters import NINE_MER
from dnakit.report.finished import Finished, FinishedRun
from dnakit.tokens.parameters import HELD_OUT

PART = "near"  # like the thesis's validation genomes: most have relatives in training
BASES, RIGHT, MODEL = "bases per token", "masked tokens right", "model"
ROWS = (f"{PREFIX}{NINE_MER}-seed-", WORDS)  # begin the names of the models of the grid
SEGMENTED = f"{PREFIX}{SEGMENTATION}9-mer"


def of_vocabularies(done: Finished) -> Finished:
    """The 9-mer rows of the grid, the full-size row, and what their numbers are compared with; none without a grid."""
    if not done.only(lambda run: run.name.startswith(ROWS)):
        return done.only(lambda _: False)
    beside = (SEGMENTED, FULL_SIZE, f"{MODEL_MEASURED}{FULL_SIZE}", f"{HELD_OUT_GENOMES}mitochondria")
    return done.only(lambda run: run.name.startswith((*ROWS, *beside)))


def table(done: Finished) -> pd.DataFrame:
    """By vocabulary and samples how many masked tokens a model names, and its gain, beside segmentation alone."""
    found: dict[tuple[int, int], dict[tuple[str, str], object]] = {}
    for trained, measured in _models(done):
        alone = alone_of(done, trained)
        known = alone.metrics[PART]
        right = over_seeds([named_right(done, run, PART) for run in measured]).interval
        found[trained.record["vocab_size"], trained.samples_seen] = {
            ("words", BASES): f"{known['bases_per_token']:.2f}",
            (RIGHT, ALONE): f"{known['masked_accuracy']:.1%}",
            (RIGHT, MODEL): f"{right:.1%}",
            **{(GAINED, part): _gained(done, alone, measured, part) for part in HELD_OUT},
        }
    if not found:
        return pd.DataFrame()
    columns = pd.MultiIndex.from_tuples(next(iter(found.values())))
    index = pd.MultiIndex.from_tuples(found, names=["vocabulary", "samples"])
    return pd.DataFrame([[*cells.values()] for cells in found.values()], index, columns).sort_index()


def named_by_size(done: Finished, samples: int) -> str:
    """The masked tokens of the set near that models name right after so many samples, by vocabulary, in words."""
    found = table(done)
    if found.empty:
        return "none is trained yet"
    right = found[RIGHT, MODEL].xs(samples, level="samples")
    return "; ".join(f"{size:,} tokens, {share}" for size, share in right.items())


def not_run(done: Finished, sizes: Sequence[int]) -> str:
    """Those of these vocabularies with which no model was trained, as a sentence; empty if there is none."""
    trained = {run.record["vocab_size"] for run, _ in _models(done)}
    missing = ", ".join(f"{size:,}" for size in sizes if size not in trained)
    return f"No model was trained yet with a vocabulary of: {missing}." if missing else ""


def _models(done: Finished) -> list[tuple[FinishedRun, list[FinishedRun]]]:
    """Each training, and what measured it, one run for each seed: rows of the grid measure themselves."""
    starts = sorted({name.rpartition("seed-")[0] for name in done if name.startswith(ROWS)})
    seeds = [[*seeds_of(done, start).values()] for start in starts]
    full_size = [(done[FULL_SIZE], [done[f"{MODEL_MEASURED}{FULL_SIZE}"]])] if FULL_SIZE in done else []
    return [*((runs[0], runs) for runs in seeds), *full_size]


def _gained(done: Finished, alone: FinishedRun, measured: Sequence[FinishedRun], part: str) -> str:
    gains = [resampled(done, alone, part).minus(resampled(done, run, part)) for run in measured]
    return f"{over_seeds(gains).interval:+.3f}"
