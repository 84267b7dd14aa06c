"""DeepSEA's files: what is written in their format is read as it was, whole, in slices and from an archive."""

import errno
import os
import shutil
import struct
import tarfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from dnakit.data import bases, deepsea
from dnakit.data.deepsea import FEATURES, KINDS, LENGTH, Rows
from dnakit.data.matlab import read_arrays
from dnakit.data.simulate import chromatin
from dnakit.project import DnakitError

MIRROR = os.environ.get("DNAKIT_MIRROR")
real = pytest.mark.skipif(not MIRROR, reason="needs the real rows: DNAKIT_MIRROR is not set")


def random_rows(count, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(5, size=(count, LENGTH)).astype(np.uint8)
    return Rows(codes, rng.integers(2, size=(count, FEATURES)).astype(np.int8))


@pytest.fixture
def files(tmp_path):
    """A folder with small files in the true formats, and the rows that they hold."""
    rows = {part: random_rows(7 + number, number) for number, part in enumerate(deepsea.PARTS)}
    for part, each in rows.items():
        content = chromatin._hdf5(each) if part == "train" else chromatin._matlab(part, each)
        (tmp_path / f"{part}.mat").write_bytes(content)
    return tmp_path, rows


def test_channels_are_a_g_c_t_and_none_is_unknown():
    one_hot = np.zeros((1, 4, 5), np.uint8)
    one_hot[0, [0, 1, 2, 3], [0, 1, 2, 3]] = 1
    assert bases.letters(deepsea.decoded(one_hot)[0]) == b"AGCTN"


def test_decoding_undoes_encoding():
    codes = random_rows(3).codes
    assert np.array_equal(deepsea.decoded(deepsea.encoded(codes)), codes)


def test_two_channels_at_one_base_are_refused():
    with pytest.raises(DnakitError, match="not one-hot"):
        deepsea.decoded(np.ones((1, 4, 5), np.uint8))


@pytest.mark.parametrize("part", deepsea.PARTS)
def test_files_in_the_true_format_are_read_as_they_were_written(files, part, monkeypatch):
    folder, rows = files
    monkeypatch.setattr(deepsea, "SLICE", 3)
    found = list(deepsea.read_rows(folder, part))
    assert all(len(each.codes) <= 3 for each in found)
    assert np.array_equal(np.concatenate([each.codes for each in found]), rows[part].codes)
    assert np.array_equal(np.concatenate([each.labels for each in found]), rows[part].labels)


def test_the_first_rows_are_the_first(files, monkeypatch):
    folder, rows = files
    monkeypatch.setattr(deepsea, "SLICE", 3)
    found = np.concatenate([each.labels for each in deepsea.read_rows(folder, "train", 5)])
    assert np.array_equal(found, rows["train"].labels[:5])


def test_shifts_tell_how_far_rows_lie_apart():
    genome = np.random.default_rng(3).integers(4, size=6_000).astype(np.uint8)
    places = np.array([0, 200, 800, 1_600, 2_600, 4_800, 5_000])
    rows = genome[places[:, None] + np.arange(LENGTH)]
    assert deepsea.shifts(rows).tolist() == [200, 600, 800, 0, 0, 200]


def test_the_archive_is_unpacked_once_into_its_own_folder(files, tmp_path, monkeypatch):
    folder, rows = files
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "data"))
    archive = tmp_path / "bundle.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for part in deepsea.PARTS:
            tar.add(folder / f"{part}.mat", f"../../deepsea_train/{part}.mat")
    unpacked = deepsea.unpacked(archive)
    assert sorted(path.name for path in unpacked.iterdir()) == ["test.mat", "train.mat", "valid.mat"]
    assert np.array_equal(next(deepsea.read_rows(unpacked, "test")).labels, rows["test"].labels)
    changed = (unpacked / "test.mat").stat().st_mtime_ns
    assert deepsea.unpacked(archive) == unpacked
    assert (unpacked / "test.mat").stat().st_mtime_ns == changed


def test_a_disk_that_is_full_is_not_told_of_the_archive(files, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "data"))
    with tarfile.open(tmp_path / "bundle.tar", "w") as tar:
        tar.add(files[0] / "train.mat", "train.mat")
    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(DnakitError, match=r"data/cache/deepsea/\w+: cannot be written: No space left"):
        deepsea.unpacked(tmp_path / "bundle.tar")


