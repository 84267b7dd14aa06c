"""dnakit classify as a lab uses it: formats in and out, streams, processes, and files that are no reads."""

import gzip
import io
import lzma
import os
import subprocess
import sys

import pytest

from dnakit.chapters.metagenomics import classifier
from dnakit.chapters.metagenomics import classify as command
from dnakit.chapters.metagenomics.references import reference
from dnakit.data.barcodes import RANKS, taxon_of
from dnakit.data.bases import reverse_complement
from dnakit.data.reads import MIFISH_U
from dnakit.project import DnakitError

pytestmark = pytest.mark.slow

HEADER = "Feature ID\tTaxon\tConfidence"


@pytest.fixture(scope="module", autouse=True)
def store(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNAKIT_DATA", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="module")
def fastq():
    """Reads of records, forward and backward, with N, lower case and an empty one."""
    table = reference("simulated").table()
    lines = []
    for row in range(0, len(table), 9):
        read = table["sequence"][row][200:380]
        read = (reverse_complement(read) if row % 2 else read).decode()
        read = read.lower() if row % 3 else read[:90] + "NN" + read[92:]
        lines.append(f"@{table['name'][row]} x\n{read}\n+\n{'F' * len(read)}\n")
    return "".join([*lines, "@gone\n\n+\n\n"]), table.set_index("name")


def named(tmp_path, content, **options):
    path, output = tmp_path / "reads", tmp_path / "out.tsv"
    path.write_bytes(content)
    command.classify(str(path), "simulated", output=output, **options)
    return output.read_text().splitlines()


def test_primers_change_no_name(tmp_path, fastq):
    text, _ = fastq
    lines = text.splitlines()[:40]
    for at in range(1, len(lines), 4):
        lines[at] = (MIFISH_U[0] + lines[at].encode() + reverse_complement(MIFISH_U[1])).decode()
        lines[at + 2] = "F" * len(lines[at])
    plain, primed = (named(tmp_path, "\n".join(each).encode()) for each in (text.splitlines()[:40], lines))
    assert [line.split("\t")[:2] for line in primed] == [line.split("\t")[:2] for line in plain]


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress])
def test_names_are_right_and_the_table_is_qiimes(tmp_path, fastq, compress):
    text, table = fastq
    lines = named(tmp_path, compress(text.encode()))
    assert lines[0] == HEADER
    rows = [line.split("\t") for line in lines[1:]]
    assert [row[0] for row in rows] == [line[1:].split()[0] for line in text.splitlines()[::4]]
    assert rows[-1][1] == "Unassigned"
    for name, taxon, sure in rows[:-1]:
        assert taxon.startswith("d__Simulated;p__")
        assert 0.8 <= float(sure) <= 1
        for part in taxon.split(";"):
            assert part.split("__")[1] in set(table.loc[name])


def test_wide_adds_a_column_for_each_rank_and_a_threshold_cuts_off(tmp_path, fastq):
    lines = named(tmp_path, fastq[0].encode(), wide=True)
    assert lines[0].split("\t")[3:] == ["domain", "phylum", "class", "order", "family", "genus", "species"]
    for row in (line.split("\t") for line in lines[1:]):
        shown = [name for name in row[3:] if name]
        assert len(row) == 10
        assert len(shown) == (0 if row[1] == "Unassigned" else row[1].count(";") + 1)
    deep = sum(line.count(";") for line in named(tmp_path, fastq[0].encode(), min_confidence=0.0))
    assert deep >= sum(line.count(";") for line in lines)


def test_two_reads_of_one_name_are_refused_and_nothing_is_written(tmp_path):
    reads = "".join(f">r{number}\nACGT\n" for number in [*range(300), 7])
    with pytest.raises(DnakitError, match="reads 8 and 301 are both named 'r7': give each read a name of its own"):
        named(tmp_path, reads.encode())
    assert [path.name for path in tmp_path.iterdir()] == ["reads"]


