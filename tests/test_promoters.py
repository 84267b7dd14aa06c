"""Properties of promoter windows and of what is no promoter."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnakit.chapters.tss import windows as promoters
from dnakit.chapters.tss.windows import Windows
from dnakit.data import sources
from dnakit.data.bases import reverse_complement
from dnakit.data.formats import Record, read_fasta, write_fasta
from dnakit.project import DnakitError

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


def write(folder: Path, chromosomes: dict[str, bytes], rows: list[str]) -> tuple[Path, Path]:
    genome, bed = folder / "genome.fa", folder / "promoters.bed"
    write_fasta(genome, (Record(name, "", sequence) for name, sequence in chromosomes.items()))
    bed.write_text("".join(rows))
    return genome, bed


def refusal(function, *arguments: object) -> str:
    with pytest.raises(DnakitError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- cutting


@pytest.mark.parametrize("row", [single, epdnew])
def test_a_window_has_the_tss_at_its_index_on_both_strands(tmp_path, row):
    before, after = dna(np.random.default_rng(1), 80), b"GATTACA" * 12
    plus = before + after
    minus = reverse_complement(plus)
    genome, bed = write(
        tmp_path, {"p": plus, "m": minus}, [row("p", 80, "forward", "+"), row("m", len(minus) - 1 - 80, "back", "-")]
    )
    windows = promoters.cut(genome, bed, 70, 60)
    assert windows.sequences == [before[-70:] + after[:60]] * 2
    assert (windows.tss, windows.names, windows.chromosomes, windows.strands) == (
        70,
        ["forward", "back"],
        ["p", "m"],
        ["+", "-"],
    )


def test_the_default_window_is_the_thesiss(tmp_path):
    sequence = dna(np.random.default_rng(2), 10_000)
    genome, bed = write(tmp_path, {"c": sequence}, [single("c", 4999, "fits", "+"), single("c", 5000, "fits not", "+")])
    windows = promoters.cut(genome, bed)
    assert windows.sequences == [sequence]
    assert (windows.tss, windows.cut_off) == (4999, 1)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), upstream=st.integers(1, 60), downstream=st.integers(1, 60))
def test_a_genome_turned_round_gives_the_same_windows(tmp_path_factory, seed, upstream, downstream):
    rng = np.random.default_rng(seed)
    chromosomes = {f"c{i}": dna(rng, int(rng.integers(150, 300))) for i in range(3)}
    sites = [("c0", 75, "-")]
    for _ in range(12):
        name = f"c{rng.integers(3)}"
        sites.append((name, int(rng.integers(50, len(chromosomes[name]) - 50)), str(rng.choice(["+", "-"]))))
    turned = {name: reverse_complement(sequence) for name, sequence in reversed(chromosomes.items())}
    mirrored = [(name, len(turned[name]) - 1 - tss, "-" if strand == "+" else "+") for name, tss, strand in sites]
    cuts = []
    for genome, positions in [(chromosomes, sites), (turned, mirrored)]:
        for row in (single, epdnew):
            rows = [row(name, tss, f"n{i}", strand) for i, (name, tss, strand) in enumerate(positions)]
            windows = promoters.cut(*write(tmp_path_factory.mktemp("turned"), genome, rows), upstream, downstream)
            assert {len(sequence) for sequence in windows.sequences} == {upstream + downstream}
            cuts.append((windows.sequences, windows.names, windows.cut_off))
    assert all(one == cuts[0] for one in cuts)
    assert len(cuts[0][0]) + cuts[0][2] == len(sites)


def test_windows_come_in_the_order_of_the_bed_file_and_from_several_files(tmp_path):
    rng = np.random.default_rng(3)
    chromosomes = {name: dna(rng, 100) for name in "abc"}
    _, bed = write(tmp_path, chromosomes, [single(c, p, f"{c}{p}", "+") for p in (50, 20) for c in "cab"])
    genomes = [tmp_path / f"{name}.fa" for name in "abc"]
    for path, (name, sequence) in zip(genomes, chromosomes.items(), strict=True):
        write_fasta(path, [Record(name, "", sequence)])
    windows = promoters.cut(genomes, bed, 5, 10)
    assert windows.names == ["c50", "a50", "b50", "c20", "a20", "b20"]
    assert windows.sequences == [chromosomes[n[0]][int(n[1:]) - 5 : int(n[1:]) + 10] for n in windows.names]


def test_what_is_left_out_is_counted_and_unknown_letters_are_kept(tmp_path):
    sequence = b"ACGT" * 10 + b"N" + b"ACGT" * 10
    rows = [single("c", tss, str(tss), "+") for tss in (3, 20, 40, 78)] + [single("other", 5, "o", "-")]
    windows = promoters.cut(*write(tmp_path, {"c": sequence}, rows), 10, 10)
    assert windows.names == ["20", "40"]
    assert (windows.cut_off, windows.elsewhere, windows.ambiguous) == (2, 1, 1)


def test_only_sequences_with_promoters_are_read_as_dna(tmp_path):
    genome, bed = write(tmp_path, {"c": b"ACGT" * 10}, [single("c", 20, "x", "+")])
    genome.write_text(genome.read_text() + ">chrUn\nLLLL\n")
    assert len(promoters.cut(genome, bed, 5, 5)) == 1
    assert "'chrUn'" in refusal(lambda: list(read_fasta(genome)))


def test_names_that_differ_are_both_named(tmp_path):
    message = refusal(promoters.cut, *write(tmp_path, {"I": b"ACGT" * 10}, [single("chrI", 20, "x", "+")]), 5, 5)
    assert "'chrI'" in message
    assert "'I'" in message


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        ([single("c", 60, "a", "+"), epdnew("c", 70, "b", "-")], "mixed"),
        ([epdnew("c", 70, "a", "-"), single("c", 60, "b", "+")], "mixed"),
        (["c\t60\t61\tx\t1\t.\n"], "strand"),
        (["c\t60\t120\tx\t1\t+\n"], "neither"),
        (["c\t10\t110\tx\t1\t+\t20\t90\n"], "neither"),
        (["c\t60\t60\tx\t1\t+\n"], "neither"),
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
    windows = promoters.load(f"{path}@20")
    assert windows.sequences == [record.sequence for record in records]
    assert windows.names == [record.name for record in records]
    narrow = promoters.load(f"{path}@20", 5, 7)
    assert narrow.tss == 5
    assert narrow.sequences == [record.sequence[15:27] for record in records]


def test_own_windows_must_be_of_one_length_around_their_tss(tmp_path):
    path = tmp_path / "mine.fa"
    write_fasta(path, [Record("a", "", b"ACGT"), Record("b", "", b"ACGTA")])
    assert "'b'" in refusal(promoters.load, f"{path}@2")
    write_fasta(path, [Record("a", "", b"ACGT")])
    for tss in (0, 4):
        assert str(tss) in refusal(promoters.load, f"{path}@{tss}")


@pytest.mark.parametrize("name", ["", "atlantis", "mine.fa", "mine.fa@", "mine.fa@x", "absent.fa@20"])
def test_what_is_no_organism_is_refused(name):
    assert repr(name.removesuffix("@20")) in refusal(promoters.load, name)


def test_every_organism_has_its_sources_and_the_thesiss_nine_come_first():
    known = sources.registry()
    assert list(promoters.ORGANISMS)[:9] == list(promoters.TABLE_5_2)
    for name, organism in promoters.ORGANISMS.items():
        assert promoters.organism(name) == organism
        assert {*organism.genomes, organism.promoters} <= set(known)
        assert (organism.tss is None) == bool(organism.genomes)
        assert all(known[genome].simulated == known[organism.promoters].simulated for genome in organism.genomes)
    for organism in promoters.TABLE_5_2.values():
        assert known[organism.promoters].url
        assert known[organism.promoters].assembly == organism.genomes[0]


# ---- what is no promoter


@pytest.fixture(scope="module")
def genome(tmp_path_factory) -> tuple[Path, Path]:
    """Two chromosomes, one twice as long, with a gap of N and lone unknown letters; a promoter on each."""
    rng = np.random.default_rng(5)
    one = bytearray(dna(rng, 60_000))
    one[20_000:22_000] = b"N" * 2_000
    one[50_000] = ord("R")
    chromosomes = {"one": bytes(one), "two": dna(rng, 30_000), "no promoters here": dna(rng, 50)}
    chromosomes["three"] = chromosomes.pop("no promoters here")
    rows = [single("one", 35_000, "a", "+"), single("two", 1_000, "b", "-"), single("two", 99_000, "beyond", "-")]
    return write(tmp_path_factory.mktemp("genome"), chromosomes, rows)


def test_random_positions_are_full_known_and_far_from_promoters_and_lie_where_they_say(genome):
    chromosomes = {record.name: record.sequence for record in read_fasta(genome[0])}
    windows = promoters.random_positions(*genome, 300, 1, 300, 200)
    assert len(windows) == 300
    assert windows.ambiguous == 0
    for name, sequence in zip(windows.names, windows.sequences, strict=True):
        chromosome, position, strand = name.split(":")
        tss = int(position)
        around = chromosomes[chromosome][tss - 300 : tss + 200]
        if strand == "-":
            around = reverse_complement(chromosomes[chromosome][tss - 199 : tss + 301])
        assert sequence == around
        assert abs(tss - {"one": 35_000, "two": 1_000}[chromosome]) > promoters.FAR


def test_random_positions_are_uniform_over_positions_and_strands(genome):
    count = 4_000
    windows = promoters.random_positions(*genome, count, 2, 300, 200)
    free = {
        "one": [(300, 19_700), (22_300, 29_999), (40_001, 49_700), (50_301, 59_700)],
        "two": [(6_001, 29_700)],
    }
    total = sum(end - start for stretches in free.values() for start, end in stretches)
    positions = [(name.split(":")[0], int(name.split(":")[1])) for name in windows.names]
    seen = 0
    for chromosome, stretches in free.items():
        for start, end in stretches:
            hits = sum(c == chromosome and start <= p < end for c, p in positions)
            share = (end - start) / total
            assert abs(hits - count * share) < 4 * np.sqrt(count * share * (1 - share))
            seen += hits
    assert seen == count
    assert abs(windows.strands.count("+") - count / 2) < 4 * np.sqrt(count / 4)


def test_random_positions_are_the_same_again_and_others_with_another_seed(genome):
    one = promoters.random_positions(*genome, 50, 1, 30, 20)
    assert promoters.random_positions(*genome, 50, 1, 30, 20) == one
    assert len(set(promoters.random_positions(*genome, 50, 2, 30, 20).names) & set(one.names)) < 5


def test_a_genome_without_room_is_refused(genome):
    assert "no position" in refusal(promoters.random_positions, *genome, 5, 1, 40_000, 40_000)


def test_shuffling_keeps_the_bases_of_each_half_and_nothing_of_their_order():
    rng = np.random.default_rng(6)
    windows = Windows([b"A" * 400 + b"C" * 600, dna(rng, 1_000)], 400, ["a", "b"], ["c"] * 2, ["+"] * 2)
    shuffled = promoters.shuffled(windows, 1)
    assert shuffled.sequences[0] == windows.sequences[0]
    for before, after in zip(windows.sequences, shuffled.sequences, strict=True):
        assert sorted(after[:400]) == sorted(before[:400])
        assert sorted(after[400:]) == sorted(before[400:])
    same = sum(a == b for a, b in zip(windows.sequences[1], shuffled.sequences[1], strict=True))
    assert abs(same - 250) < 4 * np.sqrt(1000 * 0.25 * 0.75)
    assert (shuffled.names, shuffled.tss) == (windows.names, 400)
    assert promoters.shuffled(windows, 1) == shuffled
    assert promoters.shuffled(windows, 2) != shuffled


def test_random_dna_has_its_composition_and_no_memory():
    composition = (0.4, 0.1, 0.2, 0.3)
    windows = promoters.random_dna(20, 5_000, 2_000, 1, composition)
    letters = np.frombuffer(b"".join(windows.sequences), dtype=np.uint8)
    n = len(letters)
    assert (len(windows), n, windows.tss) == (20, 100_000, 2_000)
    for base, share in zip(b"ACGT", composition, strict=True):
        assert abs((letters == base).sum() - n * share) < 4 * np.sqrt(n * share * (1 - share))
        pairs = ((letters[1:] == base) & (letters[:-1] == base)).sum()
        assert abs(pairs - n * share**2) < 6 * np.sqrt(n * share**2)
    assert len(set(windows.sequences)) == 20
    assert promoters.random_dna(5, 5_000, 2_000, 1, composition).sequences == windows.sequences[:5]


def test_windows_can_be_chosen_and_narrowed():
    windows = promoters.random_dna(6, 30, 10, 1)
    chosen = windows.take([4, 0])
    assert chosen.sequences == [windows.sequences[4], windows.sequences[0]]
    assert chosen.names == ["random-5", "random-1"]
    assert windows.narrowed(99, 99).sequences == windows.sequences
    assert windows.narrowed(3, 4).sequences == [sequence[7:14] for sequence in windows.sequences]


# ---- real data


@real
def test_real_yeast_promoters_cut_from_the_genome_are_epdnews_own_sequences():
    windows = promoters.load("yeast-ensembl", 200, 201)
    published = promoters.load("yeast-401bp")
    known = dict(zip(published.names, published.sequences, strict=True))
    assert len(published) == len(known) == 5_117
    assert len(windows) == len(set(windows.names)) == 5_095  # the other 22 occur more than once in the genome
    assert windows.tss == published.tss
    assert {strand: windows.strands.count(strand) for strand in "+-"} == {"+": 2_544, "-": 2_551}
    assert all(known[name] == sequence for name, sequence in zip(windows.names, windows.sequences, strict=True))


@real
@pytest.mark.parametrize(("name", "count"), [("yeast-ensembl", 5_086), ("human-slices", 548)])
def test_real_promoters_have_so_many_full_windows(name, count):
    windows = promoters.load(name)
    assert len(windows) == count
    assert {len(sequence) for sequence in windows.sequences} == {10_000}
    assert windows.tss == 4_999


@real
@pytest.mark.parametrize(("name", "count"), [("worm-401bp", 7_120), ("plasmodium-401bp", 5_597)])
def test_real_windows_of_401_bases(name, count):
    windows = promoters.load(name)
    assert len(windows) == count
    assert {len(sequence) for sequence in windows.sequences} == {401}
