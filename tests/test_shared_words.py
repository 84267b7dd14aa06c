"""Shared 31-mers: what relatives leave, counted beside a plain set of words."""

import numpy as np
import pytest

from dnakit.chapters.pretraining.shared_words import shared_words


@pytest.fixture
def genomes():
    rng = np.random.default_rng(3)
    return ["".join(rng.choice(list("ACGT"), 900)).encode() for _ in range(4)]


def test_shares_are_those_of_plain_sets_of_words(genomes):
    def words(genome):
        return {genome[at : at + 31] for at in range(len(genome) - 30) if b"N" not in genome[at : at + 31]}

    child = genomes[0][:400] + b"N" + genomes[3][401:] + genomes[1][100:200]
    shares = shared_words(genomes[:2], [*genomes, child])
    known = words(genomes[0]) | words(genomes[1])
    expected = [len(words(each) & known) / len(words(each)) for each in (*genomes, child)]
    assert shares == pytest.approx(expected)
    assert shares[:4].tolist() == [1, 1, 0, 0]


def test_a_genome_without_words_has_no_share_and_no_training_shares_nothing(genomes):
    shares = shared_words(genomes[:1], [b"ACGT", b"N" * 50])
    assert np.isnan(shares).all()
    assert shared_words([], genomes).tolist() == [0, 0, 0, 0]


def test_a_substitution_costs_31_words(genomes):
    changed = bytearray(genomes[0])
    changed[450] = {65: 67}.get(changed[450], 65)
    assert shared_words(genomes[:1], [bytes(changed)])[0] == pytest.approx(1 - 31 / 870)
