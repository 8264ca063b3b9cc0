"""The whole function of a loop: what comes in is unpacked and checked, what goes out is made into objects.

    PyObject *entry(PyObject *self, PyObject *const *args, Py_ssize_t count)

There are three ways out: a result; `MISS`, with every write into an array taken back; and an exception that came
up while Python had its turn (a signal handler's), likewise.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ember_jit.compiler.loops import arithmetic as rules
from ember_jit.compiler.loops.code import Value
from ember_jit.compiler.loops.iteration import ROUNDS
from ember_jit.compiler.loops.prelude import TEXT, WRITES, object_text
from ember_jit.compiler.loops.statements import Assumed, Statements
from ember_jit.compiler.loops.types import TAGS, Retry, Type, Unfit
from ember_jit.runtime.loops.objects import LIST_ITEMS, Objects
from ember_jit.runtime.native import layouts as at

MOST_ATTEMPTS = 200

_EXTERNAL = (
    *("type_int", "type_float", "type_bool", "type_str", "type_list", "type_float64", "type_int64"),
    *(
        "Py_None",
        "Py_True",
        "Py_False",
        "np_True",
        "np_False",
        "PyArray_Type",
        "descr_d",
        "descr_l",
    ),
    *("MISS", "turn"),
)
_HIT = (
    "  %hit = load i64, ptr @hits, align 8",
    "  %hit1 = add i64 %hit, 1",
    "  store i64 %hit1, ptr @hits, align 8",
)


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be compiled.

    Attributes:
        body: the statements.
        inputs: the variables that come in, and their types.
        outputs: the variables that go out; None if the statements end the function and return its value.
        names: what the other names stand for.
    """

    body: Sequence[ast.stmt]
    inputs: Sequence[tuple[str, Type]]
    outputs: Sequence[str] | None
    names: dict[str, Any] = field(default_factory=dict)


def write(job: Job, known: Objects) -> tuple[str, dict[str, Type]]:
    """The LLVM module of a job, and the type of each variable in it.

    Raises:
        Unfit: the job is left to Python.
    """
    assumed = Assumed(dict(job.inputs), set(), set(), set(), {}, {})
    for _ in range(MOST_ATTEMPTS):
        try:
            return _Function(job, assumed).module(known), assumed.types
        except Retry:
            continue
    raise Unfit("the types of its variables do not settle")


