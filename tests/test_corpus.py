"""Corpora: which genomes are in which split, what is learned from which, and what lies on disk."""

import os
import subprocess
import sys

import datasets
import numpy as np
import pytest

from dnakit import store
from dnakit.data.sources import fetch
from dnakit.data.taxonomy import lineages, rank
from dnakit.project import DnakitError, checked
from dnakit.tokens import corpus as corpora
from dnakit.tokens.corpus import split
from dnakit.tokens.parameters import HELD_OUT, SPLITS, Corpora, CorpusParameters
from dnakit.tokens.rows import SAMPLE_TOKENS, RowWriter, sample_bounds

pytestmark = pytest.mark.slow

TAXONOMY = "simulated-mitochondria-genbank"


def random_sequences(names, bases, letters=b"ACGT"):
    rng = np.random.default_rng(0)
    return {name: rng.choice(np.frombuffer(letters, np.uint8), bases).tobytes().decode() for name in names}


def write_fasta(path, sequences):
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in sequences.items()))
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def _own_data_folder(folder, monkeypatch):
    monkeypatch.setenv("DNAKIT_DATA", str(folder))


@pytest.fixture(scope="module")
def genomes():
    """Forty of 3 kb: each has four samples of 9-mer tokens or more."""
    return random_sequences([f"g{number}" for number in range(40)], 3_000)


@pytest.fixture(scope="module")
def source(folder, genomes):
    return write_fasta(folder / "genomes.fa", genomes)


@pytest.fixture
def parameters(source):
    def make(**changes):
        values = {
            "sources": [source],
            "genomes": 30,
            "longest_genome": 25_000,
            "tokenization": "9-mer",
            "vocab_size": 200,
            "resamplings": 3,
            "seed": 1,
        }
        return CorpusParameters(**(values | changes))

    return make


@pytest.fixture
def corpus(parameters):
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


def test_no_genome_is_in_two_splits_and_all_are_of_the_source(corpus, genomes):
    names = [name for part in corpus.genomes.values() for name in part]
    assert len(names) == len(set(names)) == 30
    assert set(names) <= set(genomes)


@pytest.mark.parametrize("part", SPLITS)
def test_a_corpus_spells_its_genomes(corpus, part, genomes):
    documents = np.split(corpus.ids(part), corpus.ends(part)[:-1])
    spelled = {corpus.tokenizer.decode(ids) for ids in documents}
    assert spelled == {genomes[name] for name in corpus.genomes[part]}
    assert corpus.sizes["bases"][part] == sum(len(genomes[name]) for name in corpus.genomes[part])
    assert corpus.sizes["tokens"][part] == len(corpus.ids(part))


@pytest.mark.parametrize("tokenization", ["6-mer", "BB"])
def test_rows_are_samples_of_one_pass_each_in_order(parameters, tokenization):
    corpus = corpora.prepare(parameters(tokenization=tokenization))
    for part in SPLITS:
        rows = corpus.dataset[part].to_pandas()
        lengths = rows.token_ids.map(len)
        documents = list(dict.fromkeys(zip(rows.genome, rows["pass"], strict=True)))
        passes = range(3 if tokenization == "BB" else 1)
        order = sorted(corpus.genomes[part], key=lambda name: int(name[1:]))
        assert documents == [(name, number) for name in order for number in passes]
        assert (np.concatenate(rows.token_ids.tolist()) == corpus.ids(part)).all()
        bounds = sample_bounds(corpus.ends(part))
        assert (np.diff(bounds)[:, 0] == lengths).all()
        before = np.repeat(np.append(0, corpus.ends(part)[:-1]), np.bincount(np.cumsum(rows.start == 0) - 1))
        assert (bounds[:, 0] - before == rows.start).all()
        assert lengths.max() == SAMPLE_TOKENS


def test_datasets_opens_a_corpus_without_dnakit_and_without_a_word(corpus, tmp_path):
    code = (
        "import sys; sys.modules['dnakit'] = None\n"
        "from datasets import load_from_disk\n"
        f"corpus = load_from_disk({str(corpus.folder)!r})\n"
        "row = corpus['train'].remove_columns('token_ids')[1]\n"
        "print(list(corpus), corpus['train'].features['token_ids'].feature.dtype, *row.values())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=home(tmp_path))
    first = corpus.dataset["train"][0]["genome"]
    assert done.stdout == f"['train', 'validation', 'test'] uint16 {first} 0 254\n"
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def home(folder):
    """Surroundings with an empty home folder and no network."""
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "HF_HUB_OFFLINE": "1"}


