"""Every architecture with every head: sizes, losses, padding, and the way to and from stock checkpoints."""

import logging
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import AlbertModel, AutoModelForMaskedLM, LongformerForMaskedLM, PreTrainedModel

from dnakit.models.attention import WindowedSelfAttention
from dnakit.models.build import ARCHITECTURES, HEADS, build, load
from dnakit.project import DnakitError, root
from dnakit.tokens.samples import mask_tokens

torch.set_num_threads(1)
# A bf16 number is off by up to 2^-9, 0.2%, of itself; in a mean over tokens these errors cancel. Measured: 0.01%.
SAME_LOSS_IN_BF16 = 1e-3
# Independent errors of 1% on the way would leave a gradient's cosine above 0.9999. Measured: 0.9997 and more.
SAME_DIRECTION_IN_BF16 = 0.998
VOCABULARY, LENGTH, CLASSES = 50, 40, 7
SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "embedding_size": 16,
    "attention_window": 8,
    "max_tokens": 64,
}


def small(architecture: str, head: str, **overrides: Any) -> PreTrainedModel:
    """A small model with weights large enough that everything matters."""
    sizes = {name: value for name, value in SMALL.items() if name in ARCHITECTURES[architecture][1] | {"max_tokens": 0}}
    classes = {"num_labels": CLASSES} if "num_labels" in HEADS[head] else {}
    torch.manual_seed(1)
    model = build(architecture, head, VOCABULARY, **sizes | classes | overrides)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()


def batch(seed: int = 0) -> dict[str, torch.Tensor]:
    """Two inputs, the second shorter."""
    torch.manual_seed(seed)
    ids = torch.randint(5, VOCABULARY, (2, LENGTH))
    ids[:, 0], ids[1, 29:] = 0, 1
    return {"input_ids": ids, "attention_mask": (ids != 1).long()}


def labelled(head: str) -> dict[str, torch.Tensor]:
    """The batch with the labels of a head."""
    inputs = batch()
    if head.startswith("mlm"):
        real = inputs["attention_mask"] == 1
        inputs["labels"] = torch.randint(5, VOCABULARY, real.shape).masked_fill(~real, -100)
        inputs["masked"] = (torch.rand(real.shape) < 0.3) & real
        return inputs | ({"sentence_order_label": torch.tensor([0, 1])} if head == "mlm+sop" else {})
    many = torch.randint(2, (2, CLASSES))
    return inputs | {"labels": many if head == "multilabel" else torch.tensor([3, 5])}


ALL = [(architecture, head) for architecture in ARCHITECTURES for head in HEADS]


@pytest.mark.parametrize(("architecture", "head"), ALL)
def test_training_reaches_every_parameter_in_use(architecture: str, head: str) -> None:
    model = small(architecture, head).train()
    output = model(**labelled(head))
    assert output.loss.isfinite()
    output.loss.backward()
    unused = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    if model.config.global_attention == "none":  # then the projections of global tokens rest
        unused = {name for name in unused if "_global" not in name}
    elif head in ("sequence", "multilabel"):  # these read <cls> alone, which goes through its own projections at last
        last = f"layer.{model.config.num_hidden_layers - 1}.attention.self"
        unused = {name for name in unused if last not in name}
    # A key's bias shifts all scores of a query alike.
    assert not {name for name in unused if not name.endswith(("key.bias", "key_global.bias"))}


