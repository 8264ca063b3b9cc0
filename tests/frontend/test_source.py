"""Source is used only if it is what runs: it is compiled again and compared with the live code."""

from __future__ import annotations

import ast
import importlib.util
import linecache
import marshal
import os
import sys
import textwrap
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from ember_jit.compiler.source import NoSource, Source, source_of
from tests.pipeline import namespace

needs_type_parameters = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="type parameters came with Python 3.12"
)


def load(path: Path, text: str) -> dict[str, Any]:
    """Write `text` to `path` and run it as a module would be; its globals."""
    path.write_text(textwrap.dedent(text).lstrip("\n"))
    space: dict[str, Any] = {"__name__": "sample", "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec", dont_inherit=True), space)
    return space


def found(function: Any) -> Source:
    assert isinstance(function, FunctionType)
    return source_of(function, function.__code__)


def missing(function: Any) -> str:
    with pytest.raises(NoSource) as caught:
        found(function)
    return str(caught.value)


RETRIEVABLE = {
    "a string that is indented less": (
        'class C:\n    def f(self):\n        return """\nx\n  y"""\n\n    g = 1\n',
        "C.f",
    ),
    "brackets that are indented less": (
        "class C:\n    def f(self):\n        x = [\n  1,\n]\n        return x\n    g = 1\n",
        "C.f",
    ),
    "a header whose bracket closes at the margin": (
        "def f(\n    x,\n):\n    return x\n\n\ny = 1\n",
        "f",
    ),
    "a continuation line at the margin": (
        "def f(x):\n    y = x + \\\n1\n    return y\ny = 1\n",
        "f",
    ),
    "comments at the margin": (
        "def f(x):\n    y = x\n# why\n\n    return y\n# after\nz = 1\n",
        "f",
    ),
    "decorators over several lines": (
        "def deco(*a):\n    return lambda f: f\n@deco(\n    lambda def_: 1,\n    'x',\n)\n@deco()\ndef f(x):\n    return x\ny = 1\n",
        "f",
    ),
    "top level": ("def f(x):\n    return x + 1\n", "f"),
    "nested": ("def outer():\n    def f(x):\n        return x\n    return f\n", "outer()"),
    "twice nested": (
        "def one():\n    def two():\n        def f():\n            return 1\n        return f\n    return two()\n",
        "one()",
    ),
    "in a class": ("class C:\n    def f(self):\n        return self\n", "C.f"),
    "in a class in a class": (
        "class C:\n    class D:\n        def f(self):\n            return self\n",
        "C.D.f",
    ),
    "in a class in a function": (
        "def g():\n    class C:\n        def f(self):\n            return C\n    return C.f\n",
        "g()",
    ),
    "private names": ("class C:\n    def f(self):\n        return self.__x + __y.__z\n", "C.f"),
    "private names of an underscored class": (
        "class __C:\n    def f(self):\n        return self.__x\n",
        "__C.f",
    ),
    "a private method": (
        "class C:\n    def __f(self):\n        return self.__f\n    g = __f\n",
        "C.g",
    ),
    "super": ("class C:\n    def f(self):\n        return super().f()\n", "C.f"),
    "the __class__ cell": ("class C:\n    def f(self):\n        return __class__\n", "C.f"),
    "super and a closure": (
        "def g(y):\n    class C:\n        def f(self):\n            return super().f(y)\n    return C.f\n",
        "g(1)",
    ),
    "a closure": ("def g(a, b):\n    def f():\n        return b, a\n    return f\n", "g(1, 2)"),
    "a closure with nonlocal": (
        "def g():\n    n = 0\n    def f():\n        nonlocal n\n        n += 1\n    return f\n",
        "g()",
    ),
    "a closure in a closure": (
        "def g(a):\n    def f(b):\n        def h():\n            return a + b\n        return h\n    return f\n",
        "g(1)",
    ),
    "global": ("def f():\n    global n\n    n = 1\n", "f"),
    "a decorator": ("def d(f):\n    return f\n@d\ndef f():\n    return 1\n", "f"),
    "two decorators with arguments": (
        "def d(n):\n    return lambda f: f\n@d(\n    1,\n)\n@d(2)\ndef f():\n    return 1\n",
        "f",
    ),
    "staticmethod": ("class C:\n    @staticmethod\n    def f():\n        return 1\n", "C.f"),
    "classmethod": (
        "class C:\n    @classmethod\n    def f(cls):\n        return cls\n",
        "C.f.__func__",
    ),
    "property": ("class C:\n    @property\n    def f(self):\n        return self\n", "C.f.fget"),
    "multi-line strings": ("class C:\n    def f(self):\n        return '''a\nb\n    c'''\n", "C.f"),
    "a docstring": ("def f():\n    '''one\n    two'''\n    return 1\n", "f"),
    "a comment to the left": (
        "class C:\n    def f(self):\n        x = 1\n# a comment\n        return x\n",
        "C.f",
    ),
    "star args": ("def f(a, /, b, *args, c=1, **kwargs):\n    return a, b, args, c, kwargs\n", "f"),
    "keyword only": ("class C:\n    def f(self, *, inputs):\n        return inputs\n", "C.f"),
    "annotations": ("def f(x: int) -> str:\n    y: int = x\n    return str(y)\n", "f"),
    "future annotations": (
        "from __future__ import annotations\nclass C:\n    def f(self, x: Nope) -> Nope:\n        y: Nope = x\n        return y\n",
        "C.f",
    ),
    "comprehensions": (
        "def f(xs):\n    return [x for x in xs], {x: y for x in xs for y in x}, (z for z in xs)\n",
        "f",
    ),
    "a nested lambda": ("def f(x):\n    return lambda y: x + y\n", "f"),
    "a walrus in a comprehension": ("def f(xs):\n    return [y := x for x in xs], y\n", "f"),
    "an imported module": ("import os\ndef f(x):\n    return os.getpid()\n", "f"),
    "an imported name": ("from os import path as p\ndef f(x):\n    return p.join(x, x)\n", "f"),
    "tabs": ("class C:\n\tdef f(self):\n\t\treturn self\n", "C.f"),
    "one line": ("def f(x): return x\n", "f"),
    "a backslash": ("def f(x):\n    return x + \\\n        1\n", "f"),
    "an if around it": ("if True:\n    def f(x):\n        return x\n", "f"),
    "exotic constants": (
        "def f():\n    return 0.0, -0.0, 1, 1.0, True, 1j, b'', ..., (1, (2.0, '')), 10 ** 40\n",
        "f",
    ),
    "form feed and blank lines": ("\x0c\n\ndef f(x):\n\n    return x\n\n\n", "f"),
    "not ASCII": ("def f(x):\n    ä = 'é' + x\n    return ä\n", "f"),
    "a generator": ("def f(x):\n    yield x\n", "f"),
}


