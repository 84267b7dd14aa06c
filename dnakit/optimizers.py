"""Muon for the matrices of a model's blocks, Adam for everything else, as one optimizer.

Muon (Jordan et al. 2024) replaces a matrix's momentum by a matrix near it whose singular values are about alike, so
that no direction of a step outweighs the others. It is made for the hidden matrices of a network: vectors, embeddings
and output layers stay with Adam. Its rate here is in Adam's units (Liu et al. 2025): a step changes an element about as
much as a step of Adam at the same rate.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from transformers import PreTrainedModel

from dnakit.project import DnakitError


class MuonAndAdam(Optimizer):
    """Two optimizers under one name: schedulers see the groups of both, a checkpoint holds the states of both.

    Parameters
    ----------
    adam, muon : Optimizer
        Of parameters that do not overlap.
    """

    def __init__(self, adam: Optimizer, muon: Optimizer) -> None:
        self.parts = {"adam": adam, "muon": muon}
        super().__init__([group for part in self.parts.values() for group in part.param_groups], {})
        self._share_groups()

    def _share_groups(self) -> None:
        """Let the groups be those of the parts, so that a rate set here is the rate they use."""
        self.param_groups = [group for part in self.parts.values() for group in part.param_groups]

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step with each part."""
        loss = closure() if closure else None
        for part in self.parts.values():
            part.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """The states of both parts."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the states that `state_dict` gave."""
        for name, part in self.parts.items():
            part.load_state_dict(state_dict[name])
        self._share_groups()


class MuonFactory:
    """What transformers' Trainer calls to make the optimizer of a model (see its ``optimizer_cls_and_kwargs``)."""

    def __call__(
        self, model: PreTrainedModel, muon_rate: float, adam: Callable[..., Optimizer], adam_options: dict[str, Any]
    ) -> MuonAndAdam:
        """Muon with a momentum of 0.95 and no weight decay, and Adam as the Trainer would have made it.

        Raises
        ------
        DnakitError
            Where torch is older than Muon, or the model has nothing for it.
        """
        if not hasattr(torch.optim, "Muon"):
            raise DnakitError(f"Muon came with torch 2.9, and this is {torch.__version__}: choose another optimizer")
        matrices = block_matrices(model)
        chosen = {id(matrix) for matrix in matrices.values()}
        others = [each for each in model.parameters() if id(each) not in chosen]
        muon = torch.optim.Muon(matrices.values(), lr=muon_rate, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
        return MuonAndAdam(adam(others, weight_decay=0.0, **adam_options), muon)


def block_matrices(model: PreTrainedModel) -> dict[str, nn.Parameter]:
    """The weight matrices inside a model's transformer blocks, by name: what Muon trains.

    Raises
    ------
    DnakitError
        For a model without such blocks (ELMo).
    """
    blocks = f"{model.base_model_prefix}.encoder."
    found = {name: each for name, each in model.named_parameters() if name.startswith(blocks) and each.ndim == 2}
    if not found:
        raise DnakitError("Muon is for Longformer and Longalbert; give another optimizer")
    return found
