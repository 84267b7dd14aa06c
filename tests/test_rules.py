"""Verdicts follow from numbers: each rule with numbers made for it."""

import itertools
import json
import math

import pytest

from dnakit.project import DnakitError
from dnakit.report import measured, rules
from dnakit.report.finished import Finished
from dnakit.report.intervals import Interval
from dnakit.report.measured import Measured, runs_of
from dnakit.report.rules import Rule, holds, outcome, verdict

CLAIM = "5.1-mitochondrial-longformer-9-mer-mlm-accuracy"  # 0.8875
COLUMNS = "id,predicts,measure,minus,interval,size,control,control_predicts,open,cell,what"


@pytest.fixture
def record(tmp_path, monkeypatch):
    """A function that records a run of chapter ``x`` with these metrics."""
    folders = {}
    monkeypatch.setattr(measured, "recorded", lambda notebook: Finished("recorded", "laptop", folders))

    def keep(name, metrics, **facts):
        folder = folders[name] = tmp_path / name
        folder.mkdir()
        (folder / "metrics.json").write_text(json.dumps(metrics))
        (folder / "run.json").write_text(json.dumps(facts))
        return folder

    return keep


def rule(predicts="> 0.5", measure="x/run:test.top1", **values):
    return Rule(where="verdicts.csv, line 7", id=CLAIM, predicts=predicts, measure=measure, what="x", **values)


def found(value, low=None, high=None):
    return Measured(value, Interval(value if low is None else low, value if high is None else high))


@pytest.mark.parametrize(
    ("predicts", "number", "answer"),
    [
        ("> 0.5", found(0.6, 0.55, 0.65), True),
        ("> 0.5", found(0.6, 0.45, 0.75), None),
        ("> 0.5", found(0.4, 0.35, 0.45), False),
        ("< 0", found(-0.1, -0.2, -0.05), True),
        ("< 0", found(0.0), False),
        ("within 0.05", found(0.01, -0.02, 0.04), True),
        ("within 0.05", found(0.01, -0.02, 0.06), None),
        ("within 0.05", found(0.2, 0.1, 0.3), False),
        ("within 0.05", found(-0.04, -0.06, 0.02), None),
        ("within 0.05", found(-0.2, -0.3, -0.1), False),
        ("= thesis", found(0.87, 0.86, 0.89), True),
        ("= thesis", found(0.87, 0.86, 0.88), False),
        ("= thesis", found(0.88), True),  # without an interval: 1% of the printed value
        ("= thesis", found(0.87), False),
        ("= thesis", found(0.8875, -math.inf, math.inf), None),  # one seed
        ("> 0.95 thesis", found(0.85), True),
        ("> 0.95 thesis", found(0.84), False),
        ("< claim:B.2-elmo-accuracy", found(0.95), True),
    ],
)
def test_a_prediction_holds_fails_or_is_open(predicts, number, answer):
    assert holds(predicts, CLAIM, number) is answer


def test_a_number_decides_by_its_interval(record):
    record("run", {"test": {"top1": 0.6}})
    assert outcome(rule()).verdict == rules.STANDS
    assert outcome(rule(interval="of 1000")).verdict == rules.STANDS
    assert outcome(rule(interval="of 20")).verdict == rules.TOO_SMALL
    assert outcome(rule("< 0.5")).verdict == rules.REFUTED


def test_a_number_that_decides_nothing_leaves_the_verdict_as_it_is(record):
    record("run", {"test": {"top1": 0.6}})
    beside = outcome(rule("", open=rules.BESIDE))
    assert (beside.verdict, beside.found.value) == (rules.BESIDE, 0.6)
    for predicts in ("> 0.5", "< 0.5"):
        assert verdict([outcome(rule(predicts)), beside]) == outcome(rule(predicts)).verdict
    assert outcome(rule("", measure="x/other:test.top1", open=rules.BESIDE)).missing == ("x/other",)
    with pytest.raises(DnakitError, match=r"line 7: the claim has no line but one that decides nothing"):
        verdict([beside])


def test_a_number_that_decides_nothing_predicts_nothing():
    with pytest.raises(DnakitError, match="needs 'measure', and neither 'predicts' nor 'control'"):
        rule(open=rules.BESIDE).check({CLAIM}, {"x": {"run"}})