def test_an_archive_that_lacks_a_file_leaves_nothing(files, tmp_path, monkeypatch):
    folder, _ = files
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "data"))
    with tarfile.open(tmp_path / "bundle.tar", "w") as tar:
        tar.add(folder / "train.mat", "train.mat")
    with pytest.raises(DnakitError, match=r"holds no valid\.mat"):
        deepsea.unpacked(tmp_path / "bundle.tar")
    assert not list((tmp_path / "data").rglob("*.mat"))


@pytest.mark.parametrize("part", deepsea.PARTS)
def test_a_damaged_file_is_one_line(tmp_path, part):
    (tmp_path / f"{part}.mat").write_bytes(b"no file of Matlab" * 20)
    with pytest.raises(DnakitError, match="damaged or no file of DeepSEA"):
        list(deepsea.read_rows(tmp_path, part))


def test_other_shapes_are_refused(tmp_path):
    from scipy.io import savemat

    savemat(tmp_path / "test.mat", {"testxdata": np.zeros((3, 1000, 4), np.uint8), "testdata": np.zeros((3, 919))})
    with pytest.raises(DnakitError, match="are not DeepSEA's"):
        list(deepsea.read_rows(tmp_path, "test"))


def test_a_table_gives_the_middle_of_its_sequences(tmp_path):
    labels = ",".join("01"[number % 2] for number in range(FEATURES))
    (tmp_path / "rows.csv").write_text(f"{'C' * 10}{'ACGT' * 250}{'C' * 10},{labels}\n")
    rows = deepsea.read_table(tmp_path / "rows.csv")
    assert bases.letters(rows.codes[0]) == b"ACGT" * 250
    assert rows.labels[0, :4].tolist() == [0, 1, 0, 1]


def test_a_table_with_other_columns_is_one_line(tmp_path):
    (tmp_path / "rows.csv").write_text(f"{'ACGT' * 250},0,1\n")
    with pytest.raises(DnakitError, match="line 1 is no sequence"):
        deepsea.read_table(tmp_path / "rows.csv")


@real
def test_the_hundred_real_rows():
    """Their sequences and labels against a reader of other make, and through DeepSEA's own format."""
    path = Path(MIRROR) / "chromatin" / "deepsea_100rows_8kb.csv.gz"
    rows, table = deepsea.read_table(path), pd.read_csv(path, header=None)
    assert rows.codes.shape == (100, 1000)
    assert [bases.letters(codes).decode() for codes in rows.codes] == table[0].str[3500:4500].tolist()
    assert np.array_equal(rows.labels, table.iloc[:, 1:].to_numpy())
    assert np.array_equal(deepsea.decoded(deepsea.encoded(rows.codes)), rows.codes)


@real
def test_the_columns_of_each_kind_are_deepseas():
    table = pd.read_csv(Path(MIRROR) / "chromatin" / "deepsea_features_and_published_aucs.tsv", sep="\t")
    kinds = table.iloc[:, 1]
    assert set(kinds[KINDS["DNase"]]) == {"DNase"}
    assert not (kinds[KINDS["TF"]] == "DNase").any()
    assert kinds[KINDS["histone"]].str.match(r"H\d").all()
    assert sum(columns.stop - columns.start for columns in KINDS.values()) == len(table) == FEATURES


# ---- what a file must not do to its reader


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("kind", ["u1", "f8", "i4", "i2", "?"])
def test_an_array_of_matlab_is_read_as_scipy_wrote_it(tmp_path, kind, compressed):
    from scipy.io import savemat

    path = tmp_path / "a.mat"
    values = np.random.default_rng(0).integers(2, size=(3, 4, 5)).astype(kind)
    arrays = {"xdata": values, "text": "x", "one": values[:1, 0, 0], "nothing": values[:0], "complex": values * 1j}
    savemat(path, arrays, do_compression=compressed)
    found = read_arrays(path, arrays)
    assert sorted(found) == ["nothing", "one", "xdata"]
    assert np.array_equal(found["xdata"], values)
    assert found["one"].ravel().tolist() == values[:1, 0, 0].tolist()


