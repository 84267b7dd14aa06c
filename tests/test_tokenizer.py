"""Words and tokens: equality with the tokenizers library, round trips, the policy on letters."""

import itertools
import json
import os
import pickle
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnakit.data import bases
from dnakit.project import DnakitError
from dnakit.tokens.encoding_table import EncodingTable
from dnakit.tokens.tokenizer import (
    DnaTokenizer,
    bigbird_words,
    known_words,
    load_tokenizer,
    train_tokenizer,
)
from dnakit.tokens.vocabulary import SPECIAL_TOKENS

LETTERS = "ACGTacgtUuNnRYKMSWBDHVryx-"


def random_dna(length: int, seed: int) -> bytes:
    return (
        np.random.default_rng(seed).choice(np.frombuffer(b"ACGT", np.uint8), length, p=[0.3, 0.2, 0.15, 0.35]).tobytes()
    )


@pytest.fixture(scope="module")
def tokenizers() -> dict[int | None, DnaTokenizer]:
    genomes = [random_dna(10_000, seed) for seed in range(3)]
    kmers = {k: train_tokenizer((known_words(genome, k) for genome in genomes), 600, k) for k in (1, 6, 9, 11)}
    rng = np.random.default_rng(0)
    words = (word.decode() for genome in genomes for word in bigbird_words(genome, rng))
    return {**kmers, None: train_tokenizer(words, 600, None)}


@pytest.mark.parametrize("k", [1, 6, 9, 11, None])
@given(text=st.text(st.sampled_from(LETTERS), max_size=80))
@settings(max_examples=150)
def test_encode_sequence_equals_the_library(tokenizers, k, text):
    tokenizer = tokenizers[k]
    ours = tokenizer.encode_sequence(text)
    assert ours.dtype == np.int32
    assert ours.tolist() == tokenizer(text, add_special_tokens=False).input_ids
    assert ours.tolist() == tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("k", [6, 9, 11, None])
