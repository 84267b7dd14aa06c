"""Properties of the readers and writers of FASTA, GenBank and BED."""

import bz2
import gzip
import io
import lzma
import os
import random
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqFeature import CompoundLocation, SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from dnakit.data import formats
from dnakit.data.formats import Record
from dnakit.project import DnakitError

COMPRESS = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".bz2": bz2.compress}
FASTA = b">one first record\nACGTN\nacgtn\n>two\nRYKM" + b"ACGT" * 30 + b"\n"
NOISE = random.Random(0).randbytes(1000)  # the same in every process: tests are named by it

dna = st.text("ACGT", min_size=1, max_size=300).map(str.encode)
iupac = st.text("ACGTRYSWKMBDHVN", max_size=300).map(str.encode)
names = st.text("abcXYZ019_.|-:", min_size=1, max_size=12)
worlds = st.lists(
    st.builds(Record, names, st.sampled_from(["", "Homo sapiens", "a  b", "µ-organism"]), dna),
    min_size=1,
    max_size=6,
    unique_by=lambda record: record.name,
)


def refusal(reader, path: Path) -> str:
    with pytest.raises(DnakitError) as caught:
        list(reader(path))
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


# ---- FASTA


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compression_is_recognised_by_content_not_by_name(tmp_path, suffix):
    path = tmp_path / "plain-name"
    path.write_bytes(COMPRESS[suffix](FASTA))
    one, two = formats.read_fasta(path)
    assert one == ("one", "first record", b"ACGTNACGTN")
    assert two == ("two", "", b"RYKM" + b"ACGT" * 30)


@pytest.mark.parametrize("suffix", COMPRESS)
@settings(max_examples=15)
@given(records=worlds, width=st.integers(1, 80))
def test_what_is_written_is_read_back(tmp_path_factory, suffix, records, width):
    path = tmp_path_factory.mktemp("fasta") / f"world.fa{suffix}"
    formats.write_fasta(path, records, width)
    assert list(formats.read_fasta(path)) == records
    assert [child.name for child in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", COMPRESS)
def test_written_bytes_depend_on_the_records_alone(tmp_path, suffix, monkeypatch):
    records = [Record("a", "", b"ACGT" * 50)]
    first, second = tmp_path / f"first{suffix}", tmp_path / "later" / f"second{suffix}"
    formats.write_fasta(first, records)
    monkeypatch.setattr("time.time", lambda: 2e9)
    formats.write_fasta(second, records)
    assert first.read_bytes() == second.read_bytes()
    assert COMPRESS[suffix](b"x")[:2] == first.read_bytes()[:2] or suffix == ""


@pytest.mark.parametrize(
    "text",
    [
        b">a x\r\nACGT\r\nAC\r\n>b\r\nGG\r\n",
        b">a x\nacgt\nac\n>b\ngg",
        b"\n\n>a x\n\nACGT\n\n\nAC\n>b\n\nGG\n\n",
        b">a x\nAC GT\nAC  \n>b\nGG\n",
        b">a x\nACGUAC\n>b\nGG\n".replace(b"U", b"T"),
        b">a x\rACGT\rAC\r>b\rGG\r",
        b"\xef\xbb\xbf>a x\nACGTAC\n>b\nGG\n",
    ],
    ids=["CRLF", "lower case, no last newline", "blank lines", "spaces", "plain", "CR", "byte order mark"],
)
def test_layouts_of_the_same_records_read_the_same(tmp_path, text):
    path = tmp_path / "x.fa"
    path.write_bytes(text)
    assert list(formats.read_fasta(path)) == [("a", "x", b"ACGTAC"), ("b", "", b"GG")]


def test_rna_reads_as_dna(tmp_path):
    path = tmp_path / "rna.fa"
    path.write_bytes(b">a\nACGUacgu\n")
    assert next(formats.read_fasta(path)).sequence == b"ACGTACGT"


@given(sequence=dna, ambiguous=st.text("RYSWKMBDHVN", max_size=1))
@settings(max_examples=30)
def test_ambiguity_letters_stay(tmp_path_factory, sequence, ambiguous):
    path = tmp_path_factory.mktemp("iupac") / "x.fa"
    whole = sequence + ambiguous.encode()
    path.write_bytes(b">a\n" + whole.lower() + b"\n")
    assert next(formats.read_fasta(path)).sequence == whole


def test_a_record_of_n_only_is_read(tmp_path):
    path = tmp_path / "n.fa"
    path.write_bytes(b">gap\n" + b"N" * 100 + b"\n")
    assert next(formats.read_fasta(path)).sequence == b"N" * 100


@pytest.mark.parametrize("letter", list("EFILPQZJOX*-.?1é"))
def test_letters_that_are_no_nucleotides_are_refused(tmp_path, letter):
    path = tmp_path / "x.fa"
    path.write_text(f">good\nACGT\n>bad\nACGT{letter}ACGT\n", encoding="utf-8")
    message = refusal(formats.read_fasta, path)
    assert "'bad'" in message
    assert repr(letter) in message


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"ACGT\n>a\nACGT\n", "text before"),
        (b"LOCUS       X\n", "text before"),
        (b">a\nACGT\n>a again\nACGT\n", "'a' occurs twice"),
        (b">a\nACGT\n>empty\n>c\nACGT\n", "'empty' has no sequence"),
        (b">a\nACGT\n>last\n", "'last' has no sequence"),
        (b">\nACGT\n", "record 1 has no name"),
        (b">prot\nMKVHMKVHSDRWKYMKVH\n", "'prot' is less than half"),
        (b">a\n\xff\xfe\x00ACGT\n", "'a' contains"),
        (">a\nACGT\n".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04\x14\x00", "zip archive"),
        (NOISE[:64].replace(b">", b"") + b"\xff", "not a FASTA file"),
        (gzip.compress(NOISE, mtime=0)[:-300], "truncated or damaged"),
        (b"\x1f\x8b\x08\x00garbage that is no deflate stream", "truncated or damaged"),
        (b"\xfd7zXZ\x00 garbage", "truncated or damaged"),
        (b"BZh9 garbage", "damaged"),
    ],
)
def test_broken_fasta_is_refused_in_one_line(tmp_path, content, part):
    path = tmp_path / "broken.fa"
    path.write_bytes(content)
    assert part in refusal(formats.read_fasta, path)


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2"])
@settings(max_examples=20)
@given(share=st.floats(0.05, 0.95))
def test_a_truncated_file_is_never_taken_for_a_whole_one(tmp_path_factory, suffix, share):
    path = tmp_path_factory.mktemp("cut") / "cut.fa"
    whole = COMPRESS[suffix](b">a\n" + np.random.default_rng(0).choice(list(b"ACGT"), 5000).astype(np.uint8).tobytes())
    path.write_bytes(whole[: max(6, int(share * len(whole)))])
    refusal(formats.read_fasta, path)


