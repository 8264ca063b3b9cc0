"""Containers made in this body that hold others made in it, and how deep that is sure.

    found = defaultdict(list)            found: all the way down
    found[k].append(x)                   its lists were made here; what is in them need not have been: 2
    table = {"a": {}, "b": {}}
    table["a"][k] = x                    2
    rows = {"a": xs}                     `xs` was not: 1
    rows["a"].append(x)                  so this changes something that others may hold

The *depth* of `d` is 0, of `d[k]` and `d.setdefault(k, [])` 1, and so on.  A change of what stands at some depth stays
in the body if nothing that was not made here is ever put at that depth or above.  A name that is given to another one,
or put into something, does not count: it could be filled through that.  Read off the syntax, flow-insensitively.
"""

from __future__ import annotations

import ast
import collections
import sys
from collections.abc import Callable
from typing import Any

from ember_jit.ir.syntax import walk
from ember_jit.kinds import is_a

ENDLESS = sys.maxsize
_IMMUTABLE = (ast.Constant, ast.JoinedStr, ast.Compare)
_EMPTY = frozenset(
    {list, dict, set, collections.Counter, collections.OrderedDict, collections.deque}
)
_FACTORIES = frozenset({list, dict, set, int, float, str, bool, tuple})
_PUTS_ONE = {"append": 0, "appendleft": 0, "add": 0, "insert": 1, "setdefault": 1}
_PUTS_MANY = frozenset({"extend", "extendleft", "update"})
Lookup = Callable[[ast.expr], Any]


def place(node: ast.expr) -> tuple[str, int]:
    """The name that leads to what `node` gives, and how many steps it takes; ("", 0) if no name does."""
    depth = 0
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice):
            node = node.value
        elif _is_setdefault(node):
            node = node.func.value  # type: ignore[attr-defined]
        else:
            return "", 0
        depth += 1
    return node.id, depth


def _is_setdefault(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "setdefault"
        and len(node.args) == 2
        and not node.keywords
    )


def find_nests(function: ast.FunctionDef, live: Lookup) -> dict[str, int]:
    """For each name that holds such containers alone: the depth from which on something else may be.

    Args:
        function: the body; nested ones count as well.
        live: gives the live object that a callee expression stands for, or None.
    """
    return _Scan(function, live).depths


def makes(value: ast.expr, live: Lookup) -> int:
    """The depth from which on the value of an expression may hold something not made by it; 0 if it may be such."""
    if isinstance(value, _IMMUTABLE):
        return ENDLESS
    if isinstance(value, ast.List | ast.Set | ast.Tuple):
        return _deeper(value.elts, live)
    if isinstance(value, ast.Dict):
        return 1 if None in value.keys else _deeper(value.values, live)
    if isinstance(value, ast.ListComp | ast.SetComp):
        return _deeper([value.elt], live)
    if isinstance(value, ast.DictComp):
        return _deeper([value.value], live)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):
        return makes(value.left, live) if isinstance(value.left, ast.List) else 0
    if isinstance(value, ast.Call) and not value.keywords:
        return _made_by_call(value, live)
    return 0


def _made_by_call(value: ast.Call, live: Lookup) -> int:
    made = live(value.func)
    if made is collections.defaultdict and len(value.args) == 1:
        factory = value.args[0]
        if isinstance(factory, ast.Name) and _is_in(live(factory), _FACTORIES):
            return ENDLESS
        if isinstance(factory, ast.Lambda) and not _takes_anything(factory):
            return _deeper([factory.body], live)
        return 0
    if _is_in(made, _EMPTY):
        return ENDLESS if not value.args else 1
    return 0


def _is_in(obj: Any, kinds: frozenset[type]) -> bool:
    return is_a(obj, type) and obj in kinds


def _shown(node: ast.expr) -> list[ast.expr]:
    """An expression and, of a display, what stands in it: behind a `return` nothing changes any more."""
    parts: list[ast.expr] = []
    if isinstance(node, ast.Tuple | ast.List):
        parts = node.elts
    elif isinstance(node, ast.Dict):
        parts = node.values
    return [node, *[each for part in parts for each in _shown(part)]]


