"""What a model of the TSS looks at: integrated gradients around the site, above the promoters' sequence logo.

Sundararajan et al. (2017): along the straight line from a baseline's embeddings to those of the input, the gradient of
the score is integrated and multiplied by the difference. The attributions of all tokens add up to the difference of the
two scores (completeness), so that a token's share can be read as what it contributed, for the site or against it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import logomaker
import numpy as np
import pandas as pd
import torch
from captum.attr import LayerIntegratedGradients
from transformers import PreTrainedModel

from dnakit.chapters.tss.fine_tuning import samples_of, windows_of
from dnakit.chapters.tss.samples import Sample, inputs
from dnakit.data import bases
from dnakit.models import build
from dnakit.project import DnakitError
from dnakit.tokens.vocabulary import MASK

if TYPE_CHECKING:
    from dnakit.chapters.tss.trainings import Training

STEPS = 32  # of the integral, by Gauss and Legendre
BATCH = 16  # samples at a time, and rows that go through the model at once: a row is a sample at one step
AROUND = 150  # bases on either side of the site
LOGO = (-50, 20)  # bases of the logo, both included


def write(training: "Training", promoters: int, folder: Path) -> tuple[int, int]:
    """Write ``attribution.csv`` and ``logo.csv`` of a training of the fair task: `profile` and `information`.

    Parameters
    ----------
    training
        Whose model is looked into.
    promoters
        So many of its test promoters, or all where there are fewer.
    folder
        Gets the files.

    Returns
    -------
    tuple of int
        Promoters of the profile, and windows of the logo (all of the organism).
    """
    test = samples_of(training)["test"]
    samples = [test.draw(number) for number in range(min(promoters, len(test.windows), len(test)))]
    model = build.load(training.folder() / "model")
    means = profile(attribute(model, samples))
    means.to_csv(folder / "attribution.csv", index=False, float_format="%.5g")
    windows = windows_of(training)
    bits = information(windows.sequences, windows.site)
    bits.rename_axis("place").to_csv(folder / "logo.csv", float_format="%.4f")
    return len(samples), len(windows)


def token_attributions(model: PreTrainedModel, samples: Sequence[Sample]) -> tuple[list[np.ndarray], np.ndarray]:
    """Integrated gradients of the score of the token that holds the TSS, token by token.

    The baseline is ``<mask>`` in place of every token of the sample, ``<cls>`` and ``<sep>`` staying: pretraining has
    taught the model to read it as "here is a token, and nothing is known of it" (to a model that was not pretrained it
    is a token never met). ``<pad>`` would not do: it is never attended to, so that its embedding means nothing at all.
    Positions are those of the sample on the whole way.

    Parameters
    ----------
    model : PreTrainedModel
        With the head ``tss``; it is put in evaluation mode.
    samples : sequence of Sample

    Returns
    -------
    list of np.ndarray
        One for each sample, of the shape of its tokens, in units of the score.
    np.ndarray
        The difference of the scores of sample and baseline, ``(samples,)``.

    Raises
    ------
    DnakitError
        If there is no sample, or the model has another head.
    """
    if not samples or getattr(model.config, "head", None) != "tss":
        raise DnakitError("attributions need a model with the head 'tss' and at least one sample")
    model.eval()
    parts = [_batch(model, samples[start : start + BATCH]) for start in range(0, len(samples), BATCH)]
    attributions, differences = (np.concatenate(each) for each in zip(*parts, strict=True))
    rows = zip(attributions, samples, strict=True)
    return [row[1 : 1 + len(sample.tokens)] for row, sample in rows], differences


def _batch(model: PreTrainedModel, samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """Attributions ``(samples, length)``, and differences of scores."""
    rows = [inputs(sample.tokens) for sample in samples]
    ids, mask = (torch.stack([row[name] for row in rows]).to(model.device) for name in ("input_ids", "attention_mask"))
    target = torch.tensor([1 + sample.label for sample in samples], device=model.device)
    baseline = ids.clone()
    for row, sample in zip(baseline, samples, strict=True):
        row[1 : 1 + len(sample.tokens)] = MASK

    def score(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return model(ids, attention_mask=mask).logits

    method = LayerIntegratedGradients(score, model.get_input_embeddings())
    gradients, error = method.attribute(
        ids,
        baseline,
        target=target,
        additional_forward_args=(mask,),
        n_steps=STEPS,
        internal_batch_size=BATCH,
        return_convergence_delta=True,
    )
    total = gradients.sum((1, 2))
    return gradients.sum(-1).detach().cpu().numpy(), (total - error).detach().cpu().numpy()


def attribute(model: PreTrainedModel, samples: Sequence[Sample], around: int = AROUND) -> np.ndarray:
    """Attributions aligned at the TSS, each token's spread evenly over its bases.

    Parameters
    ----------
    model, samples
        As for `token_attributions`.
    around : int
        Bases on either side.

    Returns
    -------
    np.ndarray
        ``(samples, 2 around + 1)``, the TSS in the middle; NaN beyond the ends of a sample.
    """
    aligned = np.full((len(samples), 2 * around + 1), np.nan)
    for row, sample, values in zip(aligned, samples, token_attributions(model, samples)[0], strict=True):
        by_base = np.repeat(values / np.maximum(sample.sizes, 1), sample.sizes)
        first = around - sample.tss  # where the sample's first base goes
        start, end = max(first, 0), min(first + len(by_base), len(row))
        row[start:end] = by_base[start - first : end - first]
    return aligned


# ---- what the figure shows


def information(windows: Sequence[bytes], tss: int) -> pd.DataFrame:
    """Heights of a sequence logo (Schneider and Stephens 1990): bits by position from the TSS, and letter.

    Information is relative to the composition of the windows, so that an AT-rich genome is no motif.
    """
    codes = bases.codes(b"".join(windows)).reshape(len(windows), -1)
    background = np.bincount(codes.ravel(), minlength=5)[:4] + 1.0
    around = codes[:, tss + LOGO[0] : tss + LOGO[1] + 1]
    counts = pd.DataFrame(
        np.stack([(around == base).sum(0) for base in range(4)], axis=1),
        index=range(LOGO[0], LOGO[1] + 1),
        columns=list(bases.ALPHABET.decode()),
    )
    return logomaker.transform_matrix(
        counts, from_type="counts", to_type="information", background=background / background.sum(), pseudocount=0
    )


def profile(attributions: np.ndarray) -> pd.DataFrame:
    """Mean attribution by place, where at least two promoters are seen.

    Parameters
    ----------
    attributions : np.ndarray, shape (promoters, places)
        From `attribute`, the TSS in the middle.

    Returns
    -------
    DataFrame
        ``place`` (bases from the TSS), ``promoters`` (seen there), ``mean``, ``half`` (of the 95% interval).
    """
    seen = (~np.isnan(attributions)).sum(0)
    kept, around = seen > 1, attributions.shape[1] // 2
    shown = attributions[:, kept]
    columns = {"place": np.arange(-around, around + 1)[kept], "promoters": seen[kept], "mean": np.nanmean(shown, 0)}
    return pd.DataFrame(columns | {"half": 1.96 * np.nanstd(shown, 0, ddof=1) / np.sqrt(seen[kept])})
