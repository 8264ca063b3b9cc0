"""What each instruction does to the abstract stack: one table, instruction name -> handler.

A handler takes its operands off the stack, records what the operation may do that others can see, and
puts the result back.  An instruction that is not in the table ends the analysis (its function is
"unknown"), and so does one whose handler disagrees with CPython's own `stack_effect`.
"""

from __future__ import annotations

import sys
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

from ember_jit.compiler.analysis import registry
from ember_jit.compiler.analysis.stack_attributes import ATTRIBUTE_OPERATIONS, attribute, is_super
from ember_jit.compiler.analysis.stack_calls import call, call_spread, raised
from ember_jit.compiler.analysis.stack_data import DATA_OPERATIONS, list_to_tuple, operate
from ember_jit.compiler.analysis.stack_machine import Handler, Instr, Stack, take
from ember_jit.compiler.analysis.stack_managers import MANAGER_OPERATIONS
from ember_jit.compiler.analysis.stack_values import (
    ATOMS,
    CELL,
    NULL,
    SLICE,
    SUPER,
    UNBOUND,
    Nested,
)
from ember_jit.compiler.analysis.values import LOCAL, SCALAR, Abstract, Items, Known

if TYPE_CHECKING:
    from ember_jit.compiler.analysis.stack_machine import Frame

_ANNOTATIONS = (
    0x04 | 0x10
)  # of MAKE_FUNCTION and SET_FUNCTION_ATTRIBUTE: neither is part of what the function does
_CLOSURE, _DEFAULTS, _KEYWORD_DEFAULTS = 0x08, 0x01, 0x02


# ---------------------------------------------------------------------- the stack itself
def _nothing(frame: Frame, instr: Instr, stack: Stack) -> None:
    del frame, instr, stack


def _pop(frame: Frame, instr: Instr, stack: Stack) -> None:
    del frame, instr
    stack.pop()


def _end_for(frame: Frame, instr: Instr, stack: Stack) -> None:
    take(stack, -instr.stack_effect(jump=False))


def _copy(frame: Frame, instr: Instr, stack: Stack) -> None:
    stack.append(stack[-instr.arg])


def _swap(frame: Frame, instr: Instr, stack: Stack) -> None:
    stack[-1], stack[-instr.arg] = stack[-instr.arg], stack[-1]


def _push(value: Abstract) -> Handler:
    return lambda frame, instr, stack: stack.append(value)


# ---------------------------------------------------------------------- constants and names
def constant(value: Any) -> Abstract:
    """The value of a constant of the code object."""
    if type(value) is slice:
        return SLICE
    if type(value) is tuple:
        parts = tuple(constant(part) for part in value)
        return Items(SCALAR, parts)
    return Known(value) if type(value) in ATOMS or isinstance(value, CodeType) else SCALAR


def _load_const(frame: Frame, instr: Instr, stack: Stack) -> None:
    stack.append(constant(instr.arg))


def _load_common_constant(frame: Frame, instr: Instr, stack: Stack) -> None:
    found = {"ASSERTION_ERROR": AssertionError, "NOT_IMPLEMENTED_ERROR": NotImplementedError}
    name = (
        getattr(instr.arg, "name", "")
        .removeprefix("CONSTANT_")
        .replace("ASSERTIONERROR", "ASSERTION_ERROR")
    )
    if name not in found:
        raise frame.stop(f"uses the common constant {instr.arg}, which is not followed")
    stack.append(Known(found[name]))


def _name(arg: Any) -> str:
    return arg if isinstance(arg, str) else str(arg.name)


def _load_fast(frame: Frame, instr: Instr, stack: Stack) -> None:
    # from 3.13 on, a cell itself, on its way into a closure, is loaded like this too
    stack.append(frame.load(instr.arg) if isinstance(instr.arg, str) else CELL)


def _load_two(frame: Frame, instr: Instr, stack: Stack) -> None:
    first, second = instr.arg
    stack.extend(frame.load(arg) if isinstance(arg, str) else CELL for arg in (first, second))


def _store_fast(frame: Frame, instr: Instr, stack: Stack) -> None:
    value = stack.pop()
    if value != CELL:  # an inlined comprehension puts the cell back that it had saved
        frame.store(_name(instr.arg), value)


def _store_load(frame: Frame, instr: Instr, stack: Stack) -> None:
    first, second = instr.arg
    frame.store(_name(first), stack.pop())
    stack.append(frame.load(_name(second)))


def _store_two(frame: Frame, instr: Instr, stack: Stack) -> None:
    first, second = instr.arg
    frame.store(_name(first), stack.pop())
    frame.store(_name(second), stack.pop())


def _is_own(frame: Frame, name: str) -> bool:
    return name in frame.code.co_cellvars or name not in frame.code.co_freevars


def _load_deref(frame: Frame, instr: Instr, stack: Stack) -> None:
    name = _name(instr.arg)
    stack.append(frame.load(name) if _is_own(frame, name) else frame.free(name))


