"""Machine code out of a bundle: the sites of a function's regions and loops, with what was made for them ahead.

A site's record in the manifest is data: which guards its code stands behind, for which values there is code, and
in which entries, for the processor of the bundle's maker and for a baseline (`runtime.native.processor`).

    {"marker": "<ember_jit kernel 0>", "functions": [["np.exp", "numpy._core.umath", "exp"]], "fields": [], "lines": [7, 9],
     "kernels": [{"keys": ["<f8d[1]101"], "code": {"host": "machine/1f..", "x86-64-v3": "machine/9c.."}, ...}]}

What was assumed is looked at again: that names mean the same functions and constants, that fields are plain, the
processor, the version of NumPy.  Where something differs the statements run, as ever; processor and NumPy are said
once.  Machine code is loaded when values come that it was made for, and tried out as if it had just been compiled.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ember_jit.aot.digests import digest
from ember_jit.aot.manifest import MADE_FOR
from ember_jit.runtime import trial
from ember_jit.runtime.dispatch import Unit
from ember_jit.runtime.loops.site import LoopSite, Made
from ember_jit.runtime.members import genuine
from ember_jit.runtime.native.processor import (
    BASELINE,
    processor,
    processor_name,
    runs_baseline,
)
from ember_jit.runtime.native.signature import Parameter, Result, Signature
from ember_jit.runtime.numeric import Kernel, Site, describe, key_of, key_text
from ember_jit.runtime.statics import MISSING, has_plain_lookup, type_lookup
from ember_jit.runtime.tried import TriedFirst

HOST = "host"
CONSTANT = "constant"
NOT_MADE = "the bundle has no code for such values"
_GONE = "what it refers to is not what it was when the bundle was made"


class Machinery:
    """The machine code of one bundle, as far as it fits here.

    Args:
        made_for: what it was made for: see `made_here`; empty if there is none.
        entries: the entries of the bundle.
        say: tells the user why it does not fit; called once.
    """

    def __init__(
        self,
        made_for: Mapping[str, str],
        entries: Mapping[str, bytes],
        say: Callable[[str], None],
    ) -> None:
        self._made_for = made_for
        self._entries = entries
        self._say = say
        self._said = False

    def prepare(self) -> None:
        """Load what the first call with such values would otherwise wait for; nothing of the bundle runs."""
        if not self.misfit():
            from ember_jit.runtime.loops import linking  # noqa: F401
            from ember_jit.runtime.native import entries  # noqa: F401

    def misfit(self) -> str:
        """Why none of it runs on this processor, or empty."""
        if self.processor():
            return ""
        return (
            f"it was made for {self._made_for['processor_name']} and for {BASELINE}, "
            f"and this is {processor_name()}"
        )

    def numpy_misfit(self) -> str:
        """Why what works on arrays is no good with the NumPy that is loaded, or empty."""
        numpy = sys.modules.get("numpy")
        if numpy is None:
            return ""
        wanted, found = self._made_for["numpy"], str(numpy.__version__)
        if wanted != found:
            return f"it was made for NumPy {wanted or '(none)'}, and this is {found}"
        if abi() != self._made_for["abi"]:
            return "arrays and objects are laid out differently here"
        return ""

    def processor(self) -> str:
        """Which of the two codes runs here: `HOST`, `BASELINE`, or neither (empty)."""
        if self._made_for.get("processor") == processor_digest():
            return HOST
        return BASELINE if runs_baseline() else ""

    def code(self, names: Mapping[str, str]) -> bytes | None:
        """The code that runs here, of that for one kind of values."""
        name = names.get(self.processor())
        return None if name is None else self._entries[name]

    def entry(self, name: str) -> bytes:
        """An entry that is the same for all processors; nothing, for no name."""
        return self._entries[name] if name else b""

    def complain(self, why: str) -> str:
        """Tell the user, once."""
        if not self._said:
            self._said = True
            self._say(why)
        return why


def made_here() -> dict[str, str]:
    """What machine code that is made in this process is made for; NumPy's part is empty where it is not loaded."""
    numpy = sys.modules.get("numpy")
    version, laid_out = ("", "") if numpy is None else (str(numpy.__version__), abi())
    here = (processor_digest(), processor_name(), BASELINE, version, laid_out)
    return dict(zip(MADE_FOR, here, strict=True))


