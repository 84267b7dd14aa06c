"""The data of chapter 10: reads with known errors, qualities of tokens, open reading frames, contexts and sampling."""

import gzip

import numpy as np
import pandas as pd
import pytest

from dnakit.chapters.chapter import chapter_of
from dnakit.chapters.future_work import context_measures, contexts, read_methods, reads
from dnakit.chapters.future_work.parameters import CONTEXTS, SAMPLINGS
from dnakit.data.bases import codes, letters, reverse_complement
from dnakit.data.windows import Site
from dnakit.project import DnakitError

RNG = np.random.default_rng(5)


def toy_task(phred, species=6, length=100):
    references = RNG.integers(0, 4, (species, length)).astype(np.uint8)
    strings = np.full((10, length), phred)
    return reads.Task([str(each) for each in range(species)], references, dict.fromkeys(reads.PARTS, strings))


@pytest.mark.parametrize("phred", [5, 10, 20])
def test_errors_are_as_frequent_as_the_qualities_say(phred):
    """Also where the qualities are lowered: the read then states the lower ones."""
    task = toy_task(phred + 3)
    drawn = task.draw("test", 500, 3, seed=1)
    expected = 10 ** (-phred / 10)
    assert (drawn.phred == phred).all()
    assert drawn.errors == pytest.approx(expected, rel=0.05)
    assert (drawn.codes != task.references[drawn.species]).mean() == pytest.approx(drawn.errors)


def test_the_same_seed_draws_the_same_reads_and_parts_differ():
    task = toy_task(10)
    one, again, train = (task.draw(part, 20, 0, seed=4) for part in ("test", "test", "train"))
    assert (one.codes == again.codes).all()
    assert not (one.codes == train.codes).all()


def test_qualities_of_a_token_are_between_its_bases_and_expected_errors_add_up():
    phred, lengths = RNG.integers(2, 41, 30), np.array([1, 2, 9, 9, 9])
    found = reads.token_quality(phred, lengths)
    assert (found["min"] <= found["mean"]).all()
    assert (found["expected"] <= found["min"] + 1e-9).all()  # a token is wrong at least as often as its worst base
    assert found["expected"][0] == pytest.approx(phred[0])
    right = np.prod(1 - 10 ** (-phred[1:3] / 10))
    assert 1 - 10 ** (-found["expected"][1] / 10) == pytest.approx(right)


def test_perfect_reads_are_always_named_right_and_qualities_help_where_they_tell():
    perfect = toy_task(60)
    drawn = perfect.draw("test", 5, 0, seed=1)
    for name, (method, _) in read_methods.METHODS.items():
        assert set(read_methods.right(method(perfect, drawn), drawn, 1)) == {"1"}, name
    close = toy_task(40)
    close.references[1:] = close.references[0]
    close.references[np.arange(6), np.arange(6) * 10] ^= 1  # each species differs at one place of its own
    close.strings["test"][:] = np.where(RNG.random((10, 100)) < 0.4, 4, 40)
    drawn = close.draw("test", 200, 0, seed=1)
    share = {
        name: np.mean([digit == "1" for digit in read_methods.right(method(close, drawn), drawn, 1)])
        for name, (method, _) in read_methods.METHODS.items()
    }
    assert share["likelihood"] > share["mismatches"] + 0.05
    assert share["likelihood"] >= max(share.values()) - 0.02


def test_likelihood_with_equal_qualities_orders_species_as_mismatches_do():
    task = toy_task(15)
    drawn = task.draw("test", 10, 0, seed=2)
    orders = [
        method(task, drawn).round(6).argsort(1, kind="stable")
        for method in (read_methods.mismatches, read_methods.likelihood)
    ]
    assert (orders[0] == orders[1]).all()


def test_the_nearest_sequence_is_found():
    sequences = RNG.integers(0, 4, (8, 60)).astype(np.uint8)
    sequences[5] = sequences[2]
    sequences[5, 7] ^= 1
    distance, other = reads.nearest(sequences)
    slow = [min((int((sequences[i] != sequences[j]).sum()), j) for j in range(8) if j != i) for i in range(8)]
    assert distance.tolist() == [each for each, _ in slow]
    assert (other[5], other[2]) == (2, 5)


# ---- contexts

GENE = b"ATG" + b"GCA" * 40 + b"TAA"


def test_a_long_frame_is_found_on_either_strand_and_a_short_one_is_not():
    before = b"TAATTAATTAA" * 5  # stops in all frames
    for gene, strand in ((GENE, 1), (reverse_complement(GENE), -1)):
        place = len(before), len(before) + len(GENE)
        assert place in list(contexts.open_frames(codes(before + gene + before), len(GENE))), strand
        assert place not in list(contexts.open_frames(codes(before + gene + before), len(GENE) + 1))


def test_frames_of_the_other_strand_lie_mirrored():
    sequence = RNG.integers(0, 4, 30_000).astype(np.uint8)
    forward = set(contexts.open_frames(sequence, 150))
    backward = contexts.open_frames((3 - sequence)[::-1], 150)
    assert forward == {(len(sequence) - end, len(sequence) - start) for start, end in backward}
    for start, end in forward:
        piece = letters(sequence[start:end])
        gene = (
            piece
            if piece.startswith(b"ATG") and piece.endswith((b"TAA", b"TAG", b"TGA"))
            else reverse_complement(piece)
        )
        codons = [gene[at : at + 3] for at in range(0, len(gene), 3)]
        assert codons[0] == b"ATG"
        assert [codon in (b"TAA", b"TAG", b"TGA") for codon in codons] == [False] * (len(codons) - 1) + [True]


