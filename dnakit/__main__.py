"""``python -m dnakit``, which torchrun needs: ``torchrun --nproc-per-node 2 -m dnakit train …``."""

import os
import sys

from dnakit import processes
from dnakit.cli import main

if __name__ == "__main__":
    if processes.number():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  (the first process says what was made)
    main()
