"""From peaks and a genome to labelled bins, as a laboratory has them: BED files, and a FASTA file.

A genome is cut into bins of 200 bp. A feature (a profile: one factor or mark in one kind of cell) is positive in a bin
of which its peaks cover more than half, which is DeepSEA's rule. A peak of one base is a centre: it labels the bin it
lies in. Bins without any positive feature are left out, as in DeepSEA's data.

A genome may be given in pieces: a record named ``chr10:87000001-91000000`` (1-based and inclusive, as
``samtools faidx`` writes it) begins at base 87,000,000 of chr10.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dnakit.data.files import open_text, read_table, refusing, texts
from dnakit.data.formats import Record, read_fasta
from dnakit.project import DnakitError, did_you_mean

BIN = 200  # bp
REGION = re.compile(r"(?P<chromosome>.+):(?P<first>[0-9]{1,18})-(?P<last>[0-9]{1,18})")
_NUMBER = re.compile(r"-?[0-9]{1,18}")
ENDINGS = (".bed", ".narrowpeak", ".broadpeak")  # of peak files, before that of a compression
_ENDING = re.compile(rf"({'|'.join(map(re.escape, ENDINGS))})(\.(gz|bgz|xz|bz2|zst))?$", re.IGNORECASE)
UNLABELLED = -1  # the label of a feature where nothing is known


class Feature(NamedTuple):
    """One profile.

    Attributes
    ----------
    name : str
    kind : str
        Such as ``TF``, ``DNase`` or ``histone``: what tables group by.
    unlabelled : tuple of str
        Chromosomes where its lack of peaks says nothing.
    """

    name: str
    kind: str
    unlabelled: tuple[str, ...] = ()


class Piece(NamedTuple):
    """A stretch of a chromosome: its name, the position of its first base (from 0), and its letters.

    ``whole`` says that nothing of the chromosome lies beyond it.
    """

    chromosome: str
    start: int
    sequence: bytes
    whole: bool = True

    @property
    def end(self) -> int:
        """The position after its last base."""
        return self.start + len(self.sequence)


class Bins(NamedTuple):
    """Labelled bins of one piece.

    Attributes
    ----------
    starts : np.ndarray of int64, shape (bins,)
        Position of the first base of each bin on its chromosome, a multiple of 200.
    labels : np.ndarray of int8, shape (bins, features)
        1, 0, or -1 where the feature is unlabelled.
    """

    starts: np.ndarray
    labels: np.ndarray


Peaks = Mapping[str, Mapping[str, np.ndarray]]  # by feature and chromosome: int64, (peaks, 2), start and end


# ---- reading


def read_peaks(path: str | Path) -> dict[str, dict[str, np.ndarray]]:
    """The peaks of a BED file whose fourth column names the feature, or of a folder with one peak file a feature.

    A narrowPeak or broadPeak file holds one feature, called as the file: its fourth column names single peaks. Lines of
    comments, ``track`` and ``browser`` are passed over. Peaks of a feature that overlap are merged.

    Raises
    ------
    DnakitError
        If there is no such file, or a line is no BED; if a file has no rows.
    """
    path = Path(path)
    if not path.is_dir():
        ending = _ENDING.search(path.name)
        alone = ending is not None and ending[1].lower() != ENDINGS[0]
        return _by_feature(
            (_feature_of(path) if alone else name or _feature_of(path), *peak) for name, *peak in _rows(path)
        )
    files = [file for file in sorted(path.iterdir()) if _ENDING.search(file.name) and not file.name.startswith("._")]
    if not files:
        raise DnakitError(f"{path}: holds no peak files (names that end in {', '.join(ENDINGS)}, or these and .gz)")
    names = [_feature_of(file) for file in files]
    if twice := [name for name in names if names.count(name) > 1]:
        raise DnakitError(f"{path}: two files are called '{twice[0]}'; a feature has one file")
    return _by_feature((name, *peak) for name, file in zip(names, files, strict=True) for _, *peak in _rows(file))


def _feature_of(file: Path) -> str:
    return _ENDING.sub("", file.name)


def _rows(path: Path) -> Iterator[tuple[str, str, int, int]]:
    """Name (or nothing), chromosome, start and end of each line; further columns differ between kinds of peak files."""
    count = 0
    with refusing(path), open_text(path) as handle:
        for number, line in enumerate(handle, start=1):
            if not line.strip() or line.startswith(("#", "track", "browser")):
                continue
            columns = line.rstrip("\r\n").split("\t") if "\t" in line else line.split()
            if not (len(columns) > 2 and columns[0] and all(map(_NUMBER.fullmatch, columns[1:3]))):
                raise DnakitError(
                    f"{path}: line {number} is no BED: it needs a chromosome, a start and an end "
                    f"({line.strip()[:40]!r})"
                )
            start, end = int(columns[1]), int(columns[2])
            if not 0 <= start < end:
                raise DnakitError(f"{path}: line {number}: a peak needs 0 <= start < end, not {start}..{end}")
            count += 1
            yield (columns[3] if len(columns) > 3 and columns[3] != "." else ""), columns[0], start, end
    if not count:
        raise DnakitError(f"{path}: holds no peaks")


def _by_feature(rows: Iterable[tuple[Any, ...]]) -> dict[str, dict[str, np.ndarray]]:
    found: dict[str, dict[str, list[tuple[int, int]]]] = {}
    for name, chromosome, start, end in rows:
        found.setdefault(name, {}).setdefault(chromosome, []).append((start, end))
    return {name: {chromosome: merged(each) for chromosome, each in on.items()} for name, on in sorted(found.items())}


def merged(intervals: Sequence[tuple[int, int]]) -> np.ndarray:
    """Intervals in order, those that overlap as one; int64, shape (n, 2)."""
    starts, ends = np.array(sorted(intervals), np.int64).reshape(-1, 2).T
    reached = np.maximum.accumulate(ends)
    first = np.flatnonzero(np.append(True, starts[1:] >= reached[:-1])) if len(starts) else np.empty(0, int)
    last = np.append(first[1:] - 1, len(starts) - 1) if len(starts) else first
    return np.stack([starts[first], reached[last]], axis=1)


def read_features(path: Path, peaks: Peaks) -> list[Feature]:
    """The features that have peaks, in the order of a table with the columns feature, kind and unlabelled.

    ``unlabelled`` lists chromosomes with commas between them.

    Raises
    ------
    DnakitError
        If the table lacks the column ``feature`` or a feature that has peaks.
    """
    rows = read_table(path, ["feature"])
    if missing := [name for name in peaks if name not in rows]:
        raise DnakitError(f"{path}: lacks the feature '{missing[0]}', which has peaks: add a line for it")
    return [
        Feature(name, row.get("kind") or "peaks", tuple(filter(None, row.get("unlabelled", "").split(","))))
        for name, row in rows.items()
        if name in peaks
    ]


def plain_features(peaks: Peaks, kind: str = "peaks") -> list[Feature]:
    """The features of peaks of which nothing else is known."""
    return [Feature(name, kind) for name in peaks]


def read_pieces(paths: Iterable[str | Path]) -> Iterator[Piece]:
    """The records of FASTA files, one in memory at a time.

    Raises
    ------
    DnakitError
        If two hold the same bases: their bins would stand in training and in test.
    """
    seen: dict[str, list[tuple[int, int]]] = {}
    for path in paths:
        for record in read_fasta(path):
            piece = _piece(path, record)
            for start, end in seen.setdefault(piece.chromosome, []):
                if max(start, piece.start) < min(end, piece.end):
                    raise DnakitError(
                        f"{path}: '{record.name}' holds bases of {piece.chromosome} that another record holds too: "
                        "give each stretch of the genome once"
                    )
            seen[piece.chromosome].append((piece.start, piece.end))
            yield piece


def chromosomes(paths: Iterable[str | Path]) -> list[str]:
    """The chromosomes that FASTA files hold, whole or in pieces; all lines are read."""
    named = []
    for path in paths:
        with refusing(Path(path)):
            for _, handle in texts(Path(path)):
                named += [line[1:].split()[0] for line in handle if line.startswith(">") and line[1:].strip()]
    return list(dict.fromkeys(REGION.sub(r"\g<chromosome>", name) for name in named))


def _piece(path: str | Path, record: Record) -> Piece:
    region = REGION.fullmatch(record.name)
    if not region:
        return Piece(record.name, 0, record.sequence)
    first, last = int(region["first"]), int(region["last"])
    if last - first + 1 != len(record.sequence):
        raise DnakitError(
            f"{path}: '{record.name}' names {last - first + 1:,} bases and holds {len(record.sequence):,}; "
            "a piece is named as samtools faidx does, 1-based and inclusive"
        )
    return Piece(region["chromosome"], first - 1, record.sequence, whole=False)


# ---- peaks that fit a genome


def fitted(peaks: Peaks, chromosomes: Sequence[str]) -> tuple[Peaks, str]:
    """Peaks under the genome's names of chromosomes, and in words what was changed (nothing: an empty text).

    Where no name of a feature's peaks is one of the genome, ``chr`` is added or taken away if that makes them agree.
    Peaks on chromosomes that the genome lacks are left out later; `absent` says how many.

    Raises
    ------
    DnakitError
        If no name of a feature agrees either way.
    """
    found, changes = {}, {}
    for feature, on in peaks.items():
        found[feature], changes[feature] = _fitted(feature, on, chromosomes)
    if len(set(changes.values())) == 1:  # all features alike
        return found, next(iter(changes.values()))
    return found, "; ".join(f"{feature}: {change}" for feature, change in changes.items() if change)


def _fitted(
    feature: str, on: Mapping[str, np.ndarray], chromosomes: Sequence[str]
) -> tuple[Mapping[str, np.ndarray], str]:
    """`fitted` of one feature."""
    named, known = sorted(on), set(chromosomes)
    for change, renamed in (
        ("", {name: name for name in named}),
        ("'chr' added to the peaks' chromosomes", {name: f"chr{name}" for name in named}),
        ("'chr' taken from the peaks' chromosomes", {name: name.removeprefix("chr") for name in named}),
    ):
        if known & set(renamed.values()):
            return {renamed[name]: each for name, each in on.items()}, change
    raise DnakitError(
        f"{feature}: its peaks lie on '{named[0]}', the genome holds '{chromosomes[0]}': no chromosome has the same "
        f"name in both, with or without 'chr'{did_you_mean(named[0], chromosomes)}; take the assembly that the peaks "
        "belong to, or leave the feature out"
    )


def absent(peaks: Peaks, chromosomes: Sequence[str]) -> str:
    """How many peaks lie on chromosomes that the genome lacks, in words that name one (none: an empty text)."""
    counts: Counter[str] = Counter()
    for on in peaks.values():
        counts.update({name: len(intervals) for name, intervals in on.items()})
    lacking = sorted(counts.keys() - set(chromosomes))
    if not lacking:
        return ""
    many = sum(counts[name] for name in lacking)
    return f"peaks on chromosomes that the genome lacks, such as '{lacking[0]}': {many:,} of {counts.total():,}"


def fitted_features(features: Sequence[Feature], chromosomes: Sequence[str]) -> list[Feature]:
    """Features whose unlabelled chromosomes are named as the genome names them, with or without ``chr``."""
    known = set(chromosomes)

    def named(chromosome: str) -> str:
        names = chromosome, f"chr{chromosome}", chromosome.removeprefix("chr")
        return next((name for name in names if name in known), chromosome)

    return [each._replace(unlabelled=tuple(map(named, each.unlabelled))) for each in features]


def check_end(peaks: Peaks, piece: Piece) -> None:
    """Refuse peaks beyond the end of a whole chromosome.

    Raises
    ------
    DnakitError
        If a peak ends beyond it: the positions are 1-based, or of another assembly.
    """
    for feature, on in peaks.items():
        intervals = on.get(piece.chromosome)
        if piece.whole and intervals is not None and intervals[-1, 1] > piece.end:
            beyond = int((intervals[:, 1] > piece.end).sum())
            raise DnakitError(
                f"{feature}: {beyond:,} of {len(intervals):,} peaks on {piece.chromosome} end beyond its "
                f"{piece.end:,} bases (at {intervals[-1, 1]:,}): the peaks are 1-based or of another assembly; give "
                "BED (from 0, end not included) of this genome, or name a piece of a chromosome as chr1:1-1000000"
            )


# ---- bins


def label(piece: Piece, features: Sequence[Feature], peaks: Peaks, margin: int) -> Bins:
    """The labelled bins of a piece: those with at least one positive feature and a whole window around them.

    Parameters
    ----------
    piece : Piece
    features : sequence of Feature
        The columns of the labels.
    peaks : mapping
        Of them, by name and chromosome.
    margin : int
        Bases of the window on either side of the bin, 400 for 1,000 bp.
    """
    first = -(-(piece.start + margin) // BIN)  # bins are counted from the beginning of the chromosome
    count = max(0, (piece.end - margin) // BIN - first)
    labelled = [number for number, each in enumerate(features) if piece.chromosome not in each.unlabelled]
    columns = {
        number: positive(peaks[features[number].name].get(piece.chromosome, np.empty((0, 2), np.int64)), first, count)
        for number in labelled
    }
    kept = np.unique(np.concatenate([np.empty(0, np.int64), *columns.values()]))
    labels = np.full((len(kept), len(features)), UNLABELLED, np.int8)
    labels[:, labelled] = 0
    for number, bins in columns.items():
        labels[np.searchsorted(kept, bins), number] = 1
    return Bins((first + kept) * BIN, labels)


def positive(intervals: np.ndarray, first: int, count: int) -> np.ndarray:
    """Of `count` bins from bin `first` on, the numbers (from 0) of those that the intervals make positive."""
    edges = (first + np.arange(count + 1)) * BIN
    centres = intervals[:, 1] - intervals[:, 0] == 1
    covered = np.flatnonzero(2 * np.diff(_covered(intervals[~centres], edges)) > BIN)
    held = intervals[centres, 0] // BIN - first
    return np.union1d(covered, held[(held >= 0) & (held < count)])


def _covered(intervals: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Bases before each position that lie in the intervals, which are in order and do not overlap."""
    before = np.searchsorted(intervals[:, 0], positions)  # intervals that have begun
    whole = np.concatenate([[0], np.cumsum(intervals[:, 1] - intervals[:, 0])])
    ends = np.concatenate([[0], intervals[:, 1]])
    return whole[before] - np.maximum(0, ends[before] - positions)


def windows(piece: Piece, starts: np.ndarray, margin: int) -> list[bytes]:
    """The sequences of the bins with `margin` bases on either side."""
    return [piece.sequence[at - margin : at + BIN + margin] for at in (starts - piece.start).tolist()]
