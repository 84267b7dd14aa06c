"""A trained model carried from one store to another.

An exported folder has the form of a model on the Hugging Face hub: weights, tokenizer, configuration and a model card.
The record of the run lies in ``run/``, and ``dnakit.json`` says the key of the run and the digest of every file.
"""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from dnakit import store
from dnakit.project import DnakitError, absolute, checked, published_folder, sha256
from dnakit.run import Run

MANIFEST = "dnakit.json"
RECORD = "run"  # the subfolder with the small files of the run
ROUNDED = "bfloat16"  # what configuration and record say of rounded weights
NAME_A_TOKEN = """

```python
import torch

ids = tokenizer("GTTGATGTAGCTTAAACTTAAAGCAAGGCACTGAAAATGCCTAGA")["input_ids"]
ids[3] = tokenizer.mask_token_id
with torch.no_grad():
    best = model.eval()(torch.tensor([ids])).logits[0, 3].topk(5)
print(tokenizer.convert_ids_to_tokens(best.indices.tolist()), best.values.tolist())
```

Put the mask among the ids, as here. A `<mask>` written into the text ends a word, and the DNA behind it gets other
tokens; so the pipeline `fill-mask` does not show the model what it learned from.

## How to score it

As in training, 15% of the tokens of DNA are chosen: 80% of them are shown as `<mask>`, 10% as a random token, 10% as
they are. Scored are those that show `<mask>`. Bits per base are the sum of -log2 p of their true tokens, p of the
softmax over the whole vocabulary, divided by the bases that these tokens cover.

```python
from pathlib import Path

import numpy as np

first, rng = len(tokenizer.all_special_ids), np.random.default_rng(1)  # ids below it are special tokens
right = masks = bits = bases = 0
for record in Path("genomes.fa").read_text().split(">")[1:]:
    genome = "".join(record.splitlines()[1:])  # without the name, as one line
    tokens = np.array(tokenizer(genome, add_special_tokens=False, verbose=False)["input_ids"])
    for true in np.split(tokens, range(254, len(tokens), 254)):
        chosen, draw = (true >= first) & (rng.random(len(true)) < 0.15), rng.random(len(true))
        shown = np.where(chosen & (draw >= 0.9), rng.integers(first, len(tokenizer), len(true)), true)
        shown = np.where(chosen & (draw < 0.8), tokenizer.mask_token_id, shown)
        ids = torch.tensor([[tokenizer.cls_token_id, *shown, tokenizer.sep_token_id]])
        with torch.no_grad():
            logs = model(ids).logits[0, 1:-1].log_softmax(-1).numpy()
        at = np.flatnonzero(shown == tokenizer.mask_token_id)
        right += (logs[at].argmax(-1) == true[at]).sum()
        bits -= logs[at, true[at]].sum() / np.log(2)
        bases += sum(len(token) for token in tokenizer.convert_ids_to_tokens(true[at].tolist()))
        masks += len(at)
print(f"{right / masks:.1%} of {masks} masked tokens right, {bits / bases:.3f} bits per base")
```
"""
NEEDED = {"config.json", "model.safetensors", f"{RECORD}/run.json", f"{RECORD}/metrics.json"}


