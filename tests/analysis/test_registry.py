"""The registry knows callables by what they are, never by what they are called."""

from __future__ import annotations

import bisect
import builtins
import collections
import copy
import dataclasses
import datetime
import decimal
import functools
import hashlib
import heapq
import importlib
import inspect
import io
import itertools
import json
import logging
import math
import operator
import os
import pathlib
import random
import re
import statistics
import string
import subprocess
import sys
import textwrap
import threading
import time
import types
import urllib.parse
import urllib.request
import uuid
from math import sqrt as s

import pytest

from ember_jit.compiler.analysis import registry
from ember_jit.compiler.analysis.registry import (
    GLUE_BUILTINS,
    MUTATORS,
    PURE_METHOD_NAMES,
    by_name,
    by_type,
    class_method,
    deferrable,
    lookup,
    method,
    methods_of_kind,
    plain_methods,
    resolve,
)
from ember_jit.compiler.analysis.registry.known import Known
from ember_jit.compiler.analysis.registry.method_tables import CLASS_METHODS, METHODS
from ember_jit.compiler.analysis.registry.numpy_tables import NUMPY_METHODS
from ember_jit.compiler.analysis.registry.stdlib_tables import STDLIB

VERSIONED = frozenset(  # names that only some of the supported versions have
    "batched cbrt copy copy_into exp2 fma from_number full_match group info is_integer is_junction is_none is_not_none "
    "locked move move_into owner resize splitroot sumprod walk with_segments z85decode z85encode".split()
)


@pytest.mark.parametrize(
    ("obj", "kind"),
    [
        (len, "pure"),
        (s, "pure"),
        (sorted, "pure"),
        (time.sleep, "pure"),
        (functools.reduce, "pure"),
        (functools.partial, "pure"),
        (json.dumps, "pure"),
        (re.compile, "pure"),
        (hashlib.sha256, "pure"),
        (urllib.parse.urlsplit, "pure"),
        (urllib.parse.quote, "pure"),
        (statistics.mean, "pure"),
        (textwrap.dedent, "pure"),
        (copy.deepcopy, "pure"),
        (heapq.nlargest, "pure"),
        (bisect.bisect, "pure"),
        (uuid.UUID, "pure"),
        (uuid.uuid5, "pure"),
        (collections.Counter, "pure"),
        (collections.OrderedDict, "pure"),
        (datetime.datetime, "pure"),
        (datetime.datetime.fromisoformat, "pure"),
        (dict.fromkeys, "pure"),
        (str.maketrans, "pure"),
        (itertools.chain.from_iterable, "pure"),
        ("".join, "pure"),
        (str.strip, "pure"),
        ({}.get, "pure"),
        (collections.Counter("ab").most_common, "pure"),
        (re.compile("a").search, "pure"),
        (pathlib.Path("a").joinpath, "pure"),
        (ValueError, "pure"),
        (os.path.join, "pure"),
        (urllib.request.urlopen, "query"),
        (print, "unknown"),
        (input, "unknown"),
        (open, "unknown"),
        (id, "unknown"),
        (getattr, "unknown"),
        (next, "unknown"),
        (random.random, "unknown"),
        (random.choice, "unknown"),
        (random.Random().random, "unknown"),
        (time.time, "unknown"),
        (time.perf_counter, "unknown"),
        (datetime.datetime.now, "unknown"),
        (uuid.uuid4, "unknown"),
        (os.getcwd, "unknown"),
        (os.listdir, "unknown"),
        (os.path.exists, "unknown"),
        (sys.getrefcount, "unknown"),
        (subprocess.run, "unknown"),
        (threading.Lock, "unknown"),
        (threading.Event, "unknown"),
        (threading.Event().set, "unknown"),
        (threading.Lock().acquire, "unknown"),
        (heapq.heappush, "unknown"),
        (bisect.insort, "unknown"),
        (operator.iadd, "unknown"),
        (operator.setitem, "unknown"),
        (decimal.Decimal, "unknown"),
        ([].append, "unknown"),
        (list.append, "unknown"),
        ({}.setdefault, "unknown"),
        ([].sort, "unknown"),
        (logging.info, "unknown"),
        (pathlib.Path("a").read_text, "unknown"),
    ],
)
def test_kind(obj: object, kind: str) -> None:
    known = lookup(obj)
    assert known is not None
    assert known.kind == kind
    assert known.evidence


