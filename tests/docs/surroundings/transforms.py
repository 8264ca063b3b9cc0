"""What the snippet of docs/transforms.md assumes."""

import numpy as np

from ember_jit import DeviceMesh, PartitionSpec, mesh_sharded

mesh = DeviceMesh([0, 1], axis_names=["x"])
array = np.arange(12).reshape(4, 3)


def check():
    assert (rows(array) == array.sum(axis=1)).all()
