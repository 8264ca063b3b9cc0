"""What looks at a decorated class or function is not fooled: `inspect`, `help`, annotations, type checkers."""

from __future__ import annotations

import functools
import inspect
import pydoc
import sys
import textwrap
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ember_jit
from ember_jit import Operator, jit, query, structural_jit

Decorate = Callable[[Any], Any]


@query
class Leaf(Operator):
    def forward(self, *, inputs: Any) -> Any:
        return inputs


class Plain(Operator):
    """An operator with a docstring."""

    def __init__(self) -> None:
        self.a, self.b = Leaf(), Leaf()

    def forward(self, *, inputs: dict[str, int]) -> list[int]:
        """What `forward` does."""
        a = self.a(inputs=inputs)
        b = self.b(inputs=inputs)
        return [a["n"], b["n"]]


def plain(
    question: str, /, times: int = 2, *more: float, loud: bool = False, **rest: Any
) -> list[str]:
    """What the function does."""
    leaf = Leaf()
    return [leaf(inputs=question), leaf(inputs=question)] * times


def twin(target: Any) -> Any:
    """Another class or function of the same source."""
    if isinstance(target, type):
        return type(
            target.__name__, target.__bases__, {**vars(target), "forward": copy(Plain.forward)}
        )
    return copy(target)


def copy(function: Any) -> Any:
    made = type(function)(
        function.__code__, function.__globals__, function.__name__, function.__defaults__
    )
    made.__kwdefaults__, made.__annotations__ = function.__kwdefaults__, function.__annotations__
    made.__doc__, made.__qualname__ = function.__doc__, function.__qualname__
    return made


DECORATORS = [structural_jit, jit, jit(force_trace=True)]


@pytest.mark.parametrize("decorate", DECORATORS)
@pytest.mark.parametrize("called", [False, True])
def test_a_class(decorate: Decorate, called: bool) -> None:
    made = decorate(cls := twin(Plain))
    assert made is cls
    if called:
        assert made()(inputs={"n": 1}) == [1, 1]
    op = made()
    assert inspect.getsource(op.forward) == inspect.getsource(Plain.forward)
    assert inspect.getsourcefile(op.forward) == __file__
    assert inspect.getsourcelines(op.forward)[1] == inspect.getsourcelines(Plain.forward)[1]
    assert inspect.signature(op.forward) == inspect.signature(Plain().forward)
    assert typing.get_type_hints(made.forward) == typing.get_type_hints(Plain.forward)
    assert op.forward.__doc__ == Plain.forward.__doc__
    assert made.__doc__ == Plain.__doc__
    assert made.forward.__qualname__ == Plain.forward.__qualname__
    assert not hasattr(made.forward, "__wrapped__")
    assert inspect.unwrap(made.forward) is made.forward
    assert pydoc.render_doc(made) == pydoc.render_doc(Plain)
    assert pydoc.render_doc(op.forward) == pydoc.render_doc(Plain().forward)
    assert inspect.getcomments(op.forward) == inspect.getcomments(Plain.forward)


@pytest.mark.parametrize("decorate", DECORATORS)
@pytest.mark.parametrize("called", [False, True])
def test_a_function(decorate: Decorate, called: bool) -> None:
    made = decorate(function := twin(plain))
    assert made is function
    if called:
        assert made("x", 1, loud=True) == ["x", "x"]
    assert inspect.getsource(made) == inspect.getsource(plain)
    assert inspect.signature(made) == inspect.signature(plain)
    assert inspect.getfullargspec(made) == inspect.getfullargspec(plain)
    assert typing.get_type_hints(made) == typing.get_type_hints(plain)
    assert (made.__name__, made.__doc__, made.__module__) == (
        plain.__name__,
        plain.__doc__,
        plain.__module__,
    )
    assert made.__code__.co_firstlineno == plain.__code__.co_firstlineno
    assert made.__code__.co_varnames[:5] == plain.__code__.co_varnames[:5]
    assert pydoc.render_doc(made) == pydoc.render_doc(plain)
    bad = [TypeError, TypeError]
    for number, function in enumerate((plain, made)):
        with pytest.raises(TypeError) as caught:
            function(question="x")
        bad[number] = caught.value  # type: ignore[call-overload]
    assert str(bad[0]) == str(bad[1])


def test_what_others_wrapped_stays_wrapped() -> None:
    @functools.wraps(plain)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return plain(*args, **kwargs), plain(*args, **kwargs)

    made = jit(wrapper)
    assert made.__wrapped__ is plain
    assert inspect.signature(made) == inspect.signature(plain)
    assert made("x", 1)[0] == ["x", "x"]


TYPED = """
from typing import Any
from ember_jit import Operator, jit, pure, query, structural_jit, vmap

@structural_jit
class One(Operator):
    def forward(self, *, inputs: dict[str, int]) -> list[int]:
        return [inputs["n"]]

@jit(force_trace=True)
class Two(One):
    width: int = 3

@structural_jit(max_workers=3)
def function(question: str, *, times: int = 2) -> list[str]:
    return [question] * times

@jit
def other(question: str) -> bytes:
    return question.encode()

@query
class Three: ...

instance = structural_jit(One())
reveal_type(One)
reveal_type(One().forward(inputs={"n": 1}))
reveal_type(Two().width)
reveal_type(function)
reveal_type(other)
reveal_type(Three)
reveal_type(instance)
function(3)
"""


@pytest.mark.slow
def test_a_type_checker_sees_the_decorated_as_it_is(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    (tmp_path / "typed.py").write_text(textwrap.dedent(TYPED))
    out, errors, _ = api.run(
        [
            *("--no-error-summary", "--config-file=", "--follow-imports=silent"),
            f"--cache-dir={tmp_path / 'cache'}",
            f"--python-executable={sys.executable}",
            str(tmp_path / "typed.py"),
        ]
    )
    assert not errors
    revealed = [line.partition("Revealed type is ")[2].strip('"') for line in out.splitlines()]
    revealed = [line.replace("builtins.", "") for line in revealed if line]
    assert revealed == [
        "def () -> typed.One",
        "list[int]",
        "int",
        "def (question: str, *, times: int =) -> list[str]",
        "def (question: str) -> bytes",
        "def () -> typed.Three",
        "typed.One",
    ]
    (wrong,) = [line for line in out.splitlines() if ": error:" in line]
    assert 'Argument 1 to "function" has incompatible type "int"' in wrong


def test_the_package_is_typed() -> None:
    assert (Path(ember_jit.__file__).parent / "py.typed").is_file()
