"""What may be decorated, and that nobody can tell afterwards: same objects, same looks, same behaviour."""

from __future__ import annotations

import abc
import asyncio
import copy
import dataclasses
import enum
import functools
import pickle
import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import pytest

from ember_jit import Operator, jit, query, structural_jit

TIMEOUT = 10
T = TypeVar("T")


@query
class Ask(Operator):
    def __init__(self, meet: threading.Barrier | None = None) -> None:
        self.meet = meet

    def forward(self, *, inputs: Any) -> Any:
        if self.meet is not None:
            self.meet.wait()
        return f"{inputs}!"


ask = Ask()


class Base(Operator):
    """Two calls that can overlap; undecorated."""

    def __init__(self, meet: threading.Barrier | None = None) -> None:
        self.a, self.b = Ask(meet), Ask(meet)

    def forward(self, *, inputs: Any) -> Any:
        x = self.a(inputs=inputs)
        y = self.b(inputs=inputs)
        return x + y


@structural_jit
class Two(Operator):
    """The same, decorated where pickle can find it."""

    def __init__(self) -> None:
        self.a, self.b = Ask(), Ask()

    def forward(self, *, inputs: Any) -> Any:
        x = self.a(inputs=inputs)
        y = self.b(inputs=inputs)
        return x + y


def fresh() -> type[Base]:
    """A new class like `Base`, with a barrier of two, undecorated."""

    class Op(Operator):
        def __init__(self) -> None:
            meet = threading.Barrier(2, timeout=TIMEOUT)
            self.a, self.b = Ask(meet), Ask(meet)

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=inputs)
            y = self.b(inputs=inputs)
            return x + y

    return Op  # type: ignore[return-value]


# ---------------------------------------------------------------------- forms
@pytest.mark.parametrize(
    "decorate",
    [
        structural_jit,
        structural_jit(),
        structural_jit(execution_strategy="parallel", max_workers=4),
        jit,
        jit(execution_strategy="parallel"),
        lambda cls: structural_jit(structural_jit(cls)),
        lambda cls: structural_jit(max_workers=8)(jit(cls)),
    ],
    ids=["bare", "called", "options", "jit", "jit options", "twice", "twice, options"],
)
def test_a_class_is_decorated_in_place(decorate: Callable[[Any], Any]) -> None:
    cls = fresh()
    forward, names = cls.forward, set(vars(cls))
    assert decorate(cls) is cls
    op = cls()
    assert [op(inputs=n) for n in range(3)] == ["0!0!", "1!1!", "2!2!"]
    assert cls.forward is forward
    assert set(vars(cls)) == names


@pytest.mark.parametrize("decorate", [structural_jit, structural_jit(max_workers=4)])
def test_an_instance_is_decorated_in_place(decorate: Callable[[Any], Any]) -> None:
    op = fresh()()
    before = dict(vars(op))
    assert decorate(op) is op
    assert decorate(op) is op
    assert op(inputs=1) == op(inputs=1) == "1!1!"
    assert vars(op) == before


def test_functions_and_bound_methods_are_decorated_in_place() -> None:
    meet = threading.Barrier(2, timeout=TIMEOUT)
    a, b = Ask(meet), Ask(meet)

    def both(x: Any) -> Any:
        return a(inputs=x) + b(inputs=x)

    assert structural_jit(both) is both
    assert structural_jit(parallel_threshold=2)(both) is both
    assert both(1) == both(1) == "1!1!"

    op = fresh()()
    method = op.forward
    assert structural_jit(method) is method
    assert method(inputs=2) == op(inputs=2) == "2!2!"


def test_decorated_while_it_is_already_in_use() -> None:
    cls = fresh()
    op = cls()
    op.a.meet = op.b.meet = None
    assert op(inputs=1) == "1!1!"
    op.a.meet = op.b.meet = threading.Barrier(2, timeout=TIMEOUT)
    structural_jit(cls)
    assert op(inputs=1) == "1!1!"
    structural_jit(cls)
    assert op(inputs=2) == "2!2!"


def test_what_cannot_be_compiled_is_returned_as_it_is() -> None:
    class Generates(Operator):
        def forward(self, *, inputs: Any) -> Any:
            yield ask(inputs=inputs)
            yield ask(inputs=inputs)

    class Awaits(Operator):
        async def forward(self, *, inputs: Any) -> Any:
            await asyncio.sleep(0)
            return ask(inputs=inputs) + ask(inputs=inputs)

    assert structural_jit(len) is len
    partial = functools.partial(max, 1)
    assert structural_jit(partial) is partial
    assert list(structural_jit(Generates)()(inputs=1)) == ["1!", "1!"]
    assert asyncio.run(structural_jit(Awaits)()(inputs=1)) == "1!1!"


# ---------------------------------------------------------------------- classes
def test_instances_pickle_and_copy_before_and_after_the_first_call() -> None:
    op = Two()
    for _ in range(2):
        for twin in (pickle.loads(pickle.dumps(op)), copy.copy(op), copy.deepcopy(op)):
            assert type(twin) is Two
            assert isinstance(twin, Operator)
            assert twin(inputs=1) == "1!1!"
        assert pickle.loads(pickle.dumps(Two)) is Two
        assert pickle.loads(pickle.dumps(op.forward))(inputs=2) == "2!2!"
        assert op(inputs=3) == "3!3!"


