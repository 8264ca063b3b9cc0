"""Transforms: functions of one item, made functions of many.

`vmap` maps over a batch and keeps the loop's semantics; `pmap` and `mesh_sharded` split a batch into shards
that run at the same time, whatever the effects of the function.
"""

from ember_jit.transforms.mesh import DeviceMesh, PartitionSpec, mesh_sharded
from ember_jit.transforms.parallel import pmap
from ember_jit.transforms.vectorise import vmap

__all__ = ["DeviceMesh", "PartitionSpec", "mesh_sharded", "pmap", "vmap"]
