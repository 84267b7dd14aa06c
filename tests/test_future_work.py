"""Chapter 10 from end to end: equal costs, numbers that agree with each other, and prose where nothing is run."""

import zipfile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.future_work import context_measures, context_runs, read_runs, results, sentences
from dnakit.chapters.future_work.parameters import CONTEXTS
from dnakit.chapters.future_work.reads import task
from dnakit.data import sources
from dnakit.project import DnakitError
from dnakit.report import finished
from dnakit.report.finished import Finished
from dnakit.report.intervals import Estimate, of_seeds

NOTEBOOK = "10_future_work"
SMALL = {"species": 6, "reads": 3, "test_reads": 4, "samples": 32, "evaluated": 10, "probed": 12, "batch_size": 16}


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path_factory.mktemp("data")))
    yield chapter_of(NOTEBOOK, "smoke", SMALL)
    monkeypatch.undo()


@pytest.fixture(scope="module")
def done(chapter):
    return chapter.here()


def test_every_run_has_a_key_of_its_own_and_a_parameter_moves_only_the_runs_it_decides():
    def keys(**changed):
        return {name: run.key for name, run in chapter_of(NOTEBOOK, "smoke", changed).runs.items()}

    plain = keys()
    assert len(set(plain.values())) == len(plain)
    reads = {name for name in plain if name.startswith("reads-")}
    assert {name for name, key in keys(reads=5).items() if key != plain[name]} == reads - {read_runs.METHODS_RUN}
    assert {name for name, key in keys(window=315).items() if key != plain[name]} == plain.keys() - reads


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"window": 100}, "multiple of 9"),
        ({"lowered": [5, 0]}, "from small to large"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(changed, message):
    with pytest.raises(DnakitError, match=message):
        chapter_of(NOTEBOOK, "smoke", changed)


def test_more_species_or_chromosomes_than_there_are_are_refused(chapter, tmp_path):
    for changed, name, message in (
        ({"species": 500}, read_runs.METHODS_RUN, "lower 'species'"),
        ({"held_out": ["chrZ"]}, context_runs.METHODS_RUN, "no chromosome chrZ"),
    ):
        run = chapter_of(NOTEBOOK, "smoke", SMALL | changed).runs[name]
        with pytest.raises(DnakitError, match=message):
            run.compute(tmp_path)


def test_records_that_the_taxonomy_does_not_know_are_told(tmp_path, capsys):
    with zipfile.ZipFile(sources.fetch("simulated-barcodes-taxonomy")) as artifact:
        [table] = (name for name in artifact.namelist() if name.endswith("taxonomy.tsv"))
        lines = artifact.read(table).splitlines(keepends=True)
    shorter = tmp_path / "taxonomy.tsv"
    shorter.write_bytes(b"".join(lines[:-1]))
    task(chapter_of(NOTEBOOK, "smoke", SMALL | {"taxa": str(shorter)}).parameters)
    assert f"1 of {len(lines) - 1} records" in capsys.readouterr().err


@pytest.mark.slow
def test_replaced_tokens_cost_what_masked_ones_cost(done):
    masked, replaced = (done[f"pretraining-{way}-seed-1"].record for way in ("natural", "replaced-tokens"))
    assert replaced["operations"]["sample"] > masked["operations"]["sample"]
    assert replaced["samples"]["train"] < masked["samples"]["train"]
    one_sample = replaced["operations"]["sample"]
    assert replaced["operations"]["all"] == pytest.approx(masked["operations"]["all"], abs=one_sample)


@pytest.mark.slow
def test_costs_of_windows_add_up_to_the_loss_that_the_trainer_saw(done):
    """Both evaluate all masked tokens of the same windows, with masks of their own: the means are close."""
    run = done["pretraining-natural-seed-1"]
    table = run.frame("costs.csv")
    assert table["context"].value_counts().to_dict() == dict.fromkeys(CONTEXTS, 10)
    assert results._bits(table, np.arange(len(table))) < 3
    assert context_measures.bits(table)["coding"] == pytest.approx(run.metrics["bits"]["coding"], rel=1e-3)


@pytest.mark.slow
def test_all_reads_and_windows_are_evaluated_by_every_run(done):
    for run in results.of_reads(done).values():
        named = run.metrics.get("right") or run.metrics["methods"]["k-mers"]["right"]
        assert {len(digits) for digits in named.values()} == {SMALL["species"] * SMALL["test_reads"]}, run.name
    for run in results.of_contexts(done).values():
        assert len(run.metrics["probe"]["right"]) == len(CONTEXTS) * SMALL["evaluated"], run.name


@pytest.mark.slow
def test_tables_figure_and_prose_of_a_finished_chapter(done):
    reads, contexts = results.of_reads(done), results.of_contexts(done)
    assert results.NOT_RUN not in results.reads_table(reads).to_string()
    assert results.NOT_RUN not in results.bits_table(contexts).to_string() + results.probe_table(contexts).to_string()
    for said in (
        sentences.said_of_methods,
        sentences.said_of_models,
        sentences.said_of_balance,
        sentences.said_of_replaced,
    ):
        assert "not run" not in said(done)


@pytest.mark.slow
def test_what_is_not_run_is_said_to_be_not_run(done):
    names = (context_runs.METHODS_RUN, read_runs.METHODS_RUN)  # recorded runs come in the order of their names
    simple = Finished("recorded", "", {name: done.folders[name] for name in names})
    assert (results.reads_table(results.of_reads(simple)) == results.NOT_RUN).any(axis=None)
    assert (results.bits_table(results.of_contexts(simple)) == results.NOT_RUN).any(axis=None)
    assert "not run" not in sentences.said_of_methods(simple)
    for said in (sentences.said_of_models, sentences.said_of_balance, sentences.said_of_replaced):
        assert "not run" in said(simple)


def test_nothing_run_gives_empty_tables_and_whole_sentences():
    nothing = Finished("recorded", "", {})
    for make in (results.reads_table, results.contexts_table, results.bits_table, results.probe_table):
        assert make(nothing).empty
    assert results.draw_reads(nothing) is None
    for said in (
        sentences.said_of_methods,
        sentences.said_of_models,
        sentences.said_of_balance,
        sentences.said_of_replaced,
    ):
        assert "not run" in said(nothing)


def test_an_interval_by_groups_is_wider_where_reads_of_a_group_agree():
    values = np.repeat(np.array([0.0, 1.0] * 20), 10)
    single = results.mean_and_interval(values, np.arange(len(values)))
    grouped = results.mean_and_interval(values, np.repeat(np.arange(40), 10))
    assert grouped.value == 0.5
    assert grouped.high - grouped.low > 2 * (single.high - single.low)


def test_reads_of_a_species_are_drawn_together(tmp_path):
    (tmp_path / "run.json").write_text('{"test_reads": 3}')
    (tmp_path / "metrics.json").write_text("{}")
    done = Finished("recorded", "laptop", {read_runs.METHODS_RUN: tmp_path})
    assert results._species(done, np.zeros(6)).tolist() == [0, 0, 0, 1, 1, 1]  # as `Task.draw` lays them


def test_the_difference_of_a_table_with_itself_is_zero():
    rng = np.random.default_rng(2)
    table = pd.DataFrame(
        {"context": np.repeat(CONTEXTS, 30), "nats": rng.random(90) * 9, "bases": rng.integers(3, 9, 90)}
    )
    for name in (*CONTEXTS, "mean"):
        values, interval = results.compared_bits([(table, table)], name)
        assert (values.tolist(), interval) == ([0.0], (0.0, 0.0, 0.0))
    worse = table.assign(nats=table["nats"] * 1.5)
    values, interval = results.compared_bits([(worse, table)], "other")
    assert interval.low > 0
    assert values[0] == pytest.approx(0.5 * results._bits(table, results._rows(table, "other")))
    beyond, around = results.compared_bits([(worse, table)], "other", [(worse, table)])
    assert beyond.tolist() == [0.0]
    assert around == (0.0, 0.0, 0.0)


def test_seeds_that_differ_widen_an_interval_and_one_seed_decides_nothing():
    windows = Estimate(-0.006, -0.009, -0.004)
    assert results.with_seeds(windows, [-0.006]) == windows
    both = results.with_seeds(windows, [-0.004, -0.0088])
    assert both[1:] == of_seeds([-0.004, -0.0088])
    assert both.low < windows.low < windows.high < 0 < both.high
    assert results.with_seeds(windows, [-0.0064, -0.0064]) == windows
    assert sentences._decided(windows, 1, "above", "below") == "open"
    assert sentences._decided(windows, 2, "above", "below") == "below"
    assert sentences._decided(both, 2, "above", "below") == "open"


def test_gains_by_quality_are_said_by_what_their_intervals_decide():
    done = finished.recorded("10_future_work")
    text = sentences.said_of_methods(done)
    helped, harmed = text.partition("Qualities harm:")[::2]
    compared = [(method, less) for method in results.with_quality() for less in results.all_lowered(done)]
    for method, less in compared:
        named = f"{method} ({results.errors_of(done, less)})"
        gain = results.gain_of(done, method, less)
        assert (named in helped, named in harmed) == (gain.low > 0, gain.high < 0), named
    zero = sum(results.gain_of(done, *each).open for each in compared)
    assert f"In {zero} of {len(compared)} comparisons the interval holds zero." in text


def test_the_gain_of_balancing_counts_seeds_and_is_less_beyond_token_frequencies():
    done = finished.recorded(NOTEBOOK)
    pairs, frequencies = (results.pairs_of(done, kind) for kind in (results.LONGFORMER, results.FREQUENCIES))
    values, interval = results.compared_bits(pairs, "mean")
    for name, seeds in (("natural", pairs), ("balanced", pairs)):
        recorded = [run.metrics["bits"]["mean"] for run in results.of_way(done, name)]
        column = 1 if name == "natural" else 0
        again = [
            np.mean([results._bits(pair[column], results._rows(pair[column], each)) for each in CONTEXTS])
            for pair in seeds
        ]
        assert again == pytest.approx(recorded, abs=1e-4)
    assert interval.low <= of_seeds(values.tolist()).low
    assert interval.high >= of_seeds(values.tolist()).high
    alone, _ = results.compared_bits(frequencies, "mean")
    beyond, _ = results.compared_bits(pairs, "mean", frequencies)
    assert alone.mean() < 0
    assert beyond.mean() == pytest.approx(values.mean() - alone.mean())


def test_what_frequencies_gain_by_balancing_is_said_by_their_own_interval(monkeypatch):
    done = finished.recorded(NOTEBOOK)
    alone = results.compared_bits(results.pairs_of(done, results.FREQUENCIES), "mean")[1]
    assert alone.high < 0
    assert f"Token frequencies alone: mean {alone:+.4f}, balancing is better." in sentences.said_of_balance(done)
    pairs_of = results.pairs_of
    same = {results.FREQUENCIES: lambda pairs: [(other, other) for _, other in pairs], results.LONGFORMER: list}
    monkeypatch.setattr(results, "pairs_of", lambda runs, kind: same[kind](pairs_of(runs, kind)))
    assert "Token frequencies alone: mean +0.0000 [+0.0000, +0.0000], open." in sentences.said_of_balance(done)


def test_the_figure_of_gains_shows_those_of_the_table_with_their_intervals():
    done = results.of_reads(finished.recorded(NOTEBOOK))
    table = results.reads_table(done)
    gains = table[[column for column in table if column.startswith("gain")]]
    shown = gains[(gains != "").all(axis=1)]
    figure = results.draw_reads(done)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == shown.index.tolist()
    lines = axes.lines[1:]  # the first stands at zero
    drawn = [
        f"{point.get_xdata()[0]:+.2f} [{bar.get_xdata()[0]:+.2f}, {bar.get_xdata()[1]:+.2f}]"
        for bar, point in zip(lines[::2], lines[1::2], strict=True)
    ]
    assert drawn == [cell for column in shown for cell in shown[column]]
    plt.close(figure)


def test_reads_are_called_simulated_where_their_genes_are_real():
    done = results.of_reads(finished.recorded(NOTEBOOK))
    assert "simulated reads" in done.provenance
    assert "200 species" in results.about_reads(done)
    assert results.about_reads(Finished("recorded", "", {})) == ""
