"""A decorated class with `forward` can be called as `op(inputs=...)`, whatever it derives from."""

from __future__ import annotations

import copy
import pickle
import threading
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import pytest

from ember_jit import Operator, autograph, execute, explain, jit, query, structural_jit
from ember_jit.testing import record_schedule

TIMEOUT = 10


@query
@jit
class Meets:
    """A leaf without a base class; two of them meet only if they overlap."""

    def __init__(self, barrier: threading.Barrier | None = None) -> None:
        self.barrier = barrier

    def forward(self, *, inputs: Any) -> Any:
        if self.barrier is not None:
            self.barrier.wait()
        return f"{inputs}!"


@jit
class Pair:
    def __init__(self, barrier: threading.Barrier | None = None) -> None:
        self.a, self.b = Meets(barrier), Meets(barrier)

    def forward(self, *, inputs: Any) -> Any:
        a = self.a(inputs=inputs)  # type: ignore[operator]
        b = self.b(inputs=inputs)  # type: ignore[operator]
        return a + b


@pytest.mark.parametrize("decorate", [jit, structural_jit])
def test_it_can_be_called_and_overlaps(decorate: Any) -> None:
    class Both:
        def __init__(self) -> None:
            barrier = threading.Barrier(2, timeout=TIMEOUT)
            self.a, self.b = Meets(barrier), Meets(barrier)

        def forward(self, *, inputs: Any) -> Any:
            return self.a(inputs=inputs), self.b(inputs=inputs)  # type: ignore[operator]

    plain = Both()
    assert not callable(plain)
    assert decorate(Both) is Both
    assert Both()(inputs=1) == ("1!", "1!")  # type: ignore[operator]
    assert plain(inputs=2) == ("2!", "2!")  # type: ignore[operator]
    assert [call.overlaps for call in explain(Both()).calls] == [(1,), (0,)]


def test_it_is_the_call_of_operator() -> None:
    assert vars(Pair)["__call__"] is Operator.__call__
    with pytest.raises(TypeError, match="positional argument"):
        Pair()(1)  # type: ignore[operator]
    with pytest.raises(TypeError, match="inputs"):
        Pair()()  # type: ignore[operator]


def test_its_own_call_stays() -> None:
    class Base:
        def __call__(self, x: int) -> int:
            return x + 1

    @jit
    class Own(Base):
        def forward(self, *, inputs: Any) -> Any:
            return inputs

    @jit
    class Refuses:
        __call__ = None

        def forward(self, *, inputs: Any) -> Any:
            return inputs

    assert Own()(1) == 2
    assert "__call__" not in vars(Own)
    with pytest.raises(TypeError, match="not callable"):
        Refuses()(inputs=1)  # type: ignore[misc]


def test_subclasses() -> None:
    class Sub(Pair):
        def forward(self, *, inputs: Any) -> Any:
            return ["sub", super().forward(inputs=inputs)]

    class Calls(Pair):
        def __call__(self, *, inputs: Any) -> Any:
            return ["called", self.forward(inputs=inputs)]

    @structural_jit
    class Again(Sub):
        pass

    assert Sub()(inputs=1) == Again()(inputs=1) == ["sub", "1!1!"]  # type: ignore[operator]
    assert "__call__" not in vars(Again)
    assert Calls()(inputs=1) == ["called", "1!1!"]


def test_an_inherited_forward() -> None:
    class Base:
        def forward(self, *, inputs: Any) -> Any:
            return inputs

    @jit
    class Sub(Base):
        pass

    assert Sub()(inputs=3) == 3  # type: ignore[operator]
    assert not callable(Base())


def test_twice_and_one_instance() -> None:
    class Plain:
        def forward(self, *, inputs: Any) -> Any:
            return inputs

    op = Plain()
    assert jit(structural_jit(op)) is op
    assert op(inputs=4) == 4  # type: ignore[operator]


def test_slots_frozen_classes_and_dataclasses() -> None:
    class Frozen(type):
        def __setattr__(cls, name: str, value: object) -> None:
            raise AttributeError(name)

    @jit
    class Fixed(metaclass=Frozen):
        __slots__ = ()

        def forward(self, *, inputs: Any) -> Any:
            return inputs

    @jit
    @dataclass(frozen=True, slots=True)
    class Data:
        add: int

        def forward(self, *, inputs: Any) -> Any:
            return inputs + self.add

    assert Fixed()(inputs=5) == 5  # type: ignore[operator]
    assert Data(1)(inputs=5) == 6  # type: ignore[operator]
    assert Data(1) == Data(1)


def test_a_protocol_is_left_as_it_is() -> None:
    @jit
    @runtime_checkable
    class Runs(Protocol):
        def forward(self, *, inputs: Any) -> Any: ...

    class Implements:
        def forward(self, *, inputs: Any) -> Any:
            return inputs

    assert isinstance(Implements(), Runs)


def test_pickled_and_copied() -> None:
    for twin in (pickle.loads(pickle.dumps(Pair())), copy.copy(Pair()), copy.deepcopy(Pair())):
        assert type(twin) is Pair
        assert twin(inputs="x") == "x!x!"


def test_what_has_forward_alone_is_no_exception_anywhere() -> None:
    """A trace, a graph: what knows the call of `Operator` knows this one."""
    with record_schedule() as schedule:
        assert Pair(threading.Barrier(2, timeout=TIMEOUT))(inputs="x") == "x!x!"  # type: ignore[operator]
    assert len(schedule.log.calls) == 2
    pair = Pair()
    with autograph() as graph:
        pair(inputs="y")  # type: ignore[operator]
    assert list(execute(graph).values()) == ["y!y!"]


def test_a_signature_that_is_none_gives_no_call() -> None:
    class Turtle:
        def forward(self, distance: float) -> None: ...

    with pytest.raises(TypeError, match="does not take `inputs`"):
        jit(Turtle)
    assert not callable(Turtle())