def test_a_corpus_is_made_in_silence_and_leaves_the_home_folder_alone(parameters, tmp_path):
    for name in ("home", "data set's é"):
        (tmp_path / name).mkdir()
    values = parameters().model_dump()
    code = (
        "from dnakit.tokens.corpus import prepare\n"
        "from dnakit.tokens.parameters import CorpusParameters\n"
        f"corpus = prepare(CorpusParameters(**{values!r}))\n"
        "print(len(corpus.ids('train')), corpus.folder.parent.name)"
    )
    data = {"DNAKIT_DATA": str(tmp_path / "data set's é")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=home(tmp_path / "home") | data
    )
    assert done.stderr == ""
    assert done.stdout == f"{len(corpora.prepare(parameters()).ids('train'))} datasets\n"
    assert list((tmp_path / "home").iterdir()) == []


def test_what_a_killed_process_left_does_not_matter(parameters):
    killed = parameters(seed=5)
    part = store.path_of(corpora.SHELF, corpora.corpus_key(killed))
    left = part.with_name(f".{part.name}.part")
    for name in (".rows/train", "train/data-00000-of-00001.arrow"):
        (left / name).parent.mkdir(parents=True, exist_ok=True)
        (left / name).write_bytes(b"half")
    made = corpora.prepare(killed)
    assert {path.name for path in made.folder.iterdir()} == {
        *SPLITS, "tokenizer", "genomes.json", "sizes.json", "dataset_dict.json"
    }  # fmt: skip
    assert sum(split.num_rows for split in datasets.load_from_disk(made.folder).values()) > 100


def test_a_corpus_of_an_older_format_is_never_opened(parameters, corpus, folder):
    older = folder / "cache" / "corpora" / corpus.folder.name
    older.mkdir(parents=True)
    (older / "genomes.json").write_text("{}")
    assert corpora.prepare(parameters()).genomes == corpus.genomes != {}


def test_rows_are_on_disk_as_soon_as_they_are_written(tmp_path):
    """So that memory holds one genome, however many there are."""
    writer = RowWriter(tmp_path, ["train"])
    ids = np.arange(10_000)
    for number in range(1, 20):
        writer.write("train", "g", number, ids)
        assert sum(path.stat().st_size for path in tmp_path.rglob("train")) >= number * 2 * len(ids) - 2**16
    writer.save()
    assert (np.concatenate(datasets.load_from_disk(tmp_path)["train"]["token_ids"]) == np.tile(ids, 19)).all()


def test_the_tokenizer_learns_from_training_genomes_only(corpus, parameters, genomes, tmp_path):
    """Another validation or test genome leaves the vocabulary as it is; another training genome changes it."""

    def vocabulary(changed):
        sequences = {name: letters[::-1] if name == changed else letters for name, letters in genomes.items()}
        return corpora.prepare(
            parameters(sources=[write_fasta(tmp_path / "genomes.fa", sequences)])
        ).tokenizer.get_vocab()

    untouched = vocabulary(None)
    assert vocabulary(corpus.genomes["test"][0]) == vocabulary(corpus.genomes["validation"][0]) == untouched
    assert vocabulary(corpus.genomes["train"][0]) != untouched


def test_bigbird_passes_multiply_the_samples(parameters):
    once, thrice = (corpora.prepare(parameters(tokenization="BB", resamplings=n)) for n in (1, 3))
    assert once.genomes == thrice.genomes
    assert len(thrice.ends("train")) == 3 * len(once.ends("train"))
    assert len(thrice.ids("train")) == pytest.approx(3 * len(once.ids("train")), rel=0.05)


def test_resamplings_do_not_matter_to_kmers(parameters):
    assert corpora.corpus_key(parameters(resamplings=1)) == corpora.corpus_key(parameters(resamplings=5))
    assert corpora.corpus_key(parameters(seed=2)) != corpora.corpus_key(parameters())


