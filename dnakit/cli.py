"""The command line: each command checks what it was given, calls one function of the package, and prints what came."""

import io
import os
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from dnakit import options
from dnakit.notebooks import parameters
from dnakit.notebooks.execute import CellError, shown
from dnakit.notebooks.parameters import check, declared, folder, names, source
from dnakit.project import DnakitError, check_place, did_you_mean, published, relative, root

if TYPE_CHECKING:
    from dnakit.chapters.chapter import Chapter
    from dnakit.run import Run

app = typer.Typer(
    help="The executable edition of a thesis on small DNA transformers.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # typer has it from click, or from its own copy of it


Notebook = Annotated[str, typer.Argument(help="A notebook, e.g. 02_pretraining.")]
Notebooks = Annotated[
    list[str] | None, typer.Argument(metavar="NOTEBOOK", help="Notebooks; all of them when none is named.")
]
Runs = Annotated[list[str] | None, typer.Argument(metavar="RUN", help="Runs; all when none is named.")]
Profile = Annotated[str, typer.Option(help="smoke, laptop or thesis.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "-p",
        metavar="KEY=VALUE",
        help="Another value of a parameter, as YAML; the parameters cell of notebooks/NOTEBOOK.py lists them, and "
        "params/PROFILE has the profile's values.",
    ),
]


@app.command()
def fetch(
    sources: Annotated[list[str], typer.Argument(metavar="NAME", help="Names from data/sources.yaml.")],
) -> None:
    """Fetch data, verified, and print where they are."""
    from dnakit.data.sources import fetch

    for name in sources:
        print(name, fetch(name))


@app.command()
def runs(notebook: Notebook, profile: Profile, p: Assignments = None) -> None:
    """List the runs behind a notebook, and whether the store holds them. Data that decide keys are fetched first."""
    chapter = _chapter(notebook, profile, p)
    if not chapter.runs:
        print(f"{notebook} has no runs")
        return
    chapter.check()
    rows = [(name, run.key, *_state(run), run.title) for name, run in chapter.runs.items()]
    _print_table([("run", "key", "state", "seconds", "what it makes"), *rows])


@app.command()
def train(
    notebook: Notebook,
    profile: Profile,
    chosen: Runs = None,
    p: Assignments = None,
    jobs: Annotated[
        int, typer.Option(parser=options.processes, metavar="N", help="Runs at a time, at most one a core.")
    ] = 1,
    key_file: Annotated[
        Path | None,
        typer.Option(
            parser=options.users_path,
            metavar="PATH",
            help="Write the names and keys here, for a workflow, when all are made.",
        ),
    ] = None,
) -> None:
    """Make runs, unless the store holds them, and print their folders."""
    from dnakit.chapters.pool import make_all

    chapter = _chapter(notebook, profile, p)
    named = _named(chapter, profile, chosen)
    if key_file:
        check_place(key_file)
    if not chosen:
        chapter.check()
    for _, made in make_all(chapter, named, jobs):
        print(made, flush=True)
    if key_file:
        with published(key_file) as part:
            part.write_text("".join(f"{name} {chapter.runs[name].key}\n" for name in named))


@app.command()
def execute(
    profile: Profile,
    chosen: Notebooks = None,
    p: Assignments = None,
    output: Annotated[
        Path | None,
        typer.Option(
            parser=options.new_folder,
            metavar="PATH",
            help="A folder, made where it is not there; book/chapters when not given.",
        ),
    ] = None,
) -> None:
    """Run notebooks headless with a profile's parameters, and publish each when all its cells succeeded."""
    from dnakit.chapters.chapter import chapter_of
    from dnakit.notebooks import execute as notebooks

    selected = _selected(chosen)
    given = parameters.assigned(p or [], selected)
    _refuse_unknown(given, selected)
    values = {}
    for notebook in selected:
        mine = {key: given[key] for key in given if key in declared(notebook)}
        chapter = chapter_of(notebook, profile, mine)  # refuses a wrong value before a kernel starts,
        if mine:  # and a file of the user's that is not there
            _ = [run.key for run in chapter.runs.values()]
        values[notebook] = parameters.settings(notebook, profile, mine)
    for notebook in selected:
        target = (output or root() / "book" / "chapters") / f"{notebook}.ipynb"
        print(shown(notebooks.execute(notebook, values[notebook], target)), flush=True)


@app.command()
def pair(
    chosen: Notebooks = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="Run them, with their defaults, and store the outputs.")
    ] = False,
) -> None:
    """Bring each .ipynb in step with its .py, the source."""
    from dnakit.notebooks import pair as pairs

    for notebook in _selected(chosen):
        print(shown(pairs.pair(notebook, execute)), flush=True)


