"""Kernels in a function: each numeric region is tried by its kernel first, and stays as it is for all else.

    z = x - x.max()                     _go = K.on and ... and (K.errors() is K.calm and
    e = np.exp(z)                             (_r := K.entry(x)) is not K.miss or (_r := K.again(x)) is not K.miss)
    return e / e.sum()         -->      if _go:
                                            return _r
                                        z = x - x.max()
                                        ...

`K` is the region's site (`runtime.numeric`), in the constants; the guards behind `K.on` are in `codegen.tried`.  The user's statements keep their lines, and
run whenever the kernel says `miss`: nothing has happened by then that anybody could see.
"""

from __future__ import annotations

import ast
from typing import Any

from ember_jit.compiler.codegen.tried import GO, RESULT, guards, part
from ember_jit.ir.region import Input, NumericRegion
from ember_jit.ir.syntax import copied, is_, load, placed, put_on_line, start_of, store


def marker(number: int) -> str:
    """The constant that stands for the site of region `number` until linking."""
    return f"<ember_jit kernel {number}>"


def with_kernels(node: ast.FunctionDef, regions: list[NumericRegion]) -> None:
    """Put the kernels of `regions`, which stand in `node`, in front of them.  Changes `node`."""
    weaver = _Weaver(regions)
    weaver.block(node.body)


class _Weaver:
    def __init__(self, regions: list[NumericRegion]) -> None:
        self.starts = {id(each.body[0]): each for each in regions if each.body}
        self.expressions = {id(each.expression): each for each in regions if each.expression}

    def block(self, body: list[ast.stmt]) -> None:
        """Rewrite one list of statements in place."""
        out: list[ast.stmt] = []
        index = 0
        while index < len(body):
            region = self.starts.get(id(body[index]))
            if region is not None:
                out += _statements(region)
                index += len(region.body)
                continue
            self._inside(body[index])
            out.append(body[index])
            index += 1
        body[:] = out

    def _inside(self, node: ast.AST) -> None:
        for field in node._fields:
            value = getattr(node, field, None)
            if type(value) is list:
                if value and isinstance(value[0], ast.stmt):
                    self.block(value)
                else:
                    value[:] = [self._replaced(item) for item in value]
            elif isinstance(value, ast.AST):
                setattr(node, field, self._replaced(value))

    def _replaced(self, node: Any) -> Any:
        if not isinstance(node, ast.AST):
            return node
        region = self.expressions.get(id(node))
        if region is not None and isinstance(node, ast.expr):
            return _expression(region, node)
        self._inside(node)
        return node


def _statements(region: NumericRegion) -> list[ast.stmt]:
    """The statements of a region with its kernel in front."""
    where = start_of(region.body[0])
    leaves = _leaves(region)
    hoisted: list[ast.stmt] = [
        placed(ast.Assign([store(name)], node), node) for name, node in leaves
    ]
    test = _test(region, leaves)
    if all(each.safe for each in region.inputs):
        hoisted.append(ast.Assign([store(GO)], test))
    else:
        missing = ast.ExceptHandler(
            _site(region, "unready"), None, [ast.Assign([store(GO)], ast.Constant(False))]
        )
        hoisted.append(ast.Try([ast.Assign([store(GO)], test)], [missing], [], []))
    out = hoisted
    as_written: list[ast.stmt] = []
    if _would_show(leaves, where):
        as_written = [copied(each, {}) for each in region.body]
        followed = ast.Assign([store(GO)], ast.Constant(None))
        out = [ast.If(_unfollowed(region), hoisted, [followed])]
    plain = [_with_leaves(each, leaves) for each in region.body]
    if as_written:
        plain = [ast.If(is_(load(GO), ast.Constant(None)), as_written, plain)]
    out.append(ast.If(load(GO), _taken(region), []))
    if isinstance(region.body[-1], ast.Return):
        out += plain
    else:
        out[-1].orelse = plain  # type: ignore[attr-defined]
        for name in (RESULT, *(n for n, _ in leaves)):
            forget = ast.Assign([store(name)], ast.Constant(None))
            put_on_line(forget, -1)  # going back would be a line of its own
            out.append(forget)
    return [placed(each, where) for each in out]


def _would_show(leaves: list[tuple[str, ast.expr]], where: Any) -> bool:
    """Whether a tracer could tell that the leaves are evaluated before what stands in front of them: by their lines."""
    return any(leaf.lineno != where.lineno for _, leaf in leaves)


def _unfollowed(region: NumericRegion) -> ast.expr:
    return ast.BoolOp(ast.And(), guards(marker(region.number), []))


