"""Instructions that read and store attributes. See `stack_ops`."""

from __future__ import annotations

from types import MemberDescriptorType, MethodDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any

from ember_jit.compiler.analysis.lookup import unresolved_hook
from ember_jit.compiler.analysis.stack_machine import Handler, Instr, Stack, take
from ember_jit.compiler.analysis.stack_results import result_of
from ember_jit.compiler.analysis.stack_values import ATOMS, NULL, SUPER, UNBOUND, Bound, is_response
from ember_jit.compiler.analysis.values import (
    ARG,
    HANDLE,
    LOCAL,
    Abstract,
    ClientPart,
    Fresh,
    Known,
    Method,
    OneOf,
    Property,
)
from ember_jit.kinds import is_a
from ember_jit.runtime.statics import MISSING, type_lookup

if TYPE_CHECKING:
    from ember_jit.compiler.analysis.stack_machine import Frame

_GETATTRIBUTE = object.__dict__["__getattribute__"]
_SETATTRS = (type_lookup(object, "__setattr__"), type_lookup(BaseException, "__setattr__"))
_FUNCTION_NAMES = frozenset({"__name__", "__qualname__", "__module__", "__doc__"})
_DATA = frozenset(
    (
        "T",
        "base",
        "dtype",
        "imag",
        "itemsize",
        "nbytes",
        "ndim",
        "real",
        "shape",
        "size",
        "start",
        "step",
        "stop",
        "strides",
    )
)
"""Attributes of plain values that are data, not methods."""


def attribute(frame: Frame, base: Abstract, name: str) -> Abstract:
    """The value of `base.name`."""
    if base == UNBOUND:
        return UNBOUND
    if base is SUPER:
        owner = frame.context.owner
        found = (
            frame.context.lookup.super_method(owner.obj, name) if isinstance(owner, Known) else None
        )
        if found is None:
            raise frame.stop(f"`super().{name}` could not be followed")
        return found
    if isinstance(base, Known):
        return _live_attribute(frame, base.obj, name)
    if isinstance(base, OneOf):
        joined: Abstract | None = None
        for obj in base.objs:
            joined = frame.values.join(
                joined, frame.values.stored(_live_attribute(frame, obj, name))
            )
        return LOCAL if joined is None else joined
    if isinstance(base, ClientPart):
        return frame.context.lookup.part(base, name) or Bound(base, name)
    if is_response(base):
        return HANDLE if name.startswith("_") else Bound(HANDLE, name)
    if isinstance(base, Fresh) and base.kind == "object":
        return _made_attribute(frame, base, name)
    if frame.values.shallow(base) or isinstance(base, Fresh):
        plain = frame.values.plain(base)
        return ARG if plain and name in _DATA else Bound(base, name)
    frame.effect(f"looks up `{name}` on something that is not known before it runs")
    return LOCAL


def _live_attribute(frame: Frame, obj: Any, name: str) -> Abstract:
    kind = type(obj)
    if is_a(obj, type) and kind is not type and kind.__name__ != "ABCMeta":
        frame.effect(f"looks up `{name}` on a class whose metaclass is not `type`")
        return LOCAL
    if kind in ATOMS:
        return Bound(Known(obj), name)
    if (
        kind in (list, tuple, dict, set, frozenset)
        and type(member := type_lookup(kind, name)) is MethodDescriptorType
    ):
        return Method(member, obj)
    found = frame.context.lookup.attribute(obj, name)
    if isinstance(found, Property):
        effect = frame.context.trust(frame.context.inference.of_method(found.getter, found.owner))
        frame.context.does(effect, frame.line, f"the property `{name}`")
        return result_of(frame, found.getter, found.owner)
    if found is not None:
        return found
    if frame.values.plain_object(obj):
        return ARG if name in _DATA else Bound(Known(obj), name)
    if name in _FUNCTION_NAMES and (is_a(obj, type) or kind.__module__ == "builtins"):
        return LOCAL
    if is_a(obj, ModuleType | type) or unresolved_hook(obj, name) or kind.__module__ == "builtins":
        frame.effect(f"looks up `{name}` through a hook of {kind.__name__}")
    return LOCAL


def _made_attribute(frame: Frame, base: Fresh, name: str) -> Abstract:
    """An attribute of an object made here: what was stored in it, or a member of its class."""
    cls = base.cls
    if (
        cls is None
        or type_lookup(cls, "__getattribute__") is not _GETATTRIBUTE
        or type_lookup(cls, "__getattr__") is not MISSING
    ):
        frame.effect(f"looks up `{name}` on an object made here, whose class is not followed")
        return LOCAL
    member = type_lookup(cls, name)
    if member is MISSING:
        return frame.values.content("object")
    frame.effect(f"looks up `{name}` on an object made here, which is not followed")
    return LOCAL


def _load_attr(frame: Frame, instr: Instr, stack: Stack) -> None:
    is_method, name = (
        instr.arg if isinstance(instr.arg, tuple) else (instr.name == "LOAD_METHOD", instr.arg)
    )
    stack.append(attribute(frame, stack.pop(), name))
    if is_method:
        stack.append(NULL)


def _load_super_attr(frame: Frame, instr: Instr, stack: Stack) -> None:
    is_method, name = instr.arg[0], instr.arg[-1]
    callee, cls, owner = take(stack, 3)
    here = frame.free("__class__")
    if not (
        is_super(callee)
        and owner is frame.context.owner
        and isinstance(cls, Known)
        and isinstance(here, Known)
        and cls.obj is here.obj
    ):
        raise frame.stop(f"`super().{name}` could not be followed")
    stack.append(attribute(frame, SUPER, name))
    if is_method:
        stack.append(NULL)


def is_super(value: Abstract) -> bool:
    """Whether it is the builtin `super`."""
    return isinstance(value, Known) and value.obj is super


def _store_attr(frame: Frame, instr: Instr, stack: Stack) -> None:
    value, base = take(stack, 2)
    if base == UNBOUND:
        return
    cls = base.cls if isinstance(base, Fresh) else None
    if (
        cls is None
        or type_lookup(cls, "__setattr__") not in _SETATTRS
        or not _is_stored(type_lookup(cls, instr.arg))
    ):
        raise frame.stop(f"stores to the attribute `{instr.arg}`")
    frame.values.put("object", value)


def _is_stored(member: Any) -> bool:
    """Whether an attribute for which the class has this member is stored in the object, without running code."""
    return (
        member is MISSING
        or type(member) is MemberDescriptorType
        or not hasattr(type(member), "__set__")
    )


def _delete_attr(frame: Frame, instr: Instr, stack: Stack) -> None:
    raise frame.stop(f"deletes the attribute `{instr.arg}`")


ATTRIBUTE_OPERATIONS: dict[str, Handler] = {
    "LOAD_ATTR": _load_attr,
    "LOAD_METHOD": _load_attr,
    "LOAD_SUPER_ATTR": _load_super_attr,
    "STORE_ATTR": _store_attr,
    "DELETE_ATTR": _delete_attr,
}
"""The handlers of this file."""
