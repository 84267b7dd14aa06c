"""The programs that others use, where they are installed: vsearch, MMseqs2 and BLAST.

Each finds the records of a reference that are most like a read. README says how to install them.
"""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dnakit.chapters.metagenomics.parameters import NOT_INSTALLED
from dnakit.project import DnakitError

THREADS = "1"
WORD = "13"  # of MMseqs2's index: 0.5 GB; its own choice of 15 takes 8 GB
COMMANDS = {"vsearch": "vsearch", "mmseqs2": "mmseqs", "blastn": "blastn"}
_VERSION = {"vsearch": ["--version"], "mmseqs2": ["version"], "blastn": ["-version"]}


def version(program: str) -> str:
    """The version of an installed program; ``not installed`` otherwise."""
    command = shutil.which(COMMANDS[program])
    if command is None:
        return NOT_INSTALLED
    done = subprocess.run([command, *_VERSION[program]], capture_output=True, text=True)
    return (done.stdout or done.stderr).splitlines()[0].strip()[:80]


def best_hits(program: str, reference: Sequence[bytes], reads: Sequence[bytes], folder: Path) -> pd.DataFrame:
    """The records that each read is like: columns ``read``, ``record`` (rows of the input) and ``score``, best first.

    Raises
    ------
    DnakitError
        If the program fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, sequences in (("reference", reference), ("reads", reads)):
        text = "".join(f">{row}\n{sequence.decode()}\n" for row, sequence in enumerate(sequences))
        (folder / f"{name}.fa").write_text(text)
    hits = folder / "hits.tsv"
    _COMMAND_LINES[program](folder, hits)
    table = pd.read_csv(hits, sep="\t", header=None, names=["read", "record", "score"])
    shutil.rmtree(folder)
    return table.sort_values(["read", "score"], ascending=[True, False], kind="stable").reset_index(drop=True)


def ranked(hits: pd.DataFrame, labels: np.ndarray, reads: int, count: int) -> np.ndarray:
    """The first `count` different labels of each read, ``(reads, count)``; -1 where there are no more."""
    found = np.full((reads, count), -1)
    named = hits.assign(label=labels[hits["record"]]).drop_duplicates(["read", "label"])
    named = named.assign(place=named.groupby("read").cumcount()).query("place < @count")
    found[named["read"], named["place"]] = named["label"]
    return found


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        reason = " ".join((done.stderr or done.stdout).split())[-200:]
        raise DnakitError(f"{command[0]} failed: {reason}")


def _vsearch(folder: Path, hits: Path) -> None:
    _run(
        "vsearch", "--usearch_global", folder / "reads.fa", "--db", folder / "reference.fa", "--id", "0.5",
        "--strand", "both", "--maxaccepts", "4", "--maxrejects", "16", "--threads", THREADS,
        "--userout", hits, "--userfields", "query+target+id",
    )  # fmt: skip


def _mmseqs2(folder: Path, hits: Path) -> None:
    _run(
        "mmseqs", "easy-search", folder / "reads.fa", folder / "reference.fa", hits, folder / "work", "--search-type",
        "3", "-s", "7.5", "--threads", THREADS, "-k", WORD, "--max-seqs", "50",
        "--format-output", "query,target,bits",
    )  # fmt: skip


def _blastn(folder: Path, hits: Path) -> None:
    _run("makeblastdb", "-in", folder / "reference.fa", "-dbtype", "nucl", "-out", folder / "database")
    _run(
        "blastn", "-task", "blastn", "-query", folder / "reads.fa", "-db", folder / "database", "-out", hits,
        "-max_target_seqs", "10", "-max_hsps", "1", "-evalue", "1e-5", "-num_threads", THREADS,
        "-outfmt", "6 qseqid sseqid bitscore",
    )  # fmt: skip


_COMMAND_LINES: dict[str, Callable[[Path, Path], None]] = {
    "vsearch": _vsearch,
    "mmseqs2": _mmseqs2,
    "blastn": _blastn,
}
