"""Random chains of operators, and what is done to them between calls: classes patched, instances changed, callers watching.

`program(seed)` is a module of operators, and `script(seed)` statements that call one of them and change things;
`difference(seed)` runs both plain and compiled, and compares all that could be seen.  More seeds than a test
has time for:

    python -m tests.differential.chain_programs 0 10000
"""

from __future__ import annotations

import contextlib
import random
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from ember_jit import Operator, structural_jit
from ember_jit.runtime.dispatch import unit_of
from tests.differential.test_straight import description
from tests.pipeline import namespace

KEYS = ("v", "w", "t")
CONSTANTS = (
    "1",
    "2",
    "-3",
    "1000",
    "0",
    "2.5",
    "-0.0",
    "1e308",
    "'ab'",
    "''",
    "True",
    "None",
    "2j",
    "10000000000000000000000",
    "'é'",
)
OPERATORS = ("+", "-", "*", "/", "//", "%", "&", "|", "^", "+", "+", "*")
METHODS = (
    "upper()",
    "strip()",
    "zfill(4)",
    "replace('a', 'b')",
    "bit_length()",
    "conjugate()",
    "startswith('a')",
    "find('b')",
)
FORMATS = ("", "!r", "!s", ":>6", ":5.1f", "!a:^9", ":x")
VALUES = (
    "1", "-7", "0", "True", "10**40", "-2**63", "2.5", "-0.0", "float('nan')", "float('inf')", "1e-320", "1j", "'ab'",
    "''", "'é' * 3", "None", "b'x'", "[1]", "(1, 2)", "{}", "Int(3)", "Text('ab')", "Float(1.5)", "Odd()", "Raises()", "object",
)  # fmt: skip

PRELUDE = '''
import sys, warnings

def stack():
    frame, found = sys._getframe(2), []
    while frame is not None and frame.f_code.co_name != 'raw':
        if frame.f_code.co_filename == '<chain>':
            found.append((frame.f_code.co_name, frame.f_lineno))
        frame = frame.f_back
    return found

def loud(name):
    def method(self, *others):
        seen.append((name, [type(each).__name__ for each in others], stack()))
        return 5 if name != '__format__' else 'five'
    return method

NAMES = ('add', 'radd', 'sub', 'mul', 'rmul', 'mod', 'neg', 'eq', 'lt', 'format', 'and', 'rxor', 'truediv', 'contains')
class Loud: pass
for each in NAMES: setattr(Loud, f'__{each}__', loud(f'__{each}__'))
Loud.__hash__ = object.__hash__
class Int(Loud, int): pass
class Text(Loud, str): pass
class Float(Loud, float): pass
class Odd(Loud): pass
class Raises:
    def __add__(self, other): raise ValueError('add')
    def __mul__(self, other): warnings.warn('mul', stacklevel=2); raise KeyError('mul')
class LoudDict(dict):
    def __getitem__(self, key):
        seen.append(('item', key, stack()))
        return dict.__getitem__(self, key)
class Meta(type):
    def __call__(cls, *args): return type.__call__(cls, *args)
'''  # fmt: skip


