"""The processor a model computes on: its name, its precision, and the memory that it keeps from step to step.

torch takes a second to import, so each function imports it when called: parameters of a run can be read without it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from pathlib import Path
from typing import TYPE_CHECKING

from dnakit.project import DnakitError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")  # of x86 processors, and of ARM ones
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's mallopt


def bf16(precision: str) -> bool:
    """Whether matrix products are computed in bf16: asked for, or `auto` where that is faster than fp32.

    On a GPU `auto` is bf16 if the GPU has instructions for it. On a CPU it is bf16 with ``amx_bf16``, and with
    ``avx512_bf16`` where that is the processor's own way (AMD: four times the rate of fp32, measured). A processor with
    ``avx512_fp16`` was made for AMX. Where a virtual machine hides its AMX, ``avx512_bf16`` runs at 0.6 times the rate
    of fp32 (measured).

    Raises
    ------
    DnakitError
        If bf16 was asked for and there are no instructions for it: it would be emulated, 30 times slower.
    """
    import torch

    if precision == "bf16":
        refuse_emulation(precision)
    if precision != "auto":
        return precision == "bf16"
    if torch.cuda.is_available():
        return has_bf16()
    has = _capabilities()
    return bool(has.get("amx_bf16") or (has.get("avx512_bf16") and not has.get("avx512_fp16")))


def refuse_emulation(precision: str) -> None:
    """One clear error where bf16 was asked for and this machine has no instructions for it.

    Raises
    ------
    DnakitError
        See above.
    """
    if precision == "bf16" and not has_bf16():
        raise DnakitError(
            "precision: this machine has no bf16 instructions, and would emulate them 30 times slower: "
            "give fp32 or auto, or another machine"
        )


def has_bf16() -> bool:
    """Whether the GPU, or the processor where there is none, has instructions for bf16."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return any(_capabilities().get(each) for each in BF16_INSTRUCTIONS)


def _capabilities() -> dict[str, bool]:
    import torch

    return getattr(torch.cpu, "get_capabilities", dict)()  # absent before torch 2.11: bf16 is never used then


def resolved(precision: str) -> str:
    """What `auto` means on this machine, ``bf16`` or ``fp32``; every other value as it is.

    It decides the last digits of a result, so it is part of a run's key.
    """
    return precision if precision != "auto" else "bf16" if bf16(precision) else "fp32"


def in_words() -> str:
    """The device a training would use now: the GPU's name, or the number of CPU threads."""
    import torch

    threads = torch.get_num_threads()
    cpu = f"cpu, {threads} thread" + ("s" if threads > 1 else "")
    return torch.cuda.get_device_name() if torch.cuda.is_available() else cpu


def ready(model: PreTrainedModel) -> torch.device:
    """Put a model on the GPU, if there is one, set it to evaluation, and return its device."""
    import torch

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.eval().to(device)
    return device


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a model computes as a training with this precision would."""
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=bf16(precision))


def keep_memory() -> None:
    """Tell glibc's malloc to keep freed memory for the next step.

    By default it hands large blocks back to the system and gets them anew, page fault by page fault, at every step: a
    fifth to a third of the thesis Longformer's step on a CPU (``make bench`` measures both). Elsewhere than on glibc
    nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def resident_memory() -> float:
    """Megabytes that this process holds in memory now; 0 elsewhere than on Linux."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


def give_back_memory() -> None:
    """Hand what malloc keeps and nobody uses back to the system; for now and then, after `keep_memory`.

    Batches differ in how many tokens are selected. Buffers of ever other sizes leave holes between each other, and the
    process would grow without end. Elsewhere than on glibc nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
