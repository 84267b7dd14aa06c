"""The rule finds the seam between halves that were tokenized apart, in any DNA, and nothing where there is none."""

import numpy as np
import pytest

from dnakit.chapters.tss.rule import possible_boundaries, rule
from dnakit.chapters.tss.samples import FairSamples, ThesisSamples
from dnakit.chapters.tss.windows import same_frame
from dnakit.data.windows import random_dna
from dnakit.tokens.tokenizer import train_tokenizer

K, UPSTREAM, LENGTH = 6, 1_402, 3_400  # 1,402 = 233 x 6 + 4


@pytest.fixture(scope="module")
def tokenizer():
    text = random_dna(1, 300_000, 1, 9).sequences[0].decode()
    return train_tokenizer([text], 1_500, K)


@pytest.fixture(scope="module")
def windows():
    return random_dna(300, LENGTH, UPSTREAM, 1)


def spelled(tokenizer, tokens):
    return "".join(tokenizer.convert_ids_to_tokens(tokens.tolist())).encode()


def test_the_rule_finds_the_seam_and_nothing_else(windows, tokenizer):
    def share(samples, remainder, near=0):
        shown = list(samples)
        found = rule([sample.tokens for sample in shown], tokenizer, remainder)
        return np.mean(np.abs(found - [sample.label for sample in shown]) <= near)

    seam = ThesisSamples(windows, tokenizer, 1, 0, count=600)
    assert share(seam, UPSTREAM % K) > 0.8
    assert share(seam, UPSTREAM % K, near=4) > 0.97
    seamless = ThesisSamples(same_frame(windows, 1_398, K), tokenizer, 1, 0, count=600)
    assert share(seamless, 0) < 0.05
    assert share(FairSamples(windows, tokenizer, 1, 0, count=600), UPSTREAM % K) < 0.05


def test_the_seam_may_lie_after_200_tokens_and_not_after_more(windows, tokenizer):
    halves = [
        tokenizer.encode_sequence(half) for half in (windows.sequences[0][:UPSTREAM], windows.sequences[0][UPSTREAM:])
    ]
    for before, possible in ((200, True), (201, False)):
        shown = np.concatenate([halves[0][-before:], halves[1]])[:254]
        assert possible_boundaries([shown], tokenizer, UPSTREAM % K)[0, before] == possible


def test_what_the_rule_answers_encodes_as_seen(windows, tokenizer):
    shown = list(ThesisSamples(windows.take(range(40)), tokenizer, 1, 0))
    for sample, at in zip(shown, rule([sample.tokens for sample in shown], tokenizer, 4), strict=True):
        after = spelled(tokenizer, sample.tokens[at:])
        again = tokenizer.encode_sequence(after[: len(after) // K * K])
        assert np.array_equal(again, sample.tokens[at : at + len(again)])
        before = spelled(tokenizer, sample.tokens[:at])
        if len(before) >= K + 4:
            cut = (len(before) - 4) % K
            again = tokenizer.encode_sequence(before[cut:])
            assert np.array_equal(again, sample.tokens[at - len(again) : at])


def test_the_rule_on_the_real_nine_mers_of_random_dna():
    """About nine in ten exactly, nearly all within two tokens, none to speak of without a remainder."""
    text = random_dna(1, 300_000, 1, 9).sequences[0].decode()
    nine = train_tokenizer([text], 1_500, 9)
    exact = {}
    for before in (4_999, 4_995):
        shown = list(ThesisSamples(random_dna(300, before + 2_400, before, 5), nine, 1, 0))
        found = rule([sample.tokens for sample in shown], nine, before % 9)
        off = np.abs(found - [sample.label for sample in shown])
        exact[before] = np.mean(off == 0)
    assert exact[4_999] > 0.85
    assert exact[4_995] < 0.05