def test_a_run_that_is_not_recorded_is_named(record):
    record("other", {"test": {"top1": 0.6}})
    found = outcome(rule(minus="x/other:test.top1"))
    assert (found.verdict, found.missing) == (rules.NOT_RUN, ("x/run",))


def test_a_training_that_saw_less_than_half_decides_nothing(record):
    record("run", {"test": {"top1": 0.9}}, samples={"train": 100}, parameters={"epochs": 4})
    assert outcome(rule(size="800")).verdict == rules.STANDS
    assert outcome(rule(size="801")).verdict == rules.TOO_SMALL


def test_of_several_trainings_the_one_that_saw_the_fewest_samples_counts(record):
    for seed, samples in ((1, 100), (2, 50)):
        record(f"run-seed-{seed}", {"test": {"top1": 0.9}}, samples={"train": samples}, parameters={"epochs": 4})
    small = outcome(rule(measure="x/run-seed-*:test.top1", size="401"))
    assert (small.verdict, small.found.samples_seen) == (rules.TOO_SMALL, 200)
    assert outcome(rule(measure="x/run-seed-*:test.top1", size="400")).verdict == rules.STANDS


def test_printed_numbers_are_as_uncertain_as_half_of_their_last_digit(monkeypatch):
    monkeypatch.setattr(rules, "printed", lambda: {"a": "0.51", "b": "0.50", "c": "0.510"})
    assert outcome(rule("> 0", "claim:a", minus="claim:b")).verdict == rules.STANDS
    assert outcome(rule("> 0", "claim:a", minus="claim:c")).verdict == rules.TOO_SMALL


def test_a_pretraining_that_saw_less_than_half_decides_nothing(record):
    record("run", {"test": {"top1": 0.9}}, samples={"train": 100}, parameters={"epochs": 4})
    record("before", {}, samples={"train": 50}, parameters={"epochs": 2})
    assert outcome(rule(size="400", pretraining="x/before of 200")).verdict == rules.STANDS
    small = outcome(rule(size="400", pretraining="x/before of 201"))
    assert small.verdict == rules.TOO_SMALL
    assert rules.budgets(small.rule, small.found) == {"trained": (400, 400), "pretrained": (100, 201)}


def test_a_number_measured_of_a_trained_model_counts_the_samples_of_its_training(record):
    record("run", {"test": {"top1": 0.9}})
    with pytest.raises(DnakitError, match="comes from no training: write 'size' as RUN of 800"):
        outcome(rule(size="800"))
    assert outcome(rule(size="x/training of 800")).missing == ("x/training",)
    record("training", {}, samples={"train": 100}, parameters={"epochs": 4})
    assert outcome(rule(size="x/training of 800")).verdict == rules.STANDS
    assert outcome(rule(size="x/training of 801")).verdict == rules.TOO_SMALL


def test_a_difference_of_models_on_the_same_copies_is_paired_by_species(record):
    """Both find the same species hard: a difference of independent shares would be less certain than the paired one."""
    copies = {"samples": {"test": 400}, "classes": 40, "parameters": {"seed": 1}}
    for name, more in {"run": 0, "other": 1}.items():
        wrong = [(0 if species % 2 else 6) + more for species in range(40)]
        folder = record(name, {"test": {"top1": 1 - sum(wrong) / 400}}, **copies)
        lines = ["true", *(f"s{species}" for species, count in enumerate(wrong) for _ in range(count))]
        (folder / "errors.csv").write_text("\n".join(lines) + "\n")
    paired, apart = (
        outcome(rule("> 0", minus="x/other:test.top1", interval=interval)).found for interval in ("species", "of 40")
    )
    assert paired.value == pytest.approx(apart.value) == pytest.approx(0.1)
    assert (paired.interval.low, paired.interval.high, paired.count) == pytest.approx((0.1, 0.1, 40))
    assert apart.interval.low < 0 < apart.interval.high


