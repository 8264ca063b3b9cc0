"""Programs that raise.  `test_tracebacks` executes this file twice: with a `decorate` that does nothing, and with ours.

Given by the test: `decorate`; `vmap` and `pmap`; and `meet()`, in which overlapping calls wait for each other (plain,
it returns at once).
Each function in `PROGRAMS` raises.  Lines and columns are what is tested, so nothing here is formatted.
"""

import contextlib
import functools

from ember_jit import Operator, query

PROGRAMS = {}


def program(make):
    """`make()` is a call that raises."""
    PROGRAMS[make.__name__] = make
    return make


def raising(target):
    """The program that constructs `target` and calls it."""
    PROGRAMS[target.__name__] = lambda: target()(inputs=1)
    return target


# ---------------------------------------------------------------------- leaves
@query
class Give(Operator):
    def forward(self, *, inputs):
        return {"text": str(inputs), "number": 0, "list": [1, 2]}


@query
class Fail(Operator):
    def forward(self, *, inputs):
        if inputs == "fine":
            return {"text": "fine", "number": 1}
        found = {"key": inputs}
        return str(inputs) + found["key"]["no"]   + "more"


@query
class Bare:
    """Not an `Operator`: called through its own `__call__`."""

    def __call__(self, *, inputs):
        return self.forward(inputs=inputs)

    def forward(self, *, inputs):
        return [self.scale(each) for each in (2, 1, 0) if each is not None]

    def scale(self, number):
        return (1 + number) / number


@query
class Meet(Operator):
    """Runs on a thread of its own when compiled."""

    def __init__(self, fails):
        self.fails = fails

    def forward(self, *, inputs):
        meet()
        if self.fails:
            raise LookupError("not here", inputs)
        return inputs


@query
class Grouped(Operator):
    def forward(self, *, inputs):
        found = []
        for each in (ValueError("a"), KeyError("b")):
            try:
                raise each
            except Exception as exc:
                found.append(exc)
        raise ExceptionGroup("both", found)


@query
class Chained(Operator):
    def forward(self, *, inputs):
        try:
            return inputs["a"]
        except TypeError as exc:
            raise RuntimeError("outer") from exc


@query
class Noted(Operator):
    def forward(self, *, inputs):
        exc = ValueError("noted")
        exc.add_note("first note")
        exc.add_note("second\nnote")
        raise exc


@query
def ask(question):
    if question == "fine":
        return {"text": "fine"}
    return [][question]


class Two(Operator):
    def __init__(self):
        self.give, self.fail, self.bare = Give(), Fail(), Bare()
        self.grouped, self.chained, self.noted = Grouped(), Chained(), Noted()


