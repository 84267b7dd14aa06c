"""The benchmark: its splits have names that the data decide, its lines are checked, its results recorded ones."""

import json
import re

import pandas as pd
import pytest

from dnakit.chapters.chapter import chapter_of, run_names
from dnakit.chapters.metagenomics import comparing, tasks
from dnakit.data.formats import read_fasta
from dnakit.project import DnakitError, root
from dnakit.report import benchmark
from dnakit.report.finished import recorded
from dnakit.report.intervals import Interval
from dnakit.report.measured import run_name

RUNS = run_names()
HEADER = "task,method,kind,measure,interval,value,low,high,source\n"


def test_a_line_that_anyone_adds_stands_in_the_table_by_its_value(tmp_path):
    path = tmp_path / "benchmark.csv"
    path.write_text(HEADER + "12s-known,mine,model,,,0.75,0.7,0.8,a paper\n12s-known,worse,simple,,,0.5,,,a page\n")
    task = next(task for task in benchmark.tasks() if task.id == "12s-known")
    table = benchmark.result_table(task, [*benchmark.results(RUNS), *benchmark.results(RUNS, path)])
    assert table.loc["mine", task.metric] == "0.750"
    assert table.loc["mine", "95% interval"] == "0.700 to 0.800"
    values = [float(value) for value in table[task.metric] if value != benchmark.NOT_RECORDED]
    assert values == sorted(values, reverse=True)
    assert table.index[-1] == "worse"


def test_the_overview_has_the_best_of_each_kind(tmp_path):
    path = tmp_path / "benchmark.csv"
    lines = ["12s-known,better,model,,,0.999,,,a paper", "masked-bases,better,simple,,,0.5,,,a page"]
    path.write_text(HEADER + "\n".join(lines) + "\n")
    results, tasks = benchmark.results(RUNS), benchmark.tasks()
    before = benchmark.overview(tasks, results)
    after = benchmark.overview(tasks, [*results, *benchmark.results(RUNS, path)])
    assert list(before.index) == [task.title for task in tasks]
    changed = {(row, column) for row in before.index for column in before if before[column][row] != after[column][row]}
    title = {task.id: task.title for task in tasks}
    assert changed == {(title["12s-known"], "model"), (title["masked-bases"], "simple")}
    assert after.loc[title["12s-known"], "model"] == "0.999"


def test_the_take_away_names_the_kind_that_is_best_of_each_task(tmp_path):
    path = tmp_path / "benchmark.csv"
    lines = ["12s-known,better,model,,,0.999,,,a paper", "12s-new-species,worse,program,,,0.1,,,a page"]
    path.write_text(HEADER + "\n".join(lines) + "\n")
    tasks = [task for task in benchmark.tasks() if task.id.startswith("12s")]
    known, amplicon, new_species = (task.title for task in tasks)
    named = benchmark.best_in_words(tasks, benchmark.results(RUNS, path)).splitlines()
    assert named == [
        f"* **a program**: {new_species}.",
        f"* **a model**: {known}.",
        f"* **{benchmark.NOT_RECORDED}**: {amplicon}.",
    ]


def test_no_recorded_method_is_surely_above_the_ceiling():
    results = benchmark.results(RUNS)
    found = {(result.task, result.kind): result.found for result in results if result.kind == "ceiling"}
    assert len(found) == 3
    for result in results:
        ceiling = found.get((result.task, "ceiling"))
        if ceiling is not None and result.found is not None:
            assert result.found.interval.low <= ceiling.interval.high, result.method


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("12s-unknown,mine,model,,,0.75,,,a paper", "did you mean '12s-known'"),
        ("12s-known,mine,model,,,0.75,,,", "needs a source"),
        ("12s-known,mine,model,,,,,,a paper", "either a measure"),
        ("12s-known,mine,model,,,0.75,0.8,0.9,a paper", "between low and high"),
        ("12s-known,mine,model,,,0.75,0.7,,a paper", "both low and high"),
        ("12s-known,mine,model,,,much,,,a paper", "value"),
        ("12s-known,mine,model,,,nan,,,a paper", "value"),
        ("12s-known,mine,model,,,inf,,,a paper", "value"),
        ("12s-known,mine,model,,,78,74,82,a paper", "the value 78 is impossible"),
        ("12s-known,mine,model,,,0.95,0.9,1.2,a paper", "the high 1.2 is impossible"),
        ("masked-bases,mine,model,,,-1.2,,,a paper", "the value -1.2 is impossible"),
        ("12s-known,first,model,,,0.75,,,a paper", "a line for 'first' already"),
        ("12s-known,mine,magic,,,0.75,,,a paper", "kind"),
        ("12s-known,mine,model", "one value for each of task"),
        ("12s-known,mine,model,04_metagenomics/fair-serch:a,,,,,", "did you mean 'fair-search'"),
        ("12s-known,mine,model,04_metagenomic/fair-search:a,,,,,", "did you mean '04_metagenomics'"),
    ],
)
def test_a_wrong_line_is_named_in_one_line(tmp_path, line, wrong):
    path = tmp_path / "benchmark.csv"
    path.write_text(f"{HEADER}12s-known,first,model,,,0.75,,,a paper\n{line}\n")
    with pytest.raises(DnakitError, match=r"benchmark\.csv, line 3") as caught:
        benchmark.results(RUNS, path)
    assert wrong in str(caught.value)
    assert "\n" not in str(caught.value)


