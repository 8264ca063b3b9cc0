"""Every error and warning that ember_jit raises for a user to read.

There are three kinds of trouble and three homes for them: a user's mistake (an `EmberError` below),
code that is left alone (never raised: it is shown by `ember_jit.explain`), and a bug of our own
(`InternalCompilerWarning`: the plain code runs, once with a warning).  Each class documents the code
that provokes it, and each message ends with its `EMB` number, which names a page in `docs/errors/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class EmberError(Exception):
    """Base class of the mistakes that ember_jit reports to its user.

    Attributes:
        code: the `EMB###` number of the page that explains the error.
    """

    code = "EMB000"

    def __init__(self, message: str) -> None:
        mark = f" [{self.code}]"  # once, also when an unpickled error is made from its own message
        super().__init__(message.removesuffix(mark) + mark)


def similar(name: str, known: Sequence[str], most: int = 3) -> list[str]:
    """The names, `most` of them at the most, that look like one which does not exist; the likest first."""
    import difflib  # for whoever is in error: importing the package should cost little

    return difflib.get_close_matches(name, known, n=most)


def near_misses(name: object, candidates: Iterable[str]) -> str:
    """What a message about an unknown name ends with: the names that look like it, else all there are.

    Example:
        >>> near_misses("serch", ["search", "judge"])
        "; did you mean 'search'?"
    """
    known = list(candidates)
    near = similar(str(name), known)
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    return f"; there are {', '.join(map(repr, known))}" if known else "; there are none"


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


class SettingWarning(UserWarning):
    """A variable `EMBER_JIT_*` has a value that cannot be, or there is none of that name. [EMB007]"""


class EffectViolation(EmberError, AssertionError):
    """`effects.verify` saw a declared operator do what its label rules out."""

    code = "EMB020"


class LabelWarning(UserWarning):
    """`__effects__` holds something that is no label: `__effects__ = "query"`, in quotes. [EMB021]"""


class RecordedValueError(EmberError, TypeError):
    """The value of a recorded call was needed while it was only recorded: `if x:` under `autograph()`."""

    code = "EMB030"


class RecordingError(EmberError, RuntimeError):
    """A recording was used where it cannot be: nested, unfinished, or with another graph's values."""

    code = "EMB031"


class GraphError(EmberError, ValueError):
    """A graph cannot be built like that: a cycle, or a name that is taken."""

    code = "EMB032"


class UnknownNodeError(EmberError, KeyError):
    """A graph, or its results, have nothing of that name: `results["answr"]`."""

    code = "EMB033"

    def __str__(self) -> str:
        """The message itself; `KeyError` would show it in quotes."""
        return str(self.args[0])


class GraphInputError(EmberError, ValueError):
    """The inputs of a graph are not those that it declares: one is missing, or unknown."""

    code = "EMB034"


class UnboundNodeError(EmberError, RuntimeError):
    """A graph that was read from JSON is executed before its callables are bound again."""

    code = "EMB035"


class ExecutionTimeout(EmberError, TimeoutError):
    """`execute(graph, options=execution_options(timeout=...))` ran out of time."""

    code = "EMB036"


class BatchError(EmberError, ValueError):
    """`vmap` or `mesh_sharded` cannot take its inputs apart: `vmap(f)(inputs={"a": [1], "b": [1, 2]})`."""

    code = "EMB040"


class WorkerError(EmberError, RuntimeError):
    """A worker process died before it had finished: `pmap(lambda item: os.abort(), backend="processes")`."""

    code = "EMB041"


class ShippingError(EmberError, TypeError):
    """Something cannot go to a worker process or come back: `pmap(lambda item: threading.Lock(), backend="processes")`."""

    code = "EMB042"


class BundleError(EmberError, ValueError):
    """A bundle cannot be written, or what is to be loaded is none: damaged, tampered with, or another file."""

    code = "EMB060"


class BundleWarning(UserWarning):
    """A bundle is whole, but does not fit: another Python, another ember_jit, source that has changed. [EMB061]"""


class GeneratedCodeError(EmberError, ValueError):
    """Edited generated code cannot be put in place: another function's, or it does not compile: `run --generated`."""

    code = "EMB062"


class InternalCompilerWarning(UserWarning):
    """A stage of the compiler failed (a bug in ember_jit); the plain code runs instead. [EMB010]"""


class DependencyWarning(UserWarning):
    """A library that ember_jit uses is missing or broken; it does without, and says what is lost. [EMB050]"""


class MissingExtraError(EmberError, ImportError):
    """Something needs a library that is not installed: `timeline.to_opentelemetry()`."""

    code = "EMB053"


class UncopyableError(EmberError, TypeError):
    """`testing.assert_same` cannot copy an operator or its inputs: one of them holds a lock or a socket."""

    code = "EMB051"


class ClockStalledError(EmberError, RuntimeError):
    """The time of a `testing.fake_clock` cannot go on: a thread that takes part neither sleeps nor waits."""

    code = "EMB052"
