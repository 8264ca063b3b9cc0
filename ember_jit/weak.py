"""Tables about objects that must not keep them alive: an entry goes when the object does.

    kept[id(obj)] = dropping(kept, id(obj), obj), what_is_known
    found = kept.get(id(obj))
    found is not None and found[0]() is obj         an identity may be given again

Not `weakref.WeakKeyDictionary`: it asks its keys for `__hash__` and `__eq__`, which may be code of the program.
"""

from __future__ import annotations

import weakref
from collections.abc import Hashable
from typing import Any, TypeVar

_T = TypeVar("_T")


def dropping(kept: dict[Any, Any], key: Hashable, obj: _T) -> weakref.ref[_T]:
    """A weak reference to `obj`; `kept[key]` is dropped when that goes.

    Raises:
        TypeError: there are no weak references to such an object.
    """
    drop = kept.pop  # bound now: at exit the module's names are gone
    return weakref.ref(obj, lambda _: drop(key, None))
