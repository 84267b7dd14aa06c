"""References: records of the 12S gene with their taxonomy, by name or as a user's own files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dnakit.data import sources
from dnakit.project import DnakitError, did_you_mean, users_path

if TYPE_CHECKING:
    import pandas as pd


class Reference(NamedTuple):
    """Where the records of a reference come from.

    Attributes
    ----------
    title : str
        For captions and provenance.
    sequences : str
        A source, or a file in any of the forms that `dnakit.data.barcodes.read` knows.
    taxa : str or None
        A source or file of the taxonomy, where `sequences` does not say it.
    """

    title: str
    sequences: str
    taxa: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Its sources."""
        return (self.sequences, self.taxa) if self.taxa else (self.sequences,)

    def digests(self) -> list[str]:
        """Digests of its files: part of the keys of runs."""
        return [sources.digest(sources.fetch(name)) for name in self.names]

    def table(self) -> "pd.DataFrame":
        """Its records: see `dnakit.data.barcodes.read`."""
        from dnakit.data import barcodes

        return barcodes.read(*(sources.fetch(name) for name in self.names))

    def record(self) -> dict[str, Any]:
        """What the record of a run says of its data."""
        return {"species": self.title, **sources.about(self.names)}


REFERENCES = {
    "mitohelper-2025-11": Reference(
        "mitohelper 2025-11", "mitohelper-sequences-2025-11", "mitohelper-taxonomy-2025-11"
    ),
    "mitohelper": Reference("mitohelper, newest release", "mitohelper-sequences", "mitohelper-taxonomy"),
    "mito-animals": Reference("fishes of RefSeq", "mito-animals", "mito-animals-table"),
    "mitofish": Reference("MitoFish, complete genomes", "mitofish-genomes", "mitofish-annotations"),
    "refseq": Reference("RefSeq mitochondria", "refseq-mitochondrion-genbank"),
    "simulated": Reference("simulated fishes", "simulated-barcodes-sequences", "simulated-barcodes-taxonomy"),
}


def reference(name: str, taxa: str | None = None) -> Reference:
    """The reference of this name, or a user's own: sequences, and a taxonomy table where they do not say it.

    Raises
    ------
    DnakitError
        Neither, and the message lists the names; or a taxonomy table for a named reference.
    """
    if taxa is not None and not taxa.strip():
        raise DnakitError("the name of the taxonomy table is empty: give its path, or leave --taxonomy out")
    if name in REFERENCES and taxa is None:
        return REFERENCES[name]
    if name in REFERENCES:
        raise DnakitError(f"--taxonomy is of your own records: give their file with --reference, not '{name}'")
    if not users_path(name):
        known = ", ".join(REFERENCES)
        raise DnakitError(
            f"'{name}' is neither a reference ({known}) nor a file of sequences{did_you_mean(name, REFERENCES)}"
        )
    return Reference(Path(name).name, name, taxa)
