"""From tokens to samples: 256 of them, which are masked, and in which order two sentences stand.

Thesis section 4.2.1. A *sample* is ``<cls>``, up to 254 consecutive tokens of one genome, ``<sep>``, and padding to
256. For sentence-order prediction two neighbouring parts of such a sample are shown, in their order or swapped.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch.utils.data import Dataset

from dnakit.project import DnakitError
from dnakit.tokens.corpus import Corpus
from dnakit.tokens.parameters import HELD_OUT, SPLITS
from dnakit.tokens.rows import lengths
from dnakit.tokens.vocabulary import CLS, IGNORED, MASK, PAD, SAMPLE_LENGTH, SEP, SPECIAL_TOKENS

MASK_PROBABILITY = 0.15  # BERT's defaults, thesis 4.2.1: of the selected tokens 80% become <mask>,
MASKED_SHARE, RANDOM_SHARE = 0.8, 0.1  # 10% a random token, 10% stay


class MlmSamples(Dataset):
    """Masked-language-model samples of one split (thesis 4.2.1).

    Of the tokens that stand for known bases, 15% are selected at random; 80% of these become ``<mask>``, 10% a random
    token, 10% stay. The draw depends on nothing but the seed, the split, the sample and, where masking is dynamic, the
    epoch (`epoch`, which the training sets): a resumed training sees what an undisturbed one sees.

    Each item holds ``input_ids``, ``attention_mask``, ``labels`` (true ids, -100 where not labelled) and ``masked``
    (bool: shown as ``<mask>``, what accuracies on masked tokens count), all of shape (256,).

    Parameters
    ----------
    corpus : Corpus
        Each of its rows is the tokens of a sample; random tokens come from its vocabulary.
    part : str
        The split: one of `dnakit.tokens.parameters.SPLITS` or ``HELD_OUT``.
    masking : {"static", "dynamic"}
        Whether a sample is masked alike in each epoch, or anew (RoBERTa; thesis B.2).
    labelled : {"all", "selected"}
        Which tokens carry a label: every token that stands for bases, or the selected ones only.
    seed : int
        Of the masks.

    Raises
    ------
    DnakitError
        No row of the split has enough tokens.
    """

    shortest = 1  # tokens; what is left of a document in fewer is no sample

    def __init__(
        self,
        corpus: Corpus,
        part: str,
        masking: Literal["static", "dynamic"],
        labelled: Literal["all", "selected"],
        seed: int,
    ) -> None:
        self.token_ids, self.labelled, self.seed = corpus.token_ids(part), labelled, seed
        self.dynamic = masking == "dynamic"
        self.stream = (*SPLITS, *HELD_OUT).index(part)
        self.vocab_size = len(corpus.tokenizer)
        tokens = lengths(self.token_ids)
        self.rows = np.flatnonzero(tokens >= self.shortest)  # of the corpus, one a sample
        if not len(self.rows):
            raise DnakitError(
                f"the {part} genomes give no sample: each has fewer than {self.shortest} tokens; take longer genomes"
            )
        self.lengths = tokens[self.rows]  # tokens of each sample
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng([self.seed, self.stream, self.epoch if self.dynamic else 0, number])
        return masked_item(framed([self._tokens(number)]), self.vocab_size, self.labelled, rng)

    def _tokens(self, number: int) -> np.ndarray:
        return self.token_ids[int(self.rows[number])].values.to_numpy()


class SentenceOrderSamples(MlmSamples):
    """Masked samples of two sentences in their order or swapped, each with equal probability (thesis, Algorithm 2).

    A sample of `MlmSamples` loses up to a tenth of its tokens at either end and is cut in two somewhere inside. Each
    item also holds ``sentence_order_label``: 1 where the second sentence stands first.
    """

    shortest = 20  # Algorithm 2 divides by ten, and what it cuts from fewer tokens is no sentence

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        rng = np.random.default_rng([self.seed, self.stream, self.epoch if self.dynamic else 0, number, 1])
        tokens = self._tokens(number)
        start, cut, end = sentence_bounds(len(tokens), rng)
        pair = [tokens[start:cut], tokens[cut:end]]
        swapped = int(rng.integers(2))
        item = masked_item(framed(pair[::-1] if swapped else pair), self.vocab_size, self.labelled, rng)
        return item | {"sentence_order_label": torch.tensor(swapped)}


def sentence_bounds(length: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """Algorithm 2's ``a``, ``b`` and ``c``: where the first sentence begins, where it is cut, where the second ends."""
    tenth = length // 10
    start = int(rng.integers(1, tenth + 1))
    end = int(rng.integers(length - tenth, length))
    return start, int(rng.integers(start + tenth, end - tenth + 1)), end


def framed(sentences: Sequence[np.ndarray], width: int = SAMPLE_LENGTH) -> np.ndarray:
    """A model's input: ``<cls>`` sentence ``<sep>`` [sentence ``<sep>``], padded, int64, shape (width,)."""
    tokens = [[CLS], *(part for sentence in sentences for part in (sentence, [SEP]))]
    ids = np.concatenate([np.asarray(part, np.int64) for part in tokens])
    return np.pad(ids, (0, width - len(ids)), constant_values=PAD)


def framed_each(samples: Sequence[np.ndarray], width: int = SAMPLE_LENGTH) -> np.ndarray:
    """`framed` of samples of one sentence each, int64, shape (samples, width)."""
    return np.stack([framed([tokens], width) for tokens in samples])


def masked_item(
    true: np.ndarray, vocab_size: int, labelled: Literal["all", "selected"], rng: np.random.Generator
) -> dict[str, torch.Tensor]:
    """A masked sample as a model takes it: see `MlmSamples`."""
    seen, selected = mask_tokens(true, vocab_size, rng)
    scored = selected if labelled == "selected" else true >= len(SPECIAL_TOKENS)
    return {
        "input_ids": torch.from_numpy(seen),
        "attention_mask": torch.from_numpy((true != PAD).astype(np.int64)),
        "labels": torch.from_numpy(np.where(scored, true, IGNORED)),
        "masked": torch.from_numpy(seen == MASK),
    }


def mask_tokens(true: np.ndarray, vocab_size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """BERT's masking of token ids of any shape: what the model sees, and which positions were selected.

    Special tokens (``<unk>`` among them: nothing could be learned from it) are never selected, and a random token is
    never a special one.
    """
    selected = (rng.random(true.shape) < MASK_PROBABILITY) & (true >= len(SPECIAL_TOKENS))
    fate = rng.random(true.shape)
    random = rng.integers(len(SPECIAL_TOKENS), vocab_size, true.shape)
    seen = np.where(selected & (fate < MASKED_SHARE), MASK, true)
    return np.where(selected & (fate >= 1 - RANDOM_SHARE), random, seen), selected
