"""Informed initial weights: what they know before any training, and that nothing else about a model changes."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from dnakit.models import build, initial_weights
from dnakit.models.attention import WindowedSelfAttention
from dnakit.project import DnakitError
from dnakit.tokens.tokenizer import train_tokenizer

pytestmark = pytest.mark.slow

ARCHITECTURES = ("longformer", "longalbert")


@pytest.fixture(scope="module")
def tokenizer():
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("ACGT"), 6)) for _ in range(4000)]
    return train_tokenizer(words, vocab_size=600, word_length=6)


def made(architecture, tokenizer, weights="informed", seed=1):
    torch.manual_seed(seed)
    return initial_weights.build(architecture, "mlm", tokenizer, weights)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_model_is_the_same_but_for_where_its_weights_begin(architecture, tokenizer):
    torch.manual_seed(1)
    plain = build.build(architecture, "mlm", len(tokenizer))
    random, informed = made(architecture, tokenizer, "random"), made(architecture, tokenizer)
    assert {name: each.shape for name, each in plain.named_parameters()} == {
        name: each.shape for name, each in informed.named_parameters()
    }
    assert all(each.requires_grad for each in informed.parameters())
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), random.parameters(), strict=True))
    again = made(architecture, tokenizer)
    assert all(torch.equal(a, b) for a, b in zip(informed.parameters(), again.parameters(), strict=True))


def test_positions_are_orthogonal_up_to_the_window():
    places = initial_weights.sinusoids(100)
    products = places @ places.T
    expected = 16 * torch.eye(100)
    near = (torch.arange(100)[:, None] - torch.arange(100)).abs() < 32
    assert torch.allclose(products[near], expected[near], atol=1e-4)


def test_tokens_that_share_bases_point_in_similar_directions(tokenizer):
    torch.manual_seed(0)
    vectors = torch.nn.functional.normalize(initial_weights.token_vectors(tokenizer, 224), dim=1)
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    full = [number for number, token in enumerate(tokens) if len(token) == 6 and token.isalpha()]
    letters = np.array([list(tokens[number]) for number in full])
    shared = (letters[:, None] == letters).sum(-1)
    cosines = (vectors[full] @ vectors[full].T).numpy()
    means = [cosines[shared == count].mean() for count in range(6) if (shared == count).sum() > 30]
    assert len(means) >= 4
    assert all(few < more for few, more in pairwise(means))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_each_head_looks_at_its_neighbour(architecture, tokenizer):
    """In the first layer, on random tokens, most attention of a head goes to the offset it was turned to."""
    model = made(architecture, tokenizer).eval()
    encoder = getattr(model, model.base_model_prefix)
    layer = next(module for module in encoder.modules() if isinstance(module, WindowedSelfAttention))
    states = []
    layer.register_forward_pre_hook(lambda _, inputs: states.append(inputs[0]))
    ids = torch.randint(5, len(tokenizer), (4, 200), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model(input_ids=ids)
        query, key = (each(states[0]).unflatten(-1, (layer.heads, -1)) for each in (layer.query, layer.key))
    at = torch.arange(20, 180)
    for head, offset in enumerate(initial_weights.offsets(layer.heads)):
        scores = [(query[:, at, head] * key[:, at + step, head]).sum(-1).mean() for step in range(-8, 9)]
        assert int(np.argmax(scores)) - 8 == offset


def test_offsets_are_as_many_as_heads_and_none_is_zero():
    assert initial_weights.offsets(8) == [-4, -3, -2, -1, 1, 2, 3, 4]
    assert len(initial_weights.offsets(5)) == 5


def test_an_elmo_cannot_be_informed(tokenizer):
    with pytest.raises(DnakitError, match="give random ones"):
        initial_weights.build("elmo", "mlm", tokenizer, "informed", hidden_size=8)
