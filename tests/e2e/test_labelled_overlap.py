"""Calls with resources: what may run beside what (DESIGN 3, the third row of the table, and R1 to R6)."""

from __future__ import annotations

import io
import itertools
import random
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ember_jit import (
    Operator,
    commutes,
    effects,
    nothrow,
    ordered,
    pure,
    query,
    reads,
    structural_jit,
    thread_bound,
)
from ember_jit.effects import Label
from ember_jit.runtime import events

TIMEOUT = 10


class Meet(Operator):
    """A leaf that ends only when all who are to be there at once have come."""

    def __init__(self, barrier: threading.Barrier | None = None) -> None:
        self.barrier = barrier

    def forward(self, *, inputs: Any) -> Any:
        if self.barrier is not None:
            self.barrier.wait(TIMEOUT)
        return {"v": inputs}


def leaf(label: Label, barrier: threading.Barrier | None = None) -> Operator:
    return label(Meet(barrier))


def two_way(first: Any, second: Any) -> type[Operator]:
    """A class of its own for each pair: labels are looked at when it is compiled."""

    @structural_jit(execution_strategy="parallel")
    class Own(Operator):
        def __init__(self) -> None:
            self.first, self.second = first, second

        def forward(self, *, inputs: Any) -> Any:
            a = self.first(inputs=inputs)
            b = self.second(inputs=inputs)
            return a, b

    return Own


TOGETHER = [
    (reads("db") | nothrow, reads("db")),
    (commutes("n") | nothrow, commutes("n")),
    (ordered("log") | nothrow, ordered("db")),
    (ordered("log") | nothrow, reads("db")),
    (reads("db") | nothrow, ordered("log") | nothrow),
    (query | nothrow, ordered("log")),
    (ordered("log"), query),
    (ordered("log"), pure),
    (ordered("log"), query | reads("db")),
    (reads("db"), query | reads("db")),
    (reads("a") | ordered("b") | nothrow, reads("a") | ordered("c")),
]
APART = [
    (reads("db"), reads("db")),
    (query, ordered("log")),
    (query, reads("log")),
    (pure, commutes("log")),
    (ordered("log") | nothrow, ordered("log")),
    (ordered("log") | nothrow, reads("log")),
    (reads("log") | nothrow, ordered("log")),
    (commutes("log") | nothrow, reads("log")),
    (reads("log") | nothrow, commutes("log")),
    (commutes("log") | nothrow, ordered("log")),
    (ordered("log"), query | reads("log")),
    (reads("a") | ordered("b") | nothrow, reads("b")),
    (ordered("a") | commutes("b") | nothrow, ordered("c") | reads("b")),
]


@pytest.mark.parametrize(("first", "second"), TOGETHER, ids=str)
def test_these_overlap(first: Label, second: Label) -> None:
    barrier = threading.Barrier(2)
    op = two_way(leaf(first, barrier), leaf(second, barrier))()
    assert op(inputs=1) == ({"v": 1}, {"v": 1})


@pytest.mark.parametrize(("first", "second"), APART, ids=str)
def test_these_stay_in_order(first: Label, second: Label) -> None:
    seen: list[str] = []

    class Note(Operator):
        def __init__(self, name: str) -> None:
            self.name = name

        def forward(self, *, inputs: Any) -> Any:
            seen.append(f"{self.name} begins")
            threading.Event().wait(0.005)
            seen.append(f"{self.name} ends")
            return inputs

    op = two_way(first(Note("a")), second(Note("b")))()
    for _ in range(3):
        seen.clear()
        assert op(inputs=1) == (1, 1)
        assert seen == ["a begins", "a ends", "b begins", "b ends"]


