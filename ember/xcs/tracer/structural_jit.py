"""The structural compiler, and how to do without it for a while."""

from ember_jit.api import structural_jit
from ember_jit.runtime.dispatch import disable_structural_jit

__all__ = ["disable_structural_jit", "structural_jit"]
