"""Trials beside the rows of Table 5.1: what they differ in, what is drawn of them, and what refuses to run."""

import numpy as np
import pandas as pd
import pytest

from dnakit import store
from dnakit.chapters.pretraining import budgets as trials
from dnakit.chapters.pretraining import results as outcome
from dnakit.chapters.pretraining import runs as pretraining
from dnakit.notebooks.parameters import settings
from dnakit.project import DnakitError

NAME, MORE = "informed-weights", "more-genomes"


@pytest.fixture
def chosen():
    return settings("02_pretraining", "smoke")


@pytest.fixture
def folders(chosen):
    return {name: run.train() for name, run in outcome.runs(chosen).items()}


def test_a_trial_is_a_training_of_its_own_and_no_row_of_the_table(chosen, folders):
    runs = pretraining.runs(chosen)
    assert runs[NAME].key != runs[trials.ROW].key
    assert runs[NAME].corpus_parameters == runs[trials.ROW].corpus_parameters
    without = outcome.results({name: folder for name, folder in folders.items() if name != NAME})
    pd.testing.assert_frame_equal(outcome.results(folders), without)


def test_a_trial_that_differs_in_nothing_is_its_row(chosen):
    same = pretraining.runs(chosen | {"trial_weights": [chosen["fresh_weights"], "informed"]})
    assert same[NAME].key == same[trials.ROW].key


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trial_epochs": []}, "'trial_epochs' must have as many entries as 'trials', 2"),
        ({"trial_weights": ["warm"]}, "02_pretraining: 'trial_weights.*"),
        ({"trials": ["longformer-9-mer-mlm", MORE]}, "'trials' names one twice, or like a model"),
        ({"trial_models": ["longformer-9", "longformer-9-mer-mlm"]}, "'trial_models': 'longformer-9' is not like"),
    ],
)
def test_a_wrong_trial_is_one_clear_error(chosen, changes, message):
    with pytest.raises(DnakitError, match=message):
        pretraining.runs(chosen | changes)


def test_the_table_says_what_the_rulers_and_the_simple_methods_of_the_same_genomes_say(folders):
    table = trials.table(folders)
    assert table.index.tolist() == [trials.AS_ROW, NAME, MORE]
    assert table["fresh weights"].tolist() == ["random", "informed", "informed"]
    for name, simple in ((NAME, "simple-methods-mitochondria"), (MORE, "simple-methods-mitochondria-24")):
        read, told = (store.read_json(folders[each] / "metrics.json")["far"] for each in (f"ruler-{name}", simple))
        assert table.loc[name, trials.BITS] == read["bits_per_base"]
        assert table.loc[name, "two-sided"] == told["bits_per_base"]["two-sided"]
        assert table.loc[name, "12 bp looked up"] == told["masked"]["12 bp, as seen"]["top1"]
        trained, learned = (store.read_json(folders[each] / "run.json") for each in (name, simple))
        assert trained["genomes"] == learned["genomes"]


def test_curves_by_samples_end_near_where_the_rulers_measured(folders):
    """Other masks of the same genomes: bits of the last epoch lie within noise of the measured ones."""
    figure = trials.draw_samples(folders)
    ends = {line.get_label(): line.get_ydata()[-1] for line in figure.axes[0].lines if "_" not in line.get_label()}
    assert ends.keys() == {trials.AS_ROW, NAME, MORE}
    measured = trials.table(folders)[trials.BITS]
    drawn = [line.get_ydata()[-1] for line in figure.axes[1].lines[:3]]
    assert drawn == pytest.approx(measured.tolist(), rel=0.03)


def test_by_genomes_every_trial_is_a_point_and_every_method_a_line_of_what_learned_from_as_many(folders):
    accuracy, bits = trials.draw_genomes(folders).axes
    points = np.concatenate([each.get_offsets() for each in bits.collections])
    table = trials.table(folders)
    assert sorted(map(tuple, points)) == sorted(zip(table.genomes, table[trials.BITS], strict=True))
    simple = trials.simple_methods(folders)
    assert simple.index.tolist() == sorted(set(table.genomes))
    assert len(simple) == 2
    assert [line.get_ydata().tolist() for line in accuracy.lines] == [simple[name].tolist() for name in trials.LOOKUPS]


def test_scores_as_if_copying_are_those_of_a_model_that_copies():
    """A model that knows nothing of masked tokens and copies the rest scores what copying scores."""
    scores = {"copy_accuracy": 0.865, "masked_accuracy": 0.0, "masked_loss": np.log(1000)}
    nothing = outcome.as_if_copying(scores)
    assert nothing["accuracy"] == 0.865
    assert nothing["perplexity"] == pytest.approx(1000**0.12)
    everything = outcome.as_if_copying(scores | {"masked_accuracy": 1.0, "masked_loss": 0.0})
    assert (everything["accuracy"], everything["perplexity"]) == (pytest.approx(0.985), 1.0)
