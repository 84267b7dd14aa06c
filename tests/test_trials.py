"""Trials beside the rows of Table 5.1: what they differ in, what is drawn of them, and what refuses to run."""

import numpy as np
import pandas as pd
import pytest

from dnakit import pretraining, store, trials
from dnakit import pretraining_results as outcome
from dnakit.parameters import settings
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
        ({"trial_models": ["longformer-9", "longformer-9-mer-mlm"]}, "'longformer-9' is not like"),
    ],
)
def test_a_wrong_trial_is_one_clear_error(chosen, changes, message):
    with pytest.raises(DnakitError, match=message):
        pretraining.runs(chosen | changes)


def test_the_table_says_what_the_rulers_say(folders):
    table = trials.table(folders)
    assert table.index.tolist() == [trials.AS_ROW, NAME, MORE]
    assert table["fresh weights"].tolist() == ["random", "informed", "informed"]
    read = store.read_json(folders[f"ruler-{NAME}"] / "metrics.json")
    assert table.loc[NAME, "bits per base, far"] == read["far"]["bits_per_base"]


def test_curves_end_near_where_the_rulers_measured(folders):
    """Other masks of the same genomes: bits of the last epoch lie within noise of the measured ones."""
    figure = trials.draw(folders)
    ends = {line.get_label(): line.get_ydata()[-1] for line in figure.axes[0].lines if "_" not in line.get_label()}
    assert ends.keys() == {trials.AS_ROW, NAME, MORE}
    measured = trials.table(folders)["bits per base, far"]
    drawn = [line.get_ydata()[-1] for line in figure.axes[1].lines[:3]]
    assert drawn == pytest.approx(measured.tolist(), rel=0.03)


def test_scores_as_if_copying_are_those_of_a_model_that_copies():
    """A model that knows nothing of masked tokens and copies the rest scores what copying scores."""
    scores = {"copy_accuracy": 0.865, "masked_accuracy": 0.0, "masked_loss": np.log(1000)}
    nothing = outcome.as_if_copying(scores)
    assert nothing["accuracy"] == 0.865
    assert nothing["perplexity"] == pytest.approx(1000**0.12)
    everything = outcome.as_if_copying(scores | {"masked_accuracy": 1.0, "masked_loss": 0.0})
    assert (everything["accuracy"], everything["perplexity"]) == (pytest.approx(0.985), 1.0)