def _store_deref(frame: Frame, instr: Instr, stack: Stack) -> None:
    name, value = _name(instr.arg), stack.pop()
    if not _is_own(frame, name):
        raise frame.stop(f"assigns the outer variable `{name}`")
    frame.store(name, value)


def _delete_deref(frame: Frame, instr: Instr, stack: Stack) -> None:
    if not _is_own(frame, _name(instr.arg)):
        raise frame.stop(f"deletes the outer variable `{_name(instr.arg)}`")


def _load_global(frame: Frame, instr: Instr, stack: Stack) -> None:
    push_null, name = instr.arg if isinstance(instr.arg, tuple) else (False, instr.arg)
    value = frame.context.lookup.global_value(name)
    if not push_null:
        stack.append(value)
    else:  # the NULL went below the callee before 3.13, and goes above it since
        stack.extend((NULL, value) if sys.version_info < (3, 13) else (value, NULL))


def _changes_global(frame: Frame, instr: Instr, stack: Stack) -> None:
    raise frame.stop(f"assigns the global `{instr.arg}`")


# ---------------------------------------------------------------------- functions, calls, exceptions
def _make_function(frame: Frame, instr: Instr, stack: Stack) -> None:
    flags = instr.arg if isinstance(instr.arg, int) and sys.version_info < (3, 13) else 0
    code = stack.pop()
    extras = take(stack, sum(1 for bit in (1, 2, 4, 8) if flags & bit))
    defaults: Abstract | None = None
    if flags & _KEYWORD_DEFAULTS:
        defaults = LOCAL
    elif flags & _DEFAULTS:
        defaults = frame.values.element(extras[0]) or LOCAL
    if not (isinstance(code, Known) and isinstance(code.obj, CodeType)):
        raise frame.stop("makes a function of code that is not known")
    made = frame.make(code.obj, defaults)
    stack.append(Nested(code.obj, UNBOUND if made.returned is None else made.returned))


def _set_function_attribute(frame: Frame, instr: Instr, stack: Stack) -> None:
    value, function = take(stack, 2)
    flag = int(instr.arg)
    if not isinstance(function, Nested) or flag & ~(
        _CLOSURE | _DEFAULTS | _KEYWORD_DEFAULTS | _ANNOTATIONS
    ):
        raise frame.stop("makes a function that is not followed")
    if flag in (_DEFAULTS, _KEYWORD_DEFAULTS):
        defaults = (frame.values.element(value) or LOCAL) if flag == _DEFAULTS else LOCAL
        made = frame.make(function.code, defaults)
        function = Nested(function.code, UNBOUND if made.returned is None else made.returned)
    stack.append(function)


def _kw_names(frame: Frame, instr: Instr, stack: Stack) -> None:
    frame.keywords = tuple(instr.arg)


def _call(frame: Frame, instr: Instr, stack: Stack) -> None:
    keywords, frame.keywords = frame.keywords, ()
    args = take(stack, instr.arg)
    _call_with(frame, stack, args, keywords)


def _call_kw(frame: Frame, instr: Instr, stack: Stack) -> None:
    names = stack.pop()
    args = take(stack, instr.arg)
    parts = names.parts if isinstance(names, Items) else ()
    keywords = tuple(part.obj for part in parts if isinstance(part, Known))
    if not keywords or len(keywords) != len(parts):
        raise frame.stop("makes a call with keywords that are not known")
    _call_with(frame, stack, args, keywords)


def _call_with(frame: Frame, stack: Stack, args: Stack, keywords: tuple[str, ...]) -> None:
    first, second = take(stack, 2)
    if second == NULL:
        callee = first
    elif first == NULL:
        callee = second
    else:
        callee, args = first, [second, *args]
    names = frame.code.co_varnames
    if (
        is_super(callee)
        and not args
        and not keywords
        and frame.parent is None
        and names
        and frame.load(names[0]) is frame.context.owner
    ):
        stack.append(SUPER)
        return
    stack.append(call(frame, callee, args, keywords))


def _call_ex(frame: Frame, instr: Instr, stack: Stack) -> None:
    taken = take(stack, 1 - instr.stack_effect(jump=False))
    parts = [part for part in taken if part != NULL]
    if len(parts) not in (2, 3):
        raise frame.stop("makes a call that is not understood")
    callee, positional = parts[:2]
    stack.append(call_spread(frame, callee, positional, parts[2] if len(parts) == 3 else None))


def _intrinsic_1(frame: Frame, instr: Instr, stack: Stack) -> None:
    name = getattr(instr.arg, "name", "")
    if name == "INTRINSIC_UNARY_POSITIVE":
        stack.append(operate(frame, "computes with", stack.pop()))
    elif name == "INTRINSIC_LIST_TO_TUPLE":
        list_to_tuple(frame, instr, stack)
    elif name != "INTRINSIC_STOPITERATION_ERROR":
        raise frame.stop(f"uses {name or instr.arg}, which is not followed")


def _return(frame: Frame, instr: Instr, stack: Stack) -> None:
    value = stack.pop()
    if not frame.is_generator:
        frame.leave(value)


