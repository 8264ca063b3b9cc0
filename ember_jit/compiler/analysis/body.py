"""Abstract interpretation of one function body: its effects, and what each call in it is.

    def forward(self, *, inputs):            self: the live object; inputs: an argument
        s = self.a(inputs=inputs)            the call: a site; s: a value made here
        s = s["t"]
        log.append(s)                        effect: changes a list that it did not make
        return s

Flow-insensitive: a name has the join of all values assigned to it, found by walking the body until
nothing changes (two or three times).  The result is one fact per call node, the list of effects with
their lines, and the abstract value of every name.  Here are the state and what the handlers of statements
(`body_statements`), expressions (`body_expressions`) and calls (`calls`) do to it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import lru_cache
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ember_jit.compiler.analysis.body_expressions import EXPRESSIONS
from ember_jit.compiler.analysis.body_statements import STATEMENTS
from ember_jit.compiler.analysis.call_facts import CallFact
from ember_jit.compiler.analysis.facts import PURE, UNKNOWN, Effect, Inferred, Reason, worse
from ember_jit.compiler.analysis.lookup import ATOMS, Lookup
from ember_jit.compiler.analysis.nests import find_nests, place
from ember_jit.compiler.analysis.protocols import has_protocols, hash_runs_code, truth_runs_code
from ember_jit.compiler.analysis.values import (
    ARG,
    FUNCTION,
    IMPURE_FUNCTION,
    LOCAL,
    Abstract,
    Arg,
    ClientPart,
    Fresh,
    Items,
    Known,
    Method,
    OneOf,
    elements,
    join,
    runs_no_code,
)
from ember_jit.compiler.source import Source
from ember_jit.ir.syntax import walk
from ember_jit.kinds import is_a

if TYPE_CHECKING:
    from ember_jit.compiler.analysis.infer import Inference

_UNPACKED = frozenset({list, tuple, dict, set, frozenset, str, bytes, range})
_CONTAINERS = frozenset(
    {
        "list",
        "dict",
        "set",
        "bytearray",
        "deque",
        "Counter",
        "OrderedDict",
        "defaultdict",
        "object",
        "ndarray",
    }
)


_ROUNDS = 40


def _runs_code(obj: Any) -> bool:
    return not runs_no_code(obj)


class BodyAnalysis:
    """The facts of one function."""

    def __init__(
        self, inference: Inference, function: FunctionType, source: Source, owner: Abstract | None
    ) -> None:
        self.inference = inference
        self.source = source
        self.calls: dict[ast.Call, CallFact] = {}
        self.effects: list[Reason] = []
        self.effect_nodes: dict[ast.AST, Reason] = {}
        self.lookup = Lookup(function)
        self.guards = self.lookup.guards
        self.rests_on: dict[int, Inferred] = {}
        self.kind = PURE
        self.blocking = False
        self.has_sites = False
        self.composite = False
        self.prints = False
        self.env: dict[str, Abstract] = {}
        self.free = self.lookup.free
        self.globals_declared: set[str] = set()
        self.local_names = _local_names(source.node)
        args = source.node.args
        names = [arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
        names += [arg.arg for arg in (args.vararg, args.kwarg) if arg is not None]
        self.params = tuple(names)
        for index, name in enumerate(names):
            self.env[name] = owner if index == 0 and owner is not None else ARG
        self.owner = owner
        self._nests: dict[str, int] | None = None

    def run(self) -> None:
        """Find the facts."""
        for _ in range(_ROUNDS):
            before = dict(self.env)
            self.effects.clear()
            self.effect_nodes.clear()
            self.calls.clear()
            self.lookup.forget()
            self.rests_on.clear()
            self.kind = PURE
            for statement in self.source.node.body:
                self.statement(statement)
            if self.env.keys() == before.keys() and all(
                _same(self.env[k], before[k]) for k in before
            ):
                return
        self.effect(self.source.node, "is too involved to follow")

    # ------------------------------------------------------------------ effects
    def rest_on(self, found: Inferred) -> None:
        """The facts of this body hold as long as `found` does."""
        self.rests_on[id(found)] = found

    def effect(self, node: ast.AST, text: str, fix: str = "", cause: Reason | None = None) -> None:
        """Record an effect of the body."""
        reason = Reason(self.source.filename, getattr(node, "lineno", 0), text, fix, cause)
        self.effects.append(reason)
        self.effect_nodes.setdefault(node, reason)

    def join_effect(self, effect: Effect, node: ast.AST, what: str | ast.AST) -> None:
        """The body does what `effect` does; `what` has it, in words or as the syntax that they are."""
        if (effect.kind == UNKNOWN or effect.prints) and isinstance(what, ast.AST):
            what = f"`{self.text(what)}`"
        if effect.kind == UNKNOWN:
            detail = str(effect.reasons[0]) if effect.reasons else effect.evidence
            fix = "" if effect.declared else "label it `@query` or `@pure` if that is what it is"
            self.effect(
                node,
                f"{what} has an effect: {detail}",
                fix,
                effect.reasons[0] if effect.reasons else None,
            )
        elif effect.prints:
            self.effect(node, f"{what} prints or logs")
        self.kind = worse(self.kind, effect.kind)
        self.blocking |= effect.blocking
        self.has_sites |= effect.operator

    def text(self, node: ast.AST) -> str:
        """The source text of `node`."""
        return self.source.segment(node)

    # ------------------------------------------------------------------ statements and expressions
    def statement(self, node: ast.stmt) -> None:
        """Interpret one statement."""
        handler = STATEMENTS.get(type(node))
        if handler is not None:
            handler(self, node)
            return
        self.effect(node, f"{type(node).__name__} is not followed")

    def block(self, body: list[ast.stmt]) -> None:
        """Interpret a list of statements."""
        for statement in body:
            self.statement(statement)

    def nested(self, args: ast.arguments, body: list[ast.stmt]) -> Abstract:
        """A nested function has its effects where it is made: it may be called from anywhere afterwards."""
        for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
            if arg is not None:
                self.env[arg.arg] = join(
                    self.env.get(arg.arg), ARG if arg.arg in self.params else LOCAL
                )
        any_nonlocal = False
        for statement in body:
            for inner in walk(statement):
                if isinstance(inner, ast.Nonlocal):
                    any_nonlocal = True
                    self.effect(inner, f"a nested function assigns `{inner.names[0]}`")
        before = len(self.effects)
        self.block(body)
        return FUNCTION if len(self.effects) == before and not any_nonlocal else IMPURE_FUNCTION

    def expr(self, node: ast.expr) -> Abstract:
        """Interpret one expression: its abstract value; its effects are recorded."""
        handler = EXPRESSIONS.get(type(node))
        if handler is not None:
            return handler(self, node)
        self.effect(node, f"{type(node).__name__} is not followed")
        return LOCAL

    def operated(self, node: ast.expr, value: Abstract) -> None:
        """Record that an operation on values (truth, hash, `str`, unpacking, ...) meets `value`, or what it displays.

        On a live object whose class has special methods of its own, the operation runs those.
        """
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            for element in node.elts:
                self.operated(element, self.peek(element))
        elif isinstance(node, ast.Dict):
            for each in (*node.keys, *node.values):
                if each is not None:
                    self.operated(each, self.peek(each))
        elif isinstance(node, ast.Starred | ast.keyword):
            self.operated(node.value, self.peek(node.value))
        objs = (value.obj,) if isinstance(value, Known) else ()
        objs = value.objs if isinstance(value, OneOf) else objs
        for obj in objs:
            if has_protocols(obj):
                kind = type(obj).__name__
                self.effect(
                    node,
                    f"`{self.text(node)}` is a live {kind}, whose special methods may run code",
                )
                return

    def peek(self, node: ast.expr) -> Abstract:
        """The value of a callee expression, without recording effects (they are recorded elsewhere)."""
        if isinstance(node, ast.Name):
            return self.name(node.id)
        if isinstance(node, ast.Attribute):
            return self.attribute(self.peek(node.value), node.attr)
        return LOCAL

    def live(self, node: ast.expr) -> Any:
        """The live object that a name or attribute stands for; None if that is not known."""
        value = self.peek(node) if isinstance(node, ast.Name | ast.Attribute) else None
        return value.obj if isinstance(value, Known) else None

    def is_nested(self, node: ast.expr) -> bool:
        """Whether `node` gives a container made here that is only reached through another one made here (`nests`)."""
        name, depth = place(node)
        if not depth or not isinstance(self.env.get(name), Fresh):
            return False
        if self._nests is None:
            self._nests = find_nests(self.source.node, self.live)
        return depth < self._nests.get(name, 0)

    # ------------------------------------------------------------------ names and values
    def bind(self, target: ast.expr, value: Abstract) -> None:
        """Assign `value` to a target."""
        if isinstance(target, ast.Name):
            if target.id in self.globals_declared or (
                target.id in self.free and target.id not in self.local_names
            ):
                self.effect(
                    target,
                    f"assigns the {'global' if target.id in self.globals_declared else 'outer variable'} `{target.id}`",
                )
                return
            self.env[target.id] = join(self.env.get(target.id), value)
        elif isinstance(target, ast.Tuple | ast.List):
            self._unpack(target, value)
            parts = value.parts if isinstance(value, Items) else ()
            for index, element in enumerate(target.elts):
                inner: Abstract = ARG if isinstance(value, Arg) else LOCAL
                if parts and len(parts) == len(target.elts):
                    inner = parts[index]
                elif (
                    isinstance(value, Known)
                    and (live := elements(value.obj)) is not None
                    and len(live) == len(target.elts)
                ):
                    inner = Known(live[index])
                self.bind(element.value if isinstance(element, ast.Starred) else element, inner)
        elif isinstance(target, ast.Starred):
            self.bind(target.value, LOCAL)
        elif isinstance(target, ast.Attribute):
            base = self.expr(target.value)
            if not isinstance(base, Fresh):
                self.effect(target, f"stores to the attribute `{self.text(target)}`")
        elif isinstance(target, ast.Subscript):
            base = self.expr(target.value)
            self.touch(target.slice, self.expr(target.slice), "looking up", hash_runs_code)
            own = isinstance(base, Fresh) and base.kind in _CONTAINERS
            if not own and not self.is_nested(target.value):
                self.effect(
                    target, f"stores into `{self.text(target.value)}`, which it did not make"
                )

    def _unpack(self, target: ast.expr, value: Abstract) -> None:
        for obj in (value.obj,) if isinstance(value, Known) else ():
            if type(obj) not in _UNPACKED:
                self.effect(
                    target, f"unpacks a live {type(obj).__name__}, which may have state", "", None
                )

    def touch(
        self, node: ast.expr, value: Abstract, what: str, runs: Callable[[Any], bool] = _runs_code
    ) -> Abstract:
        """Record an effect if `what` is done to a live object whose class answers it with code of its own."""
        objs = (value.obj,) if isinstance(value, Known) else ()
        for obj in value.objs if isinstance(value, OneOf) else objs:
            if runs(obj):
                kind = type(obj).__name__
                self.effect(node, f"{what} `{self.text(node)}`, a live {kind}, may run code")
                break
        return value

    def test(self, node: ast.expr) -> Abstract:
        """Interpret an expression whose truth is asked for."""
        return self.touch(node, self.expr(node), "asking for the truth of", truth_runs_code)

    def iterate(self, value: Abstract, node: ast.AST) -> Abstract:
        """The abstract value of an element of `value`."""
        if isinstance(value, Items):
            return Items(LOCAL, value.parts) if value.parts else value.element
        if isinstance(value, Known):
            live = self.lookup.elements(value.obj)
            if live is not None:
                return OneOf(live) if live and not all(is_a(x, ATOMS) for x in live) else LOCAL
            if type(value.obj) not in (list, tuple, dict, set, frozenset, str, bytes, range):
                self.effect(node, f"iterates over `{self.text(node)}`, which may have state")
            return LOCAL
        if isinstance(value, OneOf):
            return self._elements_of_any(value)
        return ARG if isinstance(value, Arg) else LOCAL

    def _elements_of_any(self, value: OneOf) -> Abstract:
        """An element of one of several live lists."""
        found: list[Any] = []
        for obj in value.objs:
            live = self.lookup.elements(obj)
            if live is None or len(found) > 1024:
                return LOCAL
            found.extend(live)
        interesting = bool(found) and not all(is_a(x, ATOMS) for x in found)
        return OneOf(tuple(found)) if interesting else LOCAL

    def name(self, name: str) -> Abstract:
        """The abstract value of a variable."""
        if name in self.globals_declared:
            return self.lookup.global_value(name)
        if name in self.env:
            return self.env[name]
        if name in self.local_names:
            return LOCAL
        if name in self.free:
            return self.lookup.cell(name)
        return self.lookup.global_value(name)

    def attribute(self, base: Abstract, name: str) -> Abstract:
        """The abstract value of an attribute."""
        if isinstance(base, Known):
            found = self.lookup.attribute(base.obj, name)
            return LOCAL if found is None else found
        if isinstance(base, ClientPart):
            return self.lookup.part(base, name) or LOCAL
        if isinstance(base, Method) and name == "__super__":
            return LOCAL
        if isinstance(base, Arg):
            return ARG
        return LOCAL

    def super_method(self, name: str) -> Abstract | None:
        """`super().name` for a known `self`."""
        if not isinstance(self.owner, Known) or not self.params:
            return None
        return self.lookup.super_method(self.owner.obj, name)


def _same(a: Abstract, b: Abstract) -> bool:
    return (
        a is b
        or a == b
        or (isinstance(a, Known) and isinstance(b, Known) and a.obj is b.obj)
        or (type(a) is type(b) and not isinstance(a, Known))
    )


@lru_cache(maxsize=4096)
def _local_names(node: ast.FunctionDef) -> frozenset[str]:
    """Names that the body binds (its parameters too), nested scopes included: a superset is harmless here."""
    names = set()
    elsewhere: set[str] = set()
    for inner in walk(node):
        if isinstance(inner, ast.Name):
            if not isinstance(inner.ctx, ast.Load):
                names.add(inner.id)
        elif isinstance(inner, ast.Nonlocal | ast.Global):
            elsewhere.update(inner.names)
        elif isinstance(inner, ast.arg):
            names.add(inner.arg)
        elif isinstance(inner, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            if inner is not node:
                names.add(inner.name)
        elif isinstance(inner, ast.ExceptHandler):
            if inner.name:
                names.add(inner.name)
        elif isinstance(inner, ast.alias):
            names.add(inner.asname or inner.name.split(".")[0])
        elif isinstance(inner, ast.MatchAs | ast.MatchStar) and inner.name:
            names.add(inner.name)
    return frozenset(names - elsewhere)
