"""Effects from a bundle: what the analysis said of a callable, for as long as its fingerprint is the same.

declared     the label is believed, as the compiler does
inferred     looked up by fingerprint (`aot.fingerprint`); what is not found is unknown, and runs in order
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import BuiltinFunctionType, MethodType
from typing import Any

from ember_jit.aot.classes import class_key, class_of, class_print
from ember_jit.aot.fingerprint import Check, Fingerprints, NotPortable, callable_key
from ember_jit.effects import Label, label_of
from ember_jit.runtime.effect import Effect, declared_effect, unknown_effect
from ember_jit.weak import dropping

NOT_COVERED = unknown_effect("the bundle does not say what it does")
_Entry = tuple[Any, list[Check], Effect]


def known_key(obj: Any) -> str:
    """Which callable of the registry this is, in every process with the same libraries."""
    if type(obj) is MethodType:
        return f"{known_key(obj.__func__)} of {class_key(class_of(obj.__self__)).decode()}"
    if issubclass(type(obj), type):
        return f"{class_key(obj).decode()} {class_print(obj)[0].hex()}"
    return callable_key(obj).decode("utf-8", "backslashreplace")


class Effects:
    """The effects that a bundle knows.

    Args:
        by_fingerprint: the effects, see `effect_data`.
        known: keys of the callables whose code is not followed.
    """

    def __init__(
        self, by_fingerprint: Mapping[str, Mapping[str, Any]], known: Collection[str]
    ) -> None:
        self._effects = by_fingerprint
        known = frozenset(known)
        self._fingerprints = Fingerprints(lambda obj: known_key(obj) in known)
        self._cache: dict[tuple[int, int], _Entry] = {}

    def of(self, callee: Any) -> Effect:
        """The effect of calling `callee` now."""
        declared = declared_by_label(callee)
        if declared is not None:
            return declared
        bound = type(callee) is MethodType
        owner = callee.__self__ if bound else callee
        key = (id(callee.__func__) if bound else 0, id(owner))
        found = self._cache.get(key)
        if found is not None and found[0]() is owner and all(check() for check in found[1]):
            return found[2]
        effect = NOT_COVERED
        checks: list[Check] = []
        try:
            fingerprint, checks = self._fingerprints.of(callee)
            data = self._effects.get(fingerprint)
            if data is not None:
                effect = effect_from(data)
        except RecursionError:  # no room on the stack to look: asked again at the next call
            return NOT_COVERED
        except NotPortable:
            pass  # for good: looking costs more than it could bring
        self._remember(key, owner, checks, effect)
        return effect

    def _remember(
        self, key: tuple[int, int], owner: Any, checks: list[Check], effect: Effect
    ) -> None:
        if len(self._cache) > 4096:
            self._cache.clear()
        try:
            reference: Any = dropping(self._cache, key, owner)
        except TypeError:
            reference = lambda: owner  # noqa: E731
        self._cache[key] = (reference, checks, effect)


def declared_by_label(callee: Any) -> Effect | None:
    """The effect that a label says a call of `callee` has, or None if there is none that does."""
    if issubclass(type(callee), type) or type(callee) is BuiltinFunctionType:
        return None  # calling a class makes an instance; its label is that of the instances
    label = label_of(callee)
    return declared_effect(label) if label is not None and label.kind else None


def effect_data(effect: Effect) -> dict[str, Any]:
    """An inferred effect as JSON; what it does not say is at its default."""
    data: dict[str, Any] = {"kind": effect.kind, "evidence": effect.evidence}
    for name in ("blocking", "operator", "nothrow", "prints", "plain"):
        if getattr(effect, name):
            data[name] = True
    if effect.label is not None:
        label = effect.label
        data["label"] = [
            label.kind,
            label.resource,
            label.nothrow,
            label.idempotent,
            label.thread_bound,
            [list(claim) for claim in label.also],
        ]
    return data


def effect_from(data: Mapping[str, Any]) -> Effect:
    """The effect of `effect_data`."""
    rest = dict(data)
    label = rest.pop("label", None)
    if label is not None:
        kind, resource, nothrow, idempotent, bound, also = label
        claims = tuple((word, which) for word, which in also)
        label = Label(kind, resource, nothrow, idempotent, bound, claims)
    return Effect(**rest, label=label)
