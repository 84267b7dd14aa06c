"""The tables and figures of chapter 3, from recorded runs and from those of the smoke profile."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import norm

from dnakit import store
from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.tss import control_results, results
from dnakit.chapters.tss.answers import by_promoter
from dnakit.chapters.tss.differences import minus, paired
from dnakit.chapters.tss.evaluating import windows_of
from dnakit.chapters.tss.parameters import KINDS
from dnakit.project import DnakitError
from dnakit.report.finished import Finished, recorded
from dnakit.report.intervals import wilson

pytestmark = pytest.mark.slow

NOTHING = Finished("this run", "smoke", {})
TABLES = (results.trainings, results.nine, results.control, results.fair, results.table_5_2, results.errors)
TABLES += (control_results.ties, control_results.differences)
KMERS = "k-mers, logistic regression"


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
    counts = {name: shown.loc[name, [f"{kind}, n" for kind in KINDS]].tolist() for name in shown.index}
    assert counts["the rule"] == [548, 548, 2_000]
    assert counts["trained on promoters"] == [55, 300, 300]
    assert counts["trained on random positions"] == [300, 300, 300]


def test_a_score_on_300_samples_counts_no_more_than_300_windows():
    """Of 464 yeast promoters and of 2,960 random positions, 300 are shown."""
    done = recorded("03_tss")
    fair, trained = results.fair(done), results.trainings(done)
    assert fair["test promoters"].groupby(level="promoters").unique().str[0].to_dict() == {
        "H. sapiens": 55,
        "S. cerevisiae": 300,
    }
    assert trained["test windows"].max() == 300
    for _, row in trained.iterrows():
        assert row["95% interval"] == str(wilson(row["test accuracy"], row["test windows"]))
    model = results.table_5_2(done).loc["H. sapiens"]
    assert (model.accuracy, model["same model, fair"]) == ("0.793 [0.67, 0.88], n = 55", "0.027 [0.01, 0.05], n = 300")


def test_a_comparison_is_open_where_its_interval_holds_zero():
    table = control_results.differences(results.the_nine(recorded("03_tss")))
    for _, row in table.iterrows():
        found = minus((row["first"], 55), (row.second, 55))
        assert row.difference == found.points
        low, high = found.low, found.high
        assert low <= found.value <= high
        assert row.verdict == ("open" if low <= 0 <= high else "higher" if low > 0 else "lower")
    assert table.verdict["nuclear or mitochondria, dropout 0.1"] == "open"
    assert (table.verdict[table.index.str.contains("dropout 0 or 0.2")] == "open").all()
    assert table.verdict["nuclear or none, dropout 0.1"] == "higher"


def test_k_mers_are_ahead_of_the_transformer_in_yeast_and_not_told_apart_in_human():
    table = results.fair(recorded("03_tss"))
    assert table.verdict.xs(KMERS, level="method").to_dict() == {"H. sapiens": "open", "S. cerevisiae": "higher"}
    over = minus((61 / 300, 300), (13 / 300, 300))
    assert table.loc[("S. cerevisiae", KMERS), results.OVER_PRETRAINED] == over.points


def test_what_is_said_beside_the_control_follows_from_its_table():
    done = recorded("03_tss")
    shown = results.control_with_intervals(done)
    few = control_results.separated(control_results.of_separated(done)).accuracy[control_results.FEW]
    many = shown.loc["trained on random positions", "promoters"], 300
    assert control_results.amount(done) == minus(many, (few, 548))
    assert control_results.longer(done) == minus((238 / 300, 55), (257 / 300, 55))
    for method, found in control_results.over_random_dna(done).items():
        assert found.value == shown.loc[method, "promoters"] - shown.loc[method, "random DNA"]
    ties = control_results.ties(done)
    pair = ties.loc[["P. falciparum", "S. cerevisiae"]]
    one, other = pair.expected
    mean = pair.expected.mean()  # both have as many promoters
    z = (one - other) / np.sqrt(2 * mean * (1 - mean) / pair.promoters.iloc[0])
    assert control_results.equal_in_all(pair, "expected") == pytest.approx(2 * norm.sf(abs(z)))
    assert control_results.equal_in_all(ties.assign(expected=0.5), "expected") == pytest.approx(1)
    yeast = minus((225 / 300, 300), (187 / 300, 300))
    assert f"S. cerevisiae {yeast.points} (higher)" in control_results.in_other_organisms(done)
    assert "H. sapiens" not in control_results.in_other_organisms(done)  # whose promoters it was trained on


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_the_trainings_that_separate_may_have_several_seeds(seeds, tmp_path):
    done = recorded("03_tss").only(lambda run: "-repeat-" not in run.name)
    folders = dict(done.folders)
    for repeat in range(1, seeds):
        run, name = done["promoters-apart"], f"promoters-apart-repeat-{repeat + 1}"
        folders[name] = tmp_path / name
        folders[name].mkdir()
        changed = {"test": run.metrics["test"] | {"accuracy": run.metrics["test"]["accuracy"] + 0.1 * repeat}}
        store.write_json(folders[name] / "metrics.json", changed)
        settings = run.record["parameters"] | {"repeat": repeat}
        store.write_json(folders[name] / "run.json", run.record | {"parameters": settings})
    table = control_results.separated(control_results.of_separated(Finished("recorded", "laptop", folders)))
    row = table.loc[control_results.ALONE]
    assert row.seeds == seeds == len(row["accuracy of each seed"].split(", "))
    assert row.accuracy == pytest.approx(221 / 300 + 0.05 * (seeds - 1))
    assert row["minus promoters"] == minus((row.accuracy, 55), (238 / 300, 55)).points
    assert table.seeds["promoters"] == 1


# ---- differences


def answers(right):
    """Of promoters that are shown once or several times each: a row of right (1) and wrong (0) answers for each."""
    promoters = [number for number, row in enumerate(right) for _ in row]
    return by_promoter(np.array(promoters), np.array([each for row in right for each in row]))


def test_a_difference_turns_its_sign_with_its_sides():
    for one, other in (((0.8, 55), (0.5, 300)), ((0.02, 55), (0.02, 55)), ((1.0, 9), (0.0, 9))):
        found, turned = minus(one, other), minus(other, one)
        assert found == pytest.approx((-turned.value, -turned.high, -turned.low))
        assert found.low <= found.value <= found.high
        assert {found.verdict, turned.verdict} in ({"open"}, {"higher", "lower"})


def test_promoters_that_are_hard_for_both_narrow_a_paired_difference():
    rng = np.random.default_rng(1)
    hard = rng.random((60, 1)) < 0.4
    one, other = ((~hard & (rng.random((60, 5)) < share)).astype(int) for share in (0.95, 0.9))
    found = paired([answers(one)], [answers(other)])
    apart = minus((one.mean(), 60), (other.mean(), 60))
    assert found.value == pytest.approx(apart.value)
    assert found.high - found.low < (apart.high - apart.low) / 2
    turned = paired([answers(other)], [answers(one)])
    assert turned.value == -found.value
    assert paired([answers(one)], [answers(one)]) == (0, 0, 0)
    assert paired([answers(one)] * 3, [answers(other)] * 3) == found  # no seed adds a promoter
    assert paired([answers([[1, 0]])], [answers([[1, 1]])]).verdict == "open"


@pytest.mark.parametrize("seeds", [1, 2])
def test_trainings_are_paired_over_the_seeds_that_both_have(seeds, tmp_path):
    folders = {}
    for name, few, right in (("apart", False, [[1, 1], [1, 0], [1, 1]]), ("few", True, [[0, 0], [0, 0], [1, 0]])):
        for repeat in range(seeds if few else 3):
            folder = folders[f"answers-{name}-{repeat}"] = tmp_path / f"{name}-{repeat}"
            folder.mkdir()
            answers(right).to_csv(folder / "answers.csv")
            asked = {"name": name, "few": few, "apart": not few, "repeat": repeat}
            store.write_json(folder / "run.json", {"answers_of": asked})
    done = Finished("recorded", "laptop", folders)
    table = control_results.paired_by_promoter(done)
    assert table.index.tolist() == [(control_results.ALONE, control_results.FEW)]
    row = table.iloc[0]
    assert (row.seeds, row.promoters, row.verdict) == (seeds, 3, "higher")
    assert [row["accuracy of the first"], row["of the second"]] == pytest.approx([5 / 6, 1 / 6])
    assert row["first minus second"] in control_results.paired_in_words(done)
    assert control_results.paired_by_promoter(NOTHING).empty
    assert "kept" in control_results.paired_in_words(NOTHING)


def test_recorded_answers_are_those_of_the_recorded_training():
    """The same samples, where the training was tested on promoters: the same accuracy."""
    done = recorded("03_tss")
    for run in control_results.of_answers(done).values():
        asked, found = run.record["answers_of"], run.frame("answers.csv")
        trained = done[asked["name"]]
        assert trained.record["key"] == asked["key"]
        assert (found["right"].sum() / found.samples.sum(), len(found)) == (run.metrics["accuracy"], 55)
        if not asked["few"]:
            assert run.metrics["accuracy"] == trained.metrics["test"]["accuracy"]


def test_the_expectation_lies_between_what_the_choices_give():
    table = control_results.ties(recorded("03_tss"))
    choices = table[["last", "first"]]
    assert ((table.expected > choices.min(axis=1) - 0.003) & (table.expected < choices.max(axis=1) + 0.003)).all()
    assert (table["no seam"] < 0.05).all()


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
    for name in ("promoters", "promoters-apart"):
        assert smoke[f"answers-{name}"].metrics["accuracy"] == smoke[name].metrics["test"]["accuracy"]
    assert len(control_results.paired_by_promoter(smoke)) == 3
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
    unseen = smoke["on-simulated-c"].metrics["thesis"]["promoters"]["accuracy"]
    assert rows.accuracy["Simulated C"] == results.with_interval(unseen, 8)
    assert rows.accuracy["Simulated C"].endswith(", n = 8")


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
