"""Attributions add up, fall on the token that matters, and lie where its bases lie."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from transformers import PreTrainedModel

from dnakit.chapters.tss.attribution import LOGO, attribute, information, profile, token_attributions
from dnakit.chapters.tss.samples import FairSamples, Sample
from dnakit.data.windows import Windows
from dnakit.models import build as models
from dnakit.project import DnakitError
from dnakit.tokens.tokenizer import DnaTokenizer, train_tokenizer

pytestmark = pytest.mark.slow

torch.set_num_threads(1)
TSS, LENGTH = 1_300, 2_700
MOTIF, PLACE = b"TATAAAAGGCGC", -30
BASES = np.frombuffer(b"ACGT", np.uint8)


class NextToKin(nn.Module):
    """Scores a token by a weighted sum of the embedding of the one before it, and of no other."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(vocab_size, 6)
        self.weights = nn.Parameter(torch.randn(6))
        self.config, self.device = SimpleNamespace(head="tss"), torch.device("cpu")

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=(self.embeddings(input_ids) @ self.weights).roll(1, dims=1))


@pytest.fixture(scope="module")
def windows() -> Windows:
    """Random DNA, mostly C and G, with a TATA box."""
    letters = BASES[np.random.default_rng(0).choice(4, (400, LENGTH), p=[0.2, 0.3, 0.3, 0.2])]
    letters[:, TSS + PLACE : TSS + PLACE + len(MOTIF)] = np.frombuffer(MOTIF, np.uint8)
    nothing = [""] * len(letters)
    return Windows([row.tobytes() for row in letters], TSS, nothing, nothing, nothing)


