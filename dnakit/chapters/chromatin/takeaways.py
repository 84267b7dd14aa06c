"""What chapter 5 comes to, in sentences whose numbers are those of finished runs; one without its runs is left out."""

from collections.abc import Iterator, Mapping
from typing import Any

from dnakit.chapters.chromatin import results
from dnakit.chapters.chromatin.control_results import network
from dnakit.chapters.chromatin.parameters import BEST, GC, MOTIFS
from dnakit.chapters.chromatin.results import KINDS
from dnakit.report.finished import Finished

GAPPED, NETWORK_NAMES = "gapped-chromosomes", ("cnn-chromosomes", "danq-chromosomes")
LONGFORMERS = ("nuclear-256-chromosomes", "none-256-chromosomes")
PADDED = {"tokens-512": "512 tokens less 256", "tokens-1024": "1,024 tokens less 256"}
PRETRAINED = {
    "pretraining-nuclear": "hg38 less none, random split",
    "pretraining-mitochondria": "mitochondria less none, random split",
    "pretraining-nuclear-chromosomes": "hg38 less none, by chromosome",
}


def takeaways(done: Finished) -> str:
    """The sentences as a list in Markdown."""
    found = [_position(done), _clean(done), _length(done), _pretraining(done), _motifs(done)]
    return "\n".join(f"* {each}" for each in found if each)


def seeds(done: Finished, pairs: Mapping[str, str]) -> str:
    """The differences of these pairs by kind, each with its interval; empty before they are compared."""
    return "; ".join(_difference(each, pairs[name]) for name, each in _pairs(done, pairs))


def _pairs(done: Finished, pairs: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    run = done.get("comparisons")
    compared = run.metrics["pairs"] if run else {}
    yield from ((name, compared[name]) for name in pairs if name in compared)


def _difference(found: Mapping[str, Any], title: str) -> str:
    each = found["kinds"]
    texts = (f"{kind} {each[kind]['auroc']:+.3f} [{_ends(each[kind])}]" for kind in KINDS if kind in each)
    many = f"{found['repeats']} seeds each" if found["repeats"] > 1 else "one seed each"
    return f"{title} ({many}) {', '.join(texts)}"


def _ends(found: Mapping[str, Any]) -> str:
    low, high = found["auroc_interval"]
    return f"{low:+.3f}, {high:+.3f}"


def padding(done: Finished) -> str:
    """What longer inputs give the model, and how far trainings on them differ; for the page."""
    tokens = done.get("tokens")
    if tokens is None:
        return ""
    differences = seeds(done, PADDED)
    return (
        "**At 256, 512 and 1,024 tokens the model gets the same input**: no window of 1,000 bp, cut into words of nine "
        f"bases as the model reads it, has more than {tokens.metrics['most']} tokens. These trainings differ in the "
        "number of position vectors, most of which are never used, and therefore in the random numbers of the initial "
        "weights. So a difference between them is one between seeds. "
        + (f"It is, in mean AUROC: {differences}." if differences else "They are not compared over seeds yet.")
    )


def undecided(done: Finished, pairs: Mapping[str, str]) -> tuple[int, int]:
    """Of these differences by kind: how many intervals hold zero, and how many there are."""
    ends = [each["auroc_interval"] for _, found in _pairs(done, pairs) for each in found["kinds"].values()]
    return sum(low <= 0 <= high for low, high in ends), len(ends)


# ---- the sentences


def _position(done: Finished) -> str:
    scores = results.simple_methods(done)
    near = _of(results.by_kind(scores, "random", "nearest bins"))
    first, then = (_of(results.by_kind(scores, split, BEST)) for split in ("random", "by chromosome"))
    return (
        "**The thesis's random split measures position as well as sequence.** Labels copied from the nearest training "
        f"bins have a mean AUROC of {near} there (DNase / TF / histone), and know nothing of a held-out chromosome. "
        f"{BEST.capitalize()} fall from {first} to {then}. So scores under a random split, the thesis's among them, do "
        "not tell what a model reads from a sequence."
    )


def _clean(done: Finished) -> str:
    runs = [done[name] for name in (*NETWORK_NAMES, *LONGFORMERS) if name in done]
    if GAPPED not in done or not runs:
        return ""
    others = "; ".join(f"{network(run)} {_of(_kinds(run.metrics['test']))}" for run in runs)
    gc = results.by_kind(results.simple_methods(done), "by chromosome", GC)
    return (
        f"**With whole chromosomes held out the best method here is no network.** {BEST.capitalize()} reach "
        f"{_of(_kinds(done[GAPPED].metrics['methods'][BEST]))}, and GC content alone {_of(gc)}. The networks: "
        f"{others}. {_less_than(done, GC)}{_less_than(done, BEST)}They saw {runs[0].samples_seen:,} samples, as many "
        "as a laptop's time allows; the published ones saw millions. This says what they are worth at this budget, and "
        "nothing of their limit."
    )


def _less_than(done: Finished, method: str) -> str:
    """Which networks are worth less than a simple method, with an interval below zero; empty before it is measured."""
    run = done.get("over-simple-methods")
    found: dict[str, list[str]] = {}
    for name, methods in (run.metrics["networks"] if run else {}).items():
        highest = {kind: each["auroc_interval"][1] for kind, each in methods[method].items()}
        found[name] = [kind for kind in KINDS if highest.get(kind, 0) < 0]
    less = "; ".join(f"{network(done[name])} for {' and '.join(kinds)}" for name, kinds in found.items() if kinds)
    return f"Worth less than {method}, with a 95% interval of the difference below zero: {less}. " if less else ""


def _length(done: Finished) -> str:
    tokens = done.get("tokens")
    if tokens is None:
        return ""
    held, count = undecided(done, PADDED)
    return (
        "**The thesis's comparison of lengths compares nothing.** No window of 1,000 bp, cut into words of nine bases, "
        f"has more than {tokens.metrics['most']} tokens, so that 256, 512 and 1,024 tokens are the same input with "
        "more padding." + (f" Of {count} differences measured here the intervals of {held} hold zero." if count else "")
    )


def _pretraining(done: Finished) -> str:
    found = seeds(done, PRETRAINED)
    return f"**Pretraining**, differences of mean AUROC with 95% intervals: {found}." if found else ""


def _motifs(done: Finished) -> str:
    runs = [done[name] for name in ("motifs-gapped", "motifs-gapped-yeast") if name in done]
    found = {motif: each for run in runs for motif, each in run.metrics["motifs"].items()}
    texts = [f"{m} {found[m]['top']:.0%} of {found[m]['with_motif']:.0%}" for m in MOTIFS if m in found]
    return (
        "**Where the best model looks.** The share of windows whose most important ten bases hold the factor's motif, "
        f"of the share that has it anywhere: {', '.join(texts)}."
        if texts
        else ""
    )


def _kinds(found: Mapping[str, Any]) -> dict[str, float]:
    return {kind.lower(): found["kinds"][kind]["auroc_mean"] for kind in KINDS if kind in found["kinds"]}


def _of(areas: Mapping[str, float]) -> str:
    """Such as ``0.721 / 0.730 / 0.784``."""
    return " / ".join(f"{value:.3f}" for value in areas.values())
