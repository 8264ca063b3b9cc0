"""From the effect of a live callable to what the runtime is told of it; the compiler and a bundle alike do this."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from types import CodeType, FunctionType, MethodType
from typing import Any

from ember_jit.effects import labels_all_instances, labels_differ
from ember_jit.kinds import is_a
from ember_jit.runtime.dispatch import CompileUnit, Options
from ember_jit.runtime.effect import PURE, QUERY, Effect
from ember_jit.runtime.ledger import ANYTHING
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.plan import UNKNOWN, Verdict
from ember_jit.runtime.standins import Deferring, quiet_twin, stand_in
from ember_jit.runtime.statics import function_of, type_lookup, weakly
from ember_jit.runtime.triage import stops
from ember_jit.weak import dropping


def verdict_on(
    callee: Any,
    effect: Effect,
    options: Options,
    compile_unit: CompileUnit,
    deferring: Deferring,
) -> Verdict:
    """What the runtime must know of a live callable of this effect."""
    if effect.later is not None:
        return Verdict(False, plain_arguments=True, plain=effect.later.plain, once=True)
    if not effect.schedulable and effect.label is None:
        return UNKNOWN
    found = function_of(callee)
    if found is not None and stops(original_code(found[0])):
        return UNKNOWN  # whoever looks at the prompt wants the caller's frames above it
    claims = effect.label.claims if effect.label is not None else ()
    if not effect.declared:
        claims = (*claims, ("reads", ANYTHING))  # it may look at whatever a writer changes
    if effect.label is not None and effect.label.thread_bound:
        return Verdict(
            False,
            nothrow=effect.nothrow,
            labelled=True,
            discardable=effect.name in (PURE, QUERY),
            thread_bound=True,
            claims=claims,
            plain=effect.plain,
        )
    quiet, entered = quiet_twin(callee, effect, deferring)
    if not quiet:
        return UNKNOWN
    journal = entered is not None
    if options.recursive:
        entered = entered or stand_in(callee, effect, options, compile_unit)
    by_class = effect.declared and not journal and labels_all_instances(callee)
    return Verdict(
        effect.schedulable,
        not effect.declared,
        effect.nothrow,
        entered,
        by_class,
        journal,
        labelled=effect.label is not None,
        discardable=effect.name in (PURE, QUERY),
        claims=claims,
        plain=effect.plain,
    )


_lookup = object.__getattribute__
_NAMES = ("__call__", "forward", "__getattribute__", "__effects__")
_Stored = tuple[Callable[[], Any], CodeType | None]
"""Something that a class stores, and its code if it is a function."""


class Verdicts:
    """Verdicts on live callables, kept from run to run: finding one out takes tens of microseconds.

    That on a labelled class is kept as long as the class and its bases store the same under the names that a call
    and its label are found by, and the functions there run the same code; that on an object as long as its effect
    is the one that it was given for.

    Args:
        effect_of: gives the effect of a live callable; the same one as long as nothing has changed that it rests on.
        judge: gives the verdict on a callable of this effect.
    """

    def __init__(
        self, effect_of: Callable[[Any], Effect], judge: Callable[[Any, Effect], Verdict]
    ) -> None:
        self._effect_of = effect_of
        self._judge = judge
        self._of_classes: dict[int, tuple[weakref.ref[type], Verdict, list[_Stored]]] = {}
        self._of_objects: dict[int, tuple[weakref.ref[Any], Verdict, Effect]] = {}

    def __call__(self, callee: Any) -> Verdict:
        """The verdict on `callee`."""
        kind = type(callee)
        of_class = self._of_classes.get(id(kind))
        if (
            of_class is not None
            and of_class[0]() is kind
            and not labels_differ(kind)
            and _stores_still(kind, of_class[2])
            and _leads_to_class(callee)
        ):
            return of_class[1]
        effect = self._effect_of(callee)
        of_object = self._of_objects.get(id(callee))
        if of_object is not None and of_object[0]() is callee and of_object[2] is effect:
            return of_object[1]
        verdict = self._judge(callee, effect)
        if verdict.by_class:
            if type(type_lookup(kind, "forward")) is FunctionType and _leads_to_class(callee):
                noted = [_noted(found) for found in _stored(kind)]
                reference = dropping(self._of_classes, id(kind), kind)
                self._of_classes[id(kind)] = reference, verdict, noted
        elif verdict.enter is None and not effect.declared:  # else it would keep the object alive
            try:
                alive = dropping(self._of_objects, id(callee), callee)
            except TypeError:
                return verdict
            self._of_objects[id(callee)] = alive, verdict, effect
        return verdict


def _leads_to_class(callee: Any) -> bool:
    """Whether an object of such a class has no `forward` of its own."""
    # not `__dict__`: asking for it slows every later read of an attribute of the instance (3.11, 3.12)
    method = _lookup(callee, "forward")
    return type(method) is MethodType and method.__self__ is callee


def _stored(kind: type) -> list[Any]:
    """What a class and its bases store under the names that calls and labels are found by."""
    spaces = [cls.__dict__ for cls in kind.__mro__]
    return [space.get(name) for space in spaces for name in _NAMES]


def _noted(found: Any) -> _Stored:
    return weakly(found), found.__code__ if is_a(found, FunctionType) else None


def _stores_still(kind: type, noted: list[_Stored]) -> bool:
    found = _stored(kind)
    if len(found) != len(noted):
        return False
    for now, (then, code) in zip(found, noted, strict=True):
        if now is not then() or (code is not None and getattr(now, "__code__", None) is not code):
            return False
    return True
