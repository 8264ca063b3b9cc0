"""Explanations as text, for a terminal of about 100 columns."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ember_jit.report.explanation import Call, Explanation

_WIDTH = 100
_LONGEST_CALL = 72
_MOST_LISTED = 12


def explanation_text(made: Explanation) -> str:
    """The whole explanation."""
    lines = [f"{made.name}: {made.headline}"]
    lines += [f"  {made.file}:{made.line}"] if made.file else []
    lines += [f"  note: {remark}" for remark in made.remarks]
    lines += [f"  internal error [EMB010]: {error}" for error in made.internal_errors]
    for title, body in (
        ("calls", _calls(made)),
        ("barriers (everything outstanding is joined first)", _barriers(made)),
        ("left in order", _left_alone(made)),
        (_path_title(made), _path(made)),
        ("numeric regions (each one kernel, where the values are arrays)", _regions(made)),
        ("loops (in machine code where the values allow it)", _loops(made)),
        ("operators it holds", _parts(made)),
        ("recorded in the last run", _recorded(made)),
        ("so far", _runs(made)),
    ):
        found = list(body)
        if found:
            lines += ["", title, *found]
    return "\n".join(lines)


def _calls(made: Explanation) -> Iterator[str]:
    for call in made.calls:
        number = f"#{call.number}" if call.number is not None else "-"
        yield f"  {number:<4} line {call.line:<5} {_short(call.text)}"
        who = f"{call.receiver}: " if call.receiver else ""
        if call.effect != "unknown":
            yield from _wrapped(f"{call.effect}: {who}{call.evidence}")
        if call.helper:
            yield from _wrapped("worked out where it stands, also ahead of the program")
        elif call.ahead:
            yield from _wrapped(_together(call))
            if call.why:
                yield from _wrapped(f"kept back: {call.why}")
                yield from _wrapped(f"to free it: {call.fix}")
        else:
            at = f" ({call.place})" if call.place else ""
            yield from _wrapped(
                f"in order: {who if call.effect == 'unknown' else ''}{call.why}{at}"
            )
            if call.fix:
                yield from _wrapped(f"to free it: {call.fix}")


def _together(call: Call) -> str:
    others = [f"#{number}" for number in call.overlaps if number != call.number]
    if len(others) > _MOST_LISTED:
        others = [*others[:_MOST_LISTED], f"{len(others) - _MOST_LISTED} more"]
    beside = (["its own iterations"] if call.number in call.overlaps else []) + others
    waits = f" after {_listed(f'#{number}' for number in call.waits_for)}" if call.waits_for else ""
    if not beside:
        return f"issued ahead{waits}; nothing is left to overlap with it"
    return f"issued ahead{waits}; overlaps {_listed(beside)}"


def _barriers(made: Explanation) -> Iterator[str]:
    for barrier in made.barriers:
        yield f"  line {barrier.line:<5} {_short(barrier.text)}"
        yield from _wrapped(barrier.reason)
        if barrier.fix:
            yield from _wrapped(f"to free it: {barrier.fix}")


def _left_alone(made: Explanation) -> Iterator[str]:
    for each in made.left_alone:
        where = (
            f"line {each.first}" if each.first == each.last else f"lines {each.first}-{each.last}"
        )
        yield f"  {where}: {each.reason}"
        if each.fix:
            yield from _wrapped(f"to free it: {each.fix}")


def _path_title(made: Explanation) -> str:
    sites = sum(call.number is not None and not call.helper for call in made.calls)
    return f"critical path: {len(made.critical_path)} of {sites} calls, one after the other"


def _path(made: Explanation) -> Iterator[str]:
    for index, step in enumerate(made.critical_path):
        loop = f"   [{step.loop}]" if step.loop else ""
        yield f"  {'->' if index else '  '} #{step.number:<3} line {step.line:<5} {_short(step.text, 60)}{loop}"


def _regions(made: Explanation) -> Iterator[str]:
    for region in made.regions:
        where = f"line {region.first}"
        if region.last != region.first:
            where = f"lines {region.first}-{region.last}"
        yield f"  {where}: {_short(region.text)}"
        out = ", ".join(name or "a value" for name in region.outputs)
        yield from _wrapped(f"fused: {', '.join(region.fused)}")
        yield from _wrapped(f"in: {', '.join(region.inputs)}; out: {out}")
        yield from _wrapped(f"ends at {region.boundary}")
        for each in region.specialised:
            yield from _wrapped(f"{', '.join(each.seen)}: {each.outcome}")
        if region.left:
            yield from _wrapped(f"not tried any more: {region.left}")


def _loops(made: Explanation) -> Iterator[str]:
    for loop in made.loops:
        where = (
            f"line {loop.first}" if loop.first == loop.last else f"lines {loop.first}-{loop.last}"
        )
        if not loop.outputs:
            yield f"  {where}: {loop.left}"
            continue
        yield f"  {where}"
        yield from _wrapped(f"in: {', '.join(loop.inputs)}; out: {', '.join(loop.outputs)}")
        for each in loop.specialised:
            yield from _wrapped(f"{', '.join(each.seen)}: {each.outcome}")
        if loop.left:
            yield from _wrapped(f"not tried any more: {loop.left}")


def _parts(made: Explanation) -> Iterator[str]:
    if not made.parts:
        return
    wide = max(len(part.attribute) for part in made.parts)
    for part in made.parts:
        own = "decorated" if part.decorated else "not decorated"
        yield f"  {part.attribute:<{wide}}  {part.operator}: {part.effect}; {own}"
        yield from _wrapped(part.evidence)


def _recorded(made: Explanation) -> Iterator[str]:
    for call in made.recorded:
        yield f"  {call.name:<5} line {call.line:<5} {call.callee}"
        for argument in call.arguments:
            yield from _wrapped(argument)
        yield from _wrapped("may be started ahead" if call.ahead else "made in order")


def _runs(made: Explanation) -> Iterator[str]:
    runs = made.runs
    if runs.compile_ms:
        stages = ", ".join(f"{name} {ms:.1f}" for name, ms in runs.stages_ms.items())
        yield f"  compiled in {runs.compile_ms:.1f} ms" + (f" ({stages})" if stages else "")
    if runs.overlapped:
        yield f"  {runs.overlapped} runs overlapped; {runs.issued} calls were issued ahead"


def _short(text: str, most: int = _LONGEST_CALL) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _listed(items: Iterable[str]) -> str:
    every = list(items)
    return (
        every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}" if every else ""
    )


def _wrapped(text: str) -> list[str]:
    indent = " " * 18
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def nearby(path: str) -> str:
    """A path, or `path:line`, as seen from the current folder where it lies in that."""
    return path.removeprefix(f"{Path.cwd()}{os.sep}")
