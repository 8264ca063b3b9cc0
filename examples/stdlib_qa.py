"""Asks the standard library's documentation a question, plain and compiled.

Usage:
    python examples/stdlib_qa.py
    python examples/stdlib_qa.py "How do I create a temporary directory?" --out dumps
"""

import argparse
import sys
from pathlib import Path

from ember_jit.demo.main import DEFAULT_QUESTION, run_demo


def main() -> int:
    """Reads the command line and runs the demo."""
    parser = argparse.ArgumentParser(description="Question answering, plain and compiled.")
    parser.add_argument("question", nargs="?", default=DEFAULT_QUESTION, help="what to ask")
    parser.add_argument("--out", type=Path, help="where the dumps go; a new folder if not given")
    arguments = parser.parse_args()
    return run_demo(arguments.question, arguments.out)


if __name__ == "__main__":
    sys.exit(main())
