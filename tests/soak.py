"""Commands that are killed at random moments and started again: each ends as one that nobody disturbed.

    python tests/soak.py                                    20 minutes of all kinds
    python tests/soak.py training fetch --seconds 60 --seed 7

A case starts a command, and at a moment drawn from the time that the undisturbed command took, kills it (SIGKILL,
SIGTERM, SIGINT); or it gives the command a file system that is too small, or read-only. Then the command runs again.
Its files must be those of the undisturbed command, bit for bit, with nothing beside them. Where file systems cannot be
mounted, a limit on the size of files stands for the full disk.

Every command runs in a fork of this process, which has imported the libraries, so that most moments are moments of
work; the kernel of a notebook is a process of its own. Not compared: the seconds that a run took, and the commit.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
os.environ |= {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "PYTHONHASHSEED": "0"}

import torch  # noqa: E402, F401
import transformers.trainer  # noqa: E402, F401

from dnakit import cli, trainer  # noqa: E402, F401
from dnakit.chapters.pretraining import runs as _pretraining  # noqa: E402, F401
from dnakit.chapters.tokenization import runs as _tokenization  # noqa: E402, F401

WAYS = ["kill -9", "kill -15", "kill -2", "disk full", "read-only"]
SIGNALS = {"kill -9": signal.SIGKILL, "kill -15": signal.SIGTERM, "kill -2": signal.SIGINT}
CHANGING = {"seconds", "wall_seconds", "train_tokens_per_second", "attempts", "sha256", "mtime_ns", "_fingerprint"}
LIMIT = 600  # seconds for one command, on a loaded machine
SMALL = ["source=mine.fa", "genomes=[12, 12, 12, 12]", "longest_genome=100000", "vocab_sizes=[60, 60, 60, 60]"]
TRAINING = ["train", "02_pretraining", "longformer-9-mer-mlm", "--profile", "smoke", "-p", "epochs=3"]
TRAINING += [part for value in (*SMALL, "held_out_genomes=0") for part in ("-p", value)]
NOTEBOOK = """\
# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-all
#     formats: ipynb,py:percent
# ---

# %% tags=["parameters"]
profile = "smoke"

# %%
import time
for number in range(10):
    print(number)
    time.sleep(0.05)
"""


class Kind(NamedTuple):
    """A command, what must be there before it, and the folder that it writes into."""

    command: list[str]
    before: list[list[str]]
    writes: str


COUNTS = ["01_tokenization", "--profile", "smoke", *(part for value in SMALL[:3] for part in ("-p", value))]
KINDS = {
    "training": Kind(TRAINING, [], "data/runs"),
    "notebook": Kind(["execute", "98_soak", "--profile", "smoke", "--output", "out"], [], "out"),
    "record": Kind(["record", *COUNTS], [["train", *COUNTS]], "data/recorded"),
    "export": Kind(["export", *TRAINING[1:3], "out/model", *TRAINING[3:]], [TRAINING], "out"),
    "fetch": Kind(["fetch", "served"], [], "data/raw"),
    "simulate": Kind(["fetch", "simulated-barcodes-sequences"], [], "data/cache"),
}


# ---- one command in a folder


def start(command: list[str], folder: Path, largest: int | None = None) -> int:
    """The number of a process, leader of a group, that runs `dnakit` with these arguments in a folder."""
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        os.chdir(folder)
        os.environ |= {"DNAKIT_ROOT": str(folder), "DNAKIT_DATA": str(folder / "data")}
        log = os.open(folder.parent / f"{folder.name}.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        if largest is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until dnakit has its own
        sys.argv = [sys.argv[0], *command]
        cli.main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(bool(error.code))
    except KeyboardInterrupt:
        code = 130
    except BaseException as error:
        print(f"Traceback: {type(error).__name__}: {error}", file=sys.stderr)
        code = 70
    sys.stdout.flush()
    os._exit(code)


def finish(child: int, seconds: float, number: signal.Signals | None = None) -> int:
    """The exit code; after so many seconds the process gets the signal (SIGINT: its group, as from a keyboard)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    if number is None:
        raise TimeoutError(f"it took more than {seconds:.0f} s")
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, number) if number == signal.SIGINT else os.kill(child, number)
    return finish(child, LIMIT)