def _takes_anything(node: ast.Lambda) -> bool:
    args = node.args
    return bool(args.args or args.posonlyargs or args.kwonlyargs or args.vararg or args.kwarg)


def _deeper(parts: list[ast.expr], live: Lookup) -> int:
    inside = min((makes(part, live) for part in parts), default=ENDLESS)
    return inside if inside == ENDLESS else inside + 1


class _Scan:
    """One walk over a body."""

    def __init__(self, function: ast.FunctionDef, live: Lookup) -> None:
        self.live = live
        self.depths: dict[str, int] = {}
        nodes = walk(function)
        for node in nodes:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                self._bound(node.targets[0], node.value)
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                self._bound(node.target, node.value)
        if not self.depths:
            return
        plain: set[int] = set()  # mentions of a name that make no alias of it
        for node in nodes:
            self._visit(node, plain)
        for node in nodes:
            if isinstance(node, ast.Name) and node.id in self.depths and id(node) not in plain:
                del self.depths[node.id]
            elif isinstance(node, ast.arg) and node.arg in self.depths:
                del self.depths[node.arg]
            elif isinstance(node, ast.Global | ast.Nonlocal):
                for name in node.names:
                    self.depths.pop(name, None)

    def _bound(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._limit(target.id, makes(value, self.live), new=True)

    def _limit(self, name: str, depth: int, new: bool = False) -> None:
        if new or name in self.depths:
            self.depths[name] = min(depth, self.depths.get(name, ENDLESS))

    def _put(self, owner: ast.expr, inside: int) -> None:
        """Something that is made here down to `inside` is put into `owner`."""
        name, depth = place(owner)
        if name:
            self._limit(name, inside if inside == ENDLESS else depth + 1 + inside)

    def _visit(self, node: ast.AST, plain: set[int]) -> None:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            single = len(targets) == 1
            for target in targets:
                if isinstance(target, ast.Name) and single:
                    plain.add(id(target))
                elif isinstance(target, ast.Subscript) and single and node.value is not None:
                    self._put(target.value, makes(node.value, self.live))
                else:
                    self._put_anywhere(target)
        elif isinstance(node, ast.AugAssign):
            if isinstance(node.target, ast.Subscript):
                self._put(node.target.value, 1)
            elif isinstance(node.target, ast.Name):
                plain.add(id(node.target))
                self._limit(node.target.id, 1)
        elif isinstance(node, ast.For | ast.comprehension):
            self._put_anywhere(node.target)
            plain.add(id(node.iter))
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            self._put_anywhere(node.optional_vars)
        elif isinstance(node, ast.Subscript | ast.Attribute):
            plain.add(id(node.value))
        elif isinstance(node, ast.Call):
            self._call(node, plain)
        elif isinstance(node, ast.Return) and node.value is not None:
            plain.update(map(id, _shown(node.value)))
        elif isinstance(node, ast.Compare):
            plain.update(map(id, (node.left, *node.comparators)))
        elif isinstance(node, ast.If | ast.While):
            plain.add(id(node.test))

    def _call(self, node: ast.Call, plain: set[int]) -> None:
        plain.update(map(id, (*node.args, *[keyword.value for keyword in node.keywords])))
        if not isinstance(node.func, ast.Attribute):
            return
        name, owner = node.func.attr, node.func.value
        if name in _PUTS_MANY:
            self._put(owner, 0)
        elif name in _PUTS_ONE:
            which = _PUTS_ONE[name]
            known = len(node.args) > which and not node.keywords
            starred = any(isinstance(arg, ast.Starred) for arg in node.args)
            inside = makes(node.args[which], self.live) if known and not starred else 0
            self._put(owner, inside)

    def _put_anywhere(self, target: ast.expr) -> None:
        for node in walk(target):
            if isinstance(node, ast.Subscript):
                self._put(node.value, 0)
