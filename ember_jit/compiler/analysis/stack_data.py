"""Instructions that compute: operations on values, containers, iteration. See `stack_ops`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ember_jit.compiler.analysis.stack_machine import Handler, Instr, Stack, take
from ember_jit.compiler.analysis.stack_values import (
    CONTAINERS,
    NULL,
    SLICE,
    UNBOUND,
    Bound,
    Nested,
    is_scalar,
)
from ember_jit.compiler.analysis.values import (
    ARG,
    HANDLE,
    LOCAL,
    SCALAR,
    Abstract,
    Fresh,
    Items,
    Known,
    Method,
    OneOf,
)
from ember_jit.runtime.statics import MISSING, type_lookup

if TYPE_CHECKING:
    from ember_jit.compiler.analysis.stack_machine import Frame

_ADDS_TO = {"LIST_APPEND": "list", "SET_ADD": "set", "MAP_ADD": "dict"}


# ---------------------------------------------------------------------- operations on values
def operate(frame: Frame, what: str, *operands: Abstract) -> Abstract:
    """An operation that runs methods of its operands."""
    if UNBOUND in operands:
        return UNBOUND
    if not all(frame.values.plain(operand) for operand in operands):
        frame.effect(f"{what} something that is not known to be a plain value")
        return LOCAL
    return SCALAR


def _unary(frame: Frame, instr: Instr, stack: Stack) -> None:
    value = stack.pop()
    if instr.name == "UNARY_NOT":
        _truth(frame, value)
        stack.append(SCALAR)
    else:
        stack.append(operate(frame, "computes with", value))


def _binary_op(frame: Frame, instr: Instr, stack: Stack) -> None:
    left, right = take(stack, 2)
    name = getattr(instr.arg, "name", str(instr.arg))
    if name == "SUBSCR":  # 3.14
        stack.append(item(frame, left, right))
        return
    if not name.startswith("INPLACE"):
        stack.append(operate(frame, "computes with", left, right))
        return
    owned = is_scalar(left) or (isinstance(left, Fresh) and left.kind in CONTAINERS)
    if not owned:
        frame.effect("may change a value in place that was not made here", "write `x = x + ...`")
    result = operate(frame, "computes with", left, right)
    if isinstance(left, Fresh) and left.kind in CONTAINERS:
        frame.values.put(left.kind, frame.values.element(right) or LOCAL)
        result = left
    stack.append(result)


def _compare(frame: Frame, instr: Instr, stack: Stack) -> None:
    left, right = take(stack, 2)
    stack.append(operate(frame, "compares", left, right))


def _contains(frame: Frame, instr: Instr, stack: Stack) -> None:
    needle, container = take(stack, 2)
    if isinstance(container, Known) and type(container.obj) is dict and frame.values.plain(needle):
        container = Items(frame.values.element(container) or LOCAL)  # the values are not looked at
    stack.append(operate(frame, "looks for", needle, container))


def _is_op(frame: Frame, instr: Instr, stack: Stack) -> None:
    take(stack, 2)
    stack.append(SCALAR)


def _truth(frame: Frame, value: Abstract) -> None:
    if frame.values.shallow(value) or isinstance(value, Nested | Bound) or value in (NULL, HANDLE):
        return
    objs = (
        value.objs
        if isinstance(value, OneOf)
        else (value.obj,)
        if isinstance(value, Known)
        else None
    )
    if objs is not None and all(_plain_truth(type(obj)) for obj in objs):
        return
    if isinstance(value, Fresh) and value.cls is not None and _plain_truth(value.cls):
        return
    if isinstance(value, Method):
        return
    frame.effect("asks for the truth of something that is not known to be a plain value")


def _plain_truth(kind: type) -> bool:
    """Whether `bool()` of an instance runs no code of the user's."""
    return all(type_lookup(kind, name) is MISSING for name in ("__bool__", "__len__"))


def _to_bool(frame: Frame, instr: Instr, stack: Stack) -> None:
    _truth(frame, stack.pop())
    stack.append(SCALAR)


def _branch(frame: Frame, instr: Instr, stack: Stack) -> None:
    value = stack.pop()
    if not instr.name.endswith("NONE"):
        _truth(frame, value)


def _format(frame: Frame, instr: Instr, stack: Stack) -> None:
    count = 1 - instr.stack_effect(jump=False)
    operands = take(stack, count)
    stack.append(operate(frame, "formats", *operands))


