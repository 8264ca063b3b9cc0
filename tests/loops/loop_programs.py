"""Random functions with loops, over values that tell Python's arithmetic from a machine's."""

from __future__ import annotations

import random
from typing import Any

INTS = (
    0,
    1,
    -1,
    2,
    3,
    -3,
    7,
    10,
    100,
    255,
    256,
    257,
    -300,
    2**31,
    2**53,
    2**53 + 1,
    -(2**53) - 1,
    2**62,
    2**63 - 1,
    -(2**63),
    2**64,
)
FLOATS = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -2.5,
    3.0,
    1e16,
    1e-310,
    1e308,
    -1e308,
    2.0**53,
    2.0**63,
    0.1,
    float("inf"),
    float("-inf"),
    float("nan"),
)
SMALL_INTS = (0, 1, -1, 2, 3, -3, 5, 7, 10)
SMALL_FLOATS = (0.0, -0.0, 1.0, 0.5, -2.5, 3.0, 0.1)
KINDS = (
    "int",
    "int",
    "float",
    "bool",
    "ints",
    "floats",
    "mixed",
    "rows",
    "str",
    "strs",
    "farray",
    "iarray",
    "grid",
)
BINARY = ("+", "-", "*", "/", "+", "-", "*", "/", "//", "%")
WHOLE = ("+", "-", "*", "+", "-", "*", "//", "%", ">>", "&", "|", "^")
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")


