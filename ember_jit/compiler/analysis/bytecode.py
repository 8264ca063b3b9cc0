"""Effects of functions that have no usable source, read from their bytecode.

Lambdas, code made by `exec`, files edited since they were imported: their code objects are interpreted
abstractly (`stack_machine`, one handler per instruction in `stack_ops`).  What is not understood, down
to a stack effect that differs from what CPython declares, makes the function "unknown".

    exec("def f(inputs):\n    return inputs['n'] + 1")        pure
    exec("def g(inputs):\n    LOG.append(inputs)")             unknown: line 2: `append` ... has an effect
"""

from __future__ import annotations

from types import CodeType, FunctionType
from typing import TYPE_CHECKING

from ember_jit import dependencies
from ember_jit.compiler.analysis.facts import UNKNOWN, Effect, Inferred, same_function
from ember_jit.compiler.analysis.values import Abstract

if TYPE_CHECKING:
    from ember_jit.compiler.analysis.infer import Inference


def load() -> bool:
    """Import what reading bytecode needs; False if the `bytecode` library is missing or broken (EMB050)."""
    if dependencies.load("bytecode", "bytecode.instr") is None:
        return False
    import ember_jit.compiler.analysis.stack_ops  # noqa: F401

    return True


def effect_from_bytecode(
    inference: Inference,
    function: FunctionType,
    code: CodeType,
    owner: Abstract | None = None,
    *,
    defers: bool = False,
) -> Inferred | None:
    """The effect of calling `function` with plain arguments, or None if bytecode cannot be read here.

    Args:
        inference: asked about everything that the function calls.
        function: a Python function.
        code: its original code.
        owner: its first argument, where that is known: the live `self` of a method, the new object of an `__init__`.
        defers: whether its output can wait for its turn (`Effect.prints`), for which there must be source.
    """
    if not load():
        return None
    from ember_jit.compiler.analysis.stack_machine import Context
    from ember_jit.compiler.analysis.stack_ops import OPERATIONS

    context = Context(inference, OPERATIONS, function, code, owner, defers=defers)
    context.run()
    if context.effects:
        reasons = tuple(sorted(context.effects, key=lambda reason: reason.line)[:8])
        effect = Effect(UNKNOWN, str(reasons[0]), reasons=reasons, operator=context.operator)
    else:
        effect = Effect(
            context.kind,
            f"inferred from the bytecode of {function.__qualname__}",
            blocking=context.blocking,
            operator=context.operator,
            prints=context.prints,
            plain=context.values.plain(context.result),
        )
    found = Inferred(effect, [same_function(function), *context.lookup.guards])
    context.close()
    return found
