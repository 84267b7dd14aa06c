"""The notebooks cite by links, which JupyterLab shows as the book does, to works that the book's references list."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
REFERENCES = (ROOT / "book" / "references.bib").read_text()
LINK = re.compile(r"\[([^\]]+ (?:19|20)\d\d)\]\(([^)]+)\)")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_no_role_that_only_the_book_can_show(path):
    prose = "\n".join(line for line in path.read_text().splitlines() if line.startswith("#"))
    assert not re.findall(r"\{[a-z:]+\}`", prose)


def test_every_work_that_is_cited_is_in_the_references():
    text = " ".join(path.read_text() for path in NOTEBOOKS)
    cited = dict(LINK.findall(re.sub(r"\n# *", " ", text)))
    assert len(cited) > 10
    for name, address in cited.items():
        found = re.search(rf"\{{{re.escape(address.removeprefix('https://doi.org/'))}\}}", REFERENCES)
        assert found, f"{name}: {address} is not in references.bib"
        entry = REFERENCES[REFERENCES.rindex("\n@", 0, found.start()) : found.start() + 400].split("\n}")[0]
        first, year = name.split()[0], name[-4:]
        assert {first, year} <= set(re.findall(r"[\w'-]+", entry)), f"{name} is not who wrote {address}"
