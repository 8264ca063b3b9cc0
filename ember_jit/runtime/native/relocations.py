"""How each kind of relocation is applied: tables from its number to the bytes that it changes.

Letters as in the ABI documents: S the symbol's address, A the addend, P the address of the place.
`Via` says which address is meant: the symbol itself; a slot that holds its address (`GOT`); or, for a
call, a stub that jumps there when the symbol is too far away.  An address out of an instruction's
reach is an `ObjectError`, never a truncated value.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Final, NamedTuple

from ember_jit.runtime.native.elf import AARCH64, X86_64, ObjectError

Place = tuple[bytearray, int]  # a section's bytes, and the offset in them


class Via(Enum):
    """What a relocation refers to."""

    SYMBOL = auto()
    CALL = auto()
    GOT = auto()


class Rule(NamedTuple):
    """How one kind of relocation is applied.

    Attributes:
        size: bytes that `write` changes.
        write: given the bytes, the offset, S + A and P.
    """

    name: str
    via: Via
    size: int
    write: Callable[[bytearray, int, int, int], None]


class OutOfReach(ObjectError):
    """An address does not fit the instruction that refers to it."""


def _fits(value: int, bits: int, signed: bool) -> int:
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    if not low <= value < high:
        raise OutOfReach(f"{value:#x} does not fit in {bits} bits")
    return value & ((1 << bits) - 1)


def _store(data: bytearray, at: int, value: int, size: int) -> None:
    data[at : at + size] = value.to_bytes(size, "little")


# ------------------------------------------------------------------ data, and the immediates of x86-64
def _absolute(bits: int, signed: bool = False) -> Callable[[bytearray, int, int, int], None]:
    def write(data: bytearray, at: int, target: int, place: int) -> None:
        value = target & (1 << 64) - 1 if bits == 64 else _fits(target, bits, signed)
        _store(data, at, value, bits // 8)

    return write


def _relative(bits: int) -> Callable[[bytearray, int, int, int], None]:
    def write(data: bytearray, at: int, target: int, place: int) -> None:
        _store(data, at, _fits(target - place, bits, signed=True), bits // 8)

    return write


# ------------------------------------------------------------------ AArch64: fields of an instruction
def _instruction(data: bytearray, at: int, mask: int, field: int) -> None:
    word = int.from_bytes(data[at : at + 4], "little")
    _store(data, at, word & ~mask & 0xFFFFFFFF | field & mask, 4)


def _branch(bits: int, shift: int) -> Callable[[bytearray, int, int, int], None]:
    def write(data: bytearray, at: int, target: int, place: int) -> None:
        if (target - place) & 3:
            raise OutOfReach("a branch to an address that is no multiple of 4")
        field = _fits((target - place) >> 2, bits, signed=True)
        _instruction(data, at, ((1 << bits) - 1) << shift, field << shift)

    return write


def _adr(data: bytearray, at: int, value: int) -> None:
    field = _fits(value, 21, signed=True)
    _instruction(data, at, 0x60FFFFE0, (field & 3) << 29 | (field >> 2) << 5)


def _page(data: bytearray, at: int, target: int, place: int) -> None:
    _adr(data, at, (target >> 12) - (place >> 12))


def _near(data: bytearray, at: int, target: int, place: int) -> None:
    _adr(data, at, target - place)


def _low(scale: int) -> Callable[[bytearray, int, int, int], None]:
    def write(data: bytearray, at: int, target: int, place: int) -> None:
        if target & ((1 << scale) - 1):
            raise OutOfReach(f"{target:#x} is not aligned to {1 << scale} bytes")
        _instruction(data, at, 0xFFF << 10, ((target & 0xFFF) >> scale) << 10)

    return write


def _move(group: int, checked: bool) -> Callable[[bytearray, int, int, int], None]:
    def write(data: bytearray, at: int, target: int, place: int) -> None:
        if checked:
            _fits(target & (1 << 64) - 1, 16 * (group + 1), signed=False)
        _instruction(data, at, 0xFFFF << 5, (target >> 16 * group & 0xFFFF) << 5)

    return write


_X86: Final = {
    1: Rule("R_X86_64_64", Via.SYMBOL, 8, _absolute(64)),
    2: Rule("R_X86_64_PC32", Via.SYMBOL, 4, _relative(32)),
    4: Rule("R_X86_64_PLT32", Via.CALL, 4, _relative(32)),
    9: Rule("R_X86_64_GOTPCREL", Via.GOT, 4, _relative(32)),
    10: Rule("R_X86_64_32", Via.SYMBOL, 4, _absolute(32)),
    11: Rule("R_X86_64_32S", Via.SYMBOL, 4, _absolute(32, signed=True)),
    24: Rule("R_X86_64_PC64", Via.SYMBOL, 8, _relative(64)),
    41: Rule("R_X86_64_GOTPCRELX", Via.GOT, 4, _relative(32)),
    42: Rule("R_X86_64_REX_GOTPCRELX", Via.GOT, 4, _relative(32)),
}

_ARM: Final = {
    257: Rule("R_AARCH64_ABS64", Via.SYMBOL, 8, _absolute(64)),
    258: Rule("R_AARCH64_ABS32", Via.SYMBOL, 4, _absolute(32)),
    260: Rule("R_AARCH64_PREL64", Via.SYMBOL, 8, _relative(64)),
    261: Rule("R_AARCH64_PREL32", Via.SYMBOL, 4, _relative(32)),
    263: Rule("R_AARCH64_MOVW_UABS_G0", Via.SYMBOL, 4, _move(0, True)),
    264: Rule("R_AARCH64_MOVW_UABS_G0_NC", Via.SYMBOL, 4, _move(0, False)),
    265: Rule("R_AARCH64_MOVW_UABS_G1", Via.SYMBOL, 4, _move(1, True)),
    266: Rule("R_AARCH64_MOVW_UABS_G1_NC", Via.SYMBOL, 4, _move(1, False)),
    267: Rule("R_AARCH64_MOVW_UABS_G2", Via.SYMBOL, 4, _move(2, True)),
    268: Rule("R_AARCH64_MOVW_UABS_G2_NC", Via.SYMBOL, 4, _move(2, False)),
    269: Rule("R_AARCH64_MOVW_UABS_G3", Via.SYMBOL, 4, _move(3, False)),
    273: Rule("R_AARCH64_LD_PREL_LO19", Via.SYMBOL, 4, _branch(19, 5)),
    274: Rule("R_AARCH64_ADR_PREL_LO21", Via.SYMBOL, 4, _near),
    275: Rule("R_AARCH64_ADR_PREL_PG_HI21", Via.SYMBOL, 4, _page),
    277: Rule("R_AARCH64_ADD_ABS_LO12_NC", Via.SYMBOL, 4, _low(0)),
    278: Rule("R_AARCH64_LDST8_ABS_LO12_NC", Via.SYMBOL, 4, _low(0)),
    279: Rule("R_AARCH64_TSTBR14", Via.SYMBOL, 4, _branch(14, 5)),
    280: Rule("R_AARCH64_CONDBR19", Via.SYMBOL, 4, _branch(19, 5)),
    282: Rule("R_AARCH64_JUMP26", Via.CALL, 4, _branch(26, 0)),
    283: Rule("R_AARCH64_CALL26", Via.CALL, 4, _branch(26, 0)),
    284: Rule("R_AARCH64_LDST16_ABS_LO12_NC", Via.SYMBOL, 4, _low(1)),
    285: Rule("R_AARCH64_LDST32_ABS_LO12_NC", Via.SYMBOL, 4, _low(2)),
    286: Rule("R_AARCH64_LDST64_ABS_LO12_NC", Via.SYMBOL, 4, _low(3)),
    299: Rule("R_AARCH64_LDST128_ABS_LO12_NC", Via.SYMBOL, 4, _low(4)),
    311: Rule("R_AARCH64_ADR_GOT_PAGE", Via.GOT, 4, _page),
    312: Rule("R_AARCH64_LD64_GOT_LO12_NC", Via.GOT, 4, _low(3)),
}

RULES: Final = {X86_64: _X86, AARCH64: _ARM}
NOTHING: Final = {X86_64: (0,), AARCH64: (0, 256)}  # R_*_NONE

STUB_SIZE: Final = 16
"""Bytes of a stub: an indirect jump to the address in its last eight bytes."""

_JUMP: Final = {
    X86_64: bytes.fromhex("ff2502000000") + b"\xcc\xcc",  # jmp [rip + 2]
    AARCH64: bytes.fromhex("50000058") + bytes.fromhex("00021fd6"),  # ldr x16, #8; br x16
}


def stub(machine: int, target: int) -> bytes:
    """Code that jumps to `target`, wherever that is."""
    return _JUMP[machine] + target.to_bytes(8, "little")
