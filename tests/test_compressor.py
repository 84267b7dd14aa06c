"""Bits of a general compressor on copies, on noise and on relatives."""

import numpy as np

from dnakit.chapters.pretraining.compressor import AFTER, ALONE, xz_bits


def random_genome(length: int, seed: int) -> bytes:
    return np.random.default_rng(seed).choice(np.frombuffer(b"ACGT", np.uint8), length).tobytes()


def test_xz_pays_little_for_what_it_has_seen_and_two_bits_for_noise():
    train, new = random_genome(30_000, 1), random_genome(10_000, 2)
    bits = xz_bits([train], {"copy": train[5_000:15_000] + b"NNN", "fresh": new})
    assert bits.bases.tolist() == [10_000, 10_000]
    per_base = bits.div(bits.bases, axis=0)
    assert per_base.loc["copy", AFTER] < 0.1
    assert per_base[ALONE].between(2, 2.7).all()
    assert 2 <= per_base.loc["fresh", AFTER] < 2.7


def test_relatives_among_the_held_out_genomes_do_not_help():
    train, new = random_genome(5_000, 3), random_genome(5_000, 4)
    assert xz_bits([train], {"one": new, "twin": new}).loc["twin"].equals(xz_bits([train], {"twin": new}).loc["twin"])


def test_a_genome_without_known_bases_has_none():
    assert xz_bits([b"ACGT"], {"unknown": b"NN"}).loc["unknown", "bases"] == 0
