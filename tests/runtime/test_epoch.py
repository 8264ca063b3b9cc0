"""The epoch ends with what it must end with, and with nothing else."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ember_jit.runtime.epoch import LEDGER, Watchers, watchers
from ember_jit.runtime.layout import event_version

found: Any = watchers()
pytestmark = pytest.mark.skipif(found is None, reason="this Python cannot watch classes")


class Base:
    pass


class Watched(Base):
    pass


class Other:
    pass


def function() -> int:
    return 1


def another() -> int:
    return 2


def swap_code() -> None:
    function.__code__ = another.__code__.replace()


ENDS: dict[str, Callable[[], Any]] = {
    "an attribute": lambda: setattr(Watched, "x", 1),
    "an attribute again": lambda: setattr(Watched, "x", 1),
    "an attribute of a base": lambda: setattr(Base, "x", 1),
    "a deletion": lambda: delattr(Base, "x"),
    "the bases": lambda: setattr(Watched, "__bases__", (type("New", (Base,), {}),)),
    "the code of a function": swap_code,
}

KEEPS: dict[str, Callable[[], Any]] = {
    "an attribute of an unwatched class": lambda: setattr(Other, "x", 1),
    "a new class": lambda: type("New", (), {"x": 1}),
    "a new function": lambda: lambda: None,
    "an attribute of an instance": lambda: setattr(Watched(), "x", 1),
    "defaults": lambda: setattr(function, "__defaults__", ()),
    "an attribute of a function": lambda: setattr(function, "x", 1),
}


@pytest.mark.parametrize("change", ENDS.values(), ids=ENDS)
def test_ends(change: Callable[[], Any]) -> None:
    Base.x = 0  # type: ignore[attr-defined]
    epoch = found.begin()
    assert found.watch(Watched)
    assert LEDGER.epoch is epoch
    change()
    assert LEDGER.epoch is None
    assert found.begin() is not epoch


@pytest.mark.parametrize("change", KEEPS.values(), ids=KEEPS)
def test_keeps(change: Callable[[], Any]) -> None:
    epoch = found.begin()
    assert found.watch(Watched)
    change()
    assert LEDGER.epoch is epoch


def test_a_class_that_is_gone_leaves_nothing_behind() -> None:
    for _ in range(100):
        fleeting = type("Fleeting", (Base,), {})
        epoch = found.begin()
        assert found.watch(fleeting)
        del fleeting
    Base.y = 1  # type: ignore[attr-defined]
    assert LEDGER.epoch is not epoch


def test_threads_that_begin_and_threads_that_change() -> None:
    kinds = [type(f"Kind{number}", (), {}) for number in range(4)]
    start = threading.Barrier(4)
    stale: list[type] = []

    def work(kind: type) -> None:
        start.wait()
        for number in range(500):
            epoch = found.begin()
            if found.watch(kind):
                kind.x = number  # type: ignore[attr-defined]
                if LEDGER.epoch is epoch:
                    stale.append(kind)

    threads = [threading.Thread(target=work, args=(kind,)) for kind in kinds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not stale


def test_no_watcher_left() -> None:
    with pytest.raises(RuntimeError, match="watcher"):
        for _ in range(9):
            made.append(Watchers())
    for each in made:
        each.clear()


made: list[Watchers] = []


def test_nothing_begins_once_it_is_over() -> None:
    over = Watchers()
    epoch = over.begin()
    assert LEDGER.epoch is epoch
    over.clear()
    assert LEDGER.epoch is None
    assert not over.watch(Watched)
    assert over.begin() is not LEDGER.epoch
    assert LEDGER.epoch is None


def test_a_subinterpreter_is_not_watched() -> None:
    interpreters = pytest.importorskip(
        "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    )
    path = [*sys.path]
    program = f"""if True:
        import sys
        sys.path[:] = {path!r}
        from ember_jit.runtime.epoch import watchers
        assert watchers() is None
    """
    number = interpreters.create()
    try:
        assert interpreters.run_string(number, program) is None
    finally:
        interpreters.destroy(number)


PROGRAM = """
import atexit
atexit.register(lambda: setattr(Kept, "x", 2))
from ember_jit.runtime.epoch import watchers
class Kept: pass
class Late:
    def __del__(self):
        Kept.x = 1
        (lambda: 0).__code__ = (lambda: 1).__code__
late = Late()
found = watchers()
found.begin()
found.watch(Kept)
late.itself = late
if FORK:
    import os
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
Kept.x = 0
"""


@pytest.mark.parametrize("fork", [False, True])
def test_the_interpreter_ends_cleanly(fork: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "ignore::DeprecationWarning", "-c", PROGRAM.replace("FORK", str(fork))],
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_the_version_of_the_events_tells_who_comes_and_goes() -> None:
    view: Any = event_version(function.__code__)
    seen = []
    for hook in (None, lambda *_: None, None):
        before = sys.getprofile()
        sys.setprofile(hook)
        function()
        seen.append(view[0])
        sys.setprofile(before)
    function()
    assert view[0] > seen[1] > seen[0]
