"""Hooks in bytecode: the original code, with a question before each call and a note after it.

    a = self.search(inputs=x)          t = begin(self, x)                       # at entry
                                       f = arrive(t, 0, self.search, inputs=x)  # `self.search`, or a hand-over
                                       a = f(inputs=x)                          # the call itself, in this frame
                                       landed(t, 0, a)
                                       ...
                                       leave(t)                                 # before each return

The call is still made by the user's own frame, with the program's own arguments; only *what* is called may be
a stand-in that answers with a prefetched outcome.  Stores announce the object that they change (`stores`).

Invariants: a call whose callee and arguments are not all pushed in one basic block is left as it is; so are
`f(*args)`, `with`, `super().m()` and comprehensions in a scope of their own.  Lines and handlers do not move.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any

from ember_jit.compiler.source import first_line
from ember_jit.runtime.tracing import hooks

LOCAL = ".trace"  # no name of the user's can be this
_V = sys.version_info[:2]
_NULL_LAST = _V >= (3, 13)  # on the stack: callee, NULL, args; before: NULL, callee, args
_PRECALL = _V == (3, 11)
#: instructions that change an object -> how deep on the stack it lies (0: a variable of an outer scope)
_STORES = {
    "STORE_ATTR": 1,
    "DELETE_ATTR": 1,
    "STORE_SUBSCR": 2,
    "DELETE_SUBSCR": 2,
    "STORE_SLICE": 3,
    "STORE_GLOBAL": 0,
    "DELETE_GLOBAL": 0,
    "STORE_DEREF": 0,
}
_MOST_ARGUMENTS = 32
_DEEPEST = 12  # more than a hook puts on the stack besides the arguments of a call


@dataclass(slots=True)
class Instrumented:
    """What came out: the code, and the line and text of each site."""

    code: CodeType
    lines: dict[int, int]


@cache
def _library() -> Any:
    """The `bytecode` library; imported late, and seen without its types: they are unions of every operand there is."""
    return importlib.import_module("bytecode")


def instrument(code: CodeType, unit: Any) -> Instrumented | None:
    """`code` with hooks that report to `unit`, or None if no call of it can be given one."""
    bytecode = _library()

    tree = bytecode.Bytecode.from_code(code, conserve_exception_block_stackdepth=True)
    sites = _sites(tree)
    if not sites:
        return None
    out: list[Any] = []
    lines: dict[int, int] = {}
    methods = {site.method for site in sites.values() if site.method is not None}
    before = {site.first: site for site in sites.values()}
    entered = False
    for index, instr in enumerate(tree):
        if index in before:
            site = before[index]
            number = site.number = len(lines)
            location = tree[site.call].location
            lines[number] = (location.lineno if location else 0) or 0
            out += _ask(site, number, location)
        if not isinstance(instr, bytecode.Instr):
            out.append(instr)
            continue
        if instr.name in ("RETURN_VALUE", "RETURN_CONST"):
            out += _call(hooks.leave, [_load_run(instr.location)], 1, instr.location, drop=True)
        elif entered and instr.name in _STORES:
            out += _announce(_STORES[instr.name], instr.location)
        elif instr.name == "BINARY_OP" and int(instr.arg) >= 13:
            out += _announce(2, instr.location)
        if index in methods:
            out += _plain_attribute(instr)
        else:
            out.append(instr)
        if instr.name == "RESUME" and not entered:
            entered = True
            out += _enter(code, unit, type(instr.location)(first_line(code), None, None, None))
        if index in sites:
            out += _note(sites[index].number, instr.location)
    made = bytecode.Bytecode(out)
    made._copy_attr_from(tree)
    # Hooks leave the stack as they find it, so handlers find it as deep as before: measuring both takes half the time.
    room = code.co_stacksize + _DEEPEST + max(site.arguments for site in sites.values())
    assembled = made.to_code(
        stacksize=room, check_pre_and_post=False, compute_exception_stack_depths=False
    )
    return Instrumented(assembled, lines)


@dataclass(slots=True)
class _Site:
    """One call that gets hooks: where its last instructions begin, and what it takes."""

    first: int  # the instruction before which everything is on the stack
    call: int
    arguments: int
    names: tuple[str, ...] | None
    method: int | None  # the instruction that looks the method up
    number: int = 0


def _sites(tree: Any) -> dict[int, _Site]:
    """The calls whose callee and arguments are pushed in one basic block, by the index of the call."""
    bytecode = _library()

    found: dict[int, _Site] = {}
    stack: list[tuple[str, int]] = []
    names: tuple[str, ...] | None = None
    for index, instr in enumerate(tree):
        if isinstance(instr, bytecode.Label):
            stack.clear()
            continue
        if not isinstance(instr, bytecode.Instr):
            continue
        if instr.name == "KW_NAMES":
            names = instr.arg
        elif instr.name in ("CALL", "CALL_KW"):
            site = _site(tree, index, instr, stack, names)
            if site is not None:
                found[index] = site
            names = None
        _step(instr, index, stack)
    return found


def _site(
    tree: Any, index: int, instr: Any, stack: list[tuple[str, int]], names: tuple[str, ...] | None
) -> _Site | None:
    count = int(instr.arg)
    extra = 1 if instr.name == "CALL_KW" else 0
    if count > _MOST_ARGUMENTS or len(stack) < count + 2 + extra:
        return None
    base = len(stack) - count - 2 - extra
    lower, upper = stack[base], stack[base + 1]
    null, callee = (upper, lower) if _NULL_LAST else (lower, upper)
    is_method = null[0] == callee[0] == "method" and null[1] == callee[1]
    if not is_method and (null[0] != "null" or callee[0] == "null"):
        return None
    if any(kind in ("null", "method") for kind, _ in stack[base + 2 :]):
        return None
    first = index
    if extra:
        first -= 1
        loaded = tree[first]
        if getattr(loaded, "name", "") != "LOAD_CONST" or not isinstance(loaded.arg, tuple):
            return None
        names = loaded.arg
    while getattr(tree[first - 1], "name", "") in ("KW_NAMES", "PRECALL"):
        first -= 1
    return _Site(first, index, count, names, callee[1] if is_method else None)


def _step(instr: Any, index: int, stack: list[tuple[str, int]]) -> None:
    """What one instruction does to the stack, as far as it is known within the block."""
    name = instr.name
    if name == "PUSH_NULL":
        stack.append(("null", index))
    elif name == "LOAD_GLOBAL" and instr.arg[0]:
        pair = [("null", index), ("value", index)]
        stack += reversed(pair) if _NULL_LAST else pair
    elif name == "LOAD_METHOD" or (
        name == "LOAD_ATTR" and type(instr.arg) is tuple and instr.arg[0]
    ):
        if stack:
            stack.pop()
        stack += [("method", index)] * 2
    elif name == "SWAP":
        depth = int(instr.arg)
        if len(stack) < depth:
            stack.clear()
        else:
            stack[-depth], stack[-1] = stack[-1], stack[-depth]
    elif name == "COPY":
        depth = int(instr.arg)
        stack.append(stack[-depth] if len(stack) >= depth else ("value", index))
    elif instr.has_jump():
        stack.clear()  # what follows may be reached with another stack
    else:
        before, after = instr.pre_and_post_stack_effect()
        if name == "CALL":  # 3.11 counts the arguments as taken by PRECALL
            before, after = -int(instr.arg) - 2, 1
        if name == "PRECALL":
            return
        if -before > len(stack):
            stack.clear()
        elif before < 0:
            del stack[before:]
        stack += [("value", index)] * (max(before, 0) + max(after, 0))


def _instr(name: str, location: Any, *arg: Any) -> Any:
    bytecode = _library()

    return bytecode.Instr(name, *arg, location=location)


def _load_run(location: Any) -> Any:
    return _instr("LOAD_FAST", location, LOCAL)


def _call(
    function: Any,
    arguments: list[Any],
    count: int,
    location: Any,
    *,
    names: tuple[str, ...] | None = None,
    drop: bool = False,
) -> list[Any]:
    """Call `function` with what `arguments` push."""
    push = [_instr("PUSH_NULL", location)], [_instr("LOAD_CONST", location, function)]
    head = [*push[1], *push[0]] if _NULL_LAST else [*push[0], *push[1]]
    out = [*head, *arguments, *_invoke(count, names, location)]
    return [*out, _instr("POP_TOP", location)] if drop else out


def _invoke(count: int, names: tuple[str, ...] | None, location: Any) -> list[Any]:
    if _NULL_LAST and names:
        return [_instr("LOAD_CONST", location, names), _instr("CALL_KW", location, count)]
    out = [_instr("KW_NAMES", location, names)] if names else []
    if _PRECALL:
        out.append(_instr("PRECALL", location, count))
    return [*out, _instr("CALL", location, count)]


def _ask(site: _Site, number: int, location: Any) -> list[Any]:
    """Callee and arguments lie on the stack: ask what to call, and put the answer in the callee's place."""
    gap = 1 if _NULL_LAST else 0
    copies = [_instr("COPY", location, site.arguments + 5 + gap)]
    copies += [_instr("COPY", location, site.arguments + 5) for _ in range(site.arguments)]
    pushed = [_load_run(location), _instr("LOAD_CONST", location, number), *copies]
    out = _call(hooks.arrive, pushed, site.arguments + 3, location, names=site.names)
    return [
        *out,
        _instr("SWAP", location, site.arguments + 2 + gap),
        _instr("POP_TOP", location),
    ]


