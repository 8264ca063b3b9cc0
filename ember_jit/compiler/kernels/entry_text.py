"""The LLVM IR of an entry: a METH_FASTCALL function that checks its arguments and runs a kernel.

    PyObject *entry(PyObject *self, PyObject *const *args, Py_ssize_t count)

It reads the fields of the arguments directly (`runtime.native.layouts` has verified where they are),
and does in order: count and types; shapes, broadcast as NumPy would; scalars converted as NEP 50 would;
fresh outputs; the kernel, with the GIL released where that pays; the results.  Whatever does not fit
goes to `next`, the entry of another specialisation, and from the last of them to `MISS`.

What is specific to one kernel comes as addresses when the object is loaded (`kernel`, `next`, `split`,
`loops`), so one object serves every program of this signature.
"""

from __future__ import annotations

from typing import Final

from ember_jit.compiler.kernels.entry_guards import EntryGuards
from ember_jit.compiler.kernels.entry_writer import LLVM_TYPE, SIZES
from ember_jit.runtime.native import layouts as at
from ember_jit.runtime.native.layouts import code_name
from ember_jit.runtime.native.signature import Result
from ember_jit.runtime.native.splitting import SPLIT_ELEMENTS

RELEASE_ELEMENTS: Final = 8192
"""Spaces from this size on are computed without the GIL (giving it up and back costs some 60 ns)."""

POOL_BYTES: Final = 1 << 17
"""Outputs from this size on come from the pool of `runtime.native.buffers`."""

TRACE_DOMAIN: Final = 389047  # NumPy's domain of tracemalloc

_DECLARATIONS: Final = """\
declare i64 @PyLong_AsLongLongAndOverflow(ptr, ptr)
declare i64 @PyLong_AsLongLong(ptr)
declare ptr @PyLong_FromVoidPtr(ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyTuple_New(i64)
declare i32 @PyTuple_SetItem(ptr, i64, ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare void @PyErr_Clear()
declare i32 @PyTraceMalloc_Track(i32, i64, i64)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyArray_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare ptr @PyArray_Scalar(ptr, ptr, ptr)
declare ptr @PyDataMem_GetHandler()
declare ptr @pool_take(i64)
declare void @pool_free(ptr, ptr, i64)
declare i64 @kernel(ptr, ptr, ptr)
declare extern_weak ptr @next(ptr, ptr, i64)
declare { i64, i1 } @llvm.umul.with.overflow.i64(i64, i64)
declare double @llvm.fabs.f64(double)
declare i64 @llvm.abs.i64(i64, i1)
@MISS = external global i8
@split = extern_weak global i8
@loops = extern_weak global i8
@pool_handler = external global i8
@default_handler = external global i8
@PyArray_Type = external global i8
@PyFloat_Type = external global i8
@PyLong_Type = external global i8
@Py_True = external global i8
@Py_False = external global i8
"""


