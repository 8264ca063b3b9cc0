"""Functions in LLVM IR that every loop may call: floats as CPython divides them, powers, lists, writes taken back.

The rules of floats are those of `Objects/floatobject.c`; `loop_c_pow` is libm's `pow`, which CPython calls too,
under a name that LLVM does not know and so does not replace by something nearly equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ember_jit.runtime.loops.objects import Objects

TEXT: Final = """
declare double @fmod(double, double) nounwind
declare double @loop_c_pow(double, double) nounwind
declare double @llvm.floor.f64(double)
declare double @llvm.fabs.f64(double)
declare double @llvm.copysign.f64(double, double)
declare { i64, i1 } @llvm.smul.with.overflow.i64(i64, i64)
declare ptr @malloc(i64) nounwind
declare ptr @realloc(ptr, i64) nounwind
declare void @free(ptr) nounwind
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

; x % y, y not zero
define internal double @loop_mod(double %x, double %y) nounwind {
  %rest = call double @fmod(double %x, double %y)
  %some = fcmp une double %rest, 0.0
  br i1 %some, label %signed, label %zero
signed:
  %below = fcmp olt double %y, 0.0
  %negative = fcmp olt double %rest, 0.0
  %differ = xor i1 %below, %negative
  %moved = fadd double %rest, %y
  %kept = select i1 %differ, double %moved, double %rest
  ret double %kept
zero:
  %nought = call double @llvm.copysign.f64(double 0.0, double %y)
  ret double %nought
}

; x // y, y not zero
define internal double @loop_floordiv(double %x, double %y) nounwind {
  %rest = call double @fmod(double %x, double %y)
  %most = fsub double %x, %rest
  %whole = fdiv double %most, %y
  %some = fcmp une double %rest, 0.0
  %below = fcmp olt double %y, 0.0
  %negative = fcmp olt double %rest, 0.0
  %differ = xor i1 %below, %negative
  %move = and i1 %some, %differ
  %less = fsub double %whole, 1.0
  %near = select i1 %move, double %less, double %whole
  %any = fcmp une double %near, 0.0
  br i1 %any, label %round, label %zero
round:
  %floor = call double @llvm.floor.f64(double %near)
  %gap = fsub double %near, %floor
  %up = fcmp ogt double %gap, 0.5
  %above = fadd double %floor, 1.0
  %result = select i1 %up, double %above, double %floor
  ret double %result
zero:
  %exact = fdiv double %x, %y
  %nought = call double @llvm.copysign.f64(double 0.0, double %exact)
  ret double %nought
}

; x ** y, or false where that is no plain float
define internal { double, i1 } @loop_pow(double %x, double %y) nounwind {
  %none = fcmp oeq double %y, 0.0
  br i1 %none, label %one, label %sizes
one:
  ret { double, i1 } { double 1.0, i1 true }
sizes:
  %xsize = call double @llvm.fabs.f64(double %x)
  %ysize = call double @llvm.fabs.f64(double %y)
  %xfinite = fcmp olt double %xsize, 0x7FF0000000000000
  %yfinite = fcmp olt double %ysize, 0x7FF0000000000000
  %finite = and i1 %xfinite, %yfinite
  br i1 %finite, label %parity, label %no
parity:
  %floor = call double @llvm.floor.f64(double %y)
  %integral = fcmp oeq double %floor, %y
  %half = fmul double %ysize, 0.5
  %halffloor = call double @llvm.floor.f64(double %half)
  %uneven = fcmp une double %halffloor, %half
  %odd = and i1 %integral, %uneven
  %zero = fcmp oeq double %x, 0.0
  br i1 %zero, label %nought, label %signs
nought:
  %inverse = fcmp olt double %y, 0.0
  br i1 %inverse, label %no, label %power0
power0:
  %nothing = select i1 %odd, double %x, double %xsize
  %p0 = insertvalue { double, i1 } { double undef, i1 true }, double %nothing, 0
  ret { double, i1 } %p0
signs:
  %below = fcmp olt double %x, 0.0
  %fraction = xor i1 %integral, true
  %complex = and i1 %below, %fraction
  br i1 %complex, label %no, label %call
call:
  %flip = and i1 %below, %odd
  %unit = fcmp oeq double %xsize, 1.0
  br i1 %unit, label %made, label %libm
libm:
  %size = call double @loop_c_pow(double %xsize, double %y)
  %some = fcmp une double %size, 0.0
  %under = fcmp olt double %size, 0x7FF0000000000000
  %good = and i1 %some, %under
  br i1 %good, label %made, label %no
made:
  %bare = phi double [ 1.0, %call ], [ %size, %libm ]
  %minus = fneg double %bare
  %result = select i1 %flip, double %minus, double %bare
  %p1 = insertvalue { double, i1 } { double undef, i1 true }, double %result, 0
  ret { double, i1 } %p1
no:
  ret { double, i1 } { double 0.0, i1 false }
}

