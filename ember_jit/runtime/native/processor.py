"""Which processor this is, as far as machine code made for it may not run, or run worse, on another."""

from __future__ import annotations

import platform
from functools import lru_cache
from typing import Final

_FIELDS: Final = frozenset(
    {
        "vendor_id",
        "cpu family",
        "model",
        "model name",
        "stepping",
        "flags",
        "CPU implementer",
        "CPU architecture",
        "CPU variant",
        "CPU part",
        "Features",
    }
)
_MOST: Final = 1 << 14  # bytes: the first processor's entry; the file of a large machine is long


@lru_cache(maxsize=1)
def processor() -> str:
    """Its names and features; read from Linux, since asking LLVM would import it."""
    lines = [platform.machine(), platform.system()]
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            first = file.read(_MOST).split("\n\n")[0]
    except OSError:
        return ";".join((*lines, platform.processor()))
    for line in first.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in _FIELDS:
            lines.append(value.strip())
    return ";".join(lines)
