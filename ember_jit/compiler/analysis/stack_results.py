"""What calls give back, as abstract values."""

from __future__ import annotations

from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from ember_jit.compiler.analysis import registry
from ember_jit.compiler.analysis.calls import registry_entry
from ember_jit.compiler.analysis.facts import PURE, UNKNOWN, Inferred, same_function
from ember_jit.compiler.analysis.stack_values import UNBOUND, Nested, is_scalar
from ember_jit.compiler.analysis.values import (
    ARG,
    HANDLE,
    LOCAL,
    SCALAR,
    Abstract,
    Fresh,
    Items,
    Known,
    Method,
)
from ember_jit.kinds import is_a
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.statics import type_lookup

if TYPE_CHECKING:
    from ember_jit.compiler.analysis.stack_machine import Frame

Args = list[Abstract]
GETTER = Fresh("getter")
"""`itemgetter(...)` or `attrgetter(...)`: called on plain values, it does nothing that can be seen."""
_PLAIN_CLASSES = (int, float, complex, bool, str, bytes, range, slice, tuple, frozenset)
_PLAIN_MODULES = frozenset(
    (
        "builtins",
        "math",
        "cmath",
        "operator",
        "statistics",
        "string",
        "textwrap",
        "html",
        "base64",
        "binascii",
        "zlib",
        "json",
        "urllib",
        "time",
        "posixpath",
        "genericpath",
        "numpy",
        "functools",
        "heapq",
        "bisect",
        "struct",
        "difflib",
        "unicodedata",
        "colorsys",
        "copy",
        "shlex",
        "fnmatch",
    )
)
_MAKES_OTHERS = frozenset(
    (
        "attrgetter",
        "itemgetter",
        "methodcaller",
        "partial",
        "cmp_to_key",
        "cast",
        "type",
        "object",
        "replace",
        "wraps",
    )
)
_FACTORIES = (list, dict, set, int, float, str, tuple)


def all_plain(frame: Frame, args: Args) -> bool:
    """Whether all of them are plain."""
    return all(frame.values.plain(arg) for arg in args)


def entry_of(frame: Frame, callee: Known | Method) -> tuple[Inferred, registry.Known | None]:
    """The effect of a live callee, and the registry's entry if it is from there."""
    inference = frame.context.inference
    if isinstance(callee, Method):
        found = inference.of_method(callee.function, callee.owner)
    else:
        found = inference.of(callee.obj)
    known = None if found.effect.declared else registry_entry(callee)
    if known is None and isinstance(callee, Method) and type(callee.function) is not FunctionType:
        known = registry.lookup(callee.function)
    frame.context.trust(found)
    return found, known


def result_of_call(
    frame: Frame, callee: Known | Method, found: Inferred, known: registry.Known | None, args: Args
) -> Abstract:
    """What a call gives back."""
    values = frame.values
    obj = callee.obj if isinstance(callee, Known) else callee.function
    if found.effect.declared and found.effect.schedulable:
        return ARG  # a declaration covers what is done with the result
    if known is None:
        if isinstance(callee, Known) and is_a(obj, type):
            for arg in args:
                values.put("object", arg)
            return (
                Fresh("object", obj)
                if found.effect.kind == PURE and not found.effect.declared
                else LOCAL
            )
        if not all_plain(frame, args):
            return LOCAL
        if isinstance(callee, Method):
            return result_of(frame, callee.function, callee.owner)
        return result_of(frame, obj, None)
    if known.kind == UNKNOWN:
        return LOCAL
    if known.fresh == "handle":
        return HANDLE
    name = getattr(obj, "__name__", "")
    plain = all_plain(frame, args) and (
        not isinstance(callee, Method) or values.plain_object(callee.owner)
    )
    if known.fresh:
        if known.fresh == "defaultdict" and args:
            _factory(frame, args[0])
            args = args[1:]
        for arg in args if known.shares else ():
            if known.retains:
                values.put(known.fresh, arg)
                if isinstance(arg, Fresh):
                    values.put(known.fresh, values.content(arg.kind))  # dict(mapping)
            inner = values.element(arg)
            if inner is not None:
                values.put(known.fresh, inner)
                deeper = values.element(inner) if known.retains else None
                if deeper is not None:
                    values.put(known.fresh, deeper)  # dict([(key, value)])
        if isinstance(callee, Method):
            values.put(known.fresh, ARG if plain else LOCAL)
        return Fresh(known.fresh)
    if is_a(obj, type) and issubclass(obj, BaseException):
        return Fresh(obj.__name__)
    if known.lazy:
        return (
            _lazy(frame, name, args)
            if isinstance(callee, Known)
            else _view(frame, name, callee.owner, plain)
        )
    if not _gives_plain(obj, name, callee):
        return GETTER if name in ("attrgetter", "itemgetter") and plain else LOCAL
    if name in registry.SCALAR_RESULTS or not (known.retains or known.shares):
        return SCALAR
    if plain:
        return ARG
    if name in ("tuple", "list", "sorted", "reversed", "iter") and args:
        return Items(values.element(args[0]) or LOCAL)
    return LOCAL


