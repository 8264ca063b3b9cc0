"""`mesh_sharded`: the items of a batch, spread over the slots of a mesh.

The batch is split along the mesh axes that a `PartitionSpec` names (`partition`), into a block of items for each
device (`grid`); along the others it is replicated, of which one replica is computed.  So each item is computed
exactly once, and what comes out does not depend on the mesh: it is what `vmap` gives, nested once for each
dimension of the batch.  Blocks run at the same time, whatever the effects of the function: asking for a mesh is
the user's word that this is right.

Example:
    >>> mesh = DeviceMesh(devices=[0, 1, 2, 3], mesh_shape=(2, 2))
    >>> mesh_sharded(lambda item: {"y": item["x"] + 1}, mesh, PartitionSpec(0, 1))(inputs={"x": [1, 2, 3]})
    {'y': [2, 3, 4]}
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from ember_jit.errors import BatchError, near_misses
from ember_jit.transforms import batching
from ember_jit.transforms.devices import DeviceMesh
from ember_jit.transforms.grid import Block, Found, blocks, items_of, part_of
from ember_jit.transforms.mapped import Mapped, axes_of
from ember_jit.transforms.outputs import OutPartition, Outputs
from ember_jit.transforms.partition import Layout, PartitionSpec, axes_of_value, lay_out
from ember_jit.transforms.sharding import Shard, Work, gather, inside, on_slots, run_shard

InPartition = Mapping[Any, PartitionSpec | None] | Sequence[PartitionSpec | None] | None


class Sharded(Mapped):
    """What `mesh_sharded` returns."""

    def __init__(
        self,
        fn: Callable[..., Any],
        mesh: DeviceMesh,
        pspec: PartitionSpec | None,
        in_partition: InPartition,
        out_partition: OutPartition,
        of_blocks: bool,
    ) -> None:
        super().__init__("mesh_sharded", fn, *axes_of(fn))
        if not isinstance(mesh, DeviceMesh):
            raise BatchError(f"{self.__name__}: {mesh!r} is no mesh: give DeviceMesh([0, 1])")
        self.mesh, self.of_blocks = mesh, of_blocks
        self._by_argument = not isinstance(in_partition, Mapping)
        self._in = self._partitions(in_partition)
        outs = out_partition.values() if isinstance(out_partition, Mapping) else [out_partition]
        for spec in (pspec, *self._in.values(), *outs):
            self._check(spec)
        self._default = self._only_dimension() if pspec is None else pspec
        if of_blocks and out_partition is None:
            out_partition = pspec
        self._outputs = Outputs(
            self.__name__, mesh, out_partition, "block" if of_blocks else "item"
        )
        #: a `vmap` says itself which axes hold its items, unless they are given here
        self._as_vmap = in_partition is None and self._work(by_key=True).of_batches

    # ------------------------------------------------------------------ what was asked for
    def _partitions(self, given: InPartition) -> dict[Any, PartitionSpec | None]:
        if given is None:
            return {}
        if isinstance(given, Mapping):
            return dict(given)
        if isinstance(given, PartitionSpec | str) or not isinstance(given, Sequence):
            raise BatchError(
                f"{self.__name__}: in_partition={given!r}: give a dict by key, or a tuple with one for each argument"
            )
        return dict(enumerate(given))

    def _check(self, spec: Any) -> None:
        if spec is None:
            return
        if not isinstance(spec, PartitionSpec):
            raise BatchError(f"{self.__name__}: {spec!r} is no PartitionSpec")
        spec.dimensions(self.mesh)

    def _only_dimension(self) -> PartitionSpec | None:
        """What values without a partition are split over: what all others are, if that is one thing."""
        specs = [spec for spec in self._in.values() if spec is not None]
        named = {each for spec in specs for each in spec.dimensions(self.mesh) if each}
        if not named:
            raise BatchError(
                f"{self.__name__}: no axis of {self.mesh!r} is named: give a PartitionSpec"
            )
        return PartitionSpec(next(iter(named))) if len(named) == 1 else None

    @property
    def manner(self) -> str:
        """How a batch is taken apart and where its blocks run, in words."""
        return f"for each {self._outputs.noun}, over {self.mesh!r} by {self._default!r}"

    # ------------------------------------------------------------------ a call
    def _by_key(self, inputs: Mapping[str, Any]) -> Any:
        if self._in and self._by_argument:
            raise BatchError(
                f"{self.__name__}: in_partition is by argument, but inputs come by key"
            )
        for key in self._in:
            if key not in inputs:
                raise BatchError(
                    f"{self.__name__}: in_partition names {key!r}, which inputs lack{near_misses(key, map(str, inputs))}"
                )
        if self._as_vmap:
            batch = batching.split_mapping(inputs, self.in_axes, self.__name__)
            return self._of_vmap(batch, by_key=True)
        return self._of_values(dict(inputs), "key", by_key=True)

    def _by_position(self, args: tuple[Any, ...]) -> Any:
        self._check_position()
        if self._in and not self._by_argument:
            raise BatchError(
                f"{self.__name__}: in_partition is by key, but inputs come by position"
            )
        if self._in and len(self._in) != len(args):
            raise BatchError(
                f"{self.__name__}: in_partition has {len(self._in)} entries for {len(args)} arguments"
            )
        if self._as_vmap:
            batch = batching.split_positional(args, self.in_axes, self.__name__)
            return self._of_vmap(batch, by_key=False)
        return self._of_values(dict(enumerate(args)), "argument", by_key=False)

    def _of_vmap(self, batch: batching.Batch, *, by_key: bool) -> Any:
        """The items of a `vmap` have one dimension, over all mesh axes that are named."""
        assert self._default is not None
        named = tuple(axis for each in self._default.dimensions(self.mesh) for axis in each or ())
        layout = Layout((named,), (len(batch),), {})
        if not batch:
            return self._outputs.of_none(layout, self._known or batch.keys)
        found, items = blocks(layout, self.mesh), batch.items
        parts = [items[each.ranges[0].start : each.ranges[0].stop] for each in found]
        results = self._computed(found, parts, by_key=by_key)
        return self._noted(self._outputs.of_items(layout, results, arrays=batch.arrays))

    def _of_values(self, values: dict[Any, Any], noun: str, *, by_key: bool) -> Any:
        layout = self._layout(values, noun)
        places = [layout.places[key] for key in values]
        batched = [key for key, each in layout.places.items() if each]
        if not batched:
            raise BatchError(
                f"{self.__name__}: nothing to batch: give at least one list, tuple or array with an axis"
            )
        if not all(layout.lengths):
            return self._outputs.of_none(layout, (self._known or batched) if by_key else ())
        found, given = blocks(layout, self.mesh), list(values.values())
        take = part_of if self.of_blocks else items_of
        items: list[list[Any]] = [take(block, given, places) for block in found]
        if by_key:
            items = [[dict(zip(values, item, strict=True)) for item in part] for part in items]
        results = self._computed(found, items, by_key=by_key)
        if self.of_blocks:
            return self._noted(self._outputs.of_blocks(layout, results))
        arrays = not by_key and any(batching.is_array(values[key]) for key in batched)
        return self._noted(self._outputs.of_items(layout, results, arrays=arrays))

    def _layout(self, values: dict[Any, Any], noun: str) -> Layout:
        if self._default is None:
            for key, value in values.items():
                if key not in self._in and axes_of_value(value):
                    raise BatchError(
                        f"{self.__name__}, {noun} {key!r}: in_partition does not say how it is split over "
                        f"{self.mesh!r}; give it a PartitionSpec, or None to hand it over whole"
                    )
        return lay_out(values, self._in, self._default, self.mesh, f"{self.__name__}, {noun}")

    def _work(self, *, by_key: bool) -> Work:
        return Work(self.fn, by_key, one_by_one=self.of_blocks)

    def _computed(self, found: list[Block], parts: list[list[Any]], *, by_key: bool) -> Found:
        """The results, each with the index of its item or block, in order."""
        work, noun = self._work(by_key=by_key), self._outputs.noun
        shards = [
            Shard(number, part, [block.place] if self.of_blocks else block.indices, noun)
            for number, (block, part) in enumerate(zip(found, parts, strict=True))
        ]
        slots = [block.device for block in found]
        if inside.get() and all(type(slot) is int for slot in slots):
            outcomes = [run_shard(work, shard) for shard in shards]
        else:
            outcomes = on_slots(slots, work, shards)
        results = gather(shards, outcomes)
        indices = [
            index
            for block in found
            for index in ([block.place] if self.of_blocks else itertools.product(*block.ranges))
        ]
        return sorted(zip(indices, results, strict=True), key=itemgetter(0))


def mesh_sharded(
    fn: Callable[..., Any],
    mesh: DeviceMesh,
    pspec: PartitionSpec | None = None,
    *,
    in_partition: InPartition = None,
    out_partition: OutPartition = None,
    of_blocks: bool = False,
) -> Sharded:
    """Map `fn` over the items of a batch, which are spread over `mesh`.

    Args:
        fn: a function of one item, a function or operator of `inputs=`, a function of arrays, or `vmap` of one.
        mesh: where the items run.
        pspec: the mesh axes that the axes of the data are split over, for everything that has an axis.
        in_partition: the same by key, or by argument, where they differ; None hands the value over whole.
        out_partition: the mesh axes along the axes of the result, also by key of the results.  Along what it leaves
            out all results must be equal, and one is handed out.  If it is not given, the dimensions of the batch
            come first, in order.
        of_blocks: `fn` is called once for each block, with the block, as by `jax.shard_map`; what it returns is
            joined along the axes of `out_partition`, or else of `pspec`.

    Raises:
        BatchError: the mesh has no such axis, the batch cannot be taken apart, or the results cannot be put together.
            Of several failing items the first in order is raised, with what was finished in `partial_results`, by index.

    Example:
        >>> mesh = DeviceMesh([0, 1], axis_names=["rows"])
        >>> fn = mesh_sharded(lambda item: item["x"] in item["all"], mesh, in_partition={
        ...     "x": PartitionSpec("rows"), "all": None})
        >>> fn(inputs={"x": [1, 2, 3], "all": [1, 3]})
        [True, False, True]
    """
    return Sharded(fn, mesh, pspec, in_partition, out_partition, of_blocks)
