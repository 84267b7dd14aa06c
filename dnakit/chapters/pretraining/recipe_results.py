"""What the recipes reached: a table and a figure, from finished runs."""

import pandas as pd
import seaborn as sns

from dnakit.chapters.pretraining.recipes import PREFIX, RECIPES
from dnakit.report.finished import Finished
from dnakit.report.style import color

LOSS, RIGHT, BITS, MINUTES = "masked loss (nats)", "masked tokens right", "bits per base", "core-minutes"
COLUMNS = {
    "recipe": "record.parameters",  # replaced by its name
    "seed": "record.parameters.seed",
    "optimizer": "record.parameters.optimizer",
    "learning rate": "record.parameters.learning_rate",
    "Muon's rate": "record.parameters.muon_learning_rate",
    "batch": "record.parameters.batch_size",
    "schedule": "record.parameters.schedule",
    "dropout": "record.parameters.dropout",
    "initial weights": "record.parameters.fresh_weights",
    "loss over": "record.parameters.mlm_loss",
    "samples": "record.samples.train",
    LOSS: "metrics.far.masked_loss",
    RIGHT: "metrics.far.masked_accuracy",
    BITS: "metrics.far.bits_per_base",
    MINUTES: "record.seconds",
}


def of_recipes(done: Finished) -> Finished:
    """The runs of recipes."""
    return done.only(lambda run: run.name.startswith(PREFIX))


def by_seed(done: Finished) -> pd.DataFrame:
    """One row for each run of a recipe, in the order of `RECIPES`: its parts, and what it reached on the set far."""
    rows = of_recipes(done).table(COLUMNS)
    rows["recipe"] = [name.removeprefix(PREFIX).rpartition("-seed-")[0] for name in rows.index]
    rows[MINUTES] = rows[MINUTES] / 60
    place = {recipe: number for number, recipe in enumerate(RECIPES)}
    return rows.sort_values(["recipe", "seed"], key=lambda each: each.map(place).fillna(each)).reset_index(drop=True)


def table(done: Finished) -> pd.DataFrame:
    """What each recipe is and reached: means over its seeds, and the loss of each seed."""
    rows = by_seed(done)
    if rows.empty:
        return rows
    means = dict.fromkeys((LOSS, RIGHT, BITS, MINUTES), "mean")
    parts = {name: "first" for name in COLUMNS if name not in {"recipe", "seed", *means}}
    grouped = rows.groupby("recipe", sort=False)
    found = grouped.agg(parts | means)
    found["loss of each seed"] = grouped[LOSS].agg(lambda losses: ", ".join(f"{loss:.3f}" for loss in losses))
    return found


def figure(done: Finished) -> sns.FacetGrid | None:
    """Masked loss of families that no training saw: a dot for each seed of each recipe, the best at the bottom."""
    rows = by_seed(done)
    if rows.empty:
        return None
    order = rows.groupby("recipe")[LOSS].mean().sort_values(ascending=False).index
    grid = sns.catplot(
        rows, kind="strip", x=LOSS, y="recipe", order=order, color=color("9-mer"), jitter=False, height=3.2, aspect=1.9
    )
    return grid.set_axis_labels("loss per masked token, families that no training saw (nats)", "")
