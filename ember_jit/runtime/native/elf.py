"""Reads a relocatable ELF object (`.o`), as LLVM writes it for x86-64 and AArch64, into plain data.

Every offset and length is checked against the bytes that are there before it is used: an object that
is cut short, or is none at all, is an `ObjectError` and never a crash.  What the linker in
`linking.py` could not honour is refused here with its reason: constructors, thread-local storage,
common symbols.  Sections that only unwinders and debuggers read are dropped.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

X86_64: Final = 62
AARCH64: Final = 183
MACHINES: Final = {X86_64: "x86-64", AARCH64: "AArch64"}

MOST_SECTIONS: Final = 4096
MOST_MEMORY: Final = 1 << 28  # bytes that the sections of one object may take once loaded

_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION: Final = struct.Struct("<IIQQQQIIQQ")
_SYMBOL: Final = struct.Struct("<IBBHQQ")
_RELOCATION: Final = struct.Struct("<QQq")

_RELOCATABLE = 1
_PROGBITS, _SYMTAB, _RELA, _NOBITS, _REL = 1, 2, 4, 8, 9
_CONSTRUCTORS: Final = (14, 15, 16)  # INIT_ARRAY, FINI_ARRAY, PREINIT_ARRAY
_UNWIND: Final = (".eh_frame", ".debug_frame")
_WRITE, _ALLOC, _EXEC, _TLS = 0x1, 0x2, 0x4, 0x400
_UNDEFINED, _ABSOLUTE, _RESERVED = 0, 0xFFF1, 0xFF00
_LOCAL, _WEAK = 0, 2
_KIND_TLS, _KIND_IFUNC = 6, 10

_OTHER_FORMATS: Final = {
    b"\xcf\xfa\xed\xfe": "Mach-O",
    b"\xca\xfe\xba\xbe": "Mach-O",
    b"\x64\x86": "COFF",
    b"\x64\xaa": "COFF",
}


class ObjectError(ValueError):
    """These bytes are no object that can be loaded, and why."""


class Section(NamedTuple):
    """A section that is loaded.

    Attributes:
        data: its bytes; shorter than `size` (and then empty) for zero-initialised memory.
    """

    name: str
    data: bytes
    size: int
    align: int
    executable: bool
    writable: bool


class Symbol(NamedTuple):
    """A name in an object.

    Attributes:
        section: the index in `Object.sections`, None if it is undefined, absolute or not loaded.
        value: the offset in its section, or the absolute value.
    """

    name: str
    section: int | None
    value: int
    defined: bool
    local: bool
    weak: bool


class Relocation(NamedTuple):
    """A place in a loaded section that needs an address."""

    section: int
    offset: int
    kind: int
    symbol: Symbol
    addend: int


class Object(NamedTuple):
    """The loaded parts of one relocatable object."""

    machine: int
    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    relocations: tuple[Relocation, ...]


class _Header(NamedTuple):
    """A section header as it stands in the file."""

    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int


def parse(data: bytes) -> Object:
    """Read an object.

    Raises:
        ObjectError: it is malformed, of another format, or needs what is not supported.
    """
    machine, headers = _headers(data)
    indexes: dict[int, int] = {}
    sections: list[Section] = []
    for number, header in enumerate(headers):
        if _is_loaded(header):
            indexes[number] = len(sections)
            sections.append(_section(data, header))
    if sum(section.size for section in sections) > MOST_MEMORY:
        raise ObjectError(f"its sections take more than {MOST_MEMORY >> 20} MiB")
    tables = [number for number, header in enumerate(headers) if header.kind == _SYMTAB]
    if len(tables) > 1:
        raise ObjectError("it has more than one symbol table")
    symbols = _symbols(data, headers, headers[tables[0]], indexes, sections) if tables else []
    relocations: list[Relocation] = []
    for header in headers:
        if header.kind == _REL and header.info in indexes:
            raise ObjectError(f"{header.name}: relocations without addends")
        if header.kind == _RELA and header.info in indexes:
            relocations += _relocations(data, header, indexes[header.info], sections, symbols)
    return Object(machine, tuple(sections), tuple(symbols), tuple(relocations))


def _headers(data: bytes) -> tuple[int, list[_Header]]:
    if data[:4] != b"\x7fELF":
        for magic, name in _OTHER_FORMATS.items():
            if data.startswith(magic):
                raise ObjectError(f"{name} objects are not supported, only ELF")
        raise ObjectError("it does not start as an ELF object does")
    if len(data) < _HEADER.size:
        raise ObjectError(f"{len(data)} bytes are too few for an ELF header")
    ident, kind, machine, _, _, _, table, _, _, _, _, width, count, names = _HEADER.unpack_from(
        data
    )
    if ident[4] != 2 or ident[5] != 1:
        raise ObjectError("it is not for a 64-bit little-endian machine")
    if kind != _RELOCATABLE:
        raise ObjectError(f"it is of ELF type {kind}, not a relocatable object")
    if machine not in MACHINES:
        raise ObjectError(f"it is for ELF machine {machine}, neither x86-64 nor AArch64")
    if width != _SECTION.size or not 0 < count <= MOST_SECTIONS or names >= count:
        raise ObjectError("its section table is malformed")
    _check(data, table, count * width, "section table")
    raw = [_SECTION.unpack_from(data, table + index * width) for index in range(count)]
    strings = _bytes(data, raw[names][4], raw[names][5], "section names")
    return machine, [
        _Header(_text(strings, name), kind, flags, offset, size, link, info, align, entry)
        for name, kind, flags, _, offset, size, link, info, align, entry in raw
    ]


def _is_loaded(header: _Header) -> bool:
    if not header.flags & _ALLOC or header.name in _UNWIND or header.size == 0:
        return False
    if header.flags & _TLS:
        raise ObjectError(f"{header.name}: thread-local storage is not supported")
    if header.kind in _CONSTRUCTORS or header.name.startswith((".ctors", ".dtors")):
        raise ObjectError(f"{header.name}: constructors are not supported")
    return header.kind in (_PROGBITS, _NOBITS)


def _section(data: bytes, header: _Header) -> Section:
    align = max(1, header.align)
    if align & (align - 1) or align > 4096:
        raise ObjectError(f"{header.name}: cannot be aligned to {align} bytes")
    if header.flags & _EXEC and header.flags & _WRITE:
        raise ObjectError(f"{header.name}: is both writable and executable")
    if header.kind == _NOBITS:
        body = b""
        if header.flags & _EXEC:
            raise ObjectError(f"{header.name}: has no code")
    else:
        body = _bytes(data, header.offset, header.size, header.name)
    return Section(
        header.name,
        body,
        header.size,
        align,
        bool(header.flags & _EXEC),
        bool(header.flags & _WRITE),
    )


def _symbols(
    data: bytes,
    headers: list[_Header],
    table: _Header,
    indexes: dict[int, int],
    sections: list[Section],
) -> list[Symbol]:
    if table.link >= len(headers) or table.size % _SYMBOL.size:
        raise ObjectError("its symbol table is malformed")
    strings = _bytes(data, headers[table.link].offset, headers[table.link].size, "symbol names")
    body = _bytes(data, table.offset, table.size, "symbol table")
    symbols = []
    for start, info, _, home, value, _ in _SYMBOL.iter_unpack(body):
        name, kind, binding = _text(strings, start), info & 0xF, info >> 4
        if kind in (_KIND_TLS, _KIND_IFUNC):
            raise ObjectError(f"symbol {name!r}: of ELF type {kind}, which is not supported")
        if home >= _RESERVED and home != _ABSOLUTE:
            raise ObjectError(f"symbol {name!r}: in the unsupported section {home:#x}")
        if home != _ABSOLUTE and home >= len(headers):
            raise ObjectError(f"symbol {name!r}: in section {home}, which does not exist")
        section = indexes.get(home)
        if section is not None and value > sections[section].size:
            raise ObjectError(f"symbol {name!r}: beyond the end of {sections[section].name}")
        symbols.append(
            Symbol(name, section, value, home != _UNDEFINED, binding == _LOCAL, binding == _WEAK)
        )
    return symbols


def _relocations(
    data: bytes, header: _Header, section: int, sections: list[Section], symbols: list[Symbol]
) -> list[Relocation]:
    if header.size % _RELOCATION.size:
        raise ObjectError(f"{header.name}: malformed")
    if not sections[section].data:
        raise ObjectError(f"{header.name}: for {sections[section].name}, which has no bytes")
    found = []
    body = _bytes(data, header.offset, header.size, header.name)
    for offset, info, addend in _RELOCATION.iter_unpack(body):
        kind, index = info & 0xFFFFFFFF, info >> 32
        if index >= len(symbols):
            raise ObjectError(f"{header.name}: there is no symbol {index}")
        found.append(Relocation(section, offset, kind, symbols[index], addend))
    return found


def _check(data: bytes, offset: int, size: int, what: str) -> None:
    if offset + size > len(data):
        raise ObjectError(f"{what}: bytes {offset} to {offset + size} of {len(data)}")


def _bytes(data: bytes, offset: int, size: int, what: str) -> bytes:
    _check(data, offset, size, what)
    return data[offset : offset + size]


def _text(strings: bytes, start: int) -> str:
    end = strings.find(b"\0", start)
    if start >= len(strings) or end < 0:
        if start == 0 and not strings:
            return ""
        raise ObjectError(f"a name starts at {start}, outside of the string table")
    return strings[start:end].decode("utf-8", "replace")
