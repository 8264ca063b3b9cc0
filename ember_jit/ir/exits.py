"""Whether control may leave an op other than at its end.

for doc in docs:                     leaves_function(for)  False
    s = self.summ(inputs=doc)
    if s is None:                    has_exit(if)          True: `break`
        break
"""

from __future__ import annotations

from ember_jit.ir.ops import EXITS, Op


def has_exit(op: Op) -> bool:
    """Whether control may leave `op` other than at its end."""
    for region in op.regions:
        for inner in region.ops:
            if inner.kind in EXITS or inner.kind == "assert":
                return True
            if inner.kind in ("for", "while"):
                if leaves_function(inner):
                    return True
            elif inner.regions and has_exit(inner):
                return True
    return False


def leaves_function(op: Op) -> bool:
    """Whether a loop may leave the function, or is left early (so that what follows in it is not certain)."""
    return any(inner.kind in ("return", "raise", "assert") for inner in op.walk())
