"""What the models of chapter 2 are held against: which genomes, and what the smoke runs say."""

import numpy as np
import pandas as pd
import pytest

from dnakit import store
from dnakit.chapters.pretraining import results as outcome
from dnakit.notebooks.parameters import PROFILES, settings
from dnakit.tokens.corpus import RULERS, prepare


@pytest.fixture
def chosen():
    return settings("02_pretraining", "smoke")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_training_is_measured_and_each_language_has_its_yardsticks(profile):
    chosen = settings("02_pretraining", profile)
    needed = outcome.upstream(chosen)
    asked = {name: [run for _, _, run in found] for name, found in needed.items() if found}
    trained = chosen["models"] + chosen["trials"]
    assert asked == {f"ruler-{name}": [name] for name in trained} | {"map": ["longformer-9-mer-mlm"]}
    assert {"simple-methods-mitochondria", "simple-methods-nuclear"} < set(needed)


def test_without_rulers_there_are_no_yardsticks(chosen):
    assert outcome.run_names(chosen | {"ruler_genomes": 0}) == chosen["models"] + chosen["trials"]


def test_the_key_follows_the_models_asked_and_the_genomes_learned_from(chosen):
    before, after = (outcome.runs(chosen | {"learning_rate": rate}) for rate in (1e-3, 2e-3))
    for name in ("ruler-longformer-9-mer-mlm", "map"):
        assert before[name].key != after[name].key
    assert before["simple-methods-mitochondria"].key == after["simple-methods-mitochondria"].key


@pytest.mark.parametrize("language", ["mitochondria", "nuclear"])
def test_all_are_measured_on_the_same_genomes_that_no_training_saw(chosen, language):
    runs = outcome.runs(chosen)
    measured = [run for name, run in runs.items() if name != "map" and getattr(run, "language", "") == language]
    assert len(measured) == {"mitochondria": 15, "nuclear": 3}[language]
    corpus = prepare(measured[0].corpus_parameters)
    for run in measured:
        rows = pd.read_csv(run.train() / "bits.csv")
        for part in RULERS:
            names = set(rows[rows.ruler == part].genome)
            assert names == set(corpus.genomes[part])
            assert not names & set(corpus.genomes["train"])


def test_the_smoke_yardsticks_measure_what_theory_bounds(chosen):
    """A mixture beats no single one by magic, knowing nothing costs 2 bits, and relatives help the simple methods."""
    folders = {name: run.train() for name, run in outcome.runs(chosen).items()}
    found = outcome.bits(folders, "mitochondria")
    assert (found.loc["order 2"] < 2).all()
    assert (found.loc["mixed orders"] < found.loc["order 2"]).all()
    assert found.near["two-sided"] < found.near["mixed orders"] < found.far["mixed orders"]
    models = found.loc[[name for name in found.index if name.startswith("long")]]
    assert len(models) == 11
    assert models.to_numpy().min() > found.near["two-sided"]
    shares = outcome.masked(folders, "mitochondria")
    assert ((shares >= 0) & (shares <= 1)).to_numpy().all()
    assert (shares["near, top 5"] >= shares["near"]).all()
    assert shares.near["lookup: 12 bp"] > shares.near["lookup: frame and length"]


def test_simple_methods_learn_from_every_number_of_genomes_that_a_model_learns_from(chosen):
    trials = ["a", "b", "c"]
    values = {"trials": trials, "trial_models": ["longformer-9-mer-mlm"] * 3, "trial_genomes": [12, 30, 30]}
    names = outcome.run_names(chosen | values | {"trial_epochs": [1, 2, 3], "trial_weights": ["random"] * 3})
    simple = [name for name in names if name.startswith("simple-methods")]
    assert simple == ["simple-methods-mitochondria", "simple-methods-mitochondria-30", "simple-methods-nuclear"]


def test_bits_of_the_genomes_add_up_to_those_of_the_ruler(chosen):
    folder = outcome.runs(chosen)["ruler-longformer-9-mer-mlm"].train()
    sums = pd.read_csv(folder / "bits.csv").groupby("ruler")[["nats", "bases"]].sum()
    for part, row in sums.iterrows():
        told = store.read_json(folder / "metrics.json")[part]["bits_per_base"]
        assert told == pytest.approx(row.nats / np.log(2) / row.bases, rel=1e-4)
