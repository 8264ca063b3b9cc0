"""Straight functions: where nothing overlaps, calls of operators go to their `forward` without the frame between.

    x = self.double(inputs=x)
        -->
    _op = self.double
    if _type(_op) is _Double and _Double.__call__ is _call:
        try:
            x = _op.forward(inputs=x)
        except:
            try: _gettrace() or _unit.through(_unit.called(_op, inputs=x))
            except _unit.no_room: pass
            raise
    else:
        if _call is not None: _unit.missed()
        x = _op(inputs=x)

Sound because everything is live: the receiver is looked up at its program point, the class and its `__call__`
are compared there, and `_op.forward` is an ordinary method call (an override on the instance, a patched class,
new code or defaults are what runs).  Only `Operator.__call__` is skipped, whose one statement this is; its frame is in
the traceback of what passes through (`runtime.protocol_frame`), and it is called for a debugger.  Between
the comparison and the call stands no code of the user's: arguments are bound names, constants and displays of them.
"""

from __future__ import annotations

import ast
import copy
import sys
from abc import ABCMeta
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, cast

from ember_jit.compiler.analysis.call_facts import CallFact
from ember_jit.compiler.analysis.values import Known, OneOf
from ember_jit.compiler.source import Source, first_line
from ember_jit.ir.syntax import placed, put_on_line, unplaced
from ember_jit.kinds import is_a
from ember_jit.runtime.linking import CALL, CODE, STRAIGHT, TYPE, UNIT
from ember_jit.runtime.linking import GETTRACE_IN_TEXT as _GETTRACE
from ember_jit.runtime.linking import TOOL_IN_TEXT as _TOOL
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.statics import has_plain_lookup, type_lookup

#: what is named so may look at the frames above, one of which would be missing
_LOOKS_UP = frozenset(
    {"_getframe", "currentframe", "stack", "format_stack", "extract_stack", "print_stack", "walk_stack", "warn",
     "warn_explicit", "stacklevel", "f_back", "eval", "exec", "locals", "set_trace", "breakpoint"}
)  # fmt: skip
_NAMES = ("_op", "_type", "_call", "_code")
#: as in `codegen.retire`: whoever steps through the code sees it as it is written
_DEBUGGED = (
    f"{_TOOL}(0) or " * hasattr(sys, "monitoring")
    + f"{_GETTRACE}() is not None and {UNIT!r}.watched[_type({_GETTRACE}())]"
)


@dataclass(slots=True)
class Straight:
    """A function with straight calls.

    Attributes:
        node: its definition.
        classes: the classes that calls are straight for, by the constant that stands for each.
        lines: the lines of the straight calls.
    """

    node: ast.FunctionDef
    classes: dict[str, type] = field(default_factory=dict)
    lines: list[int] = field(default_factory=list)


def straighten(
    function: FunctionType, source: Source, calls: Mapping[ast.Call, CallFact]
) -> Straight | None:
    """The straight form of a function, or None if no call in it can be made straight."""
    if not any(receiver_class(fact) for fact in calls.values()):
        return None
    taken = {node.id for node in ast.walk(source.node) if isinstance(node, ast.Name)}
    taken |= {node.arg for node in ast.walk(source.node) if isinstance(node, ast.arg)}
    if any(name in taken for name in _NAMES):
        return None
    memo: dict[int, Any] = {}
    node: ast.FunctionDef = copy.deepcopy(source.node, memo)
    facts = {id(memo[id(call)]): fact for call, fact in calls.items() if id(call) in memo}
    made = Straight(node)
    _Blocks(made, facts, taken, function).function()
    return made if made.lines else None


def receiver_class(fact: CallFact | None) -> type | None:
    """The one class of a call's receivers, if calling them is known to be calling their `forward`."""
    if fact is None or not fact.effect.schedulable or fact.effect.prints:
        return None
    callee = fact.callee
    objs = (
        (callee.obj,)
        if isinstance(callee, Known)
        else callee.objs
        if isinstance(callee, OneOf)
        else ()
    )
    kinds = {type(obj) for obj in objs}
    if len(kinds) != 1:
        return None
    kind = kinds.pop()
    forward = type_lookup(kind, "forward")
    if type(kind) not in (type, ABCMeta) or not is_a(forward, FunctionType):
        return None
    if type_lookup(kind, "__call__") is not STRAIGHT[CALL] or not has_plain_lookup(kind):
        return None
    return None if _LOOKS_UP & set(original_code(forward).co_names) else kind


