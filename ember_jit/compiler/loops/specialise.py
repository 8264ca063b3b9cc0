"""From the values that enter a region to machine code for values like these: typed, written, compiled, loaded."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ember_jit.compiler.loops.regions import LoopRegion
from ember_jit.compiler.loops.types import BOOL, FLOAT, INT, NONE, NPF, NPI, STR, Type, Unfit, join
from ember_jit.compiler.native_code import WITHOUT_LLVMLITE
from ember_jit.dependencies import load
from ember_jit.runtime.loops.linking import link
from ember_jit.runtime.loops.objects import objects
from ember_jit.runtime.loops.site import LoopSite, Made
from ember_jit.runtime.native.layouts import layouts
from ember_jit.runtime.native.processor import processor
from ember_jit.runtime.native.store import package_mark, store

SAMPLED = 256
"""Items of a list that are looked at for their types."""


@dataclass(frozen=True, slots=True)
class Details:
    """What is known of the code for one kind of arguments.

    Attributes:
        text: the LLVM module as it was written.
        types: of the region's variables.
        compile_ms: what making it took.
        cached: it came from the cache on disk.
    """

    text: str
    types: dict[str, Type]
    compile_ms: float
    cached: bool

    def __str__(self) -> str:
        where = "taken from the cache" if self.cached else "made"
        return f"{where} in {self.compile_ms:.1f} ms"


def type_of(value: Any) -> Type:
    """The type that code for a value assumes.

    Raises:
        Unfit: there is no code for such values.
    """
    kind = type(value)
    if kind is int:
        if not -(1 << 63) <= value < 1 << 63:
            raise Unfit("an int of more than 64 bits")
        return INT
    known = {float: FLOAT, bool: BOOL, str: STR, type(None): NONE}.get(kind)
    if known is not None:
        return known
    if kind is list:
        element: Type | None = None
        for each in value[:SAMPLED]:
            found = type_of(each)
            element = found if element is None else join(element, found)
        return Type("list", element)
    import numpy

    if kind is numpy.float64:
        return NPF
    if kind is numpy.int64:
        return NPI
    if (
        kind is numpy.ndarray
        and value.dtype.char in "dl"
        and value.dtype is numpy.dtype(value.dtype.char)
    ):
        if not value.ndim:
            raise Unfit("an array without dimensions")
        known_layouts = layouts()
        if isinstance(known_layouts, str):
            raise Unfit(known_layouts)
        return Type("array", dtype=value.dtype.char, ndim=value.ndim)
    raise Unfit(f"a {kind.__name__}")


def compile_for(site: LoopSite, args: tuple[Any, ...], made: Made) -> Callable[[], None]:
    """The job that makes code for arguments such as `args`, and puts it into `made`."""
    region: LoopRegion = site.region
    try:
        types = [type_of(each) for each in args]
        if any(_of_numpy(each) for each in types) and not site.watch_errors():
            raise Unfit("NumPy's numbers, in an error state that is not the usual one")
    except Unfit as reason:
        why = f"it is called with {reason}"
        return lambda: _refuse(made, why)

    def job() -> None:
        from ember_jit.compiler.loops.function import Job, write  # on the thread that compiles

        began = time.perf_counter()
        known = objects()
        if isinstance(known, str):
            _refuse(made, known)
            return
        inputs = list(zip(region.inputs, types, strict=True))
        try:
            text, variables = write(Job(region.body, inputs, region.outputs, region.names), known)
        except Unfit as reason:
            _refuse(made, f"line {reason.line}: {reason}" if reason.line else str(reason))
            return
        code, cached = _code(text)
        if isinstance(code, str):
            _refuse(made, code)
            made.warn = lambda: load("llvmlite", "llvmlite.binding")
            return
        entry = link(code)
        if isinstance(entry, str):
            _refuse(made, entry)
            return
        made.details = Details(text, variables, (time.perf_counter() - began) * 1e3, cached)
        made.entry = entry

    return job


def _of_numpy(type_: Type) -> bool:
    if type_.element is not None:
        return _of_numpy(type_.element)
    return type_.kind in ("array", "npf", "npi") or bool(type_.kinds & {"npf", "npi"})


def _refuse(made: Made, why: str) -> None:
    made.why = why


def _code(text: str) -> tuple[bytes | str, bool]:
    """The object code of a module: out of the cache on disk, or compiled now; or why there is none."""
    cache = store()
    key = "\n".join(("loop", text, processor(), package_mark()))
    found = None if cache is None else cache.get(key)
    if found is not None and found.keys() == {"loop"}:
        return found["loop"], True
    try:
        importlib.import_module("llvmlite.binding")
    except Exception:  # noqa: BLE001 - a broken library may raise anything when it is imported
        return WITHOUT_LLVMLITE, False
    from ember_jit.compiler.loops.build import object_code

    code = object_code(text)
    if cache is not None:
        cache.put(key, {"loop": code}, {"kind": "loop"})
    return code, False
