"""What ``make bench`` measured, as a table and a figure of the book."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from dnakit import store
from dnakit.project import DnakitError, relative, root

RESULTS = Path("benchmarks", "results.json")
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
    """Each measurement beside its peer, one row each.

    Returns
    -------
    DataFrame
        Indexed by what was measured. ``ours_ms`` and ``peer_ms`` are milliseconds for a million bases (tokenization), a
        step (training) or a sequence (inference); ``ratio`` is peer over ours, how many times faster ours is;
        ``matmul_share`` is the share of our step that its matrix products would take at the rate of one large product.
        The peer is the ``tokenizers`` library, and stock transformers for the rest. ``allocator`` is how glibc's
        ``malloc`` was set: by default, or to keep the memory it has.
    """
    words = {"what": "tokenization", "device": "cpu", "allocator": "default", "case": "9-mer words, one thread"}
    rows = [words | _times(results["tokenization"])]
    for device, parts in results["devices"].items():
        for allocator, measured in parts["allocators"].items():
            words = {"device": device, "allocator": allocator}
            for line in measured["training_step"]["lines"]:
                case = f"{line['loss']} tokens, {line['precision']}"
                rows.append(words | {"what": "training step", "case": case} | _times(line))
            for line in measured["inference"]["lines"]:
                rows.append(words | {"what": "inference", "case": line["precision"]} | _times(line))
    columns = ["what", "device", "case", "allocator", "ours_ms", "peer_ms", "ratio", "matmul_share"]
    frame = pd.DataFrame(rows, columns=columns).set_index("what")
    return frame if frame.device.nunique() > 1 else frame.drop(columns="device")


def against_fp32(results: Mapping[str, Any], device: str = "cpu") -> pd.DataFrame:
    """How many times faster our training step is than stock's in fp32, by loss and precision, default allocator."""
    lines = results["devices"][device]["allocators"]["default"]["training_step"]["lines"]
    stock = next(line["peer_ms"] for line in lines if line["precision"] == "fp32")
    rows = {f"{line['loss']} tokens, {line['precision']}": {"ratio": stock / line["ours_ms"]} for line in lines}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("training step")


def growth(results: Mapping[str, Any], device: str = "cpu") -> pd.DataFrame:
    """Cost a token of each encoder, short and long inputs: milliseconds and peak MB for 1,000 tokens, and the ratio."""
    measured = results["devices"][device]["length"]
    lines = pd.DataFrame(measured["lines"]).set_index(["model", "length"])
    short, long = measured["growth_from_to"]
    shown = [(unit, length) for unit in ("ms", "mb") for length in (short, long)]
    columns = {f"{unit} at {length:,}": lines[unit].xs(length, level="length") for unit, length in shown}
    return pd.DataFrame(columns).assign(growth=pd.Series(measured["growth"])).loc[list(COLORS)]


def draw(results: Mapping[str, Any], device: str = "cpu") -> Figure:
    """Time and peak memory for 1,000 tokens by the length of the input, forward and backward, of each encoder."""
    lines = pd.DataFrame(results["devices"][device]["length"]["lines"])
    lengths = sorted(lines["length"].unique())
    figure, axes = plt.subplots(1, 2, figsize=(8.0, 3.9))
    labels = {"ms": "milliseconds for 1,000 tokens", "mb": "peak MB for 1,000 tokens"}
    for axis, (unit, label) in zip(axes, labels.items(), strict=True):
        for model, color in COLORS.items():
            of_model = lines[lines.model == model]
            axis.plot(of_model["length"], of_model[unit], "o-", color=color, label=model)
        axis.set(xscale="log", xlabel="tokens in an input", ylabel=label, ylim=(0, 1.08 * lines[unit].max()))
        axis.set_xticks(lengths, [f"{length:,}" for length in lengths])
        axis.minorticks_off()
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4)
    return figure


def provenance(results: Mapping[str, Any]) -> str:
    """One line: the machine and the versions."""
    machine = results["machine"]
    quick = "; tiny sizes, a smoke test" if results["quick"] else ""
    gpu = f", {machine['gpu']}" if "gpu" in machine else ""
    return (
        f"{machine['processor']}, {machine['threads']} threads{gpu}; "
        f"torch {machine['torch']}, transformers {machine['transformers']}, tokenizers {machine['tokenizers']}{quick}"
    )


def _times(line: Mapping[str, Any]) -> dict[str, float]:
    return {name: line[name] for name in ("ours_ms", "peer_ms", "ratio", "matmul_share") if name in line}