# ---- some records only, and archives


@settings(max_examples=30)
@given(records=worlds, chosen=st.sets(st.integers(0, 5)))
def test_asking_for_some_records_gives_those_and_reads_no_others(tmp_path_factory, records, chosen):
    path = tmp_path_factory.mktemp("some") / "world.fa"
    formats.write_fasta(path, records)
    names = {record.name for number, record in enumerate(records) if number in chosen}
    path.write_text(path.read_text(encoding="utf-8") + ">~protein\nMEEL\n", encoding="utf-8")
    assert list(formats.read_fasta(path, names)) == [record for record in records if record.name in names]


def test_a_genome_is_read_one_chromosome_at_a_time(tmp_path):
    path = tmp_path / "genome.fa"
    size = 500_000
    sequence = np.random.default_rng(0).choice(np.frombuffer(b"ACGT", dtype=np.uint8), size).tobytes()
    formats.write_fasta(path, (Record(f"chr{i}", "", sequence) for i in range(12)), 1_000)
    for names, held in [(None, 3 * size), ({"chr5"}, 3 * size), ((), 0)]:
        tracemalloc.start()
        count = sum(1 for _ in formats.read_fasta(path, names))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == (12 if names is None else len(names))
        assert peak < held + (4 << 20)  # the buffers


def archive(members: dict[str, bytes]) -> bytes:
    """A tar archive as UCSC serves one: also a folder, and a link that leads out of it."""
    with io.BytesIO() as raw:
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
            folder = tarfile.TarInfo("./")
            folder.type = tarfile.DIRTYPE
            link = tarfile.TarInfo("passwords.fa")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            for special in (folder, link):
                tar.addfile(special)
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return raw.getvalue()


@pytest.mark.parametrize("suffix", COMPRESS)
def test_an_archive_of_fasta_files_is_read_as_one_file(tmp_path, suffix):
    path = tmp_path / "chromFa"
    members = {"chrI.fa": b">chrI\nacgtNN\nAC", "./sub/chrM.fa": b">chrM\r\nGG\r\n", "/more.fa": FASTA}
    path.write_bytes(COMPRESS[suffix](archive(members)))
    expected = [("chrI", "", b"ACGTNNAC"), ("chrM", "", b"GG"), ("one", "first record", b"ACGTNACGTN")]
    assert [*formats.read_fasta(path)][:3] == expected
    assert [record.name for record in formats.read_fasta(path, {"chrM", "two"})] == ["chrM", "two"]
    assert list(tmp_path.iterdir()) == [path]


