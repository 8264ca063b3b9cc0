"""Names of recorded calls: the variable that a call's result is assigned to, read from the caller's bytecode.

    x = op(inputs=q)                 x             a, b = op1(inputs=q), op2(inputs=q)     a and b
    self.x = op(inputs=q)            x             if (y := op(inputs=q)) ...              y
    d["x"] = op(inputs=q)            x             a = b = op(inputs=q)                    a
    op1(inputs=op2(inputs=q))        none          return op(inputs=q)                     none

From the call on, a small symbolic machine follows the result through the instructions behind it until it
is stored or used.  It knows the opcodes that can stand between a call and the store of its result and
gives up at any other: no name is better than a wrong one.

A call may also be made by somebody else's code, as in `xs = list(map(op, qs))`: then the result that is
stored there is not this call's.  That is so if the callee of the instruction is another object.
"""

from __future__ import annotations

import builtins
import dis
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any

from ember_jit.runtime.originals import code_beneath, is_replacement

_MARK: Any = object()  # the result of the call
_OTHER: Any = object()  # any other value
_BELOW = 32  # values that may lie below the result and still be moved about
_SILENT = frozenset(
    [
        "CACHE",
        "EXTENDED_ARG",
        "NOP",
        "RESUME",
        "PRECALL",
        "KW_NAMES",
        "COPY_FREE_VARS",
        "MAKE_CELL",
        "NOT_TAKEN",
    ]
)
_CALLS = frozenset({"CALL", "CALL_KW", "CALL_FUNCTION_EX"})
_LOADS = frozenset(
    [
        "LOAD_FAST",
        "LOAD_FAST_CHECK",
        "LOAD_FAST_AND_CLEAR",
        "LOAD_FAST_BORROW",
        "LOAD_NAME",
        "LOAD_DEREF",
        "LOAD_CLASSDEREF",
        "LOAD_CLOSURE",
        "LOAD_FROM_DICT_OR_DEREF",
        "LOAD_SMALL_INT",
        "LOAD_COMMON_CONSTANT",
    ]
)
_STORES = frozenset({"STORE_FAST", "STORE_NAME", "STORE_GLOBAL", "STORE_DEREF"})
_TWO_LOADS = frozenset(
    {"LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW", "LOAD_CONST_LOAD_FAST"}
)
#: opcode -> values that it takes off the stack, and puts there, for a given argument
_EFFECTS: dict[str, Callable[[int], tuple[int, int]]] = {
    "BINARY_OP": lambda n: (2, 1),
    "BINARY_SUBSCR": lambda n: (2, 1),
    "BINARY_SLICE": lambda n: (3, 1),
    "BUILD_SLICE": lambda n: (n, 1),
    "BUILD_SET": lambda n: (n, 1),
    "BUILD_STRING": lambda n: (n, 1),
    "BUILD_MAP": lambda n: (2 * n, 1),
    "BUILD_CONST_KEY_MAP": lambda n: (n + 1, 1),
    "LIST_EXTEND": lambda n: (1, 0),
    "SET_UPDATE": lambda n: (1, 0),
    "DICT_UPDATE": lambda n: (1, 0),
    "DICT_MERGE": lambda n: (1, 0),
    "LIST_TO_TUPLE": lambda n: (1, 1),
    "CALL": lambda n: (n + 2, 1),
    "CALL_KW": lambda n: (n + 3, 1),
    "FORMAT_SIMPLE": lambda n: (1, 1),
    "FORMAT_WITH_SPEC": lambda n: (2, 1),
    "CONVERT_VALUE": lambda n: (1, 1),
    "FORMAT_VALUE": lambda n: (2 if n & 4 else 1, 1),
    "COMPARE_OP": lambda n: (2, 1),
    "IS_OP": lambda n: (2, 1),
    "CONTAINS_OP": lambda n: (2, 1),
    "UNARY_NEGATIVE": lambda n: (1, 1),
    "UNARY_NOT": lambda n: (1, 1),
    "UNARY_INVERT": lambda n: (1, 1),
    "POP_TOP": lambda n: (1, 0),
    "PUSH_NULL": lambda n: (0, 1),
}


class Names:
    """Finds the assignment targets of calls; remembers the instructions of the code that it has seen."""

    def __init__(self) -> None:
        self._codes: dict[CodeType, tuple[list[dis.Instruction], dict[int, int]]] = {}

    def target(self, frame: FrameType, callees: Iterable[Any]) -> str | None:
        """The name that the result of the call that `frame` is making will be assigned to, or None.

        Args:
            frame: the caller's.
            callees: the objects that may have been called: the operator, or the function.
        """
        code, lasti = frame.f_code, frame.f_lasti
        instructions, index = self._read(code)
        while (
            lasti > 0 and lasti not in index
        ):  # some calls leave it in the cache behind the instruction
            lasti -= 2
        at = index.get(lasti)
        if at is not None and is_replacement(code):
            # compiled code wraps the call, at the same place in the source
            place = instructions[at].positions
            instructions, index = self._read(code_beneath(code))
            at = next(
                (
                    n
                    for n, each in enumerate(instructions)
                    if each.positions == place and each.opname in _CALLS
                ),
                None,
            )
        if at is None or instructions[at].opname not in _CALLS:
            return None
        if _calls_another(instructions, at, frame, callees):
            return None
        try:
            return _Machine(instructions, index).run(at + 1)
        except IndexError:  # deeper than the stack is known
            return None

    def _read(self, code: CodeType) -> tuple[list[dis.Instruction], dict[int, int]]:
        """The instructions of `code`, and where each offset is among them."""
        found = self._codes.get(code)
        if found is None:
            instructions = list(dis.get_instructions(code))
            found = instructions, {each.offset: at for at, each in enumerate(instructions)}
            self._codes[code] = found
        return found


