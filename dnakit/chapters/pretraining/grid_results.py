"""What the grid at equal samples says: a row for each model, and a verdict for each claim, from finished runs.

Intervals draw families (of the set far; else genomes) anew, the same ones for all models, and with them the seeds of
the trainings, where there are several. A mean over few seeds varies less among its own seeds than among others; so the
distance of a seed from the mean is enlarged by ``sqrt(n / (n - 1))``.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import seaborn as sns

from dnakit.chapters.pretraining import intervals
from dnakit.chapters.pretraining.gains import ALONE, BITS, GAINED, Resampled, drawn_together, resampled, sums_of
from dnakit.chapters.pretraining.grid import LEAK, LOCAL, OVERFIT, PREFIX, TRAINING, WORDS
from dnakit.chapters.pretraining.measurements import HELD_OUT_GENOMES, SEGMENTATION
from dnakit.chapters.pretraining.parameters import NINE_MER, parts_of
from dnakit.chapters.pretraining.results import ROW, TASKS, model_in_words, published
from dnakit.report.finished import Finished, FinishedRun
from dnakit.report.intervals import Estimate, Interval, difference, wilson
from dnakit.report.tables import MISSING
from dnakit.tokens.parameters import HELD_OUT

NOT_RUN, OPEN, HOLDS, FAILS = "not run yet", "open", "holds", "does not hold"
MEASURE = "depends on the measure"
RIGHT = "masked tokens right"
TRAINED, NATS = "training", "nats per masked token"
PLAIN = {part: f"bits, {part}" for part in HELD_OUT}
UNSEEN = "near"  # the genomes that were not seen, where overfitting is measured
LONGALBERT, LONGFORMER = "longalbert-12-mer-mlm", "longformer-12-mer-mlm"  # where overfitting is measured
MORE_OVERFIT = "Longalbert overfits more than Longformer"


class Claim(NamedTuple):
    """What a claim predicts of two models: the first gains more than the second (+1), or less (-1)."""

    text: str
    first: str
    second: str
    sign: int


CLAIMS = (
    Claim("9-mers are better than 12-mers", NINE_MER, "longformer-12-mer-mlm", 1),
    Claim("9-mers are better than 6-mers", NINE_MER, "longformer-6-mer-mlm", 1),
    Claim("with sentence order less is gained, 9-mers", "longformer-9-mer-mlm+sop", NINE_MER, -1),
    Claim("with sentence order less is gained, 6-mers", "longformer-6-mer-mlm+sop", "longformer-6-mer-mlm", -1),
    Claim("with sentence order less is gained, 12-mers", "longformer-12-mer-mlm+sop", "longformer-12-mer-mlm", -1),
    Claim("with sentence order less is gained, BB", "longformer-BB-mlm+sop", "longformer-BB-mlm", -1),
    *(
        Claim(f"BigBird-style words are better than {words}s", "longformer-BB-mlm", f"longformer-{words}-mlm", 1)
        for words in ("6-mer", "9-mer", "12-mer")
    ),
    *(
        Claim(f"Longalbert is worse than Longformer, {k}s", f"longalbert-{k}-mlm", f"longformer-{k}-mlm", -1)
        for k in ("9-mer", "6-mer", "12-mer")
    ),
)


def of_grid(done: Finished) -> Finished:
    """The runs of the claims, and the held-out genomes that intervals need; none where no grid is finished."""
    found = done.only(lambda run: run.name.startswith(PREFIX) and not run.name.startswith(WORDS))
    return _with_held_out(done, found)


def of_table(done: Finished) -> Finished:
    """The rows of the grid, segmentation alone, and the held-out genomes; none where no grid is finished."""
    return of_grid(done).only(lambda run: not run.name.startswith((OVERFIT, LEAK, LOCAL)))


def _with_held_out(done: Finished, found: Finished) -> Finished:
    """These runs, and the held-out genomes of their languages."""
    names = {*found, *(f"{HELD_OUT_GENOMES}{run.value('record.language')}" for run in found.values())}
    return done.only(lambda run: run.name in names)


# ---- numbers with their resamples


def over_seeds(each: Sequence[Resampled]) -> Resampled:
    """The mean over seeds; its resamples draw the seeds too."""
    draws, count = np.stack([one.draws for one in each]), len(each)
    mean = draws.mean(0)
    if count > 1:
        chosen = np.random.default_rng(intervals.SEED).integers(count, size=draws.shape)
        around = np.take_along_axis(draws - mean, chosen, axis=0).mean(0)
        mean = mean + around * np.sqrt(count / (count - 1))
    return Resampled(float(np.mean([one.value for one in each])), mean)


def seeds_of(done: Finished, start: str) -> dict[int, FinishedRun]:
    """The finished runs whose names begin so and end with a seed, by seed."""
    names = [name for name in done if name.startswith(f"{start}seed-")]
    return {int(name.rpartition("-")[2]): done[name] for name in sorted(names)}


def gain(done: Finished, run: FinishedRun, part: str) -> Resampled:
    """What a row of the grid needs less than segmentation alone, bits per base."""
    return _alone(done, run, part).minus(resampled(done, run, part))


def _alone(done: Finished, run: FinishedRun, part: str) -> Resampled:
    return resampled(done, alone_of(done, run), part)


def alone_of(done: Finished, run: FinishedRun) -> FinishedRun:
    """Segmentation alone of the corpus of a row of the grid."""
    runs = (each for each in done.values() if each.name.startswith(f"{PREFIX}{SEGMENTATION}"))
    return next(each for each in runs if each.record["corpus"]["key"] == run.record["corpus"]["key"])


# ---- the table of models


def table(done: Finished) -> pd.DataFrame:
    """A row for each model of Table 5.1: samples, and on both held-out sets bits per base and what it gained."""
    found = {_row(model): _cells(done, model) for model in _models()}
    columns = pd.MultiIndex.from_tuples(next(iter(found.values())))
    frame = pd.DataFrame([[*cells.values()] for cells in found.values()], columns=columns)
    frame.index = pd.MultiIndex.from_tuples(found, names=ROW)
    return frame


def _models() -> list[str]:
    """Names of the models of Table 5.1, in its order."""
    heads, names = {tasks: head for head, tasks in TASKS.items()}, []
    for language, model, tokenizer, tasks in published()[ROW].itertuples(index=False, name=None):
        if language != "reference":
            ending = "-nuclear" if language == "nuclear" else ""
            names.append(f"{model.lower()}-{tokenizer}-{heads[tasks]}{ending}")
    return names


def _row(model: str) -> tuple[str, ...]:
    parts = parts_of(model)
    language = "nuclear" if parts["nuclear"] else "mitochondrial"
    return language, parts["architecture"].capitalize(), parts["tokenization"], TASKS[parts["head"]]


def _cells(done: Finished, model: str) -> dict[tuple[str, str], str]:
    runs = list(seeds_of(done, f"{PREFIX}{model}-").values())
    cells = {(TRAINED, "seeds"): str(len(runs)) if runs else NOT_RUN}
    cells[TRAINED, "samples"] = f"{runs[0].samples_seen:,}" if runs else MISSING
    for part in HELD_OUT:
        texts = _measured(done, runs, part) if runs else {}
        cells |= {(part, name): texts.get(name, MISSING) for name in (BITS, ALONE, GAINED, RIGHT)}
    cells["sentence order", "right"] = _order(runs)
    return cells


def _measured(done: Finished, runs: Sequence[FinishedRun], part: str) -> dict[str, str]:
    bits = over_seeds([resampled(done, run, part) for run in runs])
    gained = over_seeds([gain(done, run, part) for run in runs])
    right = np.mean([run.metrics["measured"][part]["masked_accuracy"] for run in runs])
    return {
        BITS: f"{bits.interval:.3f}",
        ALONE: f"{_alone(done, runs[0], part).value:.3f}",
        GAINED: f"{gained.interval:+.3f}",
        RIGHT: f"{right:.1%}",
    }


def _order(runs: Sequence[FinishedRun]) -> str:
    """Pairs of sentences put in order, of all genomes that were not trained on; n is the pairs, whatever the seeds."""
    parts = ("validation", *HELD_OUT)
    if not runs or "sop_accuracy" not in runs[0].metrics["validation"]:
        return MISSING
    pairs = np.array([runs[0].record["samples"][part] for part in parts])
    shares = np.mean([[run.metrics[part]["sop_accuracy"] for part in parts] for run in runs], axis=0)
    share = float((shares * pairs).sum() / pairs.sum())
    return f"{Estimate(share, *wilson(share, int(pairs.sum()))):.3f}"


def gains_far(done: Finished) -> dict[str, Estimate]:
    """What each finished row of mitochondria gained on the set far, bits per base, by its name in words."""
    found: dict[str, Estimate] = {}
    for model in _models():
        runs = list(seeds_of(done, f"{PREFIX}{model}-").values())
        if runs and not parts_of(model)["nuclear"]:
            found[model_in_words(runs[0])] = over_seeds([gain(done, run, "far") for run in runs]).interval
    return found


# ---- the claims


def by_verdict(done: Finished) -> str:
    """The claims in a few lines: each verdict, and what has it."""
    verdicts_of = verdicts(done)["at this size"]
    lines = [f"* **{verdict}**: {'; '.join(verdicts_of.index[verdicts_of == verdict])}." for verdict in verdicts_of]
    return "\n".join(dict.fromkeys(lines)).replace("<cls>", "`<cls>`")  # which is no tag of HTML


def verdicts(done: Finished) -> pd.DataFrame:
    """What each claim compares, the difference with its interval, and whether it holds at this size."""
    rows = [_compared(done, claim) for claim in CLAIMS] + [_overfits(done), *_leaks(done), _global(done)]
    return pd.DataFrame(rows).set_index("claim")


def _compared(done: Finished, claim: Claim) -> dict[str, str]:
    """A row of `verdicts` for two models of the grid."""
    one, other = (seeds_of(done, f"{PREFIX}{name}-") for name in (claim.first, claim.second))
    return _pair(done, claim.text, one, other, claim.sign)


def _pair(
    done: Finished, text: str, one: Mapping[int, FinishedRun], other: Mapping[int, FinishedRun], sign: int
) -> dict[str, str]:
    """The first minus the second, seed by seed; the set far decides.

    Plain bits per base hold what the segmentation gives away, and what is gained over the segmentation leaves most to
    gain where that gives least away. So models of different words are compared in both, and have to agree.
    """
    seeds = sorted(set(one) & set(other))
    if not seeds:
        return _row_of(text, "gained, bits per base", seeds, NOT_RUN)
    gained = {
        part: over_seeds([gain(done, one[seed], part).minus(gain(done, other[seed], part)) for seed in seeds])
        for part in HELD_OUT
    }
    bits = {
        part: over_seeds([resampled(done, one[seed], part).minus(resampled(done, other[seed], part)) for seed in seeds])
        for part in HELD_OUT
    }
    verdict = _together(_verdict(gained["far"].interval, sign), _verdict(bits["far"].interval, -sign))
    cells = {part: f"{each.interval:+.3f}" for part, each in gained.items()}
    cells |= {PLAIN[part]: f"{each.interval:+.3f}" for part, each in bits.items()}
    return _row_of(text, "gained, bits per base", seeds, verdict + _mixed(one, other, seeds), cells)


def _together(by_gained: str, by_bits: str) -> str:
    """The verdict of both measures."""
    if by_gained == by_bits:
        return by_gained
    if OPEN not in (by_gained, by_bits):
        return MEASURE
    if by_bits == OPEN:
        return f"{by_gained} by what is gained, {OPEN} by plain bits"
    return f"{by_bits} by plain bits, {OPEN} by what is gained"


def _mixed(one: Mapping[int, FinishedRun], other: Mapping[int, FinishedRun], seeds: Sequence[int]) -> str:
    """Which pairs were computed in two precisions, where some were: they then differ in more than what is compared."""
    pairs = {seed: [runs[seed].value("record.computed_in") for runs in (one, other)] for seed in seeds}
    mixed = {seed: f"{first} against {second}" for seed, (first, second) in pairs.items() if first != second}
    return "".join(f", {f'seed {seed}: ' if len(seeds) > 1 else ''}{found}" for seed, found in mixed.items())


def _row_of(
    text: str, number: str, seeds: Sequence[int], verdict: str, cells: Mapping[str, str] | None = None
) -> dict[str, str]:
    shown = dict.fromkeys((*HELD_OUT, *PLAIN.values()), MISSING) | dict(cells or {})
    alone = " (one seed)" if len(seeds) == 1 and verdict.startswith((HOLDS, FAILS)) else ""
    count = str(len(seeds)) if seeds else MISSING
    return {"claim": text, "number": number, "seeds": count, **shown, "at this size": verdict + alone}


def _verdict(around: Estimate, sign: int) -> str:
    return OPEN if around.open else HOLDS if around.value * sign > 0 else FAILS


def _overfits(done: Finished) -> dict[str, str]:
    one, other = (seeds_of(done, f"{OVERFIT}{model}-") for model in (LONGALBERT, LONGFORMER))
    seeds, number = sorted(set(one) & set(other)), "gap to unseen genomes, nats per masked token"
    if not seeds:
        return _row_of(MORE_OVERFIT, number, seeds, NOT_RUN)
    apart = over_seeds([gap(done, one[seed]).minus(gap(done, other[seed])) for seed in seeds]).interval
    return _row_of(MORE_OVERFIT, number, seeds, _verdict(apart, 1), {UNSEEN: f"{apart:+.3f}"})


def gap(done: Finished, run: FinishedRun) -> Resampled:
    """Loss on genomes of the set near minus that on training samples, nats per masked token, both without dropout."""
    unseen = _loss(done, run)
    seen = run.metrics[TRAINING]["masked_loss"]
    return Resampled(unseen.value - seen, unseen.draws - seen)


def _loss(done: Finished, run: FinishedRun) -> Resampled:
    """Nats per masked token of the set near."""
    groups = drawn_together(done, run.record["language"], UNSEEN)
    return Resampled(*intervals.ratio(sums_of(run, "bits.csv", UNSEEN), groups, "nats", "masked"))


def _leaks(done: Finished) -> list[dict[str, str]]:
    """One row for each seed of the leak; its interval is recorded with it."""
    text = "a split after resampling gives away its test set"
    number = "gained over token frequencies: passes of trained genomes minus new genomes, nats"
    rows = []
    for seed, run in seeds_of(done, LEAK).items():
        around = Estimate(run.metrics["leak"]["nats"], *run.metrics["leak"]["nats_interval"])
        rows.append(_row_of(text, number, [seed], _verdict(around, 1), {UNSEEN: f"{around:+.3f}"}))
    return rows or [_row_of(text, number, [], NOT_RUN)]


def leak_in_words(done: Finished) -> str:
    """How many masked tokens a model names of passes over genomes that it knows, and of new genomes; empty before."""
    runs = seeds_of(done, LEAK)
    if not runs:
        return ""
    run = next(iter(runs.values()))
    (known, around), (new, around_new) = (_named_right(run, part) for part in ("resampled", "validation"))
    apart = Estimate(known - new, *difference(known, around, new, around_new))
    counts = run.frame("leak.csv").groupby("part").size()
    genomes = run.record["genomes"]["train"]
    return (
        f"Trained on nine tenths of the passes over {genomes} genomes, a model names {known:.1%} of the masked tokens "
        f"of the passes that were set apart ({counts['resampled']} genomes), and {new:.1%} of those of genomes that "
        f"were split off before ({counts['validation']} genomes): {apart.points} (genomes are drawn anew; one seed)."
    )


def _named_right(run: FinishedRun, part: str) -> tuple[float, Interval]:
    """The share of the masked tokens of a part of the leak that is named right, with its interval by genomes."""
    table = run.frame("leak.csv").set_index("genome")
    sums = table[table.part == part]
    found = intervals.interval(*intervals.ratio(sums, pd.Series(sums.index, sums.index), "right", "masked"))
    return found.value, Interval(found.low, found.high)


def _global(done: Finished) -> dict[str, str]:
    one, other = seeds_of(done, f"{PREFIX}{NINE_MER}-"), seeds_of(done, LOCAL)
    return _pair(done, "a global <cls> helps masked language modelling", one, other, 1)


# ---- overfitting


def of_overfitting(done: Finished) -> Finished:
    """The trainings that show overfitting, and the held-out genomes that intervals need; none where there are none."""
    found = done.only(lambda run: run.name.startswith(OVERFIT))
    return _with_held_out(done, found)


def overfitting(done: Finished) -> pd.DataFrame:
    """A row for each architecture and seed: final losses on seen and unseen genomes, and when unseen were best."""
    rows = []
    for model in (LONGALBERT, LONGFORMER):
        for seed, run in seeds_of(done, f"{OVERFIT}{model}-").items():
            by_epoch = run.frame("history.csv").set_index("epoch")[f"{UNSEEN}_masked_loss"]
            rows.append(
                {
                    "model": parts_of(model)["architecture"].capitalize(),
                    "seed": seed,
                    "seen genomes": run.metrics[TRAINING]["masked_loss"],
                    "unseen genomes": f"{_loss(done, run).interval:.3f}",
                    "gap": f"{gap(done, run).interval:+.3f}",
                    "lowest on unseen": by_epoch.min(),
                    "at epoch": by_epoch.idxmin(),
                }
            )
    return pd.DataFrame(rows).set_index(["model", "seed"]) if rows else pd.DataFrame()


def overfitting_by_epoch(done: Finished) -> sns.FacetGrid | None:
    """Losses on seen and unseen genomes by epoch, a panel for each architecture; lines are seeds."""
    frames = []
    for model in (LONGALBERT, LONGFORMER):
        for seed, run in seeds_of(done, f"{OVERFIT}{model}-").items():
            history = run.frame("history.csv")
            for part, genomes in {TRAINING: "seen genomes", UNSEEN: "unseen genomes"}.items():
                named = {"model": parts_of(model)["architecture"].capitalize(), "seed": seed, "genomes": genomes}
                frames.append(pd.DataFrame({"epoch": history.epoch, NATS: history[f"{part}_masked_loss"], **named}))
    if not frames:
        return None
    grid = sns.relplot(
        pd.concat(frames, ignore_index=True),
        kind="line",
        x="epoch",
        y=NATS,
        style="genomes",
        units="seed",
        estimator=None,
        col="model",
        color="#222222",
        height=2.2,
        aspect=1.1,
    )
    return grid.set_titles("{col_name}")