# ---------------------------------------------------------------------- containers
def item(frame: Frame, base: Abstract, key: Abstract) -> Abstract:
    """The value of `base[key]`."""
    if UNBOUND in (base, key):
        return UNBOUND
    found = frame.values.item(base, key)
    if found is None:
        frame.effect("looks into something that is not known to be a plain value")
        return LOCAL
    return found


def _subscript(frame: Frame, instr: Instr, stack: Stack) -> None:
    base, key = take(stack, 2)
    stack.append(item(frame, base, key))


def _slice(frame: Frame, instr: Instr, stack: Stack) -> None:
    base, *bounds = take(stack, 3)
    operate(frame, "slices by", *bounds)
    stack.append(item(frame, base, SLICE))


def _build_slice(frame: Frame, instr: Instr, stack: Stack) -> None:
    bounds = take(stack, instr.arg)
    operate(frame, "slices by", *bounds)
    stack.append(SLICE)


def _store_into(frame: Frame, base: Abstract, key: Abstract, value: Abstract) -> None:
    if base == UNBOUND:
        return
    if not (isinstance(base, Fresh) and base.kind in CONTAINERS):
        raise frame.stop("stores into something that it did not make")
    if not frame.values.plain(key) or (
        base.kind in ("ndarray", "bytearray", "Counter") and not frame.values.plain(value)
    ):
        frame.effect("stores something that is not known to be a plain value")
    frame.values.put(base.kind, value)
    if key == SLICE or (base.kind == "list" and not is_scalar(key)):
        frame.values.put(base.kind, iterated(frame, value))


def _store_subscript(frame: Frame, instr: Instr, stack: Stack) -> None:
    value, base, key = take(stack, 3)
    _store_into(frame, base, key, value)


def _store_slice(frame: Frame, instr: Instr, stack: Stack) -> None:
    value, base, *bounds = take(stack, 4)
    operate(frame, "slices by", *bounds)
    _store_into(frame, base, SLICE, value)


def _delete_subscript(frame: Frame, instr: Instr, stack: Stack) -> None:
    base, key = take(stack, 2)
    _store_into(frame, base, key, UNBOUND)


def _build_tuple(frame: Frame, instr: Instr, stack: Stack) -> None:
    parts = tuple(frame.values.stored(part) for part in take(stack, instr.arg))
    stack.append(tuple_of(frame, parts))


def tuple_of(frame: Frame, parts: tuple[Abstract, ...]) -> Abstract:
    """A tuple of these values."""
    element: Abstract = UNBOUND
    for part in parts:
        element = frame.values.join(element, part)
    return Items(element, parts if len(parts) <= 8 else ())


def _build(kind: str) -> Handler:
    def handler(frame: Frame, instr: Instr, stack: Stack) -> None:
        parts = take(stack, instr.arg * (2 if kind == "dict" else 1))
        hashed = parts if kind == "set" else parts[::2] if kind == "dict" else []
        _hashes(frame, *hashed)
        for part in parts[1::2] if kind == "dict" else parts:
            frame.values.put(kind, part)
        stack.append(Fresh(kind))

    return handler


def _hashes(frame: Frame, *values: Abstract) -> None:
    if not all(frame.values.plain(value) for value in values):
        frame.effect("hashes something that is not known to be a plain value")


def _build_const_key_map(frame: Frame, instr: Instr, stack: Stack) -> None:
    for value in take(stack, instr.arg + 1)[:-1]:
        frame.values.put("dict", value)
    stack.append(Fresh("dict"))


def _build_string(frame: Frame, instr: Instr, stack: Stack) -> None:
    take(stack, instr.arg)
    stack.append(SCALAR)


def _append(frame: Frame, instr: Instr, stack: Stack) -> None:
    values = take(stack, 2 if instr.name == "MAP_ADD" else 1)
    if instr.name != "LIST_APPEND":
        _hashes(frame, values[0])
    frame.values.put(_ADDS_TO[instr.name], values[-1])


def _extend(frame: Frame, instr: Instr, stack: Stack) -> None:
    value = stack.pop()
    element = iterated(frame, value)
    if instr.name != "LIST_EXTEND":
        _hashes(frame, element)
    frame.values.put("list" if instr.name == "LIST_EXTEND" else "set", element)


def _merge(frame: Frame, instr: Instr, stack: Stack) -> None:
    value = stack.pop()
    _mapping(frame, value)


def _mapping(frame: Frame, value: Abstract) -> None:
    """`**value`: a plain dictionary, or one made here."""
    if value == UNBOUND:
        return
    if isinstance(value, Fresh) and value.kind == "dict":
        return
    if not frame.values.plain(value):
        frame.effect("unpacks something that is not known to be a plain dictionary")
    frame.values.put("dict", ARG)


