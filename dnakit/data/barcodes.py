"""Reference records of one gene with their taxonomy, from every form that they come in.

One table comes out of each reader: a row a record with ``name``, ``sequence`` (bytes, upper case) and a column for each
of `RANKS`, empty where the rank is not known.

Policy on names. A *species* is a plain binomial, such as ``Salmo salar``. A subspecies (``Salmo trutta fario``) counts
as its species. What is named with ``sp.``, ``cf.``, ``aff.``, a number or a code has no species here and keeps its
genus. A hybrid (``x``) has neither species nor genus. A rank that says of itself that it is not known (``o__NA``,
``f__unclassified``) is empty: all such records together are no group.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from dnakit.data import mitofish, taxonomy
from dnakit.data.files import Forward, as_text, first_line, open_text, read_table, refusing
from dnakit.data.formats import Record, annotation, extract, fasta_records, read_fasta, read_genbank
from dnakit.data.reads import nucleotides
from dnakit.project import DnakitError

RANKS = ("domain", "phylum", "class", "order", "family", "genus", "species")
PREFIXES = dict(zip("dpcofgs", RANKS, strict=True))  # in QIIME's d__ and SINTAX's d:
PREFIXES |= {"k": "domain", "sk": "domain"}
_PHYLA = """
Annelida Arthropoda Brachiopoda Bryozoa Chaetognatha Chordata Cnidaria Ctenophora Echinodermata Hemichordata Mollusca
Nematoda Nemertea Onychophora Placozoa Platyhelminthes Porifera Priapulida Rotifera Tardigrada
"""
PHYLA = frozenset(_PHYLA.split())  # of animals, as lineages name them
POSITIONS = ("rrnS_12S_start", "rrnS_12S_end", "rrnS_strand")  # columns of the table of genomes
_GENUS = re.compile(r"[A-Z][a-z]+(-[a-z]+)?")
_EPITHET = re.compile(r"[a-z]{2,}(-[a-z]+)*")
_NO_SPECIES = {"sp", "spp", "cf", "aff", "nr", "near", "gen", "indet", "environmental", "sample", "ssp", "subsp", "var"}
_UNKNOWN = {"unknown", "unclassified", "unassigned", "unidentified", "undefined", "uncultured"}
_NO_SPECIES |= _UNKNOWN
_NOT_KNOWN = _UNKNOWN | {"na", "n/a", "nan", "none", "null", "incertae sedis", "environmental sample", "-", "?"}
_HYBRID = re.compile(r"(^|\s)[x×X](\s|$)|hybrid", re.IGNORECASE)
COLUMNS = ("accession", "lineage", "species", *POSITIONS)
LARGEST_MEMBER = 1 << 30  # bytes unpacked; the largest real one has 24 MB
LARGEST_RATIO = 200  # unpacked over packed: DNA packs four to twenty times
SMALL = 1 << 16  # bytes packed, from which on the ratio counts


# ---- names


def names_of(organism: str, genus: str = "") -> tuple[str, str]:
    """Genus and species of an organism's name by the policy above, each empty where there is none.

    Parameters
    ----------
    organism : str
        Such as ``Salmo trutta fario`` or ``Cottus cf. gobio``; underscores count as blanks.
    genus : str
        What the taxonomy says of the genus, if it does.
    """
    words = organism.replace("_", " ").split()
    if _HYBRID.search(" ".join(words)):
        return "", ""
    if words and words[0].lower() in _UNKNOWN:
        return genus.strip(), ""
    first = genus.strip() or (words[0] if words and _GENUS.fullmatch(words[0]) else "")
    plain = 2 <= len(words) <= 3 and _GENUS.fullmatch(words[0]) and all(_EPITHET.fullmatch(word) for word in words[1:])
    if not plain or _NO_SPECIES & {word.strip(".") for word in words[1:]}:
        return first, ""
    return first, " ".join(words[:2])


def ranks_of(taxon: str) -> dict[str, str]:
    """Ranks of a taxon in QIIME's form (``d__Eukaryota;p__Chordata;…``) or SINTAX's (``d:Eukaryota,p:Chordata,…``)."""
    found = dict.fromkeys(RANKS, "")
    for part in re.split(r"[;,]", taxon.strip().strip('"').rstrip(";")):
        prefix, _, name = part.strip().partition("__") if "__" in part else part.strip().partition(":")
        if prefix in PREFIXES:
            found[PREFIXES[prefix]] = "" if name.replace("_", " ").strip().lower() in _NOT_KNOWN else name.strip()
    return _by_policy(found)


def _by_policy(ranks: dict[str, str]) -> dict[str, str]:
    organism = ranks["species"]
    if organism and " " not in organism.replace("_", " ") and ranks["genus"]:  # the epithet alone
        organism = f"{ranks['genus']} {organism}"
    if organism:
        ranks["genus"], ranks["species"] = names_of(organism, ranks["genus"])
    return ranks


def taxon_of(ranks: Mapping[str, str]) -> str:
    """QIIME 2's way to write a taxon, with the ranks that are given: ``d__Eukaryota;p__Chordata``."""
    return ";".join(f"{rank[0]}__{ranks[rank]}" for rank in RANKS if rank in ranks)


