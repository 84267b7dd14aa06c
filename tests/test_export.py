"""A trained model goes out of one store and into another, and plain transformers opens it on the way."""

import json
import re
import shutil
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from conftest import TOY
from huggingface_hub import ModelCard
from pydantic import BaseModel

from dnakit import cli, store
from dnakit.chapters.chromatin.networks import Convolutional
from dnakit.chapters.pretraining import bits_per_base
from dnakit.data.windows import random_dna
from dnakit.export import MANIFEST, export_run, import_run
from dnakit.models import build, device
from dnakit.project import DnakitError
from dnakit.run import Outcome, Run
from dnakit.tokens.tokenizer import DnaTokenizer, train_tokenizer

SIZES = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16, "attention_window": 4}
PLAIN = """
import json, sys
sys.modules["dnakit"] = None  # an import of it fails
from transformers import AutoModelForMaskedLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model, found = AutoModelForMaskedLM.from_pretrained(sys.argv[1], dtype="float32", output_loading_info=True)
batch = tokenizer("ACGTACGTAAC<mask>", return_tensors="pt")
print(json.dumps([sorted(found["missing_keys"]), batch.input_ids.tolist(), model(**batch).logits[0, :3, :5].tolist()]))
"""


class Parameters(BaseModel):
    profile: str = "smoke"


@dataclass(frozen=True)
class Small(Run):
    """A Longformer of a few thousand weights, untrained."""

    recipe = "small 1"

    head: str = "mlm"

    @property
    def title(self):
        return "a small Longformer"

    def inputs(self):
        return {"head": self.head, "rate": 1e-3}

    def compute(self, folder: Path) -> Outcome:
        torch.manual_seed(1)
        tokenizer = train_tokenizer([random_dna(1, 3_000, 1, 9).sequences[0].decode()], 60, 6)
        build.build("longformer", self.head, len(tokenizer), **SIZES).save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "model")
        (folder / "history.csv").write_text("epoch,loss\n1,2.5\n")
        about = {"source": "invented", "source_sha256": "ab" * 32, "simulated": True, "parameters": {"epochs": 3}}
        return Outcome({"test": {"loss": 2.25}}, about | {"samples": {"train": 8}})


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """Export a small model from one store, and select another, empty one: the run, and the folder."""
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "one"))
    run = Small(Parameters(), "small")
    run.folder()
    folder = export_run(run, "02_pretraining", "smoke", tmp_path / "out" / "small")
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "two"))
    return run, folder


class Network(Small):
    """A network of chapter 5 that transformers does not know."""

    def compute(self, folder: Path) -> Outcome:
        Convolutional("cnn", 2, 200, 0.02).save_pretrained(folder / "model")
        return Outcome({}, {"simulated": True})


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def in_store(tmp_path, number, run):
    return tmp_path / number / "runs" / run.key


def test_what_comes_in_is_what_went_out(exported, tmp_path):
    run, folder = exported
    assert not run.done
    assert import_run(folder) == in_store(tmp_path, "two", run)
    assert run.done
    assert files(run.folder()) == files(in_store(tmp_path, "one", run))


@pytest.mark.slow
def test_plain_transformers_opens_a_longformer(exported):
    _, folder = exported
    done = subprocess.run([sys.executable, "-c", PLAIN, folder], capture_output=True, text=True, cwd=folder, check=True)
    missing, ids, logits = json.loads(done.stdout)
    assert missing == []
    model = build.load(folder)
    ours = model(torch.tensor(ids), attention_mask=torch.ones(1, len(ids[0]), dtype=torch.long)).logits
    torch.testing.assert_close(ours[0, :3, :5], torch.tensor(logits), rtol=1e-4, atol=1e-5)


def test_the_card_is_one_that_the_hub_reads(exported):
    run, folder = exported
    card = ModelCard.load(folder / "README.md")
    assert (card.data.license, card.data.pipeline_tag, card.data.library_name) == ("mit", "fill-mask", "transformers")
    for said in (run.key, "ab" * 32, "| test.loss | 2.2500 |", "| epochs | 3 |", "| samples, train | 8 |", "simulated"):
        assert said in card.text
    assert "AutoModelForMaskedLM.from_pretrained" in card.text