def test_recorded_results_are_numbers_of_their_runs():
    results = benchmark.results(RUNS)
    found = {(result.task, result.method): result.found for result in results}
    assert len(found) == len(results)
    share = found["12s-known", "vsearch"]
    table = recorded("04_metagenomics")["fair-vsearch"].frame("accuracy.csv")
    row = table[(table.level == "known") & (table.form == "gene") & (table["rank"] == "species")].iloc[0]
    assert (share.value, *share.interval) == (row.share, row.low, row.high)
    area = recorded("05_chromatin")["simple-chromosomes"].metrics["methods"]["6-mers"]["kinds"]["TF"]
    assert found["chromatin-tf", "6-mers, ridge regression"].value == area["auroc_mean"]
    assert sum(each is not None for each in found.values()) > 40


def test_a_number_that_a_recorded_run_lacks_is_named_with_its_line(tmp_path):
    path = tmp_path / "benchmark.csv"
    path.write_text(f"{HEADER}12s-known,mine,model,04_metagenomics/fair-search:reads_per_second.amplicons,,,,,\n")
    with pytest.raises(DnakitError, match=r"benchmark\.csv, line 2: .* did you mean 'reads_per_second.amplicon'"):
        _ = benchmark.results(RUNS, path)[0].found


def test_the_name_of_a_split_changes_with_its_data_and_with_nothing_else(tmp_path, monkeypatch):
    record = {"source_sha256": "abc", "parameters": {"seed": 1}, "seconds": 3.0}
    (tmp_path / "metrics.json").write_text("{}")
    task = next(task for task in benchmark.tasks() if task.id == "12s-known")

    def name(**changed):
        (tmp_path / "run.json").write_text(json.dumps(record | changed))
        monkeypatch.setattr(benchmark, "runs_of", lambda _: {"": benchmark.FinishedRun("run", tmp_path)})
        return task.split_name

    assert re.fullmatch(r"12s-known@[0-9a-f]{12}", name())
    assert name() == name(seconds=4.0)
    assert name() != name(source_sha256="abd")
    assert name() != name(parameters={"seed": 2})


def test_rows_of_masked_bases_name_the_genomes_and_epochs_of_their_training():
    done = recorded("02_pretraining")
    rows = [result for result in benchmark.results(RUNS) if result.task == "masked-bases"]
    for result in rows:
        name = run_name(result.measure)[1]
        run = done[name.removeprefix("ruler-")]
        assert run.record["corpus"]["tokenization"] == "9-mer", "bits of other words do not compare"
        assert ("every base" in result.method) == ("Markov" in result.method)
        assert f"{run.record['genomes']['train']:,} genomes" in result.method
        epochs = run.value("record.parameters.epochs")
        named = re.search(r"(\d+) epochs?", result.method)
        assert (int(named[1]) if named else None) == epochs
    assert len(rows) == 12


def test_an_interval_from_elsewhere_stands_where_a_result_has_none():
    task = next(task for task in benchmark.tasks() if task.id == "masked-bases")
    results = benchmark.results(RUNS)
    first = next(result for result in results if result.task == task.id)
    around = {first.measure: Interval(0.5, 2.5)}
    assert benchmark.result_table(task, results, around).loc[first.method, "95% interval"] == "0.500 to 2.500"
    assert benchmark.result_table(task, results).loc[first.method, "95% interval"] == ""
    human = next(task for task in benchmark.tasks() if task.id == "tss-human")
    recorded_ones = benchmark.result_table(human, results, {})["95% interval"]
    assert benchmark.overview([human], results).loc[human.title, "simple"].endswith(f"({recorded_ones.iloc[0]})")


def test_each_task_says_how_many_things_are_tested():
    found = {task.id: task.tested_on for task in benchmark.tasks()}
    windows = recorded("03_tss")["baselines"].record["windows"]["test"]
    assert found["tss-human"] == f"{windows} promoters"
    assert found["tss-yeast"] == "300 promoters", "of 464, each once"
    table = recorded("04_metagenomics")["fair-search"].frame("accuracy.csv")
    assert found["12s-known"] == f"{table[(table.level == 'known') & (table.form == 'gene')].reads.iloc[0]} reads"


def test_no_interval_counts_more_promoters_than_were_asked_about():
    for result in benchmark.results(RUNS):
        if result.task.startswith("tss"):
            notebook, name = run_name(result.measure)
            run = recorded(notebook)[name]
            place = result.measure.partition(":")[2].removesuffix("within_50_bp") + "samples"
            assert 0 < result.found.count <= min(run.record["windows"]["test"], run.value(f"metrics.{place}"))


@pytest.mark.parametrize("form", tasks.FORMS)
def test_the_page_s_lines_write_the_reads_that_were_scored(tmp_path, monkeypatch, form):
    page = (root() / "notebooks" / "09_benchmark.py").read_text(encoding="utf-8")
    lines = page.partition("# ```python\n")[2].partition("# ```\n")[0].splitlines()
    monkeypatch.chdir(tmp_path)
    exec("\n".join(line[2:] for line in lines).replace('"gene"', repr(form)).replace('"laptop"', '"smoke"'), {})
    chapter = chapter_of("04_metagenomics", "smoke")
    records, asked = comparing.reference_and_asked(chapter.runs["fair-search"])
    expected = {"records": records, "reads": tasks.shown(asked, form, chapter.parameters.seed)}
    for name, rows in expected.items():
        found = [(record.name, record.sequence) for record in read_fasta(tmp_path / f"{name}.fa")]
        assert found == list(zip(rows["name"], rows["sequence"], strict=True))
        assert pd.read_csv(tmp_path / f"{name}.csv", dtype=str)["species"].tolist() == rows["species"].tolist()
    assert not set(found) & set(zip(records["name"], records["sequence"], strict=True))