# ---- readers


def read(sequences: str | Path, taxa: str | Path | None = None) -> pd.DataFrame:
    """Records from files of any of the forms; what is inside decides.

    Parameters
    ----------
    sequences : str or Path
        A FASTA file, a QIIME 2 artifact (``.qza``), an annotated GenBank file or MitoFish's ``mitogenomes.zip``, of
        which the 12S genes are cut out.
    taxa : str or Path, optional
        A QIIME taxonomy (TSV or ``.qza``), MitoFish's ``mitoannotations.zip``, or a table of genomes with columns
        ``accession`` and ``lineage`` and the positions of the gene. Without one the FASTA headers say the taxonomy in
        SINTAX's form (``;tax=``).

    Returns
    -------
    DataFrame
        ``name``, ``sequence`` and a column a rank. Records that the other file does not know, and genomes without an
        annotated 12S gene, are left out: ``attrs["left_out"]`` says how many, and names one.

    Raises
    ------
    DnakitError
        Unreadable or damaged files, records without taxonomy, or none at all.
    """
    path, table = Path(sequences), Path(taxa) if taxa else None
    start = _first_line(path)
    if start.startswith("LOCUS"):
        return read_genes(path)
    if table is None:
        return read_sintax(path)
    if not _is_zip(table) and {"accession", "lineage"} <= set(_first_line(table).split("\t")):
        return read_mitochondria(path, table)
    if _is_zip(path) and _is_zip(table) and (genes := _mitofish_genes(table)):
        return _read_mitofish(path, genes)
    return read_qiime(path, table)


def read_qiime(sequences: Path, taxa: Path) -> pd.DataFrame:
    """Sequences and taxonomy as QIIME 2 keeps them, each plain or in an artifact."""
    known = _read_taxa(taxa)
    rows, unknown = [], []
    for record in _fasta(sequences):
        if record.name in known:
            rows.append({"name": record.name, "sequence": _plain(record)} | known[record.name])
        else:
            unknown.append(record.name)
    if not rows:
        raise DnakitError(
            f"{taxa}: knows no record of {sequences.name}, not even '{unknown[0][:60]}': give its own taxonomy"
        )
    return _table(rows, sequences, unknown, f"{taxa.name} does not know them")


def read_sintax(path: Path) -> pd.DataFrame:
    """A FASTA file whose headers say the taxonomy: ``>AB1;tax=d:Eukaryota,…,s:Salmo_salar;``."""
    rows = []
    for record in read_fasta(path):
        header = f"{record.name} {record.description}"
        name, mark, taxon = header.partition(";tax=")
        if not (mark and name.strip()):
            raise DnakitError(
                f"{path}: record '{record.name[:60]}' says no taxonomy or no name (>NAME;tax=…): "
                "write it there, or give dnakit classify a table of it with --taxonomy"
            )
        rows.append({"name": name.split()[0], "sequence": _plain(record)} | ranks_of(taxon))
    return _table(rows, path)


