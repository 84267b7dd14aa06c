"""Sequencing reads, one after the other: FASTQ or FASTA, plain or compressed, from a file or from standard input.

Memory does not grow with the number of reads. Reading and recognising the format is dnaio's work. A read is a read
whatever its quality: low-quality ends are cut off (`trimmed_length`), a read of no bases stays as an empty one, and
letters that are no base become N.
"""

import io
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dnakit.data.bases import reverse_complement
from dnakit.data.files import AS_LATIN1, Forward, decompressed, refuse_no_text, refusing
from dnakit.project import DnakitError

STANDARD_INPUT = "-"
QUALITY = 10  # Phred: a base with an error probability above 0.1 is no evidence
PHRED = 33  # offset of the letters
_BLOCK = 1 << 20
_NORMAL = bytes.maketrans(b"acgtuUryswkmbdhvnRYSWKMBDHV.", b"ACGTTTNNNNNNNNNNNNNNNNNNNNNN")
_NOT_AMBIGUOUS = b"ACGTUNacgtun. \t\r\n"
_ENOUGH = 20  # letters by which a protein is known: a short end of a read may be ambiguous
_BOM = b"\xef\xbb\xbf"
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_BLANK_LINES = re.compile(rb"\n{4,}|(?:\r\n){4,}")  # an empty read of FASTQ has fewer line ends together
_BLANK_END = re.compile(r"incomplete final record was: '(\\[nr])*'")  # in dnaio's message
_CUT = "Premature end of file"  # in dnaio's message
_NO_PLUS = "expected to start with '+'"  # in dnaio's message
_ESCAPED = re.compile(rb"\x1a([89a-f][0-9a-f])")


class Read(NamedTuple):
    """One read.

    Attributes
    ----------
    name : str
        The header's first word: UTF-8, or Latin-1 where it is not.
    sequence : bytes
        ``ACGT`` and N, upper case; may be empty.
    """

    name: str
    sequence: bytes


def read_reads(source: str | Path) -> Iterator[Read]:
    """The reads of a FASTQ or FASTA file, compressed or not; nothing of an empty one.

    Parameters
    ----------
    source : str or Path
        A file, or ``-`` for standard input. What is inside decides about the format, not the name.

    Raises
    ------
    DnakitError
        The file is absent, truncated, damaged, or holds no reads; a read without a name; letters that are no
        nucleotides (a protein, an alignment).
    """
    where = called(source)
    for number, record in enumerate(_records(source, where), start=1):
        yield _read(record, f"{where}: read {number}")


def read_qualities(source: str | Path) -> Iterator[str]:
    """The qualities of the reads of a FASTQ file, as letters; none of a FASTA file, which has no qualities.

    Raises
    ------
    DnakitError
        As `read_reads` does, and on a quality that is no letter of FASTQ. Names and bases are not looked at.
    """
    where = called(source)
    for number, record in enumerate(_records(source, where), start=1):
        if record.qualities:
            yield _qualities(record, f"{where}: read {number}")


def _records(source: str | Path, where: str) -> Iterator[Any]:
    """The records as dnaio reads them."""
    with _refusing(where):
        stream = _opened(source, where)
        if not stream.peek(1):
            return
        any_record = False
        for record in _whole(stream, where):
            any_record = True
            yield record
        if not any_record:  # lines that begin with # are comments of FASTA, and of other formats
            raise DnakitError(f"{where}: not FASTA or FASTQ: it holds comments alone")


def called(source: str | Path) -> str:
    """What a message calls the reads.

    Raises
    ------
    DnakitError
        The name is empty.
    """
    if not str(source).strip():
        raise DnakitError("the name of the file of reads is empty: give a file, or - for standard input")
    return "standard input" if str(source) == STANDARD_INPUT else str(source)


def _whole(stream: io.BufferedReader, where: str) -> Iterator[Any]:
    """The records; blank lines after the last one, which dnaio takes for the begin of another, are none."""
    import dnaio

    plain, number = _Plain(stream), 0
    try:
        with dnaio.open(io.BufferedReader(plain, _BLOCK)) as records:
            for record in records:
                number += 1
                yield record
    except dnaio.FileFormatError as error:
        if _BLANK_END.search(str(error)):
            return
        if not (_CUT in str(error) or plain.ends_within_line(error.line)):
            raise
        what, which = ("truncated", f"read {number + 1}") if number else ("truncated, or no FASTQ", "its first read")
        raise DnakitError(f"{where}: {what}: it ends in the middle of {which}; get it again") from error


