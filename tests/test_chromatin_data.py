"""A user's own data and DeepSEA's archive, from file to label: an outside recount, a server that breaks off, memory."""

import gzip
import io
import os
import tarfile
import threading
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score
from test_sources import Server

from dnakit.chapters.chapter import open_chapter
from dnakit.chapters.chromatin import profiles
from dnakit.chapters.chromatin.organisms import ORGANISMS, organism, own
from dnakit.data import deepsea, sources
from dnakit.data.deepsea import FEATURES, LENGTH, Rows
from dnakit.data.simulate import chromatin
from dnakit.notebooks.parameters import settings
from dnakit.project import DnakitError

MIRROR = os.environ.get("DNAKIT_MIRROR")
real = pytest.mark.skipif(not MIRROR, reason="needs the real peaks: DNAKIT_MIRROR is not set")


# ---- a user's own genome and folder of peaks, recounted


def read_genome(path):
    """Letters by name, as plain Python reads FASTA."""
    found = {}
    with gzip.open(path, "rt") as handle:
        for line in handle:
            if line.startswith(">"):
                name = line[1:].split()[0]
                found[name] = []
            else:
                found[name].append(line.strip())
    return {name: "".join(lines) for name, lines in found.items()}


def recount(pieces, peaks, unlabelled):
    """Labels by chromosome and start of the bin: base by base, from the pieces' own letters."""
    found = {}
    for chromosome, first, length in pieces:
        bins = np.arange(-(-(first + 400) // 200) * 200, first + length - 600 + 1, 200)
        labels = np.zeros((len(bins), len(unlabelled)), np.int8)
        for column, feature in enumerate(unlabelled):
            covered = np.zeros(length, bool)
            for start, end in peaks.get((feature, chromosome), []):
                covered[max(0, start - first) : max(0, end - first)] = True
            for row, start in enumerate(bins):
                labels[row, column] = covered[start - first : start - first + 200].sum() > 100
            if chromosome in unlabelled[feature]:
                labels[:, column] = -1
        found |= {(chromosome, int(start)): row for start, row in zip(bins, labels, strict=True) if 1 in row}
    return found


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory):
    """Two pieces of the real genome, a folder with a file of real peaks for each feature, and the recounted labels."""
    folder = tmp_path_factory.mktemp("laboratory")
    (folder / "peaks").mkdir()
    whole = read_genome(Path(MIRROR) / "genomes" / "hg38_chr17_1-7843138.fa.gz")
    ten = read_genome(Path(MIRROR) / "genomes" / "hg38_chr10_87000001-91000000.fa.gz")
    letters = {"chr17:1500001-2700000": next(iter(whole.values()))[1_500_000:2_700_000]}
    letters["chr10:87600101-88800050"] = next(iter(ten.values()))[600_100:1_800_050]
    for name, sequence in letters.items():
        (folder / f"{name.split(':')[0]}.fa").write_text(f">{name}\n{sequence}\n")
    peaks = {}
    with gzip.open(Path(MIRROR) / "chromatin" / "human_peaks_hg38_slices.bed.gz", "rt") as handle:
        for line in handle:
            chromosome, start, end, feature = line.rstrip("\n").split("\t")[:4]
            peaks.setdefault((feature, chromosome), []).append((int(start), int(end)))
    table = pd.read_csv(Path(MIRROR) / "chromatin" / "human_features.tsv", sep="\t", keep_default_na=False)
    for (feature, chromosome), intervals in peaks.items():
        with open(folder / "peaks" / f"{feature}.bed", "a") as handle:
            handle.writelines(f"{chromosome}\t{start}\t{end}\n" for start, end in intervals)
    unlabelled = {row.feature: row.unlabelled.split(",") for row in table.itertuples()}
    pieces = [("chr17", 1_500_000, 1_200_000), ("chr10", 87_600_100, 1_199_950)]
    return folder, recount(pieces, peaks, unlabelled), list(unlabelled), letters


@real
@pytest.mark.slow
def test_labels_of_a_users_own_files_are_those_of_an_outside_recount(laboratory, tmp_path, monkeypatch):
    folder, expected, features, letters = laboratory
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path))
    table = str(Path(MIRROR) / "chromatin" / "human_features.tsv")
    genome = [str(folder / "chr17.fa"), str(folder / "chr10.fa")]
    found = profiles.prepare(own(genome, str(folder / "peaks"), table, ["chr10"], ["chr17"]), 1_000)
    assert [each.name for each in found.features] == features
    places = list(zip(found.chromosomes.tolist(), found.starts.tolist(), strict=True))
    assert len(set(places)) == len(places) > 1_000
    assert set(places) == set(expected)
    assert all(np.array_equal(row, expected[place]) for row, place in zip(found.labels, places, strict=True))
    begins = {name.split(":")[0]: (int(name.split(":")[1].split("-")[0]) - 1, text) for name, text in letters.items()}
    rows = np.arange(0, len(found), 97)
    for row, window in zip(rows, found.sequences(rows), strict=True):
        first, text = begins[found.chromosomes[row]]
        at = found.starts[row] - 400 - first
        assert window.decode() == text[at : at + 1_000].upper()