def processor_digest() -> str:
    """Tells this processor from others."""
    return digest(processor().encode("utf-8", "backslashreplace"))


def abi() -> str:
    """How objects and arrays are laid out here; imports NumPy."""
    from ember_jit.runtime.native.layouts import layouts

    found = layouts()
    return "unknown" if isinstance(found, str) else found.key()


def make_sites(
    records: list[dict[str, Any]],
    plains: Mapping[str, CodeType],
    machinery: Machinery,
    unit: Unit,
    function: FunctionType,
    owner: Any,
    alone: bool,
) -> dict[str, TriedFirst]:
    """The sites of a function, by the constants that stand for them.

    Args:
        records: what the manifest says of them.
        plains: the code of each region as a function, by the same constants.
        machinery: the bundle's.
        unit, function: whose they are.
        owner: the first argument of the call at hand.
        alone: the sites are all that the function's code differs in from its own.
    """
    made: dict[str, TriedFirst] = {}

    def left_off() -> None:
        if alone and not any(each.on for each in made.values()):
            unit.put_back("none of the bundle's machine code fits what it is called with")

    told = (unit.disabled, unit.internal_error, left_off)
    for data in records:
        plain = plains.get(data["marker"])
        make = _kernel_site if "kernels" in data else _loop_site
        site = made[data["marker"]] = make(data, plain, machinery, function, told)
        site.place = unit.where()
        why = machinery.misfit()
        if why:
            machinery.complain(why)
        elif plain is None:
            why = NOT_MADE
        elif any(live is MISSING for _, live in site.region.functions):
            why = _GONE
        elif not _watches(site, data["fields"], owner):
            why = "its receiver is of another kind than when the bundle was made"
        if why:
            site.switch_off(why)
    return made


class _Region:
    """What a site must know of its region."""

    def __init__(self, data: Mapping[str, Any], function: FunctionType) -> None:
        self.lines: tuple[int, int] = tuple(data["lines"])
        self.functions = [(text, _live(function, text, *how)) for text, *how in data["functions"]]


def _live(function: FunctionType, text: str, home: str, name: str, value: str = "") -> Any:
    """What a name in a region stands for now, if it is what it was; else `MISSING`."""
    first, *rest = text.split(".")
    space = function.__globals__
    builtins: Any = space.get("__builtins__", {})
    table = builtins if isinstance(builtins, dict) else vars(builtins)
    live = space.get(first, table.get(first, MISSING))
    for part in rest:
        live = vars(live).get(part, MISSING) if type(live) is ModuleType else MISSING
    if home == CONSTANT:
        return live if constant(live) == [name, value] else MISSING
    return live if live is not MISSING and genuine(home, name) is live else MISSING


def constant(live: Any) -> list[str]:
    """A number as its type's name and its exact value."""
    return [type(live).__name__, live.hex() if type(live) is float else repr(live)]


def _watches(site: TriedFirst, fields: list[str], owner: Any) -> bool:
    """Whether reading the fields of the receiver runs no code, now, and this stays to be seen."""
    if not fields:
        return True
    kind = type(owner)
    return (
        isinstance(site, Site)
        and has_plain_lookup(kind)
        and all(type_lookup(kind, name) is MISSING for name in fields)
        and site.watch_owner(kind)
    )


_Told = tuple[ContextVar[bool], Callable[[Exception], None], Callable[[], None]]
"""The last three arguments of a site."""


