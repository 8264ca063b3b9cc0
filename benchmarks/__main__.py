"""`python -m benchmarks COMMAND`: one module per benchmark, imported only when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

# command -> (module, one line of help). A module offers `add_arguments(parser)` and `run(args) -> exit code`.
COMMANDS = {
    "orchestration": (
        "benchmarks.orchestration",
        "overlapped calls against eager and hand-written code",
    ),
    "compile": ("benchmarks.compile_time", "cost of decorating, compiling and importing"),
    "coverage": (
        "benchmarks.coverage",
        "share of functions compiled, effects known and calls overlapped",
    ),
    "transforms": ("benchmarks.transforms", "vmap and pmap against loops and pools"),
    "numeric": ("benchmarks.numeric", "fused array arithmetic against NumPy, numexpr and Numba"),
    "kernels": ("benchmarks.kernels", "what it takes from a call to its kernel, stage by stage"),
    "bundles": ("benchmarks.bundles", "start to first result, and loading, with bundles"),
    "report": ("benchmarks.report", "the page about an operator of 400 calls in a browser"),
    "memory": ("benchmarks.memory", "objects, blocks and threads left by 10,000 calls"),
}


def usage() -> str:
    """The list of commands."""
    lines = [f"  {name:<15}{text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(["usage: python -m benchmarks COMMAND [options]", "", *lines])


def main(argv: Sequence[str]) -> int:
    """Run one benchmark; returns its exit code (2 for an unknown command)."""
    if argv and argv[0] in {"-h", "--help"}:
        print(usage())
        return 0
    if not argv or argv[0] not in COMMANDS:
        print(usage(), file=sys.stderr)
        return 2
    module_name, text = COMMANDS[argv[0]]
    module = importlib.import_module(module_name)
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {argv[0]}", description=text)
    parser.add_argument(
        "--json",
        metavar="FILE",
        help="also write the results as JSON; - for stdout, without the table",
    )
    module.add_arguments(parser)
    code: int = module.run(parser.parse_args(argv[1:]))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
