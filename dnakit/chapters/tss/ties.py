"""What the rule's accuracy owes to its choice among several possible boundaries, and a seam without words.

Where several boundaries of a sample are possible, the rule takes the last one. A rule that takes one of them at random
is right with the probability 1/n if the true one is among n of them: that is the expectation here.

The rule reads words of nine bases. A second tokenization has none: byte-pair encoding runs over the whole half. Two
halves that were encoded apart then show another trace: encoded in one piece, the same bases give other tokens.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from dnakit.chapters.tss import windows as promoters
from dnakit.chapters.tss.evaluating import SET, rule_lengths, windows_of
from dnakit.chapters.tss.rule import possible_boundaries
from dnakit.chapters.tss.samples import MOST_BEFORE, Sample, ThesisSamples, word_length
from dnakit.run import Outcome
from dnakit.tokens import corpus
from dnakit.tokens.tokenizer import DnaTokenizer, shared_tokenizer
from dnakit.tokens.without_words import without_words

if TYPE_CHECKING:
    from dnakit.chapters.tss.controls import RuleTies

_library = lru_cache(maxsize=4)(without_words)  # each sample asks for it
Possible = Callable[[Sequence[np.ndarray]], np.ndarray]  # see `possible_boundaries`


def evaluate(run: "RuleTies") -> Outcome:
    """Exact accuracies of the rule by method: its last and first possible boundary, and the expectation.

    The samples are those of the chapter's evaluation of the same set, so that ``last`` is the accuracy there.
    """
    chapter, windows = run.parameters, windows_of(run)
    tokenizer = shared_tokenizer(corpus.prepare(run.start.corpus).folder / "tokenizer")
    k = word_length(tokenizer)
    metrics: dict[str, Any] = {}

    def samples(kind: type[ThesisSamples], upstream: int) -> list[Sample]:
        framed = promoters.same_frame(windows, upstream, k)
        return list(kind(framed, tokenizer, chapter.seed, SET, count=chapter.rule_samples))

    for name, upstream in rule_lengths(chapter).items():
        rule = partial(possible_boundaries, tokenizer=tokenizer, remainder=upstream % k)
        metrics[name] = accuracies(samples(ThesisSamples, upstream), rule)
    whole = WholeEncoding(tokenizer)
    metrics["no-words"] = accuracies(samples(WholeSamples, chapter.upstream), whole.possible_boundaries)
    record = {"windows_of": run.kind, "corpus_key": run.inputs()["corpus"]}
    record |= {"parameters": chapter.model_dump(include={"seed", "upstream", "downstream", "seamless_upstream"})}
    counts = {"promoters": min(len(windows), chapter.rule_samples), "samples": chapter.rule_samples}
    return Outcome(metrics | counts, run.organism.record() | record)


def accuracies(samples: Sequence[Sample], possible: Possible) -> dict[str, float]:
    """Shares of samples in which the last, the first, and a random one of the possible boundaries is the right one.

    The mean number of possible boundaries is given as well.
    """
    passes = possible([sample.tokens for sample in samples])
    labels = np.array([sample.label for sample in samples])
    number, right = passes.sum(1), passes[np.arange(len(labels)), labels]
    last = passes.shape[1] - 1 - passes[:, ::-1].argmax(1)
    return {
        "last": float(np.mean(right & (last == labels))),
        "first": float(np.mean(right & (passes.argmax(1) == labels))),
        "expected": float(np.mean(right / np.maximum(number, 1))),
        "possible": float(np.mean(number)),
    }


# ---- without words


class WholeSamples(ThesisSamples):
    """The thesis's samples, each half encoded in one piece and not in words."""

    def encode(self, sequence: bytes) -> tuple[np.ndarray, np.ndarray]:
        """Tokens of a stretch, and how many letters each of them stands for."""
        encoding = _library(self.tokenizer).encode(sequence.decode(), add_special_tokens=False)
        sizes = [end - start for start, end in encoding.offsets]
        return np.array(encoding.ids, np.int32), np.array(sizes, np.int64)


class WholeEncoding:
    """Byte-pair encoding without words, and where halves that it encoded apart may meet."""

    def __init__(self, tokenizer: DnaTokenizer) -> None:
        self.library = _library(tokenizer)
        self.letters = [letters.decode() or "N" for letters in tokenizer.token_letters()]

    def possible_boundaries(self, tokens: Sequence[np.ndarray]) -> np.ndarray:
        """Where two halves may meet: as `dnakit.chapters.tss.rule.possible_boundaries`, without words."""
        found = np.zeros((len(tokens), max(map(len, tokens)) + 1), dtype=bool)
        for row, ids in zip(found, tokens, strict=True):
            row[[at for at in self._possible(ids.tolist()) if at <= MOST_BEFORE]] = True
        return found

    def _possible(self, ids: list[int]) -> list[int]:
        """The boundaries before and after which the tokens are what their letters encode to."""
        text = [self.letters[token] for token in ids]
        joined = self._encode(text)
        if joined == ids:
            return list(range(len(ids) + 1))  # no trace
        # A boundary that both encodings have is not where the halves meet: the two would be equal.
        first = 1 + next(at for at, pair in enumerate(zip(joined, ids, strict=False)) if pair[0] != pair[1])
        after = next(at for at, pair in enumerate(zip(joined[::-1], ids[::-1], strict=False)) if pair[0] != pair[1])
        inside = range(first, len(ids) - after)
        return [at for at in inside if self._encode(text[:at]) == ids[:at] and self._encode(text[at:]) == ids[at:]]

    def _encode(self, text: list[str]) -> list[int]:
        return self.library.encode("".join(text), add_special_tokens=False).ids
