"""Which decorated functions an operator leads to through the objects that it holds, and those in a package.

decorated_within(Answer())       Answer.forward, and that of each decorated operator in it, however deep
decorated_in("mypackage")        the decorated classes and functions of its modules
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

from ember_jit.errors import TargetError
from ember_jit.runtime.dispatch import unit_of
from ember_jit.runtime.statics import MISSING, instance_dict, type_lookup

_MOST = 20_000  # objects
_PLAIN = frozenset({int, float, str, bytes, bool, complex, type(None), type, ModuleType})


def decorated_within(op: Any) -> Iterator[tuple[FunctionType, Any]]:
    """Decorated functions with the object that each is called on, from `op` through what it holds."""
    stack: list[Any] = [op]
    seen: dict[int, Any] = {}
    while stack and len(seen) < _MOST:
        obj = stack.pop()
        kind = type(obj)
        if kind in _PLAIN or id(obj) in seen:
            continue
        seen[id(obj)] = obj
        if kind is dict:
            stack += reversed(list(obj.values()))
        elif kind in (list, tuple, set, frozenset):
            stack += reversed(list(obj))
        elif kind is MethodType:
            stack.append(obj.__self__)
            if isinstance(obj.__func__, FunctionType) and unit_of(obj.__func__) is not None:
                yield obj.__func__, obj.__self__
        elif kind is FunctionType:
            if unit_of(obj) is not None:
                yield obj, None
            stack += [cell.cell_contents for cell in obj.__closure__ or () if not _is_empty(cell)]
        elif not issubclass(kind, type):
            forward = type_lookup(kind, "forward")
            if isinstance(forward, FunctionType) and unit_of(forward) is not None:
                yield forward, obj
            stack += reversed(list(_held(obj)))


def _held(obj: Any) -> Iterator[Any]:
    yield from (instance_dict(obj) or {}).values()
    for cls in type(obj).__mro__:
        for slot in cls.__dict__.values():
            if type(slot) is MemberDescriptorType:
                value = inspect.getattr_static(obj, slot.__name__, MISSING)
                if value is slot:
                    try:
                        yield slot.__get__(obj, cls)
                    except AttributeError:
                        continue  # an empty slot


def _is_empty(cell: Any) -> bool:
    try:
        return cell.cell_contents is MISSING
    except ValueError:
        return True


def decorated_in(package: str) -> list[Any]:
    """The decorated classes and functions that the modules of a package (or a module) define, in order.

    Raises:
        TargetError: there is no such package, or importing one of its modules fails.
    """
    found: list[Any] = []
    for module in _modules(package):
        for obj in vars(module).values():
            if getattr(obj, "__module__", None) != module.__name__:
                continue
            if isinstance(obj, type):
                forward = obj.__dict__.get("forward")
                if isinstance(forward, FunctionType) and unit_of(forward) is not None:
                    found.append(obj)
            elif isinstance(obj, FunctionType) and unit_of(obj) is not None:
                found.append(obj)
    return found


def _modules(package: str) -> Iterator[ModuleType]:
    try:
        root = importlib.import_module(package)
        yield root
        for each in pkgutil.walk_packages(getattr(root, "__path__", ()), f"{package}."):
            if not each.name.endswith("__main__"):
                yield importlib.import_module(each.name)
    except ImportError as exc:
        raise TargetError(f"{package} cannot be imported: {exc}") from exc
