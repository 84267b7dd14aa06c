"""Chapter 3: what it keeps and what that rests on, its scores, and what the smoke runs and the rule must say."""

import numpy as np
import pandas as pd
import pytest
import torch

from dnakit import store
from dnakit.chapters.pretraining import runs as pretraining
from dnakit.chapters.tss import results as localization
from dnakit.chapters.tss import runs as tss_training
from dnakit.chapters.tss.samples import Sample
from dnakit.chapters.tss.windows import TABLE_5_2, organism
from dnakit.notebooks.parameters import PROFILES, settings
from dnakit.project import DnakitError
from dnakit.tokens.tokenizer import train_tokenizer

torch.set_num_threads(1)


@pytest.fixture
def chosen():
    return settings("03_tss", "smoke")


def test_names_need_no_data(chosen, monkeypatch, tmp_path):
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path))
    names = localization.run_names(chosen)
    assert names == list(localization.runs(chosen)) == list(localization.upstream(chosen))
    assert len(names) == len(set(names))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("profile", PROFILES)
def test_the_nine_trainings_and_the_controls_are_in_every_profile(profile):
    found = tss_training.experiments(tss_training.LocalizationParameters(**settings("03_tss", profile)))
    nine = {(each.initialization, each.dropout) for name, each in found.items() if name.startswith("thesis-")}
    assert nine == {(start, dropout) for start in ("nuclear", "mitochondria", "none") for dropout in (0.0, 0.1, 0.2)}
    assert [sum(each.seamless for each in found.values()), len(found)] == [2, 17]


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_run_starts_from_exists(profile):
    values = settings("03_tss", profile)
    known = {"02_pretraining": list(pretraining.runs(settings("02_pretraining", values["pretrained"])))}
    known["03_tss"] = localization.run_names(values)
    for needed in localization.upstream(values).values():
        assert needed
        for _, notebook, name in needed:
            assert name in known[notebook]


def test_the_thesis_profile_has_the_nine_organisms_of_table_5_2():
    values = settings("03_tss", "thesis")
    species = [organism(name).species for name in values["organisms"]]
    assert species == localization.published().species.tolist() == [each.species for each in TABLE_5_2.values()]
    assert values["random_positions"] == 29_598
    assert (values["upstream"] % 9, values["seamless_upstream"] % 9) == (4, 0)


def test_the_key_follows_what_matters(chosen):
    def key(name="random-positions", **changes):
        return localization.runs(chosen | changes)[name].key

    assert key() == key(profile="another", organisms=["simulated-a"], other_organism="simulated-c", fair_split="random")
    different = [key(), key(seed=2), key(random_positions=99), key(learning_rate=2e-3), key(organism="simulated-c")]
    different += [run.key for name, run in localization.runs(chosen).items() if name != "random-positions"]
    assert len(set(different)) == len(different)
    assert key("on-simulated-a") == key("on-simulated-a", organisms=["simulated-a"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": "half"}, "03_tss: 'split': "),
        ({"dropouts": [0.0]}, "'dropouts' lacks 0.1"),
        ({"organisms": ["simulated-a", "simulated-a"]}, "'organisms' names one twice"),
        ({"epochs": 0}, "03_tss: 'epochs': "),
        ({"organism": "mine.fa@4999"}, "mine.fa@4999 is windows alone.*put it into 'organisms'"),
    ],
)
def test_a_wrong_parameter_is_one_clear_error(chosen, changes, message):
    with pytest.raises(DnakitError, match=message) as caught:
        localization.runs(chosen | changes)
    assert "\n" not in str(caught.value)


def test_an_unknown_organism_is_one_clear_error(chosen):
    with pytest.raises(DnakitError, match="no organism with promoters"):
        localization.runs(chosen | {"organisms": ["simulated-z"]})["on-simulated-z"].train()


