"""The pair of a notebook: ``NN_name.py`` is the source, ``NN_name.ipynb`` the same cells with outputs.

The outputs are those of the smoke profile; nbval compares them.
"""

import difflib
from pathlib import Path
from typing import Any

from dnakit.notebooks.execute import execute
from dnakit.notebooks.parameters import source
from dnakit.notebooks.stored import clean, read
from dnakit.project import published


def pair(notebook: str, run: bool = False) -> Path:
    """Write ``NN_name.ipynb`` from ``NN_name.py``, never the other way; unchanged cells keep their outputs.

    With ``run``, the notebook is executed with its defaults (the smoke values) and all outputs are new.
    """
    import nbformat

    output = source(notebook).with_suffix(".ipynb")
    if run:
        return execute(notebook, {}, output)
    paired = read(notebook)
    if output.exists():
        _keep_outputs(paired, nbformat.read(output, as_version=4))
    with published(output) as part:
        nbformat.write(clean(paired), part)
    return output


def _keep_outputs(paired: Any, old: Any) -> None:
    # jupytext --update would also hand an edited cell the outputs of the text it replaced.
    known = {cell.source: cell for cell in old.cells if cell.cell_type == "code"}
    for cell in paired.cells:
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
    lines = difflib.unified_diff(stored, _cell_texts(read(notebook)), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def _cell_texts(node: Any) -> list[str]:
    return [repr((cell.cell_type, cell.source, cell.metadata.get("tags", []))) for cell in node.cells]
