"""What the registry says about one callable, and the words its tables are written in.

A `Known` is a promise about a callable *object*, not about a name. Every field is set so that
a reader who does not understand it errs on the safe side: the defaults say "may alias its
arguments, may run code in anything it is given".

Tables are tuples of rows, `(template, "name name name")`; the template's evidence is completed
with the name when the row is resolved:

    MATH: Rows = ((pure(protocol=True, shallow=True, shares=False), "sqrt sin cos"),)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Known:
    """The effects of one callable that is not user code.

    The entry of a `pure` or `query` callable holds for a *call* only if the call also keeps
    `max_args`, `bad_keywords`, `literals`, `protocol` and `calls_args`. "Plain" below means: of an
    exact builtin type without user code in it (`defaultdict`, subclasses and `Decimal` are not plain).

    Attributes:
        kind: "pure" (result from the arguments alone), "query" (reads the outside world) or
            "unknown" (known to have an effect: `evidence` says which, `resource` on what).
        blocking: may take long while doing nothing (sleep, network, disk): worth a thread.
        calls_args: calls functions it is given, by position or keyword (`map`, `sorted(key=)`).
        lazy: the result reads the arguments (or the receiver) later, when it is itself read.
        fresh: type name of the result if it is always a new mutable object owned by nobody else
            ("list", "dict", "ndarray", ...); "handle" for a new response, file or connection.
            An "ndarray" may also be an immutable NumPy scalar.
        retains: the result may be, or keep a reference to, an argument or the receiver. For
            `resource="receiver"` the receiver may keep the arguments.
        protocol: runs methods of its arguments (`len` -> `__len__`), or of what they contain:
            `pure` only for plain arguments. The receiver of a method counts as an
            argument, unless `receiver` names its class.
        evidence: one line for the user.
        consumes: advances an iterator or generator it is given, and so runs its code.
        shallow: `protocol` stops at the arguments themselves: elements of plain containers are
            not touched (`len([x])` never asks x anything).
        shares: the result may be, or hold, an object that an argument *contains*. False means
            that everything mutable in the result is new, all the way down.
        max_args: with more positional arguments than this, or a starred one, the entry does not
            hold (`np.add(a, b, out)`). Does not count a bound receiver.
        bad_keywords: with one of these keywords, or a `**` one, the entry does not hold.
        untouched: indices of positional arguments that `protocol` does not reach (`d.get(key, anything)`:
            {1}). Does not count a bound receiver.
        literals: string arguments must be constants of this set (codec and error handler names).
        warns: may issue a Python warning or, for NumPy, read the floating-point error state.
        awaits: the call only makes a coroutine; what `kind` says happens when it is awaited.
        receiver: "module.Class" that the receiver must be an exact instance of. `lookup` has
            checked it for a bound method; for the bare function the caller must.
        resource: what an "unknown" touches: "stdout", "clock", "rng", "environment",
            "filesystem", "process", "receiver" (only the object whose method it is), "argument".
    """

    kind: str
    blocking: bool
    calls_args: bool
    lazy: bool
    fresh: str | None
    retains: bool
    protocol: bool
    evidence: str
    consumes: bool = False
    shallow: bool = False
    shares: bool = True
    max_args: int | None = None
    bad_keywords: frozenset[str] = NONE
    untouched: frozenset[int] = frozenset()
    literals: frozenset[str] | None = None
    warns: bool = False
    awaits: bool = False
    receiver: str | None = None
    resource: str | None = None


Rows: TypeAlias = tuple[tuple[Known, str], ...]


def _make(kind: str, evidence: str, flags: dict[str, Any]) -> Known:
    base = {
        "blocking": False,
        "calls_args": False,
        "lazy": False,
        "fresh": None,
        "retains": False,
        "protocol": True,
    }
    words = flags.get("bad_keywords")
    if isinstance(words, str):
        flags["bad_keywords"] = frozenset(words.split())
    return Known(kind=kind, evidence=evidence, **(base | flags))


def pure(evidence: str = "", **flags: Any) -> Known:
    """A template whose result comes from its arguments alone. `protocol` is True unless denied."""
    return _make("pure", evidence, flags)


def query(evidence: str = "", **flags: Any) -> Known:
    """A template for one request to the outside world. Blocks and answers with new objects unless denied."""
    return _make("query", evidence, {"blocking": True, "fresh": "handle", "shares": False} | flags)


def effect(reason: str, resource: str, **flags: Any) -> Known:
    """A template for a callable known to have an effect on `resource`."""
    return _make("unknown", reason, {"resource": resource, "retains": True} | flags)


def named(template: Known, title: str) -> Known:
    """The template as an entry: its evidence starts with the callable's title."""
    return replace(
        template, evidence=f"{title}: {template.evidence}" if template.evidence else title
    )


# Templates used by several tables. The name says what the result is made of.
VALUE = pure(shallow=True, shares=False)  # an immutable value from the arguments themselves
DEEP_VALUE = pure(shares=False)  # an immutable value; asks the elements too
NO_CODE = pure(
    protocol=False, shares=False
)  # an immutable value; runs nothing, whatever it is given
DRAIN = pure(consumes=True, shares=False)  # an immutable value out of an iterable's elements
ITERATOR = pure(lazy=True, retains=True, shallow=True)  # reads its arguments when it is read
CALLING_ITERATOR = pure(lazy=True, retains=True, calls_args=True)
VIEW = pure(retains=True)  # may be an argument, or share its memory

CODECS = frozenset(
    [
        "utf-8",
        "utf8",
        "UTF-8",
        "UTF8",
        "utf_8",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "utf-32",
        "ascii",
        "us-ascii",
        "ASCII",
        "latin-1",
        "latin1",
        "iso-8859-1",
        "strict",
        "ignore",
        "replace",
        "backslashreplace",
        "xmlcharrefreplace",
        "namereplace",
        "surrogateescape",
        "surrogatepass",
    ]
)
"""Codec and error handler names of CPython itself. Others may be the program's own code."""