MACOS = bytes.fromhex("00051607 00020000") + b"Mac OS X        " + bytes(range(128, 200))


def test_what_macos_adds_to_an_archive_is_passed_over(tmp_path):
    path = tmp_path / "mac.tar"
    path.write_bytes(
        archive({"./._a.fa": MACOS, "./a.fa": b">a\nAC\n", "x/.DS_Store": b"\0\0\0\1Bud1", "x/b.fa": b">b\nGG\n"})
    )
    assert [*formats.read_fasta(path)] == [("a", "", b"AC"), ("b", "", b"GG")]


@pytest.mark.parametrize("suffix", COMPRESS)
def test_members_of_an_archive_may_be_compressed(tmp_path, suffix):
    path = tmp_path / "members.tar"
    path.write_bytes(archive({"a": COMPRESS[suffix](b">a\nAC\n"), "b": COMPRESS[suffix](b">b\nGG\n")}))
    assert [*formats.read_fasta(path)] == [("a", "", b"AC"), ("b", "", b"GG")]


def test_headers_may_be_latin1_and_sequences_may_not(tmp_path):
    path = tmp_path / "latin1.fa"
    path.write_bytes(b">a M\xfcnchen \xb5\nACGT\n>b M\xc3\xbcnchen\nACGT\n")
    assert [record.description for record in formats.read_fasta(path)] == ["München µ", "München"]
    path.write_bytes(b">a\nAC\xfcGT\n")
    assert "'ü'" in refusal(formats.read_fasta, path)


@settings(max_examples=60)
@given(cut=st.integers(1, 2_000))
def test_a_truncated_archive_is_never_taken_for_a_whole_one(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "cut.tar.gz"
    rng = np.random.default_rng(0)
    bases = [rng.choice(list(b"ACGT"), 1_536).astype(np.uint8).tobytes() for _ in range(4)]
    whole = gzip.compress(archive({f"{i}.fa": b">%d\n" % i + base for i, base in enumerate(bases)}))
    path.write_bytes(whole[: max(6, len(whole) - cut)])
    refusal(formats.read_fasta, path)


@pytest.mark.parametrize(
    ("members", "part"),
    [
        ({}, "no FASTA file"),
        ({"a.fa": b">a\nACGT\n", "README": b"about\n"}, "README: not a FASTA file"),
        ({"a.fa": b">a\nACGT\n", "b.fa": b""}, "b.fa: the file is empty"),
        ({"a.fa": b">a\nACGT\n", "b.fa": b">a\nACGT\n"}, "'a' occurs twice"),
        ({"a.fa": b">a\nMEEL\n"}, "'a' contains 'E'"),
        ({"a.fa": ">a\nACGT\n".encode("utf-16")}, "a.fa: is UTF-16 text"),
        ({"a.fa": b"PK\x03\x04\x14"}, "a.fa: is a zip archive"),
    ],
)
def test_archives_of_something_else_are_refused(tmp_path, members, part):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(gzip.compress(archive(members)))
    assert part in refusal(formats.read_fasta, path)


@pytest.mark.parametrize("reader", [formats.read_fasta, formats.read_genbank, formats.read_bed])
def test_absent_files_and_folders_are_refused(tmp_path, reader):
    refusal(reader, tmp_path / "absent")
    refusal(reader, tmp_path)


def test_records_before_a_fault_are_delivered_one_at_a_time(tmp_path):
    path = tmp_path / "x.fa"
    path.write_bytes(b">a\nACGT\n>b\nMEE\n")
    reader = formats.read_fasta(path)
    assert next(reader).name == "a"
    with pytest.raises(DnakitError, match="'b'"):
        next(reader)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "x.fa.gz"
    formats.write_fasta(path, [Record("old", "", b"ACGT")])
    with pytest.raises(DnakitError):
        formats.write_fasta(path, [Record("new", "", b"ACGT"), Record("two words", "", b"ACGT")])
    assert [record.name for record in formats.read_fasta(path)] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_writing_below_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DnakitError, match=r"^[^\n]*cannot be written[^\n]*$"):
        formats.write_fasta(tmp_path / "file" / "x.fa", [Record("a", "", b"ACGT")])


# ---- GenBank


