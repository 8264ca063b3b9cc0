"""Arguments that keep an inferred call from starting early, and those that do not: values on which nothing runs code."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import uuid
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ember_jit import Operator, structural_jit
from ember_jit.testing import record_schedule


class Size(Operator):
    """Inferred."""

    def forward(self, *, inputs: Any) -> Any:
        return {"n": len(str(inputs["x"]))}


class Same(Operator):
    """Inferred; gives its very argument back."""

    def forward(self, *, inputs: Any) -> Any:
        return inputs["x"]


@structural_jit(execution_strategy="parallel")
class Both(Operator):
    def __init__(self) -> None:
        self.size, self.same = Size(), Same()

    def forward(self, *, inputs: Any) -> Any:
        size = self.size(inputs=inputs)
        same = self.same(inputs=inputs)
        return size, same


@dataclasses.dataclass
class Doc:
    title: str
    tags: list[Any] = dataclasses.field(default_factory=list)

    def shout(self) -> str:
        return self.title.upper()


@dataclasses.dataclass(frozen=True, order=True, slots=True)
class Key:
    number: int


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


class Pair(NamedTuple):
    a: int
    b: str


class Bag:
    def __init__(self, held: Any = 1) -> None:
        self.held = held


class Slotted:
    __slots__ = ("held", "unset")

    def __init__(self, held: Any) -> None:
        self.held = held


class Tells(Bag):
    """Says when it is looked at."""

    def __repr__(self) -> str:
        LOG.append("repr")
        return "tells"


class Derived(Bag):
    @property
    def title(self) -> str:
        return "title"


class Gets(Bag):
    def get(self, key: str) -> str:
        return key


class Calls(Bag):
    def __call__(self) -> None: ...


class Text(str):
    def __len__(self) -> int:
        return 3


@dataclasses.dataclass
class Equal:
    title: str

    def __eq__(self, other: object) -> bool:
        return True


@dataclasses.dataclass
class Zone(datetime.tzinfo):
    def utcoffset(self, when: datetime.datetime | None) -> datetime.timedelta:
        return datetime.timedelta(0)


LOG: list[str] = []
PLAIN = [
    Doc("t", [1, {"a": (2,)}]),
    Key(1),
    Colour.RED,
    Level.LOW,
    Pair(1, "b"),
    collections.namedtuple("Point", "x y")(1, 2),
    Bag(),
    Bag(Doc("inner")),
    Slotted([1]),
    datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    datetime.timedelta(1),
    uuid.UUID(int=1),
    Fraction(1, 2),
    collections.deque([1]),
    collections.OrderedDict(a=1),
    collections.Counter("ab"),
    bytearray(b"x"),
]
NOT_PLAIN = [
    Doc("t", [Tells()]),
    Bag(Tells()),
    Slotted(Tells()),
    Pair(1, Tells()),  # type: ignore[arg-type]
    Derived(),
    Gets(),
    Calls(),
    Text("x"),
    Equal("x"),
    datetime.datetime(2026, 1, 1, tzinfo=Zone()),
    decimal.Decimal(1),  # arithmetic sets flags of its thread's context
    Path("x"),  # `replace` renames a file
    collections.defaultdict(list),  # a look-up stores
    iter([1]),
    print,
]


def issued(value: Any) -> int:
    both = Both()
    with record_schedule() as schedule:
        assert both(inputs={"x": value})[1] is value
    return len(schedule.log.calls)


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_plain_values_start_early(value: Any) -> None:
    assert issued(value) == 2


@pytest.mark.parametrize("value", NOT_PLAIN, ids=lambda value: type(value).__name__)
def test_other_values_keep_an_inferred_call_in_order(value: Any) -> None:
    assert issued(value) == 0


def test_a_class_that_is_given_a_special_method_later_is_no_longer_plain() -> None:
    class Late(Bag):
        pass

    assert issued(Late()) == 2
    Late.__repr__ = lambda self: "late"  # type: ignore[method-assign]
    assert issued(Late()) == 0


def test_arrays() -> None:
    numpy = pytest.importorskip("numpy")

    class Sub(numpy.ndarray):  # type: ignore[misc, name-defined]
        pass

    assert issued(numpy.arange(3)) == 2
    assert issued(numpy.float64(1)) == 2
    assert issued(numpy.array([Tells()], dtype=object)) == 0
    assert issued(numpy.zeros(2, dtype=[("a", object)])) == 0
    assert issued(numpy.arange(3).view(Sub)) == 0


def test_who_changes_an_argument_waits() -> None:
    """R4: the calls that read it have ended before the store that stands behind them."""
    numpy = pytest.importorskip("numpy")

    @structural_jit(execution_strategy="parallel")
    class Op(Operator):
        def __init__(self) -> None:
            self.total = Size()

        def forward(self, *, inputs: Any) -> Any:
            xs, doc = inputs["x"]
            a, b = self.total(inputs=inputs), self.total(inputs=inputs)
            xs[0] = 100
            doc.tags.append(1)
            c, d = self.total(inputs=inputs), self.total(inputs=inputs)
            return [each["n"] for each in (a, b, c, d)]

    op = Op()
    with record_schedule() as schedule:
        a, b, c, d = op(inputs={"x": [numpy.zeros(2), Doc("t")]})
    assert a == b < c == d
    assert len(schedule.log.calls) == 4