class Writer:
    """Writes one function.  Its names say what they hold, as far as is known."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.params = [
            (f"p{k}", self.random.choice(KINDS)) for k in range(self.random.randint(1, 4))
        ]
        self.whole_numbers = [name for name, kind in self.params if kind == "int"]
        self.numbers = [name for name, kind in self.params if kind in ("int", "float", "bool")]
        self.indexed = [
            (n, k) for n, k in self.params if k in ("ints", "floats", "mixed", "farray", "iarray")
        ]
        self.rows = [n for n, k in self.params if k == "rows"]
        self.grids = [n for n, k in self.params if k == "grid"]
        self.texts = [n for n, k in self.params if k == "str"]
        self.word_lists = [n for n, k in self.params if k == "strs"]
        self.local: list[str] = []
        self.written = [n for n, k in self.params if k in ("farray", "iarray")]
        self.count = 0
        self.loops = 0
        self.lines: list[str] = []

    def pick(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    # ------------------------------------------------------------------ expressions
    def whole(self, depth: int = 2) -> str:
        """An expression that is an int, mostly."""
        r = self.random
        roll = r.random()
        if depth == 0 or roll < 0.35:
            if self.whole_numbers and r.random() < 0.7:
                return r.choice(self.whole_numbers)
            return repr(r.choice(SMALL_INTS if r.random() < 0.9 else INTS[:-2]))
        if roll < 0.7:
            return f"({self.whole(depth - 1)} {r.choice(WHOLE)} {self.whole(depth - 1)})"
        if roll < 0.73:  # small ones, as Python would compute huge ints for hours
            return f"({self.whole(depth - 1)} {self.pick('** 2', '** 3', '<< 1', '<< 40', '<< (i & 63)', '** (i & 3)', '** -1')})"
        if roll < 0.76:
            return f"({self.pick('-', '+', '~')}{self.whole(depth - 1)})"
        if roll < 0.82:
            return f"({self.whole(depth - 1)} if {self.condition(depth - 1)} else {self.whole(depth - 1)})"
        if roll < 0.87:
            return f"{self.pick('min', 'max')}({self.whole(depth - 1)}, {self.whole(depth - 1)})"
        if roll < 0.92:
            return f"{self.pick('abs', 'int', 'math.floor')}({self.pick(self.whole, self.number)(depth - 1)})"
        return self.whole_item() or self.whole(depth - 1)

    def whole_item(self) -> str:
        choices = [f"{n}[{self.index(n)}]" for n, kind in self.indexed if kind == "ints"]
        choices += [f"ord({n}[{self.index(n)}])" for n in self.texts]
        choices += [
            f"len({n})"
            for n in [
                *(n for n, _ in self.indexed),
                *self.local,
                *self.rows,
                *self.texts,
                *self.word_lists,
            ]
        ]
        return self.random.choice(choices) if choices else ""

    def number(self, depth: int = 2) -> str:
        """An expression that is a number, or fails to be."""
        r = self.random
        roll = r.random()
        if roll < 0.25:
            return self.whole(depth)
        if depth == 0 or roll < 0.40:
            if self.numbers and r.random() < 0.75:
                return r.choice(self.numbers)
            return (
                repr(r.choice(SMALL_FLOATS if r.random() < 0.9 else FLOATS[:-3]))
                if r.random() < 0.95
                else "True"
            )
        if roll < 0.62:
            return f"({self.number(depth - 1)} {r.choice(BINARY)} {self.number(depth - 1)})"
        if roll < 0.65:
            return f"({self.number(depth - 1)} {self.pick('** 2', '** 0.5', '** -1', '** 3')})"
        if roll < 0.68:
            return f"(-{self.number(depth - 1)})"
        if roll < 0.72:
            return f"({self.number(depth - 1)} if {self.condition(depth - 1)} else {self.number(depth - 1)})"
        if roll < 0.78:
            return f"{self.pick('min', 'max')}({self.number(depth - 1)}, {self.number(depth - 1)})"
        if roll < 0.86:
            name = self.pick(
                "abs",
                "float",
                "bool",
                "math.sqrt",
                "math.exp",
                "math.log",
                "math.sin",
                "math.fabs",
                "math.ceil",
                "math.tanh",
            )
            return f"{name}({self.number(depth - 1)})"
        return self.item() or self.number(depth - 1)

    def item(self) -> str:
        r = self.random
        choices = [f"{name}[{self.index(name)}]" for name, _ in self.indexed]
        choices += [f"{name}[{self.index(name)}]" for name in self.local]
        choices += [f"{name}[{self.index(name)}][{self.whole(0)}]" for name in self.rows]
        choices += [f"{name}[{self.whole(0)}, {self.whole(0)}]" for name in self.grids]
        names = (
            [name for name, _ in self.indexed]
            + self.local
            + self.rows
            + self.texts
            + self.word_lists
        )
        choices += [f"len({name})" for name in names]
        choices += [
            f"{self.pick('sum', 'min', 'max')}({name})"
            for name, kind in self.indexed
            if kind in ("ints", "floats")
        ]
        choices += [f"ord({name}[{self.index(name)}])" for name in self.texts]
        choices += [f"{name}.shape[0]" for name in self.grids]
        return r.choice(choices) if choices else ""

    def index(self, name: str) -> str:
        if not self.loops:
            return self.pick("0", "-1", self.whole(0))
        return self.pick("i", "0", "-1", *[f"i % len({name})"] * 5, self.whole(1), self.number(0))

    def condition(self, depth: int = 1) -> str:
        r = self.random
        roll = r.random()
        if roll < 0.6 or depth == 0:
            return f"{self.number(depth)} {r.choice(COMPARISONS)} {self.number(depth)}"
        if roll < 0.7:
            return f"({self.condition(depth - 1)} {self.pick('and', 'or')} {self.condition(depth - 1)})"
        if roll < 0.78:
            return f"not {self.condition(depth - 1)}"
        if roll < 0.86:
            return (
                f"{self.number(depth - 1)} <= {self.number(depth - 1)} < {self.number(depth - 1)}"
            )
        if self.texts and roll < 0.94:
            name = r.choice(self.texts)
            return self.pick(
                f"{name}[{self.index(name)}] == {name}[{self.index(name)}]",
                f"{name}[0] == 'a'",
                f"{name} == {r.choice(self.texts)}",
            )
        return self.number(depth)

    # ------------------------------------------------------------------ statements
    def block(self, indent: int, depth: int) -> None:
        for _ in range(self.random.randint(1, 3)):
            self.statement(indent, depth)

    def put(self, indent: int, text: str) -> None:
        self.lines.append("    " * indent + text)

    def statement(self, indent: int, depth: int) -> None:
        r = self.random
        roll = r.random()
        if depth > 0 and roll < 0.30:
            self.loop(indent, depth)
        elif depth > 0 and roll < 0.42:
            self.put(indent, f"if {self.condition()}:")
            self.block(indent + 1, depth - 1)
            if r.random() < 0.5:
                self.put(indent, "else:")
                self.block(indent + 1, depth - 1)
        elif roll < 0.62:
            self.assignment(indent)
        elif roll < 0.68 and self.whole_numbers:
            self.put(
                indent,
                f"{r.choice(self.whole_numbers)} {self.pick('+', '-', '*', '+', '//', '%', '|')}= {self.whole(1)}",
            )
        elif roll < 0.76 and self.numbers:
            self.put(
                indent,
                f"{r.choice(self.numbers)} {self.pick('+', '-', '*', '+', '//', '%', '|', '/')}= {self.number(1)}",
            )
        elif roll < 0.82 and self.written:
            name = r.choice(self.written)
            self.put(
                indent,
                f"{name}[{self.index(name)}] {self.pick('=', '=', '+=', '*=')} {self.number()}",
            )
        elif roll < 0.84 and self.grids:
            name = r.choice(self.grids)
            self.put(indent, f"{name}[{self.whole(0)}, {self.whole(0)}] = {self.number(1)}")
        elif roll < 0.92:
            self.lists(indent)
        elif self.loops and roll < 0.95:
            self.put(indent, f"if {self.condition()}:")
            self.put(
                indent + 1,
                self.pick("break", "continue", f"return {self.number(1)}", "raise ValueError(i)"),
            )
        elif len(self.numbers) >= 2:
            a, b = r.sample(self.numbers, 2)
            self.put(indent, f"{a}, {b} = {b}, {self.number(1)}")
        else:
            self.put(indent, "pass")

    def assignment(self, indent: int) -> None:
        r = self.random
        whole = r.random() < 0.5
        known = self.whole_numbers if whole else self.numbers
        name = r.choice(known) if known and r.random() < 0.6 else self.fresh("n" if whole else "v")
        self.put(indent, f"{name} = {self.whole() if whole else self.number()}")
        if name not in known:
            known.append(name)

    def lists(self, indent: int) -> None:
        if not self.local or self.random.random() < 0.4:
            name = self.fresh("l")
            sources = [n for n, _ in self.indexed] + self.local
            made = [
                f"[{self.number(1)}] * {self.pick(2, 5, 3)}",
                f"[{self.number(1)}, {self.number(1)}]",
                "[]",
                f"[{self.number(1)} for i in range({self.pick(3, 6)})]",
            ]
            made += [f"{n}[{self.pick('', '1', '-2')}:{self.pick('', '3', '-1')}]" for n in sources]
            made += [f"list(range({self.pick(3, 5)}))"]
            self.put(indent, f"{name} = {self.random.choice(made)}")
            self.local.append(name)
            return
        name = self.random.choice(self.local)
        if self.random.random() < 0.5:
            self.put(indent, f"{name}.append({self.number(1)})")
        else:
            self.put(indent, f"{name}[{self.index(name)}] {self.pick('=', '+=')} {self.number(1)}")

    def loop(self, indent: int, depth: int) -> None:
        r = self.random
        roll = r.random()
        self.loops += 1
        bound = self.pick("5", "9", "3")
        if roll < 0.4:
            args = self.pick(
                bound,
                bound,
                f"1, {bound}",
                f"{bound}, 0, -2",
                f"0, {bound}, {self.whole(0)}",
                f"min(6, {self.whole(1)})",
                f"max(-6, {self.whole(0)}), 6",
                f"2**63 - 4, 2**63 - 1, {self.pick(1, 2)}",
            )
            self.put(indent, f"for i in range({args}):")
            name = "i"
        elif roll < 0.75 and (self.indexed or self.local or self.rows or self.texts):
            sources = [n for n, _ in self.indexed] + self.local
            name = self.fresh("x")
            if self.rows and r.random() < 0.4:
                row = self.fresh("row")
                self.put(indent, f"for {row} in {r.choice(self.rows)}:")
                self.put(indent + 1, f"for i, {name} in enumerate({row}):")
                self.numbers.append(name)
                self.block(indent + 2, depth - 1)
                self.loops -= 1
                return
            if self.texts and (not sources or r.random() < 0.3):
                text = self.fresh("c")
                self.put(indent, f"for i, {text} in enumerate({r.choice(self.texts)}):")
                self.put(indent + 1, f"{name} = ord({text})")
            elif sources and r.random() < 0.5:
                self.put(indent, f"for i, {name} in enumerate({r.choice(sources)}):")
            elif len(sources) >= 2:
                other = self.fresh("y")
                self.put(
                    indent, f"for {name}, {other} in zip({r.choice(sources)}, {r.choice(sources)}):"
                )
                self.numbers.append(other)
                self.put(indent + 1, "i = 1")
            elif sources:
                self.put(indent, f"for {name} in {r.choice(sources)}:")
                self.put(indent + 1, "i = 2")
            else:
                self.put(indent, f"for {name} in range(3):")
                self.put(indent + 1, "i = 0")
            self.numbers.append(name)
        else:
            left = self.fresh("w")
            self.put(indent, f"{left} = {bound}")
            self.put(indent, f"while {left} > 0{self.pick('', '', f' and {self.condition()}')}:")
            self.put(indent + 1, f"{left} -= 1")
            self.put(indent + 1, f"i = {left}")
        self.block(indent + 1, depth - 1)
        self.loops -= 1
        if r.random() < 0.1:
            self.put(indent, "else:")
            self.block(indent + 1, 0)

    def function(self) -> str:
        """The source of the function."""
        names = ", ".join(name for name, _ in self.params)
        self.lines = [f"def program({names}):", "    i = 0"]
        self.whole_numbers.append("i")
        for _ in range(self.random.randint(0, 2)):
            self.statement(1, 0)
        self.loop(1, 2)
        self.block(1, 1)
        named = self.numbers + self.whole_numbers
        results = self.random.sample(named, min(len(named), self.random.randint(1, 3)))
        results += [n for n in self.local if self.random.random() < 0.3]
        results += [n for n, _ in self.params if self.random.random() < 0.15]
        self.put(
            1,
            f"return {', '.join(results)}"
            if self.random.random() < 0.9
            else f"return {self.number()}",
        )
        return "\n".join(self.lines) + "\n"

    # ------------------------------------------------------------------ arguments
    def arguments(self) -> list[Any]:
        """Values for the parameters, of the kinds that the function is written for."""
        return [self.argument(kind) for _, kind in self.params]

    def argument(self, kind: str) -> Any:
        import numpy as np

        r = self.random
        wild = r.random() < 0.3
        ints, floats = (INTS, FLOATS) if wild else (SMALL_INTS, SMALL_FLOATS)
        length = r.choice((0, 1, 2, 3, 5, 8))
        if kind == "int":
            return r.choice(ints)
        if kind == "float":
            return r.choice(floats) if r.random() < 0.95 else np.float64(r.choice(floats))
        if kind == "bool":
            return r.random() < 0.5
        if kind == "ints":
            return [r.choice(ints) for _ in range(length)]
        if kind == "floats":
            return [r.choice(floats) for _ in range(length)]
        if kind == "mixed":
            return [r.choice(r.choice((ints, floats, (True, False)))) for _ in range(length)]
        if kind == "rows":
            return [[r.choice(floats) for _ in range(r.choice((2, 3)))] for _ in range(length)]
        if kind == "str":
            return "".join(
                r.choice(r.choice(("abc", "abc", "\xe9z", "\u0100", "\U0001f600")))
                for _ in range(length)
            )
        if kind == "strs":
            return [self.argument("str") for _ in range(length)]
        if kind == "farray":
            made = np.array([r.choice(floats) for _ in range(length)], dtype="f8")
            return made[::2] if r.random() < 0.1 else made
        if kind == "iarray":
            return np.array(
                [min(max(r.choice(ints), -(2**63)), 2**63 - 1) for _ in range(length)], dtype="i8"
            )
        return np.array(
            [[r.choice(floats) for _ in range(3)] for _ in range(max(length, 1))], dtype="f8"
        )
