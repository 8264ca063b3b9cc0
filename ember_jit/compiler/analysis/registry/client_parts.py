"""Parts of clients: `client.chat.completions` of a client whose parts are made when they are first read.

The large clients build `client.chat` in a `cached_property`, in a module that may not even be imported yet,
so there may be no object to look at.  What it will be is known from the client's class:

    method_of(client, ("chat", "completions"), "create")    -> Known(kind="query", ...)
    method_of(client, ("chat", "completions"), "delete")    -> None

Invariants: nothing is imported and no property is run; every class on the way is the package's own, not a
subclass of the program's, and so is every property and method (`genuine`); parts that exist already are looked
at, so that one which the program has replaced is not taken for the client's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType
from typing import Any

from ember_jit.compiler.analysis.registry import genuine as check
from ember_jit.compiler.analysis.registry.known import Known
from ember_jit.compiler.analysis.registry.resolve import method_defined_at

_PARTS: dict[str, dict[str, str]] = {
    "openai:OpenAI": {
        "chat": "openai.resources.chat.chat:Chat",
        "completions": "openai.resources.completions:Completions",
        "embeddings": "openai.resources.embeddings:Embeddings",
        "moderations": "openai.resources.moderations:Moderations",
        "responses": "openai.resources.responses.responses:Responses",
    },
    "openai.resources.chat.chat:Chat": {
        "completions": "openai.resources.chat.completions.completions:Completions",
    },
    "anthropic:Anthropic": {"messages": "anthropic.resources.messages.messages:Messages"},
    "groq:Groq": {
        "chat": "groq.resources.chat.chat:Chat",
        "embeddings": "groq.resources.embeddings:Embeddings",
    },
    "groq.resources.chat.chat:Chat": {"completions": "groq.resources.chat.completions:Completions"},
}
"""By the class that defines the property: the class of what it gives."""


@dataclass(frozen=True, slots=True)
class _Unmade:
    """An instance, not made yet, of the class at `path` ("module:Class"), which may not be imported yet."""

    path: str


def is_part(owner: Any, names: Iterable[str]) -> bool:
    """Whether `owner.name.name...` is, or will be, a part of a genuine client."""
    return _reach(owner, names) is not None


def method_of(owner: Any, names: Iterable[str], name: str) -> Known | None:
    """What is known about the method `name` of the part `owner.name.name...` of a client, or None."""
    part = _reach(owner, names)
    if part is None:
        return None
    path = part.path if isinstance(part, _Unmade) else check.class_path(type(part))
    module, _, kind = path.partition(":")
    cls = type(part) if not isinstance(part, _Unmade) else _loaded(path)
    if cls is not None:
        if not isinstance(part, _Unmade) and name in _space(part):
            return None
        member = check.class_member(cls, name)
        if type(member) is not FunctionType or not _from_package(member, path):
            return None
    return method_defined_at(module, f"{kind}.{name}")


def _reach(owner: Any, names: Iterable[str]) -> Any:
    """The part at the end of a path of attributes: the live object, what it will be, or None if that is not known."""
    here = owner
    for name in names:
        if isinstance(here, _Unmade):
            cls = _loaded(here.path)
            here = _made_by(cls, name) if cls is not None else _named(here.path, name)
        else:
            if not _is_own(type(here)):
                return None
            made = _made_by(type(here), name)
            live = _space(here).get(name)
            if live is not None and (made is None or check.class_path(type(live)) != made.path):
                return None  # the program has put something else there
            here = made if live is None else live
        if here is None:
            return None
    return here if isinstance(here, _Unmade) or _is_own(type(here)) else None


def _made_by(cls: type, name: str) -> _Unmade | None:
    """What the property `name` of instances of this class makes."""
    home = check.member_home(cls, name)
    member = check.class_member(cls, name)
    if home is None or type(member) is not cached_property or not _is_own(home):
        return None
    path = check.class_path(home)
    getter = member.func
    if type(getter) is not FunctionType or not _from_package(getter, path):
        return None
    return _named(path, name)


def _named(path: str, name: str) -> _Unmade | None:
    found = _PARTS.get(path, {}).get(name)
    return None if found is None else _Unmade(found)


def _loaded(path: str) -> type | None:
    module, _, kind = path.partition(":")
    space = check.loaded(module)
    found = None if space is None else space.get(kind)
    return found if issubclass(type(found), type) else None


def _is_own(cls: type) -> bool:
    """Whether the module that a class names has it under its name."""
    return _loaded(check.class_path(cls)) is cls


def _from_package(function: FunctionType, path: str) -> bool:
    """Whether a function's code belongs to the package of the class at `path`."""
    return check.root(check.home(function)) == check.root(path.partition(":")[0])


def _space(obj: Any) -> dict[str, Any]:
    try:
        space = object.__getattribute__(obj, "__dict__")
    except (AttributeError, TypeError):
        return {}
    return space if type(space) is dict else {}
