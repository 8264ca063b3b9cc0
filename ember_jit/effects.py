"""Effect labels: what a call may do, as its author declares it.

    @query                                  # a class, a function
    class Search(Operator): ...

    effects.declare(client.complete, query) # somebody else's callable, or an instance
    class Base(Operator): __effects__ = query  # inherited

`pure` and `query` calls may start before their program point; a call with a label on a resource (`reads`,
`ordered`, `commutes`) may once nothing in front of it can raise any more or conflicts with it; unlabelled
callables with unknown effects run inline, in program order.  Labels add up, so that one call may
have several resources.  Declarations are trusted; `verify` checks one call against its label.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ember_jit.errors import NotAnOperatorError, OptionError
from ember_jit.kinds import is_a
from ember_jit.warned import warn_of_label
from ember_jit.weak import dropping

T = TypeVar("T")
_ATTRIBUTE = "__effects__"


READS, ORDERED, COMMUTES = "reads", "ordered", "commutes"
_DISCARDABLE = ("pure", "query")
_STRENGTH = {READS: 0, COMMUTES: 1, ORDERED: 2}


@dataclass(frozen=True, slots=True)
class Label:
    """A declared effect.  Calling it labels a class, function or instance; labels combine with `|`.

    Attributes:
        kind: "pure", "query", "reads", "ordered", "commutes", or "" for a bare modifier.  With several
            resources the strongest word counts; a `query` that also reads resources is a "query".
        resource: what `reads`, `ordered` and `commutes` are about.
        nothrow: the call never raises.
        idempotent: making the call twice is the same as once (retries are allowed).
        thread_bound: the call must run on the caller's thread.
        also: (word, resource) of the resources that `kind` and `resource` do not name.

    Example:
        >>> @pure
        ... def double(x):
        ...     return 2 * x
        >>> label_of(double).kind
        'pure'
        >>> print(reads("cache") | ordered("log") | nothrow)
        ordered('log') reads('cache') nothrow
    """

    kind: str
    resource: str | None = None
    nothrow: bool = False
    idempotent: bool = False
    thread_bound: bool = False
    also: tuple[tuple[str, str], ...] = ()

    @property
    def claims(self) -> tuple[tuple[str, str], ...]:
        """What the call does to which resources: (word, resource), the strongest first."""
        return ((self.kind, self.resource), *self.also) if self.resource is not None else self.also

    def __call__(self, target: T) -> T:
        declare(target, self)
        return target

    def __or__(self, other: Label) -> Label:
        claims = sorted(
            {*self.claims, *other.claims}, key=lambda claim: (-_STRENGTH[claim[0]], claim)
        )
        kind = next((each.kind for each in (other, self) if each.kind in _DISCARDABLE), "")
        resource: str | None = None
        if claims and not (kind == "query" and claims[0][0] == READS):
            kind, resource = claims.pop(0)
        return Label(
            kind,
            resource,
            self.nothrow or other.nothrow,
            self.idempotent or other.idempotent,
            self.thread_bound or other.thread_bound,
            tuple(claims),
        )

    def __str__(self) -> str:
        words = [f"{word}({resource!r})" for word, resource in self.claims]
        if self.kind in _DISCARDABLE:
            words.insert(0, self.kind)
        flags = [flag for flag in ("nothrow", "idempotent", "thread_bound") if getattr(self, flag)]
        return " ".join([*words, *flags])


#: The result comes from the arguments alone, and nothing changes. Such a call may start early.
pure = Label("pure")
#: The call reads the outside world, may answer differently each time, and changes nothing. It may start early,
#: and is made exactly once if the program reaches it.
query = Label("query")
#: The call never raises, so calls behind it with effects on resources need not wait for it.
nothrow = Label("", nothrow=True)
#: Making the call twice is the same as once. Only such a call may be retried.
idempotent = Label("", idempotent=True)
#: The call must run on the caller's thread, in its turn; others may pass it.
thread_bound = Label("", thread_bound=True)


def _named(word: str, resource: str) -> str:
    """`resource`, if it is a name; `@ordered` without parentheses is a mistake that would go unnoticed."""
    if not isinstance(resource, str):
        raise OptionError(
            f"{word} takes the name of a resource, not {resource!r}: write @{word}('db')"
        )
    return resource


def reads(resource: str) -> Label:
    """The call reads `resource`: it comes after what wrote it, and before what writes it next.

    Args:
        resource: any name; calls that use the same one are about the same thing.

    Raises:
        OptionError: `resource` is no text.

    Example:
        >>> @reads("cache")
        ... def look_up(key): ...
    """
    return Label(READS, _named(READS, resource))


def ordered(resource: str) -> Label:
    """The call writes `resource`: it keeps its place among everything that touches it.

    Args:
        resource: any name; calls that use the same one are about the same thing.

    Raises:
        OptionError: `resource` is no text.

    Example:
        >>> @ordered("log")
        ... def note(line): ...
    """
    return Label(ORDERED, _named(ORDERED, resource))


def commutes(resource: str) -> Label:
    """The call adds to `resource`, and the order among such calls does not matter.

    Args:
        resource: any name; calls that use the same one are about the same thing.

    Raises:
        OptionError: `resource` is no text.

    Example:
        >>> @commutes("metrics")
        ... def increment(name): ...
    """
    return Label(COMMUTES, _named(COMMUTES, resource))


_side: dict[tuple[int, int], tuple[Any, Label]] = {}
_individual: dict[
    int, weakref.ref[type]
] = {}  # classes of objects that have had a label of their own


def _side_key(target: Any) -> tuple[int, int]:
    function = getattr(target, "__func__", None) if type(target).__name__ == "method" else None
    return (id(target.__self__), id(function)) if function is not None else (id(target), 0)


def declare(target: Any, *labels: Label) -> None:
    """Label `target`: a class, a function, an instance, a bound method, or a third-party callable.

    Args:
        target: what is called; for a class, every instance of it.
        labels: one effect and any modifiers; they add to what was declared before.

    Raises:
        OptionError: one of `labels` is none: `declare(client.complete, "query")`.
        NotAnOperatorError: `target` cannot be called and has no `forward`.
    """
    given: tuple[object, ...] = labels
    strange = next((each for each in given if not isinstance(each, Label)), None)
    if strange is not None:
        raise OptionError(
            f"{strange!r} is no label; give pure, query, reads('r'), ordered('r'), commutes('r'), or a modifier"
        )
    if not callable(target) and not hasattr(target, "forward"):
        raise NotAnOperatorError(
            f"{target!r} cannot be labelled: it is not callable and has no `forward`. "
            "Label the operator, its class, or the function that is called."
        )
    own = _written(target.__qualname__, vars(target)) if is_a(target, type) else _own_label(target)
    label = own or Label("")
    for each in labels:
        label = label | each
    if is_a(target, type) or type(target).__name__ == "function":
        try:
            setattr(target, _ATTRIBUTE, label)
            return
        except (AttributeError, TypeError):
            pass  # a class of an extension module: keep the label beside it
    key = _side_key(target)
    _side[key] = (target, label)
    owner = target.__self__ if key[1] else target
    kind = type(owner)
    _individual[id(kind)] = dropping(_individual, id(kind), kind)
    try:
        weakref.finalize(owner, _side.pop, key, None).atexit = False
        _side[key] = (None, label)
    except TypeError:
        pass  # not weakly referenceable: the table keeps it alive, so that its id stays its own


def _own_label(target: Any) -> Label | None:
    found = _side.get(_side_key(target)) if _side or type(target).__name__ == "method" else None
    if found is not None:
        return found[1]
    if type(target).__name__ == "function":
        return _written(target.__qualname__, target.__dict__)
    return None


def _written(owner: str, space: Mapping[str, Any]) -> Label | None:
    """The label that a class or function carries; what is none is said, for it would go unnoticed."""
    label = space.get(_ATTRIBUTE)
    if isinstance(label, Label):
        return label
    if _ATTRIBUTE in space:
        warn_of_label(owner, label)
    return None


def label_of(target: Any) -> Label | None:
    """The label declared for `target`, or None; runs no code of `target`'s.

    The nearest effect counts: the object's own, else the first one along its class's MRO.  Modifiers that
    stand alone in front of it are added to it.
    """
    found: Label | None = None
    for label in _labels(target):
        found = label if found is None else label | found
        if found.kind:
            break
    return found


def _labels(target: Any) -> Iterator[Label]:
    """The labels of `target`, nearest first."""
    own = _own_label(target)
    if own is not None:
        yield own
    if type(target).__name__ == "method":
        yield from _labels(target.__func__)
        return
    kind: type = target if issubclass(type(target), type) else type(target)
    for cls in kind.__mro__:
        label = _written(cls.__qualname__, cls.__dict__)
        if label is not None:
            yield label


def labels_differ(kind: type) -> bool:
    """Whether an object of just this class may have a label of its own."""
    found = _individual.get(id(kind))
    return found is not None and found() is kind


def labels_all_instances(target: Any) -> bool:
    """Whether `target`'s label stands on its class, no object of that has one of its own, and lookups are plain."""
    kind = type(target)
    own_lookup = any("__getattribute__" in cls.__dict__ for cls in kind.__mro__[:-1])
    plain = not own_lookup and kind.__dictoffset__ != 0
    labelled = any(_ATTRIBUTE in cls.__dict__ for cls in kind.__mro__)
    return plain and labelled and not labels_differ(kind)


def verify(op: Any, inputs: Any) -> Any:
    """Call `op(inputs=inputs)` plainly and check that what is declared `pure` or `query` keeps its label.

    Checked are `op` itself, if it has such a label, or else each declared call that it makes, however deep.
    Before and after such a call the arguments, the operator's attributes, and the globals and outer variables
    that its code reads are compared; all must be as they were.  Files, sockets, what C code keeps, and calls on
    other threads are not seen.

    Args:
        op: an operator or a function.
        inputs: the value for `inputs=`.

    Returns:
        What the call returned.

    Raises:
        EffectViolation: something changed; the message names the call, its label, and what changed.
        NotAnOperatorError: neither `op` nor anything that it called is declared `pure` or `query`.

    Example:
        >>> @pure
        ... def count(*, inputs):
        ...     return len(inputs)
        >>> verify(count, "why?")
        4
    """
    from ember_jit.verification import verify as verify_call  # needed by nobody who only runs

    return verify_call(op, inputs, label_of)
