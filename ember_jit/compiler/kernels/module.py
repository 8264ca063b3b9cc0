"""The LLVM module of a kernel: its body (or two variants of it) behind the exported function.

The exported function keeps the caller's floating-point environment: it clears the sticky exception
flags, calls the body, reads what the body raised, and puts everything back.  The body is a function
of its own so that no arithmetic can be moved across these steps.
"""

from __future__ import annotations

from ember_jit.compiler.kernels.kernel import Kernel
from ember_jit.compiler.kernels.machine import Machine
from ember_jit.compiler.kernels.schedule import Schedule
from ember_jit.compiler.kernels.text import size
from ember_jit.ir.program import FLAGS, FLOATS, INTEGERS, Program

STICKY = 0x3F  # the six exception flags of MXCSR
MASKED = 0x1F80  # its six masks: no exception traps

_QUIET = frozenset(
    [
        "input",
        "const",
        "count",
        "where",
        "positive",
        "negative",
        "absolute",
        "sign",
        "copysign",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
        "equal",
        "not_equal",
        "logical_and",
        "logical_or",
        "logical_xor",
        "logical_not",
        "isnan",
        "isinf",
        "isfinite",
        "signbit",
        "maximum",
        "minimum",
        "fmax",
        "fmin",
        "max",
        "min",
        "any",
        "all",
        "argmax",
        "argmin",
        "bitwise_and",
        "bitwise_or",
        "bitwise_xor",
        "invert",
        "left_shift",
        "right_shift",
        "floor",
        "ceil",
        "trunc",
        "rint",
    ]
)


def raises_flags(program: Program) -> bool:
    """Whether the program's arithmetic may raise a floating-point exception that NumPy reports."""
    if program.numerics != "strict":
        return False
    for node in program.nodes:
        if node.op == "cast":
            source = program.nodes[node.args[0]].dtype
            if source in FLOATS and (node.dtype in INTEGERS or node.dtype == "f" != source):
                return True
        elif node.op not in _QUIET and node.dtype in FLOATS:
            return True
    return False


def module_text(
    program: Program, machine: Machine, name: str = "kernel", brief: bool = False
) -> str:
    """The module that defines `i64 NAME(i8** operands, i64* shape, i64* strides)`.

    Args:
        brief: as little code as does it, for a first kernel that is soon there.
    """
    schedule = Schedule(program)
    declarations: dict[str, str] = {}
    strided = [
        k for k, operand in enumerate(program.operands) if operand.layout == "strided" and not brief
    ]
    bodies = [Kernel(program, schedule, machine, declarations, False, brief).function("body")]
    if strided:
        bodies.append(Kernel(program, schedule, machine, declarations, True).function("pitched"))
    guarded = raises_flags(program)
    if program.loops():
        bodies.append(call_loop(guarded))
    lines = [f"define i64 @{name}(ptr %operands, ptr %shape, ptr %strides) #1 {{", "start:"]
    if guarded:
        for word in ("stmxcsr", "ldmxcsr"):
            declarations[word] = f"declare void @llvm.x86.sse.{word}(ptr)"
        lines += [
            "  %old = alloca i32, align 4",
            "  %now = alloca i32, align 4",
            "  call void @llvm.x86.sse.stmxcsr(ptr %old)",
            "  %was = load i32, ptr %old, align 4",
            f"  %cleared = and i32 %was, {~STICKY}",
            f"  %masked = or i32 %cleared, {MASKED}",
            "  store i32 %masked, ptr %now, align 4",
            "  call void @llvm.x86.sse.ldmxcsr(ptr %now)",
        ]
        if program.loops():
            lines.append('  call void asm sideeffect "fnclex", ""()')
    lines += _choice(program, strided)
    if guarded:
        reported = sum(FLAGS[word] for word in ("invalid", "divide", "overflow"))
        lines += [
            "  call void @llvm.x86.sse.stmxcsr(ptr %now)",
            "  call void @llvm.x86.sse.ldmxcsr(ptr %old)",
            "  %after = load i32, ptr %now, align 4",
            f"  %raised = and i32 %after, {reported}",
            "  %flags = zext i32 %raised to i64",
            "  %both = or i64 %result, %flags",
            "  ret i64 %both",
        ]
    else:
        lines.append("  ret i64 %result")
    lines += ["}", ""]
    wide = f'"min-legal-vector-width"="{8 * machine.vector_bytes}"'
    attributes = [
        f"attributes #0 = {{ noinline nounwind {wide} }}",
        "attributes #1 = { noinline nounwind }",
    ]
    head = [f'target triple = "{machine.triple}"', *declarations.values(), ""]
    return "\n".join([*head, *bodies, *lines, *attributes, ""])


def call_loop(guarded: bool) -> str:
    """A function that calls one of NumPy's loops and keeps account of the flags around it.

    Some of the loops clear the sticky flags when they are done (NumPy reads them after each ufunc), so what
    was raised before is noted first; in a function of its own, no arithmetic can come between the note and the
    call.  Others raise theirs with `feraiseexcept`, which sets some of them in the x87 unit alone (cleared once,
    where the kernel begins: its flags, too, stay set).
    """
    parameters = "ptr %loop, ptr %args, ptr %length, ptr %steps, ptr %data, ptr %status"
    reported = sum(FLAGS[word] for word in ("invalid", "divide", "overflow"))
    before = [
        "  %now = alloca i32, align 4",
        "  call void @llvm.x86.sse.stmxcsr(ptr %now)",
        "  %sticky = load i32, ptr %now, align 4",
    ]
    after = [
        '  %word = call i16 asm sideeffect "fnstsw %ax", "={ax}"()',
        "  %x87 = zext i16 %word to i32",
        "  %either = or i32 %sticky, %x87",
        f"  %raised = and i32 %either, {reported}",
        "  %flags = zext i32 %raised to i64",
        "  %known = load i64, ptr %status, align 8",
        "  %both = or i64 %known, %flags",
        "  store i64 %both, ptr %status, align 8",
    ]
    lines = [
        f"define internal void @call_loop({parameters}) #1 {{",
        "start:",
        *(before if guarded else ()),
        "  call void %loop(ptr %args, ptr %length, ptr %steps, ptr %data)",
        *(after if guarded else ()),
        "  ret void",
        "}",
        "",
    ]
    return "\n".join(lines)


def _choice(program: Program, strided: list[int]) -> list[str]:
    """Call the body, or its variant for dense columns if all strided operands have such."""
    given = "(ptr %operands, ptr %shape, ptr %strides)"
    if not strided:
        return [f"  %result = call i64 @body{given}"]
    lines = []
    dense = "true"
    for k in strided:
        width = size(program.operands[k].dtype)
        lines += [
            f"  %place{k} = getelementptr i64, ptr %strides, i64 {2 * k + 1}",
            f"  %stride{k} = load i64, ptr %place{k}, align 8",
            f"  %dense{k} = icmp eq i64 %stride{k}, {width}",
            f"  %all{k} = and i1 {dense}, %dense{k}",
        ]
        dense = f"%all{k}"
    return [
        *lines,
        f"  br i1 {dense}, label %columns, label %scattered",
        "columns:",
        f"  %near = call i64 @pitched{given}",
        "  br label %done",
        "scattered:",
        f"  %far = call i64 @body{given}",
        "  br label %done",
        "done:",
        "  %result = phi i64 [ %near, %columns ], [ %far, %scattered ]",
    ]
