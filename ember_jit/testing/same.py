"""`assert_same`: compiled against plain, over several calls.

The plain run works on deep copies of the operator and its inputs, made before the first call, and the compiled
run on the objects themselves: both start from the same state, and each goes on with the state that it
has made.  What lies outside of both (a file, a service, a module's variables) is there once, and is used twice.
"""

from __future__ import annotations

import copy
import inspect
import io
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from ember_jit.errors import OptionError, UncopyableError
from ember_jit.protocols import check_operator
from ember_jit.snapshot import attributes
from ember_jit.testing.likeness import Likeness
from ember_jit.testing.plain import eager

_NOTHING = object()


def assert_same(op: Any, inputs: Any = None, *, calls: int = 2, plain: Any = None) -> None:
    """Check that a compiled operator does what it does as plain Python.

    Compared after each call: the result (types, values, and which parts of it are parts of the arguments, of
    the operator or of earlier results), the exception (type, arguments, attributes, cause, context), what
    became of `inputs` and of the operator, and what was written to `sys.stdout`.

    Args:
        op: a compiled operator, called as `op(inputs=inputs)`, or a function (of `inputs`, or of one argument).
        inputs: what every call is given.
        calls: how many calls are made; the first compiles, later ones meet what earlier ones left behind.
        plain: an operator in the same state as `op`, for the plain run, where `op` cannot be copied.

    Raises:
        AssertionError: the runs differ; the message says in which call, where, and how.
        UncopyableError: `op` or `inputs` cannot be copied; the message names the part.
        NotAnOperatorError: `op` is neither an operator nor a function.

    Example:
        >>> from ember_jit import structural_jit
        >>> @structural_jit
        ... def count(inputs):
        ...     return [len(word) for word in inputs.split()]
        >>> assert_same(count, "two words")
    """
    check_operator(op, "assert_same")
    if type(calls) is not int or calls < 1:
        raise OptionError(f"calls={calls!r} must be a whole number of at least 1")
    if plain is None:
        plain, plain_inputs = _copies(op, inputs)
    else:
        plain_inputs = _copied("inputs", inputs)
    runs: list[tuple[_Run, _Run]] = []
    for number in range(1, calls + 1):
        runs.append((_run(eager(plain), plain, plain_inputs), _run(op, op, inputs)))
        found = _difference(runs, (plain, op), (plain_inputs, inputs))
        if found:
            name = getattr(op, "__qualname__", type(op).__qualname__)
            raise AssertionError(f"call {number} of {name} differs. {found}")


@dataclass(slots=True)
class _Run:
    """What one call did that can be seen from outside, apart from its effects on the objects it was given."""

    result: Any
    exception: Exception | None
    output: str


def _run(call: Callable[..., Any], op: Any, inputs: Any) -> _Run:
    output = io.StringIO()
    result, raised = _NOTHING, None
    with redirect_stdout(output):
        try:
            result = call(inputs=inputs) if _takes_inputs(op) else call(inputs)
        except Exception as exc:  # noqa: BLE001 - whatever it raises is compared
            raised = exc
    return _Run(result, raised, output.getvalue())


def _takes_inputs(op: Any) -> bool:
    if not isinstance(op, FunctionType | MethodType):
        return True
    found = inspect.signature(op).parameters.values()
    return any(each.name == "inputs" or each.kind is each.VAR_KEYWORD for each in found)


def _difference(
    runs: list[tuple[_Run, _Run]], ops: tuple[Any, Any], inputs: tuple[Any, Any]
) -> str:
    """How the last runs differ, or what they left behind; empty if they do not."""
    plain, compiled = runs[-1]
    for each, other, who in ((plain, compiled, "plain"), (compiled, plain, "compiled")):
        if each.exception is not None and other.exception is None:
            does = "compiled" if who == "plain" else "plain"
            return f"{who}, it raises {each.exception!r}; {does}, it returns {other.result!r}"
    likeness = Likeness()
    found = likeness.difference("inputs", *inputs) or likeness.difference("self", *ops)
    for number, (before, now) in enumerate(runs[:-1], 1):
        found = found or likeness.difference(f"result of call {number}", before.result, now.result)
    found = found or likeness.difference("result", plain.result, compiled.result)
    found = found or likeness.difference("exception", plain.exception, compiled.exception)
    return found or likeness.difference("stdout", plain.output, compiled.output)


# ---------------------------------------------------------------------- copies
def _copied(path: str, value: Any) -> Any:
    """A deep copy of `value`, which a message calls `path`."""
    try:
        return copy.deepcopy(value)
    except Exception as exc:
        raise UncopyableError(_advice(next(_culprits(path, value), path), exc)) from exc


def _copies(op: Any, inputs: Any) -> tuple[Any, Any]:
    """A copy of both, made together: what they share, the copies share."""
    for path, each in (("op", op), ("inputs", inputs)):
        _copied(path, each)  # one by one, for the message
    copied: tuple[Any, Any] = copy.deepcopy((op, inputs))
    return copied


def _advice(where: str, exc: Exception) -> str:
    return (
        f"assert_same cannot copy {where}: {type(exc).__name__}: {exc}. Give its class a `__deepcopy__`, or "
        "give assert_same an operator in the same state for the plain run: assert_same(op, inputs, plain=...)."
    )


def _culprits(path: str, value: Any) -> Iterator[str]:
    """The innermost parts of `value` that cannot be copied."""
    try:
        copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - as above: this is the question
        inner = [each for part in _named_parts(path, value) for each in _culprits(*part)]
        yield from inner or [path]


def _named_parts(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    state = attributes(value)
    for name, part in zip(state[::2], state[1::2], strict=True):
        yield f"{path}.{name}", part
    if isinstance(value, dict):
        yield from ((f"{path}[{key!r}]", part) for key, part in dict.items(value))
    elif isinstance(value, list | tuple):
        yield from ((f"{path}[{index}]", part) for index, part in enumerate(value))
