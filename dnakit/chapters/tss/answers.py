"""What a trained model answers for each of the test promoters, kept so that two trainings can be paired by promoter."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dnakit.chapters.tss.fine_tuning import predict_with, samples_of
from dnakit.chapters.tss.parameters import ANSWERS
from dnakit.models import build

if TYPE_CHECKING:
    from dnakit.chapters.tss.trainings import Training


def write(training: "Training", promoters: "Training", folder: Path) -> pd.DataFrame:
    """Test a training's model on the test samples of the training on promoters; write ``answers.csv`` in `folder`.

    Returns
    -------
    DataFrame
        Indexed by promoter, a number: how many of its samples were shown, and how many of them were answered exactly.
    """
    tested = samples_of(promoters)["test"]
    shown = list(tested)
    right = predict_with(training, build.load(training.folder() / "model"), shown) == [each.label for each in shown]
    answers = by_promoter(np.array([tested.window(number) for number in range(len(tested))]), right)
    answers.to_csv(folder / ANSWERS)
    return answers


def by_promoter(promoters: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """Samples and exact answers by promoter, from the promoter of each sample and whether it was answered exactly."""
    each = pd.DataFrame({"promoter": promoters, "right": right.astype(int)}).groupby("promoter")
    return each.agg(samples=("right", "size"), right=("right", "sum"))