def until_alone(child: int) -> None:
    """Wait for what the process left running, such as a kernel, which ends when it finds itself alone."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        try:
            os.killpg(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise TimeoutError("processes are left")


# ---- folders


def prepared(folder: Path, address: str, served: bytes) -> None:
    """A project with its notebooks, a user's own genomes, and a source that a server on this machine has."""
    (folder / "notebooks").mkdir(parents=True)
    (folder / "data").mkdir()
    for name in ("01_tokenization.py", "02_pretraining.py"):
        shutil.copy(ROOT / "notebooks" / name, folder / "notebooks")
    (folder / "notebooks" / "98_soak.py").write_text(NOTEBOOK)
    (folder / "params").symlink_to(ROOT / "params")
    digest = hashlib.sha256(served).hexdigest()
    about = f"served:\n  title: served\n  file: served.fa\n  url: {address}\n  sha256: {digest}\n"
    (folder / "data" / "sources.yaml").write_text((ROOT / "data" / "sources.yaml").read_text() + about)
    rng = random.Random(1)
    (folder / "mine.fa").write_text("".join(f">g{i}\n{''.join(rng.choices('ACGT', k=1200))}\n" for i in range(14)))


@contextlib.contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[bool]:
    """The folder as a file system of its own, where that is allowed."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], capture_output=True)
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "--lazy", folder], check=True)
        shutil.rmtree(folder)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def used(folder: Path) -> int:
    """Bytes in use on the folder's file system."""
    stat = os.statvfs(folder)
    return (stat.f_blocks - stat.f_bfree) * stat.f_frsize


def contents(folder: Path) -> dict[str, str]:
    """Digest of every file, without what no command repeats; locks are no content."""
    files = sorted(each for each in folder.rglob("*") if each.is_file() and each.suffix != ".lock")
    return {str(path.relative_to(folder)): hashlib.sha256(repeated(path)).hexdigest() for path in files}


def repeated(path: Path) -> bytes:
    """The file without times, attempts, the commit, digests of files that hold these, and random names of datasets."""
    if path.name not in ("run.json", "metrics.json", "state.json", "dnakit.json") and ".record." not in path.name:
        return path.read_bytes()
    record = json.loads(path.read_text())
    record.get("environment", {}).pop("commit", None)
    return json.dumps({name: value for name, value in record.items() if name not in CHANGING}).encode()


# ---- the cases


class Reference(NamedTuple):
    """What an undisturbed command needs and leaves."""

    start: Path
    seconds: float
    content: dict[str, str]
    largest: int
    grown: int


def undisturbed(kind: Kind, template: Path, place: Path) -> Reference:
    """Run what must be there before, keep that, then run the command itself."""
    begin, folder = place / "begin", place / "case"
    shutil.copytree(template, begin, symlinks=True)
    for command in kind.before:
        ended = finish(start(command, begin), LIMIT)
        if ended:
            raise SystemExit(f"{' '.join(command)} ended with {ended}:\n{(place / 'begin.log').read_text()}")
    with mounted(folder, 2000):
        shutil.copytree(begin, folder, symlinks=True, dirs_exist_ok=True)
        before, started = used(folder), time.monotonic()
        ended = finish(start(kind.command, folder), LIMIT)
        seconds, grown = time.monotonic() - started, used(folder) - before
        if ended:
            raise SystemExit(f"{' '.join(kind.command)} ended with {ended}:\n{(place / 'case.log').read_text()}")
        written = folder / kind.writes
        sizes = [each.stat().st_size for each in written.rglob("*") if each.is_file()]
        return Reference(begin, seconds, contents(folder), max(sizes), grown)


def disturb(way: str, kind: Kind, known: Reference, folder: Path, is_mount: bool, rng: random.Random) -> str:
    """Run the command once, disturbed; what went wrong beyond that, or nothing."""
    log = folder.parent / f"{folder.name}.log"
    log.unlink(missing_ok=True)
    if way in SIGNALS:
        child = start(kind.command, folder)
        finish(child, rng.uniform(0, known.seconds), SIGNALS[way])
    else:
        share = rng.uniform(0, 0.95)
        if is_mount:
            here = used(folder) + int(share * known.grown)
            remount(folder, "ro" if way == "read-only" else f"size={here // 1024 + 1}k")
        child = start(kind.command, folder, None if is_mount else int(share * known.largest))
        ended = finish(child, LIMIT)
        if is_mount:
            remount(folder, "rw,size=2000m")
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        if ended == 0 and contents(folder) == known.content:
            return ""  # it fitted after all
        if ended != 2 or not lines or not lines[-1].startswith("dnakit: "):
            return f"exit code {ended}: {' | '.join(lines[-3:])}"
    until_alone(child)
    if log.exists() and "Traceback" in log.read_text(errors="replace"):
        return "a traceback: " + " | ".join(log.read_text(errors="replace").splitlines()[-3:])
    return ""


