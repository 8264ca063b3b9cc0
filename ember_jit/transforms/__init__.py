"""Transforms: functions of one item, made functions of many.

`vmap` maps over a batch and keeps the loop's semantics; `pmap` and `mesh_sharded` split a batch into shards
that run at the same time, whatever the effects of the function.  Each is imported when it is first asked for:
a worker process needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ember_jit.transforms.devices import DeviceMesh
    from ember_jit.transforms.mesh import mesh_sharded
    from ember_jit.transforms.parallel import pmap
    from ember_jit.transforms.partition import PartitionSpec
    from ember_jit.transforms.vectorise import vmap

__all__ = ["DeviceMesh", "PartitionSpec", "mesh_sharded", "pmap", "vmap"]
_HOMES = {
    "DeviceMesh": "devices",
    "PartitionSpec": "partition",
    "mesh_sharded": "mesh",
    "pmap": "parallel",
    "vmap": "vectorise",
}


def __getattr__(name: str) -> Any:
    """Import a transform when it is first asked for."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(f"ember_jit.transforms.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ember_jit.transforms' has no attribute {name!r}")
