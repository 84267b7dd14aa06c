"""The parameters of a notebook: what it declares, what a profile sets, and whether the two fit.

The parameters of ``notebooks/NN_name.py`` are the names assigned in its cell tagged ``parameters``. Their values there
are the smoke profile; ``params/<profile>/NN_name.yaml`` holds what another profile gives instead. Nothing here starts a
kernel or imports a notebook.
"""

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, create_model

from dnakit.project import DnakitError, did_you_mean, relative, root, users_path

_BOOLEANS = dict.fromkeys(("true", "yes", "on", "y"), "true") | dict.fromkeys(("false", "no", "off", "n"), "false")
DEFAULT_PROFILE = "smoke"  # the values of the parameters cell
PROFILES = (DEFAULT_PROFILE, "laptop", "thesis")

LARGEST = 2**32 - 1  # of a whole number, in either direction: what a seed may be, and more than anything counts

_TYPES: dict[type, str] = {
    bool: "true or false (bool)",
    int: "a whole number (int)",
    float: "a number (float)",
    str: "text (str)",
    list: "a list",
}


# ---- finding notebooks and their parameters -----------------------------------------------------------------------


def folder() -> Path:
    """Where the notebooks are; also the working folder of their kernels."""
    return root() / "notebooks"


def names() -> list[str]:
    """The notebooks of the project, in the order of the book."""
    return sorted(path.stem for path in folder().glob("[0-9][0-9]_*.py"))


def source(notebook: str) -> Path:
    """The py:percent file of a notebook, by its name (``02_pretraining``)."""
    known = names()
    if not known:
        raise DnakitError(
            f"there are no notebooks in {folder()}: set DNAKIT_ROOT to the folder of a checkout, or unset it"
        )
    if notebook not in known:
        raise DnakitError(
            f"there is no notebook {notebook!r}{did_you_mean(notebook, known)}; known: {', '.join(known)}"
        )
    return folder() / f"{notebook}.py"


def declared(notebook: str) -> dict[str, Any]:
    """The parameters that a notebook declares, with their values in the parameters cell.

    Only ``name = literal`` lines may stand in the cell: true or false, numbers, text, and flat lists of them.
    """
    path = source(notebook)
    try:
        statements = ast.parse(_parameters_cell(path)).body
    except SyntaxError as error:
        raise DnakitError(f"the parameters cell of {notebook} is not Python: {error.msg}") from None
    return dict(_declaration(statement, notebook) for statement in statements)


def _parameters_cell(path: Path) -> str:
    pieces = re.split(r"^# %%(.*)$", _text(path), flags=re.MULTILINE)
    cells = [body for header, body in zip(pieces[1::2], pieces[2::2], strict=True) if '"parameters"' in header]
    if len(cells) != 1:
        raise DnakitError(f'{path.stem} must have one cell tagged "parameters", not {len(cells)}')
    return cells[0]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise DnakitError(f"{relative(path)}: not UTF-8: save it as UTF-8") from None


def _declaration(statement: ast.stmt, notebook: str) -> tuple[str, Any]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=node):
            try:
                value = ast.literal_eval(node)
            except ValueError:
                value = None
            if isinstance(value, bool | int | float | str) or _is_flat_list(value):
                return name, value
    line = ast.unparse(statement).splitlines()[0]
    raise DnakitError(f"the parameters cell of {notebook} may hold only lines like epochs = 3, not {line!r}")


def _is_flat_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, bool | int | float | str) for item in value)


# ---- checking values ----------------------------------------------------------------------------------------------


def check(values: Mapping[str, Any], notebook: str) -> dict[str, Any]:
    """The values in the types that the notebook declares (a whole number becomes a float where a float is declared).

    Raises
    ------
    DnakitError
        For a name that is not a parameter of the notebook, and for a value of another type.
    """
    known = declared(notebook)
    refuse_unknown(values, notebook, known)
    try:
        return _model(known).model_validate(dict(values)).model_dump(exclude_unset=True)
    except ValidationError as error:
        where = error.errors()[0]["loc"]
        first = str(where[0])
        raise DnakitError(_refusal(notebook, first, list(where[1:]), values[first], known)) from None


def refuse_unknown(given: Iterable[str], notebook: str, known: Iterable[str]) -> None:
    """Refuse names that are no parameters of a notebook."""
    for name in given:
        if name not in known:
            raise DnakitError(f"{shortened(name)} is not a parameter of {notebook}{did_you_mean(name, known)}")


