"""What is worth keeping of the facts about a function's calls, once it is compiled.

The facts hold the live objects that they speak of.  `explain` and `dump` may be asked long after those
objects should be gone, so what they need is written down as text: nothing here keeps an operator alive.
"""

from __future__ import annotations

import ast
import weakref
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.analysis.facts import Effect, Reason
from ember_jit.compiler.analysis.values import Abstract, Known, Method, OneOf
from ember_jit.kinds import is_a
from ember_jit.runtime.mapping import mapped_by
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.statics import MISSING, type_lookup


@dataclass(frozen=True, slots=True)
class Receiver:
    """What is called, in words.

    Attributes:
        name: the class of the operator, or the name of the function; empty if that is not known.
        place: `file:line` of the code that runs, or empty.
        is_operator: it has a `forward`.
        maps: the same for what it maps, if it is a mapped function.
    """

    name: str = ""
    place: str = ""
    is_operator: bool = False
    maps: Receiver | None = None


@dataclass(frozen=True, slots=True)
class CallNote:
    """One call: what the analysis took it for (see `CallFact.role`), its effect, and its receiver."""

    role: str
    effect: Effect
    receiver: Receiver


@dataclass(frozen=True, slots=True)
class Notes:
    """The calls of a function, why parts of it have effects, and for whom it was compiled."""

    calls: dict[ast.Call, CallNote]
    reasons: dict[ast.AST, Reason]
    owner: weakref.ref[Any] | None
    owner_class: str


def take_notes(facts: BodyAnalysis) -> Notes:
    """The notes on `facts`."""
    calls = {
        node: CallNote(fact.role, fact.effect, describe_callee(fact.callee))
        for node, fact in facts.calls.items()
    }
    owner = facts.owner.obj if isinstance(facts.owner, Known) else None
    try:
        reference = weakref.ref(owner) if owner is not None else None
    except TypeError:
        reference = None  # the class has `__slots__` without `__weakref__`
    name = type(owner).__qualname__ if owner is not None else ""
    return Notes(calls, dict(facts.effect_nodes), reference, name)


def describe_callee(callee: Abstract) -> Receiver:
    """What an abstract callee is, in words; empty if it is not known."""
    if isinstance(callee, Known):
        return describe_object(callee.obj)
    if isinstance(callee, Method):
        function = callee.function
        kind = callee.owner if is_a(callee.owner, type) else type(callee.owner)
        name = f"{kind.__name__}.{getattr(function, '__name__', '?')}"
        return Receiver(name, _place(function))
    if isinstance(callee, OneOf):
        several = list(dict.fromkeys(describe_object(obj) for obj in callee.objs))
        operators = bool(several) and all(each.is_operator for each in several)
        if len(several) == 1:
            return several[0]
        return Receiver(" or ".join(dict.fromkeys(each.name for each in several)), "", operators)
    return Receiver()


def describe_object(obj: Any) -> Receiver:
    """What a live callable is, in words; runs none of its code."""
    if is_a(obj, FunctionType):
        return Receiver(obj.__qualname__, _place(obj))
    if type(obj) is MethodType:
        return Receiver(
            f"{type(obj.__self__).__name__}.{obj.__func__.__name__}", _place(obj.__func__)
        )
    if is_a(obj, type):
        return Receiver(obj.__qualname__)
    mapped = mapped_by(obj)
    if mapped is not MISSING:
        inner = describe_object(mapped)
        return Receiver(obj.__name__, inner.place, inner.is_operator, inner)
    kind = type(obj)
    forward = type_lookup(kind, "forward")
    if is_a(forward, FunctionType):
        return Receiver(kind.__qualname__, _place(forward), True)
    call = type_lookup(kind, "__call__")
    if is_a(call, FunctionType):
        return Receiver(kind.__qualname__, _place(call))
    return Receiver(
        getattr(obj, "__name__", "") if kind.__module__ == "builtins" else kind.__name__
    )


def _place(function: Any) -> str:
    if not is_a(function, FunctionType):
        return ""
    code = original_code(function)
    return f"{code.co_filename}:{code.co_firstlineno}"
