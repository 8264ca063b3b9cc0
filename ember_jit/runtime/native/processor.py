"""Which processor this is, as far as machine code made for it may not run, or run worse, on another.

Bundles hold code for the processor that they were made on, and for a baseline that most others have: x86-64-v3, which
are those of Intel from 2013 on and of AMD from 2015 on (AVX2 and FMA).
"""

from __future__ import annotations

import os
import platform
import sys
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
BASELINE: Final = "x86-64-v3"
"""The name of the baseline, by the psABI of x86-64 and in LLVM."""
_V2 = {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}
_BASELINE_FLAGS: Final = frozenset(
    {*_V2, "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}
)
"""Its features, as Linux calls them."""
_MOST: Final = 1 << 14  # bytes: the first processor's entry; the file of a large machine is long


@lru_cache(maxsize=1)
def processor() -> str:
    """Its names and features; read from Linux, since asking LLVM would import it."""
    machine = platform.machine() if sys.platform == "win32" else os.uname().machine
    lines = [machine, sys.platform]
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


@lru_cache(maxsize=1)
def runs_baseline() -> bool:
    """Whether code for `BASELINE` runs here; on systems that do not say, it does not."""
    words = processor().split(";")
    return words[0] == "x86_64" and any(set(w.split()) >= _BASELINE_FLAGS for w in words[2:])


def processor_name() -> str:
    """What people call it."""
    words = processor().split(";")
    return next((word for word in words[2:] if " " in word and len(word) < 80), words[0])
