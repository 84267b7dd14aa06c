"""The house: who may import whom, how large a module is, and keys that stay when code moves."""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from dnakit.chapters.chapter import chapter_of
from dnakit.data import sources
from dnakit.models import device
from dnakit.notebooks.parameters import names

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dnakit"
CHAPTERS = [name.split("_", 1)[1] for name in names()]  # in the order of the book
BASE = {"project"}
# Each room or module, and the rooms and modules it may import besides its own.
MAY_IMPORT = {
    "project": set(),
    "processes": BASE,
    "__main__": {"processes", "cli"},
    "store": BASE | {"processes"},
    "metrics": BASE,
    "data": BASE,
    "run": BASE | {"store", "processes"},
    "tokens": BASE | {"store", "data", "run"},
    "models": BASE | {"data", "tokens"},
    "optimizers": BASE,
    "trainer": BASE | {"store", "processes", "models", "optimizers"},
    "training": BASE | {"store", "processes", "run", "models", "optimizers", "trainer"},
    "report": BASE | {"store"},
    "notebooks": BASE,
    "chapters/chapter": BASE | {"processes", "data", "run", "report", "notebooks", "models"},
    "chapters/pool": BASE | {"processes", "chapters/chapter"},
    "export": BASE | {"store", "run", "models"},
    "options": BASE,
    "cli": BASE | {"options", "notebooks", "data", "store", "export"},
}
LIBRARY = BASE | {"store", "run", "metrics", "data", "tokens", "models", "training", "report"}
FROM_EARLIER = {"runs", "parameters", "starts"}  # what a chapter may use of an earlier one
HEAVY = {"torch", "transformers", "sklearn", "scipy", "matplotlib", "seaborn", "captum", "datasets", "papermill"}
HEAVY |= {"numba"}


def modules():
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py"]


def imported(paths):
    """These files, all modules of dnakit that they import, and what these import in turn."""
    known = {path.relative_to(PACKAGE).with_suffix("").parts: path for path in modules()}
    found, open_ = set(), set(paths)
    while open_:
        path = open_.pop()
        found.add(path)
        open_ |= {known[target] for target in imports(path) if target in known} - found
    return found


def room(parts):
    """``data`` for dnakit.data.files, ``chapters/tss`` for dnakit.chapters.tss.runs, ``store`` for dnakit.store."""
    return "/".join(parts[:2]) if parts[0] == "chapters" else parts[0]


def is_type_checking(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@cache
def imports(path):
    """The modules of dnakit that a file imports when it runs, as tuples of names below dnakit."""
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {id(each) for node in ast.walk(tree) if is_type_checking(node) for each in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dnakit":
            parts = tuple(node.module.split(".")[1:])
            for alias in node.names:
                target = (*parts, alias.name)
                is_module = (PACKAGE.joinpath(*target).with_suffix(".py")).exists() or PACKAGE.joinpath(
                    *target
                ).is_dir()
                found.add(target if is_module else parts)
        elif isinstance(node, ast.Import):
            found |= {tuple(a.name.split(".")[1:]) for a in node.names if a.name.startswith("dnakit.")}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_lies_below_it(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    own = room(parts)
    for target in imports(path):
        other = room(target)
        if other == own or (own == "cli" and other.startswith("chapters/")):
            continue
        if own.startswith("chapters/") and own.split("/")[1] in CHAPTERS:
            if other.startswith("chapters/") and other.split("/")[1] in CHAPTERS:
                mine, theirs = own.split("/")[1], other.split("/")[1]
                assert CHAPTERS.index(theirs) < CHAPTERS.index(mine), f"{own} imports the later {other}"
                assert target[2] in FROM_EARLIER, f"{own} uses {'.'.join(target)}, which is the other chapter's own"
            else:
                assert other in LIBRARY | {"chapters/chapter"}, f"{own} imports {other}"
        else:
            assert other in MAY_IMPORT[own], f"{own} imports {other}"


def test_no_imports_go_round_in_a_circle():
    graph = {path: imports(path) for path in modules()}
    files = {path.relative_to(PACKAGE).with_suffix("").parts: path for path in graph}
    state: dict[Path, str] = {}

    def visit(path):
        assert state.get(path) != "open", f"a circle through {path}"
        if path not in state:
            state[path] = "open"
            for target in graph[path]:
                if target in files and files[target] != path:
                    visit(files[target])
            state[path] = "done"

    for path in graph:
        visit(path)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_fits_a_few_screens_and_a_function_one(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno <= 60, node.name


def test_what_the_workflow_imports_at_each_start_is_light():
    code = "import sys\nfrom dnakit.chapters.chapter import chapter_of\nfrom dnakit.notebooks.parameters import names\n"
    code += f"[chapter_of(name, 'smoke').edges() for name in names()]\nprint(*{HEAVY!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("profile", ["laptop", "thesis"])
def test_moving_code_does_not_move_runs(profile, monkeypatch):
    """The keys of real runs where bf16 is chosen, with the names of files in place of their digests."""
    monkeypatch.setattr(device, "bf16", lambda precision: precision != "fp32")
    monkeypatch.setattr(sources, "fetch", lambda name: Path(str(name)))
    monkeypatch.setattr(sources, "digest", lambda path: f"digest of {path}")
    golden = json.loads((ROOT / "tests" / "golden_keys.json").read_text())[profile]
    for notebook, keys in golden.items():
        runs = chapter_of(notebook, profile).runs
        assert {name: runs[name].key for name in keys} == keys