def read_genes(path: Path) -> pd.DataFrame:
    """The 12S genes of an annotated GenBank file."""
    rows, without = [], []
    for record in read_genbank(path):
        found = annotation(record)
        if found.start is None or found.end is None:
            without.append(str(record.id))
            continue
        letters = nucleotides(str(record.seq), f"{path}: record {record.id}")
        gene = extract(letters, found.start, found.end, found.strand or 1)
        row: dict[str, Any] = {"name": record.id, "sequence": gene}
        rows.append(row | _ranks_of_lineage(found.lineage, found.organism))
    if not rows:
        raise DnakitError(f"{path}: no record has an annotated 12S gene")
    return _table(rows, path, without, "no 12S gene is annotated in them")


def read_mitochondria(genomes: Path, table: Path) -> pd.DataFrame:
    """The 12S genes of a FASTA file of genomes, by a table of lineages and positions (1-based, both ends included)."""
    known = read_table(table, COLUMNS)
    rows, without = [], []
    for record in read_fasta(genomes):
        row = known.get(record.name)
        if not (row and row[POSITIONS[0]]):
            without.append(record.name)
            continue
        gene = _cut(record.sequence, *_place(table, row, len(record.sequence)), -1 if row[POSITIONS[2]] == "-" else 1)
        ranks = _ranks_of_lineage(row["lineage"].split(">"), row["species"])
        rows.append({"name": record.name, "sequence": gene} | ranks)
    if not rows:
        raise DnakitError(f"{table}: says of no record of {genomes.name} where its 12S gene lies")
    return _table(rows, genomes, without, f"{table.name} does not say where their 12S gene lies")


def _place(table: Path, row: Mapping[str, str], length: int) -> tuple[int, int]:
    """Start and end of the gene, 0-based and half-open, as `_cut` takes them.

    Tables write such a gene in both ways: with its end beyond the length, or before its start.
    """
    places = [row[name] for name in POSITIONS[:2]]
    first, last = (int(place) if re.fullmatch("[0-9]{1,18}", place) else 0 for place in places)
    if not (1 <= first <= length and 1 <= last < first + length):
        raise DnakitError(
            f"{table}: '{row['accession'][:60]}' has its gene at {places[0][:20]!r} to {places[1][:20]!r}; positions "
            f"are numbers from 1 on, and it has {length:,} bases"
        )
    return first - 1, last


def _cut(genome: bytes, start: int, end: int, strand: int) -> bytes:
    """A gene; where it crosses the origin of the circle, its end lies beyond the length, or at or before its start."""
    return extract(genome, start, end + (len(genome) if end <= start else 0), strand)


def _mitofish_genes(path: Path) -> dict[str, mitofish.Gene]:
    """The genes that an archive of MitoFish's annotation says; none of another archive."""
    with _archived(path):
        return mitofish.genes(path, lambda info: _refuse_unlikely(path, info))


def _read_mitofish(path: Path, genes: Mapping[str, mitofish.Gene]) -> pd.DataFrame:
    """The 12S genes of MitoFish's genomes; their taxonomy is the species and its genus."""
    rows, without = [], []
    with _archived(path):
        for name, letters in mitofish.genomes(path, lambda info: _refuse_unlikely(path, info)):
            if (gene := genes.get(name)) is None:
                without.append(name)
                continue
            sequence = nucleotides(letters, f"{path}: record '{name}'")
            if max(gene.start, gene.end) > len(sequence):
                raise DnakitError(f"{path}: the 12S gene of {name} lies beyond its {len(sequence):,} bases")
            cut = _cut(sequence, gene.start, gene.end, gene.strand)
            rows.append({"name": name, "sequence": cut} | _ranks_of_lineage((), gene.organism))
    if not rows:
        raise DnakitError(f"{path}: the annotation knows no genome in it: give MitoFish's two archives of one release")
    return _table(rows, path, without, "the annotation has no 12S gene of them")


def _ranks_of_lineage(lineage: Sequence[str], organism: str) -> dict[str, str]:
    """Ranks from names whose ranks a lineage does not say: see `dnakit.data.taxonomy.rank`."""
    phyla = [name for name in lineage if name in PHYLA or name.startswith("Simulatedphylum")]
    genus, species = names_of(organism)
    upper = {"domain": lineage[0] if lineage else "", "phylum": phyla[0] if phyla else ""}
    middle = {level: taxonomy.rank(lineage, level) or "" for level in taxonomy.HIGHER_RANKS}
    return upper | middle | {"genus": genus, "species": species}