@pytest.mark.parametrize("name", RETRIEVABLE)
def test_source_is_found(name: str, tmp_path: Path) -> None:
    text, expression = RETRIEVABLE[name]
    path = tmp_path / "sample.py"
    function = eval(expression, load(path, text))
    source = found(function)
    nodes = [
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)
    ]
    (original,) = [
        node
        for node in nodes
        if node.lineno == source.node.lineno and node.name == source.node.name
    ]
    assert ast.dump(source.node, include_attributes=False) == ast.dump(
        original, include_attributes=False
    )
    lines = path.read_text().split("\n")
    for mine, theirs in zip(ast.walk(source.node), ast.walk(original), strict=True):
        assert getattr(mine, "lineno", None) == getattr(theirs, "lineno", None)
        assert getattr(mine, "col_offset", None) == getattr(theirs, "col_offset", None)
    assert source.filename == str(path)
    assert source.line(source.node.lineno) == lines[source.node.lineno - 1].strip()
    assert source.line(0) == source.line(10_000) == ""


@needs_type_parameters
@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("def f[T](x: T) -> T:\n    return x\n", "f"),
        ("def f[T: int, *Ts, **P](x: T) -> T:\n    return x\n", "f"),
        ("class C[T]:\n    def f(self, x: T) -> T:\n        return x\n", "C.f"),
        ("class C:\n    def f[T](self, x: T) -> T:\n        return self.__x\n", "C.f"),
        ("class C:\n    def f[T](self, x):\n        return T, super().f(x)\n", "C.f"),
        ("def g(y):\n    def f[T](x):\n        return T, y\n    return f\n", "g(1)"),
    ],
)
def test_type_parameters(text: str, expression: str, tmp_path: Path) -> None:
    """Found, or refused; never another function's."""
    function = eval(expression, load(tmp_path / "sample.py", text))
    try:
        source = found(function)
    except NoSource:
        pytest.skip("left alone")
    assert source.node.name == "f"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return x + 1", "return x + 2"),
        ("return x + 1", "return x - 1"),
        ("return x + 1", "return x + 1.0"),
        ("return x + 1", "return x + True"),
        ("return x + 0.0", "return x + -0.0"),
        ("return x.a", "return x.b"),
        ("return (lambda: 1)", "return (lambda: 2)"),
        ("return [y for y in x]", "return [y + 1 for y in x]"),
        ("z = x; return z", "y = x; return y"),
        ("return x in {1, 2}", "return x in {1, 3}"),
        ("return x + 1", "return \\\n        x + 1"),
        ("return len(x)", "return"),
        ("return x", "yield x"),
        ("return x", "return ("),
    ],
)
def test_an_edited_file_is_not_the_source(before: str, after: str, tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    text = "def f(x):\n    {}\n"
    function = load(path, text.format(before))["f"]
    path.write_text(text.format(after))
    missing(function)


def test_an_edited_comment_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    function = load(path, "def f(x):\n    return x  # one\n")["f"]
    path.write_text("def f(x):\n    return x  # another\n")
    assert found(function).node.name == "f"


@pytest.mark.parametrize("shift", [1, 3, 100])
def test_a_shifted_file_is_not_the_source(shift: int, tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    text = "def f(x):\n    return x\n\n\ndef g(x):\n    return x\n"
    space = load(path, text)
    path.write_text("\n" * shift + text)
    missing(space["f"])


def test_another_function_in_its_place_is_not_the_source(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    function = load(path, "def f(x):\n    return x\n")["f"]
    path.write_text("def g(x):\n    return x\n")
    missing(function)


def test_a_removed_file_is_not_the_source(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    function = load(path, "def f(x):\n    return x\n")["f"]
    os.remove(path)
    assert "no source lines" in missing(function)


def test_one_class_name_twice(tmp_path: Path) -> None:
    """Each function has the text at its own place."""
    space = load(
        tmp_path / "sample.py",
        """
        class C:
            def f(self):
                return 1
        first = C
        class C:
            def f(self):
                return 2
        """,
    )
    for cls, value in ((space["first"], 1), (space["C"], 2)):
        (returned,) = found(cls.f).node.body
        assert isinstance(returned, ast.Return)
        assert isinstance(returned.value, ast.Constant)
        assert returned.value.value == value


def test_a_notebook_cell_that_is_run_again() -> None:
    name = "<ipython-input-1-abc>"
    first = namespace("def f(x):\n    return x + 1\n", name)["f"]
    assert found(first).line(2) == "return x + 1"
    stale = namespace("def g(x):\n    return x + 1\n", name)["g"]
    second = namespace("def g(x):\n    return x + 2\n", name)["g"]
    assert found(second).line(2) == "return x + 2"
    missing(stale)


def test_exec_has_no_source() -> None:
    space: dict[str, Any] = {}
    exec("def f(x):\n    return x\n", space)
    assert "no source lines" in missing(space["f"])


def test_exec_that_borrows_a_files_name(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text("def f(x):\n    return x\n")
    space: dict[str, Any] = {}
    exec(compile("def f(x):\n    return x + 1\n", str(path), "exec"), space)
    missing(space["f"])


def test_a_lambda_is_refused(tmp_path: Path) -> None:
    space = load(tmp_path / "sample.py", "f = lambda x: x\n")
    assert "lambda" in missing(space["f"])


def test_an_async_function_is_refused(tmp_path: Path) -> None:
    space = load(tmp_path / "sample.py", "async def f(x):\n    return x\n")
    assert "async" in missing(space["f"])


def test_what_a_decorator_returns_is_not_the_source(tmp_path: Path) -> None:
    """`functools.wraps` copies names, not code: the wrapper has the wrapper's source."""
    space = load(
        tmp_path / "sample.py",
        """
        import functools
        def d(f):
            @functools.wraps(f)
            def wrapper(*args):
                return f(*args)
            return wrapper
        @d
        def f(x):
            return x
        """,
    )
    assert found(space["f"].__wrapped__).node.name == "f"
    assert found(space["f"]).node.name == "wrapper"


def test_replaced_code_is_not_the_source(tmp_path: Path) -> None:
    space = load(tmp_path / "sample.py", "def f(x):\n    return x\n\ndef g(x):\n    return x + 1\n")
    function = space["f"]
    function.__code__ = space["g"].__code__.replace(co_firstlineno=1)
    missing(function)


def test_equal_code_in_two_files_has_two_sources(tmp_path: Path) -> None:
    """Code objects compare equal whatever file they stand in."""
    text = "def f(x):\n    return x\n"
    one, two = load(tmp_path / "one.py", text)["f"], load(tmp_path / "two.py", text)["f"]
    assert one.__code__ == two.__code__
    assert [found(each).filename for each in (one, two)] == [
        str(tmp_path / "one.py"),
        str(tmp_path / "two.py"),
    ]


def test_the_order_of_a_set_in_compiled_bytecode_does_not_matter(tmp_path: Path) -> None:
    """A module that comes from a `.pyc` may hold the same frozenset in another order."""
    path = tmp_path / "sample.py"
    path.write_text(
        "def f(x):\n    return x in {7, 15, 23}, x in {'a', 'b', 'c', 'd', 'e', 'f', 'g'}, x in {7, (7, 'x')}\n"
    )
    code = marshal.loads(marshal.dumps(compile(path.read_text(), str(path), "exec")))
    space: dict[str, Any] = {}
    exec(code, space)
    assert found(space["f"]).node.name == "f"


def test_an_imported_module(tmp_path: Path) -> None:
    path = tmp_path / "imported_sample.py"
    path.write_text("class C:\n    def f(self, x):\n        return x\n")
    spec = importlib.util.spec_from_file_location("imported_sample", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert found(module.C.f).class_name == "C"


def test_nothing_of_the_users_is_executed(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    space = load(
        path,
        "ran = []\ndef d(f):\n    ran.append(f)\n    return f\n@d\ndef f(x=ran.append(1)):\n    return x\n",
    )
    before = list(space["ran"])
    found(space["f"])
    assert space["ran"] == before
    assert linecache.getlines(str(path))
