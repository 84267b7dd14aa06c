"""Splits, samples and masks, with their statistics."""

import numpy as np
import pytest

from dnakit import corpora, store
from dnakit.corpora import CLS, IGNORED, MASK, PAD, SEP, Corpora, CorpusParameters, MlmSamples, mask_tokens, split
from dnakit.project import DnakitError, checked
from dnakit.sequences import read_fasta
from dnakit.sources import fetch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def _own_data_folder(folder, monkeypatch):
    monkeypatch.setenv("DNAKIT_DATA", str(folder))


def parameters(**changes):
    values = {
        "source": "simulated-mitochondria",
        "genomes": 30,
        "longest_genome": 25_000,
        "tokenization": "9-mer",
        "vocab_size": 500,
        "resamplings": 3,
        "seed": 1,
    }
    return CorpusParameters(**(values | changes))


@pytest.fixture
def corpus():
    return corpora.prepare(parameters())


@pytest.mark.parametrize("count", [10, 40, 2000, 3000, 4000])
def test_splits_are_disjoint_complete_and_81_9_10(count):
    parts = split(count, np.random.default_rng(0))
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(count))
    assert len(parts["test"]) == round(0.1 * count)
    assert len(parts["validation"]) == round(0.1 * (count - len(parts["test"])))


def test_the_thesis_s_splits():
    sizes = {
        n: {part: len(rows) for part, rows in split(n, np.random.default_rng(0)).items()} for n in (2000, 3000, 4000)
    }
    assert sizes[2000] == {"train": 1620, "validation": 180, "test": 200}
    assert sizes[3000] == {"train": 2430, "validation": 270, "test": 300}
    assert sizes[4000] == {"train": 3240, "validation": 360, "test": 400}


def test_no_genome_is_in_two_splits_and_all_are_of_the_source(corpus):
    names = [name for part in corpus.genomes.values() for name in part]
    assert len(names) == len(set(names)) == 30
    assert set(names) <= {record.name for record in read_fasta(fetch("simulated-mitochondria"))}


@pytest.mark.parametrize("part", corpora.SPLITS)
def test_a_corpus_spells_its_genomes(corpus, part):
    sequences = {record.name: record.sequence for record in read_fasta(fetch("simulated-mitochondria"))}
    documents = np.split(corpus.ids(part), corpus.ends(part)[:-1])
    spelled = {"".join(corpus.tokenizer.convert_ids_to_tokens(ids.tolist())).encode() for ids in documents}
    assert spelled == {sequences[name] for name in corpus.genomes[part]}
    assert corpus.sizes["bases"][part] == sum(len(sequences[name]) for name in corpus.genomes[part])


def test_the_tokenizer_learns_from_training_genomes_only(corpus, tmp_path, monkeypatch):
    """Another validation or test genome leaves the vocabulary as it is; another training genome changes it."""
    records = list(read_fasta(fetch("simulated-mitochondria")))

    def vocabulary(changed):
        path = tmp_path / "genomes.fa"
        path.write_text("".join(
            f">{r.name}\n{(r.sequence[::-1] if r.name == changed else r.sequence).decode()}\n" for r in records
        ))  # fmt: skip
        return corpora.prepare(parameters(source=str(path))).tokenizer.get_vocab()

    untouched = vocabulary(None)
    assert vocabulary(corpus.genomes["test"][0]) == vocabulary(corpus.genomes["validation"][0]) == untouched
    assert vocabulary(corpus.genomes["train"][0]) != untouched


def test_bigbird_passes_multiply_the_samples():
    once, thrice = (corpora.prepare(parameters(tokenization="BB", resamplings=n)) for n in (1, 3))
    assert once.genomes == thrice.genomes
    assert len(thrice.ends("train")) == 3 * len(once.ends("train"))
    assert len(thrice.ids("train")) == pytest.approx(3 * len(once.ids("train")), rel=0.05)


def test_resamplings_do_not_matter_to_kmers():
    assert corpora.corpus_key(parameters(resamplings=1), "x") == corpora.corpus_key(parameters(resamplings=5), "x")
    assert corpora.corpus_key(parameters(seed=2), "x") != corpora.corpus_key(parameters(), "x")
    assert corpora.corpus_key(parameters(), "y") != corpora.corpus_key(parameters(), "x")