def _table(rows: list[dict[str, Any]], path: Path, left_out: Sequence[str] = (), why: str = "") -> pd.DataFrame:
    """Checked records as a table, which says what was left out of the file."""
    table = pd.DataFrame(rows, columns=["name", "sequence", *RANKS])
    if twice := table["name"][table["name"].duplicated()].tolist():
        raise DnakitError(f"{path}: record '{twice[0]}' occurs twice; names must be unique")
    if left_out:
        table.attrs["left_out"] = (
            f"{len(left_out):,} of {len(rows) + len(left_out):,} records of {path.name} are left out, because {why}, "
            f"such as '{left_out[0][:60]}'"
        )
    return table


def _read_taxa(path: Path) -> dict[str, dict[str, str]]:
    """Ranks by record from a QIIME taxonomy: ``Feature ID``, ``Taxon`` and whatever follows, tab-separated."""
    found: dict[str, dict[str, str]] = {}
    with _text_of(path, "taxonomy.tsv") as handle:
        for number, line in enumerate(handle, start=1):
            columns = line.rstrip("\r\n").split("\t")
            if not line.strip() or line.startswith("#") or (number == 1 and columns[0].lower().startswith("feature")):
                continue
            if len(columns) < 2 or not ("__" in columns[1] or ":" in columns[1]):
                raise DnakitError(f"{path}: line {number} is no row of a QIIME taxonomy (Feature ID, tab, d__…;p__…)")
            if found.setdefault(columns[0], taxon := ranks_of(columns[1])) != taxon:
                raise DnakitError(
                    f"{path}: line {number} gives {columns[0][:60]!r} another taxon than a line before it"
                )
    if not found:
        raise DnakitError(f"{path}: no taxonomy in the file")
    return found


def _fasta(path: Path) -> Iterator[Record]:
    with _text_of(path, "dna-sequences.fasta") as handle:
        yield from fasta_records(path, [(str(path), handle)])


def _plain(record: Record) -> bytes:
    """Its letters, N for those that stand for several bases."""
    return nucleotides(record.sequence.decode(), record.name)


# ---- QIIME 2 artifacts: zip archives, read inside, never unpacked to disk


def _is_zip(path: Path) -> bool:
    with refusing(path), open(path, "rb") as handle:
        return handle.read(4) == b"PK\x03\x04"


def _first_line(path: Path) -> str:
    return "" if _is_zip(path) else first_line(path)


@contextmanager
def _text_of(path: Path, member: str) -> Iterator[TextIO]:
    """The text of a plain file, or of the one member of an artifact whose name ends so."""
    if not _is_zip(path):
        with refusing(path), open_text(path) as handle:
            yield handle
        return
    with _archived(path), zipfile.ZipFile(path) as archive, archive.open(_member(path, archive, member)) as stream:
        yield as_text(io.BufferedReader(Forward(stream)), f"{path}: {stream.name}")


@contextmanager
def _archived(path: Path) -> Iterator[None]:
    """One line for what a broken archive does to its readers."""
    try:
        yield
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, zlib.error) as error:
        raise DnakitError(f"{path}: the archive is damaged, encrypted or no QIIME 2 artifact; get it again") from error


def _member(path: Path, archive: zipfile.ZipFile, member: str) -> zipfile.ZipInfo:
    """The file inside that is asked for."""
    found = [info for info in archive.infolist() if info.filename.endswith(f"/data/{member}")]
    if len(found) != 1:
        raise DnakitError(f"{path}: holds {len(found)} files data/{member}; a QIIME 2 artifact of this kind holds one")
    _refuse_unlikely(path, found[0])
    return found[0]


def _refuse_unlikely(path: Path, info: zipfile.ZipInfo) -> None:
    """Refuse what is packed in an unusual way, or would unpack to an unlikely size (a zip bomb)."""
    size, packed = info.file_size, info.compress_size
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DnakitError(f"{path}: {info.filename} is packed as no QIIME 2 artifact is: unpack it and give the file")
    if size > LARGEST_MEMBER or size > LARGEST_RATIO * max(packed, SMALL):
        raise DnakitError(f"{path}: {info.filename} would unpack from {packed:,} to {size:,} bytes: refused")
