"""The ledger's verdicts are of known claims, and the numbers they name are recorded ones."""

import pytest

from dnakit.project import DnakitError
from dnakit.report import ledger
from dnakit.report.finished import Finished, recorded
from dnakit.report.thesis import thesis_table


def test_verdicts_are_of_claims_and_of_known_kinds():
    found = ledger.verdicts()
    assert found.id.is_unique
    assert set(found.id) <= set(thesis_table("claims").id)
    assert set(found.verdict) <= set(ledger.VERDICTS)
    assert (found.what != "").all()
    assert ((found.run == "") == (found.measure == "")).all()


def test_every_number_of_a_verdict_is_the_recorded_one():
    for row in ledger.verdicts().query("run != ''").itertuples():
        notebook, name = row.run.split("/")
        value = ledger.deciding(row.run, row.measure)
        if name in recorded(notebook):
            first, *rest = row.measure.split(".")
            expected = recorded(notebook)[name].metrics[first]
            for key in rest:
                expected = expected[key]
            assert value == expected
        else:
            assert value is None


def test_a_measure_that_a_recorded_run_lacks_is_one_clear_error(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.json").write_text('{"test": {"accuracy": 0.5}}')
    found = Finished("recorded", "laptop", {"run": tmp_path / "run"})
    monkeypatch.setattr(ledger, "recorded", lambda notebook: found)
    assert ledger.deciding("x/run", "test.accuracy") == 0.5
    with pytest.raises(DnakitError, match=r"x/run has no number test\.recall"):
        ledger.deciding("x/run", "test.recall")


def test_a_chapter_s_ledger_has_each_of_its_verdicts_once():
    claims = thesis_table("claims").set_index("id").chapter
    for chapter in claims.unique():
        expected = sum(claims[name] == chapter for name in ledger.verdicts().id)
        assert len(ledger.ledger(chapter)) == expected