def _read(record: Any, where: str) -> Read:
    words = record.name.split(None, 1)
    if not words:
        raise DnakitError(f"{where} has no name: give each read a name after > or @")
    letters = record.sequence[: trimmed_length(_qualities(record, where))] if record.qualities else record.sequence
    return Read(_text(words[0]), nucleotides(_text(letters), where))


def _qualities(record: Any, where: str) -> str:
    qualities: str = record.qualities
    if not (qualities.isascii() and qualities.isprintable()) or " " in qualities:
        raise DnakitError(f"{where} has a quality that is none of the letters ! to ~")
    return qualities


def _opened(source: str | Path, where: str) -> io.BufferedReader:
    """What is inside, from its first letter on: without compression, byte order mark, blank lines, and CR line ends."""
    raw: Any = sys.stdin.buffer if str(source) == STANDARD_INPUT else open(source, "rb")  # noqa: SIM115
    packed = _Counted(raw)
    stream = decompressed(io.BufferedReader(packed, _BLOCK), lambda: packed.count, where)
    refuse_no_text(stream, where)
    if stream.peek(3).startswith(_BOM):
        stream.read(len(_BOM))
    while (start := stream.peek(1)[:1]) and start.isspace():
        stream.read(1)
    start = stream.peek(_BLOCK)
    return io.BufferedReader(_NewLines(stream), _BLOCK) if b"\r" in start[:-1] and b"\n" not in start else stream


class _Counted(Forward):
    """Bytes, and how many of them were read."""

    count = 0

    def readinto(self, buffer: Any) -> int:
        """Read on, and count."""
        length = super().readinto(buffer)
        self.count += length
        return length


class _NewLines(Forward):
    """Text whose lines end with CR alone, as old Macs wrote it, with LF instead."""

    def readinto(self, buffer: Any) -> int:
        """Read on, with other line ends."""
        length = super().readinto(buffer)
        buffer[:length] = bytes(buffer[:length]).replace(b"\r", b"\n")
        return length


class _Plain(Forward):
    """The same text as dnaio takes it.

    Bytes that are not ASCII are written in ASCII, in headers too. Blank lines are few: it looks at each in turn, and a
    small compressed file may hold a hundred million.
    """

    line_ends, last = 0, b""

    def readinto(self, buffer: Any) -> int:
        """Read on, a third of what fits: a byte may become three."""
        piece = self._content.read(len(buffer) // 3)
        if b"\n\n\n\n" in piece or b"\n\r\n\r\n" in piece:
            piece = _BLANK_LINES.sub(b"\n\n\n", piece)
        self.line_ends, self.last = self.line_ends + piece.count(b"\n"), piece[-1:] or self.last
        piece = piece if piece.isascii() else _NOT_ASCII.sub(lambda found: b"\x1a" + found[0].hex().encode(), piece)
        buffer[: len(piece)] = piece
        return len(piece)

    def ends_within_line(self, number: int | None) -> bool:
        """Whether the text ends in this line, counted from 0, before the line's own end."""
        while number is not None and self.line_ends <= number:
            if not self.read(_BLOCK):
                return self.line_ends == number and self.last != b"\n"
        return False


def _text(ascii: str) -> str:
    """What stood in the file before `_Plain`."""
    if "\x1a" not in ascii:
        return ascii
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), ascii.encode()).decode("utf-8", AS_LATIN1)


@contextmanager
def _refusing(where: str) -> Iterator[None]:
    """One line for whatever a broken file does to its readers."""
    import dnaio

    try:
        with refusing(where):
            yield
    except dnaio.UnknownFileFormat as error:
        raise DnakitError(f"{where}: not FASTA or FASTQ: it begins with neither > nor @") from error
    except dnaio.FileFormatError as error:
        several = "; a read of FASTQ has one line of bases and one of qualities (seqtk seq -l0 joins several)"
        why = " ".join(str(error).split())[:160] + (several if _NO_PLUS in str(error) else "")
        raise DnakitError(f"{where}: not FASTA or FASTQ: {why}") from error
    except UnicodeDecodeError as error:
        raise DnakitError(f"{where}: not FASTA or FASTQ: it holds bytes that are no text") from error


def nucleotides(letters: str, where: str) -> bytes:
    """Upper-case ACGT, N for every IUPAC ambiguity letter and for a dot.

    Raises
    ------
    DnakitError
        On any other letter, and where more than half of 20 letters or more are ambiguity letters other than N, with
        `where` in front.
    """
    raw = letters.encode()
    sequence = raw.translate(_NORMAL, b" \t\r\n")
    if strange := sequence.translate(None, b"ACGTN"):
        letter = sequence[sequence.index(strange[0]) :].decode()[0]
        raise DnakitError(f"{where} holds {letter!r}, which is no nucleotide (a protein, an alignment?)")
    if 2 * len(raw.translate(None, _NOT_AMBIGUOUS)) > len(sequence) >= _ENOUGH:
        raise DnakitError(f"{where} is less than half A, C, G, T or N (a protein?)")
    return sequence


