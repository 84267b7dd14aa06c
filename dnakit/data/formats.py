"""Readers and writers of the field's formats: FASTA, GenBank, BED.

Letters: lower case is upper case, U is T, IUPAC ambiguity letters stay in the record (`dnakit.data.bases` gives every
letter other than ACGT the code of an unknown base). Gaps, ``*`` and protein letters are refused, because they mean
that the file is not DNA.
"""

import io
import re
import warnings
from collections import deque
from collections.abc import Container, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from Bio import BiopythonParserWarning, SeqIO
from Bio.SeqFeature import CompoundLocation, SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

from dnakit.data.bases import reverse_complement
from dnakit.data.files import open_text, open_writing, refusing, texts
from dnakit.project import DnakitError, published

BED_COLUMNS = 12
AMBIGUITY = b"RYSWKMBDHVN"
_NORMAL = bytes.maketrans(b"acgtunryswkmbdhvU", b"ACGTTNRYSWKMBDHVT")
# How a name of a ribosomal RNA calls the mitochondrion's small one, and the others; lower case, one blank between words
_SMALL = (
    r"12 ?s( ?r ?[rd]na)?", r"12 r(ibosomal )?rna", r"s ?r ?rna", r"s ribosomal rna", "small", "ssu",
    r"rrn ?s", "rns", "srrn", r"rnr ?1", r"rrn ?12 ?s?",
)  # fmt: skip
_OTHER = (
    r"(5|5 8|16|18|21|23|25|26|28) ?s( ?r ?[rd]na)?", r"(16|23) r(ibosomal )?rna", r"l ?r ?rna", r"l ribosomal rna",
    "large", "lsu", r"rrn ?l", "rnl", "lrrn", r"rnr ?2", r"rrn ?(5|16|18|23|26) ?s?",
)  # fmt: skip
_BLOCK = 1 << 18  # letters of a text read at a time
_SHOWN = 60  # letters of a name in a message
_MALFORMED = (ValueError, AssertionError, LookupError, TypeError, AttributeError, RecursionError, OverflowError)
_WHOLE = re.compile(r"[0-9]{1,18}")
_NUMBER = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_SUBUNIT = re.compile(rf"\b(mt)?((?P<small>{'|'.join(_SMALL)})|(?P<other>{'|'.join(_OTHER)}))\b")


class Record(NamedTuple):
    """One sequence of a FASTA file.

    Attributes
    ----------
    name : str
        The header's first word.
    description : str
        What follows it, or nothing.
    sequence : bytes
        Upper-case letters, ``ACGT`` and IUPAC ambiguity.
    """

    name: str
    description: str
    sequence: bytes


class BedRow(NamedTuple):
    """One line of a BED file; coordinates are 0-based and half-open, absent columns are None (strand: ``.``).

    EPDnew's own BED files carry the transcription start site in ``thick_start`` (+) or ``thick_end - 1`` (-).
    """

    chrom: str
    start: int
    end: int
    name: str | None
    score: float | None
    strand: str
    thick_start: int | None
    thick_end: int | None


class Annotation(NamedTuple):
    """What a GenBank record says of its organism and of its 12S gene.

    Attributes
    ----------
    organism : str
        Scientific name.
    lineage : tuple of str
        From the root of the taxonomy down, without the organism.
    start, end : int or None
        The 12S gene, 0-based and half-open; ``end`` exceeds the length where the gene crosses the origin of a circle.
    strand : int or None
        1 or -1.
    """

    organism: str
    lineage: tuple[str, ...]
    start: int | None
    end: int | None
    strand: int | None


# ---- FASTA


