from collections import Counter

import numpy as np
import pytest

from dnakit.chapters.pretraining import lookups
from dnakit.project import DnakitError
from dnakit.tokens.tokenizer import known_words, train_tokenizer

LETTERS = np.frombuffer(b"ACGT", np.uint8)
SPECIALS = 5
CLS, SEP, UNK, MASK = 0, 2, 3, 4


def random_genome(length, seed):
    return LETTERS[np.random.default_rng([3, seed]).integers(0, 4, length)].tobytes()


GENOMES = [random_genome(6_000, seed) for seed in range(6)]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([known_words(genome, 9) for genome in GENOMES], 400, 9)


@pytest.fixture(scope="module")
def documents(tokenizer):
    return [tokenizer.encode_sequence(genome).astype(np.uint16) for genome in GENOMES]


@pytest.fixture(scope="module")
def fitted(tokenizer, documents):
    return lookups.TokenLookups(tokenizer).fit(documents)


def every_third(ids):
    return (np.arange(len(ids)) % 3 == 1) & (np.asarray(ids) >= SPECIALS)


def most_common(counter):
    """The five most frequent, of equals the lowest first."""
    return sorted(counter, key=lambda token: (-counter[token], token))[:5]


def named(true, best, k=1):
    """Share of the tokens that are among the first k candidates."""
    return (best[:, :k] == np.asarray(true)[:, None]).any(1).mean()


def test_the_commonest_tokens_are_those_that_counting_finds(fitted, documents):
    found = fitted.predict(documents[:1], [every_third(documents[0])])["commonest"]
    expected = most_common(Counter(np.concatenate(documents).tolist()))
    assert (found == expected).all()
    assert len(found) == every_third(documents[0]).sum()


def test_frame_and_length_are_counted_within_words(fitted, documents, tokenizer):
    lengths = tokenizer.token_lengths()
    by_frame, frames = {}, []
    for ids in documents:
        offsets = (np.cumsum(lengths[ids]) - lengths[ids]) % 9
        frames.append(list(zip(offsets.tolist(), lengths[ids].tolist(), strict=True)))
        for frame, token in zip(frames[-1], ids.tolist(), strict=True):
            by_frame.setdefault(frame, Counter())[token] += 1
    # A sample cut from the middle, its frame not told: the lengths of its tokens tell it.
    sample = np.concatenate([[CLS], documents[2][777:1000], [SEP]])
    masked = every_third(sample)
    found = fitted.predict([sample], [masked])["frame and length"]
    for place, candidates in zip(np.flatnonzero(masked), found, strict=True):
        expected = most_common(by_frame[frames[2][776 + place]])
        assert candidates[: len(expected)].tolist() == expected


def test_neighbours_are_counted_and_back_off_to_the_left_and_to_the_commonest(fitted, documents):
    pairs, lefts = {}, {}
    for ids in documents:
        for left, token, right in zip(ids[:-1].tolist(), ids[1:].tolist(), [*ids[2:].tolist(), None], strict=True):
            lefts.setdefault(left, Counter())[token] += 1
            if right is not None:
                pairs.setdefault((left, right), Counter())[token] += 1
    commonest = most_common(Counter(np.concatenate(documents).tolist()))
    sample = np.random.default_rng(0).permutation(documents[1])[:300]
    masked = np.ones(300, bool)
    found = fitted.predict([sample], [masked])["neighbours"]
    for place, candidates in enumerate(found.tolist()):
        left = int(sample[place - 1]) if place else None
        right = int(sample[place + 1]) if place < 299 else None
        steps = [pairs.get((left, right), Counter()), lefts.get(left, Counter())]
        expected = dict.fromkeys([token for step in steps for token in most_common(step)] + commonest)
        assert candidates == list(expected)[:5]


def test_bases_on_both_sides_find_a_repeat_in_whatever_frame(fitted, tokenizer):
    # 1,200 bases of a training genome, four bases further on in their words: no token stays the same for sure.
    sample = tokenizer.encode_sequence(random_genome(5, 50) + GENOMES[3][1_000:2_200])
    starts = np.cumsum(tokenizer.token_lengths()[sample])
    masked = every_third(sample) & (starts > 40) & (starts < 1_180)
    found = fitted.predict([sample], [masked])
    true = sample[masked]
    # 24 bases tell a place among 36,000 from all others (the chance of another is 36,000 / 4**24).
    assert named(true, found["12 bp"]) == 1
    assert named(true, found["neighbours"]) < 0.5


