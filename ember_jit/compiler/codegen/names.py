"""What the names and the control flow of a region say about an issue program.

    for doc in docs:                     defined(for)          {doc, s}
        s = self.summ(inputs=doc)        needed_names          {docs, doc}: a call's argument and its loop
        if s is None:                    region_leaves(body)   True
            break

Nothing here knows about the text that is emitted.
"""

from __future__ import annotations

import ast

from ember_jit.ir.exits import has_exit
from ember_jit.ir.ops import Op, Region, base
from ember_jit.ir.syntax import walk


def called_name(func: ast.expr) -> str:
    """The last name of a callee: `f` of `f()` and of `x.f()`."""
    if isinstance(func, ast.Name):
        return func.id
    return func.attr if isinstance(func, ast.Attribute) else ""


def enclosing_loops(ops: tuple[Op, ...]) -> dict[Op, frozenset[Op]]:
    """For every op the loops around it, inside the region."""
    found: dict[Op, frozenset[Op]] = {}

    def visit(op: Op, loops: frozenset[Op]) -> None:
        found[op] = loops
        inner = loops | {op} if op.kind in ("for", "while", "comp") else loops
        for region in op.regions:
            for each in region.ops:
                visit(each, inner)

    for op in ops:
        visit(op, frozenset())
    return found


def free_in(node: ast.AST, bound: frozenset[str], found: set[str]) -> None:
    """Names that `node` mentions, those of its own comprehensions and lambdas left out."""
    if isinstance(node, ast.Name):
        if node.id not in bound:
            found.add(node.id)
        return
    if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        free_in(node.generators[0].iter, bound, found)
        targets = {n.id for g in node.generators for n in walk(g.target) if isinstance(n, ast.Name)}
        inner = bound | targets
        for generator in node.generators[1:]:
            free_in(generator.iter, inner, found)
        for generator in node.generators:
            for condition in generator.ifs:
                free_in(condition, inner, found)
        for part in (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,):
            free_in(part, inner, found)
        return
    if isinstance(node, ast.Lambda):
        free_in(node.body, bound | {arg.arg for arg in node.args.args}, found)
        return
    for child in ast.iter_child_nodes(node):
        free_in(child, bound, found)


def defined(op: Op) -> set[str]:
    """Names that `op` may bind or whose container it may change, nested ops included."""
    return {base(value) for inner in op.walk() for value in inner.defs}


def starred_names(ops: list[Op]) -> set[str]:
    """Names that get a list of the rest: `first, *rest = xs`."""
    parts = [
        each
        for op in ops
        if op.kind == "glue" and isinstance(op.target, ast.Tuple | ast.List)
        for each in op.target.elts
    ]
    return {
        each.value.id
        for each in parts
        if isinstance(each, ast.Starred) and isinstance(each.value, ast.Name)
    }


def meet(states: list[dict[str, int]]) -> dict[str, int]:
    """The statuses that hold whichever of `states` one comes from: of two, the greater."""
    merged = dict(states[0])
    for state in states[1:]:
        if state == merged:
            continue  # most often, and much the fastest to see
        for name, status in state.items():
            if status > merged.get(name, -1):
                merged[name] = status
    return merged


def region_leaves(region: Region) -> bool:
    """Whether control may leave a loop or the function from inside `region`."""
    return any(
        inner.kind in ("return", "break", "continue") for op in region.ops for inner in op.walk()
    )


def needed_names(ops: list[Op], asked: set[str]) -> set[str]:
    """Names that arguments, receivers and control of calls depend on, or `asked`, transitively."""
    needed = set(asked)
    guarding = [
        op
        for op in ops
        if op.kind in ("if", "for", "while")
        and (has_exit(op) or any(i.kind in ("call", "helper") for i in op.walk()))
    ]
    for op in ops:
        if op.kind == "call" or op.kind == "assert" or op in guarding:
            needed |= {base(use) for use in op.uses}
    changed = True
    while changed:
        changed = False
        for op in ops:
            if (
                op.kind in ("glue", "mutate", "helper", "comp", "if", "for")
                and {base(v) for v in op.defs} & needed
            ):
                uses = {base(use) for use in op.uses}
                if op.kind == "comp":
                    uses |= {
                        base(use)
                        for inner in op.walk()
                        if inner.kind in ("emit", "if")
                        for use in inner.uses
                    }
                if not uses <= needed:
                    needed |= uses
                    changed = True
    return needed
