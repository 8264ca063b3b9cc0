"""Abstract interpretation of code objects: the operand stack per instruction, the variables for the whole body.

    Context   one function with the functions made in it: effects, guards, what its containers hold
    Frame     one code object: its variables, its result, its walk over the instructions

The stack is flow-sensitive (one abstract stack per instruction, joined where control meets), variables
are not: a name has the join of all that is assigned to it, found by rounds until nothing changes.  Each
instruction's handler is checked against the `stack_effect` that CPython itself declares, so that a
misunderstood instruction of some version stops the analysis and is never believed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Protocol

from ember_jit.compiler.analysis.facts import PURE, UNKNOWN, Effect, Inferred, Reason, worse
from ember_jit.compiler.analysis.lookup import Lookup
from ember_jit.compiler.analysis.stack_values import UNBOUND, Mark, Values, same
from ember_jit.compiler.analysis.values import ARG, LOCAL, SCALAR, Abstract, Items

if TYPE_CHECKING:
    from ember_jit.compiler.analysis.infer import Inference

_ROUNDS = 40
_LONGEST = 20_000
_GENERATOR, _COROUTINES = (
    0x20,
    0x80 | 0x100 | 0x200,
)  # CO_GENERATOR; CO_COROUTINE, CO_ITERABLE_COROUTINE, CO_ASYNC_GENERATOR
_VARARGS, _VARKEYWORDS = 0x04, 0x08


class Instr(Protocol):
    """What is used of `bytecode.Instr`, whose `arg` may be anything."""

    @property
    def name(self) -> str: ...
    @property
    def arg(self) -> Any: ...
    @property
    def lineno(self) -> Any: ...
    def stack_effect(self, jump: bool | None = None) -> int: ...
    def has_jump(self) -> bool: ...
    def is_final(self) -> bool: ...
    def is_uncond_jump(self) -> bool: ...


Stack = list[Abstract]
Handler = Callable[["Frame", Instr, Stack], None]


class NotFollowed(Exception):
    """The analysis ends here: what follows cannot be told."""


class Context:
    """The analysis of one function, the functions made in it included.

    Attributes:
        inference: asked about everything that is called.
        operations: the handler of each instruction.
        values: what is known of values; with `values.lookup`, of names.
        effects: what the function does that others can see, with lines.
        kind: the joined effect of its calls. `blocking`, `operator` and `prints` as in `Effect`.
        defers: whether printing may wait, and so is no effect here.
        memo: results of other functions, shared with their contexts.
    """

    def __init__(
        self,
        inference: Inference,
        operations: Mapping[str, Handler],
        function: FunctionType,
        code: CodeType,
        owner: Abstract | None,
        *,
        defers: bool = False,
    ) -> None:
        self.defers = defers
        self.inference = inference
        self.operations = operations
        self.values = Values(Lookup(function, guard_atoms=True))
        self.lookup = self.values.lookup
        self.owner = owner
        self.filename = code.co_filename
        self.memo: dict[tuple[int, int], Abstract] = {}
        self.effects: list[Reason] = []
        self.kind = PURE
        self.blocking = False
        self.operator = False
        self.prints = False
        self._trusted: dict[int, Inferred] = {}
        self.frame = Frame(self, code, None)
        names = parameters(code)
        for index, name in enumerate(names):
            self.frame.variables[name] = (
                owner if index == 0 and owner is not None and code.co_argcount else ARG
            )
        if (
            owner is not None and not code.co_argcount
        ):  # `def forward(*args)`: the object is among them
            self.frame.variables.update(dict.fromkeys(names, LOCAL))
        defaults = function.__defaults__ or ()
        given = zip(
            names[code.co_argcount - len(defaults) : code.co_argcount], defaults, strict=False
        )
        for name, value in (*given, *(function.__kwdefaults__ or {}).items()):
            if not self.values.plain_object(value) and self.frame.variables.get(name) is ARG:
                self.frame.variables[name] = LOCAL

    def run(self) -> None:
        """Find the effects and the result."""
        for _ in range(_ROUNDS):
            self.values.changed = False
            self.effects.clear()
            self.kind, self.blocking, self.operator, self.prints = PURE, False, False, False
            try:
                self.frame.interpret()
            except NotFollowed:
                return
            if not self.values.changed:
                return
        self.effect(self.frame.code.co_firstlineno, "is too involved to follow")

    def of(self, function: FunctionType, code: CodeType, owner: Abstract | None) -> Context:
        """The analysis of another function, for its result; what it learns of results is shared."""
        inner = Context(self.inference, self.operations, function, code, owner)
        inner.memo = self.memo
        inner.run()
        self.lookup.guards.extend(inner.lookup.guards)
        return inner

    def close(self) -> None:
        """Let go of the user's objects at once: a frame and its context refer to each other."""
        frames = [self.frame]
        while frames:
            frame = frames.pop()
            frames.extend(frame.nested.values())
            frame.nested.clear()
            frame.variables.clear()
            del frame.context, frame.values

    @property
    def result(self) -> Abstract:
        """What the function returns; nothing is known of it where the function has effects."""
        found = self.frame.returned
        return found if not self.effects and found is not None else LOCAL

    def trust(self, found: Inferred) -> Effect:
        """The effect of something called, whose guards become ours."""
        if id(found) not in self._trusted:
            self._trusted[id(found)] = found
            self.lookup.guards.extend(found.guards)
        return found.effect

    def effect(self, line: int, text: str, fix: str = "") -> None:
        """Record an effect."""
        reason = Reason(self.filename, line, text, fix)
        if reason not in self.effects:
            self.effects.append(reason)

    def stop(self, line: int, text: str, fix: str = "") -> NotFollowed:
        """Record why the rest is not followed; the caller raises the result."""
        self.effect(line, text, fix)
        return NotFollowed(text)

    def does(self, effect: Effect, line: int, what: str) -> None:
        """The function does what `effect` does."""
        if effect.kind == UNKNOWN:
            detail = str(effect.reasons[0]) if effect.reasons else effect.evidence
            self.effect(
                line,
                f"{what} has an effect: {detail}",
                "" if effect.declared else "label it `@query` or `@pure` if that is what it is",
            )
        elif effect.prints:
            self.effect(line, f"{what} prints or logs")
        self.kind = worse(self.kind, effect.kind)
        self.blocking |= effect.blocking
        self.operator |= effect.operator


