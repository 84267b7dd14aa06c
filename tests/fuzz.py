"""Mutated files, thousands of them: each is read rightly or refused in one line; no traceback, no hang, bounded memory.

    python tests/fuzz.py --files 1000 --seed 1            every kind
    python tests/fuzz.py fasta bed --files 100

A failure prints what was read, so that it can become a test.
"""

import argparse
import bz2
import gzip
import io
import lzma
import random
import resource
import signal
import sys
import tarfile
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dnakit.data.formats import AMBIGUITY, annotation, read_bed, read_fasta, read_genbank
from dnakit.data.taxonomy import lineages, rank
from dnakit.notebooks.parameters import assigned, check, read_yaml
from dnakit.project import DnakitError

SECONDS = 10  # for one file
MEGABYTES = 1500  # resident at most, all libraries included
NOTEBOOK = "02_pretraining"
COMPRESSORS = (gzip.compress, bz2.compress, lzma.compress)
PIECES = (
    rb"""\0 \r \n\n \t > >> // - * # \xff\xfe \xef\xbb\xbf \xe9 \xf0\x9f\xa7\xac \xc2\xb2 \x1f\x8b PK\x03\x04 ---\n"""
    rb""" 99999999999999999999 -1 1_0 1e9 nan .. 0x1F 010 1:30 yes ~ join( complement( order( ) < ^ , ' " [ ] { }"""
    rb""" :\x20 &a\x20 *a !!int\x20 !!python/name:os.system\x20"""
)
PIECES = [piece.decode("unicode_escape").encode("latin-1") for piece in PIECES.split()] + [b" ", b"N" * 70]


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


# ---- how


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The data with one to three changes."""
    for _ in range(rng.choice([1, 1, 2, 3])):
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


def packed(data: bytes, rng: random.Random) -> bytes:
    """Perhaps compressed or in an archive, perhaps damaged then, or another encoding."""
    match rng.randrange(8):
        case 0:
            return rng.choice(COMPRESSORS)(data)
        case 1:
            return mutated(rng.choice(COMPRESSORS)(data), rng)
        case 2:
            return archive(data, rng)
        case 3:
            return mutated(archive(data, rng), rng)
        case 4:
            return data.decode("latin-1").encode(rng.choice(["utf-16", "utf-8-sig", "utf-32"]))
        case _:
            return data


def archive(data: bytes, rng: random.Random) -> bytes:
    """A tar archive with names and links that would lead out of a folder, if it were unpacked."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=rng.choice(["w", "w:gz", "w:xz"])) as members:
        for name in rng.sample(["a.fa", "../out.fa", "/tmp/fuzz-out.fa", "._a.fa", "x/.DS_Store", "b.fa.gz"], 3):
            content = rng.choice([data, gzip.compress(data), b""])
            info = tarfile.TarInfo(name)
            info.size = len(content)
            members.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("link.fa")
        link.type, link.linkname = rng.choice([tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]), "/etc/passwd"
        members.addfile(link)
    return file.getvalue()


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


KINDS: dict[str, tuple[Callable[[random.Random], bytes], Callable[[Path], None]]] = {
    "fasta": (fasta, check_fasta),
    "genbank": (genbank, check_genbank),
    "bed": (bed, check_bed),
    "lineages": (table, check_table),
    "yaml": (parameters, check_parameters),
    "-p": (assignment, check_assignment),
}


# ---- the run


class Hang(BaseException):
    """A file took too long."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def attempt(kind: str, data: bytes, path: Path) -> str:
    """``read``, ``refused``, or what went wrong."""
    path.write_bytes(data)
    try:
        with limited(SECONDS):
            KINDS[kind][1](path)
    except DnakitError as error:
        return "refused" if 0 < len(str(error)) < 1000 else f"an endless message of {len(str(error))} letters"
    except Hang:
        return f"took more than {SECONDS} s"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    return "read"


def one(kind: str, seed: int, number: int) -> bytes:
    """The mutated file of this number."""
    rng = random.Random(f"{kind} {seed} {number}")
    data = mutated(KINDS[kind][0](rng), rng)
    return data if kind in ("yaml", "-p") else packed(data, rng)


def bombs() -> Iterator[tuple[str, bytes]]:
    """A few kilobytes that unpack to half a gigabyte."""
    for start, letter in ((b">a\n", b"A"), (b">a\n", b"\n"), (b">", b"a")):
        for compressor in (zlib.compressobj(9, zlib.DEFLATED, 31), lzma.LZMACompressor(preset=0)):
            blocks = [compressor.compress(block) for block in (start, *[letter * 1_000_000] * 500)]
            yield "fasta", b"".join([*blocks, compressor.flush()])


def resident() -> float:
    """The most memory that was in use, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    options.add_argument("--files", type=int, default=1000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--no-bombs", action="store_true")
    given = options.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutated"
        for kind in given.kinds or list(KINDS):
            started, counts = time.monotonic(), Counter()
            for number in range(given.files):
                outcome = attempt(kind, data := one(kind, given.seed, number), path)
                counts[outcome if outcome in ("read", "refused") else "wrong"] += 1
                if outcome not in ("read", "refused"):
                    wrong += 1
                    print(f"{kind} {given.seed} {number}: {outcome}\n  {data[:300]!r}", file=sys.stderr)
            print(f"{kind:9} {dict(counts)} in {time.monotonic() - started:.1f} s", flush=True)
        for kind, data in () if given.no_bombs else bombs():
            started, outcome = time.monotonic(), attempt(kind, data, path)
            wrong += outcome != "refused"
            print(f"bomb of {len(data):,} bytes: {outcome} in {time.monotonic() - started:.1f} s", flush=True)
        left = sorted(each.name for each in Path(folder).iterdir())
    print(f"at most {resident():.0f} MB resident; files written beside the mutated one: {left[1:] or 'none'}")
    return int(wrong > 0 or resident() > MEGABYTES or left != ["mutated"])


if __name__ == "__main__":
    sys.exit(main())
