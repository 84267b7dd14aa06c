"""The project as a whole: notebooks in shape, environments in step, a book that checks itself."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml
from conftest import said
from packaging.requirements import Requirement

from dnakit.chapters.chapter import chapter_of
from dnakit.notebooks import parameters
from dnakit.notebooks.execute import QUIET
from dnakit.notebooks.stored import read

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.py"))
each_notebook = pytest.mark.parametrize(
    "notebook", NOTEBOOKS or [pytest.param("", marks=pytest.mark.skip(reason="there are no notebooks yet"))]
)
LARGEST_NOTEBOOK = 360_000  # bytes; chapter 2 shows many figures, and each of its trainings in several tables


def stored(notebook):
    return ROOT / "notebooks" / f"{notebook}.ipynb"


def cells(notebook):
    return json.loads(stored(notebook).read_text(encoding="utf-8"))["cells"]


# ---- notebooks


@each_notebook
def test_text_and_paired_notebook_say_the_same(notebook):
    assert said(nbformat.read(stored(notebook), as_version=4)) == said(read(notebook))


@each_notebook
def test_notebooks_are_thin(notebook):
    for cell in cells(notebook):
        if cell["cell_type"] == "code":
            tree = ast.parse("".join(cell["source"]))
            defined = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
            assert not defined, f"{notebook}: functions and classes belong into dnakit, not into {cell['source'][:2]}"


@each_notebook
def test_stored_outputs_are_small_and_clean(notebook):
    assert stored(notebook).stat().st_size < LARGEST_NOTEBOOK
    for cell in cells(notebook):
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr", output["text"]
            assert not re.search(r" at 0x[0-9a-f]+", json.dumps(output.get("data", {}).get("text/plain", "")))


@each_notebook
def test_every_code_cell_ran(notebook):
    counts = [cell["execution_count"] for cell in cells(notebook) if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_no_notebook_names_a_folder_of_a_machine(notebook):
    text = stored(notebook).read_text(encoding="utf-8") + parameters.source(notebook).read_text(encoding="utf-8")
    for folder in (ROOT, Path.home(), Path(tempfile.gettempdir()), "/home", "/Users"):
        assert f"{folder}/" not in text


@each_notebook
@pytest.mark.parametrize("profile", parameters.PROFILES)
def test_each_profile_gives_the_chapter_what_it_asks_for(notebook, profile):
    declared, chapter = parameters.declared(notebook), chapter_of(notebook, profile)
    assert chapter.parameters.profile == profile
    assert set(type(chapter.parameters).model_fields) == set(declared), "a parameter is a line of the cell and a field"
    given = parameters.profile_parameters(notebook, profile)
    assert [name for name in given if given[name] == declared[name]] == [], "a profile holds what differs"


@each_notebook
def test_plain_papermill_sees_every_parameter(notebook):
    assert set(papermill.inspect_notebook(str(stored(notebook)))) == set(parameters.declared(notebook))


@pytest.mark.slow
@pytest.mark.parametrize("folder", [".", "tests"])
def test_plain_papermill_runs_a_notebook_with_a_profile_from_anywhere(folder, tmp_path):
    """As far as the first cell that needs the runs, whose parameters then are those of the profile and the user."""
    command = [sys.executable, "-m", "papermill", stored("03_tss"), tmp_path / "out.ipynb", "--kernel", "python3"]
    command += ["-f", ROOT / "params" / "laptop" / "03_tss.yaml", "-p", "epochs", "0"]
    done = subprocess.run(list(map(str, command)), cwd=ROOT / folder, capture_output=True, text=True)
    assert "DnakitError: 03_tss: 'epochs': has to be 1 or more" in done.stderr
    text = (tmp_path / "out.ipynb").read_text(encoding="utf-8")
    assert 'organism = \\"human-slices\\"' in text


# ---- environments


def normalised(requirement):
    """(name, bounds) of a requirement of pip or conda."""
    name, bounds = re.fullmatch(r"([A-Za-z0-9_.-]+)\s*(.*)", requirement).groups()
    return name.lower().replace("_", "-"), ",".join(sorted(bounds.replace(" ", "").split(",")))


def imported_packages():
    """The packages that the modules and the notebooks import, those imported for types alone among them."""
    found = set()
    for path in [*(ROOT / "dnakit").rglob("*.py"), *(ROOT / "notebooks").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module)
    return {name.partition(".")[0] for name in found} - {"dnakit", *sys.stdlib_module_names}


def test_what_the_package_imports_is_what_it_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {normalised(requirement)[0] for requirement in project["dependencies"]}
    names = packages_distributions()
    lacking = {name for name in imported_packages() if not asked & {normalised(each)[0] for each in names[name]}}
    assert lacking == set()


def test_conda_and_pip_ask_for_the_same():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = project["optional-dependencies"]
    extras = [requirement for name in groups if name != "cluster" for requirement in groups[name]]
    pip = dict(map(normalised, [*project["dependencies"], *extras, f"python{project['requires-python']}"]))
    pip["pytorch"] = pip.pop("torch")
    wanted = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = dict(normalised(line) for line in wanted if isinstance(line, str) and line != "pip")
    assert conda == pip
    assert wanted[-1] == {"pip": ["-e ."]}


def test_the_lock_file_leaves_torch_and_the_index_to_the_user():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert all(re.match(r"[a-z0-9._-]+==\S+( ;.*)?$", line) for line in lines if not line.startswith("#"))
    names = {line.partition("==")[0] for line in lines}
    assert not {"torch", "triton"} & names
    assert not any(name.startswith(("nvidia-", "cuda-")) for name in names)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = {normalised(requirement)[0] for requirement in project["dependencies"]} - {"torch"}
    assert direct <= names


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_lock_file_holds_what_pip_and_conda_ask_for_on_each_python(python):
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    here = {"python_version": python, "python_full_version": f"{python}.1", "sys_platform": "linux"}
    locked = {line.name: line for line in map(Requirement, lines) if not line.marker or line.marker.evaluate(here)}
    wanted = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    asked = [Requirement(line) for line in wanted if isinstance(line, str) and line not in ("pip",)]
    for line in asked:
        if line.name == "python":
            assert line.specifier.contains(f"{python}.1")
        elif line.name != "pytorch":  # the user's choice
            (pinned,) = locked[line.name.lower()].specifier
            assert line.specifier.contains(pinned.version), line.name


@pytest.mark.slow
def test_a_wheel_without_its_checkout_says_what_it_needs(tmp_path):
    shutil.copytree(ROOT / "dnakit", tmp_path / "source" / "dnakit")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / "source")
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "./source", "-w", "."]
    subprocess.run(wheel, cwd=tmp_path, check=True, capture_output=True)
    shutil.unpack_archive(next(tmp_path.glob("*.whl")), tmp_path / "site", "zip")
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("DNAKIT")}
    surroundings["PYTHONPATH"] = str(tmp_path / "site")
    code = "import dnakit, sys; print(dnakit.__file__); from dnakit.cli import main; main()"
    command = [sys.executable, "-P", "-c", code, "runs", "01_tokenization", "--profile", "smoke"]
    for folder, status in ((tmp_path / "site", 2), (ROOT, 0)):
        done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True)
        assert done.stdout.splitlines()[0] == str(tmp_path / "site" / "dnakit" / "__init__.py")
        assert done.returncode == status
        if status:
            assert done.stderr.startswith("dnakit: the notebooks, parameters and list of data lie in the project's")
            assert done.stderr.count("\n") == 1


def test_make_and_execute_give_kernels_the_same_surroundings():
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    given = re.search(r"^QUIET := (.*)$", text, re.MULTILINE).group(1).split()
    assert dict(pair.split("=") for pair in given) == QUIET


def test_torch_is_chosen_on_the_make_line(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).touch()

    def commands(*arguments):
        command = ["make", "--dry-run", "lint", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert "pip install --quiet torch==2.13.0\n" in commands()
    assert "pip install --quiet torch==9 --index-url there\n" in commands("TORCH=torch==9 --index-url there")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".ready").write_text(f"{tmp_path.resolve()}\n")
    assert "pip install" not in commands()


# ---- the book


@pytest.fixture
def book(tmp_path):
    """A book of one good chapter, with a copy of the project's book/check.py; returns (folder, check)."""
    shutil.copy(ROOT / "book" / "check.py", tmp_path)
    html = tmp_path / "_build" / "html"
    (html / "chapters").mkdir(parents=True)
    (tmp_path / "chapters").mkdir()
    (tmp_path / "_toc.yml").write_text("root: intro\nchapters:\n  - file: chapters/01_one\n")
    for page in ("intro", "chapters/01_one"):
        (html / f"{page}.html").write_text('<p>Fine. <a href="https://example.org">a link</a></p>')
    (tmp_path / "chapters" / "01_one.ipynb").write_text('{"cells": []}')

    def check():
        done = subprocess.run([sys.executable, "check.py"], cwd=tmp_path, capture_output=True, text=True)
        return done.returncode, done.stdout

    return tmp_path, check