; a ** n of ints, or false where it is no int of 64 bits
define internal { i64, i1 } @loop_ipow(i64 %a, i64 %n) nounwind {
start:
  %whole = icmp sge i64 %n, 0
  br i1 %whole, label %loop, label %no
loop:
  %result = phi i64 [ 1, %start ], [ %next, %square ]
  %base = phi i64 [ %a, %start ], [ %squared, %square ]
  %left = phi i64 [ %n, %start ], [ %rest, %square ]
  %done = icmp eq i64 %left, 0
  br i1 %done, label %yes, label %bit
bit:
  %low = and i64 %left, 1
  %odd = icmp ne i64 %low, 0
  %factor = select i1 %odd, i64 %base, i64 1
  %product = call { i64, i1 } @llvm.smul.with.overflow.i64(i64 %result, i64 %factor)
  %next = extractvalue { i64, i1 } %product, 0
  %over = extractvalue { i64, i1 } %product, 1
  br i1 %over, label %no, label %more
more:
  %rest = lshr i64 %left, 1
  %last = icmp eq i64 %rest, 0
  %twice = call { i64, i1 } @llvm.smul.with.overflow.i64(i64 %base, i64 %base)
  %wide = extractvalue { i64, i1 } %twice, 1
  %matters = xor i1 %last, true
  %bad = and i1 %wide, %matters
  br i1 %bad, label %no, label %square
square:
  %squared = extractvalue { i64, i1 } %twice, 0
  br label %loop
yes:
  %p = insertvalue { i64, i1 } { i64 undef, i1 true }, i64 %result, 0
  ret { i64, i1 } %p
no:
  ret { i64, i1 } { i64 0, i1 false }
}

; A local list: references, length, capacity, data, the next one and the one before, bytes of an element, depth,
; and the Python list that it has become at the end.
%list = type { i64, i64, i64, ptr, ptr, ptr, i64, i64, ptr }

