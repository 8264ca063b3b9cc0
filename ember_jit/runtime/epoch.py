"""The epoch: one attribute that is lost when a watched class changes, or the code of any function.

CPython 3.12+ calls back when a watched class is modified, and when any function is made, freed or given other
code.  A callback in Python would run for every lambda that is made and freed, so the callbacks are a
few bytes of machine code that store `None` into the one slot of `LEDGER`:

    epoch = begin()               # then everything is looked at
    LEDGER.epoch is epoch         # nothing has changed since: a few ns, whatever the number of classes

Only where it is known to work: the main interpreter of a CPython with the GIL on x86-64 Linux, with executable
memory to be had and a trial of both watchers passed.  Elsewhere `watchers` gives None, and there are no chains.

Invariants:
- What CPython may call or the code writes to is there until the process ends: see `Watchers`.
- Once the interpreter exits there is no epoch any more, and none begins: chains run plain from then on.
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

    These addresses are kept outside of Python, and what lies there is never freed, moved or changed:

        the page            by CPython, which calls it; mapped by itself and unmapped by nobody
        the slot of LEDGER  by the page; LEDGER has a reference that is never given up
        None                by the page; immortal

    So it does no harm if CPython calls late: from a daemon thread, from a finaliser at exit, in a forked child, or after
    another copy of this module was imported.  What it costs is one small object for each change that was noticed,
    whose reference the machine code does not give up.

    Attributes:
        is_over: the interpreter exits, and nothing is watched any more.

    Raises:
        OSError: no executable memory, or the layout of objects is not as expected.
        RuntimeError: CPython has no watcher left to give, or this is a subinterpreter, whose memory may go before the process ends.
    """

    def __init__(self) -> None:
        import ctypes

        self._object = ctypes.py_object
        self._watch = ctypes.pythonapi[
            "PyType_Watch"
        ]  # by index: not the function objects that others configure
        self._assign_version = ctypes.pythonapi["PyUnstable_Type_AssignVersionTag"]
        self._clear_types = ctypes.pythonapi["PyType_ClearWatcher"]
        self._clear_functions = ctypes.pythonapi["PyFunction_ClearWatcher"]
        self.is_over = False
        if not _is_main_interpreter():
            raise RuntimeError("subinterpreters are not watched")
        slot = id(LEDGER) + object.__basicsize__
        LEDGER.epoch = mark = object()
        if ctypes.c_void_p.from_address(slot).value != id(mark):
            raise OSError("the slot of an object does not lie where it should")
        on_type, on_function = machine_code(slot)
        start = executable(on_type + on_function)
        ctypes.pythonapi["Py_IncRef"](self._object(LEDGER))
        add_function = ctypes.pythonapi["PyFunction_AddWatcher"]
        self._types = ctypes.pythonapi["PyType_AddWatcher"](ctypes.c_void_p(start))
        try:
            self._functions = add_function(ctypes.c_void_p(start + len(on_type)))
        except RuntimeError:
            self._clear_types(self._types)
            raise
        atexit.register(self.clear)

    def clear(self) -> None:
        """Ask for no more calls, and let no epoch begin any more."""
        self.is_over = True
        LEDGER.epoch = None
        atexit.unregister(self.clear)
        self._clear_functions(self._functions)
        self._clear_types(self._types)

    def watch(self, kind: type) -> bool:
        """Let any change of a class end the epoch.

        Returns:
            Whether it will: a class that has changed a thousand times is not told apart from itself any more.
        """
        if self.is_over:
            return False
        held = self._object(kind)
        self._watch(self._types, held)
        return bool(self._assign_version(held) == 1)

    def begin(self) -> object:
        """The epoch from now on; once the interpreter exits, an object that is none."""
        epoch = LEDGER.epoch
        if self.is_over:
            return object()
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


def executable(code: bytes) -> int:
    """The address of `code` in memory of its own, which can be run and not written, for as long as the process lives.

    Raises:
        OSError: the system does not give such memory.
    """
    import ctypes
    import mmap

    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
    libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    start = libc.mmap(None, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE, private, -1, 0)
    if start == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "no memory")
    ctypes.memmove(start, code, len(code))
    if libc.mprotect(start, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC) != 0:
        raise OSError(ctypes.get_errno(), "no executable memory")
    return int(start)


def _is_main_interpreter() -> bool:
    import ctypes

    here = ctypes.pythonapi["PyInterpreterState_Get"]
    main = ctypes.pythonapi["PyInterpreterState_Main"]
    here.restype = main.restype = ctypes.c_void_p
    return bool(here() == main())


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
    if _notice_what_they_should(made):
        return made
    made.clear()
    return None


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