def trimmed_length(qualities: str) -> int:
    """How many bases to keep from the start, so that what is cut off has a low quality on the whole.

    BWA's rule, which cutadapt uses too: cut where the sum of (quality - `QUALITY`) of what follows is smallest.
    """
    values = np.frombuffer(qualities.encode("ascii", "replace"), np.uint8).astype(np.int32) - PHRED - QUALITY
    if not len(values) or values.min() >= 0:
        return len(values)
    sums = np.cumsum(values[::-1])
    lowest = int(sums.argmin())
    return len(values) - lowest - 1 if sums[lowest] < 0 else len(values)


class Names:
    """The names of the reads so far, in 16 bytes each: a read is looked up by its name in what comes out of here."""

    def __init__(self) -> None:
        self._count = 0
        self._known: list[np.ndarray] = []  # hashes in order, and which reads have them; each larger than all after it

    def add(self, names: Sequence[str]) -> None:
        """Note the names of the next reads.

        Raises
        ------
        DnakitError
            A name occurred before.
        """
        numbers = np.arange(self._count, self._count + len(names))
        new = _ordered(np.array([[hash(name) for name in names], numbers]))
        within = np.flatnonzero(new[0, 1:] == new[0, :-1])[:1]
        pairs = [(new[1, at], new[1, at + 1]) for at in within]
        for known in self._known:
            at = np.searchsorted(known[0], new[0]).clip(max=known.shape[1] - 1)
            again = np.flatnonzero(known[0, at] == new[0])[:1]
            pairs += [(known[1, at[which]], new[1, which]) for which in again]
        if pairs:
            first, second = pairs[0]
            raise DnakitError(
                f"reads {first + 1} and {second + 1} are both named '{names[second - self._count]}': give each read a "
                "name of its own (mates of pairs: one file at a time)"
            )
        self._count += len(names)
        self._known.append(new)
        while len(self._known) > 1 and self._known[-2].shape[1] <= self._known[-1].shape[1]:
            self._known[-2:] = [_ordered(np.hstack(self._known[-2:]))]


def _ordered(columns: np.ndarray) -> np.ndarray:
    return columns[:, np.argsort(columns[0], kind="stable")]


# ---- amplicons: what lies between two primers, each given in its own direction

MIFISH_U = (b"GTCGGTAAAACTCGTGCCAGC", b"CATAGTGGGGTATCTAATCCCAGTTTG")  # Miya et al. 2015, 10.1098/rsos.150088
MOST_ERRORS = 5  # substitutions, insertions and deletions in a primer: templates differ from it
AT_BEGIN, FEW_ERRORS = 50, 3  # bases in which a read's own primer ends, and its errors: chance has no such place


def between_primers(sequence: bytes) -> bytes | None:
    """What lies between the forward primer and the complement of the reverse one; None where a primer is not found.

    Parameters
    ----------
    sequence : bytes
        A template, in the direction of the forward primer.
    """
    forward, backward = MIFISH_U
    first = _place(forward, sequence, MOST_ERRORS)
    if first is None:
        return None
    rest = sequence[first[1] :]
    last = _place(reverse_complement(backward), rest, MOST_ERRORS)
    return None if last is None else rest[: last[0]]


def without_primers(sequence: bytes) -> bytes:
    """A read without the primer that it begins with, what stands before, and the other primer with what follows.

    A read that begins with neither primer stays as it is: so does a whole gene, in which the primers have their places.

    Parameters
    ----------
    sequence : bytes
        In either direction.
    """
    for first, other in (MIFISH_U, MIFISH_U[::-1]):
        begin = _place(first, sequence[:AT_BEGIN], FEW_ERRORS)
        if begin is not None:
            rest = sequence[begin[1] :]
            end = _place(reverse_complement(other), rest, FEW_ERRORS)
            return rest if end is None else rest[: end[0]]
    return sequence


def _place(primer: bytes, sequence: bytes, most_errors: int) -> tuple[int, int] | None:
    """Start and end of the best place of a primer, exact by edlib; None where it has too many errors."""
    import edlib

    if len(sequence) < len(primer) - most_errors:
        return None
    found = edlib.align(primer, sequence, mode="HW", task="locations", k=most_errors)
    if found["editDistance"] < 0:
        return None
    start, end = found["locations"][0]
    return int(start or 0), int(end) + 1