def test_an_unknown_base_ends_a_frame():
    broken = bytearray(GENE)
    broken[60] = ord("N")
    assert not list(contexts.open_frames(codes(b"TAA" * 3 + bytes(broken)), 100))


@pytest.mark.parametrize("strand", ["+", "-"])
def test_a_promoter_lies_mostly_before_its_site_and_goes_before_coding(strand):
    site, sequence = 1_000, RNG.integers(0, 4, 2_000).astype(np.uint8)
    found = contexts.contexts(sequence, [Site("x", site, strand, "a")], 5_000) == CONTEXTS.index("promoter")
    assert found.sum() == contexts.BEFORE + contexts.AFTER
    assert found[site]
    upstream = found[:site].sum() if strand == "+" else found[site + 1 :].sum()
    assert upstream == contexts.BEFORE


def test_a_promoter_without_a_strand_is_refused_here_as_in_chapter_3(tmp_path):
    (tmp_path / "genome.fa").write_text(">x\n" + "ACGT" * 1_000 + "\n")
    (tmp_path / "promoters.bed").write_text("x\t900\t901\ta\t1\t.\n")
    own = {"genome": str(tmp_path / "genome.fa"), "promoters": str(tmp_path / "promoters.bed")}
    with pytest.raises(DnakitError, match="has no strand"):
        contexts.windows(chapter_of("10_future_work", "smoke").parameters.model_copy(update=own))


def test_balanced_sampling_draws_contexts_alike_and_natural_sampling_draws_windows_alike():
    context = np.repeat([0, 1, 2], [800, 150, 50])
    some = contexts.Windows(np.zeros((1_000, 9), np.uint8), context)
    drawn = {name: some.draw(name, 30_000, np.random.default_rng(1)) for name in SAMPLINGS}
    shares = {name: np.bincount(context[rows], minlength=3) / len(rows) for name, rows in drawn.items()}
    assert shares["natural"] == pytest.approx([0.8, 0.15, 0.05], abs=0.01)
    assert shares["balanced"] == pytest.approx([1 / 3] * 3, abs=0.01)
    assert len(set(drawn["balanced"].tolist())) == 1_000  # every window of a context can be drawn
    each = some.each(100, np.random.default_rng(1))
    assert np.bincount(context[each]).tolist() == [100, 100, 50]


def test_the_mean_of_bits_is_that_of_the_contexts_however_many_bases_each_has():
    costs = pd.DataFrame({"context": CONTEXTS, "nats": np.log(2) * np.array([100, 20, 3]), "bases": [100, 10, 1]})
    assert context_measures.bits(costs) == pytest.approx(dict(zip(CONTEXTS, (1, 2, 3), strict=True)) | {"mean": 2})


FASTQ = "".join(f"@r{number}\n{'ACGT' * 38}\n+\n{'I' * 152}\n" for number in range(50)).encode()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_qualities_are_read_from_a_file_whatever_its_name(tmp_path, pack):
    path = tmp_path / "reads"
    path.write_bytes(pack(FASTQ))
    strings = reads._strings(path)
    assert strings.shape == (50, reads.LONGEST)
    assert (strings == 40).all()


def test_qualities_are_those_of_the_amplicon_and_each_string_is_of_one_part(tmp_path):
    """Read n has the Phred n + c at its cycle c, modulo 60."""
    each = ["".join(chr(reads.PHRED + (number + cycle) % 60) for cycle in range(152)) for number in range(40)]
    path = tmp_path / "reads.fastq"
    path.write_text("".join(f"@r{number}\n{'ACGT' * 38}\n+\n{text}\n" for number, text in enumerate(each)))
    chosen = chapter_of("10_future_work", "smoke").parameters.model_copy(update={"qualities": [str(path)]})
    first = {part: set(strings[:, 0].tolist()) for part, strings in reads.task(chosen).strings.items()}
    assert first["train"] | first["test"] == {(number + reads.BEFORE) % 60 for number in range(40)}
    assert not first["train"] & first["test"]


def test_a_base_of_the_lowest_quality_is_drawn_blindly():
    assert reads.error_probability(np.array([0, 1, 10])).tolist() == pytest.approx([0.75, 0.75, 0.1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(FASTQ)[:-20], "truncated or damaged"),
        (FASTQ[:-20], "truncated: it ends in the middle of read 50; get it again"),
        (FASTQ.replace(b"I" * 152, b"I" * 151 + b" ", 1), "read 1 has a quality that is none of the letters"),
        (b"no reads\n", "not FASTA or FASTQ: it begins with neither > nor @"),
    ],
)
def test_a_damaged_file_of_reads_is_one_line(tmp_path, content, message):
    path = tmp_path / "reads.fastq.gz"
    path.write_bytes(content)
    with pytest.raises(DnakitError, match=message) as caught:
        reads._strings(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
