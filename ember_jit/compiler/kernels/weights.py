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
    "exp": 30,
    "exp2": 28,
    "expm1": 35,
    "tanh": 45,
    "sinh": 70,
    "cosh": 50,
    "log": 45,
    "log2": 45,
    "log10": 45,
    "log1p": 60,
    "power": 130,
    "sin": 25,
    "cos": 25,
    "tan": 40,
}
