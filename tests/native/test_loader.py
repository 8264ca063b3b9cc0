"""Objects become code: sections, relocations, stubs, protections; and what is no object is refused."""

from __future__ import annotations

import ctypes
import ctypes.util
import gc
import math
import random
import struct

import pytest

from ember_jit.runtime.native import loader
from ember_jit.runtime.native.elf import AARCH64, ObjectError, parse
from ember_jit.runtime.native.linking import lay_out
from ember_jit.runtime.native.loader import load
from ember_jit.runtime.native.relocations import RULES

pytestmark = [
    pytest.mark.numeric,
    pytest.mark.skipif(loader.why_not() is not None, reason=str(loader.why_not())),
]

PROGRAM = """
@table = internal constant [4 x double] [double 1.0, double 2.0, double 4.0, double 8.0], align 64
@count = internal global i64 5
@zeros = internal global [100 x i64] zeroinitializer, align 32
@pointer = internal global ptr @table
declare double @exp(double)
declare ptr @memcpy(ptr, ptr, i64)

define double @entry(i64 %i) {
  %p = getelementptr double, ptr @table, i64 %i
  %x = load double, ptr %p
  %y = call double @exp(double %x)
  %z = call double @helper(double %y)
  ret double %z
}
define internal double @helper(double %x) noinline {
  %y = fadd double %x, 1.0
  ret double %y
}
define i64 @next() {
  %old = load i64, ptr @count
  %new = add i64 %old, 1
  store i64 %new, ptr @count
  %slot = getelementptr i64, ptr @zeros, i64 7
  %sum = load i64, ptr %slot
  store i64 %new, ptr %slot
  %r = add i64 %old, %sum
  ret i64 %r
}
define double @second() {
  %p = load ptr, ptr @pointer
  %q = getelementptr double, ptr %p, i64 1
  %x = load double, ptr %q
  ret double %x
}
"""

LIBM = ctypes.CDLL(ctypes.util.find_library("m") or None)
EXP = ctypes.cast(LIBM.exp, ctypes.c_void_p).value or 0
MODELS = [("default", "pic"), ("large", "static")]


def calls(image, name, result, *arguments):
    return ctypes.CFUNCTYPE(result, *arguments)(image.address(name))


@pytest.mark.parametrize(("code_model", "reloc"), MODELS)
def test_code_constants_and_data(assemble, code_model, reloc):
    image = load([assemble(PROGRAM, code_model=code_model, reloc=reloc)], {"exp": EXP})
    entry = calls(image, "entry", ctypes.c_double, ctypes.c_int64)
    assert [entry(i) for i in range(4)] == [math.exp(2.0**i) + 1 for i in range(4)]
    following = calls(image, "next", ctypes.c_int64)
    assert [following(), following()] == [5, 12]
    assert calls(image, "second", ctypes.c_double)() == 2.0


@pytest.mark.skipif(loader.platform.machine() != "x86_64", reason="as x86-64 refers to things")
@pytest.mark.parametrize(
    ("code_model", "reloc", "message"),
    [("small", "static", "does not fit in 32 bits"), ("large", "pic", "of the unknown kind")],
)
def test_addresses_that_cannot_be_reached_are_refused(assemble, code_model, reloc, message):
    with pytest.raises(ObjectError, match=message):
        load([assemble(PROGRAM, code_model=code_model, reloc=reloc)], {"exp": EXP})


def test_objects_are_linked_with_each_other(assemble):
    caller = "declare i64 @other(i64)\ndefine i64 @entry(i64 %x) { %y = call i64 @other(i64 %x) ret i64 %y }"
    callee = "define i64 @other(i64 %x) { %y = mul i64 %x, 3 ret i64 %y }"
    image = load([assemble(caller), assemble(callee)], {})
    assert calls(image, "entry", ctypes.c_int64, ctypes.c_int64)(14) == 42


def test_what_is_undefined_is_named(assemble):
    with pytest.raises(ObjectError, match="no address is known of exp"):
        load([assemble(PROGRAM)], {})
    with pytest.raises(ObjectError, match="no object defines 'main'"):
        load([assemble(PROGRAM)], {"exp": EXP}).address("main")


def test_a_name_is_defined_once(assemble):
    data = assemble("define i64 @f() { ret i64 1 }")
    with pytest.raises(ObjectError, match="'f' is defined twice"):
        load([data, data], {})


def test_memory_is_never_writable_and_executable(assemble):
    image = load([assemble(PROGRAM)], {"exp": EXP})
    rights = []
    with open("/proc/self/maps") as maps:
        for line in maps:
            span, right, *_ = line.split()
            first, last = (int(text, 16) for text in span.split("-"))
            if first < image.base + image.size and last > image.base:
                rights.append(right)
    assert [right[:3] for right in rights] == ["r-x", "r--", "rw-"]


def test_the_memory_goes_with_the_image(assemble):
    image = load([assemble(PROGRAM)], {"exp": EXP})
    span = f"{image.base:x}-"
    del image
    gc.collect()
    with open("/proc/self/maps") as maps:
        assert not any(line.startswith(span) for line in maps)


@pytest.mark.parametrize(
    ("ir", "message"),
    [
        ("@x = thread_local global i64 1\ndefine ptr @f() { ret ptr @x }", "thread-local"),
        (
            "@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } "
            "{ i32 65535, ptr @f, ptr null }]\ndefine void @f() { ret void }",
            "constructors",
        ),
        ("@x = common global i64 0\ndefine ptr @f() { ret ptr @x }", "section 0xfff2"),
    ],
)
def test_what_is_not_supported_is_refused(assemble, ir, message):
    with pytest.raises(ObjectError, match=message):
        load([assemble(ir)], {})