; A new list with room for some elements, in the chain that `%chain` begins; null without memory.
define internal ptr @loop_list_new(ptr %chain, i64 %room, i64 %width, i64 %depth) nounwind {
  %some = call i64 @llvm.smax.i64(i64 %room, i64 4)
  %sized = call { i64, i1 } @llvm.smul.with.overflow.i64(i64 %some, i64 %width)
  %over = extractvalue { i64, i1 } %sized, 1
  br i1 %over, label %no, label %get
get:
  %bytes = extractvalue { i64, i1 } %sized, 0
  %list = call ptr @malloc(i64 72)
  %none = icmp eq ptr %list, null
  br i1 %none, label %no, label %block
block:
  %data = call ptr @malloc(i64 %bytes)
  %nodata = icmp eq ptr %data, null
  br i1 %nodata, label %undo, label %fill
fill:
  %first = load ptr, ptr %chain, align 8
  store i64 1, ptr %list, align 8
  %f1 = getelementptr %list, ptr %list, i64 0, i32 1
  store i64 0, ptr %f1, align 8
  %f2 = getelementptr %list, ptr %list, i64 0, i32 2
  store i64 %some, ptr %f2, align 8
  %f3 = getelementptr %list, ptr %list, i64 0, i32 3
  store ptr %data, ptr %f3, align 8
  %f4 = getelementptr %list, ptr %list, i64 0, i32 4
  store ptr %first, ptr %f4, align 8
  %f5 = getelementptr %list, ptr %list, i64 0, i32 5
  store ptr null, ptr %f5, align 8
  %f6 = getelementptr %list, ptr %list, i64 0, i32 6
  store i64 %width, ptr %f6, align 8
  %f7 = getelementptr %list, ptr %list, i64 0, i32 7
  store i64 %depth, ptr %f7, align 8
  %f8 = getelementptr %list, ptr %list, i64 0, i32 8
  store ptr null, ptr %f8, align 8
  %alone = icmp eq ptr %first, null
  br i1 %alone, label %link, label %back
back:
  %b5 = getelementptr %list, ptr %first, i64 0, i32 5
  store ptr %list, ptr %b5, align 8
  br label %link
link:
  store ptr %list, ptr %chain, align 8
  ret ptr %list
undo:
  call void @free(ptr %list)
  br label %no
no:
  ret ptr null
}

; Give one reference back; a list that nobody holds any more is freed, and lists in it lose a reference.
define internal void @loop_list_drop(ptr %chain, ptr %list) nounwind {
start:
  %nothing = icmp eq ptr %list, null
  br i1 %nothing, label %out, label %count
count:
  %refs = load i64, ptr %list, align 8
  %left = sub i64 %refs, 1
  store i64 %left, ptr %list, align 8
  %held = icmp sgt i64 %left, 0
  br i1 %held, label %out, label %inner
inner:
  %f1 = getelementptr %list, ptr %list, i64 0, i32 1
  %length = load i64, ptr %f1, align 8
  %f3 = getelementptr %list, ptr %list, i64 0, i32 3
  %data = load ptr, ptr %f3, align 8
  %f7 = getelementptr %list, ptr %list, i64 0, i32 7
  %depth = load i64, ptr %f7, align 8
  %flat = icmp eq i64 %depth, 0
  br i1 %flat, label %unlink, label %each
each:
  %k = phi i64 [ 0, %inner ], [ %k1, %drop ]
  %more = icmp slt i64 %k, %length
  br i1 %more, label %drop, label %unlink
drop:
  %place = getelementptr ptr, ptr %data, i64 %k
  %one = load ptr, ptr %place, align 8
  call void @loop_list_drop(ptr %chain, ptr %one)
  %k1 = add i64 %k, 1
  br label %each
unlink:
  %f4 = getelementptr %list, ptr %list, i64 0, i32 4
  %next = load ptr, ptr %f4, align 8
  %f5 = getelementptr %list, ptr %list, i64 0, i32 5
  %before = load ptr, ptr %f5, align 8
  %last = icmp eq ptr %next, null
  br i1 %last, label %front, label %after
after:
  %n5 = getelementptr %list, ptr %next, i64 0, i32 5
  store ptr %before, ptr %n5, align 8
  br label %front
front:
  %first = icmp eq ptr %before, null
  %b4 = getelementptr %list, ptr %before, i64 0, i32 4
  %where = select i1 %first, ptr %chain, ptr %b4
  store ptr %next, ptr %where, align 8
  call void @free(ptr %data)
  call void @free(ptr %list)
  br label %out
out:
  ret void
}

