"""The full-size encoder that lies in the repository (``models/full-size``), as a run that trainings begin from."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnakit import store
from dnakit.project import DnakitError, root, sha256
from dnakit.run import Outcome, Run

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
_DATA = ("source", "source_sha256", "simulated", "parameters", "corpus", "genomes", "samples", "vocab_size", "weights")


@dataclass(frozen=True)
class CommittedModel(Run):
    """Its copy in the store. It is not the run ``full-size``: its weights are rounded to bfloat16."""

    recipe = "committed model 1"

    @property
    def title(self) -> str:
        """What it is, in words."""
        return "the full-size encoder of the repository"

    def inputs(self) -> Mapping[str, Any]:
        """The digests of its files."""
        return {"sha256": {name: _digest(_folder() / name) for name in FILES}}

    def compute(self, folder: Path) -> Outcome:
        """Copy it."""
        (folder / "model").mkdir(exist_ok=True)
        for name in FILES:
            shutil.copyfile(_folder() / name, folder / "model" / name)
        record, metrics = (store.read_json(_folder() / "run" / name) for name in ("run.json", "metrics.json"))
        return Outcome(metrics, {name: record[name] for name in _DATA} | {"rounded_from": record["key"]})


def _folder() -> Path:
    return root() / "models" / "full-size"


def _digest(path: Path) -> str:
    if not path.is_file():
        raise DnakitError(f"{path} is not there: get it back with git checkout {path.parent}")
    return sha256(path)
