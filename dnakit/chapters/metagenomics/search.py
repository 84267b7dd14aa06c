"""Search of a reference: shared k-mers propose records, an exact alignment (edlib) decides among them.

A read is compared on the strand that shares more k-mers with the reference. Its rarest k-mers vote: a k-mer that occurs
in few records says more. The records with the most votes, few of each species, are aligned to the read, and names and
their confidence rest on the edit distance. An unknown base (N) of a read costs nothing. A read that is far from all of
them shares few k-mers with any record, so that votes say little: more records are aligned to it.
Ends of a read that share nothing with the reference (an adapter) are cut off.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

import edlib
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import sparse

from dnakit.data import bases
from dnakit.data.bases import reverse_complement

K = 11  # bases of a k-mer: most occur once in a mitochondrial gene
VOTERS = 48  # k-mers of a read that vote
SHARE = 4  # of a longer read, one k-mer in so many votes
CANDIDATES = 16  # records that are aligned,
ENOUGH = 8  # or so many, where one of them has at most one edit,
MOST = 64  # or so many, where none is nearer than
DISTANT = 0.05  # edits per base
OF_ONE_SPECIES = 2  # of them, at most
SLACK = 12  # edits beyond the best distance up to which distances are told apart
OVERHANG = 25  # bases by which a read may reach beyond either end of a record
RUN, STRANGE_END = 4, 20  # k-mers in a row that mark what is shared; bases of an end that is cut off
SHORTEST = 50  # bases of a read; a shorter one is like everything
ALIKE, MARGIN = 50, 50  # in records whose lengths differ by less, a read lies at the same place, give or take so many
FAR = 1 << 20  # a distance where there is no record
PIECE = 1 << 20  # letters whose k-mers are handled at a time
BEYOND = "X"  # stands beyond the ends of a record; it equals every base, as N of a read does, not N of a record
_EQUAL = [(letter, base) for letter in ("N", BEYOND) for base in "ACGT"] + [(BEYOND, "N")]


class Hits(NamedTuple):
    """The records that reads are like, the nearest first.

    Attributes
    ----------
    records : np.ndarray of int32, shape (reads, CANDIDATES)
        Rows of the reference, -1 where there are no more.
    distances : np.ndarray of int32, shape (reads, CANDIDATES)
        Edits between a read and the part of the record that is most like it, `FAR` where there is none.
    lengths : np.ndarray of int32, shape (reads,)
        Bases of each read.
    """

    records: np.ndarray
    distances: np.ndarray
    lengths: np.ndarray


@dataclass(frozen=True)
class Index:
    """The k-mers of a reference.

    Attributes
    ----------
    postings : scipy.sparse.csr_matrix, shape (4^k, records)
        1 where a record has a k-mer.
    sequences : list of str
        Letters of the records.
    species : np.ndarray of int32
        A number for each record's species; a record without one has a number of its own.
    """

    postings: sparse.csr_matrix
    sequences: list[str]
    species: np.ndarray

    def save(self, path: Path) -> None:
        """Write it as one ``.npz`` file, without pickled objects."""
        letters = np.frombuffer("\n".join(self.sequences).encode(), np.uint8)
        found = self.postings
        np.savez(path, indptr=found.indptr, indices=found.indices, letters=letters, species=self.species)

    @classmethod
    def load(cls, path: Path) -> "Index":
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            sequences = arrays["letters"].tobytes().decode().split("\n")
            return cls(_matrix(arrays["indptr"], arrays["indices"], len(sequences)), sequences, arrays["species"])


def build(sequences: Sequence[bytes], species: Sequence[str]) -> Index:
    """Index the records of a reference; `species` names each one's, or is empty."""
    pieces = [kmers_of(sequences[start:stop])[:2] for start, stop in _pieces(sequences)]
    numbers = np.concatenate([numbers for numbers, _ in pieces]).astype(np.int32)
    sizes = [
        np.bincount(rows, minlength=stop - start)
        for (_, rows), (start, stop) in zip(pieces, _pieces(sequences), strict=True)
    ]
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.int32)
    by_record = sparse.csr_matrix((np.ones(len(numbers), np.int8), numbers, indptr), shape=(len(sequences), 4**K))
    by_kmer = by_record.tocsc()
    named = [name or f" {row}" for row, name in enumerate(species)]
    return Index(
        _matrix(*_once(by_kmer.indptr, by_kmer.indices), len(sequences)),
        [sequence.decode() for sequence in sequences],
        np.unique(named, return_inverse=True)[1].astype(np.int32),
    )


def _pieces(sequences: Sequence[bytes]) -> list[tuple[int, int]]:
    """Rows whose letters are some `PIECE` together."""
    ends = np.cumsum([len(sequence) for sequence in sequences])
    cuts = np.searchsorted(ends, np.arange(PIECE, int(ends[-1]), PIECE)) + 1
    bounds = np.unique([0, *np.minimum(cuts, len(sequences)), len(sequences)]).tolist()
    return list(pairwise(bounds))


