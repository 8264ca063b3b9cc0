"""Finding numeric regions: maximal runs of statements, and expressions in other statements.

    logits = self.head(inputs=x)["scores"]          # a call: not numeric
    z = logits - logits.max()                       # region 0, three statements: one kernel,
    e = np.exp(z)                                   # one output (`z` and `e` are not read again)
    return {"p": e / e.sum(), "n": len(x)}          # no: `len(x)` is a call; so two statements and `e / e.sum()`

Nothing changes here: codegen puts the region's kernel in front of its statements, which stay.  Sound for any
values, because the statements stay; a region is only where a kernel *may* stand, and it is worth one
where at least two passes over the data become one.
"""

from __future__ import annotations

import ast
from types import FunctionType
from typing import Any

from ember_jit.compiler.passes.numeric_reader import Boundary, Reader
from ember_jit.compiler.passes.numeric_scope import Scope, loads
from ember_jit.ir.region import NumericRegion, Step
from ember_jit.ir.syntax import source_text, walk

LEAST = 2  # passes of NumPy's over the data that are worth a kernel
_SCOPES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
_INERT = (ast.Constant, ast.Name)


def find_numeric_regions(
    node: ast.FunctionDef, function: FunctionType, owner: Any, *, arrays_at_hand: bool
) -> list[NumericRegion]:
    """The numeric regions of `node`, in order.

    Args:
        node: the function, as it will be linked.
        function: the live function: its globals say what `np.exp` is.
        owner: the operator that `self` is, or None.
        arrays_at_hand: the arguments hold arrays, so that plain arithmetic may be on arrays too.
    """
    finder = _Finder(Scope(node, function, owner), arrays_at_hand)
    finder.block(node.body, finder.scope.parameters())
    return finder.regions


class _Finder:
    def __init__(self, scope: Scope, arrays_at_hand: bool) -> None:
        self.scope = scope
        self.arrays_at_hand = arrays_at_hand
        self.regions: list[NumericRegion] = []

    def block(self, body: list[ast.stmt], bound: set[str]) -> None:
        """Find the regions of one block; `bound` are the variables that surely have a value in it."""
        bound = set(bound)
        index = 0
        while index < len(body):
            taken = self._run(body, index, bound)
            if not taken:
                self._inside(body[index], bound)
            for statement in body[index : index + max(taken, 1)]:
                bound |= _binds(statement) - self.scope.unbindable
            index += max(taken, 1)

    # ------------------------------------------------------------------ runs of statements
    def _run(self, body: list[ast.stmt], start: int, bound: set[str]) -> int:
        """Make a region of the statements from `start` on; how many it has."""
        reader = Reader(self.scope, bound, strict_names=False)
        run = _Run(reader)
        why = (0, "it is the last statement of its block")
        for statement in body[start:]:
            mark = reader.mark()
            try:
                run.add(statement)
            except Boundary as reason:
                reader.back(mark)
                run.results.clear()
                why = (statement.lineno, str(reason))
                break
            if run.closed:
                break
        while run.body and isinstance(run.body[-1], ast.Assign) and not run.computes[-1]:
            run.drop()  # constants at the end gain nothing
        if not run.body or not self._worthwhile(reader):
            return 0
        region = self._region(reader, run.body)
        region.results = run.results
        region.text = "; ".join(source_text(each) for each in run.body)
        region.boundary = why
        inside = loads(run.body)
        again = {each.text for each in reader.inputs}  # a loop may bring it back to its start
        for name, step in reader.defs.items():
            if name in run.replayed:
                continue
            outside = self.scope.loaded.get(name, 0) > inside.get(name, 0)
            if outside or not inside.get(name) or name in again:
                region.outputs.append((name, step))
        region.outputs += [("", step) for step in run.results.values()]
        region.outputs += [("", step) for step in _unused(reader.steps, region.outputs)]
        if not region.outputs:
            self.regions.pop()
            return 0
        return len(run.body)

    def _worthwhile(self, reader: Reader) -> bool:
        return reader.weight >= LEAST and (reader.evidence or self.arrays_at_hand)

    def _region(self, reader: Reader, body: list[ast.stmt]) -> NumericRegion:
        region = NumericRegion(
            len(self.regions),
            body=body,
            inputs=reader.inputs,
            steps=reader.steps,
            functions=reader.functions,
        )
        self.regions.append(region)
        return region

    # ------------------------------------------------------------------ expressions
    def _inside(self, statement: ast.stmt, bound: set[str]) -> None:
        """Find the regions in the parts of a statement that is none itself."""
        if isinstance(statement, _SCOPES):
            return
        for field in statement._fields:
            value = getattr(statement, field, None)
            if isinstance(value, ast.expr):
                self._expressions(value, bound)
            elif type(value) is list and value:
                if isinstance(value[0], ast.stmt):
                    entered = bound | (_targets(statement) - self.scope.unbindable)
                    self.block(value, entered if field == "body" else bound)
                    continue
                for item in value:
                    if isinstance(item, ast.expr):
                        self._expressions(item, bound)
                    elif isinstance(item, ast.withitem):
                        self._expressions(item.context_expr, bound)
                    elif isinstance(item, ast.ExceptHandler | ast.match_case):
                        self.block(item.body, bound)

    def _expressions(self, node: ast.AST, bound: set[str]) -> None:
        if isinstance(node, _SCOPES) or isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            return
        if isinstance(node, ast.expr) and not isinstance(node, ast.Name | ast.Constant):
            reader = Reader(self.scope, bound, strict_names=True)
            try:
                step = reader.read(node)
            except Boundary:
                pass
            else:
                if self._worthwhile(reader):
                    region = self._region(reader, [])
                    region.expression = node
                    region.text = source_text(node)
                    region.outputs = [("", step)]
                    region.boundary = (node.lineno, "its value goes into a larger statement")
                    return
        for child in ast.iter_child_nodes(node):
            self._expressions(child, bound)