def read_fasta(path: str | Path, names: Container[str] | None = None) -> Iterator[Record]:
    """Read a FASTA file, plain or compressed (gzip, xz, bzip2), one record in memory at a time.

    A tar archive of FASTA files, as UCSC serves some assemblies (``chromFa.tar.gz``), is read as one file.

    Parameters
    ----------
    path : str or Path
        Compression is recognised by content. CRLF line ends, blank lines and lower case are fine.
    names : container of str, optional
        Only these records; the letters of the others are skipped.

    Yields
    ------
    Record
        Names are unique, sequences are not empty.

    Raises
    ------
    DnakitError
        Unreadable or truncated file, no FASTA, a record without name or sequence, a name twice, letters that are no
        nucleotides, or a record of which less than half is ACGTN (a protein that needs IUPAC letters only).
    """
    path = Path(path)
    with refusing(path):
        yield from fasta_records(path, texts(path), names)


def fasta_records(
    path: Path, opened: Iterable[tuple[str, TextIO]], names: Container[str] | None = None
) -> Iterator[Record]:
    """The records of open texts, each with what to call it in a message; see `read_fasta`."""
    seen: set[str] = set()
    for title, lines in _records(opened):
        name, description = (*title.split(None, 1), "", "")[:2]
        if not name:
            raise DnakitError(f"{path}: record {len(seen) + 1} has no name after '>'")
        if name in seen:
            raise DnakitError(f"{path}: record '{name[:_SHOWN]}' occurs twice; names must be unique")
        seen.add(name)
        if names is None or name in names:
            yield Record(name, description, _nucleotides(path, name, lines))
    if not seen:
        raise DnakitError(f"{path}: no FASTA file in the archive")


def _records(opened: Iterable[tuple[str, TextIO]]) -> Iterator[tuple[str, Iterator[str]]]:
    """Title of each record, and its letters in pieces; pieces that are not asked for are passed over."""
    for where, handle in opened:
        text = _Text(handle)
        text.pass_blank_lines()
        if not text.fill():
            raise DnakitError(f"{where}: the file is empty; a FASTA file has at least one '>' record")
        if not text.at_header():
            raise DnakitError(f"{where}: not a FASTA file (text before the first '>')")
        while text.fill():
            title, pieces = text.line()[1:].rstrip(), text.until_header()
            yield title, pieces
            deque(pieces, maxlen=0)


class _Text:
    """A text read in blocks: cost and memory do not depend on the lengths of its lines."""

    def __init__(self, handle: TextIO) -> None:
        self.handle, self.block, self.at, self.before = handle, "", 0, "\n"

    def fill(self) -> bool:
        """Whether anything is left; reads on where the block is used up."""
        if self.at == len(self.block):
            self.before = self.block[-1:] or self.before
            self.block, self.at = self.handle.read(_BLOCK), 0
        return bool(self.block)

    def at_header(self) -> bool:
        """Whether the next letter is a '>' that begins a line."""
        before = self.block[self.at - 1] if self.at else self.before
        return before == "\n" and self.block[self.at] == ">"

    def pass_blank_lines(self) -> None:
        while self.fill():
            left = self.block[self.at :].lstrip()
            self.at = len(self.block) - len(left)
            if left:
                return

    def line(self) -> str:
        """The rest of the line."""
        parts = []
        while self.fill():
            end = self.block.find("\n", self.at) + 1 or len(self.block)
            parts.append(self.block[self.at : end])
            self.at = end
            if parts[-1].endswith("\n"):
                break
        return "".join(parts)

    def until_header(self) -> Iterator[str]:
        """What comes before the next header, in pieces."""
        while self.fill() and not self.at_header():
            end = self.block.find("\n>", self.at) + 1 or len(self.block)
            piece, self.at = self.block[self.at : end], end
            yield piece


def _nucleotides(path: Path, name: str, pieces: Iterable[str]) -> bytes:
    letters = bytearray()
    for piece in pieces:
        letters += piece.encode()
    letters = letters.translate(_NORMAL, b" \t\r\n")
    sequence = bytes(letters)
    if not sequence:
        raise DnakitError(f"{path}: record '{name[:_SHOWN]}' has no sequence")
    unusual = sequence.translate(None, b"ACGTN")
    strange = unusual.translate(None, AMBIGUITY)
    if strange:
        letter = letters[letters.index(strange[0]) :].decode()[0]
        raise DnakitError(
            f"{path}: record '{name[:_SHOWN]}' contains {letter!r}, which is no nucleotide letter (protein? alignment?)"
        )
    if 2 * len(unusual) > len(sequence):
        raise DnakitError(f"{path}: record '{name[:_SHOWN]}' is less than half A, C, G, T or N (a protein?)")
    return sequence


