"""Reads as sequencers write them: formats, compression, qualities, and files that are no reads."""

import bz2
import gzip
import io
import lzma
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnakit.data import reads
from dnakit.data.bases import reverse_complement
from dnakit.data.reads import MIFISH_U, Names, Read, between_primers, read_reads, trimmed_length, without_primers
from dnakit.project import DnakitError

FASTQ = b"@one 1:N:0\nACGTNACG\n+\nFFFFFFFF\n@two\nacgu\n+two\nFFFF\n"
FASTA = b">one x\nACGT\nNACG\n>two\nacgu\n"
EXPECTED = [Read("one", b"ACGTNACG"), Read("two", b"ACGT")]


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress, bz2.compress])
@pytest.mark.parametrize("content", [FASTQ, FASTA])
def test_what_is_inside_decides_not_the_name(tmp_path, compress, content):
    path = tmp_path / "reads.txt"
    path.write_bytes(compress(content))
    assert list(read_reads(path)) == EXPECTED


@pytest.mark.parametrize(
    "content",
    [FASTQ, FASTA, gzip.compress(FASTQ), lzma.compress(FASTA)],
    ids=["fastq", "fasta", "fastq.gz", "fasta.xz"],
)
def test_standard_input_gives_the_same(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(content))))
    assert list(read_reads("-")) == EXPECTED


@pytest.mark.parametrize("content", [b">read-2\nA\n>\nA\n", b"@a\nA\n+\nF\n@\nA\n+\nF\n"])
def test_a_read_without_a_name_is_refused_by_its_number(tmp_path, content):
    path = tmp_path / "r"
    path.write_bytes(content)
    with pytest.raises(DnakitError, match=r"r: read 2 has no name"):
        list(read_reads(path))


def test_windows_line_ends_and_several_gzip_members(tmp_path):
    path = tmp_path / "r.fastq.gz"
    path.write_bytes(gzip.compress(FASTQ.replace(b"\n", b"\r\n")) + gzip.compress(FASTQ.replace(b"\n", b"\r\n")))
    assert list(read_reads(path)) == EXPECTED * 2


def test_an_empty_read_stays_and_an_empty_file_has_none(tmp_path):
    path = tmp_path / "r.fastq"
    path.write_bytes(b"@gone\n\n+\n\n" + FASTQ)
    assert list(read_reads(path)) == [Read("gone", b""), *EXPECTED]
    for content in (b"", gzip.compress(b"")):
        path.write_bytes(content)
        assert list(read_reads(path)) == []


@pytest.mark.parametrize(
    "content",
    [
        b"name,sequence\n1,ACGT\n",
        b"\x89PNG\r\n\x1a\n\x00\x00",
        b"%PDF-1.4\n",
        b"PK\x03\x04rest",
        FASTQ[:-12],
        gzip.compress(FASTQ * 500)[:-20],
        b">protein\nMKLVEFW\n",
        b">aligned\nAC--GT\n",
        b"\xff\xfe>\x00a\x00",
    ],
)
def test_what_is_no_file_of_reads_is_one_line_that_names_it(tmp_path, content):
    path = tmp_path / "reads.fastq"
    path.write_bytes(content)
    with pytest.raises(DnakitError) as caught:
        list(read_reads(path))
    assert "reads.fastq" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_file_and_a_folder_are_one_line(tmp_path):
    for path in (tmp_path / "absent.fa", tmp_path):
        with pytest.raises(DnakitError, match="cannot be read"):
            list(read_reads(path))


@given(st.text("#,:F", max_size=80))
def test_what_is_trimmed_is_bad_on_the_whole_and_a_good_end_stays(qualities):
    kept = trimmed_length(qualities)
    values = [ord(letter) - 33 - reads.QUALITY for letter in qualities]
    assert 0 <= kept <= len(qualities)
    assert kept == len(qualities) or sum(values[kept:]) < 0
    assert not qualities.endswith("F") or kept == len(qualities) or sum(values[kept:]) < 0
    assert kept == 0 or sum(values[kept - 1 :]) > sum(values[kept:]) or kept == len(qualities)


