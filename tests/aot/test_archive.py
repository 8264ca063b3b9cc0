"""Damage: every byte of a bundle, every length, entries exchanged, names that lead elsewhere, bombs."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import ember_jit
from ember_jit import Operator, query
from ember_jit.aot import archive, loader, manifest
from ember_jit.aot.build import Builder
from ember_jit.errors import BundleError


@query
class Ask(Operator):
    def forward(self, *, inputs: str) -> str:
        return inputs


@ember_jit.structural_jit
class Two(Operator):
    def __init__(self) -> None:
        self.a, self.b = Ask(), Ask()

    def forward(self, *, inputs: str) -> tuple[str, str]:
        a = self.a(inputs=inputs)
        b = self.b(inputs=inputs)
        return a, b


@pytest.fixture(scope="module")
def data() -> bytes:
    """A small bundle."""
    maker = Builder()
    maker.add(Two())
    return maker.packed()


@pytest.fixture(autouse=True)
def nothing_is_unmarshalled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is read here, no code may come out of it."""

    def refuse(*args: object) -> None:
        raise AssertionError("code was unmarshalled while loading")

    monkeypatch.setattr(loader, "marshal", SimpleNamespace(loads=refuse))


def refused(data: bytes, text: str = "") -> str:
    with pytest.raises(BundleError) as caught:
        loader.Bundle("x.ember", data)
    assert text in str(caught.value), caught.value
    return str(caught.value)


def test_any_zip_tool_shows_it(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as found:
        assert found.testzip() is None
        assert found.namelist() == sorted(found.namelist())
        entries = {name: found.read(name) for name in found.namelist()}
    assert entries == archive.decode(data)
    assert {"manifest.json", "manifest.digest"} < entries.keys()
    assert archive.encode(entries) == data


def test_every_byte_counts(data: bytes) -> None:
    """Each byte in turn is changed in three ways; all are refused."""
    damaged = bytearray(data)
    for place in range(len(data)):
        for change in (0x01, 0x80, 0xFF):
            damaged[place] ^= change
            with pytest.raises(BundleError):
                loader.Bundle("x.ember", bytes(damaged))
            damaged[place] ^= change
    assert bytes(damaged) == data


def test_the_damaged_entry_is_named(data: bytes) -> None:
    entries = archive.decode(data)
    for name, body in entries.items():
        place = data.index(body)
        damaged = data[:place] + bytes([body[0] ^ 1]) + data[place + 1 :]
        refused(damaged, name)


def test_every_length_but_the_whole(data: bytes) -> None:
    for length in range(len(data)):
        refused(data[:length])
    refused(data + b"\0", "cut short, or something follows")
    refused(b"PK" + data)


def test_entries_exchanged(data: bytes) -> None:
    """With the right checksums of the zip file: the manifest's digests still tell."""
    entries = archive.decode(data)
    names = sorted(entries)
    for a, b in zip(names, names[1:], strict=False):
        refused(archive.encode({**entries, a: entries[b], b: entries[a]}))


def test_entries_added_removed_and_changed(data: bytes) -> None:
    entries = archive.decode(data)
    for name in entries:
        refused(archive.encode({each: body for each, body in entries.items() if each != name}))
        text = refused(archive.encode({**entries, name: entries[name] + b" "}))
        assert name in text or "manifest" in text
    refused(archive.encode({**entries, "units/more.code": b""}), "units/more.code is not in its")


def test_a_manifest_that_is_sealed_again_covers_what_it_says(data: bytes) -> None:
    """Who seals a bundle anew has made one; but what it says must still be of a form that is understood."""
    entries = archive.decode(data)
    good = json.loads(entries[manifest.MANIFEST])
    for broken in variants(good):
        text = json.dumps(broken).encode()
        seal = manifest.digest(text).encode()
        sealed = {**entries, manifest.MANIFEST: text, manifest.SEAL: seal}
        refused(archive.encode(sealed))


def variants(good: dict[str, object]) -> Iterator[object]:
    yield from (None, 3, [], "x", {}, {"format": 1})
    for name in good:
        yield (
            {key: value for key, value in good.items() if key != name}
            if name
            in (
                "format",
                "entries",
                "maker",
                "units",
            )
            else {**good, name: 3}
        )
        yield {**good, name: None}
    yield {**good, "format": 99}
    yield {**good, "more": 1}
    yield {**good, "units": [{"name": "x"}]}
    yield {**good, "maker": {"python": 3}}


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/x", "a/../../x", "a//x", "C:x", "a\\x", "a/b/c", ".x", "a/", "", "x\0y", "ä"],
)
def test_names_that_lead_elsewhere(data: bytes, name: str) -> None:
    with pytest.raises(BundleError, match="is no name for an entry"):
        archive.encode({name: b""})
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as file:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name
        file.writestr(info, b"data")
    refused(made.getvalue())


def test_a_bomb_is_refused_before_it_unfolds(data: bytes) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("units/bomb.code", b"\0" * 50_000_000)
    assert len(made.getvalue()) < 100_000
    refused(made.getvalue(), "units/bomb.code is compressed")


def test_entries_that_overlap_and_that_come_twice(data: bytes) -> None:
    """A zip file whose directory names one body many times is small and unfolds to much."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as file:
        file.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("a", b"2")
    refused(made.getvalue(), "twice")
    one = archive.encode({"a": b"x" * 100, "b": b"x" * 100})
    place = one.index(b"PK\x01\x02")
    second = one.index(b"PK\x01\x02", place + 1)
    pointed = one[: second + 42] + one[place + 42 : place + 46] + one[second + 46 :]
    refused(pointed)


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "x.ember"
    for content in (b"", b"P", b"PK", b"#!/bin/sh\n", b"\0" * 100, b"PK" * 50):
        path.write_bytes(content)
        with pytest.raises(BundleError, match=r"x\.ember is refused: .*EMB060"):
            ember_jit.load(path)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.ember"):
        with pytest.raises(BundleError, match="cannot be read"):
            ember_jit.load(path)
