"""Notebooks: strict parameters, atomic execution, the pair of text and outputs. Each test has its own tiny notebook."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import papermill
import pytest
from conftest import HEADER, said

from dnakit.notebooks import parameters
from dnakit.notebooks.execute import CellError, execute
from dnakit.notebooks.pair import pair
from dnakit.notebooks.stored import read
from dnakit.project import DnakitError, _part

pytestmark = pytest.mark.slow

PARAMETERS = """\
# %% tags=["parameters"]
profile = "smoke"
epochs = 3  # passes = over the data
rate = 1.0e-4
names = ["a", "b"]
sizes = [1, 2]
weights = [0.5, 1]
fast = False
label = "ä"  # a comment
"""
CODE = "\n# %%\nprint(epochs, rate, names, label)\n"
TOY = "98_toy"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one toy notebook; returns a function that writes its cells."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setenv("DNAKIT_ROOT", str(tmp_path))

    def write(cells=CODE, declared=PARAMETERS):
        (tmp_path / "notebooks" / f"{TOY}.py").write_text(HEADER + declared + cells, encoding="utf-8")
        return tmp_path

    write()
    return write


def outputs(path):
    return [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]


def texts(path):
    return [output["text"] for output in outputs(path)]


# ---- what a notebook declares


def test_declared_parameters_have_values(project):
    assert parameters.declared(TOY) == {
        "profile": "smoke",
        "epochs": 3,
        "rate": 1e-4,
        "names": ["a", "b"],
        "sizes": [1, 2],
        "weights": [0.5, 1],
        "fast": False,
        "label": "ä",
    }


@pytest.mark.parametrize(
    "line", ["import os", "epochs = 2 + x", "epochs: int = 3", "nested = [[1]]", "table = {'a': 1}", "nothing = None"]
)
def test_only_literals_may_be_parameters(project, line):
    project(declared=f'# %% tags=["parameters"]\n{line}\n')
    with pytest.raises(DnakitError, match="may hold only lines like"):
        parameters.declared(TOY)


@pytest.mark.parametrize("declared", ["# %%\nepochs = 3\n", PARAMETERS * 2])
def test_there_is_one_parameters_cell(project, declared):
    project(declared=declared)
    with pytest.raises(DnakitError, match="must have one cell tagged"):
        parameters.declared(TOY)


def test_an_unknown_notebook_is_named_with_its_neighbour(project):
    with pytest.raises(DnakitError, match="no notebook '98_tyo'; did you mean '98_toy'"):
        parameters.source("98_tyo")


# ---- checking values


def test_a_misspelt_parameter_is_refused_with_the_right_one(project):
    with pytest.raises(DnakitError, match=r"^'epohcs' is not a parameter of 98_toy; did you mean 'epochs'\?$"):
        parameters.check({"epohcs": 3}, TOY)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": "ten"}, r"'epochs' of 98_toy must be a whole number \(int\), not 'ten' \(str\)"),
        ({"epochs": True}, r"must be a whole number \(int\), not True \(bool\)"),
        ({"epochs": 3.0}, r"must be a whole number \(int\), not 3.0 \(float\)"),
        ({"epochs": None}, r"not None \(NoneType\)"),
        ({"fast": 1}, r"must be true or false \(bool\), not 1 \(int\)"),
        ({"rate": "fast"}, r"must be a number \(float\), not 'fast' \(str\)"),
        ({"rate": float("nan")}, r"must be a number \(float\), not nan"),
        ({"label": 12}, r"must be text \(str\), not 12 \(int\); .* needs quotes"),
        ({"names": "a"}, r"must be a list, not 'a' \(str\)"),
        ({"names": ["a", 2]}, r"item 2 of 'names' of 98_toy must be text"),
        ({"sizes": [1, 2.5]}, r"item 2 of 'sizes' of 98_toy must be a whole number"),
        ({"sizes": [[1]]}, r"must be a flat list"),
    ],
)
def test_a_value_of_another_type_is_refused(project, given, message):
    with pytest.raises(DnakitError, match=message):
        parameters.check(given, TOY)


def test_whole_numbers_become_floats_where_floats_are_declared(project):
    checked = parameters.check({"rate": 1, "weights": [1, 2], "names": []}, TOY)
    assert checked == {"rate": 1.0, "weights": [1.0, 2.0], "names": []}
    assert all(type(value) is float for value in [checked["rate"], *checked["weights"]])


# ---- profiles


def write_profile(root: Path, text: str) -> None:
    path = root / "params" / "laptop" / f"{TOY}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_settings_are_defaults_then_profile_then_overrides(project):
    write_profile(project(), "epochs: 5\nlabel: laptop\n")
    settings = parameters.settings(TOY, "laptop", {"epochs": 7})
    assert (settings["epochs"], settings["label"], settings["rate"]) == (7, "laptop", 1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: [1", "params/laptop/98_toy.yaml: not YAML in line 1: mend it"),
        ("rate: 0.5\n\tepochs: 3", "not YAML in line 2: indent by blanks, not by tabs"),
        ("epochs: 3\nrate: 0.5\nepochs: 4\n", "the name 'epochs' stands twice"),
        ("epochs: &a 3", "names of values"),
        ("- epochs", "must hold lines like epochs: 3, not a list"),
        ("epochs:\n  first: 3\n", "'epochs' of 98_toy must be a whole number"),
        ("epohcs: 3", "params/laptop/98_toy.yaml: 'epohcs' is not a parameter"),
    ],
)
def test_a_bad_profile_is_refused_in_one_line(project, text, message):
    write_profile(project(), text)
    with pytest.raises(DnakitError, match=message) as refused:
        parameters.profile_parameters(TOY, "laptop")
    assert "\n" not in str(refused.value)


def test_a_profile_or_a_notebook_in_latin_1_is_named(project):
    root = project()
    write_profile(root, "label: x")
    for path in ("params/laptop/98_toy.yaml", "notebooks/98_toy.py"):
        (root / path).write_bytes((root / path).read_bytes() + "# ä\n".encode("latin-1"))
        with pytest.raises(DnakitError) as refused:
            parameters.settings(TOY, "laptop")
        assert str(refused.value) == f"{path}: not UTF-8: save it as UTF-8"


def test_the_profile_of_a_page_is_no_value_to_replace(project):
    project()
    with pytest.raises(DnakitError, match="give --profile"):
        parameters.settings(TOY, "smoke", {"profile": "thesis"})


def test_a_folder_without_notebooks_names_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("DNAKIT_ROOT", str(tmp_path))
    with pytest.raises(DnakitError, match=r"no notebooks in .*: set DNAKIT_ROOT"):
        parameters.source(TOY)


def test_missing_profiles_are_refused(project):
    with pytest.raises(DnakitError, match=r"params/laptop/98_toy.yaml is missing"):
        parameters.profile_parameters(TOY, "laptop")
    with pytest.raises(DnakitError, match="no profile 'smok'; did you mean 'smoke'"):
        parameters.profile_parameters(TOY, "smok")


# ---- writing values into the parameters cell


def test_replaced_literals_keep_comments_and_everything_else():
    code = 'epochs = 3  # a = b\nnames = [\n    "x",  # gone with its value\n]\nlabel = "ä"; rate = 1.0e-4  # end'
    new = parameters.replace_literals(code, {"epochs": 5, "names": ["y", 'say "z"'], "rate": 0.5, "label": "ä"})
    assert new == 'epochs = 5  # a = b\nnames = ["y", \'say "z"\']\nlabel = "ä"; rate = 0.5  # end'
    scope: dict[str, object] = {}
    exec(new, scope)
    assert (scope["epochs"], scope["names"], scope["label"], scope["rate"]) == (5, ["y", 'say "z"'], "ä", 0.5)


def test_an_equal_value_keeps_the_way_it_was_written():
    assert parameters.replace_literals("n = 25_000\nr = 1.0e-4", {"n": 25000, "r": 0.0001}) == "n = 25_000\nr = 1.0e-4"


# ---- executing


def test_an_executed_notebook_shows_its_values_and_nothing_of_the_machine(project):
    root = project("\n# %%\nimport warnings\nwarnings.warn('old')\nfrom tqdm.auto import tqdm\n" + CODE)
    output = root / "chapters {1}" / f"{TOY}.ipynb"
    assert execute(TOY, {"epochs": 5}, output) == output
    assert texts(output) == ["5 0.0001 ['a', 'b'] ä\n"]
    stored = output.read_text(encoding="utf-8")
    assert "epochs = 5  # passes = over the data" in nbformat.read(output, as_version=4).cells[0].source
    assert str(root) not in stored
    assert "papermill" not in stored
    assert "iopub" not in stored
    assert os.listdir(output.parent) == [output.name]


def test_the_kernel_works_in_the_notebooks_folder(project):
    root = project("\n# %%\nimport os\nprint(os.path.basename(os.getcwd()))\n")
    assert texts(execute(TOY, {}, root / "out.ipynb")) == ["notebooks\n"]


def test_a_relative_mirror_means_the_same_folder_to_the_kernel(project, monkeypatch):
    root = project("\n# %%\nimport os\nprint(os.path.realpath(os.environ['DNAKIT_MIRROR']))\n")
    monkeypatch.chdir(root)
    monkeypatch.setenv("DNAKIT_MIRROR", "mirror")
    assert texts(execute(TOY, {}, root / "out.ipynb")) == [f"{root / 'mirror'}\n"]


def test_a_dnakit_error_in_a_cell_is_its_line_and_leaves_the_old_output(project):
    root = project(
        '\n# %%\nfrom dnakit.project import DnakitError\n\nraise DnakitError("reads.fa is empty; give another")\n'
    )
    output = root / "out.ipynb"
    output.write_text("old")
    with pytest.raises(DnakitError, match=r"^98_toy: reads.fa is empty; give another$"):
        execute(TOY, {}, output)
    assert output.read_text() == "old"
    assert sorted(path.name for path in root.iterdir()) == ["notebooks", "out.ipynb"]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("print('so far')\n1 / 0", r"98_toy: cell \[2\] \(\"print\('so far'\) 1 / 0\"\) failed with ZeroDivisionError"),
        ("import os\nos._exit(3)", "98_toy: its kernel died"),
    ],
)
def test_a_failing_cell_leaves_the_old_output_and_a_failed_notebook(project, cell, message):
    root = project(f"\n# %%\n{cell}\n")
    output = root / "out.ipynb"
    output.write_text("old")
    with pytest.raises(CellError, match=message) as failed:
        execute(TOY, {}, output)
    assert str(failed.value).endswith("98_toy.failed.ipynb")
    assert output.read_text() == "old"
    assert nbformat.read(root / "98_toy.failed.ipynb", as_version=4).cells
    assert not list(root.glob(".*.ipynb"))


def test_a_success_removes_what_a_failure_and_a_killed_process_left(project):
    root = project()
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    of_the_dead = _part(root / "out.ipynb").name.replace(str(os.getpid()), dead.stdout.strip())
    for name in (f"{TOY}.failed.ipynb", of_the_dead):
        (root / name).write_text("{}")
    execute(TOY, {}, root / "out.ipynb")
    assert sorted(path.name for path in root.iterdir()) == ["notebooks", "out.ipynb"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_execution_leaves_nothing(project, number, code):
    root = project("\n# %%\nfrom pathlib import Path\nPath('started').touch()\nimport time\ntime.sleep(300)\n")
    # A shell lets what it starts in the background ignore SIGINT; here it must not.
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\nfrom dnakit.cli import main; main()"
    )
    command = [sys.executable, "-c", script, "execute", "--profile", "smoke"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while not (root / "notebooks" / "started").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=150)
    assert process.returncode == code
    assert "Traceback" not in errors
    assert not (root / "book").exists()


def test_a_kernel_that_does_not_start_is_replaced_by_another(project, monkeypatch):
    root, started = project(), []
    run = papermill.execute_notebook

    def sometimes(*arguments, **options):
        started.append(options["start_timeout"])
        if len(started) < 3:
            raise RuntimeError("Kernel didn't respond in 60 seconds")
        return run(*arguments, **options)

    monkeypatch.setattr(papermill, "execute_notebook", sometimes)
    assert texts(execute(TOY, {}, root / "out.ipynb")) == ["3 0.0001 ['a', 'b'] ä\n"]
    assert len(started) == 3


def test_where_no_kernel_starts_at_all_it_is_one_line(project, monkeypatch):
    root = project()

    def never(*_, **__):
        raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr(papermill, "execute_notebook", never)
    with pytest.raises(DnakitError, match="98_toy: no kernel started in 3 times 60 s"):
        execute(TOY, {}, root / "out.ipynb")
    assert not list(root.glob("*.ipynb"))


# ---- the pair


def test_pairing_keeps_outputs_of_unchanged_cells_only(project):
    two = "\n# %%\nprint('one')\n\n# %%\nprint('two')\n"
    project(two)
    path = pair(TOY, run=True)
    assert texts(path) == ["one\n", "two\n"]
    project(two.replace("two", "2") + "\n# %% [markdown]\n# More words.\n")
    pair(TOY)
    assert texts(path) == ["one\n"]
    assert said(nbformat.read(path, as_version=4)) == said(read(TOY))


def test_pairing_twice_changes_nothing_and_a_new_cell_changes_only_itself(project):
    project()
    path = pair(TOY, run=True)
    first = path.read_text(encoding="utf-8")
    pair(TOY)
    assert path.read_text(encoding="utf-8") == first
    before = [cell["id"] for cell in json.loads(first)["cells"]]
    project("\n# %% [markdown]\n# A new cell in the middle.\n" + CODE)
    pair(TOY)
    after = [cell["id"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    assert [after[0], after[2]] == before


def test_plain_papermill_takes_the_paired_notebook(project):
    root = project()
    path = pair(TOY)
    assert set(papermill.inspect_notebook(str(path))) >= {"rate", "names", "fast"}
    papermill.execute_notebook(
        str(path), str(root / "plain.ipynb"), {"rate": 0.5}, kernel_name="python3", progress_bar=False
    )
    assert texts(root / "plain.ipynb") == ["3 0.5 ['a', 'b'] ä\n"]
