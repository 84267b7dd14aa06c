"""What a tokenization makes of genomes: counts of a corpus (thesis section 4.2.1)."""

import itertools

import numpy as np
import pandas as pd

from dnakit.tokens.corpus import Corpus
from dnakit.tokens.rows import sample_bounds
from dnakit.tokens.tokenizer import DnaTokenizer
from dnakit.tokens.vocabulary import SPECIAL_TOKENS, UNK

SHIFTED_GENOMES = 10  # over which the effect of one missing base is measured


def measure(corpus: Corpus) -> dict[str, float | None]:
    """Count the training genomes of a corpus.

    Returns
    -------
    dict
        ``vocabulary``: tokens learned, special tokens included.
        ``used``: share of the vocabulary that the training genomes use.
        ``tokens_per_word``; ``whole_words``: share of the words that are one token.
        ``bases_per_token``.
        ``input_bases``, ``input_bases_low``, ``input_bases_high``: median, 5th and 95th percentile of the bases that a
        full sample of 254 tokens spans.
        ``unigram_bits_per_base``: entropy of the token frequencies, in bits, over the bases that the tokens cover.
        ``kept_after_shift``: see `kept_after_shift`.
        ``tokens``, ``samples``.
        ``megabytes``: token ids of all splits on disk.
    """
    lengths, ids = corpus.tokenizer.token_lengths(), corpus.ids("train")
    counts = np.bincount(ids, minlength=len(lengths))
    bases = int((counts * lengths).sum())
    return {
        "vocabulary": len(lengths),
        "used": float((counts[len(SPECIAL_TOKENS) :] > 0).mean()),
        "tokens_per_word": len(ids) / corpus.sizes["words"]["train"],
        "whole_words": _whole_words(corpus),
        "bases_per_token": bases / int(counts[lengths > 0].sum()),
        **_inputs(lengths[ids], sample_bounds(corpus.ends("train"))),
        "unigram_bits_per_base": _entropy(counts) * int(counts.sum()) / bases,
        "kept_after_shift": kept_after_shift(corpus),
        "tokens": len(ids),
        "megabytes": sum(corpus.ids(part).nbytes for part in ("train", "validation", "test")) / 1e6,
    }


def _inputs(lengths: np.ndarray, bounds: np.ndarray) -> dict[str, float]:
    """Number of samples, and the bases that a full one spans, from the length of each token and the samples' bounds."""
    full = bounds[bounds[:, 1] - bounds[:, 0] == np.diff(bounds).max()]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    low, median, high = np.percentile(ends[full[:, 1]] - ends[full[:, 0]], [5, 50, 95])
    spans = {"input_bases_low": float(low), "input_bases": float(median), "input_bases_high": float(high)}
    return {"samples": len(bounds), **spans}


def _entropy(counts: np.ndarray) -> float:
    """Entropy of the frequencies, in bits."""
    frequencies = counts[counts > 0] / counts.sum()
    return float(-(frequencies * np.log2(frequencies)).sum())


def _whole_words(corpus: Corpus) -> float | None:
    """Share of the training words that are one token; None for BigBird-style words, which are no units of their own."""
    k = corpus.tokenizer.word_length
    if k is None:
        return None
    whole = corpus.tokenizer.token_lengths()[corpus.ids("train")] == k
    return float(whole.sum() / corpus.sizes["words"]["train"])


def token_lengths(corpus: Corpus) -> pd.DataFrame:
    """By length in bases: number of tokens in the vocabulary, and their share of the training tokens."""
    lengths = corpus.tokenizer.token_lengths()
    counts = np.bincount(corpus.ids("train"), minlength=len(lengths))
    vocabulary = np.bincount(lengths)
    used = np.bincount(lengths, weights=counts) / counts.sum()
    table = pd.DataFrame({"bases": np.arange(len(vocabulary)), "vocabulary": vocabulary, "used": used})
    return table[(table.bases > 0) & (table.vocabulary > 0)]


