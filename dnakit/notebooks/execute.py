"""Notebooks as experiments: the trainings behind one, headless execution, and the pair of text and outputs.

A notebook is ``notebooks/NN_name.py`` (jupytext's py:percent, the source) with ``notebooks/NN_name.ipynb`` beside it:
the same cells with the outputs of the smoke profile, what nbval checks. `parameters` has its parameters.
"""

import difflib
import hashlib
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, Protocol

from dnakit.notebooks.parameters import check, folder, replace_literals, source
from dnakit.project import DnakitError

#: What a kernel needs so that stored outputs hold no warnings, no progress bars, and no order of a hash.
QUIET = {
    "PYTHONWARNINGS": "ignore",
    "PYTHONHASHSEED": "0",
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}

#: The module of each chapter that has trainings; its `runs` and `run_names` say which.
TASKS = {"01_tokenization": "tokenization.runs", "02_pretraining": "pretraining.results", "03_tss": "tss.results"}

_KERNEL_START_SECONDS = 300


class CellError(Exception):
    """A cell failed with something other than a `DnakitError`; the message is one line that says where to look."""


class Run(Protocol):
    """What a task module tells about one training (see `dnakit.chapters.pretraining.runs`)."""

    name: str

    @property
    def key(self) -> str:
        """The digest of everything the training depends on."""

    @property
    def title(self) -> str:
        """What it trains, for a reader."""

    @property
    def done(self) -> bool:
        """Whether the store holds it."""

    def train(self) -> Path:
        """Train it, unless the store holds it; returns the run's folder."""


# ---- the trainings behind a notebook ------------------------------------------------------------------------------


def runs(notebook: str, parameters: dict[str, Any]) -> dict[str, Run]:
    """The trainings a notebook shows, by name: its task module (`TASKS`) knows."""
    found = getattr(_task(notebook), "runs", None)
    return found(parameters) if found else {}


def run_names(notebook: str, parameters: dict[str, Any]) -> list[str]:
    """The names of `runs`, without touching data: the Snakefile asks at every start."""
    found = getattr(_task(notebook), "run_names", None)
    return found(parameters) if found else []


def upstream(notebook: str, parameters: dict[str, Any]) -> dict[str, list[tuple[str, str, str]]]:
    """For each of `runs` the trainings it starts from, as (profile, notebook, run); without touching data."""
    found = getattr(_task(notebook), "upstream", None)
    return found(parameters) if found else {}


def _task(notebook: str) -> Any:
    name = TASKS.get(source(notebook).stem)
    return importlib.import_module(f"dnakit.chapters.{name}") if name else None


# ---- executing ----------------------------------------------------------------------------------------------------


def execute(notebook: str, parameters: Mapping[str, Any], output: Path) -> Path:
    """Run a notebook with papermill and publish it, with its outputs, at ``output``.

    The values replace the defaults inside the parameters cell, so that its comments explain the values a reader sees.
    ``output`` changes only when every cell succeeded.

    Raises
    ------
    DnakitError
        For wrong parameters, and for a `DnakitError` inside a cell.
    CellError
        For any other error; the notebook as far as it came is left beside ``output`` as ``NN_name.failed.ipynb``.
    """
    import nbformat

    values = check(parameters, notebook)
    failed = output.with_name(f"{notebook}.failed.ipynb")
    part = output.with_name(f".{notebook}.{os.getpid()}.ipynb")
    output.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(output.parent)
    try:
        executed = _run(_with_values(_read(notebook), values), part, notebook, failed)
        nbformat.write(_clean(executed), part)
        os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)
    failed.unlink(missing_ok=True)
    return output


