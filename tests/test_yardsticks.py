"""What the models of chapter 2 are held against: which genomes, and what the smoke runs say."""

import numpy as np
import pandas as pd
import pytest

from dnakit import pretraining_results as outcome
from dnakit import store
from dnakit.corpora import RULERS, prepare
from dnakit.parameters import PROFILES, settings


@pytest.fixture
def chosen():
    return settings("02_pretraining", "smoke")


@pytest.mark.parametrize("profile", PROFILES)
def test_each_language_has_its_yardsticks_and_asks_the_models_of_it(profile):
    needed = outcome.upstream(settings("02_pretraining", profile))
    asked = {name: [run for _, _, run in found] for name, found in needed.items() if found}
    assert set(asked) == {"rulers-mitochondria", "rulers-nuclear"}
    assert len(asked["rulers-mitochondria"]) == 11 + len(settings("02_pretraining", profile)["trials"])
    assert asked["rulers-nuclear"] == ["longalbert-12-mer-mlm+sop-nuclear", "longformer-9-mer-mlm-nuclear"]


def test_without_rulers_there_are_no_yardsticks(chosen):
    assert outcome.run_names(chosen | {"ruler_genomes": 0}) == chosen["models"] + chosen["trials"]


def test_the_key_follows_the_models_asked_and_the_genomes_learned_from(chosen):
    before, after = (outcome.runs(chosen | {"learning_rate": rate}) for rate in (1e-3, 2e-3))
    assert before["rulers-mitochondria"].key != after["rulers-mitochondria"].key
    assert before["simple-methods-mitochondria"].key == after["simple-methods-mitochondria"].key


@pytest.mark.parametrize("language", ["mitochondria", "nuclear"])
def test_all_are_measured_on_the_same_genomes_that_no_training_saw(chosen, language):
    runs = outcome.runs(chosen)
    simple, models = (runs[f"{what}-{language}"].train() for what in ("simple-methods", "rulers"))
    corpus = prepare(runs[f"rulers-{language}"].corpus_parameters)
    for folder in (simple, models):
        rows = pd.read_csv(folder / "bits.csv")
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


def test_bits_of_the_genomes_add_up_to_those_of_the_ruler(chosen):
    folder = outcome.runs(chosen)["rulers-mitochondria"].train()
    sums = pd.read_csv(folder / "bits.csv").groupby(["model", "ruler"])[["nats", "bases"]].sum()
    for (model, part), row in sums.iterrows():
        told = store.read_json(folder / "metrics.json")[model][part]["bits_per_base"]
        assert told == pytest.approx(row.nats / np.log(2) / row.bases, rel=1e-4)
