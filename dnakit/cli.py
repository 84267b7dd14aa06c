"""The command line: each command checks what it was given, calls one function of the package, and prints what came."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
import yaml

from dnakit.notebooks import execute as notebooks
from dnakit.notebooks.parameters import check, did_you_mean, folder, names, parameters_of, settings, source
from dnakit.project import DnakitError, root

app = typer.Typer(
    help="The executable edition of a thesis on small DNA transformers.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Notebook = Annotated[str, typer.Argument(help="A notebook, e.g. 02_pretraining.")]
Notebooks = Annotated[list[str] | None, typer.Argument(help="Notebooks; all of them when none is named.")]
Profile = Annotated[str, typer.Option(help="smoke, laptop or thesis: the folder of params/ to take values from.")]
Assignments = Annotated[list[str] | None, typer.Option("-p", metavar="KEY=VALUE", help="Another value, as YAML.")]


@app.command()
def fetch(
    sources: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names from data/sources.yaml.")],
) -> None:
    """Fetch data, verified, and print where they are."""
    from dnakit.data.sources import fetch

    for name in sources:
        print(name, fetch(name))


@app.command()
def runs(notebook: Notebook, profile: Profile, p: Assignments = None) -> None:
    """List the trainings a notebook shows, and whether the store holds them."""
    found = notebooks.runs(notebook, settings(notebook, profile, _assigned(p)))
    if not found:
        print(f"{notebook} has no runs")
        return
    header = ("run", "key", "state", "what it trains")
    _print_table([header, *((name, run.key, _state(run), run.title) for name, run in found.items())])


@app.command()
def train(
    notebook: Notebook,
    run: Annotated[str, typer.Argument(help="The name of a run, from dnakit runs.")],
    profile: Profile,
    p: Assignments = None,
    key_file: Annotated[Path | None, typer.Option(help="Write the run's key here when it is trained.")] = None,
) -> None:
    """Train one run, unless the store holds it, and print its folder."""
    chosen = _runs(notebook, profile, [run], _assigned(p))[0]
    print(chosen.train())
    if key_file:
        key_file.parent.mkdir(parents=True, exist_ok=True)
        key_file.write_text(f"{chosen.key}\n")


@app.command()
def execute(
    profile: Profile,
    chosen: Notebooks = None,
    p: Assignments = None,
    output: Annotated[Path | None, typer.Option(help="A folder; book/chapters when not given.")] = None,
) -> None:
    """Run notebooks headless with a profile's parameters, and publish each when all its cells succeeded."""
    selected = _selected(chosen)
    given = _assigned(p)
    _refuse_unknown(given, selected)
    values = {
        notebook: settings(notebook, profile, {key: given[key] for key in given if key in parameters_of(notebook)})
        for notebook in selected
    }
    for notebook in selected:
        target = (output or root() / "book" / "chapters") / f"{notebook}.ipynb"
        print(notebooks.shown(notebooks.execute(notebook, values[notebook], target)), flush=True)


@app.command()
def pair(
    chosen: Notebooks = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="Run them, with their defaults, and store the outputs.")
    ] = False,
) -> None:
    """Bring each .ipynb in step with its .py, the source."""
    for notebook in _selected(chosen):
        print(notebooks.shown(notebooks.pair(notebook, execute)), flush=True)


@app.command()
def record(
    notebook: Notebook,
    profile: Profile,
    chosen: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="Runs; all when none is named.")
    ] = None,
    p: Assignments = None,
) -> None:
    """Copy the small results of finished runs to data/recorded, where the book finds them."""
    from dnakit.store import record

    asked = _runs(notebook, profile, chosen, _assigned(p))
    for run in asked:  # before anything is copied
        if not run.done:
            values = "".join(f" -p {assignment}" for assignment in p or [])
            raise DnakitError(
                f"{run.name} is not trained: dnakit train {notebook} {run.name} --profile {profile}{values}"
            )
    for run in asked:
        print(notebooks.shown(record(run.train(), run.name, profile, notebook)))


def main() -> None:
    """Run the command line; a mistake of the user's is one line on stderr and exit code 2, never a traceback."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        app()
    except DnakitError as error:
        _fail(str(error), 2)
    except notebooks.CellError as error:
        _fail(str(error), 1)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        _fail(f"{error.strerror or error}{where}", 2)


def _fail(message: str, code: int) -> NoReturn:
    print("dnakit:", " ".join(message.split()), file=sys.stderr)
    sys.exit(code)


def _selected(chosen: list[str] | None) -> list[str]:
    if not (chosen or names()):
        raise DnakitError(f"there are no notebooks in {folder()}")
    return [source(name).stem for name in chosen or names()]


def _assigned(assignments: list[str] | None) -> dict[str, Any]:
    """The values of ``-p key=value`` options, read as YAML; the path of a file becomes absolute.

    A notebook's kernel works in another folder than the user who names the file.
    """
    values = {}
    for assignment in assignments or []:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise DnakitError(f"-p takes KEY=VALUE, not {assignment!r}")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise DnakitError(f"-p {assignment}: {text!r} is not YAML; quote it") from None
        values[key] = str(Path(value).resolve()) if isinstance(value, str) and Path(value).is_file() else value
    return values


def _refuse_unknown(given: dict[str, Any], selected: list[str]) -> None:
    """Each given parameter must belong to at least one of the notebooks."""
    if len(selected) == 1:
        check(given, selected[0])
    known = {name for notebook in selected for name in parameters_of(notebook)}
    for name in given:
        if name not in known:
            raise DnakitError(f"{name!r} is not a parameter of {', '.join(selected)}{did_you_mean(name, known)}")


def _runs(
    notebook: str, profile: str, chosen: list[str] | None, given: dict[str, Any] | None = None
) -> list[notebooks.Run]:
    found = notebooks.runs(notebook, settings(notebook, profile, given))
    for name in chosen or []:
        if name not in found:
            all_of_them = f"dnakit runs {notebook} --profile {profile}"
            raise DnakitError(f"{notebook} has no run {name!r}{did_you_mean(name, found)}; {all_of_them} lists them")
    return [found[name] for name in chosen or found]


def _state(run: notebooks.Run) -> str:
    return "in store" if run.done else "to train"


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
