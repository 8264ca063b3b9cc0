"""Finds the runs of statements in a function that may become one compiled loop each.

    total = 0.0                                a region: it holds a loop, and every node in it is known
    for row in rows:                           inputs   rows, weights, math.exp (guarded)
        for x, w in zip(row, weights):         outputs  total
            total += math.exp(-x) * w
    print(total)                               a call of something else ends it

Here only the syntax and the names are looked at; the types follow at run time.  A region that ends the function
may return; one in the middle gives its variables back.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from ember_jit.compiler.loops.functions import function_name
from ember_jit.compiler.passes.numeric_scope import Scope
from ember_jit.ir.syntax import walk
from ember_jit.runtime.statics import MISSING

MOST_INPUTS = 24

_STATEMENTS = (
    *(
        ast.Assign,
        ast.AugAssign,
        ast.AnnAssign,
        ast.For,
        ast.While,
        ast.If,
        ast.Break,
        ast.Continue,
    ),
    *(ast.Pass, ast.Expr, ast.Return, ast.Assert, ast.Raise),
)
_EXPRESSIONS = (
    *(
        ast.Constant,
        ast.Name,
        ast.BinOp,
        ast.UnaryOp,
        ast.BoolOp,
        ast.Compare,
        ast.IfExp,
        ast.Subscript,
    ),
    *(ast.Slice, ast.Tuple, ast.List, ast.ListComp, ast.Call, ast.Attribute),
)
_LOOPS = (ast.For, ast.While)
_CONSTANTS = (int, float)


@dataclass(slots=True)
class LoopRegion:
    """A run of statements that may be compiled.

    Attributes:
        number: its number in the function.
        body: the statements.
        inputs: the names that come in, in the order of the entry's arguments.
        outputs: the names that go out; None if it ends the function.
        functions: what other names and attributes stand for: (the expression, the live object).
        names: the same for the compiler: source -> ("function", name) or ("constant", value).
        boundary: (line, why): what ended it, or kept the rest out.
        safe: what comes in is surely bound.
    """

    number: int
    body: list[ast.stmt]
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] | None = None
    functions: list[tuple[ast.expr, Any]] = field(default_factory=list)
    names: dict[str, tuple[str, Any]] = field(default_factory=dict)
    boundary: tuple[int, str] = (0, "")
    safe: bool = False

    @property
    def lines(self) -> tuple[int, int]:
        """Its first and last line."""
        return self.body[0].lineno, self.body[-1].end_lineno or self.body[-1].lineno

    @property
    def text(self) -> str:
        """Its source."""
        return "\n".join(ast.unparse(each) for each in self.body)


def find_loops(
    node: ast.FunctionDef, function: FunctionType, owner: Any
) -> tuple[list[LoopRegion], list[tuple[int, str]]]:
    """The regions of a function, and (line, why) for each loop that is in none."""
    finder = _Finder(node, Scope(node, function, owner))
    finder.block(node.body, tail=True, inside=False)
    return finder.found, finder.left


class _Finder:
    def __init__(self, node: ast.FunctionDef, scope: Scope) -> None:
        self.node = node
        self.scope = scope
        self.found: list[LoopRegion] = []
        self.left: list[tuple[int, str]] = []

    def block(self, body: Sequence[ast.stmt], tail: bool, inside: bool) -> None:
        """Find regions in a list of statements.

        Args:
            tail: the function ends after it.
            inside: it is run several times in one call.
        """
        run: list[ast.stmt] = []
        for each in body:
            why = self.reason(each)
            if why is None:
                run.append(each)
                continue
            self._close(run, False, inside, why)
            run = []
            if any(isinstance(inner, _LOOPS) for inner in walk(each)) and not self._enter(
                each, inside
            ):
                self.left.append(why)
        self._close(run, tail, inside, (0, ""))

    def _enter(self, node: ast.stmt, inside: bool) -> bool:
        """Look for regions in the blocks of a statement that is none itself; whether there were any."""
        before = len(self.found)
        if isinstance(node, ast.For | ast.While | ast.If | ast.With | ast.Try):
            within = inside or isinstance(node, _LOOPS)
            blocks = [
                node.body,
                *(b for b in (getattr(node, "orelse", []), getattr(node, "finalbody", [])) if b),
            ]
            for each in blocks:
                self.block(each, tail=False, inside=within)
        return len(self.found) > before

    def _close(self, run: list[ast.stmt], tail: bool, inside: bool, why: tuple[int, str]) -> None:
        """Make a region of a run of statements, if there is a loop in it."""
        while run and not tail and not isinstance(run[-1], _LOOPS) and _plain(run[-1]):
            run = run[:-1]  # what follows the last loop is as quick in Python
        if not any(isinstance(each, _LOOPS) for statement in run for each in walk(statement)):
            return
        returns = [
            each for statement in run for each in walk(statement) if isinstance(each, ast.Return)
        ]
        if returns and not tail:
            first = next(
                k
                for k, each in enumerate(run)
                if any(isinstance(n, ast.Return) for n in walk(each))
            )
            self._close(
                run[:first],
                False,
                inside,
                (returns[0].lineno, "a `return` in the middle of the function"),
            )
            if not any(
                isinstance(each, _LOOPS) for statement in run[:first] for each in walk(statement)
            ):
                self.left.append((returns[0].lineno, "a `return` in the middle of the function"))
            return
        region = LoopRegion(len(self.found), list(run), boundary=why)
        problem = self._fill(region, tail, inside)
        if problem is not None:
            self.left.append(problem)
            return
        self.found.append(region)

    # ------------------------------------------------------------------ names
    def _fill(self, region: LoopRegion, tail: bool, inside: bool) -> tuple[int, str] | None:
        read, assigned, seen = _names(region.body)
        outside_read, outside_assigned = self._elsewhere(region.body)
        paths: dict[str, ast.expr] = {}
        for each in seen:
            live = self.scope.live(each)
            text = ast.unparse(each)
            if function_name(live):
                region.names[text] = ("function", function_name(live))
            elif isinstance(each, ast.Attribute) and type(live) in _CONSTANTS:
                region.names[text] = ("constant", live)
            else:
                continue
            paths[text] = each
            region.functions.append((each, live)) if text not in {
                ast.unparse(e) for e, _ in region.functions
            } else None
        roots = {_root(each) for each in paths.values()}
        sure = _surely_assigned_first(region.body)
        for name in read:
            if name in roots:
                continue
            local = name in self.scope.variables
            if local and name in assigned and name in sure:
                continue
            if local and name in assigned and name not in outside_assigned and not inside:
                continue  # bound in here, or nowhere
            region.inputs.append(name)
        if len(region.inputs) > MOST_INPUTS:
            return region.lines[0], f"more than {MOST_INPUTS} variables come in"
        region.safe = set(region.inputs) <= self.scope.parameters()
        if not tail:
            again = set(region.inputs) if inside else set()
            region.outputs = [name for name in assigned if name in outside_read or name in again]
        return None

    def _elsewhere(self, body: Sequence[ast.stmt]) -> tuple[set[str], set[str]]:
        """The names that the rest of the function reads and assigns."""
        inner = {id(each) for statement in body for each in walk(statement)}
        read: set[str] = set()
        assigned = {each.arg for each in walk(self.node.args) if isinstance(each, ast.arg)}
        for each in walk(self.node):
            if id(each) in inner or not isinstance(each, ast.Name):
                continue
            (read if isinstance(each.ctx, ast.Load) else assigned).add(each.id)
            if isinstance(each.ctx, ast.Del):
                read.add(each.id)
        for each in walk(self.node):
            if (
                isinstance(each, ast.AugAssign)
                and isinstance(each.target, ast.Name)
                and id(each) not in inner
            ):
                read.add(each.target.id)
        return read, assigned

    # ------------------------------------------------------------------ what may be in it
    def reason(self, statement: ast.stmt) -> tuple[int, str] | None:
        """Why a statement cannot be compiled, and where; None if it may be."""
        skipped: set[int] = set()
        for each in walk(statement):
            if id(each) in skipped:
                continue
            if isinstance(each, ast.comprehension):  # its variables are its own
                skipped |= {id(inner) for inner in walk(each.target)}
            line = getattr(each, "lineno", statement.lineno)
            if isinstance(each, ast.Raise):
                skipped |= {id(inner) for inner in walk(each)}
                continue
            if isinstance(each, ast.Assert) and each.msg is not None:
                skipped |= {id(inner) for inner in walk(each.msg)}
            if isinstance(each, ast.AnnAssign):
                skipped |= {id(inner) for inner in walk(each.annotation)}
            if isinstance(each, ast.stmt) and not isinstance(each, _STATEMENTS):
                return line, f"the statement `{_word(each)}`"
            if isinstance(each, ast.expr) and not isinstance(each, _EXPRESSIONS):
                return line, f"the expression `{type(each).__name__}`"
            why = self._name_or_call(each, skipped)
            if why:
                return line, why
        return None

    def _name_or_call(self, node: ast.AST, skipped: set[int]) -> str:
        if (
            isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Store)
            and node.id not in self.scope.variables
        ):
            return f"an assignment to `{node.id}`, which is not the function's own"
        if isinstance(node, ast.Call):
            live = self.scope.live(node.func)
            if function_name(live):
                return ""
            method = node.func
            if isinstance(method, ast.Attribute) and method.attr == "append" and live is MISSING:
                skipped.add(id(method))
                return ""
            return f"a call of `{ast.unparse(node.func):.40}`"
        if isinstance(node, ast.Attribute):
            live = self.scope.live(node)
            if node.attr == "shape" and live is MISSING:
                return ""
            if not function_name(live) and type(live) not in _CONSTANTS:
                return f"the attribute `{node.attr}`"
        return ""


def _names(body: Sequence[ast.stmt]) -> tuple[list[str], list[str], list[ast.expr]]:
    """What a region reads and assigns, in order, and every expression that may name something live."""
    read: dict[str, None] = {}
    assigned: dict[str, None] = {}
    paths: list[ast.expr] = []
    for statement in body:
        skipped: set[int] = set()
        inner: set[str] = set()
        for each in walk(statement):
            if isinstance(each, ast.Raise):
                skipped |= {id(one) for one in walk(each)}
            elif isinstance(each, ast.Assert) and each.msg is not None:
                skipped |= {id(one) for one in walk(each.msg)}
            elif isinstance(each, ast.AnnAssign):
                skipped |= {id(one) for one in walk(each.annotation)}
            elif isinstance(each, ast.comprehension):
                inner |= {one.id for one in walk(each.target) if isinstance(one, ast.Name)}
        for each in walk(statement):
            if id(each) in skipped:
                continue
            if isinstance(each, ast.Name | ast.Attribute):
                paths.append(each)
            if isinstance(each, ast.AugAssign) and isinstance(each.target, ast.Name):
                read[each.target.id] = None
            if isinstance(each, ast.Name):
                if isinstance(each.ctx, ast.Load):
                    read[each.id] = None
                elif each.id not in inner:
                    assigned[each.id] = None
        for name in inner:
            if name not in assigned:
                read.pop(name, None)
    return list(read), list(assigned), paths


def _surely_assigned_first(body: Sequence[ast.stmt]) -> set[str]:
    """Names that the region's own statements bind before anything in it reads them."""
    sure: set[str] = set()
    read: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            found, _, _ = _names(
                [ast.copy_location(ast.Expr(statement.value), statement)] if statement.value else []
            )
            read |= set(found)
            for target in targets:
                names = (
                    [target]
                    if isinstance(target, ast.Name)
                    else target.elts
                    if isinstance(target, ast.Tuple)
                    else []
                )
                if statement.value is not None:
                    sure |= {
                        each.id
                        for each in names
                        if isinstance(each, ast.Name) and each.id not in read
                    }
        found, _, _ = _names([statement])
        read |= set(found)
    return sure


def _plain(statement: ast.stmt) -> bool:
    return not any(isinstance(each, (ast.ListComp, *_LOOPS)) for each in walk(statement))


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _word(node: ast.stmt) -> str:
    return type(node).__name__.lower().removesuffix("def")