@pytest.mark.slow
def test_the_code_of_the_card_scores_a_model_as_chapter_2_does(exported, monkeypatch):
    """Both draw masks of their own, so that the scores agree to their noise."""
    _, folder = exported
    monkeypatch.chdir(folder)
    genomes = {name: random_dna(1, 12_000, seed, 9).sequences[0] for name, seed in (("a", 1), ("b", 2))}
    text = "".join(
        f">{name} of nothing\n{textwrap.fill(each.decode().lower(), 70)}\n" for name, each in genomes.items()
    )
    Path("genomes.fa").write_text(text)
    blocks = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(), re.DOTALL)
    found: dict = {}
    exec("\n".join(blocks).replace("this/folder", "."), found)
    tokenizer = DnaTokenizer.from_pretrained(folder)
    sums = bits_per_base.measure(build.load(folder), tokenizer, genomes, 1)
    assert found["masks"] == pytest.approx(sums.masked.sum(), rel=0.1)
    assert found["bits"] / found["bases"] == pytest.approx(bits_per_base.summarise(sums)["bits_per_base"], rel=0.02)


def test_bfloat16_takes_half_the_space_and_gives_nearly_the_same_model(exported, tmp_path, monkeypatch):
    run, folder = exported
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "one"))
    half = export_run(run, "02_pretraining", "smoke", tmp_path / "half", bf16=True)
    sizes = [(each / "model.safetensors").stat().st_size for each in (folder, half)]
    assert sizes[1] < 0.6 * sizes[0]
    whole = build.load(folder).state_dict()
    for name, weight in build.load(half).state_dict().items():
        assert weight.dtype == whole[name].dtype
        torch.testing.assert_close(weight, whole[name], rtol=2**-8, atol=0)
    assert store.read_json(half / "run" / "run.json")["weights"] == "bfloat16"


def test_rounded_weights_never_stand_in_the_store_for_those_of_the_training(exported, tmp_path, monkeypatch):
    run, folder = exported
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "one"))
    half = export_run(run, "02_pretraining", "smoke", tmp_path / "half", bf16=True)
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "two"))
    with pytest.raises(DnakitError, match=r"rounded to bfloat16.* export the run again without --bf16"):
        import_run(half)
    assert not run.done
    assert "`dnakit import this/folder` puts" in (folder / "README.md").read_text()
    assert "`dnakit import` refuses this folder" in (half / "README.md").read_text()


def test_the_encoder_under_another_head_needs_nothing_either(tmp_path, monkeypatch):
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path))
    folder = export_run(Small(Parameters(), "tss", "tss"), "03_tss", "smoke", tmp_path / "out")
    text = (folder / "README.md").read_text()
    assert "AutoModel.from_pretrained" in text
    assert "pipeline_tag" not in text


# ---- what is refused


def changed(folder, **values):
    manifest = store.read_json(folder / MANIFEST)
    store.write_json(folder / MANIFEST, manifest | values)
    return manifest


def test_a_changed_file_is_refused(exported):
    run, folder = exported
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(DnakitError, match=r"model.safetensors was changed after the export"):
        import_run(folder)
    weights.unlink()
    with pytest.raises(DnakitError, match=r"lacks model.safetensors"):
        import_run(folder)
    assert not run.done


def test_a_key_that_the_inputs_do_not_give_is_refused(exported):
    run, folder = exported
    right = changed(folder, key="0" * 16)
    with pytest.raises(DnakitError, match=f"give the key {run.key}, not {'0' * 16}"):
        import_run(folder)
    inputs = right["inputs"] | {"rate": 2e-3}
    other = store.key(right["recipe"], inputs)
    changed(folder, key=run.key, inputs=inputs)
    with pytest.raises(DnakitError, match=f"give the key {other}, not {run.key}"):
        import_run(folder)
    changed(folder, key=other, inputs=inputs)  # consistent, but of another run than the record
    with pytest.raises(DnakitError, match=f"its record is of the run {run.key}, not {other}"):
        import_run(folder)
    assert not run.done


@pytest.mark.parametrize("name", ["../elsewhere", "/etc/hostname", "a/b/c"])
def test_a_name_outside_the_folder_is_refused(exported, name):
    _, folder = exported
    changed(folder, sha256=store.read_json(folder / MANIFEST)["sha256"] | {name: "0" * 64})
    with pytest.raises(DnakitError, match="which is no file of this folder"):
        import_run(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"run": 3}', '{"key": "x", "more": 1}'])
def test_a_damaged_manifest_is_refused(exported, text):
    _, folder = exported
    (folder / MANIFEST).write_text(text)
    with pytest.raises(DnakitError, match=MANIFEST):
        import_run(folder)


