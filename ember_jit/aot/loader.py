"""Loading bundles: decorated functions take their code from one, and no compiler is imported.

    ember_jit.load("app.ember")              # in force from now on
    with ember_jit.bundle("app.ember"):      # in force for what is first called in the block
        answer(inputs=...)

Loading reads, checks and runs nothing: code is unmarshalled at the first call of the function it is for, and runs
when the program calls that function.  What does not fit is left: a bundle of another Python, a function whose
source has changed since; each is said once (EMB061), and the compiler takes over if it is installed.

Invariants: nothing here imports the compiler, numba or llvmlite (import-linter holds it to that).  A record is
used for the very code that it was made from.  What the bundle does not cover runs in order.
"""

from __future__ import annotations

import linecache
import marshal
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from ember_jit.aot import provider
from ember_jit.aot.code import at_home
from ember_jit.aot.digests import code_digest
from ember_jit.aot.effects import Effects, declared_by_label, known_key
from ember_jit.aot.manifest import (
    DEFERS,
    MACHINE,
    PLAIN,
    STRAIGHT,
    Record,
    effects_key,
    plan_from,
    shaping,
    unpack,
)
from ember_jit.config import config
from ember_jit.dependencies import users_level
from ember_jit.errors import BundleError, BundleWarning, EmberError
from ember_jit.kinds import is_a
from ember_jit.runtime import linking
from ember_jit.runtime.dispatch import Options, Unit
from ember_jit.runtime.effect import UNKNOWN, Effect
from ember_jit.runtime.journal import deferred, writes_output
from ember_jit.runtime.linking import link_programs, place, program_file
from ember_jit.runtime.originals import is_replacement, original_code, twin_of
from ember_jit.runtime.plan import UNKNOWN as UNKNOWN_VERDICT
from ember_jit.runtime.plan import Plan, Verdict, install_tables
from ember_jit.runtime.standins import stand_in
from ember_jit.runtime.statics import function_of
from ember_jit.verdicts import Verdicts, verdict_on

if TYPE_CHECKING:
    from ember_jit.aot.sites import Machinery
    from ember_jit.runtime.tried import TriedFirst

_COMPOSITE = Effect(UNKNOWN, "", operator=True)  # all that entering a stand-in asks of an effect


