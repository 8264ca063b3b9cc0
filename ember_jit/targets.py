"""From `MODULE:NAME` and JSON on a command line to an operator: import, look up, construct.

    myapp.answers:Answer                 a class: constructed, with `--init` if it takes arguments
    myapp.answers:make_answer            a function that returns an operator
    myapp.answers:answer                 an operator that the module made
    path/to/answers.py:Answer            the same, from a file

Everything that can go wrong here is the user's mistake, and gets one line that says what to do.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from ember_jit.aot.reach import decorated_in
from ember_jit.api import structural_jit
from ember_jit.errors import (
    ConstructionError,
    InputError,
    NotAnOperatorError,
    TargetError,
    similar,
)
from ember_jit.report.survey import find_function
from ember_jit.runtime.dispatch import unit_of


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked for.

    Attributes:
        op: the operator, or the decorated function.
        remarks: what the user should be told.
    """

    op: Any
    remarks: tuple[str, ...] = ()


def load(text: str, init: str | None = None) -> Target:
    """The operator that `text` names, decorated if it was not.

    Args:
        text: `MODULE:NAME` or `FILE.py:NAME`.
        init: JSON for the constructor or factory, or the path of a file with it: an object gives keywords,
            a list gives positional arguments.

    Raises:
        TargetError: there is no such module or name.
        InputError: `init` is not JSON.
        ConstructionError: constructing it failed.
        NotAnOperatorError: it has no `forward`.
    """
    module, name = _module(text)
    found = _attribute(module, name, text)
    arguments = parse_json(init, "--init") if init is not None else None
    op = _operator(found, text, arguments)
    function, _, kind = find_function(op)
    if unit_of(function) is not None:
        return Target(op)
    structural_jit(op)
    what = type(op).__qualname__ if kind == "operator" else function.__qualname__
    return Target(
        op, (f"{what} is not decorated: `@structural_jit` was applied to it for this run",)
    )


def load_all(text: str, init: str | None = None) -> list[Target]:
    """The operators that `text` names: as `load`, or for a package, module or file all that is decorated in it.

    A class of a package that cannot be constructed without arguments becomes a target without an operator, and a
    remark.

    Raises:
        TargetError: there is no such package, or nothing in it is decorated.
    """
    if ":" in text:
        return [load(text, init)]
    if init is not None:
        raise ConstructionError("--init is for one class: name it as MODULE:CLASS")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    package = _from_file(Path(text)).__name__ if text.endswith(".py") else text
    found: list[Target] = []
    for each in decorated_in(package):
        try:
            made = _construct(each, each.__qualname__, None) if isinstance(each, type) else each
        except ConstructionError as exc:
            found.append(Target(None, (str(exc),)))
        else:
            found.append(Target(made))
    if not found:
        raise TargetError(
            f"nothing in {text!r} is decorated; decorate its operator classes with `@structural_jit`, "
            f"or name one: `{text}:CLASS`"
        )
    return found


# ---------------------------------------------------------------------- MODULE:NAME
def _module(text: str) -> tuple[ModuleType, str]:
    place, colon, name = text.rpartition(":")
    if not colon or not place or not name:
        raise TargetError(
            f"{text!r} is not of the form MODULE:CLASS; write for example `myapp.answers:Answer`, or `answers.py:Answer`"
        )
    if place.endswith(".py") or "/" in place:
        return _from_file(Path(place)), name
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.util.find_spec(place)
    except ModuleNotFoundError as exc:
        raise TargetError(
            f"there is no module {exc.name!r} (looked for {place!r} in the current folder and on sys.path)"
        ) from None
    except (ImportError, ValueError, AttributeError):
        found = None
    except Exception as exc:
        raise _broken(place, exc) from exc
    if found is None:
        hint = (
            f"; for the file, write `{place}.py:{name}`"
            if Path(f"{place}.py").exists()
            else _near(place, _modules_here())
        )
        raise TargetError(
            f"there is no module {place!r} (looked in the current folder and on sys.path){hint}"
        )
    try:
        return importlib.import_module(place), name
    except Exception as exc:
        raise _broken(place, exc) from exc


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        folder = path.parent if path.parent.is_dir() else Path()
        raise TargetError(
            f"there is no file {str(path)!r}{_near(path.name, [each.name for each in folder.glob('*.py')])}"
        )
    name = path.stem
    sys.path.insert(0, str(path.parent.resolve()))
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise TargetError(f"{str(path)!r} cannot be imported; give a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as exc:
        sys.modules.pop(name, None)
        if isinstance(exc, ImportError) and "relative import" in str(exc):
            raise TargetError(
                f"{path} imports relatively, so it is part of a package: write `{_dotted(path)}:NAME`"
            ) from exc
        raise _broken(str(path), exc) from exc
    return module


def _dotted(path: Path) -> str:
    """The name of the module in `path`, by the packages that it lies in: `pkg/sub/a.py` is `pkg.sub.a`."""
    parts, folder = [path.stem], path.resolve().parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)


