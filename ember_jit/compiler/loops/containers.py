"""Lists that came in, local lists, strings and arrays: lengths, items, and what is stored.

A list that came in is read in place: the item's object is loaded, its exact type checked, its value
unpacked.  It is never written.  A local list is a block of numbers with a count of references.  An array is
read and written in place; before a write, what was there is noted, so that it can be taken back.
"""

from __future__ import annotations

from dataclasses import replace

from ember_jit.compiler.loops.arithmetic import as_float, as_int, settled
from ember_jit.compiler.loops.code import Code, Value
from ember_jit.compiler.loops.types import (
    INT,
    NPF,
    NPI,
    STR,
    TAGS,
    Retry,
    Type,
    Unfit,
    join,
    parts,
)
from ember_jit.runtime.loops.objects import FLOAT_VALUE, LIST_ITEMS, LIST_LENGTH, STR_LENGTH

_COUNT, _DATA, _BOXED = 1, 3, 8  # fields of a local list (`prelude`)


class Containers(Code):
    """The code of values that have items.

    Attributes:
        types: what each variable is taken to be, between attempts.
        foreign: variables with local lists in which objects stand that came in.
        conditional: how many expressions that may not be evaluated are around.
        temporaries: local lists that the statement has made and that nobody holds.
    """

    def __init__(self, types: dict[str, Type], foreign: set[str]) -> None:
        super().__init__()
        self.types = types
        self.foreign = foreign
        self.conditional = 0
        self.temporaries: list[str] = []

    # ------------------------------------------------------------------ memory
    def field(self, kind: str, at: str, offset: int) -> str:
        """What stands `offset` bytes into an object."""
        where = self.let(f"getelementptr i8, ptr {at}, i64 {offset}")
        return self.let(f"load {kind}, ptr {where}, align {4 if kind == 'i32' else 8}")

    def _place(self, list_: str, number: int) -> str:
        return self.let(f"getelementptr %list, ptr {list_}, i64 0, i32 {number}")

    def exactly(self, obj: str, name: str) -> None:
        """Give up unless an object is of one type."""
        kind = self.field("ptr", obj, 8)
        self.need(self.let(f"icmp eq ptr {kind}, @type_{name}"))

    # ------------------------------------------------------------------ objects
    def unboxed(self, obj: str, wanted: Type | None) -> Value:
        """The value of an object, which has to be of the type `wanted`."""
        if wanted is None:
            self.give_up()  # an item of a list that was empty when it was looked at
            return Value(INT, ("0",))
        kind = wanted.kind
        if kind == "union":
            return self._unboxed_union(obj, wanted)
        if kind == "int":
            self.exactly(obj, "int")
            pair = self.call("{ i64, i1 }", "loop_int", f"ptr {obj}")
            self.need(self.let(f"extractvalue {{ i64, i1 }} {pair}, 1"))
            return Value(wanted, (self.let(f"extractvalue {{ i64, i1 }} {pair}, 0"),), obj)
        if kind == "float":
            self.exactly(obj, "float")
            return Value(wanted, (self.field("double", obj, FLOAT_VALUE),), obj)
        if kind == "bool":
            self.exactly(obj, "bool")
            return Value(wanted, (self.let(f"icmp eq ptr {obj}, @Py_True"),))
        if kind == "str":
            self.exactly(obj, "str")
            return self.string(obj)
        if kind == "list":
            self.exactly(obj, "list")
            return Value(wanted, (obj,), obj)
        if kind in ("npf", "npi"):
            self.exactly(obj, "float64" if kind == "npf" else "int64")
            return Value(wanted, (self.field(parts(wanted)[0], obj, FLOAT_VALUE),), obj)
        if kind == "none":
            self.need(self.let(f"icmp eq ptr {obj}, @Py_None"))
            return Value(wanted, ())
        raise Unfit(f"a {wanted}", self.line)

    def _unboxed_union(self, obj: str, wanted: Type) -> Value:
        type_ = self.field("ptr", obj, 8)
        results = []
        kinds = sorted(wanted.kinds)
        for kind in kinds:
            if kind != kinds[-1]:
                here, following = self.name("b"), self.name("b")
                name = {"npf": "float64", "npi": "int64"}.get(kind, kind)
                self.branch(self.let(f"icmp eq ptr {type_}, @type_{name}"), here, following)
                self.place(here)
            tail = self.name("b")
            results.append((self.unboxed(obj, Type(kind)), tail))
            self.jump(tail)
            if kind != kinds[-1]:
                self.place(following)
        return self.merge(results)

    def string(self, obj: str) -> Value:
        """A string object as a value."""
        data = self.call("ptr", "loop_str_data", f"ptr {obj}")
        kind = self.call("i64", "loop_str_kind", f"ptr {obj}")
        length = self.field("i64", obj, STR_LENGTH)
        return Value(STR, (obj, data, length, kind), obj)

    # ------------------------------------------------------------------ lengths and indexes
    def length(self, value: Value) -> str:
        """The register of `len(value)`."""
        if value.kind == "list":
            return self.field("i64", value.reg, LIST_LENGTH)
        if value.kind == "local":
            return self.let(f"load i64, ptr {self._place(value.reg, _COUNT)}, align 8")
        if value.kind == "str":
            return value.regs[2]
        if value.kind == "array":
            return value.regs[1]
        if value.kind == "tuple":
            return str(len(value.type.items))
        raise Unfit(f"the length of a {value.type}", self.line)

    def whole(self, value: Value, kinds: tuple[str, ...] = ("int", "bool", "npi")) -> Value:
        """A number that may be an index or the bound of a range, as an int."""

        def one(each: Value) -> Value:
            if each.kind not in kinds:
                raise Unfit(f"a {each.type} as an index", self.line)
            return Value(INT, (as_int(self, each),), constant=each.constant)

        if value.kind != "union":
            return one(value)
        return self.spread([value], one)

    def index(self, value: Value, owner: Value) -> str:
        """An index of `owner` as it counts from the front, within bounds."""
        length = self.length(owner)
        # to an array, a bool is a mask
        value = self.whole(value, ("int", "npi")) if owner.kind == "array" else self.whole(value)
        reg = as_int(self, value)
        if not (isinstance(value.constant, int) and value.constant >= 0):
            negative = self.let(f"icmp slt i64 {reg}, 0")
            moved = self.let(f"add i64 {reg}, {length}")
            reg = self.let(f"select i1 {negative}, i64 {moved}, i64 {reg}")
        self.need(self.let(f"icmp ult i64 {reg}, {length}"))
        return reg

    # ------------------------------------------------------------------ items
    def item(self, value: Value, at: str) -> Value:
        """The item at an index that is within bounds."""
        if value.kind == "list":
            items = self.field("ptr", value.reg, LIST_ITEMS)
            place = self.let(f"getelementptr ptr, ptr {items}, i64 {at}")
            obj = self.let(f"load ptr, ptr {place}, align 8")
            return self.unboxed(obj, value.type.element)
        if value.kind == "local":
            return self._local_item(value, at)
        if value.kind == "str":
            char = self.call(
                "i32", "loop_char", f"ptr {value.regs[1]}", f"i64 {value.regs[3]}", f"i64 {at}"
            )
            return Value(Type("char"), (char,))
        if value.kind == "array":
            return self._array_item(value, at)
        raise Unfit(f"an item of a {value.type}", self.line)

    def _slot(self, value: Value, at: str) -> str:
        """The address of an item of a local list."""
        data = self.let(f"load ptr, ptr {self._place(value.reg, _DATA)}, align 8")
        kind = "{ i64, i64 }" if self.wide(value.type.element) else "i64"
        return self.let(f"getelementptr {kind}, ptr {data}, i64 {at}")

    @staticmethod
    def wide(element: Type | None) -> bool:
        """Whether items take 16 bytes: a tag and the bits."""
        return element is not None and element.kind == "union"

    def _local_item(self, value: Value, at: str) -> Value:
        element = value.type.element
        if element is None:
            raise Unfit("an item of a list that is always empty", self.line)
        place = self._slot(value, at)
        lost = frozenset({value.home[0]} if value.home and value.home[0] in self.foreign else ())
        if element.kind == "union":
            tag = self.let(f"load i64, ptr {place}, align 8")
            second = self.let(f"getelementptr i64, ptr {place}, i64 1")
            return Value(element, (tag, self.let(f"load i64, ptr {second}, align 8")), lost=lost)
        if element.kind == "bool":
            word = self.let(f"load i64, ptr {place}, align 8")
            return Value(element, (self.let(f"trunc i64 {word} to i1"),))
        reg = self.let(f"load {parts(element)[0]}, ptr {place}, align 8")
        home = (value.home[0], value.home[1] + 1) if value.home else None
        return Value(element, (reg,), home=home if element.kind == "local" else None, lost=lost)

    def write(self, element: Type, place: str, value: Value) -> None:
        """Put a value that fits into an item of a local list."""
        value = self.pack(value, element)
        if element.kind == "union":
            self.do(f"store i64 {value.regs[0]}, ptr {place}, align 8")
            second = self.let(f"getelementptr i64, ptr {place}, i64 1")
            self.do(f"store i64 {value.regs[1]}, ptr {second}, align 8")
        elif element.kind == "bool":
            self.do(f"store i64 {as_int(self, value)}, ptr {place}, align 8")
        elif element.kind in ("int", "float", "local", "npf", "npi"):
            self.do(f"store {parts(element)[0]} {value.reg}, ptr {place}, align 8")
        else:
            raise Unfit(f"a list of {element}", self.line)

    def store(self, target: Value, at: str, value: Value) -> None:
        """`target[at] = value`, at an index that is within bounds."""
        value = settled(self, value)
        if target.kind == "array":
            self._store_array(target, at, value)
            return
        if target.kind != "local":
            raise Unfit(f"a store into a {target.type}", self.line)
        element = self.fitting(target, value)
        place = self._slot(target, at)
        if element.kind == "local":
            self.hold(value)
            old = self.let(f"load ptr, ptr {place}, align 8")
            self.write(element, place, value)
            self.call("void", "loop_list_drop", "ptr %chain", f"ptr {old}")
        else:
            self.write(element, place, value)

    def append(self, target: Value, value: Value) -> None:
        """`target.append(value)` on a local list."""
        value = settled(self, value)
        element = self.fitting(target, value)
        if element.kind == "local":
            self.hold(value)
        place = self.call("ptr", "loop_list_grow", f"ptr {target.reg}")
        self.need(self.let(f"icmp ne ptr {place}, null"))
        self.write(element, place, value)

    def fitting(self, target: Value, value: Value) -> Type:
        """The type of the items of a local list into which `value` goes; widens it if need be."""
        element = target.type.element
        wanted = value.type if element is None else join(element, value.type)
        if value.kind == "local" and value.home and wanted != value.type:
            self.retype(value.home, wanted)
        if wanted != element:
            if target.home is None:
                raise Unfit("what a list without a name holds is not of one type", self.line)
            name, depth = target.home
            self.retype((name, depth), Type("local", wanted))
        self.mark_foreign(target, value)
        return wanted

    def mark_foreign(self, target: Value, value: Value) -> None:
        """Remember that an object that came in may now stand in a local list."""
        inner = value.home is not None and value.home[0] in self.foreign
        if (
            (value.obj or value.lost or inner)
            and target.home
            and target.home[0] not in self.foreign
        ):
            self.foreign.add(target.home[0])
            raise Retry

    def retype(self, home: tuple[str, int], inner: Type) -> None:
        """Have the list at some depth of a variable be of another type, from the next attempt on."""
        self.retype_variable(home, inner)
        raise Unfit("the items of a list are not of one type", self.line)

    def retype_variable(self, home: tuple[str, int], wanted: Type) -> None:
        """The same where it need not be: a list that was read from the variable has to be of this type elsewhere."""
        name, depth = home
        for _ in range(depth):
            wanted = Type("local", wanted)
        made = join(self.types[name], wanted)
        if made != self.types[name]:
            self.types[name] = made
            raise Retry

    # ------------------------------------------------------------------ local lists
    def new_list(self, type_: Type, room: str) -> Value:
        """An empty local list that only the value holds."""
        if self.conditional:
            raise Unfit(
                "a list that is made in a part of an expression that may not be evaluated",
                self.line,
            )
        element = type_.element
        depth = 1 if element is not None and element.kind == "local" else 0
        width = 16 if self.wide(element) else 8
        made = self.call(
            "ptr", "loop_list_new", "ptr %chain", f"i64 {room}", f"i64 {width}", f"i64 {depth}"
        )
        self.need(self.let(f"icmp ne ptr {made}, null"))
        self.temporaries.append(made)
        return Value(type_, (made,))

    def hold(self, value: Value) -> None:
        """Take a reference to a local list."""
        count = self.let(f"load i64, ptr {value.reg}, align 8")
        self.do(f"store i64 {self.let(f'add i64 {count}, 1')}, ptr {value.reg}, align 8")

    def drop_temporaries(self, keep: int = 0) -> None:
        """Give back the lists that the statement has made for itself."""
        while len(self.temporaries) > keep:
            reg = self.temporaries.pop()
            if not self.dead:
                self.call("void", "loop_list_drop", "ptr %chain", f"ptr {reg}")

    # ------------------------------------------------------------------ arrays
    def _array_item(self, value: Value, at: str) -> Value:
        address = self.address(value, at)
        ndim = value.type.ndim
        if ndim > 1:
            inner = replace(value.type, ndim=ndim - 1)
            lengths, strides = value.regs[2 : ndim + 1], value.regs[ndim + 2 : -1]
            return Value(inner, (address, *lengths, *strides, value.regs[-1]))
        kind = "double" if value.type.dtype == "d" else "i64"
        return Value(
            NPF if kind == "double" else NPI, (self.let(f"load {kind}, ptr {address}, align 8"),)
        )

    def address(self, value: Value, at: str) -> str:
        """Where the item (or row) at an index begins."""
        offset = self.let(f"mul i64 {at}, {value.regs[value.type.ndim + 1]}")
        return self.let(f"getelementptr i8, ptr {value.reg}, i64 {offset}")

    def _store_array(self, target: Value, at: str, value: Value) -> None:
        if target.type.ndim != 1:
            raise Unfit("a store into a row of an array", self.line)
        if value.kind == "union":
            kinds = sorted(value.type.kinds)
            done = self.name("b")
            for kind in kinds:
                here, following = self.name("b"), self.name("b")
                self.branch(self.let(f"icmp eq i64 {value.regs[0]}, {TAGS[kind]}"), here, following)
                self.place(here)
                self._store_array(target, at, self.unpacked(value, kind))
                self.jump(done)
                self.place(following)
            self.do("unreachable")
            self.place(done)
            return
        floating = target.type.dtype == "d"
        if value.kind not in TAGS or (not floating and value.kind in ("float", "npf")):
            raise Unfit(f"a {value.type} stored into {target.type}", self.line)
        reg = as_float(self, value) if floating else as_int(self, value)
        address = self.address(target, at)
        self._note(target.regs[-1], address)
        self.do(f"store {'double' if floating else 'i64'} {reg}, ptr {address}, align 8")

    def _note(self, record: str, address: str) -> None:
        """Note what is about to be overwritten, unless the whole array was copied before."""
        whole = self.field("ptr", record, 40)
        note, go_on = self.name("b"), self.name("b")
        self.branch(self.let(f"icmp eq ptr {whole}, null"), note, go_on)
        self.place(note)
        self.need(self.call("i1", "loop_note", f"ptr {record}", f"ptr {address}"))
        self.jump(go_on)
        self.place(go_on)


def shape_of(code: Containers, value: Value) -> Value:
    """`array.shape`."""
    return code.tuple_of([Value(INT, (reg,)) for reg in value.regs[1 : value.type.ndim + 1]])