class Bundle:
    """A loaded bundle.

    Args:
        path: where it was, for messages.
        data: its bytes.

    Attributes:
        path: as given.
        manifest: what it holds.
        digest: seals all of it; `load(path, digest=...)` compares.
        misfit: why its code is no good in this process, or an empty string.

    Raises:
        BundleError: it is damaged, or was tampered with.
    """

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.manifest, self._entries, self.digest = unpack(data)
        self.misfit = self.manifest.maker.misfit()
        self._records: dict[tuple[str, bool], list[Record]] = {}
        for record in self.manifest.units:
            self._records.setdefault((record.code, record.form == DEFERS), []).append(record)
        self._names = {(each.module, each.name) for each in self.manifest.units}
        self._effects: dict[str, Effects] = {}
        self._twins: dict[str, CodeType] = {}
        self._pure_calls = frozenset(self.manifest.pure_calls)
        self._pure_methods = frozenset(self.manifest.pure_methods)
        self._machinery: Machinery | None = None
        self._stale: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<ember_jit bundle {self.path!r}: {len(self.manifest.units)} functions>"

    def text(self, entry: str) -> str:
        """An entry that is text: a generated program, to read."""
        return self._entries[entry].decode()

    # ------------------------------------------------------------------ what the provider asks
    def covers(self, unit: Unit) -> bool:
        """Whether it says what becomes of this function; says once if it did, and the source has changed."""
        if self.misfit or unit.options.force_trace:
            return False
        if self._record(unit) is not None:
            return True
        function = unit.function()
        name = (str(getattr(function, "__module__", "")), unit.name)
        if name in self._names and not self._is_known(unit.original):
            self._say_stale(name)
        return False

    def compile_unit(self, unit: Unit, owner: Any) -> provider.Code | None:
        """The function's code and plan, linked from the bundle, or None: it is left alone."""
        record, function = self._record(unit), unit.function()
        if record is None or function is None:
            return None
        unit.origin = self.path
        if record.form == PLAIN:
            unit.stats.left_alone = record.reason
            return None
        live: dict[str, Any] = {linking.UNIT: unit}
        if record.form == STRAIGHT:
            classes = {marker: class_at(where) for marker, where in record.classes.items()}
            if None in classes.values():
                unit.stats.left_alone = "the classes that its calls go straight to are not loaded"
                return None
            live |= {**linking.STRAIGHT, **classes}
        install_tables(self.is_pure_call, self.is_pure_method)
        original = unit.original
        code, programs, plains = marshal.loads(self._entries[record.entry])
        if record.sites:
            sites = self._sites(record, dict(plains), unit, owner)
            if record.form == MACHINE and not any(site.on for site in sites.values()):
                unit.stats.left_alone = next(site.left for site in sites.values())
                return None
            live |= sites
        plan = plan_from(record.plan, unit.name)
        plan.limit(unit.options.max_workers)
        plan.budget = unit.options.max_extra_calls
        self._answer(plan, unit.options)
        if programs:
            filename = program_file(original)
            text = self.text(record.text[0])
            linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
            codes = {name: at_home(each, filename) for name, each in programs}
            link_programs(plan, function, original, codes, record.issues)
        return place(at_home(code, original.co_filename), live), plan

    def _sites(
        self, record: Record, plains: Mapping[str, CodeType], unit: Unit, owner: Any
    ) -> dict[str, TriedFirst]:
        """The sites of a function's machine code, by the constants that stand for them."""
        from ember_jit.aot.sites import make_sites  # most bundles have none

        function = unit.function()
        assert function is not None
        here = unit.original.co_filename
        placed = {name: at_home(code, here) for name, code in plains.items()}
        machinery = self.machinery()
        alone = record.form == MACHINE
        return make_sites(record.sites, placed, machinery, unit, function, owner, alone)

    def machinery(self) -> Machinery:
        """Its machine code, as far as that fits here."""
        from ember_jit.aot.sites import Machinery

        with self._lock:
            if self._machinery is None:
                made_for = self.manifest.machine
                self._machinery = Machinery(made_for, self._entries, self._say_unfit)
            return self._machinery

    def _say_unfit(self, why: str) -> None:
        _warn(
            f"the machine code in {self.path} is of no use here: {why}. The statements run as they are written; "
            "`ember-jit compile` makes the bundle again [EMB061]"
        )

    # ------------------------------------------------------------------ what the runtime asks
    def _answer(self, plan: Plan, options: Options) -> None:
        effects = self._effects_for(options)
        plan.classify = Verdicts(
            effects.of, lambda callee, effect: self._verdict(callee, effect, options)
        )
        if options.recursive:
            plan.enter = lambda callee: self._stand_in(callee, options) or callee

    def _verdict(self, callee: Any, effect: Effect, options: Options) -> Verdict:
        if effect.declared and not self._can_wait(callee):
            return UNKNOWN_VERDICT
        return verdict_on(callee, effect, options, self.compile_unit, self._deferring)

    def _can_wait(self, callee: Any) -> bool:
        """Whether a declared call that may print can do so in its turn: only if the bundle has its twin."""
        found = function_of(callee)
        if found is None or is_replacement(found[0].__code__):
            return True
        code = original_code(found[0])
        return not writes_output(code) or (code_digest(code), True) in self._records

    def _stand_in(self, callee: Any, options: Options) -> Any:
        found = function_of(callee)
        if found is None or declared_by_label(callee) is not None:
            return None
        if (code_digest(original_code(found[0])), False) not in self._records:
            return None
        return stand_in(callee, _COMPOSITE, options, self.compile_unit)

    def _deferring(self, function: FunctionType, code: CodeType) -> FunctionType | None:
        """The twin of a function that defers its output."""
        key = code_digest(code)
        record = next(iter(self._records.get((key, True), ())), None)
        if record is None:
            return None
        made = self._twins.get(key)
        if made is None:
            stored, *_ = marshal.loads(self._entries[record.entry])
            made = self._twins[key] = place(
                at_home(stored, code.co_filename), {linking.DEFERRED: deferred}
            )
        return twin_of(function, made)

    def is_pure_call(self, function: Any) -> bool:
        """Whether the compiler's registry had `function` as pure on plain values, when the bundle was made."""
        return known_key(function) in self._pure_calls

    def is_pure_method(self, kind: type, name: str) -> bool:
        """The same for a method of a builtin class."""
        return kind.__module__ == "builtins" and f"{kind.__name__}.{name}" in self._pure_methods

    # ------------------------------------------------------------------ records
    def _record(self, unit: Unit) -> Record | None:
        wanted = shaping(unit.options)
        for record in self._records.get((code_digest(unit.original), False), ()):
            if record.options == wanted:
                return record
        return None

    def _is_known(self, code: CodeType) -> bool:
        return (code_digest(code), False) in self._records

    def _effects_for(self, options: Options) -> Effects:
        key = effects_key(options)
        with self._lock:
            found = self._effects.get(key)
            if found is None:
                data = self.manifest.effects.get(key, {})
                found = self._effects[key] = Effects(data, self.manifest.known)
        return found

    def _say_stale(self, name: tuple[str, str]) -> None:
        with self._lock:
            if name in self._stale:
                return
            self._stale.add(name)
        _warn(
            f"{name[1]} ({name[0]}) has changed since {self.path} was made: it is compiled anew, or runs plain "
            "without the compiler; `ember-jit compile` makes the bundle again [EMB061]"
        )


