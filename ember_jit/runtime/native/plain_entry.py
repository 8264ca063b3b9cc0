"""The entry in Python: the same checks and the same results as the native one, only slower.

It reads no memory of objects, so it works where the layouts of CPython or NumPy are not as known: in
free-threaded builds, and with versions to come.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from ember_jit.runtime.native import libc
from ember_jit.runtime.native.elf import ObjectError, parse
from ember_jit.runtime.native.linking import lay_out
from ember_jit.runtime.native.loader import LoadError, load
from ember_jit.runtime.native.loops import loop_table
from ember_jit.runtime.native.miss import MISS
from ember_jit.runtime.native.signature import Parameter, Result, Signature
from ember_jit.runtime.native.splitting import SPLIT_ELEMENTS, Kernel, splitter_for


def plain_entry(
    signature: Signature,
    kernel: bytes,
    loops: tuple[tuple[str, str], ...] = (),
    behind: Callable[..., Any] | None = None,
) -> Callable[..., Any] | str:
    """A callable that runs `kernel` on arguments that fit `signature`, or the reason for having none."""
    table = loop_table(loops) if loops else None
    if isinstance(table, str):
        return table
    try:
        wanted = lay_out([parse(kernel)], 4096).undefined()
        image = load([kernel], libc.addresses(wanted))
        address = image.address("kernel")
    except (ObjectError, LoadError) as exc:
        return f"machine code could not be loaded: {exc}"
    return PlainEntry(signature, image, address, table, behind)


class PlainEntry:
    """One signature's entry.

    Attributes:
        behind: what is asked where the arguments do not fit.
    """

    def __init__(
        self,
        signature: Signature,
        image: Any,
        kernel: int,
        table: Any,
        behind: Callable[..., Any] | None,
    ) -> None:
        self._signature = signature
        self._image = image  # owns the memory of the kernel
        self._kernel = Kernel(kernel)
        self._table = table
        self.behind = behind
        self._splitter = splitter_for(signature, kernel)

    def __call__(self, *arguments: Any) -> Any:
        """The results, or `MISS`."""
        operands = self._operands(arguments)
        if operands is None:
            return MISS if self.behind is None else self.behind(*arguments)
        return self._run(*operands)

    def _operands(
        self, arguments: tuple[Any, ...]
    ) -> tuple[list[Any], tuple[int, ...], list[int]] | None:
        """Arrays that hold the operands, the shape of the space, and the strides; None: a guard failed."""
        parameters = self._signature.parameters
        if len(arguments) != len(parameters):
            return None
        for argument, parameter in zip(arguments, parameters, strict=True):
            if parameter.source == "array" and not _is_array(argument, parameter):
                return None
        arrays = [
            (argument, parameter)
            for argument, parameter in zip(arguments, parameters, strict=True)
            if parameter.source == "array" and parameter.ndim
        ]
        shape = _space(arrays, self._signature.ndim)
        if shape is None or any(not _fits(each.shape, p, shape) for each, p in arrays):
            return None
        holders: list[Any] = []
        strides: list[int] = []
        for argument, parameter in zip(arguments, parameters, strict=True):
            pair: tuple[int, int] | None = (0, 0)
            if parameter.layout == "strided":
                pair = _strides(argument, shape)
            holder = argument if parameter.source == "array" else _scalar(argument, parameter)
            if pair is None or holder is None:
                return None
            holders.append(holder)
            strides += pair
        if self._signature.reduces and 0 in shape:
            return None
        return holders, shape, strides

    def _run(self, holders: list[Any], shape: tuple[int, ...], strides: list[int]) -> Any:
        import numpy as np

        results = self._signature.results
        try:
            outputs = [
                np.empty(_shape_of(result, shape), np.dtype(result.dtype)) for result in results
            ]
        except (ValueError, MemoryError):
            return MISS  # the plain code raises its own
        addresses = [each.__array_interface__["data"][0] for each in (*holders, *outputs)]
        if self._table is not None:
            addresses.append(ctypes.addressof(self._table))
        size = math.prod(shape)
        rows, columns = (math.prod(shape[:-1]), shape[-1]) if self._signature.rowwise else (1, size)
        table = (ctypes.c_int64 * len(addresses))(*addresses)
        steps = (ctypes.c_int64 * len(strides))(*strides)
        if self._splitter is not None and size >= SPLIT_ELEMENTS:
            parcel = (ctypes.c_int64 * 4)(
                ctypes.addressof(table), ctypes.addressof(steps), rows, columns
            )
            flags = self._splitter(ctypes.addressof(parcel))
        else:
            flags = self._kernel(table, (ctypes.c_int64 * 2)(rows, columns), steps)
        if flags:
            return MISS
        values = [
            each[()] if _is_scalar(result, shape) else each
            for each, result in zip(outputs, results, strict=True)
        ]
        return values[0] if len(values) == 1 else tuple(values)


def _is_array(each: Any, parameter: Parameter) -> bool:
    import numpy as np

    dtype = np.dtype(parameter.dtype)
    return (
        type(each) is np.ndarray
        and each.ndim == parameter.ndim
        and each.flags.aligned
        and (parameter.layout == "strided" or each.flags.c_contiguous)
        and each.dtype.num == dtype.num
        and each.dtype.byteorder == dtype.byteorder
        and each.dtype.metadata is None
    )


def _space(arrays: Sequence[tuple[Any, Parameter]], ndim: int) -> tuple[int, ...] | None:
    for each, parameter in arrays:
        if parameter.layout == "contiguous":
            return tuple(each.shape)
    shape = [1] * ndim
    for each, _ in arrays:
        for axis, length in enumerate(each.shape, ndim - each.ndim):
            if shape[axis] == 1:
                shape[axis] = length
    return tuple(shape)


def _fits(own: tuple[int, ...], parameter: Parameter, shape: tuple[int, ...]) -> bool:
    last = len(shape) - 1
    for axis, length in enumerate(own, len(shape) - len(own)):
        if parameter.layout == "strided":
            good = length in (1, shape[axis])
        elif (parameter.layout == "row") == (axis == last) and parameter.layout in (
            "row",
            "column",
        ):
            good = length == 1
        else:
            good = length == shape[axis]
        if not good:
            return False
    return True


def _strides(each: Any, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """The steps over rows and columns; None if there is no such step, or NumPy's result is not in C order."""
    steps = [0] * (len(shape) - each.ndim) + [
        0 if length == 1 else stride
        for length, stride in zip(each.shape, each.strides, strict=True)
    ]
    moving = [abs(step) for step in steps if step]
    if any(outer < inner for outer, inner in pairwise(moving)):
        return None
    row, extent = 0, 1
    for axis in range(len(shape) - 2, -1, -1):
        if shape[axis] == 1:
            continue
        if extent == 1:
            row = steps[axis]
        elif steps[axis] != row * extent:
            return None
        extent *= shape[axis]
    return row, steps[-1]


