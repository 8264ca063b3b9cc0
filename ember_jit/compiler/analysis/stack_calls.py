"""Calls on the abstract stack: what is called, whether its entry holds for this call, what comes back.

The same conditions as `calls`, and one more.  The effect of a function that is not declared was
inferred for plain arguments; given anything else (an object of the program, the unknown result of
another call), the call is not followed.
"""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any

from ember_jit.compiler.analysis import registry
from ember_jit.compiler.analysis.facts import PURE, UNKNOWN, Effect, Inferred, Reason
from ember_jit.compiler.analysis.stack_managers import makes_clean_manager
from ember_jit.compiler.analysis.stack_results import (
    GETTER,
    Args,
    all_plain,
    entry_of,
    result_of_call,
)
from ember_jit.compiler.analysis.stack_values import (
    CONTAINERS,
    EXIT,
    UNBOUND,
    Bound,
    Enter,
    Nested,
    is_scalar,
)
from ember_jit.compiler.analysis.values import (
    ARG,
    HANDLE,
    LOCAL,
    SCALAR,
    Abstract,
    ClientPart,
    Fresh,
    Items,
    Known,
    Method,
    OneOf,
)
from ember_jit.kinds import is_a

if TYPE_CHECKING:
    from ember_jit.compiler.analysis.stack_machine import Frame

_HANDLE_METHODS = frozenset({"close", "decode", "json", "raise_for_status", "read"})
_KEEPS = frozenset({"append", "appendleft", "insert"})
"""Methods of containers that take any object without asking it anything."""
_SEALED = frozenset({"HASH", "HASHXOF", "StringIO", "BytesIO"})
"""Kinds of objects made here that hold no other objects."""
_REDUCERS = frozenset({"reduce", "accumulate"})


def call(frame: Frame, callee: Abstract, args: Args, keywords: tuple[str, ...]) -> Abstract:
    """The result of `callee(*args)`, whose last arguments have these keywords."""
    if callee == UNBOUND:
        return UNBOUND
    if isinstance(callee, Known):
        return _live(frame, callee.obj, args, keywords)
    if isinstance(callee, Method):
        return _bound_method(frame, callee, args, keywords)
    if isinstance(callee, OneOf):
        return _one_of(frame, callee, args)
    if callee == EXIT:
        return SCALAR
    if isinstance(callee, Enter):
        return callee.result
    if isinstance(callee, Bound):
        return _on_value(frame, callee, args, keywords)
    if isinstance(callee, Nested):
        if callee.code.co_varnames[:1] == (".0",) and callee.code in frame.nested:
            return frame.comprehend(callee.code, args[0])
        if not all_plain(frame, args):
            raise frame.stop(
                "gives a function made here something that is not known to be a plain value"
            )
        return callee.result
    raise frame.stop("calls something that is not known before it runs")


def call_spread(
    frame: Frame, callee: Abstract, positional: Abstract, keywords: Abstract | None
) -> Abstract:
    """The result of `callee(*positional, **keywords)`."""
    args = [positional] if keywords is None else [positional, keywords]
    if callee == UNBOUND:
        return UNBOUND
    if not all_plain(frame, args):
        raise frame.stop("spreads arguments that are not known to be plain values")
    if isinstance(callee, OneOf):
        return _one_of(frame, callee, args)
    if isinstance(callee, Nested):
        return callee.result
    if not isinstance(callee, Known | Method):
        raise frame.stop("calls something that is not known before it runs")
    found, known = entry_of(frame, callee)
    if known is not None and (
        known.max_args is not None or known.calls_args or known.literals is not None or known.awaits
    ):
        raise frame.stop(f"{_title(callee)} is not known with `*` arguments")
    if known is not None and keywords is not None and known.bad_keywords:
        raise frame.stop(f"{_title(callee)} is only known without `**` arguments")
    frame.context.does(found.effect, frame.line, _title(callee))
    return result_of_call(frame, callee, found, known, args)


