# ruff: noqa: E701, E702, I001, PGH003 - one callee a line reads best
"""Callees whose effect is easily overlooked: none of them may be taken for `pure` or `query`."""

from __future__ import annotations

import contextvars
import functools
import io
import logging
import os
import random
import threading
import time
import weakref
from typing import Any

import pytest

from ember_jit import Operator
from ember_jit.compiler.analysis.infer import Inference

SEEN: list[Any] = []
TABLE: dict[str, Any] = {}
COUNT = 0
LOCAL = threading.local()
VAR: contextvars.ContextVar[int] = contextvars.ContextVar("VAR", default=0)
STREAM = io.StringIO()
LINES = iter(range(10**6))
QUEUE = [1, 2, 3]


class Config:
    level = 0
    names: list[str] = []  # noqa: RUF012 - shared on purpose


CONFIG = Config()


class Hooked:
    def __getattr__(self, name: str) -> Any:
        SEEN.append(name)
        return 1

    def __add__(self, other: Any) -> Any:
        SEEN.append(other)
        return 1

    def __eq__(self, other: object) -> bool:
        SEEN.append(other)
        return True

    def __hash__(self) -> int:
        SEEN.append("hash")
        return 1

    def __len__(self) -> int:
        SEEN.append("len")
        return 1

    def __str__(self) -> str:
        SEEN.append("str")
        return ""

    def __contains__(self, item: Any) -> bool:
        SEEN.append(item)
        return True

    def __getitem__(self, item: Any) -> Any:
        SEEN.append(item)
        return item

    def __bool__(self) -> bool:
        SEEN.append("bool")
        return True

    def __call__(self, x: Any) -> Any:
        SEEN.append(x)

    @property
    def size(self) -> int:
        SEEN.append("size")
        return 1


HOOKED = Hooked()


class Descriptor:
    def __get__(self, owner: Any, kind: Any) -> Any:
        SEEN.append("get")
        return 1

    def __set__(self, owner: Any, value: Any) -> None:
        SEEN.append(value)


class Odd(dict):  # type: ignore[type-arg]
    def get(self, key: Any, default: Any = None) -> Any:
        SEEN.append(key)
        return 1

    def __getitem__(self, key: Any) -> Any:
        SEEN.append(key)
        return 1


ODD = Odd()


class OddText(str):
    def upper(self) -> str:
        SEEN.append("upper")
        return ""


ODD_TEXT = OddText("x")


@functools.lru_cache
def cached(x: int) -> list[int]:
    return [x]


def counter() -> Any:
    n = 0

    def step(x: int) -> int:
        nonlocal n
        n += x
        return n

    return step


STEP = counter()


def numbers() -> Any:
    yield from range(10**6)


GENERATOR = numbers()


class LoudError(Exception):
    def __init__(self, text: str) -> None:
        SEEN.append(text)
        super().__init__(text)


class Slots:
    __slots__ = ("x",)


SLOTS = Slots()


class Holder(Operator):
    shared: list[Any] = []  # noqa: RUF012 - shared on purpose
    total = 0
    odd = Descriptor()

    def __init__(self) -> None:
        self.n, self.items, self.map, self.iter = 0, [1], {"a": [1]}, iter(range(10**6))
        self.lock = threading.Lock()

    @functools.cached_property
    def heavy(self) -> list[int]:
        return [1]

    @property
    def loud(self) -> int:
        SEEN.append("loud")
        return 1

    def forward(self, *, inputs: Any) -> Any:
        return inputs


HOLDER = Holder()


# fmt: off
def default_list(x: Any, acc: list[Any] = []) -> Any: acc.append(x); return acc  # noqa: B006
def default_dict(x: Any, acc: dict[Any, Any] = {}) -> Any: acc[x] = 1; return acc  # noqa: B006
def default_alias(x: Any, acc: list[Any] = []) -> Any: ys = acc; ys += [x]; return ys  # noqa: B006
def sort_argument(x: Any) -> Any: x.sort(); return x
def alias_of_argument(x: Any) -> Any: y = x; y.append(1); return y
def part_of_argument(x: Any) -> Any: x["a"].append(1); return x
def loop_over_parts(x: Any) -> Any:
    for part in x: part.append(1)
def setdefault(x: Any) -> Any: return x.setdefault("a", 1)
def plus_equals(x: Any) -> Any: x += [1]; return x
def item_plus_equals(x: Any) -> Any: x["n"] += 1
def store_item(x: Any) -> Any: x[0] = 1
def store_slice(x: Any) -> Any: x[:] = []
def delete_item(x: Any) -> Any: del x[0]
def delete_attribute(x: Any) -> Any: del x.a
def store_attribute(x: Any) -> Any: x.a = 1
def consume(x: Any) -> Any: return next(x)
def consume_default(x: Any) -> Any: return next(LINES, x)
def consume_loop(x: Any) -> Any:
    for line in LINES: return line
