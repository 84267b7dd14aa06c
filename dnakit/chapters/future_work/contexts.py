"""A genome in windows, each of one context: coding, promoter or other.

A base is of a *promoter* from 250 bases before to 50 after a start site of EPDnew. Elsewhere it is *coding* where a
long open reading frame of either strand covers it, and *other* where none does. The annotation is not used: in
yeast, where few genes have introns, most long open reading frames are genes. A window has the context of most of its
bases. Whole chromosomes are held out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dnakit.chapters.future_work.parameters import CONTEXTS, WORD, Parameters
from dnakit.chapters.tss.starts import read_sites
from dnakit.data import sources
from dnakit.data.bases import UNKNOWN, codes, kmer_numbers, letters
from dnakit.data.formats import read_fasta
from dnakit.data.windows import Site
from dnakit.project import DnakitError
from dnakit.tokens.tokenizer import DnaTokenizer, known_words, train_tokenizer

BEFORE, AFTER = 250, 50  # bases of a promoter
_START = kmer_numbers(codes(b"ATG"))
_STOPS = [int(kmer_numbers(codes(stop))) for stop in (b"TAA", b"TAG", b"TGA")]


@dataclass(frozen=True)
class Windows:
    """Windows of some chromosomes.

    Attributes
    ----------
    codes : np.ndarray of uint8, shape (windows, bases)
    context : np.ndarray of int, shape (windows,)
        Index into `CONTEXTS`.
    """

    codes: NDArray[np.uint8]
    context: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: NDArray[np.integer]) -> "Windows":
        """Some of them, in this order."""
        return Windows(self.codes[rows], self.context[rows])

    @cached_property
    def sequences(self) -> list[bytes]:
        """Their bases as letters."""
        return [letters(each) for each in self.codes]

    def counts(self) -> dict[str, int]:
        """Number of windows of each context."""
        return {name: int((self.context == number).sum()) for number, name in enumerate(CONTEXTS)}

    def draw(self, sampling: str, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Rows of so many windows, drawn with replacement: each window alike, or each context alike (``balanced``)."""
        if sampling == "natural":
            return rng.integers(0, len(self), count)
        order, sizes = np.argsort(self.context, kind="stable"), np.bincount(self.context, minlength=len(CONTEXTS))
        chosen = rng.integers(0, len(CONTEXTS), count)
        within = (rng.random(count) * sizes[chosen]).astype(np.int64)
        return order[np.cumsum(sizes)[chosen] - sizes[chosen] + within]

    def each(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Rows of so many different windows of each context, fewer where it has fewer."""
        rows = (np.flatnonzero(self.context == number) for number in range(len(CONTEXTS)))
        return np.concatenate([np.sort(rng.permutation(found)[:count]) for found in rows])


def windows(parameters: Parameters) -> dict[str, Windows]:
    """The windows of chromosomes with promoters: ``train``, and ``test`` of those held out; none has unknown bases.

    Raises
    ------
    DnakitError
        If a chromosome to hold out does not exist, a part lacks a context, or a promoter has no strand or start site.
    """
    starts = read_sites(sources.fetch(parameters.promoters))
    parts: dict[str, list[Windows]] = {"train": [], "test": []}
    names = []
    for record in read_fasta(sources.fetch(parameters.genome)):
        names.append(record.name)
        own = [site for site in starts if site.chromosome == record.name]
        if not own:  # such as a mitochondrion
            continue
        part = "test" if record.name in parameters.held_out else "train"
        parts[part].append(_cut(codes(record.sequence), own, parameters))
    if absent := set(parameters.held_out) - set(names):
        raise DnakitError(f"'held_out': {parameters.genome} has no chromosome {min(absent)}; it has {', '.join(names)}")
    found = {part: _joined(each) for part, each in parts.items() if each}
    for part in parts:
        lacking = [name for name, count in found[part].counts().items() if not count] if part in found else CONTEXTS
        if lacking:
            raise DnakitError(f"the {part} chromosomes of {parameters.genome} have no window of context {lacking[0]}")
    return found


def _joined(each: list[Windows]) -> Windows:
    return Windows(np.concatenate([some.codes for some in each]), np.concatenate([some.context for some in each]))


def _cut(sequence: NDArray[np.uint8], promoters: list[Site], parameters: Parameters) -> Windows:
    """Neighbouring windows of one chromosome."""
    side = parameters.window
    whole = len(sequence) // side * side
    context = contexts(sequence, promoters, parameters.shortest_frame)[:whole].reshape(-1, side)
    votes = np.stack([(context == number).sum(1) for number in range(len(CONTEXTS))], axis=1)
    cut = sequence[:whole].reshape(-1, side)
    known = (cut < UNKNOWN).all(1)
    return Windows(cut[known], votes.argmax(1)[known])


def contexts(sequence: NDArray[np.uint8], promoters: list[Site], shortest: int) -> NDArray[np.uint8]:
    """The context of each base, an index into `CONTEXTS`.

    Parameters
    ----------
    sequence
        Codes of a chromosome.
    promoters
        Start sites of the chromosome.
    shortest
        Bases of an open reading frame, from ATG to the stop, both included, that counts as coding.
    """
    found = np.full(len(sequence), CONTEXTS.index("other"), np.uint8)
    for start, end in open_frames(sequence, shortest):
        found[start:end] = CONTEXTS.index("coding")
    for site in promoters:
        before, after = (BEFORE, AFTER) if site.strand == "+" else (AFTER - 1, BEFORE + 1)
        found[max(0, site.position - before) : site.position + after] = CONTEXTS.index("promoter")
    return found


def open_frames(sequence: NDArray[np.uint8], shortest: int) -> Iterator[tuple[int, int]]:
    """Start and end (half-open, on the forward strand) of the long open reading frames of both strands."""
    complement = np.where(sequence < UNKNOWN, 3 - sequence, sequence)[::-1]
    yield from _frames_forward(sequence, shortest)
    for start, end in _frames_forward(complement, shortest):
        yield len(sequence) - end, len(sequence) - start


def _frames_forward(sequence: NDArray[np.uint8], shortest: int) -> Iterator[tuple[int, int]]:
    """From the first ATG after a stop to the next stop in the same frame; an unknown base ends a frame too."""
    if len(sequence) < 3:
        return
    codons = kmer_numbers(sliding_window_view(sequence, 3))
    for frame in range(3):
        own = codons[frame::3]
        stops = np.flatnonzero(np.isin(own, [*_STOPS, -1]))
        starts = np.flatnonzero(own == _START)
        after = np.searchsorted(starts, np.concatenate([[0], stops[:-1] + 1]))
        for first, stop in zip(after, stops, strict=True):
            if own[stop] >= 0 and first < len(starts) and 3 * (stop + 1 - starts[first]) >= shortest:
                yield frame + 3 * int(starts[first]), frame + 3 * int(stop + 1)


def tokenizer_of(train: Windows, vocab_size: int) -> DnaTokenizer:
    """Learned from all training windows, as they are in the genome."""
    return train_tokenizer([known_words(each, WORD) for each in train.sequences], vocab_size, WORD)
