"""The front page of the book: the main claims with what decides them and how sure that is, and the picture beside."""

import html
import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from dnakit.report import ledger, rules
from dnakit.report.claims_table import LEFT, badge
from dnakit.report.display import Shown
from dnakit.report.ledger import Claim
from dnakit.report.rules import Outcome

COLUMNS = ("the thesis says", "the number that decides it", "how sure", "verdict")
SIZE = (3.3, 2.3)  # inches of the picture: it stands beside the words


def main_table(claims: Sequence[tuple[Claim, str]], caption: str) -> Shown:
    """The claims of the front page: each with the number that decides it, how sure that is, and its verdict.

    Parameters
    ----------
    claims : sequence of pair of Claim and str
        From `dnakit.report.ledger.main_claims`.
    caption : str
        What to see; plain text.
    """
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    rows = "\n".join(
        f'<tr><td class="long" {LEFT}>{html.escape(claim.text)}</td><td {LEFT}>{html.escape(why)}</td>'
        f"<td {LEFT}>{html.escape(how_sure(claim))}</td><td {LEFT}>{badge(claim)}</td></tr>"
        for claim, why in claims
    )
    as_html = (
        f'<div class="dnakit-output dnakit-main">\n<p class="dnakit-caption">{html.escape(caption)}</p>\n'
        f'<table class="dnakit-table">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>\n'
    )
    lines = [" | ".join([claim.text, why, how_sure(claim), claim.verdict]) for claim, why in claims]
    return Shown(as_html, "\n".join([caption, "", *lines]))


def how_sure(claim: Claim) -> str:
    """What the certainty of the deciding numbers rests on, in words; never empty."""
    return "; ".join(dict.fromkeys([_certainty(claim.shown), *filter(None, map(_budget, claim.shown))]))


def _certainty(outcomes: Sequence[Outcome]) -> str:
    kinds = list(dict.fromkeys(map(_kind, outcomes)))
    counts = [f"{each.found.count:,}" for each in outcomes if each.found and each.found.count]
    return ", ".join(kinds) + (f" (n = {' and '.join(counts)})" if counts else "")


def _kind(outcome: Outcome) -> str:
    found, rule = outcome.found, outcome.rule
    if found is None:
        return "not recorded yet"
    if not found.runs and not found.count:
        return "exact: from the thesis's own tables"
    if rule.control_interval if outcome.is_control else rule.interval:
        return "one seed, no interval" if math.isinf(found.interval.high) else "95% interval"
    if not outcome.is_control and rules.PRINTED in rule.measure + rule.minus:
        return "no interval: a printed number minus a computed one"
    return "exact: a count, no sampling" if found.value.is_integer() else "no interval"


def _budget(outcome: Outcome) -> str:
    """Of a number that decides nothing, because its training or its pretraining was small: how small."""
    found, rule = outcome.found, outcome.rule
    if found is None or outcome.verdict != rules.TOO_SMALL or not rules.too_small(rule, found):
        return ""
    seen, of_thesis = min(rules.budgets(rule, found).values(), key=lambda each: each[0] / each[1])
    return f"{seen / of_thesis:.1%} of the thesis's samples"


def draw(counts: pd.DataFrame) -> Figure:
    """The picture of `dnakit.report.ledger.draw_counts`, small enough to stand beside words."""
    figure = ledger.draw_counts(counts)
    figure.set_size_inches(SIZE)
    axes = figure.axes[0]
    axes.tick_params(labelsize=9)
    axes.xaxis.label.set_fontsize(9)
    axes.legend(loc="upper center", bbox_to_anchor=(0.3, -0.25), ncols=2, fontsize=8.5, columnspacing=1.0)
    return figure
