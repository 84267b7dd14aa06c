"""A notebook's cells from its text, and the form in which a notebook with outputs is stored."""

import hashlib
from typing import Any

from dnakit.notebooks.parameters import source


def read(notebook: str) -> Any:
    """The cells of ``NN_name.py``, without outputs."""
    import jupytext

    return jupytext.read(source(notebook))


def clean(node: Any) -> Any:
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
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
    node.nbformat, node.nbformat_minor = 4, 5
    return node


def _joined(outputs: list[Any]) -> list[Any]:
    """Outputs with printed text in one piece: a kernel sends it in pieces that depend on the time they take."""
    joined: list[Any] = []
    for output in outputs:
        before = joined[-1] if joined else {}
        if output["output_type"] == "stream" == before.get("output_type") and output["name"] == before["name"]:
            before["text"] += output["text"]
        else:
            joined.append(output)
    return joined
