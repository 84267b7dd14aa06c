"""Initial weights: random ones, or *informed* ones, which hold two facts before any training.

These are which bases a token has, and where its neighbours stand. From random weights (BERT's, which the thesis's
section 4.2.1 starts from) a model has to learn both first, and a small model on a small budget learns little else.
Informed weights change neither the architecture nor the number of weights, and all of them are trained:

* a token's vector is a sum of random vectors, one for each of its bases and the base's place, counted from either end,
  one for its length, and one of its own: tokens that share bases point in similar directions;
* positions are sinusoids (Vaswani et al. 2017) in the first 32 dimensions, which tokens leave free;
* queries and keys read these dimensions, turned against each other so that each head looks at one neighbour, as many
  tokens before or after as is its turn.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from dnakit.data.bases import CODES, UNKNOWN
from dnakit.models import build as models
from dnakit.models.attention import WindowedSelfAttention
from dnakit.models.build import Weights
from dnakit.project import DnakitError
from dnakit.tokens.tokenizer import DnaTokenizer

POSITION_WIDTH = 32  # dimensions of a position: sines and cosines of 16 frequencies
POSITION_SIZE = 1.5  # of a position's dimension beside a token's
PLACES = 16  # of a token's bases, from either end, that its vector tells of
LENGTH_SHARE = OWN_SHARE = 0.5  # of a token's length and of its own vector beside that of its bases
MATCH = 6.0  # an attention score, before softmax, where a head's neighbour stands
NOISE = 0.3  # what is left of the random queries and keys
VALUES = 4.0  # times the random values: a neighbour's content is to weigh beside the token's own


def build(architecture: str, head: str, tokenizer: DnaTokenizer, weights: Weights, **overrides: Any) -> PreTrainedModel:
    """`dnakit.models.build.build` for a tokenizer's vocabulary, with initial weights of either kind.

    Raises
    ------
    DnakitError
        As there, and where an ELMo, which has neither positions nor attention, is to be informed.
    """
    model = models.build(architecture, head, len(tokenizer), **overrides)
    if weights == "informed":
        inform(model, tokenizer)
    return model


def inform(model: PreTrainedModel, tokenizer: DnaTokenizer) -> None:
    """Replace a new model's vectors, queries and keys by informed ones, in place, drawn from torch's generator."""
    encoder = getattr(model, model.base_model_prefix)
    layers = [module for module in encoder.modules() if isinstance(module, WindowedSelfAttention)]
    if not layers:
        raise DnakitError("informed weights are for Longformer and Longalbert; give random ones")
    with torch.no_grad():
        _inform_embeddings(encoder.embeddings, tokenizer, model.config.initializer_range)
        mapping = getattr(encoder.encoder, "embedding_hidden_mapping_in", None)
        if mapping is not None:
            _keep_positions_apart(mapping.weight)
        for layer in layers:
            _look_at_neighbours(layer)


def _inform_embeddings(embeddings: Any, tokenizer: DnaTokenizer, size: float) -> None:
    """Tokens in all dimensions but the first, positions in the first."""
    tokens, positions = embeddings.word_embeddings.weight, embeddings.position_embeddings.weight
    vectors = token_vectors(tokenizer, tokens.shape[1] - POSITION_WIDTH)
    tokens.zero_()
    tokens[:, POSITION_WIDTH:] = vectors * size / vectors.std()
    positions.zero_()
    positions[:, :POSITION_WIDTH] = sinusoids(len(positions)) * math.sqrt(2) * POSITION_SIZE * size
    embeddings.token_type_embeddings.weight.zero_()


def token_vectors(tokenizer: DnaTokenizer, width: int) -> Tensor:
    """A vector for each token, ``(vocab_size, width)``: its bases by place, its length, and itself."""
    words, lengths = tokenizer.token_letters(), torch.from_numpy(tokenizer.token_lengths())
    of_own = torch.randn(len(words), width)
    of_length = torch.randn(int(lengths.max()) + 1, width)[lengths]
    of_bases = torch.zeros(len(words), width)
    for read in (words, [word[::-1] for word in words]):
        codes = CODES[np.array([list(word[:PLACES].ljust(PLACES)) for word in read])]
        for place in range(PLACES):
            base = torch.cat([torch.randn(UNKNOWN, width), torch.zeros(1, width)])
            of_bases += base[torch.from_numpy(codes[:, place].astype(np.int64))]
    of_bases /= (2 * lengths[:, None].clamp(1, PLACES)).sqrt()
    special = (lengths == 0)[:, None]
    return OWN_SHARE * of_own + (of_bases + LENGTH_SHARE * of_length).masked_fill(special, 0)


def frequencies() -> Tensor:
    """The 16 frequencies: the sum of their cosines is zero at every distance from 1 to 31."""
    pairs = POSITION_WIDTH // 2
    return math.pi * (torch.arange(pairs) + 0.5) / pairs


def sinusoids(count: int) -> Tensor:
    """Sines and cosines by turns, ``(count, 32)``."""
    angles = torch.arange(count)[:, None] * frequencies()
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


def _keep_positions_apart(mapping: Tensor) -> None:
    """Let Longalbert's map from the narrow embedding to the wide hidden states hand positions on as they are."""
    mapping[:POSITION_WIDTH] = 0
    mapping[POSITION_WIDTH:, :POSITION_WIDTH] = 0
    mapping[:POSITION_WIDTH, :POSITION_WIDTH] = torch.eye(POSITION_WIDTH)


def _look_at_neighbours(layer: WindowedSelfAttention) -> None:
    """Queries and keys whose product is large where a head's neighbour stands, after the embedding's norm."""
    query, key = layer.query.weight, layer.key.weight
    width, heads = len(query), layer.heads
    size = width // heads
    pairs = min(POSITION_WIDTH, size) // 2
    chosen = torch.linspace(0, POSITION_WIDTH // 2 - 1, pairs).round().long()
    variance = (POSITION_WIDTH * POSITION_SIZE**2 + width - POSITION_WIDTH) / width
    seen = pairs * 2 * POSITION_SIZE**2 / variance  # product of a position with itself over the chosen pairs
    scale = math.sqrt(MATCH * math.sqrt(size) / seen)
    for head, offset in enumerate(offsets(heads)):
        angles = frequencies()[chosen] * offset
        for pair, (angle, at) in enumerate(zip(angles, 2 * chosen, strict=True)):
            row = head * size + 2 * pair
            for weight, turn in ((query, angle), (key, torch.zeros(()))):
                cos, sin = turn.cos(), turn.sin()
                weight[row : row + 2] *= NOISE
                weight[row : row + 2, at : at + 2] += scale * torch.tensor([[cos, sin], [-sin, cos]])
    layer.value.weight.mul_(VALUES)


def offsets(heads: int) -> list[int]:
    """Which neighbour each head looks at: -heads/2 to heads/2, without 0."""
    return [offset for offset in range(-(heads // 2), heads - heads // 2 + 1) if offset]