def test_what_cannot_be_paired_by_species_is_one_clear_error(record):
    for name, copies in {"run": 400, "other": 300}.items():
        record(name, {"test": {"top1": 0.5, "loss": 1.0}}, samples={"test": copies}, classes=4, parameters={"seed": 1})
    with pytest.raises(DnakitError, match="run and other were tested on other copies"):
        outcome(rule("> 0", minus="x/other:test.top1", interval="species"))
    with pytest.raises(DnakitError, match=r"for test\.top1 of one run each, not for 'x/other:test.loss'"):
        outcome(rule("> 0", minus="x/other:test.loss", interval="species"))
    with pytest.raises(DnakitError, match="give 'minus'"):
        rule("> 0", interval="species").check({CLAIM}, {"x": {"run"}})


def test_a_control_that_does_as_well_changes_the_meaning(record):
    record("run", {"test": {"top1": 0.9}})
    record("control", {"test": {"top1": 0.8}})
    assert outcome(rule(control="x/control:test.top1")).verdict == rules.OTHERWISE
    assert outcome(rule(control="x/control:test.top1")).found.value == 0.8
    assert outcome(rule(control="x/control:test.top1", control_predicts="> 0.85")).verdict == rules.STANDS
    assert outcome(rule("< 0.5", control="x/control:test.top1")).verdict == rules.REFUTED
    as_claimed = {"control": "x/control:test.top1", "control_predicts": "> 0.5"}
    assert outcome(rule("< 0.5", **as_claimed)).verdict == rules.REFUTED, "its own number contradicts it"


def test_a_control_of_a_difference_is_a_difference(record):
    record("run", {"test": {"top1": 0.9}})
    record("control", {"test": {"top1": 0.8}})
    each = {"minus": "x/control:test.top1", "control": "x/control:test.top1"}
    assert outcome(rule("within 0.15", **each)).verdict == rules.STANDS
    different = outcome(rule("within 0.15", **each, control_minus="x/run:test.top1"))
    assert different.verdict == rules.OTHERWISE
    assert different.found.value == pytest.approx(-0.1)


def test_a_control_that_is_too_uncertain_explains_nothing(record):
    record("run", {"test": {"top1": 0.8}})
    record("control", {"test": {"top1": 0.8}, "promoters": 10, "many": 1000})
    few, many = (
        outcome(rule("> 0.7", control="x/control:test.top1", control_interval=f"of metrics.{count}"))
        for count in ("promoters", "many")
    )
    assert (few.verdict, many.verdict) == (rules.STANDS, rules.OTHERWISE)
    assert many.found.interval.low < 0.8 < many.found.interval.high


def test_repeats_give_a_mean_and_seeds_are_paired(record):
    for seed, (one, other) in enumerate([(0.60, 0.50), (0.70, 0.61), (0.65, 0.54)]):
        ending = f"-repeat-{seed}" if seed else ""
        record(f"one{ending}", {"top1": one})
        record(f"other{ending}", {"top1": other})
    record("one-apart", {"top1": 0.0})
    assert set(runs_of("x/one(-repeat-*):top1")) == {"", "1", "2"}
    apart = rule("> 0.05", "x/one(-repeat-*):top1", minus="x/other(-repeat-*):top1", interval="seeds")
    assert outcome(apart).verdict == rules.STANDS  # paired: 0.10, 0.09, 0.11; unpaired it would be open
    assert outcome(apart).found.value == pytest.approx(0.1)


def test_the_expression_of_a_file(record, tmp_path):
    record("run", {})
    (tmp_path / "run" / "errors.csv").write_text("shared\nfamily\nclass\norder\nfamily\n")
    share = 'x/run:errors.csv|shared.isin(["order", "family"])'
    assert outcome(rule("> 0.7", share)).verdict == rules.STANDS
    assert outcome(rule("> 0.7", share, interval="of rows")).verdict == rules.TOO_SMALL


