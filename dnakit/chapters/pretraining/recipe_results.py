"""What the recipes reached on families that no training saw, and what each part of a recipe brings, from finished runs.

Intervals draw families anew, the same ones for all recipes, and with them the seeds, where there are several. A recipe
is measured on the masks that all models are scored on; its own training scored it on other masks of the same genomes.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from dnakit.chapters.pretraining.gains import BITS, Resampled, needs_fewer, resampled
from dnakit.chapters.pretraining.grid_results import over_seeds, seeds_of
from dnakit.chapters.pretraining.measurements import HELD_OUT_GENOMES, MODEL_MEASURED
from dnakit.chapters.pretraining.recipes import PREFIX, RECIPES, Recipe, differing
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.tables import MISSING, indexed, scientific

REFERENCE = "decay"  # that the others are compared with
PART = "far"
MEASURED = f"{MODEL_MEASURED}{PREFIX}"  # begins the names of measurements of recipes
DIFFERS, LOSS, RIGHT = f"other than in {REFERENCE}", "masked loss (nats)", "masked tokens right"
MINUS, BETTER, MINUTES = f"minus {REFERENCE}", "better", "core-minutes"


def of_recipes(done: Finished) -> Finished:
    """The runs of recipes, what was measured of them, and the held-out genomes that intervals need."""
    if not done.only(lambda run: run.name.startswith(PREFIX)):
        return done.only(lambda _: False)
    return done.only(lambda run: run.name.startswith((PREFIX, MEASURED, f"{HELD_OUT_GENOMES}mitochondria")))


def finished(done: Finished) -> dict[str, dict[int, FinishedRun]]:
    """The trainings of each recipe by seed, in the order of `RECIPES`; only of those that are finished."""
    found = {recipe: seeds_of(done, f"{PREFIX}{recipe}-") for recipe in RECIPES}
    return {recipe: runs for recipe, runs in found.items() if runs}


def not_run(done: Finished) -> str:
    """The recipes that no finished run has, as a sentence; empty if there is none."""
    missing = [f"`{recipe}`" for recipe in RECIPES if recipe not in finished(done)]
    return f"Not run yet for this comparison: {', '.join(missing)}." if missing else ""


def by_the_thesis(done: Finished) -> str:
    """What the recipe `thesis` reached over all tokens, as a sentence; empty before it is finished."""
    runs = finished(done).get("thesis")
    if not runs:
        return ""
    run = next(iter(runs.values()))
    scores, bits = run.metrics["validation"], [*_by_seed(done, "thesis").values()]
    return (
        f"By the recipe `thesis` a model has, after {run.samples_seen:,} samples, an accuracy of "
        f"{scores['accuracy']:.4f} over all tokens of the validation genomes, and copying has "
        f"{scores['copy_accuracy']:.4f} on the same masks. For the masked tokens of new families it needs "
        f"{_shown(bits, '.3f')} bits per base, where guessing a base costs 2. "
    )


def table(done: Finished) -> pd.DataFrame:
    """What each finished recipe reached, mean over its seeds, and its bits per base minus those of the reference."""
    rows, reference = [], _by_seed(done, REFERENCE)
    for recipe, runs in finished(done).items():
        scores, measured = [run.metrics[PART] for run in runs.values()], _by_seed(done, recipe)
        rows.append(
            {
                "recipe": recipe,
                DIFFERS: other_than(RECIPES[recipe], RECIPES[REFERENCE]) or MISSING,
                "seeds": len(runs),
                LOSS: np.mean([each["masked_loss"] for each in scores]),
                RIGHT: np.mean([each["masked_accuracy"] for each in scores]),
                BITS: _shown([*measured.values()], ".3f"),
                MINUS: _shown(_apart(measured, reference), "+.3f") if recipe != REFERENCE else MISSING,
                MINUTES: np.mean([run.record["seconds"] for run in runs.values()]) / 60,
            }
        )
    return indexed(rows, "recipe")


def parts(done: Finished) -> pd.DataFrame:
    """Pairs of measured recipes that differ in one part: bits per base of the first minus the second."""
    rows, measured = [], {recipe: _by_seed(done, recipe) for recipe in finished(done)}
    for second, first in combinations(measured, 2):
        apart = _apart(measured[first], measured[second])
        if not apart or len(differing(RECIPES[first], RECIPES[second])) != 1:
            continue
        around = over_seeds(apart).interval
        rows.append(
            {
                "what the first has": other_than(RECIPES[first], RECIPES[second]),
                "and the second": other_than(RECIPES[second], RECIPES[first]),
                "first": first,
                "second": second,
                "seeds": len(apart),
                "first minus second": f"{around:+.3f}",
                BETTER: needs_fewer(around),
            }
        )
    return indexed(rows, "what the first has", "and the second")


def other_than(one: Recipe, other: Recipe) -> str:
    """In words what one recipe has that another has not, such as ``Muon, no dropout``."""
    return ", ".join(_part(one, part) for part in differing(one, other))


def _part(recipe: Recipe, part: str) -> str:
    rate = scientific(recipe.learning_rate)
    return {
        "optimizer": "Muon" if recipe.optimizer == "muon" else "Adam alone",
        "learning_rate": f"rate {rate}",
        "batch_size": f"batches of {recipe.batch_size}, rate {rate}",
        "schedule": "a constant rate" if recipe.schedule == "constant" else "warm-up and decay",
        "dropout": f"dropout {recipe.dropout:g}" if recipe.dropout else "no dropout",
        "fresh_weights": f"{recipe.fresh_weights} initial weights",
        "mlm_loss": "loss over all tokens" if recipe.mlm_loss == "all" else "loss over selected tokens",
        "masking": f"{recipe.masking} masks",
    }[part]


def _shown(each: Sequence[Resampled], how: str) -> str:
    """The mean over seeds with its interval, as text; a dash before one is measured."""
    return f"{over_seeds(each).interval:{how}}" if each else MISSING


def _apart(one: Mapping[int, Resampled], other: Mapping[int, Resampled]) -> list[Resampled]:
    """One recipe minus another, for each seed that both are measured with."""
    return [one[seed].minus(other[seed]) for seed in sorted(set(one) & set(other))]


def _by_seed(done: Finished, recipe: str) -> dict[int, Resampled]:
    """Bits per base of the set far, by the seed of each measured training."""
    measured = seeds_of(done, f"{MEASURED}{recipe}-")
    return {seed: resampled(done, run, PART) for seed, run in measured.items()}
