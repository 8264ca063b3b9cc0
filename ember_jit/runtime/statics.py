"""Static lookup: what an object, a class or a call leads to, found without running any code.

type_lookup(C, "forward")    what the class holds, along its MRO
own_attribute(op, "k")       what the object itself stores
function_of(op)              the function that `op(...)` runs in the end, and what it is bound to
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from types import FunctionType, MethodType
from typing import Any

from ember_jit.kinds import is_a
from ember_jit.operators import Operator
from ember_jit.runtime.originals import original_code

MISSING = object()
ATOMIC: frozenset[type] = frozenset({int, float, str, bytes, bool, complex, type(None), type(...)})
"""The types whose values are told apart by nobody who infers effects: of one, only that it is one counts."""
_FIELD = (lambda self: self.field).__code__
_TRIVIAL = Operator.__call__.__code__


def has_plain_lookup(kind: type) -> bool:
    """Whether attributes of instances of `kind` are found the usual way (no `__getattribute__` of its own)."""
    found: object = type_lookup(kind, "__getattribute__")
    return found is object.__dict__["__getattribute__"]


def type_lookup(kind: type, name: str) -> Any:
    """The attribute `name` of a class along its MRO, without running descriptors; `MISSING` if there is none."""
    for cls in kind.__mro__:
        if name in cls.__dict__:
            return cls.__dict__[name]
    return MISSING


def instance_dict(owner: Any) -> dict[str, Any] | None:
    """The instance dictionary of `owner`, read without running hooks, or None."""
    try:
        space = object.__getattribute__(owner, "__dict__")
    except (AttributeError, TypeError):
        return None
    return space if type(space) is dict else None


def own_attribute(owner: Any, name: str) -> Any:
    """What `owner` itself, not its class, stores under `name`, found without running hooks; or `MISSING`.

    Wherever the usual lookup tells, `__dict__` is not asked for: CPython 3.11 and 3.12 read the attributes of an
    instance more slowly for good once it has been.
    """
    kind = type(owner)
    found = type_lookup(kind, name)
    if not (found is MISSING or type(found) is FunctionType) or not has_plain_lookup(kind):
        return (instance_dict(owner) or {}).get(name, MISSING)
    try:
        value = object.__getattribute__(owner, name)
    except AttributeError:
        return MISSING
    bound = type(value) is MethodType and value.__func__ is found and value.__self__ is owner
    return MISSING if bound else value


def weakly(obj: Any) -> Callable[[], Any]:
    """A weak reference where there can be one: a guard should not keep the user's objects alive."""
    try:
        return weakref.ref(obj)
    except TypeError:
        return lambda: obj


def alike_elements(now: Iterable[Any], then: tuple[Any, ...]) -> bool:
    """Whether a container now gives the very objects that it gave then, in the same order."""
    held = tuple(now)
    return len(held) == len(then) and all(a is b for a, b in zip(held, then, strict=True))


def is_trivial_call(call: FunctionType) -> bool:
    """Whether a `__call__` does nothing but call `forward(inputs=inputs)`."""
    code = original_code(call)
    same = (
        code.co_code == _TRIVIAL.co_code
        and code.co_names == ("forward",)
        and code.co_varnames == ("self", "inputs")
    )
    return same and not call.__kwdefaults__


def field_behind(getter: Any) -> str | None:
    """The attribute that a property gives, if its getter does nothing but `return self.<attribute>`."""
    if not is_a(getter, FunctionType):
        return None
    code = original_code(getter)
    same = code.co_code == _FIELD.co_code and len(code.co_names) == 1 and code.co_varnames[1:] == ()
    return code.co_names[0] if same and code.co_argcount == 1 else None


def function_of(callee: Any) -> tuple[FunctionType, Any] | None:
    """The Python function that calling `callee` leads straight to, and what it is bound to."""
    if type(callee) is MethodType:
        function, owner = callee.__func__, callee.__self__
    elif type(callee) is FunctionType:
        function, owner = callee, None
    else:
        found = _forward_of(callee)
        if found is None:
            return None
        function, owner = found, callee
    return (function, owner) if is_a(function, FunctionType) else None


def _forward_of(operator: Any) -> FunctionType | None:
    """The `forward` that calling `operator` leads straight to, or None if something stands between."""
    kind = type(operator)
    call, forward = type_lookup(kind, "__call__"), type_lookup(kind, "forward")
    if not is_a(call, FunctionType) or not is_a(forward, FunctionType) or forward is MISSING:
        return None
    if not is_trivial_call(call) or not has_plain_lookup(kind):
        return None
    return forward if own_attribute(operator, "forward") is MISSING else None
