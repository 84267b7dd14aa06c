"""Strict parameters of the notebooks: what a notebook declares, what a profile sets, and whether the two fit.

The parameters of ``notebooks/NN_name.py`` are the names assigned in its cell tagged ``parameters``;
``params/<profile>/NN_name.yaml`` gives other values to them. Nothing here starts a kernel or imports a notebook.
"""

import ast
import difflib
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from dnakit.project import DnakitError, relative, root

PROFILES = ("smoke", "laptop", "thesis")

_TYPES = {
    bool: "true or false (bool)",
    int: "a whole number (int)",
    float: "a number (float)",
    str: "text (str)",
    list: "a list",
}


class Parameter(NamedTuple):
    """A parameter of a notebook: the value its cell assigns, and that value's type."""

    default: Any
    type: type


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
    if notebook not in known:
        raise DnakitError(
            f"there is no notebook {notebook!r}{did_you_mean(notebook, known)}; known: {', '.join(known)}"
        )
    return folder() / f"{notebook}.py"


def parameters_of(notebook: str | Path) -> dict[str, Parameter]:
    """The parameters a notebook declares: name -> (default, type).

    Only ``name = literal`` lines may stand in the cell tagged ``parameters``: true or false, numbers, text, and flat
    lists of them.
    """
    path = notebook if isinstance(notebook, Path) else source(notebook)
    try:
        statements = ast.parse(_parameters_cell(path)).body
    except SyntaxError as error:
        raise DnakitError(f"the parameters cell of {path.stem} is not Python: {error.msg}") from None
    declared = (_declaration(statement, path.stem) for statement in statements)
    return {name: Parameter(value, type(value)) for name, value in declared}


def _parameters_cell(path: Path) -> str:
    pieces = re.split(r"^# %%(.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    cells = [body for header, body in zip(pieces[1::2], pieces[2::2], strict=True) if '"parameters"' in header]
    if len(cells) != 1:
        raise DnakitError(f'{path.stem} must have one cell tagged "parameters", not {len(cells)}')
    return cells[0]


def _declaration(statement: ast.stmt, notebook: str) -> tuple[str, Any]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=node):
            try:
                value = ast.literal_eval(node)
            except ValueError:
                value = None
            if _is_plain(value):
                return name, value
    line = ast.unparse(statement).splitlines()[0]
    raise DnakitError(f"the parameters cell of {notebook} may hold only lines like epochs = 3, not {line!r}")


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, bool | int | float | str) for item in value)
    return isinstance(value, bool | int | float | str)


# ---- checking values ----------------------------------------------------------------------------------------------


def check(parameters: Mapping[str, Any], notebook: str) -> dict[str, Any]:
    """The values in the types the notebook declares (a whole number becomes a float where a float is declared).

    Raises
    ------
    DnakitError
        For a name that is not a parameter of the notebook, and for a value of another type.
    """
    declared = parameters_of(notebook)
    for name in parameters:
        if name not in declared:
            raise DnakitError(f"{name!r} is not a parameter of {notebook}{did_you_mean(name, declared)}")
    return {name: _value(f"{name!r} of {notebook}", value, declared[name]) for name, value in parameters.items()}


def _value(what: str, value: Any, declared: Parameter) -> Any:
    value = _scalar(what, value, declared.type)
    if declared.type is not list:
        return value
    if not _is_plain(value):
        raise DnakitError(f"{what} must be a flat list of numbers or text, not {value!r}")
    # An empty default says nothing about the items.
    if not declared.default:
        return value
    expected = float if float in map(type, declared.default) else type(declared.default[0])
    return [_scalar(f"item {number} of {what}", item, expected) for number, item in enumerate(value, start=1)]


def _scalar(what: str, value: Any, expected: type) -> Any:
    if expected is float and type(value) is int:
        value = float(value)
    if type(value) is not expected or (isinstance(value, float) and not math.isfinite(value)):
        got = f"{value!r} ({type(value).__name__})"
        raise DnakitError(f"{what} must be {_TYPES[expected]}, not {got}{_hint(value, expected)}")
    return value


def _hint(value: Any, expected: type) -> str:
    if expected is float and isinstance(value, str) and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", value):
        mantissa, exponent = re.split("[eE]", value)
        return f"; YAML reads {value} as text: write {mantissa}.0e{int(exponent):+d}"
    if expected is str and not isinstance(value, list | dict):
        return "; text that looks like something else needs quotes"
    return ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The tail of an error message about a name that is not known."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


# ---- profiles -----------------------------------------------------------------------------------------------------


def profile_parameters(notebook: str, profile: str) -> dict[str, Any]:
    """The values a profile gives to a notebook's parameters, from ``params/<profile>/<notebook>.yaml``, checked."""
    if profile not in PROFILES:
        known = ", ".join(PROFILES)
        raise DnakitError(f"there is no profile {profile!r}{did_you_mean(profile, PROFILES)}; known: {known}")
    path = root() / "params" / profile / f"{notebook}.yaml"
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DnakitError(f"{relative(path)} is missing: a notebook needs a parameter file in each profile") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DnakitError(f"{relative(path)} is not YAML: {_one_line(error)}") from None
    if not isinstance(values, dict | None):
        raise DnakitError(f"{relative(path)} must hold lines like epochs: 3, not a {type(values).__name__}")
    try:
        return check(values or {}, notebook)
    except DnakitError as error:
        raise DnakitError(f"{relative(path)}: {error}") from None


def settings(notebook: str, profile: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All parameters of a notebook: its defaults, then the profile's values, then the overrides."""
    defaults = {name: parameter.default for name, parameter in parameters_of(notebook).items()}
    return defaults | profile_parameters(notebook, profile) | check(overrides or {}, notebook)


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


def _one_line(what: Any) -> str:
    return " ".join(str(what).split())
