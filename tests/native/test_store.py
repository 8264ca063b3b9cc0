"""The cache on disk: what is sound comes back, everything else is absent and replaced."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from ember_jit.runtime.native import store as store_module
from ember_jit.runtime.native.store import Store

PARTS = {"kernel": b"\x7fELF" + bytes(range(256)), "entry": b"", "pool": b"pool"}


@pytest.fixture
def cache(tmp_path):
    return Store(tmp_path / "kernels", 1 << 20)


def only_file(cache):
    (path,) = cache.folder.glob("*/*.kernel")
    return path


def test_what_is_put_comes_back(cache):
    assert cache.get("key") is None
    assert cache.put("key", PARTS, {"program": "x * 2"})
    assert cache.get("key") == PARTS
    assert cache.get("other") is None
    assert (cache.usage().files, cache.usage().size) == (1, only_file(cache).stat().st_size)
    assert b"x * 2" in only_file(cache).read_bytes()


def test_a_later_put_replaces(cache):
    cache.put("key", PARTS, {})
    cache.put("key", {"kernel": b"better"}, {})
    assert cache.get("key") == {"kernel": b"better"}
    assert cache.usage().files == 1


def test_every_truncation_is_absent_and_replaced(cache):
    cache.put("key", PARTS, {})
    path = only_file(cache)
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        assert cache.get("key") is None
    path.write_bytes(data + b"\0")
    assert cache.get("key") is None
    cache.put("key", PARTS, {})
    assert cache.get("key") == PARTS


def test_every_changed_byte_is_absent(cache):
    cache.put("key", PARTS, {})
    path = only_file(cache)
    data = path.read_bytes()
    for index in range(len(data)):
        path.write_bytes(data[:index] + bytes([data[index] ^ 0x40]) + data[index + 1 :])
        assert cache.get("key") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"key": "key"}',
        b'{"key": "key", "parts": {"kernel": "x"}}',
        b'{"key": "key", "parts": {"kernel": 999}}',
        b'{"key": "else", "parts": {}}',
        b"\xff",
    ],
)
def test_a_foreign_file_with_a_right_hash_is_absent(cache, body):
    cache.put("key", PARTS, {})
    rest = len(body).to_bytes(4, "little") + body
    digest = store_module._HASH(rest).digest()
    only_file(cache).write_bytes(store_module.MAGIC + digest + rest)
    assert cache.get("key") is None


def test_files_that_others_may_write_are_not_read(cache, monkeypatch):
    cache.put("key", PARTS, {})
    path = only_file(cache)
    assert path.stat().st_mode & 0o77 == 0
    path.chmod(0o666)
    assert cache.get("key") is None
    path.chmod(0o600)
    assert cache.get("key") == PARTS
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    assert cache.get("key") is None


def test_links_and_folders_are_not_read(cache, tmp_path):
    cache.put("key", PARTS, {})
    path = only_file(cache)
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert cache.get("key") is None
    path.unlink()
    path.mkdir()
    assert cache.get("key") is None
    assert not cache.put("key", PARTS, {})


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    cache = Store(tmp_path / "file" / "kernels", 1 << 20)
    assert not cache.put("key", PARTS, {})
    assert cache.get("key") is None
    assert cache.usage().files == 0


def test_the_least_recently_used_go(cache):
    size = 1000
    for number in range(4):
        cache.put(f"key{number}", {"kernel": bytes(size)}, {})
        os.utime(cache._path(f"key{number}"), (number, number))
    assert cache.get("key0") is not None  # used: now the newest
    cache.limit = 3 * cache._path("key1").stat().st_size
    cache.put("key4", {"kernel": bytes(size)}, {})
    assert [cache.get(f"key{number}") is not None for number in range(5)] == [
        True,
        False,
        False,
        True,
        True,
    ]


def test_what_writers_left_half_done_is_removed(cache):
    cache.put("key", PARTS, {})
    old, new = (only_file(cache).parent / f"{name}.tmp" for name in ("old", "new"))
    old.write_bytes(b"")
    new.write_bytes(b"")
    os.utime(old, (0, 0))
    cache.put("key", PARTS, {})
    assert (old.exists(), new.exists()) == (False, True)
    (cache.folder / "00").mkdir(exist_ok=True)
    mine = cache.folder / "00" / "notes.txt"
    mine.write_text("not ours")
    assert cache.clear().files == 1
    assert (new.exists(), mine.exists()) == (False, True)


def test_writers_and_readers_at_once(cache):
    """Every read sees all of one version or nothing."""
    versions = [{"kernel": bytes([number]) * 50_000} for number in range(4)]
    start = threading.Barrier(6)
    seen = []

    def write(mine):
        start.wait()
        for _ in range(50):
            cache.put("key", mine, {})

    def read():
        start.wait()
        for _ in range(200):
            seen.append(cache.get("key"))

    threads = [threading.Thread(target=write, args=(each,)) for each in versions]
    threads += [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(each is None or each in versions for each in seen)
    assert cache.get("key") in versions
    assert not list(cache.folder.glob("*/*.tmp"))


# ------------------------------------------------------------------ kernels, across processes
WARM = """
import sys
import numpy as np
from ember_jit.ir.program import Builder
from ember_jit.runtime.native.entries import enter, kept
from ember_jit.compiler.kernels.signatures import signature_of
from ember_jit.runtime.native.miss import MISS

