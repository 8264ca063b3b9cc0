"""About how many instructions each operation takes, where it is more than one."""

from typing import Final

WEIGHTS: Final[dict[str, int]] = {
    "true_divide": 4,
    "sqrt": 4,
    "reciprocal": 4,
    "floor_divide": 20,
    "remainder": 20,
    "maximum": 4,
    "minimum": 4,
    "fmax": 4,
    "fmin": 4,
    "sign": 5,
}
