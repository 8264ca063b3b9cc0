"""Calls of the functions that a loop may call: conversions, `math`, minima, sums."""

from __future__ import annotations

import ast
import sys
from dataclasses import replace

from ember_jit.compiler.loops import arithmetic as rules
from ember_jit.compiler.loops.code import Value, float_text, is_number
from ember_jit.compiler.loops.expressions import Expressions
from ember_jit.compiler.loops.functions import ITERATORS, LIBM, LOGARITHMS, ROUNDING
from ember_jit.compiler.loops.types import BOOL, FLOAT, INT, Unfit, kinds_of


class Calls(Expressions):
    """The code of calls."""

    # ------------------------------------------------------------------ calls
    def _call(self, node: ast.Call) -> Value:
        path = ast.unparse(node.func)
        if path not in self.names or self.names[path][0] != "function":
            raise Unfit(f"a call of `{path}`", self.line)
        name = self.names[path][1]
        if node.keywords or any(isinstance(each, ast.Starred) for each in node.args):
            raise Unfit(f"keywords or a star in a call of `{path}`", self.line)
        if name in ITERATORS:
            raise Unfit(f"`{name}` as a value", self.line)
        if name == "list":
            return self._list_of(node)
        args = node.args
        if name == "sum" and len(args) == 1:
            return self._sum(args[0])
        if name in ("min", "max") and len(args) == 1:
            return self._extreme_of(args[0], name)
        values = [self.value(each) for each in args]
        if name in ("min", "max"):
            op = ast.Lt() if name == "min" else ast.Gt()
            return rules.extreme(self, [rules.settled(self, each) for each in values], op)
        if len(values) != 1:
            raise Unfit(f"`{name}` with {len(values)} arguments", self.line)
        return self._one(name, values[0])

    def _one(self, name: str, value: Value) -> Value:
        if name == "len":
            return Value(INT, (self.length(value),))
        if name == "ord" and value.kind == "char":
            return Value(INT, (self.let(f"zext i32 {value.reg} to i64"),))
        if name == "bool":
            return Value(BOOL, (rules.truth(self, value),))
        if not is_number(value):
            raise Unfit(f"`{name}` of a {value.type}", self.line)
        value = rules.settled(self, value)
        if name == "abs":
            return rules.absolute(self, value)
        return self.spread([value], lambda v: self._of_number(name, v))

    def _of_number(self, name: str, value: Value) -> Value:
        if name == "float":
            if value.kind == "float":
                return replace(value, constant=None)
            return Value(FLOAT, (rules.as_float(self, value),))
        if name == "int":
            if value.kind == "int":
                return replace(value, constant=None)
            if value.kind in ("bool", "npi"):
                return Value(INT, (rules.as_int(self, value),))
            return self._whole("trunc", value.reg)
        if not name.startswith("math."):
            raise Unfit(f"`{name}` of a {value.type}", self.line)
        return self._math(name.removeprefix("math."), value)

    def _math(self, name: str, value: Value) -> Value:
        if name in ROUNDING:
            if value.kind == "npi":
                raise Unfit(f"`math.{name}` of NumPy's ints", self.line)
            if value.kind in ("int", "bool"):
                return value if value.kind == "int" else Value(INT, (rules.as_int(self, value),))
            return self._whole(name, value.reg)
        x = rules.as_float(self, value)
        if name == "fabs":
            return Value(FLOAT, (self.call("double", "llvm.fabs.f64", f"double {x}"),))
        if name == "sqrt":
            self.need(self.let(f"fcmp oge double {x}, 0.0"))
            return Value(FLOAT, (self.call("double", "llvm.sqrt.f64", f"double {x}"),))
        if name in LOGARITHMS:
            self.need(self.let(f"fcmp ogt double {x}, 0.0"))
        elif name not in LIBM:
            raise Unfit(f"`math.{name}`", self.line)
        made = self.call("double", f"libm_{name}", f"double {x}")
        size = self.call("double", "llvm.fabs.f64", f"double {made}")
        self.need(self.let(f"fcmp olt double {size}, 0x7FF0000000000000"))
        return Value(FLOAT, (made,))

    def _whole(self, name: str, x: str) -> Value:
        """A float rounded to an int of 64 bits."""
        rounded = self.call("double", f"llvm.{name}.f64", f"double {x}")
        above = self.let(f"fcmp oge double {rounded}, {float_text(-(2.0**63))}")
        below = self.let(f"fcmp olt double {rounded}, {float_text(2.0**63)}")
        self.need(self.let(f"and i1 {above}, {below}"))
        return Value(INT, (self.let(f"fptosi double {rounded} to i64"),))

    # ------------------------------------------------------------------ reductions
    def _sum(self, node: ast.expr) -> Value:
        items = self._reduced(node, "sum")
        kinds = kinds_of(items.type.element) if items.type.element is not None else frozenset()
        if items.type.element is None:
            return Value(INT, ("0",), constant=0)
        if not kinds or kinds & {"npf", "npi"}:
            raise Unfit(f"`sum` of a {items.type}", self.line)
        if "float" in kinds and (kinds != {"float"} or sys.version_info >= (3, 12)):
            raise Unfit("`sum` of floats, which this Python adds with a correction", self.line)
        total = Value(INT, ("0",))
        floating = kinds == {"float"}
        if floating:
            empty = self.let(f"icmp eq i64 {self.length(items)}, 0")
            self.need(self.let(f"xor i1 {empty}, true"))  # the int 0
            total = Value(FLOAT, ("0.0",))
        place = self.alloca("double" if floating else "i64")
        kind = "double" if floating else "i64"
        self.do(f"store {kind} {total.reg}, ptr {place}, align 8")

        def step(at: str) -> None:
            item = self.item(items, at)
            so_far = self.let(f"load {kind}, ptr {place}, align 8")
            sum_ = rules.binary(self, ast.Add(), Value(total.type, (so_far,)), item)
            self.do(f"store {kind} {sum_.reg}, ptr {place}, align 8")

        self._walk(self.length(items), "0", step)
        return Value(total.type, (self.let(f"load {kind}, ptr {place}, align 8"),))

    def _extreme_of(self, node: ast.expr, name: str) -> Value:
        items = self._reduced(node, name)
        element = items.type.element
        if element is None or element.kind not in ("int", "float"):
            raise Unfit(f"`{name}` of a {items.type}", self.line)
        length = self.length(items)
        self.need(self.let(f"icmp ne i64 {length}, 0"))
        place = self.alloca("i64")
        self.do(f"store i64 0, ptr {place}, align 8")
        op = ast.Lt() if name == "min" else ast.Gt()

        def step(at: str) -> None:
            best = self.item(items, self.let(f"load i64, ptr {place}, align 8"))
            beats = rules.compare(self, op, self.item(items, at), best).reg
            old = self.let(f"load i64, ptr {place}, align 8")
            self.do(
                f"store i64 {self.let(f'select i1 {beats}, i64 {at}, i64 {old}')}, ptr {place}, align 8"
            )

        self._walk(length, "1", step)
        return self.item(items, self.let(f"load i64, ptr {place}, align 8"))

    def _reduced(self, node: ast.expr, name: str) -> Value:
        items = self.value(node)
        if items.kind not in ("list", "local"):
            raise Unfit(f"`{name}` of a {items.type}", self.line)
        return items
