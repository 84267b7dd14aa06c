"""Measure everything and write ``benchmarks/results.json``: ``python -m benchmarks.run [--quick] [--output PATH]``.

Models are measured in processes of their own: a GPU is hidden from those that measure the processor, and glibc's
``malloc`` reads its settings when a process starts. With its defaults it hands large blocks back to the system and gets
them anew, page fault by page fault, at every step; stock transformers, which allocates more, loses more by it. So
training and inference on a processor are measured with both settings, ``default`` and ``kept`` memory.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks import inference, length, tokenization, training_step
from benchmarks.timing import machine
from dnakit import speed, store
from dnakit.project import root

PARTS = {"training_step": training_step.measure, "length": length.measure, "inference": inference.measure}
ALLOCATORS: dict[str, dict[str, str]] = {
    "default": {},
    "kept": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8000000000"},
}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Speed and memory, beside peers.")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, in seconds: whether it runs, not how fast")
    parser.add_argument("--output", type=Path, default=root() / speed.RESULTS, help="default: %(default)s")
    parser.add_argument("--parts", nargs="+", choices=PARTS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.parts:
        print(json.dumps({name: PARTS[name](chosen.quick) for name in chosen.parts}))
        return
    results = measure(chosen.quick)
    store.write_json(chosen.output, rounded(results))
    print(speed.table(results).to_string(float_format="{:.3g}".format))
    print(f"written to {chosen.output}")


def measure(quick: bool) -> dict[str, Any]:
    """All results: of the machine, tokenization, and the models on each device."""
    tell("tokenization")
    results = {"quick": quick, "machine": machine(), "tokenization": tokenization.measure(quick)}
    devices = {"cpu": {"CUDA_VISIBLE_DEVICES": ""}} | ({"cuda": {}} if torch.cuda.is_available() else {})
    return results | {"devices": {device: on_device(device, hidden, quick) for device, hidden in devices.items()}}


def on_device(device: str, environment: dict[str, str], quick: bool) -> dict[str, Any]:
    """Inference and training step with each allocator, and cost by length, on a device."""
    allocators = {}
    for allocator in ALLOCATORS if device == "cpu" else ["default"]:
        tell(f"inference and training on {device}, allocator: {allocator}")
        allocators[allocator] = apart(["inference", "training_step"], quick, environment | ALLOCATORS[allocator])
    tell(f"cost by length on {device}")
    return {"allocators": allocators} | apart(["length"], quick, environment)


def apart(parts: list[str], quick: bool, environment: Mapping[str, str]) -> dict[str, Any]:
    """Results of parts that a process of their own measured."""
    command = [sys.executable, "-m", "benchmarks.run", *(["--quick"] if quick else []), "--parts", *parts]
    process = subprocess.run(
        command, cwd=root(), env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(process.stdout.splitlines()[-1])


def tell(part: str) -> None:
    """Say what is being measured."""
    print(f"measuring {part}", file=sys.stderr, flush=True)


def rounded(value: Any) -> Any:
    """The same with all fractions rounded to three significant digits."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return float(f"{value:.3g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