@pytest.mark.parametrize(("architecture", "head"), ALL)
def test_padding_changes_nothing(architecture: str, head: str) -> None:
    model, inputs = small(architecture, head), batch()
    with torch.no_grad():
        logits = model(**inputs).logits
        wider = {name: F.pad(each, (0, 13), value=int(name == "input_ids")) for name, each in inputs.items()}
        padded = model(**wider).logits
        alone = model(inputs["input_ids"][1:, :29]).logits
    if logits.shape != padded.shape:
        padded = padded[:, :LENGTH]
    real = inputs["attention_mask"] == 1 if logits.shape[:2] == inputs["input_ids"].shape else torch.ones(2, dtype=bool)
    torch.testing.assert_close(logits[real], padded[real], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(alone[0], logits[1, :29] if real.dim() == 2 else logits[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("architecture", "head"), ALL)
def test_saved_and_opened_it_is_the_same_model(architecture: str, head: str, tmp_path: Path) -> None:
    model = small(architecture, head)
    model.save_pretrained(tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    for opened in (load(tmp_path), type(model).from_pretrained(tmp_path)):
        assert opened.config.head == head
        for name, weight in model.state_dict().items():
            assert torch.equal(weight, opened.state_dict()[name])
        torch.testing.assert_close(opened(**batch()).logits, model(**batch()).logits, rtol=1e-5, atol=1e-6)


def plain_mlm(model: PreTrainedModel, inputs: dict[str, torch.Tensor], where: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each position in ``where``, from the logits of all."""
    logits = model(inputs["input_ids"], inputs["attention_mask"]).logits
    return F.cross_entropy(logits[where], inputs["labels"][where], reduction="none")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("share", [1.0, 0.5])
def test_language_model_loss_and_counts_are_the_plain_ones(architecture: str, share: float) -> None:
    model, inputs = small(architecture, "mlm"), labelled("mlm")
    inputs["labels"] = inputs["labels"].masked_fill(torch.rand(inputs["labels"].shape) >= share, -100)
    real = inputs["labels"] != -100
    masked = inputs["masked"] & real
    plain = plain_mlm(model, inputs, real).mean()
    plain.backward()
    expected = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    output = model(**inputs)
    output.loss.backward()
    torch.testing.assert_close(output.loss, plain, rtol=1e-5, atol=0)
    scale = max(each.norm() for each in expected.values())
    for name, gradient in expected.items():
        assert (model.get_parameter(name).grad - gradient).norm() <= 1e-5 * scale, name

    right = model(inputs["input_ids"], inputs["attention_mask"]).logits.argmax(-1) == inputs["labels"]
    counts = [[plain_mlm(model, inputs, at).sum(), at.sum(), right[at].sum()] for at in (real, masked)]
    expected_counts = torch.tensor([each.item() for triple in counts for each in triple])
    torch.testing.assert_close(output.counts, expected_counts[None], rtol=1e-5, atol=1e-5)
    assert output.logits is None


def test_labels_alone_say_what_is_scored() -> None:
    """What is labelled elsewhere, and which tokens were masked, changes nothing for a position."""
    model, inputs = small("longformer", "mlm"), labelled("mlm")
    everywhere = model(**inputs).counts[0]
    few = model(**inputs | {"labels": inputs["labels"].masked_fill(~inputs["masked"], -100)})
    torch.testing.assert_close(few.counts[0], everywhere[3:].repeat(2))
    torch.testing.assert_close(few.loss, everywhere[3] / everywhere[4])
    del inputs["masked"]
    torch.testing.assert_close(model(**inputs).counts[0], everywhere[:3].repeat(2))


def test_a_batch_without_labels_has_no_loss() -> None:
    inputs = labelled("mlm")
    output = small("longformer", "mlm")(**inputs | {"labels": torch.full_like(inputs["labels"], -100)})
    assert output.loss == 0
    assert not output.counts.any()


def test_sentence_order_adds_its_loss_and_counts() -> None:
    model, inputs = small("longalbert", "mlm+sop"), labelled("mlm+sop")
    both, order = model(**inputs), inputs.pop("sentence_order_label")
    plain = F.cross_entropy(model(inputs["input_ids"], inputs["attention_mask"]).sentence_order_logits, order)
    torch.testing.assert_close(both.loss, model(**inputs).loss + plain)
    assert both.counts.shape == (1, 9)
    torch.testing.assert_close(both.counts[0, 6:8], torch.stack([2 * plain, torch.tensor(2.0)]))


def test_classifiers_lose_what_their_logits_say() -> None:
    for head, loss in {"tss": F.cross_entropy, "sequence": F.cross_entropy, "sequence-deep": F.cross_entropy}.items():
        output, labels = small("longformer", head)(**labelled(head)), labelled(head)["labels"]
        torch.testing.assert_close(output.loss, loss(output.logits, labels))
    output, labels = small("longformer", "multilabel")(**labelled("multilabel")), labelled("multilabel")["labels"]
    p = output.logits.sigmoid()
    torch.testing.assert_close(output.loss, -(8 * labels * p.log() + (1 - labels) * (1 - p).log()).mean())


def test_a_classifier_counts_what_its_logits_say() -> None:
    inputs = batch()
    labels = torch.tensor([1, 0, 2])[: len(inputs["input_ids"])]
    model = small("longformer", "sequence", num_labels=3)
    output = model(**inputs, labels=labels)
    nats, number, right = output.counts[0]
    assert number == len(labels)
    assert right == (output.logits.argmax(-1) == labels).sum()
    assert torch.isclose(nats, F.cross_entropy(output.logits, labels, reduction="sum"))

    answers = torch.randint(0, 2, (len(labels), 4))
    output = small("longformer", "multilabel", num_labels=4)(**inputs, labels=answers)
    nats, number, right = output.counts[0]
    assert number == answers.numel()
    assert right == ((output.logits.sigmoid() > 0.5) == answers.bool()).sum()
    assert torch.isclose(nats, F.binary_cross_entropy_with_logits(output.logits, answers.float(), reduction="sum"))


def test_tss_is_a_distribution_over_the_real_tokens() -> None:
    for architecture in ARCHITECTURES:
        shares = small(architecture, "tss")(**batch()).logits.softmax(-1)
        assert shares.shape == (2, LENGTH)
        assert not shares[1, 29:].any()
        torch.testing.assert_close(shares.sum(-1), torch.ones(2))


@pytest.mark.parametrize(("head", "far"), [("sequence", True), ("tss", False)])
def test_cls_sees_everything_only_where_it_is_global(head: str, far: bool) -> None:
    model, inputs = small("longformer", head), batch()
    other = inputs["input_ids"].clone()
    other[0, 35] += 1
    before, after = model(inputs["input_ids"]).logits[0, 0], model(other).logits[0, 0]
    assert bool((before != after).item()) == far


def test_a_longformer_opens_in_stock_transformers_and_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("transformers").propagate = True
    ours, inputs = small("longformer", "mlm"), batch()
    real = inputs["attention_mask"] == 1
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error")
        ours.save_pretrained(tmp_path / "ours")
        stock = LongformerForMaskedLM.from_pretrained(tmp_path / "ours").eval()
        assert type(AutoModelForMaskedLM.from_pretrained(tmp_path / "ours")) is LongformerForMaskedLM
        expected = stock(**inputs).logits[real]
        torch.testing.assert_close(ours(**inputs).logits[real], expected, rtol=1e-5, atol=1e-5)
        stock.save_pretrained(tmp_path / "stock")
        for opened in (load(tmp_path / "stock"), type(ours).from_pretrained(tmp_path / "stock")):
            torch.testing.assert_close(opened(**inputs).logits[real], expected, rtol=1e-5, atol=1e-5)
    assert not caplog.records
    logging.getLogger("transformers").propagate = False


def test_longalbert_whose_window_spans_the_input_is_albert() -> None:
    ours, inputs = small("longalbert", "mlm", attention_window=2 * LENGTH).albert, batch()
    stock = AlbertModel(ours.config, add_pooling_layer=False).eval()
    stock.load_state_dict(ours.state_dict(), strict=False)
    real = inputs["attention_mask"] == 1
    expected = stock(**inputs).last_hidden_state
    torch.testing.assert_close(ours(**inputs)[real], expected[real], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_a_pretrained_encoder_goes_under_any_head(head: str, tmp_path: Path) -> None:
    pretrained = small("longalbert", "mlm")
    pretrained.save_pretrained(tmp_path)
    tuned = load(tmp_path, head, **({"num_labels": CLASSES} if "num_labels" in HEADS[head] else {}))
    encoder = tuned.albert.state_dict()
    assert tuned.config.head == head
    for name, weight in pretrained.albert.state_dict().items():
        if "_global" not in name or tuned.config.global_attention == "none":
            assert torch.equal(weight, encoder[name])


@pytest.mark.parametrize("architecture", ["longformer", "longalbert"])
def test_cls_of_a_model_without_global_attention_begins_as_local_attention_to_everything(
    architecture: str, tmp_path: Path
) -> None:
    pretrained, inputs = small(architecture, "mlm", num_hidden_layers=1), batch()
    pretrained.save_pretrained(tmp_path)
    for window in pretrained.modules():  # now every token sees every other
        if isinstance(window, WindowedSelfAttention):
            window.reach = LENGTH
    expected = pretrained.encode(**inputs, global_attention_mask=None)[:, 0]
    got = load(tmp_path, "sequence", num_labels=CLASSES).encode(**inputs, global_attention_mask=None)[:, 0]
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_trained_global_projections_are_kept(tmp_path: Path) -> None:
    pretrained = small("longformer", "mlm+sop")
    pretrained.save_pretrained(tmp_path)
    encoder = load(tmp_path, "sequence", num_labels=CLASSES).longformer.state_dict()
    assert all(torch.equal(weight, encoder[name]) for name, weight in pretrained.longformer.state_dict().items())


@pytest.mark.parametrize("architecture", ["longformer", "longalbert"])
def test_a_head_on_cls_computes_the_last_window_for_nobody_and_says_the_same(architecture: str) -> None:
    model, inputs = small(architecture, "sequence"), batch()
    everything = model.encode(**inputs, global_attention_mask=None)[:, 0]
    cls = model.encode(**inputs, global_attention_mask=None, needed=torch.tensor([0, LENGTH]))
    torch.testing.assert_close(cls, everything, rtol=1e-4, atol=1e-5)
    query = next(
        module for module in reversed(list(model.modules())) if isinstance(module, WindowedSelfAttention)
    ).query
    calls: list[Any] = []
    query.register_forward_hook(lambda *call: calls.append(call))
    model(**inputs)
    assert len(calls) == (model.config.num_hidden_layers - 1 if architecture == "longalbert" else 0)


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [("longformer", 11_918_896), ("longalbert", 12_836_272), ("large-longformer", 15_994_416), ("elmo", 10_471_472)],
)
def test_the_thesis_models_have_their_sizes(architecture: str, parameters: int) -> None:
    assert build(architecture, "mlm", 30000).num_parameters() == parameters


def test_the_deep_head_holds_its_own_layers_alone() -> None:
    with torch.device("meta"):
        head = build("longformer", "sequence-deep", VOCABULARY, num_labels=919).classifier
    shapes = sorted(tuple(parameter.shape) for parameter in head.parameters())
    assert shapes == [(919,), (919, 2048), (2048,), (2048, 65536)]


def test_a_mistaken_parameter_is_named_without_torch() -> None:
    script = """
import sys
from dnakit.models.build import build
from dnakit.project import DnakitError, root
import dnakit.training
try:
    build("longfromer", "mlm", 5)
except DnakitError:
    sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=root()).returncode == 0


def test_inputs_may_be_longer_if_built_so() -> None:
    ids = torch.randint(5, VOCABULARY, (1, 300))
    with pytest.raises(DnakitError, match="300 tokens, model of at most 64"):
        small("longformer", "mlm")(ids)
    for architecture in ARCHITECTURES:
        assert small(architecture, "mlm", max_tokens=300)(ids).logits.shape == (1, 300, VOCABULARY)


@pytest.mark.parametrize(
    ("arguments", "overrides", "message"),
    [
        (("longfromer", "mlm"), {}, "did you mean 'longformer'"),
        (("longformer", "mml"), {}, "did you mean 'mlm'"),
        (("longformer", "mlm"), {"attention_windw": 8}, "did you mean 'attention_window'"),
        (("elmo", "mlm"), {"attention_window": 8}, "not a parameter of elmo"),
        (("longformer", "mlm"), {"global_attention": "clss"}, "did you mean 'cls'"),
        (("longformer", "mlm"), {"attention_window": 7}, "odd"),
        (("longformer", "mlm"), {"hidden_size": 100}, "no multiple"),
        (("longformer", "mlm"), {"hidden_size": "256"}, "whole number"),
        (("longformer", "mlm"), {"hidden_dropout_prob": 1.5}, "number from 0 to below 1"),
        (("longformer", "sequence"), {}, "needs num_labels"),
    ],
)
def test_a_mistake_is_named(arguments: tuple[str, str], overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(DnakitError, match=message):
        build(*arguments, VOCABULARY, **overrides)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(DnakitError, match=r"no config\.json"):
        load(tmp_path)
    small("longformer", "mlm").save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(DnakitError, match="no model can be read"):
        load(tmp_path)


def test_bfloat16_agrees_with_float32() -> None:
    for architecture in ARCHITECTURES:
        model, inputs = small(architecture, "mlm"), labelled("mlm")
        exact = model(**inputs).loss
        with torch.autocast("cpu", torch.bfloat16):
            low = model(**inputs).loss
        assert abs(low - exact) < 0.02 * exact


def loss_and_gradients(
    model: PreTrainedModel, inputs: dict[str, torch.Tensor], low: bool
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Loss, and the gradient of every parameter that has one, in bf16 where it may be if ``low``."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        loss = model(**inputs).loss
    loss.backward()
    return loss, {name: p.grad for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}


@pytest.mark.parametrize("scored", ["all", "selected"])
def test_the_thesis_longformer_learns_the_same_in_bfloat16(scored: str) -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(5, 5_000, (2, 256))
    seen, selected = mask_tokens(true, 5_000, rng)
    labels = true if scored == "all" else np.where(selected, true, -100)
    torch.manual_seed(0)
    model = build("longformer", "mlm", 5_000).eval()
    for parameter in model.parameters():  # so that no gradient is as small as at the start
        parameter.data += 0.05 * torch.randn_like(parameter)
    inputs = {"input_ids": torch.from_numpy(seen), "labels": torch.from_numpy(labels)}
    (exact, expected), (low, got) = (loss_and_gradients(model, inputs, low) for low in (False, True))
    torch.testing.assert_close(low, exact, rtol=SAME_LOSS_IN_BF16, atol=0)
    assert expected.keys() == got.keys()
    for name, gradient in expected.items():
        if not name.endswith("key.bias"):  # it shifts all scores of a query alike: its gradient is rounding alone
            assert F.cosine_similarity(got[name].double().flatten(), gradient.double().flatten(), dim=0) > (
                SAME_DIRECTION_IN_BF16
            ), name
