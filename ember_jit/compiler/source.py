"""From a live function to its AST, or a reason why not.

The source that `linecache` shows is not always the source that runs: files are edited, notebook cells
are run again, two classes of one name stand in one file.  So the retrieved text is compiled again and
its code object compared, recursively, with the live one (DESIGN 3, "Source").  A mismatch means that
there is no source.  Nothing of the user's is executed.
"""

from __future__ import annotations

import ast
import dis
import inspect
import linecache
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from types import CodeType, FunctionType
from typing import Any

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
FUTURE_MASK = 0x1FF0000  # the CO_FUTURE_* bits
_NESTED = 0x10  # CO_NESTED: only says that a function stands in a function
_IMPORT = re.compile(r"\s*(?:from\s+[\w.]+\s+)?import\s+(.*)")
_INDENTED = re.compile(r"[ \t]")
_DEFINES = re.compile(r"\s*(?:async\s+)?def\b")


@dataclass(frozen=True, slots=True)
class Source:
    """A function's syntax tree and where it stands.

    Attributes:
        node: its definition, with the file's line numbers and columns.
        lines: the source lines of the definition.
        first: line number of `lines[0]` in the file.
        filename: as in the code object.
        class_name: the class whose body it stands in (for private names), or None.
        imports: global names that its file imports.
    """

    node: ast.FunctionDef
    lines: tuple[str, ...]
    first: int
    filename: str
    class_name: str | None
    imports: tuple[str, ...]

    def line(self, number: int) -> str:
        """The text of line `number` of the file, stripped."""
        index = number - self.first
        return self.lines[index].strip() if 0 <= index < len(self.lines) else ""

    def segment(self, node: ast.AST) -> str:
        """The source text of `node`, on one line."""
        return " ".join(ast.unparse(node).split())


class NoSource(Exception):
    """There is no source that is known to be what runs; the message is the reason."""


#: by identity: equal code objects may stand in different files
_cache: dict[int, tuple[CodeType, Source | NoSource]] = {}


def source_of(function: FunctionType, code: CodeType) -> Source:
    """The checked source of `function`, whose original code is `code`.

    Raises:
        NoSource: no text was found, or it is not the text of `code`.
    """
    entry = _cache.get(id(code))
    if entry is not None:
        found = entry[1]
    else:
        try:
            found = _retrieve(function, code)
        except NoSource as reason:
            found = reason
        if len(_cache) > 4096:
            _cache.clear()
        _cache[id(code)] = (code, found)
    if isinstance(found, NoSource):
        raise NoSource(*found.args)
    return found


def _retrieve(function: FunctionType, code: CodeType) -> Source:
    if code.co_name == "<lambda>":
        raise NoSource("it is a lambda, whose extent in its file cannot be told")
    lines = linecache.getlines(code.co_filename, function.__globals__)
    first = code.co_firstlineno
    if not lines or first > len(lines):
        raise NoSource(f"no source lines for {code.co_filename!r}")
    block = _by_indentation(lines, first)
    node = _definition(block)
    if node is None:
        try:
            block = inspect.getblock(lines[first - 1 :])
        except (SyntaxError, tokenize.TokenError) as exc:
            raise NoSource("the file does not hold its source any more") from exc
        node = _definition(block)
    if node is None:
        raise NoSource("the file does not hold its source any more")
    ast.increment_lineno(node, first - 2)
    class_name = enclosing_class(function.__qualname__)
    if not isinstance(node, ast.FunctionDef):
        raise NoSource("it is an async function")
    for imports in _import_guesses(lines, code):
        again = compile_functions([node], code, class_name, code.co_freevars, imports).get(
            node.name
        )
        if again is not None and same_code(again, code):
            text_lines = tuple(line.rstrip("\n") for line in block)
            return Source(node, text_lines, first, code.co_filename, class_name, imports)
    raise NoSource("the source in the file is not what runs (edited, wrapped or defined twice)")


def _by_indentation(lines: list[str], first: int) -> list[str]:
    """The lines of the definition at line `first`, if nothing in it is indented less than it.

    That a string or a bracket may be is for `_definition` to notice: what is cut short does not parse.
    """
    start = index = first - 1
    width = len(lines[start]) - len(lines[start].lstrip())
    while index < len(lines) and not _DEFINES.match(lines[index]):
        index += 1  # its decorators
    end = index + 1
    for index in range(end, len(lines)):
        stripped = lines[index].lstrip()
        if not stripped or stripped[0] == "#":
            continue
        if len(lines[index]) - len(stripped) <= width and stripped[0] not in ")]}":
            break
        end = index + 1
    return lines[start:end]


def _definition(block: list[str]) -> FunctionNode | None:
    """The one function definition that `block` is, or None; its lines are counted from 2."""
    text = "".join(block)
    head = "if 1:\n" if _INDENTED.match(text) else "\n"
    try:
        tree = ast.parse(head + text)
    except (SyntaxError, ValueError):
        return None
    body = tree.body[0].body if isinstance(tree.body[0], ast.If) else tree.body
    return body[0] if len(body) == 1 and isinstance(body[0], FunctionNode) else None


def _import_guesses(lines: list[str], code: CodeType) -> Iterator[tuple[str, ...]]:
    """Global names that the file imports: CPython compiles `imported.attribute()` differently."""
    used = set(_global_names(code))
    yield tuple(sorted(used & _imported_names(code.co_filename, len(lines))))
    yield ()