def _remove_leftovers(outputs: Path) -> None:
    """Part files of processes that were killed and could not remove them."""
    for part in outputs.glob(".*.*.ipynb"):
        pid = part.name.split(".")[-2]
        if pid.isdigit() and not _is_alive(int(pid)):
            part.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _run(notebook_node: Any, part: Path, notebook: str, failed: Path) -> Any:
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    # A dead kernel becomes one line below, and an interruption none; papermill and asyncio would log more.
    for logger in ("papermill", "asyncio"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    try:
        with _environment(QUIET | _absolute_folders()):
            return papermill.execute_notebook(
                notebook_node,
                # papermill reads braces in a path as the names of parameters.
                str(part).replace("{", "{{").replace("}", "}}"),
                kernel_name="python3",
                cwd=folder(),
                start_timeout=_KERNEL_START_SECONDS,
                progress_bar={"desc": notebook} if sys.stderr.isatty() else False,
                config=_kernel_config(),
                # An interrupted kernel would print the traceback of its own shutdown.
                extra_arguments=["--log-level=CRITICAL"],
            )
    except PapermillExecutionError as error:
        if error.ename == DnakitError.__name__:
            raise DnakitError(f"{notebook}: {error.evalue}") from None
        cell = f"cell [{error.exec_count}] ({_one_line(error.source)[:60]!r})"
        _leave(part, failed, f"{notebook}: {cell} failed with {error.ename}: {_one_line(error.evalue)}")
    except DeadKernelError:
        _leave(part, failed, f"{notebook}: its kernel died (out of memory?)")
    except CellTimeoutError as error:
        _leave(part, failed, f"{notebook}: a cell took too long: {_one_line(error)}")


def _absolute_folders() -> dict[str, str]:
    """The folders named in the environment, for a kernel that starts in another working folder."""
    names = ("DNAKIT_ROOT", "DNAKIT_DATA", "DNAKIT_MIRROR")
    return {name: os.path.abspath(os.environ[name]) for name in names if os.environ.get(name)}


def shown(path: Path) -> str:
    """The path as a user in the working folder would write it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _kernel_config() -> Any:
    from traitlets.config import Config

    return Config({"KernelManager": {"transport_encryption": "auto"}})


def _leave(part: Path, failed: Path, message: str) -> NoReturn:
    os.replace(part, failed)
    raise CellError(f"{message}; the notebook as far as it came: {shown(failed)}")


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _with_values(node: Any, values: Mapping[str, Any]) -> Any:
    """The notebook with the literals of its parameters cell replaced."""
    for cell in node.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = replace_literals(cell.source, values)
    return node


def _one_line(what: Any) -> str:
    return " ".join(str(what).split())


# ---- the pair of text and outputs ---------------------------------------------------------------------------------


def pair(notebook: str, run: bool = False) -> Path:
    """Write ``NN_name.ipynb`` from ``NN_name.py``, never the other way; unchanged cells keep their outputs.

    With ``run``, the notebook is executed with its defaults (the smoke values) and all outputs are new.
    """
    import nbformat

    output = source(notebook).with_suffix(".ipynb")
    if run:
        return execute(notebook, {}, output)
    fresh = _read(notebook)
    if output.exists():
        _keep_outputs(fresh, nbformat.read(output, as_version=4))
    part = output.with_name(f".{notebook}.{os.getpid()}.ipynb")
    try:
        nbformat.write(_clean(fresh), part)
        os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)
    return output


def _keep_outputs(fresh: Any, old: Any) -> None:
    # jupytext --update would also hand an edited cell the outputs of the text it replaced.
    known = {cell.source: cell for cell in old.cells if cell.cell_type == "code"}
    for cell in fresh.cells:
        if cell.cell_type == "code" and cell.source in known:
            cell.outputs = known[cell.source].outputs
            cell.execution_count = known[cell.source].execution_count


def drift(notebook: str) -> list[str]:
    """The cells in which ``NN_name.ipynb`` and ``NN_name.py`` differ, as lines of a diff; empty when they agree."""
    import nbformat

    output = source(notebook).with_suffix(".ipynb")
    if not output.exists():
        return [f"{output.name} is missing"]
    stored = _cell_texts(nbformat.read(output, as_version=4))
    lines = difflib.unified_diff(stored, _cell_texts(_read(notebook)), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def _cell_texts(node: Any) -> list[str]:
    return [repr((cell.cell_type, cell.source, cell.metadata.get("tags", []))) for cell in node.cells]


def _read(notebook: str) -> Any:
    import jupytext

    return jupytext.read(source(notebook))


def _clean(node: Any) -> Any:
    """Leave only what another run on another machine would write too, so that the stored files differ little."""
    header = {key: value for key, value in node.metadata.get("jupytext", {}).items() if key != "text_representation"}
    node.metadata = {
        "jupytext": header,
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    seen: dict[str, int] = {}
    for cell in node.cells:
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = f"{digest}-{seen[digest]}"
    node.nbformat, node.nbformat_minor = 4, 5
    return node
