"""What the models of chapter 2 are compared by: which genomes, which methods, and what the smoke runs say."""

import pytest

from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.pretraining import results
from dnakit.chapters.pretraining.parameters import parts_of
from dnakit.notebooks.parameters import PROFILES
from dnakit.report.finished import recorded
from dnakit.tokens.corpus import prepare
from dnakit.tokens.parameters import HELD_OUT

NOTEBOOK = "02_pretraining"


@pytest.mark.parametrize("profile", PROFILES)
def test_every_training_is_measured_and_each_language_has_its_simple_methods(profile):
    chapter = chapter_of(NOTEBOOK, profile)
    needed = {name: [edge.run for edge in edges] for name, edges in chapter.edges().items() if edges}
    trained = chapter.parameters.models + chapter.parameters.budgets
    full_size = [name for name in chapter.runs if name.startswith("full-size")]
    trained += full_size + [name for name in chapter.runs if name.startswith("recipe-")]
    longer = {name: ["full-size"] for name in ("full-size-all-tokens", "map-full-size") if full_size}
    apart = ("grid-", "over-lookup-")  # the grid measures itself, and a difference is of measurements
    needed = {name: runs for name, runs in needed.items() if not name.startswith(apart)}
    assert needed == {f"ruler-{name}": [name] for name in trained} | {"map": ["longformer-9-mer-mlm"]} | longer
    assert {"simple-methods-mitochondria", "simple-methods-nuclear"} < set(chapter.runs)
    for name in (name for name in chapter.runs if name.startswith("simple-methods-")):
        looked_up = chapter.runs[name.replace("simple-methods-", "lookups-")]
        as_seen = chapter.runs[name.replace("simple-methods-", "as-seen-")]
        assert looked_up.corpus == as_seen.corpus == chapter.runs[name].corpus
    assert {"held-out-mitochondria", "held-out-nuclear"} < set(chapter.runs)
    for run in chapter.runs.values():
        if run.name in chapter.parameters.models:
            alone = f"segmentation-{run.corpus.tokenization}{'-nuclear' if run.language == 'nuclear' else ''}"
            assert chapter.runs[alone].corpus == run.corpus


def test_without_held_out_genomes_nothing_is_measured():
    chapter = chapter_of(NOTEBOOK, "smoke", {"held_out_genomes": 0})
    assert list(chapter.runs) == chapter.parameters.models + chapter.parameters.budgets


def test_the_key_follows_the_model_measured_and_the_genomes_learned_from():
    before, after = (chapter_of(NOTEBOOK, "smoke", {"learning_rate": rate}).runs for rate in (1e-3, 2e-3))
    for name in ("ruler-longformer-9-mer-mlm", "map"):
        assert before[name].key != after[name].key
    assert before["simple-methods-mitochondria"].key == after["simple-methods-mitochondria"].key


def test_simple_methods_learn_from_every_number_of_genomes_that_a_model_learns_from():
    budgets = {"budgets": [*"abc"], "budget_models": ["longformer-9-mer-mlm"] * 3, "budget_genomes": [12, 30, 30]}
    budgets |= {"budget_epochs": [1, 2, 3], "budget_initial_weights": ["random"] * 3}
    names = chapter_of(NOTEBOOK, "smoke", budgets).runs
    simple = [name for name in names if name.startswith("simple-methods")]
    assert simple == ["simple-methods-mitochondria", "simple-methods-mitochondria-30", "simple-methods-nuclear"]


@pytest.mark.trained
@pytest.mark.parametrize("language", ["mitochondria", "nuclear"])
def test_all_are_measured_on_the_same_genomes_that_no_training_saw(language):
    runs = chapter_of(NOTEBOOK, "smoke").runs
    measured = [run for name, run in runs.items() if name.startswith(("ruler", "simple")) and run.language == language]
    assert len(measured) == {"mitochondria": 19, "nuclear": 3}[language]
    genomes = prepare(measured[0].corpus).genomes
    done = chapter_of(NOTEBOOK, "smoke").here()
    for run in measured:
        rows = done[run.name].frame("bits.csv")
        for part in HELD_OUT:
            names = set(rows[rows.ruler == part].genome)
            assert names == set(genomes[part])
            assert not names & set(genomes["train"])


@pytest.mark.trained
def test_segmentation_alone_is_scored_on_the_masks_of_the_models():
    done = chapter_of(NOTEBOOK, "smoke").here()
    _assert_paired(done, 13)


def test_recorded_segmentation_alone_is_scored_on_the_masks_of_the_recorded_models():
    _assert_paired(recorded(NOTEBOOK), 13)


def _assert_paired(done, count):
    rows = [run for run in done.values() if run.name.startswith("ruler-long")]
    for run in rows:
        parts = parts_of(run.record["model"])
        alone = done[f"segmentation-{parts['tokenization']}{parts['nuclear'] or ''}"].frame("bits.csv")
        columns = ["genome", "ruler", "bases", "masked"]
        one, other = (frame[columns].sort_values(columns).to_numpy() for frame in (alone, run.frame("bits.csv")))
        assert (one == other).all()
    assert len(rows) == count


def test_recorded_lookups_are_scored_on_the_masks_of_the_models_of_the_same_genomes():
    _assert_lookups_paired(recorded(NOTEBOOK))


@pytest.mark.trained
def test_lookups_are_scored_on_the_masks_of_the_models_of_the_same_genomes():
    _assert_lookups_paired(chapter_of(NOTEBOOK, "smoke").here())


def _assert_lookups_paired(done):
    """Every model of 9-mers has the masks of the lookups that learned from its genomes; each lookup has a model."""
    columns, paired = ["genome", "ruler", "masked"], set()
    looked_up = {run.record["corpus"]["key"]: run for run in done.values() if run.name.startswith("lookups-")}
    for run in (run for run in done.values() if run.name.startswith("ruler-")):
        trained = done[run.name.removeprefix("ruler-")]
        lookups = looked_up.get(trained.record["corpus"]["key"])
        if lookups:
            tables = (lookups.frame("lookups.csv"), run.frame("bits.csv"))
            one, other = (table[columns].sort_values(columns).to_numpy() for table in tables)
            assert (one == other).all(), run.name
            paired.add(lookups.name)
    assert paired == {run.name for run in looked_up.values()}


@pytest.mark.trained
def test_the_smoke_measurements_are_what_theory_bounds():
    """A mixture of orders beats a low order, both sides beat one, and relatives help the simple methods."""
    done = results.measured(chapter_of(NOTEBOOK, "smoke").here(), "mitochondria")
    found = results.bits(done)
    assert (found.loc["order 2"] < 2).all()
    assert (found.loc["mixed orders"] < found.loc["order 2"]).all()
    assert found.near["two-sided"] < found.near["mixed orders"] < found.far["mixed orders"]
    models = found.loc[[name for name in found.index if name.startswith("Long")]]
    assert len(models) == 11
    assert models.to_numpy().min() > found.near["two-sided"]
    assert (found.loc[results.COUNTED] > found.loc["two-sided"]).all()  # it sees less
    shares = results.masked(done)
    assert ((shares >= 0) & (shares <= 1)).to_numpy().all()
    assert (shares["near, top 5"] >= shares["near"]).all()
    assert shares.near["lookup: 12 bp"] > shares.near["lookup: frame and length"]
