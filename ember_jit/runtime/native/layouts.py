"""Where CPython and NumPy keep things: struct offsets and addresses, each verified before it is used.

An entry reads a few fields of objects straight out of memory.  The public headers of the versions below
say where those fields are; `layouts()` then checks every one of them, and every function that it will
call, against objects whose contents are known.  Anything unexpected (a free-threaded build, another
interpreter, a NumPy of tomorrow) gives a reason in place of offsets: then kernels are entered through
`plain_entry.py`, with the same results.
"""

from __future__ import annotations

import ctypes
import struct
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Any, Final, NamedTuple

SUPPORTED_PYTHONS: Final = ((3, 11), (3, 14))
SUPPORTED_NUMPYS: Final = (1, 2)  # major versions; NumPy 1 from 1.22 on, which has memory handlers

OB_TYPE: Final = 8
VALUE: Final = 16  # of a float, and of a NumPy scalar

ARRAY_DATA: Final = 16
ARRAY_NDIM: Final = 24  # int
ARRAY_SHAPE: Final = 32
ARRAY_STRIDES: Final = 40
ARRAY_BASE: Final = 48
ARRAY_DESCR: Final = 56
ARRAY_FLAGS: Final = 64  # int
ARRAY_HANDLER: Final = 88

DESCR_BYTEORDER: Final = 26  # char
DESCR_NUMBER: Final = 28  # int
_DESCR_METADATA: Final = {1: 72, 2: 56}  # by NumPy's major version

C_CONTIGUOUS: Final = 0x1
OWNDATA: Final = 0x4
ALIGNED: Final = 0x100
WRITEABLE: Final = 0x400

_API_VERSION, _API_ARRAY_TYPE, _API_SCALAR, _API_NEW = 0, 2, 60, 94
_API_GET_HANDLER, _API_DEFAULT_HANDLER = 305, 306

SCALARS: Final = "?bhilqBHILQfd"
"""The type codes that kernels work on."""

_PYTHON_FUNCTIONS: Final = (
    "PyLong_AsLongLongAndOverflow",
    "PyLong_FromVoidPtr",
    "PyLong_AsLongLong",
    "PyObject_Vectorcall",
    "PyTuple_New",
    "PyTuple_SetItem",
    "PyEval_SaveThread",
    "PyEval_RestoreThread",
    "PyErr_Clear",
    "PyTraceMalloc_Track",
    "Py_IncRef",
    "Py_DecRef",
)


class Layouts(NamedTuple):
    """What an entry is built from.

    Attributes:
        metadata: the offset of a descriptor's metadata.
        addresses: of functions and immortal objects, by the symbol's name.
        numpy_major: NumPy's major version.
    """

    metadata: int
    addresses: dict[str, int]
    numpy_major: int

    def key(self) -> str:
        """Text that differs wherever an entry's code would have to: part of a cache's key."""
        python = f"{sys.implementation.cache_tag}{EXTENSION_SUFFIXES[0]}"  # the ABI of C extensions
        return f"{python};numpy{self.numpy_major};metadata{self.metadata}"


@lru_cache(maxsize=1)
def layouts() -> Layouts | str:
    """The verified layouts, or why this interpreter or this NumPy is left to the plain entry.

    Imports NumPy.
    """
    reason = interpreter_reason()
    if reason is not None:
        return reason
    import numpy

    major = int(numpy.__version__.split(".")[0])
    if major not in SUPPORTED_NUMPYS:
        return f"the layouts of NumPy {numpy.__version__} are not known"
    try:
        table = _api_table(major)
    except (ImportError, AttributeError, ValueError) as exc:
        return f"NumPy's C API was not found: {exc}"
    found = Layouts(_DESCR_METADATA[major], {}, major)
    for complaint in _complaints(found, table):
        return f"the layouts of this NumPy or Python are not as known: {complaint}"
    found.addresses.update(_addresses(table))
    return found


def interpreter_reason() -> str | None:
    """Why nothing is known of the layouts of this interpreter, or None."""
    low, high = SUPPORTED_PYTHONS
    if sys.implementation.name != "cpython":
        return f"the layouts of {sys.implementation.name} are not known"
    if not low <= sys.version_info[:2] <= high:
        return f"the layouts of Python {sys.version_info[0]}.{sys.version_info[1]} are not known"
    if "t" in getattr(
        sys, "abiflags", ""
    ):  # what `sysconfig` would say takes it milliseconds to load
        return "this is a free-threaded build"
    if struct.calcsize("P") != 8 or sys.byteorder != "little":
        return "this is no 64-bit little-endian process"
    if object.__basicsize__ != 16:
        return "this build has more than a count and a type in each object"
    return None


def _api_table(major: int) -> int:
    """The address of NumPy's table of C functions."""
    if major == 1:
        from numpy.core import _multiarray_umath  # type: ignore[attr-defined,unused-ignore]
    else:
        from numpy._core import _multiarray_umath  # type: ignore[attr-defined,no-redef,unused-ignore]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype = ctypes.c_void_p
    pointer.argtypes = (ctypes.py_object, ctypes.c_char_p)
    table = pointer(_multiarray_umath._ARRAY_API, None)
    if not table:
        raise ValueError("its capsule is empty")
    return int(table)


