"""Chains: operators that only compute with plain values, as one attempt without frames and without dicts between.

    x = self.add_one(inputs=inputs)              _op0 = self.add_one
    return self.double(inputs=x)                 if not (_type(_op0) is _AddOne): break
                                                 _op0.forward()         # `codegen.chain`: no override of its own
                                       -->       if not (_type(inputs) is _dict): break
                                                 _v0 = inputs['v']
                                                 if not (_type(_v0) is _int or ...): break
                                                 _v0 = _v0 + 1
                                                 ...
                                                 _v0 = _v0 * 2
                                                 return {'v': _v0}
                                             x = self.add_one(inputs=inputs)         # as it was
                                             return self.double(inputs=x)

Sound because the attempt can be seen by nobody before it returns.  It reads attributes, items of exact dicts and
exact plain values, and computes new plain values: no code of the user's runs, so nothing is stored, printed,
warned of or called.  When it is left, at a `break` or by an exception, it has not been, and the ordinary code
finds what is there now; an exception is raised by that code, with its own frames.  What else was relied on, the
classes and the code of the bodies, are the premises (`runtime.speculation`), which the condition in front checks.
"""

from __future__ import annotations

import ast
import copy
import re
from dataclasses import dataclass
from types import CodeType, MemberDescriptorType
from typing import Any, TypeGuard

from ember_jit.compiler.passes.chain_classes import CLASS_NAMES, forward_of, is_readable
from ember_jit.compiler.passes.chain_shape import said
from ember_jit.compiler.passes.chain_values import (
    ARITHMETIC,
    COMPARISONS,
    METHODS,
    Anything,
    Block,
    CannotFold,
    Receiver,
    Record,
    Scalar,
    Value,
    reuse_variables,
)
from ember_jit.compiler.source import NoSource, Source, mangled, source_of
from ember_jit.runtime.linking import CALL, STRAIGHT
from ember_jit.runtime.speculation import SCALARS, Premises
from ember_jit.runtime.statics import MISSING, own_attribute, type_lookup

_OURS = re.compile(r"_(v\d+|op\d+|chain|class|type|int|kinds|dict|error|bound|guard|switch)$")
_DEPTH = 8  # operators within operators
_LONGEST = 400  # statements of an attempt


@dataclass(slots=True)
class Chain:
    """An attempt.

    Attributes:
        body: its statements; the last one returns.
        variables: the names of ours in it that may hold something.
        classes: the variable that stands for each class of operators.
        constants: what stands in the constants for the string that the user's code names it by.
        premises: what it takes for granted.
        calls: the calls whose frames are gone, as lines of the function itself.
    """

    body: list[ast.stmt]
    variables: list[str]
    classes: dict[str, type]
    constants: dict[str, Any]
    premises: Premises
    calls: list[int]


