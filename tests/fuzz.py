"""Mutated files, thousands of them: each is read rightly or refused in one line; no traceback, no hang, bounded memory.

    make fuzz FILES=1000 SEED=1                    every kind
    python tests/fuzz.py fasta bed --files 100     some

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

import fuzz_samples
import fuzz_texts

from dnakit.project import DnakitError

SECONDS = 10  # of processor time for one file: a busy machine is no hang
MEGABYTES = 1500  # resident at most, all libraries included
COMPRESSORS = (gzip.compress, bz2.compress, lzma.compress)


# ---- how


def packed(data: bytes, rng: random.Random) -> bytes:
    """Perhaps compressed or in an archive, perhaps damaged then, or another encoding."""
    match rng.randrange(8):
        case 0:
            return rng.choice(COMPRESSORS)(data)
        case 1:
            return fuzz_texts.mutated(rng.choice(COMPRESSORS)(data), rng)
        case 2:
            return archive(data, rng)
        case 3:
            return fuzz_texts.mutated(archive(data, rng), rng)
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


KINDS: dict[str, tuple[Callable[[random.Random], bytes], Callable[[Path], None]]] = {
    "fasta": (fuzz_texts.fasta, fuzz_texts.check_fasta),
    "genbank": (fuzz_texts.genbank, fuzz_texts.check_genbank),
    "bed": (fuzz_texts.bed, fuzz_texts.check_bed),
    "lineages": (fuzz_texts.table, fuzz_texts.check_table),
    "yaml": (fuzz_texts.parameters, fuzz_texts.check_parameters),
    "-p": (fuzz_texts.assignment, fuzz_texts.check_assignment),
    "fastq": (fuzz_samples.fastq, fuzz_samples.check_reads),
    "qza": (fuzz_samples.artifact, fuzz_samples.check_artifact),
    "taxonomy": (fuzz_samples.taxonomy, fuzz_samples.check_taxonomy),
    "sintax": (fuzz_samples.sintax, fuzz_samples.check_sintax),
    "genomes": (fuzz_samples.genomes, fuzz_samples.check_genomes),
    "peaks": (fuzz_samples.peaks, fuzz_samples.check_peaks),
    "features": (fuzz_samples.features, fuzz_samples.check_features),
    "train.mat": (fuzz_samples.hdf5, fuzz_samples.check_hdf5),
    "valid.mat": (fuzz_samples.matlab, fuzz_samples.check_matlab),
    "deepsea": (fuzz_samples.deepsea_rows, fuzz_samples.check_deepsea_rows),
}
AS_THEY_ARE = ("yaml", "-p", "qza", "train.mat", "valid.mat")  # never compressed, in an archive or in another encoding


# ---- the run


class Hang(BaseException):
    """A file took too long."""


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hang

    signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


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
    data = fuzz_texts.mutated(KINDS[kind][0](rng), rng)
    return data if kind in AS_THEY_ARE else packed(data, rng)


def bombs() -> Iterator[tuple[str, bytes]]:
    """A few kilobytes that unpack to half a gigabyte."""
    for start, letter in ((b">a\n", b"A"), (b">a\n", b"\n"), (b">", b"a")):
        for compressor in (zlib.compressobj(9, zlib.DEFLATED, 31), lzma.LZMACompressor(preset=0)):
            blocks = [compressor.compress(block) for block in (start, *[letter * 1_000_000] * 500)]
            bomb = b"".join([*blocks, compressor.flush()])
            yield "fasta", bomb
            yield "fastq", bomb
    yield "qza", fuzz_samples.zipped("dna-sequences.fasta", b">a\n" + b"A" * 200_000_000)


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
