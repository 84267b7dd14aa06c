"""Properties of the simulated nuclear world."""

import itertools
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dnakit.chapters.tss import windows as promoters
from dnakit.chapters.tss.windows import Windows
from dnakit.data import bases, formats
from dnakit.data.simulate import nuclear

LETTERS = "abc"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("nuclear")
    nuclear.write(path)
    return path


@pytest.fixture(scope="module")
def raw(folder) -> dict[str, list[str]]:
    """The chromosomes as written, with their case."""
    texts = {letter: (folder / f"nuclear-{letter}.fa").read_text() for letter in LETTERS}
    return {letter: ["".join(part.split("\n")[1:]) for part in text.split(">")[1:]] for letter, text in texts.items()}


@pytest.fixture(scope="module")
def windows(folder) -> dict[str, Windows]:
    return {
        letter: promoters.cut(folder / f"nuclear-{letter}.fa", folder / f"nuclear-{letter}-promoters.bed", 300, 301)
        for letter in LETTERS
    }


def test_the_files_are_the_same_again_and_others_with_another_seed(folder, tmp_path):
    nuclear.write(tmp_path)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([f"nuclear-{x}.fa" for x in LETTERS] + [f"nuclear-{x}-promoters.bed" for x in LETTERS])
    assert all((tmp_path / name).read_bytes() == (folder / name).read_bytes() for name in names)
    one, other = (nuclear.simulate(nuclear.ORGANISMS[2], seed)[0][0].sequence for seed in (0, 1))
    assert np.mean(np.frombuffer(one, np.uint8) == np.frombuffer(other, np.uint8)) < 0.5


def test_chromosomes_and_promoters_have_their_sizes_and_say_that_they_are_invented(folder):
    for organism in nuclear.ORGANISMS:
        name = organism.letter.lower()
        records = list(formats.read_fasta(folder / f"nuclear-{name}.fa"))
        assert tuple(len(record.sequence) for record in records) == organism.lengths
        rows = list(formats.read_bed(folder / f"nuclear-{name}-promoters.bed"))
        assert len(rows) == len({row.name for row in rows}) == organism.promoters
        assert {row.chrom for row in rows} == {record.name for record in records}
        assert all(record.name.startswith("sim") and record.description == "simulated" for record in records)
        assert {row.end - row.start for row in rows} == {60}


def test_promoters_lie_on_both_strands_and_most_have_full_windows(folder):
    for organism in nuclear.ORGANISMS:
        name = f"nuclear-{organism.letter.lower()}"
        full = promoters.cut(folder / f"{name}.fa", folder / f"{name}-promoters.bed")
        assert len(full) + full.cut_off == organism.promoters
        assert len(full) > 0.95 * organism.promoters
        assert 0 < full.ambiguous < 0.25 * len(full)
        assert abs(full.strands.count("+") - len(full) / 2) < 4 * np.sqrt(len(full) / 4)


@pytest.mark.parametrize("letter", LETTERS)
def test_motifs_lie_where_biology_puts_them(windows, letter):
    shares = next(organism.shares for organism in nuclear.ORGANISMS if organism.letter.lower() == letter)
    text = [sequence.decode() for sequence in windows[letter].sequences]
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
    columns = np.array([list(sequence) for sequence in windows[letter].sequences])
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
            assert len(gaps) >= 4
            assert set(chromosome) == set("ACGTNacgt")


def seeds(chromosomes: list[str], lower: bool, k: int = 14) -> list[str]:
    pieces = re.findall("[acgt]+" if lower else "[ACGT]+", "N".join(chromosomes))
    return [piece[i : i + k].upper() for piece in pieces for i in range(len(piece) - k + 1)]


def test_repeats_recur_and_the_background_does_not(raw):
    """Among 1.2 M words of 14 bases less than one in a hundred has a double by chance (4^14 = 268 M)."""
    recurring = {}
    for lower in (True, False):
        words = Counter(seeds(raw["b"], lower))
        recurring[lower] = sum(count for count in words.values() if count > 1) / words.total()
    assert recurring[True] > 0.3
    assert recurring[False] < 0.03


def test_the_background_avoids_cpg_and_promoters_of_the_near_organisms_do_not(raw, windows):
    def observed_over_expected(text: str) -> float:
        return text.count("CG") * len(text) / (text.count("C") * text.count("G"))

    for letter in LETTERS:
        background = "".join(re.findall("[ACGT]+", "".join(raw[letter])))
        assert observed_over_expected(background) < 0.5
        if letter != "c":
            core = "".join(sequence.decode() for sequence in windows[letter].narrowed(100, 0).sequences)
            assert observed_over_expected(core) > 0.7


def test_the_strands_of_the_background_are_alike(raw):
    """Words are as frequent as their reverse complements, so that the strand shows at promoters alone."""
    for letter in LETTERS:
        text = "N".join(re.findall("[ACGT]+", "N".join(raw[letter])))
        for word in map("".join, itertools.product("ACGT", repeat=3)):
            counts = [text.count(w) for w in (word, bases.reverse_complement(word.encode()).decode())]
            assert abs(counts[0] - counts[1]) < 0.04 * sum(counts)


def test_relatedness_falls_from_b_to_c(raw):
    repeats = {letter: set(seeds(raw[letter][:2], True)) for letter in LETTERS}
    shared = {letter: len(repeats["a"] & repeats[letter]) / len(repeats[letter]) for letter in "bc"}
    assert shared["b"] > 2 * shared["c"]
    words = ["".join(word) for word in itertools.product("ACGT", repeat=4)]
    spectrum = {}
    for letter in LETTERS:
        text = "N".join(re.findall("[ACGT]+", "N".join(raw[letter][:2])))
        counts = np.array([text.count(word) for word in words])
        spectrum[letter] = counts / counts.sum()
    distance = {letter: np.abs(spectrum["a"] - spectrum[letter]).sum() for letter in "bc"}
    assert 2 * distance["b"] < distance["c"]
