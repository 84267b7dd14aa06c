"""Many runs in a few processes: each process imports the libraries once and then makes one run after the other."""

import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from graphlib import TopologicalSorter
from multiprocessing import connection
from pathlib import Path
from threading import Thread
from typing import Any

from dnakit import processes
from dnakit.chapters.chapter import Chapter, open_chapter
from dnakit.project import DnakitError

# Read when torch and numpy are imported, in the processes. A workflow sets them for all processes of a job together;
# with as many threads in each process, the processes would wait for each other, fifty times as long as they compute.
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def make_all(chapter: Chapter, names: Sequence[str], jobs: int) -> Iterator[tuple[str, Path]]:
    """Make runs of a chapter that the store lacks, `jobs` at a time, each after those that it needs.

    Yields
    ------
    name, folder
        Of each run as soon as it is in the store.

    Raises
    ------
    DnakitError
        The first error of a run; runs under way go on to their end, no other one begins. Or a process was killed.
    """
    if jobs > 1 and processes.count() > 1:
        raise DnakitError("torchrun's processes make one run at a time: leave --jobs away")
    missing = [name for name in names if not chapter.runs[name].done]
    yield from ((name, chapter.runs[name].folder()) for name in names if name not in missing)
    if jobs == 1 or len(missing) < 2:
        yield from ((name, chapter.runs[name].folder()) for name in missing)
        return
    order = TopologicalSorter(_graph(chapter, missing))
    order.prepare()
    with _pool(min(jobs, len(missing)), jobs) as pool:
        under_way: dict[Future[Path], str] = {}
        try:
            while order.is_active():
                for name in sorted(order.get_ready(), key=missing.index):
                    under_way[pool.submit(_make, chapter.notebook, chapter.parameters.model_dump(), name)] = name
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    name = under_way.pop(future)
                    yield name, future.result()
                    order.done(name)
        except BrokenProcessPool:
            raise DnakitError(
                "a process that made runs was killed (out of memory?): run the same again to go on, with fewer --jobs"
            ) from None
        except (SystemExit, KeyboardInterrupt):  # a scheduler or the user ends it; trainings resume
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _graph(chapter: Chapter, names: Sequence[str]) -> dict[str, set[str]]:
    """For each run the others among `names` that it needs; those of other chapters it makes itself where they lack."""
    return {
        name: {edge.run for edge in edges if edge.notebook == chapter.notebook} & set(names)
        for name, edges in chapter.edges().items()
        if name in names
    }


def _pool(workers: int, jobs: int) -> ProcessPoolExecutor:
    """Processes that start from nothing: a forked one would inherit the threads of torch."""
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    os.environ |= dict.fromkeys(THREADS, threads)
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _end_with_parent)


def _end_with_parent() -> None:
    """Let this process end with the one that started it, a killed one too: nobody would wait for its runs."""
    parent = multiprocessing.parent_process()
    assert parent

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _make(notebook: str, values: Mapping[str, Any], name: str) -> Path:
    return open_chapter(notebook, values).runs[name].folder()
