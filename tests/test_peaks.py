"""Bins and their labels against counting base by base, and what a user's own peaks may be like."""

import bz2
import gzip
import lzma
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnakit.data import peaks
from dnakit.data.peaks import BIN, Feature, Piece
from dnakit.project import DnakitError

MIRROR = os.environ.get("DNAKIT_MIRROR")
real = pytest.mark.skipif(not MIRROR, reason="needs the real peaks: DNAKIT_MIRROR is not set")
INTERVALS = st.lists(
    st.tuples(st.integers(0, 2_500), st.integers(2, 500)).map(lambda pair: (pair[0], sum(pair))), max_size=8
)


def read(tmp_path, text, name="my.bed"):
    (tmp_path / name).write_text(text)
    return peaks.read_peaks(tmp_path / name)


# ---- bins


@settings(max_examples=50)
@given(INTERVALS, st.integers(0, 3))
def test_a_bin_is_positive_where_more_than_half_of_its_bases_lie_in_peaks(intervals, first):
    count = 10
    inside = np.zeros(4_000, bool)
    for start, end in intervals:
        inside[start:end] = True
    bins = inside[first * BIN : (first + count) * BIN].reshape(count, BIN).sum(1)
    found = peaks.positive(peaks.merged(intervals), first, count)
    assert found.tolist() == np.flatnonzero(bins > BIN / 2).tolist()


@given(INTERVALS)
def test_merged_intervals_cover_the_same_bases_and_do_not_overlap(intervals):
    found = peaks.merged(intervals)
    assert {base for pair in intervals for base in range(*pair)} == {base for pair in found for base in range(*pair)}
    assert (found[1:, 0] >= found[:-1, 1]).all()


def test_exactly_half_is_not_more_than_half():
    assert peaks.positive(np.array([[200, 300]]), 0, 3).tolist() == []
    assert peaks.positive(np.array([[200, 301]]), 0, 3).tolist() == [1]


def test_a_peak_of_one_base_labels_the_bin_it_lies_in():
    assert peaks.positive(np.array([[399, 400], [400, 401]]), 0, 4).tolist() == [1, 2]


def test_a_piece_is_labelled_like_the_chromosome_it_is_cut_from():
    sequence = np.random.default_rng(0).choice(list(b"ACGT"), 10_000).astype(np.uint8).tobytes()
    on = {"a": {"chr1": peaks.merged([(1_100, 1_350), (4_000, 5_000), (8_900, 9_000)])}}
    features = [Feature("a", "TF")]
    whole, piece = Piece("chr1", 0, sequence), Piece("chr1", 3_330, sequence[3_330:7_770])
    of_whole, of_piece = (peaks.label(each, features, on, 400) for each in (whole, piece))
    inside = (of_whole.starts >= 3_330 + 400) & (of_whole.starts <= 7_770 - 600)
    assert of_piece.starts.tolist() == of_whole.starts[inside].tolist()
    assert peaks.windows(piece, of_piece.starts, 400) == peaks.windows(whole, of_whole.starts[inside], 400)
    assert {len(window) for window in peaks.windows(whole, of_whole.starts, 400)} == {1_000}


def test_an_unlabelled_feature_is_neither_positive_nor_negative():
    on = {name: {"chr1": np.array([[1_000, 1_200]]), "chr2": np.array([[2_000, 2_200]])} for name in "ab"}
    features = [Feature("a", "TF"), Feature("b", "TF", ("chr1",))]
    first, second = (peaks.label(Piece(name, 0, b"A" * 4_000), features, on, 400) for name in ("chr1", "chr2"))
    assert first.labels.tolist() == [[1, peaks.UNLABELLED]]
    assert second.labels.tolist() == [[1, 1]]


def test_bins_without_a_positive_feature_are_left_out():
    on = {"a": {"chr1": np.array([[1_000, 1_400]])}}
    assert peaks.label(Piece("chr1", 0, b"A" * 4_000), [Feature("a", "TF")], on, 400).starts.tolist() == [1_000, 1_200]
    assert not len(peaks.label(Piece("chr2", 0, b"A" * 4_000), [Feature("a", "TF")], on, 400).starts)


# ---- a user's own files


def test_comments_and_track_lines_are_passed_over_and_overlaps_merged(tmp_path):
    text = "track name=x\n#no\nbrowser position\nchr1\t5\t20\tCTCF\nchr1\t10\t30\tCTCF\nchr2 7 9 CTCF\n"
    found = read(tmp_path, text)
    assert found["CTCF"]["chr1"].tolist() == [[5, 30]]
    assert found["CTCF"]["chr2"].tolist() == [[7, 9]]


