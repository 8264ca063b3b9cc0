"""What ember_jit tells the standard `logging`: five loggers, each of which says what, where and why.

    EMBER_JIT_LOG=recompiles,guards python app.py          or: logging.getLogger("ember_jit.guards").setLevel("INFO")

    ember_jit.recompiles   what was compiled, left alone, put back or compiled anew
    ember_jit.guards       a check failed, and a call was made as it is written, or a walk ended
    ember_jit.effects      the effect of each call of a function that was compiled, and how it is known
    ember_jit.schedule     which calls overlap, which stay in order, and when a function rests
    ember_jit.kernels      regions and loops for machine code: made, taken from the cache, used, left to Python and why

Invariants: `logging` is not imported for nothing, for whoever wants a message has imported it or set the variable;
a message is made only where it is wanted; and no handler of the user's runs under a lock of ours (`later`).
"""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

from ember_jit.config import config

CATEGORIES = ("recompiles", "guards", "effects", "schedule", "kernels")
pending: deque[tuple[str, str]] = deque()
"""Messages that were made under a lock, for `flush`."""
_ready = False


def wanted(category: str) -> bool:
    """Whether anybody wants the messages of a category."""
    if not _ready and config().log is not None:
        _set_up()
    logging = sys.modules.get("logging")
    if logging is None:
        return False
    wants: bool = logging.getLogger(f"ember_jit.{category}").isEnabledFor(logging.INFO)
    return wants


def say(category: str, text: str) -> None:
    """Give a message to its logger; to be asked first: `wanted`."""
    import logging

    logging.getLogger(f"ember_jit.{category}").info("%s", text)


def later(category: str, text: str) -> None:
    """As `say`, once no lock is held."""
    pending.append((category, text))


def flush() -> None:
    """Give the messages that have been kept to their loggers."""
    while pending:
        try:
            category, text = pending.popleft()
        except IndexError:  # another thread was quicker
            return
        say(category, text)


def became(unit: Any) -> str:
    """What compiling a function came to."""
    stats, where = unit.stats, unit.where()
    if stats.compiled:
        source = f"linked from {unit.origin}" if unit.origin else "compiled"
        form = "overlapping" if unit.plan is not None and unit.plan.slices else "in order"
        took = f"{stats.compile_seconds * 1e3:.1f} ms"
        return f"{where}: {source} in {took}, {form}: it was called for the first time"
    if unit.tracer is not None:
        return f"{where}: traced, not compiled: {stats.left_alone}"
    return f"{where}: left as it is: {stats.left_alone}"


def _set_up() -> None:
    """`EMBER_JIT_LOG`: switch on what it names, and write to stderr where the program has set up no logging."""
    global _ready
    import logging

    _ready = True
    top = logging.getLogger("ember_jit")
    for name in config().log or ():
        if name in CATEGORIES:
            logging.getLogger(f"ember_jit.{name}").setLevel(logging.INFO)
        else:
            known = ", ".join(CATEGORIES)
            top.warning("EMBER_JIT_LOG: there is no category %r; there are %s", name, known)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    handler.addFilter(_is_alone)
    top.addHandler(handler)


def _is_alone(record: Any) -> bool:
    """Whether nobody else shows a record: the program has not set up logging."""
    import logging

    return not logging.getLogger().handlers


def reset() -> None:
    """Read the setting again, for tests."""
    global _ready
    _ready = False
    logging = sys.modules.get("logging")
    if logging is not None:
        top = logging.getLogger("ember_jit")
        top.handlers.clear()
        for name in CATEGORIES:
            logging.getLogger(f"ember_jit.{name}").setLevel(logging.NOTSET)
