"""What one call in a body is: glue, a helper, a site that may be scheduled, a mutation, or a barrier."""

from __future__ import annotations

import ast
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from ember_jit.compiler.analysis import registry
from ember_jit.compiler.analysis.call_facts import CallFact
from ember_jit.compiler.analysis.facts import PURE, QUERY, UNKNOWN, Effect, Reason
from ember_jit.compiler.analysis.values import (
    ARG,
    FUNCTION,
    HANDLE,
    IMPURE_FUNCTION,
    LOCAL,
    SCALAR,
    Abstract,
    Arg,
    ClientPart,
    Fresh,
    Items,
    Known,
    Method,
    OneOf,
    elements,
    runs_no_code,
)
from ember_jit.kinds import is_a

if TYPE_CHECKING:
    from ember_jit.compiler.analysis.body import BodyAnalysis

_PURE_EFFECT = Effect(PURE, "an operation on values")
_LAZY_PAIRS = frozenset({"enumerate", "zip"})


def interpret_call(body: BodyAnalysis, node: ast.Call) -> Abstract:
    """Record the fact of `node` and give the abstract value of its result."""
    read = attribute_read(body, node)
    if read is not None:
        before = len(body.effects)
        value = body.expr(read)
        if len(body.effects) > before:
            return _unknown_callee(body, node, body.effects[-1].text)
        body.calls[node] = CallFact("attribute", _PURE_EFFECT, LOCAL)
        return value
    args = [body.expr(arg) for arg in node.args]
    for keyword in node.keywords:
        args.append(body.expr(keyword.value))
    func = node.func
    if isinstance(func, ast.Attribute):
        if (
            isinstance(func.value, ast.Call)
            and isinstance(func.value.func, ast.Name)
            and func.value.func.id == "super"
            and not func.value.args
        ):
            found = body.super_method(func.attr)
            if isinstance(found, Method):
                return _known_callee(body, node, found, args)
            return _unknown_callee(
                body, node, f"`{body.source.segment(func)}` could not be followed"
            )
        base = body.expr(func.value)
        if isinstance(base, ClientPart):
            return _client_call(body, node, base, func.attr, args)
        if not isinstance(base, Known | OneOf):
            return _method_on_value(body, node, base, func.attr, args)
    callee = body.expr(func)
    if isinstance(callee, Known | Method):
        return _known_callee(body, node, callee, args)
    if isinstance(callee, OneOf):
        return _one_of(body, node, callee)
    if callee == IMPURE_FUNCTION:
        return _unknown_callee(
            body, node, f"`{body.source.segment(func)}` is a nested function with effects"
        )
    if callee == FUNCTION:
        # its effects were recorded where it was made
        body.calls[node] = CallFact("local", _PURE_EFFECT, callee)
        return LOCAL
    reason = Reason(
        body.source.filename,
        node.lineno,
        f"`{body.source.segment(func)}` is not known before it runs",
    )
    effect = Effect(UNKNOWN, reason.text, reasons=(reason,))
    looks_like_operator = [keyword.arg for keyword in node.keywords] == ["inputs"] and not node.args
    body.effect(node, f"calls `{body.source.segment(func)}`, which is not known before it runs")
    body.calls[node] = CallFact("dynamic" if looks_like_operator else "barrier", effect, callee)
    return LOCAL


def attribute_read(body: BodyAnalysis, node: ast.Call) -> ast.Attribute | None:
    """`getattr(x, "name")` as `x.name`; None for any other call.

    A private name is not one: `getattr` does not spell it as the compiler does.
    """
    if len(node.args) != 2 or node.keywords or body.live(node.func) is not getattr:
        return None
    owner, name = node.args
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        return None
    if isinstance(owner, ast.Starred) or not name.value.isidentifier():
        return None
    if name.value.startswith("__"):
        return None
    return ast.copy_location(ast.Attribute(owner, name.value, ast.Load()), node)