# ---------------------------------------------------------------------- live callees
def _live(frame: Frame, obj: Any, args: Args, keywords: tuple[str, ...]) -> Abstract:
    if makes_clean_manager(obj):
        return Fresh("object", obj)
    callee = Known(obj)
    found, known = entry_of(frame, callee)
    return _finish(frame, callee, found, known, args, keywords)


def _bound_method(frame: Frame, callee: Method, args: Args, keywords: tuple[str, ...]) -> Abstract:
    found, known = entry_of(frame, callee)
    if (
        known is not None
        and known.protocol
        and found.effect.kind != UNKNOWN
        and known.receiver is None
        and not frame.values.plain_object(callee.owner)
    ):
        raise frame.stop(f"{_title(callee)} is only known on plain values")
    return _finish(frame, callee, found, known, args, keywords)


def _finish(
    frame: Frame,
    callee: Known | Method,
    found: Inferred,
    known: registry.Known | None,
    args: Args,
    keywords: tuple[str, ...],
) -> Abstract:
    effect, what = found.effect, _title(callee)
    if _defers(frame, callee, args, keywords):
        frame.context.prints = True
        return SCALAR
    if effect.kind != UNKNOWN and not effect.declared:
        problem = _misused(frame, known, args, keywords) if known is not None else ""
        if known is None and not all_plain(frame, args):
            problem = "is given something that is not known to be a plain value"
        if problem:
            effect = Effect(
                UNKNOWN, f"{what} {problem}", reasons=(Reason("", 0, f"{what} {problem}"),)
            )
    frame.context.does(effect, frame.line, what)
    if known is not None and known.calls_args and effect.kind != UNKNOWN:
        _callbacks(frame, what, known, args, keywords, _has_reducer(callee))
    return result_of_call(frame, callee, found, known, args)


def _defers(frame: Frame, callee: Known | Method, args: Args, keywords: tuple[str, ...]) -> bool:
    """Whether a call only prints or logs plain values, in a way that can be emitted later."""
    obj = callee.obj if isinstance(callee, Known) else callee.function
    if not frame.context.defers or not registry.deferrable(obj):
        return False
    if getattr(obj, "__name__", "") == "exception":
        return False
    return not {"file", "exc_info"}.intersection(keywords) and all_plain(frame, args)


def _one_of(frame: Frame, callee: OneOf, args: Args) -> Abstract:
    result: Abstract | None = None
    for obj in callee.objs:
        each = Known(obj)
        found, known = entry_of(frame, each)
        if known is not None or not (found.effect.declared or all_plain(frame, args)):
            raise frame.stop("calls one of several things, which could not be followed")
        frame.context.does(found.effect, frame.line, _title(each))
        result = frame.values.join(result, result_of_call(frame, each, found, None, args))
    return LOCAL if result is None else result


def runs(frame: Frame, obj: Any) -> None:
    """The function calls `obj` with plain arguments."""
    effect = frame.context.trust(frame.context.inference.of(obj))
    frame.context.does(effect, frame.line, _title(Known(obj)))


def raised(frame: Frame, value: Abstract) -> None:
    """`raise value`: a class is called."""
    objs = (
        value.objs if isinstance(value, OneOf) else (value.obj,) if isinstance(value, Known) else ()
    )
    if objs:
        for obj in objs:
            if is_a(obj, type):
                runs(frame, obj)
        return
    made = isinstance(value, Fresh) and (value.kind == "object" or value.cls is not None)
    if not made and value != UNBOUND and not is_scalar(value) and not _is_exception(value):
        frame.effect("raises something that is not known before it runs")


def _is_exception(value: Abstract) -> bool:
    import builtins

    found = getattr(builtins, value.kind, None) if isinstance(value, Fresh) else None
    return is_a(found, type) and issubclass(found, BaseException)


