"""The guards of an entry: exact types, layouts, shapes broadcast as NumPy would, scalars as NEP 50 would."""

from __future__ import annotations

from ember_jit.compiler.kernels.entry_writer import LLVM_TYPE, SIZES, EntryWriter
from ember_jit.runtime.native import layouts as at
from ember_jit.runtime.native.layouts import code_name
from ember_jit.runtime.native.signature import Parameter


class EntryGuards(EntryWriter):
    """Turns arguments into addresses, and their shapes into an iteration space."""

    # ------------------------------------------------------------------ arguments
    def _array(self, each: str, parameter: Parameter) -> str:
        """Check an array but for its shape; the address of its data."""
        self._exactly(each, "@PyArray_Type")
        ndim = self.load("i32", each, at.ARRAY_NDIM)
        flags = self.load("i32", each, at.ARRAY_FLAGS)
        wanted = at.ALIGNED | (0 if parameter.layout == "strided" else at.C_CONTIGUOUS)
        masked = self.let(f"and i32 {flags}, {wanted}")
        self.need(
            self.all(
                [
                    self.let(f"icmp eq i32 {ndim}, {parameter.ndim}"),
                    self.let(f"icmp eq i32 {masked}, {wanted}"),
                ]
            )
        )
        self._descriptor(self.load("ptr", each, at.ARRAY_DESCR), parameter.dtype)
        return self.load("ptr", each, at.ARRAY_DATA)

    def _exactly(self, each: str, kind: str) -> None:
        self.need(self.let(f"icmp eq ptr {self.load('ptr', each, at.OB_TYPE)}, {kind}"))

    def _descriptor(self, descr: str, code: str) -> None:
        """NumPy's own descriptor, or one just like it (those of unpickled arrays are copies)."""
        own = self.outside(f"descr_{code_name(code)}")
        same, copy = self.block(), self.block()
        self.put(f"br i1 {self.let(f'icmp eq ptr {descr}, {own}')}, label %{same}, label %{copy}")
        self.label(copy)
        equal = [
            self.let(
                f"icmp eq {kind} {self.load(kind, descr, offset)}, {self.load(kind, own, offset)}"
            )
            for kind, offset in (
                ("ptr", at.OB_TYPE),
                ("i8", at.DESCR_BYTEORDER),
                ("i32", at.DESCR_NUMBER),
            )
        ]
        metadata = self.load("ptr", descr, self.metadata)
        equal.append(self.let(f"icmp eq ptr {metadata}, null"))
        self.put(f"br i1 {self.all(equal)}, label %{same}, label %other")
        self.label(same)

    def _scalar(self, each: str, parameter: Parameter) -> str:
        """Check and convert a scalar; the address of its value in the kernel's type."""
        kind = LLVM_TYPE[parameter.dtype]
        if parameter.source == "numpy":
            self._exactly(each, self.outside(f"scalar_{code_name(parameter.dtype)}"))
            return self.step(each, at.VALUE)
        place = self.memory(kind)
        if parameter.source == "float":
            self._exactly(each, "@PyFloat_Type")
            value = self.load("double", each, at.VALUE)
            self.store(kind, value if kind == "double" else self._narrow(value), place)
        elif parameter.source == "bool":
            true = self.let(f"icmp eq ptr {each}, @Py_True")
            self.need(self.let(f"or i1 {true}, {self.let(f'icmp eq ptr {each}, @Py_False')}"))
            self.store("i8", self.let(f"zext i1 {true} to i8"), place)
        else:
            self._exactly(each, "@PyLong_Type")
            self.store(kind, self._integer(each, parameter.dtype, kind), place)
        return place

    def _narrow(self, value: str) -> str:
        """A Python float as float32, where nothing overflows or underflows (NumPy may warn of it)."""
        narrow = self.let(f"fptrunc double {value} to float")
        wide = self.let(f"fpext float {narrow} to double")
        size = self.let(f"call double @llvm.fabs.f64(double {wide})")
        least, infinite = "0x3810000000000000", "0x7FF0000000000000"
        normal = self.all(
            [
                self.let(f"fcmp oge double {size}, {least}"),
                self.let(f"fcmp olt double {size}, {infinite}"),
            ]
        )
        exact = self.let(f"fcmp ueq double {wide}, {value}")  # NaN too
        self.need(self.let(f"or i1 {normal}, {exact}"))
        return narrow

    def _integer(self, each: str, code: str, kind: str) -> str:
        """A Python int in a NumPy type that holds it exactly."""
        beyond = self.memory("i32")
        value = self.let(f"call i64 @PyLong_AsLongLongAndOverflow(ptr {each}, ptr {beyond})")
        self.need(self.let(f"icmp eq i32 {self.load('i32', beyond)}, 0"))
        if kind in ("float", "double"):
            most = 1 << (53 if kind == "double" else 24)
            low, high = -most, most
        else:
            bits = 8 * SIZES[kind]
            low = 0 if code.isupper() else -(1 << bits - 1)
            high = min((1 << 63) - 1, (1 << bits - (0 if code.isupper() else 1)) - 1)
        self.need(
            self.all(
                [
                    self.let(f"icmp sge i64 {value}, {low}"),
                    self.let(f"icmp sle i64 {value}, {high}"),
                ]
            )
        )
        if kind in ("float", "double"):
            return self.let(f"sitofp i64 {value} to {kind}")
        return value if kind == "i64" else self.let(f"trunc i64 {value} to {kind}")

    # ------------------------------------------------------------------ shapes
    def _space(self, objects: list[str]) -> tuple[list[str], list[tuple[str, str] | None]]:
        """Broadcast; the sizes of the space, and (row, column) strides of the strided operands."""
        ndim = self.signature.ndim
        lengths: dict[int, list[str]] = {}  # of operands, from the axis where theirs begin
        for index, parameter in enumerate(self.signature.parameters):
            if parameter.source == "array" and parameter.ndim:
                lengths[index] = self._numbers(objects[index], at.ARRAY_SHAPE, parameter.ndim)
        shape = self._shape(lengths)
        good = []
        for index, own in lengths.items():
            layout = self.signature.parameters[index].layout
            first = ndim - len(own)
            for axis, length in enumerate(own, first):
                same = self.let(f"icmp eq i64 {length}, {shape[axis]}")
                one = self.let(f"icmp eq i64 {length}, 1")
                last = axis == ndim - 1
                if layout == "strided":
                    good.append(self.let(f"or i1 {same}, {one}"))
                elif (layout == "row" and last) or (layout == "column" and not last):
                    good.append(one)
                else:
                    good.append(same)
        self.need(self.all(good))
        strides: list[tuple[str, str] | None] = []
        for index, parameter in enumerate(self.signature.parameters):
            if parameter.layout == "strided":
                strides.append(self._strides(objects[index], lengths[index], shape))
            else:
                strides.append(None)
        return shape, strides

    def _numbers(self, each: str, offset: int, count: int) -> list[str]:
        pointer = self.load("ptr", each, offset)
        return [self.load("i64", pointer, 8 * axis) for axis in range(count)]

    def _shape(self, lengths: dict[int, list[str]]) -> list[str]:
        parameters = self.signature.parameters
        for index, own in lengths.items():
            if parameters[index].layout == "contiguous":
                return own  # by definition the whole space
        shape = ["1"] * self.signature.ndim
        for own in lengths.values():
            for axis, length in enumerate(own, len(shape) - len(own)):
                if shape[axis] == "1":
                    shape[axis] = length
                else:
                    free = self.let(f"icmp eq i64 {shape[axis]}, 1")
                    shape[axis] = self.let(f"select i1 {free}, i64 {length}, i64 {shape[axis]}")
        return shape

    def _strides(self, each: str, own: list[str], shape: list[str]) -> tuple[str, str]:
        """The strides of an operand over rows and columns, which other axes must agree with.

        NumPy lays its result out in the order of its operands' strides; here it is always C order, so
        operands in another order are left to NumPy.
        """
        steps = ["0"] * (len(shape) - len(own))
        for length, stride in zip(
            own, self._numbers(each, at.ARRAY_STRIDES, len(own)), strict=True
        ):
            one = self.let(f"icmp eq i64 {length}, 1")
            steps.append(self.let(f"select i1 {one}, i64 0, i64 {stride}"))
        sizes = [self.let(f"call i64 @llvm.abs.i64(i64 {step}, i1 false)") for step in steps]
        good = []
        for outer in range(len(steps)):
            for inner in range(outer + 1, len(steps)):
                none = self.let(f"icmp eq i64 {sizes[outer]}, 0")
                ordered = self.let(f"icmp uge i64 {sizes[outer]}, {sizes[inner]}")
                good.append(self.let(f"or i1 {none}, {ordered}"))
        row, extent = "0", "1"
        for axis in range(len(shape) - 2, -1, -1):
            if axis == len(shape) - 2:
                row, extent = steps[axis], shape[axis]
                continue
            step, length = steps[axis], shape[axis]
            alone = self.let(f"icmp eq i64 {length}, 1")
            first = self.let(f"icmp eq i64 {extent}, 1")
            follows = self.let(f"icmp eq i64 {step}, {self.let(f'mul i64 {row}, {extent}')}")
            either = self.let(f"or i1 {alone}, {first}")
            good.append(self.let(f"or i1 {either}, {follows}"))
            takes = self.let(f"and i1 {first}, {self.let(f'xor i1 {alone}, true')}")
            row = self.let(f"select i1 {takes}, i64 {step}, i64 {row}")
            extent = self.let(f"mul i64 {extent}, {length}")
        self.need(self.all(good))
        return row, steps[-1]

    def _sizes(self, shape: list[str]) -> tuple[str, str, str]:
        """Rows, columns, and their product."""
        fits: list[str] = []

        def product(values: list[str]) -> str:
            total = values[0] if values else "1"
            for each in values[1:]:
                pair = self.let(
                    f"call {{ i64, i1 }} @llvm.umul.with.overflow.i64(i64 {total}, i64 {each})"
                )
                total = self.let(f"extractvalue {{ i64, i1 }} {pair}, 0")
                over = self.let(f"extractvalue {{ i64, i1 }} {pair}, 1")
                fits.append(self.let(f"xor i1 {over}, true"))
            return total

        if self.signature.rowwise:
            rows, columns = product(shape[:-1]), shape[-1]
            size = product([rows, columns])
        else:
            rows, size = "1", product(shape)
            columns = size
        fits.append(self.let(f"icmp ult i64 {size}, {1 << 56}"))
        if self.signature.reduces:
            fits.append(self.let(f"icmp ne i64 {size}, 0"))
        self.need(self.all(fits))
        return rows, columns, size
