"""Quality in attention, and replaced-token detection: equality with what they generalise, and what they must learn."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from dnakit.chapters.future_work import context_training
from dnakit.chapters.future_work.context_training import masked_costs, mean_states
from dnakit.chapters.future_work.read_training import ReadSamples, named_right
from dnakit.chapters.future_work.reads import Reads
from dnakit.models import build, device, initial_weights, read_classifier, replaced_tokens
from dnakit.models.attention import WindowedSelfAttention
from dnakit.tokens.tokenizer import known_words, train_tokenizer
from dnakit.tokens.vocabulary import CLS, MASK, PAD

torch.set_num_threads(1)
SIZES = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 32, "max_tokens": 64}
LENGTH = 40


@pytest.fixture(scope="module")
def tokenizer():
    torch.manual_seed(3)
    text = bytes("".join("ACGT"[code] for code in torch.randint(4, (9_000,))), "ascii")
    return train_tokenizer([known_words(text, 9)], 60, 9)


def inputs(tokenizer, batch=3):
    torch.manual_seed(4)
    ids = torch.randint(5, len(tokenizer), (batch, LENGTH))
    ids[:, 0] = CLS
    return ids


def attention():
    torch.manual_seed(5)
    config = build.build("longformer", "mlm", 50, **SIZES).config
    layer = WindowedSelfAttention(config).eval()
    for parameter in layer.parameters():
        parameter.data.normal_(0, 0.3)
    return layer


@pytest.mark.parametrize("everywhere", [0.0, -2.5])
def test_equal_weights_change_nothing(everywhere):
    """A softmax over weighted keys does not feel a common factor; padding in the last block has none to feel."""
    layer, hidden = attention(), torch.randn(2, LENGTH, 64)
    mask = torch.zeros(2, LENGTH)
    mask[:, 0] = 1
    weights = torch.full((2, LENGTH), everywhere)
    torch.testing.assert_close(layer(hidden, mask, log_weights=weights)[0], layer(hidden, mask)[0])


def test_a_weight_of_zero_is_a_token_that_is_not_there():
    """To every other token, the local ones and <cls>, a token without weight is like padding."""
    layer, hidden = attention(), torch.randn(2, LENGTH, 64)
    mask = torch.zeros(2, LENGTH)
    mask[:, 0] = 1
    hole, others = 17, [at for at in range(LENGTH) if at != 17]
    weights = torch.zeros(2, LENGTH)
    weights[:, hole] = -1e4
    without = mask.clone()
    without[:, hole] = -1
    weighted, masked = layer(hidden, mask, log_weights=weights)[0], layer(hidden, without)[0]
    torch.testing.assert_close(weighted[:, others], masked[:, others])
    torch.testing.assert_close(layer.of_global_tokens(hidden, mask, weights), masked[:, 0])


def test_a_weight_of_two_is_a_global_token_seen_twice():
    layer = attention()
    hidden = torch.randn(1, LENGTH, 64)
    hidden[:, 1] = hidden[:, 0]  # the same token again
    twice = torch.zeros(1, LENGTH)
    twice[:, :2] = 1
    once = torch.zeros(1, LENGTH)
    once[:, 0], once[:, 1] = 1, -1
    weights = torch.zeros(1, LENGTH)
    weights[:, 0] = torch.log(torch.tensor(2.0))
    torch.testing.assert_close(layer(hidden, once, log_weights=weights)[0][:, 2:], layer(hidden, twice)[0][:, 2:])


@pytest.mark.parametrize("use", ["ignored", "added", "weight"])
def test_quality_matters_only_where_it_is_used(tokenizer, use):
    torch.manual_seed(1)
    model = read_classifier.build(tokenizer, 7, use, **SIZES).eval()
    torch.manual_seed(2)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    ids = inputs(tokenizer)
    high = model(ids, quality=torch.full(ids.shape, 35.0)).logits
    mixed = model(ids, quality=torch.randint(2, 40, ids.shape)).logits
    assert torch.equal(high, mixed) == (use == "ignored")


def test_before_training_added_quality_says_nothing_and_the_same_seed_gives_the_same_model(tokenizer):
    ids, logits = inputs(tokenizer), []
    for use in ("ignored", "added"):
        torch.manual_seed(1)
        logits.append(read_classifier.build(tokenizer, 7, use, **SIZES).eval()(ids, quality=ids.float()).logits)
    torch.testing.assert_close(*logits)


def test_without_qualities_it_is_the_classifier_on_a_global_cls(tokenizer):
    ids, logits = inputs(tokenizer), []
    for make in (
        lambda: read_classifier.build(tokenizer, 7, "ignored", **SIZES),
        lambda: initial_weights.build("longformer", "sequence", tokenizer, "informed", num_labels=7, **SIZES),
    ):
        torch.manual_seed(1)
        logits.append(make().eval()(ids).logits)
    torch.testing.assert_close(*logits)


def test_a_token_weighs_as_its_probability_to_be_right(tokenizer):
    model = read_classifier.build(tokenizer, 7, "weight", **SIZES)
    weights = model._quality(torch.tensor([10.0, 20.0]))["log_weights"].exp()
    torch.testing.assert_close(weights, torch.tensor([0.9, 0.99]))


def test_padding_takes_no_part_in_the_mean_state_of_a_window(tokenizer):
    model = initial_weights.build("longformer", "mlm", tokenizer, "informed", **SIZES)
    ids = inputs(tokenizer)
    wider = torch.nn.functional.pad(ids, (0, 20), value=PAD)
    short, long = (mean_states(model, each.numpy(), "fp32") for each in (ids, wider))
    np.testing.assert_allclose(short, long, atol=1e-5)


def masked_batch(tokenizer):
    ids = inputs(tokenizer)
    masked = torch.zeros(ids.shape, dtype=torch.bool)
    masked[:, 5:35:4] = True
    return {"input_ids": ids.masked_fill(masked, MASK), "labels": ids.masked_fill(~masked, -100), "masked": masked}


def test_a_detector_reaches_every_parameter_in_use(tokenizer):
    torch.manual_seed(1)
    model = replaced_tokens.build(tokenizer, **SIZES).train()
    output = model(**masked_batch(tokenizer))
    output.loss.backward()
    unused = {name for name, each in model.named_parameters() if each.grad is None or not each.grad.any()}
    # A bias of the keys moves all scores of a query alike; nothing is global; padding and the types rest.
    assert {name for name in unused if "_global" not in name and "key.bias" not in name} == set()
    tokens, filled = output.counts[0, 1], output.counts[0, 4]
    assert (tokens, filled) == (3 * LENGTH, 3 * 8)


def test_a_generator_that_is_always_right_leaves_nothing_to_detect(tokenizer, monkeypatch):
    torch.manual_seed(1)
    model, batch = replaced_tokens.build(tokenizer, **SIZES).eval(), masked_batch(tokenizer)

    def knows(hidden, true):
        return true, hidden.sum() * 0, torch.zeros(3)

    monkeypatch.setattr(model, "_generate", knows)
    model.head.out_proj.weight.data.zero_()
    model.head.out_proj.bias.data.fill_(-5.0)  # "nothing is replaced"
    nats, tokens, right = model(**batch).counts[0, :3]
    assert right == tokens
    assert nats / tokens == pytest.approx(torch.log1p(torch.exp(torch.tensor(-5.0))).item(), rel=1e-4)


def test_a_saved_detector_opens_as_an_encoder(tokenizer, tmp_path):
    torch.manual_seed(1)
    model = replaced_tokens.build(tokenizer, **SIZES).eval()
    model.save_pretrained(tmp_path)
    opened, ids = build.load(tmp_path), inputs(tokenizer)
    torch.testing.assert_close(opened.encode(ids, None, None), model.longformer(ids))


def test_a_generator_is_smaller_than_what_it_trains(tokenizer):
    model = replaced_tokens.build(tokenizer, hidden_size=256, intermediate_size=512)
    sizes = [sum(each.numel() for each in part.parameters()) for part in (model.generator, model.longformer)]
    assert sizes[0] < sizes[1] / 4
    assert model.generator.config.hidden_size >= initial_weights.POSITION_WIDTH


# ---- precision of an evaluation


class SaysItsPrecision(torch.nn.Module):
    """A model that notes whether it is asked to compute in bf16."""

    def __init__(self):
        super().__init__()
        self.bf16 = []

    def forward(self, input_ids, **others):
        self.bf16.append(torch.is_autocast_enabled("cpu"))
        shape = input_ids.shape[:1] if "quality" in others else input_ids.shape
        return SimpleNamespace(logits=torch.zeros(*shape, 60))

    def encode(self, ids, *others):
        return self(ids).logits


@pytest.mark.skipif(torch.cuda.is_available(), reason="the model would compute on the GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_models_are_evaluated_in_the_precision_of_their_training(monkeypatch, tokenizer, precision):
    monkeypatch.setattr(device, "bf16", lambda asked: asked == "bf16")
    model, bases = SaysItsPrecision(), np.zeros((3, LENGTH), np.uint8)
    reads = ReadSamples(Reads(bases, np.full(bases.shape, 30), np.zeros(3, np.int64), 0.0), tokenizer, "mean")
    named_right(model, reads, precision)
    mean_states(model, reads.ids, precision)
    masked = SimpleNamespace(test=None, framed=lambda windows: reads.ids, masked=lambda ids, seed: (ids, None))
    monkeypatch.setattr(context_training, "costs", lambda nats, *others: nats)
    masked_costs(model, masked, 1, precision)
    assert model.bf16 == [precision == "bf16"] * 3