def load(path: str | os.PathLike[str], *, digest: str | None = None) -> Bundle:
    """Put a bundle in force for this process: functions called for the first time from now on use it.

    Args:
        path: a file that `ember-jit compile` wrote.
        digest: what `ember-jit inspect` shows as its digest, to take this very bundle and no other.

    Returns:
        The bundle.

    Raises:
        BundleError: it cannot be read, is damaged, was tampered with, or is another one.
    """
    found = read(path, digest=digest)
    if found.manifest.machine:
        found.machinery().prepare()
    provider.push(found)
    return found


@contextmanager
def bundle(path: str | os.PathLike[str], *, digest: str | None = None) -> Iterator[Bundle]:
    """As `load`, in force until the block ends, in all threads.

    What was first called in the block keeps its code; what was called before keeps what it had.

    Args:
        path, digest: as for `load`.

    Yields:
        The bundle.

    Raises:
        BundleError: as for `load`.
    """
    found = load(path, digest=digest)
    try:
        yield found
    finally:
        provider.pop(found)


def read(path: str | os.PathLike[str], *, digest: str | None = None) -> Bundle:
    """Read and check a bundle without putting it in force.

    Raises:
        BundleError: as for `load`.
    """
    shown = os.fspath(path)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as exc:
        raise BundleError(f"{shown} cannot be read: {exc.strerror or exc}") from None
    try:
        found = Bundle(shown, data)
    except BundleError as exc:
        reason = str(exc).removesuffix(f" [{exc.code}]")
        raise BundleError(f"{shown} is refused: {reason}") from None
    if digest is not None and digest != found.digest:
        raise BundleError(
            f"{shown} is refused: its digest is {found.digest}, and {digest} was asked for"
        )
    if found.misfit:
        _warn(
            f"{shown} is of no use here: {found.misfit}. Its functions are compiled when they are called, or run "
            "plain without the compiler; `ember-jit compile` makes the bundle again [EMB061]"
        )
    return found


def load_configured() -> None:
    """`EMBER_JIT_BUNDLE`: load what it names; what cannot be loaded is said, and the program goes on without."""
    for path in reversed(config().bundles):
        try:
            load(path)
        except EmberError as exc:
            _warn(f"EMBER_JIT_BUNDLE: {exc}")


def _warn(text: str) -> None:
    warnings.warn(text, BundleWarning, stacklevel=users_level())


def class_at(where: str) -> type | None:
    """The class at "module:Class", if that module is loaded."""
    module, _, path = where.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        space: Mapping[str, Any] = getattr(found, "__dict__", {})
        found = space.get(part)
    return found if is_a(found, type) else None
