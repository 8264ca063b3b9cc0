"""Generated code that was dumped and edited, in place of ours: `ember-jit run --generated out/retire.py app:Answer`.

    dump(op, "out")  ->  out/retire.py, out/issue.py (or out/straight.py)  ->  edited  ->  `put_in_place(op, [paths])`

Each file begins with what it is and with the digest of the function that it was made from, which must be that of the function at
hand.  Names that stand for live objects (`_unit`, `_gettrace`, ...) become those again; every other name must be one that
the function, its globals or the original program have.  Tracebacks show the edited file.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import re
import symtable
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

from ember_jit.compiler.codegen.link import (
    compile_in_place,
    compile_issue_programs,
    program_text,
    straight_objects,
)
from ember_jit.compiler.source import Source
from ember_jit.errors import GeneratedCodeError
from ember_jit.report.survey import Survey, survey
from ember_jit.runtime.linking import (
    CALL,
    CODE,
    GETTRACE,
    TOOL,
    TYPE,
    UNIT,
    link_programs,
    place,
)
from ember_jit.runtime.originals import remember
from ember_jit.runtime.overlays import put_code

KINDS = {"Retire": "retire.py", "Issue": "issue.py", "Straight": "straight.py"}
_HEAD = re.compile(r"# (Retire|Issue|Straight)\b.*\n")
_STAMP = re.compile(r"^# of source [0-9a-f]{16}$", re.MULTILINE)
_STAND_FOR = {"_unit": UNIT, "_gettrace": GETTRACE, "_tool": TOOL}


def stamp(source: Source) -> str:
    """The line that says from which source a dumped program was made."""
    text = "\n".join(source.lines).encode()
    return f"# of source {hashlib.blake2b(text, digest_size=8).hexdigest()}"


def put_in_place(op: Any, paths: Iterable[Path]) -> list[str]:
    """Make the programs in `paths` what `op` runs from now on.

    Args:
        op: an operator or decorated function.
        paths: dumped programs, edited or not; or the folder of a dump, for all in it.

    Returns:
        The kinds of programs that were exchanged: names of files of a dump.

    Raises:
        GeneratedCodeError: a file is no dumped program, is another function's, or does not compile; or `op` is not compiled.
    """
    found = survey(op)
    if found.artifacts.retire is None and found.artifacts.straight is None:
        reason = found.reason or found.status
        raise GeneratedCodeError(
            f"{found.name} runs no generated code ({reason}), so none can be exchanged"
        )
    done = []
    for path in _files(paths):
        text = _read(path)
        kind = _kind(path, text, found)
        (_put_issue if kind == "issue.py" else _put_function)(path, text, kind, found)
        done.append(kind)
    return done


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = [path / name for name in KINDS.values() if (path / name).is_file()]
        if not inside:
            raise GeneratedCodeError(f"there is no {', '.join(KINDS.values())} in {path}")
        yield from inside


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise GeneratedCodeError(f"{path} cannot be read: {exc}") from None


def _kind(path: Path, text: str, found: Survey) -> str:
    """Which program a file is, having checked that it is of this function."""
    head, made_from = _HEAD.match(text), _STAMP.search(text)
    assert found.source is not None
    if head is None or made_from is None:
        raise GeneratedCodeError(
            f"{path} does not begin as a dumped program does; keep its first lines: "
            "`# Retire program of ...` and `# of source ...` say what it is"
        )
    if made_from[0] != stamp(found.source):
        raise GeneratedCodeError(
            f"{path} was made from another function than {found.name} ({found.file}:{found.line}), or from an "
            "earlier version of it: dump it again"
        )
    kind = KINDS[head[1]]
    artifacts = found.artifacts
    has = {
        "retire.py": artifacts.retire is not None,
        "issue.py": bool(artifacts.issues),
        "straight.py": artifacts.straight is not None,
    }
    if not has[kind]:
        raise GeneratedCodeError(f"{path}: {found.name} has no {kind} here: dump it again")
    return kind


def _parsed(path: Path, text: str) -> list[ast.FunctionDef]:
    try:
        body = ast.parse(text, str(path)).body
        compile(text, str(path), "exec", dont_inherit=True)
    except SyntaxError as exc:
        raise GeneratedCodeError(f"{path}:{exc.lineno}: {exc.msg}") from None
    for statement in body:
        if not isinstance(statement, ast.FunctionDef):
            raise GeneratedCodeError(
                f"{path}:{statement.lineno}: only the definitions of the dump may stand here"
            )
    return [each for each in body if isinstance(each, ast.FunctionDef)]


def _same_heads(
    path: Path, nodes: list[ast.FunctionDef], wanted: dict[str, ast.FunctionDef]
) -> None:
    """Check that the functions of a file are those of the dump, with the same parameters."""
    for node in nodes:
        ours = wanted.get(node.name)
        if ours is None:
            names = ", ".join(wanted)
            raise GeneratedCodeError(
                f"{path}:{node.lineno}: {node.name} is none of the functions of the dump: {names}"
            )
        mine, theirs = (
            [each.arg for each in ast.walk(f.args) if isinstance(each, ast.arg)]
            for f in (node, ours)
        )
        if mine != theirs:
            raise GeneratedCodeError(
                f"{path}:{node.lineno}: {node.name} takes ({', '.join(theirs)}), not ({', '.join(mine)})"
            )
    for name in wanted.keys() - {node.name for node in nodes}:
        raise GeneratedCodeError(f"{path}: the function {name} of the dump is missing")


def _check_names(path: Path, text: str, known: set[str]) -> None:
    """Refuse names that are neither bound in the file nor known."""
    used: set[str] = set()
    tables = [symtable.symtable(text, str(path), "exec")]
    known = known | {
        symbol.get_name() for symbol in tables[0].get_symbols() if symbol.is_assigned()
    }
    for table in tables:
        tables += table.get_children()
        used |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_global() and symbol.is_referenced()
        }
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name) and node.id in used - known:
            raise GeneratedCodeError(
                f"{path}:{node.lineno}: there is no {node.id!r} in the function, its module or the dumped program"
            )


def _known_names(found: Survey) -> set[str]:
    original = found.unit.original
    return {*found.function.__globals__, *vars(builtins), *original.co_freevars}


def _put_function(path: Path, text: str, kind: str, found: Survey) -> None:
    artifacts, source, unit = found.artifacts, found.source, found.unit
    assert source is not None
    ours = artifacts.retire if kind == "retire.py" else None
    objects: dict[str, Any] = {UNIT: unit}
    bound = dict(_STAND_FOR)
    if artifacts.straight is not None and kind == "straight.py":
        ours = artifacts.straight.node
        objects |= straight_objects(artifacts.straight)
    assert ours is not None
    nodes = _parsed(path, text)
    _same_heads(path, nodes, {ours.name: ours})
    assigned = {"_type": TYPE, "_call": CALL, "_code": CODE} | _class_names(ours)
    extra = {"type", "Operator", *_dumped_names(artifacts.straight)}
    _check_names(path, text, _known_names(found) | set(bound) | extra)
    node = _Restore(bound, assigned if kind == "straight.py" else {}).visit(nodes[0])
    original = unit.original.replace(co_filename=str(path.resolve()))
    code = compile_in_place(original, source, node)
    if code is None:
        raise GeneratedCodeError(f"{path}: {node.name} does not compile to the same variables")
    made = place(code.replace(co_firstlineno=node.lineno), objects)
    remember(made, unit.original)
    unit._placed = made
    put_code(found.function, made)


def _put_issue(path: Path, text: str, kind: str, found: Survey) -> None:
    artifacts, unit = found.artifacts, found.unit
    plan = unit.plan
    if plan is None:
        raise GeneratedCodeError(f"{path}: {found.name} is not compiled")
    ours = ast.parse(program_text(artifacts.issues))
    wanted = {each.name: each for each in ours.body if isinstance(each, ast.FunctionDef)}
    _same_heads(path, _parsed(path, text), wanted)
    used = {node.id for node in ast.walk(ours) if isinstance(node, ast.Name)}
    _check_names(path, text, _known_names(found) | used)
    codes = compile_issue_programs(text, str(path.resolve()), unit.original)
    issues = [issue.name for issue in artifacts.issues]
    assert isinstance(found.function, FunctionType)
    link_programs(plan, found.function, unit.original, codes, issues)


def _class_names(node: ast.FunctionDef) -> dict[str, str]:
    """Variables of a straight function that hold classes, and the constants that stand for these."""
    return {
        statement.targets[0].id: statement.value.value
        for statement in node.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
        and statement.value.value.startswith("<ember_jit class ")
    }


def _dumped_names(straight: Any) -> Iterator[str]:
    if straight is not None:
        yield from (kind.__name__ for kind in straight.classes.values())


class _Restore(ast.NodeTransformer):
    """Puts constants back that linking replaces by objects, where the dump has names."""

    def __init__(self, names: dict[str, str], assigned: dict[str, str]) -> None:
        self.names = names
        self.assigned = assigned

    def visit_Name(self, node: ast.Name) -> ast.expr:
        mark = self.names.get(node.id)
        return node if mark is None else ast.copy_location(ast.Constant(mark), node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Constant):  # `codegen.retire` says why it stands there twice
            node.func = ast.copy_location(ast.BoolOp(ast.Or(), [node.func, node.func]), node.func)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        target = node.targets[0]
        mark = self.assigned.get(target.id) if isinstance(target, ast.Name) else None
        if mark is None or isinstance(node.value, ast.Constant):
            self.generic_visit(node)
        else:
            node.value = ast.copy_location(ast.Constant(mark), node.value)
        return node