def _known_callee(
    body: BodyAnalysis, node: ast.Call, callee: Known | Method, args: list[Abstract]
) -> Abstract:
    found = (
        body.inference.met_method(callee.function, callee.owner)
        if isinstance(callee, Method)
        else body.inference.of(callee.obj)
    )
    body.rest_on(found)
    return _conclude(body, node, callee, registry_entry(callee), found.effect, args)


def registry_entry(callee: Known | Method) -> registry.Known | None:
    """The registry's entry for a callee, if it has one."""
    if isinstance(callee, Known):
        return registry.lookup(callee.obj)
    if is_a(callee.function, FunctionType):
        return registry.lookup(MethodType(callee.function, callee.owner))
    return registry.method(type(callee.owner), getattr(callee.function, "__name__", ""))


def _client_call(
    body: BodyAnalysis, node: ast.Call, base: ClientPart, name: str, args: list[Abstract]
) -> Abstract:
    """`client.chat.completions.create(...)`, whose receiver may not have been made yet."""
    known = body.lookup.part_method(base, name)
    if known is None:
        what = f"`{body.source.segment(node.func)}`"
        return _unknown_callee(
            body, node, f"{what} is not a request that is known to change nothing"
        )
    effect = Effect(known.kind, known.evidence, blocking=known.blocking, operator=True)
    return _conclude(body, node, base, known, effect, args)


def _conclude(
    body: BodyAnalysis,
    node: ast.Call,
    callee: Known | Method | ClientPart,
    known: registry.Known | None,
    effect: Effect,
    args: list[Abstract],
) -> Abstract:
    if known is not None and effect.kind != UNKNOWN and (broken := _broken_condition(known, node)):
        effect = _not_this_call(body, node, broken)
    if known is not None and effect.kind != UNKNOWN and known.protocol:
        effect = _with_protocols(body, node, effect)
    if known is not None and known.calls_args and effect.kind != UNKNOWN:
        effect = _with_arguments(body, node, effect, args)
    live = [arg.obj for arg in args if isinstance(arg, Known)] if effect.kind != UNKNOWN else []
    if known is not None and known.protocol and any(_has_state(obj) for obj in live):
        effect = _not_this_call(body, node, "uses up an iterator")
    if known is not None and known.protocol and effect.kind != UNKNOWN:
        asked = _first_with_code(known, args)
        if asked is not None:
            text = f"asks a live {type(asked).__name__}, whose methods are not followed"
            effect = _not_this_call(body, node, text)
    if known is None and not effect.declared:
        for obj in live:  # it was inferred for plain arguments
            if not runs_no_code(obj):
                text = f"is given a live {type(obj).__name__}, whose methods are not followed"
                effect = _not_this_call(body, node, text, effect.operator)
    if not isinstance(callee, ClientPart) and _defers(callee, node):
        body.prints = True
        body.calls[node] = CallFact("print", _PURE_EFFECT, callee)
        return LOCAL
    body.join_effect(effect, node, node.func)
    role = "barrier"
    if effect.kind == QUERY or (effect.kind == PURE and (effect.operator or effect.blocking)):
        # a call that only waits (`time.sleep`) does so on purpose: what follows is not to start before it ends
        role = "site" if known is None or effect.kind == QUERY else "wait"
        body.has_sites = True
        body.composite |= known is None
    elif effect.kind == PURE:
        role = "glue" if known is not None else "helper"
    elif effect.label is not None:
        role = "labelled"
        body.composite = True
    elif effect.later is not None:
        role, effect = (
            "site",
            effect.later,
        )  # whether it may run ahead yet is decided when it is issued
        body.composite = True
    body.calls[node] = CallFact(role, effect, callee)
    if isinstance(callee, ClientPart):
        return HANDLE
    return _result(callee, known, args, effect)


def _first_with_code(known: registry.Known, args: list[Abstract]) -> Any:
    """A live object among the arguments that are asked something, whose class has code of its own; None if there is none."""
    for index, arg in enumerate(args):
        objs = (arg.obj,) if isinstance(arg, Known) else arg.objs if isinstance(arg, OneOf) else ()
        if index in known.untouched:
            continue
        for obj in objs:
            if not runs_no_code(obj):
                return obj
    return None


