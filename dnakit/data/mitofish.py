"""MitoFish's archives of complete genomes and of their annotation (Iwasaki et al. 2013, 10.1093/molbev/mst141).

``mitogenomes.zip`` holds a FASTA file a genome (and one of its genes, ``…_genes.fa``); ``mitoannotations.zip`` holds a
table a genome, named ``NC_002081_Gonostoma_gracile.txt``. A feature is a line of five columns, tab-separated, as DDBJ
takes annotation: name of the entry (empty after its first line), feature, location, qualifier, value:

    <tab>rRNA<tab>69..1017<tab>product<tab>12S rRNA

They say no lineage: the species comes from the name of the file. Archives are read inside, never unpacked to disk.
"""

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from dnakit.project import DnakitError

ACCESSION = re.compile(r"[A-Z]{1,3}_?\d{5,}")
_NAME = re.compile(rf"(?P<accession>{ACCESSION.pattern})(\.\d+)?_(?P<organism>.+)\.txt")
_PART = re.compile(r"<?(\d+)\.\.>?(\d+)")
GENE = "12S rRNA"
Check = Callable[[zipfile.ZipInfo], None]


class Gene(NamedTuple):
    """Where a genome has its 12S gene.

    Attributes
    ----------
    organism : str
    start, end : int
        0-based and half-open; of a gene that crosses the origin of the circle, ``end`` is at or before ``start``.
    strand : int
        1 or -1.
    """

    organism: str
    start: int
    end: int
    strand: int


def genes(path: Path, check: Check) -> dict[str, Gene]:
    """The 12S gene of each genome that has one, by accession without version; nothing of an archive of other files.

    Parameters
    ----------
    path : Path
        ``mitoannotations.zip``.
    check : callable
        Refuses a member of an unlikely size.

    Raises
    ------
    DnakitError
        A location that cannot be read.
    """
    found = {}
    for name, text in _texts(path, ".txt", check):
        if (parts := _NAME.fullmatch(name)) is None:
            continue
        for line in text:
            columns = line.rstrip("\r\n").split("\t")
            if columns[1:2] == ["rRNA"] and columns[4:5] == [GENE]:
                organism = parts["organism"].replace("_", " ")
                found[parts["accession"]] = Gene(organism, *_location(columns[2], f"{path}: {name}"))
    return found


def genomes(path: Path, check: Check) -> Iterator[tuple[str, str]]:
    """Accession without version and letters of each genome of ``mitogenomes.zip``."""
    for name, text in _texts(path, ".fa", check):
        if name.endswith("_genes.fa"):
            continue
        header, *lines = text.read().split("\n")
        if (accession := ACCESSION.search(header) or ACCESSION.search(name)) is None or not header.startswith(">"):
            raise DnakitError(f"{path}: {name} is no FASTA file of a genome with an accession")
        yield accession[0], "".join(line.strip() for line in lines)


def _texts(path: Path, suffix: str, check: Check) -> Iterator[tuple[str, io.TextIOWrapper]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = PurePosixPath(info.filename).name
            if name.endswith(suffix) and not name.startswith("."):
                check(info)
                with archive.open(info) as stream:
                    yield name, io.TextIOWrapper(stream, encoding="utf-8-sig")


def _location(text: str, where: str) -> tuple[int, int, int]:
    """Start, end and strand of ``69..1017``, ``complement(…)``, or ``join(16000..16500,1..500)`` across the origin."""
    parts = [(int(start) - 1, int(end)) for start, end in _PART.findall(text)]
    if not parts:
        raise DnakitError(f"{where}: the location of the 12S gene, {text[:40]!r}, is none")
    return parts[0][0], parts[-1][1], -1 if "complement" in text else 1
