"""Muon beside Adam: which weights are whose, one rate for a schedule to set, and states that a checkpoint keeps."""

import copy

import pytest
import torch
from torch import nn

from dnakit import models, optimizers
from dnakit.project import DnakitError

torch.set_num_threads(1)
ADAM = {"adam": torch.optim.AdamW, "adam_options": {"lr": 1e-3}}


@pytest.fixture
def model():
    torch.manual_seed(1)
    sizes = {"hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}
    return models.build("longformer", "mlm", 50, **sizes)


def step(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    tokens = torch.randint(5, 50, (2, 64), generator=torch.Generator().manual_seed(seed))
    torch.manual_seed(seed)
    model.train()(input_ids=tokens, labels=tokens).loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def test_only_matrices_of_blocks_go_to_muon_and_every_weight_to_one_of_both(model):
    matrices = optimizers.block_matrices(model)
    blocks = dict(model.longformer.encoder.named_parameters())
    assert {id(each) for each in matrices.values()} == {id(each) for each in blocks.values() if each.ndim == 2}
    assert not [name for name in matrices if "embedding" in name or "lm_head" in name or "Norm" in name]
    optimizer = optimizers.MuonFactory()(model, muon_rate=1e-3, **ADAM)
    trained = [id(each) for group in optimizer.param_groups for each in group["params"]]
    assert sorted(trained) == sorted(id(each) for each in model.parameters())


def test_a_model_without_blocks_has_nothing_for_muon():
    with pytest.raises(DnakitError, match="Muon is for Longformer and Longalbert"):
        optimizers.block_matrices(models.build("elmo", "mlm", 50))


def test_a_rate_of_zero_set_by_a_schedule_stops_both(model):
    optimizer = optimizers.MuonFactory()(model, muon_rate=1e-3, **ADAM)
    optimizer.load_state_dict(optimizer.state_dict())
    before = copy.deepcopy(model.state_dict())
    step(model, optimizer, 1)
    moved = {name for name, each in model.state_dict().items() if not torch.equal(each, before[name])}
    assert {"longformer.encoder.layer.0.output.dense.weight", "lm_head.bias"} <= moved
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = copy.deepcopy(model.state_dict())
    step(model, optimizer, 2)
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())


def test_states_saved_and_loaded_go_on_bit_for_bit(model, tmp_path):
    optimizer = optimizers.MuonFactory()(model, muon_rate=1e-3, **ADAM)
    step(model, optimizer, 1)
    torch.save([model.state_dict(), optimizer.state_dict()], tmp_path / "kept")
    step(model, optimizer, 2)
    weights, state = torch.load(tmp_path / "kept", weights_only=True)
    again = copy.deepcopy(model)
    again.load_state_dict(weights)
    resumed = optimizers.MuonFactory()(again, muon_rate=5.0, **ADAM)  # the rate comes from the state
    resumed.load_state_dict(state)
    step(again, resumed, 2)
    assert all(torch.equal(each, again.state_dict()[name]) for name, each in model.state_dict().items())


def test_a_matrix_takes_a_step_of_about_the_size_of_adams(model):
    """Muon's steps have 0.2 of the rate as their root mean square, in every direction alike."""
    optimizer = optimizers.MuonFactory()(model, muon_rate=1e-2, **ADAM)
    matrix = model.longformer.encoder.layer[0].intermediate.dense.weight
    before = matrix.detach().clone()
    step(model, optimizer, 1)
    change = matrix.detach() - before
    assert change.square().mean().sqrt() == pytest.approx(0.2 * 1e-2, rel=0.3)
    sizes = torch.linalg.svdvals(change)[:-1]  # in one direction the norm lets no gradient through
    assert sizes.max() < 3 * sizes.min()