def test_the_key_follows_the_content_of_a_source_and_not_its_name(parameters, tmp_path):
    first, same, other = (
        write_fasta(tmp_path / name, {"g": letter * 60})
        for name, letter in (("1.fa", "A"), ("2.fa", "A"), ("3.fa", "C"))
    )
    keys = [corpora.corpus_key(parameters(sources=[path])) for path in (first, same, other)]
    assert keys[0] == keys[1] != keys[2]


def test_too_few_genomes_is_one_clear_error(parameters):
    with pytest.raises(DnakitError, match=r"holds 40 genomes .* but 500 are asked for"):
        corpora.prepare(parameters(genomes=500))


@pytest.mark.parametrize("piece", [0, 1000])
def test_a_record_name_in_two_sources_is_one_clear_error(parameters, tmp_path, piece):
    names = [f"chr{number}" for number in range(1, 13)]
    one, two = (write_fasta(tmp_path / f"two_{which}.fa", random_sequences(names, 2_000)) for which in "ab")
    with pytest.raises(DnakitError, match=r"two_a.fa and two_b.fa both hold a record named 'chr1'; give every"):
        corpora.prepare(parameters(sources=[one, two], piece=piece, genomes=0))
    with pytest.raises(DnakitError, match=r"two_a.fa and two_a.fa both hold a record named 'chr1'"):
        corpora.prepare(parameters(sources=[one, one], piece=piece, genomes=0))


def test_a_source_whose_name_is_no_utf_8_is_checked_like_any_other(parameters, tmp_path):
    path = write_fasta(tmp_path / os.fsdecode(b"lat\xe9.fa"), random_sequences([f"g{n}" for n in range(12)], 2_000))
    corpora.check([parameters(sources=[path], genomes=12)])
    with pytest.raises(DnakitError, match="12 genomes"):
        corpora.check([parameters(sources=[path], genomes=13)])


@pytest.mark.parametrize("held_out", [0, 3])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"longest_genome": 10}, "holds no genomes of at most 10 bases: raise 'longest_genome'"),
        ({"piece": 10**6, "far_chromosomes": ["x"]}, "holds no pieces of 1,000,000 bases: lower 'nuclear_piece'"),
    ],
)
def test_bounds_that_no_genome_keeps_are_named(parameters, changes, message, held_out):
    with pytest.raises(DnakitError, match=message):
        corpora.prepare(parameters(ruler_genomes=held_out, **changes))


def test_no_number_of_genomes_means_all_in_words_too(parameters):
    assert parameters(genomes=0).amount == "all genomes"
    assert parameters(genomes=0, piece=1000).amount == "all pieces of 1,000 bases"
    assert parameters(genomes=1200).amount == "1,200 genomes"


@pytest.mark.parametrize(("letters", "length", "words"), [("N", 900, "9-mer"), ("ACGT", 20, "BB")])
def test_genomes_that_give_no_tokens_are_one_clear_error(parameters, tmp_path, letters, length, words):
    poor = write_fasta(tmp_path / "poor.fa", {f"g{n}": (letters * length)[:length] for n in range(12)})
    with pytest.raises(DnakitError, match=r"poor.fa: the \w+ genomes give no tokens"):
        corpora.prepare(parameters(sources=[poor], genomes=12, vocab_size=20, tokenization=words, resamplings=1))


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


def test_a_corpus_is_made_once(corpus, parameters):
    def times():
        return {path: path.stat().st_mtime_ns for path in corpus.folder.rglob("*")}

    before = times()
    assert corpora.prepare(parameters()).folder == corpus.folder
    assert times() == before


def test_bpe_learns_from_a_bounded_even_part_of_a_large_corpus(parameters, tmp_path, monkeypatch):
    """Every n-th piece of the training genomes: the sample stays near the bound and reaches every genome."""
    monkeypatch.setattr(corpora, "BPE_BASES", 20_000)
    monkeypatch.setattr(corpora, "BPE_PIECE", 900)
    genomes = random_sequences([f"g{n}" for n in range(20)], 9_000)
    texts = list(
        corpora._texts(set(genomes), 180_000, parameters(sources=[write_fasta(tmp_path / "genomes.fa", genomes)]))
    )
    assert 15_000 < sum(map(len, texts)) <= 20_000 + 900
    from_each = [sum(text in sequence for text in texts) for sequence in genomes.values()]
    assert min(from_each) >= 1