def test_a_low_quality_end_is_cut_off(tmp_path):
    path = tmp_path / "r.fastq"
    path.write_text("@a\nACGTACGTAC\n+\nFFFFFFF###\n")
    assert list(read_reads(path)) == [Read("a", b"ACGTACG")]


@pytest.mark.parametrize("change", [bytes, lambda primer: primer.replace(b"GG", b"GC")])
def test_an_amplicon_is_what_lies_between_the_primers(change):
    inner, flank = b"ACGTTGCA" * 20, b"TTTTTTTTTTCCCC"
    gene = flank + change(MIFISH_U[0]) + inner + reverse_complement(MIFISH_U[1]) + flank
    assert between_primers(gene) == inner
    assert between_primers(inner) is None
    assert between_primers(gene[: len(flank) + 60]) is None


@pytest.mark.parametrize("change", [bytes, lambda primer: primer.replace(b"GG", b"GC")])
def test_a_read_loses_the_primers_that_it_begins_and_ends_with_in_either_direction(change):
    inner, adapter = b"ACGTTGCA" * 20, b"NNNNNN"
    whole = adapter + change(MIFISH_U[0]) + inner + reverse_complement(MIFISH_U[1]) + adapter
    assert without_primers(whole) == without_primers(whole[: -len(adapter)]) == inner
    assert without_primers(reverse_complement(whole)) == reverse_complement(inner)
    assert without_primers(whole[:90]) == inner[: 90 - len(adapter) - len(MIFISH_U[0])]
    for other in (inner, inner + whole, b"", b"ACG"):  # in a gene the primers have their places
        assert without_primers(other) == other


def test_byte_order_mark_blank_lines_and_old_line_ends_are_no_letters(tmp_path):
    path = tmp_path / "r.fastq"
    for content in (FASTQ, FASTA):
        for written in (b"\xef\xbb\xbf" + content, b"\n\r\n" + content, content.replace(b"\n", b"\r")):
            for compress in (bytes, gzip.compress):
                path.write_bytes(compress(written))
                assert list(read_reads(path)) == EXPECTED


def test_a_long_file_of_old_line_ends_is_read_to_its_end(tmp_path):
    path = tmp_path / "r.fa"
    path.write_bytes(b"".join(b">r%d\r%s\r" % (number, b"ACGT" * 50) for number in range(12_000)))
    found = list(read_reads(path))
    assert [read.name for read in found] == [f"r{number}" for number in range(12_000)]
    assert {read.sequence for read in found} == {b"ACGT" * 50}


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, bz2.compress])
def test_reads_that_unpack_to_too_much_are_refused_by_size(tmp_path, monkeypatch, compress):
    packed = compress(b">a\n" + b"A" * 120_000_000)
    (tmp_path / "bomb.fa").write_bytes(packed)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(packed))))
    for source in (tmp_path / "bomb.fa", "-"):
        with pytest.raises(DnakitError, match="unpacks to more than 100 times its size"):
            list(read_reads(source))


@pytest.mark.parametrize(("quality", "right"), [("!~", True), (" F", False), ("\x7fF", False), ("\tF", False)])
def test_qualities_are_the_letters_that_stand_for_numbers(tmp_path, quality, right):
    path = tmp_path / "r.fastq"
    path.write_text(f"@a\nAC\n+\n{quality}\n")
    if right:
        assert list(read_reads(path)) == [Read("a", b"AC")]
    else:
        with pytest.raises(DnakitError, match="read 1 has a quality that is none of the letters ! to ~"):
            list(read_reads(path))


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("content", [FASTQ, FASTA])
def test_headers_may_hold_any_letters_and_keep_them(tmp_path, compress, encoding, content):
    path = tmp_path / "r.txt"
    path.write_bytes(compress(content.decode().replace("one ", "M\u00fcnchen-\u00b5 caf\u00e9 ").encode(encoding)))
    assert list(read_reads(path)) == [Read("M\u00fcnchen-\u00b5", b"ACGTNACG"), EXPECTED[1]]


