"""What ``dnakit classify`` does: name reads in a stream, write QIIME 2's taxonomy format, draw a report."""

import multiprocessing
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

import numpy as np

from dnakit.chapters.metagenomics import classifier
from dnakit.chapters.metagenomics.classifier import METHODS, Answer, Classifier, Method
from dnakit.chapters.metagenomics.references import Reference, reference
from dnakit.data.barcodes import RANKS, taxon_of
from dnakit.data.reads import Names, Read, called, read_reads, without_primers
from dnakit.project import DnakitError, NotInMirror, absolute, check_place, did_you_mean, published

UNASSIGNED = "Unassigned"
Answered = tuple[list[Read], Answer]
HEADER = ("Feature ID", "Taxon", "Confidence")
_GENUS = RANKS.index("genus")
_OF_HIGHER_RANK = re.compile(r"(idae|inae|iformes)$")  # families, subfamilies (ICZN, article 29.2), orders of fishes
_LONGEST = 1000  # bases of a read that the report tells apart
_worker: Classifier | None = None


class Tally:
    """What a report shows; its size does not grow with the number of reads."""

    def __init__(self) -> None:
        self.taxa: Counter[str] = Counter()
        self.lengths = np.zeros(_LONGEST + 1, int)
        self.confidences = np.zeros(21, int)

    def add(self, read: Read, taxon: str, confidence: float) -> None:
        """Count a read."""
        self.taxa[taxon] += 1
        self.lengths[min(len(read.sequence), _LONGEST)] += 1
        self.confidences[int(confidence * 20)] += 1


def classify(
    reads: str,
    known: str,
    taxa: str | None = None,
    method: str = METHODS[0],
    min_confidence: float = 0.8,
    output: Path | None = None,
    wide: bool = False,
    report: Path | None = None,
    jobs: int = 1,
) -> None:
    """Name reads.

    Parameters
    ----------
    reads : str
        FASTQ or FASTA, compressed or not, or ``-`` for standard input; `without_primers` cuts each read.
    known : str
        A reference by name, or a file of one.
    taxa : str, optional
        Taxonomy table of such a file.
    method : {"search", "k-mers"}
        With the exact alignment, or without it (faster, less certain).
    min_confidence : float
        A read is named down to the last rank of at least this confidence.
    output : Path, optional
        Standard output if not given. The file appears when all reads are named.
    wide : bool
        Add a column for each rank.
    report : Path, optional
        A page (``.html``) or picture (``.png``) with counts by taxon, lengths and confidences.
    jobs : int
        Processes.

    Raises
    ------
    DnakitError
        No reads, two of one name, one file for two things, an unknown reference or method, or an unfit number.
    """
    _check(method, min_confidence, report)
    _check_places({"the reads": reads, "--reference": known, "--taxonomy": taxa}, output, report)
    chosen: Method = "search" if method == "search" else "k-mers"
    tally, found, stream = Tally(), reference(known, taxa), _begun(reads)
    _refuse_absent(known, found)
    _tell_left_out(found, chosen)
    answers = _answers(map(_cut, stream), found, chosen, jobs)
    first = _first(answers, reads)
    with _writing(output) as handle:
        print(*HEADER, *(RANKS if wide else ()), sep="\t", file=handle)
        for batch, answer in chain(first, answers):
            for read, names, confidence in zip(batch, answer.names, answer.confidence, strict=True):
                down_to = _down_to(names, confidence, min_confidence)
                taxon = _taxon(names, down_to)
                sure = float(confidence[down_to - 1] if down_to else 1 - confidence[0])
                shown = [*names[:down_to], *[""] * (len(RANKS) - down_to)] if wide else ()
                print(read.name, taxon, f"{sure:.4f}", *shown, sep="\t", file=handle)
                tally.add(read, taxon, sure)
    if report:
        from dnakit.chapters.metagenomics.classify_report import write_report

        write_report(tally, report, found.title)


def _begun(reads: str) -> Iterator[Read]:
    """The reads, the first batch read now: what is no reads is refused before the reference is prepared."""
    stream = iter(_with_progress(read_reads(reads)))
    return chain(list(islice(stream, classifier.BATCH)), stream)


def _first(answers: Iterator[Answered], reads: str) -> list[Answered]:
    """The first batch, named before anything is written. A file without a read is told."""
    first = list(islice(answers, 1))
    if not first:
        print(f"dnakit: {called(reads)} holds no read; the table has its head alone", file=sys.stderr)
    return first


