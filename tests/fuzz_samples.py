"""What is mutated by `fuzz`: reads, QIIME 2's artifacts and tables, SINTAX, DeepSEA's files, peaks; and what must hold.

Where a mutated file still has the plain form that a reader of a few lines can read, both must find the same.
"""

import io
import random
import re
import zipfile
from pathlib import Path

import h5py
import numpy as np
from fuzz_texts import mutated
from scipy.io import savemat

from dnakit.data import barcodes, deepsea
from dnakit.data import peaks as peak_files
from dnakit.data.reads import read_reads, trimmed_length

RANKED = "d__Eukaryota;p__Chordata;c__Actinopteri;o__Salmoniformes;f__Salmonidae;g__Salmo;s__"
SPECIES = ["Salmo salar", "Salmo_trutta", "salar", "Salmo trutta fario", "Salmo sp. 1", "Salmo salar x trutta", ""]
ADAPTER = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA"


def dna(rng: random.Random, length: int) -> str:
    return "".join(rng.choices("ACGTN", [9, 9, 9, 9, 1], k=length))


# ---- reads


def fastq(rng: random.Random) -> bytes:
    """As sequencers write it: ends of low quality, adapters, N, reads of no bases, either kind of line end."""
    end = rng.choice(["\n", "\n", "\r\n", "\r"])
    lines = []
    for number in range(rng.randrange(1, 6)):
        letters = (dna(rng, rng.choice([0, 1, 40, 150])) + rng.choice(["", ADAPTER]))[:150]
        good = rng.randrange(len(letters) + 1)
        qualities = "".join(rng.choices("FFFF:,", k=good) + rng.choices("###,:", k=len(letters) - good))
        title = rng.choice(["M1:2:X:1:11:1:{} 1:N:0:ACGT", "SRR1.{} {} length=150", "r{}"]).format(number, number)
        lines += [f"@{title}", letters, rng.choice(["+", f"+{title}"]), qualities]
    return (end.join(lines) + rng.choice([end, end, ""])).encode()


def check_reads(path: Path) -> None:
    found = list(read_reads(path))
    for read in found:
        assert read.name.split() == [read.name]
        assert not read.sequence.translate(None, b"ACGTN")
    expected = plain_reads(path.read_bytes())
    assert expected is None or [tuple(read) for read in found] == expected


def plain_reads(data: bytes) -> list[tuple[str, bytes]] | None:
    """Names and letters of a FASTQ file of the plainest form; None of any other."""
    if not re.fullmatch(rb"(@\S+( [^\r\n]*)?\n[ACGTN]*\n\+\n[!-~]*\n)+", data) or not data.isascii():
        return None
    lines = data.decode().split("\n")[:-1]
    found = []
    for title, letters, _, qualities in zip(*(lines[i::4] for i in range(4)), strict=True):
        found.append((title[1:].split()[0], letters[: trimmed_length(qualities)].encode()))
    return found


# ---- records with a taxonomy


def records(rng: random.Random) -> list[tuple[str, str, str]]:
    """Names, letters and species."""
    count = rng.randrange(1, 5)
    return [(f"AB{n}.1", dna(rng, rng.randrange(1, 200)), rng.choice(SPECIES)) for n in range(count)]


def sequences_of(rows: list[tuple[str, str, str]]) -> str:
    return "".join(f">{name} of a fish\n{letters}\n" for name, letters, _ in rows)


def taxa_of(rows: list[tuple[str, str, str]]) -> str:
    return "Feature ID\tTaxon\tConfidence\n" + "".join(f"{name}\t{RANKED}{species}\t0.9\n" for name, _, species in rows)


