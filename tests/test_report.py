import base64
import csv
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.formatters import DisplayFormatter
from nbformat import v4
from PIL import Image

from book.check import chapters
from dnakit import metrics
from dnakit.project import DnakitError, root
from dnakit.report import display, places, style, tables
from dnakit.report.display import figure, prose, show, table
from dnakit.report.figures import curves
from dnakit.report.finished import Finished, recorded
from dnakit.report.thesis import beside, thesis_table

KEYS = ["model", "tokenizer"]


class Grid(HTMLParser):
    """The rows of a table as a browser lays them out: spans are filled, entities are decoded."""

    def __init__(self, source: str):
        super().__init__()
        self.rows, self.hanging, self.cell = [], {}, None
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.cell, self.spans = "", dict(attributes)

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.fill()
            for _ in range(int(self.spans.get("colspan", 1))):
                self.hanging[len(self.rows[-1])] = (self.cell, int(self.spans.get("rowspan", 1)) - 1)
                self.rows[-1].append(self.cell)
            self.cell = None
        elif tag == "tr":
            self.fill()

    def fill(self):
        row = self.rows[-1]
        while self.hanging.get(len(row), ("", 0))[1] > 0:
            text, left = self.hanging[len(row)]
            self.hanging[len(row)] = (text, left - 1)
            row.append(text)


def values(**measures):
    return pd.DataFrame({"model": "Longformer", "tokenizer": ["6-mer", "9-mer"], **measures})


cells = st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(-(10**6), 10**6), st.text("<&>|\"'aé*_", max_size=5))


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=6))
def test_every_cell_stands_in_its_place(rows):
    frame = pd.DataFrame(rows, columns=["<one>", "two"], dtype=object)
    grid = Grid(table(frame, "caption").html).rows
    assert grid[0] == ["<one>", "two"]
    for row, shown in zip(rows, grid[1:], strict=True):
        for value, text in zip(row, shown, strict=True):
            if value is None:
                assert text == tables.MISSING
            elif isinstance(value, float):
                assert float(text) == pytest.approx(value, abs=0.0005001)
            else:
                assert text.replace(",", "") == str(value)


def test_numbers_have_the_digits_asked_for():
    shown = table(values(accuracy=[0.88751, np.nan]), "caption", formats={"accuracy": ".4f"})
    assert [row[2] for row in Grid(shown.html).rows[1:]] == ["0.8875", "–"]
    assert "| 0.8875 |" in shown.text


def test_whole_numbers_stay_whole_beside_a_missing_one():
    this = values(genomes=[12345, 2000]).iloc[:1]
    shown = table(beside(values(genomes=[1, 2]), None, this, KEYS), "caption")
    assert [row[2:] for row in Grid(shown.html).rows[2:]] == [["1", "12,345"], ["2", "–"]]


def test_a_format_for_no_column_is_refused():
    with pytest.raises(DnakitError, match="acuracy"):
        table(values(accuracy=0.5), "caption", formats={"acuracy": ".4f"})


def test_sources_stand_side_by_side_under_their_names():
    recorded = values(accuracy=[0.1, 0.2]).iloc[::-1]
    this = pd.DataFrame({"model": ["Longformer", "ELMo"], "tokenizer": "9-mer", "accuracy": [0.7, 0.8]})
    frame = beside(values(accuracy=[0.3, 0.4]), recorded, this, KEYS)
    grid = Grid(table(frame, "caption", formats={"accuracy": ".1f"}).html).rows
    assert grid == [
        ["model", "tokenizer", "thesis", "recorded", "this run"],
        ["model", "tokenizer", "accuracy", "accuracy", "accuracy"],
        ["Longformer", "6-mer", "0.3", "0.1", "–"],
        ["Longformer", "9-mer", "0.4", "0.2", "0.7"],
        ["ELMo", "9-mer", "–", "–", "0.8"],
    ]


def test_nothing_recorded_yet_shows_as_missing_and_none_leaves_the_group_out():
    thesis = values(accuracy=[0.3, 0.4])
    assert set(beside(thesis, thesis.iloc[:0], None, KEYS).columns.get_level_values(0)) == {"thesis", "recorded"}
    assert beside(thesis, thesis.iloc[:0], None, KEYS)["recorded"].isna().all(axis=None)