def write_fasta(path: str | Path, records: Iterable[Record], width: int = 70) -> None:
    """Write records as FASTA with `width` letters a line, compressed as the suffix says (.gz, .xz, .bz2).

    The file appears complete or not at all.
    """
    path = Path(path)
    with published(path) as part, open_writing(part, path.suffix) as handle:
        for record in records:
            if record.name.split() != [record.name] or not record.sequence:
                raise DnakitError(f"{path}: record {record.name!r} needs a name without blanks, and a sequence")
            handle.write(">" + " ".join([record.name, *record.description.splitlines()]).rstrip() + "\n")
            letters = record.sequence.decode("ascii")
            handle.writelines(letters[i : i + width] + "\n" for i in range(0, len(letters), width))


# ---- GenBank


def read_genbank(path: str | Path) -> Iterator[SeqRecord]:
    """Read a GenBank file, plain or compressed, one record in memory at a time.

    Raises
    ------
    DnakitError
        Unreadable, truncated or malformed file, or a file without any record.
    """
    path = Path(path)
    count = 0
    with refusing(path), open_text(path) as handle:
        for count, entry in enumerate(_entries(path, handle), start=1):
            try:
                yield _genbank_record(entry)
            except _MALFORMED as error:
                reason = " ".join(str(error).split())[:120]
                raise DnakitError(f"{path}: GenBank record {count} is malformed: {reason}") from error
    if not count:
        raise DnakitError(f"{path}: not a GenBank file (no record in it)")


def _genbank_record(entry: str) -> SeqRecord:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiopythonParserWarning)
        return SeqIO.read(io.StringIO(entry), "genbank")


def _entries(path: Path, handle: TextIO) -> Iterator[str]:
    """The text of each record up to its ``//`` line; Biopython would take the end of a file for the end of a record."""
    lines: list[str] = []
    for line in handle:
        lines.append(line)
        if line.rstrip() == "//":
            yield "".join(lines)
            lines = []
    if any(line.strip() for line in lines):
        raise DnakitError(f"{path}: not a GenBank file, or the last record is truncated (no '//' line)")


def annotation(record: SeqRecord) -> Annotation:
    """Organism, lineage and the 12S gene of a GenBank record, whichever of its many names the gene has.

    The longest annotated small-subunit rRNA counts; start, end and strand are None where there is none.

    Raises
    ------
    DnakitError
        The gene lies beyond the sequence.
    """
    annotations: dict[str, Any] = dict(record.annotations)
    organism = str(annotations.get("organism", "")).strip()
    lineage = tuple(str(rank) for rank in annotations.get("taxonomy", []))
    genes = [f.location for f in record.features if f.type == "rRNA" and f.location and _is_12s(f)]
    if not genes:
        return Annotation(organism, lineage, None, None, None)
    gene = max(genes, key=len)
    if max(int(part.end) for part in gene.parts) > len(record):
        raise DnakitError(f"GenBank record {record.id}: its 12S gene, {gene}, lies beyond its {len(record):,} bases")
    start, end = _span(gene, len(record))
    return Annotation(organism, lineage, start, end, -1 if gene.strand == -1 else 1)


def _is_12s(feature: SeqFeature) -> bool:
    """Whether the first of product, gene and note that names a subunit names the small one, and names it first.

    A later qualifier counts only where the earlier ones say no more than "ribosomal RNA": a note may speak of the
    neighbour.
    """
    for qualifier in ("product", "gene", "note"):
        for name in feature.qualifiers.get(qualifier, []):
            words = " ".join(re.findall(r"[a-z0-9]+", name.lower()))
            if found := _SUBUNIT.search(words):
                return found["small"] is not None
    return False