class Hostile:
    """Whatever is asked of it, it fails the test."""

    def __getattribute__(self, name: str) -> object:
        pytest.fail(f"read {name}")

    def __eq__(self, other: object) -> bool:
        pytest.fail("compared")

    def __hash__(self) -> int:
        pytest.fail("hashed")

    def __call__(self) -> None:
        pytest.fail("called")


class HostileMeta(type):
    def __getattribute__(cls, name: str) -> object:
        pytest.fail(f"read {name}")

    def __eq__(cls, other: object) -> bool:
        pytest.fail("compared")

    def __hash__(cls) -> int:
        pytest.fail("hashed")


def test_no_user_code_runs() -> None:
    hostile = Hostile()
    cls = HostileMeta("cls", (), {})
    assert lookup(hostile) is None
    assert lookup(cls) is None
    assert lookup(object.__new__(cls)) is None
    assert method(cls, "get") is None
    assert class_method(cls, "get") is None
    assert not deferrable(hostile)
    assert lookup(types.MethodType(lambda self: 0, hostile)) is None


def test_a_name_proves_nothing() -> None:
    def len(x: object) -> int:
        return 0

    def dedent(x: object) -> object:
        return x

    len.__module__ = "builtins"
    len.__qualname__ = "len"
    assert lookup(len) is None
    assert lookup(functools.wraps(textwrap.dedent)(dedent)) is None
    assert lookup(lambda x: x) is None
    assert lookup(functools.lru_cache(dedent)) is None
    assert lookup(type("Fraction", (), {"__module__": "fractions"})) is None
    assert lookup(type("mydict", (dict,), {})().get) is None
    assert lookup(functools.partial(print)) is None


def fresh_objects() -> resolve._Objects:
    """A registry that has not resolved anything yet."""
    return resolve._Objects()


def test_a_patched_builtin_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    real = max

    def fake(*args: object) -> object:
        return real(*args)

    monkeypatch.setattr(builtins, "max", functools.wraps(real)(fake))
    objects = fresh_objects()
    assert lookup(builtins.max) is None
    assert objects.get(builtins.max) is None
    assert objects.get(real) is None  # not found where it should be: not known, only slow
    monkeypatch.undo()
    assert objects.get(max) is not None


@pytest.mark.parametrize(
    ("module", "name"),
    [("textwrap", "dedent"), ("math", "sqrt"), ("fractions", "Fraction"), ("logging", "info")],
)
def test_a_patched_module_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str
) -> None:
    home = importlib.import_module(module)
    real = getattr(home, name)
    if isinstance(real, type):
        fake: object = type(name, (real,), {})
    else:

        @functools.wraps(real)
        def fake(*args: object) -> object:
            return real(*args)

    monkeypatch.setattr(home, name, fake)
    objects = fresh_objects()
    assert objects.get(fake) is None
    assert not objects.deferrable(fake)
    monkeypatch.undo()
    assert objects.get(real) is not None


def test_a_module_of_the_program_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's own `statistics.py`."""
    fake = types.ModuleType("statistics")
    fake.__file__ = os.path.join(os.getcwd(), "statistics.py")
    exec("def mean(xs): return seen.append(xs)", fake.__dict__)
    monkeypatch.setitem(sys.modules, "statistics", fake)
    assert fresh_objects().get(fake.mean) is None


def test_replaced_code_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lookup(string.capwords) is not None
    monkeypatch.setattr(string.capwords, "__code__", (lambda s, sep=None: s).__code__)
    assert lookup(string.capwords) is None


def test_a_patched_method_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    assert method(collections.Counter, "most_common") is not None
    monkeypatch.setattr(collections.Counter, "most_common", lambda self: [])
    assert method(collections.Counter, "most_common") is None
    assert lookup(collections.Counter().most_common) is None