@pytest.mark.parametrize(
    ("frame", "message"),
    [(values(accuracy=1).drop(columns="model"), "no column 'model'"), (pd.concat([values(), values()]), "two rows")],
)
def test_frames_that_cannot_be_matched_are_refused(frame, message):
    with pytest.raises(DnakitError, match=message):
        beside(values(accuracy=1), None, frame, KEYS)


def test_a_table_carries_number_caption_and_provenance_in_both_forms():
    shown = table(values(accuracy=0.5), "All <tokens> & more.", "5.1", "smoke · simulated")
    for text in (shown.html, shown.text):
        assert "Table 5.1 (thesis)." in text
        assert "smoke · simulated" in text
    assert "All &lt;tokens&gt; &amp; more." in shown.html
    assert "All <tokens> & more." in shown.text


def test_the_same_table_is_the_same_text_for_the_notebook():
    bundles = [DisplayFormatter().format(table(values(accuracy=0.5), "c", "B.1", "p"))[0] for _ in range(2)]
    assert bundles[0] == bundles[1]
    assert bundles[0].keys() == {"text/html", "text/plain"}


def drawn(size=(7.0, 3.9)):
    with style.theme():
        fig, axes = plt.subplots(figsize=size)
        for i, (name, colour) in enumerate(style.PALETTE.items()):
            noise = np.random.default_rng(i).normal(0, 0.03, 50)
            axes.plot(np.arange(50), np.exp(-np.arange(50) / (5 + i)) + noise, color=colour, label=name)
        axes.legend()
    return fig


def pixels(shown):
    """The image of a shown figure, opened."""
    data = re.search(r'src="data:image/png;base64,([^"]*)"', shown.html)[1]
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_the_same_drawing_is_the_same_small_png_and_the_figure_is_closed():
    before = plt.get_fignums()
    shown = [figure(drawn(), "Loss.", "5.1", "smoke · simulated") for _ in range(2)]
    assert shown[0] == shown[1]
    assert plt.get_fignums() == before
    data, _ = style.png(drawn())
    assert len(data) < 60_000
    assert not re.search(rb"matplotlib|20\d\d", data[:200])


def test_a_matplotlibrc_of_the_user_changes_no_figure(tmp_path):
    (tmp_path / "matplotlibrc").write_text("axes.facecolor: red\nfont.size: 40\nsavefig.transparent: True\n")
    ours, _ = style.png(drawn())
    with mpl.rc_context(fname=tmp_path / "matplotlibrc"):
        assert mpl.rcParams["font.size"] == 40
        theirs, _ = style.png(drawn())
        assert mpl.rcParams["font.size"] == 40  # outside the theme the user's own settings stand
    assert theirs == ours


def test_a_lone_mark_keeps_its_colour():
    with style.theme():
        fig, axes = plt.subplots()
        axes.plot(range(9), color="#222222")
        axes.plot([4], [2], "o", color=style.PALETTE["9-mer"])
    colours = np.asarray(pixels(figure(fig, "A mark.")).convert("RGB"), int)
    wanted = [int(style.PALETTE["9-mer"][at : at + 2], 16) for at in (1, 3, 5)]
    assert (np.abs(colours - wanted).max(-1) <= 8).sum() > 10


def test_a_figure_is_an_image_with_alternative_text_above_its_caption():
    shown = figure(drawn(), 'Loss <all> & "some". A dash is a guess.', "5.1", "smoke · simulated").html
    assert 'alt="Figure 5.1 (thesis). Loss &lt;all&gt; &amp; &quot;some&quot;."' in shown
    assert shown.count("A dash is a guess.") == 1
    assert shown.index("<img") < shown.index("dnakit-caption") < shown.index("smoke · simulated")


def test_the_text_of_a_figure_is_nine_points_or_more():
    fig = drawn()
    axes = fig.axes[0]
    texts = [axes.xaxis.label, axes.yaxis.label, axes.title, *axes.get_xticklabels(), *axes.get_legend().get_texts()]
    assert min(text.get_fontsize() for text in texts) >= 9
    plt.close(fig)