def test_bases_on_both_sides_come_before_those_on_one():
    """An A stood once between the same bases; a C three times after the left ones, a G before the right ones."""
    tokenizer = train_tokenizer([random_genome(4_000, 52).decode()], SPECIALS + 4, 9)  # tokens of one base
    left, right = random_genome(12, 53), random_genome(12, 54)
    others = [left + b"C" + random_genome(20, number) + b"G" + right for number in range(60, 63)]
    sample = tokenizer.encode_sequence(left + b"A" + right)
    found = lookups.TokenLookups(tokenizer).fit([tokenizer.encode_sequence(b"".join([left, b"A", right, *others]))])
    best = found.predict([sample], [np.arange(len(sample)) == 12])["12 bp"][0, :3]
    assert tokenizer.convert_ids_to_tokens(best.tolist()) == ["A", "C", "G"]


def test_a_random_sequence_is_not_found(fitted, tokenizer):
    sample = tokenizer.encode_sequence(random_genome(6_000, 51))
    masked = every_third(sample)
    found = fitted.predict([sample], [masked])["12 bp"]
    share = 1 / 4 ** tokenizer.token_lengths()[sample[masked]].astype(float)  # a guess of that length
    limit = share.sum() + 5 * np.sqrt(share.sum())
    # Lists hold candidates of the true length first; BPE prefers frequent ones, which doubles a guess at most here.
    assert (found[:, 0] == sample[masked]).sum() < 2.5 * limit


def test_nothing_is_read_from_the_masked_token_but_its_length(fitted, tokenizer, documents):
    lengths = tokenizer.token_lengths()
    true = documents[4][100:400].astype(int)
    masked = np.arange(300) % 4 == 2  # neighbours are never masked, so both variants see the same
    other = true.copy()
    for place in np.flatnonzero(masked):
        same = np.flatnonzero(lengths == lengths[true[place]])
        other[place] = same[np.random.default_rng(place).integers(len(same))]
    assert (other != true).sum() > 50
    hidden = np.where(masked, MASK, true)
    one, two = (fitted.predict([ids], [masked], [hidden]) for ids in (true, other))
    for name, candidates in one.items():
        np.testing.assert_array_equal(candidates, two[name], err_msg=name)


def test_what_a_model_sees_is_less_than_the_true_neighbours(fitted, documents):
    ids = documents[5].astype(int)
    masked = np.random.default_rng(1).random(len(ids)) < 0.5
    hidden = np.where(masked, MASK, ids)
    told, seen = fitted.predict([ids], [masked]), fitted.predict([ids], [masked], [hidden])
    for name in ("neighbours", "12 bp"):
        assert named(ids[masked], seen[name]) < named(ids[masked], told[name]) - 0.1
    for name in ("commonest", "frame and length"):
        np.testing.assert_array_equal(told[name], seen[name])


def test_a_genome_looked_up_in_itself_is_found(fitted, documents):
    masked = [every_third(ids) for ids in documents]
    found = fitted.predict(documents, masked)
    true = np.concatenate([ids[mask] for ids, mask in zip(documents, masked, strict=True)])
    ones, fives = ({n: named(true, best, k) for n, best in found.items()} for k in (1, 5))
    assert ones["12 bp"] > 0.99  # only the ends of genomes have fewer than 12 bases beside them
    assert all(ones[name] <= fives[name] for name in found)
    assert ones["commonest"] < ones["neighbours"] < ones["12 bp"]
    for best in found.values():
        for row in best.tolist():
            known = [token for token in row if token >= 0]
            assert len(set(known)) == len(known)  # no candidate twice


def test_unknown_letters_and_special_tokens_are_no_neighbours_and_never_predicted(tokenizer):
    genome = GENOMES[0][:900] + b"N" * 30 + GENOMES[0][930:1_800]
    ids = tokenizer.encode_sequence(genome)
    found = lookups.TokenLookups(tokenizer).fit([ids]).predict([ids], [np.ones(len(ids), bool)])
    assert (ids == UNK).any()
    for best in found.values():
        assert len(best) == (ids >= SPECIALS).sum()
        assert not np.isin(best, [CLS, 1, SEP, UNK, MASK]).any()


def test_words_of_random_length_have_no_frame():
    words = [genome[start : start + 100].decode() for genome in GENOMES for start in range(0, 6_000, 100)]
    tokenizer = train_tokenizer(words, 300, None)
    ids = [tokenizer.encode_words([word.encode() for word in words[60 * i : 60 * i + 60]]) for i in range(6)]
    masked = [every_third(document) for document in ids]
    found = lookups.TokenLookups(tokenizer).fit(ids).predict(ids, masked)
    assert set(found) == {"commonest", "neighbours", "12 bp"}
    true = np.concatenate([document[mask] for document, mask in zip(ids, masked, strict=True)])
    assert named(true, found["12 bp"]) > 0.98


def test_training_without_bases_is_told(tokenizer):
    with pytest.raises(DnakitError, match="no tokens of known bases"):
        lookups.TokenLookups(tokenizer).fit([np.array([UNK, SEP])])
