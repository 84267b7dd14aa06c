"""Samples, their masks and the order of their sentences, with their statistics."""

import numpy as np
import pytest

from dnakit.tokens.corpus import prepare
from dnakit.tokens.parameters import SPLITS, CorpusParameters
from dnakit.tokens.rows import sample_bounds
from dnakit.tokens.samples import IGNORED, MlmSamples, SentenceOrderSamples, framed, mask_tokens, sentence_bounds
from dnakit.tokens.vocabulary import CLS, MASK, PAD, SEP


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Of 25 genomes of 1 to 4 kb: samples of every length, some too short for two sentences."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("data")
    source = folder / "genomes.fa"
    with pytest.MonkeyPatch.context() as patch, source.open("w") as out:
        patch.setenv("DNAKIT_DATA", str(folder))
        for number in range(25):
            letters = rng.choice(np.frombuffer(b"ACGT", np.uint8), rng.integers(1_000, 4_000))
            out.write(f">g{number}\n{letters.tobytes().decode()}\n")
        out.flush()
        return prepare(
            CorpusParameters(
                sources=[str(source)],
                genomes=25,
                longest_genome=25_000,
                tokenization="6-mer",
                vocab_size=60,
                resamplings=1,
                seed=1,
            )
        )


def shown(item):
    """An item as arrays."""
    return {name: tensor.numpy() for name, tensor in item.items()}


@pytest.mark.parametrize("lengths", [[0], [1], [14], [3, 5], [1, 12]])
@pytest.mark.parametrize("width", [18, 40])
def test_an_input_is_sentences_with_their_ends_and_padding(lengths, width):
    sentences = [np.arange(10 * n, 10 * n + length, dtype=np.int32) for n, length in enumerate(lengths, start=1)]
    written = [CLS, *(each for sentence in sentences for each in [*sentence, SEP])]
    assert framed(sentences, width).tolist() == [*written, *[PAD] * (width - len(written))]


def test_samples_tile_each_document(corpus):
    bounds, ends = sample_bounds(corpus.ends("train")), corpus.ends("train")
    assert bounds[0, 0] == 0
    assert bounds[-1, 1] == ends[-1]
    assert (bounds[1:, 0] == bounds[:-1, 1]).all()
    assert (np.diff(bounds) <= 254).all()
    assert set(ends) <= set(bounds[:, 1])
    assert (np.diff(bounds)[~np.isin(bounds[:, 1], ends)] == 254).all()


def test_a_sample_is_framed_and_padded(corpus):
    samples = MlmSamples(corpus, "train", "static", "all", seed=3)
    bounds = sample_bounds(corpus.ends("train"))
    assert len(samples) == len(bounds) == corpus.dataset["train"].num_rows
    for number, (start, end) in enumerate(bounds):
        item = shown(samples[number])
        length = item["attention_mask"].sum()
        assert length == samples.lengths[number] + 2 == end - start + 2
        assert item["attention_mask"][:length].all()
        assert item["input_ids"][0] == CLS
        assert item["input_ids"][length - 1] == SEP
        assert (item["input_ids"][length:] == PAD).all()
        assert (item["labels"][1 : length - 1] == corpus.ids("train")[start:end]).all()
        assert (np.delete(item["labels"], np.s_[1 : length - 1]) == IGNORED).all()


def test_only_selected_labels_are_the_selected_ones(corpus):
    everywhere = MlmSamples(corpus, "train", "static", "all", seed=3)[0]
    selected = MlmSamples(corpus, "train", "static", "selected", seed=3)[0]
    assert (everywhere["input_ids"] == selected["input_ids"]).all()
    chosen = selected["labels"] != IGNORED
    assert (selected["labels"][chosen] == everywhere["labels"][chosen]).all()
    changed = (everywhere["input_ids"] != everywhere["labels"]) & (everywhere["labels"] != IGNORED)
    assert (chosen | ~changed).all()
    assert ((everywhere["input_ids"] == MASK) == selected["masked"]).all()