class _Blocks:
    """Rewrites the blocks of one function, top down, keeping account of the names that are surely bound."""

    def __init__(
        self, made: Straight, facts: dict[int, CallFact], taken: set[str], live: FunctionType
    ) -> None:
        self.made = made
        self.live = live
        self.facts = facts
        self.taken = taken
        self.names: dict[type, str] = {}
        self.unbindable = set(_unbound_again(made.node))

    def function(self) -> None:
        """Rewrite the function in place."""
        node = self.made.node
        args = node.args
        bound = {arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)}
        body = self._block(node.body, bound)
        if not self.made.lines:
            return
        docstring = ast.get_docstring(node, clean=False) is not None
        head, body = body[:docstring], body[docstring:]
        node.body = [*head, *self._prologue(first_line(original_code(self.live))), *body]

    def _prologue(self, line: int) -> Iterator[ast.stmt]:
        """What the calls compare with: constants in variables, which are quicker to read and to link."""
        text = [f"_type = {TYPE!r}", f"_call = {CALL!r}", f"_code = {CODE!r}"]
        text += [
            f"{name} = {_class_marker(number)!r}" for number, name in enumerate(self.names.values())
        ]
        text.append(
            f"if {UNIT!r}.disabled.get() or _call.__code__ is not _code or {_DEBUGGED}: _call = None"
        )
        for statement in unplaced("\n".join(text)):
            put_on_line(statement, line)
            yield statement

    def _block(self, body: list[ast.stmt], bound: set[str]) -> list[ast.stmt]:
        bound = set(bound)
        out: list[ast.stmt] = []
        for statement in body:
            straight = self._straight(statement, bound)
            if straight is not None:
                out += straight
            else:
                self._inside(statement, bound)
                out.append(statement)
            if isinstance(statement, ast.Assign):
                bound |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
        return out

    def _inside(self, statement: ast.stmt, bound: set[str]) -> None:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return
        for name in ("body", "orelse", "finalbody"):
            block = getattr(statement, name, None)
            if block:
                setattr(statement, name, self._block(block, bound))
        for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            part.body = self._block(part.body, bound)

    def _straight(self, statement: ast.stmt, bound: set[str]) -> list[ast.stmt] | None:
        """The statement with its call made straight, or None if it has none that can be."""
        if not isinstance(statement, ast.Assign | ast.Return | ast.Expr):
            return None
        call = statement.value
        if isinstance(statement, ast.Assign) and not all(
            isinstance(target, ast.Name) for target in statement.targets
        ):
            return None
        if not isinstance(call, ast.Call) or not self._is_protocol(call, bound):
            return None
        kind = receiver_class(self.facts.get(id(call)))
        if kind is None or type_lookup(kind, self.live.__name__) is self.live:
            return None  # its own class, in its own constants, could never be freed
        if kind not in self.names:
            self._name(kind)
        name = self.names[kind]
        self.made.lines.append(call.lineno)
        fast, slow = copy.deepcopy(statement), statement
        assert isinstance(fast.value, ast.Call)
        forward = ast.Attribute(ast.Name("_op", ast.Load()), "forward", ast.Load())
        one_line = call.end_lineno == call.lineno
        fast.value.func = placed(
            forward, call if one_line else call.func
        )  # where plain Python fails
        take = ast.Assign([ast.Name("_op", ast.Store())], call.func)
        call.func = placed(ast.Name("_op", ast.Load()), call.func)
        (branch,) = unplaced(
            f"if _type(_op) is {name} and {name}.__call__ is _call: pass\n"
            f"else:\n if _call is not None: {UNIT!r}.missed()"
        )
        branch.body = [_passed_through(fast, call.keywords[0].value)]
        branch.orelse.append(slow)
        put_on_line(branch, call.lineno)
        out = [placed(take, take.value), branch]
        if not isinstance(statement, ast.Return):  # the receiver is not kept alive by us
            out += [placed(each, statement) for each in unplaced("_op = None")]
        return out

    def _is_protocol(self, call: ast.Call, bound: set[str]) -> bool:
        """Whether a call is `receiver(inputs=argument)`, on one line up to the argument, with an inert argument."""
        return (
            not call.args
            and [each.arg for each in call.keywords] == ["inputs"]
            and call.func.end_lineno == call.lineno
            and not any(isinstance(each, ast.NamedExpr) for each in ast.walk(call.func))
            and _is_inert(call.keywords[0].value, bound - self.unbindable)
        )

    def _name(self, kind: type) -> None:
        name = f"_{kind.__name__.lstrip('_')}"
        if not name.isidentifier():
            name = "_class"
        while name in self.taken or name in _NAMES:
            name += "_"
        self.taken.add(name)
        self.made.classes[_class_marker(len(self.names))] = kind
        self.names[kind] = name


def _passed_through(fast: ast.stmt, argument: ast.expr) -> ast.stmt:
    """A straight call that puts the frame which it saves into the traceback of an exception."""
    (guarded,) = unplaced(
        "try: pass\n"
        "except:\n"
        f"    try: {_GETTRACE}() or {UNIT!r}.through({UNIT!r}.called(_op, inputs={ast.unparse(argument)}))\n"
        f"    except {UNIT!r}.no_room: pass\n"
        "    raise"
    )
    put_on_line(guarded.handlers[0], -1)  # no line of its own, for whoever follows the lines
    guarded.body = [fast]
    return cast(ast.Try, guarded)


def _class_marker(number: int) -> str:
    return f"<ember_jit class {number}>"


def _is_inert(node: ast.expr, bound: set[str]) -> bool:
    """Whether evaluating `node` runs no code and cannot fail."""
    if isinstance(node, ast.Name):
        return node.id in bound
    if isinstance(node, ast.Dict):
        keys = all(
            isinstance(key, ast.Constant) and isinstance(key.value, str | int) for key in node.keys
        )
        return keys and all(_is_inert(value, bound) for value in node.values)
    if isinstance(node, ast.Tuple | ast.List):
        return all(_is_inert(element, bound) for element in node.elts)
    return isinstance(node, ast.Constant)


def _unbound_again(function: ast.FunctionDef) -> Iterator[str]:
    """Names that a `del` or the end of a handler may unbind, and those that are not local."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del):
            yield node.id
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        elif isinstance(node, ast.Global | ast.Nonlocal):
            yield from node.names