def _not_this_call(body: BodyAnalysis, node: ast.Call, why: str, operator: bool = False) -> Effect:
    """The effect of a call that what is known of its callee does not hold for."""
    text = f"`{body.source.segment(node.func)}` {why}"
    reason = Reason(body.source.filename, node.lineno, text)
    return Effect(UNKNOWN, text, reasons=(reason,), operator=operator)


def _with_protocols(body: BodyAnalysis, node: ast.Call, effect: Effect) -> Effect:
    """A builtin that runs methods of what it is given (`str`, `len`, `sum`) has their effects too."""
    before = len(body.effects)
    for arg in (*node.args, *[keyword.value for keyword in node.keywords]):
        body.operated(arg, body.peek(arg))
    if len(body.effects) == before:
        return effect
    return _not_this_call(body, node, f"may run code: {body.effects[-1].text}")


def _defers(callee: Known | Method, node: ast.Call) -> bool:
    """Whether a call only prints or logs, in a way that can be emitted later."""
    obj = callee.obj if isinstance(callee, Known) else callee.function
    if not registry.deferrable(obj) or getattr(obj, "__name__", "") == "exception":
        return False
    return not any(keyword.arg in (None, "file", "exc_info") for keyword in node.keywords)


def _broken_condition(known: registry.Known, node: ast.Call) -> str:
    """Why the registry's entry does not hold for this call; empty if it does."""
    starred = any(isinstance(arg, ast.Starred) for arg in node.args)
    if known.max_args is not None and (starred or len(node.args) > known.max_args):
        return f"is only known with up to {known.max_args} positional arguments"
    for keyword in node.keywords:
        if keyword.arg is None and known.bad_keywords:
            return "is only known without `**` arguments"
        if keyword.arg in known.bad_keywords:
            return f"is only known without `{keyword.arg}=`"
    if known.literals is not None:
        for arg in (*node.args, *[keyword.value for keyword in node.keywords]):
            if (
                isinstance(arg, ast.Constant)
                and isinstance(arg.value, str)
                and arg.value not in known.literals
            ):
                return f"is not known with {arg.value!r}"
            if not isinstance(arg, ast.Constant):
                return "is only known with literal codec names"
    if known.awaits:
        return "makes a coroutine"
    return ""


def _with_arguments(
    body: BodyAnalysis, node: ast.Call, effect: Effect, args: list[Abstract]
) -> Effect:
    """A builtin that calls its arguments (`map`, `sorted(key=)`) has their effects too."""
    for arg in args:
        if arg == IMPURE_FUNCTION:
            text = f"`{body.source.segment(node)}` calls a function made here that has effects"
            return Effect(UNKNOWN, text, reasons=(Reason(body.source.filename, node.lineno, text),))
        if isinstance(arg, Known) and callable(arg.obj) and not is_a(arg.obj, type):
            inner = body.inference.of(arg.obj)
            body.rest_on(inner)
            if inner.effect.kind != PURE or inner.effect.operator:
                return inner.effect
        elif isinstance(arg, Method):
            inner = body.inference.of_method(arg.function, arg.owner)
            body.rest_on(inner)
            if inner.effect.kind != PURE or inner.effect.operator:
                return inner.effect
    return effect


def _one_of(body: BodyAnalysis, node: ast.Call, callee: OneOf) -> Abstract:
    worst: Effect | None = None
    for obj in callee.objs:
        found = body.inference.of(obj)
        body.rest_on(found)
        if worst is None or _weight(found.effect) > _weight(worst):
            worst = found.effect
        if worst.kind == UNKNOWN and worst.label is None:
            break
    assert worst is not None
    body.join_effect(worst, node, node.func)
    body.composite = True
    role = "labelled" if worst.label is not None else "dynamic"
    body.calls[node] = CallFact("site" if worst.kind != UNKNOWN else role, worst, callee)
    return LOCAL


def _weight(effect: Effect) -> int:
    """How much stands in the way of running an effect ahead."""
    if effect.kind == UNKNOWN:
        return 2 if effect.label is not None else 3
    return int(effect.kind == QUERY)


