"""The numeric regions of a function, as far as they have been met: for `explain`, and as files for `dump`."""

from __future__ import annotations

from collections.abc import Iterator

from ember_jit.compiler.codegen.numeric import result_steps
from ember_jit.compiler.passes.numeric_python import python_of
from ember_jit.compiler.specialise import Details
from ember_jit.ir.program import Program
from ember_jit.ir.region import NumericRegion
from ember_jit.report.explanation import Region, Specialised
from ember_jit.runtime.numeric import Kernel, Site


def regions_of(sites: list[Site]) -> tuple[Region, ...]:
    """What was found and made, in order."""
    return tuple(_region(site) for site in sites)


def _region(site: Site) -> Region:
    region: NumericRegion = site.region
    first, last = region.lines
    line, why = region.boundary
    made = [Specialised(kernel.seen, _outcome(kernel)) for kernel in site.kernels]
    made += [Specialised(seen, f"NumPy: {reason}") for seen, reason in site.refused.items()]
    made += [Specialised(seen, "NumPy, while a kernel is being made") for seen in site.pending()]
    return Region(
        region.number,
        first,
        last,
        region.text,
        tuple(each.text for each in region.inputs),
        region.fused,
        tuple(dict.fromkeys(name for name, _ in region.outputs)),
        f"line {line}: {why}" if line else why,
        tuple(made),
        site.left,
    )


def _outcome(kernel: Kernel) -> str:
    details: Details = kernel.details
    return f"{_kind(details.typed.program)}, {details}"


def _kind(program: Program) -> str:
    """What the numbers of a kernel are: NumPy's, or in fast mode those of its own functions."""
    if program.numerics == "strict":
        return "a kernel"
    own = dict.fromkeys(node.op for node in program.nodes if program.approximated(node))
    return f"a fast kernel ({', '.join(own)} by polynomials)" if own else "a fast kernel"


def region_files(sites: list[Site]) -> Iterator[tuple[str, str]]:
    """Each region as Python; each of its kernels as kernel IR, with its cost, as LLVM IR, and as assembly."""
    from ember_jit.compiler import kernels

    for site in sites:
        region: NumericRegion = site.region
        name = f"region-{region.number}"
        first, last = region.lines
        head = f"# Lines {first}-{last}, as a function of what comes in.\n\n"
        yield f"{name}.py", head + python_of(region, result_steps(region))
        for number, kernel in enumerate(site.kernels):
            details: Details = kernel.details
            program = details.typed.program
            seen = (
                f"; for {', '.join(kernel.seen)}\n; {_outcome(kernel)}\n; {kernels.cost(program)}\n"
            )
            yield f"{name}-kernel-{number}.txt", f"{seen}{program}\n"
            yield f"{name}-kernel-{number}.ll", kernels.llvm_ir(program)
            yield f"{name}-kernel-{number}.s", kernels.assembly(program)
