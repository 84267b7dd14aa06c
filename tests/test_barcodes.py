"""Readers of 12S records: every form gives the same table, names follow the stated policy, bad archives are refused."""

import os
import zipfile
from pathlib import Path

import pytest

from dnakit.data import barcodes
from dnakit.data.barcodes import RANKS, names_of, ranks_of, taxon_of
from dnakit.data.sources import fetch
from dnakit.project import DnakitError

TAXON = "d__Eukaryota;p__Chordata;c__Actinopteri;o__Salmoniformes;f__Salmonidae;g__Salmo;s__Salmo salar"


@pytest.fixture(scope="module")
def world():
    """The simulated records as the artifacts hold them."""
    return barcodes.read(fetch("simulated-barcodes-sequences"), fetch("simulated-barcodes-taxonomy"))


@pytest.mark.parametrize(
    ("organism", "expected"),
    [
        ("Salmo salar", ("Salmo", "Salmo salar")),
        ("Salmo_salar", ("Salmo", "Salmo salar")),
        ("Salmo trutta fario", ("Salmo", "Salmo trutta")),
        ("Sebastes melanops-mystinus", ("Sebastes", "Sebastes melanops-mystinus")),
        ("Astroblepus sp.", ("Astroblepus", "")),
        ("Epigonus sp. CBM:ZF:15589", ("Epigonus", "")),
        ("Corydoras cf. breei MA289", ("Corydoras", "")),
        ("Cottus aff. gobio", ("Cottus", "")),
        ("Acipenser ruthenus x Acipenser baerii", ("", "")),
        ("Poeciliopsis monacha × lucida", ("", "")),
        ("diploid Xenocypris davidi x Megalobrama amblycephala", ("", "")),
        ("Leptocephalus sp. 'type II larva'", ("Leptocephalus", "")),
        ("uncultured fish", ("", "")),
        ("", ("", "")),
    ],
)
def test_the_policy_on_names(organism, expected):
    assert names_of(organism) == expected


def test_a_taxon_is_read_in_both_forms_and_written_back():
    ranks = ranks_of(TAXON)
    sintax = TAXON.replace("__", ":").replace(";", ",").replace("Salmo salar", "Salmo_salar")
    assert ranks_of(sintax) == ranks
    assert taxon_of(ranks) == TAXON
    assert taxon_of({rank: ranks[rank] for rank in RANKS[:4]}) == TAXON.split(";f__")[0]
    assert ranks_of(TAXON.replace("s__Salmo salar", "s__salar"))["species"] == "Salmo salar"
    assert ranks_of("d__Eukaryota; p__Chordata; c__; o__") == dict.fromkeys(RANKS, "") | {
        "domain": "Eukaryota",
        "phylum": "Chordata",
    }


@pytest.mark.parametrize("word", ["NA", "n/a", "unclassified", "Unknown", "incertae_sedis", "uncultured"])
def test_a_rank_that_is_said_to_be_unknown_is_empty(word):
    """Else all records without an order would be one order, and a read would be named so."""
    sintax = TAXON.replace("__", ":").replace(";", ",").replace("Salmo salar", "Salmo_salar")
    for taxon, mark in ((TAXON, "__"), (sintax, ":")):
        ranks = ranks_of(taxon)
        for rank in ("order", "family", "genus"):
            without = taxon.replace(f"{rank[0]}{mark}{ranks[rank]}", f"{rank[0]}{mark}{word}")
            assert without != taxon
            assert ranks_of(without) == ranks | ({rank: ""} if rank != "genus" else {})  # the species names its genus
    assert ranks_of(f"d__Eukaryota;f__{word};g__{word};s__{word}") == dict.fromkeys(RANKS, "") | {"domain": "Eukaryota"}
    assert names_of("Salmo unclassified") == ("Salmo", "")
    assert names_of("Uncultured fish") == ("", "")
    assert ranks_of("o__Eupercaria incertae sedis")["order"] == "Eupercaria incertae sedis"  # a group of its own


def test_every_form_gives_the_same_table(tmp_path, world):
    fasta, taxa, sintax = tmp_path / "a.fa", tmp_path / "a.tsv", tmp_path / "s.fa"
    rows = list(world.to_dict("records"))
    fasta.write_text("".join(f">{row['name']} more\r\n{row['sequence'].decode().lower()}\r\n" for row in rows))
    taxa.write_text("Feature ID\tTaxon\tConfidence\n" + "".join(f"{r['name']}\t{taxon_of(r)}\t0.9\n" for r in rows))
    tax = {r["name"]: taxon_of(r).replace("__", ":").replace(";", ",").replace(" ", "_") for r in rows}
    sintax.write_text("".join(f">{r['name']};tax={tax[r['name']]};\n{r['sequence'].decode()}\n" for r in rows))
    assert barcodes.read(fasta, taxa).equals(world)
    assert barcodes.read(sintax).equals(world)
    assert barcodes.read(fetch("simulated-barcodes-sequences"), taxa).equals(world)


