"""The differential fuzzer of compiled loops: `python -m tests.loops.fuzz --seeds 0:1000`.

Every seed is a function, called with six sets of values, plain and compiled.  A seed that differs is printed with its
function; the exit code says whether any did.  A function that takes Python very long (its ints grow) is passed over.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from typing import Any

from ember_jit.testing import loops_at_once
from tests.loops.loop_programs import Writer
from tests.loops.loop_runs import hits_of, pair_of, run, sites_of

CALLS = 6
PATIENCE = 300  # seconds for one function


class _Slow(BaseException):
    """A function takes too long."""


def _alarm(*_: Any) -> None:
    raise _Slow


def compare(seed: int) -> tuple[int, str]:
    """How many calls of one function were compiled, and what differed, if anything."""
    writer = Writer(seed)
    source = writer.function()
    name = f"<random loop {seed}>"
    plain, compiled = pair_of(source, "program", name)
    for _ in range(CALLS):
        args = writer.arguments()
        expected, found = run(plain, args, name), run(compiled, args, name)
        if found != expected:
            return 0, f"seed {seed}, {args}\nplain    {expected}\ncompiled {found}\n{source}"
    for site in sites_of(compiled):
        for text in (site.left, *(made.why for made in site.made.values())):
            if "EMB010" in text:
                return 0, f"seed {seed}: {text}\n{source}"
    return hits_of(compiled), ""


def main() -> int:
    """Compare all seeds; 1 if any differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0:200", help="FIRST:LAST")
    first, last = map(int, parser.parse_args().seeds.split(":"))
    os.environ["EMBER_JIT_CACHE"] = "off"
    signal.signal(signal.SIGALRM, _alarm)
    began, hits, slow, differ = time.monotonic(), 0, 0, 0
    with loops_at_once():
        for seed in range(first, last):
            signal.alarm(PATIENCE)
            try:
                found, difference = compare(seed)
            except _Slow:
                slow += 1
                continue
            finally:
                signal.alarm(0)
            hits += found
            if difference:
                differ += 1
                print(difference, flush=True)
    taken = time.monotonic() - began
    print(
        f"{CALLS * (last - first)} calls, {hits} compiled, {slow} functions passed over, {differ} differ, {taken:.0f} s"
    )
    return 1 if differ else 0


if __name__ == "__main__":
    raise SystemExit(main())
