"""All claims as one table of the book. ``book/_static/claims.js`` filters and sorts it; without that, it is plain."""

import html
from collections.abc import Sequence

from dnakit.report import ledger
from dnakit.report.display import Shown
from dnakit.report.ledger import Claim
from dnakit.report.rules import VERDICTS, Outcome

COLUMNS = ("section", "claim", "thesis", "this book", "verdict")  # few, so that the verdict is in sight
LEFT = 'style="text-align: left"'  # JupyterLab, which does not know the book's styles, would put text to the right


def claims_table(claims: Sequence[Claim], caption: str) -> Shown:
    """The table: a row for each claim, with the number that decides it and a link to where that stands.

    Parameters
    ----------
    claims : sequence of Claim
    caption : str
        What to see; plain text.
    """
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    body = "\n".join(_row(claim) for claim in claims)
    as_html = (
        f'<div class="dnakit-output dnakit-claims">\n<p class="dnakit-caption">{html.escape(caption)}</p>\n'
        f'<div class="dnakit-scroll">\n<table class="dnakit-table">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>\n</div>\n</div>\n"
    )
    return Shown(as_html, "\n".join([caption, "", *(_line(claim) for claim in claims)]))


def badge(claim: Claim) -> str:
    """The verdict of a claim, with its colour beside it."""
    return f'<span class="dnakit-verdict" data-verdict="{VERDICTS.index(claim.verdict)}">{claim.verdict}</span>'


def _row(claim: Claim) -> str:
    cells = [
        f'<td data-sort="{list(ledger.PARTS.values()).index(claim.part):02} {html.escape(claim.section)}">'
        f"{html.escape(claim.section)}</td>",
        f'<td class="long" {LEFT}>{html.escape(claim.text)}{_small(_what(claim))}</td>',
        f'<td class="number">{html.escape(_printed(claim))}</td>',
        f"<td {LEFT}>{''.join(_test(each) for each in claim.shown if each.found)}</td>",
        f'<td data-sort="{VERDICTS.index(claim.verdict)}" {LEFT}>{_verdict(claim)}</td>',
    ]
    part, kind = html.escape(claim.part), "number" if claim.kind == "number" else "sentence"
    return f'<tr id="{claim.id}" data-part="{part}" data-kind="{kind}">{"".join(cells)}</tr>'


def _printed(claim: Claim) -> str:
    """What the thesis prints, as it does; a large whole number with separators."""
    return f"{int(claim.value):,}" if claim.value.isdigit() else claim.value


def _test(outcome: Outcome) -> str:
    """A number, and below it what it has to be for the claim to stand."""
    return f"<div>{html.escape(ledger.marked(outcome))}</div>{_small(f'predicted: {ledger.predicted(outcome)}')}"


def _what(claim: Claim) -> str:
    """What the numbers are, and from which data; then the other tests, and numbers that decide nothing."""
    whats = dict.fromkeys(ledger.explained(each) for each in claim.shown)
    sizes = [", ".join(filter(None, (ledger.data(each), ledger.size(each)))) for each in claim.shown if each.found]
    parts = [
        "; ".join(whats),
        "; ".join(dict.fromkeys(filter(None, sizes))),
        ledger.others(claim),
        ledger.beside(claim),
    ]
    return ". ".join(filter(None, parts))


def _small(text: str) -> str:
    return f'<div class="dnakit-what">{html.escape(text)}</div>'


def _verdict(claim: Claim) -> str:
    notebook, _, heading = claim.cell.partition("#")
    address = f"{notebook}.html#{heading}" if heading else f"{notebook}.html"
    return badge(claim) + (f' <a href="{address}" title="where the number stands">cell</a>' if claim.cell else "")


def _line(claim: Claim) -> str:
    numbers = "; ".join(ledger.marked(each) for each in claim.shown if each.found)
    return " | ".join([claim.section, claim.text, claim.value, numbers, claim.verdict])
