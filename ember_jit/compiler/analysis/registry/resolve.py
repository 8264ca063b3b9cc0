"""From a live object to its entry.

Tables are resolved module by module, when that module is already imported and something that may be
in it is looked up: the registry imports nothing. A resolved object is kept alive beside its entry, so that its
`id()` cannot be reused; a hit is confirmed with `is`. Names that were patched when their module
was resolved are tried again later.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from types import FunctionType, MethodDescriptorType, MethodType
from typing import Any, cast

from ember_jit.compiler.analysis.registry import genuine as check
from ember_jit.compiler.analysis.registry.builtin_tables import BUILTINS, STATIC_METHODS
from ember_jit.compiler.analysis.registry.by_type import Types, Words, expand
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
from ember_jit.compiler.analysis.registry.known import Known, named, pure
from ember_jit.compiler.analysis.registry.method_tables import CLASS_METHODS, METHODS
from ember_jit.compiler.analysis.registry.numpy_tables import NUMPY, NUMPY_METHODS
from ember_jit.compiler.analysis.registry.stdlib_tables import STDLIB

_PACKAGES = frozenset(
    {"numpy", *(name.partition(".")[0] for name in CLIENT_FUNCTIONS)} - {"urllib"}
)
_ALL_METHODS = METHODS | NUMPY_METHODS


class _Entry:
    """An object, what of it must stay the same, and what is known of it."""

    __slots__ = ("code", "known", "obj", "template", "title")

    def __init__(self, obj: object, template: Known, title: str) -> None:
        self.obj = obj
        self.code = _code(obj)
        self.template = template
        self.title = title
        self.known: Known | None = None

    def get(self) -> Known:
        if self.known is None:
            self.known = named(self.template, self.title)
            if self.template.fresh == _OWN_NAME:
                self.known = replace(self.known, fresh=cast("type", self.obj).__name__)
        return self.known


class _Objects:
    """Functions and classes by identity, resolved lazily from modules that are already imported.

    An object can only be in the tables of modules that have the root of its own origin (`genuine` insists
    on it), so a look-up resolves those and leaves the rest, such as NumPy's, untouched.
    """

    def __init__(self) -> None:
        self._found: dict[int, _Entry] = {}
        self._pending: dict[str, dict[str, Words | None]] = {}
        self._deferrable: dict[int, object] = {}
        for module in ("builtins", *STDLIB, *NUMPY, *CLIENT_FUNCTIONS, *EFFECTS, *DEFERRABLE):
            self._pending.setdefault(check.root(module), {})[module] = None

    def get(self, obj: object) -> Known | None:
        hit = self._hit(obj)
        if hit is not None:
            return hit
        roots = check.origins(obj)
        resolved = [self._resolve(root) for root in (self._pending if roots is None else roots)]
        return self._hit(obj) if any(resolved) else None

    def deferrable(self, obj: object) -> bool:
        self.get(obj)
        return self._deferrable.get(id(obj), self) is obj

    def entries(self) -> list[tuple[object, Known]]:
        """Every object of the modules loaded by now, with its entry."""
        for root in self._pending:
            self._resolve(root)
        return [(entry.obj, entry.get()) for entry in list(self._found.values())]

    def resolved(self) -> frozenset[str]:
        """The modules whose tables were resolved so far."""
        tables = {"builtins", *STDLIB, *NUMPY, *CLIENT_FUNCTIONS, *EFFECTS, *DEFERRABLE}
        return frozenset(
            tables
            - {
                module
                for modules in self._pending.values()
                for module, words in modules.items()
                if words is None
            }
        )

    def _hit(self, obj: object) -> Known | None:
        entry = self._found.get(id(obj))
        if entry is None or entry.obj is not obj or entry.code is not _code(obj):
            return None
        return entry.get()

    def _resolve(self, root: str) -> bool:
        """Resolve the modules with this root that are loaded by now; whether that added anything."""
        changed = False
        modules = self._pending.get(root, {})
        for module in list(modules):
            space = check.loaded(module)
            if space is None:
                continue
            stdlib = module.partition(".")[0] not in _PACKAGES
            if stdlib and not check.is_stdlib(space):
                continue
            words = modules.get(module)
            words = _module_rows(module) if words is None else words
            patched: Words = {}
            for name, (known, title) in words.items():
                obj = _find(space, name)
                if obj is None:
                    continue
                own = check.genuine(obj, module, name, stdlib=stdlib)
                if not own and (
                    known.kind != "unknown" or type(obj) is FunctionType or type(obj) is type
                ):
                    patched[name] = known, title
                    continue
                changed = True
                self._add(obj, known, title)
                if own and name in DEFERRABLE.get(module, "").split():
                    self._deferrable[id(obj)] = obj
            if patched:
                modules[module] = patched
            else:
                modules.pop(module, None)
        return changed

    def _add(self, obj: object, known: Known, title: str) -> None:
        """Keeps the first entry, unless the new one is the more careful."""
        old = self._found.get(id(obj))
        if old is None or (old.template.kind == "pure" and known.kind != "pure"):
            self._found[id(obj)] = _Entry(obj, known, title)


def _code(obj: object) -> object:
    """What must not have changed since the object was resolved: a function's code."""
    function = check.unwrap(obj)
    return function.__code__ if type(function) is FunctionType else None