class _Run:
    """The statements of one region, as they are added."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.body: list[ast.stmt] = []
        self.computes: list[bool] = []
        self.replayed: set[str] = (
            set()
        )  # variables that are constants: assigned as they are written
        self.results: dict[int, int] = {}
        self.closed = False

    def add(self, statement: ast.stmt) -> None:
        """Take a statement in, or raise `Boundary`."""
        computes = True
        if isinstance(statement, ast.Return) and statement.value is not None:
            self._results(statement.value)
        elif isinstance(statement, ast.AugAssign):
            self._in_place(statement)
        else:
            name, value = _assignment(statement)
            if name not in self.reader.scope.variables:
                raise Boundary(f"`{name}` is no variable of this function")
            if isinstance(value, ast.Constant):
                self.reader.defs[name] = self.reader.read(value)
                self.reader.fresh.discard(name)
                self.replayed.add(name)
                computes = False
            elif isinstance(value, ast.Name):
                raise Boundary(f"`{name}` would be another name of the same object")
            elif isinstance(value, ast.Tuple | ast.List | ast.Dict):
                self._results(value)
            else:
                self._define(name, value)
        self.body.append(statement)
        self.computes.append(computes)

    def drop(self) -> None:
        """Leave the last statement, which computes nothing, out."""
        name, _ = _assignment(self.body.pop())
        self.computes.pop()
        self.replayed.discard(name)
        self.reader.defs.pop(name, None)

    def _define(self, name: str, value: ast.expr) -> None:
        if name in self.replayed:
            raise Boundary(f"`{name}` was a constant before")
        weight = self.reader.weight
        step = self.reader.read(value)
        if self.reader.steps[step].op in ("input", "view", "const") or self.reader.weight == weight:
            raise Boundary("it computes nothing")
        self.reader.defs[name] = step
        self.reader.fresh.add(name)

    def _in_place(self, statement: ast.AugAssign) -> None:
        """`y -= m` on a fresh array that nothing else can see is `y = y - m`, of the type of `y`."""
        target = statement.target
        if not isinstance(target, ast.Name) or target.id not in self.reader.fresh:
            raise Boundary("it changes what may be seen elsewhere")
        whole = ast.copy_location(
            ast.BinOp(
                ast.copy_location(ast.Name(target.id, ast.Load()), target),
                statement.op,
                statement.value,
            ),
            statement,
        )
        step = self.reader.read(whole)
        self.reader.steps[step] = _as_inplace(self.reader.steps[step])
        self.reader.defs[target.id] = step

    def _results(self, value: ast.expr) -> None:
        """The last statement: results, bare or in a display with what is inert."""
        parts = [value]
        if isinstance(value, ast.Tuple | ast.List):
            parts = value.elts
        elif isinstance(value, ast.Dict):
            if not all(isinstance(key, ast.Constant) for key in value.keys):
                raise Boundary("a key is computed")
            parts = value.values
        for part in parts:
            if isinstance(part, ast.Name) and part.id in self.reader.defs:
                if part.id not in self.replayed:
                    self.results[id(part)] = self.reader.defs[part.id]
                continue
            if isinstance(part, _INERT) and part is not value:
                if isinstance(part, ast.Name) and part.id not in self.reader.bound:
                    raise Boundary(f"`{part.id}` may not be there")
                continue
            weight = self.reader.weight
            step = self.reader.read(part)
            if self.reader.weight == weight:
                raise Boundary("it computes nothing")
            self.results[id(part)] = step
        if not self.results and parts == [value]:
            raise Boundary("it computes nothing")
        self.closed = True


def _unused(steps: list[Step], outputs: list[tuple[str, int]]) -> list[int]:
    """Operations whose results nobody reads: made all the same, for the warnings that they may give."""
    used = {arg for step in steps for arg in step.args} | {step for _, step in outputs}
    return [
        index
        for index, step in enumerate(steps)
        if index not in used and step.op not in ("input", "const", "view")
    ]


def _as_inplace(step: Any) -> Any:
    return type(step)(step.op, step.args, "in place", step.line)


def _assignment(statement: ast.stmt) -> tuple[str, ast.expr]:
    """The variable and value of a plain assignment."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.simple and statement.value is not None:
        target, value = statement.target, statement.value
    else:
        raise Boundary(f"a statement of another kind ({type(statement).__name__.lower()})")
    if not isinstance(target, ast.Name):
        raise Boundary("it stores into an object")
    return target.id, value


def _targets(statement: ast.stmt) -> set[str]:
    """What a loop or `with` binds for its body."""
    found: list[ast.expr] = []
    if isinstance(statement, ast.For):
        found = [statement.target]
    elif isinstance(statement, ast.With):
        found = [item.optional_vars for item in statement.items if item.optional_vars is not None]
    return {n.id for each in found for n in walk(each) if isinstance(n, ast.Name)}


def _binds(statement: ast.stmt) -> set[str]:
    """Variables that have a value once `statement` has ended as usual."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    elif isinstance(statement, ast.With):
        targets = [item.optional_vars for item in statement.items if item.optional_vars is not None]
    else:
        return set()
    return {
        node.id
        for target in targets
        for node in walk(target)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
