"""Who takes part in the numeric benchmark: ourselves in both modes, NumPy, and numexpr, Numba and JAX where installed.

Every peer gets its favourite form of the inputs before the clock starts, and is compiled by then.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from benchmarks.numeric_cases import Case
from ember_jit import jit

Call = Callable[..., Any]

PEERS = ("numexpr", "numba", "loop", "jax")
"""By column: numexpr; Numba's `njit` on the NumPy code; a loop by hand under its `fastmath`; JAX."""


def contenders_of(case: Case, inputs: dict[str, Any]) -> dict[str, Call]:
    """The calls, by name; each is called as `call(inputs=inputs)`."""
    found: dict[str, Call] = {"numpy": _own(case.function)}
    for numerics in ("strict", "fast"):
        found[numerics] = jit(numerics=numerics)(_own(case.function))
    for name, make in {"numexpr": _numexpr, "numba": _numba, "jax": _jax}.items():
        if importlib.util.find_spec(name) is not None:
            found |= make(case, inputs)
    source = inputs["x" if "x" in inputs else "s"]
    found["copy"] = lambda *, inputs: source.copy()
    return found


def _own(function: Call, **names: Any) -> Call:
    """A function object of its own, with the same code; `names` are other globals."""
    space = {**function.__globals__, **names}  # type: ignore[attr-defined]
    made: Call = type(function)(function.__code__, space, function.__name__)  # type: ignore[attr-defined]
    return made


def _numexpr(case: Case, inputs: dict[str, Any]) -> dict[str, Call]:
    if not case.numexpr:
        return {}
    numexpr = importlib.import_module("numexpr")
    numexpr.set_num_threads(1)
    return {"numexpr": lambda *, inputs: numexpr.evaluate(case.numexpr, inputs)[()]}


def _numba(case: Case, inputs: dict[str, Any]) -> dict[str, Call]:
    numba = importlib.import_module("numba")
    kind = next(iter(inputs.values())).dtype.type
    values = [each if hasattr(each, "dtype") else kind(each) for each in inputs.values()]
    values += [kind(each) for each in case.constants]
    loop = numba.njit(fastmath=True)(_own(case.numba))
    loop(*values)
    found = {"loop": lambda *, inputs: loop(*values)}
    if not case.rowwise:  # it has no `max(axis=, keepdims=)`
        plain = numba.njit(_own(_positional(case, inputs)))
        plain(*inputs.values())
        found["numba"] = lambda *, inputs: plain(*inputs.values())
    return found


def _positional(case: Case, inputs: dict[str, Any]) -> Call:
    """The NumPy code with parameters in place of the dict, which Numba could not take."""
    import ast
    import inspect
    import textwrap

    tree = ast.parse(textwrap.dedent(inspect.getsource(case.function)))
    (definition,) = tree.body
    assert isinstance(definition, ast.FunctionDef)
    definition.args.args = [ast.arg(name) for name in inputs]
    definition.body = [
        each for each in definition.body if "inputs" not in ast.unparse(each)
    ]  # the statement that unpacks it
    space: dict[str, Any] = dict(case.function.__globals__)  # type: ignore[attr-defined]
    exec(compile(ast.fix_missing_locations(tree), f"<{case.name} for Numba>", "exec"), space)
    made: Call = space[case.name]
    return made


def _jax(case: Case, inputs: dict[str, Any]) -> dict[str, Call]:
    jax = importlib.import_module("jax")
    jax.config.update("jax_enable_x64", True)
    compiled = jax.jit(_own(case.function, np=jax.numpy))
    values = {
        name: jax.numpy.asarray(each) if hasattr(each, "dtype") else each
        for name, each in inputs.items()
    }
    compiled(values).block_until_ready()
    return {"jax": lambda *, inputs: compiled(values).block_until_ready()}