def test_each_tokenizer_has_a_colour_with_contrast_on_white():
    def luminance(colour):
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(colour)]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    assert len(set(style.PALETTE.values())) == 4
    assert min(1.05 / (luminance(colour) + 0.05) for colour in style.PALETTE.values()) >= 3


def test_the_png_has_more_pixels_than_the_page_shows():
    shown = figure(drawn(), "Loss.")
    assert pixels(shown).width == pytest.approx(1.1 * int(re.search(r'width="(\d+)"', shown.html)[1]), abs=1)


def test_the_small_png_keeps_the_palette():
    colours = {colour for _, colour in pixels(figure(drawn(), "Loss.")).convert("RGB").getcolors()}
    for wanted in style.PALETTE.values():
        rgb = np.array([int(wanted[i : i + 2], 16) for i in (1, 3, 5)])
        assert min(np.abs(rgb - colour).max() for colour in colours) <= 3


# ---- finished runs: recorded first, this run's below


def finished(folder, label="recorded", simulated=False, **accuracies):
    """Finished runs with one number each."""
    for name, accuracy in accuracies.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        environment = {"commit": "abc", "torch": "2.13", "processor": "a processor"}
        record = {"key": f"key-of-{name}", "simulated": simulated, "source": "some genomes", "source_sha256": "0123"}
        record |= {"parameters": {"seed": 1}, "environment": environment, "device": "cpu", "genomes": {"train": 9}}
        (folder / name / "run.json").write_text(json.dumps(record))
        (folder / name / "metrics.json").write_text(json.dumps({"accuracy": accuracy}))
    profile = "smoke" if simulated else "laptop"
    return Finished(label, profile, {name: folder / name for name in accuracies})


def accuracies(done):
    return done.table({"accuracy": "metrics.accuracy"})


def bars(done):
    return sns.catplot(accuracies(done).reset_index(), kind="bar", x="run", y="accuracy", height=2)


@pytest.fixture
def displayed(monkeypatch):
    outputs = []
    monkeypatch.setattr(display, "display", outputs.append)
    return outputs


def parts(output):
    """What a page shows of the recorded runs, and of this run."""
    outside, rest = output.html.split(display.THIS_RUN)
    inside, after = rest.split(display.END_OF_THIS_RUN)
    assert after.strip() == ""
    return outside, inside


def test_the_recorded_table_stands_first_beside_the_thesis_and_this_run_s_below_it(tmp_path, displayed):
    recorded = finished(tmp_path / "recorded", a=0.25, b=0.5)
    here = finished(tmp_path / "here", "this run", simulated=True, a=0.75)
    thesis = pd.DataFrame({"run": ["b", "a"], "accuracy": [0.9, 0.8]})
    show(accuracies, recorded, here, "Accuracies.", "5.1", thesis, ["run"], {"accuracy": ".2f"})
    first, second = parts(displayed[0])
    assert Grid(first).rows == [
        ["run", "thesis", "recorded"],
        ["run", "accuracy", "accuracy"],
        ["b", "0.90", "0.50"],
        ["a", "0.80", "0.25"],
    ]
    assert Grid(second).rows == [["run", "accuracy"], ["a", "0.75"]]
    assert "This run (smoke, simulated data)" in second
    assert '<details class="dnakit-this-run">' in second


def test_this_run_is_open_where_its_data_are_real_and_folded_where_they_are_simulated(tmp_path, displayed):
    recorded = finished(tmp_path / "recorded", a=0.25)
    for simulated in (False, True):
        here = finished(tmp_path / f"here-{simulated}", "this run", simulated, a=0.75)
        show(accuracies, recorded, here, "Accuracies.")
    assert [" open>" in output.html for output in displayed] == [True, False]


def test_this_run_s_figure_is_an_image_inside_the_fold(tmp_path, displayed):
    recorded = finished(tmp_path / "recorded", a=0.25)
    here = finished(tmp_path / "here", "this run", simulated=True, a=0.75)
    before = plt.get_fignums()
    show(bars, recorded, here, "Bars.")
    for part, alternative in zip(
        parts(displayed[0]), ("Bars.", "This run (smoke, simulated data): Bars."), strict=True
    ):
        assert part.count("<img") == 1
        assert f'alt="{alternative}"' in part
    assert plt.get_fignums() == before


