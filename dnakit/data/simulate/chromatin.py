"""A simulated genome whose chromatin profiles depend on planted motifs, so that chapter 5 runs at once and offline.

A chromosome is random DNA with active regions, which are richer in G and C. In an active region lie motifs of four
factors. A factor's peaks surround most of its motifs; DNase's peaks surround all motifs, in the two kinds of cell more
or less of them; the marks of histones cover whole active regions. So a sequence tells of a profile in three ways: by a
motif, by any motif, and by its composition. The same bins are written as peaks beside a genome, and as DeepSEA's
archive in its true format. Nothing here is measured.
"""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dnakit.data import bases, deepsea, peaks
from dnakit.data.files import open_writing
from dnakit.data.formats import Record, write_fasta
from dnakit.data.peaks import Feature, Piece
from dnakit.project import published

LENGTHS = (180_000, 120_000, 80_000, 100_000)  # bases of the chromosomes
SPACING = 5_000  # an active region in each stretch of so many bases
REGION = (1_000, 3_000)  # bases of an active region, from and to
ACTIVE = (0.2, 0.3, 0.3, 0.2)  # A, C, G, T there; elsewhere the other way round
MOTIFS = {"CTCF": "CCACCAGGGGGC", "REB1": "TTACCCGGA", "GATA": "AGATAAGGA", "ETS": "ACCGGAAGT"}
SITES = (3, 7)  # motifs in an active region, from and to
PEAK = (160, 320)  # bases of a factor's peak, from and to
BOUND, OPEN = 0.9, {"cell1.DNase": 0.9, "cell2.DNase": 0.6}  # shares of the motifs with a peak
MARKS = {"cell1.H3K27ac": 0, "cell1.H3K36me3": 400}  # bases that a mark reaches beyond its region
MARKED = 0.7  # share of the regions with a mark
MARGIN = 400
FEATURES = [
    *(Feature(name, "DNase") for name in OPEN),
    *(Feature(f"cell1.{name}", "TF") for name in MOTIFS),
    *(Feature(name, "histone") for name in MARKS),
]
PARTS = {"train": ("simP1", "simP2"), "valid": ("simP3",), "test": ("simP4",)}  # chromosomes of DeepSEA's files
MATLAB_HEADER = b"MATLAB 5.0 MAT-file, simulated".ljust(116)  # without the date that scipy writes

Intervals = dict[str, dict[str, list[tuple[int, int]]]]  # by feature and chromosome


def simulate(seed: int = 0) -> tuple[list[Record], Intervals]:
    """Make the chromosomes, and the peaks of each feature by chromosome.

    Parameters
    ----------
    seed : int
        The same seed gives the same genome.
    """
    records = []
    found: Intervals = {feature.name: {} for feature in FEATURES}
    for number, length in enumerate(LENGTHS):
        rng = np.random.default_rng([seed, number])
        name = f"simP{number + 1}"
        letters, on = _chromosome(length, rng)
        records.append(Record(name, "simulated", letters))
        for feature, intervals in on.items():
            found[feature][name] = intervals
    return records, found


def _chromosome(length: int, rng: np.random.Generator) -> tuple[bytes, dict[str, list[tuple[int, int]]]]:
    codes = rng.choice(4, length, p=np.roll(ACTIVE, 1))
    on: dict[str, list[tuple[int, int]]] = {feature.name: [] for feature in FEATURES}
    for stretch in range(0, length - SPACING + 1, SPACING):
        size = int(rng.integers(*REGION))
        start = stretch + int(rng.integers(MARGIN, SPACING - size - MARGIN))
        codes[start : start + size] = rng.choice(4, size, p=ACTIVE)
        for name, reach in MARKS.items():
            if rng.random() < MARKED:
                on[name].append((start - reach, start + size + reach))
        _plant(codes, start, size, on, rng)
    return bases.letters(codes.astype(np.uint8)), on


