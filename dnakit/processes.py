"""Several processes that make one training together (``torchrun``): which of them this is, and who writes.

The first process writes to the store. The others compute the same in folders of their own, which are thrown away, and
wait wherever the first one makes something that is no training.
"""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from dnakit.project import DnakitError

Value = TypeVar("Value")
PATIENCE = timedelta(days=1)  # the first process may make a long table while the others wait


def count() -> int:
    """How many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE") or 1)


def number() -> int:
    """Which of them this is, from 0."""
    return int(os.environ.get("RANK") or 0) if count() > 1 else 0


def agreed(value: Value) -> Value:
    """The first process's value; a place where all processes meet."""
    if count() == 1:
        return value
    import torch

    if not torch.distributed.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        torch.distributed.init_process_group(backend, timeout=PATIENCE)
    box = [value]
    torch.distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]


def share(batch_size: int) -> int:
    """Samples of a batch for each process.

    Raises
    ------
    DnakitError
        If they cannot be shared out evenly.
    """
    if batch_size % count():
        raise DnakitError(
            f"a batch of {batch_size} cannot be shared among {count()} processes: "
            "give torchrun another --nproc-per-node, or another 'batch_size'"
        )
    return batch_size // count()


def wait_for(path: Path) -> Path:
    """The path, once the first process has made it."""
    while not path.exists():
        time.sleep(0.1)
    return path
