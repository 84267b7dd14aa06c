"""Recipes: each differs from another in one part, keys of other runs stay, and the table has means over seeds."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from dnakit import store
from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.pretraining import budgets, recipe_results, recipes
from dnakit.project import DnakitError
from dnakit.report.finished import Finished, recorded
from dnakit.report.tables import MISSING

NOTEBOOK = "02_pretraining"


def test_each_recipe_differs_from_another_in_one_part():
    """The thesis's recipe and the laptop's begin the others."""
    for name, one in recipes.RECIPES.items():
        others = [other for each, other in recipes.RECIPES.items() if each != name]
        if name not in ("thesis", "laptop"):
            assert min(len(recipes.differing(one, other)) for other in others) == 1, name


def test_an_optimizer_and_a_batch_are_one_part_with_their_rates():
    muon, decay, batch = (recipes.RECIPES[name] for name in ("muon", "decay", "batch-64-no-dropout"))
    assert recipes.differing(muon, decay) == ["optimizer"]
    assert recipes.differing(decay, batch) == ["batch_size", "dropout"]
    assert recipes.differing(recipes.THESIS, recipes.LAPTOP) == ["batch_size", "fresh_weights", "mlm_loss", "masking"]


def test_recipes_change_no_key_of_another_run():
    all_of_them = chapter_of(NOTEBOOK, "smoke", {"recipes": [*recipes.RECIPES], "recipe_seeds": [1, 2]}).runs
    none = chapter_of(NOTEBOOK, "smoke", {"recipes": []}).runs
    assert {name: all_of_them[name].key for name in none} == {name: run.key for name, run in none.items()}
    others = [name for name in all_of_them if name not in none]
    trained = [name for name in others if name.startswith(recipes.PREFIX)]
    assert len({all_of_them[name].key for name in others}) == len(others)
    assert len(trained) == 2 * len(recipes.RECIPES)
    over_lookup = {f"over-lookup-recipe-thesis-seed-{seed}" for seed in (1, 2)}
    assert set(others) == {*trained, *(f"ruler-{name}" for name in trained)} | over_lookup


def test_the_recipe_of_the_laptop_is_what_the_laptop_profile_does():
    laptop = chapter_of(NOTEBOOK, "laptop").parameters
    for name in ("batch_size", "learning_rate", "mlm_loss", "masking"):
        assert getattr(recipes.LAPTOP, name) == getattr(laptop, name)
    assert recipes.LAPTOP.fresh_weights == laptop.initial_weights


def test_an_unknown_recipe_is_one_clear_error():
    with pytest.raises(DnakitError, match="'mouon' is not a recipe; did you mean 'muon'"):
        _ = chapter_of(NOTEBOOK, "smoke", {"recipes": ["mouon"]}).runs


def test_without_held_out_genomes_there_is_nothing_to_score_recipes_on():
    runs = chapter_of(NOTEBOOK, "smoke", {"held_out_genomes": 0}).runs
    assert not [name for name in runs if name.startswith(recipes.PREFIX)]


class Made(dict):
    """Finished runs with made-up numbers, by name."""

    def __init__(self, path):
        self.path = path
        genomes = pd.DataFrame({"ruler": "far", "genome": [*"abcdef"], "family": [*"AABBCC"], "bases": 1000})
        genomes.to_csv(self._keep("held-out-mitochondria", {}, {"language": "mitochondria"}) / "genomes.csv")

    def _keep(self, name, metrics, record):
        folder = self[name] = self.path / name
        folder.mkdir()
        store.write_json(folder / "metrics.json", metrics)
        store.write_json(folder / "run.json", record)
        return folder

    def trained(self, recipe, seed, loss):
        scores = {"masked_loss": loss, "masked_accuracy": 0.02}
        record = {
            "parameters": asdict(recipes.RECIPES[recipe]) | {"architecture": "longformer", "head": "mlm", "seed": seed},
            "corpus": {"tokenization": "9-mer", "piece": 0},
            "samples": {"train": 27_854},
            "seconds": 600,
        }
        self._keep(f"recipe-{recipe}-seed-{seed}", {"far": scores}, record)

    def measured(self, recipe, seed, bits):
        """One number of bits per base for each genome."""
        record = {"language": "mitochondria", "model": f"recipe-{recipe}-seed-{seed}"}
        folder = self._keep(f"ruler-recipe-{recipe}-seed-{seed}", {}, record)
        sums = pd.DataFrame({"genome": [*"abcdef"], "ruler": "far", "bases": 600, "masked": 100, "right": 2})
        sums.assign(nats=np.array(bits) * 600 * np.log(2)).to_csv(folder / "bits.csv")

    @property
    def done(self):
        return Finished("recorded", "laptop", dict(self))


def test_before_any_recipe_there_is_no_table_and_all_are_named():
    nothing = recipe_results.of_recipes(Finished("recorded", "laptop", {}))
    assert recipe_results.table(nothing).empty
    assert recipe_results.parts(nothing).empty
    assert recipe_results.not_run(nothing).count("`") == 2 * len(recipes.RECIPES)


def test_every_recipe_is_recorded_with_two_seeds():
    done = recorded(NOTEBOOK)
    assert recipe_results.not_run(done) == ""
    assert recipe_results.table(recipe_results.of_recipes(done))["seeds"].to_dict() == dict.fromkeys(recipes.RECIPES, 2)


def test_what_the_thesis_recipe_reached_is_said_as_recorded():
    assert recipe_results.by_the_thesis(Finished("recorded", "laptop", {})) == ""
    done = recorded(NOTEBOOK)
    scores = done["recipe-thesis-seed-1"].metrics
    said = recipe_results.by_the_thesis(done)
    for number in (scores["validation"]["accuracy"], scores["validation"]["copy_accuracy"]):
        assert f"{number:.4f}" in said
    # It copies and has learned no more: within 0.1 points of copying, and worse than guessing where a token is masked.
    assert abs(scores["validation"]["accuracy"] - scores["validation"]["copy_accuracy"]) < 1e-3
    assert scores["far"]["bits_per_base"] > 2


def test_the_table_has_means_over_the_seeds_of_each_recipe(tmp_path):
    made = Made(tmp_path)
    for recipe, seed, loss in (("muon", 1, 6.0), ("decay", 2, 6.5), ("decay", 1, 6.75)):
        made.trained(recipe, seed, loss)
    found = recipe_results.table(recipe_results.of_recipes(made.done))
    assert found.index.tolist() == ["decay", "muon"]
    assert found[recipe_results.LOSS].tolist() == [6.625, 6.0]
    assert found.seeds.tolist() == [2, 1]
    assert found[recipe_results.DIFFERS].tolist() == [MISSING, "Muon"]
    assert set(found[recipe_results.BITS]) == {MISSING}, "trained, and not measured yet"
    assert not budgets.trained(made.done), "a recipe is no budget of the row"


def test_recipes_that_differ_in_one_part_are_compared_family_by_family(tmp_path):
    made, decay = Made(tmp_path), np.array([1.6, 1.7, 1.8, 1.9, 2.0, 2.1])
    noise = np.array([0.2, 0.2, -0.3, -0.3, 0.2, 0.2])
    for recipe, bits in {
        "decay": decay,
        "decay-no-dropout": decay - 0.05,  # in every family: the families' own differences do not matter
        "muon": decay + noise,
        "muon-no-dropout": decay,
        "thesis": decay + 0.3,
    }.items():
        made.trained(recipe, 1, 6.0)
        made.measured(recipe, 1, bits)
    table = recipe_results.table(made.done)
    assert table.loc["decay-no-dropout", recipe_results.MINUS] == "-0.050 [-0.050, -0.050]"
    parts = recipe_results.parts(made.done).reset_index()
    assert dict(zip(parts["first"] + " " + parts["second"], parts[recipe_results.BETTER], strict=True)) == {
        "decay-no-dropout decay": "first",
        "muon decay": "open",
        "muon-no-dropout decay-no-dropout": "second",
        "muon-no-dropout muon": "open",
    }
    assert parts["what the first has"].tolist() == ["no dropout", "Muon", "Muon", "no dropout"]
    assert parts["and the second"].tolist() == ["dropout 0.1", "Adam alone", "Adam alone", "dropout 0.1"]
    assert "`thesis`" not in recipe_results.not_run(made.done)


def test_two_seeds_are_compared_seed_by_seed(tmp_path):
    made, bits = Made(tmp_path), np.linspace(1.6, 2.1, 6)
    for seed, shift in ((1, 0.0), (2, 0.4)):  # what a seed shifts in both recipes is no difference of theirs
        for recipe, better in (("decay", 0.0), ("muon", 0.05)):
            made.trained(recipe, seed, 6.0)
            made.measured(recipe, seed, bits + shift - better)
    made.trained("muon-no-dropout", 2, 6.0)
    made.measured("muon-no-dropout", 2, bits + 0.4)
    parts = recipe_results.parts(made.done)
    assert parts["first minus second"].tolist() == ["-0.050 [-0.050, -0.050]", "+0.050 [+0.050, +0.050]"]
    assert parts["seeds"].tolist() == [2, 1], "those that both were measured with"


def test_the_thesis_recipe_is_compared_with_a_lookup_that_learned_from_the_same_genomes():
    runs = chapter_of(NOTEBOOK, "laptop").runs
    over = {name: run for name, run in runs.items() if name.startswith("over-lookup-")}
    assert list(over) == [f"over-lookup-recipe-thesis-seed-{seed}" for seed in (1, 2)]
    assert [run.name for run in over["over-lookup-recipe-thesis-seed-1"].needs()] == [
        "ruler-recipe-thesis-seed-1",
        "lookups-mitochondria-3000",
        "held-out-mitochondria",
    ]


def test_the_recorded_difference_to_the_lookup_is_that_of_the_recorded_shares():
    done = recorded(NOTEBOOK)
    found = done["over-lookup-recipe-thesis-seed-1"].metrics
    model, lookups = (done[name].metrics for name in ("ruler-recipe-thesis-seed-1", "lookups-mitochondria-3000"))
    for part in ("near", "far"):
        apart = model[part]["masked_accuracy"] - lookups[part]["12 bp, as seen"]["top1"]
        assert found[part]["difference"] == pytest.approx(apart)
        low, high = found[part]["difference_interval"]
        assert low < apart < high
