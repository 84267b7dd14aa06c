"""Properties of the simulated mitochondrial world."""

import itertools

import numpy as np
import pytest

from dnakit.data import bases, formats
from dnakit.data.simulate import mitochondria
from dnakit.data.simulate.mitochondria import Genome


@pytest.fixture(scope="module")
def world() -> list[Genome]:
    return mitochondria.simulate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("world")
    mitochondria.write(path, 80)
    return path


def shared(one: Genome, other: Genome, k: int = 11) -> float:
    """Jaccard similarity of the sets of k-mers."""
    sets = [{genome.sequence[i : i + k] for i in range(len(genome.sequence) - k)} for genome in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def relatedness(one: Genome, other: Genome) -> int:
    """How many ranks two genomes have in common."""
    return sum(
        1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one.lineage, other.lineage, strict=True))
    )


def test_genomes_are_a_third_of_real_ones_with_a_12s_gene_of_real_length(world):
    assert len(world) == 120
    assert all(5_500 < len(genome.sequence) < 7_000 for genome in world)
    assert len({len(genome.sequence) for genome in world}) > 30
    assert all(set(genome.sequence) == set(b"ACGT") for genome in world)
    assert all(900 <= genome.rrns[1] - genome.rrns[0] <= 1000 for genome in world)


def test_protein_genes_are_whole_codons():
    assert all(size % 3 == 0 for gene, size, *_ in mitochondria.GENES if mitochondria.feature_type(gene) == "CDS")


def test_names_are_unique_and_say_that_they_are_invented(world):
    assert len({genome.accession for genome in world}) == len({genome.organism for genome in world}) == len(world)
    assert all(genome.organism.startswith("Simul") and genome.accession.startswith("SIM") for genome in world)
    assert len({genome.lineage[-1] for genome in world}) == 40
    assert all(genome.organism.split()[0] == genome.lineage[-1] for genome in world)


def test_the_taxonomy_is_a_tree(world):
    for depth in range(1, 5):
        parents: dict[str, set[tuple[str, ...]]] = {}
        for genome in world:
            parents.setdefault(genome.lineage[depth], set()).add(genome.lineage[:depth])
        assert all(len(above) == 1 for above in parents.values())


def test_relatives_share_sequence_the_closer_the_more(world):
    rng = np.random.default_rng(0)
    similar: dict[int, list[float]] = {}
    for one, other in rng.choice(len(world), (400, 2)):
        if one != other and len(similar.setdefault(relatedness(world[one], world[other]), [])) < 12:
            similar[relatedness(world[one], world[other])].append(shared(world[one], world[other]))
    similar[5] = [shared(world[i], world[i + 1]) for i in range(0, 120, 12)]
    means = [np.mean(similar[depth]) for depth in sorted(similar)]
    assert len(means) == 6
    assert all(nearer > farther for farther, nearer in itertools.pairwise(means))
    assert min(similar[5]) > max(similar[3])


def test_base_composition_is_the_models(world):
    counts = np.bincount(bases.codes(world[0].sequence), minlength=4)
    assert np.all(np.abs(counts / counts.sum() - mitochondria.COMPOSITION) < 0.03)


def test_third_codon_positions_evolve_faster_than_the_others(world):
    one, other = world[0], world[1]

    def difference(gene: str, offset: int = 0, step: int = 1) -> float:
        pieces = []
        for genome in (one, other):
            start, end = next((start, end) for name, start, end, _ in genome.features if name == gene)
            pieces.append(np.frombuffer(genome.sequence[start:end], dtype=np.uint8)[offset::step])
        return float(np.mean(pieces[0] != pieces[1]))

    first, second, third = (difference("cox1", offset, 3) for offset in range(3))
    assert third > 2 * max(first, second)


def test_transitions_outnumber_transversions_within_a_genus(world):
    pieces = []
    for genome in world[:2]:
        start, end = next((start, end) for name, start, end, _ in genome.features if name == "nad5")
        pieces.append(np.frombuffer(genome.sequence[start:end], dtype=np.uint8))
    changed = pieces[0] != pieces[1]
    transitions = {(65, 71), (71, 65), (67, 84), (84, 67)}
    count = sum((a, b) in transitions for a, b in zip(pieces[0][changed], pieces[1][changed], strict=True))
    assert count > 2 * (changed.sum() - count)


def test_genes_lie_in_order_without_overlap(world):
    for genome in world:
        spans = sorted((start, end) for _, start, end, _ in genome.features)
        assert len(spans) == 38
        assert all(start < end for start, end in spans)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
        assert spans[-1][1] <= len(genome.sequence)
    assert {genome.rrns[2] for genome in world} == {1, -1}


def test_every_species_has_a_12s_gene_of_its_own(world):
    assert len({formats.extract(genome.sequence, *genome.rrns) for genome in world}) == len(world)


def test_12s_is_recognisable_on_either_strand(world):
    plus = next(genome for genome in world if genome.rrns[2] == 1)
    minus = next(genome for genome in world if genome.rrns[2] == -1)
    gene = formats.extract(plus.sequence, *plus.rrns)
    words = {gene[i : i + 11] for i in range(len(gene) - 11)}

    def hits(other: bytes) -> int:
        return sum(other[i : i + 11] in words for i in range(len(other) - 11))

    inside = formats.extract(minus.sequence, *minus.rrns)
    assert hits(inside) > 10 * max(1, hits(bases.reverse_complement(inside)))


def test_genbank_and_fasta_tell_the_same_world(folder):
    fasta = {record.name: record for record in formats.read_fasta(folder / "mitochondria.fa")}
    genomes = {genome.accession: genome for genome in mitochondria.simulate(80)}
    records = list(formats.read_genbank(folder / "mitochondria.gb"))
    assert len(records) == len(fasta) == len(genomes) == 80
    for record in records:
        organism, lineage, start, end, strand = formats.annotation(record)
        plain, genome = fasta[record.id], genomes[record.id]
        assert bytes(record.seq) == plain.sequence == genome.sequence
        assert organism == plain.description == genome.organism
        assert lineage == genome.lineage
        assert (start, end, strand) == genome.rrns
        feature = next(f for f in record.features if f.qualifiers.get("product") == ["12S ribosomal RNA"])
        gene = plain.sequence[start:end]
        assert bytes(feature.extract(record.seq)) == (gene if strand == 1 else bases.reverse_complement(gene))


def test_regenerated_files_have_the_same_bytes(folder, tmp_path):
    mitochondria.write(tmp_path, 80)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["mitochondria.fa", "mitochondria.gb"]
    assert all((tmp_path / name).read_bytes() == (folder / name).read_bytes() for name in names)


def test_a_larger_world_begins_with_the_smaller_one_and_another_seed_gives_another(world):
    assert mitochondria.simulate(5) == world[:5]
    assert all(
        one.sequence != other.sequence for one, other in zip(mitochondria.simulate(5, seed=1), world, strict=False)
    )
