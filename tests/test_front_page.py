"""The front page: each main claim says how sure it is, in words that fit the number that decides it."""

import math
import re

import pytest

from dnakit.chapters.chapter import run_names
from dnakit.report import front_page, ledger, rules
from dnakit.report.intervals import Interval
from dnakit.report.ledger import Claim
from dnakit.report.measured import Measured
from dnakit.report.rules import OTHERWISE, STANDS, TOO_SMALL, Outcome, Rule

RUN = type("Run", (), {"samples_seen": 30})()


@pytest.fixture(scope="module")
def main_claims():
    return ledger.main_claims(ledger.claims(run_names()))


def claim(*outcomes):
    return Claim("x", "5.1", "text", "finding", "text", "", "02_pretraining", outcomes)


def outcome(low, value, high, verdict=STANDS, runs=(RUN,), count=0, **rule):
    rule = Rule(where="a line", id="x", predicts="> 0", what="a number", **{"measure": "02_pretraining/x:a", **rule})
    return Outcome(rule, verdict, Measured(value, Interval(low, high), runs, count))


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ([outcome(0.1, 0.2, 0.3, count=55, interval="of 55")], "95% interval (n = 55)"),
        ([outcome(0.1, 0.2, 0.3, interval="recorded")], "95% interval"),
        ([outcome(-math.inf, 0.2, math.inf, interval="seeds")], "one seed, no interval"),
        ([outcome(230, 230.0, 230)], "exact: a count, no sampling"),
        ([outcome(0.5, 0.5, 0.5)], "no interval"),
        ([outcome(0.49, 0.5, 0.51, runs=(), measure="claim:a")], "exact: from the thesis's own tables"),
        ([outcome(0.49, 0.5, 0.51, measure="claim:a")], "no interval: a printed number minus a computed one"),
        ([Outcome(Rule(where="a line", id="x", open="not run yet", what="a run"), rules.NOT_RUN)], "not recorded yet"),
        (
            [outcome(0.1, 0.2, 0.3, TOO_SMALL, count=55, interval="of 55", size="1000")],
            "95% interval (n = 55); 3.0% of the thesis's samples",
        ),
        ([outcome(0.1, 0.2, 0.3, OTHERWISE, control_interval="of 9", count=9, size="1000")], "95% interval (n = 9)"),
        (
            [outcome(0.1, 0.2, 0.3, count=7, interval="of 7"), outcome(0.1, 0.2, 0.3, count=8000, interval="of 8000")],
            "95% interval (n = 7 and 8,000)",
        ),
    ],
)
def test_how_sure_is_said_in_words_that_fit_the_number(outcomes, words):
    assert front_page.how_sure(claim(*outcomes)) == words


def test_each_main_claim_says_how_sure_it_is_and_brackets_stand_where_it_has_an_interval(main_claims):
    for each, why in main_claims:
        words = front_page.how_sure(each)
        assert words, each.id
        assert bool(re.search(r"\[\S+, \S+\]", why)) == words.startswith("95% interval"), (each.id, why, words)
        assert ("(printed)" in why) == words.startswith("exact: from the thesis"), (each.id, why, words)


def test_the_table_has_a_row_for_each_main_claim_with_all_its_cells_filled(main_claims):
    shown = front_page.main_table(main_claims, "The main claims.").html
    cells = re.findall(r"<td[^>]*>(.*?)</td>", shown)
    assert len(cells) == len(front_page.COLUMNS) * len(ledger.MAIN)
    assert all(cells)
    assert not re.search(r"https?:", shown)
