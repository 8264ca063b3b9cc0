"""From a live object to its entry.

Tables are resolved module by module, when that module is already imported and something is looked
up: the registry imports nothing. A resolved object is kept alive beside its entry, so that its
`id()` cannot be reused; a hit is confirmed with `is`. Names that were patched when their module
was resolved are tried again later.
"""

from __future__ import annotations

from dataclasses import replace
from types import FunctionType, MethodDescriptorType, MethodType
from typing import Any, cast

from ember_jit.compiler.analysis.registry import genuine as check
from ember_jit.compiler.analysis.registry.builtin_tables import BUILTINS, STATIC_METHODS
from ember_jit.compiler.analysis.registry.client_tables import (
    CLIENT_FUNCTIONS,
    CLIENT_METHODS,
    SUBCLASSED_BY_PACKAGE,
)
from ember_jit.compiler.analysis.registry.effect_tables import (
    DEFERRABLE,
    DEFERRABLE_METHODS,
    EFFECT_MODULES,
    EFFECTS,
)
from ember_jit.compiler.analysis.registry.known import Known, Rows, named, pure
from ember_jit.compiler.analysis.registry.method_tables import CLASS_METHODS, METHODS
from ember_jit.compiler.analysis.registry.numpy_tables import NUMPY, NUMPY_METHODS
from ember_jit.compiler.analysis.registry.stdlib_tables import STDLIB

_PACKAGES = frozenset(
    {"numpy", *(name.partition(".")[0] for name in CLIENT_FUNCTIONS)} - {"urllib"}
)
_ALL_METHODS = METHODS | NUMPY_METHODS


def _expand(rows: Rows, title: str, ending: str = "()") -> dict[str, Known]:
    return {
        name: named(known, f"{title}{name}{ending}")
        for known, names in rows
        for name in names.split()
    }


class _Objects:
    """Functions and classes by identity, resolved lazily from modules that are already imported."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[object, object, Known]] = {}
        self._pending: dict[str, dict[str, Known] | None] = {}
        self._deferrable: dict[int, object] = {}
        self._pending["builtins"] = None
        for table in (STDLIB, NUMPY, CLIENT_FUNCTIONS, EFFECTS, DEFERRABLE):
            self._pending.update(dict.fromkeys(table))

    def get(self, obj: object) -> Known | None:
        hit = self._hit(obj)
        if hit is None and self._pending and self._resolve():
            hit = self._hit(obj)
        return hit

    def deferrable(self, obj: object) -> bool:
        self.get(obj)
        return self._deferrable.get(id(obj), self) is obj

    def entries(self) -> list[tuple[object, Known]]:
        """Every object resolved so far, with its entry."""
        self._resolve()
        return [(obj, known) for obj, _, known in list(self._found.values())]

    def _hit(self, obj: object) -> Known | None:
        entry = self._found.get(id(obj))
        if entry is None or entry[0] is not obj or entry[1] is not _code(obj):
            return None
        return entry[2]

    def _resolve(self) -> bool:
        changed = False
        for module in list(self._pending):
            space = check.loaded(module)
            if space is None:
                continue
            stdlib = module.partition(".")[0] not in _PACKAGES
            if stdlib and not check.is_stdlib(space):
                continue
            names = self._pending.get(module)
            names = _module_rows(module) if names is None else names
            patched: dict[str, Known] = {}
            for name, known in names.items():
                obj = _find(space, name)
                if obj is None:
                    continue
                own = check.genuine(obj, module, name, stdlib=stdlib)
                if not own and (
                    known.kind != "unknown" or type(obj) is FunctionType or type(obj) is type
                ):
                    patched[name] = known
                    continue
                changed = True
                self._add(obj, known)
                if own and name in DEFERRABLE.get(module, "").split():
                    self._deferrable[id(obj)] = obj
            if patched:
                self._pending[module] = patched
            else:
                self._pending.pop(module, None)
        return changed

    def _add(self, obj: object, known: Known) -> None:
        """Keeps the first entry, unless the new one is the more careful."""
        old = self._found.get(id(obj))
        if old is None or (old[2].kind == "pure" and known.kind != "pure"):
            self._found[id(obj)] = (obj, _code(obj), known)


def _code(obj: object) -> object:
    """What must not have changed since the object was resolved: a function's code."""
    function = check.unwrap(obj)
    return function.__code__ if type(function) is FunctionType else None


def _module_rows(module: str) -> dict[str, Known]:
    if module == "builtins":
        rows = _expand(BUILTINS, "builtin ") | _expand(STATIC_METHODS, "")
        return rows | _exceptions()
    rows = {}
    for table in (STDLIB, NUMPY, CLIENT_FUNCTIONS, EFFECTS):
        rows |= _expand(table.get(module, ()), f"{module}.", "")
    return rows


