"""Finished runs as a chapter's tables and figures read them, recorded ones and those of this machine alike."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dnakit import store
from dnakit.project import root

if TYPE_CHECKING:  # the workflow imports this module, and needs no pandas
    import pandas as pd

RECORDED_PROFILES = ("laptop", "thesis")  # where both hold a run, the later one stands
NAMED = 3  # data sets or seeds in a provenance line
DIGEST = 12  # characters of a SHA-256, or of a key, that a page shows


@dataclass(frozen=True)
class FinishedRun:
    """The folder of one finished run."""

    name: str
    folder: Path
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @cached_property
    def record(self) -> dict[str, Any]:
        """``run.json``: parameters, data, versions, device, seed, times."""
        return _with_names(store.read_json(self.folder / "run.json"), self.sources)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """``metrics.json``."""
        return store.read_json(self.folder / "metrics.json")

    def frame(self, file: str, **options: Any) -> "pd.DataFrame":
        """One of its tables, such as ``history.csv``; options are those of `pandas.read_csv`."""
        import pandas as pd

        with store.reading(self.folder / file):
            return pd.read_csv(self.folder / file, **options)

    def value(self, path: str) -> Any:
        """A number or text by its path, such as ``metrics.test.loss`` or ``record.parameters.seed``; None if absent."""
        first, _, rest = path.partition(".")
        return _at(self.metrics if first == "metrics" else self.record, rest)

    @property
    def samples_seen(self) -> int:
        """The training samples that a model saw, all epochs added up; 0 for a run that trained nothing."""
        samples, epochs = self.value("record.samples.train"), self.value("record.parameters.epochs")
        return samples * epochs if samples and epochs else 0


@dataclass(frozen=True)
class Finished(Mapping[str, FinishedRun]):
    """Finished runs by name.

    Parameters
    ----------
    label
        ``recorded`` or ``this run``: the header of their columns.
    profile
        The profile they were made with.
    folders
        By name.
    sources
        What data are called where they were asked for, by digest (`dnakit.data.sources.names_by_digest`): a record
        holds the names of the files that the run was first made from, and others may have the same content.
    """

    label: str
    profile: str
    folders: Mapping[str, Path]
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> FinishedRun:
        return FinishedRun(name, self.folders[name], self.sources)

    def __iter__(self) -> Iterator[str]:
        return iter(self.folders)

    def __len__(self) -> int:
        return len(self.folders)

    def only(self, chosen: Callable[[FinishedRun], bool]) -> "Finished":
        """Those that a function chooses."""
        folders = {run.name: run.folder for run in self.values() if chosen(run)}
        return Finished(self.label, self.profile, folders, self.sources)

    def table(self, columns: Mapping[str, str]) -> "pd.DataFrame":
        """One row for each run, indexed by its name, with a column for each path (see `FinishedRun.value`)."""
        import pandas as pd

        rows = {run.name: {column: run.value(path) for column, path in columns.items()} for run in self.values()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(columns)).rename_axis("run")

    @property
    def simulated(self) -> bool:
        """Whether any of them used simulated data."""
        return any(run.record.get("simulated", False) for run in self.values())

    @property
    def provenance(self) -> str:
        """Where the numbers come from, in one short line.

        Such as ``recorded · laptop · mito-animals, real · seed 1 · 13 runs``.
        """
        records = [run.record for run in self.values()]
        data = provenance_names(self.values())
        seeds = _few([str(seed) for record in records for seed in _seed(record)])
        parts = [
            self.label,
            self.profile,
            f"{data}, {'simulated' if self.simulated else 'real'}",
            f"seed {seeds}" if seeds else "",
            _runs(len(self)),
        ]
        return " · ".join(part for part in parts if part)

    def facts(self) -> dict[str, str]:
        """The rest, by name: data with digests, what is left out of them, commits, torch, devices, keys of runs."""
        records = [run.record for run in self.values()]
        code = [record["environment"] for record in records if "environment" in record]
        found = {
            "data": _counted(f"{record['source']} (sha256 {_digests(record)})" for record in records),
            "left out": _counted(record.get("left_out", "") for record in records),
            "commit": _counted(each["commit"] for each in code),
            "torch": _counted(each["torch"] for each in code),
            "machine": _counted(each["processor"] for each in code),
            "device": _counted(_device(record) for record in records),
            "runs": _grouped(self.values()),
        }
        return {name: text for name, text in found.items() if text}


def recorded(notebook: str) -> Finished:
    """The recorded runs of a notebook; a run of the thesis profile stands before one of laptop."""
    shelf = root() / "data" / "recorded" / notebook
    found = {folder.name: folder for profile in RECORDED_PROFILES for folder in shelf.glob(f"{profile}/[!.]*/")}
    profiles = sorted({folder.parent.name for folder in found.values()})
    return Finished("recorded", ", ".join(profiles), {name: found[name] for name in sorted(found, key=_numbers)})


def _at(found: Any, path: str) -> Any:
    """What nested mappings hold at a path; a name in it may hold dots itself, such as ``dropout-0.1``."""
    if not path:
        return found
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        if isinstance(found, Mapping) and name in found:
            return _at(found[name], ".".join(parts[length:]))
    return None


def _with_names(record: dict[str, Any], sources: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The record with its data called as in `sources`; unchanged where one of them is not known there."""
    digests = str(record.get("source_sha256", "")).split()
    if not digests or not all(digest in sources for digest in digests):
        return record
    known = [sources[digest] for digest in digests]
    corpus, species = record.get("corpus", {}), record.get("species")
    found = {
        "source": ", ".join(source["title"] for source in known),
        "simulated": any(source["simulated"] for source in known),
    }
    if "sources" in corpus:
        found["corpus"] = corpus | {"sources": [source["name"] for source in known]}
    if species and len(known) == 1:  # windows in a file are called as the file
        found["species"] = known[0]["name"]
    return record | found


