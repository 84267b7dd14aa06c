"""Codes, k-mers as numbers, the opposite strand, and substitutions."""

import numpy as np
import pytest
from Bio.Seq import Seq
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from dnakit.data import bases
from dnakit.project import DnakitError

dna = st.text("ACGT", min_size=1, max_size=300).map(str.encode)
iupac = st.text("ACGTRYSWKMBDHVN", max_size=300).map(str.encode)


# ---- codes


@given(iupac)
def test_codes_give_the_known_bases_back_and_n_for_the_others(sequence):
    expected = bytes(letter if letter in b"ACGT" else ord("N") for letter in sequence)
    assert bases.letters(bases.codes(sequence)) == expected
    assert np.array_equal(bases.codes(sequence.lower()), bases.codes(sequence))
    assert np.array_equal(bases.codes(sequence.replace(b"T", b"U")), bases.codes(sequence))


@given(dna)
def test_the_complement_of_a_code_is_three_less_it(sequence):
    assert np.array_equal(3 - bases.codes(sequence)[::-1], bases.codes(bases.reverse_complement(sequence)))


# ---- k-mers


@given(iupac, st.integers(1, 12))
def test_words_concatenate_to_the_sequence(sequence, k):
    words = bases.kmers(sequence, k)
    assert b"".join(words) == sequence
    assert all(len(word) == k for word in words[:-1])
    assert all(1 <= len(word) <= k for word in words)


def test_words_without_letters_are_refused():
    with pytest.raises(DnakitError, match="at least 1"):
        bases.kmers(b"ACGT", 0)


@given(st.integers(1, 31), st.integers(0, 2**32))
def test_a_kmer_is_its_letters_read_as_digits(k, seed):
    word = np.random.default_rng(seed).integers(0, 5, k).astype(np.uint8)
    text = "".join(map(str, word))
    assert int(bases.kmer_numbers(word)) == (-1 if "4" in text else int(text, 4))
    if k <= 27:
        assert int(bases.kmer_numbers(word, digits=5)) == int(text, 5)


@pytest.mark.parametrize("k", [1, 4, 7, 8, 15, 16, 31])
@pytest.mark.parametrize("base", range(4))
def test_numbers_go_from_zero_to_the_last_without_overflow(k, base):
    word = np.full(k, base, np.uint8)
    assert int(bases.kmer_numbers(word)) == base * (4**k - 1) // 3


@given(iupac.filter(lambda sequence: len(sequence) >= 12), st.integers(1, 12))
def test_all_ways_to_lay_out_kmers_number_them_alike(sequence, k):
    codes = bases.codes(sequence)
    overlapping = bases.kmer_numbers(sliding_window_view(codes, k))
    assert np.array_equal(
        bases.kmer_numbers(codes[: len(codes) // k * k].reshape(-1, k)), overlapping[::k][: len(codes) // k]
    )
    places = np.arange(len(overlapping))[::-1]
    assert np.array_equal(bases.kmer_numbers(codes[places[:, None] + np.arange(k)]), overlapping[::-1])
    two = np.stack([codes, codes])
    assert np.array_equal(bases.kmer_numbers(sliding_window_view(two, k, axis=-1)), np.stack([overlapping] * 2))


@given(st.integers(1, 10), st.integers(0, 2**32))
def test_numbers_give_their_kmers_back(k, seed):
    numbers = np.random.default_rng(seed).integers(0, 4**k, 50)
    assert np.array_equal(bases.kmer_numbers(bases.kmer_codes(numbers, k)), numbers)


def test_numbers_order_kmers_as_the_alphabet_does():
    words = [letters.encode() for letters in ("AAA", "AAC", "ACA", "CAA", "GTT", "TTT")]
    numbers = [int(bases.kmer_numbers(bases.codes(word))) for word in words]
    assert numbers == sorted(numbers)
    assert (numbers[0], numbers[-1]) == (0, 63)


def test_kmers_too_long_for_a_number_are_refused_and_none_are_none():
    for k, digits in ((32, 4), (28, 5)):
        with pytest.raises(DnakitError, match=f"{k} bases are too long"):
            bases.kmer_numbers(np.zeros((3, k), np.uint8), digits)
    assert len(bases.kmer_numbers(np.zeros((0, 9), np.uint8))) == 0


# ---- a strand


@given(iupac)
def test_reverse_complement_is_an_involution_and_equals_biopython(sequence):
    opposite = bases.reverse_complement(sequence)
    assert bases.reverse_complement(opposite) == sequence
    assert opposite == bytes(Seq(sequence).reverse_complement())


@given(iupac, iupac)
def test_reverse_complement_reverses_a_concatenation(left, right):
    opposite = bases.reverse_complement
    assert opposite(left + right) == opposite(right) + opposite(left)


@pytest.mark.parametrize("rate", [0.0, 0.005, 0.05, 0.5, 1.0])
def test_mutation_happens_at_its_rate_and_to_each_other_base_alike(rate):
    n = 100_000
    rng = np.random.default_rng(1)
    before = rng.choice(np.frombuffer(b"ACGT", dtype=np.uint8), n)
    after = np.frombuffer(bases.mutate(before.tobytes(), rate, rng), dtype=np.uint8)
    hits = np.flatnonzero(before != after)
    assert abs(len(hits) - n * rate) <= 4 * np.sqrt(n * rate * (1 - rate))
    for base in b"ACGT":
        changed = after[hits][before[hits] == base]
        counts = np.array([(changed == other).sum() for other in b"ACGT" if other != base])
        assert counts.sum() == len(changed)
        assert np.all(np.abs(counts - len(changed) / 3) <= 4 * np.sqrt(len(changed) * 2 / 9))


@given(iupac, st.integers(0, 99))
def test_mutation_leaves_ambiguity_letters_and_length(sequence, seed):
    mutated = bases.mutate(sequence, 1.0, np.random.default_rng(seed))
    assert len(mutated) == len(sequence)
    assert all((a == b) == (a not in b"ACGT") for a, b in zip(sequence, mutated, strict=True))
    assert mutated == bases.mutate(sequence, 1.0, np.random.default_rng(seed))


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_rates_that_are_no_probabilities_are_refused(rate):
    with pytest.raises(DnakitError, match="between 0 and 1"):
        bases.mutate(b"ACGT", rate, np.random.default_rng(0))
