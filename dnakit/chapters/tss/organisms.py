"""The organisms of chapter 3, and where their promoters come from (thesis section 4.2.2)."""

from pathlib import Path
from typing import Any, NamedTuple

from dnakit.data import sources
from dnakit.project import DnakitError


class Organism(NamedTuple):
    """Where an organism's promoters come from.

    Attributes
    ----------
    species : str
        As in the thesis's Table 5.2, or a simulated one.
    genomes : tuple of str
        Sources of its sequence; none where `promoters` are sequences.
    promoters : str
        Source of the positions (BED), or of the windows themselves (FASTA).
    tss : int or None
        Index of the TSS in such windows.
    """

    species: str
    genomes: tuple[str, ...]
    promoters: str
    tss: int | None = None

    def paths(self) -> tuple[list[Path], Path]:
        """Local copies of the genomes and of the promoters, fetched where need be."""
        return [sources.fetch(name) for name in self.genomes], sources.fetch(self.promoters)

    def digests(self) -> list[str]:
        """Digests of the files, and the index of the TSS: part of the keys of runs."""
        genomes, promoters = self.paths()
        return [sources.digest(path) for path in (*genomes, promoters)] + [str(self.tss)]

    def record(self) -> dict[str, Any]:
        """What the record of a run says of its data."""
        return {"species": self.species, **sources.about((*self.genomes, self.promoters))}


# The nine of Table 5.2 from the official sources, in its order
TABLE_5_2: dict[str, Organism] = {
    "human": Organism("H. sapiens", ("hg38",), "epdnew-human"),
    "mouse": Organism("M. musculus", ("mm10",), "epdnew-mouse"),
    "chicken": Organism("G. gallus", ("galGal5",), "epdnew-chicken"),
    "zebrafish": Organism("D. rerio", ("danRer7",), "epdnew-zebrafish"),
    "fly": Organism("D. melanogaster", ("dm6",), "epdnew-fly"),
    "worm": Organism("C. elegans", ("ce6",), "epdnew-worm"),
    "maize": Organism("Z. mays", ("zm3",), "epdnew-maize"),
    "yeast": Organism("S. cerevisiae", ("sacCer3",), "epdnew-yeast"),
    "plasmodium": Organism("P. falciparum", ("pfa2",), "epdnew-plasmodium"),
}
ORGANISMS: dict[str, Organism] = TABLE_5_2 | {
    "human-slices": Organism(
        "H. sapiens", ("hg38-chr1-start", "hg38-chr17-start", "hg38-chr18-start"), "epdnew-human-tss"
    ),
    "yeast-ensembl": Organism("S. cerevisiae", ("yeast-ensembl",), "epdnew-yeast-tss"),
    "worm-401bp": Organism("C. elegans", (), "epdnew-worm-401bp", 200),
    "yeast-401bp": Organism("S. cerevisiae", (), "epdnew-yeast-401bp", 200),
    "plasmodium-401bp": Organism("P. falciparum", (), "epdnew-plasmodium-401bp", 200),
    "simulated-a": Organism("Simulated A", ("simulated-nuclear-a",), "simulated-nuclear-a-promoters"),
    "simulated-b": Organism("Simulated B", ("simulated-nuclear-b",), "simulated-nuclear-b-promoters"),
    "simulated-c": Organism("Simulated C", ("simulated-nuclear-c",), "simulated-nuclear-c-promoters"),
}


def organism(name: str) -> Organism:
    """The organism of this name, or the user's own windows as ``FILE.fa@TSS`` (TSS: index of its base, from 0).

    Raises
    ------
    DnakitError
        Neither; the message lists the names.
    """
    if name in ORGANISMS:
        return ORGANISMS[name]
    path, mark, index = name.rpartition("@")
    if not mark or not (index.isascii() and index.isdecimal()):
        raise DnakitError(
            f"'{name}' is no organism with promoters: {', '.join(ORGANISMS)}, "
            "or a FASTA file of equal windows and the index of their TSS, such as mine.fa@4999"
        )
    return Organism(Path(path).name, (), path, int(index))
