"""Short fine-tunings that differ in what they begin with are compared seed by seed with the first kind."""

from dnakit.chapters.metagenomics import start_results as starts
from dnakit.report.finished import Finished


def finished(tmp_path, prefix, losses):
    """Trainings of three epochs by kind and seed, each with its final loss."""
    folders = {}
    for (kind, seed), loss in losses.items():
        folder = folders[f"{prefix}{kind}-seed-{seed}"] = tmp_path / f"{kind}{seed}"
        folder.mkdir()
        (folder / "history.csv").write_text(f"epoch,validation_loss,validation_top1\n1,9,0.5\n2,0.5,0.75\n3,{loss},1\n")
        (folder / "run.json").write_text('{"samples": {"validation": 7}}')
    return Finished("recorded", "laptop", folders)


def test_kinds_are_compared_seed_by_seed(tmp_path):
    losses = {("copied", 1): 2.0, ("random", 1): 2.5, ("copied", 2): 1.0, ("random", 2): 1.3, ("copied", 3): 9}
    done = finished(tmp_path, "global-attention-", losses)
    table = starts.table(starts.PROJECTIONS, done)
    assert table.seeds.tolist() == ["3", "2", starts.NOT_RUN]
    assert table["samples"].tolist()[:2] == ["7", "7"]
    assert table["loss, end"].tolist()[:2] == [4.0, 1.9]
    assert table["loss, end, minus copied from the local ones"].iloc[1].startswith("+0.400 [-0.871, +1.671]")
    assert table["top-1, second epoch"].tolist()[:2] == [0.75, 0.75]
    assert table["top-1, end, minus copied from the local ones"].iloc[1].startswith("+0.000")


def test_encoders_are_compared_with_the_one_that_is_not_pretrained(tmp_path):
    losses = {("untrained", 1): 2.0, ("full-size", 1): 1.5, ("untrained", 2): 1.0, ("full-size", 2): 0.7}
    table = starts.table(starts.ENCODERS, finished(tmp_path, "encoder-", losses))
    assert table["loss, end, minus not pretrained"].iloc[1].startswith("-0.400 [-1.671, +0.871]")
    assert table["top-1, end, minus not pretrained"].isna().tolist() == [True, False]