@pytest.mark.parametrize("place", ["test.recall", "test", "errors.csv|shared", "record.epochs"])
def test_a_measure_that_a_recorded_run_lacks_is_one_clear_error(record, place):
    record("run", {"test": {"top1": 0.5}})
    with pytest.raises(DnakitError, match=r"verdicts\.csv, line 7: the recorded run run has no number") as caught:
        outcome(rule(measure=f"x/run:{place}"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ({"measure": "x/run:test.topp1"}, "no number test.topp1; did you mean 'test.top1'?"),
        ({"measure": "x/run:test.top1", "interval": "of record.sampels.test"}, "did you mean 'record.samples.test'?"),
        ({"measure": "x/run:test.top1", "interval": "recorded"}, "no interval beside test.top1"),
        ({"measure": "x/run:error.csv|shared"}, "did you mean 'errors.csv'?"),
        ({"measure": "x/run:errors.csv|shard"}, "errors.csv has the columns shared, reads"),
        ({"measure": "x/run:test.top1", "control": "x/run:test.topp1"}, "did you mean 'test.top1'?"),
    ],
)
def test_a_place_that_a_recorded_run_lacks_is_named_with_its_line_and_a_near_one(record, tmp_path, wrong, near):
    record("run", {"test": {"top1": 0.6}}, samples={"test": 5})
    (tmp_path / "run" / "errors.csv").write_text("shared,reads\n1,2\n")
    with pytest.raises(DnakitError) as caught:
        outcome(rule(**wrong))
    assert str(caught.value).startswith("verdicts.csv, line 7: ")
    assert near in str(caught.value)


def test_a_claim_stands_where_all_its_tests_do():
    of = {name: rules.Outcome(rule(), name) for name in rules.VERDICTS}
    assert verdict([of[rules.STANDS], of[rules.STANDS]]) == rules.STANDS
    assert verdict([of[rules.STANDS], of[rules.NOT_RUN]]) == rules.NOT_RUN
    assert verdict([of[rules.TOO_SMALL], of[rules.REFUTED]]) == rules.REFUTED
    first = (rules.REFUTED, rules.NO_DATA, rules.NO_NUMBER, rules.NOT_RUN, rules.TOO_SMALL, rules.OTHERWISE)
    for one, other in itertools.pairwise((*first, rules.STANDS)):
        assert verdict([of[one], of[other]]) == verdict([of[other], of[one]]) == one


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (f"{CLAIM},about 1,x/run:a,,,,,,,,number", "'about 1' is no prediction"),
        (f"{CLAIM},> 0,x/run:a,,plus or minus,,,,,,number", "interval"),
        (f"{CLAIM},> 0,x/run:a,,,many,,,,,number", "size"),
        (f"{CLAIM},> 0,x/run:a,,,,,,perhaps,,number", "open"),
        (f"{CLAIM},> 0,x/run:a", "one value for each of id, predicts"),
        (f"{CLAIM},> 0,x/runn:a,,,,,,,,number", "no profile of x has a run 'runn'; did you mean 'run'?"),
        (f"{CLAIM},> 0,x/run-repeet-*:a,,seeds,,,,,,number", "did you mean 'run-repeat-2'?"),
        (f"{CLAIM},> 0,y/run:a,,,,,,,,number", "there is no notebook 'y'"),
        (f"{CLAIM},> 0,x/run:a,x/rum:a,,,,,,,number", "did you mean 'run'?"),
        (f"{CLAIM},> 0,x/run:a,,,,x/rum:a,,,,number", "did you mean 'run'?"),
        (f"{CLAIM},> 0,x/run,,,,,,,,number", "names no number"),
        (f"{CLAIM},> 0,claim:B.2-elmo-accurracy,,,,,,,,number", "did you mean 'B.2-elmo-accuracy'?"),
        (f"{CLAIM},> claim:B.2-elmo-accurracy,x/run:a,,,,,,,,number", "did you mean 'B.2-elmo-accuracy'?"),
        (f"{CLAIM}s,> 0,x/run:a,,,,,,,,number", f"did you mean '{CLAIM}'?"),
        (f"{CLAIM},> 0,,,,,,,,,number", "'measure', or in 'open' why"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, wrong):
    path = tmp_path / "verdicts.csv"
    path.write_text(f"{COLUMNS}\n{CLAIM},> 0,x/run(-repeat-*):a,,,,,,,,number\n{line}\n")
    with pytest.raises(DnakitError, match=r"verdicts\.csv, line 3") as caught:
        rules.rules({"x": {"run", "run-repeat-2"}}, path)
    assert wrong in str(caught.value)
    assert "\n" not in str(caught.value)
