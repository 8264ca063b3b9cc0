"""The compiled loops of a function, as far as they have been met: for `explain`, and as files for `dump`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ember_jit.compiler.loops.regions import LoopRegion
from ember_jit.compiler.loops.specialise import Details
from ember_jit.compiler.loops.weave import plain_text
from ember_jit.report.explanation import Loop, Specialised
from ember_jit.runtime.loops.site import LoopSite, Made


def loops_of(sites: list[LoopSite], left: list[tuple[int, str]]) -> tuple[Loop, ...]:
    """What was found and made, and what was left to Python, in the order of the lines."""
    found = [_loop(site) for site in sites]
    found += [Loop(line, line, (), (), (), f"left to Python: {why}") for line, why in left]
    return tuple(sorted(found, key=lambda each: (each.first, each.last)))


def _loop(site: LoopSite) -> Loop:
    region: LoopRegion = site.region
    first, last = region.lines
    made = tuple(Specialised((each.seen,), _outcome(each)) for each in site.made.values())
    outputs = ("the result",) if region.outputs is None else tuple(region.outputs)
    return Loop(first, last, tuple(region.inputs), outputs, made, site.left)


def _outcome(made: Made) -> str:
    if made.why:
        return f"Python: {made.why}"
    if made.entry is None:
        return (
            "Python: it is being compiled"
            if made.asked
            else "Python: it has not meant much work yet"
        )
    gain = f", {made.speedup:.1f} times as fast as Python when tried" if made.speedup else ""
    text = f"machine code, {made.details}{gain}"
    if made.lefts:
        lines = ", ".join(f"line {line} ({count})" for line, count in sorted(made.lines.items()))
        text += f"; left to Python {made.lefts} times: {lines}"
    return text


def loop_files(sites: list[LoopSite]) -> Iterator[tuple[str, str]]:
    """Each region as Python; each piece of its code as it was written, after LLVM's passes, and as assembly."""
    for site in sites:
        region: LoopRegion = site.region
        name = f"loop-{region.number}"
        first, last = region.lines
        yield (
            f"{name}.py",
            f"# Lines {first}-{last}, as a function of what comes in.\n\n{ast.unparse(plain_text(region))}\n",
        )
        for number, made in enumerate(
            each for each in site.made.values() if each.entry is not None
        ):
            yield from _code_files(f"{name}-code-{number}", made)


def _code_files(name: str, made: Made) -> Iterator[tuple[str, str]]:
    details: Details = made.details
    head = f"; for {made.seen}\n; {_outcome(made)}\n"
    head += "".join(f"; {variable}: {type_}\n" for variable, type_ in details.types.items())
    yield f"{name}.ll", head + details.text
    try:
        from ember_jit.compiler.loops.build import assembly, optimised_text

        yield f"{name}-optimised.ll", optimised_text(details.text)
        yield f"{name}.s", assembly(details.text)
    except ImportError:
        return  # it came from the cache, and there is no llvmlite here
