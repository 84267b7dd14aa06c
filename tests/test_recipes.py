"""Recipes: each part alone, a schedule that ends at zero, a training that resumes, and keys of others that stay."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch.utils.data import Dataset, Subset

from dnakit import corpora, fresh, pretraining, recipes, store, training
from dnakit import pretraining_results as outcome
from dnakit.parameters import settings
from dnakit.pretraining import PretrainingParameters
from dnakit.project import DnakitError, checked
from dnakit.samples import MlmSamples

torch.set_num_threads(1)


@pytest.fixture
def chosen():
    return settings("02_pretraining", "smoke")


def chapter(values) -> PretrainingParameters:
    return checked(PretrainingParameters, values, pretraining.NOTEBOOK)


def test_each_recipe_differs_from_another_in_one_part():
    """Muon and its rate are one part; the thesis's recipe and today's are where the others begin."""
    parts = {name: asdict(recipe) for name, recipe in recipes.RECIPES.items()}
    for name, one in parts.items():
        if name in ("thesis", "laptop"):
            continue
        differences = [
            {part for part in one if one[part] != other[part]} - {"optimizer"}
            for other_name, other in parts.items()
            if other_name != name
        ]
        assert min(map(len, differences)) == 1, name


def test_recipes_change_no_key_of_another_run(chosen):
    more = outcome.runs(chosen | {"recipes": [*recipes.RECIPES], "recipe_seeds": [1, 2]})
    none = outcome.runs(chosen | {"recipes": []})
    assert {name: more[name].key for name in none} == {name: run.key for name, run in none.items()}
    others = [name for name in more if name not in none]
    assert len({more[name].key for name in others}) == len(others) == 2 * len(recipes.RECIPES)
    assert others[0] == "recipe-thesis-seed-1"


def test_a_recipe_of_the_laptop_trains_as_todays_parameters_do(chosen):
    """The same training parameters as a row of Table 5.1 in the laptop profile."""
    laptop = settings("02_pretraining", "laptop")
    settings_of = recipes.runs(chapter(chosen | {"recipes": ["laptop"]}))["recipe-laptop-seed-1"]._settings()
    row = {name: laptop[name] for name in ("batch_size", "learning_rate", "seed")}
    assert settings_of == training.TrainingParameters(epochs=1, precision="fp32", **row)
    for name in ("fresh_weights", "mlm_loss", "masking"):
        assert getattr(recipes.LAPTOP, name) == laptop[name]


def test_an_unknown_recipe_is_one_clear_error(chosen):
    with pytest.raises(DnakitError, match="'mouon' is not a recipe; did you mean 'muon'"):
        outcome.runs(chosen | {"recipes": ["mouon"]})


@pytest.mark.parametrize("values", [{"optimizer": "muon"}, {"muon_learning_rate": 1e-3}])
def test_muon_and_its_rate_come_together(values):
    rest = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "precision": "fp32", "seed": 1}
    with pytest.raises(ValueError, match="muon_learning_rate"):
        training.TrainingParameters(**rest, **values)


@pytest.mark.parametrize("steps", [3, 20, 3482])
def test_a_decaying_rate_rises_stays_and_ends_at_zero(tmp_path, steps):
    parameters = training.TrainingParameters(
        epochs=1, batch_size=8, learning_rate=1e-3, precision="fp32", seed=1, schedule="warmup-decay"
    )
    arguments = training._arguments(tmp_path, parameters, steps)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = transformers.get_scheduler(
        arguments.lr_scheduler_type,
        optimizer,
        arguments.get_warmup_steps(steps),
        steps,
        arguments.lr_scheduler_kwargs,
    )
    rates = []
    for _ in range(steps + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[0] == rates[-1] == 0
    assert max(rates) == 1
    assert pd.Series(rates[: rates.index(1) + 1]).is_monotonic_increasing
    assert pd.Series(rates[rates.index(1) :]).is_monotonic_decreasing
    assert rates.count(1) == pytest.approx(0.77 * steps, abs=2)


class Breaking(Dataset):
    """Samples that fail at the n-th call."""

    def __init__(self, samples: Dataset, calls: int) -> None:
        self.samples, self.left = samples, calls

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, number: int):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return self.samples[number]


def test_muon_with_a_schedule_resumes_bit_for_bit(chosen, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0)
    run = recipes.runs(chapter(chosen | {"recipes": ["muon"]}))["recipe-muon-seed-1"]
    corpus = corpora.prepare(run.corpus_parameters)
    held_out = MlmSamples(corpus, "far", "static", "all", 1)

    def train(folder: Path, calls: int) -> Path:
        samples = Subset(MlmSamples(corpus, "train", "dynamic", "selected", 1), range(60))
        parts = {"train": Breaking(samples, calls), "far": Subset(held_out, range(4))}
        sizes = {"intermediate_size": 64}
        build = lambda: fresh.build("longformer", "mlm", corpus.tokenizer, "informed", **sizes)  # noqa: E731
        training.train(build, parts, run._settings(), pretraining.summarise, folder)
        return folder

    undisturbed = train(tmp_path / "undisturbed", 0)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "resumed", 37)
    assert training.last_checkpoint(tmp_path / "resumed")
    resumed = train(tmp_path / "resumed", 0)
    one, other = (load_file(folder / "model" / "model.safetensors") for folder in (undisturbed, resumed))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (undisturbed / "history.csv").read_text() == (resumed / "history.csv").read_text()


def test_the_table_has_a_row_a_recipe_and_means_over_its_seeds(tmp_path):
    folders = {}
    for recipe, seed, loss in (("muon", 1, 6.0), ("decay", 2, 6.5), ("decay", 1, 6.75)):
        folder = folders[f"recipe-{recipe}-seed-{seed}"] = tmp_path / f"{recipe}{seed}"
        folder.mkdir()
        scores = {"masked_loss": loss, "masked_accuracy": 0.02, "bits_per_base": 1.9}
        store.write_json(folder / "metrics.json", {"far": scores})
        parameters = asdict(recipes.RECIPES[recipe]) | {"seed": seed}
        store.write_json(folder / "run.json", {"parameters": parameters, "samples": {"train": 27_854}, "seconds": 600})
    found = recipes.table(folders | {"longformer-9-mer-mlm": tmp_path})
    assert found.index.tolist() == ["decay", "muon"]
    assert found[recipes.LOSS].tolist() == [6.625, 6.0]
    assert found["each seed"].tolist() == ["6.750, 6.500", "6.000"]
    assert found[recipes.MINUTES].tolist() == [10, 10]
    axis = recipes.draw(folders).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["decay", "muon"]
    assert sorted(map(tuple, axis.collections[0].get_offsets())) == [(6.0, 1), (6.5, 0), (6.75, 0)]