@lru_cache(maxsize=64)
def _imported_names(filename: str, length: int) -> frozenset[str]:
    """The names after every `import` of a file (a guess: the comparison of code objects decides)."""
    names: set[str] = set()
    for line in linecache.getlines(filename)[:length]:
        match = _IMPORT.match(line)
        if match:
            names.update(re.findall(r"\w+", match.group(1)))
    return frozenset(names)


def _global_names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _global_names(const)


def names_of(code: CodeType) -> Iterator[str]:
    """Every name that the source of `code` mentions, its nested functions included."""
    for names in (code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars):
        yield from names
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from names_of(const)


def enclosing_class(qualname: str) -> str | None:
    """The class that a qualified name says the function stands in."""
    parts = qualname.split(".")
    return parts[-2] if len(parts) > 1 and parts[-2] != "<locals>" else None


def mangled(name: str, class_name: str | None) -> str:
    """A private name as the compiler spells it."""
    if class_name is None or not name.startswith("__") or name.endswith("__"):
        return name
    stripped = class_name.lstrip("_")
    return f"_{stripped}{name}" if stripped else name


def compile_functions(
    nodes: list[ast.FunctionDef],
    code: CodeType,
    class_name: str | None,
    free: Sequence[str],
    imports: Sequence[str] = (),
) -> dict[str, CodeType]:
    """Compile several definitions in the surroundings of `code`; their code objects by name."""
    inner: list[ast.stmt] = list(nodes)
    first = nodes[0]
    where: dict[str, Any] = {
        "lineno": first.lineno,
        "col_offset": 0,
        "end_lineno": first.lineno,
        "end_col_offset": 0,
    }
    if class_name is not None:
        holder = ast.ClassDef(
            name=class_name, bases=[], keywords=[], body=inner, decorator_list=[], **where
        )
        if "type_params" in ast.ClassDef._fields:
            holder.type_params = []  # type: ignore[attr-defined, unused-ignore]
        inner = [holder]
        if class_name not in free:
            inner.insert(0, ast.Global(names=[class_name], **where))
    names = [
        ast.arg(arg=name, annotation=None, **where)
        for name in free
        if name != "__class__" or class_name is None
    ]
    arguments = ast.arguments(
        posonlyargs=[],
        args=names,
        vararg=None,
        kwonlyargs=[],
        kw_defaults=[],
        kwarg=None,
        defaults=[],
    )
    outer = ast.FunctionDef(
        name="__ember_outer__", args=arguments, body=inner, decorator_list=[], returns=None, **where
    )
    if "type_params" in ast.FunctionDef._fields:
        outer.type_params = []  # type: ignore[attr-defined, unused-ignore]
    body: list[ast.stmt] = [
        ast.Import(names=[ast.alias(name=name, **where)], **where) for name in imports
    ]
    module = ast.Module(body=[*body, outer], type_ignores=[])
    flags = code.co_flags & FUTURE_MASK
    try:
        compiled = compile(module, code.co_filename, "exec", flags=flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return {}
    space = _nested(compiled, "__ember_outer__")
    if space is not None and class_name is not None:
        space = _nested(space, class_name)
    if space is None:
        return {}
    found = {}
    for const in space.co_consts:
        if isinstance(const, CodeType):
            found[const.co_name] = const
            if const.co_name == "<generic parameters of " + first.name + ">":
                inner_code = _nested(const, first.name)
                if inner_code is not None:
                    found[first.name] = inner_code
    return found


def _nested(code: CodeType, name: str) -> CodeType | None:
    for const in code.co_consts:
        if isinstance(const, CodeType) and const.co_name == name:
            return const
    return None


def first_line(code: CodeType) -> int:
    """The line on which the body of a function begins to run: where a debugger stops first."""
    resumed = code.co_code[::2].index(dis.opmap["RESUME"])
    lines = (position[0] for position in islice(code.co_positions(), resumed + 1, None))
    return next((line for line in lines if line is not None), code.co_firstlineno)


def same_code(a: CodeType, b: CodeType) -> bool:
    """Whether two code objects are the same program: bytecode, constants, names and lines, recursively."""
    if (
        a.co_code != b.co_code
        or a.co_name != b.co_name
        or a.co_names != b.co_names
        or a.co_varnames != b.co_varnames
        or set(a.co_freevars) != set(b.co_freevars)
        or a.co_cellvars != b.co_cellvars
        or (a.co_flags ^ b.co_flags) & ~_NESTED
        or a.co_firstlineno != b.co_firstlineno
        or list(a.co_lines()) != list(b.co_lines())
        or a.co_exceptiontable != b.co_exceptiontable
        or len(a.co_consts) != len(b.co_consts)
    ):
        return False
    return all(
        _same_const(x, y) or (is_class_body(a) and x == a.co_qualname and y == b.co_qualname)
        for x, y in zip(a.co_consts, b.co_consts, strict=True)
    )


def is_class_body(code: CodeType) -> bool:
    """Whether `code` is the body of a class: its own qualified name, which says where it was compiled, is a constant."""
    return not code.co_flags & inspect.CO_OPTIMIZED


def _same_const(a: object, b: object) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, CodeType) and isinstance(b, CodeType):
        return same_code(a, b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_same_const(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, frozenset) and isinstance(b, frozenset):
        return sorted(map(repr, a)) == sorted(map(repr, b))  # a `.pyc` may hold it in another order
    return repr(a) == repr(b)
