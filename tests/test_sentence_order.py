"""Sentence order by the frame of words alone: exact where it decides, a guess where nothing can be known."""

import numpy as np
import pytest
import torch

from dnakit.chapters.pretraining.sentence_order import frame_alone
from dnakit.tokens.samples import framed, sentence_bounds
from dnakit.tokens.tokenizer import train_tokenizer


class Pairs:
    """Pairs of sentences of random genomes, half of them swapped; as `SentenceOrderSamples` gives them."""

    def __init__(self, tokenizer, count):
        rng = np.random.default_rng(3)
        self.items = []
        for number in range(count):
            genome = rng.choice(list(b"ACGT"), 1200).astype(np.uint8).tobytes()
            ids = tokenizer.encode_sequence(genome)[:250].astype(np.int64)
            start, cut, end = sentence_bounds(len(ids), rng)
            pair = [ids[start:cut], ids[cut:end]]
            shown = torch.from_numpy(framed(pair[::-1] if number % 2 else pair))
            item = {"input_ids": shown, "labels": torch.full_like(shown, -100)}
            self.items.append(item | {"sentence_order_label": torch.tensor(number % 2)})

    def __len__(self):
        return len(self.items)

    def __getitem__(self, number):
        return self.items[number]


def tokenizer_of(k, size):
    letters = np.random.default_rng(1).choice(list("ACGT"), 8000)
    text = "".join(letters)
    return train_tokenizer([text] if k else [text[i : i + 40] for i in range(0, 8000, 40)], size, k)


@pytest.mark.parametrize("k", [5, 9])
def test_the_frame_is_never_wrong_where_it_decides(k):
    tokenizer = tokenizer_of(k, 60)
    found = frame_alone(Pairs(tokenizer, 60), tokenizer.token_lengths(), k)
    assert 0.3 < found["decided"] < 1
    assert found["accuracy"] == pytest.approx(found["decided"] + (1 - found["decided"]) / 2)


def test_without_a_frame_nothing_is_known():
    tokenizer = tokenizer_of(None, 60)
    found = frame_alone(Pairs(tokenizer, 10), tokenizer.token_lengths(), None)
    assert found == {"accuracy": 0.5, "decided": 0.0, "pairs": 10}


def test_whole_words_leave_nothing_to_see():
    """Where each token is a word, each sentence begins and ends with a word, in either order."""
    lengths = np.array([0] * 5 + [3] * 64)
    pair = [np.arange(5, 25), np.arange(30, 60)]
    item = {"input_ids": torch.from_numpy(framed(pair))}
    item |= {"labels": torch.full_like(item["input_ids"], -100), "sentence_order_label": torch.tensor(0)}
    assert frame_alone([item], lengths, 3)["decided"] == 0
