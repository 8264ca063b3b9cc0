"""Effect inference: what calling a live object may do, read off its source, never by running it.

An operator is `pure` or `query` when its `forward`, followed through everything it calls, uses only
locals, reads, operations on values, and callables that the registry knows (DESIGN 3).  A store to
anything it did not make itself, an unknown callee, a lock, the clock or the random state is an effect,
and is reported with its line.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import replace
from types import BuiltinFunctionType, CodeType, FunctionType, MemberDescriptorType, MethodType
from typing import Any

from ember_jit.compiler.analysis import registry
from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.analysis.bytecode import effect_from_bytecode
from ember_jit.compiler.analysis.facts import (
    PURE,
    QUERY,
    UNKNOWN,
    Effect,
    Guard,
    Inferred,
    Reason,
    protocol_guards,
    same_function,
)
from ember_jit.compiler.analysis.patience import Alike, Patience, Thrift, alike
from ember_jit.compiler.analysis.values import Abstract, Fresh, Known
from ember_jit.compiler.source import NoSource, source_of
from ember_jit.effects import Label, label_of
from ember_jit.kinds import is_a
from ember_jit.runtime.effect import declared_effect, restricted_effect, unknown_effect
from ember_jit.runtime.mapping import is_settled, mapped_by
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.plain import is_quiet_class
from ember_jit.runtime.statics import (
    ATOMIC,
    MISSING,
    is_trivial_call,
    own_attribute,
    type_lookup,
    weakly,
)
from ember_jit.weak import dropping

_MAX_DEPTH = 32  # active inferences, a dozen Python frames each
_PLAIN_NEW: tuple[Any, ...] = (object.__new__, BaseException.__new__, Exception.__new__)


class _Progress(threading.local):
    """What one thread is inferring now; what another infers is no recursion, and may well have effects."""

    def __init__(self) -> None:
        self.active: set[tuple[int, int]] = set()
        self.assumed: set[tuple[int, int]] = set()


class Inference:
    """Infers effects and remembers them, as long as their guards hold.

    Args:
        trust: "infer" follows source; "strict" believes declarations alone.
        stateless: an operator whose effects are unknown counts as `query`.

    Attributes:
        thrift: for those who look at callables while the program runs: when that is worth its price.
    """

    def __init__(self, *, trust: str = "infer", stateless: bool = False) -> None:
        self.trust = trust
        self.stateless = stateless
        self._cache: dict[tuple[int, int], tuple[Any, Inferred]] = {}
        self._progress = _Progress()
        self._patience = Patience[Effect]()
        self.thrift = Thrift()

    # ------------------------------------------------------------------ entry points
    def effect(self, obj: Any) -> Effect:
        """The effect of calling `obj` now."""
        return self.of(obj).effect

    def met(self, obj: Any) -> Effect:
        """The effect of calling `obj`, which a run has met: unknown if looking into its like has never helped."""
        entry = _entry_of(obj)
        kept = self._kept(*entry)
        if kept is not None:
            return kept.effect
        # a label is this very object's, and costs no time to see
        kind = None if label_of(obj) is not None else alike(obj)
        return self._patiently(entry, kind, lambda: self.of(obj)).effect

    def met_method(self, function: Any, owner: Any) -> Inferred:
        """The same for `function` bound to `owner`, with its guards."""
        return self._patiently(
            ((id(function), id(owner)), owner),
            alike(MethodType(function, owner)),
            lambda: self.of_method(function, owner),
        )

    def _patiently(
        self,
        entry: tuple[tuple[int, int], Any],
        kind: Alike | None,
        infer: Callable[[], Inferred],
    ) -> Inferred:
        key, owner = entry
        found = self._cache.get(key)
        if kind is None or (found is not None and found[0]() is owner):
            return infer()
        known = self._patience.spent(kind)
        if known is not None:
            return Inferred(replace(known, evidence=f"as of others of its kind: {known.evidence}"))
        result = infer()
        effect = result.effect
        in_vain = effect.kind == UNKNOWN and effect.label is None and effect.later is None
        self._patience.looked(kind, effect, in_vain)
        return result

    def of(self, obj: Any) -> Inferred:
        """The effect of calling `obj`, with its guards."""
        key, owner = _entry_of(obj)
        if type(obj) is MethodType:
            return self._remember(key, owner, lambda: self._method(obj.__func__, owner))
        return self._remember(key, owner, lambda: self._callable(obj))

    def of_method(self, function: Any, owner: Any) -> Inferred:
        """The effect of calling `function` bound to `owner`."""
        return self._remember(
            (id(function), id(owner)), owner, lambda: self._method(function, owner)
        )

    def _kept(self, key: tuple[int, int], owner: Any) -> Inferred | None:
        """What was inferred before, if that still holds."""
        found = self._cache.get(key)
        still = found is not None and found[0]() is owner and found[1].holds()
        return found[1] if found is not None and still else None

    def _remember(
        self, key: tuple[int, int], owner: Any, infer: Callable[[], Inferred]
    ) -> Inferred:
        kept = self._kept(key, owner)
        if kept is not None:
            return kept
        progress = self._progress
        if key in progress.active:
            progress.assumed.add(
                key
            )  # a recursive callable has the effects of the rest of its body
            return Inferred(Effect(PURE, "recursive"))
        if len(progress.active) > _MAX_DEPTH:
            return _unknown("nested too deeply to follow")
        progress.active.add(key)
        try:
            result = infer()
        except RecursionError:
            return _unknown("nested too deeply to follow")
        finally:
            progress.active.discard(key)
            progress.assumed.discard(key)
        if progress.assumed or len(progress.active) >= _MAX_DEPTH:
            return result  # rests on an assumption about a caller that is still being inferred: not to be kept
        try:
            reference = dropping(self._cache, key, owner)
        except TypeError:
            if len(self._cache) > 512:
                self._cache.clear()
            reference = lambda: owner  # type: ignore[assignment]  # noqa: E731
        self._cache[key] = (reference, result)
        return result

    # ------------------------------------------------------------------ by kind of object
    def _callable(self, obj: Any) -> Inferred:
        label = label_of(obj)
        result = self._labelled(obj, label)
        reference = weakly(obj)
        labelled_so = lambda: label_of(reference()) == label  # noqa: E731
        return Inferred(result.effect, [*result.guards, labelled_so], result.rests_on)

    def _labelled(self, obj: Any, label: Label | None) -> Inferred:
        """The effect of calling `obj`, which has this label."""
        known = registry.lookup(obj) if label is None else None
        if label is None and known is not None:
            return self._registered(known)
        if is_a(obj, FunctionType):
            return (
                self._declared(label, obj, None) if label is not None else self._function(obj, None)
            )
        if is_a(obj, type):
            return self._constructor(obj)
        if type(obj) is functools.partial:
            return self._partial(obj)
        if is_a(obj, BuiltinFunctionType) or type(obj).__module__ == "builtins":
            return _unknown(f"{_name(obj)} is not in the registry of known callables")
        if label is not None:
            return self._declared(label, None, obj)
        mapped = mapped_by(obj)
        return self._instance(obj) if mapped is MISSING else self._transform(obj, mapped)

    def _transform(self, obj: Any, mapped: Any) -> Inferred:
        """A mapped function: its own code is ours, and does what it maps for each item."""
        found = self.of(mapped)
        reference, settled = weakly(obj), is_settled(obj)
        effect = replace(
            found.effect,
            declared=False,  # it looks into its arguments
            operator=True,
            nothrow=False,
            label=found.effect.label and replace(found.effect.label, nothrow=False),
        )
        if effect.schedulable:
            text = f"calls {_name(mapped)} for each item: {found.effect.evidence}"
            effect = replace(effect, evidence=text)
            if (
                not settled
            ):  # the order of its calls can be seen: in what it gives for an empty batch
                text = f"{obj.__name__} has not been called yet, and its first call is made before any other of it"
                effect = replace(unknown_effect(text), later=effect)
        guards = [
            lambda: mapped_by(reference()) is mapped,
            lambda: is_settled(reference()) is settled,
        ]
        return Inferred(effect, [*protocol_guards(obj), *guards], [found])

    def _registered(self, known: registry.Known) -> Inferred:
        kind = known.kind if known.kind in (PURE, QUERY) else UNKNOWN
        reasons = () if kind != UNKNOWN else (Reason("", 0, known.evidence),)
        return Inferred(
            Effect(
                kind,
                known.evidence,
                blocking=known.blocking,
                operator=kind == QUERY,
                reasons=reasons,
                plain=kind == QUERY or known.fresh == "handle",
            )
        )

    def _declared(self, label: Any, function: FunctionType | None, obj: Any) -> Inferred:
        guards: list[Guard] = []
        if function is not None:
            guards.append(same_function(function))
        elif obj is not None:
            guards.extend(protocol_guards(obj))
        if not label.kind:
            found = self._function(function, None) if function is not None else self._instance(obj)
            return _modified(label, found)
        return Inferred(declared_effect(label), guards)

    def _instance(self, obj: Any) -> Inferred:
        kind = type(obj)
        if "forward" not in dir(kind) and type_lookup(kind, "__call__") is MISSING:
            return _unknown(f"{kind.__name__} is not callable")
        call = type_lookup(kind, "__call__")
        if call is MISSING:
            return _unknown(f"{kind.__name__} has no `__call__`")
        if not is_a(call, FunctionType):
            return _unknown(f"{kind.__name__}.__call__ is not a Python function")
        forward = type_lookup(kind, "forward")
        overridden = own_attribute(obj, "forward") is not MISSING
        straight = is_a(forward, FunctionType) and is_trivial_call(call) and not overridden
        result = self.of_method(forward, obj) if straight else self._method(call, obj)
        guards = protocol_guards(obj)
        effect = result.effect
        is_operator = type_lookup(kind, "forward") is not MISSING
        if effect.kind == UNKNOWN and self.stateless and is_operator:
            effect = Effect(
                QUERY,
                'assumed stateless (assume="stateless")',
                blocking=True,
                operator=True,
                plain=True,
            )
        elif effect.kind != UNKNOWN and is_operator:
            effect = replace(effect, operator=True)
        return Inferred(effect, guards, [result])

    def _partial(self, obj: functools.partial[Any]) -> Inferred:
        """Calling what it holds, with arguments that nobody can change."""
        given = dict(obj.keywords)
        if any(type(each) not in ATOMIC for each in (*obj.args, *given.values())):
            return _unknown("the partial holds arguments that are not followed")
        reference = weakly(obj)

        def holds() -> bool:
            live = reference()
            if live is None or live.keywords.keys() != given.keys():
                return False
            return all(live.keywords[name] is given[name] for name in given)

        inner = self.of(obj.func)
        if inner.effect.kind == UNKNOWN:
            return _unknown(f"the partial calls {_name(obj.func)}: {inner.effect.evidence}")
        return Inferred(inner.effect, [holds], [inner])

    def _constructor(self, cls: type) -> Inferred:
        """Making an instance: pure if its `__init__` touches nothing but the new object."""
        if type(cls) is not type and type(cls).__name__ not in ("ABCMeta",):
            return _unknown(f"the metaclass of {cls.__name__} is not `type`")
        if type_lookup(cls, "__del__") is not MISSING:
            return _unknown(
                f"{cls.__name__} has a `__del__`, which runs when the new object is dropped"
            )
        new, init = type_lookup(cls, "__new__"), type_lookup(cls, "__init__")
        if is_a(new, staticmethod) or (
            new is not object.__new__ and not issubclass(cls, BaseException)
        ):
            return _unknown(f"{cls.__name__}.__new__ is not followed")
        if not is_a(init, FunctionType):
            return Inferred(Effect(PURE, f"makes a new {cls.__name__}", plain=is_quiet_class(cls)))
        hook = _store_hook(cls, init)
        if hook:
            return _unknown(f"storing an attribute of a new {cls.__name__} runs {hook}")
        result = self._analyse(init, Fresh("object", cls), f"makes a new {cls.__name__}")
        effect = replace(result.effect, plain=is_quiet_class(cls))
        return Inferred(effect, [lambda: type_lookup(cls, "__init__") is init], [result])

    def _method(self, function: Any, owner: Any) -> Inferred:
        label = label_of(MethodType(function, owner)) if is_a(function, FunctionType) else None
        if label is not None and label.kind:
            return self._declared(label, function, None)
        if is_a(function, FunctionType):
            found = self._function(function, owner)
            return found if label is None else _modified(label, found)
        known = registry.method(type(owner), _name(function))
        if known is not None:
            return self._registered(known)
        bound = registry.lookup(function)
        return (
            self._registered(bound)
            if bound is not None
            else _unknown(f"{_name(function)} is not in the registry of known callables")
        )

    def _function(self, function: FunctionType, owner: Any) -> Inferred:
        if self.trust == "strict":
            return _unknown(
                f'{_name(function)} has no label, and effects="strict" believes labels alone'
            )
        bound = function if owner is None else MethodType(function, owner)
        known = registry.lookup(bound)
        if known is not None:
            return self._registered(known)
        return self._analyse(function, Known(owner) if owner is not None else None, "")

    def _analyse(self, function: FunctionType, owner: Abstract | None, evidence: str) -> Inferred:
        """Read a function twice: its source says what it does, its bytecode that it does no more.

        The source's reading takes a value of which nothing is known for a plain one; the bytecode's asks of each
        operation whether it may run code of the program (`d = self.find(...); d + 1`).
        """
        code = original_code(function)
        try:
            source = source_of(function, code)
        except NoSource as reason:
            return self._without_source(function, code, owner, str(reason), evidence)
        body = BodyAnalysis(self, function, source, owner)
        body.run()
        guards = [same_function(function), *body.guards]
        children = list(body.rests_on.values())
        if body.effects:
            reasons = tuple(body.effects[:8])
            return Inferred(
                Effect(UNKNOWN, str(reasons[0]), reasons=reasons, operator=body.has_sites),
                guards,
                children,
            )
        kind = body.kind
        text = evidence or f"inferred from the source of {function.__qualname__}"
        if body.prints and body.composite:
            mixed = Reason(
                code.co_filename, code.co_firstlineno, "prints or logs between calls of its own"
            )
            return Inferred(
                Effect(UNKNOWN, str(mixed), reasons=(mixed,), operator=True), guards, children
            )
        strict = effect_from_bytecode(self, function, code, owner, defers=True)
        if strict is None:
            return _unknown(
                f"{function.__qualname__} cannot be read without the `bytecode` library (EMB050); declare it"
            )
        if strict.effect.kind == UNKNOWN:
            return strict
        guards.extend(strict.guards)
        effect = Effect(
            kind,
            text,
            blocking=body.blocking,
            operator=body.has_sites,
            prints=body.prints,
            plain=strict.effect.plain,
        )
        return Inferred(effect, guards, children)

    def _without_source(
        self,
        function: FunctionType,
        code: CodeType,
        owner: Abstract | None,
        reason: str,
        evidence: str,
    ) -> Inferred:
        found = effect_from_bytecode(self, function, code, owner)
        if found is not None:
            if evidence and found.effect.kind != UNKNOWN:
                found.effect = replace(found.effect, evidence=evidence)
            return found
        return _unknown(f"{function.__qualname__} has no usable source: {reason}")


def _entry_of(obj: Any) -> tuple[tuple[int, int], Any]:
    """Under what the effect of calling `obj` is remembered, and as long as what lives."""
    if type(obj) is MethodType:
        return (id(obj.__func__), id(obj.__self__)), obj.__self__
    return (id(obj), 0), obj


def _name(obj: Any) -> str:
    name = (
        getattr(obj, "__qualname__", None)
        if is_a(obj, FunctionType | BuiltinFunctionType | type)
        else None
    )
    return name or getattr(obj, "__name__", None) or type(obj).__name__


def _unknown(text: str) -> Inferred:
    return Inferred(unknown_effect(text))


def _modified(label: Label, found: Inferred) -> Inferred:
    """What was inferred, with the modifiers of a label that says nothing of the effect."""
    effect = found.effect
    if label.thread_bound and effect.schedulable:
        effect = restricted_effect(replace(label, kind=effect.kind), False)
    elif label.thread_bound and effect.label is not None:
        effect = restricted_effect(effect.label | label, effect.declared)
    elif label.nothrow:
        effect = replace(effect, nothrow=True)
    return Inferred(effect, [], [found])


def _store_hook(cls: type, init: FunctionType) -> str:
    """The code that `self.name = value` in `__init__` runs, if it does more than store; empty if it does not."""
    plain = (object.__setattr__, BaseException.__setattr__)
    if all(type_lookup(cls, "__setattr__") is not each for each in plain):
        return f"{cls.__name__}.__setattr__"
    for name in original_code(init).co_names:
        member = type_lookup(cls, name)
        if (
            member is not MISSING
            and hasattr(type(member), "__set__")
            and type(member) is not MemberDescriptorType
        ):
            return f"the descriptor {cls.__name__}.{name}"
    return ""
