"""The manifest of a bundle: what it holds, for whom it was made, and the digest of every entry.

    manifest.json       this, as JSON
    manifest.digest     the digest of manifest.json
    machine/...         object code of numeric regions and loops
    units/...           code (`marshal`, for the Python named here), and the same as text to read

`unpack` takes a bundle apart and hands out nothing that the digests do not cover.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.util import MAGIC_NUMBER
from typing import Any

from ember_jit.aot import archive
from ember_jit.aot.digests import digest
from ember_jit.errors import BundleError
from ember_jit.runtime.dispatch import Options
from ember_jit.runtime.plan import Plan

FORMAT = 2
"""Raised whenever a bundle of before could mean something else: its form, or what generated programs call."""
MANIFEST, SEAL = "manifest.json", "manifest.digest"
OVERLAPS, STRAIGHT, PLAIN, DEFERS = "overlaps", "straight", "plain", "defers output"
MACHINE = "machine code"
MADE_FOR = ("processor", "processor_name", "baseline", "numpy", "abi")
"""What machine code is made for: the processor's digest and name, the other processors, NumPy, how objects lie."""
_SHAPING = ("parallel_threshold", "effects", "assume", "max_extra_calls", "recursive", "numerics")


@dataclass(eq=False)
class Maker:
    """What a bundle was made with, which is what its code is good for.

    Attributes:
        ember_jit: the version of ember_jit.
        python: the version of Python, for people.
        magic: the number of its bytecode, in hexadecimal.
        optimize: the level of `python -O`, which leaves statements out.
    """

    ember_jit: str
    python: str
    magic: str
    optimize: int

    @classmethod
    def here(cls) -> Maker:
        """This process."""
        from ember_jit import __version__

        python = ".".join(map(str, sys.version_info[:3]))
        return cls(__version__, python, MAGIC_NUMBER.hex(), sys.flags.optimize)

    def misfit(self) -> str:
        """Why the code is no good here, or an empty string."""
        here = Maker.here()
        if self.ember_jit != here.ember_jit:
            return f"it was made by ember_jit {self.ember_jit}, and this is {here.ember_jit}"
        if self.magic != here.magic:
            return f"it was made for Python {self.python}, and this is {here.python}"
        if self.optimize != here.optimize:
            return f"it was made for `python {'-O' * bool(self.optimize)}`, and this is level {here.optimize}"
        return ""


@dataclass(eq=False)
class Record:
    """One function in a bundle.

    Attributes:
        name: its qualified name.
        module: the module it stands in.
        code: the digest of its code: the record is good for this code and no other.
        options: the options that shape generated code, see `shaping`.
        form: what becomes of it: one of `OVERLAPS`, `STRAIGHT`, `PLAIN`, `DEFERS`, or `MACHINE`: its own code, with
            machine code in front of regions or loops.
        reason: why it is left alone (`PLAIN`).
        entry: the entry with its code, or empty.
        text: the entries that show the same as text.
        issues: the names of its issue programs.
        plan: the rest of its plan (`plan_data`).
        classes: "module:Class" by the constant that stands for the class (`STRAIGHT`).
        undecorated: it is a stand-in: a decorated function leads to it.
        sites: its regions and loops with machine code (`aot.sites`).
    """

    name: str
    module: str
    code: str
    options: dict[str, Any]
    form: str
    reason: str = ""
    entry: str = ""
    text: list[str] = field(default_factory=list)
    issues: list[str] = field(default_factory=list)
    plan: dict[str, Any] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    undecorated: bool = False
    sites: list[dict[str, Any]] = field(default_factory=list)


@dataclass(eq=False)
class Manifest:
    """What a bundle holds.

    Attributes:
        maker: what it was made with.
        units: its functions.
        effects: by `effects_key`, the effect for each fingerprint (`aot.effects`).
        known: the callables whose code was not followed, by `effects.known_key`.
        pure_calls: those that are pure on plain values.
        pure_methods: "class method" for methods that are.
        notes: what did not go in, and why.
        machine: what its machine code was made for (`aot.sites.made_here`); empty if there is none.
        entries: digests of the entries, by name.
    """

    maker: Maker
    units: list[Record] = field(default_factory=list)
    effects: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    pure_calls: list[str] = field(default_factory=list)
    pure_methods: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    machine: dict[str, str] = field(default_factory=dict)
    entries: dict[str, str] = field(default_factory=dict)