@app.command()
def record(notebook: Notebook, profile: Profile, chosen: Runs = None, p: Assignments = None) -> None:
    """Copy the small results of finished runs to data/recorded, where the book finds them.

    With -p, a recorded run of other values is not replaced. Only the precision may differ: -p precision=bf16 records a
    run that was made on a GPU.
    """
    from dnakit.store import record

    chapter = _chapter(notebook, profile, p)
    named = [chapter.runs[name] for name in _named(chapter, profile, chosen)]
    for run in named:  # before anything is copied
        _refuse_unmade(run, notebook, profile, p)
        _refuse_replacing(run, notebook, profile, p)
    folders = [run.folder() for run in named]
    for run, made in zip(named, folders, strict=True):
        print(shown(record(made, run.name, profile, notebook)))


@app.command("export")
def export_(
    notebook: Notebook,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run that keeps a model.")],
    folder: Annotated[Path, typer.Argument(parser=options.new_path, metavar="FOLDER", help="A new folder.")],
    profile: Profile,
    p: Assignments = None,
    bf16: Annotated[bool, typer.Option("--bf16", help="Weights rounded to bfloat16, half the size.")] = False,
) -> None:
    """Write the model of a finished run, its tokenizer, its record and a model card into a folder."""
    from dnakit.export import export_run

    chapter = _chapter(notebook, profile, p)
    chosen = chapter.runs[_named(chapter, profile, [run])[0]]
    _refuse_unmade(chosen, notebook, profile, p)
    print(shown(export_run(chosen, notebook, profile, folder, bf16)))


@app.command("import")
def import_(
    folder: Annotated[
        Path, typer.Argument(parser=options.users_path, metavar="FOLDER", help="A folder that dnakit export wrote.")
    ],
) -> None:
    """Put an exported run into the store, after a check of its key and its files, and print where it lies."""
    from dnakit.export import import_run

    print(import_run(folder))


@app.command()
def classify(
    reads: Annotated[str, typer.Argument(help="FASTQ or FASTA, compressed or not; - for standard input.")],
    reference: Annotated[
        str, typer.Option(help="A reference by name (mitohelper is downloaded), or a file of 12S records.")
    ] = "mitohelper-2025-11",
    taxonomy: Annotated[str | None, typer.Option(help="QIIME taxonomy of such a file.")] = None,
    method: Annotated[str, typer.Option(help="search, or k-mers (no alignment).")] = "search",
    min_confidence: Annotated[
        float, typer.Option(parser=options.number, metavar="P", help="Name a read down to a rank that is as certain.")
    ] = 0.8,
    output: Annotated[
        Path | None,
        typer.Option(parser=options.new_path, metavar="PATH", help="A file; standard output when not given."),
    ] = None,
    wide: Annotated[bool, typer.Option("--wide", help="A column for each rank.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            parser=options.new_path, metavar="PATH", help="A page (.html) or picture (.png) of what was found."
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(parser=options.processes, metavar="N", help="Processes, at most one a core.")
    ] = 1,
) -> None:
    """Name the fish that each 12S read is of, with a confidence, in QIIME 2's taxonomy format.

    Primers of MiFish-U are cut off reads that begin with one; cut those of another assay off before.
    """
    from dnakit.chapters.metagenomics.classify import classify

    classify(reads, reference, taxonomy, method, min_confidence, output, wide, report, jobs)


def main() -> None:
    """Run the command line; a mistake of the user's is one line on stderr and exit code 2, never a traceback."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    closed = _replace_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of reads and of files come out as they are
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    try:
        if "stdout" in closed:
            raise DnakitError("standard output is closed, so that nothing can be printed: open it, as > /dev/null does")
        _refuse_copied_environment()
        code = app(standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code)
    except UsageError as error:
        _fail(_usage(error), 2)
    except typer.Abort:
        _fail("stopped", 1)
    except DnakitError as error:
        _fail(str(error), 2)
    except BrokenPipeError:  # head has seen enough
        _end(1)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        _fail(f"{error.strerror or error}{where}", 2)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not re.search("allocate memory|out of memory", str(error)):
            raise  # torch's own errors of memory are no MemoryError
        _fail("out of memory: take fewer or shorter genomes, smaller batches or models, or another machine", 1)
    except CellError as error:
        _fail(str(error), 1)


def _usage(error: Any) -> str:
    """A mistake in the command itself: what is wrong, and which help to read; the help itself for a bare command."""
    message = error.format_message()
    if "\n" in message:
        _say(message)
        _end(2)
    command = error.ctx.command_path if error.ctx else "dnakit"
    return f"{message} ({command} --help says more)"


def _refuse_copied_environment() -> None:
    """The scripts of an environment that was copied with its checkout start the original's Python, and its package."""
    folder = Path(sys.argv[0]).resolve().parent.parent
    if (folder / "pyvenv.cfg").is_file() and folder != Path(sys.prefix).resolve():
        raise DnakitError(f"{folder} is a copy of {sys.prefix}: make sets up an environment of this checkout's own")


def _replace_closed_streams() -> list[str]:
    """Open what the shell closed (``>&-``), to nothing: the next file that is opened would take its place.

    Returns
    -------
    list of str
        The names of these streams.
    """
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    for name in closed:
        number = ("stdin", "stdout", "stderr").index(name)
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
        os.set_inheritable(number, True)
        setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))
    return closed


