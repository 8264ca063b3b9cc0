"""A guard holds until what it is for has changed, whatever that is, and its memory outlives everything."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from types import CodeType, FunctionType
from typing import Any

import pytest

from ember_jit.runtime.guard import NEVER, Guard, is_available, make_guard
from ember_jit.runtime.layout import event_version

pytestmark = pytest.mark.skipif(not is_available(), reason="there are no guards here")


class Base:
    pass


class Other(Base):
    pass


class Owner(Base):
    pass


class Unrelated:
    pass


def body() -> int:
    return 1


def another() -> int:
    return 2


def asks(guard: Guard, receiver: Any) -> bool:
    """The code that is entered before the guard is asked."""
    return guard(receiver)


def made(owner: type = Owner) -> Guard:
    asks(NEVER, None)
    guard = make_guard(owner, [Other], [(body, body.__code__)], asks.__code__)
    assert guard is not None
    return guard


def bases(kind: type, *found: type) -> None:
    kind.__bases__ = found


ENDS: dict[str, Callable[[], Any]] = {
    "an attribute of the owner": lambda: setattr(Owner, "x", 1),
    "the same attribute again": lambda: setattr(Owner, "x", 1),
    "a method of another class": lambda: setattr(Other, "forward", lambda self: None),
    "an attribute of a base": lambda: setattr(Base, "x", 1),
    "an attribute is deleted": lambda: delattr(Base, "x"),
    "the bases": lambda: bases(Owner, type("New", (Base,), {})),
    "the code of a function": lambda: setattr(body, "__code__", another.__code__.replace()),
}  # fmt: skip

KEEPS: dict[str, Callable[[], Any]] = {
    "an attribute of an unrelated class": lambda: setattr(Unrelated, "x", 1),
    "a subclass": lambda: type("New", (Owner,), {"x": 1}),
    "a new function": lambda: lambda: None,
    "an attribute of an instance": lambda: setattr(Owner(), "x", 1),
    "an attribute of the function": lambda: setattr(body, "x", 1),
    "a look-up": lambda: hasattr(Owner, "z"),
}


@pytest.mark.parametrize("change", ENDS.values(), ids=ENDS)
def test_ends_with(change: Callable[[], Any]) -> None:
    Base.x = 0  # type: ignore[attr-defined]
    guard = made()
    assert asks(guard, Owner()) is True
    change()
    assert asks(guard, Owner()) is False
    assert asks(made(), Owner()) is True


@pytest.mark.parametrize("change", KEEPS.values(), ids=KEEPS)
def test_is_kept_by(change: Callable[[], Any]) -> None:
    guard = made()
    change()
    assert asks(guard, Owner()) is True


def test_the_receiver_must_be_of_the_very_class() -> None:
    guard = made()
    for receiver in (Other(), type("Sub", (Owner,), {})(), Owner, None, 3, "text", object(), body):
        assert asks(guard, receiver) is False
    changing = Owner()
    changing.__class__ = Other  # type: ignore[assignment]
    assert asks(guard, changing) is False


def test_a_class_that_was_made_where_the_owner_lay_is_another() -> None:
    owner = type("Owner", (), {})
    gone, guard = weakref.ref(owner), made(owner)
    assert asks(guard, owner())
    del owner
    gc.collect()
    assert gone() is None, "the guard keeps its owner alive"
    for _ in range(300):
        successor = type("Owner", (), {"forward": None})
        hasattr(successor, "forward")
        assert not asks(guard, successor())


def test_what_is_compared_is_kept_alive() -> None:
    kind, function = type("Kind", (), {}), FunctionType(body.__code__, {})
    gone = weakref.ref(kind), weakref.ref(function)
    guard = make_guard(Owner, [kind], [(function, function.__code__)], asks.__code__)
    assert guard is not None
    del kind, function
    gc.collect()
    assert None not in (gone[0](), gone[1]())
    del guard
    gc.collect()
    assert (gone[0](), gone[1]()) == (None, None)


def test_guards_in_cycles_are_collected() -> None:
    kind: Any = type("Kind", (), {})
    kind.guard = staticmethod(make_guard(Owner, [kind], [], asks.__code__))
    gone = weakref.ref(kind)
    del kind
    gc.collect()
    assert gone() is None


def test_answers_are_counted() -> None:
    guard, owner, other = made(), Owner(), Other()
    before = sys.getrefcount(True), sys.getrefcount(False), sys.getrefcount(Owner)
    for _ in range(10_000):
        guard(owner)
        guard(other)
    after = sys.getrefcount(True), sys.getrefcount(False), sys.getrefcount(Owner)
    assert all(abs(now - then) < 100 for now, then in zip(after, before, strict=True))


@pytest.mark.parametrize("hook", ["settrace", "setprofile"])
def test_ends_while_somebody_traces(hook: str) -> None:
    get, put = getattr(sys, hook.replace("set", "get")), getattr(sys, hook)
    guard, before = made(), get()
    put(lambda *_: None)
    try:
        seen = asks(guard, Owner())
    finally:
        put(before)
    assert seen is False


@pytest.mark.skipif(sys.version_info < (3, 12), reason="events have a version from 3.12 on")
def test_the_version_of_the_events_tells_who_comes_and_goes() -> None:
    events = event_version(body.__code__)
    assert events is not None
    seen = []
    for hook in (None, lambda *_: None, None):
        before = sys.getprofile()
        sys.setprofile(hook)
        body()
        seen.append(events.now())
        sys.setprofile(before)
    body()
    assert events.now() > seen[1] > seen[0]


def test_a_class_without_a_version_has_no_guard() -> None:
    """CPython 3.13+ tells a class apart from itself a thousand times."""
    kind: Any = type("Kind", (), {})
    asks(NEVER, None)  # prepared for the events of now
    for number in range(1100):
        kind.x = number
        guard = make_guard(Owner, [kind], [], asks.__code__)
        if guard is None:
            assert sys.version_info >= (3, 13)
            break
        assert asks(guard, Owner())
    else:
        assert sys.version_info < (3, 13)


def test_threads_that_change_and_threads_that_ask() -> None:
    kinds: list[Any] = [type(f"Kind{number}", (), {}) for number in range(4)]
    start = threading.Barrier(len(kinds))
    wrong: list[Any] = []
    asks(NEVER, None)

    def work(mine: Any) -> None:
        start.wait()
        for number in range(1, 300):
            guard = make_guard(mine, kinds, [(body, body.__code__)], asks.__code__)
            mine.x = number
            if guard is not None and asks(guard, mine()):
                wrong.append(mine)
            with suppress(AttributeError):
                del kinds[0].x

    threads = [threading.Thread(target=work, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_page_cannot_be_written() -> None:
    guard = made()
    definition = ctypes.c_uint64.from_address(id(guard) + 16).value
    with open("/proc/self/maps", encoding="ascii") as maps:
        found = [line.split()[1] for line in maps if _holds(line, definition)]
    assert found == ["r-xp"]


def _holds(line: str, address: int) -> bool:
    first, last = (int(each, 16) for each in line.split()[0].split("-"))
    return first <= address < last


def test_in_a_subinterpreter() -> None:
    """It has guards of its own, or none."""
    interpreters = pytest.importorskip(
        "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    )
    program = f"""if True:
        import sys
        sys.path[:] = {[*sys.path]!r}
        from ember_jit.runtime.guard import is_available, make_guard
        class Owner: pass
        def asks(): pass
        if is_available():
            guard = make_guard(Owner, [Owner], [], asks.__code__)
            assert guard(Owner())
            Owner.x = 1
            assert not guard(Owner())
    """
    number = interpreters.create()
    try:
        assert interpreters.run_string(number, program) is None
    finally:
        interpreters.destroy(number)
    assert asks(made(), Owner()) is True


PROGRAM = """
import atexit, gc, os, sys, threading
from ember_jit import Operator, structural_jit