# ---------------------------------------------------------------------- numeric regions
def _kernel_site(
    data: Mapping[str, Any],
    plain: CodeType | None,
    machinery: Machinery,
    function: FunctionType,
    told: _Told,
) -> Site:
    kernels = {key: each for each in data["kernels"] for key in each["keys"]}

    def specialise(site: Site, args: tuple[Any, ...]) -> Kernel | str:
        why = machinery.numpy_misfit()
        if why:
            return machinery.complain(why)
        found = kernels.get(key_text(key_of(args, site.ndarray)))
        if found is None or plain is None:
            return NOT_MADE
        return _kernel(found, plain, machinery, args)

    return Site(_Region(data, function), specialise, *told)


def _kernel(
    data: Mapping[str, Any], plain: CodeType, machinery: Machinery, args: tuple[Any, ...]
) -> Kernel | str:
    """The kernel for such values, loaded and tried out."""
    from ember_jit.runtime.native.entries import Parts, enter

    code = machinery.code(data["code"])
    if code is None:
        return f"there is no code for {machinery.processor()}"
    parts = Parts(
        signature_from(data["signature"]),
        code,
        machinery.entry(data["entry"]),
        machinery.entry(data["pool"]),
        tuple((name, letter) for name, letter in data["loops"]),
    )
    entry = enter(parts)
    if isinstance(entry, str):
        return entry
    gain = trial.speedup(entry, partial(_with_numpy, plain), args, data["space"], data["axes"])
    return Kernel(entry, describe(args), None, trial.why_slow(gain))


def _with_numpy(code: CodeType) -> FunctionType:
    return FunctionType(code, {"np": sys.modules["numpy"], "__builtins__": builtins})


def signature_data(signature: Signature) -> dict[str, Any]:
    """A signature as JSON."""
    return {
        "parameters": [[p.source, p.dtype, p.layout, p.ndim] for p in signature.parameters],
        "results": [[r.dtype, r.rank, r.keepdims] for r in signature.results],
        "ndim": signature.ndim,
        "rowwise": signature.rowwise,
        "reduces": signature.reduces,
        "splits": signature.splits,
        "loops": signature.loops,
    }


def signature_from(data: Mapping[str, Any]) -> Signature:
    """The signature of `signature_data`."""
    rest = dict(data)
    parameters = tuple(Parameter(*each) for each in rest.pop("parameters"))
    return Signature(parameters, tuple(Result(*each) for each in rest.pop("results")), **rest)


# ---------------------------------------------------------------------- loops
class _BundledLoops(LoopSite):
    """A loop whose code is in a bundle.

    Attributes:
        stored: what there is, by kinds of arguments.
        machinery: the bundle's.
    """

    stored: Mapping[tuple[str, ...], Mapping[str, Any]]
    machinery: Machinery

    def ahead(self, key: tuple[str, ...]) -> Made:
        """The code for such arguments, or why there is none."""
        from ember_jit.runtime.loops.linking import link

        made = Made(", ".join(key), asked=True, done=True)
        found = self.stored.get(key)
        code = None if found is None else self.machinery.code(found["code"])
        if found is None or code is None:
            made.why = NOT_MADE
            return made
        if found["numpy"]:
            made.why = self.machinery.numpy_misfit()
            if made.why:
                self.machinery.complain(made.why)
            elif not self.watch_errors():
                made.why = "NumPy's numbers, in an error state that is not the usual one"
            if made.why:
                return made
        entry = link(code)
        if isinstance(entry, str):
            made.why = entry
        else:
            made.entry = entry
        return made


def _loop_site(
    data: Mapping[str, Any],
    plain: CodeType | None,
    machinery: Machinery,
    function: FunctionType,
    told: _Told,
) -> LoopSite:
    def statements() -> FunctionType:
        assert plain is not None  # a site without is off
        return FunctionType(plain, function.__globals__)

    site = _BundledLoops(_Region(data, function), _never, statements, *told)
    site.stored = {tuple(each["kinds"]): each for each in data["loops"]}
    site.machinery = machinery
    return site


def _never(site: LoopSite, args: tuple[Any, ...], made: Made) -> Callable[[], None]:
    raise AssertionError("what `ahead` gives is done: nothing is compiled for a bundle")