build = Builder()
x, a = build.input("d"), build.input("d", "scalar")
program = build.program(build.op("exp", build.op("multiply", x, a)))
signature = signature_of(program, 1)
parts = kept(program, signature)
if parts is None:
    from ember_jit.compiler.kernels import compile_object
    from ember_jit.compiler.kernels.entry import make_entry
    run = make_entry(program, compile_object(program))
    print("compiled")
else:
    run = enter(parts)
    assert not {"numba", "llvmlite", "ember_jit.compiler.kernels.module"} & sys.modules.keys()
    print("kept")
x = np.linspace(-3, 3, 999)
assert run(x, 0.5).tobytes() == np.exp(x * 0.5).tobytes()
assert run("x", 0.5) is MISS
"""


def process(folder):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WARM],
        env={**os.environ, "EMBER_JIT_CACHE": str(folder), "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.numeric
def test_a_warm_process_imports_no_compiler(tmp_path):
    pytest.importorskip("llvmlite")
    assert process(tmp_path) == "compiled"
    assert process(tmp_path) == "kept"
    for path in tmp_path.glob("kernels/*/*.kernel"):
        path.write_bytes(path.read_bytes()[:-1])
    assert process(tmp_path) == "compiled"
    assert process(tmp_path) == "kept"
    assert process("off") == "compiled"


# ------------------------------------------------------------------ the command line
def call(monkeypatch, place, *arguments):
    from click.testing import CliRunner

    from ember_jit.cli import main
    from ember_jit.config import config

    monkeypatch.setenv("EMBER_JIT_CACHE", str(place))
    for cached in (config, store_module.store):
        cached.cache_clear()
    try:
        return CliRunner().invoke(main, ["cache", *arguments])
    finally:
        monkeypatch.undo()
        for cached in (config, store_module.store):
            cached.cache_clear()


def test_info_and_clear(tmp_path, monkeypatch):
    cache = Store(tmp_path / "kernels", 1 << 20)
    cache.put("key", PARTS, {})
    size = cache.usage().size
    said = call(monkeypatch, tmp_path, "info")
    assert said.exit_code == 0
    assert said.output.split() == [
        "folder",
        str(tmp_path / "kernels"),
        "kernels",
        "1",
        "bytes",
        str(size),
        "of",
        str(256 << 20),
    ]
    assert f"removed 1 kernels ({size} bytes)" in call(monkeypatch, tmp_path, "clear").output
    assert "kernels 0" in call(monkeypatch, tmp_path, "info").output


def test_a_cache_that_is_off(monkeypatch):
    for command in ("info", "clear"):
        said = call(monkeypatch, "off", command)
        assert (said.exit_code, said.output) == (0, "the cache is off (EMBER_JIT_CACHE=off)\n")
