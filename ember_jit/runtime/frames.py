"""Which frames are ours, and tracebacks without them: they show what plain Python would.

    File "app.py", line 9, in forward            File "app.py", line 9, in forward
    File ".../runtime/working.py", ...      ->   File ".../operators.py", line 23, in __call__
    File ".../operators.py", in __call__         File "app.py", line 3, in forward
    File "app.py", line 3, in forward

A frame takes itself out: whoever catches sets `exc.__traceback__` and re-raises with a bare `raise`, to which CPython
adds no entry.  `EMBER_JIT_FULL_TRACEBACK=1` keeps everything.

Invariant: a frame is ours by its file alone, any file of this package or any code that it generated; but the
frame of `Operator.__call__` is the user's, for it stands in plain Python too.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType, TracebackType

from ember_jit import operators
from ember_jit.config import config

_PACKAGE = __file__.rsplit("runtime", 1)[0]
_PROTOCOL = operators.__file__


def is_ours(frame: FrameType) -> bool:
    """Whether plain Python would not have this frame."""
    filename = frame.f_code.co_filename
    return filename.startswith((_PACKAGE, "<ember_jit ")) and filename != _PROTOCOL


def user_part(trace: TracebackType | None, stub: CodeType | None = None) -> TracebackType | None:
    """A traceback without our own frames at its top; `stub` is code of ours under the name of the user's."""
    while trace is not None and (is_ours(trace.tb_frame) or trace.tb_frame.f_code is stub):
        trace = trace.tb_next
    return trace


def leave_no_trace(stub: CodeType | None = None) -> None:
    """Take our frames off the top of the traceback of the exception that is being handled, the caller's included.

    It is to be followed by a bare `raise`.
    """
    exc = sys.exception()
    if exc is not None and not config().full_traceback:
        # past a `__getattribute__` or `__setattr__` of the user's
        trace = BaseException.__getattribute__(exc, "__traceback__")
        BaseException.with_traceback(exc, user_part(trace, stub))
