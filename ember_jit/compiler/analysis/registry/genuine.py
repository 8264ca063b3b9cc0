"""Is this object what the table means, or something the program put in its place?

A name in a module proves nothing: `textwrap.dedent` may be patched, wrapped, mocked, and a file
called `statistics.py` may hide the real one. An object enters the registry only if its code
verifiably belongs to the module or package it is found in. Nothing here runs user code: only
attributes of exact C types are read, and dictionaries are read with string keys.
"""

from __future__ import annotations

import abc
import functools
import os
import re
import sys
from types import BuiltinFunctionType, FunctionType, MethodDescriptorType, MethodType, ModuleType
from typing import Any, cast

_HEAPTYPE = 1 << 9
_IMMUTABLETYPE = 1 << 8
_C_METHOD = type(re.compile("").search)  # a C method that is told its defining class
_SPEC = type(sys.__spec__)
_LRU = type(functools.lru_cache(maxsize=1)(lambda: None))
_module_dict: Any = vars(ModuleType)["__dict__"].__get__
_class_dict = type.__dict__["__dict__"].__get__
_class_flags = type.__dict__["__flags__"].__get__
_class_name = type.__dict__["__qualname__"].__get__
class_module = type.__dict__["__module__"].__get__
"""The module a class says it is from; for a static C type, from its C name."""

# C modules that implement functions of another module
_BEHIND = {
    "hashlib": ("_md5", "_sha1", "_sha2", "_sha3", "_sha256", "_sha512", "_blake2"),
    "posixpath": ("posix",),
    "builtins": ("_io", "io"),
    "threading": ("_thread",),
}
_STDLIB = tuple(
    os.path.normcase(folder) + os.sep
    for folder in {
        os.path.dirname(os.__file__),
        os.path.join(
            sys.base_exec_prefix,
            sys.platlibdir,
            f"python{sys.version_info[0]}.{sys.version_info[1]}",
        ),
        os.path.join(sys.base_exec_prefix, "DLLs"),
    }
)


def loaded(name: str) -> dict[str, Any] | None:
    """The namespace of a module that is already imported, complete, and an ordinary module."""
    modules = sys.modules
    if type(modules) is not dict:
        return None
    module = modules.get(name)
    if not issubclass(type(module), ModuleType):
        return None
    space = _module_dict(module)
    spec = space.get("__spec__")
    if type(spec) is _SPEC and vars(spec).get("_initializing"):
        return None
    return cast("dict[str, Any]", space)


def is_stdlib(space: dict[str, Any]) -> bool:
    """Whether the module with this namespace came with Python (built in, frozen, or from its folder)."""
    origin = space.get("__file__")
    if origin is None:
        spec = space.get("__spec__")
        return type(spec) is _SPEC and spec.origin in ("built-in", "frozen")
    if type(origin) is not str:
        return False
    path = os.path.normcase(origin)
    return path.startswith(_STDLIB) and "site-packages" not in path and "dist-packages" not in path


def is_immutable_type(cls: type) -> bool:
    """Whether no attribute of the class can have been replaced (a C type)."""
    flags = _class_flags(cls)
    return bool(flags & _IMMUTABLETYPE) or not flags & _HEAPTYPE


def is_c_function(kind: type) -> bool:
    """Whether this is the type of bound C functions. Types are never compared with `==`: a metaclass may define it."""
    return kind is BuiltinFunctionType or kind is _C_METHOD


def root(name: object) -> str:
    """`"_json.scanner"` -> `"json"`."""
    return name.partition(".")[0].lstrip("_") if type(name) is str else ""


def home(function: FunctionType) -> str | None:
    """The module whose namespace the function's code runs in, if that is a live module's."""
    name = dict.get(function.__globals__, "__name__")
    if type(name) is not str or loaded(name) is not function.__globals__:
        return None
    return name


_HIDDEN: dict[
    str, tuple[str, ...]
] = {}  # the root of a C module -> roots of the modules it stands behind
for _module, _names in _BEHIND.items():
    for _each in _names:
        _HIDDEN[root(_each)] = (*_HIDDEN.get(root(_each), ()), root(_module))


def origins(obj: object) -> tuple[str, ...] | None:
    """The roots of the modules in which `genuine` could accept this object; None if all are possible."""
    obj = unwrap(obj)
    kind = type(obj)
    if kind is MethodType:
        obj = cast("MethodType", obj).__func__
        kind = type(obj)
    if kind is FunctionType:
        where = home(cast("FunctionType", obj))
        return () if where is None else (root(where),)
    if is_c_function(kind):
        builtin = cast("Any", obj)
        owner = builtin.__self__
        if owner is None:
            return None
        if type(owner) is not ModuleType:
            # `str.maketrans` hangs on a class, `random.random` on a generator
            holder = owner if issubclass(type(owner), type) else type(owner)
            return _with_fronts(root(class_module(holder)), root(class_module(type(owner))))
        return _with_fronts(
            root(builtin.__module__), root(dict.get(_module_dict(owner), "__name__"))
        )
    if issubclass(kind, type):
        return _with_fronts(root(class_module(cast("type", obj))))
    name = root(class_module(kind))
    return None if name.startswith("cython") else _with_fronts(name)


