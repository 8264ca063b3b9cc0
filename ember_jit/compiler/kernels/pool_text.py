"""The LLVM IR of the pool of output buffers: `take`, and the functions of a NumPy memory handler.

A block is a mapping of whole pages whose first 64 bytes hold its size; an array's data follow, aligned to
64 bytes.  Free blocks wait in a ring of slots, at most `pool_limit` bytes of them, the oldest going first.
Everything runs under the GIL, as NumPy's calls of a handler do.

An array that owns such data is an ordinary array: NumPy frees the data through the handler once the
array and all its views are gone, and only then can a block be handed out again.
"""

from __future__ import annotations

import mmap
from typing import Final

SLOTS: Final = 16
HEADER: Final = 64
HUGE_BYTES: Final = 1 << 22
"""Blocks from this size on ask for huge pages, as NumPy's own allocator does."""

_EVICT = f"""\
evict:
  %old = load ptr, ptr %place
  %unmapped = call i32 @munmap(ptr %old, i64 %there)
  store ptr null, ptr %place
  store i64 0, ptr %place_size
  %gone = sub i64 0, %there
  %left = call i64 @add(ptr @pool_held, i64 %gone)
  br label %on
on:
  %following = add i64 %i, 1
  %more = icmp ult i64 %following, {SLOTS}
"""
"""The end of a walk over the slots, `%i` being the number of the one at hand: unmap what it holds, and go on."""