def _broken(place: str, exc: Exception) -> TargetError:
    return TargetError(
        f"importing {place} failed: {_described(exc)}; mend that first (`python -c 'import ...'` shows the whole traceback)"
    )


def _modules_here() -> list[str]:
    return [path.stem for path in Path().glob("*.py")] + [
        path.parent.name for path in Path().glob("*/__init__.py")
    ]


def _attribute(module: ModuleType, name: str, text: str) -> Any:
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            candidates = [each for each in dir(found) if not each.startswith("_")]
            raise TargetError(
                f"{text.rpartition(':')[0]} has no {name!r}{_near(part, candidates)}"
            ) from None
    return found


def _near(name: str, candidates: list[str]) -> str:
    near = similar(name, candidates)
    return f"; did you mean {' or '.join(near)}?" if near else ""


# ---------------------------------------------------------------------- constructing
def _operator(found: Any, text: str, arguments: Any) -> Any:
    """The operator behind what a module holds."""
    if isinstance(found, type):
        find_function(found)  # no `forward`: say so before anything is constructed
        return _construct(found, found.__qualname__, arguments)
    if (
        isinstance(found, FunctionType)
        and unit_of(found) is None
        and (arguments is not None or _is_factory(found))
    ):
        made = _construct(found, found.__qualname__, arguments)
        try:
            find_function(made)
        except NotAnOperatorError:
            raise NotAnOperatorError(
                f"{text} is a function that returned a {type(made).__name__}, which has no `forward`. "
                "Name a class, an operator, or a function that returns an operator."
            ) from None
        return made
    if arguments is not None:
        raise ConstructionError(
            f"{text} is not constructed here, so --init means nothing for it; leave it out"
        )
    return found


def _is_factory(function: FunctionType) -> bool:
    """Whether it can be called without arguments."""
    try:
        inspect.signature(function).bind()
    except TypeError:
        return False
    return True


def _construct(make: Any, name: str, arguments: Any) -> Any:
    positional = arguments if isinstance(arguments, list) else []
    keywords = arguments if isinstance(arguments, dict) else {}
    if arguments is not None and not isinstance(arguments, list | dict):
        raise ConstructionError(
            f"--init must be a JSON object (keywords) or a list (positional arguments), not {type(arguments).__name__}"
        )
    try:
        return make(*positional, **keywords)
    except Exception as exc:
        given = "without arguments" if arguments is None else f"with {json.dumps(arguments)}"
        advice = (
            "give its arguments with --init JSON (an object: keywords), or name a function that returns the operator"
            if arguments is None
            else "correct --init, or name a function that returns the operator"
        )
        raise ConstructionError(
            f"{name} could not be constructed {given}: {_described(exc)}; {advice}"
        ) from exc


def _described(exc: BaseException) -> str:
    """An exception in one line, with the place in the user's code where it was raised."""
    place = ""
    if isinstance(exc, SyntaxError) and exc.filename:
        place = f" ({exc.filename}:{exc.lineno})"
    elif exc.__traceback__ is not None:
        trace = exc.__traceback__
        while trace.tb_next is not None:
            trace = trace.tb_next
        filename = trace.tb_frame.f_code.co_filename
        place = f" ({filename}:{trace.tb_lineno})" if filename != __file__ else ""
    text = " ".join((exc.msg if isinstance(exc, SyntaxError) else str(exc)).split())
    return f"{type(exc).__name__}: {text}{place}"


# ---------------------------------------------------------------------- JSON
def parse_json(text: str, option: str) -> Any:
    """The JSON value of an option: written out, or in a file.

    Raises:
        InputError: it is neither JSON nor a file that holds JSON.
    """
    path = Path(text)
    where = option
    try:
        is_file = path.is_file()
    except (OSError, ValueError):
        is_file = False  # too long, or not a file name
    if is_file:
        where = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise InputError(f"{option}: {path} cannot be read: {exc}") from None
    elif text.endswith(".json"):
        raise InputError(f"{option}: there is no file {text!r}")
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        line = text.splitlines()[exc.lineno - 1] if text.splitlines() else ""
        hint = "; JSON wants double quotes" if "'" in line else ""
        raise InputError(
            f"{where} is not JSON: line {exc.lineno}, column {exc.colno}: {exc.msg}: {line.strip()[:80]!r}{hint}. "
            "Give JSON, or the path of a file that holds it."
        ) from None