def injected(cells: Iterable[str]) -> list[str]:
    """The names that papermill set, from the cells that were run: it puts one after the parameters cell."""
    found = [statement for cell in cells if cell.startswith("# Parameters\n") for statement in ast.parse(cell).body]
    targets = [target for statement in found if isinstance(statement, ast.Assign) for target in statement.targets]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _model(known: Mapping[str, Any]) -> type[BaseModel]:
    """A pydantic model with the names, types and values of a parameters cell."""
    fields: dict[str, Any] = {name: (_annotation(value), value) for name, value in known.items()}
    return create_model("Parameters", __config__=ConfigDict(strict=True), **fields)


_Whole = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]


def _annotation(value: Any) -> Any:
    kind = _item_type(value) if isinstance(value, list) else type(value)
    hint: Any = {float: FiniteFloat, int: _Whole}.get(kind, kind) if kind else bool | _Whole | FiniteFloat | str
    return list[hint] if isinstance(value, list) else hint


def _item_type(items: list) -> type | None:
    """The type of a list's items; None where an empty list says nothing about them."""
    kinds = {type(item) for item in items}
    return float if float in kinds else next(iter(kinds), None)


def _refusal(notebook: str, name: str, item: list, value: Any, known: Mapping[str, Any]) -> str:
    what, expected = f"{name!r} of {notebook}", type(known[name])
    if item:
        number = int(item[0])
        kind = _item_type(known[name])
        if kind is None or isinstance(value[number], list | dict):
            return f"{what} must be a flat list of numbers or text, not {shortened(value)}"
        what, value, expected = f"item {number + 1} of {what}", value[number], kind
    if expected is int and type(value) is int:
        return f"{what} must be a whole number of at most {LARGEST:,}, not {shortened(value)}"
    return f"{what} must be {_TYPES[expected]}, not {shortened(value)} ({type(value).__name__}){_hint(expected, value)}"


def _hint(expected: type, value: Any) -> str:
    """How to write what was probably meant: YAML 1.1 read 010 as 8, 1:30 as 90, 1_000 as 1000 and yes as true."""
    if expected is str and not _is_container(value):
        return "; text that looks like something else needs quotes"
    if expected is bool and str(value).lower() in _BOOLEANS:
        return f"; write {_BOOLEANS[str(value).lower()]}"
    if expected in (int, float) and isinstance(value, str) and re.match(r"[-+]?\.?\d", value):
        return "; write it in decimal digits alone, such as 12" if expected is int else "; write it like 0.5 or 1.0e-4"
    return ""


def shortened(value: Any) -> str:
    """The value as Python writes it, cut in the middle where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:40]}…{text[-20:]}"


def _is_container(value: Any) -> bool:
    return isinstance(value, list | dict)


# ---- YAML and the command line ------------------------------------------------------------------------------------


class _NotPlain(yaml.YAMLError):
    """YAML that stands for something else than it says."""


class _Yaml(yaml.SafeLoader):
    """YAML 1.2's core schema: 1e-4 is a number, 010 and 1:30 and yes are text; a key stands once, and nothing twice."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if getattr(event, "anchor", None):  # a few lines of them can stand for a list that fills the memory
            raise _NotPlain("names of values (&name, *name) are not read; write the value itself, or quote it")
        if getattr(event, "tag", None):  # !!int 010 would be 8
            raise _NotPlain("tags (!!int) are not read; write the value itself, or quote it")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        values = super().construct_mapping(node, deep)
        if len(values) < len(node.value):
            written = [key.value for key, _ in node.value]
            twice = next((name for name in written if written.count(name) > 1), written[-1])
            raise _NotPlain(f"the name {shortened(twice)} stands twice; leave one of its lines out")
        return values


