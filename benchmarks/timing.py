"""Timing beside a peer: the two take turns in one process, so that both meet the machine in the same state."""

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from dnakit.run import environment

Case = Callable[[], object]


def interleaved(cases: Mapping[str, Case], rounds: int) -> dict[str, np.ndarray]:
    """Seconds of each case in each round, shape ``(rounds,)``; the cases take turns, after one round that is not timed.

    The first round allocates memory and chooses kernels. A case that cannot be run, for want of memory say, is told of,
    and its times are NaN.
    """
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds + 1):
        for name, case in cases.items():
            times[name].append(attempted(lambda case=case: seconds(case), name))  # type: ignore[misc]
    return {name: np.array(values[1:]) for name, values in times.items()}


def seconds(case: Case) -> float:
    """How long a case takes, the GPU's work included."""
    synchronize()
    start = time.perf_counter()
    case()
    synchronize()
    return time.perf_counter() - start


def attempted(measure: Callable[[], float], name: str) -> float:
    """What `measure` gives, or NaN, and a line on stderr, if it fails: the other measurements are worth keeping."""
    try:
        return measure()
    except (RuntimeError, MemoryError, OSError, EOFError) as error:  # torch's want of memory is a RuntimeError
        tell(f"{name} cannot be measured: {type(error).__name__} {error}".splitlines()[0])
        return float("nan")


def tell(line: str) -> None:
    """Say something that is no result."""
    print(line, file=sys.stderr, flush=True)


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def beside(ours: np.ndarray, peer: np.ndarray) -> dict[str, float]:
    """Median milliseconds of both, and how many times faster ours is: the median of the rounds' ratios."""
    return {
        "ours_ms": 1e3 * float(np.median(ours)),
        "peer_ms": 1e3 * float(np.median(peer)),
        "ratio": float(np.median(peer / ours)),
    }


def device() -> str:
    """Where this process measures: a GPU if it sees one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def machine() -> dict[str, Any]:
    """What the numbers were measured on: processor, its cores, threads, GPU, commit, versions."""
    gpu = {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return {**environment(), "threads": torch.get_num_threads(), **gpu}


def matmul_gflops(dtype: torch.dtype, size: int, rounds: int) -> float:
    """Rate of a large square matrix product: the most that a model on this machine can hope for."""
    left, right = (torch.randn(size, size, device=device()).to(dtype) for _ in range(2))
    times = interleaved({"product": lambda: left @ right}, rounds)["product"]
    return 2 * size**3 / float(np.median(times)) / 1e9