class Plus(Operator):
    def forward(self, *, inputs):
        return {"v": inputs["v"] + 1}

@structural_jit
class Chain(Operator):
    def __init__(self): self.a, self.b = Plus(), Plus()
    def forward(self, *, inputs):
        x = self.a(inputs=inputs)
        return self.b(inputs=x)

op = Chain()
def call():
    assert op(inputs={"v": 1}) == {"v": 3}
for _ in range(20): call()

class Late:                                   # by the collector, at exit or when the modules are cleared
    def __init__(self): self.itself = self
    def __del__(self, op=op, Plus=Plus):
        op(inputs={"v": 1})
        Plus.x = 1
        op(inputs={"v": 1})
late = Late()
atexit.register(call)
atexit.register(lambda: setattr(Plus, "y", 1))

def forever():
    while True: op(inputs={"v": 1})
if THREADS:
    for _ in range(3): threading.Thread(target=forever, daemon=True).start()
if FORK:
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
    else:
        for _ in range(100): call()
        Plus.z = 1
        call()
for number in range(10):
    Plus.x = number
    call()
    gc.collect()
"""


@pytest.mark.parametrize("threads", [False, True], ids=["alone", "threads"])
@pytest.mark.parametrize("fork", [False, True], ids=["", "fork"])
def test_the_interpreter_ends_cleanly(fork: bool, threads: bool, tmp_path: Any) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace("FORK", str(fork)).replace("THREADS", str(threads)))
    command = [sys.executable, "-X", "dev", "-W", "ignore::DeprecationWarning", str(program)]
    path = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=path)
    assert (done.returncode, done.stderr) == (0, "")


def test_code_is_no_argument_that_is_kept() -> None:
    code: CodeType = asks.__code__.replace()
    gone = weakref.ref(code)
    guard = make_guard(Owner, [], [], code)
    assert guard is not None
    del code
    assert gone() is None