def _fail(message: str, code: int) -> NoReturn:
    _say("dnakit: " + " ".join(message.split()))
    _end(code)


def _say(text: str) -> None:
    with suppress(OSError):  # nobody can be told that nobody can be told
        print(text, file=sys.stderr)


def _end(code: int) -> NoReturn:
    """Exit with this code, also where a full or closed stream refuses what it was given: that is dropped."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def _selected(chosen: list[str] | None) -> list[str]:
    if not (chosen or names()):
        raise DnakitError(f"there are no notebooks in {folder()}")
    return [source(name).stem for name in chosen or names()]


def _chapter(notebook: str, profile: str, assignments: list[str] | None) -> "Chapter":
    from dnakit.chapters.chapter import chapter_of

    return chapter_of(notebook, profile, parameters.assigned(assignments or [], [notebook]))


def _refuse_unknown(given: dict[str, Any], selected: list[str]) -> None:
    """Each given parameter must belong to at least one of the notebooks."""
    if len(selected) == 1:
        check(given, selected[0])
    known = {name for notebook in selected for name in declared(notebook)}
    for name in given:
        if name not in known:
            raise DnakitError(f"{name!r} is not a parameter of {', '.join(selected)}{did_you_mean(name, known)}")


def _named(chapter: "Chapter", profile: str, chosen: list[str] | None) -> list[str]:
    """The names of the chosen runs; of all where none is named."""
    for name in chosen or []:
        if name not in chapter.runs:
            all_of_them = f"dnakit runs {chapter.notebook} --profile {profile}"
            near = did_you_mean(name, chapter.runs)
            raise DnakitError(f"{chapter.notebook} has no run {name!r}{near}; {all_of_them} lists them")
    return list(chosen or chapter.runs)


def _refuse_unmade(run: "Run", notebook: str, profile: str, assignments: list[str] | None) -> None:
    if not run.done:
        values = "".join(f" -p {assignment}" for assignment in assignments or [])
        raise DnakitError(f"{run.name} is not made: dnakit train {notebook} {run.name} --profile {profile}{values}")


def _refuse_replacing(run: "Run", notebook: str, profile: str, assignments: list[str] | None) -> None:
    """A recorded result stands for the values of its profile, which the book shows with it."""
    from dnakit.store import read_json, recorded_folder

    given = {assignment.partition("=")[0] for assignment in assignments or []} - {"precision"}
    there = recorded_folder(run.name, profile, notebook)
    if given and there.exists() and (key := read_json(there / "run.json")["key"]) != run.key:
        raise DnakitError(
            f"{relative(there)} holds the run {key}, and -p {', -p '.join(sorted(given))} makes this one {run.key}: to "
            f"replace it, write the values into params/{profile}/{notebook}.yaml and record without -p"
        )


def _state(run: "Run") -> tuple[str, str]:
    seconds = run.wall_seconds()
    return "in store" if run.done else "to make", "-" if seconds is None else f"{seconds:.1f}"


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