def fold(code: CodeType, source: Source, owner: Any) -> Chain:
    """The attempt for a method, made for the receiver at hand.

    Args:
        code: its original code.
        source: the source of that.
        owner: the receiver.

    Raises:
        CannotFold: there is a line in it that would have to be run to know what it does.
    """
    if any(map(_OURS.match, (*code.co_varnames, *code.co_names, *code.co_freevars))):
        raise CannotFold("a name that is reserved for generated code")
    kind = type(owner)
    if not is_readable(kind) or code.co_cellvars:
        raise CannotFold("a receiver with an attribute look-up of its own")
    folder = _Folder(kind)
    folder.premises.add(kind, CLASS_NAMES[2:])
    args = source.node.args
    names = [arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    names += [arg.arg for arg in (args.vararg, args.kwarg) if arg is not None]
    scope: dict[str, Value] = {name: Anything(name) for name in names}
    scope[names[0]] = Receiver(owner, names[0])
    frame = _Frame(scope, source, code)
    result = folder.run(frame)
    if not folder.calls:
        raise CannotFold("no call of an operator")
    folder.block.place = source.node.body[-1]
    value = folder.display(result)
    leave = ast.Return(value)
    for node in ast.walk(leave):
        if "lineno" in node._attributes:
            ast.copy_location(node, source.node.body[-1])
    variables = list(reuse_variables(folder.block.body, leave))
    return Chain(
        [*folder.block.body, leave],
        [*variables, *folder.receivers],
        folder.classes,
        folder.constants,
        folder.premises,
        folder.calls,
    )


@dataclass(slots=True)
class _Frame:
    """The variables of one body.

    Attributes:
        scope: what each variable holds.
        source: its source.
        code: its code, whose constants the values come from.
    """

    scope: dict[str, Value]
    source: Source
    code: CodeType


class _Folder:
    """Runs bodies on abstract values."""

    def __init__(self, owner: type) -> None:
        self.owner = owner  # its own class, in its own constants, could never be freed
        self.premises = Premises(owner)
        self.block = Block()
        self.classes: dict[str, type] = {}
        self.receivers: list[str] = []
        self.constants: dict[str, Any] = {}
        self.calls: list[int] = []
        self.depth = 0

    # ------------------------------------------------------------------ statements
    def run(self, frame: _Frame) -> Value:
        """What a body returns."""
        for statement in frame.source.node.body:
            if isinstance(statement, ast.Return):
                if statement.value is None:
                    return Scalar(ast.Constant(None))
                return self.value(statement.value, frame)
            self._statement(statement, frame)
            if len(self.block.body) > _LONGEST:
                raise CannotFold(f"more than {_LONGEST} statements in one piece")
        return Scalar(ast.Constant(None))

    def _statement(self, statement: ast.stmt, frame: _Frame) -> None:
        if self.depth == 0:
            self.block.place = statement
        match statement:
            case ast.Expr(ast.Constant()) | ast.Pass():
                pass
            case ast.Expr(value):
                self.value(value, frame)
            case ast.Assign([ast.Name(name)], value) | ast.AnnAssign(
                ast.Name(name), _, ast.expr() as value
            ):
                frame.scope[name] = self.value(value, frame)
            case ast.Assign([ast.Subscript(base, ast.Constant(str(key)))], value):
                stored = self.value(value, frame)
                record = self.value(base, frame)
                plain = isinstance(stored, Scalar | Anything) and _is_interned(key)
                if not isinstance(record, Record) or record.name or not plain:
                    raise CannotFold(_said(statement, frame, "a store"))
                record.fields[key] = stored
            case ast.AugAssign(ast.Name(name), operator, value):
                left = ast.copy_location(ast.Name(name, ast.Load()), statement)
                again = ast.copy_location(ast.BinOp(left, operator, value), statement)
                frame.scope[name] = self.value(again, frame)
            case _:
                raise CannotFold(_said(statement, frame, f"{type(statement).__name__}"))

    # ------------------------------------------------------------------ expressions
    def value(self, node: ast.expr, frame: _Frame) -> Value:
        """What an expression gives."""
        rule = getattr(self, f"_{type(node).__name__}", None)
        if rule is None:
            raise CannotFold(_said(node, frame, type(node).__name__))
        result: Value = rule(node, frame)
        return result

    def scalar(self, node: ast.expr, frame: _Frame) -> ast.expr:
        """An expression as the operand of an operator."""
        return self.block.scalar(self.value(node, frame))

    def made(self, node: ast.expr) -> Scalar:
        """The value of an operation between scalars."""
        name = self.block.variable(node)
        self.block.scalars.add(name)
        return Scalar(ast.Name(name, ast.Load()))

    def display(self, value: Value) -> ast.expr:
        """A value as the expression that is returned: a dict that nobody has seen is made there."""
        if isinstance(value, Record) and value.name is None:
            return self.block.display(value)
        return self.block.object(value)

    def _Name(self, node: ast.Name, frame: _Frame) -> Value:
        found = frame.scope.get(node.id)
        if found is None:
            raise CannotFold(_said(node, frame, f"`{node.id}`, which is not a local variable"))
        return found

    def _Constant(self, node: ast.Constant, frame: _Frame) -> Value:
        """A constant: the very object that the body's own code holds, for its identity can be seen."""
        value = node.value
        if type(value) not in SCALARS:
            raise CannotFold(_said(node, frame, "a constant"))
        if value is None or type(value) is bool or (type(value) is int and -5 <= value <= 256):
            return Scalar(ast.Constant(value))
        for const in frame.code.co_consts:
            if type(const) is type(value) and repr(const) == repr(value):
                for marker, other in self.constants.items():
                    if other is const:
                        return Scalar(ast.Constant(marker))
                marker = f"<ember_jit constant {len(self.constants)}>"
                self.constants[marker] = const
                return Scalar(ast.Constant(marker))
        raise CannotFold(_said(node, frame, "a constant that is part of another"))

    def _Dict(self, node: ast.Dict, frame: _Frame) -> Value:
        fields: dict[str, Value] = {}
        for key, item in zip(node.keys, node.values, strict=True):
            value = self.value(item, frame)
            if isinstance(value, Receiver):
                raise CannotFold(_said(node, frame, "an operator that is passed on"))
            if isinstance(key, ast.Constant) and _is_interned(key.value):
                fields[key.value] = value
            elif key is None and isinstance(value, Record):
                fields.update(value.fields)
            else:
                raise CannotFold(_said(node, frame, "a dict whose keys are not constants"))
        return Record(fields)

    def _sequence(self, node: ast.List | ast.Tuple, frame: _Frame) -> Value:
        elements = [self.block.object(self.value(each, frame)) for each in node.elts]
        if all(isinstance(each, ast.Constant) for each in elements):
            raise CannotFold(_said(node, frame, "a sequence of constants"))
        return Anything(self.block.variable(type(node)(elements, ast.Load())))

    _List = _Tuple = _sequence

    def _Subscript(self, node: ast.Subscript, frame: _Frame) -> Value:
        base = self.value(node.value, frame)
        key = node.slice
        if not isinstance(key, ast.Constant) or type(key.value) is not str:
            raise CannotFold(_said(node, frame, "a subscript that is not a constant string"))
        found = self.block.mapping(base)
        if isinstance(found, Record):
            if key.value not in found.fields:
                raise CannotFold(_said(node, frame, f"a key {key.value!r} that is not there"))
            return found.fields[key.value]
        item = ast.Subscript(ast.Name(found.name, ast.Load()), ast.Constant(key.value), ast.Load())
        return Anything(self.block.variable(item))

    def _BinOp(self, node: ast.BinOp, frame: _Frame) -> Value:
        left, right = self.scalar(node.left, frame), self.scalar(node.right, frame)
        both = isinstance(left, ast.Constant) and isinstance(right, ast.Constant)
        if both or not isinstance(node.op, ARITHMETIC):
            raise CannotFold(_said(node, frame, "an operator"))
        return self.made(ast.BinOp(left, node.op, right))

    def _UnaryOp(self, node: ast.UnaryOp, frame: _Frame) -> Value:
        match node:
            case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() | complex() as number)):
                return self._Constant(ast.copy_location(ast.Constant(-number), node), frame)
        operand = self.scalar(node.operand, frame)
        if isinstance(operand, ast.Constant) or isinstance(node.op, ast.Invert):
            raise CannotFold(_said(node, frame, "an operator"))
        return self.made(ast.UnaryOp(node.op, operand))

    def _Compare(self, node: ast.Compare, frame: _Frame) -> Value:
        operands = [self.scalar(each, frame) for each in (node.left, *node.comparators)]
        constant = all(isinstance(each, ast.Constant) for each in operands)
        if constant or not all(isinstance(op, COMPARISONS) for op in node.ops):
            raise CannotFold(_said(node, frame, "a comparison"))
        return self.made(ast.Compare(operands[0], node.ops, operands[1:]))

    def _JoinedStr(self, node: ast.JoinedStr, frame: _Frame) -> Value:
        parts: list[ast.expr] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                spec = part.format_spec
                plain = spec is None or (
                    isinstance(spec, ast.JoinedStr)
                    and all(isinstance(each, ast.Constant) for each in spec.values)
                )
                value = self.scalar(part.value, frame)
                if not plain or isinstance(value, ast.Constant):
                    raise CannotFold(_said(node, frame, "a format"))
                parts.append(ast.FormattedValue(value, part.conversion, copy.deepcopy(spec)))
            else:
                assert isinstance(part, ast.Constant)
                parts.append(ast.Constant(part.value))
        if all(isinstance(part, ast.Constant) for part in parts):
            raise CannotFold(_said(node, frame, "a format of nothing"))
        return self.made(ast.JoinedStr(parts))

    def _Attribute(self, node: ast.Attribute, frame: _Frame) -> Value:
        base = self.value(node.value, frame)
        if not isinstance(base, Receiver):
            raise CannotFold(_said(node, frame, "an attribute of a value"))
        name = mangled(node.attr, frame.source.class_name)
        self._may_read(base, name, node, frame)
        return Anything(self.block.variable(_attribute(base.name, name)))

    # ------------------------------------------------------------------ calls
    def _Call(self, node: ast.Call, frame: _Frame) -> Value:
        func = node.func
        if not isinstance(func, ast.Attribute):
            raise CannotFold(_said(node, frame, "a call"))
        base = self.value(func.value, frame)
        if isinstance(base, Receiver):
            return self._operator(node, base, mangled(func.attr, frame.source.class_name), frame)
        return self._method(node, base, func.attr, frame)

    def _method(self, node: ast.Call, base: Value, name: str, frame: _Frame) -> Value:
        """A method of a plain value."""
        if name not in METHODS or node.keywords or isinstance(base, Record):
            raise CannotFold(_said(node, frame, "a call"))
        args = [self.scalar(each, frame) for each in node.args]
        receiver = self.block.scalar(base)
        if isinstance(receiver, ast.Constant):
            raise CannotFold(_said(node, frame, "a call"))
        return self.made(ast.Call(ast.Attribute(receiver, name, ast.Load()), args, []))

    def _operator(self, node: ast.Call, base: Receiver, name: str, frame: _Frame) -> Value:
        """A call of an operator: its body, run on the argument."""
        if node.args or [each.arg for each in node.keywords] != ["inputs"]:
            raise CannotFold(_said(node, frame, "a call with other arguments than `inputs`"))
        if self.depth == 0:
            self.block.place = node
            self.calls.append(node.lineno)
        argument = self.value(node.keywords[0].value, frame)
        self._may_read(base, name, node, frame)
        live = own_attribute(base.live, name)
        kind = type(live)
        forward = forward_of(kind)
        if forward is None or self.depth == _DEPTH or self.owner in kind.__mro__:
            raise CannotFold(_said(node, frame, "a call"))
        try:
            source = source_of(forward, forward.__code__)
        except NoSource as reason:
            raise CannotFold(_said(node, frame, f"an operator without source ({reason})")) from None
        variable = f"_op{self.depth}"
        if variable not in self.receivers:
            self.receivers.append(variable)
        self.block.add(ast.Assign([ast.Name(variable, ast.Store())], _attribute(base.name, name)))
        self.block.check(f"_type({variable}) is {self._class(kind)}")
        self.block.add(*ast.parse(f"{variable}.forward()").body)
        self.premises.add(kind, CLASS_NAMES)
        self.premises.add_function(forward)
        self.premises.add_function(STRAIGHT[CALL])
        first = source.node.args.posonlyargs + source.node.args.args
        scope: dict[str, Value] = {first[0].arg: Receiver(live, variable), "inputs": argument}
        self.depth += 1
        result = self.run(_Frame(scope, source, forward.__code__))
        self.depth -= 1
        if isinstance(result, Receiver):
            raise CannotFold(_said(node, frame, "an operator that gives itself"))
        return result

    def _may_read(self, base: Receiver, name: str, node: ast.expr, frame: _Frame) -> None:
        """Have reading an attribute run no code."""
        kind = type(base.live)
        member = type_lookup(kind, name)
        if not (member is MISSING or type(member) in (*SCALARS, MemberDescriptorType)):
            raise CannotFold(_said(node, frame, f"`.{name}`, which is found on the class"))
        self.premises.add(kind, [name])

    def _class(self, kind: type) -> str:
        for name, each in self.classes.items():
            if each is kind:
                return name
        name = f"_class{len(self.classes)}"
        self.classes[name] = kind
        return name


def _is_interned(key: object) -> TypeGuard[str]:
    """Whether a constant is one object wherever it is written."""
    return type(key) is str and key.isascii() and key.replace("_", "a").isalnum()


def _attribute(variable: str, name: str) -> ast.expr:
    return ast.Attribute(ast.Name(variable, ast.Load()), name, ast.Load())


def _said(node: ast.AST, frame: _Frame, what: str) -> str:
    """Why a line cannot be part of a chain."""
    return said(what, getattr(node, "lineno", 0), frame.source)