def test_a_whole_book_passes(book):
    assert book[1]() == (0, "book: 2 pages, whole and self-contained\n")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "chapters/01_one: the page is missing"),
        ('<script src="https://cdn.example.org/x.js"></script>', "loads https://cdn.example.org/x.js"),
        ('<link rel="stylesheet" href="//fonts.example.org/a.css">', "loads //fonts.example.org/a.css"),
        ('<img src="http://example.org/a.png">', "loads http://example.org/a.png"),
        ("<pre>{folder}/data/x.fa</pre>", "names a folder of this machine"),
        ("<pre>Traceback (most recent call last)</pre>", "shows a traceback"),
    ],
)
def test_a_page_with_a_fault_is_named(book, content, complaint):
    folder, check = book
    page = folder / "_build" / "html" / "chapters" / "01_one.html"
    page.write_text(content.format(folder=folder.parent)) if content else page.unlink()
    code, out = check()
    assert code == 1
    assert complaint in out


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ({"output_type": "error", "ename": "ValueError", "evalue": "no"}, "cell 1 ended in ValueError: no"),
        ({"output_type": "stream", "name": "stderr", "text": ["careful"]}, "cell 1 wrote to stderr: 'careful'"),
    ],
)
def test_a_chapter_with_an_error_or_a_warning_is_named(book, output, complaint):
    folder, check = book
    (folder / "chapters" / "01_one.ipynb").write_text(json.dumps({"cells": [{"outputs": [output]}]}))
    code, out = check()
    assert code == 1
    assert complaint in out