; Free all that is left.
define internal void @loop_list_all(ptr %chain) nounwind {
start:
  br label %each
each:
  %list = load ptr, ptr %chain, align 8
  %none = icmp eq ptr %list, null
  br i1 %none, label %out, label %one
one:
  %f3 = getelementptr %list, ptr %list, i64 0, i32 3
  %data = load ptr, ptr %f3, align 8
  %f4 = getelementptr %list, ptr %list, i64 0, i32 4
  %next = load ptr, ptr %f4, align 8
  store ptr %next, ptr %chain, align 8
  call void @free(ptr %data)
  call void @free(ptr %list)
  br label %each
out:
  ret void
}

; Make the list one longer; where its last element then is, null without memory.
define internal ptr @loop_list_grow(ptr %list) nounwind {
  %f1 = getelementptr %list, ptr %list, i64 0, i32 1
  %length = load i64, ptr %f1, align 8
  %f2 = getelementptr %list, ptr %list, i64 0, i32 2
  %room = load i64, ptr %f2, align 8
  %f3 = getelementptr %list, ptr %list, i64 0, i32 3
  %old = load ptr, ptr %f3, align 8
  %f6 = getelementptr %list, ptr %list, i64 0, i32 6
  %width = load i64, ptr %f6, align 8
  %fits = icmp slt i64 %length, %room
  br i1 %fits, label %take, label %more
more:
  %twice = shl i64 %room, 1
  %bytes = mul i64 %twice, %width
  %new = call ptr @realloc(ptr %old, i64 %bytes)
  %none = icmp eq ptr %new, null
  br i1 %none, label %no, label %moved
moved:
  store ptr %new, ptr %f3, align 8
  store i64 %twice, ptr %f2, align 8
  br label %take
take:
  %data = load ptr, ptr %f3, align 8
  %offset = mul i64 %length, %width
  %place = getelementptr i8, ptr %data, i64 %offset
  %longer = add i64 %length, 1
  store i64 %longer, ptr %f1, align 8
  ret ptr %place
no:
  ret ptr null
}
declare i64 @llvm.smax.i64(i64, i64)
"""

WRITES: Final = """
; The record of an array: its data, its bytes, the first writes (address and old value), how many of
; them, how many at most, and its contents from before the first write once there were more.
%record = type { ptr, i64, ptr, i64, i64, ptr }
%write = type { ptr, i64 }

; Note what a place holds before it is written; false without memory.
define internal i1 @loop_note(ptr %record, ptr %place) nounwind noinline {
start:
  %data = load ptr, ptr %record, align 8
  %f1 = getelementptr %record, ptr %record, i64 0, i32 1
  %bytes = load i64, ptr %f1, align 8
  %f2 = getelementptr %record, ptr %record, i64 0, i32 2
  %f3 = getelementptr %record, ptr %record, i64 0, i32 3
  %f4 = getelementptr %record, ptr %record, i64 0, i32 4
  %f5 = getelementptr %record, ptr %record, i64 0, i32 5
  %known = load ptr, ptr %f2, align 8
  %begun = icmp ne ptr %known, null
  br i1 %begun, label %noted, label %begin
begin:
  %share = lshr i64 %bytes, 7
  %most = call i64 @llvm.smax.i64(i64 %share, i64 64)
  %size = shl i64 %most, 4
  %block = call ptr @malloc(i64 %size)
  %none = icmp eq ptr %block, null
  br i1 %none, label %no, label %first
first:
  store ptr %block, ptr %f2, align 8
  store i64 %most, ptr %f4, align 8
  br label %noted
noted:
  %log = load ptr, ptr %f2, align 8
  %count = load i64, ptr %f3, align 8
  %room = load i64, ptr %f4, align 8
  %full = icmp sge i64 %count, %room
  br i1 %full, label %all, label %one
one:
  %w0 = getelementptr %write, ptr %log, i64 %count, i32 0
  store ptr %place, ptr %w0, align 8
  %old = load i64, ptr %place, align 8
  %w1 = getelementptr %write, ptr %log, i64 %count, i32 1
  store i64 %old, ptr %w1, align 8
  %counted = add i64 %count, 1
  store i64 %counted, ptr %f3, align 8
  br label %yes
all:
  %copy = call ptr @malloc(i64 %bytes)
  %nocopy = icmp eq ptr %copy, null
  br i1 %nocopy, label %no, label %take
take:
  call void @llvm.memcpy.p0.p0.i64(ptr %copy, ptr %data, i64 %bytes, i1 false)
  store ptr %copy, ptr %f5, align 8
  call void @loop_undo(ptr %record, ptr %copy)
  br label %yes
yes:
  ret i1 true
no:
  ret i1 false
}

