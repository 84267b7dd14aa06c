"""The book as one page and as a PDF: what ``make pdf`` runs after ``make report``.

Sphinx joins all pages into ``_build/singlehtml/intro.html``. A browser without a window prints it to
``_build/book.pdf``. Without a browser the page stays: any browser prints it.
"""

import re
import shutil
import subprocess
import sys
import tempfile

from check import BOOK, foreign

PAGE, PDF = BOOK / "_build" / "singlehtml" / "intro.html", BOOK / "_build" / "book.pdf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "microsoft-edge")
OFFLINE = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


def join_pages() -> bool:
    """Make the page; whether that worked. Sphinx lets it load MathJax, though no page of the book holds a formula."""
    if subprocess.run(["jupyter-book", "build", "--builder", "singlehtml", "--quiet", BOOK], check=False).returncode:
        return False
    text = PAGE.read_text(encoding="utf-8")
    if 'class="math' not in text:
        PAGE.write_text(re.sub(r"<script[^>]*mathjax[^>]*></script>", "", text), encoding="utf-8")
    return True


def browser() -> str | None:
    """The first browser of Chromium's family that is installed."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def print_page(program: str) -> bool:
    """Print the page; whether that worked."""
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                *OFFLINE,
                f"--user-data-dir={profile}",
                "--no-pdf-header-footer",
                "--virtual-time-budget=20000",
                f"--print-to-pdf={PDF}",
                PAGE.as_uri(),
            ],
            capture_output=True,
            check=False,
        )
    return done.returncode == 0 and PDF.is_file()


def main() -> int:
    """Join and print; 1 where the page cannot be made, or loads something from elsewhere."""
    PDF.unlink(missing_ok=True)
    if not join_pages():
        return 1
    if addresses := foreign(PAGE):
        print(f"{PAGE.name}: loads {', '.join(addresses)}")
        return 1
    program = browser()
    if program is None:
        print(f"no browser to print with ({', '.join(BROWSERS)}); open {PAGE} in yours, and print it")
        return 0
    if not print_page(program):
        print(f"{program} could not print {PAGE}; open it in a browser, and print it")
        return 1
    print(f"The book as a PDF: {PDF}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
