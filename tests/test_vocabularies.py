"""Chapter 1's numbers, against counts made another way."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from dnakit.chapters.tokenization import runs as vocabularies
from dnakit.data.formats import kmers, read_fasta
from dnakit.data.sources import fetch


@pytest.fixture(scope="module")
def measurements(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNAKIT_DATA", str(tmp_path_factory.mktemp("data")))
        choices = {
            "profile": "test",
            "source": "simulated-mitochondria",
            "tokenizations": ["6-mer", "9-mer", "BB"],
            "genomes": [20, 20, 20],
            "vocab_sizes": [5000, 400, 400],
            "longest_genome": 25_000,
            "resamplings": 2,
            "seed": 1,
        }
        found = vocabularies.runs(choices)
        assert list(found) == vocabularies.run_names(choices)
        yield {name: (measurement.train(), measurement) for name, measurement in found.items()}


def training_genomes(measurement):
    sequences = {record.name: record.sequence for record in read_fasta(fetch("simulated-mitochondria"))}
    return [sequences[name] for name in measurement.corpus.genomes["train"]]


@pytest.mark.parametrize("name", ["6-mer", "9-mer"])
def test_measure_equals_counting_by_hand(measurements, name):
    _, measurement = measurements[name]
    numbers, tokenizer = measurement.metrics(), measurement.corpus.tokenizer
    words = [word.decode() for genome in training_genomes(measurement) for word in kmers(genome, tokenizer.word_length)]
    tokens = Counter()
    whole = 0
    for word, count in Counter(words).items():
        found = tokenizer.tokenize(word)
        tokens.update({token: count * times for token, times in Counter(found).items()})
        whole += count * (len(found) == 1 and len(word) == tokenizer.word_length)
    total, bases = sum(tokens.values()), sum(len(token) * count for token, count in tokens.items())
    entropy = -sum(count / total * np.log2(count / total) for count in tokens.values())
    assert numbers["tokens"] == total
    assert numbers["tokens_per_word"] == pytest.approx(total / len(words))
    assert numbers["whole_words"] == pytest.approx(whole / len(words))
    assert numbers["bases_per_token"] == pytest.approx(bases / total)
    assert numbers["unigram_bits_per_base"] == pytest.approx(entropy * total / bases)


def test_tokens_per_word_and_token_lengths_are_distributions_with_the_right_means(measurements):
    folder, measurement = measurements["9-mer"]
    words, lengths = (pd.read_csv(folder / f"{name}.csv") for name in ("tokens_per_word", "token_lengths"))
    assert words.share.sum() == pytest.approx(1)
    assert lengths.used.sum() == pytest.approx(1)
    assert lengths.vocabulary.sum() == measurement.metrics()["vocabulary"] - 5
    assert (lengths.bases * lengths.used).sum() == pytest.approx(measurement.metrics()["bases_per_token"], rel=1e-4)
    assert (words.tokens * words.share).sum() == pytest.approx(measurement.metrics()["tokens_per_word"], rel=0.05)


def test_a_frame_is_lost_with_the_first_base_and_without_words_there_is_none(measurements):
    kept = {name: measurement.metrics()["kept_after_shift"] for name, (_, measurement) in measurements.items()}
    assert kept["6-mer"] < 0.05
    assert kept["BB"] > 0.95


def test_an_example_spells_the_same_bases_in_every_tokenization(measurements):
    table = vocabularies.example({name: measurement for name, (_, measurement) in measurements.items()}, bases=45)
    spelled = {text.replace(" ", "").replace("|", "") for text in table.tokens}
    assert len(spelled) == 1
    assert len(spelled.pop()) == 45
    assert [len(word.replace(" ", "")) for word in table.tokens["9-mer"].split(" | ")] == [9] * 5


def test_passes_say_how_many_times_the_samples(measurements):
    folders = {name: folder for name, (folder, _) in measurements.items()}
    table = vocabularies.passes(folders)
    assert table.passes.tolist() == [1, 1, 2]
    assert table["times the first"].iloc[0] == 1
    assert vocabularies.splits(folders)[["train", "validation", "test"]].iloc[0].tolist() == [16, 2, 2]


def test_a_users_own_genomes_with_unknown_letters_can_be_measured_and_drawn(tmp_path, monkeypatch):
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "data"))
    letters = np.frombuffer(b"ACGTacgtN", np.uint8)
    sequences = (np.random.default_rng(n).choice(letters, 3_000).tobytes().decode() for n in range(14))
    path = tmp_path / "mine.fa"
    path.write_text("".join(f">g{n} my genome\r\n{sequence}\r\n" for n, sequence in enumerate(sequences)))
    choices = {
        "profile": "test",
        "source": str(path),
        "tokenizations": ["8-mer", "BB"],
        "genomes": [12, 12],
        "vocab_sizes": [300, 300],
        "longest_genome": 25_000,
        "resamplings": 1,
        "seed": 1,
    }
    measurements = vocabularies.runs(choices)
    folders = {name: measurement.train() for name, measurement in measurements.items()}
    assert vocabularies.overview(folders).tokens.gt(0).all()
    assert len(vocabularies.example(measurements, bases=45)) == 2
    assert vocabularies.draw_token_lengths(folders).axes
    assert vocabularies.draw_inputs({"here": folders}).axes
    assert str(tmp_path) not in (folders["8-mer"] / "run.json").read_text()