def genbank_record(features: list[SeqFeature], length: int = 3000) -> SeqRecord:
    bases = np.random.default_rng(0).choice(list("ACGT"), length)
    record = SeqRecord(Seq("".join(bases)), id="X00001.1", name="X00001", features=features)
    record.annotations = {"molecule_type": "DNA", "organism": "Danio rerio", "taxonomy": ["Eukaryota", "Metazoa"]}
    return record


def genbank(path: Path, features: list[SeqFeature]) -> Path:
    with gzip.open(path, "wt") as handle:
        SeqIO.write([genbank_record(features)], handle, "genbank")
    return path


def rrna(location, **qualifiers: str) -> SeqFeature:
    return SeqFeature(location, "rRNA", qualifiers={name: [value] for name, value in qualifiers.items()})


NAMES_12S = [
    "12S ribosomal RNA", "12 S ribosomal RNA", "12S_rRNA", "12S-rRNA", "12SrRNA", "12S rDNA", "12s rRNA", "12 rRNA",
    "12S", "12S ribosomal RNA subunit", "12S small subunit ribosomal RNA", "12S ribosormal RNA", "rRNA-12S", "mt 12S",
    "s-rRNA", "s rRNA", "srRNA", "s-ribosomal RNA", "small ribosomal RNA", "small rRNA", "rRNA small subunit",
    "small ribosomal RNA subunit RNA", "small subunit ribosomal RNA", "small-subunit ribosomal RNA", "SSU rRNA",
    "mtSSU rRNA", "ribosomal RNA small subunit", "rrnS", "mt-rrnS", "rns", "srrn", "MT-RNR1", "mtrnr1", "RNR1", "rrn12",
    "rrn12S",
]  # fmt: skip
OTHER_RNA = [
    "16S ribosomal RNA", "16 S ribosomal RNA", "16S_rRNA", "16SrRNA", "16 rRNA", "l-rRNA", "lrRNA", "l-ribosomal RNA",
    "large subunit ribosomal RNA", "large ribosomal RNA", "rRNA large subunit", "LSU rRNA", "mtLSU", "rrnL", "rnl",
    "MT-RNR2", "rrn16", "23S ribosomal RNA", "18S ribosomal RNA", "5S ribosomal RNA", "5.8S rRNA", "112S rRNA",
    "ribosomal RNA", "18S small subunit ribosomal RNA", "16S ribosomal RNA; follows the 12S ribosomal RNA",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES_12S)
@pytest.mark.parametrize("qualifier", ["product", "gene", "note"])
def test_the_12s_gene_is_found_under_its_many_names(name, qualifier):
    large = rrna(SimpleLocation(1100, 2700, 1), product="16S ribosomal RNA", note="follows the 12S ribosomal RNA")
    small = {"product": "ribosomal RNA"} | {qualifier: name}
    record = genbank_record([rrna(SimpleLocation(70, 1020, -1), **small), large])
    assert formats.annotation(record) == ("Danio rerio", ("Eukaryota", "Metazoa"), 70, 1020, -1)


@pytest.mark.parametrize("name", OTHER_RNA)
@pytest.mark.parametrize("qualifier", ["product", "gene", "note"])
def test_other_rna_is_never_taken_for_12s(name, qualifier):
    record = genbank_record([rrna(SimpleLocation(0, 900, 1), **{qualifier: name})])
    assert formats.annotation(record).start is None


@pytest.mark.parametrize("kind", ["CDS", "gene", "tRNA", "misc_feature"])
def test_only_ribosomal_rna_is_taken_for_12s(kind):
    gene = SeqFeature(SimpleLocation(0, 390, 1), kind, qualifiers={"product": "small subunit ribosomal protein S12"})
    assert formats.annotation(genbank_record([gene])).start is None


# Parts in the order of the plus strand, of a circle of 3,000 bases, and the span they make
SPANS = [
    ([(2900, 3000), (0, 50)], (2900, 3050)),
    ([(2900, 3000), (0, 20), (30, 50)], (2900, 3050)),
    ([(2800, 2850), (2900, 3000), (0, 50)], (2800, 3050)),
    ([(2900, 2990), (10, 50)], (2900, 3050)),
    ([(70, 500), (600, 1020)], (70, 1020)),
    ([(0, 500), (600, 1020)], (0, 1020)),
    ([(2000, 2500), (2600, 3000)], (2000, 3000)),
]