def test_scores_count_tokens_and_bases():
    tokenizer = train_tokenizer(["ACGTTTGCA" * 30], 60, 9)
    sample = Sample(tokenizer.encode_sequence(b"ACGTTTGCA" * 20 + b"AC"), 10, 0)
    found = tss_training.scores([sample] * 4, np.array([10, 10, 12, 20]), tokenizer)
    assert (found["samples"], found["accuracy"], found["within_two_tokens"]) == (4, 0.5, 0.75)
    assert 0 < found["median_error_bp"] < 20


def test_summarise_divides_the_sums():
    assert tss_training.summarise(np.array([20.0, 10, 4])) == {"loss": 2.0, "accuracy": 0.4}


def test_tables_of_nothing_are_empty():
    assert localization.trainings({}).empty
    assert localization.fair({}).empty
    assert localization.control({}).empty
    assert localization.errors({}).empty
    table = localization.table_5_2({}, {})
    assert table.columns.tolist() == [("thesis", "accuracy")]
    assert len(table) == 9


def test_the_smoke_runs_say_what_the_chapter_says(chosen):
    """Trains what the store lacks (some minutes). The rule needs no training: its numbers decide at any scale."""
    here = {name: run.train() for name, run in localization.runs(chosen).items()}
    decided = localization.control(here)
    assert (decided.loc["the rule"] > 0.8).all()
    assert (decided.loc["the rule, 5,000 bases before the TSS"] > 0.8).all()
    assert (decided.loc["no seam: the rule"] < 0.05).all()
    assert len(localization.trainings(here)) == 17
    assert localization.fair(here).index.get_level_values(0).unique().tolist() == ["Simulated A", "Simulated B"]
    assert localization.errors(here).index.tolist() == ["Simulated A", "Simulated B", "Simulated C"]
    said = localization.numbers(here)
    assert all(np.isfinite(value) for value in said.values() if not isinstance(value, str))
    for name, folder in here.items():
        about = store.read_json(folder / "run.json")
        assert (about["name"], about["simulated"]) == (name, True)
        assert (folder / "metrics.json").exists()
    for name in ("train_loss", "validation_accuracy"):
        assert np.isfinite(pd.read_csv(here["fair-none"] / "history.csv")[name]).all()


def test_no_table_shows_a_model_promoters_it_learned_from(chosen):
    here = {name: run.train() for name, run in localization.runs(chosen).items()}
    tests = {name: store.read_json(here[name] / "metrics.json")["test"] for name in ("promoters", "fair-other-nuclear")}
    assert localization.control(here).promoters["trained on promoters"] == tests["promoters"]["accuracy"]
    rows = localization.across(here).set_index("species")
    assert rows.accuracy["Simulated A"] == tests["promoters"]["accuracy"]
    assert rows["fair, other"]["Simulated B"] == tests["fair-other-nuclear"]["accuracy"]
    simple = store.read_json(here["baselines"] / "metrics.json")["test"]["k-mers"]
    assert localization.errors(here)["k-mers"]["Simulated A"] == simple["median_error_bp"]
    asked = store.read_json(here["on-simulated-c"] / "metrics.json")["thesis"]["promoters"]
    assert rows.accuracy["Simulated C"] == asked["accuracy"]


def test_the_users_own_windows_are_a_row(chosen, tmp_path, monkeypatch):
    windows = localization.runs(chosen)["on-simulated-c"].windows().take(range(30))
    path = tmp_path / "mine.fa"
    path.write_text("".join(f">p{i}\n{each.decode()}\n" for i, each in enumerate(windows.sequences)))
    run = localization.runs(chosen | {"organisms": [f"{path}@{windows.tss}"]})["on-mine.fa@4999"]
    folder = run.train()
    table = localization.across({run.name: folder})
    assert table.species.tolist() == ["mine.fa"]
    assert np.isfinite(table.drop(columns="species").to_numpy(float)).all()


def test_every_recorded_run_is_real_and_says_where_it_came_from():
    for folder in store.recorded("03_tss").values():
        about = store.read_json(folder / "run.json")
        assert about["simulated"] is False
        assert not about["environment"]["commit"].endswith("+changes")
