"""Fine-tunings from the encoder of the repository, and from the same encoder not pretrained."""

import pytest
import torch
from safetensors.torch import load_file

from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.metagenomics import full_size_start
from dnakit.chapters.metagenomics import start_results as starts
from dnakit.chapters.pretraining import committed
from dnakit.models.encoders import Longformer
from dnakit.project import DnakitError, root
from dnakit.report import finished

SPECIES = 7


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The model that each kind begins with."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNAKIT_DATA", str(tmp_path_factory.mktemp("data")))
        runs = chapter_of("04_metagenomics", "smoke", {"full_size_seeds": [1]}).runs
        return {
            kind: runs[f"{full_size_start.PREFIX}{kind}-seed-1"].initial_model(SPECIES)
            for kind in full_size_start.KINDS
        }


def test_the_trained_one_begins_with_the_weights_of_the_repository(models):
    saved = load_file(root() / "models" / "full-size" / "model.safetensors")
    begun = models["full-size"].state_dict()
    shared = [name for name in saved if name.startswith("longformer.") and "_global" not in name]
    assert len(shared) > 20
    for name in shared:
        assert begun[name].dtype == torch.float32
        assert torch.equal(begun[name], saved[name].float()), name


def test_both_differ_in_the_weights_of_the_encoder_alone(models):
    trained, untrained = (models[kind] for kind in ("full-size", "untrained"))
    assert isinstance(untrained.longformer, Longformer)
    same = ("vocab_size", "hidden_size", "intermediate_size", "hidden_dropout_prob", "attention_probs_dropout_prob")
    same += ("num_labels", "classifier_dropout", "global_attention", "max_position_embeddings", "attention_window")
    for name in same:
        assert getattr(trained.config, name) == getattr(untrained.config, name), name
    shapes = [{name: tensor.shape for name, tensor in model.state_dict().items()} for model in (trained, untrained)]
    assert shapes[0] == shapes[1]
    words = [model.longformer.embeddings.word_embeddings.weight for model in (trained, untrained)]
    assert not torch.equal(*words)


def test_other_weights_have_another_key(tmp_path, monkeypatch):
    run = chapter_of("04_metagenomics", "smoke", {"full_size_seeds": [1]}).runs["encoder-full-size-seed-1"]
    for name in committed.FILES:
        (tmp_path / name).write_bytes((root() / "models" / "full-size" / name).read_bytes()[:1000])
    key = run.start.key
    monkeypatch.setattr(committed, "_folder", lambda: tmp_path)
    assert type(run.start)(run.parameters, "again").key != key
    (tmp_path / "config.json").unlink()
    with pytest.raises(DnakitError, match=r"config\.json is not there: get it back with git checkout"):
        _ = type(run.start)(run.parameters, "again").key


def test_the_recorded_encoder_is_ahead_for_one_epoch_and_not_at_the_end():
    """What the page says."""
    table = starts.table(starts.ENCODERS, finished.recorded("04_metagenomics"))
    untrained, trained = (table.loc[kind] for kind in starts.ENCODERS.kinds.values())
    assert trained["top-1, first epoch"] > 0.9 > 0.1 > untrained["top-1, first epoch"]
    assert "[-" in trained["top-1, second epoch, minus not pretrained"]
    assert trained["top-1, end"] == untrained["top-1, end"]
    assert trained["loss, end, minus not pretrained"].startswith("+")