def _taken(region: NumericRegion) -> list[ast.stmt]:
    """What the region's statements do once its kernel has run."""
    places = {step: index for index, step in enumerate(result_steps(region))}
    out: list[ast.stmt] = []
    named = [(name, places[step]) for name, step in region.outputs if name]
    for statement in region.body:
        if _is_constant(statement):
            out.append(copied(statement, {}))
    out += [ast.Assign([store(name)], _part(place, len(places))) for name, place in named]
    if region.results:
        memo: dict[int, Any] = {}
        last = copied(region.body[-1], memo)
        swap = {
            id(memo[part]): placed(_part(places[step], len(places)), last)
            for part, step in region.results.items()
        }
        out.append(_Swap(swap).visit(last))
    return out or [ast.Pass()]


def result_steps(region: NumericRegion) -> list[int]:
    """The steps that the kernel returns, in order: a name and a result of one step are one object."""
    return list(dict.fromkeys(step for _, step in region.outputs))


def _part(place: int, count: int) -> ast.expr:
    return (
        load(RESULT) if count == 1 else ast.Subscript(load(RESULT), ast.Constant(place), ast.Load())
    )


def _expression(region: NumericRegion, node: ast.expr) -> ast.expr:
    """An expression with its kernel in front: `_r if <kernel> else <expression>`."""
    where = start_of(node)
    leaves = _leaves(region)
    test = _test(region, leaves)
    if leaves:
        first: list[ast.expr] = [placed(ast.NamedExpr(store(n), leaf), leaf) for n, leaf in leaves]
        test = ast.Subscript(ast.Tuple([*first, test], ast.Load()), ast.Constant(-1), ast.Load())
    forget: list[ast.expr] = [ast.NamedExpr(store(RESULT), ast.Constant(None))]
    value = ast.Subscript(
        ast.Tuple([load(RESULT), *forget], ast.Load()), ast.Constant(0), ast.Load()
    )
    as_written = copied(node, {}) if _would_show(leaves, where) else None
    made: ast.expr = ast.IfExp(test, value, _with_leaves(node, leaves))
    if as_written is not None:
        made = ast.IfExp(_unfollowed(region), made, as_written)
    made = placed(made, where)
    return made


def _test(region: NumericRegion, leaves: list[tuple[str, ast.expr]]) -> ast.expr:
    """Whether the kernel has run; its result is then in `_r`."""
    named = {id(node): name for name, node in leaves}
    args = [_argument(each, named) for each in region.inputs]
    asked = [*guards(marker(region.number), region.functions), *_type_guards(region)]
    entry, again = (
        ast.Compare(
            ast.NamedExpr(
                store(RESULT), ast.Call(_site(region, name), [copied(a, {}) for a in args], [])
            ),
            [ast.IsNot()],
            [_site(region, "miss")],
        )
        for name in ("entry", "again")
    )
    calm = is_(ast.Call(_site(region, "errors"), [], []), _site(region, "calm"))
    return ast.BoolOp(
        ast.And(), [*asked, ast.BoolOp(ast.Or(), [ast.BoolOp(ast.And(), [calm, entry]), again])]
    )


def _type_guards(region: NumericRegion) -> list[ast.expr]:
    """That reading the inputs runs no code: exact dicts and arrays, and the owner's class as it was."""
    found: dict[str, ast.expr] = {}
    for each in region.inputs:
        if each.kind in ("key", "view") and isinstance(each.node, ast.Subscript):
            wanted = "mapping" if each.kind == "key" else "ndarray"
            base = ast.unparse(each.node.value)
            found[base + wanted] = is_(_type_of(region, each.node.value), _site(region, wanted))
        elif each.kind == "field" and isinstance(each.node, ast.Attribute):
            kind = ast.Call(_site(region, "kind"), [], [])
            found["kind"] = is_(_type_of(region, each.node.value), kind)
            tag = ast.Attribute(_site(region, "tag"), "value", ast.Load())
            found["tag"] = ast.Compare(tag, [ast.Eq()], [_site(region, "stamp")])
    return list(found.values())


def _type_of(region: NumericRegion, node: ast.expr) -> ast.expr:
    return ast.Call(_site(region, "type_of"), [copied(node, {})], [])


def _argument(each: Input, leaves: dict[int, str]) -> ast.expr:
    name = leaves.get(id(each.node))
    return each.node if name is None else load(name)


def _leaves(region: NumericRegion) -> list[tuple[str, ast.expr]]:
    found = [each.node for each in region.inputs if each.kind == "leaf"]
    return [(f"_x{number}", node) for number, node in enumerate(found)]


def _with_leaves(node: Any, leaves: list[tuple[str, ast.expr]]) -> Any:
    swap = {id(leaf): ast.copy_location(load(name), leaf) for name, leaf in leaves}
    return _Swap(swap).visit(node) if swap else node


def _is_constant(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(
        statement.value, ast.Constant
    )


class _Swap(ast.NodeTransformer):
    """Replaces nodes by others, by identity."""

    def __init__(self, swap: dict[int, ast.expr]) -> None:
        self.swap = swap

    def visit(self, node: ast.AST) -> Any:
        found = self.swap.get(id(node))
        return self.generic_visit(node) if found is None else found


def _site(region: NumericRegion, name: str) -> ast.expr:
    return part(marker(region.number), name)
