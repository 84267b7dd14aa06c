"""Projections of a global <cls>: which pretraining trains them, and what a fine-tuning begins with."""

import pytest
import torch

from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.metagenomics import global_attention
from dnakit.chapters.metagenomics import start_results as starts
from dnakit.chapters.metagenomics.global_attention import KINDS, draw_global_projections
from dnakit.chapters.pretraining.parameters import NINE_MER
from dnakit.chapters.pretraining.trainings import GLOBAL_CLS
from dnakit.models import build
from dnakit.project import DnakitError
from dnakit.report import finished
from dnakit.tokens.vocabulary import CLS, MASK, SEP

SIZES = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.mark.parametrize(("head", "trained"), [("mlm", [True, False]), ("mlm+sop", [True, True])])
def test_masked_tokens_alone_never_train_the_last_layer_of_a_global_cls(head, trained):
    """What the module's first lines say; by layer: whether its global projections have a gradient."""
    torch.manual_seed(0)
    model = build.build("longformer", head, 50, global_attention="cls", **SIZES).train()
    true = torch.randint(5, 50, (2, 40))
    true[:, 0], true[:, -1] = CLS, SEP
    masked = torch.zeros_like(true).bool()
    masked[:, 5::7] = True
    seen, labels = true.masked_fill(masked, MASK), true.masked_fill(~masked, -100)
    order = {"sentence_order_label": torch.tensor([0, 1])} if head == "mlm+sop" else {}
    model(seen, torch.ones_like(seen), labels=labels, masked=masked, **order).loss.backward()
    for layer, expected in zip(model.longformer.encoder.layer, trained, strict=True):
        for name in ("query_global", "key_global", "value_global"):
            gradient = getattr(layer.attention.self, name).weight.grad
            assert (gradient is not None and bool(gradient.abs().sum() > 0)) == expected, name


def test_copied_projections_are_the_local_ones_and_drawn_ones_are_not(tmp_path):
    build.build("longformer", "mlm", 50, **SIZES).save_pretrained(tmp_path)
    model = build.load(tmp_path, head="sequence", num_labels=3)
    layers = [layer.attention.self for layer in model.longformer.encoder.layer]
    assert all(torch.equal(layer.query.weight, layer.query_global.weight) for layer in layers)
    local = [layer.query.weight.clone() for layer in layers]
    draw_global_projections(model)
    assert not any(torch.equal(layer.query.weight, layer.query_global.weight) for layer in layers)
    assert all(torch.equal(layer.query.weight, before) for layer, before in zip(layers, local, strict=True))


def test_each_kind_needs_its_pretraining():
    runs = chapter_of("04_metagenomics", "laptop").runs
    needed = {name: run.needs()[0].name for name, run in runs.items() if name.startswith(global_attention.PREFIX)}
    assert needed["global-attention-copied-seed-2"] == needed["global-attention-random-seed-2"] == NINE_MER
    assert needed["global-attention-pretrained-seed-2"] == GLOBAL_CLS
    assert len(needed) == 3 * len(KINDS)


def test_the_twin_with_a_global_cls_differs_in_that_alone():
    runs = chapter_of("02_pretraining", "smoke", {"global_cls": True}).runs
    assert runs[NINE_MER].inputs() | {"global_attention": "cls"} == runs[GLOBAL_CLS].inputs()


def test_a_profile_without_the_twin_is_one_line():
    run = chapter_of("04_metagenomics", "smoke", {"global_attention_seeds": [1]}).runs[
        "global-attention-pretrained-seed-1"
    ]
    with pytest.raises(DnakitError, match="does not train global-cls with profile smoke: set its 'global_cls'"):
        run.needs()


def test_copies_are_ahead_by_about_one_epoch_and_not_at_the_end():
    """What the page says: after one epoch more, random projections name about as many as copies did."""
    table = starts.table(starts.PROJECTIONS, finished.recorded("04_metagenomics"))
    copied, random = (table.loc[KINDS[kind]] for kind in ("copied", "random"))
    assert random["top-1, first epoch"] < 0.1 < copied["top-1, first epoch"]
    assert random["top-1, second epoch"] == pytest.approx(copied["top-1, first epoch"], abs=0.05)
    assert min(copied["top-1, end"], random["top-1, end"]) > 0.99
