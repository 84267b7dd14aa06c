"""The embedded world of barcodes: 12S genes of invented fishes in the forms that real ones come in.

The genomes are those of `dnakit.data.simulate.mitochondria`; a species gets several records, as real databases hold
them, which differ by a few substitutions. The primers of MiFish-U lie where they lie in fishes, so that an amplicon of
some 170 bases can be cut out. Written are an annotated GenBank file, in which the gene has each of its many names and
sometimes crosses the origin, a pair of QIIME 2 artifacts, reads as a sequencer writes them, and mock communities of
known composition.
"""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqFeature import CompoundLocation, SimpleLocation
from Bio.SeqRecord import SeqRecord

from dnakit.data.bases import mutate, reverse_complement
from dnakit.data.files import open_writing
from dnakit.data.formats import extract
from dnakit.data.reads import MIFISH_U, between_primers
from dnakit.data.simulate.mitochondria import Genome, genbank_record, simulate
from dnakit.project import published

SPECIES, RECORDS = 54, 3  # and records of each
VARIATION = 0.004  # substitutions between records of a species
PRIMER_AT = 0.23  # of the gene's length
AMPLICON = 170  # bases between the primers
NAMES = (
    {"gene": "rrnS", "product": "12S ribosomal RNA"},
    {"product": "s-rRNA"},
    {"product": "small subunit ribosomal RNA"},
    {"gene": "rrnS"},
    {"product": "ribosomal RNA", "note": "12S rRNA"},
)
READS = 200  # pairs of mates
READ_LENGTH = 150
ADAPTER = b"AGATCGGAAGAGCACACGTCTGAACTCCAGTCA"
COMMUNITIES, MEMBERS, REPLICATES = 2, 8, 3


def genes(seed: int = 0) -> pd.DataFrame:
    """Records of the world: ``name``, ``sequence``, ``taxon`` (QIIME's form) and ``species``."""
    rng = np.random.default_rng([seed, 1])
    rows = []
    for genome in simulate(SPECIES, seed):
        gene = with_primers(extract(genome.sequence, *genome.rrns))
        for record in range(RECORDS):
            name = genome.accession.replace(".1", f".{record + 1}")
            sequence = mutate(gene, VARIATION, rng) if record else gene
            row = {"name": name, "sequence": sequence, "taxon": taxon_of(genome), "species": genome_species(genome)}
            rows.append(row)
    return pd.DataFrame(rows)


def with_primers(gene: bytes) -> bytes:
    """The gene with the two primers of MiFish-U in place of what stood there."""
    forward, backward = MIFISH_U[0], reverse_complement(MIFISH_U[1])
    at = int(PRIMER_AT * len(gene))
    second = at + len(forward) + AMPLICON
    return gene[:at] + forward + gene[at + len(forward) : second] + backward + gene[second + len(backward) :]


def genome_species(genome: Genome) -> str:
    """A plain binomial: the world's species are numbered, and a number is no epithet."""
    genus, _, number = genome.organism.split()
    letters = "".join("abcdefghij"[int(digit)] for digit in number)
    return f"{genus} exemplaris{letters}"


def taxon_of(genome: Genome) -> str:
    """QIIME's form of the lineage."""
    phylum, *middle, genus = genome.lineage
    names = zip("dpcofgs", ("Simulated", phylum, *middle, genus, genome_species(genome)), strict=True)
    return ";".join(f"{prefix}__{name}" for prefix, name in names)


# ---- GenBank


def annotated(number: int, genome: Genome) -> SeqRecord:
    """A genome as GenBank has it, its gene under one of its names; every fourth is cut inside the gene."""
    start, end, strand = genome.rrns
    gene = with_primers(extract(genome.sequence, start, end, strand))
    letters = gene if strand == 1 else reverse_complement(gene)
    sequence = genome.sequence[:start] + letters + genome.sequence[end:]
    cut = (start + end) // 2 if number % 4 == 3 else 0
    record = genbank_record(genome)
    record.seq = Seq(sequence[cut:] + sequence[:cut])
    named: dict[str, Any] = {"organism": genome_species(genome), "taxonomy": ["Simulated", *genome.lineage]}
    record.annotations |= named
    feature = next(each for each in record.features if each.type == "rRNA" and each.qualifiers.get("gene") == "rrnS")
    if cut:
        parts = [
            SimpleLocation(len(sequence) - (cut - start), len(sequence), strand),
            SimpleLocation(0, end - cut, strand),
        ]
        feature.location = CompoundLocation(parts[::strand])
    feature.qualifiers = dict(NAMES[number % len(NAMES)])
    record.features = [record.features[0], feature]
    return record


