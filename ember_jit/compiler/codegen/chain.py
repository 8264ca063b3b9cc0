"""The code of a chain: a condition made of reads, the attempt, and the ordinary code behind it.

    _chain = <speculation>; _guard = _chain.guard; _type = type; _AddOne = AddOne; ...
    try:
        while _guard(self):                 # no loop, but what can be left by `break`
            if _switch.used and _unit.disabled.get(): break
            ...                             # the attempt (`compiler.passes.chain`)
            if not _guard(self): break      # after a call CPython may let a signal handler or another thread run
            return {'v': _v0}
    except <what an attempt may raise> as _error:
        if not _chain.is_ours(_error): raise
    _op0 = _v0 = ... = None
    if not <a debugger follows>: _chain.missed(self)
    ...                                     # the function as it was

`_op0.forward()` is written for the look-up alone.  CPython keeps a method that it finds on the class apart from
its receiver, and reads both in a few nanoseconds; for an override on the instance there is no receiver.  The call
that would follow is replaced by the deletion of a variable which is unbound in that case, and so raises.
"""

from __future__ import annotations

import ast
import dis
import opcode
import sys
from collections.abc import Mapping
from types import CodeType
from typing import Any

from ember_jit.compiler.codegen.link import link_in_place
from ember_jit.compiler.codegen.retire import FOLLOWED
from ember_jit.compiler.passes.chain import Chain
from ember_jit.compiler.source import Source, first_line
from ember_jit.ir.syntax import put_on_line, unplaced
from ember_jit.runtime.dispatch import SWITCH, Unit
from ember_jit.runtime.linking import UNIT
from ember_jit.runtime.speculation import EXPECTED, SCALARS, Speculation

_BOUND = "_bound"  # the variable that holds the receiver of a method for a moment
_CALLED = ["PRECALL", "CALL", "POP_TOP"] if sys.version_info < (3, 12) else ["CALL", "POP_TOP"]
_EXPECTED = "<ember_jit expected>"


class ChainCode:
    """A function that makes an attempt first.

    Attributes:
        node: its definition.
        live: what stands in its constants, by the string that stands for it.
        speculation: its state.

    Args:
        unit: the function's unit.
        chain: the attempt.
        rest: the function as it runs without one: what runs when it comes to nothing.
        live: what stands in the constants of that.
    """

    def __init__(
        self, unit: Unit, chain: Chain, rest: ast.FunctionDef, live: Mapping[str, Any]
    ) -> None:
        self.chain = chain
        self.live: dict[str, Any] = {**live, **chain.constants, _EXPECTED: EXPECTED}
        self.speculation = Speculation(chain.premises, unit.disabled.get, unit.without_attempt)
        receiver = (rest.args.posonlyargs + rest.args.args)[0].arg
        text = ["try:", f" while _guard({receiver}):"]
        text += [f"  if _switch.used and {UNIT!r}.disabled.get(): break"]
        text += [f"  if not _guard({receiver}): break"]
        text += [
            " pass"
        ]  # gives the jump behind it a line: without, a debugger stops once more on the first
        text += [f"except {_EXPECTED!r} as _error:", " if not _chain.is_ours(_error): raise"]
        text += [" = ".join([*chain.variables, "_class", _BOUND, "None"])]
        text += [f"if not ({FOLLOWED}): _chain.missed({receiver})"]  # nobody is to see our frame
        attempt = unplaced("\n".join(text))
        made = attempt[0].body[0].body
        made[1:1] = chain.body[:-1]
        made.append(chain.body[-1])
        names = {
            "_chain": self.speculation,
            "_switch": SWITCH,
            "_type": type,
            "_int": int,
            "_kinds": SCALARS,
            "_dict": dict,
            **chain.classes,
        }
        prologue = [self._constant(name, live) for name, live in names.items()]
        prologue += unplaced("_guard = _chain.guard")
        docstring = ast.get_docstring(rest, clean=False) is not None
        head, body = rest.body[:docstring], rest.body[docstring:]
        for statement in (*prologue, *attempt):  # a debugger stops there once
            put_on_line(statement, first_line(unit.original))
        self.node = ast.FunctionDef(**vars(rest))
        self.node.body = [*head, *prologue, *attempt, *body]

    def _constant(self, variable: str, live: Any) -> ast.stmt:
        """Put an object that stands in the constants into a variable."""
        marker = f"<ember_jit {variable}>"
        self.live[marker] = live
        statement: ast.stmt = unplaced(f"{variable} = {marker!r}")[0]
        return statement


def link_chain(unit: Unit, source: Source, made: ChainCode) -> CodeType | None:
    """The code of a chain; None where it cannot be made or its premises cannot be guarded."""
    compiled = link_in_place(unit, source, made.node, made.live)
    if compiled is None:
        return None
    code = with_checks(compiled, made.chain.variables)
    return code if code is not None and made.speculation.arm(code) else None


def with_checks(code: CodeType, receivers: list[str]) -> CodeType | None:
    """`code` with each `<receiver>.forward()` turned into the check for an override on the receiver itself.

    After the look-up the stack holds the function and the receiver, in the order of the CPython version; with
    an override it holds nothing (NULL) in place of one, and the override.  What may be nothing is stored, which
    CPython allows, and deleted, which raises UnboundLocalError if it was nothing.
    """
    bound = code.co_varnames.index(_BOUND)
    if bound > 255:
        return None
    check = [("STORE_FAST", bound), ("DELETE_FAST", bound)]
    check.insert(0 if sys.version_info < (3, 13) else 1, ("POP_TOP", 0))
    raw = bytearray(code.co_code)
    instructions = list(dis.get_instructions(code))
    for index, loaded in enumerate(instructions):
        before, after = instructions[index - 1], instructions[index + 1 : index + 1 + len(_CALLED)]
        if loaded.argval != "forward" or before.argval not in receivers:
            continue
        if [each.opname for each in after] != _CALLED or after[0].arg != 0:
            continue
        if before.opname not in ("LOAD_FAST", "LOAD_FAST_BORROW"):
            return None
        raw[before.offset] = opcode.opmap["LOAD_FAST"]  # what is stored must not be borrowed
        start, stop = after[0].offset, after[-1].offset + 2
        units = [(opcode.opmap[name], arg) for name, arg in check]
        units += [(opcode.opmap["NOP"], 0)] * ((stop - start) // 2 - len(units))
        raw[start:stop] = bytes(byte for unit in units for byte in unit)
    return code.replace(co_code=bytes(raw))