def _with_fronts(*roots: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for name in roots for each in (name, *_HIDDEN.get(name, ()))))


def unwrap(obj: object) -> object:
    """The function behind an `lru_cache`, else the object itself."""
    if type(obj) is _LRU:
        return dict.get(object.__getattribute__(obj, "__dict__"), "__wrapped__")
    return obj


def genuine(obj: object, module: str, name: str, *, stdlib: bool) -> bool:
    """Whether `obj`, found as `module.name`, is that module's own.

    Args:
        obj: a function, builtin, bound method or class.
        module: the module it was found in.
        name: its name there, dotted for a member of a class.
        stdlib: whether its code must come with Python; else it must be of the same top-level package.
    """
    obj = unwrap(obj)
    kind = type(obj)
    package = root(module)
    last = name.rpartition(".")[2]
    if kind is FunctionType:
        function = cast("FunctionType", obj)
        where = home(function)
        if where is None:
            return False
        if not stdlib:
            return root(where) == package
        return _from_stdlib(where, package) and last in function.__code__.co_qualname
    if is_c_function(kind):
        return _genuine_builtin(obj, module, last)
    if kind is MethodType:
        return genuine(cast("MethodType", obj).__func__, module, name, stdlib=False)
    if kind is type or kind is abc.ABCMeta:
        return _genuine_class(cast("type", obj), module, last)
    # a callable of one of the package's own C types: numpy.ufunc, numpy's dispatchers
    if is_immutable_type(kind) and root(class_module(kind)) == package:
        return getattr(obj, "__name__", None) == last
    return False


def _from_stdlib(where: str, package: str) -> bool:
    space = loaded(where)
    return space is not None and root(where) == package and is_stdlib(space)


def _genuine_builtin(obj: object, module: str, last: str) -> bool:
    builtin = cast("Any", obj)
    if (
        last not in builtin.__name__
    ):  # hashlib.sha256 is openssl_sha256, bisect.bisect is bisect_right
        return False
    owner = builtin.__self__
    if type(owner) is not ModuleType:
        # str.maketrans belongs to no module, random.random and np.random.rand to a hidden generator
        return owner is None or root(class_module(type(owner))) == root(module)
    origin = builtin.__module__
    return root(origin) == root(module) or _behind(origin, module)


def _behind(origin: object, module: str) -> bool:
    return type(origin) is str and origin in _BEHIND.get(module, ())


def _genuine_class(cls: type, module: str, last: str) -> bool:
    space = _class_dict(cls)
    package = root(module)
    if is_immutable_type(cls):
        return last.rstrip("_").lower() in _class_name(cls).lower() and (
            root(class_module(cls)) == package or _behind(class_module(cls), module)
        )
    if root(class_module(cls)) != package or _class_name(cls) != last:
        return False
    makers = (unwrap_static(space.get(maker)) for maker in ("__new__", "__init__", "__call__"))
    return all(maker is None or belongs(maker, package) for maker in makers)


def unwrap_static(member: object) -> object:
    """The function in a `staticmethod` or `classmethod`."""
    if type(member) is staticmethod or type(member) is classmethod:
        return cast("Any", member).__func__
    return member


def belongs(member: object, package: str) -> bool:
    """Whether a class member is C code, or a function whose code is the standard library package's own."""
    member = unwrap(unwrap_static(member))
    if type(member) is FunctionType:
        where = home(member)
        return where is not None and _from_stdlib(where, package)
    kind = type(member)
    return any(
        kind is each
        for each in (MethodDescriptorType, BuiltinFunctionType, _CLASSMETHOD_DESCRIPTOR, _SLOT)
    )


def class_member(cls: type, name: str) -> object:
    """The member as the class stores it, looked for along the method resolution order; None if absent."""
    for base in type.__dict__["__mro__"].__get__(cls):
        space = _class_dict(base)
        if name in space:
            return space[name]
    return None


def member_home(cls: type, name: str) -> type | None:
    """The class along the method resolution order that has the member."""
    for base in type.__dict__["__mro__"].__get__(cls):
        if name in _class_dict(base):
            return cast("type", base)
    return None


def class_path(cls: type) -> str:
    """`"package.module:Class"`."""
    where = class_module(cls)
    return f"{where if type(where) is str else '?'}:{_class_name(cls)}"


_CLASSMETHOD_DESCRIPTOR = type(dict.__dict__["fromkeys"])
_SLOT = type(object.__init__)