def zipped(name: str, content: bytes, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        archive.writestr("0f0e/VERSION", "QIIME 2\narchive: 5\n")
        archive.writestr(f"0f0e/data/{name}", content)
    return file.getvalue()


def artifact(rng: random.Random) -> bytes:
    """An artifact of sequences; what is inside may be damaged too."""
    content = mutated(sequences_of(records(rng)).encode(), rng)
    name = rng.choice(["dna-sequences.fasta"] * 8 + ["../../data/dna-sequences.fasta", "taxonomy.tsv"])
    return zipped(name, content, rng.choice([zipfile.ZIP_DEFLATED] * 8 + [zipfile.ZIP_STORED, zipfile.ZIP_LZMA]))


def check_artifact(path: Path) -> None:
    taxa = path.with_name("taxa")
    taxa.write_text(taxa_of([(f"AB{number}.1", "", "Salmo salar") for number in range(5)]))
    try:
        found = barcodes.read(path, taxa)
    finally:
        taxa.unlink()
    check_records(found)
    with zipfile.ZipFile(path) as archive:
        member = next(name for name in archive.namelist() if name.endswith("/data/dna-sequences.fasta"))
        content = archive.read(member)
    if re.fullmatch(rb"(>AB[0-4]\.1 [^\r\n>]*\n[ACGTN\n]*)+", content) and content.isascii():
        letters = [record.partition("\n")[2].replace("\n", "") for record in content.decode().split(">")[1:]]
        assert [each.decode() for each in found["sequence"]] == letters


def taxonomy(rng: random.Random) -> bytes:
    return taxa_of(records(rng)).encode()


def check_taxonomy(path: Path) -> None:
    sequences = path.with_name("sequences")
    sequences.write_text(sequences_of([(f"AB{number}.1", "ACGT", "") for number in range(5)]))
    try:
        found = barcodes.read(sequences, path)
    finally:
        sequences.unlink()
    check_records(found)
    data = path.read_bytes()
    if (
        re.fullmatch(rb"Feature ID\tTaxon\tConfidence\n([\w.]+\td__[^\t\r\n\"]*\t[^\t\r\n]*\n)+", data)
        and data.isascii()
    ):
        rows = dict(line.split("\t")[:2] for line in data.decode().split("\n")[1:-1])
        assert found["name"].tolist() == [name for name in (f"AB{number}.1" for number in range(5)) if name in rows]
        for name, domain in zip(found["name"], found["domain"], strict=True):
            ranks = re.split("[;,]", rows[name])
            assert domain == "" or any(part.strip().endswith(f"__{domain}") for part in ranks)


def sintax(rng: random.Random) -> bytes:
    rows = records(rng)
    ranked = RANKED.replace("__", ":").replace(";", ",")
    return "".join(f">{name};tax={ranked}{taxon.replace(' ', '_')};\n{dna}\n" for name, dna, taxon in rows).encode()


def check_sintax(path: Path) -> None:
    check_records(barcodes.read(path))


def genomes(rng: random.Random) -> bytes:
    """A table of positions of genes; the genomes beside it have 500 bases."""
    columns = ["accession", "species", "lineage", "length", *barcodes.POSITIONS]
    rows = []
    for number in range(rng.randrange(1, 5)):
        start, end = rng.choice([(10, 400), (450, 600), (450, 100), ("", "")])
        rows.append(
            [f"NC{number}", "Salmo salar", "Eukaryota>Chordata>Salmonidae>Salmo", 500, start, end, rng.choice("+-")]
        )
    return ("\n".join("\t".join(map(str, row)) for row in [columns, *rows]) + "\n").encode()


def check_genomes(path: Path) -> None:
    sequences = path.with_name("sequences")
    circle = dna(random.Random(1), 500)
    sequences.write_text("".join(f">NC{number}\n{circle}\n" for number in range(5)))
    try:
        found = barcodes.read(sequences, path)
    finally:
        sequences.unlink()
    check_records(found)
    for gene in found["sequence"]:
        assert len(gene) <= 500
        assert gene.decode() in 2 * circle or gene.decode() in 2 * circle.translate(str.maketrans("ACGT", "TGCA"))[::-1]


def check_records(table) -> None:
    assert len(table)
    assert table["name"].is_unique
    assert list(table.columns) == ["name", "sequence", *barcodes.RANKS]
    for row in table.to_dict("records"):
        assert row["sequence"]
        assert not row["sequence"].translate(None, b"ACGTN")
        assert row["species"] == "" or (row["species"].count(" ") == 1 and row["species"].isprintable())


# ---- chromatin


def peaks(rng: random.Random) -> bytes:
    """BED, or narrowPeak."""
    rows = []
    for _ in range(rng.randrange(1, 6)):
        start = rng.randrange(100_000)
        row = [
            rng.choice(["chr1", "1", "chrX"]),
            start,
            start + rng.choice([1, 60, 400]),
            rng.choice(["CTCF", ".", "a b"]),
        ]
        row += [900, ".", 3.1, -1, -1, 7] if rng.random() < 0.5 else []
        rows.append("\t".join(map(str, row[: rng.choice([3, 4, 10])])))
    return ("track name=x\n" * rng.randrange(2) + "\n".join(rows) + "\n").encode()


def check_peaks(path: Path) -> None:
    found = peak_files.read_peaks(path)
    for on in found.values():
        for chromosome, intervals in on.items():
            assert chromosome
            assert (intervals[:, 0] >= 0).all()
            assert (intervals[:, 0] < intervals[:, 1]).all()
            assert (intervals[1:, 0] >= intervals[:-1, 1]).all()
    data = path.read_bytes()
    if re.fullmatch(rb"(chr\w+\t[0-9]+\t[0-9]+\t\w+\n)+", data) and data.isascii():
        rows = [line.split("\t") for line in data.decode().splitlines()]
        assert {(row[3], row[0]) for row in rows} == {(name, on) for name, each in found.items() for on in each}
        for chromosome, start, end, name in rows:
            held = found[name][chromosome]
            assert ((held[:, 0] <= int(start)) & (int(end) <= held[:, 1])).any()


def features(rng: random.Random) -> bytes:
    rows = [["feature", "kind", "cell", "unlabelled"]]
    rows += [["CTCF", "TF", "K562", rng.choice(["", "chr1", "chr1,chr8"])], ["DNase", "DNase", "", ""]]
    return ("\n".join("\t".join(row) for row in rows[: rng.randrange(2, 4)]) + "\n").encode()


def check_features(path: Path) -> None:
    for feature in peak_files.read_features(path, {"CTCF": {}}):
        assert feature.name == "CTCF"
        assert feature.kind
        assert all(feature.unlabelled)


def hdf5(rng: random.Random) -> bytes:
    """``train.mat`` in its true form, or one that differs in shape, type, values, or where its data lie."""
    rows, kind = rng.randrange(1, 4), rng.choice(["u1"] * 5 + ["i1", "f8", "?", "S1", "i4"])
    channels = np.zeros((1000, 4, rows), kind)
    channels[np.arange(1000), np.arange(1000) % 4] = 1
    labels = np.random.default_rng(rng.randrange(9)).integers(2, size=(919, rows)).astype(kind)
    if rng.random() < 0.1:
        labels[3, 0] = rng.choice([2, 7, 100]) if kind != "?" else 1
    content = io.BytesIO()
    with h5py.File(content, "w", libver=rng.choice(["earliest", "latest"])) as file:
        how = rng.choice(
            [{}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True}, {"compression": "lzf"}]
        )
        file.create_dataset("trainxdata", data=channels, **how)
        match rng.randrange(12):
            case 0:
                file["traindata"] = h5py.ExternalLink("/etc/hostname", "x")
            case 1:
                file["traindata"] = h5py.SoftLink("/trainxdata")
            case 2:
                file.create_dataset("traindata", (919, rows), "u1", external=[("/etc/hostname", 0, 919 * rows)])
            case 3:
                del file["trainxdata"]
                file.create_dataset("trainxdata", (1000, 4, 10**12), "u1", chunks=(1000, 4, 100))
                file.create_dataset("traindata", (919, 10**12), "u1", chunks=(919, 100))
            case 4:
                file.create_group("traindata")
            case 5:
                file.create_dataset("traindata", (919, rows), "u1", chunks=(919, 10**6), maxshape=(919, None))
            case _:
                file.create_dataset("traindata", data=labels, **how)
    return content.getvalue()