def test_samples_tile_each_document(corpus):
    bounds, ends = corpora.sample_bounds(corpus.ends("train")), corpus.ends("train")
    assert bounds[0, 0] == 0
    assert bounds[-1, 1] == ends[-1]
    assert (bounds[1:, 0] == bounds[:-1, 1]).all()
    assert (np.diff(bounds) <= 254).all()
    assert set(ends) <= set(bounds[:, 1])
    assert (np.diff(bounds)[~np.isin(bounds[:, 1], ends)] == 254).all()


def test_a_sample_is_framed_and_padded(corpus):
    samples = MlmSamples(corpus, "train", "static", "all", seed=3)
    for number in range(len(samples)):
        item = {name: tensor.numpy() for name, tensor in samples[number].items()}
        length = item["attention_mask"].sum()
        assert item["attention_mask"][:length].all()
        assert item["input_ids"][0] == CLS
        assert item["input_ids"][length - 1] == SEP
        assert (item["input_ids"][length:] == PAD).all()
        start, end = samples.bounds[number]
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


def test_too_few_genomes_is_one_clear_error():
    with pytest.raises(DnakitError, match=r"holds 120 genomes .* but 500 are asked for"):
        corpora.prepare(parameters(genomes=500))


@pytest.mark.parametrize(("letters", "length", "words"), [("N", 900, "9-mer"), ("ACGT", 20, "BB")])
def test_genomes_that_give_no_tokens_are_one_clear_error(tmp_path, letters, length, words):
    path = tmp_path / "poor.fa"
    path.write_text("".join(f">g{n}\n{(letters * length)[:length]}\n" for n in range(12)))
    with pytest.raises(DnakitError, match=r"poor.fa: the \w+ genomes give no tokens"):
        corpora.prepare(parameters(source=str(path), genomes=12, vocab_size=20, tokenization=words, resamplings=1))


def test_lists_of_different_lengths_are_one_clear_error():
    values = {
        "profile": "p",
        "source": "s",
        "tokenizations": ["6-mer"],
        "genomes": [10, 20],
        "vocab_sizes": [100],
        "longest_genome": 1,
        "resamplings": 1,
        "seed": 1,
    }
    with pytest.raises(DnakitError, match="as many entries"):
        checked(Corpora, values, "01_tokenization")
    with pytest.raises(DnakitError, match="01_tokenization: 'tokenization'"):
        checked(Corpora, values | {"genomes": [10], "tokenizations": ["13-mer"]}, "x").corpora("01_tokenization")


def test_a_corpus_is_made_once(corpus):
    before = (corpus.folder / "train.ids").stat().st_mtime_ns
    assert corpora.prepare(parameters()).folder == corpus.folder
    assert (corpus.folder / "train.ids").stat().st_mtime_ns == before
    assert corpus.folder == store.place("corpora", corpus.folder.name)


def test_bpe_learns_from_a_bounded_even_part_of_a_large_corpus(tmp_path, monkeypatch):
    """Every n-th piece of the training genomes: the sample stays near the bound and reaches every genome."""
    monkeypatch.setattr(corpora, "BPE_BASES", 20_000)
    monkeypatch.setattr(corpora, "BPE_PIECE", 900)
    rng = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", np.uint8)
    genomes = {f"g{n}": rng.choice(letters, 9_000).tobytes().decode() for n in range(20)}
    path = tmp_path / "genomes.fa"
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in genomes.items()))
    texts = list(corpora._texts(path, set(genomes), 180_000, parameters()))
    assert 15_000 < sum(map(len, texts)) <= 20_000 + 900
    from_each = [sum(text in sequence for text in texts) for sequence in genomes.values()]
    assert min(from_each) >= 1


def test_a_corpus_of_genomes_with_unknown_letters_spells_the_known_ones(tmp_path):
    rng = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGTN", np.uint8)
    sequences = {f"g{n}": rng.choice(letters, 3_000).tobytes().decode() for n in range(12)}
    path = tmp_path / "genomes.fa"
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in sequences.items()))
    corpus = corpora.prepare(parameters(source=str(path), genomes=12, vocab_size=100))
    documents = np.split(corpus.ids("train"), corpus.ends("train")[:-1])
    for name, ids in zip(corpus.genomes["train"], documents, strict=True):
        known = ids[ids >= 5].tolist()
        assert "".join(corpus.tokenizer.convert_ids_to_tokens(known)) == sequences[name].replace("N", "")
