"""`assert_same` passes where compiled and plain agree, and says what differs where they do not.

That they differ is staged: `differently` makes an operator that knows whether it runs plain.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from ember_jit import Operator, query, structural_jit
from ember_jit.errors import NotAnOperatorError, OptionError, UncopyableError
from ember_jit.runtime.dispatch import is_disabled
from ember_jit.testing import assert_same
from tests.testing.test_clock import Leaf

SHARED: list[Any] = []
NAN = float("nan")


@structural_jit
class Busy(Operator):
    """Does everything that is compared."""

    def __init__(self) -> None:
        self.a, self.b = Leaf(), Leaf()
        self.seen: list[Any] = []

    def forward(self, *, inputs: Any) -> Any:
        x = self.a(inputs=inputs["q"])
        y = self.b(inputs=inputs["q"])
        print(x, y)
        self.seen.append(x)
        inputs["n"] += 1
        inputs["mine"] = self.seen
        return {"x": x, "same": inputs, "nan": NAN, "set": {x, y}, "err": ValueError(x)}


def test_they_agree() -> None:
    op, inputs = Busy(), {"q": "why", "n": 0}
    assert_same(op, inputs, calls=4)
    assert inputs["n"] == 4, "the compiled run works on the objects themselves"
    assert len(op.seen) == 4


def test_they_raise_alike() -> None:
    @structural_jit
    class Raises(Operator):
        def __init__(self) -> None:
            self.a, self.b, self.count = Leaf(), Leaf(), 0

        def forward(self, *, inputs: Any) -> Any:
            self.count += 1
            x = self.a(inputs=inputs)
            y = self.b(inputs=inputs)
            try:
                raise KeyError(x, y)
            except KeyError as exc:
                raise LookupError(self.count) from exc

    assert_same(Raises(), "x", calls=3)


def test_functions_and_methods() -> None:
    @structural_jit
    def of_inputs(*, inputs: Any) -> Any:
        return [str(inputs), repr(inputs)]

    @structural_jit
    def of_one(word: str) -> Any:
        return [str(word), repr(word)]

    assert_same(of_inputs, "x")
    assert_same(of_one, "x")
    assert_same(Busy().forward, {"q": "x", "n": 1})


def differently(plain: Callable[..., Any], compiled: Callable[..., Any]) -> Any:
    class Op(Operator):
        def __init__(self) -> None:
            self.state: Any = None
            self.calls = 0

        def forward(self, *, inputs: Any) -> Any:
            self.calls += 1
            return (plain if is_disabled() else compiled)(self, inputs)

    return Op()


def raising(exc: BaseException) -> Any:
    raise exc


def setting(value: Any) -> Callable[..., Any]:
    def act(self: Any, inputs: Any) -> None:
        self.state = value

    return act


def chained(cause: Exception | None) -> Any:
    raise ValueError("x") from cause


SECRET = [1]
DIFFERENCES: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "value": (
        lambda self, inputs: {"hits": [1, 2]},
        lambda self, inputs: {"hits": [1, 3]},
        "result['hits'][1]: plain, it is 2; compiled, it is 3",
    ),
    "type": (
        lambda self, inputs: (1,),
        lambda self, inputs: [1],
        "result: plain, it is tuple (1,); compiled, it is list [1]",
    ),
    "a bool is no int": (lambda self, inputs: 1, lambda self, inputs: True, "result: plain"),
    "the sign of zero": (lambda self, inputs: 0.0, lambda self, inputs: -0.0, "-0.0"),
    "length": (
        lambda self, inputs: [1],
        lambda self, inputs: [1, 2],
        "result.len(): plain, it is 1; compiled, it is 2",
    ),
    "the order of keys": (
        lambda self, inputs: {"a": 1, "b": 2},
        lambda self, inputs: {"b": 2, "a": 1},
        "result.keys()[0]: plain, it is 'a'; compiled, it is 'b'",
    ),
    "sets": (lambda self, inputs: {1, 2}, lambda self, inputs: {1, 3}, "result[1]: plain"),
    "identity with the arguments": (
        lambda self, inputs: inputs["docs"],
        lambda self, inputs: list(inputs["docs"]),
        "result: plain, it is inputs['docs'] itself; compiled, it is not",
    ),
    "identity with the arguments, compiled": (
        lambda self, inputs: list(inputs["docs"]),
        lambda self, inputs: inputs["docs"],
        "result: compiled, it is inputs['docs'] itself; plain, it is not",
    ),
    "sharing within the result": (
        lambda self, inputs: [x := [], x],
        lambda self, inputs: [[], []],
        "result[1]: plain, it is result[0] itself; compiled, it is not",
    ),
    "the state": (setting([1]), setting([2]), "self.state[0]: plain, it is 1; compiled, it is 2"),
    "the arguments": (
        lambda self, inputs: inputs.update(n=1),
        lambda self, inputs: inputs.update(n=2),
        "inputs['n']: plain, it is 1; compiled, it is 2",
    ),
    "output": (
        lambda self, inputs: print("a"),
        lambda self, inputs: print("b"),
        r"stdout: plain, it is 'a\n'; compiled, it is 'b\n'",
    ),
    "raises, returns": (
        lambda self, inputs: raising(KeyError("k")),
        lambda self, inputs: 1,
        "plain, it raises KeyError('k'); compiled, it returns 1",
    ),
    "returns, raises": (
        lambda self, inputs: 1,
        lambda self, inputs: raising(KeyError("k")),
        "compiled, it raises KeyError('k'); plain, it returns 1",
    ),
    "exception's type": (
        lambda self, inputs: raising(KeyError("k")),
        lambda self, inputs: raising(IndexError("k")),
        "exception: plain, it is KeyError KeyError('k'); compiled, it is IndexError",
    ),
    "exception's arguments": (
        lambda self, inputs: raising(KeyError("k")),
        lambda self, inputs: raising(KeyError("l")),
        "exception.args[0]: plain, it is 'k'; compiled, it is 'l'",
    ),
    "exception's cause": (
        lambda self, inputs: chained(None),
        lambda self, inputs: chained(KeyError("k")),
        "exception.__cause__: plain, it is NoneType None; compiled, it is KeyError",
    ),
    "a later call": (
        lambda self, inputs: 0,
        lambda self, inputs: int(self.calls > 2),
        "call 3 of differently.<locals>.Op differs. result: plain, it is 0; compiled, it is 1",
    ),
}


@pytest.mark.parametrize("kind", DIFFERENCES)
def test_they_differ(kind: str) -> None:
    plain, compiled, said = DIFFERENCES[kind]
    with pytest.raises(AssertionError) as info:
        assert_same(differently(plain, compiled), {"docs": [1], "n": 0}, calls=3)
    assert said in str(info.value)


def test_an_earlier_result_that_changes_later() -> None:
    def act(self: Any, change: bool) -> Any:
        if self.calls == 1:
            self.state = [0]
            return self.state
        earlier, self.state = self.state, None
        if change:
            earlier.append(1)
        return None

    op = differently(lambda self, inputs: act(self, False), lambda self, inputs: act(self, True))
    with pytest.raises(AssertionError, match=r"call 2 .* result of call 1\.len\(\)"):
        assert_same(op, 0)


def test_what_both_runs_share_is_like_itself() -> None:
    assert_same(differently(lambda self, inputs: SECRET, lambda self, inputs: SECRET), 0)
    with pytest.raises(AssertionError, match="result"):
        assert_same(differently(lambda self, inputs: SECRET, lambda self, inputs: [1, 1]), 0)


class Locked(Operator):
    def __init__(self) -> None:
        self.parts = {"inner": [threading.Lock()]}

    def forward(self, *, inputs: Any) -> Any:
        return str(inputs)


def test_what_cannot_be_copied() -> None:
    with pytest.raises(
        UncopyableError, match=r"cannot copy op\.parts\['inner'\]\[0\]: .*lock.*EMB051"
    ):
        assert_same(Locked(), 1)
    with pytest.raises(UncopyableError, match=r"cannot copy inputs\[1\]: "):
        assert_same(Leaf(), [0, threading.Lock()])
    assert_same(Locked(), 1, plain=Locked())


def test_bad_arguments() -> None:
    with pytest.raises(OptionError, match="calls=0"):
        assert_same(Leaf(), 1, calls=0)
    with pytest.raises(
        NotAnOperatorError, match="assert_same needs an operator, but Leaf is a class"
    ):
        assert_same(Leaf, 1)


def test_arrays() -> None:
    numpy = pytest.importorskip("numpy")

    @query
    class Grow(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return inputs + 1

    @structural_jit
    class Op(Operator):
        def __init__(self) -> None:
            self.a, self.b = Grow(), Grow()

        def forward(self, *, inputs: Any) -> Any:
            return self.a(inputs=inputs), self.b(inputs=inputs)

    assert_same(Op(), numpy.arange(3))
    with pytest.raises(AssertionError, match="result"):
        assert_same(
            differently(
                lambda self, inputs: numpy.zeros(2), lambda self, inputs: numpy.array([0, 1e-9])
            ),
            0,
        )