class _Function(Statements):
    def __init__(self, job: Job, assumed: Assumed) -> None:
        super().__init__(assumed, job.names)
        self.job = job
        self.writes = any(
            isinstance(each, ast.Subscript) and isinstance(each.ctx, ast.Store)
            for statement in job.body
            for each in ast.walk(statement)
        )
        self.records: list[str] = []

    # ------------------------------------------------------------------ in
    def module(self, known: Objects) -> str:
        """The text of the module."""
        self.line = self.job.body[0].lineno
        arrays = []
        for number, (name, type_) in enumerate(self.job.inputs):
            place = self.let(f"getelementptr ptr, ptr %args, i64 {number}")
            obj = self.let(f"load ptr, ptr {place}, align 8")
            value = self._array(obj, type_) if type_.kind == "array" else self.unboxed(obj, type_)
            if type_.kind == "array":
                arrays.append(value)
            self.assign(name, value)
        if self.writes:
            self._disjoint(arrays)
        self.block(self.job.body)
        if not self.dead:
            self.line = self.job.body[-1].end_lineno or self.line
            self._fall_through()
        return self._assembled(known)

    def _array(self, obj: str, type_: Type) -> Value:
        """An array that comes in."""
        kind = self.field("ptr", obj, 8)
        self.need(self.let(f"icmp eq ptr {kind}, @PyArray_Type"))
        descr = self.field("ptr", obj, at.ARRAY_DESCR)
        self.need(self.let(f"icmp eq ptr {descr}, @descr_{type_.dtype}"))
        ndim = self.field("i32", obj, at.ARRAY_NDIM)
        self.need(self.let(f"icmp eq i32 {ndim}, {type_.ndim}"))
        flags = self.field("i32", obj, at.ARRAY_FLAGS)
        wanted = at.ALIGNED | (at.WRITEABLE | at.C_CONTIGUOUS if self.writes else 0)
        self.need(self.let(f"icmp eq i32 {self.let(f'and i32 {flags}, {wanted}')}, {wanted}"))
        data = self.field("ptr", obj, at.ARRAY_DATA)
        shape, strides = (
            self.field("ptr", obj, at.ARRAY_SHAPE),
            self.field("ptr", obj, at.ARRAY_STRIDES),
        )
        lengths = [self.field("i64", shape, 8 * axis) for axis in range(type_.ndim)]
        steps = [self.field("i64", strides, 8 * axis) for axis in range(type_.ndim)]
        if self.writes and type_.ndim:  # contiguous: the last stride is known
            steps[-1] = "8"
        record = self.alloca("[6 x i64]")
        self.allocas.append(f"  store [6 x i64] zeroinitializer, ptr {record}, align 8")
        self.records.append(record)
        self.do(f"store ptr {data}, ptr {record}, align 8")
        size = "8"
        for each in lengths:
            size = self.let(f"mul i64 {size}, {each}")
        place = self.let(f"getelementptr i8, ptr {record}, i64 8")
        self.do(f"store i64 {size}, ptr {place}, align 8")
        return Value(type_, (data, *lengths, *steps, record), obj)

    def _disjoint(self, arrays: list[Value]) -> None:
        """Give up where arrays share memory: a write into one would be a write into the other."""
        spans = []
        for value in arrays:
            begin = self.let(f"ptrtoint ptr {value.reg} to i64")
            spans.append(
                (begin, self.let(f"add i64 {begin}, {self.field('i64', value.regs[-1], 8)}"))
            )
        for k, (begin, end) in enumerate(spans):
            for other, last in spans[:k]:
                before = self.let(f"icmp ule i64 {end}, {other}")
                after = self.let(f"icmp ule i64 {last}, {begin}")
                self.need(self.let(f"or i1 {before}, {after}"))

    # ------------------------------------------------------------------ out
    def _fall_through(self) -> None:
        if self.job.outputs is None:
            result = "@Py_None"
            self.call("void", "Py_IncRef", f"ptr {result}")
            self._finish(result)
            return
        values = [self.load(name) for name in self.job.outputs]
        self._finish(self.boxed(values[0] if len(values) == 1 else self.tuple_of(values)))

    def _do_return(self, node: ast.Return) -> None:
        if self.job.outputs is not None:
            raise Unfit("a `return` in the middle of the function", node.lineno)
        value = self.value(node.value) if node.value is not None else self.constant(None)
        self._finish(self.boxed(rules.settled(self, value)))

    def _finish(self, result: str) -> None:
        self.results.append((result, self.label))
        self.jump("done")

    def _made(self, reg: str) -> str:
        """A new object, unless there was no memory for it."""
        go_on = self.name("b")
        self.branch(self.let(f"icmp eq ptr {reg}, null"), "failed", go_on)
        self.place(go_on)
        return reg

    def boxed(self, value: Value) -> str:
        """A new reference to the object that a value is."""
        if value.kind in ("list", "str"):
            self.call("void", "Py_IncRef", f"ptr {value.reg}")
            return value.reg
        if value.lost:
            self.follow(value.lost)
        if value.obj:
            return self._either(value)
        return self._fresh(value)

    def _either(self, value: Value) -> str:
        """The object that came in, or else a new one."""
        self.need(self.let(f"icmp ne ptr {value.obj}, {rules.UNKNOWN}"))
        given, fresh, done = (self.name("b") for _ in range(3))
        self.branch(self.let(f"icmp eq ptr {value.obj}, null"), fresh, given)
        self.place(given)
        self.call("void", "Py_IncRef", f"ptr {value.obj}")
        self.jump(done)
        self.place(fresh)
        made = self._fresh(value) if value.kind != "array" else "null"
        end = self.label
        self.jump(done)
        self.place(done)
        return self.let(f"phi ptr [ {value.obj}, %{given} ], [ {made}, %{end} ]")

    def _fresh(self, value: Value) -> str:
        kind = value.kind
        if kind == "int":
            return self._made(self.call("ptr", "PyLong_FromLongLong", f"i64 {value.reg}"))
        if kind == "float":
            return self._made(self.call("ptr", "PyFloat_FromDouble", f"double {value.reg}"))
        if kind in ("bool", "npb"):
            names = ("Py_True", "Py_False") if kind == "bool" else ("np_True", "np_False")
            chosen = self.let(f"select i1 {value.reg}, ptr @{names[0]}, ptr @{names[1]}")
            self.call("void", "Py_IncRef", f"ptr {chosen}")
            return chosen
        if kind == "none":
            self.call("void", "Py_IncRef", "ptr @Py_None")
            return "@Py_None"
        if kind == "char":
            return self._made(self.call("ptr", "PyUnicode_FromOrdinal", f"i32 {value.reg}"))
        if kind in ("npf", "npi"):
            place = self.alloca("i64")
            self.do(
                f"store {'double' if kind == 'npf' else 'i64'} {value.reg}, ptr {place}, align 8"
            )
            descr = "ptr @descr_d" if kind == "npf" else "ptr @descr_l"
            return self._made(self.call("ptr", "PyArray_Scalar", f"ptr {place}", descr, "ptr null"))
        if kind == "union":
            return self._fresh_union(value)
        if kind == "tuple":
            return self._fresh_tuple(value)
        if kind == "local":
            return self._fresh_list(value)
        raise Unfit(f"a {value.type} as a result", self.line)

    def _fresh_union(self, value: Value) -> str:
        done = self.name("b")
        ways = []
        for kind in sorted(value.type.kinds):
            here, following = self.name("b"), self.name("b")
            self.branch(self.let(f"icmp eq i64 {value.regs[0]}, {TAGS[kind]}"), here, following)
            self.place(here)
            made = self._fresh(self.unpacked(value, kind))
            ways.append((made, self.label))
            self.jump(done)
            self.place(following)
        self.do("unreachable")
        self.place(done)
        return self.let(f"phi ptr {', '.join(f'[ {reg}, %{label} ]' for reg, label in ways)}")

    def _fresh_tuple(self, value: Value) -> str:
        items = [self.boxed(each) for each in value.members]
        made = self._made(self.call("ptr", "PyTuple_New", f"i64 {len(items)}"))
        for number, each in enumerate(items):
            self.call("i32", "PyTuple_SetItem", f"ptr {made}", f"i64 {number}", f"ptr {each}")
        return made

    def _fresh_list(self, value: Value) -> str:
        """The Python list that a local list becomes; one and the same for all that refer to it."""
        if value.reg in self.made_foreign or (value.home and value.home[0] in self.foreign):
            raise Unfit("a list is returned in which objects stand that came in", self.line)
        memo = self.let(f"getelementptr %list, ptr {value.reg}, i64 0, i32 8")
        again, first, done = (self.name("b") for _ in range(3))
        known = self.let(f"load ptr, ptr {memo}, align 8")
        self.branch(self.let(f"icmp eq ptr {known}, null"), first, again)
        self.place(again)
        self.call("void", "Py_IncRef", f"ptr {known}")
        self.jump(done)
        self.place(first)
        length = self.length(value)
        made = self._made(self.call("ptr", "PyList_New", f"i64 {length}"))
        self.do(f"store ptr {made}, ptr {memo}, align 8")
        if value.type.element is not None:

            def step(index: str) -> None:
                item = self.boxed(self.item(value, index))
                items = self.field("ptr", made, LIST_ITEMS)
                place = self.let(f"getelementptr ptr, ptr {items}, i64 {index}")
                self.do(f"store ptr {item}, ptr {place}, align 8")

            self._walk(length, "0", step)
        end = self.label
        self.jump(done)
        self.place(done)
        return self.let(f"phi ptr [ {known}, %{again} ], [ {made}, %{end} ]")

    # ------------------------------------------------------------------ the text
    def _assembled(self, known: Objects) -> str:
        lines = self.poll_lines()
        self.declare("void", "Py_IncRef", "ptr")
        self.declare("void", "Py_DecRef", "ptr")
        self.declare("ptr", "PyObject_CallNoArgs", "ptr")
        prelude = TEXT + object_text(known) + WRITES
        declared = [text for name, text in self.declared.items() if f"@{name}(" not in prelude]
        ends = [f"  call void @loop_end(ptr {record}, i1 true)" for record in self.records]
        kept = [each.replace("i1 true", "i1 false") for each in ends]
        free = "  call void @loop_list_all(ptr %chain)"
        phi = ", ".join(f"[ {reg}, %{label} ]" for reg, label in self.results)
        done = (
            ["done:", f"  %result = phi ptr {phi}", free, *kept, *_HIT, "  ret ptr %result"]
            if phi
            else []
        )
        missed = [
            line
            for number, label in self.misses.items()
            for line in (
                f"{label}:",
                f"  store i64 {number}, ptr @missed, align 8",
                "  br label %miss",
            )
        ]
        return "\n".join(
            [
                prelude,
                *(f"@{name} = external global i8" for name in _EXTERNAL),
                "@missed = global i64 0",
                "@hits = global i64 0",
                *declared,
                "",
                "define ptr @entry(ptr %self, ptr %args, i64 %count) nounwind {",
                "start:",
                "  %chain = alloca ptr, align 8",
                "  store ptr null, ptr %chain, align 8",
                "  %rounds = alloca i64, align 8",
                f"  store i64 {ROUNDS}, ptr %rounds, align 8",
                *self.allocas,
                *lines,
                *done,
                *missed,
                "miss:",
                free,
                *ends,
                "  call void @Py_IncRef(ptr @MISS)",
                "  ret ptr @MISS",
                "failed:",
                free,
                *ends,
                "  ret ptr null",
                "}",
                "",
                '!0 = !{!"branch_weights", i32 100000, i32 1}',
                '!1 = !{!"branch_weights", i32 1, i32 100000}',
                "",
            ]
        )
