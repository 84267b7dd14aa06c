"""Properties of promoter windows: the files they come from, and their splits."""

import os
from pathlib import Path

import numpy as np
import pytest

from dnakit.chapters.tss import windows as promoters
from dnakit.chapters.tss.organisms import ORGANISMS, TABLE_5_2, organism
from dnakit.chapters.tss.starts import read_sites
from dnakit.chapters.tss.windows import same_frame, split
from dnakit.data import sources
from dnakit.data.formats import Record, write_fasta
from dnakit.data.windows import Windows, random_dna
from dnakit.project import DnakitError

THESIS = 4_999, 5_001  # bases before the TSS, and from it on
real = pytest.mark.skipif("DNAKIT_MIRROR" not in os.environ, reason="needs the real files: DNAKIT_MIRROR is not set")


def dna(rng: np.random.Generator, length: int) -> bytes:
    return rng.choice(np.frombuffer(b"ACGT", dtype=np.uint8), length).tobytes()


def single(chromosome: str, tss: int, name: str, strand: str) -> str:
    return f"{chromosome}\t{tss}\t{tss + 1}\t{name}\t1\t{strand}\n"


def epdnew(chromosome: str, tss: int, name: str, strand: str) -> str:
    """A row as EPDnew writes it: -49 to +10, the TSS and what follows it thick."""
    start, end, thick = (tss - 49, tss + 11, (tss, tss + 11)) if strand == "+" else (tss - 10, tss + 50, None)
    thick = thick or (tss - 10, tss + 1)
    return f"{chromosome} {start} {end} {name} 900 {strand} {thick[0]} {thick[1]}\n"


def write(folder: Path, chromosomes: dict[str, bytes], rows: list[str]) -> tuple[list[Path], Path]:
    genome, bed = folder / "genome.fa", folder / "promoters.bed"
    write_fasta(genome, (Record(name, "", sequence) for name, sequence in chromosomes.items()))
    bed.write_text("".join(rows))
    return [genome], bed


def refusal(function, *arguments: object) -> str:
    with pytest.raises(DnakitError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- files of promoters


@pytest.mark.parametrize("row", [single, epdnew])
@pytest.mark.parametrize("strand", ["+", "-"])
def test_the_tss_is_read_from_both_forms_of_a_bed_file(tmp_path, row, strand):
    _, bed = write(tmp_path, {}, [row("c", 80, "name", strand)])
    assert read_sites(bed) == [("c", 80, strand, "name")]


def test_a_promoter_has_a_window_where_the_genome_holds_all_of_it(tmp_path):
    sequence = dna(np.random.default_rng(2), 10_000)
    genome, bed = write(tmp_path, {"c": sequence}, [single("c", 4999, "fits", "+"), single("c", 5000, "fits not", "+")])
    windows = promoters.cut(genome, bed, *THESIS)
    assert windows.sequences == [sequence]
    assert (windows.site, windows.cut_off) == (4999, 1)


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        ([single("c", 60, "a", "+"), epdnew("c", 70, "b", "-")], "mixed"),
        ([epdnew("c", 70, "a", "-"), single("c", 60, "b", "+")], "mixed"),
        (["c\t60\t61\tx\t1\t.\n"], "strand"),
        (["c\t60\t120\tx\t1\t+\n"], "neither"),
        (["c\t10\t110\tx\t1\t+\t20\t90\n"], "neither"),
        (["c\t60\t60\tx\t1\t+\n"], "neither"),
        (["c\t60\t120\tx\t1\t-\t60\t60\n"], "neither"),
        (["c\t60\t120\tx\t1\t+\t120\t120\n"], "neither"),
        ([single("c", 10, "a", "+")], "no promoter has 50 bases before"),
    ],
)
def test_bed_files_of_another_kind_are_refused(tmp_path, rows, part):
    genome, bed = write(tmp_path, {"c": b"ACGT" * 50}, rows)
    message = refusal(promoters.cut, genome, bed, 50, 50)
    assert part in message
    assert str(bed) in message


# ---- windows from a file of sequences


def test_own_windows_are_named_with_the_index_of_their_tss(tmp_path):
    path = tmp_path / "mine.fa"
    rng = np.random.default_rng(4)
    records = [Record(f"p{i}", "", dna(rng, 61)) for i in range(5)]
    write_fasta(path, records)
    windows = promoters.load(organism(f"{path}@20"), *THESIS)
    assert windows.sequences == [record.sequence for record in records]
    assert windows.names == [record.name for record in records]
    narrow = promoters.load(organism(f"{path}@20"), 5, 7)
    assert narrow.site == 5
    assert narrow.sequences == [record.sequence[15:27] for record in records]


def test_own_windows_must_be_of_one_length_around_their_tss(tmp_path):
    path = tmp_path / "mine.fa"
    write_fasta(path, [Record("a", "", b"ACGT"), Record("b", "", b"ACGTA")])
    assert "'b'" in refusal(promoters.read_windows, path, 2)
    write_fasta(path, [Record("a", "", b"ACGT")])
    for tss in (0, 4):
        assert str(tss) in refusal(promoters.read_windows, path, tss)


