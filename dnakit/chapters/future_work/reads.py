"""Reads of known species with real qualities: which species they are of is known, and so is what the qualities say.

A read is the beginning of a species' MiFish amplicon. It gets the quality string of a real read, and at each base an
error with the probability that the quality states. So the qualities have the real pattern along a read, and are right
on average; those of a real sequencer may be wrong, which nothing here can tell.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dnakit.chapters.future_work.parameters import Parameters
from dnakit.data import barcodes, sources
from dnakit.data.bases import codes
from dnakit.data.reads import PHRED, between_primers, read_qualities
from dnakit.project import DnakitError

BEFORE = 27  # cycles of a real read before the amplicon: six random bases and the forward primer
SHORTEST = 100  # bases of an amplicon, and of what is left of a quality string
LONGEST = 123  # bases of a read: 150 cycles without those before the amplicon
WORST = 0.75  # probability of an error: a base that is drawn blindly is right in a quarter of the cases
PARTS = ("train", "test")


@dataclass(frozen=True)
class Reads:
    """Reads of one length.

    Attributes
    ----------
    codes : np.ndarray of uint8, shape (reads, bases)
        As read, with the errors.
    phred : np.ndarray of int, shape (reads, bases)
        Quality that is stated of each base.
    species : np.ndarray of int, shape (reads,)
        Row of the species in the references.
    errors : float
        Share of the bases that were read wrong.
    """

    codes: NDArray[np.uint8]
    phred: NDArray[np.int64]
    species: NDArray[np.int64]
    errors: float

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class Task:
    """The species, their true sequences, and real quality strings for each part."""

    names: list[str]
    references: NDArray[np.uint8]
    strings: dict[str, NDArray[np.int64]]

    def draw(self, part: str, count: int, lowered: NDArray[np.int64] | int, seed: int) -> Reads:
        """So many reads of each species.

        Parameters
        ----------
        part
            ``train`` or ``test``: no quality string is in both.
        count
            Reads of each species.
        lowered
            Taken from every quality of a read before the errors are drawn: one number, or the choices to draw from.
        seed
            Of strings, errors and choices.
        """
        rng = np.random.default_rng([seed, PARTS.index(part)])
        species = np.repeat(np.arange(len(self.names)), count)
        strings = self.strings[part][rng.integers(0, len(self.strings[part]), len(species))]
        less = rng.choice(np.atleast_1d(lowered), len(species))
        phred = np.maximum(strings - less[:, None], 0)
        true = self.references[species]
        wrong = rng.random(true.shape) < error_probability(phred)
        read = np.where(wrong, (true + rng.integers(1, 4, true.shape)) % 4, true).astype(np.uint8)
        return Reads(read, phred, species, float(wrong.mean()))


def task(parameters: Parameters) -> Task:
    """Species that are hard to tell apart, and the quality strings of real reads, half of them for each part.

    Raises
    ------
    DnakitError
        If there are fewer species with an amplicon of their own than asked for, or no long quality strings.
    """
    names, references = _species(parameters)
    strings = np.concatenate([_strings(sources.fetch(name)) for name in parameters.qualities])
    if len(strings) < len(PARTS):
        raise DnakitError(f"{', '.join(parameters.qualities)}: no reads of {BEFORE + LONGEST} bases with qualities")
    order = np.random.default_rng(parameters.seed).permutation(len(strings))
    halves = np.array_split(strings[order], len(PARTS))
    length = references.shape[1]
    return Task(names, references, {part: half[:, :length] for part, half in zip(PARTS, halves, strict=True)})


def _species(parameters: Parameters) -> tuple[list[str], NDArray[np.uint8]]:
    """Names and first bases of the amplicons of those species that are hardest to tell apart."""
    table = barcodes.read(sources.fetch(parameters.records), sources.fetch(parameters.taxa))
    if left_out := table.attrs.get("left_out"):
        print(f"dnakit: {left_out}", file=sys.stderr)
    table = table[table["species"] != ""].sort_values("name").drop_duplicates("species")
    amplicons = table["sequence"].map(lambda sequence: (between_primers(sequence) or b"")[:LONGEST])
    whole = np.array([len(each) >= SHORTEST and not each.strip(b"ACGT") for each in amplicons], bool)
    table, amplicons = table[whole], amplicons[whole]
    length = min(map(len, amplicons), default=0)
    own = ~amplicons.str[:length].duplicated(keep=False)
    if own.sum() < parameters.species:
        raise DnakitError(
            f"{parameters.records} has {own.sum()} species with an amplicon of their own: lower 'species'"
        )
    found = np.stack([codes(each[:length]) for each in amplicons[own]])
    distance, other = nearest(found)
    pairs = np.stack([np.arange(len(found)), other], axis=1)[np.argsort(distance, kind="stable")]
    chosen = np.sort(list(dict.fromkeys(pairs.ravel().tolist()))[: parameters.species])  # an odd one may lack its other
    return table["species"][own].iloc[chosen].tolist(), found[chosen]


def nearest(sequences: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each of these sequences of one length: in how many bases the nearest other one differs, and which that is."""
    hot = np.concatenate([sequences == base for base in range(4)], axis=1).astype(np.float32)
    equal = hot @ hot.T
    np.fill_diagonal(equal, -1)
    return sequences.shape[1] - equal.max(1).astype(np.int64), equal.argmax(1)


def _strings(path: Path) -> NDArray[np.int64]:
    """Qualities of the reads of a FASTQ file that are long enough, from the first base after the primer on.

    Raises
    ------
    DnakitError
        If it is damaged, truncated or no file of reads.
    """
    found = [letters[BEFORE : BEFORE + LONGEST] for letters in read_qualities(path)]
    long = [np.frombuffer(each.encode(), np.uint8) for each in found if len(each) == LONGEST]
    return np.stack(long).astype(np.int64) - PHRED if long else np.empty((0, LONGEST), np.int64)


def error_probability(phred: NDArray[np.integer]) -> NDArray[np.float64]:
    """Probability of an error by its Phred score (Ewing and Green 1998)."""
    return np.minimum(10.0 ** (-np.asarray(phred) / 10), WORST)


def token_quality(phred: NDArray[np.integer], lengths: NDArray[np.integer]) -> pd.DataFrame:
    """The quality of each token of a read in three ways, as Phred scores.

    Parameters
    ----------
    phred
        Of each base of the read.
    lengths
        Bases of each token; they add up to the read.

    Returns
    -------
    DataFrame
        One row a token: ``mean`` and ``min`` of its bases, and ``expected``, the score of the probability that any of
        them is wrong.
    """
    starts = np.cumsum(lengths) - lengths
    right = np.exp(np.add.reduceat(np.log1p(-error_probability(phred)), starts))
    return pd.DataFrame(
        {
            "mean": np.add.reduceat(phred, starts) / lengths,
            "min": np.minimum.reduceat(phred, starts),
            "expected": -10 * np.log10(np.maximum(1 - right, 1e-9)),
        }
    )
