"""Building bundles: compile operators and write down what came out (the compiler's side of `aot.loader`).

    compile(Answer(), "app.ember")      reads the source of Answer and of all it leads to; runs none of it

From each operator the calls that the analysis knows are followed, and the objects that it holds, so that one
operator brings in all that it is made of.  For every callable that may start early its fingerprint goes in, with
the effect that was inferred; what cannot be told again elsewhere (`NotPortable`) is left out, and noted.
"""

from __future__ import annotations

import ast
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from ember_jit.aot.callees import live_callables, name_of, reason_to_refuse, resolved
from ember_jit.aot.code import dumped
from ember_jit.aot.digests import code_digest
from ember_jit.aot.effects import declared_by_label, effect_data, known_key
from ember_jit.aot.fingerprint import Fingerprints, NotPortable
from ember_jit.aot.loader import Bundle, class_at, read
from ember_jit.aot.manifest import (
    DEFERS,
    MACHINE,
    OVERLAPS,
    PLAIN,
    STRAIGHT,
    Maker,
    Manifest,
    Record,
    effects_key,
    pack,
    plan_data,
    shaping,
)
from ember_jit.aot.meeting import NO_INPUTS, meet, operator_of
from ember_jit.aot.reach import decorated_within
from ember_jit.aot.site_records import SiteRecords
from ember_jit.aot.sites import made_here
from ember_jit.compiler import answers, driver
from ember_jit.compiler.analysis import registry
from ember_jit.compiler.building import Artifacts, Built, build
from ember_jit.compiler.codegen.link import (
    compile_in_place,
    compile_issue_programs,
    program_text,
)
from ember_jit.compiler.deferral import deferring_code
from ember_jit.compiler.source import source_of
from ember_jit.compiler.weaving import woven
from ember_jit.errors import BundleError
from ember_jit.report.dump import kernels_text, retire_text, straight_text
from ember_jit.runtime.dispatch import Options, Unit, unit_of
from ember_jit.runtime.effect import Effect
from ember_jit.runtime.journal import writes_output
from ember_jit.runtime.originals import original_code
from ember_jit.runtime.plan import Plan
from ember_jit.runtime.statics import function_of
from ember_jit.runtime.triage import reason_to_leave

_BUILTIN = (str, bytes, int, float, complex, bool, list, tuple, dict, set, frozenset, range)
_Work = tuple[FunctionType, Any, Options, bool]


def compile(  # noqa: A001 - `ember_jit.compile`, as in `re.compile`
    target: Any, path: str | os.PathLike[str], *, inputs: Any = NO_INPUTS
) -> Bundle:
    """Compile operators ahead of time into a bundle.

    Machine code of numeric regions and loops goes in for the kinds of values that they have met in this process.

    Args:
        target: a decorated operator, class or function, or a list of these.  A class is constructed without
            arguments; give an operator where it needs some.
        path: the file to write, by custom `NAME.ember`.  It is replaced in one step, or not at all.
        inputs: run each target once with these, so that its regions and loops meet values: the value of `inputs`
            of an operator; of a function without such a parameter its first argument, or a tuple of all.
            By default nothing runs.

    Returns:
        The bundle, which is not in force (`load` puts it there).

    Raises:
        NotAnOperatorError: a target is none.
        ConstructionError: a class could not be constructed without arguments.
        BundleError: nothing in the targets is decorated, or the file cannot be written.
    """
    targets = target if isinstance(target, list | tuple) else [target]
    maker = Builder()
    for each in targets:
        op = operator_of(each)
        if inputs is not NO_INPUTS:
            meet(op, inputs)
        maker.add(op)
    return maker.write(path)