def _note(number: int, location: Any) -> list[Any]:
    arguments = [
        _load_run(location),
        _instr("LOAD_CONST", location, number),
        _instr("COPY", location, 5),
    ]
    return _call(hooks.landed, arguments, 3, location, drop=True)


def _announce(depth: int, location: Any) -> list[Any]:
    target = _instr("COPY", location, depth + 3) if depth else _instr("LOAD_CONST", location, None)
    return _call(hooks.stores, [_load_run(location), target], 2, location, drop=True)


def _plain_attribute(instr: Any) -> list[Any]:
    """A method's lookup as an attribute's: the callee is then one object."""
    name = instr.arg if instr.name == "LOAD_METHOD" else instr.arg[1]
    location = instr.location
    plain = _instr("LOAD_ATTR", location, name if _PRECALL else (False, name))
    null = _instr("PUSH_NULL", location)
    return [plain, null] if _NULL_LAST else [plain, null, _instr("SWAP", location, 2)]


def _enter(code: CodeType, unit: Any, location: Any) -> list[Any]:
    bytecode = _library()

    count = code.co_argcount + code.co_kwonlyargcount
    arguments = []
    for name in code.co_varnames[:count]:
        if name in code.co_cellvars:
            arguments.append(_instr("LOAD_DEREF", location, bytecode.CellVar(name)))
        else:
            arguments.append(_instr("LOAD_FAST", location, name))
    begin = unit.begin
    return [
        *_call(begin, arguments, count, location),
        _instr("STORE_FAST", location, LOCAL),
    ]