def test_a_manifest_without_the_weights_is_refused(exported):
    _, folder = exported
    listed = {
        name: value for name, value in store.read_json(folder / MANIFEST)["sha256"].items() if "model" not in name
    }
    changed(folder, sha256=listed)
    with pytest.raises(DnakitError, match=r"does not list model.safetensors"):
        import_run(folder)


def test_a_folder_with_something_in_it_stays_as_it_is(exported):
    run, folder = exported
    before = files(folder)
    with pytest.raises(DnakitError, match="is there already: give the name of a new folder"):
        export_run(run, "02_pretraining", "smoke", folder)
    assert files(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("model/model.safetensors", 5_000),
        ("model/model.safetensors", None),
        ("model/config.json", 30),
        ("model/tokenizer.json", 30),
        ("model/tokenizer.json", None),
        ("metrics.json", 5),
        ("run.json", 30),
        ("history.csv", 12),
    ],
)
def test_a_damaged_run_is_neither_exported_nor_taken_as_imported(exported, tmp_path, monkeypatch, name, size, bf16):
    run, folder = exported
    made = import_run(folder)
    content = (made / name).read_bytes()
    (made / name).unlink() if size is None else (made / name).write_bytes(content[:size])
    says = rf"^{made} is damaged \({Path(name).name}: [^\n]+\): delete this folder, and run the same again$"
    with pytest.raises(DnakitError, match=says):
        export_run(run, "02_pretraining", "smoke", tmp_path / "new", bf16)
    with pytest.raises(DnakitError, match=says):
        import_run(folder)
    assert not (tmp_path / "new").exists()
    shutil.rmtree(made)
    assert (import_run(folder) / name).read_bytes() == content


def test_an_export_that_fails_leaves_nothing(exported, monkeypatch, tmp_path):
    run, _ = exported
    monkeypatch.setattr("dnakit.export.card", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(DnakitError, match="No space left on device"):
        export_run(run, "02_pretraining", "smoke", tmp_path / "new" / "small")
    assert not (tmp_path / "new").exists()


# ---- the command line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "nowhere"], "there is no folder nowhere: give one that dnakit export wrote"),
        (["export", TOY, "first", "out", "--profile", "smoke"], "first is not made: dnakit train 98_toy first"),
        (["export", TOY, "frist", "out", "--profile", "smoke"], "98_toy has no run 'frist'; did you mean 'first'?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(toy, monkeypatch, capsys, arguments, message):
    monkeypatch.setattr(sys, "argv", ["dnakit", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    out, errors = capsys.readouterr()
    assert (out, errors.count("\n")) == ("", 1)
    assert errors.startswith(f"dnakit: {message}")
    assert not (toy / "out").exists()


def test_a_run_without_a_model_is_refused(toy, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["dnakit", "train", TOY, "first", "--profile", "smoke"])
    with pytest.raises(SystemExit):
        cli.main()
    monkeypatch.setattr(sys, "argv", ["dnakit", "export", TOY, "first", "out", "--profile", "smoke"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == "dnakit: first of 98_toy keeps no model that could be exported\n"


def test_a_network_that_transformers_could_not_open_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "one"))
    run = Network(Parameters(), "cnn")
    model = run.folder() / "model"
    with pytest.raises(DnakitError) as refused:
        export_run(run, "05_chromatin", "smoke", tmp_path / "out")
    assert str(refused.value) == (
        f"cnn of 05_chromatin keeps a network that is no model of transformers: take its folder, {model}, as it is"
    )
    assert not (tmp_path / "out").exists()


def test_import_prints_where_the_run_lies(exported, monkeypatch, capsys):
    run, folder = exported
    monkeypatch.setattr(sys, "argv", ["dnakit", "import", str(folder)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in (0, None)
    assert capsys.readouterr().out == f"{run.folder()}\n"


class InBf16(Small):
    def inputs(self):
        return super().inputs() | {"precision": "bf16"}


def test_an_import_says_how_to_find_a_run_of_another_precision(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(device, "resolved", lambda precision: "fp32")
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "one"))
    run = InBf16(Parameters(), "small")
    run.folder()
    folder = export_run(run, "02_pretraining", "smoke", tmp_path / "out" / "small")
    monkeypatch.setenv("DNAKIT_DATA", str(tmp_path / "two"))
    assert import_run(folder) == in_store(tmp_path, "two", run)
    assert capsys.readouterr().err.splitlines()[-1:] == [
        "dnakit: small computed in bf16, and precision 'auto' means fp32 here: "
        "where a profile says 'auto', commands find the run with -p precision=bf16"
    ]
