"""The pair of a notebook: ``NN_name.py`` is the source, ``NN_name.ipynb`` the same cells with outputs.

The outputs are those of the smoke profile; nbval compares them.
"""

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