@pytest.mark.parametrize("inside", [True, False], ids=["jit first", "dataclass first"])
@pytest.mark.parametrize(
    "options", [{}, {"frozen": True}, {"slots": True}, {"frozen": True, "slots": True}], ids=str
)
def test_dataclasses(inside: bool, options: dict[str, bool]) -> None:
    class Op:  # no base class: that would have a dictionary, slots or not
        suffix: str = "?"
        left: Any = ask
        right: Any = ask

        def forward(self, *, inputs: Any) -> Any:
            x = self.left(inputs=inputs)
            y = self.right(inputs=x)
            z = self.left(inputs=inputs)
            return x, y, z, self.suffix

    make = dataclasses.dataclass(**options)
    cls: Any = make(structural_jit(Op)) if inside else structural_jit(make(Op))
    op = cls("s")
    for _ in range(3):
        assert op.forward(inputs=1) == ("1!", "1!!", "1!", "s")
    assert op == cls("s")
    assert dataclasses.replace(op, suffix="t").forward(inputs=1)[-1] == "t"
    assert hasattr(op, "__dict__") is not options.get("slots", False)


def test_slots_without_weak_references() -> None:
    @structural_jit
    class Op:
        __slots__ = ("a", "b")

        def __init__(self, meet: threading.Barrier) -> None:
            self.a, self.b = Ask(meet), Ask(meet)

        def forward(self, *, inputs: Any) -> Any:
            return self.a(inputs=inputs) + self.b(inputs=inputs)

    for _ in range(3):
        op = Op(threading.Barrier(2, timeout=TIMEOUT))
        assert [op.forward(inputs=n) for n in range(3)] == ["0!0!", "1!1!", "2!2!"]


def test_abstract_generic_protocol_and_enum_classes() -> None:
    class Abstract(Operator, abc.ABC):
        @abc.abstractmethod
        def forward(self, *, inputs: Any) -> Any:
            return ask(inputs=inputs) + ask(inputs=inputs)

    structural_jit(Abstract)
    with pytest.raises(TypeError, match="abstract"):
        Abstract()

    @structural_jit
    class Concrete(Abstract, Generic[T]):
        def forward(self, *, inputs: T) -> Any:
            return super().forward(inputs=inputs) + ask(inputs="g") + ask(inputs="h")

    @runtime_checkable
    class Runs(Protocol):
        def forward(self, *, inputs: Any) -> Any: ...

    structural_jit(Runs)

    @structural_jit
    class Way(enum.Enum):
        ONE = 1
        TWO = 2

        def forward(self, *, inputs: Any) -> Any:
            return ask(inputs=inputs * self.value) + ask(inputs=self.name)

    for _ in range(3):
        assert Concrete[int]()(inputs=1) == "1!1!g!h!"
        assert Way.TWO.forward(inputs="x") == "xx!TWO!"
    assert isinstance(Concrete(), Runs)
    assert Way(1) is Way.ONE


def test_static_and_class_methods() -> None:
    @structural_jit
    class Op(Operator):
        prefix = ">"

        @staticmethod
        def clean(text: str) -> str:
            return text.strip()

        @classmethod
        def marked(cls, text: str) -> str:
            return cls.prefix + text

        def forward(self, *, inputs: Any) -> Any:
            x = ask(inputs=self.clean(inputs))
            y = ask(inputs=self.marked(inputs))
            return x, y, Op.clean(inputs)

    class Sub(Op):
        prefix = "$"

    for _ in range(3):
        assert Op()(inputs=" a") == ("a!", "> a!", "a")
        assert Sub()(inputs=" a") == ("a!", "$ a!", "a")


def test_inheritance() -> None:
    """Inherited, overridden, extended through `super()`, and in a diamond; decorated above, below, and both."""

    @structural_jit
    class Top(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return ["top", ask(inputs=inputs), ask(inputs=inputs)]

    class Inherits(Top):
        pass

    @structural_jit
    class Left(Top):
        def forward(self, *, inputs: Any) -> Any:
            return ["left", ask(inputs=inputs), *super().forward(inputs=inputs)]

    class Right(Top):
        def forward(self, *, inputs: Any) -> Any:
            return ["right", ask(inputs=inputs), *super().forward(inputs=inputs)]

    class Replaces(Top):
        def forward(self, *, inputs: Any) -> Any:
            return "replaced"

    @structural_jit
    class Diamond(Left, Right):
        pass

    @structural_jit
    class Explicit(Left, Right):
        def forward(self, *, inputs: Any) -> Any:
            return [Right.forward(self, inputs=inputs), Left.forward(self, inputs=inputs)]

    top = ["top", "1!", "1!"]
    right, left = ["right", "1!", *top], ["left", "1!", *top]
    for _ in range(3):
        assert Top()(inputs=1) == Inherits()(inputs=1) == top
        assert Left()(inputs=1) == left
        assert Right()(inputs=1) == right
        assert Replaces()(inputs=1) == "replaced"
        assert Diamond()(inputs=1) == ["left", "1!", *right]
        assert Explicit()(inputs=1) == [right, ["left", "1!", *right]]


def test_forward_wrapped_by_another_decorator() -> None:
    seen: list[Any] = []

    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(self: Any, *, inputs: Any) -> Any:
            seen.append(inputs)
            return function(self, inputs=inputs) + str(len(seen))

        return wrapper

    def build(decorate: Callable[[Any], Any], inner: Callable[[Any], Any]) -> Any:
        class Op(Operator):
            @logged
            @inner
            def forward(self, *, inputs: Any) -> Any:
                return ask(inputs=inputs) + ask(inputs=inputs)

        return decorate(Op)()

    for decorate, inner in (
        (structural_jit, lambda f: f),
        (lambda c: c, structural_jit),
        (structural_jit, structural_jit),
    ):
        seen.clear()
        op = build(decorate, inner)
        assert [op(inputs=n) for n in range(3)] == ["0!0!1", "1!1!2", "2!2!3"]
        assert seen == [0, 1, 2]