# ---- QIIME 2


def write_artifact(path: Path, file: str, text: str, kind: str) -> None:
    """A QIIME 2 artifact with one data file; equal text gives equal bytes."""
    root = f"{len(text):08x}-0000-4000-8000-000000000000"
    files = {
        f"{root}/VERSION": "QIIME 2\narchive: 5\nframework: simulated\n",
        f"{root}/metadata.yaml": f"uuid: {root}\ntype: FeatureData[{kind}]\n",
        f"{root}/data/{file}": text,
    }
    with published(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED, 6)


# ---- reads and mock communities


def mates(table: pd.DataFrame, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """FASTQ records of both mates of amplicons with primers; ends are of low quality, adapters follow short ones."""
    both: tuple[list[str], list[str]] = ([], [])
    for number in range(READS):
        gene = table.sequence.iloc[int(rng.integers(len(table)))]
        inner = between_primers(gene) or b""
        template = MIFISH_U[0] + inner + reverse_complement(MIFISH_U[1])
        for side, strand in zip(both, (template, reverse_complement(template)), strict=True):
            letters = mutate((strand + ADAPTER)[:READ_LENGTH], 0.003, rng)
            tail = int(rng.integers(0, 30))
            quality = "F" * (len(letters) - tail) + "#" * tail
            side.append(f"@SIMREAD:{number + 1} {len(both[0])}:N:0\n{letters.decode()}\n+\n{quality}\n")
    return both


def communities(table: pd.DataFrame, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read counts of amplicons (ASVs) in replicates of each community, and the communities' composition."""
    composition, counts = [], {}
    for number in range(1, COMMUNITIES + 1):
        species = rng.choice(table.species.unique(), MEMBERS, replace=False)
        ratios = rng.integers(1, 11, MEMBERS)
        for name, ratio in zip(species, ratios, strict=True):
            composition.append({"community": f"COM{number}", "species": name, "name": "drawn", "dna_ratio": int(ratio)})
            amplicon = between_primers(table.sequence[table.species == name].iloc[0])
            for replicate in "ABC"[:REPLICATES]:
                reads = int(rng.poisson(200 * ratio * rng.lognormal(0, 0.3)))
                counts[(amplicon or b"").decode(), f"COM{number}-{replicate}"] = reads
    wide = pd.Series(counts).unstack(fill_value=0).rename_axis("sequence").reset_index()
    wide.insert(0, "asv", [f"ASV_{row + 1:04d}" for row in range(len(wide))])
    return wide, pd.DataFrame(composition)


def write(folder: Path, seed: int = 0) -> None:
    """Write the world; the same seed gives the same bytes.

    ``barcodes.gb``, ``barcodes-sequences.qza``, ``barcodes-taxonomy.qza``, ``barcodes-reads-1.fastq`` and ``-2``,
    ``barcodes-mock-counts.tsv`` and ``barcodes-mock-composition.tsv``.
    """
    table, rng = genes(seed), np.random.default_rng([seed, 2])
    sequences = "".join(f">{name}\n{gene.decode()}\n" for name, gene in zip(table["name"], table.sequence, strict=True))
    taxa = "".join(f"{name}\t{taxon}\n" for name, taxon in zip(table["name"], table.taxon, strict=True))
    write_artifact(folder / "barcodes-sequences.qza", "dna-sequences.fasta", sequences, "Sequence")
    write_artifact(folder / "barcodes-taxonomy.qza", "taxonomy.tsv", f"Feature ID\tTaxon\n{taxa}", "Taxonomy")
    with published(folder / "barcodes.gb") as part, open_writing(part, "") as handle:
        SeqIO.write((annotated(n, genome) for n, genome in enumerate(simulate(SPECIES, seed))), handle, "genbank")
    for number, lines in enumerate(mates(table, rng), start=1):
        with published(folder / f"barcodes-reads-{number}.fastq") as part:
            part.write_text("".join(lines))
    counts, composition = communities(table, rng)
    for name, frame in (("counts", counts), ("composition", composition)):
        with published(folder / f"barcodes-mock-{name}.tsv") as part:
            frame.to_csv(part, sep="\t", index=False)
