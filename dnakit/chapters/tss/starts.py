"""Transcription start sites (TSS) from the files of EPDnew, one base each: chapter 10 reads them too."""

from pathlib import Path

from dnakit.data.formats import BedRow, read_bed
from dnakit.data.windows import Site
from dnakit.project import DnakitError

EPD_WINDOW = 60  # a row of EPDnew's own BED files covers -49 to +10


def read_sites(bed: str | Path) -> list[Site]:
    """The transcription start sites of a BED file in one of two forms, which its rows decide.

    EPDnew's own rows of 60 bp hold the TSS in thickStart (+) or thickEnd - 1 (-); rows of one base are the TSS itself.

    Raises
    ------
    DnakitError
        Rows of both forms or of another one, or a row without a strand.
    """
    rows = list(read_bed(bed))
    single = [row.end - row.start == 1 for row in rows]
    if any(single) and not all(single):
        row = rows[single.index(not single[0])]
        raise DnakitError(
            f"{bed}: rows of one base (the TSS) and longer ones (EPDnew's windows) are mixed, "
            f"first at {_place(row)}; give one form"
        )
    return [_site(bed, row) for row in rows]


def _site(bed: str | Path, row: BedRow) -> Site:
    if row.strand == ".":
        raise DnakitError(f"{bed}: {_place(row)} has no strand, which a promoter needs")
    position = row.start
    if row.end - row.start != 1:
        first, end = row.thick_start, row.thick_end
        if first is None or end is None or not row.start <= first < end <= row.end <= row.start + EPD_WINDOW:
            raise DnakitError(
                f"{bed}: {_place(row)} is neither one base (the TSS) nor a row of EPDnew "
                f"({EPD_WINDOW} bases, of which thickStart and thickEnd mark those from the TSS on)"
            )
        position = first if row.strand == "+" else end - 1
    return Site(row.chrom, position, row.strand, row.name or f"{row.chrom}:{position}:{row.strand}")


def _place(row: BedRow) -> str:
    return f"{row.chrom}:{row.start}-{row.end}" + (f" ({row.name})" if row.name else "")