def _check_words_of_the_grid(verdicts, words):
    """What the README says of 6-mers, BigBird-style words and Longalbert is what the grid's table says."""
    from dnakit.chapters.pretraining import grid_results

    def of(claim, verdict, seeds="1"):
        row = verdicts.loc[claim]
        assert row["seeds"] == seeds
        assert row["at this size"] == verdict + " (one seed)" * (seeds == "1" and verdict.startswith("holds"))
        return row["far"], row[grid_results.PLAIN["far"]]

    gained, plain = of("9-mers are better than 6-mers", "depends on the measure")
    assert f"9-mers gained less than 6-mers, {gained} bits, and need fewer plain bits, {plain} (one seed)." in words
    over = "BigBird-style words are better than"
    by_gained, by_bits = "holds by what is gained, open by plain bits", "holds by plain bits, open by what is gained"
    assert "by either measure** (three seeds against 9- and 12-mers, one against 6-mers)." in words
    decided = (6, by_bits, "1"), (9, f"{by_gained}, seed 2: bf16 against fp32", "3"), (12, by_gained, "3")
    six, nine, twelve = (of(f"{over} {k}-mers", how, seeds) for k, how, seeds in decided)
    assert (
        f"ahead of 9-mers, {nine[0]} bits, and of 12-mers, {twelve[0]}; against 6-mers that is open, {six[0]}." in words
    )
    assert f"ahead of 6-mers, {six[1]}; against 9-mers, {nine[1]}, and 12-mers, {twelve[1]}, that is open." in words
    less = [of(f"Longalbert is worse than Longformer, {k}-mers", "holds")[0] for k in (6, 9, 12)]
    assert f"with 6-mers {less[0]} bits, with 9-mers {less[1]}, with 12-mers {less[2]} (one seed each)." in words


