"""What ``make bench`` measured, as tables and figures of the book."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from dnakit import store
from dnakit.project import DnakitError, relative, root
from dnakit.report.style import theme

RESULTS = Path("benchmarks", "results.json")
KIND_COLORS = ("#0072B2", "#222222", "#E69F00", "#D55E00", "#AA4499", "#009E73", "#56B4E9", "#999933")
OTHER = "#bbbbbb"
TOKENIZATION_GOAL = 40.0  # times as fast as the library
READ = 170  # bases of the reads that are measured
FULL_RATE = "products_at_full_rate"  # a column
PRODUCTS = "matrix products"  # the kind of operation
LEAST_SHOWN = 0.03  # of the slowest step: kinds of operation below it are drawn as one
COLORS = {"ours": "#D55E00", "stock Longformer": "#0072B2", "dense": "#222222", "BigBird": "#009E73"}


def results(path: Path | None = None) -> dict[str, Any]:
    """The measurements that ``make bench`` wrote.

    Raises
    ------
    DnakitError
        If there are none.
    """
    path = path or root() / RESULTS
    if not path.is_file():
        raise DnakitError(f"there is no {relative(path)}: measure this machine with `make bench`")
    return store.read_json(path)


def table(results: Mapping[str, Any]) -> pd.DataFrame:
    """Each measurement beside its peer, the code it is compared with; one row each.

    Returns
    -------
    DataFrame
        Indexed by what was measured. ``ours_ms`` and ``peer_ms`` are milliseconds per million bases (tokenization), per
        step (training) or per sequence (inference); ``ratio`` is peer over ours, how many times faster ours is;
        ``products_at_full_rate`` is the share of our step that its matrix products would take at the rate of one large
        product; the profile (`by_kind`) has the time that they took.
        The peer is the ``tokenizers`` library, for ELMo our Longformer, and stock transformers for the rest.
        ``allocator`` is how glibc's ``malloc`` was set: by default, or to keep the memory it has. What could not be
        measured is NaN, or has no row.
    """
    rows = []
    if "tokenization" in results:
        words = {"task": "tokenization", "device": "cpu", "allocator": "default"}
        for case, line in ({"one long sequence": results["tokenization"]} | results["tokenization"]["shapes"]).items():
            rows.append(words | {"case": case} | _times(line))
    for device, parts in results["devices"].items():
        for allocator, measured in parts["allocators"].items():
            words = {"device": device, "allocator": allocator}
            steps, inference = measured.get("training_step", {}), measured.get("inference", {})
            for line in steps.get("lines", []):
                rows.append(words | {"task": "training step", "case": _case(line)} | _times(line))
            if "elmo" in steps:
                rows.append(words | {"task": "ELMo training step", "case": "all tokens, fp32"} | _times(steps["elmo"]))
            for line in inference.get("lines", []):
                rows.append(words | {"task": "inference", "case": line["precision"]} | _times(line))
    columns = ["task", "device", "case", "allocator", "ours_ms", "peer_ms", "ratio", FULL_RATE]
    frame = pd.DataFrame(rows, columns=columns).set_index("task")
    return frame if frame.device.nunique() > 1 else frame.drop(columns="device")


def against_fp32(results: Mapping[str, Any], device: str = "cpu", allocator: str = "default") -> pd.DataFrame:
    """How many times faster our training step is than stock's in fp32, by loss and precision.

    ``gflops`` is the rate of one large matrix product in the precision (thousand million operations a second).
    """
    measured = results["devices"][device]["allocators"][allocator]["training_step"]
    stock = next(line["peer_ms"] for line in measured["lines"] if line["precision"] == "fp32")
    lines = pd.DataFrame(measured["lines"])
    rates = lines["precision"].map(measured["matmul_gflops"])
    frame = pd.DataFrame({"ratio": stock / lines["ours_ms"], FULL_RATE: lines["matmul_share"], "gflops": rates})
    return frame.set_axis([_case(line) for line in measured["lines"]]).rename_axis("training step")


def by_kind(results: Mapping[str, Any], device: str = "cpu") -> pd.DataFrame:
    """Milliseconds of a training step by kind of operation (index, matrix products first), a column for each step."""
    frame = pd.DataFrame(results["devices"][device]["profile"]).rename(columns=_step)
    kinds = frame.sum(axis=1).sort_values(ascending=False).index
    frame = frame.loc[sorted(kinds, key=lambda kind: kind != PRODUCTS)]
    return frame[frame.sum().sort_values(ascending=False).index].rename_axis("kind of operation")


def profiled(results: Mapping[str, Any], device: str = "cpu") -> pd.DataFrame:
    """`by_kind` with a row for each step, its sum, and the share of it that the matrix products took."""
    frame = by_kind(results, device).T
    total = frame.sum(axis=1)
    return frame.assign(sum=total, products_measured=frame[PRODUCTS] / total).rename_axis("training step")


def of_products(results: Mapping[str, Any], device: str = "cpu") -> dict[str, str]:
    """The shares of our steps that are matrix products, all tokens and selected ones, by precision and measure.

    With kept malloc as they would be at full rate, and with the default one as the profile measured them.
    """
    kept = against_fp32(results, device, "kept")[FULL_RATE]
    measured = profiled(results, device)["products_measured"].rename(lambda step: step.removeprefix("ours, "))
    shares = {"full_rate": kept, "measured": measured.loc[kept.index]}
    return {
        f"{name}_{precision}": _span(each[[step for step in each.index if step.endswith(precision)]])
        for name, each in shares.items()
        for precision in ("fp32", "bf16")
    }


def _span(shares: pd.Series) -> str:
    return f"{shares.min():.0%} to {shares.max():.0%}" if len(shares) else "not measured"


@theme()
def draw_by_kind(results: Mapping[str, Any], device: str = "cpu") -> Figure:
    """What the time of each training step is spent on: a bar for each step, slowest first, one colour for each kind."""
    frame = by_kind(results, device)
    shown = frame.max(axis=1) >= LEAST_SHOWN * frame.sum().max()
    drawn = pd.concat([frame[shown], frame[~shown].sum().to_frame("other").T]).rename_axis("kind of operation")
    palette = dict(zip(frame.index[shown], KIND_COLORS, strict=False)) | {"other": OTHER}
    times = drawn.melt(var_name="training step", value_name="ms", ignore_index=False).reset_index()
    grid = sns.displot(
        times,
        y="training step",
        weights="ms",
        hue="kind of operation",
        hue_order=list(palette)[::-1],  # the last one is drawn first, at the axis
        palette=palette,
        multiple="stack",
        shrink=0.75,
        alpha=1,
        height=0.4 * len(frame.columns) + 1.2,
        aspect=1.75,
    )
    grid.set_axis_labels("milliseconds per step", "")
    return grid.figure


def of_reads(results: Mapping[str, Any]) -> dict[str, float]:
    """Microseconds of a read encoded alone, of the goal for it and of an empty call; ratios to the library.

    Ratios are of reads encoded alone and together. And seconds of the first call of a process, and in how many million
    bases the library takes as long.
    """
    measured = results["tokenization"]
    alone, together = (measured["shapes"][f"reads, {how}"] for how in ("one by one", "together"))
    return {
        "read": alone["ours_ms"] * READ / 1e3,
        "wanted": alone["peer_ms"] * READ / 1e3 / TOKENIZATION_GOAL,
        "empty": measured["empty_us"],
        "alone": alone["ratio"],
        "together": together["ratio"],
        "goal": TOKENIZATION_GOAL,
        "first": measured["table_seconds"],
        "first_bases": measured["table_seconds"] * 1e3 / measured["peer_ms"],
    }


def goals(results: Mapping[str, Any], device: str = "cpu") -> pd.DataFrame:
    """What the project set out to reach on a CPU, and what was measured with either setting of the allocator.

    Ratios, how many times faster than the peer with the same setting, where higher is better. The last row is a cost,
    where lower is.
    """
    shapes = {f"tokenization, {shape}": line["ratio"] for shape, line in results["tokenization"]["shapes"].items()}
    columns = {"goal": [TOKENIZATION_GOAL] * len(shapes) + [4.0, 10.0, 1.2]}
    for allocator in ("default", "kept"):
        steps = against_fp32(results, device, allocator).ratio
        others = [*shapes.values(), results["devices"][device]["length"]["growth"]["ours"]]
        *tokenization, length = others if allocator == "default" else [math.nan] * len(others)
        columns[f"{allocator} allocator"] = [
            *tokenization,
            steps["selected tokens, fp32"],
            steps.get("selected tokens, bf16", math.nan),  # not every processor has it
            length,
        ]
    names = [*shapes, "step, fp32", "step, bf16, stock in fp32", "cost per token, 4,096 over 256"]
    better = ["higher"] * (len(names) - 1) + ["lower"]
    return pd.DataFrame({"better": better} | columns, index=pd.Index(names, name="task"))


def growth(results: Mapping[str, Any], device: str = "cpu") -> pd.DataFrame:
    """Cost per token of each encoder, short and long inputs: ms and peak MB per 1,000 tokens, and the ratio."""
    measured = results["devices"][device]["length"]
    lines = pd.DataFrame(measured["lines"]).set_index(["model", "length"])
    short, long = measured["growth_from_to"]
    names = {"ms": "ms", "mb": "MB"}
    shown = [(unit, length) for unit in names for length in (short, long)]
    columns = {f"{names[unit]} at {length:,}": lines[unit].xs(length, level="length") for unit, length in shown}
    return pd.DataFrame(columns).assign(growth=pd.Series(measured["growth"])).loc[list(COLORS)]


@theme()
def draw(results: Mapping[str, Any], device: str = "cpu") -> Figure:
    """Time and peak memory per 1,000 tokens by the length of the input, forward and backward, of each encoder."""
    labels = {"ms": "milliseconds per 1,000 tokens", "mb": "peak MB per 1,000 tokens"}
    lines = pd.DataFrame(results["devices"][device]["length"]["lines"])
    cost = lines.melt(["model", "length"], list(labels), var_name="unit", value_name="cost")
    grid = sns.relplot(
        cost,
        kind="line",
        x="length",
        y="cost",
        hue="model",
        palette=COLORS,
        hue_order=list(COLORS),
        col="unit",
        marker="o",
        errorbar=None,
        height=3.4,
        aspect=1.15,
        facet_kws={"sharey": False},
    )
    lengths = sorted(lines["length"].unique())
    grid.set(xscale="log", xticks=lengths, xticklabels=[f"{length:,}" for length in lengths], ylim=(0, None))
    grid.set_titles("").set_xlabels("tokens in an input")
    for unit, axes in grid.axes_dict.items():
        axes.set_ylabel(labels[unit])
        axes.xaxis.set_minor_locator(NullLocator())
    sns.move_legend(grid, "upper center", bbox_to_anchor=(0.5, 0.0), ncols=len(COLORS), title=None)
    return grid.tight_layout().figure


def provenance(results: Mapping[str, Any]) -> str:
    """One line: the machine and the versions."""
    machine = results["machine"]
    quick = " · tiny sizes, a smoke test" if results["quick"] else ""
    gpu = f", {machine['gpu']}" if "gpu" in machine else ""
    return (
        f"measured · {machine['processor']}, {machine['threads']} threads{gpu} · "
        f"torch {machine['torch']}, transformers {machine['transformers']}, tokenizers {machine['tokenizers']}{quick}"
    )


def _case(line: Mapping[str, Any]) -> str:
    return f"{line['loss']} tokens, {line['precision']}"


def _step(case: str) -> str:
    """A step's name in words: ``all fp32`` is ours with the loss of all tokens."""
    who, precision = case.split()
    return f"stock, {precision}" if who == "stock" else f"ours, {who} tokens, {precision}"


def _times(line: Mapping[str, Any]) -> dict[str, float]:
    names = {"ours_ms": "ours_ms", "peer_ms": "peer_ms", "ratio": "ratio", "matmul_share": FULL_RATE}
    return {column: line[name] for name, column in names.items() if name in line}
