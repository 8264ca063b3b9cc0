"""Runs kernels in tests: through llvmlite's own engine, with guard pages around every operand."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from llvmlite import binding

from ember_jit.compiler import kernels
from ember_jit.ir.program import Program

PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class Guarded:
    """An array whose memory ends (or begins) at a page that may not be touched."""

    def __init__(self, count: int, dtype: np.dtype, at_end: bool) -> None:
        room = -(-count * dtype.itemsize // PAGE) * PAGE or PAGE
        self.memory = mmap.mmap(-1, room + 2 * PAGE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        for edge in (self.address, self.address + PAGE + room):
            assert _libc.mprotect(edge, PAGE, mmap.PROT_READ & 0) == 0
        start = PAGE + (room - count * dtype.itemsize if at_end else 0)
        self.array = np.frombuffer(self.memory, dtype, count, start)


@cache
def _engine():
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine()
    return binding.create_mcjit_compiler(binding.parse_assembly(""), machine)


_kernels: dict[tuple[str, int], int] = {}


def address(program: Program, tier: int = 1) -> int:
    """Where the compiled kernel is."""
    key = (program.key(), tier)
    if key not in _kernels:
        name = f"kernel_{program.digest()}_{tier}"
        code = kernels.compile_object(program, tier=tier, name=name)
        _engine().add_object_file(binding.ObjectFileRef.from_data(code))
        _kernels[key] = _engine().get_function_address(name)
    return _kernels[key]


def loop_table(program: Program) -> ctypes.Array | None:
    """The addresses of NumPy's loops, as `Program.loops` orders them."""
    if not program.loops():
        return None
    table = []
    for name, dtype in program.loops():
        ufunc = getattr(np, name)
        types = ufunc.types.index(dtype * ufunc.nin + "->" + dtype * ufunc.nout)
        # struct PyUFuncObject: head (2 words), nin, nout, nargs, identity (4 ints), functions, data
        words = ctypes.cast(id(ufunc), ctypes.POINTER(ctypes.c_void_p))
        for field in (4, 5):
            entries = ctypes.cast(words[field], ctypes.POINTER(ctypes.c_void_p))
            table.append(entries[types] or 0)
    return (ctypes.c_void_p * len(table))(*table)


def prepare(
    program: Program,
    inputs: Sequence[np.ndarray],
    shape: tuple[int, int],
    tier: int = 1,
    at_end: bool = True,
) -> tuple[Callable[[], int], Callable[[], list[np.ndarray]]]:
    """What calls the kernel, and what then reads the outputs; operands lie next to guards."""
    rows, columns = shape
    kept: list[object] = []
    pointers, strides = [], []
    for operand, array in zip(program.operands, inputs, strict=True):
        array = np.asarray(array)
        assert array.dtype == np.dtype(operand.dtype), (array.dtype, operand)
        if operand.layout == "strided":
            pointers.append(array.ctypes.data)
            strides += [0] * (2 - array.ndim) + list(array.strides)
            kept.append(array)
            continue
        guarded = Guarded(array.size, array.dtype, at_end)
        guarded.array[:] = array.ravel()
        kept.append(guarded)
        pointers.append(guarded.array.ctypes.data if array.size else guarded.address + PAGE)
        strides += [0, 0]
    outputs = []
    for output in program.outputs:
        node = program.nodes[output]
        count = {"element": rows * columns, "row": rows, "scalar": 1}[node.rank]
        guarded = Guarded(count, np.dtype(node.dtype), at_end)
        kept.append(guarded)
        pointers.append(guarded.array.ctypes.data if count else guarded.address + PAGE)
        outputs.append((guarded, node.rank))
    table = loop_table(program)
    if table is not None:
        pointers.append(ctypes.addressof(table))
    kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
    function = kind(address(program, tier))
    given = (
        (ctypes.c_void_p * len(pointers))(*pointers),
        (ctypes.c_int64 * 2)(rows, columns),
        (ctypes.c_int64 * len(strides))(*strides),
    )
    kept += [given, table]
    shapes = {"element": shape, "row": (rows,), "scalar": ()}

    def collect() -> list[np.ndarray]:
        assert kept
        return [guarded.array.copy().reshape(shapes[rank]) for guarded, rank in outputs]

    return lambda: function(*given), collect


def run(
    program: Program,
    inputs: Sequence[np.ndarray],
    shape: tuple[int, int],
    tier: int = 1,
    at_end: bool = True,
) -> tuple[int, list[np.ndarray]]:
    """The kernel's result and its outputs."""
    call, collect = prepare(program, inputs, shape, tier, at_end)
    return call(), collect()
