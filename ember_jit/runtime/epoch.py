"""The epoch: one attribute that is lost when a watched class changes, or the code of any function.

CPython 3.12+ calls back when a watched class is modified, and when any function is made, freed or given other
code.  A callback in Python would run for every lambda that is made and freed, so the callbacks are a
few bytes of machine code that store `None` into the one slot of `LEDGER`:

    epoch = begin()               # then everything is looked at
    LEDGER.epoch is epoch         # nothing has changed since: a few ns, whatever the number of classes

Only where it is known to work: CPython with the GIL on x86-64 Linux, with executable memory to be had and a
trial of both watchers passed.  Elsewhere `watchers` gives None, and there are no chains.
"""

from __future__ import annotations

import atexit
import platform
import struct
import sys
import sysconfig
from functools import lru_cache
from types import FunctionType
from typing import Any

_MODIFY_CODE = (
    2  # PyFunction_EVENT_MODIFY_CODE; 0 and 1 are the making and the freeing of a function
)


class Ledger:
    """Holds the epoch of the process.

    Attributes:
        epoch: an object of its own, or None once something has changed.
    """

    __slots__ = ("epoch",)

    def __init__(self) -> None:
        self.epoch: object = None


LEDGER = Ledger()


class Watchers:
    """The type watcher and the function watcher of this interpreter.

    Nothing that CPython may still call or that is written to is ever freed: the page, the ledger, and one
    small object for each change that was noticed, whose reference the machine code did not give up.

    Raises:
        OSError: no executable memory, or the layout of objects is not as expected.
        RuntimeError: CPython has no watcher left to give.
    """

    def __init__(self) -> None:
        import ctypes
        import mmap

        self._object = ctypes.py_object
        self._api = ctypes.pythonapi
        slot = id(LEDGER) + object.__basicsize__
        LEDGER.epoch = mark = object()
        if ctypes.c_void_p.from_address(slot).value != id(mark):
            raise OSError("the slot of an object does not lie where it should")
        on_type, on_function = machine_code(slot)
        access = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=access)
        page.write(on_type + on_function)
        start = ctypes.addressof(ctypes.c_char.from_buffer(page))
        for lasting in (page, LEDGER):
            self._api.Py_IncRef(self._object(lasting))
        self._types = self._api.PyType_AddWatcher(ctypes.c_void_p(start))
        self._functions = self._api.PyFunction_AddWatcher(ctypes.c_void_p(start + len(on_type)))
        atexit.register(self._clear)

    def _clear(self) -> None:
        """Ask for no more calls."""
        atexit.unregister(self._clear)
        self._api.PyFunction_ClearWatcher(self._functions)
        self._api.PyType_ClearWatcher(self._types)

    def watch(self, kind: type) -> bool:
        """Let any change of a class end the epoch.

        Returns:
            Whether it will: a class that has changed a thousand times is not told apart from itself any more.
        """
        held = self._object(kind)
        self._api.PyType_Watch(self._types, held)
        return bool(self._api.PyUnstable_Type_AssignVersionTag(held) == 1)

    def begin(self) -> object:
        """The epoch from now on."""
        epoch = LEDGER.epoch
        if epoch is None:
            epoch = LEDGER.epoch = object()
        return epoch


def machine_code(slot: int) -> tuple[bytes, bytes]:
    """The callbacks for types and for functions, as x86-64 code of the System V calling convention.

    Args:
        slot: the address of the pointer that becomes `None`, which is immortal and needs no count.
    """
    none = struct.pack("<Q", id(None))
    store = b"\x48\xb8" + struct.pack("<Q", slot)  # mov rax, slot
    store += b"\x48\xb9" + none  # mov rcx, None
    store += b"\x48\x89\x08"  # mov [rax], rcx
    unless_code = b"\x83\xff" + bytes([_MODIFY_CODE])  # cmp edi, event
    unless_code += b"\x75" + bytes([len(store)])  # jne leave
    enter, leave = b"\xf3\x0f\x1e\xfa", b"\x31\xc0\xc3"  # endbr64; xor eax, eax; ret
    return enter + store + leave, enter + unless_code + store + leave


@lru_cache(maxsize=1)
def watchers() -> Watchers | None:
    """The watchers, if they work here."""
    usable = (
        sys.implementation.name == "cpython"
        and (3, 12) <= sys.version_info[:2] <= (3, 14)
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
        and sys.platform == "linux"
        and platform.machine() == "x86_64"
        and sys.maxsize == 2**63 - 1
    )
    if not usable:
        return None
    try:
        made = Watchers()
    except (OSError, RuntimeError, ImportError, AttributeError):
        return None
    return made if _notice_what_they_should(made) else None


def _notice_what_they_should(made: Watchers) -> bool:
    class Parent:
        pass

    class Child(Parent):
        pass

    def function() -> Any:
        return lambda: None

    changes: list[Any] = [
        lambda: setattr(Child, "x", 1),
        lambda: setattr(Parent, "x", 1),
        lambda: setattr(function, "__code__", function.__code__.replace()),
    ]
    for change in changes:
        if not made.watch(Child):
            return False
        epoch = made.begin()
        FunctionType((lambda: None).__code__, {})
        if LEDGER.epoch is not epoch:
            return False
        change()
        if LEDGER.epoch is not None:
            return False
    return True
