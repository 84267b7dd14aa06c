"""Time and memory a token of encoders, as inputs grow from 256 to 8,192 tokens while a batch's tokens stay the same.

All have the thesis's sizes and no dropout, which lets dense attention use its fastest kernel.
"""

import resource
import sys
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from transformers import (
    BertConfig,
    BertModel,
    BigBirdConfig,
    BigBirdModel,
    LongformerConfig,
    LongformerModel,
    PreTrainedModel,
)
from transformers import logging as transformers_logging

from benchmarks.timing import Case, attempted, device, interleaved
from dnakit.models.encoders import Longformer

MODELS = ("ours", "stock Longformer", "dense", "BigBird")
LENGTHS = (256, 1024, 4096, 8192)
QUICK_LENGTHS = (64, 256)
VOCABULARY = 500  # small: embeddings cost the same at any length
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "intermediate_size": 3072,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "pad_token_id": 1,
}


def measure(quick: bool) -> dict[str, Any]:
    """Milliseconds and peak MB a thousand tokens of each model at each length, and how these grow."""
    lengths, rounds = (QUICK_LENGTHS, 2) if quick else (LENGTHS, 3)
    keys = [(model, length) for length in lengths for model in MODELS]
    # Before anything is computed here: a process whose threads are at work should not be forked.
    memory = {key: attempted(lambda key=key: peak_memory(*key, lengths[-1]), f"memory of {key}") for key in keys}  # type: ignore[misc]
    times = interleaved({f"{model} {length}": case(model, length, lengths[-1]) for model, length in keys}, rounds)
    thousands = lengths[-1] / 1000
    lines = [
        {
            "model": model,
            "length": length,
            "ms": 1e3 * float(np.median(times[f"{model} {length}"])) / thousands,
            "mb": memory[model, length] / 1e6 / thousands,
        }
        for model, length in keys
    ]
    short, long = lengths[0], lengths[1] if quick else lengths[2]
    growth = {model: float(np.median(times[f"{model} {long}"] / times[f"{model} {short}"])) for model in MODELS}
    return {"tokens": lengths[-1], "lines": lines, "growth": growth, "growth_from_to": [short, long]}


def case(model: str, length: int, tokens: int) -> Case:
    """Forward and backward through an encoder, of as many inputs of a length as make so many tokens."""
    encoder = build(model, length).to(device()).train()
    ids = torch.randint(5, VOCABULARY, (tokens // length, length), device=device())

    def run() -> None:
        output = encoder(ids)
        hidden = output if isinstance(output, torch.Tensor) else output.last_hidden_state
        hidden.sum().backward()
        encoder.zero_grad()

    return run


def build(model: str, length: int) -> PreTrainedModel:
    """An encoder of the thesis's sizes for inputs of a length."""
    transformers_logging.set_verbosity_error()  # BigBird says that it is dense below 704 tokens
    torch.manual_seed(0)
    sizes = SIZES | {"max_position_embeddings": length + 2}
    if model == "dense":
        return BertModel(BertConfig(**sizes, attn_implementation="sdpa"), add_pooling_layer=False)
    if model == "BigBird":
        return BigBirdModel(BigBirdConfig(**sizes, attention_type="block_sparse"), add_pooling_layer=False)
    config = LongformerConfig(**sizes, attention_window=16)
    return Longformer(config) if model == "ours" else LongformerModel(config, add_pooling_layer=False)


def peak_memory(model: str, length: int, tokens: int) -> float:
    """Bytes a forward and backward pass takes beyond the model itself: on a CPU, of a process of its own."""
    if device() == "cuda":
        return _allocated(model, length, tokens)
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(_resident(model, length, tokens)))
    process.start()
    sender.close()
    grown = receiver.recv()
    process.join()
    return grown


def _resident(model: str, length: int, tokens: int) -> int:
    run, warm_up = case(model, length, tokens), case(model, QUICK_LENGTHS[0], QUICK_LENGTHS[0])
    warm_up()  # loads kernels, which are no part of what a length costs
    before = _peak()
    run()
    return _peak() - before


def _peak() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _allocated(model: str, length: int, tokens: int) -> int:
    run = case(model, length, tokens)
    run()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    return torch.cuda.max_memory_allocated() - before