def test_masking_is_15_percent_in_80_10_10():
    """Over a million tokens each share lies within five standard deviations of its expectation."""
    vocab_size, n = 1_000, 1_000_000
    rng = np.random.default_rng(0)
    true = rng.integers(5, vocab_size, n)
    seen, selected = mask_tokens(true, vocab_size, rng)
    chosen = selected.sum()
    kept = (seen[selected] == true[selected]).mean()
    for observed, expected, of in (
        (selected.mean(), 0.15, n),
        ((seen[selected] == MASK).mean(), 0.8, chosen),
        (kept, 0.1 + 0.1 / (vocab_size - 5), chosen),
    ):
        assert abs(observed - expected) < 5 * np.sqrt(expected * (1 - expected) / of)
    assert (seen[~selected] == true[~selected]).all()
    random = seen[selected & (seen != MASK) & (seen != true)]
    counts = np.bincount(random, minlength=vocab_size)
    assert counts[:5].sum() == 0
    expected = len(random) / (vocab_size - 5)
    assert ((counts[5:] - expected) ** 2 / expected).sum() < vocab_size + 6 * np.sqrt(2 * vocab_size)  # chi-squared


def test_special_tokens_are_never_selected():
    true = np.tile(np.arange(8), 10_000)
    _, selected = mask_tokens(true, 8, np.random.default_rng(0))
    assert not selected[true < 5].any()
    assert selected[true >= 5].any()


def test_static_masks_stay_and_dynamic_masks_change_by_epoch(corpus):
    static, dynamic = (MlmSamples(corpus, "train", masking, "all", seed=3) for masking in ("static", "dynamic"))
    first = [dataset[0]["input_ids"].tolist() for dataset in (static, dynamic)]
    static.epoch = dynamic.epoch = 1
    second = [dataset[0]["input_ids"].tolist() for dataset in (static, dynamic)]
    assert first[0] == second[0]
    assert first[1] != second[1]
    assert first[1] == first[0]


def test_splits_have_masks_of_their_own(corpus):
    """With the masks of training a model would be evaluated at the places that it was trained to fill in."""
    of_parts = {part: MlmSamples(corpus, part, "static", "all", seed=3) for part in SPLITS}
    length = min(data.lengths[0] for data in of_parts.values())
    masks = {tuple(data[0]["masked"][1 : length + 1].tolist()) for data in of_parts.values()}
    assert len(masks) == len(SPLITS)


def test_sentences_are_eroded_cut_and_within_the_sample():
    """Algorithm 2, at every length it is used at: up to a tenth lost at either end, a tenth left on either side."""
    rng = np.random.default_rng(0)
    for length in range(SentenceOrderSamples.shortest, 255):
        start, cut, end = sentence_bounds(length, rng)
        assert 1 <= start <= length // 10
        assert length - length // 10 <= end < length
        assert start + length // 10 <= cut <= end - length // 10


def test_swapping_the_sentences_back_gives_what_was_in_the_genome(corpus):
    samples = SentenceOrderSamples(corpus, "train", "static", "all", seed=3)
    swapped = 0
    for number, row in enumerate(samples.rows):
        item = shown(samples[number])
        true = np.where(item["labels"] >= 0, item["labels"], item["input_ids"])
        assert true[0] == CLS
        first, second, rest = np.split(true[1:], np.flatnonzero(true[1:] == SEP)[:2] + 1)
        assert (rest == PAD).all()
        pair = [second[:-1], first[:-1]] if item["sentence_order_label"] else [first[:-1], second[:-1]]
        whole, joined = np.array(corpus.dataset["train"][int(row)]["token_ids"]), np.concatenate(pair)
        lost = len(whole) - len(joined)
        assert 2 <= lost <= len(whole) // 10 * 2
        assert any((whole[at : at + len(joined)] == joined).all() for at in range(1, lost + 1))
        swapped += int(item["sentence_order_label"])
    assert abs(swapped / len(samples) - 0.5) < 5 * 0.5 / np.sqrt(len(samples))


def test_fragments_too_short_for_two_sentences_are_left_out(corpus):
    whole, pairs = (kind(corpus, "train", "static", "all", 1) for kind in (MlmSamples, SentenceOrderSamples))
    assert 0 < len(pairs) < len(whole)
    assert len(pairs) == (whole.lengths >= SentenceOrderSamples.shortest).sum()
    assert pairs.lengths.min() >= SentenceOrderSamples.shortest


def test_orders_stay_or_change_with_the_masks(corpus):
    static, dynamic = (SentenceOrderSamples(corpus, "train", kind, "all", seed=3) for kind in ("static", "dynamic"))
    before = [[dataset[n]["input_ids"].tolist() for n in range(5)] for dataset in (static, dynamic)]
    static.epoch = dynamic.epoch = 1
    after = [[dataset[n]["input_ids"].tolist() for n in range(5)] for dataset in (static, dynamic)]
    assert before[0] == after[0]
    assert before[1] != after[1]