def pointer_at(address: int) -> int:
    """The eight bytes at an address."""
    return int(ctypes.c_uint64.from_address(address).value)


def _int_at(address: int) -> int:
    return int(ctypes.c_int32.from_address(address).value)


def _complaints(found: Layouts, table: int) -> Iterator[str]:
    """What differs from the layouts above; nothing if all is well."""
    import numpy as np

    for sample in (1.5, 3, "text", np.float64(2.5), np.ones(2)):
        if pointer_at(id(sample) + OB_TYPE) != id(type(sample)):
            yield f"the type of a {type(sample).__name__}"
            return
    if ctypes.c_double.from_address(id(1.5) + VALUE).value != 1.5:
        yield "the value of a float"
    if pointer_at(table + 8 * _API_ARRAY_TYPE) != id(np.ndarray):
        yield "the table of NumPy's functions"
        return
    yield from _array_complaints(table)
    yield from _descriptor_complaints(found)
    for code in SCALARS:
        value = np.dtype(code).type(1)
        size = value.dtype.itemsize
        if ctypes.string_at(id(value) + VALUE, size) != value.tobytes():
            yield f"the value of a NumPy scalar of type {code!r}"


def _array_complaints(table: int) -> Iterator[str]:
    import numpy as np

    owner = np.arange(24.0).reshape(2, 3, 4).copy()
    arrays = [owner, owner[:, ::2], owner.T, owner[0, 0], np.ones((0, 3)), np.array(1.0)]
    handler = pointer_at(pointer_at(table + 8 * _API_DEFAULT_HANDLER))
    for each in arrays:
        at = id(each)
        shape, strides = pointer_at(at + ARRAY_SHAPE), pointer_at(at + ARRAY_STRIDES)
        seen = (
            pointer_at(at + ARRAY_DATA),
            _int_at(at + ARRAY_NDIM),
            tuple(pointer_at(shape + 8 * axis) for axis in range(each.ndim)),
            tuple(pointer_at(strides + 8 * axis) for axis in range(each.ndim)),
            pointer_at(at + ARRAY_BASE),
            pointer_at(at + ARRAY_DESCR),
            _int_at(at + ARRAY_FLAGS) & 0xFFF,
            pointer_at(at + ARRAY_HANDLER) if each.flags.owndata else handler,
        )
        known = (
            each.__array_interface__["data"][0],
            each.ndim,
            each.shape,
            each.strides,
            id(each.base) if each.base is not None else 0,
            id(each.dtype),
            each.flags.num,
            handler,
        )
        names = ("data", "ndim", "shape", "strides", "base", "dtype", "flags", "memory handler")
        for name, is_seen, is_known in zip(names, seen, known, strict=True):
            if is_seen != is_known:
                yield f"the {name} of an array"


def _descriptor_complaints(found: Layouts) -> Iterator[str]:
    import numpy as np

    marked: Any = np.dtype("f8", metadata={"unit": "m"})
    for dtype in (np.dtype("f8"), np.dtype(">i4"), np.dtype("?"), marked):
        at = id(dtype)
        metadata = pointer_at(at + found.metadata)
        if (
            ctypes.c_char.from_address(at + DESCR_BYTEORDER).value != dtype.byteorder.encode()
            or _int_at(at + DESCR_NUMBER) != dtype.num
            or bool(metadata) != (dtype is marked)
        ):
            yield f"the fields of {dtype!r}"


def _addresses(table: int) -> dict[str, int]:
    import numpy as np

    found = {name: function_address(name) for name in _PYTHON_FUNCTIONS}
    found["PyArray_NewFromDescr"] = pointer_at(table + 8 * _API_NEW)
    found["PyArray_Scalar"] = pointer_at(table + 8 * _API_SCALAR)
    found["PyDataMem_GetHandler"] = pointer_at(table + 8 * _API_GET_HANDLER)
    found["default_handler"] = pointer_at(pointer_at(table + 8 * _API_DEFAULT_HANDLER))
    found["PyArray_Type"] = id(np.ndarray)
    found["PyFloat_Type"] = id(float)
    found["PyLong_Type"] = id(int)
    found["Py_True"] = id(True)
    found["Py_False"] = id(False)
    for code in SCALARS:
        found[f"descr_{code_name(code)}"] = id(canonical(code))
        found[f"scalar_{code_name(code)}"] = id(np.dtype(code).type)
    return found


def canonical(code: str) -> Any:
    """NumPy's own descriptor of a type, which lives for ever."""
    import numpy as np

    return np.dtype(code)


def code_name(code: str) -> str:
    """A type code as part of a symbol's name."""
    return "bool" if code == "?" else code


def function_address(name: str) -> int:
    """The address of a function of CPython."""
    return ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0