def iterated(frame: Frame, value: Abstract) -> Abstract:
    """An element of `value`, which is iterated over here."""
    element = frame.values.element(value)
    if element is None:
        frame.effect(
            "iterates over something that is not known to be a plain value, or that has state"
        )
        return LOCAL
    return element


def _get_iter(frame: Frame, instr: Instr, stack: Stack) -> None:
    value = stack.pop()
    if value == UNBOUND:
        stack.append(UNBOUND)
        return
    element = iterated(frame, value)
    stack.append(Items(element) if not isinstance(value, Items) else Items(value.element))


def _for_iter(frame: Frame, instr: Instr, stack: Stack) -> None:
    stack.append(iterated(frame, stack[-1]))


def _unpack(frame: Frame, instr: Instr, stack: Stack) -> None:
    value = stack.pop()
    count = instr.stack_effect(jump=False) + 1
    if isinstance(value, Items) and len(value.parts) == count and instr.name == "UNPACK_SEQUENCE":
        stack.extend(reversed(value.parts))
        return
    element = iterated(frame, value)
    if (
        isinstance(value, Known)
        and instr.name == "UNPACK_SEQUENCE"
        and (live := frame.context.lookup.elements(value.obj)) is not None
        and len(live) == count
    ):
        stack.extend(Known(part) for part in reversed(live))
        return
    stack.extend([element] * count)
    if instr.name == "UNPACK_EX":  # the starred one is a new list
        before = (instr.arg if isinstance(instr.arg, int) else 0) & 0xFF
        frame.values.put("list", element)
        stack[-1 - before] = Fresh("list")


def _get_len(frame: Frame, instr: Instr, stack: Stack) -> None:
    operate(frame, "measures", stack[-1])
    stack.append(SCALAR)


def _match(frame: Frame, instr: Instr, stack: Stack) -> None:
    operate(frame, "matches", stack[-1])
    stack.append(SCALAR)


def _match_keys(frame: Frame, instr: Instr, stack: Stack) -> None:
    operate(frame, "matches", *stack[-2:])
    stack.append(ARG)  # a tuple of the values, or None


def list_to_tuple(frame: Frame, instr: Instr, stack: Stack) -> None:
    """A new tuple of the elements of the list on top."""
    stack.append(Items(iterated(frame, stack.pop())))


DATA_OPERATIONS: dict[str, Handler] = {
    **dict.fromkeys(("UNARY_NOT", "UNARY_NEGATIVE", "UNARY_POSITIVE", "UNARY_INVERT"), _unary),
    "BINARY_OP": _binary_op,
    "COMPARE_OP": _compare,
    "CONTAINS_OP": _contains,
    "IS_OP": _is_op,
    "TO_BOOL": _to_bool,
    **dict.fromkeys(
        (
            f"POP_JUMP{way}_IF_{what}"
            for way in ("", "_FORWARD", "_BACKWARD")
            for what in ("TRUE", "FALSE", "NONE", "NOT_NONE")
        ),
        _branch,
    ),
    **dict.fromkeys(("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP"), _branch),
    **dict.fromkeys(
        ("FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC", "CONVERT_VALUE"), _format
    ),
    "BINARY_SUBSCR": _subscript,
    "BINARY_SLICE": _slice,
    "BUILD_SLICE": _build_slice,
    "STORE_SUBSCR": _store_subscript,
    "STORE_SLICE": _store_slice,
    "DELETE_SUBSCR": _delete_subscript,
    "BUILD_TUPLE": _build_tuple,
    "BUILD_LIST": _build("list"),
    "BUILD_SET": _build("set"),
    "BUILD_MAP": _build("dict"),
    "BUILD_CONST_KEY_MAP": _build_const_key_map,
    "BUILD_STRING": _build_string,
    **dict.fromkeys(("LIST_APPEND", "SET_ADD", "MAP_ADD"), _append),
    **dict.fromkeys(("LIST_EXTEND", "SET_UPDATE"), _extend),
    **dict.fromkeys(("DICT_UPDATE", "DICT_MERGE"), _merge),
    "LIST_TO_TUPLE": list_to_tuple,
    "GET_ITER": _get_iter,
    "FOR_ITER": _for_iter,
    **dict.fromkeys(("UNPACK_SEQUENCE", "UNPACK_EX"), _unpack),
    "GET_LEN": _get_len,
    **dict.fromkeys(("MATCH_MAPPING", "MATCH_SEQUENCE"), _match),
    "MATCH_KEYS": _match_keys,
}
"""The handlers of this file."""