# ---------------------------------------------------------------------- conditions
def _misused(frame: Frame, known: registry.Known, args: Args, keywords: tuple[str, ...]) -> str:
    """Why the registry's entry does not hold for this call; empty if it does."""
    broken = _broken_condition(known, args, keywords)
    if broken:
        return broken
    count = len(args) - len(keywords)
    for index, arg in enumerate(args):
        if (index < count and index in known.untouched) or not known.protocol:
            continue
        if frame.values.plain(arg) or (known.shallow and frame.values.shallow(arg)):
            continue
        if known.calls_args and (arg == GETTER or isinstance(arg, Known | Method | Nested)):
            continue  # followed as a callback
        if isinstance(arg, Known | Items | OneOf) and _plain_classes(arg):
            continue
        return "is given something that is not known to be a plain value"
    return ""


def _broken_condition(known: registry.Known, args: Args, keywords: tuple[str, ...]) -> str:
    count = len(args) - len(keywords)
    if known.max_args is not None and count > known.max_args:
        return f"is only known with up to {known.max_args} positional arguments"
    for keyword in keywords:
        if keyword in known.bad_keywords:
            return f"is only known without `{keyword}=`"
    if known.literals is not None:
        for arg in args:
            if not isinstance(arg, Known) or (
                isinstance(arg.obj, str) and arg.obj not in known.literals
            ):
                return "is only known with literal codec names"
    return "makes a coroutine" if known.awaits else ""


def _plain_classes(arg: Abstract) -> bool:
    """The second argument of `isinstance`: classes whose metaclass is `type`, or a tuple of them."""
    if isinstance(arg, Items):
        return bool(arg.parts) and all(_plain_classes(part) for part in arg.parts)
    objs = arg.objs if isinstance(arg, OneOf) else (arg.obj,) if isinstance(arg, Known) else ()
    return bool(objs) and all(type(obj) is type for obj in objs)


def _callbacks(
    frame: Frame,
    what: str,
    known: registry.Known,
    args: Args,
    keywords: tuple[str, ...],
    feeds_back: bool,
) -> None:
    """A builtin that calls its arguments (`map`, `sorted(key=)`) has their effects too."""
    data = [
        arg
        for arg in args
        if arg != GETTER
        and (not isinstance(arg, Known | Method | Nested) or frame.values.plain(arg))
    ]
    if not all_plain(frame, data) or any(
        isinstance(arg, OneOf) and any(callable(obj) for obj in arg.objs) for arg in args
    ):
        frame.effect(f"{what} may call something that is not known before it runs")
    for arg in args:
        if frame.values.plain(arg) or not isinstance(arg, Known | Method | Nested):
            continue
        if isinstance(arg, Nested):
            result: Abstract = arg.result
        else:
            found, entry = entry_of(frame, arg)
            frame.context.does(found.effect, frame.line, _title(arg))
            asks_owner = isinstance(arg, Method) and entry is not None and entry.protocol
            if asks_owner and isinstance(arg, Method) and not frame.values.plain_object(arg.owner):
                frame.effect(f"{what} calls {_title(arg)}, which is only known on plain values")
            if entry is not None and not _plain_callback(entry, max(len(data), 1 + feeds_back)):
                frame.effect(f"{what} calls {_title(arg)} in a way that is not followed")
            result = result_of_call(frame, arg, found, entry, data)
        if (not known.lazy or feeds_back) and not frame.values.plain(result):
            frame.effect(
                f"{what} uses the result of {_title(arg)}, which is not known to be a plain value"
            )


def _plain_callback(entry: registry.Known, count: int) -> bool:
    limited = entry.max_args is not None and entry.max_args < count
    return not (
        limited or entry.calls_args or entry.literals is not None or entry.awaits or entry.lazy
    )


def _has_reducer(callee: Known | Method) -> bool:
    name = getattr(callee.obj if isinstance(callee, Known) else callee.function, "__name__", "")
    return name in _REDUCERS or name in (
        "filter",
        "filterfalse",
        "takewhile",
        "dropwhile",
        "groupby",
    )


