"""Predictions are tokens of a sample, and errors count tokens and bases."""

from types import SimpleNamespace

import numpy as np
import torch

from dnakit.chapters.tss.samples import Sample
from dnakit.chapters.tss.scoring import base_errors, predict, scores


def test_errors_count_bases_to_the_nearest_of_the_token():
    sample = Sample(np.array([5, 6, 5, 6]), np.array([3, 5, 3, 5]), 2, 1)  # begins 0, 3, 8, 11; the TSS is base 9
    assert sample.tss == 9
    assert base_errors([sample] * 4, np.arange(4)).tolist() == [7, 2, 0, 2]


def test_a_prediction_is_a_token_of_the_sample():
    class Model(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, input_ids, attention_mask):
            scores = torch.where(input_ids == 7, 5.0, 1.0)
            return SimpleNamespace(logits=torch.where(input_ids < 5, 9.0, scores))

    tokens = [np.array([5, 6, 7, 8]), np.array([7, 5]), np.array([5, 5, 5, 5, 5, 7])]
    samples = [Sample(each, np.ones(len(each), int), 0, 0) for each in tokens]
    assert predict(Model(), samples, 2, "fp32").tolist() == [2, 0, 5]


def test_scores_count_tokens_and_bases():
    sample = Sample(np.arange(5, 35), np.full(30, 4), 10, 1)
    found = scores([sample] * 4, np.array([10, 10, 12, 29]))
    assert (found["samples"], found["accuracy"], found["within_two_tokens"]) == (4, 0.5, 0.75)
    assert found["within_50_bp"] == 0.75
    assert found["median_error_bp"] == (0 + 7) / 2  # the TSS is base 41, the token 12 begins with base 48