def test_import_is_light() -> None:
    code = (
        "import dataclasses, typing, abc, functools, os, sys, ember_jit\n"
        "before = set(sys.modules)\n"
        "from ember_jit.compiler.analysis import registry\n"
        "registry.lookup(len); registry.lookup(lambda: 0); registry.method(str, 'strip')\n"
        "print(*sorted(m for m in set(sys.modules) - before if not m.startswith('ember_jit')))\n"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= {"__future__"}


def test_a_lookup_touches_what_it_needs() -> None:
    """The tables of NumPy, of the clients and of other modules stay unread until something of theirs is looked up."""
    objects = fresh_objects()
    assert objects.resolved() == frozenset()
    objects.get(lambda: 0)
    objects.get(Hostile)
    objects.get(object.__new__(Hostile))
    assert objects.resolved() == frozenset()
    objects.get(len)
    assert objects.resolved() == {"builtins"}
    objects.get(json.dumps)
    assert objects.resolved() == {"builtins", "json"}
    objects.get(threading.Lock)  # a function of `_thread`
    assert objects.resolved() == {"builtins", "json", "threading"}


def test_entries_are_made_when_they_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(resolve, "named", lambda known, title: made.append(title) or known)
    objects = fresh_objects()
    objects.get(len)
    objects.get(len)
    objects.get(ValueError)
    assert made == ["builtin len()", "builtin ValueError()"]


def test_a_method_name_touches_the_types_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    types_ = by_type.Types(METHODS | NUMPY_METHODS)
    monkeypatch.setattr(by_name, "INSTANCE_METHODS", types_)
    names = by_name.PureMethodNames()
    assert "surely_not" not in names
    assert types_.resolved() == frozenset()
    assert "strip" in names
    assert {cls.__module__ for cls in types_.resolved()} == {"builtins"}


def test_methods_by_name_alone() -> None:
    assert {known.kind for known in plain_methods("strip")} == {"pure"}
    assert {known.kind for known in plain_methods("partition")} == {
        "pure",
        "unknown",
    }  # ndarray.partition sorts in place
    assert plain_methods("surely_not") == ()
    assert [known.resource for known in methods_of_kind("list", "append")] == ["receiver"]


def test_lookup_is_stable_and_needs_no_names() -> None:
    alias = math.sqrt
    assert lookup(alias) is lookup(math.sqrt)
    assert lookup(print) is lookup(builtins.print)


@pytest.mark.parametrize("table", [METHODS, CLASS_METHODS], ids=["methods", "class methods"])
def test_every_method_exists(table: dict[str, registry.known.Rows]) -> None:
    for path, rows in table.items():
        module, _, name = path.partition(":")
        try:
            cls = getattr(importlib.import_module(module), name, None)
        except ImportError:
            continue
        if cls is None:
            continue
        names = [each for _, words in rows for each in words.split()]
        assert len(names) == len(set(names)), f"{path} names something twice"
        for each in names:
            if not hasattr(cls, each):
                assert each in VERSIONED, f"{path} has no {each}"
            elif table is METHODS:
                assert method(cls, each) is not None, f"{path}.{each}"
            else:
                assert class_method(cls, each) is not None, f"{path}.{each}"


def test_every_function_resolves() -> None:
    missing = []
    for module, rows in STDLIB.items():
        space = vars(importlib.import_module(module))
        for _, words in rows:
            for name in words.split():
                if name in space and (known := lookup(space[name])) is None:
                    missing.append(f"{module}.{name}")
                elif name in space:
                    assert known is not None and known.kind == "pure", f"{module}.{name}"
                else:
                    assert name in VERSIONED, f"{module}.{name}"
    assert not missing


def every_entry() -> list[Known]:
    entries = [known for _, known in resolve.OBJECTS.entries()]
    for types_ in (resolve.INSTANCE_METHODS, resolve.TYPE_METHODS):
        entries += [known for _, table in types_.entries() for known in table.values()]
    return entries


def test_entries_are_consistent() -> None:
    for known in every_entry():
        assert known.kind in ("pure", "query", "unknown"), known
        assert known.evidence, known
        assert (known.kind == "unknown") == (known.resource is not None), known
        assert known.protocol or not known.shallow, known
        assert not (known.fresh and known.lazy), known
        assert not (known.kind == "pure" and known.blocking) or "sleep" in known.evidence, known
        if known.lazy:
            assert known.retains, known


def test_names() -> None:
    for name in GLUE_BUILTINS:
        known = lookup(getattr(builtins, name))
        assert known is not None and known.kind == "pure", name
    assert {"print", "id", "getattr", "open", "next"}.isdisjoint(GLUE_BUILTINS)
    assert dict in PURE_METHOD_NAMES["get"]
    assert {str, bytes} <= PURE_METHOD_NAMES["strip"]
    assert list not in PURE_METHOD_NAMES.get("sort", ())
    assert {list, dict, set} <= PURE_METHOD_NAMES["copy"]
    for cls in (
        list,
        dict,
        set,
        bytearray,
        collections.deque,
        collections.Counter,
        collections.OrderedDict,
    ):
        for name in MUTATORS:
            if hasattr(cls, name) and not name.startswith("__"):
                known = method(cls, name)
                assert known is not None and known.resource == "receiver", (cls, name)
                assert cls not in PURE_METHOD_NAMES.get(name, ()), (cls, name)


def test_every_public_method_of_a_container_is_listed() -> None:
    for cls in (list, dict, set, frozenset, tuple, bytearray, bytes, collections.deque):
        for name in dir(cls):
            member = inspect.getattr_static(cls, name)
            if not name.startswith("_") and isinstance(member, types.MethodDescriptorType):
                known = method(cls, name)
                assert known is not None, (cls, name)
                if known.kind == "pure":
                    assert name not in MUTATORS, (cls, name)


def test_flags() -> None:
    flags = {
        "calls_args": (map, sorted, filter, functools.reduce, min, max, re.sub, heapq.nlargest),
        "lazy": (map, zip, filter, enumerate, iter, reversed, itertools.chain),
        "retains": (zip, enumerate, iter, functools.partial, max, sum, tuple, dict),
        "protocol": (
            len,
            str,
            sorted,
            format,
            hash,
            sum,
            min,
            repr,
            copy.copy,
            dataclasses.replace,
        ),
        "consumes": (list, sorted, sum, any, "".join, set, collections.deque),
        "blocking": (time.sleep, urllib.request.urlopen),
        "shallow": (len, list, tuple, bool),
    }
    for flag, objects in flags.items():
        for obj in objects:
            assert getattr(lookup(obj), flag), (flag, obj)
    for obj, fresh in [
        (sorted, "list"),
        (list, "list"),
        ("a".split, "list"),
        (set, "set"),
        ({}.copy, "dict"),
    ]:
        assert lookup(obj).fresh == fresh
    assert not lookup(list).retains
    assert not lookup(callable).protocol
    assert lookup(type).max_args == 1
    assert "utf-8" in method(str, "encode").literals
    assert method(dict, "get").untouched == {1}
    assert lookup(dict.get).untouched == {2}
    assert lookup(list.append).resource == "argument"
    assert lookup([].append).resource == "receiver"


def test_deferrable() -> None:
    logger = logging.getLogger("test")
    for obj in (
        print,
        logging.info,
        logging.exception,
        logger.info,
        logger.log,
        logging.getLogger().error,
    ):
        assert deferrable(obj), obj

    class Mine(logging.Logger):
        def handle(self, record: logging.LogRecord) -> None:
            pytest.fail("ran")

    for obj in (
        input,
        len,
        Mine("x").info,
        logger.setLevel,
        logger.addHandler,
        logging.basicConfig,
        lambda: print(),
    ):
        assert not deferrable(obj), obj


SAMPLES: list[tuple[object, ...]] = [
    ([3, 1, 2],),
    ("b a",),
    (b"ab",),
    (7,),
    (2.5,),
    ({"a": [1]},),
    ({1, 2},),
    ((1, 2),),
    (bytearray(b"ab"),),
    ([1, 2], [3, 4]),
    ("ab", "a"),
    (5, 3),
    (3, [1, 2, 3]),
    (len, [[1], [2, 3]]),
    ([3.0, 1.0], [1.0, 2.0]),
]
SKIPPED = {time.sleep, breakpoint}


def test_pure_functions_leave_their_arguments_alone(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever a "pure" entry makes of plain arguments, they are as before; and nothing is printed."""
    for module in STDLIB:
        importlib.import_module(module)
    lookup(len)
    called = 0
    for obj, known in resolve.OBJECTS.entries():
        if known.kind != "pure" or obj in SKIPPED or known.evidence.startswith(("numpy", "scrypt")):
            continue
        for sample in SAMPLES:
            args = copy.deepcopy(sample)
            before = repr(args)
            state = random.getstate()
            try:
                result = obj(*args)
                if known.lazy:
                    for _ in itertools.islice(result, 5):
                        pass
            except (Exception, SystemExit):
                pass
            else:
                called += 1
                if known.fresh is not None:
                    assert all(result is not arg for arg in args), known
                    expected = known.fresh
                    assert (
                        expected in ("HASH", "handle")
                        or type(result).__name__ == expected
                        or isinstance(result, BaseException)
                    ), (known, type(result))
                if not known.retains and type(result) in (list, dict, set, bytearray):
                    assert all(result is not arg for arg in args), known
            assert repr(args) == before, (known, sample)
            assert random.getstate() == state, known
    assert called > 800
    out, _ = capfd.readouterr()
    assert out == ""


RECEIVERS = [
    "a b",
    b"a b",
    bytearray(b"ab"),
    [3, 1],
    (3, 1),
    {"a": 1},
    {1, 2},
    frozenset({1}),
    7,
    True,
    2.5,
    1j,
    range(3),
]
RECEIVERS += [collections.deque([1, 2]), collections.Counter("aab"), collections.OrderedDict(a=1)]
RECEIVERS += [
    collections.defaultdict(list, a=[1]),
    io.StringIO("abc"),
    datetime.datetime(2020, 1, 1),
    pathlib.Path("a"),
]


@pytest.mark.parametrize("receiver", RECEIVERS, ids=lambda r: type(r).__name__)
def test_pure_methods_leave_their_receiver_alone(receiver: object) -> None:
    def state() -> str:
        return receiver.getvalue() if isinstance(receiver, io.StringIO) else repr(receiver)

    table = next(
        table for cls, table in resolve.INSTANCE_METHODS.entries() if cls is type(receiver)
    )
    for name, known in table.items():
        if known.kind != "pure" or not hasattr(receiver, name):
            continue
        before = state()
        for args in [
            (),
            ("a",),
            (1,),
            (b"a",),
            ([1],),
            ("a", "b"),
            ({"a": 2},),
            (["x"], 1),
            ("a", []),
        ]:
            if known.max_args is not None and len(args) > known.max_args:
                continue
            try:
                result = getattr(receiver, name)(*args)
            except Exception:
                continue
            assert state() == before, (name, args)
            if known.fresh:
                assert result is not receiver and type(result).__name__ == known.fresh, (name, args)
            if not known.retains and not isinstance(
                receiver, (str, bytes, int, float, complex, tuple)
            ):
                assert result is not receiver, (name, args)


def test_numpy_tables() -> None:
    np = pytest.importorskip("numpy")
    for module in ("numpy.linalg", "numpy.fft", "numpy.random"):
        importlib.import_module(module)
    for name in (
        "exp",
        "add",
        "sum",
        "mean",
        "dot",
        "argsort",
        "array",
        "zeros",
        "where",
        "float64",
        "eye",
    ):
        known = lookup(getattr(np, name))
        assert known is not None and known.kind == "pure" and known.protocol, name
    assert lookup(np.linalg.norm).kind == lookup(np.fft.fft).kind == "pure"
    assert lookup(np.frompyfunc(len, 1, 1)) is None
    assert lookup(np.vectorize(len)) is None
    for obj in (
        np.copyto,
        np.put,
        np.random.rand,
        np.random.default_rng,
        np.save,
        np.seterr,
        np.zeros(1).sort,
    ):
        assert lookup(obj).kind == "unknown", obj
    assert lookup(np.zeros(1).sum).fresh == "ndarray"
    for obj, known in resolve.OBJECTS.entries():
        if known.kind != "pure" or not known.evidence.startswith("numpy"):
            continue
        if isinstance(obj, np.ufunc):
            assert known.max_args == obj.nin and "out" in known.bad_keywords, known
            continue
        try:
            words = list(inspect.signature(obj).parameters.values())
        except (ValueError, TypeError):
            continue
        positional = [
            w.name for w in words if w.kind in (w.POSITIONAL_ONLY, w.POSITIONAL_OR_KEYWORD)
        ]
        for danger in ("out", "overwrite_input", "copy", "mode"):
            if danger not in {w.name for w in words} or (
                danger in ("copy", "mode") and known.fresh is None
            ):
                continue
            if danger == "mode" and "mode" not in known.bad_keywords:
                continue
            if danger == "copy" and known.evidence == "numpy.copy":
                continue
            assert danger in known.bad_keywords, known
            if danger in positional:
                assert known.max_args is not None and known.max_args <= positional.index(danger), (
                    known
                )


def test_numpy_fresh_arrays() -> None:
    np = pytest.importorskip("numpy")
    for obj, known in resolve.OBJECTS.entries():
        if known.fresh != "ndarray":
            continue
        for args in [
            (np.eye(2),),
            (np.eye(2), np.eye(2)),
            (np.arange(3.0),),
            (np.arange(3), 1),
            (np.int64(3),),
            (2,),
        ]:
            before = repr(args)
            if known.max_args is not None and len(args) > known.max_args:
                continue
            try:
                with np.errstate(all="ignore"):
                    result = obj(*args)
            except Exception:
                continue
            assert repr(args) == before, known
            if isinstance(result, np.ndarray):
                assert not any(
                    np.shares_memory(result, a) for a in args if isinstance(a, np.ndarray)
                ), known
            else:
                assert isinstance(result, (np.generic, int, float, bool, complex)), (
                    known,
                    type(result),
                )


CLIENTS = [
    ("requests", "get", None),
    ("requests", "Session.get", "Session"),
    ("httpx", "get", None),
    ("httpx", "Client.get", "Client"),
    ("openai.resources.chat.completions", "Completions.create", "Completions"),
    ("openai.resources.responses", "Responses.create", "Responses"),
    ("openai.resources.embeddings", "Embeddings.create", "Embeddings"),
    ("anthropic.resources.messages", "Messages.create", "Messages"),
    ("google.genai.models", "Models.generate_content", "Models"),
    ("google.genai.models", "Models.embed_content", "Models"),
    ("ollama", "chat", None),
    ("ollama", "Client.generate", "Client"),
    ("cohere", "ClientV2.chat", "ClientV2"),
    ("cohere", "Client.rerank", "Client"),
    ("groq.resources.chat.completions", "Completions.create", "Completions"),
    ("mistralai.client.chat", "Chat.complete", "Chat"),
]


@pytest.mark.parametrize(("module", "path", "owner"), CLIENTS)
def test_clients_that_are_installed(module: str, path: str, owner: str | None) -> None:
    home = pytest.importorskip(module, exc_type=ImportError)
    obj = home
    for part in path.split("."):
        obj = getattr(obj, part)
    known = lookup(obj)
    assert known is not None and known.kind == "query" and known.fresh == "handle", known
    if owner is None:
        return
    cls = getattr(home, owner)
    receiver = object.__new__(cls)
    assert lookup(types.MethodType(obj, receiver)).kind == "query"
    mine = object.__new__(type(owner, (cls,), {"__module__": __name__}))
    assert lookup(types.MethodType(obj, mine)) is None


@pytest.fixture
def fake_client(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A package laid out like `openai`, so that the rules are tested where it is not installed."""
    name = "openai.resources.embeddings"
    module = types.ModuleType(name)
    source = "class Embeddings:\n    def create(self, **kw): ...\n    def delete(self): ...\n"
    exec(source, module.__dict__)
    monkeypatch.setitem(sys.modules, name, module)
    return module


def test_client_methods(fake_client: types.ModuleType) -> None:
    cls = fake_client.Embeddings
    known = lookup(cls().create)
    assert known is not None and (known.kind, known.blocking, known.fresh) == (
        "query",
        True,
        "handle",
    )
    assert known.receiver == "openai.resources.embeddings.Embeddings"
    assert "stream" in known.bad_keywords
    assert lookup(cls().delete) is None
    assert lookup(type("Embeddings", (cls,), {})().create) is None

    @functools.wraps(cls.create)
    def spy(self: object, **words: object) -> None: ...

    assert lookup(spy) is None
