"""Chapter 3's runs without a model: ties of the rule, a seam without words, and promoters that are neighbours."""

import numpy as np
import pytest

from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.tss import neighbours, overlap, ties
from dnakit.chapters.tss.rule import possible_boundaries, rule
from dnakit.chapters.tss.samples import Sample, ThesisSamples
from dnakit.data.windows import Site, Windows, random_dna
from dnakit.report.finished import recorded
from dnakit.tokens import corpus as corpora
from dnakit.tokens.tokenizer import train_tokenizer
from dnakit.tokens.without_words import without_words

K, UPSTREAM, LENGTH = 6, 1_402, 3_400  # 1,402 = 233 x 6 + 4


@pytest.fixture(scope="module")
def tokenizer():
    text = random_dna(1, 300_000, 1, 9).sequences[0].decode()
    return train_tokenizer([text], 1_500, K)


@pytest.fixture(scope="module")
def windows():
    return random_dna(150, LENGTH, UPSTREAM, 1)


def test_a_random_choice_among_n_is_right_in_one_of_n():
    labels, passing = [1, 2, 0], [[1], [0, 2, 3, 4], [3]]
    samples = [Sample(np.zeros(5, int), np.zeros(5, int), label, 0) for label in labels]
    table = np.zeros((3, 6), bool)
    for row, columns in zip(table, passing, strict=True):
        row[columns] = True
    found = ties.accuracies(samples, lambda tokens: table)
    assert found == pytest.approx({"last": 1 / 3, "first": 1 / 3, "expected": (1 + 1 / 4) / 3, "possible": 2})


def test_the_rule_is_the_last_of_the_possible(windows, tokenizer):
    samples = list(ThesisSamples(windows, tokenizer, 1, 0))
    tokens = [sample.tokens for sample in samples]
    passes = possible_boundaries(tokens, tokenizer, UPSTREAM % K)
    labels = np.array([sample.label for sample in samples])
    assert passes[np.arange(len(labels)), labels].all(), "the true boundary always passes"
    found = rule(tokens, tokenizer, UPSTREAM % K)
    assert all(at == max(np.flatnonzero(row)) for at, row in zip(found, passes, strict=True))
    shares = ties.accuracies(samples, lambda tokens: passes)
    assert shares["last"] == np.mean(found == labels)
    assert min(shares["last"], shares["first"]) - 0.02 < shares["expected"] <= 1


def test_halves_encoded_whole_leave_a_trace_too(windows, tokenizer):
    """The true boundary always passes, and where the joined letters encode to other tokens, hardly another one does."""
    samples = list(ties.WholeSamples(windows, tokenizer, 1, 0))
    whole = ties.WholeEncoding(tokenizer)
    passes = whole.possible_boundaries([sample.tokens for sample in samples])
    labels = [sample.label for sample in samples]
    assert passes[np.arange(len(labels)), labels].all()
    assert np.mean(passes.sum(1) == 1) > 0.4
    for sample, row in zip(samples, passes, strict=True):
        text = "".join(tokenizer.convert_ids_to_tokens(sample.tokens.tolist()))
        joined = ties._library(tokenizer).encode(text, add_special_tokens=False).ids
        if joined == sample.tokens.tolist():
            assert row.sum() == min(200, len(sample.tokens)) + 1
        else:
            assert row.sum() <= 5