@pytest.mark.parametrize("name", ["", "atlantis", "mine.fa", "mine.fa@", "mine.fa@x", "absent.fa@20"])
def test_what_is_no_organism_is_refused(name):
    assert repr(name.removesuffix("@20")) in refusal(lambda: promoters.load(organism(name), *THESIS))


def test_every_organism_has_its_sources_and_the_thesiss_nine_come_first():
    known = sources.registry()
    assert list(ORGANISMS)[:9] == list(TABLE_5_2)
    for name, each in ORGANISMS.items():
        assert organism(name) == each
        assert {*each.genomes, each.promoters} <= set(known)
        assert (each.tss is None) == bool(each.genomes)
        assert all(known[genome].simulated == known[each.promoters].simulated for genome in each.genomes)
    for each in TABLE_5_2.values():
        assert known[each.promoters].url
        assert known[each.promoters].assembly == each.genomes[0]


# ---- which windows


def test_short_windows_keep_the_frame():
    short = random_dna(2, 401, 200, 1)
    cut = same_frame(short, 4_999, 9)
    assert (cut.site % 9, cut.site) == (4_999 % 9, 193)
    assert cut.sequences[0][cut.site :] == short.sequences[0][200:]
    assert same_frame(random_dna(1, 10_000, 4_999, 1), 4_995, 9).site == 4_995


@pytest.mark.parametrize("how", ["random", "chromosome"])
def test_splits_are_disjoint_and_complete(how):
    windows = random_dna(200, 30, 10, 1)
    chromosomes = np.repeat(["I", "II", "III", "IV"], [120, 40, 22, 18])
    windows = Windows(windows.sequences, 10, windows.names, chromosomes.tolist(), windows.strands)
    parts = split(windows, how, 1)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(200))
    if how == "chromosome":
        assert {part: set(chromosomes[rows]) for part, rows in parts.items()} == {
            "train": {"I", "II"},
            "validation": {"IV"},
            "test": {"III"},
        }
    else:
        assert [len(parts[part]) for part in ("train", "validation", "test")] == [162, 18, 20]


def test_a_split_by_chromosome_needs_three():
    windows = random_dna(20, 30, 10, 1)
    two = Windows(windows.sequences, 10, windows.names, ["I", "II"] * 10, windows.strands)
    with pytest.raises(DnakitError, match="at least three, not of I, II"):
        split(two, "chromosome", 1)
    nameless = Windows(windows.sequences, 10, windows.names, [""] * 20, windows.strands)
    with pytest.raises(DnakitError, match="set fair_split: random"):
        split(nameless, "chromosome", 1)
    with pytest.raises(DnakitError, match="leave none for"):
        split(random_dna(3, 30, 10, 1), "random", 1)


# ---- real data


@real
def test_real_yeast_promoters_cut_from_the_genome_are_epdnews_own_sequences():
    windows = promoters.load(organism("yeast-ensembl"), 200, 201)
    published = promoters.load(organism("yeast-401bp"), *THESIS)
    known = dict(zip(published.names, published.sequences, strict=True))
    assert len(published) == len(known) == 5_117
    assert len(windows) == len(set(windows.names)) == 5_095  # the other 22 occur more than once in the genome
    assert windows.site == published.site
    assert {strand: windows.strands.count(strand) for strand in "+-"} == {"+": 2_544, "-": 2_551}
    assert all(known[name] == sequence for name, sequence in zip(windows.names, windows.sequences, strict=True))


@real
@pytest.mark.parametrize(("name", "count"), [("yeast-ensembl", 5_086), ("human-slices", 548)])
def test_real_promoters_have_so_many_full_windows(name, count):
    windows = promoters.load(organism(name), *THESIS)
    assert len(windows) == count
    assert {len(sequence) for sequence in windows.sequences} == {10_000}
    assert windows.site == 4_999


@real
@pytest.mark.parametrize(("name", "count"), [("worm-401bp", 7_120), ("plasmodium-401bp", 5_597)])
def test_real_windows_of_401_bases(name, count):
    windows = promoters.load(organism(name), *THESIS)
    assert len(windows) == count
    assert {len(sequence) for sequence in windows.sequences} == {401}


@real
def test_in_a_random_split_many_human_test_promoters_lie_near_a_training_promoter():
    """On the same strand within 1,000 bp: a reason why the thesis's test accuracy is too high (section 4.2.2)."""
    windows = promoters.load(organism("human-slices"), *THESIS)
    parts = split(windows, "random", 1)
    bed = organism("human-slices").paths()[1]
    positions = {site.name: site for site in read_sites(bed)}
    train, test = ([positions[windows.names[row]] for row in parts[part]] for part in ("train", "test"))
    near = [
        any(
            (one.chromosome, one.strand) == (other.chromosome, other.strand)
            and abs(one.position - other.position) <= 1_000
            for other in train
        )
        for one in test
    ]
    assert len(near) == 55
    assert 0.3 < np.mean(near) < 0.5
