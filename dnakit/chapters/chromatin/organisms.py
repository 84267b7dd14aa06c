"""Whose chromatin profiles the chapter predicts, and where they come from (thesis section 4.2.4)."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dnakit.data import sources
from dnakit.project import DnakitError, absolute, did_you_mean, root, users_folder


class Organism(NamedTuple):
    """Where profiles come from.

    Attributes
    ----------
    species : str
    peaks : str
        Source of the peaks, a folder of peak files, or DeepSEA's archive where there are no `genomes`.
    genomes : tuple of str
        Sources of the sequence.
    features : str
        Source of the table of features; without one all are of the kind `kind`.
    kind : str
    validation, test : tuple of str
        Chromosomes that are held out; of DeepSEA's archive its own parts.
    fewest : int
        Features with fewer positive bins are left out.
    """

    species: str
    peaks: str
    genomes: tuple[str, ...] = ()
    features: str = ""
    kind: str = "peaks"
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    fewest: int = 0

    def paths(self) -> tuple[list[Path], Path, Path | None]:
        """Local copies of the genomes, the peaks and the table of features, fetched where need be."""
        return [sources.fetch(name) for name in self.genomes], _local(self.peaks), self._features()

    def _features(self) -> Path | None:
        return sources.fetch(self.features) if self.features else None

    def digests(self) -> list[str]:
        """Digests of all files: part of the keys of runs."""
        genomes, peaks, features = self.paths()
        return [_digest(path) for path in (*genomes, peaks, *([features] if features else []))]

    def record(self, *more: str) -> dict[str, Any]:
        """What the record of a run says of its data, and of more sources that it read."""
        named = [name for name in (*self.genomes, self.peaks, self.features, *more) if name and not _folder(name)]
        about = sources.about(named)
        if folder := _folder(self.peaks):
            about["source"] += f", peaks of {folder.name}"
            about["source_sha256"] += f" {_digest(folder)}"
        return {"species": self.species, **about}


HUMAN = ("hg38-chr1-start", "hg38-chr17-start", "hg38-chr18-start", "hg38-chr10-part")
ORGANISMS: dict[str, Organism] = {
    "deepsea": Organism("H. sapiens", "deepsea", validation=("valid",), test=("test",)),
    "human-slices": Organism(
        "H. sapiens", "human-peaks", HUMAN, "human-features", validation=("chr10",), test=("chr18",)
    ),
    "yeast": Organism(
        "S. cerevisiae",
        "yeast-peaks",
        ("yeast-ensembl",),
        kind="TF",
        validation=("XIII",),
        test=("VII", "XV"),
        fewest=100,
    ),
    "simulated": Organism(
        "Simulated P",
        "simulated-chromatin-peaks",
        ("simulated-chromatin",),
        "simulated-chromatin-features",
        validation=("simP3",),
        test=("simP4",),
    ),
    "simulated-deepsea": Organism("Simulated P", "simulated-deepsea", validation=("valid",), test=("test",)),
}


def organism(name: str) -> Organism:
    """The organism of this name.

    Raises
    ------
    DnakitError
        If there is none.
    """
    if name not in ORGANISMS:
        known = ", ".join(ORGANISMS)
        raise DnakitError(
            f"'{name}' is no organism with profiles{did_you_mean(name, ORGANISMS)}; known: {known}; "
            "for your own data give 'genome' and 'peaks'"
        )
    return ORGANISMS[name]


def own(genomes: Sequence[str], peaks: str, features: str, validation: Sequence[str], test: Sequence[str]) -> Organism:
    """The user's own: FASTA files, a BED file or a folder with one peak file a feature, and a table of the features."""
    species = Path(genomes[0]).name.split(".")[0]
    return Organism(species, peaks, tuple(genomes), features, "peaks", tuple(validation), tuple(test))


def _local(name: str) -> Path:
    return _folder(name) or sources.fetch(name)


def _folder(name: str) -> Path | None:
    """The folder of this name, where the user is or in the checkout; None where it is none."""
    named = Path(name) if name.startswith("~") else users_folder() / name
    return next((path for path in map(absolute, (named, root() / name)) if path.is_dir()), None)


def _digest(path: Path) -> str:
    """Of a file its sha256, of a folder that of the names and digests of its files."""
    if path.is_file():
        return sources.digest(path)
    files = sorted(file for file in path.iterdir() if file.is_file())
    return hashlib.sha256("".join(f"{file.name} {sources.digest(file)}\n" for file in files).encode()).hexdigest()