def _scalar(value: Any, parameter: Parameter) -> Any:
    """A 0-d array of the kernel's type with exactly this value; None if the value does not fit."""
    import numpy as np

    dtype = np.dtype(parameter.dtype)
    if parameter.source == "numpy":
        return np.array(value) if type(value) is dtype.type else None
    kind: type = {"float": float, "int": int, "bool": bool}[parameter.source]
    if type(value) is not kind:
        return None
    if kind is float and dtype.itemsize == 4:
        return _narrow(value)
    number: Any = value
    if kind is int and not _is_exact(number, dtype):
        return None
    return np.array(value, dtype)


def _narrow(value: Any) -> Any:
    """A Python float as float32; None where that overflows or underflows (NumPy may warn of it)."""
    import numpy as np

    with np.errstate(all="ignore"):
        narrow = np.float32(value)
    normal = np.finfo(np.float32).smallest_normal <= abs(narrow) < np.inf
    return np.array(narrow) if normal or float(narrow) == value or math.isnan(value) else None


def _is_exact(value: int, dtype: Any) -> bool:
    """Whether every int of this size and sign is exact in `dtype`."""
    bits: int = 8 * dtype.itemsize
    if dtype.kind == "f":
        return abs(value) <= 1 << (53 if bits == 64 else 24)
    if dtype.kind == "u":
        return 0 <= value < 1 << min(bits, 63)
    return -(1 << bits - 1) <= value < 1 << bits - 1


def _is_scalar(result: Result, shape: tuple[int, ...]) -> bool:
    return not result.keepdims and (
        result.rank == "scalar" or (result.rank == "row" and len(shape) == 1)
    )


def _shape_of(result: Result, shape: tuple[int, ...]) -> tuple[int, ...]:
    if result.rank == "element":
        return shape
    if result.rank == "row":
        return (*shape[:-1], 1) if result.keepdims else shape[:-1]
    return (1,) * len(shape) if result.keepdims else ()
