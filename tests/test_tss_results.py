"""The tables and figures of chapter 3, from recorded runs and from those of the smoke profile."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dnakit import store
from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.tss import control_results, results
from dnakit.chapters.tss.evaluating import windows_of
from dnakit.chapters.tss.parameters import KINDS
from dnakit.project import DnakitError
from dnakit.report.finished import Finished, recorded
from dnakit.report.intervals import wilson

pytestmark = pytest.mark.slow

NOTHING = Finished("this run", "smoke", {})
TABLES = (results.trainings, results.nine, results.control, results.fair, results.table_5_2, results.errors)
TABLES += (control_results.ties, control_results.differences)


@pytest.fixture(scope="module")
def smoke():
    return chapter_of("03_tss", "smoke").here()


@pytest.mark.parametrize("table", TABLES)
def test_tables_of_nothing_are_empty(table):
    assert table(NOTHING).empty


@pytest.mark.parametrize("table", TABLES)
def test_recorded_tables_are_complete(table):
    found = table(recorded("03_tss")).select_dtypes("number")
    assert len(found) > 3
    assert np.isfinite(found.to_numpy(float)).all()


def test_a_recorded_evaluation_holds_what_the_trainings_recorded():
    """The scores on test windows alone are those of the training itself, and belong to the organism trained on."""
    done = recorded("03_tss")
    known = {}
    for name, run in done.items():
        if "initialization" in run.record.get("parameters", {}):
            known[name] = run, run.metrics["test"]
        elif name.startswith("baselines"):
            known |= {f"{name}-{method}": (run, test) for method, test in run.metrics["test"].items()}
    held = 0
    for run in done.values():
        for found in run.metrics.get("test_only", {}).values():
            for method, scores in found.items():
                trained, test = known[method]
                assert scores == test
                assert trained.record["source_sha256"] == run.record["source_sha256"]
                held += 1
    assert held == 13 + 3 + 2 + 3  # models and simple methods, human and yeast


def test_intervals_count_promoters_and_not_samples():
    """Beside the accuracy of each of the nine trainings: 55 promoters in 300 samples are 55."""
    done = recorded("03_tss")
    for run in results.the_nine(done).values():
        test = run.metrics["test"]
        assert (test["samples"], results.promoters_tested(run)) == (300, 55)
        assert results.interval_of_test(run) == wilson(test["accuracy"], 55)
    shown = results.control_with_intervals(done)
    assert shown[list(KINDS)].equals(results.control(done))
    assert shown.loc["trained on promoters", "promoters, 95% interval"] == str(wilson(238 / 300, 55))
    expected = control_results.ties(done).expected["H. sapiens"]
    assert shown.loc["the rule", "promoters"] == expected
    assert shown.loc["the rule", "promoters, 95% interval"] == str(wilson(expected, 548))
    assert shown.loc["trained on random positions", "random DNA, 95% interval"] == str(wilson(259 / 300, 300))


def test_a_comparison_is_open_where_its_interval_holds_zero():
    table = control_results.differences(results.the_nine(recorded("03_tss")))
    for _, row in table.iterrows():
        low, high = map(float, row["95% interval"].split(" to "))
        assert low <= row.difference <= high
        assert (row.verdict == "open") == (low <= 0 <= high)
    assert table.verdict["nuclear or mitochondria, dropout 0.1"] == "open"
    assert (table.verdict[table.index.str.contains("dropout 0 or 0.2")] == "open").all()
    assert table.verdict["nuclear or none, dropout 0.1"] == "the first is higher"


def test_the_expectation_lies_between_what_the_choices_give():
    table = control_results.ties(recorded("03_tss"))
    choices = table[["last", "first"]]
    assert ((table.expected > choices.min(axis=1) - 0.003) & (table.expected < choices.max(axis=1) + 0.003)).all()
    assert (table["no seam"] < 0.05).all()
    assert control_results.expected(recorded("03_tss"))["promoters"] == table.expected["H. sapiens"]


def test_every_recorded_run_is_real_and_says_where_it_came_from():
    for run in recorded("03_tss").values():
        assert run.record["simulated"] is False
        assert not run.record["environment"]["commit"].endswith("+changes")


def test_an_evaluation_of_an_older_version_is_refused(tmp_path):
    store.write_json(tmp_path / "metrics.json", {"thesis": {}, "fair": {}})
    store.write_json(tmp_path / "run.json", {"kind": "promoters", "main": True})
    with pytest.raises(DnakitError, match="older version: delete this folder"):
        results.control(Finished("this run", "smoke", {"on-a": tmp_path}))


@pytest.mark.parametrize(
    ("draw", "label", "curves"),
    [
        (results.draw_losses, "loss (nats per sample)", [9, 9]),
        (results.draw_training_accuracy, "training accuracy", [3, 3, 3]),
        (results.draw_validation_accuracy, "validation accuracy", [3, 3, 3]),
    ],
)
def test_a_figure_shows_the_nine_trainings(draw, label, curves):
    grid = draw(recorded("03_tss"))
    assert grid.axes.flat[0].get_ylabel() == label
    assert [sum(len(line.get_xdata()) == 10 for line in axes.lines) for axes in grid.axes.flat] == curves
    assert {text.get_text() for text in grid.legend.texts} >= {"nuclear", "mitochondria", "none", "0", "0.1", "0.2"}
    plt.close(grid.figure)


def test_the_attribution_says_whose_promoters_and_how_often_the_model_is_right():
    done = recorded("03_tss")
    above, below = results.draw_attribution(done).axes
    profile = done["attribution"].frame("attribution.csv")
    curve = next(line for line in above.lines if len(line.get_xdata()) == len(profile))
    assert curve.get_xdata()[np.argmax(curve.get_ydata())] == profile.place[profile["mean"].argmax()]
    right = done["fair-other-nuclear"].metrics["test"]["accuracy"]
    assert above.get_title() == f"S. cerevisiae, a model with accuracy {right:.1%}"
    assert below.get_xlabel() == "bases from the TSS"
    plt.close("all")
    assert results.draw_attribution(NOTHING) is None


# ---- the smoke profile


@pytest.mark.trained
def test_the_smoke_runs_fill_every_table(smoke):
    """The rule needs no training: what it finds with and without a seam decides at any scale."""
    decided = results.control(smoke)
    assert (decided.loc["the rule"] > 0.75).all()
    assert (decided.loc["the rule, 5,000 bases before the TSS"] > 0.75).all()
    assert (decided.loc["no seam: the rule"] < 0.1).all()
    for table in TABLES:
        assert np.isfinite(table(smoke).select_dtypes("number").to_numpy(float)).all()
    assert len(results.trainings(smoke)) == 17
    assert results.fair(smoke).index.get_level_values(0).unique().tolist() == ["Simulated A", "Simulated B"]
    assert results.errors(smoke).index.tolist() == ["Simulated A", "Simulated B", "Simulated C"]
    assert all(run.record["simulated"] for run in smoke.values())
    runs = chapter_of("03_tss", "smoke").runs  # a record may have the name of chapter 6, which shares some of these
    assert {name: run.record["key"] for name, run in smoke.items()} == {name: runs[name].key for name in smoke}


@pytest.mark.trained
def test_no_table_shows_a_model_promoters_it_was_trained_on(smoke):
    test, rows = smoke["promoters"].metrics["test"], results.table_5_2(smoke)
    assert results.control(smoke).promoters["trained on promoters"] == test["accuracy"]
    other = smoke["fair-other-nuclear"]
    assert rows.accuracy["Simulated A"] == with_interval(test["accuracy"], smoke["promoters"])
    assert rows["fair, other"]["Simulated B"] == with_interval(other.metrics["test"]["accuracy"], other)
    simple = smoke["baselines"].metrics["test"]["k-mers"]
    assert results.errors(smoke)["k-mers"]["Simulated A"] == simple["median_error_bp"]
    assert rows.accuracy["Simulated C"].startswith(
        f"{smoke['on-simulated-c'].metrics['thesis']['promoters']['accuracy']:.3f} ["
    )


def with_interval(accuracy, trained):
    """As a table shows it; n is the promoters that the training was tested on."""
    return results.with_interval(accuracy, results.promoters_tested(trained))


@pytest.mark.trained
def test_the_users_own_windows_are_a_row(tmp_path):
    windows = windows_of(chapter_of("03_tss", "smoke").runs["on-simulated-c"]).take(range(20))
    path = tmp_path / "mine.fa"
    path.write_text("".join(f">p{i}\n{each.decode()}\n" for i, each in enumerate(windows.sequences)))
    chapter = chapter_of("03_tss", "smoke", {"organisms": [f"{path}@{windows.site}"]})
    run = chapter.runs[f"on-mine.fa@{windows.site}"]
    ties = chapter.runs[f"rule-ties-mine.fa@{windows.site}"]
    table = results.table_5_2(Finished("this run", "smoke", {each.name: each.folder() for each in (run, ties)}))
    assert table.index.tolist() == ["mine.fa"]
    assert np.isfinite(table.select_dtypes("number").to_numpy(float)).all()
