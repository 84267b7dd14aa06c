"""From genomes to samples: which genomes, which split, which tokenizer.

Thesis section 4.2.1. A *corpus* is a tokenizer, learned from the training genomes, and the samples of every split as
token ids: a ``datasets.DatasetDict`` on disk (`dnakit.tokens.rows`), which ``datasets.load_from_disk`` opens.
`dnakit.tokens.samples` frames and masks them.

A nuclear genome's chromosomes are cut into pieces, and a piece takes the place of a genome in all this.

Beside the thesis's random splits a corpus may hold out two more sets of genomes, the same for every tokenization of the
same source: ``near``, drawn at random like a test split, so that relatives of its genomes are in training, and ``far``,
whole families (of a nuclear genome: chromosomes) of which training sees nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dnakit import store
from dnakit.data import sources, taxonomy
from dnakit.data.formats import Record, read_fasta
from dnakit.project import DnakitError
from dnakit.tokens import rows
from dnakit.tokens.parameters import FEWEST_GENOMES, HELD_OUT, SPLITS, CorpusParameters, corpus_key
from dnakit.tokens.tokenizer import DnaTokenizer, bigbird_words, known_words, load_tokenizer, train_tokenizer
from dnakit.tokens.vocabulary import SPECIAL_TOKENS

if TYPE_CHECKING:
    from datasets import DatasetDict
    from pyarrow import ChunkedArray

SHELF = "datasets"  # of the store; the folders of ``corpora``, written in another format, are never opened
HELD_OUT_RANK = "family"
BPE_BASES = 100_000_000  # BPE learns from at most so much sequence, taken evenly, so that hg38 needs no more memory
BPE_PIECE = 1_008_000  # taken or left as a whole; a multiple of 6, 9 and 12
KNOWN_SHARE = 0.5  # of a nuclear piece's letters must be known bases: centromeres are runs of N


def split(count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw the thesis's splits of `count` genomes: 10% test, and 10% of the rest validation (81/9/10)."""
    order = rng.permutation(count)
    test = round(0.1 * count)
    validation = round(0.1 * (count - test))
    parts = np.split(order, [test, test + validation])
    return {"test": np.sort(parts[0]), "validation": np.sort(parts[1]), "train": np.sort(parts[2])}


@dataclass(frozen=True)
class Corpus:
    """A finished corpus in the store; see `prepare`."""

    folder: Path

    @cached_property
    def tokenizer(self) -> DnaTokenizer:
        """The tokenizer learned from the training genomes."""
        return load_tokenizer(self.folder / "tokenizer")

    @cached_property
    def genomes(self) -> dict[str, list[str]]:
        """Names of the genomes of each split, ``near`` and ``far`` included."""
        return store.read_json(self.folder / "genomes.json")

    @cached_property
    def sizes(self) -> dict[str, dict[str, int]]:
        """Bases read, words cut and tokens, over all passes: ``sizes["words"]["train"]``."""
        return store.read_json(self.folder / "sizes.json")

    @cached_property
    def dataset(self) -> "DatasetDict":
        """The samples of all splits, as ``datasets.load_from_disk(folder)`` opens them."""
        return rows.load(self.folder)

    def token_ids(self, part: str) -> "ChunkedArray":
        """Token ids of a split by sample: ``token_ids("train")[7].values.to_numpy()``; uint16, mapped from disk."""
        return self.dataset[part].data.column("token_ids")

    def ids(self, part: str) -> np.ndarray:
        """All token ids of a split, one document after the other; uint16, copied where they are many."""
        return rows.joined(self.token_ids(part))

    def ends(self, part: str) -> np.ndarray:
        """Where each document (one pass over one genome) ends in `ids`; a pass without tokens is none."""
        starts = self.dataset[part].data.column("start").to_numpy()
        ends = np.cumsum(rows.lengths(self.token_ids(part)))
        return ends[np.append(starts[1:] == 0, True)]

    def ids_by_document(self, part: str) -> list[np.ndarray]:
        """The token ids of each document of a split."""
        return np.split(self.ids(part), self.ends(part)[:-1])


def prepare(parameters: CorpusParameters) -> Corpus:
    """The corpus of these parameters, from the store or made now.

    Raises
    ------
    DnakitError
        If a source cannot be had, two sources hold records of one name, or they hold fewer genomes than asked for.
    """
    made_key = corpus_key(parameters)
    return Corpus(store.get_or_make(SHELF, made_key, lambda folder: _fill(folder, parameters)))


