"""Abstract interpretation of one function body: its effects, and what each call in it is.

Flow-insensitive: a name has the join of all values assigned to it, found by walking the body until
nothing changes (two or three times).  The result is one fact per call node, the list of effects with
their lines, and the abstract value of every name.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from types import FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from ember_jit.compiler.analysis.call_facts import CallFact
from ember_jit.compiler.analysis.calls import interpret_call
from ember_jit.compiler.analysis.facts import PURE, QUERY, UNKNOWN, Effect, Inferred, Reason, worse
from ember_jit.compiler.analysis.lookup import ATOMIC, Lookup, unresolved_hook
from ember_jit.compiler.analysis.values import (
    ARG,
    FUNCTION,
    IMPURE_FUNCTION,
    LOCAL,
    SCALAR,
    Abstract,
    Arg,
    Fresh,
    Items,
    Known,
    Local,
    Method,
    OneOf,
    Property,
    elements,
    join,
    runs_no_code,
    static_attribute,
)
from ember_jit.compiler.source import Source

if TYPE_CHECKING:
    from ember_jit.compiler.analysis.infer import Inference

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
_CLEAN_MANAGERS = frozenset({"suppress", "nullcontext", "closing"})


class BodyAnalysis:
    """The facts of one function."""

    def __init__(
        self, inference: Inference, function: FunctionType, source: Source, owner: Abstract | None
    ) -> None:
        self.inference = inference
        self.function = function
        self.source = source
        self.code = function.__code__
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
        self._free = self.lookup.free
        self._globals_declared: set[str] = set()
        self._locals = _local_names(source.node)
        args = source.node.args
        names = [arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
        names += [arg.arg for arg in (args.vararg, args.kwarg) if arg is not None]
        self.params = tuple(names)
        for index, name in enumerate(names):
            self.env[name] = owner if index == 0 and owner is not None else ARG
        self.owner = owner

    def run(self) -> None:
        """Find the facts."""
        for _ in range(4):
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
                break

    # ------------------------------------------------------------------ effects
    def rest_on(self, found: Inferred) -> None:
        """The facts of this body hold as long as `found` does."""
        self.rests_on[id(found)] = found

    def effect(self, node: ast.AST, text: str, fix: str = "", cause: Reason | None = None) -> None:
        """Record an effect of the body."""
        reason = Reason(self.source.filename, getattr(node, "lineno", 0), text, fix, cause)
        self.effects.append(reason)
        self.effect_nodes.setdefault(node, reason)

    def _text(self, node: ast.AST) -> str:
        return self.source.segment(node)

    # ------------------------------------------------------------------ statements
    def statement(self, node: ast.stmt) -> None:
        """Interpret one statement."""
        handler = _STATEMENTS.get(type(node))
        if handler is not None:
            handler(self, node)
            return
        self.effect(node, f"{type(node).__name__} is not followed")

    def block(self, body: list[ast.stmt]) -> None:
        """Interpret a list of statements."""
        for statement in body:
            self.statement(statement)

    def _assign(self, node: ast.Assign) -> None:
        value = self.expr(node.value)
        for target in node.targets:
            self.bind(target, value)

    def _ann_assign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.bind(node.target, self.expr(node.value))

    def _aug_assign(self, node: ast.AugAssign) -> None:
        self.expr(node.value)
        if not isinstance(node.target, ast.Name):
            self.bind(node.target, LOCAL)
            return
        current = self.name(node.target.id, node.target)
        if not isinstance(current, Fresh):
            self.effect(
                node,
                f"`{self._text(node)}` may change `{node.target.id}` in place",
                f"write `{node.target.id} = {node.target.id} ...`",
            )
        self.bind(node.target, current if isinstance(current, Fresh) else LOCAL)

    def bind(self, target: ast.expr, value: Abstract) -> None:
        """Assign `value` to a target."""
        if isinstance(target, ast.Name):
            if target.id in self._globals_declared or (
                target.id in self._free and target.id not in self._locals
            ):
                self.effect(
                    target,
                    f"assigns the {'global' if target.id in self._globals_declared else 'outer variable'} `{target.id}`",
                )
                return
            self.env[target.id] = join(self.env.get(target.id), value)
        elif isinstance(target, ast.Tuple | ast.List):
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
                self.effect(target, f"stores to the attribute `{self._text(target)}`")
        elif isinstance(target, ast.Subscript):
            base = self.expr(target.value)
            self.expr(target.slice)
            if not (isinstance(base, Fresh) and base.kind in _CONTAINERS):
                self.effect(
                    target, f"stores into `{self._text(target.value)}`, which it did not make"
                )

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if not isinstance(target, ast.Name):
                self.bind(target, LOCAL)

    def _expr_statement(self, node: ast.Expr) -> None:
        self.expr(node.value)

    def _return(self, node: ast.Return) -> None:
        if node.value is not None:
            self.expr(node.value)

    def _if(self, node: ast.If | ast.While) -> None:
        self.expr(node.test)
        self.block(node.body)
        self.block(node.orelse)

    def _for(self, node: ast.For) -> None:
        self.bind(node.target, self.iterate(self.expr(node.iter), node.iter))
        self.block(node.body)
        self.block(node.orelse)

    def _try(self, node: Any) -> None:
        self.block(node.body)
        for handler in node.handlers:
            if handler.type is not None:
                self.expr(handler.type)
            if handler.name:
                self.env[handler.name] = join(self.env.get(handler.name), LOCAL)
            self.block(handler.body)
        self.block(node.orelse)
        self.block(node.finalbody)

    def _with(self, node: ast.With) -> None:
        for item in node.items:
            value = self.expr(item.context_expr)
            clean = isinstance(value, Fresh) and value.kind == "handle"
            call = item.context_expr
            if isinstance(call, ast.Call):
                callee = self._peek(call.func)
                live = callee.obj if isinstance(callee, Known) else None
                name = getattr(live, "__name__", "")
                known_clean = getattr(live, "__module__", "") == "contextlib"
                clean = clean or (known_clean and name in _CLEAN_MANAGERS)
            if not clean:
                self.effect(
                    item.context_expr,
                    f"enters the context manager `{self._text(item.context_expr)}`",
                )
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value if isinstance(value, Fresh) else LOCAL)
        self.block(node.body)

    def _raise(self, node: ast.Raise) -> None:
        for part in (node.exc, node.cause):
            value = self.expr(part) if part is not None else None
            if isinstance(value, Known) and isinstance(value.obj, type):  # `raise Error` makes one
                made = self.inference.of(value.obj)
                self.rest_on(made)
                self._join(made.effect, node, f"`{self._text(node)}`")

    def _assert(self, node: ast.Assert) -> None:
        self.expr(node.test)
        if node.msg is not None:
            self.expr(node.msg)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        module = node.module if isinstance(node, ast.ImportFrom) else None
        for alias in node.names:
            name = module or alias.name
            live = (
                sys.modules.get(name)
                if not (isinstance(node, ast.ImportFrom) and node.level)
                else None
            )
            if live is None:
                self.effect(
                    node,
                    f"imports `{name}` inside the function",
                    "import it at the top of the module",
                )
                return
            if isinstance(node, ast.ImportFrom):
                value: Abstract = static_attribute(live, alias.name) or LOCAL
            else:
                value = Known(live if alias.asname else sys.modules[alias.name.split(".")[0]])
            self.bind(ast.Name(alias.asname or alias.name.split(".")[0], ast.Store()), value)

    def _global(self, node: ast.Global) -> None:
        self._globals_declared.update(node.names)

    def _nonlocal(self, node: ast.Nonlocal) -> None:
        del node

    def _pass(self, node: ast.stmt) -> None:
        del node

    def _function_def(self, node: ast.FunctionDef) -> None:
        for decorator in node.decorator_list:
            self.effect(decorator, f"applies the decorator `{self._text(decorator)}`")
        for default in (*node.args.defaults, *[d for d in node.args.kw_defaults if d is not None]):
            self.expr(default)
        if node.args.defaults or any(node.args.kw_defaults):
            for default in (
                *node.args.defaults,
                *[d for d in node.args.kw_defaults if d is not None],
            ):
                if not isinstance(default, ast.Constant):
                    self.effect(
                        default,
                        f"`{node.name}` keeps the default `{self._text(default)}` between calls",
                    )
        made = self._nested(node.args, node.body)
        self.env[node.name] = join(self.env.get(node.name), made)

    def _nested(self, args: ast.arguments, body: list[ast.stmt]) -> Abstract:
        """A nested function has its effects where it is made: it may be called from anywhere afterwards."""
        for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
            if arg is not None:
                self.env[arg.arg] = join(
                    self.env.get(arg.arg), ARG if arg.arg in self.params else LOCAL
                )
        any_nonlocal = False
        for statement in body:
            for inner in ast.walk(statement):
                if isinstance(inner, ast.Nonlocal):
                    any_nonlocal = True
                    self.effect(inner, f"a nested function assigns `{inner.names[0]}`")
        before = len(self.effects)
        self.block(body)
        return FUNCTION if len(self.effects) == before and not any_nonlocal else IMPURE_FUNCTION

    def _match(self, node: Any) -> None:
        subject = self.expr(node.subject)
        inner: Abstract = ARG if isinstance(subject, Arg) else LOCAL
        for case in node.cases:
            for pattern in ast.walk(case.pattern):
                name = (
                    getattr(pattern, "name", None)
                    if isinstance(pattern, ast.MatchAs | ast.MatchStar)
                    else None
                )
                name = (
                    getattr(pattern, "rest", None)
                    if isinstance(pattern, ast.MatchMapping)
                    else name
                )
                if isinstance(name, str):
                    self.env[name] = join(self.env.get(name), inner)
                if isinstance(pattern, ast.expr) and not isinstance(
                    pattern, ast.Name | ast.Attribute | ast.Constant
                ):
                    continue
            if case.guard is not None:
                self.expr(case.guard)
            self.block(case.body)

    # ------------------------------------------------------------------ expressions
    def expr(self, node: ast.expr) -> Abstract:
        """Interpret one expression: its abstract value; its effects are recorded."""
        handler = _EXPRESSIONS.get(type(node))
        if handler is not None:
            result: Abstract = handler(self, node)
            return result
        self.effect(node, f"{type(node).__name__} is not followed")
        return LOCAL

    def _peek(self, node: ast.expr) -> Abstract:
        """The value of a callee expression, without recording effects (they are recorded elsewhere)."""
        if isinstance(node, ast.Name):
            return self.name(node.id, node)
        if isinstance(node, ast.Attribute):
            return self.attribute(self._peek(node.value), node.attr)
        return LOCAL

    def _constant(self, node: ast.Constant) -> Abstract:
        return SCALAR

    def _name(self, node: ast.Name) -> Abstract:
        return self.name(node.id, node)

    def name(self, name: str, node: ast.AST) -> Abstract:
        """The abstract value of a variable."""
        if name in self._globals_declared:
            return self._global_value(name)
        if name in self.env:
            return self.env[name]
        if name in self._locals:
            return LOCAL
        if name in self._free:
            return self.lookup.cell(name)
        return self._global_value(name)

    def _global_value(self, name: str) -> Abstract:
        return self.lookup.global_value(name)

    def _attribute(self, node: ast.Attribute) -> Abstract:
        base = self.expr(node.value)
        found = self.attribute(base, _mangled(node.attr, self.source.class_name))
        if isinstance(found, Property):
            inferred = self.inference.of_method(found.getter, found.owner)
            self.rest_on(inferred)
            self._join(inferred.effect, node, f"the property `{self._text(node)}`")
            return LOCAL
        if isinstance(base, Known) and found is LOCAL and not isinstance(base.obj, ModuleType):
            self._unresolved_attribute(node, base)
        return found

    def _unresolved_attribute(self, node: ast.Attribute, base: Known) -> None:
        hook = unresolved_hook(base.obj, node.attr)
        if hook:
            self.effect(node, f"looks up `{self._text(node)}` through a hook of {hook}")

    def attribute(self, base: Abstract, name: str) -> Abstract:
        """The abstract value of an attribute."""
        if isinstance(base, Known):
            found = self.lookup.attribute(base.obj, name)
            return LOCAL if found is None else found
        if isinstance(base, Method) and name == "__super__":
            return LOCAL
        if isinstance(base, Arg):
            return ARG
        return LOCAL

    def _subscript(self, node: ast.Subscript) -> Abstract:
        base = self.expr(node.value)
        index = self.expr(node.slice)
        del index
        if isinstance(base, Known):
            return self.lookup.one_of(base.obj) or LOCAL
        return ARG if isinstance(base, Arg) else LOCAL

    def _fresh(self, kind: str) -> Callable[[Any, Any], Abstract]:
        raise NotImplementedError

    def _display(self, node: Any) -> Abstract:
        parts = []
        for element in node.elts:
            parts.append(self.expr(element))
        if isinstance(node, ast.Tuple):
            return Items(LOCAL, tuple(parts)) if parts else SCALAR
        return Fresh("list" if isinstance(node, ast.List) else "set")

    def _dict(self, node: ast.Dict) -> Abstract:
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                self.expr(key)
            self.expr(value)
        return Fresh("dict")

    def _comprehension(self, node: Any) -> Abstract:
        for generator in node.generators:
            self.bind(generator.target, self.iterate(self.expr(generator.iter), generator.iter))
            for condition in generator.ifs:
                self.expr(condition)
            if generator.is_async:
                self.effect(node, "an async comprehension is not followed")
        if isinstance(node, ast.DictComp):
            self.expr(node.key)
            self.expr(node.value)
            return Fresh("dict")
        element = self.expr(node.elt)
        if isinstance(node, ast.GeneratorExp):
            return Items(element)
        return Fresh("list" if isinstance(node, ast.ListComp) else "set")

    def iterate(self, value: Abstract, node: ast.AST) -> Abstract:
        """The abstract value of an element of `value`."""
        if isinstance(value, Items):
            return Items(LOCAL, value.parts) if value.parts else value.element
        if isinstance(value, Known):
            live = self.lookup.elements(value.obj)
            if live is not None:
                return (
                    OneOf(live) if live and not all(isinstance(x, ATOMIC) for x in live) else LOCAL
                )
            if type(value.obj) not in (list, tuple, dict, set, frozenset, str, bytes, range):
                self.effect(node, f"iterates over `{self._text(node)}`, which may have state")
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
        interesting = bool(found) and not all(isinstance(x, ATOMIC) for x in found)
        return OneOf(tuple(found)) if interesting else LOCAL

    def _operation(self, node: ast.expr) -> Abstract:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._operand(child, self.expr(child))
        return SCALAR

    def _operand(self, node: ast.expr, value: Abstract) -> None:
        """An operator on a live object of a user's class runs that class's special methods."""
        objs = (value.obj,) if isinstance(value, Known) else ()
        objs = value.objs if isinstance(value, OneOf) else objs
        for obj in objs:
            if not runs_no_code(obj):
                kind = type(obj).__name__
                self.effect(
                    node, f"`{self._text(node)}` is a live {kind}, whose operators may run code"
                )
                return

    def _binary(self, node: ast.BinOp) -> Abstract:
        """A number or string where one operand is; a list where it may be one (`xs + ys`, `xs * 2`)."""
        left, right = self.expr(node.left), self.expr(node.right)
        self._operand(node.left, left)
        self._operand(node.right, right)
        scalars = (left == SCALAR) + (right == SCALAR)
        if scalars == 2 or (scalars == 1 and not isinstance(node.op, ast.Mult)):
            return SCALAR
        return Fresh("list") if isinstance(left, Fresh) and left.kind == "list" else LOCAL

    def _choice(self, node: Any) -> Abstract:
        if isinstance(node, ast.IfExp):
            self.expr(node.test)
            return join(self.expr(node.body), self.expr(node.orelse))
        value: Abstract | None = None
        for part in node.values:
            value = join(value, self.expr(part))
        assert value is not None
        return value

    def _named(self, node: ast.NamedExpr) -> Abstract:
        value = self.expr(node.value)
        self.bind(node.target, value)
        return value

    def _lambda(self, node: ast.Lambda) -> Abstract:
        for default in (*node.args.defaults, *[d for d in node.args.kw_defaults if d is not None]):
            self.expr(default)
        return self._nested(node.args, [ast.copy_location(ast.Expr(node.body), node.body)])

    def _starred(self, node: ast.Starred) -> Abstract:
        return self.iterate(self.expr(node.value), node)

    def _slice(self, node: ast.Slice) -> Abstract:
        for part in (node.lower, node.upper, node.step):
            if part is not None:
                self.expr(part)
        return SCALAR

    def _suspends(self, node: ast.expr) -> Abstract:
        self.effect(node, "is a generator or coroutine: its body runs when it is resumed")
        return LOCAL

    # ------------------------------------------------------------------ calls
    def _call(self, node: ast.Call) -> Abstract:
        return interpret_call(self, node)

    def _join(self, effect: Effect, node: ast.AST, what: str) -> None:
        """The body does what `effect` does."""
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


def _mangled(name: str, class_name: str | None) -> str:
    """A private name as the compiler spells it."""
    if class_name is None or not name.startswith("__") or name.endswith("__"):
        return name
    stripped = class_name.lstrip("_")
    return f"_{stripped}{name}" if stripped else name


def _local_names(node: ast.FunctionDef) -> frozenset[str]:
    """Names that the body binds (its parameters too), nested scopes included: a superset is harmless here."""
    names = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store | ast.Del):
            names.add(inner.id)
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
    for inner in ast.walk(node):
        if isinstance(inner, ast.Nonlocal | ast.Global):
            names.difference_update(inner.names)
    return frozenset(names)


_STATEMENTS: dict[type, Any] = {
    ast.Assign: BodyAnalysis._assign,
    ast.AnnAssign: BodyAnalysis._ann_assign,
    ast.AugAssign: BodyAnalysis._aug_assign,
    ast.Delete: BodyAnalysis._delete,
    ast.Expr: BodyAnalysis._expr_statement,
    ast.Return: BodyAnalysis._return,
    ast.If: BodyAnalysis._if,
    ast.While: BodyAnalysis._if,
    ast.For: BodyAnalysis._for,
    ast.Try: BodyAnalysis._try,
    ast.TryStar: BodyAnalysis._try,
    ast.With: BodyAnalysis._with,
    ast.Raise: BodyAnalysis._raise,
    ast.Assert: BodyAnalysis._assert,
    ast.Import: BodyAnalysis._import,
    ast.ImportFrom: BodyAnalysis._import,
    ast.Global: BodyAnalysis._global,
    ast.Nonlocal: BodyAnalysis._nonlocal,
    ast.Pass: BodyAnalysis._pass,
    ast.Break: BodyAnalysis._pass,
    ast.Continue: BodyAnalysis._pass,
    ast.FunctionDef: BodyAnalysis._function_def,
    ast.Match: BodyAnalysis._match,
}
_EXPRESSIONS: dict[type, Any] = {
    ast.Constant: BodyAnalysis._constant,
    ast.Name: BodyAnalysis._name,
    ast.Attribute: BodyAnalysis._attribute,
    ast.Subscript: BodyAnalysis._subscript,
    ast.Call: BodyAnalysis._call,
    ast.List: BodyAnalysis._display,
    ast.Tuple: BodyAnalysis._display,
    ast.Set: BodyAnalysis._display,
    ast.Dict: BodyAnalysis._dict,
    ast.ListComp: BodyAnalysis._comprehension,
    ast.SetComp: BodyAnalysis._comprehension,
    ast.DictComp: BodyAnalysis._comprehension,
    ast.GeneratorExp: BodyAnalysis._comprehension,
    ast.BinOp: BodyAnalysis._binary,
    ast.UnaryOp: BodyAnalysis._operation,
    ast.Compare: BodyAnalysis._operation,
    ast.JoinedStr: BodyAnalysis._operation,
    ast.FormattedValue: BodyAnalysis._operation,
    ast.BoolOp: BodyAnalysis._choice,
    ast.IfExp: BodyAnalysis._choice,
    ast.NamedExpr: BodyAnalysis._named,
    ast.Lambda: BodyAnalysis._lambda,
    ast.Starred: BodyAnalysis._starred,
    ast.Slice: BodyAnalysis._slice,
    ast.Yield: BodyAnalysis._suspends,
    ast.YieldFrom: BodyAnalysis._suspends,
    ast.Await: BodyAnalysis._suspends,
}
__all__ = ["ARG", "LOCAL", "QUERY", "SCALAR", "BodyAnalysis", "CallFact", "Local", "MethodType"]
