"""A function with compiled loops in it: each region is tried by its code first, and stays as it is for all else.

    total = 0.0                      try: _go = K.on and zip is K.f0 and ((xs, ys),)
    for x, y in zip(xs, ys):    -->  except K.unready: _go = False
        total += x * y               if _go and ((_r := K.entry(*_go[0])) is not K.miss or (_r := K.again(*_go[0])) is not K.miss):
    return total                         return _r
                                     _go = _r = None
                                     total = 0.0
                                     ...

Beside `K.on` stand the other guards that regions share (`codegen.tried`), and `K.errors() is K.calm`: NumPy's error
state is the usual one.  Inputs that are parameters are passed without the tuple.

`K` is the site (`runtime.loops.site`), in the constants.  Evaluating the inputs runs no code of the user's: they are
names.  A name that is missing is Python's to report, at the line that uses it.
"""

from __future__ import annotations

import ast
from types import CodeType

from ember_jit.compiler.codegen.tried import GO, RESULT, guards, part
from ember_jit.compiler.loops.regions import LoopRegion
from ember_jit.ir.syntax import copied, is_, load, placed, put_on_line, start_of, store

PLAIN = "_plain_region"


def marker(number: int) -> str:
    """The constant that stands for the site of region `number` until linking."""
    return f"<ember_jit loop {number}>"


def with_loops(node: ast.FunctionDef, regions: list[LoopRegion]) -> None:
    """Put the code of `regions`, which stand in `node`, in front of them.  Changes `node`."""
    starts = {id(each.body[0]): each for each in regions}
    _block(node.body, starts)


def _block(body: list[ast.stmt], starts: dict[int, LoopRegion]) -> None:
    out: list[ast.stmt] = []
    index = 0
    while index < len(body):
        region = starts.get(id(body[index]))
        if region is not None:
            out += _statements(region)
            index += len(region.body)
            continue
        for name in ("body", "orelse", "finalbody"):
            inner = getattr(body[index], name, None)
            if type(inner) is list:
                _block(inner, starts)
        out.append(body[index])
        index += 1
    body[:] = out


def _statements(region: LoopRegion) -> list[ast.stmt]:
    where = start_of(region.body[0])
    inputs: ast.expr = ast.Tuple([load(name) for name in region.inputs], ast.Load())
    calm = ast.Call(_site(region, "errors"), [], [])
    asked = [*guards(marker(region.number), region.functions), is_(calm, _site(region, "calm"))]
    if not region.safe:
        asked.append(ast.Tuple([inputs], ast.Load()))
    ready = ast.Assign([store(GO)], ast.BoolOp(ast.And(), asked))
    missing = ast.ExceptHandler(
        _site(region, "unready"), None, [ast.Assign([store(GO)], ast.Constant(False))]
    )
    test = ast.BoolOp(
        ast.And(),
        [load(GO), ast.BoolOp(ast.Or(), [_tried(region, "entry"), _tried(region, "again")])],
    )
    forget: ast.stmt = ast.Assign([store(GO), store(RESULT)], ast.Constant(None))
    out: list[ast.stmt] = [ast.Try([ready], [missing], [], [])]
    if region.outputs is None:
        out += [ast.If(test, [ast.Return(load(RESULT))], []), forget, *region.body]
    else:
        names: list[ast.expr] = [store(name) for name in region.outputs]
        target = names[0] if len(names) == 1 else ast.Tuple(names, ast.Store())
        taken: list[ast.stmt] = [ast.Assign([target], load(RESULT))] if names else [ast.Pass()]
        put_on_line(forget, -1)  # after the statements: going back would be a line of its own
        out += [ast.If(test, taken, list(region.body)), forget]
    return [placed(each, where) for each in out]


def plain_text(region: LoopRegion) -> ast.FunctionDef:
    """The region as a function of its inputs that returns what goes out."""
    args = ast.arguments([], [ast.arg(name) for name in region.inputs], None, [], [], None, [])
    body = [copied(each, {}) for each in region.body]
    if region.outputs is not None:
        names: list[ast.expr] = [load(name) for name in region.outputs]
        body.append(ast.Return(names[0] if len(names) == 1 else ast.Tuple(names, ast.Load())))
    made = ast.FunctionDef(PLAIN, args, body, [], None)
    function: ast.FunctionDef = ast.fix_missing_locations(placed(made, region.body[0]))
    return function


def plain_code(region: LoopRegion, filename: str) -> CodeType:
    """The same, compiled; the globals are those of the region's function."""
    module = ast.Module([plain_text(region)], [])
    code = compile(module, filename, "exec", dont_inherit=True)
    return next(each for each in code.co_consts if isinstance(each, CodeType))


def _tried(region: LoopRegion, name: str) -> ast.expr:
    inputs = ast.Subscript(load(GO), ast.Constant(0), ast.Load())
    args: list[ast.expr] = [ast.Starred(inputs, ast.Load())]
    if region.safe:
        args = [load(each) for each in region.inputs]
    call = ast.Call(_site(region, name), args, [])
    return ast.Compare(ast.NamedExpr(store(RESULT), call), [ast.IsNot()], [_site(region, "miss")])


def _site(region: LoopRegion, name: str) -> ast.expr:
    return part(marker(region.number), name)