def test_annotated_genomes_give_the_gene_whatever_its_name_strand_and_place(world):
    genes = barcodes.read(fetch("simulated-barcodes-genbank"))
    first = world[world.name.str.endswith(".1")].reset_index(drop=True)
    assert genes["name"].tolist() == first["name"].tolist()
    assert genes["sequence"].tolist() == first["sequence"].tolist()
    assert genes["species"].tolist() == first["species"].tolist()
    assert genes["family"].tolist() == first["family"].tolist()


def test_an_annotated_genome_without_the_gene_is_told(tmp_path):
    text = fetch("simulated-barcodes-genbank").read_text()
    first, second = (f"{entry}//\n" for entry in text.split("//\n")[:2])
    without = first.replace("12S", "16S").replace("rrnS", "rrnL").replace("small subunit", "large subunit")
    (tmp_path / "own.gb").write_text(without + second)
    genes = barcodes.read(tmp_path / "own.gb")
    assert len(genes) == 1
    assert genes.attrs["left_out"].startswith(
        "1 of 2 records of own.gb are left out, because no 12S gene is annotated in them, such as '"
    )


def test_a_table_of_genomes_gives_the_gene_on_either_strand_and_across_the_origin(tmp_path):
    genomes, table = tmp_path / "g.fa", tmp_path / "g.tsv"
    genomes.write_text(">A.1 x\nAACCCGGGGT\n>B.1 x\nAACCCGGGGT\n>C.1 x\nAACCCGGGGT\n>D.1 x\nAACC\n")
    lineage = "Eukaryota>Metazoa>Chordata>Actinopterygii>Salmoniformes>Salmonidae>Salmo"
    columns = "accession\tspecies\tlineage\tlength\trrnS_12S_start\trrnS_12S_end\trrnS_strand\n"
    places = {"A.1": "3\t5\t+", "B.1": "6\t9\t-", "C.1": "10\t2\t+", "D.1": "\t\t"}
    table.write_text(columns + "".join(f"{n}\tSalmo salar\t{lineage}\t10\t{p}\n" for n, p in places.items()))
    found = barcodes.read(genomes, table).set_index("name")
    assert found["sequence"].to_dict() == {"A.1": b"CCC", "B.1": b"CCCC", "C.1": b"TAA"}
    assert found.attrs["left_out"] == (
        "1 of 4 records of g.fa are left out, because g.tsv does not say where their 12S gene lies, such as 'D.1'"
    )
    assert found.loc["A.1", list(RANKS)].tolist() == [
        "Eukaryota", "Chordata", "Actinopterygii", "Salmoniformes", "Salmonidae", "Salmo", "Salmo salar",
    ]  # fmt: skip


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data/dna-sequences.fasta", ">a\n" + "A" * 60_000_000)