def test_without_a_mirror_the_line_names_a_reference_that_can_be_downloaded(tmp_path, monkeypatch):
    monkeypatch.delenv("DNAKIT_MIRROR", raising=False)
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "data"))
    (tmp_path / "reads.fa").write_text(">a\nACGT\n")
    with pytest.raises(
        DnakitError, match="'mitohelper-2025-11' exists in the mirror only: give --reference mitohelper "
    ):
        command.classify(str(tmp_path / "reads.fa"), "mitohelper-2025-11", output=tmp_path / "names.tsv")
    assert not (tmp_path / "names.tsv").exists()


def test_an_empty_file_gives_the_header_and_says_so(tmp_path, capsys):
    assert named(tmp_path, b"") == [HEADER]
    assert capsys.readouterr().err.endswith("holds no read; the table has its head alone\n")


def test_empty_standard_input_is_called_so_and_an_empty_name_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    command.classify("-", "simulated")
    assert capsys.readouterr().err == "dnakit: standard input holds no read; the table has its head alone\n"
    with pytest.raises(DnakitError, match="the name of the file of reads is empty: give a file"):
        command.classify("", "simulated")


def test_processes_give_the_same_in_the_same_order(tmp_path, fastq):
    reads = "".join(fastq[0].replace("@", f"@{copy}-") for copy in range(30)).encode()
    assert named(tmp_path, reads) == named(tmp_path, reads, jobs=2)


@pytest.mark.parametrize("suffix", [".html", ".png"])
def test_a_report_is_one_offline_file(tmp_path, fastq, suffix):
    report = tmp_path / f"report{suffix}"
    named(tmp_path, fastq[0].encode(), report=report)
    content = report.read_bytes()
    assert b"http" not in content
    assert content.startswith(b"\x89PNG" if suffix == ".png" else b"<!doctype html>")
    named(tmp_path, b"", report=report)
    one, alike = (
        fastq[0].encode(),
        b"".join(b"@%d\n%b\n+\n%b\n" % (i, b"ACGT" * 37 + b"AC", b"F" * 150) for i in range(9)),
    )
    for reads in (one, alike):  # a report of reads of one length has no range to divide
        named(tmp_path, reads, report=report)