def test_every_length_modulo_k_and_long_sequences_equal_the_library(tokenizers, k):
    tokenizer = tokenizers[k]
    sequence = random_dna(5_000, 7) + b"N" * 100 + random_dna(1_000, 8).lower()
    for cut in range((k or 9) + 1):
        text = sequence[cut // 2 : len(sequence) - cut].decode()
        assert tokenizer.encode_sequence(text).tolist() == tokenizer(text, add_special_tokens=False).input_ids


@cache
def small_tokenizer(k: int) -> DnaTokenizer:
    return train_tokenizer([known_words(random_dna(3_000, k), k)], 60 + 40 * k, k)


@pytest.mark.parametrize("k", range(1, 13))
@given(
    length=st.integers(0, 2_000),
    seed=st.integers(0, 99),
    changed=st.lists(st.tuples(st.integers(0, 1_999), st.sampled_from(LETTERS)), max_size=20),
)
@settings(max_examples=30)
def test_words_of_any_length_are_encoded_as_the_library_does(k, length, seed, changed):
    letters = list(random_dna(length, seed).decode())
    for place, letter in changed:
        letters[place : place + 1] = letter if place < length else []
    text = "".join(letters)
    expected = small_tokenizer(k).backend_tokenizer.encode(text, add_special_tokens=False).ids
    assert small_tokenizer(k).encode_sequence(text).tolist() == expected
    together = small_tokenizer(k).encode_sequences([text, text[: k // 2], text[1:]])
    assert together[0].tolist() == expected


def test_pieces_join_to_the_encoding_of_the_whole(tokenizers, monkeypatch):
    sequence = random_dna(10_000, 5) + b"NNN" + random_dna(77, 6)
    monkeypatch.setattr("dnakit.tokens.encoding_table.PIECE", 455)
    pieces = EncodingTable(tokenizers[9], 9).encode(sequence)
    assert (pieces == tokenizers[9].encode_sequence(sequence)).all()


@pytest.mark.parametrize("k", [1, 6, 9, 11, None])
@given(texts=st.lists(st.text(st.sampled_from(LETTERS), max_size=60), max_size=8))
@settings(max_examples=50)
def test_sequences_together_are_encoded_as_one_by_one(tokenizers, k, texts):
    together = tokenizers[k].encode_sequences(texts)
    assert [ids.tolist() for ids in together] == [tokenizers[k].encode_sequence(text).tolist() for text in texts]
    assert all(ids.dtype == np.int32 for ids in together)


def test_reads_and_genomes_together_are_encoded_as_one_by_one(tokenizers, monkeypatch):
    monkeypatch.setattr("dnakit.tokens.encoding_table.TOGETHER", 4)
    sequences = [random_dna(length, length) for length in (170, 171, 8, 5_000, 0, 900, 901, 170, 9)]
    sequences += [random_dna(70_000, 1), b"", sequences[0][:60] + b"NNN" + sequences[1], sequences[0]]
    together = tokenizers[9].encode_sequences(iter(sequences))
    assert [ids.tolist() for ids in together] == [tokenizers[9].encode_sequence(each).tolist() for each in sequences]


@pytest.mark.parametrize("share", [0, 1])
def test_ids_do_not_depend_on_what_was_encoded_before(tokenizers, monkeypatch, share):
    """All words at once, or only those that appear; few new words at a time, or many."""
    monkeypatch.setattr("dnakit.tokens.encoding_table.FULL_FROM", share)
    tokenizer = tokenizers[6]
    table = EncodingTable(tokenizer, 6)
    for length in (6, 12, 7, 600, 6_000, 60_000):
        sequence = random_dna(length, length)
        assert table.encode(sequence).tolist() == tokenizer(sequence.decode(), add_special_tokens=False).input_ids
    assert (table.known == table.numbers - 1) == (share == 0)


@pytest.mark.parametrize("k", [9, 11])
def test_threads_may_share_a_tokenizer(tokenizers, k):
    """Readers and writers of one table that grows; Python is made to change threads as often as it can."""
    texts = [random_dna(length, length) + b"N" + random_dna(length, 7) for length in range(60, 360)]
    expected = [tokenizers[k].encode_sequence(text).tolist() for text in texts]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(5):
            table = EncodingTable(tokenizers[k], k)
            with ThreadPoolExecutor(8) as threads:
                assert [ids.tolist() for ids in threads.map(table.encode, texts)] == expected
    finally:
        sys.setswitchinterval(interval)


def test_what_was_returned_stays_as_it_is(tokenizers):
    texts = [random_dna(170, seed) for seed in range(50)]
    kept = [tokenizers[9].encode_sequence(text) for text in texts]
    before = [ids.tolist() for ids in kept]
    for ids in kept[::2]:
        ids[:] = 0
    assert [ids.tolist() for ids in kept[1::2]] == before[1::2]
    assert [tokenizers[9].encode_sequence(text).tolist() for text in texts] == before


def test_a_vocabulary_that_sixteen_bits_do_not_number(monkeypatch):
    """The same ids from rows of 32 bits, as for more than 65,536 tokens."""
    tokenizer, text = small_tokenizer(6), random_dna(500, 1) + b"N"
    expected = tokenizer.encode_sequence(text).tolist()
    monkeypatch.setattr(DnaTokenizer, "__len__", lambda self: 1 << 17)
    table = EncodingTable(tokenizer, 6)
    assert table.rows.dtype == np.int32
    assert table.encode(text).tolist() == expected


def test_what_a_word_of_four_letters_becomes(tokenizers):
    """As at the end of a sequence, where words are shorter."""
    found = EncodingTable(tokenizers[9], 9).lookup(np.arange(4**4), 4)
    for number, word in enumerate(map("".join, itertools.product("ACGT", repeat=4))):
        assert found[number][found[number] > 0].tolist() == tokenizers[9].encode_sequence(word).tolist()


def test_looked_up_words_have_the_shape_of_their_numbers(tokenizers):
    numbers = np.random.default_rng(0).integers(0, 4**11, (3, 4))
    found = EncodingTable(tokenizers[11], 11).lookup(numbers, 11)
    assert found.shape[:2] == (3, 4)
    for row, number in zip(found.reshape(12, -1), numbers.ravel(), strict=True):
        assert tokenizers[11].token_lengths()[row].sum() == 11
        assert (tokenizers[11].encode_sequence(bases.letters(bases.kmer_codes(number, 11))) == row[row > 0]).all()


def test_encoding_costs_what_the_sequence_costs(tokenizers):
    """A read of 170 bases, which is no multiple of nine and holds an N, moves no table of all words."""
    tokenizer = tokenizers[9]
    tokenizer.encode_sequence(random_dna(400_000, 1))  # fills the table: 4^9 rows, megabytes
    read = random_dna(100, 2) + b"N" + random_dna(69, 3)
    tokenizer.encode_sequence(read)
    tracemalloc.start()
    tokenizer.encode_sequence(read)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


@pytest.mark.parametrize("k", [6, 9, None])
def test_known_letters_come_back(tokenizers, k):
    sequence = random_dna(1_000, 3)
    tokenizer = tokenizers[k]
    ids = tokenizer.encode_sequence(sequence.lower())
    assert tokenizer.decode(ids).encode() == sequence
    assert tokenizer.token_lengths()[ids].sum() == len(sequence)


def test_a_run_of_unknown_letters_in_a_word_is_one_unk_and_keeps_the_frame(tokenizers):
    tokenizer = tokenizers[9]
    left, right = random_dna(9, 1), random_dna(9, 2)
    ids = tokenizer.encode_sequence(left + b"ACNNNNNGT" + right).tolist()
    assert ids.count(tokenizer.unk_token_id) == 1
    assert ids[: len(tokenizer.encode_sequence(left))] == tokenizer.encode_sequence(left).tolist()
    assert ids[-len(tokenizer.encode_sequence(right)) :] == tokenizer.encode_sequence(right).tolist()
    assert tokenizer.encode_sequence(b"N" * 27).tolist() == [tokenizer.unk_token_id] * 3


def test_str_and_bytes_are_the_same_and_nothing_is_nothing(tokenizers):
    assert (
        tokenizers[9].encode_sequence("ACGTACGTACGT").tolist()
        == tokenizers[9].encode_sequence(b"ACGTACGTACGT").tolist()
    )
    assert len(tokenizers[9].encode_sequence("")) == 0


def test_special_tokens_have_the_first_ids_and_frame_a_text(tokenizers):
    tokenizer = tokenizers[9]
    assert tuple(tokenizer.convert_ids_to_tokens(range(5))) == SPECIAL_TOKENS
    ids = tokenizer("ACGT").input_ids
    assert (ids[0], ids[-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert all(name in SPECIAL_TOKENS or set(name) <= set("ACGT") for name in tokenizer.get_vocab())


def test_no_token_crosses_a_word(tokenizers):
    for k in (6, 9, 11):
        assert max(tokenizers[k].token_lengths()) <= k


def test_a_vocabulary_large_enough_makes_each_word_one_token():
    genome = random_dna(30_000, 11)
    tokenizer = train_tokenizer([known_words(genome, 3)], 100, 3)  # 64 words, 16 pairs, 4 letters, 5 specials
    assert len(tokenizer.encode_sequence(genome)) == len(genome) // 3


def test_autotokenizer_loads_it_without_dnakit(tokenizers, tmp_path):
    """The same ids, at most 256 of them where it shall truncate, and the letters back."""
    tokenizers[9].save_pretrained(tmp_path)
    text, known = "acgtNNNNNacgttagcatcga" * 5, random_dna(3_000, 1).decode()
    code = (
        "import sys; sys.modules['dnakit'] = None\n"
        "from transformers import AutoTokenizer\n"
        f"tokenizer = AutoTokenizer.from_pretrained({str(tmp_path)!r})\n"
        f"print(tokenizer({text!r}).input_ids, tokenizer.mask_token_id, tokenizer.pad_token_id)\n"
        f"ids = tokenizer({known!r}, truncation=True).input_ids\n"
        "print(tokenizer.model_max_length, len(ids), tokenizer.decode(ids, skip_special_tokens=True))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first == f"{[0, *tokenizers[9].encode_sequence(text).tolist(), 2]} 4 1"
    cut, count, letters = second.split()
    assert cut == count == "256"
    assert known.startswith(letters)
    assert len(letters) > 254


@pytest.mark.parametrize("k", [9, None])
def test_saving_and_loading_changes_nothing(tokenizers, tmp_path, k):
    tokenizers[k].save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    sequence = random_dna(500, 4) + b"nnRa"
    assert loaded.word_length == k
    assert (loaded.encode_sequence(sequence) == tokenizers[k].encode_sequence(sequence)).all()


def test_a_tokenizer_in_use_can_be_pickled(tokenizers):
    text = random_dna(300, 2) + b"n"
    expected = tokenizers[9].encode_sequence(text)
    assert (pickle.loads(pickle.dumps(tokenizers[9])).encode_sequence(text) == expected).all()


@pytest.mark.slow
def test_forked_processes_encode_and_who_does_not_encode_compiles_nothing(tokenizers, tmp_path):
    """Where the package and the user's folders cannot be written to."""
    tokenizers[9].save_pretrained(tmp_path)
    texts = [random_dna(length, length).decode() for length in range(100, 140)]
    code = (
        "import multiprocessing, sys\n"
        "from pathlib import Path\n"
        "from dnakit.tokens.tokenizer import load_tokenizer\n"
        f"tokenizer = load_tokenizer(Path({str(tmp_path)!r}))\n"
        "def encoded(text): return tokenizer.encode_sequence(text).tolist()\n"
        "assert 'numba' not in sys.modules\n"
        f"texts = {texts!r}\n"
        "encoded(texts[0])\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(encoded, texts))"
    )
    environment = os.environ | {"HOME": "/nowhere", "NUMBA_CACHE_DIR": "/nowhere", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run([sys.executable, "-Bc", code], capture_output=True, text=True, check=True, env=environment)
    assert json.loads(done.stdout) == [tokenizers[9].encode_sequence(text).tolist() for text in texts]


def test_an_empty_folder_is_one_clear_error(tmp_path):
    with pytest.raises(DnakitError, match=r"tokenizer\.json: No such file"):
        load_tokenizer(tmp_path)


def test_training_is_deterministic():
    texts = [known_words(random_dna(20_000, 2), 9)]
    assert train_tokenizer(texts, 400, 9).get_vocab() == train_tokenizer(texts, 400, 9).get_vocab()


def test_bigbird_words_tile_the_genome_from_a_random_start():
    genome = random_dna(50_000, 9)
    starts = []
    for seed in range(30):
        words = list(bigbird_words(genome, np.random.default_rng(seed)))
        covered = b"".join(words)
        assert genome.endswith(covered)
        starts.append(len(genome) - len(covered))
        assert max(map(len, words)) <= 500
        assert np.mean([len(word) >= 50 for word in words]) > 0.85  # only the last word of a sentence may be shorter
    assert 0 <= min(starts) < 150
    assert 350 < max(starts) <= 500


def test_bigbird_words_are_seeded():
    genome = random_dna(20_000, 9)
    one, same, other = (list(bigbird_words(genome, np.random.default_rng(seed))) for seed in (1, 1, 2))
    assert one == same
    assert one != other


@given(st.binary(max_size=60).map(lambda raw: bytes(b"ACGTN"[byte % 5] for byte in raw)), st.integers(1, 12))
def test_known_words_are_the_clean_words_in_order(sequence, k):
    words = [sequence[start : start + k] for start in range(0, len(sequence), k)]
    assert known_words(sequence, k).encode() == b"".join(word for word in words if b"N" not in word)


def test_a_process_that_is_forked_while_another_thread_learns_words_does_not_wait_for_ever(tokenizers, tmp_path):
    tokenizers[9].save_pretrained(tmp_path)
    text = random_dna(3000, 5).decode()
    code = (
        "import multiprocessing, threading, time\n"
        "from pathlib import Path\n"
        "from dnakit.tokens import encoding_table\n"
        "from dnakit.tokens.tokenizer import load_tokenizer\n"
        f"tokenizer = load_tokenizer(Path({str(tmp_path)!r}))\n"
        "tokenizer.encode_sequence('A')\n"
        "def hold():\n"
        "    with encoding_table._LEARNING:\n"
        "        held.set(); time.sleep(0.5)\n"
        "held = threading.Event(); threading.Thread(target=hold).start(); held.wait()\n"
        f"child = multiprocessing.get_context('fork').Process(target=tokenizer.encode_sequence, args=[{text!r}])\n"
        "child.start(); child.join(20); print(child.exitcode); child.kill()\n"
    )
    environment = os.environ | {"TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run([sys.executable, "-Bc", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "0\n"
