"""What each kind of expression evaluates to, and the effects of evaluating it.

    [a, b]                a fresh list
    inputs["q"]           part of an argument
    self.width + 1        a scalar; an effect if `self.width` is an object whose `__add__` may run code
    self.size             what the attribute is now; what the getter does, if it is a property
    (yield x)             effect: the body runs when it is resumed

`EXPRESSIONS` has one handler for each kind; an expression without one is an effect.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ember_jit.compiler.analysis.calls import interpret_call
from ember_jit.compiler.analysis.lookup import unresolved_hook
from ember_jit.compiler.analysis.protocols import hash_runs_code
from ember_jit.compiler.analysis.values import (
    ARG,
    LOCAL,
    SCALAR,
    Abstract,
    Arg,
    ClientPart,
    Fresh,
    Items,
    Known,
    OneOf,
    Property,
    join,
    runs_no_code,
)
from ember_jit.compiler.source import mangled
from ember_jit.kinds import is_a

if TYPE_CHECKING:
    from ember_jit.compiler.analysis.body import BodyAnalysis


def _constant(body: BodyAnalysis, node: ast.Constant) -> Abstract:
    return SCALAR


def _name(body: BodyAnalysis, node: ast.Name) -> Abstract:
    return body.name(node.id)


def _attribute(body: BodyAnalysis, node: ast.Attribute) -> Abstract:
    base = body.expr(node.value)
    found = body.attribute(base, mangled(node.attr, body.source.class_name))
    if isinstance(found, Property):
        inferred = body.inference.of_method(found.getter, found.owner)
        body.rest_on(inferred)
        body.join_effect(inferred.effect, node, f"the property `{body.text(node)}`")
        return LOCAL
    if isinstance(base, ClientPart) and found is LOCAL:
        body.effect(node, f"looks up `{body.text(node)}`, which is not a known part of the client")
    if isinstance(base, Known) and found is LOCAL and not is_a(base.obj, ModuleType):
        hook = unresolved_hook(base.obj, node.attr)
        if hook:
            body.effect(node, f"looks up `{body.text(node)}` through a hook of {hook}")
    return found


def _subscript(body: BodyAnalysis, node: ast.Subscript) -> Abstract:
    base = body.touch(node.value, body.expr(node.value), "looking into")
    body.touch(node.slice, body.expr(node.slice), "looking up", hash_runs_code)
    if isinstance(base, Known):
        return body.lookup.one_of(base.obj) or LOCAL
    return ARG if isinstance(base, Arg) else LOCAL


def _display(body: BodyAnalysis, node: Any) -> Abstract:
    parts = tuple([body.expr(element) for element in node.elts])
    if isinstance(node, ast.Set):
        for element, value in zip(node.elts, parts, strict=True):
            body.touch(element, value, "hashing", hash_runs_code)
    if isinstance(node, ast.Tuple):
        return Items(LOCAL, parts) if parts else SCALAR
    return Fresh("list" if isinstance(node, ast.List) else "set")


def _dict(body: BodyAnalysis, node: ast.Dict) -> Abstract:
    for key, value in zip(node.keys, node.values, strict=True):
        if key is not None:
            body.touch(key, body.expr(key), "hashing", hash_runs_code)
            body.expr(value)
        else:
            body.touch(value, body.expr(value), "spreading")
    return Fresh("dict")


def _comprehension(body: BodyAnalysis, node: Any) -> Abstract:
    for generator in node.generators:
        body.bind(generator.target, body.iterate(body.expr(generator.iter), generator.iter))
        for condition in generator.ifs:
            body.test(condition)
        if generator.is_async:
            body.effect(node, "an async comprehension is not followed")
    if isinstance(node, ast.DictComp):
        body.touch(node.key, body.expr(node.key), "hashing", hash_runs_code)
        body.expr(node.value)
        return Fresh("dict")
    element = body.expr(node.elt)
    if isinstance(node, ast.SetComp):
        body.touch(node.elt, element, "hashing", hash_runs_code)
    if isinstance(node, ast.GeneratorExp):
        return Items(element)
    return Fresh("list" if isinstance(node, ast.ListComp) else "set")


def _compare(body: BodyAnalysis, node: ast.Compare) -> Abstract:
    """`is` asks nothing of its operands; `in` may use an iterator up."""
    left = body.expr(node.left)
    for operator, right_node, left_node in zip(
        node.ops, node.comparators, (node.left, *node.comparators), strict=False
    ):
        right = body.expr(right_node)
        if not isinstance(operator, ast.Is | ast.IsNot):
            _operand(body, left_node, left)
            _operand(body, right_node, right)
        if isinstance(operator, ast.In | ast.NotIn):
            body.touch(right_node, right, "looking into", _has_state)
        left = right
    return SCALAR


def _has_state(obj: Any) -> bool:
    return hasattr(type(obj), "__next__")


def _operation(body: BodyAnalysis, node: ast.expr) -> Abstract:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            _operand(body, child, body.expr(child))
    return SCALAR


def _operand(body: BodyAnalysis, node: ast.expr, value: Abstract) -> None:
    """An operator on a live object of a user's class runs that class's special methods."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict):
        body.operated(node, value)  # comparing or formatting a container asks its elements
    objs = (value.obj,) if isinstance(value, Known) else ()
    objs = value.objs if isinstance(value, OneOf) else objs
    for obj in objs:
        if not runs_no_code(obj):
            kind = type(obj).__name__
            body.effect(node, f"`{body.text(node)}` is a live {kind}, whose operators may run code")
            return


