"""The benchmarks run, agree with their peers, and their results make a table and a figure."""

import copy
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from benchmarks.run import apart, rounded
from benchmarks.timing import interleaved
from dnakit.chapters.architectures import results as architectures
from dnakit.project import DnakitError, root

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The smoke test's results; equal ids, losses and states are asserted within it."""
    path = tmp_path_factory.mktemp("benchmarks") / "results.json"
    command = [sys.executable, "-m", "benchmarks.run", "--quick", "--output", str(path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=root(), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [each.name for each in path.parent.iterdir()] == ["results.json"]
    return architectures.results(path)


def numbers(value: Any) -> Iterator[float]:
    """Every number in a tree."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from numbers(each)
    elif not isinstance(value, str | bool):
        yield value


def test_every_measurement_is_finite_and_positive(results: dict[str, Any]) -> None:
    profile = results["devices"]["cpu"].pop("profile")  # where a kind of operation may not occur
    measured = np.array(list(numbers(results)))
    results["devices"]["cpu"]["profile"] = profile
    assert results["failed"] == []
    assert len(measured) > 50
    assert np.isfinite(measured).all()
    assert (measured > 0).all()


def test_the_same_bases_give_the_same_ids(results: dict[str, Any]) -> None:
    tokenization = results["tokenization"]
    assert tokenization["identical"]
    assert tokenization["bases"] / 9 <= tokenization["tokens"] <= tokenization["bases"]
    assert set(tokenization["shapes"]) == {"genomes, one by one", "reads, one by one", "reads, together"}


def test_each_training_step_is_measured_with_both_allocators(results: dict[str, Any]) -> None:
    allocators = results["devices"]["cpu"]["allocators"]
    assert set(allocators) == {"default", "kept"}
    for measured in (each["training_step"] for each in allocators.values()):
        precisions = set(measured["matmul_gflops"])
        assert precisions - {"bf16"} == {"fp32"}
        lines = [(line["loss"], line["precision"]) for line in measured["lines"]]
        assert sorted(lines) == sorted((loss, each) for loss in ("all", "selected") for each in precisions)
        # The decoder's products are made for the scored tokens alone.
        assert measured["gflop"]["selected"] < measured["gflop"]["all"]


def test_the_products_counted_are_those_of_the_layers(results: dict[str, Any]) -> None:
    """Six operations a weight and token, forward and backward; attention's own products add a little."""
    measured = results["devices"]["cpu"]["allocators"]["default"]["training_step"]
    tokens, width, inner = np.prod(measured["batch"]), 256, 3072
    weights = 2 * (4 * width**2 + 2 * width * inner) + width**2 + width * measured["vocab_size"]
    assert measured["gflop"]["all"] == pytest.approx(6e-9 * tokens * weights, rel=0.1)


def test_each_encoder_is_measured_at_each_length(results: dict[str, Any]) -> None:
    measured = results["devices"]["cpu"]["length"]
    pairs = {(line["model"], line["length"]) for line in measured["lines"]}
    assert len(pairs) == len(measured["lines"]) == 4 * len({length for _, length in pairs})
    assert {model for model, _ in pairs} == set(architectures.COLORS) == set(measured["growth"])


def test_the_table_has_a_line_for_each_ratio(results: dict[str, Any]) -> None:
    table = architectures.table(results)
    parts = [part for each in results["devices"]["cpu"]["allocators"].values() for part in each.values()]
    lines = [line for part in parts for line in part["lines"]]
    elmo = [part["elmo"]["ratio"] for part in parts if "elmo" in part]
    tokenization = [results["tokenization"], *results["tokenization"]["shapes"].values()]
    expected = [*(each["ratio"] for each in tokenization), *(line["ratio"] for line in lines), *elmo]
    of_cpu = table[table.device == "cpu"] if "device" in table else table
    assert sorted(of_cpu.ratio) == sorted(expected)
    assert table.loc["training step", architectures.FULL_RATE].notna().all()


def test_each_step_is_profiled_and_its_kinds_add_up(results: dict[str, Any]) -> None:
    frame = architectures.by_kind(results)
    precisions = results["devices"]["cpu"]["allocators"]["default"]["training_step"]["matmul_gflops"]
    assert len(frame.columns) == 3 * len(precisions)
    for who in ("stock", "ours, all tokens", "ours, selected tokens"):
        for precision in precisions:
            assert (frame.loc[["matrix products", "attention", "optimizer"], f"{who}, {precision}"] > 0).all()
    table = architectures.profiled(results)
    assert (table["products_measured"] * table["sum"]).tolist() == pytest.approx(frame.loc["matrix products"].tolist())
    assert table["products_measured"].between(0, 1).all()
    figure = architectures.draw_by_kind(results)
    ends = [max(bar.get_x() + bar.get_width() for bar in bars) for bars in [figure.axes[0].patches]]
    plt.close(figure)
    assert max(ends) == pytest.approx(frame.sum().max())


def test_what_cannot_be_measured_costs_no_other_line(results: dict[str, Any]) -> None:
    def fails() -> None:
        raise RuntimeError("not enough memory")

    times = interleaved({"works": lambda: None, "fails": fails}, rounds=2)
    assert np.isfinite(times["works"]).all()
    assert np.isnan(times["fails"]).all()
    failed: list[str] = []
    assert apart(["inference"], True, {"PYTHONHOME": "/nowhere"}, failed) == {}
    assert failed == ["inference, exit status 1"]
    assert rounded({"ms": float("nan"), "ratio": 1.23456}) == {"ms": None, "ratio": 1.23}
    partial = copy.deepcopy(results)
    del partial["devices"]["cpu"]["allocators"]["kept"]["inference"], partial["tokenization"]
    partial["devices"]["cpu"]["allocators"]["default"]["inference"]["lines"][0] |= {"ours_ms": None, "ratio": None}
    table = architectures.table(partial)
    assert "tokenization" not in table.index
    assert table.ratio.isna().sum() == 1


def test_growth_stands_beside_the_times_it_is_of(results: dict[str, Any]) -> None:
    growth, measured = architectures.growth(results), results["devices"]["cpu"]["length"]
    assert growth.growth.to_dict() == measured["growth"]
    for line in measured["lines"]:
        assert growth.loc[line["model"], f"ms at {line['length']:,}"] == line["ms"]


def test_the_figure_draws_every_line(results: dict[str, Any]) -> None:
    figure = architectures.draw(results)
    expected = {(line["length"], line["ms"]) for line in results["devices"]["cpu"]["length"]["lines"]}
    drawn = {tuple(point) for line in figure.axes[0].lines for point in line.get_xydata().tolist()}
    plt.close(figure)
    assert drawn == expected


def test_the_provenance_names_machine_and_versions(results: dict[str, Any]) -> None:
    line = architectures.provenance(results)
    for name in ("processor", "torch", "transformers", "tokenizers"):
        assert results["machine"][name] in line
    assert "smoke test" in line


def test_without_results_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DnakitError, match="make bench"):
        architectures.results(tmp_path / "results.json")


def test_the_goal_for_a_read_is_the_librarys_time_divided_by_it(results: dict[str, Any]) -> None:
    reads, line = architectures.of_reads(results), results["tokenization"]["shapes"]["reads, one by one"]
    assert reads["wanted"] * reads["goal"] == pytest.approx(reads["read"] * line["peer_ms"] / line["ours_ms"])
    assert reads["empty"] > 0


def test_every_goal_says_which_way_is_better_and_every_share_of_products_has_its_measure(
    results: dict[str, Any],
) -> None:
    goals = architectures.goals(results)  # of a processor without bf16, too
    assert goals["better"].map({"higher": True, "lower": False}).tolist() == [
        not name.startswith("cost") for name in goals.index
    ]
    said = architectures.of_products(results)
    assert set(said) == {f"{measure}_{each}" for measure in ("full_rate", "measured") for each in ("fp32", "bf16")}
    assert "not measured" not in (said["full_rate_fp32"], said["measured_fp32"])
