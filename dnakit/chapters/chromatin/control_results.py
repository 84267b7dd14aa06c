"""What the controls of chapter 5 show: splits, lengths, weights of positives, strands, costs, and differences."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from dnakit.chapters.chromatin.parameters import BEST
from dnakit.chapters.chromatin.results import KINDS, METHODS, SPLITS, in_order, with_interval
from dnakit.chapters.chromatin.scores import MEASURES
from dnakit.chapters.chromatin.training_results import parameter, trained_as
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Estimate, of_seeds
from dnakit.report.style import GREY
from dnakit.report.tables import MISSING, indexed

NETWORKS = {"longformer": "Longformer", "cnn": "DeepSEA's network", "danq": "DanQ"}
PRETRAINED = {"nuclear": "pretrained on hg38", "mitochondria": "pretrained on mitochondria", "none": "not pretrained"}
WEIGHTS = {"8": "#D55E00", "1": "#0072B2"}  # colours of the two weights of positives
OVER_SIMPLE = "over-simple-methods"  # a run
DIFFERENCES = {  # in words, and the split, of the pairs in the run ``comparisons``
    "pretraining-nuclear": ("pretrained on hg38 minus not pretrained", "random"),
    "pretraining-mitochondria": ("pretrained on mitochondria minus not pretrained", "random"),
    "pretraining-nuclear-chromosomes": ("pretrained on hg38 minus not pretrained", "chromosomes"),
    "tokens-512": ("512 tokens minus 256", "random"),
    "tokens-1024": ("1,024 tokens minus 256", "random"),
    "without-neighbours": ("trained without neighbours minus with them", "apart"),
    "weight-1": ("weight 1 minus weight 8", "random"),
    "cnn-random": ("DeepSEA's network minus Longformer on hg38", "random"),
    "danq-random": ("DanQ minus Longformer on hg38", "random"),
    "cnn-chromosomes": ("DeepSEA's network minus Longformer on hg38", "chromosomes"),
    "danq-chromosomes": ("DanQ minus Longformer on hg38", "chromosomes"),
}


def _trainings(done: Finished) -> Finished:
    return done.only(lambda run: "test" in run.metrics)


def network(run: FinishedRun) -> str:
    """What was trained, such as "Longformer, pretrained on hg38" or "DanQ"."""
    start = PRETRAINED.get(parameter(run, "initialization"), "")
    return ", ".join(filter(None, [NETWORKS[parameter(run, "network")], start]))


def _described(run: FinishedRun) -> dict[str, str]:
    """A training in words."""
    tokens, weight = parameter(run, "tokens"), parameter(run, "positive_weight")
    reads = f"{parameter(run, 'window'):,} bp" + (f", {tokens:,} tokens" if tokens else "")
    weighted = "" if weight == 8.0 else f", weight {weight:g}"
    return {
        "organism": run.record["species"],
        "network": network(run) + weighted,
        "input": reads,
        "split": SPLITS[run.record["split"]],
    }


# ---- splits


def of_networks(done: Finished) -> Finished:
    """What `networks` shows: gapped k-mers, and the first training of each network."""
    return done.only(lambda run: BEST in run.metrics.get("methods", {}) or ("test" in run.metrics and _compared(run)))


def networks(done: Finished) -> pd.DataFrame:
    """Networks and gapped k-mers on the same rows: mean AUROC and AUPRC by split and kind of feature."""
    rows, chosen = [], of_networks(done)
    for run in in_order(chosen.only(lambda run: "methods" in run.metrics)):
        found = run.metrics["methods"][BEST]
        rows.append(_scores(BEST, run, found, 1, found["seconds"]))
    for run in _trainings(chosen).values():
        rows.append(_scores(network(run), run, run.metrics["test"], parameter(run, "epochs"), run.record["seconds"]))
    frame = pd.DataFrame(rows)
    if frame.empty:
        return frame
    order = {name: number for number, name in enumerate(SPLITS.values())}
    frame = frame.sort_values(["organism", "split"], key=lambda names: names.replace(order), kind="stable")
    return frame.set_index(["organism", "split", "method"])


def _compared(run: FinishedRun) -> bool:
    usual = [parameter(run, name) for name in ("window", "positive_weight", "repeat")] == [1_000, 8.0, 0]
    return usual and parameter(run, "tokens") in (0, 256)


def _scores(method: str, run: FinishedRun, found: dict[str, Any], epochs: int, seconds: float) -> dict[str, Any]:
    row = {"organism": run.record["species"], "split": SPLITS[run.record["split"]], "method": method}
    row |= {"samples seen": run.record["samples"]["train"] * epochs, "minutes": seconds / 60}
    for kind in KINDS:
        each = found["kinds"].get(kind)
        row[f"AUROC {kind}"] = with_interval(each, "auroc") if each else MISSING
        row[f"AUPRC {kind}"] = each["auprc_mean"] if each else None
    return row


def of_differences(done: Finished) -> Finished:
    """What `differences` is about: the measurement, and the trainings of its organism."""
    run = done.get("comparisons")
    compared = _trainings(done).only(lambda each: run is not None and each.record["species"] == run.record["species"])
    return done.only(lambda each: each.name == "comparisons" or each.name in compared)


def differences(done: Finished) -> pd.DataFrame:
    """Differences of mean AUROC and AUPRC between trainings on the same test rows, with 95% intervals."""
    run = done.get("comparisons")
    pairs = run.metrics["pairs"] if run else {}
    rows = []
    for name in sorted(
        pairs, key=lambda name: list(DIFFERENCES).index(name) if name in DIFFERENCES else len(DIFFERENCES)
    ):
        compared, split = in_words(name)
        row = {"difference": compared, "split": split, "seeds each": pairs[name]["repeats"]}
        rows.append(row | _by_kind(pairs[name]["kinds"]))
    return indexed(rows, "difference", "split")


def of_over_simple_methods(done: Finished) -> Finished:
    """What `over_simple_methods` reads: the measurement, and the networks that it names."""
    return done.only(lambda run: run.name == OVER_SIMPLE or run.name in compared_with_simple(done))


def compared_with_simple(done: Finished) -> dict[str, dict[str, Any]]:
    """By name of a network, or of gapped k-mers, and simple method: differences by kind; none before they are made."""
    over = done[OVER_SIMPLE].metrics["over"] if OVER_SIMPLE in done else {}
    simple_first = sorted(over, key=lambda name: name != BEST)
    return {name: {each: over[name][each] for each in METHODS if each in over[name]} for name in simple_first}


def over_simple_methods(done: Finished) -> pd.DataFrame:
    """Mean AUROC and AUPRC of gapped k-mers and networks minus those of simple methods on the same test rows."""
    rows = [
        {"method": network(done[name]) if name in done else name, "minus": other} | _by_kind(kinds)
        for name, others in compared_with_simple(done).items()
        for other, kinds in others.items()
    ]
    return indexed(rows, "method", "minus")


def resamples(done: Finished, name: str) -> str:
    """How many resamples of the test rows the intervals of ``comparisons`` or `OVER_SIMPLE` come from, at least."""
    metrics = done[name].metrics if name in done else {}
    by_pair = [pair["kinds"] for pair in metrics.get("pairs", {}).values()]
    by_method = [kinds for methods in metrics.get("over", {}).values() for kinds in methods.values()]
    counts = [each["resamples"] for kinds in by_pair + by_method for each in kinds.values()]
    return f"{min(counts):,}" if counts else MISSING


def in_words(name: str) -> tuple[str, str]:
    """A pair of the run ``comparisons`` in words, such as ``weight-1`` or ``bases-2000``, and its split."""
    wider = f"{int(name.split('-')[1]):,} bp minus 1,000" if name.startswith("bases-") else ""
    compared, split = (wider, "chromosomes") if wider else DIFFERENCES[name]
    return compared, SPLITS[split]


def _by_kind(kinds: dict[str, Any]) -> dict[str, str]:
    """Of a difference: the number of features of each kind, and AUROC and AUPRC by kind."""
    row = {"features": " / ".join(str(kinds[kind]["features"]) for kind in KINDS if kind in kinds)}
    for measure in MEASURES:
        row |= {f"{measure.upper()} {kind}": signed(kinds.get(kind), measure) for kind in KINDS}
    return row


def signed(found: dict[str, Any] | None, measure: str) -> str:
    """A difference with its 95% interval, such as ``+0.012 [-0.100, +0.200]``."""
    if found is None:
        return MISSING
    return f"{difference(found, measure):+.3f}"


def difference(found: Mapping[str, Any], measure: str) -> Estimate:
    """A recorded difference of ``auroc`` or ``auprc``."""
    return Estimate(found[measure], *found[f"{measure}_interval"])


# ---- lengths


def of_lengths(done: Finished) -> Finished:
    """What `lengths` shows: Longformers without pretraining, but for the one that has no neighbours in training."""
    chosen = trained_as(done, split=None, window=None, initialization="none")
    return chosen.only(lambda run: parameter(run, "split") != "apart")


def lengths(done: Finished) -> pd.DataFrame:
    """Longer inputs: padding alone, with a random split, and real context, with chromosomes held out.

    Means over trainings that differ in the seed alone, with the 95% interval of the mean where there are several.
    """
    rows: dict[tuple[str, int, int], list[FinishedRun]] = {}
    for run in of_lengths(done).values():
        split, window, tokens = (parameter(run, name) for name in ("split", "window", "tokens"))
        rows.setdefault((SPLITS[split], window, tokens), []).append(run)
    found = indexed([_length(*key, runs) for key, runs in rows.items()], "split", "bases", "input tokens")
    return found if found.empty else found.sort_index(ascending=[False, True, True])


def _length(split: str, bases: int, tokens: int, runs: list[FinishedRun]) -> dict[str, Any]:
    row: dict[str, Any] = {"split": split, "bases": bases, "input tokens": tokens}
    row |= {"longest input": runs[0].record["input_length"], "seeds": len(runs)}
    for measure in MEASURES:
        for kind in KINDS:
            values = [run.value(f"metrics.test.kinds.{kind}.{measure}_mean") for run in runs]
            row[f"{measure.upper()} {kind}"] = _over_seeds([value for value in values if value is not None])
    return row


def _over_seeds(values: list[float]) -> str:
    if not values:
        return MISSING
    mean = sum(values) / len(values)
    return f"{mean:.3f}" if len(values) == 1 else f"{Estimate(mean, *of_seeds(values)):.3f}"


# ---- the weight of positives


def _by_weight(done: Finished) -> list[tuple[str, FinishedRun]]:
    """The trainings with positives weighted by 8 and by 1 that differ in nothing else."""
    chosen = trained_as(done, positive_weight=None, initialization="none", tokens=256, repeat=0)
    return [(f"{parameter(run, 'positive_weight'):g}", run) for run in chosen.values()]


def weights(done: Finished) -> pd.DataFrame:
    """Positives weighted by 8 and not at all: precision and recall at 0.5, mean probability, AUROC."""
    rows = []
    for weight, run in _by_weight(done):
        test, table = run.metrics["test"], run.frame("thresholds.csv").dropna()
        row: dict[str, Any] = {"weight of positives": weight}
        row |= {"precision at 0.5": test["precision"], "recall at 0.5": test["recall"]}
        row |= {"mean probability": np.average(table["mean probability"], weights=table["labels"])}
        row |= {"share positive": test["positive_rate"], "AUC, thresholded": test["auc_thresholded"]}
        rows.append(row | {"AUC, flattened": test["auc_flattened"]})
    return indexed(rows, "weight of positives").astype(float) if rows else pd.DataFrame()


def draw_weights(done: Finished) -> Figure | None:
    """Precision and recall over thresholds, and calibration, for each weight of positives; rings stand at 0.5."""
    found = _by_weight(done)
    if not found:
        return None
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 2.9), layout="tight")
    for weight, run in found:
        table, style = run.frame("thresholds.csv"), {"color": WEIGHTS.get(weight), "label": f"weight {weight}"}
        left.plot(table["recall"], table["precision"], marker=".", **style)
        at = table[table["threshold"] == 0.5]
        left.plot(at["recall"], at["precision"], "o", markersize=10, fillstyle="none", color=WEIGHTS.get(weight))
        right.plot(table["mean probability"], table["share positive"], marker=".", **style)
    right.plot([0, 1], [0, 1], color=GREY, linestyle=":", label="calibrated")
    left.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02), title="over thresholds")
    right.set(xlabel="mean probability", ylabel="share positive", xlim=(0, 1), ylim=(0, 1), title="calibration")
    left.legend()
    right.legend()
    return figure


# ---- strands and costs


def of_strands(done: Finished) -> Finished:
    """What `strands` shows: the first training of each kind on 1,000 bp with the usual weight."""
    return trained_as(done, split=None, repeat=0)


def strands(done: Finished) -> pd.DataFrame:
    """The same test rows on the other strand: how far probabilities differ, and AUROC of the mean of both."""
    rows = []
    for run in of_strands(done).values():
        kinds, both = run.metrics["test"]["kinds"], run.metrics["strands"]["both"]["kinds"]
        row: dict[str, Any] = _described(run) | {"mean difference": run.metrics["strands"]["mean_difference"]}
        for kind in KINDS:
            one, mean = (each.get(kind, {}).get("auroc_mean") for each in (kinds, both))
            row |= {kind: one, f"{kind}, both": mean}
        rows.append(row)
    return indexed(rows, "organism", "network", "input", "split")


def costs(done: Finished) -> pd.DataFrame:
    """What trainings cost, repeats together: samples each, minutes in all, milliseconds per sample."""
    rows = []
    for run in _trainings(done).values():
        samples, minutes = run.samples_seen, run.record["seconds"] / 60
        row = _described(run) | {"trainings": 1, "samples each": samples, "minutes": minutes}
        rows.append(row | {"device": run.record["device"]})
    if not rows:
        return pd.DataFrame()
    keys = [*_described(run), "samples each", "device"]
    found = pd.DataFrame(rows).groupby(keys, sort=False).sum().reset_index(["samples each", "device"])
    found["ms per sample"] = 60_000 * found["minutes"] / found["samples each"] / found["trainings"]
    return found[["trainings", "samples each", "minutes", "ms per sample", "device"]]