# ---------------------------------------------------------------------- methods of values
def _on_value(frame: Frame, callee: Bound, args: Args, keywords: tuple[str, ...]) -> Abstract:
    base, name = callee.base, callee.name
    if isinstance(base, ClientPart):
        return _client_call(frame, base, name, args, keywords)
    if base == HANDLE:
        data = name in _HANDLE_METHODS or registry.plain_methods(name)
        if not data or not all_plain(frame, args):
            raise frame.stop(f"`.{name}` is a method that is not known before it runs")
        return HANDLE
    entries = (
        registry.methods_of_kind(base.kind, name)
        if isinstance(base, Fresh) and base.kind != "scalar"
        else registry.plain_methods(name)
    )
    if not entries:
        raise frame.stop(f"`.{name}` is a method that is not known before it runs")
    for entry in entries:
        changes_own = (
            entry.resource == "receiver" and isinstance(base, Fresh) and base.kind != "scalar"
        )
        if entry.kind != PURE and not changes_own:
            raise frame.stop(
                f"`.{name}` changes, or may change, what it is called on, which was not made here"
            )
        problem = "" if changes_own and name in _KEEPS else _misused(frame, entry, args, keywords)
        if problem:
            raise frame.stop(f"`.{name}` {problem}")
        if entry.protocol and not (frame.values.plain(base) or _own_container(base, entry)):
            raise frame.stop(
                f"`.{name}` is called on something that is not known to be a plain value"
            )
        if entry.calls_args:
            _callbacks(frame, f"`.{name}`", entry, args, keywords, feeds_back=True)
    return _value_of_method(frame, base, name, entries, args)


def _client_call(
    frame: Frame, base: ClientPart, name: str, args: Args, keywords: tuple[str, ...]
) -> Abstract:
    """`client.chat.completions.create(...)`, whose receiver may not have been made yet."""
    known = frame.context.lookup.part_method(base, name)
    if known is None:
        raise frame.stop(
            f"`.{name}` is not a request of the client that is known to change nothing"
        )
    problem = _misused(frame, known, args, keywords)
    if problem:
        raise frame.stop(f"`.{name}` {problem}")
    effect = Effect(known.kind, known.evidence, blocking=known.blocking, operator=True)
    frame.context.does(effect, frame.line, f"`.{name}`")
    return HANDLE


def _own_container(base: Abstract, entry: registry.Known) -> bool:
    """A container made here, whatever it holds, for a method that does not ask its elements."""
    return isinstance(base, Fresh) and (
        base.kind in _SEALED or (entry.shallow and base.kind in CONTAINERS)
    )


def _value_of_method(
    frame: Frame, base: Abstract, name: str, entries: tuple[registry.Known, ...], args: Args
) -> Abstract:
    values = frame.values
    if isinstance(base, Fresh) and any(entry.resource == "receiver" for entry in entries):
        for arg in args:
            values.put(base.kind, arg)
            inner = values.element(arg)
            if name not in _KEEPS and name != "add" and inner is not None:
                values.put(base.kind, inner)
                if name == "update":  # with a mapping, or with pairs of key and value
                    values.put(base.kind, values.element(inner) or LOCAL)
                    values.put(
                        base.kind, values.content(arg.kind) if isinstance(arg, Fresh) else ARG
                    )
        return values.join(values.content(base.kind), SCALAR)
    if not values.plain(base):
        return LOCAL
    if isinstance(base, Fresh) and base.kind not in (*CONTAINERS, "scalar"):
        return SCALAR if not any(entry.retains for entry in entries) else ARG
    if not any(entry.retains or entry.shares for entry in entries):
        return SCALAR
    return ARG if all_plain(frame, args) else LOCAL


def _title(callee: Abstract) -> str:
    obj = (
        callee.obj
        if isinstance(callee, Known)
        else callee.function
        if isinstance(callee, Method)
        else None
    )
    name = (
        getattr(obj, "__qualname__", None)
        if is_a(obj, type | FunctionType | BuiltinFunctionType)
        else None
    )
    return f"`{name if isinstance(name, str) else type(obj).__name__}`"