def tokens_per_word(corpus: Corpus) -> pd.DataFrame:
    """Share of the validation genomes' k-mer words that take 1, 2, 3… tokens; empty for BigBird-style words.

    Words are found by counting bases, so genomes are followed to their first unknown letter.
    """
    k, starts = corpus.tokenizer.word_length, known_starts(corpus)
    if k is None or not starts:
        return pd.DataFrame({"tokens": [], "share": []})
    sizes = [np.bincount((np.cumsum(corpus.tokenizer.token_lengths()[ids]) - 1) // k) for ids in starts]
    shares = np.bincount(np.concatenate(sizes)) / sum(len(size) for size in sizes)
    return pd.DataFrame({"tokens": np.arange(1, len(shares)), "share": shares[1:]})


def kept_after_shift(corpus: Corpus) -> float | None:
    """Share of a genome's tokens that are still there, at the same bases, when its first base is missing.

    Thesis 4.2.1 names the misaligned frame as the drawback of k-mers; without words there is no frame to lose. Each
    genome is encoded as one sequence, as at inference, up to its first unknown letter. Where all genomes start with
    one, as chromosomes do, the longest stretch between unknown letters takes its place.
    """
    tokenizer = corpus.tokenizer
    kept = total = 0
    stretches = known_starts(corpus) or [max(document, key=len) for document in _known_stretches(corpus)]
    for ids in stretches[:SHIFTED_GENOMES]:
        sequence = "".join(tokenizer.convert_ids_to_tokens(ids.tolist()))
        whole, shifted = _spans(tokenizer, sequence, 0), _spans(tokenizer, sequence[1:], 1)
        kept, total = kept + len(whole & shifted), total + len(whole)
    return kept / total if total else None


def _spans(tokenizer: DnaTokenizer, sequence: str, offset: int) -> set[tuple[int, int]]:
    """First and last base of each token."""
    bounds = [offset, *(offset + np.cumsum(tokenizer.token_lengths()[tokenizer.encode_sequence(sequence)])).tolist()]
    return set(itertools.pairwise(bounds))


def known_starts(corpus: Corpus) -> list[np.ndarray]:
    """Token ids of each validation document up to its first unknown letter, where there are any."""
    return [ids for stretches in _known_stretches(corpus) if len(ids := stretches[0])]


def _known_stretches(corpus: Corpus) -> list[list[np.ndarray]]:
    """Token ids of each validation document between its unknown letters; the first is empty if it begins with one."""
    documents = corpus.ids_by_document("validation")
    stretches = []
    for ids in documents:
        unknown = np.flatnonzero(ids == UNK)
        first, *others = np.split(ids, unknown)
        stretches.append([first, *(other[1:] for other in others)])
    return stretches


def example(corpora: dict[str, Corpus], bases: int) -> pd.DataFrame:
    """The first known bases of a validation genome in each tokenizer's tokens.

    A blank ends a token, a bar a k-mer word.
    """
    first = next(iter(corpora.values()))
    stretches = known_starts(first) or [ids for document in _known_stretches(first) for ids in document]
    start = max(stretches, key=len)[:bases]
    sequence = "".join(first.tokenizer.convert_ids_to_tokens(start.tolist()))[:bases]
    rows = {name: _spelled(corpus.tokenizer, sequence) for name, corpus in corpora.items()}
    return pd.Series(rows, name="tokens").rename_axis("tokenization").to_frame()


def _spelled(tokenizer: DnaTokenizer, sequence: str) -> str:
    k = tokenizer.word_length or len(sequence) or 1
    words = [sequence[start : start + k] for start in range(0, len(sequence), k)]
    encoded = (tokenizer.convert_ids_to_tokens(tokenizer.encode_sequence(word).tolist()) for word in words)
    return " | ".join(" ".join(tokens) for tokens in encoded)
