"""Ranks of real and simulated lineages, and splits that hold whole groups out."""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnakit.data import taxonomy
from dnakit.data.simulate import mitochondria
from dnakit.project import DnakitError

HUMAN = (
    "Eukaryota Metazoa Chordata Craniata Vertebrata Euteleostomi Mammalia Eutheria Euarchontoglires Primates "
    "Haplorrhini Catarrhini Hominidae Homo"
)
LEMUR = HUMAN.replace("Haplorrhini Catarrhini Hominidae Homo", "Strepsirrhini Lemuriformes Lemuridae Lemur")
CARP = (
    "Eukaryota Metazoa Chordata Craniata Vertebrata Euteleostomi Actinopterygii Neopterygii Teleostei Ostariophysi "
    "Cypriniformes Cyprinidae Cyprinus"
)
CHICKEN = (
    "Eukaryota Metazoa Chordata Craniata Vertebrata Euteleostomi Archelosauria Archosauria Dinosauria Saurischia "
    "Theropoda Coelurosauria Aves Neognathae Galloanserae Galliformes Phasianidae Phasianinae Gallus"
)
TERMITE = (
    "Eukaryota Metazoa Ecdysozoa Arthropoda Hexapoda Insecta Pterygota Neoptera Polyneoptera Dictyoptera Blattodea "
    "Blattoidea Termitoidae Rhinotermitidae Coptotermes"
)
MITE = "Eukaryota Metazoa Ecdysozoa Arthropoda Chelicerata Arachnida Acari Acariformes Trombidiformes Tetranychidae"


@pytest.mark.parametrize(
    ("lineage", "expected"),
    [
        (HUMAN, ("Mammalia", "Primates", "Hominidae")),
        (LEMUR, ("Mammalia", "Primates", "Lemuridae")),
        (CARP, ("Actinopterygii", "Cypriniformes", "Cyprinidae")),
        (CHICKEN, ("Aves", "Galliformes", "Phasianidae")),
        (TERMITE, ("Insecta", "Blattodea", "Rhinotermitidae")),
        (MITE, ("Arachnida", "Trombidiformes", "Tetranychidae")),
        ("", (None, None, None)),
    ],
)
def test_ranks_are_those_of_zoology(lineage: str, expected: tuple[str | None, ...]) -> None:
    assert tuple(taxonomy.rank(lineage.split(), level) for level in taxonomy.HIGHER_RANKS) == expected


def test_names_of_one_group_give_one_name() -> None:
    whales = [["Mammalia", name, "Cetacea"] for name in ("Cetartiodactyla", "Artiodactyla")]
    assert {taxonomy.rank(lineage, "order") for lineage in whales} == {"Artiodactyla"}


def test_unknown_rank_is_refused() -> None:
    with pytest.raises(DnakitError, match="choose one of class, order, family"):
        taxonomy.rank(HUMAN.split(), "tribe")


def ranks_of(lineages: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    return pd.DataFrame(
        {level: [taxonomy.rank(each, level) for each in lineages.values()] for level in taxonomy.HIGHER_RANKS}
    )


def test_simulated_genomes_have_every_rank_and_ranks_nest() -> None:
    lineages = {genome.accession: genome.lineage for genome in mitochondria.simulate(40)}
    ranks = ranks_of(lineages)
    assert ranks.notna().all(axis=None)
    for inner, outer in (("family", "order"), ("order", "class")):
        assert (ranks.groupby(inner)[outer].nunique() == 1).all()


TABLE = "accession\tlineage\tnote\nAB1.1\t" + ">".join(HUMAN.split()) + "\tMünchen\nAB2.1\t\tx\n"


@pytest.mark.parametrize("name", ["table.tsv", "table.tsv.gz"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_content_decides_what_a_table_is(tmp_path: Path, name: str, encoding: str, pack: Callable) -> None:
    for text in (TABLE, TABLE.replace("\n", "\r\n")):
        (tmp_path / name).write_bytes(pack(text.encode(encoding)))
        assert taxonomy.lineages(tmp_path / name) == {"AB1.1": tuple(HUMAN.split()), "AB2.1": ()}


def test_the_lineages_of_a_genbank_file_are_those_of_its_records(tmp_path: Path) -> None:
    mitochondria.write(tmp_path, 3)
    expected = {genome.accession: genome.lineage for genome in mitochondria.simulate(3)}
    assert taxonomy.lineages(tmp_path / "mitochondria.gb") == expected


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"name\tspecies\nAB1.1\tHomo sapiens\n", "the columns accession and lineage"),
        (b"", "the columns accession and lineage"),
        (TABLE.encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04", "zip archive"),
        (b"accession\tlineage\nAB1.1\tA>B\tC\tD\n", "damaged"),
        (gzip.compress(("accession\tlineage\n" + "AB1.1\tMetazoa\n" * 100_000).encode())[:200], "damaged"),
    ],
)
def test_other_and_damaged_files_are_refused_in_one_line(tmp_path: Path, content: bytes, part: str) -> None:
    path = tmp_path / "other.tsv"
    path.write_bytes(content)
    with pytest.raises(DnakitError, match=part) as caught:
        taxonomy.lineages(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@given(
    groups=st.lists(st.sampled_from(["Bovidae", "Felidae", "Canidae", "Muridae", "Ursidae", ""]), min_size=1),
    count=st.integers(1, 40),
    seed=st.integers(0, 1000),
)
def test_held_out_groups_are_whole_and_as_many_as_fit(groups: list[str], count: int, seed: int) -> None:
    names = [f"G{number}" for number in range(len(groups))]
    lineages = {name: ("Metazoa", group) for name, group in zip(names, groups, strict=True) if group}
    group = dict(zip(names, groups, strict=True))
    sizes = pd.Series([name for name in groups if name], dtype=object).value_counts()
    if not (sizes <= count).any() or sizes.sum() <= count:
        with pytest.raises(DnakitError, match="cannot be held out"):
            taxonomy.hold_out(names, lineages, "family", count, np.random.default_rng(seed))
        return
    held, rest = taxonomy.hold_out(names, lineages, "family", count, np.random.default_rng(seed))
    assert {group[name] for name in held}.isdisjoint(group[name] for name in rest)
    assert sorted(held + rest) == sorted(lineages)
    assert 0 < len(held) <= count
    assert all(len(held) + size > count for size in sizes[sorted({group[name] for name in rest})])


def test_draws_differ_and_repeat() -> None:
    names = [f"G{number}" for number in range(60)]
    lineages = {name: (f"Gr{number // 3:02d}idae",) for number, name in enumerate(names)}
    draws = [taxonomy.hold_out(names, lineages, "family", 30, np.random.default_rng(s))[0] for s in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    assert len(draws[0]) == 30


@pytest.mark.skipif("DNAKIT_MIRROR" not in os.environ, reason="DNAKIT_MIRROR is not set: no real lineages")
def test_real_lineages_have_ranks_that_nest() -> None:
    lineages = taxonomy.lineages(Path(os.environ["DNAKIT_MIRROR"]) / "mito-animals.tsv.gz")
    assert len(lineages) == 7109
    ranks = ranks_of({name: lineage for name, lineage in lineages.items() if lineage})
    assert (ranks.notna().mean() > 0.95).all()
    for inner, outer in (("family", "order"), ("order", "class"), ("family", "class")):
        assert (ranks.groupby(inner)[outer].nunique() <= 1).all()
