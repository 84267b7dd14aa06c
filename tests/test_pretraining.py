"""Chapter 2's parameters, sums, tables and figures; and the smoke profile's metrics against the stored ones."""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from dnakit import metrics, store, training
from dnakit.chapters.chapter import chapter_of, open_chapter
from dnakit.chapters.pretraining import budgets, figures, pretrain, results, starts
from dnakit.chapters.pretraining.parameters import NINE_MER
from dnakit.chapters.pretraining.trainings import PretrainingRun
from dnakit.notebooks.parameters import PROFILES, settings
from dnakit.project import DnakitError
from dnakit.report.finished import Finished, recorded
from dnakit.tokens import samples

NOTEBOOK = "02_pretraining"
EXPECTED = Path(__file__).parent / "expected_smoke_metrics.json"
# Another processor rounds otherwise, and a training amplifies it: absolute for shares, relative for the rest.
SHARES, RELATIVE = 0.03, 0.1


def smoke(**changes):
    return chapter_of(NOTEBOOK, "smoke", changes)


def trainings(chapter):
    return {name: run for name, run in chapter.runs.items() if isinstance(run, PretrainingRun)}


# ---- parameters and keys


def test_names_need_no_data(monkeypatch, tmp_path):
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path))
    chapter = smoke()
    assert list(trainings(chapter)) == chapter.parameters.models + chapter.parameters.budgets
    assert not list(tmp_path.iterdir())


def test_the_key_follows_what_matters():
    chosen = smoke().parameters

    def key(**changes):
        return smoke(**changes).runs[NINE_MER].key

    alone = {"tokenizations": ["9-mer"], "genomes": chosen.genomes[1:2], "vocab_sizes": chosen.vocab_sizes[1:2]}
    alone |= {"models": [NINE_MER], "budgets": [], "budget_models": [], "budget_genomes": []}
    alone |= {"budget_epochs": [], "budget_initial_weights": []}
    renamed = settings(NOTEBOOK, "smoke", alone | {"nuclear_pieces": 99}) | {"profile": "another"}
    assert key() == open_chapter(NOTEBOOK, renamed).runs[NINE_MER].key
    keys = [key(), key(seed=2), key(epochs=9), key(mlm_loss="masked"), key(masking="dynamic"), key(learning_rate=2e-3)]
    keys += [key(genomes=[30] * 4), key(vocab_sizes=[100] * 4), key(held_out_genomes=5), key(hidden_size=32)]
    keys += [run.key for name, run in smoke().runs.items() if name != NINE_MER]
    assert len(set(keys)) == len(keys)


def test_sizes_are_part_of_a_key_only_where_they_are_not_the_thesis_s():
    run = smoke(hidden_size=0, intermediate_size=0).runs[NINE_MER]
    assert not {"hidden_size", "intermediate_size"} & set(run.inputs())
    assert smoke(hidden_size=32).runs[NINE_MER].inputs()["hidden_size"] == 32


def test_a_longer_run_finds_the_longest_shorter_one_that_is_the_same_otherwise(monkeypatch, tmp_path):
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path))
    longest = smoke(epochs=5).runs[NINE_MER]
    for changes in ({"epochs": 2}, {"epochs": 3}, {"epochs": 6}, {"epochs": 4, "seed": 2}):
        (store.path_of("runs", smoke(**changes).runs[NINE_MER].key) / training.LAST).mkdir(parents=True)
    assert longest.shorter() == store.path_of("runs", smoke(epochs=3).runs[NINE_MER].key)
    assert smoke(epochs=2).runs[NINE_MER].shorter() is None