def _method_on_value(
    body: BodyAnalysis, node: ast.Call, base: Abstract, name: str, args: list[Abstract]
) -> Abstract:
    what = f"`{body.source.segment(node.func)}`"
    if isinstance(base, Fresh) and base.kind in ("handle", "object"):
        role = "glue" if base.kind == "handle" else "barrier"
        if role == "barrier":
            return _unknown_callee(
                body, node, f"{what} is a method of an object made here, which is not followed"
            )
        body.calls[node] = CallFact("opaque", _PURE_EFFECT, base)
        return LOCAL
    if name in registry.MUTATORS and not (isinstance(base, Fresh) and base.kind == "scalar"):
        own = isinstance(base, Fresh) and base.kind not in ("function", "impure function")
        if own or (isinstance(node.func, ast.Attribute) and body.is_nested(node.func.value)):
            body.calls[node] = CallFact("mutate", _PURE_EFFECT, base)
            return LOCAL
        text = f"{what} changes `{body.source.segment(node.func.value)}`, which was not made here"  # type: ignore[attr-defined]
        return _unknown_callee(body, node, text)
    before = len(body.effects)
    for arg in (*node.args, *[keyword.value for keyword in node.keywords]):
        body.operated(arg, body.peek(arg))
    if isinstance(node.func, ast.Attribute):
        body.operated(node.func.value, base)
    if len(body.effects) > before:
        return _unknown_callee(body, node, f"{what}: {body.effects[-1].text}")
    if name in registry.PURE_METHOD_NAMES or (isinstance(base, Fresh) and base.kind == "scalar"):
        body.calls[node] = CallFact("glue", _PURE_EFFECT, base)
        if name in ("items", "keys", "values"):
            return Items(ARG if isinstance(base, Arg) else LOCAL)
        if name in ("split", "splitlines", "rsplit", "copy"):
            return Fresh("list") if name != "copy" else LOCAL
        return ARG if isinstance(base, Arg) and name == "get" else LOCAL
    return _unknown_callee(body, node, f"{what} is a method that is not known before it runs")


def _unknown_callee(body: BodyAnalysis, node: ast.Call, text: str) -> Abstract:
    reason = Reason(body.source.filename, node.lineno, text)
    body.effect(node, text)
    body.kind = UNKNOWN
    body.calls[node] = CallFact("barrier", Effect(UNKNOWN, text, reasons=(reason,)), LOCAL)
    return LOCAL


def _has_state(obj: Any) -> bool:
    """Whether iterating over a live object would change it."""
    return hasattr(type(obj), "__next__")


def _result(
    callee: Known | Method, known: registry.Known | None, args: list[Abstract], effect: Effect
) -> Abstract:
    obj = callee.obj if isinstance(callee, Known) else callee.function
    if known is None:
        return Fresh("object") if is_a(obj, type) and effect.kind == PURE else LOCAL
    name = getattr(obj, "__name__", "")
    if known.fresh:
        return Fresh(known.fresh)
    if isinstance(callee, Method) and type(callee.owner) is dict and name in ("items", "values"):
        live = tuple(callee.owner.values())
        if live and len(live) <= 1024:
            return Items(LOCAL, (LOCAL, OneOf(live))) if name == "items" else Items(OneOf(live))
    if name in _LAZY_PAIRS and known.lazy:
        inner = [_element(arg) for arg in args]
        return Items(LOCAL, (LOCAL, *inner[:1]) if name == "enumerate" else tuple(inner))
    if name in ("reversed", "iter", "sorted") and args:
        return Items(_element(args[0]))
    own = isinstance(callee, Method) or getattr(obj, "__module__", "") == "builtins"
    if own and name in registry.SCALAR_RESULTS:  # NumPy has functions of these names, too
        return SCALAR
    return LOCAL


def _element(value: Abstract) -> Abstract:
    if isinstance(value, Items):
        return value.element
    if isinstance(value, Known):
        live = elements(value.obj)
        return OneOf(live) if live else LOCAL
    return ARG if isinstance(value, Arg) else LOCAL
