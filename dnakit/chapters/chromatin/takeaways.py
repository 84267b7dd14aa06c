"""What chapter 5 comes to, and paragraphs of its page, in sentences whose numbers are those of finished runs.

One without its runs is left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from dnakit.chapters.chromatin import results
from dnakit.chapters.chromatin.control_results import compared_with_simple, difference, in_words, network, signed
from dnakit.chapters.chromatin.parameters import BEST, GC, MOTIFS
from dnakit.chapters.chromatin.results import KINDS
from dnakit.chapters.chromatin.training_results import thresholded_reach
from dnakit.report.finished import Finished

GAPPED, NETWORK_NAMES = "gapped-chromosomes", ("cnn-chromosomes", "danq-chromosomes")
LONGFORMERS = ("nuclear-256-chromosomes", "none-256-chromosomes")
PADDED = ("tokens-512", "tokens-1024")
PRETRAINED = ("pretraining-nuclear", "pretraining-mitochondria", "pretraining-nuclear-chromosomes")
WIDER, WEIGHT, WITHOUT_NEIGHBOURS = "bases-", "weight-1", "without-neighbours"


def takeaways(done: Finished) -> str:
    """The sentences as a list in Markdown."""
    found = [_position(done), _clean(done), _length(done), _context(done), _pretraining(done), _motifs(done)]
    return "\n".join(f"* {each}" for each in found if each)


def _nested(lead: str, points: Iterable[str]) -> str:
    """A sentence, and below it a list inside the list of `takeaways`."""
    return "\n".join([lead, *(f"    * {each}" for each in points)])


# ---- differences in words


def seeds(done: Finished, names: Iterable[str], measure: str = "auroc") -> str:
    """The differences of these pairs by kind, each with its interval; empty before they are compared."""
    return "; ".join(_difference(name, found, measure) for name, found in _pairs(done, names))


def wider(done: Finished) -> list[str]:
    """The names of the pairs with wider windows."""
    return [name for name in _compared(done) if name.startswith(WIDER)]


def _pairs(done: Finished, names: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    compared = _compared(done)
    yield from ((name, compared[name]) for name in names if name in compared)


def _compared(done: Finished) -> dict[str, Any]:
    run = done.get("comparisons")
    return run.metrics["pairs"] if run else {}


def _difference(name: str, found: Mapping[str, Any], measure: str) -> str:
    title, split = in_words(name)
    many = f"{found['repeats']} seeds each" if found["repeats"] > 1 else "one seed each"
    return f"{title} (split: {split}; {many}) {by_kind(found['kinds'], measure)}"


def by_kind(kinds: Mapping[str, Any], measure: str) -> str:
    """A difference by kind of feature, such as ``TF +0.012 [-0.100, +0.200]``."""
    return ", ".join(f"{kind} {signed(kinds[kind], measure)}" for kind in KINDS if kind in kinds)


def still_open(done: Finished, names: Iterable[str], measure: str = "auroc") -> tuple[int, int]:
    """Of these differences by kind: how many intervals hold zero, and how many there are."""
    found = [difference(each, measure) for _, pair in _pairs(done, names) for each in pair["kinds"].values()]
    return sum(each.open for each in found), len(found)


# ---- paragraphs of the page


def best_simple(done: Finished) -> str:
    """Gapped k-mers minus simpler methods, where whole chromosomes are held out."""
    compared = compared_with_simple(done).get(BEST)
    if compared is None:
        return f"{BEST.capitalize()} are not compared pairwise with the other simple methods yet."
    found = (f"minus that of {method} is {by_kind(kinds, 'auroc')}" for method, kinds in compared.items())
    return (
        f"Are {BEST} above the others that read the sequence? With whole chromosomes held out, on the same test rows, "
        f"their mean AUROC {'; '.join(found)}. Where an interval holds zero, the difference is open."
    )


def apart(done: Finished) -> str:
    """What the split without neighbours changes besides the neighbours."""
    rows, scores = results.splits(done), results.simple_methods(done)
    near = results.of_first(scores, results.SPLITS["apart"], "nearest bins")
    shown = ", ".join(f"{row['AUROC']:.3f} ({row['AUROC 95%']}) for {kind}" for kind, row in near.iterrows())
    train = {name: rows["train"].loc[rows.index[0][0], split] for name, split in results.SPLITS.items()}
    best = (_of(results.by_kind(scores, results.SPLITS[name], BEST)) for name in ("apart", "chromosomes"))
    return (
        f"Without a training row within 1 kb, labels of the nearest bins still have a mean AUROC of {shown}. That "
        f"split also leaves {train['apart']:,} training rows in place of {train['random']:,}. So a fall from the first "
        "split to the second is that of neighbours and of a smaller training set together; a random split with equally "
        f"few training rows is missing. {BEST.capitalize()} have {' there and '.join(best)} (DNase / TF / histone) "
        f"with whole chromosomes held out, on other test rows, after {train['chromosomes']:,} training rows."
    )


def auc_all() -> str:
    """Whether the area of answers at 0.5 can be what the thesis prints."""
    rows = thresholded_reach()
    above, fits = rows[rows["printed"] > rows["most"]], rows[rows["printed"] <= rows["most"]]
    texts = (f"{name}: {row['printed']:.4f}, at most {row['most']:.4f}" for name, row in above.iterrows())
    fitting = (f"{name}: {row['printed']:.4f}, {row['expected']:.3f} expected" for name, row in fits.iterrows())
    return (
        f"With the thesis's precision and recall, and 2% positives, that fits {len(fits)} of its {len(rows)} rows "
        f"({'; '.join(fitting)}). The others print more than (recall + 1) / 2, which that area cannot exceed "
        f"({'; '.join(texts)}). **So the thesis's definition stays unknown**, and its "
        '"AUC all" stands beside ours without being known to be the same measure.'
    )


def padding(done: Finished) -> str:
    """What longer inputs give the model, and how far trainings on them differ."""
    tokens = done.get("tokens")
    if tokens is None:
        return ""
    differences = seeds(done, PADDED)
    return (
        "**With this book's tokenizers the model gets the same input at 256, 512 and 1,024 tokens**: no counted window "
        f"of 1,000 bp, cut into words of nine bases, has more than {tokens.metrics['most']} tokens. These trainings "
        "differ in the number of position vectors, most of which are never used, and therefore in the random numbers "
        "of the initial weights. So a difference between them is one between seeds. "
        + (f"It is, in mean AUROC: {differences}." if differences else "They are not compared over seeds yet.")
    )


def context(done: Finished) -> str:
    """What wider windows bring, by both measures."""
    pairs = dict(_pairs(done, wider(done)))
    if not pairs:
        return "Wider windows are not compared on the same test rows yet."
    kinds = next(iter(pairs.values()))["kinds"]
    counts = ", ".join(f"{kinds[kind]['features']} of {kind}" for kind in KINDS if kind in kinds)
    return (
        "Windows of 2,000 bases and more stand in the table of differences, on the same test rows and one seed each. "
        f"{_measures(done)} The means are over {counts}."
    )


def _measures(done: Finished) -> str:
    """In how many comparisons each measure is higher or lower with the wider window, by its interval."""
    found = [each for _, pair in _pairs(done, wider(done)) for each in pair["kinds"].values()]
    decided = {m: [difference(each, m).verdict for each in found] for m in ("auroc", "auprc")}
    rises, falls = ({m: each.count(word) for m, each in decided.items()} for word in ("higher", "lower"))
    return (
        f"Of {len(found)} differences (each width and kind of feature), mean AUROC is higher with the wider window in "
        f"{rises['auroc']} and lower in {falls['auroc']}; mean AUPRC is higher in {rises['auprc']} and lower in "
        f"{falls['auprc']}. In the others the interval holds zero."
    )


def weight(done: Finished) -> str:
    """What the weight of positives changes in the ranking; for the page."""
    changed = [seeds(done, [WEIGHT], measure) for measure in ("auroc", "auprc")]
    if not changed[0]:
        return "Whether the ranking changes too is not compared yet."
    held, count = (sum(each) for each in zip(*(still_open(done, [WEIGHT], m) for m in ("auroc", "auprc")), strict=True))
    return (
        f"Whether the ranking changes too: of {count} differences (each measure and kind of feature) the intervals of "
        f"{held} hold zero. Mean AUROC, {changed[0]}. Mean AUPRC, {changed[1]}."
    )


# ---- the sentences


def _position(done: Finished) -> str:
    scores = results.simple_methods(done)
    near = _of(results.by_kind(scores, "random", "nearest bins"))
    first, then = (_of(results.by_kind(scores, split, BEST)) for split in ("random", "by chromosome"))
    return (
        "**A random split measures position as well as sequence.** Labels copied from the nearest training bins have a "
        f"mean AUROC of {near} there (DNase / TF / histone), and know nothing of a held-out chromosome. "
        f"{BEST.capitalize()} have {first} there and {then} with whole chromosomes held out. These are other test "
        "rows, other training rows and partly other features: the difference is not of the split alone. Scores under a "
        "random split do not tell what a model reads from a sequence. The thesis's are such scores, if it split at "
        f"random.{_longformer_apart(done)}"
    )


def _longformer_apart(done: Finished) -> str:
    """What the Longformer loses without neighbours in training; empty before it is compared."""
    auroc, auprc = (seeds(done, [WITHOUT_NEIGHBOURS], measure) for measure in ("auroc", "auprc"))
    return (
        f" The Longformer itself, in mean AUROC: {auroc}. In mean AUPRC: {auprc}. Where an interval holds zero, it is "
        "open by that measure whether neighbours helped it."
        if auroc
        else ""
    )


def _clean(done: Finished) -> str:
    runs = [done[name] for name in (*NETWORK_NAMES, *LONGFORMERS) if name in done]
    if GAPPED not in done or not runs:
        return ""
    means = {
        BEST: _kinds(done[GAPPED].metrics["methods"][BEST]),
        GC: results.by_kind(results.simple_methods(done), "by chromosome", GC),
        **{network(run): _kinds(run.metrics["test"]) for run in runs},
    }
    return _nested(
        f"**With whole chromosomes held out, {_highest(means)}.** Mean AUROC (DNase / TF / histone), one seed of each "
        f"network, {runs[0].samples_seen:,} samples each:",
        [
            *(f"{name}: {_of(areas)}" for name, areas in means.items()),
            *_below(done, GC),
            *_below(done, BEST),
            "The published networks saw millions of samples. These numbers hold for this budget, and say nothing of "
            "more training.",
        ],
    )


def _highest(means: Mapping[str, Mapping[str, float]]) -> str:
    """Which networks have the highest mean of a kind, of all methods; in words."""
    first = pd.DataFrame(means).dropna(how="all").idxmax(axis=1)
    titles = {kind.lower(): kind for kind in KINDS}
    ahead = [f"{name} for {titles[str(kind)]}" for kind, name in first.items() if name not in (BEST, GC)]
    return f"the highest mean is that of {', '.join(ahead)}" if ahead else "no network has the highest mean"


def _below(done: Finished, method: str) -> list[str]:
    """Which networks lie below a simple method, with an interval below zero: a sentence for each set of kinds."""
    networks: dict[str, list[str]] = {}
    for name, methods in compared_with_simple(done).items():
        if name != BEST:
            kinds = [kind for kind in KINDS if kind in methods[method] and _lower(methods[method][kind])]
            networks.setdefault(", ".join(kinds), []).append(network(done[name]))
    return [
        f"Below {method} in {kinds} (95% interval of the difference below zero): {'; '.join(names)}."
        for kinds, names in networks.items()
        if kinds
    ]


def _lower(found: Mapping[str, Any]) -> bool:
    return difference(found, "auroc").verdict == "lower"


def _length(done: Finished) -> str:
    tokens = done.get("tokens")
    if tokens is None:
        return ""
    held, count = still_open(done, PADDED)
    return (
        "**With this book's tokenizers the thesis's comparison of lengths compares nothing.** No counted window of "
        f"1,000 bp, cut into words of nine bases, has more than {tokens.metrics['most']} tokens, so that 256, 512 and "
        "1,024 tokens are the same input with more padding."
        + (f" Of {count} differences measured here the intervals of {held} hold zero." if count else "")
        + " The thesis's tokens are shorter: there 256 may cut a window, and 512 and 1,024 are the same input."
    )


def _context(done: Finished) -> str:
    if not wider(done):
        return ""
    return (
        "**What real context brings, by two measures.** Windows of 2,000 bases and more minus 1,000, whole chromosomes "
        f"held out, one seed each. {_measures(done)}"
    )


def _pretraining(done: Finished) -> str:
    found = [_difference(name, pair, "auroc") for name, pair in _pairs(done, PRETRAINED)]
    return _nested("**Pretraining**, differences of mean AUROC with 95% intervals:", found) if found else ""


def _motifs(done: Finished) -> str:
    runs = [done[name] for name in ("motifs-gapped", "motifs-gapped-yeast") if name in done]
    found = {motif: each for run in runs for motif, each in run.metrics["motifs"].items()}
    texts = [_share(motif, found[motif]) for motif in MOTIFS if motif in found]
    return (
        f"**Where {BEST} look.** Share of windows whose ten most important bases hold the factor's motif. *Possible*: "
        "share of windows that have the motif at all. *Shuffled*: the first share, with the bases of the windows in "
        f"random order. {'; '.join(texts)}."
        if texts
        else ""
    )


def _share(motif: str, found: Mapping[str, Any]) -> str:
    shuffled = found["shuffled"]["top"]
    return f"{motif} {found['top']:.0%} (possible {found['with_motif']:.0%}, shuffled {shuffled:.0%})"


def _kinds(found: Mapping[str, Any]) -> dict[str, float]:
    return {kind.lower(): found["kinds"][kind]["auroc_mean"] for kind in KINDS if kind in found["kinds"]}


def _of(areas: Mapping[str, float]) -> str:
    """Such as ``0.721 / 0.730 / 0.784``."""
    return " / ".join(f"{value:.3f}" for value in areas.values())