def test_genomes_with_unknown_letters_even_at_their_start_keep_their_known_ones(parameters, tmp_path):
    sequences = random_sequences([f"g{n}" for n in range(12)], 3_000, b"ACGTN")
    sequences = {name: "N" * 30 + sequence for name, sequence in sequences.items()}
    corpus = corpora.prepare(
        parameters(sources=[write_fasta(tmp_path / "genomes.fa", sequences)], genomes=12, vocab_size=100)
    )
    documents = np.split(corpus.ids("train"), corpus.ends("train")[:-1])
    for name, ids in zip(corpus.genomes["train"], documents, strict=True):
        assert corpus.tokenizer.decode(ids, skip_special_tokens=True) == sequences[name].replace("N", "")


def test_held_out_genomes_are_in_no_split_and_far_ones_of_other_families(parameters):
    corpus = corpora.prepare(
        parameters(sources=["simulated-mitochondria"], ruler_genomes=9, taxonomy=TAXONOMY, tokenization="3-mer")
    )
    known = lineages(fetch(TAXONOMY))
    families = {part: {rank(known[name], "family") for name in names} for part, names in corpus.genomes.items()}
    names = [name for members in corpus.genomes.values() for name in members]
    assert len(names) == len(set(names))
    assert not families["far"] & set.union(*(families[part] for part in (*SPLITS, "near")))
    assert len(corpus.genomes["near"]) == 9
    assert 0 < len(corpus.genomes["far"]) <= 9


def test_held_out_genomes_are_the_same_for_every_tokenization_and_number_of_genomes(parameters):
    shared = {"sources": ["simulated-mitochondria"], "ruler_genomes": 9, "taxonomy": TAXONOMY}
    one = corpora.prepare(parameters(**shared, tokenization="3-mer"))
    other = corpora.prepare(parameters(**shared, tokenization="BB", genomes=12, resamplings=1))
    assert all(one.genomes[part] == other.genomes[part] for part in HELD_OUT)


@pytest.fixture
def chromosomes(tmp_path):
    """Four chromosomes of 12 kb, the first with 3 kb of N at either end."""
    whole = random_sequences([f"chr{n}" for n in range(1, 5)], 12_000)
    whole["chr1"] = "N" * 3000 + whole["chr1"][3000:9000] + "n" * 3000
    paths = [
        write_fasta(tmp_path / f"part{number}.fa", {name: whole[name] for name in names})
        for number, names in enumerate((["chr1", "chr2"], ["chr3", "chr4"]))
    ]
    return paths, whole


def test_chromosomes_are_cut_into_pieces_and_those_of_unknown_bases_left_out(chromosomes, parameters):
    sources, whole = chromosomes
    pieces = list(corpora.documents(parameters(sources=sources, piece=1000)))
    assert len({piece.name for piece in pieces}) == len(pieces) == 4 * 12 - 6
    for piece in pieces:
        chromosome, start = piece.name.split(":")
        assert piece.sequence.decode() == whole[chromosome][int(start) : int(start) + 1000]


def test_far_pieces_of_a_nuclear_genome_are_of_a_chromosome_of_their_own(chromosomes, parameters):
    sources, _ = chromosomes
    nuclear = parameters(
        sources=sources, piece=1000, genomes=0, ruler_genomes=5, far_chromosomes=["chr4"], vocab_size=100
    )
    corpus = corpora.prepare(nuclear)
    of = {part: {name.split(":")[0] for name in names} for part, names in corpus.genomes.items()}
    assert of["far"] == {"chr4"}
    assert "chr4" not in set.union(*(of[part] for part in (*SPLITS, "near")))
    assert len(corpus.genomes["far"]) == len(corpus.genomes["near"]) == 5
    assert sum(len(corpus.genomes[part]) for part in SPLITS) == 3 * 12 - 6 - 5
    with pytest.raises(
        DnakitError, match="no sequence of the sources is named chrX: give 'nuclear_far' names of theirs, such as chr1"
    ):
        corpora.prepare(nuclear.model_copy(update={"far_chromosomes": ["chrX"]}))
