"""What an issue program comes to, the program may not: a check before it may raise.

So nothing that it evaluates early may take for ever or fill the memory.  Each body here goes through a check
that raises, and would never come to an end behind it.
"""

from __future__ import annotations

import signal
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest

from ember_jit import structural_jit
from tests.differential.leaves import Program, World
from tests.pipeline import namespace

BODIES = {
    "while": "while n: n += 1",
    "while with a call": "while n:\n    n += 1\n    if n < 0: self.ask(inputs=n)",
    "for": "for i in range(10**12): n += i",
    "power": "n = 9 ** 9 ** 9",
    "power of a big base": "n = (1 << 4000) ** (1 << 4000)",
    "shift": "n = 1 << 10**12",
    "repeated text": "n = 'x' * 10**12",
    "repeated list": "n = 10**12 * [n]",
    "sum": "n = sum(range(10**12))",
    "list": "n = list(range(10**12))",
    "comprehension": "n = len([i for i in range(10**12)])",
    "unpacked": "n = [*range(10**12)]",
    "in a tuple": "n = tuple(enumerate(range(10**12)))",
    "padded": "n = f'{n:>100000000000}'",
    "padded by %": "n = '%100000000000d' % n",
    "padded by * %": "n = '%*d' % (10**11, n)",
    "padded by format": "n = '{:>100000000000}'.format(n)",
    "padded by ljust": "n = 'x'.ljust(10**12)",
    "built-in power": "n = pow(9, 9 ** 9)",
    "factorial": "n = math.factorial(10**8)",
    "helper": "n = collatz(0)",
    "helper of helpers": "n = through(0)",
    "recursive helper": "n = deeper(0)",
    "method": "n = self.steps(0)",
}
MODULE = """\
import math

def collatz(n):
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
    return n

def through(n):
    return collatz(n) + 1

def deeper(n, depth=0):
    return deeper(n, depth + 1) + deeper(n, depth + 1) if depth < 90 else n

@structural_jit(execution_strategy="parallel")
class Checked(Program):
    def steps(self, n):
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
        return n

    def forward(self, *, inputs):
        n = 1
        self.ask(inputs=inputs)
        self.other(inputs=inputs)
{body}
        return self.ask(inputs=n)
"""


@pytest.fixture(autouse=True)
def limited() -> Iterator[None]:
    """A failure here is a hang: end it, past every handler."""

    class Hangs(BaseException):
        pass

    def end(*_: Any) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, 20)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", BODIES)
def test_a_check_in_front_is_enough(name: str) -> None:
    text = MODULE.format(body=textwrap.indent(BODIES[name], " " * 8))
    op = namespace(text, structural_jit=structural_jit, Program=Program)["Checked"](World(1))
    for _ in range(2):
        with pytest.raises(ValueError, match="ask"):
            op(inputs="bad")


def test_a_helper_with_a_loop_gives_its_value() -> None:
    """It is not called early, and the issue program waits for it and goes on."""
    text = MODULE.format(body=" " * 8 + "n = collatz(6)\n" + " " * 8 + "m = self.ask(inputs=n)")
    op = namespace(text, structural_jit=structural_jit, Program=Program)["Checked"](World(1))
    for _ in range(3):
        assert op(inputs="fine")["text"] == "ask(1)"