def check_hdf5(path: Path) -> None:
    check_part(path, "train")


def matlab(rng: random.Random) -> bytes:
    rows, kind = rng.randrange(1, 4), rng.choice(["u1"] * 5 + ["f8", "?", "c16"])
    channels = np.zeros((rows, 4, 1000), kind)
    channels[:, np.arange(1000) % 4, np.arange(1000)] = 1
    labels = np.random.default_rng(rng.randrange(9)).integers(2, size=(rows, 919)).astype(kind)
    values = {"validxdata": channels, "validdata": labels}
    match rng.randrange(10):
        case 0:
            values["validdata"] = labels[:, :918]
        case 1:
            values["validxdata"] = {"a": channels}
        case 2:
            values["other"] = np.zeros(5)
        case 3:
            values["validdata"] = np.full(labels.shape, "x", object)
        case 4 if kind == "u1":
            labels[0, 0] = 9
    content = io.BytesIO()
    savemat(content, values, do_compression=rng.random() < 0.7, format="5")
    return content.getvalue()


def check_matlab(path: Path) -> None:
    check_part(path, "valid")


def check_part(path: Path, part: str) -> None:
    named = path.rename(path.with_name(f"{part}.mat"))
    try:
        for rows in deepsea.read_rows(path.parent, part):
            assert rows.codes.shape == (len(rows.codes), deepsea.LENGTH)
            assert rows.labels.shape == (len(rows.codes), deepsea.FEATURES)
            assert rows.codes.max(initial=0) <= 4
            assert set(np.unique(rows.labels)) <= {0, 1}
    finally:
        named.rename(path)


def deepsea_rows(rng: random.Random) -> bytes:
    """The table of rows with more context."""
    rows = [",".join([dna(rng, 1020), *rng.choices("01", k=919)]) for _ in range(rng.randrange(1, 3))]
    return ("\n".join(rows) + "\n").encode()


def check_deepsea_rows(path: Path) -> None:
    rows = deepsea.read_table(path)
    assert rows.codes.shape[1:] == (deepsea.LENGTH,)
    assert rows.labels.shape == (len(rows.codes), deepsea.FEATURES)