@real
@pytest.mark.slow
def test_areas_of_a_users_own_files_follow_from_the_kept_predictions(laboratory, tmp_path, monkeypatch):
    folder, expected, features, _ = laboratory
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path))
    changes = {"genome": [str(folder / "chr17.fa"), str(folder / "chr10.fa")], "peaks": str(folder / "peaks")}
    changes |= {"features": str(Path(MIRROR) / "chromatin" / "human_features.tsv"), "wide_windows": []}
    changes |= {"validation_chromosomes": ["chr10"], "test_chromosomes": ["chr17"]}
    chapter = open_chapter("05_chromatin", settings("05_chromatin", "smoke", changes))
    outcome = chapter.runs["simple-random"].compute(tmp_path)
    table = pd.read_csv(tmp_path / "features.csv").query("method == 'GC content'")
    with np.load(tmp_path / "predictions.npz") as kept:
        places = list(zip(kept["chromosome"].tolist(), kept["start"].tolist(), strict=True))
        labels, predicted = kept["labels"], kept["GC content"]
        assert kept["features"].tolist() == features
    assert np.array_equal(labels, [expected[place] for place in places])
    for column, row in enumerate(table.itertuples()):
        known = labels[:, column] >= 0
        truth = labels[known, column] == 1
        assert row.positives == truth.sum()
        if 0 < truth.sum() < len(truth):
            assert row.auroc == pytest.approx(roc_auc_score(truth, predicted[known, column]), abs=1e-5)
    assert outcome.record["simulated"] is False


# ---- DeepSEA's archive from a server


@pytest.fixture
def bundle():
    """DeepSEA's archive with a few rows in the true formats, and the rows of its training part."""
    genome = np.random.default_rng(0).integers(4, size=30_000).astype(np.uint8)
    codes = genome[np.arange(0, 8_000, 200)[:, None] + np.arange(LENGTH)]
    labels = (np.random.default_rng(1).random((len(codes), FEATURES)) < 0.3).astype(np.int8)
    rows = {part: Rows(codes[:count], labels[:count]) for part, count in (("train", 40), ("valid", 5), ("test", 6))}
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for part, each in rows.items():
            data = chromatin._hdf5(each) if part == "train" else chromatin._matlab(part, each)
            member = tarfile.TarInfo(f"deepsea_train/{part}.mat")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return content.getvalue(), rows


def test_deepseas_archive_is_continued_pinned_and_read(bundle, tmp_path, monkeypatch):
    content, rows = bundle
    server = Server()
    threading.Thread(target=server.httpd.serve_forever, args=(0.01,), daemon=True).start()
    entry = dict(yaml.safe_load((Path(sources.root()) / "data" / "sources.yaml").read_text())["deepsea"])
    entry["url"] = f"{server.url}/{entry['file']}"
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump({"deepsea": entry}))
    monkeypatch.setenv("DNAKIT_SOURCES", str(tmp_path / "sources.yaml"))
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("DNAKIT_MIRROR", raising=False)
    server.files[entry["file"]], server.cut_after = content, len(content) // 3
    with pytest.raises(DnakitError, match="broke off"):
        profiles.prepare(organism("deepsea"), LENGTH)
    server.cut_after = None
    found = profiles.prepare(organism("deepsea"), LENGTH, rows=30)
    assert server.sent == len(content), "no byte is sent twice"
    assert np.array_equal(found.labels[:30], rows["train"].labels[:30])
    assert list(found.chromosomes[30:]) == ["valid"] * 5 + ["test"] * 6
    (tmp_path / "data" / "raw" / entry["file"]).unlink()
    server.files[entry["file"]] = content[:-1] + b"x"
    with pytest.raises(DnakitError, match="changed since"):
        sources.fetch("deepsea")
    server.httpd.shutdown()
    server.httpd.server_close()


# ---- memory


def write_training_file(path, rows):
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        inputs = file.create_dataset("trainxdata", (LENGTH, 4, rows), np.uint8, chunks=(LENGTH, 4, 64), compression=1)
        labels = file.create_dataset("traindata", (FEATURES, rows), np.uint8, chunks=(FEATURES, 64), compression=1)
        for start in range(0, rows, 256):
            stop = min(rows, start + 256)
            bases = rng.integers(4, size=(LENGTH, stop - start))
            inputs[:, :, start:stop] = (bases[:, None] == np.arange(4)[:, None]).astype(np.uint8)
            labels[:, start:stop] = rng.random((FEATURES, stop - start)) < 0.02


@pytest.mark.slow
def test_memory_does_not_grow_with_deepseas_rows(tmp_path, monkeypatch):
    """Rows are read, decoded and written in slices; four times the rows need no more memory."""
    monkeypatch.setattr(deepsea, "SLICE", 128)
    small = Rows(np.zeros((1, LENGTH), np.uint8), np.ones((1, FEATURES), np.int8))
    peak = {}
    for rows in (512, 2_048):
        folder = tmp_path / str(rows)
        folder.mkdir()
        write_training_file(folder / "train.mat", rows)
        for part in ("valid", "test"):
            (folder / f"{part}.mat").write_bytes(chromatin._matlab(part, small))
        monkeypatch.setattr(deepsea, "unpacked", lambda _, folder=folder: folder)
        monkeypatch.setattr(type(ORGANISMS["deepsea"]), "paths", lambda self: ([], Path(), None))
        tracemalloc.start()
        features, batches = profiles._of_deepsea(ORGANISMS["deepsea"], LENGTH, 0)
        assert profiles._write(folder, len(features), batches).sum() > rows
        peak[rows] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak[2_048] < 1.2 * peak[512]


def test_a_folder_of_peaks_counts_from_where_the_user_is(tmp_path, monkeypatch):
    (tmp_path / "mine" / "peaks").mkdir(parents=True)
    (tmp_path / "mine" / "peaks" / "CTCF.bed").write_text("chr1\t5\t20\n")
    (tmp_path / "mine" / "genome.fa").write_text(">chr1\nACGT\n")
    monkeypatch.setenv("DNAKIT_FROM", str(tmp_path / "mine"))  # as the kernel of a notebook has it
    for name in ("peaks", "./peaks"):
        assert own(["genome.fa"], name, "", [], []).paths()[1] == tmp_path / "mine" / "peaks"