def _exceptions() -> dict[str, Known]:
    """Exception classes. These four families look into their arguments when they are made."""
    import builtins

    looks = (OSError, SyntaxError, UnicodeError, ImportError)
    rows = {}
    for name, cls in list(vars(builtins).items()):
        if type(cls) is type and issubclass(cls, BaseException) and cls.__name__ == name:
            made = None if cls is OSError else name  # OSError(2, "...") is a FileNotFoundError
            known = pure(protocol=issubclass(cls, looks), retains=True, fresh=made)
            rows[name] = named(known, f"builtin {name}()")
    return rows


def _find(space: dict[str, Any], path: str) -> Any:
    """The object at a path such as "sqrt" or "str.maketrans", through dictionaries only."""
    first, _, rest = path.partition(".")
    found = space.get(first)
    if not rest or found is None:
        return found
    return check.unwrap_static(check.class_member(found, rest))


class _Types:
    """Tables of methods by the identity of their class, resolved like functions."""

    def __init__(self, tables: dict[str, Rows]) -> None:
        self._found: dict[int, tuple[type, dict[str, Known]]] = {}
        self._pending = dict(tables)

    def get(self, cls: type, name: str) -> Known | None:
        entry = self._found.get(id(cls))
        if entry is None or entry[0] is not cls:
            self._resolve()
            entry = self._found.get(id(cls))
            if entry is None or entry[0] is not cls:
                return None
        known = entry[1].get(name)
        if known is None or not _unpatched(cls, name):
            return None
        return known

    def entries(self) -> list[tuple[type, dict[str, Known]]]:
        """Every class resolved so far, with its table."""
        self._resolve()
        return list(self._found.values())

    def _resolve(self) -> None:
        for path in list(self._pending):
            module, _, name = path.partition(":")
            space = check.loaded(module)
            if space is None or (module != "numpy" and not check.is_stdlib(space)):
                continue
            cls = space.get(name)
            if cls is None:
                self._pending.pop(path, None)
            elif issubclass(type(cls), type) and _own_class(cls, module, name):
                rows = self._pending.get(path, ())
                title = name if module == "builtins" else f"{module}.{name}"
                self._found[id(cls)] = (cls, _expand(rows, f"{title}."))
                self._pending.pop(path, None)


def _own_class(cls: type, module: str, name: str) -> bool:
    if check.is_immutable_type(cls):
        return True
    where = check.class_module(cls)
    return check.root(where) == check.root(module) and check.class_path(cls).endswith(f":{name}")


def _unpatched(cls: type, name: str) -> bool:
    """Whether the class still has its own method under this name."""
    if check.is_immutable_type(cls):
        return check.class_member(cls, name) is not None
    owner = check.member_home(cls, name)
    if owner is None:
        return False
    member = check.class_member(cls, name)
    return check.belongs(member, check.root(check.class_module(owner)))


OBJECTS = _Objects()
INSTANCE_METHODS = _Types(_ALL_METHODS)
TYPE_METHODS = _Types(CLASS_METHODS)


def lookup(obj: object) -> Known | None:
    """What is known about a callable object; None if nothing is.

    Never runs user code and never imports. A name proves nothing: a user's function called `len`, a
    patched `math.sqrt`, or a wrapper made with `functools.wraps` is not known.

    Example:
        >>> lookup(len).kind
        'pure'
        >>> def len(x): ...
        >>> lookup(len) is None
        True
    """
    known = OBJECTS.get(obj)
    if known is not None:
        return known
    kind = type(obj)
    if check.is_c_function(kind):
        return _bound_builtin(obj)
    if kind is MethodType:
        return _bound_function(cast("MethodType", obj))
    if kind is FunctionType:
        function = cast("FunctionType", obj)
        return _client_method(function) or _effect_module(
            check.home(function), function.__qualname__
        )
    if kind is MethodDescriptorType:
        return _descriptor(cast("MethodDescriptorType", obj))
    if kind is type:
        return _effect_class(cast("type", obj))
    return None


def method(type_: type, name: str) -> Known | None:
    """What is known about a method of instances of exactly this type.

    Example:
        >>> method(str, "strip").kind, method(list, "append").resource
        ('pure', 'receiver')
    """
    return INSTANCE_METHODS.get(type_, name)


def class_method(type_: type, name: str) -> Known | None:
    """What is known about `Type.name(...)` for a class method, such as `dict.fromkeys`."""
    return TYPE_METHODS.get(type_, name)


