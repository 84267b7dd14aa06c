"""Recipes: each differs from another in one part, keys of other runs stay, and the table has means over seeds."""

from dataclasses import asdict

import pytest

from dnakit import store
from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.pretraining import budgets, recipe_results, recipes
from dnakit.project import DnakitError
from dnakit.report.finished import Finished

NOTEBOOK = "02_pretraining"


def test_each_recipe_differs_from_another_in_one_part():
    """An optimizer or a batch and its rate are one part; the thesis's recipe and the laptop's begin the others."""
    parts = {name: asdict(recipe) for name, recipe in recipes.RECIPES.items()}
    for name, one in parts.items():
        if name not in ("thesis", "laptop"):
            differences = [
                {part for part in one if one[part] != other[part]}
                - {"optimizer"}
                - ({"learning_rate"} if one["batch_size"] != other["batch_size"] else set())
                for other_name, other in parts.items()
                if other_name != name
            ]
            assert min(map(len, differences)) == 1, name


def test_recipes_change_no_key_of_another_run():
    all_of_them = chapter_of(NOTEBOOK, "smoke", {"recipes": [*recipes.RECIPES], "recipe_seeds": [1, 2]}).runs
    none = chapter_of(NOTEBOOK, "smoke", {"recipes": []}).runs
    assert {name: all_of_them[name].key for name in none} == {name: run.key for name, run in none.items()}
    others = [name for name in all_of_them if name not in none]
    trained = [name for name in others if name.startswith(recipes.PREFIX)]
    assert len({all_of_them[name].key for name in others}) == len(others)
    assert len(trained) == 2 * len(recipes.RECIPES)
    assert set(others) == {*trained, *(f"ruler-{name}" for name in trained)}


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


def test_the_table_has_means_over_the_seeds_of_each_recipe(tmp_path):
    folders = {}
    for recipe, seed, loss in (("muon", 1, 6.0), ("decay", 2, 6.5), ("decay", 1, 6.75)):
        folder = folders[f"recipe-{recipe}-seed-{seed}"] = tmp_path / f"{recipe}{seed}"
        folder.mkdir()
        scores = {"masked_loss": loss, "masked_accuracy": 0.02, "bits_per_base": 1.9}
        store.write_json(folder / "metrics.json", {"far": scores})
        shape = {"architecture": "longformer", "head": "mlm"}
        record = {
            "parameters": asdict(recipes.RECIPES[recipe]) | shape | {"seed": seed},
            "corpus": {"tokenization": "9-mer", "piece": 0},
            "samples": {"train": 27_854},
            "seconds": 600,
        }
        store.write_json(folder / "run.json", record)
    done = Finished("recorded", "laptop", folders)
    found = recipe_results.table(done)
    assert found.index.tolist() == ["decay", "muon"]
    assert found[recipe_results.LOSS].tolist() == [6.625, 6.0]
    assert found["loss of each seed"].tolist() == ["6.750, 6.500", "6.000"]
    assert found[recipe_results.MINUTES].tolist() == [10, 10]
    assert not budgets.trained(done), "a recipe is no budget of the row"
