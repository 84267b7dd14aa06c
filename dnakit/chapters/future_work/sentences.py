"""What chapter 10 found, as sentences of its page; what is not there is "not run"."""

from collections.abc import Iterable, Sequence

import numpy as np

from dnakit.chapters.future_work import read_runs, results
from dnakit.chapters.future_work.parameters import CONTEXTS
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Estimate

OPEN = "open"


def said_of_methods(done: Finished) -> str:
    """What qualities gain without a network, at each error rate."""
    if read_runs.METHODS_RUN not in done:
        return "The simple methods are not run."
    return f"*Without a network.* {_said_of_gains(done, results.with_quality())}"


def said_of_models(done: Finished) -> str:
    """Whether a Longformer gains by quality, at each error rate."""
    uses = [
        use
        for use in read_runs.USES
        if use != "ignored" and results.of_use(done, use) and results.of_use(done, "ignored")
    ]
    if not uses:
        return "The Longformers are not run."
    seeds = min(len(results.of_use(done, use)) for use in (*uses, "ignored"))
    return f"*Longformer* ({_seeds(seeds)}). {_said_of_gains(done, uses)}"


def _seeds(count: int) -> str:
    """How many there are, and what the intervals do with them."""
    return "one seed, whose chance no interval knows" if count == 1 else f"{count} seeds, counted in the intervals"


def _decided(found: Estimate, seeds: int, above: str, below: str) -> str:
    """In words where an interval lies; with one seed a difference is open."""
    return _side(found, above, below) if seeds > 1 else OPEN


def _side(found: Estimate, above: str, below: str) -> str:
    return {"higher": above, "lower": below}.get(found.verdict, OPEN)


def _said_of_gains(done: Finished, methods: Iterable[str]) -> str:
    """What qualities gain over ignoring them where the interval leaves zero out, and how often it holds zero."""
    compared = [(method, less) for less in results.all_lowered(done) for method in methods]
    gains = {each: gain for each in compared if (gain := results.gain_of(done, *each))}
    said = ""
    for verdict, effect in (("higher", "help"), ("lower", "harm")):
        seen = [
            f"{method} ({results.errors_of(done, less)}), {results.points(gain):+.2f} points"
            for (method, less), gain in gains.items()
            if gain.verdict == verdict
        ]
        said += f"Qualities {effect}: {'; '.join(seen)}. " if seen else ""
    zero = sum(gain.open for gain in gains.values())
    return f"{said}In {zero} of {len(gains)} comparisons the interval holds zero."


def said_of_balance(done: Finished) -> str:
    """What balancing does to each context and their mean, and what is left of it beyond the frequencies of tokens."""
    pairs, beyond = results.pairs_of(done, results.LONGFORMER), results.pairs_of(done, results.FREQUENCIES)
    if not pairs or not beyond:
        return "The pretrainings are not run."
    words = ("balancing is worse", "balancing is better")
    found = {name: results.compared_bits(pairs, name) for name in ("mean", *CONTEXTS)}
    by_seed = ", ".join(f"{value:+.4f}" for value in found["mean"][0])
    _, alone = results.compared_bits(beyond, "mean")
    text = "; ".join(f"{name} {each:+.4f}, {_decided(each, len(pairs), *words)}" for name, (_, each) in found.items())
    return (
        f"Bits per base, balanced minus natural ({_seeds(len(pairs))}; the mean by seed: {by_seed}): {text}. "
        f"Token frequencies alone: mean {alone:+.4f}, {_side(alone, *words)}. Beyond them the Longformer's mean is "
        f"{results.change_of(pairs, 'mean', beyond)}."
    )


def said_of_replaced(done: Finished) -> str:
    """Whether the probe prefers replaced tokens to masked ones."""
    runs = {way: results.of_way(done, way) for way in ("replaced-tokens", "natural")}
    if not all(runs.values()):
        return "The pretrainings are not run."
    words = ("replaced tokens are better", "masked tokens are better")
    difference = _probed_apart(runs["replaced-tokens"], runs["natural"])
    gained = [
        f"{results.points(_probed_apart(each, runs['natural'], 'before')):+.2f}"
        for each in (runs["natural"], runs["replaced-tokens"])
    ]
    seeds = len(runs["natural"])
    return (
        f"The probe, replaced minus masked at the same cost ({_seeds(seeds)}): "
        f"{results.points(difference):+.2f} points; {_decided(difference, seeds, *words)}. Minus the model before any "
        f"training: masked {gained[0]} points, replaced {gained[1]} points."
    )


def _probed_apart(one: Sequence[FinishedRun], other: Sequence[FinishedRun], when: str = "right") -> Estimate:
    """Windows that the probe of the first names right, minus those of the second, seed by seed, with its interval."""
    found = [
        {run.record["parameters"]["seed"]: results.digits(run.metrics["probe"][key]) for run in runs}
        for runs, key in ((one, "right"), (other, when))
    ]
    change = [found[0][seed] - found[1][seed] for seed in sorted(found[0].keys() & found[1].keys())]
    mean = results.mean_and_interval(np.mean(change, axis=0), np.arange(len(change[0])))
    return results.with_seeds(mean, [each.mean() for each in change])