class _Writer:
    """Writes one program."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.classes: list[str] = []
        self.paths: list[str] = []

    def one(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    # ------------------------------------------------------------------ operators
    def program(self) -> str:
        leaves = [self._leaf(f"Leaf{number}") for number in range(self.one(2, 3, 4))]
        nests = [self._nest(f"Nest{number}") for number in range(self.one(0, 1, 2))]
        return "\n".join([PRELUDE, *leaves, *nests, self._chain()])

    def _leaf(self, name: str) -> str:
        base = self.one("Operator", "Operator", "Operator", self.one("Operator", *self.classes))
        lines = [f"class {name}({base}):"]
        if self.maybe(0.2):
            lines.append("    __slots__ = ('k', 'n')")
        elif self.maybe(0.4):
            lines.append(f"    n = {self.one(*CONSTANTS)}")
        lines.append(f"    def __init__(self): self.k = {self.one(*CONSTANTS)}; self.m = 2")
        if "__slots__" in lines[1]:
            lines[-1] = "    def __init__(self): self.k = 3; self.n = 'n'"
        lines.append(f"    def forward(self, *, inputs{self.one('', '', '', '=None')}):")
        names: list[str] = []
        for number in range(self.one(0, 1, 2)):
            lines.append(f"        x{number} = {self._expression(names, 2)}")
            names.append(f"x{number}")
            if self.maybe(0.3):
                lines.append(
                    f"        x{number} {self.one('+', '*', '-')}= {self._expression(names, 1)}"
                )
        lines += self._result(names)
        self.classes.append(name)
        return "\n".join(lines)

    def _result(self, names: list[str]) -> Iterator[str]:
        items = ", ".join(f"'{key}': {self._expression(names, 2)}" for key in self._keys())
        style = self.random.random()
        if style < 0.6:
            yield f"        return {{{items}}}"
        elif style < 0.8:
            yield "        out = {}"
            for key in self._keys():
                yield f"        out['{key}'] = {self._expression(names, 1)}"
            yield f"        {self.one('return out', 'again = out', 'return {**out}')}"
            yield "        return {'v': out, 't': out, 'w': [out, inputs]}"
        elif style < 0.9:
            yield f"        return {self.one('inputs', 'self.k', 'None', '[inputs]')}"
        else:
            yield f"        out = {{{items}}}"
            yield f"        return {{'v': 1, **out, 'w': {self._expression(names, 1)}, 'same': inputs}}"

    def _keys(self) -> list[str]:
        return [key for key in KEYS if self.maybe(0.97)] or ["v"]

    def _expression(self, names: list[str], depth: int) -> str:
        if depth == 0 or self.maybe(0.25):
            atoms = [f"inputs['{self.one(*KEYS)}']"] * 6 + ["self.k", "self.k", "self.n"]
            return str(self.one(*atoms, *names, *names))
        left, right = self._expression(names, depth - 1), self._expression(names, depth - 1)
        if self.maybe(0.4):
            right = str(self.one(*CONSTANTS))
        match self.random.randrange(12):
            case 0:
                return f"-{left}"
            case 1:
                return f"(not {left})"
            case 2:
                return f"({left} {self.one('<', '==', '!=', '>=', 'in')} {right})"
            case 3 | 4:
                return f'f"{{{self._quoted(left)}{self.one(*FORMATS)}}}{self.one("", "-", "z")}"'
            case 5:
                return f"({left}).{self.one(*METHODS)}"
            case 6:
                return left
            case _:
                return f"({left} {self.one(*OPERATORS)} {right})"

    @staticmethod
    def _quoted(text: str) -> str:
        return "inputs['v']" if '"' in text or "{" in text or "!=" in text else text

    def _nest(self, name: str) -> str:
        fields = [f"n{number}" for number in range(self.one(1, 2, 3))]
        made = "; ".join(f"self.{each} = {self.one(*self.classes)}()" for each in fields)
        lines = [f"class {name}(Operator):", f"    def __init__(self): {made}"]
        lines += ["    def forward(self, *, inputs):", "        x = inputs"]
        lines += [f"        x = self.{each}(inputs={self._glue('x')})" for each in fields]
        self.classes.append(name)
        return "\n".join([*lines, "        return x"])

    def _glue(self, name: str) -> str:
        return str(
            self.one(name, name, name, f"{{'v': {name}['v'], 'w': {name}['t'], 't': {name}['w']}}", f"{{'v': {name}['v'] + 1, 'w': 2, 't': 't'}}")
        )  # fmt: skip

    def _chain(self) -> str:
        fields = [f"f{number}" for number in range(self.one(2, 3, 4))]
        lines = ["@decorate", "class Chain(Operator):", "    def __init__(self):"]
        for each in fields:
            kind = self.one(*self.classes)
            lines.append(f"        self.{each} = {kind}()")
            self.paths.append(f"op.{each}")
            if kind.startswith("Nest"):
                self.paths.append(f"op.{each}.n0")
        lines += ["    def forward(self, *, inputs):", "        x = inputs"]
        for each in fields:
            lines.append(f"        x = self.{each}(inputs={self._glue('x')})")
        lines.append(f"        return {self.one('x', 'x', '[x, inputs]')}")
        return "\n".join(lines)

    # ------------------------------------------------------------------ what is done to them
    def script(self) -> str:
        steps = ["raw({'v': 1, 'w': 2, 't': 3})"] * 2  # nobody watches while it is compiled
        for _ in range(self.random.randrange(3, 9)):
            steps.append(self._call() if self.maybe(0.6) else self._change())
        return "\n".join([*steps, self._call(), self._call()])

    def _call(self) -> str:
        plain = self.maybe(0.6)
        given = ", ".join(
            f"'{key}': {self.one(*VALUES[:12]) if plain else self.one(*VALUES)}" for key in KEYS
        )
        odd = self.random.random()
        if odd < 0.06:
            return f"raw({self.one('None', '{}', '[]', '3', 'LoudDict(v=1, w=2)', 'Text()')})"
        if odd < 0.1:
            return f"raw(LoudDict({{{given}}}))"
        watched = self.one(*[""] * 12, "traced(lambda: ", "profiled(lambda: ", "deep(lambda: ")
        return f"{watched}raw({{{given}}}){')' if watched else ''}"

    def _change(self) -> str:
        kind, path, value = (
            self.one(*self.classes, "Chain"),
            self.one("op", *self.paths),
            self.one(*VALUES),
        )
        return str(self.one(*CHANGES)).format(
            kind=kind, path=path, value=value, other=self.one(*self.classes), field=self.one("k", "n", "f0", "n0", "forward")
        )  # fmt: skip


BODY = "lambda self, *, inputs: (seen.append('new'), {{'v': 1, 'w': 2, 't': 'x'}})[1]"
CHANGES = (
    f"{{kind}}.forward = {BODY}",
    f"old = {{kind}}.forward; {{kind}}.forward = {BODY}; raw({{{{'v': 1, 'w': 2, 't': 3}}}}); {{kind}}.forward = old",
    "{kind}.__call__ = lambda self, *, inputs: (seen.append('called'), self.forward(inputs=inputs))[1]",
    "attempt(lambda: delattr({kind}, '__call__'))",
    "attempt(lambda: delattr({kind}, 'forward'))",
    "{kind}.__getattribute__ = lambda self, name: (seen.append(name), object.__getattribute__(self, name))[1]",
    "{kind}.__getattr__ = lambda self, name: (seen.append(('?', name)), 4)[1]",
    "attempt(lambda: setattr({path}, '__class__', {kind}))",
    "attempt(lambda: setattr({path}, '__dict__', {{}}))",
    "attempt(lambda: setattr({path}, '__dict__', LoudDict(vars({path}))))",
    "attempt(lambda: vars({path}).update(forward=lambda *, inputs: (seen.append('own'), {{'v': 3, 'w': 4, 't': 5}})[1]))",
    "attempt(lambda: vars({path}).pop('forward', None))",
    "attempt(lambda: setattr({path}, '{field}', {value}))",
    "attempt(lambda: setattr({path}, '{field}', {other}()))",
    "attempt(lambda: delattr({path}, '{field}'))",
    "{kind}.{field} = property(lambda self: (seen.append('read'), 6)[1])",
    "{kind}.k = {value}",
    "{kind}.n = {value}",
    "attempt(lambda: delattr({kind}, 'n'))",
    "attempt(lambda: setattr({kind}, '__bases__', (type('Base', (Operator,), {{'n': 7}}),)))",
    "attempt(lambda: setattr({kind}.forward, '__code__', (lambda self, *, inputs: {{'v': 0, 'w': 0, 't': 0}}).__code__))",
    "attempt(lambda: setattr({kind}.forward, '__code__', {kind}.forward.__code__.replace(co_name='renamed')))",
    "attempt(lambda: setattr({kind}.forward, '__kwdefaults__', {{'inputs': 1}}))",
    "{kind}.counter = 1",
    "op = copy.copy(op)",
    "op = copy.deepcopy(op)",
    "op = Chain()",
    "op = type('Sub', (Chain,), {{}})()",
    "{path} = type('Sub', ({other},), {{'n': 8}})()",
    "{path} = {other}()",
    "space['{kind}'] = None",
    "import builtins; builtins.dict, kept = Meta, dict; attempt(lambda: raw({{'v': 1, 'w': 2, 't': 3}})); builtins.dict = kept",
    "together(lambda: op(inputs={{'v': 1, 'w': 2, 't': 3}}))",
    "gc.collect()",
    "Operator.__call__ = lambda self, *, inputs: (seen.append('all'), self.forward(inputs=inputs))[1]; raw({{'v': 1, 'w': 2, 't': 3}})",
)  # fmt: skip

SCRIPT = """
import copy, gc, sys, threading, warnings
op = Chain()
def raw(given):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter('always')
        try:
            seen.append(shown(op(inputs=given), given))
        except Exception as exc:
            seen.append(described(exc))
    seen.append([(str(each.message), each.category) for each in warned])