def provenance_names(runs: Iterable[FinishedRun]) -> str:
    """The names of the data of some runs, as a provenance line has them."""
    return _few(name for run in runs for name in _data(run.record))


def _data(record: Mapping[str, Any]) -> list[str]:
    """Names of the data of a run."""
    corpus = record.get("corpus", {})
    if "species" in record:
        return [record["species"]]
    return corpus.get("sources") or [corpus.get("source") or record["source"]]


def _seed(record: Mapping[str, Any]) -> list[int]:
    """The seed of a run's training, to which the number of its repeat is added, else of its corpus; or none."""
    repeat = record.get("parameters", {}).get("repeat", 0)
    found = (record.get(part, {}).get("seed") for part in ("parameters", "corpus"))
    return [seed + repeat for seed in found if seed is not None][:1]


def _digests(record: Mapping[str, Any]) -> str:
    return " ".join(digest[:DIGEST] for digest in record["source_sha256"].split())


def _device(record: Mapping[str, Any]) -> str:
    return ", ".join(record[name] for name in ("device", "computed_in") if name in record)


def _grouped(runs: Iterable[FinishedRun]) -> str:
    """Names and keys, those that learned from equally much together."""
    groups: dict[str, list[str]] = {}
    for run in runs:
        groups.setdefault(_trained_on(run.record), []).append(f"{run.name} {run.record['key'][:DIGEST]}")
    return "; ".join((f"{text}: " if text else "") + ", ".join(names) for text, names in groups.items())


def _trained_on(record: Mapping[str, Any]) -> str:
    """How much a run learned from, and how often; empty where it trained nothing, or measured another run's model."""
    if "model" in record and "samples" not in record:
        return ""
    counts = [f"{record[what]['train']:,} {what}" for what in ("genomes", "windows", "samples") if _split(record, what)]
    epochs = record.get("parameters", {}).get("epochs")
    if counts and epochs:
        counts.append(f"{epochs:,} epoch{'s' if epochs != 1 else ''}")
    return ", ".join(counts)


def _split(record: Mapping[str, Any], what: str) -> bool:
    return isinstance(record.get(what), Mapping) and "train" in record[what]


def _few(names: Iterable[str]) -> str:
    """Each once, and no more than a line holds."""
    once = list(dict.fromkeys(names))
    more = f" and {len(once) - NAMED} more" if len(once) > NAMED else ""
    return ", ".join(once[:NAMED]) + more


def _runs(count: int) -> str:
    return f"{count} run{'s' if count != 1 else ''}"


def _counted(texts: Iterable[str]) -> str:
    """Each once; where there are several, with the number of runs it is said of."""
    counts = Counter(text for text in texts if text)
    return "; ".join(text if len(counts) == 1 else f"{text}: {_runs(count)}" for text, count in counts.items())


def _numbers(name: str) -> list[str]:
    """For sorting: 6-mer before 12-mer."""
    return [part.zfill(6) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
