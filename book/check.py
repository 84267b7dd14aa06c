"""Whether the book that was built is whole: every page there, no error on it, and nothing it needs from elsewhere.

``python book/check.py`` prints one line for each problem, and exits with 1 when there is any.
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import yaml

BOOK = Path(__file__).resolve().parent

# Attributes from which a browser loads something when it opens the page (a link to click is none of them).
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
MERE_LINKS = {"canonical", "next", "prev", "search", "index", "author"}
# Folders that only this machine has.
PRIVATE_FOLDERS = tuple({f"{folder}/" for folder in (BOOK.parent, Path.home(), Path(tempfile.gettempdir()))} - {"//"})


class _Page(HTMLParser):
    """What a page loads from another place, and the text of it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.foreign: list[str] = []
        self.text: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        address = values.get(LOADED.get(tag, "")) or ""
        if values.get("rel") not in MERE_LINKS and re.match(r"(https?:)?//", address):
            self.foreign.append(address)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def foreign(page: Path) -> list[str]:
    """What a page loads from another place."""
    return _Page(page).foreign


def problems(book: Path) -> Iterator[str]:
    """One line for each thing that is wrong with the book in this folder."""
    built = book / "_build" / "html"
    for chapter in chapters(book):
        page = built / f"{chapter}.html"
        if page.exists():
            yield from _in_page(page, built)
        else:
            yield f"{chapter}: the page is missing"
        yield from _in_notebook(book / f"{chapter}.ipynb")
    for style in sorted(built.rglob("*.css")):
        for address in re.findall(r"(?:url\(|@import)\s*[\"']?((?:https?:)?//[^\"')\s]+)", style.read_text("utf-8")):
            yield f"{style.relative_to(built)}: loads {address}"


def chapters(book: Path) -> list[str]:
    """The pages that the table of contents names, without their suffixes; a pattern stands for the files it matches."""
    contents = yaml.safe_load((book / "_toc.yml").read_text(encoding="utf-8"))
    found = [contents["root"]]
    for entry in contents["chapters"]:
        files = sorted(book.glob(entry["glob"])) if "glob" in entry else [book / entry["file"]]
        found += [file.relative_to(book).with_suffix("").as_posix() for file in files]
    return found


def _in_page(page: Path, built: Path) -> Iterator[str]:
    name = page.relative_to(built)
    content = _Page(page)
    for address in content.foreign:
        yield f"{name}: loads {address}"
    text = "".join(content.text)
    for folder in PRIVATE_FOLDERS:
        if folder in text:
            yield f"{name}: names a folder of this machine, {folder}"
    if "Traceback (most recent call last)" in text:
        yield f"{name}: shows a traceback"


def _in_notebook(notebook: Path) -> Iterator[str]:
    if not notebook.exists():
        return
    for number, cell in enumerate(json.loads(notebook.read_text(encoding="utf-8"))["cells"], start=1):
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                yield f"{notebook.name}: cell {number} ended in {output['ename']}: {output['evalue']}"
            elif output.get("name") == "stderr":
                yield f"{notebook.name}: cell {number} wrote to stderr: {''.join(output['text'])[:80]!r}"


def main() -> int:
    """Print the problems; 1 when there are any."""
    found = list(problems(BOOK))
    print("\n".join(found) if found else f"book: {len(chapters(BOOK))} pages, whole and self-contained")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