; Take the noted writes back, the last one first, in the array or in a copy of it at `%target`.
define internal void @loop_undo(ptr %record, ptr %target) nounwind {
start:
  %data = load ptr, ptr %record, align 8
  %base = ptrtoint ptr %data to i64
  %f2 = getelementptr %record, ptr %record, i64 0, i32 2
  %log = load ptr, ptr %f2, align 8
  %f3 = getelementptr %record, ptr %record, i64 0, i32 3
  %count = load i64, ptr %f3, align 8
  br label %each
each:
  %k = phi i64 [ %count, %start ], [ %k1, %one ]
  %done = icmp eq i64 %k, 0
  br i1 %done, label %out, label %one
one:
  %k1 = sub i64 %k, 1
  %w0 = getelementptr %write, ptr %log, i64 %k1, i32 0
  %place = load ptr, ptr %w0, align 8
  %w1 = getelementptr %write, ptr %log, i64 %k1, i32 1
  %old = load i64, ptr %w1, align 8
  %at = ptrtoint ptr %place to i64
  %offset = sub i64 %at, %base
  %there = getelementptr i8, ptr %target, i64 %offset
  store i64 %old, ptr %there, align 8
  br label %each
out:
  ret void
}

; Forget what was noted; put everything back before, if so asked.
define internal void @loop_end(ptr %record, i1 %back) nounwind {
  %f2 = getelementptr %record, ptr %record, i64 0, i32 2
  %log = load ptr, ptr %f2, align 8
  %untouched = icmp eq ptr %log, null
  br i1 %untouched, label %out, label %some
some:
  %f5 = getelementptr %record, ptr %record, i64 0, i32 5
  %copy = load ptr, ptr %f5, align 8
  br i1 %back, label %which, label %drop
which:
  %data = load ptr, ptr %record, align 8
  %few = icmp eq ptr %copy, null
  br i1 %few, label %undo, label %restore
undo:
  call void @loop_undo(ptr %record, ptr %data)
  br label %drop
restore:
  %f1 = getelementptr %record, ptr %record, i64 0, i32 1
  %bytes = load i64, ptr %f1, align 8
  call void @llvm.memcpy.p0.p0.i64(ptr %data, ptr %copy, i64 %bytes, i1 false)
  br label %drop
drop:
  call void @free(ptr %copy)
  call void @free(ptr %log)
  br label %out
out:
  ret void
}
"""


def object_text(known: Objects) -> str:
    """Reading ints and strings out of the memory of this CPython's objects."""
    return f"""
declare i64 @PyLong_AsLongLongAndOverflow(ptr, ptr) nounwind

; the value of an exact int, or false where it has more than 64 bits
define internal {{ i64, i1 }} @loop_int(ptr %object) nounwind {{
start:
  %head = getelementptr i8, ptr %object, i64 16
  %size = load i64, ptr %head, align 8
  %where = getelementptr i8, ptr %object, i64 24
  %word = load i32, ptr %where, align 4
  %digit = zext i32 %word to i64
{_INT[known.tagged]}
  %value = mul i64 %sign, %digit
  br i1 %compact, label %short, label %long
short:
  %p0 = insertvalue {{ i64, i1 }} {{ i64 undef, i1 true }}, i64 %value, 0
  ret {{ i64, i1 }} %p0
long:
  %over = alloca i32, align 4
  store i32 0, ptr %over, align 4
  %wide = call i64 @PyLong_AsLongLongAndOverflow(ptr %object, ptr %over)
  %outside = load i32, ptr %over, align 4
  %fits = icmp eq i32 %outside, 0
  %p1 = insertvalue {{ i64, i1 }} undef, i64 %wide, 0
  %p2 = insertvalue {{ i64, i1 }} %p1, i1 %fits, 1
  ret {{ i64, i1 }} %p2
}}

; bytes a character, and the address of the first one
define internal i64 @loop_str_kind(ptr %object) nounwind {{
  %where = getelementptr i8, ptr %object, i64 32
  %state = load i32, ptr %where, align 4
  %moved = lshr i32 %state, {known.kind_shift}
  %kind = and i32 %moved, 7
  %wide = zext i32 %kind to i64
  ret i64 %wide
}}
define internal ptr @loop_str_data(ptr %object) nounwind {{
  %where = getelementptr i8, ptr %object, i64 32
  %state = load i32, ptr %where, align 4
  %moved = lshr i32 %state, {known.kind_shift + 4}
  %low = and i32 %moved, 1
  %ascii = icmp ne i32 %low, 0
  %offset = select i1 %ascii, i64 {known.ascii_data}, i64 {known.compact_data}
  %data = getelementptr i8, ptr %object, i64 %offset
  ret ptr %data
}}
define internal i32 @loop_char(ptr %data, i64 %kind, i64 %index) nounwind alwaysinline {{
  %narrow = icmp eq i64 %kind, 1
  br i1 %narrow, label %one, label %wider
one:
  %a1 = getelementptr i8, ptr %data, i64 %index
  %c1 = load i8, ptr %a1, align 1
  %r1 = zext i8 %c1 to i32
  ret i32 %r1
wider:
  %middle = icmp eq i64 %kind, 2
  br i1 %middle, label %two, label %four
two:
  %a2 = getelementptr i16, ptr %data, i64 %index
  %c2 = load i16, ptr %a2, align 2
  %r2 = zext i16 %c2 to i32
  ret i32 %r2
four:
  %a4 = getelementptr i32, ptr %data, i64 %index
  %c4 = load i32, ptr %a4, align 4
  ret i32 %c4
}}
; give back what was held while Python had its turn; true if nobody else holds it any more
declare void @Py_DecRef(ptr) nounwind
define internal i1 @loop_release(ptr %object) nounwind {{
  %nothing = icmp eq ptr %object, null
  br i1 %nothing, label %none, label %some
some:
  %word = load i32, ptr %object, align 4
  %last = icmp eq i32 %word, 1
  call void @Py_DecRef(ptr %object)
  ret i1 %last
none:
  ret i1 false
}}
declare i32 @memcmp(ptr, ptr, i64) nounwind
define internal i1 @loop_str_equal(ptr %a, i64 %na, i64 %ka, ptr %b, i64 %nb, i64 %kb) nounwind {{
  %length = icmp eq i64 %na, %nb
  %kind = icmp eq i64 %ka, %kb
  %like = and i1 %length, %kind
  br i1 %like, label %bytes, label %no
bytes:
  %size = mul i64 %na, %ka
  %order = call i32 @memcmp(ptr %a, ptr %b, i64 %size)
  %same = icmp eq i32 %order, 0
  ret i1 %same
no:
  ret i1 false
}}
"""


_INT: Final = {
    False: """  %bounded = add i64 %size, 1
  %compact = icmp ule i64 %bounded, 2
  %sign = add i64 %size, 0""",
    True: """  %compact = icmp ult i64 %size, 16
  %code = and i64 %size, 3
  %sign = sub i64 1, %code""",
}
"""How a short int says so: a signed number of digits up to 3.11, then a tag with sign and count."""
