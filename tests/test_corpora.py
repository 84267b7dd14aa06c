"""Splits, samples and masks, with their statistics."""

import numpy as np
import pytest

from dnakit import store
from dnakit.data.formats import read_fasta
from dnakit.data.sources import fetch
from dnakit.data.taxonomy import lineages, rank
from dnakit.project import DnakitError, checked
from dnakit.tokens import corpus as corpora
from dnakit.tokens.corpus import Corpora, CorpusParameters, split


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def _own_data_folder(folder, monkeypatch):
    monkeypatch.setenv("DNAKIT_DATA", str(folder))


def parameters(**changes):
    values = {
        "sources": ["simulated-mitochondria"],
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
        return corpora.prepare(parameters(sources=[str(path)])).tokenizer.get_vocab()

    untouched = vocabulary(None)
    assert vocabulary(corpus.genomes["test"][0]) == vocabulary(corpus.genomes["validation"][0]) == untouched
    assert vocabulary(corpus.genomes["train"][0]) != untouched


def test_bigbird_passes_multiply_the_samples():
    once, thrice = (corpora.prepare(parameters(tokenization="BB", resamplings=n)) for n in (1, 3))
    assert once.genomes == thrice.genomes
    assert len(thrice.ends("train")) == 3 * len(once.ends("train"))
    assert len(thrice.ids("train")) == pytest.approx(3 * len(once.ids("train")), rel=0.05)


def test_resamplings_do_not_matter_to_kmers():
    assert corpora.corpus_key(parameters(resamplings=1)) == corpora.corpus_key(parameters(resamplings=5))
    assert corpora.corpus_key(parameters(seed=2)) != corpora.corpus_key(parameters())


def test_the_key_follows_the_content_of_a_source_and_not_its_name(tmp_path):
    first, same, other = (tmp_path / name for name in ("first.fa", "same.fa", "other.fa"))
    for path, letter in ((first, "A"), (same, "A"), (other, "C")):
        path.write_text(f">g\n{letter * 60}\n")
    keys = [corpora.corpus_key(parameters(sources=[str(path)])) for path in (first, same, other)]
    assert keys[0] == keys[1] != keys[2]


def test_too_few_genomes_is_one_clear_error():
    with pytest.raises(DnakitError, match=r"holds 120 genomes .* but 500 are asked for"):
        corpora.prepare(parameters(genomes=500))


@pytest.mark.parametrize(("letters", "length", "words"), [("N", 900, "9-mer"), ("ACGT", 20, "BB")])
def test_genomes_that_give_no_tokens_are_one_clear_error(tmp_path, letters, length, words):
    path = tmp_path / "poor.fa"
    path.write_text("".join(f">g{n}\n{(letters * length)[:length]}\n" for n in range(12)))
    with pytest.raises(DnakitError, match=r"poor.fa: the \w+ genomes give no tokens"):
        corpora.prepare(parameters(sources=[str(path)], genomes=12, vocab_size=20, tokenization=words, resamplings=1))


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
    texts = list(corpora._texts(set(genomes), 180_000, parameters(sources=[str(path)])))
    assert 15_000 < sum(map(len, texts)) <= 20_000 + 900
    from_each = [sum(text in sequence for text in texts) for sequence in genomes.values()]
    assert min(from_each) >= 1


def test_a_corpus_of_genomes_with_unknown_letters_spells_the_known_ones(tmp_path):
    rng = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGTN", np.uint8)
    sequences = {f"g{n}": rng.choice(letters, 3_000).tobytes().decode() for n in range(12)}
    path = tmp_path / "genomes.fa"
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in sequences.items()))
    corpus = corpora.prepare(parameters(sources=[str(path)], genomes=12, vocab_size=100))
    documents = np.split(corpus.ids("train"), corpus.ends("train")[:-1])
    for name, ids in zip(corpus.genomes["train"], documents, strict=True):
        known = ids[ids >= 5].tolist()
        assert "".join(corpus.tokenizer.convert_ids_to_tokens(known)) == sequences[name].replace("N", "")


TAXONOMY = "simulated-mitochondria-genbank"


def test_rulers_are_apart_from_every_split_and_the_far_one_is_of_other_families():
    corpus = corpora.prepare(parameters(ruler_genomes=9, taxonomy=TAXONOMY))
    known = lineages(fetch(TAXONOMY))
    families = {part: {rank(known[name], "family") for name in names} for part, names in corpus.genomes.items()}
    names = [name for members in corpus.genomes.values() for name in members]
    assert len(names) == len(set(names))
    assert not families["far"] & set.union(*(families[part] for part in (*corpora.SPLITS, "near")))
    assert len(corpus.genomes["near"]) == 9
    assert 0 < len(corpus.genomes["far"]) <= 9


def test_rulers_are_the_same_for_every_tokenization_and_number_of_genomes():
    one = corpora.prepare(parameters(ruler_genomes=9, taxonomy=TAXONOMY))
    other = corpora.prepare(parameters(ruler_genomes=9, taxonomy=TAXONOMY, tokenization="BB", genomes=12))
    assert all(one.genomes[ruler] == other.genomes[ruler] for ruler in corpora.RULERS)


@pytest.fixture
def chromosomes(tmp_path):
    """Four chromosomes of 12 kb, the first with 3 kb of N at either end."""
    rng = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", np.uint8)
    whole = {f"chr{n}": rng.choice(letters, 12_000).tobytes().decode() for n in range(1, 5)}
    whole["chr1"] = "N" * 3000 + whole["chr1"][3000:9000] + "n" * 3000
    paths = [tmp_path / "part1.fa", tmp_path / "part2.fa"]
    for path, names in zip(paths, (["chr1", "chr2"], ["chr3", "chr4"]), strict=True):
        path.write_text("".join(f">{name}\n{whole[name]}\n" for name in names))
    return [str(path) for path in paths], whole


def test_chromosomes_are_cut_into_pieces_and_those_of_unknown_bases_left_out(chromosomes):
    sources, whole = chromosomes
    pieces = list(corpora.documents(parameters(sources=sources, piece=1000)))
    assert len({piece.name for piece in pieces}) == len(pieces) == 4 * 12 - 6
    for piece in pieces:
        chromosome, start = piece.name.split(":")
        assert piece.sequence.decode() == whole[chromosome][int(start) : int(start) + 1000]


def test_the_far_ruler_of_a_nuclear_genome_is_a_chromosome_of_its_own(chromosomes):
    sources, _ = chromosomes
    nuclear = parameters(
        sources=sources, piece=1000, genomes=0, ruler_genomes=5, far_chromosomes=["chr4"], vocab_size=100
    )
    corpus = corpora.prepare(nuclear)
    of = {part: {name.split(":")[0] for name in names} for part, names in corpus.genomes.items()}
    assert of["far"] == {"chr4"}
    assert "chr4" not in set.union(*(of[part] for part in (*corpora.SPLITS, "near")))
    assert len(corpus.genomes["far"]) == len(corpus.genomes["near"]) == 5
    assert sum(len(corpus.genomes[part]) for part in corpora.SPLITS) == 3 * 12 - 6 - 5
    with pytest.raises(DnakitError, match="none of the source has 'far_chromosomes'"):
        corpora.prepare(nuclear.model_copy(update={"far_chromosomes": ["chrX"]}))