# ---------------------------------------------------------------------- where calls stand
@raising
@decorate
class Leaf(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.fail(inputs=inputs)
        return a, b


@raising
@decorate
class FirstOfTwo(Two):
    def forward(self, *, inputs):
        a = self.fail(inputs=inputs)
        b = self.give(inputs=inputs)
        return a, b


@raising
@decorate
class LeafOfAnotherKind(Two):
    def forward(self, *, inputs):
        a, b = self.give(inputs=inputs), self.bare(inputs=inputs)
        return a, b


@raising
@decorate
class OnAnotherThread(Operator):
    def __init__(self):
        self.first, self.second = Meet(False), Meet(True)

    def forward(self, *, inputs):
        a = self.first(inputs=inputs)
        b = self.second(inputs=[inputs, 2])
        return a, b


@raising
@decorate
class Glue(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.give(inputs=inputs)
        return 1 + a["number"] / b["number"] * 3


@raising
@decorate
class GlueOnTheWay(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.give(inputs=a["text"] + a["missing"])
        c = self.give(inputs=inputs)
        return a, b, c


@raising
@decorate
class Nested(Two):
    def __init__(self):
        self.inner, self.give = Leaf(), Give()

    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.inner(inputs=inputs)
        return a, b


class Undecorated(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.fail(inputs=a["number"])
        return a, b


@raising
@decorate
class NestedUndecorated(Two):
    def __init__(self):
        self.inner, self.give = Undecorated(), Give()

    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.inner(inputs=inputs)
        return a, b


def helper(give, fail, inputs):
    a = give(inputs=inputs)
    return a, fail(inputs=a["number"])


@raising
@decorate
class Helper(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = helper(self.give, self.fail, inputs)
        return a, b


@raising
@decorate
class HelperMethod(Two):
    def helper(self, inputs):
        return self.fail(inputs=self.give(inputs=inputs)["number"])

    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.helper(inputs)
        return a, b


@decorate
def compiled_function(question, *more, times=2, **rest):
    """Two calls of a function that is a leaf."""
    fine = ask("fine")
    return [fine, ask(question)] * times


@program
def Function():
    return compiled_function(3, 4, times=1, other=2)


# ---------------------------------------------------------------------- statements
@raising
@decorate
class ListComprehension(Two):
    def forward(self, *, inputs):
        return [self.fail(inputs=each)["text"] for each in ("fine", "fine", 7)]


@raising
@decorate
class DictComprehension(Two):
    def forward(self, *, inputs):
        return {
            each: self.fail(inputs=each)["text"]
            for each in ("fine", "fine", 7)
            if each
        }


@raising
@decorate
class GeneratorExpression(Two):
    def forward(self, *, inputs):
        return ", ".join(self.fail(inputs=each)["text"] for each in ("fine", 7, "fine"))


@raising
@decorate
class ForLoop(Two):
    def forward(self, *, inputs):
        out = []
        for number, each in enumerate(("fine", "fine", 7)):
            out.append((number, self.fail(inputs=each)["text"]))
        return out


@raising
@decorate
class WhileLoop(Two):
    def forward(self, *, inputs):
        left, out = 3, []
        while left:
            left -= 1
            out += [self.fail(inputs="fine" if left else left)]
        return out


@raising
@decorate
class Raises(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.give(inputs=inputs)
        if a["number"] == b["number"]:
            raise ValueError(f"the same: {a['number']}")
        return a


@raising
@decorate
class Asserts(Two):
    def forward(self, *, inputs):
        a, b = self.give(inputs=inputs), self.give(inputs=inputs)
        assert a["number"] != b["number"], "the same"


@raising
@decorate
class RaisesAgain(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        try:
            b = self.fail(inputs=inputs)
        except TypeError:
            a["text"] += "!"
            raise
        return a, b


@raising
@decorate
class Cause(Two):
    def forward(self, *, inputs):
        try:
            a = self.give(inputs=inputs)
            b = self.fail(inputs=inputs)
        except TypeError as exc:
            raise ValueError("told by cause") from exc
        return a, b


@raising
@decorate
class Context(Two):
    def forward(self, *, inputs):
        try:
            a = self.fail(inputs=inputs)
            b = self.give(inputs=inputs)
        except TypeError:
            b = self.bare(inputs=inputs)
            a = self.give(inputs=b)
        return a, b


@raising
@decorate
class ChainedInLeaf(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.chained(inputs=inputs)
        return a, b


@raising
@decorate
class Finally(Two):
    def forward(self, *, inputs):
        a = b = None
        try:
            a = self.give(inputs=inputs)
            b = self.fail(inputs=inputs)
        finally:
            a = [a, b]
        return a


@raising
@decorate
class FinallyThatRaises(Two):
    def forward(self, *, inputs):
        a = None
        try:
            a = self.give(inputs=inputs)
            a = self.fail(inputs=inputs)
        finally:
            a["no"]
        return a


@contextlib.contextmanager
def managed(wrap):
    try:
        yield
    except TypeError as exc:
        if wrap:
            raise OSError("from the manager") from exc
        raise


@raising
@decorate
class With(Two):
    def forward(self, *, inputs):
        with managed(wrap=False):
            a = self.give(inputs=inputs)
            b = self.fail(inputs=inputs)
        return a, b


@raising
@decorate
class WithThatRaises(Two):
    def forward(self, *, inputs):
        with managed(wrap=True):
            a = self.give(inputs=inputs)
            b = self.fail(inputs=inputs)
        return a, b


@raising
@decorate
class Match(Two):
    def forward(self, *, inputs):
        match self.give(inputs=inputs):
            case {"number": 0, "list": [1, *rest]}:
                return self.give(inputs=rest), self.fail(inputs=rest)


# ---------------------------------------------------------------------- what is raised
@raising
@decorate
class Group(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.grouped(inputs=inputs)
        return a, b


@raising
@decorate
class ExceptStar(Two):
    def forward(self, *, inputs):
        try:
            a = self.give(inputs=inputs)
            b = self.grouped(inputs=inputs)
        except* KeyError:
            a = b = None
        return a, b


@raising
@decorate
class Notes(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        try:
            b = self.noted(inputs=inputs)
        except ValueError as exc:
            exc.add_note("third note")
            raise
        return a, b


@raising
@decorate
class Recursion(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        if inputs < 6:
            return self(inputs=inputs + 1)
        b = self.fail(inputs=a["number"])
        return a, b


@program
def RecursiveFunction():
    return descend(12)


@decorate
def descend(depth):
    a, b = ask("fine"), ask("fine")
    return descend(depth - 1) if depth else (a | b)["x"]


# ---------------------------------------------------------------------- what is called
class Lazy:
    @property
    def value(self):
        return self.missing

    def __getitem__(self, key):
        return 1 // (key - key)

    def __add__(self, other):
        raise NotImplementedError("no sums")

    def __call__(self, *, inputs):
        return {}[inputs]


@raising
@decorate
class Property(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.give(inputs=Lazy().value)
        return a, b


@raising
@decorate
class OwnProperty(Two):
    @property
    def scale(self):
        return self.give(inputs=1)["scale"]

    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.give(inputs=[self.scale, 2])
        return a, b


@raising
@decorate
class SpecialMethod(Two):
    def forward(self, *, inputs):
        a, b = self.give(inputs=inputs), self.give(inputs=inputs)
        lazy = Lazy()
        return a, b, lazy[3]


@raising
@decorate
class Operand(Two):
    def forward(self, *, inputs):
        a, b = self.give(inputs=inputs), self.give(inputs=inputs)
        lazy = Lazy()
        return a, lazy + b["number"]


@raising
@decorate
class CallOfAnObject(Two):
    def forward(self, *, inputs):
        lazy = Lazy()
        a, b = self.give(inputs=inputs), lazy(inputs=inputs)
        return a, b


@raising
@decorate
class Lambda(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        pick = lambda found: found["number"] + found["no"]
        return pick(a), self.give(inputs=inputs)


@raising
@decorate
class SortKey(Two):
    def forward(self, *, inputs):
        found = [self.give(inputs=each) for each in (1, 2, 3)]
        return sorted(found, key=lambda each: (each["number"], -each["text"]))


def logged(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@logged
def wrapped_helper(give, inputs):
    return give(inputs=inputs)["text"].nothing


@raising
@decorate
class DecoratedFunction(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = wrapped_helper(self.give, inputs)
        return a, b


@program
def UnderADecorator():
    return wrapped_function("fine", 5)


@logged
@decorate
def wrapped_function(first, second):
    return ask(first), ask(second)


@raising
@decorate
class ReturnsGenerator(Two):
    def each(self, found):
        for each in found:
            yield self.fail(inputs=each)

    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.give(inputs=inputs)
        return [a, b, *self.each(["fine", 3])]


# ---------------------------------------------------------------------- how calls are written
@raising
@decorate
class SeveralLines(Two):
    def forward(self, *, inputs):
        a = self.give(
            inputs=inputs,
        )
        b = self.fail(
            inputs={
                "a": a,
                "b": [inputs] * 2,
            },
        )
        return a, b


@raising
@decorate
class Fluent(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = (
            self.give(
                inputs=inputs,
            )
            .get("text")
            .join(
                self
                .fail(
                    inputs="bad"
                )
            )
        )
        return a, b


@raising
@decorate
class NestedCalls(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        return a, self.give(inputs=self.fail(inputs=self.give(inputs=a)["number"])), 1


@raising
@decorate
class ArgumentFails(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.give(inputs=(inputs + inputs["x"]["y"]))
        return a, b


@raising
@decorate
class WrongArguments(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.give(inputs=inputs, other=a)
        return a, b


@raising
@decorate
class NoSuchOperator(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.gvie(inputs=inputs)
        return a, b


@raising
@decorate
class NotCallable(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = a["text"](inputs=inputs)
        return a, b


@raising
@decorate
class Unpacking(Two):
    def forward(self, *, inputs):
        a, b, (c, d) = self.give(inputs=inputs), self.give(inputs=inputs), self.give(inputs=inputs)
        return a, b, c, d


@raising
@decorate
class StarredArguments(Two):
    def forward(self, *, inputs):
        more = {"inputs": inputs}
        a = self.give(**more)
        b = self.fail(
            **more,
        )
        return a, b


@raising
@decorate
class Straight(Two):
    """Each call waits for the one before: nothing overlaps."""

    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.fail(inputs=a)
        return b


@raising
@decorate
class Boolean(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.give(inputs=inputs)["number"] or self.fail(inputs=a)
        return a, b


@raising
@decorate
class Conditional(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.give(inputs=a) if a["number"] else self.fail(inputs=f"{a!r:>40}")
        return a, b


@raising
@decorate
class Subclass(Leaf):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = super().forward(inputs=inputs)
        return a, b


# ---------------------------------------------------------------------- batches
@decorate
class Picky(Two):
    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.fail(inputs="fine" if inputs["number"] < 2 else inputs)
        return {"a": a, "b": b}


def picky(number):
    return 1 / (2 - number)


@program
def Batch():
    return vmap(Picky())(inputs={"number": [0, 1, 2, 3]})


@program
def BatchOfShards():
    return pmap(Picky(), num_workers=2, backend="threads")(inputs={"number": [0, 1, 2, 3]})


@program
def BatchOfNumbers():
    return vmap(picky)([0, 1, 2, 3])


@raising
@decorate
class BatchInside(Two):
    def __init__(self):
        self.give, self.each = Give(), vmap(Picky())

    def forward(self, *, inputs):
        a = self.give(inputs=inputs)
        b = self.each(inputs={"number": [inputs, inputs + 1]})
        return a, b


# ---------------------------------------------------------------------- chains: operators that only compute
class Less(Operator):
    def forward(self, *, inputs):
        return {"n": inputs["n"] - 1}


class Inverse(Operator):
    def forward(self, *, inputs):
        n = inputs["n"]
        return {"n": 1   / n}


@raising
@decorate
class Chain(Operator):
    """Computed in place until it fails; then it is made to fail where it is written."""

    def __init__(self):
        self.less, self.inverse = Less(), Inverse()

    def forward(self, *, inputs):
        a = self.less(inputs={"n": inputs})
        b = self.inverse(inputs=a)
        return self.less(inputs=b)
