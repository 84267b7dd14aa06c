"""Samples show the windows they say, and fair ones hold no trace of the TSS."""

import numpy as np
import pytest
import torch

from dnakit.chapters.tss.samples import FairSamples, ThesisSamples, word_length
from dnakit.data.windows import Windows, random_dna
from dnakit.project import DnakitError
from dnakit.tokens.tokenizer import train_tokenizer

torch.set_num_threads(1)
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
    labels = [sample.label for sample in ThesisSamples(windows, tokenizer, 2, 0, count=3_000)]
    counts = np.bincount(labels)
    assert len(counts) == 201, "0 to 200"
    assert ((counts - 3_000 / 201) ** 2 / (3_000 / 201)).sum() < 201 + 5 * np.sqrt(2 * 201)


def test_fair_words_run_across_the_tss_in_every_phase(windows, tokenizer):
    samples = FairSamples(windows, tokenizer, 3, 0, count=600)
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
    assert counts.sum() > 500
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


def test_the_window_of_a_number_is_the_one_its_sample_shows(windows, tokenizer):
    samples = ThesisSamples(windows.take(range(20)), tokenizer, 1, 0, count=50)
    for samples.epoch in (0, 1):
        for number in range(50):
            sample = samples.draw(number)
            text = spelled(tokenizer, sample.tokens[sample.label :])
            assert samples.windows.sequences[samples.window(number)][UPSTREAM:].startswith(text)


def test_only_words_have_a_frame():
    with pytest.raises(DnakitError, match="k-mer words"):
        word_length(train_tokenizer(["ACGT" * 20], 20, None))


@pytest.mark.parametrize("kind", [ThesisSamples, FairSamples])
def test_letters_that_are_no_base_count_as_letters(kind, windows, tokenizer):
    """The label is the token that holds the TSS, and its sizes spell the window, whatever letters stand around it."""
    rng = np.random.default_rng(7)
    odd = [bytearray(each) for each in windows.sequences]
    for each in odd:
        for place in UPSTREAM + rng.integers(-20, 20, 4):
            each[place : place + int(rng.integers(1, 9))] = b"N" * 8
            del each[LENGTH:]
    unknown = Windows([bytes(each) for each in odd], UPSTREAM, windows.names, windows.chromosomes, windows.strands)
    samples = kind(unknown, tokenizer, 1, 0)
    letters = [b"" if each.startswith("<") else each.encode() for each in tokenizer.convert_ids_to_tokens(range(1_500))]
    unknown_labels = 0
    for number, sample in enumerate(samples):
        window = unknown.sequences[samples.order[number]]
        first = UPSTREAM - sample.tss
        for token, begin, size in zip(sample.tokens, sample.begins, sample.sizes, strict=True):
            assert window[first + begin : first + begin + size] == (letters[token] or b"N" * size)
        begin, size = sample.begins[sample.label], sample.sizes[sample.label]
        assert first + begin <= UPSTREAM < first + begin + size
        assert sample.offset == UPSTREAM - first - begin
        unknown_labels += sample.tokens[sample.label] == tokenizer.unk_token_id
    assert unknown_labels > 10