def attempt(change):
    try:
        change()
    except Exception as exc:
        seen.append((type(exc), str(exc)))
def of_an_operator(frame):
    return frame.f_code.co_filename == '<chain>' and not isinstance(frame.f_locals.get('self'), Chain)
def traced(call):
    events = []
    def trace(frame, event, arg):
        if of_an_operator(frame) and event != 'line':
            events.append((frame.f_code.co_name, event))
        return trace
    sys.settrace(trace)
    try: call()
    finally: sys.settrace(None)
    seen.append(events)
def profiled(call):
    events = []
    def profile(frame, event, arg):
        if of_an_operator(frame) and not event.startswith('c_'):
            events.append((frame.f_code.co_name, event))
    sys.setprofile(profile)
    try: call()
    finally: sys.setprofile(None)
    seen.append(events)
def deep(call, depth=60):
    return call() if depth == 0 else deep(call, depth - 1)
def together(call):
    results, before = [], seen[:]
    def work():
        try: results.append(repr(call()))
        except Exception as exc: results.append((type(exc).__name__, str(exc)))
    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads: each.start()
    for each in threads: each.join()
    seen[:] = before
    seen.append(sorted(map(str, results)))
"""

_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")


def shown(value: Any, given: Any = None) -> Any:
    """A result as a tree of types and texts, with the places where one object appears again."""
    known: dict[int, str] = {id(given): "given"}
    if isinstance(given, dict):
        known |= {id(each): f"given {key}" for key, each in given.items()}

    def tree(each: Any) -> Any:
        name = known.setdefault(id(each), f"#{len(known)}")
        if type(each) is dict and name.startswith("#"):
            return name, [(key, tree(item)) for key, item in each.items()]
        if type(each) in (list, tuple) and name.startswith("#"):
            return name, type(each), [tree(item) for item in each]
        big = type(each) in (int, float, str, complex) and not name.startswith("given")
        return type(each).__name__, "" if big else name, _ADDRESS.sub("0x", repr(each))

    return tree(value)


def described(exc: BaseException) -> Any:
    """An exception with its frames."""
    return _ADDRESS.sub("0x", repr(description(exc)))


def observed(seed: int, decorate: Callable[[Any], Any]) -> list[Any]:
    """All that can be seen of one program."""
    writer = _Writer(seed)
    text = writer.program()
    seen: list[Any] = []
    space = namespace(
        text, "<chain>", decorate=decorate, seen=seen, shown=shown, described=described
    )
    space["space"] = space
    call = Operator.__call__
    exec(SCRIPT, space)
    for step in writer.script().splitlines():
        seen.append(step)
        try:
            exec(compile(step, "<step>", "exec"), space)
        except Exception as exc:
            seen.append((type(exc), _ADDRESS.sub("0x", str(exc))))
        finally:
            if (
                Operator.__call__ is not call
            ):  # a class can only be changed a thousand times before it is not watched
                Operator.__call__ = call  # type: ignore[method-assign]
    return seen


def is_computed_in_place(seed: int) -> bool:
    """Whether the chain of a program is computed in place at first."""
    space = namespace(_Writer(seed).program(), "<chain>", decorate=structural_jit, seen=[])
    with contextlib.suppress(Exception):
        space["Chain"]()(inputs={"v": 1, "w": 2, "t": 3})
    unit: Any = unit_of(space["Chain"].forward)
    return unit is not None and unit.artifacts.chain is not None


def difference(seed: int) -> str:
    """The first difference between plain and compiled; empty if there is none."""
    plain, compiled = observed(seed, lambda cls: cls), observed(seed, structural_jit)
    for number, (one, other) in enumerate(zip(plain, compiled, strict=False)):
        if repr(one) != repr(other):
            step = max(at for at in range(number + 1) if isinstance(plain[at], str))
            return f"seed {seed}, step {plain[step]}\nplain:    {one}\ncompiled: {other}"
    return (
        ""
        if len(plain) == len(compiled)
        else f"seed {seed}: {len(plain)} and {len(compiled)} events"
    )


def main(first: int, last: int) -> None:
    """Compare programs, and print where they differ."""
    chains = 0
    for seed in range(first, last):
        found = difference(seed)
        if found:
            print(found, flush=True)
        chains += seed % 10 == 0 and is_computed_in_place(seed)
    print(f"{last - first} programs compared; of each tenth, {chains} were computed in place")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