def _gives_plain(obj: Any, name: str, callee: Known | Method) -> bool:
    """Whether the result of a registered callable is plain if its arguments are (not a `Path`, a `partial`, a class...)."""
    if is_a(obj, type):
        return obj in _PLAIN_CLASSES
    if isinstance(callee, Method) and type(callee.owner) in (*_PLAIN_CLASSES, list, dict, set):
        return True
    module = getattr(obj, "__module__", None)
    root = (
        module.partition(".")[0].lstrip("_")
        if isinstance(module, str)
        else "builtins"
        if hasattr(obj, "__objclass__")
        else ""
    )
    return root in _PLAIN_MODULES and name not in _MAKES_OTHERS


def _lazy(frame: Frame, name: str, args: Args) -> Abstract:
    values = frame.values
    inner = [values.element(arg) or LOCAL for arg in args]
    if name == "enumerate" and inner:
        pair = (SCALAR, inner[0])
        return Items(Items(values.join(*pair), pair))
    if name == "zip" and inner:
        element: Abstract = UNBOUND
        for each in inner:
            element = values.join(element, each)
        return Items(Items(element, tuple(inner)))
    if name in ("reversed", "iter") and len(inner) == 1:
        return Items(inner[0])
    if name == "map" and args:
        function = args[0]
        if isinstance(function, Nested):
            return Items(function.result)
        if isinstance(function, Known | Method):
            found, entry = entry_of(frame, function)
            return Items(
                result_of_call(
                    frame, function, found, entry, [ARG] if all_plain(frame, args[1:]) else [LOCAL]
                )
            )
    data = args[1:] if name == "filter" else args
    followed = name in ("chain", "filter", "islice", "pairwise", "repeat") and all(
        values.plain(arg) for arg in data
    )
    return Items(ARG if followed else LOCAL)


def _view(frame: Frame, name: str, owner: Any, plain: bool) -> Abstract:
    """`keys()`, `values()` or `items()` of a live dictionary."""
    if type(owner) is not dict or name not in ("keys", "values", "items"):
        return Items(ARG if plain else LOCAL)
    key = frame.values.element(Known(owner)) or LOCAL
    if name == "keys":
        return Items(key)
    value = frame.values.live_item(owner)
    return (
        Items(value)
        if name == "values"
        else Items(Items(frame.values.join(key, value), (key, value)))
    )


def _factory(frame: Frame, value: Abstract) -> None:
    """`defaultdict(list)`: the factory is called by look-ups, so it must be one that makes plain values."""
    if isinstance(value, Known) and any(value.obj is each for each in _FACTORIES):
        frame.values.put(
            "defaultdict", Fresh(value.obj.__name__) if value.obj in (list, dict, set) else SCALAR
        )
    elif not (isinstance(value, Known) and value.obj is None):
        frame.effect("makes a defaultdict whose factory is not followed")


def result_of(frame: Frame, function: Any, owner: Any) -> Abstract:
    """What calling the program's own function on plain arguments gives: ARG if it is plain, else LOCAL.

    Its code is interpreted like ours, whether or not it has source: what it returns is asked, not what
    it does.
    """
    if is_a(function, MethodType):
        function, owner = function.__func__, function.__self__
    if not is_a(function, FunctionType):
        call_method = type_lookup(type(function), "__call__")
        if owner is not None or is_a(function, type) or not is_a(call_method, FunctionType):
            return LOCAL
        function, owner = call_method, function
    memo, key = frame.context.memo, (id(function), id(owner))
    if key not in memo:
        memo[key] = LOCAL  # what a recursive call sees
        if len(memo) > 200:
            return LOCAL
        code = original_code(function)
        inner = frame.context.of(function, code, Known(owner) if owner is not None else None)
        result = inner.result
        if is_scalar(result):
            memo[key] = SCALAR
        elif inner.values.plain(result):
            memo[key] = ARG
        inner.close()
        frame.context.lookup.guards.append(same_function(function))
    return memo[key]