def test_without_recorded_runs_this_run_stands_alone_and_without_any_that_is_an_error(tmp_path, displayed):
    nothing = Finished("recorded", "", {})
    here = finished(tmp_path, "this run", simulated=True, a=0.75)
    thesis = pd.DataFrame({"run": ["a"], "accuracy": [0.9]})
    show(accuracies, nothing, here, "Accuracies.", thesis=thesis, on=["run"])
    before, alone = parts(displayed[0])
    assert before == ""
    assert Grid(alone).rows[0] == ["run", "thesis", "this run"]
    assert '<details class="dnakit-this-run"' not in alone
    with pytest.raises(DnakitError, match=r"no finished run.*Accuracies"):
        show(accuracies, nothing, nothing, "Accuracies.")


def test_provenance_is_one_short_line_with_the_rest_behind_a_fold(tmp_path):
    done = finished(tmp_path, a=0.25, b=0.5)
    assert done.provenance == "recorded · laptop · some genomes, real · seed 1 · 2 runs"
    shown = table(accuracies(done), "Accuracies.", provenance=done)
    line, fold = shown.html.split("</summary>")
    assert line.endswith(done.provenance)
    for fact in ("sha256 0123", "<dd>abc</dd>", "a processor", "cpu", "key-of-a", "key-of-b", "9 genomes"):
        assert fact in fold
        assert fact not in shown.text
    assert fold.count("9 genomes") == 1  # runs that learned from equally much are named together


def test_a_run_that_measures_another_runs_model_is_not_said_to_have_learned_from_genomes():
    measured = recorded("02_pretraining").only(lambda run: run.name == "ruler-full-size")
    assert "genomes" in measured["ruler-full-size"].record
    assert " genomes: ruler-full-size" not in table(values(accuracy=0.5), "c", provenance=measured).html


def test_simulated_data_are_said_to_be_so(tmp_path):
    assert "some genomes, simulated" in finished(tmp_path, simulated=True, a=0.25).provenance


@pytest.mark.slow
def test_nbval_compares_recorded_numbers_and_not_those_of_this_run(tmp_path, displayed):
    notebook = v4.new_notebook()
    for number, changed in enumerate(("recorded", "here"), start=1):
        numbers = {"recorded": 0.25, "here": 0.25}
        for each in (numbers, numbers | {changed: 0.75}):  # as stored, as displayed when the notebook runs again
            recorded, here = (finished(tmp_path / part, part, part == "here", a=each[part]) for part in numbers)
            show(accuracies, recorded, here, "Accuracies.")
        before, after = (output._repr_mimebundle_() for output in displayed[-2:])
        code = f"from IPython.display import display\n\ndisplay({after!r}, raw=True)"
        cell = v4.new_code_cell(code, execution_count=number, outputs=[v4.new_output("display_data", before)])
        notebook.cells.append(cell)
    nbformat.write(notebook, tmp_path / "two.ipynb")
    sanitize = Path(__file__).with_name("nbval.cfg")
    options = [
        "--nbval",
        "--nbval-current-env",
        "--nbval-sanitize-with",
        str(sanitize),
        "-p",
        "no:cacheprovider",
        "-rA",
    ]
    command = [sys.executable, "-m", "pytest", "--rootdir", str(tmp_path), *options, str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False).stdout
    assert re.findall(r"(PASSED|FAILED) two\.ipynb::Cell (\d)", told) == [("PASSED", "1"), ("FAILED", "0")], told


def test_a_pattern_in_the_table_of_contents_stands_for_the_chapters_it_matches_in_their_order(tmp_path):
    (tmp_path / "_toc.yml").write_text("root: intro\nchapters:\n  - glob: chapters/*\n  - file: references\n")
    (tmp_path / "chapters").mkdir()
    for name in ("08_b", "02_a", "10_c"):
        (tmp_path / "chapters" / f"{name}.ipynb").touch()
    assert chapters(tmp_path) == ["intro", "chapters/02_a", "chapters/08_b", "chapters/10_c", "references"]