def test_every_row_of_table_5_1_is_trained_once_in_every_profile():
    rows = results.published()[results.ROW].query("language != 'reference'")
    for profile in PROFILES:
        chapter = chapter_of(NOTEBOOK, profile)
        found = []
        for name in chapter.parameters.models:
            run = chapter.runs[name]
            language = {"mitochondria": "mitochondrial"}.get(run.language, run.language)
            architecture, task = run.settings["architecture"].capitalize(), results.TASKS[run.settings["head"]]
            found.append((language, architecture, run.corpus.tokenization, task))
        assert sorted(map(tuple, rows.to_numpy())) == sorted(found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mlm_loss": "some"}, "02_pretraining: 'mlm_loss': "),
        ({"epochs": 0}, "02_pretraining: 'epochs': "),
        ({"hidden_size": -1}, "02_pretraining: 'hidden_size': "),
        ({"genomes": [10]}, "as many entries each"),
        ({"held_out_genomes": 2}, "02_pretraining: 'held_out_genomes': .*at least 3, or 0"),
        ({"tokenizations": ["6-mer", "6-mer", "9-mer", "BB"]}, "names one twice"),
        ({"tokenizations": [*"abc", "9-mer"], "models": [NINE_MER]}, "02_pretraining: 'tokenization': "),
        ({"vocab_sizes": [5000, 2000, 2000, 70_000]}, "02_pretraining: 'vocab_size': "),
        ({"models": ["longformer-9-mers"]}, "'longformer-9-mers' is not like longformer-9-mer-mlm"),
        ({"models": ["longformer-8-mer-mlm"]}, "wants 8-mer, which 'tokenizations' lacks"),
        ({"models": [NINE_MER] * 2}, "names one twice"),
        ({"nuclear_pieces": 5}, "02_pretraining: 'genomes': .*at least 10, or 0 for all"),
    ],
)
def test_a_wrong_parameter_is_one_clear_error(changes, message):
    with pytest.raises(DnakitError, match=message) as caught:
        [run.corpus for run in smoke(**changes).runs.values()]
    assert "\n" not in str(caught.value)


# ---- what later chapters begin from


def test_a_start_is_a_run_of_chapter_2():
    runs = chapter_of(NOTEBOOK, "laptop").runs
    assert starts.start_of("laptop", "mitochondria") == runs[NINE_MER]
    assert starts.start_of("laptop", "none") == starts.start_of("laptop", "nuclear") == runs[f"{NINE_MER}-nuclear"]


def test_an_unknown_start_is_one_clear_error():
    with pytest.raises(DnakitError, match=r"no initialization 'nuclaer'; did you mean 'nuclear'.*; known: nuclear"):
        starts.start_of("smoke", "nuclaer")


# ---- sums


def test_summarise_divides_the_sums():
    result = pretrain.summarise(np.array([200.0, 100, 90, 60, 12, 3]))
    assert result == {
        "loss": 2.0,
        "accuracy": 0.9,
        "perplexity": pytest.approx(np.e**2),
        "masked_loss": 5.0,
        "masked_accuracy": 0.25,
        "masked_perplexity": pytest.approx(np.e**5),
    }


def test_summarise_divides_the_sums_of_sentence_order():
    result = pretrain.summarise(np.array([200.0, 100, 90, 60, 12, 3, 7, 10, 6]))
    assert (result["sop_loss"], result["sop_accuracy"]) == (0.7, 0.6)


def test_where_only_selected_tokens_were_labelled_nothing_is_said_of_all():
    result = pretrain.summarise(np.array([70.0, 15, 4, 60, 12, 3]))
    assert np.isnan([result["loss"], result["accuracy"], result["perplexity"]]).all()
    assert result["masked_accuracy"] == 0.25


def test_the_share_of_masked_tokens_is_that_of_the_samples():
    assert samples.MASK_PROBABILITY * samples.MASKED_SHARE == results.MASKED


# ---- tables and figures of the recorded runs


@pytest.fixture(scope="module")
def done():
    return recorded(NOTEBOOK)


@pytest.mark.parametrize("table", [results.sizes, results.table_5_1, results.meanings, results.bits, results.masked])
def test_tables_of_nothing_are_empty(table):
    assert table(Finished("this run", "smoke", {})).empty


def test_table_5_1_holds_what_was_measured_over_all_tokens(done):
    table = results.table_5_1(done)
    assert len(table) == 13
    for run in results.rows(done).values():
        row, measured = table.loc[results.row_of(run)], run.metrics["validation"]
        assert (row.accuracy, row.perplexity) == (measured["accuracy"], measured["perplexity"])


def test_segmentation_adds_to_copying_and_no_model_is_needed_for_that(done):
    table = results.table_5_1(done)
    assert (table["copying + segmentation"] > table.copying - 0.005).all()  # other genomes, other masks
    not_told, told = table[results.PERPLEXITIES].str.extract(r"(\S+) \((\S+)\)").astype(float).to_numpy().T
    assert ((told > 1.5) & (told < not_told) & (not_told < 4)).all()


def test_skill_is_the_share_of_what_copying_leaves_open(done):
    check_meanings(done, scatter=0.015)


def check_meanings(done, scatter):
    """Of so many masks the accuracy of copying scatters so far around its expectation."""
    table = results.meanings(done).join(results.table_5_1(done)[["accuracy", "copying"]])
    assert len(table) == 13
    assert np.allclose(table.copying, metrics.copy_baseline(), atol=scatter)
    assert np.allclose(table.copying + table.skill * (1 - table.copying), table.accuracy)
    assert np.allclose(np.log(table["e^loss"]), np.log2(table["2^loss"]))