def test_a_folder_has_a_file_a_feature(tmp_path):
    (tmp_path / "K562.CTCF.narrowPeak").write_text("chr1\t5\t20\t.\t900\t.\t3.1\t-1\t-1\t7\n")
    with gzip.open(tmp_path / "yeast.bed.gz", "wt") as handle:
        handle.write("chr1\t5\t20\tpeak_1\n")
    (tmp_path / "notes.txt").write_text("no peaks")
    assert list(peaks.read_peaks(tmp_path)) == ["K562.CTCF", "yeast"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no peaks"),
        ("# nothing\n", "holds no peaks"),
        ("chr1\t5\n", "line 1 is no BED"),
        ("chr1\tfive\t9\n", "line 1 is no BED"),
        ("chr1\t9\t5\n", "needs 0 <= start < end, not 9..5"),
        ("chr1\t-2\t5\n", "needs 0 <= start < end"),
        ("chr1\t1_0\t50\n", "line 1 is no BED"),
        ("chr1\t1\t\u0665\n", "line 1 is no BED"),
        ("chr1\t1\t5e3\n", "line 1 is no BED"),
        ("\t1\t5\n", "line 1 is no BED"),
        (f"chr1\t1\t{'9' * 30}\n", "line 1 is no BED"),
    ],
)
def test_what_is_no_bed_is_one_line(tmp_path, text, message):
    with pytest.raises(DnakitError, match=message):
        read(tmp_path, text)


def test_a_folder_without_peak_files_is_one_line(tmp_path):
    with pytest.raises(DnakitError, match="holds no peak files"):
        peaks.read_peaks(tmp_path)


def test_chromosomes_named_with_and_without_chr_are_brought_together(tmp_path):
    found = read(tmp_path, "1\t5\t20\tCTCF\nX\t5\t20\tCTCF\n")
    mended, change = peaks.fitted(found, ["chr1", "chr2"])
    assert list(mended["CTCF"]) == ["chr1", "chrX"]
    assert change == "'chr' added to the peaks' chromosomes"
    assert peaks.fitted(mended, ["1"])[1] == "'chr' taken from the peaks' chromosomes"
    assert peaks.fitted(found, ["1"]) == (found, "")


def test_each_feature_s_chromosomes_are_brought_together(tmp_path):
    found = read(tmp_path, "1\t5\t20\tDNase\nchr1\t5\t20\tCTCF\n")
    mended, change = peaks.fitted(found, ["chr1"])
    assert {feature: list(on) for feature, on in mended.items()} == {"CTCF": ["chr1"], "DNase": ["chr1"]}
    assert change == "DNase: 'chr' added to the peaks' chromosomes"


def test_peaks_on_chromosomes_that_the_genome_lacks_are_counted(tmp_path):
    found = read(tmp_path, "chr1\t5\t20\tCTCF\nchrY\t5\t20\tCTCF\nchrX\t5\t9\tDNase\nchr1\t1\t9\tDNase\n")
    assert peaks.absent(found, ["chr1"]) == "peaks on chromosomes that the genome lacks, such as 'chrX': 2 of 4"
    assert peaks.absent(found, ["chr1", "chrX", "chrY"]) == ""


def test_a_feature_without_peaks_on_the_genome_is_refused(tmp_path):
    with pytest.raises(DnakitError, match="DNase: its peaks lie on 'chrX'"):
        peaks.fitted(read(tmp_path, "chrX\t5\t20\tDNase\nchr1\t5\t20\tCTCF\n"), ["chr1"])


@pytest.mark.parametrize("names", [("chr1", "chr1"), ("chr1:1-100", "chr1:100-199"), ("chr1", "chr1:41-140")])
def test_the_same_bases_twice_are_refused(tmp_path, names):
    files = [tmp_path / f"{number}.fa" for number in range(len(names))]
    for file, name in zip(files, names, strict=True):
        file.write_text(f">{name}\n{'ACGTA' * 20}\n")
    with pytest.raises(DnakitError, match="give each stretch of the genome once"):
        list(peaks.read_pieces(files))
    apart = tmp_path / "apart.fa"
    apart.write_text(f">chr1:1-100\n{'ACGTA' * 20}\n>chr1:101-200\n{'ACGTA' * 20}\n>chr2\nACGT\n")
    assert [piece.start for piece in peaks.read_pieces([apart])] == [0, 100, 0]


def test_compressed_files_count_and_a_mac_s_own_do_not(tmp_path):
    for name, opened in (("a.bed.xz", lzma.open), ("b.narrowPeak.GZ", gzip.open), ("c.bed.bz2", bz2.open)):
        with opened(tmp_path / name, "wt") as handle:
            handle.write("chr1\t5\t20\tpeak_1\n")
    (tmp_path / "._a.bed").write_bytes(b"\0\5\x16\7")
    assert list(peaks.read_peaks(tmp_path)) == ["a", "b", "c"]


