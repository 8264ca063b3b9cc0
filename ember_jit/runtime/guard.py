"""The guard of a chain: one call, into a few bytes of machine code, that finds whether anything has changed.

    guard = make_guard(owner, classes, functions, code)
    guard(receiver)             # 20 to 45 ns, whatever there is to be compared

True while all of this holds, which CPython notes in memory and the guard compares, word by word, with what it was:

    the class of `receiver` is `owner`      by its version tag: no other class ever has the same one, and
    no class has changed, nor a base        it is another after each change (`runtime.class_tags`)
    each function has the code it had       by the address of the code object
    nobody traces                           3.11: by the thread's state; 3.12+: by the version of the events for
                                            which `code` was prepared when it was entered, and by what is
                                            noted of the events of each body alone (`runtime.layout`)

Only where it is known to work: CPython with the GIL on x86-64 Linux, with executable memory to be had and a trial
passed.  Elsewhere `is_available` says no, and there are no chains.

Invariants:
- Whatever the guard reads is alive: it owns the classes and the functions, `owner` is the class of its argument, and when
  `code` is freed (which must not be owned: it owns the guard) `Speculation` puts `NEVER` in the guard's place.
- It reads, and writes nothing but the count of the answer on 3.11.  It calls nothing but `PyThreadState_Get`.
- Its code and its definition are in a page of their own, which is never freed: a guard may be the last thing to go at exit.
"""

from __future__ import annotations

import platform
import struct
import sys
import sysconfig
import threading
from _thread import start_new_thread
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, Final

from ember_jit.runtime.class_tags import class_tag
from ember_jit.runtime.layout import event_version, local_events

Guard = Callable[[Any], bool]
NEVER: Guard = ().__contains__
"""A guard that never holds."""

_BY_THREAD: Final = sys.version_info < (3, 12)
"""Whether who traces is found in the state of the thread."""
_TAG = 384  # PyTypeObject.tp_version_tag, as `class_tags` has tried out
_CODE = 48  # PyFunctionObject.func_code
_CFRAME = 56  # PyThreadState.cframe of 3.11, whose first byte says whether somebody traces
_ITEMS = 24 if sys.version_info < (3, 14) else 32  # of a tuple; 3.14 keeps its hash in front
_BYTES = 32  # of a bytes object
_METH_O = 0x8
_HALF, _WHOLE = 2**32 - 1, 2**64 - 1


def make_guard(
    owner: type,
    classes: Sequence[type],
    functions: Sequence[tuple[FunctionType, CodeType]],
    code: CodeType,
) -> Guard | None:
    """A guard for things as they are now; None if there can be none.

    Args:
        owner: the class of its argument.
        classes: which must not change from now on, as `owner` must not.
        functions: each with the code that it must have.
        code: the code that calls the guard.  Not kept alive: the guard is not to be called when it is gone.
    """
    if not is_available():
        return None
    tags = [_tag(each) for each in (owner, *classes)]
    if not all(tags):
        return None
    table = struct.pack("<Q", tags[0])
    for each, tag in zip(classes, tags[1:], strict=True):
        table += _word(id(each) + _TAG, tag, _HALF)
    for function, expected in functions:
        table += _word(id(function) + _CODE, id(expected), _WHOLE)
    if not _BY_THREAD:
        version = event_version(code)
        if version is None:
            return None
        table += _word(version.address, version.value, _WHOLE)
        for body in (code, *(expected for _, expected in functions)):
            words = local_events(body)
            if words is None:
                return None
            for word in words:
                table += _word(word.address, word.value, _WHOLE)
    return _builtin((table + _word(0, 0, 0), *classes, *functions))