def deferrable(obj: object) -> bool:
    """Whether the callable is `print` or a logging call, whose output may wait for its turn (DESIGN 3).

    That a `print` goes to plain stdout (`file=`) and that its arguments stay as they are is for the caller to see.
    """
    if type(obj) is MethodType:
        return _exact_logger(type(obj.__self__)) and deferrable(obj.__func__)
    if type(obj) is FunctionType:
        space = check.loaded("logging")
        owner, _, name = obj.__qualname__.partition(".")
        if (
            owner == "Logger"
            and name in DEFERRABLE_METHODS
            and space is not None
            and check.is_stdlib(space)
        ):
            return _find(space, f"Logger.{name}") is obj and check.genuine(
                obj, "logging", f"Logger.{name}", stdlib=True
            )
    return OBJECTS.deferrable(obj)


def _exact_logger(cls: type) -> bool:
    space = check.loaded("logging")
    return space is not None and (cls is space.get("Logger") or cls is space.get("RootLogger"))


def _bound_builtin(obj: object) -> Known | None:
    """`"".join`, `dict.fromkeys`, or a C function of a module with effects."""
    builtin = cast("Any", obj)
    owner = builtin.__self__
    if issubclass(type(owner), type):
        return TYPE_METHODS.get(owner, builtin.__name__)
    return INSTANCE_METHODS.get(type(owner), builtin.__name__) or _effect_module(
        builtin.__module__, builtin.__name__
    )


def _bound_function(bound: MethodType) -> Known | None:
    """A Python method with its receiver: `Counter().most_common`, `client.chat.completions.create`."""
    function, receiver = bound.__func__, bound.__self__
    if type(function) is not FunctionType:
        return None
    cls = type(receiver)
    name = function.__name__
    known = INSTANCE_METHODS.get(cls, name)
    if known is not None:
        return known if check.class_member(cls, name) is function else None
    known = _client_method(function)
    if known is not None:
        return known if _receiver_fits(cls, known) else None
    return _effect_module(check.home(function), function.__qualname__)


def _descriptor(descriptor: MethodDescriptorType) -> Known | None:
    """`str.strip` taken from the class: the receiver is the first argument."""
    cls, name = descriptor.__objclass__, descriptor.__name__
    known = INSTANCE_METHODS.get(cls, name)
    if known is None or check.class_member(cls, name) is not descriptor:
        return None
    shifted = frozenset(index + 1 for index in known.untouched)
    limit = None if known.max_args is None else known.max_args + 1
    resource = "argument" if known.resource == "receiver" else known.resource
    return replace(known, untouched=shifted, max_args=limit, resource=resource)


_client_entries: dict[str, Known] = {}


def _client_method(function: FunctionType) -> Known | None:
    """A method of a client library: by where it says it is defined, if its code is that package's."""
    module: object = function.__module__
    if type(module) is not str or module.partition(".")[0] not in _CLIENT_ROOTS:
        return None
    where = check.home(function)
    if where is None or check.root(where) != check.root(module):
        return None
    prefix = module
    while prefix:
        if prefix in CLIENT_METHODS:
            if prefix not in _client_entries:
                _client_entries.update(_client_rows(prefix))
            return _client_entries.get(f"{prefix}:{function.__qualname__}")
        prefix = prefix.rpartition(".")[0]
    return None


_CLIENT_ROOTS = frozenset(name.partition(".")[0] for name in CLIENT_METHODS)


def _client_rows(prefix: str) -> dict[str, Known]:
    rows = {}
    for name, known in _expand(CLIENT_METHODS[prefix], f"{prefix}.", "").items():
        rows[f"{prefix}:{name}"] = replace(known, receiver=f"{prefix}.{name.partition('.')[0]}")
    return rows


def _receiver_fits(cls: type, known: Known) -> bool:
    """Whether the receiver is an instance of the class itself, not of a subclass of the program's."""
    module, _, name = cast("str", known.receiver).rpartition(".")
    where, _, qualname = check.class_path(cls).partition(":")
    if qualname == name and (where == module or where.startswith(f"{module}.")):
        return True
    return f"{where}:{qualname}" in SUBCLASSED_BY_PACKAGE.get(f"{module}:{name}", ())


def _effect_module(module: object, name: str) -> Known | None:
    """Any other function of a module that is there for its effects."""
    if type(module) is not str:
        return None
    known = EFFECT_MODULES.get(module.partition(".")[0])
    return None if known is None else named(known, f"{module}.{name}")


def _effect_class(cls: type) -> Known | None:
    if issubclass(cls, BaseException):
        return None
    where, _, name = check.class_path(cls).partition(":")
    return _effect_module(where, name)
