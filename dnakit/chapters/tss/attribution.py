"""What a model of the TSS looks at: integrated gradients around the site, above the promoters' sequence logo.

Sundararajan et al. (2017): along the straight line from a baseline's embeddings to those of the input, the gradient of
the score is integrated and multiplied by the difference. The attributions of all tokens add up to the difference of the
two scores (completeness), so that a token's share can be read as what it contributed, for the site or against it.
"""

from collections.abc import Sequence

import logomaker
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from captum.attr import LayerIntegratedGradients
from matplotlib.figure import Figure
from transformers import PreTrainedModel

from dnakit.chapters.tss.samples import Sample, inputs
from dnakit.project import DnakitError
from dnakit.report.display import PALETTE
from dnakit.tokens.tokenizer import ALPHABET, CODES, SPECIAL_TOKENS, DnaTokenizer

MASK = SPECIAL_TOKENS.index("<mask>")
STEPS = 32  # of the integral, by Gauss and Legendre
BATCH = 16  # samples at a time, times the steps
AROUND = 150  # bases on either side of the site
LOGO = (-50, 20)  # bases of the logo, both included
LETTERS = {"A": "#009E73", "C": "#0072B2", "G": "#E69F00", "T": "#D55E00"}  # Okabe and Ito


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


def attribute(
    model: PreTrainedModel, samples: Sequence[Sample], tokenizer: DnaTokenizer, around: int = AROUND
) -> np.ndarray:
    """Attributions aligned at the TSS, each token's spread evenly over its bases.

    Parameters
    ----------
    model, samples
        As for `token_attributions`.
    tokenizer : DnaTokenizer
        Of the samples.
    around : int
        Bases on either side.

    Returns
    -------
    np.ndarray
        ``(samples, 2 around + 1)``, the TSS in the middle; NaN beyond the ends of a sample.
    """
    lengths = tokenizer.token_lengths()
    aligned = np.full((len(samples), 2 * around + 1), np.nan)
    for row, sample, values in zip(aligned, samples, token_attributions(model, samples)[0], strict=True):
        sizes = lengths[sample.tokens]
        bases = np.repeat(values / np.maximum(sizes, 1), sizes)
        first = around - int(sizes[: sample.label].sum()) - sample.offset  # where the sample's first base goes
        start, end = max(first, 0), min(first + len(bases), len(row))
        row[start:end] = bases[start - first : end - first]
    return aligned


# ---- the picture


def information(windows: Sequence[bytes], tss: int) -> pd.DataFrame:
    """Heights of a sequence logo (Schneider and Stephens 1990): bits by position from the TSS, and letter.

    Information is relative to the composition of the windows, so that an AT-rich genome is no motif.
    """
    codes = CODES[np.frombuffer(b"".join(windows), np.uint8)].reshape(len(windows), -1)
    background = np.bincount(codes.ravel(), minlength=5)[:4] + 1.0
    around = codes[:, tss + LOGO[0] : tss + LOGO[1] + 1]
    counts = pd.DataFrame(
        np.stack([(around == base).sum(0) for base in range(4)], axis=1),
        index=range(LOGO[0], LOGO[1] + 1),
        columns=list(ALPHABET.decode()),
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


def draw_attribution(profile: pd.DataFrame, bits: pd.DataFrame) -> Figure:
    """Mean attribution around the TSS, with its 95% interval, above the sequence logo of the same promoters.

    Parameters
    ----------
    profile, bits : DataFrame
        From `profile` and `information`.
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(7.0, 4.9), height_ratios=(3, 2))
    color = PALETTE["6-mer"]
    above.axvspan(bits.index[0] - 0.5, bits.index[-1] + 0.5, color="#f1f1f1", linewidth=0)
    above.axhline(0, color="#8a8a8a", linewidth=0.8)
    low, high = profile["mean"] - profile["half"], profile["mean"] + profile["half"]
    above.fill_between(profile["place"], low, high, color=color, alpha=0.25, linewidth=0)
    above.plot(profile["place"], profile["mean"], color=color, linewidth=1.4)
    above.set(xlim=(profile["place"].min(), profile["place"].max()), ylabel="attribution a base")
    logomaker.Logo(bits, ax=below, color_scheme=LETTERS, font_name="DejaVu Sans", font_weight="bold")
    below.set(xlim=(bits.index[0] - 0.5, bits.index[-1] + 0.5), ylabel="bits", xlabel="bases from the TSS")
    below.grid(False)
    for axis in (above, below):
        axis.axvline(0, color="#222222", linewidth=0.8, linestyle=":", zorder=0)
    return figure