def _plant(
    codes: np.ndarray, start: int, size: int, on: dict[str, list[tuple[int, int]]], rng: np.random.Generator
) -> None:
    """Put motifs into an active region, on either strand, and peaks around them."""
    for site in rng.choice(size - 20, rng.integers(*SITES), replace=False):
        name = str(rng.choice(list(MOTIFS)))
        motif = bases.codes(MOTIFS[name].encode())
        motif = motif if rng.random() < 0.5 else 3 - motif[::-1]
        at = start + int(site)
        codes[at : at + len(motif)] = motif
        reach = int(rng.integers(*PEAK)) // 2
        for feature, share in {f"cell1.{name}": BOUND, **OPEN}.items():
            if rng.random() < share:
                on[feature].append((at - reach, at + reach))


# ---- files


def write(folder: Path, seed: int = 0) -> None:
    """Write ``chromatin.fa``, its peaks and features, and ``deepsea.tar``; same seed, same bytes."""
    records, found = simulate(seed)
    write_fasta(folder / "chromatin.fa", records, 50)
    _write_lines(
        folder / "chromatin-peaks.bed",
        [
            f"{chromosome}\t{start}\t{end}\t{feature}"
            for feature, on in found.items()
            for chromosome, intervals in on.items()
            for start, end in sorted(intervals)
        ],
    )
    header = "feature\tkind\tunlabelled"
    rows = [f"{each.name}\t{each.kind}\t{','.join(each.unlabelled)}" for each in FEATURES]
    _write_lines(folder / "chromatin-features.tsv", [header, *rows])
    _write_archive(folder / "deepsea.tar", records, found)


def _write_lines(path: Path, lines: list[str]) -> None:
    with published(path) as part, open_writing(part, "") as handle:
        handle.writelines(f"{line}\n" for line in lines)


def _write_archive(path: Path, records: list[Record], found: Intervals) -> None:
    """DeepSEA's archive: the features take the first columns of their kinds, the others have no peak."""
    merged = {name: {on: peaks.merged(each) for on, each in by.items()} for name, by in found.items()}
    with published(path) as part, tarfile.open(part, "w") as archive:
        for name, chromosomes in PARTS.items():
            rows = _rows([record for record in records if record.name in chromosomes], merged)
            content = _hdf5(rows) if name == "train" else _matlab(name, rows)
            member = tarfile.TarInfo(f"deepsea_train/{name}.mat")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _rows(records: list[Record], found: Mapping[str, Mapping[str, np.ndarray]]) -> deepsea.Rows:
    codes, labels = [], []
    for record in records:
        piece = Piece(record.name, 0, record.sequence)
        bins = peaks.label(piece, FEATURES, found, MARGIN)
        codes += [bases.codes(window) for window in peaks.windows(piece, bins.starts, MARGIN)]
        labels.append(bins.labels)
    every = np.zeros((len(codes), deepsea.FEATURES), np.int8)
    every[:, _columns()] = np.concatenate(labels)
    return deepsea.Rows(np.array(codes), every)


def _columns() -> list[int]:
    """The column of each feature: the first free one of its kind."""
    free = {kind: iter(range(columns.start, columns.stop)) for kind, columns in deepsea.KINDS.items()}
    return [next(free[feature.kind]) for feature in FEATURES]


def _hdf5(rows: deepsea.Rows) -> bytes:
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_dataset("trainxdata", data=deepsea.encoded(rows.codes).transpose(2, 1, 0), compression="gzip")
        file.create_dataset("traindata", data=rows.labels.T.astype(np.uint8), compression="gzip")
    return content.getvalue()


def _matlab(name: str, rows: deepsea.Rows) -> bytes:
    from scipy.io import savemat

    content = io.BytesIO()
    values = {f"{name}xdata": deepsea.encoded(rows.codes), f"{name}data": rows.labels.astype(np.uint8)}
    savemat(content, values, do_compression=True)
    return MATLAB_HEADER + content.getvalue()[len(MATLAB_HEADER) :]