@lru_cache(maxsize=1)
def is_available() -> bool:
    """Whether guards work here."""
    known = (
        sys.implementation.name == "cpython"
        and (3, 11) <= sys.version_info[:2] <= (3, 14)
        and not sysconfig.get_config_var("Py_GIL_DISABLED")
        and object.__basicsize__ == 16  # else there is more in each object than a count and a class
        and sys.platform == "linux"
        and platform.machine() == "x86_64"
        and sys.maxsize == 2**63 - 1
    )
    if not known:
        return False
    try:
        return _notices_what_it_should() and (not _BY_THREAD or _sees_who_traces())
    except (OSError, ImportError):  # ImportError: a subinterpreter that cannot have `ctypes`
        return False


def _tag(kind: type) -> int:
    """The version tag of a class; 0 if it has none, as on 3.13+ one that has changed a thousand times."""
    found = class_tag(kind)
    return 0 if found is None else int(found.value)  # read once: it may be lost meanwhile


def _word(address: int, expected: int, mask: int) -> bytes:
    """An entry of the table: what must be at an address, and which of its bits count."""
    return struct.pack("<QQQ", address, expected, mask)


# ---------------------------------------------------------------------- the machine code
def machine_code() -> bytes:
    """`PyObject *guard(PyObject *owned, PyObject *receiver)`, in x86-64 of the System V calling convention.

    `owned` is a tuple, whose first item holds the table: the tag of the receiver's class, then the words.
    """
    made = _Assembly()
    made += b"\xf3\x0f\x1e\xfa"  # endbr64
    made += b"\x48\x8b\x57" + bytes([_ITEMS])  # mov rdx, [rdi + items]
    made += b"\x48\x83\xc2" + bytes([_BYTES])  # add rdx, bytes
    made += b"\x48\x8b\x76\x08"  # mov rsi, [rsi + 8]: its class
    if _BY_THREAD:
        made += b"\x52\x56\x50"  # push rdx; push rsi; push rax: the stack is aligned again
        made += b"\x48\xb8" + _pointer(_address_of("PyThreadState_Get"))  # mov rax, address
        made += b"\xff\xd0"  # call rax
        made += b"\x59\x5e\x5a"  # pop rcx; pop rsi; pop rdx
        made += b"\x48\x8b\x40" + bytes([_CFRAME])  # mov rax, [rax + cframe]
        made += b"\x80\x38\x00"  # cmp byte [rax], 0
        made.jump(b"\x0f\x85", "no")  # jne
    made += b"\x8b\x02"  # mov eax, [rdx]
    made += b"\x39\x86" + struct.pack("<i", _TAG)  # cmp [rsi + tag], eax
    made.jump(b"\x0f\x85", "no")  # jne
    made += b"\x48\x83\xc2\x08"  # add rdx, 8
    made.label("next")
    made += b"\x48\x8b\x02"  # mov rax, [rdx]: the address of a word
    made += b"\x48\x85\xc0"  # test rax, rax
    made.jump(b"\x0f\x84", "yes")  # je
    made += b"\x48\x8b\x00"  # mov rax, [rax]
    made += b"\x48\x23\x42\x10"  # and rax, [rdx + 16]: the mask
    made += b"\x48\x3b\x42\x08"  # cmp rax, [rdx + 8]: what is expected
    made.jump(b"\x0f\x85", "no")  # jne
    made += b"\x48\x83\xc2\x18"  # add rdx, 24
    made.jump(b"\xe9", "next")  # jmp
    for label, answer in (("yes", True), ("no", False)):
        made.label(label)
        made += b"\x48\xb8" + _pointer(id(answer))  # mov rax, answer
        if _BY_THREAD:  # it is immortal only from 3.12 on
            made += b"\x48\xff\x00"  # inc qword [rax]
        made += b"\xc3"  # ret
    return made.linked()


class _Assembly(bytearray):
    """Machine code with jumps to labels."""

    def __init__(self) -> None:
        super().__init__()
        self._labels: dict[str, int] = {}
        self._jumps: list[tuple[int, str]] = []

    def label(self, name: str) -> None:
        self._labels[name] = len(self)

    def jump(self, instruction: bytes, label: str) -> None:
        """A jump with an offset of four bytes."""
        self += instruction
        self._jumps.append((len(self), label))
        self += bytes(4)

    def linked(self) -> bytes:
        for at, label in self._jumps:
            self[at : at + 4] = struct.pack("<i", self._labels[label] - (at + 4))
        return bytes(self)


