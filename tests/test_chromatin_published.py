"""Published scores belong to the features that name the same cell and target, in whatever spelling."""

import os
from pathlib import Path

import pandas as pd
import pytest

from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.chromatin import published
from dnakit.chapters.chromatin.published import comparable
from dnakit.project import DnakitError

MIRROR = os.environ.get("DNAKIT_MIRROR")
real = pytest.mark.skipif(not MIRROR, reason="needs the published scores: DNAKIT_MIRROR is not set")
HEADER = [*published.COLUMNS, *(name for pair in published.SCORES.values() for name in pair)]


def table(*rows):
    return pd.DataFrame([[*row[:3], *[row[3]] * 4] for row in rows], columns=HEADER)


def test_cells_and_targets_have_other_names_elsewhere():
    assert comparable("HeLa-S3", "p300") == comparable("Hela", "EP300")
    assert comparable("Gm12878", "CTCF") == comparable("GM12878", "CTCF")
    assert comparable("MCF-7", "c-Myc") == comparable("mcf7", "MYC")
    assert comparable("K562", "CTCF") != comparable("K562", "CTCFL")


def test_scores_are_the_mean_of_the_same_experiment_on_untreated_cells():
    scores = table(
        ("K562", "CTCF", "None", 0.9),
        ("K562", "CTCF", "None", 0.8),
        ("K562", "CTCF", "TNFa", 0.1),
        ("K562", "MAX", "TNFa", 0.3),
    )
    known = {"a": comparable("k562", "CTCF"), "b": comparable("K562", "MAX"), "c": comparable("x", "y")}
    found = published.of_experiments(scores, ["a", "b", "c", "d"], known)
    assert found.feature.tolist() == ["a"]
    assert found["DanQ ROC AUC"].tolist() == pytest.approx([0.85])


def test_another_table_is_one_line(tmp_path):
    (tmp_path / "scores.tsv").write_text("Cell Type\tx\n1\t2\n")
    with pytest.raises(DnakitError, match="lacks the column 'TF/DNase/HistoneMark'"):
        published.read_scores(tmp_path / "scores.tsv")


@real
def test_the_published_medians_are_those_of_the_paper():
    """DeepSEA's by kind: .958 (TF), .923 (DNase), .856 (histone); one of 919 columns has no score."""
    from dnakit.data import deepsea, sources

    scores = published.read_scores(sources.fetch("deepsea-features"))
    assert len(scores) == deepsea.FEATURES
    medians = {kind: scores["DeepSEA ROC AUC"][columns].median() for kind, columns in deepsea.KINDS.items()}
    assert medians == pytest.approx({"TF": 0.958, "DNase": 0.923, "histone": 0.856}, abs=1e-3)


@real
def test_features_of_the_slices_are_paired_with_deepseas(tmp_path, monkeypatch):
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path))
    run = chapter_of("05_chromatin", "laptop").runs["published"]
    outcome = run.compute(tmp_path)
    assert outcome.metrics["features"] == 178
    found = pd.read_csv(Path(tmp_path) / "published.csv")
    assert len(found) == 2 * outcome.metrics["paired"] > 150
    assert found.feature[found.network == "DanQ"].is_unique
    ctcf = found[found.feature.str.fullmatch("AWG.K562.CTCF") & (found.network == "DeepSEA")]
    assert 0.96 < ctcf.auroc.item() < 0.99