def consume_list(x: Any) -> Any: return list(zip(range(x), LINES))
def consume_in(x: Any) -> Any: return x in LINES
def consume_sum(x: Any) -> Any: return sum(GENERATOR)
def consume_star(x: Any) -> Any: first, *_ = GENERATOR; return first
def consume_yield(x: Any) -> Any: return GENERATOR.send(None)
def consume_self(x: Any) -> Any: return next(HOLDER.iter)
def global_count(x: Any) -> Any:
    global COUNT
    COUNT += 1
def global_item(x: Any) -> Any: TABLE["x"] = x
def global_append(x: Any) -> Any: SEEN.append(x)
def global_alias(x: Any) -> Any: seen = SEEN; seen.append(x)
def global_setdefault(x: Any) -> Any: return TABLE.setdefault(x, [])
def global_choice(x: Any) -> Any: seen = SEEN if x else []; seen.append(x)
def global_nested(x: Any) -> Any: TABLE.get("x", SEEN).append(1)
def global_pop(x: Any) -> Any: return QUEUE.pop()
def bound_method(x: Any) -> Any: add = SEEN.append; add(x)
def mapped_method(x: Any) -> Any: return list(map(SEEN.append, x))
def sorted_key(x: Any) -> Any: return sorted(x, key=SEEN.append)
def walrus(x: Any) -> Any: return (s := SEEN) and s.append(x)
def module_attribute(x: Any) -> Any: os.sep = x
def class_attribute(x: Any) -> Any: Config.level = x
def class_list(x: Any) -> Any: Config.names.append(x)
def instance_attribute(x: Any) -> Any: CONFIG.level = x
def own_class(x: Any) -> Any: type(CONFIG).level = x
def by_setattr(x: Any) -> Any: setattr(CONFIG, "level", x)  # noqa: B010
def by_dict(x: Any) -> Any: CONFIG.__dict__["level"] = x
def by_vars(x: Any) -> Any: vars(CONFIG)["level"] = x
def by_globals(x: Any) -> Any: globals()["COUNT"] = x
def by_object(x: Any) -> Any: object.__setattr__(CONFIG, "level", x)
def by_slot(x: Any) -> Any: SLOTS.x = x
def by_descriptor(x: Any) -> Any: HOLDER.odd = x
def get_descriptor(x: Any) -> Any: return HOLDER.odd
def get_property(x: Any) -> Any: return HOLDER.loud
def get_cached_property(x: Any) -> Any: return HOLDER.heavy
def get_hook(x: Any) -> Any: return HOOKED.anything
def hooked_size(x: Any) -> Any: return HOOKED.size
def hooked_add(x: Any) -> Any: return HOOKED + x
def hooked_radd(x: Any) -> Any: return x == HOOKED
def hooked_hash(x: Any) -> Any: return {HOOKED: x}
def hooked_set(x: Any) -> Any: return {HOOKED}
def hooked_get(x: Any) -> Any: return TABLE.get(HOOKED)
def hooked_len(x: Any) -> Any: return len(HOOKED)
def hooked_str(x: Any) -> Any: return str(HOOKED)
def hooked_format(x: Any) -> Any: return f"{HOOKED}"
def hooked_percent(x: Any) -> Any: return "%s" % HOOKED  # noqa: UP031
def hooked_in(x: Any) -> Any: return x in HOOKED
def hooked_item(x: Any) -> Any: return HOOKED[x]
def hooked_bool(x: Any) -> Any: return 1 if HOOKED else 2
def hooked_not(x: Any) -> Any: return not HOOKED
def hooked_and(x: Any) -> Any: return HOOKED and x
def hooked_while(x: Any) -> Any:
    while HOOKED: return x
def hooked_assert(x: Any) -> Any: assert HOOKED
def hooked_if(x: Any) -> Any:
    if HOOKED: return x
