"""Segmentation alone: probabilities that sum to one, exact values in worlds that are known, and the masks of models."""

import numpy as np
import pytest

from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.pretraining import bits_per_base
from dnakit.chapters.pretraining.segmentation import RANDOM, Segmentation, measure
from dnakit.project import DnakitError
from dnakit.tokens.samples import mask_tokens
from dnakit.tokens.tokenizer import train_tokenizer
from dnakit.tokens.vocabulary import CLS, MASK, PAD, SEP, SPECIAL_TOKENS
from dnakit.tokens.word_frames import word_frames


def random_genome(length, seed):
    return np.random.default_rng(seed).choice(list(b"ACGT"), length).astype(np.uint8).tobytes()


@pytest.fixture(scope="module")
def genome():
    return random_genome(6000, 1)


@pytest.fixture(scope="module", params=[4, None], ids=["4-mer", "BB"])
def tokenizer(request, genome):
    texts = [genome.decode()] if request.param else [genome[i : i + 50].decode() for i in range(0, 6000, 50)]
    return train_tokenizer(texts, 60, request.param)


@pytest.fixture(scope="module")
def known(tokenizer, genome):
    return Segmentation(tokenizer).fit([tokenizer.encode_sequence(genome)])


@pytest.mark.parametrize("k", [4, 7])
def test_frames_are_where_words_were_cut(k, genome):
    tokenizer = train_tokenizer([genome.decode()], 60, k)
    ids, lengths = tokenizer.encode_sequence(genome), tokenizer.token_lengths()
    starts = np.cumsum(lengths[ids]) - lengths[ids]
    for cut in (0, 1, 7):
        offsets, words = word_frames(np.concatenate([[CLS], ids[cut:], [SEP]]), lengths, k)
        assert (offsets[1:-1] == starts[cut:] % k).all()
        assert (np.diff(words[1:-1]) == np.diff(starts[cut:] // k)).all()


def test_probabilities_of_each_context_sum_to_one(known):
    probabilities = np.exp(-known.nats)
    assert probabilities[-1, len(SPECIAL_TOKENS) :].sum() == pytest.approx(1)
    for row in probabilities[:-1]:
        sums = np.bincount(known.lengths[len(SPECIAL_TOKENS) :], row[len(SPECIAL_TOKENS) :])
        assert sums[1 : known.lengths.max() + 1][np.unique(known.lengths)[1:] - 1] == pytest.approx(1)


def test_no_base_around_a_mask_matters(known, tokenizer, genome):
    """Other tokens of the same lengths in place of the visible ones leave the prediction as it is."""
    rng = np.random.default_rng(0)
    ids = tokenizer.encode_sequence(genome)[:200].astype(np.int64)
    hidden = rng.random(200) < 0.15
    shown = np.concatenate([[CLS], np.where(hidden, MASK, ids), [SEP]])
    alike = [rng.choice(np.flatnonzero(known.lengths == length)) for length in known.lengths[ids]]
    others = np.where(hidden, ids, alike)
    one, other = (known.predict(shown, np.concatenate([[CLS], true, [SEP]])) for true in (ids, others))
    assert (one[0] == other[0]).all()
    assert (one[1] == other[1]).all()


def test_a_mask_alone_in_its_word_is_told_its_length_and_two_masks_are_not(genome):
    tokenizer = train_tokenizer([genome.decode()], 60, 4)
    known = Segmentation(tokenizer).fit([tokenizer.encode_sequence(genome)])
    lengths = known.lengths
    pair = [np.flatnonzero(lengths == 2)[0]] * 2
    whole = np.flatnonzero(lengths == 4)[:1].tolist()
    true = np.array([CLS, *pair, *whole, *pair, SEP, PAD])
    for masked, rows in (([1], [0]), ([2], [2]), ([3], [0]), ([1, 2], [-1, -1]), ([4, 5], [-1, -1])):
        shown = true.copy()
        shown[masked] = MASK
        nats, ranks = known.predict(shown, true)
        assert nats.tolist() == [known.nats[row, true[at]] for row, at in zip(rows, masked, strict=True)]
        assert ranks.tolist() == [known.ranks[row, true[at]] for row, at in zip(rows, masked, strict=True)]


def test_a_rank_counts_the_tokens_that_are_likelier(known):
    tokens = np.arange(len(SPECIAL_TOKENS), len(known.lengths))
    classes = [*[known.lengths] * (len(known.nats) - 1), np.ones(len(known.lengths))]
    for row, ranks, alike in zip(known.nats, known.ranks, classes, strict=True):
        for token in tokens[::7]:
            others = tokens[alike[tokens] == alike[token]]
            before = (row[others] < row[token]) | ((row[others] == row[token]) & (others < token))
            assert ranks[token] == before.sum()


def test_counts_are_smoothed_as_witten_and_bell_do(tokenizer):
    """Of four tokens of two kinds the wider distribution, here the uniform one, weighs as two tokens."""
    first, uniform = len(SPECIAL_TOKENS), 1 / (len(tokenizer) - len(SPECIAL_TOKENS))
    known = Segmentation(tokenizer).fit([first + np.array([0, 0, 0, 1])])
    expected = (np.array([3, 1, 0]) + 2 * uniform) / (4 + 2)
    assert np.exp(-known.nats[-1, first : first + 3]) == pytest.approx(expected)


def test_scores_are_of_the_masks_that_models_are_scored_on(known, tokenizer):
    genomes = {"one": random_genome(3000, 2), "two": random_genome(1, 3), "three": random_genome(900, 4)}
    sums, results = measure(known, tokenizer, genomes, seed=3)
    for number, name in enumerate(genomes):
        masked = [true[shown == MASK] for which, shown, true in _draw(tokenizer, genomes) if which == number]
        assert sums.masked[name] == sum(map(len, masked))
        assert sums.bases[name] == sum(known.lengths[ids].sum() for ids in masked)
    shown, true = (np.concatenate(each) for each in list(zip(*_draw(tokenizer, genomes), strict=True))[1:])
    at = true >= len(SPECIAL_TOKENS)
    visible = -sum(
        np.log((1 - RANDOM) * (one == other) + RANDOM * np.exp(-known.nats[-1, other]))
        for one, other in zip(shown[at & (shown != MASK)], true[at & (shown != MASK)], strict=True)
    )
    assert results["perplexity"] == pytest.approx(np.exp((sums.nats.sum() + visible) / at.sum()))
    assert np.exp(sums.nats.sum() / at.sum()) < results["perplexity_told"] < results["perplexity"]
    assert results["bits_per_base"] == pytest.approx(sums.nats.sum() / np.log(2) / sums.bases.sum())
    ranks = known.predict(shown, true)[1]
    assert sums[["right", "right_top5"]].sum().tolist() == [(ranks < 1).sum(), (ranks < 5).sum()]
    assert results["accuracy"] == pytest.approx(((shown == true)[at].sum() + sums.right.sum()) / at.sum())
    assert 0.8 < results["accuracy"] < 0.95


def _draw(tokenizer, genomes):
    return bits_per_base.masked_samples(tokenizer, genomes, 3)


def test_masks_alone_cost_what_they_cost_to_one_that_is_told_and_random_tokens_as_much(known, tokenizer, genome):
    true = np.concatenate([[CLS], tokenizer.encode_sequence(genome)[:200].astype(np.int64), [SEP]])
    masked, random = true.copy(), true.copy()
    masked[5::9] = MASK
    random[5::9] = np.where(true[5::9] == len(SPECIAL_TOKENS), len(SPECIAL_TOKENS) + 1, len(SPECIAL_TOKENS))
    nats = known.predict(masked, true)[0].sum()
    assert known.all_tokens(masked, true)[1] == pytest.approx(nats)
    assert known.all_tokens(random, true)[1] == pytest.approx(nats)
    assert known.all_tokens(true, true)[1] == 0 < known.all_tokens(true, true)[0]


def test_a_visible_token_is_random_as_often_as_masking_makes_it_so():
    true = np.random.default_rng(1).integers(len(SPECIAL_TOKENS), 5000, 400_000)
    shown, _ = mask_tokens(true, 5000, np.random.default_rng(2))
    visible = shown != MASK
    assert (shown != true)[visible].mean() == pytest.approx(RANDOM, rel=0.05)


def test_of_random_dna_segmentation_says_what_theory_says():
    """Tokens of single bases: nothing is left to know, so each costs two bits."""
    tokenizer = train_tokenizer([random_genome(4000, 5).decode()], len(SPECIAL_TOKENS) + 4, 4)
    known = Segmentation(tokenizer).fit([tokenizer.encode_sequence(random_genome(40_000, 6))])
    _, results = measure(known, tokenizer, {"a": random_genome(20_000, 7)}, seed=1)
    assert results["bits_per_base"] == pytest.approx(2, abs=0.01)
    assert results["bases_per_token"] == 1


def test_a_vocabulary_that_cannot_be_is_one_clear_error():
    with pytest.raises(DnakitError, match="'vocabularies': 'vocab_size': has to be"):
        _ = chapter_of("02_pretraining", "smoke", {"vocabularies": [3]}).runs