def _span(location: SimpleLocation | CompoundLocation, length: int) -> tuple[int, int]:
    """Start and end of a gene of one or several parts; beyond the length where it crosses the origin of a circle."""
    parts = sorted((int(part.start), int(part.end)) for part in location.parts)
    if not _crosses_origin(location, length):
        return parts[0][0], max(end for _, end in parts)
    gaps = [after[0] - before[1] for before, after in pairwise(parts)]
    last = gaps.index(max(gaps))  # the widest gap is what lies outside the gene
    return parts[last + 1][0], length + parts[last][1]


def _crosses_origin(location: SimpleLocation | CompoundLocation, length: int) -> bool:
    """Whether two parts meet at the origin, or the parts, in the order of reading, jump back to the beginning."""
    parts = location.parts[:: -1 if location.strand == -1 else 1]
    meet = any(int(part.end) == length for part in parts) and any(int(part.start) == 0 for part in parts)
    jump = any(int(after.start) < int(before.start) for before, after in pairwise(parts))
    return len(parts) > 1 and (meet or jump)


def extract(sequence: bytes, start: int, end: int, strand: int = 1) -> bytes:
    """Bases ``start`` to ``end`` (0-based, half-open) of a circular sequence, read in the gene's own direction."""
    piece = sequence[start:end] + sequence[: max(0, end - len(sequence))]
    return reverse_complement(piece) if strand == -1 else piece


# ---- BED


def read_bed(path: str | Path) -> Iterator[BedRow]:
    """Read a BED file (3 to 12 columns, or narrowPeak), plain or compressed, line by line.

    Raises
    ------
    DnakitError
        Naming file and line: too few columns, positions out of order or no numbers, an unknown strand; no rows.
    """
    path = Path(path)
    count = 0
    with refusing(path), open_text(path) as handle:
        for number, line in enumerate(handle, start=1):
            if not line.strip() or line.startswith(("#", "track", "browser")):
                continue
            count += 1
            columns = line.rstrip("\r\n").split("\t", BED_COLUMNS) if "\t" in line else line.split(None, BED_COLUMNS)
            yield _bed_row(path, number, columns[:BED_COLUMNS])
    if not count:
        raise DnakitError(f"{path}: no BED rows in the file")


def _bed_row(path: Path, number: int, columns: list[str]) -> BedRow:
    if len(columns) < 3:
        raise DnakitError(
            f"{path}: line {number} has {len(columns)} columns; BED has chromosome, start and end at least"
        )
    chrom, name, score, strand, thick_start, thick_end = (
        columns[i] if i < len(columns) and columns[i] != "." else None for i in (0, 3, 4, 5, 6, 7)
    )
    if not (_WHOLE.fullmatch(columns[1]) and _WHOLE.fullmatch(columns[2]) and _NUMBER.fullmatch(score or "0")):
        text = " ".join(columns[1:5])[:80]
        raise DnakitError(f"{path}: line {number}: start, end and score must be numbers ({text})")
    start, end, value = int(columns[1]), int(columns[2]), float(score) if score else None
    if not chrom or not 0 <= start <= end:
        raise DnakitError(
            f"{path}: line {number}: a BED interval needs a chromosome and 0 <= start <= end, not {start}..{end}"
        )
    if strand not in (None, "+", "-"):
        raise DnakitError(f"{path}: line {number}: strand must be '+', '-' or '.', not {strand[:20]!r}")
    thick = _thick(thick_start, thick_end, start, end)
    return BedRow(chrom, start, end, name, value, strand or ".", *thick)


def _thick(first: str | None, last: str | None, start: int, end: int) -> tuple[int, int] | tuple[None, None]:
    """Columns 7 and 8 where they are thickStart and thickEnd.

    In narrowPeak they hold a signal and a p-value; where they are equal, the row has no thick part.
    """
    if first and last and _WHOLE.fullmatch(first) and _WHOLE.fullmatch(last) and start <= int(first) < int(last) <= end:
        return int(first), int(last)
    return None, None
