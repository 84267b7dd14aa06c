"""Properties of the list of sources and of getting them: verified, resumable, once, and one line for each failure."""

import errno
import gzip
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml
from test_structure import PACKAGE, imported

from dnakit.data import formats, sources
from dnakit.data.formats import Record
from dnakit.project import DnakitError, root


def fasta_gz(seed: int, bases: int = 400_000) -> bytes:
    letters = np.random.default_rng(seed).choice(np.frombuffer(b"ACGT", dtype=np.uint8), bases).tobytes()
    return gzip.compress(b">chr1 made for a test\n" + letters + b"\n", mtime=0)


CONTENT = fasta_gz(0)
OTHER = fasta_gz(1)


class Server:
    """A file server on this machine that understands Range and If-Range, and can cut a connection halfway."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[dict[str, str]] = []
        self.sent = 0
        self.cut_after: int | None = None
        self.etag = True
        self.delay = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        headers = dict(handler.headers)
        self.requests.append(headers)
        content = self.files.get(handler.path.lstrip("/"))
        if content is None:
            handler.send_error(404)
            return
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start = 0
        if "Range" in headers and headers.get("If-Range", tag) == tag:
            start = int(headers["Range"].removeprefix("bytes=").rstrip("-"))
        if start >= len(content):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(content)}")
            handler.end_headers()
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.etag:
            handler.send_header("ETag", tag)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        body = content[start : self.cut_after]
        self.sent += len(body)  # before the client can have read it and asked
        handler.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    instance = Server()
    thread = threading.Thread(target=instance.httpd.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield instance
    instance.httpd.shutdown()
    instance.httpd.server_close()


@pytest.fixture
def world(server, tmp_path, monkeypatch) -> "World":
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("DNAKIT_MIRROR", raising=False)
    monkeypatch.setenv("DNAKIT_SOURCES", str(tmp_path / "sources.yaml"))
    return World(server, tmp_path)


class World:
    """A data folder, a mirror and a list of one source, ``genome``, that the server serves."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.raw, self.mirror = folder / "data" / "raw", folder / "mirror"
        server.files["genome.fa.gz"] = CONTENT
        self.declare()

    def declare(self, **fields: object) -> None:
        entry = {"title": "a genome", "file": "genome.fa.gz", "url": f"{self.server.url}/genome.fa.gz", **fields}
        text = yaml.safe_dump({"genome": {key: value for key, value in entry.items() if value is not None}})
        (self.folder / "sources.yaml").write_text(text)

    def use_mirror(self, monkeypatch: pytest.MonkeyPatch, content: bytes, name: str = "genome.fa.gz") -> Path:
        path = self.mirror / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        monkeypatch.setenv("DNAKIT_MIRROR", str(self.mirror))
        return path

    def visible(self) -> list[str]:
        """The files in data/raw but for locks."""
        return sorted(path.name for path in self.raw.iterdir() if path.suffix != ".lock")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def refused(name: str | Path = "genome") -> str:
    with pytest.raises(DnakitError) as caught:
        sources.fetch(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- download


@pytest.mark.parametrize("published", [True, False])
def test_a_download_is_the_servers_file_and_happens_once(world, published):
    world.declare(sha256=sha256(CONTENT) if published else None)
    path = sources.fetch("genome")
    assert path == world.raw / "genome.fa.gz"
    assert path.read_bytes() == CONTENT
    assert next(formats.read_fasta(path)).name == "chr1"
    assert sources.fetch("genome") == path
    assert len(world.server.requests) == 1
    assert world.visible() == ["genome.fa.gz", "genome.fa.gz.record.json"]


def test_the_record_says_what_was_got(world):
    path = sources.fetch("genome")
    record = json.loads((world.raw / "genome.fa.gz.record.json").read_text())
    assert record["sha256"] == sources.digest(path) == sha256(CONTENT)
    assert record["bytes"] == len(CONTENT)
    assert record["url"].startswith(world.server.url)


@pytest.mark.parametrize("published", [True, False])
def test_a_broken_download_is_continued_not_repeated(world, published):
    world.declare(sha256=sha256(CONTENT) if published else None)
    world.server.cut_after = len(CONTENT) // 2
    message = refused()
    assert "broke off" in message
    assert not (world.raw / "genome.fa.gz").exists()
    world.server.cut_after = None
    assert sources.fetch("genome").read_bytes() == CONTENT
    assert world.server.requests[1]["Range"] == f"bytes={len(CONTENT) // 2}-"
    assert world.server.sent == len(CONTENT)
    assert world.visible() == ["genome.fa.gz", "genome.fa.gz.record.json"]


def test_a_download_is_not_continued_with_another_version_of_the_file(world):
    world.server.cut_after = len(CONTENT) // 2
    refused()
    world.server.cut_after = None
    world.server.files["genome.fa.gz"] = OTHER
    assert sources.fetch("genome").read_bytes() == OTHER


def test_without_a_version_a_broken_download_starts_anew(world):
    world.server.etag, world.server.cut_after = False, len(CONTENT) // 2
    refused()
    world.server.cut_after = None
    assert sources.fetch("genome").read_bytes() == CONTENT
    assert "Range" not in world.server.requests[1]


@pytest.mark.parametrize("extra", [b"", b"bytes that are too many"])
def test_a_complete_or_overlong_part_ends_in_the_right_file(world, extra):
    world.raw.mkdir(parents=True)
    (world.raw / "genome.fa.gz.part").write_bytes(CONTENT + extra)
    tag = f'"{hashlib.md5(CONTENT).hexdigest()}"'
    (world.raw / "genome.fa.gz.part.version").write_text(tag)
    assert sources.fetch("genome").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing_behind(world):
    world.declare(sha256=sha256(OTHER))
    message = refused()
    assert world.server.url in message
    assert sha256(OTHER)[:12] in message
    assert world.visible() == []


def test_an_unpublished_file_is_pinned_by_its_first_download(world):
    path = sources.fetch("genome")
    path.unlink()
    world.server.files["genome.fa.gz"] = OTHER
    message = refused()
    assert "changed since" in message
    assert not path.exists()
    (world.raw / "genome.fa.gz.record.json").unlink()
    assert sources.fetch("genome").read_bytes() == OTHER


def test_absent_from_the_server(world):
    del world.server.files["genome.fa.gz"]
    message = refused()
    assert "404" in message
    assert f"{world.server.url}/genome.fa.gz" in message
    assert world.visible() == []


def test_offline_names_the_url_the_mirror_and_the_smoke_profile(world):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/genome.fa.gz"
    world.declare(url=url)
    message = refused()
    assert all(part in message for part in (url, "DNAKIT_MIRROR", "--profile smoke"))


def test_a_full_disk_is_one_line(world, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    assert "No space left" in refused()


def test_a_data_folder_that_cannot_be_made_is_one_line(world, monkeypatch):
    (world.folder / "file").write_text("")
    monkeypatch.setenv("DNAKIT_DATA", str(world.folder / "file"))
    assert "cannot be written" in refused()


def test_processes_that_fetch_at_once_download_once(world):
    code = "from dnakit.data import sources; print(sources.digest(sources.fetch('genome')))"
    processes = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert {process.communicate(timeout=60)[0].strip() for process in processes} == {sha256(CONTENT)}
    assert len(world.server.requests) == 1


def test_an_organism_comes_from_its_official_files(world):
    """The worm's: a tar of one FASTA file a chromosome from UCSC, and EPDnew's own BED with rows of 60 bases."""
    rng = np.random.default_rng(7)
    chromosomes = {name: rng.choice(list(b"acgtACGT"), 5_000).astype(np.uint8).tobytes() for name in ("chrI", "chrM")}
    with io.BytesIO() as raw:
        with tarfile.open(fileobj=raw, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:
            for name, letters in chromosomes.items():
                lines = [b">" + name.encode(), *(letters[i : i + 50] for i in range(0, len(letters), 50)), b""]
                member = tarfile.TarInfo(f"{name}.fa")
                member.size = len(b"\n".join(lines))
                tar.addfile(member, io.BytesIO(b"\n".join(lines)))
        world.server.files["chromFa.tar.gz"] = raw.getvalue()
    rows = b"chrI 1951 2011 plus_1 900 + 2000 2011\nchrI 2990 3050 minus_1 900 - 2990 3001\n"
    world.server.files["Ce_EPDnew_001_ce6.bed"] = rows
    official = yaml.safe_load((root() / "data" / "sources.yaml").read_text())
    entries = {name: official[name] for name in ("ce6", "epdnew-worm")}
    for entry in entries.values():
        entry["url"] = f"{world.server.url}/{entry['url'].rsplit('/', 1)[1]}"
    (world.folder / "sources.yaml").write_text(yaml.safe_dump(entries))
    read = {record.name: record.sequence for record in formats.read_fasta(sources.fetch("ce6"))}
    assert read == {name: letters.upper() for name, letters in chromosomes.items()}
    plus, minus = formats.read_bed(sources.fetch("epdnew-worm"))
    assert (plus.chrom, plus.strand, plus.thick_start) == ("chrI", "+", 2000)
    assert (minus.chrom, minus.strand, minus.thick_end) == ("chrI", "-", 3001)
    assert len(world.server.requests) == 2
    assert not [path for path in world.raw.iterdir() if path.suffix == ".fa"]


# ---- what is already there


def test_a_file_changed_after_the_download_is_noticed(world):
    path = sources.fetch("genome")
    path.write_bytes(OTHER)
    assert "damaged or another version" in refused()
    path.write_bytes(CONTENT)
    assert sources.fetch("genome") == path


@pytest.mark.parametrize("content", [CONTENT, OTHER])
def test_a_file_put_into_raw_by_hand_is_verified(world, content):
    world.declare(sha256=sha256(CONTENT))
    world.raw.mkdir(parents=True)
    (world.raw / "genome.fa.gz").write_bytes(content)
    if content == CONTENT:
        assert sources.fetch("genome").read_bytes() == CONTENT
    else:
        assert str(world.raw / "genome.fa.gz") in refused()
    assert not world.server.requests


# ---- the mirror


@pytest.mark.parametrize("name", ["genome.fa.gz", "genomes/renamed.fa.gz"])
def test_the_mirror_is_used_in_place_of_a_download(world, monkeypatch, name):
    world.declare(sha256=sha256(CONTENT), mirror=name)
    path = world.use_mirror(monkeypatch, CONTENT, name)
    assert sources.fetch("genome") == path.resolve()
    assert not world.server.requests
    assert not world.raw.exists()


def test_the_mirror_may_lie_in_the_data_folder(world):
    path = world.folder / "data" / "mirror" / "genome.fa.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert sources.fetch("genome") == path


def test_raw_goes_before_the_mirror_and_the_mirror_before_the_network(world, monkeypatch):
    downloaded = sources.fetch("genome")
    world.use_mirror(monkeypatch, OTHER)
    assert sources.fetch("genome") == downloaded
    downloaded.unlink()
    assert sources.fetch("genome").read_bytes() == OTHER
    assert len(world.server.requests) == 1


def test_a_file_the_mirror_lacks_is_downloaded(world, monkeypatch):
    world.use_mirror(monkeypatch, OTHER, "something-else.fa.gz")
    assert sources.fetch("genome").read_bytes() == CONTENT


def test_a_corrupt_mirror_file_is_named(world, monkeypatch):
    world.declare(sha256=sha256(CONTENT))
    path = world.use_mirror(monkeypatch, CONTENT[:-100])
    message = refused()
    assert str(path) in message
    assert "copy it to the mirror again" in message
    assert not world.server.requests


def test_a_mirror_that_is_no_folder_is_named(world, monkeypatch):
    monkeypatch.setenv("DNAKIT_MIRROR", str(world.folder / "absent"))
    assert "DNAKIT_MIRROR" in refused()


def test_folders_in_the_environment_may_be_empty_or_begin_with_a_tilde(world, monkeypatch):
    world.use_mirror(monkeypatch, OTHER)
    monkeypatch.setenv("HOME", str(world.folder))
    monkeypatch.setenv("DNAKIT_MIRROR", f"~/{world.mirror.name}")
    monkeypatch.setenv("DNAKIT_SOURCES", "~/sources.yaml")
    assert sources.fetch("genome").read_bytes() == OTHER
    monkeypatch.setenv("DNAKIT_MIRROR", "")
    assert sources.fetch("genome").read_bytes() == CONTENT
    monkeypatch.setenv("DNAKIT_SOURCES", "")
    assert "hg38" in sources.registry()


def test_a_source_of_the_mirror_alone_names_the_official_one(world):
    world.declare(url=None, mirror="genomes/genome.fa.gz", instead="hg38")
    message = refused()
    assert all(part in message for part in ("DNAKIT_MIRROR", "genomes/genome.fa.gz", "'hg38'", "--profile smoke"))


# ---- names, and the user's own files


def test_an_own_file_is_returned_and_described(world):
    path = world.folder / "mine.fa"
    formats.write_fasta(path, [Record("a", "", b"ACGT")])
    for name in (path, str(path)):
        assert sources.fetch(name) == path
        source = sources.describe(name)
        assert source.title == "sequences of mine.fa"
        assert not source.simulated


def test_an_unknown_name_gets_a_suggestion(world):
    message = refused("genme")
    assert "did you mean 'genome'?" in message
    assert f"its path counts from {Path.cwd()}" in message
    assert "folder" in refused(world.folder)


@pytest.mark.parametrize(
    "text",
    [
        "genome: [1, 2]",
        "a: {title: x",
        "genome: {title: x, file: y}",
        "just text",
        "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1",
        "genome: text",
        "1: [2]",
        "genome:\n\ttitle: x",
        "genome: {title: x, file: y, url: 'ftp://z'}",
        "genome: {title: x, file: ../y, url: 'http://z'}",
        "genome: {title: x, file: y, url: 'http://z', colour: red}",
        "genome: {title: x, file: y, world: atlantis}",
        "",
    ],
)
def test_a_broken_list_is_one_line(world, text):
    (world.folder / "sources.yaml").write_text(text)
    message = refused()
    assert "sources.yaml" in message
    assert len(message) < 400


def test_a_list_that_is_no_list_is_told_in_our_words(world):
    path = world.folder / "sources.yaml"
    for content, message in (
        (b"root:x:0", "it has to hold names"),
        (b"genome:\n\ttitle: x", "not YAML: mend line 2"),
        ("gen\xe4: {}".encode("latin-1"), "save it as UTF-8"),
    ):
        path.write_bytes(content)
        assert message in refused()


def test_an_absent_list_is_one_line(world):
    (world.folder / "sources.yaml").unlink()
    assert "sources.yaml" in refused()


# ---- simulated sources, and the project's own list


@pytest.fixture
def own_list(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("DNAKIT_SOURCES", raising=False)
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "data"))


def test_simulated_sources_are_made_once_and_the_same_again(own_list, tmp_path, monkeypatch):
    path = sources.fetch("simulated-mitochondria")
    made = path.stat().st_mtime_ns
    assert sources.fetch("simulated-mitochondria") == path
    genbank = sources.fetch("simulated-mitochondria-genbank")
    assert genbank.parent == path.parent
    assert path.stat().st_mtime_ns == made
    assert sorted(child.name for child in path.parent.iterdir()) == ["digests.json", path.name, genbank.name]
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "elsewhere"))
    assert sources.digest(sources.fetch("simulated-mitochondria")) == sources.digest(path)
    assert sources.describe("simulated-mitochondria").simulated


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def changed_in_place(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def without_digests(path):
    cut(path)
    (path.parent / "digests.json").write_text('["mitoch')


@pytest.mark.parametrize("damage", [Path.unlink, cut, changed_in_place, without_digests])
def test_damaged_simulated_data_are_made_again(own_list, damage):
    path = sources.fetch("simulated-mitochondria")
    whole = path.read_bytes()
    damage(path)
    assert sources.fetch("simulated-mitochondria").read_bytes() == whole


def test_every_source_can_be_had_somewhere_under_a_file_name_of_its_own(own_list):
    known = sources.registry()
    files = [source.file for source in known.values()]
    assert len(set(files)) == len(files)
    for source in known.values():
        assert source.url or source.world or known[str(source.instead)].url
        assert not source.mirror or source.sha256


def test_the_official_sources_of_the_thesis_are_listed(own_list):
    known = sources.registry()
    promoters = {name: source for name, source in known.items() if name.startswith("epdnew-") and source.url}
    assert len(promoters) == 9
    assert all(source.assembly in known for source in promoters.values())
    assert known["hg38"].bytes == 983_659_424
    assert {
        "refseq-mitochondrion",
        "refseq-mitochondrion-genbank",
        "mitofish",
        "mitohelper-sequences",
        "deepsea",
    } <= set(known)


@pytest.mark.parametrize(
    ("first", "second"),
    [("simulated-mitochondria", "simulated-nuclear-a"), ("simulated-nuclear-a", "simulated-nuclear-a-promoters")],
)
def test_worlds_have_a_folder_each_that_all_their_files_share(own_list, first, second):
    worlds = [sources.describe(name).world for name in (first, second)]
    folders = [sources.fetch(name).parent for name in (first, second)]
    assert (folders[0] == folders[1]) == (worlds[0] == worlds[1])


SIMULATORS = sorted((PACKAGE / "data" / "simulate").glob("[a-z]*.py"))


@pytest.mark.parametrize("simulator", SIMULATORS, ids=lambda path: path.stem)
def test_a_world_is_made_anew_where_any_code_changed_that_it_is_made_by(own_list, monkeypatch, simulator):
    source = next(source for source in sources.registry().values() if source.world == simulator.stem)

    def folder_with(changed):
        sources._code.cache_clear()
        with monkeypatch.context() as patch:
            patch.setattr(sources, "digest", lambda path: "changed" if path == changed else f"digest of {path}")
            return sources._world_folder(source)

    made_by = [path for path in imported({simulator}) if (PACKAGE / "data") in path.parents]
    assert len({folder_with(path) for path in (None, *made_by)}) == 1 + len(made_by)
    sources._code.cache_clear()


@pytest.mark.skipif("DNAKIT_MIRROR" not in os.environ, reason="needs the real files: DNAKIT_MIRROR is not set")
def test_every_listed_file_of_the_mirror_is_there_and_what_the_list_says(own_list):
    readers = {".fa": formats.read_fasta, ".bed": formats.read_bed}
    for name, source in sources.registry().items():
        if source.mirror:
            path = sources.fetch(name)
            assert path == (Path(os.environ["DNAKIT_MIRROR"]) / source.mirror).resolve()
            assert path.stat().st_size == source.bytes
            reader = readers.get(Path(source.file.removesuffix(path.suffix)).suffix)
            if reader and name != "human-peaks":  # its sixth column is a summit, not a strand
                assert next(iter(reader(path)))


def test_the_list_is_read_from_the_checkout(own_list):
    assert set(yaml.safe_load((root() / "data" / "sources.yaml").read_text())) == set(sources.registry())
