"""`out_partition`: along which axes of a result the dimensions of the batch run.

batch split over x and y, by                 the result
nothing (the default)                        axis 0 along x, axis 1 along y
PartitionSpec("y", "x")                      the other way round
PartitionSpec(None, "x", "y")                behind the first axis of each item's own result
PartitionSpec("x")                           axis 0 along x; along y all results must be equal
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ember_jit.errors import BatchError, near_misses
from ember_jit.transforms import joining
from ember_jit.transforms.devices import DeviceMesh
from ember_jit.transforms.grid import Axes, Disagreement, Found, concatenate, nested, put_together
from ember_jit.transforms.partition import Dimension, Layout, PartitionSpec

OutPartition = PartitionSpec | Mapping[Any, PartitionSpec] | None


class Outputs:
    """Puts the results of a batch together.

    Args:
        name: of the mapped function.
        mesh: whose axes are named.
        partition: for all results, or by key.
        noun: what results are of: "item" or "block".
    """

    def __init__(self, name: str, mesh: DeviceMesh, partition: OutPartition, noun: str) -> None:
        self.name, self.mesh, self.partition, self.noun = name, mesh, partition, noun

    def of_items(self, layout: Layout, found: Found, *, arrays: bool) -> Any:
        """The results of items: nested lists, by key where they are dicts; or stacked, leaf by leaf."""
        place = partial(put_together, lengths=layout.lengths)
        if arrays:
            return self._made(layout, None, found, partial(place, arrays=True))
        joined = joining.join([result for _, result in found], self.name)
        if not isinstance(joined, dict):
            self._check_keys(())
            return self._made(layout, None, found, place)
        return self._by_key(layout, found, joined, place)

    def of_blocks(self, layout: Layout, found: Found) -> Any:
        """The results of blocks, joined."""
        if not isinstance(self.partition, Mapping):
            return self._made(layout, None, found, concatenate)
        joined = joining.join([result for _, result in found], self.name)
        if not isinstance(joined, dict):
            self._check_keys(())
        return self._by_key(layout, found, joined, concatenate)

    def of_none(self, layout: Layout, keys: Sequence[Any]) -> Any:
        """The results of an empty batch, for which nothing was called."""

        def empty(key: Any) -> Any:
            along = [d for d in self._axes(layout, key) if d is not None]
            return nested(iter(()), [layout.lengths[d] for d in along] or [0])

        return {key: empty(key) for key in keys} if keys else empty(None)

    def _by_key(
        self,
        layout: Layout,
        found: Found,
        columns: Mapping[Any, Sequence[Any]],
        put: Callable[..., Any],
    ) -> dict[Any, Any]:
        self._check_keys(columns)
        return {
            key: self._made(
                layout, key, [(at, each) for (at, _), each in zip(found, column, strict=True)], put
            )
            for key, column in columns.items()
        }

    def _check_keys(self, known: Sequence[Any] | Mapping[Any, Any]) -> None:
        for key in self.partition if isinstance(self.partition, Mapping) else ():
            if key not in known:
                hint = near_misses(key, map(str, known)) if known else ": they are no dicts"
                raise BatchError(
                    f"{self.name}: out_partition names {key!r}, which the results lack{hint}"
                )

    def _made(self, layout: Layout, key: Any, found: Found, put: Callable[..., Any]) -> Any:
        """One result; an error says what it is about."""
        try:
            return put(found, axes=self._axes(layout, key))
        except Disagreement as exc:
            dimension = self._names(layout.dimensions[exc.dimension])
            told = " and ".join(
                f"{self.noun} {_index(at)} gave {value!r:.60}" for at, value in exc.two
            )
            raise BatchError(
                f"{self.name}: out_partition leaves out {dimension} of {self.mesh!r}, "
                f"so results must agree along it, but {told}"
            ) from None
        except BatchError as exc:
            if str(exc).startswith(self.name):
                raise
            text = str(exc).removesuffix(f" [{exc.code}]")
            raise BatchError(f"{self.name} over {self.mesh!r}: {text}") from exc.__cause__

    def _axes(self, layout: Layout, key: Any) -> Axes:
        """Where the dimensions of the batch go in a result."""
        given = self.partition
        spec = given.get(key) if isinstance(given, Mapping) else given
        if spec is None:
            return tuple(range(len(layout.dimensions)))
        asked = spec.dimensions(self.mesh)
        joined = tuple(axis for each in asked for axis in each or ())
        if joined and (joined,) == layout.dimensions:  # a batch of one axis, split over several
            return (*_leading(asked), 0)
        return tuple(None if each is None else self._number(each, layout, spec) for each in asked)

    def _number(self, dimension: Dimension, layout: Layout, spec: PartitionSpec) -> int:
        if dimension in layout.dimensions:
            return layout.dimensions.index(dimension)
        split = ", ".join(map(self._names, layout.dimensions))
        raise BatchError(
            f"{self.name}: out_partition {spec!r} has an axis along {self._names(dimension)} of {self.mesh!r}, "
            f"but the batch is split over {split}"
        )

    def _names(self, dimension: Dimension) -> str:
        names = [repr(self.mesh.axis_names[axis]) for axis in dimension]
        return names[0] if len(names) == 1 else f"({', '.join(names)})"


def _leading(asked: Sequence[Dimension | None]) -> Iterator[None]:
    """The axes in front of the first that is named."""
    for each in asked:
        if each is not None:
            return
        yield None


def _index(index: tuple[int, ...]) -> Any:
    return index[0] if len(index) == 1 else index
