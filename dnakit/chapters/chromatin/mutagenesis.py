"""In-silico mutagenesis: what a model's logit loses when one base of a binding site is another one.

Known motifs are looked for in the middle of test windows whose feature is positive. Each base around them is replaced
by the three others in turn; how far the feature's logit falls on average is the base's importance. A network predicts
each changed window; of gapped k-mers the words that change are known (`GappedModel.importance`). Both are exact.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from dnakit.chapters.chromatin.fine_tuning import load_model
from dnakit.chapters.chromatin.gapped import GappedModel
from dnakit.chapters.chromatin.measuring import parts_of
from dnakit.chapters.chromatin.networks import ProfileModel
from dnakit.chapters.chromatin.parameters import MOTIFS
from dnakit.chapters.chromatin.profiles import Profiles, prepare
from dnakit.chapters.chromatin.trainings import Training
from dnakit.data import bases
from dnakit.data.bases import reverse_complement
from dnakit.data.peaks import BIN
from dnakit.models import device
from dnakit.run import Outcome

if TYPE_CHECKING:
    from dnakit.chapters.chromatin.measurements import GappedKmers, Mutagenesis

_IUPAC = {"R": "[AG]", "Y": "[CT]", "S": "[CG]", "K": "[GT]", "N": "[ACGT]"}
FLANK = 10  # bases shown on either side of a motif


class Site(NamedTuple):
    """A motif in a window that reads as the motif does, and where it begins."""

    window: bytes
    start: int


def mutagenesis(run: "Mutagenesis", folder: Path) -> Outcome:
    """Importance by motif, place and base: ``importance.csv``; metrics by motif."""
    profiles, rows = tested(run.model)
    importance_at = importance_in(run.model)
    tables: list[pd.DataFrame] = []
    metrics: dict[str, Any] = {}
    for motif, column in features_of(profiles):
        sites = list(sites_of(profiles, rows, motif, column))[: run.parameters.pictured]
        if sites:
            table = averaged(partial(importance_at, column=column), sites, len(MOTIFS[motif]))
            tables.append(table.assign(motif=motif, feature=profiles.features[column].name))
            metrics[motif] = summary(table, len(MOTIFS[motif])) | {"sites": len(sites)}
    columns = ["motif", "feature", "place", "base", "share", "importance"]
    found = pd.concat(tables) if tables else pd.DataFrame(columns=columns)
    found.to_csv(folder / "importance.csv", index=False, float_format="%.6g")
    return Outcome({"motifs": metrics}, run.model.organism.record() | {"model": run.model.name})


def tested(model: "Training | GappedKmers") -> tuple[Profiles, np.ndarray]:
    """The profiles that a model predicts, and its test rows."""
    chapter = model.parameters
    profiles = prepare(model.organism, model.window, chapter.rows)
    return profiles, parts_of(profiles, model.organism, model.split, chapter.seed)["test"]


def importance_in(model: "Training | GappedKmers") -> Callable[..., np.ndarray]:
    """A function that gives the importance of a ``window`` at ``places`` for a feature's ``column``."""
    if isinstance(model, Training):
        return partial(importance, load_model(model, model.folder()), precision=model.parameters.precision)
    gapped = GappedModel.load(model.folder())
    return lambda window, places, column: gapped.importance([window], column)[0, places]


def features_of(profiles: Profiles) -> Iterator[tuple[str, int]]:
    """Each motif with the column of the feature of its factor that is positive in most bins."""
    for motif in MOTIFS:
        named = [n for n, each in enumerate(profiles.features) if motif.lower() in re.split(r"\W", each.name.lower())]
        if named:
            yield motif, max(named, key=lambda column: int((profiles.labels[:, column] == 1).sum()))


def sites_of(profiles: Profiles, rows: np.ndarray, motif: str, column: int) -> Iterator[Site]:
    """The first match of a motif in the bin of each positive row, on either strand; the window reads as the motif."""
    for window in profiles.sequences(rows[profiles.labels[rows, column] == 1]):
        first = (len(window) - BIN) // 2
        for strand in (window, reverse_complement(window)):
            if match := pattern(motif).search(strand, first, first + BIN):
                yield Site(strand, match.start())
                break


@cache
def pattern(motif: str) -> re.Pattern[bytes]:
    """A known motif as a regular expression."""
    return re.compile("".join(_IUPAC.get(letter, letter) for letter in MOTIFS[motif]).encode())


def averaged(importance_at: Callable[..., np.ndarray], sites: Sequence[Site], length: int) -> pd.DataFrame:
    """By place and base: how many sites have the base there, and its mean importance times that share."""
    places = np.arange(-FLANK, length + FLANK)
    codes = np.array([bases.codes(site.window)[site.start + places] for site in sites])
    found = np.array([importance_at(site.window, site.start + places) for site in sites])
    rows = [
        {
            "place": int(place),
            "base": letter,
            "share": float(here.mean()),
            "importance": float((found[:, n] * here).mean()),
        }
        for n, place in enumerate(places)
        for code, letter in enumerate(bases.ALPHABET.decode())
        for here in [codes[:, n] == code]
    ]
    return pd.DataFrame(rows)


def importance(model: ProfileModel, window: bytes, places: np.ndarray, column: int, precision: str) -> np.ndarray:
    """How far a feature's logit falls, on average over the three other bases at each place; float, shape (places,).

    Parameters
    ----------
    model : ProfileModel
        A convolutional network, which reads the codes of bases.
    window : bytes
    places : np.ndarray of int
        Indices into the window.
    column : int
        Of the feature.
    precision : str
    """
    codes = bases.codes(window)
    mutants = np.tile(codes, (1 + 3 * len(places), 1))
    turns = np.tile([1, 2, 3], len(places))
    at = np.repeat(places, 3)
    mutants[np.arange(1, len(mutants)), at] = (codes[at] + turns) % 4
    where = device.ready(model)  # type: ignore[arg-type]
    with torch.no_grad(), device.autocast(where, precision):
        logits = model(codes=torch.from_numpy(mutants).to(where)).logits[:, column].float().cpu().numpy()
    return logits[0] - logits[1:].reshape(-1, 3).mean(1)


def summary(table: pd.DataFrame, length: int) -> dict[str, float]:
    """Mean importance of a base inside the motif, and of one beside it."""
    by_place = table.groupby("place")["importance"].sum()
    inside = (by_place.index >= 0) & (by_place.index < length)
    return {"inside": float(by_place[inside].mean()), "beside": float(by_place[~inside].mean())}