class Manifest(BaseModel):
    """What ``dnakit.json`` holds: which run it is, all that its key is made of, and the SHA-256 of every file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    notebook: str
    profile: str
    run: str
    key: str
    recipe: str
    inputs: dict[str, Any]
    sha256: dict[str, str]


# ---- out of the store


def export_run(run: Run, notebook: str, profile: str, folder: Path, bf16: bool = False) -> Path:
    """Write a finished run's model, with all that another store needs to take it.

    Parameters
    ----------
    run
        In the store.
    notebook, profile
        Where the run belongs; they are written down.
    folder
        A new or empty folder; it appears when it is whole.
    bf16
        Write the weights as bfloat16, in half the space. The record then says so, and the folder is not imported: the
        key is that of the weights as they were trained.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DnakitError
        If the run is damaged, or keeps no model, or one that transformers could not open; if the folder holds
        something, or the disk refuses.
    """
    made = run.folder()
    _refuse_no_model(made / "model", f"{run.name} of {notebook}")
    folder = absolute(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise DnakitError(f"{folder} is there already: give the name of a new folder")
    with published_folder(folder) as part:
        _copy(made, part)
        if bf16:
            _halve(part)
        (part / "README.md").write_text(card(run, part, notebook, profile), encoding="utf-8")
        digests = {name: sha256(part / name) for name in _names(part)}
        about = {"notebook": notebook, "profile": profile, "run": run.name, "key": run.key}
        made_of = {"recipe": run.recipe, "inputs": dict(run.inputs())}
        store.write_json(part / MANIFEST, about | made_of | {"sha256": digests})
    return folder


def _refuse_no_model(model: Path, called: str) -> None:
    if not (model / "model.safetensors").is_file():
        raise DnakitError(f"{called} keeps no model that could be exported")
    if not (model / "config.json").is_file():  # a convolutional network
        raise DnakitError(
            f"{called} keeps a network that is no model of transformers: take its folder, {model}, as it is"
        )


def _copy(made: Path, part: Path) -> None:
    """The files of the model, and the tables and records of the run."""
    (part / RECORD).mkdir()
    for file in (each for each in (made / "model").iterdir() if each.is_file()):
        shutil.copyfile(file, part / file.name)
    for file in [*made.glob("*.json"), *made.glob("*.csv")]:
        shutil.copyfile(file, part / RECORD / file.name)


def _halve(part: Path) -> None:
    """Round the weights to bfloat16, and say so in the configuration and in the record."""
    import torch
    from safetensors.torch import load_file, save

    weights = load_file(part / "model.safetensors")
    rounded = {name: each.to(torch.bfloat16) if each.is_floating_point() else each for name, each in weights.items()}
    (part / "model.safetensors").write_bytes(save(rounded, {"format": "pt"}))
    for file, said in (("config.json", "dtype"), (f"{RECORD}/run.json", "weights")):
        store.write_json(part / file, store.read_json(part / file) | {said: ROUNDED})


def _names(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


# ---- the model card


def card(run: Run, folder: Path, notebook: str, profile: str) -> str:
    """The model card of an exported folder: YAML for machines, then text."""
    config, record = store.read_json(folder / "config.json"), store.read_json(folder / RECORD / "run.json")
    metrics = dict(_numbers(store.read_json(folder / RECORD / "metrics.json")))
    settings = dict(record.get("parameters", {})) | {"weights": record.get("weights", "float32")}
    counts = {
        f"{what}, {part}": count
        for what in ("genomes", "windows", "samples")
        if isinstance(record.get(what), Mapping)
        for part, count in record[what].items()
    }
    code = {f"code, {name}": value for name, value in record["environment"].items()}
    made = {"key": run.key, "version of the run": run.recipe, "device": record.get("device", ""), **code}
    rounded = record.get("weights") == ROUNDED
    sections = [
        f"---\n{yaml.safe_dump(_for_machines(config), sort_keys=False)}---\n",
        f"# {run.title}\n",
        f"Run `{run.name}` of the notebook `{notebook}`, profile `{profile}`, of dnakit, the executable edition of "
        "*Small transformers for bioinformatics tasks* (L. S. Lorello, University of Bologna, 2021).\n",
        "## How to load it\n",
        _how_to_load(config, (folder / "tokenizer.json").is_file()),
        "" if rounded else "`dnakit import this/folder` puts the run into the store of dnakit.\n",
        "## What it is not\n",
        *(f"* {limit}" for limit in _limits(record)),
        "",
        "## Data\n",
        f"Drawn from {record.get('source', 'what the record names')} "
        f"({'simulated' if record.get('simulated') else 'real'} data). The table says how many were used.\n",
        *(f"* sha256 `{digest}`" for digest in str(record.get("source_sha256", "")).split()),
        "",
        _table(counts, "number"),
        "## Training\n",
        _table(settings, "value"),
        "## Metrics\n",
        _meanings(metrics),
        _table({name: value if isinstance(value, int) else f"{value:.4f}" for name, value in metrics.items()}, "value"),
        "## Where it comes from\n",
        _table(made, "value"),
        "## Licence\n",
        "MIT. The data keep the licences of their sources.\n",
    ]
    return "\n".join(sections)


def _for_machines(config: Mapping[str, Any]) -> dict[str, Any]:
    head = {"pipeline_tag": "fill-mask"} if config["head"].startswith("mlm") else {}
    return {"license": "mit", "library_name": "transformers", **head, "tags": ["biology", "dna", config["model_type"]]}


def _how_to_load(config: Mapping[str, Any], tokenizer: bool) -> str:
    plain, language_model = config["model_type"] == "longformer", config["head"].startswith("mlm")
    kind = "AutoModelForMaskedLM" if language_model else "AutoModel"
    lines = [
        f"from transformers import {kind}{', AutoTokenizer' * tokenizer}",
        *([] if plain else ["import dnakit.models.classes  # transformers does not know this architecture"]),
        "",
        *(['tokenizer = AutoTokenizer.from_pretrained("this/folder")'] if tokenizer else []),
        f'model = {kind}.from_pretrained("this/folder", dtype="float32")',
    ]
    text = "```python\n" + "\n".join(lines) + "\n```\n\n"
    if not language_model:
        text += f"This is the encoder alone; `dnakit.models.build.load(folder)` opens the head `{config['head']}` too. "
    if tokenizer:
        text += (
            "The tokenizer takes the letters of one sequence in one line, of either case. U is read as T. Every other "
            "letter is an unknown base, and so are blanks and ends of lines: join the lines of a FASTA file first. A "
            "sample has at most 256 tokens: `<cls>`, up to 254 tokens of DNA, `<sep>`. Words of a fixed length are "
            "counted from the first letter. So tokenize a genome from its first base on, and cut the tokens. Give the "
            "strand that the database has: the model saw no other. "
        )
    if config.get("global_attention") == "cls":
        text += "`<cls>` has global attention: plain transformers needs a `global_attention_mask` that is 1 there. "
    return text + (NAME_A_TOKEN if tokenizer and language_model else "")


def _limits(record: Mapping[str, Any]) -> Iterator[str]:
    """What a reader could take the model for and it is not."""
    parameters = record.get("parameters", {})
    if record.get("simulated"):
        yield "Its data are simulated: none of its numbers says anything about DNA."
    else:
        yield "It learned from the data below and no others. What it does on other DNA is not known."
    if parameters.get("fresh_weights") == "informed":
        yield (
            "It began with informed initial weights: tokens with bases in common have similar vectors, and each head "
            "looks at one neighbour. The thesis begins with random ones. So it repeats no training of the thesis."
        )
    if "seed" in parameters:
        yield "It is one training. The metrics do not say what another seed would give."
    if record.get("weights") == ROUNDED:
        yield (
            f"Its weights are rounded to {ROUNDED}, and the metrics are of the weights as they were trained. `dnakit "
            "import` refuses this folder: the store of dnakit holds weights as they were trained, and what starts from "
            "rounded ones gives other numbers. Open it where it is."
        )


def _meanings(metrics: Mapping[str, float]) -> str:
    """What the names of metrics mean, of those that are there."""
    means = {
        "masked_": "`masked_…` and `bits_per_base` are of the tokens shown as `<mask>`; the others are of all tokens.",
        "copy_accuracy": "`copy_accuracy` is that of copying the input, on the same masks.",
        "near.": "`near` are genomes that were held out at random, most with relatives in training.",
        "far.": "`far` are whole families, or chromosomes, that were held out.",
    }
    return "".join(f"* {text}\n" for name, text in means.items() if any(name in each for each in metrics))


def _numbers(metrics: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of nested metrics by path."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{before}{name}.")
        elif isinstance(value, int | float):
            yield f"{before}{name}", value


def _table(values: Mapping[str, Any], what: str) -> str:
    return "\n".join([f"| | {what} |", "|---|---|", *(f"| {name} | {value} |" for name, value in values.items()), ""])


# ---- into the store


def import_run(folder: Path) -> Path:
    """Put an exported run into the store; one that the store holds stays as it is.

    Returns
    -------
    Path
        Its folder in the store.

    Raises
    ------
    DnakitError
        If a file is missing or was changed, the key is not that of the recipe and the inputs, the store holds the run
        and it is damaged, or the weights are rounded: what starts from a run of this key would give other numbers.
    """
    manifest = _manifest(folder)
    _check(folder, manifest)
    made = store.get_or_make("runs", manifest.key, lambda part: _unpack(folder, manifest, part))
    store.refuse_damaged(made)
    _tell_other_precision(manifest)
    return made


def _tell_other_precision(manifest: Manifest) -> None:
    """Say how to find a run that computed in another precision than ``auto`` means here: its key is another."""
    from dnakit.models.device import resolved

    made_in, here = manifest.inputs.get("precision", resolved("auto")), resolved("auto")
    if made_in not in (here, "auto"):
        print(
            f"dnakit: {manifest.run} computed in {made_in}, and precision 'auto' means {here} here: "
            f"where a profile says 'auto', commands find the run with -p precision={made_in}",
            file=sys.stderr,
        )


def _manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not folder.is_dir():
        raise DnakitError(f"there is no folder {folder}: give one that dnakit export wrote")
    if not path.is_file():
        raise DnakitError(f"{folder} holds no {MANIFEST}: give a folder that dnakit export wrote")
    try:
        values = store.read_json(path)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise DnakitError(f"{path} is damaged: export the run again")
    return checked(Manifest, {str(name): value for name, value in values.items()}, str(path))


def _check(folder: Path, manifest: Manifest) -> None:
    """Refuse a key that does not follow from the inputs, and files other than those that were exported."""
    key = store.key(manifest.recipe, manifest.inputs)
    if key != manifest.key:
        raise DnakitError(f"{folder}: recipe and inputs give the key {key}, not {manifest.key}: export the run again")
    for name in sorted(NEEDED - manifest.sha256.keys()):
        raise DnakitError(f"{folder / MANIFEST} does not list {name}: export the run again")
    for name, digest in manifest.sha256.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or len(path.parts) > 2:
            raise DnakitError(f"{folder / MANIFEST} names {name!r}, which is no file of this folder")
        if not (folder / name).is_file():
            raise DnakitError(f"{folder} lacks {name}: copy the whole folder again")
        if sha256(folder / name) != digest:
            raise DnakitError(f"{folder / name} was changed after the export: copy the folder again")
    record = json.loads((folder / RECORD / "run.json").read_text())
    if record.get("key") != manifest.key:
        raise DnakitError(
            f"{folder}: its record is of the run {record.get('key')}, not {manifest.key}: export the run again"
        )
    if record.get("weights") == ROUNDED:
        raise DnakitError(
            f"{folder}: its weights are rounded to {ROUNDED}, and the store holds those of the training: export the "
            "run again without --bf16, or open the folder where it is"
        )


def _unpack(folder: Path, manifest: Manifest, part: Path) -> None:
    """Fill a folder of the store; what an interrupted training left there goes."""
    shutil.rmtree(part)
    (part / "model").mkdir(parents=True)
    for name in manifest.sha256:
        inside, is_record = PurePosixPath(name).name, PurePosixPath(name).parent.name == RECORD
        if name != "README.md":
            shutil.copyfile(folder / name, part / inside if is_record else part / "model" / inside)
