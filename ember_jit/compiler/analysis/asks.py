"""What evaluating an expression asks of the values in it, and which values its result may be or hold.

    expression                      asks                                         holds
    inputs["q"].strip() + tail      `inputs["q"]`: a method; `tail`: all of it   -
    len(xs) if flag else 0          `flag`, `xs`: themselves                     -
    {"a": x["k"], "b": [y]}         `x`: a look-up                               `x["k"]`, `y`
    self.a(inputs=x)                nothing: the call is another op's            -

An *ask* is an operation that a class may answer with code of its own.  It is put to a *path*: a name, with
attributes, subscripts and look-ups behind it.  Handing a value on asks nothing.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from ember_jit.compiler.analysis import registry
from ember_jit.compiler.analysis.call_facts import CallFact
from ember_jit.compiler.analysis.calls import registry_entry
from ember_jit.compiler.analysis.values import Known, Method, Property
from ember_jit.ir.syntax import walk
from ember_jit.runtime.asking import CALLS, DEEP, MEMBER, PATH, SHALLOW

if TYPE_CHECKING:
    from ember_jit.compiler.analysis.body import BodyAnalysis

_LOOKUPS = frozenset({"get", "items", "keys", "values"})
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_ELSEWHERE = frozenset({"site", "dynamic", "labelled", "barrier", "wait"})


@dataclass(frozen=True, slots=True)
class Ask:
    """An operation on the value of `path`.

    Attributes:
        path: the expression that gives the value.
        level: how far the operation looks (`runtime.asking`).
        method: the method that is called on it; empty if none is.
    """

    path: ast.expr
    level: int
    method: str = ""


def root(path: ast.expr) -> str:
    """The name that a path starts from."""
    while not isinstance(path, ast.Name):
        path = owner(path)
    return path.id


def owner(path: ast.expr) -> ast.expr:
    """What the last step of a path looks into."""
    step = path.func if isinstance(path, ast.Call) else path
    assert isinstance(step, ast.Attribute | ast.Subscript)
    return step.value


class Asks:
    """Answers for the expressions of one function."""

    def __init__(self, facts: BodyAnalysis) -> None:
        self.facts = facts

    def of(self, node: ast.expr | None, level: int = PATH) -> list[Ask]:
        """What evaluating `node` asks, and then `level` of its value."""
        found: list[Ask] = []
        if node is not None:
            self._visit(node, level, found)
        return found

    def holds(self, node: ast.expr | None) -> list[tuple[ast.expr, bool]]:
        """The paths whose values `node` may give: (path, whether it is the value itself, and not a part of it)."""
        if node is None or isinstance(
            node, ast.Constant | ast.Compare | ast.JoinedStr | ast.Lambda
        ):
            return []
        if self.is_path(node):
            sliced = isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice)
            whole = not sliced and not isinstance(node, ast.Call)
            defaults = self._inside(node.args[1:]) if isinstance(node, ast.Call) else []
            return [(node, whole), *defaults]
        if isinstance(node, ast.IfExp):
            return [*self.holds(node.body), *self.holds(node.orelse)]
        if isinstance(node, ast.BoolOp):
            return [each for value in node.values for each in self.holds(value)]
        if isinstance(node, ast.Call):
            return self._inside(self._passed_on(node))
        if isinstance(node, _COMPREHENSIONS):
            parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
            bound = _targets(node)
            kept = [each for each in self._inside(parts) if root(each[0]) not in bound]
            return [*kept, *self._inside([generator.iter for generator in node.generators])]
        return self._inside([n for n in ast.iter_child_nodes(node) if isinstance(n, ast.expr)])

    def is_path(self, node: ast.expr) -> bool:
        """Whether `node` is a name with attributes, subscripts and look-ups behind it."""
        step: Any = node
        while isinstance(step, ast.Attribute | ast.Subscript | ast.Call):
            if isinstance(step, ast.Call):
                if not self._is_lookup(step):
                    return False
                step = step.func
            step = step.value
        return isinstance(step, ast.Name)

    # ------------------------------------------------------------------ what is held
    def _inside(self, nodes: list[ast.expr]) -> list[tuple[ast.expr, bool]]:
        return [(path, False) for node in nodes for path, _ in self.holds(node)]

    def _passed_on(self, node: ast.Call) -> list[ast.expr]:
        """Arguments that the result of a known call may hold although the call does not look into them."""
        fact = self._fact(node)
        if fact is None or fact.role != "glue":
            return []
        entry = self._entry(fact)
        if entry is None or not (entry.shares or entry.retains):
            return []
        given = [*node.args, *[keyword.value for keyword in node.keywords]]
        return [arg for arg in given if not self._is_code(arg)]

    # ------------------------------------------------------------------ what is asked
    def _visit(self, node: ast.expr, level: int, found: list[Ask]) -> None:
        if isinstance(node, ast.Constant):
            return
        if isinstance(node, ast.Name):
            if level > PATH:
                found.append(Ask(node, level))
            return
        if self.is_path(node):
            self._path(node, level, found)
            return
        handler = _HANDLERS.get(type(node))
        if handler is not None:
            handler(self, node, level, found)
            return
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self._visit(child, DEEP, found)

    def _path(self, node: ast.expr, level: int, found: list[Ask]) -> None:
        """A look-up is an ask by itself; what is looked up with is asked for its hash, or as an index."""
        if not self._is_plain_property(node):
            found.append(Ask(node, level))
        step: Any = node
        while not isinstance(step, ast.Name):
            if isinstance(step, ast.Subscript):
                self._visit(step.slice, DEEP, found)
            elif isinstance(step, ast.Call):
                for index, arg in enumerate(step.args):
                    self._visit(arg, level if index else DEEP, found)
                step = step.func
            step = step.value

    def _is_plain_property(self, node: ast.expr) -> bool:
        """A property whose getter was followed when the function was compiled."""
        value = self.facts.peek(node) if isinstance(node, ast.Attribute) else None
        if not isinstance(value, Property):
            return False
        return self.facts.inference.of_method(value.getter, value.owner).effect.plain

    def _attribute(self, node: Any, level: int, found: list[Ask]) -> None:
        self._visit(node.value, DEEP if level else SHALLOW, found)

    def _subscript(self, node: ast.Subscript, level: int, found: list[Ask]) -> None:
        self._visit(node.value, DEEP if level else SHALLOW, found)
        self._visit(node.slice, DEEP, found)

    def _display(self, node: Any, level: int, found: list[Ask]) -> None:
        inner = DEEP if level >= MEMBER or isinstance(node, ast.Set) else PATH
        for element in node.elts:
            self._visit(element, inner, found)

    def _dict(self, node: ast.Dict, level: int, found: list[Ask]) -> None:
        inner = DEEP if level >= DEEP else PATH
        for key, value in zip(node.keys, node.values, strict=True):
            if key is not None:
                self._visit(key, DEEP, found)
            self._visit(value, SHALLOW if key is None and not inner else inner, found)

    def _starred(self, node: ast.Starred, level: int, found: list[Ask]) -> None:
        self._visit(node.value, DEEP if level >= DEEP else SHALLOW, found)

    def _choice(self, node: ast.IfExp, level: int, found: list[Ask]) -> None:
        self._visit(node.test, SHALLOW, found)
        self._visit(node.body, level, found)
        self._visit(node.orelse, level, found)

    def _either(self, node: ast.BoolOp, level: int, found: list[Ask]) -> None:
        for value in node.values[:-1]:
            self._visit(value, max(level, SHALLOW), found)
        self._visit(node.values[-1], level, found)

    def _compare(self, node: ast.Compare, level: int, found: list[Ask]) -> None:
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            if isinstance(operator, ast.Is | ast.IsNot):
                self._visit(left, PATH, found)
                self._visit(right, PATH, found)
            else:
                self._visit(left, DEEP, found)
                member = isinstance(operator, ast.In | ast.NotIn)
                self._visit(right, MEMBER if member else DEEP, found)
            left = right

    def _binary(self, node: ast.BinOp, level: int, found: list[Ask]) -> None:
        joins = isinstance(node.op, ast.Add | ast.Mult) and level < DEEP
        for operand in (node.left, node.right):
            self._visit(operand, SHALLOW if joins else DEEP, found)

    def _unary(self, node: ast.UnaryOp, level: int, found: list[Ask]) -> None:
        self._visit(node.operand, SHALLOW, found)

    def _comprehension(self, node: Any, level: int, found: list[Ask]) -> None:
        bound = _targets(node)
        parts = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        inner: list[Ask] = []
        for part in parts:
            hashed = isinstance(node, ast.SetComp) or part is getattr(node, "key", None)
            self._visit(part, DEEP if level >= DEEP or hashed else PATH, inner)
        for generator in node.generators:
            for condition in generator.ifs:
                self._visit(condition, SHALLOW, inner)
        asked = level >= DEEP or any(root(ask.path) in bound for ask in inner)
        for generator in node.generators:
            unpacked = not isinstance(generator.target, ast.Name)
            self._visit(generator.iter, DEEP if asked or unpacked else SHALLOW, inner)
        found += [ask for ask in inner if not bound.intersection(_names(ask.path))]

    def _lambda(self, node: ast.Lambda, level: int, found: list[Ask]) -> None:
        """Nobody knows when it runs: what its body asks, it may ask at any time."""
        args = node.args
        own = {a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)}
        own |= {a.arg for a in (args.vararg, args.kwarg) if a is not None}
        for default in (*args.defaults, *[d for d in args.kw_defaults if d is not None]):
            self._visit(default, DEEP, found)
        inner: list[Ask] = []
        self._visit(node.body, DEEP, inner)
        found += [ask for ask in inner if not own.intersection(_names(ask.path))]

    # ------------------------------------------------------------------ calls
    def _call(self, node: ast.Call, level: int, found: list[Ask]) -> None:
        fact = self._fact(node)
        role = fact.role if fact is not None else ""
        if role in _ELSEWHERE:
            return  # an op of its own
        arguments = [*node.args, *[keyword.value for keyword in node.keywords]]
        if fact is None or role != "glue":
            if isinstance(node.func, ast.Lambda):
                self._visit(node.func, PATH, found)
            for arg in arguments:
                self._visit(arg, DEEP, found)
            return
        entry = self._entry(fact)
        if entry is not None and not self._on_value(fact):
            for index, arg in enumerate(arguments):
                position = index if index < len(node.args) else -1
                self._visit(arg, self._argument_level(entry, position, arg, level), found)
            return
        assert isinstance(node.func, ast.Attribute)
        name = node.func.attr
        entries = registry.plain_methods(name)
        inward = level >= DEEP or not all(each.shallow or not each.protocol for each in entries)
        self._receiver(node.func.value, name, DEEP if inward or not entries else SHALLOW, found)
        for arg in arguments:
            self._visit(arg, DEEP, found)

    def _receiver(self, node: ast.expr, name: str, level: int, found: list[Ask]) -> None:
        if self.is_path(node):
            if not isinstance(node, ast.Name):
                self._path(node, PATH, found)
            found.append(Ask(node, level, name))
        else:
            self._visit(node, DEEP, found)

    def _argument_level(
        self, entry: registry.Known, position: int, arg: ast.expr, level: int
    ) -> int:
        if self._is_code(arg) or position in entry.untouched:
            return PATH
        if entry.calls_args:
            return CALLS
        if not entry.protocol:
            return level if entry.shares or entry.retains else PATH
        if not entry.shallow or (level >= DEEP and (entry.shares or entry.retains)):
            return DEEP
        return DEEP if isinstance(arg, ast.Starred) else SHALLOW

    def _is_code(self, node: ast.expr) -> bool:
        """A function, class or module that the analysis knows and has judged."""
        value = self.facts.peek(node) if isinstance(node, ast.Name | ast.Attribute) else None
        if isinstance(value, Known):
            builtin = type(value.obj).__name__ == "builtin_function_or_method"
            return builtin or issubclass(type(value.obj), type | FunctionType | ModuleType)
        return isinstance(value, Method)

    def _fact(self, node: ast.Call) -> CallFact | None:
        return self.facts.calls.get(getattr(node, "_ember_origin", node))

    def _on_value(self, fact: CallFact) -> bool:
        callee = fact.callee
        return not isinstance(callee, Known | Method) or (
            isinstance(callee, Method) and type(callee.function).__name__ == "method_descriptor"
        )

    def _entry(self, fact: CallFact) -> registry.Known | None:
        callee = fact.callee
        return registry_entry(callee) if isinstance(callee, Known | Method) else None

    def _is_lookup(self, node: ast.Call) -> bool:
        if not isinstance(node.func, ast.Attribute) or node.func.attr not in _LOOKUPS:
            return False
        fact = self._fact(node)
        return (
            fact is not None
            and fact.role == "glue"
            and self._on_value(fact)
            and not node.keywords
            and not any(isinstance(arg, ast.Starred) for arg in node.args)
        )


def _targets(node: Any) -> set[str]:
    return {
        inner.id
        for generator in node.generators
        for inner in walk(generator.target)
        if isinstance(inner, ast.Name)
    }


def _names(node: ast.expr) -> set[str]:
    return {inner.id for inner in walk(node) if isinstance(inner, ast.Name)}


_HANDLERS: dict[type[ast.expr], Any] = {
    ast.Attribute: Asks._attribute,
    ast.Subscript: Asks._subscript,
    ast.List: Asks._display,
    ast.Tuple: Asks._display,
    ast.Set: Asks._display,
    ast.Dict: Asks._dict,
    ast.Starred: Asks._starred,
    ast.IfExp: Asks._choice,
    ast.BoolOp: Asks._either,
    ast.Compare: Asks._compare,
    ast.BinOp: Asks._binary,
    ast.UnaryOp: Asks._unary,
    ast.ListComp: Asks._comprehension,
    ast.SetComp: Asks._comprehension,
    ast.DictComp: Asks._comprehension,
    ast.GeneratorExp: Asks._comprehension,
    ast.Lambda: Asks._lambda,
    ast.Call: Asks._call,
}
