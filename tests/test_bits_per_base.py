"""Bits per base of masked language models: against direct computations, and against what is known exactly."""

import numpy as np
import pandas as pd
import pytest
import torch

from dnakit.chapters.pretraining import bits_per_base
from dnakit.models import build
from dnakit.tokens.tokenizer import train_tokenizer
from dnakit.tokens.vocabulary import MASK, PAD, SPECIAL_TOKENS

torch.set_num_threads(1)
TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "attention_window": 4,
    "intermediate_size": 16,
}


def random_genome(length, seed):
    return np.random.default_rng(seed).choice(list(b"ACGT"), length).astype(np.uint8).tobytes()


@pytest.fixture(scope="module")
def genomes():
    lengths = {"one": 2500, "two": 1, "three": 900, "four": 4000}
    return {name: random_genome(length, number) for number, (name, length) in enumerate(lengths.items())}


@pytest.fixture(scope="module", params=[4, None], ids=["4-mer", "BB"])
def tokenizer(request, genomes):
    texts = (
        [genomes["one"].decode()]
        if request.param
        else [genomes["one"][i : i + 50].decode() for i in range(0, 2500, 50)]
    )
    return train_tokenizer(texts, 60, request.param)


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(0)
    return build.build("longformer", "mlm", len(tokenizer), **TINY)


def test_each_pass_draws_masks_of_its_own(tokenizer, genomes):
    one = [seen for _, seen, _ in bits_per_base.masked_samples(tokenizer, genomes, 3)]
    three = [seen for _, seen, _ in bits_per_base.masked_samples(tokenizer, genomes, 3, 3)]
    assert len(three) == 3 * len(one)
    long = [seen == MASK for seen in three if len(seen[seen != PAD]) > 100]
    assert len({each.tobytes() for each in long}) == len(long) > 3
    assert {each.tobytes() for each in one} <= {each.tobytes() for each in three}


def test_equals_a_direct_computation(model, tokenizer, genomes):
    measured = bits_per_base.measure(model, tokenizer, genomes, seed=3, precision="fp32")
    lengths = tokenizer.token_lengths()
    expected = dict.fromkeys(genomes, None)
    for name in genomes:
        sums = np.zeros(5)
        number = list(genomes).index(name)
        for which, seen, true in bits_per_base.masked_samples(tokenizer, genomes, 3, 1):
            if which != number:
                continue
            with torch.no_grad():
                attended = torch.from_numpy((seen != 1).astype(int))[None]
                logits = model.eval()(torch.from_numpy(seen)[None], attended).logits[0]
            for position in np.flatnonzero(seen == MASK):
                scores, truth = logits[position].double(), true[position]
                before = set(scores.topk(5).indices.tolist())
                sums += [
                    -float(scores.log_softmax(0)[truth]),
                    lengths[truth],
                    1,
                    int(scores.argmax()) == truth,
                    truth in before,
                ]
        expected[name] = sums
    np.testing.assert_allclose(measured.to_numpy(), np.stack(list(expected.values())), rtol=1e-5)


def test_a_uniform_model_pays_the_same_for_every_token(model, tokenizer, genomes):
    uniform = build.model_class("longformer", "mlm")(model.config)
    torch.nn.init.zeros_(uniform.lm_head.decoder.weight)
    torch.nn.init.zeros_(uniform.lm_head.decoder.bias)
    measured = bits_per_base.measure(uniform, tokenizer, genomes, seed=1)
    np.testing.assert_allclose(measured.nats, measured.masked * np.log(len(tokenizer)), rtol=1e-6)
    summary = bits_per_base.summarise(measured)
    bits = np.log2(len(tokenizer)) * measured.masked.sum() / measured.bases.sum()
    assert summary["bits_per_base"] == pytest.approx(bits, rel=1e-6)
    # Of equally likely tokens the first five come first, and these are the special ones: nothing is right.
    assert summary["masked_accuracy"] == summary["masked_top5"] == 0


def test_a_model_that_knows_the_frequencies_of_bases_pays_two_bits():
    """Tokens of one base each, equally likely, and nothing for the special ones: the entropy of random bases."""
    genomes = {"a": random_genome(5000, 5)}
    tokenizer = train_tokenizer(["ACGT"], len(SPECIAL_TOKENS) + 4, 1)
    model = build.build("longformer", "mlm", len(tokenizer), **TINY)
    torch.nn.init.zeros_(model.lm_head.decoder.weight)
    with torch.no_grad():
        model.lm_head.decoder.bias.copy_(torch.tensor([-100.0] * len(SPECIAL_TOKENS) + [0.0] * 4))
    assert bits_per_base.summarise(bits_per_base.measure(model, tokenizer, genomes, 1))[
        "bits_per_base"
    ] == pytest.approx(2, abs=1e-5)


def test_masks_follow_the_genome_and_not_its_company(model, tokenizer, genomes):
    together = bits_per_base.measure(model, tokenizer, genomes, seed=2, passes=2, precision="fp32")
    backwards = bits_per_base.measure(
        model, tokenizer, dict(reversed(genomes.items())), seed=2, passes=2, precision="fp32"
    )
    pd.testing.assert_frame_equal(together, backwards.loc[together.index], rtol=1e-5)
    other = bits_per_base.measure(model, tokenizer, genomes, seed=4, passes=2, precision="fp32")
    assert (together.nats != other.nats)[["one", "three", "four"]].all()


def test_twelve_percent_of_the_tokens_are_masked_in_each_pass(model, tokenizer, genomes):
    tokens = len(tokenizer.encode_sequence(genomes["four"]))
    one, ten = (bits_per_base.measure(model, tokenizer, genomes, 1, passes).loc["four"] for passes in (1, 10))
    for passes, counted in ((1, one), (10, ten)):
        mean, deviation = passes * tokens * 0.12, np.sqrt(passes * tokens * 0.12 * 0.88)
        assert abs(counted.masked - mean) < 5 * deviation
        assert 0 <= counted.right <= counted.right_top5 <= counted.masked


def test_unknown_bases_are_never_scored(model, tokenizer):
    known = random_genome(400, 9)
    genomes = {"n": b"N" * 400, "mixed": known + b"N" * 1200}
    measured = bits_per_base.measure(model, tokenizer, genomes, seed=1, passes=5)
    assert (measured.loc["n"] == 0).all()
    assert 0 < measured.bases["mixed"] <= 5 * len(known)
    assert np.isnan(bits_per_base.summarise(measured.loc[["n"]])["bits_per_base"])


@pytest.mark.parametrize("architecture", ["longalbert", "elmo"])
def test_other_architectures_and_sentence_order_are_measured_alike(architecture, tokenizer, genomes):
    sizes = TINY | {"embedding_size": 8} if architecture == "longalbert" else {"hidden_size": 8}
    model = build.build(architecture, "mlm+sop", len(tokenizer), **sizes)
    summary = bits_per_base.summarise(bits_per_base.measure(model, tokenizer, genomes, 1))
    bases_per_token = tokenizer.token_lengths()[tokenizer.encode_sequence(genomes["four"])].mean()
    # Initial weights know nothing: a little more than a uniform distribution.
    assert summary["bits_per_base"] == pytest.approx(np.log2(len(tokenizer)) / bases_per_token, rel=0.1)