def hooked_comp_if(x: Any) -> Any: return [y for y in x if HOOKED]
def hooked_call(x: Any) -> Any: return HOOKED(x)
def hooked_iter(x: Any) -> Any: return [y for y in HOOKED]
def hooked_unpack(x: Any) -> Any: a, b = HOOKED; return a
def hooked_key(x: Any) -> Any: return {"a": 1}[HOOKED]
def hooked_store_key(x: Any) -> Any: d: dict[Any, Any] = {}; d[HOOKED] = x; return d
def hooked_set_comp(x: Any) -> Any: return {HOOKED for _ in x}
def odd_dict(x: Any) -> Any: return ODD.get(x)
def odd_item(x: Any) -> Any: return ODD[x]
def odd_text(x: Any) -> Any: return ODD_TEXT.upper()
def odd_spread(x: Any) -> Any: return {**ODD}
def caches(x: Any) -> Any: return cached(x)
def closure(x: Any) -> Any: return STEP(x)
def loud_error(x: Any) -> Any: raise LoudError(x)
def draws(x: Any) -> Any: return random.random()
def draws_numpy(x: Any) -> Any: import numpy as np; return np.random.rand()
def clock(x: Any) -> Any: return time.time()
def environ_set(x: Any) -> Any: os.environ["X_EMBER"] = x
def environ_pop(x: Any) -> Any: return os.environ.pop("X_EMBER", None)
def opens(x: Any) -> Any: return open(x, "w")
def with_open(x: Any) -> Any:
    with open(x, "a") as f: f.write("x")
def context_set(x: Any) -> Any: return VAR.set(x)
def weak(x: Any) -> Any: return weakref.ref(CONFIG, SEEN.append)
def thread_local(x: Any) -> Any: LOCAL.x = x
def locks(x: Any) -> Any:
    with HOLDER.lock: return x
def acquires(x: Any) -> Any: return HOLDER.lock.acquire(False)
def asks(x: Any) -> Any: return input()
def print_to(x: Any) -> Any: print(x, file=STREAM); return len(STREAM.getvalue())
def writes(x: Any) -> Any: return STREAM.write(x)
def handler(x: Any) -> Any: logging.getLogger("x").addHandler(logging.NullHandler())
def lazy_import(x: Any) -> Any: import this_is_not_loaded_yet; return this_is_not_loaded_yet  # type: ignore
def runs(x: Any) -> Any: exec("SEEN.append(1)")
def evals(x: Any) -> Any: return eval("SEEN.append(1)")
def partial_call(x: Any) -> Any: return functools.partial(SEEN.append, x)()
def reduces(x: Any) -> Any: return functools.reduce(lambda a, b: SEEN.append(b), x)
def lambda_effect(x: Any) -> Any: return (lambda y: SEEN.append(y))(x)
def nested(x: Any) -> Any:
    def inner(y: Any) -> Any: SEEN.append(y)
    return inner(x)
def in_comprehension(x: Any) -> Any: return [SEEN.append(y) for y in x]
def in_finally(x: Any) -> Any:
    try: return x
    finally: SEEN.append(x)
def in_handler(x: Any) -> Any:
    try: return x[0]
    except Exception: SEEN.append(x)
def makes_generator(x: Any) -> Any: yield SEEN.append(x)
def for_target(x: Any) -> Any:
    for CONFIG.level in x: pass
def comp_target(x: Any) -> Any: return [1 for CONFIG.level in x]
def with_target(x: Any) -> Any:
    with io.StringIO() as CONFIG.level: pass
def unpack_target(x: Any) -> Any: CONFIG.level, y = x; return y
def match_value(x: Any) -> Any:
    match HOOKED:
        case 1: return x
def match_class(x: Any) -> Any:
    match x:
        case Hooked(size=1): return x
def super_method(x: Any) -> Any: return dict.update(TABLE, a=x)
def unbound_append(x: Any) -> Any: list.append(SEEN, x)
def in_default(x: Any) -> Any: return x.get("a", SEEN.append(1))
def annotated(x: Any) -> Any: CONFIG.level: int = x
def chained(x: Any) -> Any: y = CONFIG.level = x; return y
def operator_module(x: Any) -> Any: import operator; return operator.iadd(SEEN, [x])
def heap(x: Any) -> Any: import heapq; heapq.heappush(SEEN, x)
# fmt: on

TRICKY = [
    value
    for name, value in list(globals().items())
    if callable(value)
    and getattr(value, "__module__", "") == __name__
    and not isinstance(value, type)
    and name not in ("counter", "numbers", "STEP", "HOOKED", "HOLDER", "cached")
    and hasattr(value, "__code__")
]


@pytest.mark.parametrize("function", TRICKY, ids=lambda function: function.__name__)
def test_it_is_not_taken_for_harmless(function: Any) -> None:
    effect = Inference().effect(function)
    assert not effect.schedulable, f"{function.__name__}: {effect.kind}, {effect.evidence}"
