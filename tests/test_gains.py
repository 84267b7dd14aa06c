"""Intervals cover what they should, differences are paired, and what models gained is what the tables by genome say."""

import numpy as np
import pandas as pd
import pytest

from dnakit.chapters.pretraining import gains, intervals, results
from dnakit.report import rules
from dnakit.report.finished import recorded
from dnakit.report.intervals import Estimate
from dnakit.tokens.parameters import HELD_OUT

pytestmark = pytest.mark.slow

NOTEBOOK = "02_pretraining"


def genomes(rng, families=40, members=1, spread=0.1, noise=0.0):
    """Sums of simulated genomes whose bits per base scatter around 1.5, families of relatives alike."""
    family = np.repeat(np.arange(families), members)
    bits = 1.5 + spread * rng.normal(size=families)[family] + noise * rng.normal(size=len(family))
    names = [f"genome {number}" for number in range(len(family))]
    sums = pd.DataFrame({"nats": bits * 1000 * np.log(2), "bases": 1000.0}, names)
    return sums, pd.Series(family, names)


def found(sums, groups):
    return intervals.interval(*intervals.bits_per_base(sums, groups))


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = [low <= 1.5 <= high for _, low, high in (found(*genomes(rng)) for _ in range(200))]
    assert 0.88 <= np.mean(covered) <= 0.99


def test_relatives_count_as_one():
    """Ten copies of each genome say no more than one, if families are drawn; single genomes pretend they do."""
    sums, family = genomes(np.random.default_rng(1), members=10)
    one, _ = genomes(np.random.default_rng(1), members=1)
    by_family, by_genome = found(sums, family), found(sums, sums.index.to_series())
    assert by_family == pytest.approx(found(one, one.index.to_series()), abs=0.01)
    assert by_family.high - by_family.low > 2 * (by_genome.high - by_genome.low)


def test_families_of_the_set_far_are_drawn_together_and_genomes_of_the_set_near_alone():
    done = recorded(NOTEBOOK)
    counted = gains.held_out(done, "mitochondria")
    drawn = {part: gains.drawn_together(done, "mitochondria", part).nunique() for part in HELD_OUT}
    assert drawn == {"near": counted["size_near"], "far": counted["families"]}
    assert counted["families"] < counted["size_far"]


def test_the_same_genomes_give_the_same_draws_whatever_their_order():
    sums, groups = genomes(np.random.default_rng(2))
    value, draws = intervals.bits_per_base(sums, groups)
    again = intervals.bits_per_base(sums.iloc[::-1], groups)
    assert again[0] == pytest.approx(value)
    assert again[1] == pytest.approx(draws)


def test_an_interval_that_covers_zero_is_open():
    assert Estimate(0.1, -0.1, 0.3).open
    assert not Estimate(0.1, 0.05, 0.3).open
    assert f"{Estimate(0.1, -0.1, 0.3):+.2f}" == "+0.10 [-0.10, +0.30]"


@pytest.mark.parametrize("language", ["mitochondria", "nuclear"])
def test_tables_by_genome_and_recorded_metrics_agree(language):
    chosen = gains.compared(recorded(NOTEBOOK), language)
    plain, models = results.bits(results.measured(recorded(NOTEBOOK), language)), gains.gained(chosen)
    shown = gains.table(chosen)
    for part in HELD_OUT:
        for name, row in models[part].iterrows():
            assert row[gains.BITS].value == pytest.approx(plain.loc[name, part], abs=1e-6)
            assert row[gains.GAINED].value == pytest.approx(row[gains.ALONE] - row[gains.BITS].value)
            assert row[gains.GAINED].low < row[gains.GAINED].value < row[gains.GAINED].high
        starts = [text.split(" ")[0] for text in shown[part, gains.BITS]]
        assert starts == [f"{value:.3f}" for value in plain[part]]
    decided = gains.verdicts(chosen, "far")
    assert sorted(name for names in decided.values() for name in names) == sorted(models["far"].index)


@pytest.mark.parametrize("language", ["mitochondria", "nuclear"])
def test_shares_by_genome_and_recorded_metrics_agree(language):
    chosen = gains.compared(recorded(NOTEBOOK), language)
    plain, shown = results.masked(results.measured(recorded(NOTEBOOK), language)), gains.masked(chosen)
    assert shown.index.tolist() == plain.index.tolist()
    for part in HELD_OUT:
        for name, text in shown[part, "first guess"].items():
            value, low, high = (float(each.strip("[],%")) for each in text.split())
            assert low <= value <= high
            assert value == pytest.approx(100 * plain.loc[name, part], abs=0.051)


def test_a_comparison_is_open_where_its_interval_covers_zero():
    table = gains.comparisons(recorded(NOTEBOOK))
    for part in HELD_OUT:
        for _, row in table[part].iterrows():
            low, high = (float(each) for each in row[gains.BITS].partition("[")[2].rstrip("]").split(", "))
            assert (row[gains.BETTER] == "open") == (low <= 0 <= high)


def test_the_thesis_needs_less_than_segmentation_alone_with_each_vocabulary():
    """What the page says of 1.7257, of one that knows which tokens are random."""
    known = gains.vocabularies(recorded(NOTEBOOK))["near"][gains.RANDOM_KNOWN]
    assert rules.printed_number("5.1-mitochondrial-longformer-9-mer-mlm-perplexity") < known.min() < 1.8


def test_the_smaller_a_vocabulary_the_shorter_its_tokens_and_the_easier_each_is():
    table = gains.vocabularies(recorded(NOTEBOOK))
    for part in HELD_OUT:
        assert table[part]["bases per token"].is_monotonic_increasing
        assert table[part][gains.RANDOM_KNOWN].is_monotonic_increasing
        assert (table[part][gains.RANDOM_KNOWN] < table[part]["perplexity"]).all()
        assert table[part]["masked tokens right"].iloc[0] > table[part]["masked tokens right"].iloc[-1]
