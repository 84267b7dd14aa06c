import itertools
import math

import numpy as np
import pytest
import sklearn.metrics  # noqa: F401  (takes longer to import than hypothesis lets an example take)
from hypothesis import given
from hypothesis import strategies as st

from dnakit import metrics
from dnakit.project import DnakitError
from dnakit.tokens import samples

scored = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40)


@given(scored)
def test_auroc_is_the_chance_that_a_positive_scores_above_a_negative(samples):
    positives = [score for label, score in samples if label]
    negatives = [score for label, score in samples if not label]
    pairs = [(p > n) + (p == n) / 2 for p, n in itertools.product(positives, negatives)]
    got = metrics.auroc(*zip(*samples, strict=True))
    assert got == pytest.approx(sum(pairs) / len(pairs)) if pairs else math.isnan(got)


@given(scored)
def test_auroc_turns_round_with_the_scores_and_ignores_their_scale(samples):
    labels, scores = map(np.array, zip(*samples, strict=True))
    area = metrics.auroc(labels, scores)
    if not math.isnan(area):
        assert metrics.auroc(labels, -scores) == pytest.approx(1 - area)
        assert metrics.auroc(labels, np.exp(scores)) == area


def test_auroc_of_guessing_is_a_half():
    n = 20_000
    random = np.random.default_rng(0)
    labels = random.random(n) < 0.1
    deviation = math.sqrt((n + 1) / (12 * labels.sum() * (~labels).sum()))
    assert metrics.auroc(labels, random.random(n)) == pytest.approx(0.5, abs=4 * deviation)


@pytest.mark.parametrize("area", [metrics.auroc, metrics.auprc])
def test_an_area_refuses_nan(area):
    with pytest.raises(DnakitError, match="NaN"):
        area([0, 1], [0.5, math.nan])


@given(scored)
def test_auprc_is_the_mean_precision_at_the_scores_of_the_positives(samples):
    labels, scores = map(np.array, zip(*samples, strict=True))
    precisions = [labels[scores >= score].mean() for score in scores[labels]]
    got = metrics.auprc(labels, scores)
    assert got == pytest.approx(np.mean(precisions)) if len(precisions) else math.isnan(got)


def test_guessing_uniformly_is_as_perplexed_as_the_vocabulary_is_large():
    assert metrics.perplexity(math.log(30_000)) == pytest.approx(30_000)
    assert metrics.perplexity(0) == metrics.perplexity_base2(0) == 1


@given(st.floats(0, 20))
def test_the_two_readings_of_perplexity_differ_by_the_logarithm(nats):
    assert metrics.perplexity(nats) == pytest.approx(metrics.perplexity_base2(nats / math.log(2)))


@pytest.mark.filterwarnings("error")
def test_a_perplexity_too_large_for_a_float_is_infinite_without_a_warning():
    assert metrics.perplexity(1e5) == metrics.perplexity_base2(np.float64(1e5)) == math.inf


def test_uniform_bases_cost_two_bits_whatever_the_token_length():
    lengths = np.array([1, 4, 9, 12])
    assert metrics.bits_per_base(-lengths * math.log(4), lengths) == pytest.approx(2)
    assert metrics.bits_per_base(-math.log(4) * lengths.sum(), lengths.sum()) == pytest.approx(2)


def test_copying_masked_input_reaches_the_copy_baseline():
    n = 200_000
    random = np.random.default_rng(0)
    tokens = random.integers(0, 30_000, n)
    fate = random.random(n)
    shown = np.where(fate < 0.15 * 0.8, -1, np.where(fate < 0.15 * 0.9, random.integers(0, 30_000, n), tokens))
    deviation = math.sqrt(0.865 * 0.135 / n)
    assert np.mean(tokens == shown) == pytest.approx(metrics.copy_baseline(), abs=4 * deviation)
    assert metrics.copy_baseline() == pytest.approx(0.865)
    changed = samples.MASKED_SHARE + samples.RANDOM_SHARE
    assert metrics.copy_baseline() == 1 - samples.MASK_PROBABILITY * changed, "the masks that samples have"


def test_skill_is_zero_for_copying_and_one_for_perfection():
    assert metrics.skill(metrics.copy_baseline()) == metrics.skill(0.7, 0.7) == 0
    assert metrics.skill(1.0) == 1
    assert metrics.skill(0.85) < 0


def test_precision_and_recall_follow_their_formulas_and_swap_with_their_arguments():
    labels, predictions = [1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 1, 0]
    assert metrics.precision(labels, predictions) == 1 / 2
    assert metrics.recall(labels, predictions) == 1 / 4
    assert metrics.precision(predictions, labels) == metrics.recall(labels, predictions)


@pytest.mark.filterwarnings("error")
def test_what_is_not_defined_is_nan_without_a_warning():
    nothing = [
        metrics.bits_per_base([], []),
        metrics.precision([1], [0]),
        metrics.recall([0], [1]),
        metrics.precision([], []),
        metrics.recall([], []),
    ]
    nothing += [metrics.auroc([1, 1], [0, 1]), metrics.auroc([0], [0.5]), metrics.auroc([], [])]
    nothing += [metrics.auprc([0, 0], [0, 1]), metrics.auprc([], [])]
    assert all(math.isnan(value) for value in nothing)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: metrics.precision([1, 0], [1]),
        lambda: metrics.recall([1, 0], [1]),
        lambda: metrics.auroc([1, 0], [0.5]),
        lambda: metrics.auroc([1, 0], [0.5, math.nan]),
        lambda: metrics.bits_per_base([-1.0], [1, 2]),
    ],
)
def test_inputs_that_do_not_fit_are_refused_in_one_line(wrong):
    with pytest.raises(DnakitError) as error:
        wrong()
    assert "\n" not in str(error.value)