def test_one_word_is_the_same_vocabulary_over_the_whole_sequence(tokenizer):
    """Letters of any case are read, and a sequence of one word is encoded as that word is."""
    whole = without_words(tokenizer)
    for sequence in random_dna(20, K, 1, 5).sequences:
        expected = tokenizer.encode_sequence(sequence).tolist()
        assert whole.encode(sequence.decode().lower(), add_special_tokens=False).ids == expected
    sequence = random_dna(1, 3_000, 1, 6).sequences[0]
    found = whole.encode(sequence.decode(), add_special_tokens=False)
    assert "".join(tokenizer.convert_ids_to_tokens(found.ids)) == sequence.decode()
    assert any(start // K != (end - 1) // K for start, end in found.offsets), "tokens join across the borders of words"
    assert tokenizer.word_length == K, "the tokenizer itself stays"


def test_samples_encoded_whole_spell_the_window(windows, tokenizer):
    with_n = Windows([b"acgtNN" + windows.sequences[0][6:]], UPSTREAM, ["a"], ["1"], ["+"])
    for shown in (windows.take(range(20)), with_n):
        for sample in ties.WholeSamples(shown, tokenizer, 1, 0):
            assert sample.sizes.sum() > 0
            text = "".join(tokenizer.convert_ids_to_tokens(sample.tokens.tolist())).replace("<unk>", "NN").encode()
            assert any(text in sequence.upper() for sequence in shown.sequences)
            assert sample.sizes[: sample.label].sum() == sample.tss


# ---- neighbours


def test_distances_are_those_on_the_same_strand_and_chromosome():
    places = [("1", 100, "+"), ("1", 900, "+"), ("1", 120, "-"), ("2", 100, "+"), ("1", 5_000, "+"), ("3", 7, "+")]
    sites = [Site(*place, str(place)) for place in places]
    parts = {"train": np.array([0, 2, 3, 4]), "test": np.array([1, 5])}
    assert neighbours.distances(sites, parts).tolist() == [800, np.inf]
    everyone = {"train": np.arange(6), "test": np.arange(6)}
    assert neighbours.distances(sites, everyone).tolist() == [0] * 6


def test_what_trains_without_neighbours_is_farther_than_5_kb_or_on_another_chromosome(tmp_path):
    places = [("1", 10_000), ("1", 15_000), ("1", 15_001), ("2", 10_000), ("1", 5_000), ("1", 4_999)]
    bed = tmp_path / "sites.bed"
    rows = [f"{name}\t{at}\t{at + 1}\t{row}\t0\t{'+-'[row % 2]}\n" for row, (name, at) in enumerate(places)]
    bed.write_text("".join(rows))
    windows = Windows([b"A"] * 6, 0, list("012345"), [name for name, _ in places], list("+-+-+-"))
    parts = {"train": np.array([1, 2, 3]), "validation": np.array([4, 5]), "test": np.array([0])}
    kept = neighbours.without_neighbours(windows, bed, parts)
    assert {part: rows.tolist() for part, rows in kept.items()} == {"train": [2, 3], "validation": [5], "test": [0]}


def test_by_chromosome_no_test_promoter_has_a_neighbour():
    found = neighbours.count(chapter_of("03_tss", "smoke").parameters).metrics
    assert found["fair"]["within_5000"] == 0
    assert found["thesis"]["within_1000"] <= found["thesis"]["within_5000"] <= found["thesis"]["test_promoters"]


# ---- promoters that pretraining has read


@pytest.mark.parametrize(("strand", "first", "end"), [("+", 96, 106), ("-", 95, 105)])
def test_a_promoter_was_read_where_a_piece_has_one_base_of_its_window(strand, first, end):
    """With 4 bases before the start site and 6 from it on, a window is 96 to 105 on +, and 95 to 104 on -."""
    sites = [Site("1", 100, strand, "a"), Site("2", 100, strand, "b")]
    window = set(range(first, end))
    for start in range(60, 120):
        overlaps = bool(window & set(range(start, start + 20)))
        assert overlap.touched(sites, [("1", start)], 20, 4, 6).tolist() == [overlaps, False], start


def test_promoters_that_pretraining_has_read_lie_where_its_pieces_do():
    run = chapter_of("03_tss", "smoke").runs["pretrained-promoters"]
    found = overlap.count(run).metrics
    for parts in found.values():
        for part in parts.values():
            assert part["read"] <= part["drawn_from"] <= part["promoters"]
    thesis, fair = (sum(part["read"] for part in found[task].values()) for task in ("thesis", "fair"))
    assert thesis == fair > 0, "the same promoters, divided in another way"
    pieces = set(corpora.prepare(run.start.corpus).genomes["train"])
    assert {f"{name}:{start}" for name, start in overlap.pieces_of(run)} == pieces
    elsewhere = chapter_of("03_tss", "smoke", {"organism": "simulated-c"}).runs["pretrained-promoters"]
    assert not any(each["read"] for each in overlap.count(elsewhere).metrics["thesis"].values())


# ---- what is recorded


def test_the_last_tie_is_the_recorded_accuracy_of_the_rule():
    """The same samples: only how ties are resolved differs."""
    done = recorded("03_tss")
    ties_of = {name: run for name, run in done.items() if name.startswith("rule-ties-")}
    assert len(ties_of) == 6
    for name, run in ties_of.items():
        evaluated = done[name.replace("rule-ties", "on")].metrics["thesis"]
        for method in ("rule", "rule-5000", "rule-seamless"):
            assert run.metrics[method]["last"] == evaluated[method]["accuracy"]
            assert run.metrics["samples"] == evaluated[method]["samples"]


def test_the_recorded_split_is_the_one_of_the_trainings():
    done = recorded("03_tss")
    windows = done["promoters"].record["windows"]
    assert done["neighbours"].metrics["thesis"]["test_promoters"] == windows["test"]
    assert done["neighbours"].record["promoters"] == sum(windows.values())
    assert done["neighbours"].metrics["fair"]["within_5000"] == 0


def test_the_recorded_overlap_is_of_the_same_splits_and_of_no_held_out_chromosome():
    done = recorded("03_tss")
    found = done["pretrained-promoters"].metrics
    assert {part: each["promoters"] for part, each in found["thesis"].items()} == done["promoters"].record["windows"]
    assert found["fair"]["test"]["read"] == found["fair"]["test"]["drawn_from"] == 0
    for parts in found.values():
        assert sum(each["promoters"] for each in parts.values()) == done["neighbours"].record["promoters"]