@pytest.mark.parametrize("triple", ["x86_64-apple-darwin", "x86_64-pc-windows-msvc"])
def test_other_formats_are_refused(assemble, triple):
    with pytest.raises(ObjectError, match="are not supported, only ELF"):
        load([assemble("define i64 @f() { ret i64 1 }", triple=triple)], {})


def test_another_machine_is_refused(assemble):
    other = "x86_64" if loader.platform.machine() == "aarch64" else "aarch64"
    with pytest.raises(ObjectError, match="are not for"):
        load([assemble("define i64 @f() { ret i64 1 }", triple=f"{other}-unknown-linux-gnu")], {})


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF", b"#!/bin/sh\n", bytes(64), b"\x7fELF" + bytes(60)]
)
def test_no_object_at_all(data):
    with pytest.raises(ObjectError):
        load([data], {})


def test_an_object_that_is_cut_short_is_refused(assemble):
    data = assemble(PROGRAM)
    for size in range(len(data)):
        with pytest.raises(ObjectError):
            load([data[:size]], {"exp": EXP})


def test_a_changed_object_is_refused_or_loaded_but_never_crashes(assemble):
    data = assemble(PROGRAM)
    chance = random.Random(4)
    refused = 0
    for _ in range(3000):
        broken = bytearray(data)
        for _ in range(chance.choice((1, 1, 4))):
            broken[chance.randrange(len(data))] = chance.randrange(256)
        try:
            lay_out([parse(bytes(broken))], 4096).image(1 << 40, {"exp": EXP})
        except ObjectError:
            refused += 1
    assert refused > 100


def test_headers_that_lie(assemble):
    """Each field of the section headers set to large values: bounds are checked before use."""
    data = assemble(PROGRAM)
    table, width, count = struct.unpack_from("<Q10xHH", data, 40)
    for header in range(count):
        for field in range(0, width, 8):
            for value in (1 << 63, (1 << 64) - 1, 1 << 40, len(data), 0xFFFF):
                broken = bytearray(data)
                struct.pack_into("<Q", broken, table + header * width + field, value)
                try:
                    lay_out([parse(bytes(broken))], 4096).image(1 << 40, {"exp": EXP})
                except ObjectError:
                    pass


# ------------------------------------------------------------------ AArch64: instructions, decoded
def word(block, at):
    return int.from_bytes(block[at : at + 4], "little")


def signed(value, bits):
    return value - (1 << bits) if value >> bits - 1 else value


ARM_CASES = [
    ("large", "static"),
    ("small", "static"),
    ("small", "pic"),
]


@pytest.mark.parametrize(("code_model", "reloc"), ARM_CASES)
def test_aarch64_instructions_refer_to_what_they_should(assemble, code_model, reloc):
    """Runs nothing: the immediates are read back out of the linked instructions."""
    data = assemble(PROGRAM, "aarch64-unknown-linux-gnu", code_model, reloc)
    parsed = parse(data)
    assert parsed.machine == AARCH64
    layout = lay_out([parsed], 4096)
    base, exp = 0x7F12_3456_7000, 0x7FFF_FFFF_1230
    block = layout.image(base, {"exp": exp})
    assert parsed.relocations
    for each in parsed.relocations:
        rule = RULES[AARCH64][each.kind]
        at = layout.homes[0, each.section] + each.offset
        place = base + at
        outside = layout._outside(0, each.symbol) is not None
        target = layout._target(base, 0, each.symbol, {"exp": exp}) + each.addend
        bits = word(block, at)
        if rule.name in ("R_AARCH64_CALL26", "R_AARCH64_JUMP26"):
            reached = place + 4 * signed(bits & 0x3FFFFFF, 26)
            if outside:  # through a stub: ldr x16, #8; br x16; the address
                stub = reached - base
                assert (word(block, stub), word(block, stub + 4)) == (0x58000050, 0xD61F0200)
                reached = int.from_bytes(block[stub + 8 : stub + 16], "little")
            assert reached == target
        elif rule.name in ("R_AARCH64_ADR_PREL_PG_HI21", "R_AARCH64_ADR_GOT_PAGE"):
            pages = signed((bits >> 5 & 0x7FFFF) << 2 | bits >> 29 & 3, 21)
            if "GOT" in rule.name:
                target = base + layout.slots[layout._name(0, each.symbol)]
            assert (place >> 12) + pages == target >> 12
        elif "LO12_NC" in rule.name:
            scales = {"LDST32": 2, "LDST64": 3, "LD64_GOT": 3}
            scale = next((n for part, n in scales.items() if part in rule.name), 0)
            if "GOT" in rule.name:
                target = base + layout.slots[layout._name(0, each.symbol)]
            assert (bits >> 10 & 0xFFF) << scale == target & 0xFFF
        elif "MOVW" in rule.name:
            group = int(rule.name.split("_G")[1][0])
            assert bits >> 5 & 0xFFFF == target >> 16 * group & 0xFFFF
        elif rule.name == "R_AARCH64_ABS64":
            assert int.from_bytes(block[at : at + 8], "little") == target
        else:
            pytest.fail(f"not looked at: {rule.name}")