def test_one_resource_stays_in_order_beside_another() -> None:
    """The second line to the log is written while the call to the data base still runs."""
    barrier, lines = threading.Barrier(2), []

    @ordered("log")
    @nothrow
    class Log(Operator):
        def forward(self, *, inputs: Any) -> Any:
            lines.append(inputs)
            if inputs == 2:
                barrier.wait(TIMEOUT)

    @structural_jit(execution_strategy="parallel")
    class Op(Operator):
        def __init__(self) -> None:
            self.save, self.log = leaf(ordered("db") | nothrow, barrier), Log()

        def forward(self, *, inputs: Any) -> Any:
            done = self.save(inputs=inputs)
            self.log(inputs=1)
            self.log(inputs=2)
            return done

    assert Op()(inputs=1) == {"v": 1}
    assert lines == [1, 2]


def test_iterations_that_commute_overlap() -> None:
    barrier = threading.Barrier(3)

    @structural_jit(execution_strategy="parallel")
    class Op(Operator):
        def __init__(self) -> None:
            self.add = leaf(commutes("n") | nothrow, barrier)

        def forward(self, *, inputs: Any) -> Any:
            out = []
            for x in inputs:
                out.append(self.add(inputs=x))
            return out

    assert Op()(inputs=[1, 2, 3]) == [{"v": 1}, {"v": 2}, {"v": 3}]


def test_glue_that_cannot_raise_is_no_obstacle() -> None:
    barrier = threading.Barrier(2)

    @structural_jit(execution_strategy="parallel")
    class Op(Operator):
        def __init__(self) -> None:
            self.a, self.b = leaf(reads("a") | nothrow, barrier), leaf(ordered("b"), barrier)

        def forward(self, *, inputs: Any) -> Any:
            a = self.a(inputs=inputs["q"])
            text = f"{inputs['q']}!"
            seen = []
            seen.append(a)
            pair = (a, text)
            b = self.b(inputs={"q": text})
            return pair, b, seen

    assert Op()(inputs={"q": 1})[1] == {"v": {"q": "1!"}}


GLUE = [
    "n = a['v']",
    "n = a['v'] + 1",
    "print(a)",
    "n = 1 / zero",
    "n = missing(a)",
    "n, m = a",
    "del a",
]


@pytest.mark.parametrize("glue", GLUE)
def test_glue_that_may_raise_keeps_what_follows(glue: str) -> None:
    """When it raises, the write behind it must not have happened; when not, it comes after it."""
    import linecache

    made: list[Any] = []
    ended = threading.Event()

    class Write(Operator):
        def forward(self, *, inputs: Any) -> Any:
            assert ended.is_set()
            made.append(inputs)

    class Read(Operator):
        def forward(self, *, inputs: Any) -> Any:
            threading.Event().wait(0.01)
            ended.set()
            return [1, 2, 3] if glue == "n, m = a" else 7

    text = f"def run(read, write, zero):\n    a = read(inputs=1)\n    {glue}\n    b = write(inputs=2)\n    return b\n"
    filename = f"<glue {glue}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    space: dict[str, Any] = {"read": (reads("a") | nothrow)(Read()), "write": ordered("b")(Write())}
    exec(compile(text.replace("(read, write, zero)", "(zero)"), filename, "exec"), space)
    linecache.cache[filename] = (
        len(text), None, text.replace("(read, write, zero)", "(zero)").splitlines(True), filename,
    )  # fmt: skip
    run = structural_jit(execution_strategy="parallel")(space["run"])
    raises = glue not in ("print(a)", "del a")
    try:
        run(0)
    except (TypeError, ZeroDivisionError, NameError, ValueError):
        assert raises
        assert made == []
    else:
        assert not raises
        assert made == [2]


def test_state_that_a_writer_changes_is_read_behind_it() -> None:
    @structural_jit(execution_strategy="parallel")
    class Op(Operator):
        def __init__(self) -> None:
            self.n, self.items = 0, []
            self.ask = leaf(query)

        @ordered("n")
        @nothrow
        def bump(self, by: int) -> None:
            threading.Event().wait(0.01)
            self.n += by
            self.items.append(by)

        def forward(self, *, inputs: Any) -> Any:
            items = self.items
            self.bump(inputs)
            a = self.ask(inputs=self.n)
            self.bump(inputs)
            b = self.ask(inputs=list(items))
            c = self.ask(inputs=self.n)
            return a, b, c

    assert Op()(inputs=2) == ({"v": 2}, {"v": [2, 2]}, {"v": 4})


