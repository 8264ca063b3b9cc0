"""The shapes of a region's steps, as axes rather than numbers, so that one kernel serves all sizes.

    x: (rows, columns)    w: (columns,)         space  (a, b)
    m = x.mean(axis=1)                     -->  x (a, b)   w (b)   m (a)
    y = (x - m[:, None]) * w                    m[:, None] (a, 1)  y (a, b)

Each axis of an input is an axis of its own until an operation lays two of the same length side by side.
The space is what the largest step has; a kernel knows values for each point of it, for each row, for
each column (inputs alone), and single ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ember_jit.ir.region import NumericRegion, Step

Axes = tuple[int, ...]  # an axis's number, or ONE
ONE = -1


class Unfit(Exception):
    """This region cannot become a kernel for these values; the message is the reason."""


class Shapes:
    """The axes of every step of a region, for inputs of given shapes.

    Attributes:
        space: the axes of the iteration space.
        axes: those of each step.

    Raises:
        Unfit: the shapes do not fit each other (NumPy has the error), or are no rows and columns.
    """

    def __init__(self, region: NumericRegion, shapes: Sequence[tuple[int, ...]]) -> None:
        self._sizes: list[int] = []
        self._same: list[int] = []
        self._stretched: set[int] = set()
        self._inputs = [tuple(self._axis(size) for size in shape) for shape in shapes]
        steps: list[Axes] = []
        for step in region.steps:
            steps.append(self._step(step, steps))
        self.axes = [self._final(each) for each in steps]
        self.space = max(self.axes, key=lambda each: (len(each), sum(a != ONE for a in each)))
        if len({*self.space}) < len(self.space):
            raise Unfit("rows and columns are laid side by side")  # then which is which is not sure
        if not self.space or ONE in self.space:
            raise Unfit("no operation has the shape of the whole")

    def _axis(self, size: int) -> int:
        self._sizes.append(size)
        self._same.append(len(self._same))
        return len(self._same) - 1

    def _root(self, axis: int) -> int:
        while self._same[axis] != axis:
            axis = self._same[axis]
        return axis

    def _final(self, axes: Axes) -> Axes:
        roots = (axis if axis == ONE else self._root(axis) for axis in axes)
        return tuple(ONE if root in self._stretched else root for root in roots)

    def _step(self, step: Step, steps: list[Axes]) -> Axes:
        if step.op == "input":
            number: int = step.value
            return self._inputs[number]
        if step.op == "const":
            return ()
        if step.op == "view":
            return _viewed(steps[step.args[0]], step.value)
        if hasattr(step.value, "keepdims"):
            return _reduced(steps[step.args[0]], step.value)
        found: Axes = ()
        for arg in step.args:
            found = self._broadcast(found, steps[arg])
        return found

    def _broadcast(self, left: Axes, right: Axes) -> Axes:
        if len(left) < len(right):
            left, right = right, left
        gap = len(left) - len(right)
        return left[:gap] + tuple(self._met(a, b) for a, b in zip(left[gap:], right, strict=True))

    def _met(self, left: int, right: int) -> int:
        if left == ONE or right == ONE:
            return max(left, right)
        left, right = self._root(left), self._root(right)
        sizes = self._sizes[left], self._sizes[right]
        if sizes[0] == sizes[1]:
            self._same[max(left, right)] = min(left, right)
            if max(left, right) in self._stretched:
                self._stretched.add(min(left, right))
            return min(left, right)
        if 1 not in sizes:
            raise Unfit("the shapes do not fit each other")
        one, other = (left, right) if sizes[0] == 1 else (right, left)
        self._stretched.add(one)
        return other


def _viewed(axes: Axes, index: tuple[Any, ...]) -> Axes:
    taken = sum(each == "all" for each in index)
    if taken > len(axes) or sum(each is ... for each in index) > 1:
        raise Unfit("too many indices")
    rest = len(axes) - taken
    out: list[int] = []
    left = list(axes)
    for each in index:
        if each is None:
            out.append(ONE)
        elif each is ...:
            out += left[:rest]
            del left[:rest]
        else:
            out.append(left.pop(0))
    return (*out, *left)


def _reduced(axes: Axes, how: Any) -> Axes:
    if how.axis is None:
        return (ONE,) * len(axes) if how.keepdims else ()
    if not -len(axes) <= how.axis < len(axes):
        raise Unfit("there is no such axis")
    axis = how.axis % len(axes)
    kept = (ONE,) if how.keepdims else ()
    return (*axes[:axis], *kept, *axes[axis + 1 :])
