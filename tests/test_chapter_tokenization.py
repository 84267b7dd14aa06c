"""Chapter 1's numbers, against counts made another way."""

from collections import Counter

import numpy as np
import pytest

from dnakit.chapters.chapter import open_chapter
from dnakit.chapters.tokenization import counts, results
from dnakit.data.bases import kmers
from dnakit.data.formats import read_fasta
from dnakit.data.sources import fetch

VALUES = {
    "profile": "test",
    "source": "simulated-mitochondria",
    "tokenizations": ["6-mer", "9-mer", "BB"],
    "genomes": [20, 20, 20],
    "vocab_sizes": [5000, 400, 400],
    "longest_genome": 25_000,
    "resamplings": 2,
    "seed": 1,
}


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNAKIT_DATA", str(tmp_path_factory.mktemp("data")))
        yield open_chapter("01_tokenization", VALUES)


@pytest.fixture(scope="module")
def done(chapter):
    return chapter.here()


def training_genomes(run):
    sequences = {record.name: record.sequence for record in read_fasta(fetch("simulated-mitochondria"))}
    return [sequences[name] for name in run.corpus.genomes["train"]]


@pytest.mark.parametrize("name", ["6-mer", "9-mer"])
def test_measure_equals_counting_by_hand(chapter, done, name):
    numbers, tokenizer = done[name].metrics, chapter.runs[name].corpus.tokenizer
    genomes = training_genomes(chapter.runs[name])
    words = [word.decode() for genome in genomes for word in kmers(genome, tokenizer.word_length)]
    tokens = Counter()
    whole = 0
    for word, count in Counter(words).items():
        found = tokenizer.tokenize(word)
        tokens.update({token: count * times for token, times in Counter(found).items()})
        whole += count * (len(found) == 1 and len(word) == tokenizer.word_length)
    total, bases = sum(tokens.values()), sum(len(token) * count for token, count in tokens.items())
    entropy = -sum(count / total * np.log2(count / total) for count in tokens.values())
    assert numbers["tokens"] == total
    assert numbers["used"] == pytest.approx(len(tokens) / (numbers["vocabulary"] - 5))
    assert numbers["tokens_per_word"] == pytest.approx(total / len(words))
    assert numbers["whole_words"] == pytest.approx(whole / len(words))
    assert numbers["bases_per_token"] == pytest.approx(bases / total)
    assert numbers["unigram_bits_per_base"] == pytest.approx(entropy * total / bases)


def test_tokens_per_word_and_token_lengths_are_distributions_with_the_right_means(done):
    run = done["9-mer"]
    words, lengths = run.frame("tokens_per_word.csv"), run.frame("token_lengths.csv")
    assert words.share.sum() == pytest.approx(1)
    assert lengths.used.sum() == pytest.approx(1)
    assert lengths.vocabulary.sum() == run.metrics["vocabulary"] - 5
    assert (lengths.bases * lengths.used).sum() == pytest.approx(run.metrics["bases_per_token"], rel=1e-4)
    assert (words.tokens * words.share).sum() == pytest.approx(run.metrics["tokens_per_word"], rel=0.05)


def test_the_bases_of_an_input_are_those_of_full_samples():
    found = counts._inputs(np.array([1, 2, 3, 4, 5, 6, 9]), np.array([[0, 3], [3, 6], [6, 7]]))
    assert (found["samples"], found["input_bases"]) == (3, 10.5)  # of 6 and 15


def test_a_frame_is_lost_with_the_first_base_and_without_words_there_is_none(done):
    remain = results.shifts(done)["tokens that remain"]
    assert remain["6-mer"] < 0.05
    assert remain["BB"] > 0.95


def test_an_example_spells_the_same_bases_in_every_tokenization(chapter, done):
    table = counts.example({name: run.corpus for name, run in chapter.runs.items()}, bases=45)
    spelled = {text.replace(" ", "").replace("|", "") for text in table.tokens}
    assert len(spelled) == 1
    assert len(spelled.pop()) == 45
    assert [len(word.replace(" ", "")) for word in table.tokens["9-mer"].split(" | ")] == [9] * 5


def test_passes_say_how_many_times_the_samples(done):
    table = results.passes(done)
    assert table["passes"].tolist() == [1, 1, 2]
    assert table["samples, times the first row"].iloc[0] == 1
    assert results.splits(done)[["train", "validation", "test"]].iloc[0].tolist() == [16, 2, 2]


def test_the_caption_of_inputs_has_the_samples_of_each_tokenization(done):
    counted = results.passes(done)["samples"]
    assert results.sample_counts(done) == ", ".join(f"{count:,} ({name})" for name, count in counted.items())


def test_the_bar_of_an_input_goes_from_the_5th_to_the_95th_percentile(done):
    axes = results.input_lengths(done).axes[0]
    low, high = results.inputs(done).loc["BB", ["5th percentile", "95th percentile"]]
    drawn = [sorted(line.get_xdata()) for line in axes.lines]
    assert [low, high] in [[x[0], x[-1]] for x in drawn if len(x) >= 2]


def test_a_users_own_genomes_with_unknown_letters_can_be_measured_and_drawn(tmp_path, monkeypatch):
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "data"))
    letters = np.frombuffer(b"ACGTacgtN", np.uint8)
    sequences = (np.random.default_rng(n).choice(letters, 3_000).tobytes().decode() for n in range(14))
    path = tmp_path / "mine.fa"
    path.write_text("".join(f">g{n} my genome\r\n{sequence}\r\n" for n, sequence in enumerate(sequences)))
    own = {"source": str(path), "tokenizations": ["8-mer", "BB"], "genomes": [12, 12], "vocab_sizes": [300, 300]}
    chapter = open_chapter("01_tokenization", VALUES | own | {"resamplings": 1})
    done = chapter.here()
    assert results.vocabularies(done)["bases per token"].gt(0).all()
    assert len(counts.example({name: run.corpus for name, run in chapter.runs.items()}, bases=45)) == 2
    assert set(results.token_lengths(done).axes_dict) == {"8-mer", "BB"}
    assert str(tmp_path) not in (done["8-mer"].folder / "run.json").read_text()