def test_diamonds_are_the_thesis_s_values_of_masked_tokens():
    """A model with these masked values that copies all other tokens has the numbers of Table 5.1."""
    thesis = figures.thesis_values().merge(
        results.published().assign(panel=lambda table: table.model + ",\n" + table.tasks), on=["panel", "tokenizer"]
    )
    thesis = thesis[thesis.language == "mitochondrial"]
    assert len(thesis) == 11
    assert np.allclose(np.exp(results.MASKED * thesis.masked_loss), thesis.perplexity)
    learned = thesis[thesis.masked_accuracy.notna()]
    copying = metrics.copy_baseline()
    assert np.allclose(copying + learned.masked_accuracy * (1 - copying), learned.accuracy)


def test_figures_have_a_line_for_each_tokenizer_and_part(done):
    panels = figures.figure_5_1(done).axes_dict
    assert list(panels) == figures.PANELS
    drawn = [line for line in panels["Longformer,\nMLM"].lines if len(line.get_xdata()) == 3]
    assert len(drawn) == 4 * 2
    plt.close("all")


def test_every_mapped_genome_is_drawn(done):
    points = results.of_map(done, "map.csv")
    assert set(points.groupby("which").genome.nunique()) == {60}
    assert len(points) == 60 * (1 + len(results.mapped(done)))
    for which, axes in figures.map_by_order(done).axes_dict.items():
        assert sum(len(marks.get_offsets()) for marks in axes.collections) == (points.which == which).sum()
    plt.close("all")


def test_every_held_out_genome_is_drawn_for_each_method(done):
    table = figures.bits_by_genome(done)
    axes = figures.relatives(done).axes.flat[0]
    assert len(table) == 3 * 60
    assert sum(len(marks.get_offsets()) for marks in axes.collections) == len(table)
    plt.close("all")


def test_predictions_mark_what_the_model_was_not_shown(tmp_path):
    rows = [(7, "AC", "AC", "AC"), (7, "<mask>", "GG", "GT"), (7, "T", "CC", "CC"), (9, "A", "A", "C")]
    rows += [(9, "<pad>", "<pad>", "A"), (11, "<pad>", "<pad>", "C")]
    pd.DataFrame(rows, columns=["sample", "seen", "true", "predicted"]).to_csv(tmp_path / "examples.csv", index=False)
    table = results.predictions(Finished("this run", "smoke", {NINE_MER: tmp_path}))
    assert table.tokens.tolist() == ["AC [<mask>] [T]", "AC [GG] [CC]", "AC [GT] [CC]", "A", "A", "C"]


def test_every_recorded_run_is_real_and_says_where_it_came_from(done):
    for run in done.values():
        assert run.record["simulated"] is False
        assert {len(digest) for digest in run.record["source_sha256"].split()} == {64}
        assert not run.record["environment"]["commit"].endswith("+changes")
        if "epochs" in run.record["parameters"]:
            assert len(run.frame("history.csv")) == run.record["parameters"]["epochs"]


# ---- the smoke runs


@pytest.mark.trained
def test_the_smoke_runs_end_where_they_ended():
    """The numbers agree within what processors differ by."""
    expected = json.loads(EXPECTED.read_text())
    done = smoke().here()
    for name in trainings(smoke()):
        for part, scores in done[name].metrics.items():
            assert scores.keys() == expected[name][part].keys()
            for metric, value in scores.items():
                tolerance = {"abs": SHARES} if "accuracy" in metric else {"rel": RELATIVE}
                assert value == pytest.approx(expected[name][part][metric], **tolerance), (name, part, metric)


@pytest.mark.trained
def test_tables_of_the_smoke_runs():
    done = smoke().here()
    table = results.table_5_1(done)
    assert list(table)[:4] == ["accuracy", "SOP_accuracy", "perplexity", "copying"]
    assert table.SOP_accuracy.notna().sum() == 5
    check_meanings(done, scatter=0.04)
    assert results.sizes(done).loc[("mitochondrial", "Longformer", "9-mer", "MLM"), "genomes"] == 10


@pytest.mark.trained
@pytest.mark.parametrize(
    "figure",
    [
        *(figures.figure_5_1, figures.figure_5_2, figures.figure_5_3, figures.figure_5_4),
        *(figures.relatives, figures.map_by_order, budgets.by_samples),
    ],
)
def test_figures_of_the_smoke_runs_have_no_empty_panel(figure):
    for axes in figure(smoke().here()).axes.flat:
        assert axes.has_data()
    plt.close("all")