def _once(indptr: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted postings without the repeats of a k-mer that a record has twice."""
    new = np.ones(len(indices) + 1, bool)
    new[1:-1] = indices[1:] != indices[:-1]
    new[indptr] = True
    before = np.concatenate([[0], np.cumsum(new[:-1])])
    return before[indptr].astype(np.int32), indices[new[:-1]]


def _matrix(indptr: np.ndarray, indices: np.ndarray, records: int) -> sparse.csr_matrix:
    ones = np.ones(len(indices), np.float32)
    return sparse.csr_matrix((ones, indices, indptr), shape=(4**K, records), copy=False)


def kmers_of(sequences: Sequence[bytes], k: int = K) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All known k-mers of sequences, one after the other: number, row of the sequence, first base in it."""
    codes = bases.codes(b"N".join(sequences) + b"N" * k)
    numbers = bases.kmer_numbers(sliding_window_view(codes, k))
    sizes = np.array([len(sequence) + 1 for sequence in sequences])
    known = np.flatnonzero(numbers >= 0)
    rows = np.repeat(np.arange(len(sequences), dtype=np.int32), sizes)[known]
    return numbers[known], rows, known - (np.cumsum(sizes) - sizes)[rows]


class Searcher:
    """Finds the records that are like a read.

    Parameters
    ----------
    index : Index
    align : bool
        Whether candidates are aligned; without, the distance is the number of votes that a record lacks.
    """

    def __init__(self, index: Index, align: bool = True) -> None:
        self.index, self.align = index, align
        self.counts = np.diff(index.postings.indptr)  # records that have each k-mer
        beyond = BEYOND * OVERHANG
        self.targets = [f"{beyond}{letters.replace('N', '-')}{beyond}".encode() for letters in index.sequences]

    def search(self, reads: Sequence[bytes]) -> Hits:
        """The nearest records of each read; none of a short one, or one that shares no k-mer with the reference."""
        records = np.full((len(reads), CANDIDATES), -1, np.int32)
        distances = np.full((len(reads), CANDIDATES), FAR, np.int32)
        if not reads:
            return Hits(records, distances, np.zeros(0, np.int32))
        turned, numbers, rows = self._turned(reads)
        votes, voters = self._votes(numbers, rows, turned)
        for row, read in enumerate(turned):
            if len(read) >= SHORTEST:
                candidates = self._candidates(*_row(votes, row))
                if self.align:
                    found = self._aligned(read, candidates)
                else:
                    lacking = ((int(voters[row]) - vote, record) for record, vote in candidates)
                    found = list(islice(lacking, CANDIDATES))
                for place, (distance, record) in enumerate(found):
                    records[row, place], distances[row, place] = record, distance
        return Hits(records, distances, np.array([len(read) for read in turned], np.int32))

    def _turned(self, reads: Sequence[bytes]) -> tuple[list[bytes], np.ndarray, np.ndarray]:
        """Each read on the strand that shares more k-mers with the reference, and these with their rows."""
        opposite = [reverse_complement(read) for read in reads]
        strands = [self._shared(reads), self._shared(opposite)]
        shared = [np.bincount(rows, minlength=len(reads)) for _, rows, _ in strands]
        turn = shared[1] > shared[0]
        kept = [turn[rows] == bool(side) for side, (_, rows, _) in enumerate(strands)]
        numbers, rows, places = (
            np.concatenate([strand[part][keep] for strand, keep in zip(strands, kept, strict=True)])
            for part in range(3)
        )
        turned = [other if flip else read for read, other, flip in zip(reads, opposite, turn, strict=True)]
        return without_strange_ends(turned, rows, places), numbers, rows

    def _shared(self, reads: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        numbers, rows, places = kmers_of(reads)
        known = self.counts[numbers] > 0
        return numbers[known], rows[known], places[known]

    def _votes(
        self, numbers: np.ndarray, rows: np.ndarray, reads: Sequence[bytes]
    ) -> tuple[sparse.csr_matrix, np.ndarray]:
        """How many of a read's rarest k-mers each record has, ``(reads, records)``, and how many k-mers voted."""
        order = _sorted_by(rows, self.counts[numbers])
        numbers, rows = numbers[order], rows[order]
        sizes = np.bincount(rows, minlength=len(reads))
        place = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        most = np.maximum(VOTERS, np.array([len(read) for read in reads]) // SHARE)
        chosen, voters = place < most[rows], np.minimum(sizes, most)
        parts = (np.ones(int(chosen.sum()), np.float32), numbers[chosen], np.concatenate([[0], np.cumsum(voters)]))
        return sparse.csr_matrix(parts, shape=(len(reads), 4**K)) @ self.index.postings, voters

    def _aligned(self, read: bytes, candidates: Iterator[tuple[int, int]]) -> list[tuple[int, int]]:
        """Edits and record of the nearest candidates, at most `SLACK` edits farther than the best, the nearest first.

        The first one is aligned whole. Genes of about its length have the read at about the same place, so that only a
        part of them need be looked at.
        """
        record, _ = next(candidates, (-1, 0))
        if record < 0:
            return []
        first = self.targets[record]
        found = edlib.align(read, first, "HW", "locations", -1, _EQUAL)
        start, end = found["locations"][0]
        part = max(0, int(start or 0) - MARGIN), int(end) + MARGIN
        best, known = found["editDistance"], b"N" not in read
        kept = [(best, 0, record)]
        seen: dict[bytes, int] = {}  # related records often have the same bases there
        for order, (record, _) in enumerate(candidates, start=1):
            if order >= _worth_aligning(best, len(read)):
                break
            target = self.targets[record]
            equal: list[tuple[str, str]] | None = _EQUAL
            if abs(len(target) - len(first)) < ALIKE:
                if known and part[0] >= OVERHANG and part[1] <= len(target) - OVERHANG:
                    equal = None  # nothing stands for several bases
                target = target[part[0] : part[1]]
            if target not in seen:
                seen[target] = edlib.align(read, target, "HW", "distance", best + SLACK, equal)["editDistance"]
            distance = seen[target]
            if 0 <= distance <= best + SLACK:
                kept.append((distance, order, record))
                best = min(best, distance)
        return [(distance, record) for distance, _, record in sorted(kept)[:CANDIDATES]]

    def _candidates(self, records: np.ndarray, votes: np.ndarray) -> Iterator[tuple[int, int]]:
        """The records with the most votes, no more than `OF_ONE_SPECIES` of a species, and their votes."""
        most, size = MOST * OF_ONE_SPECIES, len(self.targets)
        keys = size - 1 - records + votes.astype(np.int64) * size  # one number sorts faster than two
        if len(keys) > most:
            keys = np.partition(keys, len(keys) - most)[-most:]
        theirs, records = np.divmod(np.sort(keys)[::-1], size)
        records = size - 1 - records
        taken: dict[int, int] = {}
        species = self.index.species[records].tolist()
        for record, kind, vote in zip(records.tolist(), species, theirs.tolist(), strict=True):
            if taken.get(kind, 0) < OF_ONE_SPECIES:
                taken[kind] = taken.get(kind, 0) + 1
                yield record, vote


def _worth_aligning(best: int, length: int) -> int:
    """To how many records a read is aligned, where the nearest one so far has `best` edits."""
    if best > DISTANT * length:
        return MOST
    return ENOUGH if best <= 1 else CANDIDATES


def without_strange_ends(reads: Sequence[bytes], rows: np.ndarray, places: np.ndarray) -> list[bytes]:
    """Reads without ends of more than `STRANGE_END` bases in which no `RUN` of k-mers is shared with the reference.

    A read of which less than half, or fewer than `SHORTEST` bases, would remain stays as it is.

    Parameters
    ----------
    reads : sequence of bytes
    rows, places : np.ndarray
        Of the shared k-mers, those of a read together and in their order: its row, and the first base.
    """
    order = np.lexsort((places, rows))
    rows, places = rows[order], places[order]
    last = RUN - 1
    runs = np.flatnonzero((rows[last:] == rows[:-last]) & (places[last:] == places[:-last] + last))
    first, end = np.full(len(reads), FAR), np.zeros(len(reads), int)
    np.minimum.at(first, rows[runs], places[runs])
    np.maximum.at(end, rows[runs], places[runs] + last + K)
    ends = np.array([len(read) for read in reads])
    first[first <= STRANGE_END] = 0
    end = np.where(ends - end > STRANGE_END, end, ends)
    whole = end - first < np.maximum(SHORTEST, ends // 2)
    first[whole], end[whole] = 0, ends[whole]
    return [read[start:stop] for read, start, stop in zip(reads, first.tolist(), end.tolist(), strict=True)]


def _sorted_by(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The order by two numbers, equal ones as they come; sorting one number each is much faster than `np.lexsort`."""
    size, most = max(1, len(first)), int(second.max(initial=0)) + 1
    keys = (first.astype(np.int64) * most + second) * size + np.arange(len(first))
    return np.sort(keys) % size


def _row(matrix: sparse.csr_matrix, row: int) -> tuple[np.ndarray, np.ndarray]:
    start, end = matrix.indptr[row], matrix.indptr[row + 1]
    return matrix.indices[start:end], matrix.data[start:end]