def check(corpora: Iterable[CorpusParameters]) -> None:
    """Refuse corpora that cannot be made of their sources; these are read, where the store lacks the corpus.

    Raises
    ------
    DnakitError
        As `prepare` would.
    """
    missing = [corpus for corpus in corpora if not store.path_of(SHELF, corpus_key(corpus)).exists()]
    alike = {"genomes", "tokenization", "vocab_size", "resamplings"}
    largest = {str(each.model_dump(exclude=alike)): each for each in sorted(missing, key=lambda each: each.genomes)}
    try:
        for corpus in largest.values():
            _choose(corpus)
    except DnakitError:
        for corpus in missing:
            _choose(corpus)  # the first that fails says it, as when all are made in turn
        raise


def documents(parameters: CorpusParameters) -> Iterator[Record]:
    """The genomes, or pieces of chromosomes, a corpus may draw from, one record of the sources in memory at a time."""
    for record in _records(parameters.sources):
        if not parameters.piece:
            if len(record.sequence) <= parameters.longest_genome:
                yield record
            continue
        for start in range(0, len(record.sequence), parameters.piece):
            piece = record.sequence[start : start + parameters.piece]
            if sum(map(piece.count, b"ACGT")) >= KNOWN_SHARE * parameters.piece:
                yield Record(f"{record.name}:{start}", "", piece)


def _records(names: list[str]) -> Iterator[Record]:
    """All records of these sources; a name in two of them is refused, because names tell genomes apart."""
    source_of: dict[str, int] = {}
    for number, name in enumerate(names):
        for record in read_fasta(sources.fetch(name)):
            first = source_of.setdefault(record.name, number)
            if first != number:
                raise DnakitError(
                    f"{Path(names[first]).name} and {Path(name).name} both hold a record named {record.name!r}; "
                    "give every record of the sources a name of its own, or leave one source out"
                )
            yield record


def _fill(folder: Path, parameters: CorpusParameters) -> None:
    """Write a corpus: choose and split the genomes, learn the tokenizer from the training split, encode all splits."""
    parts = _choose(parameters)
    train_bases = sum(length for length in parts["train"].values())
    texts = _texts(set(parts["train"]), train_bases, parameters)
    tokenizer = train_tokenizer(texts, parameters.vocab_size, parameters.word_length)
    tokenizer.save_pretrained(folder / "tokenizer")
    membership = {name: part for part, names in parts.items() for name in names}
    store.write_json(folder / "sizes.json", _encode(folder, membership, tokenizer, parameters))
    store.write_json(folder / "genomes.json", {part: list(names) for part, names in parts.items()})


def _choose(parameters: CorpusParameters) -> dict[str, dict[str, int]]:
    """Names and lengths of the genomes of each split."""
    lengths = {record.name: len(record.sequence) for record in documents(parameters)}
    what = (
        f"pieces of {parameters.piece:,} bases"
        if parameters.piece
        else f"genomes of at most {parameters.longest_genome:,} bases"
    )
    where = ", ".join(Path(source).name for source in parameters.sources)
    if not lengths:
        mend = "lower 'nuclear_piece'" if parameters.piece else "raise 'longest_genome'"
        raise DnakitError(f"{where} holds no {what}: {mend}")
    held_out, free = _hold_out(list(lengths), parameters)
    wanted = parameters.genomes or max(FEWEST_GENOMES, len(free))
    if len(free) < wanted:
        aside = f" besides {len(lengths) - len(free):,} held out" if parameters.ruler_genomes else ""
        fewer = "lower 'genomes' (or 'nuclear_pieces')" if parameters.genomes else "give more, lower 'held_out_genomes'"
        needed = "asked for" if parameters.genomes else "needed"
        raise DnakitError(
            f"{where} holds {len(free):,} {what}{aside}, but {wanted:,} are {needed}; "
            f"{fewer}, or raise 'longest_genome'"
        )
    rng = np.random.default_rng(parameters.seed)
    names = np.array(free)[np.sort(rng.permutation(len(free))[:wanted])]
    parts = {part: names[rows].tolist() for part, rows in split(len(names), rng).items()} | held_out
    return {part: {name: lengths[name] for name in members} for part, members in parts.items()}