@pytest.fixture(scope="module")
def tokenizer() -> DnaTokenizer:
    """Of words of three bases, all of which are tokens."""
    words = (a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT")
    return train_tokenizer(words, 200, 3)


@pytest.fixture(scope="module")
def samples(windows: Windows, tokenizer: DnaTokenizer) -> list[Sample]:
    return list(FairSamples(windows, tokenizer, seed=0, stream=0))


@pytest.fixture(scope="module")
def trained(windows: Windows, tokenizer: DnaTokenizer) -> PreTrainedModel:
    """A small Longformer that has learned where the TSS is."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_attention_heads": 2, "attention_window": 32, "intermediate_size": 64}
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}
    model = models.build("longformer", "tss", len(tokenizer), num_hidden_layers=2, **sizes, **quiet)
    data = FairSamples(windows, tokenizer, seed=1, stream=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for epoch in range(4):
        data.epoch = epoch
        for batch in torch.utils.data.DataLoader(data, batch_size=16):
            optimizer.zero_grad()
            loss = model(**batch).loss
            loss.backward()
            optimizer.step()
    return model


def test_a_linear_score_is_taken_apart_exactly(samples: list[Sample], tokenizer: DnaTokenizer) -> None:
    """The token before the site carries the difference from ``<mask>``, every other token nothing."""
    torch.manual_seed(1)
    model = NextToKin(len(tokenizer))
    embedded = (model.embeddings.weight @ model.weights).detach()
    for sample, values in zip(samples[:20], token_attributions(model, samples[:20])[0], strict=True):
        expected = np.zeros(len(sample.tokens))
        if sample.label:
            before = sample.label - 1
            expected[before] = float(embedded[sample.tokens[before]] - embedded[tokenizer.mask_token_id])
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_attributions_add_up_to_the_difference_of_scores(trained: PreTrainedModel, samples: list[Sample]) -> None:
    values, differences = token_attributions(trained, samples[:8])
    for sample, each, difference in zip(samples, values, differences, strict=False):
        ids = torch.tensor([[0, *sample.tokens, 2], [0, *[4] * len(sample.tokens), 2]])
        with torch.no_grad():
            scores = trained(ids).logits[:, 1 + sample.label]
        assert difference == pytest.approx(float(scores[0] - scores[1]), abs=1e-4)
        assert each.sum() == pytest.approx(difference, abs=0.05)
    assert np.std(differences) > 0.5


def test_a_model_that_learned_the_motif_looks_at_it(trained: PreTrainedModel, samples: list[Sample]) -> None:
    aligned = attribute(trained, samples[:24], around=90)
    assert aligned.shape == (24, 181)
    mean = np.nanmean(aligned, 0)
    motif = 90 + PLACE + np.arange(len(MOTIF))
    assert mean.argmax() in motif
    assert mean[motif].sum() > 0.5 * np.abs(mean).sum()


def test_bases_are_aligned_at_the_site(samples: list[Sample], tokenizer: DnaTokenizer) -> None:
    """The token before the site's ends where the site's begins: its bases and no others carry the score."""
    torch.manual_seed(1)
    model = NextToKin(len(tokenizer))
    aligned = attribute(model, samples[:40], around=20)
    values = token_attributions(model, samples[:40])[0]
    for row, sample, each in zip(aligned, samples, values, strict=False):
        before = sample.label - 1
        if before < 20:
            continue
        size = sample.sizes[before]
        expected = np.zeros(41)
        expected[20 - sample.offset - size : 20 - sample.offset] = each[before] / size
        np.testing.assert_allclose(row, expected, atol=1e-6)


def test_beyond_the_sample_nothing_is_known(tokenizer: DnaTokenizer) -> None:
    sample = Sample(np.array([10, 20, 30, 40]), np.array([3, 2, 3, 3]), label=1, offset=0)
    (row,) = attribute(NextToKin(len(tokenizer)), [sample], around=20)
    known = np.flatnonzero(~np.isnan(row)) - 20
    assert (known.min(), known.max()) == (-3, 2 + 3 + 3 - 1)


def test_another_head_is_refused(samples: list[Sample], tokenizer: DnaTokenizer) -> None:
    model = models.build("elmo", "mlm", len(tokenizer), hidden_size=8)
    with pytest.raises(DnakitError, match="head 'tss'"):
        token_attributions(model, samples[:1])
    with pytest.raises(DnakitError, match="at least one"):
        token_attributions(NextToKin(9), [])


@pytest.mark.parametrize("architecture", ["longalbert", "elmo"])
def test_every_architecture_has_attributions(architecture: str, samples: list[Sample], tokenizer: DnaTokenizer) -> None:
    torch.manual_seed(2)
    narrow = {} if architecture == "elmo" else {"num_attention_heads": 2, "intermediate_size": 16, "embedding_size": 8}
    model = models.build(architecture, "tss", len(tokenizer), hidden_size=16, num_hidden_layers=1, **narrow)
    values, differences = token_attributions(model, samples[:2])
    np.testing.assert_allclose([each.sum() for each in values], differences, atol=0.01)


def test_information_is_relative_to_the_composition(windows: Windows) -> None:
    """Kullback and Leibler's divergence: log2(1/share) at a base that is always the same, nothing elsewhere."""
    bits = information(windows.sequences, TSS)
    assert list(bits.index) == list(range(LOGO[0], LOGO[1] + 1))
    shares = pd.Series({"A": 0.2, "C": 0.3, "G": 0.3, "T": 0.2})
    for place, letter in enumerate(MOTIF.decode(), PLACE):
        assert bits.loc[place, letter] == pytest.approx(-np.log2(shares[letter]), abs=0.15)
    outside = bits.drop(range(PLACE, PLACE + len(MOTIF)))
    assert outside.sum(axis=1).max() < 0.05


def test_a_profile_is_the_mean_where_two_promoters_are_seen() -> None:
    """A planted attribution is its peak; positions that no two promoters cover are left out."""
    rng = np.random.default_rng(3)
    attributions = rng.normal(0, 0.01, (30, 61))
    attributions[:, 30 - 12] += 1
    attributions[1:, :5] = np.nan
    means = profile(attributions)
    assert means.place[means["mean"].argmax()] == -12
    assert means.place.tolist() == list(range(-25, 31))
    assert (means.half < 0.02).all()
    assert profile(np.array([[0.0], [2.0]])).half.tolist() == pytest.approx([1.96])  # of a standard error of 1
