"""The report of ``dnakit classify``: counts by taxon, lengths of reads and confidences, as one offline file."""

import base64
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from dnakit.project import published
from dnakit.report.style import theme

if TYPE_CHECKING:
    from dnakit.chapters.metagenomics.classify import Tally

SHOWN = 25  # taxa


def write_report(tally: "Tally", path: Path, reference: str) -> None:
    """Write the report as a picture or a page, as the suffix says."""
    with theme():
        figure = draw(tally)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110, metadata={"Software": None})
    plt.close(figure)
    with published(path) as part:
        if path.suffix.lower() == ".png":
            part.write_bytes(picture.getvalue())
        else:
            part.write_text(page(tally, picture.getvalue(), reference), encoding="utf-8")


def draw(tally: "Tally") -> Figure:
    """The commonest taxa, lengths, confidences."""
    figure, axes = plt.subplot_mosaic(
        [["taxa", "lengths"], ["taxa", "confidence"]], figsize=(11, 6), layout="constrained"
    )
    top = tally.taxa.most_common(SHOWN)
    taxa = pd.DataFrame({"taxon": [_last(taxon) for taxon, _ in top], "reads": [count for _, count in top]})
    sns.barplot(taxa, x="reads", y="taxon", ax=axes["taxa"], color="#0072B2", errorbar=None)
    axes["taxa"].set(ylabel="")
    longest = int(np.flatnonzero(tally.lengths).max(initial=0))
    for name, counts, start, step, edges in (
        ("lengths", tally.lengths, 0.0, 1.0, np.arange(0, longest + 11, 10)),
        ("confidence", tally.confidences, 0.025, 0.05, np.arange(0, 1.06, 0.05)),
    ):
        seen = np.flatnonzero(counts)
        values = pd.DataFrame({"value": start + step * seen, "reads": counts[seen]})
        if len(seen):
            sns.histplot(values, x="value", weights="reads", bins=list(edges), color="#0072B2", ax=axes[name])
    axes["lengths"].set(xlabel="read length (bases)", ylabel="reads")
    axes["confidence"].set(xlabel="confidence of the name", ylabel="reads")
    return figure


def _last(taxon: str) -> str:
    """The name of the lowest rank, which is what fits into a figure."""
    return taxon.split(";")[-1].split("__")[-1].replace("_", " ")


def page(tally: "Tally", picture: bytes, reference: str) -> str:
    """An HTML page that loads nothing."""
    rows = "".join(
        f"<tr><td>{html.escape(taxon)}</td><td align=right>{count:,}</td></tr>\n"
        for taxon, count in tally.taxa.most_common()
    )
    image = base64.b64encode(picture).decode()
    total = sum(tally.taxa.values())
    return (
        "<!doctype html>\n<meta charset=utf-8>\n<title>dnakit classify</title>\n"
        "<style>body{font-family:sans-serif;max-width:70em;margin:2em auto}td{padding:.1em .8em}</style>\n"
        f"<h1>{total:,} reads</h1>\n<p>Reference: {html.escape(reference)}.</p>\n"
        '<img alt="Reads by taxon, length and confidence" style="max-width:100%" '
        f'src="data:image/png;base64,{image}">\n'
        f"<table>\n<tr><th align=left>taxon</th><th>reads</th></tr>\n{rows}</table>\n"
    )