def _pointer(address: int) -> bytes:
    return struct.pack("<Q", address)


def _address_of(function: str) -> int:
    import ctypes

    return ctypes.cast(ctypes.pythonapi[function], ctypes.c_void_p).value or 0


@lru_cache(maxsize=1)
def _definition() -> int:
    """The address of the guard's `PyMethodDef`, in memory of this process that can be run and not written.

    Raises:
        OSError: the system does not give such memory.
    """
    import ctypes
    import mmap

    from ember_jit.runtime.native.libc import protect

    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    start = libc.mmap(None, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE, private, -1, 0)
    if start == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "no memory")
    name = b"guard\0\0\0"
    code = struct.pack("<QQQQ", start + 32, start + 40, _METH_O, 0) + name + machine_code()
    ctypes.memmove(start, code, len(code))
    refused = protect(start, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC)
    if refused:
        raise OSError(refused, "no executable memory")
    return int(start)


def _builtin(owned: tuple[Any, ...]) -> Guard:
    """The guard as a builtin function, whose `__self__` is `owned`."""
    import ctypes

    definition = _definition()
    make = ctypes.pythonapi["PyCFunction_NewEx"]  # by index: not the object that others configure
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    made: Guard = make(definition, owned, None)
    return made


# ---------------------------------------------------------------------- the trial
def _trial(owner: type, other: type, function: Any) -> Guard | None:
    """A guard without a version of events: for `owner`, and `other`, and the code of `function`."""
    tags = [_tag(owner), _tag(other)]
    if not all(tags):
        return None
    table = struct.pack("<Q", tags[0]) + _word(id(other) + _TAG, tags[1], _HALF)
    table += _word(id(function) + _CODE, id(function.__code__), _WHOLE)
    return _builtin((table + _word(0, 0, 0), other, function))


def _notices_what_it_should() -> bool:
    import ctypes

    class Parent:
        pass

    class Child(Parent):
        pass

    class Sibling(Parent):
        pass

    def function() -> Any:
        return lambda: None

    held, text = (function,), b"guard"
    if not (
        ctypes.c_void_p.from_address(id(function) + _CODE).value == id(function.__code__)
        and ctypes.c_void_p.from_address(id(held) + _ITEMS).value == id(function)
        and ctypes.string_at(id(text) + _BYTES, 6) == b"guard\0"
    ):
        return False
    changes: list[Callable[[], Any]] = [
        lambda: setattr(Child, "x", 1),
        lambda: setattr(Sibling, "x", 1),
        lambda: setattr(Parent, "x", 1),
        lambda: setattr(function, "__code__", function.__code__.replace()),
    ]
    for change in changes:
        guard = _trial(Child, Sibling, function)
        if guard is None or guard(Child()) is not True or guard(Sibling()) is not False:
            return False
        change()
        if guard(Child()) is not False:
            return False
    return True


def _sees_who_traces() -> bool:
    """Tried out on a thread of its own: the one at hand may be traced already."""

    class Other:
        pass

    class Receiver:
        pass

    def nobody(*event: Any) -> None:
        return None

    guard, receiver = _trial(Receiver, Other, nobody), Receiver()
    if guard is None:
        return False
    found: list[bool] = []
    done = threading.Lock()

    def work() -> None:
        try:
            for hook in (sys.settrace, sys.setprofile):
                hook(None)
                found.append(guard(receiver))
                hook(nobody)
                found.append(not guard(receiver))
                hook(None)
                found.append(guard(receiver))
        finally:
            done.release()

    done.acquire()
    try:
        start_new_thread(work, ())
    except RuntimeError:  # there is no thread to be had
        return False
    with done:
        return found == [True] * 6