def _hold_out(names: list[str], parameters: CorpusParameters) -> tuple[dict[str, list[str]], list[str]]:
    """Names of ``near`` and ``far``, and those left; the same for every tokenization and number of genomes."""
    count = parameters.ruler_genomes
    if not count:
        return {}, names
    rng = np.random.default_rng([parameters.seed, 3])
    if parameters.piece:
        apart = [name for name in names if name.rsplit(":", 1)[0] in parameters.far_chromosomes]
        far = sorted(rng.permutation(np.array(apart))[:count].tolist())
        rest = sorted(set(names) - set(apart))
    else:
        lineages = taxonomy.lineages(sources.fetch(parameters.taxonomy))
        try:
            far, rest = taxonomy.hold_out(names, lineages, HELD_OUT_RANK, count, rng)
        except DnakitError as error:
            raise DnakitError(f"{error}; or set 'held_out_genomes' to 0") from None
    if not far:
        if parameters.piece:
            names_of = sorted({name.rsplit(":", 1)[0] for name in names})
            raise DnakitError(
                f"no sequence of the sources is named {' or '.join(parameters.far_chromosomes) or 'nothing'}: "
                f"give 'nuclear_far' names of theirs, such as {', '.join(names_of[:5])}"
            )
        raise DnakitError(f"no genome can be held out as 'far': no source has a {HELD_OUT_RANK} in 'taxonomy'")
    near = set(rng.permutation(np.array(rest))[:count].tolist())
    kept = set(rest) - near
    return {"near": sorted(near), "far": sorted(far)}, [name for name in names if name in kept]


def _texts(names: set[str], bases: int, parameters: CorpusParameters) -> Iterator[str]:
    """What BPE learns from: whole words of the training genomes, every n-th piece of them where there is too much."""
    every = -(-bases // BPE_BASES)
    rng = np.random.default_rng([parameters.seed, 1])
    pieces = (
        record.sequence[start : start + BPE_PIECE]
        for record in documents(parameters)
        if record.name in names
        for start in range(0, len(record.sequence), BPE_PIECE)
    )
    for number, piece in enumerate(pieces):
        if number % every:
            continue
        if parameters.word_length is None:
            yield from (word.decode() for word in bigbird_words(piece, rng) if not word.strip(b"ACGT"))
        else:
            yield known_words(piece, parameters.word_length)


def _encode(
    folder: Path, membership: dict[str, str], tokenizer: DnaTokenizer, parameters: CorpusParameters
) -> dict[str, dict[str, int]]:
    """Write the samples, one genome in memory at a time; return bases, words and tokens by split."""
    parts = [part for part in (*SPLITS, *HELD_OUT) if part in membership.values()]
    writer = rows.RowWriter(folder, parts)
    sizes = {count: dict.fromkeys(parts, 0) for count in ("bases", "words", "tokens")}
    known = set()
    rng = np.random.default_rng([parameters.seed, 2])
    for record in documents(parameters):
        if record.name not in membership:
            continue
        part = membership[record.name]
        for number, (ids, words) in enumerate(_passes(record, tokenizer, parameters, rng)):
            writer.write(part, record.name, number, ids)
            for count, value in (("bases", len(record.sequence)), ("words", words), ("tokens", len(ids))):
                sizes[count][part] += value
            if (ids >= len(SPECIAL_TOKENS)).any():
                known.add(part)
    _refuse_without_tokens([part for part in parts if part not in known], parameters)
    writer.save()
    return sizes


def _passes(
    record: Record, tokenizer: DnaTokenizer, parameters: CorpusParameters, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, int]]:
    """Token ids of each pass over a genome, and the number of its words."""
    if parameters.word_length is not None:
        yield tokenizer.encode_sequence(record.sequence), -(-len(record.sequence) // parameters.word_length)
        return
    for _ in range(parameters.passes):
        words = list(bigbird_words(record.sequence, rng))
        yield tokenizer.encode_words(words), len(words)


def _refuse_without_tokens(parts: list[str], parameters: CorpusParameters) -> None:
    """One line where a split has nothing that a model could learn or be tested on."""
    if parts:
        raise DnakitError(
            f"{', '.join(parameters.sources)}: the {parts[0]} genomes give no tokens: they hold no known bases, or are "
            f"too short for {parameters.tokenization} words"
        )