def pool_text() -> str:
    """The module, as LLVM IR."""
    private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    advice = getattr(mmap, "MADV_HUGEPAGE", None)
    advise = (
        f"call i32 @madvise(ptr %block, i64 %bytes, i32 {advice})" if advice is not None else ""
    )
    name = "ember_jit".ljust(127, "\0").replace("\0", "\\00")
    return f"""\
%slot = type {{ ptr, i64 }}
@slots = internal global [{SLOTS} x %slot] zeroinitializer, align 16
@next = internal global i64 0
@pool_limit = global i64 0
@pool_held = global i64 0
@pool_made = global i64 0
@pool_reused = global i64 0
@pool_functions = global {{ [127 x i8], i8, {{ ptr, ptr, ptr, ptr, ptr }} }} {{
  [127 x i8] c"{name}", i8 1, {{ ptr, ptr, ptr, ptr, ptr }} {{
  ptr null, ptr @pool_malloc, ptr @pool_calloc, ptr @pool_realloc, ptr @pool_free }} }}, align 16

declare ptr @mmap(ptr, i64, i32, i32, i32, i64)
declare i32 @munmap(ptr, i64)
declare i32 @madvise(ptr, i64, i32)
declare ptr @memcpy(ptr, ptr, i64)
declare ptr @memset(ptr, i32, i64)
declare {{ i64, i1 }} @llvm.umul.with.overflow.i64(i64, i64)

define internal i64 @add(ptr %counter, i64 %change) {{
  %old = load i64, ptr %counter
  %new = add i64 %old, %change
  store i64 %new, ptr %counter
  ret i64 %new
}}

; The smallest free block that is large enough and at most a quarter too large, else a new one.
define ptr @pool_take(i64 %size) {{
start:
  %huge = icmp uge i64 %size, {1 << 62}
  br i1 %huge, label %fail, label %round
round:
  %padded = add i64 %size, {HEADER + mmap.PAGESIZE - 1}
  %bytes = and i64 %padded, {-mmap.PAGESIZE}
  %quarter = lshr i64 %bytes, 2
  %most = add i64 %bytes, %quarter
  %beyond = add i64 %most, 1
  br label %look
look:
  %i = phi i64 [ 0, %round ], [ %following, %look ]
  %best = phi i64 [ -1, %round ], [ %better, %look ]
  %least = phi i64 [ %beyond, %round ], [ %lesser, %look ]
  %place = getelementptr %slot, ptr @slots, i64 %i, i32 1
  %there = load i64, ptr %place
  %enough = icmp uge i64 %there, %bytes
  %closer = icmp ult i64 %there, %least
  %fits = and i1 %enough, %closer
  %better = select i1 %fits, i64 %i, i64 %best
  %lesser = select i1 %fits, i64 %there, i64 %least
  %following = add i64 %i, 1
  %more = icmp ult i64 %following, {SLOTS}
  br i1 %more, label %look, label %choose
choose:
  %none = icmp eq i64 %better, -1
  br i1 %none, label %make, label %reuse
reuse:
  %chosen = getelementptr %slot, ptr @slots, i64 %better
  %old = load ptr, ptr %chosen
  %chosen_size = getelementptr %slot, ptr @slots, i64 %better, i32 1
  store ptr null, ptr %chosen
  store i64 0, ptr %chosen_size
  %gone = sub i64 0, %lesser
  %unused1 = call i64 @add(ptr @pool_held, i64 %gone)
  %unused2 = call i64 @add(ptr @pool_reused, i64 1)
  %old_data = getelementptr i8, ptr %old, i64 {HEADER}
  ret ptr %old_data
make:
  %block = call ptr @mmap(ptr null, i64 %bytes, i32 {mmap.PROT_READ | mmap.PROT_WRITE}, i32 {private}, i32 -1, i64 0)
  %number = ptrtoint ptr %block to i64
  %refused = icmp eq i64 %number, -1
  br i1 %refused, label %fail, label %advise
advise:
  %large = icmp uge i64 %bytes, {HUGE_BYTES}
  br i1 %large, label %ask, label %ready
ask:
  {"%unused4 = " if advise else ""}{advise}
  br label %ready
ready:
  store i64 %bytes, ptr %block
  %unused3 = call i64 @add(ptr @pool_made, i64 1)
  %data = getelementptr i8, ptr %block, i64 {HEADER}
  ret ptr %data
fail:
  ret ptr null
}}

; Puts a block into the next slot; what is in the way, or too much, is unmapped, the oldest first.
define void @pool_free(ptr %context, ptr %data, i64 %size) {{
start:
  %nothing = icmp eq ptr %data, null
  br i1 %nothing, label %end, label %measure
measure:
  %block = getelementptr i8, ptr %data, i64 {-HEADER}
  %bytes = load i64, ptr %block
  %limit = load i64, ptr @pool_limit
  %too_large = icmp ugt i64 %bytes, %limit
  br i1 %too_large, label %drop, label %room
drop:
  %unused1 = call i32 @munmap(ptr %block, i64 %bytes)
  br label %end
room:
  %first = load i64, ptr @next
  br label %look
look:
  %i = phi i64 [ 0, %room ], [ %following, %on ]
  %sum = add i64 %first, %i
  %index = and i64 %sum, {SLOTS - 1}
  %place = getelementptr %slot, ptr @slots, i64 %index
  %place_size = getelementptr %slot, ptr @slots, i64 %index, i32 1
  %there = load i64, ptr %place_size
  %taken = icmp ne i64 %there, 0
  %in_the_way = icmp eq i64 %i, 0
  %held = load i64, ptr @pool_held
  %total = add i64 %held, %bytes
  %too_much = icmp ugt i64 %total, %limit
  %unwanted = or i1 %in_the_way, %too_much
  %goes = and i1 %taken, %unwanted
  br i1 %goes, label %evict, label %on
{_EVICT}  br i1 %more, label %look, label %keep
keep:
  %home = getelementptr %slot, ptr @slots, i64 %first
  %home_size = getelementptr %slot, ptr @slots, i64 %first, i32 1
  store ptr %block, ptr %home
  store i64 %bytes, ptr %home_size
  %unused4 = call i64 @add(ptr @pool_held, i64 %bytes)
  %after = add i64 %first, 1
  %wrapped = and i64 %after, {SLOTS - 1}
  store i64 %wrapped, ptr @next
  br label %end
end:
  ret void
}}

define ptr @pool_malloc(ptr %context, i64 %size) {{
  %data = call ptr @pool_take(i64 %size)
  ret ptr %data
}}

define ptr @pool_calloc(ptr %context, i64 %count, i64 %item) {{
start:
  %pair = call {{ i64, i1 }} @llvm.umul.with.overflow.i64(i64 %count, i64 %item)
  %size = extractvalue {{ i64, i1 }} %pair, 0
  %over = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %over, label %fail, label %take
take:
  %data = call ptr @pool_take(i64 %size)
  %refused = icmp eq ptr %data, null
  br i1 %refused, label %fail, label %clear
clear:
  %unused = call ptr @memset(ptr %data, i32 0, i64 %size)
  ret ptr %data
fail:
  ret ptr null
}}

define ptr @pool_realloc(ptr %context, ptr %data, i64 %size) {{
start:
  %nothing = icmp eq ptr %data, null
  br i1 %nothing, label %fresh, label %measure
fresh:
  %first = call ptr @pool_take(i64 %size)
  ret ptr %first
measure:
  %block = getelementptr i8, ptr %data, i64 {-HEADER}
  %bytes = load i64, ptr %block
  %room = sub i64 %bytes, {HEADER}
  %fits = icmp ule i64 %size, %room
  br i1 %fits, label %same, label %move
same:
  ret ptr %data
move:
  %other = call ptr @pool_take(i64 %size)
  %refused = icmp eq ptr %other, null
  br i1 %refused, label %fail, label %copy
copy:
  %unused = call ptr @memcpy(ptr %other, ptr %data, i64 %room)
  call void @pool_free(ptr %context, ptr %data, i64 %room)
  ret ptr %other
fail:
  ret ptr null
}}

; Gives all free blocks back to the system.
define void @pool_drain() {{
start:
  br label %look
look:
  %i = phi i64 [ 0, %start ], [ %following, %on ]
  %place = getelementptr %slot, ptr @slots, i64 %i
  %place_size = getelementptr %slot, ptr @slots, i64 %i, i32 1
  %there = load i64, ptr %place_size
  %taken = icmp ne i64 %there, 0
  br i1 %taken, label %evict, label %on
{_EVICT}  br i1 %more, label %look, label %end
end:
  ret void
}}
"""
