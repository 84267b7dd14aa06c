"""The grid at equal samples: what its rows share and differ in, what is trained, and what is set apart."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.pretraining import budgets, grid, grid_results, vocabularies
from dnakit.chapters.pretraining.gains import Resampled
from dnakit.chapters.pretraining.grid import Leak, Overfit, drawn, passes_apart
from dnakit.models import build
from dnakit.project import DnakitError
from dnakit.report.finished import Finished, recorded
from dnakit.tokens.corpus import prepare

NOTEBOOK = "02_pretraining"
GRID = {
    "grid_recipe": "decay-no-dropout",
    "grid_repeated": ["longformer-9-mer-mlm"],
    "grid_repeated_seeds": [2],
    "grid_local_seeds": [1],
    "grid_vocabularies": [300],
    "grid_samples": 48,
    "overfit_models": ["longalbert-12-mer-mlm", "longformer-12-mer-mlm"],
    "overfit_seeds": [1],
    "leak_seeds": [1],
    "overfit_epochs": 2,
}


def runs_of_grid(**changes):
    found = chapter_of(NOTEBOOK, "smoke", GRID | changes).runs
    return {name: run for name, run in found.items() if name.startswith(grid.PREFIX)}


def test_the_grid_changes_no_key_of_another_run():
    with_grid, without = (chapter_of(NOTEBOOK, "smoke", each).runs for each in (GRID, {}))
    assert {name: with_grid[name].key for name in without} == {name: run.key for name, run in without.items()}
    added = [run for name, run in with_grid.items() if name not in without]
    assert all(run.name.startswith(grid.PREFIX) for run in added)
    assert len({run.key for run in added}) == len(added)


def test_every_row_of_table_5_1_is_trained_by_one_recipe_on_equally_many_samples():
    chapter, runs = chapter_of(NOTEBOOK, "laptop").parameters, chapter_of(NOTEBOOK, "laptop").runs
    rows = [runs[f"{grid.PREFIX}{model}-seed-1"] for model in chapter.models]
    assert len(rows) == 13
    assert {run.epochs * run.settings["samples"] for run in rows} == {chapter.grid_samples}
    shared = [{name: run.settings[name] for name in run.settings if name not in VARIED} for run in rows]
    assert all(each == shared[0] for each in shared)


VARIED = ("architecture", "head", "epochs", "samples")


def test_rows_with_and_without_sentence_order_differ_in_the_task_alone():
    runs = runs_of_grid()
    for tokenizer in ("6-mer", "9-mer", "12-mer", "BB"):
        mlm, both = (runs[f"grid-longformer-{tokenizer}-{task}-seed-1"] for task in ("mlm", "mlm+sop"))
        assert mlm.inputs() | {"head": "mlm+sop"} == both.inputs()
        assert mlm.settings["global_attention"] == "cls"


def test_another_vocabulary_differs_in_its_corpus_alone():
    runs = runs_of_grid()
    row, small = runs["grid-longformer-9-mer-mlm-seed-1"], runs["grid-vocabulary-300-seed-1"]
    assert small.settings == row.settings
    assert row.corpus.model_dump() | {"vocab_size": 300} == small.corpus.model_dump()
    assert small.alone.corpus == small.corpus
    with pytest.raises(DnakitError, match="'grid_vocabularies'"):
        runs_of_grid(grid_vocabularies=[70_000])


def test_both_architectures_overfit_with_one_dropout_and_static_masks():
    one, other = (run for run in runs_of_grid().values() if isinstance(run, Overfit))
    assert one.inputs() | {"architecture": other.settings["architecture"]} == other.inputs()
    assert one.settings["masking"] == "static"
    assert one.settings["dropout"] > 0


def test_a_profile_without_a_recipe_or_held_out_genomes_has_no_grid():
    assert not runs_of_grid(grid_recipe="")
    assert not runs_of_grid(held_out_genomes=0)
    with pytest.raises(DnakitError, match="'decoy' is not a recipe"):
        runs_of_grid(grid_recipe="decoy")


def test_a_leak_without_its_words_is_one_line():
    only_nine = {"tokenizations": ["9-mer"], "genomes": [12], "vocab_sizes": [2000], "budgets": [], "budget_models": []}
    only_nine |= {"models": ["longformer-9-mer-mlm"], "budget_genomes": [], "budget_epochs": []}
    with pytest.raises(DnakitError, match="'leak_seeds'"):
        chapter_of(NOTEBOOK, "smoke", only_nine | {"budget_initial_weights": [], "leak_seeds": [1]})


@pytest.fixture(scope="module")
def corpora():
    """Of the 9-mer row and of the leak."""
    runs = runs_of_grid()
    return {name: prepare(runs[name].corpus) for name in ("grid-longformer-9-mer-mlm-seed-1", "grid-leak-seed-1")}


def test_rows_with_and_without_sentence_order_see_the_same_stretches(corpora):
    runs, corpus = runs_of_grid(), corpora["grid-longformer-9-mer-mlm-seed-1"]
    mlm, both, other_seed = (
        runs[f"grid-longformer-9-mer-{each}"].all_samples(corpus)["train"]
        for each in ("mlm-seed-1", "mlm+sop-seed-1", "mlm-seed-2")
    )
    assert len(mlm) == len(set(mlm.rows.tolist())) == GRID["grid_samples"] // 2
    assert mlm.rows.tolist() == both.rows.tolist() == other_seed.rows.tolist()
    assert not torch.equal(mlm[0]["input_ids"], other_seed[0]["input_ids"]), "the seed draws masks"


def test_more_samples_than_there_are_is_one_line(corpora):
    run, corpus = runs_of_grid()["grid-longformer-9-mer-mlm-seed-1"], corpora["grid-longformer-9-mer-mlm-seed-1"]
    with pytest.raises(DnakitError, match=r"the training genomes give .* lower 'grid_samples'"):
        drawn(run._training(corpus), 10_000, seed=1)


def test_passes_set_apart_are_whole_and_not_trained_on(corpora):
    run, corpus = runs_of_grid()["grid-leak-seed-1"], corpora["grid-leak-seed-1"]
    apart, rows = passes_apart(corpus, 1), corpus.dataset["train"].data
    passes = pd.DataFrame({name: rows.column(name).to_numpy() for name in ("genome", "pass")}).assign(apart=apart)
    assert passes.groupby(["genome", "pass"]).apart.nunique().eq(1).all()
    share = passes.drop_duplicates(["genome", "pass"]).apart.mean()
    assert share == pytest.approx(grid.PASSES_APART, abs=0.01)
    samples = run.samples(corpus)
    assert not apart[samples["train"].rows].any()
    assert apart[samples[grid.RESAMPLED].rows].all()
    assert passes.groupby("pass").genome.nunique().tolist() == [len(corpus.genomes["train"])] * grid.PASSES


@pytest.mark.slow
def test_the_rows_are_trained_and_measure_themselves():
    runs = runs_of_grid()
    sop = runs["grid-longformer-9-mer-mlm+sop-seed-1"].folder()
    metrics = json.loads((sop / "metrics.json").read_text())
    bits = pd.read_csv(sop / "bits.csv")
    for part in ("near", "far"):
        sums = bits[bits.ruler == part].sum(numeric_only=True)
        assert metrics["measured"][part]["bits_per_base"] == pytest.approx(sums.nats / sums.bases / np.log(2), rel=1e-4)
        assert 0 <= metrics[part]["sop_accuracy"] <= 1
    nuclear = json.loads((runs["grid-longformer-9-mer-mlm-nuclear-seed-1"].folder() / "run.json").read_text())
    assert nuclear["samples"]["train"] == GRID["grid_samples"] // 2
    assert nuclear["language"] == "nuclear"
    local = build.load(runs["grid-local-seed-1"].folder() / "model")
    assert local.config.global_attention == "none"


@pytest.mark.slow
def test_overfitting_is_recorded_by_epoch_and_the_leak_by_genome():
    runs = runs_of_grid()
    folder = runs["grid-overfit-longalbert-12-mer-mlm-seed-1"].folder()
    history, found = pd.read_csv(folder / "history.csv"), json.loads((folder / "metrics.json").read_text())
    unseen, seen = (found[part]["masked_loss"] for part in ("near", "training"))
    assert found["gap"] == pytest.approx(unseen - seen)
    assert len(history) == GRID["overfit_epochs"]
    assert history[["training_masked_loss", "validation_masked_loss"]].notna().all(axis=None)
    leak = next(run for run in runs.values() if isinstance(run, Leak))
    table = pd.read_csv(leak.folder() / "leak.csv")
    metrics = json.loads((leak.folder() / "metrics.json").read_text())
    for part in ("resampled", "validation"):
        rows = table[table.part == part]
        loss = rows.nats.sum() / rows.masked.sum()
        assert metrics[part]["masked_loss"] == pytest.approx(loss, rel=1e-3)
    genomes = prepare(leak.corpus).genomes
    assert set(table[table.part == "resampled"].genome) <= set(genomes["train"])
    assert set(table[table.part == "validation"].genome) == set(genomes["validation"])


def test_a_row_of_the_grid_is_no_budget(tmp_path):
    folder = tmp_path / "grid-longformer-9-mer-mlm-seed-1"
    folder.mkdir()
    record = {
        "parameters": {"architecture": "longformer", "head": "mlm", "epochs": 2},
        "corpus": {"tokenization": "9-mer", "piece": 0},
        "samples": {"train": 15_000},
    }
    (folder / "run.json").write_text(json.dumps(record))
    assert not budgets.trained(Finished("recorded", "laptop", {folder.name: folder}))


# ---- what the results say


def finished(names):
    runs = chapter_of(NOTEBOOK, "smoke", GRID).runs
    return Finished("this run", "smoke", {name: runs[name].folder() for name in names})


def test_before_any_run_every_claim_and_every_model_says_so():
    nothing = Finished("recorded", "laptop", {})
    assert set(grid_results.verdicts(nothing)["at this size"]) == {grid_results.NOT_RUN}
    table = grid_results.table(nothing)
    assert len(table) == 13
    assert set(table["training", "seeds"]) == {grid_results.NOT_RUN}
    assert not grid_results.of_grid(nothing)


def test_every_claim_compares_models_of_the_grid():
    models = chapter_of(NOTEBOOK, "laptop").parameters.models
    assert {name for claim in grid_results.CLAIMS for name in (claim.first, claim.second)} <= set(models)
    assert [*dict.fromkeys(grid_results._models())] == grid_results._models()
    assert set(grid_results._models()) == set(models)


@pytest.mark.parametrize(
    ("by_gained", "by_bits", "together"),
    [
        ("holds", "holds", "holds"),
        ("open", "open", "open"),
        ("holds", "does not hold", "depends on the measure"),
        ("holds", "open", "holds by what is gained, open by plain bits"),
        ("open", "does not hold", "does not hold by plain bits, open by what is gained"),
    ],
)
def test_two_measures_that_contradict_each_other_are_told_from_one_that_is_open(by_gained, by_bits, together):
    assert grid_results._together(by_gained, by_bits) == together


def test_seeds_that_agree_add_nothing_to_an_interval_and_seeds_that_do_not_widen_it():
    rng = np.random.default_rng(0)
    draws = rng.normal(size=2000)
    alike = [Resampled(0.0, draws)] * 3
    apart = [Resampled(shift, draws + shift) for shift in (-3.0, 0.0, 3.0)]
    assert grid_results.over_seeds(alike).interval == pytest.approx(Resampled(0.0, draws).interval)
    wide = grid_results.over_seeds(apart)
    assert wide.value == 0
    assert wide.draws.std() == pytest.approx(np.hypot(1, 3 / np.sqrt(3)), rel=0.05)  # of a mean of three seeds


@pytest.mark.slow
def test_the_results_are_those_of_the_runs():
    names = ["held-out-mitochondria", "grid-segmentation-9-mer", "grid-longformer-9-mer-mlm-seed-1"]
    names += ["grid-longformer-9-mer-mlm+sop-seed-1", "grid-local-seed-1"]
    done = finished(names)
    row = grid_results.table(done).loc["mitochondrial", "Longformer", "9-mer", "MLM"]
    measured = done["grid-longformer-9-mer-mlm-seed-1"].metrics["measured"]
    for part in ("near", "far"):
        assert row[part, "gained"].split(" ")[0] == f"{measured[part]['gained']:+.3f}"
        assert row[part, "bits per base"].split(" ")[0] == f"{measured[part]['bits_per_base']:.3f}"
    verdicts = grid_results.verdicts(done)
    compared = verdicts[verdicts["at this size"] != grid_results.NOT_RUN].index.tolist()
    assert set(verdicts.loc[compared, "seeds"]) == {"1"}
    assert compared == ["with sentence order less is gained, 9-mers", "a global <cls> helps masked language modelling"]


def test_the_order_of_sentences_is_a_share_of_all_pairs():
    right = {"validation": {"sop_accuracy": 1.0}, "near": {"sop_accuracy": 0.5}, "far": {"sop_accuracy": 0.5}}
    run = SimpleNamespace(metrics=right, record={"samples": {"validation": 100, "near": 300, "far": 100}})
    assert grid_results._order([run]).startswith("0.600 [")


def test_the_table_of_vocabularies_names_what_is_not_trained():
    done = recorded(NOTEBOOK)
    chosen, sizes = vocabularies.of_vocabularies(done), [500, 1000, 2000, 5000, 30_000]
    table = vocabularies.table(chosen)
    assert (30_000, 30_000) in table.index
    assert vocabularies.not_run(chosen, sizes) == ""
    assert vocabularies.not_run(chosen, [*sizes, 700]).endswith("with a vocabulary of: 700.")
    assert vocabularies.table(vocabularies.of_vocabularies(Finished("recorded", "laptop", {}))).empty


@pytest.mark.slow
def test_a_model_of_another_vocabulary_is_trained_and_compared():
    names = ["grid-segmentation-9-mer", "grid-segmentation-9-mer-300", "held-out-mitochondria"]
    names += ["grid-longformer-9-mer-mlm-seed-1", "grid-vocabulary-300-seed-1"]
    table = vocabularies.table(vocabularies.of_vocabularies(finished(names)))
    bases = table["words", vocabularies.BASES].astype(float)
    assert bases.is_monotonic_increasing
    assert set(table.index.get_level_values("samples")) == {GRID["grid_samples"]}


def test_a_pair_that_was_computed_in_two_precisions_says_so():
    """The seed on a GPU in bf16 is compared with one on a processor; the other seed is not mixed."""
    done = recorded("02_pretraining")
    row = grid_results.verdicts(done).loc["a global <cls> helps masked language modelling"]
    assert row["seeds"] == "2"
    assert row["at this size"] == "does not hold, seed 1: bf16 against fp32"