def test_curves_mark_the_thesis_s_final_values_at_the_right_edge_of_their_panel():
    histories = pd.DataFrame(
        {"epoch": [1, 2] * 2, "loss": [4.0, 3.0, 4.0, 2.0], "words": "6-mer", "tasks": list("aabb")}
    )
    thesis = pd.DataFrame({"loss": [1.5], "words": ["6-mer"], "tasks": ["b"]})
    with style.theme():
        grid = curves(histories, "loss", "loss (nats)", "words", col="tasks", palette=style.PALETTE, thesis=thesis)
    marks = {name: [line for line in axes.lines if line.get_marker() == "D"] for name, axes in grid.axes_dict.items()}
    assert marks["a"] == []
    assert [line.get_ydata()[0] for line in marks["b"]] == [1.5]
    assert marks["b"][0].get_xdata()[0] > 2
    assert grid.axes.flat[0].get_ylabel() == "loss (nats)"
    plt.close(grid.figure)


@pytest.mark.parametrize("values", [[0.0, 0.0], [np.nan, np.nan], []])
@pytest.mark.parametrize("log", [True, False])
def test_curves_without_a_value_say_so(values, log):
    histories = pd.DataFrame({"epoch": [1, 2], "accuracy": 0.0, "words": "6-mer", "tasks": "a"})[: len(values)]
    histories["accuracy"] = values
    grid = curves(histories, "accuracy", "accuracy", "words", col="tasks", palette=style.PALETTE, log=log)
    said = [text.get_text() for axes in grid.axes.flat for text in axes.texts]
    assert said.count("no value") == (0 if values == [0.0, 0.0] and not log else 1)
    plt.close(grid.figure)


def test_prose_takes_its_numbers_from_the_run():
    assert prose("Accuracy is {a:.2f}.", a=0.8875).data == "Accuracy is 0.89."
    with pytest.raises(DnakitError, match="'b'"):
        prose("{b}", a=1)


TABLES = sorted((root() / "data" / "thesis").glob("table_*.csv"))


def printed(number):
    """The characters of a thesis table, digits as printed."""
    path = root() / "data" / "thesis" / f"table_{number.replace('.', '_')}.csv"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines))


def test_all_eight_tables_are_there():
    assert len(TABLES) == 8
    for number in ["5.1", "5.2", "5.3", "5.4", "B.1", "B.2", "B.3", "B.4"]:
        assert len(thesis_table(number)) == len(printed(number))
    with pytest.raises(DnakitError, match=r"no table '5\.9'"):
        thesis_table("5.9")


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_published_values_lie_where_their_measure_can(path: Path):
    frame = thesis_table(path.stem.removeprefix("table_").replace("_", "."))
    for column in frame.select_dtypes(float):
        present = frame[column].dropna()
        if re.search("accuracy|precision|recall|AUC", column):
            assert present.between(0, 1).all()
        else:
            assert (present >= (1 if column == "perplexity" else 0)).all()


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_bold_names_columns_that_have_a_value(path: Path):
    for row in printed(path.stem.removeprefix("table_")):
        assert all(row[column] for column in (row.get("bold") or "").split())


def test_bold_of_table_5_1_is_the_best_three_as_the_thesis_chose_them():
    """Its third bold perplexity, 1.7797, is third only without the SOP rows: 1.7398 of one of those is lower."""
    rows = [row for row in printed("5.1") if row["language"] == "mitochondrial"]
    for column, among in [("accuracy", rows), ("SOP_accuracy", rows), ("perplexity", rows[:7])]:
        best = sorted((float(row[column]) for row in among if row[column]), reverse=column != "perplexity")[:3]
        assert {float(row[column]) for row in rows if column in row["bold"].split()} == set(best)


@pytest.mark.parametrize(
    ("accuracy", "skill"), [("0.8875", 0.167), ("0.9054", 0.299), ("0.8785", 0.100), ("0.9062", 0.305)]
)
def test_skill_of_the_published_accuracies(accuracy, skill):
    assert accuracy in {row["accuracy"] for number in ("5.1", "B.1") for row in printed(number)}
    assert metrics.skill(float(accuracy)) == pytest.approx(skill, abs=0.0005)


def test_longalbert_on_9_and_12_mers_has_no_skill():
    frame = thesis_table("5.1").query("model == 'Longalbert' and language == 'mitochondrial'")
    assert metrics.skill(frame.set_index("tokenizer").accuracy[["9-mer", "12-mer"]].max()) < 0.002


