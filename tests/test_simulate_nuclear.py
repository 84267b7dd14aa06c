"""Properties of the simulated nuclear world."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from dnakit.data import bases, formats
from dnakit.data.simulate import nuclear

pytestmark = pytest.mark.slow

LETTERS = "abc"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("nuclear")
    nuclear.write(path)
    return path


def cut(folder: Path, letter: str, upstream: int, downstream: int) -> list[tuple[bytes, str]]:
    """Full windows around the TSS of EPDnew's rows, 5' to 3', each with its strand."""
    chromosomes = {record.name: record.sequence for record in formats.read_fasta(folder / f"nuclear-{letter}.fa")}
    windows = []
    for row in formats.read_bed(folder / f"nuclear-{letter}-promoters.bed"):
        sequence, tss = chromosomes[row.chrom], row.thick_start
        if row.strand == "-":
            sequence, tss = bases.reverse_complement(sequence), len(sequence) - row.thick_end
        if upstream <= tss <= len(sequence) - downstream:
            windows.append((sequence[tss - upstream : tss + downstream], row.strand))
    return windows


@pytest.fixture(scope="module")
def raw(folder) -> dict[str, list[str]]:
    """The chromosomes as written, with their case."""
    texts = {letter: (folder / f"nuclear-{letter}.fa").read_text() for letter in LETTERS}
    return {letter: ["".join(part.split("\n")[1:]) for part in text.split(">")[1:]] for letter, text in texts.items()}


@pytest.fixture(scope="module")
def windows(folder) -> dict[str, list[str]]:
    """300 bases before each TSS, and 301 from it on."""
    return {letter: [window.decode() for window, _ in cut(folder, letter, 300, 301)] for letter in LETTERS}


def test_the_files_are_the_same_again_and_others_with_another_seed(folder, tmp_path):
    nuclear.write(tmp_path)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([f"nuclear-{x}.fa" for x in LETTERS] + [f"nuclear-{x}-promoters.bed" for x in LETTERS])
    assert all((tmp_path / name).read_bytes() == (folder / name).read_bytes() for name in names)
    one, other = (nuclear.simulate(nuclear.SPECIES[2], seed)[0][0].sequence for seed in (0, 1))
    assert np.mean(np.frombuffer(one, np.uint8) == np.frombuffer(other, np.uint8)) < 0.5


def test_chromosomes_and_promoters_have_their_sizes_and_say_that_they_are_invented(folder):
    for species in nuclear.SPECIES:
        name = species.letter.lower()
        records = list(formats.read_fasta(folder / f"nuclear-{name}.fa"))
        assert tuple(len(record.sequence) for record in records) == species.lengths
        rows = list(formats.read_bed(folder / f"nuclear-{name}-promoters.bed"))
        assert len(rows) == len({row.name for row in rows}) == species.promoters
        assert {row.chrom for row in rows} == {record.name for record in records}
        assert all(record.name.startswith("sim") and record.description == "simulated" for record in records)
        assert {row.end - row.start for row in rows} == {60}


def test_promoters_lie_on_both_strands_and_most_have_full_windows(folder):
    for species in nuclear.SPECIES:
        full = cut(folder, species.letter.lower(), 4_999, 5_001)
        assert len(full) > 0.95 * species.promoters
        assert 0 < sum(b"N" in window for window, _ in full) < 0.4 * len(full)
        plus = sum(strand == "+" for _, strand in full)
        assert abs(plus - len(full) / 2) < 4 * np.sqrt(len(full) / 4)