def _binary(body: BodyAnalysis, node: ast.BinOp) -> Abstract:
    """A number or string where one operand is; a list where it may be one (`xs + ys`, `xs * 2`)."""
    left, right = body.expr(node.left), body.expr(node.right)
    _operand(body, node.left, left)
    _operand(body, node.right, right)
    scalars = (left == SCALAR) + (right == SCALAR)
    if scalars == 2 or (scalars == 1 and not isinstance(node.op, ast.Mult)):
        return SCALAR
    return Fresh("list") if isinstance(left, Fresh) and left.kind == "list" else LOCAL


def _choice(body: BodyAnalysis, node: Any) -> Abstract:
    if isinstance(node, ast.IfExp):
        body.test(node.test)
        return join(body.expr(node.body), body.expr(node.orelse))
    value: Abstract | None = None
    for part in node.values[:-1]:
        value = join(value, body.test(part))
    value = join(value, body.expr(node.values[-1]))
    assert value is not None
    return value


def _named(body: BodyAnalysis, node: ast.NamedExpr) -> Abstract:
    value = body.expr(node.value)
    body.bind(node.target, value)
    return value


def _lambda(body: BodyAnalysis, node: ast.Lambda) -> Abstract:
    for default in (*node.args.defaults, *[d for d in node.args.kw_defaults if d is not None]):
        body.expr(default)
    return body.nested(node.args, [ast.copy_location(ast.Expr(node.body), node.body)])


def _starred(body: BodyAnalysis, node: ast.Starred) -> Abstract:
    return body.iterate(body.expr(node.value), node)


def _slice(body: BodyAnalysis, node: ast.Slice) -> Abstract:
    for part in (node.lower, node.upper, node.step):
        if part is not None:
            body.operated(part, body.expr(part))
    return SCALAR


def _suspends(body: BodyAnalysis, node: ast.expr) -> Abstract:
    body.effect(node, "is a generator or coroutine: its body runs when it is resumed")
    return LOCAL


EXPRESSIONS: dict[type[ast.expr], Callable[[BodyAnalysis, Any], Abstract]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.Call: interpret_call,
    ast.List: _display,
    ast.Tuple: _display,
    ast.Set: _display,
    ast.Dict: _dict,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.DictComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.BinOp: _binary,
    ast.UnaryOp: _operation,
    ast.Compare: _compare,
    ast.JoinedStr: _operation,
    ast.FormattedValue: _operation,
    ast.BoolOp: _choice,
    ast.IfExp: _choice,
    ast.NamedExpr: _named,
    ast.Lambda: _lambda,
    ast.Starred: _starred,
    ast.Slice: _slice,
    ast.Yield: _suspends,
    ast.YieldFrom: _suspends,
    ast.Await: _suspends,
}
