"""The ledger: every claim has a rule, every verdict a number that is recorded, every link a heading."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from docutils import nodes
from pandas.api.types import is_numeric_dtype

from dnakit.chapters.chapter import chapter_of, run_names
from dnakit.notebooks.parameters import names
from dnakit.project import DnakitError
from dnakit.report import ledger, rules
from dnakit.report.claims_table import COLUMNS, claims_table
from dnakit.report.finished import FinishedRun
from dnakit.report.measured import number, run_name, runs_of
from dnakit.report.thesis import thesis_table

ROOT = Path(__file__).resolve().parents[1]
DECIDED = rules.VERDICTS[:3]
TABLES = ("5.1", "5.2", "5.3", "5.4", "B.1", "B.2", "B.3", "B.4")


@pytest.fixture(scope="module")
def claims():
    return ledger.claims(run_names())


def anchors(notebook):
    text = (ROOT / "notebooks" / f"{notebook}.py").read_text(encoding="utf-8")
    headings = re.findall(r"^# #+ (.*)$", text, re.MULTILINE)
    return {nodes.make_id(heading) for heading in headings}  # as Sphinx names them


def test_each_claim_has_a_rule_and_each_rule_a_claim(claims):
    assert all(claim.outcomes for claim in claims)
    assert Counter(claim.id for claim in claims).most_common(1)[0][1] == 1
    assert {rule.id for rule in rules.rules(run_names())} == {claim.id for claim in claims}


@pytest.mark.parametrize("number", TABLES)
def test_every_printed_number_of_a_table_is_a_claim(number):
    table = thesis_table(number).drop(columns=["epochs", "bold", "input_tokens"], errors="ignore")
    printed = [value for name in table if is_numeric_dtype(table[name]) for value in table[name].dropna()]
    of_text = {"B.2"} if number == "B.1" else set()  # the test set of the large Longformer stands in the text of B.2
    found = thesis_table("claims")
    rows = found[(found.source == f"Table {number}") | (found.section.isin(of_text) & (found.kind == "number"))]
    assert Counter(printed) == Counter(float(value) for value in rows[rows.kind == "number"].value.dropna())


def test_the_number_of_each_verdict_is_recorded(claims):
    for claim in claims:
        for each in claim.shown:
            if each.verdict in (*DECIDED, rules.TOO_SMALL):
                assert each.found is not None, claim.id
                assert all((run.folder / "metrics.json").is_file() for run in each.found.runs), claim.id
                assert each.found.runs or each.rule.measure.startswith("claim:"), claim.id
            else:
                assert each.found is None, claim.id
                assert each.missing or each.rule.open, claim.id


def test_the_full_size_row_stands_beside_claims_and_decides_none(claims):
    """It began with informed weights, so that it is not the thesis's row."""
    for each in (outcome for claim in claims for outcome in claim.outcomes):
        if "full-size" in each.rule.measure + each.rule.minus + each.rule.control:
            assert each.verdict == rules.BESIDE
            assert "informed" in each.rule.what
    row = next(claim for claim in claims if claim.id == "5.1-mitochondrial-longformer-9-mer-mlm-accuracy")
    assert f"{row.beside[0].found.value:.3f}" in ledger.beside(row)
    assert row.verdict != rules.STANDS


def test_a_plain_number_is_the_one_in_the_file(claims):
    compared = 0
    for each in (outcome for claim in claims for outcome in claim.shown if outcome.found and not outcome.is_control):
        rule = each.rule
        if len(each.found.runs) == 1 and not rule.minus and re.fullmatch(r"[\w/+.-]+:[\w.]+", rule.measure):
            found = json.loads((each.found.runs[0].folder / "metrics.json").read_text())
            for part in rule.measure.partition(":")[2].split("."):
                found = found.get(part, {}) if isinstance(found, dict) else None
            if isinstance(found, int | float):
                assert each.found.value == found
                compared += 1
    assert compared > 20


def test_a_run_that_no_profile_has_is_an_error_recorded_or_not():
    known = run_names()
    named = {run_name(address) for rule in rules.rules(known) for address in rule.addresses}
    for notebook, name in sorted((notebook, name) for notebook, name in named if "*" not in name)[::10]:
        without = known | {notebook: known[notebook] - {name}}
        with pytest.raises(DnakitError, match=rf"verdicts\.csv, line \d+: no profile of {notebook} has a run"):
            rules.rules(without)


@pytest.mark.trained
def test_runs_that_are_not_recorded_will_hold_the_numbers():
    """The smoke runs of the same names hold a number at each address; once all is recorded, none is left."""
    smoke = {name: chapter_of(name, "smoke").runs for name in names()}
    for rule in rules.rules(run_names()):
        for address in filter(None, [*rule.addresses, rule.control]):
            notebook, name = run_name(address)
            named = re.compile(re.sub(r"\(.*\)", "", name).replace("*", ".*"))
            run = next((run for each, run in smoke[notebook].items() if named.fullmatch(each)), None)
            if not runs_of(address) and run is not None:
                place = address.partition(":")[2].replace("bases-4000", "bases-2000")  # the widest window of smoke
                number(FinishedRun(name, run.folder()), place)


def test_each_link_is_a_heading_of_a_notebook(claims):
    for claim in claims:
        notebook, _, heading = claim.cell.partition("#")
        if heading:
            assert heading in anchors(notebook), f"{claim.id}: {claim.cell}"
        assert not notebook or notebook in names()
        assert claim.cell or claim.verdict not in DECIDED, claim.id


def test_the_counts_are_those_of_the_claims(claims):
    counts, totals = ledger.counts(claims), ledger.totals(claims)
    assert counts.to_numpy().sum() == totals["all"].sum() == len(claims)
    assert totals["all"].to_dict() == dict(Counter(claim.verdict for claim in claims)) | {
        name: 0 for name in rules.VERDICTS if not any(claim.verdict == name for claim in claims)
    }


def test_the_page_has_a_row_for_each_claim_and_is_small(claims):
    shown = claims_table(claims, "All claims.")
    assert shown.html.count("<tr id=") == len(claims)
    assert len(shown.html) < 210_000
    assert shown.html.count("<td") == len(COLUMNS) * len(claims)
    assert shown.html.count("predicted: ") == sum(bool(each.found) for claim in claims for each in claim.shown)
    assert not re.search(r"https?:", shown.html)


def test_only_a_number_without_an_interval_is_compared_with_a_tolerance(claims):
    by_id = {claim.id: claim for claim in claims}
    one, other = by_id["copying-flatters"], by_id["5.1-reference-random-baseline-any-mlm-sop-accuracy"]
    # A copy of the input scores more than the 85% that are not selected: the sentence stands, the printed equality not.
    assert (one.verdict, other.verdict) == (rules.STANDS, rules.REFUTED)
    for claim in claims:
        for each in claim.shown:
            if each.found and each.rule.predicts.startswith("=") and not each.is_control:
                assert ("±" in ledger.predicted(each)) == each.found.certain, claim.id
                assert "±" not in ledger.number(each.found)
