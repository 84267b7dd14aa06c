"""Simulated mitochondrial genomes, so that every chapter runs at once and offline.

A root genome with the gene order of a vertebrate mitochondrion evolves down a taxonomy (phylum, class, order, family,
genus, species). Substitutions follow the F84 model: transitions are more frequent than transversions, the composition
is unequal. Each site has a rate of its own: third codon positions and the control region are fast, rRNA and tRNA slow.
Short insertions and deletions fall outside protein genes. Relatives therefore share sequence, as real genomes do.
Nothing here is a measurement: names and accessions say that they are invented.
"""

from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqFeature import SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

from dnakit.data.bases import letters
from dnakit.data.files import open_writing
from dnakit.data.formats import Record, write_fasta
from dnakit.project import published

COMPOSITION = np.array([0.30, 0.27, 0.16, 0.27])  # of a fish mitochondrion's light strand
TRANSITION_EXCESS = 4.0  # F84: extra rate of replacement within purines, and within pyrimidines
SITE_SHAPE = 0.7  # shape of the gamma distribution of rates over sites
RATES = {"codon1": 0.3, "codon2": 0.15, "codon3": 1.8, "rRNA": 0.3, "tRNA": 0.25, "spacer": 1.0, "control": 2.0}
INDEL_RATES = {"rRNA": 0.02, "tRNA": 0.005, "spacer": 0.2, "control": 0.15}  # per site, in units of branch length

# Each level of the tree: its rank, species in a group, mean length of the branch that leads to a group
TREE = [
    ("phylum", 72, 0.12),
    ("class", 36, 0.08),
    ("order", 18, 0.06),
    ("family", 9, 0.05),
    ("genus", 3, 0.035),
    ("species", 1, 0.02),
]

# Gene order of a vertebrate mitochondrion: name, length in bp, strand, spacer that follows. The 12S gene (rrnS) and the
# tRNAs are as long as real ones, all others a quarter, so that what is trained on them takes minutes.
GENES: list[tuple[str, int, int, int]] = [
    ("trnF", 69, 1, 0), ("rrnS", 950, 1, 0), ("trnV", 72, 1, 0), ("rrnL", 420, 1, 0), ("trnL2", 74, 1, 0),
    ("nad1", 243, 1, 5), ("trnI", 70, 1, 0), ("trnQ", 71, -1, 1), ("trnM", 69, 1, 0), ("nad2", 261, 1, 1),
    ("trnW", 71, 1, 2), ("trnA", 69, -1, 1), ("trnN", 73, -1, 32), ("trnC", 66, -1, 0), ("trnY", 70, -1, 1),
    ("cox1", 387, 1, 3), ("trnS2", 71, -1, 4), ("trnD", 72, 1, 8), ("cox2", 171, 1, 2), ("trnK", 74, 1, 1),
    ("atp8", 42, 1, 0), ("atp6", 171, 1, 2), ("cox3", 195, 1, 1), ("trnG", 72, 1, 0), ("nad3", 87, 1, 1),
    ("trnR", 69, 1, 0), ("nad4l", 75, 1, 0), ("nad4", 345, 1, 2), ("trnH", 69, 1, 0), ("trnS1", 67, 1, 1),
    ("trnL1", 73, 1, 0), ("nad5", 459, 1, 4), ("nad6", 129, -1, 2), ("trnE", 69, -1, 4), ("cob", 285, 1, 3),
    ("trnT", 72, 1, 1), ("trnP", 70, -1, 0), ("control", 240, 1, 0),
]  # fmt: skip
PRODUCTS = {"rrnS": "12S ribosomal RNA", "rrnL": "16S ribosomal RNA", "control": "control region"}
_STOPS = {(3, 0, 0), (3, 0, 2), (0, 2, 0), (0, 2, 2)}  # TAA TAG AGA AGG, the vertebrate mitochondrial code
_SYLLABLES = ["ba", "co", "di", "fu", "ga", "lo", "mi", "nu", "pa", "ro", "si", "tu", "va", "ze"]


@dataclass(frozen=True)
class Chromosome:
    """A genome under evolution: five arrays of one entry a site, and the strands of the genes.

    Attributes
    ----------
    codes : np.ndarray of uint8
        Codes of the bases, as in `dnakit.data.bases`.
    rates, indels : np.ndarray of float32
        Relative rates of substitution and of insertion or deletion.
    genes : np.ndarray of int16
        Index into ``GENES``, -1 in a spacer.
    strands : tuple of int
        1 or -1, one for each of ``GENES``.
    """

    codes: np.ndarray
    rates: np.ndarray
    indels: np.ndarray
    genes: np.ndarray
    strands: tuple[int, ...]

    def take(self, sites: np.ndarray) -> "Chromosome":
        """The chromosome made of these sites, in this order."""
        return replace(
            self, codes=self.codes[sites], rates=self.rates[sites], indels=self.indels[sites], genes=self.genes[sites]
        )

    def span(self, gene: str) -> tuple[int, int, int]:
        """Start, end (0-based, half-open) and strand of a gene."""
        index = [name for name, *_ in GENES].index(gene)
        sites = np.flatnonzero(self.genes == index)
        return int(sites[0]), int(sites[-1]) + 1, self.strands[index]