@pytest.mark.parametrize("letter", ["\u00fc", "\u0410", "\uff21", "\u00a0"])  # u umlaut, Cyrillic and wide A, a blank
def test_sequences_hold_nucleotides_alone(tmp_path, letter):
    path = tmp_path / "r.fa"
    path.write_text(f">a\nACG{letter}T\n", encoding="utf-8")
    with pytest.raises(DnakitError, match=re.escape(f"read 1 holds {letter!r}")):
        list(read_reads(path))
    path.write_text(f"@a\nACG{letter}T\n+\nFFFFF\n", encoding="utf-8")
    with pytest.raises(DnakitError, match=r"r\.fa: "):
        list(read_reads(path))


@given(st.lists(st.integers(0, 40), max_size=40), st.integers(1, 7))
def test_a_name_that_occurs_again_is_found_with_both_its_reads(numbers, batch):
    names, seen, complaint = Names(), {}, None
    for number, name in enumerate(numbers, start=1):
        if name in seen:
            complaint = complaint or number
        seen.setdefault(name, number)
    try:
        for start in range(0, len(numbers), batch):
            names.add([f"r{name}" for name in numbers[start : start + batch]])
    except DnakitError as error:
        assert complaint is not None
        words = str(error).split()
        first, second = int(words[1]), int(words[3])
        assert first < second
        assert numbers[first - 1] == numbers[second - 1]
        assert words[7] == f"'r{numbers[first - 1]}':"
        assert (second - 1) // batch == (complaint - 1) // batch  # in the batch of the first one that occurs again
    else:
        assert complaint is None


@pytest.mark.parametrize("end", [b"\n", b"\n\n", b"\r\n\r\n", b"\n" * 50])
def test_blank_lines_after_the_last_read_are_no_read(tmp_path, end):
    path = tmp_path / "reads.fq"
    path.write_bytes(b"@r1\nACGT\n+\nIIII\n" + end)
    assert list(read_reads(path)) == [("r1", b"ACGT")]
    path.write_bytes(b"@r1\nACGT\n+\nIIII\n" + end + b"@")
    with pytest.raises(DnakitError, match="in the middle of read 2"):
        list(read_reads(path))


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_blank_lines_cost_no_time(tmp_path, end):
    path = tmp_path / "r.fa"
    path.write_bytes(FASTA.replace(b"\n", end * 2_000_000))
    assert list(read_reads(path)) == EXPECTED
    assert len(reads._Plain(io.BytesIO(end * 2_000_000)).read()) < 10_000
    path.write_bytes(FASTQ.replace(b"\n+", end * 10 + b"+"))
    with pytest.raises(DnakitError, match=r"r\.fa: not FASTA or FASTQ"):
        list(read_reads(path))


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_file_that_is_cut_off_says_in_which_read(tmp_path, end, count):
    path = tmp_path / "r.fastq"
    whole = end.join(b"@r%d\nACGTACGT\n+\nFFFFFFFF".replace(b"\n", end) % number for number in range(count))
    last = whole.rindex(b"@r") if count > 1 else 0
    which = f"in the middle of read {count};" if count > 1 else "in the middle of its first read;"
    for length in range(last + 1, len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DnakitError, match=which):
            list(read_reads(path))
    path.write_bytes(whole)
    assert len(list(read_reads(path))) == count


def test_a_read_of_two_lengths_before_the_end_is_no_truncated_file(tmp_path):
    path = tmp_path / "r.fastq"
    for content in (b"@a\nACGT\n+\nFF\n", b"@a\nACGT\n+\nFF\n@b\nACGT\n+\nFFFF\n", b"@a\nACGT\n+\nFF\n@b\nAC\n+\nFF"):
        path.write_bytes(content)
        with pytest.raises(DnakitError, match=r"not FASTA or FASTQ: .* Length of sequence and qualities differ"):
            list(read_reads(path))