@pytest.mark.parametrize(
    ("content", "options", "complaint"),
    [
        (b"\x89PNG\r\n\x1a\n", {}, "not FASTA or FASTQ"),
        (b"@a\nACGT\n+\nFF", {}, "ends in the middle of its first read"),
        (b">p\nMKLVE\n", {}, "no nucleotide"),
        (b">p\nMKVADGHWRSTNMKVADGHWRSTN\n", {}, "read 1 is less than half A, C, G, T or N"),
        (b">p\nACGT\n>q\n" + b"MKVADGHWRS" * 2 + b"\n", {}, "read 2 is less than half A, C, G, T or N"),
        (b"@a\nACGT\nCCGT\n+\nFFFF\nFFFF\n", {}, "one line of bases and one of qualities"),
        (b"", {"method": "serach"}, "did you mean 'search'"),
        (b"", {"min_confidence": 2}, "from 0 to 1"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(tmp_path, content, options, complaint):
    with pytest.raises(DnakitError, match=complaint) as caught:
        named(tmp_path, content, **options)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["reads"]


ADAPTER = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCAC"


def sequenced(read, kind):
    """A record of FASTQ as sequencers write it: letters and qualities."""
    good = "F" * len(read)
    return {
        "adapter": (read + ADAPTER, good + "F" * len(ADAPTER)),
        "low quality end": (read[:140] + "A" * 40, "F" * 140 + "#" * 40),
        "unknown bases": (read[:50] + "N" * 5 + read[55:], good[:50] + "#" * 5 + good[55:]),
        "poly-G end": (read[:150] + "G" * 30, "F" * 150 + "#" * 30),
        "lower case": (read.lower(), good),
        "no bases": ("", ""),
        "all unknown": ("N" * 100, "#" * 100),
        "all of low quality": (read, "!" * len(read)),
    }[kind]


NAMED = ("adapter", "low quality end", "unknown bases", "poly-G end", "lower case")
UNKNOWN = ("no bases", "all unknown", "all of low quality")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_reads_are_named_as_sequencers_write_them(tmp_path, end):
    table = reference("simulated").table()
    truth, lines = {}, []
    for row in range(0, len(table), 30):
        read = table["sequence"][row][200:380].decode()
        for kind in NAMED + UNKNOWN:
            letters, qualities = sequenced(read, kind)
            name = f"{kind.replace(' ', '-')}-{row}"
            truth[name] = table["family"][row] if kind in NAMED else None
            lines += [f"@{name} 1:N:0:ACGT+TTGA", letters, "+", qualities]
    found = named(tmp_path, (end.join(lines) + end).encode(), wide=True)
    assert len(found) == len(truth) + 1
    for line in found[1:]:
        columns = line.split("\t")
        if truth[columns[0]] is None:
            assert columns[1] == "Unassigned"
        else:
            assert columns[7] == truth[columns[0]], columns[0]


@pytest.mark.parametrize(
    "content",
    [
        b"name,sequence\na,ACGT\n",
        b"<!doctype html><title>404</title>",
        b"@SQ\tSN:chr1\tLN:248956422\nr1\t0\tchr1\t1\t60\t4M\t*\t0\t0\tACGT\tFFFF\n",
        b"##fileformat=VCFv4.2\n#CHROM\tPOS\n",
        b"BAM\x01\x00\x00\x00\x00",
        gzip.compress(b"@a\nACGT\n+\nFFFF\n" * 500, mtime=0)[:60],
        b"@a\nACGT\n+\nFFF\n",
        b"@a\nACGT\nFFFF\n",
        b"\x00" * 300,
    ],
)
def test_what_is_no_reads_is_one_line_and_nothing_is_written(tmp_path, content):
    with pytest.raises(DnakitError) as caught:
        named(tmp_path, content)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["reads"]


def test_what_is_no_reads_is_refused_before_the_reference_is_prepared(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "left_out", pytest.fail)
    with pytest.raises(DnakitError, match=r"nothere\.fastq"):
        command.classify(str(tmp_path / "nothere.fastq"), "simulated")


def test_an_unknown_reference_names_the_known_ones(tmp_path):
    with pytest.raises(DnakitError, match="mitohelper-2025-11"):
        command.classify("x", "mitohlper")


def test_a_users_own_reference_with_sintax_headers_works(tmp_path, fastq):
    text, table = fastq
    own = tmp_path / "own.fa"
    lines = []
    for name, row in table.iterrows():
        taxa = ",".join(f"{rank[0]}:{row[rank]}" for rank in RANKS).replace(" ", "_")
        lines.append(f">{name};tax={taxa};\n{row['sequence'].decode()}\n")
    own.write_text("".join(lines))
    path, output = tmp_path / "r.fq", tmp_path / "o.tsv"
    path.write_text(text)
    command.classify(str(path), str(own), output=output)
    theirs = output.read_text()
    command.classify(str(path), "simulated", output=output)
    assert theirs == output.read_text()


def test_a_reference_without_an_order_in_the_middle_still_names_the_species(tmp_path, fastq):
    text, table = fastq
    without = table["family"] == table["family"].iloc[0]
    lines = []
    for name, row in table.iterrows():
        taxa = [f"{rank[0]}:{'' if rank == 'order' and without[name] else row[rank]}" for rank in RANKS]
        lines.append(f">{name};tax={','.join(taxa).replace(' ', '_')};\n{row['sequence'].decode()}\n")
    own, path, output = tmp_path / "own.fa", tmp_path / "r.fq", tmp_path / "o.tsv"
    own.write_text("".join(lines))
    path.write_text(text)
    named = {}
    for source in ("simulated", str(own)):
        command.classify(str(path), source, output=output)
        named[source] = dict(line.split("\t")[:2] for line in output.read_text().splitlines()[1:])
    taxa = [(taxon, named[str(own)][name]) for name, taxon in named["simulated"].items()]
    gaps = [(known, found) for known, found in taxa if ";o__;f__" in found]
    assert any(";s__" in found for _, found in gaps)
    assert all(found.split(";")[4:] == known.split(";")[4:] for known, found in gaps)


def test_a_family_in_place_of_a_genus_names_no_genus(tmp_path, fastq):
    text, table = fastq
    odd = table["genus"] == table["genus"].iloc[0]
    family = table["family"].iloc[0]
    lines = []
    for name, row in table.iterrows():
        genus, species = (f"{family}idae", "") if odd[name] else (row["genus"], row["species"])
        taxa = [*(f"{rank[0]}:{row[rank]}" for rank in RANKS[:-2]), f"g:{genus}", f"s:{species}"]
        lines.append(f">{name};tax={','.join(taxa).replace(' ', '_')};\n{row['sequence'].decode()}\n")
    own, path, output = tmp_path / "own.fa", tmp_path / "r.fq", tmp_path / "o.tsv"
    own.write_text("".join(lines))
    path.write_text(text)
    for wide in (False, True):
        command.classify(str(path), str(own), output=output, wide=wide)
        found = {line.split("\t")[0]: line.split("\t") for line in output.read_text().splitlines()[1:]}
        assert f"{family}idae" not in output.read_text()
        assert any(odd.get(name) and columns[1].endswith(f";f__{family}") for name, columns in found.items())
        assert any(";g__" in columns[1] for columns in found.values())


@pytest.mark.slow
def test_names_of_any_letters_come_out_of_any_surroundings_and_a_closed_pipe_is_silent():
    run = "from dnakit.cli import main; main()"
    command = [sys.executable, "-c", run, "classify", "-", "--reference", "simulated"]
    latin = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, input=">caf\u00e9\nACGT\n".encode(), capture_output=True, env=latin)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines()[1].startswith("caf\u00e9\t")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, input=b">a\nACGT\n", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.slow
def test_the_command_reads_standard_input_and_fails_with_2(fastq):
    run = [sys.executable, "-c", "from dnakit.cli import main; main()", "classify", "-", "--reference", "simulated"]
    done = subprocess.run(run, input=fastq[0], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == HEADER
    assert len(done.stdout.splitlines()) == len(fastq[0].splitlines()) // 4 + 1
    done = subprocess.run(run, input="no reads", capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("dnakit: standard input: not FASTA or FASTQ")
    assert done.stderr.count("\n") == 1


def test_records_that_the_taxonomy_does_not_know_are_told_each_time(tmp_path, fastq, capsys):
    _, table = fastq
    own, taxa, reads = tmp_path / "own.fa", tmp_path / "own.tsv", tmp_path / "reads.fa"
    own.write_text("".join(f">{name}\n{row['sequence'].decode()}\n" for name, row in table.iterrows()) + ">odd\nACGT\n")
    taxa.write_text("".join(f"{name}\t{taxon_of(row)}\n" for name, row in table.iterrows()))
    reads.write_text(">a\nACGT\n")
    for _ in range(2):
        command.classify(str(reads), str(own), str(taxa), output=tmp_path / "out.tsv")
        said = capsys.readouterr().err
        assert f"dnakit: 1 of {len(table) + 1:,} records of own.fa are left out" in said
        assert "'odd'" in said
    taxa.write_text(f"{table.index[0]}-x\t{taxon_of(table.iloc[0])}\n")
    with pytest.raises(DnakitError, match=r"own\.tsv: knows no record of own\.fa"):
        command.classify(str(reads), str(own), str(taxa), output=tmp_path / "none.tsv")
    assert not (tmp_path / "none.tsv").exists()


def test_a_taxonomy_without_records_of_ones_own_is_one_line(tmp_path):
    with pytest.raises(DnakitError, match="the name of the taxonomy table is empty"):
        reference(str(tmp_path), "")
    with pytest.raises(DnakitError, match="give their file with --reference, not 'simulated'"):
        reference("simulated", str(tmp_path / "taxa.tsv"))


def test_names_never_replace_the_reads(tmp_path, fastq):
    path = tmp_path / "reads.fq"
    path.write_text(fastq[0])
    link = tmp_path / "link.fq"
    link.symlink_to(path)
    for given in ({"output": path}, {"output": link}, {"report": path.with_suffix(".html"), "output": path}):
        with pytest.raises(DnakitError, match="are one file"):
            command.classify(str(path), "simulated", **given)
    with pytest.raises(DnakitError, match="--output and --report are one file"):
        command.classify(str(path), "simulated", output=tmp_path / "x.html", report=tmp_path / "x.html")
    with pytest.raises(DnakitError, match="--reference and --output are one file"):
        command.classify("-", str(path), output=path)
    with pytest.raises(DnakitError, match="--taxonomy and --output are one file"):
        command.classify("-", "own.fa", str(path), output=path)
    assert path.read_text() == fastq[0]


def test_records_that_are_too_short_or_not_named_are_told(tmp_path, fastq, capsys):
    _, table = fastq
    own, taxa, reads = tmp_path / "own.fa", tmp_path / "own.tsv", tmp_path / "reads.fa"
    records = {name: row["sequence"].decode() for name, row in table.iterrows()}
    taxon = {name: taxon_of(row) for name, row in table.iterrows()}
    records |= {"short1": "ACGT" * 24, "short2": "ACGT", "high": "ACGT" * 40}
    taxon |= {"short1": taxon_of(table.iloc[0]), "short2": taxon_of(table.iloc[1]), "high": "d__Eukaryota;f__NA;g__NA"}
    own.write_text("".join(f">{name}\n{letters}\n" for name, letters in records.items()))
    taxa.write_text("".join(f"{name}\t{taxon[name]}\n" for name in records))
    reads.write_text(">a\nACGT\n")
    command.classify(str(reads), str(own), str(taxa), output=tmp_path / "out.tsv")
    assert capsys.readouterr().err == (
        f"dnakit: 3 of {len(records)} records of the reference are left out: 2 shorter than 100 bases, such as "
        "'short1'; 1 without a genus or family, such as 'high'\n"
    )
    own.write_text(">short1\nACGT\n>high\n" + "ACGT" * 40 + "\n")
    with pytest.raises(DnakitError, match="of 2: 1 shorter than 100 bases, such as 'short1'; 1 without a genus or"):
        command.classify(str(reads), str(own), str(taxa), output=tmp_path / "none.tsv")
    assert not (tmp_path / "none.tsv").exists()


def test_a_folder_in_place_of_a_file_is_refused_before_a_read_is_named(tmp_path):
    with pytest.raises(DnakitError, match="is a folder: give the name of a file in it"):
        command.classify("absent.fq", "simulated", output=tmp_path)


def test_a_report_that_could_not_be_written_is_refused_before_a_read_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DnakitError, match=r"page.html: cannot be written: Not a directory"):
        command.classify("absent.fq", "simulated", report=tmp_path / "file" / "page.html")


@pytest.mark.parametrize("share", [0, 0.5, None])
@pytest.mark.parametrize("name", ["index.npz", "calibration.npz", "ranks.csv", "left_out.json"])
def test_a_damaged_index_is_one_line_that_says_what_to_do(tmp_path, fastq, name, share):
    (tmp_path / "reads.fq").write_text(fastq[0])
    file = classifier._folder(reference("simulated"), "search") / name
    content = file.read_bytes()
    file.unlink() if share is None else file.write_bytes(content[: int(share * len(content))])
    says = rf"^{file.parent} is damaged \([^\n]+\): delete this folder, and run the same again$"
    with pytest.raises(DnakitError, match=says):
        command.classify(str(tmp_path / "reads.fq"), "simulated", output=tmp_path / "after.tsv")
    file.write_bytes(content)
    assert not (tmp_path / "after.tsv").exists()


def test_a_link_is_followed_to_the_table_that_it_names(tmp_path, fastq):
    real, link = tmp_path / "real.tsv", tmp_path / "link.tsv"
    real.write_text("old")
    link.symlink_to("real.tsv")
    (tmp_path / "reads.fq").write_text(fastq[0])
    command.classify(str(tmp_path / "reads.fq"), "simulated", output=link)
    assert link.is_symlink()
    assert real.read_text().startswith(HEADER)