def test_a_small_file_of_matlab_that_unpacks_to_much_is_refused_by_size(tmp_path):
    """A gigabyte of zeros where ten rows should be, and a file that says so of itself."""
    from scipy.io import savemat

    path = tmp_path / "valid.mat"
    savemat(path, {"validxdata": np.zeros((10, 4, 1000), np.uint8), "validdata": np.zeros((10, 919), np.uint8)})
    whole = bytearray(path.read_bytes())
    at = whole.index(struct.pack("<II", 2, 40_000))  # the tag of the numbers
    whole[at : at + 8] = struct.pack("<II", 2, 10**9)
    packed = zlib.compressobj()
    blocks = [packed.compress(bytes(each)) for each in (whole[128 : at + 8], *[bytes(10**6)] * 1000)] + [packed.flush()]
    bomb = b"".join(blocks)
    path.write_bytes(whole[:128] + struct.pack("<II", 15, len(bomb)) + bomb)
    with pytest.raises(DnakitError, match="an element says that it has 1,000,000,000 bytes"):
        next(deepsea.read_rows(tmp_path, "valid"))


def changed_hdf5(path, change):
    with h5py.File(path, "r+") as file:
        del file["traindata"]
        change(file)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.__setitem__("traindata", h5py.ExternalLink("other.mat", "/traindata")), "of its own"),
        (lambda file: file.__setitem__("traindata", h5py.SoftLink("/trainxdata")), "of its own"),
        (lambda file: file.create_dataset("traindata", (919, 7), "u1", external=[("a", 0, 6433)]), "of its own"),
        (lambda file: file.create_dataset("traindata", data=np.full((919, 7), 2, "u1")), "labels other than 0 and 1"),
        (lambda file: file.create_dataset("traindata", data=np.full((919, 7), np.nan)), "labels other than 0 and 1"),
        (lambda file: file.create_dataset("traindata", data=np.full((919, 7), b"1")), "no numbers"),
        (lambda file: file.create_dataset("traindata", (919, 8), "u1"), "not DeepSEA's"),
        (lambda file: file.create_dataset("traindata", (919, 10**9), "u1", chunks=(919, 10**6)), "too large"),
    ],
)
def test_data_that_lie_elsewhere_or_are_no_labels_are_refused(files, change, message):
    folder, _ = files
    changed_hdf5(folder / "train.mat", change)
    with pytest.raises(DnakitError, match=message):
        list(deepsea.read_rows(folder, "train"))


def test_more_rows_than_a_file_can_hold_are_refused_by_size(tmp_path):
    with h5py.File(tmp_path / "train.mat", "w") as file:
        file.create_dataset("trainxdata", (1000, 4, 10**12), "u1", chunks=(1000, 4, 100))
        file.create_dataset("traindata", (919, 10**12), "u1", chunks=(919, 100))
    with pytest.raises(DnakitError, match="1,000,000,000,000 rows, too many for its size"):
        next(deepsea.read_rows(tmp_path, "train"))


def test_links_and_holes_of_an_archive_are_not_taken_for_its_files(files, tmp_path, monkeypatch):
    folder, _ = files
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "data"))
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE):
        with tarfile.open(tmp_path / "bundle.tar", "w") as tar:
            for part in ("train", "valid"):
                tar.add(folder / f"{part}.mat", f"/tmp/../{part}.mat")
            link = tarfile.TarInfo("test.mat")
            link.type, link.linkname = kind, str(folder / "test.mat")
            tar.addfile(link)
        with pytest.raises(DnakitError, match=r"bundle\.tar"):
            deepsea.unpacked(tmp_path / "bundle.tar")
        assert not list((tmp_path / "data").rglob("*.mat"))


def test_a_table_may_be_in_lower_case_and_holds_letters_of_dna_only(tmp_path):
    labels = ",".join("0" * FEATURES)
    (tmp_path / "rows.csv").write_text(f"{'acgu' * 250},{labels}\n")
    assert bases.letters(deepsea.read_table(tmp_path / "rows.csv").codes[0]) == b"ACGT" * 250
    (tmp_path / "rows.csv").write_text(f"{'ACGé' * 250},{labels}\n")
    with pytest.raises(DnakitError, match="line 1 holds 'é', which is no nucleotide"):
        deepsea.read_table(tmp_path / "rows.csv")
