"""The thesis's models: every architecture with every head, built, saved and opened as transformers models.

`build` makes an untrained model. `load` opens a saved one, or its encoder under another head. A Longformer language
model is a plain Longformer checkpoint too: ``transformers.LongformerForMaskedLM.from_pretrained(folder)``, and so
``AutoModelForMaskedLM``, open it without dnakit. The two other architectures exist in transformers' Auto classes once
`dnakit.models.classes` is imported.

Importing torch and transformers takes seconds. So this module imports them where a model is made: parameters of a run
can be checked without them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dnakit.project import DnakitError, did_you_mean
from dnakit.tokens.vocabulary import CLS, PAD, SAMPLE_LENGTH, SEP

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

# Sizes from section 4.1.3 and Appendix B.1; what the thesis leaves open is transformers' default for the architecture.
_LONGFORMER: dict[str, Any] = {
    "hidden_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "attention_window": 16,
    "intermediate_size": 3072,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
}
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "longformer": ("longformer", _LONGFORMER),
    "large-longformer": (
        "longformer",
        _LONGFORMER | {"num_hidden_layers": 4, "num_attention_heads": 32, "attention_window": 64},
    ),
    "longalbert": (
        "longalbert",
        _LONGFORMER
        | {
            "num_hidden_groups": 1,
            "embedding_size": 128,
            "intermediate_size": 16384,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            # The same function as Albert's gelu_new, in one kernel.
            "hidden_act": "gelu_pytorch_tanh",
        },
    ),
    "elmo": ("elmo", {"hidden_size": 256, "num_hidden_layers": 2}),
}
_LANGUAGE_MODEL: dict[str, Any] = {"global_attention": "none"}
_CLASSIFIER: dict[str, Any] = {"classifier_dropout": 0.0, "global_attention": "cls", "num_labels": None}
HEADS: dict[str, dict[str, Any]] = {
    "mlm": _LANGUAGE_MODEL,
    # <cls> has to see both sentences to tell their order.
    "mlm+sop": _LANGUAGE_MODEL | {"global_attention": "cls"},
    "tss": {"classifier_dropout": 0.1, "global_attention": "none"},
    "sequence": _CLASSIFIER,
    "sequence-deep": _CLASSIFIER | {"classifier_dropout": 0.1},
    "multilabel": _CLASSIFIER | {"num_labels": 919, "positive_weight": 8.0},
}
CHOICES = {"global_attention": ("none", "cls")}
# Transformers' names for the tokenizer's special tokens; a <sep> ends the input.
SPECIAL_TOKEN_IDS = {"bos_token_id": CLS, "pad_token_id": PAD, "sep_token_id": SEP, "eos_token_id": SEP}
Weights = Literal["random", "informed"]  # initial ones, see `dnakit.models.initial_weights`
SIZES = {"vocab_size", "max_tokens", "hidden_size", "num_hidden_layers", "num_attention_heads", "attention_window"}
SIZES |= {"intermediate_size", "embedding_size", "num_hidden_groups"}


def build(architecture: str, head: str, vocab_size: int, **overrides: Any) -> PreTrainedModel:
    """Make a model with random weights.

    Parameters
    ----------
    architecture
        ``longformer``, ``longalbert``, ``large-longformer`` or ``elmo``.
    head
        ``mlm``, ``mlm+sop``, ``tss``, ``sequence``, ``sequence-deep`` or ``multilabel``.
    vocab_size
        Tokens in the vocabulary, the five special ones included.
    **overrides
        In place of the thesis's: the sizes and dropouts of the architecture by transformers' names (`ARCHITECTURES`),
        ``max_tokens`` (256), and by head (`HEADS`) ``global_attention`` ("none" or "cls"), ``classifier_dropout``,
        ``num_labels`` (classes; needed for ``sequence`` and ``sequence-deep``) and ``positive_weight``.

    Raises
    ------
    DnakitError
        On an unknown architecture, head or override, or a value that does not fit.
    """
    kind, sizes = ARCHITECTURES[known(architecture, ARCHITECTURES, "architecture")]
    options = HEADS[known(head, HEADS, "head")]
    given = sizes | options | {"max_tokens": SAMPLE_LENGTH}
    for name in overrides:
        known(name, given, f"parameter of {architecture} with head {head}")
    config = _config(kind, head, {"vocab_size": vocab_size} | given | overrides)
    return model_class(kind, head)(config)


def load(folder: str | Path, head: str | None = None, **overrides: Any) -> PreTrainedModel:
    """Open a saved model, stock Longformer checkpoints included, or its encoder under another, untrained head.

    Where the saved model was trained without global attention and the head wants it, the projections of global tokens
    were never trained. They become copies of the local ones, as in Beltagy et al. 2020 (Longformer):
    ``<cls>`` then sees the whole input through trained weights.

    Parameters
    ----------
    folder
        What ``save_pretrained`` wrote: ``config.json`` and ``model.safetensors``.
    head
        As in `build`; by default the saved one (``mlm`` for a stock checkpoint).
    **overrides
        Options of the head, as in `build`.

    Raises
    ------
    DnakitError
        If the folder holds no such model, or the head or an option is unknown.
    """
    config, weights = _saved(Path(folder))
    saved_head, saved_attention = getattr(config, "head", "mlm"), getattr(config, "global_attention", None)
    head = known(head or saved_head, HEADS, "head")
    options = HEADS[head] | {
        name: getattr(config, name) for name in HEADS[head] if head == saved_head and hasattr(config, name)
    }
    for name in overrides:
        known(name, options, f"parameter of head {head}")
    _set_options(config, head, options | overrides)
    if saved_attention == "none" and config.global_attention == "cls":
        weights |= _global_from_local(weights)
    model = model_class(config.model_type, head)(config)
    _fill(model, weights, Path(folder))
    return model.eval()


def model_class(kind: str, head: str) -> type[PreTrainedModel]:
    """The class for a ``config.model_type`` and a head."""
    from dnakit.models import classes

    return (classes.LANGUAGE_MODELS if head.startswith("mlm") else classes.CLASSIFIERS)[kind]


def known(name: str, names: Iterable[str], what: str) -> str:
    """The name, if it is one of the names.

    Raises
    ------
    DnakitError
        Otherwise, with the nearest name.
    """
    names = list(names)
    if name in names:
        return name
    hint = did_you_mean(name, names) or f"; choose one of {', '.join(names)}"
    raise DnakitError(f"{name!r} is not a{'n' if what[0] in 'aeiou' else ''} {what}{hint}")


def _config(kind: str, head: str, values: dict[str, Any]) -> PreTrainedConfig:
    """A configuration of the architecture's class from sizes and options."""
    from dnakit.models.classes import CONFIGS

    _check_sizes(values)
    _check_dropouts(values)
    tokens = values["max_tokens"] + (PAD + 1 if kind == "longformer" else 0)
    options = {name: values[name] for name in HEADS[head]}
    sizes = {name: value for name, value in values.items() if name not in options and name != "max_tokens"}
    config = CONFIGS[kind](max_position_embeddings=tokens, **sizes, **SPECIAL_TOKEN_IDS)
    return _set_options(config, head, options)


