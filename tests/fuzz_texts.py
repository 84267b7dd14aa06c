"""How `fuzz` mutates; FASTA, GenBank, BED, lineages, parameters, and what must hold of a mutated file that is read."""

import random
from pathlib import Path

from dnakit.data.formats import AMBIGUITY, annotation, read_bed, read_fasta, read_genbank
from dnakit.data.taxonomy import lineages, rank
from dnakit.notebooks.parameters import assigned, check, read_yaml

NOTEBOOK = "02_pretraining"
PIECES = (
    rb"""\0 \r \n\n \t > >> // - * # \xff\xfe \xef\xbb\xbf \xe9 \xf0\x9f\xa7\xac \xc2\xb2 \x1f\x8b PK\x03\x04 ---\n"""
    rb""" 99999999999999999999 -1 1_0 1e9 nan .. 0x1F 010 1:30 yes ~ join( complement( order( ) < ^ , ' " [ ] { }"""
    rb""" :\x20 &a\x20 *a !!int\x20 !!python/name:os.system\x20"""
)
PIECES = [piece.decode("unicode_escape").encode("latin-1") for piece in PIECES.split()] + [b" ", b"N" * 70]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The data with up to three changes."""
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        at, length = rng.randrange(len(data) + 1), rng.choice([1, 1, 2, 10, 100])
        data = rng.choice(
            [
                lambda d, at=at, n=length: d[:at] + d[at + n :],
                lambda d, at=at, n=length: d[:at] + d[at : at + n] * 2 + d[at + n :],
                lambda d, at=at, n=length: d[:at] + rng.randbytes(n) + d[at + n :],
                lambda d, at=at: d[:at] + rng.choice(PIECES) * rng.choice([1, 1, 1, 3000]) + d[at:],
                lambda d, at=at: d[:at] + rng.choice(PIECES) + d[at + 1 :],
                lambda d, at=at: d[:at],
                lambda d: b"\n".join(rng.sample(lines := d.split(b"\n"), len(lines))),
            ]
        )(data)
    return data


# ---- what is mutated


def dna(rng: random.Random, length: int) -> str:
    return "".join(rng.choices("ACGT", k=length))


def fasta(rng: random.Random) -> bytes:
    records = [f">r{i} of nothing\n{dna(rng, rng.randrange(1, 200))}\n" for i in range(rng.randrange(1, 5))]
    return "".join(records).encode()


def genbank(rng: random.Random) -> bytes:
    places = ["100..300", "complement(350..500)", "join(550..600,1..60)", "complement(join(590..600,1..60))", "<5..>80"]
    sequence = dna(rng, 600).lower()
    rows = [sequence[i : i + 60] for i in range(0, 600, 60)]
    letters = [f"{60 * n + 1:9d} " + " ".join(row[j : j + 10] for j in range(0, 60, 10)) for n, row in enumerate(rows)]
    return "\n".join(
        [
            "LOCUS       XX000001                 600 bp    DNA     circular INV 01-JAN-2020",
            "DEFINITION  Inventus exemplaris mitochondrion.",
            "ACCESSION   XX000001",
            "VERSION     XX000001.1",
            "SOURCE      mitochondrion Inventus exemplaris",
            "  ORGANISM  Inventus exemplaris",
            "            Eukaryota; Metazoa; Insecta; Inventidae; Inventus.",
            "FEATURES             Location/Qualifiers",
            f"     rRNA            {rng.choice(places)}",
            f'                     /product="{rng.choice(["12S ribosomal RNA", "s-rRNA", "16S ribosomal RNA"])}"',
            "ORIGIN",
            *letters,
            "//\n",
        ]
    ).encode()


def bed(rng: random.Random) -> bytes:
    rows = []
    for number in range(rng.randrange(1, 6)):
        start = rng.randrange(100_000)
        row = ["chr1", start, start + 60, f"p{number}", rng.choice([0, ".", 0.5]), rng.choice("+-."), start, start + 11]
        rows.append("\t".join(map(str, row[: rng.randrange(3, 9)])))
    return ("track name=x\n" * rng.randrange(2) + "\n".join(rows) + "\n").encode()


def table(rng: random.Random) -> bytes:
    rows = [f"r{i}\tEukaryota>Insecta>Family{i}idae>G{i}\n" for i in range(rng.randrange(1, 5))]
    return ("accession\tlineage\n" + "".join(rows)).encode()


def parameters(rng: random.Random) -> bytes:
    lines = [
        "epochs: 3",
        "source: my.fa",
        "genomes: [12, 12, 12, 10]",
        "learning_rate: 1e-4",
        "nuclear_far: [chr1, chr2]",
    ]
    return "\n".join(rng.sample(lines, rng.randrange(1, 6))).encode()


def assignment(rng: random.Random) -> bytes:
    values = [
        "epochs=3",
        "source=my.fa",
        "genomes=[12, 12, 12, 10]",
        "learning_rate=1e-4",
        "nuclear_far=[chr1]",
        "seed=0",
    ]
    return rng.choice(values).encode()


# ---- what must hold of what is read


def check_fasta(path: Path) -> None:
    records = list(read_fasta(path))
    assert records
    assert len({record.name for record in records}) == len(records)
    for record in records:
        assert record.name.split() == [record.name]
        assert record.sequence
        assert not record.sequence.translate(None, b"ACGT" + AMBIGUITY)
    data = path.read_bytes()
    if data[:1] == b">" and b"ustar" not in data[257:262] and data.isascii():
        letters = [part.split("\n", 1)[1] for part in plain(data).split("\n>")]
        assert [record.sequence.decode() for record in records] == [
            "".join(each.split(" ")).replace("\n", "").replace("\t", "").upper().replace("U", "T") for each in letters
        ]


def plain(data: bytes) -> str:
    return data.decode("ascii").replace("\r\n", "\n").replace("\r", "\n")


def check_genbank(path: Path) -> None:
    for record in read_genbank(path):
        found = annotation(record)
        if found.start is not None:
            assert found.end is not None
            assert 0 <= found.start < found.end <= 2 * max(1, len(record))


def check_bed(path: Path) -> None:
    for row in read_bed(path):
        assert 0 <= row.start <= row.end
        assert row.strand in "+-."
        assert row.chrom
        if row.thick_start is not None:
            assert row.thick_end is not None
            assert row.start <= row.thick_start < row.thick_end <= row.end


def check_table(path: Path) -> None:
    for lineage in lineages(path).values():
        assert rank(lineage, "family") is None or rank(lineage, "family").endswith("idae")


def check_parameters(path: Path) -> None:
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        return
    values = read_yaml(text)
    if isinstance(values, dict):
        check_types(check({str(name): value for name, value in values.items()}, NOTEBOOK))


def check_assignment(path: Path) -> None:
    check_types(check(assigned([path.read_bytes().decode("utf-8", "surrogateescape")], [NOTEBOOK]), NOTEBOOK))


def check_types(values: dict) -> None:
    for name, value in values.items():
        for each in value if isinstance(value, list) else [value]:
            assert type(each) in (bool, int, float, str), (name, each)
            assert each == each  # no nan
