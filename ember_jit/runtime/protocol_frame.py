"""The frame of `Operator.__call__` where a call goes straight to `forward`: tracebacks have it, as in plain Python.

    plain                                        straight, without this
    File "app.py", line 9, in forward            File "app.py", line 9, in forward
    File ".../operators.py", in __call__         File "app.py", line 3, in forward
    File "app.py", line 3, in forward

A straight call (`compiler.passes.straight`) saves that frame until an exception passes: its handler makes one then, and
puts it where plain Python has it.  So a call that returns pays nothing.

    try: x = _op.forward(inputs=x)
    except: _unit.through(_unit.called(_op, inputs=x)); raise

`called` has the name, file, lines and columns of `Operator.__call__`, and the same variables, but it returns its frame.
The straight function itself calls it, so that this is the frame behind it, as in plain Python.  A stand-in of an operator
is entered through such a twin of its class's own `__call__` (`entry`), which goes on to the stand-in.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache, partial
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any

from ember_jit import operators
from ember_jit.runtime.originals import original_code

_CALLEE = "('f'or'f')"  # calling a constant alone would make the compiler warn


@lru_cache(maxsize=256)
def _twin(code: CodeType, arguments: str) -> tuple[CodeType, int, int]:
    """The code of a `__call__` that calls its constant "f" in place of `self.forward`, in the same lines and columns.

    Args:
        code: of a `__call__` that does nothing but call `forward`.
        arguments: what the other call gives, without the last parenthesis.

    Returns:
        The code, the line of the call, and its place in the bytecode.

    Raises:
        ValueError: the call is written in a way that has no room for the other one.
    """
    # the call is, of all that ends last, what begins last; under `-X no_debug_ranges` there are no columns
    places = [each for each in code.co_positions() if each[0] and each[2] and each[3]]
    last = max(line for *_, line in code.co_lines() if line)
    line, ends, column, end = max(
        places or [(last, last, 40, 80)], key=lambda each: (each[1], each[3], each[0], each[2])
    )
    assert line is not None and ends is not None and column is not None and end is not None  # noqa: PT018
    first = code.co_firstlineno
    head = "\n" * (first - 2) + "if 1:\n def __call__(self, *, inputs):" + "\n" * (line - first)
    body = f"{'return':>{column - 1}} {_CALLEE}{arguments}"
    if ends == line:
        close = "".join((" " * (end - 1 - len(body)), ")"))
    else:
        close = "\n" * (ends - line) + f"{')':>{end}}"
    module = compile(head + body + close, code.co_filename, "exec", dont_inherit=True)
    (made,) = (each for each in module.co_consts if isinstance(each, CodeType))
    made = made.replace(co_name=code.co_name, co_qualname=code.co_qualname)
    wanted = (line, ends, column, end) if places else (line, line, None, None)
    return made, line, 2 * list(made.co_positions()).index(wanted)


def _with(call: FunctionType, code: CodeType, target: Any) -> FunctionType:
    consts = tuple(target if const == "f" else const for const in code.co_consts)
    return FunctionType(code.replace(co_consts=consts), call.__globals__, call.__name__)


def entry(call: FunctionType, owner: Any, forward: Callable[..., Any]) -> Callable[..., Any]:
    """What an operator's call becomes where `forward` stands in for its own: the frame of its `__call__` included."""
    try:
        code, _, _ = _twin(original_code(call), "(inputs=inputs")
    except ValueError:
        return forward
    return partial(_with(call, code, forward), owner)


_CALL: Any = operators.Operator.__call__
_CODE, _LINE, _AT = _twin(_CALL.__code__, "(")
called = _with(_CALL, _CODE, sys._getframe)


def through(frame: FrameType) -> None:
    """Put `frame`, one of `called`, behind the caller's in the traceback of the exception that is being handled."""
    exc = sys.exception()
    if exc is not None:  # past a `__getattribute__` of the user's
        trace: TracebackType | None = BaseException.__getattribute__(exc, "__traceback__")
        if trace is not None and trace.tb_frame is sys._getframe(1):
            trace.tb_next = TracebackType(trace.tb_next, frame, _AT, _LINE)