class Builder:
    """Collects what goes into one bundle."""

    def __init__(self) -> None:
        self._units: dict[tuple[str, str, bool], tuple[Record, bytes, dict[str, str]]] = {}
        self._effects: dict[str, dict[str, dict[str, Any]]] = {}
        self._known: set[str] = set()
        self._pure_calls: set[str] = set()
        self._pure_methods: set[str] = set()
        self._notes: set[str] = set()
        self._seen: set[tuple[Any, ...]] = set()
        self._keep: list[Any] = []  # what `_seen` names by its identity
        self._machine = SiteRecords()
        self._fingerprints = Fingerprints(self._is_known, reason_to_refuse)

    def add(self, op: Any) -> None:
        """Compile an operator or a function, and all that it leads to."""
        for function, owner in decorated_within(op):
            unit = unit_of(function)
            assert unit is not None
            self.add_function(function, owner, unit.options)

    def add_function(self, function: FunctionType, owner: Any, options: Options) -> None:
        """Compile a decorated function, called on `owner`, and what it calls."""
        work: list[_Work] = [(function, owner, options, False)]
        while work:
            each = work.pop()
            key = (id(each[0]), id(each[1]), *each[2:])
            if key not in self._seen:
                self._seen.add(key)
                self._keep.append(each)
                work += self._function(*each)

    def packed(self) -> bytes:
        """The bundle, in bytes; the same for the same source.

        Raises:
            BundleError: nothing went in.
        """
        if not self._units:
            raise BundleError(f"nothing to compile: {self._why_nothing()}")
        entries: dict[str, bytes] = {}
        records = []
        order = sorted(self._units.items(), key=lambda each: (each[1][0].module, *_order(each)))
        for number, (_, (record, code, texts)) in enumerate(order, start=1):
            plain = "".join(c if c.isalnum() and c.isascii() else "." for c in record.name)
            title = f"units/{number:04}-{plain.strip('.').replace('..', '.')[:80]}"
            if code:
                record.entry = f"{title}.code"
                entries[record.entry] = code
            for ending, text in texts.items():
                record.text.append(f"{title}.{ending}.py")
                entries[record.text[-1]] = text.encode("utf-8", "backslashreplace")
            records.append(record)
        entries |= self._machine.entries
        manifest = Manifest(
            Maker.here(),
            records,
            self._effects,
            sorted(self._known),
            sorted(self._pure_calls),
            sorted(self._pure_methods),
            sorted(self._notes),
            made_here() if self._machine.entries else {},
        )
        return pack(manifest, entries)

    def write(self, path: str | os.PathLike[str]) -> Bundle:
        """Write the bundle, in one step."""
        data = self.packed()
        where = Path(path)
        try:
            with tempfile.NamedTemporaryFile(dir=where.parent, delete=False) as file:
                file.write(data)
            os.chmod(file.name, 0o644)
            os.replace(file.name, where)
        except OSError as exc:
            raise BundleError(f"{where} cannot be written: {exc.strerror or exc}") from None
        return read(where)

    def _why_nothing(self) -> str:
        functions = {
            each[0]: reason_to_leave(original_code(each[0]), single=True) for each in self._keep
        }
        left = [
            f"{function.__qualname__} runs as it is written, for {reason}"
            for function, reason in functions.items()
            if reason
        ]
        said = "; ".join([*left, *sorted(self._notes)])
        return (
            said or "no operator is decorated; decorate its class with `@structural_jit` or `@jit`"
        )

    # ------------------------------------------------------------------ functions
    def _function(
        self, function: FunctionType, owner: Any, options: Options, undecorated: bool
    ) -> Iterable[_Work]:
        original = original_code(function)
        unit = None if undecorated else unit_of(function)
        if reason_to_leave(original, single=True) and not self._machine.has_code(unit):
            return ()
        artifacts = Artifacts()
        bound = undecorated and owner is not None
        if options.force_trace:
            self._note(function, "it is traced, which only the compiler does")
            return ()
        built = build(function, original, options, owner, artifacts, bound=bound)
        if isinstance(built, str):
            if not undecorated:
                self._alone(function, owner, options, built)
            return ()
        node, sites, plains = self._with_sites(unit, function, owner, built.node)
        code = compile_in_place(original, built.source, node)
        if code is None:
            if not undecorated:
                self._plain(function, options, driver.UNFIT)
            return ()
        if artifacts.retire is not None:
            artifacts.retire = node
        elif artifacts.straight is not None:
            artifacts.straight.node = node
        self._built(function, options, built, artifacts, code, undecorated, sites, plains)
        return self._callees(built, options)

    def _plain(self, function: FunctionType, options: Options, reason: str) -> None:
        """Nothing becomes of a function, and why."""
        self._put(function, options, Record(*_place(function), {}, PLAIN, reason), b"", {})

    def _alone(self, function: FunctionType, owner: Any, options: Options, reason: str) -> None:
        """What becomes of a function that is left alone for `reason`, unless it has machine code."""
        unit, original = unit_of(function), original_code(function)
        if unit is not None and self._machine.has_code(unit):
            source = source_of(function, original)
            node, sites, plains = self._with_sites(unit, function, owner, source.node)
            code = compile_in_place(original, source, node) if sites else None
            if code is not None:
                plan = plan_data(Plan(function.__qualname__))
                record = Record(*_place(function), {}, MACHINE, plan=plan, sites=sites)
                texts = {"kernels": kernels_text(node, None)}
                self._put(function, options, record, dumped(code, {}, plains), texts)
                return
        if not reason_to_leave(original, single=True):
            self._plain(function, options, reason)

    def _with_sites(
        self, unit: Unit | None, function: FunctionType, owner: Any, node: ast.FunctionDef
    ) -> tuple[ast.FunctionDef, list[dict[str, Any]], dict[str, CodeType]]:
        """The definition with machine code in front of what has some; the sites' records, and their code in Python."""
        if unit is None or not self._machine.has_code(unit):
            return node, [], {}
        receiver = driver.receiver_of(unit, function, owner)
        made = woven(unit, function, node, receiver)
        sites, plains = self._machine.of(unit, made, lambda text: self._note(function, text))
        return (made.node if sites else node), sites, plains

    def _built(
        self,
        function: FunctionType,
        options: Options,
        built: Built,
        artifacts: Artifacts,
        code: CodeType,
        undecorated: bool,
        sites: list[dict[str, Any]],
        plains: dict[str, CodeType],
    ) -> None:
        original = original_code(function)
        form = OVERLAPS if artifacts.retire is not None else STRAIGHT
        classes = {}
        if artifacts.straight is not None:
            classes = {
                mark: f"{cls.__module__}:{cls.__qualname__}"
                for mark, cls in artifacts.straight.classes.items()
            }
            live = artifacts.straight.classes
            if any(class_at(where) is not live[mark] for mark, where in classes.items()):
                reason = "its operators are of classes that no module holds by their name"
                if not undecorated:
                    self._plain(function, options, reason)
                return
        programs: dict[str, CodeType] = {}
        texts: dict[str, str] = {}
        if artifacts.issues:
            texts["issue"] = program_text(artifacts.issues)
            programs = compile_issue_programs(texts["issue"], "", original)
            self._tables(texts["issue"], function)
        file = f"{Path(original.co_filename).name}:{original.co_firstlineno}"
        title = f"{function.__qualname__} ({file})"
        if artifacts.retire is not None:
            texts["retire"] = retire_text(title, artifacts.retire, built.source)
        elif artifacts.straight is not None:
            texts["straight"] = straight_text(title, artifacts.straight, built.source)
        record = Record(
            *_place(function),
            {},
            form,
            issues=[issue.name for issue in artifacts.issues],
            plan=plan_data(built.plan),
            classes=classes,
            undecorated=undecorated,
            sites=sites,
        )
        self._put(function, options, record, dumped(code, programs, plains), texts)

    def _put(
        self,
        function: FunctionType,
        options: Options,
        record: Record,
        code: bytes,
        texts: dict[str, str],
    ) -> None:
        if record.form != DEFERS:
            record.options.update(shaping(options))
        key = (record.code, str(sorted(record.options.items(), key=str)), record.form == DEFERS)
        held = self._units.get(key)
        if (
            held is None
            or held[0].undecorated > record.undecorated
            or (held[1] != code and _rank(record) < _rank(held[0]))
        ):
            self._units[key] = (record, code, texts)
        if held is not None and held[1] != code:
            self._note(
                function, "it came out differently for two operators; one of the two went in"
            )

    # ------------------------------------------------------------------ what it calls
    def _callees(self, built: Built, options: Options) -> Iterator[_Work]:
        inference = answers.inference_for(options)
        for fact in built.facts.calls.values():
            for callee in live_callables(fact.callee):
                self._keep.append(callee)
                effect = inference.effect(callee)
                self._effect(callee, effect, options)
                yield from self._beneath(callee, effect, options)

    def _effect(self, callee: Any, effect: Effect, options: Options) -> None:
        """Write down what calling `callee` may do, if it may start early."""
        if not effect.schedulable and effect.label is None:
            return
        if declared_by_label(callee) is not None:
            return
        try:
            fingerprint, _ = self._fingerprints.of(callee)
        except NotPortable as exc:
            self._notes.add(
                f"{name_of(callee)} runs in order: {exc}. Declare its effect (`@query`) to have it overlap from a bundle"
            )
            return
        self._effects.setdefault(effects_key(options), {})[fingerprint] = effect_data(effect)

    def _beneath(self, callee: Any, effect: Effect, options: Options) -> Iterator[_Work]:
        """The functions that calling `callee` leads to, where they are compiled too."""
        found = function_of(callee)
        if found is None:
            return
        function, owner = found
        unit = unit_of(function)
        if unit is not None:
            yield function, owner, unit.options, False
            return
        code = original_code(function)
        if effect.prints or (effect.declared and writes_output(code)):
            made = deferring_code(function, code)
            if made is not None:
                self._put(
                    function, options, Record(*_place(function), {}, DEFERS), dumped(made, {}), {}
                )
        elif options.recursive and effect.operator and not effect.declared:
            yield function, owner, options, True

    def _is_known(self, obj: Any) -> bool:
        if registry.lookup(obj) is None:
            return False
        self._known.add(known_key(obj))
        return True

    def _tables(self, text: str, function: FunctionType) -> None:
        """Write down what the guarded operations of issue programs will ask of the registry."""
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if ast.unparse(node.func) == "_e.call" and node.args:
                found = resolved(node.args[0], function)
                if found is not None and answers.is_pure_call(found):
                    self._pure_calls.add(known_key(found))
            elif ast.unparse(node.func) == "_e.method" and len(node.args) > 1:
                name = node.args[1]
                if isinstance(name, ast.Constant) and type(name.value) is str:
                    self._pure_methods |= {
                        f"{kind.__name__}.{name.value}"
                        for kind in _BUILTIN
                        if answers.is_pure_method(kind, name.value)
                    }

    def _note(self, function: FunctionType, text: str) -> None:
        self._notes.add(f"{function.__qualname__}: {text}")


def _place(function: FunctionType) -> tuple[str, str, str]:
    return function.__qualname__, str(function.__module__), code_digest(original_code(function))


def _order(each: tuple[Any, tuple[Record, bytes, dict[str, str]]]) -> tuple[str, ...]:
    record = each[1][0]
    return record.name, record.code, record.form, str(sorted(record.options.items(), key=str))


def _rank(record: Record) -> tuple[int, int, str]:
    """Which of two outcomes for one function goes in: the one that overlaps more; else either, but always the same."""
    forms = (OVERLAPS, STRAIGHT, MACHINE, PLAIN, DEFERS)
    return forms.index(record.form), -len(record.plan.get("sites", ())), str(record.plan)
