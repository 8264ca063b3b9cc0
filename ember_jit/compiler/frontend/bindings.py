"""Names that a function binds: which, where for certain, and which hold containers of its own.

    def forward(self, *, inputs):
        out = []                         made here: `out.append` is a `mutate`, not a barrier
        for x in inputs:                 stored_names(for)    {x, y}
            if x:
                y = self.a(inputs=x)     stored_in(body)      {y}
        del out                          unbound_by(del)      {out}
        return y

Python decides scope by the whole body, so all of this is read off the syntax tree, before anything is lowered.
"""

from __future__ import annotations

import ast
import collections
from typing import Any

from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.analysis.nests import makes
from ember_jit.ir.ops import Region
from ember_jit.ir.syntax import walk
from ember_jit.kinds import is_a

#: builtins that run a generator argument to its end, whatever it yields
FULL_CONSUMERS = frozenset(
    {"sum", "list", "tuple", "set", "frozenset", "dict", "sorted", "max", "min"}
)

_MADE = frozenset(
    {list, dict, set, collections.Counter, collections.OrderedDict, collections.deque}
)
_BINDING = (
    ast.Assign,
    ast.AnnAssign,
    ast.For,
    ast.comprehension,
    ast.NamedExpr,
    ast.withitem,
    ast.ExceptHandler,
    ast.MatchAs,
    ast.MatchStar,
    ast.MatchMapping,
    ast.Nonlocal,
    ast.Global,
)
_SCOPED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.GeneratorExp)


def names_in(tree: Any) -> set[str]:
    """Names that an expression, or a list of them, reads."""
    if isinstance(tree, list):
        return set().union(*[names_in(item) for item in tree]) if tree else set()
    return {n.id for n in walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def stored_names(node: ast.AST) -> set[str]:
    """Names that executing `node` may bind in the function's own scope."""
    if isinstance(node, ast.Name):
        return set() if isinstance(node.ctx, ast.Load) else {node.id}
    names: set[str] = set()
    stack: list[ast.AST] = [node]
    while stack:
        inner = stack.pop()
        if isinstance(inner, ast.Name):
            if isinstance(inner.ctx, ast.Store | ast.Del):
                names.add(inner.id)
        elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(inner.name)
            continue
        elif isinstance(inner, ast.Lambda):
            continue
        elif isinstance(inner, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            names |= {n.target.id for n in walk(inner) if isinstance(n, ast.NamedExpr)}
            continue
        elif isinstance(inner, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and inner.name:
            names.add(inner.name)
        elif isinstance(inner, ast.MatchMapping) and inner.rest:
            names.add(inner.rest)
        elif isinstance(inner, ast.alias):
            names.add(inner.asname or inner.name.split(".")[0])
        stack.extend(ast.iter_child_nodes(inner))
    return names


def unbound_by(node: ast.stmt) -> set[str]:
    """Names that `node` may leave unbound: deleted somewhere in it, or the name of an `except ... as`."""
    names = set()
    for inner in walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Del):
            names.add(inner.id)
        elif isinstance(inner, ast.ExceptHandler) and inner.name:
            names.add(inner.name)
    return names


def stored_in(body: list[ast.stmt]) -> set[str]:
    """Names that executing `body` may bind."""
    return set().union(*[stored_names(statement) for statement in body]) if body else set()


def leaves(region: Region) -> bool:
    """Whether what follows `region` is not reached from its end."""
    return bool(region.ops) and region.ops[-1].kind in ("return", "raise", "break", "continue")


def joined(a: set[str], a_leaves: bool, b: set[str], b_leaves: bool) -> set[str]:
    """Names that are bound behind two branches, given those bound at the end of each."""
    if a_leaves:
        return b
    return a if b_leaves else a & b


def made_here(node: ast.FunctionDef, nodes: list[ast.AST], facts: BodyAnalysis) -> frozenset[str]:
    """Names that only ever hold containers made by a display, a comprehension or a constructor in this body.

    Args:
        node: the body.
        nodes: what `walk` gives of it.
        facts: what its calls are.
    """
    made: dict[str, bool] = {}
    for inner in nodes:
        if not isinstance(inner, _BINDING):
            continue
        if isinstance(inner, ast.Assign):
            for target, value in _assigned(inner):
                owned = isinstance(target, ast.Name) and _makes_container(value, facts)
                for name in stored_names(target):
                    made[name] = made.get(name, True) and owned
        elif (
            isinstance(inner, ast.AnnAssign)
            and isinstance(inner.target, ast.Name)
            and inner.value is not None
        ):
            made[inner.target.id] = made.get(inner.target.id, True) and _makes_container(
                inner.value, facts
            )
        elif isinstance(inner, ast.Nonlocal | ast.Global):
            made.update(dict.fromkeys(inner.names, False))
        else:
            target_node = getattr(inner, "target", None) or getattr(inner, "optional_vars", None)
            names = stored_names(target_node) if target_node is not None else set()
            if isinstance(inner, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and inner.name:
                names = {inner.name}
            for name in names:
                made[name] = False
    for name in facts.params:
        made[name] = False
    captured = _captured(node, nodes)
    return frozenset(name for name, owned in made.items() if owned and name not in captured)


def _assigned(node: ast.Assign) -> list[tuple[ast.expr, ast.expr | None]]:
    """What each target of an assignment gets to itself: `x, y = [], []` is two; of `x = y = []` neither does."""
    if len(node.targets) > 1:
        return [(target, None) for target in node.targets]
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
        parts = (*target.elts, *value.elts)
        if len(target.elts) == len(value.elts) and not any(
            isinstance(each, ast.Starred) for each in parts
        ):
            return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def _makes_container(value: ast.expr | None, facts: BodyAnalysis) -> bool:
    if isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
        return True
    if isinstance(value, ast.Call):
        fact = facts.calls.get(value)
        if fact is None or fact.role != "glue":
            return False
        made = facts.live(value.func)
        if made is collections.defaultdict:
            return makes(value, facts.live) > 0  # its factory runs no code of the program
        return made is sorted or (is_a(made, type) and made in _MADE)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):  # `[None] * len(docs)`
        return isinstance(value.left, ast.List) and _is_count(value.right, facts)
    return False


def _is_count(node: ast.expr, facts: BodyAnalysis) -> bool:
    """Whether `node` is a plain number for certain: a list times anything else may be anything."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len":
        return node in facts.calls and facts.calls[node].role == "glue"
    return isinstance(node, ast.Constant) and type(node.value) is int


def _consumes(func: ast.expr) -> bool:
    """Whether a builtin of this name runs a generator argument to its end (or drops it) before it returns."""
    if isinstance(func, ast.Name):
        name = func.id
    else:
        name = func.attr if isinstance(func, ast.Attribute) else ""
    return name in FULL_CONSUMERS or name in ("any", "all", "join")


def _captured(node: ast.FunctionDef, nodes: list[ast.AST]) -> set[str]:
    """Names that nested functions and lambdas read: they may change or keep what the names hold."""
    names: set[str] = set()
    consumed = {
        call.args[0]
        for call in nodes
        if isinstance(call, ast.Call) and call.args and _consumes(call.func)
    }
    for inner in nodes:
        if isinstance(inner, _SCOPED) and inner is not node and inner not in consumed:
            names |= {n.id for n in walk(inner) if isinstance(n, ast.Name)}
    return names