@dataclass(frozen=True)
class Genome:
    """One simulated mitochondrion.

    Attributes
    ----------
    accession : str
        Such as ``SIM00001.1``.
    organism : str
        An invented binomial with a number.
    lineage : tuple of str
        Phylum, class, order, family, genus.
    sequence : bytes
        The circle, cut at trnF.
    features : tuple of (str, int, int, int)
        Gene, start, end (0-based, half-open), strand.
    """

    accession: str
    organism: str
    lineage: tuple[str, ...]
    sequence: bytes
    features: tuple[tuple[str, int, int, int], ...]

    @property
    def rrns(self) -> tuple[int, int, int]:
        """Start, end and strand of the 12S gene."""
        return next((start, end, strand) for gene, start, end, strand in self.features if gene == "rrnS")


def simulate(genomes: int = 120, seed: int = 0) -> list[Genome]:
    """Evolve mitochondrial genomes along a random tree.

    Parameters
    ----------
    genomes : int
        How many species: three to a genus, three genera to a family, two families to an order, and so on (``TREE``).
    seed : int
        The same seed gives the same genomes; a larger world begins with the smaller one.

    Returns
    -------
    list of Genome
        In the order of their lineage: shuffle before splitting.
    """
    groups: dict[tuple[int, int], Chromosome] = {}
    root = _root(np.random.default_rng([seed, 0]))
    for number in range(genomes):
        ancestor = root
        for rank, (_, size, length) in enumerate(TREE):
            group = (rank, number // size)
            if group not in groups:
                groups[group] = _descendant(ancestor, group, length, np.random.default_rng([seed, 1 + rank, group[1]]))
            ancestor = groups[group]
    return [_genome(number, groups[len(TREE) - 1, number]) for number in range(genomes)]


def _descendant(
    ancestor: Chromosome, group: tuple[int, int], mean_length: float, rng: np.random.Generator
) -> Chromosome:
    """One branch of the tree; every second phylum has its ribosomal genes on the other strand, as some real ones do."""
    length = rng.gamma(4.0, mean_length / 4.0)
    if group[0] == 0 and group[1] % 2:
        ancestor = _inverted(ancestor, "trnF", "trnL2")
    return _with_indels(_substituted(ancestor, length, rng), length, rng)


def _substituted(ancestor: Chromosome, length: float, rng: np.random.Generator) -> Chromosome:
    """Substitutions under F84: a base is redrawn from all four or, more often, from its class (purine, pyrimidine)."""
    codes = ancestor.codes
    of_partner = COMPOSITION[[2, 3, 0, 1]]
    partner_share = of_partner / (of_partner + COMPOSITION)
    partner = np.where(rng.random(len(codes)) < partner_share[codes], (codes + 2) % 4, codes)
    anything = rng.choice(4, len(codes), p=COMPOSITION)
    transition = rng.random(len(codes)) < -np.expm1(-TRANSITION_EXCESS * ancestor.rates * length)
    general = rng.random(len(codes)) < -np.expm1(-ancestor.rates * length)
    return replace(ancestor, codes=np.where(general, anything, np.where(transition, partner, codes)).astype(np.uint8))


def _with_indels(ancestor: Chromosome, length: float, rng: np.random.Generator) -> Chromosome:
    """Short deletions and tandem duplications, each inside one gene or spacer, never in a protein gene."""
    ends = np.flatnonzero(rng.random(len(ancestor.codes)) < ancestor.indels * length) + 1
    starts = np.maximum(ends - np.minimum(rng.geometric(0.4, len(ends)), 20), 0)
    inside = ancestor.genes[starts] == ancestor.genes[ends - 1]
    deletion = rng.random(len(ends)) < 0.5
    pieces, done = [], 0
    for start, end, deleted in zip(starts[inside], ends[inside], deletion[inside], strict=True):
        if start >= done:
            pieces += [np.arange(done, start if deleted else end), np.arange(start, 0 if deleted else end)]
            done = end
    return ancestor.take(np.concatenate([*pieces, np.arange(done, len(ancestor.codes))]))


def _inverted(ancestor: Chromosome, first: str, last: str) -> Chromosome:
    """The stretch from one gene to another, turned round."""
    start, end = ancestor.span(first)[0], ancestor.span(last)[1]
    sites = np.arange(len(ancestor.codes))
    sites[start:end] = sites[start:end][::-1]
    turned = ancestor.take(sites)
    turned.codes[start:end] = 3 - turned.codes[start:end]
    inside = set(np.unique(turned.genes[start:end]).tolist())
    strands = tuple(-strand if gene in inside else strand for gene, strand in enumerate(ancestor.strands))
    return replace(turned, strands=strands)


# ---- the root


def _root(rng: np.random.Generator) -> Chromosome:
    parts = []
    for index, (gene, size, strand, spacer) in enumerate(GENES):
        parts.append((*_gene(gene, size, strand, rng), np.full(size, index)))
        parts.append((*_stretch("spacer", spacer, rng), np.full(spacer, -1)))
    codes, rates, indels, genes = (np.concatenate(column) for column in zip(*parts, strict=True))
    rates = rates * rng.gamma(SITE_SHAPE, 1 / SITE_SHAPE, len(rates))
    strands = tuple(strand for _, _, strand, _ in GENES)
    return Chromosome(
        codes.astype(np.uint8), rates.astype(np.float32), indels.astype(np.float32), genes.astype(np.int16), strands
    )


def _gene(gene: str, size: int, strand: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if feature_type(gene) != "CDS":
        return _stretch({"rRNA": "rRNA", "tRNA": "tRNA", "D-loop": "control"}[feature_type(gene)], size, rng)
    codons = np.array([codon for codon in product(range(4), repeat=3) if codon not in _STOPS])
    usage = COMPOSITION[codons].prod(axis=1)
    codes = codons[rng.choice(len(codons), size // 3, p=usage / usage.sum())].ravel()
    codes[:3], codes[-3:] = (0, 3, 2), (3, 0, 0)
    rates = np.tile([RATES["codon1"], RATES["codon2"], RATES["codon3"]], size // 3)
    if strand == -1:
        codes, rates = 3 - codes[::-1], rates[::-1]
    return codes, rates, np.zeros(size)


def _stretch(kind: str, size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return rng.choice(4, size, p=COMPOSITION), np.full(size, RATES[kind]), np.full(size, INDEL_RATES[kind])


# ---- names and files


def feature_type(gene: str) -> str:
    """The GenBank feature key of a gene of ``GENES``."""
    return {"rrn": "rRNA", "trn": "tRNA", "con": "D-loop"}.get(gene[:3], "CDS")


def _genome(number: int, chromosome: Chromosome) -> Genome:
    groups = [(rank, number // size) for rank, size, _ in TREE]
    genus = (
        "Simul" + "".join(_SYLLABLES[groups[4][1] // len(_SYLLABLES) ** i % len(_SYLLABLES)] for i in range(3)) + "us"
    )
    lineage = (*(f"Simulated{rank}{index + 1:02d}" for rank, index in groups[:4]), genus)
    features = tuple((gene, *chromosome.span(gene)) for gene, *_ in GENES)
    sequence = letters(chromosome.codes)
    return Genome(f"SIM{number + 1:05d}.1", f"{genus} exemplaris {number + 1:03d}", lineage, sequence, features)


def genbank_record(genome: Genome) -> SeqRecord:
    """The genome as Biopython writes it to GenBank; the date is fixed, so that equal genomes give equal bytes."""
    name = genome.accession.split(".")[0]
    record = SeqRecord(
        Seq(genome.sequence), id=genome.accession, name=name, description=f"{genome.organism} mitochondrion, simulated"
    )
    annotations: dict[str, Any] = {
        "molecule_type": "DNA",
        "topology": "circular",
        "data_file_division": "SYN",
        "date": "01-JAN-2000",
        "accessions": [name],
        "organism": genome.organism,
        "source": f"mitochondrion {genome.organism}",
        "taxonomy": list(genome.lineage),
        "comment": "Simulated by dnakit; not the sequence of any organism.",
    }
    record.annotations = annotations
    record.features = [
        SeqFeature(SimpleLocation(0, len(genome.sequence), 1), "source", qualifiers={"organism": genome.organism})
    ]
    for gene, start, end, strand in sorted(genome.features, key=lambda feature: feature[1]):
        qualifiers = {"gene": gene, "product": PRODUCTS.get(gene, gene)}
        record.features.append(
            SeqFeature(SimpleLocation(start, end, strand), feature_type(gene), qualifiers=qualifiers)
        )
    return record


def write(folder: Path, genomes: int = 120, seed: int = 0) -> None:
    """Write a world as ``mitochondria.fa`` and ``mitochondria.gb``; the same arguments give the same bytes.

    Not compressed: compressors differ between machines, and a run's key rests on the file's digest.

    Parameters
    ----------
    folder : Path
    genomes, seed : int
        As for `simulate`.
    """
    world = simulate(genomes, seed)
    write_fasta(
        folder / "mitochondria.fa", (Record(genome.accession, genome.organism, genome.sequence) for genome in world)
    )
    with published(folder / "mitochondria.gb") as part, open_writing(part, "") as handle:
        SeqIO.write((genbank_record(genome) for genome in world), handle, "genbank")