def pack(manifest: Manifest, entries: Mapping[str, bytes]) -> bytes:
    """The bundle with these entries, in bytes."""
    data = asdict(manifest) | {
        "format": FORMAT,
        "entries": {name: digest(entries[name]) for name in sorted(entries)},
    }
    text = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=True).encode()
    return archive.encode({**entries, MANIFEST: text, SEAL: digest(text).encode()})


def unpack(data: bytes) -> tuple[Manifest, dict[str, bytes], str]:
    """The manifest and the entries of a bundle, and the digest that seals both.

    Raises:
        BundleError: it is no bundle, is damaged, or holds something that its manifest does not cover.
    """
    entries = archive.decode(data)
    text, seal = entries.pop(MANIFEST, None), entries.pop(SEAL, None)
    if text is None or seal is None:
        raise BundleError(f"it is not a bundle: it holds no {MANIFEST if text is None else SEAL}")
    found = digest(text)
    if seal.decode("ascii", "replace") != found:
        raise BundleError(f"{MANIFEST} is not what {SEAL} says: it was changed")
    try:
        raw = json.loads(text)
        version, listed = raw.pop("format"), dict(raw["entries"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BundleError(f"{MANIFEST} is not the manifest of a bundle") from None
    if version != FORMAT:
        raise BundleError(
            f"it has format {version!r}, and this ember_jit reads format {FORMAT}; make it again with `ember-jit compile`"
        )
    for name in listed.keys() | entries.keys():
        if name not in entries:
            raise BundleError(f"{name} is missing")
        if name not in listed:
            raise BundleError(f"{name} is not in its manifest")
        if digest(entries[name]) != listed[name]:
            raise BundleError(f"{name} is not what the manifest says: it was changed")
    return _manifest(raw), entries, found


def _manifest(raw: dict[str, Any]) -> Manifest:
    try:
        maker = Maker(**raw.pop("maker"))
        units = [Record(**each) for each in raw.pop("units")]
        made = Manifest(maker, units, **raw)
    except (TypeError, KeyError, AttributeError):
        raise BundleError(f"{MANIFEST} is not the manifest of a bundle") from None
    kinds = {"effects": dict, "entries": dict, "machine": dict}
    good = all(
        isinstance(getattr(made, each.name), kinds.get(each.name, list))
        for each in fields(Manifest)
        if each.name != "maker"
    )
    made_for = tuple(made.machine.get(key) for key in MADE_FOR) if good and made.machine else ()
    strings = (maker.ember_jit, maker.python, maker.magic, *made_for, *(u.code for u in units))
    if not good or not all(isinstance(each, str) for each in strings):
        raise BundleError(f"{MANIFEST} is not the manifest of a bundle")
    return made


def shaping(options: Options) -> dict[str, Any]:
    """The options that decide what code is generated."""
    return {name: getattr(options, name) for name in _SHAPING}


def effects_key(options: Options) -> str:
    """The options that decide what effects are inferred."""
    return f"effects={options.effects} assume={options.assume}"


def plan_data(plan: Plan) -> dict[str, Any]:
    """A plan as JSON: its numbers and names."""
    return {
        "loops": plan.loop_count,
        "in_turn": sorted(plan.in_turn),
        "trusted": sorted(plan.trusted),
        "labelled": sorted(plan.labelled),
        "sites": [
            [
                number,
                plan.site_slice[number],
                list(plan.site_loops[number]),
                plan.site_lines[number],
                plan.site_names[number],
                list(plan.groups.get(number, ())),
            ]
            for number in sorted(plan.site_slice)
        ],
    }


def plan_from(data: Mapping[str, Any], name: str) -> Plan:
    """The plan of `plan_data`; without functions, and without answers to the runtime's questions."""
    plan = Plan(name)
    plan.loop_count = data["loops"]
    plan.in_turn = frozenset(data["in_turn"])
    plan.trusted = frozenset(data["trusted"])
    plan.labelled = frozenset(data["labelled"])
    for number, part, loops, line, text, inner in data["sites"]:
        plan.site_slice[number] = part
        plan.site_loops[number] = tuple(loops)
        plan.site_lines[number] = line
        plan.site_names[number] = text
        if inner:
            plan.groups[number] = tuple(inner)
    return plan