def case(way: str, kind: Kind, known: Reference, place: Path, rng: random.Random) -> str:
    """What went wrong, or nothing."""
    folder = place / "case"
    with mounted(folder, 2000) as is_mount:
        shutil.copytree(known.start, folder, symlinks=True, dirs_exist_ok=True)
        try:
            if wrong := disturb(way, kind, known, folder, is_mount, rng):
                return wrong
            if (folder / "out" / "model").exists() and contents(folder) == known.content:
                return ""  # it was done before the signal came; an export is not repeated over itself
            ended = finish(child := start(kind.command, folder), LIMIT)
            until_alone(child)
        except TimeoutError as error:
            return str(error)
        if ended:
            return f"again: exit code {ended}: {(place / 'case.log').read_text(errors='replace')[-300:]}"
        return "; ".join(f"{how} {name}" for how, name in differences(known.content, contents(folder)))


def differences(expected: dict[str, str], found: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            yield ("left" if name not in expected else "missing" if name not in found else "differs"), name


# ---- the run


@contextlib.contextmanager
def served(content: bytes) -> Iterator[str]:
    """The address of a file on this machine's own server, which sends it slowly."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
            self.send_response(206 if first else 200)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            self.send_header("ETag", '"one"')
            self.send_header("Content-Length", str(len(content) - first))
            self.end_headers()
            with contextlib.suppress(OSError):
                for at in range(first, len(content), 1 << 17):
                    self.wfile.write(content[at : at + (1 << 17)])
                    time.sleep(0.01)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/served.fa"
    finally:
        server.shutdown()


def soak(
    kinds: list[str], seconds: float, cases: int, rng: random.Random, place: Path, address: str, content: bytes
) -> Counter:
    """Counts by kind, way and outcome."""
    prepared(place / "template", address, content)
    known: dict[str, Reference] = {}
    for name in kinds:
        (place / name).mkdir()
        known[name] = undisturbed(KINDS[name], place / "template", place / name)
        print(f"{name}: undisturbed in {known[name].seconds:.1f} s, {len(known[name].content)} files", flush=True)
    counts: Counter = Counter()
    end = time.monotonic() + seconds
    spent, turns = dict.fromkeys(kinds, 0.0), {name: cycle(WAYS) for name in kinds}
    for number in range(cases):
        if (started := time.monotonic()) > end:
            break
        name = min(kinds, key=spent.__getitem__)  # each kind gets the same time
        way = next(turns[name])
        wrong = case(way, KINDS[name], known[name], place / name, rng)
        spent[name] += time.monotonic() - started
        counts[name, way, not wrong] += 1
        if wrong:
            print(f"case {number}, {name}, {way}: {wrong}", file=sys.stderr, flush=True)
    return counts


def table(counts: Counter, kinds: list[str]) -> Iterator[str]:
    yield f"| command | {' | '.join(WAYS)} | as undisturbed |"
    yield f"|---|{'---|' * (len(WAYS) + 1)}"
    for name in kinds:
        tried = [counts[name, way, True] + counts[name, way, False] for way in WAYS]
        right = sum(counts[name, way, True] for way in WAYS)
        yield f"| {name} | {' | '.join(map(str, tried))} | {right} of {sum(tried)} |"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    options.add_argument("--seconds", type=float, default=1200)
    options.add_argument("--cases", type=int, default=10**6)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that file systems are unmounted
    kinds, content = given.kinds or list(KINDS), b">a\n" + random.Random(2).randbytes(2_000_000).hex().encode()
    with tempfile.TemporaryDirectory(prefix="dnakit-soak-") as folder, served(content) as address:
        rng = random.Random(given.seed)
        counts = soak(kinds, given.seconds, given.cases, rng, Path(folder), address, content)
    print("\n".join(table(counts, kinds)))
    wrong = sum(count for (_, _, right), count in counts.items() if not right)
    print(f"{counts.total() - wrong} of {counts.total()} end as undisturbed ones; seed {given.seed}")
    return int(wrong > 0 or not counts)


if __name__ == "__main__":
    sys.exit(main())