def test_baselines_of_appendix_b_are_the_rows_of_chapter_5():
    def same(appendix, chapter, **where):
        base = next(row for row in printed(appendix) if row["model"] == "Longformer (baseline)")
        row = next(r for r in printed(chapter) if all(r[k] == v for k, v in where.items()))
        shared = set(base) & set(row) - {"model", "bold", *where}
        assert shared
        assert {key: base[key] for key in shared} == {key: row[key] for key in shared}

    same("B.1", "5.1", language="mitochondrial", model="Longformer", tokenizer="9-mer", tasks="MLM")
    same("B.3", "5.3", pretraining="Mitochondria")
    same("B.4", "5.4", pretraining="Mitochondria")


def test_splits_add_up():
    sizes = thesis_table("dataset_sizes")
    total = sizes.genomes * sizes.resamplings
    assert (sizes.train + sizes.validation + sizes.test == total).all()
    assert (100 * sizes.train == 81 * total).all()
    assert (100 * sizes.validation == 9 * total).all()


def test_every_number_of_the_tables_is_a_claim_with_the_same_digits():
    claims = thesis_table("claims")
    assert claims.id.is_unique
    text = {"language", "model", "tokenizer", "tasks", "species", "description", "pretraining", "split"}
    for path in TABLES:
        number = path.stem.removeprefix("table_").replace("_", ".")
        rows = printed(number)
        told = claims[claims.id.str.startswith(f"{number}-")].value
        cells = [v for row in rows for k, v in row.items() if v and k not in text | {"input_tokens", "epochs", "bold"}]
        assert sorted(told) == sorted(cells)


def test_quotations_are_short_and_findings_belong_to_a_chapter():
    claims = thesis_table("claims")
    assert all(len(quote.split()) < 20 for claim in claims.claim for quote in re.findall("“([^”]*)”", claim))
    assert set(claims.kind) == {"number", "finding"}
    assert claims.value[claims.kind == "number"].notna().all()
    assert claims.chapter.str.fullmatch(r"0[1-7]_[a-z_]+").all()


# ---- the thesis's figures and tables have their places


def test_every_figure_and_table_of_the_thesis_has_its_place():
    found = places.table_of_places()
    expected = {f"Table {number}" for number in ("5.1", "5.2", "5.3", "5.4", "B.1", "B.2", "B.3", "B.4")}
    expected |= {f"Figure {number}" for number in (*(f"5.{n}" for n in range(1, 16)), "B.1", "B.2")}
    assert set(found.kind + " " + found.number) == expected
    without = set((found.kind + " " + found.number)[found.notebook == ""])
    chapter_6 = {name for name in expected if "B." in name}
    assert without == (set() if "06_appendix_b" in {place.notebook for place in places.places()} else chapter_6)


def test_a_range_of_figures_is_each_of_them(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    shown = {"data": {"text/plain": ["Figures 5.11 to 5.13 (thesis). Wrong names"]}}
    cells = [
        {"cell_type": "markdown", "source": ["# 4 Names\n", "## Wrong names\n"]},
        {"cell_type": "code", "source": [], "outputs": [shown]},
    ]
    (tmp_path / "notebooks" / "04_names.ipynb").write_text(json.dumps({"cells": cells}))
    monkeypatch.setattr(places, "root", lambda: tmp_path)
    assert [(place.number, place.heading) for place in places.places()] == [
        (number, "Wrong names") for number in ("5.11", "5.12", "5.13")
    ]
    assert places.anchor("Table 5.4: the thesis's five trainings") == "table-5-4-the-thesis-s-five-trainings"


def test_what_is_glued_is_html_that_a_page_does_not_show(monkeypatch):
    sent = []
    monkeypatch.setattr(display, "display", lambda data, raw, metadata: sent.append((data, metadata)))
    display.glue("summary", display.prose("**{a}** claims", a=3))
    ((data, metadata),) = sent
    assert data == {"application/papermill.record/text/html": "<p><strong>3</strong> claims</p>\n"}
    assert metadata["scrapbook"]["name"] == "summary"