def _module_rows(module: str) -> Words:
    if module == "builtins":
        return expand(BUILTINS, "builtin ") | expand(STATIC_METHODS, "") | _exceptions()
    rows: Words = {}
    for table in (STDLIB, NUMPY, CLIENT_FUNCTIONS, EFFECTS):
        rows |= expand(table.get(module, ()), f"{module}.", "")
    return rows


def _exceptions() -> Words:
    """Exception classes. Four families look into their arguments when they are made."""
    import builtins

    looks = (OSError, SyntaxError, UnicodeError, ImportError)
    rows: Words = {}
    for name, cls in list(vars(builtins).items()):
        if type(cls) is type and issubclass(cls, BaseException) and cls.__name__ == name:
            template = (
                _OS_ERROR if cls is OSError else _LOOKS if issubclass(cls, looks) else _EXCEPTION
            )
            rows[name] = template, f"builtin {name}()"
    return rows


_OWN_NAME = ""  # as `fresh`: an instance of the class itself
_EXCEPTION = pure(protocol=False, retains=True, fresh=_OWN_NAME)
_LOOKS = pure(protocol=True, retains=True, fresh=_OWN_NAME)
_OS_ERROR = pure(protocol=True, retains=True)  # OSError(2, "...") is a FileNotFoundError


def _find(space: dict[str, Any], path: str) -> Any:
    """The object at a path such as "sqrt" or "str.maketrans", through dictionaries only."""
    first, _, rest = path.partition(".")
    found = space.get(first)
    if not rest or found is None:
        return found
    return check.unwrap_static(check.class_member(found, rest))


OBJECTS = _Objects()
INSTANCE_METHODS = Types(_ALL_METHODS)
TYPE_METHODS = Types(CLASS_METHODS)


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


def _client_method(function: FunctionType) -> Known | None:
    """A method of a client library: by where it says it is defined, if its code is that package's."""
    module: object = function.__module__
    if type(module) is not str or module.partition(".")[0] not in _CLIENT_ROOTS:
        return None
    where = check.home(function)
    if where is None or check.root(where) != check.root(module):
        return None
    return method_defined_at(module, function.__qualname__)


def method_defined_at(module: str, qualname: str) -> Known | None:
    """What the tables of clients say of the method `qualname` ("Class.method") defined in `module`."""
    prefix = module
    while prefix:
        if prefix in CLIENT_METHODS:
            return _client_rows(prefix).get(qualname)
        prefix = prefix.rpartition(".")[0]
    return None


_CLIENT_ROOTS = frozenset(name.partition(".")[0] for name in CLIENT_METHODS)


@lru_cache(maxsize=64)
def _client_rows(prefix: str) -> dict[str, Known]:
    """The entries of one table, by "Class.method"."""
    rows = {}
    for name, (template, title) in expand(CLIENT_METHODS[prefix], f"{prefix}.", "").items():
        rows[name] = replace(named(template, title), receiver=f"{prefix}.{name.partition('.')[0]}")
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
