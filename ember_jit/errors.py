"""Every error and warning that ember_jit raises for a user to read.

There are three kinds of trouble and three homes for them: a user's mistake (an `EmberError` below),
code that is left alone (never raised: it is shown by `ember_jit.explain`), and a bug of our own
(`InternalCompilerWarning`: the plain code runs, once with a warning).  Each class documents the code
that provokes it, and each message ends with its `EMB` number, which names a page in `docs/errors/`.
"""

from __future__ import annotations


class EmberError(Exception):
    """Base class of the mistakes that ember_jit reports to its user.

    Attributes:
        code: the `EMB###` number of the page that explains the error.
    """

    code = "EMB000"

    def __init__(self, message: str) -> None:
        super().__init__(f"{message} [{self.code}]")


class OptionError(EmberError, ValueError):
    """An option has a value that does not exist: `@structural_jit(execution_strategy="fast")`."""

    code = "EMB001"


class NotAnOperatorError(EmberError, TypeError):
    """Something that has no `forward` and is no function was decorated: `structural_jit(3)`."""

    code = "EMB002"


class SignatureError(EmberError, TypeError):
    """`forward` cannot be called as `forward(inputs=...)`: `def forward(self, x)`."""

    code = "EMB003"


class TargetError(EmberError, LookupError):
    """`MODULE:CLASS` on the command line does not lead to an operator."""

    code = "EMB004"


class InputError(EmberError, ValueError):
    """`--inputs` or `--init` is neither JSON nor a file that holds JSON."""

    code = "EMB005"


class ConstructionError(EmberError, TypeError):
    """An operator class could not be constructed with the arguments that were given."""

    code = "EMB006"


class EffectViolation(EmberError, AssertionError):
    """`effects.verify` saw a declared operator do what its label rules out."""

    code = "EMB020"


class InternalCompilerWarning(UserWarning):
    """A stage of the compiler failed (a bug in ember_jit); the plain code runs instead. [EMB010]"""