def test_a_narrowpeak_file_is_one_feature(tmp_path):
    file = tmp_path / "K562.CTCF.narrowPeak"
    file.write_text("chr1\t5\t20\tPeak_1\t900\t.\t3.1\t-1\t-1\t7\nchr1\t50\t90\tPeak_2\t900\t.\t3.1\t-1\t-1\t7\n")
    assert list(peaks.read_peaks(file)) == ["K562.CTCF"]


def test_unlabelled_chromosomes_are_named_as_the_genome_names_them():
    features = [Feature("a", "TF", ("chr1", "8")), Feature("b", "TF", ("X",))]
    found = peaks.fitted_features(features, ["1", "chr8"])
    assert [each.unlabelled for each in found] == [("1", "chr8"), ("X",)]


def test_no_chromosome_in_common_is_refused(tmp_path):
    with pytest.raises(DnakitError, match="no chromosome has the same"):
        peaks.fitted(read(tmp_path, "chrIV\t5\t20\tCTCF\n"), ["IX", "X"])


def test_peaks_beyond_the_end_are_refused(tmp_path):
    found = read(tmp_path, "chr1\t5\t20\tCTCF\nchr1\t90\t101\tCTCF\n")
    with pytest.raises(DnakitError, match=r"1 of 2 peaks on chr1 end beyond its 100 bases .*1-based or of another"):
        peaks.check_end(found, Piece("chr1", 0, b"A" * 100))
    peaks.check_end(found, Piece("chr1", 0, b"A" * 101))
    peaks.check_end(found, Piece("chr1", 0, b"A" * 50, whole=False))
    peaks.check_end(found, Piece("chr2", 0, b"A" * 50))


def test_a_piece_says_where_it_begins(tmp_path):
    (tmp_path / "piece.fa").write_text(">chr10:101-108\nACGTACGT\n>chr2 whole\nACGT\n")
    first, second = peaks.read_pieces([tmp_path / "piece.fa"])
    assert first == Piece("chr10", 100, b"ACGTACGT", whole=False)
    assert peaks.chromosomes([tmp_path / "piece.fa"]) == ["chr10", "chr2"]
    assert (second.chromosome, second.start, second.end) == ("chr2", 0, 4)


def test_a_piece_of_another_length_than_its_name_is_refused(tmp_path):
    (tmp_path / "piece.fa").write_text(">chr10:101-109\nACGTACGT\n")
    with pytest.raises(DnakitError, match="names 9 bases and holds 8"):
        list(peaks.read_pieces([tmp_path / "piece.fa"]))


def test_a_table_of_features_names_their_kinds(tmp_path):
    (tmp_path / "features.tsv").write_text("feature\tkind\tcell\tunlabelled\na\tTF\tx\tchr1,chr8\nb\tDNase\tx\t\n")
    found = peaks.read_features(tmp_path / "features.tsv", {"a": {}, "b": {}})
    assert found == [Feature("a", "TF", ("chr1", "chr8")), Feature("b", "DNase")]
    with pytest.raises(DnakitError, match="lacks the feature 'c'"):
        peaks.read_features(tmp_path / "features.tsv", {"c": {}})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name\tkind\na\tTF\n", "has no column 'feature'"),
        ("feature\tfeature\na\tTF\n", "has no column 'feature', or two"),
        ("feature\tkind\na\tTF\na\tDNase\n", "row 3 says something else of 'a'"),
        ("feature\tkind\tunlabelled\na\tTF\n", "row 2 has 2 columns and the first row 3"),
    ],
)
def test_a_table_of_features_says_one_thing_of_each(tmp_path, table, message):
    (tmp_path / "features.tsv").write_text(table)
    with pytest.raises(DnakitError, match=message):
        peaks.read_features(tmp_path / "features.tsv", {"a": {}})


# ---- the real ones


@real
def test_bins_of_the_whole_yeast_genome():
    """The counts that the publication of the mirror states: 20,601 bins, about 250 factors with 100 bins or more."""
    found = peaks.read_peaks(Path(MIRROR) / "chromatin" / "yeast_rossi2021_peaks.bed.gz")
    features = peaks.plain_features(found)
    pieces = peaks.read_pieces([Path(MIRROR) / "genomes" / "yeast_R64-1-1.dna.toplevel.fa.gz"])
    bins = [peaks.label(piece, features, found, 0) for piece in pieces]
    assert sum(len(each.starts) for each in bins) == 20_601
    assert (sum((each.labels == 1).sum(0) for each in bins) >= 100).sum() == 250


@real
def test_pten_begins_where_its_annotation_says():
    (piece,) = peaks.read_pieces([Path(MIRROR) / "genomes" / "hg38_chr10_87000001-91000000.fa.gz"])
    at = 87_864_470 - 1 - piece.start
    assert piece.sequence[at : at + 3] == b"ATG"
