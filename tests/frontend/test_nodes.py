"""A case for every syntax node of the running Python: lowered, or left alone and why."""

from __future__ import annotations

import ast
import sys
import warnings

import pytest

from ember_jit.compiler.analysis.body import BodyAnalysis
from ember_jit.compiler.answers import inference_for
from ember_jit.compiler.frontend.lower import Lowering
from ember_jit.compiler.frontend.nodes import LEFT_ALONE, LOWERED
from ember_jit.compiler.source import Source
from ember_jit.ir.ops import Function
from ember_jit.ir.verifier import verify
from ember_jit.runtime.dispatch import Options
from ember_jit.runtime.triage import reason_to_leave
from tests.pipeline import define, outline, stages

DEPRECATED = {"Num", "Str", "Bytes", "NameConstant", "Ellipsis", "Index", "ExtSlice"}


def concrete(base: type[ast.AST]) -> set[str]:
    """The names of the node classes below `base` that a parse can give."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        classes = [getattr(ast, name) for name in dir(ast) if name not in DEPRECATED]
    return {
        each.__name__
        for each in classes
        if isinstance(each, type) and issubclass(each, base) and each is not base
    } - DEPRECATED


@pytest.mark.parametrize("base", [ast.stmt, ast.expr])
def test_every_node_is_lowered_or_left_alone(base: type[ast.AST]) -> None:
    assert concrete(base) - LOWERED - LEFT_ALONE.keys() == set()


def test_no_node_is_both() -> None:
    assert LOWERED & LEFT_ALONE.keys() == set()


def test_every_reason_is_a_sentence() -> None:
    assert all(len(reason.split()) > 3 for reason in LEFT_ALONE.values())


#: node -> (source, kind of op that it becomes, text that stands in the op)
LOWERED_STATEMENTS = {
    "Pass": ("def f(self): pass", "", ""),
    "Global": ("def f(self):\n    global g\n    return g", "return", "return g"),
    "Nonlocal": (
        "def o():\n    n = 1\n    def f(x):\n        nonlocal n\n        return n\n    return f\nf = o()",
        "return",
        "return n",
    ),
    "Expr": ("def f(self, x): self.a(inputs=x)", "call", "self.a(inputs=x)"),
    "Assign": ("def f(self, x): y = x + 1", "glue", "y = x + 1"),
    "AnnAssign": ("def f(self, x): y: int = x + 1", "glue", "y: int = x + 1"),
    "AugAssign": ("def f(self, x):\n    y = 0\n    y += 1", "glue", "y += 1"),
    "Delete": ("def f(self, x):\n    y = x\n    del y", "glue", "del y"),
    "Return": ("def f(self, x): return x", "return", "return x"),
    "Raise": (
        "def f(self, x): raise ValueError(x) from None",
        "raise",
        "raise ValueError(x) from None",
    ),
    "Break": ("def f(self, x):\n    for y in x:\n        break", "break", "break"),
    "Continue": ("def f(self, x):\n    for y in x:\n        continue", "continue", "continue"),
    "Assert": ("def f(self, x): assert x, 'no'", "assert", "assert x, 'no'"),
    "If": ("def f(self, x):\n    if x:\n        y = 1\n    else:\n        y = 2", "if", "if x:"),
    "For": (
        "def f(self, x):\n    for y in x:\n        z = y\n    else:\n        z = 1",
        "for",
        "for y in x:",
    ),
    "While": (
        "def f(self, x):\n    while x:\n        x = x - 1\n    else:\n        z = 1",
        "while",
        "while x:",
    ),
    "Try": (
        "def f(self, x):\n    try:\n        y = x\n    except ValueError as e:\n        y = 1\n    else:\n        z = 1\n    finally:\n        z = 2",
        "try",
        "try:",
    ),
    "With": ("def f(self, x):\n    with x as y:\n        z = y", "with", "with x as y:"),
    "Match": (
        "def f(self, x):\n    match x:\n        case 1 | None: y = 1\n        case [y, *z]: pass\n        case y: z = y",
        "if",
        "match x:",
    ),
    "FunctionDef": (
        "def f(self, x):\n    def g(y): return y\n    return g(x)",
        "glue",
        "def g(y): return y",
    ),
    "Import": ("def f(self):\n    import sys", "glue", "import sys"),
    "ImportFrom": ("def f(self):\n    from sys import path", "glue", "from sys import path"),
}
LOWERED_EXPRESSIONS = {
    "Constant": "1",
    "Name": "x",
    "Attribute": "x.y",
    "Subscript": "x[1]",
    "Call": "len(x)",
    "List": "[x, 1]",
    "Tuple": "(x, 1)",
    "Set": "{x, 1}",
    "Dict": "{x: 1, **x}",
    "ListComp": "[y for y in x if y]",
    "SetComp": "{y for y in x}",
    "DictComp": "{y: z for y, z in x}",
    "GeneratorExp": "(y for y in x)",
    "BinOp": "x + 1",
    "UnaryOp": "-x",
    "Compare": "1 < x < 3",
    "JoinedStr": "f'{x!r:>{x}}'",
    "FormattedValue": "f'{x}'",
    "BoolOp": "x and 1 or 2",
    "IfExp": "1 if x else 2",
    "NamedExpr": "(y := x)",
    "Lambda": "lambda y: x + y",
    "Starred": "[*x]",
    "Slice": "x[1:2:3]",
}


def test_there_is_a_case_for_every_lowered_node() -> None:
    assert LOWERED_STATEMENTS.keys() | LOWERED_EXPRESSIONS.keys() == LOWERED


@pytest.mark.parametrize("node", LOWERED_STATEMENTS)
def test_lowered_statement(node: str) -> None:
    text, kind, shown = LOWERED_STATEMENTS[node]
    made = stages(text)
    assert any(type(each).__name__ == node for each in ast.walk(made.source.node))
    assert node not in LEFT_ALONE
    assert [reason for _, reason in made.lowered.left_alone] == (
        ["enters the context manager `x`"] if node == "With" else []
    )
    if kind:
        assert any(op.kind == kind and shown in op.text for op in made.lowered.walk()), outline(
            made.lowered
        )
    else:
        assert not list(made.lowered.walk())


@pytest.mark.parametrize("node", LOWERED_EXPRESSIONS)
def test_lowered_expression(node: str) -> None:
    """Over plain values an expression is glue: no call is taken out of it, and nothing stops at it."""
    made = stages(f"def f(x):\n    return {LOWERED_EXPRESSIONS[node]}")
    assert any(type(each).__name__ == node for each in ast.walk(made.source.node))
    assert not made.lowered.left_alone
    assert "barrier" not in {op.kind for op in made.lowered.walk()}, outline(made.lowered)


@pytest.mark.parametrize(
    "node", sorted(LOWERED_EXPRESSIONS.keys() - {"Constant", "Name", "Starred", "FormattedValue"})
)
def test_calls_are_taken_out_of_every_expression(node: str) -> None:
    """With a call for `x`, it becomes an op of its own (generators and lambdas keep it: they are lazy)."""
    text = LOWERED_EXPRESSIONS[node].replace("x", "self.a(inputs=1)")
    made = stages(f"def f(self):\n    return {text}")
    calls = [op for op in made.lowered.walk() if op.kind == "call"]
    assert bool(calls) is (node not in ("Lambda", "GeneratorExp")), outline(made.lowered)
    assert all(op.text == "self.a(inputs=1)" for op in calls)


#: node -> source of a function with the node in it
ALONE = {
    "AsyncFunctionDef": "def f(x):\n    async def g(): pass\n    return x",
    "ClassDef": "def f(x):\n    class C: pass\n    return C",
    "TryStar": "def f(x):\n    try:\n        y = x\n    except* ValueError:\n        y = 1\n    return y",
    "Yield": "def f(x):\n    y = yield x\n    return y",
    "YieldFrom": "def f(x):\n    y = yield from x\n    return y",
    "TypeAlias": "def f(x):\n    type T = list[int]\n    return T",
    "TemplateStr": "def f(x):\n    return t'{x}'",
    "Await": "async def f(x):\n    y = await x\n    return y",
    "AsyncFor": "async def f(x):\n    async for y in x:\n        pass",
    "AsyncWith": "async def f(x):\n    async with x as y:\n        pass",
}
SINCE = {"TypeAlias": (3, 12), "TemplateStr": (3, 14)}


def lowered_anyway(text: str) -> Function:
    """The IR of an `async def`, which the driver would have refused before."""
    tree = ast.parse(text).body[0]
    assert isinstance(tree, ast.AsyncFunctionDef)
    parts = {name: getattr(tree, name) for name in tree._fields}
    node = ast.copy_location(ast.FunctionDef(**parts), tree)
    source = Source(node, tuple(text.split("\n")), 1, "<async>", None, ())
    facts = BodyAnalysis(inference_for(Options()), define("def f(x): return x"), source, None)
    facts.run()
    made = Lowering(source, facts, "f").run()
    verify(made)
    return made


def test_there_is_a_case_for_every_node_left_alone() -> None:
    inside_another = {"Interpolation"}  # a part of a TemplateStr
    assert ALONE.keys() | inside_another == LEFT_ALONE.keys()


@pytest.mark.parametrize("node", ALONE)
def test_left_alone(node: str) -> None:
    if sys.version_info < SINCE.get(node, (3, 11)):
        pytest.skip(f"{node} came with Python {SINCE[node]}")
    text = ALONE[node]
    lowered = lowered_anyway(text) if text.startswith("async") else stages(text).lowered
    (barrier,) = [op for op in lowered.walk() if op.kind == "barrier"]
    assert barrier.reason == LEFT_ALONE[node]
    assert lowered.left_alone == ((barrier.line, LEFT_ALONE[node]),)


def test_a_statement_left_alone_binds_its_names() -> None:
    """What follows must not take them for known."""
    for node, names in {
        "ClassDef": {"C"},
        "AsyncFunctionDef": {"g"},
        "TryStar": {"y"},
    }.items():
        (barrier,) = [op for op in stages(ALONE[node]).lowered.walk() if op.kind == "barrier"]
        assert {value.rsplit(".", 1)[0] for value in barrier.defs} == names


@pytest.mark.parametrize("node", ["Yield", "YieldFrom", "Await", "AsyncFor", "AsyncWith"])
def test_functions_that_suspend_are_left_alone_unread(node: str) -> None:
    space: dict[str, object] = {}
    exec(ALONE[node], space)
    code = space["f"].__code__  # type: ignore[attr-defined]
    assert "generator or a coroutine" in reason_to_leave(code)