class Frame:
    """One code object.

    Attributes:
        variables: locals and own cells by name.
        returned: the join of what it returns; for a generator expression, of what it yields.
        keywords: the names that `KW_NAMES` left for the next call (3.11, 3.12).
    """

    def __init__(self, context: Context, code: CodeType, parent: Frame | None) -> None:
        self.context = context
        self.values = context.values
        self.code = code
        self.parent = parent
        self.variables: dict[str, Abstract] = {}
        self.returned: Abstract | None = None
        self.keywords: tuple[str, ...] = ()
        self.line = code.co_firstlineno
        self.is_generator = bool(code.co_flags & _GENERATOR)
        self.is_comprehension = parent is not None and code.co_varnames[:1] == (".0",)
        self.nested: dict[CodeType, Frame] = {}
        self._program: list[Any] | None = None

    # ------------------------------------------------------------------ what handlers ask for
    def effect(self, text: str, fix: str = "") -> None:
        """Record an effect of the current instruction."""
        self.context.effect(self.line, text, fix)

    def stop(self, text: str, fix: str = "") -> NotFollowed:
        """As `Context.stop`, at the current instruction."""
        return self.context.stop(self.line, text, fix)

    def load(self, name: str) -> Abstract:
        """A local variable or own cell; if nothing was assigned yet, the next round knows more."""
        return self.variables.get(name, UNBOUND)

    def store(self, name: str, value: Abstract) -> None:
        """Assign a local variable or own cell."""
        if isinstance(value, Mark) and value != UNBOUND:
            raise self.stop(f"`{name}` is bound to something that is not followed")
        old = self.variables.get(name)
        joined = self.values.join(old, value)
        if old is None or not same(old, joined):
            self.variables[name] = joined
            self.values.changed = True

    def free(self, name: str) -> Abstract:
        """A free variable: a cell of the enclosing function made here, or one of the live closure."""
        outer = self.parent
        while outer is not None:
            if name in outer.code.co_cellvars:
                return outer.load(name)
            outer = outer.parent
        return self.context.lookup.cell(name) if name in self.context.lookup.free else LOCAL

    def leave(self, value: Abstract) -> None:
        """The value is returned or yielded."""
        joined = self.values.join(self.returned, self.values.stored(value))
        if self.returned is None or not same(joined, self.returned):
            self.returned = joined
            self.values.changed = True

    def make(self, code: CodeType, defaults: Abstract | None) -> Frame:
        """The frame of a function made here; its parameters are plain, unless a default is not."""
        frame = self.nested.get(code)
        if frame is None:
            frame = self.nested[code] = Frame(self.context, code, self)
        if frame.is_comprehension:
            return frame  # it is walked where it is called
        for name in parameters(code):
            frame.store(name, ARG)
            if defaults is not None:
                frame.store(name, defaults)
        frame.interpret()
        return frame

    def comprehend(self, code: CodeType, iterator: Abstract) -> Abstract:
        """What a comprehension, made as a function of its own, gives for an iterator."""
        frame = self.make(code, None)
        frame.store(".0", iterator)
        frame.interpret()
        found = UNBOUND if frame.returned is None else frame.returned
        return Items(found) if frame.is_generator else found

    # ------------------------------------------------------------------ the walk
    def interpret(self) -> None:
        """Walk over all instructions that can be reached, until no stack changes."""
        from bytecode import Instr as Instruction

        if self.code.co_flags & _COROUTINES or (self.is_generator and not self.is_comprehension):
            raise self.stop("is a generator or coroutine: its body runs when it is resumed")
        program = self._read()
        targets = {
            item: index for index, item in enumerate(program) if not isinstance(item, Instruction)
        }
        regions = list(_regions(program))
        stacks: dict[int, list[Abstract]] = {0: []}
        work = [0]
        while work:
            index = work.pop()
            while index < len(program) and not isinstance(program[index], Instruction):
                stacks[index + 1] = self._meet(stacks.get(index + 1), stacks[index])
                index += 1
            if index >= len(program):
                raise self.stop("runs off the end of its bytecode")
            instr, before = program[index], stacks[index]
            self.line = instr.lineno if isinstance(instr.lineno, int) else self.line
            handler = self.context.operations.get(instr.name)
            if handler is None:
                raise self.stop(f"uses the instruction {instr.name}, which is not followed")
            region = regions[index]
            if region is not None:
                self._reach(targets[region.target], self._caught(region, before), stacks, work)
            stack = list(before)
            try:
                handler(self, instr, stack)
            except IndexError:
                raise self.stop(f"takes too much off the stack ({instr.name})") from None
            if instr.has_jump():
                jumped = self._jumped(instr, before, stack)
                self._reach(targets[instr.arg], jumped, stacks, work)
            if not instr.is_final() and not instr.is_uncond_jump():
                self._check(instr, before, stack, jump=False)
                self._reach(index + 1, stack, stacks, work)

    def _read(self) -> list[Any]:
        if self._program is None:
            from bytecode import Bytecode

            try:
                program: list[Any] = Bytecode.from_code(
                    self.code, conserve_exception_block_stackdepth=True
                )
            except (
                ValueError,
                TypeError,
                NotImplementedError,
                KeyError,
                IndexError,
                AttributeError,
            ) as exc:
                raise self.stop(f"has bytecode that cannot be read ({exc})") from exc
            if len(program) > _LONGEST:
                raise self.stop("is too long to follow")
            self._program = list(program)
        return self._program

    def _reach(
        self, index: int, stack: list[Abstract], stacks: dict[int, list[Abstract]], work: list[int]
    ) -> None:
        old = stacks.get(index)
        joined = self._meet(old, stack)
        if old is None or any(not same(a, b) for a, b in zip(old, joined, strict=True)):
            stacks[index] = joined
            work.append(index)

    def _meet(self, old: list[Abstract] | None, new: list[Abstract]) -> list[Abstract]:
        if old is None:
            return list(new)
        if len(old) != len(new):
            raise self.stop("has a stack of two heights where control meets")
        return [self.values.join(a, b) for a, b in zip(old, new, strict=True)]

    def _caught(self, region: Any, stack: list[Abstract]) -> list[Abstract]:
        """The stack of an exception handler."""
        depth = region.stack_depth
        if type(depth) is not int or depth > len(stack):
            raise self.stop("has an exception handler with an impossible stack")
        return [*stack[:depth], *([SCALAR] if region.push_lasti else []), LOCAL]

    def _jumped(
        self, instr: Instr, before: list[Abstract], after: list[Abstract]
    ) -> list[Abstract]:
        """The stack at the target of a jump: `after`, but for the few that leave something else there."""
        stack = list(after)
        if instr.name == "FOR_ITER":
            # 3.11 takes the exhausted iterator off; later versions leave it, and something for END_FOR
            stack = list(before[:-1]) if instr.stack_effect(jump=True) < 0 else [*before, UNBOUND]
        elif instr.name in ("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP"):
            stack = list(before)
        self._check(instr, before, stack, jump=True)
        return stack

    def _check(
        self, instr: Instr, before: list[Abstract], after: list[Abstract], *, jump: bool
    ) -> None:
        declared = instr.stack_effect(jump=jump)
        if instr.name == "RETURN_GENERATOR":
            declared = 1  # what is sent in when the generator starts; before 3.13 it was left out
        elif sys.version_info < (3, 12) and instr.name in ("PRECALL", "CALL"):
            # 3.11 books the arguments on PRECALL, which leaves the stack as it is
            declared = 0 if instr.name == "PRECALL" else declared - instr.arg
        if len(after) - len(before) != declared:
            raise self.stop(f"uses {instr.name} with a stack effect that is not understood")


def take(stack: Stack, count: int) -> Stack:
    """Take `count` values off the stack, the topmost last."""
    if count > len(stack):
        raise IndexError
    taken = stack[len(stack) - count :]
    del stack[len(stack) - count :]
    return taken


def parameters(code: CodeType) -> tuple[str, ...]:
    """The names of all parameters."""
    count = code.co_argcount + code.co_kwonlyargcount
    count += bool(code.co_flags & _VARARGS) + bool(code.co_flags & _VARKEYWORDS)
    return code.co_varnames[:count]


def _regions(program: list[Any]) -> Iterator[Any]:
    """For each instruction, the exception table's entry that covers it."""
    from bytecode.instr import TryBegin, TryEnd

    active = None
    for item in program:
        if isinstance(item, TryBegin):
            active = item
        elif isinstance(item, TryEnd):
            active = None
        yield active
