"""What a training of a later chapter begins from: a pretrained encoder of chapter 2, or one without pretraining.

A later chapter names an initialization. ``nuclear`` and ``mitochondria`` mean the 9-mer Longformer pretrained on that
language; ``none`` means the same architecture and tokenizer as ``nuclear``, with initial weights.

Examples
--------
>>> run = start_of("smoke", "nuclear")                               # to name its key and to need it
>>> tokenizer, model = tokenizer_of(run), model_of("nuclear", run, "tss")  # inside `Run.compute`
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.pretraining.committed import CommittedModel
from dnakit.chapters.pretraining.parameters import NINE_MER, NOTEBOOK
from dnakit.chapters.pretraining.trainings import GLOBAL_CLS, PretrainingRun
from dnakit.project import DnakitError, did_you_mean
from dnakit.run import Run

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from dnakit.tokens.tokenizer import DnaTokenizer

LONGFORMER = "longformer"  # the small one, of chapters 2 to 5
NUCLEAR = f"{NINE_MER}-nuclear"
INITIALIZATIONS = {"nuclear": NUCLEAR, "mitochondria": NINE_MER, "none": NUCLEAR}  # the run of chapter 2 behind each


def start_of(profile: str, initialization: str) -> PretrainingRun:
    """The run of chapter 2 behind an initialization; no data are read.

    Parameters
    ----------
    profile
        The profile that chapter 2 was run with, such as ``laptop``.
    initialization
        One of `INITIALIZATIONS`. With ``none`` the run lends its tokenizer, its sizes and its kind of initial weights.

    Raises
    ------
    DnakitError
        If there is no such profile or initialization, or the profile does not train the run.
    """
    if initialization not in INITIALIZATIONS:
        known = ", ".join(INITIALIZATIONS)
        raise DnakitError(
            f"there is no initialization {initialization!r}{did_you_mean(initialization, INITIALIZATIONS)}; "
            f"known: {known}"
        )
    name = INITIALIZATIONS[initialization]
    return _trained(profile, name, "add it to its 'models'")


def start_with_global_cls(profile: str) -> PretrainingRun:
    """The twin of ``mitochondria`` that was pretrained with a global ``<cls>``; no data are read.

    Raises
    ------
    DnakitError
        If the profile does not train it.
    """
    return _trained(profile, GLOBAL_CLS, "set its 'global_cls'")


def full_size_start(parameters: BaseModel) -> CommittedModel:
    """The full-size encoder that lies in the repository, for a chapter with these parameters."""
    return CommittedModel(parameters, "committed-full-size")


def _trained(profile: str, name: str, otherwise: str) -> PretrainingRun:
    run = chapter_of(NOTEBOOK, profile).runs.get(name)
    if not isinstance(run, PretrainingRun):
        raise DnakitError(f"{NOTEBOOK} does not train {name} with profile {profile}: {otherwise}")
    return run


def model_folder(run: Run) -> Path:
    """Where its model and tokenizer are saved; it is trained now if the store lacks it."""
    return run.folder() / "model"


def tokenizer_of(run: Run) -> "DnaTokenizer":
    """Its tokenizer."""
    from dnakit.tokens.tokenizer import load_tokenizer

    return load_tokenizer(model_folder(run))


def model_of(
    initialization: str, run: PretrainingRun, head: str, architecture: str = LONGFORMER, **options: Any
) -> "PreTrainedModel":
    """The model that a training begins with: the pretrained encoder under a new head, or a model without pretraining.

    Parameters
    ----------
    initialization
        As in `start_of`.
    run
        What `start_of` gave.
    head
        Such as ``tss``: see `dnakit.models.build.build`.
    architecture
        Of a model without pretraining; a pretrained encoder has its own.
    **options
        Options of the head, such as ``classifier_dropout`` or ``num_labels``.
    """
    from dnakit.models import build, initial_weights

    if initialization != "none":
        return build.load(model_folder(run), head=head, **options)
    # An ELMo has neither positions nor attention that could be informed.
    weights = "random" if architecture == "elmo" else run.parameters.initial_weights
    sizes = run.parameters.sizes_of(architecture)
    return initial_weights.build(architecture, head, tokenizer_of(run), weights, **sizes, **options)
