"""Differences between trainings, and to simple methods, on the same test rows, with 95% intervals.

One interval draws blocks of 100 kb of the test rows anew, the same blocks for both trainings. It says how much other
test rows would change the difference. Another comes from trainings that differ in the seed alone (Student's t, paired
by the number of the repeat). It says how much other seeds would. A difference is trusted as far as both allow.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from dnakit import store
from dnakit.chapters.chromatin import scores
from dnakit.chapters.chromatin.parameters import BEST, GC
from dnakit.chapters.chromatin.profiles import prepare
from dnakit.chapters.chromatin.scores import FEWEST_POSITIVES, MEASURES
from dnakit.chapters.chromatin.simple_methods import KMERS
from dnakit.data.peaks import Feature
from dnakit.report.intervals import of_seeds
from dnakit.run import Outcome

if TYPE_CHECKING:
    from dnakit.chapters.chromatin.measurements import Comparisons, OverSimpleMethods
    from dnakit.chapters.chromatin.trainings import Training

PERCENT = (2.5, 97.5)
RESAMPLES = 2_000  # of the test rows: the ends of an interval are drawn to 0.06 of the difference's standard error


class Predictions(NamedTuple):
    """One method's labels and predictions of its test rows: a row for each place, a column for each feature."""

    labels: pd.DataFrame
    probabilities: pd.DataFrame


class Difference(NamedTuple):
    """Of one kind of features and one measure between two methods: the value, and that of each resample."""

    kind: str
    measure: str
    features: int
    value: float
    resampled: np.ndarray


def compare(run: "Comparisons") -> Outcome:
    """Differences by pair, kind and measure: ``auroc`` with ``auroc_interval``, and the intervals behind it."""
    features = prepare(run.organism, run.trainings[0].experiment.window, run.parameters.rows).features
    found = {}
    for name, pairs in run.pairs().items():
        repeats = [
            list(differences(read(one.folder()), read(other.folder()), features, run.parameters.seed))
            for one, other in pairs
        ]
        titles = {"one": pairs[0][0].name, "other": pairs[0][1].name, "repeats": len(repeats)}
        found[name] = titles | {"kinds": _summary(repeats)}
    return Outcome({"pairs": found}, run.organism.record() | _trained_on(run.trainings[0]))


def over_simple_methods(run: "OverSimpleMethods") -> Outcome:
    """Differences by what is compared, simple method and kind of features, each as `compare` has them."""
    organism = run.gapped.organism
    features = prepare(organism, run.gapped.window, run.parameters.rows).features
    simple = {method: read(run.simple.folder(), method) for method in (GC, KMERS)}
    simple[BEST] = read(run.gapped.folder(), BEST)
    compared = {BEST: simple[BEST]} | {network.name: read(network.folder()) for network in run.networks}
    found = {
        name: {
            method: _summary([list(differences(each, predicted, features, run.parameters.seed))])
            for method, each in simple.items()
            if method != name
        }
        for name, predicted in compared.items()
    }
    return Outcome({"over": found}, organism.record() | _trained_on(run.networks[0]))


def _trained_on(training: "Training") -> dict[str, Any]:
    """What a reader of the differences has to know: how many samples the trainings saw."""
    record = store.read_json(training.folder() / "run.json")
    return {name: record[name] for name in ("samples", "parameters")}


def read(folder: Path, method: str = "probabilities") -> Predictions:
    """The ``predictions.npz`` of a training, or those of one simple method."""
    with np.load(folder / "predictions.npz") as kept:
        places = pd.MultiIndex.from_arrays([kept["chromosome"], kept["start"]])
        return Predictions(*(pd.DataFrame(kept[name], places, kept["features"]) for name in ("labels", method)))


def differences(one: Predictions, other: Predictions, features: Sequence[Feature], seed: int) -> Iterator[Difference]:
    """The other minus the one on the test rows that both have, over the features with 10 positives or more there.

    Parameters
    ----------
    one, other : Predictions
    features : sequence of Feature
        Their kinds; a feature that one of the two lacks is left out.
    seed : int
        Of the resamples.
    """
    shared = one.labels.index.intersection(other.labels.index)
    labels, before, after = (each.loc[shared] for each in (one.labels, one.probabilities, other.probabilities))
    blocks = scores.blocks_of(*(shared.get_level_values(n).to_numpy() for n in (0, 1)))
    times = scores.drawn(blocks, seed, RESAMPLES)
    times = np.concatenate([np.ones_like(times[:1]), times])  # first the rows as they are
    found: dict[str, list[np.ndarray]] = {}
    for name, kind, _ in features:
        if name not in before or name not in after:
            continue
        truth = labels[name].to_numpy()
        if (truth == 1).sum() >= FEWEST_POSITIVES and (truth == 0).any():
            one_areas, other_areas = (
                scores.areas(truth, each[name].to_numpy(), blocks, times) for each in (before, after)
            )
            found.setdefault(kind, []).append(other_areas - one_areas)
    for kind, areas in sorted(found.items()):
        for measure, means in zip(MEASURES, np.nanmean(areas, axis=0), strict=True):
            yield Difference(kind, measure, len(areas), float(means[0]), means[1:])


def _summary(repeats: Sequence[Sequence[Difference]]) -> dict[str, dict[str, Any]]:
    """By kind: means over the repeats, with the interval of rows, that of seeds, and one that holds both."""
    kinds: dict[str, dict[str, Any]] = {}
    for same in zip(*repeats, strict=True):
        kind, measure, features, *_ = same[0]
        values = [each.value for each in same]
        rows = np.nanpercentile(np.mean([each.resampled for each in same], axis=0), PERCENT).tolist()
        row = kinds.setdefault(kind, {"features": features, "resamples": len(same[0].resampled)})
        row |= {measure: float(np.mean(values)), f"{measure}_interval": rows, f"{measure}_rows_interval": rows}
        if len(values) > 1:
            seeds = list(of_seeds(values))
            both = [min(rows[0], seeds[0]), max(rows[1], seeds[1])]
            row |= {f"{measure}_interval": both, f"{measure}_seeds_interval": seeds}
    return kinds