class EntryText(EntryGuards):
    """Writes the entry of one signature; `text()` is the module."""

    def text(self) -> str:
        """The module, as LLVM IR."""
        signature = self.signature
        good = self.let(f"icmp eq i64 %count, {len(signature.parameters)}")
        self.need(good)
        objects = [self.load("ptr", "%args", 8 * i) for i in range(len(signature.parameters))]
        datas = [
            self._array(each, parameter) if parameter.source == "array" else ""
            for each, parameter in zip(objects, signature.parameters, strict=True)
        ]
        shape, strides = self._space(objects)
        for index, parameter in enumerate(signature.parameters):
            if parameter.source != "array":
                datas[index] = self._scalar(objects[index], parameter)
        rows, columns, size = self._sizes(shape)
        self._run(datas, shape, strides, rows, columns, size)
        return self._module()

    # ------------------------------------------------------------------ outputs
    def _run(
        self,
        datas: list[str],
        shape: list[str],
        strides: list[tuple[str, str] | None],
        rows: str,
        columns: str,
        size: str,
    ) -> None:
        results = self.signature.results
        lengths = self._dimensions(shape)
        made: list[str] = []  # arrays so far, to be given up on failure
        targets: list[str] = []
        for result in results:
            if self._dims_of(result) is None:
                targets.append(self.memory(LLVM_TYPE[result.dtype]))
                continue
            array = self._new(result, lengths, rows, size, made)
            made.append(array)
            targets.append(self.load("ptr", array, at.ARRAY_DATA))
        operands = [*datas, *targets]
        if self.signature.loops:
            operands.append("@loops")
        table = self.memory(f"[{len(operands)} x ptr]")
        for index, operand in enumerate(operands):
            self.store("ptr", operand, table, 8 * index)
        space = self.memory("[2 x i64]")
        self.store("i64", rows, space)
        self.store("i64", columns, space, 8)
        steps = self.memory(f"[{2 * len(strides)} x i64]")
        for index, pair in enumerate(strides):
            for offset, stride in enumerate(pair or ()):
                self.store("i64", stride, steps, 16 * index + 8 * offset)
        flags = self._call(table, space, steps, rows, columns, size, made)
        raised = self._giving_up(made, error=False)
        self.need(self.let(f"icmp eq i64 {flags}, 0"), raised)
        self._return(results, made, targets)

    def _dims_of(self, result: Result) -> int | None:
        """Dimensions of a result; None for a NumPy scalar."""
        ndim = self.signature.ndim
        if result.rank == "element" or result.keepdims:
            return ndim
        return ndim - 1 if result.rank == "row" and ndim > 1 else None

    def _dimensions(self, shape: list[str]) -> dict[str, str]:
        """Stack memory with the shapes of the results, by their kind."""
        found = {}
        for result in self.signature.results:
            if self._dims_of(result) is None:
                continue
            kind = _kind(result)
            sizes = {
                "element": shape,
                "row": shape[:-1],
                "row_kept": [*shape[:-1], "1"],
                "scalar_kept": ["1"] * len(shape),
            }[kind]
            if kind not in found:
                found[kind] = self.memory(f"[{len(sizes)} x i64]")
                for axis, length in enumerate(sizes):
                    self.store("i64", length, found[kind], 8 * axis)
        return found

    def _new(
        self, result: Result, lengths: dict[str, str], rows: str, size: str, made: list[str]
    ) -> str:
        """A fresh array: from the pool if large, else as `np.empty` makes it."""
        place, ndim = lengths[_kind(result)], self._dims_of(result)
        descr = self.outside(f"descr_{code_name(result.dtype)}")
        count = {"element": size, "row": rows, "scalar": "1"}[result.rank]
        item = SIZES[LLVM_TYPE[result.dtype]]
        size_in_bytes = self.let(f"mul i64 {count}, {item}")
        failed = self._giving_up(made, error=True)
        pooled, plain, done = self.block(), self.block(), self.block()
        large = self.let(f"icmp uge i64 {size_in_bytes}, {POOL_BYTES}")
        self.put(f"br i1 {large}, label %{pooled}, label %{plain}")

        self.label(pooled)
        handler = self.let("call ptr @PyDataMem_GetHandler()")
        self.put(f"call void @Py_DecRef(ptr {handler})")
        self.need(self.let(f"icmp eq ptr {handler}, @default_handler"), plain)
        data = self.let(f"call ptr @pool_take(i64 {size_in_bytes})")
        self.need(self.let(f"icmp ne ptr {data}, null"), plain)
        flags = at.C_CONTIGUOUS | at.ALIGNED | at.WRITEABLE
        large_array = self._array_of(descr, ndim, place, data, flags)
        owned, lost = self.block(), self.block()
        there = self.let(f"icmp ne ptr {large_array}, null")
        self.put(f"br i1 {there}, label %{owned}, label %{lost}")
        self.label(lost)
        self.put(f"call void @pool_free(ptr null, ptr {data}, i64 {size_in_bytes})")
        self.put(f"br label %{failed}")
        self.label(owned)
        self.put("call void @Py_IncRef(ptr @pool_handler)")
        self.store("ptr", "@pool_handler", large_array, at.ARRAY_HANDLER)
        old = self.load("i32", large_array, at.ARRAY_FLAGS)
        self.store("i32", self.let(f"or i32 {old}, {at.OWNDATA}"), large_array, at.ARRAY_FLAGS)
        number = self.let(f"ptrtoint ptr {data} to i64")
        self.let(
            f"call i32 @PyTraceMalloc_Track(i32 {TRACE_DOMAIN}, i64 {number}, i64 {size_in_bytes})"
        )
        self.put(f"br label %{done}")

        self.label(plain)
        small_array = self._array_of(descr, ndim, place, "null", 0)
        fine = self.block()
        self.put(
            f"br i1 {self.let(f'icmp ne ptr {small_array}, null')}, label %{fine}, label %{failed}"
        )
        self.label(fine)
        self.put(f"br label %{done}")

        self.label(done)
        return self.let(f"phi ptr [ {large_array}, %{owned} ], [ {small_array}, %{fine} ]")

    def _array_of(self, descr: str, ndim: int | None, place: str, data: str, flags: int) -> str:
        self.put(f"call void @Py_IncRef(ptr {descr})")
        return self.let(
            f"call ptr @PyArray_NewFromDescr(ptr @PyArray_Type, ptr {descr}, i32 {ndim}, "
            f"ptr {place}, ptr null, ptr {data}, i32 {flags}, ptr null)"
        )

    def _giving_up(self, made: list[str], error: bool) -> str:
        """A block that drops the arrays made so far, and any error, and answers `MISS`."""
        if not made and not error:
            return "missed"
        return self.leaving(["call void @PyErr_Clear()"] * error, made, "br label %missed")

    # ------------------------------------------------------------------ the call
    def _call(
        self,
        table: str,
        space: str,
        steps: str,
        rows: str,
        columns: str,
        size: str,
        made: list[str],
    ) -> str:
        """Run the kernel; the flags that it raised."""
        quick, long, done = self.block(), self.block(), self.block()
        found = []
        call = f"call i64 @kernel(ptr {table}, ptr {space}, ptr {steps})"
        self.put(
            f"br i1 {self.let(f'icmp ult i64 {size}, {RELEASE_ELEMENTS}')}, "
            f"label %{quick}, label %{long}"
        )
        self.label(quick)
        found.append((self.let(call), quick))
        self.put(f"br label %{done}")
        self.label(long)
        if self.signature.splits != "no":
            shared, alone = self.block(), self.block()
            huge = self.let(f"icmp uge i64 {size}, {SPLIT_ELEMENTS}")
            allowed = self.let("icmp ne ptr @split, null")
            self.put(
                f"br i1 {self.let(f'and i1 {huge}, {allowed}')}, label %{shared}, label %{alone}"
            )
            self.label(shared)
            flags = self._share(table, steps, rows, columns, made)
            found.append((flags, self._block))
            self.put(f"br label %{done}")
            self.label(alone)
        state = self.let("call ptr @PyEval_SaveThread()")
        flags = self.let(call)
        self.put(f"call void @PyEval_RestoreThread(ptr {state})")
        found.append((flags, self._block))
        self.put(f"br label %{done}")
        self.label(done)
        return self.let("phi i64 " + ", ".join(f"[ {flags}, %{block} ]" for flags, block in found))

    def _share(self, table: str, steps: str, rows: str, columns: str, made: list[str]) -> str:
        """Have `runtime.native.splitting` divide the space; an exception of its own goes on."""
        parcel = self.memory("[4 x i64]")
        for index, value in enumerate((table, steps)):
            self.store("ptr", value, parcel, 8 * index)
        self.store("i64", rows, parcel, 16)
        self.store("i64", columns, parcel, 24)
        failed = self.leaving([], made, "ret ptr null")
        number = self.let(f"call ptr @PyLong_FromVoidPtr(ptr {parcel})")
        self.need(self.let(f"icmp ne ptr {number}, null"), failed)
        place = self.memory("ptr")
        self.store("ptr", number, place)
        answer = self.let(
            f"call ptr @PyObject_Vectorcall(ptr @split, ptr {place}, i64 1, ptr null)"
        )
        self.put(f"call void @Py_DecRef(ptr {number})")
        self.need(self.let(f"icmp ne ptr {answer}, null"), failed)
        flags = self.let(f"call i64 @PyLong_AsLongLong(ptr {answer})")
        self.put(f"call void @Py_DecRef(ptr {answer})")
        return flags

    def _return(self, results: tuple[Result, ...], made: list[str], targets: list[str]) -> None:
        arrays = list(made)
        values = []
        for result, target in zip(results, targets, strict=True):
            if self._dims_of(result) is not None:
                values.append(arrays.pop(0))
                continue
            descr = self.outside(f"descr_{code_name(result.dtype)}")
            value = self.let(f"call ptr @PyArray_Scalar(ptr {target}, ptr {descr}, ptr null)")
            self.need(
                self.let(f"icmp ne ptr {value}, null"),
                self._giving_up([*values, *arrays], error=True),
            )
            values.append(value)
        if len(values) == 1:
            self.put(f"ret ptr {values[0]}")
            return
        pack = self.let(f"call ptr @PyTuple_New(i64 {len(values)})")
        self.need(self.let(f"icmp ne ptr {pack}, null"), self._giving_up(values, error=True))
        for index, value in enumerate(values):
            self.let(f"call i32 @PyTuple_SetItem(ptr {pack}, i64 {index}, ptr {value})")
        self.put(f"ret ptr {pack}")

    # ------------------------------------------------------------------ the module
    def _module(self) -> str:
        lines = [
            _DECLARATIONS,
            *sorted(self.globals),
            "",
            "define ptr @entry(ptr %self, ptr %args, i64 %count) nounwind {",
            "start:",
            *self.top,
            *self.lines,
            *self.tail,
            "other:",
            "  %more = icmp ne ptr @next, null",
            "  br i1 %more, label %chain, label %missed",
            "chain:",
            "  %answer = tail call ptr @next(ptr %self, ptr %args, i64 %count)",
            "  ret ptr %answer",
            "missed:",
            "  call void @Py_IncRef(ptr @MISS)",
            "  ret ptr @MISS",
            "}",
            "",
        ]
        return "\n".join(lines)


def _kind(result: Result) -> str:
    """Names the shape of a result."""
    return result.rank + ("_kept" if result.keepdims and result.rank != "element" else "")