def _check_vocabularies(recorded, words):
    """What the README says of vocabularies is what the table of chapter 2 says."""
    from dnakit.chapters.pretraining import vocabularies

    table = vocabularies.table(vocabularies.of_vocabularies(recorded)).xs(30_000, level="samples")
    right = {size: table.loc[size, (vocabularies.RIGHT, vocabularies.MODEL)] for size in (500, 30_000)}
    alone = table.loc[500, (vocabularies.RIGHT, vocabularies.ALONE)]
    text = f"names {right[500]} of the masked tokens with a vocabulary of 500 (segmentation alone {alone}), and"
    assert f"{text} {right[30_000]} with one of 30,000." in words


def test_the_headlines_of_the_readme_are_what_was_recorded():
    from dnakit.chapters.pretraining import budgets, gains, grid_results, recipe_results
    from dnakit.chapters.pretraining import results as pretraining
    from dnakit.chapters.tss import control_results as controls
    from dnakit.chapters.tss import results as localization
    from dnakit.report import finished

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tss_runs, kinds = finished.recorded("03_tss"), ["promoters", "shuffled promoters", "random DNA"]
    decided = localization.control_with_intervals(tss_runs)

    def with_interval(share, interval, digits=1):
        low, high = (100 * float(end) for end in interval.split(" to "))
        return f"{share:.{digits}%} [{low:.1f}, {high:.1f}]"

    for who in (
        "the rule",
        "trained on promoters",
        "trained on random positions",
        "no seam: trained on random positions",
    ):
        digits = 2 if who == "the rule" else 1  # 0.9525 is 95.2% or 95.3%, by how it is rounded
        row = decided.loc[who]
        line = [with_interval(row[kind], row[f"{kind}, 95% interval"], digits) for kind in kinds]
        assert f"| {' | '.join([who, *line])} |" in readme
    fair = localization.fair(tss_runs).xs("k-mers, logistic regression", level="method")[localization.OVER_PRETRAINED]
    words = " ".join(readme.split())  # however its lines are broken
    assert f"ahead of the Longformer by {fair['S. cerevisiae']}; in human this is open ({fair['H. sapiens']})." in words
    few = controls.separated(tss_runs).loc["random positions, as many as promoters"]
    line = with_interval(few.accuracy, few["95% interval"])
    assert f"| trained on as many random positions as promoters | {line} | | |" in readme
    apart = controls.separated(tss_runs).loc["promoters, none within 5 kb of a test promoter"]
    neighbours = tss_runs["neighbours"].metrics["thesis"]
    assert f"{neighbours['within_1000']} of the {neighbours['test_promoters']} test promoters have a training" in words
    assert f"promoter finds {with_interval(apart.accuracy, apart['95% interval'])}; the difference" in words
    assert f"is open, {apart[controls.OVER]}." in words
    recorded = finished.recorded("02_pretraining")
    chosen = "language == 'mitochondrial' and model == 'Longformer' and tasks == 'MLM'"
    thesis = pretraining.published().query(chosen).set_index("tokenizer")
    grid = grid_results.table(recorded).loc["mitochondrial", "Longformer"].xs("MLM", level="tasks")
    for name, row in thesis.iterrows():
        cells = [grid.loc[name, (part, grid_results.RIGHT)] for part in ("near", "far")]
        cells += [grid.loc[name, (part, gains.BITS)].partition(" ")[0] for part in ("near", "far")]
        cells += [grid.loc[name, (part, column)] for column in (gains.ALONE, gains.GAINED) for part in ("near", "far")]
        assert f"| {' | '.join([name, f'{row.accuracy:.4f}', f'{row.skill:.1%}', *cells])} |" in readme
    simple = recorded["simple-methods-mitochondria-3000"].metrics  # from the genomes of the grid
    for who in ("order 2", "mixed orders"):
        bits = [f"{simple[part]['bits_per_base'][who]:.3f}" for part in ("near", "far")]
        assert f"| Markov model of {who} (every base) | | | | | {' | '.join(bits)} |" in readme
    bits = {
        name: gains.resampled(recorded, recorded[f"grid-longformer-{name}-mlm-seed-1"], "far") for name in thesis.index
    }
    open_to_bb = {name for name in bits if bits["BB"].minus(bits[name]).interval.open} - {"BB"}
    assert open_to_bb == {"9-mer", "12-mer"}
    assert max(bits["9-mer"].minus(bits[name]).interval.high for name in ("6-mer", "12-mer")) < 0
    verdicts = grid_results.verdicts(recorded)
    claimed = verdicts.loc["9-mers are better than 12-mers"]
    assert claimed["at this size"].startswith("holds")
    assert claimed["seeds"] == "3"
    assert f"they gained more, by {claimed['far']} bits (three seeds)" in words
    _check_words_of_the_grid(verdicts, words)
    table = [f"grid-longformer-{each}-mlm-seed-" for each in ("6-mer", "9-mer", "12-mer", "BB")]
    computed = {name: recorded[name].record["computed_in"] for name in recorded if name.startswith(tuple(table))}
    assert [name for name, how in computed.items() if how != "bf16"] == ["grid-longformer-9-mer-mlm-seed-2"]
    assert "One of the three 9-mer trainings was computed in fp32, all others in bf16." in words
    bb = recorded["grid-longformer-BB-mlm-seed-1"].record["corpus"]
    assert bb["resamplings"] == 3
    assert "BB was cut in three passes over each genome" in words
    _check_vocabularies(recorded, words)
    near = gains.named_right(recorded, recorded["ruler-full-size"], "near").minus(
        gains.looked_up(recorded, recorded["lookups-mitochondria-3000"], "near")["lookup: 12 bp as seen"]
    )
    of_longest = budgets.longest_near(budgets.of_budgets(recorded))
    assert (
        f"names fewer tokens, {near.interval.points}, and needs more bits, {of_longest[budgets.OVER_COUNTED]};" in words
    )
    simple_near = [recorded["as-seen-mitochondria-3000"].metrics[part]["bits_per_base"] for part in ("near", "far")]
    assert f"| counts as seen (9-mers) | | | | | {' | '.join(f'{each:.3f}' for each in simple_near)} |" in readme
    by_the_thesis = recorded["recipe-thesis-seed-1"]
    scores, bits_of_it = by_the_thesis.metrics["validation"], recipe_results.table(recorded).loc["thesis", gains.BITS]
    assert f"recipe on {by_the_thesis.samples_seen:,} samples copies" in words
    assert (
        f"accuracy is {scores['accuracy']:.4f} over all tokens, that of copying {scores['copy_accuracy']:.4f}." in words
    )
    assert f"{bits_of_it.replace(' [', ' bits per base [')}, where guessing a base costs 2." in words
    leak = recorded["grid-leak-seed-1"]
    known, before = (leak.metrics[part]["masked_accuracy"] for part in ("resampled", "validation"))
    assert (
        f"measured on {leak.record['genomes']['train']} genomes: a model names {known:.1%} of the masked tokens"
        in words
    )
    overfits = verdicts.loc[grid_results.MORE_OVERFIT, "near"]
    assert f"smaller for Longalbert: {overfits.replace(' [', ' nats per masked token [')} (12-mers, one seed)." in words
    counts = leak.frame("leak.csv").groupby("part").size()
    apart = re.search(r"[+]\S+ points \[.*?\]", grid_results.leak_in_words(recorded))
    assert f"passes over {counts['resampled']} genomes whose other passes it was trained on, and {before:.1%}" in words
    assert f"{counts['validation']} genomes that were split off before: {apart[0]}." in words
    lookups = recorded["lookups-mitochondria-3000"].metrics
    looked_up = [f"{lookups[part]['12 bp, as seen']['top1']:.1%}" for part in ("near", "far")]
    assert f"| lookup of twelve bases on either side (9-mers) | | | {' | '.join(looked_up)} |" in readme
    formats = {"genomes": ",", "samples seen": ",", budgets.MASKED: ".1%", budgets.LOOKUP: ".1%"}
    formats |= {budgets.OVER_LOOKUP: "", budgets.BITS: ".3f", pretraining.COUNTED: ".3f", budgets.OVER_COUNTED: ""}
    for _, row in budgets.table(recorded).query("`initial weights` == 'informed'").iterrows():
        assert f"| {' | '.join(format(row[name], how) for name, how in formats.items())} |" in readme


