"""Measure everything and write ``benchmarks/results.json``: ``python -m benchmarks.run [--quick] [--output PATH]``.

Each part is measured in a process of its own: one that fails leaves the others their results, a GPU is hidden from
those that measure the processor, and glibc's ``malloc`` reads its settings when a process starts. With its defaults it
hands large blocks back to the system and gets them anew, page fault by page fault, at every step; stock transformers,
which allocates more, loses more by it. So training and inference on a processor are measured with both settings,
``default`` and ``kept`` memory.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks import inference, length, tokenization, training_step
from benchmarks.timing import machine, tell
from dnakit import store
from dnakit.chapters.architectures import results as architectures
from dnakit.project import root

PARTS = {
    "tokenization": tokenization.measure,
    "inference": inference.measure,
    "training_step": training_step.measure,
    "profile": training_step.profile,
    "length": length.measure,
}
ALLOCATORS: dict[str, dict[str, str]] = {
    "default": {},
    "kept": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8000000000"},
}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Speed and memory, beside peers.")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, in seconds: whether it runs, not how fast")
    parser.add_argument("--output", type=Path, default=root() / architectures.RESULTS, help="default: %(default)s")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part:
        print(json.dumps(PARTS[chosen.part](chosen.quick)))
        return
    results = rounded(measure(chosen.quick))
    store.write_json(chosen.output, results)
    print(architectures.table(results).to_string(float_format="{:.3g}".format))
    print(f"written to {chosen.output}")
    if results["failed"]:
        sys.exit(f"not measured: {'; '.join(results['failed'])}")


def measure(quick: bool) -> dict[str, Any]:
    """All results: of the machine, tokenization, and the models on each device; and what failed, which is left out."""
    failed: list[str] = []
    results = {"quick": quick, "machine": machine(), "failed": failed} | apart(["tokenization"], quick, {}, failed)
    devices = {"cpu": {"CUDA_VISIBLE_DEVICES": ""}} | ({"cuda": {}} if torch.cuda.is_available() else {})
    results["devices"] = {device: on_device(device, hidden, quick, failed) for device, hidden in devices.items()}
    return results


def on_device(device: str, environment: dict[str, str], quick: bool, failed: list[str]) -> dict[str, Any]:
    """Inference and training step with each allocator, what a step's time is spent on, and cost by length."""
    allocators = {}
    for allocator in ALLOCATORS if device == "cpu" else ["default"]:
        tell(f"on {device}, allocator {allocator}:")
        settings = environment | ALLOCATORS[allocator]
        allocators[allocator] = apart(["inference", "training_step"], quick, settings, failed)
    tell(f"on {device}:")
    return {"allocators": allocators} | apart(["profile", "length"], quick, environment, failed)


def apart(parts: list[str], quick: bool, environment: Mapping[str, str], failed: list[str]) -> dict[str, Any]:
    """Results of parts, each measured in a process of its own; one that ends in an error is added to `failed`."""
    results: dict[str, Any] = {}
    for part in parts:
        tell(f"measuring {part}")
        command = [sys.executable, "-m", "benchmarks.run", *(["--quick"] if quick else []), "--part", part]
        process = subprocess.run(command, cwd=root(), env=os.environ | environment, stdout=subprocess.PIPE, text=True)
        if process.returncode == 0:
            results[part] = json.loads(process.stdout.splitlines()[-1])
        else:
            failed.append(f"{part}, exit status {process.returncode}")
    return results


def rounded(value: Any) -> Any:
    """The same with all fractions rounded to three significant digits, and what could not be measured as None."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.3g}") if math.isfinite(value) else None
    return value


if __name__ == "__main__":
    main()
