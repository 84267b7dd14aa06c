"""Samples show the windows they say, fair ones hold no trace of the TSS, and the rule finds it where there is one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dnakit.chapters.tss import samples as tss
from dnakit.chapters.tss.samples import (
    FairSamples,
    Sample,
    ThesisSamples,
    base_errors,
    predict,
    rule,
    same_frame,
    split,
)
from dnakit.chapters.tss.windows import Windows, random_dna
from dnakit.project import DnakitError
from dnakit.tokens.tokenizer import train_tokenizer

torch.set_num_threads(1)
K, UPSTREAM, LENGTH = 6, 1_402, 3_400  # 1,402 = 233 x 6 + 4


@pytest.fixture(scope="module")
def tokenizer():
    text = random_dna(1, 1_200_000, 1, 9).sequences[0].decode()
    return train_tokenizer([text], 1_500, K)


@pytest.fixture(scope="module")
def windows():
    return random_dna(300, LENGTH, UPSTREAM, 1)


def spelled(tokenizer, tokens):
    return "".join(tokenizer.convert_ids_to_tokens(tokens.tolist())).encode()


@pytest.mark.parametrize("kind", [ThesisSamples, FairSamples])
def test_samples_show_the_window_around_its_tss(kind, windows, tokenizer):
    samples = kind(windows, tokenizer, 1, 0)
    for number, sample in enumerate(samples):
        window = windows.sequences[samples.order[number]]
        before = len(spelled(tokenizer, sample.tokens[: sample.label])) + sample.offset
        text = spelled(tokenizer, sample.tokens)
        assert window[UPSTREAM - before :].startswith(text)
        assert 0 <= sample.label <= 200
        assert len(sample.tokens) == 254
        assert sample.offset < len(spelled(tokenizer, sample.tokens[sample.label :][:1]))


def test_the_thesis_tokenizes_each_half_from_its_first_base(windows, tokenizer):
    samples = ThesisSamples(windows, tokenizer, 1, 0)
    for number, sample in enumerate(samples):
        window = windows.sequences[samples.order[number]]
        before, after = tokenizer.encode_sequence(window[:UPSTREAM]), tokenizer.encode_sequence(window[UPSTREAM:])
        assert np.array_equal(sample.tokens[: sample.label], before[len(before) - sample.label :])
        assert np.array_equal(sample.tokens[sample.label :], after[: 254 - sample.label])
        assert sample.offset == 0


def test_the_number_of_tokens_before_the_tss_is_uniform(windows, tokenizer):
    labels = [sample.label for sample in ThesisSamples(windows, tokenizer, 2, 0, count=6_000)]
    counts = np.bincount(labels, minlength=201)
    assert len(counts) == 201
    assert ((counts - 6_000 / 201) ** 2 / (6_000 / 201)).sum() < 201 + 5 * np.sqrt(2 * 201)


def test_fair_words_run_across_the_tss_in_every_phase(windows, tokenizer):
    samples = FairSamples(windows, tokenizer, 3, 0, count=1_200)
    phases = []
    for number, sample in enumerate(samples):
        window = windows.sequences[samples.order[number % len(windows)]]
        start = UPSTREAM - len(spelled(tokenizer, sample.tokens[: sample.label])) - sample.offset
        end = start + len(spelled(tokenizer, sample.tokens))
        # In one phase, and only there for most samples, the stretch encodes as seen but for the cut words at its ends.
        fits = []
        for phase in range(K):
            first = start + (phase - start) % K
            whole = tokenizer.encode_sequence(window[first : end - (end - first) % K])
            seen = tokenizer.convert_ids_to_tokens(sample.tokens.tolist())
            begins = start + np.cumsum([0, *map(len, seen)])[:-1]
            fits.append(np.array_equal(whole, sample.tokens[(begins >= first) & (begins < end - (end - first) % K)]))
        assert any(fits)
        if sum(fits) == 1:
            phases.append((UPSTREAM - fits.index(True)) % K)
    counts = np.bincount(phases, minlength=K)
    assert counts.sum() > 1_000
    assert np.abs(counts - counts.sum() / K).max() < 5 * np.sqrt(counts.sum() / K)


def test_the_end_of_a_short_window_does_not_tell_where_the_tss_is(tokenizer):
    short = random_dna(1_500, 401, 200, 2)
    samples = list(FairSamples(short, tokenizer, 1, 0))
    label = np.array([sample.label for sample in samples])
    after = np.array([len(sample.tokens) for sample in samples]) - label
    assert (label <= 70).all()
    assert after.min() == 1
    assert after.std() > 10
    assert abs(np.corrcoef(label, after)[0, 1]) < 4 / np.sqrt(len(samples))


def test_short_windows_are_padded(tokenizer):
    item = ThesisSamples(random_dna(3, 401, 200, 2), tokenizer, 1, 0)[0]
    assert item["input_ids"].shape == item["attention_mask"].shape == (256,)
    shown = int(item["attention_mask"].sum())
    assert 0 < int(item["labels"]) < shown < 256
    assert item["input_ids"][0] == 0
    assert item["input_ids"][shown - 1] == 2
    assert (item["input_ids"][shown:] == 1).all()


def test_draws_follow_from_seed_epoch_and_number(windows, tokenizer):
    def labels(epoch=0, **choices):
        samples = ThesisSamples(windows, tokenizer, **({"seed": 1, "stream": 0, "count": 50} | choices))
        samples.epoch = epoch
        return [samples.draw(number).label for number in reversed(range(50))]

    assert labels() == labels()
    assert len({tuple(each) for each in (labels(), labels(1), labels(seed=2), labels(stream=1))}) == 4


def test_a_window_that_is_not_redrawn_is_always_shown_alike(windows, tokenizer):
    samples = ThesisSamples(windows, tokenizer, 1, 0, redraw=False)
    first = list(samples)
    samples.epoch = 3
    assert all(np.array_equal(a.tokens, b.tokens) for a, b in zip(first, samples, strict=True))


def test_all_windows_come_before_one_comes_again(windows, tokenizer):
    samples = ThesisSamples(windows.take(range(20)), tokenizer, 1, 0, count=8)
    seen = []
    for epoch in range(5):
        samples.epoch = epoch
        seen += [
            spelled(tokenizer, samples.draw(number).tokens[samples.draw(number).label :])[:50] for number in range(8)
        ]
    assert len(set(seen[:20])) == len(set(seen[20:])) == 20


# ---- the rule


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
    text = random_dna(1, 3_000_000, 1, 9).sequences[0].decode()
    nine = train_tokenizer([text], 4_000, 9)
    exact = {}
    for before in (4_999, 4_995):
        shown = list(ThesisSamples(random_dna(400, before + 2_400, before, 5), nine, 1, 0))
        found = rule([sample.tokens for sample in shown], nine, before % 9)
        off = np.abs(found - [sample.label for sample in shown])
        exact[before] = np.mean(off == 0)
    assert exact[4_999] > 0.85
    assert exact[4_995] < 0.05


# ---- splits, errors, answers


def test_short_windows_keep_the_frame():
    short = random_dna(2, 401, 200, 1)
    cut = same_frame(short, 4_999, 9)
    assert (cut.tss % 9, cut.tss) == (4_999 % 9, 193)
    assert cut.sequences[0][cut.tss :] == short.sequences[0][200:]
    assert same_frame(random_dna(1, 10_000, 4_999, 1), 4_995, 9).tss == 4_995


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


def test_errors_count_bases_to_the_nearest_of_the_token():
    lengths = np.array([0, 0, 0, 0, 0, 3, 5])
    sample = Sample(np.array([5, 6, 5, 6]), 2, 1)  # begins 0, 3, 8, 11; the TSS is base 9
    assert base_errors([sample] * 4, np.arange(4), lengths).tolist() == [7, 2, 0, 2]


def test_an_answer_is_a_token_of_the_sample():
    class Model(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, input_ids, attention_mask):
            scores = torch.where(input_ids == 7, 5.0, 1.0)
            return SimpleNamespace(logits=torch.where(input_ids < 5, 9.0, scores))

    inputs = [np.array([5, 6, 7, 8]), np.array([7, 5]), np.array([5, 5, 5, 5, 5, 7])]
    assert predict(Model(), inputs, 2, bf16=False).tolist() == [2, 0, 5]


def test_only_words_have_a_frame():
    with pytest.raises(DnakitError, match="k-mer words"):
        tss.word_length(train_tokenizer(["ACGT" * 20], 20, None))