def test_an_inferred_reader_waits_for_a_writer() -> None:
    class Store(Operator):
        def __init__(self) -> None:
            self.held: dict[str, int] = {}

        @ordered("store")
        @nothrow
        def put(self, key: str, value: int) -> None:
            threading.Event().wait(0.01)
            self.held[key] = value

        def forward(self, *, inputs: Any) -> Any:
            return self.held.get(inputs, 0)

    @structural_jit(execution_strategy="parallel")
    class Op(Operator):
        def __init__(self) -> None:
            self.store, self.ask = Store(), leaf(query)

        def forward(self, *, inputs: Any) -> Any:
            self.store.put("k", inputs)
            first = self.store(inputs="k")
            self.store.put("k", inputs + 1)
            return first, self.store(inputs="k"), self.ask(inputs=1)

    assert Op()(inputs=5) == (5, 6, {"v": 1})


def test_a_writer_that_rebinds_an_operator_is_waited_for() -> None:
    @structural_jit(execution_strategy="parallel")
    class Op(Operator):
        def __init__(self) -> None:
            self.model, self.other = leaf(query), leaf(query)

        @ordered("model")
        @nothrow
        def reload(self) -> None:
            threading.Event().wait(0.01)
            self.model = query(Upper())

        def forward(self, *, inputs: Any) -> Any:
            self.reload()
            return self.model(inputs=inputs), self.other(inputs=inputs)

    class Upper(Operator):
        def forward(self, *, inputs: Any) -> Any:
            return inputs.upper()

    assert Op()(inputs="x") == ("X", {"v": "x"})


@pytest.mark.parametrize("label", [query, pure, ordered("gui"), ordered("gui") | nothrow], ids=str)
def test_a_thread_bound_call_stays_on_the_callers_thread_and_others_pass_it(label: Label) -> None:
    barrier, where = threading.Barrier(2), []

    class Bound(Operator):
        def forward(self, *, inputs: Any) -> Any:
            where.append(threading.get_ident())
            barrier.wait(TIMEOUT)
            return inputs

    op = two_way((label | thread_bound)(Bound()), leaf(query, barrier))()
    assert op(inputs=1) == (1, {"v": 1})
    assert where == [threading.get_ident()]


def test_a_broken_nothrow_still_raises_in_program_order() -> None:
    made: list[str] = []

    class Fails(Operator):
        def forward(self, *, inputs: Any) -> Any:
            made.append("a")
            raise ValueError(inputs)

    class Slow(Operator):
        def forward(self, *, inputs: Any) -> Any:
            threading.Event().wait(0.02)
            made.append("b ended")

    op = two_way((ordered("x") | nothrow)(Fails()), (ordered("y") | nothrow)(Slow()))()
    with pytest.raises(ValueError, match="7"):
        op(inputs=7)
    assert made in (["a"], ["a", "b ended"])  # what had begun has ended before the function is left


def test_labels_of_every_kind_of_target() -> None:
    barrier = threading.Barrier(2)

    @ordered("one")
    @nothrow
    def function(x: Any) -> Any:
        barrier.wait(TIMEOUT)
        return x

    class Client:
        def send(self, x: Any) -> Any:
            barrier.wait(TIMEOUT)
            return x

    client = Client()
    effects.declare(client.send, ordered("two"))

    @structural_jit(execution_strategy="parallel")
    def run(x: Any) -> Any:
        a = function(x)
        b = client.send(x)
        return a, b

    assert run(1) == (1, 1)


def test_operators_in_a_list() -> None:
    barrier = threading.Barrier(3)

    @structural_jit(execution_strategy="parallel")
    class Op(Operator):
        def __init__(self) -> None:
            self.members = [leaf(ordered(str(n)) | nothrow, barrier) for n in range(3)]

        def forward(self, *, inputs: Any) -> Any:
            return [member(inputs=inputs) for member in self.members]

    assert Op()(inputs=1) == [{"v": 1}] * 3