def _cut(read: Read) -> Read:
    return read._replace(sequence=without_primers(read.sequence))


def _check(method: str, min_confidence: float, report: Path | None) -> None:
    if method not in METHODS:
        raise DnakitError(f"there is no method '{method}'{did_you_mean(method, METHODS)}; known: {', '.join(METHODS)}")
    if not 0 <= min_confidence <= 1:
        raise DnakitError(f"--min-confidence is a probability from 0 to 1, not {min_confidence}")
    if report and report.suffix.lower() not in (".html", ".png"):
        raise DnakitError(f"--report writes a page (.html) or a picture (.png), not {report.name}")


def _check_places(inputs: Mapping[str, str | None], output: Path | None, report: Path | None) -> None:
    """Whoever names a file that is read as one that is written would lose it; a bad place would be met at the end."""
    seen = {absolute(name): what for what, name in inputs.items() if name}
    for what, path in {"--output": output, "--report": report}.items():
        if path is None:
            continue
        if (other := seen.setdefault(absolute(path), what)) != what:
            raise DnakitError(f"{other} and {what} are one file, {path}: give another name")
        check_place(path, " or leave --output out" if what == "--output" else "")


def _refuse_absent(known: str, found: Reference) -> None:
    """A release that nobody publishes any more is in a mirror only; the newest one can be downloaded."""
    try:
        found.digests()
    except NotInMirror as error:
        raise DnakitError(
            f"the reference '{known}' exists in the mirror only: give --reference mitohelper (the newest release, "
            "downloaded once) or a file of your own, or set DNAKIT_MIRROR to the folder that holds it"
        ) from error


def _tell_left_out(found: Reference, method: Method) -> None:
    """Tell which records of the reference are not used; its index is made here, before processes ask for it."""
    if left_out := classifier.left_out(found, method):
        print(f"dnakit: {left_out}", file=sys.stderr)


def _down_to(names: np.ndarray, confidence: np.ndarray, least: float) -> int:
    """Down to which rank a read is named: the last one that is as certain, without a genus that is none.

    A reference may lack a name in between, such as the order of a family that is in none. Where mitohelper knows no
    genus (``Cichlidae sp.``), it repeats the family, in 71 of its 38,350 records.
    """
    certain = np.flatnonzero((confidence >= least) & (names != ""))
    if _OF_HIGHER_RANK.search(names[_GENUS]):
        certain = certain[certain < _GENUS]
    return int(certain[-1]) + 1 if len(certain) else 0


def _taxon(names: np.ndarray, down_to: int) -> str:
    """QIIME 2's taxon down to a rank; `UNASSIGNED` where no rank is certain."""
    return taxon_of(dict(zip(RANKS[:down_to], names[:down_to], strict=True))) or UNASSIGNED


@contextmanager
def _writing(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        yield sys.stdout
        return
    with published(output) as part, open(part, "w", encoding="utf-8", newline="\n") as handle:
        yield handle


def _with_progress(reads: Iterable[Read]) -> Iterable[Read]:
    from tqdm import tqdm

    return tqdm(reads, unit=" reads", leave=False, disable=not sys.stderr.isatty())


def _answers(reads: Iterable[Read], found: Reference, method: Method, jobs: int) -> Iterator[Answered]:
    """Batches of reads with their answers, in the order of the reads."""
    batches = _batches(reads)
    if jobs == 1:
        made = classifier.prepared(found, method)
        yield from ((batch, made.classify([read.sequence for read in batch])) for batch in batches)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, _start, (found, method)) as pool:
        while group := list(islice(batches, 8 * jobs)):  # not all at once: memory stays bounded
            sequences = [[read.sequence for read in batch] for batch in group]
            yield from zip(group, pool.map(_classify, sequences, chunksize=1), strict=True)


def _batches(reads: Iterable[Read]) -> Iterator[list[Read]]:
    stream, names = iter(reads), Names()
    while batch := list(islice(stream, classifier.BATCH)):
        names.add([read.name for read in batch])
        yield batch


def _start(found: Reference, method: Method) -> None:
    global _worker
    _worker = classifier.prepared(found, method)


def _classify(sequences: list[bytes]) -> Answer:
    assert _worker is not None
    return _worker.classify(sequences)
