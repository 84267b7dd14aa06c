"""Properties of genome windows, of those elsewhere in a genome, and of those of no genome."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnakit.data import windows as genome_windows
from dnakit.data.bases import reverse_complement
from dnakit.data.formats import Record, read_fasta, write_fasta
from dnakit.data.windows import Site, Windows
from dnakit.project import DnakitError


def dna(rng: np.random.Generator, length: int) -> bytes:
    return rng.choice(np.frombuffer(b"ACGT", dtype=np.uint8), length).tobytes()


def write(folder: Path, chromosomes: dict[str, bytes]) -> list[Path]:
    write_fasta(folder / "genome.fa", (Record(name, "", sequence) for name, sequence in chromosomes.items()))
    return [folder / "genome.fa"]


def refusal(function, *arguments: object) -> str:
    with pytest.raises(DnakitError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- cutting


def test_a_window_has_its_site_at_its_index_on_both_strands(tmp_path):
    before, after = dna(np.random.default_rng(1), 80), b"GATTACA" * 12
    plus = before + after
    minus = reverse_complement(plus)
    genome = write(tmp_path, {"p": plus, "m": minus})
    sites = [Site("p", 80, "+", "forward"), Site("m", len(minus) - 1 - 80, "-", "back")]
    windows = genome_windows.cut(genome, sites, 70, 60)
    assert windows.sequences == [before[-70:] + after[:60]] * 2
    assert (windows.site, windows.names, windows.chromosomes, windows.strands) == (
        70,
        ["forward", "back"],
        ["p", "m"],
        ["+", "-"],
    )


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), upstream=st.integers(1, 60), downstream=st.integers(1, 60))
def test_a_genome_turned_round_gives_the_same_windows(tmp_path_factory, seed, upstream, downstream):
    rng = np.random.default_rng(seed)
    chromosomes = {f"c{i}": dna(rng, int(rng.integers(150, 300))) for i in range(3)}
    sites = [Site("c0", 75, "-", "first")]
    for number in range(12):
        name = f"c{rng.integers(3)}"
        position, strand = int(rng.integers(50, len(chromosomes[name]) - 50)), str(rng.choice(["+", "-"]))
        sites.append(Site(name, position, strand, f"n{number}"))
    turned = {name: reverse_complement(sequence) for name, sequence in reversed(chromosomes.items())}
    mirrored = [
        site._replace(position=len(turned[site.chromosome]) - 1 - site.position, strand="+-"[site.strand == "+"])
        for site in sites
    ]
    cuts = [
        genome_windows.cut(write(tmp_path_factory.mktemp("turned"), genome), places, upstream, downstream)
        for genome, places in [(chromosomes, sites), (turned, mirrored)]
    ]
    assert {len(sequence) for sequence in cuts[0].sequences} == {upstream + downstream}
    assert (cuts[0].sequences, cuts[0].names, cuts[0].cut_off) == (cuts[1].sequences, cuts[1].names, cuts[1].cut_off)
    assert len(cuts[0]) + cuts[0].cut_off == len(sites)


def test_windows_come_in_the_order_of_the_sites_and_from_several_files(tmp_path):
    rng = np.random.default_rng(3)
    chromosomes = {name: dna(rng, 100) for name in "abc"}
    sites = [Site(c, p, "+", f"{c}{p}") for p in (50, 20) for c in "cab"]
    genomes = [tmp_path / f"{name}.fa" for name in "abc"]
    for path, (name, sequence) in zip(genomes, chromosomes.items(), strict=True):
        write_fasta(path, [Record(name, "", sequence)])
    windows = genome_windows.cut(genomes, sites, 5, 10)
    assert windows.names == ["c50", "a50", "b50", "c20", "a20", "b20"]
    assert windows.sequences == [chromosomes[n[0]][int(n[1:]) - 5 : int(n[1:]) + 10] for n in windows.names]


def test_what_is_left_out_is_counted_and_unknown_letters_are_kept(tmp_path):
    sequence = b"ACGT" * 10 + b"N" + b"ACGT" * 10
    sites = [Site("c", position, "+", str(position)) for position in (3, 20, 40, 78)] + [Site("other", 5, "-", "o")]
    windows = genome_windows.cut(write(tmp_path, {"c": sequence}), sites, 10, 10)
    assert windows.names == ["20", "40"]
    assert (windows.cut_off, windows.elsewhere) == (2, 1)
    assert windows.take([1]).left_out.startswith("sites whose window runs off the end of the sequence: 2")
    assert windows.left_out.endswith("sites whose sequence the genome does not hold: 1")
    assert [b"N" in each for each in windows.sequences] == [False, True]


def test_only_sequences_with_sites_are_read_as_dna(tmp_path):
    (genome,) = write(tmp_path, {"c": b"ACGT" * 10})
    genome.write_text(genome.read_text() + ">chrUn\nLLLL\n")
    assert len(genome_windows.cut([genome], [Site("c", 20, "+", "x")], 5, 5)) == 1
    assert "'chrUn'" in refusal(lambda: list(read_fasta(genome)))


def test_names_that_differ_are_both_named(tmp_path):
    genome = write(tmp_path, {"I": b"ACGT" * 10})
    message = refusal(genome_windows.cut, genome, [Site("chrI", 20, "+", "x")], 5, 5)
    assert "'chrI'" in message
    assert "'I'" in message


# ---- elsewhere, and of no genome


@pytest.fixture(scope="module")
def genome(tmp_path_factory) -> tuple[list[Path], list[Site]]:
    """Two chromosomes, one twice as long, with a gap of N and lone unknown letters; a site on each."""
    rng = np.random.default_rng(5)
    one = bytearray(dna(rng, 60_000))
    one[20_000:22_000] = b"N" * 2_000
    one[50_000] = ord("R")
    chromosomes = {"one": bytes(one), "two": dna(rng, 30_000), "three": dna(rng, 50)}
    sites = [Site("one", 35_000, "+", "a"), Site("two", 1_000, "-", "b"), Site("two", 99_000, "-", "beyond")]
    return write(tmp_path_factory.mktemp("genome"), chromosomes), sites


def test_random_positions_are_full_known_and_far_from_sites_and_lie_where_they_say(genome):
    chromosomes = {record.name: record.sequence for record in read_fasta(genome[0][0])}
    windows = genome_windows.random_positions(*genome, 300, 1, 300, 200)
    assert len(windows) == 300
    assert set(b"".join(windows.sequences)) == set(b"ACGT")
    for name, sequence in zip(windows.names, windows.sequences, strict=True):
        chromosome, position, strand = name.split(":")
        tss = int(position)
        around = chromosomes[chromosome][tss - 300 : tss + 200]
        if strand == "-":
            around = reverse_complement(chromosomes[chromosome][tss - 199 : tss + 301])
        assert sequence == around
        assert abs(tss - {"one": 35_000, "two": 1_000}[chromosome]) > genome_windows.FAR


def test_random_positions_are_uniform_over_positions_and_strands(genome):
    count = 4_000
    windows = genome_windows.random_positions(*genome, count, 2, 300, 200)
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


def test_a_random_position_may_lie_5001_bases_from_a_site_and_no_nearer(tmp_path):
    write_fasta(tmp_path / "g.fa", [Record("one", "", dna(np.random.default_rng(1), 12_000))])
    windows = genome_windows.random_positions([tmp_path / "g.fa"], [Site("one", 6_000, "+", "a")], 40_000, 1, 1, 1)
    assert {int(name.split(":")[1]) for name in windows.names} == {*range(1, 1_000), *range(11_001, 11_999)}


def test_random_positions_are_the_same_again_and_others_with_another_seed(genome):
    one = genome_windows.random_positions(*genome, 50, 1, 30, 20)
    assert genome_windows.random_positions(*genome, 50, 1, 30, 20) == one
    assert len(set(genome_windows.random_positions(*genome, 50, 2, 30, 20).names) & set(one.names)) < 5


def test_a_genome_without_room_is_refused(genome):
    assert "no position" in refusal(genome_windows.random_positions, *genome, 5, 1, 40_000, 40_000)


def test_shuffling_keeps_the_bases_of_each_half_and_nothing_of_their_order():
    rng = np.random.default_rng(6)
    windows = Windows([b"A" * 400 + b"C" * 600, dna(rng, 1_000)], 400, ["a", "b"], ["c"] * 2, ["+"] * 2)
    shuffled = genome_windows.shuffled(windows, 1)
    assert shuffled.sequences[0] == windows.sequences[0]
    for before, after in zip(windows.sequences, shuffled.sequences, strict=True):
        assert sorted(after[:400]) == sorted(before[:400])
        assert sorted(after[400:]) == sorted(before[400:])
    same = sum(a == b for a, b in zip(windows.sequences[1], shuffled.sequences[1], strict=True))
    assert abs(same - 250) < 4 * np.sqrt(1000 * 0.25 * 0.75)
    assert (shuffled.names, shuffled.site) == (windows.names, 400)
    assert genome_windows.shuffled(windows, 1) == shuffled
    assert genome_windows.shuffled(windows, 2) != shuffled


def test_random_dna_has_its_composition_and_no_memory():
    composition = (0.4, 0.1, 0.2, 0.3)
    windows = genome_windows.random_dna(20, 5_000, 2_000, 1, composition)
    letters = np.frombuffer(b"".join(windows.sequences), dtype=np.uint8)
    n = len(letters)
    assert (len(windows), n, windows.site) == (20, 100_000, 2_000)
    for base, share in zip(b"ACGT", composition, strict=True):
        assert abs((letters == base).sum() - n * share) < 4 * np.sqrt(n * share * (1 - share))
        pairs = ((letters[1:] == base) & (letters[:-1] == base)).sum()
        assert abs(pairs - n * share**2) < 6 * np.sqrt(n * share**2)
    assert len(set(windows.sequences)) == 20
    assert genome_windows.random_dna(5, 5_000, 2_000, 1, composition).sequences == windows.sequences[:5]


def test_windows_can_be_chosen_and_narrowed():
    windows = genome_windows.random_dna(6, 30, 10, 1)
    chosen = windows.take([4, 0])
    assert chosen.sequences == [windows.sequences[4], windows.sequences[0]]
    assert chosen.names == ["random-5", "random-1"]
    assert windows.narrowed(99, 99).sequences == windows.sequences
    assert windows.narrowed(3, 4).sequences == [sequence[7:14] for sequence in windows.sequences]