def test_the_readme_of_chapter_4_says_what_was_recorded():
    from dnakit.chapters.metagenomics import results as metagenomics
    from dnakit.report import finished

    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())  # however its lines are broken
    fishes = finished.recorded("04_metagenomics")
    fair = metagenomics.fair(fishes).set_index(["method", "level", "form", "rank"])
    columns = [("known", "gene", "species"), ("known", "amplicon", "species"), ("species", "fragment", "genus")]
    for method in fair.index.unique("method"):
        more = " (`dnakit classify`)" if method == "k-mer search and alignment" else ""
        rows = [fair.loc[(method, *column)] for column in columns]
        cells = [f"{row.share:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in rows]
        assert f"| {method}{more} | {' | '.join(cells)} |" in readme
    tokens = metagenomics.trainings(fishes)["tokens"]
    assert tokens["Untrained"] == tokens["Hg38"]
    words = (
        f"{tokens['Mitochondria']:.0f} tokens with the words of mitochondria, and {tokens['Hg38']:.0f} with those of"
    )
    assert words in readme
    tenths = fishes.only(lambda run: metagenomics.TENTH in run.name)
    least = min(run.value("metrics.test.top1") for run in tenths.values())
    few = metagenomics.by_size(tenths).index.get_level_values("species").min()
    over_seeds = metagenomics.by_size(tenths).loc[few, "Mitochondria minus Untrained"]
    assert over_seeds["from"] < 0 < over_seeds["to"]
    assert over_seeds["seeds"] == 3
    assert f"With {few} species and three seeds the first difference is open, but there every training names" in readme
    assert f"every training names {least:.1%} of the test copies or more" in readme


def test_the_readme_of_chapter_5_says_what_was_recorded():
    from dnakit.chapters.chromatin import control_results as chromatin_controls
    from dnakit.chapters.chromatin import results as chromatin
    from dnakit.chapters.chromatin import takeaways
    from dnakit.report import finished

    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())  # however its lines are broken
    recorded = finished.recorded("05_chromatin")
    simple = chromatin.simple_table(recorded).loc["H. sapiens"]
    for method, split in (
        ("nearest bins", "random"),
        ("nearest bins", "random, 1 kb apart"),
        ("gapped 7-mers", "random"),
        ("gapped 7-mers", "by chromosome"),
        ("GC content", "by chromosome"),
    ):
        cells = [simple.loc[(split, method), f"AUROC {kind}"] for kind in ("TF", "DNase", "histone")]
        assert f"| {method} | {split} | {' | '.join(cells)} |" in readme
    for run, cell in (
        ("none-256", "Longformer, not pretrained | random"),
        ("none-256-chromosomes", "Longformer, not pretrained | by chromosome"),
        ("cnn-chromosomes", "DeepSEA's network | by chromosome"),
        ("danq-chromosomes", "DanQ | by chromosome"),
    ):
        kinds = recorded[run].metrics["test"]["kinds"]
        cells = [chromatin.with_interval(kinds[kind], "auroc") for kind in ("TF", "DNase", "histone")]
        assert f"| {cell} | {' | '.join(cells)} |" in readme
    over = chromatin_controls.compared_with_simple(recorded)
    for kind in ("TF", "DNase"):
        found = over["none-256-chromosomes"]["GC content"][kind]
        assert "{:+.3f} [{:+.3f}, {:+.3f}] for {}".format(found["auroc"], *found["auroc_interval"], kind) in readme
    below = [
        each["auroc_interval"][1]
        for name, minus in over.items()
        if name in recorded
        for each in minus["gapped 7-mers"].values()
    ]
    assert max(below) < 0
    reb1 = recorded["motifs-gapped-yeast"].metrics["motifs"]["Reb1"]
    assert reb1["top"] == reb1["with_motif"]
    assert f"in {reb1['top']:.0%} of yeast's windows where Reb1 is bound" in readme
    abf1 = recorded["motifs-gapped-yeast"].metrics["motifs"]["Abf1"]
    assert (
        f"For Abf1 they hold it in {abf1['top']:.0%} of the windows, where {abf1['with_motif']:.0%} have one." in readme
    )
    wide = recorded["comparisons"].metrics["pairs"]
    raised = {(bases, kind) for bases in (2000, 4000) for kind in ("DNase", "TF", "histone")} - {(2000, "histone")}
    assert all(wide[f"bases-{bases}"]["kinds"][kind]["auroc_interval"][0] > 0 for bases, kind in raised)
    in_words = [takeaways.by_kind(wide[f"bases-{bases}"]["kinds"], "auroc") for bases in (2000, 4000)]
    assert f"2,000 bp minus windows of 1,000: {in_words[0]}, which is open." in readme
    assert f"4,000 bp minus those of 1,000: {in_words[1]}." in readme
    auprc = {
        (bases, kind): chromatin_controls.difference(wide[f"bases-{bases}"]["kinds"][kind], "auprc")
        for bases in (2000, 4000)
        for kind in chromatin.KINDS
    }
    falls = {each: f"{found:+.4f}" for each, found in auprc.items() if found.verdict == "lower"}
    assert set(falls) == {(2000, "TF"), (2000, "histone")}
    assert all(found.open for each, found in auprc.items() if each not in falls)
    assert (
        f"falls with 2,000 bp for TF, {falls[2000, 'TF']}, and for histone marks, {falls[2000, 'histone']}." in readme
    )
    assert "For DNase, and with 4,000 bp for all three kinds, it is open (one seed each)." in readme
    apart = wide["without-neighbours"]
    assert all(chromatin_controls.difference(each, "auroc").open for each in apart["kinds"].values())
    assert apart["repeats"] == 1
    assert f"it has {takeaways.by_kind(apart['kinds'], 'auroc')} (one seed each)." in readme
    by_auprc = {kind: chromatin_controls.difference(each, "auprc") for kind, each in apart["kinds"].items()}
    assert [kind for kind, found in by_auprc.items() if not found.open] == ["TF"]
    assert f"By mean AUPRC it loses without neighbours for TF, {by_auprc['TF']:+.4f}; for the other two" in readme
    scores = chromatin.simple_methods(recorded)
    near, gapped = (chromatin.by_kind(scores, "random", method) for method in ("nearest bins", "gapped 7-mers"))
    assert f"no sequence has a mean AUROC of {min(near.values()):.2f} to {max(near.values()):.2f}" in readme
    assert near["histone"] > gapped["histone"]
    assert near["dnase"] < gapped["dnase"]
    profiles = [
        recorded[f"simple-{split}"].metrics["methods"]["nearest bins"]["kinds"]["TF"]["features"]
        for split in ("chromosomes", "random")
    ]
    assert "({} of TF in place of {})".format(*profiles) in readme
    tokens = chromatin.tokens(recorded).loc[(slice(None), 1000, slice(None), "9-mer words"), :]
    assert f"{tokens.fewest.min()} to {tokens.most.max()} tokens of 9-mer words" in readme
