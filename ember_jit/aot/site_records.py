"""What bundles say of regions and loops in machine code, written down (the compiler's side of `aot.sites`).

For the values that a function has met in this process there is code by now; it is compiled again, for this processor
and for the baseline, and goes in under the digest of its bytes.  A region that has met nothing stays plain.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

from ember_jit.aot.digests import digest
from ember_jit.aot.sites import CONSTANT, HOST, constant, signature_data
from ember_jit.compiler.codegen.numeric import marker as kernel_marker
from ember_jit.compiler.codegen.numeric import result_steps
from ember_jit.compiler.native_code import signature_for
from ember_jit.compiler.passes.numeric_python import region_code
from ember_jit.compiler.passes.numeric_types import Typed
from ember_jit.compiler.weaving import Woven
from ember_jit.ir.region import NumericRegion
from ember_jit.runtime.dispatch import Unit
from ember_jit.runtime.loops.site import LoopSite
from ember_jit.runtime.members import home_of
from ember_jit.runtime.native.processor import BASELINE
from ember_jit.runtime.native.signature import Signature
from ember_jit.runtime.numeric import Site

Note = Callable[[str], None]


@dataclass
class SiteRecords:
    """The machine code of one bundle, collected.

    Attributes:
        entries: object code, by the name of its entry.
    """

    entries: dict[str, bytes] = field(default_factory=dict)

    def has_code(self, unit: Unit | None) -> bool:
        """Whether a function has machine code by now, of this process's own making."""
        return unit is not None and any(True for _ in _live_sites(unit))

    def of(
        self, unit: Unit, made: Woven, note: Note
    ) -> tuple[list[dict[str, Any]], dict[str, CodeType]]:
        """The records of a function's sites, and the code of those regions that have machine code.

        Args:
            unit: the function's.
            made: its definition with sites, as it goes into the bundle.
            note: takes what does not go in.
        """
        if not self.has_code(unit):
            return [], {}
        try:
            importlib.import_module("llvmlite.binding")
        except Exception as exc:  # noqa: BLE001 - a broken library may raise anything when it is imported
            note(f"its machine code, which llvmlite would make ({type(exc).__name__})")
            return [], {}
        met: dict[tuple[Any, ...], list[Any]] = {}
        for place, live in _live_sites(unit):
            met.setdefault(place, []).append(live)
        records: list[dict[str, Any]] = []
        plains: dict[str, CodeType] = {}
        for site in made.numeric:
            region: NumericRegion = site.region
            record = _record(kernel_marker(region.number), region, note)
            record["fields"] = sorted(
                {
                    each.node.attr
                    for each in region.inputs
                    if each.kind == "field" and isinstance(each.node, ast.Attribute)
                }
            )
            record["kernels"] = list(self._kernels(met.get(("kernel", *_place(region)), [])))
            if record["kernels"]:
                plains[record["marker"]] = region_code(region, result_steps(region))
            records.append(record)
        for loop in made.loops.sites if made.loops else ():
            found = met.get(("loop", *_place(loop.region)), [])
            records.append(self._loop(loop, found, plains, note))
        return (records, plains) if plains else ([], {})

    def _kernels(self, met: list[Site]) -> Iterator[dict[str, Any]]:
        """The kernels of a region, which may stand in the function more than once."""
        from ember_jit.compiler import kernels
        from ember_jit.compiler.kernels.entry import make_parts
        from ember_jit.compiler.kernels.machine import baseline, host

        keys: dict[str, list[str]] = {}
        forms: dict[str, tuple[Typed, Signature, tuple[str, ...]]] = {}
        for key, kernel in sorted({k: v for site in met for k, v in site.met.items()}.items()):
            found = kernel.details.typed
            signature = signature_for(found)
            if isinstance(signature, str):
                continue
            both = f"{found.program.key()}\n{signature.key()}"
            keys.setdefault(both, []).append(key)
            forms.setdefault(both, (found, signature, kernel.seen))
        for both, (found, signature, seen) in forms.items():
            code = {}
            for name, machine in ((HOST, host()), (BASELINE, baseline())):
                if machine is not None and not kernels.supported(found.program, machine):
                    code[name] = self._put(kernels.compile_object(found.program, machine))
            parts = make_parts(found.program, signature, b"")
            yield {
                "seen": [each.partition("[")[0] for each in seen],
                "keys": keys[both],
                "signature": signature_data(signature),
                "loops": [list(each) for each in parts.loops],
                "space": list(found.space),
                "axes": [list(each) for each in found.input_axes],
                "entry": self._put(parts.entry),
                "pool": self._put(parts.pool),
                "code": code,
            }

    def _loop(
        self, site: LoopSite, met: list[LoopSite], plains: dict[str, CodeType], note: Note
    ) -> dict[str, Any]:
        from ember_jit.compiler.kernels.machine import baseline, host
        from ember_jit.compiler.loops.build import object_code
        from ember_jit.compiler.loops.weave import marker, plain_code

        record = _record(marker(site.region.number), site.region, note)
        record["fields"] = []
        record["loops"] = []
        for kinds, made in sorted({k: v for live in met for k, v in live.made.items()}.items()):
            if made.entry is None or made.details is None:
                continue
            code = {
                name: self._put(object_code(made.details.text, machine))
                for name, machine in ((HOST, host()), (BASELINE, baseline()))
                if machine is not None
            }
            numpy = any("array[" in kind or "numpy." in kind for kind in kinds)
            record["loops"].append({"kinds": list(kinds), "numpy": numpy, "code": code})
        if record["loops"]:
            plains[record["marker"]] = plain_code(site.region, "")
        return record

    def _put(self, data: bytes) -> str:
        if not data:
            return ""
        name = f"machine/{digest(data)[:32]}.o"
        self.entries[name] = data
        return name


def _live_sites(unit: Unit) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The sites of a unit that have machine code, by what their regions are."""
    artifacts = unit.artifacts
    if artifacts is None:
        return
    for site in artifacts.numeric:
        if site.met:
            yield ("kernel", *_place(site.region)), site
    for site in artifacts.loops:
        if any(made.entry is not None for made in site.made.values()):
            yield ("loop", *_place(site.region)), site


def _place(region: Any) -> tuple[Any, ...]:
    return region.lines, region.text


def _record(marker: str, region: Any, note: Note) -> dict[str, Any]:
    functions = []
    for expression, live in region.functions:
        text = ast.unparse(expression)
        if type(live) in (int, float):
            functions.append([text, CONSTANT, *constant(live)])
            continue
        home = home_of(live)
        if home is None:  # then a loader would not know it again
            note(f"the machine code of line {region.lines[0]}: {text} has no home")
            functions.append([text, "nowhere", ""])
        else:
            functions.append([text, *home])
    return {"marker": marker, "lines": list(region.lines), "functions": functions}
