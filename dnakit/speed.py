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
        The peer is the ``tokenizers`` library, and stock transformers for the rest.
    """
    words = {"what": "tokenization", "device": "cpu", "case": "9-mer words, one thread"}
    rows = [words | _times(results["tokenization"])]
    for device, parts in results["devices"].items():
        for allocator, steps in parts["training_step"].items():
            words = {"what": "training step", "device": device, "allocator": allocator}
            rows += [words | {"case": f"{each['loss']} tokens, {each['precision']}"} | _times(each)
                     for each in steps["lines"]]  # fmt: skip
        rows += [
            {"what": "inference", "device": device, "case": each["precision"], "allocator": "default"} | _times(each)
            for each in parts["inference"]["lines"]
        ]
    columns = ["what", "device", "case", "allocator", "ours_ms", "peer_ms", "ratio", "matmul_share"]
    return pd.DataFrame(rows, columns=columns).fillna({"allocator": "default"}).set_index("what")


def growth(results: Mapping[str, Any], device: str = "cpu") -> pd.DataFrame:
    """Cost a token of each encoder, short and long inputs: milliseconds and peak MB for 1,000 tokens, and the ratio."""
    measured = results["devices"][device]["length"]
    lines = pd.DataFrame(measured["lines"]).set_index(["model", "length"])
    short, long = measured["growth_from_to"]
    columns = {f"{unit} at {length:,}": lines[unit].xs(length, level="length")
               for unit in ("ms", "mb") for length in (short, long)}  # fmt: skip
    return pd.DataFrame(columns).assign(growth=pd.Series(measured["growth"])).loc[list(measured["growth"])]


def draw(results: Mapping[str, Any], device: str = "cpu") -> Figure:
    """Time and peak memory for 1,000 tokens by the length of the input, forward and backward, of each encoder."""
    measured = results["devices"][device]["length"]
    figure, axes = plt.subplots(1, 2, figsize=(8.0, 3.9))
    for axis, (unit, label) in zip(axes, {"ms": "ms for 1,000 tokens", "mb": "peak MB for 1,000 tokens"}.items(),
                                   strict=True):  # fmt: skip
        for model, lines in pd.DataFrame(measured["lines"]).groupby("model", sort=False):
            axis.plot(lines["length"], lines[unit], "o-", color=COLORS[str(model)], label=str(model))
        axis.set(xscale="log", yscale="log", xlabel="tokens in an input", ylabel=label)
        lengths = sorted({line["length"] for line in measured["lines"]})
        axis.set_xticks(lengths, [f"{length:,}" for length in lengths], minor=False, rotation=45)
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
