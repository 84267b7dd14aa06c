"""Bits per base of a general compressor on copies and on noise."""

import math

import numpy as np

from dnakit.chapters.pretraining.compressor import xz_bits_per_base


def random_genome(length: int, seed: int) -> bytes:
    return np.random.default_rng(seed).choice(np.frombuffer(b"ACGT", np.uint8), length).tobytes()


def test_xz_pays_little_for_what_it_has_seen_and_two_bits_for_noise():
    train, new = random_genome(30_000, 1), random_genome(10_000, 2)
    copied = xz_bits_per_base([train], [train[5_000:15_000] + b"NNN"])
    fresh = xz_bits_per_base([train], [new])
    assert copied["after training"] < 0.1
    assert 2 <= copied["alone"] < 2.7
    assert 2 <= fresh["after training"] < 2.7
    assert math.isnan(xz_bits_per_base([train], [b"NN"])["alone"])
