"""Chapter 2's parameters, sums and tables; and the smoke profile's metrics against the stored ones."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dnakit import store
from dnakit.chapters.pretraining import results as outcome
from dnakit.chapters.pretraining import runs as pretraining
from dnakit.notebooks.parameters import PROFILES, settings
from dnakit.project import DnakitError

EXPECTED = Path(__file__).parent / "expected_smoke_metrics.json"
# Another processor rounds otherwise, and a training amplifies it: absolute for shares, relative for the rest.
SHARES, RELATIVE = 0.03, 0.1


@pytest.fixture
def chosen():
    return settings("02_pretraining", "smoke")


def test_names_need_no_data(chosen, monkeypatch, tmp_path):
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path))
    assert list(pretraining.runs(chosen)) == chosen["models"] + chosen["trials"]
    assert outcome.run_names(chosen)[: len(chosen["models"])] == chosen["models"]
    assert not list(tmp_path.iterdir())


def test_the_key_follows_what_matters(chosen):
    def key(**changes):
        return pretraining.runs(chosen | changes)["longformer-9-mer-mlm"].key

    alone = {"tokenizations": ["9-mer"], "genomes": chosen["genomes"][1:2], "vocab_sizes": [2000]}
    assert key() == key(profile="another", models=["longformer-9-mer-mlm"], nuclear_pieces=99, **alone)
    keys = [key(), key(seed=2), key(epochs=9), key(mlm_loss="masked"), key(masking="dynamic"), key(learning_rate=2e-3)]
    keys += [key(genomes=[30] * 4), key(vocab_sizes=[100] * 4), key(ruler_genomes=5)]
    keys += [run.key for run in pretraining.runs(chosen).values() if run.name != "longformer-9-mer-mlm"]
    assert len(set(keys)) == len(keys)


def test_every_row_of_table_5_1_is_trained_once_in_every_profile():
    rows = outcome.published()[outcome.ROW].query("language != 'reference'")
    for profile in PROFILES:
        found, chosen = [], settings("02_pretraining", profile)
        for run in (pretraining.runs(chosen)[name] for name in chosen["models"]):
            corpus = {"tokenization": run.corpus_parameters.tokenization, "piece": run.corpus_parameters.piece}
            found.append(outcome.row_of({"parameters": run.parameters, "corpus": corpus}))
        assert sorted(map(tuple, rows.to_numpy())) == sorted(tuple(row.values()) for row in found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mlm_loss": "some"}, "02_pretraining: 'mlm_loss': "),
        ({"epochs": 0}, "02_pretraining: 'epochs': "),
        ({"genomes": [10]}, "as many entries each"),
        ({"ruler_genomes": 2}, "02_pretraining: 'ruler_genomes': .*at least 3, or 0"),
        ({"tokenizations": ["6-mer", "6-mer", "9-mer", "BB"]}, "names one twice"),
        ({"tokenizations": [*"abc", "9-mer"], "models": ["longformer-9-mer-mlm"]}, "02_pretraining: 'tokenization': "),
        ({"vocab_sizes": [5000, 2000, 2000, 70_000]}, "02_pretraining: 'vocab_size': "),
        ({"models": ["longformer-9-mers"]}, "'longformer-9-mers' is not like longformer-9-mer-mlm"),
        ({"models": ["longformer-8-mer-mlm"]}, "wants 8-mer, which 'tokenizations' lacks"),
        ({"models": ["longformer-9-mer-mlm"] * 2}, "names one twice"),
        ({"nuclear_pieces": 5}, "02_pretraining: 'genomes': .*at least 10, or 0 for all"),
    ],
)
def test_a_wrong_parameter_is_one_clear_error(chosen, changes, message):
    with pytest.raises(DnakitError, match=message) as caught:
        [run.corpus_parameters for run in pretraining.runs(chosen | changes).values()]
    assert "\n" not in str(caught.value)


def test_summarise_divides_the_sums():
    result = pretraining.summarise(np.array([200.0, 100, 90, 60, 12, 3]))
    assert result == {
        "loss": 2.0,
        "accuracy": 0.9,
        "perplexity": pytest.approx(np.e**2),
        "masked_loss": 5.0,
        "masked_accuracy": 0.25,
        "masked_perplexity": pytest.approx(np.e**5),
    }


def test_summarise_divides_the_sums_of_sentence_order():
    result = pretraining.summarise(np.array([200.0, 100, 90, 60, 12, 3, 7, 10, 6]))
    assert (result["sop_loss"], result["sop_accuracy"]) == (0.7, 0.6)


def test_where_only_selected_tokens_were_labelled_nothing_is_said_of_all():
    result = pretraining.summarise(np.array([70.0, 15, 4, 60, 12, 3]))
    assert np.isnan([result["loss"], result["accuracy"], result["perplexity"]]).all()
    assert result["masked_accuracy"] == 0.25


def test_the_smoke_runs_end_where_they_ended(chosen):
    """Trains what the store lacks (some minutes); the numbers agree within what processors differ by."""
    expected = json.loads(EXPECTED.read_text())
    for name, run in pretraining.runs(chosen).items():
        for part, metrics in run.metrics().items():
            assert metrics.keys() == expected[name][part].keys()
            for metric, value in metrics.items():
                tolerance = {"abs": SHARES} if "accuracy" in metric else {"rel": RELATIVE}
                assert value == pytest.approx(expected[name][part][metric], **tolerance), (name, part, metric)


def test_tables_of_the_smoke_runs(chosen):
    folders = {name: run.train() for name, run in pretraining.runs(chosen).items()}
    results = outcome.results(folders)
    assert len(results) == 13
    assert results.SOP_accuracy.notna().sum() == 5
    meanings = outcome.meanings(results)
    assert np.allclose(results.copy_accuracy, 0.865, atol=0.015)
    assert np.allclose(meanings.copying + meanings.skill * (1 - meanings.copying), meanings.accuracy)
    assert np.allclose(np.log(meanings["e^loss"]), np.log2(meanings["2^loss"]))
    sizes = outcome.sizes(folders)
    assert sizes.loc[("mitochondrial", "Longformer", "9-mer", "MLM"), "genomes"] == 10


def test_predictions_mark_what_the_model_did_not_see(tmp_path):
    rows = [(7, "AC", "AC", "AC"), (7, "<mask>", "GG", "GT"), (7, "T", "CC", "CC"), (9, "A", "A", "C")]
    rows += [(9, "<pad>", "<pad>", "A"), (11, "<pad>", "<pad>", "C")]
    pd.DataFrame(rows, columns=["sample", "seen", "true", "predicted"]).to_csv(tmp_path / "examples.csv", index=False)
    table = outcome.predictions(tmp_path)
    assert table.tokens.tolist() == ["AC [<mask>] [T]", "AC [GG] [CC]", "AC [GT] [CC]", "A", "A", "C"]


def test_every_recorded_run_is_real_and_says_where_it_came_from():
    for folder in store.recorded("02_pretraining").values():
        about = store.read_json(folder / "run.json")
        assert about["simulated"] is False
        assert {len(digest) for digest in about["source_sha256"].split()} == {64}
        assert not about["environment"]["commit"].endswith("+changes")
        if "epochs" in about["parameters"]:
            assert len(pd.read_csv(folder / "history.csv")) == about["parameters"]["epochs"]