def _return_const(frame: Frame, instr: Instr, stack: Stack) -> None:
    if not frame.is_generator:
        frame.leave(constant(instr.arg))


def _yield(frame: Frame, instr: Instr, stack: Stack) -> None:
    if not frame.is_generator:
        raise frame.stop("is a generator: its body runs when it is resumed")
    frame.leave(stack.pop())
    stack.append(SCALAR)  # nobody can send to a generator expression that is only iterated over


def _return_generator(frame: Frame, instr: Instr, stack: Stack) -> None:
    stack.append(SCALAR)


def _raise(frame: Frame, instr: Instr, stack: Stack) -> None:
    for value in take(stack, instr.arg):
        raised(frame, value)


def _reraise(frame: Frame, instr: Instr, stack: Stack) -> None:
    stack.pop()


def _push_exc_info(frame: Frame, instr: Instr, stack: Stack) -> None:
    stack.insert(len(stack) - 1, SCALAR)


def _check_exc_match(frame: Frame, instr: Instr, stack: Stack) -> None:
    stack.pop()
    stack.append(SCALAR)


# ---------------------------------------------------------------------- imports
def _import_name(frame: Frame, instr: Instr, stack: Stack) -> None:
    level, names = take(stack, 2)
    name = str(instr.arg)
    live = sys.modules.get(name)
    importer = frame.context.lookup.global_value("__import__")
    genuine = isinstance(importer, Known) and registry.lookup(importer.obj) is not None
    wanted = (
        [part.obj for part in names.parts if isinstance(part, Known)]
        if isinstance(names, Items)
        else []
    )
    missing = live is None or any(each not in vars(live) for each in wanted)
    if (
        missing
        or not genuine
        or not (isinstance(level, Known) and level.obj == 0)
        or type(live) is not ModuleType
    ):
        raise frame.stop(
            f"imports `{name}` inside the function", "import it at the top of the module"
        )
    top = live if wanted else sys.modules.get(name.partition(".")[0])
    stack.append(Known(top) if top is not None else LOCAL)
    frame.context.lookup.guard((id(live), f"import {name}"), lambda: sys.modules.get(name) is live)


def _import_from(frame: Frame, instr: Instr, stack: Stack) -> None:
    stack.append(attribute(frame, stack[-1], str(instr.arg)))


OPERATIONS: dict[str, Handler] = {
    **DATA_OPERATIONS,
    **MANAGER_OPERATIONS,
    **ATTRIBUTE_OPERATIONS,
    **dict.fromkeys(
        (
            "NOP",
            "RESUME",
            "CACHE",
            "PRECALL",
            "COPY_FREE_VARS",
            "MAKE_CELL",
            "DELETE_FAST",
            "NOT_TAKEN",
        ),
        _nothing,
    ),
    **dict.fromkeys(
        (
            "JUMP_FORWARD",
            "JUMP_BACKWARD",
            "JUMP_BACKWARD_NO_INTERRUPT",
            "JUMP",
            "JUMP_NO_INTERRUPT",
        ),
        _nothing,
    ),
    **dict.fromkeys(("POP_TOP", "POP_EXCEPT", "POP_ITER"), _pop),
    "END_FOR": _end_for,
    "COPY": _copy,
    "SWAP": _swap,
    "PUSH_NULL": _push(NULL),
    "LOAD_CONST": _load_const,
    "LOAD_SMALL_INT": _load_const,
    "LOAD_COMMON_CONSTANT": _load_common_constant,
    "LOAD_ASSERTION_ERROR": _push(Known(AssertionError)),
    **dict.fromkeys(
        ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR", "LOAD_FAST_BORROW"), _load_fast
    ),
    **dict.fromkeys(("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"), _load_two),
    "LOAD_CLOSURE": _push(SCALAR),
    "STORE_FAST": _store_fast,
    "STORE_FAST_LOAD_FAST": _store_load,
    "STORE_FAST_STORE_FAST": _store_two,
    "LOAD_DEREF": _load_deref,
    "STORE_DEREF": _store_deref,
    "DELETE_DEREF": _delete_deref,
    "LOAD_GLOBAL": _load_global,
    "STORE_GLOBAL": _changes_global,
    "DELETE_GLOBAL": _changes_global,
    "MAKE_FUNCTION": _make_function,
    "SET_FUNCTION_ATTRIBUTE": _set_function_attribute,
    "KW_NAMES": _kw_names,
    "CALL": _call,
    "CALL_KW": _call_kw,
    "CALL_FUNCTION_EX": _call_ex,
    "CALL_INTRINSIC_1": _intrinsic_1,
    "RETURN_VALUE": _return,
    "RETURN_CONST": _return_const,
    "RETURN_GENERATOR": _return_generator,
    "YIELD_VALUE": _yield,
    "RAISE_VARARGS": _raise,
    "RERAISE": _reraise,
    "PUSH_EXC_INFO": _push_exc_info,
    "CHECK_EXC_MATCH": _check_exc_match,
    "IMPORT_NAME": _import_name,
    "IMPORT_FROM": _import_from,
}