@pytest.mark.parametrize(("parts", "span"), SPANS)
@pytest.mark.parametrize("strand", [1, -1])
def test_a_gene_in_parts_spans_them_across_the_origin_where_it_crosses_it(tmp_path, parts, span, strand):
    locations = [SimpleLocation(*part, strand) for part in parts]
    gene = rrna(CompoundLocation(locations[::strand]), product="12S ribosomal RNA")
    (record,) = formats.read_genbank(genbank(tmp_path / "x.gb.gz", [gene]))
    _, _, start, end, found = formats.annotation(record)
    assert (start, end, found) == (*span, strand)
    piece = formats.extract(bytes(record.seq), start, end, found)
    assert len(piece) == span[1] - span[0]
    if sum(end - start for start, end in parts) == len(piece):
        assert piece == bytes(gene.extract(record.seq))


def test_parts_that_meet_at_the_origin_make_one_gene_in_whichever_order_they_are_listed(tmp_path):
    for order in (1, -1):
        location = CompoundLocation([SimpleLocation(2900, 3000, 1), SimpleLocation(0, 50, 1)][::order])
        assert formats.annotation(genbank_record([rrna(location, product="12S rRNA")]))[2:4] == (2900, 3050)


def test_a_genbank_file_may_hold_latin1(tmp_path):
    path = tmp_path / "latin1.gb"
    note = rrna(SimpleLocation(70, 1020, 1), product="12S ribosomal RNA", note="Mueller")
    path.write_bytes(gzip.decompress(genbank(path, [note]).read_bytes()).replace(b"Mueller", b"M\xfcller"))
    (record,) = formats.read_genbank(path)
    assert record.features[0].qualifiers["note"] == ["Müller"]


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.99])
def test_a_truncated_genbank_file_is_refused(tmp_path, cut):
    text = gzip.decompress(genbank(tmp_path / "x.gb.gz", []).read_bytes())
    path = tmp_path / "cut.gb"
    path.write_bytes(text[: int(cut * len(text))])
    refusal(formats.read_genbank, path)


@pytest.mark.parametrize("content", [b"", b">a\nACGT\n", b"LOCUS nonsense\n//\n", b"\xff\xfe"])
def test_other_files_are_no_genbank(tmp_path, content):
    path = tmp_path / "x.gb"
    path.write_bytes(content)
    refusal(formats.read_genbank, path)


# ---- BED


def test_bed_rows_of_several_kinds(tmp_path):
    path = tmp_path / "x.bed"
    path.write_bytes(
        b"# comment\ntrack name=x\nchr1\t5\t9\n\nchr1 959245 959305 NOC2L_1 900 - 959245 959256\r\n"
        b"chr1\t10\t30\tPeak_1\t1000\t.\t129.4\t575.9\t567.2\t17\n"
    )
    bare, epdnew, peak = formats.read_bed(path)
    assert bare == ("chr1", 5, 9, None, None, ".", None, None)
    assert epdnew == ("chr1", 959245, 959305, "NOC2L_1", 900.0, "-", 959245, 959256)
    assert peak == ("chr1", 10, 30, "Peak_1", 1000.0, ".", None, None)


def test_a_bed_row_whose_thick_part_is_empty_has_none(tmp_path):
    path = tmp_path / "x.bed"
    path.write_text("chr1\t20000\t20040\tq1\t0\t+\t20000\t20000\nchr1\t30000\t30040\tq2\t0\t-\t30000\t30000\n")
    assert all((row.thick_start, row.thick_end) == (None, None) for row in formats.read_bed(path))


@pytest.mark.parametrize(
    "row", [b"chr1\t5", b"chr1\tx\t9", b"chr1\t9\t5", b"chr1\t-1\t5", b"chr1\t1\t5\tn\t0\t*", b"chr1\t1\t5\tn\tmuch\t+"]
)
def test_broken_bed_rows_name_their_line(tmp_path, row):
    path = tmp_path / "x.bed"
    path.write_bytes(b"chr1\t1\t2\n" + row + b"\n")
    assert "line 2" in refusal(formats.read_bed, path)


def test_a_bed_file_without_rows_is_refused(tmp_path):
    path = tmp_path / "x.bed"
    path.write_bytes(b"# nothing\n")
    refusal(formats.read_bed, path)


# ---- real data


@pytest.mark.skipif("DNAKIT_MIRROR" not in os.environ, reason="needs the real genomes: DNAKIT_MIRROR is not set")
def test_all_real_mitochondrial_genomes_are_read():
    lengths = [
        len(record.sequence) for record in formats.read_fasta(Path(os.environ["DNAKIT_MIRROR"]) / "mito-animals.fa.xz")
    ]
    assert len(lengths) == 7109
    assert min(lengths) >= 12_000
    assert max(lengths) <= 25_000
