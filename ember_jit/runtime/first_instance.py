"""`jit(sample_input=...)`: the first instance of a class is compiled when it has been made, not when it is called.

The class stays as it is: for that one time its own `__init__` runs behind a stub (as a decorated `forward` does
before it is compiled); then its code is put back.  A class without an `__init__` of its own is compiled at the
first call.  Nothing of the operator runs: compiling only reads.
"""

from __future__ import annotations

import inspect
import threading
from types import CodeType, FunctionType
from typing import Any

from ember_jit.kinds import is_a
from ember_jit.runtime.dispatch import unit_of
from ember_jit.runtime.frames import leave_no_trace
from ember_jit.runtime.originals import is_replacement, remember, twin_of
from ember_jit.runtime.overlays import put_code
from ember_jit.runtime.stubs import stub_code


class _First:
    """What the stub of an `__init__` hands its calls to."""

    def __init__(self, cls: type, init: FunctionType) -> None:
        self._cls = cls
        self._init = init
        self._code = init.__code__
        self._lock = threading.Lock()
        self._back = False
        self.stub: CodeType | None = None

    def first(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Make the instance with the user's own code, then compile its `forward`."""
        twin_of(self._init, self._code)(*args, **kwargs)
        made = args[0]
        with self._lock:
            forward = inspect.getattr_static(type(made), "forward", None)
            if type(made) is not self._cls or not is_a(forward, FunctionType):
                return
            if not self._back:
                self._back = True
                put_code(self._init, self._code)
        unit = unit_of(forward)
        if unit is not None:
            try:
                unit.settle(forward, made)
            except RecursionError:
                return  # no room on the stack to compile: at the first call, then

    def trim(self) -> None:
        """Take our frames out of the traceback of what the user's `__init__` raised."""
        leave_no_trace(self.stub)


def compile_first_instance(cls: type) -> None:
    """Have the first instance of `cls` compiled as soon as it is made."""
    init = cls.__dict__.get("__init__")
    if not is_a(init, FunctionType) or is_replacement(init.__code__):
        return
    first = _First(cls, init)
    first.stub = stub_code(init.__code__, first)
    remember(first.stub, init.__code__)
    put_code(init, first.stub)
