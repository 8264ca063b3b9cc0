"""The processor that code is made for: what decides the width of vectors and what may be emitted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ember_jit.runtime.native.processor import BASELINE

_BASELINE_FEATURES = (
    "cx16 sahf popcnt sse4.1 sse4.2 ssse3 sse3 sse2 avx avx2 bmi bmi2 f16c fma lzcnt movbe xsave"
)


@dataclass(frozen=True, slots=True)
class Machine:
    """A target, as far as code generation asks.

    Attributes:
        triple: LLVM's name of the target.
        cpu: LLVM's name of the processor, for its scheduling model.
        features: the features as LLVM writes them, `"+avx2,+fma,-avx512f"`.
    """

    triple: str
    cpu: str
    features: str

    def has(self, feature: str) -> bool:
        return f"+{feature}," in self.features + ","

    @property
    def x86(self) -> bool:
        return self.triple.startswith(("x86_64", "amd64"))

    @property
    def arm(self) -> bool:
        return self.triple.startswith(("aarch64", "arm64"))

    @property
    def vector_bytes(self) -> int:
        """The width of a vector register: 64 (AVX-512), 32 (AVX2) or 16 (SSE2, NEON)."""
        if all(self.has(f"avx512{part}") for part in ("f", "dq", "vl", "bw")):
            return 64
        return 32 if self.has("avx2") else 16

    @property
    def compare_bytes(self) -> int:
        """The widest register with one quiet comparison that gives a mask in a register; 0 if there is none.

        AVX-512 compares into registers for masks, and LLVM's own comparison is at home there.
        """
        return 32 if self.x86 and self.has("avx") and self.vector_bytes < 64 else 0

    @property
    def fused(self) -> bool:
        """Whether there is a fused multiply-add in hardware (fast mode's polynomials need it)."""
        return self.has("fma") or self.arm

    @property
    def rounds(self) -> bool:
        """Whether floor, ceil, trunc and rint are instructions rather than calls of a library."""
        return self.has("sse4.1") or self.arm

    def text(self) -> str:
        """What distinguishes the code made for this machine, for a cache's key."""
        return f"{self.triple} {self.cpu} {self.features}"


@cache
def host() -> Machine:
    """The machine that this process runs on."""
    from llvmlite import binding

    features = binding.get_host_cpu_features().flatten()
    return Machine(binding.get_process_triple(), binding.get_host_cpu_name(), features)


@cache
def baseline() -> Machine | None:
    """The machine that a bundle's code for other processors is made for; None where none is stated."""
    here = host()
    if not here.x86:
        return None
    features = ",".join(f"+{name}" for name in _BASELINE_FEATURES.split())
    return Machine(here.triple, BASELINE, features)
