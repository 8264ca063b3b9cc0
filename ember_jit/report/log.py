"""What is logged of a function that has just been compiled: its effects and its schedule (`runtime.logs`).

app.py:12 self.search(inputs=q): query (declared on Search)
app.py:12 self.search(inputs=q): starts early, beside self.recall(inputs=q)
app.py:14 self.note(inputs=q): stays in order: it stores to self (note.py:7); declare it `commutes("notes")`
app.py:16 y = x * a + b: a numeric region: a kernel will be made for the arrays that it meets
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from types import FunctionType

from ember_jit.errors import InternalCompilerWarning
from ember_jit.report.explain import explanation_of
from ember_jit.report.explanation import Call, Explanation
from ember_jit.report.survey import settled
from ember_jit.runtime import logs
from ember_jit.runtime.dispatch import Unit


def log_compiled(unit: Unit, function: FunctionType) -> None:
    """Say what is wanted of the calls of a function that was compiled."""
    if not unit.stats.compiled:
        return  # `recompiles` says why
    try:
        found = explanation_of(settled(unit, function))
        lines = [
            (category, text)
            for category, text_of in (("effects", _effect), ("schedule", _schedule))
            if logs.wanted(category)
            for text in [text_of(found, call) for call in found.calls]
        ]
        if logs.wanted("kernels"):
            lines += [("kernels", text) for text in _machine_code(found)]
    except Exception as exc:  # noqa: BLE001 - a broken report must not break the user's call (EMB010)
        text = f"ember_jit could not report on {unit.name} ({type(exc).__name__}: {exc}). This is a bug in ember_jit [EMB010]"
        warnings.warn(text, InternalCompilerWarning, stacklevel=2)
        return
    for category, text in lines:
        logs.later(category, text)  # by `Unit.first`, once no lock is held


def _machine_code(found: Explanation) -> Iterator[str]:
    for region in found.regions:
        where = f"{found.file}:{region.first} {' '.join(region.text.split())}"
        yield f"{where}: a numeric region: a kernel will be made for the arrays that it meets"
    for loop in found.loops:
        what = "machine code will be made for it once it has meant some work"
        yield f"{found.file}:{loop.first} loop: {what if loop.outputs else f'left to Python: {loop.left}'}"


def _effect(found: Explanation, call: Call) -> str:
    known = f" ({call.evidence})" if call.evidence else ""
    return f"{call.file}:{call.line} {call.text}: {call.effect}{known}"


def _schedule(found: Explanation, call: Call) -> str:
    where = f"{call.file}:{call.line} {call.text}"
    if call.helper:
        return f"{where}: worked out where it stands, in both programs"
    if not call.ahead:
        place = f" ({call.place})" if call.place else ""
        fix = f"; {call.fix}" if call.fix else ""
        return f"{where}: stays in order: {call.why}{place}{fix}"
    texts = {each.number: each.text for each in found.calls}
    beside = [
        "its own iterations" if number == call.number else texts.get(number, f"call {number}")
        for number in call.overlaps
    ]
    return f"{where}: starts early" + (f", beside {', '.join(beside)}" if beside else "")
