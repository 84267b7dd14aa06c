"""The 9-mer row with other budgets: what they differ in, what is drawn of them, and what refuses to run."""

import itertools
import re

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.pretraining import budgets, results
from dnakit.chapters.pretraining.full_size import FULL_SIZE
from dnakit.chapters.pretraining.parameters import NINE_MER
from dnakit.project import DnakitError
from dnakit.report.finished import recorded

NOTEBOOK = "02_pretraining"
NAME, MORE = "informed-weights", "more-genomes"  # of the smoke profile


@pytest.fixture(scope="module")
def done():
    return recorded(NOTEBOOK)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_a_budget_is_a_training_of_its_own_and_no_row_of_the_table(done):
    runs = chapter_of(NOTEBOOK, "smoke").runs
    assert runs[NAME].key != runs[NINE_MER].key
    assert runs[NAME].corpus == runs[NINE_MER].corpus
    without = done.only(lambda run: run.name not in budgets.trained(done))
    pd.testing.assert_frame_equal(results.meanings(done), results.meanings(without))


def test_a_budget_that_differs_in_nothing_is_its_row():
    values = {"budget_initial_weights": ["random", "informed"], "initial_weights": "random"}
    runs = chapter_of(NOTEBOOK, "smoke", values).runs
    assert runs[NAME].key == runs[NINE_MER].key


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget_epochs": []}, "'budget_epochs' must have as many entries as 'budgets', 2"),
        ({"budget_initial_weights": ["warm"]}, "02_pretraining: 'budget_initial_weights.*"),
        ({"budgets": ["longformer-9-mer-mlm", MORE]}, "'budgets' names one twice, or like a model"),
        ({"budget_models": ["longformer-9", "longformer-9-mer-mlm"]}, "'budget_models': 'longformer-9' is not like"),
    ],
)
def test_a_wrong_budget_is_one_clear_error(changes, message):
    with pytest.raises(DnakitError, match=message):
        chapter_of(NOTEBOOK, "smoke", changes)


def check_table(done):
    """Every row of the table holds what its measurement and the simple methods of as many genomes hold."""
    table = budgets.table(done)
    assert table["samples seen"].is_monotonic_increasing
    two_sided, lookups = (
        {run.record["genomes"]["train"]: run for run in done.values() if run.name.startswith(start)}
        for start in ("as-seen-m", "lookups-m")
    )
    for name, row in table.iterrows():
        measured = done[f"ruler-{NINE_MER if name == budgets.AS_ROW else name}"].metrics["far"]
        method = two_sided[row.genomes].metrics["far"]
        assert (row[budgets.BITS], row[budgets.MASKED]) == (measured["bits_per_base"], measured["masked_accuracy"])
        assert row[results.COUNTED] == method["bits_per_base"]
        looked_up = lookups[row.genomes].metrics["far"]["12 bp, as seen"]["top1"]
        assert row[budgets.LOOKUP] == looked_up
        over_lookup, over_two_sided = (row[name].split(" ")[0] for name in (budgets.OVER_LOOKUP, budgets.OVER_COUNTED))
        assert over_lookup == f"{100 * (row[budgets.MASKED] - looked_up):+.1f}"
        assert float(over_two_sided) == pytest.approx(row[budgets.BITS] - row[results.COUNTED], abs=1e-3)


def test_the_recorded_table_holds_what_was_measured(done):
    check_table(done)


@pytest.mark.trained
def test_the_smoke_table_holds_what_was_measured():
    here = chapter_of(NOTEBOOK, "smoke").here()
    check_table(here)
    table = budgets.table(here)
    assert set(table.index) == {budgets.AS_ROW, NAME, MORE, FULL_SIZE}
    assert table.loc[budgets.AS_ROW, "initial weights"] == "random"


def test_the_runs_chosen_for_budgets_are_enough_for_their_tables(done):
    pd.testing.assert_frame_equal(budgets.table(budgets.of_budgets(done)), budgets.table(done))


def test_curves_by_samples_end_near_what_was_measured(done):
    """Other masks of the same genomes: bits of the last epoch lie within noise of the measured ones."""
    curves = budgets.curves(done).query("panel == @budgets.BITS")
    ends = curves.groupby("budget").value.last()
    measured = budgets.table(done)[budgets.BITS]
    assert ends.loc[measured.index].to_numpy() == pytest.approx(measured.to_numpy(), rel=0.03)


def test_by_samples_every_budget_is_a_line(done):
    grid = budgets.by_samples(done)
    panels = grid.axes_dict
    assert list(panels) == [budgets.MASKED, budgets.BITS]
    drawn = [line for line in panels[budgets.BITS].lines if len(line.get_xdata()) and line.get_marker() == "o"]
    assert len([line for line in drawn if line.get_linestyle() == "-"]) >= len(budgets.trained(done))


def test_what_more_genomes_change_is_a_difference_of_the_distances_in_the_table(done):
    table, pairs = budgets.table(budgets.of_budgets(done)), list(itertools.pairwise(budgets.MORE_GENOMES))
    distance = table[budgets.BITS] - table[results.COUNTED]
    texts = budgets.by_genomes(budgets.of_budgets(done)).split("; ")
    for text, (fewer, more) in zip(texts, pairs, strict=True):
        change, low, high = map(float, re.findall(r"[+-][.\d]+", text))
        assert change == pytest.approx(distance[more] - distance[fewer], abs=1e-3)
        assert text.endswith("(open)") == (low <= 0 <= high)
