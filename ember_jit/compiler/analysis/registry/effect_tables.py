"""Callables known to have an effect, so that `explain()` can say which."""

from __future__ import annotations

from ember_jit.compiler.analysis.registry.known import Known, Rows, effect

_CLOCK = effect("reads the clock", "clock")
_RNG = effect("draws from the global random generator", "rng")
_LOG = effect("writes a log record", "log")
_LOG_NAMES = "debug info warning warn error exception critical fatal log"
_CHANGES = effect("changes its argument", "argument")

EFFECTS: dict[str, Rows] = {
    "time": (
        (
            _CLOCK,
            "time time_ns monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns thread_time "
            "thread_time_ns localtime gmtime ctime asctime strftime clock_gettime clock_gettime_ns",
        ),
        (effect("reads the local time zone", "clock"), "mktime strptime"),
        (effect("changes the time zone or the clock", "clock"), "tzset clock_settime"),
    ),
    "random": (
        (
            _RNG,
            "random uniform triangular randint choice randrange sample shuffle choices normalvariate lognormvariate "
            "expovariate vonmisesvariate gammavariate gauss betavariate binomialvariate paretovariate weibullvariate "
            "getrandbits randbytes seed getstate setstate",
        ),
        (effect("may seed itself from the system", "rng"), "Random SystemRandom"),
    ),
    "numpy.random": (
        (
            _RNG,
            "rand randn randint random random_sample random_integers ranf sample choice shuffle permutation seed "
            "get_state set_state normal uniform standard_normal beta binomial exponential gamma poisson bytes "
            "multivariate_normal lognormal laplace multinomial dirichlet",
        ),
        (effect("may seed itself from the system", "rng"), "default_rng RandomState"),
    ),
    "uuid": (
        (
            effect("draws randomness or reads the clock", "rng"),
            "uuid1 uuid4 uuid6 uuid7 uuid8 getnode",
        ),
    ),
    "secrets": (
        (
            effect("draws randomness", "rng"),
            "choice randbelow randbits token_bytes token_hex token_urlsafe",
        ),
    ),
    "heapq": (
        (
            _CHANGES,
            "heapify heappush heappop heappushpop heapreplace heapify_max heappush_max heappop_max heappushpop_max "
            "heapreplace_max",
        ),
    ),
    "bisect": ((_CHANGES, "insort insort_left insort_right"),),
    "struct": ((_CHANGES, "pack_into"),),
    "operator": (
        (
            _CHANGES,
            "setitem delitem iadd iand iconcat ifloordiv ilshift imatmul imod imul ior ipow irshift isub itruediv ixor",
        ),
        (effect("calls its argument", "argument", calls_args=True), "call"),
    ),
    "re": ((effect("empties the pattern cache", "process"), "purge"),),
    "decimal": (
        (effect("may set a flag in the decimal context", "decimal context"), "Decimal"),
        (
            effect("changes or hands out the decimal context", "decimal context"),
            "getcontext setcontext localcontext",
        ),
    ),
    "threading": (
        (
            effect("makes a lock or a thread", "thread"),
            "Lock RLock Condition Semaphore BoundedSemaphore Event Barrier Thread Timer local",
        ),
    ),
    "logging": ((_LOG, _LOG_NAMES),),
    "functools": (
        (
            effect("makes a cache that later calls share", "process"),
            "lru_cache cache cached_property singledispatch",
        ),
    ),
    "collections": ((effect("creates a class", "process"), "namedtuple"),),
    "json": ((effect("reads or writes a file", "filesystem", blocking=True), "load dump"),),
}

DEFERRABLE: dict[str, str] = {
    "builtins": "print",
    "logging": _LOG_NAMES,
}
"""Functions whose output may wait until the call's turn comes (DESIGN 3)."""

DEFERRABLE_METHODS: frozenset[str] = frozenset(_LOG_NAMES.split())
"""Methods of an exact `logging.Logger` that may wait likewise."""


def _module(reason: str, resource: str, names: str, blocking: bool = False) -> dict[str, Known]:
    return dict.fromkeys(names.split(), effect(reason, resource, blocking=blocking))


EFFECT_MODULES: dict[str, Known] = {
    **_module(
        "acts on the operating system",
        "process",
        "os posix nt signal ctypes _ctypes resource pwd fcntl mmap",
    ),
    **_module(
        "reads or changes the interpreter",
        "process",
        "sys gc inspect importlib atexit faulthandler locale",
    ),
    **_module(
        "uses the file system",
        "filesystem",
        "shutil tempfile glob _io io pathlib genericpath sqlite3",
        True,
    ),
    **_module(
        "runs or talks to another process",
        "process",
        "subprocess _posixsubprocess multiprocessing",
        True,
    ),
    **_module(
        "uses the network", "network", "socket _socket ssl _ssl select http smtplib ftplib", True
    ),
    **_module(
        "uses threads or locks",
        "thread",
        "threading _thread queue _queue asyncio concurrent contextvars",
    ),
    **_module("draws from a random generator", "rng", "random _random secrets"),
    **_module("writes a log record or a warning", "log", "logging warnings _warnings"),
    **_module("may run any code", "process", "pickle _pickle marshal shelve runpy code"),
}
"""Top-level modules whose functions, where no table names them, have this effect."""