_UNREADABLE = (yaml.YAMLError, RecursionError, ValueError, TypeError)  # the last two: too many digits, odd keys
_Yaml.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("bool", r"^(?:true|false)$", list("tf")),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", list("-+0123456789")),
    ("float", r"^[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    _Yaml.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def read_yaml(text: str) -> Any:
    """A YAML document by the core schema of YAML 1.2.

    Raises
    ------
    DnakitError
        If it is not YAML.
    """
    try:
        return yaml.load(text, _Yaml)
    except _NotPlain as error:
        raise DnakitError(f"not YAML that is read here: {error}") from None
    except _UNREADABLE as error:
        mark = getattr(error, "problem_mark", None)
        raise DnakitError(f"not YAML{_fault(text, mark.line) if mark else ''}") from None


def _fault(text: str, number: int) -> str:
    """The line at which a reader of YAML stopped, from 0, and what is probably wrong."""
    lines = text.splitlines()
    what = "indent by blanks, not by tabs" if "\t" in "".join(lines[number : number + 1]) else "mend it"
    return f" in line {min(number + 1, max(1, len(lines)))}: {what}, such as epochs: 3"


def assigned(assignments: Iterable[str], notebooks: Iterable[str]) -> dict[str, Any]:
    """The values of ``-p key=value`` options.

    Where the notebooks declare text, the text is taken as it was typed; anything else is read as YAML.
    """
    defaults = {name: value for notebook in notebooks for name, value in declared(notebook).items()}
    values = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise DnakitError(f"-p takes KEY=VALUE, not {shortened(assignment)}")
        if key in values:
            raise DnakitError(f"-p gives {shortened(key)} twice; give it once")
        values[key] = _typed(assignment, text, defaults.get(key))
    return values


def _typed(assignment: str, text: str, default: Any) -> Any:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    if isinstance(default, str) and not quoted:
        return text
    if "#" in text and not quoted:
        raise DnakitError(f"-p {assignment[:80]}: YAML reads # as the start of a comment; put quotes around the value")
    try:
        return yaml.load(text, _Yaml)
    except _NotPlain as error:
        raise DnakitError(f"-p {assignment[:80]}: {error}") from None
    except _UNREADABLE:
        raise DnakitError(f"-p {assignment[:80]}: {shortened(text)} is not YAML; quote it") from None


def without_folders(value: Any) -> Any:
    """The value as a page shows it: of a file outside the checkout the name alone, also in lists and before ``@``."""
    if isinstance(value, list):
        return [without_folders(item) for item in value]
    if not isinstance(value, str):
        return value
    path, at, position = (value, "", "") if users_path(value) else value.rpartition("@")
    found = users_path(path)
    return f"{relative(found)}{at}{position}" if found else value


# ---- profiles -----------------------------------------------------------------------------------------------------


def profile_parameters(notebook: str, profile: str) -> dict[str, Any]:
    """What a profile gives to a notebook's parameters instead of the values of the parameters cell, checked."""
    if profile not in PROFILES:
        known = ", ".join(PROFILES)
        raise DnakitError(f"there is no profile {profile!r}{did_you_mean(profile, PROFILES)}; known: {known}")
    if profile == DEFAULT_PROFILE:
        return {}
    path = root() / "params" / profile / f"{notebook}.yaml"
    try:
        values = read_yaml(_text(path))
        if not isinstance(values, dict | None):
            raise DnakitError(f"must hold lines like epochs: 3, not a {type(values).__name__}")
        return check(values or {}, notebook)
    except FileNotFoundError:
        raise DnakitError(f"{relative(path)} is missing: a notebook needs a parameter file in each profile") from None
    except DnakitError as error:
        raise DnakitError(f"{relative(path)}: {str(error).removeprefix(f'{relative(path)}: ')}") from None


def settings(notebook: str, profile: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All parameters of a notebook: those of its parameters cell, then of the profile, then the overrides."""
    if "profile" in (overrides or {}):  # it is what a page says of its values
        raise DnakitError("'profile' is no value to replace, but says which values these are: give --profile")
    return declared(notebook) | profile_parameters(notebook, profile) | check(overrides or {}, notebook)


# ---- writing values into the parameters cell ---------------------------------------------------------------------


def replace_literals(code: str, values: Mapping[str, Any]) -> str:
    """Python source of ``name = literal`` lines with other values for some names; comments stay where they are."""
    # Offsets of the syntax tree count UTF-8 bytes.
    lines = [line.encode() for line in code.splitlines(keepends=True)]
    for statement in reversed(ast.parse(code).body):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=old) if values.get(name, old) not in (
                old,
                ast.literal_eval(old),
            ):
                assert old.end_lineno is not None
                first, last = old.lineno - 1, old.end_lineno - 1
                new = lines[first][: old.col_offset] + _literal(values[name]) + lines[last][old.end_col_offset :]
                lines[first : last + 1] = [new]
    return b"".join(lines).decode()


def _literal(value: Any) -> bytes:
    """A literal as ruff would write it, with double quotes where it can."""
    if isinstance(value, list):
        return b"[" + b", ".join(map(_literal, value)) + b"]"
    if isinstance(value, str) and '"' not in value and repr(value) == f"'{value}'":
        return f'"{value}"'.encode()
    return repr(value).encode()