# ---------------------------------------------------------------------- calls made in vain
def test_without_a_licence_calls_still_overlap_where_nothing_can_raise() -> None:
    barrier = threading.Barrier(3)

    @structural_jit(execution_strategy="parallel", max_extra_calls=0)
    class Op(Operator):
        def __init__(self) -> None:
            self.a, self.b = leaf(query | nothrow, barrier), leaf(pure | nothrow, barrier)
            self.c = leaf(query, barrier)

        def forward(self, *, inputs: Any) -> Any:
            return self.a(inputs=inputs), self.b(inputs=inputs), self.c(inputs=inputs)

    assert Op()(inputs=1) == ({"v": 1},) * 3


@pytest.mark.parametrize("extra", [0, 1, 2, 3])
def test_glue_that_raises_finds_no_more_calls_made_than_allowed(
    extra: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []
    enough = threading.Event()

    @query
    class Item(Operator):
        def forward(self, *, inputs: Any) -> Any:
            begun.append(inputs)
            if len(begun) >= extra:
                enough.set()
            return inputs

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            assert extra == 0 or enough.wait(TIMEOUT)
            threading.Event().wait(0.01)
            raise ValueError("glue")

    @structural_jit(execution_strategy="parallel", max_extra_calls=extra)
    class Op(Operator):
        def __init__(self) -> None:
            self.item = Item()

        def forward(self, *, inputs: Any) -> Any:
            print(f"{inputs[0]}")
            return [self.item(inputs=x) for x in range(8)]

    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(ValueError, match="glue"):
        Op()(inputs=["x"])
    assert len(begun) == extra


def test_output_of_a_call_inside_the_arguments_of_another_is_not_lost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @query
    class Says(Operator):
        def forward(self, *, inputs: Any) -> Any:
            print("says", inputs)
            return inputs

    @structural_jit(execution_strategy="parallel")
    class Op(Operator):
        def __init__(self) -> None:
            self.a, self.b = Says(), Says()

        def forward(self, *, inputs: Any) -> Any:
            x = self.a(inputs=(self.b(inputs=1), 2))
            y = self.a(inputs=(self.b(inputs=3), 4))
            return x, y

    assert Op()(inputs=0) == ((1, 2), (3, 4))
    assert capsys.readouterr().out == "says 1\nsays (1, 2)\nsays 3\nsays (3, 4)\n"


# ---------------------------------------------------------------------- against an oracle
LABELS = [
    query,
    query | nothrow,
    pure | nothrow,
    *[
        make(r) | flag
        for make in (reads, ordered, commutes)
        for r in "ab"
        for flag in (Label(""), nothrow)
    ],
    query | reads("a"),
    reads("a") | ordered("b") | nothrow,
    query | thread_bound,
    ordered("a") | thread_bound | nothrow,
]


def conflicts(a: Label, b: Label) -> bool:
    return any(
        r == s and not (v == w and v in ("reads", "commutes"))
        for v, r in a.claims
        for w, s in b.claims
    )


def may_overlap(earlier: Label, later: Label) -> bool:
    """The legality relation, as the table has it."""
    if conflicts(earlier, later):
        return False
    return later.kind in ("pure", "query") or earlier.nothrow


class Recorder(Operator):
    def __init__(self, name: str, world: dict[str, Any]) -> None:
        self.name, self.world = name, world

    def forward(self, *, inputs: Any) -> Any:
        world = self.world
        with world["lock"]:
            world["events"].append(("begin", self.name))
        threading.Event().wait(world["delay"][self.name])
        with world["lock"]:
            world["events"].append(("end", self.name))
            for word, resource in effects.label_of(self).claims:
                if word == "ordered":
                    world["log"].setdefault(resource, []).append(self.name)
        if self.name in world["fails"]:
            raise ValueError(self.name)
        return f"{self.name}{len(str(inputs))}"


def program(rng: random.Random, number: int) -> tuple[str, int]:
    count = rng.randint(2, 5)
    lines, names = [], ["x"]
    for index in range(count):
        argument = rng.choice(names) if rng.random() < 0.4 else "x"
        call = f"r{index} = self.op{index}(inputs={argument})"
        shape = rng.random()
        if shape < 0.15:
            lines += ["try:", f"    {call}", "except ValueError as e:", f"    r{index} = str(e)"]
        elif shape < 0.25:
            lines += [f"r{index} = None", f"if {rng.choice(names)}:", f"    {call}"]
        elif shape < 0.35:
            lines += [f"r{index} = [self.op{index}(inputs=(x, i)) for i in range(2)]"]
        else:
            lines += [call]
        names.append(f"r{index}")
        if rng.random() < 0.2:
            lines += [
                rng.choice([f"n = r{index}[0]", "n = x + 'y'", f"n = len(r{index})", "n = (x, x)"])
            ]
    body = "\n".join("        " + line for line in lines)
    return (
        f"class Op{number}(Operator):\n    def __init__(self, ops):\n"
        + "".join(f"        self.op{i} = ops[{i}]\n" for i in range(count))
        + f"    def forward(self, *, inputs):\n        x = inputs\n{body}\n        return [{', '.join(names)}]\n",
        count,
    )


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as exc:  # noqa: BLE001 - the outcome is what is compared
        return type(exc), str(exc)


@pytest.mark.parametrize("extra", [None, 0, 1, 2], ids=lambda extra: f"extra={extra}")
@pytest.mark.parametrize("block", range(6))
def test_random_programs_keep_to_the_relation(block: int, extra: int | None) -> None:
    import linecache

    for seed in range(block * 12, block * 12 + 12):
        rng = random.Random(seed)
        text, count = program(rng, seed)
        filename = f"<labels {seed} {extra}>"
        linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
        space: dict[str, Any] = {"Operator": Operator, "__name__": "labels"}
        exec(compile(text, filename, "exec"), space)
        labels = [rng.choice(LABELS) for _ in range(count)]
        fails = {f"op{i}" for i in range(count) if not labels[i].nothrow and rng.random() < 0.2}
        delay = {f"op{i}": rng.choice([0, 0.001, 0.004]) for i in range(count)}
        worlds = [
            {"lock": threading.Lock(), "events": [], "log": {}, "fails": fails, "delay": delay}
            for _ in range(2)
        ]
        plain, compiled = (
            space[f"Op{seed}"]([labels[i](Recorder(f"op{i}", world)) for i in range(count)])
            for world in worlds
        )
        expected = outcome(lambda: plain(inputs="in"))
        fast = structural_jit(compiled, execution_strategy="parallel", max_extra_calls=extra)
        with events.record():
            got = outcome(lambda: fast(inputs="in"))
        note = f"seed {seed}\n{text}\n{list(map(str, labels))} fails {fails}"
        assert got == expected, note
        assert worlds[0]["log"] == worlds[1]["log"], note
        check(worlds[0]["events"], list(worlds[1]["events"]), labels, extra, note)


def check(
    plain: list[Any], seen: list[Any], labels: list[Label], extra: int | None, note: str
) -> None:
    made = [name for what, name in plain if what == "begin"]
    begun = [name for what, name in seen if what == "begin"]
    spare = list(begun)
    for name in made:
        assert name in spare, f"{name} was not made\n{note}"
        spare.remove(name)
    for name in spare:
        assert labels[int(name[2:])].kind in ("pure", "query"), f"{name} made in vain\n{note}"
    assert extra is None or len(spare) <= extra, f"{spare} made in vain\n{note}"
    for first, second in itertools.combinations(range(len(labels)), 2):
        a, b = f"op{first}", f"op{second}"
        if not may_overlap(labels[first], labels[second]) and ("begin", a) in seen:
            ends = [i for i, event in enumerate(seen) if event == ("end", a)]
            begins = [i for i, event in enumerate(seen) if event == ("begin", b)]
            assert all(e < s for e in ends for s in begins), f"{b} beside {a}: {seen}\n{note}"