def test_chapters_2_and_3_find_room(folder):
    """Pieces for pretraining with a chromosome apart, chromosomes to split by, places far from every promoter."""
    records = list(formats.read_fasta(folder / "nuclear-a.fa"))
    assert [record.name for record in records] == [f"simA{number}" for number in range(1, 7)]
    pieces = [len(record.sequence) // 16_668 for record in records]
    assert sum(pieces[:-1]) >= 16
    assert pieces[-1] >= 4
    rows = list(formats.read_bed(folder / "nuclear-a-promoters.bed"))
    for record in records:
        known = np.isin(np.frombuffer(record.sequence, np.uint8), list(b"ACGT"))
        for row in rows:
            if row.chrom == record.name:
                known[row.thick_start] = False
        total = np.cumsum(known)
        assert (total[10_001:] - total[:-10_001] == 10_001).sum() > 5_000


@pytest.mark.parametrize("letter", LETTERS)
def test_motifs_lie_where_biology_puts_them(windows, letter):
    shares = next(species.shares for species in nuclear.SPECIES if species.letter.lower() == letter)
    text = windows[letter]
    n = len(text)
    whole = (1 - nuclear.NOISE) ** 7
    at_tss = sum(bool(re.match("[CT][CT]A.[AT][CT][CT]", sequence[298:])) for sequence in text) / n
    assert abs(at_tss - shares["Inr"] * whole) < 4 * np.sqrt(0.25 / n)
    starts = Counter(m.start() - 300 for sequence in text for m in re.finditer("(?=TATA[AT]A[AT])", sequence))
    inside = sum(starts[i] for i in range(-32, -27))
    assert abs(inside / n - shares["TATA"] * whole) < 4 * np.sqrt(shares["TATA"] / n)
    elsewhere = sum(count for start, count in starts.items() if not -32 <= start <= -28)
    assert inside / 5 > 5 * elsewhere / 590


@pytest.mark.parametrize("letter", LETTERS)
def test_composition_changes_at_the_tss(windows, letter):
    columns = np.array([list(sequence.encode()) for sequence in windows[letter]])
    far, before, after = (
        np.array([(columns[:, part] == base).mean() for base in b"ACGT"])
        for part in (slice(0, 30), slice(120, 265), slice(310, 455))
    )
    spread = 4 * np.sqrt(0.25 / (len(windows[letter]) * 145))
    assert np.abs(before - after).max() > 2 * spread
    assert np.abs(before - far).max() > 2 * spread
    if letter != "c":
        assert before[1] + before[2] > far[1] + far[2] + 2 * spread


def test_repeats_are_lower_case_and_gaps_are_n(raw):
    for chromosomes in raw.values():
        for chromosome in chromosomes:
            lower = sum(map(str.islower, chromosome)) / len(chromosome)
            assert nuclear.COVERAGE - 0.02 < lower < nuclear.COVERAGE + 0.02
            gaps = [match.end() - match.start() for match in re.finditer("N+", chromosome)]
            assert chromosome.startswith("N" * nuclear.END_GAP)
            assert chromosome.endswith("N" * nuclear.END_GAP)
            assert len(gaps) >= 3
            assert set(chromosome) == set("ACGTNacgt")


def seeds(chromosomes: list[str], lower: bool, k: int = 14) -> list[str]:
    pieces = re.findall("[acgt]+" if lower else "[ACGT]+", "N".join(chromosomes))
    return [piece[i : i + k].upper() for piece in pieces for i in range(len(piece) - k + 1)]


def test_repeats_recur_and_the_background_does_not(raw):
    """Among 0.4 M words of 14 bases less than one in a hundred has a double by chance (4^14 = 268 M)."""
    recurring = {}
    for lower in (True, False):
        words = Counter(seeds(raw["b"], lower))
        recurring[lower] = sum(count for count in words.values() if count > 1) / words.total()
    assert recurring[True] > 0.3
    assert recurring[False] < 0.03


def test_the_background_avoids_cpg_and_promoters_of_the_near_species_do_not(raw, windows):
    def observed_over_expected(text: str) -> float:
        return text.count("CG") * len(text) / (text.count("C") * text.count("G"))

    for letter in LETTERS:
        background = "".join(re.findall("[ACGT]+", "".join(raw[letter])))
        assert observed_over_expected(background) < 0.5
        if letter != "c":
            core = "".join(sequence[200:300] for sequence in windows[letter])
            assert observed_over_expected(core) > 0.7


def test_the_strands_of_the_background_are_alike():
    """Words are as frequent as their reverse complements, so that the strand shows at promoters alone."""
    for species in nuclear.SPECIES:
        codes = nuclear._background(nuclear._chain(species, 0), 2_000_000, np.random.default_rng(1))
        counts = np.bincount(bases.kmer_numbers(sliding_window_view(codes, 3)), minlength=64)
        words = bases.kmer_codes(np.arange(64), 3)
        opposite = counts[bases.kmer_numbers(3 - words[:, ::-1])]
        assert (np.abs(counts - opposite) < 0.03 * (counts + opposite)).all()


def test_relatedness_falls_from_b_to_c(raw):
    repeats = {letter: set(seeds(raw[letter], True)) for letter in LETTERS}
    shared = {letter: len(repeats["a"] & repeats[letter]) / len(repeats[letter]) for letter in "bc"}
    assert shared["b"] > 2 * shared["c"]
    spectrum = {}
    for letter in LETTERS:
        codes = bases.codes("N".join(re.findall("[ACGT]+", "N".join(raw[letter]))).encode())
        numbers = bases.kmer_numbers(sliding_window_view(codes, 4))
        counts = np.bincount(numbers[numbers >= 0], minlength=256)
        spectrum[letter] = counts / counts.sum()
    distance = {letter: np.abs(spectrum["a"] - spectrum[letter]).sum() for letter in "bc"}
    assert 2 * distance["b"] < distance["c"]
