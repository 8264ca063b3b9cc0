"""The differential fuzzer of numeric regions: `python -m tests.numeric.fuzz --seeds 0:50000`.

Every seed is a program, run on three sets of values under random error states, twice each (made, then met
again), compiled and plain.  A seed that differs is printed with its program; the exit code says whether any did.

With `--numerics fast` results have to be of the same types and shapes, and every value that a kernel computes has to be
right for its arguments: to the bit, or within 4 ULP, or within what another order of additions allows (`values`).
"""

from __future__ import annotations

import argparse
import copy
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ember_jit import jit
from ember_jit.compiler import native_code, numeric_form
from ember_jit.ir.program import Program
from ember_jit.runtime import background, trial
from ember_jit.runtime.dispatch import unit_of
from tests.numeric import inputs, outcomes, programs, values


@dataclass(frozen=True)
class Finding:
    """What differed in the program of one seed."""

    seed: int
    answer: str
    source: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        values = "\n".join(f"    {each}" for each in self.values)
        return f"SEED {self.seed}: {self.answer}\n{self.source}{values}"


def try_seed(seed: int, counts: Counter[str]) -> Finding | None:
    """Run the program of one seed; the first difference, if any."""
    rng = random.Random(seed)
    friendly = rng.random() < 0.75
    source = programs.source_of_program(rng, friendly=friendly)
    plain, compiled = programs.function_of(source), jit(programs.function_of(source))
    found: Finding | None = None
    for _ in range(3):
        args = inputs.friendly_inputs(rng) if friendly else inputs.inputs_of(rng)
        state = outcomes.State.some(rng)
        for _ in range(2):
            answer = outcomes.compared(plain, compiled, args, state)
            if answer and found is None:
                found = Finding(seed, answer, source, (str(state), *map(_described, args)))
    unit = unit_of(compiled)
    if unit.stats.internal_errors:
        found = Finding(seed, f"internal error: {unit.stats.internal_errors}", source, ())
    counts["programs"] += 1
    if unit.artifacts is not None:
        for site in unit.artifacts.numeric:
            counts["regions"] += 1
            counts["kernels"] += len(site.kernels)
            counts["regions with kernels"] += bool(site.kernels)
    return found


def try_fast_seed(seed: int, counts: Counter[str]) -> Finding | None:
    """Run the program of one seed in fast mode, and then each of its kernels with all its values."""
    rng = random.Random(seed)
    friendly = rng.random() < 0.75
    source = programs.source_of_program(rng, friendly=friendly)
    plain = programs.function_of(source)
    compiled = jit(numerics="fast")(programs.function_of(source))
    quiet = outcomes.State({"all": "ignore"}, "ignore")
    for _ in range(3):
        args = inputs.friendly_inputs(rng) if friendly else inputs.inputs_of(rng)
        for _ in range(2):
            known, found = (
                outcomes.outcome(each, copy.deepcopy(args), quiet) for each in (plain, compiled)
            )
            if known.raised and known.raised[0] == "FloatingPointError":
                continue  # by an error state of the program's own: fast mode raises no flags
            kinds = [(one.raised, [*values.kinds_of(one.value)]) for one in (known, found)]
            if kinds[0] != kinds[1]:
                return Finding(
                    seed, f"{kinds[1]}, not {kinds[0]}", source, (*map(_described, args),)
                )
    counts["programs"] += 1
    for program in _programs_of(compiled):
        counts["kernels"] += 1
        for number in range(4):
            answer = values.check(program, np.random.default_rng(seed + number), number % 2 == 1)
            if answer:
                return Finding(seed, answer, source, ())
    return None


def _programs_of(compiled: Any) -> list[Program]:
    artifacts = unit_of(compiled).artifacts
    sites = () if artifacts is None else artifacts.numeric
    found = [kernel.details.typed.program for site in sites for kernel in site.kernels]
    return [program for program in found if program.numerics == "fast"]


def _described(value: Any) -> str:
    if not hasattr(value, "dtype"):
        return repr(value)
    flags = getattr(value, "flags", None)
    writeable = "" if flags is None or flags.writeable else " read-only"
    return f"{type(value).__name__} {value.dtype}{value.shape} {getattr(value, 'strides', '')}{writeable}"


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0:1000", help="FIRST:BEHIND_LAST")
    parser.add_argument("--tier", type=int, choices=(0, 1), default=1, help="0: the quick code")
    parser.add_argument("--at", type=Path, help="a file that says which seed is being tried")
    parser.add_argument("--numerics", choices=("strict", "fast"), default="strict")
    options = parser.parse_args()
    tried = try_seed if options.numerics == "strict" else try_fast_seed
    first, last = map(int, options.seeds.split(":"))
    # kernels are neither raced against NumPy first nor kept: every one of them is what is tested
    background.is_on = lambda: False
    trial.TRIED = -1
    native_code.kept = lambda program, signature: None
    native_code.keep = lambda program, parts: False
    native_code.kept_gain = lambda program, signature: None
    native_code.keep_gain = lambda program, signature, gain: False
    numeric_form.emit = lambda found, tier: native_code.emit(found, options.tier)
    counts: Counter[str] = Counter()
    differing = 0
    for seed in range(first, last):
        if options.at:  # a crash leaves the seed behind
            options.at.write_text(str(seed))
        found = tried(seed, counts)
        if found is not None:
            differing += 1
            print(found, flush=True)
        if (seed - first) % 500 == 499:
            print(f"... {dict(counts)}, {differing} differ", flush=True)
    print(f"seeds {first}:{last}: {dict(counts)}, {differing} differ")
    return 1 if differing else 0


if __name__ == "__main__":
    raise SystemExit(main())
