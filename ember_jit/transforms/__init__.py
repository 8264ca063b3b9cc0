"""Transforms: functions of one item, made functions of many.

`vmap` maps over a batch and keeps the loop's semantics; `pmap` and `mesh_sharded` split a batch into shards
that run at the same time, whatever the effects of the function.  Each is imported when it is first asked for:
a worker process needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ember_jit.lazy import lazily

if TYPE_CHECKING:
    from ember_jit.transforms.devices import DeviceMesh
    from ember_jit.transforms.mesh import mesh_sharded
    from ember_jit.transforms.parallel import pmap
    from ember_jit.transforms.partition import PartitionSpec
    from ember_jit.transforms.vectorise import vmap

__all__ = ["DeviceMesh", "PartitionSpec", "mesh_sharded", "pmap", "vmap"]
__getattr__, __dir__ = lazily(
    __name__,
    {
        "DeviceMesh": f"{__name__}.devices",
        "PartitionSpec": f"{__name__}.partition",
        "mesh_sharded": f"{__name__}.mesh",
        "pmap": f"{__name__}.parallel",
        "vmap": f"{__name__}.vectorise",
    },
)
