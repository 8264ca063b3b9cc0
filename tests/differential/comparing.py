"""What the generators of random programs share: comparing a program with plain Python, and a range of seeds."""

from __future__ import annotations

import faulthandler
from collections.abc import Callable
from typing import Any

from ember_jit import disable_structural_jit

Observe = Callable[[int, str, Any], list[Any]]
"""Seed, program and decorator to what each run of it shows."""


def parsed(text: str) -> str | None:
    """The program, or None where the drawn parts make no valid module."""
    try:
        compile(text, "<program>", "exec", dont_inherit=True)
    except SyntaxError:
        return None
    return text


def first_difference(seed: int, text: str, observe: Observe, decorate: Any) -> str:
    """The first run that shows something else than plain Python's, or an empty string."""
    with disable_structural_jit():
        plain = observe(seed, text, lambda cls: cls)
    compiled = observe(seed, text, decorate)
    for number, (expected, actual) in enumerate(zip(plain, compiled, strict=True)):
        if expected != actual:
            return f"seed {seed}, run {number}\n  plain     {expected}\n  compiled  {actual}"
    return ""


def compare(
    arguments: list[str],
    program: Callable[[int], str | None],
    difference: Callable[[int, str], str],
) -> int:
    """The command line: `--show SEED`, or `FIRST:LAST`; a program that takes 30 s ends the process with all stacks."""
    if arguments[0] == "--show":
        print(program(int(arguments[1])))
        return 0
    first, last = map(int, arguments[0].split(":"))
    found = made = 0
    for seed in range(first, last):
        text = program(seed)
        if text is None:
            continue
        faulthandler.dump_traceback_later(30, exit=True)
        made += 1
        here = difference(seed, text)
        if here:
            found += 1
            print(here[:3000])
    faulthandler.cancel_dump_traceback_later()
    print(f"{made} programs, {found} differ")
    return bool(found)