def _check_sizes(values: dict[str, Any]) -> None:
    """Refuse sizes that are none, a width that heads cannot share, and a window without a middle."""
    for name in SIZES & values.keys():
        if type(values[name]) is not int or values[name] < 1:
            raise DnakitError(f"{name} is {values[name]!r}: give a whole number of at least 1")
    if values["hidden_size"] % values.get("num_attention_heads", 1):
        raise DnakitError(
            "hidden_size {hidden_size} is no multiple of num_attention_heads {num_attention_heads}: change one".format(
                **values
            )
        )
    if values.get("attention_window", 2) % 2:
        raise DnakitError(f"attention_window {values['attention_window']} is odd: half of it lies on either side")


def _check_dropouts(values: dict[str, Any]) -> None:
    """Refuse dropouts that are no probability, or drop everything."""
    for name, value in values.items():
        if "dropout" in name and not (isinstance(value, int | float) and 0 <= value < 1):
            raise DnakitError(f"{name} is {value!r}: give a number from 0 to below 1")


def _set_options(config: PreTrainedConfig, head: str, options: dict[str, Any]) -> PreTrainedConfig:
    """Write the head and its options into the configuration, where ``config.json`` keeps them."""
    for name, choices in CHOICES.items():
        if name in options:
            known(options[name], choices, f"value of {name}")
    if "num_labels" in options and type(options["num_labels"]) is not int:
        raise DnakitError(f"head {head} needs num_labels, the number of classes: give it as a whole number")
    _check_dropouts(options)
    config.head = head
    for name, value in options.items():
        setattr(config, name, value)
    return config


def _saved(folder: Path) -> tuple[PreTrainedConfig, dict[str, Tensor]]:
    """Configuration and weights in a folder."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from transformers import AutoConfig

    from dnakit.models.classes import CONFIGS

    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise DnakitError(f"no {name} in {folder}: give a folder that save_pretrained wrote")
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        weights = load_file(folder / "model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise DnakitError(f"no model can be read from {folder}: {' '.join(str(error).split())}") from error
    known(config.model_type, CONFIGS, "architecture that dnakit opens")
    return config, weights


def _global_from_local(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The attention's query, key and value under the names of the global ones."""
    parts = {
        f".{part}.{kind}": f".{part}_global.{kind}" for part in ("query", "key", "value") for kind in ("weight", "bias")
    }
    return {
        name.removesuffix(local) + wide: weight.clone()
        for name, weight in weights.items()
        for local, wide in parts.items()
        if name.endswith(local)
    }


def _fill(model: PreTrainedModel, weights: dict[str, Tensor], folder: Path) -> None:
    """Copy the weights the model has a place for; those of its encoder must all be there."""
    places = model.state_dict()
    fitting = {
        name: weight for name, weight in weights.items() if name in places and places[name].shape == weight.shape
    }
    missing = model.load_state_dict(fitting, strict=False).missing_keys
    encoder = [name for name in missing if name.startswith(model.base_model_prefix + ".")]
    if encoder:
        raise DnakitError(f"the weights in {folder} lack {encoder[0]} and {len(encoder) - 1} more of this encoder")


def describe(vocab_size: int) -> pd.DataFrame:
    """Sizes of the thesis's architectures as language models, parameters counted (tied weights once)."""
    import pandas as pd
    import torch

    rows = {}
    for name in ARCHITECTURES:
        with torch.device("meta"):
            model = build(name, "mlm", vocab_size)
        config = model.config
        window = getattr(config, "attention_window", None)
        rows[name] = {
            "blocks": config.num_hidden_layers,
            "heads": getattr(config, "num_attention_heads", None),
            "window": window[0] if isinstance(window, list) else window,
            "width": config.hidden_size,
            "feed-forward": getattr(config, "intermediate_size", None),
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").astype("Int64").rename_axis("architecture")
