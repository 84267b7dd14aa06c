"""Running a notebook headless with papermill, so that its output appears whole or not at all."""

import copy
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from dnakit.notebooks.parameters import check, folder, replace_literals, without_folders
from dnakit.notebooks.stored import clean, read
from dnakit.project import DnakitError, environment_path, published

#: What a kernel needs so that stored outputs hold no warnings, no progress bars, and no order of a hash.
QUIET = {
    "PYTHONWARNINGS": "ignore",
    "PYTHONHASHSEED": "0",
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
#: The kernel is that of the interpreter that runs dnakit, whatever else is called python3 on the user's search path.
OWN_KERNEL = {"JUPYTER_PATH": "", "JUPYTER_PREFER_ENV_PATH": "1"}

_KERNEL_STARTS, _KERNEL_START_SECONDS = 3, 60
_NO_KERNEL = ("Kernel didn't respond", "Kernel died before")  # begin what nbclient says of a kernel that did not start
_FOLDERS = ("DNAKIT_FROM", "DNAKIT_ROOT", "DNAKIT_DATA", "DNAKIT_MIRROR", "DNAKIT_SOURCES")


class CellError(Exception):
    """A cell failed with something other than a `DnakitError`; the message is one line that says where to look."""


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
    with published(output) as part:
        executed = _run(_with_values(read(notebook), values), part, notebook, failed)
        shown_values = {name: without_folders(value) for name, value in values.items()}
        nbformat.write(clean(_with_values(executed, shown_values)), part)
    failed.unlink(missing_ok=True)
    return output


def _run(node: Any, part: Path, notebook: str, failed: Path) -> Any:
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    # A dead kernel becomes one line below, and an interruption none; papermill and asyncio would log more.
    for logger in ("papermill", "asyncio"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    try:
        with _environment(QUIET | OWN_KERNEL | _absolute_folders()):
            return _with_a_kernel(node, part, notebook)
    except PapermillExecutionError as error:
        if error.ename == DnakitError.__name__:
            raise DnakitError(f"{notebook}: {error.evalue.removeprefix(f'{notebook}: ')}") from None
        cell = f"cell [{error.exec_count}] ({_one_line(error.source)[:60]!r})"
        _leave(part, failed, f"{notebook}: {cell} failed with {error.ename}: {_one_line(error.evalue)}")
    except DeadKernelError:
        _leave(part, failed, f"{notebook}: its kernel died (out of memory?)")
    except CellTimeoutError as error:
        _leave(part, failed, f"{notebook}: a cell took too long: {_one_line(error)}")


def _with_a_kernel(node: Any, part: Path, notebook: str) -> Any:
    """Run the cells; a kernel that does not start is replaced by another.

    Two processes that start kernels at once may choose the same port, and the later kernel then never answers.
    """
    import papermill

    part.parent.mkdir(parents=True, exist_ok=True)  # another process that failed may have removed it, still empty
    for _ in range(_KERNEL_STARTS):
        try:
            return papermill.execute_notebook(
                copy.deepcopy(node),
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
        except RuntimeError as error:
            if not str(error).startswith(_NO_KERNEL):
                raise
    raise DnakitError(f"{notebook}: no kernel started in {_KERNEL_STARTS} times {_KERNEL_START_SECONDS} s: try again")


def _absolute_folders() -> dict[str, str]:
    """The folders named in the environment, and the working folder, for a kernel that starts in another one."""
    here = {"DNAKIT_FROM": str(Path.cwd())}
    return here | {name: str(path) for name in _FOLDERS if (path := environment_path(name))}


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