class _Machine:
    """Runs on from a call, symbolically, until its result is stored or used."""

    def __init__(self, instructions: list[dis.Instruction], index: dict[int, int]) -> None:
        self.instructions = instructions
        self.index = index
        self.stack: list[Any] = [*[_OTHER] * _BELOW, _MARK]

    def run(self, at: int) -> str | None:
        while at < len(self.instructions):
            each = self.instructions[at]
            at += 1
            name = each.opname
            if name in _SILENT:
                continue
            if name == "JUMP_FORWARD":
                at = self.index[each.argval]
            elif name in _STORES:
                if self.stack.pop() is _MARK:
                    return str(each.argval)
            elif name in ("STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST"):
                first, second = each.argval
                if self.stack.pop() is _MARK:
                    return str(first)
                if name.endswith("LOAD_FAST"):
                    self.stack.append(_OTHER)
                elif self.stack.pop() is _MARK:
                    return str(second)
            elif name == "STORE_ATTR":
                self.stack.pop()
                if self.stack.pop() is _MARK:
                    return str(each.argval)
            elif name == "STORE_SUBSCR":
                key = self.stack.pop()
                self.stack.pop()
                if self.stack.pop() is _MARK:
                    return _identifier(key)
            elif not self._step(each) or not _holds_mark(self.stack):
                return None
        return None

    def _step(self, each: dis.Instruction) -> bool:
        """One instruction that stores nothing; False if it is not known."""
        stack, name, arg = self.stack, each.opname, each.arg or 0
        if name in _LOADS:
            stack.append(_OTHER)
        elif name in _TWO_LOADS:
            stack += (_OTHER, _OTHER)
        elif name in ("LOAD_CONST", "RETURN_CONST"):
            stack.append((each.argval,))
        elif name == "LOAD_GLOBAL":
            stack += (_OTHER, _OTHER) if arg & 1 else (_OTHER,)
        elif name in ("LOAD_ATTR", "LOAD_METHOD"):
            self._take(1)
            method = name == "LOAD_METHOD" or ("NULL|self" in (each.argrepr or ""))
            stack += (_OTHER, _OTHER) if method else (_OTHER,)
        elif name == "COPY":
            stack.append(stack[-arg])
        elif name == "SWAP":
            stack[-1], stack[-arg] = stack[-arg], stack[-1]
        elif name in ("BUILD_TUPLE", "BUILD_LIST"):
            stack.append(self._take(arg))
        elif name == "UNPACK_SEQUENCE":
            parts = stack.pop()
            if type(parts) is not list or len(parts) != arg:
                return False
            stack += reversed(parts)
        elif name == "CALL_FUNCTION_EX":
            return False
        elif name in _EFFECTS:
            takes, gives = _EFFECTS[name](arg)
            self._take(takes)
            stack += [_OTHER] * gives
        else:
            return False
        return True

    def _take(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise IndexError
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken


def _holds_mark(values: list[Any]) -> bool:
    return any(each is _MARK or (type(each) is list and _holds_mark(each)) for each in values)


def _identifier(key: Any) -> str | None:
    """A constant subscript that can be a name."""
    text = key[0] if type(key) is tuple else None
    return text if type(text) is str and text.isidentifier() else None


def _calls_another(
    instructions: list[dis.Instruction], at: int, frame: FrameType, callees: Iterable[Any]
) -> bool:
    """Whether the call instruction calls some other object, which then made the call that is recorded.

    The callee's instructions begin where the call begins in the source, and the last of them ends furthest.
    What can be looked up without running code is compared: a plain name.
    """
    call = instructions[at].positions
    if call is None or call.lineno is None or call.col_offset is None:
        return False
    best: dis.Instruction | None = None
    reach = (-1, -1)
    whole = (call.end_lineno or 0, call.end_col_offset or 0)
    for each in reversed(instructions[:at]):
        place = each.positions
        if each.opname in _SILENT or each.opname == "PUSH_NULL" or place is None:
            continue
        if (place.lineno, place.col_offset) != (call.lineno, call.col_offset):
            continue
        end = (place.end_lineno or 0, place.end_col_offset or 0)
        if reach < end < whole:
            best, reach = each, end
        if best is not None and each.opname.startswith(("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FAST")):
            break
    if best is None or not best.opname.startswith(
        ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FAST", "LOAD_DEREF")
    ):
        return False
    name = best.argval[-1] if type(best.argval) is tuple else best.argval
    for space in (frame.f_locals, frame.f_globals, vars(builtins)):
        if name in space:
            value = space[name]
            return all(value is not each for each in callees)
    return False