def no_artifact(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data/table.biom", "no")


def truncated(path: Path) -> None:
    path.write_bytes(fetch("simulated-barcodes-sequences").read_bytes()[:-100])


def damaged(path: Path) -> None:
    content = bytearray(fetch("simulated-barcodes-sequences").read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("spoil", [bomb, no_artifact, truncated, damaged])
def test_a_bad_archive_is_one_line_that_names_it(tmp_path, spoil):
    path = tmp_path / "bad.qza"
    spoil(path)
    with pytest.raises(DnakitError, match=r"bad\.qza") as caught:
        barcodes.read(path, fetch("simulated-barcodes-taxonomy"))
    assert "\n" not in str(caught.value)


def test_records_without_taxonomy_are_one_line(tmp_path):
    fasta, taxa = tmp_path / "a.fa", tmp_path / "a.tsv"
    fasta.write_text(">a\nACGT\n")
    taxa.write_text(f"Feature ID\tTaxon\nb\t{TAXON}\n")
    with pytest.raises(DnakitError, match="says no taxonomy"):
        barcodes.read(fasta)
    with pytest.raises(DnakitError, match="knows no record"):
        barcodes.read(fasta, taxa)
    taxa.write_text("b,Salmo salar\n")
    with pytest.raises(DnakitError, match="line 1 is no row"):
        barcodes.read(fasta, taxa)
    taxa.write_text("")
    with pytest.raises(DnakitError, match="no taxonomy in the file"):
        barcodes.read(fasta, taxa)


def test_the_world_is_the_same_each_time(tmp_path):
    from dnakit.data.simulate import barcodes as simulated

    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
        simulated.write(folder)
    names = sorted(path.name for path in folders[0].iterdir())
    assert len(names) == 7
    assert all((folders[0] / name).read_bytes() == (folders[1] / name).read_bytes() for name in names)


@pytest.mark.slow
@pytest.mark.skipif("DNAKIT_MIRROR" not in os.environ, reason="no mirror of real data (DNAKIT_MIRROR)")
def test_real_records_are_as_many_as_published():
    table = barcodes.read(fetch("mitohelper-sequences-2025-11"), fetch("mitohelper-taxonomy-2025-11"))
    full = table[table["sequence"].str.len().between(900, 1000)]
    assert len(table) == 38_350
    assert len(full) == 11_463
    assert 6_300 < full["species"].nunique() < 6_500
    assert (table["family"] != "").mean() > 0.99
    genes = barcodes.read(fetch("mito-animals"), fetch("mito-animals-table"))
    assert genes["sequence"].str.len().between(900, 1000).mean() > 0.98
    once = full[full["species"] != ""].drop_duplicates("species")
    both = genes[genes["species"] != ""].merge(once, on="species")
    assert len(both) > 1_800
    assert (both["genus_x"] == both["genus_y"]).all()
    assert (both["family_x"] == both["family_y"]).mean() > 0.8  # releases divide the carps differently


# ---- what passed in silence


def artifact(path, name, content, how=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", how) as archive:
        archive.writestr(f"x/data/{name}", content)
    return path


def taxa_file(path, *rows):
    path.write_text("Feature ID\tTaxon\n" + "".join(f"{name}\t{taxon}\n" for name, taxon in rows))
    return path


def test_a_file_and_an_artifact_of_the_same_text_give_the_same(tmp_path):
    content = ">a caf\u00e9\nACRT\r\n\n>b\nac gt\n".encode("latin-1")
    (tmp_path / "a.fa").write_bytes(content)
    taxa = taxa_file(tmp_path / "t.tsv", ("a", TAXON), ("b", TAXON))
    found = barcodes.read(tmp_path / "a.fa", taxa)
    assert found["sequence"].tolist() == [b"ACNT", b"ACGT"]
    assert barcodes.read(artifact(tmp_path / "a.qza", "dna-sequences.fasta", content), taxa).equals(found)
    packed = artifact(tmp_path / "t.qza", "taxonomy.tsv", taxa.read_bytes())
    assert barcodes.read(tmp_path / "a.fa", packed).equals(found)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ACGT\n>a\nACGT\n", "text before the first '>'"),
        (b">\nACGT\n>a\nACGT\n", "record 1 has no name"),
        (b">a\n>b\nACGT\n", "record 'a' has no sequence"),
        (b">a\nACGT\n>a\nACGT\n", "occurs twice"),
        (b"\xff\xfe>\0a\0", "UTF-16"),
        (b"", "empty"),
    ],
)
def test_what_is_no_fasta_is_refused_inside_an_artifact_too(tmp_path, content, message):
    taxa = taxa_file(tmp_path / "t.tsv", ("a", TAXON))
    with pytest.raises(DnakitError, match=message):
        barcodes.read(artifact(tmp_path / "a.qza", "dna-sequences.fasta", content), taxa)


def test_an_artifact_is_never_unpacked_and_packed_in_the_usual_way(tmp_path):
    taxa = taxa_file(tmp_path / "t.tsv", ("a", TAXON))
    outside = artifact(tmp_path / "a.qza", "../../../data/dna-sequences.fasta", ">a\nACGT\n")
    assert barcodes.read(outside, taxa)["name"].tolist() == ["a"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.qza", "t.tsv"]
    for how in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(DnakitError, match="packed as no QIIME 2 artifact is"):
            barcodes.read(artifact(tmp_path / "b.qza", "dna-sequences.fasta", ">a\nACGT\n", how), taxa)


def test_two_taxa_of_one_name_are_refused_and_the_same_twice_is_not(tmp_path):
    (tmp_path / "a.fa").write_text(">a\nACGT\n")
    assert len(barcodes.read(tmp_path / "a.fa", taxa_file(tmp_path / "t.tsv", ("a", TAXON), ("a", TAXON)))) == 1
    with pytest.raises(DnakitError, match="line 3 gives 'a' another taxon"):
        barcodes.read(
            tmp_path / "a.fa", taxa_file(tmp_path / "t.tsv", ("a", TAXON), ("a", TAXON.replace("salar", "trutta")))
        )


def test_a_header_of_sintax_without_a_name_is_refused(tmp_path):
    (tmp_path / "a.fa").write_text(">;tax=d:Eukaryota;\nACGT\n")
    with pytest.raises(DnakitError, match="says no taxonomy or no name"):
        barcodes.read(tmp_path / "a.fa")


@pytest.mark.parametrize(
    ("start", "end", "gene"),
    [
        ("2", "4", b"CGT"),
        ("8", "12", b"TCAAC"),
        ("8", "2", b"TCAAC"),
        ("0", "4", None),
        ("2", "12.0", None),
        ("11", "12", None),
        ("9", "10", b"CA"),
        ("3", "13", None),
    ],
)
def test_positions_of_genes_are_numbers_from_one_on(tmp_path, start, end, gene):
    """The circle ACGTACGTCA; an end beyond its length, or before the start, lies behind the origin."""
    (tmp_path / "g.fa").write_text(">a\nACGTACGTCA\n")
    columns = "\t".join(barcodes.COLUMNS)
    (tmp_path / "g.tsv").write_text(f"{columns}\na\tEukaryota>Salmonidae\tSalmo salar\t{start}\t{end}\t+\n")
    if gene:
        assert barcodes.read(tmp_path / "g.fa", tmp_path / "g.tsv")["sequence"].tolist() == [gene]
    else:
        with pytest.raises(DnakitError, match="positions are numbers from 1 on, and it has 10 bases"):
            barcodes.read(tmp_path / "g.fa", tmp_path / "g.tsv")


@pytest.mark.parametrize("change", [lambda row: row + "\tmore", lambda row: row.rpartition("\t")[0]])
def test_an_uneven_table_of_genomes_is_one_line(tmp_path, change):
    (tmp_path / "g.fa").write_text(">a\nACGT\n")
    row = "a\tEukaryota\tSalmo salar\t1\t4\t+"
    (tmp_path / "g.tsv").write_text("\t".join(barcodes.COLUMNS) + "\n" + change(row) + "\n")
    with pytest.raises(DnakitError, match="row 2 has"):
        barcodes.read(tmp_path / "g.fa", tmp_path / "g.tsv")


# ---- MitoFish's archives


def mitofish_archives(folder, location="3..5", genome="AACCCGGGGT"):
    genomes, annotations = folder / "mitogenomes.zip", folder / "mitoannotations.zip"
    header = ">gi|1|ref|NC_002081.1|Gonostoma gracile mitochondrion, complete genome"
    lines = [
        "NC_002081\tsource\t1..10\torganism\tGonostoma gracile",
        "\t\t\torganelle\tmitochondrion",
        "\ttRNA\t1..2\tproduct\ttRNA-Phe",
        f"\trRNA\t{location}\tproduct\t12S rRNA",
        "\trRNA\t6..9\tproduct\t16S rRNA",
        "",
    ]
    with zipfile.ZipFile(genomes, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mitogenomes/NC_002081_Gonostoma_gracile.fa", f"{header}\n{genome[:6]}\r\n{genome[6:]}\n")
        archive.writestr("mitogenomes/NC_002081_Gonostoma_gracile_genes.fa", ">12S\nCCC\n")
        archive.writestr("mitogenomes/NC_000001_Other_fish.fa", ">gi|2|ref|NC_000001.1|x\nACGT\n")
    with zipfile.ZipFile(annotations, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mitoannotations/NC_002081_Gonostoma_gracile.txt", "\n".join(lines))
    return genomes, annotations


@pytest.mark.parametrize(
    ("location", "gene"),
    [("3..5", b"CCC"), ("<3..>5", b"CCC"), ("complement(6..9)", b"CCCC"), ("join(10..10,1..2)", b"TAA")],
)
def test_mitofishs_archives_give_the_gene_and_its_species(tmp_path, location, gene):
    found = barcodes.read(*mitofish_archives(tmp_path, location))
    assert found["name"].tolist() == ["NC_002081"]
    assert found["sequence"].tolist() == [gene]
    assert found.loc[0, ["genus", "species"]].tolist() == ["Gonostoma", "Gonostoma gracile"]
    assert found.attrs["left_out"] == (
        "1 of 2 records of mitogenomes.zip are left out, because the annotation has no 12S gene of them, "
        "such as 'NC_000001'"
    )
    assert sorted(each.name for each in tmp_path.iterdir()) == ["mitoannotations.zip", "mitogenomes.zip"]


@pytest.mark.parametrize(
    ("location", "genome", "message"),
    [
        ("3..50", "AACCCGGGGT", "lies beyond its 10 bases"),
        ("?", "AACCCGGGGT", "is none"),
        ("3..5", "MKLV", "nucleotide"),
    ],
)
def test_what_mitofishs_archives_cannot_mean_is_one_line(tmp_path, location, genome, message):
    with pytest.raises(DnakitError, match=message) as caught:
        barcodes.read(*mitofish_archives(tmp_path, location, genome))
    assert "\n" not in str(caught.value)
